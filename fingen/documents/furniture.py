"""Running headers, footers and page numbers: lines that come back at the same place on page after page."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import zip_longest

from fingen.documents.shapes import PageText, Run
from fingen.documents.tables import is_unit_line

EDGE_ROWS = 3  # rows from the top and from the bottom of a page that may be furniture
MIN_PAGES = 3
LONGEST = 90  # characters; a longer line that only some pages share is a footnote, not a header
_DIGITS = re.compile(r"\d+|(?<![A-Za-z])[ivxlc]{1,6}(?![A-Za-z])")
_NUMBER_ONLY = re.compile(r"\W*(?:page|第|p)?\W*#\W*(?:页|/|of|共)?\W*#?\W*页?\W*", re.IGNORECASE)
_LONGEST_NUMBER = 20  # characters of a page number and what stands around it
_TITLE_RATIO = 1.15  # of the body size: a running title this large is kept once, as the heading that it is


def remove_furniture(pages: list[PageText], body: float) -> dict[int, list[str]]:
    """Take running headers, footers and page numbers out of the pages; returns what was taken, by page.

    `body` is the size of the running text, in points.

    A large running title stays on the first page of each stretch that it stands on: it is that section's heading.
    """
    edges = {page.number: _edge_rows(page) for page in pages}
    furniture = _repeated(pages, edges, body) + _page_numbers(edges)
    taken: dict[int, list[str]] = defaultdict(list)
    for number, row in furniture:
        text = _text(row)
        if text not in taken[number]:
            taken[number].append(text)
    doomed = {id(run) for _, row in furniture for run in row}
    for page in pages:
        if page.number in taken:
            page.runs = [run for run in page.runs if id(run) not in doomed]
    return dict(taken)


def _repeated(pages: list[PageText], edges: dict[int, list[list[Run]]], body: float) -> list[tuple[int, list[Run]]]:
    alike: dict[str, list[tuple[PageText, list[Run]]]] = defaultdict(list)
    for page in pages:
        for row in edges[page.number]:
            alike[_masked(row)].append((page, row))
    places: dict[tuple[str, int], list[tuple[PageText, list[Run]]]] = defaultdict(list)
    for mask, rows in alike.items():
        for (page, row), words in zip(rows, _but_for_page(mask, rows), strict=True):
            places[words, round(row[0].base / 6)].append((page, row))
    marked: dict[int, bool] = {}  # id of a row -> whether it may touch the text beside it
    for (mask, place), found in places.items():
        near = sum(len(places[mask, place + step]) for step in (-1, 0, 1) if (mask, place + step) in places)
        number_only = _is_number(mask)
        common = near >= 0.4 * len(pages) or number_only
        if is_unit_line(_text(found[0][1])):
            continue  # it belongs to the table below it
        if near < MIN_PAGES or not (common or (len(mask) <= LONGEST and _is_margin(found))):
            continue
        before = -10
        for page, row in found:
            heads_stretch = page.number > before + 4 and row[0].size > _TITLE_RATIO * body and not number_only
            before = page.number
            if not heads_stretch:
                marked[id(row)] = common
    return [(number, row) for number, rows in edges.items() for row in _outermost(rows, marked)]


def _but_for_page(mask: str, rows: list[tuple[PageText, list[Run]]]) -> list[str]:
    """What rows of the same words say, page numbers masked: other figures tell one sentence from another.

    A page number grows with the pages; where two pages stand on a sheet, by two.
    """
    if "#" not in mask or len(rows) < MIN_PAGES or _is_number(mask):
        return [mask] * len(rows)
    numbered = [(page.number, _DIGITS.split(_text(row)), _DIGITS.findall(_text(row))) for page, row in rows]
    counts = Counter(
        step for page, _, tokens in numbered for slot in range(len(tokens)) for step in _steps(page, tokens, slot)
    )
    said = []
    for page, between, tokens in numbered:
        slots = (
            slot for slot in range(len(tokens)) if any(counts[step] >= MIN_PAGES for step in _steps(page, tokens, slot))
        )
        number = next(slots, -1)
        shown = ["#" if slot == number or not token.isdecimal() else token for slot, token in enumerate(tokens)]
        said.append("".join(piece for pair in zip_longest(between, shown, fillvalue="") for piece in pair))
    return said


def _steps(page: int, tokens: list[str], slot: int) -> list[tuple[int, int, int]]:
    """What stays the same from page to page where the number in a slot counts pages."""
    return [(slot, by, int(tokens[slot]) - by * page) for by in (1, 2)] if tokens[slot].isdecimal() else []


def _is_number(mask: str) -> bool:
    return len(mask) <= _LONGEST_NUMBER and _NUMBER_ONLY.fullmatch(mask) is not None


def _outermost(rows: list[list[Run]], marked: dict[int, bool]) -> list[list[Run]]:
    """The marked rows that stand apart from the text: a table's heading that comes back on each page touches its table."""
    chosen = []
    for order in (rows, rows[::-1]):
        for index, row in enumerate(order):
            inner = order[index + 1] if index + 1 < len(order) else None
            if id(row) not in marked:
                break
            gap = 99.0 if inner is None else max(inner[0].y0 - row[0].y1, row[0].y0 - inner[0].y1)
            if marked[id(row)] or gap > 0.8 * row[0].size or (inner is not None and id(inner) in marked):
                chosen.append(row)
    return chosen


def body_size(pages: list[PageText]) -> float:
    """The font size that most characters are set in."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for run in page.runs:
            sizes[round(run.size * 2) / 2] += len(run.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


def _edge_rows(page: PageText) -> list[list[Run]]:
    rows: list[list[Run]] = []
    for run in sorted(page.runs, key=lambda run: run.base):
        if rows and run.base - rows[-1][0].base < 4:
            rows[-1].append(run)
        else:
            rows.append([run])
    for row in rows:
        row.sort(key=lambda run: run.x0)
    return rows if len(rows) <= 2 * EDGE_ROWS else rows[:EDGE_ROWS] + rows[-EDGE_ROWS:]


def _text(row: list[Run]) -> str:
    return " ".join(run.text for run in row)


def _masked(row: list[Run]) -> str:
    return _DIGITS.sub("#", _text(row))


def _is_margin(found: list[tuple[PageText, list[Run]]]) -> bool:
    """Whether a repeated line stands in the margin, with the look of a header: not a table's row of figures."""
    page, row = found[0]
    at = row[0].base / page.height
    return (at < 0.12 or at > 0.9) and (len(row) == 1 or (len(row) == 2 and "#" in _masked(row)))


def _page_numbers(edges: dict[int, list[list[Run]]]) -> list[tuple[int, list[Run]]]:
    """First or last rows that hold only a number which grows by one a page, wherever on the page they stand."""
    candidates: list[tuple[tuple[bool, int], int, list[Run]]] = []
    for number, rows in edges.items():
        for top, row in ((True, rows[0]), (False, rows[-1])) if rows else ():
            text = _text(row).strip("-–— |")
            if text.isdecimal() and len(text) < 5:
                candidates.append(((top, int(text) - number), number, row))
    runs_of = Counter(key for key, _, _ in candidates)
    return [(number, row) for key, number, row in candidates if runs_of[key] >= MIN_PAGES]
