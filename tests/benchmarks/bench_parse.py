"""What reading costs. Goals: pages/s of the whole reading >= 0.35 of raw `page.get_text("text")` (under 0.2 is a failure),
two workers >= 1.8x one, and a worker's memory < 400 MB on the 190-page report.

The two readings run in this process, on one core, over all shared reports that have text: CPU seconds of the process,
report by report in turn so that a busy moment meets both; medians of 3. Opening the file counts for both; the cache of
parses is off. pymupdf4llm, where it is installed, reads 20 pages beside them. Workers are measured by wall clock over
the same reports three times over, from the first page that any of them reads to the last document: their start-up
(Python and pymupdf, paid once a run) is given on its own. Memory is the peak resident size of a child process that
reads that report alone.

    python tests/benchmarks/bench_parse.py
    python tests/benchmarks/bench_parse.py --against COMMIT    # CPU time of reading against an earlier commit's, alternated
    pytest -m benchmark -s tests/benchmarks/bench_parse.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import pymupdf
import pytest

from fingen.config import ReadSettings
from fingen.documents import InputFile, Progress, read_documents
from fingen.documents.read import read_document
from fingen.records import Document

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
RUNS = 3
GOAL, FLOOR = 0.35, 0.2  # of raw text, in pages/s
WORKERS_GOAL = 1.8
QUIET = 1.9  # what two plain processes must get done against one for the workers' figure to mean anything
MEMORY_GOAL_MB = 400
AGAINST_GOAL = 1.25  # times the CPU seconds of an earlier commit
LARGEST = "BOEING_2022_10K.pdf"
SAMPLE_PAGES = 20  # for pymupdf4llm, which needs seconds for them
COPIES = 3  # of each report for the workers: long enough for the last one not to matter


def reports() -> list[Path]:
    return sorted(path for path in DATA.glob("pdf_*/*.pdf") if "image_only" not in path.name)


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def read_raw(path: Path) -> None:
    with pymupdf.open(path) as pdf:
        for page in pdf:
            page.get_text("text")


def read_whole(path: Path) -> None:
    read_document(path, path.name, ReadSettings())


def page_count(path: Path) -> int:
    with pymupdf.open(path) as pdf:
        return int(pdf.page_count)


def measure_reading(paths: Sequence[Path]) -> tuple[float, float]:
    """Pages a CPU second: raw text, and the whole reading."""
    pages = sum(map(page_count, paths))
    for path in paths:  # once before the clock runs: files in the page cache, code warm
        read_raw(path)
        read_whole(path)
    totals: list[tuple[float, float]] = []
    for _ in range(RUNS):
        pairs = [(cpu_seconds(partial(read_raw, path)), cpu_seconds(partial(read_whole, path))) for path in paths]
        totals.append((sum(raw for raw, _ in pairs), sum(whole for _, whole in pairs)))
    return pages / median(raw for raw, _ in totals), pages / median(whole for _, whole in totals)


def measure_pymupdf4llm(path: Path) -> float | None:
    """pymupdf4llm's pages a CPU second as a ratio to raw text on the same pages; None where it is not installed."""
    try:
        import pymupdf4llm
    except ImportError:
        return None
    pages = list(range(40, 40 + SAMPLE_PAGES))

    def raw() -> None:
        with pymupdf.open(path) as pdf:
            for number in pages:
                pdf[number].get_text("text")

    raw()
    theirs = cpu_seconds(lambda: pymupdf4llm.to_markdown(str(path), pages=pages, show_progress=False))
    return median(cpu_seconds(raw) for _ in range(RUNS)) / theirs


def seconds_with(workers: int, paths: Sequence[Path]) -> tuple[float, float]:
    """Wall-clock seconds of reading with that many workers: of starting them, and from the first page on."""
    sources = [InputFile(path, f"{copy}/{path.name}") for copy in range(COPIES) for path in paths]
    documents = 0
    begin = started = time.perf_counter()
    for event in read_documents(sources, ReadSettings(), workers=workers):
        if isinstance(event, Progress) and started == begin:
            started = time.perf_counter()
        documents += isinstance(event, Document)
    end = time.perf_counter()
    assert documents == len(sources)
    return started - begin, end - started


def measure_workers(paths: Sequence[Path]) -> tuple[float, float, float]:
    """How much faster two workers are than one: after start-up, and over all; and the seconds of start-up."""
    pairs = [(seconds_with(1, paths), seconds_with(2, paths)) for _ in range(RUNS)]
    reading = median(one[1] / two[1] for one, two in pairs)
    whole = median(sum(one) / sum(two) for one, two in pairs)
    return reading, whole, median(two[0] for _, two in pairs)


def measure_cores() -> float:
    """How much two processes of plain arithmetic get done against one: 2 on a quiet machine with two cores."""
    command = [sys.executable, "-c", "sum(range(40_000_000))"]

    def seconds(count: int) -> float:
        start = time.perf_counter()
        for process in [subprocess.Popen(command) for _ in range(count)]:
            process.wait()
        return time.perf_counter() - start

    return median(2 * seconds(1) / seconds(2) for _ in range(RUNS))


def measure_against(commit: str) -> float:
    """CPU seconds of reading all shared reports, as a ratio to what an earlier commit needs: in turn, medians of 3."""
    code = (
        "import sys, time; from pathlib import Path; from fingen.config import ReadSettings;"
        "from fingen.documents.read import read_document; paths = [Path(name) for name in sys.argv[1:]];"
        "start = time.process_time(); [read_document(path, path.name, ReadSettings()) for path in paths];"
        "print(time.process_time() - start)"
    )
    paths = [*map(str, reports()), *map(str, sorted(DATA.glob("reports_*/*.pdf")))]
    with tempfile.TemporaryDirectory() as before:
        packed = subprocess.run(["git", "archive", commit, "fingen"], check=True, capture_output=True, cwd=ROOT).stdout
        subprocess.run(["tar", "-x", "-C", before], input=packed, check=True)

        def seconds(root: str) -> float:
            command = [sys.executable, "-c", code, *paths]
            environment = {**os.environ, "PYTHONPATH": root}
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, env=environment)
            return float(done.stdout)

        runs = [(seconds(before), seconds(str(ROOT))) for _ in range(RUNS)]
    print("  ".join(f"{then:.1f} s, {now:.1f} s" for then, now in runs))
    return median(now for _, now in runs) / median(then for then, _ in runs)


def measure_memory(path: Path) -> float:
    """Megabytes that a process needs at its peak for reading one report and nothing else.

    On Linux from VmHWM: `ru_maxrss` of a child starts at what its parent used before the child's own program began.
    """
    code = (
        "import resource, sys; from pathlib import Path; from fingen.config import ReadSettings;"
        "from fingen.documents.read import read_document;"
        "path = Path(sys.argv[1]); read_document(path, path.name, ReadSettings());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss);"
        "status = Path('/proc/self/status'); print(status.read_text() if status.exists() else '')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True, cwd=ROOT)
    peak, _, status = done.stdout.partition("\n")
    own = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(own[1] if own else peak) / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def report_reading() -> float:
    paths = reports()
    raw, whole = measure_reading(paths)
    print(
        f"{sum(map(page_count, paths))} pages: raw text {raw:.0f} pages/s, whole reading {whole:.0f} pages/s:"
        f" ratio {whole / raw:.2f}, goal >= {GOAL}, failure < {FLOOR}"
    )
    theirs = measure_pymupdf4llm(next(path for path in paths if path.name == LARGEST))
    print(
        "pymupdf4llm is not installed"
        if theirs is None
        else f"pymupdf4llm, {SAMPLE_PAGES} pages of {LARGEST}: ratio {theirs:.4f} (1/{1 / theirs:.0f})"
    )
    return whole / raw


def report_workers() -> tuple[float, float]:
    before = measure_cores()
    reading, whole, start = measure_workers(reports())
    cores = min(before, measure_cores())
    print(
        f"two processes of arithmetic against one: {cores:.2f}x; below {QUIET} the machine is busy and the next line void"
    )
    print(
        f"two workers against one: {reading:.2f}x from the first page on, goal >= {WORKERS_GOAL};"
        f" {whole:.2f}x with their start-up of {start:.1f} s"
    )
    return reading, cores


def report_memory() -> float:
    peak = measure_memory(next(path for path in reports() if path.name == LARGEST))
    print(f"peak memory on {LARGEST}: {peak:.0f} MB, goal < {MEMORY_GOAL_MB}")
    return peak


pytestmark = [pytest.mark.benchmark, pytest.mark.skipif(not reports(), reason=f"no real documents in {DATA}")]


def test_reading_keeps_a_share_of_the_speed_of_raw_text():
    assert report_reading() >= FLOOR


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_two_workers_are_nearly_twice_as_fast_as_one():
    reading, cores = report_workers()
    if reading < WORKERS_GOAL and cores < QUIET:
        pytest.skip(f"two processes of anything get {cores:.2f}x done: measure on a quiet machine with two cores")
    assert reading >= WORKERS_GOAL


def test_a_worker_needs_little_memory():
    assert report_memory() < MEMORY_GOAL_MB


if __name__ == "__main__":
    if "--against" in sys.argv:
        ratio = measure_against(sys.argv[sys.argv.index("--against") + 1])
        print(f"CPU time of reading against the earlier commit: {ratio:.2f}, goal <= {AGAINST_GOAL}")
        sys.exit(ratio > AGAINST_GOAL)
    met = [report_reading() >= GOAL, report_workers()[0] >= WORKERS_GOAL, report_memory() < MEMORY_GOAL_MB]
    sys.exit(not all(met))
