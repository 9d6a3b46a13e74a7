"""Where requests go: to the one server of a teacher, or to several, each of which gets as many as it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from fingen.errors import TeacherError
from fingen.teachers.base import Teacher
from fingen.teachers.rate_limit import RateLimit

NOBODY: frozenset[Server] = frozenset()


@dataclass(eq=False)
class Server:
    """One that answers, how much it takes, and whether it is left out: for a while, and longer each time that it fails again."""

    teacher: Teacher
    rate_limit: RateLimit
    failures: int = 0  # since it answered last
    rests_until: float = 0.0  # the loop's time
    is_tried: bool = False  # with one request, after a rest
    is_told: bool = False  # the user knows that it failed

    def is_up(self, now: float) -> bool:
        """Whether it may get a request: after a rest it gets one, and more when it has answered."""
        return not self.failures or (now >= self.rests_until and not self.is_tried)


@dataclass(frozen=True)
class Place:
    """A slot for one request at a server, and the round of its rate limit."""

    server: Server
    sent_in: int


@dataclass(eq=False)
class _Turn:
    place: asyncio.Future[Place]
    avoid: Set[Server]


@dataclass
class Servers:
    """All servers of a teacher. They share one queue: whoever waits longest gets the first slot that is free anywhere.

    Args:
        all: The servers.
        rest_seconds: How long one is left out after an error, and so many failures before it.
        say: Told of each server that is left out, once.
    """

    all: Sequence[Server]
    rest_seconds: Callable[[TeacherError, int], float]
    say: Callable[[str], None] = lambda text: None
    _queue: deque[_Turn] = field(default_factory=deque)

    async def enter(self, avoid: Set[Server] = NOBODY) -> Place:
        """Wait for a slot, first come, first served; not at those to `avoid`, as long as another one answers."""
        if server := self._pick(avoid):
            return _take(server)
        turn = _Turn(asyncio.get_running_loop().create_future(), avoid)
        self._queue.append(turn)
        try:
            return await turn.place
        except asyncio.CancelledError:
            if not turn.place.cancelled():  # the slot was given at the same moment
                turn.place.result().server.rate_limit.in_flight -= 1
                self._admit()
            raise

    def leave(self, place: Place, error: TeacherError | None = None) -> None:
        """Give a slot back; `error` is what came in place of an answer."""
        server = place.server
        server.rate_limit.leave(place.sent_in, limited=error is not None and error.limited)
        if error is None or not is_failing(error):
            server.failures, server.is_tried = 0, False
        elif len(self.all) > 1:
            self._rest(server, error)
        self._admit()

    def has_other(self, avoid: Set[Server]) -> bool:
        """Whether one answers that is not to be avoided."""
        now = asyncio.get_running_loop().time()
        return any(server.is_up(now) for server in self.all if server not in avoid)

    def _rest(self, server: Server, error: TeacherError) -> None:
        """Leave a server out for a while. What was sent before it failed fails with it, and makes that no longer."""
        loop = asyncio.get_running_loop()
        server.is_tried = False
        if server.failures and loop.time() < server.rests_until:
            return
        server.rests_until = loop.time() + self.rest_seconds(error, server.failures)
        server.failures += 1
        loop.call_at(server.rests_until, self._admit)
        if not server.is_told:
            server.is_told = True
            self.say(f"{error}; it is left out, and tried again now and then")

    def _pick(self, avoid: Set[Server]) -> Server | None:
        """The server with the most free slots; where none answers, any of them is asked, as one alone would be."""
        up = self.all
        if len(self.all) > 1:
            now = asyncio.get_running_loop().time()
            up = [server for server in self.all if server.is_up(now)]
        usable = [server for server in up if server not in avoid] or up or self.all
        best = max(usable, key=lambda server: server.rate_limit.room)
        return best if best.rate_limit.room > 0 else None

    def _admit(self) -> None:
        """Give the free slots to those that wait longest."""
        passed_over: list[_Turn] = []
        while self._queue and self._pick(NOBODY):
            turn = self._queue.popleft()
            if turn.place.cancelled():
                continue
            if server := self._pick(turn.avoid):
                turn.place.set_result(_take(server))
            else:
                passed_over.append(turn)
        self._queue.extendleft(reversed(passed_over))


def open_servers(
    teachers: Sequence[Teacher],
    ceiling: int,
    rest_seconds: Callable[[TeacherError, int], float],
    say: Callable[[str], None] = lambda text: None,
) -> Servers:
    """The servers of a teacher, each of which gets at most `ceiling` requests at once."""
    return Servers([Server(teacher, RateLimit(ceiling)) for teacher in teachers], rest_seconds, say)


def is_failing(error: TeacherError) -> bool:
    """Whether an error says that its server answers nobody: it is not there, broke off, or has an error of its own."""
    return error.retryable and not error.limited


def _take(server: Server) -> Place:
    server.is_tried = server.failures > 0
    return Place(server, server.rate_limit.enter())
