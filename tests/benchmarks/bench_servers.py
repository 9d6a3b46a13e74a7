"""How fast several servers are asked: one that takes 8 at once beside one that takes 64, and what each of them gives alone.

Two servers, each in a process of its own, that answer after a second and refuse (429) what is more than they take. 96 requests
to the small one alone, 768 to the large one alone, 864 to both; each run in a fresh process; medians of 3, in turn.

Goal: both together answer at least 0.9 of what the two give alone, in requests a second.

    python tests/benchmarks/bench_servers.py
    pytest -m benchmark -s tests/benchmarks/bench_servers.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))
import bench_teacher

SMALL, LARGE = 8, 64  # at once
LATENCY_SECONDS = 1.0
ASKED = {(SMALL,): 96, (LARGE,): 768, (SMALL, LARGE): 864}
RUNS = 3
GOAL = 0.9


@contextmanager
def serving(limit: int) -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    command = [sys.executable, __file__, "serve", str(limit)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def client(count: int, urls: list[str]) -> float:
    """Ask, from opening the journal on until all is on the disk; returns requests a second."""
    import asyncio

    from fingen.config import Asking
    from fingen.teachers import open_teacher
    from fingen.teachers.dispatch import Terms, dispatch
    from fingen.teachers.journal import Journal
    from fingen.teachers.request_locks import RequestLocks

    requests = bench_teacher.make_requests(count)
    teacher = open_teacher("openai:gpt-6-luna", Asking(base_url=tuple(urls)))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with Journal.open(Path(folder) / "journal.sqlite") as journal, RequestLocks(Path(folder) / ".claims") as locks:
            asyncio.run(dispatch(requests, teacher, journal, locks, Terms(), on_answer=lambda request, answer: None))
            answered = journal.counts()["requests"]
        seconds = time.perf_counter() - started
    assert answered == count
    return count / seconds


def measure(limits: tuple[int, ...]) -> float:
    """Requests a second of one run, in a fresh process, with fresh servers."""
    environment = {name: value for name, value in os.environ.items() if not bench_teacher.PROXIES.match(name)}
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(limit)) for limit in limits]
        command = [sys.executable, __file__, "client", str(ASKED[limits]), *urls]
        return float(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)


def report() -> float:
    """Measure, print what came out, and return the share of the sum that both give together."""
    runs: dict[tuple[int, ...], list[float]] = {limits: [] for limits in ASKED}
    for _ in range(RUNS):
        for limits, done in runs.items():
            done.append(measure(limits))
    speed = {limits: median(done) for limits, done in runs.items()}
    share = speed[SMALL, LARGE] / (speed[SMALL,] + speed[LARGE,])
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"answers after {LATENCY_SECONDS * 1000:.0f} ms; {os.cpu_count()} cores, load {load:.1f}\n"
        f"  {SMALL} at once alone {speed[SMALL,]:.1f}/s, {LARGE} at once alone {speed[LARGE,]:.1f}/s, both {speed[SMALL, LARGE]:.1f}/s "
        f"({json.dumps([round(each, 1) for each in runs[SMALL, LARGE]])}): {share:.2f} of the sum, goal >= {GOAL}"
    )
    return share


if __name__ != "__main__":
    import pytest

    @pytest.mark.benchmark
    def test_two_servers_answer_as_fast_as_both_alone_together():
        assert report() >= GOAL


def main(arguments: list[str]) -> int:
    match arguments:
        case ["serve", limit]:
            import asyncio

            bench_teacher.LATENCY_SECONDS = LATENCY_SECONDS
            asyncio.run(bench_teacher.serve(int(limit)))
        case ["client", count, *urls]:
            print(client(int(count), urls))
        case _:
            return report() < GOAL
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
