"""Ask a teacher everything that the journal does not know yet, a fixed number of requests at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from fingen.records import Completion, Request
from fingen.teachers.base import Teacher
from fingen.teachers.journal import GROUP_SECONDS, Journal

OnAnswer = Callable[[Request, Completion], None]


async def dispatch(
    requests: Iterable[Request],
    teacher: Teacher,
    journal: Journal,
    *,
    concurrency: int,
    on_answer: OnAnswer,
) -> int:
    """Ask what is missing and journal each answer; returns the number of answers stored.

    `requests` is pulled lazily, one request for each free worker. A request whose key has a usable answer in the
    journal, or was asked before in this run, is passed over: `on_answer` sees only new answers, after the journal has
    them. Any error stops the run: what is in flight is finished and stored, then the first error is raised. Cancelling
    drops what is in flight and keeps every answer that was stored.

    Args:
        requests: What to ask; may hold a key twice.
        teacher: Who is asked.
        journal: Where the answers go; opened in this thread.
        concurrency: Requests in flight, at most; at least 1.
        on_answer: Called with each new answer, for progress; must be quick.

    Raises:
        TeacherError: The teacher refused or cannot be reached.
        LimitError: The journal cannot be written.
    """
    run = _Run(iter(requests), teacher, journal, on_answer)
    workers = [asyncio.create_task(run.work()) for _ in range(concurrency)]
    try:
        while (await asyncio.wait(workers, timeout=GROUP_SECONDS))[1]:
            journal.flush()  # the journal looks at the clock only when it stores: a slow teacher makes long pauses
    finally:
        for worker in workers:
            worker.cancel()  # those that have ended do not notice
        try:
            await asyncio.gather(*workers, return_exceptions=True)
        finally:
            journal.flush()  # also when a second cancellation does not wait for the workers
    if run.error:
        raise run.error
    return run.stored


@dataclass
class _Run:
    """What the workers of one run share. They take turns on one thread, so nothing here needs a lock."""

    requests: Iterator[Request]
    teacher: Teacher
    journal: Journal
    on_answer: OnAnswer
    asked: set[str] = field(default_factory=set)
    stored: int = 0
    stopped: bool = False
    error: Exception | None = None  # the first one

    async def work(self) -> None:
        """Pull and ask until the requests are used up or another worker has failed."""
        try:
            while not self.stopped and (request := next(self.requests, None)) is not None:
                if self.is_new(request.key):
                    self.keep(request, await self.teacher.complete(request))
                await asyncio.sleep(0)  # a teacher that computes on the CPU never gives the others a turn
        except Exception as e:
            self.error = self.error or e
            raise
        finally:
            self.stopped = True

    def is_new(self, key: str) -> bool:
        """Whether nobody has the answer; claims the key for this run."""
        new = key not in self.asked and bool(self.journal.missing([key]))
        self.asked.add(key)
        return new

    def keep(self, request: Request, completion: Completion) -> None:
        """Store the answer, and only then show it."""
        self.journal.store(request, completion)
        self.stored += 1
        self.on_answer(request, completion)
