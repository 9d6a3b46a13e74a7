"""Runs of a page -> blocks in reading order: columns are told from tables, lines become paragraphs, rows become tables."""

from __future__ import annotations

import re
from itertools import pairwise

from fingen.documents.cells import LayoutItem, cluster_rows, fuse, join_cells
from fingen.documents.columns import is_spread, reading_order
from fingen.documents.grids import find_grids, find_prose_grids, grid_block
from fingen.documents.shapes import PageBlock, PageText, Rule, Run, union
from fingen.documents.tables import column_block, column_edges, is_unit_line
from fingen.text import ends_sentence, has_leaders, is_amount, join_lines

APART, ROOMY = 3.2, 6.0  # font sizes between rows of one table, at most; and where figures stand below figures
_STARTS_MARKED = re.compile(
    r"(?:[•●▪■◆◦○□√\uf0b7]\s?|\((?:[ivx]{1,4}|[a-zA-Z]|\d{1,2})\)\s|（[一二三四五六七八九十\d]{1,3}）|[①-⑳]|"
    r"[一二三四五六七八九十]{1,3}、|\d{1,2}[、)）]|\d{1,2}(?:\.\d{1,2}){0,3}\.?\s?(?=[A-Z\u4e00-\u9fff])|第[一二三四五六七八九十\d]{1,3}[节章])"
)
_FIRST_WORD = re.compile(r"[!-~\u00c0-\u024f\u2018-\u201d]+|.", re.DOTALL)
_INTRODUCES = re.compile(r"\bfollow(?:s|ing)?\b|如下|下表", re.IGNORECASE)
_RUNS_ON = re.compile(r"(?:,|\b(?:the|of|and|to|a|an|in|for|with|on|at|by|or|from|as|that|our|its|their))$")


def page_blocks(page: PageText, words: frozenset[str]) -> list[PageBlock]:
    """The blocks of one page in reading order; where two pages stand side by side on a sheet, one after the other."""
    middle = page.width / 2
    if page.width > 1.1 * page.height and is_spread(page.runs, middle):
        return [block for half in _halves(page, middle) for block in _blocks(half, words)]
    return _blocks(page, words)


def _halves(page: PageText, middle: float) -> tuple[PageText, PageText]:
    left, right = (PageText(page.number, middle, page.height) for _ in range(2))
    for run in page.runs:
        (left if run.x0 < middle else right).runs.append(run)
    for run in page.turned:
        (left if run.x0 < middle else right).turned.append(run)
    for rule in page.down:
        (left if rule.at < middle else right).down.append(rule)
    left.across = [Rule(at, start, min(end, middle)) for at, start, end in page.across if start < middle]
    right.across = [Rule(at, max(start, middle), end) for at, start, end in page.across if end > middle]
    return left, right


def _blocks(page: PageText, words: frozenset[str]) -> list[PageBlock]:
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
    grids = find_grids(page) or find_prose_grids(page)
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
        line = fuse(line, run, 1.0 * run.size)
    return line


def _table_end(rows: list[list[Run]], at: int) -> int:
    """Where a table that starts at row `at` ends: label rows and broken labels may stand between rows with several cells."""
    end, widest = at + 1, rows[at]
    while end < len(rows):
        if _is_second_line(rows[end - 1], rows[end]) or _goes_on_below(rows[max(at, end - 4) : end], rows[end]):
            end += 1
            continue
        following = next((index for index in range(end, min(end + 5, len(rows))) if len(rows[index]) > 1), None)
        if following is None or not _belong(rows[end - 1 : following + 1], widest):
            break
        if rows[following][-1].x1 - rows[following][0].x0 > widest[-1].x1 - widest[0].x0:
            widest = rows[following]
        end = following + 1
    return end


def _is_second_line(above: list[Run], row: list[Run]) -> bool:
    """Whether a row is the second line of a label whose figures stand between the two."""
    return len(row) == 1 and row[0].y0 < above[-1].y1 - 1.5 and row[0].x1 < above[-1].x0


def _goes_on_below(above: list[list[Run]], row: list[Run]) -> bool:
    """Whether a line goes on with a cell, not the first, of the rows just above it."""
    line, before = row[0], above[-1]
    if len(row) > 1 or line.y0 - max(run.y1 for run in before) > 0.5 * line.size:
        return False
    return any(
        abs(cell.x0 - line.x0) < 2 and abs(cell.size - line.size) < 0.5 and not is_amount(cell.text)
        for cells in above
        for cell in cells[1:]
    )


def _belong(rows: list[list[Run]], widest: list[Run]) -> bool:
    """Whether a table goes on from the first of some rows to the last, over lines between them that may be labels."""
    last = rows[-1]
    far = ROOMY if _is_aligned(last, widest) else APART
    left, right = min(last[0].x0, widest[0].x0), max(last[-1].x1, widest[-1].x1)
    size = max(run.size for run in (*last, *widest))  # headings are often smaller, and narrower
    for above, row in pairwise(rows):
        if isinstance(row[0], LayoutItem) or row[0].y0 - max(run.y1 for run in above) > far * row[0].size:
            return False
    lines = [row[0] for row in rows[1:-1]]
    flush = _ends_flush(last, rows[0])
    figures = min((run.x0 for run in (*last[1:], *widest[1:]) if is_amount(run.text)), default=right)
    begins = any(is_amount(run.text) for run in widest) and not any(is_amount(run.text) for run in last)
    if begins and any(left + 0.3 * (figures - left) < line.x0 < 2 * figures - line.x1 for line in lines):
        return False  # a title in the middle of the page, and headings of another table
    return all(
        line.size <= 1.1 * size
        and (_may_be_label(line, left, right, goes_on=flush) or (far == ROOMY and line.x1 < figures))
        for line in lines
    )


def _is_aligned(row: list[Run], other: list[Run]) -> bool:
    """Whether the figures of a row, two at least, stand below cells of another one."""
    figures = [run for run in row[1:] if is_amount(run.text)]
    below = sum(any(cell.x0 < run.x1 and run.x0 < cell.x1 for cell in other) for run in figures)
    return len(figures) > 1 and below >= 0.6 * len(figures)


def _ends_flush(row: list[Run], other: list[Run]) -> bool:
    """Whether all figures of a row, two at least, end where figures of another one do: no other table's would."""
    ends = [run.x1 for run in other[1:] if is_amount(run.text)]
    figures = [run.x1 for run in row[1:] if is_amount(run.text)]
    return len(figures) > 1 and all(any(abs(end - x1) < 0.5 for end in ends) for x1 in figures)


def _may_be_label(line: Run, left: float, right: float, *, goes_on: bool) -> bool:
    """Whether a line of one cell inside a table may be a label: not a sentence, not as wide as the table.

    A line that introduces figures is one where the table `goes_on` below it in the same columns.
    """
    if line.x1 - line.x0 > 0.66 * (right - left):
        return False
    if line.text.endswith((":", "：")):
        return goes_on or _INTRODUCES.search(line.text) is None
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
    block.color = group[0].color
    block.indent = group[0].x0 - box[0] if len(group) > 1 else 0.0
    block.open_end = right - group[-1].x1 < 4 * group[-1].size and not ends_sentence(text)
    return block
