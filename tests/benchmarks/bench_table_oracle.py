"""The operands of table pairs against a reading of tables that shares no code with fingen's: rows, periods, units and bases.

All reports of the shared folder go through `fingen pdf2qa --task table` with the built-in rules; each cell that a row's program takes is
then looked up by table_oracle.py, a script without fingen: words by their places (pdfplumber) in PDFs, the filer's tags in inline XBRL,
the grid of HTML elsewhere. What it cannot settle, and what it told otherwise, was read on the page by a person: table_oracle_eye.jsonl.
What neither has settled is counted as such.

Goal: at most 0.5 % of the operands wrong, over at least fifty tables of fifteen reports. How much the oracle sees is measured too: of
operands that are given another year, scale or row it must tell nine in ten.

    FINGEN_PDFPLUMBER=PYTHON python tests/benchmarks/bench_table_oracle.py [--out DIR]      # a Python with pdfplumber and lxml
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench_fpb import DATA, fingen  # noqa: E402  # modules of the tests, which are found by that

from fingen.disk import read_jsonl  # noqa: E402
from fingen.metrics import wilson  # noqa: E402
from fingen.records import Record  # noqa: E402
from fingen.sets import SPLITS  # noqa: E402

PYTHON = os.environ.get("FINGEN_PDFPLUMBER", sys.executable)
ORACLE, EYE = Path(__file__).with_name("table_oracle.py"), Path(__file__).with_name("table_oracle_eye.jsonl")
FOLDERS = ("reports_zh", "pdf_zh", "reports_more", "pdf_en", "filings")
GOAL, TABLES, REPORTS = 0.005, 50, 15
PLANTED, TOLD = 360, 0.9
WHAT = ("row", "period", "unit")
_UNITS = {
    "百万元": 10**6,
    "亿元": 10**8,
    "万元": 10**4,
    "千元": 10**3,
    "元": 1,
    "%": "%",
    "billion": 10**9,
    "million": 10**6,
    "thousand": 10**3,
}
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?=年|_|-)")  # in the name of a Chinese report: what 本期 is


def find_reports() -> dict[str, Path]:
    """The files that are read: of filings those with tags."""
    found = [path for folder in FOLDERS for path in sorted((DATA / folder).iterdir())]
    return {path.name: path for path in found if path.suffix == ".pdf" or "ixbrl" in path.name}


def operands(folder: Path, reports: dict[str, Path]) -> list[dict[str, Any]]:
    """Each cell that a program of the set takes, once, with the unit that it is said in."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in (row for split in SPLITS for row in read_jsonl(folder / f"{split}.jsonl", Record)):
        for cell in record.draws["cells"]:
            quotes = [quote for quote in record.evidence if cell["value"] in quote.quote]
            quote = next(
                (each for each in quotes if each.quote.split(" | ")[0].strip() == cell["row"]),
                (quotes or record.evidence)[0],
            )
            year = _YEAR.search(record.document)
            about = {
                "document": record.document,
                "page": quote.page,
                **cell,
                "scale": _said(cell["value"], record.output),
            }
            more = {"path": str(reports[record.document]), "quote": quote.quote, "question": record.instruction,
                    "chunk": record.chunks[0], "year": int(year[1]) if year else None}  # fmt: skip
            found.setdefault(tuple(about.values()), about | more)
    return sorted(found.values(), key=lambda each: (each["path"], each["page"]))


def _said(value: str, answer: str) -> int | str | None:
    """What the digits are multiplied by where the answer says them."""
    units = "|".join(map(re.escape, _UNITS))
    found = re.search(rf"(?<![\d,.]){re.escape(value)}(?!\d|[,.]\d)\s?({units})?", answer)
    return None if found is None else _UNITS[found[1]] if found[1] else 1


def ask_oracle(asked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Its verdict on each."""
    lines = "\n".join(json.dumps(each) for each in asked)
    ran = subprocess.run(
        [PYTHON, str(ORACLE)], input=lines, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def judge(
    asked: Sequence[dict[str, Any]], verdicts: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each operand as right, wrong or unsettled, and why: what was read on the page goes before what the oracle says."""
    eye = {_key(line): line for line in map(json.loads, EYE.read_text(encoding="utf-8").splitlines())}
    for each, verdict in zip(asked, verdicts, strict=True):
        seen = eye.get(_key(each))
        agrees = all(verdict[what] == "same" for what in WHAT) and verdict["basis"] != "other"
        yield (
            (seen["is"], each, seen["why"])
            if seen
            else ("right" if agrees else "unsettled", each, str(verdict.get("why")))
        )


def _key(line: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("document", "page", "row", "period", "value"))


def plant(asked: Sequence[dict[str, Any]], verdicts: Sequence[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """What the oracle says of operands that agree, each with one thing made another: what, and its verdict on that."""
    draw = random.Random(5)
    good = [
        each for each, verdict in zip(asked, verdicts, strict=True) if all(verdict[what] == "same" for what in WHAT)
    ]
    by_page = defaultdict(list)
    for each in good:
        by_page[each["path"], each["page"]].append(each)
    changed: list[tuple[str, dict[str, Any]]] = []
    for number, each in enumerate(draw.sample(good, min(PLANTED, len(good)))):
        others = [
            one["row"]
            for one in by_page[each["path"], each["page"]]
            if one["row"] not in each["row"] and each["row"] not in one["row"]
        ]
        if number % 3 == 1:
            changed.append(("unit", each | {"scale": 1000 if each["scale"] in (10**6, "%") else 10**6}))
        elif number % 3 == 2 and others:
            changed.append(("row", each | {"row": draw.choice(others)}))
        else:
            changed.append(("period", each | {"period": str(int(each["period"]) - 1)}))
    changed.sort(key=lambda pair: (pair[1]["path"], pair[1]["page"]))
    return Counter(
        (what, verdict[what])
        for (what, _), verdict in zip(changed, ask_oracle([each for _, each in changed]), strict=True)
    )


def run(out: Path) -> tuple[Counter[str], int, int, float]:
    """Make the set unless it is there, and judge it; gives what operands are, tables, reports and the share of planted faults told."""
    reports, made = find_reports(), out / "build" / "tables"
    out.mkdir(parents=True, exist_ok=True)
    if not (made / "manifest.json").is_file():
        fingen(
            out, "pdf2qa", *reports.values(), "--task", "table", "--teacher", "offline", "--workers", "1", "--out", made
        )
    asked = operands(made, reports)
    verdicts = ask_oracle(asked)
    judged = list(judge(asked, verdicts))
    counts = Counter(kind for kind, _, _ in judged)
    for kind, each, why in judged:
        if kind != "right":
            print(
                f"{kind}: {each['document']}, page {each['page']}: {each['row']} | {each['period']} | {each['value']}: {why}"
            )
    tables, documents = {(each["chunk"], each["page"]) for each in asked}, {each["document"] for each in asked}
    low, high = wilson(counts["wrong"], len(asked))
    print(f"{len(asked):,} operands, {len(tables)} tables, {len(documents)} reports: {counts['wrong']} wrong, {counts['wrong'] / len(asked):.2%} "
          f"({low:.2%} to {high:.2%}), {counts['unsettled']} not settled")  # fmt: skip
    planted = plant(asked, verdicts)
    told = sum(count for (_, said), count in planted.items() if said == "other") / max(1, sum(planted.values()))
    print(f"of {sum(planted.values())} planted faults {told:.1%} are told: {dict(planted)}")
    return counts, len(tables), len(documents), told


@pytest.mark.benchmark
def test_operands_are_those_of_another_reading(tmp_path: Path):
    if not DATA.exists():
        pytest.skip(f"{DATA} is not here: FINGEN_TEST_DATA names the folder of the reports")
    if subprocess.run([PYTHON, "-c", "import lxml, pdfplumber"], capture_output=True, check=False).returncode:
        pytest.skip("no pdfplumber: FINGEN_PDFPLUMBER names a Python that has it")
    counts, tables, reports, told = run(tmp_path)
    assert tables >= TABLES
    assert reports >= REPORTS
    assert told >= TOLD
    assert counts["wrong"] <= GOAL * counts.total()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-table-oracle")
    os.nice(10)
    run(parser.parse_args().out.resolve())
