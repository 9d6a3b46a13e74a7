"""Work in a thread whose pieces are read in the event loop as they come; who reads no more ends it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Generic, Self, TypeVar

PLACES = threading.BoundedSemaphore(8)  # what is done at once; more waits
P = TypeVar("P")
R = TypeVar("R")


class Work(Generic[P, R]):
    """Pieces as they come, and the result when there are no more. What the work raises is raised where it is read."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[P | None] = asyncio.Queue()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._result: R | None = None
        self._is_over = False

    @property
    def is_stopped(self) -> bool:
        """Whether nobody wants more."""
        return self._stop.is_set()

    @property
    def result(self) -> R:
        """What came of it, once all pieces were read."""
        assert self._result is not None
        return self._result

    def stop(self) -> None:
        """Ask the work to end with what it has."""
        self._stop.set()

    def hand_on(self, piece: P) -> None:
        """Give a piece to the reader; from the thread."""
        self._put(piece)

    def _put(self, piece: P | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    def run(self, work: Callable[[Work[P, R]], R]) -> None:
        """Do it; in the thread."""
        try:
            with PLACES:
                self._result = work(self)
        except BaseException as e:
            self._error = e
            if not isinstance(e, Exception):
                raise
        finally:
            self._put(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> P:
        piece = None if self._is_over else await self._pieces.get()
        if piece is None:
            self._is_over = True
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        return piece

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self.stop()


def run_beside(work: Callable[[Work[P, R]], R]) -> Work[P, R]:
    """Begin some work in a thread of its own, which does not keep the program from ending."""
    begun: Work[P, R] = Work()
    threading.Thread(target=begun.run, args=(work,), daemon=True).start()
    return begun


async def together(works: Sequence[Work[P, R]]) -> AsyncIterator[P]:
    """The pieces of several works, in the order in which they come."""
    waiting = {asyncio.ensure_future(work.__anext__()): work for work in works}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                work = waiting.pop(task)
                try:
                    piece = task.result()
                except StopAsyncIteration:
                    continue
                waiting[asyncio.ensure_future(work.__anext__())] = work
                yield piece
    finally:
        for task in waiting:
            task.cancel()
