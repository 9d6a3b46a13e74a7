"""Tables: from drawn rules, or from cells that stand in columns; continued over pages with their header and unit line."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from functools import cached_property, lru_cache
from itertools import groupby, pairwise
from statistics import median

from fingen.documents.shapes import PageBlock, PageText, Part, Rule, Run, TextRow, union
from fingen.text import BLANKS, clean, ends_sentence, is_amount, join_lines

SNAP = 3.0  # points: rules nearer than this are one line
MOST_RULES = 400  # on a page; more are a drawing
MIN_RULE = 8.0  # points: shorter strokes are decoration
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


# --- tables with drawn grids -------------------------------------------------------------------------------------------


class Grid:
    """A drawn table: the edges of its rows and columns, and which of the borders between its cells are drawn."""

    def __init__(self, xs: list[float], ys: list[float], across: list[Rule], down: list[Rule]) -> None:
        self.xs, self.ys = xs, ys
        self.box = (xs[0], ys[0], xs[-1], ys[-1])
        self.drawn_across = _drawn(across, ys, xs)  # (row edge, column) with a border
        self.drawn_down = _drawn(down, xs, ys)  # (column edge, row) with a border
        self.runs: list[Run] = []

    def holds(self, run: Run) -> bool:
        """Whether the middle of a run lies inside."""
        x, y = (run.x0 + run.x1) / 2, (run.y0 + run.y1) / 2
        return self.box[0] - 2 <= x <= self.box[2] + 2 and self.box[1] - 1 <= y <= self.box[3] + 1

    def is_sound(self) -> bool:
        """Whether its lines part the cells: boxes drawn around columns of figures, without their labels, are no grid."""
        cells = self._cells.values()
        if any(_is_torn(runs) for runs in cells):
            return False
        beside = Counter(row for row, _ in self._cells)
        if len(beside) > 2 and sum(count > 1 for count in beside.values()) < 2:
            return False  # boxes that stand apart
        figures = [sum(is_amount(run.text) for run in runs) for runs in cells]
        several = sum(count > 1 for count in figures)
        labelled = any(any(map(str.isalpha, run.text)) for run in self.runs)
        return labelled and max(figures, default=0) < 3 and several <= 0.25 * max(1, sum(map(bool, figures)))

    @cached_property
    def _cells(self) -> dict[tuple[int, int], list[Run]]:
        columns, count = len(self.xs) - 1, len(self.ys) - 1
        cells: dict[tuple[int, int], list[Run]] = defaultdict(list)
        for run in (piece for whole in self.runs for piece in _pieces(whole, self.xs)):
            column = min(max(bisect_right(self.xs, (run.x0 + run.x1) / 2) - 1, 0), columns - 1)
            row = min(max(bisect_right(self.ys, (run.y0 + run.y1) / 2) - 1, 0), count - 1)
            cells[self._corner(row, column)].append(run)
        return cells

    def rows(self, words: frozenset[str]) -> list[TextRow]:
        """The cells in order; a merged cell stands at its upper left corner, the rest of it is empty."""
        rows = []
        for number in range(len(self.ys) - 1):
            top, bottom = self.ys[number], self.ys[number + 1]
            for cells in self._unruled(number) if len(self.ys) <= 3 else [self._row(number)]:
                texts = [_cell_text(runs, words) if runs else "" for runs in cells]
                if any(texts):
                    rows.append(TextRow(texts, (self.box[0], top, self.box[2], bottom)))
        return rows

    def _row(self, number: int) -> list[list[Run]]:
        return [self._cells.get((number, column), []) for column in range(len(self.xs) - 1)]

    def _unruled(self, number: int) -> list[list[list[Run]]]:
        """The rows of a box in which no rule parts them: each line of its first column has another one beside it."""
        cells = self._row(number)
        starts = sorted(cells[0], key=lambda run: run.base)
        others = [run for runs in cells[1:] for run in runs]
        paired = sum(any(abs(run.base - other.base) < 0.3 * run.size for other in others) for run in starts)
        if len(starts) < 3 or paired < len(starts) or any(run.text[0].islower() for run in starts):
            return [cells]
        bases = [run.base - 0.5 * run.size for run in starts]
        rows: list[list[list[Run]]] = [[[] for _ in cells] for _ in starts]
        for column, runs in enumerate(cells):
            for run in runs:
                rows[max(bisect_right(bases, run.base) - 1, 0)][column].append(run)
        return rows

    def is_prose(self, runs: list[Run]) -> bool:
        """Whether runs are the text of rows of several cells, many of them in several lines, and hardly any figures."""
        self.runs = runs
        filled = [{run.base for run in cell} for cell in self._cells.values()]
        beside = Counter(row for row, _ in self._cells)
        self.runs = []
        del self._cells
        figures = sum(is_amount(run.text) for run in runs)
        several = sum(len(bases) > 1 for bases in filled)
        return figures <= 0.1 * len(runs) and several > 0.3 * len(filled) and min(beside.values(), default=0) > 1

    def _corner(self, row: int, column: int) -> tuple[int, int]:
        while column and (column, row) not in self.drawn_down:
            column -= 1
        while row and (row, column) not in self.drawn_across:
            row -= 1
        return row, column


def _pieces(run: Run, xs: list[float]) -> list[Run]:
    """A run, or its parts where it reaches over the edge of a column."""
    if not run.parts or bisect_right(xs, run.x0 + 2) == bisect_right(xs, run.x1 - 2):
        return [run]
    return [Run(x0, run.y0, x1, run.y1, run.base, run.size, text, run.bold, run.italic) for x0, x1, text in run.parts]


def _is_torn(runs: list[Run]) -> bool:
    """Whether a figure stands in one cell with something else of its row: then a border between them is not drawn."""
    for run in runs:
        if is_amount(run.text):
            beside = (other for other in runs if other is not run and abs(other.base - run.base) < 0.4 * run.size)
            if any(max(run.x0 - other.x1, other.x0 - run.x1) > 1.2 * run.size for other in beside):
                return True
    return False


def _drawn(rules: list[Rule], edges: list[float], cross: list[float]) -> set[tuple[int, int]]:
    """Pairs (edge, interval between two crossing edges) that a rule covers."""
    covered: set[tuple[int, int]] = set()
    middles = [(a + b) / 2 for a, b in pairwise(cross)]
    for rule in rules:
        edge = _nearest(edges, rule.at)
        if edge is not None:
            intervals = range(bisect_left(middles, rule.start), bisect_right(middles, rule.end))
            covered.update((edge, interval) for interval in intervals)
    return covered


def _nearest(edges: list[float], at: float) -> int | None:
    index = bisect_right(edges, at)
    for candidate in (index - 1, index):
        if 0 <= candidate < len(edges) and abs(edges[candidate] - at) <= SNAP:
            return candidate
    return None


def _cell_text(runs: list[Run], words: frozenset[str]) -> str:
    lines: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: run.base):
        if lines and run.base - lines[-1][0].base < 0.5 * run.size:
            lines[-1].append(run)
        else:
            lines.append([run])
    texts = [clean(" ".join(run.text for run in sorted(line, key=lambda run: run.x0))) for line in lines]
    if len(texts) > 1 and all(re.fullmatch(r"[\d,.%()-]+", text) for text in texts):
        return "".join(texts)  # a figure too long for its cell
    return join_lines(texts, words)


def find_grids(page: PageText) -> list[Grid]:
    """Drawn tables of at least two columns, top to bottom."""
    down = [rule for rule in page.down if rule.end - rule.start >= 5]
    if len(down) < 2:
        return []
    grids = []
    for group in _bands(down):
        top, bottom = min(rule.start for rule in group), max(rule.end for rule in group)
        across = [rule for rule in page.across if top - SNAP <= rule.at <= bottom + SNAP]
        xs = _with_open_sides(_merge([rule.at for rule in group]), across)
        ys = _merge([rule.at for rule in across if rule.end - rule.start >= MIN_RULE] + [top, bottom])
        if len(xs) >= 3 and len(ys) >= 2:
            grids.append(Grid(xs, ys, across, group))
    return grids


def find_prose_grids(page: PageText) -> list[Grid]:
    """Tables of running text whose rows are parted by rules over their whole width and whose columns by white space."""
    if not 2 < len(page.across) <= MOST_RULES:
        return []
    grids = []
    for rules in _stacks(page):
        first = 0
        while first < len(rules) - 1:
            last = first + 1
            xs = found = _ruled_columns(page, rules[first], rules[last])
            while last + 1 < len(rules) and len(found := _ruled_columns(page, rules[first], rules[last + 1])) > 2:
                xs, last = found, last + 1
            grid = _prose_grid(page, rules[first : last + 1], xs) if len(xs) > 2 and last > first + 1 else None
            if grid is not None:
                grids.append(grid)
            first = last
    return grids


def _ruled_columns(page: PageText, top: Rule, bottom: Rule) -> list[float]:
    return _gutters(_between(page.runs, top, bottom), top.start, top.end)


def _between(runs: list[Run], top: Rule, bottom: Rule) -> list[Run]:
    return [run for run in runs if top.at < (run.y0 + run.y1) / 2 < bottom.at and top.start - 2 <= run.x0 < top.end]


def _prose_grid(page: PageText, rules: list[Rule], xs: list[float]) -> Grid | None:
    """The table between some rules, with the headings above it, where it is one of running text."""
    top = rules[0]
    ys = [rule.at for rule in rules]
    above = [run for run in _between(page.runs, Rule(0, top.start, top.end), top) if ys[0] - 2.2 * run.size < run.y0]
    if len(above) > 1 and not any(run.x0 < x < run.x1 for run in above for x in xs[1:-1]):
        ys.insert(0, min(run.y0 for run in above) - 1)
    grid = Grid(xs, ys, [Rule(y, xs[0], xs[-1]) for y in ys], [Rule(x, ys[0], ys[-1]) for x in xs])
    return grid if grid.is_prose(_between(page.runs, top, rules[-1])) else None


def _stacks(page: PageText) -> list[list[Rule]]:
    """Three and more horizontal rules of one width, one below the other."""
    stacks: list[list[Rule]] = []
    for _, group in groupby(sorted(page.across), key=lambda rule: round(rule.at / SNAP)):
        rules = list(group)
        line = Rule(rules[0].at, min(rule.start for rule in rules), max(rule.end for rule in rules))
        drawn = sum(rule.end - rule.start for rule in rules)
        if line.end - line.start < 0.4 * page.width or drawn < 0.9 * (line.end - line.start):
            continue
        last = stacks[-1][-1] if stacks else None
        if last and abs(last.start - line.start) < 4 and abs(last.end - line.end) < 4:
            stacks[-1].append(line)
        else:
            stacks.append([line])
    return [stack for stack in stacks if len(stack) > 2]


def _gutters(runs: list[Run], start: float, end: float) -> list[float]:
    """The edges of columns that white space parts from top to bottom."""
    xs, right = [start], end
    for x0, x1, _ in sorted(part for run in runs for part in run.parts or ((run.x0, run.x1, run.text),)):
        if x0 - right > 3:
            xs.append((x0 + right) / 2)
        right = x1 if right == end else max(right, x1)
    return [*xs, end]


def _with_open_sides(xs: list[float], across: list[Rule]) -> list[float]:
    """The column edges with those of a table that is drawn without its left and right border."""
    left = sorted(rule.start for rule in across)[: len(across) // 2 + 1]
    right = sorted((rule.end for rule in across), reverse=True)[: len(across) // 2 + 1]
    if len(across) > 2 and left[1] < xs[0] - 3 * SNAP:
        xs = [left[1], *xs]
    if len(across) > 2 and right[1] > xs[-1] + 3 * SNAP:
        xs = [*xs, right[1]]
    return xs


def _bands(down: list[Rule]) -> list[list[Rule]]:
    """Vertical rules grouped by the band of the page they cover: a gap between two bands parts two tables."""
    groups: list[list[Rule]] = []
    end = float("-inf")
    for rule in sorted(down, key=lambda rule: rule.start):
        if rule.start > end + SNAP:
            groups.append([])
        groups[-1].append(rule)
        end = max(end, rule.end) if len(groups[-1]) > 1 else rule.end
    return groups


def _merge(values: list[float]) -> list[float]:
    edges: list[float] = []
    for value in sorted(values):
        if not edges or value - edges[-1] > SNAP:
            edges.append(value)
    return edges


def grid_block(grid: Grid, page: int, words: frozenset[str]) -> PageBlock | None:
    """The table of a drawn grid, or None where it is empty."""
    rows = grid.rows(words)
    if not rows:
        return None
    block = PageBlock("table", page, grid.box, rows=rows, edges=tuple(grid.xs))
    block.header = count_header(rows)
    return block


# --- tables without a grid ---------------------------------------------------------------------------------------------


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
    rows: list[TextRow] = []
    wrapped = -1
    for line in lines:
        cells = [""] * len(columns)
        for cell in line:
            for index, text in _spread(cell, columns):
                cells[index] = f"{cells[index]} {text}".strip()
        box = union([(cell.x0, cell.y0, cell.x1, cell.y1) for cell in line])
        if rows and _continues_cells(rows[-1], cells, wrapped == len(rows) - 1):
            wrapped = len(rows) - 1
            rows[-1] = _joined(rows[-1], TextRow(cells, box), words)
        else:
            rows.append(TextRow(cells, box))
    return _join_labels(rows, words)


def _spread(cell: Run, columns: list[tuple[float, float]]) -> list[tuple[int, str]]:
    """A cell's text by column: headings that stand close together are one cell, and each of them ends where its column does."""
    whole = [(_column_of(cell.x0, cell.x1, columns, is_figure=is_amount(cell.text)), cell.text)]
    if sum(cell.x0 < end and start < cell.x1 for start, end in columns) < 2 or len(cell.parts) < 2:
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
        return touched[0]
    return max(range(len(columns)), key=overlap.__getitem__)


def _continues_cells(above: TextRow, cells: list[str], already: bool) -> bool:
    """Whether a line without a label goes on with the cells of the row above it."""
    filled = [index for index, cell in enumerate(cells) if cell]
    if not filled or filled[0] == 0 or any(is_amount(cells[index]) for index in filled):
        return False
    if not all(above.cells[index] for index in filled):
        return False
    return already or not any(is_amount(cell) for cell in above.cells)


def _joined(above: TextRow, below: TextRow, words: frozenset[str]) -> TextRow:
    cells = [join_lines([a, b], words) if a and b else a or b for a, b in zip(above.cells, below.cells, strict=True)]
    return TextRow(cells, union([above.box, below.box]))


def _join_labels(rows: list[TextRow], words: frozenset[str]) -> list[TextRow]:
    """Join a label broken over two lines: the second starts in lower case, or the figures stand between the two."""
    joined: list[TextRow] = []
    for row in rows:
        if joined and (_goes_on(joined[-1], row) or _overlaps(joined[-1], row)):
            joined[-1] = _joined(joined[-1], row, words)
        else:
            joined.append(row)
    return joined


def _goes_on(above: TextRow, below: TextRow) -> bool:
    label = above.cells[0]
    if not below.cells[0][:1].islower() or not label or label.endswith((":", "：", ".")):
        return False
    return below.box[1] - above.box[3] <= 6 and not (any(above.cells[1:]) and any(below.cells[1:]))


def _overlaps(above: TextRow, below: TextRow) -> bool:
    """Whether a label line and a line of figures without one stand at the same height."""
    if below.box[1] >= above.box[3] - 1:
        return False
    if any(a and b for a, b in zip(above.cells[1:], below.cells[1:], strict=True)):
        return False
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
