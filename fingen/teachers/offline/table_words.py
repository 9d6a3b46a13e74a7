"""How the rules speak of a table in each language: its times, amounts and lines, and the wordings of prompts/table-words."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from difflib import SequenceMatcher
from typing import Any

from fingen import prompts
from fingen.prompts import report_name
from fingen.records import Passage, Period
from fingen.teachers.offline.sheets import Block, Line, Sheet
from fingen.teachers.offline.statements import Amount, Money

_COMMON = frozenset(
    (
        "accounts accrued accumulated activities actual additions administrative advertising after allowance amortization and "
        "asset assets at attributable available-for-sale average bank before benefit benefits bonds borrowings building buildings "
        "by capital card cash change changes charge charges commissions compensation comprehensive continuing contract contracts "
        "cost costs currency current currently customer customers debt deferred deposits depreciation development discontinued "
        "dividend dividends earnings equipment equity equity-method equivalents expected expenditure expenditures expense "
        "expenses fee fees finance financing finished fixtures flow flows for foreign free from furniture general generated gift "
        "goods goodwill gross hardware hedges held-for-sale identifiable impairment improvements in income incomes insurance "
        "intangible intangibles interest interests inventories inventory investing investment investments land lease leasehold "
        "leases liabilities liabilities liability litigation loan loans long-term loss losses machinery marketable marketing "
        "materials merchandise minority net non-current non-interest noncontrolling noncurrent noninterest notes obligation "
        "obligations of on operating operations or other owners paid payable payables pension periodic plan plans plant portion "
        "postemployment postretirement pre-tax premiums prepaid process product products profit profits projected property "
        "provided provision provisions purchases rates raw receivable receivables rent rental research restricted restructuring "
        "retained retirement revenue revenues right-of-use salaries sales securities segment selling service services share-based "
        "shareholders short-term software sold stock-based stockholders supplies tax tax-exempt taxes term the to total trade "
        "translation turnover unearned unredeemed used valuation wages weighted with work "
    ).split()
)
_NOUNS = re.compile(
    r"\b(?:revenues?|sales|turnover|incomes?|earnings|profits?|loss(?:es)?|expenses?|costs?|charges?|assets?|liabilit(?:y|ies)|equity|debt|"
    r"borrowings|loans?|cash|equivalents|receivables?|payables?|inventor(?:y|ies)|equipment|goodwill|intangibles|amortization|"
    r"depreciation|impairments?|compensation|benefits?|securities|investments?|dividends|capital|expenditures?|deposits|fees|"
    r"commissions|wages|salaries|rent|obligations|provisions?|allowance|taxes|tax|margin|operations|activities|flow|premiums|"
    r"development|administrative|advertising|marketing|leases|notes|bonds|improvements|buildings|software|goods|materials|process|"
    r"products?|services?|interests?|paid|translation|backlog|bookings|billings|royalties|reserves?|repurchases|contributions|portion)$",
    re.IGNORECASE,
)
_NO_AMOUNT = re.compile(  # of which a table may have sales, earnings or liabilities; or which says too little
    r"\b(?:products?|services?|operations|activities|leases|plans?|notes|goods|materials|paid|payable)$|^total,|^other\b",
    re.IGNORECASE,
)
_NOUNS_ZH = re.compile(
    r"(?:收入|成本|费用|支出|利润|总额|净额|资产|负债|权益|款项?|票据|存款|资金|现金|存货|借款|债券|薪酬|税费?|税金|公积|股本|收益|损失|"
    r"投资|工程|商誉|摊销|折旧|准备|余额|原值|价值|材料|商品|产品|工资|补助|利息|保证金|押金|备用金|股利|房产|建筑物|设备|土地使用权|"
    r"合计|总计|小计|流出|流入|差异)$"
)
_STOCK = re.compile(
    r"(?i)\b(?:assets?|liabilit(?:y|ies)|receivables?|payables?|inventor(?:y|ies)|equity|securities|obligations?)$"
)
_STOCK_ZH = re.compile(
    r"(?:资产|负债|权益|款项?|票据|存款|资金|现金|存货|借款|债券|余额|原值|价值|准备|保证金|投资|工程|公积|股本|商誉)$"
)
_FLOW_ZH = re.compile(r"(?:收入|成本|费用|支出|利润|现金|收益|损失|摊销|折旧|净额|薪酬|补助|税金)$")
_OPEN = re.compile(r"[（(][^）)]*$")
_RATE = re.compile(
    r"per (?:\w+ )?(?:share|unit)|\b(?:margin|rates?|ratio|percent|percentage|yield|days|number|shares|headcount|employees|stores|"
    r"weighted|average|price|effect|adjustments?|change|increase|decrease)\b|%|率|比例|占比|每股|股数|天数|人数|数量|影响|调整|变动|增减|增加|减少",
    re.IGNORECASE,
)
_GENERIC = re.compile(r"(?i)total|sub-?total|net|other|others|balance|amount|gross|合计|小计|总计|其他|其它|余额|金额")
_MOVES = re.compile(
    r"(?i)\b(?:beginning|opening|start)\b|\b(?:end of|ending|closing)\b|free cash flow|comprehensive (?:income|loss)|"
    r"(?:increase|decrease).* in cash|期初|年初|期末|现金净增加|综合收益"
)
_BOTH = re.compile(
    r"(?i)liabilities.* and .*equity|负债和(?:所有者|股东)权益|non-gaap|GAAP measure"
)  # the same as total assets
_IS_PAID = re.compile(
    r"(?i)\b(?:accounts|notes|dividends?|interest|taxes|premiums|commissions|compensation|wages|salaries|loans) "
    r"(?:and \w+ )?(?:paid|payable)$"
)
_ACTIVITY = re.compile(r"(?i)\b(?:administrative|marketing|development|advertising)$")  # whose costs are meant
_SAYS_MINUS = re.compile(
    r"(?i)\bloss(?:es)?\b|\bused\b|\b(?:re)?payments?\b|\b(?:re)?purchases?\b|\bpaid\b|亏损|支付|流出"
)
_TAKEN_OFF = re.compile(r"(?i)(?:less|add|plus|deduct|gross)\b")  # and what it is taken off
_EITHER_WAY = re.compile(r"(?i)/|\((?!loss\)|GAAP\))|\bor\b|\b(?:income(?! tax)|earnings|gains?|provided)\b")
_COST = re.compile(
    r"(?i)\b(?:costs?|expenses?|charges?|depreciation|amortization|impairments?)(?: of [^/(]+)?(?:, net)?$|^cost of\b|费用$|成本$"
)
_CASH_FLOW = re.compile(
    r"(?i)\bdepreciation\b|\bamortization\b|\b(?:share|stock|equity)[- ]based (?:compensation|plans? expense)|impairment|"
    r"\b(?:dividends?|interest|income taxes) paid\b|^cash (?:paid|dividends)|\brepurchases?\b|^proceeds from|"
    r"^(?:purchases?|repayments?|payments?) of|"
    r"^acquisitions? of|支付的现金$|收到的现金$|折旧|摊销"
)
_TOTAL = re.compile(r"(?i)(?:(?:segments?|worldwide|grand|consolidated|group) )?total|合计|总计")
_VAGUE = re.compile(
    r"(?i)\b(?:amounts?|values?|balances?|gross|net|costs?|accumulated)\b|金额|余额|价值|原值"
)  # says not of what
_LASTING = {"quarter": "three", "half-year": "six", "nine months": "nine"}
_LASTING_ZH = {"quarter": "本季度", "half-year": "上半年", "nine months": "前三季度"}
_LONGEST_INITIALS = 5  # letters
_ALIKE = 0.75  # two wordings, as far as their letters go


def is_rate(label: str) -> bool:
    """Whether a label names no amount of money: a rate, a count, an amount per share, or a mere movement."""
    return _RATE.search(label) is not None


def is_movement(block: Block) -> bool:
    """Whether a total is what an amount came to by what was added and taken off, and no sum of its parts."""
    return any(_MOVES.search(line.label) for line in (*block.parts, block.whole))


def is_noun(name: str, language: str) -> bool:
    """Whether a label says by itself what it counts, as an analyst would name it."""
    if not is_whole(name, language) or is_rate(name) or any(no.search(name) for no in (_MOVES, _BOTH)):
        return False
    if _GENERIC.fullmatch(name):
        return False
    if language == "zh":
        return _NOUNS_ZH.search(name) is not None and not name.startswith(("减", "加", "其中", "本期", "本年", "按"))
    core = re.split(
        r" of | for | from | on | to | in | provided by | used in | attributable ",
        re.sub(r", (?:net|gross)$", "", name),
    )[0]
    if _NO_AMOUNT.search(core) and not _IS_PAID.search(core):
        return False
    return (len(name.split()) > 1 and _NOUNS.search(core) is not None) or name.lower() in (
        "revenue",
        "revenues",
        "inventories",
        "goodwill",
    )


def is_subject(title: str, language: str) -> bool:
    """Whether a heading says what a total below it is of; there one word is enough."""
    is_word = language == "en" and _NOUNS.fullmatch(title) is not None and not _NO_AMOUNT.search(title)
    return is_noun(title, language) or is_word


def is_specific(name: str, language: str, is_stock: bool | None) -> bool:
    """Whether a label says what it counts wherever it stands: short ones mean another thing in a note on taxes or fair values.

    Assets in a table of amounts over a time are what was earned or lost on them.
    """
    long = len(name) > 3 if language == "zh" else len(name.split()) > 1
    fits = {True: _STOCK_ZH, False: _FLOW_ZH}.get(is_stock) if language == "zh" and is_stock is not None else None
    is_other = language == "en" and is_stock is False and _STOCK.search(name) is not None
    return is_noun(name, language) and long and not is_other and (fits is None or fits.search(name) is not None)


def is_balance(name: str) -> bool:
    """Whether a label names what something was at the start or the end of a time."""
    return _MOVES.search(name) is not None


def is_cash_flow(name: str, language: str) -> bool:
    """Whether a line of a cash flow statement is one that an analyst follows, and says by itself what was paid or received."""
    return is_whole(name, language) and _CASH_FLOW.search(name) is not None and not _EITHER_WAY.search(name)


def is_cost(name: str) -> bool:
    """Whether a label names a cost: its brackets only say that it is taken off."""
    return _COST.search(name) is not None and not _EITHER_WAY.search(name)


def says_minus(name: str) -> bool:
    """Whether a label says itself that its amounts are lost, used or paid: then they are told without their sign."""
    return _SAYS_MINUS.search(name) is not None and not _EITHER_WAY.search(name)


def is_measure(title: str, language: str) -> bool:
    """Whether what stands over columns says what they count: carrying amount, segment sales."""
    return is_subject(title, language) or _VAGUE.search(title) is not None


def is_vague(title: str) -> bool:
    """Whether what stands over columns says what they count and not of what."""
    return _VAGUE.search(title) is not None


def is_total(name: str) -> bool:
    """Whether a label says that it is a total and not of what."""
    return _TOTAL.fullmatch(name) is not None


def is_part(name: str, language: str) -> bool:
    """Whether a label can be named as one of the lines of a total."""
    if language == "en" and name.lower().startswith("total"):
        return False  # of a part of it
    if _TAKEN_OFF.match(name):
        return False
    return is_whole(name, language) and _GENERIC.fullmatch(name) is None


def is_whole(name: str, language: str) -> bool:
    """Whether a label is no fragment, and holds no figure that would read as an amount or a year."""
    if re.search(r"\d|[|:：;；?？“”\"]|\.{2}|(?i:\bsee )", name) or _OPEN.search(name):
        return False
    if language == "zh":
        return 2 <= len(name) <= 18 and re.fullmatch(r"[\u4e00-\u9fffA-Za-z（）()、\-/]+", name) is not None
    ends = re.search(r"(?i)(?:,|-|–|—|\b(?:and|or|of|for|from|to|in|on|the|a|an|by|with|less|net of))$", name)
    return 3 <= len(name) <= 80 and name[0].isupper() and not ends and name.count("(") == name.count(")")


def _is_common(word: str) -> bool:
    return word.lower().rstrip(".") in _COMMON or (word.isupper() and len(word) > 1)


def _small(name: str) -> str:
    """A label in small letters, its abbreviations as they are."""
    words = name.split()
    is_shouted = name.isupper() and (len(words) > 1 or len(name) > _LONGEST_INITIALS)
    return " ".join(word if word.isupper() and len(word) > 1 and not is_shouted else word.lower() for word in words)


class Words(ABC):
    """The company, its times and amounts, in the words of a language."""

    language = ""
    unnamed = ""
    owner = ""  # the company as an owner

    def __init__(self, passage: Passage, sheet: Sheet) -> None:
        self.passage, self.sheet = passage, sheet
        self.company = passage.company or self.unnamed
        self.report = report_name(Period(kind=passage.period.kind), passage.language)  # its kind alone
        self.data = prompts.read_data(f"table-words.{self.language}")

    def wordings(self, operation: str, slots: Mapping[str, Any], *about: str) -> tuple[str, str, str]:
        """A question in two wordings and an answer, the same ones for the same matter."""
        with prompts.of_form(f"table-words.{self.language}", f"{operation}: "):
            asks, answers = self.data[operation]["ask"], self.data[operation]["answer"]
            place = int(hashlib.sha256("\0".join((self.company, operation, *about)).encode()).hexdigest()[:12], 16)
            filled = [self.fill(asks[(place + more) % len(asks)], slots) for more in range(len(asks))]
            return filled[0], self._unlike(filled), self.fill(answers[place // 7 % len(answers)], slots)

    @staticmethod
    def _unlike(filled: Sequence[str]) -> str:
        """Of the other wordings the first that is really another one, or else the least alike."""
        least, alike = filled[1], 1.0
        for other in filled[1:]:
            ratio = SequenceMatcher(None, filled[0], other, autojunk=False).ratio()
            if ratio < alike:
                least, alike = other, ratio
            if alike < _ALIKE:  # what comes after it is not looked at: that takes most of the time that a pair takes
                break
        return least

    @abstractmethod
    def time(self, year: int, is_stock: bool | None) -> str:
        """A time as it stands after a preposition: fiscal 2022, the end of 2022."""

    @abstractmethod
    def at(self, year: int, is_stock: bool | None) -> str:
        """The same with its preposition."""

    @abstractmethod
    def line(self, line: Line, whole: Line | None = None, *, is_part: bool = False) -> str:
        """A line as it reads inside a sentence, of a total where that is what it is a part of; a part is told beside its total."""

    @abstractmethod
    def within(self, whole: Line) -> str:
        """Of which total lines are parts, as it stands beside them."""

    @abstractmethod
    def money(self, value: Decimal, money: Money, digits: str = "") -> str:
        """An amount of money without its sign."""

    @abstractmethod
    def joined(self, texts: Sequence[str]) -> str:
        """Several texts as a list."""

    @abstractmethod
    def directions(self, value: Decimal, operation: str) -> Mapping[str, str]:
        """The words for which way something went."""

    def amount(self, amount: Amount, money: Money) -> str:
        """A cell's amount, its digits as they stand."""
        return self.money(abs(amount.value), money, amount.digits)

    def percent(self, value: Decimal) -> str:
        """A share of 1 as a percentage with one decimal."""
        return f"{rounded(value * 100, 1)}%"

    def fill(self, form: str, slots: Mapping[str, Any]) -> str:
        """A wording with its slots filled, its first letter a capital where it is one."""
        text = form.format_map(slots)
        if self.company.endswith("."):  # Inc. at the end of a sentence
            text = text.replace(f"{self.company}.", self.company)
        return text[:1].upper() + text[1:] if self.language == "en" else text


def rounded(value: Decimal, decimals: int) -> Decimal:
    """A number to so many decimals, halves away from 0."""
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


class _English(Words):
    """The words of English."""

    language = "en"
    unnamed = "the company"

    def __init__(self, passage: Passage, sheet: Sheet) -> None:
        super().__init__(passage, sheet)
        self.owner = f"{self.company}’" if self.company.endswith("s") else f"{self.company}’s"

    def time(self, year: int, is_stock: bool | None) -> str:
        if self.sheet.span != "year":
            return f"the {_LASTING[self.sheet.span]} months ended {self.sheet.days[year]}"
        if self._fiscal is not None and year in self.sheet.days:
            day = self.sheet.days[year]
            return day if is_stock else f"the fiscal year ended {day}"
        named = f"fiscal {year}" if self._is_fiscal else str(year)
        return f"the end of {named}" if is_stock else named

    def at(self, year: int, is_stock: bool | None) -> str:
        time = self.time(year, is_stock)
        return f"{'at' if is_stock else 'for' if time.startswith('the') else 'in'} {time}"

    @property
    def _fiscal(self) -> int | None:
        return self.passage.period.fiscal_year

    @property
    def _is_fiscal(self) -> bool:
        return self._fiscal is not None or (self.passage.period.end or "")[5:7] not in ("", "12")

    def line(self, line: Line, whole: Line | None = None, *, is_part: bool = False) -> str:
        measure, title = self.sheet.measure, self.sheet.title if is_total(line.name) else ""
        if measure and not is_measure(measure, "en"):
            return f"{self._named(line.name)} under “{measure}”"
        if over := measure or title:
            over = _small(over) if is_measure(over, "en") else self._named(over)
            if (
                measure
                and not title
                and is_vague(measure)
                and not is_noun(line.name, "en")
                and is_subject(self.sheet.title, "en")
            ):
                over = f"{over} of {_small(self.sheet.title)},"  # a segment has more than goodwill
                return f"{over} {self._named(line.name)}"
            over = re.sub("^total ", "", over) if is_total(line.name) else over
            of = f" of {_small(title)}" if measure and title and is_vague(measure) else ""
            return f"total {over}{of}" if is_total(line.name) else f"{over} of {self._named(line.name)}"
        of = f" of the {self.sheet.segment} segment" if self.sheet.segment and not (whole or is_part) else ""
        return f"{self._named(line.name)}{of}{self.within(whole) if whole else ''}"

    def within(self, whole: Line) -> str:
        return f" within {self.line(whole)}"

    @staticmethod
    def _named(name: str) -> str:
        """A label in running text: in small letters where all its words are common, else as it stands, in quotes."""
        words = re.findall(r"[^\W\d_][\w’'&.-]*", name)
        if _ACTIVITY.search(name) and all(map(_is_common, words)):
            return f"{_small(name)} expenses"
        if is_noun(name, "en") and words[0].lower() in ("total", "net", "gross"):
            return _small(name) if all(map(_is_common, words)) else words[0].lower() + name[len(words[0]) :]
        if all(map(_is_common, words)):
            return _small(name)
        return f"“{name}”"

    def money(self, value: Decimal, money: Money, digits: str = "") -> str:
        scale = f" {money.scale}" if money.scale else ""
        return f"{money.currency}{digits or f'{value:,}'}{scale}"

    def joined(self, texts: Sequence[str]) -> str:
        return f"{', '.join(texts[:-1])} and {texts[-1]}"

    def directions(self, value: Decimal, operation: str) -> Mapping[str, str]:
        way = int(value < 0)
        change = ("increase", "decrease")[way]
        return {
            "rose": ("rose", "fell")[way],
            "a_change": ("an increase", "a decrease")[way],
            "the_change": f"the {change}",
        }


class _Chinese(Words):
    """The words of Chinese."""

    language = "zh"
    unnamed = "该公司"

    def time(self, year: int, is_stock: bool | None) -> str:
        if self.sheet.span != "year":
            return f"{year}年{_LASTING_ZH[self.sheet.span]}"
        return f"{year}年{'末' if is_stock else '度' if is_stock is False else ''}"

    def at(self, year: int, is_stock: bool | None) -> str:
        return self.time(year, is_stock)

    def line(self, line: Line, whole: Line | None = None, *, is_part: bool = False) -> str:
        measure = self.sheet.measure
        if is_total(line.name) and (self.sheet.title or measure):
            title = self.sheet.title if is_vague(measure) or not measure else ""
            return f"{title}{measure}{line.name}"
        if measure:
            return f"“{line.name}”的{measure}" if is_measure(measure, "zh") else f"“{measure}”的{line.name}"
        return f"{self.within(whole)}“{line.name}”" if whole else line.name

    def within(self, whole: Line) -> str:
        return f"{self.line(whole)}中的"

    def money(self, value: Decimal, money: Money, digits: str = "") -> str:
        scale = {"million": "百万", "thousand": "千", "billion": "十亿", "": "", "万": "万"}[money.scale]
        currency = money.currency.strip()
        unit = "元" if currency == "RMB" else {"US$": "美元", "HK$": "港元"}.get(currency, currency)
        return f"{digits or f'{value:,}'}{scale}{unit}"

    def joined(self, texts: Sequence[str]) -> str:
        return f"{'、'.join(texts[:-1])}和{texts[-1]}"

    def directions(self, value: Decimal, operation: str) -> Mapping[str, str]:
        way = int(value < 0)
        rose = ("上升", "下降") if operation in ("share_change", "margin_change", "points") else ("增长", "下降")
        return {"rose": rose[way], "changed": ("增加", "减少")[way]}


WORDS: dict[str, type[Words]] = {"en": _English, "zh": _Chinese}
