"""What the tags of a filing say of the figures of a passage: their amount, scale, currency, sign, time and part of the whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from fingen.quality.claims import QUANTITIES
from fingen.quality.quantities import ONE
from fingen.quality.tables import Place
from fingen.records import Fact

WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d{4}")
_PLAIN = re.compile(r"[^a-z0-9]+")
_MARK = re.compile(r"\s*\((?:\d{1,2}|[a-z])\)(?=\s|$)")
# Words of the names of members that tell no part from another.
_EMPTY = frozenset(
    "member segment segments the and of other total company axis domain type common stock class note notes us gaap operating".split()
)
# Dimensions that say how the same whole is counted, not which part of it: those of a company with its subsidiaries.
_OF_THE_WHOLE = frozenset(
    {"LegalEntityAxis", "ConsolidatedEntitiesAxis", "ConsolidationItemsAxis", "RangeAxis", "StatementScenarioAxis"}
)


def settle(places: Iterable[Place], facts: Sequence[Fact]) -> None:
    """Give the figures of a passage the facts that are tagged on them, with their scale, sign, currency and year."""
    numbers = [(fact, value) for fact in facts if fact.unit and (value := _decimal(fact.value)) is not None]
    if not numbers:
        return
    starts = {fact.start: (fact, value) for fact, value in reversed(numbers)}  # of two on one text the outer one
    for place in places:
        figure = place.figure
        if figure.kind not in (*QUANTITIES, "year"):
            continue
        for at in range(figure.start, figure.end):
            if at in starts and starts[at][0].end <= figure.end + 1:
                _settle(place, *starts[at])
                break


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _settle(place: Place, fact: Fact, value: Decimal) -> None:
    figure = place.figure
    place.fact = fact
    if figure.kind == "amount" and figure.shown and value:
        if figure.scale == ONE and abs(value) == figure.shown.scaleb(fact.scale):
            place.scales = (Decimal(10) ** fact.scale,)
        place.figure = replace(figure, value=abs(figure.value).copy_sign(value), sign=1 if value > 0 else -1)
    if len(fact.unit) == 3 and fact.unit.isupper():
        place.currency = place.currency or fact.unit
    if not place.periods and place.table is not None and (end := end_of(fact)):
        place.periods = frozenset((end.year,))


def end_of(fact: Fact) -> date | None:
    """The day that a fact is of, or the last of its span; None where its tag has none."""
    try:
        return date.fromisoformat(fact.period.rpartition("/")[2])
    except ValueError:
        return None


def days_of(fact: Fact) -> int:
    """How long a duration is, in days; 0 of a moment."""
    try:
        first, last = map(date.fromisoformat, fact.period.split("/"))
    except ValueError:
        return 0
    return (last - first).days + 1


def fold_label(text: str) -> str:
    """A label, or a text that may name it, for comparing: its words, without the marks of footnotes."""
    return _PLAIN.sub(" ", _MARK.sub(" ", text.lower())).strip()


Parts = tuple[tuple[str, str], ...]  # axis and member
About = tuple[str, Parts]  # a concept, of which part


def is_about(fact: Fact) -> About:
    """What a fact is of, whatever its time."""
    return fact.concept, parts_of(fact)


def parts_of(fact: Fact) -> Parts:
    """The members that say which part of a whole a fact is of."""
    return tuple(
        (axis.rpartition(":")[2], member.rpartition(":")[2])
        for axis, member in fact.dimensions
        if axis.rpartition(":")[2] not in _OF_THE_WHOLE
    )


@lru_cache(maxsize=4096)
def words_of(member: str) -> frozenset[str]:
    """The words of a member's name that tell it from others."""
    words = {word.lower() for word in WORDS.findall(member.removesuffix("Member"))}
    return frozenset(words - _EMPTY) or frozenset(words)


def words_of_parts(facts: Sequence[Fact], places: Iterable[Place]) -> dict[Parts, set[str]]:
    """The words by which a text may name each part of a whole: those of its members, and of the column or row that it has.

    Where a row is of several parts its columns name them, else the rows do.
    """
    words: dict[Parts, set[str]] = {}
    for fact in facts:
        parts = parts_of(fact)
        words.setdefault(parts, set()).update(*(words_of(member) for _, member in parts))
    for place in places:
        if place.fact is None or place.row is None or not place.row.cells:
            continue
        start, end = place.row.cells[0][1], place.row.cells[-1][2]
        across = {parts_of(fact) for fact in facts if start <= fact.start < end}
        heading = place.column.heading if place.column else ""
        shown = heading if len(across) > 1 else " ".join((place.row.label, *place.row.parents))
        found = {word for word in fold_label(shown).split() if len(word) > 3 and not word.isdecimal()}
        words.setdefault(parts_of(place.fact), set()).update(found - _EMPTY)
    return words
