"""Cells as a format has them -> rows of a table: a figure in one cell with its currency and brackets, a cell for each column.

Where a cell stands is counted in columns of the file's own grid, of which a filing has several for one that a reader sees:
for the currency, the figure, its closing bracket, and the space between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from fingen.documents.shapes import CellFact, TextRow
from fingen.documents.wrapped import ends_open
from fingen.records import Box
from fingen.text import is_amount, is_currency, is_figure

NO_BOX: Box = (0.0, 0.0, 0.0, 0.0)
_OPENING = re.compile(r"(?:[A-Z]{0,3}\s?[$€£¥￥₩₹]|RMB|CHF|USD|EUR|GBP|HK\$|US\$)?\s?[(\[]?$")
_CLOSING = re.compile(r"[)\]]?\s?(?:%|％)?\s?[)\]]?$")
_BEGUN = re.compile(r"[-–—(\[.]{0,2}\s?\.?\d|[-–—]+$|N/?[AM]\b|n/?[am]\b|nil\b", re.IGNORECASE)
WRAPPED = 30  # characters; a shorter label has no reason to be broken
_MARK = re.compile(r"(?:\((?:\d{1,2}|[a-z]{1,2}|[ivx]+)\)(?:\s?,?\s?\((?:\d{1,2}|[a-z])\))*|[*†‡#]{1,3})$")


@dataclass(slots=True)
class Cell:
    """A cell that has text: it stands on the grid from `start` up to `end`. Its facts count from the start of the text."""

    start: int
    end: int
    text: str
    facts: list[CellFact] = field(default_factory=list)

    def join(self, other: Cell, gap: str = "") -> None:
        """Take in the cell after this one."""
        moved = len(self.text) + len(gap)
        self.facts += [_moved(fact, moved) for fact in other.facts]
        self.text, self.end = self.text + gap + other.text, max(self.end, other.end)


def _moved(held: CellFact, by: int) -> CellFact:
    return CellFact(0, held.fact.model_copy(update={"start": held.fact.start + by, "end": held.fact.end + by}))


def build_rows(rows: Sequence[Sequence[Cell]]) -> list[TextRow]:
    """The rows of a table, each with a cell for every column; rows and columns without text are dropped.

    A cell over several columns stands at the first of them.
    """
    joined = [whole for row in rows if (whole := _joined(row))]
    if not joined:
        return []
    columns = _columns(joined)
    table = [_placed(row, columns) for row in joined]
    _take_marks(table)
    used = [at for at in range(len(columns)) if any(row[at] for row in table)]
    return _whole_labels([_text_row([row[at] for at in used]) for row in table])


def _joined(row: Sequence[Cell]) -> list[Cell]:
    """A row with each figure in one cell."""
    whole: list[Cell] = []
    for cell in row:
        if not cell.text:
            continue
        last = whole[-1] if whole else None
        if last and _belong(last.text, cell.text):
            last.join(cell)
        else:
            whole.append(Cell(cell.start, cell.end, cell.text, list(cell.facts)))
    return whole


def _belong(text: str, after: str) -> bool:
    """Whether two cells beside each other are parts of one figure."""
    if is_opening(text):
        return _BEGUN.match(after) is not None or after in ("(", "[")
    return _is_closing(after) and (text[-1].isalnum() or text[-1] in ")-–—")


@lru_cache(maxsize=1 << 12)
def is_opening(text: str) -> bool:
    """Whether a cell is what stands before a figure: a currency, a bracket, both."""
    return len(text) < 12 and bool(text) and (is_currency(text) or _OPENING.match(text) is not None)


@lru_cache(maxsize=1 << 12)
def _is_closing(text: str) -> bool:
    return len(text) < 5 and bool(text) and _CLOSING.match(text) is not None


# --- columns -----------------------------------------------------------------------------------------------------------

Column = tuple[int, int]


def _columns(rows: list[list[Cell]]) -> list[Column]:
    """The columns as stretches of the grid, from the left: where there are figures these make them, then all else."""
    left = min(row[0].start for row in rows)
    figures = [cell for row in rows for cell in row if cell.start > left and is_amount(cell.text)]
    columns: list[Column] = []
    _add(columns, [cell for cell in figures if any(map(str.isdigit, cell.text))])
    _add(columns, figures)
    seen = set(map(id, figures))
    others = [cell for row in rows for cell in row if id(cell) not in seen]
    first = min((column[0] for column in columns), default=1 << 30)
    _add(
        columns, [cell for cell in others if cell.end <= first]
    )  # labels, and what stands between them and the figures
    _add(columns, [cell for cell in others if cell.end > first], grow=not figures)
    return sorted(columns)


def _add(columns: list[Column], cells: list[Cell], *, grow: bool = True) -> None:
    """Add cells, the narrow ones first: each joins the one column that it overlaps; one over several spans them."""
    done: set[Column] = set()
    for cell in sorted(cells, key=lambda cell: cell.end - cell.start):
        place = (cell.start, cell.end)
        if place in done:
            continue
        done.add(place)
        touched = [column for column in columns if column[0] < cell.end and cell.start < column[1]]
        if not touched:
            columns.append(place)
        elif len(touched) == 1 and grow:
            columns.remove(touched[0])
            columns.append((min(touched[0][0], cell.start), max(touched[0][1], cell.end)))


def _placed(row: list[Cell], columns: list[Column]) -> list[Cell | None]:
    """The cells of a row by column; two that fall into one column stand in it one behind the other."""
    placed: list[Cell | None] = [None] * len(columns)
    for cell in row:
        overlap = [min(cell.end, end) - max(cell.start, start) for start, end in columns]
        touched = [at for at, width in enumerate(overlap) if width > 0]
        at = max(touched, key=overlap.__getitem__) if is_figure(cell.text) else touched[0]
        there = placed[at]
        if there is None:
            placed[at] = cell
        else:
            there.join(cell, " ")
    return placed


def _take_marks(table: list[list[Cell | None]]) -> None:
    """Give the marks of footnotes that have a column of their own to the cells before them."""
    for at in range(1, len(table[0])):
        cells = [cell for row in table if (cell := row[at])]
        if not cells or not all(_MARK.match(cell.text) for cell in cells):
            continue
        if not all(row[at - 1] for row in table if row[at]):
            continue
        for row in table:
            before, mark = row[at - 1], row[at]
            if before and mark:
                before.join(mark, " ")
                row[at] = None


def _text_row(cells: list[Cell | None]) -> TextRow:
    facts = [CellFact(at, fact) for at, cell in enumerate(cells) if cell for _, fact in cell.facts]
    return TextRow([cell.text if cell else "" for cell in cells], NO_BOX, facts)


def _whole_labels(rows: list[TextRow]) -> list[TextRow]:
    """Join a label that is broken over two rows: the second starts in lower case, or the first ends in a word that asks for more.

    The second has the figures.
    """
    whole: list[TextRow] = []
    for row in rows:
        above = whole[-1] if whole else None
        if (
            above
            and row.cells[0]
            and any(row.cells[1:])
            and _is_begun(above)
            and (row.cells[0][:1].islower() or ends_open(above.cells[0]))
        ):
            by = len(above.cells[0]) + 1
            facts = [CellFact(at, _moved(CellFact(0, fact), by).fact if at == 0 else fact) for at, fact in row.facts]
            whole[-1] = TextRow([f"{above.cells[0]} {row.cells[0]}", *row.cells[1:]], NO_BOX, above.facts + facts)
        else:
            whole.append(row)
    return whole


def _is_begun(row: TextRow) -> bool:
    label = row.cells[0]
    return len(label) >= WRAPPED and not any(row.cells[1:]) and label[-1] not in ":：.;" and label[:1].isupper()
