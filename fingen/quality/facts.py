"""What the tags of a filing say of its figures, and whether an answer says otherwise: time, span, sign, row, dimension.

A tag is surer than headings and labels: where a figure of the source has one, its amount, scale, currency and sign are
those of the tag, and what the answer says of its time, its row and its part of the whole must not contradict it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from fingen.quality.claims import QUANTITIES, ClaimContext
from fingen.quality.quantities import ONE, Quantity
from fingen.quality.tables import Place
from fingen.records import Fact, Period

if TYPE_CHECKING:
    from fingen.quality.source import Source

# The spans that have names: the least and the most days, and the words that say it.
_YEAR = (
    r"\b(?:twelve|12)[- ]months?\b|\b5[23][- ]weeks?\b|\b(?:full|fiscal|whole) years? (?:ended|ending|of)\b"
    r"|\bfor (?:the )?(?:full |fiscal )?year\b|\bannual(?:ly)?\b"
)
_SPANS = tuple(
    (name, least, most, re.compile(words, re.IGNORECASE))
    for name, least, most, words in (
        ("three months", 80, 100, r"\b(?:three|3)[- ]months?\b|\b1[234][- ]weeks?\b|\bquarter(?:ly|s|['’]s)?\b"),
        (
            "six months",
            170,
            190,
            r"\b(?:six|6)[- ]months?\b|\b2[678][- ]weeks?\b|\bhalf[- ]year|\b(?:first|second) half\b",
        ),
        ("nine months", 260, 285, r"\b(?:nine|9)[- ]months?\b|\b(?:39|40)[- ]weeks?\b"),
        ("a year", 350, 380, _YEAR),
    )
)
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d{4}")
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
_MINUS = re.compile(r"(?:-|−|–|\bnegative |\bminus |\()\s?(?:[A-Z]{0,3}[$€£¥])?\s?$")


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


def _days(fact: Fact) -> int:
    """How long a duration is, in days; 0 of a moment."""
    try:
        first, last = map(date.fromisoformat, fact.period.split("/"))
    except ValueError:
        return 0
    return (last - first).days + 1


class FactCheck:
    """An answer against the facts of its sources. Where words may be of another figure, nothing is claimed."""

    def __init__(self, reading: ClaimContext, sources: Sequence[Source], question: str) -> None:
        self._reading = reading
        self._sources = sources
        self._question = question

    @cached_property
    def _labels(self) -> dict[str, set[About]]:
        """The labels of rows with facts, of all sources, and what these facts are about."""
        labels: dict[str, set[About]] = {}
        for source in self._sources:
            for label, concepts in source.fact_labels.items():
                labels.setdefault(label, set()).update(concepts)
        return labels

    def conflict(self, figure: Quantity, source: Source, place: Place) -> tuple[str, str] | None:
        """The reason why a figure of the source is not the one that is told, by its tag, and what the tag says."""
        if place.fact is None:
            return None
        for reason, detail in (
            ("binding-period", self._time(figure, source, place)),
            ("sign", self._sign(figure, place)),
            ("binding-row", self._row(figure, place)),
            ("binding-column", self._part(figure, source, place)),
        ):
            if detail:
                return reason, detail
        return None

    def _time(self, figure: Quantity, source: Source, place: Place) -> str | None:
        """What is wrong with the day, the year or the span that the answer gives a figure, where the source has a fact."""
        fact = place.fact
        end = end_of(fact) if fact else None
        if fact is None or end is None:
            return None
        start, stop = self._reading.sentence(figure.start)
        if self._reading.is_respective(start, stop):
            return None
        told = f"it is of {_told(fact)}"
        day = self._day(figure, start, stop)
        if day is not None and not _is_of(day, fact, end):
            return told
        claimed, close = self._reading.periods(figure)
        years = {year for year in claimed if isinstance(year, int)}
        if years and close and not years & _years(fact, end, source.passage.period):
            return told
        spans = {name for name, _, _, words in _SPANS if words.search(self._reading.text[start:stop])}
        own = next((name for name, least, most, _ in _SPANS if least <= _days(fact) <= most), "")
        if own and len(spans) == 1 and own not in spans and not (spans == {"a year"} and day is None):
            return told
        return None

    def _day(self, figure: Quantity, start: int, stop: int) -> tuple[int, int, int] | None:
        """The date that is told of a figure: the one behind it up to the next figure, else the last before it."""
        inside = [each for each in self._reading.figures if start <= each.start < stop]
        dates = [each for each in inside if each.kind == "date" and each.when[1]]
        following = min((each.start for each in self._reading.quantities if each.start >= figure.end), default=stop)
        behind = [each for each in dates if figure.end <= each.start < following]
        before = [each for each in dates if each.end <= figure.start]
        if len(dates) > 1 and not behind and sum(each.kind in QUANTITIES for each in inside) > 1:
            return None  # which of them it is of the words alone say
        told = behind[:1] or before[-1:]
        return told[0].when if told else None

    def _sign(self, figure: Quantity, place: Place) -> str | None:
        """Whether a figure is given with a minus that its fact does not have."""
        if place.fact is None or figure.kind != "amount" or place.figure.sign <= 0 or figure.sign >= 0:
            return None
        return "its tag has it without a minus"

    def _row(self, figure: Quantity, place: Place) -> str | None:
        """Whether the words before a figure name another row in full, and its own nowhere."""
        if place.fact is None or place.row is None:
            return None
        own = fold_label(place.row.label)
        named = _named(fold_label(self._reading.around(figure)[0]), self._labels)
        if not named or own in named or any(is_about(place.fact) in self._labels[label] for label in named):
            return None
        start, stop = self._reading.sentence(figure.start)
        elsewhere = own in _named(fold_label(self._reading.text[start:stop]), [*self._labels, own])
        return None if own and elsewhere else "the tag of its row is another's"

    def settled(self, figure: Quantity, place: Place) -> tuple[str, ...]:
        """What needs no look at headings and labels, for the row is named in full and its tag says the rest."""
        if not self.names_row(figure, place):
            return ()
        return ("label", "sign") if figure.sign == place.figure.sign else ("label",)

    def names_row(self, figure: Quantity, place: Place) -> bool:
        """Whether the words before a figure have the label of its row in full, and what it is of is known by its tag."""
        if place.fact is None or place.row is None:
            return False
        said, own = fold_label(self._reading.around(figure)[0]), fold_label(place.row.label)
        return bool(own) and own in _named(said, [*self._labels, own])

    def _part(self, figure: Quantity, source: Source, place: Place) -> str | None:
        """Whether a figure of a part is given as another part's, or as that of the whole."""
        fact = place.fact
        if fact is None or place.table is None:
            return None
        own, words = parts_of(fact), source.part_words
        start, stop = self._reading.sentence(figure.start)
        said = set(fold_label(f"{self._reading.text[start:stop]} {self._question}").split())
        same = {
            parts_of(other)
            for other in source.passage.facts
            if (other.concept, other.period) == (fact.concept, fact.period)
        }
        for other in words:
            if other == own or (own and other and _axes(other) != _axes(own)):
                continue
            mine, theirs = words[own] - words[other], words[other] - words[own]
            if mine & said or (not own and (other not in same or self.names_row(figure, place))):
                continue
            if own and other and theirs & said:
                return f"its tag is of {_part_told(own)}, not of {_part_told(other)}"
            if own and not other and other in same and mine:
                return f"its tag is of {_part_told(own)} alone, which is not said"
            if not own and all(words_of(member) <= said for _, member in other):
                return f"its tag is of the whole, not of {_part_told(other)}"
        return None


def _told(fact: Fact) -> str:
    first, _, last = fact.period.partition("/")
    return f"{first} to {last}" if last else first


def _is_of(day: tuple[int, int, int], fact: Fact, end: date) -> bool:
    """Whether a date is that of a fact, as far as it is told: its end, or the day that its span begins on."""
    first = fact.period.partition("/")[0]
    known = [(end.year, end.month, end.day)]
    if len(first) == 10:
        known.append(tuple(map(int, first.split("-"))))  # type: ignore[arg-type]  # year, month and day
    return any(all(not one or one == other for one, other in zip(day, each, strict=True)) for each in known)


def _years(fact: Fact, end: date, period: Period) -> set[int]:
    """The years that a fact may be called by: that of its end, and of its fiscal year where these have other names."""
    years = {end.year}
    if period.fiscal_year and period.end and len(period.end) == 10:
        years.add(end.year + period.fiscal_year - int(period.end[:4]))
    if end.month == 1:
        years.add(end.year - 1)
    first = fact.period.partition("/")[0]
    return years | ({int(first[:4])} if _days(fact) > 380 and first[:4].isdecimal() else set())


def fold_label(text: str) -> str:
    """A label, or a text that may name it, for comparing: its words, without the marks of footnotes."""
    return _PLAIN.sub(" ", _MARK.sub(" ", text.lower())).strip()


def _named(text: str, labels: Iterable[str]) -> set[str]:
    """The labels that a text has in full, without those that are a part of a longer one there."""
    padded = f" {text} "
    spans = [(at, at + len(label), label) for label in labels if label for at in _all(padded, f" {label} ")]
    return {
        label
        for start, end, label in spans
        if not any(left <= start and end <= right and right - left > end - start for left, right, _ in spans)
    }


def _all(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


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


def _axes(parts: Parts) -> list[str]:
    return [axis for axis, _ in parts]


@lru_cache(maxsize=4096)
def words_of(member: str) -> frozenset[str]:
    """The words of a member's name that tell it from others."""
    words = {word.lower() for word in _WORDS.findall(member.removesuffix("Member"))}
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


def _part_told(parts: Parts) -> str:
    return ", ".join(" ".join(_WORDS.findall(member.removesuffix("Member"))) for _, member in parts)
