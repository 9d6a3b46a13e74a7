"""Passages that are better asked about together: a discussion with its statement, one section of two years."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from fingen.pipeline.reports import Reports
from fingen.quality.duplicates import fold
from fingen.records import Chunk, Document
from fingen.text import is_cjk

MENTIONED = 2  # labels of a statement that a discussion has to speak of
_STATEMENT = re.compile(
    r"consolidated (?:balance sheet|statements? of)|statements? of (?:financial position|cash flows|operations|income|earnings)|"
    r"income statement|balance sheet|资产负债表|利润表|现金流量表|主要会计数据|财务报表",
    re.IGNORECASE,
)
_LABEL_CJK, _LABEL_LATIN = 4, 8  # characters; shorter labels stand everywhere


class Companions:
    """Finds for a chunk the one other chunk that belongs beside it, by its number among those of all reports."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._places = {head.path: place for place, head in enumerate(reports.heads)}
        self._years: dict[tuple[str, str, str], list[tuple[str, str, int]]] = defaultdict(list)
        self._statements: tuple[str, list[tuple[int, str, list[str]]]] = (
            "",
            [],
        )  # of the document that was asked for last
        several = Counter(map(_company, reports.heads))
        for place, head in enumerate(reports.heads):
            if head.company and several[_company(head)] > 1:  # others have no year before
                for number, chunk in zip(reports.numbers(place), reports.chunks_of(place), strict=True):
                    if key := self._section_key(head, chunk):
                        self._years[key].append((head.period.end or "", chunk.id, number))

    def of(self, chunk: Chunk) -> int | None:
        """The same section a year before, else the statement that the chunk discusses; None where there is neither."""
        before = self._year_before(chunk)
        return before if before is not None else self._statement(chunk)

    def _section_key(self, document: Document, chunk: Chunk) -> tuple[str, str, str] | None:
        if not (document.company and document.period.end and chunk.section):
            return None
        return fold(document.company), chunk.language, fold(re.sub(r"(?:19|20)\d\d", "", chunk.section[-1]))

    def _year_before(self, chunk: Chunk) -> int | None:
        head = self._reports.heads[self._places[chunk.document]]
        key = self._section_key(head, chunk)
        before = [each for each in self._years.get(key, ()) if each[0] < (head.period.end or "")] if key else []
        return max(before)[2] if before else None

    def _statement(self, chunk: Chunk) -> int | None:
        text = "".join(
            chunk.text[block.start : block.end] for block in chunk.blocks if block.kind == "paragraph"
        ).casefold()
        own = set(_labels(chunk))  # rows that it shows itself need no other table
        first = self._reports.numbers(place := self._places[chunk.document])[0]
        counted = [
            (sum(label in text for label in labels if label not in own), first + at)
            for at, id, labels in self._statements_of(chunk.document, place)
            if id != chunk.id
        ]
        most = max(counted, key=lambda entry: entry[0], default=None)
        return most[1] if most and most[0] >= MENTIONED else None

    def _statements_of(self, document: str, place: int) -> list[tuple[int, str, list[str]]]:
        """The statements of a document: places, ids and labels; those of the one that was asked for last are in memory."""
        if self._statements[0] != document:
            chunks = enumerate(self._reports.chunks_of(place))
            found = [(at, each.id, labels) for at, each in chunks if _is_statement(each) and (labels := _labels(each))]
            self._statements = document, found
        return self._statements[1]


def _company(document: Document) -> str:
    return fold(document.company or "")


def _is_statement(chunk: Chunk) -> bool:
    titles = [*chunk.section[-2:], *(chunk.text[b.start : b.end] for b in chunk.blocks if b.kind != "table")]
    return any(block.kind == "table" for block in chunk.blocks) and any(
        len(t) < 80 and _STATEMENT.search(t) for t in titles
    )


def _labels(chunk: Chunk) -> list[str]:
    """Row labels of the chunk's tables that name something of their own."""
    labels = set()
    for block in chunk.blocks:
        if block.kind == "table":
            for line in chunk.text[block.start : block.end].splitlines():
                label = re.sub(r"(?: ?\.)+$", "", line.split(" | ")[0].strip(" :：")).casefold()
                if label and len(label) >= (_LABEL_CJK if is_cjk(label[0]) else _LABEL_LATIN):
                    labels.add(re.sub(r"^[一二三四五六七八九十]+、|^[加减其中]{1,2}：", "", label))
    return sorted(labels)
