"""What `fingen --help` costs, as a multiple of `python -c "import click"`. Goal: at most 2.

Wall-clock seconds of whole processes, the two commands in turn so that a busy moment meets both; medians of 15.

    python tests/benchmarks/bench_startup.py
    pytest -m benchmark -s tests/benchmarks/bench_startup.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNS = 15
GOAL = 2.0
CLICK = [sys.executable, "-c", "import click"]


def fingen_command() -> list[str]:
    """The console script of this environment, or `python -m fingen` where it is not installed."""
    script = Path(sys.executable).with_name("fingen")
    return [str(script), "--help"] if script.exists() else [sys.executable, "-m", "fingen", "--help"]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - start


def measure() -> tuple[float, float]:
    """Median seconds of `fingen --help` and of `import click`."""
    fingen = fingen_command()
    for command in (fingen, CLICK):  # compiled and in the page cache before the clock runs
        seconds(command)
    pairs = [(seconds(fingen), seconds(CLICK)) for _ in range(RUNS)]
    return median(ours for ours, _ in pairs), median(theirs for _, theirs in pairs)


def report() -> float:
    ours, theirs = measure()
    print(
        f"fingen --help {ours * 1000:.0f} ms, import click {theirs * 1000:.0f} ms: ratio {ours / theirs:.2f}, goal <= {GOAL}"
    )
    return ours / theirs


@pytest.mark.benchmark
def test_help_costs_at_most_twice_what_click_costs():
    assert report() <= GOAL


if __name__ == "__main__":
    sys.exit(report() > GOAL)
