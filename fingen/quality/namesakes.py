"""Whether the figure that a question names by its row and year alone is the only one of that name in its report.

“Inventories” of 2022 in a note may be those of a company that is held in part, of a segment, or what of them is deferred tax. The
report tells: where its own statements give that row another figure for that year, the question asks for the statements' figure.
Where no statement has the row and two tables disagree, nobody knows which one is meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from fingen.items import is_statement
from fingen.quality.source import prepare
from fingen.quality.steps import Cell, beside_time, cells_of, is_bare_total, places_of, row_key, stands_within
from fingen.quality.tables import Place
from fingen.records import Passage, Record
from fingen.spool import read_in

NAMESAKE = "namesake"  # the reason of what is rejected
_NEAR = Decimal("0.0005")  # of an amount, by which two prints of it may differ where one is rounded to another unit


@dataclass(frozen=True)
class _Printed:
    """A figure as a table of a report has it."""

    place: Place
    passage: Passage

    @cached_property
    def sizes(self) -> frozenset[tuple[Decimal, Decimal]]:
        """What its digits may stand for, each with the size of its last digit."""
        figure = self.place.figure
        return frozenset((figure.shown * scale, figure.step * scale) for scale in self.place.scales)

    @property
    def is_rate(self) -> bool:
        """Whether it is a percentage."""
        return self.place.percent or self.place.figure.kind == "percent"

    @property
    def is_of_statement(self) -> bool:
        """Whether it stands in a statement of the company as a whole."""
        titles = (*self.passage.section[-1:], *(basis.text for basis in self.passage.basis))
        return any(map(is_statement, titles))

    def is_same(self, other: _Printed) -> bool:
        """Whether two prints may be of one amount."""
        return any(
            abs(a - b) <= max(step, other_step) / 2 + _NEAR * max(a, b)
            for a, step in self.sizes
            for b, other_step in other.sizes
        )


_Report = Mapping[tuple[str, int], Sequence[_Printed]]  # a row and a year -> its figures


def find_namesakes(
    records: Sequence[Record], of_document: Callable[[str], Iterable[Passage]]
) -> Iterator[tuple[int, str]]:
    """The places of rows whose program takes a cell that its report has another figure for as well, each with the page of that one.

    A row without a program has none, nor has a cell of which the question says in which total it stands. `of_document` gives the passages
    of a report. The rows may lie on disk: those of one report are looked at together.
    """
    asked: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        if record.program and "cells" in record.draws:
            asked[record.document].append(place)
    for document, places in asked.items():
        passages = list(of_document(document))
        report = _read(passages)
        for place, record in zip(places, read_in(records, places), strict=True):
            cells = cells_of(record)
            own = [passage for passage in passages if passage.chunk in record.chunks]
            standing = (cell for cell in cells if not (is_bare_total(cell) or _is_placed(cell, cells, record)))
            found = filter(None, (_namesake(cell, own, report) for cell in standing))
            if (namesake := next(found, None)) is not None:
                yield place, namesake


def _is_placed(cell: Cell, cells: Sequence[Cell], record: Record) -> bool:
    return stands_within(cell, cells, str(record.draws.get("operation")), record.instruction)


def _read(passages: Iterable[Passage]) -> _Report:
    found: dict[tuple[str, int], list[_Printed]] = defaultdict(list)
    for passage in passages:
        if any(basis.kind == "parent" for basis in passage.basis):
            continue  # no question asks for it without saying so
        for place in prepare(passage).places:
            years = [period for period in place.periods if isinstance(period, int)]
            is_told = place.row is not None and place.figure.kind in ("amount", "percent") and not place.change
            if place.row is not None and is_told and len(years) == len(place.periods) == 1:
                found[row_key(place.row.label), years[0]].append(_Printed(place, passage))
    return found


def _namesake(cell: Cell, passages: Sequence[Passage], report: _Report) -> str | None:
    own = [_Printed(place, passage) for passage in passages for place in places_of(cell, prepare(passage))]
    columns = {(beside_time(each.place), each.is_rate) for each in own}
    there = [
        (each, any(map(each.is_same, own)))
        for each in report.get((row_key(cell.row), int(cell.period)), ())
        if (beside_time(each.place), each.is_rate) in columns
    ]
    if any(each.is_of_statement and is_same for each, is_same in there):
        return None
    others = [each for each, is_same in there if not is_same]
    if not others:
        return None
    told = next((each for each in others if each.is_of_statement), others[0])
    where = f"page {told.passage.pages[0]}" if told.passage.pages[0] else " > ".join(told.passage.section[-1:])
    return f"“{cell.row}” of {cell.period} is another amount on {where}"
