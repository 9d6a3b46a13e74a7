"""Passages that are better asked about together: a discussion with its statement, one section of two years."""

from __future__ import annotations

import re
from collections import defaultdict

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
    """Finds for a chunk the one other chunk that belongs beside it."""

    def __init__(self, documents: list[Document]) -> None:
        self._statements: dict[str, list[tuple[Chunk, list[str]]]] = {}
        self._years: dict[tuple[str, str, str], list[tuple[str, Chunk]]] = defaultdict(list)
        self._document = {document.path: document for document in documents}
        for document in documents:
            self._statements[document.path] = [
                (chunk, labels) for chunk in document.chunks if _is_statement(chunk) and (labels := _labels(chunk))
            ]
            for chunk in document.chunks:
                if key := self._section_key(document, chunk):
                    self._years[key].append((document.period.end or "", chunk))

    def of(self, chunk: Chunk) -> Chunk | None:
        """The same section a year before, else the statement that the chunk discusses; None where there is neither."""
        return self._year_before(chunk) or self._statement(chunk)

    def _section_key(self, document: Document, chunk: Chunk) -> tuple[str, str, str] | None:
        if not (document.company and document.period.end and chunk.section):
            return None
        return fold(document.company), chunk.language, fold(re.sub(r"(?:19|20)\d\d", "", chunk.section[-1]))

    def _year_before(self, chunk: Chunk) -> Chunk | None:
        document = self._document[chunk.document]
        key = self._section_key(document, chunk)
        before = [(end, other) for end, other in self._years[key] if end < (document.period.end or "")] if key else []
        return max(before, key=lambda entry: (entry[0], entry[1].id))[1] if before else None

    def _statement(self, chunk: Chunk) -> Chunk | None:
        text = "".join(
            chunk.text[block.start : block.end] for block in chunk.blocks if block.kind == "paragraph"
        ).casefold()
        own = set(_labels(chunk))  # rows that it shows itself need no other table
        counted = [
            (sum(label in text for label in labels if label not in own), statement)
            for statement, labels in self._statements[chunk.document]
            if statement.id != chunk.id
        ]
        most = max(counted, key=lambda entry: entry[0], default=None)
        return most[1] if most and most[0] >= MENTIONED else None


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
