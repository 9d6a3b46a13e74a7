"""Honest answers as teachers word them are kept, and the same with one thing turned round falls."""

from __future__ import annotations

import pytest
from test_basis import find_faults

SPANS = "(in millions) | 14 Weeks Ended May 7, 2024 | 13 Weeks Ended May 1, 2023\nGross profit | 2,004.0 | 1,795.7\nSales | 7,840.8 | 6,920.0"
BRIDGE = "(in thousands) | 2024 | 2023\nEBITDA | $24,789 | $18,887\nAcquisition costs | 740 | 721\nGovernment grants | (1,348) | (825)\nUnderlying EBITDA | 23,113 | 18,653"
OPTIONS = " | 2024 Number | 2023 Number\nGranted | 472,155 | 80,511\nExercised | (8,385) | (12,401)\nLapsed | (124,707) | (11,418)"
QUARTERS = "(In millions) | 2024 | 2023\nFirst Quarter | $6,200 | $5,270\nSecond Quarter | 6,233 | 5,750\nThird Quarter | 7,800 | 5,750"
PLACES = "(In millions) | 2024 | 2023\nUnited States | $100,218 | $83,953\nOther countries | 98,052 | 84,135"
RATES = "CHFm | 2024 | 2023 | Change at current exchange rates | Change at constant exchange rates\nEquities | 462.0 | 419.2 | +10.2% | +13.2%\nJoint ventures | -23.2 | -20.9 |  | "
ITEMS = "(In millions) | 2024 | 2023\nNet tax benefit of the transfer of intangible properties | (3,291) | 0\nNet tax benefit of the court decision | 0 | (620)"
CASH = "Net cash used in financing activities totaled ¥51.7 billion in 2024 (compared to ¥23.1 billion in positive net cash in 2023)."
PROFIT = "Consolidated net profit was CHF 97.4m in 2024 compared with CHF 71.5m in 2023, with a Group share of CHF 89.1m against CHF 65.3m."
CREDITORS = " | 2024 £’000 | 2023 £’000\nCreditors: amounts falling due within one year | (1,432) | (2,125)\nNet assets | 16,590 | 14,760"
EPS = " | 2024 | 2023\nEarnings per share (basic) | 39.1 p | 8.1p"
YEARS = (
    "In fiscal year 2024, our U.S. income was $47.8 billion. In fiscal year 2023, our U.S. income was $35.0 billion."
)
SEGMENTS = "(in millions) | 2024 | 2023\nRevenue: |  | \nProductivity | $63.3 | $53.9\nCloud | 75.2 | 59.7\nTotal | 198.2 | 168.0"
COST_ZH = "单位：元\n项目 | 2024年 | 2023年 | 同比增减\n销售费用 | 37,413,213.03 | 39,059,266.12 | -4.21%\n管理费用 | 46,869,502.38 | 54,918,061.24 | -14.66%\n财务费用 | -12,024,894.14 | -34,606,861.02 | -65.25%"
MINORITY = "单位：元\n项目 | 2024年 | 2023年\n净利润 | 60,441,700.00 | 114,337,100.00\n归属于母公司所有者的净利润 | 61,155,900.00 | 114,396,000.00\n少数股东损益 | -714,200.00 | -58,900.00"
STAFF = "项目 | 2024年 | 2023年\n研发人员数量（人） | 733 | 399\n研发投入金额（元） | 136,767,328.15 | 93,792,298.55"
DATES = "单位：元\n项目 | 2024.12.31 | 2024.01.01 | 变动比例\n短期借款 | 2,176,261,386.59 | 1,531,914,558.83 | 42.06%"
FLOWS = "单位：元\n项目 | 2024年 | 2023年\n投资活动产生的现金流量净额 | 736,595,319.02 | -1,097,420,702.58\n筹资活动产生的现金流量净额 | -902,336,603.58 | -906,278,151.90"
MARGIN = "单位：元\n产品 | 营业收入 | 同比（%） | 毛利率（%） | 同比（%）\n白酒 | 93,464,512,115.94 | 10.18 | 94.03 | 0.04\n系列酒 | 12,594,778,226.24 | 26.06 | 73.69 | 3.55"
MEASURES = "$ in millions, except per share amounts | 2024 | 2023\nDiluted EPS | $6.29 | $9.84\nNon-GAAP diluted EPS | $7.08 | $10.01"
CAPITAL = "Ratio | 2024 | 2023\nCommon Equity Tier 1 | 8.40% | 9.36%"
RELEASE = "Net revenues of $2.3 billion in the current quarter compared to $1.8 billion in the prior year quarter."
TRADITIONAL = "本集團於二零二四年三月三十一日的總虧絀為65,000,000港元（二零二三年：88,000,000港元）。"
STATEMENT = "母公司资产负债表\n2024年12月31日\n编制单位:蓝海精密仪器股份有限公司\n单位:元币种:人民币\n\n项目 | 2024年12月31日 | 2023年12月31日\n货币资金 | 79,115,779,990.88 | 50,925,698,935.43"


@pytest.mark.parametrize(("text", "true", "false"), [
    (SPANS, "In the quarter of the fiscal year ended May 7, 2024 gross profit rose to $2,004.0 million.", "In the full year gross profit was $2,004.0 million."),
    (BRIDGE, "Grants of $1,348 thousand are taken off and costs of $740 thousand added.", "Net income was $1,348 thousand."),
    (OPTIONS, "In 2024 472,155 options were granted while 8,385 were exercised and 124,707 lapsed.", "In 2024 8,386 options were exercised."),
    (QUARTERS, "Outlays ran at $6,200 million in the first quarter of 2024 and $6,233 million in the second.", "Outlays of the second quarter were $6,200 million, those of the first quarter $6,233 million."),
    (PLACES, "A year earlier there were $84,135 million from other countries and $83,953 million at home.", "In 2024 other countries accounted for $100,218 million and the United States for $98,052 million."),
    (RATES, "Equities grew 13.2% at constant exchange rates and 10.2% at current ones.", "Equities grew 10.2% at constant exchange rates and 13.2% at current ones."),
    (RATES, "Joint ventures took out another CHF 23.2m in 2024, after CHF 20.9m.", "Joint ventures took out another CHF 24.2m in 2024."),
    (ITEMS, "The net benefit of $3,291 million is of the transfer of intangible properties.", "The net benefit was $620 million from the transfer of intangible properties and $3,291 million from the court decision."),
    (CASH, "Financing swung from an inflow of ¥23.1 billion to an outflow of ¥51.7 billion.", "Financing swung from an outflow of ¥23.1 billion to an inflow of ¥51.7 billion."),
    (PROFIT, "Consolidated net profit rose to CHF 97.4m, and the Group share of it to CHF 89.1m.", "Consolidated net profit rose to CHF 89.1m, and the Group share of it to CHF 97.4m."),
    (CREDITORS, "At the end of 2024 creditors due within one year were £1,432,000, after £2,125,000.", "Net assets fell to £16,590,000 from £14,760,000."),
    (EPS, "Basic earnings per share were 39.1 pence in 2024, after 8.1 pence.", "Basic earnings per share were £39.1 in 2024, after £8.1."),
    (YEARS, "In fiscal year 2024 the U.S. earned $47.8 billion, in fiscal year 2023 it was $35.0 billion.", "In fiscal year 2023 the U.S. earned $47.8 billion; in fiscal year 2024 it was $35.0 billion."),
    (COST_ZH, "财务费用仍为净收益，2024年为1,202.49万元。", "2024年财务费用为1,202.49万元。"),
    (COST_ZH, "销售费用3,741.32万元、管理费用4,686.95万元，分别减少4.21%和14.66%。", "销售费用3,741.32万元、管理费用4,686.95万元，分别减少14.66%和4.21%。"),
    (MINORITY, "净利润6,044.17万元，包括少数股东损益在内，少数股东损益为-71.42万元。", "净利润6,044.17万元，少数股东损益为71.42万元。"),
    (STAFF, "研发人员由399人增至733人。", "研发人员由399万人增至733万人。"),
    (DATES, "短期借款由2024年1月1日的15.32亿元增至21.76亿元。", "短期借款由2024年3月1日的15.32亿元增至21.76亿元。"),
    (FLOWS, "筹资活动净流出9.02亿元，与上年的9.06亿元相近。", "筹资活动净流入9.02亿元，与上年的9.06亿元相近。"),
    (MARGIN, "系列酒毛利率73.69%，比上年高3.55个百分点。", "系列酒毛利率73.69%，比上年低3.55个百分点。"),
    (STATEMENT, "2024年末母公司货币资金为791.16亿元。", "2024年末合并货币资金为791.16亿元。"),
    (PROFIT, "Consolidated net profit came to CHF 97.4m, more than the CHF 71.5m of 2023.", "Consolidated net profit came to CHF 97.4m, less than the CHF 71.5m of 2023."),
    (SEGMENTS, "Cloud earned revenue of $75.2 million in 2024; for the company as a whole revenue was $198.2 million.", "For the company as a whole revenue was $75.2 million in 2024."),
    (MEASURES, "Diluted EPS came to $6.29 as reported and $7.08 on the non-GAAP basis in 2024.", "Diluted EPS came to $7.08 in 2024."),
    (CAPITAL, "The CET1 ratio was 8.40% at the end of 2024, after 9.36%.", "The CET2 ratio was 8.40% at the end of 2024."),
    (RELEASE, "In the fourth quarter of 2024 net revenues came to $2.3 billion.", "In the fourth quarter of 2024 net revenues came to $1.8 billion."),
    (TRADITIONAL, "於二零二四年三月三十一日，總虧絀為6,500萬港元，上一年度為8,800萬港元。", "於二零二四年三月三十一日，總虧絀為9,800萬港元。"),
    ("Input costs were steadier in the second half of 2024 and sales were $5.2 million.", "Input costs were steadier in the second half of 2024, with sales of $5.2 million.", "Input costs were steadier in the first half of 2024, with sales of $5.2 million."),
])  # fmt: skip
def test_an_honest_wording_is_kept_and_its_reverse_falls(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


@pytest.mark.parametrize(("text", "answer"), [
    (PLACES, "The Americas are not told apart; the United States alone brought in $100,218 million in 2024."),
    ("CHFm | 2024 | 2023\nAmériques | 314.5 | 268.3\nAsie - Pacifique | 278.9 | 263.9", "In 2024 the Americas earned CHF 314.5m and Asia-Pacific CHF 278.9m."),
    ("(in millions) | 2024 | 2023\nCore products | $994.7 | $917.0\nTotal adjusted revenue | 1,028.6 | 950.8", "Core products supply $994.7 million of adjusted revenue."),
    ("(in millions) | 2024 | 2023\nForeign exchange loss (gain) | 28.9 | (0.8)\nNet loss | (56.9) | (3.1)", "A foreign exchange loss of $28.9 million is added back to the net loss of $56.9 million."),
])  # fmt: skip
def test_what_merely_cannot_be_bound_is_kept(text: str, answer: str) -> None:
    assert find_faults(text, answer) == set()
