"""Figures in running text and in table cells: found, read exactly, and told apart by what they count.

Amounts, percentages, percentage points, years, dates, quarters, ordinals and figures inside names, in English and
Chinese notation. Everything hangs on the digits: text without any costs next to nothing.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from fingen.quality.notation import narrow

Kind = Literal["amount", "percent", "points", "year", "date", "quarter", "ordinal", "name"]
ZERO, ONE = Decimal(0), Decimal(1)
_HUNDRED = Decimal(100)
HUNDREDTH = Decimal("0.01")  # pence, cents


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure as it stands at `text[start:end]`.

    `value` is in base units (5.0 million is 5000000, 50 basis points are 0.5 percentage points) and carries the sign
    that is written; `step` is one unit of the last digit shown, in the same units. `sign` is -1 or 1, or 0 where brackets
    may mean a minus or just be brackets. `scale` is what the figure's own words multiply by. `currency` is an ISO code,
    or "$" or "¥" where only the mark is given. `unit` is what is counted: money, shares, people, time, times, weight, or
    "" where that is not said. `when` is (year, month, day), 0 where a part is missing; of a quarter, `value` is its number.
    """

    start: int
    end: int
    kind: Kind
    value: Decimal
    step: Decimal = ONE
    sign: int = 1
    scale: Decimal = ONE
    currency: str | None = None
    unit: str = ""
    when: tuple[int, int, int] = (0, 0, 0)
    spelled: bool = False

    @property
    def shown(self) -> Decimal:
        """The digits as they are written, without sign and scale."""
        return abs(self.value) / self.scale


_TRILLION, _BILLION, _MILLION, _THOUSAND = Decimal(10**12), Decimal(10**9), Decimal(10**6), Decimal(1000)
SCALES = {
    "trillion": _TRILLION, "billion": _BILLION, "bn": _BILLION, "b": _BILLION, "million": _MILLION, "mn": _MILLION,
    "mm": _MILLION, "m": _MILLION,
    "mil": _MILLION, "mln": _MILLION, "bil": _BILLION, "bln": _BILLION, "thousand": _THOUSAND, "k": _THOUSAND,
    "万亿": _TRILLION, "千亿": Decimal(10**11),
    "百亿": Decimal(10**10), "十亿": _BILLION, "亿": Decimal(10**8), "千万": Decimal(10**7), "百万": _MILLION,
    "億": Decimal(10**8), "萬": Decimal(10**4), "百萬": _MILLION, "十億": _BILLION, "百億": Decimal(10**10),
    "兆": _TRILLION, "十万": Decimal(10**5), "万": Decimal(10**4), "千": _THOUSAND, "hundred": _HUNDRED,
}  # fmt: skip
CURRENCIES = {
    "us$": "USD", "usd": "USD", "us dollar": "USD", "u.s. dollar": "USD", "美元": "USD", "hk$": "HKD", "hkd": "HKD",
    "港元": "HKD", "港币": "HKD", "nt$": "TWD", "newtaiwandollar": "TWD", "新台币": "TWD", "新臺币": "TWD", "台币": "TWD",
    "a$": "AUD", "au$": "AUD", "aud": "AUD", "澳元": "AUD", "c$": "CAD", "ca$": "CAD",
    "cad": "CAD", "s$": "SGD", "nz$": "NZD", "$": "$", "dollar": "$", "€": "EUR", "eur": "EUR", "euro": "EUR", "欧元": "EUR",
    "£": "GBP", "gbp": "GBP", "pound": "GBP", "英镑": "GBP", "¥": "¥", "rmb": "CNY", "cny": "CNY", "renminbi": "CNY",
    "yuan": "CNY", "人民币": "CNY", "人民币元": "CNY", "元": "CNY", "jpy": "JPY", "yen": "JPY", "日元": "JPY", "chf": "CHF",
    "$’": "$", "$'": "$",
}  # fmt: skip
_DOLLARS = frozenset({"$", "USD", "HKD", "AUD", "CAD", "SGD", "NZD", "TWD"})
_YENS = frozenset({"¥", "CNY", "JPY"})
COUNTED = {
    "股": "shares", "share": "shares", "shares": "shares", "人": "people", "名": "people", "employees": "people",
    "people": "people", "年": "time", "个月": "time", "周": "time", "天": "time", "years": "time", "months": "time", "weeks": "time",
    "days": "time", "year": "time", "month": "time", "week": "time", "倍": "times", "times": "times", "x": "times", "吨": "weight",
    "tonnes": "weight", "tons": "weight",
}  # fmt: skip
MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"), 1)
    for name in names.split()
}  # fmt: skip
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)"
)

_NUMBER = re.compile(
    r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]{1,2}(?:,[0-9]{2}){1,20},[0-9]{3}(?![0-9,])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?"
)
_CURRENCY_BEFORE = (
    r"(?:(?:US|HK|AU|A|CA|C|S|NZ|NT)?\$|[€£¥]|RMB|CNY|USD|EUR|GBP|HKD|AUD|JPY|CHF|人民币|美元|港币|新?[台臺]币)"
)
_BEFORE = re.compile(
    rf"(?P<minus>(?<![0-9A-Za-z%元月日年度季万亿股人吨家号)])[-–]|\bminus |\bnegative |负数?)?(?P<open>\()?"
    rf"(?:(?P<currency>{_CURRENCY_BEFORE})\s?(?P<inner>[-–(])?)?(?P<gap>\s?)$"
)
_BEFORE_REACH = 16  # characters before a number that can belong to it
_SIGNS = frozenset("-–($€£¥ BYDRPF币元负数")  # what can stand right before a number and belong to it
_SCALE = (
    r"(?P<scale>trillions?\b|[Bb]illions?\b|bn\b|[Mm]illions?\b|mn\b|mm\b|mil\b|mln\b|bil\b|bln\b|thousands?\b|hundred\b"
    r"|万亿|兆|[千百十]?[亿億]|百萬|萬|[千百十]?万|百万|千(?![克瓦米伏卡]))"
)
_MONEY = (
    r"(?:人民币元?|[美港欧日澳]?元|港币|英镑|(?:US dollars?|U\.S\. dollars?|dollars?|yuan|RMB|Renminbi|USD|euros?|EUR|GBP|HKD"
    r"|pounds?|yen)\b)"
)
_COUNT = (
    r"(?:股(?![权东票份])|人(?!民)|名|年(?!度)|个月|周(?![边转期年岁])|天|倍|吨"
    r"|(?:shares?|employees|people|years?|months?|weeks?|days|times|x|tonnes|tons)\b)"
)
_UNIT = re.compile(
    r"(?:\s{1,2}|-)?(?:(?P<points>(?:percentage|percent|pct)[\s-]points?\b|points?\b|(?:[Pp][Cc][Tt][Ss]|pp?ts?|PPT[Ss]?|pp|PP)(?![A-Za-z0-9])|个?百分点)"
    r"|(?P<basis>basis[\s-]points?\b|个?(?:bps?|BP[Ss]?)(?![A-Za-z0-9])|个?基点)|(?P<percent>%|percent\b|per\scent\b|[Pp][Cc][Tt](?![A-Za-z0-9])|‰)"
    rf"|{_SCALE}(?:[\s-]?(?P<money>{_MONEY})|[\s-]?(?P<counted>{_COUNT}))?"
    rf"|(?P<minor>pence\b|cents\b|p\b(?![.-])|[港美欧]?仙|便士|[美欧]分)|(?P<money_alone>{_MONEY})|(?P<counted_alone>{_COUNT}))"
)
_ATTACHED = re.compile(r"(?:bn|mn|[mkb])(?![\w])|\s(?:bn|mn|m|k)(?![\w])", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}$")
_MONTH_BEFORE = re.compile(rf"({_MONTH})(?:,? of|,)?\s?$", re.IGNORECASE)
_DAY_TAIL = re.compile(r"(?:st|nd|rd|th)?,?\s{1,2}((?:19|20)[0-9]{2})(?![0-9,.]*[0-9%])")
_MONTH_AFTER = re.compile(rf"(?:st|nd|rd|th)?\s(?:of\s)?({_MONTH})(?:,?\s((?:19|20)[0-9]{{2}}))?(?!\w)")
_ZH_DATE = re.compile(r"\s?年\s?(?:([0-9]{1,2})\s?月(?:\s?([0-9]{1,2})\s?日)?)?")
_ZH_MONTH = re.compile(r"\s?月(?:\s?([0-9]{1,2})\s?日)?")
_ISO_DATE = re.compile(r"([-/.])([01]?[0-9])\1([0-3]?[0-9])(?![0-9])")
_DOTTED_DATE = re.compile(
    r"(?:(?P<year>(?:19|20)[0-9]{2})\.(?P<month>0?[1-9]|1[0-2])\.(?P<day>[0-3]?[0-9])"
    r"|(?P<first>[0-3]?[0-9])\.(?P<middle>0?[1-9]|1[0-2])\.(?P<last>(?:19|20)[0-9]{2}))(?![0-9.,]*[0-9])"
)
_YEAR_TAIL = re.compile(r"[-–/]([0-9]{2})(?![0-9,.%])")
_NOT_YEAR = re.compile(
    r"\s?(?:%|percent|million|billion|thousand|[万亿千]|元|股|人|家|名|吨|个(?!月)|employees|shares|stores|units)"
)
_COUNTED_AFTER = re.compile(r"\s(?:employees|shares|stores|units)")
_TIME_BEFORE = re.compile(r"\b(?:in|since|during|until|before|after)\s$", re.IGNORECASE)  # in 2021 shares had ...
REPUBLIC = 1911  # what a year of the Republic of China is added to: 民国113年 is 2024
_OF_REPUBLIC = re.compile(r"年(?:度|底|[0-9]{1,2}月)")
_REPUBLIC_DATE = re.compile(r"(1[0-4][0-9])\.(0?[1-9]|1[0-2])\.([0-3]?[0-9])(?![0-9.,]*[0-9])")
_HAN_DAY = re.compile(r"([一二三四五六七八九十]{1,2})月(?:([一二三四五六七八九十]{1,3})日)?")
_FISCAL = re.compile(r"\b(?:FY|CY|F)[ ’']?$")
_QUARTER_AFTER = re.compile(r"\s?(?:季度|(?:st|nd|rd|th) quarter|Q(?![A-Za-z]))")
_QUARTER_WORD = re.compile(
    r"\b(first|second|third|fourth)(?: and (?=(?:second|third|fourth) quarters)|(?: and (?:second|third|fourth))?[- ]quarter)",
    re.IGNORECASE,
)
_QUARTERS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_REFERENCE = re.compile(
    r"(?:\b(?:[Nn]otes?|Items?|Forms?|Articles?|Sections?|Rules?|Levels?|Phase|Parts?|Nos?\.|pages?|p\.|ASC|ASU|IFRS|IAS|HKFRS|HKAS|ISO"
    r"|Topics?|Steps?|Tier|Chapter|Exhibits?|Schedule|Series|Stage|Scope|Category|Class|Clause|Regulation|Subtopic|FRS|SFAS|AASB) ?"
    r"|第|附注|注释|之|[〔［\[])$"
)
_STANDARD = re.compile(  # a standard, a rule or a form, which goes by a number: ASU 2020-06, Rule 10b-5
    r"\b(?:ASC|ASU|ASC Topic|FASB|IFRS|IAS|IFRIC|HKFRS|HKAS|FRS|SFAS|AASB|SAB|EITF|Basel|Topics?|Subtopics?|Rules?|Forms?|Regulations?)"
    r"(?: No\.?)? $"
)
_STANDARD_NUMBER = re.compile(r"[0-9]+(?:[A-Za-z0-9.()-]*[A-Za-z0-9)])?")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_NAME_AFTER = re.compile(r"-?[A-Z][A-Za-z0-9]{0,3}(?![a-z])|[A-Za-z]*[0-9]")
_NAME_BEFORE = re.compile(r"[A-Za-z][A-Za-z0-9]*-?$")
_NAME_TAIL = re.compile(r"[A-Za-z0-9.-]*[A-Za-z0-9]")
_AFTER_UNIT = re.compile(
    r"(?:[MKB]|[Bb]n|[Mm]n|BP[Ss]?|P?P[Tt][Ss]?|P[Cc][Tt][Ss]?|USD|RMB|EUR|GBP|HKD)(?![A-Za-z0-9])"
)
_LINE_START = re.compile(r"(?:^|\n)\s*\(?$")
_CODES = frozenset({"RMB", "CNY", "USD", "EUR", "GBP", "HKD", "AUD", "JPY", "CHF"})
_CONNECTED = re.compile(
    rf"/$|\s?(?:(?:,? ?(?:and|or|to)|[-–~,、和或及与至到]|,?\s?(?:versus|vs\.?))\s?)(?:{_CURRENCY_BEFORE}\s?|[-–(])?$"
)


def same_currency(a: str | None, b: str | None) -> bool:
    """Whether two figures can be in one currency; an unknown one can be any."""
    if a is None or b is None or a == b:
        return True
    return any(group.issuperset((a, b)) and (a in "$¥" or b in "$¥") for group in (_DOLLARS, _YENS))


def find_figures(text: str, *, cell: bool = False, words: bool = False) -> list[Quantity]:
    """The figures of a text in order. `text` is narrow (see `narrow`); in a table `cell` brackets mean a minus.

    Number words in English are read with `words`, without it only before a unit (five percent, two million).
    """
    found: list[Quantity] = []
    text = narrow(text)
    at = 0
    while match := _NUMBER.search(text, at):
        figure = _read(text, match, cell)
        found.append(figure)
        at = max(match.end(), figure.end)
    if len(found) > 1:
        _share_units(text, found)
    spelled = [*_spelled(text, words), *_quarters(text)]
    if not text.isascii():
        spelled.extend(_chinese(text, found, words))
    return sorted([*found, *spelled], key=lambda figure: figure.start) if spelled else found


def _read(text: str, match: re.Match[str], cell: bool) -> Quantity:
    start, end = match.span()
    digits = match[0]
    before = text[start - 1] if start else " "
    if "." in digits and (dotted := _DOTTED_DATE.match(text, start)) and not (before.isalnum() or before in ".,"):
        when = (
            int(dotted["year"] or dotted["last"]),
            int(dotted["month"] or dotted["middle"]),
            int(dotted["day"] or dotted["first"]),
        )
        return Quantity(start, dotted.end(), "date", Decimal(when[0]), when=when)
    if "." in digits and cell and (dotted := _REPUBLIC_DATE.match(text, start)) and not before.isalnum():
        when = (int(dotted[1]) + REPUBLIC, int(dotted[2]), int(dotted[3]))
        return Quantity(start, dotted.end(), "date", Decimal(when[0]), when=when)
    if before == " " and _STANDARD.search(text, max(0, start - 20), start):
        number = _STANDARD_NUMBER.match(text, start)
        return Quantity(start, number.end() if number else end, "name", Decimal(digits.replace(",", "")))
    if "." not in digits and "," not in digits and len(digits) <= 4:
        found = _calendar(text, start, end, digits, before)
        if found is not None:
            return found
    named = _named(text, start, end, digits, before, cell)
    return named or _quantity(text, start, end, digits, before, cell)


def _calendar(text: str, start: int, end: int, digits: str, before: str) -> Quantity | None:
    """The number as a year, a date or a quarter, where it is one."""
    after = text[end : end + 1]
    if len(digits) == 4 and _YEAR.match(digits):
        return _year(text, start, end, digits, before)
    if len(digits) == 3 and after == "年" and (text.endswith("民国", 0, start) or _OF_REPUBLIC.match(text, end)):
        tail = _ZH_DATE.match(text, end)
        when = (
            (int(digits) + REPUBLIC, int(tail[1] or 0), int(tail[2] or 0)) if tail else (int(digits) + REPUBLIC, 0, 0)
        )
        kind: Kind = "date" if when[1] else "year"
        return Quantity(start, tail.end() if tail else end, kind, Decimal(when[0]), when=when)
    if len(digits) > 2:
        return None
    if after in "季stndrdQth " and (found := _quarter(text, start, end, digits)):
        return found
    if before in "Qq" and start and (start < 2 or not text[start - 2].isalpha()) and digits in "1234":
        return Quantity(start - 1, end, "quarter", Decimal(digits))
    if (before in " ." or before.isalpha()) and (month := _MONTH_BEFORE.search(text, max(0, start - 14), start)):
        tail = _DAY_TAIL.match(text, end)
        when = (int(tail[1]) if tail else 0, MONTHS[month[1].lower().rstrip(".")], int(digits))
        return Quantity(month.start(), tail.end() if tail else end, "date", Decimal(digits), when=when)
    if after in (" ", "s", "n", "r", "t") and (tail := _MONTH_AFTER.match(text, end)):
        when = (int(tail[2] or 0), MONTHS[tail[1].lower().rstrip(".")], int(digits))
        return Quantity(start, tail.end(), "date", Decimal(digits), when=when)
    if after in ("月", " ") and (tail := _ZH_MONTH.match(text, end)) and int(digits) <= 12:
        return Quantity(start, tail.end(), "date", Decimal(digits), when=(0, int(digits), int(tail[1] or 0)))
    if before in "Y’' " and len(digits) == 2 and (fiscal := _FISCAL.search(text, max(0, start - 4), start)):
        return Quantity(fiscal.start(), end, "year", Decimal(2000 + int(digits)), when=(2000 + int(digits), 0, 0))
    return None


def _quarter(text: str, start: int, end: int, digits: str) -> Quantity | None:
    tail = _QUARTER_AFTER.match(text, end)
    if tail is None or digits not in ("1", "2", "3", "4"):
        return None
    return Quantity(start, tail.end(), "quarter", Decimal(digits))


def _year(text: str, start: int, end: int, digits: str, before: str) -> Quantity | None:
    if before in "$€£¥" or (before in ".,-" and start > 1 and text[start - 2].isdigit() and before != "-"):
        return None
    if _NOT_YEAR.match(text, end) and not (_COUNTED_AFTER.match(text, end) and _TIME_BEFORE.search(text, 0, start)):
        return None
    following = text[end : end + 1]
    year = int(digits)
    if following in ("年", " ") and (tail := _ZH_DATE.match(text, end)):
        when = (year, int(tail[1] or 0), int(tail[2] or 0))
        return Quantity(start, tail.end(), "date" if tail[1] else "year", Decimal(year), when=when)
    if following in ("-", "/", ".", "–"):
        if (iso := _ISO_DATE.match(text, end)) and 1 <= int(iso[2]) <= 12:
            return Quantity(start, iso.end(), "date", Decimal(year), when=(year, int(iso[2]), int(iso[3])))
        if (short := _YEAR_TAIL.match(text, end)) and int(short[1]) == (year + 1) % 100:
            return Quantity(start, short.end(), "year", Decimal(year), when=(year, 0, 0))
    if following.isascii() and following.isalpha() and following not in "AEs":
        return None
    if before.isascii() and before.isalpha() and not _FISCAL.search(text, max(0, start - 4), start):
        return None
    month = _MONTH_BEFORE.search(text, max(0, start - 14), start) if before in " ." else None
    if month:
        return Quantity(month.start(), end, "date", Decimal(year), when=(year, MONTHS[month[1].lower().rstrip(".")], 0))
    return Quantity(start, end, "year", Decimal(year), when=(year, 0, 0))


def _named(text: str, start: int, end: int, digits: str, before: str, cell: bool) -> Quantity | None:
    """The number as part of a name, a reference or an enumeration, where it is no quantity."""
    after = text[end : end + 1]
    whole = "." not in digits and "," not in digits
    if whole and len(digits) <= 2 and not cell:
        if before == "(" and after == ")" and (start < 2 or text[start - 2] not in "$€£¥"):
            return Quantity(start, end, "ordinal", Decimal(digits))
        if after in (".", "、", ")") and before in "\n (" and _LINE_START.search(text, max(0, start - 6), start):
            return Quantity(start, end, "ordinal", Decimal(digits))
    if before.isascii() and (before.isalpha() or before == "-"):
        head = _NAME_BEFORE.search(text, max(0, start - 20), start)
        if head and head[0].upper() not in _CODES:
            return _name(text, head.start(), end, digits)
    if (after == "." and text[end + 1 : end + 2].isdigit()) or (
        before == "." and text[start - 2 : start - 1].isdigit()
    ):
        return _name(text, start, end, digits)
    if whole and after.isascii() and (after.isalpha() or after == "-"):
        if _ORDINAL.match(text, end):
            return Quantity(start, end + 2, "ordinal", Decimal(digits))
        if _NAME_AFTER.match(text, end) and not _AFTER_UNIT.match(text, end):
            return _name(text, start, end, digits)
    if whole and before in " .第注释之[〔" and _REFERENCE.search(text, max(0, start - 12), start):
        return Quantity(start, end, "name", Decimal(digits.replace(",", "")))
    return None


def _name(text: str, start: int, end: int, digits: str) -> Quantity:
    tail = _NAME_TAIL.match(text, end)
    return Quantity(start, tail.end() if tail else end, "name", Decimal(digits.replace(",", "")))


def _quantity(text: str, start: int, end: int, digits: str, before: str, cell: bool) -> Quantity:
    plain = digits.replace(",", "") if "," in digits else digits
    value = Decimal(plain)
    point = plain.find(".")
    step = ONE if point < 0 else Decimal((0, (1,), point + 1 - len(plain)))
    currency, sign, opened = None, 1, False
    if before in _SIGNS and (head := _BEFORE.search(text, max(0, start - _BEFORE_REACH), start)):
        start = head.start() + (text[head.start()] == " ")
        currency = CURRENCIES[head["currency"].lower()] if head["currency"] else None
        opened = bool(head["open"]) or head["inner"] == "("
        if (head["minus"] or head["inner"] in ("-", "–")) and (cell or not _is_bullet(head)):
            sign = -1
    kind: Kind = "amount"
    scale, unit = ONE, "money" if currency else ""
    if opened and cell and text[end : end + 2] == " )":
        end += 1
    early = opened and text[end : end + 1] == ")"  # the bracket closes before the unit: (5.2)%, $(5.2) million
    after = _UNIT.match(text, end + early)
    if after is not None:
        kind, scale, currency, unit = _unit(after, currency)
    end = after.end() if after is not None else end + early
    if currency and kind == "amount" and scale is ONE and (short := _ATTACHED.match(text, end)):
        scale, end = SCALES[short[0].strip().lower()], short.end()
    if opened and (early or text[end : end + 1] == ")"):
        end += not early
        if cell or (early and after is not None):
            sign = -1
        elif sign > 0:
            sign = 0
    if scale is not ONE:
        value, step = value * scale, step * scale
    return Quantity(start, end, kind, -value if sign < 0 else value, step, sign, scale, currency, unit)


def _unit(after: re.Match[str], currency: str | None) -> tuple[Kind, Decimal, str | None, str]:
    """Kind, scale, currency and what is counted, by the words after a number."""
    groups = after.groupdict()
    if groups["percent"]:
        return "percent", Decimal("0.1") if groups["percent"] == "‰" else ONE, currency, "%"
    if groups["points"]:
        return "points", ONE, currency, "%"
    if groups["basis"]:
        return "points", Decimal("0.01"), currency, "%"
    if groups["minor"]:
        return "amount", HUNDREDTH, currency or ("GBP" if groups["minor"][0] == "p" else None), "money"
    scale = SCALES[groups["scale"].lower().rstrip("s")] if groups["scale"] else ONE
    money, counted = groups["money"] or groups["money_alone"], groups["counted"] or groups["counted_alone"]
    if money and currency is None:
        currency = CURRENCIES[money.lower().rstrip("s")]
    unit = "money" if currency else COUNTED[counted] if counted else ""
    return "amount", scale, currency, unit


def _is_bullet(head: re.Match[str]) -> bool:
    """Whether the dash before a number stands apart from it, as at the start of a list."""
    return bool(head["gap"]) and head["minus"] in ("-", "–") and not head["currency"]


def _share_units(text: str, found: list[Quantity]) -> None:
    """A figure without a unit takes that of the next where only a connector parts them: from 43.7 to 45.0 percent."""
    for index in range(len(found) - 2, -1, -1):
        figure, following = found[index], found[index + 1]
        if figure.kind != "amount" or figure.scale is not ONE or figure.unit not in ("", "money"):
            continue
        if following.kind not in ("amount", "percent", "points") or following.start - figure.end > 10:
            continue
        if following.kind == "amount" and following.scale is ONE and following.unit in ("", "money"):
            continue
        if max(figure.shown, following.shown) > 1000 * min(figure.shown, following.shown):
            continue  # $548,400,000 and $685.4 million; $0.62, or $4,652 million
        if (following.kind != "amount" and figure.currency) or not _CONNECTED.match(text[figure.end : following.start]):
            continue
        found[index] = replace(
            figure,
            kind=following.kind,
            value=figure.value * following.scale,
            step=figure.step * following.scale,
            scale=following.scale,
            unit=figure.unit or following.unit,
            currency=figure.currency or following.currency,
        )


# --- figures in words ----------------------------------------------------------------------------------------------------

_HAN_DIGITS = {char: digit for digit, char in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN = re.compile(r"[〇零一二两三四五六七八九十百千万亿]+(?:点[〇零一二三四五六七八九]+)?")
LONGEST_HAN = 60  # characters of a numeral: more of them count nothing
_ROUND_HAN = re.compile(r"[十百千万亿]+")
_HAN_AFTER = re.compile(
    r"(?P<points>个百分点)|(?P<year>年)|(?P<money>[美港欧日]?元)|(?P<counted>股(?![权东票份])|人(?!民)|名|个月|倍|吨)"
)
_WORDS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen".split()
    )
}
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_WORDS |= {word: 10 * number for number, word in enumerate(_TENS.split("|"), 2)}
_WORD = re.compile(rf"\b(?:(?P<tens>{_TENS})-)?(?P<word>{'|'.join(_WORDS)})\b", re.IGNORECASE)
_DIGIT_WORDS = "zero|one|two|three|four|five|six|seven|eight|nine"
_POINT = re.compile(rf"\b({'|'.join(_WORDS)}) point ((?:{_DIGIT_WORDS})(?: (?:{_DIGIT_WORDS}))*+)\b", re.IGNORECASE)
_WORD_BEFORE = re.compile(rf"\b(?:(?P<tens>{_TENS})-)?(?P<word>{'|'.join(_WORDS)})[ -]$", re.IGNORECASE)
_WORD_UNITS: tuple[tuple[str, Kind, Decimal], ...] = (
    ("percentage point", "points", ONE), ("basis point", "points", Decimal("0.01")), ("percent", "percent", ONE),
    ("per cent", "percent", ONE), ("hundred", "amount", _HUNDRED), ("thousand", "amount", _THOUSAND),
    ("million", "amount", _MILLION), ("billion", "amount", _BILLION),
)  # fmt: skip


def read_chinese(digits: str) -> Decimal:
    """A Chinese numeral: 一百二十三, 二〇一九 or 三点五."""
    head, _, decimals = digits.partition("点")
    if decimals:
        return read_chinese(head) + Decimal(f"0.{''.join(str(_HAN_DIGITS[char]) for char in decimals)}")
    if all(char in _HAN_DIGITS for char in head):
        return Decimal("".join(str(_HAN_DIGITS[char]) for char in head))
    total = myriads = section = digit = 0  # 亿 and above, 万, below, the digit last read
    for char in head:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS[char]
            continue
        if char in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[char]
        elif char == "万":
            myriads, section = (section + digit or 1) * 10**4, 0
        else:
            total, myriads, section = (total + myriads + section + digit or 1) * 10**8, 0, 0
        digit = 0
    return Decimal(total + myriads + section + digit)


def _chinese(text: str, found: list[Quantity], words: bool) -> list[Quantity]:
    """Figures in Chinese numerals; those of one character that count nothing only with `words`."""
    taken = {figure.end for figure in found} | {figure.start for figure in found}
    starts = [figure.start for figure in found]
    figures: list[Quantity] = []
    for match in _HAN.finditer(text):
        start, end = match.span()
        after = _HAN_AFTER.match(text, end)
        if end - start == 1 and not words and after is None and text[end : end + 2] != "季度":
            continue
        share = start > 2 and text.startswith("百分之", start - 3)
        before = text[start - 1 : start]
        if before and before in "数几上成近" and _ROUND_HAN.fullmatch(match[0]):
            continue  # 数十万 is no figure
        if start in taken or (before == "第" and text[end : end + 2] != "季度"):
            continue  # 12万 is read already, 第十二节 is a heading
        if (digits := match[0]) in ("百", "千", "万", "亿") or len(digits) > LONGEST_HAN:
            continue
        if (place := bisect(starts, start)) and start < found[place - 1].end:
            continue
        if figures and start < figures[-1].end:
            continue  # the month and day of a date
        figures.append(_numeral(text, start, end, digits, after, share=share))
    return figures


def _numeral(text: str, start: int, end: int, digits: str, after: re.Match[str] | None, *, share: bool) -> Quantity:
    value = read_chinese(digits)
    unit = after.lastgroup if after else None
    is_spelled_out = all(char in _HAN_DIGITS for char in digits)  # 一一三, not 百一十三
    if unit == "year" and len(digits) == 3 and is_spelled_out:
        value += REPUBLIC
    if unit == "year" and len(digits) in (3, 4) and is_spelled_out and Decimal(1900) <= value < Decimal(2100):
        day = _HAN_DAY.match(text, end + 1)
        month, date = (int(read_chinese(part)) if part else 0 for part in (day.groups() if day else ("", "")))
        when = (int(value), month, date)
        return Quantity(start, day.end() if day else end + 1, "date" if day else "year", value, when=when, spelled=True)
    if text[end : end + 2] == "季度" and value in (1, 2, 3, 4):
        return Quantity(start, end + 2, "quarter", value, spelled=True)
    end = after.end() if after else end
    step = Decimal((0, (1,), -len(digits.partition("点")[2]))) * SCALES.get(digits[-1], ONE)
    if share or unit == "points":
        return Quantity(start, end, "percent" if share else "points", value, step, unit="%", spelled=True)
    currency = CURRENCIES[after[0]] if after and unit == "money" else None
    counted = COUNTED[after[0]] if after and unit == "counted" else ""
    return Quantity(start, end, "amount", value, step, 1, ONE, currency, "money" if currency else counted, spelled=True)


def _spelled(text: str, words: bool) -> list[Quantity]:
    """Number words in English: before a unit, and all others where they are asked for."""
    figures: list[Quantity] = []
    for unit, kind, scale in _WORD_UNITS:
        at = text.find(unit)
        while at >= 0:
            match = _WORD_BEFORE.search(text, max(0, at - 18), at)
            if match and not (unit == "percent" and text.startswith("percentage", at)):
                value = _word_value(match) * scale
                counted = "" if kind == "amount" else "%"
                end = at + len(unit)
                figures.append(Quantity(match.start(), end, kind, value, scale, 1, scale, None, counted, spelled=True))
            at = text.find(unit, at + 1)
    figures += _decimals(text)
    if words:
        taken = {figure.start for figure in figures}
        others = (
            match
            for match in _WORD.finditer(text)
            if match.start() not in taken and not any(each.start <= match.start() < each.end for each in figures)
        )
        figures.extend(Quantity(*match.span(), "amount", _word_value(match), spelled=True) for match in others)
    return figures


def _decimals(text: str) -> Iterator[Quantity]:
    """Decimals that are spelled out: zero point nine pence."""
    for match in _POINT.finditer(text) if " point " in text else ():
        digits = "".join(str(_WORDS[word.lower()]) for word in match[2].split())
        value, step = Decimal(f"{_WORDS[match[1].lower()]}.{digits}"), Decimal((0, (1,), -len(digits)))
        after = _UNIT.match(text, match.end())
        kind, scale, currency, unit = _unit(after, None) if after else ("amount", ONE, None, "")
        end = after.end() if after else match.end()
        yield Quantity(match.start(), end, kind, value * scale, step * scale, 1, scale, currency, unit, spelled=True)


def _word_value(match: re.Match[str]) -> Decimal:
    return Decimal(_WORDS[match["word"].lower()] + _WORDS.get((match["tens"] or "").lower(), 0))


def _quarters(text: str) -> list[Quantity]:
    found = _QUARTER_WORD.finditer(text) if "uarter" in text else ()
    return [Quantity(*each.span(), "quarter", Decimal(_QUARTERS[each[1].lower()]), spelled=True) for each in found]
