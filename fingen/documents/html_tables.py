"""What a table of HTML is: rows and columns, or a frame for paragraphs; lists and titles are often set in one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fingen.documents.content import NO_BOX, table_block
from fingen.documents.looks import Look
from fingen.documents.rows_of_cells import Cell, build_rows
from fingen.documents.shapes import CellFact, PageBlock, TextRow
from fingen.text import ends_sentence, is_amount

LONG_CELL = 300  # characters of running text
SHORT_LINE = 60  # characters; lines that are shorter were broken on purpose
_BULLET = re.compile(r"[•●▪■◦○‣·–—*o§ü»►➢-]{1,2}$")
_LEAD = re.compile(
    r"(?:[•●▪■◦○‣·*–—§-]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]|\[\d+\]|[*†‡]+|(?:Item|Part|Note|Exhibit)\s*[\w.]+)\s*[.:]?$",
    re.IGNORECASE,
)


class Piece(NamedTuple):
    """Where a stretch of one look starts in the text of a flow."""

    start: int
    look: Look


@dataclass(slots=True)
class Flow:
    """Paragraphs as they are gathered: those of the page, or of one cell."""

    blocks: list[PageBlock] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    length: int = 0
    pieces: list[Piece] = field(default_factory=list)
    facts: list[tuple[int, int, Any]] = field(default_factory=list)
    open_facts: list[tuple[int, Any]] = field(default_factory=list)
    place: str = ""
    page: int = 0


@dataclass(slots=True)
class Slot:
    """A cell of a table: its flow, and how much of the grid it takes."""

    flow: Flow
    wide: int
    high: int


@dataclass(slots=True)
class Table:
    """A table that is being read."""

    flow: Flow  # that the table stands in
    place: str
    rows: list[list[Slot]] = field(default_factory=list)


def blocks_of_table(table: Table, page: int) -> list[PageBlock]:
    """The blocks of a table: itself where it is one, or the paragraphs that it is there to place."""
    rows = [[slot for slot in row if slot.flow.blocks] for row in table.rows]
    inside = [block for row in rows for slot in row for block in slot.flow.blocks]
    if not inside:
        return []
    if any(block.kind == "table" for block in inside) or max(map(len, rows)) == 1:
        return inside
    if all(_is_led(row) for row in rows):
        return [_led(row) for row in rows if row]
    texts = [[" ".join(block.text for block in slot.flow.blocks) for slot in row] for row in rows]
    if not any(is_amount(text) for row in texts for text in row) and (
        sum(map(bool, rows)) == 1 or all(len(text) > LONG_CELL for row in texts for text in row)
    ):
        return inside
    grid, notes = _without_notes(build_rows(_cells(table)))
    place = next(
        (slot.flow.blocks[0].place for row in rows for slot in row if slot.flow.blocks[0].place[:1] == "#"), table.place
    )
    whole = [table_block(grid, place, inside[0].page)] if grid else []
    return whole + [
        PageBlock("paragraph", inside[-1].page, NO_BOX, row.cells[0], inside[-1].size, place=place, facts=row.facts)
        for row in notes
    ]


def _without_notes(rows: list[TextRow]) -> tuple[list[TextRow], list[TextRow]]:
    """The rows of a table, and the sentences below it that only share its frame."""
    end = len(rows)
    while (
        end
        and not any(rows[end - 1].cells[1:])
        and len(rows[end - 1].cells[0]) > SHORT_LINE
        and ends_sentence(rows[end - 1].cells[0])
    ):
        end -= 1
    return rows[:end], rows[end:]


def _is_led(row: list[Slot]) -> bool:
    """Whether a row is a paragraph with its bullet, number or title in a cell of its own; or nothing."""
    if len(row) < 2:
        return not row
    lead, rest = row[0].flow.blocks, row[1:]
    return (
        len(row) == 2
        and len(lead) == 1
        and _LEAD.match(lead[0].text) is not None
        and not is_amount(rest[0].flow.blocks[0].text)
    )


def _led(row: list[Slot]) -> PageBlock:
    lead, blocks = row[0].flow.blocks[0], row[1].flow.blocks
    mark = "" if _BULLET.match(lead.text) else f"{lead.text} "
    first = blocks[0]
    text = mark + " ".join(block.text for block in blocks)
    facts, at = [], len(mark)
    for block in blocks:
        facts += [_shifted(held, at) for held in block.facts]
        at += len(block.text) + 1
    return PageBlock("paragraph", first.page, NO_BOX, text, first.size, first.bold and (lead.bold or not mark), first.italic, first.color,
                     place=lead.place, facts=facts)  # fmt: skip


def _shifted(held: CellFact, by: int) -> CellFact:
    return CellFact(0, held.fact.model_copy(update={"start": held.fact.start + by, "end": held.fact.end + by}))


def _cells(table: Table) -> list[list[Cell]]:
    """The cells of a table that have text, each with its place on the grid."""
    held: dict[int, int] = {}  # column -> rows below that a cell above reaches into
    rows = []
    for row in table.rows:
        cells, at = [], 0
        for slot in row:
            while held.get(at):
                at += 1
            cell = _cell(slot, at)
            if cell:
                cells.append(cell)
            if slot.high > 1:
                held.update(dict.fromkeys(range(at, at + slot.wide), slot.high))
            at += slot.wide
        held = {column: left - 1 for column, left in held.items() if left > 1}
        rows.append(cells)
    return rows


def _cell(slot: Slot, at: int) -> Cell | None:
    whole: Cell | None = None
    for block in slot.flow.blocks:
        cell = Cell(at, at + slot.wide, block.text, list(block.facts))
        if whole:
            whole.join(cell, " ")
        else:
            whole = cell
    return whole
