"""Two parts beside two plain processes, and beside one run: the same files of the set, and how fast two machines are together.

Three ways over the same reports: one run with two processes that read, a plain `pdf2qa` for the reports that each part reads, both at the same
time, and the two parts, both at the same time: each is called again as soon as the other has read, as who types it does. Goal: the slower
part takes at most 1 / 0.95 of what the slower plain process takes until it has asked. What is looked at afterwards (`gather`, and the
last stage of a plain run) is told apart: it is not shared out.

Time is CPU seconds of all processes of a command: what else this machine does changes little in them. Wall seconds are told beside.
How uneven reports are dealt is told too. Reports made by code are all of one size; real ones are not, and before it has read one nothing
says what it takes.

    python tests/benchmarks/bench_shards.py          # 24 real reports
    python tests/benchmarks/bench_shards.py 100      # reports of 20 pages made by code
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_pdf2qa_memory import write_report

from fingen.documents import find_sources
from fingen.pipeline.parts import Shard, share_of

DATA = Path(os.environ.get("FINGEN_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
FOLDERS, REPORTS = ("filings/*.htm", "filings/*.txt", "filings/*.docx", "reports_zh/*.pdf", "pdf_zh/0*.pdf"), 24
SHARDS, MADE = 2, 100
LEAST = 0.95  # of the speed of plain processes, in all that a part does
LAST = "checking and writing"
# The command, whose stages are told in CPU seconds: of itself, and of the readers that it has waited for.
CPU = """
import atexit, json, os, pathlib, resource, sys, time, types
from fingen.pipeline import summary
walls = []
def cpu():
    walls.append(time.monotonic())
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
summary.time = types.SimpleNamespace(monotonic=cpu)
def tell():
    laps = [later - sooner for sooner, later in zip(walls, walls[1:])]
    peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
    pathlib.Path(os.environ["BENCH_TOLD"]).write_text(json.dumps({"laps": laps, "cpu": cpu(), "peak_kib": peak}))
atexit.register(tell)
from fingen.cli import main
main(sys.argv[1:])
"""


@dataclass(frozen=True)
class Spent:
    """What a command took, and what it says. `last_*`: in its last stage, where it has that of a whole run."""

    cpu: float  # seconds of all its processes
    wall: float
    last_cpu: float
    last_wall: float
    peak_mb: int
    said: dict[str, Any]


def run(*arguments: object, home: Path | None = None) -> Spent:
    """Run a command in a folder; a set that falls short is no failure here."""
    command = [sys.executable, "-c", CPU, *map(str, arguments), "--quiet", "--json"]
    with tempfile.NamedTemporaryFile() as told:
        started = time.monotonic()
        environment = {**os.environ, "BENCH_TOLD": told.name}
        ran = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        wall = time.monotonic() - started
        assert ran.returncode in (0, 1), ran.stderr
        assert ran.stdout, ran.stderr
        found, said = json.loads(Path(told.name).read_text()), json.loads(ran.stdout)
    laps = dict(zip(said["seconds"], found["laps"], strict=False))
    return Spent(found["cpu"], wall, said["seconds"].get(LAST, 0.0), laps.get(LAST, 0.0), found["peak_kib"] >> 10, said)


def content(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()
            if not path.name.startswith((".", "journal"))}  # fmt: skip


def side_by_side(work: Callable[[int], list[Spent]]) -> tuple[list[list[Spent]], float]:
    """Work on all parts at the same time: what each took, and wall seconds until the last one had asked."""
    started = time.monotonic()
    with ThreadPoolExecutor(SHARDS) as pool:
        spent = list(pool.map(work, range(1, SHARDS + 1)))
    return spent, time.monotonic() - started - max(each.last_wall for calls in spent for each in calls)


def ask(source: str, workers: int, out: str) -> tuple[object, ...]:
    return "pdf2qa", source, "--teacher", "offline", "--workers", workers, "--out", out


def plain(number: int) -> list[Spent]:
    """A run over the reports that a part reads."""
    home = Path(f"plain-{number}").absolute()
    (home / "in").mkdir(parents=True)
    for source in share_of(find_sources([Path("in")]), Shard(number, SHARDS)):
        (home / "in" / source.path.name).symlink_to(source.path.resolve())
    return [run(*ask("in", 1, "build/set"), home=home)]


def part(number: int) -> list[Spent]:
    """A part: its first call, and where that had to wait for others its second one, once they have read."""
    command = (*ask("in", 1, f"build/parts/{number}"), "--shard", f"{number}/{SHARDS}")
    spent = [run(*command)]
    while spent[-1].said["waits_for"]:
        while len(list(Path("build/parts").glob("*/part.json"))) < SHARDS:
            time.sleep(0.05)
        spent.append(run(*command))
    return spent


def _told(name: str, spent: list[list[Spent]], wall: float) -> float:
    """Print what parts or processes took until they had asked; CPU seconds of the slower one."""
    each = [sum(call.cpu - call.last_cpu for call in calls) for calls in spent]
    for number, calls in enumerate(spent, 1):
        for call in calls:
            print(
                f"  {name} {number}: {call.cpu:.1f} CPU s, {call.wall:.1f} s, {call.peak_mb} MB: {call.said['seconds']}"
            )
    print(f"{name}: {', '.join(f'{cpu:.1f}' for cpu in each)} CPU s until asked, the slower one {max(each) * len(each) / sum(each):.2f} "
          f"of their mean; all had asked after {wall:.1f} s", flush=True)  # fmt: skip
    return max(each)


def measure() -> float:
    """The speed of parts beside that of plain processes, by the slower one of each, printed with where the time goes."""
    whole = run(*ask("in", SHARDS, "build/set"))
    Path("build/set").rename("one")
    Path("build/cache").rename("cache-of-one")
    beside, beside_wall = side_by_side(plain)
    parts, parts_wall = side_by_side(part)
    gathered = run("gather", *(f"build/parts/{number}" for number in range(1, SHARDS + 1)), "--out", "build/set")
    assert content("build/set") == content("one")
    said = whole.said
    print(
        f"{said['pages']:,} pages, {said['chunks_asked']:,} passages, {len(said['documents'])} reports, the same files"
    )
    print(f"one run {whole.cpu:.1f} CPU s, {whole.wall:.1f} s, {whole.peak_mb} MB: {said['seconds']}")
    slower_plain, slower_part = _told("plain", beside, beside_wall), _told("part", parts, parts_wall)
    print(f"gather {gathered.cpu:.1f} CPU s, {gathered.peak_mb} MB: {gathered.said['seconds']}")
    work = sum(seconds for calls in parts for call in calls for seconds in call.said["seconds"].values())
    print(f"work of one run beside that of the parts, stage by stage: {(sum(said['seconds'].values()) - whole.last_cpu) / work:.2f}; "
          f"parts beside one run with {SHARDS} processes, by the slower part: {(whole.cpu - whole.last_cpu) / SHARDS / slower_part:.2f}; "
          f"parts beside plain processes by the slower one: {slower_plain / slower_part:.2f} in CPU seconds, "
          f"{beside_wall / parts_wall:.2f} by the wall clock")  # fmt: skip
    return slower_plain / slower_part


def link_real() -> None:
    """The real reports, in the working directory."""
    Path("in").mkdir()
    for path in sorted(path for folder in FOLDERS for path in DATA.glob(folder))[:REPORTS]:
        (Path("in") / path.name).symlink_to(path)


def write_made(count: int) -> None:
    """Reports of one size."""
    Path("in").mkdir()
    for number in range(count):
        write_report(Path("in") / f"{number:05}.pdf", number)


@pytest.mark.benchmark
def test_two_parts_are_as_fast_as_two_plain_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_made(MADE)
    assert measure() >= LEAST


@pytest.mark.benchmark
def test_parts_of_real_reports_are_as_fast_as_plain_processes_over_the_same(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    link_real()
    assert measure() >= LEAST


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_made(int(sys.argv[1])) if sys.argv[1:] else link_real()
        measure()
