"""Read stored answers: each gives items, or is unusable as a whole, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fingen.records import Completion, Request
from fingen.teachers.journal import Journal

T = TypeVar("T")
Broken = tuple[dict[str, Any], str]  # an item that is none, and what is wrong with it
Parse = Callable[[Request, str], tuple[list[T], list[Broken]]]  # raises ValueError: the answer as a whole is of no use


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The answer to a request: its items, or why it is unusable as a whole."""

    request: Request
    completion: Completion | None  # None: there is none
    unusable: str = ""
    items: list[T] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What the teacher wrote."""
        return self.completion.text if self.completion else ""


def read_answers(journal: Journal, requests: Iterable[Request], parse: Parse[T]) -> Iterator[Answer[T]]:
    """Read the latest stored answer to each request, in the order of the requests."""
    asked = list(requests)
    completions = journal.answers(request.key for request in asked)
    return (_read(request, completions.get(request.key), parse) for request in asked)


def _read(request: Request, completion: Completion | None, parse: Parse[T]) -> Answer[T]:
    if completion is None or completion.stop_reason != "end_turn":
        return Answer(request, completion, completion.stop_reason if completion else "not answered")
    try:
        items, broken = parse(request, completion.text)
    except ValueError as e:
        return Answer(request, completion, f"schema: {e}")
    return Answer(request, completion, "", items, broken)
