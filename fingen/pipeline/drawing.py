"""The last stages before writing: answers become records or rejects, and records are divided into splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fingen.config import Splitting
from fingen.pipeline.checking import DISAGREES, read_verdicts
from fingen.pipeline.filters import OpenFilters
from fingen.pipeline.repairing import is_repair
from fingen.quality.balance import surplus_reference
from fingen.quality.checks import find_faults
from fingen.quality.draft import Draft, Drop, joined
from fingen.quality.duplicates import fold, worth
from fingen.quality.evidence import find_quote, locate
from fingen.quality.privacy import Mode, protect
from fingen.quality.same_answers import same_answers
from fingen.quality.splits import assign_splits, pick_memory
from fingen.records import Chunk, Record, Rejected, Request, SplitUnit
from fingen.tasks import qa
from fingen.tasks.documents import parse_answer
from fingen.teachers.answers import Answer, read_answers
from fingen.teachers.journal import Journal
from fingen.verification.origin import Origin

REFERENCE_SHARE = 1 / 3  # of the offline teacher's pairs of a document and task, from glossaries and policies
DISTRACTED = 0.3  # of the rows with their passage: other passages stand beside it
NO_ANSWER = "no-answer"  # the reason of a request that nothing came of
MEMORY = "memory:"  # before the id of a training record, in the journal: its second question is asked in memory
UNSTATED = 0.1  # of the rows with their passage: it is taken away, and saying so is right


@dataclass
class Draw:
    """Items on their way to becoming records."""

    kept: list[Record] = field(default_factory=list)
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

    def reject(self, records: Iterable[tuple[Record, str]], reason: str) -> None:
        """Move records to the rejects, each with its detail. They are known as objects: a duplicate may have the same id."""
        details = {id(record): detail for record, detail in records}
        for record in self.kept:
            if id(record) in details:
                item = {"question": record.instruction, "answer": record.output, "document": record.document}
                self.rejected.append(
                    Rejected(item=item, reason=reason, detail=details[id(record)], chunks=record.chunks, request=None)
                )
        self.kept = [record for record in self.kept if id(record) not in details]


def look_at_answers(
    requests: Iterable[Request], journal: Journal, origin: Origin, teacher: str, filters: OpenFilters
) -> Draw:
    """Each item of the answers in the journal as a record, or as a reject where a check of its own finds fault."""
    draw = Draw()
    judge = _Judge(draw, origin, teacher, filters)
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
                draw.rejected.append(rejected(item.model_dump(), "surplus", f"more than {most} asked for", request))
    return draw


def draw_records(
    requests: list[Request],
    journal: Journal,
    origin: Origin,
    teacher: str,
    filters: OpenFilters,
    check: str | None = None,
) -> Draw:
    """Records and rejects from the answers in the journal. Every item ends as one or the other.

    `origin` has the passages that were shown, and whose reports they are from; `check` is the second teacher's name.
    """
    draw = look_at_answers(requests, journal, origin, teacher, filters)
    if check is not None:
        checked = read_verdicts(draw.kept, origin.passages, check, journal)
        draw.reject(checked.fallen, DISAGREES)
        draw.checked = checked.report
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
    return draw


@dataclass
class _Judge:
    """Turns an item into a record, or rejects it."""

    draw: Draw
    origin: Origin
    teacher: str
    filters: OpenFilters

    def item(self, task: qa.DocumentTask, item: qa.QaItem, request: Request) -> None:
        """One item of an answer."""
        shown = [self.origin.chunks[passage.chunk] for passage in request.passages]
        quotes = {quote: find_quote(quote, shown) for quote in item.evidence}
        found = {quote: place.evidence for quote, place in quotes.items()}
        evidence = tuple(dict.fromkeys(part for parts in found.values() for part in parts))
        record = task.build(item, request, evidence, self.teacher).model_copy(update={"task": task.task})
        not_found = tuple(quote for quote, parts in found.items() if not parts)
        faults = find_faults(Draft(record, item.rephrased, not_found, request.passages), task.checks)
        drop = joined([*faults, *self._grounding(record)])
        private = self.protect(record, item.rephrased) if drop is None else None
        if private is None:
            drop = drop or Drop(
                "privacy", "personal data in it; --privacy mask would keep it with marks in their place"
            )
            self.draw.rejected.append(rejected(item.model_dump(), drop.reason, drop.detail, request))
        else:
            kept, self.draw.rephrased[record.id] = private
            if is_repair(request.template):
                self.draw.mended.add(record.id)
            self.draw.slips += sum(bool(place.slips) for place in quotes.values())
            self.draw.kept.append(kept)

    def _grounding(self, record: Record) -> list[Drop]:
        grounding = self.origin.ground(record)
        return [Drop(each.reason, each.told) for each in grounding.failed] if grounding else []

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
    chunks: list[Chunk],
    journal: Journal,
    unnamed: frozenset[str] = frozenset(),
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
    open_book = _OpenBook(draw.kept, split_of, chunks, privacy)
    for record in draw.kept:
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

    A wording that another question has already is left out.
    """
    closed = [record for record in train if not record.input]
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

    def __init__(self, records: list[Record], split_of: dict[str, str], chunks: list[Chunk], privacy: Mode) -> None:
        self._privacy: Mode = "mask" if privacy == "drop" else privacy
        self.private: Counter[str] = Counter()  # found in passages
        self._chunks = {chunk.id: chunk for chunk in chunks}
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
        if others and draw < UNSTATED:
            return qa.with_passage(record, others[:1], stated=False)
        if others and draw < UNSTATED + DISTRACTED:
            at = int(record.id[-10:-8], 16) % (len(others[:2]) + 1)
            return qa.with_passage(record, [*others[:at], *own, *others[at:2]], stated=True)
        return qa.with_passage(record, own, stated=True)

    def _others(self, record: Record) -> list[Chunk]:
        """The passages that follow the record's own one in its document and split, and do not hold its answer."""
        place = self._beside[record.document, self._split_of[record.id]]
        at = place.index(record.chunks[0])
        turned = [chunk for chunk in place[at + 1 :] + place[:at] if chunk not in record.chunks]
        quotes = [quote.quote for quote in record.evidence]
        return [c for c in map(self._chunks.__getitem__, turned) if not any(locate(quote, [c]) for quote in quotes)][:2]
