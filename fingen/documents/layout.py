"""Runs of a page -> blocks in reading order: columns are told from tables, lines become paragraphs, rows become tables."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from statistics import median

from fingen.documents.shapes import PageBlock, PageText, Run, union
from fingen.documents.tables import Grid, column_block, column_edges, find_grids, grid_block, is_unit_line
from fingen.text import ends_sentence, has_leaders, is_amount, is_cjk, is_currency, is_leader, join_lines, strip_leaders

CELL_GAP = 1.1  # in font sizes: a wider gap on a baseline parts two cells
TITLE_GAP = 0.75  # the same before a word in capitals or a figure: headings of columns stand close together
WIDE = 0.17  # of the region's width: narrower runs do not tell a column of prose
GUTTER = 5.0  # points between two columns of prose, at least
_MARKER = re.compile(
    r"(?:[•●▪■◆◦○□√\uf0b7–—*·➢]|\(?(?:[ivxIVX]{1,5}|[a-zA-Z]|\d{1,2})[.)）、]|（[一二三四五六七八九十\d]{1,3}）|[①-⑳]|"
    r"[一二三四五六七八九十]{1,3}、|\d{1,2}(?:\.\d{1,2}){0,3}[.、]?|(?:Item|ITEM|Note|NOTE)\s?\d{1,2}[A-C]?\.?)$"
)
_STARTS_MARKED = re.compile(
    r"(?:[•●▪■◆◦○□√\uf0b7]\s?|\((?:[ivx]{1,4}|[a-zA-Z]|\d{1,2})\)\s|（[一二三四五六七八九十\d]{1,3}）|[①-⑳]|"
    r"[一二三四五六七八九十]{1,3}、|\d{1,2}[、)）]|\d{1,2}(?:\.\d{1,2}){0,3}\.?\s?(?=[A-Z\u4e00-\u9fff])|第[一二三四五六七八九十\d]{1,3}[节章])"
)
_FIRST_WORD = re.compile(r"[!-~\u00c0-\u024f\u2018-\u201d]+|.", re.DOTALL)
_INTRODUCES = re.compile(r"\bfollow(?:s|ing)?\b|如下|下表", re.IGNORECASE)
_RUNS_ON = re.compile(r"(?:,|\b(?:the|of|and|to|a|an|in|for|with|on|at|by|or|from|as|that|our|its|their))$")
_PAGE_NUMBER = re.compile(r"(?:[A-Z]{1,2}-?)?\d{1,4}$|[ivxl]{1,6}$")
_SUFFIX = frozenset({")", "%", ")%", "%)", "pts"})


class LayoutItem(Run):
    """A drawn grid among the runs of a page."""

    __slots__ = ("grid",)

    def __init__(self, grid: Grid) -> None:
        x0, y0, x1, y1 = grid.box
        super().__init__(x0, y0, x1, y1, y1, y1 - y0, "")
        self.grid = grid


def page_blocks(page: PageText, words: frozenset[str]) -> list[PageBlock]:
    """The blocks of one page in reading order."""
    free = _place_in_grids(page)
    blocks: list[PageBlock] = []
    for flow in reading_order(free):
        blocks += flow_blocks(flow, page.number, words)
    for run in page.turned:
        blocks.append(
            PageBlock("paragraph", page.number, (run.x0, run.y0, run.x1, run.y1), run.text, run.size, run.bold)
        )
    return blocks


def _place_in_grids(page: PageText) -> list[Run]:
    """The page's runs, those in drawn tables replaced by the table."""
    grids = find_grids(page)
    if not grids:
        return page.runs
    free: list[Run] = []
    for run in page.runs:
        holder = next((grid for grid in grids if grid.holds(run)), None)
        (free if holder is None else holder.runs).append(run)
    for grid in grids:
        if grid.runs and grid.is_sound():
            free.append(LayoutItem(grid))
        else:
            free += grid.runs
    return free


# --- columns of prose --------------------------------------------------------------------------------------------------


def reading_order(runs: list[Run]) -> list[list[Run]]:
    """Regions of a page in reading order: each is one column of text or tables, top to bottom."""
    parts, prose = _best_parts(runs)
    if not prose:
        return [runs] if runs else []
    flows: list[list[Run]] = []
    for left, right in parts:
        flows += reading_order(left) + reading_order(right) if right else [left]
    return flows


def _best_parts(runs: list[Run]) -> tuple[list[tuple[list[Run], list[Run]]], int]:
    """The parts by the gutter that puts most prose into columns, and how many characters those columns hold."""
    best: list[tuple[list[Run], list[Run]]] = []
    most = 0
    for gutter in _gutters(runs):
        parts = _parts(runs, gutter)
        prose = sum(len(run.text) for left, right in parts if right for run in left + right)
        if prose > most:
            best, most = parts, prose
    return best, most


def _parts(runs: list[Run], gutter: float) -> list[tuple[list[Run], list[Run]]]:
    """The page from top to bottom as parts of two columns of prose, or of one (its second is empty)."""
    parts: list[tuple[list[Run], list[Run]]] = []
    for band in _bands(runs, gutter):
        whole = None if _holds_table(band, gutter) else _columns(band, gutter)
        for stretch in [band] if whole else _stretches(band, gutter):
            columns = whole or _columns(stretch, gutter, least=4)
            if columns:
                left, right = columns
                tail = _heading_below(left, right)
                parts.append(([run for run in left if run not in tail], right))
                parts += [(tail, [])] * bool(tail)
            elif parts and not parts[-1][1]:
                parts[-1][0].extend(stretch)
            else:
                parts.append((list(stretch), []))
    return parts


def _heading_below(left: list[Run], right: list[Run]) -> list[Run]:
    """A heading or caption under both columns that is too short to reach over the gutter: larger, or set apart."""
    bottom = max(run.y1 for run in right)
    size = median(run.size for run in left)
    lines = sorted(left, key=lambda run: run.base)
    apart = max((at for at in range(1, len(lines)) if lines[at].y0 - lines[at - 1].y1 > 0.7 * size), default=0)
    tail = lines[apart:] if apart and len(lines) - apart <= 2 and lines[apart].y0 > bottom else []
    return tail or [run for run in lines if run.y0 > bottom and run.size > 1.15 * size]


def _holds_table(band: list[Run], gutter: float) -> bool:
    """Whether rows of a table over the full width stand in a band: labels on the left, their figures on the right."""
    if sum(is_amount(run.text) for run in band if run.x0 > gutter) < 2:
        return False
    in_a_row = 0
    for row in cluster_rows(band):
        right = [run for run in row if run.x0 > gutter]
        labelled = len(right) < len(row) and bool(right) and all(is_amount(run.text) for run in right)
        in_a_row = in_a_row + 1 if labelled else 0
        if in_a_row == 2:
            return True
    return False


def _columns(band: list[Run], gutter: float, least: int = 1) -> tuple[list[Run], list[Run]] | None:
    """The two sides of a band where both hold prose, of `least` runs each."""
    left = [run for run in band if run.x1 <= gutter + GUTTER]
    right = [run for run in band if run.x0 >= gutter - GUTTER]
    if min(len(left), len(right)) < least or len(left) + len(right) != len(band):
        return None
    return (left, right) if _is_prose(left) and _is_prose(right) else None


def _stretches(band: list[Run], gutter: float) -> list[list[Run]]:
    """Part a band where rows of a table turn into rows of prose side by side, and back."""
    rows = cluster_rows(band)
    tabular = [_is_tabular(join_cells(row), gutter) for row in rows]
    stretches: list[list[Run]] = []
    for index, row in enumerate(rows):
        if 0 < index < len(rows) - 1 and not tabular[index - 1] and not tabular[index + 1]:
            tabular[index] &= any(is_amount(run.text) for run in row)  # one row alone is a line set wide
        if not index or tabular[index] is not tabular[index - 1]:
            stretches.append([])
        stretches[-1] += row
    return stretches


def _is_tabular(cells: list[Run], gutter: float) -> bool:
    left = sum(cell.x1 <= gutter + GUTTER for cell in cells)
    return left > 1 or len(cells) - left > 1 or any(is_amount(cell.text) for cell in cells)


def _gutters(runs: list[Run]) -> list[float]:
    """Where a column of prose may start that stands right of another one; none on most pages of one column."""
    if len(runs) < 8:
        return []
    x0, x1 = min(run.x0 for run in runs), max(run.x1 for run in runs)
    width = x1 - x0
    wide = [run for run in runs if run.x1 - run.x0 >= WIDE * width and len(run.text) > 7]
    starts = Counter(round(run.x0 / 3) for run in wide if run.x0 > x0 + 0.22 * width)
    gutters: list[float] = []
    for start, _ in starts.most_common(3):
        near = starts[start - 1] + starts[start] + starts[start + 1]
        gutter = min(run.x0 for run in wide if abs(round(run.x0 / 3) - start) <= 1) - GUTTER / 2
        beside = sum(1 for run in wide if run.x1 <= gutter)
        if near >= 3 and beside >= 2 and gutter not in gutters:
            gutters.append(gutter)
    return gutters


def _bands(runs: list[Run], gutter: float) -> list[list[Run]]:
    """Runs top to bottom, parted where a run crosses the gutter: crossing rows and two-sided stretches alternate."""
    bands: list[list[Run]] = []
    crossing = sorted(
        (run for run in runs if run.x0 < gutter - GUTTER and run.x1 > gutter + GUTTER), key=lambda run: run.y0
    )
    rest = sorted(
        (run for run in runs if not (run.x0 < gutter - GUTTER and run.x1 > gutter + GUTTER)), key=lambda run: run.y0
    )
    position = 0
    for run in crossing:
        above: list[Run] = []
        while position < len(rest) and (rest[position].y0 + rest[position].y1) / 2 < run.y0:
            above.append(rest[position])
            position += 1
        if above:
            bands.append(above)
        level: list[Run] = [run]
        while position < len(rest) and (rest[position].y0 + rest[position].y1) / 2 <= run.y1:
            level.append(rest[position])
            position += 1
        bands.append(level)
    return bands + [rest[position:]] * bool(rest[position:])


def _is_prose(side: list[Run]) -> bool:
    """Whether a side of a gutter holds running text: most of its characters are in runs that fill its width, alone on their line."""
    x0, x1 = min(run.x0 for run in side), max(run.x1 for run in side)
    width = x1 - x0
    total = filling = amounts = 0
    for run in side:
        total += len(run.text)
        if is_amount(run.text):
            amounts += len(run.text)
        elif run.x1 - run.x0 >= 0.4 * width:
            filling += len(run.text)
    if amounts > 0.25 * total:
        return False
    rows = cluster_rows(side)
    if sum(map(_has_wide_gap, rows)) > 0.25 * len(rows):
        return _best_parts(side)[1] >= 0.7 * total  # not one column of prose, but perhaps several
    longest = max(len(run.text) for run in side)
    least = 8 if any(is_cjk(run.text[-1]) for run in side if run.text) else 16
    return filling >= 0.6 * total and longest >= least


def _has_wide_gap(row: list[Run]) -> bool:
    """Whether more than the space of a justified line stands between two runs."""
    return any(b.x0 - a.x1 > 1.6 * b.size for a, b in pairwise(row))


# --- rows --------------------------------------------------------------------------------------------------------------


def cluster_rows(runs: list[Run]) -> list[list[Run]]:
    """Runs on one baseline, top to bottom, each row left to right; raised or lowered small print stays with its row."""
    rows: list[list[Run]] = []
    base = size = float("-inf")
    for run in sorted(runs, key=lambda run: run.base):
        if (
            rows
            and run.base - base <= 0.45 * max(size, run.size)
            and not isinstance(run, LayoutItem)
            and run.size < 200
        ):
            rows[-1].append(run)
            if run.size > size:
                base, size = run.base, run.size
        else:
            rows.append([run])
            base, size = (run.base, run.size) if not isinstance(run, LayoutItem) else (float("-inf"), 0.0)
    for row in rows:
        row.sort(key=lambda run: run.x0)
    return rows


def join_cells(row: list[Run]) -> list[Run]:
    """Join runs of a row that belong to one cell: words of a label, a currency sign and its figure, a marker and its text."""
    cells = [row[0]]
    for run in row[1:]:
        last = cells[-1]
        gap = run.x0 - last.x1
        if _one_cell(last, run, gap, alone=len(cells) == 1):
            cells[-1] = _fuse(last, run, gap)
        else:
            cells.append(run)
    return _without_leaders(cells) if len(cells) > 1 else cells


def _without_leaders(cells: list[Run]) -> list[Run]:
    """Cells without the dots that lead to their figures; a title of a table of contents keeps them, and its page number."""
    kept: list[Run] = []
    for cell in cells:
        text = strip_leaders(cell.text)
        if len(cells) == 2 and not kept and text != cell.text and _PAGE_NUMBER.match(cells[1].text):
            return [_fuse(*cells, cells[1].x0 - cell.x1)]
        if text != cell.text and not is_leader(cell.text):
            kept.append(_cut(cell, text))
        elif not is_leader(cell.text):
            kept.append(cell)
    return kept or cells


def _cut(cell: Run, text: str) -> Run:
    """The start of a cell; what is cut off is dots and spaces, which are a quarter of the font size wide."""
    x1 = max(cell.x0 + 1, cell.x1 - 0.25 * cell.size * (len(cell.text) - len(text)))
    return Run(cell.x0, cell.y0, x1, cell.y1, cell.base, cell.size, text, cell.bold, cell.italic)


def _one_cell(last: Run, run: Run, gap: float, *, alone: bool) -> bool:
    size = min(last.size, run.size)
    if is_currency(run.text) and (is_amount(last.text) or is_currency(last.text) or last.text[-1].isdigit()):
        return False
    if _is_sign(last.text):
        return is_amount(run.text) and gap < 14 * size
    if run.text in _SUFFIX:
        return last.text[-1] in "0123456789)" and gap < 4 * size
    starts_anew = run.text[0].isupper() or run.text[0].isdigit()
    if is_leader(last.text[-2:]) and is_amount(run.text):
        return False
    if gap < (TITLE_GAP if starts_anew else CELL_GAP) * size:
        return gap < 0.12 * size or not (is_amount(last.text) and is_amount(run.text))
    return alone and gap < 8 * size and not is_amount(run.text) and _MARKER.match(last.text) is not None


def _is_sign(text: str) -> bool:
    """Whether a text is what stands before a figure in its cell."""
    return text == "(" or is_currency(text)


def _fuse(last: Run, run: Run, gap: float) -> Run:
    spaced = last.trail or run.lead or gap >= 0.12 * run.size
    signed = _is_sign(last.text) and is_amount(run.text)
    sticks = signed or run.text in _SUFFIX or is_cjk(last.text[-1]) or is_cjk(run.text[0])
    text = last.text + (" " if spaced and not sticks else "") + run.text
    main = last if last.size >= run.size else run
    bold, italic = last.bold and run.bold, last.italic and run.italic
    y0, y1 = min(last.y0, run.y0), max(last.y1, run.y1)
    # A currency sign stands at the left edge of its column, often far from its figure: the figure gives the place.
    x0 = max(last.x0, run.x0 - run.size * len(last.text)) if signed else last.x0
    fused = Run(x0, y0, run.x1, y1, main.base, main.size, text, bold, italic)
    fused.lead, fused.trail = last.lead, run.trail
    return fused


# --- blocks ------------------------------------------------------------------------------------------------------------


def flow_blocks(flow: list[Run], page: int, words: frozenset[str]) -> list[PageBlock]:
    """The blocks of one column: rows in columns are tables, the other lines are paragraphs."""
    rows = [row if isinstance(row[0], LayoutItem) else join_cells(row) for row in cluster_rows(flow)]
    right = _right_margin(rows)
    blocks: list[PageBlock] = []
    lines: list[Run] = []
    at = 0
    while at < len(rows):
        row = rows[at]
        stop = at + 1
        table: PageBlock | None = None
        if isinstance(row[0], LayoutItem):
            table = grid_block(row[0].grid, page, words)
        elif len(row) > 1:
            stop = _table_end(rows, at)
            body = _beside(lines, row) + rows[at:stop]
            table = _table(body, lines, page, words)
            if table is None:
                lines += [line for beside in body[: len(body) - (stop - at)] for line in beside]
        if table is None:
            lines += [_one_line(row) for row in rows[at:stop] if not isinstance(row[0], LayoutItem)]
        else:
            blocks += paragraphs(lines, page, words, right)
            lines = []
            table.unit = _unit_above(blocks, table)
            blocks.append(table)
        at = stop
    return blocks + paragraphs(lines, page, words, right)


def _right_margin(rows: list[list[Run]]) -> float:
    """Where lines of running text end: tables may reach further, and a page of tables has none of its own."""
    edge = max(run.x1 for row in rows for run in row)
    start = min(row[0].x0 for row in rows)
    lines = [row[0].x1 for row in rows if len(row) == 1 and not isinstance(row[0], LayoutItem)]
    return max((x1 for x1 in lines if x1 - start > 0.6 * (edge - start)), default=edge)


def _beside(lines: list[Run], row: list[Run]) -> list[list[Run]]:
    """Lines just above a row that stand at its height: a label in two lines, with its figures between them."""
    taken: list[list[Run]] = []
    while lines and lines[-1].y1 > row[0].y0 + 1.5 and lines[-1].x1 < row[0].x0:
        taken.insert(0, [lines.pop()])
    return taken


def _one_line(row: list[Run]) -> Run:
    line = row[0]
    for run in row[1:]:
        line = _fuse(line, run, 1.0 * run.size)
    return line


def _table_end(rows: list[list[Run]], at: int) -> int:
    """Where a table that starts at row `at` ends: label rows and broken labels may stand between rows with several cells."""
    start = [run for row in rows[at : at + 5] if len(row) > 1 for run in row]  # headings are narrower, and often smaller
    left = min(run.x0 for run in start)
    right = max(run.x1 for run in start)
    size = max(run.size for run in start)
    end = at + 1
    for index in range(at + 1, len(rows)):
        row = rows[index]
        if (
            len(row) == 1
            and index == end
            and row[0].y0 < rows[index - 1][-1].y1 - 1.5
            and row[0].x1 < rows[index - 1][-1].x0
        ):
            end = index + 1  # the second line of a label whose figures stand between the two
            continue
        if isinstance(row[0], LayoutItem) or row[0].y0 - max(run.y1 for run in rows[index - 1]) > 3.2 * row[0].size:
            break
        if len(row) > 1:
            left, right = min(left, row[0].x0), max(right, row[-1].x1)
            end = index + 1
        elif index - end >= 3 or row[0].size > 1.1 * size or not _may_be_label(row[0], left, right):
            break
    return end


def _may_be_label(line: Run, left: float, right: float) -> bool:
    """Whether a line of one cell inside a table may be a label: not a sentence, not as wide as the table."""
    if line.x1 - line.x0 > 0.66 * (right - left):
        return False
    if line.text.endswith((":", "：")):
        return _INTRODUCES.search(line.text) is None
    return not (ends_sentence(line.text) and len(line.text) > 60)


def _table(body: list[list[Run]], lines: list[Run], page: int, words: frozenset[str]) -> PageBlock | None:
    """The table of some rows, with the headings above it taken from `lines`; None where it is only a parted line."""
    several = [row for row in body if len(row) > 1]
    figures = sum(any(is_amount(cell.text) for cell in row[1:]) for row in several)
    if len(several) < 2 and not (figures and sum(map(len, body)) > 2):
        return None
    if not figures and _is_label_list(several):
        return None
    return column_block(_headings_above(lines, several, body[0][0]) + body, page, words)


def _is_label_list(rows: list[list[Run]]) -> bool:
    """Two rows of two cells without a figure are more often a signature or a title page than a table."""
    return len(rows) < 3 and all(len(row) == 2 for row in rows)


def _headings_above(lines: list[Run], rows: list[list[Run]], first: Run) -> list[list[Run]]:
    """Lines that stand over the figure columns, not over the label column: "Years ended December 31,"."""
    columns = column_edges(rows)
    taken: list[list[Run]] = []
    below = first
    while lines and len(taken) < 3 and len(columns) > 1:
        line = lines[-1]
        if (
            line.x0 < columns[0][1]
            or line.x0 < columns[0][0] + 40
            or below.y0 - line.y1 > 1.2 * line.size
            or len(line.text) > 80
        ):
            break
        taken.insert(0, [lines.pop()])
        below = line
    return taken


def _unit_above(blocks: list[PageBlock], table: PageBlock) -> str:
    """The unit line just above a table, or in its heading cells."""
    for block in blocks[-2:][::-1]:
        if block.kind == "paragraph" and is_unit_line(block.text):
            return block.text
    for row in table.rows[: max(table.header, 1)]:
        for cell in row.cells:
            if cell and is_unit_line(cell):
                return cell
    return ""


def paragraphs(lines: list[Run], page: int, words: frozenset[str], right: float) -> list[PageBlock]:
    """Lines of one column whose right margin is at `right` -> paragraphs."""
    if not lines:
        return []
    pitches = [b.base - a.base for a, b in pairwise(lines) if 0 < b.base - a.base < 2.5 * b.size]
    pitch = sorted(pitches)[len(pitches) // 3] if pitches else 1.3 * lines[0].size
    blocks: list[PageBlock] = []
    group = [lines[0]]
    for line in lines[1:]:
        if _starts_paragraph(group, line, pitch, right):
            blocks.append(_paragraph(group, page, words, right))
            group = []
        group.append(line)
    return [*blocks, _paragraph(group, page, words, right)]


def _starts_paragraph(group: list[Run], line: Run, pitch: float, right: float) -> bool:
    last = group[-1]
    size = line.size
    step = line.base - last.base
    loose = 1.6 if size > pitch else 1.25  # a title is set with more space between its lines
    if (step > 1.3 * pitch and step > loose * size) or step < -size:
        return True
    if abs(size - last.size) > 0.08 * size or line.bold != last.bold or has_leaders(last.text):
        return True
    room = right - last.x1
    first_word = _FIRST_WORD.match(line.text)[0]  # type: ignore[index]  # a run is never empty
    per_char = (line.x1 - line.x0) / len(line.text)
    if not ends_sentence(last.text) and (
        line.text[0].islower() or _RUNS_ON.search(last.text, max(0, len(last.text) - 7))
    ):
        return False
    if room > (len(first_word) + 1.5) * per_char + 0.8 * size:
        return True  # the next word would have fitted: the line was ended on purpose
    if _STARTS_MARKED.match(line.text) and ends_sentence(last.text):
        return True
    indented = line.x0 - min(run.x0 for run in group) > 1.2 * size and line.x0 - last.x0 > 1.2 * size
    return indented and not (len(group) == 1 and _STARTS_MARKED.match(group[0].text))


def _paragraph(group: list[Run], page: int, words: frozenset[str], right: float) -> PageBlock:
    text = join_lines([line.text for line in group], words)
    box = union([(line.x0, line.y0, line.x1, line.y1) for line in group])
    block = PageBlock("paragraph", page, box, text, max(line.size for line in group))
    block.bold = all(line.bold for line in group)
    block.italic = all(line.italic for line in group)
    block.indent = group[0].x0 - box[0] if len(group) > 1 else 0.0
    block.open_end = right - group[-1].x1 < 4 * group[-1].size and not ends_sentence(text)
    return block
