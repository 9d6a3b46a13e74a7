"""Headings and the section path that they make: from the document's own outline, else from numbering, size and weight."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

from fingen.documents.shapes import PageBlock, Rule
from fingen.documents.tables import is_unit_line
from fingen.text import ends_sentence, has_leaders, is_amount, is_cjk

_FOLD = re.compile(r"[\W_]+")
_NUMBERED: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"第[一二三四五六七八九十\d]{1,3}[节章]"), 1),
    (re.compile(r"PART\s[IVX]{1,4}\b", re.IGNORECASE), 1),
    (re.compile(r"Item\s?\d{1,2}[A-C]?\.", re.IGNORECASE), 2),
    (re.compile(r"[一二三四五六七八九十]{1,3}、"), 2),
    (re.compile(r"Note\s\d{1,2}\b", re.IGNORECASE), 3),
    (re.compile(r"[（(][一二三四五六七八九十]{1,3}[)）]"), 3),
    (re.compile(r"\d{1,2}[、.．](?!\d)"), 4),
    (re.compile(r"[（(]\d{1,2}[)）]"), 5),
)
_ITEM = re.compile(r"(?:PART\s[IVX]{1,4}|Item\s?\d{1,2}[A-C]?\.?|第[一二三四五六七八九十]{1,3}[节章])", re.IGNORECASE)
_CONTENTS = frozenset({"tableofcontents", "contents", "index", "目录"})
_STYLE_BASE = 3  # headings known by their look alone come below PART and Item
_UNNUMBERED = 6  # a title of the outline without a number in a flat outline
FLAT = 20  # entries; an outline this long on one level says what is a heading, not where it belongs
_TWO_SENTENCES = re.compile(r"[a-z]{4,}[.;] [A-Z]|。.")
_CHECKBOX = re.compile(r"[□√☑✓].{0,3}(?:不?适用|是|否)")
_LONGEST_LATIN, _LONGEST_CJK, _LONGEST_NUMBERED_CJK = 160, 45, 32
Outline = list[tuple[int, str, int]]  # level, title, page


def mark_headings(blocks: list[PageBlock], outline: Outline, body: float, across: dict[int, list[Rule]]) -> None:
    """Turn paragraphs that head a section into headings with a level (1 is the highest). `across` has each page's rules."""
    titles: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for level, title, page in outline:
        titles[page].append((_fold(title), level))
    depth = _depth(outline)
    listed = _contents_pages(blocks)
    candidates = [
        block
        for block in blocks
        if block.kind == "paragraph" and _may_head(block) and not (block.page in listed and _ITEM.match(block.text))
    ]
    looks: list[tuple[PageBlock, tuple[float, ...]]] = []
    following = {id(block): after for block, after in pairwise(blocks)}
    for block in candidates:
        level = _outline_level(block, titles[block.page])
        if (depth == 0 or not level) and block.size > 0.95 * body:  # smaller print is a footnote
            level = _numbered_level(block, depth, known=level > 0)
        if level:
            block.kind, block.level = "heading", level
            continue
        look = _look(block, body, across.get(block.page, []))
        if look and not _runs_on(block, following.get(id(block))):
            looks.append((block, look))
    _rank_looks(looks, max(depth, _STYLE_BASE - 1))


def _runs_on(block: PageBlock, after: PageBlock | None) -> bool:
    """Whether a line is the first of a paragraph that goes on, on the next page or in the next column."""
    if after is None or not block.open_end or after.kind != "paragraph":
        return False
    return abs(after.size - block.size) < 0.5 and after.bold == block.bold and after.box[1] < block.box[1]


def _contents_pages(blocks: list[PageBlock]) -> set[int]:
    """Pages that list the report's parts and items: titles there head nothing."""
    named = {block.page for block in blocks for line in _lines(block) if len(line) < 20 and _fold(line) in _CONTENTS}
    listing = [block for block in blocks if block.page in named]
    items = Counter(block.page for block in listing for line in _lines(block) if _ITEM.match(line))
    return {page for page in named if items[page] >= 5}


def _lines(block: PageBlock) -> list[str]:
    return [next(filter(None, row.cells), "") for row in block.rows] if block.kind == "table" else [block.text]


def _may_head(block: PageBlock) -> bool:
    text = block.text
    cjk = any(is_cjk(char) for char in text[:12])
    if not 2 <= len(text) <= (_LONGEST_CJK if cjk else _LONGEST_LATIN) or not any(map(str.isalpha, text)):
        return False
    if (
        text[-1] in "。；，,;、"
        or _TWO_SENTENCES.search(text)
        or (text[-1] == "." and len(text.split()) > 14)
        or has_leaders(text)
    ):
        return False
    return not (is_amount(text) or is_unit_line(text) or _CHECKBOX.search(text))


def _outline_level(block: PageBlock, titles: list[tuple[str, int]]) -> int:
    text = _fold(block.text)
    for title, level in titles:
        if title and (text == title or (len(title) > 3 and text.startswith(title) and len(text) < len(title) + 12)):
            return level
    return 0


def _depth(outline: Outline) -> int:
    """Levels of an outline that has an order; 0 for none and for one that lists hundreds of titles on one level."""
    levels = {level for level, _, _ in outline}
    return 0 if len(levels) == 1 and len(outline) > FLAT else max(levels, default=0)


def _numbered_level(block: PageBlock, depth: int, *, known: bool) -> int:
    """Level by the numbering of a line that is `known` to be a heading, or has to look like one."""
    for pattern, level in _NUMBERED:
        if pattern.match(block.text):
            if level > 2 and not known and not _is_title(block):
                return 0
            return level if depth == 0 else max(level, depth + 1)
    return _UNNUMBERED if known else 0


def _is_title(block: PageBlock) -> bool:
    """Whether a numbered line is a title rather than an item of a list: short, no clauses, or set in bold."""
    text = block.text
    if block.bold:
        return True
    if is_cjk(text[-1]):
        return len(text) <= _LONGEST_NUMBERED_CJK and not re.search(r"[，。；：]", text)
    return len(text.split()) <= 9 and not ends_sentence(text) and sum(w[:1].isupper() for w in text.split()) >= 2


def _look(block: PageBlock, body: float, rules: list[Rule]) -> tuple[float, ...] | None:
    """How prominent a line looks: (size, bold, capitals, upright), or None for plain text."""
    text = block.text
    if (ends_sentence(text) and not block.bold) or text[-1] in ":：" or len(text) < 3:
        return None
    words = text.split()
    if text[:1].islower() or text[0] in "•●▪■–—-*([$“" or (len(words) > 25 and not is_cjk(text[0])):
        return None
    size = round(block.size * 2) / 2
    larger = block.size > 1.08 * body
    if not (larger or block.bold or (block.italic and len(words) < 14) or _underlined(block, rules)):
        return None
    return (size, float(block.bold), float(text.isupper()), float(not block.italic))


def _underlined(block: PageBlock, rules: list[Rule]) -> bool:
    x0, _, x1, y1 = block.box
    width = x1 - x0
    return any(
        abs(rule.at - y1) < 3 and abs(rule.start - x0) < 4 and 0.8 * width < rule.end - rule.start < 1.1 * width
        for rule in rules
    )


def _rank_looks(looks: list[tuple[PageBlock, tuple[float, ...]]], above: int) -> None:
    """Levels by look: the more prominent, the higher. What is set once or twice, or only on the title page, is no level."""
    often = Counter(look for _, look in looks)
    inside = {look for block, look in looks if block.page > 1}
    ranks = sorted((x for x in inside if often[x] >= 3), reverse=True)
    level_of = {look: above + 1 + min(rank, 4) for rank, look in enumerate(ranks)}
    for block, look in looks:
        block.kind, block.level = "heading", level_of.get(look, above + 5)


def _fold(text: str) -> str:
    return _FOLD.sub("", text).casefold()


def section_paths(blocks: list[PageBlock], outline: Outline) -> list[tuple[str, ...]]:
    """The section path of every block, headings included (a heading ends its own path)."""
    outline = outline if _depth(outline) else []
    waiting = sorted(((page, level, title) for level, title, page in outline if level <= 2), key=lambda entry: entry[0])
    stack: list[tuple[int, str]] = []
    paths: list[tuple[str, ...]] = []
    for block in blocks:
        while (
            waiting and waiting[0][0] < block.page
        ):  # an outline entry whose title is not in the text, such as an image
            _, level, title = waiting.pop(0)
            if _fold(title) not in {_fold(name) for _, name in stack}:
                _push(stack, level, title)
        if block.kind == "heading":
            _push(stack, block.level, block.text)
        paths.append(tuple(title for _, title in stack))
    return paths


def _push(stack: list[tuple[int, str]], level: int, title: str) -> None:
    """Open a section. A title that is open already is that section again: pages repeat what the outline names."""
    folded = _fold(title)
    for at, (_, name) in enumerate(stack):
        if _fold(name) == folded:
            del stack[at + 1 :]
            return
    while stack and stack[-1][0] >= level:
        stack.pop()
    stack.append((level, title))
