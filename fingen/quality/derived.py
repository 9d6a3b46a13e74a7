"""Figures that follow from two others of their sentence: 5, down 1 point from 6; a threshold that is passed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import combinations

from fingen.quality.claims import ClaimContext
from fingen.quality.computed import interval
from fingen.quality.pairing import order
from fingen.quality.quantities import Quantity

_LEAST = 10  # shown digits below which a percentage or an amount may be met by chance
_PASSED = re.compile(
    r"(?:突破|超过|跨过|跨越|迈过|站上|越过|逾|超)了?|\b(?:passed|topped|exceeded|surpassed|crossed|above|over|more than|beyond)\s(?:the )?(?:RMB|US)?[$€£]?$"
)
_FURTHER = Decimal("1.7")  # times a threshold that what has just passed it is at most
_MORE = re.compile(r"[多余]|以上|\s?(?:or more|and more)")


def follows(reading: ClaimContext, figure: Quantity, proved: Collection[int]) -> bool:
    """Whether a figure is what two proved figures of its sentence differ by, are to each other, or have passed."""
    start, end = reading.sentence(figure.start)
    known = [each for each in reading.quantities if start <= each.start < end and each.start in proved]
    if _is_passed(reading, figure, known):
        return True
    low, high = interval(reading, figure)
    if _MORE.match(reading.text, figure.end):
        high = abs(figure.value) + figure.step
    return any(
        low <= value <= high
        for one, other in combinations(known, 2)
        for value in _results(reading, figure, *((one, other) if one.start < other.start else (other, one)))
    )


def _is_passed(reading: ClaimContext, figure: Quantity, known: Collection[Quantity]) -> bool:
    if figure.kind != "amount" or not _PASSED.search(reading.text[max(0, figure.start - 16) : figure.start]):
        return False
    return any(
        each.kind == "amount" and figure.value <= each.value <= figure.value * _FURTHER for each in known
    )


def _results(reading: ClaimContext, figure: Quantity, one: Quantity, other: Quantity) -> Iterator[Decimal]:
    """What two figures, the first of which stands first, may give."""
    if one.kind != other.kind or not one.value or not other.value:
        return
    a, b = abs(one.value), abs(other.value)
    if figure.kind == "points" and one.kind == "percent":
        yield abs(a - b)
    if one.kind != "amount" or one.unit != other.unit:
        return
    if figure.unit == "times":
        yield from (a / b, b / a)
    elif figure.kind == "amount" and figure.unit == one.unit and figure.shown >= _LEAST:
        yield abs(one.value - other.value)
    elif figure.kind == "percent" and figure.shown >= _LEAST and (told := order(reading, one, other)):
        earlier, later = (a, b) if told > 0 else (b, a)
        move = reading.move(figure)
        if move is None or (move.sign > 0) == (later > earlier):
            yield abs(later / earlier - 1) * 100
