"""What a push of a large set costs. Goal: 100,000 rows in less than 500 MB.

The push runs in a process of its own against a Hub in this one; its memory is the peak resident size, its proof and its
tables included. The rows are as long as those of an intent set, some 500 characters with their provenance.

    python tests/benchmarks/bench_push.py
    pytest -m benchmark -s tests/benchmarks/bench_push.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, too

from hub_server import TOKEN, HubServer

from fingen.disk import dump_json, open_atomic, sha256_file, sha256_text, write_jsonl
from fingen.records import FileEntry, Record
from fingen.set_folder import make_manifest
from fingen.sets import MANIFEST

ROWS = 100_000
GOAL_MB = 500.0
CHILD = """
import resource, sys
from fingen.cli import main
try:
    main(["push", *sys.argv[1:], "--yes", "--quiet"])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)
"""


def records(rows: int) -> Iterator[Record]:
    for number in range(rows):
        words = [sha256_text(str(number), part)[:6] for part in "abcd"]
        yield Record(
            instruction=f"我想问一下{words[0]}基金在{words[1]}的净值，{words[2]}还有{words[3]}？A. 查询 B. 购买 C. 赎回",
            input="",
            output="ABC"[number % 3],
            id=f"in-{number:016x}",
            task="intent",
            language="zh",
            label=("查询", "购买", "赎回")[number % 3],
            options={"A": "查询", "B": "购买", "C": "赎回"},
            draws={"label": "查询", "register": "口语", "turn": number % 4},
            teacher="anthropic:claude-haiku-5-5",
            origin="synthetic",
        )


def write_set(folder: Path, rows: int) -> Path:
    """A whole set, written row by row: how much memory it takes to make one is no matter here."""
    write_jsonl(folder / "train.jsonl", records(rows))
    entry = FileEntry(sha256=sha256_file(folder / "train.jsonl"), rows=rows)
    manifest = make_manifest(folder.name, "synth intent", {}, [], ()).model_copy(
        update={
            "files": {"train.jsonl": entry},
            "splits": {"train": rows, "validation": 0, "test": 0, "memory": 0},
            "tasks": {"intent": rows},
            "teacher": "anthropic:claude-haiku-5-5",
        }
    )
    with open_atomic(folder / MANIFEST) as file:
        file.write(dump_json(manifest.model_dump(mode="json")))
    return folder


def measure(folder: Path, hub: HubServer) -> tuple[float, float]:
    """Peak MB and seconds of one push."""
    start = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stderr.split()[-1]), time.perf_counter() - start


def report() -> float:
    """Print the figures; peak MB of the first push."""
    with tempfile.TemporaryDirectory() as name, HubServer() as hub:
        folder = write_set(Path(name) / "large", ROWS)
        peak_mb, seconds = measure(folder, hub)
        again_mb, again_seconds = measure(folder, hub)
        sent = sum(map(len, hub.repos["you/large"].head.files.values()))
    print(f"{ROWS:,} rows, {sent / 1e6:.0f} MB on the Hub")
    print(f"first push: {peak_mb:.0f} MB, {seconds:.0f} s; the same again: {again_mb:.0f} MB, {again_seconds:.0f} s")
    return peak_mb


@pytest.mark.benchmark
def test_a_large_set_fits():
    assert report() < GOAL_MB


if __name__ == "__main__":
    report()
