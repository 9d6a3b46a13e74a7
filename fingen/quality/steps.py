"""Whether a program over the cells of a table is what its question asks, of the cells that it names, and gives its answer.

A pair on a table says what is worked out (its operation), of which cells (row, period, figure) and by which steps. Each is
held against the others: the steps are those of the operation on these cells, the cells stand so in a table of the passage, the
question names their rows and periods and no others, and what comes out is what `calc` has, whose result the answer must give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import pairwise

from fingen.quality.calc import CalcError, parse_calcs
from fingen.quality.draft import Draft
from fingen.quality.programs import ProgramError, execute, parse_program, tokenize
from fingen.quality.source import Source, prepare
from fingen.quality.tables import Place, label_key
from fingen.records import Record

_YEAR = re.compile(r"(?<![\d.,])(?:19|20)\d\d(?![\d.,]*\d)")
_HYPHENS = str.maketrans("–—‐‑‒", "-----")
_QUOTES = str.maketrans("", "", "“”\"‘’'")
_BASE_EN = re.compile(r"(?:divided by|over|times|multiple of|by|cover|against)(?: its| the)? $")
_BASE_ZH = re.compile(r"(?:除以|以|倍?于|是|与)$")
_HIGHEST = re.compile(r"(?i)\bhighest\b|\bpeak(?:ed)?\b|\blargest\b|最高|最大")
_OF_FIGURES = tuple("0123456789,.")
_REST_OF_FIGURE = re.compile(r"[\d,.]*\d")
_DATED_AFTER = re.compile(r"[^,.;\d(]{0,60}?(?:\b[A-Z][a-z]+\.? \d{1,2}, )?\b((?:19|20)\d\d)\b(?!年)")
_DATED_BEFORE = re.compile(r"((?:19|20)\d\d)年[^，。；、：\d]{0,40}\Z")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_YEAR_BEFORE = re.compile(
    r"year[- ](?:on|over)[- ]year|\b(?:the )?(?:year|period) (?:before|earlier)|\b(?:prior|previous|preceding) year|同比|上年|上一年|去年",
    re.IGNORECASE,
)
_TIME_OR_UNIT = re.compile(
    r"(?i)\bconsolidated (?:statements? of (?:operations|income|earnings)|balance sheets?)\b|"
    r"[\d.,:;*()（）$€£¥/]|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|"
    r"jul|aug|sept?|oct|nov|dec|years?|fiscal|ended|ending|months?|twelve|weeks?|for|the|as|at|of|on|audited|unaudited|and|in|thousands?|"
    r"millions?|billions?|dollars?|us|hk|rmb|eur|gbp|usd|chf|cad|aud|mn?|bn|yen|euros?|pounds?|except|per|shares?|amounts?|data|consolidated|group|fy|note)\b"
    r"|(?:compound )?growth rates?"  # that stand beside the years
    r"|年度?|月|日|末|本期|上期|本年|上年|同期|期末|期初|年初|发生额?|余额|金额|数|人民币|[百千万亿]?元|附注|合并|单位|币种"
)
_MONEY_OF = re.compile(r"us\$|hk\$|rmb|cny|chf|usd|eur|gbp|[€£¥]", re.IGNORECASE)
_SHORTER = re.compile(  # than a year
    r"(?:three|six|nine) months|quarter|half|\b1[34] weeks|\b2[67] weeks|\b39 weeks|thirteen weeks|季度|半年"
)
_OF_TOTAL_BEFORE, _OF_TOTAL_AFTER = re.compile(r"\btotal $"), re.compile("合计|总计|小计")
_UP = re.compile(r"(?i)\b(?:rose|grew|increased?|gained|(?<!made )up|widened|growth)\b|增长|上升|增加|提高")
_DOWN = re.compile(r"(?i)\b(?:fell|shrank|decreased?|lost|down|narrowed|declined?)\b|下降|减少|降低|下滑")
_TOTAL = re.compile(r"(?:\w+ )?totals?|合计|总计|小计")
_DAY = re.compile(r"\b[a-z]{3,9}\.? \d{1,2}, \d{4}")
_TOTAL_OF = re.compile(r"\btotal ((?:[a-z&'-]+,? ?){1,6})")
_HEAD = re.compile(  # what may stand before what a table is of: Note 5: Inventories; The components of our inventories were
    r"^(?:notes? )?(?:\(?\d+[.:)]? ?)?[-–—]? ?"
    r"(?:the (?:following )?(?:table|schedule)(?: below)? (?:presents|summarizes|shows|sets forth|provides|details|reflects) )?"
    r"(?:(?:the|our|a|company's|major|significant|total|(?:components?|composition|classes|details?|breakdown|summary) of) )*"
)
_WITHIN_TOTAL = re.compile(r"\bwithin total ((?:[a-z&'-]+,? ?){1,6})")
SEGMENT = re.compile(r"\bof the ([A-Z][^?,;.“”]{0,50}?) segment\b")  # of which a question says that its figures are
_TITLED_SEGMENT = re.compile(
    r"(?:for|of) (?:the|our) ([A-Z][\w&’' -]{0,50}?) (?:operating |reportable |business )?[Ss]egment (?:was|were|is|are|for) "
)
_LEAST_ROUNDING = Decimal("0.00002")


@dataclass(frozen=True)
class Cell:
    """A cell that a program takes: the label of its row, the year of its column, its figure as it stands."""

    row: str
    period: str
    value: str

    @property
    def literal(self) -> str:
        """Its figure as it stands in a program."""
        return self.value.replace(",", "")

    @property
    def size(self) -> Decimal:
        """Its figure without a sign."""
        return Decimal(self.literal)


@dataclass(frozen=True)
class Operation:
    """What a kind of question works out: the steps on its cells, the value, and how its cells must stand to each other."""

    program: Callable[[Sequence[Cell]], str]
    value: Callable[[Sequence[Decimal]], Decimal | None]  # None: the value is no number
    fits: Callable[[Sequence[Cell]], bool]
    factor: int = 1  # 100 where the value is told as a percentage
    one_row: bool = False
    moves: bool = False  # the answer says which way it went
    all_years: bool = False  # the question names no other years than those of the cells


def _chain(cells: Sequence[Cell]) -> str:
    steps = [f"add({cells[0].literal}, {cells[1].literal})"]
    return ", ".join([*steps, *(f"add(#{n}, {cell.literal})" for n, cell in enumerate(cells[2:]))])


def _average(cells: Sequence[Cell]) -> str:
    return f"{_chain(cells)}, divide(#{len(cells) - 2}, const_{len(cells)})"


def _later(one: Cell, other: Cell) -> bool:
    return one.row == other.row and one.period > other.period


def _beside(one: Cell, other: Cell) -> bool:
    return one.period == other.period and one.row != other.row


def _is_share(cells: Sequence[Cell]) -> bool:
    return len(cells) == 2 and _beside(*cells) and 0 < cells[0].size <= cells[1].size


def _is_shift(cells: Sequence[Cell]) -> bool:
    if len(cells) != 4 or not (_is_share(cells[:2]) and _is_share(cells[2:])):
        return False
    return _later(cells[0], cells[2]) and _later(cells[1], cells[3])


def _is_contribution(cells: Sequence[Cell]) -> bool:
    if len(cells) != 4 or not (_later(*cells[:2]) and _later(*cells[2:]) and _beside(cells[0], cells[2])):
        return False
    part, whole = cells[0].size - cells[1].size, cells[2].size - cells[3].size
    return part * whole > 0 and abs(part) < abs(whole)


def _is_sum(cells: Sequence[Cell]) -> bool:
    rows = {cell.row for cell in cells}
    apart = len(cells) > 2 and len(rows) == len(cells) and len({cell.period for cell in cells}) == 1
    return apart and sum(cell.size for cell in cells[:-1]) == cells[-1].size


def _is_series(cells: Sequence[Cell]) -> bool:
    periods = {cell.period for cell in cells}
    return len(cells) > 1 and len({cell.row for cell in cells}) == 1 and len(periods) == len(cells)


def _is_order(cells: Sequence[Cell]) -> bool:
    return len(cells) > 1 and all(_beside(one, other) and one.size > other.size for one, other in pairwise(cells))


def _divide(cells: Sequence[Cell]) -> str:
    return f"divide({cells[0].literal}, {cells[1].literal})"


def _subtract(cells: Sequence[Cell]) -> str:
    return f"subtract({cells[0].literal}, {cells[1].literal})"


_QUOTIENT: Callable[[Sequence[Decimal]], Decimal] = lambda v: v[0] / v[1]  # noqa: E731  # several operations share it
_SHARE = Operation(_divide, _QUOTIENT, _is_share, 100)
_SHIFT = Operation(
    lambda c: f"{_divide(c[:2])}, {_divide(c[2:])}, subtract(#0, #1)",
    lambda v: v[0] / v[1] - v[2] / v[3],
    _is_shift,
    100,
    moves=True,
)
_QUOTIENT_OF_ROWS = Operation(_divide, _QUOTIENT, lambda c: len(c) == 2 and _beside(*c))
BY_NAME: Mapping[str, Operation] = {
    "growth": Operation(
        lambda c: f"{_subtract(c)}, divide(#0, {c[1].literal})", lambda v: (v[0] - v[1]) / v[1],
        lambda c: len(c) == 2 and _later(*c), 100, one_row=True, moves=True,
    ),
    "points": Operation(_subtract, lambda v: v[0] - v[1], lambda c: len(c) == 2 and _later(*c), one_row=True, moves=True),
    "change": Operation(_subtract, lambda v: v[0] - v[1], lambda c: len(c) == 2 and _later(*c), one_row=True, moves=True),
    "share": _SHARE,
    "share_change": _SHIFT,
    "margin": _SHARE,
    "margin_change": _SHIFT,
    "ratio": _QUOTIENT_OF_ROWS,
    "gap": Operation(_subtract, lambda v: v[0] - v[1], _is_order),
    "average": Operation(_average, lambda v: sum(v, Decimal(0)) / len(v), _is_series, one_row=True, all_years=True),
    "peak": Operation(lambda c: f"table_max({c[0].row}, none)", max, _is_series, one_row=True, all_years=True),
    "sum": Operation(lambda c: _chain(c[:-1]), lambda v: v[-1], _is_sum),
    "rank": Operation(
        lambda c: ", ".join(f"greater({one.literal}, {other.literal})" for one, other in pairwise(c)), lambda v: None, _is_order
    ),
    "contribution": Operation(
        lambda c: f"{_subtract(c[:2])}, {_subtract(c[2:])}, divide(#0, #1)",
        lambda v: (v[0] - v[1]) / (v[2] - v[3]), _is_contribution, 100,
    ),
}  # fmt: skip
OPERATIONS = tuple(BY_NAME)


def cells_of(record: Record) -> list[Cell]:
    """The cells that the program of a row takes.

    Raises:
        KeyError, TypeError, InvalidOperation: it says of none, or one is none.
    """
    cells = [Cell(**cell) for cell in record.draws["cells"]]
    return [cell for cell in cells if cell.size is not None]


@dataclass(frozen=True)
class Result:
    """What the program of a row comes to, as it is told: in percent or percentage points where `is_rate`."""

    value: Decimal
    is_rate: bool
    operation: str

    def is_denied_by(self, answer: str) -> bool:
        """Whether an answer has it go the other way."""
        return BY_NAME[self.operation].moves and _is_other_way(answer, self.value)

    def is_highest_in(self, answer: str) -> bool | None:
        """Whether an answer gives it as the highest one; None where that is not what is asked for."""
        return _peak(answer) == self.value if self.operation == "peak" else None


def result_of(record: Record) -> Result | None:
    """The result of a row's program on its cells; None where it has none that is a number."""
    try:
        name = str(record.draws.get("operation"))
        operation, values = BY_NAME[name], [cell.size for cell in cells_of(record)]
        value = operation.value(values) if record.program and operation.fits(cells_of(record)) else None
    except (KeyError, TypeError, ArithmeticError):
        return None
    return None if value is None else Result(value * operation.factor, operation.factor != 1 or name == "points", name)


def is_bare_total(cell: Cell) -> bool:
    """Whether the label of a cell's row says that it is a total and not of what."""
    return _TOTAL.fullmatch(row_key(cell.row)) is not None


_WHOLES = {"share": 1, "share_change": 1, "contribution": 2, "sum": -1}  # which of the cells is the total


def stands_within(cell: Cell, cells: Sequence[Cell], operation: str, question: str) -> bool:
    """Whether a question says which total a cell is a part of: by its words, or as what its share or its part is of."""
    if operation in _WHOLES:
        return row_key(cell.row) != row_key(cells[_WHOLES[operation]].row)
    text = _folded(question)
    return operation == "rank" or "within " in text or "中的" in text


def find_fault(draft: Draft) -> str | None:
    """What is wrong with the program of a pair on a table, or None."""
    record = draft.record
    try:
        operation = BY_NAME[str(record.draws.get("operation"))]
        cells = cells_of(record)
        values = [cell.size for cell in cells]
        parse_program(record.program)
    except (KeyError, TypeError, InvalidOperation) as e:
        return f"no operation on cells: {e}"
    except ProgramError as e:
        return f"the program cannot be read: {e}"
    if not operation.fits(cells):
        return f"the cells are none that a {record.draws['operation']} is of"
    if _plain(record.program) != _plain(operation.program(cells)):
        return f"the steps are not those of it: {operation.program(cells)}"
    sources = [prepare(passage) for passage in draft.passages]
    if (
        absent := next((cell for cell in cells if not any(places_of(cell, source) for source in sources)), None)
    ) is not None:
        return f"no cell {absent.value} in the row “{absent.row}” of {absent.period}"
    questions = [question for question in (record.instruction, draft.rephrased) if question]
    if wrong := next(
        (
            said
            for question in questions
            if (said := _misasked(question, cells, str(record.draws["operation"]), sources))
        ),
        None,
    ):
        return wrong
    if placed := next(
        (said for question in questions if (said := _placed_otherwise(question, record.output, cells, sources))), None
    ):
        return placed
    return _wrong_value(draft, operation, cells, values)


def _placed_otherwise(question: str, answer: str, cells: Sequence[Cell], sources: Sequence[Source]) -> str | None:
    """The total that an answer has its rows in, where the question has them in another one; None where one names none."""
    within = [
        {row for row, is_context in _rows_named(text, sources).items() if is_context} for text in (question, answer)
    ]
    if all(within) and within[0] != within[1]:
        return f"the question asks within “{min(within[0])}”, and the answer is within “{min(within[1])}”"
    inside = [[each[1] for each in _WITHIN_TOTAL.finditer(_folded(text))] for text in (question, answer)]
    if all(inside) and not any(_starts_alike(one, other) for one in inside[0] for other in inside[1]):
        return f"the question asks within the total {inside[0][0]}, and the answer is within the total {inside[1][0]}"
    if segment := _other_segment(question, cells, sources):
        return f"the question and the cells are not both of the {segment} segment"
    if not any(map(is_bare_total, cells)):
        return None
    totals = [[each[1] for each in _TOTAL_OF.finditer(_folded(text))] for text in (question, answer)]
    if all(totals) and not any(_starts_alike(one, other) for one in totals[0] for other in totals[1]):
        return f"the question asks for the total {totals[0][0]}, and the answer gives the total {totals[1][0]}"
    return None


def _other_segment(question: str, cells: Sequence[Cell], sources: Sequence[Source]) -> str | None:
    """A segment that a question names and the titles of its cells' tables do not, or that is the other way round."""
    titles = [
        "\n".join((*source.passage.section, place.table.caption))
        for source in sources
        for place in places_of(cells[0], source)
        if place.table
    ]
    if not titles:
        return None
    asked = {found[1] for found in SEGMENT.finditer(question)}
    if absent := next((name for name in asked if not any(name in title for title in titles)), None):
        return absent
    shown = [_TITLED_SEGMENT.search(title.rsplit("\n", 1)[-1]) for title in titles]
    if all(shown) and not any(found and found[1] in question for found in shown):
        return shown[0][1] if shown[0] else None
    return None


def _starts_alike(one: str, other: str) -> bool:
    """Whether two phrases begin with the same word: what a total is of."""
    return one.replace(",", "").split()[:1] == other.replace(",", "").split()[:1]


def _plain(program: str) -> str:
    return re.sub(r"\s+", "", program)


@lru_cache(maxsize=1 << 12)
def _folded(text: str) -> str:
    """A label or question as they are compared: label_key takes off what stands before and after, and this what is inside."""
    return " ".join(text.lower().translate(_QUOTES).translate(_HYPHENS).split())


@lru_cache(maxsize=1 << 13)  # each question is compared with all labels of its tables
def row_key(label: str) -> str:
    """A label as rows are told apart by it."""
    return _folded(re.sub(r", net of .*", ", net", label_key(label)))


def places_of(cell: Cell, source: Source) -> Iterator[Place]:
    """Where a cell stands."""
    for place in source.shown.within(cell.size, cell.size):
        row = place.row
        if row is not None and row.label.split() == cell.row.split() and int(cell.period) in place.periods:
            yield place


def _misasked(question: str, cells: Sequence[Cell], name: str, sources: Sequence[Source]) -> str | None:
    """What a question does not name of the rows and periods of cells, or names beyond them."""
    operation, named = BY_NAME[name], _rows_named(question, sources)
    placed = {cell: stands_within(cell, cells, name, question) for cell in cells}
    if rival := next(
        (cell for cell in cells if not is_bare_total(cell) and _rival(cell, question, sources, is_placed=placed[cell])),
        None,
    ):
        return f"there is another “{rival.row}” of {rival.period}, and the question does not say which it means"
    if column := next((said for cell in cells for said in [_column_unsaid(cell, question, sources)] if said), None):
        return f"the question does not name the column “{column}”"
    years = {int(year) for year in _YEAR.findall(question)}
    years |= {year - 1 for year in years if _YEAR_BEFORE.search(question)}
    rows = list(dict.fromkeys(row_key(cell.row) for cell in cells))
    if absent := next((row for row in rows if row not in named), None):
        return f"the question does not name the row “{absent}”"
    others = [row for row, is_context in named.items() if not is_context and row not in rows and _tells(row)]
    if operation.one_row and others and not all(map(_TOTAL.fullmatch, rows)):  # of what a total is a heading says
        return f"the question names the row “{others[0]}” too"
    if operation.one_row and all(named[row] for row in rows):
        return f"the question names “{rows[0]}” as what another row is part of"
    if operation is _QUOTIENT_OF_ROWS and _base(question, rows) != rows[1]:
        return "the question does not say what is divided by what"
    used = [_years_of(cell, sources) for cell in cells]
    if unsaid := next((cell for cell, known in zip(cells, used, strict=True) if not known & years), None):
        return f"the question does not name {unsaid.period}"
    if operation.all_years and not years <= frozenset().union(*used):
        return "the question names years that the program does not take"
    return None


def _column_unsaid(cell: Cell, question: str, sources: Sequence[Source]) -> str | None:
    """What the heading of a cell's column says beside its time and unit, where the question does not name it; else None."""
    places = [place for source in sources for place in places_of(cell, source) if place.column and place.table]
    said = list(map(beside_time, places))
    text = _folded(question)
    if said and all(map(_TOTAL.fullmatch, said)) and not any(_names_another(text, place) for place in places):
        return None  # beside its parts, of which none is named
    if _TOTAL.fullmatch(row_key(cell.row)) and not any(said):  # of what it is a total the lines above the table say
        captions = [place.table.caption for place in places if place.table]
        if any(_is_total_of(text, caption) for caption in captions):
            return None
        said = captions
    return None if not said or any(all(word in text for word in each.split()) for each in said) else said[0]


def _names_another(question: str, place: Place) -> bool:
    """Whether a question names another column of a cell's table than its own."""
    columns = {id(each): each for _, row in place.table.rows for each in row} if place.table else {}
    others = {beside_time(replace(place, column=each)) for each in columns.values() if each is not place.column}
    return any(other in question for other in others if other and not _TOTAL.fullmatch(other))


def _is_total_of(question: str, caption: str) -> bool:
    """Whether the words that a question has for what a total is of stand above the table."""
    named = [found[1] for found in _TOTAL_OF.finditer(question)]
    starts = [
        " ".join(words[:count]).rstrip(",")
        for each in named
        for words in [each.split()]
        for count in range(len(words), 0, -1)
    ]
    lines = [row_key(line) for line in caption.splitlines()]
    ends = [f"{line}{total}" for line in lines if line for total in ("合计", "总计")]
    heads = [f"{_HEAD.sub('', _folded(line))} " for line in caption.splitlines()]
    is_head = any(len(each) > 3 and head.startswith((f"{each} ", f"{each}, ")) for each in starts for head in heads)
    return is_head or any(each in question for each in ends)


def _years_of(cell: Cell, sources: Sequence[Source]) -> frozenset[int]:
    """The years that the column of a cell goes by: that of its day, and the fiscal year that ends then."""
    years = {int(cell.period)}
    for source in sources:
        period = source.passage.period
        if period.fiscal_year and period.end and int(period.end[:4]) == period.fiscal_year + 1:
            columns = (place.column.heading for place in places_of(cell, source) if place.column)
            years |= {
                int(cell.period) - 1 for heading in columns if re.search(r"[A-Z][a-z]{2,8}\.? \d{1,2}(?!\d)", heading)
            }
    return frozenset(years)


def _rows_named(question: str, sources: Sequence[Source]) -> dict[str, bool]:
    """The rows of the passages' tables that a question names, the longest first, and whether as what another row is part of."""
    text = _folded(question)
    labels = {row.label for source in sources for table in source.tables for row, _ in table.rows}
    keys = {form: row_key(label) for label in labels for form in (row_key(label), _folded(label)) if row_key(label)}
    companies = " ".join(_folded(source.passage.company or "") for source in sources)
    named: dict[str, bool] = {}
    for form in sorted((form for form in keys if form not in companies), key=len, reverse=True):
        before, after = (r"(?<![a-z])", r"(?![a-z])") if form.isascii() else ("", "")
        after += r"(?!\d)" if form[-1].isdigit() else ""  # 公司2 is not named by 公司2016年
        mention = re.compile(f"{before}{re.escape(form)}{after}")
        for found in mention.finditer(text):
            if _OF_TOTAL_BEFORE.search(text[: found.start()]) or _OF_TOTAL_AFTER.match(text, found.end()):
                continue  # total inventories are another row than inventories
            is_context = text[: found.start()].endswith("within ") or text.startswith("中的", found.end())
            named[keys[form]] = named.get(keys[form], True) and is_context
        text = mention.sub(lambda found: "\0" * len(found[0]), text)
    return named


def _tells(key: str) -> bool:
    """Whether a label is none that a question may hold as a word of its own."""
    is_time = not any(
        map(str.isalpha, re.sub(r"\b(?:three|six|nine)\b", "", _TIME_OR_UNIT.sub(" ", key)))
    )  # nine months ended
    return not is_time and (" " in key if key.isascii() else len(key) > 2)


def _base(question: str, rows: Sequence[str]) -> str | None:
    """The row by which another one is divided, as a question has it."""
    text = _folded(question)
    bases = {
        row
        for row in rows
        for found in re.finditer(re.escape(row), text)
        if (_BASE_EN if row.isascii() else _BASE_ZH).search(text[: found.start()])
    }
    return bases.pop() if len(bases) == 1 else None


def _wrong_value(draft: Draft, operation: Operation, cells: Sequence[Cell], values: Sequence[Decimal]) -> str | None:
    record = draft.record
    if (figure := _misdated(record.output, cells, [prepare(passage) for passage in draft.passages])) is not None:
        return f"the answer gives {figure} another year than its cell has"
    table = [quote.quote.split(" | ") for quote in record.evidence]
    run = execute(tokenize(record.program), table)
    if not run.is_valid:
        return "the program cannot be run on the rows that are quoted"
    expected = operation.value(values)
    if expected is None:
        said = [cell.row for cell in cells]
        is_same = run.value == "yes" and _in_order(record.output, said) == said
        return None if is_same else "the answer has another order than the program"
    if isinstance(run.value, str) or abs(Decimal(repr(run.value)) - expected) > _LEAST_ROUNDING + abs(
        expected
    ) * Decimal("1e-12"):
        return f"the program gives {run.value}, and its cells {expected:.5f}"
    if operation is BY_NAME["peak"]:
        return None if _peak(record.output) == expected else "the answer has another figure as the highest one"
    if operation.moves and _is_other_way(record.output, expected):
        return "the answer has it go the other way than the program"
    try:
        calcs = parse_calcs(record.calc)
    except CalcError as e:
        return f"calc {e}"
    if not any(abs(calc.value - expected * operation.factor) < _LEAST_ROUNDING for calc in calcs):
        return f"calc does not have what the program gives: {expected * operation.factor:.5f}"
    return None


def _in_order(answer: str, rows: Sequence[str]) -> list[str]:
    """Rows in the order in which an answer names them; one whose name holds that of another one is looked for before it."""
    text, found = _folded(answer), {}
    for row in sorted(rows, key=len, reverse=True):
        form = next((form for form in (_folded(row), row_key(row)) if form in text), row)
        found[row] = text.find(form)
        text = text.replace(form, "\0" * len(form))
    return sorted(rows, key=found.__getitem__)


def _peak(answer: str) -> Decimal | None:
    """The figure that an answer gives as the highest: the first after the word that is no year."""
    found = _HIGHEST.search(answer)
    figures = (number[0] for number in _NUMBER.finditer(answer, found.end() if found else 0))
    return next((Decimal(figure.replace(",", "")) for figure in figures if not _YEAR.fullmatch(figure)), None)


def _is_other_way(answer: str, moved: Decimal) -> bool:
    ups, downs = _UP.search(answer) is not None, _DOWN.search(answer) is not None
    return (downs and not ups) if moved > 0 else (ups and not downs) if moved < 0 else False


def _places_in(answer: str, value: str) -> Iterator[tuple[int, int]]:
    """Where a figure stands in an answer, from its start to its end, and is not part of another one."""
    start = answer.find(value)
    while start >= 0:
        end = start + len(value)
        if not answer[:start].endswith(_OF_FIGURES) and not _REST_OF_FIGURE.match(answer, end):
            yield start, end
        start = answer.find(value, start + 1)


def _misdated(answer: str, cells: Sequence[Cell], sources: Sequence[Source]) -> str | None:
    """The figure of a cell that an answer gives another year right beside it: $5 million in 2024, 2024年度营业收入为5元."""
    for cell in cells:
        places = list(_places_in(answer, cell.value))
        after = next(filter(None, (_DATED_AFTER.match(answer, end) for _, end in places)), None)
        before = next(filter(None, (_DATED_BEFORE.search(answer[:start]) for start, _ in places)), None)
        near = before or after
        alike = (each for each in cells if each.value == cell.value)  # in two years a row may have the same figure
        if near is not None and not any(int(near[1]) in _years_of(each, sources) for each in alike):
            return cell.value
    return None


def _rival(cell: Cell, question: str, sources: Sequence[Source], *, is_placed: bool) -> bool:
    """Whether the table of a cell has another figure in a row of its label, of its time and column, and nothing tells which is meant.

    Where the question says in which total it stands (`is_placed`), a row in another group of the table is another matter.
    What other tables have is found where a whole report is at hand: `quality.namesakes`.
    """
    text = _folded(question)
    for source in sources:
        own = list(places_of(cell, source))
        tables, columns = {id(place.table) for place in own}, {beside_time(place) for place in own}
        above = {_folded(parent) for place in own if place.row for parent in place.row.parents}
        days = {
            day for place in own for day in _days(place) if day in text
        }  # on which a quarter ends, of several in a year
        for place in source.places:
            row = place.row
            if row is None or row.label.split() != cell.row.split() or place.figure.shown == cell.size or place.change:
                continue
            is_same = (
                int(cell.period) in place.periods
                and id(place.table) in tables
                and beside_time(place) in columns
                and place.figure.kind == "amount"
                and any(each.figure.kind == "amount" for each in own)
            )
            parents = {_folded(parent) for parent in row.parents}
            is_told = any(parent and label_key(parent) in text for parent in above) or (is_placed and parents != above)
            is_told = (
                is_told
                or (bool(days) and not days & _days(place))
                or any(_is_beside(each, place, text) for each in own)
            )
            if is_same and not is_told:
                return True
    return False


def _is_beside(own: Place, place: Place, question: str) -> bool:
    """Whether a column is of a part of the year that another one is of, or a translation of its money, and no question asks for that."""
    heads = [_folded(each.column.heading) if each.column else "" for each in (own, place)]
    if _SHORTER.search(heads[1]) and not _SHORTER.search(heads[0]) and not _SHORTER.search(question):
        return True
    money = [set(_MONEY_OF.findall(head)) for head in heads]
    return all(money) and not money[0] & money[1] and not any(each in question for each in money[1])


def _days(place: Place) -> set[str]:
    return set(_DAY.findall(_folded(place.column.heading))) if place.column else set()


def beside_time(place: Place) -> str:
    """What the heading of a column says beside its time and unit."""
    said = _folded(_TIME_OR_UNIT.sub(" ", place.column.heading)) if place.column else ""
    return said if any(map(str.isalpha, said)) else ""
