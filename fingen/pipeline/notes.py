"""What a reader of the summary should know of each document, and do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fingen.config import Pdf2qa, Tuning
from fingen.documents import OVERRIDES, is_narrative, name_some, passed_over
from fingen.pipeline.reading import left_out
from fingen.pipeline.reports import heads_of
from fingen.pipeline.restated import different_values
from fingen.records import Chunk, Document, Record, Rejected
from fingen.training.schedule import total_steps

SHOWN_PAGES = 8
PAGES = 10  # from which a report can be said to give few passages: a release has less
FEW_PASSAGES = 0.1  # a page; reports in full text have 0.5 and more
FEW_RECORDS = 0.1  # a passage that was asked about
LEAST_ASKED = 5
SURE = 0.8  # confidence of OCR from which on a page needs no second look


def document_notes(
    documents: Sequence[Document], asked: Sequence[Chunk], kept: Sequence[Record], rejected: Sequence[Rejected]
) -> list[str]:
    """A line for each thing to know: what was not read, what was left out, and where little came of much."""
    heads = heads_of(documents)
    lines = [f"{head.path}: {note}" for head in heads for note in [*_about(head), *_unread(head), *_left_out(head)]]
    lines += different_values(documents)
    came = _Came(asked, kept, rejected)
    for document in documents:
        few = _few_passages(document) or came.few(document.path)
        if few:
            lines.append(f"{document.path}: {few}")
    return lines


def reading_notes(settings: Pdf2qa, documents: Sequence[Document], asked: Sequence[Chunk]) -> list[str]:
    """What a user should know of what was read before a teacher is asked about it."""
    notes = [f"{d.path}: {note}" for d in heads_of(documents) for note in [*_about(d), *_unread(d), *_left_out(d)]]
    if sorts := ", ".join(f"{count:,} {sort}" for sort, count in left_out(documents, settings.sections).items()):
        notes.append(f"passages that are not asked about, by their section: {sorts} (--sections all takes every one)")
    return [*notes, *passed_over_note(settings), *amount_note(asked)]


def passed_over_note(settings: Pdf2qa) -> list[str]:
    """The files of the input folders that are no documents: counted and named, so that nobody takes them for read."""
    names = passed_over(settings.inputs)
    said = "file of the folders is" if len(names) == 1 else "files of the folders are"
    return [f"{len(names):,} other {said} no report that is read: {name_some(names)}"] if names else []


def amount_note(asked: Sequence[Chunk]) -> list[str]:
    """How many passages have amounts whose unit, or whose basis, their report does not say."""
    without = {
        "the unit of an amount": sum(any(not unit.text for unit in chunk.unit) for chunk in asked),
        "whether amounts are the group's or the parent's, or of when": sum(
            bool(chunk.unit) and not chunk.basis for chunk in asked
        ),
    }
    told = " and ".join(f"in {count:,} nobody says {what}" for what, count in without.items() if count)
    return [f"of {len(asked):,} passages that are asked about, {told}"] if told else []


def tuning_note(splits: Mapping[str, Sequence[Record]]) -> list[str]:
    """What a training with its defaults makes of so few rows; nothing where they are enough to choose weights by."""
    tuning, train, held = Tuning(), len(splits.get("train", ())), len(splits.get("validation", ()))
    if held >= tuning.keep_rows:
        return []
    steps = total_steps(tuning, train)
    few = f"{train:,} are {steps:,} steps of `fingen finetune`, and {held:,} validation rows choose no weights"
    return [f"few rows to tune on: {few} ({tuning.keep_rows} do): name more reports, or raise --per-chunk"]


def _about(document: Document) -> list[str]:
    notes = []
    if document.company is None:
        notes.append(
            "no company is named for sure, so that no question without its passage is asked; "
            f"{OVERRIDES} beside it can name one, --context passage asks with the passages"
        )
    if document.author:
        notes.append(f"written by {document.author} about {document.company or 'another company'}")
    if document.elsewhere:
        notes.append(f"it holds no financial statements: “{document.elsewhere}”; name that document too")
    if document.amendment:
        notes.append(f"amends another report ({document.amendment})")
    return notes


def _unread(document: Document) -> list[str]:
    notes = []
    if images := document.image_pages:
        notes.append(f"{len(images)} of {document.pages} pages are images ({_listed(images)}); pass --ocr")
    if unreadable := document.unreadable_pages:
        notes.append(
            f"the text of {len(unreadable)} of {document.pages} pages is not what they show ({_listed(unreadable)}) and was left "
            "out: their fonts have no map, or a wrong one; pass --ocr"
        )
    if document.ocr_pages:
        sure = document.ocr_confidence
        doubtful = [page for page, confidence in zip(document.ocr_pages, sure, strict=True) if confidence < SURE]
        look = f"; look at {_listed(doubtful)}" if doubtful else ""
        notes.append(
            f"{len(document.ocr_pages)} pages were read by OCR ({document.ocr_engine}), confidence {sum(sure) / len(sure):.2f}{look}"
        )
    if document.skipped_pages:
        notes.append(f"pages {_listed(document.skipped_pages)} could not be read and were left out")
    notes += [f"it is an {shell}" if shell[0] in "XA" else f"it is a {shell}" for shell in document.shells]
    if document.shells:
        notes[-1] += ": its pages may say no more than how to open it; save what it holds as PDF"
    return notes


def _left_out(document: Document) -> list[str]:
    notes = []
    if document.left_out:
        more = f" and {len(document.left_out) - SHOWN_PAGES} others" if len(document.left_out) > SHOWN_PAGES else ""
        notes.append(
            f"{', '.join(document.left_out[:SHOWN_PAGES])}{more} of the submission are no text and were left out"
        )
    if document.vertical_pages:
        notes.append(f"pages {_listed(document.vertical_pages)} have lines from top to bottom: their order is not sure")
    if document.unnamed_glyphs:
        notes.append(
            f"{document.unnamed_glyphs} glyphs have no name in their fonts: sentences and rows that hold one are not asked about"
        )
    if kinds := ", ".join(f"{count} {kind}" for kind, count in document.hidden.items()):
        notes.append(f"hidden text was left out: {kinds}")
    if document.encoding:
        notes.append(f"it is not UTF-8, and was read as {document.encoding}, which it looks like")
    if document.oversize:
        notes.append(f"{document.oversize} chunks are larger than --chunk-tokens, because one sentence or table row is")
    return notes


def _listed(pages: Sequence[int]) -> str:
    return ", ".join(map(str, pages[:SHOWN_PAGES])) + (" ..." if len(pages) > SHOWN_PAGES else "")


def _few_passages(document: Document) -> str:
    passages = sum(is_narrative(chunk) for chunk in document.chunks)
    if document.pages < PAGES or passages >= FEW_PASSAGES * document.pages:
        return ""
    unread = len(document.image_pages) + len(document.unreadable_pages) + len(document.skipped_pages)
    tables = sum(
        block.end - block.start for chunk in document.chunks for block in chunk.blocks if block.kind == "table"
    )
    if 2 * unread > document.pages:
        why = f"{unread} pages were not read"
    elif 2 * tables > sum(len(chunk.text) for chunk in document.chunks):
        why = "most of its text stands in tables, and passages need running text"
    else:
        why = "its pages hold little running text, such as slides or charts"
    return f"{passages} passages to ask about on {document.pages} pages are few: {why}"


class _Came:
    """What came of the passages of each document that were asked about, gathered in one pass over them, records and rejects."""

    def __init__(self, asked: Iterable[Chunk], kept: Iterable[Record], rejected: Iterable[Rejected]) -> None:
        self._document_of = {chunk.id: chunk.document for chunk in asked}
        self._asked = Counter(self._document_of.values())
        self._records: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)
        for record in kept:
            self._records.update(self._documents(record.chunks))
        for one in rejected:
            for document in self._documents(one.chunks):
                self._reasons[document][one.reason] += 1

    def _documents(self, chunks: Iterable[str]) -> set[str]:
        return {self._document_of[chunk] for chunk in chunks if chunk in self._document_of}

    def few(self, document: str) -> str:
        """Say that few records came of a document; "" where they are as many as can be expected."""
        asked, records = self._asked[document], self._records[document]
        if asked < LEAST_ASKED or records >= FEW_RECORDS * asked:
            return ""
        reasons = self._reasons[document].most_common(1)
        why = (
            f"{reasons[0][1]} items were rejected as {reasons[0][0]}"
            if reasons
            else "the teacher found nothing to ask in most"
        )
        return f"{records} records from {asked} passages are few: {why}"
