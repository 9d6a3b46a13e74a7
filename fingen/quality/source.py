"""A passage made ready to be checked against: its figures by value, its years and dates, its tables and their labels."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import pairwise

from fingen.quality.claims import QUANTITIES, ClaimContext, is_cost, is_expense, polarity
from fingen.quality.facts import About, Parts, end_of, fold_label, is_about, settle, words_of_parts
from fingen.quality.notation import find_notation, narrow, standard
from fingen.quality.quantities import HUNDREDTH, ONE, Quantity
from fingen.quality.tables import (
    GENERIC,
    Place,
    Table,
    TableRow,
    is_turn_of_year,
    label_key,
    parse_table,
    parse_unit,
    table_places,
    word_places,
)
from fingen.records import Passage

PREPARED = 1 << 10  # passages kept ready, some 115 KB each: as many as a long report has
_SHARES_DAY = re.compile(r"\s?(?:and|[及和、与])\s?(?:于)?")
_YEARS = re.compile(r"年?\s?[-–—~至到]\s?")  # 2024-2026年 speaks of 2025 as well
_LONGEST = 10  # years that such words span
_SENTENCE_LENGTH = 40  # characters from which on words that stand in the source are its own
_TOLD = 80  # characters of a label or of the words on either side that a message tells
_PARTED = 40  # characters at most between the parts of one table: the end of a label that is broken over lines
_WORD = re.compile(r"[a-z0-9&'/-]+")
_TIME = re.compile(
    r"^(?:(?:as )?(?:of|at) |(?:fiscal )?years? end|fy|december|january|march|june|september)?[ ,]*(?:19|20)\d\d(?!\d)|^第.季度$"
    r"|^(?:\w+ )?(?:weeks|months|quarters?|years?) (?:ended|ending)\b"
)
_SOME_QUARTER = re.compile(r"\b(?:current|this|reported) quarter\b|本季度", re.IGNORECASE)
_THREE_MONTHS = re.compile(r"(?i)\bthree[- ]months?\b|\bquarter|三个月|季度|[147][-—至~]|10[-—至~]12月")
_EXPENSES = re.compile(r"(?i)expense|cost|loss|费用|成本|支出|损失")
_EXPENSE_NOTE = re.compile(
    r"^.{0,8}(?:(?:财务|销售|管理|研发|营业|期间)费用(?!率)|(?:财务|融资)成本)|^.{0,8}\bfinance (?:costs|expenses)\b",
    re.IGNORECASE,
)
_TURNED = re.compile(r"(?i)\((?:income|gains?|benefit|profit)\)[ /,]{0,3}(?:expense|loss|charge|provision)")
_LATIN = re.compile(r"[a-z]+")
_TOKEN = re.compile(r"[0-9][0-9,.]*")


class Ladder:
    """Places by the size of a value: those within an interval are found by bisection."""

    def __init__(self, entries: list[tuple[Decimal, Place]]) -> None:
        entries.sort(key=lambda entry: entry[0])
        self._sizes = [entry[0] for entry in entries]
        self._entries = entries

    def within(self, low: Decimal, high: Decimal) -> Iterator[Place]:
        """The places whose size is in [low, high]."""
        sizes = self._sizes
        at = bisect_left(sizes, low)
        while at < len(sizes) and sizes[at] <= high:
            yield self._entries[at][1]
            at += 1


class Source:
    """One passage. Prepared once and kept: many records rest on the same chunk."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.chunk = passage.chunk
        self.notation = find_notation(passage.text)
        self.text = standard(passage.text)
        self.report_year = passage.period.fiscal_year or fiscal_year(passage.period.end)
        self.tables: list[Table] = []
        places = [*self._table_places(), *self._text_places()]
        settle(places, passage.facts)
        self.places = places
        quantities = [place for place in places if place.figure.kind in (*QUANTITIES, "year")]
        self.amounts = Ladder([(size, place) for place in quantities for size in sizes(place)])
        self.percents = Ladder([
            (abs(place.figure.value), place)
            for place in quantities
            if place.figure.kind in ("percent", "points") or place.percent
        ])  # fmt: skip
        bare = [place for place in places if place.figure.kind == "amount" and place.figure.scale == ONE]
        self.cents = Ladder([(place.figure.shown * HUNDREDTH, place) for place in bare if not place.figure.currency])
        self.shown = Ladder([(place.figure.shown, place) for place in quantities])
        self._read_times()

    def _table_places(self) -> Iterator[Place]:
        """The figures in tables; `running` is left as the text without them, at the same offsets."""
        running, at, ended = [], 0, 0
        stated = {unit for each in self.passage.unit if (unit := parse_unit(each.text)) and unit.scale}
        inherited = stated.pop() if len(stated) == 1 else None  # said above the passage, or on each of its pages
        for kind, block in self.passage.kinds:
            start = self.passage.text.find(block, at)
            if start < 0 or not block:
                continue
            if kind == "table":
                goes_on = bool(self.tables) and start - ended < _PARTED and self.tables[-1].rows
                heads = self.tables[-1].rows[-1][1] if goes_on else None
                table = parse_table(
                    self.text, start, start + len(block), self.text[:start][-800:], inherited, self.report_year, heads
                )
                inherited = table.unit or inherited
                self.tables.append(table)
                running.append(self.text[at:start] + " " * len(block))
                at = ended = start + len(block)
                yield from table_places(table, self.text)
                yield from word_places(table, self.text)
            else:
                inherited = parse_unit(block) or inherited if len(block) < 200 else inherited
                running.append(self.text[at : start + len(block)])
                at = start + len(block)
        running.append(self.text[at:])
        self._running = "".join(running)
        self._unit = inherited

    def _text_places(self) -> Iterator[Place]:
        self.reading = ClaimContext(self._running, self.report_year, words=True)
        other = self._unit.scale if self._unit and self._unit.scale else ONE
        for figure in self.reading.figures:
            bare = figure.kind == "amount" and figure.scale == ONE
            bare = bare and (figure.unit == "money" or self._is_alone(figure))
            scales = (ONE, other) if bare and other != ONE else (figure.scale,)
            yield Place(figure, scales, figure.currency)

    def _is_alone(self, figure: Quantity) -> bool:
        """Whether a figure is all that its line has: a total below a table whose lines have no cells."""
        start = self._running.rfind("\n", 0, figure.start) + 1
        line = self._running[start : self._running.find("\n", start) % (len(self._running) + 1)]
        return len(line.strip(" ()-$¥")) == len(self._running[figure.start : figure.end].strip(" ()-$¥"))

    def _read_times(self) -> None:
        times = [place.figure for place in self.places]
        self.years = {figure.when[0] for figure in times if figure.when[0]}
        self.dates = {figure.when for figure in times if figure.when[1]}
        for one, other in pairwise(times):  # 2025 and 2024 March 31: one day of two years
            if one.kind == "year" and other.when[1] and _SHARES_DAY.fullmatch(self.text, one.end, other.start):
                self.dates.add((one.when[0], *other.when[1:]))
            if one.kind == other.kind == "year" and _YEARS.fullmatch(self.text, one.end, other.start):
                self.years.update(range(one.when[0], min(other.when[0], one.when[0] + _LONGEST)))
        for end in filter(None, map(end_of, self.passage.facts)):
            self.years.add(end.year)
            self.dates.add((end.year, end.month, end.day))
        if self.passage.period.fiscal_year:  # the year that the report calls its own, whatever it ends in
            self.years.add(self.passage.period.fiscal_year)
        self.days = {figure.when[1:] for figure in times if figure.when[1]}
        self.quarters = {int(figure.value) for figure in times if figure.kind == "quarter"}
        for table in self.tables:
            for row, columns in table.rows:
                for period in row.periods.union(*(column.periods for column in columns)):
                    if isinstance(period, int):  # 上年 in a heading names the year before the report's
                        self.years.add(period)

    def has_year(self, year: int) -> bool:
        """Whether a year is in the text or is that of the report."""
        return year in self.years or year == self.report_year or str(year) == (self.passage.period.end or "")[:4]

    def says(self, reading: ClaimContext, at: int) -> bool:
        """Whether the sentence of an answer around an offset, or what it has in quotation marks there, stands in the text."""
        start, end = reading.sentence(at)
        text = reading.text
        for opening, closing in ("“”", '""', "「」"):
            left, right = text.rfind(opening, 0, at), text.find(closing, at)
            if 0 <= left < at < right and closing not in text[left + 1 : at]:
                start, end = left + 1, min(right, max(end, right))
        said = text[start:end].strip().rstrip("。.”")
        return len(said) >= _SENTENCE_LENGTH and said in self.text

    def spans_of(self, quotes: Iterable[str]) -> tuple[tuple[int, int], ...]:
        """Where quotes stand in the passage, each as often as it does."""
        return tuple(span for quote in quotes for span in _spans_of(self.passage.text, quote))

    def has_quarter(self, number: int) -> bool:
        """Whether a quarter is in the text, by name, as the current one or as three months, or may be the report's."""
        months = {month for _, month, _ in self.dates}  # a deed of February was in the first quarter
        if (
            number in self.quarters
            or months & {3 * number - 2, 3 * number - 1, 3 * number}
            or self.passage.period.kind == "quarterly"
            or _SOME_QUARTER.search(self.text)
        ):
            return True
        end = (self.passage.period.end or "")[5:7] or "12"
        last = (int(end) + 3 * number - 1) % 12 + 1  # the month that it ends with, where the year ends with `end`
        return any(day[0] == last for day in self.days) and _THREE_MONTHS.search(self.text) is not None

    def is_signed(self, place: Place) -> bool:
        """Whether the column of a figure has negative ones as well, so that it is plain which way each goes."""
        if place.table is None or place.row is None or place.column is None:
            return False
        if _EXPENSES.search(self._around(place)):
            return False  # of (income)/expense the positive ones are expenses
        return any(each.figure.sign < 0 for each in self.places if each.column is place.column)

    def has_positive_costs(self, place: Place) -> bool:
        """Whether costs stand without a minus in the column of a figure that has one: it is then no cost but a gain."""
        if place.row is None or place.figure.sign >= 0 or not is_cost(place.row.label):
            return False
        if "(" in self.text[place.figure.start : place.figure.start + 4]:
            return False  # what costs stand in brackets is no matter of the table's
        others = (each for each in self.places if each.column is place.column and each.row is not place.row)
        signs = [each.figure.sign for each in others if each.row and is_expense(each.row.label)]
        return signs.count(1) > signs.count(-1)

    def is_gain_of_expenses(self, place: Place) -> bool:
        """Whether a figure is negative in a note of expenses, where what costs has no minus: what has one is then a gain."""
        if place.row is None or place.table is None or place.figure.sign >= 0:
            return False
        titled = any(_EXPENSE_NOTE.search(line) for line in place.table.caption.split("\n")[-3:])
        others = (each for each in self.places if each.table is place.table and each.row and each.figure.sign > 0)
        return titled and any(is_cost(each.row.label) for each in others if each.row)

    def is_two_sided_loss(self, place: Place) -> bool:
        """Whether a row of losses has some with a minus and some without: which of the two are gains it does not say."""
        if place.row is None or polarity(place.row.label) >= 0:
            return False
        row = (each for each in self.row_of(place) if each.figure.kind == "amount" and not each.change)
        return len({each.figure.sign for each in row}) > 1

    def is_always_negative(self, place: Place) -> bool:
        """Whether a row has a minus in all of its two or more columns: what has one side alone is written so."""
        if place.row is None:
            return False
        row = [each.figure for each in self.row_of(place) if each.figure.kind == "amount" and not each.change]
        return len(row) > 1 and all(figure.sign < 0 for figure in row) and not self.has_positive_costs(place)

    def is_turned(self, place: Place) -> bool:
        """Whether what stands in brackets is a gain: (income)/expense."""
        if place.table is None or place.row is None:
            return False
        return _TURNED.search(f"{self._around(place)} {place.row.label}") is not None

    def _around(self, place: Place) -> str:
        table, row = place.table, place.row
        heads = [each.heading for each in table.rows[0][1]] if table else []
        return " ".join((table.caption if table else "", *(row.parents if row else ()), *heads))

    def clause(self, start: int, end: int) -> str:
        """The words around a part of the text, as far as they are of its line."""
        left = max(self.text.rfind("\n", 0, start) + 1, start - _TOLD)
        right = min(self.text.find("\n", end) % (len(self.text) + 1), end + _TOLD)
        return self.text[left:right].strip()

    def row_of(self, place: Place) -> list[Place]:
        """The figures that stand in one row with a place, itself among them."""
        return self._rows.get(id(place.row), [])

    def column_of(self, place: Place) -> list[Place]:
        """The figures that stand in one column of a table with a place, itself among them."""
        return self._columns.get(id(place.column), [])

    @cached_property
    def _columns(self) -> dict[int, list[Place]]:
        columns: dict[int, list[Place]] = {}
        for place in self.places:
            if place.column is not None:
                columns.setdefault(id(place.column), []).append(place)
        return columns

    def currencies_near(self, place: Place | None) -> frozenset[str]:
        """The currencies that a figure without one can be in: those of its table, else those of the passage."""
        return self._currencies.get(id(place.table) if place else 0, frozenset()) or self._currencies[0]

    @cached_property
    def _currencies(self) -> dict[int, frozenset[str]]:
        """Currencies by table, and (key 0) of the whole passage; a Chinese report that names none counts in 元."""
        found: dict[int, set[str]] = {0: {"CNY"} if self.passage.language == "zh" else set()}
        for place in self.places:
            unit = place.table.unit if place.table else None
            for currency in (place.currency, unit.currency if unit else None):
                if currency:
                    found[0].add(currency)
                    found.setdefault(id(place.table) if place.table else 0, set()).add(currency)
        if self._unit and self._unit.currency:
            found[0].add(self._unit.currency)
        return {key: frozenset(names) for key, names in found.items()}

    @cached_property
    def part_words(self) -> dict[Parts, set[str]]:
        """The parts of a whole that facts are of, each with the words that may name it."""
        return words_of_parts(self.passage.facts, self.places)

    @cached_property
    def fact_labels(self) -> dict[str, set[About]]:
        """The labels of rows with facts (as `fold_label` has them) and what these facts are about."""
        labels: dict[str, set[About]] = {}
        for place in self.places:
            if place.fact and place.row is not None and (label := fold_label(place.row.label)):
                labels.setdefault(label, set()).add(is_about(place.fact))
        return labels

    def rows_named(self, key: str) -> list[Place]:
        """The figures in the rows with a label (as `row_key` has it)."""
        return self._named_rows.get(key, [])

    @cached_property
    def _named_rows(self) -> dict[str, list[Place]]:
        rows: dict[str, list[Place]] = {}
        for place in self.places:
            if place.row is not None:
                rows.setdefault(row_key(place.row), []).append(place)
        return rows

    @cached_property
    def _rows(self) -> dict[int, list[Place]]:
        rows: dict[int, list[Place]] = {}
        for place in self.places:
            if place.row is not None:
                rows.setdefault(id(place.row), []).append(place)
        return rows

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Every run of digits, without separators: what a figure inside a name must be among."""
        names = f"{self.text} {self.passage.document} {self.passage.company or ''} {' '.join(self.passage.section)}"
        return frozenset(token.replace(",", "").rstrip(".") for token in _TOKEN.findall(narrow(names)))

    @cached_property
    def words(self) -> frozenset[str]:
        """The Latin words of the text and of the document's own names, in lower case."""
        names = f"{self.text} {self.passage.document} {self.passage.company or ''} {' '.join(self.passage.section)}"
        return frozenset(_LATIN.findall(fold_accents(narrow(names).lower())))

    @cached_property
    def stems(self) -> frozenset[str]:
        """How the words start: their first five letters, and three of those that have four (Asia, Asie)."""
        return frozenset(word[: 5 if len(word) > 4 else 3] for word in self.words if len(word) >= 4)

    @cached_property
    def folded(self) -> str:
        """The text and the document's own names without case, spaces and hyphens."""
        return fold_name(
            f"{self.text} {narrow(f'{self.passage.document} {self.passage.company or str()} {chr(32).join(self.passage.section)}')}"
        )

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        """The labels of rows and columns by their first word (Chinese: two characters), longest first."""
        keys = {key for table in self.tables for key in labels_of(table)}
        index: dict[str, list[str]] = {}
        for key in sorted(keys, key=len, reverse=True):
            index.setdefault(_WORD.findall(key)[0] if key.isascii() else key[:2], []).append(key)
        return index


def _spans_of(text: str, quote: str) -> Iterator[tuple[int, int]]:
    at = text.find(quote) if quote else -1
    while at >= 0:
        yield at, at + len(quote)
        at = text.find(quote, at + len(quote))


def fiscal_year(end: str | None) -> int | None:
    """The year that a report's period goes by: one that ends in January's first week is called by the year before."""
    if not end:
        return None
    year, *day = map(int, end.split("-"))
    return year - 1 if len(day) == 2 and is_turn_of_year(*day) else year


def fold_accents(text: str) -> str:
    """Letters without their accents: Amériques is written as Americas is."""
    return (
        text
        if text.isascii()
        else "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
    )


def fold_name(text: str) -> str:
    """Text without case, white space, hyphens and dots, for names that are written in several ways."""
    return re.sub(r"[\s.,\-‐‑–'’]", "", text).casefold()


@lru_cache(maxsize=4096)
def _key(label: str) -> str:
    key = label_key(label)
    if key in GENERIC or len(key) < 2 or _TIME.search(key):
        return ""
    return key if not key.isascii() or (_WORD.search(key) and any(map(str.isalpha, key))) else ""


def row_key(row: TableRow) -> str:
    """What a row is looked for by, "" where its label says nothing by itself; the last word of a broken label does not."""
    key = _key(row.label)
    return _key(row.lead + row.label) if row.lead and key.isascii() and " " not in key else key


def heading_key(heading: str) -> str:
    """What a column is looked for by, "" where its heading says nothing by itself."""
    return _key(heading)


def labels_of(table: Table) -> set[str]:
    """The labels of a table's rows and columns."""
    keys: set[str] = set()
    for row, columns in table.rows:
        keys.add(row_key(row))
        keys.update(heading_key(column.heading) for column in columns[1:])
    keys.discard("")
    return keys


def describe(source: Source, place: Place) -> str:
    """What the source has of a figure: in a table its row and column, else the words around it."""
    said = source.text[place.figure.start : place.figure.end]
    if place.row is not None and place.column is not None:
        label, parent = place.row.label, " ".join(place.row.parents[-1:]).rstrip(" :：")
        under = f" (under “{parent[:_TOLD]}”)" if parent and parent != label else ""
        row = f", row “{label[:_TOLD]}”{under}" if label else ""
        return f"{said}{row}, column “{place.column.heading[:_TOLD]}”"
    return f"“{source.clause(place.figure.start, place.figure.end)}”"


def sizes(place: Place) -> Iterator[Decimal]:
    """What an amount may be in base units, without its sign; a year in a table may be an amount as well."""
    if place.figure.kind == "amount":
        shown = place.figure.shown
        yield from (shown * scale for scale in place.scales)
    elif place.figure.kind == "year" and place.table is not None:
        yield place.figure.value


@lru_cache(maxsize=PREPARED)
def prepare(passage: Passage) -> Source:
    """The passage made ready, from the store of those that were asked for last."""
    return Source(passage)
