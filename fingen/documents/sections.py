"""Which headings a report has and which section each block stands in: from outline, table of contents, numbering and look."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fingen.documents.contents import (
    CLOSING,
    EXHIBIT,
    LONG,
    WIDE,
    Outline,
    clean_outline,
    contents_pages,
    depth_of,
    is_chapter,
    is_statement,
    listed_titles,
    page_offset,
    running_titles,
)
from fingen.documents.headings import (
    ITEM,
    NOTE,
    PART,
    UNNUMBERED,
    Numbering,
    begins_sentence,
    fold,
    is_title,
    look,
    may_head,
    numbering,
    stands_out,
)
from fingen.documents.shapes import PageBlock, Rule
from fingen.text import ends_sentence, is_cjk

# Levels: an outline's are 10, 20, ...; what stands between two of them is between them.
STEP = 10
EXHIBIT_LEVEL, AFTER_ITEMS = 3, 5  # exhibits, and chapters after the last item: they stand in no part
MOST_TEXT = 0.5  # of a report; a line that would head more of it by its look alone heads nothing
OFTEN = 3  # times; a look that is rarer is no level of its own
LARGE = 1.6  # times the running text: as large as a title may be set
DISPLAY = 1.2  # times the largest heading: a rare line larger than that is a slogan

Look = tuple[float, ...]
_ANNOUNCES = re.compile(r"\b(?:following|below|as follows|tables?)\b|下表|如下|以下", re.IGNORECASE)


class Opening(NamedTuple):
    """The place where a section begins: at a block, as a rule its heading. What is open at its level or below ends there."""

    at: int
    level: int
    title: str


@dataclass(slots=True)
class _Heading:
    """A line that heads a section. Without a `level` it has one by its look among the others'."""

    block: PageBlock
    at: int
    way: Numbering
    level: int = 0
    look: Look | None = None
    starts: int = 3  # how high it stands for cutting chunks: 1 always starts one
    is_chapter: bool = False


@dataclass(slots=True)
class _Report:
    """What is known of a report's chapters before its headings are looked at."""

    outline: Outline
    pages: int
    listing: set[int]
    listed: dict[str, int]  # titles of the printed table of contents -> page
    ink: int = 0  # the color of running text
    offset: int | None = None  # of the pages that it gives
    depth: int = 0
    levels: dict[str, int] = field(default_factory=dict)  # way of numbering -> level
    chapter: int = STEP
    lowest: int = 0  # the level of headings known by their look begins below it
    by_page: dict[int, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))


def find_sections(
    blocks: list[PageBlock],
    outline: Outline,
    *,
    body: float,
    across: Mapping[int, list[Rule]],
    furniture: Mapping[int, list[str]],
    pages: int,
) -> list[Opening]:
    """Turn paragraphs that head a section into headings, and say where sections begin.

    `body` is the size of running text, `across` each page's rules, `furniture` what was taken out of its margins.
    """
    listing = contents_pages(blocks) if pages else set()  # without pages nothing says where a list ends
    report = _Report(clean_outline(outline, pages), pages, listing, listed_titles(blocks, listing), _ink(blocks))
    stamps, usual = _stamps(blocks, pages), _usual_sizes(blocks)
    candidates = [
        at
        for at, block in enumerate(blocks)
        if block.kind == "paragraph"
        and may_head(block)
        and block.size > 0.92 * min(body, usual.get(block.page, body))  # smaller print is a footnote, or a table's
        and not (fold(block.text) in stamps or _is_listed(block, report))
    ]
    _weigh(report, blocks, candidates)
    headings = _headings(blocks, candidates, report, body, across)
    running = running_titles(furniture, report.listed.keys() | {fold(title) for _, title, _ in report.outline}, pages)
    while True:
        openings, owners = _open(blocks, headings, report, running)
        too_wide = _widest(blocks, openings, owners) if pages >= LONG else None
        if too_wide is None:
            break
        headings.remove(too_wide)
    for heading in headings:
        heading.block.kind, heading.block.level = "heading", heading.starts
    return openings


def section_paths(blocks: list[PageBlock], openings: list[Opening]) -> list[tuple[str, ...]]:
    """The section path of every block, headings included (a heading ends its own path)."""
    stack: list[Opening] = []
    paths: list[tuple[str, ...]] = []
    waiting = iter(openings)
    following = next(waiting, None)
    for at in range(len(blocks)):
        while following is not None and following.at <= at:
            _push(stack, following)
            following = next(waiting, None)
        paths.append(tuple(opening.title for opening in stack))
    return paths


def _push(stack: list[Opening], opening: Opening) -> None:
    while stack and stack[-1].level >= opening.level:
        stack.pop()
    stack.append(opening)


# --- what is no heading ------------------------------------------------------------------------------------------------


def _stamps(blocks: list[PageBlock], pages: int) -> set[str]:
    """Lines, folded, that stand at the same place all through the report: its name, a stamp, a menu."""
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for block in blocks:
        if block.kind == "paragraph" and len(block.text) < 120:
            places[block.text, round(block.box[1] / 12)].append(block.page)
    return {
        fold(text)
        for (text, _), found in places.items()
        if len(found) >= max(OFTEN + 1, 0.2 * pages) and found[-1] - found[0] > WIDE * pages
    }


def _usual_sizes(blocks: list[PageBlock]) -> dict[int, float]:
    """The size of each page's running text."""
    sizes: dict[int, Counter[float]] = defaultdict(Counter)
    for block in blocks:
        if block.kind == "paragraph":
            sizes[block.page][block.size] += len(block.text)
    return {page: counts.most_common(1)[0][0] for page, counts in sizes.items()}


def _ink(blocks: list[PageBlock]) -> int:
    """The color of running text."""
    colors: Counter[int] = Counter()
    for block in blocks:
        if block.kind == "paragraph":
            colors[block.color] += len(block.text)
    return colors.most_common(1)[0][0] if colors else 0


def _is_listed(block: PageBlock, report: _Report) -> bool:
    """Whether a line stands in a table of contents: it names a section and heads none."""
    if block.page not in report.listing:
        return fold(block.text) in {"tableofcontents", "contents", "目录", "目錄"}
    return fold(block.text) in report.listed or numbering(block.text).name in (PART, ITEM) or len(fold(block.text)) < 16


# --- which lines are headings ------------------------------------------------------------------------------------------


def _weigh(report: _Report, blocks: list[PageBlock], candidates: list[int]) -> None:
    """Settle by what the report's levels are told: the outline, or the pages where the outline says less than they."""
    texts = {fold(blocks[at].text) for at in candidates}
    if depth_of(report.outline) < 2 and len(report.listed.keys() & texts) > len(report.outline):
        report.outline = []
    places = [(blocks[at].page, report.listed.get(fold(blocks[at].text), 0)) for at in candidates]
    report.offset = page_offset([place for place in places if place[1]])
    ways = Counter(numbering(blocks[at].text).name for at in candidates)
    report.depth = depth_of(report.outline)
    for level, title, page in report.outline:
        report.by_page[page].append((fold(title), level))
    in_outline: dict[str, Counter[int]] = defaultdict(Counter)
    if report.depth:
        for level, title, _ in report.outline:
            in_outline[numbering(title).name][STEP * level] += 1
    report.levels = {name: counts.most_common(1)[0][0] for name, counts in in_outline.items() if name}
    has_items = ways[PART] + ways[ITEM] >= OFTEN
    below = STEP * report.depth
    report.levels.setdefault(ITEM, below + 2 if report.depth else 2 * STEP)
    report.levels.setdefault(PART, report.levels[ITEM] - (1 if report.depth and ITEM not in in_outline else STEP // 2))
    if has_items or ITEM in in_outline:
        report.chapter = report.levels[ITEM] + 4
    elif report.depth:
        report.chapter = STEP * min(report.depth, 2) + (4 if report.depth > 1 else 0)
    report.lowest = max(report.chapter, report.levels[ITEM] if has_items else 0, below)
    report.levels.setdefault("article", report.lowest + 2)
    report.levels.setdefault(NOTE, report.lowest + 4)
    report.lowest += STEP


def _headings(
    blocks: list[PageBlock], candidates: list[int], report: _Report, body: float, across: Mapping[int, list[Rule]]
) -> list[_Heading]:
    running_on = begins_sentence(blocks)
    headings = []
    fresh = _first_lines(blocks)
    for at in candidates:
        block = blocks[at]
        heading = _Heading(block, at, numbering(block.text))
        if _is_known(heading, report, body, first=id(block) in fresh):
            headings.append(heading)
            continue
        heading.look = heading.look or look(block, body, across.get(block.page, []))
        if heading.way is not UNNUMBERED and _has_numbered_title(block, heading.way, body):
            heading.look = heading.look or (round(block.size * 2) / 2, 0.0, 0.0, 1.0)
        elif heading.way is not UNNUMBERED and not block.bold:
            heading.way = UNNUMBERED
        if heading.look and id(block) not in running_on and not (heading.way is UNNUMBERED and _is_caption(blocks, at)):
            headings.append(heading)
    return _ranked(headings, report, body)


def _is_caption(blocks: list[PageBlock], at: int) -> bool:
    """Whether a line names the table after it, which a sentence before it announces, or the table before goes on."""
    before, after = blocks[max(at - 1, 0)], blocks[min(at + 1, len(blocks) - 1)]
    if len(after.text) < 60 and after.kind == "paragraph" and at + 2 < len(blocks):  # a caption of two lines
        after = blocks[at + 2]
    if after.kind != "table" or not before.page == after.page == blocks[at].page:
        return False
    return before.kind == "table" or before.text[-1:] in ":：" or _ANNOUNCES.search(before.text) is not None


def _first_lines(blocks: list[PageBlock]) -> set[int]:
    """Ids of the blocks on each page before its first table or long paragraph."""
    first: set[int] = set()
    over = 0
    for block in blocks:
        if block.page == over:
            continue
        if block.kind == "table" or len(block.text) > 160:
            over = block.page
        else:
            first.add(id(block))
    return first


def _has_numbered_title(block: PageBlock, way: Numbering, body: float) -> bool:
    if block.size <= 0.95 * body:  # smaller print is a footnote
        return False
    bare = way.name == "1." and block.text[:3].strip().isdecimal()  # a number without a dot
    return block.bold if bare or way.name == "A1." else is_title(block)


def _is_known(heading: _Heading, report: _Report, body: float, *, first: bool) -> bool:
    """Give a heading its level where outline, numbering or its name say it."""
    block, way = heading.block, heading.way
    folded = fold(block.text)
    level = _outline_level(folded, report.by_page.get(block.page, []))
    if level and report.depth:
        heading.level, heading.starts = STEP * level, level
        heading.is_chapter = is_chapter(block.text)
        return True
    if way.name in (PART, ITEM) and block.size > 0.95 * body:
        heading.level, heading.starts = report.levels[way.name], 1 if way.name == PART else 2
        return True
    if _is_chapter(block, folded, report, body, first=first):
        heading.level, heading.starts, heading.is_chapter = report.chapter, 1, True
        return True
    if way.name in (NOTE, "article") and (level or is_title(block)) and block.size > 0.95 * body:
        heading.level = report.levels[way.name]
        return True
    if level and (way is UNNUMBERED or _has_numbered_title(block, way, body)):  # a title of a flat outline
        heading.look = (round(block.size * 2) / 2, 1.0, 0.0, 1.0)
    return False


def _is_chapter(block: PageBlock, folded: str, report: _Report, body: float, *, first: bool) -> bool:
    prominent = block.bold or block.size > 1.08 * body or block.text.isupper()
    if folded in report.listed and numbering(block.text) is UNNUMBERED:
        listed = report.listed[folded]
        there = report.offset is None or not listed or abs(block.page - listed - report.offset) <= 1
        return there and (first or prominent)
    return (prominent and is_chapter(block.text)) or (
        first and ((prominent and is_statement(block.text)) or EXHIBIT.fullmatch(block.text) is not None)
    )


def _outline_level(text: str, titles: list[tuple[str, int]]) -> int:
    for title, level in titles:
        if title and (text == title or (len(title) > 3 and text.startswith(title) and len(text) < len(title) + 12)):
            return level
    return 0


# --- levels by look ----------------------------------------------------------------------------------------------------


def _key(heading: _Heading, body: float, ink: int) -> tuple[float, ...]:
    """Sorts headings without a known level: the more prominent, the earlier; numbering orders those that look alike.

    Of two that differ in nothing else, the one in a color of its own stands above the one in the color of the text.
    Chinese reports order by numbering alone: their sizes vary where the level does not.
    """
    size, bold, capitals, upright = heading.look or (0.0, 0.0, 0.0, 0.0)
    if is_cjk(heading.block.text[-1]) or is_cjk(heading.block.text[0]):
        size = size if size > 1.25 * body and heading.way is UNNUMBERED else 0.0
    if heading.way is UNNUMBERED:
        tells = float(
            ends_sentence(heading.block.text) and len(heading.block.text.split()) > 6
        )  # a sentence stands below a title that looks like it
        colored = float(stands_out(heading.block.color, ink))
        return (-size, -bold, heading.way.rank + 0.5, tells, -capitals, -upright, -colored)
    return (-size, -bold, heading.way.rank, 0.0, 0.0, 0.0, 0.0)


def _ranked(headings: list[_Heading], report: _Report, body: float) -> list[_Heading]:
    """The headings, each with its level. What is set once or twice, or only on the title page, makes no level."""
    looks = [heading for heading in headings if not heading.level]
    keys = {id(heading): _key(heading, body, report.ink) for heading in looks}
    often = Counter(keys.values())
    inside = {keys[id(heading)] for heading in looks if heading.block.page != 1}
    ranks = sorted(key for key in inside if often[key] >= OFTEN)
    titles = sorted(heading.block.size for heading in headings if heading.is_chapter)
    of_chapters = max(titles[len(titles) // 2], 1.15 * body) if titles else 999.0
    largest = max([LARGE * body, -ranks[0][0] if ranks else 0.0, *(h.block.size for h in headings if h.level)])
    kept = []
    for heading in headings:
        if not heading.level:
            key = keys[id(heading)]
            if often[key] < OFTEN and -key[0] > DISPLAY * largest:
                continue
            if heading.way is UNNUMBERED and -key[0] >= 0.98 * of_chapters and often[key] >= 2:
                heading.level, heading.starts = report.chapter, 2
            else:
                heading.level = report.lowest + bisect_left(ranks, key)
        kept.append(heading)
    return kept


# --- where sections begin ----------------------------------------------------------------------------------------------


def _open(
    blocks: list[PageBlock], headings: list[_Heading], report: _Report, running: Mapping[int, str]
) -> tuple[list[Opening], list[_Heading | None]]:
    """The openings in order, and for each the heading that it comes from by its look alone."""
    state = _State(report)
    at_block = {heading.at: heading for heading in headings}
    on_page: dict[int, set[str]] = defaultdict(set)
    for heading in headings:
        on_page[heading.block.page].add(fold(heading.block.text))
    page = 0
    for at, block in enumerate(blocks):
        if block.page != page:
            state.enter(at, range(page + 1, block.page + 1), on_page, running)
            page = block.page
        if at in at_block:
            state.head(at_block[at])
        elif block.kind == "table" and (title := _titled(block)):
            state.note(at, title)
        elif len(block.text) > 60 or block.kind == "table":
            state.at_top = False
    return state.openings, state.owners


@dataclass(slots=True)
class _State:
    """What is open while the pages are gone through."""

    report: _Report
    openings: list[Opening] = field(default_factory=list)
    owners: list[_Heading | None] = field(default_factory=list)
    stack: list[Opening] = field(default_factory=list)
    at_top: bool = True  # nothing but headings yet on this page
    begun: int = 0  # the first block of the page
    seen_items: bool = False
    is_ending: bool = False  # the last item is open, or what comes after it

    def enter(self, at: int, pages: range, on_page: Mapping[int, set[str]], running: Mapping[int, str]) -> None:
        """Begin a page: open what only the outline or the margin says of it, and of pages without text before it."""
        self.at_top, self.begun = True, at
        here = on_page.get(pages[-1], set())
        for page in pages if self.report.depth else ():
            for title, level in self.report.by_page.get(page, []):
                if title not in here and level <= 2:
                    self._add(at, STEP * level, self._printed(title, page))
        running_title = running.get(pages[-1], "")
        if not running_title or fold(running_title) in here or self._is_open(fold(running_title)):
            return
        if EXHIBIT.fullmatch(running_title):
            self._exhibit(at, running_title)
        elif not self.report.depth or fold(running_title) not in {fold(title) for _, title, _ in self.report.outline}:
            self._chapter(at, running_title)

    def _printed(self, folded: str, page: int) -> str:
        return next(title for _, title, at in self.report.outline if at == page and fold(title) == folded)

    def _is_open(self, folded: str) -> bool:
        return any(fold(opening.title) == folded for opening in self.stack)

    def head(self, heading: _Heading) -> None:
        """Open the section of a heading, unless it only says on a later page that it goes on."""
        title, folded = heading.block.text, fold(heading.block.text)
        for opening in self.stack:
            if fold(opening.title) == folded:
                if self.at_top and opening.at < self.begun:
                    return
                self._add(heading.at, opening.level, title)
                return
        if EXHIBIT.fullmatch(title) and heading.is_chapter:
            self._exhibit(heading.at, title)
        elif heading.is_chapter:
            self._chapter(heading.at, title)
        else:
            level = heading.level
            if heading.way.name in (PART, ITEM):
                self.seen_items = True
                self.is_ending = CLOSING.match(title) is not None and heading.way.name != PART
            elif self.seen_items and CLOSING.match(title):
                self.is_ending, level = True, min(level, self.report.levels[ITEM])
            self._add(heading.at, level, title, None if heading.look is None else heading)

    def note(self, at: int, title: str) -> None:
        """Open the note that begins with a table."""
        self.at_top = False
        if not self._is_open(fold(title)):
            self._add(at, self.report.levels[NOTE], title)

    def _chapter(self, at: int, title: str) -> None:
        level = self._outside(AFTER_ITEMS) if self.is_ending and self.seen_items else self.report.chapter
        self._add(at, level, title)

    def _exhibit(self, at: int, title: str) -> None:
        if self.seen_items:  # a release alone is an exhibit too, of a filing that is not there
            self.is_ending = True
            self._add(at, self._outside(EXHIBIT_LEVEL), title)

    def _outside(self, level: int) -> int:
        """The level of what stands in no part: an outline's highest, where there is one."""
        return STEP if self.report.depth else level

    def _add(self, at: int, level: int, title: str, owner: _Heading | None = None) -> None:
        opening = Opening(at, level, title)
        _push(self.stack, opening)
        self.openings.append(opening)
        self.owners.append(owner)


def _titled(table: PageBlock) -> str:
    """The note that a table's first line is the title of."""
    title = table.rows[0].cells[0] if table.rows and table.rows[0].cells else ""
    return title if numbering(title).name == NOTE and 8 < len(title) < 120 else ""


def _widest(blocks: list[PageBlock], openings: list[Opening], owners: list[_Heading | None]) -> _Heading | None:
    """A heading by look alone under which more of the report would stand than can be."""
    sizes = [len(block.text) + sum(map(len, (cell for row in block.rows for cell in row.cells))) for block in blocks]
    total = sum(sizes)
    before = [0]
    for size in sizes:
        before.append(before[-1] + size)
    for index, (opening, owner) in enumerate(zip(openings, owners, strict=True)):
        if owner is None:
            continue
        end = next((other.at for other in openings[index + 1 :] if other.level <= opening.level), len(blocks))
        if before[end] - before[opening.at] > MOST_TEXT * total:
            return owner
    return None
