"""Figures stand alone in their cells, under their headings, and what is set side by side stays apart.

The small PDFs show a kind of layout each; over real reports the oracle of cells.py looks at every figure of the statements.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest
from cells import Score, score_report
from test_documents import LEFT, Paper, assert_in_order, flat, parts, read, table_lines, text_of, wrapped
from test_statement_rows import REPORTS

PROSE = "The group sells pumps and valves to water works in many countries and services them for as long as they run."


def right(paper: Paper, x: float, y: float, text: str, size: float = 10) -> None:
    paper.at(x - pymupdf.get_text_length(text, "helv", size), y, text, size)


def close_columns(paper: Paper) -> list[str]:
    rows = [("", "2022", "2021"), ("Cash", "13,931", "14,224"), ("Investments", "90,826", "116,110"),
            ("Total assets", "364,840", "333,779")]  # fmt: skip
    for number, row in enumerate(rows):
        paper.at(LEFT, 100 + 14 * number, row[0] or " ")
        right(paper, 400, 100 + 14 * number, row[1])
        right(paper, 444, 100 + 14 * number, row[2])
    return [" | ".join(row) for row in rows]


def signs_near_the_column_before(paper: Paper) -> list[str]:
    for number, row in enumerate([("Cash", "13,931", "14,224"), ("Total", "6,049", "12,951")]):
        y = 100 + 28 * number
        paper.at(LEFT, y, row[0])
        right(paper, 400, y, row[1])
        paper.at(340, y, "$")
        paper.at(406, y, "$")
        right(paper, 480, y, row[2])
        paper.at(LEFT, y + 14, "Investments")
        right(paper, 400, y + 14, "90,826")
        right(paper, 480, y + 14, "116,110")
    return ["Cash | $13,931 | $14,224", "Investments | 90,826 | 116,110", "Total | $6,049 | $12,951"]


def leaders(paper: Paper) -> list[str]:
    for number, (label, one, two) in enumerate(
        [("Revenue", "3,709.9", "2,960.2"), ("Cost of services", "1,222.9", "991.6")]
    ):
        paper.at(LEFT, 100 + 14 * number, label + " ." * 34)
        right(paper, 400, 100 + 14 * number, one)
        right(paper, 470, 100 + 14 * number, two)
    return ["Revenue | 3,709.9 | 2,960.2", "Cost of services | 1,222.9 | 991.6"]


def a_minus_apart(paper: Paper) -> list[str]:
    for number, row in enumerate(
        [("Risk result", "- 72", "- 286"), ("Net income", "808", "459"), ("Other", "-", "12")]
    ):
        paper.at(LEFT, 100 + 14 * number, row[0])
        right(paper, 400, 100 + 14 * number, row[1])
        right(paper, 470, 100 + 14 * number, row[2])
    return ["Risk result | - 72 | - 286", "Net income | 808 | 459", "Other | - | 12"]


def headings_over_a_label(paper: Paper) -> list[str]:
    for x, text in ((400, "2022"), (470, "2021")):
        right(paper, x, 100, text, 8)
    paper.at(LEFT, 113, "Cash flows from operating activities:", 9)
    for number, row in enumerate([("Net earnings", "17,941", "20,878"), ("Depreciation", "6,970", "7,390")]):
        paper.at(LEFT, 126 + 13 * number, row[0])
        right(paper, 400, 126 + 13 * number, row[1])
        right(paper, 470, 126 + 13 * number, row[2])
    return [" | 2022 | 2021", "Cash flows from operating activities: |  | ", "Net earnings | 17,941 | 20,878"]


def headings_set_close(paper: Paper) -> list[str]:
    for x, text in ((350, "Unrealized"), (400, "Unrealized"), (450, "Recorded")):
        right(paper, x, 100, text, 9)
    for number, row in enumerate([("Commercial paper", "29", "(12)", "2,500"), ("Bonds", "114", "(2,178)", "77,547")]):
        paper.at(LEFT, 113 + 13 * number, row[0], 9)
        for x, text in zip((350, 400, 450), row[1:], strict=True):
            right(paper, x, 113 + 13 * number, text, 9)
    return [
        " | Unrealized | Unrealized | Recorded",
        "Commercial paper | 29 | (12) | 2,500",
        "Bonds | 114 | (2,178) | 77,547",
    ]


def a_box_without_row_rules(paper: Paper) -> list[str]:
    rows = [("3/2009", "Shares of the watch maker acquired"), ("4/2010", "New works opened in the north"),
            ("6/2011", "Stock split two for one"), ("7/2012", "Listing moved to the prime market")]  # fmt: skip
    paper.at(70, 95, "Date")
    paper.at(300, 95, "Event")
    for number, (when, what) in enumerate(rows):
        paper.at(70, 120 + 20 * number, when)
        paper.at(140, 120 + 20 * number, what)
    for x in (65, 135, 480):
        paper.page.draw_line((x, 82), (x, 200))
    for y in (82, 102, 200):
        paper.page.draw_line((65, y), (480, y))
    return ["Date | Event", *map(" | ".join, rows)]


def running_text(paper: Paper) -> list[str]:
    """Rows of running text between rules."""
    return _prose_rows(paper, ruled=True)


def labels_beside_text(paper: Paper) -> list[str]:
    """The same without rules: white space parts the rows."""
    return _prose_rows(paper, ruled=False)


def _prose_rows(paper: Paper, *, ruled: bool) -> list[str]:
    paper.at(60, 95, "Objective", bold=True)
    paper.at(160, 95, "Prospects", bold=True)
    y, rows = 116.0, ["Objective | Prospects"]
    for label in (["Safety of", "people"], ["Care for", "Assets"], ["Standing"]):
        if ruled:
            paper.page.draw_line((60, y - 14), (520, y - 14))
        for number, line in enumerate(label):
            paper.at(60, y + 13 * number, line)
        text = f"{label[0]} matters. {PROSE}"
        for number, line in enumerate(wrapped(text, 360)):
            paper.at(160, y + 0.8 + 14 * number, line)
        y += 14 * len(wrapped(text, 360)) + 20
        rows.append(f"{' '.join(label)} | {text}")
    if ruled:
        paper.page.draw_line((60, y - 14), (520, y - 14))
    return rows


@pytest.mark.parametrize(
    "draw",
    [
        close_columns, signs_near_the_column_before, leaders, a_minus_apart, headings_over_a_label, headings_set_close,
        a_box_without_row_rules, running_text, labels_beside_text,
    ],
)  # fmt: skip
def test_cells_are_read_as_they_stand(tmp_path: Path, draw: Callable[[Paper], list[str]]):
    paper = Paper()
    paper.new_page()
    expected = draw(paper)
    for number in range(3):
        paper.at(LEFT, 500 + 14 * number, PROSE[:90])
    lines = table_lines(read(paper.save(tmp_path / "table.pdf")))
    assert [line for line in expected if line not in lines] == [], lines


def test_a_table_below_goes_on_with_the_headings_of_the_one_above(tmp_path: Path):
    paper = Paper()
    paper.new_page()
    for x, text in ((400, "2022"), (470, "2021")):
        right(paper, x, 100, text)
    for top, title, rows in (
        (115, "", [("Interest", "1,298", "1,095"), ("Fees", "6,332", "5,309")]),
        (190, "Year-end balances", [("Loans", "3,569,446", "2,819,472"), ("Deposits", "3,416,543", "2,946,237")]),
    ):
        paper.at(LEFT, top - 22, title or " ", 12, bold=True)
        for number, row in enumerate(rows):
            paper.at(LEFT, top + 14 * number, row[0])
            right(paper, 400, top + 14 * number, row[1])
            right(paper, 470, top + 14 * number, row[2])
    tables = parts(read(paper.save(tmp_path / "tables.pdf")), kind="table")
    assert [table.splitlines()[0] for table in tables] == [" | 2022 | 2021"] * 2


def test_titles_keep_their_page_numbers(tmp_path: Path):
    """In a table of contents the dots lead to a page, not to a figure."""
    paper = Paper()
    paper.new_page()
    for number, title in enumerate(["Business", "Risk factors", "Properties"]):
        paper.at(LEFT, 100 + 14 * number, title + " ." * (60 - len(title)))
        right(paper, 500, 100 + 14 * number, str(4 + number))
    assert table_lines(read(paper.save(tmp_path / "contents.pdf"))) == []


def test_two_pages_on_a_sheet_are_two_pages(tmp_path: Path):
    paper = Paper()
    paper.page = paper.pdf.new_page(width=1190, height=842)
    for x, year in ((0, "2022"), (595, "2020")):
        for number, label in enumerate(["Wages", "Pensions", "Share payments", "Total cost"]):
            paper.at(x + LEFT, 150 + 14 * number, f"{label} {year}")
            right(paper, x + 400, 150 + 14 * number, f"1,{x % 7}0{number}")
            right(paper, x + 470, 150 + 14 * number, f"2,{x % 7}1{number}")
        for number in range(3):
            paper.at(x + LEFT, 300 + 14 * number, f"{year}: {PROSE[:80]}")
    document = read(paper.save(tmp_path / "spread.pdf"))
    assert {len(line.split(" | ")) for line in table_lines(document)} == {3}
    assert_in_order(["Wages 2022", "2022: The group", "Wages 2020", "2020: The group"], flat(text_of(document)))


def test_a_small_line_below_a_large_one_is_a_line_of_its_own(tmp_path: Path):
    paper = Paper()
    paper.new_page()
    paper.at(LEFT, 160, "Directors' Report", 22)
    paper.at(LEFT, 169, "for the year ended 30 June 2022", 8)
    for number in range(4):
        paper.at(LEFT, 220 + 14 * number, PROSE[:90])
    assert parts(read(paper.save(tmp_path / "title.pdf")))[:2] == [
        "Directors' Report",
        "for the year ended 30 June 2022",
    ]


def assert_figures_in_place(found: Score, *, rows: int) -> None:
    shown = "\n".join(f"p. {row.page} {kind}: {row.label[:40]} | {line}" for kind, row, line in found.lost[:60])
    assert found.rows >= rows, "the oracle finds no statements any more"
    assert found.whole / found.rows >= 0.995, f"{found}\n{shown}"
    assert found.alone / found.figures >= 0.995, f"{found}\n{shown}"
    assert found.in_column / found.headed >= 0.99, f"{found}\n{shown}"
    assert found.foreign / found.figures <= 0.01, f"{found}\n{shown}"


def test_figures_of_statements_stand_under_their_headings(shared: Path, parses: Path):
    total = Score()
    for name in REPORTS:
        path = shared / name
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        total += score_report(path, read(path, parses), statements=True)
    assert_figures_in_place(total, rows=800)


@pytest.mark.slow
def test_figures_of_all_statements_stand_under_their_headings(shared: Path, parses: Path):
    total = Score()
    for folder in ("pdf_en", "pdf_zh", "reports_more", "reports_zh"):
        for path in sorted((shared / folder).glob("*.pdf")):
            if "image_only" not in path.name:
                total += score_report(path, read(path, parses), statements=True)
    if not total.rows:
        pytest.skip(f"no reports in {shared}")
    assert_figures_in_place(total, rows=5000)
