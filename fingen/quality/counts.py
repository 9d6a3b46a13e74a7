"""Words that count and compute: four decreases, doubled, more than half of revenue, 近四成. What they say must be so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from fingen.quality.claims import ClaimContext, moves_in
from fingen.quality.labels import Mention
from fingen.quality.pairing import order
from fingen.quality.quantities import ONE, Quantity, find_figures, read_chinese
from fingen.quality.source import Source, sizes
from fingen.quality.tables import Place

_RATIOS = tuple(
    (re.compile("|".join(patterns), re.IGNORECASE), Decimal(low), Decimal(high))
    for low, high, *patterns in (
        ("2", "3.1", r"\bmore than doubled\b", r"\bmore than (?:double|twice)\b", "翻一番多|翻倍有余"),
        ("1.8", "2.3", r"(?<!more than )(?<!nearly )(?<!almost )\bdoubled\b", r"(?<!more than )\b(?:double|twice) (?:the|that|what|as)\b",
         "翻了?一番(?!多)|(?<!近)翻倍(?!有余)|(?:增长|增加|提高)了?一倍(?!多|以上)"),
        ("1.7", "2.05", r"\b(?:nearly|almost) doubled\b", "近翻倍"),
        ("2.6", "3.5", r"\bt(?:ripled|rebled)\b", r"(?<!more than )\bthree times (?:the|that|as)\b", "(?:增长|增加)了?两倍"),
        ("2.95", "4.1", r"\bmore than three times (?:the|that|as)\b"),
        ("3.5", "4.6", r"\bquadrupled\b", "翻两番"),
        ("0.4", "0.6", r"\bhalved\b", r"\bhalf (?:the (?:year|level|amount)|that of|as much|of the (?:year|prior|previous))",
         "减半|腰斩|(?:减少|下降|降低)了?一半"),
    )
)  # fmt: skip
_HINT = re.compile(r"doubl|twice|tripl|trebl|times|quadrupl|hal[fv]|番|倍|半|腰斩", re.IGNORECASE)
_HALVES = re.compile(r"(?P<first>\bfirst half\b|上半年)|(?P<second>\bsecond half\b|下半年)", re.IGNORECASE)
_MOST = 100  # a count of things that a sentence spells out
_ALL = re.compile(r"\b(?:the|all|its|their|these|those)\s$", re.IGNORECASE)  # "three units" may be some of them
_NOUN = re.compile(r"[ -]([a-z]{6,})")
_MAY_COUNT = re.compile(  # most texts have no such words, and are done with that
    r"\b(?:the|all|its|their|these|those)\s\S{1,12}[ -][a-z]{5,}s\b"
    r"|[0-9一二三四五六七八九十两]\s?[个家项名只笔起宗件种款条][\u4e00-\u9fff]",
    re.IGNORECASE,
)
_PHRASE = re.compile(r"(?:\s?\([^)]{1,14}\))?((?:[ -][a-z]+){1,3})")
_MEASURES = frozenset(
    "months percent percentage million billion thousand points quarters hundred basis trillion largest".split()
)
_OF_WHOLE = re.compile(r"\s?(?:的|之)?(?:近|约|不到|不足|超过)?")
_CLASSIFIED = re.compile(r"\s?[个家项名只笔起宗件种款条]([\u4e00-\u9fff]{3,6})")


def find_wrong_ratios(
    reading: ClaimContext, places: dict[int, list[tuple[Source, Place]]]
) -> Iterator[tuple[int, int, str]]:
    """Words for a ratio that the two figures of their sentence, or a figure and the one of the year before, belie."""
    if not _HINT.search(reading.text):
        return
    for pattern, low, high in _RATIOS:
        for match in pattern.finditer(reading.text):
            ratio = _ratio_beside(reading, places, *match.span())
            if ratio is not None and not low <= ratio <= high:
                yield match.start(), match.end(), f"the figures are as {ratio:.2f} to 1"


def _ratio_beside(
    reading: ClaimContext, places: dict[int, list[tuple[Source, Place]]], start: int, end: int
) -> Decimal | None:
    """What the later of the two figures nearest to a word is to the earlier."""
    left, right = reading.sentence(start)
    inside = [each for each in reading.quantities if left <= each.start < right]
    after = [each for each in inside if each.start >= end]
    before = [each for each in inside if each.end <= start]
    if before and after and reading.text[start:end].endswith((" the", " that")) and after[0].start - end <= 4:
        earlier, later = after[0], before[-1]
        if earlier.value and earlier.kind == later.kind and earlier.unit == later.unit and start - later.end <= 40:
            return abs(later.value / earlier.value)
    for pair in (after[:2], before[-2:]):
        if len(pair) == 2 and (told := order(reading, *pair)) and pair[0].value and pair[1].value:
            near = pair[0].start - end if pair[0].start >= end else start - pair[1].end
            if near <= 40:
                earlier, later = pair if told > 0 else (pair[1], pair[0])
                return abs(later.value / earlier.value)
    if after and after[0].start - end <= 12 and (len(after) == 1 or not order(reading, *after[:2])):
        return _to_year_before(places.get(after[0].start, []))
    return None


def _to_year_before(found: Sequence[tuple[Source, Place]]) -> Decimal | None:
    """What a figure of a table is to that of the year before in its row."""
    ratios = set()
    for source, place in found:
        years = [period for period in place.periods if isinstance(period, int)]
        twins = [each for each in source.row_of(place) if len(years) == 1 and each.periods == {years[0] - 1}]
        if len(twins) == 1 and twins[0].figure.value and twins[0].figure.kind == place.figure.kind:
            ratios.add(abs(place.figure.value / twins[0].figure.value))
    return ratios.pop() if len(ratios) == 1 else None


def find_wrong_halves(text: str, sources: Sequence[Source]) -> Iterator[tuple[int, int]]:
    """The halves of a year that a text names where the sources name the other one alone."""
    said = {name: match for match in _HALVES.finditer(text) if (name := match.lastgroup)}
    if not said or any(source.passage.period.kind == "half-year" for source in sources):
        return
    told = {match.lastgroup for source in sources for match in _HALVES.finditer(source.text)}
    yield from (match.span() for name, match in said.items() if told and name not in told)


def find_wrong_counts(reading: ClaimContext, sources: Sequence[Source]) -> Iterator[Quantity]:
    """Counts of a thing that the sources count, none of them so: four decreases where there are three."""
    if not _MAY_COUNT.search(reading.text):
        return
    for figure in find_figures(reading.text, words=True):
        noun = _counted(figure, reading.text)
        if not noun or (noun.isascii() and not _ALL.search(reading.text, max(0, figure.start - 12), figure.start)):
            continue
        counts = {
            each.value for source in sources for each in source.reading.figures
            if noun in _phrase(each, source.reading.text) and not _is_of_year_before(source, each)
        }  # fmt: skip
        if counts and figure.value not in counts:
            yield figure


def _is_count(figure: Quantity) -> bool:
    return (
        figure.kind == "amount" and figure.scale == ONE == figure.step and not figure.unit and 1 < figure.value <= _MOST
    )


def _counted(figure: Quantity, text: str) -> str:
    """The noun that a count stands right before."""
    if not _is_count(figure):
        return ""
    if found := _CLASSIFIED.match(text, figure.end):
        return found[1][:3]
    found = _NOUN.match(text, figure.end)
    return found[1] if found and found[1] not in _MEASURES and found[1].endswith("s") else ""


def _phrase(figure: Quantity, text: str) -> str:
    """The words that a count of the source is of."""
    if not _is_count(figure):
        return ""
    found = _CLASSIFIED.match(text, figure.end) or _PHRASE.match(text, figure.end)
    return found[1] if found else ""


def _is_of_year_before(source: Source, figure: Quantity) -> bool:
    return source.text[max(0, figure.start - 7) : figure.start].strip().endswith((":", "："))


# --- shares in words ----------------------------------------------------------------------------------------------------

Places = dict[int, list[tuple[Source, Place]]]  # where the figures of an answer stand in its sources, by their start
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
_COUNT = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "seven": 7, "nine": 9}
_ENGLISH = re.compile(
    r"\b(?P<more>(?:more|greater) than|over|(?:slightly|just|well) (?:over|above)|above|in excess of|at least)?"
    r"(?P<less>less than|fewer than|under|below|at most|no more than)?(?P<near>nearly|almost|close to|just under|approaching)?"
    r"(?:\b(?:about|around|roughly|some|approximately))?\s?"
    r"(?:(?P<half>(?<!second )(?<!first )(?:a |one )?half)|(?P<count>a|one|two|three|four|five|seven|nine)[ -]"
    r"(?P<part>third|quarter|fourth|fifth|sixth|eighth|tenth)s?)"
    r"(?: of (?!(?:the )?(?:fiscal |financial )?(?:year\b|(?:19|20)[0-9]{2}))"
    r"|(?P<bare>(?=,| (?:arose|came|comes|stem\w*|lay|lies|fell|went|belong\w*)\b| and [a-z]+ [a-z]+ [$£€¥A-Z0-9])))",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?P<more>超过?了?|逾|过|高于|大于|不少于)?(?P<less>不足|不到|不及|低于|少于)?(?P<near>将?近|接近|几乎)?(?:大?约|约占|左右)?"
    r"(?:(?P<half>半数|一半)|(?P<ten>[一二两三四五六七八九1-9])成(?P<plus>半|[一二两三四五六七八九](?![成家个名年月日种项]))?(?![本员立果分套品功长为都熟人效交像就因])"
    r"|(?P<part>[二三四五六七八九十])分之(?P<count>[一二三四五六七八九]))(?P<above>以上|多|有余)?(?P<below>以下)?"
)
_SHARE_HINT = re.compile(r"hal[fv]|third|quarter|fourth|fifth|sixth|eighth|tenth|成|半|分之", re.IGNORECASE)
_ROUND = Decimal("0.045")  # what "about" leaves open, beside a tenth of the share itself
_LOOSE = Decimal("0.14")  # as far as more than, less than and nearly reach: six tenths are no "more than a third"
_EXACT = Decimal("0.006")  # of rounding
_WHOLE_ZH = re.compile(r"占(?:公司|集团|全部|当期|总)?")
_NEAR = 60  # characters between a share in words and the figures that it is of
_MOVES_BEFORE = 8  # characters before a share in which a rise or a fall makes it one of the earlier figure
_OF_IT = re.compile(r"(?:it|this|that|them|these)\b")
_OF_THAT = re.compile(r"\sof (?:it|this|that|them|which|the total),? (?:or |about |roughly |some )?", re.IGNORECASE)
_APPOSED = re.compile(r",? (?:or |that is |namely )?(?:about )?")
_TOTAL = re.compile(r"\btotal\b", re.IGNORECASE)
_SO_THAT = re.compile(r", (?:so that|so|of which|meaning that|which means that)\b[^.;]{0,14}$", re.IGNORECASE)
_WHOLE_BEHIND = re.compile(r"[，,]\s?(?:或|即)?(?:大?约|接近|超过)?[为占]?[^，。；0-9]{0,8}的")
_BESIDE = re.compile(r"\s?[,，(（]?\s?(?:or|at|或|即|为|达|约)?\s?[,，(（]?\s?")


@dataclass(frozen=True)
class Share:
    """Words for a share, at [start, end), and what it may be: `low` to `high` of 1."""

    start: int
    end: int
    low: Decimal
    high: Decimal
    is_bare: bool = False  # nothing behind it says of what


def find_shares(text: str) -> Iterator[Share]:
    """The shares that a text gives in words."""
    if not _SHARE_HINT.search(text):
        return
    for pattern, read in ((_ENGLISH, _read_english), (_CHINESE, _read_chinese)):
        for match in pattern.finditer(text):
            yield Share(
                match.start(),
                match.end(),
                *_bounds(match, read(match)),
                bool(match.groupdict().get("bare") is not None),
            )


def _read_english(match: re.Match[str]) -> Decimal:
    return Decimal("0.5") if match["half"] else Decimal(_COUNT[match["count"].lower()]) / _PARTS[match["part"].lower()]


def _read_chinese(match: re.Match[str]) -> Decimal:
    if match["half"]:
        return Decimal("0.5")
    if match["part"]:
        return read_chinese(match["count"]) / read_chinese(match["part"])
    ten = Decimal(match["ten"]) if match["ten"].isdigit() else read_chinese(match["ten"])
    plus = match["plus"] or "零"
    return ten / 10 + (Decimal("0.05") if plus == "半" else read_chinese(plus) / 100)


def _bounds(match: re.Match[str], share: Decimal) -> tuple[Decimal, Decimal]:
    groups = match.groupdict()
    if groups["more"] or groups.get("above"):
        most = Decimal(1) if share == Decimal("0.5") else share + _LOOSE
        return share - _EXACT, most
    if groups["less"] or groups.get("below"):
        return Decimal(0), share + _EXACT
    if groups["near"]:
        return share - _LOOSE / 2, share + _EXACT
    return share - _ROUND - share / 20, share + _ROUND + share / 20


def find_wrong_shares(
    reading: ClaimContext, places: Places, sources: Sequence[Source],
    mentions: Callable[[int, int, Source], Sequence[Mention]],
) -> Iterator[tuple[int, int, str]]:  # fmt: skip
    """Shares in words that the figures of their sentence, or those of the rows that it names, belie."""
    for share in find_shares(reading.text):
        before = reading.text[max(0, share.start - _MOVES_BEFORE) : share.start]
        moved = not before.isascii() and any(moves_in(before))
        found = _growth(reading, places, share) if moved else _share(reading, places, sources, mentions, share)
        if found and not any(share.low <= value <= share.high for value in found):
            yield share.start, share.end, f"the figures give {found[0]:.1%}"


def _share(
    reading: ClaimContext, places: Places, sources: Sequence[Source],
    mentions: Callable[[int, int, Source], Sequence[Mention]], share: Share,
) -> list[Decimal]:  # fmt: skip
    if (percent := _percent_beside(reading, share)) is not None:
        return [percent]
    start, end = reading.sentence(share.start)
    amounts = [each for each in reading.quantities if start <= each.start < end and each.kind == "amount"]
    before = [each for each in amounts if each.end <= share.start]
    after = [each for each in amounts if each.start >= share.end]
    if share.is_bare:
        earlier = [each for each in reading.quantities if each.end <= share.start and each.kind == "amount"]
        return _of_two(reading.text, earlier[-2:], after, share)
    if before and (said := _OF_IT.match(reading.text, share.end)):
        return list(_of_it(reading, before[-1], sources, mentions, (said.end(), end), share))
    is_whole_before = (
        bool(before) and "占" in reading.text[before[-2].end if len(before) > 1 else start : before[-1].start]
    )
    if len(before) > 1 and (is_whole_before or _OF_WHOLE.fullmatch(reading.text, before[-1].end, share.start)):
        return _ratio(before[-2], before[-1])
    is_beside = before and after and max(share.start - before[-1].end, after[0].start - share.end) <= _NEAR
    if is_beside and not is_whole_before:
        return _ratio(before[-1], after[0])
    return [value for source in sources if source.tables
            for value in _of_rows(reading, places, source, mentions(start, end, source), share, before)]  # fmt: skip


def _of_two(text: str, before: Sequence[Quantity], after: Sequence[Quantity], share: Share) -> list[Decimal]:
    """What a share without its whole is of: of it, of the total before, or one of two amounts that make up the whole."""
    if len(before) > 1 and _OF_THAT.fullmatch(text, before[-1].end, share.start):
        return _ratio(before[-1], before[-2])
    if before and after and _APPOSED.fullmatch(text, share.end, after[0].start):
        totals = [each for each in before[-1:] if _TOTAL.search(text, max(0, each.start - 24), each.start)]
        return _ratio(after[0], totals[-1]) if totals else []
    if len(before) > 1 and _SO_THAT.match(text, before[-1].end, share.start) and before[-1].unit == before[-2].unit:
        whole = before[-1].value + before[-2].value
        return [each.value / whole for each in before[-2:] if whole]
    return []


def _of_it(
    reading: ClaimContext, whole: Quantity, sources: Sequence[Source],
    mentions: Callable[[int, int, Source], Sequence[Mention]], behind: tuple[int, int], share: Share,
) -> Iterator[Decimal]:  # fmt: skip
    """What the row named behind is of the figure before: £11.4 million, more than half of it from nDreams."""
    for source in sources:
        times = _times(reading, share, source)
        for part in mentions(*behind, source)[:1] if source.tables and whole.value else ():
            for cell in source.rows_named(part.key):
                if cell.figure.kind == "amount" and (times & cell.periods or not (times and cell.periods)):
                    yield from (size / abs(whole.value) for size in sizes(cell))


def _ratio(part: Quantity, whole: Quantity) -> list[Decimal]:
    if not whole.value or part.unit != whole.unit or abs(part.value) > abs(whole.value):
        return []  # nothing is more than half of what is smaller than it
    return [abs(part.value / whole.value)]


def _percent_beside(reading: ClaimContext, share: Share) -> Decimal | None:
    """The same share in figures, right before or behind: 43.2 percent, or more than two fifths of."""
    for figure in reading.quantities:
        gap = (
            reading.text[figure.end : share.start]
            if figure.end <= share.start
            else reading.text[share.end : figure.start]
        )
        if figure.kind != "percent":
            continue
        if (len(gap) <= 6 and _BESIDE.fullmatch(gap)) or (figure.end <= share.start and _WHOLE_BEHIND.fullmatch(gap)):
            return abs(figure.value) / 100
    return None


def _of_rows(
    reading: ClaimContext, places: Places, source: Source, mentions: Sequence[Mention], share: Share,
    before: Sequence[Quantity],
) -> Iterator[Decimal]:  # fmt: skip
    """What the row named before is of the row named behind, in each column that may be meant."""
    told = _WHOLE_ZH.search(reading.text, max(0, share.start - 30), share.start)
    at = told.end() if told else share.end
    wholes = [each for each in mentions if at <= each.start <= at + 24]
    if not wholes:
        return
    others = [each for each in mentions if each.key != wholes[0].key]
    parts = [each for each in others if each.end <= (told.start() if told else share.start)]
    parts = parts[-1:] or [each for each in others if each.start > wholes[0].end][:1]
    known = [place for figure in before[-1:] for origin, place in places.get(figure.start, ()) if origin is source]
    cells = known or (source.rows_named(parts[0].key) if parts else [])
    times = reading.periods(before[-1])[0] if before else _times(reading, share, source)
    for cell in cells:
        if cell.figure.kind != "amount" or (times and cell.periods and not times & cell.periods):
            continue
        for whole in source.rows_named(wholes[0].key):
            if whole.column is cell.column and whole.figure.value and whole.figure.kind == "amount":
                yield abs(cell.figure.value / whole.figure.value)


def _times(reading: ClaimContext, share: Share, source: Source) -> frozenset[int | str]:
    """The times that the sentence names, else that of the report."""
    marks = reading.marks(*reading.sentence(share.start))
    named = frozenset(period for mark in marks for period in mark.periods)
    return named or (frozenset((source.report_year,)) if source.report_year else frozenset())


def _growth(reading: ClaimContext, places: Places, share: Share) -> list[Decimal]:
    """By what part a figure grew or fell: 增长近四成, from the two figures beside it or those of its row."""
    if (percent := _percent_beside(reading, share)) is not None:
        return [percent]
    start, end = reading.sentence(share.start)
    amounts = [each for each in reading.quantities if start <= each.start < end and each.kind == "amount"]
    for one, other in pairwise(amounts):
        if (told := order(reading, one, other)) and one.value and other.value:
            earlier, later = (one, other) if told > 0 else (other, one)
            return [abs(later.value / earlier.value - 1)]
    near = [each for each in amounts if abs(each.start - share.end) <= 24 or abs(share.start - each.end) <= 24]
    return [value for figure in near[:1] for source, place in places.get(figure.start, ())
            for value in _row_growth(source, place)]  # fmt: skip


def _row_growth(source: Source, place: Place) -> Iterator[Decimal]:
    years = [period for period in place.periods if isinstance(period, int)]
    for other in source.row_of(place):
        if (
            len(years) == 1
            and other.periods == {years[0] - 1}
            and other.figure.value
            and other.figure.kind == place.figure.kind
        ):
            yield abs(place.figure.value / other.figure.value - 1)
