"""Figures that follow from two others of their sentence: 5, down 1 point from 6; a threshold that is passed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain, combinations, pairwise

from fingen.quality.claims import ClaimContext
from fingen.quality.computed import interval
from fingen.quality.quantities import Quantity
from fingen.quality.source import Source
from fingen.quality.tables import Place

Places = Mapping[int, Sequence[tuple[Source, Place]]]

_PASSED = re.compile(
    r"(?:突破|超过|跨过|跨越|迈过|站上|越过|逾|超)了?"
    r"|\b(?:passed|topped|exceeded|surpassed|crossed|above|over|more than|beyond)\s(?:the )?(?:RMB|US)?[$€£]?$"
)
_FURTHER = Decimal("1.7")  # times a threshold that what has just passed it is at most
_NEXT = 40  # characters at most between the start of one percentage and the next
_MORE = re.compile(r"[多余]|以上|\s?(?:or more|and more)")


def follows(reading: ClaimContext, figure: Quantity, proved: Places) -> bool:
    """Whether a figure is what two proved figures of its sentence differ by, are to each other, or have passed.

    Percentage points may also be what a proved percentage and the one next to it in the source differ by.
    """
    start, end = reading.sentence(figure.start)
    known = [each for each in reading.quantities if start <= each.start < end and each.start in proved]
    if _is_passed(reading, figure, known):
        return True
    low, high = interval(reading, figure)
    if _MORE.match(reading.text, figure.end):
        high = abs(figure.value) + figure.step
    pairs = chain(combinations(known, 2), *(_beside(*place) for each in known for place in proved[each.start]))
    return any(low <= value <= high for one, other in pairs for value in _results(figure, one, other))


def _beside(source: Source, place: Place) -> Iterator[tuple[Quantity, Quantity]]:
    """A percentage of the source with each of those next to it in its row or running text."""
    if place.row is not None:
        series = [each.figure for each in source.row_of(place) if not each.change]
    else:
        near = range(place.figure.start - _NEXT, place.figure.end + _NEXT)
        series = [each for each in source.reading.quantities if each.start in near]
    yield from (pair for pair in pairwise(series) if place.figure in pair and pair[0].kind == pair[1].kind == "percent")


def _is_passed(reading: ClaimContext, figure: Quantity, known: Collection[Quantity]) -> bool:
    if figure.kind != "amount" or not _PASSED.search(reading.text[max(0, figure.start - 16) : figure.start]):
        return False
    return any(each.kind == "amount" and figure.value <= each.value <= figure.value * _FURTHER for each in known)


def _results(figure: Quantity, one: Quantity, other: Quantity) -> Iterator[Decimal]:
    """What two figures give without a calculation to be declared: percentage points between them, how many times the other one is."""
    if one.kind != other.kind or not one.value or not other.value:
        return
    a, b = abs(one.value), abs(other.value)
    if figure.kind == "points" and one.kind == "percent":
        yield abs(a - b)
    if figure.unit == "times" and one.kind == "amount" and one.unit == other.unit:
        yield from (a / b, b / a)
