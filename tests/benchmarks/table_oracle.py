"""A reading of report tables that shares no code with fingen: does a cell stand where a row of a set says that it does?

A script of its own: it reads JSON lines of operands and writes one of verdicts, and imports nothing of fingen's. Of a PDF it takes words by
their places on the page (pdfplumber), of inline XBRL the facts that the filer tagged, and of tables without tags the grid of their HTML.

An operand is a cell: its file, page, row, period, figure, and the scale and unit it is said in. A verdict has for each of row, period, unit
and basis what was found: "same", "other" or "open" (not to be told by these rules), and for the last two what was seen.

    PYTHON tests/benchmarks/table_oracle.py < operands.jsonl > verdicts.jsonl
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

SAME, OTHER, OPEN = "same", "other", "open"
YEAR = re.compile(
    r"(?<![\d.,])((?:19|20)\d\d)\d?(?![\d,%]|\.\d)|\b(?:FY|FY\s|F)\s?(\d\d)\b(?![,.]\d)"
)  # a footnote's digit may follow
FURNITURE = re.compile(r"年度报告|年年报|半年度报告|annual report|form 10-k", re.I)
PROSE = re.compile(
    r"\b(?:to|representing|were|was|is|are|from|the|by|which|respectively|statement of)\b|[，。；]", re.I
)
OF_SHARES = re.compile(
    r"\b(?:respectively|authorized|outstanding|issued|preference|c/fwd)\b", re.I
)  # a label with dates in it
BACK = 3  # pages on which the heads of a table that goes on may stand
NOW = re.compile(r"本期|本年|期末|年末|本报告期|报告期末|当期")
THEN = re.compile(r"上期|上年|去年|期初|年初|前期|上年度末")
LENGTHS = {"three months": "three|quarter|3 months|13 weeks", "six months": "six|6 months|26 weeks|half", "nine months": "nine|39 weeks",
           "上半年": "1-6月|1 ?月至 ?6 ?月|半年|本期|报告期|上年同期|6 ?月 ?30 ?日"}  # fmt: skip
SCALES = (
    (r"亿元|亿", 10**8), (r"百万元|佰萬|百万", 10**6), (r"万元|萬元", 10**4), (r"千元|仟元|千", 10**3), (r"元", 1),
    (r"billions?|\bbn\b", 10**9), (r"millions?|(?<=[$£€])\s?[’'‘`]?m\b|\bmn\b|\bm(?=[$£€])|€m|£m|\$m|mio", 10**6),
    (r"thousands?|[’'‘`]?\b000s?\b|\bk\b|(?<=[$£€])[’'‘`]?000", 10**3),
)  # fmt: skip
STATES_UNIT = re.compile(
    r"单位\s*[:：]?\s*(?:人民币)?\s*((?:亿|百万|万|千)?元)|[(（]\s*(?:除[^）)]{0,20})?人民币\s*((?:亿|百万|万|千)?元)|人民币((?:亿|百万|万|千)元)"
    r"|\b(?:in|of)\s+(?:[A-Z]{2,3}\$?|U\.S\.|Canadian|Australian|euros?|pounds?|dollars?|US dollars|\W){0,4}\s*(thousands|millions|billions)\b"
    r"|((?:US|A|AU|CA|C|NZ|HK)?[$£€]\s?(?:[’'‘`]?\s?000s?|[’'‘`]?m\b|mn\b|million|thousand|bn\b|billion))"
    r"|\b((?:EUR|USD|CHF|GBP|AUD|SEK|CAD|RMB)\s?(?:m\b|mn\b|million|thousand|[’'‘]?000|bn\b))|\b(CHF|EUR|USD|GBP|AUD) ?(?=$)"
    r"|\b(Thousands|Millions|Billions) of (?:yen|dollars|U\.S\.|euros)|\b(million|thousand|billion)s?\b(?= of (?:yen|dollars)|\))"
    r"|\b(€m|£m|m€|\$m)\b",
    re.I,
)


def bare(text: str) -> str:
    """A label's letters, digits and characters."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).lower())


def number(text: str) -> str:
    """A figure's digits and point."""
    return re.sub(r"[^\d.]", "", unicodedata.normalize("NFKC", text)).strip(".")


def scale_of(text: str) -> int | None:
    """What a word for a unit multiplies by."""
    return next((scale for words, scale in SCALES if re.search(words, text, re.I)), None)


def years(text: str) -> list[int]:
    """The years that a text names."""
    return [int(found[1]) if found[1] else 2000 + int(found[2]) for found in YEAR.finditer(text)]


class Line:
    """Words on one line of a page, from left to right."""

    def __init__(self, words: list[dict[str, Any]]) -> None:
        self.words = sorted(words, key=lambda word: word["x0"])
        self.top = min(word["top"] for word in words)
        self.bottom = max(word["bottom"] for word in words)
        self.text = " ".join(word["text"] for word in self.words)

    def left_of(self, x: float, gap: float = 0) -> str:
        return " ".join(word["text"] for word in self.words if word["x1"] <= x + gap)


def lines_of(words: Sequence[dict[str, Any]]) -> list[Line]:
    """The lines: words whose middles are at one height."""
    rows: list[list[dict[str, Any]]] = []
    for word in sorted(words, key=lambda word: (word["top"] + word["bottom"]) / 2):
        middle = (word["top"] + word["bottom"]) / 2
        if rows and abs(middle - sum((w["top"] + w["bottom"]) / 2 for w in rows[-1]) / len(rows[-1])) < 3:
            rows[-1].append(word)
        else:
            rows.append([word])
    return [Line(row) for row in rows]


@lru_cache(maxsize=2)
def open_pdf(path: str) -> Any:
    import pdfplumber

    return pdfplumber.open(path)


@lru_cache(maxsize=12)
def page_lines(path: str, number: int) -> list[Line]:
    """The lines of a page (1-based)."""
    page = open_pdf(path).pages[number - 1]
    page = page.dedupe_chars(tolerance=1)
    return lines_of(page.extract_words(x_tolerance=1.5, y_tolerance=2))


@lru_cache(maxsize=4)
def page_texts(path: str) -> list[str]:
    """The text of each page, by a reader that is quick."""
    import pypdfium2

    return [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(path)]


def tokens(line: Line) -> Iterator[tuple[str, float, float]]:
    """The figures of a line, each with where it starts and ends: a sign or bracket apart belongs to it."""
    for word in line.words:
        if re.search(r"\d", word["text"]):
            yield number(word["text"]), word["x0"], word["x1"]


def read_pdf(asked: dict[str, Any]) -> dict[str, Any]:
    """The verdict on an operand of a PDF."""
    path, wanted, label = asked["path"], number(asked["value"]), asked["row"]
    lines = page_lines(path, asked["page"])
    best: dict[str, Any] | None = None
    for at, line in enumerate(lines):
        for value, x0, x1 in tokens(line):
            if value == wanted:
                verdict = _judge_pdf(asked, lines, at, x0, x1, label)
                score = [verdict[name] for name in ("row", "period", "unit")]
                verdict["score"] = sum({SAME: 3, OPEN: 1, OTHER: 0}[each] for each in score) + 6 * (
                    verdict["row"] == SAME
                )
                if best is None or verdict["score"] > best["score"]:
                    best = verdict
    if best is None:
        return {
            "row": OPEN,
            "period": OPEN,
            "unit": OPEN,
            "basis": OPEN,
            "why": "the figure stands on no line of the page",
        }
    return best


def _judge_pdf(asked: dict[str, Any], lines: list[Line], at: int, x0: float, x1: float, label: str) -> dict[str, Any]:
    row, seen_row = _row(lines, at, x0, label)
    period, seen = _period(asked, lines, at, x0, x1)
    unit, stated = _unit(asked, lines, at, x0, x1)
    basis, title = _basis(asked, lines, at)
    return {
        "row": row,
        "period": period,
        "unit": unit,
        "basis": basis,
        "why": f"row: {seen_row!r}; heads: {seen!r}; unit: {stated!r}; {title}",
    }


def _row(lines: list[Line], at: int, x0: float, label: str) -> tuple[str, str]:
    """Whether the line of the figure begins with the label, or is a part of one that runs over several lines."""
    short = _plain(label)
    own = _name(lines[at], x0)
    if short and (
        own.startswith(short) or any(_name(lines[at], x0, word["x0"]).startswith(short) for word in lines[at].words)
    ):
        inside = own.find(short)
        return (SAME if inside == 0 or not own[:inside].endswith("non") else OTHER), own
    for back in range(5):
        for ahead in range(5):
            text = "".join(_name(each, x0) for each in lines[max(0, at - back) : at + ahead + 1])
            if short and short in text and (not own or own in short):
                return SAME, text[:120]
    return (OTHER if own else OPEN), own


def _name(line: Line, x0: float, begin: float = 0) -> str:
    """What stands before a figure on its line, without figures and marks of notes."""
    words = " ".join(word["text"] for word in line.words if word["x1"] <= x0 and word["x0"] >= begin)
    return _plain(words)


def _plain(label: str) -> str:
    """A label without figures, numbers of notes and what it is numbered with."""
    label = re.sub(r"(?<!\w)[$£€(]?\d[\d.,]*[)%]?(?!\w)|[（(][\w一二三四五]{1,3}[)）]", " ", label)
    return re.sub(r"^\d+", "", bare(label))


def _period(asked: dict[str, Any], lines: list[Line], at: int, x0: float, x1: float) -> tuple[str, str]:
    """The year of the nearest heads above that stand over the figure, on this page or one that the table began on."""
    found = _period_above(asked, lines[:at], x0, x1)
    for page in range(asked["page"] - 1, max(0, asked["page"] - 1 - BACK), -1):
        if found[0] != OPEN or found[1]:
            break
        found = _period_above(asked, page_lines(asked["path"], page), x0, x1)
        found = (found[0], found[1] and f"page {page}: {found[1]}")
    if found[0] == SAME and not _lengths(asked, lines, at):
        return OTHER, found[1] + " (not of that length)"
    return found


def _period_above(asked: dict[str, Any], above: list[Line], x0: float, x1: float) -> tuple[str, str]:
    wanted = int(asked["period"])
    for line in reversed(above):
        heads = _heads(line, asked)
        figures = [word for word in line.words if re.fullmatch(r"[($£€]*\d[\d,.]*[)%]?", word["text"]) and not YEAR.fullmatch(word["text"])
                   and len(number(word["text"])) > 2]  # fmt: skip
        if (
            not heads
            or len(figures) > len(heads)
            or FURNITURE.search(line.text)
            or len(PROSE.findall(line.text)) > 1
            or OF_SHARES.search(line.text)
        ):
            continue
        if len(heads) == 1 and len(line.text) > 60:
            continue
        over = [(abs((a + b) / 2 - (x0 + x1) / 2), abs(b - x1), year) for year, a, b in heads]
        year = min(over)[2]
        if len(heads) == 1 and min(over)[0] > 60:
            continue
        if year != min(over, key=lambda each: each[1])[2]:
            return OPEN, line.text
        return (SAME if year == wanted else OTHER), line.text
    return OPEN, ""


def _lengths(asked: dict[str, Any], lines: list[Line], at: int) -> bool:
    """Whether a length of time that is asked about stands above."""
    for said, pattern in LENGTHS.items():
        if said in asked["question"].lower():
            return any(re.search(pattern, line.text, re.I) for line in lines[max(0, at - 60) : at])
    return True


def _heads(line: Line, asked: dict[str, Any]) -> list[tuple[int, float, float]]:
    """The periods of a line, each with its place; of words that run on, the last one with the year."""
    found: list[tuple[int, float, float]] = []
    dated = bool(years(re.sub(r"\d[\d,]*\.\d|\d,\d{3}", "", line.text)))
    for word in line.words:
        text = unicodedata.normalize("NFKC", word["text"])
        if re.search(r"\d[\d,]*\.\d|\d,\d{3}", text):
            continue
        named = years(text)
        if named:
            end = word["x1"]
            for after in line.words:  # 2019 年 12 月 31 日
                if (
                    len(named) == 1
                    and -1 < after["x0"] - end < 8
                    and re.fullmatch(r"[年月日末度初]+|\d{1,2}", after["text"])
                ):
                    end = after["x1"]
            width = (end - word["x0"]) / len(named)
            found += [(year, word["x0"] + n * width, word["x0"] + (n + 1) * width) for n, year in enumerate(named)]
            continue
        for pattern, back in ((THEN, 1), (NOW, 0)):
            if (
                asked.get("year")
                and not dated
                and pattern.search(text)
                and not re.search(r"增减|增加|减少|变动|比", text)
            ):
                found.append((asked["year"] - back, word["x0"], word["x1"]))
                break
    return found


def _unit(asked: dict[str, Any], lines: list[Line], at: int, x0: float, x1: float) -> tuple[str, str]:
    """What the nearest statement of a unit above says, beside what is said of the figure."""
    said = asked.get("scale")
    if said is None:
        return OPEN, "it is not said with a unit"
    line = lines[at]
    after = [word["text"] for word in line.words if word["x0"] >= x1 - 1][:1]
    token = next((word["text"] for word in line.words if abs(word["x1"] - x1) < 0.1), "")
    if said == "%":
        signed = "%" in token or (after and after[0].startswith(("%", "％")))
        around = " ".join(each.text for each in lines[max(0, at - 25) : at + 1])
        return (
            SAME if signed else SAME if re.search(r"%|％|percent|率|rate|margin", line.text + around, re.I) else OTHER
        ), line.text
    if re.search(r"per (?:\w+ )?share|每股|per unit", line.text, re.I) and said == 1:
        return SAME, line.text
    for each in reversed(lines[: at + 1]):
        if stated := STATES_UNIT.search(unicodedata.normalize("NFKC", each.text)):
            scale = scale_of(stated[0])
            scale = 1 if scale is None else scale
            return (SAME if scale == said else OTHER), each.text[:160]
    pages, texts = asked["page"] - 1, page_texts(asked["path"])
    for page in range(pages - 1, max(-1, pages - 8), -1):
        found = list(STATES_UNIT.finditer(unicodedata.normalize("NFKC", texts[page])))
        if found:
            scale = scale_of(found[-1][0])
            return (SAME if (1 if scale is None else scale) == said else OTHER), f"page {page + 1}: {found[-1][0]}"
    if general := _general_unit(asked["path"]):
        return (SAME if scale_of(general) == said else OPEN), general
    below = next((each.text for each in lines[at:] if STATES_UNIT.search(each.text)), "")
    return (OPEN, below) if below else (SAME if said == 1 else OPEN, "no unit is stated near")


@lru_cache(maxsize=4)
def _general_unit(path: str) -> str:
    """What a report says of the amounts of all its tables."""
    pattern = re.compile(
        r"(?:tabular|all amounts|amounts are|rounded|unless (?:otherwise )?(?:noted|stated|indicated))[^.]{0,120}?(?:millions?|thousands?)\b"
        r"|\b(?:dollars )?in (?:millions|thousands)[^.)]{0,40}except",
        re.I,
    )
    return next((found[0] for text in page_texts(path) if (found := pattern.search(text))), "")


def _basis(asked: dict[str, Any], lines: list[Line], at: int) -> tuple[str, str]:
    """Whether a Chinese report's table is of the parent alone where that is said, and of the group where it is not."""
    if not re.search(r"[\u4e00-\u9fff]", asked["question"]):
        return OPEN, ""
    title = re.compile(
        r"母公司(?:资产负债表|利润表|现金流量表|财务报表(?:主要)?项目)|合并(?:资产负债表|利润表|现金流量表|财务报表项目)"
    )
    above = "\n".join(each.text.replace(" ", "") for each in lines[:at])
    found = title.findall(above)
    page = asked["page"] - 1
    texts = page_texts(asked["path"])
    while not found and page > 0:
        page -= 1
        found = title.findall(texts[page].replace(" ", ""))
    parent = bool(found) and found[-1].startswith("母公司")
    said = "母公司" in re.sub("归属于母公司", "", asked["question"] + asked["row"])
    return (SAME if parent == said else OTHER), f"title: {found[-1] if found else 'none'}"


# Inline XBRL


@lru_cache(maxsize=2)
def open_filing(path: str) -> Any:
    from lxml import html

    tree = html.fromstring(Path(path).read_bytes())
    contexts: dict[str, tuple[str, str]] = {}
    for node in tree.iter():
        if isinstance(node.tag, str) and node.tag.endswith(":context"):
            found = {
                each.tag.split(":")[-1]: (each.text or "").strip() for each in node.iter() if isinstance(each.tag, str)
            }
            contexts[node.get("id")] = (found.get("startdate", ""), found.get("enddate", found.get("instant", "")))
    units = {
        node.get("id"): " ".join(
            "".join(each.itertext()).strip()
            for each in node.iter()
            if isinstance(each.tag, str) and each.tag.endswith("measure")
        )
        for node in tree.iter()
        if isinstance(node.tag, str) and node.tag.endswith(":unit")
    }
    facts = {
        str(node.get("name")): "".join(node.itertext()).strip()
        for node in tree.iter("ix:nonnumeric")
        if "DocumentFiscalYearFocus" in str(node.get("name")) or "DocumentPeriodEndDate" in str(node.get("name"))
    }
    rows = defaultdict(list)
    for row in tree.iter("tr"):
        text = " ".join(" ".join(row.itertext()).split())
        rows[tuple(filter(None, map(number, re.findall(r"\d[\d,.]*", text))))].append(row)
    return tree, contexts, units, facts, [row for group in rows.values() for row in group]


def read_filing(asked: dict[str, Any]) -> dict[str, Any]:
    """The verdict on an operand of a filing: by the tag of its cell where it has one, else by the grid of its table."""
    _, contexts, units, facts, rows = open_filing(asked["path"])
    wanted, label = number(asked["value"]), bare(asked["row"])
    quoted = [number(cell) for cell in asked["quote"].split(" | ")[1:] if number(cell)]
    best: dict[str, Any] | None = None
    for row in rows:
        text = " ".join(" ".join(row.itertext()).split())
        own = [number(each) for each in re.findall(r"\d[\d,.]*", text)]
        if wanted not in own or label not in bare(text) or not all(each in own for each in quoted):
            continue
        tagged = [node for node in row.iter("ix:nonfraction") if number("".join(node.itertext())) == wanted]
        verdicts = [_by_tag(asked, node, contexts, units, facts) for node in tagged] or [_by_grid(asked, row, wanted)]
        for verdict in verdicts:
            verdict["score"] = sum(value == SAME for value in verdict.values())
            if best is None or verdict["score"] > best["score"]:
                best = verdict
    return best or {
        "row": OPEN,
        "period": OPEN,
        "unit": OPEN,
        "basis": OPEN,
        "why": "no row of a table has label and figures",
    }


def _by_tag(asked: dict[str, Any], node: Any, contexts: Any, units: Any, facts: Any) -> dict[str, Any]:
    start, end = contexts[node.get("contextref")]
    focus = next((int(text) for name, text in facts.items() if "YearFocus" in name and text.isdigit()), None)
    ended = date.fromisoformat(end)
    newest = max(each[1] for each in contexts.values())
    days = (ended - date.fromisoformat(start)).days if start else 0
    question = asked["question"].lower()
    length = 92 if "three months" in question else 184 if "six months" in question else 0
    same = int(asked["period"]) in (
        {ended.year}
        if length or "end of" in question
        else {ended.year, ended.year - (int(newest[:4]) - (focus or int(newest[:4])))}
    )
    fits = not start or abs(days - (length or 365)) < 12
    unit, scale = units[node.get("unitref")], int(node.get("scale") or 0)
    said = asked.get("scale")
    right = OPEN if said is None else SAME if (said == "%" and "pure" in unit) or said == 10**scale else OTHER
    return {"row": SAME, "period": SAME if same and fits else OTHER, "unit": right, "basis": OPEN, "tagged": True,
            "why": f"{node.get('name')} {start}..{end} {unit} scale {scale}"}  # fmt: skip


def _by_grid(asked: dict[str, Any], row: Any, wanted: str) -> dict[str, Any]:
    """By the places of the cells: the years that stand above in the columns of the figure."""
    table = next(row.iterancestors("table"))

    def places(one: Any) -> Iterator[tuple[int, int, str]]:
        at = 0
        for cell in one:
            if cell.tag in ("td", "th"):
                span = int(cell.get("colspan") or 1)
                yield at, at + span, " ".join(" ".join(cell.itertext()).split())
                at += span

    spots = [(a, b) for a, b, text in places(row) if number(text) == wanted]
    above = []
    for other in table.iter("tr"):
        if other is row:
            break
        above.append(other)
    found = set()
    for a, b in spots:
        for other in reversed(above):
            heads = [year for c, d, text in places(other) if c < b and d > a for year in years(text)]
            figures = [
                text
                for _, _, text in places(other)
                if re.fullmatch(r"[$(]*\d[\d,.]*[)%]*", text) and not YEAR.fullmatch(text)
            ]
            if heads and not figures:
                found.add(heads[0])
                break
    question = asked["question"].lower()
    text = " ".join(" ".join(table.itertext()).split())
    length = next((said for said in LENGTHS if said in question), "")
    fits = not length or re.search(LENGTHS[length], text, re.I) is not None
    period = OPEN if len(found) != 1 else SAME if found == {int(asked["period"])} and fits else OTHER
    stated = STATES_UNIT.search(text)
    before = table
    for _ in range(60):
        if stated is not None or before is None:
            break
        previous = before.getprevious()
        before = previous if previous is not None else before.getparent()
        stated = (
            STATES_UNIT.search(" ".join(" ".join(before.itertext()).split())[-2000:]) if previous is not None else None
        )
    said = asked.get("scale")
    signed = said == "%" and "%" in " ".join(row.itertext())
    unit = (
        SAME
        if signed
        else OPEN
        if stated is None or said in (None, "%")
        else SAME
        if (scale_of(stated[0]) or 1) == said
        else OTHER
    )
    return {
        "row": SAME,
        "period": period,
        "unit": unit,
        "basis": OPEN,
        "why": f"heads {sorted(found)}; unit {stated and stated[0]}",
    }


def main() -> None:
    """Judge each operand that comes in."""
    for line in sys.stdin:
        asked = json.loads(line)
        verdict = read_pdf(asked) if asked["path"].endswith(".pdf") else read_filing(asked)
        verdict.pop("score", None)
        print(json.dumps(verdict, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
