"""Which of several figures is said of which thing and of which time: names and figures that a sentence pairs wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from fingen.quality.claims import ClaimContext, moves_in
from fingen.quality.labels import Mention
from fingen.quality.quantities import Quantity
from fingen.quality.source import Source, row_key
from fingen.quality.tables import Periods, Place, Table

_LATER_FIRST = re.compile(  # the second figure is that of the time before: 5 after 4, 5 compared with 4 in 2021
    r"\b(?:after|compared (?:with|to)|versus|vs\.?|against|up from|down from|from)\b[^.;]{0,24}$"
    r"|(?:上年|去年|上期)(?:同期|末)?(?:的?为?|是)?$|[较比]上年(?:同期|末)?的?$|(?:期初|年初)(?:的?为?|余额为?)?$"
)
_COMPARED = re.compile(r"\bcompared (?:with|to)\b|\bversus\b|\bagainst\b")
_EARLIER_FIRST = re.compile(r"\bto\b[^.;,]{0,24}$|[至到为][^，。；0-9]{0,6}$")
_BEFORE_THAT = re.compile(
    r"\b(?:year (?:before|earlier|ago)|(?:previous|prior|last|preceding) (?:year|period|quarter))\b|上年|去年|上期",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\s(?:now|this (?:year|time|quarter)|currently|(?:a|one) (?:year|quarter) later|(?:in )?the (?:following|next) (?:year|quarter))\b"
)
_OTHER_TIME = re.compile(r"[，,][^，,]{0,8}(?:19|20)[0-9]{2}年")  # 由A收窄，2019年为B
_FROM = re.compile(r"\bfrom\b[^.;,]{0,24}$|[由从自][^，。；]{0,14}$")
_WORD = re.compile(r"[a-z]{4,}")
_LATIN = re.compile(r"[a-z]+")
_NAME = re.compile(r"(?<=[\w,;)’] )(?:the )?[A-Z][A-Za-z]{2,}")
_NO_NAMES = frozenset(
    "company group board directors fiscal year january february march april may june july august september october november december "
    "rmb usd eur gbp gaap ifrs ebitda ebit eps".split()
)
_ASIDE = re.compile(
    r"\b(?:before|excluding|without|after|because of|due to|despite|net of|thanks to|including) (?:the |any |all )?[a-z]+"
)
_PARTED = re.compile(r"[,;]| (?:and|while|but) ")
_CLOSE = 2  # characters behind a figure in which a break ends what is said of it
_NEAR = 30  # characters before a figure in which a name is that of its owner
_ALONE = re.compile(
    r"\W*(?:growth|change|increase|decrease|year[- ]on[- ]year|yoy|增长率?|增减|变动|变化|同比|变动幅度|增幅)\W*"
)
_STEM = 7  # letters that tell whether two words are of one family
_HEAD = 6  # letters of a word that tells a row: amortisation, inventories
_PLAIN = frozenset(
    "operating average current financial investment general interest total other income expense expenses cost costs assets "
    "liabilities from with this that sales revenue segment segments".split()
)
_BASELINE = re.compile(
    r"\b(?:from|after|against|versus|vs\.?|than|over|compared|previous(?:ly)?|prior|earlier|before|ago|last|had been|base"
    r"|preceding|formerly|once|earliest)\b"
    r"|较|(?<!同)(?<!环)比|[由从自]|上年|去年|上期|期初|年初|此前|以前|前[一两]?年|原[为来]|同期",
    re.IGNORECASE,
)
# Two figures that have changed places: one wrong name may not be understood; two that fit when exchanged are no chance.
_NAMING = re.compile(r"[a-z][a-z-]{3,}")
_HAN_RUN = re.compile(r"[\u4e00-\u9fff]{2,}")
_YEARS = re.compile(r"\b(?:19|20)[0-9]{2}\b")
_OWNERS = re.compile(r"\b(?:group|company|parent|bank|consolidated)\b")
_BREAKS = re.compile(r"[,;:，、；：]|\b(?:and|while|whereas|but)\b|[和及与而]")
_SURE = 1.5  # words that both must have together; two characters of Chinese are half a word
_RESPECTIVE = re.compile(r"\brespectively\b|分别|依次|各")
_LISTING = re.compile(r"[,、]| and |[和与及]")
_CLAUSES = re.compile(r"[;；，]")
_SHORT = 5  # letters that tell a word from others
_NAME_NOTHING = frozenset(
    word[:_SHORT]
    for word in "about after against amount before between company compared consolidated corresponding decrease ended fiscal "
    "following from "
    "group increase million billion thousand other over previous prior total than that their this time under were which with year years "
    "january february march april june july august september october november december rose fell came went grew stood reached "
    "cent respectively "
    "both another quarter later earlier previously".split()
)


def order(reading: ClaimContext, first: Quantity, second: Quantity) -> int:
    """1 where the second of two neighbouring figures is said to be the later one, -1 where the first is, 0 where unsaid."""
    gap = reading.text[first.end : second.start].rstrip(" $€£¥")
    if (
        len(gap) > 60
        or second.start >= reading.sentence(first.start)[1]
        or first.kind != second.kind
        or first.unit != second.unit
    ):
        return 0
    before, _ = reading.around(first)
    if _EARLIER_FIRST.search(gap) and not _OTHER_TIME.search(gap) and _FROM.search(before.rstrip(" $€£¥")):
        return 1
    if _BEFORE_THAT.search(before[-60:]) or _NOW.match(reading.text, second.end):
        return 0
    told = _LATER_FIRST.search(gap)
    return -1 if told and not any(moves_in(told[0])) and not _FROM.search(before[-20:]) else 0


def source_order(one: tuple[Source, Place], other: tuple[Source, Place]) -> int:
    """1 where the second of two figures of one series of the source is the later one, -1 where the first is, 0 where it does not say."""
    if not _is_of_one_series(one, other):
        return 0
    years = [_year(source, place) for source, place in (one, other)]
    if years[0] is not None and years[1] is not None:
        return (years[1] > years[0]) - (years[1] < years[0])
    (source, place), (origin, twin) = one, other
    if source is not origin or place.table is not None or twin.table is not None:
        return 0
    left, right = sorted((place.figure, twin.figure), key=lambda figure: figure.start)
    told = order(source.reading, left, right)
    _, end = source.reading.sentence(left.start)
    if not told and right.start < end and len(_COMPARED.findall(source.reading.text, left.end, right.start)) == 1:
        told = -1
    return told if left is place.figure else -told


def is_change_to_another_year(one: tuple[Source, Place], other: tuple[Source, Place]) -> bool:
    """Whether a change, by the years of its column, does not lead to the year of a figure of the same row."""
    (_, change), (_, level) = one, other
    if change.row is None or change.row is not level.row or change.column is None or not change.change:
        return False
    years = set(map(int, _YEARS.findall(change.column.heading)))
    return len(level.periods) == 1 and len(years) > 1 and max(years) not in level.periods


def _is_of_one_series(one: tuple[Source, Place], other: tuple[Source, Place]) -> bool:
    """Whether two figures may be one thing at two times: not where each stands in a row or list of its own."""
    (source, place), (origin, twin) = one, other
    if place.row is not None and twin.row is not None:
        of_times = place.row.periods and twin.row.periods and place.column is twin.column
        return bool(of_times) or row_key(place.row) == row_key(twin.row)
    if place.row is not None or twin.row is not None or source is not origin:
        return True
    lists = [[each.start for each in source.reading.series(figure)] for figure in (place.figure, twin.figure)]
    return min(map(len, lists)) < 2 or lists[0] == lists[1]


def _year(source: Source, place: Place) -> int | None:
    periods: Periods = place.periods if place.table is not None else source.reading.periods(place.figure)[0]
    years = [period for period in periods if isinstance(period, int)]
    return years[0] if len(years) == 1 == len(periods) else None


def is_change_of(key: str, place: Place) -> bool:
    """Whether a row of changes is that of the row with a label: it has it in its own label, or stands right below it."""
    if place.table is None or place.row is None:
        return False
    rows = [row for row, _ in place.table.rows]
    at = next(number for number, row in enumerate(rows) if row is place.row)
    above = row_key(rows[at - 1]) if at else ""
    own = row_key(place.row)
    return key in own or (key == above and _ALONE.fullmatch(own or place.row.label.lower()) is not None)


def is_of_another_row(region: str, mention: Mention | None, place: Place) -> bool:
    """Whether the words before a figure name another row of its table, and have nothing of the label of its own."""
    if place.row is None or place.table is None:
        return False
    own = row_key(place.row)
    if mention is None:
        return own.isascii() and _has_head_of_another(region, own, place.table)
    if not own or mention.key == own or mention.key in own or own in mention.key:
        return False
    if any(mention.key in parent.lower() for parent in place.row.parents):
        return False
    if not any(row_key(row) == mention.key for row, _ in place.table.rows):
        return False
    return not _shares(own, mention.key, region)


def _has_head_of_another(region: str, own: str, table: Table) -> bool:
    """Whether a text has the first and most of the words of the label of another row, and none of its own label."""
    said = {word for word in _WORD.findall(_ASIDE.sub(" ", region)) if len(word) > _HEAD}
    words = set(_WORD.findall(own)) - _PLAIN
    if not said or not words or words & set(_WORD.findall(region)):
        return False
    there = {word[:_STEM] for word in _WORD.findall(region)}
    labels = (_WORD.findall(row_key(row)) for row, _ in table.rows)
    others = (
        {word[:_STEM] for word in label if word not in _PLAIN}
        for label in labels
        if label and label[0] in said - _PLAIN - set(_WORD.findall(own))
    )
    return any(2 * len(label & there) >= len(label) for label in others)


def names_in(text: str) -> list[str]:
    """The words with a capital inside a text, in lower case: names of things, as far as they are not its first word."""
    return [
        match[0].lower() for match in _NAME.finditer(text) if match.start() > 0 and match[0].lower() not in _NO_NAMES
    ]


def is_of_another_name(reading: ClaimContext, figure: Quantity, source: Source, place: Place) -> bool:
    """Whether a figure is given with a name that the words around it in the source, which have another one, do not have."""
    if place.table is not None:
        return False
    before, _ = reading.around(figure)
    own = set(_LATIN.findall((source.passage.company or "").lower()))
    if before and any(other.end == figure.start - len(before) for other in reading.quantities):
        before = _PARTED.split(before)[-1]  # of the figure before: 5 million for Ohio, 6 million
    names = [name for name in names_in(before[-_NEAR:]) if name not in own]
    if not names or names[-1] not in source.words:
        return False
    around = " ".join(source.reading.around(place.figure))
    others = set(names_in(around)) - own
    return bool(others) and names[-1] not in set(_LATIN.findall(around.lower()))


def _shares(own: str, other: str, region: str) -> bool:
    """Whether a text has a word of a label (in Chinese, two characters) that another label does not have."""
    if own.isascii():
        words = set(_WORD.findall(own)) - set(_WORD.findall(other)) - _PLAIN
        return not words or bool(words & set(_WORD.findall(region)))
    pairs = {own[at : at + 2] for at in range(len(own) - 1)} - {other[at : at + 2] for at in range(len(other) - 1)}
    rest = region.replace(other, " ")
    return not pairs or any(pair in rest for pair in pairs)


def is_past_unsaid(reading: ClaimContext, figure: Quantity, place: Place, source: Source, said: Sequence[int]) -> bool:
    """Whether a figure of an earlier year alone is given where no word tells it from one of the years that are `said`."""
    if place.row is None or place.column is None or len(place.periods) != 1 or place.row.periods or place.change:
        return False
    (year,) = place.periods
    if not isinstance(year, int) or year in said or not said or year >= max(said):
        return False
    start, _ = reading.sentence(figure.start)
    if any(year in mark.periods for mark in reading.marks(*reading.sentence(figure.start))):
        return False
    if _BASELINE.search(reading.text, start, figure.start) or _BASELINE.search(reading.around(figure)[1][:24]):
        return False
    return any(other.periods == {max(said)} for other in source.row_of(place))


@dataclass(frozen=True, slots=True)
class _Named:
    """A figure of the answer: the words that it stands among there, and those that its source has for it."""

    figure: Quantity
    said: frozenset[str]
    own: frozenset[str]
    column: frozenset[str]


def find_exchanged(
    reading: ClaimContext, proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity, str]]:
    """The pairs of figures that were exchanged, and what for."""
    figures = [each for each in reading.quantities if len(proved.get(each.start, ())) > 0]
    if len(figures) < 2:
        return
    yield from ((*pair, "names") for pair in _of_names(reading, figures, proved))
    yield from ((*pair, "rows") for pair in _of_lists(reading, figures, proved))
    yield from ((*pair, "times") for pair in _of_times(reading, figures, proved))


def _of_names(
    reading: ClaimContext, figures: Sequence[Quantity], proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity]]:
    named = [
        _Named(
            each,
            _words(beside := words_beside(reading, each, behind=True)) | _owners(beside),
            frozenset().union(*(_names(*found) for found in proved[each.start])),
            frozenset().union(*(_column(place) for _, place in proved[each.start])),
        )
        for each in figures
    ]
    for one, other in combinations(named, 2):
        if one.figure.kind != other.figure.kind or one.figure.value == other.figure.value:
            continue
        crossed = _crossed(one, other), _crossed(other, one)
        if min(crossed) > 0 and sum(crossed) >= _SURE:
            yield one.figure, other.figure


def _crossed(one: _Named, other: _Named) -> float:
    """How many words of the other's name a figure stands among, 0 where one of its own is there that the other lacks."""
    mine, others = (
        (one.own, other.own) if one.own != other.own else (one.column, other.column)
    )  # of one row: of which column
    if not mine or not others or one.said & (mine - others):
        return 0
    theirs = one.said & (others - mine)
    return sum(1 if word.isascii() else 0.5 for word in theirs)


def _names(source: Source, place: Place) -> frozenset[str]:
    if place.row is not None:
        own = place.row.label  # above a row in English a Chinese name may be that of the row before
        above = [each for each in place.row.parents[-1:] if each.isascii() == own.isascii() or not own]
        return _words(" ".join((*above, own)))
    return _words(words_beside(source.reading, place.figure, behind=True))


def words_beside(reading: ClaimContext, figure: Quantity, *, behind: bool = False) -> str:
    """The words around a figure up to the last break before the figure after it, and from that of the figure before it."""
    if name := _listed_name(reading, figure):
        return name
    before, after = reading.around(figure)
    has_earlier = figure.start - len(before) > reading.sentence(figure.start)[0]
    breaks = [match.end() for match in _BREAKS.finditer(before)] if has_earlier else []
    ends = [match.start() for match in _BREAKS.finditer(after)]
    before = before[breaks[-1] if breaks else 0 :]
    named_behind = behind and not _words(before) and (not ends or ends[0] > _CLOSE)  # 5 million of charges for A and B
    return f"{before} {after[: ends[0] if ends and not named_behind else len(after)]}"


def _listed_name(reading: ClaimContext, figure: Quantity) -> str:
    """What a figure of a list is of, where the names stand in the same order before it: A and B rose by 5 and 6 respectively."""
    group = reading.listed(figure)
    if not group:
        return ""
    before = reading.text[reading.sentence(figure.start)[0] : group[0].start]
    told = _RESPECTIVE.search(before)
    for clause in reversed(_CLAUSES.split(before[: told.start()] if told else before)):
        names = [name for name in clause.split("、") if name_like(name)]  # 租赁和商务服务业 is one
        if len(names) != len(group):
            names = [name for name in _LISTING.split(clause) if name_like(name)]
        if len(names) >= len(group):
            names[-1] = names[-1].split("的")[0] or names[-1]  # A、B和C的余额: what they all are of
            return names[-len(group) :][group.index(figure)]
    return ""


def name_like(text: str) -> bool:
    """Whether a text has a word that can name a thing."""
    return bool(_words(text))


def _column(place: Place) -> frozenset[str]:
    """The words that tell a column from others, whose accounts it is of among them."""
    heading = place.column.heading if place.column else ""
    return _words(heading) | _owners(heading)


def _owners(text: str) -> frozenset[str]:
    return frozenset(_OWNERS.findall(text.lower()))


def _words(text: str) -> frozenset[str]:
    """The words that can name a thing: how they start, in Chinese each two characters."""
    text = text.lower()
    latin = {word[:_SHORT] for word in _NAMING.findall(text)} - _NAME_NOTHING
    return frozenset(latin | {run[at : at + 2] for run in _HAN_RUN.findall(text) for at in range(len(run) - 1)})


def _of_lists(
    reading: ClaimContext, figures: Sequence[Quantity], proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity]]:
    """Figures listed in another order than those before them: costs of 5, 4 and 3, which fell 10, 20 and 30 percent respectively."""
    for told in _RESPECTIVE.finditer(reading.text):
        start, end = reading.sentence(told.start())
        inside = [each for each in figures if start <= each.start < end]
        after = [each for each in inside if each.kind == inside[-1].kind] if inside else []
        before = [each for each in inside if each.kind != inside[-1].kind]
        if len(before) != len(after) or len(after) < 2:
            continue
        rows = [
            [{id(place.row) for _, place in proved[each.start] if place.row} for each in group]
            for group in (before, after)
        ]
        for one, other in combinations(range(len(after)), 2):
            straight = rows[0][one] & rows[1][one] or rows[0][other] & rows[1][other]
            if not straight and rows[0][one] & rows[1][other] and rows[0][other] & rows[1][one]:
                yield after[one], after[other]


def _of_times(
    reading: ClaimContext, figures: Sequence[Quantity], proved: Mapping[int, Sequence[tuple[Source, Place]]]
) -> Iterator[tuple[Quantity, Quantity]]:
    """Figures each of which is given the year of the other."""
    wrong: list[tuple[Quantity, int, int]] = []
    for figure in figures:
        said = _year_said(reading, figure)
        years = {_year_known(*found) for found in proved[figure.start]}
        if said and len(years) == 1 and (year := years.pop()) and year != said:
            wrong.append((figure, said, year))
    for (one, *years_of_one), (other, *years_of_other) in combinations(wrong, 2):
        if years_of_one == years_of_other[::-1] and one.kind == other.kind:
            yield one, other


def _year_said(reading: ClaimContext, figure: Quantity) -> int:
    """The one year that a figure is said to be of, 0 where it is none or several."""
    years = [period for period in reading.periods(figure)[0] if isinstance(period, int)]
    return years[0] if len(years) == 1 else 0


def _year_known(source: Source, place: Place) -> int:
    if place.table is None:
        return _year_said(source.reading, place.figure)
    years = [period for period in place.periods if isinstance(period, int)]
    return years[0] if len(years) == 1 else 0
