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
from fingen.quality.namesakes import find_namesakes
from fingen.quality.programs import execute, tokenize
from fingen.quality.steps import BY_NAME, OPERATIONS
from fingen.records import Basis, Document, Passage, Period, Record, Stated
from fingen.review.proof import prove
from fingen.sets import read_split
from fingen.tasks.table import PER_TABLE
from fingen.teachers.offline.questions import table_pairs, table_talks
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


def test_the_same_figure_in_two_years_is_given_to_both():
    shown = passage(" | 2024 | 2023 | 2022\nRevenue | $2,735 | $2,735 | $2,800", "Consolidated Statements of Income")
    made = [each for each in pairs_of(shown) if each.item.operation in ("peak", "average")]
    assert made
    for each in made:
        assert not judge(each.item, shown), each.item.answer
        assert judge(
            each.item.model_copy(
                update={"answer": each.item.answer.replace("2,800 million in 2022", "2,800 million in 2023")}
            ),
            shown,
        )


OWNERS = """项目 | 2024年度 | 2023年度
五、净利润 | 120,900,000.00 | 110,500,000.00
（一）按经营持续性分类 |  |\x20
1.持续经营净利润（净亏损以“－”号填列） | 120,900,000.00 | 110,500,000.00
2.终止经营净利润（净亏损以“－”号填列） |  |\x20
（二）按所有权归属分类 |  |\x20
1.归属于母公司股东的净利润（净亏损以“-”号填列） | 100,900,000.00 | 98,500,000.00
2.少数股东损益 | 20,000,000.00 | 12,000,000.00"""


def test_profit_of_the_owners_is_not_taken_for_that_of_what_was_discontinued():
    shown = passage(OWNERS, "合并利润表", "zh")
    made = [each for each in pairs_of(shown) if "归属于母公司股东的净利润" in each.item.question]
    assert made
    assert all(not judge(each.item, shown) for each in made)


def test_a_row_whose_name_ends_in_a_number_is_not_named_by_a_year():
    table = ZH.replace("营业成本 |", "公司2 |")
    made = [each for each in pairs_of(passage(table, "合并利润表", "zh")) if "公司2024" in each.item.question]
    assert made
    assert all(not judge(each.item, passage(table, "合并利润表", "zh")) for each in made)


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
    assert set(data) == {
        *BY_NAME,
        "level",
        "level_before",
        "then_growth",
        "then_part",
    }  # and the turns of conversations
    for operation in BY_NAME:
        words = data[operation]
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


def _lines(*rows: tuple[str, ...]) -> str:
    return "\n".join(" | ".join(row) for row in rows)


AMORTIZED = _lines(
    ("", "2024", "", "2023", ""),
    ("", "Gross carrying amount", "Accumulated amortization", "Gross carrying amount", "Accumulated amortization"),
    ("Customer relationships", "$360", "$236", "$350", "$180"),
    ("Technology", "64", "51", "60", "39"),
)
RATES = " | 2024 | 2023\nGross margin | 45.1% | 44.0%\nRevenue % change | 5.1% | 4.0%\nDiluted earnings per share | $3.05 | $2.67"
PENSION = _lines(
    ("", "", "Pension", "", "Other Benefits", ""),
    ("Years ended December 31,", "2024", "2023", "2022", "2024", "2023"),
    ("Service cost", "$300", "$310", "$320", "$72", "$87"),
    ("Interest cost", "2,080", "1,988", "2,455", "98", "97"),
)
SEGMENTS = _lines(
    ("", "2024", "2023"),
    ("Revenue by segment", "", ""),
    ("Domestic", "$42,794", "$47,830"),
    ("International", "3,504", "3,931"),
    ("Total revenue", "46,298", "51,761"),
    ("Assets by segment", "", ""),
    ("Domestic", "$14,549", "$16,016"),
    ("International", "1,254", "1,488"),
    ("Total assets", "15,803", "17,504"),
)


def _asked(table: str, title: str = "Notes") -> list[tuple[str, tuple[tuple[str, str, str], ...]]]:
    return [
        (pair.question, tuple((cell["row"], cell["period"], cell["value"]) for cell in pair.cells))
        for pair in table_pairs(passage(table, title))
    ]


def test_measures_below_years_are_read_by_their_own_columns():
    cells = {cell for _, cells in _asked(AMORTIZED) for cell in cells}
    assert cells <= {
        ("Customer relationships", "2024", "360"), ("Customer relationships", "2023", "350"),
        ("Customer relationships", "2024", "236"), ("Customer relationships", "2023", "180"),
        ("Technology", "2024", "64"), ("Technology", "2023", "60"), ("Technology", "2024", "51"), ("Technology", "2023", "39"),
    }  # fmt: skip
    assert len(cells) > 2
    uneven = AMORTIZED.replace(" | 2024 |  | 2023 | ", " | 2024 | 2023 |  | ", 1)
    assert _asked(uneven) == []


def test_columns_of_two_plans_are_not_taken_for_years_of_one():
    """2024, 2022 and 2023 that stand in this order are no group of years."""
    years = {"2024": "2,080", "2023": "1,988", "2022": "2,455"}
    for _, cells in _asked(PENSION):
        assert all(
            years[period] == value
            for row, period, value in cells
            if row == "Interest cost" and value not in ("98", "97")
        )


def test_rates_move_by_points_and_amounts_per_share_by_money():
    pairs = {pair.operation: pair for pair in table_pairs(passage(RATES, "Notes"))}
    assert "1.1 percentage points" in pairs["points"].answer
    assert "$0.38" in pairs["change"].answer or "14.2%" in pairs["growth"].answer
    assert not any("Revenue %" in pair.question for pair in pairs.values())


def test_a_row_of_two_groups_is_asked_about_within_its_total():
    shown = passage(SEGMENTS, "Notes")
    made = [each for each in pairs_of(shown) if any(cell.row == "Domestic" for cell in each.item.cells)]
    assert made
    for each in made:
        assert re.search("total (?:revenue|assets)", each.item.question)
        assert not judge(each.item, shown)
        assert all(judge(item, shown) for _, item in faults(each))


@pytest.mark.parametrize(("shown_as", "found"), [("1,100", 0), ("1,200", 1)])
def test_a_figure_that_the_statements_have_otherwise_is_of_another(shown_as: str, found: int):
    """Of a segment, an investee, a part: the report's own statement says which figure the row has."""
    note = passage(
        f" | 2024 | 2023\nOther items, net | $55 | $44\nResearch and development expenses | {shown_as} | 1,000",
        "Notes",
    )
    own = passage(" | 2024 | 2023\nRevenue | $9,000 | $8,000\nResearch and development expenses | 1,100 | 1,000",
                  "Consolidated Statements of Income").model_copy(update={"chunk": "s"})  # fmt: skip
    made = [each.item for each in pairs_of(note) if any("Research" in cell.row for cell in each.item.cells)]
    assert made
    records = [build_record(item, note) for item in made]
    assert len(list(find_namesakes(records, lambda document: [note, own]))) == found * len(records)


def test_parts_of_a_year_are_compared_in_reports_of_them():
    table = _lines(
        ("", "Three Months Ended", "", "Six Months Ended", ""),
        ("", "Jun 30, 2025", "Jun 30, 2024", "Jun 30, 2025", "Jun 30, 2024"),
        ("Revenue", "$46,743", "$30,040", "$90,805", "$56,084"),
        ("Cost of revenue", "12,890", "7,466", "30,284", "13,105"),
    )
    shown = passage(table, "Condensed Consolidated Statements of Income")
    assert table_pairs(shown) == []
    period = Period(kind="quarterly", end="2025-06-30")
    pairs = table_pairs(shown.model_copy(update={"period": period}))
    assert pairs
    for pair in pairs:
        long = "six months" in pair.question
        assert long != ("three months" in pair.question)
        assert {cell["value"] for cell in pair.cells} <= (
            {"90,805", "56,084", "30,284", "13,105"} if long else {"46,743", "30,040", "12,890", "7,466"}
        )


def test_a_statement_that_is_titled_below_says_nothing_of_the_table_above():
    above = "项目 | 2024年12月31日 | 2023年12月31日\n未分配利润 | 582,900,000.00 | 573,500,000.00"
    both = passage(above, "财务报表", "zh").model_copy(
        update={
            "text": f"{above}\n合并利润表\n{ZH}",
            "kinds": (("table", above), ("paragraph", "合并利润表"), ("table", ZH)),
            "basis": (Basis(kind="consolidated", text="合并利润表", page=3),),
        }
    )
    asked = [pair.question for pair in table_pairs(both)]

    assert any("营业收入" in question for question in asked)
    assert not any("2024年度" in question and "未分配利润" in question for question in asked)


def test_a_statement_that_goes_on_above_the_parents_is_not_asked_about():
    mixed = passage(ZH, "财务报表", "zh").model_copy(
        update={
            "basis": (
                Basis(kind="consolidated", text="合并利润表", page=2),
                Basis(kind="parent", text="母公司利润表", page=3),
            )
        }
    )

    assert table_pairs(SHOWN["zh"])
    assert not table_pairs(mixed)


def test_a_conversation_names_the_kind_of_its_report():
    quarterly = INCOME.replace(" | 2024 | 2023 | 2022", "Three months ended | June 30, 2024 | June 30, 2023").replace(
        " | $5,500", ""
    )
    quarterly = "\n".join(" | ".join(line.split(" | ")[:3]) for line in quarterly.split("\n"))
    said = passage(quarterly, "Consolidated Statements of Income").model_copy(
        update={"period": Period(kind="quarterly", end="2024-06-30")}
    )
    answers = [turn.answer for talk in table_talks(said) for turn in talk]

    assert any("quarterly report" in answer for answer in answers)
    assert not any("annual report" in answer for answer in answers)


def test_the_last_turn_of_a_conversation_stays_with_its_line():
    """A label that stands in two totals of one table is another line in each."""
    twice = """ | 2024 | 2023
Revenue: |  |\x20
Product | $6,000 | $5,000
Service | 4,000 | 3,000
Total revenue | 10,000 | 8,000
Cost of revenue: |  |\x20
Product | 2,000 | 1,800
Service | 1,000 | 900
Total cost of revenue | 3,000 | 2,700"""
    talks = table_talks(passage(twice, "Results by Line"))
    rows = [{cell["value"] for cell in turn.cells} for talk in talks if len(talk) == 4 for turn in talk[::3]]

    assert rows
    assert all(first <= last for first, last in zip(rows[::2], rows[1::2], strict=True))


INVESTEE = (
    "Our equity in it is amortized over 40 years. A summary of financial information for our equity investments in the "
    "aggregate, other than Bottler Enterprises and Bottler Amatil, whose accounts are given above, is as follows (in millions):"
)


def test_both_tables_below_a_sentence_on_an_investee_are_its_own():
    plain = passage(f"{ASSETS}\n{INCOME}", "Note 2: Bottling Investments")
    told = {"below": (("table", ASSETS), ("table", INCOME))}
    told["investee"] = (("paragraph", INVESTEE), *told["below"])
    asked = {name: table_pairs(plain.model_copy(update={"kinds": kinds})) for name, kinds in told.items()}

    assert asked["below"]
    assert asked["investee"] == []


def test_a_mark_of_the_page_is_no_title_of_columns():
    table = """ | [bar chart] |  |
 | 2024 | 2023 | 2022
Net operating revenues | $18,900 | $18,700 | $18,100
Gross margin | 68% | 64% | 62%"""
    said = [pair.question for pair in table_pairs(passage(table, "Margin Analysis"))]

    assert not any("chart" in question for question in said)


def test_components_of_deferred_taxes_are_not_asked_about_as_assets():
    table = ASSETS.replace("Total inventories", "Gross deferred tax assets").replace("Finished goods", "Benefit plans")

    assert table_pairs(passage(ASSETS, "Details"))
    assert table_pairs(passage(table, "Details")) == []


def test_the_lines_of_a_cash_flow_statement_are_no_balances():
    """Not even where no title says what it is: what was added to unearned revenue is not that revenue."""
    flows = FLOWS.replace("Inventories |", "Unearned revenue |").replace("used in investing", "used for investing")
    flows += "\nNet cash used in financing activities | (2,710) | (4,552)"
    said = [pair.question.lower() for pair in table_pairs(passage(flows, "Details"))]

    assert any("operating activities" in question for question in said)
    assert not any("unearned" in question for question in said)


def test_where_no_table_is_asked_about_the_hint_is_to_look_for_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    told = (
        "Orders came in from many customers in the north, and costs fell as the new plant began to work at full load."
    )
    Path("a.md").write_text(f"# Northwind Inc.\n\nAnnual Report 2024\n\n## Business\n\n{told}\n")
    for task, what in (("table", "tables of figures"), ("concept,table", "running text")):
        command = [
            "pdf2qa",
            "a.md",
            "--task",
            task,
            "--teacher",
            "offline",
            "--workers",
            "1",
            "--quiet",
            "--context",
            "passage",
        ]
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 1, ran.output
        assert f"are they reports with {what}?" in ran.stderr
