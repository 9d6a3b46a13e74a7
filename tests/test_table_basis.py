"""On what amounts stand: whose statement, which time, restated or not - right, or not known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_units import Line, holding, holds, make

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.prompts import read_template
from fingen.records import Chunk, Document
from fingen.tasks.documents import TASKS
from fingen.tasks.qa import ask_pairs, build_passage

CHECKED = Path(__file__).with_name("table_basis.jsonl")  # kinds that titles and headings name, read by a person
TEXT = "The directors consider that the accounts give a fair view of the state of affairs at the end of the period."
TEXT_ZH = "本财务报表业经公司董事会批准报出，后附财务报表附注为本财务报表的组成部分，请投资者一并阅读。"
BODY = [("Sales", "1,204", "1,180"), ("Cost of sales", "862", "790"), ("Result", "342", "390")]
BODY_ZH = [
    ("一、营业收入", "1,204.00", "1,180.00"),
    ("二、营业成本", "862.00", "790.00"),
    ("三、营业利润", "342.00", "390.00"),
]
YEARS, YEARS_ZH = ("", "2023", "2022"), ("项目", "2023年度", "2022年度")

KINDS: dict[str, tuple[list[Line], set[tuple[str, str]]]] = {
    "consolidated statement": (["# Consolidated income statement", [YEARS, *BODY]], {("consolidated", "")}),
    "parent's statement": (["# Company income statement", [YEARS, *BODY]], {("parent", "")}),
    "母公司": (["# 母公司利润表", [YEARS_ZH, *BODY_ZH]], {("parent", "")}),
    "合并": (["# 合并利润表", [YEARS_ZH, *BODY_ZH]], {("consolidated", "")}),
    "group and company side by side": (
        ["# Group and Company income statements", [("", "Group 2023", "Company 2023"), *BODY]],
        {("consolidated", "Group 2023"), ("parent", "Company 2023")}),
    "合并及公司": (["# 合并及公司利润表", [("项目", "本集团", "本行"), *BODY_ZH]], {("consolidated", "本集团"), ("parent", "本行")}),
    "a title of both, and columns of none": (["# Group and Company income statements", [YEARS, *BODY]], set()),
    "quarter": (["# Results", "Three months ended December 31, 2023", [YEARS, *BODY]], {("quarter", "")}),
    "quarter and year by column": (
        ["# Results", [("", "Three months ended", "Year ended"), *BODY]], {("quarter", "Three months ended"), ("year", "Year ended")}),
    "half-year": (["# 主要会计数据", [("项目", "2023年1-6月", "2022年1-6月"), *BODY_ZH]],
                  {("half-year", "2023年1-6月"), ("half-year", "2022年1-6月")}),
    "time of a statement": (["# Consolidated income statement", "for the year ended 31 March 2023", [YEARS, *BODY]],
                            {("consolidated", ""), ("year", "")}),
    "a balance sheet has no stretch of time": (["# Consolidated balance sheet", "Years ended 31 March 2023 and 2022", [YEARS, *BODY]],
                                               {("consolidated", "")}),
    "restated column": (["# Results", [("", "2023", "2022 (Restated)"), *BODY]], {("restated", "2022 (Restated)")}),
    "调整前 and 调整后": (["# 主要会计数据", [("项目", "调整前", "调整后"), *BODY_ZH]], {("as first reported", "调整前"), ("restated", "调整后")}),
    "扣非": (["# 主要会计数据", [("项目", "2023年度", "扣除非经常性损益后"), *BODY_ZH]],
            {("excluding one-offs", "扣除非经常性损益后")}),
    "GAAP and adjusted": (["# Results", [("", "GAAP", "Non-GAAP"), *BODY]], {("GAAP", "GAAP"), ("non-GAAP", "Non-GAAP")}),
    "a column that may be anything": (["# Results", [("", "Company", "Adjusted"), *BODY]], set()),
    "segment": (["# Segment information", [YEARS, *BODY]], {("segment", "")}),
    "discontinued": (["# Discontinued operations", [YEARS, *BODY]], {("discontinued", "")}),
    "convenience translation": (["# Results", [("", "2023 RMB", "2023 US$"), *BODY]], {("convenience translation", "2023 US$")}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_basis_of_a_table_is_what_title_or_column_says(tmp_path: Path, kind: str):
    lines, expected = KINDS[kind]
    chinese = not str(lines).isascii()
    document = make(tmp_path / "report.pdf", [[*lines, TEXT_ZH if chinese else TEXT]])
    found = holding(document, "营业成本" if chinese else "Cost of sales").basis

    assert {(basis.kind, basis.column) for basis in found} == expected
    assert {basis.page for basis in found} <= {1}


def test_a_title_that_another_statement_follows_says_nothing_of_it(tmp_path: Path):
    pages: list[list[Line]] = [
        ["# Consolidated balance sheet", [YEARS, *BODY], *[TEXT] * 4],
        ["# Store update", TEXT, [YEARS, ("Stores opened", "1,343", "1,310"), ("Stores closed", "1,012", "1,001")]],
    ]
    document = make(tmp_path / "report.pdf", pages)

    assert {basis.kind for basis in holding(document, "Cost of sales").basis} == {"consolidated"}
    assert holding(document, "Stores opened").basis == ()


LONG_ZH = [(f"{number}、应付职工薪酬", "1,204.00", "1,180.00") for number in range(7)]
OVER_PAGES: dict[str, list[list[Line]]] = {
    "a title at the foot of the page before": [
        [TEXT_ZH, "母公司利润表", "2023年1—12月"],
        ["单位：元 币种：人民币", [YEARS_ZH, ("五、净利润", "301.00", "350.00"), ("六、综合收益", "301.00", "350.00")]]],
    "the same headings again": [
        ["母公司利润表", "单位：元", [YEARS_ZH, *LONG_ZH]],
        [[YEARS_ZH, ("四、利润总额", "342.00", "390.00"), ("五、净利润", "301.00", "350.00")], TEXT_ZH,
         "合并现金流量表", [YEARS_ZH, ("收到的税费返还", "42.00", "39.00"), ("现金流入小计", "42.00", "39.00")]]],
}  # fmt: skip


@pytest.mark.parametrize("kind", OVER_PAGES)
def test_a_statement_is_the_parents_over_the_page_break(tmp_path: Path, kind: str):
    document = make(tmp_path / "report.pdf", OVER_PAGES[kind])

    assert "parent" in {basis.kind for basis in holding(document, "五、净利润").basis}


def test_a_title_among_those_who_signed_is_that_of_the_next_table(tmp_path: Path):
    """As readers have it where the title of the parent's balance sheet stands right below who signed the group's."""
    head = "| 项目 | 2023年12月31日 | 2022年12月31日 |\n|---|---|---|\n"
    signed = (
        "| 法定代表人：张三 | 主管会计工作负责人：李四母公司资产负债表2023年12月31日 | 会计机构负责人：王五 |\n|---|---|---|\n"
        "| 编制单位:北风股份有限公司 | | 单位:元 |\n"
    )
    tables = [head + "| 存货 | 1,204.00 | 1,180.00 |\n", signed, head + "| 货币资金 | 840.00 | 610.00 |\n"]
    path = tmp_path / "report.md"
    path.write_text("# 合并资产负债表\n\n" + "\n".join(tables), encoding="utf-8")
    chunks = read_document(path, path.name, ReadSettings(chunk_tokens=40)).chunks
    kinds = {
        word: {basis.kind for chunk in chunks if word in chunk.text for basis in chunk.basis}
        for word in ("存货", "货币资金")
    }
    assert kinds == {"存货": {"consolidated"}, "货币资金": {"parent"}}


def test_the_same_headings_below_other_text_are_another_table(tmp_path: Path):
    pages: list[list[Line]] = [
        ["母公司利润表", [YEARS_ZH, *BODY_ZH]],
        [TEXT_ZH, [YEARS_ZH, ("门店数量", "1,343", "1,310"), ("关闭门店", "1,012", "1,001")]],
    ]

    assert holding(make(tmp_path / "report.pdf", pages), "门店数量").basis == ()


def test_the_prompt_says_the_basis_and_where_it_was_said(tmp_path: Path):
    document = make(tmp_path / "report.pdf", [["# Company income statement", [YEARS, *BODY], TEXT]])
    chunk = holding(document, "Cost of sales")
    request = ask_pairs(
        (TASKS["summary"],), read_template("qa.en"), (build_passage(document, chunk),), most=1, teacher="x"
    )

    assert "Basis: Company income statement (page 1)\n" in request.prompt
    assert Chunk.model_validate_json(chunk.model_dump_json()) == chunk


@pytest.mark.slow
def test_bases_of_real_tables_are_right_or_unknown(shared: Path, parses: Path):
    expected = [json.loads(line) for line in CHECKED.read_text(encoding="utf-8").splitlines()]
    wrong, known = [], 0
    documents: dict[str, Document] = {}
    for row in expected:
        path = shared / row["document"]
        document = documents.setdefault(row["document"], read_document(path, path.name, ReadSettings(), cache=parses))
        beside = {kind for other in expected if other["document"] == row["document"] for kind in other["basis"]
                  if abs(other["page"] - row["page"]) < 2}  # fmt: skip  # a passage may hold two tables
        found = {basis.kind for chunk in document.chunks if holds(chunk, row) for basis in chunk.basis}
        known += found >= set(row["basis"])
        if found - beside:
            wrong.append((row, found))

    assert len(expected) >= 60
    assert not wrong
    assert known >= 0.9 * len(expected)
