"""Runs on one baseline -> rows, and runs of a row -> cells."""

from __future__ import annotations

import re

from fingen.documents.grids import Grid
from fingen.documents.shapes import Part, Run
from fingen.text import is_amount, is_cjk, is_currency, is_leader, strip_leaders

CELL_GAP = 1.1  # in font sizes: a wider gap on a baseline parts two cells
TITLE_GAP = 0.75  # the same before a word in capitals or a figure: headings of columns stand close together
_MARKER = re.compile(
    r"(?:[•●▪■◆◦○□√\uf0b7–—*·➢]|\(?(?:[ivxIVX]{1,5}|[a-zA-Z]|\d{1,2})[.)）、]|（[一二三四五六七八九十\d]{1,3}）|[①-⑳]|"
    r"[一二三四五六七八九十]{1,3}、|\d{1,2}(?:\.\d{1,2}){0,3}[.、]?|(?:Item|ITEM|Note|NOTE)\s?\d{1,2}[A-C]?\.?)$"
)
_PAGE_NUMBER = re.compile(r"(?:[A-Z]{1,2}-?)?\d{1,4}$|[ivxl]{1,6}$")
_DASHES = frozenset("-–—−")
_SUFFIX = frozenset({")", "%", ")%", "%)", "pts"})


class LayoutItem(Run):
    """A drawn grid among the runs of a page."""

    __slots__ = ("grid",)

    def __init__(self, grid: Grid) -> None:
        x0, y0, x1, y1 = grid.box
        super().__init__(x0, y0, x1, y1, y1, y1 - y0, "")
        self.grid = grid


def cluster_rows(runs: list[Run]) -> list[list[Run]]:
    """Runs on one baseline, top to bottom, each row left to right; raised or lowered small print stays with its row."""
    rows: list[list[Run]] = []
    largest: Run | None = None
    for run in sorted(runs, key=lambda run: run.base):
        if largest is not None and not isinstance(run, LayoutItem) and run.size < 200 and _is_beside(largest, run):
            rows[-1].append(run)
            if run.size > largest.size:
                largest = run
        else:
            rows.append([run])
            largest = None if isinstance(run, LayoutItem) else run
    for row in rows:
        row.sort(key=lambda run: run.x0)
    return rows


def _is_beside(run: Run, other: Run) -> bool:
    """Whether two runs stand on one line: small print may be raised or lowered in it, and is not the line below a large one."""
    small, large = (run, other) if run.size < other.size else (other, run)
    apart = other.base - run.base
    if apart > 0.6 * large.size:  # as most are
        return False
    over = min(run.x1, other.x1) - max(run.x0, other.x0) > 0.5 * (small.x1 - small.x0)
    if over and apart > 0.1 * large.size:  # display type reaches up into the line above it
        return False
    inside = large.y0 - 1 <= small.y0 and small.y1 <= large.y1 + 1
    return apart <= (0.6 if inside else min(0.45, 0.8 * small.size / large.size)) * large.size


def join_cells(row: list[Run]) -> list[Run]:
    """Join runs of a row that belong to one cell: words of a label, a currency sign and its figure, a marker and its text."""
    cells = [row[0]]
    for run in row[1:]:
        last = cells[-1]
        gap = run.x0 - last.x1
        if _one_cell(last, run, gap, alone=len(cells) == 1):
            cells[-1] = fuse(last, run, gap)
        else:
            cells.append(run)
    return _without_leaders(cells) if len(cells) > 1 else cells


def _without_leaders(cells: list[Run]) -> list[Run]:
    """Cells without the dots that lead to their figures; a title of a table of contents keeps them, and its page number."""
    kept: list[Run] = []
    for cell in cells:
        text = strip_leaders(cell.text)
        if len(cells) == 2 and not kept and text != cell.text and _PAGE_NUMBER.match(cells[1].text):
            return [fuse(cell, cells[1], cells[1].x0 - cell.x1)]
        if text != cell.text and not is_leader(cell.text):
            kept.append(_cut(cell, text))
        elif not is_leader(cell.text):
            kept.append(cell)
    return kept or cells


def _cut(cell: Run, text: str) -> Run:
    """The start of a cell; what is cut off is dots and spaces, which are a quarter of the font size wide."""
    x1 = max(cell.x0 + 1, cell.x1 - 0.25 * cell.size * (len(cell.text) - len(text)))
    return Run(cell.x0, cell.y0, x1, cell.y1, cell.base, cell.size, text, cell.bold, cell.italic, cell.color)


def _one_cell(last: Run, run: Run, gap: float, *, alone: bool) -> bool:
    size = min(last.size, run.size)
    if run.size < 0.75 * last.size and run.base < last.base - 0.1 * run.size and not is_amount(last.text):
        return gap < CELL_GAP * last.size  # a footnote mark
    if is_currency(run.text) and (is_amount(last.text) or is_currency(last.text) or last.text[-1].isdigit()):
        return False
    if _is_sign(last.text):
        return is_amount(run.text) and gap < 14 * size
    if run.text in _SUFFIX:
        return last.text[-1] in "0123456789)" and gap < 4 * size
    starts_anew = run.text[0].isupper() or run.text[0].isdigit()
    if last.text in _DASHES and run.text[:1].isdigit():
        return gap < 0.5 * size  # a minus, and none in the column before
    if is_leader(last.text[-2:]) and (is_amount(run.text) or is_currency(run.text)):
        return False
    if gap < (TITLE_GAP if starts_anew else CELL_GAP) * size:
        return gap < 0.12 * size or not (is_amount(last.text) and is_amount(run.text))
    return alone and gap < 8 * size and not is_amount(run.text) and _MARKER.match(last.text) is not None


def _is_sign(text: str) -> bool:
    """Whether a text is what stands before a figure in its cell."""
    return text == "(" or is_currency(text)


def _parts(run: Run) -> tuple[Part, ...]:
    return run.parts or ((run.x0, run.x1, run.text),)


def fuse(last: Run, run: Run, gap: float) -> Run:
    """Join two runs of one row that stand `gap` points apart."""
    spaced = last.trail or run.lead or gap >= 0.12 * run.size
    signed = _is_sign(last.text) and is_amount(run.text)
    sticks = signed or run.text in _SUFFIX or is_cjk(last.text[-1]) or is_cjk(run.text[0])
    text = last.text + (" " if spaced and not sticks else "") + run.text
    main = last if last.size >= run.size else run
    bold, italic = last.bold and run.bold, last.italic and run.italic
    y0, y1 = min(last.y0, run.y0), max(last.y1, run.y1)
    # A currency sign stands at the left edge of its column, often far from its figure: the figure gives the place.
    x0 = max(last.x0, run.x0 - run.size * len(last.text)) if signed else last.x0
    fused = Run(x0, y0, run.x1, y1, main.base, main.size, text, bold, italic, main.color)
    fused.lead, fused.trail = last.lead, run.trail
    fused.parts = _parts(last) + _parts(run)
    return fused
