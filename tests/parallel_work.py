"""Work for tests/test_parallel.py, which other processes import."""

from __future__ import annotations

import os
import signal


def where(given: str, portion: int) -> tuple[int, str, bool]:
    """Who works, on what, and whether it knows a key."""
    return os.getpid(), f"{given}{portion}", "ANTHROPIC_API_KEY" in os.environ


def end_others(given: int, portion: int) -> int:
    """End whatever process this is, but that of the number that is given."""
    if portion == 1 and os.getpid() != given:
        os.kill(os.getpid(), signal.SIGKILL)
    return portion * 2


def complain(given: str, portion: int) -> None:
    """Fail."""
    raise ArithmeticError(given)
