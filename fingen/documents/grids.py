"""Tables with drawn grids: their rules are the edges of rows and columns."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from functools import cached_property
from itertools import groupby, pairwise

from fingen.documents.shapes import PageBlock, PageText, Rule, Run, TextRow
from fingen.documents.tables import count_header
from fingen.text import clean, is_amount, join_lines

SNAP = 3.0  # points: rules nearer than this are one line
MOST_RULES = 400  # on a page; more are a drawing
MIN_RULE = 8.0  # points: shorter strokes are decoration


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
