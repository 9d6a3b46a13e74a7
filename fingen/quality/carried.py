"""Figures behind the one that a clause begins with: they are of the row that it names, until it names another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from fingen.quality.claims import ClaimContext
from fingen.quality.labels import Mention
from fingen.quality.quantities import Quantity
from fingen.quality.source import Source, row_key
from fingen.quality.tables import Place, label_key

_TOTAL = re.compile(r"\b(?:total|consolidated|group|net)\b|合计|小计|总", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{4,}")
_REACHED = re.compile(r"\b(?:from|to) [a-z ]{0,15}(?:rmb|us|hk|c|a)?[$€£¥]?$")
_SERIES = re.compile(r"\b(?:from|to|at|was|were|is|are)\b[^.,;]{0,16}$")
_PARTED = re.compile(r"[,，;；](?![0-9])")
_APART = re.compile(r"[;；。]|\b(?:whereas|while|but)\b|而(?!且)")
Places = Mapping[int, Sequence[tuple[Source, Place]]]


def find_other_rows(
    reading: ClaimContext, places: Places, mentions_in: Callable[[int, int, Source], Sequence[Mention]]
) -> Iterator[tuple[Quantity, str]]:
    """The figures that stand in another row than the one that their clause is about, of which the table has such a figure too."""
    lower = reading.text.lower()
    quantities = [each for each in reading.quantities if each.start in places]
    for before, figure in pairwise(quantities):
        twin = _at_its_place(reading, figure)
        first = twin if twin and twin.start in places else before
        if first.start < reading.sentence(figure.start)[0] or _APART.search(lower, first.end, figure.start):
            continue
        if _is_change_and_level(reading, lower, first, figure):
            continue
        start = reading.sentence(figure.start)[0]
        told = {
            id(place.row)
            for each in quantities
            if start <= each.start < figure.start
            for _, place in places[each.start]
        }
        if first is before and any(place.row and id(place.row) in told for _, place in places[figure.start]):
            continue  # its row was spoken of before
        if detail := _other_row(lower, first, figure, places, mentions_in):
            yield figure, detail


def _is_change_and_level(reading: ClaimContext, lower: str, first: Quantity, figure: Quantity) -> bool:
    """Whether the second figure is what the first one was added to or taken from, or left: it fell by 5, from 20."""
    before, _ = reading.around(first)
    return _REACHED.search(lower, first.end, figure.start) is not None and not _SERIES.search(before.lower())


def _at_its_place(reading: ClaimContext, figure: Quantity) -> Quantity | None:
    """The figure at the same place in the list before that of a figure: A和B分别增长5%和6%，库存则下降7%和8%."""
    start, end = reading.sentence(figure.start)
    if not reading.is_respective(start, end):
        return None
    inside = [each for each in reading.quantities if start <= each.start < end]
    lists = [
        list(group) for _, group in groupby(inside, lambda each: len(_PARTED.findall(reading.text, start, each.start)))
    ]
    own = next((number for number, group in enumerate(lists) if figure in group), 0)
    if own and len(lists[own]) == len(lists[own - 1]) > 1:
        return lists[own - 1][lists[own].index(figure)]
    return None


def _other_row(
    lower: str, first: Quantity, figure: Quantity, places: Places,
    mentions_in: Callable[[int, int, Source], Sequence[Mention]],
) -> str | None:  # fmt: skip
    rows = {id(place.row) for _, place in places[first.start] if place.row}
    gap = lower[max(first.end, lower.rfind("，", 0, figure.start)) : figure.start]
    wrong = None
    for source, place in places[figure.start]:
        if place.row is None or id(place.row) in rows or _TOTAL.search(place.row.label) or not row_key(place.row):
            return None
        twins = [
            other
            for origin, known in places[first.start]
            if origin is source and known.table is place.table and known.row is not None
            for other in source.row_of(known)
            if other.column is place.column and other.figure.kind == place.figure.kind
        ]
        named = {each.key for each in mentions_in(first.end, figure.start, source)}
        if (
            not twins
            or row_key(place.row) in named
            or _names_some(gap, label_key(place.row.label))
            or place.row.periods  # rows of times
            or not _heads(gap, place)
        ):
            return None
        if any(abs(twin.figure.value) == abs(place.figure.value) for twin in twins):
            return None
        wrong = f"the row that the clause is about has {source.text[twins[0].figure.start : twins[0].figure.end]}"
    return wrong


def _heads(gap: str, place: Place) -> bool:
    """Whether the words before a figure name the column that it stands in: the margin of the same row."""
    heading = place.column.heading.lower() if place.column else ""
    return _names_some(gap, heading)


def _names_some(text: str, label: str) -> bool:
    if label.isascii():
        return any(word in text for word in _WORD.findall(label))
    return any(
        label[at : at + 2] in text
        for at in range(len(label) - 1)
        if label[at] >= "\u4e00" and label[at + 1] >= "\u4e00"
    )
