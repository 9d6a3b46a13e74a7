"""How tests wait for what other processes and threads do: for an event, never for a time in which it ought to have come."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE = 900  # seconds until something counts as hanging: far beyond what it takes on the busiest machine
FOREVER = 10**9  # seconds that a stub server keeps a batch: it never ends by itself


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Return when the condition holds; the test fails where the process that should bring it about ends before."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None or condition(), process.communicate()
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(0.002)
