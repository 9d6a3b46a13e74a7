"""Inline XBRL: what the tags of a filing say of its figures, and of whose report it is."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

from fingen.documents.identity import Identity, without_state
from fingen.documents.markup import local
from fingen.records import Fact, Period

LONGEST_TEXT = 300  # characters of a tagged text that is kept: a name, a date; whole notes are tagged too
_FORMS = re.compile(r"(?P<annual>10-?K(?:SB|T|405)*|20-?F|40-?F|ARS)|(?P<quarterly>10-?Q(?:SB|T)*)", re.IGNORECASE)
_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_WORDS = {word: number for number, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty".split())} | {"no": 0, "none": 0, "nil": 0}  # fmt: skip
_WORDS |= dict(zip("thirty forty fifty sixty seventy eighty ninety".split(), range(30, 100, 10), strict=True))
_THOUSANDS = {"thousand": 1000, "million": 10**6, "billion": 10**9}
_NO_DIGITS = re.compile(r"[^\d.]")


PeriodKind = Literal["annual", "half-year", "quarterly", "unknown"]


def kind_of_form(form: str) -> PeriodKind:
    """What time the reports of a form cover: 10-K, 10-K/A and 20-F a year, 10-Q a quarter, others any."""
    found = _FORMS.fullmatch(form.strip().upper().removesuffix("/A"))
    return "unknown" if found is None else "annual" if found["annual"] else "quarterly"


class Context(NamedTuple):
    """What a fact is about: whose it is, of what time, and of which part of the whole."""

    entity: str
    period: str
    dimensions: tuple[tuple[str, str], ...]


class Tags:
    """The contexts and units of a filing, and what facts about the filing itself it states."""

    def __init__(self, root: Any) -> None:
        self._contexts: dict[str, Context] = {}
        self._units: dict[str, str] = {}
        cover: list[Any] = []
        self.about: dict[str, str] = {}  # of the cover: dei:EntityRegistrantName -> its first value without dimensions
        for element in root.iter():
            name = local(element.tag)
            if name == "xbrl:context":
                self._contexts[element.get("id", "")] = _context(element)
            elif name == "xbrl:unit":
                self._units[element.get("id", "")] = _unit(element)
            elif name == "ix:nonnumeric" and _attribute(element, "name").startswith("dei:"):
                cover.append(element)
        for element in cover:
            context = self._contexts.get(_attribute(element, "contextref"))
            if context and not context.dimensions:
                text = _text("".join(element.itertext())[: 10 * LONGEST_TEXT], _form(element))
                self.about.setdefault(_attribute(element, "name"), text)

    def __bool__(self) -> bool:
        return bool(self._contexts)

    def fact(self, element: Any, shown: str, start: int, end: int) -> Fact | None:
        """What a tag says of the text that it is around; None where that is too long or of no known context."""
        context = self._contexts.get(_attribute(element, "contextref"))
        concept = _attribute(element, "name")
        is_number = local(element.tag) == "ix:nonfraction"
        if context is None or not concept or (not is_number and len(shown) > LONGEST_TEXT):
            return None
        form = _form(element)
        scale, sign = _scale(element), _attribute(element, "sign").strip()
        value = _number(shown, form, scale, sign) if is_number else _text(shown, form)
        if value is None:
            return None
        return Fact(
            start=start, end=end, concept=concept, value=value, unit=self._units.get(_attribute(element, "unitref"), ""),
            period=context.period, entity=context.entity, dimensions=context.dimensions, scale=scale if is_number else 0,
            sign="-" if sign == "-" and is_number else "",
        )  # fmt: skip

    def identity(self) -> Identity | None:
        """Whose report it is and of what time, as the facts of its cover say; None where they do not."""
        company = without_state(self.about.get("dei:EntityRegistrantName", ""))
        if not company:
            return None
        form, amends = self.about.get("dei:DocumentType", ""), self.about.get("dei:AmendmentFlag", "")
        amendment = form if form.endswith("/A") or amends.lower() in ("true", "yes") else None
        return Identity(company, {"en": company}, None, amendment, self._period(form))

    def _period(self, form: str) -> Period:
        end, year = self.about.get("dei:DocumentPeriodEndDate"), self.about.get("dei:DocumentFiscalYearFocus", "")
        part = self.about.get("dei:DocumentFiscalPeriodFocus", "")
        kind = kind_of_form(form)
        if kind == "unknown" and part:
            kind = "annual" if part == "FY" else "quarterly"
        fiscal = int(year) if year.isdecimal() and end and end[:4] != year else None
        return Period(kind=kind, end=end, fiscal_year=fiscal)


def _attribute(element: Any, name: str) -> str:
    """An attribute whose name HTML writes in lower case and XHTML as it is."""
    value: str | None = element.get(name)
    if value is None and name.endswith("ref"):
        value = element.get(name[:-3] + "Ref")
    return value or ""


def _form(element: Any) -> str:
    return _attribute(element, "format").rpartition(":")[2]


def _scale(element: Any) -> int:
    try:
        scale = int(_attribute(element, "scale") or 0)
    except ValueError:
        return 0
    return scale if abs(scale) <= 30 else 0


def _context(element: Any) -> Context:
    texts: dict[str, str] = {}
    dimensions: dict[str, str] = {}
    for part in element.iter():
        name, text = local(part.tag), (part.text or "").strip()
        if name in ("xbrl:identifier", "xbrl:instant", "xbrl:startdate", "xbrl:enddate"):
            texts[name[5:]] = text
        elif name == "xbrl:explicitmember":
            dimensions[part.get("dimension", "")] = text
        elif name == "xbrl:typedmember":
            dimensions[part.get("dimension", "")] = "".join(part.itertext()).strip()
    span = f"{texts.get('startdate', '')}/{texts.get('enddate', '')}"
    return Context(
        texts.get("identifier", ""),
        texts.get("instant") or (span if len(span) > 1 else ""),
        tuple(sorted(dimensions.items())),
    )


def _unit(element: Any) -> str:
    sides: list[list[str]] = [[], []]
    below = 0
    for part in element.iter():
        name = local(part.tag)
        below = 1 if name == "xbrl:unitdenominator" else 0 if name == "xbrl:unitnumerator" else below
        if name == "xbrl:measure":
            sides[below].append((part.text or "").strip().rpartition(":")[2])
    return "/".join("*".join(side) for side in sides if side)


def _number(shown: str, form: str, scale: int, sign: str) -> str | None:
    """The amount that a text stands for, in full; None where its tag says another form than it has."""
    digits = shown.strip().strip("()$€£¥ \xa0")
    if "zero" in form or form in ("fixed-empty", "nocontent") or digits in ("-", "–", "—", ""):
        amount = Decimal(0)
    elif form.startswith(("numwords", "numberword", "num-word")):
        spelled = _spelled(digits)
        if spelled is None:
            return None
        amount = Decimal(spelled)
    else:
        comma = form in ("num-comma-decimal", "numcommadecimal", "numdotcomma")
        plain = digits.replace(".", "").replace(",", ".") if comma else digits.replace(",", "")
        try:
            amount = Decimal(_NO_DIGITS.sub("", plain))
        except InvalidOperation:
            return None
    amount = amount.scaleb(scale)
    return format((-amount if sign == "-" else amount).normalize() + 0, "f")


def _spelled(text: str) -> int | None:
    """A number in words: two hundred and five."""
    total = part = 0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _WORDS:
            part += _WORDS[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        elif word in _THOUSANDS:
            total, part = total + max(part, 1) * _THOUSANDS[word], 0
        elif word not in ("and", "a", "an"):
            return None
    return total + part


def _text(shown: str, form: str) -> str:
    """A tagged text; a date as ISO writes it."""
    text = " ".join(shown.split())
    if form.startswith(("date", "dateslash")):
        return _date(text, form) or text
    return {"fixed-true": "true", "booleantrue": "true", "fixed-false": "false", "booleanfalse": "false"}.get(
        form, text
    )


def _date(text: str, form: str) -> str | None:
    months = [_MONTHS[word[:3].lower()] for word in re.findall(r"[A-Za-z]{3,}", text) if word[:3].lower() in _MONTHS]
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    year = next((number for number in numbers if number > 31), None)
    rest = [number for number in numbers if number != year]
    if year is None or not rest:
        return None
    if months:
        month, day = months[0], rest[0]
    elif len(rest) == 2:
        month, day = rest if numbers[0] == year or "month-day" in form or form.endswith("us") else reversed(rest)
    else:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None
