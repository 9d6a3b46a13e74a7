"""What an export of a large set costs. Goal: the memory of 300,000 rows is that of 30,000 but for 10 MB, in every form.

Each export runs in a process of its own; its memory is the peak resident size. The rows are as long as those of a sentiment
set, some 200 characters. Rows a second are given beside it.

    python tests/benchmarks/bench_export.py
    pytest -m benchmark -s tests/benchmarks/bench_export.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fingen.disk import dump_json, open_atomic, sha256_file, write_jsonl
from fingen.pipeline.export import FORMS
from fingen.records import FileEntry, Record
from fingen.set_folder import make_manifest
from fingen.sets import MANIFEST

SMALL, LARGE = 30_000, 300_000
GOAL_MB = 10.0
CHILD = """
import resource, sys, time
from pathlib import Path
from fingen.pipeline.export import export
start = time.perf_counter()
export(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter() - start)
"""


def records(rows: int) -> Iterator[Record]:
    for number in range(rows):
        yield Record(
            instruction="What is the sentiment of this news? Please choose an answer from {negative/neutral/positive}.",
            input=f"Company {number} said that sales of its unit {number % 97} rose to {number * 7 % 1000} million in the quarter.",
            output="positive",
            id=f"im-{number:016x}",
            task="sentiment",
            language="en",
            label="positive",
            teacher="human",
            origin="imported",
        )


def write_set(folder: Path, rows: int) -> Path:
    """A whole set, written row by row: how much memory it takes to make one is no matter here."""
    write_jsonl(folder / "train.jsonl", records(rows))
    entry = FileEntry(sha256=sha256_file(folder / "train.jsonl"), rows=rows)
    manifest = make_manifest(folder.name, "import", {}, [], ()).model_copy(
        update={"files": {"train.jsonl": entry}, "splits": {"train": rows, "validation": 0, "test": 0, "memory": 0}}
    )
    with open_atomic(folder / MANIFEST) as file:
        file.write(dump_json(manifest.model_dump(mode="json")))
    return folder


def measure(folder: Path, form: str, out: Path) -> tuple[float, float]:
    """Peak MB and seconds of one export."""
    command = [sys.executable, "-c", CHILD, str(folder), form, str(out)]
    peak_mb, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(peak_mb), float(seconds)


def report() -> dict[str, float]:
    """Print the table; form -> MB that the large set takes more than the small one."""
    more = {}
    print(f"{'form':<10}{f'MB, {SMALL:,}':>14}{f'MB, {LARGE:,}':>14}{'more':>8}{'rows/s':>10}")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        small, large = write_set(home / "small", SMALL), write_set(home / "large", LARGE)
        for form in FORMS:
            few, _ = measure(small, form, home / "out" / form / "small")
            many, seconds = measure(large, form, home / "out" / form / "large")
            more[form] = many - few
            print(f"{form:<10}{few:>14.0f}{many:>14.0f}{more[form]:>8.1f}{LARGE / seconds:>10,.0f}")
    return more


@pytest.mark.benchmark
def test_memory_does_not_grow_with_the_set():
    assert {form: mb for form, mb in report().items() if mb > GOAL_MB} == {}


if __name__ == "__main__":
    report()
