"""Pairs about rows of the primary statements: what an item came to, and how it changed from the year before."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from fingen.prompts import report_name
from fingen.records import Passage
from fingen.teachers.offline.extract import Pair, pick
from fingen.teachers.offline.statements import Amount, Row, statement_rows

RANK = 0.3  # among concepts: after causes of changes, before definitions
TOGETHER = 4  # rows of a statement that one answer gives together
LEAST_TOGETHER = 3
_MOST = Decimal(500)  # percent; beyond it a rate says less than the amounts
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Told:
    """One row in words: the amounts of both periods, and the rate of change with the expression that gives it."""

    now: str
    before: str
    change: str  # "" where no rate says anything
    calc: str


def row_pairs(passage: Passage) -> Iterator[Pair]:
    """A pair for each row that analysts ask about, what they ask about first in front."""
    words = _WORDS[passage.language](passage)
    for number, row in enumerate(statement_rows(passage)):
        told = words.tell(row)
        question, rephrased = words.question(row)
        yield Pair(question, rephrased, words.sentence(row, told), (row.quote,), RANK + number / 1000, told.calc)


def statement_pairs(passage: Passage) -> Iterator[Pair]:
    """A pair that gives several rows of a statement together."""
    words = _WORDS[passage.language](passage)
    rows = [row for row in statement_rows(passage) if row.span == "year" and not row.item.is_per_share]
    distinct = list({row.item.name: row for row in rows}.values())[:TOGETHER]
    if len(distinct) < LEAST_TOGETHER:
        return
    told = [words.tell(row) for row in distinct]
    question, rephrased = words.together(distinct)
    said = enumerate(zip(distinct, told, strict=True))
    answer = words.joint.join(words.sentence(row, each, is_first=not number) for number, (row, each) in said)
    calc = "; ".join(each.calc for each in told if each.calc)
    yield Pair(question, rephrased, answer, tuple(row.quote for row in distinct), -float(len(answer)), calc)


def _change(row: Row) -> tuple[Decimal, str] | None:
    """The rate of change in percent, of the sizes, and the expression that gives it; None where it says nothing."""
    now, before = abs(row.now.value), abs(row.before.value)
    if not before or _is_loss(row, row.now) != _is_loss(row, row.before):
        return None
    rate = ((now - before) / before * 100).quantize(_TENTH, rounding=ROUND_HALF_UP)
    if not rate or abs(rate) > _MOST:
        return None
    digits = row.now.digits.replace(",", ""), row.before.digits.replace(",", "")
    return rate, f"({digits[0]} - {digits[1]}) / {digits[1]} * 100"


def _is_loss(row: Row, amount: Amount) -> bool:
    """Whether an amount of a gain is a loss, or one of cash flows was used."""
    if row.item.way not in ("gain", "cash"):
        return False
    only = re.search(r"\bloss(?:es)?\b|\bused\b|亏损", row.label, re.IGNORECASE)
    return amount.value < 0 or bool(
        only and not re.search(r"income|profit|earnings|provided|from", row.label, re.IGNORECASE)
    )


class _Words(ABC):
    """The company and its report, in the words of a language."""

    joint = " "

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self.company = passage.company or self.unnamed
        self.report = report_name(passage.period, passage.language)
        period = passage.period.end or ""
        self.year = period[:4]
        self.end = date.fromisoformat(period) if len(period) > 4 else None

    unnamed = ""

    @abstractmethod
    def tell(self, row: Row) -> Told:
        """Put the amounts of a row, and what they come to, into words."""

    @abstractmethod
    def question(self, row: Row) -> tuple[str, str]:
        """Ask for a row, in two wordings."""

    @abstractmethod
    def sentence(self, row: Row, told: Told, *, is_first: bool = True) -> str:
        """Tell a row in one sentence."""

    @abstractmethod
    def together(self, rows: list[Row]) -> tuple[str, str]:
        """Ask for several rows at once, in two wordings."""


class _English(_Words):
    unnamed = "the company"

    @property
    def _owner(self) -> str:
        return f"{self.company}’" if self.company.endswith("s") else f"{self.company}’s"

    def _time(self, row: Row) -> str:
        """The day or the time that the amounts of the period are for."""
        fiscal = None if row.is_dated else self.passage.period.fiscal_year  # as the columns are called
        named = f" (fiscal {fiscal})" if fiscal else ""
        if self.end is None:
            return f"{'at the end of' if row.item.is_stock else 'in'} {self.year}"
        day = f"{self.end:%B} {self.end.day}, {self.end.year}"
        if row.item.is_stock:
            return f"at {day}{named}"
        return f"for the {'fiscal year' if row.span == 'year' else 'quarter'} ended {day}{named if row.span == 'year' else ''}"

    def _label(self, row: Row) -> str:
        """The item as it reads inside a sentence; names in it stay as they are."""
        label = re.sub(r" for the (?:financial )?(?:year|period)$", "", row.label, flags=re.IGNORECASE)
        head, attributed, owner = label.partition(" attributable to ")
        known = owner and not owner.isupper() and (self.passage.company or "\0").split()[0] in owner
        owner = owner if known else owner.lower()
        head = head.lower()
        if re.search(r"(?:administrative|marketing|development)$", head):
            head += " expenses"
        if row.item.way == "gain" and not row.item.is_per_share:
            wrong, right = (
                (r"\b(?:income|profit|earnings)\b", "loss") if _is_loss(row, row.now) else (r"\bloss\b", "profit")
            )
            head = head if right in head else re.sub(wrong, right, head, count=1)
        return f"{head}{attributed}{owner}"

    def _subject(self, row: Row) -> str:
        """The item in a question, which does not say yet whether it was a gain or a loss."""
        if row.item.way == "cash":
            activities = re.search(r"(?:operating|investing|financing) activities", row.label, re.IGNORECASE)
            return f"net cash flow from {activities[0].lower()}" if activities else row.label.lower()
        return self._label(row)

    def _amount(self, row: Row, amount: Amount) -> str:
        scale = f" {row.money.scale}" if row.money.scale else ""
        return f"{row.money.currency}{amount.digits}{scale}"

    def tell(self, row: Row) -> Told:
        now, before = self._amount(row, row.now), self._amount(row, row.before)
        rate = _change(row)
        if rate is None:
            return Told(now, before, ", unchanged" if row.now.value == row.before.value else "", "")
        way = "an increase" if rate[0] > 0 else "a decrease"
        return Told(now, before, f", {way} of {abs(rate[0])}%", rate[1])

    def _was(self, subject: str) -> str:
        head = re.split(r",? (?:of|from|per|before|attributable|on|for|to|paid|net)\b", subject)[0]
        return "were" if re.search(r"[^s]s$", head) else "was"

    def sentence(self, row: Row, told: Told, *, is_first: bool = True) -> str:
        owner = self._owner if is_first else "Its"
        ago = self._before(row)
        loss, was_loss = _is_loss(row, row.now), _is_loss(row, row.before)
        if row.item.way == "cash":
            subject = self._subject(row).removeprefix("net cash flow from ")
            before = told.before if loss == was_loss else f"{told.before} {'used' if was_loss else 'provided'}"
            return (f"{owner} {subject} {'used' if loss else 'provided'} net cash of {told.now} {self._time(row)}, "
                    f"compared with {before} {ago}{told.change}.")  # fmt: skip
        label = self._label(row)
        before = told.before if loss == was_loss else f"{'a loss' if was_loss else 'a profit'} of {told.before}"
        said = f"a loss of {told.now}" if loss and row.item.is_per_share else told.now
        return (
            f"{owner} {label} {self._was(label)} {said} {self._time(row)}, compared with {before} {ago}{told.change}."
        )

    def _before(self, row: Row) -> str:
        """The time before; by its day where fiscal years are not called by the year they end in."""
        if self.passage.period.fiscal_year and row.day_before:
            span = "fiscal year" if row.span == "year" else "quarter"
            return f"at {row.day_before}" if row.item.is_stock else f"for the {span} ended {row.day_before}"
        whole = "the year before" if row.span == "year" else "the same quarter of the year before"
        return "a year earlier" if row.item.is_stock else f"for {whole}"

    def question(self, row: Row) -> tuple[str, str]:
        subject, time = self._subject(row), self._time(row)
        was = self._was(subject)
        ago = "a year earlier" if row.item.is_stock else "the year before"
        wordings = [
            (f"What {was} {self._owner} {subject} {time}, and how does that compare with {ago}?",
             f"How did the {subject} of {self.company} {time} compare with {ago}?"),
            (f"How much {was} the {subject} of {self.company} {time}, and what had been reported {ago}?",
             f"Give {self._owner} {subject} {time} and the figure for {ago}."),
            (f"How did {self._owner} {subject} {time} change from {ago}?",
             f"By how much did the {subject} of {self.company} move, {time} against {ago}?"),
            (f"According to its {self.report}, what {was} {self._owner} {subject}, and what had been reported {ago}?",
             f"State the {subject} of {self.company} {time} and {ago}."),
        ]  # fmt: skip
        return pick(
            wordings if row.span == "year" else wordings[:-1], row.label, self.company
        )  # the last has no quarter

    def together(self, rows: list[Row]) -> tuple[str, str]:
        subjects = [self._subject(row) for row in rows]
        listed = f"{', '.join(subjects[:-1])} and {subjects[-1]}"
        ago = "a year earlier" if rows[0].item.is_stock else "the year before"
        return pick([
            (f"What were {self._owner} {listed} {self._time(rows[0])}, against {ago}?",
             f"Set out how {listed} of {self.company} compared {self._time(rows[0])} with {ago}."),
            (f"How did {listed} of {self.company} change, {self._time(rows[0])} against {ago}?",
             f"Compare {self._owner} {listed} {self._time(rows[0])} with {ago}."),
        ], listed)  # fmt: skip


class _Chinese(_Words):
    unnamed = "该公司"
    joint = ""

    def _amount(self, row: Row, amount: Amount) -> str:
        minus = "-" if amount.value < 0 and row.item.way != "cost" else ""
        scale = {"million": "百万", "thousand": "千", "billion": "十亿", "": "", "万": "万"}[row.money.scale]
        unit = (
            "元"
            if row.money.currency.strip() == "RMB"
            else {"US$": "美元", "HK$": "港元"}.get(row.money.currency, row.money.currency)
        )
        return f"{minus}{amount.digits}{scale}{unit}"

    def _label(self, row: Row) -> str:
        return row.label

    def _time(self, row: Row) -> str:
        return f"{self.year}年{'末' if row.item.is_stock else '度'}"

    def tell(self, row: Row) -> Told:
        rate = _change(row)
        now, before = self._amount(row, row.now), self._amount(row, row.before)
        if rate is None or _is_loss(row, row.now):
            return Told(now, before, "", "")
        over = "较上年末" if row.item.is_stock else "同比"
        return Told(now, before, f"，{over}{'增长' if rate[0] > 0 else '下降'}{abs(rate[0])}%", rate[1])

    def sentence(self, row: Row, told: Told, *, is_first: bool = True) -> str:
        ago = "上年末" if row.item.is_stock else "上年"
        owner = self.company if is_first else ""
        return f"{owner}{self._time(row)}{row.label}为{told.now}，{ago}为{told.before}{told.change}。"

    def question(self, row: Row) -> tuple[str, str]:
        label, time, ago = row.label, self._time(row), "上年末" if row.item.is_stock else "上年"
        return pick([
            (f"{self.company}{time}的{label}是多少？与{ago}相比有何变化？", f"{self.company}{time}{label}较{ago}变动了多少？"),
            (f"{self.company}{time}{label}为多少，{ago}又是多少？", f"请说明{self.company}{time}的{label}及其与{ago}的比较。"),
            (f"根据{self.report}，{self.company}{time}的{label}有多少，比{ago}增减多少？",
             f"{self.company}{time}的{label}与{ago}相比如何？"),
        ], label, self.company)  # fmt: skip

    def together(self, rows: list[Row]) -> tuple[str, str]:
        listed, time = "、".join(row.label for row in rows), self._time(rows[0])
        ago = "上年末" if rows[0].item.is_stock else "上年"
        return (f"{self.company}{time}的{listed}分别是多少？与{ago}相比如何？",
                f"请比较{self.company}{time}与{ago}的{listed}。")  # fmt: skip


_WORDS: dict[str, type[_Words]] = {"en": _English, "zh": _Chinese}
