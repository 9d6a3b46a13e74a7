"""Another figure of the source that an answer's words name: the words that tell it from the one given, and none of that one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from fingen.quality.claims import ClaimContext
from fingen.quality.pairing import words_beside
from fingen.quality.quantities import Quantity
from fingen.quality.source import Source, sizes
from fingen.quality.tables import Place, TableRow

_LATIN = re.compile(r"[a-z][a-z'’-]{3,}")
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")
_STEM = 5  # letters that tell a word from others
_PREFIX = re.compile(
    r"inter|under|over|super|trans|counter|multi"
)  # of such words, letters more: international, intersegment
_NO_NAME = frozenset(
    word[:_STEM]
    for word in "about above after against amount before below between company compared corresponding during ended ending fiscal following "
    "from group increase decrease increased decreased million billion thousand other over prior previous than that their this under were "
    "which with year years quarter months period total totals rose fell grew reached stood only more less such into both each also while "
    "including percent percentage points cents respectively january february march april june july august september october november "
    "december average current change changes item items figures note notes value approximately attributable".split()
)
_COMMON_ZH = re.compile(
    r"本期|上期|本年|上年|期末|期初|年末|年初|金额|余额|合计|小计|总计|增加|减少|增长|下降|同比|其中|公司|集团|年度|人民币|万元|亿元|百分|发生额|以及|主要|及其"
)
_APART = re.compile(r"[;；。]|\b(?:whereas|while|but)\b|而(?!且)")
_SHORT = re.compile(r"\b[a-z]{3}\b")
_FROM = re.compile(r"\bfrom\b[^.,;]{0,30}$")
_TO = re.compile(r"\s?to (?:(?:a|an|the) (?:\w+ ){1,3}of )?")
_MANY = 2  # words of another name that stand in a clause by no chance
_LEAST_ZH = 2  # pairs of characters that tell one label from another


def _stem(word: str) -> str:
    head = _PREFIX.match(word)
    return word[: _STEM + (head.end() if head else 0)]


@lru_cache(maxsize=8192)
def name_words(text: str) -> frozenset[str]:
    """The words of a text that can name a thing: how they start, in Chinese each two characters."""
    lower = _COMMON_ZH.sub(" ", text.lower())
    latin = {_stem(word) for word in _LATIN.findall(lower)} - _NO_NAME
    return frozenset(latin | {run[at : at + 2] for run in _HAN.findall(lower) for at in range(len(run) - 1)})


def _label(row: TableRow) -> frozenset[str]:
    return name_words(f"{row.lead}{row.label}")


def find_rival(reading: ClaimContext, figure: Quantity, source: Source, place: Place) -> Place | None:
    """The figure of the same column whose row an answer names in place of the row that its figure stands in."""
    if place.row is None or place.column is None or figure.kind != place.figure.kind:
        return None
    own = _label(place.row)
    whose = name_words(source.passage.company or "")  # tells no row from others: TransUnion's net income
    beside = name_words(words_beside(reading, figure))
    if not own or not beside:
        return None
    before = _APART.split(reading.text[reading.sentence(figure.start)[0] : figure.start])[-1]
    said = name_words(before) | beside
    if _says_short(own, reading.text[reading.sentence(figure.start)[0] : figure.start]):
        return None
    return next(
        (
            other
            for other in _of_column(source, place)
            if other.row
            and _fits(
                own,
                _label(other.row) - (whose - own),
                beside,
                beside if _is_told_before(reading, figure, other) else said,
            )
            and not _is_set_against(reading, figure, other.figure)
        ),
        None,
    )


def _says_short(own: frozenset[str], said: str) -> bool:
    """Whether a word of three letters says the one word that a label has: a tax credit, of Taxation."""
    (word, *more) = own
    return not more and word.isascii() and word[:3] in _SHORT.findall(said.lower())


def _is_told_before(reading: ClaimContext, figure: Quantity, rival: Place) -> bool:
    """Whether the figure before is the rival, so that the words before it are its own."""
    told = next((each for each in reversed(reading.quantities) if each.end <= figure.start), None)
    return told is not None and any(abs(size - abs(told.value)) <= told.step for size in sizes(rival))


def _is_set_against(reading: ClaimContext, figure: Quantity, rival: Quantity) -> bool:
    """Whether the rival is told right before, as what the figure is set against: from 5 as reported to 6 on the core basis."""
    told = next((each for each in reversed(reading.quantities) if each.end <= figure.start), None)
    if told is None or told.shown != rival.shown:
        return False
    return _FROM.search(reading.around(told)[0]) is not None and _TO.fullmatch(reading.around(figure)[0]) is not None


def _fits(own: frozenset[str], theirs: frozenset[str], beside: frozenset[str], said: frozenset[str]) -> bool:
    """Whether all that tells another name stands beside a figure, or what is many words in its clause, and nothing of its own."""
    more, less = theirs - own, own - theirs
    least = _LEAST_ZH if any(not each.isascii() for each in more) else 1
    if len(more) < least or not more <= (said if len(more) >= _MANY * least and less else beside):
        return False
    return not less & said if less else own <= beside


def _of_column(source: Source, place: Place) -> Iterator[Place]:
    for other in source.column_of(place):
        if (
            other.row is not place.row
            and other.figure.kind == place.figure.kind
            and other.figure.value != place.figure.value
        ):
            yield other


_BASE_ZH = re.compile(
    r"占(?:了|到)?((?!比|[一二三四五六七八九十几]成)[^\W0-9a-zA-Z由从比]{2,14}?)的?(?:比例|比重)?(?:大?约|仅|只|达|为|是)*$"
)
_BASE_IN_ZH = re.compile(r"在([\u4e00-\u9fff]{2,14})中的?(?:占比|比重)(?:大?约|仅|只|达|为|是)*$")
_BASE_THERE = re.compile(r"占([\u4e00-\u9fff]{2,14})")
_BASE_EN = re.compile(r"\s?of (?:(?:the|its|total|net|all|group|company) )*([a-z]+)")
_BASE_THERE_EN = re.compile(r"(?:%|percent|percentage) of ([a-z ]+)", re.IGNORECASE)
_VAGUE = frozenset("的总额全年度公司本期当收入合计比例重占年")
_SALES = frozenset(("sales", "revenue", "revenues", "turnover"))
_PER_SHARE = re.compile(r"每\s?([0-9]{0,4}|[一十百]?)\s?股[^，。；0-9]{0,10}$")


def is_of_other_base(reading: ClaimContext, figure: Quantity, source: Source, place: Place) -> bool:
    """Whether a percentage is given as a share of one thing, and the source has it as a share of another."""
    before, after = reading.around(figure)
    words = f"{place.row.label} {place.column.heading}" if place.row and place.column else ""
    if said := _BASE_ZH.search(before):
        earlier, _ = source.reading.around(place.figure)
        there = _BASE_THERE.search(words) or _BASE_ZH.search(earlier) or _BASE_IN_ZH.search(earlier)
        mine, theirs = (set(each[1]) - _VAGUE if each else set() for each in (said, there))
        is_of_part = bool(said and "全部" in said[1] and theirs - mine)
        return bool(mine and theirs) and (not mine & theirs or ("净" in mine) != ("净" in theirs) or is_of_part)
    said = _BASE_EN.match(after)
    there = _BASE_THERE_EN.search(words)  # in prose it may go by any words
    if said is None or there is None or said[1] not in source.words:
        return False
    theirs = {word[:_STEM] for word in there[1].lower().split()}
    return said[1][:_STEM] not in theirs and not (said[1] in _SALES and any(each[:_STEM] in theirs for each in _SALES))


def shares_counted(reading: ClaimContext, figure: Quantity) -> int:
    """For how many shares an amount is given in Chinese: 每股, 每10股; 0 where for none."""
    told = _PER_SHARE.search(reading.text, max(0, figure.start - 20), figure.start)
    if told is None:
        return 0
    return (
        int(told[1])
        if told[1].isdigit() and told[1].isascii()
        else {"": 1, "一": 1, "十": 10, "百": 100}.get(told[1], 0)
    )
