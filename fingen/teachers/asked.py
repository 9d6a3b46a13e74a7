"""Requests on disk: what a run over thousands of reports asks is many times what fits in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

from fingen.records import Passage, Request
from fingen.spool import Named, Spool

Shared = tuple[str, dict[str, Any]]  # what many requests have in common: the system prompt and the schema of answers


class Requests(Sequence[Request]):
    """Requests in the order in which they were asked for; in memory are their keys, and which passages they show.

    `near` is where the file with them lies: see `fingen.spool.open_unnamed`.
    """

    def __init__(self, near: Path | None, requests: Iterable[Request] = ()) -> None:
        self._rows = Spool[tuple[int, Request]](near)
        self._shared: list[Shared] = []
        self._shared_at: dict[tuple[str, int], int] = {}
        self._numbers: dict[str, int] = {}  # by the key; of two with one key the last one's, in the place of the first
        self._shown: dict[str, int] = {}  # chunk -> the number of a request that shows it
        for request in requests:
            self.append(request)

    @property
    def keys(self) -> list[str]:
        """Their keys, each once."""
        return list(self._numbers)

    @property
    def by_key(self) -> Mapping[str, Request]:
        """The requests by their keys."""
        return Named(self._numbers, lambda key: self[self._numbers[key]])

    @property
    def passages(self) -> Mapping[str, Passage]:
        """The passages that they show, by the id of their chunk."""
        return Named(self._shown, self._passage)

    def append(self, request: Request) -> None:
        """Take in a request.

        Raises:
            LimitError, UsageError: it cannot be written.
        """
        shared = request.system, id(request.answer_schema)  # held below: no other one gets its id
        if shared not in self._shared_at:
            self._shared_at[shared] = len(self._shared)
            self._shared.append((request.system, request.answer_schema))
        own = request.model_copy(update={"system": "", "answer_schema": {}})
        number = self._rows.append((self._shared_at[shared], own))
        self._numbers[request.key] = number
        self._shown.update((passage.chunk, number) for passage in request.passages)

    def _passage(self, chunk: str) -> Passage:
        return next(each for each in self[self._shown[chunk]].passages if each.chunk == chunk)

    def _whole(self, row: tuple[int, Request]) -> Request:
        system, schema = self._shared[row[0]]
        return row[1].model_copy(update={"system": system, "answer_schema": schema})

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Request]:
        return map(self._whole, self._rows)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Request: ...
    @overload
    def __getitem__(self, place: slice) -> list[Request]: ...
    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return list(map(self._whole, self._rows[place]))
        return self._whole(self._rows[place])


def keys_of(requests: Sequence[Request]) -> list[str]:
    """The keys of requests, each once."""
    return requests.keys if isinstance(requests, Requests) else list(dict.fromkeys(each.key for each in requests))


def by_key(*several: Sequence[Request]) -> Mapping[str, Request]:
    """Requests by their keys; of two with one key the last one, in the place of the first."""
    found = [each.by_key if isinstance(each, Requests) else {one.key: one for one in each} for each in several]
    if len(found) == 1:
        return found[0]
    of = {key: number for number, each in enumerate(found) for key in each}
    return Named(of, lambda key: found[of[key]][key])
