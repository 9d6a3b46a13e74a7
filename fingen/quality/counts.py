"""Words that count and compute: four decreases, doubled, half the year before. What they say must be so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from fingen.quality.claims import ClaimContext
from fingen.quality.pairing import order
from fingen.quality.quantities import ONE, Quantity, find_figures
from fingen.quality.source import Source
from fingen.quality.tables import Place

_RATIOS = tuple(
    (re.compile("|".join(patterns), re.IGNORECASE), Decimal(low), Decimal(high))
    for low, high, *patterns in (
        ("2", "3.1", r"\bmore than doubled\b", r"\bmore than (?:double|twice)\b", "翻一番多|翻倍有余"),
        ("1.8", "2.3", r"(?<!more than )(?<!nearly )(?<!almost )\bdoubled\b", r"(?<!more than )\b(?:double|twice) (?:the|that|what|as)\b",
         "翻了?一番(?!多)|(?<!近)翻倍(?!有余)|(?:增长|增加|提高)了?一倍(?!多|以上)"),
        ("1.7", "2.05", r"\b(?:nearly|almost) doubled\b", "近翻倍"),
        ("2.6", "3.5", r"\bt(?:ripled|rebled)\b", r"\bthree times (?:the|that|as)\b", "(?:增长|增加)了?两倍"),
        ("3.5", "4.6", r"\bquadrupled\b", "翻两番"),
        ("0.4", "0.6", r"\bhalved\b", r"\bhalf (?:the (?:year|level|amount)|that of|as much|of the (?:year|prior|previous))",
         "减半|腰斩|(?:减少|下降|降低)了?一半"),
    )
)  # fmt: skip
_HINT = re.compile(r"doubl|twice|tripl|trebl|times|quadrupl|hal[fv]|番|倍|半|腰斩", re.IGNORECASE)
_MOST = 100  # a count of things that a sentence spells out
_ALL = re.compile(r"\b(?:the|all|its|their|these|those)\s$", re.IGNORECASE)  # "three units" may be some of them
_NOUN = re.compile(r"[ -]([a-z]{6,})")
_MAY_COUNT = re.compile(  # most texts have no such words, and are done with that
    r"\b(?:the|all|its|their|these|those)\s\S{1,12}[ -][a-z]{5,}s\b"
    r"|[0-9一二三四五六七八九十两]\s?[个家项名只笔起宗件种款条][\u4e00-\u9fff]",
    re.IGNORECASE,
)
_PHRASE = re.compile(r"(?:\s?\([^)]{1,14}\))?((?:[ -][a-z]+){1,3})")
_MEASURES = frozenset(
    "months percent percentage million billion thousand points quarters hundred basis trillion largest".split()
)
_CLASSIFIED = re.compile(r"\s?[个家项名只笔起宗件种款条]([\u4e00-\u9fff]{3,6})")


def find_wrong_ratios(
    reading: ClaimContext, places: dict[int, list[tuple[Source, Place]]]
) -> Iterator[tuple[int, int, str]]:
    """Words for a ratio that the two figures of their sentence, or a figure and the one of the year before, belie."""
    if not _HINT.search(reading.text):
        return
    for pattern, low, high in _RATIOS:
        for match in pattern.finditer(reading.text):
            ratio = _ratio_beside(reading, places, *match.span())
            if ratio is not None and not low <= ratio <= high:
                yield match.start(), match.end(), f"the figures are as {ratio:.2f} to 1"


def _ratio_beside(
    reading: ClaimContext, places: dict[int, list[tuple[Source, Place]]], start: int, end: int
) -> Decimal | None:
    """What the later of the two figures nearest to a word is to the earlier."""
    left, right = reading.sentence(start)
    inside = [each for each in reading.quantities if left <= each.start < right]
    after = [each for each in inside if each.start >= end]
    before = [each for each in inside if each.end <= start]
    for pair in (after[:2], before[-2:]):
        if len(pair) == 2 and (told := order(reading, *pair)) and pair[0].value and pair[1].value:
            near = pair[0].start - end if pair[0].start >= end else start - pair[1].end
            if near <= 40:
                earlier, later = pair if told > 0 else (pair[1], pair[0])
                return abs(later.value / earlier.value)
    if after and after[0].start - end <= 12 and (len(after) == 1 or not order(reading, *after[:2])):
        return _to_year_before(places.get(after[0].start, []))
    return None


def _to_year_before(found: Sequence[tuple[Source, Place]]) -> Decimal | None:
    """What a figure of a table is to that of the year before in its row."""
    ratios = set()
    for source, place in found:
        years = [period for period in place.periods if isinstance(period, int)]
        twins = [each for each in source.row_of(place) if len(years) == 1 and each.periods == {years[0] - 1}]
        if len(twins) == 1 and twins[0].figure.value and twins[0].figure.kind == place.figure.kind:
            ratios.add(abs(place.figure.value / twins[0].figure.value))
    return ratios.pop() if len(ratios) == 1 else None


def find_wrong_counts(reading: ClaimContext, sources: Sequence[Source]) -> Iterator[Quantity]:
    """Counts of a thing that the sources count, none of them so: four decreases where there are three."""
    if not _MAY_COUNT.search(reading.text):
        return
    for figure in find_figures(reading.text, words=True):
        noun = _counted(figure, reading.text)
        if not noun or (noun.isascii() and not _ALL.search(reading.text, max(0, figure.start - 12), figure.start)):
            continue
        counts = {
            each.value for source in sources for each in source.reading.figures
            if noun in _phrase(each, source.reading.text) and not _is_of_year_before(source, each)
        }  # fmt: skip
        if counts and figure.value not in counts:
            yield figure


def _is_count(figure: Quantity) -> bool:
    return (
        figure.kind == "amount" and figure.scale == ONE == figure.step and not figure.unit and 1 < figure.value <= _MOST
    )


def _counted(figure: Quantity, text: str) -> str:
    """The noun that a count stands right before."""
    if not _is_count(figure):
        return ""
    if found := _CLASSIFIED.match(text, figure.end):
        return found[1][:3]
    found = _NOUN.match(text, figure.end)
    return found[1] if found and found[1] not in _MEASURES and found[1].endswith("s") else ""


def _phrase(figure: Quantity, text: str) -> str:
    """The words that a count of the source is of."""
    if not _is_count(figure):
        return ""
    found = _CLASSIFIED.match(text, figure.end) or _PHRASE.match(text, figure.end)
    return found[1] if found else ""


def _is_of_year_before(source: Source, figure: Quantity) -> bool:
    return source.text[max(0, figure.start - 7) : figure.start].strip().endswith((":", "："))
