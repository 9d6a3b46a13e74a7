"""What a report costs `fingen pdf2qa` and `fingen gather` in memory. Goal: a run over 10,000 reports stays below 1.5 GB.

One report of 20 pages is made by code, each time with another company, other figures and other words; `--teacher offline --task table`
asks about it. Resident memory is the peak of the command's own process; the readers beside it have limits of their own. What a report
takes is the slope between two sizes, which leaves out what the command takes for none.

    python tests/benchmarks/bench_pdf2qa_memory.py              # 50, 200 and 800 reports
    python tests/benchmarks/bench_pdf2qa_memory.py 100 400 2000 # sizes of one's own
    python tests/benchmarks/bench_pdf2qa_memory.py 200 gather   # of gather alone; two parts are made first
    pytest -m benchmark -s tests/benchmarks/bench_pdf2qa_memory.py
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymupdf
import pytest

SIZES = (50, 200, 800)
MANY = 10_000
GOAL_BYTES = 1_500_000_000  # of a run over so many
CHILD = """
import sys, time
from fingen.cli import main
try:
    main()
finally:
    status = open("/proc/self/status").read()
    print("peak", status.partition("VmHWM:")[2].split()[0], time.process_time(), file=sys.stderr)
"""
PAGES = 20
FIRST = "Alder Birch Cedar Dalton Elmore Fenwick Granby Halden Ibsen Jarrow Kelso Linden Marlow Norden Orwell Penrose".split()
SECOND = "Quill Rowan Selby Tarn Ullman Varley Weston Yarrow Zephyr Ashby Brook Calder Devon Esker Forth Glen".split()
TRADES = "Steel Marine Foods Paper Optics Energy Glass Textiles Rail Chemicals Motors Timber".split()
TOPICS = (
    "demand for replacement parts", "the price of raw materials", "longer terms with suppliers", "a plant that opened in spring",
    "orders from the public sector", "currency rates", "freight that became dearer", "staff who were hired for the new lines",
    "repairs after the flood", "contracts that ended in autumn",
)  # fmt: skip
SECTIONS = (
    "Consolidated Statements of Income", "Consolidated Balance Sheets", "Consolidated Statements of Cash Flows",
    "Note 3. Revenue by Region", "Note 4. Inventories", "Note 5. Property and Equipment", "Note 6. Debt", "Note 7. Income Taxes",
    "Note 8. Leases", "Note 9. Segment Information",
)  # fmt: skip
ROWS = (
    ("Net sales", "Cost of goods sold", "Gross profit", "Selling expenses", "Research expenses", "Operating income", "Net income"),
    ("Cash and equivalents", "Trade receivables", "Inventories", "Total current assets", "Goodwill", "Total assets", "Total equity"),
    ("Depreciation", "Cash from operations", "Capital expenditure", "Acquisitions", "Dividends paid", "Change in cash"),
    ("Northern region", "Southern region", "Eastern region", "Western region", "Overseas", "Total revenue"),
    ("Finished goods", "Work in progress", "Raw materials", "Spare parts", "Total inventories"),
    ("Land", "Buildings", "Machinery", "Vehicles", "Construction in progress", "Total property"),
    ("Bonds", "Bank loans", "Lease liabilities", "Commercial paper", "Total debt"),
    ("Current tax", "Deferred tax", "Tax of earlier years", "Total income taxes"),
    ("Offices", "Warehouses", "Vehicles under lease", "Total lease cost"),
    ("Industrial sales", "Consumer sales", "Service sales", "Total segment sales"),
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What one run took. Seconds are those of the processor, of the command's own process alone."""

    peak_bytes: int
    seconds: float


def name_of(number: int) -> str:
    """A company that no other number has."""
    first, rest = FIRST[number % 16], number // 16
    return f"{first} {SECOND[rest % 16]} {TRADES[rest // 16 % 12]}{' ' + FIRST[rest // 192] if rest >= 192 else ''} Corporation"


def write_report(path: Path, number: int) -> None:
    """A report of a company: a cover, then pages with running text and a table of three years each."""
    draw, company = random.Random(number), name_of(number)
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        page.insert_text((72, 200), company, fontsize=24)
        page.insert_text((72, 260), "Annual Report", fontsize=20)
        page.insert_text((72, 300), "For the fiscal year ended December 31, 2024", fontsize=14)
        for place in range(1, PAGES):
            page, section = pdf.new_page(), SECTIONS[place % len(SECTIONS)]
            page.insert_text((72, 80), section if place < len(SECTIONS) else f"{section} (continued)", fontsize=15)
            top = 110
            for line in _lines(draw, company, section):
                page.insert_text((72, top), line, fontsize=10)
                top += 13
            _table(page, top + 25, draw, ROWS[place % len(ROWS)])
            page.insert_text((300, 800), str(place + 1), fontsize=9)
        pdf.save(path, deflate=True)


def _lines(draw: random.Random, company: str, section: str) -> Iterator[str]:
    for _ in range(3):
        said = " ".join(
            f"The {draw.choice(('increase', 'decrease', 'movement'))} of {draw.randrange(1, 999)} million in what {section.lower()} "
            f"show for {company} came mainly from {draw.choice(TOPICS)} and from {draw.choice(TOPICS)}, and {draw.randrange(3, 97)} "
            f"sites of the company were concerned by it in the year {draw.choice((2023, 2024))}."
            for _ in range(2)
        )
        line = ""
        for word in said.split():
            if len(line) + len(word) > 88:
                yield line
                line = ""
            line = f"{line} {word}".strip()
        yield line
        yield ""


def _table(page: pymupdf.Page, top: float, draw: random.Random, rows: Sequence[str]) -> None:
    columns = (330, 420, 510)
    page.insert_text((72, top), "(in millions of dollars)", fontsize=9)
    for right, year in zip(columns, ("2024", "2023", "2022"), strict=True):
        page.insert_text((right - pymupdf.get_text_length(year, fontsize=10), top), year, fontsize=10)
    for place, label in enumerate(rows, 1):
        page.insert_text((72, top + 15 * place), label, fontsize=10)
        for right in columns:
            figure = f"{draw.randrange(1_000, 99_999):,}"
            at = right - pymupdf.get_text_length(figure, fontsize=10)
            page.insert_text((at, top + 15 * place), figure, fontsize=10)


def run(home: Path, command: str) -> Cost:
    """Run a command in a folder; a set that falls short is no failure here."""
    arguments = [sys.executable, "-c", CHILD, *command.split(), "--quiet"]
    ran = subprocess.run(arguments, cwd=home, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 1):
        raise RuntimeError(f"{command}: {ran.stderr}")
    peak_kib, seconds = ran.stderr.split()[-2:]
    return Cost(int(peak_kib) * 1024, float(seconds))


def measure(home: Path, reports: int, only: Sequence[str] = ()) -> dict[str, Cost]:
    """What each command takes for so many reports. What was read before comes from the cache: reading is no matter here."""
    files = home / f"reports-{reports}"
    if not files.exists():
        files.mkdir()
        for number in range(reports):
            write_report(files / f"{number:05}.pdf", number)
    ask, costs = f"pdf2qa {files.name} --teacher offline --task table", dict[str, Cost]()
    for name in ("build/set", "build/gathered", "build/parts"):
        shutil.rmtree(home / name, ignore_errors=True)
    for key, command in _commands(ask, only):
        cost = run(home, command)
        costs[key] = max(cost, costs.get(key, cost), key=lambda each: each.peak_bytes)
        told = f"{cost.peak_bytes / 1e6:.0f} MB, {cost.seconds:.0f} CPU s, {cost.seconds / reports:.3f} s a report"
        print(f"{reports:,} reports, {key}: {told}", flush=True)
    return costs


def _commands(ask: str, only: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not only or "pdf2qa" in only:
        yield "pdf2qa", f"{ask} --out build/set"
    if not only or "gather" in only:
        for part in ("1", "2", "1"):  # the first one asks when the second one has read
            yield "a part", f"{ask} --shard {part}/2 --out build/parts/{part}"
        yield "gather", "gather build/parts/1 build/parts/2 --out build/gathered"


def report(sizes: Sequence[int] = SIZES, only: Sequence[str] = (), home: Path | None = None) -> dict[str, float]:
    """Print the table; command -> the bytes that a run over many reports is to be expected to take."""
    with tempfile.TemporaryDirectory() as name:
        costs = {size: measure(home or Path(name), size, only) for size in sizes}
    found, (small, large) = {}, (sizes[-2:] if len(sizes) > 1 else (0, sizes[0]))
    for key, cost in costs[large].items():
        less = costs[small][key].peak_bytes if small else 0
        slope = (cost.peak_bytes - less) / (large - small)
        found[key] = cost.peak_bytes + slope * (MANY - large)
        print(
            f"{key}: {slope / 1e3:.0f} kB a report between {small:,} and {large:,}; {MANY:,} take {found[key] / 1e9:.2f} GB"
        )
    return found


@pytest.mark.benchmark
def test_ten_thousand_reports_fit():
    assert {key: size for key, size in report().items() if size > GOAL_BYTES} == {}


if __name__ == "__main__":
    words = sys.argv[1:]
    counts = [int(word) for word in words if word.isdecimal()] or list(SIZES)
    kept = next((Path(word[5:]) for word in words if word.startswith("home=")), None)
    report(counts, [word for word in words if not word.isdecimal() and "=" not in word], kept)
