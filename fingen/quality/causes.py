"""Reasons that an answer gives: one that the source does not have at all, or that it gives for another thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fingen.quality.claims import ClaimContext
from fingen.quality.source import PREPARED, Source
from fingen.quality.tables import Place

_BECAUSE = re.compile(
    r"\b(?:because of|due to|owing to|driven by|thanks to|as a result of|resulting from|on account of|on the back of|caused by"
    r"|(?:is|was|are|were|be) attributable to|attribut\w+ (?:it |this |that )?to|stemm\w+ from|fuel+ed by|boosted by|lifted by"
    r"|on(?= (?:the )?(?:higher|lower|weaker|stronger|reduced|increased|(?:un)?favou?rable|strong|weak|rising|falling|store) [a-z]))\b"
    r"|(?:主要)?(?:是?由于|得益于|源于|缘于|归因于|因为)|主要系|(?<=[，,])系|(?<=[，,])因(?![此而])|主要(?:原因)?[是为]|原因[是为在]于?|背后是"
    r"|(?<![接承享遭感])受(?!益|限|托|让|理(?!财)|到?[监关]|[0-9])",
    re.IGNORECASE,
)
_END = re.compile(r"[。；;，（()）\n|]|[,.] |\.$|, | (?:while|whereas|but|although|though)\b")
_SENTENCES = re.compile(r"[。；;\n]|(?<=[.!?])\s(?=[A-Z•“])")
_TOKEN = re.compile(r"[A-Za-z][A-Za-z'’&-]{2,}|[\u4e00-\u9fff]+")
_EMPTY = frozenset(
    "the and for with from that this which was were are has have had its their his her they them than then when while into over under "
    "about also not been being such other only both each more most less year years period quarter million thousand billion higher lower "
    "increase increased increases decrease decreased decreases growth rise fall change changes company group part particular mainly "
    "primarily largely lack absence".split()
)
_EMPTY_ZH = re.compile(
    r"本期|本年|上年|上期|去年|同期|报告期内?|期内|公司|集团|所致|主要|增加|减少|增长|下降|上升|提高|降低|下滑|下跌|上涨|回落|攀升|走[低高弱强]|较多|较大|影响|推动|带动|拖累|原因"
    r"|说明|变动|金额|比重|及其?|以及|等|的|了|和|与|较|系|为|是"
)
_FORMS = dict.fromkeys(("sold", "sell", "sells", "selling"), "sales") | {"bought": "buy", "paid": "pay"}
_ENDING = re.compile(r"(?<=[a-z]{3})(?:ings?|ed|e?s|e|y)$")  # units is unit, pricing is price
_STEM = 5  # letters that tell a word from others
_SHORT = 3  # characters from one to the next that a word is made of which stands for a longer one
_LEAST, _LEAST_ZH = 2, 3  # words, pairs of characters, that a reason has at least
_FOUNDED = 0.2  # of the words of a reason stand in one sentence or row of the source that has it
_REACH = 90  # characters before a reason in which the thing stands that it is given for
_EXPLAINS = re.compile(r"主要|所致|由于|因为?|系|原因|\b(?:due|because|driven|owing|result)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason at [start, end), and what it is given for."""

    start: int
    end: int
    words: frozenset[str]
    subject: frozenset[str]


def _words(text: str, *, short: bool = False) -> frozenset[str]:
    """What tells a reason: the words, in Chinese each two characters; with `short` those that stand for more, 销量 of 销售数量."""
    found: set[str] = set()
    for token in _TOKEN.findall(_EMPTY_ZH.sub(" ", text)):
        if not token.isascii():
            reach = _SHORT if short else 1
            found.update(a + b for at, a in enumerate(token) for b in token[at + 1 : at + 1 + reach])
        elif (word := token.lower()) not in _EMPTY:
            found.add(_stem(word))
    return frozenset(found)


def _stem(word: str) -> str:
    """What the forms of a word have in common: of units sold and unit sales the same two."""
    return _ENDING.sub("", _FORMS.get(word, word))[:_STEM]


def find_reasons(text: str) -> Iterator[Reason]:
    """The reasons that a text gives."""
    last = 0
    for match in _BECAUSE.finditer(text):
        if match.start() < last:
            continue
        stop = _END.search(text, match.end() + 1)
        end = stop.start() if stop else len(text)
        left = max(last, match.start() - _REACH, *(text.rfind(mark, 0, match.start()) + 1 for mark in "。；;\n|"))
        yield Reason(match.start(), end, _words(text[match.end() : end]), _words(text[left : match.start()]))
        last = end


@lru_cache(maxsize=PREPARED)
def _explained(source: Source) -> tuple[Reason, ...]:
    """What the source explains: in the cells beside a row's figures, and in sentences."""
    cells = [
        Reason(start, end, _words(said), _words(row.label))
        for table in source.tables
        for row, _ in table.rows
        for _, start, end in row.cells
        if _EXPLAINS.search(said := source.text[start:end])
    ]
    return (*cells, *(each for each in find_reasons(source.text) if each.words))


@lru_cache(maxsize=PREPARED)
def _sentences(source: Source) -> tuple[frozenset[str], ...]:
    """The words of each sentence and row, and of the titles above the passage."""
    titles = (*source.passage.section, source.passage.company or "")
    return tuple(
        _words(part, short=True) for part in (*_SENTENCES.split(source.text), *titles) if part and part.strip()
    )


def find_wrong_causes(
    reading: ClaimContext, places: dict[int, list[tuple[Source, Place]]], sources: Sequence[Source]
) -> Iterator[tuple[int, int, str]]:
    """The reasons of an answer that no place of a source has, or that are given there for another row alone."""
    for reason in find_reasons(reading.text):
        least = _LEAST if reading.text[reason.start : reason.end].isascii() else _LEAST_ZH
        if len(reason.words) < least:
            continue
        known = max((len(reason.words & part) for source in sources for part in _sentences(source)), default=0)
        has_figure = any(reason.start <= start < reason.end for start in places)
        if known < _FOUNDED * len(reason.words) and not has_figure:
            yield reason.start, reason.end, "no place of the source has this reason"
        elif any(_is_of_another(reason, reading, places, source) for source in sources):
            yield reason.start, reason.end, "the source gives this reason for something else"


def _is_of_another(
    reason: Reason, reading: ClaimContext, places: dict[int, list[tuple[Source, Place]]], source: Source
) -> bool:
    """Whether what the source explains the same thing with has no word of a reason, and what it explains another with has."""
    before = [each for each in reading.quantities if reason.start - _REACH < each.start < reason.start]
    rows = [
        _words(place.row.label)
        for figure in before[-1:]
        for origin, place in places.get(figure.start, ())
        if origin is source and place.row is not None
    ]
    explained = _explained(source)
    own = [each for each in explained if each.subject and _is_subject(each, reason, rows)]
    others = [each for each in explained if each not in own and 2 * len(each.words & reason.words) >= len(reason.words)]
    return bool(own and others) and not any(each.words & reason.words for each in own)


def _is_subject(explained: Reason, reason: Reason, rows: Sequence[frozenset[str]]) -> bool:
    return (
        explained.subject in rows
        if rows
        else (2 * len(explained.subject & reason.subject) > len(explained.subject) > 1)
    )
