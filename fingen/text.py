"""Characters and lines: what a script is, how lines are joined, where sentences end, how long a text is in tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from fingen.errors import visible
from fingen.records import Language

LETTER_ONLY = {
    "zh": "请只回答选项字母。",
    "en": "Answer with the letter only.",
}  # below a question with lettered options
CJK = r"\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z]+")
_SPACED_CJK = re.compile(f"(?<=[{CJK}]) +(?=[{CJK}0-9A-Za-z])|(?<=[0-9A-Za-z%]) +(?=[{CJK}])")
_LEADERS = ("....", "……", "····", ". . . . ")  # dots between a title and its page number
_HYPHENS = "-\u2010\u00ad"
_HYPHEN_END = re.compile(r"([A-Za-z]+(?:-[A-Za-z]+)*)[-\u2010\u00ad]$")
_WORD_START = re.compile(r"[a-z]+")
_WORDS = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Inc|Corp|Co|Ltd|L\.P|LLC|No|Nos|vs|Mr|Mrs|Ms|Dr|Jr|Sr|St|approx|etc|e\.g|i\.e|cf|Fig|Sec|Art|Vol|pp|Rev|"
    r"U\.S|U\.K|U\.S\.C|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)|\b[A-Z])\.$"
)
INNER_BAR = "¦"  # a bar that a page has inside a cell, where bars part the cells of a table
UNKNOWN_GLYPH = "\ufffd"  # stands for a glyph that the page shows and no map of its font names
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
# Forms of letters that are printed as the letters are: ligatures, and the radicals that many Chinese fonts name their glyphs by
# (Unicode's compatibility mappings, and the whole characters of its EquivalentUnifiedIdeograph.txt).
_RADICALS = (
    "⺎兀⺒巳⺓幺⺛旡⺜日⺝月⺟母⺠民⺧牛⺩王⺫目⺬示⺮竹⺶羊⺻聿⺼肉⺽臼⻁虎⻄西⻅见⻆角⻉贝⻋车⻑長⻓长⻔门⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻢马⻣骨⻤鬼"
    "⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫斉⻬齐⻭歯⻮齿⻯竜⻰龙⻱龜⻲亀⻳龟⺀冫⺁厂⺄乙⺅亻⺆冂⺈刀⺉刂⺊卜⺌小⺍小⺖忄⺘扌⺙攵⺞歺⺡氵⺣灬⺨犭⺭礻⻂衤⻈讠⻌辶⻐钅⻖阝⻠饣"
)
_COMPATIBLE = (*range(0x2F00, 0x2FD6), *range(0xF900, 0xFADA), *range(0xFB00, 0xFB07))
_FORMS: dict[int, str] = {code: unicodedata.normalize("NFKC", chr(code)) for code in _COMPATIBLE}
_FORMS |= {ord(radical): plain for radical, plain in zip(_RADICALS[::2], _RADICALS[1::2], strict=True)}
# Characters with no ink of their own: control characters, zero-width marks and the byte-order mark.
_INKLESS = [
    *range(0x09),
    *range(0x0E, 0x1C),
    *range(0x7F, 0x85),
    *range(0x86, 0xA0),
    *range(0x200B, 0x2010),
    0x2060,
    0xFEFF,
]
_SPELLED: dict[int, str | None] = {
    **dict.fromkeys(_INKLESS),
    **_FORMS,
    **dict.fromkeys(range(0xE000, 0xF900), UNKNOWN_GLYPH),
}
_SPECIAL = re.compile(
    f"[{''.join(map(re.escape, map(chr, [*_INKLESS, *_FORMS, 0xAD])))}\ue000-\uf8ff\U000f0000-\U0010ffff{RAISED}⁽†‡①-⑳]"
)
_SOFT = re.compile("\u00ad(?=.)")  # at the end of a line it is a hyphen
_PLANES = re.compile("[\U000f0000-\U0010ffff]")  # private use too
_MARK = re.compile(f"(?<=[^\\W_]|[%)）\\]”’.]) ?[{RAISED}⁽][{RAISED}⁽⁾,]*")
_NOTE = re.compile(r"(?<=[\d%])(?:[*†‡]{1,3}(?=[\s.,;:)]|$)|[①-⑳])")  # the same on the line itself, behind a figure
_POWER = re.compile(r"(?:(?<![\d.,])10|(?<![A-Za-z])(?:[kcdm]?m|[A-Z]))$")  # 10⁶, km², R²


def as_shown(value: object) -> object:
    """What a page or card shows of a value: of a text that it takes from elsewhere, as `visible` writes it. For `finalize`."""
    if not isinstance(value, str):
        return value
    text = visible(value, lines=True)
    return value if text == value else type(value)(text)  # markup stays markup


def clean(text: str) -> str:
    """Text as it is read: one kind of space, letters for their printed forms, no padding inside CJK text.

    A glyph that has no name is `UNKNOWN_GLYPH`; marks of footnotes are left out, for they are no part of a figure or a word.
    """
    if "*" in text:
        text = _NOTE.sub("", text)
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    if _SPECIAL.search(text):
        text = _PLANES.sub(UNKNOWN_GLYPH, _SOFT.sub("", text.translate(_SPELLED)))
        text = _NOTE.sub("", _MARK.sub(_without_mark, text))
    text = " ".join(text.split())
    return _SPACED_CJK.sub("", text) if " " in text else text


def _without_mark(mark: re.Match[str]) -> str:
    return mark[0] if _POWER.search(mark.string[: mark.start()][-4:]) else ""


def is_cjk(char: str) -> bool:
    """Whether a character takes no spaces around it: ideographs, kana, full-width forms and CJK punctuation."""
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\uff00" <= char <= "\uffef"


def is_leader(text: str) -> bool:
    """Whether a text is dots that lead to a figure: "." alone, or any number of them."""
    return text.strip(". …·") == "" and text != ""


def strip_leaders(text: str) -> str:
    """A label without the dots that lead from it to its figure."""
    label = text.rstrip(". …·")
    return label if len(text) - len(label) > 2 and label else text


def has_leaders(text: str) -> bool:
    """Whether dots lead from a title to its page number."""
    return any(dots in text for dots in _LEADERS)


def han_share(text: str) -> float:
    """Share of Han ideographs among the Han and Latin letters of a text, 0..1."""
    if text.isascii():
        return 0.0
    han = len(_HAN.findall(text))
    return han and han / ((han + len("".join(_LATIN.findall(text)))) or 1)


def find_language(text: str) -> Language:
    """Chinese where a tenth of the letters are Han ideographs: Latin names and units do not make a report English."""
    return "zh" if han_share(text) > 0.1 else "en"


def chunk_language(text: str, document: Language) -> Language:
    """The language of a passage: the document's, unless running text in it is plainly in the other (bilingual reports)."""
    if document == "zh" and len(text) > 200 and han_share(text) < 0.02:
        return "en"
    return "zh" if document == "en" and han_share(text) > 0.4 else document


def estimate_tokens(text: str) -> int:
    """Estimated tokens: one for each CJK character, one for every four of the others."""
    if text.isascii():
        return (len(text) + 3) // 4
    wide = (len(text.encode()) - len(text)) // 2  # UTF-8 has three bytes for a CJK character, one for an ASCII one
    return wide + (len(text) - wide + 3) // 4


def vocabulary(texts: Iterator[str]) -> frozenset[str]:
    """Words of a document in lower case, hyphenated compounds as one: to tell a line-end hyphen from a compound's own.

    What stands before a hyphen at the end of a run is left out: it may be half a word.
    """
    whole = (_HYPHEN_END.sub("", text) if text[-1] in _HYPHENS else text for text in texts)
    return frozenset(word.lower() for text in whole for word in _WORDS.findall(text))


def join_lines(lines: list[str], words: frozenset[str]) -> str:
    """Join the lines of a paragraph: CJK without a space, words broken by a hyphen made whole."""
    text = lines[0]
    for line in lines[1:]:
        text = join_pair(text, line, words)
    return text


def join_pair(head: str, tail: str, words: frozenset[str]) -> str:
    """Join two pieces of running text as a reader would."""
    if not head or not tail:
        return head or tail
    if is_cjk(head[-1]) or is_cjk(tail[0]):
        return head + tail
    broken = _HYPHEN_END.search(head[-40:]) if head[-1] in _HYPHENS else None
    if not broken:
        return f"{head} {tail}"
    start = _WORD_START.match(tail)
    if start and _is_broken_word(broken[1].lower(), start[0], words):
        return head[:-1] + tail
    return head + tail


def _is_broken_word(first: str, second: str, words: frozenset[str]) -> bool:
    if first + second in words:
        return True
    if "-" in first or f"{first}-{second}" in words:
        return False
    return not (first in words and second in words)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the sentences of a text, white space around them left out. What follows the last full stop is one too."""
    start = 0
    for end in _sentence_ends(text):
        if text[start:end].strip():
            yield _trim(text, start, end)
        start = end
    if text[start:].strip():
        yield _trim(text, start, len(text))


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    return start, end


_STOP = re.compile(r"[。！？][”’」』）]?|[.!?][\"”’)]{0,2}(?=\s)|\n")


def _sentence_ends(text: str) -> Iterator[int]:
    last = 0
    for stop in _STOP.finditer(text):
        end = stop.end()
        if text[last : stop.start()].strip().isdigit():
            continue  # the number of what follows: 1. Summary
        if stop[0][0] == ".":
            following = text[end:].lstrip()[:1] if end + 8 > len(text) else text[end : end + 8].lstrip()[:1]
            if following.islower() or _ABBREVIATION.search(text[max(0, end - 14) : stop.start() + 1]):
                continue
        last = end
        yield end


def ends_sentence(text: str) -> bool:
    """Whether a text ends as a sentence does."""
    return text.rstrip('"”’」』）) ')[-1:] in tuple("。！？；.!?;：:")


_AMOUNT = re.compile(
    r"[-–—(\[]?\s*(?:[$€£¥￥]|RMB|US\$|HK\$|A\$)?\s*[-(]?\d(?:[\d,]*\d)?(?:\.\d+)?\s*[)\]%％x]*(?: ?\(?\d\)?)?$"
)
_YEAR = re.compile(r"(?:FY|FY ?|Q[1-4] ?)?(?:19|20)\d\d(?:年度?|A|E)?$")
_SIGN = re.compile(r"[-–—(]?\s?(?:[A-Z]{0,3}[$€£¥￥₩₹]|RMB)\s?\(?$")
LONGEST_AMOUNT = 200  # characters, with the spaces in it: more of these would take minutes to look at
BLANKS = frozenset({"-", "–", "—", "--", "N/A", "n/a", "nil", "Nil", "NM", "nm", "N/M", "n/m", "n.m.", "/", "—%", "-%"})


@lru_cache(maxsize=1 << 14)  # the same cells are asked about again and again
def is_amount(text: str) -> bool:
    """Whether a cell is a figure (a year or a date is not) or the dash that stands for none."""
    if len(text) > LONGEST_AMOUNT:
        return False
    return text in BLANKS or (_AMOUNT.match(text) is not None and _YEAR.match(text) is None)


def is_figure(text: str) -> bool:
    """Whether a cell is a figure, the dash that stands for none, or a year."""
    return is_amount(text) or _YEAR.match(text) is not None


CURRENCIES = ("$", "€", "£", "¥", "￥", "RMB", "CHF", "USD", "EUR")
_BARE = re.compile(
    r"(?:[$€£¥￥]|\bRMB|\bCHF|\bUSD|\bEUR)\s?(?P<figure>\d[\d,]*(?:\.\d+)?)(?![\d,.]*\d)"
    r"(?!\s?(?:thousand|million|billion|trillion|lakh|crore|hundred|[mbk]n?\b|[十百千万萬亿億元/]|(?:\w+ )?per\b|an? (?:share|unit)))",
    re.IGNORECASE,
)


def bare_amounts(text: str) -> list[str]:
    """The figures of running text that have a currency and no scale of their own: "$8,620", not "$8.6 billion" or "$2 per share"."""
    if not any(sign in text for sign in CURRENCIES):
        return []
    return [found["figure"] for found in _BARE.finditer(text)]


def is_currency(text: str) -> bool:
    """Whether a text is a currency sign and nothing else but the bracket or minus of its figure."""
    return _SIGN.match(text) is not None


_AUDITOR = re.compile(
    r"(?:the )?independent (?:registered public accounting firm|auditors?)\W*(?:s\W*)?report\b.*|"
    r"reports? of (?:the )?independent (?:registered|auditors?|accountants).*|"
    r"(?:\S{0,6}[、.]\s?)?(?:审计报告|審計報告|獨立核數師報告).{0,4}",
    re.IGNORECASE,
)


def is_auditors(section: Sequence[str]) -> bool:
    """Whether a section is an auditor's report: its words are the auditor's, not the company's."""
    return any(_AUDITOR.fullmatch(title.strip(" .")) for title in section)
