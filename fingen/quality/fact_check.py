"""Whether an answer says otherwise than the tags of its source: of the time of a figure, its sign, its row, its part of the whole.

A tag is surer than headings and labels. Where words may be of another figure, nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property

from fingen.quality.claims import QUANTITIES, ClaimContext
from fingen.quality.facts import WORDS, About, Parts, days_of, end_of, fold_label, is_about, parts_of, words_of
from fingen.quality.quantities import Quantity
from fingen.quality.source import Source
from fingen.quality.tables import Place
from fingen.records import Fact, Period

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


_RELATIVE = re.compile(  # of another day than the one that is told: compared with 5 a year earlier
    r"\b(?:years?|months?|quarters?|weeks?|period) (?:earlier|before|ago)\b|\b(?:prior|previous|preceding|last|earlier|comparable|same)[- ]"
    r"(?:fiscal |year['’]s |quarter['’]s )?(?:year|quarter|period|date|months)\b|上年|去年|上期|同期|年初|期初",
    re.IGNORECASE,
)


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
        sentence = self._reading.text[slice(*self._reading.sentence(figure.start))].strip()
        if place.fact is None or sentence in source.text:
            return None  # the source says so itself: on that day notes of 2.3 percent were repaid
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
        own = next((name for name, least, most, _ in _SPANS if least <= days_of(fact) <= most), "")
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
        if not told:
            return None
        beside = self._reading.text[min(told[0].end, figure.start) : following]
        return None if _RELATIVE.search(beside) else told[0].when

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
        own = fold_label(place.row.label)
        start, _ = self._reading.sentence(figure.start)
        for words in (
            self._reading.around(figure)[0],
            self._reading.text[start : figure.start],
        ):  # of two that are compared the first names it
            if named := _named(fold_label(words), [*self._labels, own]):
                return bool(own) and own in named
        return False

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
    return years | ({int(first[:4])} if days_of(fact) > 380 and first[:4].isdecimal() else set())


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


def _axes(parts: Parts) -> list[str]:
    return [axis for axis, _ in parts]


def _part_told(parts: Parts) -> str:
    return ", ".join(" ".join(WORDS.findall(member.removesuffix("Member"))) for _, member in parts)
