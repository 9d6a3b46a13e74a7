"""Ways in which honest answers tell a figure, each with a sibling that tells it wrong, in both languages."""

from __future__ import annotations

from typing import Literal

import pytest

from fingen.quality.grounding import ground
from fingen.records import Basis, BlockKind, Passage, Period, Record


def faults(text: str, answer: str, *, calc: str = "", basis: tuple[Basis, ...] = ()) -> set[str]:
    """The reasons that an answer fails for on a passage whose blocks are parted by empty lines."""
    language: Literal["en", "zh"] = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    kinds: list[tuple[BlockKind, str]] = [
        ("table" if " | " in block else "paragraph", block) for block in text.split("\n\n")
    ]
    passage = Passage(
        chunk="c-1", document="report.pdf", company="Northgate Foods plc" if language == "en" else "云峰新材料股份有限公司",
        period=Period(kind="annual", end="2024-12-31"), language=language, section=(), pages=(1, 1), text=text,
        kinds=tuple(kinds), basis=basis,
    )  # fmt: skip
    record = Record(instruction="?", input="", output=answer, id="qa-1", task="qa-concept", language=language, document="report.pdf",
                    chunks=("c-1",), calc=calc or None, teacher="scripted", origin="document")  # fmt: skip
    return {finding.reason for finding in ground(record, [passage]).failed}


EARNINGS = "Adjusted EPS of $3.10 compares with $2.60 in 2023.\n\nDiluted earnings per share of $2.42 compare with $2.05 in 2023."
SEGMENT = "Financial data for the Chilled segment (in millions):\n\n | 2024 | 2023\nRevenue | $412.6 | $389.4\nRevenue % change | 6.0% | 2.1%"
LEADS = "For the Fourth Quarter of 2024\n\nNet sales rose 7.4% to $318.2 million.\n\nFor the Full Year of 2024\n\nNet sales rose 5.1% to $1,204.7 million."
GAINS = "(in millions) | 2024 | 2023\nRealised gains | $9.5 | $4.1\nUnrealised gains | $43.7 | $11.8"
LEDGER = "(in thousands) | 2024 | 2023\nTrade receivables | 49,576 | 44,850\nLess: loss allowance | (6,143) | (6,471)\n | 43,433 | 38,379"
PROFIT_ZH = "单位：元\n项目 | 2024年 | 2023年\n利润总额 | 912,452,980.27 | 846,113,027.55\n净利润 | 770,782,185.09 | 703,402,118.46"
CASH_ZH = "单位：元\n项目 | 2024年 | 2023年\n经营活动产生的现金流量净额 | 369,100,908.49 | 229,346,675.30"
GAINS_ZH = "上市投资收益5,340万元，其中已实现收益950万元，未实现收益4,390万元。"
BOTH_ZH = "来自持续及已终止经营业务的溢利\n\n单位：千元\n项目 | 2024年 | 2023年\n溢利 | 600,692 | 411,308"
PAID_ZH = "公司拟向全体股东每10股派发现金红利1.88元（含税）。"


@pytest.mark.parametrize(("text", "true", "false"), [
    (EARNINGS, "Diluted EPS nevertheless climbed from $2.05 to $2.42.", "Adjusted EPS nevertheless climbed from $2.05 to $2.42."),
    (SEGMENT, "Revenue of the Chilled segment grew 6.0%.", "In constant currency, revenue of the Chilled segment grew 6.0%."),
    (SEGMENT, "Revenue of the Chilled segment reached $412.6 million.", "Consolidated revenue reached $412.6 million."),
    (LEADS, "In the fourth quarter net sales came to $318.2 million.", "Net sales came to $318.2 million in 2024 as a whole."),
    (LEADS, "Net sales of the full year came to $1,204.7 million.", "Net sales came to $1,204.7 million in the fourth quarter."),
    (GAINS, "Realised gains came to $9.5 million and unrealised gains to $43.7 million.", "Unrealised gains came to $9.5 million."),
    (LEDGER, "Trade receivables before the allowance were $49,576 thousand.", "Trade receivables after the allowance were $49,576 thousand."),
    (PROFIT_ZH, "2024年利润总额9.12亿元，净利润7.71亿元。", "2024年净利润9.12亿元。"),
    (CASH_ZH, "2024年经营活动现金净流入3.69亿元。", "2024年经营活动现金流入达到3.69亿元。"),
    (GAINS_ZH, "其中未实现收益4,390万元，已实现收益只有950万元。", "其中已实现收益4,390万元。"),
    (BOTH_ZH, "2024年溢利为6.01亿元。", "2024年持续经营业务为溢利6.01亿元。"),
    (PAID_ZH, "公司拟每10股派1.88元（含税）。", "公司拟每10股派1.88元（税后）。"),
    (PAID_ZH, "公司拟每10股派1.88元。", "公司拟每股派1.88元。"),
])  # fmt: skip
def test_a_basis_is_that_of_the_figures_own_surroundings(text: str, true: str, false: str) -> None:
    assert faults(text, true) == set()
    assert faults(text, false)


@pytest.mark.parametrize(("text", "words"), [
    ("Revenue was $4,120 million in 2024.", "The figures are shown as first reported. Revenue was $4,120 million in 2024."),
    ("2024年营业收入为41.20亿元。", "2024年营业收入为41.20亿元，为调整前口径。"),
])  # fmt: skip
def test_a_special_basis_that_no_source_has_is_none(text: str, words: str) -> None:
    assert faults(text, text) == set()
    assert "binding-basis" in faults(text, words)


TAXES = "(in thousands) | 2024 | 2023\nTotal before tax | 903,799 | 1,461,804\nIncome tax | 697,068 | 253,415\nCapital expenditure | 312,126 | 172,187"
SHARE_ZH = "单位：元\n项目 | 2024年 | 2023年\n利润总额 | 912,452,980.27 | 846,113,027.55\n按法定税率计算的所得税 | 228,113,245.07 | 211,528,256.89\n所得税费用 | 141,670,795.18 | 92,110,203.11"


@pytest.mark.parametrize(("text", "answer", "calc", "reasons"), [
    (TAXES, "Income tax took about 77.1 percent of the total before tax.", "697068 / 903799 * 100", set()),
    (TAXES, "Income tax took about 47.7 percent of the total before tax.", "697068 / 1461804 * 100", {"binding-period"}),
    (TAXES, "Income tax was about 275.1 percent of that of the previous year.", "697068 / 253415 * 100", set()),
    (SHARE_ZH, "2024年所得税费用约为利润总额的15.5%。", "141670795.18 / 912452980.27 * 100", set()),
    (SHARE_ZH, "2024年所得税费用约为利润总额的62.1%。", "141670795.18 / 228113245.07 * 100", {"binding-row"}),
])  # fmt: skip
def test_a_share_is_of_the_whole_that_is_named(text: str, answer: str, calc: str, reasons: set[str]) -> None:
    assert faults(text, answer, calc=calc) == reasons


SUPPLY_ZH = "前五名供应商采购额45,406.97万元，占年度采购总额48.11%。"


@pytest.mark.parametrize(("answer", "is_true"), [
    ("前五名供应商采购额45,406.97万元，占年度采购总额的48.11%。", True), ("前五名供应商的采购占采购额48.11%。", True),
    ("前五名供应商采购额45,406.97万元，占营业成本48.11%。", False),
])  # fmt: skip
def test_a_percentage_is_of_what_the_source_says(answer: str, is_true: bool) -> None:
    assert (faults(SUPPLY_ZH, answer) == set()) is is_true


MARGINS = "(in thousands) | 2024 | 2023\nGross profit | 7,409 | 6,042\nGross margin | 50% | 51%"
DEBT_ZH = "单位：万元\n项目 | 2024年末 | 2023年末\n负债合计 | 136,480 | 25,990\n资产总计 | 1,036,400 | 853,700"


@pytest.mark.parametrize(("text", "answer", "is_true"), [
    (MARGINS, "The gross margin slipped one percentage point, to 50% from 51%.", True),
    (MARGINS, "The gross margin slipped three percentage points, to 50% from 51%.", False),
    (DEBT_ZH, "负债合计13.65亿元，是上年末2.60亿元的5倍多。", True), ("" + DEBT_ZH, "负债合计13.65亿元，是上年末2.60亿元的7倍多。", False),
    (DEBT_ZH, "资产总计突破百亿元，达103.64亿元。", True), (DEBT_ZH, "资产总计突破千亿元，达103.64亿元。", False),
])  # fmt: skip
def test_what_two_figures_show_needs_no_calculation(text: str, answer: str, is_true: bool) -> None:
    assert (faults(text, answer) == set()) is is_true


REPUBLIC = "單位：千元\n項目 | 113年度 | 112年度\n資本公積 | 12,940,301 | 13,860,196"
SHARED_DAY = "本公司於截至二零二五年及二零二四年三月三十一日止年度並無派付股息。"


def test_years_of_the_republic_and_days_in_chinese_numerals_are_dates() -> None:
    assert faults(REPUBLIC, "資本公積由民國一一二年的13,860,196千元降至民國113年的12,940,301千元。") == set()
    assert faults(REPUBLIC, "資本公積由民國112年的12,940,301千元升至民國113年的13,860,196千元。")
    assert faults(SHARED_DAY, "截至2025年3月31日止年度並無派付股息。") == set()
    assert "year" in faults(SHARED_DAY, "截至2025年6月30日止年度並無派付股息。")


LISTS = "(in millions) | 2024 | 2023\nTransport services | 254.6 | 250.2\nFacilities | 179.8 | 178.6"
LISTS_ZH = "单位：万元\n项目 | 2024年 | 2023年\n运输服务 | 25,460 | 25,020\n设施管理 | 17,980 | 17,860"


@pytest.mark.parametrize(("text", "form", "figures"), [
    (LISTS, "Transport services and facilities earned {} and {} respectively.", ("$254.6 million", "$179.8 million")),
    (LISTS_ZH, "2024年运输服务和设施管理收入分别为{}和{}。", ("25,460万元", "17,980万元")),
])  # fmt: skip
def test_a_list_is_in_the_order_of_its_names(text: str, form: str, figures: tuple[str, str]) -> None:
    assert faults(text, form.format(*figures)) == set()
    assert faults(text, form.format(*reversed(figures)))


CAUSES = "Cost of sales rose because of higher freight rates and a weaker mix of products."
CAUSES_ZH = "主营业务毛利率回落3.85个百分点，主要系原材料价格上涨所致。公司产品售价稳定，市场需求下调。"


@pytest.mark.parametrize(("text", "true", "false"), [
    (CAUSES, "Costs rose due to freight rates and the mix of products.", "Costs rose due to wage settlements and energy prices."),
    (CAUSES_ZH, "毛利率回落3.85个百分点，主要系原材料涨价所致。", "毛利率回落3.85个百分点，主要系工厂搬迁停产检修所致。"),
])  # fmt: skip
def test_a_reason_stands_in_one_place_of_the_source(text: str, true: str, false: str) -> None:
    assert faults(text, true) == set()
    assert "cause" in faults(text, false)


PARTS = "业绩摘要\n\n项目 | 2024年 | 2023年\n经营业绩（人民币百万元） |  | \n营业收入 | 74,199 | 87,775\n每股计（人民币元） |  | \n基本每股收益 | 0.49 | 0.56\n盈利能力指标(%) |  | \n成本收入比 | 28.39 | 22.13"


def test_a_heading_inside_a_table_gives_the_unit_of_the_rows_below() -> None:
    assert faults(PARTS, "2024年营业收入741.99亿元，基本每股收益0.49元，成本收入比28.39%。") == set()
    assert faults(PARTS, "2024年营业收入7.42亿元。")


def test_an_expense_below_nought_is_an_income() -> None:
    text = "财务费用本期-934,523,406.02元，上期-234,610,582.44元。"
    assert faults(text, "财务费用为-9.35亿元，上期为-2.35亿元。") == set()
    assert "sign" in faults(text, "财务费用为9.35亿元，上期为2.35亿元。")


def test_people_told_in_numerals_are_counted() -> None:
    text = "学历 | 人数\n博士 | 53\n硕士 | 153"
    assert faults(text, "其中博士五十三人。") == set()
    assert faults(text, "其中博士三十五人。") == {"figure"}


def test_the_basis_that_the_document_states_counts() -> None:
    text = "单位：元\n项目 | 2024年 | 2023年\n营业收入 | 13,417,370.45 | 24,085,570.69"
    parents = (Basis(kind="parent", text="母公司利润表", page=3),)
    assert "binding-basis" in faults(text, "母公司2024年营业收入为1,341.74万元。")
    assert faults(text, "母公司2024年营业收入为1,341.74万元。", basis=parents) == set()


ALONE = "個體財務報告\n\n單位：千元\n項目 | 113年度 | 112年度\n營業收入 | 206,562,483 | 187,812,709"
ENDS = "单位：元\n项目 | 本期期末数 | 上期期末数\n货币资金 | 905,402,299.44 | 627,066,110.58"


def test_a_report_of_the_parent_alone_needs_no_word_for_it() -> None:
    assert faults(ALONE, "民國113年營業收入為206,562,483千元。") == set()
    assert faults(ALONE, "民國113年個體財務報告的營業收入為206,562,483千元。") == set()
    assert faults(ALONE, "民國113年合併營業收入為206,562,483千元。") == {"binding-basis"}


def test_the_end_of_a_time_is_not_its_start() -> None:
    assert faults(ENDS, "期末货币资金9.05亿元，由期初的6.27亿元增加而来。") == set()
    assert faults(ENDS, "期初货币资金9.05亿元。") == {"binding-period"}
