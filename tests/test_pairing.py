"""Names, times and figures of an answer are paired as its source pairs them; exchanged ones fail, and honest ones pass."""

from __future__ import annotations

import pytest
from test_basis import find_faults

COSTS = "单位：元\n科目 | 本期数 | 上年同期数 | 变动比例（%）\n销售费用 | 274,950,664.27 | 218,344,972.36 | 25.92\n管理费用 | 125,189,086.49 | 112,845,616.88 | 10.94\n财务费用 | -19,572,506.45 | -17,828,357.07 | \n投资活动产生的现金流量净额 | -385,699,567.66 | 413,105,201.75 | -193.37"
MARGINS = "单位：元\n分行业 | 营业收入 | 毛利率（%） | 毛利率比上年增减（%）\n生物制药 | 1,517,535,227.34 | 62.95 | 减少2.07个百分点\n其他 | 49,782,351.35 | 14.75 | 增加1.43个百分点"
UNITS = "单位：元\n被投资单位 | 期初余额 | 本期增加 | 期末余额\n海东生物药品有限公司 | 1,587,740,189.04 | 85,719,429.54 | 1,673,459,618.58\n江西益康生物股份有限公司 | 533,683,900.00 | 660,358.21 | 534,344,258.21\n合计 | 2,121,424,089.04 | 86,379,787.75 | 2,207,803,876.79"
SALES = "(Dollars in Millions) | 2024 | 2023\nReceivables, net | $10,163 | $8,680\nInventories | 5,222 | 4,347\nAmortisation of intangibles | 311 | 297\nAdministrative expenses | 1,786 | 1,655\nShort-term debt | 3,414 | 4,308"
BRIDGE = "Sales increase/(decrease) due to: | 2024 | 2023\nVolume | 6.9 % | 12.9 %\nPrice | (0.8) | (0.7)\nCurrency | (4.8) | 1.4"
SWINGS = "(Dollars in Billions)(Income)/Expense | 2024 | 2023\nFair value of securities | 0.7 | (0.5)\nEmployee benefits | (1.2) | (0.6)"
PROSE = (
    "Net increases during the year totalled £11,385,000 (2023: £10,088,000). There were three (2023: four) fair value decreases, the largest being"
    " £2,856,000 which arose in respect of Harbinger plc (2023: £439,000 fair value decrease in Eyoto). Cash averaged £27.6 million as compared to"
    " £28.4 million in 2023. Net interest income was £214 million as compared to net interest expense of £130 million. Research of £7.3 million was"
    " expensed. The dividend was approved in September 2024. Sales by companies in Europe fell 0.6%, including operational growth of 11.0%."
)


@pytest.mark.parametrize(("text", "true", "false"), [
    (COSTS, "销售费用2.75亿元，增长25.92%，管理费用1.25亿元，增长10.94%。", "销售费用1.25亿元，增长10.94%，管理费用2.75亿元，增长25.92%。"),
    (COSTS, "销售费用2.75亿元，增长25.92%，管理费用1.25亿元，增长10.94%。", "销售费用2.75亿元，增长10.94%，管理费用1.25亿元，增长25.92%。"),
    (COSTS, "2024年销售费用2.75亿元，管理费用1.25亿元。", "2024年情况如下。销售费用2.18亿元，管理费用1.25亿元。"),
    (COSTS, "2024年投资活动由上年净流入4.13亿元转为净流出3.86亿元。", "2024年投资活动由上年净流出3.86亿元转为净流入4.13亿元。"),
    (COSTS, "销售费用和管理费用分别为2.75亿元和1.25亿元。", "销售费用和管理费用分别为1.25亿元和2.75亿元。"),
    (MARGINS, "生物制药毛利率减少2.07个百分点，为62.95%。", "生物制药毛利率提高2.07个百分点，为62.95%。"),
    (MARGINS, "其他业务毛利率增加1.43个百分点。", "其他业务毛利率下降1.43个百分点。"),
    (UNITS, "几乎全部投向海东生物药品有限公司，为8,571.94万元。", "几乎全部投向江西益康生物股份有限公司，为8,571.94万元。"),
    (SALES, "Receivables and inventories, at $10,163 million and $5,222 million, absorbed cash.", "Inventories, at $10,163 million, absorbed cash."),
    (SALES, "Administrative expenses grew from $1,655 million to $1,786 million.", "Amortisation of intangible items grew from $1,655 million to $1,786 million."),
    (SALES, "Inventories rose to $5,222 million and short-term debt fell to $3,414 million.", "Inventories rose to $3,414 million and short-term debt fell to $5,222 million."),
    (SALES, "Short-term debt fell from $4,308 million to $3,414 million.", "Short-term debt rose from $4,308 million to $3,414 million."),
    (BRIDGE, "In 2024 volume added 6.9 % while price took 0.8 % and currency 4.8 %.", "In 2024 volume added 6.9 % while price added 0.8 %."),
    (BRIDGE, "Price was a drag of 0.8 % in 2024.", "Price was a gain of 0.8 % in 2024."),
    (SWINGS, "Securities turned from a gain of $0.5 billion in 2023 into a loss of $0.7 billion.", "Securities turned into a loss of $0.5 billion."),
    (SWINGS, "In 2024 employee benefit income doubled to $1.2 billion.", "In 2024 employee benefit income tripled to $1.2 billion."),
    (PROSE, "They came to £11,385,000, after £10,088,000 the year before.", "They came to £10,088,000, after £11,385,000 the year before."),
    (PROSE, "Cash averaged £27.6 million after £28.4 million.", "Cash averaged £28.4 million after £27.6 million."),
    (PROSE, "The decrease was dominated by Harbinger with £2,856,000.", "The decrease was dominated by Eyoto with £2,856,000."),
    (PROSE, "The three decreases were small.", "The four decreases were small."),
    (PROSE, "It earned net interest income of £214 million.", "It bore net interest expense of £214 million."),
    (PROSE, "Research of £7.3 million was expensed.", "It capitalised research of £7.3 million, and expensed none."),
    (PROSE, "It was approved in September 2024.", "It was approved in September 2023."),
    (PROSE, "It was approved in September of 2024.", "It was approved in October of 2024."),
    (PROSE, "In Europe operations grew by 11.0%.", "In Africa operations grew by 11.0%."),
    (PROSE, "The dividend of Harbinger was approved.", "The dividend of Unity Technologies was approved."),
])  # fmt: skip
def test_exchanged_names_times_and_ways_fail(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


def test_a_figure_stands_in_a_quote_of_its_own_pair() -> None:
    from fingen.quality.grounding import ground
    from fingen.records import Evidence, Passage, Period, Record

    text = "Revenue was $12.4 million in 2024. Debt was $3.3 million."
    passage = Passage(chunk="c", document="d", company="Acme Inc.", period=Period(kind="annual", end="2024-12-31"), language="en", section=(),
                      pages=(1, 1), text=text, kinds=(("paragraph", text),))  # fmt: skip
    row = Record(instruction="?", input="", output="Debt was $3.3 million.", id="qa-1", task="qa-concept", language="en", document="d",
                 chunks=("c",), evidence=(Evidence(quote="Revenue was $12.4 million in 2024.", page=1),), teacher="t", origin="document")  # fmt: skip

    assert [finding.reason for finding in ground(row, [passage]).failed] == ["unquoted"]
    own = row.model_copy(update={"evidence": (Evidence(quote="Debt was $3.3 million.", page=1),)})
    found = ground(own, [passage])
    assert (found.failed, len(found.figures)) == ((), 1)


def test_three_levels_of_proof_are_counted_apart() -> None:
    from fingen.quality.grounding import ground
    from fingen.records import Passage, Period, Record

    text = " | 2024 | 2023\nRevenue | 120 | 100\n\nA plant cost 37 million dollars."
    passage = Passage(chunk="c", document="d", company="Acme Inc.", period=Period(kind="annual", end="2024-12-31"), language="en", section=(),
                      pages=(1, 1), text=text, kinds=(("table", text.split("\n\n")[0]), ("paragraph", text.split("\n\n")[1])))  # fmt: skip
    answer = "Revenue was 120, up 20.0 percent; the new plant took 37 million dollars."
    row = Record(instruction="?", input="", output=answer, id="qa-1", task="qa-concept", language="en", document="d", chunks=("c",),
                 calc="(120 - 100) / 100 * 100", teacher="t", origin="document")  # fmt: skip
    found = ground(row, [passage])

    assert [(each.said, each.level) for each in found.figures] == [
        ("120", "bound"), ("20.0 percent", "computed"), ("37 million dollars", "quoted"),
    ]  # fmt: skip


@pytest.mark.parametrize(("answer", "level"), [
    ("Revenue was 120 million dollars in 2024.", "bound"), ("Revenue was 100 million dollars in 2023.", "bound"),
    ("Acme reached 120 million dollars in 2024.", "quoted"),  # of what?
    ("A plant cost 37 million dollars in 2024.", "bound"),  # the sentence is of the report's year
    ("A plant cost 37 million dollars in 2023.", "quoted"),  # of which no word says so
    ("The rent came to 37 million dollars.", "quoted"),
])  # fmt: skip
def test_bound_is_what_is_seen_to_be_of_that_thing_and_time(answer: str, level: str) -> None:
    from fingen.quality.grounding import ground
    from fingen.records import Passage, Period, Record

    table, prose = "$ million | 2024 | 2023\nRevenue | 120 | 100", "A plant cost 37 million dollars."
    passage = Passage(chunk="c", document="d", company="Acme Inc.", period=Period(kind="annual", end="2024-12-31"), language="en", section=(),
                      pages=(1, 1), text=f"Growth came in 2023.\n{table}\n{prose}", kinds=(("table", table), ("paragraph", prose)))  # fmt: skip
    row = Record(instruction="?", input="", output=answer, id="qa-1", task="qa-concept", language="en", document="d", chunks=("c",),
                 teacher="t", origin="document")  # fmt: skip

    assert [each.level for each in ground(row, [passage]).figures] == [level]


def test_a_share_is_computed_from_the_figure_that_it_is_said_to_be_of() -> None:
    from fingen.quality.grounding import ground
    from fingen.records import Passage, Period, Record

    text = "Subsidiaries took £2,377 million and associates £264 million of £2,641 million."
    passage = Passage(chunk="c", document="d", company="Acme plc", period=Period(kind="annual", end="2024-12-31"), language="en", section=(),
                      pages=(1, 1), text=text, kinds=(("paragraph", text),))  # fmt: skip

    def reasons(output: str, calc: str) -> set[str]:
        row = Record(instruction="?", input="", output=output, id="qa-1", task="qa-concept", language="en", document="d", chunks=("c",),
                     calc=calc, teacher="t", origin="document")  # fmt: skip
        return {finding.reason for finding in ground(row, [passage]).failed}

    assert reasons("Subsidiaries took £2,377 million, about 90.0 percent of the total.", "2377 / 2641 * 100") == set()
    assert reasons("Subsidiaries took £2,377 million, about 10.0 percent of the total.", "264 / 2641 * 100") != set()


YEN = " | Millions of yen |  | Thousands of U.S. dollars\n | 2023 | 2024 | 2024\nSales of pumps | 41,205 | 52,310 | 412,008\nReturn on sales | %4.31 | %5.27 | -"
SHARED = "$'m | 2024 | 2023\nSales of pumps | 52.3 | 41.2\n% Growth | 26.9% | 3.1%"
EXCEPT = " | 2024 (in millions, | 2023 except per share amounts)\nSales of pumps | 5,231.0 | 4,120.5"
UNSAID = "Sales of pumps | 52,310\nOther sales | 7,204"
SPACED = "单位：百万元\n项目 | 2024年 | 2023年\n其他综合收益 | (7,218 ) | (3,142 )\n净利润 | 52,310 | 52,078"
BOTH = "单位：百万元\n | 本集团 |  | 本行 | \n | 2024年 | 2023年 | 2024年 | 2023年\n资产总计 | 52,310 | 41,205 | 31,877 | 28,119"
TOWNS = "It lent $7.3 million in Harbin, and repayments of $5.9 million were made. Profit was $2.4 million, and in 2023 $3.1 million."


@pytest.mark.parametrize(("text", "true", "false"), [
    (YEN, "Sales of pumps rose to ¥52,310 million in 2024, at a return of 5.27%.", "Sales of pumps were ¥52,310 thousand in 2024."),
    (SHARED, "Sales of pumps grew 26.9% in 2024.", "Sales of pumps grew 3.1% in 2024."),
    (EXCEPT, "Sales of pumps were $4,120.5 million in 2023.", "Sales of pumps were $4,120.5 thousand in 2023."),
    (UNSAID, "Sales of pumps were $52,310 thousand.", "Sales of pumps were $52,810 thousand."),
    (SPACED, "2024年其他综合收益为-72.18亿元。", "2024年其他综合收益为+72.18万元。"),
    (BOTH, "2024年本集团资产总计523.10亿元，本行318.77亿元。", "2024年本行资产总计523.10亿元，本集团318.77亿元。"),
    (TOWNS, "It lent $7.3 million in Harbin, and $5.9 million was repaid.", "It lent $7.3 million, and Harbin repaid $5.9 billion."),
])  # fmt: skip
def test_honest_forms_of_units_signs_and_owners_are_kept(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()
