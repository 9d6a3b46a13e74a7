"""True statements from the cells of real tables, with their parts kept apart."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal

from planted_cells import Cell, Table

from fingen.records import Document, Evidence, Passage, Record

SCALES = {"billion": 9, "bn": 9, "million": 6, "m": 6, "thousand": 3, "亿元": 8, "万元": 4, "千元": 3, "元": 0, "": 0}
PERCENT = ("%", " percent")
TURNS = {
    "en": [("increased", "decreased"), ("rose", "fell"), ("grew", "declined"), ("increase", "decrease"), ("higher", "lower")],
    "zh": [("增长", "下降"), ("上升", "下降"), ("增加", "减少")],
}  # fmt: skip
KEPT_CAPITAL = frozenset(
    "Best Boeing Canada Mexico China Consensus Incyte Las Pacific Ziff Medicare Everyday Cordoba".split()
)
# Rows whose sign says which of two things their figure is: only as profit or loss are they told plainly.
TWO_SIDED = re.compile(r"(?i)\((?:expense|gain|loss|income|benefit|increase|decrease|used|provided)\)|/\(")
SHORT = re.compile(
    r"(?:,? (?:Co\., Inc\.|Inc\.|Corporation|Company|Limited|Plc|International))+$|(?:集团)?股份有限公司$"
)


@dataclass(frozen=True)
class Figure:
    """A figure as a sentence writes it: a number with its shown decimals, and what it is counted in."""

    number: Decimal
    unit: str  # a key of SCALES, one of PERCENT, or other words with their leading space
    currency: str = ""  # before the number: $, £
    wide: bool = False  # in full-width digits
    plain: bool = False  # without thousands separators

    def __str__(self) -> str:
        text = f"{self.number:f}" if self.plain else f"{self.number:,f}"
        if self.wide:
            text = text.translate(str.maketrans("0123456789.", "０１２３４５６７８９．"))
        space = " " if self.unit in ("billion", "million", "thousand") else ""
        return f"{self.currency}{text}{space}{self.unit}"

    @property
    def base(self) -> Decimal:
        return self.number.scaleb(SCALES.get(self.unit, 0))

    @property
    def digits(self) -> str:
        """Its significant digits, without the zeros at either end."""
        return f"{self.number:f}".replace(".", "").strip("0")


@dataclass(frozen=True)
class Claim:
    """A statement, its parts apart. `words` and `figure` fill `template`; each fault changes one of them."""

    kind: str
    language: str
    document: Document
    passage: Passage
    template: str
    words: dict[str, str]
    figure: Figure
    source: str  # the lines it is from
    question: str
    calc: str | None = None
    operands: tuple[str, ...] = ()
    turn: tuple[str, str] | None = None  # a word of `words["turn"]` and what contradicts it
    swaps: dict[str, tuple[str, Figure]] = field(default_factory=dict)  # kind of swap -> its source line and figure
    years_swapped: str | None = None  # the template with its two years exchanged

    @property
    def text(self) -> str:
        return self.template.format(**self.words, figure=self.figure)

    def record(self) -> Record:
        return Record(
            instruction=self.question, input="", output=self.text, id="planted", task="qa-summary", language=self.language,
            document=self.document.path, pages=(self.passage.pages[0],), chunks=(self.passage.chunk,),
            evidence=tuple(Evidence(quote=line, page=self.passage.pages[0]) for line in self.source.split("\n")),
            calc=self.calc, teacher="planted", origin="document",
        )  # fmt: skip


def leading(digits: str, size: int, how: str = ROUND_HALF_UP) -> str:
    """The first `size` significant digits of a number given by its digits, rounded to them."""
    if len(digits) <= size:
        return digits
    return str(Decimal(digits).scaleb(size - len(digits)).quantize(Decimal(1), how)).strip("0")


def table_claims(table: Table, document: Document, chance: random.Random) -> Iterator[Claim]:
    makers: tuple[Callable[[Table, Cell, Document, random.Random], Claim | None], ...] = (
        _cell_claim, _percent_claim, _signed_claim, _change_claim, _derived_claim, _compound_claim,
    )  # fmt: skip
    for cell in table.cells:
        for maker in (_signed_claim,) if TWO_SIDED.search(cell.label) else makers:
            claim = maker(table, cell, document, chance)
            if claim:
                yield claim


def company_name(document: Document, language: str, chance: random.Random) -> str:
    """The document's company as a sentence names it: mostly in full, sometimes without its legal form."""
    name = document.names.get(language) or document.company or ""
    short = SHORT.sub("", name).removeprefix("The ")
    return short if chance.random() < 0.2 and len(short) > 3 else name


def inline(label: str) -> str:
    """A row's label inside an English sentence."""
    first = label.split()[0]
    ordinary = first.isalpha() and first[1:].islower() and first not in KEPT_CAPITAL
    return label[0].lower() + label[1:] if ordinary else label


def restate(base: Decimal, language: str, currency: str, chance: random.Random) -> Figure | None:
    """An amount in another unit, rounded to at least three digits, without zeros that say nothing."""
    units = ["billion", "bn", "million", "m"] if language == "en" else ["亿元", "万元"]
    chance.shuffle(units)
    for unit in units:
        for decimals in chance.sample((1, 2, 3) if unit in ("billion", "bn", "亿元") else (0, 1, 2), 3):
            figure = rounded(base, unit, decimals, currency)
            if figure is None or len(figure.digits) < 3 or not Decimal("0.1") <= figure.number < 10**6:
                continue
            if not (decimals and f"{figure.number:f}".endswith("0") and figure.base == abs(base)):
                return replace(figure, wide=language == "zh" and chance.random() < 0.05)
    return None


def rounded(base: Decimal, unit: str, decimals: int, currency: str) -> Figure | None:
    """None where the last digit could be rounded either way."""
    exact = base.copy_abs().scaleb(-SCALES.get(unit, 0))
    step = Decimal(1).scaleb(-decimals)
    if (exact / step) % 1 == Decimal("0.5"):
        return None
    return Figure(exact.quantize(step, ROUND_HALF_UP), unit, currency if currency != "元" else "")


def as_shown(cell: Cell, chance: random.Random) -> Figure:
    """The amount in its table's own unit and digits."""
    unit = {0: "", 3: "thousand", 6: "million", 9: "billion"}.get(cell.scale.adjusted(), "")
    if cell.currency == "元":
        unit = {0: "元", 3: "千元", 4: "万元", 8: "亿元"}[cell.scale.adjusted()]
        return Figure(abs(cell.value), unit, plain=chance.random() < 0.1)
    return Figure(abs(cell.value), unit, cell.currency)


CELL = {
    "en": ("{company} reported {label} of {figure} {when}.", "{company}'s {label} came to {figure} {when}.",
           "{When}, {company}'s {label} stood at {figure}.", "{company} puts its {label} {when} at {figure}."),
    "zh": ("{company}{when}的{label}为{figure}。", "{when}，{company}{label}为{figure}。", "据年报披露，{company}{label}在{when}为{figure}。",
           "{company}的{label}{when}达到{figure}。"),
}  # fmt: skip
MEASURE = ("{company}披露，{label}的{heading}为{figure}。", "在{company}的年报中，{label}的{heading}为{figure}。")
SIGNS = re.compile(r"（[^（）]*以[^（）]*号填列）")
ENTITY = re.compile(r"(?<!上市)(?<!母)公司|局|厂|企业|中心|大学|项目|资金|补助|奖|客户|供应商")


def _words(cell: Cell, document: Document, language: str, chance: random.Random) -> dict[str, str]:
    label = inline(cell.label) if document.language == "en" else SIGNS.sub("", cell.label)
    when = cell.column.when
    return {"company": company_name(document, language, chance), "label": label, "when": when,
            "When": when[:1].upper() + when[1:], "heading": cell.column.heading}  # fmt: skip


def _plain_template(cell: Cell, language: str, chance: random.Random) -> str | None:
    if language == "zh" and (cell.column.kind == "measure" or ENTITY.search(cell.label)):
        template = chance.choice(MEASURE)
        return template.replace("的{heading}", "{heading}") if cell.column.heading.startswith("占") else template
    return chance.choice(CELL[language]) if cell.column.kind == "period" else None


def _claim(kind: str, table: Table, cell: Cell, document: Document, template: str, words: dict[str, str], figure: Figure,
           **rest: object) -> Claim:  # fmt: skip
    when = cell.column.when or (document.period.end or "")[:4]
    company = document.company or ""
    question = (
        f"What was {company}'s {words['label']} {when}?"
        if document.language == "en"
        else f"{company}{when}的{words['label']}是多少？"
    )
    lines = rest.pop("lines", cell.line)
    return Claim(kind, document.language, document, table.passage, template, words, figure, str(lines), question,
                 **rest)  # fmt: skip


def _cell_claim(table: Table, cell: Cell, document: Document, chance: random.Random) -> Claim | None:
    """A positive amount, in the table's unit or in another one, now and then in the other language's words."""
    language = document.language
    template = _plain_template(cell, language, chance)
    if cell.kind != "amount" or cell.value <= 0 or template is None or len(f"{cell.value}".replace(".", "")) < 3:
        return None
    words = _words(cell, document, language, chance)
    draw = chance.random()
    if (
        draw < 0.12
        and cell.currency == "$"
        and cell.column.when.startswith("in ")
        and "$’000" not in table.passage.text
    ):
        figure = rounded(cell.base, "亿元", 2, "")
        if figure is None or len(figure.digits) < 3:
            return None
        figure = replace(figure, unit="亿美元")
        words |= {"when": f"{cell.column.years[0]}年"}
        return replace(
            _claim("other language", table, cell, document, "{company}{when}的{label}为{figure}。", words, figure),
            language="zh",
        )
    if draw < 0.4:
        figure = as_shown(cell, chance)
        return _claim("cell", table, cell, document, template, words, figure, swaps=_swaps(table, cell, figure, chance))
    restated = restate(cell.base, language, cell.currency, chance)
    if restated is None:
        return None
    return _claim("rescaled", table, cell, document, template, words, restated,
                  swaps=_swaps(table, cell, restated, chance))  # fmt: skip


def _swaps(table: Table, cell: Cell, figure: Figure, chance: random.Random) -> dict[str, tuple[str, Figure]]:
    """Figures of the same table that are not this one's, written as this one is: one of each kind."""
    found: dict[str, list[tuple[str, Figure]]] = {}
    decimals = -int(figure.number.as_tuple().exponent)
    for other in [*table.others_in_row(cell), *table.others_in_column(cell)]:
        if other.kind != cell.kind or other.value <= 0 or other.base == cell.base:
            continue
        amount = rounded(other.base, figure.unit, decimals, figure.currency)
        written = amount if cell.kind == "amount" else Figure(other.value, figure.unit)
        if written is None or len(written.digits) < 3 or written.number == figure.number:
            continue
        name = "row"
        if other.row == cell.row:
            if cell.column.kind != other.column.kind:
                continue
            same = cell.column.years == other.column.years
            name = ("column" if cell.column.kind == "measure" else "start for end") if same else "period"
        found.setdefault(name, []).append((other.line, replace(written, wide=figure.wide, plain=figure.plain)))
    return {f"swap: {name}": chance.choice(others) for name, others in found.items()}


def digits_of(value: Decimal) -> str:
    return f"{abs(value):f}".replace(".", "").strip("0")


def _percent_claim(table: Table, cell: Cell, document: Document, chance: random.Random) -> Claim | None:
    template = _plain_template(cell, document.language, chance)
    if cell.kind != "percent" or cell.value <= 0 or cell.column.kind == "change" or template is None:
        return None
    if "change" in cell.label.lower() or len(digits_of(cell.value)) < 2:
        return None
    words = _words(cell, document, document.language, chance) | {
        "heading": re.sub(r"[（(]%[）)]", "", cell.column.heading)
    }
    figure = Figure(cell.value, chance.choice(PERCENT) if document.language == "en" else "%")
    return _claim("percent", table, cell, document, template, words, figure, swaps=_swaps(table, cell, figure, chance))


MIXED = re.compile(r"(?i)(?:\(?loss\)? ?/? ?\(?(?:income|earnings)\)?|(?:income|earnings) ?/? ?\(?loss\)?)")
PROFIT_ZH = re.compile(r"(?:净利润|利润总额|营业利润)(?=[（(]|$)")


def _signed_claim(table: Table, cell: Cell, document: Document, chance: random.Random) -> Claim | None:
    """A negative figure as a loss, or a cost that its table gives in brackets as a plain cost."""
    if cell.kind != "amount" or cell.column.kind != "period" or not cell.value or len(digits_of(cell.value)) < 2:
        return None
    words = _words(cell, document, document.language, chance)
    figure = restate(cell.base, document.language, cell.currency, chance) if chance.random() < 0.5 else None
    figure = figure or as_shown(cell, chance)
    row = [cell, *table.others_in_row(cell)]
    if document.language == "en":
        if MIXED.search(cell.label) and "gain" not in cell.label.lower() and "comprehensive" not in cell.label.lower():
            names = ("income", "loss") if cell.value > 0 else ("loss", "income")
            words |= {"turn": names[0], "before": inline(MIXED.sub("{turn}", cell.label)).partition("{turn}")[0],
                      "after": MIXED.sub("{turn}", cell.label).partition("{turn}")[2]}  # fmt: skip
            template = chance.choice(("{company} had {before}{turn}{after} of {figure} {when}.",
                                      "{When}, {company} recorded {before}{turn}{after} of {figure}."))  # fmt: skip
            return _claim("loss", table, cell, document, template, words, figure, turn=names)
        if re.search(r"(?i)\bloss\b", cell.label) and "(" not in cell.label and cell.value < 0:
            words |= {"turn": "loss", "label": re.sub(r"(?i)\bloss\b", "{turn}", words["label"])}
            before, _, after = words["label"].partition("{turn}")
            words |= {"before": before, "after": after, "label": inline(cell.label)}
            template = "{company} posted {before}{turn}{after} of {figure} {when}."
            return _claim("loss", table, cell, document, template, words, figure, turn=("loss", "profit"))
        cost = re.search(r"(?i)expenses?$|expense,|\bcosts?\b|depreciation", cell.label) and not re.search(r"[(/]|(?i:income|benefit|adjustment|gain)", cell.label)  # fmt: skip
        template = chance.choice(CELL["en"])
    elif PROFIT_ZH.search(cell.label):
        names = ("盈利", "亏损") if cell.value > 0 else ("亏损", "盈利")
        words |= {"turn": names[0], "label": re.sub(r"[（(].*", "", cell.label)}
        template = chance.choice(
            ("{company}{when}{turn}{figure}（按{label}计）。", "按{label}计，{company}{when}{turn}{figure}。")
        )
        return _claim("loss", table, cell, document, template, words, figure, turn=names)
    else:  # a minus before a Chinese cost means that it was an income
        return None
    if not cost or any(other.value > 0 for other in row) or len(row) < 2:
        return None
    return _claim("cost", table, cell, document, template, words, figure)


def _change_claim(table: Table, cell: Cell, document: Document, chance: random.Random) -> Claim | None:
    """A growth rate that the table gives, as a rise or a fall."""
    english = document.language == "en"
    named = re.fullmatch(r"(.+?) % change", cell.label) if english else cell.column.kind == "change" or None
    if any(
        other.kind == "amount" and other.value < 0 for other in table.others_in_row(cell)
    ):  # of what is it the growth?
        return None
    if cell.kind != "percent" or not named or not cell.value or len(digits_of(cell.value)) < 2:
        return None
    turn = chance.choice(TURNS[document.language][: 3 if english else 2])
    turn = turn if cell.value > 0 else turn[::-1]
    words = _words(cell, document, document.language, chance) | {"turn": turn[0]}
    figure = Figure(abs(cell.value), "%")
    if english:
        words["label"] = inline(named[1])
        template = chance.choice(
            ("{When}, {company}'s {label} {turn} by {figure}.", "{company}'s {label} {turn} {figure} {when}.")
        )
    else:
        words["when"] = f"{(document.period.end or '')[:4]}年"
        template = chance.choice(
            ("{company}{when}{label}同比{turn}{figure}。", "{when}，{company}的{label}比上年{turn}了{figure}。")
        )
    return _claim("change", table, cell, document, template, words, figure, turn=turn)


def _pair(table: Table, cell: Cell) -> Cell | None:
    """The period before, where `cell` stands in the later of the first two periods of its table."""
    periods = [c for c in (cell, *table.others_in_row(cell)) if c.column.kind == "period" and c.kind == cell.kind]
    first = sorted(periods, key=lambda c: c.index)[:2]
    first.sort(key=lambda c: (c.column.years, not c.column.when.endswith("初"), -c.index))
    if len(first) < 2 or first[1] is not cell or min(c.value for c in first) <= 0 or first[0].value == first[1].value:
        return None
    return first[0]


DERIVED = {
    "difference": {
        "en": ("{company}'s {label} {turn} by {figure} {when} compared with {before}.",
               "{company}'s {label} {turn} from {earlier} to {later} {when}, a difference of {figure}."),
        "zh": ("{company}{when}{label}较{before}{turn}{figure}。", "{company}的{label}由{before}的{earlier}变为{when}的{later}，{turn}{figure}。"),
    },
    "growth": {
        "en": ("{company}'s {label} {turn} by {figure} {when} compared with {before}.",
               "Compared with {before}, {company}'s {label} {turn} {figure} {when}."),
        "zh": ("{company}{when}{label}较{before}{turn}{figure}。", "与{before}相比，{company}{when}的{label}{turn}了{figure}。"),
    },
    "points": {
        "en": ("{company}'s {label} {turn} by {figure} {when} compared with {before}.",),
        "zh": ("{company}{when}{label}较{before}{turn}{figure}。",),
    },
    "average": {
        "en": ("Averaged over {during} and {before}, {company}'s {label} was {figure}.",),
        "zh": ("{company}{when}与{before}的{label}平均为{figure}。",),
    },
}  # fmt: skip


def _derived_claim(table: Table, cell: Cell, document: Document, chance: random.Random) -> Claim | None:
    """What follows from two periods of a row: the difference, the growth, the points between two rates, the average."""
    earlier = _pair(table, cell)
    if earlier is None or cell.column.kind != "period" or (cell.kind == "amount" and ENTITY.search(cell.label)):
        return None
    language = document.language
    made = _derived_figure(cell, earlier, language, chance)
    if made is None or len(made[1].digits) < 2:
        return None
    kind, figure, calc = made
    turns = TURNS["en"][:3] if language == "en" else [TURNS["zh"][0 if kind == "growth" else 2]]
    turn = chance.choice(turns)
    turn = turn if cell.value > earlier.value else turn[::-1]
    before = re.sub(r"^(?:in|at) ", "", earlier.column.when)
    same_year = language == "zh" and cell.column.when[:4] == before[:4] and before.endswith("初")
    words = _words(cell, document, language, chance) | {
        "turn": turn[0], "before": "年初" if same_year else before, "during": re.sub(r"^(?:in|at) ", "", cell.column.when),
        "later": str(as_shown(cell, chance)), "earlier": str(as_shown(earlier, chance)),
    }  # fmt: skip
    template = chance.choice(DERIVED[kind][language])
    return _claim(kind, table, cell, document, template, words, figure, calc=calc, turn=None if kind == "average" else turn,
                  operands=(f"{cell.value}", f"{earlier.value}"))  # fmt: skip


def _derived_figure(later: Cell, earlier: Cell, language: str, chance: random.Random) -> tuple[str, Figure, str] | None:
    """A kind of derived figure, the figure, and the calculation that gives it."""
    a, b = f"{later.value}", f"{earlier.value}"
    if later.kind == "percent":
        unit = " percentage points" if language == "en" else "个百分点"
        return "points", Figure(abs(later.value - earlier.value), unit), f"{a} - {b}"
    draw = chance.random()
    if draw < 0.1:
        average = restate((later.base + earlier.base) / 2, language, later.currency, chance)
        return average and ("average", average, f"({a} + {b}) / 2")
    if draw < 0.55:
        growth = rounded((later.value - earlier.value) / earlier.value * 100, "", chance.choice((1, 2)), "")
        return growth and ("growth", replace(growth, unit="%"), f"({a} - {b}) / {b} * 100")
    figure = replace(as_shown(later, chance), number=abs(later.value - earlier.value))
    if chance.random() < 0.5:
        figure = restate(later.base - earlier.base, language, later.currency, chance) or figure
    backwards = later.value < earlier.value and chance.random() < 0.3
    return "difference", figure, f"{b} - {a}" if backwards else f"{a} - {b}"


def _compound_claim(table: Table, cell: Cell, document: Document, chance: random.Random) -> Claim | None:
    """What follows from two rows of a period: one as a share of the other, how many times the other, or their sum."""
    others = [
        c
        for c in table.others_in_column(cell)
        if not TWO_SIDED.search(c.label) and c.kind == "amount" and c.value > 0 and c.value != cell.value
    ]
    if (
        not others
        or cell.kind != "amount"
        or cell.value <= 0
        or cell.column.kind != "period"
        or ENTITY.search(cell.label)
    ):
        return None
    other = chance.choice(others)
    if ENTITY.search(other.label):
        return None
    english = document.language == "en"
    words = _words(cell, document, document.language, chance) | {
        "other": inline(other.label) if english else SIGNS.sub("", other.label)
    }
    rest = {"lines": f"{cell.line}\n{other.line}", "operands": (f"{cell.value}", f"{other.value}")}
    figure: Figure | None
    if cell.value < other.value and chance.random() < 0.7:
        figure = rounded(cell.value / other.value * 100, "", chance.choice((1, 2)), "")
        template = (
            "{When}, {company}'s {label} equalled {figure} of its {other}."
            if english
            else "{company}{when}的{label}相当于{other}的{figure}。"
        )
        calc = f"{cell.value} / {other.value} * 100"
        if figure is None or len(figure.digits) < 2:
            return None
        return _claim("share", table, cell, document, template, words, replace(figure, unit="%"), calc=calc, **rest)
    if cell.value > other.value and cell.value < 50 * other.value and chance.random() < 0.4:
        figure = rounded(cell.value / other.value, "", 2, "")
        template = (
            "{When}, {company}'s {label} was {figure} its {other}."
            if english
            else "{company}{when}的{label}是{other}的{figure}。"
        )
        unit = " times" if english else "倍"
        calc = f"{cell.value} / {other.value}"
        return figure and _claim(
            "times", table, cell, document, template, words, replace(figure, unit=unit), calc=calc, **rest
        )
    figure = restate(cell.base + other.base, document.language, cell.currency, chance)
    template = (
        "{When}, {company}'s {label} and {other} together came to {figure}."
        if english
        else "{company}{when}的{label}与{other}合计为{figure}。"
    )
    calc = f"{cell.value} + {other.value}"
    return figure and _claim("sum", table, cell, document, template, words, figure, calc=calc, **rest)
