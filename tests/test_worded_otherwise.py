"""What an answer merely words otherwise than its source is kept; the same with a contradiction in it falls.

A pronoun for "our", a label cut short, a unit in the neighbouring cell, a group's heading for a row of it, two series in
one sentence: none of these contradicts. Each case has the source, answers that are right, and answers that are not.
"""

from __future__ import annotations

import pytest
from test_grounding import passage, record

from fingen.quality.grounding import Finding, ground
from fingen.records import Language

APPRAISED = "We generally obtain a sizeable percentage of our refurbished laptop stock directly from households through our trade-in counters, and the remainder from auctions."
PAID = "Rent is set as a percentage of net sales of the outlet above a base amount, payable each January to the landlord of the mall."
POINTS = (
    "(In millions, except per unit data) | 2024 | 2023 | Better / (Worse) Change | \n"
    "Service revenue | $310.5 | $287.0 | $23.5 | \n"
    "Service gross profit as a % of revenue | 38.4% | 36.2% | 220 | bps\n"
    "Parts gross profit as a % of revenue | 21.3% | 22.9% | (160) | bps"
)
POINTS_ZH = "单位：百万元\n项目 | 2024年 | 2023年 | 变动 | \n服务收入 | 310.5 | 287.0 | 23.5 | \n服务毛利率 | 38.4% | 36.2% | 2.2 | 个百分点\n配件毛利率 | 21.3% | 22.9% | -160 | 基点"
PARTED = "(in thousands) | 2024 |  | 2023 | \nHotel revenue | 41,870 |  | 39,402 | \nOccupancy rate | 71.4 | % | 68.9 | %\nVacancy rate | (1.6 | )% | 2.3 | %"
SUPPLY = (
    "On a trailing basis, our Retail Segment furniture inventory days' supply was approximately 61 and 48 days as of December 31, 2024 and 2023, respectively. "
    "On a trailing basis, our Retail Segment lighting inventory days' supply was approximately 35 and 52 days as of December 31, 2024 and 2023, respectively."
)
SUPPLY_ZH = (
    "家具存货周转天数于2024年末及2023年末分别为61天及48天。灯具存货周转天数于2024年末及2023年末分别为35天及52天。"
)
GROUPS = (
    "(In thousands) | 2024 | 2023\n"
    "Revenues: |  | \n"
    "Charter flights | $71,420 | $66,310\n"
    "Cargo | 18,230 | 17,015\n"
    "Total revenues | 89,650 | 83,325\n"
    "Operating Expenses: |  | \n"
    "Charter flights | (73,905) | (61,280)\n"
    "Cargo | (11,460) | (10,890)\n"
    "Total operating expenses | (85,365) | (72,170)"
)
GROUPS_ZH = "单位：万元\n项目 | 2024年 | 2023年\n营业收入： |  | \n包机业务 | 7,142 | 6,631\n货运业务 | 1,823 | 1,701\n营业成本： |  | \n包机业务 | 7,390 | 6,128\n货运业务 | 1,146 | 1,089"
VOLUME = "Subscription revenue decreased by $12.4 million, or 9%, in 2024, primarily due to a 14% decrease in paid tablet unit sales volume and lower advertising rates."
VOLUME_ZH = "订阅收入减少1,240万元，主要系平板设备销售数量下降及广告单价走低所致。"
TAXES = """\
(In millions) | 2024 | 2023
Income before income taxes | 96.0 | 181.3
Provision for income taxes - benefit (expense) | (41.2) | (46.7)
Net income | 54.8 | 134.6
Foreign tax - benefit (expense) | 3.4 | (2.1)"""
CARRIED = "Tax expense for 2024 includes a charge of $21.6 million for the non-deductible part of the $164.0 million goodwill write-down and $2.3 million for net operating loss carryforwards."
TAXES_ZH = "单位：百万元\n项目 | 2024年 | 2023年\n税前利润 | 96.0 | 181.3\n所得税抵免／（开支） | (41.2) | (46.7)\n年内溢利 | 54.8 | 134.6"
BOUGHT = (
    "In 2024, we repurchased approximately 3.2 million shares of our common stock for approximately $118.7 million."
)
BOUGHT_ZH = "2024年，公司以集中竞价方式回购股份320.5万股，支付总金额11,874.6万元。"
CAPS = "The Company holds the following caps:\n\nNotional Amount | Cap Rate | Index | Start\n(In millions) |  |  | \n$320.0 | 4.250% | one-month index | March 1, 2024\n$175.0 | 4.500% | one-month index | March 1, 2025"
CAPS_ZH = "公司持有下列利率上限合约：\n\n名义金额 | 上限利率 | 起始日\n（百万元） |  | \n320.0 | 4.250% | 2024年3月1日\n175.0 | 4.500% | 2025年3月1日"
SERIES = (
    "The weighted-average interest rate for our railcar facilities was 2.31%, 1.94% and 2.85% for 2024, 2023 and 2022, respectively. "
    "The weighted-average interest rate for our barge facilities was 5.62%, 4.08% and 3.77% for 2024, 2023 and 2022, respectively."
)
SERIES_ZH = "轨道车融资的加权平均利率于2024年、2023年分别为2.31%、1.94%。驳船融资的加权平均利率于2024年、2023年分别为5.62%、4.08%。"
WITHIN = "As of December 31, 2024, the weighted-average coupon of our other notes was 6.38% (an increase from 4.75% as of December 31, 2023) and the principal balance was approximately $87.3 million."
NAMED = "As of December 31, 2024, the weighted-average coupon of our other notes (excluding the 2021 Term Facility) was 6.38% (an increase from 4.75% as of December 31, 2023)."
NAMED_ZH = "截至2024年12月31日，2021年第一期中期票据以外的其他票据加权平均票面利率为6.38%，2023年12月31日为4.75%。"
WITHIN_ZH = (
    "截至2024年12月31日，其他票据的加权平均票面利率为6.38%（较2023年12月31日的4.75%有所上升），本金余额约8,730万元。"
)

KEPT = [
    (APPRAISED, "Acme historically gets a sizeable percentage of its refurbished laptops from households through its own trade-in counters."),
    (APPRAISED, "A sizeable percentage of the refurbished laptop stock is obtained directly from households at the trade-in counters."),
    (PAID, "The outlet's rent is a percentage of its net sales above a base amount, payable each January to the landlord of the mall."),
    (PAID, "The outlet's rent is a percentage of sales above a base amount and is payable each January to the landlord of the mall."),
    (POINTS, "The service margin widened by 220 basis points to 38.4%."),
    (POINTS, "Service gross profit as a share of revenue gained 2.2 percentage points in 2024."),
    (POINTS, "Parts gross profit as a % of revenue fell by 160 bps to 21.3%."),
    (POINTS_ZH, "服务毛利率提高2.2个百分点至38.4%。"),
    (POINTS_ZH, "2024年配件毛利率下降160个基点至21.3%。"),
    (POINTS_ZH, "2024年配件毛利率下降1.6个百分点。"),
    (PARTED, "In 2024 the occupancy rate was 71.4%, after 68.9% in 2023."),
    (PARTED, "The vacancy rate was -1.6% in 2024."),
    (SUPPLY, "Furniture supply rose to approximately 61 days from 48."),
    (SUPPLY, "Retail Segment furniture inventory days' supply rose from approximately 48 days at December 31, 2023 to 61 days at December 31, 2024."),
    (SUPPLY, "Retail Segment lighting inventory days' supply was approximately 35 days at December 31, 2024 and 52 days at December 31, 2023."),
    (SUPPLY_ZH, "家具存货周转天数由2023年末的48天升至2024年末的61天。"),
    (SUPPLY_ZH, "2024年末灯具存货周转天数降至35天，上年末为52天。"),
    (GROUPS, "Charter revenue of $71,420 thousand stood against operating expenses of $73,905 thousand in 2024."),
    (GROUPS, "In 2024 charter flights brought revenues of $71,420 thousand and operating expenses of $73,905 thousand."),
    (GROUPS, "Cargo had revenues of $18,230 thousand and operating expenses of $11,460 thousand in 2024."),
    (GROUPS_ZH, "2024年包机业务营业收入7,142万元，营业成本7,390万元。"),
    (VOLUME, "Subscription revenue decreased by $12.4 million, or 9%, in 2024, due to a 14% decrease in tablets sold."),
    (VOLUME, "Subscription revenue decreased by 9% in 2024 because of fewer units sold."),
    (VOLUME, "Subscription revenue decreased by 9% in 2024 owing to cheaper advertisements."),
    (VOLUME_ZH, "订阅收入减少1,240万元，原因是平板销量下滑。"),
    (VOLUME_ZH, "订阅收入减少1,240万元，主要由于广告价格下跌。"),
    (VOLUME_ZH, "订阅收入减少1,240万元，主要由于销量走弱。"),
    (TAXES, "Income before taxes dropped from $181.3 million to $96.0 million while the provision only went from $46.7 million to $41.2 million."),
    (TAXES, "Income tax expense was $41.2 million in 2024, after $46.7 million."),
    (TAXES, "Income taxes for the year were $41.2 million, after $46.7 million."),
    (TAXES, "In 2024 there was a foreign tax benefit of $3.4 million."),
    (CARRIED, "The goodwill write-down of $164.0 million cut income before taxes, and part of it is not deductible."),
    (TAXES_ZH, "所得税开支由2023年的4,670万元降至4,120万元。"),
    (TAXES_ZH, "2024年所得税为4,120万元。"),
    (CAPS, "The cap has a notional amount of $320.0 million at 4.250%."),
    (CAPS, "From March 1, 2025 only $175.0 million are capped."),
    (CAPS_ZH, "名义金额为3.2亿元的合约上限利率为4.250%。"),
    (SERIES, "The weighted-average rate was 5.62% in 2024 after 4.08% in 2023, against 2.31% after 1.94% for railcars."),
    (SERIES, "For barges the rate was 5.62% in 2024 after 4.08% in 2023, against 2.31% in 2024 after 1.94% in 2023 for railcars."),
    (SERIES, "Barge facilities cost 5.62%, up from 4.08%, compared with 2.31%, up from 1.94%, for railcars."),
    (SERIES_ZH, "驳船融资利率由2023年的4.08%升至5.62%，而轨道车融资由1.94%升至2.31%。"),
    (WITHIN, "The weighted-average coupon had gone up within the year from 4.75% to 6.38%."),
    (WITHIN, "The coupon increased from 4.75% at December 31, 2023 to 6.38% at December 31, 2024."),
    (WITHIN, "The weighted-average coupon of the other notes was 6.38% (an increase from 4.75% as of December 31, 2023)."),
    (NAMED, "The weighted-average coupon had gone up within the year from 4.75% to 6.38%."),
    (NAMED, "The coupon increased from 4.75% at December 31, 2023 to 6.38% at December 31, 2024."),
    (NAMED, "The weighted-average coupon of the other notes was 6.38% (an increase from 4.75% as of December 31, 2023)."),
    (NAMED_ZH, "其他票据的票面利率由2023年末的4.75%升至2024年末的6.38%。"),
    (WITHIN_ZH, "加权平均票面利率由4.75%升至6.38%。"),
    (WITHIN_ZH, "加权平均票面利率为6.38%（较2023年12月31日的4.75%有所上升）。"),
]  # fmt: skip
FALLEN = [
    (PAID, "The outlet's rent is a percentage of net income of the outlet above a base amount, payable each January to the landlord of the mall.", "opposite"),
    (POINTS, "The service margin widened by 220 percentage points to 38.4%.", "unit"),
    (POINTS, "Service gross profit as a share of revenue gained 2.2% in 2024.", "unit"),
    (POINTS, "Parts gross profit as a % of revenue rose by 160 bps to 21.3%.", "direction"),
    (POINTS_ZH, "2024年配件毛利率提高160个基点。", "direction"),
    (POINTS_ZH, "服务毛利率提高2.2个基点。", "unit"),
    (PARTED, "In 2023 the occupancy rate was 71.4%, after 68.9% in 2022.", "binding-period"),
    (SUPPLY, "Retail Segment furniture inventory days' supply was approximately 52 days at December 31, 2024.", "binding-period"),
    (SUPPLY_ZH, "2024年末家具存货周转天数为48天，2023年末为61天。", "binding-period"),
    (GROUPS, "Total operating expenses in 2024 were $73,905 thousand.", "binding-row"),
    (GROUPS, "In 2024 charter flights had operating expenses of $71,420 thousand and revenues of $73,905 thousand.", "binding-row"),
    (VOLUME, "Subscription revenue decreased by 9% in 2024 because of the new leasing standard.", "cause"),
    (VOLUME_ZH, "订阅收入减少1,240万元，原因是汇率波动剧烈。", "cause"),
    (TAXES, "In 2024 there was a tax benefit of $41.2 million.", "sign"),
    (TAXES, "In 2024 there was a foreign tax expense of $3.4 million.", "sign"),
    (TAXES_ZH, "2024年所得税抵免为4,120万元。", "sign"),
    (CAPS, "The cap has a notional amount of $320.0 at 4.250%.", "unit"),
    (CAPS, "The cap has a notional amount of $320.0 thousand at 4.250%.", "unit"),
    (CAPS_ZH, "名义金额为320.0万元的合约上限利率为4.250%。", "unit"),
    (SERIES, "For barges the rate was 4.08% in 2024 after 5.62% in 2023, against 2.31% after 1.94% for railcars.", "binding-period"),
    (SERIES, "For barges the rate was 4.08% after 5.62%.", "binding-period"),
    (WITHIN, "The coupon went from 6.38% to 4.75%.", "binding-period"),
    (NAMED, "The coupon went from 6.38% to 4.75%.", "binding-period"),
    (NAMED_ZH, "其他票据的票面利率由2023年末的6.38%变为2024年末的4.75%。", "binding-period"),
    (WITHIN_ZH, "加权平均票面利率由6.38%降至4.75%。", "binding-period"),
]  # fmt: skip


def fail(text: str, answer: str, calc: str | None = None) -> list[Finding]:
    """What an answer fails for on a passage without quotes."""
    language: Language = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    source = passage(text, language)
    return list(ground(record(answer, calc, language), [source]).failed)


@pytest.mark.parametrize(("text", "answer"), KEPT)
def test_what_is_only_worded_otherwise_is_kept(text: str, answer: str) -> None:
    assert fail(text, answer) == []


@pytest.mark.parametrize(("text", "answer", "reason"), FALLEN)
def test_what_contradicts_falls(text: str, answer: str, reason: str) -> None:
    assert reason in [finding.reason for finding in fail(text, answer)]


@pytest.mark.parametrize(("text", "answer", "calc", "kept"), [
    (BOUGHT, "Acme bought 3.2 million shares for $118.7 million, or about $37.1 a share.", "118.7 / 3.2", True),
    (BOUGHT, "Acme bought 3.2 million shares for $118.7 million, or about 37.1 US dollars each.", "118.7 / 3.2", True),
    (BOUGHT, "Acme bought 3.2 million shares for $118.7 million, or about $37.09 a share.", "118.7 / 3.2", True),
    (BOUGHT, "Acme bought 3.2 million shares for $118.7 million, or about $37.1 million a share.", "118.7 / 3.2", False),
    (BOUGHT, "Acme bought 3.2 million shares for $118.7 million, or about $37.1 thousand a share.", "118.7 / 3.2", False),
    (BOUGHT, "Acme bought 3.2 million shares for $118.7 million, or about $38.1 a share.", "118.7 / 3.2", False),
    (BOUGHT_ZH, "公司回购320.5万股，支付11,874.6万元，平均每股37.05元。", "11874.6 / 320.5", True),
    (BOUGHT_ZH, "公司回购320.5万股，支付11,874.6万元，平均每股37.05万元。", "11874.6 / 320.5", False),
    ("Revenue was $84.6 million and the group had 423 employees at year end.", "With 423 employees and revenue of $84.6 million, each brought in $0.2 million.", "84.6 / 423", True),
    ("Revenue was $84.6 million and the group had 423 employees at year end.", "With 423 employees and revenue of $84.6 million, each brought in $0.2.", "84.6 / 423", False),
    ("The price was $12.50 a ton and 6.4 million tons were shipped.", "At $12.50 a ton the 6.4 million tons brought in $80 million.", "12.50 * 6.4", True),
    ("The price was $12.50 a ton and 6.4 million tons were shipped.", "At $12.50 a ton the 6.4 million tons brought in $80.", "12.50 * 6.4", False),
    (POINTS, "Service gross profit was 38.4% of revenue in 2024, or 17.1 points more than the 21.3% that parts had.", "38.4 - 21.3", True),
])  # fmt: skip
def test_a_result_has_the_scale_that_its_operands_give(text: str, answer: str, calc: str, *, kept: bool) -> None:
    assert (fail(text, answer, calc) == []) is kept


def test_a_fault_names_the_words_of_the_answer_and_what_the_source_has() -> None:
    answer = "Cargo grew. In 2023 cargo had revenues of $18,230 thousand, and a tax of $5 thousand was due in 2019."

    found = {finding.reason: finding.told for finding in fail(GROUPS, answer)}

    assert set(found) == {"binding-period", "figure", "year"}
    assert found["binding-period"].startswith("“$18,230 thousand” in “In 2023 cargo had revenues of")
    assert "row “Cargo” (under “Revenues”), column “2024”" in found["binding-period"]
    assert "Cargo grew" not in found["binding-period"]
    assert "“2019” in “" in found["year"]


def test_the_words_that_the_source_opposes_are_shown_as_they_stand_there() -> None:
    (finding,) = fail(PAID, FALLEN[0][1])

    assert finding.said.startswith("percentage of net income")
    assert "as a percentage of net sales of the outlet above a base amount" in finding.told
