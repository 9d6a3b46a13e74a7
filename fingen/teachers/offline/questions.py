"""Questions on one table whose answer is a program over its cells, with the value that it gives.

What is asked is what an analyst works out: growth, differences, shares of a total, margins and ratios of a statement, averages,
order, and whether a total is the sum of its lines. Nothing is set in relation that the table itself does not relate: a share
is one of a total that the lines above it add up to, a margin is of two items of one statement.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

from fingen.records import Passage
from fingen.teachers.offline.extract import Pair
from fingen.teachers.offline.sheets import Block, Line, Sheet, read_sheets
from fingen.teachers.offline.table_words import (
    WORDS,
    Words,
    is_balance,
    is_cash_flow,
    is_cost,
    is_measure,
    is_movement,
    is_noun,
    is_part,
    is_rate,
    is_specific,
    is_subject,
    is_total,
    is_vague,
    is_whole,
    rounded,
    says_minus,
)

MOST = 8  # pairs of a table: a set takes half as many, the first that nothing in the report speaks against
_TWICE = 2  # pairs of a table that one line is asked about in, at most
_MOST_LISTED = {"en": 6, "zh": 5}  # lines that a question lists
_LONGEST_LIST = {"en": 230, "zh": 80}  # characters of these
_LEAST_DIGITS = 20  # an amount without its point: a rate of less says little
_LEAST_UNITS = 1000  # of a currency, with its cents
_LEAST_SCALED = 100  # of thousands or millions with two decimals
_MOST_RATE = Decimal(5)
_LEAST_SHARE, _WHOLE = Decimal("0.01"), Decimal(1)
_LEAST_CHANGE = Decimal("0.02")  # of a total, whose change is attributed
_LEAST_LINES = 3
_AFTER = re.compile(r"(?i)\bafter\b")  # profit after tax has no part before tax
_UNQUOTED = re.compile(r"[()#,|]")  # what cannot stand in a program
_MARGINS = {  # of two items of a statement: what it is called
    ("gross profit", "revenue"): ("gross margin", "毛利率"),
    ("operating income", "revenue"): ("operating margin", "营业利润率"),
    ("net income", "revenue"): ("net margin", "净利率"),
    ("attributable", "revenue"): ("net margin attributable to owners", "归母净利率"),
    ("pretax", "revenue"): ("pre-tax margin", "税前利润率"),
    ("research", "revenue"): ("research and development ratio", "研发费用率"),
    ("selling", "revenue"): ("selling expense ratio", "销售费用率"),
    ("administrative", "revenue"): ("administrative expense ratio", "管理费用率"),
    ("cost of sales", "revenue"): ("cost ratio", "营业成本率"),
    ("tax", "pretax"): ("effective tax rate", "实际税率"),
    ("total liabilities", "total assets"): ("debt-to-assets ratio", "资产负债率"),
    ("equity", "total assets"): ("equity ratio", "权益比率"),
    ("cash", "total assets"): ("cash share of assets", "货币资金占比"),
    ("inventories", "total assets"): ("inventory share of assets", "存货占比"),
}
_RATIOS = {
    ("current assets", "current liabilities"): ("current ratio", "流动比率"),
    ("total liabilities", "equity"): ("liabilities-to-equity ratio", "产权比率"),
    ("operating income", "interest expense"): ("interest cover", "利息保障倍数"),
    ("operating cash", "net income"): ("cash conversion", "净现比"),
    ("operating cash", "capital expenditure"): ("capital expenditure cover", "资本支出保障倍数"),
    ("total assets", "equity"): ("equity multiplier", "权益乘数"),
}


@dataclass(frozen=True)
class Asked:
    """One question: its operation, the cells that it takes in the order of the program, and what fills its wordings."""

    operation: str
    cells: tuple[tuple[Line, int], ...]
    program: str
    slots: dict[str, Any]
    calc: str = ""
    rank: float = 1.0  # a lower one is asked first
    about: tuple[str, ...] = field(default=())  # what the choice of a wording goes by


def table_pairs(passage: Passage) -> list[Pair]:
    """The pairs on the tables of a passage, at most MOST of each, in the order of the tables."""
    found = []
    for _, sheets in groupby(read_sheets(passage) if passage.company else (), key=lambda sheet: sheet.number):
        asked = [(each, words) for sheet in sheets for words in [WORDS[passage.language](passage, sheet)]
                 for each in _Asker(sheet, words).questions()]  # fmt: skip
        found += [_pair(each, words) for each, words in _choose(asked)]
    return found


def table_talks(passage: Passage) -> list[tuple[Pair, ...]]:
    """Conversations on the tables of a passage, the most telling lines first.

    Each is on one line: its amount, that of the year before, the growth, and what part of another line that relates to it.
    """
    talks = []
    for sheet in read_sheets(passage) if passage.company else ():
        words = WORDS[passage.language](passage, sheet)
        asked = list(_Asker(sheet, words).questions())
        parts = {each.cells[0][0]: each for each in asked if each.operation in ("share", "margin")}
        for growth in (each for each in asked if each.operation == "growth"):
            (now, before), part = growth.cells, parts.get(growth.cells[0][0])
            turns = [
                replace(growth, operation="level", cells=(now,), calc=""),
                replace(growth, operation="level_before", cells=(before,), calc=""),
                replace(growth, operation="then_growth"),
                *([replace(part, operation="then_part")] if part else []),
            ]
            talks.append((growth.rank, tuple(_pair(turn, words) for turn in turns)))
    return [talk for _, talk in sorted(talks, key=lambda each: each[0])]


def _choose(asked: Sequence[tuple[Asked, Words]]) -> list[tuple[Asked, Words]]:
    """The questions of a table that are asked: each of another kind while there is one, and no line again and again."""
    seed = min((line.quote for each, _ in asked for line, _ in each.cells), default="")
    queues: dict[str, list[tuple[Asked, Words]]] = {}
    for each in sorted(asked, key=lambda each: (each[0].rank, _hash(seed, *each[0].about))):
        queues.setdefault(each[0].operation, []).append(each)
    chosen: list[tuple[Asked, Words]] = []
    taken: Counter[str] = Counter()
    while len(chosen) < MOST and any(queues.values()):
        for kind in sorted(queues, key=lambda kind: _hash(seed, kind)):
            queue = queues[kind]
            while queue and any(taken[name] >= _TWICE for name in queue[0][0].about):
                queue.pop(0)
            if queue and len(chosen) < MOST:
                chosen.append(queue.pop(0))
                taken.update(chosen[-1][0].about)
    return chosen


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _pair(asked: Asked, words: Words) -> Pair:
    slots = {
        "company": words.company,
        "owner": words.owner,
        "Owner": words.owner,
        "report": words.report,
        **asked.slots,
    }
    slots |= {
        name.capitalize(): text[:1].upper() + text[1:] for name, text in slots.items() if name in ("row", "in_now")
    }
    ask, again, answer = words.wordings(asked.operation, slots, *asked.about, *(str(year) for _, year in asked.cells))
    quotes = tuple(dict.fromkeys(line.quote for line, _ in asked.cells))
    cells = tuple(
        {"row": line.label, "period": str(year), "value": line.amounts[year].digits} for line, year in asked.cells
    )
    return Pair(
        ask, again, answer, quotes, asked.rank, asked.calc,
        operation=asked.operation, program=asked.program, cells=cells,
    )  # fmt: skip


class _Asker:
    """Finds what a table gives to ask."""

    def __init__(self, sheet: Sheet, words: Words) -> None:
        self.sheet, self.words, self.language = sheet, words, words.language
        self.now, self.before = sheet.years[:2]

    def questions(self) -> Iterator[Asked]:
        """All that can be asked."""
        if self.sheet.counts == "percent":
            for line in self.sheet.lines:
                yield from self._points(line)
            return
        if self.sheet.counts == "money per share":
            for line in self.sheet.lines:
                yield from self._over_time(line, None)
            return
        is_statement = bool(self.sheet.kind or self.sheet.segment)
        asked_of = [line for line in self.sheet.lines if is_statement and self._is_asked_about(line)]
        blocks = [
            block for block in self.sheet.blocks if self._is_total(block.whole) and not self._names_a_line(block.whole)
        ]
        totals = [block.whole for block in blocks]
        parts = {part for block in self.sheet.blocks for part in block.parts}
        if self.sheet.kind is None and not self.sheet.measure:
            totals += [
                line
                for line in self.sheet.lines
                if line not in parts
                and not line.is_repeated
                and is_specific(line.name, self.language, self.sheet.is_stock)
            ]
        if self.sheet.measure:
            totals += [line for line in self.sheet.lines if self._is_measured(line)]
        for line in dict.fromkeys([*asked_of, *totals]):
            yield from self._over_time(line, None)
        if is_statement:
            yield from self._between_items()
        for block in blocks:
            if self._is_positive(block.whole):
                yield from self._of_block(block)

    def _is_asked_about(self, line: Line) -> bool:
        return (
            (line.item is not None and not line.item.is_per_share)
            or (line.item is None and is_noun(line.name, self.language) and self.sheet.kind in ("income", "balance"))
            or (self.sheet.kind == "cash" and not line.is_repeated and is_cash_flow(line.name, self.language))
        )

    def _is_measured(self, line: Line) -> bool:
        """Whether a line's name and what stands over its columns say together what its amounts are."""
        if (
            line.is_repeated
            or is_total(line.name)
            or is_rate(f"{line.name} {self.sheet.measure}")
            or is_balance(line.name)
        ):
            return False
        is_said = is_measure(self.sheet.measure, self.language)
        return is_part(line.name, self.language) if is_said else is_noun(line.name, self.language)

    def _is_total(self, line: Line) -> bool:
        """Whether a total can be named: by its label, or by what its table or section is about."""
        if is_total(line.name) and (line.is_repeated or sum(is_total(each.name) for each in self.sheet.lines) > 1):
            return False  # one title for several totals
        if is_total(line.name) or self.sheet.measure:
            over = list(filter(None, (self.sheet.measure, self.sheet.title)))
            says_nothing = is_vague(self.sheet.measure) and len(over) < 2  # an amount: of what?
            return (
                is_total(line.name)
                and not says_nothing
                and bool(over)
                and all(is_subject(each, self.language) for each in over)
            )
        return not line.is_repeated and is_noun(line.name, self.language)

    def _names_a_line(self, whole: Line) -> bool:
        """Whether what a total is called holds the name of another line: trade and other receivables, and one of other receivables."""
        said = self.words.line(whole).lower()
        return is_total(whole.name) and any(
            line.name and line is not whole and line.name.lower() in said for line in self.sheet.lines
        )

    def _is_positive(self, line: Line, years: Sequence[int] = ()) -> bool:
        """Whether a line has an amount in each year that is none to be taken off; a cost may stand in brackets."""
        values = [line.value(year) for year in years or (self.now, self.before)]
        least = _LEAST_SCALED if self.sheet.money.scale else _LEAST_UNITS if self.sheet.counts == "money" else 0
        if _decimals(line) > 1 and max(map(abs, values)) < least:
            return False  # of a share, or a torn cell, who knows
        is_taken_off = (line.item is not None and line.item.way == "cost") or is_cost(line.name)
        return all(value > 0 for value in values) or (
            (is_taken_off or says_minus(line.name))
            and all(value < 0 for value in values)
            and all(amount.value <= 0 for amount in line.amounts.values())  # of both signs: brackets tell a credit
        )

    def _asked(
        self, operation: str, cells: Sequence[tuple[Line, int]], program: str, calc: str = "", **slots: Any
    ) -> Asked:
        lines = [line for line, _ in cells]
        item, stock = lines[0].item, self._is_stock(lines[0])
        times = {"now": self.words.time(self.now, stock), "in_now": self.words.at(self.now, stock)}
        times |= {"before": self.words.time(self.before, stock), "in_before": self.words.at(self.before, stock)}
        return Asked(
            operation, tuple(cells), program, {**times, **slots}, calc, (item.rank / 100 if self.sheet.kind else 2.0) if item else 1.0,
            tuple(dict.fromkeys(line.label for line in lines)),
        )  # fmt: skip

    def _is_stock(self, line: Line) -> bool | None:
        """Whether a line is counted on a day: as its table is, and where that has both, as the item is."""
        return line.item.is_stock if self.sheet.kind == "key" and line.item else self.sheet.is_stock

    def _is_fine(self, line: Line) -> bool:
        """Whether a line's amounts have digits enough for a rate to say something."""
        return all(abs(line.value(year)).scaleb(_decimals(line)) >= _LEAST_DIGITS for year in (self.now, self.before))

    def _gap(self, value: Decimal) -> str:
        return self.words.money(abs(value), self.sheet.money)

    def _said(self, line: Line, year: int) -> str:
        return self.words.amount(line.amounts[year], self.sheet.money)

    # --- one line over time

    def _points(self, line: Line) -> Iterator[Asked]:
        """How a rate moved, in percentage points."""
        a, b = (line.value(year) for year in (self.now, self.before))
        if a == b or not is_whole(line.name, self.language):
            return
        literals = _digits(line, self.now), _digits(line, self.before)
        unit = "个百分点" if self.language == "zh" else " percentage point" + ("" if abs(a - b) == 1 else "s")
        slots = {
            "row": self.words.line(line),
            "points": f"{abs(a - b)}{unit}",
            **self.words.directions(a - b, "points"),
        }
        slots |= {"a": f"{line.amounts[self.now].digits}%", "b": f"{line.amounts[self.before].digits}%"}
        program, calc = f"subtract({literals[0]}, {literals[1]})", " - ".join(literals)
        yield self._asked("points", [(line, self.now), (line, self.before)], program, calc, **slots)

    def _over_time(self, line: Line, whole: Line | None) -> Iterator[Asked]:
        if not self._is_positive(line) or not self._is_fine(line):
            return
        a, b = abs(line.value(self.now)), abs(line.value(self.before))
        literals = _digits(line, self.now), _digits(line, self.before)
        slots = {
            "row": self.words.line(line, whole),
            "a": self._said(line, self.now),
            "b": self._said(line, self.before),
        }
        cells = [(line, self.now), (line, self.before)]
        slots |= {"gap": self._gap(a - b)}
        rate = (a - b) / b
        if rounded(rate * 100, 1) and abs(rate) <= _MOST_RATE:
            calc = f"{literals[0]} - {literals[1]}; ({literals[0]} - {literals[1]}) / {literals[1]} * 100"
            program = f"subtract({literals[0]}, {literals[1]}), divide(#0, {literals[1]})"
            told = {**slots, **self.words.directions(a - b, "growth"), "rate": self.words.percent(abs(rate))}
            yield self._asked("growth", cells, program, calc, **told)
        if a != b:
            calc, program = f"{literals[0]} - {literals[1]}", f"subtract({literals[0]}, {literals[1]})"
            told = {**slots, **self.words.directions(a - b, "change")}
            yield self._asked("change", cells, program, calc, **told)
        yield from self._over_years(line, whole)

    def _over_years(self, line: Line, whole: Line | None) -> Iterator[Asked]:
        years = self.sheet.years[::-1]
        if not self._is_positive(line, years):
            return
        literals = [_digits(line, year) for year in years]
        stock = self._is_stock(line)
        times = self.words.joined([self.words.time(year, stock) for year in years])
        told = [f"{self._said(line, year)} {self.words.at(year, stock)}" if self.language == "en"
                else f"{self.words.time(year, stock)}{self._said(line, year)}" for year in years]  # fmt: skip
        slots = {"row": self.words.line(line, whole), "times": times, "listed": self.words.joined(told)}
        cells = [(line, year) for year in years]
        average = sum((abs(line.value(year)) for year in years), Decimal(0)) / len(years)
        differ = len({line.value(year) for year in years}) > 1
        if differ and (len(years) > 2 or (stock and self.sheet.kind)) and self._is_fine(line):
            value = rounded(average, max(_decimals(line), 1 if self.sheet.money.scale else 2))
            calc = f"({' + '.join(literals)}) / {len(years)}"
            program = f"{_chain('add', literals)}, divide(#{len(years) - 2}, const_{len(years)})"
            yield self._asked(
                "average", cells, program, calc, **slots, result=self.words.money(value, self.sheet.money)
            )
        best = max(years, key=line.value)
        alone = [line.value(year) for year in years].count(line.value(best)) == 1
        positive = all(line.value(year) > 0 for year in years)  # brackets end a figure of a program
        if (
            len(years) > 2
            and alone
            and positive
            and set(years) == set(self.sheet.quote_years)
            and not _UNQUOTED.search(line.label)
        ):
            peak = {
                "in_peak": self.words.at(best, stock),
                "peak": self.words.time(best, stock),
                "result": self._said(line, best),
            }
            yield self._asked("peak", cells, f"table_max({line.label}, none)", **slots, **peak)

    # --- two items of a statement

    def _between_items(self) -> Iterator[Asked]:
        by_name: dict[str, Line] = {}
        for line in self.sheet.lines:
            if line.item and line.name:
                by_name.setdefault(line.item.name, line)
        for names, called in (*_MARGINS.items(), *_RATIOS.items()):
            one, other = (by_name.get(name) for name in names)
            if (
                one
                and other
                and self._is_stock(one) == self._is_stock(other)
                and self._is_positive(one)
                and self._is_positive(other)
            ):
                of = f" of the {self.sheet.segment} segment" if self.sheet.segment else ""
                yield from self._relation(one, other, called[self.language == "zh"] + of, is_times=names in _RATIOS)
        for names in (
            ("operating cash", "capital expenditure"),
            ("revenue", "cost of sales"),
            ("total assets", "total liabilities"),
        ):
            one, other = (by_name.get(name) for name in names)
            if (
                one
                and other
                and self._is_stock(one) == self._is_stock(other)
                and self._is_positive(one)
                and self._is_positive(other)
            ):
                yield from self._difference(one, other)

    def _relation(self, one: Line, other: Line, called: str, *, is_times: bool) -> Iterator[Asked]:
        top, base = abs(one.value(self.now)), abs(other.value(self.now))
        if not (self._is_fine(one) and self._is_fine(other)):
            return
        calc, program = f"{_digits(one, self.now)} / {_digits(other, self.now)}", _divide(one, other, self.now)
        slots = {
            "ratio": called, "row": self.words.line(one), "whole": self.words.line(other),
            "a": self._said(one, self.now), "b": self._said(other, self.now),
        }  # fmt: skip
        cells = [(one, self.now), (other, self.now)]
        if is_times:
            result = f"{rounded(top / base, 2)}{' times' if self.language == 'en' else '倍'}"
            yield self._asked("ratio", cells, program, calc, **slots, result=result)
            return
        if not _LEAST_SHARE < top / base <= _WHOLE:
            return
        yield self._asked("margin", cells, program, f"{calc} * 100", **slots, rate=self.words.percent(top / base))
        yield from self._shift("margin_change", one, other, slots)

    def _shift(self, operation: str, one: Line, other: Line, slots: dict[str, Any]) -> Iterator[Asked]:
        """How a share or margin moved, in percentage points; none where rounding would belie it."""
        rates = [abs(one.value(year)) / abs(other.value(year)) for year in (self.now, self.before)]
        points = rounded((rates[0] - rates[1]) * 100, 1)
        shown = [rounded(rate * 100, 1) for rate in rates]
        if not points or shown[0] - shown[1] != points or not _LEAST_SHARE < rates[1] <= _WHOLE:
            return
        c, d = self._said(one, self.before), self._said(other, self.before)
        parts = [f"{_digits(one, year)} / {_digits(other, year)} * 100" for year in (self.now, self.before)]
        calc = f"{parts[0]}; {parts[1]}; {parts[0]} - {parts[1]}"
        program = f"{_divide(one, other, self.now)}, {_divide(one, other, self.before)}, subtract(#0, #1)"
        cells = [(one, self.now), (other, self.now), (one, self.before), (other, self.before)]
        unit = "个百分点" if self.language == "zh" else " percentage point" + ("" if abs(points) == 1 else "s")
        told = {**slots, **self.words.directions(points, operation), "c": c, "d": d, "points": f"{abs(points)}{unit}"}
        told |= {"rate": self.words.percent(rates[0]), "rate_before": self.words.percent(rates[1])}
        yield self._asked(operation, cells, program, calc, **told)

    def _difference(self, one: Line, other: Line, whole: Line | None = None) -> Iterator[Asked]:
        a, b = abs(one.value(self.now)), abs(other.value(self.now))
        if a <= b:
            return
        literals = _digits(one, self.now), _digits(other, self.now)
        slots = {"row": self.words.line(one), "other": self.words.line(other), "gap": self._gap(a - b)}
        within = self.words.within(whole) if whole and not (self.sheet.kind or self.sheet.measure) else ""
        slots |= {"a": self._said(one, self.now), "b": self._said(other, self.now), "within": within}
        program = f"subtract({literals[0]}, {literals[1]})"
        yield self._asked("gap", [(one, self.now), (other, self.now)], program, " - ".join(literals), **slots)

    # --- a total and its lines

    def _of_block(self, block: Block) -> Iterator[Asked]:
        whole, years = block.whole, (self.now, self.before)
        is_result = block.whole.item is not None and block.whole.item.way == "gain"
        if is_movement(block) or is_result or whole.value(self.now) < 0 or _AFTER.search(whole.name):
            return  # of a profit or loss nothing is a part
        times = Counter(part.label for part in block.parts)
        named = [part for part in block.parts if is_part(part.name, self.language) and times[part.label] == 1]
        positive = [part for part in named if all(part.value(year) > 0 for year in years)]
        for part in positive:
            if self.sheet.kind is None and not is_rate(part.name):
                yield from self._over_time(part, None if self.sheet.measure else whole)
        if any(part.value(year) < 0 for part in block.parts for year in years):
            return  # of what is added and taken off nothing is a share
        for part in positive:
            yield from self._shares(part, whole)
        ranked = sorted((part for part in named if part.value(self.now) > 0), key=lambda part: -part.value(self.now))
        is_clear = not (
            self.sheet.kind and any(part.is_repeated for part in ranked[:2])
        )  # no total is told beside them
        if len(ranked) > 1 and self.sheet.kind != "cash" and is_clear:
            yield from self._difference(ranked[0], ranked[1], whole)
        if len(named) == len(block.parts) == len(ranked):
            yield from self._listed(block, ranked)

    def _shares(self, part: Line, whole: Line) -> Iterator[Asked]:
        top, base = part.value(self.now), whole.value(self.now)
        share = top / base
        if not (self._is_fine(part) and self._is_fine(whole)) or not _LEAST_SHARE < share < _WHOLE:
            return
        slots = {"row": self.words.line(part, is_part=True), "whole": self.words.line(whole)}
        slots |= {"a": self._said(part, self.now), "b": self._said(whole, self.now)}
        calc = f"{_digits(part, self.now)} / {_digits(whole, self.now)} * 100"
        cells = [(part, self.now), (whole, self.now)]
        yield self._asked("share", cells, _divide(part, whole, self.now), calc, **slots, rate=self.words.percent(share))
        yield from self._shift("share_change", part, whole, slots)
        yield from self._contribution(part, whole, slots)

    def _contribution(self, part: Line, whole: Line, slots: dict[str, Any]) -> Iterator[Asked]:
        moved = [line.value(self.now) - line.value(self.before) for line in (part, whole)]
        if not whole.value(self.before) or abs(moved[1]) < _LEAST_CHANGE * whole.value(self.before):
            return
        rate = moved[0] / moved[1]
        if not _LEAST_SHARE < rate < _WHOLE:
            return
        literals = [_digits(line, year) for line in (part, whole) for year in (self.now, self.before)]
        pairs = [f"{literals[0]} - {literals[1]}", f"{literals[2]} - {literals[3]}"]
        calc = f"{pairs[0]}; {pairs[1]}; ({pairs[0]}) / ({pairs[1]}) * 100"
        program = f"subtract({literals[0]}, {literals[1]}), subtract({literals[2]}, {literals[3]}), divide(#0, #1)"
        told = {**slots, "c": self._said(part, self.before), "d": self._said(whole, self.before)}
        told |= self.words.directions(moved[1], "change")
        told |= {
            "rate": self.words.percent(rate),
            "gap": self._gap(moved[0]),
            "gap_whole": self._gap(moved[1]),
        }
        cells = [(line, year) for line in (part, whole) for year in (self.now, self.before)]
        yield self._asked("contribution", cells, program, calc, **told)

    def _listed(self, block: Block, ranked: Sequence[Line]) -> Iterator[Asked]:
        """Whether the lines make up the total, and in which order they stand."""
        names = [self.words.line(part, is_part=True) for part in block.parts]
        if len(names) > _MOST_LISTED[self.language] or sum(map(len, names)) > _LONGEST_LIST[self.language]:
            return
        slots = {"rows": self.words.joined(names), "whole": self.words.line(block.whole)}
        literals = [_digits(part, self.now) for part in block.parts]
        told = {**slots, "result": self._said(block.whole, self.now), "listed": self._told(block.parts)}
        cells = [(part, self.now) for part in (*block.parts, block.whole)]
        yield self._asked("sum", cells, _chain("add", literals), " + ".join(literals), **told)
        if len(ranked) >= _LEAST_LINES and len({part.value(self.now) for part in ranked}) == len(ranked):
            steps = [
                f"greater({_digits(one, self.now)}, {_digits(other, self.now)})" for one, other in pairwise(ranked)
            ]
            told = {**slots, "listed": self._told(ranked)}
            yield self._asked("rank", [(part, self.now) for part in ranked], ", ".join(steps), **told)

    def _told(self, lines: Sequence[Line]) -> str:
        space = " at " if self.language == "en" else "为"
        return self.words.joined(
            [f"{self.words.line(line, is_part=True)}{space}{self._said(line, self.now)}" for line in lines]
        )


def _digits(line: Line, year: int) -> str:
    return line.amounts[year].digits.replace(",", "")


def _decimals(line: Line) -> int:
    return max(len(amount.digits.partition(".")[2]) for amount in line.amounts.values())


def _divide(one: Line, other: Line, year: int) -> str:
    return f"divide({_digits(one, year)}, {_digits(other, year)})"


def _chain(operation: str, literals: Sequence[str]) -> str:
    """Steps that take up one figure after another: add(a, b), add(#0, c)."""
    steps = [f"{operation}({literals[0]}, {literals[1]})"]
    steps += [f"{operation}(#{number}, {literal})" for number, literal in enumerate(literals[2:])]
    return ", ".join(steps)
