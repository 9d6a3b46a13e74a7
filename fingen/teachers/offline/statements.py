"""The primary statements of a passage, row by row: what an item came to in the report's period, and the period before.

Read is only what leaves no doubt: a statement by its title, of the group where there is one, with one column for the period
and one for the year before, amounts whose unit is said, and labels that analysts ask about (`items`). Anything else gives
no row: a table that is read wrongly would be wrong in every pair.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Literal

from fingen.items import TITLES, Item, Kind, find_item, is_statement
from fingen.records import Passage
from fingen.teachers.offline.extract import Topic, all_topics

Span = Literal["year", "quarter", "half-year", "nine months"]
_OF_GROUP = re.compile(r"\bconsolidated\b|\bgroup\b|合并|主要会计数据|主要财务指标|科目变动分析", re.IGNORECASE)
_OF_SEVERAL_YEARS = re.compile(
    r"statements\b|balance sheets", re.IGNORECASE
)  # as those of a group are titled where it says no more
_OF_OTHERS = re.compile(
    r"\bparent\b|\bcompany(?: only|[’']s)?\b(?! and (?:its )?subsidiaries)|\bcondensed (?!consolidated)|registrant|pro forma|"
    r"\bsegments?\b|joint venture|associates?\b|discontinued|\bnotes? (?:to|\d)|\bsummari[sz]ed\b|reconciliation|母公司|注释?|分部",
    re.IGNORECASE,
)
_NOT_OF_GROUP = re.compile(r"\bparent\b|\bcompany\b|discontinued|pro forma|\bsegments?\b|母公司", re.IGNORECASE)
_STAMPS = re.compile(
    r"for personal use only|exhibit \S{1,4}$|see (?:accompanying )?notes|(?:item 8\W+)?financial statements and supplementary data|"
    r"\W?1?\W*consolidated financial statements$|\(?unaudited|\(?in (?:thousands|millions)",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\d,.])(?:19|20)\d\d(?![\d,])")
_DAY = re.compile(
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December) \d{1,2}, 20\d\d"
)
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NAMES = "|".join(rf"{name[:3]}(?:{name[3:]}|\\.)?" for name in _MONTHS)
_MONTH = re.compile(rf"\b(?:{_NAMES})(?![a-z])|\d月|\.\d\d?\.")
_FIRST_DAY = re.compile(  # a year begins on it, and none ends
    rf"月0?1日|(?<=[0-9])[./-][01]?[0-9][./-]0?1(?![0-9])|\b(?:{_NAMES}) 0?1(?![0-9])|(?<![0-9])0?1(?:st)? (?:{_NAMES})\b"
)
_HEADS = re.compile(  # all that may stand above a column of amounts; what says more may be another basis
    rf"(?:19|20)\d\d|\b\d\d?\b|\b(?:{_NAMES})(?![a-z])|\b(?:years?|"
    r"ended|ending|months?|three|six|nine|twelve|weeks?|quarters?|fiscal|for|the|as|at|of|on|un|audited|unaudited|and|in|thousands?|millions?|billions?|"
    r"dollars?|US|HK|CHF|RMB|EUR|GBP|USD|yen|euros?|pounds?|sterling|Swiss|francs?|Canadian|Australian|except|per|shares?|amounts?|data|"
    r"total|consolidated|group|FY)\b|\d+[’']?s\b|(?<=[$£€])bn?\b|(?<=[$£€’'])m\b|年度?|月|日|末|本期|上期|本年|上年|同期|期末|期初|年初|发生额?|余额|金额|数|人民币|[百千万亿]?元",
    re.IGNORECASE,
)
_QUARTER = re.compile(r"three months|quarter|1[34] weeks|thirteen weeks|fourteen weeks|\bQ[1-4]\b", re.IGNORECASE)
_OTHER_SPAN = re.compile(r"six months|nine months|half|26 weeks|39 weeks|semester|季度|半年|1-\d+月", re.IGNORECASE)
_SIX = re.compile(r"six months|half|26 weeks|twenty-six weeks|semester|半年|1-6月", re.IGNORECASE)
_NINE = re.compile(r"nine months|39 weeks|thirty-nine weeks|1-9月|前三季度", re.IGNORECASE)
_WHOLE_YEAR = re.compile(r"twelve months|years?\b|5[23] weeks|fiscal|年度?", re.IGNORECASE)
_SEE_NOTE = re.compile(r"(?i)\((?:see )?notes? [\d, and]{1,12}\)")
_SURELY_UNITS = 1_000_000
_ENDS_IN_BRACKET = re.compile(r"[(（]([^()（）]{4,60})[)）]\s*[:：]?$")
_OF_SHARES = re.compile(r"(?i)(?<!and )\bshares in (?:000[’']?s|thousands|millions)")  # says nothing of money
_FOOTNOTE = re.compile(r"(?<=\d)\s?\((?:[a-z]|\d{1,2})\)")
_THIS, _LAST = re.compile(r"本期|本年|期末|(?<!上)年末"), re.compile(r"上期|上年|期初|年初")
_AMOUNT = re.compile(
    r"(?P<minus>[-−–(]?)\s?(?P<sign>(?:US|HK|[AC])?[$£€¥￥]|RMB|CHF)?\s?(?P<inner>[-−–(]?)\s?(?P<figure>\d{1,3}(?:,\d{3})+|\d+)(?P<part>\.\d+)?\s?\)?"
)
_SCALES = {
    "billion": re.compile(r"\bbillions?\b|[$£€]\s?bn\b|亿元", re.IGNORECASE),
    "million": re.compile(r"\bmillions?\b|[$£€]\s?[’'‘]?mn?\b|(?-i:\b[A-Z]{3}m\b)|百万元", re.IGNORECASE),
    "thousand": re.compile(r"\bthousands?\b|[’'‘´`]\s?000|\b000[’'‘]?s?\b|[$£€]000|千元", re.IGNORECASE),
    "万": re.compile(r"(?<!百)万元"),
}  # fmt: skip
_CURRENCIES = {
    "US$": re.compile(r"US ?\$|U\.?S\.? dollars?|\bUSD\b", re.IGNORECASE),
    "C$": re.compile(r"C\$|Canadian dollars?|\bCAD\b", re.IGNORECASE),
    "A$": re.compile(r"A\$|Australian dollars?|\bAUD\b", re.IGNORECASE),
    "HK$": re.compile(r"HK ?\$|Hong Kong dollars?|\bHKD\b", re.IGNORECASE),
    "RMB ": re.compile(r"RMB|Renminbi|\bCNY\b|人民币|元", re.IGNORECASE),
    "CHF ": re.compile(r"CHF|Swiss francs?", re.IGNORECASE),
    "¥": re.compile(r"¥|￥|\byen\b", re.IGNORECASE),
    "£": re.compile(r"£|\bsterling\b|\bGBP\b", re.IGNORECASE),
    "€": re.compile(r"€|\beuros?\b|\bEUR\b", re.IGNORECASE),
    "$": re.compile(r"\$|\bdollars?\b", re.IGNORECASE),
}


@dataclass(frozen=True)
class Money:
    """What a statement counts in: "" as scale are whole units."""

    currency: str
    scale: str


@dataclass(frozen=True)
class Amount:
    """A cell: its value with sign, and its digits as they stand."""

    value: Decimal
    digits: str
    currency: str  # "" where the cell shows none


@dataclass(frozen=True)
class Row:
    """An item of a statement with its amounts of the period and of the one before; `quote` is the row as it stands."""

    item: Item
    label: str
    now: Amount
    before: Amount
    money: Money
    span: Span
    quote: str
    is_dated: bool = False  # its columns are headed by days: January 28, 2023 and not 2022
    day_before: str = ""  # on which the period before ended, where its column is headed by that


def statement_rows(passage: Passage) -> list[Row]:
    """The rows of the passage's statements that analysts ask about, what they ask about first in front."""
    if passage.period.kind != "annual" or not passage.period.end:
        return []
    found = [
        row
        for topic in all_topics(passage)
        for table, caption in zip(topic.tables, topic.captions, strict=True)
        if (kind := kind_of(topic, table, caption, passage))
        for row in StatementTable(table, caption, kind, passage).rows()
    ]
    return sorted(found, key=lambda row: (row.item.rank, row.span != "year"))


_FLOWS = re.compile(
    r"(?i)\b(?:provided by|used in|proceeds from|payments? (?:of|for|to)|purchases? of|cash flows?)\b|支付的现金|收到的现金|产生的现金流量"
)


def kind_of(topic: Topic, table: str, caption: str, passage: Passage) -> Kind | None:
    """Which statement of the group a table is, by the line above it, else by the heading that it stands under."""
    titles = [title for title in topic.path if not _says_nothing(title, passage)]
    first = table.split("\n", 1)[0]
    over = [cell.strip(" |") for cell in first.split(" | ") if cell.strip(" |")]
    titles += [
        line for line in (*caption.split("\n"), *over[: len(over) == 1]) if " | " not in line and is_statement(line)
    ]
    if passage.language == "zh" and not is_statement(titles[-1] if titles else ""):
        below = passage.text.partition(table)[2]  # what is titled there is another statement
        said = (basis.text for basis in passage.basis if basis.kind == "consolidated")
        titles += [text for text in said if text not in below][:1]
    title = titles[-1] if titles else ""
    kind = next((kind for kind, pattern in TITLES.items() if is_statement(title) and pattern.search(title)), None)
    named = re.sub(re.escape(passage.company or "\0"), "", " | ".join(titles), flags=re.IGNORECASE)
    named = _SEE_NOTE.sub("", named)
    bases = {basis.kind for basis in passage.basis}
    if kind is None or _OF_OTHERS.search(named) or bases & {"parent", "segment", "discontinued", "restated"}:
        return None
    if kind == "balance" and len(_FLOWS.findall(table)) > 1:
        return None  # a statement of cash flows whose own title was not seen
    is_group = _OF_GROUP.search(f"{title} {first}") or "consolidated" in bases or kind == "key"
    return kind if is_group or (_OF_SEVERAL_YEARS.search(title) and passage.language == "en") else None


def _says_nothing(title: str, passage: Passage) -> bool:
    """Whether a heading says whose accounts follow and no more, or is a stamp, a pointer or the number of an exhibit."""
    first = re.split(r"[\s,]", passage.company or "\0")[0].casefold()
    return _STAMPS.match(title) is not None or (title.casefold().startswith(first) and not is_statement(title))


class StatementTable:
    """One table of a statement, or a note to it."""

    def __init__(
        self, text: str, caption: str, kind: Kind | Literal["note"], passage: Passage, *, is_segment: bool = False
    ) -> None:
        self._caption, self._kind, self._passage = caption, kind, passage
        self._not_of_it = re.compile("(?!)") if is_segment else _NOT_OF_GROUP
        self._lines = [(line, line.split(" | ")) for line in text.split("\n")]
        self.width = max(len(cells) for _, cells in self._lines)
        marks = "% " if kind == "note" else ""  # of a statement the first line with an amount begins the body
        first = next(
            (n for n, (_, cells) in enumerate(self._lines) if self._has_amounts(cells, marks)), len(self._lines)
        )
        self.head, self.body = self._lines[:first], self._lines[first:]

    def rows(self) -> Iterator[Row]:
        """Its rows of known items; none where columns or unit are not sure."""
        by_label: dict[str, list[Row]] = defaultdict(list)
        for now, before, span in self._column_pairs():
            money = self.money(now, before)
            if money is None or span not in ("year", "quarter"):
                continue
            for line, cells in self.body:
                row = self._row(line, cells, now, before, money, span)
                if row is not None:
                    by_label[f"{row.item.name}|{span}"].append(row)
        for rows in by_label.values():
            if len({(row.now.value, row.before.value) for row in rows}) == 1:  # else nobody knows which one is meant
                yield rows[0]

    @staticmethod
    def _has_amounts(cells: Sequence[str], marks: str) -> bool:
        bare = [cell.rstrip(marks) if marks else cell for cell in cells[1:]]
        return any(_AMOUNT.fullmatch(cell) and not _YEAR.fullmatch(cell) and len(cell) > 2 for cell in bare)

    def _row(self, line: str, cells: list[str], now: int, before: int, money: Money, span: Span) -> Row | None:
        if len(cells) != self.width or any("%" in cells[at] for at in (now, before)):
            return None
        item, label = find_item(cells[0], self._kind, self._passage.language) if self._kind != "note" else (None, "")
        latest, earlier = parse_amount(cells[now]), parse_amount(cells[before])
        if item is None or latest is None or earlier is None or not _fits(item, latest, earlier):
            return None
        if item.is_per_share:
            is_said = "元" in cells[0] or (latest.currency and latest.currency == earlier.currency)
            if not is_said or "." not in latest.digits:
                return None  # in cents or in pence, who knows
            money = Money(money.currency, "")
        is_dated, day = self.is_dated((now, before)), _DAY.search(self.headings[before])
        return Row(item, label, latest, earlier, money, span, line.strip(" |"), is_dated, day[0] if day else "")

    @cached_property
    def headings(self) -> list[str]:
        """What stands above each column, from top to bottom."""
        rows = [cells for _, cells in self.head if len(cells) == self.width and not self._is_title(cells)]
        return [" ".join(filter(None, (cells[at] for cells in rows))) for at in range(self.width)]

    @staticmethod
    def _is_title(cells: Sequence[str]) -> bool:
        filled = [cell for cell in cells if cell]
        return len(filled) == 1 and is_statement(filled[0])

    def _column_pairs(self) -> Iterator[tuple[int, int, Span]]:
        """Columns of the report's period and of the one before."""
        for at, span in self.dated_columns():
            latest = max(at)
            yield at[latest], at[latest - 1], span

    def dated_columns(self) -> Iterator[tuple[dict[int, int], Span]]:
        """Year -> column, the report's year and the one before among them; a group of columns is for a year or its last quarter."""
        groups = self._groups()
        labels = self._labels(len(groups))
        if not labels:
            return
        for group, label in zip(groups, labels, strict=True):
            span = self._span(label)
            latest = max(group.values(), default=0)
            if span is None or latest not in self._years(group) or len(set(group.values())) != len(group):
                continue
            at = {year: column for column, year in group.items()}
            if latest - 1 in at:
                yield at, span

    def measured_columns(self) -> Iterator[tuple[str, dict[int, int], dict[int, str]]]:
        """What stands beside the years of groups of columns, and of each year -> column and year -> what names the year.

        Either the measure stands above its years, as Segment Sales over 2022 and 2021, or each year over the same measures.
        """
        rows = [cells for _, cells in self.head if len(cells) == self.width and not self._is_title(cells)]
        at = next(
            (n for n, cells in enumerate(rows) if sum(self._year_of(cell) is not None for cell in cells[1:]) > 1), None
        )
        if at is None:
            return
        years = {column: year for column, cell in enumerate(rows[at]) if column and (year := self._year_of(cell))}
        below = rows[at + 1 :]
        found = (
            self._under_years(years, below)
            if any(any(cells[1:]) for cells in below)
            else self._over_years(years, rows[:at])
        )
        for measure, group in found:
            latest = max(group)
            heads = {year: rows[at][max(column for column, each in years.items() if each == year and column <= at_column)]
                     for year, at_column in group.items()}  # fmt: skip
            if latest - 1 in group and latest in self._ends(heads):
                yield measure, group, heads

    def _over_years(
        self, years: Mapping[int, int], above: Sequence[Sequence[str]]
    ) -> Iterator[tuple[str, dict[int, int]]]:
        groups: list[dict[int, int]] = []
        for column, year in years.items():
            if not groups or year in groups[-1]:
                groups.append({})
            groups[-1][year] = column
        starts = [min(group.values()) for group in groups] + [self.width]
        for group, start, end in zip(groups, starts, starts[1:], strict=False):
            said = [cell.strip() for cells in above for cell in cells[start:end] if cell.strip()]
            if len(set(said)) == 1:  # over all of them, or over each
                said = said[:1]
            if said and len(said) < 3:
                yield " ".join(said), group

    def _under_years(
        self, years: Mapping[int, int], below: Sequence[Sequence[str]]
    ) -> Iterator[tuple[str, dict[int, int]]]:
        """Only where all years span equally many columns with the same headings: it is plain then which is whose."""
        starts = list(years)
        spans = {after - before for before, after in pairwise(starts)}
        if len(spans) != 1 or (span := spans.pop()) < 2 or len(set(years.values())) != len(years):
            return
        headings = [" ".join(filter(None, (cells[at] for cells in below))).strip() for at in range(self.width)]
        for offset in range(span):
            columns = {year: start + offset for start, year in years.items()}
            said = {headings[column] if column < self.width else "" for column in columns.values()}
            if len(said) == 1 and (measure := said.pop()) and self._year_of(measure) is None:
                yield measure, columns

    def _ends(self, heads: Mapping[int, str]) -> set[int]:
        """The year that the report's period may be called, by what names the years of a group of columns."""
        period = self._passage.period
        is_dated = any(map(_MONTH.search, heads.values()))
        return {int((period.end or "0")[:4])} if is_dated or period.fiscal_year is None else {period.fiscal_year}

    def _years(self, group: dict[int, int]) -> set[int]:
        return self._ends({year: self.headings[column] for column, year in group.items()})

    def is_dated(self, columns: Iterable[int]) -> bool:
        """Whether a column is headed by a day."""
        return any(_MONTH.search(self.headings[column]) for column in columns)

    def _groups(self) -> list[dict[int, int]]:
        """Column -> year, those that stand together; a year that comes again, or turns the order, begins another group."""
        groups: list[dict[int, int]] = []
        for column, heading in enumerate(self.headings):
            year = self._year_of(heading)
            if not column or year is None:
                continue
            held = [*groups[-1].values(), year] if groups else []
            if not any(held == sorted(set(held), reverse=way) for way in (False, True)) or not held:
                groups.append({})
            groups[-1][column] = year
        return groups

    def _year_of(self, heading: str) -> int | None:
        heading = _FOOTNOTE.sub("", heading)
        if re.search(r"[^\W\d_]|%", _HEADS.sub("", heading)) or not self._ends_alike(heading):
            return None
        if years := set(_YEAR.findall(heading)):
            return int(years.pop()) if len(years) == 1 else None
        end = int((self._passage.period.end or "0")[:4])
        return end if _THIS.search(heading) else end - 1 if _LAST.search(heading) else None

    def _ends_alike(self, heading: str) -> bool:
        """Whether a day that a heading names is one at which the report's years end: January 1 begins one."""
        months = {
            int(number)
            for found in re.findall(r"(\d{1,2})月|[.-](\d\d)[.-]\d\d", heading)
            for number in found
            if number
        }
        months |= {at for at, name in enumerate(_MONTHS, 1) if re.search(rf"\b{name[:3]}(?:{name[3:]}|\b)", heading)}
        end = int((self._passage.period.end or "0000-12")[5:7] or 12)
        return not _FIRST_DAY.search(heading) and (
            not months or any((month - end) % 12 in (0, 1, 11) for month in months)
        )

    def _said_above(self) -> Iterator[list[str]]:
        """The lines above the amounts without labels below the years: those name the lines that follow, Revenue by segment."""
        is_dated = False
        for _, cells in self.head:
            if not (self._kind == "note" and is_dated and cells[0] and not any(cells[1:])):
                yield cells
            is_dated = is_dated or any(map(self._year_of, cells[1:]))

    def _labels(self, count: int) -> list[str]:
        """What is said of each group of columns; [] where that is not sure."""
        whole = " ".join(cell for cells in self._said_above() for cell in cells if cell)
        if count <= 1:
            return [whole] * count
        for _, cells in self.head:
            said = [cell for cell in cells[1:] if cell and not _YEAR.search(cell)]
            if len(said) == count:
                return said
        named = [set(self._currencies(group)) for group in self._groups()]
        if len({tuple(sorted(each)) for each in named}) == count and all(len(each) == 1 for each in named):
            return [whole if number == 0 else "" for number in range(count)]  # a translation stands beside the accounts
        return []

    def _is_in_units(self, column: int) -> bool:
        """Whether amounts of which only the currency is said can be nothing but single units."""
        amounts = [
            amount for _, cells in self.body if len(cells) == self.width and (amount := parse_amount(cells[column]))
        ]
        return self._kind != "key" and any(abs(amount.value) >= _SURELY_UNITS for amount in amounts)

    def _currencies(self, columns: dict[int, int]) -> Iterator[str]:
        for column in columns:
            yield from _currencies(self.headings[column])

    def _span(self, label: str) -> Span | None:
        """For what time the amounts under a label are; those of a balance sheet are for a day."""
        if self._not_of_it.search(label) or not label:
            return None
        if _OTHER_SPAN.search(label):
            spans: tuple[tuple[Span, re.Pattern[str]], ...] = (("half-year", _SIX), ("nine months", _NINE))
            found = [span for span, said in spans if said.search(label)]
            return found[0] if len(found) == 1 and not _QUARTER.search(label) else None
        if self._kind == "balance":
            return "year"
        if _QUARTER.search(label):
            return None if re.search(r"twelve months|5[23] weeks|years? ended", label, re.IGNORECASE) else "quarter"
        return "year"

    @property
    def _unit_at_end(self) -> str:
        return _last_bracket(self._caption) if self._kind == "note" else ""

    def money(self, now: int, before: int) -> Money | None:
        """Scale and currency of two columns, from the table or from what is said above the passage."""
        head = _OF_SHARES.sub(
            " ",
            " ".join(
                [
                    self._caption if len(self._caption) < 160 else self._unit_at_end,
                    *(cell for _, cells in self.head for cell in cells),
                ]
            ),
        )
        said = [head] if len(_scales(head)) == 1 else [_OF_SHARES.sub(" ", unit.text) for unit in self._passage.unit]
        scales = {tuple(_scales(text)) for text in said}
        if not said or not all(said) or len(scales) != 1 or len(scale := next(iter(scales))) > 1:
            return None
        if not scale and self._passage.language == "en" and not self._is_in_units(now):
            return None
        columns = [set(_currencies(self.headings[column])) for column in (now, before)]
        shown = {amount.currency for _, cells in self.body for cell in cells if (amount := parse_amount(cell))} - {""}
        currencies = columns[0] if columns[0] == columns[1] and len(columns[0]) == 1 else set()
        for text in () if currencies else (" ".join(said), head, " ".join(sorted(shown))):
            currencies = currencies or set(_currencies(text))
        if len(currencies) != 1:
            return None
        return Money(next(iter(currencies)), scale[0] if scale else "")


def _last_bracket(caption: str) -> str:
    """What a long sentence above a table says in brackets at its end, as its unit."""
    found = _ENDS_IN_BRACKET.search(caption)
    return found[1] if found else ""


def _fits(item: Item, now: Amount, before: Amount) -> bool:
    """Whether the signs of two amounts leave no doubt: the brackets of a cost may only mean that it is taken off."""
    if item.way == "cost":
        return (now.value < 0) == (before.value < 0)
    return item.way != "plain" or min(now.value, before.value) >= 0


def parse_amount(cell: str) -> Amount | None:
    """The amount that a cell holds and nothing else; None where there is none."""
    found = _AMOUNT.fullmatch(cell.strip())
    if not found:
        return None
    digits = found["figure"] + (found["part"] or "")
    value = Decimal(digits.replace(",", ""))
    return Amount(-value if found["minus"] or found["inner"] else value, digits, found["sign"] or "")


def _scales(text: str) -> list[str]:
    return [name for name, pattern in _SCALES.items() if pattern.search(text)]


def _currencies(text: str) -> list[str]:
    found = []
    for name, pattern in _CURRENCIES.items():
        text, times = pattern.subn(" ", text)
        found += [name] if times else []
    return found
