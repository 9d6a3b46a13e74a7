"""Rows of balance sheets and income statements keep their label and their figures together.

The oracle shares nothing with the reader: it puts the words of a page on lines by their height alone, finds the statements
by their titles, and takes for a row what has a label and at least two figures that stand in columns (right edges that
come back on other lines). So a sentence with two figures in it is no row, and neither is "Page 11 of 15".
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymupdf
import pytest

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.records import Document

GOAL = 0.98
REPORTS = (
    "pdf_en/BESTBUY_2023_10K.pdf",
    "pdf_en/BOEING_2022_10K.pdf",
    "pdf_en/ERC_Galileo_Resources_AR_multicol.pdf",
    "pdf_en/ERC_Incyte_AR.pdf",
    "pdf_en/ERC_OFX_Group_2022_AR_multicol.pdf",
    "pdf_en/ERC_Ziff_Davis_2022_10K_mixed_image_pages.pdf",
    "pdf_en/MGMRESORTS_2022Q4_EARNINGS.pdf",
    "pdf_en/ULTABEAUTY_2023Q4_EARNINGS.pdf",
    "pdf_zh/002099_海翔药业_2019年报.pdf",
    "pdf_zh/603339_四方科技_2019年报.pdf",
)
LEAST_ROWS = 4  # of a statement: "Balance Sheet" over a paragraph of a press release is none
RIGHT_EDGE = 4.0  # points by which right edges of one column may differ: brackets hang over

# (balance sheet), (income statement), (another statement or part, which ends the one before)
TITLES_EN = re.compile(
    r"(?:(?:condensed|consolidated|interim|group and company|unaudited) ?)*"
    r"(?:(balance sheets?|statements? of (?:consolidated )?financial position)"
    r"|(statements? of (?:consolidated )?(?:earnings|operations|(?:comprehensive )?income(?: \(loss\))?|profit or loss)|income statements?)"
    r"|(statements? of (?:cash flows?|changes in .+|equity|(?:stock|share)holders[’'] equity)|supplemental data.*|reconciliations? of .+))"
    r"(?: \((?:extract|in millions.*)\)| continued)?",
    re.IGNORECASE,
)
TITLES_ZH = re.compile(
    r"(?:\d[、.])?(?:(合并资产负债表)|(合并利润表)|((?:母公司|合并)(?:资产负债|利润|现金流量|所有者权益变动)表))(?:\s.*)?"
)
FIGURE = re.compile(r"[-–(]*[$¥]?[-(]?\d[\d,]*(?:\.\d+)?%?\)?")
FIGURES = re.compile(r"\d[\d,]*(?:\.\d+)? ?%? ?\)?")
YEAR = re.compile(r"(?:19|20)\d\d")


def show(text: str) -> None:
    """What was found is the finding: `pytest -s` shows it, and pytest itself where a test fails."""
    sys.stdout.write(f"{text}\n")


@dataclass(frozen=True)
class Word:
    x1: float
    text: str


@dataclass(frozen=True)
class OracleRow:
    """A numeric row as the page shows it."""

    page: int
    label: tuple[str, ...]
    figures: tuple[str, ...]


def fold(text: str) -> str:
    """Letters and digits only: spaces, dots that lead to a figure and the width of characters do not matter."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def figures_of(text: str) -> list[str]:
    """Figures in order, without thousand separators; a closing bracket is kept, since it is a sign."""
    return [re.sub(r"[,% ]", "", figure) for figure in FIGURES.findall(text)]


def lines_of(page: pymupdf.Page) -> list[list[Word]]:
    """The words of a page by the height of their middles, each line from left to right."""
    lines: list[tuple[float, list[tuple[float, Word]]]] = []
    for x0, y0, x1, y1, text, *_ in sorted(page.get_text("words"), key=lambda word: word[1] + word[3]):
        middle = (y0 + y1) / 2
        if not lines or middle - lines[-1][0] > 0.3 * (y1 - y0):
            lines.append((middle, []))
        lines[-1][1].append((x0, Word(x1, text)))
    return [[word for _, word in sorted(words, key=lambda pair: pair[0])] for _, words in lines]


def rows_of(page: int, lines: list[list[Word]]) -> list[OracleRow | None]:
    """For each line its numeric row, or None."""
    edges = Counter(
        round(word.x1 / RIGHT_EDGE) for line in lines for word in line[1:] if FIGURE.fullmatch(word.text)
    )  # of words that may be figures in a column
    return [_row(page, line, edges) for line in lines]


def _row(page: int, line: list[Word], edges: Counter[int]) -> OracleRow | None:
    start = len(line)
    columns: list[str] = []
    while start and (not re.search(r"\w", line[start - 1].text) or _in_column(line[start - 1], edges)):
        start -= 1  # figures in columns, dashes and signs, from the right
        columns.insert(0, line[start].text)
    label = tuple(fold(word.text) for word in line[:start] if fold(word.text))
    amounts = [text for text in columns if FIGURE.fullmatch(text) and not YEAR.fullmatch(text)]
    if len(amounts) < 2 or len(re.findall(r"[^\W\d_]", "".join(label))) < 2:
        return None
    return OracleRow(page, label, tuple(figures_of(" ".join(columns))))


def _in_column(word: Word, edges: Counter[int]) -> bool:
    at = round(word.x1 / RIGHT_EDGE)
    return FIGURE.fullmatch(word.text) is not None and sum(edges[at + step] for step in (-1, 0, 1)) >= 3


def title_kind(line: list[Word]) -> str | None:
    """Which statement a line is the title of: balance, income or other; None for what is no title."""
    text = " ".join(word.text for word in line)
    match = TITLES_ZH.fullmatch(unicodedata.normalize("NFKC", text)) or TITLES_EN.fullmatch(text)
    if not match or text[0].islower():
        return None
    return "balance" if match[1] else "income" if match[2] else "other"


def statement_rows(pdf: pymupdf.Document) -> Iterator[OracleRow]:
    """The numeric rows of the consolidated statements, over the pages on which they go on."""
    kind: str | None = None
    chinese = False
    rows: list[OracleRow] = []
    for page in pdf:
        lines = lines_of(page)
        found = rows_of(page.number + 1, lines)
        numeric = sum(row is not None for row in found)
        if not chinese and not any(map(title_kind, lines)) and numeric < 0.3 * len(lines):
            kind = None  # a page of text: the statement has ended (a Chinese one ends with the title of the next)
        for line, row in zip(lines, found, strict=True):
            title = title_kind(line)
            if title:
                yield from rows if len(rows) >= LEAST_ROWS else ()
                kind, rows = title, []
                chinese = any(ord(char) > 0x2E7F for word in line for char in word.text)
            elif row and kind in ("balance", "income"):
                rows.append(row)
    yield from rows if len(rows) >= LEAST_ROWS else ()


def table_lines(document: Document, page: int) -> list[str]:
    """The lines of the chunks' tables on a page."""
    blocks = ((c, b) for c in document.chunks for b in c.blocks if b.kind == "table" and b.page == page)
    return [line for chunk, block in blocks for line in chunk.text[block.start : block.end].splitlines()]


def outstanding(line: str, row: OracleRow) -> bool:
    """Whether a line has the words of the label and all the figures, in order, and no other figures after them."""
    folded, at = fold(line), 0
    for word in row.label:
        at = folded.find(word, at) + len(word)
        if at < len(word):
            return False
    return tuple(figures_of(line)[-len(row.figures) :]) == row.figures


def read(path: Path, parses: Path) -> Document:
    return read_document(path, path.name, ReadSettings(), cache=parses)


def test_statement_rows_keep_label_and_figures(shared: Path, parses: Path):
    rows = kept = 0
    for report in REPORTS:
        path = shared / report
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        document = read(path, parses)
        with pymupdf.open(path) as pdf:
            found = list(statement_rows(pdf))
        lines = {page: table_lines(document, page) for page in {row.page for row in found}}
        missed = [row for row in found if not any(outstanding(line, row) for line in lines[row.page])]
        share = 1 - len(missed) / len(found) if found else 0.0
        show(f"{path.name}: {share:.1%} of {len(found)} rows on pages {sorted(lines)}")
        for row in missed:
            show(f"  page {row.page}: {' '.join(row.label)} {row.figures}")
        assert len(found) >= 30, f"{path.name}: the test finds no statements any more"
        rows += len(found)
        kept += len(found) - len(missed)
    show(f"all: {kept / rows:.2%} of {rows} rows")
    assert kept / rows >= GOAL


def test_the_sample_keeps_its_rows_over_pages(parses: Path):
    path = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
    document = read(path, parses)
    with pymupdf.open(path) as pdf:
        found = list(statement_rows(pdf))
    assert {row.page for row in found} >= {8, 16, 17}
    missed = [row for row in found if not any(outstanding(line, row) for line in table_lines(document, row.page))]
    assert not missed


def test_figures_of_one_column_stand_in_one_column(shared: Path, parses: Path):
    """Rows that have as many figures as any row of their table have them in the same cells, whatever their width and sign."""
    rows = apart = 0
    for report in REPORTS:
        path = shared / report
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        document = read(path, parses)
        before = rows, apart
        for chunk in document.chunks:
            for block in chunk.blocks:
                if block.kind == "table":
                    full = full_rows(chunk.text[block.start : block.end].splitlines())
                    rows += full.total()
                    apart += full.total() - max(full.values(), default=0)
        show(f"{path.name}: {apart - before[1]} of {rows - before[0]} rows have a figure in another column")
    assert rows > 4000
    assert 1 - apart / rows >= GOAL


def full_rows(lines: list[str]) -> Counter[tuple[int, ...]]:
    """Where the figures stand in the rows of a table that have the most of them, by cell; rows of one figure tell nothing."""
    places = [
        tuple(
            n
            for n, cell in enumerate(line.split(" | "))
            if n and re.fullmatch(r"[-–—(]*[$¥]? ?[-(]?\d[\d,.]*[%)]*|[-–—]", cell.strip())
        )
        for line in lines
    ]
    most = max(map(len, places), default=0)
    return Counter(place for place in places if len(place) == most > 1)
