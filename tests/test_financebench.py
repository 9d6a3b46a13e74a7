"""What human annotators found in a report is in the chunks of the page they name: FinanceBench evidence, FinGLM amounts."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.records import Document

GOAL = 0.99
TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
FIGURE = re.compile(r"(?<![\d.,])-?\d[\d,]*(?:\.\d+)?(?![\d.,]*\d)")
AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)元?")
ZH_REPORTS = {"603339": "603339_四方科技_2019年报.pdf", "002099": "002099_海翔药业_2019年报.pdf"}

# Gold about later years, which the shared 2019 reports cannot hold (test_excluded_amounts_... looks for the amounts).
NOT_IN_REPORT = {
    ("603339", "2021", "货币资金"): "cash at the end of 2021: two years after the report",
    ("603339", "2020", "无形资产"): "intangible assets at the end of 2020: a year after the report",
    ("603339", "2020", "2020年法定代表人"): "who stood for the company a year after the report",
    ("603339", "2021", "2021年法定代表人"): "who stood for the company two years after the report",
}
# A ratio that the gold derives from two amounts by the formula in `公式`, and what is asked rather than answered.
NO_GOLD = frozenset({"prom_answer", "公式", "key_word", "year", "ent_name", "ent_short_name"})


def show(text: str) -> None:
    """What was found is the finding: `pytest -s` shows it, and pytest itself where a test fails."""
    sys.stdout.write(f"{text}\n")


def tokens(text: str) -> Counter[str]:
    """Words and figures, whatever their width and case, without punctuation."""
    return Counter(TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()))


def page_text(document: Document, page: int) -> str:
    """The parts of the chunks that stand on a page (1-based)."""
    return "\n".join(c.text[b.start : b.end] for c in document.chunks for b in c.blocks if b.page == page)


class Reports:
    """The shared reports, each read once a session."""

    def __init__(self, shared: Path, cache: Path) -> None:
        self.shared, self._cache = shared, cache
        self._found: dict[str, Document] = {}

    def __call__(self, folder: str, name: str) -> Document:
        path = self.shared / folder / name
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        if name not in self._found:
            self._found[name] = read_document(path, name, ReadSettings(), cache=self._cache)
        return self._found[name]

    def lines(self, name: str) -> str:
        path = self.shared / "qa" / name
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reports(shared: Path, parses: Path) -> Reports:
    return Reports(shared, parses)


@pytest.mark.parametrize("field", ["evidence_text", "evidence_text_full_page"])
def test_evidence_is_in_the_chunks_of_its_page(reports: Reports, field: str):
    """The annotators' passages, and (with running headers and page numbers, which chunks leave out) the pages around them."""
    wanted = found = 0
    for line in reports.lines("financebench_rows_for_shared_pdfs.jsonl").splitlines():
        row: dict[str, Any] = json.loads(line)
        for evidence in row["evidence"]:
            document = reports("pdf_en", f"{evidence['doc_name']}.pdf")
            page = evidence["evidence_page_num"] + 1  # theirs count from 0
            gold = tokens(evidence[field])
            missing = gold - tokens(page_text(document, page))
            wanted += gold.total()
            found += gold.total() - missing.total()
            if missing:
                show(f"{evidence['doc_name']}, page {page}: missing {dict(missing)}")
    show(f"{field}: {found / wanted:.2%} of {wanted} tokens")
    assert wanted > 1500
    assert found / wanted >= (GOAL if field == "evidence_text" else 0.98)


def gold_of(row: dict[str, Any]) -> dict[str, str]:
    """What a FinGLM row states about a report, by name: amounts and texts."""
    return {name: value for name, value in row["prompt"].items() if name not in NO_GOLD}


def year_of(name: str, row: dict[str, Any]) -> str:
    """The year at whose end a value stands: `上年…` is the year before, `2019年…` says it."""
    named = re.match(r"(20\d\d)年", name)
    return named[1] if named else str(int(row["prompt"]["year"]) - name.startswith("上年"))


def test_gold_of_the_chinese_reports_is_in_their_chunks(reports: Reports):
    gold: dict[tuple[str, str, str], str] = {}  # (report, year, name) -> value
    for row in json.loads(reports.lines("finglm_gold_300617_603339_002099.json")):
        if row["code"] in ZH_REPORTS:
            for name, value in gold_of(row).items():
                gold[row["code"], year_of(name, row), name] = value
    wanted = {key: value for key, value in gold.items() if key not in NOT_IN_REPORT}
    amounts = {key: AMOUNT.fullmatch(value) for key, value in wanted.items()}
    missing = []
    for (code, year, name), value in wanted.items():
        text = "\n".join(chunk.text for chunk in reports("pdf_zh", ZH_REPORTS[code]).chunks)
        amount = amounts[code, year, name]
        figures = {Decimal(figure.replace(",", "")) for figure in FIGURE.findall(text)} if amount else set()
        if not (Decimal(amount[1]) in figures if amount else value in text):
            missing.append((code, year, name, value))
    show(
        f"gold in chunks: {1 - len(missing) / len(wanted):.0%} of {len(wanted)}; of later years: {len(gold) - len(wanted)}"
    )
    assert sum(amount is not None for amount in amounts.values()) >= 4
    assert not missing


def test_excluded_amounts_are_not_in_the_reports(reports: Reports):
    """The exclusions above are right: the raw text of the reports does not hold the amounts either."""
    rows = json.loads(reports.lines("finglm_gold_300617_603339_002099.json"))
    for code, year, name in NOT_IN_REPORT:
        prompts = (row["prompt"] for row in rows if row["code"] == code)
        value = next(prompt[name] for prompt in prompts if prompt.get("year") in (year, "2021") and name in prompt)
        if AMOUNT.fullmatch(value):
            with pymupdf.open(reports.shared / "pdf_zh" / ZH_REPORTS[code]) as pdf:
                assert not any(f"{Decimal(value.removesuffix('元')):,}" in page.get_text() for page in pdf)
