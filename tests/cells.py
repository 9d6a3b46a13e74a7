"""Figures of a page by where they stand: an oracle for the cells of tables that shares nothing with the reader.

The words of a page are taken with their boxes. Figures whose right edges come back line after line make a column; a row is
a label with figures in two columns or more; and what heads a column is what stands above it and above no other. Then each
figure is looked for in the tables that the reader gave: it should be alone in its cell, in the column with its heading.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pymupdf

from fingen.records import Document

EDGE = 3.0  # points by which the right edges of one column may differ
HEADING = 90.0  # points above the first row within which a column has its headings
FIGURE = re.compile(r"[-–—(]*(?:US|HK|A|NT|RMB)?[$€£¥￥]?[-–(]?(\d[\d,]*(?:\.\d+)?)[%)]*")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
STATEMENT = re.compile(
    r"balance sheet|statements? of (?:consolidated )?(?:financial position|operations|income|earnings|cash flow|profit|equity|"
    r"comprehensive|changes)|income statement|资产负债表|利润表|现金流量表|權益變動表|财务状况表",
    re.IGNORECASE,
)
YEAR = re.compile(r"(?:FY)?(?:19|20)\d\d")


@dataclass
class Word:
    x0: float
    y0: float
    x1: float
    y1: float
    text: str

    @property
    def edge(self) -> float:
        """The right edge without what hangs over it: a bracket, a per cent sign."""
        hangs = len(self.text) - len(self.text.rstrip("%)"))
        return self.x1 - 0.6 * hangs * (self.x1 - self.x0) / len(self.text)

    @property
    def value(self) -> str | None:
        match = FIGURE.fullmatch(self.text)
        return match[1].replace(",", "") if match and not YEAR.fullmatch(self.text) else None


@dataclass
class Figure:
    value: str
    heading: str | None = None  # folded words that stand above its column alone


@dataclass
class Row:
    """A label with its figures, as the page shows them."""

    page: int
    label: str
    figures: list[Figure]
    line: str = ""  # all that stands at its height

    @property
    def headed(self) -> int:
        """How many of the figures have a heading over them."""
        return sum(figure.heading is not None for figure in self.figures)


@dataclass
class Score:
    """How many figures were looked at, and what became of them."""

    rows: int = 0
    whole: int = 0
    figures: int = 0
    alone: int = 0
    headed: int = 0
    in_column: int = 0
    foreign: int = 0
    lost: list[tuple[str, Row, str]] = field(default_factory=list)

    def __iadd__(self, other: Score) -> Score:
        for name in ("rows", "whole", "figures", "alone", "headed", "in_column", "foreign"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lost += other.lost
        return self

    def __str__(self) -> str:
        return (
            f"rows whole {self.whole / (self.rows or 1):.2%} of {self.rows}, figures alone"
            f" {self.alone / (self.figures or 1):.2%} of {self.figures}, under their heading"
            f" {self.in_column / (self.headed or 1):.2%} of {self.headed}, foreign {self.foreign / (self.figures or 1):.2%}"
        )


def fold(text: str) -> str:
    """Letters and digits alone."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def is_statement(page: pymupdf.Page, rows: Sequence[Row]) -> bool:
    """Whether a page has a primary statement's name near its top, and rows enough to be one."""
    return len(rows) >= 8 and STATEMENT.search(page.get_text()[:1500]) is not None


def rows_of(page: pymupdf.Page) -> list[Row]:
    """The rows of figures on a page, each half of a spread on its own."""
    words = [Word(*word[:5]) for word in page.get_text("words")]
    words = [
        word for word in words if len(word.text) < 3 or word.y1 - word.y0 < 1.5 * (word.x1 - word.x0)
    ]  # not turned
    return [row for half in _halves(page.rect, words) for row in _rows(page.number + 1, half)]


def _halves(rect: pymupdf.Rect, words: list[Word]) -> list[list[Word]]:
    """The two pages of a sheet that has two, told by the numbers at their feet or heads; else all words."""
    middle = rect.width / 2
    numbers = [word for word in words if word.text.isdecimal() and not rect.height * 0.1 < word.y0 < rect.height * 0.9]
    pairs = (
        (a, b)
        for a in numbers
        for b in numbers
        if a.x1 < middle < b.x0 and int(b.text) - int(a.text) == 1 and abs(a.y0 - b.y0) < 3
    )
    if rect.width > 1.2 * rect.height and next(pairs, None):
        return [[w for w in words if w.x0 < middle], [w for w in words if w.x0 >= middle]]
    return [words]


def _lines(words: list[Word]) -> list[list[Word]]:
    """Words that stand side by side: the feet of their boxes are at one height."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.y1):
        if lines and word.y1 - lines[-1][0].y1 <= 0.3 * (word.y1 - word.y0):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda word: word.x0) for line in lines]


def _rows(number: int, words: list[Word]) -> Iterator[Row]:
    lines = [_closed(line) for line in _lines(words)]
    edges = _clusters(word.edge for line in lines for word in line if word.value)
    found: list[Found] = []
    for at, line in enumerate(lines):
        start = len(line)
        while start and (_column(line[start - 1], edges) is not None or not fold(line[start - 1].text)):
            start -= 1
        columns = [(_column(word, edges), word) for word in line[start:]]
        figures = [(column, word) for column, word in columns if column is not None and word.value]
        label = _label(line[:start])
        if len(figures) > 1 and len(re.findall(r"[^\W\d_]", label)) > 1 and not YEAR.fullmatch(line[start - 1].text):
            found.append((at, label, figures))
    wholes = [fold("".join(word.text for word in line)) for line in lines]
    for run in _runs(found, lines):
        headings = _headings(run, lines)
        for at, label, figures in run:
            yield Row(
                number, label, [Figure(word.value or "", headings.get(column)) for column, word in figures], wholes[at]
            )


def _label(words: list[Word]) -> str:
    """The words that stand close together before the figures, folded: farther left is another cell, or another column."""
    start = max(len(words) - 1, 0)
    while start and words[start].x0 - words[start - 1].x1 < 1.2 * (words[start].y1 - words[start].y0):
        start -= 1
    return fold("".join(word.text for word in words[start:]))


def _closed(line: list[Word]) -> list[Word]:
    """A line whose brackets and per cent signs are part of the figure that they follow."""
    closed: list[Word] = []
    for word in line:
        if closed and set(word.text) <= set(")%") and closed[-1].value and word.x0 - closed[-1].x1 < 6:
            last = closed[-1]
            closed[-1] = Word(last.x0, last.y0, word.x1, last.y1, last.text + word.text)
        else:
            closed.append(word)
    return closed


def _clusters(edges: Iterable[float]) -> list[tuple[float, float]]:
    """Where at least three figures end at one place."""
    clusters: list[list[float]] = []
    for edge in sorted(edges):
        if clusters and edge - clusters[-1][-1] <= EDGE / 2 and edge - clusters[-1][0] <= 2 * EDGE:
            clusters[-1].append(edge)
        else:
            clusters.append([edge])
    return [(cluster[0], cluster[-1]) for cluster in clusters if len(cluster) > 2]


def _column(word: Word, clusters: list[tuple[float, float]]) -> int | None:
    if not word.value:
        return None
    return next((n for n, (first, last) in enumerate(clusters) if first <= word.edge <= last), None)


Found = tuple[int, str, list[tuple[int, Word]]]


def _runs(found: list[Found], lines: list[list[Word]]) -> Iterator[list[Found]]:
    """Rows that follow each other with the same columns: one table."""
    run: list[Found] = []
    for row in found:
        if run:
            columns = {column for _, _, figures in run for column, _ in figures}
            apart = lines[row[0]][0].y0 - lines[run[-1][0]][0].y1
            if apart > 40 or not columns & {column for column, _ in row[2]}:
                yield run
                run = []
        run.append(row)
    if run:
        yield run


def _headings(run: list[Found], lines: list[list[Word]]) -> dict[int, str]:
    """What heads each column of a table: the lowest words above it that stand above no other column."""
    spans: dict[int, tuple[float, float]] = {}
    for _, _, figures in run:
        for column, word in figures:
            left, right = spans.get(column, (word.x0, word.x1))
            spans[column] = min(left, word.x0), max(right, word.x1)
    first = run[0][0]
    top = lines[first][0].y0
    headings: dict[int, str] = {}
    for line in reversed(lines[:first]):
        if top - line[0].y1 > HEADING or _is_text(line) or any(word.value and len(word.value) > 2 for word in line):
            break
        over: dict[int, str] = {}
        for x0, x1, text in _phrases(line):
            touched = [column for column, (left, right) in spans.items() if x0 < right and left < x1]
            if (
                len(touched) == 1
                and re.search(r"[^\W\d]|\d{4}", text)
                and x0 > min(left for left, _ in spans.values()) - 40
            ):
                over[touched[0]] = text
        if len(over) > 1:
            for column, text in over.items():
                headings.setdefault(column, text)
    return headings


def _is_text(line: list[Word]) -> bool:
    """Whether a line is a sentence, or the end of one."""
    gaps = [b.x0 - a.x1 for a, b in pairwise(line)]
    return len(line) > 6 and max(gaps) < 0.8 * (line[0].y1 - line[0].y0)


def _phrases(line: list[Word]) -> list[tuple[float, float, str]]:
    """The words of a line that stand close together; two years are two headings however close."""
    groups: list[list[Word]] = []
    for word in line:
        if groups:
            last = groups[-1][-1]
            close = word.x0 - last.x1 < 0.5 * (word.y1 - word.y0)
            if close and not (YEAR.fullmatch(word.text) and YEAR.fullmatch(last.text)):
                groups[-1].append(word)
                continue
        groups.append([word])
    texts = ((group[0].x0, group[-1].x1, fold("".join(word.text for word in group))) for group in groups)
    return [(x0, x1, text) for x0, x1, text in texts if text]


# --- what the reader gave ----------------------------------------------------------------------------------------------

Table = Sequence[Sequence[str]]  # rows of cells


def tables_of(document: Document, page: int) -> list[Table]:
    """The tables of a page as rows of cells, as the chunks have them."""
    blocks = ((c, b) for c in document.chunks for b in c.blocks if b.kind == "table" and b.page == page)
    return [[line.split(" | ") for line in c.text[b.start : b.end].splitlines()] for c, b in blocks]


def score_report(path: Path, document: Document, *, statements: bool) -> Score:
    """How the rows of figures of a report's statements, or of its other pages, are found in its tables."""
    total = Score()
    with pymupdf.open(path) as pdf:
        for page in pdf:
            rows = rows_of(page)
            if len(rows) > 3 and is_statement(page, rows) is statements:
                total += score(rows, tables_of(document, page.number + 1))
    return total


def score(rows: list[Row], tables: Sequence[Table]) -> Score:
    """How the rows of a page are found in its tables."""
    total = Score()
    lines = [(table, number) for table in tables for number in range(len(table))]
    after = 0
    for row in rows:
        values = [figure.value for figure in row.figures]
        ranked = (
            (*_likeness(row.label, values, table[number]), at >= after, -at) for at, (table, number) in enumerate(lines)
        )
        same, _, _, _, at = max(ranked, default=(0, 0, 0, False, 0))
        if not same:
            total += Score(rows=1, figures=len(values), headed=row.headed, lost=[("no row", row, "")])
            continue
        after = 1 - at
        total += _score_row(row, *lines[-at])
    return total


def _score_row(row: Row, table: Table, number: int) -> Score:
    result = Score(rows=1, figures=len(row.figures), headed=row.headed)
    values = [figure.value for figure in row.figures]
    cells = table[number]
    numbers = [_numbers(cell) for cell in cells]
    shown = " | ".join(cells)
    label = re.sub(r"(?<=[a-z])\d$", "", row.label)  # the mark of a footnote, which the reader takes out
    result.whole = int(_in_order(values, [n for cell in numbers for n in cell]) and label in fold("".join(cells)))
    if not result.whole:
        result.lost.append(("not whole", row, shown))
    foreign = Counter(n for cell in numbers[1:] for n in cell if not YEAR.fullmatch(n))
    foreign.subtract(values)
    result.foreign = sum(count for value, count in foreign.items() if count > 0 and fold(value) not in row.line)
    if result.foreign:
        result.lost.append(("foreign", row, shown))
    at = 0
    for figure in row.figures:
        index = next((n for n in range(at, len(cells)) if numbers[n] == [figure.value] and _is_clean(cells[n])), None)
        if index is None:
            result.lost.append((f"not alone {figure.value}", row, shown))
            continue
        result.alone += 1
        at = index + 1
        if figure.heading is not None:
            over = fold("".join(line[index] for line in table[:number] if index < len(line)))
            # The reader takes out the mark of a footnote, which stands here at the end of a word or of a whole date.
            if figure.heading in over or re.sub(r"(?:(?<=[a-z])|(?<=\d{8}))\d$", "", figure.heading) in over:
                result.in_column += 1
            else:
                result.lost.append((f"not under {figure.heading}: {figure.value} under {over[:40]}", row, shown))
    return result


def _numbers(cell: str) -> list[str]:
    return [number.replace(",", "").rstrip(".") for number in NUMBER.findall(cell)]


def _is_clean(cell: str) -> bool:
    """Whether a cell's currency sign stands before its figure."""
    return not re.search(r"\d.*[$€£¥￥]", cell)


def _likeness(label: str, values: list[str], cells: Sequence[str]) -> tuple[int, int, int]:
    there = Counter(n for cell in cells for n in _numbers(cell))
    same = sum((Counter(values) & there).values())
    return same, int(label in fold("".join(cells))), -sum(there.values())


def _in_order(wanted: list[str], there: list[str]) -> bool:
    at = iter(there)
    return all(value in at for value in wanted)
