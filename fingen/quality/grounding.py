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
| calc | the expression cannot be worked out, has an operand that is not in the source, or its result is not in the answer |
| year | a year, date or quarter that is neither in the source nor in the document's period |
| organisation | an organisation that is neither in the source nor the document's own |
| unbound | nothing: the figure is in the source or computed, and can be tied to no row or time (never failed) |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import combinations, pairwise
from typing import Literal

from fingen.quality.binding import Binding, Verdict
from fingen.quality.calc import CONVERSIONS, Calc, CalcError, is_constant, parse_calcs
from fingen.quality.claims import QUANTITIES, ClaimContext, contradicts_itself
from fingen.quality.names import find_foreign
from fingen.quality.pairing import order, source_order
from fingen.quality.quantities import ONE, Quantity, same_currency
from fingen.quality.source import Ladder, Source, fold_name, prepare
from fingen.quality.tables import Place, parse_unit
from fingen.records import Passage, Record

_HALF = Decimal("0.5")
_BARE = 100  # a whole number below it that counts nothing may be that of a note
_TELLING = 200  # half steps: three digits that are shown tell a figure, "5 percent" may be anything
_OVER = ("over ", "more than ", "exceeding ", "above ", "at least ", "超过", "逾", "超", "多于", "不低于", "高于")
_NEARLY = ("nearly ", "almost ", "close to ", "just under ", "接近", "近", "将近")
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

    `chunk`, `source_start` and `source_end` say where the nearest figure of the source stands; without one, None and 0.
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


@dataclass(frozen=True, slots=True)
class Grounding:
    """How the amounts and percentages of an answer stand.

    `figures` is how many there are; `bound` of them are tied to their row or period in the source, `unbound` are there
    or computed and cannot be tied to it; those that failed are the rest. Years and names are findings only.
    """

    figures: int
    bound: int
    unbound: int
    findings: tuple[Finding, ...]

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


class _Check:
    """One answer against its sources."""

    def __init__(self, record: Record, sources: Sequence[Source], organisations: Collection[str]) -> None:
        self.record = record
        self.sources = sources
        self.organisations = organisations
        self.reading = ClaimContext(record.output, sources[0].report_year if sources else None)
        self.binding = Binding(self.reading, sources, record.instruction)
        quotes = [evidence.quote for evidence in record.evidence]
        self.quoted = {id(source): source.spans_of(quotes) for source in sources}
        self.proved: dict[int, list[tuple[Source, Place]]] = {}  # where figures were found, by their start
        self.findings: list[Finding] = []
        self.calcs: tuple[Calc, ...] = ()
        self.used: set[int] = set()

    @cached_property
    def _figures(self) -> list[Quantity]:
        """The amounts and percentages to prove: a number word that counts nothing ("three plants") is none."""
        return [
            figure
            for figure in self.reading.figures
            if figure.kind in QUANTITIES and (not figure.spelled or figure.kind != "amount" or _is_exact(figure))
        ]

    def run(self) -> Grounding:
        self._read_calcs()
        counts = {"bound": 0, "unbound": 0, "failed": 0}
        for figure in self._figures:
            counts[self._quantity(figure)] += 1
        for figure in self.reading.figures:
            if figure.kind == "name":
                self._name(figure)
            elif figure.kind in ("year", "date", "quarter"):
                self._time(figure)
        self._movements()
        self._unused_calcs()
        for named in find_foreign(self.record.output, self.sources, self.organisations):
            self._add("organisation", named.start, named.end, f"{named.name} is not in the source")
        self.findings.sort(key=lambda finding: finding.start)
        return Grounding(sum(counts.values()), counts["bound"], counts["unbound"], tuple(self.findings))

    def _add(
        self, reason: str, start: int, end: int, detail: str, place: Place | None = None, source: Source | None = None,
        status: Literal["failed", "unbound"] = "failed",
    ) -> None:  # fmt: skip
        said = self.record.output[start:end]
        if place is None or source is None:
            self.findings.append(Finding(reason, status, said, start, end, detail))
        else:
            where = (source.chunk, place.figure.start, place.figure.end)
            self.findings.append(Finding(reason, status, said, start, end, detail, *where))

    # --- amounts and percentages ------------------------------------------------------------------------------------------

    def _quantity(self, figure: Quantity) -> Literal["bound", "unbound", "failed"]:
        """Judge a figure by the best of those in the source that it can be.

        One whose row is named outweighs all others; a cell of the row and time that are named, with another value,
        outweighs those of which nothing is known.
        """
        best: tuple[str, str, Place | None, Source | None] = ("figure", "", None, None)
        fair: dict[Verdict, list[tuple[Source, Place]]] = {"named": [], "dated": [], "unbound": []}
        candidates = list(self._candidates(figure))
        quoted = [each for each in candidates if self._is_quoted(*each)]
        for source, place in quoted or candidates:
            verdict, reason, detail = self._judge(figure, source, place)
            if verdict != "no":
                self.proved.setdefault(figure.start, []).append((source, place))
            if verdict == "named" and (quoted or not self._needs_quote(figure)):
                return "bound"
            if verdict != "no":
                fair[verdict].append((source, place))
            elif _STAGES.index(reason) >= _STAGES.index(best[0]):
                best = (reason, detail, place, source)
        computed = self._computed(figure)
        fitting = [*fair["named"], *fair["dated"], *fair["unbound"]]
        if fitting and not quoted and self._needs_quote(figure) and not computed:
            source, place = fitting[0]
            self._add("unquoted", figure.start, figure.end, "no quote of the pair has it", place, source)
            return "failed"
        if computed:
            return self._unbound(figure, "computed")
        if computed is None:
            best = ("direction", "the calc gives a change the other way", None, None)
        elif sources := {id(source): source for source, _ in (*fair["dated"], *fair["unbound"])}:
            interval = self._interval(figure)
            cells = [(source, self.binding.other_cell(figure, source, *interval)) for source in sources.values()]
            if any(cell is None for _, cell in cells):
                return "bound" if fair["dated"] else self._unbound(figure, "in the source", *fair["unbound"][0])
            where, cell = cells[0]
            said = where.text[cell.figure.start : cell.figure.end] if cell else ""
            best = ("binding-row", f"the row that is named has {said}", cell, where)
        elif best[2] is None:
            best = self._other_unit(figure)
        reason, detail, nearest, origin = best
        self._add(reason, figure.start, figure.end, detail, nearest, origin)
        return "failed"

    def _is_quoted(self, source: Source, place: Place) -> bool:
        at = place.figure.start
        return any(start <= at < end for start, end in self.quoted[id(source)])

    def _needs_quote(self, figure: Quantity) -> bool:
        """Whether a figure must stand in a quote of its own pair: not without quotes, and no small bare number."""
        if not any(self.quoted.values()):
            return False
        return figure.kind != "amount" or figure.scale != ONE or bool(figure.unit) or figure.shown >= _BARE

    def _unbound(
        self, figure: Quantity, where: str, source: Source | None = None, place: Place | None = None
    ) -> Literal["unbound"]:
        detail = f"{where}, and tied to no row or time"
        self._add("unbound", figure.start, figure.end, detail, place, source, "unbound")
        return "unbound"

    def _interval(self, figure: Quantity) -> tuple[Decimal, Decimal]:
        """The sizes that the shown digits stand for: half a step to both sides, a whole one after "more than" or "nearly"."""
        size, half = abs(figure.value), figure.step * _HALF
        low, high = size - half, size + half
        before = self.reading.text[max(0, figure.start - 12) : figure.start].lower()
        if before.endswith(_OVER):
            high = size + figure.step
        elif before.endswith(_NEARLY):
            low = size - figure.step
        return low, high

    def _candidates(self, figure: Quantity) -> Iterator[tuple[Source, Place]]:
        low, high = self._interval(figure)
        for source in self.sources:
            ladders: tuple[Ladder, ...]
            if figure.kind != "amount":
                ladders = (source.percents,)
            elif figure.scale == ONE and figure.unit in ("", "time", "times") and not figure.currency:
                ladders = (source.shown, source.amounts)
            else:
                ladders = (source.amounts,)
            for ladder in ladders:
                yield from ((source, place) for place in ladder.within(low, high))
        if figure.kind == "amount" and figure.scale == ONE and figure.currency and self._own_scale != ONE:
            for source in self.sources:  # the answer itself has a unit line
                own = source.amounts.within(low * self._own_scale, high * self._own_scale)
                yield from ((source, place) for place in own)

    @cached_property
    def _own_scale(self) -> Decimal:
        unit = parse_unit(self.reading.text)
        return unit.scale if unit and unit.scale else ONE

    def _judge(self, figure: Quantity, source: Source, place: Place) -> tuple[Verdict, str, str]:
        if detail := _unit_conflict(figure, place, source):
            return "no", "unit", detail
        return self.binding.judge(figure, source, place)

    def _other_unit(self, figure: Quantity) -> tuple[str, str, Place | None, Source | None]:
        """Whether the digits stand in the source with another unit."""
        shown, half = figure.shown, figure.step / figure.scale * _HALF
        for source in self.sources:
            for place in source.shown.within(shown - half, shown + half):
                if place.figure.shown == shown or shown >= _TELLING * half:
                    said = source.text[place.figure.start : place.figure.end]
                    return "unit", f"the source has {said}{_unit_words(place)}", place, source
        return "figure", "no such figure in the source", None, None

    # --- calc -------------------------------------------------------------------------------------------------------------

    def _read_calcs(self) -> None:
        if not self.record.calc:
            return
        try:
            calcs = parse_calcs(self.record.calc)
        except CalcError as e:
            self._add("calc", 0, 0, f"{self.record.calc[:80]}: {e}")
            return
        good = []
        for calc in calcs:
            missing = [
                operand for operand in calc.operands if not is_constant(operand) and not self._scales_of(operand)
            ]
            if missing:
                self._add("calc", 0, 0, f"{calc.text[:80]}: {missing[0]} is not in the source")
            else:
                good.append(calc)
        self.calcs = tuple(good)

    def _scales_of(self, operand: Decimal) -> set[Decimal]:
        """What an operand may be multiplied by to be an amount in base units; 0 stands for a percentage or a bare number."""
        scales: set[Decimal] = set()
        for source in self.sources:
            for place in source.shown.within(operand, operand):
                if place.figure.kind in ("percent", "points") or place.percent:
                    scales.add(Decimal(0))
                if place.figure.kind == "amount":
                    scales.update(place.scales if place.figure.scale == ONE else (place.figure.scale,))
            if any(True for _ in source.amounts.within(operand, operand)):
                scales.add(ONE)
        return scales

    def _computed(self, figure: Quantity) -> bool | None:
        """Whether an expression gives the figure, rounded to the digits shown; None where it does and goes the other way."""
        low, high = self._interval(figure)
        found: bool | None = False
        for number, calc in enumerate(self.calcs):
            for value in self._results(calc, figure):
                if low <= abs(value) <= high:
                    self.used.add(number)
                    if self._agrees(calc, value, figure):
                        return True
                    found = None
        return found

    def _results(self, calc: Calc, figure: Quantity) -> Iterator[Decimal]:
        """What the value of an expression may stand for, in the figure's base units."""
        scales = [self._scales_of(operand) for operand in calc.operands if not is_constant(operand)]
        known = [scale for group in scales for scale in group if scale]
        degree = calc.degree(lambda operand: self._degree_of(operand))
        points = calc.subtracts and (degree == 0 or all(Decimal(0) in group for group in scales))
        if figure.kind == "points" and not points:
            return
        move = self.reading.move(figure)
        if figure.kind == "percent" and points and move is not None and not move.level:
            return  # what a percentage rose by is percentage points
        if figure.currency and not self._in_currency(figure.currency):
            return
        if figure.kind != "amount":
            hundred = Decimal(100) in calc.operands
            yield calc.value if hundred or degree != 0 or not known else calc.value * 100
            return
        if degree == 0 and figure.scale == ONE and not figure.currency:
            yield calc.value
            return
        factors = {scale for scale in known if all(scale in group or not group - {Decimal(0)} for group in scales)} or {
            ONE
        }
        conversions = {operand for operand in calc.operands if operand in CONVERSIONS}
        for factor in factors:
            yield calc.value * factor
            for conversion in conversions:
                yield calc.value * factor * conversion

    def _in_currency(self, currency: str) -> bool:
        known = frozenset().union(*(source.currencies_near(None) for source in self.sources))
        return not known or any(same_currency(currency, other) for other in known)

    def _degree_of(self, operand: Decimal) -> int:
        if is_constant(operand):
            return 0
        return int(any(self._scales_of(operand)))

    def _agrees(self, calc: Calc, value: Decimal, figure: Quantity) -> bool:
        move = self.reading.move(figure)
        grew = calc.growth_sign() if calc.difference is None else self._way(*calc.difference)
        if grew is not None and move is not None and not move.level:
            return grew in (0, move.sign)
        if figure.sign < 0:
            return value <= 0 or grew == -1
        if value < 0 and (move is None or move.level):
            return self.reading.excuses_minus(figure)
        return not (value < 0 and move is not None and move.sign > 0 and not move.level)

    def _way(self, left: Decimal, right: Decimal) -> int | None:
        """1 or -1 for the way from the earlier to the later of two figures, where they are of one row and its times known."""
        ways = {
            (left > right) == (years[0] > years[1])
            for source in self.sources
            for place in source.shown.within(left, left)
            for other in source.row_of(place)
            if other.figure.shown == right and (years := _years(place, other))
        }
        return None if len(ways) != 1 else 1 if ways.pop() else -1

    def _unused_calcs(self) -> None:
        """A result that the source has as well was found there: it counts as given."""
        for number, calc in enumerate(self.calcs):
            if number in self.used or any(self._gives(calc, figure) for figure in self._figures):
                continue
            self._add("calc", 0, 0, f"{calc.text[:80]} gives {_brief(calc.value)}, which the answer does not say")

    def _gives(self, calc: Calc, figure: Quantity) -> bool:
        low, high = self._interval(figure)
        return any(low <= abs(value) <= high for value in self._results(calc, figure))

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
        elif month and not any(_has_day(source, month, day) for source in self.sources):
            self._add("year", figure.start, figure.end, "no such date in the source")

    def _name(self, figure: Quantity) -> None:
        said = self.reading.text[figure.start : figure.end]
        digits = said.replace(",", "")
        if said.isdigit() or digits.replace(".", "").isdigit():
            if any(digits in source.tokens for source in self.sources):
                return
        elif any(fold_name(said) in source.folded for source in self.sources):
            return
        self._add("figure", figure.start, figure.end, "neither in the source nor in the document's names")

    def _movements(self) -> None:
        """Two figures of the answer itself that belie the word: it fell from 5 to 6."""
        quantities = self.reading.quantities
        for first, second in pairwise(quantities):
            if told := order(self.reading, first, second):
                self._order(first, second, told)
            if move := contradicts_itself(self.reading, first, second):
                word = "a rise" if move.sign > 0 else "a fall"
                self._add("direction", first.start, second.end, f"the figures do not show {word}")

    def _order(self, first: Quantity, second: Quantity, told: int) -> None:
        """Two figures of which the source has the other one as the later."""
        pairs = [
            source_order(one, other)
            for one in self.proved.get(first.start, ())
            for other in self.proved.get(second.start, ())
        ]
        if pairs and all(pair == -told for pair in pairs):
            self._add("binding-period", first.start, second.end, "the source has them in the other order of time")


def _years(place: Place, other: Place) -> tuple[int, int] | None:
    """The years of two figures, where each is of one and they differ."""
    years = [[period for period in one.periods if isinstance(period, int)] for one in (place, other)]
    if len(years[0]) == len(years[1]) == 1 and years[0] != years[1]:
        return years[0][0], years[1][0]
    return None


def _is_exact(figure: Quantity) -> bool:
    return figure.currency is not None or figure.scale != ONE


def _unit_conflict(figure: Quantity, place: Place, source: Source) -> str | None:
    found = place.figure
    if figure.kind == "points" and found.kind != "points" and not _is_difference(place, source):
        return "the source gives a percentage, no percentage points"
    if figure.kind == "percent" and found.kind == "points":
        return "the source gives percentage points"
    if figure.currency:
        known = found.currency or place.currency
        currencies = {known} if known else source.currencies_near(place)
        if currencies and not any(same_currency(figure.currency, currency) for currency in currencies):
            return f"the source gives it in {' or '.join(sorted(currencies))}"
    if figure.unit and found.unit and figure.unit != found.unit and figure.kind == found.kind == "amount":
        return f"the source counts {found.unit}"
    return None


def _is_difference(place: Place, source: Source) -> bool:
    """Whether a percentage is the change of a ratio: by its heading, or as the difference of two others in its row."""
    if place.change and place.ratio:
        return True
    shares = [other.figure.value for other in source.row_of(place) if other.figure.kind == "percent"]
    return place.change and any(abs(a - b) == abs(place.figure.value) for a, b in combinations(shares, 2))


def _unit_words(place: Place) -> str:
    """How the unit line of its table would be said."""
    if place.figure.scale != ONE or place.figure.kind != "amount" or place.scales in ((ONE,), ()):
        return ""
    return f" in units of {place.scales[-1]:,}"


def _has_day(source: Source, month: int, day: int) -> bool:
    if any(found == (month, day) or (found[0] == month and not (day and found[1])) for found in source.days):
        return True
    end = source.passage.period.end or ""
    return len(end) == 10 and (month, day or int(end[8:])) == (int(end[5:7]), int(end[8:]))


def _listed(years: Sequence[int]) -> str:
    return ", ".join(map(str, years[-6:])) or "no year"


def _brief(value: Decimal) -> str:
    return f"{value:,.4f}".rstrip("0").rstrip(".")
