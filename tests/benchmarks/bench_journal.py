"""A million requests in one journal: whether writing, claiming, counting and going on stay as fast as at the beginning.

In a process of its own: requests with 1 KB of text each are exported in files of 5,000 (one in ten stays asked by nobody), a tenth
of them is answered as a run does it (claimed, looked at, committed 64 at once), nine tenths come back from files, and the journal is
opened anew: what is missing, what is with nobody, and which files hold how much, as every run finds out before it asks. Here commits do
not wait for the disk, which takes the same time whatever the journal holds: what is measured is the work that could grow.

Goals at a million: the last tenth of each step takes at most 1.5 times the CPU seconds of the first, which what else this machine
does changes little; opening and naming what is outstanding takes less than 10 seconds by the wall clock, with half of the
answers there. Said beside it: bytes of the file for a request beyond its own texts, counting, and memory.

    python tests/benchmarks/bench_journal.py [COUNT]
    pytest -m benchmark -s tests/benchmarks/bench_journal.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

COUNT, FILE, COMMITTED, STORED = 1_000_000, 5_000, 64, 256
GOAL_FLAT, GOAL_SECONDS = 1.5, 10.0
SCHEMA = {"type": "object", "properties": {"question": {"type": "string"}}}
PROMPT, ANSWER = "Revenue rose by 12 % as orders came in. " * 20, "It rose by 12 %. " * 90


def batched(numbers: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    """The numbers in groups."""
    left = iter(numbers)
    while group := tuple(islice(left, size)):
        yield group


def make_request(number: int) -> Any:
    from fingen.records import Request, request_key

    prompt = f"Passage {number}: {PROMPT}"
    return Request(key=request_key("bench", "You write.", prompt, SCHEMA), task="qa-concept", template="qa.en",
                   system="You write.", prompt=prompt, answer_schema=SCHEMA, max_tokens=500, count=1)  # fmt: skip


def make_answer(request: Any) -> Any:
    from fingen.records import Completion, Usage

    usage = Usage(input_tokens=300, output_tokens=60)
    return Completion(
        key=request.key, text=ANSWER, stop_reason="end_turn", teacher="bench", usage=usage, cost_usd=0.001
    )


class Steps:
    """Seconds of each step, by tenths of it: of the wall clock, and of the processor."""

    def __init__(self) -> None:
        self.tenths: dict[str, Any] = {}

    def run(self, name: str, parts: list[Any], work: Callable[[Any], None]) -> None:
        """Do a step part by part."""
        seconds: tuple[list[float], ...] = ([], [])
        for part in parts:
            started = time.perf_counter(), time.process_time()
            work(part)
            for spent, start, now in zip(seconds, started, (time.perf_counter(), time.process_time()), strict=True):
                spent.append(now - start)
        size = max(len(parts) // 10, 1)
        self.tenths[name] = [[sum(spent[:size]), sum(spent[-size:]), sum(spent)] for spent in seconds]


def fill(path: Path, count: int) -> dict[str, Any]:
    """The journal of a run, from its first export to its last answer; the seconds of each step."""
    from fingen.teachers.batch_files import custom_id
    from fingen.teachers.journal import Journal
    from fingen.teachers.outstanding import Outstanding, OutstandingRequest
    from fingen.teachers.request_locks import RequestLocks

    steps, names = Steps(), dict[int, str]()
    with Journal.open(path) as journal, RequestLocks(path.with_name(".claims")) as locks:
        outstanding = Outstanding(journal)
        journal._db.execute("PRAGMA synchronous = OFF")

        def export(numbers: tuple[int, ...]) -> None:
            token = outstanding.begin("export")
            for group in batched(numbers, STORED):
                requests = {number: make_request(number) for number in group}
                items = [OutstandingRequest(custom_id(each.key, token), each) for each in requests.values()]
                outstanding.hold(token, items)
                names.update(zip(group, (item.custom_id for item in items), strict=True))
            outstanding.move(token, "out", f"requests-{token}.jsonl")

        def ask(numbers: tuple[int, ...]) -> None:
            answered = []
            for request in map(make_request, numbers):
                assert locks.take(request.key)
                assert journal.unasked([request.key])
                assert not journal.faults(request.key)
                answered.append((request, make_answer(request)))
            journal.commit(answered)
            for request, _ in answered:
                locks.release(request.key)

        def take(numbers: tuple[int, ...]) -> None:
            found = {names[number]: make_answer(make_request(number)) for number in numbers}
            for name in found:
                assert outstanding.state(name) == "held"
            outstanding.store(found, {})
            outstanding.judge(dict.fromkeys(found))

        held = [number for number in range(count) if number % 10]
        steps.run("export", list(batched(held, FILE)), export)
        steps.run("ask", list(batched(range(0, count, 10), COMMITTED)), ask)
        middle = len(held) // 2
        steps.run("take, first half", list(batched(held[:middle], STORED)), take)
        steps.tenths["open at half"] = reopen(path, count)
        steps.run("take, second half", list(batched(held[middle:], STORED)), take)
        for name, work in {"counts": journal.counts, "usage": journal.usage, "paid": journal.paid_usd}.items():
            steps.run(name, [None], lambda _, work=work: work() and None)
    steps.tenths["open at the end"] = reopen(path, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    own = len(PROMPT) + len(ANSWER) + 15
    return {"steps": steps.tenths, "peak_mb": peak, "bytes": path.stat().st_size / count - own}


def reopen(path: Path, count: int) -> list[float]:
    """Open the journal in a fresh process, and name what is outstanding: seconds of each part, its CPU seconds and memory."""
    out = subprocess.run(
        [sys.executable, __file__, "open", str(path), str(count)], check=True, stdout=subprocess.PIPE, text=True
    )
    return [float(each) for each in out.stdout.split()]


def name_outstanding(path: Path, count: int) -> Iterator[float]:
    """What each run does before it asks."""
    from fingen.teachers.journal import Journal
    from fingen.teachers.outstanding import Outstanding
    from fingen.teachers.request_locks import RequestLocks

    keys = [make_request(number).key for number in range(count)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started, cpu = time.perf_counter(), time.process_time()
    with Journal.open(path) as journal, RequestLocks(path.with_name(".claims")) as locks:
        yield time.perf_counter() - started
        outstanding = Outstanding(journal)
        outstanding.settle(locks)
        yield time.perf_counter() - started
        missing = journal.missing(keys)
        yield time.perf_counter() - started
        unasked = journal.unasked(missing)
        yield time.perf_counter() - started
        files, _ = outstanding.open("export"), outstanding.open("batch")
        assert sum(file.waiting for file in files) == len(missing) - len(unasked)
        yield time.perf_counter() - started
    yield time.process_time() - cpu
    yield resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before


def report(count: int) -> list[str]:
    """Measure, print what came out, and return which goals were missed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "fill", f"{folder}/journal.sqlite", str(count)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(f"{count:,} requests, {found['bytes']:.0f} bytes each beyond its texts; peak {found['peak_mb']:.0f} MB")
    missed = []
    for name, seconds in found["steps"].items():
        if name.startswith("open"):
            *parts, cpu, memory = seconds
            told = ", ".join(f"{each:.1f}" for each in parts)
            print(
                f"  {name}: {parts[-1]:.1f} s (opened, settled, missing, unasked, files: {told}), {cpu:.2f} CPU s; {memory:.0f} MB"
            )
            missed += [name] * (parts[-1] >= GOAL_SECONDS)
            continue
        wall, cpu = seconds
        if wall[0] == wall[2]:
            print(f"  {name}: {wall[2]:.2f} s, {cpu[2]:.2f} CPU s")
        else:
            first, last = (f"{wall[place]:.1f} s, {cpu[place]:.2f} CPU s" for place in (0, 1))
            print(
                f"  {name}: {wall[2]:.0f} s, {cpu[2]:.0f} CPU s; first tenth {first}; last {last}: {cpu[1] / cpu[0]:.2f}"
            )
            missed += [name] * (cpu[1] > GOAL_FLAT * cpu[0])
    return missed


if __name__ != "__main__":
    import pytest

    @pytest.mark.benchmark
    def test_a_journal_of_a_million_requests_is_as_fast_as_a_small_one():
        assert report(COUNT) == []


def main(arguments: list[str]) -> int:
    match arguments:
        case ["fill", path, count]:
            print(json.dumps(fill(Path(path), int(count))))
        case ["open", path, count]:
            print(*name_outstanding(Path(path), int(count)))
        case [*given]:
            missed = report(int(given[0]) if given else COUNT)
            print("; ".join(f"missed: {name}" for name in missed))
            return bool(missed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
