"""What a record's calc gives: whether a figure of the answer is its result, from figures of the source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from fingen.quality.calc import CONVERSIONS, Calc, CalcError, is_constant, parse_calcs
from fingen.quality.claims import ClaimContext
from fingen.quality.quantities import ONE, Quantity, same_currency
from fingen.quality.source import Source
from fingen.quality.tables import Place, label_key

_HALF = Decimal("0.5")
POWERS = CONVERSIONS | {Decimal(10), Decimal(100)}  # what an amount is brought into another unit with: 百万元 to 亿元
_OVER = ("over ", "more than ", "exceeding ", "above ", "at least ", "超过", "逾", "超", "多于", "不低于", "高于")
_ROUNDLY = (
    "some ",
    "about ",
    "around ",
    "roughly ",
    "approximately ",
    "almost ",
    "nearly ",
    "约",
    "大约",
    "近",
    "左右",
)
_NEARLY = ("nearly ", "almost ", "close to ", "just under ", "接近", "近", "将近")
_SHARE_GAP = re.compile(  # 5 million, about 40 percent of it: the share is that of the figure before
    r"\s?[,，(（]?\s?(?:(?:which|that) is |or |equal to |equivalent to )?(?:about |around |approximately |some |roughly "
    r"|nearly |only |just )?"
    r"|[，,（(]?(?:约|大约|仅|只|合计|共)?占[^，。；0-9]{0,14}"
)
_PART_OF = re.compile(r"其中|\bof (?:which|that|it|this)\b")
_OF_TIME_BEFORE = re.compile(
    r"增[幅长加减]|降幅|下降|上年|去年|上期|同期|前一?年|年初|期初"
    r"|\b(?:prior|previous|last|earlier|years? before|ago|preceding|that of)\b|(?:19|20)[0-9]{2}"
)
_BASE_ZH = re.compile(
    r"(?:占|相当于|约为)(?:了|到|当期|全部|公司)?([\u4e00-\u9fff]{2,12}?)(?:总额|总数)?的(?:约|比例为|比重为)?$"
)
_BASE_EN = re.compile(r"\s?of (?:the |its |all )?((?!which|this|that|it\b)[a-z][a-z -]{4,40}?)(?=[.,;]|$)")
_SHARE_OF = re.compile(r"\s?of\b")


def interval(reading: ClaimContext, figure: Quantity) -> tuple[Decimal, Decimal]:
    """The sizes that the shown digits stand for: half a step to both sides, a whole one after "more than" or "nearly"."""
    size, half = abs(figure.value), figure.step * _HALF
    low, high = size - half, size + half
    before = reading.text[max(0, figure.start - 14) : figure.start].lower().rstrip("$€£¥")
    if before.endswith(_ROUNDLY) and (zeros := len(digits := str(int(figure.shown))) - len(digits.rstrip("0"))) > 1:
        low, high = size - half * 10**zeros, size + half * 10**zeros  # some 64,000
    if before.endswith(_OVER):
        high = size + figure.step
    elif before.endswith(_NEARLY):
        low = size - figure.step
    return low, high


class Computed:
    """The expressions of a record, and which of the answer's figures they give."""

    def __init__(
        self, reading: ClaimContext, sources: Sequence[Source], is_quoted: Callable[[Source, Place], bool]
    ) -> None:
        self.reading = reading
        self.sources = sources
        self._is_quoted = is_quoted
        self._scales: dict[Decimal, set[Decimal]] = {}
        self.calcs: tuple[Calc, ...] = ()
        self.used: set[int] = set()

    def read(self, text: str) -> Iterator[str]:
        """Take the expressions of a text whose operands are in the source; says what is wrong with the others."""
        if not text:
            return
        try:
            calcs = parse_calcs(text)
        except CalcError as e:
            yield f"{text[:80]}: {e}"
            return
        good = []
        for calc in calcs:
            missing = [each for each in calc.operands if not is_constant(each) and not self._scales_of(each)]
            if missing:
                yield f"{calc.text[:80]}: {missing[0]} is not in the source"
            else:
                good.append(calc)
        self.calcs = tuple(good)

    def unused(self, figures: Sequence[Quantity]) -> Iterator[Calc]:
        """The expressions whose results no figure of the answer states."""
        for number, calc in enumerate(self.calcs):
            if number not in self.used and not any(self._may_give(calc, figure) for figure in figures):
                yield calc

    def _may_give(self, calc: Calc, figure: Quantity) -> bool:
        low, high = interval(self.reading, figure)
        return any(low <= abs(value) <= high for value in self._results(calc, figure))

    def _scales_of(self, operand: Decimal) -> set[Decimal]:
        """What an operand may be multiplied by to be an amount in base units; 0 stands for a percentage or a bare number."""
        if operand not in self._scales:
            self._scales[operand] = self._find_scales(operand)
        return self._scales[operand]

    def _find_scales(self, operand: Decimal) -> set[Decimal]:
        """The scales of the figures that the quotes have with these digits; without one, of all that the source has."""
        scales: set[Decimal] = set()
        found = [(source, place) for source in self.sources for place in source.shown.within(operand, operand)]
        for _, place in [each for each in found if self._is_quoted(*each)] or found:
            if place.figure.kind in ("percent", "points") or (place.percent and not place.figure.currency):
                scales.add(Decimal(0))
            if place.figure.kind == "amount":
                scales.update(place.scales if place.figure.scale == ONE else (place.figure.scale,))
        if not scales and self._has_amount(operand):
            return {ONE}
        said = {each.scale for each in self.reading.figures if each.kind == "amount" and each.shown == operand}
        return scales & said or scales or {scale for scale in CONVERSIONS if self._has_amount(operand * scale)}

    def _has_amount(self, value: Decimal) -> bool:
        """Whether the source has an amount to the digit: 6734 stands for £6,734,000."""
        return any(True for source in self.sources for _ in source.amounts.within(value, value))

    def gives(self, figure: Quantity) -> bool | None:
        """Whether an expression gives the figure, rounded to the digits shown; None where it does and goes the other way."""
        low, high = interval(self.reading, figure)
        found: bool | None = False
        for number, calc in enumerate(self.calcs):
            for value in self._results(calc, figure):
                if low <= abs(value) <= high:
                    self.used.add(number)
                    if self._agrees(calc, value, figure):
                        return True
                    found = None
        return found

    def operands_of(self, figure: Quantity) -> list[list[tuple[Source, Place]]]:
        """Where the operands stand that a figure is computed from."""
        calc = next(
            (each for number, each in enumerate(self.calcs) if number in self.used and self._may_give(each, figure)),
            None,
        )
        return [
            [(source, place) for source in self.sources for place in source.shown.within(operand, operand)]
            for operand in (calc.operands if calc else ())
            if not is_constant(operand)
        ]

    def wrong_share(self, figure: Quantity) -> tuple[str, str] | None:
        """What is wrong with the operands of a share: a part and a whole of two years, or another whole than the one named."""
        operands = self.operands_of(figure)
        if figure.kind != "percent" or len(operands) != 2 or not self._is_share(figure):
            return None
        years = [_years_of(places) for places in operands]
        before, after = self.reading.around(figure)
        if years[0] and years[1] and not years[0] & years[1] and not _OF_TIME_BEFORE.search(f"{before} {after[:40]}"):
            return "binding-period", "it is computed from figures of different years"
        named = _BASE_ZH.search(before) or _BASE_EN.match(after)
        key = label_key(named[0].strip("占相当于约为的 ") if named and "总" in named[0] else named[1]) if named else ""
        is_row = key and any(source.rows_named(key) for source in self.sources)
        if is_row and not any(key in label_key(_words(place)) for _, place in operands[1]):
            return "binding-row", f"it is computed from another figure than that of {key}"
        if self._is_total_of_another_table(operands) or (named is None and self._is_of_another_whole(figure)):
            return "binding-row", "it is computed from another whole than the one that is spoken of"
        return None

    @staticmethod
    def _is_total_of_another_table(operands: Sequence[Sequence[tuple[Source, Place]]]) -> bool:
        """Whether a whole stands in another table than its part, whose own table has a row of that name."""
        parts, wholes = ([place for _, place in each] for each in operands)
        if any(place.row is None for place in (*parts, *wholes)) or not parts or not wholes:
            return False
        if {id(place.table) for place in parts} & {id(place.table) for place in wholes}:
            return False
        names = {label_key(place.row.label) for place in wholes if place.row}
        if names & {label_key(place.row.label) for place in parts if place.row}:
            return False  # one thing on two bases
        return all(
            place.table is not None and any(label_key(row.label) in names for row, _ in place.table.rows)
            for place in parts
        )

    def _is_of_another_whole(self, figure: Quantity) -> bool:
        """Whether a part that is given as one of an amount before it is no such share of any of these: 5, of which 3, or 40 %."""
        start, _ = self.reading.sentence(figure.start)
        told = max(_PART_OF.finditer(self.reading.text, start, figure.start), key=re.Match.start, default=None)
        amounts = [
            each for each in self.reading.quantities if start <= each.start < figure.start and each.kind == "amount"
        ]
        before = [each for each in amounts if told and each.end <= told.start() and each.value]
        part = [each for each in amounts if told and each.start >= told.end()]
        if len(part) != 1 or not before:
            return False
        low, high = interval(self.reading, figure)
        blur = (high - low) + abs(figure.value) / 100
        shares = [abs(part[0].value / whole.value) * 100 for whole in before if whole.unit == part[0].unit]
        return bool(shares) and not any(low - blur <= share <= high + blur for share in shares)

    def _is_share(self, figure: Quantity) -> bool:
        calcs = [each for number, each in enumerate(self.calcs) if number in self.used and self._may_give(each, figure)]
        return bool(calcs) and "/" in calcs[0].text and not set("-+") & set(calcs[0].text)

    def _results(self, calc: Calc, figure: Quantity) -> Iterator[Decimal]:
        """What the value of an expression may stand for, in the figure's base units."""
        scales = [self._scales_of(operand) for operand in calc.operands if not is_constant(operand)]
        known = [scale for group in scales for scale in group if scale]
        degree = calc.degree(lambda operand: self._degree_of(operand))
        points = calc.subtracts and (degree == 0 or all(Decimal(0) in group for group in scales))
        gap = "/" not in calc.text and bool(scales) and all(Decimal(0) in group for group in scales)
        if figure.kind == "points" and not (points or gap):  # a fall of 5 percent and a rise of 3 are 8 points apart
            return
        if figure.kind == "percent" and points:
            return  # what two percentages differ by is percentage points
        if figure.currency and not self._in_currency(figure.currency):
            return
        if figure.kind != "amount":
            hundred = Decimal(100) in calc.operands
            yield calc.value if hundred or degree != 0 or not known else calc.value * 100
            return
        factors = calc.scales(self._scales_of)
        conversions = {operand for operand in calc.operands if operand in POWERS}
        for factor in factors:
            yield calc.value * factor
            for conversion in conversions:  # divided by it, or multiplied with it
                yield calc.value * factor * conversion
                yield calc.value * factor / conversion

    def _in_currency(self, currency: str) -> bool:
        known = frozenset().union(*(source.currencies_near(None) for source in self.sources))
        return not known or any(same_currency(currency, other) for other in known)

    def _degree_of(self, operand: Decimal) -> int:
        if is_constant(operand):
            return 0
        return int(any(self._scales_of(operand)))

    def _agrees(self, calc: Calc, value: Decimal, figure: Quantity) -> bool:
        if not self._is_of(calc, figure):
            return False
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

    def _is_of(self, calc: Calc, figure: Quantity) -> bool:
        """Whether a share is computed from the figure that it is said to be the share of: 5 million, 40 percent of sales."""
        if figure.kind != "percent" or not self.reading.quantities or "/" not in calc.text:
            return True
        before, after = self.reading.around(figure)
        if self._is_of_next(calc, figure, after):
            return True
        whole = next((each for each in reversed(self.reading.quantities) if each.end <= figure.start), None)
        if whole is None or whole.kind != "amount" or whole.end != figure.start - len(before):
            return True
        if (base := self._named_base(figure, before, after)) and not self._has_operand(calc, base):
            return False
        is_share = "占" in before or _SHARE_OF.match(after)
        if not is_share or not _SHARE_GAP.fullmatch(before):
            return True
        return len([each for each in calc.operands if not is_constant(each)]) != 2 or self._has_operand(calc, whole)

    def _named_base(self, figure: Quantity, before: str, after: str) -> Quantity | None:
        """The amount that the answer gives before as what a figure is a share of: 新投资7,400万元 ... 占新投资的54.1%."""
        named = _BASE_ZH.search(before) or _BASE_EN.match(after)
        if named is None:
            return None
        text, phrase = self.reading.text, named[1].strip()
        found = [
            each for each in self.reading.quantities
            if each.kind == "amount" and each.end <= figure.start
            and text[: each.start].rstrip("为达共计约 ").endswith(phrase)
        ]  # fmt: skip
        return found[-1] if len(found) == 1 else None

    def _is_of_next(self, calc: Calc, figure: Quantity, after: str) -> bool:
        """Whether the figure after a share is what it is the share of: 40 percent of the sales of 5 million."""
        whole = next((each for each in self.reading.quantities if each.start == figure.end + len(after)), None)
        return whole is not None and _SHARE_OF.match(after) is not None and self._has_operand(calc, whole)

    def _has_operand(self, calc: Calc, figure: Quantity) -> bool:
        low, high = interval(self.reading, figure)
        operands = [each for each in calc.operands if not is_constant(each)]
        sizes = (each * scale for each in operands for scale in (*self._scales_of(each), *CONVERSIONS, ONE))
        return any(low <= size <= high for size in sizes)


def _years(place: Place, other: Place) -> tuple[int, int] | None:
    """The years of two figures, where each is of one and they differ."""
    years = [[period for period in one.periods if isinstance(period, int)] for one in (place, other)]
    if len(years[0]) == len(years[1]) == 1 and years[0] != years[1]:
        return years[0][0], years[1][0]
    return None


def _years_of(places: Sequence[tuple[Source, Place]]) -> frozenset[int]:
    """The years of all places of a figure; none where one of them is of no year."""
    years = [{period for period in place.periods if isinstance(period, int)} for _, place in places]
    return frozenset().union(*years) if years and all(years) else frozenset()


def _words(place: Place) -> str:
    return f"{place.row.label} {place.column.heading}" if place.row and place.column else ""


def brief(value: Decimal) -> str:
    """A number with four decimals at most."""
    return f"{value:,.4f}".rstrip("0").rstrip(".")
