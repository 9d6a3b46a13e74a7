"""Whose report it is and what time it covers: from the title pages, the metadata or the file name, or as a YAML file says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fingen.errors import UsageError
from fingen.records import Frozen, Language, Period
from fingen.text import clean

OVERRIDES = "documents.yaml"  # beside the reports: file name -> company, period, language
TITLE_PAGES = 4
PERIOD_PAGES = 60  # looked through for a period that the title pages do not name
_ZH_COMPANY = re.compile(
    r"[\u4e00-\u9fffA-Za-z（）()·]{2,30}?(?:股份有限公司|有限责任公司|集团有限公司|有限公司|股份公司|银行)"
)
_FOREIGN_NAME = re.compile(r"(?:外文|英文)名称(?:（如有）|\(如有\))?[\s|:：]*([A-Z][A-Za-z .,&'’()-]{5,80})")
_ZH_PREFIX = re.compile(r"^(?:.*(?:[：:]|名称|简称|公司是|投资者|关于|以及|[和及与为由]))")
_EN_LEGAL = (
    r"(?:Inc\.?|Incorporated|Corporation|Corp\.?|Company|Co\.?|plc|PLC|Ltd\.?|Limited|LLC|L\.P\.|N\.V\.|S\.A\.|SE|AG|Group|"
    r"International|Holdings)"
)
_STRONG = re.compile(r"(?:Inc\.?|Incorporated|Corporation|Corp\.?|plc|PLC|Ltd\.?|Limited|LLC|N\.V\.|S\.A\.|AG|SE)$")
_EN_COMPANY = re.compile(rf"(?:The )?[A-Z][\w&’'.-]*(?:,? (?:[A-Z][\w&’'.-]*|of|and|&)){{0,5}},? {_EN_LEGAL}(?![\w’'])")
_REGISTRANT = re.compile(r"([^\n]{3,80})\n+\s*\(?Exact name of registrant", re.IGNORECASE)
_NOT_COMPANIES = re.compile(
    r"Securities|Stock Exchange|Exchange Commission|Nasdaq|NASDAQ|Annual Report|Indicate|Public Company|Emerging|Growth Company|"
    r"Shell Company|Form \d|Accounting|Depository|Trust Company|Registrar|Bank of|KPMG|Deloitte|Ernst|PricewaterhouseCoopers|"
    r"^(?:Group|Company|Parent) |^(?:The|This|Our|Parent|Group|Listed|Public) (?:Company|Group|Corporation)$"
)
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "|".join(month.capitalize() for month in _MONTHS)
_DATE = rf"(?:({_MONTH})\s+(\d{{1,2}}),?\s+(\d{{4}})|(\d{{1,2}})\s+({_MONTH})\s+(\d{{4}}))"
_WEEKS = r"(?:thirteen|fourteen|1[34])[- ]weeks?(?: period)?[^.]{0,120}?"
_QUARTER = r"quarter(?: and (?:full )?(?:fiscal )?year)?"
_QUOTED_YEAR = r"[“\"(]fiscal year[”\")]+"
_EN_PERIODS = (
    ("quarterly", re.compile(rf"(?:quarterly period|{_QUARTER}|three months|{_WEEKS})\s+ended\s+{_DATE}", re.IGNORECASE)),
    ("half-year", re.compile(rf"(?:half[- ]year|six months)\s+ended\s+{_DATE}", re.IGNORECASE)),
    ("annual", re.compile(rf"(?:(?:fiscal |financial )?year|5[23] weeks|{_QUOTED_YEAR})\s+ended:?\s+{_DATE}", re.IGNORECASE)),
)  # fmt: skip
_ZH_PERIODS: tuple[tuple[str, re.Pattern[str], dict[str, str]], ...] = (
    ("quarterly", re.compile(r"(20\d\d)\s*年\s*(?:度)?\s*第?([一三])季度报告"), {"一": "03-31", "三": "09-30"}),
    ("half-year", re.compile(r"(20\d\d)\s*年\s*(?:度)?\s*(半年度|中期)报告"), {}),
    ("annual", re.compile(r"(20\d\d)\s*年\s*(?:年度|度)?\s*(年度报告|年报|报告)"), {}),
)
_YEAR_IN_NAME = re.compile(r"(?<!\d)(20\d\d)(?:Q([1-4]))?(?!\d)")


class Override(Frozen):
    """What a line of documents.yaml may state about a document."""

    company: str | None = None
    period: Period | None = None
    language: Language | None = None


def read_overrides(folder: Path) -> dict[str, Override]:
    """The overrides beside the reports, by file name; none where there is no file.

    Raises:
        UsageError: the file is not YAML, or states something else.
    """
    path = folder / OVERRIDES
    if not path.is_file():
        return {}
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {str(name): Override.model_validate(value) for name, value in data.items()}
    except (yaml.YAMLError, ValidationError, AttributeError, UnicodeDecodeError) as e:
        cause = str(e).splitlines()[0]
        raise UsageError(
            f"{path}: {cause}",
            hint='write lines such as:  report.pdf: {company: "Example Inc.", period: {kind: annual, end: "2024-12-31"}, language: en}',
        ) from e


def find_names(texts: list[str], language: Language) -> dict[str, str]:
    """The reporting company's name by language, as far as the first pages (`texts`, one a page) give it.

    A Chinese report states the company's foreign name; other English names in it are of customers and partners.
    """
    found = {"zh": _zh_company(texts[:TITLE_PAGES])}
    if language == "en":
        found["en"] = _en_company(texts)
    elif stated := _FOREIGN_NAME.search("\n".join(texts)):
        found["en"] = _capitalized(stated[1].strip(" ,"), texts)
    return {name_of: name for name_of, name in found.items() if name}


def find_company(names: dict[str, str], language: Language, metadata: dict[str, Any], name: str) -> str | None:
    """The company in the document's language, else from the metadata or the file name."""
    if language in names:
        return names[language]
    author = clean(str(metadata.get("author") or ""))
    if _EN_COMPANY.fullmatch(author) or _ZH_COMPANY.fullmatch(author):
        return author
    stem = re.sub(r"[_-]+", " ", _YEAR_IN_NAME.sub("", Path(name).stem))
    stem = re.sub(
        r"\b(?:10[KQ]|AR|EARNINGS|annual|report|\d{6})\b|年报|年度报告", "", stem, flags=re.IGNORECASE
    ).strip()
    return stem or None


def _zh_company(titles: list[str]) -> str | None:
    counts: Counter[str] = Counter()
    for number, text in enumerate(titles):
        for line in text.splitlines():
            for match in _ZH_COMPANY.finditer(line.replace(" ", "")):
                company = _ZH_PREFIX.sub("", match[0])
                if len(company) >= 6:
                    counts[company] += 5 if number == 0 else 1
    return counts.most_common(1)[0][0] if counts else None


def _en_company(texts: list[str]) -> str | None:
    registrant = _REGISTRANT.search("\n".join(texts[:TITLE_PAGES]))
    if registrant:
        return _capitalized(registrant[1].strip(" _*"), texts)
    counts: Counter[str] = Counter()
    for number, text in enumerate(texts):
        for match in _EN_COMPANY.finditer(text.replace("\n", "  ")):
            if not _NOT_COMPANIES.search(match[0]):
                weight = 3 if _STRONG.search(match[0]) else 1
                counts[match[0].strip().casefold()] += weight * (5 if number < TITLE_PAGES else 1)
    if not counts:
        return None
    best = max(counts, key=counts.__getitem__)
    return _capitalized(best.upper(), texts)


def _capitalized(company: str, texts: list[str]) -> str:
    """A name set in capitals on the cover as it is written in running text, where that is found."""
    if not company.isupper():
        return company
    pattern = re.compile(re.escape(company), re.IGNORECASE)
    spellings = Counter(match[0] for text in texts for match in pattern.finditer(text) if not match[0].isupper())
    return spellings.most_common(1)[0][0] if spellings else _title_case(company)


def _title_case(company: str) -> str:
    """A name in capitals as it is written in text (ACME TOOL CO.,LTD: Acme Tool Co.,Ltd); short words may be initials."""

    def word(match: re.Match[str]) -> str:
        text = match[0]
        return text if len(text) < 4 and text not in ("CO", "INC", "THE", "LTD") else text.capitalize()

    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)?", word, company)


def find_period(titles: list[str], body: list[str], language: Language, name: str) -> Period:
    """The period from the title pages, else what the pages after them name most often, else the year in the file name."""
    text = "\n".join(titles)
    found = _zh_period(text) if language == "zh" else _en_period(text)
    if not found and language == "en":
        often = Counter(period for page in body if (period := _en_period(page)))
        found = often.most_common(1)[0][0] if often else None
    if found:
        return found
    year = _YEAR_IN_NAME.search(Path(name).stem)
    if not year:
        return Period()
    return Period(
        kind="quarterly"
        if year[2]
        else "annual"
        if re.search(r"10-?K|annual|年报|AR", name, re.IGNORECASE)
        else "unknown",
        end=year[1],
    )


def _zh_period(text: str) -> Period | None:
    for kind, pattern, ends in _ZH_PERIODS:
        if match := pattern.search(re.sub(r"\s+", "", text)):
            end = ends.get(match[2], "06-30" if kind == "half-year" else "12-31")
            return Period.model_validate({"kind": kind, "end": f"{match[1]}-{end}"})
    return None


def _en_period(text: str) -> Period | None:
    flat = " ".join(text.split())
    matches = [(match.start(), kind, match) for kind, pattern in _EN_PERIODS if (match := pattern.search(flat))]
    if not matches:
        return None
    _, kind, match = min(matches, key=lambda entry: entry[0])
    month, day, year = (match[1], match[2], match[3]) if match[1] else (match[5], match[4], match[6])
    number = _MONTHS.index(month.lower()) + 1
    return Period.model_validate({"kind": kind, "end": f"{year}-{number:02d}-{int(day):02d}"})
