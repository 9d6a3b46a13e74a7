"""The first look at answers: each item becomes a record, or a reject where a check of its own finds fault.

That takes most of the time that a set takes after its answers are there, and looks at nothing but the report that an answer is about. So
it is done report by report, side by side, and of each answer once in a run.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, SupportsIndex, overload

from pydantic import ConfigDict, TypeAdapter

from fingen.disk import cached_name, dump_json, read_cached, sha256_text, short_digest, write_cached
from fingen.parallel import Parallel, made_by
from fingen.pipeline.checking import DISAGREES
from fingen.pipeline.repairing import is_repair
from fingen.quality.checks import find_faults
from fingen.quality.draft import Draft, Drop, joined
from fingen.quality.evidence import find_quote
from fingen.quality.grounding import Finding, Grounding, only_may_err
from fingen.quality.namesakes import find_namesakes
from fingen.quality.privacy import Mode, protect
from fingen.records import CONTESTED, SUPPORTED_BY, Chunk, Completion, Passage, Record, Rejected, Request
from fingen.spool import Named, Picked, Spool
from fingen.tasks import qa
from fingen.tasks.documents import parse_answer
from fingen.teachers.answers import Answer, read_answer
from fingen.teachers.journal import Journal
from fingen.verification.origin import Origin

NO_ANSWER = "no-answer"  # the reason of a request that nothing came of
SECONDS = 0.01  # of a processor that the answer to a request takes
AT_ONCE = 1 << 10  # answers that are compared with those that were seen
_Completion = Completion | None


@dataclass(frozen=True)
class Contested:
    """A record that rules which read words speak against, and they alone: the second teacher decides on it."""

    record: Record
    reject: Rejected  # where the teacher does not support it


@dataclass
class Seen:
    """What there is to see in an answer."""

    kept: list[Record] = field(default_factory=list)
    contested: list[Contested] = field(default_factory=list)
    rephrased: dict[str, str] = field(default_factory=dict)  # record id -> the second wording of its question
    rejected: list[Rejected] = field(default_factory=list)
    unusable: int = 0  # 1: the answer is
    unanswered: int = 0  # 1: there is none
    repairs: Counter[str] = field(default_factory=Counter)
    slips: int = 0
    mended: set[str] = field(default_factory=set)
    private: Counter[str] = field(default_factory=Counter)


class Draw:
    """Items on their way to becoming records. What is kept and what is rejected lies on disk: see `fingen.spool.open_unnamed`."""

    def __init__(
        self, kept: Iterable[Record] = (), rephrased: Mapping[str, str] = MappingProxyType({}), near: Path | None = None
    ) -> None:
        self.near = near
        self.rejected = Spool[Rejected](near)
        self.contested = Spool[Contested](near)  # only where a second teacher is asked
        self._rows, self._kept = Spool[Record](near), array("Q")
        self._wordings, self._worded = Spool[str](near), dict[str, int]()
        self.rephrased: Mapping[str, str] = Named(self._worded, lambda id: self._wordings[self._worded[id]])
        self.unusable = 0  # answers
        self.unanswered = 0  # requests
        self.repairs = Counter[str]()  # what had to be forgiven to read answers -> how often
        self.slips = 0  # quotes that differ from the source in a few letters, and were set right
        self.checked: dict[str, Any] | None = None  # what a second teacher made of items that pass, if one was asked
        self.judged: dict[str, Any] | None = None  # what a judge made of the kept items, if one was asked
        self.mended = set[str]()  # ids of records whose pair was rejected before
        self.private = Counter[str]()  # kind of personal data -> times it was found
        for record in kept:
            self.keep(record)
        for id, wording in rephrased.items():
            self.rephrase(id, wording)

    def add(self, seen: Seen) -> None:
        """Take in what was seen in an answer."""
        for record in seen.kept:
            self.keep(record)
        for id, wording in seen.rephrased.items():
            self.rephrase(id, wording)
        for contested in seen.contested:
            self.contested.append(contested)
        for rejected in seen.rejected:
            self.rejected.append(rejected)
        self.unusable += seen.unusable
        self.unanswered += seen.unanswered
        self.repairs.update(seen.repairs)
        self.slips += seen.slips
        self.mended |= seen.mended
        self.private.update(seen.private)

    @property
    def kept(self) -> Picked[Record]:
        """The records, in the order in which they came; those that are kept now."""
        return Picked(self._rows, self._kept)

    def keep(self, record: Record) -> None:
        """Take in a record."""
        self._kept.append(self._rows.append(record))

    def rephrase(self, id: str, wording: str) -> None:
        """Take in the second wording of a record's question; of two of one id the last one stands."""
        self._worded[id] = self._wordings.append(wording)

    def replace(self, records: Iterable[Record]) -> None:
        """Put other records in the place of those that are kept."""
        rows = Spool(self.near, records)
        self._rows, self._kept = rows, array("Q", range(len(rows)))

    @property
    def asked_about(self) -> Sequence[Record]:
        """What a second teacher is asked about."""
        return Spool(self.near, chain(self.kept, (each.record for each in self.contested)))

    def settle(self, supported: Collection[str], against: Mapping[str, str], teacher: str) -> None:
        """Keep contested records of which the second teacher supports each claim, and say so in them; reject the others.

        `supported` are ids; `against` says by id what the teacher has against a record.
        """
        for each in self.contested:
            record, reject = each.record, each.reject
            if record.id in supported:
                draws = {**record.draws, SUPPORTED_BY: teacher}
                self.keep(record.model_copy(update={"draws": draws}))
            else:
                too = against.get(record.id, f"{teacher} did not say that the quotes support each claim")
                self.rejected.append(reject.model_copy(update={"detail": f"{reject.detail}; {DISAGREES}: {too}"}))

    def reject(self, found: Iterable[tuple[int, str]], reason: str, kept: Picked[Record] | None = None) -> None:
        """Move records to the rejects, each with its detail. They go by their places, as ids may be there twice.

        The places are those among the records that are kept, or were `kept` once.
        """
        kept = self.kept if kept is None else kept
        details = {kept.numbers[place]: detail for place, detail in found}
        if not details:
            return
        fallen = array("Q", (number for number in self._kept if number in details))
        for number, record in zip(fallen, self._rows.read(fallen), strict=True):
            item: dict[str, Any] = {
                "question": record.instruction,
                "answer": record.output,
                "document": record.document,
            }
            item |= {"before": list(record.messages)} if record.turns else {}
            self.rejected.append(
                Rejected(item=item, reason=reason, detail=details[number], chunks=record.chunks, request=None)
            )
        self._kept = array("Q", (number for number in self._kept if number not in details))


@dataclass(frozen=True)
class _How:
    """How answers are looked at."""

    teacher: str
    privacy: Mode
    contest: bool  # what only rules that read words speak against is neither kept nor rejected yet, but contested
    organisations: frozenset[str]  # whose reports the set has
    cache: Path | None  # where is kept what there is to see: who was interrupted does not wait for it again
    key: str  # names all of this, and the code and the libraries that look


@dataclass(frozen=True)
class _Report:
    """Answers about a report, and its passages with those that were shown beside them."""

    answers: Sequence[tuple[Request, _Completion]]
    chunks: Mapping[str, Chunk]
    passages: Mapping[str, Passage]


@dataclass(frozen=True)
class _Look:
    """What there is to see in the answers about a report."""

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    answers: list[bytes]  # digests
    seen: list[Seen]  # in each
    namesakes: dict[bytes, str]  # question -> where else in the report its figure is another one
    groundings: dict[bytes, Grounding]


@dataclass
class Looks:
    """What a run has seen of its answers. `origin` has the passages that were shown, and whose reports they are from."""

    origin: Origin
    teacher: str
    privacy: Mode
    contest: bool = False
    parallel: Parallel = field(default_factory=Parallel)
    cache: Path | None = None
    # by the key of a request: the number of what was seen, and the digest of the answer in which it was
    _seen: dict[str, tuple[int, bytes]] = field(default_factory=dict, init=False, repr=False)
    _found: Spool[Seen] | None = field(default=None, init=False, repr=False)
    _namesakes: dict[bytes, str] = field(default_factory=dict, init=False, repr=False)

    def at(self, requests: Mapping[str, Request], journal: Journal) -> Draw:
        """What there is to see in the answers to requests, in the order of these."""
        if self._found is None:
            self._found = Spool(journal.path)
        self._look(_Reports(self._unseen(requests, journal), requests, journal, self.origin), self._found)
        draw = Draw(near=journal.path)
        for seen in self._found.read(self._seen[key][0] for key in requests):
            draw.add(seen)
        return draw

    def namesakes(self, records: Iterable[Record]) -> Iterator[tuple[int, str]]:
        """The places of records of which a figure is another one elsewhere in the report, each with where: see `find_namesakes`."""
        told = ((place, self._namesakes.get(_asked(record))) for place, record in enumerate(records))
        return ((place, where) for place, where in told if where)

    def _unseen(self, requests: Iterable[str], journal: Journal) -> Iterator[str]:
        """The keys of those requests whose answers were not seen, or are others now."""
        keys = iter(requests)
        while some := list(islice(keys, AT_ONCE)):
            completions = journal.answers(key for key in some if key in self._seen)
            yield from (
                key for key in some if key not in self._seen or self._seen[key][1] != _digest(completions.get(key))
            )

    def _how(self) -> _How:
        names, folder, key = self.origin.organisations, None, ""
        if self.cache:
            folder = self.cache.absolute()
            key = sha256_text(made_by(), self.teacher, self.privacy, str(self.contest), *sorted(names))
        return _How(self.teacher, self.privacy, self.contest, names, folder, key)

    def _look(self, reports: _Reports, found: Spool[Seen]) -> None:
        """Look at answers; what there is to see goes to the disk as it comes."""
        how = self._how()
        seconds = SECONDS * sum(map(len, reports.keys))
        for at, look in self.parallel.run(look_at_report, how, reports, seconds=seconds):
            for key, digest, seen in zip(reports.keys[at], look.answers, look.seen, strict=True):
                self._seen[key] = found.append(seen), digest
            self._namesakes |= look.namesakes
            for name, grounding in look.groundings.items():
                self.origin.groundings[name] = grounding


class _Reports(Sequence[_Report]):
    """Answers by the report that they are about, those with most answers first; each is read when it is taken.

    `keys` are those of the requests of each.
    """

    def __init__(self, keys: Iterable[str], requests: Mapping[str, Request], journal: Journal, origin: Origin) -> None:
        by_report: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_report[requests[key].passages[0].document].append(key)
        self.keys = sorted(by_report.values(), key=len, reverse=True)
        self._requests, self._journal, self._origin = requests, journal, origin

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: SupportsIndex) -> _Report: ...
    @overload
    def __getitem__(self, place: slice) -> list[_Report]: ...
    def __getitem__(self, place: Any) -> Any:
        keys = self.keys[place]
        return list(map(self._report, keys)) if isinstance(place, slice) else self._report(keys)

    def _report(self, keys: Sequence[str]) -> _Report:
        requests, completions = [self._requests[key] for key in keys], self._journal.answers(keys)
        shown = {passage.chunk for request in requests for passage in request.passages}
        own = self._origin.of_document(requests[0].passages[0].document)
        passages = {passage.chunk: passage for passage in own}
        passages |= {chunk: self._origin.passages[chunk] for chunk in sorted(shown - {*passages})}
        answers = [(request, completions.get(request.key)) for request in requests]
        return _Report(answers, {chunk: self._origin.chunks[chunk] for chunk in passages}, passages)


def look_at_report(how: _How, report: _Report) -> _Look:
    """Look at the answers about a report, or take from the cache what there was to see in them."""
    if how.cache is None:
        return _look_at_answers(how, report)
    asked = [(each.key, each.task, each.template, each.count, each.passages) for each, _ in report.answers]
    parts = asked, [completion for _, completion in report.answers], report.chunks, report.passages
    stored = how.cache / cached_name("look", how.key, repr(parts))
    if data := read_cached(stored):
        with suppress(ValueError):  # of another form
            known = _looks().validate_json(data)
            if known.answers == _digests(report) and len(known.seen) == len(known.answers):
                return known
    look = _look_at_answers(how, report)
    try:
        data = _looks().dump_json(look)
    except ValueError:  # half a character, which a teacher wrote, is in no JSON
        return look
    write_cached(stored, data)
    return _looks().validate_json(data)  # so that what is new is the same as what comes from the cache


@cache
def _looks() -> TypeAdapter[_Look]:
    return TypeAdapter(_Look)


def _look_at_answers(how: _How, report: _Report) -> _Look:
    origin = Origin(report.chunks, report.passages, how.organisations)
    found = [_look_at(read_answer(*answer, parse_answer), origin, how) for answer in report.answers]
    own = report.answers[0][0].passages[0].document
    records = [each for seen in found for each in (*seen.kept, *(one.record for one in seen.contested))]
    passages = [passage for passage in report.passages.values() if passage.document == own]
    namesakes = {_asked(records[place]): told for place, told in find_namesakes(records, lambda _: passages)}
    return _Look(_digests(report), found, namesakes, dict(origin.groundings))


def _asked(record: Record) -> bytes:
    """What a question about cells is known by: rows of one pair about other cells may have the same id."""
    draws = record.draws
    return short_digest(
        dump_json([record.id, record.chunks, record.program, draws.get("cells"), draws.get("operation")])
    )


def _digests(report: _Report) -> list[bytes]:
    return [_digest(completion) for _, completion in report.answers]


def _digest(completion: _Completion) -> bytes:
    return short_digest(repr(completion))


def _look_at(answer: Answer[tuple[qa.DocumentTask, qa.Item]], origin: Origin, how: _How) -> Seen:
    seen, request = Seen(), answer.request
    judge = _Judge(seen, origin, how)
    seen.unanswered += answer.completion is None
    seen.unusable += answer.completion is not None and bool(answer.unusable)
    seen.repairs.update(answer.repairs)
    seen.rejected += rejects(answer)
    most = request.count // len(request.tasks)  # of each kind
    room = dict.fromkeys(request.tasks, most)
    for task, item in answer.items:
        room[task.task] -= 1
        if room[task.task] >= 0:
            judge.item(task, item, request)
        else:
            seen.rejected.append(rejected(item.model_dump(), "surplus", f"more than {most} asked for", request))
    return seen


@dataclass
class _Judge:
    """Turns an item into a record, or rejects it."""

    seen: Seen
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
            self.seen.rejected.append(rejected(item.model_dump(), drop.reason, drop.detail, request))
        else:
            kept, self.seen.rephrased[record.id] = private
            if drop is not None:
                reasons = dict.fromkeys([*(each.reason for each in faults), *(each.reason for each in findings)])
                kept = kept.model_copy(update={"draws": {**kept.draws, CONTESTED: list(reasons)}})
                reject = rejected(item.model_dump(), drop.reason, drop.detail, request)
                self.seen.contested.append(Contested(kept, reject))
                return
            if is_repair(request.template):
                self.seen.mended.add(record.id)
            self.seen.slips += slips
            self.seen.kept.append(kept)

    def _grounding(self, record: Record) -> Sequence[Finding]:
        grounding = self.origin.ground(record)
        return grounding.failed if grounding else ()

    def protect(self, record: Record, rephrased: str) -> tuple[Record, str] | None:
        """A record and the second wording of its question, as they may be written; None if they may not be."""
        mode = self.how.privacy
        kept, found = protect(record, mode)
        again, more = protect(record.model_copy(update={"instruction": rephrased}), mode)
        self.seen.private.update([*found.elements(), *more.elements()])
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
