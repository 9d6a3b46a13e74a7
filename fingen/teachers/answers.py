"""Read stored answers: each gives items, or is unusable as a whole, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from fingen.records import Broken, Completion, Parsed, Request
from fingen.teachers.journal import Journal

T = TypeVar("T")

AT_ONCE = 256  # answers that are in memory

Parse = Callable[[Request, str], Parsed[T]]  # raises ValueError: the answer as a whole is of no use
# `stop_reason` of an answer that may be whole: servers of other makers leave it out, or name the token that ended it.
ENDED = frozenset({"end_turn", "unknown", "eos_token", "eos", "stop_sequence", "complete", "completed"})


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The answer to a request: its items, or why it is unusable as a whole."""

    request: Request
    completion: Completion | None  # None: there is none
    unusable: str = ""
    items: list[T] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What the teacher wrote."""
        return self.completion.text if self.completion else ""


def repair_notes(repairs: Mapping[str, int]) -> list[str]:
    """What a summary says of answers that were read with repairs."""
    told = ", ".join(f"{count:,} with {what}" for what, count in sorted(repairs.items()))
    return [f"answers were read as they were meant: {told}; no word of an item is changed"] if repairs else []


def read_answers(journal: Journal, requests: Iterable[Request], parse: Parse[T]) -> Iterator[Answer[T]]:
    """Read the latest stored answer to each request, in the order of the requests."""
    left = iter(requests)
    while some := list(islice(left, AT_ONCE)):
        completions = journal.answers(request.key for request in some)
        yield from (read_answer(request, completions.get(request.key), parse) for request in some)


def read_answer(request: Request, completion: Completion | None, parse: Parse[T]) -> Answer[T]:
    """Read the answer to a request."""
    if completion is None or completion.stop_reason not in ENDED:
        return Answer(request, completion, completion.stop_reason if completion else "not answered")
    try:
        parsed = parse(request, completion.text)
    except ValueError as e:
        return Answer(request, completion, f"schema: {e}")
    return Answer(request, completion, "", parsed.items, parsed.broken, parsed.repairs)
