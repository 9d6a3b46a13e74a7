"""An item on its way to becoming a record, and why it does not become one."""

from __future__ import annotations

from dataclasses import dataclass

from fingen.records import Passage, Record


@dataclass(frozen=True)
class Drop:
    """Why an item is rejected."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Draft:
    """A record before it is one: the closed-book row, its second question or "", the quotes not found, and the passages."""

    record: Record
    rephrased: str
    not_found: tuple[str, ...]
    passages: tuple[Passage, ...]
