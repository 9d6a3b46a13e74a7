"""True statements about real reports, and the same with one fault each: what a check of figures has to tell apart.

`build_claims` states anew what cells and sentences of the reports say; `plant` changes one part of a statement. A
figure, unit, year or company that a fault brings in stands nowhere in the chunk, a figure in no unit and no rounding.
Only the swaps, which are reported apart, use figures and years that do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from planted_cells import FIGURE, YEAR, own_passages, read_passages, read_tables
from planted_claims import Claim, Figure, leading, table_claims
from planted_sentences import sentence_claims

from fingen.records import Document, Passage

INVENTED = {
    "en": ("Northfield Retail Group, Inc.", "Calder & Voss plc", "Marrow Bay Holdings Ltd", "Tessaly Systems Corp."),
    "zh": (
        "杭州蓝桥新材料股份有限公司",
        "南陵重工集团有限公司",
        "苏州恒岳电子科技有限公司",
        "广东锦澜实业股份有限公司",
    ),
}
# Kind of statement -> its share of the whole; the last takes what the others lack.
SHARES = {"cell": 15, "percent": 7, "loss": 6, "cost": 5, "change": 7, "difference": 8, "growth": 7, "share": 5, "sum": 3,
          "times": 2, "average": 2, "points": 2, "quoted": 4, "sentence": 12, "other language": 3, "rescaled": 0}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A statement to be checked: a true one (`fault` empty) or one with that fault; `change` says what was put for what."""

    fault: str
    claim: Claim
    change: str = ""


def build_claims(documents: Sequence[Document], count: int, seed: int) -> list[Claim]:
    """`count` true statements, half of them on English reports; the same for the same seed."""
    chance = random.Random(seed)
    made: list[Claim] = []
    for language in ("en", "zh"):
        pools: dict[str, list[Claim]] = {}
        for document in documents:
            if document.language == language:
                for claim in _claims(document, chance):
                    pools.setdefault(claim.kind, []).append(claim)
        made += _choose(pools, count // 2, chance)
    return made


def _claims(document: Document, chance: random.Random) -> list[Claim]:
    found: list[Claim] = []
    for passage in own_passages(document):
        for table in read_tables(passage):
            found += table_claims(table, document, chance)
    for passage in read_passages([document]):
        found += sentence_claims(passage, document, chance)
    return found


def _choose(pools: dict[str, list[Claim]], count: int, chance: random.Random) -> list[Claim]:
    """By the shares, document by document in turn so that none fills a kind alone; what lacks is made up by the last."""
    chosen: list[Claim] = []
    for kind, share in SHARES.items():
        most = min(round(count * share / 100) if share else count, count - len(chosen))
        queues: dict[str, list[Claim]] = {}
        pool = pools.get(kind, [])
        chance.shuffle(pool)
        for claim in pool:
            queues.setdefault(claim.document.path, []).append(claim)
        taken: list[Claim] = []
        while any(queues.values()) and len(taken) < most:
            taken += [queue.pop() for queue in queues.values() if queue]
        chosen += taken[:most]
    return chosen


class Known:
    """The figures that a passage holds, to choose ones that it does not hold in any unit or rounding."""

    def __init__(self, passage: Passage) -> None:
        self.text = passage.text
        texts = {match.replace(",", "") for match in FIGURE.findall(passage.text)}
        self._numbers = {Decimal(text) for text in texts}
        self._digits = {f"{number:f}".replace(".", "").strip("0") for number in self._numbers}
        end = (passage.period.end or "")[:4]
        short = {f"20{match}" for match in re.findall(r"(?:FY|'|’|-|–|/)(\d\d)(?!\d)", passage.text)}
        self.years = {*YEAR.findall(passage.text), *short, end, str(int(end or 1) - 1)}  # the last: "the year before"

    def has_digits(self, figure: Figure) -> bool:
        """Whether a number of the passage, in whatever unit, shows these digits when it is rounded or cut to as many."""
        size = len(f"{figure.number:f}".replace(".", "").lstrip("0"))
        wanted = figure.digits
        return any(
            leading(digits, size, how) == wanted for digits in self._digits for how in (ROUND_HALF_UP, ROUND_DOWN)
        )

    def has_value(self, figure: Figure, but: Figure) -> bool:
        """Whether another number than `but` can be read as this value in one of the usual units."""
        step = figure.base.copy_abs() * Decimal("0.005")
        others = (n for n in self._numbers if f"{n:f}".replace(".", "").strip("0") != but.digits)
        return any(abs(n.scaleb(power) - figure.base) <= step for n in others for power in (0, 3, 4, 6, 8, 9, -2))


# --- faults ----------------------------------------------------------------------------------------------------------

Fault = Callable[[Claim, Known, random.Random, Sequence[str]], "tuple[Claim, str] | None"]


def plant(claim: Claim, known: Known, chance: random.Random, organisations: Sequence[str]) -> list[Planted]:
    """The statement with each of the faults that it can have; `organisations` are the companies of all reports."""
    planted = []
    for name, fault in FAULTS.items():
        changed = fault(claim, known, chance, organisations)
        if changed and (changed[0].text, changed[0].calc) != (claim.text, claim.calc):
            planted.append(Planted(name, *changed))
    for name, (line, figure) in claim.swaps.items():
        planted.append(Planted(name, replace(claim, figure=figure), f"{claim.figure} -> {figure}, which is of: {line}"))
    if claim.years_swapped:
        planted.append(
            Planted("swap: years of a sentence", replace(claim, template=claim.years_swapped), "years exchanged")
        )
    return planted


def _digit(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """One digit is another one."""
    text = f"{claim.figure.number:f}"
    places = [i for i, c in enumerate(text) if c.isdigit() and not (c == "0" and text[: i + 1].strip("0.") == "")]
    changes = [(i, d) for i in places for d in "0123456789" if d != text[i] and not (i == 0 and d == "0")]
    for i, digit in chance.sample(changes, len(changes)):
        figure = replace(claim.figure, number=Decimal(text[:i] + digit + text[i + 1 :]))
        if figure.number and not known.has_digits(figure):
            return _with(claim, figure)
    return None


def _transposed(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """Two digits beside each other have changed places."""
    text = f"{claim.figure.number:f}"
    places = [i for i in range(len(text) - 1) if text[i : i + 2].isdigit() and text[i] != text[i + 1]]
    for i in chance.sample(places, len(places)):
        swapped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
        figure = replace(claim.figure, number=Decimal(swapped))
        if not swapped.startswith("0") and not known.has_digits(figure):
            return _with(claim, figure)
    return None


def _tenfold(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """The decimal point is one place off."""
    shift = chance.choice((1, -1)) if claim.figure.number >= 10 else 1
    number = claim.figure.number.scaleb(shift)
    if shift > 0:  # as many decimals as before
        number = number.quantize(Decimal(1).scaleb(claim.figure.number.as_tuple().exponent))
    figure = replace(claim.figure, number=number)
    return None if known.has_value(figure, claim.figure) else _with(claim, figure)


def _with(claim: Claim, figure: Figure) -> tuple[Claim, str]:
    return replace(claim, figure=figure), f"{claim.figure} -> {figure}"


def _scale(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """Millions for billions, 万元 for 亿元."""
    families = "billion million, bn m, thousand million, 亿元 万元, 元 万元, 千元 万元".split(", ")
    units = [b for pair in families for a, b in (pair.split(), pair.split()[::-1]) if a == claim.figure.unit]
    for unit in chance.sample(units, len(units)):
        figure = replace(claim.figure, unit=unit)
        if not known.has_value(figure, claim.figure):
            return _with(claim, figure)
    return None


def _currency(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """Euros for dollars, 美元 for 元."""
    if claim.figure.currency and not re.search(r"€|(?i:euros?\b|EUR)", known.text):
        return _with(claim, replace(claim.figure, currency="€"))
    if claim.figure.unit in ("元", "万元", "亿元") and not re.search(r"美元|USD|US\$", known.text):
        return _with(claim, replace(claim.figure, unit=claim.figure.unit.replace("元", "美元")))
    return None


def _other_percent(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """Percentage or basis points for percent, percent for points."""
    unit = claim.figure.unit.strip()
    english = claim.passage.language == "en"
    if unit in ("percentage points", "个百分点"):
        return _with(claim, replace(claim.figure, unit="%"))
    if unit not in ("%", "percent"):
        return None
    units = (" percentage points", " basis points") if english else ("个百分点", "个基点")
    return _with(claim, replace(claim.figure, unit=chance.choice(units)))


def _sign(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """Profit for loss, rose for fell."""
    if not claim.turn:
        return None
    word, other = claim.turn
    return replace(claim, words=claim.words | {"turn": other}), f"{word} -> {other}"


def _year(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """A year that is neither the report's nor in the chunk."""
    names = [name for name in ("when", "When") if f"{{{name}}}" in claim.template and YEAR.search(claim.words[name])]
    free = [year for year in map(str, range(2009, 2027)) if year not in known.years]
    if not free:
        return None
    year = chance.choice(free)
    if names:
        old = YEAR.search(claim.words[names[0]])
        words = claim.words | {names[0]: YEAR.sub(year, claim.words[names[0]], count=1)}
        return replace(claim, words=words), f"{old and old[0]} -> {year}"
    found = YEAR.search(claim.template)
    if found is None:
        return None
    template = claim.template[: found.start()] + year + claim.template[found.end() :]
    return replace(claim, template=template), f"{found[0]} -> {year}"


def _other_document(
    claim: Claim, known: Known, chance: random.Random, organisations: Sequence[str]
) -> tuple[Claim, str] | None:
    """The company of another report."""
    own = {claim.document.company, *claim.document.names.values()}
    wide = claim.language == "zh"
    others = [name for name in organisations if name not in own and name not in known.text]
    names = [name for name in others if bool(re.search(r"[\u4e00-\u9fff]", name)) == wide]
    return _company(claim, chance.choice(names)) if names else None


def _invented(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """A company that is nowhere."""
    return _company(claim, chance.choice(INVENTED[claim.language]))


def _company(claim: Claim, name: str) -> tuple[Claim, str]:
    return replace(claim, words=claim.words | {"company": name}), f"{claim.words['company']} -> {name}"


def _wrong_result(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """The calculation stands, and something else is said to be its result."""
    return _digit(claim, known, chance, ()) if claim.calc else None


def _operand(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """An operand that the chunk does not hold, with the result that it gives."""
    if not claim.calc:
        return None
    old = claim.operands[0]
    changed = _digit(replace(claim, figure=Figure(Decimal(old), "")), known, chance, ())
    if changed is None:
        return None
    new = f"{changed[0].figure.number:f}"
    calc = re.sub(rf"(?<![\d.]){re.escape(old)}(?![\d.])", new, claim.calc)
    before, after = (abs(evaluate(text)) for text in (claim.calc, calc))
    step = Decimal(1).scaleb(claim.figure.number.as_tuple().exponent)
    number = (after * _per_unit(claim, before)).quantize(step, ROUND_HALF_UP)
    if not number or evaluate(claim.calc) * evaluate(calc) <= 0:
        return None
    return replace(claim, calc=calc, figure=replace(claim.figure, number=number)), f"{claim.calc} -> {calc}"


def _per_unit(claim: Claim, result: Decimal) -> Decimal:
    """What one unit of the calculation's result is in the unit of the figure: a power of ten."""
    return Decimal(1).scaleb(round((claim.figure.number / result).log10()))


def evaluate(calc: str) -> Decimal:
    """The value of a calculation made here: numbers, four operations, brackets."""
    if not re.fullmatch(r"[\d.+\-*/() ]+", calc):
        raise ValueError(calc)
    return Decimal(eval(re.sub(r"\d+(?:\.\d+)?", r"Decimal('\g<0>')", calc), {"Decimal": Decimal}))


def _no_calculation(claim: Claim, known: Known, chance: random.Random, _: Sequence[str]) -> tuple[Claim, str] | None:
    """A derived figure, true, for which no calculation is given."""
    if not claim.calc or known.has_digits(claim.figure):
        return None
    return replace(claim, calc=None), f"no calculation; it was {claim.calc}"


FAULTS: dict[str, Fault] = {
    "figure: digit": lambda c, *rest: None if c.calc else _digit(c, *rest),
    "figure: transposed": lambda c, *rest: None if c.calc else _transposed(c, *rest),
    "figure: tenfold": _tenfold,
    "unit: scale": _scale,
    "unit: currency": _currency,
    "unit: percent": _other_percent,
    "sign": _sign,
    "year": _year,
    "company: other report": _other_document,
    "company: invented": _invented,
    "calc: result": _wrong_result,
    "calc: operand": _operand,
    "calc: missing": _no_calculation,
}  # fmt: skip
