"""How well faults of basis, period and share are told. Goals: caught >= 90 %, their honest siblings kept >= 95 %.

From real tables a true sentence is made that names the basis of its figure (the parent's accounts, a quarter, before
adjustment, an adjusted profit, without one-offs, another currency), its time, or a share in words; and from it sentences
that differ in that alone: another basis, none, another year, rows or years exchanged, another share. The reader of the
tables is its own: one row of data, the headings above it, a unit that is written beside.

    python tests/benchmarks/bench_basis.py                   # the table
    python tests/benchmarks/bench_basis.py --show            # each wrong verdict
    pytest -m benchmark -s tests/benchmarks/bench_basis.py
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from fingen.config import ReadSettings
from fingen.documents import InputFile, read_documents
from fingen.quality.grounding import ground
from fingen.records import Document, Evidence, Passage, Record
from fingen.tasks.qa import build_passage

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
FOLDERS = ("reports_more", "reports_zh")
CAUGHT_GOAL, KEPT_GOAL = 0.90, 0.95
MOST = 24  # true sentences of a family
MOST_WORDS = 4  # of one word and its opposite
SEED = 5
_VALUE = re.compile(r"\(?-?[\d,]+(?:\.\d+)?\)?")
_UNIT_ZH = re.compile(r"单位[：:]\s?(?:人民币)?(百万元|千元|万元|元)")
_UNIT_EN = re.compile(r"(?i)\bin (millions|thousands)\b")
_LATIN_VAGUE = re.compile(r"(?i)^(?:total|sub-?total|other|net|less|add|basic|diluted|\W*)$")
_QUARTERS = ("第一季度", "第二季度", "第三季度", "第四季度")


@dataclass(frozen=True)
class Case:
    """A true sentence about a passage, and what it becomes with one fault each (by what is wrong)."""

    family: str
    passage: Passage
    quotes: tuple[str, ...]
    true: str
    faults: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """A row of figures of a table with the headings of its columns, its lines, and what stands above it."""

    passage: Passage
    label: str
    cells: tuple[tuple[str, str], ...]  # heading, value
    lines: tuple[str, ...]  # headings and the row
    above: str
    unit: str  # 千元, million

    def says(self, value: str) -> str:
        """A value with its unit, as a sentence says it."""
        value = value.strip("()")
        return f"{value}{self.unit}" if self.passage.language == "zh" else f"${value} {self.unit}"


def read_rows(passage: Passage) -> Iterator[Row]:
    """The rows of a passage's tables that leave no doubt: one value for each heading, all of one unit, a label once."""
    above = ""
    labels = Counter(
        line.split(" | ")[0].strip() for kind, text in passage.kinds if kind == "table" for line in text.split("\n")
    )
    for kind, text in passage.kinds:
        if kind == "table":
            unit = _unit(above[-300:] + "\n" + "\n".join(text.split("\n")[:3]), passage.language)
            yield from (row for row in _rows(passage, text, above, unit) if labels[row.label] == 1) if unit else ()
        above = above + "\n" + text


def _unit(text: str, language: str) -> str:
    found = {match[1].lower().rstrip("s") for match in (_UNIT_ZH if language == "zh" else _UNIT_EN).finditer(text)}
    return found.pop() if len(found) == 1 else ""


def _rows(passage: Passage, text: str, above: str, unit: str) -> Iterator[Row]:
    heads: list[list[str]] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.split(" | ")]
        values = [cell for cell in cells[1:] if cell]
        if any(_VALUE.fullmatch(value) and not re.fullmatch(r"(?:19|20)\d\d", value) for value in values):
            label = re.sub(
                r"^(?:[一二三四五六七八九十]+、|其中[：:]|[加减][：:]|\d+[.、])\s?|\s?\(\d\)$", "", cells[0]
            ).strip()
            whole = len(cells) - 1 == len(values) == len(heads[-1]) - 1 if heads else False
            if whole and 2 <= len(label) <= 60 and not _LATIN_VAGUE.match(label):
                names = [
                    " ".join(filter(None, (head[i] if i < len(head) else "" for head in heads)))
                    for i in range(1, len(cells))
                ]
                plain = [each for each in zip(names, values, strict=True) if _VALUE.fullmatch(each[1])]
                if all(names) and len(set(names)) == len(names) and plain:
                    start = number if number < 3 else 3
                    yield Row(passage, label, tuple(plain), (*lines[:start], line), above[-200:], unit)
        elif number < 3:
            heads.append(cells)


# --- families -------------------------------------------------------------------------------------------------------------


def _year(row: Row) -> str:
    return (row.passage.period.end or "")[:4]


def _first(row: Row, *words: str) -> tuple[str, str] | None:
    return next((cell for cell in row.cells if any(word in cell[0] for word in words)), None)


def _is_parents(row: Row) -> bool:
    return re.search("(?i)母公司|parent", " ".join((row.passage.text, *row.passage.section))) is not None


def _one_offs(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """扣非 for 归母, and the other way."""
    head, value = row.cells[0]
    when = re.search(r"20\d\d", head)
    if row.passage.language != "zh" or not when or "净利润" not in row.label or "每股" in row.label:
        return
    mine = (
        "扣非净利润" if re.search("扣除非经常|扣除非經常", row.label) else "归母净利润" if "归属于" in row.label else ""
    )
    if mine:
        other = {"扣非净利润": "归母净利润", "归母净利润": "扣非净利润"}[mine]
        form = f"{when[0]}年公司{{}}为{row.says(value)}。"
        faults = [(f"{other} for {mine}", form.format(other))]
        if mine == "扣非净利润":
            faults += [("no basis", form.format("净利润")), ("owners", form.format("归属于上市公司股东的净利润"))]
        yield form.format(mine), faults


def _quarters(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A quarter's figure as the year's, the half-year's, another quarter's."""
    for at, name in enumerate(_QUARTERS):
        if (cell := _first(row, name)) and len(row.cells) == 4:
            form = f"{_year(row)}年{{}}{row.label}为{row.says(cell[1])}。"
            other = _QUARTERS[(at + 1) % 4]
            yield (
                form.format(name),
                [("year", form.format("全年")), ("unsaid", form.format("")), ("other quarter", form.format(other))],
            )


def _spans(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Nine months for three, the period for the year."""
    names = (
        {"本报告期": "第三季度", "年初至报告期末": "前三季度"} if "09" in (row.passage.period.end or "")[5:7] else {}
    )
    for head, value in row.cells:
        for said, name in names.items():
            if head.startswith(said) and not re.search("增减|变动|同期", head):
                other = next(each for each in names.values() if each != name)
                form = f"{_year(row)}年{{}}{row.label}为{row.says(value)}。"
                yield form.format(name), [("other span", form.format(other)), ("year", form.format("全年"))]
        span = re.search(r"(?i)\b(three|six|nine) months\b", f"{row.above[-80:]} {head}")
        year = re.search(r"20\d\d", head)
        if row.passage.language == "en" and span and year:
            form = f"{row.label} was {row.says(value)} in the {{}} {year[0]}."
            other = "six months of" if span[1].lower() == "three" else "three months of"
            yield (
                form.format(f"{span[1].lower()} months of"),
                [
                    ("year", form.format("full year")),
                    ("other span", form.format(other)),
                ],
            )
            return


def _scope(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The parent's accounts for the group's, or without saying so."""
    title = row.above.split("\n")[-1] + row.above.split("\n")[-2][-40:] if "\n" in row.above else row.above
    year = re.search(r"20\d\d", row.cells[0][0])
    if "母公司资产负债表" in title or "母公司利润表" in title or ("公司现金流量表" in title and "母公司" in title):
        form = f"{year[0] if year else _year(row)}年{{}}{row.label}为{row.says(row.cells[0][1])}。"
        if year and "合并" not in title:
            yield form.format("母公司"), [("group", form.format("合并口径")), ("unsaid", form.format("公司"))]
    for name, other in (("本集团", "本行"), ("本行", "本集团"), ("集团", "银行")):
        if (cell := _first(row, name)) and _first(row, other) and (year := re.search(r"20\d\d", cell[0])):
            form = f"{year[0]}年{{}}{row.label}为{row.says(cell[1])}。"
            yield form.format(name), [(f"{other} for {name}", form.format(other))]


def _restated(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """As first reported for restated."""
    for name, other in (
        ("调整前", "调整后"),
        ("调整后", "调整前"),
        ("重述前", "重述后"),
        ("restated", "originally reported"),
    ):
        if (cell := next((c for c in row.cells if name in c[0].lower() and other not in c[0].lower()), None)) and len(
            row.cells
        ) > 1:
            twin = next((c for c in row.cells if c[1] == cell[1] and c is not cell), None)
            year = re.search(r"20\d\d", cell[0])
            if twin is None and year:
                zh = row.passage.language == "zh"
                form = (
                    f"{year[0]}年{{}}{row.label}为{row.says(cell[1])}。"
                    if zh
                    else f"{row.label} for {year[0]}, as {{}}, was {row.says(cell[1])}."
                )
                yield form.format(name), [(other, form.format(other))]


def _adjusted(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An adjusted measure as the one by the rules, or without its word."""
    found = re.match(r"(?i)(adjusted|non-gaap|underlying|core) ([a-z][a-z ]{3,40})$", row.label)
    year = re.search(r"20\d\d", row.cells[0][0])
    if found and year and "RMB" not in str(row.cells) and not re.search("margin|%|per|ratio|rate", row.label.lower()):
        form = f"In {year[0]}, {{}} was {row.says(row.cells[0][1])}."
        name = found[2]
        yield (
            form.format(row.label.lower()),
            [
                ("GAAP", form.format(f"GAAP {name}")),
                ("unsaid", form.format(name)),
                ("as reported", form.format(f"{name}, as reported,")),
            ],
        )


def _currency(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A convenience translation as the currency of the accounts."""
    mine = [c for c in row.cells if re.search(r"US\$|U\.S\. dollars", c[0])]
    theirs = [c for c in row.cells if re.search(r"RMB|yen", c[0]) and not re.search(r"US\$|U\.S\.", c[0])]
    if (
        len(mine) == 1
        and theirs
        and not _is_parents(row)
        and "(" not in mine[0][1]
        and (year := re.search(r"20\d\d", mine[0][0] + theirs[-1][0]))
    ):
        code = "RMB" if "RMB" in theirs[0][0] else "¥"
        form = f"In {year[0]}, {row.label} was {{}}{mine[0][1].strip('()')} {row.unit}."
        yield form.format("US$"), [("accounts' currency", form.format(code))]


def _years(row: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Two years exchanged."""
    years = [
        (match[0], value)
        for head, value in row.cells
        if (match := re.search(r"(?<!\d)20\d\d(?!\d)", head)) and not re.search("增减|变动|hange|季度", head)
    ]
    if (
        len(years) < 2
        or years[0][0] == years[1][0]
        or years[0][1].strip("()") == years[1][1].strip("()")
        or re.search("调整|重述|restated", str(row.cells))
    ):
        return
    if (
        "RMB" in str(row.cells)
        or re.search(r"\(|-", years[0][1] + years[1][1])
        or _is_parents(row)
        or re.search("母公司|本行|季度|months", row.above[-120:] + str(row.cells))
    ):
        return
    (one, a), (two, b) = years[:2]
    if row.passage.language == "zh":
        for form in (f"{one}年{row.label}为{{}}，{two}年为{{}}。", f"{row.label}{one}年和{two}年分别为{{}}和{{}}。"):
            yield form.format(row.says(a), row.says(b)), [("exchanged years", form.format(row.says(b), row.says(a)))]
    else:
        for form in (
            f"{row.label} was {{}} in {one}, compared with {{}} in {two}.",
            f"In {one} and {two}, {row.label} came to {{}} and {{}}, respectively.",
        ):
            yield form.format(row.says(a), row.says(b)), [("exchanged years", form.format(row.says(b), row.says(a)))]


FAMILIES: dict[str, Callable[[Row], Iterator[tuple[str, list[tuple[str, str]]]]]] = {
    "one-offs": _one_offs,
    "quarter": _quarters,
    "span": _spans,
    "scope": _scope,
    "restated": _restated,
    "adjusted": _adjusted,
    "currency": _currency,
    "years": _years,
}

SHARES = {  # what a share is called, by its size: low, high, English, Chinese
    (0.505, 0.62): ("more than half of", "一半以上"),
    (0.64, 0.695): ("about two thirds of", "约三分之二"),
    (0.31, 0.355): ("about one third of", "约三分之一"),
    (0.235, 0.265): ("about a quarter of", "约四分之一"),
    (0.38, 0.42): ("about two fifths of", "约四成"),
    (0.73, 0.77): ("about three quarters of", "约四分之三"),
    (0.41, 0.495): ("less than half of", "不到一半"),
    (0.055, 0.2): ("less than a quarter of", "不足三成"),
    (0.81, 0.89): ("more than four fifths of", "八成以上"),
}


def _shares(first: Row, second: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A share in words, between two rows of one table."""
    a, b = (Decimal(row.cells[0][1].strip("()-").replace(",", "")) for row in (first, second))
    if (
        not b
        or a >= b
        or _is_parents(first)
        or "RMB" in str(first.cells)
        or re.search(r"\(|-", first.cells[0][1] + second.cells[0][1])
    ):
        return
    share = float(a / b)
    said = next((words for (low, high), words in SHARES.items() if low <= share <= high), None)
    year = re.search(r"(?<!\d)20\d\d(?!\d)", first.cells[0][0])
    if said is None or year is None or re.search("季度|母公司|本行|months|调整", first.above[-120:] + str(first.cells)):
        return
    zh = first.passage.language == "zh"
    wrong = [words[zh] for (low, high), words in SHARES.items() if not low - 0.12 <= share <= high + 0.12]
    wrong = [words for words in wrong if not _is_true(words, share)]
    fault = random.Random(first.label).choice(wrong)
    if zh:
        form = f"{year[0]}年{first.label}为{first.says(first.cells[0][1])}，占{second.label}{second.says(second.cells[0][1])}的{{}}。"
    else:
        form = f"{first.label} was {first.says(first.cells[0][1])} in {year[0]}, {{}} {second.label} of {second.says(second.cells[0][1])}."
    yield form.format(said[zh]), [("share", form.format(fault))]


def _is_true(words: str, share: float) -> bool:
    """Whether a bound holds: less than half is said of a fifth as well."""
    bounds = {"more than half of": share > 0.5, "一半以上": share > 0.5, "less than half of": share < 0.5, "不到一半": share < 0.5,
              "less than a quarter of": share < 0.25, "不足三成": share < 0.3, "more than four fifths of": share > 0.8, "八成以上": share > 0.8}  # fmt: skip
    return bounds.get(words, False)


def _swapped(first: Row, second: Row) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Two rows of one table exchanged in one sentence."""
    a, b = first.cells[0][1], second.cells[0][1]
    year = re.search(r"(?<!\d)20\d\d(?!\d)", first.cells[0][0])
    if (
        not year
        or a == b
        or re.search(r"\(|-", a + b)
        or re.search("季度|本行|months|调整|RMB", first.above[-120:] + str(first.cells))
        or _is_parents(first)
    ):
        return
    if re.search(r"(?i)per share|每股|%|率", first.label + second.label):
        return
    if first.passage.language == "zh":
        forms = [
            f"{year[0]}年{first.label}和{second.label}分别为{{}}和{{}}。",
            f"{year[0]}年{first.label}为{{}}，{second.label}为{{}}。",
        ]
    else:
        forms = [f"In {year[0]}, {first.label} and {second.label} came to {{}} and {{}}, respectively.",
                 f"In {year[0]}, {first.label} was {{}} and {second.label} was {{}}."]  # fmt: skip
    for form in forms:
        yield (
            form.format(first.says(a), second.says(b)),
            [("exchanged rows", form.format(second.says(b), first.says(a)))],
        )


OPPOSITES = (  # words of a basis, and what makes another basis of them
    ("diluted", "basic"), ("basic", "diluted"), ("non-gaap", "GAAP"), ("adjusted", "reported"), ("underlying", "statutory"),
    ("continuing operations", "discontinued operations"), ("discontinued operations", "continuing operations"),
    ("constant currency", "reported currency"), ("constant-currency", "reported"), ("organic", "reported"),
    ("three months ended", "year ended"), ("fourth quarter", "full year"), ("first quarter", "full year"), ("six months", "twelve months"),
    ("before tax", "after tax"), ("pre-tax", "after-tax"), ("net of tax", "before tax"), ("same store", "total"), ("pro forma", "actual"),
    ("restated", "originally reported"), ("consolidated", "parent-only"), ("noncontrolling interests", "shareholders of the parent"),
    ("non-controlling interests", "owners of the parent"), ("like-for-like", "reported"), ("cumulative", "annual"), ("gross", "net"),
    ("本集团", "本行"), ("本行", "本集团"), ("上半年", "全年"), ("第四季度", "全年"), ("前三季度", "第三季度"), ("扣除非经常性损益后", ""), ("扣非后", ""),
    ("基本每股收益", "稀释每股收益"), ("稀释每股收益", "基本每股收益"), ("税前", "税后"), ("少数股东", "归属于母公司股东的"), ("调整后", "调整前"),
    ("调整前", "调整后"), ("合并", "母公司"), ("母公司资产", "合并资产"), ("账面余额", "账面价值"), ("账面价值", "账面余额"), ("累计", "本年"), ("境外", "境内"),
    ("境内", "境外"), ("終止經營業務", "持續經營業務"), ("稅前", "稅後"), ("單季", "全年"), ("個體", "合併"), ("non-current", "current"), ("short-term", "long-term"),
)  # fmt: skip
_SENTENCE = re.compile(r"[^。\n]+?(?:[。]|\.(?=\s+[A-Z]|$))")
_AMOUNT = re.compile(r"\d[\d,]*(?:\.\d+)?\s?(?:%|million|billion|thousand|元|万元|亿元|百万元)|[$£€]\s?\d")


def _words(passage: Passage, rows: Sequence[Row]) -> Iterator[Case]:
    """A word of a basis turned into its opposite, or left out: in a sentence as it stands, and in what a row is called."""
    said = [(sentence[0].strip(), (sentence[0].strip(),)) for kind, text in passage.kinds if kind == "paragraph"
            for sentence in _SENTENCE.finditer(text) if 30 < len(sentence[0]) < 320 and _AMOUNT.search(sentence[0])]  # fmt: skip
    for row in rows:
        head, value = row.cells[0]
        year = re.search(r"(?<!\d)20\d\d(?!\d)", head)
        if (
            year
            and not re.search(r"[(-]", value)
            and len(row.label) > 5
            and "US$" not in str(row.cells)
            and "RMB" not in str(row.cells)
        ):
            form = "{y}年{l}为{v}。" if passage.language == "zh" else "In {y}, {l} was {v}."
            said.append((form.format(y=year[0], l=row.label, v=row.says(value)), row.lines))
    for true, quotes in said:
        for word, other in OPPOSITES:
            found = [match.start() for match in re.finditer(re.escape(word), true, re.IGNORECASE)]
            if len(found) == 1 and not (word == "current" and "non" in true[: found[0]][-4:]) and _AMOUNT.search(true):
                wrong = true[: found[0]] + other + true[found[0] + len(word) :]
                yield Case(f"{word}>{other}", passage, quotes, true, ((f"{word}>{other}", wrong),))


_TIMES = re.compile(r"\b(\d{2,3}) (days|months)\b|(\d{1,3})(天|日内|个月)")
_OTHER = {"days": "months", "months": "days", "天": "个月", "日内": "个月内", "个月": "天"}


def _durations(passage: Passage) -> Iterator[Case]:
    """Days for months, in a sentence as it stands."""
    for kind, text in passage.kinds:
        for sentence in (match[0].strip() for match in _SENTENCE.finditer(text)) if kind == "paragraph" else ():
            found = list(_TIMES.finditer(sentence))
            if len(found) == 1 and 40 < len(sentence) < 260 and "\n" not in sentence and sentence[-1:] in ".。":
                word = found[0][2] or found[0][4]
                at = found[0].end() - len(word)
                wrong = sentence[:at] + _OTHER[word] + sentence[at + len(word) :]
                yield Case("durations", passage, (sentence,), sentence, (("days for months", wrong),))


# --- measuring ------------------------------------------------------------------------------------------------------------


def find_cases(passage: Passage) -> Iterator[tuple[str, Case]]:
    """All cases of a passage, each with the family or the pair of words that it counts among."""
    rows = list(read_rows(passage))
    for row in rows:
        for family, make in FAMILIES.items():
            for true, faults in make(row):
                yield family, Case(family, passage, row.lines, true, tuple(faults))
    for first, second in pairwise(rows):
        if first.lines[:-1] != second.lines[:-1]:
            continue
        pair = (first, second) if re.search("(?i)total|合计|总计", second.label) else (second, first)
        for family, made in (("shares", _shares(*pair)), ("rows", _swapped(first, second))):
            for true, faults in made:
                yield family, Case(family, passage, (*first.lines, second.lines[-1]), true, tuple(faults))
    for case in _words(passage, rows):
        yield case.family, replace(case, family="words")
    for case in _durations(passage):
        yield case.family, case


def build_cases(documents: Sequence[Document], seed: int = SEED) -> list[Case]:
    """Cases of each family, no more than MOST, from as many reports as have some."""
    found: dict[str, dict[str, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for document in documents:
        for chunk in document.chunks:
            for name, case in find_cases(build_passage(document, chunk)):
                found[name][document.path].append(case)
    chance = random.Random(seed)
    chosen = []
    for name, by_report in found.items():
        most = MOST_WORDS if ">" in name else MOST
        for cases in by_report.values():
            chance.shuffle(cases)
        chosen += [cases[at] for at in range(most) for cases in by_report.values() if at < len(cases)][:most]
    return chosen


def judge(case: Case, text: str) -> str:
    """What the checks find in a sentence, "" where nothing."""
    passage = case.passage
    asked = f"{passage.company}: {(passage.period.end or '')[:4]}?"
    evidence = tuple(Evidence(quote=quote, page=passage.pages[0]) for quote in case.quotes)
    record = Record(instruction=asked, input="", output=text, id="qa-1", task="qa-concept", language=passage.language,
                    document=passage.document, chunks=(passage.chunk,), evidence=evidence, teacher="t", origin="document")  # fmt: skip
    return "; ".join(f"{each.reason}: {each.detail}" for each in ground(record, [passage]).failed)


@dataclass
class Tally:
    """Of a family: true sentences, those kept, faults, those caught."""

    true: int = 0
    kept: int = 0
    faults: int = 0
    caught: int = 0


def measure(cases: Sequence[Case], *, show: bool = False) -> dict[str, Tally]:
    """The verdicts, by family."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for case in cases:
        tally = tallies[case.family]
        why = judge(case, case.true)
        tally.true += 1
        tally.kept += not why
        if show and why:
            print(
                f"REJECTED {case.family:<10}{case.passage.document[:22]:<24}{case.true}\n         {why}\n         {' // '.join(case.quotes)[:300]}"
            )
        for kind, text in case.faults:
            caught = bool(judge(case, text))
            tally.faults += 1
            tally.caught += caught
            if show and not caught:
                print(
                    f"KEPT     {case.family:<10}{kind:<20}{case.passage.document[:22]:<24}{text}\n         {' // '.join(case.quotes)[:300]}"
                )
    return dict(tallies)


def lines(tallies: dict[str, Tally]) -> list[str]:
    """The table."""
    total = Tally(
        *(sum(getattr(each, name) for each in tallies.values()) for name in ("true", "kept", "faults", "caught"))
    )
    return [f"{name:<12}{f'{t.kept}/{t.true}':>12}{f'{t.caught}/{t.faults}':>12}{t.caught / t.faults:>8.0%}"
            for name, t in {**tallies, "all": total}.items()]  # fmt: skip


def read_reports(cache: Path) -> list[Document]:
    """The shared reports that can be read."""
    files = [InputFile(path, path.name) for folder in FOLDERS for path in sorted((SHARED / folder).glob("*.pdf"))]
    return [
        event for event in read_documents(files, ReadSettings(), workers=2, cache=cache) if isinstance(event, Document)
    ]


@pytest.mark.benchmark
@pytest.mark.skipif(not (SHARED / FOLDERS[0]).is_dir(), reason="no shared reports here")
def test_faults_of_basis_are_told(tmp_path: Path) -> None:
    tallies = measure(build_cases(read_reports(tmp_path)))
    print("\n".join(lines(tallies)))

    assert sum(t.caught for t in tallies.values()) >= CAUGHT_GOAL * sum(t.faults for t in tallies.values())
    assert sum(t.kept for t in tallies.values()) >= KEPT_GOAL * sum(t.true for t in tallies.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--cache", type=Path, help="where what was read is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        cases = build_cases(read_reports(given.cache or Path(made)))
    print("\n".join(lines(measure(cases, show=given.show))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
