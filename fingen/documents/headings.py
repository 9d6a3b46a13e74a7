"""Lines that may head a section: what rules a line out, how it is numbered, and how prominent it looks."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from fingen.documents.shapes import PageBlock, Rule
from fingen.documents.tables import is_unit_line
from fingen.text import ends_sentence, has_leaders, is_amount, is_cjk

_FOLD = re.compile(r"[\W_]+")
_CONTINUED = re.compile(r"[\s,–—-]*[(（\[]?\b(?:continued|cont[’']?d|cont)\b\.?[)）\]]?|[(（]续[)）]", re.IGNORECASE)
_TWO_SENTENCES = re.compile(r"[a-z]{4,}[.;] [A-Z]|。.")
_CHECKBOX = re.compile(r"[□√☑✓].{0,3}(?:不?适用|是|否)")
_LONGEST_LATIN, _LONGEST_CJK, _LONGEST_NUMBERED_CJK = 160, 45, 32
_LONGEST_BOLD = 400  # a risk is headed by a sentence that tells it
_WORD = re.compile(r"[^\W\d_]+")
# What a line says of a date or a period, and nothing else: it stands below a title, or above a column.
_OF_TIME = frozenset(
    "the for as at of on in to and from year years ended ending period periods quarter quarters month months week weeks "
    "fiscal financial transition half six nine three twelve january february march april may june july august september october "
    "november december jan feb mar apr jun jul aug sep sept oct nov dec first second third fourth fy st nd rd th".split()
)
_OF_TIME_CJK = re.compile(r"[\d\s年月日度至—–-]*(?:年|月|日|年度)")
# A figure at the beginning that numbers no section and is no year: a tile such as "£19.4m proceeds", "488 jobs created".
_FIGURE = re.compile(
    r"[£$€¥+–—-]\s?\d|\d+(?:[.,]\d+)*(?:%|[a-z]|[A-Z][a-z])|\d{3}(?!\d)|(?!(?:19|20)\d\d\D)\d{4,}|\d{1,2},\d{3}"
)
_CAPTION = re.compile(
    r"(?:fig(?:ure|\.)?|chart|graph|图表?|表|圖|附圖|note:|source:|资料来源|資料來源|数据来源|注[:：])\s?\d*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"www\.|https?:|@\w+\.", re.IGNORECASE)


VIVID = 64  # levels of 255 that the parts of a color differ by where it is no gray
_DECIMAL = re.compile(r"\d{1,2}\.\d{1,2}")


class Numbering(NamedTuple):
    """A way to number titles. `rank` orders the ways that are nested in each other."""

    name: str
    pattern: re.Pattern[str]
    rank: int


PART, ITEM, NOTE = "part", "item", "note"
NUMBERINGS = (
    Numbering(PART, re.compile(r"第[一二三四五六七八九十\d]{1,3}[节章節]|PART\s[IVX]{1,4}\b", re.IGNORECASE), 0),
    Numbering(ITEM, re.compile(r"Item\s?\d{1,2}[A-K]?(?:\s?[.:–—-]|\s+(?=[A-Z]))|[一二三四五六七八九十]{1,3}、", re.IGNORECASE), 1),
    Numbering("article", re.compile(r"ARTICLE\s(?:[IVX]{1,6}|\d{1,2})\b"), 2),
    Numbering(NOTE, re.compile(r"Note\s*\d{1,2}\b(?!\.?\d)", re.IGNORECASE), 3),
    Numbering("（一）", re.compile(r"[（(][一二三四五六七八九十]{1,3}[)）]"), 3),
    Numbering("1.", re.compile(r"\d{1,2}\s?[、.．](?!\d)|\d{1,2}\s+(?=[A-Z])"), 4),
    Numbering("A1.", re.compile(r"[A-Z]\d{1,2}\.(?!\d)"), 4),
    Numbering("1.1", re.compile(r"\d{1,2}\.\d{1,2}\.?(?![.\d%])"), 5),
    Numbering("(1)", re.compile(r"[（(]\d{1,2}[)）]"), 6),
    Numbering("1.1.1", re.compile(r"\d{1,2}\.\d{1,2}\.\d{1,2}\.?(?![.\d])"), 7),
)  # fmt: skip
UNNUMBERED = Numbering("", re.compile(""), 5)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """A title for comparing: letters and digits alone, without a word that says it is continued."""
    text = text.casefold()
    if "cont" in text or "续" in text:
        text = _CONTINUED.sub("", text)
    return _FOLD.sub("", text)


def is_continued(text: str) -> bool:
    """Whether a title says that it goes on from a page before."""
    return _CONTINUED.search(text) is not None


@lru_cache(maxsize=4096)
def numbering(text: str) -> Numbering:
    """How a title is numbered; the chapters of Chinese reports are parts, their 一、 are items."""
    return next((way for way in NUMBERINGS if way.pattern.match(text)), UNNUMBERED)


def may_head(block: PageBlock) -> bool:
    """Whether a paragraph could be a title, by its text alone."""
    text = block.text
    if len(text) > _LONGEST_BOLD:
        return False
    cjk = any(is_cjk(char) for char in text[:12])
    longest = _LONGEST_CJK if cjk else _LONGEST_BOLD if block.bold else _LONGEST_LATIN
    if not 2 <= len(text) <= longest or text[-1] in "。；，,;、":
        return False
    if (
        _TWO_SENTENCES.search(text)
        or (text[-1] == "." and len(text.split()) > 14 and not block.bold)
        or has_leaders(text)
    ):
        return False
    return not (is_amount(text) or is_unit_line(text) or _CHECKBOX.search(text) or _names_nothing(text))


def _names_nothing(text: str) -> bool:
    """Whether a line holds a date, a figure, a caption or an address rather than a title."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if sum(map(len, words)) < (2 if is_cjk(text[0]) or is_cjk(text[-1]) else 3):
        return True
    if sum(map(len, words)) < sum(map(str.isdecimal, text)):
        return True
    if all(word in _OF_TIME for word in words) or _OF_TIME_CJK.fullmatch(text):
        return True
    return any(pattern.match(text) for pattern in (_FIGURE, _CAPTION)) or _ADDRESS.search(text) is not None


def is_title(block: PageBlock) -> bool:
    """Whether a numbered line is a title rather than an item of a list: short, no clauses, or set in bold."""
    text = block.text
    if block.bold:
        return True
    if is_cjk(text[-1]):
        return len(text) <= _LONGEST_NUMBERED_CJK and not re.search(r"[，。；：]", text)
    capitals = sum(word[:1].isupper() for word in text.split())
    return len(text.split()) <= 9 and not ends_sentence(text) and capitals >= (1 if _DECIMAL.match(text) else 2)


def look(block: PageBlock, body: float, rules: list[Rule]) -> tuple[float, ...] | None:
    """How prominent a line looks: (size, bold, capitals, upright), or None for plain text."""
    text = block.text
    if (ends_sentence(text) and not block.bold) or text[-1] in ":：" or len(text) < 3:
        return None
    words = text.split()
    if text[:1].islower() or text[0] in "•●▪■–—-*([$“" or (len(words) > 25 and not (block.bold or is_cjk(text[0]))):
        return None
    size = round(block.size * 2) / 2
    larger = block.size > 1.08 * body
    if not (larger or block.bold or (block.italic and len(words) < 14) or _underlined(block, rules)):
        return None
    return (size, float(block.bold), float(text.isupper()), float(not block.italic))


def stands_out(color: int, ink: int) -> bool:
    """Whether a color is one, and not a gray, and another than that of running text."""
    red, green, blue = channels = [color >> 16 & 255, color >> 8 & 255, color & 255]
    apart = max(abs(red - (ink >> 16 & 255)), abs(green - (ink >> 8 & 255)), abs(blue - (ink & 255)))
    return max(channels) - min(channels) > VIVID and apart > VIVID


def _underlined(block: PageBlock, rules: list[Rule]) -> bool:
    x0, _, x1, y1 = block.box
    width = x1 - x0
    return any(
        abs(rule.at - y1) < 3 and abs(rule.start - x0) < 4 and 0.8 * width < rule.end - rule.start < 1.1 * width
        for rule in rules
    )


def begins_sentence(blocks: list[PageBlock]) -> set[int]:
    """Ids of lines that begin a paragraph which goes on, on the next page or in the next column."""
    return {id(block) for block, after in pairwise(blocks) if _runs_on(block, after)}


def _runs_on(block: PageBlock, after: PageBlock) -> bool:
    if not block.open_end or after.kind != "paragraph":
        return False
    return abs(after.size - block.size) < 0.5 and after.bold == block.bold and after.box[1] < block.box[1]
