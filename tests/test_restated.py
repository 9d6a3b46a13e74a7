"""Two reports of a company that give one item of one year differently: listed, and nothing else is."""

from __future__ import annotations

import pytest

from fingen.pipeline.notes import document_notes
from fingen.records import Block, Chunk, Document, Period, Stated

HEADING = "Consolidated Statements of Operations"


def report(path: str, end: str, *rows: str, unit: str = "In thousands", company: str = "Acme Inc.") -> Document:
    """A report with one statement: years in its head, and the rows."""
    year = int(end[:4])
    table = "\n".join([f"Year ended | {year} | {year - 1}", *rows])
    text = f"{HEADING}\n{table}"
    blocks = (
        Block(kind="heading", page=40, box=(0, 0, 1, 1), start=0, end=len(HEADING)),
        Block(kind="table", page=41, box=(0, 0, 1, 1), start=len(HEADING) + 1, end=len(text)),
    )
    chunk = Chunk(id=f"c-{path}", document=path, language="en", first_page=40, last_page=41, section=(HEADING,), text=text,
                  tokens=100, blocks=blocks, unit=(Stated(text=unit, page=40),))  # fmt: skip
    return Document(path=path, sha256=path, pages=60, language="en", company=company, period=Period(kind="annual", end=end),
                    chunks=(chunk,))  # fmt: skip


def notes(*documents: Document) -> list[str]:
    return [line for line in document_notes(documents, [], [], []) if "told differently" in line]


FIRST = report(
    "acme_2021.pdf", "2021-12-31", "Total revenues | $9,680,140 | $8,100,000", "Net income | $116,087 | $90,000"
)


def test_a_restated_amount_is_listed_with_both_reports_and_pages():
    second = report(
        "acme_2022.pdf", "2022-12-31", "Total revenues | $13,127,485 | $9,702,000", "Net income | $206,731 | $116,087"
    )
    (line,) = notes(FIRST, second)

    assert line.startswith(
        "Acme Inc., 2021-12-31, told differently a year later: revenue $9,680,140 thousand (acme_2021.pdf, page 41)"
    )
    assert line.endswith("page 41), $9,702,000 thousand (acme_2022.pdf, page 41)")


@pytest.mark.parametrize("second", [
    report("b.pdf", "2022-12-31", "Total revenues | $13,127,485 | $9,680,140"),  # the same
    report("b.pdf", "2022-12-31", "Total revenues | $13,127.5 | $9,680.1", unit="In millions"),  # rounded
    report("b.pdf", "2022-12-31", "Total revenues | £13,127,485 | £9,702,000"),  # another currency
    report("b.pdf", "2023-12-31", "Total revenues | $13,127,485 | $9,702,000"),  # two years later
    report("b.pdf", "2022-12-31", "Total revenues | $13,127,485 | $9,702,000", company="Acme Tools Ltd"),
    report("b.pdf", "2022-06-30", "Total revenues | $13,127,485 | $9,702,000"),  # another fiscal year
])  # fmt: skip
def test_what_says_the_same_or_is_another_thing_is_not_listed(second: Document):
    assert notes(FIRST, second) == []
