"""An item on its way to becoming a record, and why it does not become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fingen.records import Passage, Record


@dataclass(frozen=True)
class Drop:
    """Why an item is rejected."""

    reason: str
    detail: str


MOST_TOLD = 8  # faults of an item that are told


def joined(faults: Sequence[Drop]) -> Drop | None:
    """One reject that tells of all faults of an item: its reason is that of the first, its detail lists them all."""
    if len(faults) < 2:
        return faults[0] if faults else None
    told = [faults[0].detail, *(f"{each.reason}: {each.detail}" for each in faults[1:MOST_TOLD])]
    more = [f"{len(faults) - MOST_TOLD} more"] if len(faults) > MOST_TOLD else []
    return Drop(faults[0].reason, "; also ".join([*told, *more]))


@dataclass(frozen=True)
class Draft:
    """A record before it is one: the closed-book row, its second question or "", the quotes not found, and the passages."""

    record: Record
    rephrased: str
    not_found: tuple[str, ...]
    passages: tuple[Passage, ...]
