"""Two figures of an answer that have changed places: each is given with the name, or the year, of the other.

One wrong name may be a name that is not understood; two that fit when they are exchanged are no chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from fingen.quality.claims import ClaimContext
from fingen.quality.quantities import Quantity
from fingen.quality.source import Source
from fingen.quality.tables import Place

_LATIN = re.compile(r"[a-z][a-z-]{3,}")
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")
_PARTED = re.compile(r"[,;:，、；：]|\b(?:and|while|whereas|but)\b|[和及与而]")
_SURE = 1.5  # words that both must have together; two characters of Chinese are half a word
_RESPECTIVE = re.compile(r"\brespectively\b|分别|依次|各")
_STEM = 5  # letters that tell a word from others
_NO_NAMES = frozenset(
    word[:_STEM]
    for word in "about after against amount before between company compared consolidated corresponding decrease ended fiscal "
    "following from "
    "group increase million billion thousand other over previous prior total than that their this time under were which with year years "
    "january february march april june july august september october november december rose fell came went grew stood reached "
    "cent respectively "
    "both another quarter later earlier previously".split()
)


@dataclass(frozen=True, slots=True)
class _Named:
    """A figure of the answer: the words that it stands among there, and those that its source has for it."""

    figure: Quantity
    said: frozenset[str]
    own: frozenset[str]
    column: frozenset[str]


def find_exchanged(
    reading: ClaimContext, proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity, str]]:
    """The pairs of figures that were exchanged, and what for."""
    figures = [each for each in reading.quantities if len(proved.get(each.start, ())) > 0]
    if len(figures) < 2:
        return
    yield from ((*pair, "names") for pair in _of_names(reading, figures, proved))
    yield from ((*pair, "rows") for pair in _of_lists(reading, figures, proved))
    yield from ((*pair, "times") for pair in _of_times(reading, figures, proved))


def _of_names(
    reading: ClaimContext, figures: Sequence[Quantity], proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity]]:
    named = [
        _Named(
            each,
            _words(_context(reading, each)),
            frozenset().union(*(_names(*found) for found in proved[each.start])),
            frozenset().union(*(_words(place.column.heading) for _, place in proved[each.start] if place.column)),
        )
        for each in figures
    ]
    for one, other in combinations(named, 2):
        if one.figure.kind != other.figure.kind or one.figure.value == other.figure.value:
            continue
        crossed = _crossed(one, other), _crossed(other, one)
        if min(crossed) > 0 and sum(crossed) >= _SURE:
            yield one.figure, other.figure


def _crossed(one: _Named, other: _Named) -> float:
    """How many words of the other's name a figure stands among, 0 where one of its own is there that the other lacks."""
    mine, others = (
        (one.own, other.own) if one.own != other.own else (one.column, other.column)
    )  # of one row: of which column
    if not mine or not others or one.said & (mine - others):
        return 0
    theirs = one.said & (others - mine)
    return sum(1 if word.isascii() else 0.5 for word in theirs)


def _names(source: Source, place: Place) -> frozenset[str]:
    if place.row is not None:
        return _words(" ".join((*place.row.parents[-1:], place.row.label)))
    return _words(_context(source.reading, place.figure))


def _context(reading: ClaimContext, figure: Quantity) -> str:
    """The words around a figure up to the last break before the figure after it, and from that of the figure before it."""
    before, after = reading.around(figure)
    has_earlier = figure.start - len(before) > reading.sentence(figure.start)[0]
    breaks = [match.end() for match in _PARTED.finditer(before)] if has_earlier else []
    ends = [match.start() for match in _PARTED.finditer(after)]
    return f"{before[breaks[-1] if breaks else 0 :]} {after[: ends[0] if ends else len(after)]}"


def _words(text: str) -> frozenset[str]:
    """The words that can name a thing: how they start, in Chinese each two characters."""
    text = text.lower()
    latin = {word[:_STEM] for word in _LATIN.findall(text)} - _NO_NAMES
    return frozenset(latin | {run[at : at + 2] for run in _HAN.findall(text) for at in range(len(run) - 1)})


def _of_lists(
    reading: ClaimContext, figures: Sequence[Quantity], proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity]]:
    """Figures listed in another order than those before them: costs of 5, 4 and 3, which fell 10, 20 and 30 percent respectively."""
    for told in _RESPECTIVE.finditer(reading.text):
        start, end = reading.sentence(told.start())
        inside = [each for each in figures if start <= each.start < end]
        after = [each for each in inside if each.kind == inside[-1].kind] if inside else []
        before = [each for each in inside if each.kind != inside[-1].kind]
        if len(before) != len(after) or len(after) < 2:
            continue
        rows = [
            [{id(place.row) for _, place in proved[each.start] if place.row} for each in group]
            for group in (before, after)
        ]
        for one, other in combinations(range(len(after)), 2):
            straight = rows[0][one] & rows[1][one] or rows[0][other] & rows[1][other]
            if not straight and rows[0][one] & rows[1][other] and rows[0][other] & rows[1][one]:
                yield after[one], after[other]


def _of_times(
    reading: ClaimContext, figures: Sequence[Quantity], proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity]]:
    """Figures each of which is given the year of the other."""
    wrong: list[tuple[Quantity, int, int]] = []
    for figure in figures:
        said = _year(reading, figure)
        years = {_year_of(*found) for found in proved[figure.start]}
        if said and len(years) == 1 and (year := years.pop()) and year != said:
            wrong.append((figure, said, year))
    for (one, *years_of_one), (other, *years_of_other) in combinations(wrong, 2):
        if years_of_one == years_of_other[::-1] and one.kind == other.kind:
            yield one, other


def _year(reading: ClaimContext, figure: Quantity) -> int:
    """The one year that a figure is said to be of, 0 where it is none or several."""
    years = [period for period in reading.periods(figure)[0] if isinstance(period, int)]
    return years[0] if len(years) == 1 else 0


def _year_of(source: Source, place: Place) -> int:
    if place.table is None:
        return _year(source.reading, place.figure)
    years = [period for period in place.periods if isinstance(period, int)]
    return years[0] if len(years) == 1 else 0
