"""Questions on tables: what the rules ask, that each program gives its answer, and that a fault is found."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from planted_programs import build_record, faults, judge, make_pairs, pairs_of
from programs import evaluate

from fingen import prompts, verify
from fingen.cli import main
from fingen.config import ReadSettings
from fingen.documents import find_sources, read_documents
from fingen.quality.programs import execute, tokenize
from fingen.quality.steps import BY_NAME, OPERATIONS
from fingen.records import Document, Passage, Period, Record, Stated
from fingen.review.proof import prove
from fingen.sets import read_split
from fingen.tasks.table import PER_TABLE
from fingen.teachers.offline.questions import table_pairs
from fingen.verification.origin import origin_of_set

INCOME = """ | 2024 | 2023 | 2022
Revenue | $5,829 | $5,735 | $5,500
Cost of sales | 3,200 | 3,300 | 3,150
Gross profit | 2,629 | 2,435 | 2,350
Research and development expenses | 400 | 380 | 350
Selling and marketing expenses | 700 | 690 | 640
Operating income | 1,529 | 1,365 | 1,360"""
ASSETS = """ | December 31, 2024 | December 31, 2023
Raw materials and supplies | $120 | $100
Work in process | 80 | 90
Finished goods | 300 | 240
Total inventories | 500 | 430"""
ZH = """项目 | 2024年度 | 2023年度
营业收入 | 582,900,000.00 | 573,500,000.00
营业成本 | 320,000,000.00 | 330,000,000.00
研发费用 | 40,000,000.00 | 38,000,000.00
营业利润 | 152,900,000.00 | 136,500,000.00"""


def passage(table: str, title: str, language: str = "en") -> Passage:
    company, unit = ("Northwind Inc.", "in millions") if language == "en" else ("北风股份有限公司", "单位：元")
    return Passage(
        chunk="c", document="a.pdf", company=company, period=Period(kind="annual", end="2024-12-31"), language=language,
        section=(title,), pages=(3, 3), text=table, kinds=(("table", table),),
        unit=(Stated(text=f"$ {unit}" if language == "en" else unit, page=3),),
    )  # type: ignore[arg-type]  # a language  # fmt: skip


SHOWN = {
    "income": passage(INCOME, "Consolidated Statements of Income"),
    "inventories": passage(ASSETS, "Inventories"),
    "zh": passage(ZH, "合并利润表", "zh"),
}


FLOWS = """ | 2024 | 2023
Net earnings | $6,093 | $5,429
Inventories | 432 | 196
Net cash provided by operating activities | 8,865 | 10,275
Payments for plant and property | (6,793) | (5,883)
Net cash used in investing activities | (6,155) | (5,723)"""
STACKED = INCOME.replace(
    " | 2024 | 2023 | 2022", " | January 28, January 29, 2024 | January 28, January 29, 2023 | 2022", 1
)
OF_OTHERS = {
    "a company that is held in part": (INCOME, ("Notes", "Summary of financial information of Bottler Enterprises")),
    "a region": (INCOME, ("Item 7", "EMEA Region")),
    "parts of deferred taxes": (ASSETS, ("Note 10: Income Taxes", "Deferred tax assets")),
    "parts of what is accrued": (ASSETS, ("Note 5: Accrued Liabilities",)),
    "cash flows under the title of a balance sheet": (FLOWS, ("Consolidated Balance Sheets",)),
    "days of which nobody knows whose they are": (STACKED, ("Consolidated Statements of Income",)),
}


@pytest.mark.parametrize("what", OF_OTHERS)
def test_what_may_be_of_others_is_not_asked_about(what: str):
    table, section = OF_OTHERS[what]

    plain = table_pairs(passage(INCOME if table is STACKED else table, "Consolidated Statements of Income"))
    asked = table_pairs(passage(table, "").model_copy(update={"section": section}))

    assert plain
    assert [pair.question for pair in asked if table is not FLOWS or "December 31" in pair.question] == []


@pytest.mark.parametrize("name", SHOWN)
def test_a_table_gives_up_to_four_pairs_of_different_kinds(name: str):
    pairs = table_pairs(SHOWN[name])
    assert 2 <= len(pairs) <= PER_TABLE
    assert len({pair.operation for pair in pairs}) >= min(3, len(pairs))
    assert all(pair.operation in OPERATIONS for pair in pairs)


@pytest.mark.parametrize("name", SHOWN)
def test_a_program_gives_by_another_reading_what_the_answer_says(name: str):
    """`evaluate` is of the tests alone: it reads the cells of the table anew, by row and year."""
    for pair in table_pairs(SHOWN[name]):
        lines = [line.split(" | ") for line in SHOWN[name].text.split("\n")]
        years = [re.search(r"\d{4}", cell)[0] for cell in lines[0][1:]]  # type: ignore[index]  # each names one
        table = {cells[0]: dict(zip(years, cells[1:], strict=True)) for cells in lines[1:]}
        assert [table[cell["row"]][cell["period"]].strip("$ ") for cell in pair.cells] == [
            cell["value"] for cell in pair.cells
        ]
        value = evaluate(pair.program, [quote.split(" | ") for quote in pair.quotes])
        run = execute(tokenize(pair.program), [quote.split(" | ") for quote in pair.quotes])
        assert run.is_valid
        if isinstance(value, Decimal):
            assert float(value) == pytest.approx(run.value, abs=6e-6)
            assert _says(pair.answer, value), (pair.answer, value)
        else:
            assert value == run.value


def _says(answer: str, value: Decimal) -> bool:
    """Whether an answer has a figure that is the value, or it in percent, rounded to the figure's decimals."""
    figures = [Decimal(each.replace(",", "")) for each in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", answer)]
    values = (abs(value), abs(value) * 100)
    return any(
        abs(figure - each) <= Decimal("0.5").scaleb(figure.as_tuple().exponent) for figure in figures for each in values
    )  # type: ignore[arg-type]  # finite


@pytest.mark.parametrize("name", SHOWN)
def test_true_pairs_pass_and_each_fault_is_found(name: str):
    shown = SHOWN[name]
    planted: Counter[str] = Counter()
    for made in pairs_of(shown):
        assert not judge(made.item, shown), made.item.question
        for fault, item in faults(made):
            planted[fault] += 1
            assert judge(item, shown), (fault, item.program, item.answer)
    assert len(planted) > 7, planted


@given(st.lists(st.integers(20, 10**9), min_size=4, max_size=4, unique=True))
def test_of_any_figures_each_program_is_right(figures: list[int]):
    a, b, c, d = (f"{figure:,}" for figure in figures)
    table = f" | 2024 | 2023\nRevenue | ${a} | ${b}\nCost of sales | {c} | {d}"
    shown = passage(table, "Consolidated Statements of Income")
    for pair in table_pairs(shown):
        value = evaluate(pair.program, [quote.split(" | ") for quote in pair.quotes])
        assert isinstance(value, str) or _says(pair.answer, value)


@pytest.mark.parametrize("table", [
    "Name | Age\nA. Smith | 51\nB. Jones | 63",
    " | 2024 | 2023\nRevenue % change | 5.1% | 4.0%\nOrganic growth rate | 2.0% | 2.5%",
    " | 2024 | 2023\nWeighted average shares outstanding | 500 | 510\nNumber of stores | 305 | 267",
    " | 2024 | 2023\nOther | 55 | 44\nNet | 21 | 20",
    " | Three months ended March 31, 2024 | Three months ended March 31, 2023\nRevenue | $1,500 | $1,400",
])  # fmt: skip
def test_what_no_analyst_works_out_is_not_asked(table: str):
    assert table_pairs(passage(table, "Consolidated Statements of Income")) == []


def test_no_unit_and_no_company_give_no_pair():
    shown = SHOWN["income"]
    assert table_pairs(shown.model_copy(update={"company": None})) == []
    assert table_pairs(shown.model_copy(update={"unit": ()})) == []
    assert table_pairs(shown.model_copy(update={"section": ("Parent company only: Statements of Income",)})) == []


def test_a_share_is_one_of_the_total_that_the_line_adds_up_to():
    """Total liabilities and equity are no whole of an expense, whatever their sizes."""
    wrong = ASSETS.replace("500 | 430", "501 | 430")
    kinds = {pair.operation for pair in table_pairs(passage(wrong, "Inventories"))}
    assert not kinds & {"share", "share_change", "sum", "rank", "contribution"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_wordings_are_many_and_name_their_slots(language: str):
    data = prompts.read_data(f"table-words.{language}")
    assert set(data) == set(BY_NAME)
    for operation, words in data.items():
        assert len(words["ask"]) >= 4, operation
        assert all("{company}" in ask or "{owner}" in ask for ask in words["ask"])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of the sample report, made by the command."""
    folder = tmp_path_factory.mktemp("table")
    report = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
    run = ["pdf2qa", str(report), "--task", "table", "--teacher", "offline", "--out", str(folder / "set"), "--quiet"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    return folder / "set"


def _rows(folder: Path) -> list[Record]:
    return [record for split in ("train", "validation", "test") for record in read_split(folder, split)]


def test_rows_hold_program_cells_and_steps(sample: Path):
    rows = _rows(sample)
    assert rows
    for record in rows:
        assert record.task == "qa-table"
        assert record.draws["operation"] in OPERATIONS
        assert record.draws["steps"] == record.program.count("(")
        assert all(set(cell) == {"row", "period", "value"} for cell in record.draws["cells"])
        assert execute(tokenize(record.program), [quote.quote.split(" | ") for quote in record.evidence]).is_valid


def test_a_set_of_table_pairs_verifies(sample: Path):
    result = CliRunner().invoke(main, ["verify", str(sample), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["laws"]["programs"]["passed"] >= len(_rows(sample))


@pytest.mark.slow
def test_real_reports_give_pairs_that_run(shared: Path):
    sources = find_sources([shared / "pdf_en" / "BESTBUY_2023_10K.pdf"])
    documents = [found for found in read_documents(sources, ReadSettings(), workers=1) if isinstance(found, Document)]
    made = list(make_pairs(documents))
    for each in made:
        record = build_record(each.item, each.passage)
        table = [quote.quote.split(" | ") for quote in record.evidence]
        assert str(evaluate(record.program, table))
    assert len(made) > 40


def _changed(record: Record, what: str) -> Record:
    """A row with one thing wrong in its program, its cells or its answer."""
    first = record.draws["cells"][0]
    other = {
        "operand": {"value": "1" + first["value"]},
        "row": {"row": "Another " + first["row"]},
        "year": {"period": "1999"},
    }
    if what in other:
        cells = [{**first, **other[what]}, *record.draws["cells"][1:]]
        return record.model_copy(update={"draws": {**record.draws, "cells": cells}})
    if what == "program":
        return record.model_copy(update={"program": record.program.replace("subtract(", "add(", 1)})
    if what == "none":
        return record.model_copy(update={"program": ""})
    units = {"million": "billion"} if record.language == "en" else {"元": "万元"}
    ways = {"rose": "fell", "an increase": "a decrease", "the increase": "the decrease", "增加": "减少", "增长": "下降"}
    output = record.output
    for old, new in (units if what == "unit" else ways).items():
        output = output.replace(old, new)
    return record.model_copy(update={"output": output})


@pytest.mark.parametrize("what", ["operand", "row", "year", "program", "none", "unit", "way"])
def test_verify_runs_each_program_anew(sample: Path, tmp_path: Path, what: str):
    folder = tmp_path / "set"
    shutil.copytree(sample, folder)
    split, moved = next(
        (split, record) for split in ("train", "validation", "test") for record in read_split(sample, split)
        if "subtract(" in record.program and re.search("rose|increase|增", record.output)
    )  # fmt: skip
    wrong = _changed(moved, what)
    assert wrong != moved
    path = folder / f"{split}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [wrong.model_dump_json() if json.loads(line)["id"] == moved.id else line for line in lines]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    found = [problem for law in verify(folder).laws.values() for problem in law.problems if problem.id == moved.id]
    assert found
    assert what == "unit" or any(problem.law == "programs" for problem in found)


def test_an_edited_row_is_held_to_its_program(sample: Path):
    origin = origin_of_set(sample)
    record = next(record for record in _rows(sample) if record.draws["operation"] in ("growth", "change"))
    edited = record.model_copy(update={"instruction": record.instruction.replace("2023", "2021")})
    assert prove(record, origin).faults == ()
    assert "program" in prove(edited, origin).failed
