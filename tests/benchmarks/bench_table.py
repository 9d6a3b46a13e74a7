"""Questions on tables of real reports: goal >= 150 rows a 10-K, planted faults caught >= 99 %, true pairs flagged <= 1 %.

True pairs are those that a set takes; how many of all that the rules write are not taken is told beside it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from planted_programs import faults, judge, make_pairs

from fingen.config import ReadSettings
from fingen.documents import find_sources, read_documents
from fingen.records import Document

REPORTS = (
    "pdf_en/BESTBUY_2023_10K.pdf",
    "pdf_en/BOEING_2022_10K.pdf",
    "reports_more/PEPSICO_2022_10K.pdf",
    "reports_more/JOHNSON_JOHNSON_2022_10K.pdf",
    "pdf_zh/603339_四方科技_2019年报.pdf",
    "reports_zh/000008_神州高铁_2016_年报.pdf",
)

pytestmark = pytest.mark.benchmark


def test_faults_in_programs_and_answers_are_found(shared: Path) -> None:
    sources = find_sources([shared / name for name in REPORTS])
    documents = [found for found in read_documents(sources, ReadSettings(), workers=2) if isinstance(found, Document)]
    taken: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    found: Counter[tuple[str, bool]] = Counter()
    for made in make_pairs(documents):
        if reasons := judge(made.item, made.passage):
            refused[reasons[0]] += 1
            continue
        taken[made.passage.document] += 1
        found.update((fault, bool(judge(item, made.passage))) for fault, item in faults(made))
    print(f"\nrows: {dict(taken)}; not taken: {dict(refused)}")
    for fault in sorted({fault for fault, _ in found}):
        print(f"{fault}: {found[fault, True]} of {found[fault, True] + found[fault, False]}")
    caught = sum(count for (_, is_found), count in found.items() if is_found)
    print(f"caught: {caught} of {found.total()}")
    assert caught >= 0.99 * found.total()
