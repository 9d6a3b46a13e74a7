"""The last stages before writing: answers become records or rejects, and records are divided into splits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from fingen.config import Pdf2qa
from fingen.quality.balance import surplus_reference
from fingen.quality.checks import Draft, check
from fingen.quality.duplicates import find_duplicates, fold
from fingen.quality.evidence import locate
from fingen.quality.splits import assign_splits, pick_memory
from fingen.records import Chunk, Document, Record, Rejected, Request
from fingen.tasks import qa
from fingen.teachers.base import Teacher
from fingen.teachers.journal import Journal

REFERENCE_SHARE = 1 / 3  # of the offline teacher's pairs of a document and task, from glossaries and policies
DISTRACTED = 0.3  # of the rows with their passage: other passages stand beside it
UNSTATED = 0.1  # of the rows with their passage: it is taken away, and saying so is right


@dataclass
class Draw:
    """Items on their way to becoming records."""

    kept: list[Record] = field(default_factory=list)
    rephrased: dict[str, str] = field(default_factory=dict)  # record id -> the second wording of its question
    rejected: list[Rejected] = field(default_factory=list)
    unusable: int = 0

    def reject(self, records: Iterable[tuple[Record, str]], reason: str) -> None:
        """Move records to the rejects, each with its detail. They are known as objects: a duplicate may have the same id."""
        details = {id(record): detail for record, detail in records}
        for record in self.kept:
            if id(record) in details:
                item = {"question": record.instruction, "answer": record.output, "document": record.document}
                self.rejected.append(
                    Rejected(
                        item=item, reason=reason, detail=details[id(record)], chunks=record.chunks or (), request=None
                    )
                )
        self.kept = [record for record in self.kept if id(record) not in details]


def draw_records(requests: list[Request], journal: Journal, chunks: dict[str, Chunk], teacher: Teacher) -> Draw:
    """Records and rejects from the answers in the journal. Every item ends as one or the other."""
    draw = Draw()
    answers = journal.answers([request.key for request in requests])
    for request in {request.key: request for request in requests}.values():
        completion = answers.get(request.key)
        if completion is None or completion.stop_reason != "end_turn":
            reason = completion.stop_reason if completion else "not answered"
            _unusable(draw, request, reason, completion.text if completion else "")
            continue
        try:
            items, wrong = qa.parse_answer(completion.text)
        except ValueError as e:
            _unusable(draw, request, f"schema: {e}", completion.text)
            continue
        for broken, detail in wrong:
            draw.rejected.append(_rejected(broken, "schema", detail, request))
        for extra in items[request.count :]:
            draw.rejected.append(
                _rejected(extra.model_dump(), "surplus", f"more than {request.count} asked for", request)
            )
        for item in items[: request.count]:
            _judge(draw, item, request, chunks, teacher)
    known = journal.splits()
    first = sorted(draw.kept, key=lambda record: not any(chunk in known for chunk in record.chunks or ()))
    duplicates = find_duplicates(first)  # rows that the set has already stay, whatever is added
    for kind in sorted({duplicate.kind for duplicate in duplicates}):
        draw.reject(((d.record, f"of {d.of}") for d in duplicates if d.kind == kind), kind)
    if teacher.name == "offline":
        surplus_records = surplus_reference(draw.kept, chunks, REFERENCE_SHARE)
        detail = "more than a third of this report's pairs came from glossaries and accounting policies"
        draw.reject(((record, detail) for record in surplus_records), "reference-share")
    return draw


def _judge(draw: Draw, item: qa.QaItem, request: Request, chunks: dict[str, Chunk], teacher: Teacher) -> None:
    shown = [chunks[passage.chunk] for passage in request.passages]
    found = {quote: locate(quote, shown) for quote in item.evidence}
    evidence = tuple(dict.fromkeys(part for parts in found.values() for part in parts))
    record = qa.build_record(item, request, evidence, teacher.name)
    not_found = tuple(quote for quote, parts in found.items() if not parts)
    drop = check(Draft(record, item.rephrased, not_found, request.passages))
    if drop:
        draw.rejected.append(_rejected(item.model_dump(), drop.reason, drop.detail, request))
    else:
        draw.kept.append(record)
        draw.rephrased[record.id] = item.rephrased


def _unusable(draw: Draw, request: Request, reason: str, text: str) -> None:
    draw.unusable += 1
    draw.rejected.append(_rejected({"answer": text}, "unusable-answer", reason, request))


def _rejected(item: dict[str, Any], reason: str, detail: str, request: Request) -> Rejected:
    chunks = tuple(passage.chunk for passage in request.passages)
    return Rejected(item=item, reason=reason, detail=detail, chunks=chunks, request=request.key)


def divide(
    draw: Draw,
    settings: Pdf2qa,
    split_by: Literal["document", "chunk"],
    documents: list[Document],
    chunks: list[Chunk],
    journal: Journal,
) -> dict[str, list[Record]]:
    """The rows of each split, with or without their passages; choices are written to the journal."""
    known = journal.splits()
    ids = {document.path: document.sha256 for document in documents}
    assignment = assign_splits(draw.kept, by=split_by, shares=settings.splitting.shares, known=known, document_ids=ids)
    draw.reject(assignment.rejected, "joins-splits")
    journal.assign({unit: split for unit, split in assignment.units.items() if unit not in known})
    split_of = assignment.split_of
    splits: dict[str, list[Record]] = {"train": [], "validation": [], "test": [], "memory": []}
    open_book = _OpenBook(draw.kept, split_of, chunks)
    for record in draw.kept:
        if settings.context in ("none", "both"):
            splits[split_of[record.id]].append(record)
        if settings.context in ("passage", "both"):
            splits[split_of[record.id]].append(open_book.row(record))
    if settings.context in ("none", "both"):
        splits["memory"] = _memory(splits["train"], draw, settings.splitting.memory_share)
    return splits


def _memory(train: list[Record], draw: Draw, share: float) -> list[Record]:
    """Second wordings of training questions; one that another question has already is left out."""
    closed = [record for record in train if not record.input]
    taken = {fold(record.instruction) for record in draw.kept}
    rows: list[Record] = []
    picked = pick_memory(closed, share)
    for record in closed:
        wording = fold(draw.rephrased[record.id])
        if record.id in picked and wording not in taken:
            taken.add(wording)
            rows.append(qa.reworded(record, draw.rephrased[record.id]))
    return rows


class _OpenBook:
    """Rows with their passage; other passages beside it come from the same document and the same split."""

    def __init__(self, records: list[Record], split_of: dict[str, str], chunks: list[Chunk]) -> None:
        self._chunks = {chunk.id: chunk for chunk in chunks}
        self._beside: dict[tuple[str | None, str], list[str]] = {}
        self._split_of = split_of
        for record in records:
            for chunk in record.chunks or ():
                place = self._beside.setdefault((record.document, split_of[record.id]), [])
                if chunk not in place:
                    place.append(chunk)

    def row(self, record: Record) -> Record:
        own = [self._chunks[chunk] for chunk in record.chunks or ()]
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
        at = place.index((record.chunks or ())[0])
        turned = [chunk for chunk in place[at + 1 :] + place[:at] if chunk not in (record.chunks or ())]
        quotes = [quote.quote for quote in record.evidence or ()]
        return [c for c in map(self._chunks.__getitem__, turned) if not any(locate(quote, [c]) for quote in quotes)][:2]
