"""Grounding: every figure of an answer, with its unit and sign, is in the source, or follows from `calc`.

Deterministic, and closed on failure: a figure that is not found fails. A figure that is found is bound where the source
says of what and of which time it is; what the answer says of it must not contradict that.

| reason | what is wrong |
|---|---|
| figure | no such figure in the source, and no calc gives it |
| unquoted | the figure is in the passage, but in no quote of the pair |
| unit | the digits are there in another unit: million for thousand, percent for percentage points, another currency |
| sign | a loss given as a gain, a minus lost or added |
| direction | said to rise where the source has it fall, or the two figures of the answer belie the word |
| binding-row | the figure stands in another row than the one the answer names (cost given as revenue) |
| binding-column | the same for columns that are no periods |
| binding-period | the figure is of another year or quarter than the answer says |
| binding-basis | the figure is on another basis than the answer says, or on one that must be said and is not |
| binding-entity | the figure is from the report of another company than the one named |
| opposite | the source says the opposite of what the answer says there: including for excluding, first half for second |
| cause | a reason of which no word is in the source, or which the source gives for something else |
| calc | the expression cannot be worked out, has an operand that is not in the source, or its result is not in the answer |
| year | a year, date or quarter that is neither in the source nor in the document's period |
| organisation | an organisation that is neither in the source nor the document's own |
| unbound | nothing: the figure is in the source or computed, and not tied to a row or subject and its time (never failed) |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any, Literal

from fingen.quality.binding import Binding, Verdict
from fingen.quality.carried import find_other_rows
from fingen.quality.causes import find_wrong_causes
from fingen.quality.certainty import READ_FROM_WORDS, is_sure, may_be_doubtful
from fingen.quality.claims import QUANTITIES, ClaimContext, belies, contradicts_itself
from fingen.quality.computed import Computed, brief, interval
from fingen.quality.counts import (
    find_shares,
    find_wrong_counts,
    find_wrong_halves,
    find_wrong_ratios,
    find_wrong_shares,
)
from fingen.quality.derived import follows
from fingen.quality.draft import Drop
from fingen.quality.names import find_foreign
from fingen.quality.notation import standard
from fingen.quality.opposed import find_opposed
from fingen.quality.pairing import find_exchanged, is_change_to_another_year, order, source_order
from fingen.quality.quantities import HUNDREDTH, ONE, Quantity, same_currency
from fingen.quality.source import Ladder, Source, describe, fold_name, prepare, row_key
from fingen.quality.tables import Place, parse_unit
from fingen.records import CONTESTED, SUPPORTED_BY, Passage, Record

# How far a figure is proved. bound: row or subject, period and unit are those that the answer says; quoted: it stands in the
# pair's quote (in the passages, where a pair has none); computed: the calc gives it, from figures that stand there.
Level = Literal["bound", "quoted", "computed", "failed"]
LEVELS: tuple[Level, ...] = ("bound", "quoted", "computed")
Wrong = tuple[str, str, Place | None, Source | None]  # a reason, what is wrong, and the nearest figure of the source
_HALF = Decimal("0.5")
_COUNTED = 10  # from which on people and shares are counted, not mentioned
_BARE = 100  # a whole number below it that counts nothing may be that of a note
_SCALES = (Decimal(1000), Decimal(10**6))  # that a table without a unit line may be in
_DOLLARS = frozenset(("TWD", "HKD", "$"))
_RENMINBI = re.compile("人民[币幣]|RMB|CNY|yuan", re.IGNORECASE)
_TIME_WORDS = {"day": ("day", "天"), "week": ("week", "周"), "month": ("month", "月"), "year": ("year", "年")}
_A_GAIN = re.compile(
    r"(?: per (?:\w+ ){0,3}(?:share|unit))?(?: in (?:19|20)[0-9]{2})?, (?:a|an) (?:gain|rise|increase|growth|decline|fall|drop"
    r"|decrease|reduction|difference|gap) of (?:about |around |some |roughly |nearly |over )?"
    r"|, (?:up|down) (?:by )?(?:about |around |some |roughly |nearly |over )?|，(?:同比)?(?:增长|下降|上升|增幅|降幅|增加|减少)了?约?为?",
)
_TO_LEVEL = re.compile(r" to (?:about |around |some |roughly |nearly |over )?")
_OF_RATE = re.compile(r"(?:effective|statutory)[\w ]{0,24} rate|(?:实际|有效|法定|适用)税率", re.IGNORECASE)
_RATE = re.compile(r"\brates?\b|税率", re.IGNORECASE)
_DOUBT = "in doubt: "
_SENTENCE = 240  # characters of a sentence of the answer that are told
_TELLING = 200  # half steps: three digits that are shown tell a figure, "5 percent" may be anything
# Which of several contradictions is told: the one of the candidate that came furthest.
_STAGES = (
    "figure",
    "unit",
    "sign",
    "binding-entity",
    "binding-row",
    "binding-column",
    "binding-period",
    "binding-basis",
    "direction",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the words `said`, at `record.output[start:end]`, or (unbound) what could not be decided.

    `sentence` is that of the answer, `has` what the source has there; both are said of what failed alone.
    `chunk`, `source_start` and `source_end` say where the nearest figure of the source stands; without one, None and 0.
    `may_err`: it rests on how the words are read, not on digits, quotes or tags; whoever reads both can say otherwise.
    """

    reason: str
    status: Literal["failed", "unbound"]
    said: str
    start: int
    end: int
    detail: str
    chunk: str | None = None
    source_start: int = 0
    source_end: int = 0
    sentence: str = ""
    has: str = ""
    may_err: bool = False

    @property
    def why(self) -> str:
        """What is wrong, and what the source has."""
        return f"{self.detail}; the source: {self.has}" if self.has else self.detail

    @property
    def told(self) -> str:
        """What is wrong with which words of which sentence, and what the source has."""
        if not self.said:
            return self.why
        where = f" in “{self.sentence}”" if self.sentence and self.sentence != self.said else ""
        return f"“{self.said}”{where}: {self.why}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the figure `said`, at `record.output[start:end]`, is proved."""

    said: str
    start: int
    end: int
    level: Level


@dataclass(frozen=True, slots=True)
class Grounding:
    """How the amounts and percentages of an answer stand, each in `figures`. Years and names are findings only."""

    figures: tuple[Standing, ...]
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        """How many figures are proved so far and no further."""
        return sum(figure.level == level for figure in self.figures)

    @property
    def doubts(self) -> dict[int, str]:
        """What is only suspected of a figure and not sure, by its start: of which row, time or sign it may be instead."""
        return {each.start: each.detail for each in self.findings if each.detail.startswith(_DOUBT)}

    def behind(self, length: int, figures: Sequence[Standing] = ()) -> Grounding:
        """The same of a text that stands behind `length` characters, which hold these figures."""
        moved = [replace(each, start=each.start + length, end=each.end + length) for each in self.figures]
        findings = [replace(each, start=each.start + length, end=each.end + length) for each in self.findings]
        return Grounding((*figures, *moved), tuple(findings))

    def is_supported(self, draws: Mapping[str, Any]) -> bool:
        """Whether all that failed may err, and a row's draws say that a second teacher has looked at it and supports the row."""
        reasons = draws.get(CONTESTED)
        return bool(draws.get(SUPPORTED_BY)) and isinstance(reasons, list) and all(
            each.may_err and each.reason in reasons for each in self.failed
        )  # fmt: skip

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that a record must not have."""
        return tuple(finding for finding in self.findings if finding.status == "failed")


def ground(record: Record, passages: Sequence[Passage], *, organisations: Collection[str] = ()) -> Grounding:
    """Prove the figures, times and organisations of `record.output` against the passages that it was written from.

    The first passage is from the record's own document. `organisations` are the names of the set's documents: none of
    them may be named without being in the passages. `record.calc` is one expression or several parted by ";": plain
    numbers of the source and + - * / and brackets; each result must stand in the answer, rounded to the digits shown.
    """
    return _Check(record, [prepare(passage) for passage in passages], organisations).run()


def only_may_err(faults: Sequence[Drop], findings: Sequence[Finding]) -> bool:
    """Whether something speaks against an item, and nothing that is sure: `faults` of its form, `findings` that failed."""
    is_sure = any(each.reason not in READ_FROM_WORDS for each in faults) or not all(each.may_err for each in findings)
    return bool(faults or findings) and not is_sure


class _Check:
    """One answer against its sources."""

    def __init__(self, record: Record, sources: Sequence[Source], organisations: Collection[str]) -> None:
        self.record = record
        self.sources = sources
        self.organisations = organisations
        notation = sources[0].notation if sources else None
        self.reading = ClaimContext(standard(record.output, notation), sources[0].report_year if sources else None)
        self.binding = Binding(self.reading, sources, "\n".join(record.questions))
        quotes = [evidence.quote for evidence in record.evidence]
        self.quotes = "\n".join(quotes)
        self.quoted = {id(source): source.spans_of(quotes) for source in sources}
        self.proved: dict[int, list[tuple[Source, Place]]] = {}  # where figures were found, by their start
        self.findings: list[Finding] = []
        self.computed = Computed(self.reading, sources, self._is_quoted)
        self.contested: dict[int, tuple[Quantity, tuple[str, str, Place, Source]]] = {}  # by their start
        self.open: list[tuple[Quantity, Wrong]] = []  # what the source does not have: it may follow from what it has

    @cached_property
    def _figures(self) -> list[Quantity]:
        """The amounts and percentages to prove: a number word that counts nothing ("three plants") is none."""
        return [
            figure
            for figure in self.reading.figures
            if figure.kind in QUANTITIES and (not figure.spelled or figure.kind != "amount" or _is_exact(figure))
        ]

    def run(self) -> Grounding:
        for problem in self.computed.read(self.record.calc or ""):
            self._add("calc", 0, 0, problem)
        levels = {each.start: self._quantity(each) for each in self._figures}
        levels |= {figure.start: self._derived(figure, wrong) for figure, wrong in self.open}
        levels |= dict(self._weigh())
        figures = tuple(
            Standing(self.record.output[each.start : each.end], each.start, each.end, levels[each.start])
            for each in self._figures
        )
        for figure in self.reading.figures:
            if figure.kind == "name":
                self._name(figure)
            elif figure.kind in ("year", "date", "quarter"):
                self._time(figure)
        self._movements()
        for one, other, what in find_exchanged(self.reading, self.proved):
            reason = "binding-row" if what == "names" else "binding-period"
            detail = f"the {what} of these two figures are exchanged; the source: {self._both(one, other)}"
            self._add(reason, one.start, other.end, detail)
        self._words_against_source()
        self._unused_calcs()
        for named in find_foreign(self.record.output, self.sources, self.organisations):
            self._add("organisation", named.start, named.end, f"{named.name} is not in the source")
        self.findings.sort(key=lambda finding: finding.start)
        return Grounding(figures, tuple(self.findings))

    def _words_against_source(self) -> None:
        """What the words around the figures say of rows, shares, counts, times and reasons, where they are not the source's own."""
        before = len(self.findings)
        self._look_at_words()
        self.findings[before:] = [
            replace(each, may_err=True)
            for each in self.findings[before:]
            if not any(source.says(self.reading, each.start) for source in self.sources)
        ]

    def _look_at_words(self) -> None:
        for figure, detail in find_other_rows(self.reading, self.proved, self.binding.mentions_in):
            self._add("binding-row", figure.start, figure.end, detail)
        for start, end, detail in find_wrong_ratios(self.reading, self.proved):
            self._add("figure", start, end, detail)
        for start, end, detail in find_wrong_shares(self.reading, self.proved, self.sources, self.binding.mentions_in):
            self._add("figure", start, end, detail)
        for figure in find_wrong_counts(self.reading, self.sources):
            self._add("figure", figure.start, figure.end, "the source counts them otherwise")
        for start, end in find_wrong_halves(self.reading.text, self.sources):
            self._add("year", start, end, "the source speaks of the other half of the year alone")
        for mark in self.binding.basis.wrong_years(self.sources):
            self._add("binding-basis", mark.start, mark.end, "the report is of a shorter time")
        for mark in self.binding.basis.unfounded(self.sources):
            self._add("binding-basis", mark.start, mark.end, f"nothing in the source is {mark.kind}")
        for start, end, detail in find_opposed(self.reading.text, self.sources):
            self._add("opposite", start, end, detail)
        for start, end, detail in find_wrong_causes(self.reading, self.proved, self.sources):
            self._add("cause", start, end, detail)

    def _add(
        self, reason: str, start: int, end: int, detail: str, place: Place | None = None, source: Source | None = None,
        status: Literal["failed", "unbound"] = "failed", *, by_tag: bool = False,
    ) -> None:  # fmt: skip
        said = self.record.output[start:end]
        chunk, at, stop = (source.chunk, place.figure.start, place.figure.end) if place and source else (None, 0, 0)
        sentence = has = ""
        if status == "failed":
            sentence = self.record.output[slice(*self.reading.sentence(start))].strip()[:_SENTENCE] if said else ""
            has = describe(source, place) if place and source else ""
        may_err = reason in READ_FROM_WORDS and not by_tag
        self.findings.append(Finding(reason, status, said, start, end, detail, chunk, at, stop, sentence, has, may_err))

    # --- amounts and percentages ------------------------------------------------------------------------------------------

    def _quantity(self, figure: Quantity) -> Level:
        """Judge a figure by the best of those in the source that it can be.

        One whose row is named outweighs all others; a cell of the row and time that are named, with another value,
        outweighs those of which nothing is known.
        """
        fair, best, is_quoted = self._look(figure)
        if fair["named"] and is_quoted:
            return self._found(figure, fair["named"])
        fitting = [*fair["named"], *fair["dated"], *fair["unbound"]]
        computed = self.computed.gives(figure)
        if computed:
            if detail := self.binding.basis.conflict_of_operands(figure, self.computed.operands_of(figure)):
                self._add("binding-basis", figure.start, figure.end, detail)
                return "failed"
            if wrong := self.computed.wrong_share(figure):
                self._add(wrong[0], figure.start, figure.end, wrong[1])
                return "failed"
            self._unbound(figure, "computed")
            return "computed"
        if fitting and not is_quoted:
            best = ("unquoted", "no quote of the pair has it", fitting[0][1], fitting[0][0])
        elif computed is None:
            best = ("direction", "the calc gives a change the other way", None, None)
        elif fitting:
            other = self._other_cell(figure, fitting)
            if other is None:
                return self._found(figure, fitting)
            best = other
        elif best[2] is None:
            best = self._other_unit(figure)
        if best[0] in ("figure", "unit") and best[2] is None:
            self.open.append((figure, best))
        else:
            return self._fail(figure, best)
        return "failed"

    def _fail(self, figure: Quantity, wrong: Wrong) -> Level:
        """Reject a figure, or leave it with a doubt."""
        reason, detail, nearest, origin = wrong
        if nearest and origin and may_be_doubtful(reason):
            self.contested[figure.start] = (figure, (reason, detail, nearest, origin))
        else:
            self._add(reason, figure.start, figure.end, detail, nearest, origin)
        return "failed"

    def _weigh(self) -> Iterator[tuple[int, Level]]:
        """Reject the contested figures for what is sure; the others stand in the source, with a doubt."""
        for start, (figure, wrong) in self.contested.items():
            reason, detail, nearest, origin = wrong
            by_tag = self.binding.is_against_tag(figure, origin, nearest)
            if by_tag or is_sure(wrong, self.reading, figure, self.contested.keys()):
                self._add(reason, figure.start, figure.end, detail, nearest, origin, by_tag=by_tag)
            else:
                self.proved.setdefault(start, []).append((origin, nearest))
                self._add(
                    "unbound",
                    figure.start,
                    figure.end,
                    f"{_DOUBT}{detail}; the source: {describe(origin, nearest)}",
                    nearest,
                    origin,
                    "unbound",
                )
                yield start, "quoted"

    def _derived(self, figure: Quantity, wrong: Wrong) -> Level:
        """Whether a figure that the source does not have follows from others of its sentence, which it has."""
        if follows(self.reading, figure, self.proved):
            self._unbound(figure, "computed")
            return "computed"
        return self._fail(figure, wrong)

    def _found(self, figure: Quantity, fitting: Sequence[tuple[Source, Place]]) -> Level:
        """How far a figure that stands in the source is proved by that."""
        if any(self.binding.is_bound(figure, *each) for each in fitting):
            return "bound"
        self._unbound(figure, "in the source", *fitting[0])
        return "quoted"

    def _look(self, figure: Quantity) -> tuple[dict[Verdict, list[tuple[Source, Place]]], Wrong, bool]:
        """The figures of the source that a figure can be, what speaks against the others, and whether it is quoted well enough."""
        best: Wrong = ("figure", "", None, None)
        fair: dict[Verdict, list[tuple[Source, Place]]] = {"named": [], "dated": [], "unbound": []}
        candidates = list(self._candidates(figure))
        if figure.unit == "time":  # 12 months are no other 12
            candidates = [each for each in candidates if each[1].figure.unit == "time"] or candidates
        quoted = [each for each in candidates if self._is_quoted(*each)]
        for source, place in quoted or candidates:
            verdict, reason, detail = self._judge(figure, source, place)
            if verdict != "no" and figure.scale != ONE and place.is_scale_unknown:
                verdict = "unbound"
            if verdict != "no":
                self.proved.setdefault(figure.start, []).append((source, place))
                fair[verdict].append((source, place))
                if verdict == "named":
                    break
            elif _STAGES.index(reason) >= _STAGES.index(best[0]):
                best = (reason, detail, place, source)
        return fair, best, bool(quoted) or not self._needs_quote(figure)

    def _other_cell(self, figure: Quantity, fitting: Sequence[tuple[Source, Place]]) -> Wrong | None:
        """A cell with another value that is the one named, in each of the sources that have the figure."""
        if any(self.binding.is_named(figure, *each) for each in fitting):
            return None  # of an unknown unit alone
        reach = interval(self.reading, figure)
        sources = {id(source): source for source, _ in fitting}.values()
        own = {row_key(place.row) for _, place in fitting if place.row}
        cells = [(source, self.binding.other_cell(figure, source, *reach, own)) for source in sources]
        if any(cell is None for _, cell in cells):
            return None
        where, cell = cells[0]
        said = where.text[cell.figure.start : cell.figure.end] if cell else ""
        return "binding-row", f"the row that is named has {said}", cell, where

    def _is_quoted(self, source: Source, place: Place) -> bool:
        at = place.figure.start
        return any(start <= at < end for start, end in self.quoted[id(source)])

    def _needs_quote(self, figure: Quantity) -> bool:
        """Whether a figure must stand in a quote of its own pair: not without quotes, and no small bare number.

        The length of a period need not where a quote has the number in other words: 53 Weeks Ended, 53 and 52 weeks.
        """
        if not any(self.quoted.values()):
            return False
        if figure.unit == "time" and re.search(rf"(?<![\d.,]){figure.shown}(?![\d.,])", self.quotes):
            return False
        return figure.kind != "amount" or figure.scale != ONE or bool(figure.unit) or figure.shown >= _BARE

    def _unbound(self, figure: Quantity, where: str, source: Source | None = None, place: Place | None = None) -> None:
        detail = f"{where}, and not tied to what it is of and when"
        self._add("unbound", figure.start, figure.end, detail, place, source, "unbound")

    def _candidates(self, figure: Quantity) -> Iterator[tuple[Source, Place]]:
        low, high = interval(self.reading, figure)
        for source in self.sources:
            ladders: tuple[Ladder, ...]
            if figure.kind != "amount":
                ladders = (source.percents,)
            elif figure.scale == ONE and figure.unit in ("", "time", "times") and not figure.currency:
                ladders = (source.shown, source.amounts)
            elif figure.scale == HUNDREDTH:
                ladders = (source.amounts, source.cents)
            else:
                ladders = (source.amounts,)
            for ladder in ladders:
                yield from ((source, place) for place in ladder.within(low, high))
        tells = figure.shown >= _TELLING * figure.step / figure.scale * _HALF
        if (
            figure.kind == "amount" and figure.scale != ONE and figure.unit in ("", "money")
        ):  # a unit that is not given cannot contradict
            for source in self.sources:
                yield from ((source, place) for place in source.shown.within(figure.shown, figure.shown)
                            if place.is_scale_unknown and (tells or self.binding.is_named(figure, source, place)))  # fmt: skip
                for scale in _SCALES if tells and not source.passage.unit else ():  # 948,581, told as 948.6 million
                    rounded = source.shown.within(low / scale, high / scale)
                    yield from ((source, place) for place in rounded if place.is_scale_unknown)
        if figure.kind == "amount" and figure.scale == ONE and figure.currency and self._own_scale != ONE:
            for source in self.sources:  # the answer itself has a unit line
                own = source.amounts.within(low * self._own_scale, high * self._own_scale)
                yield from ((source, place) for place in own)

    @cached_property
    def _own_scale(self) -> Decimal:
        unit = parse_unit(self.reading.text)
        return unit.scale if unit and unit.scale else ONE

    def _judge(self, figure: Quantity, source: Source, place: Place) -> tuple[Verdict, str, str]:
        if detail := _unit_conflict(figure, self.reading.text[figure.start : figure.end], place, source):
            return "no", "unit", detail
        counted = place.row.counted if place.row else None
        if counted and figure.kind == "amount" and counted.scale != figure.scale == ONE and (
            figure.unit or (counted.name and self.reading.text.startswith(counted.name, figure.end))
        ):  # fmt: skip
            return "no", "unit", f"the source counts in {counted.scale:,}"
        return self.binding.judge(figure, source, place)

    def _other_unit(self, figure: Quantity) -> Wrong:
        """Whether the digits stand in the source with another unit."""
        shown, half = figure.shown, figure.step / figure.scale * _HALF
        for source in self.sources:
            for place in source.shown.within(shown - half, shown + half):
                if place.figure.shown == shown or shown >= _TELLING * half:
                    said = source.text[place.figure.start : place.figure.end]
                    return "unit", f"the source has {said}{_unit_words(place)}", place, source
        return "figure", "no such figure in the source", None, None

    # --- calc -------------------------------------------------------------------------------------------------------------

    def _unused_calcs(self) -> None:
        """A result that the source has as well was found there: it counts as given."""
        shares = list(find_shares(self.reading.text))
        for calc in self.computed.unused(self._figures):
            if any(
                share.low <= abs(value) <= share.high for share in shares for value in (calc.value, calc.value / 100)
            ):
                continue  # told in words: about half, 五成六
            self._add("calc", 0, 0, f"{calc.text[:80]} gives {brief(calc.value)}, which the answer does not say")

    # --- times, names and movements ---------------------------------------------------------------------------------------

    def _time(self, figure: Quantity) -> None:
        year, month, day = figure.when
        if figure.kind == "quarter":
            number = int(figure.value)
            if not any(source.has_quarter(number) for source in self.sources):
                self._add("year", figure.start, figure.end, f"no quarter {number} in the source")
            return
        if year and not any(source.has_year(year) for source in self.sources):
            years = sorted(set().union(*(source.years for source in self.sources)))
            self._add("year", figure.start, figure.end, f"{year} is not in the source, which has {_listed(years)}")
        elif month and not any(_has_day(source, year, month, day) for source in self.sources):
            self._add("year", figure.start, figure.end, "no such date in the source")

    def _name(self, figure: Quantity) -> None:
        said = self.reading.text[figure.start : figure.end]
        digits = said.replace(",", "")
        if said.isdigit() or digits.replace(".", "").isdigit():
            if any(digits in source.tokens for source in self.sources):
                return
        elif any(fold_name(said) in source.folded or _spells(source.text, said) for source in self.sources):
            return
        self._add("figure", figure.start, figure.end, "neither in the source nor in the document's names")

    def _movements(self) -> None:
        """Two figures of the answer itself that belie the word: it fell from 5 to 6."""
        quantities = self.reading.quantities
        for first, second, third in zip(quantities, quantities[1:], quantities[2:], strict=False):
            self._grown(first, second, third)
            self._apart(first, second, third)
        for first, second in pairwise(quantities):
            if told := order(self.reading, first, second):
                self._order(first, second, told)
            if first.kind == "percent" and _TO_LEVEL.fullmatch(self.reading.text, first.end, second.start):
                self._led_to(first, second)
            if word := belies(self.reading, first, second):
                self._add("direction", first.start, second.end, f"the figures belie “{word}”")
            if move := contradicts_itself(self.reading, first, second):
                word = "a rise" if move.sign > 0 else "a fall"
                self._add("direction", first.start, second.end, f"the figures do not show {word}")

    def _grown(self, first: Quantity, second: Quantity, third: Quantity) -> None:
        """A change in percent that the two figures before it belie: from 5 to 6, a gain of 50 %."""
        told = order(self.reading, first, second)
        gap = self.reading.text[second.end : third.start]
        if not told or third.kind != "percent" or third.start in self.proved or not _A_GAIN.fullmatch(gap):
            return
        earlier, later = (first, second) if told > 0 else (second, first)
        if first.kind != "amount" or min(first.value * first.sign, second.value * second.sign) <= 0:
            return
        grown = abs(later.value / earlier.value - 1) * 100
        blur = 100 * (earlier.step / earlier.value + later.step / later.value) + third.step + grown / 50
        if abs(grown - abs(third.value)) > blur:
            self._add("figure", third.start, third.end, f"the two figures before it give {grown:.1f} percent")

    def _apart(self, first: Quantity, second: Quantity, third: Quantity) -> None:
        """A difference that the two figures before it belie: from 5 to 7, a difference of 3."""
        gap = self.reading.text[second.end : third.start]
        is_told = order(self.reading, first, second) and _A_GAIN.fullmatch(gap)
        if not is_told or not first.kind == second.kind == third.kind == "amount" or first.sign != second.sign:
            return
        apart = abs(second.value - first.value)
        if abs(apart - abs(third.value)) > first.step + second.step + third.step:
            self._add("figure", third.start, third.end, f"the two figures before it are {brief(apart)} apart")

    def _led_to(self, change: Quantity, level: Quantity) -> None:
        """A change of another year than that of the level it is said to lead to: 20 percent of last year, to this year's 5."""
        pairs = [
            (one, other) for one in self.proved.get(change.start, ()) for other in self.proved.get(level.start, ())
        ]
        if pairs and all(is_change_to_another_year(*pair) for pair in pairs):
            detail = f"the change is not that to the figure behind it: {self._both(change, level)}"
            self._add("binding-period", change.start, level.end, detail)

    def _order(self, first: Quantity, second: Quantity, told: int) -> None:
        """Two figures of which the source has the other one as the later."""
        pairs = [
            source_order(one, other)
            for one in self.proved.get(first.start, ())
            for other in self.proved.get(second.start, ())
        ]
        if pairs and all(pair == -told for pair in pairs):
            detail = f"the source has them in the other order of time: {self._both(first, second)}"
            self._add("binding-period", first.start, second.end, detail)

    def _both(self, first: Quantity, second: Quantity) -> str:
        """What the source has of two figures that stand there."""
        return " and ".join(dict.fromkeys(describe(*self.proved[each.start][0]) for each in (first, second)))


def _is_exact(figure: Quantity) -> bool:
    if figure.unit in ("people", "shares") and figure.value >= _COUNTED:
        return True
    return figure.currency is not None or figure.scale != ONE or figure.value >= _BARE or figure.step < ONE


def _unit_conflict(figure: Quantity, said: str, place: Place, source: Source) -> str | None:
    found = place.figure
    is_open = source.text[found.start : found.end].lower().endswith("pct")  # of percent and of points alike
    if figure.kind == "points" and found.kind != "points" and not (is_open or _is_difference(place, source)):
        return "the source gives a percentage, no percentage points"
    if figure.kind == "percent" and found.kind == "points":
        return "the source gives percentage points"
    if figure.currency:
        known = found.currency or place.currency
        currencies = {known} if known else source.currencies_near(place)
        if figure.currency == "CNY" and currencies & _DOLLARS and not _RENMINBI.search(said):
            currencies = frozenset()  # 元 alone is that of Taiwan and Hong Kong as well
        if currencies and not any(same_currency(figure.currency, currency) for currency in currencies):
            return f"the source gives it in {' or '.join(sorted(currencies))}"
    if figure.unit == found.unit == "time":
        mine, word = _time_word(said), _time_word(source.text[found.start : found.end])
        return f"the source counts {word}s" if mine and word and mine != word else None
    if figure.unit and found.unit and figure.unit != found.unit and figure.kind == found.kind == "amount":
        return f"the source counts {found.unit}"
    return None


def _time_word(said: str) -> str:
    """What a length of time counts: day, month or year, or ""."""
    words = said.lower()
    return next((name for name, marks in _TIME_WORDS.items() if any(mark in words for mark in marks)), "")


def _is_difference(place: Place, source: Source) -> bool:
    """Whether a percentage is the change of a ratio: by its heading, or as the difference of two others in its row."""
    if place.change and place.ratio:
        return True
    if place.table is not None and any(_OF_RATE.search(row.label) for row, _ in place.table.rows):
        return place.row is not None and not _OF_RATE.search(place.row.label)  # a part of a rate
    if place.row is not None and place.column is not None and _RATE.search(place.column.heading):
        return not _RATE.search(place.row.label)  # a column of rates beside one of amounts
    shares = [other.figure.value for other in source.row_of(place) if other.figure.kind == "percent"]
    return place.change and any(abs(a - b) == abs(place.figure.value) for a, b in combinations(shares, 2))


def _unit_words(place: Place) -> str:
    """How the unit line of its table would be said."""
    if place.figure.scale != ONE or place.figure.kind != "amount" or place.scales in ((ONE,), ()):
        return ""
    return f" in units of {place.scales[-1]:,}"


def _has_day(source: Source, year: int, month: int, day: int) -> bool:
    """Whether the source has a date, as far as both are given: September 2021 is not September 2020."""
    end = source.passage.period.end or ""
    own = tuple(map(int, end.split("-"))) if len(end) == 10 else (0, 0, 0)
    return any(
        found[1] == month
        and (not year or not found[0] or found[0] == year)
        and (not day or not found[2] or found[2] == day)
        for found in (*source.dates, (0, *own[1:]))
    )


def _spells(text: str, short: str) -> bool:
    """Whether a text has the words that a short form with a number stands for: Common Equity Tier 1 for CET1."""
    parts = re.fullmatch(r"([A-Z]{2,6})([0-9]+)", short)
    if parts is None:
        return False
    words = r"[\s-]+".join(rf"{letter}[A-Za-z]*" for letter in parts[1])
    return re.search(rf"\b{words}[\s-]+{parts[2]}\b", text) is not None


def _listed(years: Sequence[int]) -> str:
    return ", ".join(map(str, years[-6:])) or "no year"
