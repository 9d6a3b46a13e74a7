"""fingen's tables beside pymupdf4llm's, page by page: on twenty reports the statement's page with the most figures.

Who is right where is told by tests/cells.py, which clusters the right edges of words and shares nothing with either. A row is
whole where its label and figures stand in one row of a table; a figure is alone in its cell, and under its own heading.

    python tests/benchmarks/bench_beside.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pymupdf4llm
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_cells import DATA
from cells import Row, Score, Table, is_statement, rows_of, score, tables_of

from fingen.config import ReadSettings
from fingen.documents.read import read_document

REPORTS = """
pdf_en/BOEING pdf_en/ERC_Galileo pdf_zh/603339 reports_more/ACRES reports_more/Billington reports_more/Bridgewater
reports_more/Commerzbank reports_more/Compagnie reports_more/Downer reports_more/Empire reports_more/Kruger
reports_more/Mercia reports_more/Microsoft reports_more/NICE reports_more/PEPSICO reports_more/Pintec reports_more/Seiko
reports_zh/02324 reports_zh/600016 reports_zh/601398
""".split()


def hardest(path: Path) -> tuple[int, list[Row]]:
    """The statement's page with the most figures, from 1, and its rows."""
    with pymupdf.open(path) as pdf:
        pages = ((page.number + 1, rows) for page in pdf if is_statement(page, rows := rows_of(page)))
        return max(pages, key=lambda found: sum(len(row.figures) for row in found[1]))


def markdown_tables(text: str) -> Iterator[Table]:
    """The tables of a page of Markdown as rows of cells, without marks of bold text."""
    for lines in re.findall(r"(?:^\|.*\|[ ]*\n?)+", text, re.MULTILINE):
        plain = re.sub(r"\*\*|__|~~|\\", "", lines.replace("<br>", " "))
        rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in plain.splitlines()]
        yield [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]


def measure() -> tuple[Score, Score]:
    """The scores of both over all pages, printed page by page."""
    ours, theirs = Score(), Score()
    print("| page | rows, figures | rows whole | alone in their cell | under their heading |\n|---|---|---|---|---|")
    for name in REPORTS:
        path = next(DATA.glob(f"{name}*.pdf"))
        number, rows = hardest(path)
        document = read_document(path, path.name, ReadSettings())
        one = score(rows, tables_of(document, number))
        text = pymupdf4llm.to_markdown(str(path), pages=[number - 1], show_progress=False)
        other = score(rows, list(markdown_tables(text)))
        print(_line(f"{path.stem[:30]}, {number}", one, other), flush=True)
        ours += one
        theirs += other
    print(_line("all", ours, theirs))
    return ours, theirs


def _line(title: str, one: Score, other: Score) -> str:
    cells = [f"{one.whole}, {other.whole}", f"{one.alone}, {other.alone}"]
    cells.append(f"{one.in_column}, {other.in_column} of {one.headed}")
    return " | ".join([f"| {title}", f"{one.rows}, {one.figures}", *cells]) + " |"


@pytest.mark.benchmark
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real documents in {DATA}")
def test_tables_are_no_worse_than_those_of_pymupdf4llm():
    ours, theirs = measure()
    assert (ours.whole, ours.alone, ours.in_column) >= (theirs.whole, theirs.alone, theirs.in_column)


if __name__ == "__main__":
    measure()
