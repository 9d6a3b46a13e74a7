"""What a row of a large set costs each command. Goal: a set of a million rows stays below 1.5 GB in all that stream.

Rows are made by code in the form that `fingen import alpaca` takes, some 450 characters each, one in fifty a repeat. Each
command runs in a process of its own: its memory is the peak of its resident size, its own processes aside. What a row takes
is the slope between two sizes, which leaves out what the command takes for no row at all.

    python tests/benchmarks/bench_memory.py                          # 20,000 and 100,000 rows
    python tests/benchmarks/bench_memory.py 100000 1000000           # two sizes of one's own
    python tests/benchmarks/bench_memory.py 20000 100000 split dedup # of some commands alone
    pytest -m benchmark -s tests/benchmarks/bench_memory.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, too

from hub_server import TOKEN, HubServer

SMALL, LARGE = 20_000, 100_000
GOAL_BYTES = 1_350  # a row: with what a command takes for none, a million are 1.5 GB
GOAL_SLOWER = 1.3  # the time of a row in a large set, by that in one a tenth as large
CHILD = """
import sys, time
from fingen.cli import main
try:
    main()
finally:
    status = open("/proc/self/status").read()
    print("peak", status.partition("VmHWM:")[2].split()[0], time.process_time(), file=sys.stderr)
"""
COMMANDS = {
    "import": "import alpaca rows.jsonl --split 0.8,0.1,0.1 --out set",
    "mix": "mix set few:3 --out mixed",
    "verify": "verify set",
    "export": "export set --format llamafactory --out exported",
    "push": "push set --repo you/large --yes --allow-failing",
    "dedup": "dedup set",
    "split": "split set --split 0.7,0.2,0.1",
}
QUARTERS = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Cost:
    """What one run took. Seconds are those of the processor: others may use it meanwhile."""

    peak_bytes: int
    seconds: float


def write_rows(path: Path, rows: int, first: int = 0) -> Path:
    """Rows of questions with their passage and answer, written one by one."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(first, first + rows):
            n = (
                number - 49 if number % 50 == 49 and number > first + 49 else number
            )  # one in fifty says another one again
            unit, quarter = f"Unit {n // 97:,} of Company {n % 997}", QUARTERS[n % 4]
            passage = (
                f"Sales of {unit} rose to {n * 7 % 100_003:,} million in the {quarter} quarter, from {n * 3 % 99_991:,} million "
                f"a year earlier; orders in hand were {n % 5_003:,} million, and {n % 211} sites were open at the end."
            )
            row = {
                "instruction": f"What did the sales of {unit} come to in the {quarter} quarter, and how many sites were open?",
                "input": passage,
                "output": f"Sales of {unit} came to {n * 7 % 100_003:,} million, and {n % 211} sites were open ({n}).",
            }
            file.write(json.dumps(row) + "\n")
    return path


def run(home: Path, command: str, more: Mapping[str, str] | None = None) -> Cost:
    """Run a command in a folder; a set that breaks a law is no failure here."""
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, *command.split(), "--quiet"],
        cwd=home,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode not in (0, 1):
        raise RuntimeError(f"{command}: {ran.stderr}")
    peak_kib, seconds = ran.stderr.split()[-2:]
    return Cost(int(peak_kib) * 1024, float(seconds))


def measure(rows: int, only: Sequence[str] = ()) -> dict[str, Cost]:
    """What each command takes for a set of so many rows."""
    with tempfile.TemporaryDirectory() as name, HubServer() as hub:
        home = Path(name)
        write_rows(home / "rows.jsonl", rows)
        write_rows(home / "few.jsonl", 50, first=10 * rows)
        run(home, "import alpaca few.jsonl --out few")
        online = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home / "hf")}
        costs = {}
        for key, each in COMMANDS.items():
            if key == "import" or not only or key in only:
                costs[key] = cost = run(home, each, online)
                print(f"{rows:,} rows, {key}: {cost.peak_bytes / 1e6:.0f} MB, {cost.seconds:.0f} CPU s", flush=True)
        return costs


def report(small: int = SMALL, large: int = LARGE, only: Sequence[str] = ()) -> dict[str, tuple[float, float]]:
    """Print the table; command -> bytes a row, and how much longer a row takes in the large set."""
    few, many = measure(small, only), measure(large, only)
    print(f"{'command':<10}{f'MB, {small:,}':>14}{f'MB, {large:,}':>14}{'bytes/row':>12}{'us/row':>10}{'times':>8}")
    found = {}
    for key, cost in many.items():
        slope = (cost.peak_bytes - few[key].peak_bytes) / (large - small)
        each = cost.seconds / large, few[key].seconds / small
        found[key] = slope, each[0] / each[1]
        print(
            f"{key:<10}{few[key].peak_bytes / 1e6:>14.0f}{cost.peak_bytes / 1e6:>14.0f}{slope:>12.0f}{each[0] * 1e6:>10.0f}"
            f"{each[0] / each[1]:>8.2f}"
        )
    return found


@pytest.mark.benchmark
def test_a_million_rows_fit():
    found = report()
    assert {key: slope for key, (slope, _) in found.items() if slope > GOAL_BYTES} == {}
    assert {key: slower for key, (_, slower) in found.items() if slower > GOAL_SLOWER} == {}


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:] if word.isdecimal()] or [SMALL, LARGE]
    report(*sizes, only=[word for word in sys.argv[1:] if not word.isdecimal()])
