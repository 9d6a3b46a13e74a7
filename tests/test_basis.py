"""The basis of a figure: whose accounts, what time, restated or not, adjusted or by the rules. Another one is not proved."""

from __future__ import annotations

from typing import Literal

import pytest

from fingen.quality.grounding import ground
from fingen.records import BlockKind, Evidence, Passage, Period, Record

Kind = Literal["annual", "half-year", "quarterly"]


def find_faults(
    text: str,
    answer: str,
    *,
    question: str = "?",
    section: tuple[str, ...] = (),
    kind: Kind = "annual",
    quotes: bool = False,
) -> set[str]:
    """The reasons that an answer fails for on a passage whose blocks are parted by empty lines."""
    language: Literal["en", "zh"] = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    kinds: list[tuple[BlockKind, str]] = [
        ("table" if " | " in block else "paragraph", block) for block in text.split("\n\n")
    ]
    passage = Passage(
        chunk="c-1", document="report.pdf", company="Acme Instruments Co., Ltd." if language == "en" else "蓝海精密仪器股份有限公司",
        period=Period(kind=kind, end="2024-12-31" if kind == "annual" else "2024-09-30"), language=language, section=section,
        pages=(1, 1), text=text, kinds=tuple(kinds),
    )  # fmt: skip
    evidence = tuple(Evidence(quote=line, page=1) for line in text.split("\n") if line) if quotes else ()
    record = Record(instruction=question, input="", output=answer, id="qa-1", task="qa-concept", language=language, document="report.pdf",
                    chunks=("c-1",), evidence=evidence, teacher="scripted", origin="document")  # fmt: skip
    return {finding.reason for finding in ground(record, [passage]).failed}


PARENT = "母公司利润表\n\n单位：元\n项目 | 2024年度 | 2023年度\n营业收入 | 13,417,370.45 | 24,085,570.69"
QUARTERS = "2024年分季度主要财务数据\n\n单位：元\n项目 | 第一季度 | 第二季度 | 第三季度 | 第四季度\n营业收入 | 366,175,089.52 | 258,180,404.26 | 483,387,661.41 | 474,162,477.29"
PROFITS = "单位：元\n项目 | 2024年 | 2023年\n归属于上市公司股东的净利润 | 406,195,463.57 | 221,041,634.94\n归属于上市公司股东的扣除非经常性损益的净利润 | 392,188,209.82 | 215,115,789.00"
RESTATED = "单位：元\n项目 | 2024年 | 2023年调整后 | 2023年调整前\n营业收入 | 1,581,905,632.48 | 1,126,782,253.35 | 1,120,000,113.27"
SPANS = "单位：元\n项目 | 本报告期 | 年初至报告期末\n营业收入 | 1,380,240,517.62 | 3,564,707,872.26"
ADJUSTED = "(in millions) | 2024 | 2023\nOperating profit | $162.0 | $130.0\nAdjusted operating profit | $181.4 | $143.6\nDiluted earnings per share | $0.46 | $0.36\nBasic earnings per share | $0.49 | $0.38"
PROSE = "GAAP operating margin was 13.1 percent in 2024, while the non-GAAP operating margin reached 27.4 percent. Sales grew 4.2 percent, or 6.8 percent at constant currency."
REPORTED = "(in thousands) | 2023 as restated | 2023 as previously reported\nRevenue | $88,410 | $91,275"
THREE = "Three months ended December 31, 2024 (in millions)\n\n | 2024 | 2023\nRevenue | $318.2 | $287.9"
YUAN = "(in thousands) | 2023 RMB | 2024 RMB | 2024 US$\nRevenue | 1,286,300 | 1,234,510 | 176,890"


@pytest.mark.parametrize(("text", "true", "false"), [
    (PARENT, "母公司2024年营业收入为1,341.74万元。", "2024年合并营业收入为1,341.74万元。"),
    (PARENT, "2024年母公司营业收入由上年的2,408.56万元降至1,341.74万元。", "2024年营业收入由上年的2,408.56万元降至1,341.74万元。"),
    (QUARTERS, "2024年第四季度营业收入为4.74亿元。", "2024年全年营业收入为4.74亿元。"),
    (QUARTERS, "第三季度营业收入最高，为4.83亿元。", "2024年营业收入为4.83亿元。"),
    (PROFITS, "扣除非经常性损益后，归属于上市公司股东的净利润为3.92亿元。", "归属于上市公司股东的净利润为3.92亿元。"),
    (PROFITS, "归母净利润4.06亿元，扣非净利润3.92亿元。", "归母净利润3.92亿元，扣非净利润4.06亿元。"),
    (RESTATED, "2023年营业收入调整前为11.20亿元，调整后为11.27亿元。", "2023年营业收入调整后为11.20亿元。"),
    (RESTATED, "经追溯调整后，2023年营业收入为11.27亿元。", "2023年首次披露的营业收入为11.27亿元。"),
    (ADJUSTED, "Adjusted operating profit rose from $143.6 million to $181.4 million.", "Operating profit rose to $181.4 million on a GAAP basis."),
    (ADJUSTED, "On an adjusted basis, operating profit was $181.4 million.", "Operating profit was $181.4 million."),
    (ADJUSTED, "Operating profit was $162.0 million.", "Non-GAAP operating profit was $162.0 million."),
    (ADJUSTED, "Diluted earnings were $0.46 per share.", "Basic earnings were $0.46 per share."),
    (PROSE, "The GAAP margin was 13.1 percent, the non-GAAP margin 27.4 percent.", "The GAAP margin was 27.4 percent."),
    (PROSE, "The margin was 27.4 percent (non-GAAP).", "The margin was 27.4 percent."),
    (PROSE, "At constant currency, sales grew 6.8 percent.", "Reported growth of sales was 6.8 percent."),
    (REPORTED, "As previously reported, 2023 revenue was $91,275 thousand.", "Restated revenue of 2023 was $91,275 thousand."),
    (REPORTED, "Restated revenue of 2023 was $88,410 thousand, against $91,275 thousand as previously reported.", "Revenue of 2023 was $91,275 thousand."),
    (THREE, "In the fourth quarter of 2024 revenue was $318.2 million.", "Full-year revenue was $318.2 million in 2024."),
    (THREE, "Revenue of the three months ended December 31, 2024 was $318.2 million.", "In 2024 revenue was $318.2 million."),
    (YUAN, "Revenue of 2024 was RMB 1,234,510 thousand, or US$176,890 thousand.", "Revenue of 2024 was RMB 176,890 thousand."),
])  # fmt: skip
def test_a_figure_is_proved_on_its_own_basis_alone(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


def test_a_basis_that_the_question_names_need_not_be_said_again() -> None:
    assert (
        find_faults(PARENT, "2024年营业收入为1,341.74万元。", question="蓝海精密母公司2024年营业收入是多少？") == set()
    )
    assert find_faults(PARENT, "2024年营业收入为1,341.74万元。", question="蓝海精密2024年营业收入是多少？") == {
        "binding-basis"
    }


def test_the_section_of_a_note_tells_its_basis() -> None:
    text = "单位：元\n项目 | 期末余额 | 期初余额\n长期股权投资 | 2,641,592,597.74 | 2,553,281,556.41"
    parent = ("财务报告", "十七、母公司财务报表主要项目注释")

    assert find_faults(text, "期末长期股权投资为26.42亿元。", section=parent) == {"binding-basis"}
    assert find_faults(text, "母公司期末长期股权投资为26.42亿元。", section=parent) == set()
    assert find_faults(text, "期末长期股权投资为26.42亿元。", section=("财务报告", "七、合并财务报表项目注释")) == set()


def test_a_quarterly_report_tells_its_quarter_from_the_time_since_january() -> None:
    assert find_faults(SPANS, "年初至报告期末营业收入为35.65亿元，本季度为13.80亿元。", kind="quarterly") == set()
    assert find_faults(SPANS, "第三季度营业收入为35.65亿元。", kind="quarterly") != set()
    assert find_faults(SPANS, "2024年全年营业收入为13.80亿元。", kind="quarterly") != set()


@pytest.mark.parametrize("answer", [
    "归属于母公司股东的净利润为4.06亿元。", "净利润增长，归属于上市公司股东的净利润为4.06亿元，上年为2.21亿元。",
])  # fmt: skip
def test_owners_of_the_parent_are_no_parents_accounts(answer: str) -> None:
    assert (
        find_faults(PROFITS.replace("上市公司股东的净", "母公司股东的净"), answer.replace("上市公司", "母公司"))
        == set()
    )


def test_owners_of_the_parent_share_in_the_groups_profit() -> None:
    text = "Net profit attributable to owners of the parent was $138.0 million in 2024. Equity holders of the parent received $36.0 million."

    assert find_faults(text, "Net profit was $138.0 million, of which shareholders received $36.0 million.") == set()


def test_the_title_of_a_statement_stands_above_its_date_and_unit() -> None:
    text = "法定代表人：张三 会计机构负责人：李四\n母公司利润表\n2024年1—12月\n单位:元 币种:人民币\n\n项目 | 附注 | 2024年度 | 2023年度\n一、营业收入 |  | 13,417,370.45 | 24,085,570.69"

    assert find_faults(text, "2024年营业收入为1,341.74万元。") == {"binding-basis"}
    assert find_faults(text, "2024年母公司营业收入为1,341.74万元。") == set()


def test_weeks_are_quarters_and_years() -> None:
    text = "(in millions) | 13 Weeks Ended January 28, 2024 | 52 Weeks Ended January 28, 2024\nNet sales | $3,226.8 | $10,208.6"

    assert (
        find_faults(
            text,
            "Net sales of the fourth quarter were $3,226.8 million, those of the full year $10,208.6 million.",
            kind="quarterly",
        )
        == set()
    )
    assert find_faults(text, "Full-year net sales were $3,226.8 million.", kind="quarterly") != set()


@pytest.mark.parametrize(("text", "answer"), [
    ("The value of the underlying assets is $5.2 million. Adjusted for cash, debt is $3.1 million.", "Assets are $5.2 million, debt $3.1 million."),
    ("In the third quarter of 2024 the Company wrote off goodwill of $5.2 million.", "In 2024 it wrote off $5.2 million of goodwill."),
    ("The organic chemicals plant cost $5.2 million.", "The plant cost $5.2 million."),
    ("The parent lent $5.2 million to a holding company.", "A loan of $5.2 million was made."),
])  # fmt: skip
def test_words_that_name_no_basis_are_none(text: str, answer: str) -> None:
    assert find_faults(text, answer) == set()
