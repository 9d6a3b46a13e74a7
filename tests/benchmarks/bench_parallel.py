"""Answers about real reports checked by two processes beside one. Goals: the same files, and at most 0.65 of the time.

Time is processor seconds on the way that takes longest: of the command itself, and of the busier of its processes with its start. What
else this machine does changes little in them. Ray is told by the wall clock, in turn with the others.

    python tests/benchmarks/bench_parallel.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

DATA = Path(os.environ.get("FINGEN_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
NAMES = ("ACRES*", "Billington*", "Bridgewater*", "Brave*", "FNCB*", "JOHNSON*", "Mercia*", "NICE*", "PEPSICO*", "Sonic*",
         "MongoDB*", "Wheeler*", "600201*")  # fmt: skip
MOST = 0.65  # of the processor seconds of one process
# The command, which tells what drawing the records took: its own seconds, those of its processes, and by the wall clock.
TIMED = """
import json, pathlib, sys, time
from fingen import parallel
from fingen.pipeline import pdf2qa
parallel.RAY_SECONDS, others, draw, end = 0, [], pdf2qa._Run.draw, parallel._Worker.end
def ended(worker):
    used = pathlib.Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    others.append(sum(map(int, used)) / 100)
    end(worker)
def timed(*given):
    own, wall = time.process_time(), time.monotonic()
    try:
        return draw(*given)
    finally:
        told = [time.process_time() - own, max(others, default=0.0), time.monotonic() - wall]
        pathlib.Path("told").write_text(json.dumps(told))
parallel._Worker.end, pdf2qa._Run.draw = ended, timed
from fingen.cli import main
main(sys.argv[1:])
"""


def run(*arguments: object) -> tuple[list[float], dict[str, Any]]:
    """Own seconds, those of the busier process, and the wall's, of checking; and what the command says."""
    given = ("pdf2qa", "in", "--teacher", "offline", "--task", "table", "--out", "build/set", "--quiet", "--json")
    said = subprocess.run([sys.executable, "-c", TIMED, *given, *map(str, arguments)], capture_output=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    return json.loads(Path("told").read_text()), json.loads(said.stdout)


def taken_away() -> dict[str, bytes]:
    """What is in the set that was made, which is gone then."""
    found = {path.name: path.read_bytes() for path in Path("build/set").iterdir()
             if not path.name.startswith((".", "journal"))}  # fmt: skip
    shutil.rmtree("build/set")
    return found


def measure(*, with_ray: bool = False) -> float:
    """Print what checking takes in each way; gives two processes beside one, on the way that takes longest."""
    Path("in").mkdir()
    for name in NAMES:
        for path in DATA.glob(f"reports_more/{name}.pdf"):
            (Path("in") / path.name).symlink_to(path)
    ways: dict[str, tuple[object, ...]] = {"one": ("--workers", 1), "two": ("--workers", 2)}
    if with_ray:
        ways["ray"] = ("--workers", 2, "--engine", "ray")
    took, made = {}, {}
    for name, how in ways.items():
        (own, busier, wall), said = run(*how)
        took[name] = own + busier
        print(f"{name}: own {own:.1f} s, the busier process {busier:.1f} s, wall {wall:.1f} s")
        made[name] = taken_away()
        assert made[name] == made["one"]
    print(
        f"{len(said['documents'])} reports, {said['chunks_asked']} passages, {sum(said['records'].get('qa-table', {}).values())} rows"
    )
    print(f"two processes beside one: {took['two'] / took['one']:.2f} (goal <= {MOST})")
    return took["two"] / took["one"]


@pytest.mark.benchmark
def test_two_processes_check_faster_than_one(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert measure() <= MOST


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        measure(with_ray="--ray" in sys.argv)
