"""How fast to ask: as many requests at once as the server takes, found by trying, and never more a minute than allowed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

START = 16  # requests in flight to begin with
SHRINK = 0.75  # after the server said that this was too much


class RateLimit:
    """Slots for requests in flight; their number follows the server.

    It is doubled each round trip until the server first says too much, then cut to three quarters, at most once a round
    trip, and grown by one a round trip while the server is content. This is TCP's slow start and additive increase with
    multiplicative decrease (RFC 5681), with a gentler cut: requests are dear, and servers say plainly when they have enough.
    """

    def __init__(self, ceiling: int) -> None:
        self.limit = float(min(START, ceiling))
        self.in_flight = 0
        self._ceiling = ceiling
        self._slow_start = True
        # A round ends when as many answers have come as were allowed in flight; in slow start, with its first one.
        self._round = 0
        self._answers = 0
        self._cut_at = -1

    @property
    def room(self) -> int:
        """Free slots."""
        return int(self.limit) - self.in_flight

    def enter(self) -> int:
        """Take a free slot; returns the round in which the request is sent."""
        self.in_flight += 1
        return self._round

    def leave(self, sent_in: int, *, limited: bool) -> None:
        """Give the slot back; `limited` says that the server refused it as too much."""
        self.in_flight -= 1
        if sent_in > self._cut_at:  # what was sent before the last cut says nothing about the limit since
            if limited:
                self._shrink()
            else:
                self._grow(sent_in)

    def _shrink(self) -> None:
        self._slow_start = False
        self.limit = max(1.0, self.limit * SHRINK)
        self._cut_at = self._round
        self._next_round()

    def _grow(self, sent_in: int) -> None:
        self._answers += 1
        if self._slow_start and sent_in == self._round:  # the first answer of a round: it took a round trip
            self.limit = min(self._ceiling, self.limit * 2)
            self._next_round()
        elif self._answers >= int(self.limit):
            self.limit = min(self._ceiling, self.limit + 1)
            self._next_round()

    def _next_round(self) -> None:
        self._round += 1
        self._answers = 0


class PerMinute:
    """At most `most` units (requests, tokens) in any minute; None is no limit. `clock` and `sleep` are time's."""

    def __init__(
        self,
        most: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._most = most
        self._clock, self._sleep = clock, sleep
        self._spent: deque[tuple[float, int]] = deque()
        self._turn = asyncio.Lock()

    async def take(self, units: int) -> None:
        """Wait until `units` fit into the minute; more than a minute's worth waits for an empty minute."""
        if self._most is None:
            return
        async with self._turn:  # first come, first served
            while (wait := self._wait(min(units, self._most))) > 0:
                await self._sleep(wait)
            self._spent.append((self._clock(), min(units, self._most)))

    def _wait(self, units: int) -> float:
        now = self._clock()
        while self._spent and now - self._spent[0][0] >= 60:
            self._spent.popleft()
        excess = sum(spent for _, spent in self._spent) + units - (self._most or 0)
        for at, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            if excess <= 0:
                return max(0.001, at + 60 - now)
        return 0.0
