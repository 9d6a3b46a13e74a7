"""The tables of a passage, as text again: their rows, columns, periods and units, cell by cell.

A chunk's text has a table as lines whose cells are joined with " | ". A column's heading is what stands above it; a
unit line ("in millions", 单位：万元) stands in the table or in the lines before it and counts for its cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise

from fingen.quality.notation import narrow
from fingen.quality.quantities import COUNTED, CURRENCIES, HUNDREDTH, ONE, SCALES, Quantity, find_figures
from fingen.records import Fact
from fingen.text import is_amount

Periods = frozenset[int | str]  # years, and quarters as "Q1"; empty where they are not known
UNKNOWN: Periods = frozenset()
GENERIC = frozenset(
    "total totals subtotal other others net basic diluted balance amount amounts current noncurrent group company change description "
    "item items name percent number 合计 小计 总计 其他 其它 项目 金额 数量 名称 类别 比例 余额 说明 备注 原因 附注 序号 单位 "
    "本期 上期 期末 期初 本年 上年 本期发生额 上期发生额 期末余额 期初余额 期末数 期初数 本期数 上期数 本期金额 上期金额 年末余额 年初余额 "
    "本年发生额 上年发生额 期末金额 期初金额 本年金额 上年金额 账面余额 账面价值 期末账面余额 期初账面余额 期末账面价值".split()
)

_UNIT_LINE = re.compile(
    r"(?P<currency>US ?\$|HK ?\$|A ?\$|C ?\$|[$€£¥]|RMB|CNY|USD|EUR|GBP|HKD|AUD|dollars|Renminbi)?"
    r"(?P<apostrophe>(?:[’'‘´`]|(?<=[$€£¥])\s?)000s?\b)"
    r"|\b[Ii][Nn]\s(?:(?:RMB|US\$|USD|EUR|GBP|HK\$|[$€£¥])\s?)?(?P<word>(?i:thousands?|millions?|billions?|hundreds))\b"
    r"|\b(?P<plural>(?i:thousands|millions|billions)) of (?:U\.?S\.? |Japanese )?(?i:yen|dollars|euros?|pounds|RMB|Renminbi)\b"
    r"|[(（](?P<of>(?i:thousands|millions|billions)) of (?=[a-z])"
    r"|(?P<mark>(?:US|HK|A|C)?[$€£¥]|(?<![A-Za-z])(?:CHF|EUR|USD|GBP|RMB|SEK|NOK|DKK|HKD|AUD))\s?[’'‘]?(?P<short>m|mn|bn|k|millions?|thousands?|billions?)\b(?=\s*(?:$|[|),]))"
    r"|[(（](?P<bare>m|mn|bn|k|millions?|thousands?|billions?)(?:[’']s)?[)）]"
    r"|(?:单位|货币单位)\s*[:：]?\s*(?:人民币|新?[台臺]币|港币)?\s*(?P<unit>[千百十]?[万亿]?千?百?元|[千百]?万?股)"
    r"|[(（](?:人民币)?(?P<bracket>[千百十]?[万亿千]?[元股人名户家吨台辆套件份]|百万元)[)）]|人民币(?P<rmb>千|百万|万|亿)?元"
    r"|(?:新?[台臺]币|港币)(?P<other>千|百万|万|亿)元|(?<![0-9.])(?<![0-9.]\s)(?P<abroad>千|百万|万|亿)[港美]元"
)
_CHINESE_UNITS = ("unit", "bracket", "rmb", "other", "abroad")
_TWO_CURRENCIES = re.compile(r"RMB\s?US ?\$|US ?\$\s?RMB")  # two headings run together
_EXCEPTED = re.compile(r"except[^)|]{0,40}\bper[- ](?:share|unit)(?: amounts?| data)?", re.IGNORECASE)
_EXCEPT_SHARES = re.compile(r"except[^)|]{0,40}\b(?:share|unit)s?\b|per share", re.IGNORECASE)
_CURRENCY_WORD = re.compile(
    r"US ?\$|HK ?\$|NT ?\$|New Taiwan Dollars?|(?<![A-Z])A ?\$|[$€£]|\b(?:RMB|CNY|USD|EUR|GBP|HKD|AUD|Renminbi|dollars|euros|pounds|yen)\b"
    r"|人民币|美元|港[元币]|欧元|新?[台臺]币",
    re.IGNORECASE,
)
_PER_SHARE = re.compile(r"per (?:\w+ ){0,2}(?:share|unit)|每股|元/股|\bEPS\b|earnings per", re.IGNORECASE)
_MINOR = re.compile(r"\b(?:cents?|pence)\b|\([cp]\)", re.IGNORECASE)
_NO_MONEY = re.compile(
    r"\bshares?\b|number of|\b(?:ratio|rates?|days|years|months|employees|stores|units|margin|headcount|square|age)\b|%|percent"
    r"|股(?!东|利|权|本溢价)|人数|数量|天数|年限|比率|比例|比重|占比|率|倍|周转|（人）|\(人\)|吨|年龄",
    re.IGNORECASE,
)
_TERM = re.compile(r"\b(?:months|weeks|years?)[ ,]+(?:period )?end(?:ed|ing)\b", re.IGNORECASE)  # no count of months
_MAYBE_PERCENT = re.compile(
    r"%|percent|\b(?:rates?|ratio|margin|yield|growth|change|volatility)\b|率|比例|比重|占比|百分比|增减|变动幅度|同比|幅度",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:change|variance|growth|increase|decrease|v\.|vs\.?)\b|增减|变动|同比|增长|增幅|环比", re.IGNORECASE
)
_BARE_CHANGE = re.compile(
    r"(?:本期|本年)?[较比]?(?:上年(?:同期)?)?(?:同比|增减|变动|环比|增长|增幅|change|variance|yoy)\s?(?:变动|增减|增长)?率?(?:幅度|比例)?\s?(?:[(（]?[%％][)）]?)?",
    re.IGNORECASE,
)
_RATIO = re.compile(
    r"(?<!growth )\b(?:rates?|ratio|margin)\b|(?<!增长)(?<!变动)(?<!变化)率|比重|占比|(?<!变动)(?<!增减)(?<!变化)比例",
    re.IGNORECASE,
)
_THIS = re.compile(
    r"本期|本年|本报告期|报告期(?!期?初)|期末|年末|\bcurrent (?:year|period)\b|\bthis year\b", re.IGNORECASE
)
_LAST = re.compile(
    r"上期|上年|去年|期初|年初(?![至到])|\b(?:prior|previous|preceding|last) (?:year|period)\b|\byear earlier\b|\bopening balance\b",
    re.IGNORECASE,
)
_HUNDRED = Decimal(100)
_CENTS = 2  # decimals of an amount per share
_DASHES = frozenset("-–—／/")
_LONG_LABEL = 50  # characters from which a line of a table in English is the first of a broken label
_YEAR_CELL = re.compile(r"(?:FY ?)?(?:19|20)\d\d(?:年?度?)?(?: ?\(?\d\)?)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_OPENING = re.compile(
    r"期初|年初|上期末|上年末|\b(?:beginning|opening|start) ", re.IGNORECASE
)  # the closing one of the year before
_LENGTH = re.compile(
    r"(?i)\b(?:weeks?|months?|quarters?|years?) (?:period )?end(?:ed|ing)\b|^(?:本报告期|年初[到至]报告期末|上年同期)$"
)
_UNIT_CELL = re.compile(  # a unit that stands in a cell of its own, right of its figure
    r"[)）]?\s?(?:[%％‰]|bps?|BPs?|pp?ts?|pp|percent|(?:basis|percentage) points?|个?(?:百分点|基点)|[倍x])"
)
_UNIT_HEAD = re.compile(r"(?:计量|计价|货币)?单位|(?:unit|units|uom)(?: of measure(?:ment)?)?", re.IGNORECASE)
_SCALE_OF_UNIT = re.compile(r"万亿|[千百十]?[万亿]|百万|千(?![克瓦米伏卡])")
_LONGEST_UNIT = 16  # characters
_HAS_UNIT = re.compile(r"[%％‰元股人倍]|同比|增减|比率|比例|占比|率|\b(?:change|ratio|rate|percent)", re.IGNORECASE)
_LEADERS = re.compile(r"(?:\s?\.){3,}|…+|·{3,}")
_BRACKETED = re.compile(  # but not 贵州茅台酒厂（集团）物流有限责任公司
    r"[(（\[](?!(?:集[团團]|中[国國]|香港|北京|上海|天津|深圳|广州|廣州)[)）][\u4e00-\u9fff])[^()（）\[\]]{0,60}[)）\]]"
)
_PLAIN = str.maketrans("’–—", "'--")
_PERCENT_HEAD = re.compile(r"[%％]|百分")
_WHOLE_LABEL = re.compile(
    r"(?:[:：]|的?现金|余额|净额|合计|小计|款项?|收入|费用|支出|资产|负债|权益|金额|利润|损失|损益|收益)$"
)
_NUMBERING = re.compile(
    r"^(?:[一二三四五六七八九十]{1,3}、|[0-9]{1,2}(?:[.、)）](?![0-9])|\s)|[①-⑳]|其中[:：]|其中|[加减]\s?[:：]|less\s?:|add\s?:|plus\s?:)\s*",
    re.IGNORECASE,
)
_FOOTNOTE = re.compile(r"(?<=[a-z,;])\s?(?:\d{1,2}|\*+)$|\*+$")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit line says: the scale of the cells, their currency, whether per-share data and shares are left out."""

    scale: Decimal | None = None
    currency: str | None = None
    except_shares: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """What a cell in a column of units says: 万毫升, 吨, 百万元. `unit` is as in `Quantity`, "%" or, of none of these, "things"."""

    scale: Decimal
    currency: str | None
    unit: str
    name: str = ""  # without its scale


@dataclass(slots=True)
class Column:
    """One column: its headings joined, what time they name, and of which column it is the change."""

    heading: str = ""
    periods: Periods = UNKNOWN
    changed: Column | None = None  # the one left of it, where its heading says no more than that it is a change


_NUMBERED = re.compile(r"[（(]?(?:[一二三四五六七八九十]{1,3}|\d{1,2})[)）、.．]\s?(?=[\u4e00-\u9fff])")


def is_numbered(label: str) -> bool:
    """Whether a label starts with a number of its own, as 1.归属于母公司股东的净利润: it is no rest of a broken one."""
    return _NUMBERED.match(label) is not None


@dataclass(slots=True)
class TableRow:
    """One row with figures: its label, the headings that it stands under, and the time that label or headings name."""

    label: str
    parents: tuple[str, ...]
    periods: Periods
    cells: list[tuple[int, int, int]]  # column, start, end
    unit: Unit | None = None  # of the unit line above it inside the table
    counted: Counted | None = None  # by its own cell in a column of units
    lead: str = ""  # the lines right above without figures where the label may be the last of a broken one


@dataclass(slots=True)
class Table:
    """A table; `columns` may grow anew inside where headings are repeated."""

    caption: str
    unit: Unit | None
    inherited: Unit | None  # of the table before, where this one has none
    rows: list[tuple[TableRow, list[Column]]] = field(default_factory=list)
    words: list[tuple[int, int]] = field(default_factory=list)  # headings, labels and unit lines: start and end


def label_key(text: str) -> str:
    """A label as it is looked for in running text: lower case, no numbering, brackets, footnotes and dot leaders."""
    text = _BRACKETED.sub("", _LEADERS.sub("", text.lower())).strip()
    while (stripped := _NUMBERING.sub("", text, count=1)) != text:
        text = stripped
    text = _FOOTNOTE.sub("", text.strip(" \t:：,，;；.-–—*/%"))
    return " ".join(text.translate(_PLAIN).split())


def parse_unit(text: str) -> Unit | None:
    """The unit that a line or heading states, or None."""
    text = narrow(text)
    match = _UNIT_LINE.search(text)
    if match is None:
        return None
    groups = match.groupdict()
    scale: Decimal | None = None
    if groups["apostrophe"]:
        scale = SCALES["thousand"]
    elif named := groups["word"] or groups["plural"] or groups["of"] or groups["short"] or groups["bare"]:
        word = named.lower()
        scale = SCALES[word.rstrip("s")]
    else:
        chinese = next((groups[name] for name in _CHINESE_UNITS if groups[name]), "").rstrip("元股人名户家吨台辆套件份")
        scale = SCALES.get(chinese, ONE)
    currency = currency_named(text)
    if currency is None and (groups["unit"] or groups["bracket"] or "").endswith("元"):
        currency = "CNY"
    return Unit(scale, currency, _EXCEPT_SHARES.search(text) is not None)


def parse_counted(text: str) -> Counted | None:
    """What a cell in a column of units states, or None where it states none."""
    text = narrow(text).strip("() ")
    if _PERCENT_HEAD.search(text):
        return Counted(ONE, None, "%")
    if (unit := parse_unit(f"in {text}")) and unit.scale:
        return Counted(unit.scale, unit.currency, "money" if unit.currency else "")
    if not text or len(text) > _LONGEST_UNIT or any(map(str.isdigit, text)):
        return None
    head = _SCALE_OF_UNIT.match(text)
    counted = text[head.end() if head else 0 :].split("/")[0]
    currency = "CNY" if counted == "元" else currency_named(counted)
    named = (counted.lower(), counted[:2], counted[:1])  # 人次 is read as 人
    kind = "money" if currency else next((COUNTED[name] for name in named if name in COUNTED), "things")
    return Counted(SCALES[head[0]] if head else ONE, currency, kind, counted)


def currency_named(text: str) -> str | None:
    """The currency that a heading names."""
    text = narrow(text)
    named = _CURRENCY_WORD.search(text) if text and not _TWO_CURRENCIES.search(text) else None
    return CURRENCIES.get(named[0].lower().replace(" ", "").rstrip("s")) if named else None


def parse_periods(text: str, report_year: int | None) -> Periods:
    """The years and quarters that a heading, a label or a caption names; 本期 and the like by the report's year."""
    if not text:
        return UNKNOWN
    periods: set[int | str] = set()
    for figure in find_figures(text, words=False):
        if figure.kind == "quarter":
            periods.add(f"Q{int(figure.value)}")
        elif figure.when[0]:
            periods.add(figure.when[0])
            if is_turn_of_year(*figure.when[1:]):
                periods.add(figure.when[0] - 1)
    named = any(isinstance(period, int) for period in periods)
    if report_year is not None and not named and not _CHANGE.search(text):  # 比上年增减 is of no one year
        if _LAST.search(text):
            periods.add(report_year - 1)
        elif _THIS.search(text):
            periods.add(report_year)
    return frozenset(periods)


def is_turn_of_year(month: int, day: int) -> bool:
    """Whether a day may count to the year before: a balance of January 1, a fiscal year that ends in January's first week."""
    return month == 1 and 1 <= day <= 7


def parse_table(text: str, start: int, end: int, before: str, inherited: Unit | None, report_year: int | None,
                heads: list[Column] | None = None) -> Table:  # fmt: skip
    """Read the table at `text[start:end]`, whose caption and unit line may stand in the text `before` it.

    `heads` are the columns of the table that it goes on with, where it has as many and no headings of its own.
    """
    lines = before.rstrip("\n").split("\n")[-6:]
    while any(" | " in line for line in lines):
        lines.pop(0)
    caption = "\n".join(lines[-3:])[-600:]
    table = Table(caption, parse_unit(_last_unit(lines)), inherited)
    reader = _Reader(table, report_year, caption, heads)
    at = start
    for line in text[start:end].split("\n"):
        reader.read(_cells(line, at))
        at += len(line) + 1
    return table


def _last_unit(lines: Sequence[str]) -> str:
    """The line nearest above a table that states its unit: a short one, or a sentence that ends with it."""
    for line in map(narrow, reversed(lines)):
        if (match := _UNIT_LINE.search(line)) and (
            len(line) < 120 or len(line) - match.end() < 60 or line[match.start() - 1] == "("
        ):
            return line
    return ""


def _cells(line: str, at: int) -> list[tuple[str, int, int]]:
    cells = []
    for cell in line.split(" | "):
        text = cell.strip()
        lead = len(cell) - len(cell.lstrip())
        cells.append((text, at + lead, at + lead + len(text)))
        at += len(cell) + 3
    return cells


class _Reader:
    """Goes through the lines of a table, with the headings and label rows that count for the rows below them."""

    def __init__(self, table: Table, report_year: int | None, caption: str, heads: list[Column] | None) -> None:
        self.heads = heads
        self.table = table
        self.report_year = report_year
        self.caption_periods = parse_periods(caption.rsplit("\n", 1)[-1], report_year)
        self.header: list[list[str]] = []
        self.columns: list[Column] | None = None
        self.parents: tuple[str, ...] = ()
        self.row_periods: Periods = UNKNOWN
        self.lead = ""

    def read(self, cells: list[tuple[str, int, int]]) -> None:
        texts = [cell[0] for cell in cells]
        filled = [text for text in texts if text]
        if not filled:
            return
        rows = len(self.table.rows)
        self._sort(cells, texts, filled)
        added = self.table.rows[rows:]
        wordy = cells[: bool(added[0][0].label)] if added else cells
        self.table.words.extend((start, end) for text, start, end in wordy if text)

    def _sort(self, cells: list[tuple[str, int, int]], texts: list[str], filled: list[str]) -> None:
        """Take a line for what it is: a unit line, headings, a label for the rows below, or a row with figures."""
        if len(filled) == 1 and (unit := parse_unit(filled[0])) and len(filled[0]) < 80:
            self.table.unit = unit
            return
        figures = any(map(_is_figure, texts[1:]))
        is_blank = bool(texts[0]) and len(filled) > 1 and all(set(text) <= _DASHES for text in filled[1:])
        if is_blank:
            self._data_row(cells, texts)
        elif not figures and (len(filled) > 1 or not texts[0]) and (self.columns is None or self._is_heading(texts)):
            if self.columns is not None:
                self.header, self.columns, self.parents = [], None, ()
            self.header.append(texts)
            self._unit_of_heading(texts)
        elif texts[0] and not figures and (len(filled) == 1 or _PERCENT_HEAD.search(texts[0]) or parse_unit(texts[0])):
            self.table.unit = parse_unit(texts[0]) or self.table.unit  # of the rows below: 每股计（人民币元）
            self._label_row(texts[0])
        elif len(cells) > 1 or figures:
            self._data_row(cells, texts)

    def _unit_of_heading(self, texts: list[str]) -> None:
        """Take the unit of a heading: that over the labels is the table's own, another one's only where it has none."""
        unit = next((unit for text in texts if (unit := parse_unit(text))), None)
        if (
            unit is not None
            and (unit.currency or unit.scale != ONE)
            and (self.table.unit is None or parse_unit(texts[0]))
        ):
            self.table.unit = unit

    def _is_heading(self, texts: list[str]) -> bool:
        """Whether a row inside a table starts new headings: it has no label, or nothing but periods or lengths of time in its columns."""
        filled = [text for text in texts[1:] if text]
        if not texts[0] and len(filled) > 1 and all(map(_is_wordy, filled)):
            return True
        return bool(filled) and all(parse_periods(text, self.report_year) or _LENGTH.search(text) for text in filled)

    def _label_row(self, text: str) -> None:
        is_broken = not _WHOLE_LABEL.search(text)
        self.lead = self.lead + text + (" " if text.isascii() else "") if is_broken else ""
        periods = parse_periods(text, None)
        if periods and len(text) < 40:
            self.row_periods = periods
        if not label_key(text):
            return
        if self.table.rows and len(self.parents) < 2 and self.columns is not None and text[0].islower():
            return
        self.parents = (text,)

    def _data_row(self, cells: list[tuple[str, int, int]], texts: list[str]) -> None:
        if self.columns is None and not self.header and self.heads is not None and len(self.heads) == len(cells):
            self.columns = self.heads
        elif self.columns is None:
            self.columns = self._build_columns(len(cells))
        label = texts[0]
        periods = parse_periods(label, None) if len(label) < 40 else UNKNOWN
        first = 1
        if len(texts) > 2 and _YEAR_CELL.fullmatch(texts[1]) and not self.columns[1].periods:
            periods, first = parse_periods(texts[1], None), 2
        if self.columns[0].heading and _is_figure(label) and not label.isdigit():
            label, first = "", 0  # a figure under a heading is no label: Notional amount, $250.0
        row = TableRow(
            label,
            self.parents,
            periods or self.row_periods,
            [(column, start, end) for column, (text, start, end) in enumerate(cells) if text and column >= first],
            self.table.unit,
            self._counted(texts),
            "" if is_numbered(label) else self.lead,
        )
        self.lead = ""
        columns = self.columns
        if len(columns) < len(cells):
            columns = [*columns, *(Column() for _ in range(len(cells) - len(columns)))]
        self.table.rows.append((row, columns))
        if self.parents and _closes(label, self.parents[-1]):
            self.parents = ()

    def _counted(self, texts: list[str]) -> Counted | None:
        """What the cell of a row states in the column of units, where the table has one."""
        pairs = zip(self.columns or (), texts, strict=False)
        return next((parse_counted(text) for column, text in pairs if _UNIT_HEAD.fullmatch(column.heading)), None)

    def _build_columns(self, width: int) -> list[Column]:
        columns = [Column() for _ in range(width)]
        groups = self._groups_of_years(width)
        for number, texts in enumerate(self.header):
            spread = texts if number == len(self.header) - 1 else self._spread(texts, width, groups)
            for column, text in zip(columns, spread, strict=False):
                column.heading = f"{column.heading} {text}".strip()
        shared = self.header[0][0] if self.header and self.header[0][0] else ""
        for column in columns[1:]:
            column.periods = parse_periods(column.heading, self.report_year)
            if not any(isinstance(period, int) for period in column.periods):
                column.periods |= parse_periods(shared, None)
        last = self.header[-1] if len(self.header) > 1 else []
        for column, text in zip(columns, last, strict=False):
            if _CHANGE.search(text) and not parse_periods(text, None):
                column.periods = UNKNOWN  # a change is of no one of the years that stand above it
        for left, column in pairwise(columns[1:]):
            column.changed = (left.changed or left) if _BARE_CHANGE.fullmatch(column.heading) else None
        self._periods_from_caption(columns)
        return columns

    def _groups_of_years(self, width: int) -> list[range]:
        """The columns of each group where the last headings name the same years again and again: those of one matter each."""
        last = self.header[-1][:width] if len(self.header) > 1 else []
        starts: list[int] = []
        seen: set[str] = set()
        for at, text in enumerate(last[1:], 1):
            if not _YEAR_CELL.fullmatch(text):
                return []
            year = _YEAR.search(text)[0]  # type: ignore[index]  # such a cell has one
            if not starts or year in seen:
                starts.append(at)
                seen = set()
            seen.add(year)
        return [range(*ends) for ends in pairwise([*starts, len(last)])] if len(starts) > 1 else []

    def _spread(self, texts: list[str], width: int, groups: Sequence[range] = ()) -> list[str]:
        """A row of headings with the times or units over several columns repeated in each, where it is plain which they span."""
        said = [[texts[at] for at in group if at < len(texts) and texts[at]] for group in groups]
        is_named = not any(parse_periods(text, None) or parse_unit(text) for each in said for text in each)
        if said and max(map(len, said)) == 1 and (is_named or min(map(len, said)) == 1):
            return [texts[0], *("".join(each) for each, group in zip(said, groups, strict=True) for _ in group)]
        is_spanned = len(texts) > 2 and (
            parse_periods(texts[1], self.report_year)
            or _LENGTH.search(texts[1])
            or parse_unit(texts[1])
            or (not texts[1] and any(map(parse_unit, texts)))
            or _is_even(texts[1:width])
        )
        if not is_spanned:
            return texts
        spread, current = [texts[0]], ""
        for text in texts[1:width]:
            current = text or current
            spread.append(current)
        return spread

    def _periods_from_caption(self, columns: list[Column]) -> None:
        """Headings that the caption line holds: as many years as there are columns, or one for all of them."""
        if any(column.periods for column in columns):
            return
        for line in reversed(self.table.caption.split("\n")):
            years = [figure.when[0] for figure in find_figures(line) if figure.when[0]]
            if len(line) < 120 and len(years) == len(columns) - 1 and len(set(years)) > 1:
                for column, year in zip(columns[1:], years, strict=True):
                    column.periods = frozenset((year,))
                return
            if len(set(years)) == 1:
                for column in columns[1:]:
                    column.periods = frozenset(years)
            if years:
                return


def _closes(label: str, heading: str) -> bool:
    """Whether a row is the last of the group that stands under a heading: its total, by the heading's own name."""
    own, head = label_key(label), label_key(heading)
    return own.isascii() and bool(head) and (own.startswith(head) or own == f"total {head}")


def _is_even(texts: list[str]) -> bool:
    """Whether headings stand over equal numbers of columns: two or more, each with as many blanks after it."""
    at = [number for number, text in enumerate(texts) if text] + [len(texts)]
    spans = {after - before for before, after in pairwise(at)}
    return len(at) > 2 and len(spans) == 1 and spans.pop() > 1


def _is_wordy(text: str) -> bool:
    return any(map(str.isalpha, text)) and len(text) < _LONG_LABEL


def _is_figure(text: str) -> bool:
    """Whether a cell is a figure, not the dash for none and no year, not even one with the mark of a footnote."""
    return is_amount(text) and any(map(str.isdigit, text)) and not _YEAR_CELL.fullmatch(text)


@dataclass(slots=True, eq=False)
class Place:
    """A figure of the source and what is known of it. `scales` are what its digits may stand for, by the unit line."""

    figure: Quantity
    scales: tuple[Decimal, ...]
    currency: str | None
    percent: bool = False  # may be a percentage although no sign says so
    change: bool = False  # stands in a column or row of changes
    ratio: bool = False  # and of a ratio at that: then a percentage is one of points
    periods: Periods = UNKNOWN
    table: Table | None = None
    row: TableRow | None = None
    column: Column | None = None
    cell: tuple[int, int] = (0, 0)  # where its cell starts and ends
    fact: Fact | None = None  # what a tag says that it is

    @property
    def is_scale_unknown(self) -> bool:
        """Whether neither its table nor what stands around it says what its digits are multiplied by."""
        table = self.table
        known = (
            table is None
            or self.fact
            or self.row is None
            or self.row.counted
            or table.unit
            or table.inherited
            or len(self.scales) != 1
        )
        return not known and self.figure.kind == "amount" and self.scales == (self.figure.scale,) == (ONE,)


def table_places(table: Table, text: str) -> Iterable[Place]:
    """The figures of a table's cells, each with what its row, its column and the unit line say."""
    percent_columns = _percent_columns(table, text)
    per_share = _per_share_rows(table, text)
    for row, columns in table.rows:
        says_percent = any(map(_PERCENT_HEAD.search, row.parents[-1:]))
        above = row.parents[-1:] if says_percent or row.label.lower().startswith(("basic", "diluted")) else ()
        row_words = " ".join((row.label, *above, *(("per share",) if id(row) in per_share else ())))
        units = [text[start:end] for _, start, end in row.cells[1:]] + [""]
        for (index, start, end), beside in zip(row.cells, units, strict=True):
            column = columns[index]
            cell = text[start:end]
            if any(map(str.isdigit, cell)) and _UNIT_CELL.fullmatch(beside):
                cell += beside if beside[0] in ")）" else f" {beside}"  # 270 | bps
            words = f"{column.heading} {row_words}"
            if column.changed is not None:
                words = f"{words} {column.changed.heading}"
            pure = is_amount(text[start:end]) or is_amount(cell) or (len(cell) < 24 and not any(map(str.isalpha, cell)))
            for figure in find_figures(cell, cell=pure):
                figure = replace(figure, end=min(figure.end, end - start))
                place = _place(table, row, column, figure, start, words, pure, (id(columns), index) in percent_columns)
                place.cell = (start, end)
                place.percent |= cell.startswith("%")
                place.ratio |= says_percent and place.change
                yield place


def word_places(table: Table, text: str) -> Iterable[Place]:
    """The figures in a table's headings and labels, which are as they stand."""
    for start, end in table.words:
        for figure in find_figures(text[start:end], words=True):
            yield Place(shifted(figure, start), (figure.scale,), figure.currency)


def _percent_columns(table: Table, text: str) -> set[tuple[int, int]]:
    """The columns with a percent sign in a cell, and those that go on with the same decimals beside one: 19.6 % | 10.5."""
    found = set()
    for row, columns in table.rows:
        decimals = None
        for index, start, end in row.cells:
            cell = text[start:end].rstrip(" )")
            if cell.endswith(("%", "％")):
                decimals = _decimals(cell.rstrip(" %％)"))
            elif not decimals or _decimals(cell) != decimals or len(cell) > 7:
                decimals = None
                continue
            found.add((id(columns), index))
    return found


def _per_share_rows(table: Table, text: str) -> set[int]:
    """The rows in cents under a heading that says per share, and those that a row of it begins, finer than the rows above it."""
    found: set[int] = set()
    money, shares = 0, False  # the most decimals of amounts so far; whether the row before is one of amounts per share
    for row, columns in table.rows:
        cells = [text[start:end] for _, start, end in row.cells]
        amounts = [cell for cell in cells if _is_figure(cell) and not _PERCENT_HEAD.search(cell)]
        finest = max((_decimals(cell.rstrip(" )")) for cell in amounts), default=0)
        heads = " | ".join((*row.parents[-1:], columns[0].heading))
        is_under = _PER_SHARE.search(_EXCEPTED.sub("", heads)) is not None
        shares |= is_under or _PER_SHARE.search(row.label) is not None
        if _PER_SHARE.search(row.label):
            continue
        if finest < _CENTS:
            shares = shares and not amounts
            money = max(money, finest)
        elif is_under or (shares and finest > money):
            found.add(id(row))
        elif not _NO_MONEY.search(row.label):
            money = max(money, finest)
    return found


def _decimals(figure: str) -> int:
    return len(figure.partition(".")[2])


def _place(
    table: Table,
    row: TableRow,
    column: Column,
    figure: Quantity,
    offset: int,
    words: str,
    pure: bool,
    percent_column: bool,
) -> Place:
    figure = shifted(figure, offset)
    periods = row.periods or column.periods
    if row.periods and column.periods and any(isinstance(p, str) for p in row.periods | column.periods):
        periods = row.periods | column.periods
    if _OPENING.search(row.label):
        periods |= {period - 1 for period in periods if isinstance(period, int)}
    scales: tuple[Decimal, ...] = (figure.scale,)
    currency = figure.currency
    unit = parse_unit(words) or row.unit or table.unit
    counted = row.counted if figure.kind == "amount" and figure.scale == ONE else None
    is_percent = counted is not None and counted.unit == "%"
    if counted and not is_percent and not _HAS_UNIT.search(column.heading):
        scales, currency = (counted.scale,), counted.currency
        figure = replace(figure, unit=figure.unit or counted.unit)
    elif figure.kind in ("amount", "year") and figure.scale == ONE and pure:
        own = parse_unit(row.label)  # of a profit per share in millions as well
        scales = (own.scale,) if own and own.scale else _cell_scales(unit, table.inherited, words)
        currency = currency or currency_named(column.heading) or (unit.currency if unit else None)
    percent = figure.kind == "amount" and (
        percent_column
        or is_percent
        or _MAYBE_PERCENT.search(f"{words} {table.caption}") is not None
        or _is_headless(table, column, figure)
    )
    change = _CHANGE.search(words) is not None
    ratio = _RATIO.search(words) is not None
    return Place(figure, scales, currency, percent, change, ratio, periods, table, row, column)


def _is_headless(table: Table, column: Column, figure: Quantity) -> bool:
    """Whether a small figure stands in a column of which nothing says what it holds: it goes on from a page before."""
    return not (column.heading or table.unit or figure.currency) and figure.step < ONE and figure.shown < _HUNDRED


def shifted(figure: Quantity, offset: int) -> Quantity:
    """The figure as it stands in a longer text."""
    return Quantity(
        figure.start + offset, figure.end + offset, figure.kind, figure.value, figure.step, figure.sign, figure.scale,
        figure.currency, figure.unit, figure.when, figure.spelled,
    )  # fmt: skip


def _cell_scales(unit: Unit | None, inherited: Unit | None, words: str) -> tuple[Decimal, ...]:
    """What a bare cell may be multiplied by: one scale where the unit line is plain, else several."""
    if _PER_SHARE.search(_EXCEPTED.sub("", words)):
        return (HUNDREDTH, ONE) if _MINOR.search(words) else (ONE,)
    scale = unit.scale if unit else None
    if scale is None:
        other = inherited.scale if inherited else None
        return (ONE,) if other in (None, ONE) else (ONE, other)
    if scale == ONE or not _NO_MONEY.search(_TERM.sub("", words)):
        return (scale,)
    return (ONE, scale)
