"""A label over several lines is read whole, whichever of them its figures stand on; a heading stays apart from the rows below it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pymupdf
import pytest
from test_documents import LEFT, Paper, read, table_lines

SIZE = 10
ROW, NEXT = (
    18.0,
    13.0,
)  # from a line to the next: rows set wide, and rows or lines of one label set as close as lines of text


class Line(NamedTuple):
    """A line of a table: how far below the one before, its label, how far that stands to the right, and its figures."""

    step: float
    label: str
    indent: float = 0
    figures: tuple[str, ...] = ()
    bold: bool = False


HEAD = Line(ROW, "", figures=("2022", "2021"))
CASES: dict[str, tuple[list[Line], list[str]]] = {
    "figures on the last line, the second line further right": (
        [
            HEAD,
            Line(NEXT, "Commercial", figures=("435,344", "360,169")),
            Line(NEXT, "Real Estate Mortgage, Owner Occupied", figures=("149,905", "111,096")),
            Line(NEXT, "Real Estate Mortgage, Nonowner"),
            Line(NEXT, "Occupied", 8, ("947,008", "818,569")),
            Line(NEXT, "Total Real Estate Mortgage and"),
            Line(NEXT, "Construction Loans", 8, ("2,759,125", "2,145,225")),
            Line(NEXT, "Consumer and Other", figures=("8,132", "6,442")),
        ],
        [
            "Real Estate Mortgage, Nonowner Occupied | 947,008 | 818,569",
            "Total Real Estate Mortgage and Construction Loans | 2,759,125 | 2,145,225",
        ],
    ),
    "figures on the last of three lines, rows set wider than lines": (
        [
            HEAD,
            Line(ROW, "Trade receivables", figures=("1,204", "1,187")),
            Line(ROW, "Change in fair value of investments"),
            Line(NEXT, "Held through the Northern"),
            Line(NEXT, "Property Partnership", figures=("96", "81")),
            Line(ROW, "Provisions", figures=("44", "52")),
            Line(ROW, "Other", figures=("12", "15")),
        ],
        [
            "Change in fair value of investments Held through the Northern Property Partnership | 96 | 81",
            "Provisions | 44 | 52",
        ],
    ),
    "figures on the first line": (
        [
            HEAD,
            Line(ROW, "Trade receivables", figures=("1,204", "1,187")),
            Line(ROW, "Loans to the Northern Property", figures=("96", "81")),
            Line(NEXT, "Partnership"),
            Line(ROW, "Provisions", figures=("44", "52")),
            Line(ROW, "Other", figures=("12", "15")),
        ],
        ["Loans to the Northern Property Partnership | 96 | 81", "Provisions | 44 | 52"],
    ),
    "figures on the line between": (
        [
            HEAD,
            Line(ROW, "Trade receivables", figures=("1,204", "1,187")),
            Line(ROW, "Loans and advances to the"),
            Line(NEXT, "Northern Property Partnership", figures=("96", "81")),
            Line(NEXT, "(Note 14)"),
            Line(ROW, "Provisions", figures=("44", "52")),
            Line(ROW, "Other", figures=("12", "15")),
        ],
        ["Loans and advances to the Northern Property Partnership (Note 14) | 96 | 81"],
    ),
    "a line that ends in a word that asks for more": (
        [
            HEAD,
            Line(NEXT, "Net Interest Income", figures=("129,698", "109,509")),
            Line(NEXT, "Net Interest Income after Provision for"),
            Line(NEXT, "Loan Losses", 8, ("121,998", "104,359")),
            Line(NEXT, "Noninterest Income", figures=("6,332", "5,309")),
        ],
        ["Net Interest Income after Provision for Loan Losses | 121,998 | 104,359"],
    ),
    "Chinese, the second line further right": (
        [
            HEAD,
            Line(ROW, "存放中央银行款项", figures=("338,552", "361,302")),
            Line(ROW, "存放同业及其他金融机构"),
            Line(NEXT + 2, "款项", 6, ("88,730", "92,546")),
            Line(ROW, "以公允价值计量且其变动计"),
            Line(NEXT + 2, "入其他综合收益的非交易", 6),
            Line(NEXT + 2, "性权益工具", 6, ("12,108", "11,250")),
            Line(ROW, "拆出资金", figures=("182,434", "158,768")),
            Line(ROW, "其他", figures=("31,001", "28,777")),
        ],
        [
            "存放同业及其他金融机构款项 | 88,730 | 92,546",
            "以公允价值计量且其变动计入其他综合收益的非交易性权益工具 | 12,108 | 11,250",
            "拆出资金 | 182,434 | 158,768",
        ],
    ),
    "Chinese, figures on the first line": (
        [
            HEAD,
            Line(ROW, "应付职工薪酬", figures=("53,552.10", "61,302.44")),
            Line(ROW, "一年内到期的非流动负", figures=("53,400.00", "18,450.00")),
            Line(NEXT + 2, "债"),
            Line(ROW, "长期借款", figures=("88,730.00", "92,546.00")),
            Line(ROW, "其他", figures=("31,001.00", "28,777.00")),
        ],
        ["一年内到期的非流动负债 | 53,400.00 | 18,450.00", "长期借款 | 88,730.00 | 92,546.00"],
    ),
    "a heading with a colon": (
        [
            HEAD,
            Line(NEXT, "Net income of the year after all taxes", figures=("612", "588")),
            Line(NEXT, "Net income per common share, basic:"),
            Line(NEXT, "Continuing", 8, ("1.12", "1.08")),
            Line(NEXT, "Dividends", figures=("0.40", "0.38")),
        ],
        ["Net income per common share, basic: |  | ", "Continuing | 1.12 | 1.08"],
    ),
    "a heading of several rows": (
        [
            HEAD,
            Line(NEXT, "Net income of the year after all taxes", figures=("612", "588")),
            Line(NEXT, "Net income per share of common stock"),
            Line(NEXT, "Basic", 8, ("1.12", "1.08")),
            Line(NEXT, "Diluted", 8, ("1.10", "1.07")),
            Line(NEXT, "Dividends", figures=("0.40", "0.38")),
        ],
        ["Net income per share of common stock |  | ", "Basic | 1.12 | 1.08"],
    ),
    "a heading in bold": (
        [
            HEAD,
            Line(NEXT, "Net income of the year after all taxes", figures=("612", "588")),
            Line(NEXT, "Warehouse facilities of the group with", bold=True),
            Line(NEXT, "Northern Bank", 8, ("186", "255")),
            Line(NEXT, "Dividends", figures=("40", "38")),
        ],
        ["Warehouse facilities of the group with |  | ", "Northern Bank | 186 | 255"],
    ),
    "a heading that leaves its line half empty": (
        [
            HEAD,
            Line(NEXT, "Net income of the year after all taxes", figures=("612", "588")),
            Line(NEXT, "Remeasurement"),
            Line(NEXT, "Return on plan assets", 8, ("41", "36")),
            Line(NEXT, "Dividends paid in the year", figures=("40", "38")),
        ],
        ["Remeasurement |  | ", "Return on plan assets | 41 | 36"],
    ),
    "a heading set as wide as rows": (
        [
            HEAD,
            Line(ROW, "Reserves at the start of the year", figures=("612", "588")),
            Line(ROW, "Negative fair values of derivatives"),
            Line(ROW, "Hedge accounting", 8, ("41", "36")),
            Line(ROW, "Dividends paid in the year", figures=("40", "38")),
        ],
        ["Negative fair values of derivatives |  | ", "Hedge accounting | 41 | 36"],
    ),
    "a line as near to the row above as to the row below": (
        [
            HEAD,
            Line(ROW, "Cash", figures=("612", "588")),
            Line(ROW, "Deposits", figures=("52", "57")),
            Line(ROW, "Other Convertible", figures=("41", "36")),
            Line(NEXT, "Debentures/Loans"),
            Line(NEXT, "Other Convertible Bonds", figures=("40", "38")),
            Line(ROW, "Total", figures=("745", "719")),
        ],
        ["Debentures/Loans |  | ", "Other Convertible Bonds | 40 | 38"],
    ),
    "Chinese, items with numbers of their own": (
        [
            HEAD,
            Line(NEXT + 2, "所有者投入和减少的资本合计", figures=("612", "588")),
            Line(NEXT + 2, "股份支付计入所有者权益的金额"),
            Line(NEXT + 2, "（三）利润分配", figures=("41", "36")),
            Line(NEXT + 2, "其他", figures=("40", "38")),
        ],
        ["股份支付计入所有者权益的金额 |  | ", "（三）利润分配 | 41 | 36"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_labels_are_whole_and_headings_apart(name: str, tmp_path: Path):
    lines, expected = CASES[name]
    paper = Paper()
    paper.new_page()
    widest = max(pymupdf.get_text_length(line.label, "helv" if line.label.isascii() else "china-s", SIZE) + line.indent
                 for line in lines)  # fmt: skip
    y = 120.0
    for line in lines:
        y += line.step
        if line.label:
            paper.at(LEFT + line.indent, y, line.label, SIZE, bold=line.bold)
        for number, figure in enumerate(line.figures):
            end = LEFT + widest + 70 * (number + 1)
            paper.at(end - pymupdf.get_text_length(figure, "helv", SIZE), y, figure, SIZE)
    found = table_lines(read(paper.save(tmp_path / "report.pdf")))
    assert [line for line in expected if line not in found] == [], "\n".join(found)


def test_a_label_of_html_that_ends_in_a_word_that_asks_for_more_is_whole(tmp_path: Path):
    rows = [("", "2022", "2021"), ("Net income", "612", "588"), ("Other comprehensive income attributable to", "", ""),
            ("Northwind shareholders", "41", "36"), ("Basic earnings for the year by operation", "", ""),
            ("Continuing", "40", "38"), ("Total", "693", "662")]  # fmt: skip
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    path = tmp_path / "report.html"
    text = "<p>The table below shows what the group earned in the last two years, in millions of dollars.</p>"
    path.write_text(f"<html><body><h1>Report</h1>{text}<table>{body}</table></body></html>", encoding="utf-8")
    found = table_lines(read(path))
    assert "Other comprehensive income attributable to Northwind shareholders | 41 | 36" in found
    assert "Continuing | 40 | 38" in found
