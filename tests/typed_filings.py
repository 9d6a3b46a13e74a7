"""Filings as they were typed in the 1990s, made with what they say: statements in columns of characters, between running text."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass, field

LABELS = (
    "Net operating revenues", "Cost of goods sold", "Selling, administrative and general expenses", "Operating income",
    "Interest expense", "Other income (deductions) - net", "Income from continuing operations before income taxes and changes in accounting principles",
    "Income taxes", "Net income", "Accounts receivable, less allowances of $23 in 1997 and $30 in 1996", "Inventories",
    "Prepaid expenses and other assets", "Property, plant and equipment - at cost", "Less accumulated depreciation", "Goodwill",
    "Accounts payable and accrued expenses", "Current maturities of long-term debt", "Deferred income taxes",
    "Common stock, $.25 par value, 5,600,000,000 shares authorized", "Retained earnings", "Treasury stock, at cost", "Total assets",
    "Purchases of property, plant and equipment", "Proceeds from disposals of investments and other assets",
    "Net cash provided by operating activities", "Dividends", "Effect of exchange rate changes on cash and cash equivalents",
)  # fmt: skip
HEADS = ("Assets:", "Current liabilities:", "OPERATING ACTIVITIES", "Share-owners' equity:", "Per share data:")
PROSE = (
    "The Company operates in nearly 200 countries and generates superior cash flows.  In 1997, equity income was $155 million, "
    "compared with $211 million in 1996, and the Company repurchased approximately 20 million shares under the plan that its "
    "Board of Directors authorized in October 1996.  Management believes that these facilities are suitable and adequate. "
)


@dataclass
class Statement:
    """A table as it was typed, and what it says: its rows, each a label and the figures in their columns ("" for none)."""

    lines: list[str]
    rows: list[tuple[str, list[str]]]
    headings: list[str]


@dataclass
class Filing:
    text: str
    statements: list[Statement] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)


def figure(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.08:
        return rng.choice(("-", "--"))
    if kind < 0.14:
        return ""
    value = rng.choice(
        (rng.randint(1, 99), rng.randint(100, 999), rng.randint(1000, 99_999), rng.randint(100_000, 9_999_999))
    )
    text = f"{value:,}"
    if kind < 0.24:
        text = rng.choice((f"{value % 90 + 1}.{value % 10}", f".{value % 90 + 10}"))
    return f"({text})" if rng.random() < 0.2 else text


def statement(rng: random.Random) -> Statement:
    count = rng.randint(1, 6)
    years = [str(1997 - at) for at in range(count)]
    width = rng.choice((30, 36, 44))
    column = rng.choice((11, 13, 15))
    indent, leaders, marked = rng.choice((2, 3)), rng.random() < 0.3, rng.random() < 0.6
    blank_rows, dollar_gap = rng.random() < 0.2, rng.random() < 0.7
    lines: list[str] = []
    over = "Year Ended December 31,"
    lines += ["<TABLE>", "<CAPTION>"] if marked else [""]
    if count > 1 and rng.random() < 0.6:
        lines.append(" " * width + over.center(count * column).rstrip())
        if rng.random() < 0.5:
            lines.append(" " * (width + 3) + "-" * (count * column - 3))
        first = ""
    else:
        first = over
    lines.append(first.ljust(width) + "".join(year.rjust(column) for year in years))
    if marked:
        lines.append("<S>".ljust(width) + "".join("<C>".rjust(column) for _ in years))
    elif rng.random() < 0.7:
        lines.append("-" * (width + count * column))
    rows: list[tuple[str, list[str]]] = []
    depth = 0
    for _ in range(rng.randint(4, 14)):
        if rng.random() < 0.15:
            head = rng.choice(HEADS)
            lines += ["", head]
            rows.append((head, [""] * count))
            depth = indent
        label = rng.choice(LABELS)
        figures = [figure(rng) for _ in years]
        if not any(any(map(str.isdigit, text)) for text in figures):
            figures[0] = f"{rng.randint(1, 9999):,}"
        signed = rng.random() < 0.25
        shown = [_cell(text, column, signed=signed, gap=dollar_gap) for text in figures]
        parts = textwrap.wrap(label, width - 4 - depth, subsequent_indent="  ", break_on_hyphens=False)
        lines += [" " * depth + part for part in parts[:-1]]
        last = " " * depth + parts[-1]
        if leaders and len(last) < width - 4:
            last = last + "." * (width - 1 - len(last))
        lines.append((last.ljust(width) + "".join(shown)).rstrip())
        rows.append((label, [f"${text}" if signed and text and text[0] not in "-" else text for text in figures]))
        if rng.random() < 0.15:
            rule = rng.choice("-=")
            lines.append(" " * width + "".join((rule * (column - 4)).rjust(column) for _ in years))
        if blank_rows:
            lines.append("")
    lines += ["</TABLE>"] if marked else ["=" * (width + count * column)]
    return Statement(lines, rows, years)


def _cell(text: str, column: int, *, signed: bool, gap: bool) -> str:
    """A figure set to the right of its column, with room for a bracket behind those that have none."""
    shown = text if text.endswith(")") else text + " "
    if signed and text and text[0] != "-":
        shown = "$" + (shown.rjust(column - 3) if gap else shown)
    return shown.rjust(column)


def filing(seed: int) -> Filing:
    """A filing of some pages."""
    rng = random.Random(seed)
    made = Filing("")
    pages: list[str] = []
    running = ["MERIDIAN INDUSTRIES, INC.", "AND SUBSIDIARIES"] if rng.random() < 0.5 else []
    wide = rng.choice((62, 68, 72))
    for number in range(1, rng.randint(3, 6)):
        lines = [line.center(wide).rstrip() for line in running] + [""]
        if number == 1:
            lines += ["FORM 10-K".center(wide).rstrip(), "", "FOR THE FISCAL YEAR ENDED DECEMBER 31, 1997".center(wide).rstrip(), "",
                      "MERIDIAN INDUSTRIES, INC.".center(wide).rstrip(), "(Exact name of registrant as specified in its charter)".center(wide).rstrip(), ""]  # fmt: skip
        for part in range(rng.randint(1, 2)):
            title = f"ITEM {number}{'AB'[part]}.  {rng.choice(('BUSINESS', 'PROPERTIES', 'SELECTED FINANCIAL DATA'))}"
            paragraph = f"On page {number} the Company reports part {part}. " + PROSE * rng.randint(1, 2)
            lines += [title, "", *textwrap.wrap(paragraph, wide, break_on_hyphens=False), ""]
            made.paragraphs.append(" ".join(paragraph.split()))
            made.statements.append(statement(rng))
            lines += [*made.statements[-1].lines, ""]
        lines += ["", str(number).center(wide).rstrip()]
        pages.append("\n".join(lines))
    made.text = "\n<PAGE>\n".join(pages) + "\n"
    made.running = running
    return made
