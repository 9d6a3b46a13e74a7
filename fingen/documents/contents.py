"""What says which chapters a report has: the file's outline, the printed table of contents, running titles, the trade's names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from fingen.documents.headings import ITEM, NUMBERINGS, PART, fold
from fingen.documents.shapes import PageBlock

Outline = list[tuple[int, str, int]]  # level, title, page

FLAT = 20  # entries; an outline this long on one level says what is a heading, not where it belongs
WIDE = 0.7  # of the pages; what holds more of them tells no passage from another
LONG = 10  # pages; in a shorter document one section may hold most of it
_CONTENTS = frozenset({"tableofcontents", "contents", "index", "目录", "目錄"})
_ENTRY = re.compile(
    r"(?:(?P<before>\d{1,3})[\s|]+)?(?P<title>.*?[^\W\d_].*?)[\s.…·|]*(?P<after>(?<=[\s.…·|])(?:F-)?\d{1,3})?"
)
_JUNK = re.compile(
    r".*\.(?:pdf|docx?|xlsx?|pptx?|indd|html?)\b.*|_?(?:OLE_LINK|Hlk|Toc|Ref|bookmark)_?\d*|(?:blank )?pages? ?\d*|blank|"
    r"(?:table of )?contents|(?:front |back |inside |edgar )*cover(?: page)?|home|bookmark.*|untitled.*|slide ?\d+|"
    r"封面|內封面|封底|目录|目錄|空白页?",
    re.IGNORECASE,
)
# Chapters that every report of the trade has under these names, whatever stands before them.
_CHAPTER = re.compile(
    r"(?:the )?(?:independent (?:registered public accounting firm|auditor)[s’']*(?:’s)? report|"
    r"reports? of (?:the )?independent (?:registered public accounting firms?|auditors?|accountants))\b.{0,60}|"
    r"(?:selected |condensed )?notes to (?:the )?(?:\w+ ){0,3}(?:financial statements?|accounts)\b.{0,30}|"
    r"united states(?: securities and exchange commission)?|securities and exchange commission|form (?:10-[kq]|20-f|40-f|8-k)(?:/a)?|"
    r"exhibits? index|index (?:to|of) exhibits|"
    r"index to (?:\w+ ){0,2}financial statements?.{0,40}|"
    r"(?:审计报告|審計報告|獨立核數師報告|财务报表附注|財務報表附註|綜合財務報表附註|合并财务报表附注).{0,4}",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"(?:the )?(?:\w+ )?(?:(?:consolidated|company|group|parent|combined|condensed|separate) ?){0,3}"
    r"(?:statements? of |balance sheets?\b|income statements?\b|cash flow statements?\b|profit and loss accounts?\b).{0,90}",
    re.IGNORECASE,
)
EXHIBIT = re.compile(r"(?:EXHIBIT|Exhibit|EX)[\s-]\s?\d{1,3}(?:\.\d{1,3})?[A-Za-z]?(?:\s*[.:–—-]?\s.{0,60})?")
CLOSING = re.compile(
    r"Item\s?(?:1[5-9])\b|signatures?$|签字|(?:exhibits? index|index (?:to|of) exhibits).*", re.IGNORECASE
)


def is_chapter(text: str) -> bool:
    """Whether a title is one that the trade gives to a chapter of its own: the notes, the auditor's report, an index."""
    return _CHAPTER.fullmatch(text.strip(" .")) is not None


def is_statement(text: str) -> bool:
    """Whether a title is a financial statement's."""
    return _STATEMENT.fullmatch(text) is not None


def clean_outline(outline: Outline, pages: int) -> Outline:
    """The outline without entries that name no section (files, links, blank pages) or hold nearly all pages; their children move up."""
    kept: Outline = []
    for level, title, page in outline:
        if (
            fold(title)
            and 0 < page <= pages
            and not (kept and (level, fold(title)) == (kept[-1][0], fold(kept[-1][1])))
        ):
            kept.append((level, title, page))  # once for the pages on which it is said to be continued
    while True:
        drop = next((index for index in range(len(kept)) if _is_no_section(kept, index, pages)), None)
        if drop is None:
            break
        kept = _without(kept, drop)
    steps = sorted({level for level, _, _ in kept})
    return [(steps.index(level) + 1, title, page) for level, title, page in kept]


def _is_no_section(outline: Outline, index: int, pages: int) -> bool:
    level, title, page = outline[index]
    if _JUNK.fullmatch(title.strip()):
        return True
    after = outline[index + 1 :]
    end = next((start for other, _, start in after if other <= level), pages + 1)
    has_children = bool(after) and after[0][0] > level
    return (
        pages >= LONG
        and end - page > WIDE * pages
        and (has_children or len(outline) > 1)
        and level == min(e[0] for e in outline)
    )


def _without(outline: Outline, index: int) -> Outline:
    level = outline[index][0]
    result = outline[:index]
    inside = True
    for entry in outline[index + 1 :]:
        inside = inside and entry[0] > level
        result.append((entry[0] - 1, *entry[1:]) if inside else entry)
    return result


def depth_of(outline: Outline) -> int:
    """Levels of an outline that has an order; 0 for none and for one that lists hundreds of titles on one level."""
    levels = {level for level, _, _ in outline}
    return 0 if len(levels) == 1 and len(outline) > FLAT else max(levels, default=0)


def contents_pages(blocks: list[PageBlock]) -> set[int]:
    """Pages that list the report's chapters, parts or items: titles there head nothing."""
    named = {block.page for block in blocks for line in _lines(block) if len(line) < 20 and fold(line) in _CONTENTS}
    entries: Counter[int] = Counter()
    for block in blocks:
        if block.page in named:
            entries[block.page] += sum(_entry(line) is not None or _is_item(line) for line in _lines(block))
    return {page for page in named if entries[page] >= 5}


def _lines(block: PageBlock) -> list[str]:
    if block.kind != "table":
        return [block.text]
    return [" | ".join(filter(None, row.cells)) for row in block.rows]


def _is_item(line: str) -> bool:
    return any(way.pattern.match(line) for way in NUMBERINGS if way.name in (PART, ITEM))


def _entry(line: str) -> tuple[str, int] | None:
    """The title of a line of a table of contents, and its page number; 0 where that is no plain number."""
    match = _ENTRY.fullmatch(line.strip())
    if match is None or not (match["before"] or match["after"]):
        return None
    number = match["after"] or match["before"]
    return match["title"].replace(" | ", " ").strip(), int(number) if number.isdecimal() else 0


def listed_titles(blocks: list[PageBlock], pages: set[int]) -> dict[str, int]:
    """The titles, folded, that the printed table of contents gives, with the pages that it gives for them."""
    titles: dict[str, int] = {}
    for block in blocks:
        for line in _lines(block) if block.page in pages else ():
            entry = _entry(line)
            if entry and 3 < len(entry[0]) < 120:
                titles.setdefault(fold(entry[0]), entry[1])
    return titles


def page_offset(found: list[tuple[int, int]]) -> int | None:
    """By how much the pages where titles stand and those that the table of contents gives differ; None where that varies."""
    steps = Counter(page - listed for page, listed in found if listed)
    step, count = steps.most_common(1)[0] if steps else (0, 0)
    return step if count >= 3 and 2 * count >= len({listed for _, listed in found}) else None


def running_titles(
    taken: Mapping[int, list[str]], known: Iterable[str], pages: int
) -> dict[int, str]:  # fmt: skip
    """The title of the section that each page names in its margin; `known` are titles, folded, that the report has elsewhere."""
    known = set(known)
    standing: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for page, lines in sorted(taken.items()):
        for line in lines:
            title = line if EXHIBIT.fullmatch(line) else re.sub(r"^[\d\s|•–—-]+|[\s|•–—-]+\d*$", "", line)
            folded = fold(title)
            if len(folded) > 4 and (folded in known or is_chapter(title) or EXHIBIT.fullmatch(line)):
                standing[folded].append((page, title, line))
    result: dict[int, str] = {}
    for found in standing.values():
        menu = len(found) >= 3 and all(line[0].isdecimal() and line == found[0][2] for _, _, line in found)
        if found[-1][0] - found[0][0] < WIDE * pages and not menu:
            for page, title, _ in found:
                result.setdefault(page, title)
    for page in sorted(result):  # the page on which a section begins has its title in another place
        if page > 3 and page - 1 not in result and result.get(page - 2) != result[page]:
            result[page - 1] = result[page]
    return result
