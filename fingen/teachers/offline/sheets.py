"""The tables of a passage that compare years, line by line, and which of their lines add up to which.

Read is what leaves no doubt: columns that each name one year, the report's and the one before among them, amounts whose unit
is said, of the company itself. A line counts as the total of the lines above it where it is their sum in every year.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from fingen.records import Passage
from fingen.teachers.offline.extract import Topic, all_topics
from fingen.teachers.offline.items import Item, Kind, find_item, plain_label
from fingen.teachers.offline.statements import Amount, Money, StatementTable, kind_of, parse_amount

KINDS: tuple[Kind, ...] = ("income", "balance", "cash", "key")
_MOST_YEARS = 4  # that are compared
_MOST_PARTS = 12  # of a total
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_OTHER_BASES = {"parent", "discontinued", "restated", "as first reported", "non-GAAP", "excluding one-offs", "quarter",
                "half-year", "nine months", "convenience translation", "segment"}  # fmt: skip
_OF_OTHERS = re.compile(
    r"\bparent\b|\bcompany only\b|registrant|guarantor|pro forma|discontinued|joint ventures?|associates?\b|equity.method|"
    r"\bsummar(?:i[sz]ed|y)(?: of)?(?: the)? financial|previously reported|reconciliation|non-gaap|unaudited quarterly|"
    r"\b(?!the |by |our |operating |reportable |business |other |and |of |per )\w+ segment\b(?! (?:information|data|reporting|and))|"
    r"母公司|联营|合营|子公司|被投资|分部|关联|承诺|备考|模拟",
    re.IGNORECASE,
)
_NO_MEASURE = re.compile(
    r"(?i)\d|%|percent|change|months|quarter|weeks|half|per share|rate|ratio|ended|december|january|june|march|september|[,:]$"
    r"|季|月|率|比例|占"
)
_PARTS_OF = re.compile(  # notes whose lines are parts of one amount: property in one of deferred taxes is no property
    r"\bdeferred\b|\baccrued\b|\btemporary differences|递延|应计", re.IGNORECASE
)
_REGION = re.compile(r"\b(?:region|EMEA|Americas|Asia Pacific)\b|地区", re.IGNORECASE)
_TWO_DAYS = re.compile(rf"{_MONTH}[a-z]*\.? \d{{1,2}},? .*?{_MONTH}[a-z]*\.? \d{{1,2}}")
_LEADING = re.compile(r"^(?:the|our|components? of(?: the)?)\s+")
_LAST = 160  # characters of what stands above a table
_SHORT = 30  # characters of what stands between a title and its table, as a unit does
_NUMBERED = re.compile(r"[（(]?\d+[)）.、]|[一二三四五六七八九十]+、")
_PER_SHARE = re.compile(r"(?i)per (?:\w+ )?share|percent|%|ratios?|每股")
_NOTE = re.compile(r"(?i)^(?:notes? )?\d{1,2}[.:]?\s*[–—-]?\s*(?=[A-Z])")
_DASH = re.compile(r"[-–—−]|[$£€¥]\s?[-–—−]")
_OF_WHICH = re.compile(r"^(?:其中|of which|including)", re.IGNORECASE)
_ENDS_AT = re.compile(r"\b(?:as of|at)\b|期末|期初|年末|年初|余额|\d日", re.IGNORECASE)
_LASTS = re.compile(r"\bended|ending|发生额|本期金额|上期金额|本年金额|\bmonths\b|年度", re.IGNORECASE)
_DAY = re.compile(rf"{_MONTH}[a-z]*\.? \d{{1,2}}, ?(?:19|20)\d\d")


@dataclass(frozen=True, eq=False)
class Line:
    """A row: its label as it stands and without its marks, the group that it stands in, its amounts by year, and itself as a quote."""

    label: str
    name: str
    group: str
    amounts: Mapping[int, Amount]
    quote: str
    item: Item | None = None

    def value(self, year: int) -> Decimal:
        """Its amount of a year."""
        return self.amounts[year].value


@dataclass(frozen=True, eq=False)
class Block:
    """Lines that add up to another one in every year."""

    parts: tuple[Line, ...]
    whole: Line


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table that compares years, the latest first. `days` says on which day a year ends, where its column shows that."""

    number: int  # of its table in the passage: the groups of columns of one table are sheets of their own
    kind: Kind | None  # of a primary statement
    path: tuple[str, ...]  # titles above it
    years: tuple[int, ...]
    money: Money
    is_stock: bool | None  # counted on a day, or over a time; None where that is not known
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]
    days: Mapping[int, str] = field(default_factory=dict)
    measure: str = ""  # what stands over its columns, as Segment Sales does
    title: str = ""  # the heading right above it
    quote_years: tuple[int, ...] = ()  # of the amounts of a row, from left to right, where it has no other cells

    def without(self, lines: Collection[Line]) -> Sheet:
        """The sheet with no names for these lines; a total that is called no more is another matter: its title says of what."""
        bare = {
            line: replace(line, name="")
            for line in lines
            if not (self.title and line.name.lower() in ("total", "合计", "总计"))
        }
        blocks = tuple(
            Block(tuple(bare.get(part, part) for part in b.parts), bare.get(b.whole, b.whole)) for b in self.blocks
        )
        return replace(self, lines=tuple(bare.get(line, line) for line in self.lines), blocks=blocks)


def read_sheets(passage: Passage) -> list[Sheet]:
    """The tables of a yearly report that compare years, in their order."""
    if passage.period.kind != "annual" or not passage.period.end:
        return []
    tables = [
        (topic, table, caption)
        for topic in all_topics(passage)
        for table, caption in zip(topic.tables, topic.captions, strict=True)
    ]
    return _without_rivals([sheet for number, table in enumerate(tables) for sheet in _read(number, *table, passage)])


def _without_rivals(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets with no name for lines that another one has too, with other amounts: nobody knows which one is meant."""
    named: dict[tuple[str, str], set[tuple[Decimal, ...]]] = defaultdict(set)
    for sheet in sheets:
        for line in sheet.lines:
            named[sheet.measure, line.name].add(tuple(line.value(year) for year in sheet.years[:2]))
    rivals = {key for key, amounts in named.items() if len(amounts) > 1}
    return [sheet.without({line for line in sheet.lines if (sheet.measure, line.name) in rivals}) for sheet in sheets]


def _read(number: int, topic: Topic, text: str, caption: str, passage: Passage) -> Iterator[Sheet]:
    titles = " | ".join((*topic.path[-3:], caption[-_LAST:], text.split("\n", 1)[0]))
    named = re.sub(re.escape(passage.company or "\0"), "", titles, flags=re.IGNORECASE)
    if _OF_OTHERS.search(named) or _REGION.search(titles) or _PARTS_OF.search(titles):
        return
    if {basis.kind for basis in passage.basis} & _OTHER_BASES:
        return
    kind = kind_of(topic, text, caption, passage)
    table = StatementTable(text, caption, kind or "note", passage)
    groups = [("", columns) for columns, span in table.dated_columns() if span == "year"] or [
        (measure, columns) for measure, columns in table.measured_columns() if not _NO_MEASURE.search(measure)
    ]
    for measure, columns in groups:
        years = tuple(sorted(columns, reverse=True))[:_MOST_YEARS]
        money = table.money(columns[years[0]], columns[years[1]])
        if any(_TWO_DAYS.search(table.headings[column]) for column in columns.values()):
            continue  # days of which nobody knows which column is whose
        if money is None or years != tuple(range(years[0], years[0] - len(years), -1)):
            continue
        lines = tuple(_lines(table, columns, passage.language))
        blocks = tuple(_find_blocks(lines, years))
        heads = {year: table.headings[column] for year, column in columns.items()}
        days = {year: found[0] for year, head in heads.items() if (found := _DAY.search(head))}
        is_stock = (
            True if kind == "balance" else False if kind in ("income", "cash") else _is_stock(heads[years[0]], caption)
        )
        order = tuple(sorted(columns, key=columns.__getitem__))
        whole = order if table.width == len(columns) + 1 else ()
        title = _title(topic, text, caption, passage.language)
        yield Sheet(number, kind, topic.path, years, money, is_stock, lines, blocks, days, measure, title, whole)


def _title(topic: Topic, text: str, caption: str, language: str) -> str:
    """The heading that a table stands right below, or whose words the lines between them say; else nothing."""
    title = plain_label(_NOTE.sub("", topic.path[-1]), language) if topic.is_opened and text == topic.tables[0] else ""
    is_said = bool(title) and _LEADING.sub("", caption.lower()).startswith(re.sub(r", net$", "", title).lower())
    return title if is_said or (len(caption) < _SHORT and not _NUMBERED.match(caption)) else ""


def _is_stock(head: str, caption: str) -> bool | None:
    if _LASTS.search(head):
        return False
    if _ENDS_AT.search(head) or _DAY.search(head):
        return None if _LASTS.search(caption) else True
    return None


def _lines(table: StatementTable, columns: Mapping[int, int], language: str) -> Iterator[Line]:
    """The rows with an amount, or a dash for none, in each year; a label alone names the group of those below it."""
    group, seen = "", Counter(cells[0] for _, cells in table.body)
    for text, cells in (*table.head, *table.body):
        filled = [cell for cell in cells if cell.strip()]
        if len(filled) == 1 and cells[0].strip():
            group = cells[0].strip()
        amounts = {year: _amount(cells[at]) for year, at in columns.items()} if len(cells) == table.width else {}
        known = {year: amount for year, amount in amounts.items() if amount is not None}
        if (
            not cells[0].strip()
            or len(known) < len(columns)
            or all(amount.value == year for year, amount in known.items())
        ):
            continue
        is_clear = seen[cells[0]] == 1 and not _PER_SHARE.search(group)
        name = plain_label(cells[0], language) if is_clear else ""  # twice: nobody knows which one is meant
        found = (find_item(cells[0], kind, language)[0] for kind in KINDS) if name else ()
        yield Line(cells[0].strip(), name, group, known, text.strip(" |"), next(filter(None, found), None))


def _amount(cell: str) -> Amount | None:
    if "%" in cell:
        return None
    return Amount(Decimal(0), "", "") if _DASH.fullmatch(cell.strip()) else parse_amount(cell)


def _find_blocks(lines: Sequence[Line], years: Sequence[int]) -> Iterator[Block]:
    """The totals, each with the lines or totals next above it that it is the sum of in every year."""
    open_lines: list[Line] = []
    for line in lines:
        if _OF_WHICH.match(line.label):
            continue
        for count in range(2, min(len(open_lines), _MOST_PARTS) + 1):
            parts = open_lines[-count:]
            if any(line.value(year) for year in years) and all(
                sum(part.value(year) for part in parts) == line.value(year) for year in years
            ):
                if sum(any(part.value(year) for year in years) for part in parts) > 1:
                    yield Block(tuple(parts), line)
                del open_lines[-count:]
                break
        open_lines.append(line)
