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
from typing import Literal

from fingen.items import KINDS, Item, Kind, find_item, plain_label
from fingen.records import Basis, Passage
from fingen.teachers.offline.extract import Topic, all_topics
from fingen.teachers.offline.statements import Amount, Money, Span, StatementTable, kind_of, parse_amount

SPANS: Mapping[str, tuple[Span, ...]] = {  # of the columns that are compared, by the kind of a report
    "annual": ("year",), "half-year": ("half-year",), "quarterly": ("quarter", "half-year", "nine months"),
}  # fmt: skip
_MOST_YEARS = 4  # that are compared
_MOST_PARTS = 12  # of a total
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_OTHER_BASES = {"parent", "discontinued", "restated", "as first reported", "non-GAAP", "excluding one-offs",
                "convenience translation", "segment"}  # fmt: skip
_OTHER_TIMES = {"quarter", "half-year", "nine months"}  # than those of a yearly report
_PARENT = re.compile(r"(?i)company|parent")
_EITHER = re.compile(r"\) ?/|/ ?\(")  # (benefit)/expense: without its bracket it says nothing
_CUT = re.compile(  # a label alone that may be the start of that of the row below it
    r"(?i)\b(?:and|or|of|for|from|to|the|an?|by|with|less)$|^(?:sub-?)?total\b.*[^:]$|[（(][^）)]*$"
)
_CUT_FIGURE = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+,\d{1,2}(?![\d,])")  # the rest of it stands on the next line
_LIMITED = re.compile(  # what a label leaves out, or has not yet said: without its bracket it says another thing; 按成本计量的 what
    r"(?i)[（(](?:[^）)]*$|[^）)]*(?:除外|不含|不包括|\bexclu|\bexcept|\bother than\b|\bnot includ))|的$"
)
_PLACED = re.compile(r"(?i)(?: (?:as )?(?:at|of|on|for))+$")  # ends what stands over columns: their day follows
_NOT_GAAP = re.compile(r"(?i)\bnon-?gaap\b|\badjusted\b|\bpro forma\b|非公认会计")
_OF_OTHERS = re.compile(
    r"\bparent\b|\bcompany only\b|registrant|guarantor|pro forma|discontinued|joint ventures?|associates?\b|equity.method|"
    r"\bsummar(?:i[sz]ed|y)(?: of)?(?: the)? financial|previously reported|reconciliation|non-gaap|unaudited quarterly|"
    r"same[- ](?:store|market)|selected financial data for (?-i:[A-Z]{3,4})\b|(?-i:\b[A-Z]{3,4}) (?:revenues?|sales) (?:by|consist)|"
    r"母公司|联营|合营|子公司|被投资|分部|关联|承诺|备考|模拟",
    re.IGNORECASE,
)
_SEGMENT = re.compile(
    r"\b(?!(?i:the|by|our|operating|reportable|business|other|and|of|per|each|one|two|three|four|selected|following|same|new) )"
    r"(?P<name>(?:[A-Z][\w’'-]*(?: & | and |, | ))*?[A-Z]?[\w’'-]+) (?:operating |reportable |business )?[Ss]egments?\b"
    r"(?! (?:information|data|reporting|and))"
)
_WHOLE_SEGMENT = re.compile(
    r"(?i)(?:(?:selected financial data|(?:the )?(?:net )?revenues?(?: and [a-z ]{4,24})?|(?:operating )?results) (?:for|of) )?"
    r"(?:the |our )?segment"
    r"(?: performance summary| results)?(?: (?:was|were|is|are) as follows.{0,40}| for the .{0,80}| \(.{0,30}\):?)?"
)
_SHARE_OF_COMPANY = re.compile(  # a line of what a part of the company came to
    r"(?im)^(?:%|percent(?:age)?) of (?:total )?(?:the )?(?:company|consolidated|group)(?:[’']s)? (?:revenues?|sales)"
)
_NO_MEASURE = re.compile(
    r"(?i)\d|%|percent|change|months|quarter|weeks|half|per share|rate|ratio|ended|december|january|june|march|september|[,:]$"
    r"|季|月|率|比例|占|^\[|^total$"  # a word in brackets is a mark of the page: [bar chart]
)
_PARTS_OF = re.compile(  # notes whose lines are parts of one amount: property in one of deferred taxes is no property
    r"\bdeferred\b|\baccrued\b|\btemporary differences|递延|应计", re.IGNORECASE
)
_TAX_PARTS = re.compile(  # totals of a note whose lines are tax effects, and not what they are called by
    r"\b(?:gross|net|total) deferred (?:income )?tax", re.IGNORECASE
)
_NET_CASH = re.compile(r"\bnet cash (?:flows? )?(?:provided|used|from|generated)\b", re.IGNORECASE)
_REGION = re.compile(r"\b(?:region|EMEA|Americas|Asia Pacific)\b|地区", re.IGNORECASE)
_TWO_DAYS = re.compile(rf"{_MONTH}[a-z]*\.? \d{{1,2}},? .*?{_MONTH}[a-z]*\.? \d{{1,2}}")
_LEADING = re.compile(
    r"^(?:(?:the|our|a|an|company[’']s|major|significant|(?:components?|composition|classes|details?|breakdown|summary) of)\s+)+",
    re.IGNORECASE,
)
_TIMED = (
    r"(?:,? net)?(?:,? (?:as of|at|on|for|in|during) (?:the |each )?(?:of the )?(?:end|years?|fiscal|periods?|last|past|three|two|"
    rf"balance sheet|{_MONTH}|\d)[^.;:]{{0,90}})?"
)
_SUBJECT = re.compile(  # Inventories at December 31 consisted of the following; The following table presents our inventories
    r"(?i)(?P<subject>[a-z][\w&’'/ -]{3,70}?)"
    + _TIMED
    + r",? (?:consist(?:s|ed)? of|(?:is|are|was|were) (?:comprised|composed|made up) of|"
    r"comprised?|(?:is|are|was|were) as follows|(?:is|are|was|were) (?:summarized|presented|shown|set forth) "
    r"(?:as follows|below|in the)).{0,60}"
    r"|the (?:following )?(?:table|schedule)(?: below)? (?:presents|summarizes|shows|sets forth|provides|details|reflects) "
    r"(?P<shown>[a-z][\w&’'/ -]{3,70}?)" + _TIMED + r"[.:]?"
)
_TWO_NAMES = re.compile(r"[A-Za-z]: ?[A-Za-z]")  # Long-term debt: Current maturities
_BY = re.compile(
    r" (?:by (?:\w+ ){0,3}(?:segments?|divisions?|business(?:es)?|location|regions?|geograph\w+|areas?|types?|categor\w+|class)"
    r"(?: of business)?|of each \w+)$"
)
_LAST = 160  # characters of what stands above a table
_SHORT = 30  # characters of what stands between a title and its table, as a unit does
_NUMBERED = re.compile(r"[（(]?\d+[)）.、]|[一二三四五六七八九十]+、")
_PER_SHARE = re.compile(r"(?i)per (?:\w+ )?share|percent|%|ratios?|每股")
_NOTE = re.compile(r"(?i)^(?:notes? )?\d{1,2}[.:]?\s*[–—-]?\s*(?=[A-Z])")
_DASH = re.compile(r"[-–—−]|[$£€¥]\s?[-–—−]")
_MINOR = re.compile(r"(?i)\bcents?\b|\bpence\b")
_SHARE_OF_MONEY = re.compile(r"(?i)per (?:\w+ ){0,2}share\b|每股(?:收益|股利|净资产)")
_RATE = re.compile(
    r"(?i)\b(?:margin|rate|ratio|yield)s?\b|% of |\bas a (?:% |percentage |percent )|率|占.*(?:比例|比重)"
)
_LEVELS = re.compile(  # of fair values: whose assets they are, a plan's or the company's, stands elsewhere
    r"(?i)quoted prices|observable inputs|\blevel [123]\b"
)
_OF_WHAT = re.compile(  # a rate or price that is one of many in a report
    r"(?i)\b(?:discount|crediting|trend|interest|compensation|conversion|forfeiture|exchange|swap) rates?\b|\bprices?\b|\byields?\b|"
    r"fair value|\bplan assets\b|^rates?\b|折现率|利率"
)
_MOVED = re.compile(
    r"(?i)\b(?:change|growth|increase|decrease|impact|effect|points?|cap|trend)\b|变动|增减|增长|增幅|同比"
)
_OF_WHICH = re.compile(r"^(?:其中|of which|including)", re.IGNORECASE)
_ENDS_AT = re.compile(r"\b(?:as of|at)\b|期末|期初|年末|年初|余额|\d日", re.IGNORECASE)
_LASTS = re.compile(r"\bended|ending|发生额|本期金额|上期金额|本年金额|\bmonths\b|年度", re.IGNORECASE)
_DAY = re.compile(rf"{_MONTH}[a-z]*\.? \d{{1,2}}, ?(?:19|20)\d\d")
_MONTH_DAY = re.compile(rf"{_MONTH}[a-z]* \d{{1,2}}(?!\d)")


@dataclass(frozen=True, eq=False)
class Line:
    """A row: its label as it stands and without its marks, the group that it stands in, its amounts by year, and itself as a quote."""

    label: str
    name: str
    group: str
    amounts: Mapping[int, Amount]
    quote: str
    item: Item | None = None
    is_repeated: bool = False  # in another group of the table: alone its label says too little

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
    counts: Literal["money", "money per share", "percent"] = "money"  # what its amounts are
    quote_years: tuple[int, ...] = ()  # of the amounts of a row, from left to right, where it has no other cells
    span: Span = "year"  # that its amounts are of, or at whose end they are counted
    segment: str = ""  # of the company, where it is of one alone

    def without(self, lines: Collection[Line]) -> Sheet:
        """The sheet with these lines as parts alone; a total that is called no more is another matter: its title says of what."""
        bare = {
            line: replace(line, item=None, is_repeated=True)
            for line in lines
            if not (self.title and line.name.lower() in ("total", "合计", "总计"))
        }
        blocks = tuple(
            Block(tuple(bare.get(part, part) for part in b.parts), bare.get(b.whole, b.whole)) for b in self.blocks
        )
        return replace(self, lines=tuple(bare.get(line, line) for line in self.lines), blocks=blocks)


def read_sheets(passage: Passage) -> list[Sheet]:
    """The tables of a report that compare years, or one time of a year with that of the year before, in their order."""
    if passage.period.kind not in SPANS or not passage.period.end:
        return []
    tables = [
        (topic, table, caption)
        for topic in all_topics(passage)
        for table, caption in zip(topic.tables, topic.captions, strict=True)
    ]
    return _without_rivals([sheet for number, table in enumerate(tables) for sheet in _read(number, *table, passage)])


def _without_rivals(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets whose lines that another one has too, with other amounts, say too little alone: nobody knows which is meant."""
    named: dict[tuple[str, ...], set[tuple[Decimal, ...]]] = defaultdict(set)
    for sheet in sheets:
        for line in sheet.lines:
            if not line.is_repeated:
                named[sheet.span, sheet.measure, sheet.segment, line.name].add(
                    tuple(line.value(year) for year in sheet.years[:2])
                )
    rivals = {key for key, amounts in named.items() if len(amounts) > 1}
    return [
        sheet.without({line for line in sheet.lines if (sheet.span, sheet.measure, sheet.segment, line.name) in rivals})
        for sheet in sheets
    ]


def _read(number: int, topic: Topic, text: str, caption: str, passage: Passage) -> Iterator[Sheet]:
    titles = " | ".join((*topic.path[-3:], *_above(topic, text, caption), text.split("\n", 1)[0]))
    segment = _segment_of(topic, caption, text)
    if segment is None or _is_of_others(titles, text, passage, segment) or _CUT_FIGURE.search(text):
        return
    kind = kind_of(topic, text, caption, passage)
    if kind is None and _TAX_PARTS.search(text):
        return
    if kind is None and len(_NET_CASH.findall(text)) > 1:
        kind = "cash"  # its title was not seen: but for known items its lines are movements
    table = StatementTable(text, caption, kind or "note", passage, is_segment=bool(segment))
    for measure, columns, heads, span in _columns(table, passage):
        years = tuple(sorted(columns, reverse=True))[:_MOST_YEARS]
        days = _days(table, heads, span)
        is_unsaid = span != "year" and (kind == "balance" or (not days and passage.language == "en"))
        if any(map(_TWO_DAYS.search, heads.values())) or is_unsaid:
            continue  # days of which nobody knows which column is whose
        if years != tuple(range(years[0], years[0] - len(years), -1)):
            continue
        is_flow = span != "year" or kind in ("income", "cash")
        is_stock = False if is_flow else True if kind == "balance" else _is_stock(heads[years[0]], caption)
        order = tuple(sorted(columns, key=columns.__getitem__))
        sheet = Sheet(
            number, kind, topic.path, years, Money("", "%"), is_stock, (), (), days, measure,
            _title(topic, text, caption, passage.language), "percent", order if table.width == len(columns) + 1 else (), span,
            segment,
        )  # fmt: skip
        if money := table.money(columns[years[0]], columns[years[1]]):
            lines = tuple(_lines(table, columns, passage.language))
            found = replace(sheet, money=money, lines=lines, blocks=tuple(_find_blocks(lines, years)), counts="money")
            if _PARTS_OF.search(titles):
                yield replace(found, kind=None).without(lines)
                continue
            yield found
            if per_share := tuple(line for line in lines if _is_per_share(line, years)):
                yield replace(
                    sheet, kind=None, money=Money(money.currency, ""), lines=per_share, counts="money per share"
                )
        if rates := () if measure or _PARTS_OF.search(titles) else tuple(_rates(table, columns, passage.language)):
            yield replace(sheet, kind=None, lines=rates)


def _is_of_others(titles: str, text: str, passage: Passage, segment: str) -> bool:
    """Whether a table is, or may be, of another than the company, of a part of it, or on another basis than its accounts."""
    named = re.sub(re.escape(passage.company or "\0"), "", titles, flags=re.IGNORECASE)
    if _OF_OTHERS.search(named) or _REGION.search(titles) or _SHARE_OF_COMPANY.search(text):
        return True
    others = _OTHER_BASES | (_OTHER_TIMES if passage.period.kind == "annual" else set())
    others = others - {"segment"} if segment else others
    return any(basis.kind in others and _is_of(basis, titles, text) for basis in passage.basis)


def _segment_of(topic: Topic, caption: str, text: str) -> str | None:
    """The segment that a whole table is of: "" where it is of the company, and None where it is of a part of one, or of several."""
    titles = (*topic.path[-3:], caption.rsplit(". ", 1)[-1], text.split("\n", 1)[0].split(" | ")[0])
    named = {found["name"] for title in titles for found in _SEGMENT.finditer(title)}
    if not named:
        return ""
    name = named.pop()
    nearest = next(title for title in reversed(titles) if _SEGMENT.search(title))
    is_whole = _WHOLE_SEGMENT.fullmatch(_SEGMENT.sub("segment", nearest).strip())
    return name if not named and name[0].isupper() and is_whole else None


def _above(topic: Topic, text: str, caption: str) -> Iterator[str]:
    """What is said above a table, to the start of its last sentence at least; below another one what is said above that."""
    yield caption[-max(_LAST, len(caption.rsplit(". ", 1)[-1])) :]
    at = topic.tables.index(text)
    if not caption and at:
        yield from _above(topic, topic.tables[at - 1], topic.captions[at - 1])


def _columns(
    table: StatementTable, passage: Passage
) -> Iterator[tuple[str, Mapping[int, int], Mapping[int, str], Span]]:
    """What stands over groups of columns beside their time, year -> column, year -> what names it, and the span of time."""
    if _hides_parent(table):
        return
    spans, is_dated = SPANS[passage.period.kind], False
    for columns, span in table.dated_columns():
        if span in spans:
            is_dated = True
            yield "", columns, {year: table.headings[column] for year, column in columns.items()}, span
    if passage.period.kind == "annual" and not is_dated:
        is_of_levels = _LEVELS.search(" ".join(cell for _, cells in table.head for cell in cells)) is not None
        for measure, columns, heads in table.measured_columns():
            if not (_NO_MEASURE.search(measure) or is_of_levels):
                yield _PLACED.sub("", measure), columns, heads, "year"


def _hides_parent(table: StatementTable) -> bool:
    """Whether columns of the parent stand beside those of the group, and are not all called so."""
    named = sum(any(_PARENT.fullmatch(cell) for cell in heading.split(" ")) for heading in table.headings)
    return 0 < 2 * named < sum(re.search(r"(?:19|20)\d\d", heading) is not None for heading in table.headings)


def _days(table: StatementTable, heads: Mapping[int, str], span: Span) -> Mapping[int, str]:
    """The day on which each year, or the part of it, ends: of a part it may stand apart from the year, over all columns."""
    days = {year: day[0] for year, head in heads.items() if (day := _DAY.search(head))}
    if span == "year" or len(days) == len(heads):
        return days
    said = {day[0] for day in _MONTH_DAY.finditer(" ".join(table.headings))}
    return {year: f"{day}, {year}" for year in heads for day in said} if len(said) == 1 else {}


def _is_of(basis: Basis, titles: str, text: str) -> bool:
    """Whether what a passage says of amounts is said of this table: by its titles or its own lines."""
    return basis.kind == "parent" or basis.text in titles or (basis.column or basis.text) in text


def _title(topic: Topic, text: str, caption: str, language: str) -> str:
    """What the line above a table says that it is of, else the heading that it stands right below, or whose words that line has."""
    if language == "en" and (said := _SUBJECT.fullmatch(caption.rsplit(". ", 1)[-1].strip())):
        subject = _BY.sub("", _LEADING.sub("", said["subject"] or said["shown"]))
        return subject[:1].upper() + subject[1:]
    title = plain_label(_NOTE.sub("", topic.path[-1]), language) if topic.is_opened and text == topic.tables[0] else ""
    is_said = bool(title) and _LEADING.sub("", caption.lower()).startswith(re.sub(r", net$", "", title).lower())
    return title if is_said or (len(caption) < _SHORT and not _NUMBERED.match(caption)) else ""


def _is_stock(head: str, caption: str) -> bool | None:
    if _LASTS.search(head):
        return False
    if _ENDS_AT.search(head) or _DAY.search(head):
        return None if _LASTS.search(caption) else True
    return None


def _lines(
    table: StatementTable, columns: Mapping[int, int], language: str, *, percent: bool = False
) -> Iterator[Line]:
    """The rows with an amount, or a dash for none, in each year; a label alone names the group of those below it."""
    rows, group, is_alone = [*table.head, *table.body], "", False
    seen = Counter(cells[0] for _, cells in table.body)
    in_groups = Counter(_grouped(rows))
    for text, cells in rows:
        filled = [cell for cell in cells if cell.strip()]
        is_below, is_alone = is_alone, len(filled) == 1 and bool(cells[0].strip())
        if is_alone:
            group = cells[0].strip()
        read = _percentage if percent else _amount
        amounts = {year: read(cells[at]) for year, at in columns.items()} if len(cells) == table.width else {}
        known = {year: amount for year, amount in amounts.items() if amount is not None}
        if (
            not cells[0].strip()
            or len(known) < len(columns)
            or all(amount.value == year for year, amount in known.items())
        ):
            continue
        is_repeated = seen[cells[0]] > 1
        is_clear = not is_repeated or (group and in_groups[group, cells[0]] == 1)
        is_clear = is_clear and (percent or not _PER_SHARE.search(group)) and not _TWO_NAMES.search(cells[0])
        is_clear = is_clear and not (
            _EITHER.search(cells[0])
            or _LIMITED.search(cells[0].strip())
            or _NOT_GAAP.search(group)
            or (is_below and _CUT.search(group))
        )
        name = plain_label(cells[0], language) if is_clear else ""  # twice: nobody knows which one is meant
        found = (find_item(cells[0], kind, language)[0] for kind in KINDS) if name and not is_repeated else ()
        yield Line(cells[0].strip(), name, group, known, text.strip(" |"), next(filter(None, found), None), is_repeated)


def _grouped(rows: Sequence[tuple[str, list[str]]]) -> Iterator[tuple[str, str]]:
    """Each label with the label alone that it stands below."""
    group = ""
    for _, cells in rows:
        if cells[0].strip() and not any(cell.strip() for cell in cells[1:]):
            group = cells[0].strip()
        yield group, cells[0]


def _is_per_share(line: Line, years: Sequence[int]) -> bool:
    """Whether a line has amounts per share of the statement's currency, written with cents."""
    is_said = _SHARE_OF_MONEY.search(line.name) is not None and not (
        _MINOR.search(line.label) or _MOVED.search(line.name) or _OF_WHAT.search(line.name)
    )
    return is_said and all("." in line.amounts[year].digits for year in years)


def _rates(table: StatementTable, columns: Mapping[int, int], language: str) -> Iterator[Line]:
    """The rows that name a rate and have a percentage, with its sign, in each year."""
    for line in _lines(table, columns, language, percent=True):
        is_said = _RATE.search(line.name) is not None and not (_MOVED.search(line.name) or _OF_WHAT.search(line.name))
        if is_said and all(amount.value >= 0 for amount in line.amounts.values()):
            yield line


def _amount(cell: str) -> Amount | None:
    if "%" in cell:
        return None
    return Amount(Decimal(0), "", "") if _DASH.fullmatch(cell.strip()) else parse_amount(cell)


def _percentage(cell: str) -> Amount | None:
    return parse_amount(cell.replace("%", "").strip()) if "%" in cell else None


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
