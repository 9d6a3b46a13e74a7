"""Tables of real reports as a judge reads them: what each cell says, with its row, its column's period and its unit.

No rule of fingen.quality is used here, so that the checks are measured against something they did not make. The reader
is narrow on purpose. It takes only tables where nobody can doubt what a cell means: one row of headings, one column for
each, a unit written beside the table, labels that stand once in their chunk. What it cannot read so, it leaves out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.records import Document, Passage
from fingen.tasks.qa import build_passage

DENSE = 80  # figures in a chunk from which on it counts as crowded
SKIPPED = ("image_only", "derived")  # a scan without text, and an extract of a report that is there whole
BLANK = frozenset({"", "$", "—", "–", "-", "--", "$—", "$ —", "$-", "/", "-%", "—%", "—$", "$—$", "$-$", "N/A"})
NUMBER = re.compile(r"\(?[$£¥]?\s?\(?[$£]?\s?(-?\d[\d,]*(?:\.\d+)?)\s?\)?\s?(%|％)?\)?")
FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
MONTHS = "January February March April May June July August September October November December".split()
_DAY = rf"(?:(?:{'|'.join(MONTHS)}) \d{{1,2}}, (20\d\d)|\d{{1,2}} (?:{'|'.join(MONTHS)}) (20\d\d))"
EN_YEAR = re.compile(r"(?:Fiscal )?(20\d\d)(?: ?\(?1\)?)?(?: \(?unaudited\)?)?")
EN_DAY = re.compile(_DAY)
ZH_YEAR = re.compile(r"(20\d\d)年度?(?:（(?:末|度)）)?")
ZH_DAY = re.compile(r"(20\d\d)年(?:\d{1,2}月\d{1,2}日|末|初)")
ZH_THIS = re.compile(r"本期(?:发生额|数|金额)?|本期累计数|本年发生额")
ZH_LAST = re.compile(r"上期(?:发生额|数|金额)?|上年同期数?|上年发生额")
ZH_END = re.compile(r"(?:期末|年末)(?:账面|帐面)?(?:余额|数|金额)?")
ZH_START = re.compile(r"(?:期初|年初)(?:账面|帐面)?(?:余额|数|金额)?")
ZH_CHANGE = re.compile(r"(?:同比|本年比上年|本期比上年同期|本期|比上年).*(?:增减|变动|比例).*|变动比例.*|增减.*")
ZH_MEASURE = re.compile(  # headings that say what a row's figure is, where the row names who or what it is of
    r"(?:期末|账面)?余额|账面价值|(?:核销|投资|合同|补助)?金额|坏账准备(?:期末余额)?|营业(?:收入|成本)|毛利率[（(]%[）)]|(?:比例|占.{2,16}比例)(?:[（(]%[）)])?"
    r"|本期新增补助金额|计入当期损益的金额|本期计入其他收益金额|本期增加|本期减少|本期摊销金额|预算数"
)
GROUPS = re.compile(  # rows above the years that add nothing to them but the kind of time
    r"(?i)(?:for the |as of )?(?:fiscal )?(?:years?|twelve months|12 months|fiscal year)(?: ended),?"
    r"(?: (?:december 31|january \d\d|31 march),?)?|(?:as of |at )?(?:december 31|31 march),?|notes?"
)
BALANCE = re.compile(r"(?i)(?:as of |at )?(?:december 31|31 march)")
EN_UNIT = re.compile(r"(?i)\bin (billions|millions|thousands)\b|[$£][’']?000\b|dollars in (millions|thousands)")
ZH_UNIT = re.compile(r"(?:单位|金额单位)[：:]\s?(?:人民币)?(亿元|百万元|万元|千元|元)")
SCALES = {"billions": "1e9", "millions": "1e6", "thousands": "1e3", "亿元": "1e8", "百万元": "1e6", "万元": "1e4",
          "千元": "1e3", "元": "1"}  # fmt: skip
# Rows that hold no money although the table's unit line says so, or that say too little to be quoted alone.
NO_MONEY = re.compile(
    r"(?i)per (?:common |ordinary |diluted )?share|\bshares?\b|\beps\b|number|\bunits\b|stores|square|employees|\brates?\b|ratio|margin"
    r"|percent|%|years?\b|weeks|basic|diluted|dividends? declared|每股|股数|股份|股本|数量|率|比例|比重|人数|户|天数|吨|万股|（股）|\(股\)|张"
)
VAGUE = re.compile(
    r"(?i)(?:sub-?)?totals?:?|united states|foreign|federal|state|.*prior service.*|others?(?: .{0,6})?|net|balance.*|beginning.*|ending.*|.*(?:beginning|end) of (?:the )?(?:period|year).*|less.*|add.*|plus.*|of which.*|including.*|adjust.*"
    r"|小计|合计|总计|其他|其中.*|减.*|加.*|项目|.{0,2}|.*[:：]|.*\d{4}.*|[（(]?\d.*|.*(?:余额|期初|期末|本期|上期).*|[^a-z一-鿿]*"
)
# A statement of cash flows gives changes under the names of balances: only its payments and receipts mean what they say.
CASH_FLOWS = re.compile(r"(?i)operating activities|changes in (?:operating )?assets|经营性应收|间接法|补充资料")
CASH = re.compile(r"(?i)cash|proceeds|payments?|purchases?|paid|repayments?|repurchase|现金|支付|收到")
# Parts that speak of a piece of the company, or of another one: a figure from there is not the company's.
ELSEWHERE = re.compile(
    r"(?i)segment|domestic|international|defense, space|commercial airplanes|global services|capital corporation|discontinued|acqui"
    r"|digital media|cybersecurity|boeing capital|parent|condensed|pro forma|subsidiar|joint venture|spin-off|母公司|子公司|分部|联营|合营|关联|处置|置换|同一控制|被购买"
)
# What a note on pay in shares spreads over the names of whole expenses.
SPREAD = re.compile(r"(?i)(?:share|stock)-based compensation")
EXPENSES = re.compile(
    r"(?i)research|general and admin|sales and marketing|cost of (?:revenue|goods|sales)|selling|prior service"
)
# Boeing's segments, whose tables stand under headings that do not name them.
SEGMENTS = re.compile(r"\bB(?:CA|DS|GS|CC)\b")
LONE = frozenset("revenue revenues goodwill land inventory inventories ebitda provisions royalties advertising".split())
STATEMENT = re.compile(r"(合并|母公司)(?:资产负债表|利润表|现金流量表|(?:所有者|股东)权益变动表)")
NOTES = re.compile(r"(?i)notes?|附注[一二三四五六七八九十、]*")
SUBHEAD = re.compile(r"(?:[$£][’']?000|[$£]|notes?)", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column of a table. `when` is the period in words that fit after a statement, `years` the years it names."""

    heading: str
    when: str  # "" where the column names no period
    kind: str  # period, change (growth in percent), measure (what the figure is), note, other; bad: not to be used
    years: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A figure of a table: `value` as shown, with its sign; an amount is `value * scale` of `currency`."""

    value: Decimal
    kind: str  # amount, percent
    scale: Decimal
    currency: str
    label: str
    column: Column
    row: int
    index: int  # of the column among the table's columns
    raw: str
    line: str

    @property
    def base(self) -> Decimal:
        return self.value * self.scale


@dataclass(frozen=True)
class Table:
    """The cells of a table that can be quoted, with the passage they stand in."""

    passage: Passage
    cells: tuple[Cell, ...]
    heading: str

    def others_in_row(self, cell: Cell) -> list[Cell]:
        return [other for other in self.cells if other.row == cell.row and other.index != cell.index]

    def others_in_column(self, cell: Cell) -> list[Cell]:
        return [other for other in self.cells if other.index == cell.index and other.row != cell.row]


def read_reports(data: Path, cache: Path) -> list[Document]:
    """The shared reports that have text, in the order of their names."""
    paths = sorted(path for path in data.glob("pdf_*/*.pdf") if not any(word in path.name for word in SKIPPED))
    return [read_document(path, path.name, ReadSettings(), cache=cache) for path in paths]


def read_passages(documents: Sequence[Document]) -> list[Passage]:
    return [build_passage(document, chunk) for document in documents for chunk in document.chunks]


def own_passages(document: Document) -> Iterator[Passage]:
    """The passages whose tables are the group's own: not those of the statements of a Chinese parent company."""
    of_parent = False
    for passage in read_passages([document]):
        if "注释" in " ".join(passage.section) or not any("财务报" in title for title in passage.section):
            of_parent = False
        titles = STATEMENT.findall(passage.text)
        if not of_parent and "母公司" not in titles and len(SEGMENTS.findall(passage.text)) < 2:
            yield passage
        of_parent = titles[-1] == "母公司" if titles else of_parent


def figures_in(passage: Passage) -> int:
    """How many figures a passage holds, years counted."""
    return len(FIGURE.findall(passage.text))


def read_tables(passage: Passage) -> list[Table]:
    """The tables of a passage that leave no doubt."""
    if any(ELSEWHERE.search(text) for kind, text in passage.kinds if kind == "heading") or any(
        map(ELSEWHERE.search, passage.section)
    ):
        return []
    rows_of = [
        [[part.strip() for part in line.split(" | ")] for line in text.split("\n")] if kind == "table" else []
        for kind, text in passage.kinds
    ]
    labels = Counter(_clean(row[0]).casefold() for rows in rows_of for row in rows)
    found = []
    for at, (kind, text) in enumerate(passage.kinds):
        if kind == "table" and (unit := _unit(passage, at)):
            cells = tuple(_cells(rows_of[at], text.split("\n"), unit, passage, labels))
            cells = tuple(cell for cell in cells if not _is_small_change(cell, cells))
            if cells:
                found.append(Table(passage, cells, text.split("\n")[0]))
    return found


def _is_small_change(cell: Cell, cells: Sequence[Cell]) -> bool:
    """Whether a figure has decimals in a table of whole millions or thousands: it is one of a share, under no name of it."""
    whole = [c for c in cells if c.kind == "amount" and c.value == c.value.to_integral_value()]
    broken = cell.value != cell.value.to_integral_value()
    return cell.kind == "amount" and cell.scale >= 1000 and cell.currency != "元" and broken and len(whole) > 1


def _unit(passage: Passage, at: int) -> tuple[Decimal, str] | None:
    """Scale and currency that the table at `at` is in, as written on it or between it and the table before."""
    head = "\n".join(passage.kinds[at][1].split("\n")[:3])
    above: list[str] = []
    for kind, text in reversed(passage.kinds[max(0, at - 4) : at]):
        if kind == "table":
            break
        above.append(text[-400:])
    if passage.language == "zh":
        units = {match[1] for text in [head, *above] for match in ZH_UNIT.finditer(text)}
        return (Decimal(SCALES[units.pop()]), "元") if len(units) == 1 else None
    text = " ".join([head, *above])
    if re.search(r"(?i)(?<![$] and )(?:shares|units) in (?:millions|thousands)", text):
        return None
    units = {(match[1] or match[2] or "thousands").lower() for match in EN_UNIT.finditer(text)}
    pounds = "£" in text or "Pound Sterling" in text
    if not units and pounds:
        return Decimal(1), "£"
    return (Decimal(SCALES[units.pop()]), "£" if pounds else "$") if len(units) == 1 else None


def _cells(
    rows: list[list[str]], lines: list[str], unit: tuple[Decimal, str], passage: Passage, labels: Counter[str]
) -> Iterator[Cell]:
    head = _headings(rows, passage)
    if head is None:
        return
    start, columns = head
    flows = CASH_FLOWS.search(passage.text)
    for number in range(start, len(rows)):
        row, label = rows[number], _clean(rows[number][0])
        if passage.language == "en" and " " not in label and label.casefold() not in LONE:
            continue
        if SPREAD.search(passage.text) and EXPENSES.search(label):
            continue
        if labels[label.casefold()] != 1 or VAGUE.fullmatch(label) or not 3 <= len(label) <= 90:
            continue
        if (flows and not CASH.search(label)) or ELSEWHERE.search(label) or _is_broken(label, passage):
            continue
        for i, column in _places(row, columns).items():
            cell = _cell(row[i], label, column, unit)
            if cell:
                value, kind = cell
                yield Cell(value, kind, unit[0] if kind == "amount" else Decimal(1), unit[1], label, column,
                           number, i, row[i], lines[number])  # fmt: skip


def _places(row: list[str], columns: dict[int, Column]) -> dict[int, Column]:
    """Which column each figure of a row belongs to; none where a figure may have slipped into another one."""
    notes = {i for i, column in columns.items() if column.kind == "note"}
    filled = [i for i in range(1, len(row)) if row[i] and row[i] != "$" and i not in notes]
    real = [i for i in columns if i not in notes]
    if set(filled) <= set(real):
        return {i: columns[i] for i in filled}
    return {i: columns[j] for i, j in zip(filled, real, strict=True)} if len(filled) == len(real) else {}


def _cell(raw: str, label: str, column: Column, unit: tuple[Decimal, str]) -> tuple[Decimal, str] | None:
    text = raw.removesuffix("$").strip()
    match = NUMBER.fullmatch(text)
    if text in BLANK or not match or YEAR.fullmatch(text):
        return None
    value = Decimal(match[1].replace(",", ""))
    value = -value if "(" in text else value  # a table of reports has no other use for brackets around a figure
    percent = bool(match[2]) or "%" in column.heading or label.endswith(("(%)", "（%）"))
    if percent:
        return value, "percent"
    if unit[1] == "元" and value.as_tuple().exponent == -1:  # narrow Chinese columns break the last digit off
        return None
    if NO_MONEY.search(label) or NO_MONEY.search(column.heading) or column.kind not in ("period", "measure"):
        return None
    return value, "amount"


def _headings(rows: list[list[str]], passage: Passage) -> tuple[int, dict[int, Column]] | None:
    """Where the data begin, and the column that each place stands for; None where that is open to doubt."""
    for number, row in enumerate(rows[:6]):
        if _is_data(row):
            return None
        columns = {i: _column(text, passage) for i, text in enumerate(row) if i and text}
        kinds = [column.kind for column in columns.values()]
        headings = {column.heading for column in columns.values()}
        if "bad" in kinds or len(headings) < len(columns):
            continue
        following = rows[number + 1] if number + 1 < len(rows) else []
        start = number + 1
        if any(following) and all(SUBHEAD.fullmatch(text) for text in following if text):
            start += 1
            columns |= {i: Column(text, "", "note") for i, text in enumerate(following) if NOTES.fullmatch(text)}
        elif not _is_data(following) and any(following[1:]):  # a second row of headings
            continue
        whole = passage.language == "zh" and row[0] and len(columns) == len(row) - 1
        if kinds.count("period") < 2 and not (whole and "measure" in kinds):
            continue
        above = [text for upper in rows[:number] for text in upper if text and not ZH_UNIT.search(text)]
        if any(passage.language == "zh" or not GROUPS.fullmatch(text) for text in above):
            return None
        if any(BALANCE.match(text) for text in [*above, row[0]]):
            columns = {i: replace(c, when=c.when.replace("in ", "at the end of ")) for i, c in columns.items()}
        if any("ended" in text.lower() for text in [*above, row[0]]):
            columns = {i: replace(c, when=c.when.replace("at ", "in the year ended ")) for i, c in columns.items()}
        return start, columns
    return None


def _is_broken(label: str, passage: Passage) -> bool:
    """Whether a Chinese table's label holds Latin words, which its narrow columns break in two."""
    return passage.language == "zh" and bool(re.search(r"[A-Za-z]{2,} |[A-Za-z]{6}", label))


def _is_data(row: list[str]) -> bool:
    return any(NUMBER.fullmatch(text) and not YEAR.fullmatch(text) and FIGURE.search(text) for text in row[1:])


def _column(text: str, passage: Passage) -> Column:
    if passage.language == "en":
        return _english_column(text, passage)
    end = (passage.period.end or "")[:4]
    named = (
        (ZH_THIS, f"{end}年", (end,)),
        (ZH_LAST, "上年", ()),
        (ZH_END, f"{end}年末", (end,)),
        (ZH_START, f"{end}年初", (end,)),
    )
    for pattern, when, years in named:
        if pattern.fullmatch(text):
            return Column(text, when, "period", years)
    if match := ZH_YEAR.fullmatch(text) or ZH_DAY.fullmatch(text):
        return Column(text, f"{match[1]}年" if ZH_YEAR.fullmatch(text) else text, "period", (match[1],))
    if NOTES.fullmatch(text):
        return Column(text, "", "note")
    if ZH_CHANGE.fullmatch(text):
        return Column(text, "", "change")
    kind = "measure" if ZH_MEASURE.fullmatch(text) else "other"
    return Column(text, "", "bad" if len(text) > 40 or NUMBER.fullmatch(text) else kind)


def _english_column(text: str, passage: Passage) -> Column:
    if NOTES.fullmatch(text):
        return Column(text, "", "note")
    annual = passage.period.kind == "annual" and not re.search(r"(?i)(?:months|weeks|quarters?) ended", passage.text)
    if match := EN_YEAR.fullmatch(text):
        return Column(text, f"in {match[1]}", "period" if annual else "bad", (match[1],))
    if match := EN_DAY.fullmatch(text):
        return Column(text, f"at {text}", "period" if annual else "bad", (match[1] or match[2],))
    return Column(text, "", "bad")


def _clean(label: str) -> str:
    """A row's label without its numbering, dot leaders and footnote marks."""
    label = re.sub(r"(?: ?\.){3,}.*$|\[注\d*\]", "", label.strip())
    label = re.sub(r"(?:\(\d\))+$|(?<=[a-z]) \d$", "", label).strip()
    return re.sub(r"^(?:[一二三四五六七八九十]+、|[（(][一二三四五六七八九十\d]+[）)]|\d+[.、])\s?", "", label).strip()
