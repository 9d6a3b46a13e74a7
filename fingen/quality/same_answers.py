"""Answers of one report that say nearly the same, whatever they were asked for: as concept and as summary, or of two passages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from rapidfuzz import fuzz

from fingen.records import Record
from fingen.spool import read_in

SAME = 85.0  # of 100, from which on answers with the same figures and a quote in common say the same
_FIGURE = re.compile(r"\d[\d.,]*")


def same_answers(records: Sequence[Record], *, better: Callable[[Record], Any]) -> Iterator[tuple[int, str]]:
    """The places of records that repeat the answer of one that stays, each with which; `better` is a sort key that puts what stays first.

    What differs in a figure, or rests on other quotes, as another measure does, is never called the same. The records may lie on disk:
    those of one report are looked at together.
    """
    reports: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        if record.document and not record.label:
            reports[record.document].append(place)
    for places in reports.values():
        stays: dict[Hashable, list[Record]] = defaultdict(list)
        there = zip(places, read_in(records, places), strict=True)
        for place, record in sorted(there, key=lambda each: better(each[1])):
            alike = stays[_group(record)]
            first = next((other for other in alike if _say_the_same(record, other)), None)
            if first is None:
                alike.append(record)
            else:
                yield place, f"nearly the answer of {first.id}"


def _group(record: Record) -> Hashable:
    figures = sorted(figure.rstrip(".,") for figure in _FIGURE.findall(record.output))
    return bool(record.input), tuple(figures)


def _say_the_same(one: Record, other: Record) -> bool:
    shared = {quote.quote for quote in one.evidence} & {quote.quote for quote in other.evidence}
    return bool(shared) and fuzz.ratio(one.output, other.output, score_cutoff=SAME) > 0
