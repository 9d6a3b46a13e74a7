"""Whether what speaks against a figure is sure enough to reject it, or only a doubt.

The words of an answer are read by rules, and a sentence can always be built otherwise than they expect. So a figure that
stands in the source and seems to be of another row, column or time is rejected only where there is a rival: a figure of
the source that the words name, which the answer does not tell anywhere. Where the answer tells the rival as well, the
rules have more likely taken one for the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from fingen.quality.claims import LINK, LINK_ZH, ClaimContext, attached_polarity, is_balance, polarity
from fingen.quality.quantities import Quantity
from fingen.quality.rivals import name_words
from fingen.quality.source import Source, row_key, sizes
from fingen.quality.tables import Periods, Place

# Reasons that rest on how the words of an answer are read, and can err where a sentence is built as no rule expects. All others
# rest on digits, quotes and form.
READ_FROM_WORDS = frozenset(
    ("sign", "direction", "opposite", "cause", "binding-row", "binding-column", "binding-period", "binding-basis",
     "binding-entity")
)  # fmt: skip
_FEW = 2  # figures of a sentence whose words can hardly be another's
_NAME_ZH = 5  # characters
_HEAD_ZH = 8  # characters
_MOST = 2  # more than half of the words of a label name it


def may_be_doubtful(reason: str) -> bool:
    """Whether what a rule of this kind finds is weighed here; all others are sure."""
    return reason in ("binding-row", "binding-column", "binding-period", "sign")


def is_sure(
    wrong: tuple[str, str, Place, Source], reading: ClaimContext, figure: Quantity, contested: Collection[int]
) -> bool:
    """Whether what speaks against a figure is sure; `contested` are the starts of the figures that something speaks against.

    Where the answer tells the rival as well, and that figure is contested too, the two are exchanged.
    """
    reason, _, place, source = wrong
    start, end = reading.sentence(figure.start)
    count = sum(start <= each.start < end for each in reading.quantities)
    is_plain = count <= _FEW
    match reason:
        case "binding-row" if _is_named_right_before(reading, figure, place):
            return False
        case "binding-row" | "binding-column" if is_plain or place.row is None:
            return True
        case "binding-period" if is_plain:
            return not _is_on_a_day(reading, start, end)
        case "binding-row" | "binding-column":
            rivals = _of_label_said(reading, figure, source, place)
            return any(not tellers(reading, figure, rival) for rival in rivals)
        case "binding-period":
            rivals = _of_time_said(reading, figure, source, place)
        case "sign":
            return count == 1 or _is_sure_of_sign(reading, figure, source, place, is_plain=is_plain)
        case _:
            return True
    told = [tellers(reading, figure, rival) for rival in rivals]
    return any(not starts or any(start in contested for start in starts) for starts in told)


def tellers(reading: ClaimContext, figure: Quantity, rival: Place) -> list[int]:
    """Where the answer tells another figure of the source."""
    sizes_of = {*sizes(rival), abs(rival.figure.value)}
    return [
        each.start
        for each in reading.figures
        if each.start != figure.start
        and each.kind == rival.figure.kind
        and any(abs(abs(each.value) - size) <= each.step / 2 for size in sizes_of)
    ]


def _beside(source: Source, place: Place) -> Iterator[Place]:
    """The other figures of a row and of a column, of the same kind and another value."""
    near = (
        *(each for each in source.column_of(place) if each.row is not place.row),
        *(each for each in source.row_of(place) if each.column is not place.column),
    )
    yield from (
        each for each in near if each.figure.kind == place.figure.kind and each.figure.value != place.figure.value
    )


def _of_label_said(reading: ClaimContext, figure: Quantity, source: Source, place: Place) -> Iterator[Place]:
    """The figures beside one whose row, or in its row whose column, the sentence has most of the words of."""
    said = name_words(reading.text[slice(*reading.sentence(figure.start))])
    for rival in _beside(source, place):
        if rival.row is None or rival.column is None:
            continue
        label = rival.column.heading if rival.row is place.row else f"{rival.row.lead}{rival.row.label}"
        words = name_words(label)
        if words and _MOST * len(words & said) > len(words):
            yield rival


def _of_time_said(reading: ClaimContext, figure: Quantity, source: Source, place: Place) -> Iterator[Place]:
    """The figures beside one, in its row or sentence, that are of the time that the answer gives it."""
    claimed: Collection[int | str | None] = reading.periods(figure)[0] or {source.report_year}
    if place.row is not None:
        near: Iterable[tuple[Place, Periods]] = ((each, each.periods) for each in source.row_of(place))
    else:
        start, end = source.reading.sentence(place.figure.start)
        near = (
            (each, source.reading.periods(each.figure)[0]) for each in source.places if start <= each.figure.start < end
        )
    for other, periods in near:
        if (
            other is not place
            and other.figure.kind == place.figure.kind
            and periods.intersection(claimed)
            and other.change == place.change
        ):
            yield other


def _is_named_right_before(reading: ClaimContext, figure: Quantity, place: Place) -> bool:
    """Whether the label of a figure's own row, of two words or more, is the last that is said before it."""
    key = row_key(place.row) if place.row else ""
    before = reading.around(figure)[0].lower()
    if not key or (at := before.rfind(key)) < 0 or not (" " in key or (not key.isascii() and len(key) >= _NAME_ZH)):
        return False
    if before[at - 1 : at].isascii() and before[at - 1 : at].isalnum():
        return False  # realised gains, of unrealised gains
    gap = before[at + len(key) :]
    return LINK.fullmatch(gap) is not None or LINK_ZH.fullmatch(gap) is not None


def _is_on_a_day(reading: ClaimContext, start: int, end: int) -> bool:
    """Whether the only times of a sentence are days, on which a thing was done: its figure may be that of another year."""
    times = [each for each in reading.figures if start <= each.start < end and each.when[0]]
    return bool(times) and all(each.when[2] and reading.text.endswith("on ", 0, each.start) for each in times)


def _is_sure_of_sign(reading: ClaimContext, figure: Quantity, source: Source, place: Place, *, is_plain: bool) -> bool:
    """Whether what a figure is of has two sides, so that its sign says which, and the sentence speaks of one of them alone."""
    if place.row is None or place.column is None or place.change or place.percent or place.figure.kind != "amount":
        return True
    label = place.row.label if place.row.label.isascii() else place.row.label[-_HEAD_ZH:]  # what it is stands last
    attached = attached_polarity(reading, figure, costs=True)
    told = attached or reading.polarity(figure)
    has_sides = is_balance(label) or is_balance(place.column.heading) or (attached and source.is_signed(place))
    if not (has_sides or (told and polarity(label))):
        return False
    if heading := polarity(place.column.heading):
        return heading == -told
    sentence = reading.text[slice(*reading.sentence(figure.start))]
    return is_plain or not told or not polarity(place.row.label) or bool(polarity(sentence))
