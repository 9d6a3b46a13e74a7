"""What an answer says and the source says the other way falls, and the same said rightly is kept."""

from __future__ import annotations

import pytest
from test_basis import find_faults

TABLE = "(in thousands) | 2024 | 2023\n"
WEEKS = "(in millions) | 53 Weeks Ended May 7, 2024 | 52 Weeks Ended May 1, 2023\nEBITDA | $2,330.8 | $2,143.8"
UNDERLYING = " |  | Underlying | Total\n | 2024 £’000 | 2023 £’000 | 2023 £’000\nOperating profit | 5,911 | 1,339 | 216"
OWED = " | 2024 £’000 | 2023 £’000\nAmounts owed by group undertakings | 2,328 | 1,265\nAmounts owing to group undertakings | 4,539 | 1,999"
PARENT = "NOTES TO THE PARENT COMPANY FINANCIAL STATEMENTS\n\n | 2024 £’000 | 2023 £’000\nCreditors | 5,781 | 3,163"
BRIDGE = f"{TABLE}NPATA attributable to owners | 6,747 | 5,178\nUnderlying NPATA attributable to owners | 6,296 | 5,114"
MARGIN = "The operating margin within the Safety Solutions entities continued to rise, on more output, at 22.3 per cent in 2024."
GROWTH = f"{TABLE}Accounting business growth | 2,308 | 1,100\nComplementary business growth | 711 | 300\nTotal organic growth | 3,019 | 1,400"
INFLOW = "单位：元\n项目 | 2024年 | 2023年\n筹资活动现金流入小计 | 484,500,027.40 | 80,000,000.00\n筹资活动产生的现金流量净额 | 363,067,779.14 | 4,338,161.19"
LINES = "单位：元\n产品 | 营业收入 | 毛利率（%）\n直销 | 24,029,362,357.92 | 96.12\n批发代理 | 82,029,927,984.26 | 90.30\n合计 | 106,059,290,342.18 | 91.62"
OWNERS = "单位：元\n项目 | 2024年 | 2023年\n归属于本行股东权益合计 | 590,160,000,000.00 | 574,280,000,000.00\n股东权益合计 | 602,711,000,000.00 | 586,539,000,000.00"
BROKEN = "单位：元\n项目 | 2024年 | 2023年\n归属于母公司股东的 |  | \n净利润 | 90,164,000,000.00 | 90,145,000,000.00\n扣除非经常性损益后归属于母公司股东 |  | \n的净利润 | 89,266,000,000.00 | 88,889,000,000.00"
RESEARCH = "单位：元\n项目 | 2024年 | 2023年\n研发投入金额（元） | 136,767,328.15 | 93,792,298.55\n研发投入资本化的金额（元） | 16,383,069.94 | 5,100,000.00"
TWINS = (
    "合并资产负债表\n\n单位：元\n项目 | 2024年12月31日\n合同负债 | 12,718,465,288.02\n\n"
    "母公司资产负债表\n\n单位：元\n项目 | 2024年12月31日\n合同负债 | 142,568.14"
)
REVENUES = "全年实现营业总收入1,094.64亿元。\n\n单位：元\n项目 | 2024年\n营业收入 | 106,190,154,843.76"


@pytest.mark.parametrize(("text", "true", "false"), [
    (WEEKS, "For the 53 weeks ended May 7, 2024 EBITDA was $2,330.8 million.", "For the 52 weeks ended May 7, 2024 EBITDA was $2,330.8 million."),
    (WEEKS, "EBITDA was $2,330.8 million, against $2,143.8 million in the 52 weeks of the year before.", "EBITDA was $2,330.8 million, against $2,143.8 million in the 53 weeks of the year before."),
    (UNDERLYING, "Operating profit was £5,911,000 after an underlying £1,339,000.", "Operating profit was £5,911,000 after an underlying £216,000."),
    (OWED, "The amounts owing to group undertakings rose from £1,999,000 to £4,539,000.", "The amounts they owe rose from £1,999,000 to £4,539,000."),
    (PARENT, "In the parent company's own accounts both sides grew. Creditors came to £5,781,000.", "In the consolidated accounts of the Group both sides grew. Creditors came to £5,781,000."),
    (MARGIN, "The Safety Solutions entities earned 22.3 per cent.", "The Group as a whole earned 22.3 per cent."),
    (GROWTH, "Organic growth brought $3,019 thousand.", "Organic growth brought $2,308 thousand."),
    (INFLOW, "筹资活动现金流入由8,000.00万元增至48,450.00万元。", "筹资活动现金流量净额由8,000.00万元增至48,450.00万元。"),
    (LINES, "直销收入240.29亿元，毛利率96.12%；批发代理收入820.30亿元，毛利率90.30%。", "直销收入240.29亿元，毛利率90.30%；批发代理收入820.30亿元，毛利率96.12%。"),
    (LINES, "公司全部营业收入1,060.59亿元。", "公司全部营业收入240.29亿元。"),
    (OWNERS, "股东权益合计达到6,027.11亿元，归属于本行股东权益为5,901.60亿元。", "归属于本行股东权益达到6,027.11亿元。"),
    (BROKEN, "扣除非经常性损益后归属于母公司股东的净利润为892.66亿元，归属于母公司股东的净利润为901.64亿元。", "扣除非经常性损益后归属于母公司股东的净利润为901.64亿元。"),
    (RESEARCH, "研发投入1.37亿元，其中资本化1,638.31万元。", "研发投入1,638.31万元。"),
    (TWINS, "合并合同负债为127.18亿元，母公司为14.26万元。", "母公司合同负债为127.18亿元。"),
    (REVENUES, "营业总收入1,094.64亿元，营业收入1,061.90亿元。", "营业总收入1,061.90亿元。"),
])  # fmt: skip
def test_the_basis_said_is_that_of_the_row(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


HALVES = "Margins rose as a result of tight cost control and increased stability in input costs in the second half. The first half saw strikes."
BENEFIT = (
    "The benefit of the transfer of intangible properties fell in the first quarter of fiscal year 2024, that of an India Supreme Court "
    "decision in the third quarter of fiscal year 2024."
)
MEASURE = "Adjusted net income is a measure that excludes the net tax benefit of the transfer of intangible properties. Other lines include it."
LOWER = "Net revenues tripled from digital advertising and technology services, which earn a lower adjusted margin than the media network."
INTEREST = "1.贷款总额、存款总额均不含应计利息。\n2.上述资本充足率已包含操作风险。"
SHARE = "The adjusted profit margin (adjusted profit before tax as a percentage of gross profit) is tracked as a key performance indicator."
OPTIONS = "The share options carry a fixed exercise price, may be exercised three years after the grant date and expire ten years after it."


@pytest.mark.parametrize(("text", "true", "false"), [
    (HALVES, "The company credits tight cost control and steadier input costs in the second half.", "The company credits tight cost control and steadier input costs in the first half."),
    (BENEFIT, "It has the transfer of intangible properties in the first quarter of fiscal year 2024.", "It has the transfer of intangible properties in the third quarter of fiscal year 2024."),
    (MEASURE, "Adjusted net income, a measure of its own, excludes the net tax benefit of the transfer.", "Adjusted net income, a measure of its own, includes the net tax benefit of the transfer."),
    (LOWER, "Digital advertising and technology services earn a lower adjusted margin than the media network.", "Digital advertising and technology services earn a higher adjusted margin than the media network."),
    (INTEREST, "这里的贷款总额和存款总额均不含应计利息。", "这里的贷款总额和存款总额均含应计利息。"),
    (SHARE, "The adjusted profit before tax is taken as a percentage of gross profit and tracked as an indicator.", "The adjusted profit before tax is taken as a percentage of revenue and tracked as an indicator."),
    (OPTIONS, "Options carry a fixed exercise price and may be exercised three years after the grant.", "Options carry a fixed exercise price and may be exercised two years after the grant."),
])  # fmt: skip
def test_what_the_source_says_the_opposite_of_is_told(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


REASONS = (
    "单位：元\n项目 | 2024年 | 2023年 | 变动比例 | 说明\n销售费用 | 176,876,651.17 | 111,613,595.61 | 58.47% | 主要系本期公司销售人员费用增加所致\n"
    "财务费用 | 64,433,712.01 | 19,513,141.78 | 230.21% | 主要系本期汇兑损失较多所致"
)
STOCKS = "Inventories increased by $28.2 million in 2024 because of longer transport times from Asia."


@pytest.mark.parametrize(("text", "true", "false"), [
    (REASONS, "财务费用升至6,443.37万元，主要系汇兑损失较多。", "财务费用升至6,443.37万元，主要系销售人员费用增加。"),
    (REASONS, "销售费用升至1.77亿元，由于销售人员费用增加。", "销售费用升至1.77亿元，由于理财赎回资金回流。"),
    (STOCKS, "Inventories rose by $28.2 million owing to longer transport times.", "Inventories rose by $28.2 million owing to the semiconductor shortage."),
])  # fmt: skip
def test_a_reason_is_one_that_the_source_gives_for_the_thing(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) == {"cause"}


def test_a_conclusion_is_no_reason() -> None:
    assert find_faults(REASONS, "财务费用为6,443.37万元，因此评价业绩时宜看扣除它之前的数字。") == set()


PLACES = "In 2024, our U.S. income was $47.8 billion and our foreign income was $35.9 billion."
ADDED = f"{TABLE}Amortisation | 1,184 | 553\nRevenue | 75,251 | 60,080"


@pytest.mark.parametrize(("text", "true", "false"), [
    (PLACES, "The U.S. earned $47.8 billion and foreign places $35.9 billion, so that more than half arose at home.", "The U.S. earned $47.8 billion and foreign places $35.9 billion, so that well over three quarters arose at home."),
    (ADDED, "Amortisation was $1,184 thousand, more than twice the $553 thousand of 2023.", "Amortisation was $1,184 thousand, more than three times the $553 thousand of 2023."),
    (GROWTH, "Organic growth brought $3,019 thousand; accounting supplied $2,308 thousand of it, roughly three quarters, and others $711 thousand.", "Organic growth brought $3,019 thousand; accounting supplied $2,308 thousand of it, less than half, and others $711 thousand."),
    (LINES, "直销毛利率96.12%，批发代理毛利率90.30%。", "批发代理毛利率90.30%，约为全部的三分之一。"),
])  # fmt: skip
def test_shares_and_multiples_in_words_are_worked_out(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


def test_a_full_year_is_not_told_of_a_half_years_report() -> None:
    text = "单位：元\n项目 | 2024年1-6月 | 2023年1-6月\n营业收入 | 74,199,000,000.00 | 87,775,000,000.00"

    assert find_faults(text, "2024年上半年收入的差别来自价格。营业收入为741.99亿元。", kind="half-year") == set()
    assert find_faults(text, "2024年全年收入的差别来自价格。营业收入为741.99亿元。", kind="half-year") == {
        "binding-basis"
    }
