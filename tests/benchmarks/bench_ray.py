"""What reading on a local Ray costs beside the processes of our own. Goals: the same documents to the byte, and from the first
page on at most 1.15 times as long; Ray's start is given on its own.

Twenty of the shared reports, two workers each, the cache of parses off; the two ways in turn in one run, by wall clock,
and the median of the ratios of neighbours: both then meet the same busy machine.

    python tests/benchmarks/bench_ray.py
    pytest -m benchmark -s tests/benchmarks/bench_ray.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from fingen.config import ReadSettings
from fingen.documents import InputFile, Progress, read_documents
from fingen.documents.on_ray import read_on_ray
from fingen.errors import DocumentError
from fingen.records import Document

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
REPORTS = 20
WORKERS = 2
RUNS = 2
GOAL = 1.15  # times as long from the first page on


def reports() -> list[InputFile]:
    paths = sorted(DATA.glob("pdf_*/*.pdf")) + sorted(DATA.glob("reports_more/*.pdf"))
    return [InputFile(path, path.name) for path in paths[:REPORTS]]


def timed(events: Iterator[Progress | Document | DocumentError]) -> tuple[float, float, dict[str, str]]:
    """Seconds until the first page is read and from then on, and what came of each file."""
    begin = time.perf_counter()
    first, outcomes = 0.0, {}
    for event in events:
        first = first or time.perf_counter()
        if isinstance(event, Document):
            outcomes[event.path] = event.model_dump_json()
        elif isinstance(event, DocumentError):
            outcomes[event.path] = str(event)
    return first - begin, time.perf_counter() - first, outcomes


def measure() -> float:
    """Print what both ways took; gives how many times as long reading on Ray takes, from the first page on."""
    sources, ratios = reports(), []
    print(
        f"{len(sources)} reports, {sum(source.path.stat().st_size for source in sources) >> 20} MB, {WORKERS} workers"
    )
    for _ in range(RUNS):
        ours = timed(read_documents(sources, ReadSettings(), workers=WORKERS))
        rays = timed(read_on_ray(sources, ReadSettings(), address="", workers=WORKERS))
        assert ours[2] == rays[2]
        assert len(ours[2]) == len(sources)
        ratios.append(rays[1] / ours[1])
        for name, (start, reading, _) in (("processes", ours), ("Ray", rays)):
            print(f"  {name:<10} {start:5.1f} s to the first page, {reading:6.1f} s from there on")
    print(
        f"the same documents to the byte; Ray takes {median(ratios):.2f} times as long from the first page on (goal {GOAL})"
    )
    return median(ratios)


@pytest.mark.benchmark
def test_ray():
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    if not DATA.is_dir():
        pytest.skip(f"no real documents at {DATA}")
    assert measure() <= GOAL


if __name__ == "__main__":
    measure()
