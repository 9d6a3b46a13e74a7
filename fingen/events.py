"""What a run tells on its way and at its end, and the price that it asks consent to."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field


def command_line(*words: object) -> str:
    """A command as it is typed: what holds a space or means something to a shell is in quotes."""
    return shlex.join(map(str, words))


@dataclass(frozen=True)
class Waiting:
    """News: what is on its way. `said` is something that happened once."""

    batches: int
    requests: int
    done: int  # of the requests, as far as the provider tells
    said: str = ""


@dataclass(frozen=True)
class Answered:
    """News: a request was answered; `done` of `total`, at a cost so far (None: at a price that is not known)."""

    done: int
    total: int
    spent_usd: float | None = 0.0


@dataclass(frozen=True)
class Estimate:
    """What asking would send and cost. USD are (low, expected, most); None: the price is not known."""

    teacher: str
    requests: int
    from_journal: int
    pairs: int
    input_tokens: int
    output_tokens: int
    usd: tuple[float, float, float] | None
    batch_usd: tuple[float, float, float] | None  # the same as a batch
    batch: bool = False  # `usd` is that already
    masked: dict[str, int] = field(default_factory=dict)  # kind of personal data -> marks in its place in what is sent
    found_by: str | None = None  # the variable of the key that the teacher was found by, where nobody named it
    budget_all_usd: float | None = None  # that all sets and scores of its folder may cost
    beside_usd: float | None = None  # of it, what those beside this one have cost, and may still
    check: str = ""  # the second teacher that is to check the answers, which `usd` does not have
    check_usd: tuple[float, float, float] | None = None
    notes: list[str] = field(default_factory=list)  # what to know before it is asked
    exit_code: int = 0


@dataclass(frozen=True)
class Note:
    """News: something to know before, or while, a teacher is asked."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What every command tells at its end, beside what is its own. `exit_code` is 0, or 1 where it fell short."""

    notes: list[str] = field(default_factory=list)
    changed: bool = True  # whether anything was written
    next: str = ""  # the command to type next
    exit_code: int = 0
