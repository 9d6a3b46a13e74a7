"""Tables from cells that stand in columns; continued over pages, and down a page, with their header and unit line."""

from __future__ import annotations

import re
from functools import lru_cache
from statistics import median

from fingen.documents.shapes import PageBlock, Part, Run, TextRow, union
from fingen.documents.wrapped import Labelled, row_pitch, whole_labels
from fingen.text import BLANKS, clean, ends_sentence, is_amount, join_lines

_UNIT = re.compile(
    r"(?:单位\s*[:：]|币种|金额单位|人民币(?:千|万|百万)?元|\((?:amounts?\s|in\s|[$€£¥]\s?in\s|dollars\s|expressed\s|unaudited)"
    r"|figures in |\$ (?:and|in) |[$€£¥][’']?000|\(?in (?:thousands|millions|billions)|(?:US|A|HK)?\$ ?(?:millions?|thousands?)\b)",
    re.IGNORECASE,
)
_TITLE_LENGTH = 80  # characters
_UNIT_LENGTH = 110  # characters; a longer line is a sentence that mentions a unit


@lru_cache(maxsize=1 << 14)
def is_unit_line(text: str) -> bool:
    """Whether a line states the unit of the table near it."""
    return len(text) <= _UNIT_LENGTH and _UNIT.search(text) is not None


def column_edges(lines: list[list[Run]]) -> list[tuple[float, float]]:
    """Columns as disjoint x intervals, from the left: where there are figures they make the columns, else all cells do."""
    cells = [cell for line in lines if len(line) > 1 for cell in line]
    figures = [cell for line in lines if len(line) > 1 for cell in line[1:] if is_amount(cell.text)]
    columns: list[tuple[float, float]] = []
    if sum(any(is_amount(cell.text) for cell in line[1:]) for line in lines) > 1:
        _add_cells(columns, [cell for cell in figures if any(map(str.isdigit, cell.text))])
        _add_cells(columns, figures)  # and the dashes, which may stand at any place of their column
        first = min(column[0] for column in columns)
        rows = [line for line in lines if len(line) == 1 or any(is_amount(cell.text) for cell in line[1:])]
        _add_cells(columns, [line[0] for line in rows if line[0].x1 <= first])
        # A heading may stand beside the figures that it heads; text among the figures of a row has a column of its own.
        body = {id(cell) for line in rows for cell in line}
        cells = [cell for cell in cells if not is_amount(cell.text)
                 and _distance(cell, columns) > (0.5 if id(cell) in body else 8) * cell.size]  # fmt: skip
    _add_cells(columns, cells)
    columns.sort()
    labels = [line[0] for line in lines if len(line) == 1 and columns and line[0].x1 <= columns[0][0]]
    if labels:  # rows of figures alone have their labels in the lines above and below
        columns.insert(0, (min(cell.x0 for cell in labels), max(cell.x1 for cell in labels)))
    return columns


def _add_cells(columns: list[tuple[float, float]], cells: list[Run]) -> None:
    """Add cells, the narrow ones first: each joins the one column that it overlaps; one over several spans them."""
    for cell in sorted(cells, key=lambda cell: cell.x1 - cell.x0):
        touched = [column for column in columns if column[0] < cell.x1 and cell.x0 < column[1]]
        if not touched:
            columns.append((cell.x0, cell.x1))
        elif len(touched) == 1:
            columns.remove(touched[0])
            columns.append((min(touched[0][0], cell.x0), max(touched[0][1], cell.x1)))


def _distance(cell: Run, columns: list[tuple[float, float]]) -> float:
    """How far a cell is from the nearest column; 0 where it overlaps one."""
    return max(0.0, min(max(start - cell.x1, cell.x0 - end) for start, end in columns))


def column_block(lines: list[list[Run]], page: int, words: frozenset[str]) -> PageBlock:
    """The table of rows whose cells (runs) stand in columns."""
    columns = column_edges(lines)
    edges = [end if number else start for number, (start, end) in enumerate(columns)]  # figures end below each other
    rows = _prose_rows(lines, columns, words) or _line_rows(lines, columns, words)
    block = PageBlock("table", page, union([row.box for row in rows]), rows=rows, edges=tuple(edges))
    block.header = count_header(rows)
    return block


def _prose_rows(lines: list[list[Run]], columns: list[tuple[float, float]], words: frozenset[str]) -> list[TextRow]:
    """The rows of a table of running text, whose cells go over several lines and are parted by white space; else none."""
    cells = [cell for line in lines for cell in line]
    if any(is_amount(cell.text) for cell in cells):
        return []
    size = median(cell.size for cell in cells)
    bands: list[list[Run]] = []
    bottom = float("-inf")
    for line in lines:
        if min(cell.y0 for cell in line) - bottom > 0.6 * size:
            bands.append([])
        bands[-1] += line
        bottom = max(bottom, *(cell.y1 for cell in line))
    if len(bands) < 2 or not any(_is_wrapped(band, columns) for band in bands):
        return []
    return [_prose_row(band, columns, words) for band in bands]


def _is_wrapped(band: list[Run], columns: list[tuple[float, float]]) -> bool:
    """Whether the lines of a column fill its width, but for the last."""
    for start, end in columns[1:]:
        column = [cell for cell in band if start - 2 <= cell.x0 < end]
        full = sum(cell.x1 - start > 0.75 * (end - start) for cell in column[:-1])
        if len(column) > 1 and full == len(column) - 1 and len(column[0].text) > 25:
            return True
    return False


def _prose_row(band: list[Run], columns: list[tuple[float, float]], words: frozenset[str]) -> TextRow:
    texts: list[list[str]] = [[] for _ in columns]
    for cell in sorted(band, key=lambda cell: cell.base):
        texts[_column_of(cell.x0, cell.x1, columns)].append(cell.text)
    box = union([(cell.x0, cell.y0, cell.x1, cell.y1) for cell in band])
    return TextRow([join_lines(column, words) if column else "" for column in texts], box)


def _line_rows(lines: list[list[Run]], columns: list[tuple[float, float]], words: frozenset[str]) -> list[TextRow]:
    """The rows of a table whose cells take a line each, but for some that go on below."""
    rows: list[Labelled] = []
    wrapped = -1
    for line in lines:
        cells = [""] * len(columns)
        for cell in line:
            for index, text in _spread(cell, columns):
                cells[index] = f"{cells[index]} {text}".strip()
        label = line[0] if cells[0] else None
        figures = next((cell.x0 for cell in line if cell is not label and is_amount(cell.text)), None)
        placed = TextRow(cells, union([(cell.x0, cell.y0, cell.x1, cell.y1) for cell in line]))
        row = Labelled(placed, label, label, figures, is_level=label is not None and figures is not None)
        if rows and _continues_cells(rows[-1].row, cells, wrapped == len(rows) - 1):
            wrapped = len(rows) - 1
            rows[-1] = rows[-1].join(row, words)
        else:
            rows.append(row)
    return [row.row for row in whole_labels(_join_labels(rows, words), words)]


def _spread(cell: Run, columns: list[tuple[float, float]]) -> list[tuple[int, str]]:
    """A cell's text by column: headings that stand close together are one cell, and each of them ends where its column does."""
    whole = [(_column_of(cell.x0, cell.x1, columns, is_figure=is_amount(cell.text)), cell.text)]
    if len(cell.parts) < 2 or sum(cell.x0 < end and start < cell.x1 for start, end in columns) < 2:
        return whole
    groups: dict[int, list[Part]] = {}
    for part in cell.parts:
        groups.setdefault(_column_of(part[0], part[1], columns), []).append(part)
    for index, parts in groups.items():
        start, end = columns[index]
        left, right = parts[0][0], parts[-1][1]
        if index and abs(right - end) > 0.8 * cell.size and abs(left + right - start - end) > 1.2 * cell.size:
            return whole  # over several columns
    return [(index, clean(" ".join(part[2] for part in parts))) for index, parts in groups.items()]


def _column_of(x0: float, x1: float, columns: list[tuple[float, float]], *, is_figure: bool = False) -> int:
    overlap = [min(x1, end) - max(x0, start) for start, end in columns]
    touched = [index for index, width in enumerate(overlap) if width > 0]
    if len(touched) > 1 and not is_figure:  # a heading over several columns stands at the first of them
        beside = (
            touched[0] == 0 and x0 > sum(columns[0]) / 2
        )  # but the labels are wide, and no heading begins over their end
        return touched[beside]
    return max(range(len(columns)), key=overlap.__getitem__)


def _continues_cells(above: TextRow, cells: list[str], already: bool) -> bool:
    """Whether a line without a label goes on with the cells of the row above it."""
    filled = [index for index, cell in enumerate(cells) if cell]
    if not filled or filled[0] == 0 or any(is_amount(cells[index]) for index in filled):
        return False
    if not all(above.cells[index] for index in filled):
        return False
    return already or not any(is_amount(cell) for cell in above.cells)


def _join_labels(rows: list[Labelled], words: frozenset[str]) -> list[Labelled]:
    """Join a label broken over two lines: the second starts in lower case, or the figures stand between the two."""
    joined: list[Labelled] = []
    for row in rows:
        if joined and (_goes_on(joined[-1].row, row.row) or _overlaps(joined[-1], row, rows)):
            joined[-1] = joined[-1].join(row, words)
        else:
            joined.append(row)
    return joined


def _goes_on(above: TextRow, below: TextRow) -> bool:
    label = above.cells[0]
    if not below.cells[0][:1].islower() or not label or label.endswith((":", "：", ".")):
        return False
    return below.box[1] - above.box[3] <= 6 and not (any(above.cells[1:]) and any(below.cells[1:]))


def _overlaps(one: Labelled, other: Labelled, rows: list[Labelled]) -> bool:
    """Whether a label line and a line of figures without one stand at the same height."""
    above, below = one.row, other.row
    if below.box[1] >= above.box[3] - 1:
        return False
    if any(a and b for a, b in zip(above.cells[1:], below.cells[1:], strict=True)):
        return False
    if one.is_level and one.last and other.first and other.is_bare:
        step = other.first.base - one.last.base
        if step > 0.9 * row_pitch(rows) > 0:
            return False  # as far below as rows are, and its letters are set in high boxes
    return not (above.cells[0] and below.cells[0]) or not any(below.cells[1:])


def count_header(rows: list[TextRow]) -> int:
    """How many rows at the top are column headings: those before the first figure, if one follows soon."""
    if not rows or len(rows[0].cells) < 2:
        return 0
    for index, row in enumerate(rows[:6]):
        if any(is_amount(cell) for cell in row.cells[1:] if cell not in BLANKS):
            return _without_labels(rows, index)
    return 1 if len(rows) > 1 and sum(map(bool, rows[0].cells)) > 1 else 0


def _without_labels(rows: list[TextRow], index: int) -> int:
    """Leave out label rows such as "Current assets:" between the headings and the first figures."""
    while index and sum(map(bool, rows[index - 1].cells[1:])) == 0:
        index -= 1
    return index


def continue_tables(blocks: list[PageBlock]) -> None:
    """Give a table without headings the header and unit line of the one that it continues, on its page or the page before."""
    before: PageBlock | None = None
    between = 0
    for block in blocks:
        if block.kind == "table":
            if before is not None and _continues(before, block) and _same_columns(before, block):
                _inherit(before, block)
            before, between = block, 0
        elif before is not None and not (block.page > before.page and is_unit_line(block.text)):
            between += 1
            if between > 2 or block.page > before.page or not _is_title(block):
                before = None


def _continues(before: PageBlock, block: PageBlock) -> bool:
    """Whether a table stands at the top of the next page, or below on the same one and begins with figures."""
    if block.page == before.page:
        below = block.box[1] >= before.box[3] - 1
        return below and block.header == 0 and any(map(is_amount, filter(None, block.rows[0].cells[1:])))
    return before.page + 1 == block.page


def _is_title(block: PageBlock) -> bool:
    """Whether a paragraph is a line that parts two stretches of one table."""
    one_line = block.box[3] - block.box[1] < 2 * block.size
    return one_line and len(block.text) <= _TITLE_LENGTH and not ends_sentence(block.text)


def _same_columns(a: PageBlock, b: PageBlock) -> bool:
    if len(a.edges) != len(b.edges):
        return False
    tolerance = 12.0
    return sum(abs(x - y) <= tolerance for x, y in zip(a.edges, b.edges, strict=True)) >= 0.7 * len(a.edges)


def _inherit(before: PageBlock, block: PageBlock) -> None:
    header = before.inherited or before.rows[: before.header]
    own = [row.cells for row in block.rows[: len(header)]]
    if own == [row.cells for row in header]:
        block.header = len(header)
    elif block.header == 0 or not _has_period(block.rows[: block.header]):
        block.inherited, block.header = header, 0
    block.unit = block.unit or before.unit


def _has_period(rows: list[TextRow]) -> bool:
    return any(re.search(r"(?:19|20)\d\d|期|年|[Tt]otal|合计", cell) for row in rows for cell in row.cells)
