"""Tables of Word, made with what they say: merged cells, columns for the currency, tracked changes, text that is hidden."""

from __future__ import annotations

import random
from dataclasses import dataclass

from word_files import cell, deleted, inserted, paragraph, row, run, table

LABELS = (
    "Revenue", "Cost of revenue", "Gross margin", "Research and development", "Operating income", "Net income", "Inventories",
    "Other assets", "Goodwill", "Accounts payable", "Deferred income taxes", "Total assets", "Retained earnings", "Dividends",
)  # fmt: skip


@dataclass
class Made:
    """A table as XML, and what it says: its rows with a cell for each column; how many changes took text out of it."""

    xml: str
    rows: list[list[str]]
    deleted: int
    hidden: int


def figure(rng: random.Random) -> str:
    value = rng.choice((rng.randint(1, 99), rng.randint(100, 9_999), rng.randint(10_000, 9_999_999)))
    text = f"{value:,}" if rng.random() < 0.8 else f"{value % 100}.{value % 10}%"
    return rng.choice((text, text, text, f"({text})", "—"))


def make_table(seed: int) -> Made:
    """A table of some years, its labels in groups."""
    rng = random.Random(seed)
    years = [str(2024 - at) for at in range(rng.randint(2, 4))]
    split = rng.random() < 0.5  # the currency has a column of its own, and a space stands before it
    grouped = rng.random() < 0.4  # labels stand beside a cell that goes over several rows
    wide = 3 if split else 1
    made = Made("", [], 0, 0)
    before = [cell("", span=2 if grouped else 1)]
    xml = [row(*before, cell("Year ended June 30,", span=wide * len(years)))] if rng.random() < 0.6 else []
    if xml:
        made.rows.append([""] * (1 + grouped) + ["Year ended June 30,"] + [""] * (len(years) - 1))
    xml.append(row(*before, *(cell(year, span=wide) for year in years)))
    made.rows.append([""] * (1 + grouped) + years)
    at = 0
    for number in range(rng.randint(3, 9)):
        figures = [figure(rng) for _ in years]
        if not any(any(map(str.isdigit, text)) for text in figures):
            figures[0] = "1,234"
        label = rng.choice(LABELS)
        signed = split and rng.random() < 0.4
        cells = [cell(_changed(rng, label, made))]
        said = [label]
        if grouped:
            starts = number == 0 or (at > 1 and rng.random() < 0.4)
            at = 1 if starts else at + 1
            cells.insert(0, cell(f"Group {number}" if starts else "", merge="restart" if starts else "continue"))
            said.insert(0, f"Group {number}" if starts else "")
        for text in figures:
            digits = any(map(str.isdigit, text))
            own = cell(_changed(rng, text, made))
            cells += [cell(""), cell("$" if signed and digits else ""), own] if split else [own]
            said.append(f"${text}" if signed and digits else text)
        xml.append(row(*cells))
        made.rows.append(said)
        if rng.random() < 0.1:
            gone = row(*(cell("9,999") for _ in cells), more='<w:del w:id="9" w:author="a"/>')
            xml.append(gone)
            made.deleted += len(cells)
    made.xml = table(*xml)
    return made


def _changed(rng: random.Random, text: str, made: Made) -> str:
    """A paragraph that shows a text, some of it set in another run, some put in place of what was there before."""
    kind = rng.random()
    if kind < 0.15:
        made.deleted += 1
        return paragraph(deleted("8,888"), inserted(text))
    if kind < 0.25:
        made.hidden += 1
        return paragraph(run(text), run("7,777", "<w:vanish/>"))
    if kind < 0.4 and len(text) > 2:
        return paragraph(run(text[:2]), '<w:bookmarkStart w:id="1" w:name="x"/>', run(text[2:]))
    return paragraph(text)
