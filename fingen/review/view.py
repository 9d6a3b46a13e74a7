"""What the page shows of a row: its texts in pieces, each figure with the level of its proof, each quote with its place.

Texts are as `visible` writes them: what steers or cannot be seen stands there written out. The page adds them as text alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fingen.disk import dump_json
from fingen.errors import visible
from fingen.pipeline.show import Quote
from fingen.records import PLACE_MARK, Box, Chunk, Record, Rejected
from fingen.review.proof import Proved

MOST_SHOWN = 20_000  # characters of a text that are shown at first
MOST_EDITED = 200_000  # characters of all fields of a row that the page lets edit
_NUMBER = re.compile(r"\d[\d,，]*(?:\.\d+)?")
Piece = dict[str, Any]
Span = tuple[int, int, dict[str, Any]]


def shown(text: str, *, whole: bool = False) -> dict[str, Any]:
    """A text as it is shown; what is longer than MOST_SHOWN is cut, and says so."""
    return in_pieces(text, (), whole=whole)


def in_pieces(text: str, spans: Sequence[Span], *, whole: bool = False) -> dict[str, Any]:
    """A text in pieces; those in `spans` (start, end, what is to be known of it) are marked. Spans do not overlap."""
    end = len(text) if whole else min(len(text), MOST_SHOWN)
    pieces: list[Piece] = []
    at = 0
    for start, stop, about in sorted(spans, key=lambda span: span[:2]):
        if at <= start < stop <= end:
            pieces += [_piece(text[at:start]), _piece(text[start:stop]) | about]
            at = stop
    pieces.append(_piece(text[at:end]))
    return {"pieces": [piece for piece in pieces if piece["text"]], "left": len(text) - end}


def _piece(text: str) -> Piece:
    return {"text": visible(text, lines=True)}


def answer_pieces(record: Record, proved: Proved, *, whole: bool = False) -> dict[str, Any]:
    """The answer, with its figures: the level of each, and the quotes (from 0) that have it."""
    numbers = [set(map(_plain, _NUMBER.findall(quote.quote))) for quote in record.evidence]
    spans: list[Span] = []
    for start, end, level, doubt in proved.levels:
        said = set(map(_plain, _NUMBER.findall(record.output[start:end])))
        quotes = [place for place, known in enumerate(numbers) if said & known]
        spans.append((start, end, {"level": level, "doubt": visible(doubt), "quotes": quotes}))
    return in_pieces(record.output, spans, whole=whole)


def _plain(number: str) -> str:
    return number.replace(",", "").replace("，", "")


def record_texts(record: Record, proved: Proved, *, whole: bool = False) -> dict[str, Any]:
    """The texts of a row, and what may be edited of it as it is."""
    given = {"system": record.system, "question": record.instruction, "input": record.input, "calc": record.calc,
             "program": record.program}  # fmt: skip
    return {
        "texts": {name: shown(text, whole=whole) for name, text in given.items() if text},
        "turns": [{name: visible(text, lines=True) for name, text in message.items()} for message in record.messages],
        "answer": answer_pieces(record, proved, whole=whole),
        "options": [{"letter": visible(letter), "text": visible(text)} for letter, text in record.options.items()],
        "fields": _fields(record),
    }


def _fields(record: Record) -> dict[str, Any] | None:
    """What may be edited, as it is; None where it is too much for a page."""
    texts = {"instruction": record.instruction, "input": record.input, "output": record.output, "calc": record.calc}
    quotes = [quote.quote for quote in record.evidence]
    return {**texts, "evidence": quotes} if sum(map(len, (*texts.values(), *quotes))) <= MOST_EDITED else None


def about_record(record: Record) -> list[tuple[str, str]]:
    """What else is to be known of a row: name and value."""
    scores = ", ".join(f"{name} {score:g}" for name, score in record.scores.items())
    told = {"id": record.id, "task": record.task, "document": record.document, "label": record.label, "scores": scores,
            "teacher": record.teacher, "origin": record.origin}  # fmt: skip
    return [(name, visible(text)) for name, text in told.items() if text]


def reject_text(rejected: Rejected) -> str:
    """A reject that is no row, as it is written."""
    return dump_json(rejected.item, indent=2)


def proof_report(proved: Proved, output: str) -> dict[str, Any]:
    """What the checks say, for the page."""
    return {
        "faults": [
            {"check": fault.check, "detail": visible(fault.detail), "said": visible(output[fault.start : fault.end])}
            for fault in proved.faults
        ],
        "unchecked": {name: visible(why) for name, why in proved.unchecked.items()},
        "failed": list(proved.failed),
    }


def quote_view(quotes: Sequence[Quote]) -> list[dict[str, Any]]:
    """The quotes of a row, in their order."""
    return [
        {
            **shown(quote.text),
            "document": visible(quote.document),
            "page": quote.page,
            "place": visible(quote.place.removeprefix(PLACE_MARK)),
            "chunk": quote.chunk,
        }
        for quote in quotes
    ]


def passage_view(passages: Sequence[Chunk], quotes: Sequence[Quote]) -> list[dict[str, Any]]:
    """The passages of a row, its quotes marked; of quotes that overlap the first is."""
    return [
        {
            "id": chunk.id,
            "document": visible(chunk.document),
            "pages": [chunk.first_page, chunk.last_page],
            "section": visible(" > ".join(chunk.section)),
            **in_pieces(chunk.text, _quote_spans(chunk, quotes)),
        }
        for chunk in passages
    ]


def _quote_spans(chunk: Chunk, quotes: Sequence[Quote]) -> list[Span]:
    return [
        (quote.start, quote.end, {"quote": number})
        for number, quote in enumerate(quotes)
        if quote.chunk == chunk.id and quote.end > quote.start
    ]


def page_view(document: str, page: int, size: tuple[float, float], quotes: Sequence[Quote]) -> dict[str, Any]:
    """A page with the boxes of its quotes, in shares of its width and height."""
    return {
        "document": visible(document),
        "page": page,
        "size": size,
        "quotes": [
            {"quote": number, "boxes": [_shares(box, size) for box in quote.boxes], "is_exact": quote.is_exact}
            for number, quote in enumerate(quotes)
            if (quote.document, quote.page) == (document, page) and quote.boxes
        ],
    }


def _shares(box: Box, size: tuple[float, float]) -> tuple[float, float, float, float]:
    (width, height), (left, top, right, bottom) = size, box
    return left / width, top / height, (right - left) / width, (bottom - top) / height
