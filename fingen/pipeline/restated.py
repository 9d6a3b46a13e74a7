"""Amounts of one item and period that two reports of a company give differently: one of them was restated, or is read wrongly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fingen.pipeline.reports import heads_of
from fingen.quality.duplicates import fold
from fingen.quality.evidence import locate
from fingen.records import Document
from fingen.tasks.qa import build_passage
from fingen.teachers.offline.statements import Row, statement_rows

SAME_DAY = 10  # days between the ends of two fiscal years of one name: 52 and 53 weeks
SHOWN = 5  # of what two reports give differently
_SCALES = {"": 1, "thousand": 10**3, "万": 10**4, "million": 10**6, "billion": 10**9}


@dataclass(frozen=True)
class _Figure:
    """An amount of a statement, in whole units; `step` is what its last digit stands for."""

    value: Decimal
    step: Decimal
    currency: str
    told: str
    page: int


def different_values(documents: Sequence[Document]) -> list[str]:
    """A line for each item whose amount of a year a report gives otherwise than that year's own report."""
    by_company: dict[tuple[str, str], list[tuple[int, Document]]] = defaultdict(list)
    for place, head in enumerate(heads_of(documents)):
        if head.company and head.period.kind == "annual" and len(head.period.end or "") == 10:
            by_company[fold(head.company), head.language].append((place, head))
    lines: list[str] = []
    for group in by_company.values():
        known = {head.path: _figures(documents[place]) for place, head in group} if len(group) > 1 else {}
        for earlier, later in ((a, b) for _, a in group for _, b in group if _follows(a, b)):
            lines += _differences(earlier, later, known)
    return lines


def _follows(earlier: Document, later: Document) -> bool:
    """Whether a report is that of the year after another one."""
    first, second = (date.fromisoformat(document.period.end or "") for document in (earlier, later))
    return abs((second - first).days - 365) <= SAME_DAY


def _differences(earlier: Document, later: Document, known: dict[str, dict[tuple[str, str], _Figure]]) -> Iterator[str]:
    found = []
    for (item, time), after in known[later.path].items():
        before = known[earlier.path].get((item, "now"))
        if time == "before" and before and before.currency == after.currency and _differ(before, after):
            found.append(
                f"{item} {before.told} ({earlier.path}, page {before.page}), {after.told} ({later.path}, page {after.page})"
            )
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        yield f"{earlier.company}, {earlier.period.end}, told differently a year later: {'; '.join(found[:SHOWN])}{more}"


def _differ(one: _Figure, other: _Figure) -> bool:
    """Whether no rounding makes two amounts one; a cost may stand with brackets or without."""
    return abs(abs(one.value) - abs(other.value)) >= max(one.step, other.step)


def _figures(document: Document) -> dict[tuple[str, str], _Figure]:
    """(item, "now" or "before") -> its first amount in the document's statements."""
    figures: dict[tuple[str, str], _Figure] = {}
    for chunk in document.chunks:
        for row in statement_rows(build_passage(document, chunk)):
            place = locate(row.quote, [chunk])
            if row.span == "year" and place:
                for time in ("now", "before"):
                    figures.setdefault((row.item.name, time), _figure(row, time, place[0].page))
    return figures


def _figure(row: Row, time: str, page: int) -> _Figure:
    amount = row.now if time == "now" else row.before
    scale = Decimal(_SCALES[row.money.scale])
    decimals = len(amount.digits.partition(".")[2])
    told = f"{row.money.currency}{amount.digits} {row.money.scale}".strip()
    return _Figure(amount.value * scale, scale.scaleb(-decimals), row.money.currency, told, page)
