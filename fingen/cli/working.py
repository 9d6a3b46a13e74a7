"""What a command says that takes more than a moment, and has no progress of its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from fingen.cli.common import echo
from fingen.errors import visible

MOMENT_SECONDS = 2.0  # before anything is said
TICK_SECONDS = 0.5


@contextmanager
def working(what: str, *, quiet: bool) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Say on standard error what goes on, from two seconds on: with a clock on a terminal, else one line.

    Gives what is to be held around a question to the user: nothing is drawn meanwhile.
    """
    if quiet:
        yield _nothing
        return
    clock = _Clock(what)
    clock.start()
    try:
        yield clock.paused
    finally:
        clock.end()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Clock(threading.Thread):
    """A line that is drawn over and over, and is gone in the end; one line where there is no terminal."""

    def __init__(self, what: str) -> None:
        super().__init__(daemon=True)
        self._what, self._since = visible(what), time.monotonic()
        self._ended, self._turn, self._is_shown = threading.Event(), threading.Lock(), False

    def run(self) -> None:
        """Wait for a moment, then draw until the end."""
        wait = MOMENT_SECONDS
        while not self._ended.wait(wait):
            with self._turn:
                if not sys.stderr.isatty():
                    echo(f"{self._what} ...", err=True)
                    return
                _draw(f"\r{self._what} ... {time.monotonic() - self._since:.0f} s")
                self._is_shown = True
            wait = TICK_SECONDS

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing, and nothing more: a question is asked, and behind it there are other lines."""
        self.end()
        yield

    def end(self) -> None:
        """Leave the terminal as it was."""
        self._ended.set()
        with self._turn:
            if self._is_shown:
                _draw("\r\x1b[K")
                self._is_shown = False


def _draw(text: str) -> None:
    """Write to the terminal over what stands there."""
    sys.stderr.write(text)
    sys.stderr.flush()
