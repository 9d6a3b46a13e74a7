"""The first look at answers: each item becomes a record, or a reject where a check of its own finds fault.

That takes most of the time that a set takes after its answers are there, and looks at nothing but the report that an answer is about. So
it is done report by report, side by side, and of each answer once in a run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingen.disk import dump_json
from fingen.parallel import Parallel
from fingen.pipeline.checking import DISAGREES
from fingen.pipeline.repairing import is_repair
from fingen.quality.checks import find_faults
from fingen.quality.draft import Draft, Drop, joined
from fingen.quality.evidence import find_quote
from fingen.quality.grounding import Finding, only_may_err
from fingen.quality.namesakes import find_namesakes
from fingen.quality.privacy import Mode, protect
from fingen.records import CONTESTED, SUPPORTED_BY, Chunk, Completion, Passage, Record, Rejected, Request
from fingen.tasks import qa
from fingen.tasks.documents import parse_answer
from fingen.teachers.answers import Answer, read_answer
from fingen.teachers.journal import Journal
from fingen.verification.origin import Groundings, Origin

NO_ANSWER = "no-answer"  # the reason of a request that nothing came of
SECONDS = 0.01  # of a processor that the answer to a request takes
_Completion = Completion | None


@dataclass(frozen=True)
class Contested:
    """A record that rules which read words speak against, and they alone: the second teacher decides on it."""

    record: Record
    reject: Rejected  # where the teacher does not support it


@dataclass
class Draw:
    """Items on their way to becoming records."""

    kept: list[Record] = field(default_factory=list)
    contested: list[Contested] = field(default_factory=list)  # only where a second teacher is asked
    rephrased: dict[str, str] = field(default_factory=dict)  # record id -> the second wording of its question
    rejected: list[Rejected] = field(default_factory=list)
    unusable: int = 0  # answers
    unanswered: int = 0  # requests
    repairs: Counter[str] = field(default_factory=Counter)  # what had to be forgiven to read answers -> how often
    slips: int = 0  # quotes that differ from the source in a few letters, and were set right
    checked: dict[str, Any] | None = (
        None  # what a second teacher made of the items that pass the rules, if one was asked
    )
    judged: dict[str, Any] | None = None  # what a judge made of the kept items, if one was asked
    mended: set[str] = field(default_factory=set)  # ids of records whose pair was rejected before
    private: Counter[str] = field(default_factory=Counter)  # kind of personal data -> times it was found

    @property
    def asked_about(self) -> list[Record]:
        """What a second teacher is asked about."""
        return [*self.kept, *(each.record for each in self.contested)]

    def add(self, other: Draw) -> None:
        """Take in what else was seen."""
        self.kept += other.kept
        self.contested += other.contested
        self.rephrased |= other.rephrased
        self.rejected += other.rejected
        self.unusable += other.unusable
        self.unanswered += other.unanswered
        self.repairs.update(other.repairs)
        self.slips += other.slips
        self.mended |= other.mended
        self.private.update(other.private)

    def settle(self, supported: Collection[str], against: Mapping[str, str], teacher: str) -> None:
        """Keep contested records of which the second teacher supports each claim, and say so in them; reject the others.

        `supported` are ids; `against` says by id what the teacher has against a record.
        """
        for each in self.contested:
            record, reject = each.record, each.reject
            if record.id in supported:
                draws = {**record.draws, SUPPORTED_BY: teacher}
                self.kept.append(record.model_copy(update={"draws": draws}))
            else:
                too = against.get(record.id, f"{teacher} did not say that the quotes support each claim")
                self.rejected.append(reject.model_copy(update={"detail": f"{reject.detail}; {DISAGREES}: {too}"}))

    def reject(self, records: Iterable[tuple[Record, str]], reason: str) -> None:
        """Move records to the rejects, each with its detail. They are known as objects: a duplicate may have the same id."""
        details = {id(record): detail for record, detail in records}
        for record in self.kept:
            if id(record) in details:
                item: dict[str, Any] = {
                    "question": record.instruction,
                    "answer": record.output,
                    "document": record.document,
                }
                item |= {"before": list(record.messages)} if record.turns else {}
                self.rejected.append(
                    Rejected(item=item, reason=reason, detail=details[id(record)], chunks=record.chunks, request=None)
                )
        self.kept = [record for record in self.kept if id(record) not in details]


@dataclass(frozen=True)
class _How:
    """How answers are looked at."""

    teacher: str
    privacy: Mode
    contest: bool  # what only rules that read words speak against is neither kept nor rejected yet, but contested
    organisations: frozenset[str]  # whose reports the set has


@dataclass(frozen=True)
class _Report:
    """Answers about a report, and its passages with those that were shown beside them."""

    answers: Sequence[tuple[Request, _Completion]]
    chunks: Mapping[str, Chunk]
    passages: Mapping[str, Passage]


@dataclass
class Looks:
    """What a run has seen of its answers. `origin` has the passages that were shown, and whose reports they are from."""

    origin: Origin
    teacher: str
    privacy: Mode
    contest: bool = False
    parallel: Parallel = field(default_factory=Parallel)
    _seen: dict[str, tuple[_Completion, Draw]] = field(default_factory=dict, init=False, repr=False)  # by request
    _namesakes: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def at(self, requests: Iterable[Request], journal: Journal) -> Draw:
        """What there is to see in the answers to requests, in the order of these."""
        distinct = {request.key: request for request in requests}
        completions = journal.answers(distinct)
        new = {
            key: request
            for key, request in distinct.items()
            if key not in self._seen or self._seen[key][0] != completions.get(key)
        }
        self._look(new, completions)
        draw = Draw()
        for key in distinct:
            draw.add(self._seen[key][1])
        return draw

    def namesakes(self, records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
        """Those records of which a figure is another one elsewhere in the report, each with where: see `find_namesakes`."""
        return ((record, told) for record in records if (told := self._namesakes.get(_asked(record))))

    def _look(self, requests: Mapping[str, Request], completions: Mapping[str, Completion]) -> None:
        reports = self._reports(requests, completions)
        how = _How(self.teacher, self.privacy, self.contest, self.origin.organisations)
        for at, (draws, namesakes, groundings) in self.parallel.run(
            look_at_report, how, reports, seconds=SECONDS * len(requests)
        ):
            for (request, completion), draw in zip(reports[at].answers, draws, strict=True):
                self._seen[request.key] = completion, draw
            self._namesakes |= namesakes
            self.origin.remember(groundings)

    def _reports(self, requests: Mapping[str, Request], completions: Mapping[str, Completion]) -> list[_Report]:
        """The answers by the report that they are about, those with most answers first."""
        by_report: dict[str, list[Request]] = defaultdict(list)
        for request in requests.values():
            by_report[request.passages[0].document].append(request)
        passages: dict[str, list[Passage]] = defaultdict(list)
        for passage in self.origin.passages.values() if by_report else ():
            passages[passage.document].append(passage)
        return [
            self._report(asked, passages[document], completions)
            for document, asked in sorted(by_report.items(), key=lambda each: -len(each[1]))
        ]

    def _report(
        self, asked: Sequence[Request], own: Sequence[Passage], completions: Mapping[str, Completion]
    ) -> _Report:
        shown = {passage.chunk for request in asked for passage in request.passages}
        passages = {passage.chunk: passage for passage in own}
        passages |= {chunk: self.origin.passages[chunk] for chunk in sorted(shown - {*passages})}
        answers = [(request, completions.get(request.key)) for request in asked]
        return _Report(answers, {chunk: self.origin.chunks[chunk] for chunk in passages}, passages)


def look_at_report(how: _How, report: _Report) -> tuple[list[Draw], dict[str, str], Groundings]:
    """What there is to see in each answer about a report; which records have namesakes; how figures stand."""
    origin = Origin(report.chunks, report.passages, how.organisations)
    draws = [_look_at(read_answer(*answer, parse_answer), origin, how) for answer in report.answers]
    own = report.answers[0][0].passages[0].document
    passages = [passage for passage in report.passages.values() if passage.document == own]
    records = (record for draw in draws for record in draw.asked_about)
    namesakes = {_asked(record): told for record, told in find_namesakes(records, passages)}
    return draws, namesakes, origin.groundings


def _asked(record: Record) -> str:
    """What a question about cells is known by: rows of one pair about other cells may have the same id."""
    return dump_json(
        [record.id, record.chunks, record.program, record.draws.get("cells"), record.draws.get("operation")]
    )


def _look_at(answer: Answer[tuple[qa.DocumentTask, qa.Item]], origin: Origin, how: _How) -> Draw:
    draw, request = Draw(), answer.request
    judge = _Judge(draw, origin, how)
    draw.unanswered += answer.completion is None
    draw.unusable += answer.completion is not None and bool(answer.unusable)
    draw.repairs.update(answer.repairs)
    draw.rejected += rejects(answer)
    most = request.count // len(request.tasks)  # of each kind
    room = dict.fromkeys(request.tasks, most)
    for task, item in answer.items:
        room[task.task] -= 1
        if room[task.task] >= 0:
            judge.item(task, item, request)
        else:
            draw.rejected.append(rejected(item.model_dump(), "surplus", f"more than {most} asked for", request))
    return draw


@dataclass
class _Judge:
    """Turns an item into a record, or rejects it."""

    draw: Draw
    origin: Origin
    how: _How

    def item(self, task: qa.DocumentTask, item: qa.Item, request: Request) -> None:
        """One item of an answer: it falls with each of its pairs."""
        shown = [self.origin.chunks[passage.chunk] for passage in request.passages]
        pairs, faults, findings, told, slips = item.pairs, list[Drop](), list[Finding](), list[Drop](), 0
        record: Record | None = None
        for number, pair in enumerate(pairs, 1):
            quotes = {quote: find_quote(quote, shown) for quote in pair.evidence}
            evidence = tuple(dict.fromkeys(part for place in quotes.values() for part in place.evidence))
            built = task.build(pair, request, evidence, self.how.teacher).model_copy(update={"task": task.task})
            record = built.after(record) if record else built
            not_found = tuple(quote for quote, place in quotes.items() if not place.evidence)
            draft = Draft(record, pair.rephrased, not_found, request.passages)
            wrong, unproved = find_faults(draft, task.checks), self._grounding(record)
            turn = f"turn {number}: " if len(pairs) > 1 else ""
            told += [Drop(each.reason, turn + each.detail) for each in wrong]
            told += [Drop(each.reason, turn + each.told) for each in unproved]
            faults, findings = [*faults, *wrong], [*findings, *unproved]
            slips += sum(bool(place.slips) for place in quotes.values())
        assert record is not None  # an item has a pair
        drop = joined(told)
        contested = self.how.contest and only_may_err(faults, findings)
        private = self.protect(record, pairs[-1].rephrased) if drop is None or contested else None
        if private is None:
            drop = drop if drop and not contested else Drop(
                "privacy", "personal data in it; --privacy mask would keep it with marks in their place"
            )  # fmt: skip
            self.draw.rejected.append(rejected(item.model_dump(), drop.reason, drop.detail, request))
        else:
            kept, self.draw.rephrased[record.id] = private
            if drop is not None:
                reasons = dict.fromkeys([*(each.reason for each in faults), *(each.reason for each in findings)])
                kept = kept.model_copy(update={"draws": {**kept.draws, CONTESTED: list(reasons)}})
                reject = rejected(item.model_dump(), drop.reason, drop.detail, request)
                self.draw.contested.append(Contested(kept, reject))
                return
            if is_repair(request.template):
                self.draw.mended.add(record.id)
            self.draw.slips += slips
            self.draw.kept.append(kept)

    def _grounding(self, record: Record) -> Sequence[Finding]:
        grounding = self.origin.ground(record)
        return grounding.failed if grounding else ()

    def protect(self, record: Record, rephrased: str) -> tuple[Record, str] | None:
        """A record and the second wording of its question, as they may be written; None if they may not be."""
        mode = self.how.privacy
        kept, found = protect(record, mode)
        again, more = protect(record.model_copy(update={"instruction": rephrased}), mode)
        self.draw.private.update([*found.elements(), *more.elements()])
        return None if kept is None or again is None else (kept, again.instruction)


def rejects(answer: Answer[Any]) -> list[Rejected]:
    """Reject an answer that is unusable as a whole, or those of its items that have not the form; name one that is not there."""
    if answer.completion is None:
        return [rejected({}, NO_ANSWER, answer.unusable, answer.request)]
    if answer.unusable:
        return [rejected({"answer": answer.text}, "unusable-answer", answer.unusable, answer.request)]
    return [rejected(item, "schema", detail, answer.request) for item, detail in answer.broken]


def rejected(item: dict[str, Any], reason: str, detail: str, request: Request) -> Rejected:
    """An item of an answer that did not become a record."""
    chunks = tuple(passage.chunk for passage in request.passages)
    return Rejected(item=item, reason=reason, detail=detail, chunks=chunks, request=request.key)
