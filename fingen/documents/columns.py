"""Columns of prose: the regions of a page in reading order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import median

from fingen.documents.cells import cluster_rows, join_cells
from fingen.documents.shapes import Run
from fingen.text import is_amount, is_cjk

WIDE = 0.17  # of the region's width: narrower runs do not tell a column of prose
GUTTER = 5.0  # points between two columns of prose, at least


def is_spread(runs: list[Run], middle: float) -> bool:
    """Whether two pages stand side by side: nothing is near the middle of the sheet, and lines begin at a margin on both sides."""
    clear = 0.02 * middle
    if any(run.x0 < middle + clear and run.x1 > middle - clear for run in runs):
        return False
    return all(map(_has_margin, ([run for run in runs if run.x1 < middle], [run for run in runs if run.x0 > middle])))


def _has_margin(side: list[Run]) -> bool:
    """Whether words, not figures, begin many lines of a side, and a good part of them at one place."""
    firsts = [row[0] for row in cluster_rows(side)]
    words = [run for run in firsts if run.text[0].isalpha()]
    starts = Counter(round(run.x0 / 3) for run in words)
    most = max((starts[at] + starts[at + 1] for at in starts), default=0)
    return len(firsts) > 2 and len(words) > 0.35 * len(firsts) and most >= 0.3 * len(words)


def reading_order(runs: list[Run]) -> list[list[Run]]:
    """Regions of a page in reading order: each is one column of text or tables, top to bottom."""
    parts, prose = _best_parts(runs)
    if not prose:
        return [runs] if runs else []
    _hand_down(parts)
    flows: list[list[Run]] = []
    for left, right in parts:
        flows += reading_order(left) + reading_order(right) if right else [left] * bool(left)
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
            columns = whole or _columns(stretch, gutter, least=3)
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


def _hand_down(parts: list[tuple[list[Run], list[Run]]]) -> None:
    """Give headings at the foot of two columns to the table below them that they head: there a row has several cells."""
    for (left, right), (below, beside) in pairwise(parts):
        if not right or beside:
            continue
        start, bottom = min(run.x0 for run in right), min(run.y0 for run in below)
        taken: list[Run] = []
        for row in cluster_rows(left + right)[::-1]:
            inside = [run for run in row if run.x0 >= start and run.text]
            cells = join_cells(inside) if inside else []
            several = len(cells) > 1 and not any(is_amount(cell.text) for cell in cells)
            over = bool(taken) and len(cells) == len(row) == 1 and cells[0].x0 > start + 2 * cells[0].size
            if not (several or over) or bottom - max(run.y1 for run in row) > 1.2 * row[0].size:
                break
            taken += row
            bottom = min(run.y0 for run in row)
        below[:0] = taken
        down = set(map(id, taken))
        for side in (left, right):
            side[:] = [run for run in side if id(run) not in down]


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
    if not _is_prose(left) or not _is_prose(right) or _are_labels(left, right):
        return None
    return left, right


def _are_labels(left: list[Run], right: list[Run]) -> bool:
    """Whether the left side names what stands on the right: short lines, whose groups start at the height of those there."""
    pitch = min(run.x0 for run in right) - min(run.x0 for run in left)
    if sum(run.x1 - run.x0 > 0.7 * pitch for run in left) > 0.35 * len(left):
        return False
    starts, others = _group_starts(left), _group_starts(right)
    paired = sum(any(abs(start - other) < 3 for other in others) for start in starts)
    return paired > 2 and paired >= 0.7 * len(starts) and paired >= 0.6 * len(others)


def _group_starts(side: list[Run]) -> list[float]:
    """The baselines of lines with white space above them."""
    starts: list[float] = []
    bottom = float("-inf")
    for run in sorted(side, key=lambda run: run.base):
        if run.y0 - bottom > 0.6 * run.size:
            starts.append(run.base)
        bottom = max(bottom, run.y1)
    return starts


def _stretches(band: list[Run], gutter: float) -> list[list[Run]]:
    """Part a band where rows of a table turn into rows of prose side by side, and back."""
    rows = cluster_rows(band)
    line = 0.5 * (max(run.x1 for run in band) - gutter)
    tabular = [_is_tabular(join_cells(row), gutter, line) for row in rows]
    stretches: list[list[Run]] = []
    for index, row in enumerate(rows):
        if 0 < index < len(rows) - 1 and not tabular[index - 1] and not tabular[index + 1]:
            tabular[index] &= any(is_amount(run.text) for run in row)  # one row alone is a line set wide
        if not index or tabular[index] is not tabular[index - 1]:
            stretches.append([])
        stretches[-1] += row
    return stretches


def _is_tabular(cells: list[Run], gutter: float, line: float) -> bool:
    """Whether cells are a row over both sides; beside a line of prose, from `line` points on, the left side is on its own."""
    left = sum(cell.x1 <= gutter + GUTTER for cell in cells)
    last = cells[-1]
    if left == len(cells) - 1 and last.x1 - last.x0 >= line and not is_amount(last.text):
        return left > 1 and any(is_amount(cell.text) for cell in cells)
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
