"""Where figures stand: on statement pages and on the other pages with tables, how many are alone in their cell, under their
heading and in a row of their own. Goals: rows whole, alone and under their heading >= 99.5 % on statement pages, foreign
figures <= 1 %. The oracle is tests/cells.py, which clusters the right edges of words and shares nothing with the reader.

    python tests/benchmarks/bench_cells.py [NAME]
    pytest -m benchmark -s tests/benchmarks/bench_cells.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from cells import Score, score_report

from fingen.config import ReadSettings
from fingen.documents.read import read_document

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
GOAL, MOST_FOREIGN = 0.995, 0.01


def reports(name: str = "") -> list[Path]:
    folders = ("pdf_en", "pdf_zh", "reports_more", "reports_zh")
    found = (path for folder in folders for path in sorted((DATA / folder).glob("*.pdf")))
    return [path for path in found if "image_only" not in path.name and name in path.name]


def measure(name: str = "") -> tuple[Score, Score]:
    """The scores of statement pages and of the others, printed report by report."""
    statements, others = Score(), Score()
    for path in reports(name):
        document = read_document(path, path.name, ReadSettings())
        of_statements = score_report(path, document, statements=True)
        of_others = score_report(path, document, statements=False)
        print(f"{path.name}\n    statements: {of_statements}\n    others: {of_others}")
        statements += of_statements
        others += of_others
    print(f"all statements: {statements}\nall others: {others}")
    return statements, others


@pytest.mark.benchmark
@pytest.mark.skipif(not reports(), reason=f"no real documents in {DATA}")
def test_figures_stand_where_they_belong():
    found, _ = measure()
    assert min(found.whole / found.rows, found.alone / found.figures) >= GOAL
    assert found.in_column / found.headed >= GOAL
    assert found.foreign / found.figures <= MOST_FOREIGN


if __name__ == "__main__":
    score, _ = measure(sys.argv[1] if len(sys.argv) > 1 else "")
    sys.exit(score.in_column / (score.headed or 1) < GOAL)
