"""What time a report covers: as its cover says, and what the report speaks of most."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Literal

from fingen.documents.dates import DATE, MONTH_YEAR, NO_YEAR, make_date, parse_date, plain_chinese
from fingen.documents.titles import TITLE_PAGES, Pages
from fingen.records import Language, Period

Kind = Literal["annual", "half-year", "quarterly", "unknown"]
Span = tuple[date, Kind]

# English is matched in small letters: it is three times as fast as without regard to case.
_ENDED = re.compile(rf"(?:ended:?|to) (?:on )?({DATE})")
_STANDS = re.compile(rf"\bas (?:at|of) ({DATE})")
_NOT_YET = re.compile(r"(?:forecast|outlook|guidance|ending|expect|budget)[^.]{0,60}$")
_YEARS = r"years?|twelve months|12 months|5[23][- ]weeks?|fifty[- ](?:two|three)[- ]weeks?|[“\"(]fiscal year[”\")]+"
_HALVES = r"half[- ]years?|six[- ]months?|6 months|26[- ]weeks?|twenty[- ]six[- ]weeks?|half"
_QUARTERS = r"quarterly|quarters?|(?:three|nine|3|9) months|1[34][- ]weeks?|(?:thir|four)teen[- ]weeks?"
_WORDS: dict[Kind, str] = {"annual": _YEARS, "half-year": _HALVES, "quarterly": _QUARTERS}
_BEFORE_ENDED = {kind: re.compile(rf"(?:{words})(?: periods?)?(?: then)? $") for kind, words in _WORDS.items()}
_LOOK_BACK = 40  # characters
_RANGE = re.compile(rf"({DATE}|{MONTH_YEAR}|{NO_YEAR}) ?(?:to|through|until|and ending|[-–—]) ?({DATE}|{MONTH_YEAR})")
_COVER = re.compile(r"exact name of (?:the )?(?:registrant|issuer)|name of (?:the )?registrant")
_FORM_PERIOD = re.compile(
    rf"for the (fiscal year|year|quarterly period|transition period from .{{6,30}}? to|quarter) ?(?:period )?(?:ended|ending)?:? ({DATE})"
)
_REPORT_DATE = re.compile(
    rf"date of report[^)]{{0,40}}\)?:? {{0,3}}({DATE})|({DATE}) ?(?:_+ ?)?\(?date of (?:earliest|report)"
)
_ON_RESULTS = "results of operations and financial condition"  # the item of a current report that brings a release
_ANNUAL = (
    r"\b10-?k(?:/a)?\b|\b20-?f\b|\b40-?f\b|annual (?:securities |financial |integrated )?(?:report|accounts|results)|full[- ]year|"
    r"fourth[- ]quarter|\bq4\b|\b4q|fiscal year \d{4} results|integrated report|year ended|annual and"
)
_QUARTERLY = (
    r"\b10-?q(?:/a)?\b|quarterly report|(?:first|second|third)[- ]quarter|\bq[123]\b|nine months|"
    r"january ?[-–] ?september|three months"
)
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("annual", re.compile(_ANNUAL)),
    ("quarterly", re.compile(_QUARTERLY)),
    ("half-year", re.compile(r"half[- ]year|interim|six months|\bh1\b|\b1h ?20\d\d")),
)
_TITLED = re.compile(rf"(?:report|accounts|statements|results)\W{{1,4}}(?:for |at |as at )?({DATE})")
_TITLE_YEAR = re.compile(
    r"(?:annual report|annual review|report and accounts|accounts|integrated report|report)\W{0,4}(20\d\d)(?:[/–-](?:20)?(\d\d)\b)?|"
    r"\b(20\d\d)(?:[/–-](?:20)?(\d\d))?\W{0,4}(?:annual|integrated|form)"
)
_FISCAL = re.compile(
    rf"fiscal (?:years? )?(20\d\d)\b[^.;]{{0,80}}?\bended:? ({DATE})|ended ({DATE})[^.;]{{0,30}}\([“\"‘'](?:fiscal (?:year )?)?(20\d\d)"
)
_FISCAL_YEAR = re.compile(r"\bfiscal (?:years? )?(20\d\d)\b")

_ZH_END = r"(20\d\d)年(\d{1,2})月(\d{1,2})日"
_ZH_SPANS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("annual", re.compile(rf"截至{_ZH_END}止(?:的?财政)?年度")),
    ("half-year", re.compile(rf"截至{_ZH_END}止(?:的)?(?:6|六)[个個]?月")),
    ("quarterly", re.compile(rf"截至{_ZH_END}止(?:的)?(?:3|9|三|九)[个個]?月")),
)
_ZH_RANGE = re.compile(r"(20\d\d)年(\d{1,2})月(\d{1,2})日(?:至|起至|-|—|－|~)(?:(20\d\d)年)?(\d{1,2})月(\d{1,2})日")
_ZH_MONTHS = re.compile(r"(20\d\d)年1月?(?:至|-|—|－|~|–)(3|6|9|12)月")
_ZH_TITLED = re.compile(
    r"(20\d\d)\n?年?\n?(年度|半年度?|中期|第?[一二三四1-4]季度?)(?:业绩|财务)?(?:报告|公告|报)|(20\d\d)\n?年?\n?(?:(?:年度)?年报|年度(?:业绩|财务|审计|合并|个体)|年度\n)|"
    r"(年度|半年度?|中期)报告\n?[（(](20\d\d)年?度?[）)]"
)
_ZH_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("half-year", re.compile(r"半年度|半年报|中期|6个月|六个月|上半年")),
    ("quarterly", re.compile(r"第?[一三1-3二]季度?|季度报告")),
    ("annual", re.compile(r"年度报告|年报|年度|全年")),
)  # fmt: skip
_ZH_ENDS = {
    "一": (3, 31),
    "1": (3, 31),
    "二": (6, 30),
    "2": (6, 30),
    "三": (9, 30),
    "3": (9, 30),
    "四": (12, 31),
    "4": (12, 31),
}
_ZH_DATED = re.compile(_ZH_END)

_KIND_OF_MONTHS: dict[int, Kind] = {12: "annual", 13: "annual", 6: "half-year", 3: "quarterly", 9: "quarterly"}
_MOST_PAGES = 80  # looked through
_HEAD = 3000  # characters of a page that say what it is
_ON_COVER, _ON_TITLES = 12, 4  # times that a span there counts
_MUCH = 0.25  # share of what the most frequent span counts, from which on a later one is the report's own


def find_period(pages: Pages, language: Language, *, is_research: bool = False) -> Period:
    """The period that the report covers, with its fiscal year's own name where that is another year than it ends in."""
    if is_research:
        return _dated(pages)
    if language == "zh":
        found = _chinese(pages)
        if found.end and len(found.end) > 4:
            return found
        english = _english(pages)  # of a report in two languages
        return english if english.end and len(english.end) > 4 else found
    return _english(pages)


def _dated(pages: Pages) -> Period:
    """The day of a broker's report."""
    for text in pages.joined[:2]:
        flat = plain_chinese(text)
        if found := _ZH_DATED.search(flat):
            day = make_date(int(found[1]), int(found[2]), int(found[3]))
        elif match := re.search(DATE, " ".join(text.lower().split())):
            day = parse_date(match[0])
        else:
            continue
        if day:
            return Period(end=day.isoformat())
    return Period()


# --- English -----------------------------------------------------------------------------------------------------------


def _english(pages: Pages) -> Period:
    texts = [" ".join(text.lower().split()) for text in pages.joined[:_MOST_PAGES]]
    if stated := _of_form(texts):
        return _period(*stated, texts)
    counts: Counter[Span] = Counter()
    titled: Counter[Span] = Counter()
    kind = _title_kind(texts, _KINDS)
    for number, text in enumerate(texts):
        weight = _ON_COVER if number == 0 else _ON_TITLES if number < TITLE_PAGES else 1
        found = Counter(_english_spans(text, number))
        if number == 0:
            titled = Counter({span: count for span, count in found.items() if span[1] == kind})
        counts.update({span: weight * count for span, count in found.items()})
    end = _latest(titled or counts)
    if end is None:
        return _by_year(texts, kind)
    kinds = Counter({each: count for (day, each), count in counts.items() if day == end and each != "unknown"})
    if kind == "unknown" and kinds:
        kind = "annual" if "annual" in kinds else kinds.most_common(1)[0][0]
    if kind == "half-year" and kinds.keys() == {"quarterly"}:  # an interim report on three or nine months
        kind = "quarterly"
    return _period(end, kind, texts)


def _of_form(texts: list[str]) -> Span | None:
    """What the cover of a filing says; an annual report may have pages of its own before it."""
    for text in texts:
        if not _COVER.search(text):
            continue
        if (found := _FORM_PERIOD.search(text)) and (end := parse_date(found[2])):
            return end, "quarterly" if "quarter" in found[1] else "unknown" if "transition" in found[1] else "annual"
        if any(_ON_RESULTS in other for other in texts[:TITLE_PAGES]):
            return None  # the release that is filed with it says of what time
        if (found := _REPORT_DATE.search(text)) and (end := parse_date(found[1] or found[2])):
            return end, "unknown"
    return None


def _english_spans(text: str, number: int) -> Iterator[Span]:
    for found in _ENDED.finditer(text):
        before = text[max(0, found.start() - _LOOK_BACK) : found.start()]
        kind = next((kind for kind, pattern in _BEFORE_ENDED.items() if pattern.search(before)), None)
        if kind and (end := parse_date(found[1])):
            yield end, kind
    if number >= TITLE_PAGES:
        return
    for found in _RANGE.finditer(text):
        span = _of_range(found[1], found[2])
        if span and not _NOT_YET.search(text[max(0, found.start() - 100) : found.start()]):
            yield span
    for found in _TITLED.finditer(text):
        if end := parse_date(found[1]):
            yield end, "unknown"


def _of_range(first: str, last: str) -> Span | None:
    end = parse_date(last)
    if not end:
        return None
    start = (
        parse_date(first)
        if re.search(r"\d{4}", first)
        else parse_date(
            f"{first.rstrip('.')}.{end.year}" if first[0].isdigit() and "." in first else f"{first} {end.year}"
        )
    )
    if not start:
        return None
    months = (end.year - start.year) * 12 + end.month - start.month + 1
    return (end, _KIND_OF_MONTHS[months]) if months in _KIND_OF_MONTHS else None


def _latest(counts: Counter[Span]) -> date | None:
    """The latest end that is spoken of much: earlier years are compared with, the next ones hardly named."""
    ends: Counter[date] = Counter()
    for (end, _), count in counts.items():
        ends[end] += count
    most = max(ends.values(), default=0)
    return max((end for end, count in ends.items() if count >= _MUCH * most), default=None)


def _title_kind(texts: list[str], kinds: tuple[tuple[Kind, re.Pattern[str]], ...]) -> Kind:
    """The kind that the first pages name first: a release on the last quarter is on the year."""
    for text in texts[:TITLE_PAGES]:
        found = [(match.start(), kind) for kind, pattern in kinds if (match := pattern.search(text[:_HEAD]))]
        if found:
            return min(found)[1]
    return "unknown"


def _by_year(texts: list[str], kind: Kind) -> Period:
    for text in texts[:TITLE_PAGES]:
        if found := _TITLE_YEAR.search(text):
            first, second = (found[1], found[2]) if found[1] else (found[3], found[4])
            year = f"20{second}" if second else first
            days = Counter(day for text in texts for match in _STANDS.finditer(text) if (day := parse_date(match[1])))
            ends = {day: count for day, count in days.items() if str(day.year) == year}
            return Period(kind=kind, end=max(ends, key=lambda day: (ends[day], day)).isoformat() if ends else year)
    return Period(kind=kind)


def _period(end: date, kind: Kind, texts: list[str]) -> Period:
    return Period(kind=kind, end=end.isoformat(), fiscal_year=_fiscal_year(end, texts) if kind != "unknown" else None)


def _fiscal_year(end: date, texts: list[str]) -> int | None:
    """The year that the report calls its own, where it is not the one that it ends in."""
    named: Counter[int] = Counter()
    spoken: Counter[int] = Counter()
    for text in texts:
        for found in _FISCAL.finditer(text):
            day, year = (found[2], found[1]) if found[1] else (found[3], found[4])
            if parse_date(day) == end:
                named[int(year)] += 1
        spoken.update(int(found[1]) for found in _FISCAL_YEAR.finditer(text))
    if not named and end.month <= 2 and spoken[end.year - 1] > spoken[end.year]:
        return end.year - 1
    year = named.most_common(1)[0][0] if named else end.year
    return year if year != end.year and abs(year - end.year) == 1 else None


# --- Chinese -----------------------------------------------------------------------------------------------------------


def _chinese(pages: Pages) -> Period:
    texts = [plain_chinese(text) for text in pages.joined[:_MOST_PAGES]]
    heads = [*texts[:TITLE_PAGES], *(plain_chinese(line) for line in pages.running)]
    counts: Counter[Span] = Counter()
    for number, text in enumerate([*heads, *texts[TITLE_PAGES:]]):
        weight = _ON_COVER if number == 0 else _ON_TITLES if number < len(heads) else 1
        counts.update(
            {span: weight * count for span, count in Counter(_chinese_spans(text, titled=number < len(heads))).items()}
        )
    kind = _title_kind(heads, _ZH_KINDS)
    own = Counter({span: count for span, count in counts.items() if kind in ("unknown", span[1])})
    end = _latest(own or counts)
    if end is None:
        return Period(kind=kind)
    if kind == "unknown":
        kind = max((each for day, each in counts if day == end), key=lambda each: counts[end, each])
    return Period(kind=kind, end=end.isoformat())


def _chinese_spans(text: str, *, titled: bool) -> Iterator[Span]:
    for kind, pattern in _ZH_SPANS:
        for found in pattern.finditer(text):
            if end := make_date(int(found[1]), int(found[2]), int(found[3])):
                yield end, kind
    for found in _ZH_RANGE.finditer(text):
        start = make_date(int(found[1]), int(found[2]), int(found[3]))
        end = make_date(int(found[4] or found[1]), int(found[5]), int(found[6]))
        months = (end.year - start.year) * 12 + end.month - start.month + 1 if start and end else 0
        if end and months in _KIND_OF_MONTHS:
            yield end, _KIND_OF_MONTHS[months]
    for found in _ZH_MONTHS.finditer(text):
        if end := make_date(int(found[1]), int(found[2])):
            yield end, _KIND_OF_MONTHS[int(found[2])]
    if titled:
        yield from _titled_chinese(text)


def _titled_chinese(text: str) -> Iterator[Span]:
    for found in _ZH_TITLED.finditer(text):
        year, span = int(found[1] or found[3] or found[5]), found[2] or found[4] or ""
        kind: Kind = "annual"
        month, day = 12, 31
        if "半年" in span or span == "中期":
            kind, month, day = "half-year", 6, 30
        elif "季" in span:
            kind = "quarterly"
            month, day = _ZH_ENDS[span.strip("第季度")]
        if end := make_date(year, month, day):
            yield end, kind
