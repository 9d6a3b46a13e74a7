"""What runs along the pages of a filing in HTML, taken out: page numbers, heads and feet, links back to the contents."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from itertools import pairwise

from fingen.documents.shapes import PageBlock
from fingen.text import ends_sentence

EDGE = 3  # blocks at the top and foot of a page that may run along
SHARE, LEAST = 0.2, 3  # of the pages, and how many at the least, that a running line stands on
LONGEST = 160  # characters of a running line
NUMBERED = 5  # page numbers with a rule below them that make pages, where no break is marked
_NUMBER = re.compile(
    r"(?:page\s*)?[-–—\s]*(?:[A-Z]{1,2}-)?(\d{1,4}|[ivxlc]{1,7})(?:\s*of\s*\d+)?[-–—\s]*", re.IGNORECASE
)
_BACK = re.compile(
    r"(?:(?:back|return) to )?(?:the )?(?:table of contents|contents|toc|index|top|quicklinks).{0,40}", re.IGNORECASE
)
_MENU = re.compile(r"QuickLinks(?:$|\s*-- Click here)")
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")


def without_running(
    blocks: list[PageBlock], ruled: Collection[int], linked: Collection[int]
) -> tuple[list[PageBlock], int, dict[int, list[str]]]:
    """The blocks without what runs along, how many pages there are (0: none are marked), and what was taken out by page.

    `ruled` are the ids of blocks with a rule below them, `linked` of those that are links.
    """
    pages = max((block.page for block in blocks), default=0)
    if pages < 2:
        pages = _by_numbers(blocks, ruled)
    taken = {id(block) for block in blocks if id(block) in linked and _BACK.fullmatch(_text(block))} | _menu(
        blocks, linked
    )
    furniture: dict[int, list[str]] = defaultdict(list)
    for block in _running(blocks, pages, taken):
        taken.add(id(block))
        furniture[block.page].append(_text(block))
    kept = [block for block in blocks if id(block) not in taken]
    if pages < 2:
        for block in kept:
            block.page = 0
        return kept, 0, {}
    _set_open(kept)
    return kept, pages, dict(furniture)


def _menu(blocks: list[PageBlock], linked: Collection[int]) -> set[int]:
    """Ids of the blocks of the menus that a maker of filings puts before and behind them: their title, and the links below it."""
    found: set[int] = set()
    for at, block in enumerate(blocks):
        if block.kind == "paragraph" and _MENU.match(block.text):
            end = next((after for after in range(at + 1, len(blocks)) if id(blocks[after]) not in linked), len(blocks))
            found |= {id(each) for each in blocks[at:end]}
    return found


def _text(block: PageBlock) -> str:
    return block.text or " ".join(cell for row in block.rows for cell in row.cells if cell)


def _by_numbers(blocks: list[PageBlock], ruled: Collection[int]) -> int:
    """Count pages by their numbers where these have a rule below them, and nothing else says where a page ends."""
    ends = [
        block for block in blocks if id(block) in ruled and block.kind == "paragraph" and _NUMBER.fullmatch(block.text)
    ]
    numbers = [int(found[1]) for block in ends if (found := _NUMBER.fullmatch(block.text)) and found[1].isdecimal()]
    rising = sum(after > before for before, after in pairwise(numbers))
    if len(numbers) < NUMBERED or rising < 0.8 * (len(numbers) - 1):
        return 0
    closing, page = set(map(id, ends)), 1
    for block in blocks:
        block.page = page
        page += id(block) in closing
    return page


def _running(blocks: list[PageBlock], pages: int, taken: Collection[int]) -> Iterator[PageBlock]:
    by_page: dict[int, list[PageBlock]] = defaultdict(list)
    for block in blocks:
        if id(block) not in taken:
            by_page[block.page].append(block)
    edges = [[*page[:EDGE], *page[max(EDGE, len(page) - EDGE) :]] for page in by_page.values()]
    counts = Counter(shape for edge in edges for shape in {_shape(block) for block in edge})
    least = max(LEAST, SHARE * pages)
    for page, edge in zip(by_page.values(), edges, strict=True):
        for block in edge:
            text = _text(block)
            is_number = pages > 1 and block in (page[0], *page[-2:]) and _NUMBER.fullmatch(text) is not None
            if text and (is_number or (len(text) <= LONGEST and pages >= LEAST and counts[_shape(block)] >= least)):
                yield block


def _shape(block: PageBlock) -> str:
    """A line whatever the number of its page."""
    return _DIGITS.sub("#", _text(block).casefold())


def _set_open(blocks: list[PageBlock]) -> None:
    """Mark the last paragraph of a page that breaks off inside a sentence: the next page goes on with it."""
    for block, after in pairwise(blocks):
        if block.kind == after.kind == "paragraph" and after.page > block.page and len(block.text) > LONGEST:
            block.open_end = not ends_sentence(block.text)
