"""The last stages before writing: answers become records or rejects, and records are divided into splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingen.config import Splitting
from fingen.items import find_stated
from fingen.pipeline.checking import DISAGREES, read_verdicts
from fingen.pipeline.filters import OpenFilters
from fingen.pipeline.repairing import is_repair
from fingen.quality.absence import items_asked
from fingen.quality.balance import surplus_on_tables, surplus_reference
from fingen.quality.checks import find_faults
from fingen.quality.draft import Draft, Drop, joined
from fingen.quality.duplicates import fold, worth
from fingen.quality.evidence import find_quote, locate
from fingen.quality.grounding import Finding, only_may_err
from fingen.quality.namesakes import NAMESAKE, find_namesakes
from fingen.quality.privacy import Mode, protect
from fingen.quality.same_answers import same_answers
from fingen.quality.splits import assign_splits, pick_memory
from fingen.records import CONTESTED, SUPPORTED_BY, Chunk, Record, Rejected, Request, SplitUnit, take
from fingen.tasks import qa
from fingen.tasks.documents import parse_answer
from fingen.teachers.answers import Answer, read_answers
from fingen.teachers.journal import Journal
from fingen.verification.origin import Origin

REFERENCE_SHARE = 1 / 3  # of the offline teacher's pairs of a document and task, from glossaries and policies
DISTRACTED = 0.3  # of the rows with their passage: other passages stand beside it
SURPLUS = "surplus"  # the reason of what is right, and more than was asked for
NO_ANSWER = "no-answer"  # the reason of a request that nothing came of
MEMORY = "memory:"  # before the id of a training record, in the journal: its second question is asked in memory
UNSTATED = (
    0.1  # of the rows with their passage, where no share is named: another one stands there, and saying so is right
)
SURPLUS_NEGATIVES = "negatives-share"  # reasons of what is right and too much, and of what no report answers
STATED_NOWHERE = "stated-nowhere"


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


def look_at_answers(
    requests: Iterable[Request], journal: Journal, origin: Origin, teacher: str, filters: OpenFilters, *, contest: bool
) -> Draw:
    """Each item of the answers in the journal as a record, or as a reject where a check of its own finds fault.

    With `contest` what only rules that read words speak against is neither yet, but contested.
    """
    draw = Draw()
    judge = _Judge(draw, origin, teacher, filters, contest)
    distinct = {request.key: request for request in requests}
    for answer in read_answers(journal, distinct.values(), parse_answer):
        request, items = answer.request, answer.items
        draw.unanswered += answer.completion is None
        draw.unusable += answer.completion is not None and bool(answer.unusable)
        draw.repairs.update(answer.repairs)
        draw.rejected += rejects(answer)
        most = request.count // len(request.tasks)  # of each kind
        room = dict.fromkeys(request.tasks, most)
        for task, item in items:
            room[task.task] -= 1
            if room[task.task] >= 0:
                judge.item(task, item, request)
            else:
                draw.rejected.append(rejected(item.model_dump(), SURPLUS, f"more than {most} asked for", request))
    return draw


def draw_records(
    requests: list[Request],
    journal: Journal,
    origin: Origin,
    teacher: str,
    filters: OpenFilters,
    check: str | None = None,
    negatives: float | None = None,
) -> Draw:
    """Records and rejects from the answers in the journal. Every item ends as one or the other.

    `origin` has the passages that were shown, and whose reports they are from; `check` is the second teacher's name, `negatives`
    the share of rows whose passage does not state what is asked for, None where all of them are wanted.
    """
    draw = look_at_answers(requests, journal, origin, teacher, filters, contest=check is not None)
    if check is not None:
        checked = read_verdicts(draw.asked_about, origin.passages, check, journal)
        draw.settle(checked.supported, checked.against, check)
        draw.reject(checked.fallen, DISAGREES)
        draw.checked = checked.report
    draw.reject(find_namesakes(draw.kept, origin.passages.values()), NAMESAKE)
    draw.reject(_stated_nowhere(draw.kept, origin), STATED_NOWHERE)
    known = journal.splits()

    def rank(record: Record) -> tuple[bool, int, int]:
        """Rows that the set has already stay, whatever is added; of others the best of those that are alike.

        The rules' rows differ in length alone: of theirs the first stays, from where a section begins.
        """
        best = (0, 0) if teacher == "offline" else worth(record)
        return not any(chunk in known for chunk in record.chunks), *best

    duplicates = filters.duplicates(draw.kept, better=rank)
    for kind in sorted({duplicate.kind for duplicate in duplicates}):
        found = (duplicate for duplicate in duplicates if duplicate.kind == kind)
        draw.reject(((d.record, f"of {d.of}" + (f" in {d.of_set}" if d.of_set else "")) for d in found), kind)
    if teacher != "offline":  # the rules take whole sentences: theirs are the same, or they are not
        draw.reject(same_answers(draw.kept, better=rank), "answer")
    draw.reject(filters.contaminated(draw.kept), "contaminated")
    if teacher == "offline":
        surplus_records = surplus_reference(draw.kept, origin.chunks, REFERENCE_SHARE)
        detail = "more than a third of this report's pairs came from glossaries and accounting policies"
        draw.reject(((record, detail) for record in surplus_records), "reference-share")
        most = {
            request.passages[0].chunk: qa.most_of_a_table(request)
            for request in requests
            if request.tasks == (qa.TABLE,)
        }
        draw.reject(list(surplus_on_tables(draw.kept, origin.chunks, most)), SURPLUS)
    if negatives is not None:
        draw.reject(_surplus_negatives(draw.kept, negatives), SURPLUS_NEGATIVES)
    return draw


def _stated_nowhere(records: Sequence[Record], origin: Origin) -> Iterator[tuple[Record, str]]:
    """Rows that ask for what no other passage of their report states: nobody knows whether an investor would find it."""
    for record in records:
        if record.task == qa.NEGATIVE:
            items = record.draws["asked"]
            others = (
                p for p in origin.passages.values() if p.document == record.document and p.chunk not in record.chunks
            )
            if not any(find_stated(item, passage) for passage in others for item in items):
                yield record, f"no other passage of the report that is asked about states “{items[0]}”"


def _surplus_negatives(records: Sequence[Record], share: float) -> Iterator[tuple[Record, str]]:
    """Rows beyond their share of all; which ones depends on their ids, not on their order."""
    rows = [record for record in records if record.task == qa.NEGATIVE]
    most = round((len(records) - len(rows)) * share / (1 - share))
    stay = {record.id for record in take(rows, most)}
    yield from ((record, f"more than {share:g} of the rows") for record in rows if record.id not in stay)


@dataclass
class _Judge:
    """Turns an item into a record, or rejects it."""

    draw: Draw
    origin: Origin
    teacher: str
    filters: OpenFilters
    contest: bool

    def item(self, task: qa.DocumentTask, item: qa.Item, request: Request) -> None:
        """One item of an answer: it falls with each of its pairs."""
        shown = [self.origin.chunks[passage.chunk] for passage in request.passages]
        pairs, faults, findings, told, slips = item.pairs, list[Drop](), list[Finding](), list[Drop](), 0
        record: Record | None = None
        for number, pair in enumerate(pairs, 1):
            quotes = {quote: find_quote(quote, shown) for quote in pair.evidence}
            evidence = tuple(dict.fromkeys(part for place in quotes.values() for part in place.evidence))
            built = task.build(pair, request, evidence, self.teacher).model_copy(update={"task": task.task})
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
        contested = self.contest and only_may_err(faults, findings)
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
        mode = self.filters.filters.privacy
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


def divide(
    draw: Draw,
    splitting: Splitting,
    context: str,
    split_by: SplitUnit,
    privacy: Mode,
    units_of: Mapping[str, tuple[str, ...]],
    origin: Origin,
    journal: Journal,
    unnamed: frozenset[str] = frozenset(),
    negatives: float | None = None,
) -> dict[str, list[Record]]:
    """The rows of each split, with or without their passages; choices are written to the journal.

    `units_of`: path -> the units of that document. Documents in `unnamed` name no company for sure: without its passage
    nobody knows whom a question about them means.
    """
    known = journal.splits()
    asked = {unit.removeprefix(MEMORY) for unit, split in known.items() if split == "memory"}
    draw.reject(_asked_in_memory(draw, asked), "exact")
    assignment = assign_splits(draw.kept, by=split_by, shares=splitting.shares, known=known, units_of=units_of)
    draw.reject(assignment.rejected, "joins-splits")
    journal.assign({unit: split for unit, split in assignment.units.items() if unit not in known})
    split_of = assignment.split_of
    splits: dict[str, list[Record]] = {"train": [], "validation": [], "test": [], "memory": []}
    unstated = UNSTATED if negatives is None else 0.0  # else they are rows of their own
    open_book = _OpenBook(draw.kept, split_of, origin, privacy, unstated)
    for record in draw.kept:
        if record.task == qa.NEGATIVE:
            splits[split_of[record.id]].append(record)
            continue
        if context in ("none", "both") and record.document not in unnamed:
            splits[split_of[record.id]].append(record)
        if context in ("passage", "both"):
            splits[split_of[record.id]].append(open_book.row(record))
    draw.private += open_book.private
    if context in ("none", "both"):
        chosen = _memory(splits["train"], draw, splitting.memory_share, asked)
        journal.assign({f"{MEMORY}{record.id}": "memory" for record in chosen if record.id not in asked})
        splits["memory"] = [qa.reworded(record, draw.rephrased[record.id]) for record in chosen]
    return splits


def _asked_in_memory(draw: Draw, asked: set[str]) -> list[tuple[Record, str]]:
    """Records that ask what `memory` asks already, of the training records in `asked`: what is there stays."""
    wordings = {fold(draw.rephrased[record.id]): record.id for record in draw.kept if record.id in asked}
    found = ((record, wordings.get(fold(record.instruction))) for record in draw.kept)
    return [(record, f"of the second question of {other}") for record, other in found if other]


def _memory(train: list[Record], draw: Draw, share: float, asked: set[str]) -> list[Record]:
    """The training records whose second wording goes to memory, those `asked` before among them.

    A wording that another question has already is left out, and a conversation has none.
    """
    closed = [record for record in train if not record.input and draw.rephrased.get(record.id)]
    taken = {fold(record.instruction) for record in draw.kept}
    picked = pick_memory(closed, share, asked)
    chosen = set()
    for record in sorted(closed, key=lambda record: (record.id not in asked, record.id)):
        wording = fold(draw.rephrased[record.id])
        if record.id in picked and wording not in taken:
            taken.add(wording)
            chosen.add(record.id)
    return [record for record in closed if record.id in chosen]


class _OpenBook:
    """Rows with their passage; other passages beside it come from the same document and the same split."""

    def __init__(
        self, records: list[Record], split_of: dict[str, str], origin: Origin, privacy: Mode, unstated: float
    ) -> None:
        self._unstated = unstated
        self._privacy: Mode = "mask" if privacy == "drop" else privacy
        self.private: Counter[str] = Counter()  # found in passages
        self._chunks, self._passages = origin.chunks, origin.passages
        self._beside: dict[tuple[str | None, str], list[str]] = {}
        self._split_of = split_of
        for record in records:
            for chunk in record.chunks:
                place = self._beside.setdefault((record.document, split_of[record.id]), [])
                if chunk not in place:
                    place.append(chunk)

    def row(self, record: Record) -> Record:
        """The row of a record with its passage, in which personal data is masked too."""
        row = self._row(record)
        if self._privacy == "keep":
            return row
        masked, found = protect(row, self._privacy)
        self.private.update(found.elements())
        return masked or row

    def _row(self, record: Record) -> Record:
        own = [self._chunks[chunk] for chunk in record.chunks]
        others = self._others(record)
        draw = int(record.id[-8:], 16) / 16**8
        if draw < self._unstated and not record.turns and (row := self._unanswered(record, others)):
            return row  # of a conversation the earlier answers would be taken for stated
        others = others[:2]
        if others and draw < self._unstated + DISTRACTED:
            at = int(record.id[-10:-8], 16) % (len(others) + 1)
            return qa.with_passage(record, [*others[:at], *own, *others[at:]])
        return qa.with_passage(record, own)

    def _unanswered(self, record: Record, others: Sequence[Chunk]) -> Record | None:
        """The row with the first passage that states nothing of what is asked for, where there is one."""
        for chunk in others:
            passage = self._passages[chunk.id]
            asked = items_asked(record, passage)
            if not any(find_stated(item, passage) for item in asked):
                return qa.without_passage(record, chunk, asked)
        return None

    def _others(self, record: Record) -> list[Chunk]:
        """The passages that follow the record's own one in its document and split, and do not hold its answer."""
        place = self._beside[record.document, self._split_of[record.id]]
        at = place.index(record.chunks[0])
        turned = [chunk for chunk in place[at + 1 :] + place[:at] if chunk not in record.chunks]
        quotes = [quote.quote for quote in record.evidence]
        return [c for c in map(self._chunks.__getitem__, turned) if not any(locate(quote, [c]) for quote in quotes)]
