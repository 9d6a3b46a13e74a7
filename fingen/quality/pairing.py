"""Which of several figures is said of which thing and of which time: names and figures that a sentence pairs wrongly."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
_NOW = re.compile(r"\s(?:now|this (?:year|time|quarter)|currently)\b")
_OTHER_TIME = re.compile(r"[，,][^，,]{0,8}(?:19|20)[0-9]{2}年")  # 由A收窄，2019年为B
_FROM = re.compile(r"\bfrom\b[^.;,]{0,24}$|[由从自][^，。；]{0,14}$")
_WORD = re.compile(r"[a-z]{4,}")
_LATIN = re.compile(r"[a-z]+")
_NAME = re.compile(r"(?<=[\w,;)’] )(?:the )?[A-Z][A-Za-z]{2,}")
_NO_NAMES = frozenset(
    "company group board directors fiscal year january february march april may june july august september october november december "
    "rmb usd eur gbp".split()
)
_ASIDE = re.compile(
    r"\b(?:before|excluding|without|after|because of|due to|despite|net of|thanks to|including) (?:the |any |all )?[a-z]+"
)
_PARTED = re.compile(r"[,;]| (?:and|while|but) ")
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
    """1 where the second of two figures of the source is the later one, -1 where the first is, 0 where it does not say."""
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
    if _BASELINE.search(reading.text, start, figure.start) or _BASELINE.search(reading.around(figure)[1][:24]):
        return False
    return any(other.periods == {max(said)} for other in source.row_of(place))
