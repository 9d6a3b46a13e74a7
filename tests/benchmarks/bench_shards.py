"""Two parts beside one run, on 24 real reports: the same files, and how fast two machines are together.

Time is CPU seconds of all processes of a command: what else this machine does changes nothing in them. What `gather` takes is told apart:
one run does it too. How uneven two dozen reports are shared out is told beside: of thousands it is no matter.

    python tests/benchmarks/bench_shards.py
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
DATA = Path(os.environ.get("FINGEN_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
FOLDERS, REPORTS = ("filings/*.htm", "filings/*.txt", "filings/*.docx", "reports_zh/*.pdf", "pdf_zh/0*.pdf"), 24
LEAST = 0.95  # of the speed of one run, in all that a part does
# The command, whose stages are told in CPU seconds: of itself, and of the readers that it has waited for.
CPU = """
import atexit, pathlib, resource, sys, types
from fingen.pipeline import summary
def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
summary.time = types.SimpleNamespace(monotonic=cpu)
def keep_peak():
    pathlib.Path("peak").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
atexit.register(keep_peak)
from fingen.cli import main
main(sys.argv[1:])
"""


def run(*arguments: object) -> tuple[float, dict[str, Any]]:
    """The CPU seconds of a command, and what it says."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", CPU, *map(str, arguments), "--quiet", "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(said.stdout)


def content(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()
            if not path.name.startswith((".", "journal"))}  # fmt: skip


def measure(shards: int = 2) -> float:
    """The work of one run beside that of the parts, printed with where the time goes."""
    Path("in").mkdir()
    for path in sorted(path for folder in FOLDERS for path in DATA.glob(folder))[:REPORTS]:
        (Path("in") / path.name).symlink_to(path)
    ask = ("pdf2qa", "in", "--teacher", "offline")
    whole, one = run(*ask, "--workers", shards, "--out", "build/set")
    Path("build/set").rename("one")
    Path("build/cache").rename("cache-of-one")
    machines, staged = [0.0] * shards, 0.0
    for call in ("first", "second"):
        for number in range(shards):
            part = ("--workers", 1, "--shard", f"{number + 1}/{shards}", "--out", f"build/parts/{number + 1}")
            if call == "second" and number == shards - 1:
                continue  # it found that the others had read, and has asked already
            spent, said = run(*ask, *part)
            machines[number] += spent
            staged += sum(said["seconds"].values())
            print(f"part {number + 1}, {call} call: {spent:.1f} s, {said['documents']} reports, {said['seconds']}")
    peaks = [int(Path("peak").read_text()) >> 10]
    gathered_in, gathered = run(
        "gather", *(f"build/parts/{number + 1}" for number in range(shards)), "--out", "build/set"
    )
    peaks.append(int(Path("peak").read_text()) >> 10)
    assert content("build/set") == content("one")
    apart = one["seconds"]["checking and writing"]
    speed = (whole - apart) / (shards * max(machines))
    print(f"{one['pages']:,} pages, {one['chunks_asked']:,} passages, {len(one['documents'])} reports, the same files")
    print(f"one run {whole:.1f} s: {one['seconds']}")
    print(f"parts {', '.join(f'{each:.1f} s' for each in machines)}; gather {gathered_in:.1f} s: {gathered['seconds']}")
    print(f"peak memory of a part that asks {peaks[0]} MB, of gather {peaks[1]} MB")
    work = sum(one["seconds"][stage] for stage in ("reading", "asking")) / staged
    print(f"work of one run beside that of {shards} parts, stage by stage: {work:.2f}; with the start of each command: "
          f"{(whole - apart) / sum(machines):.2f}; the slower part beside their mean: {shards * max(machines) / sum(machines):.2f}; "
          f"speed of {shards} machines beside one run with {shards} processes: {speed:.2f}")  # fmt: skip
    return work


@pytest.mark.benchmark
def test_parts_do_little_that_one_run_does_not(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert measure() >= LEAST


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        measure()
