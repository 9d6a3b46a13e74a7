"""Kinds of honest wording that say nothing against their source, each beside the fault that looks like it.

Amounts per share under a unit of millions, moves in any form of the word, numbers that are names, rows of one label in
several groups, what a thing is set against or taken from: the honest ones are kept, the faults fall.
"""

from __future__ import annotations

import pytest
from test_worded_otherwise import fail

BLOCK = """\
Five-Year Overview
(dollars in thousands, except share data)

Results: | 2024 | 2023
Total revenue | 71,204 | 66,310
Income before tax | 12,480 | 11,093
Per Unit Data: | 2024 | 2023
Net income per unit (diluted) | $2.16 | $1.94
Distributions declared | 0.84 | 0.72
Book value | 17.35 | 15.92
Balance Sheet Data: | 2024 | 2023
Total assets | 980,442 | 903,117
Units outstanding | 5,021 | 5,019"""
HEADED = """\
(In millions, except per share amounts)

 | 2024 | 2023
Net sales | 914.2 | 870.5
Amounts per share:
Closing price | 41.37 | 38.02
Dividends | 1.26 | 1.18"""
BRIDGE = """\
(Dollars in millions, except per share data)

Years ended December 31, | 2024 | 2023
Sales | $8,412 | $7,960
Operating loss, as reported | ($310) | ($274)
Basic loss per share, as reported | ($2.45) | ($2.10)
Restructuring | 0.62 | 0.31
Litigation | (0.18) | (0.07)
Deferred taxes on these | 0.09 | 0.05
Comparable loss per share (non-GAAP) | ($1.92) | ($1.81)
Average shares (in millions) | 126.3 | 124.9"""
COSTS = """\
(in millions) | 2024 | 2023 | Percent change 2024 v. 2023
Advertising | 412.6 | 416.0 | (0.8)%
Research | 95.1 | 93.3 | 1.9%"""
STANDARDS = (
    "Interest expense decreased to $21.4 million in 2024, including $3.6 million less from the adoption of ASU 2018-11 and $1.2 million less on the 2019 Mortgage Facility. "
    "Leases are accounted for under IFRS 16 and Topic 842, and a plan under Rule 10b-5 is described in the Form 10-K for 2024."
)
SEGMENTS = """\
(in thousands) | 2024 | 2023
Revenue by segment:
Publishing | $640,210 | $610,405
Packaging | 310,118 | 295,770
Total segment revenue | 950,328 | 906,175
Operating income by segment:
Publishing operating income | 88,410 | 79,336
Packaging operating income | 41,207 | 40,115
Total segment operating income | 129,617 | 119,451"""
CANADIAN = """\
Results of the Trust

(C$ millions, unless otherwise noted) | 2024 | 2023
Share of loss | (6.4) | (3.2)
Dilution gain | 0.7 | 0.2"""
MEASURE = "Adjusted EBITDA was $64.0 million in 2024 compared to $81.5 million in 2023. Adjusted EBITDA is a non-GAAP measure and has no standardized meaning under IFRS. Net income under IFRS was $12.3 million in 2024."
ROLL = """\
(in thousands, except per share data) | Three months ended December 31, 2024 | Per Share Amount
Book value at beginning of period | $310,442 | $18.61
Net loss | (5,118) | (0.31)
Total net decrease | (4,906) | (0.29)
Book value at end of period | $305,536 | $18.32"""
REGIONS = """\
(dollars in millions) | 2024 | 2023 | 2024 vs. 2023 $ | 2024 vs. 2023 %
Revenue:
Overseas:
Chile | 118.2 | 109.4 | 8.8 | 8.0%
Peru | 64.9 | 61.1 | 3.8 | 6.2%
Overseas gross revenue | 183.1 | 170.5 | 12.6 | 7.4%
Retail gross revenue | 412.5 | 396.3 | 16.2 | 4.1%
Total gross revenue | 595.6 | 566.8 | 28.8 | 5.1%
Oversight charges | (9.1) | (8.7) | (0.4) | nm
Adjusted EBITDA:
Overseas | 61.3 | 55.9 | 5.4 | 9.7%
Retail | 130.2 | 121.8 | 8.4 | 6.9%"""
EARNED = """\
Reconciliation of net income to Adjusted EBITDA

(in millions) | 2024 | 2023 | 2022 | 2024 vs. 2023
Net income attributable to Acme | $ 214.3 | $ 902.6 | $ 318.8 | $ (688.3)
Discontinued operations | (12.8) | (640.2) | (31.5) | 627.4
Income from continuing operations | 201.5 | 262.4 | 287.3 | (60.9)"""
TERMS = """\
(in millions) | 2024 | 2023 | 2022 | 2024 vs. 2023 % | 2023 vs. 2022 %
Card revenue | 241.8 | 222.7 | 190.3 | 8.6% | 17.0%
Loan revenue | 96.0 | 99.5 | 91.2 | (3.5)% | 9.1%"""
YEARS = """\
($ in millions) | 2024 | 2023
Sales | 5,210.3 | 4,988.7
Per Share Data, Fully Diluted ($ per share)
Net earnings | 3.12 | 2.95
Dividends
Class A shares | 0.640 | 0.580
Class B shares | 0.640 | 0.580
Book value | 21.07 | 19.44
Share Price, Class A Shares ($ per share)
Close | 44.18 | 40.72"""
FUNDS = """\
(In millions) | 2024 | 2023 | Better / (Worse) Change
Funded status | (84) | (61) | (23)
Used cars gross profit (loss) | (9.6) | (31.2) | 21.6
Dividend per share | $ 0.44 | $ 0.40 | $ 0.04
Dividends paid | 2,117 | 1,930 | (187)"""
LOSSES = """\
(RMB in thousands) | 2024 | 2023
Operating loss | (52,318) | (47,904)
Impairment loss on long-term holdings | (61,450) | -
Loss before income tax expense | (118,906) | (60,277)"""
HEADLESS = """\
Knees
Domestic | 742 | 701 | 655 | 5.8 | 7.0
Abroad | 431 | 448 | 402 | (3.8) | 11.4"""
LEASES = """\
Table of earnings | FY24 $ | FY23 $
Underlying EBITDA | 18,402,117 | 15,630,248
Growth % | +17.7% | +9.2%
Lease rent expense | (2,240,815) | (2,015,400)
Underlying EBITDA before lease rent expense | 16,161,302 | 13,614,848"""
GROUP = """\
Figures in Pound Sterling | Group 31 March 2024 | Group 31 March 2023 | Company 31 March 2024
Administrative expenses | (640,118) | (905,227) | (402,516)
Loss before taxation | (640,118) | (905,227) | (402,516)
Taxation | 118,306 | - | -
Impairment of loans | (91,050) | - | (35,775)"""

KEPT = [
    (BLOCK, "Book value rose from $15.92 to $17.35 a unit."),
    (BLOCK, "In 2024 distributions declared came to $0.84 per unit, while total assets reached $980.4 million."),
    (BLOCK, "Total revenue was $71.2 million in 2024."),
    (HEADED, "The closing price was $41.37 in 2024, and dividends were $1.26."),
    (HEADED, "Net sales were $914.2 million in 2024."),
    (BRIDGE, "The comparable loss per share is a non-GAAP measure. For 2024 it narrows the loss from the reported $2.45 to $1.92 per share."),
    (BRIDGE, "In 2024 restructuring added back $0.62 and litigation took off $0.18."),
    (BRIDGE, "The operating loss as reported was $310 million in 2024."),
    (COSTS, "Advertising hardly moved, slipping 0.8% to $412.6 million."),
    (COSTS, "Advertising eased by 0.8% in 2024, a slip to $412.6 million."),
    (COSTS, "Advertising, shrinking 0.8%, came to $412.6 million in 2024."),
    (COSTS, "A dip of 0.8% took advertising to $412.6 million, and research went up 1.9%."),
    (COSTS, "Advertising was 0.8% down, dropping to $412.6 million in 2024."),
    (STANDARDS, "Interest expense fell to $21.4 million, as ASU 2018-11 was adopted."),
    (STANDARDS, "The adoption of ASU 2018-11 took $3.6 million and the 2019 Mortgage Facility $1.2 million off interest expense in 2024."),
    (STANDARDS, "Under IFRS 16 and Topic 842, interest expense was $21.4 million in 2024."),
    (STANDARDS, "As the Form 10-K says, a plan under Rule 10b-5 is in place."),
    (SEGMENTS, "In 2024 the segments earned $129.6 million of operating income, with Publishing at $88.4 million and Packaging at $41.2 million."),
    (SEGMENTS, "Operating income in 2024 was $88.4 million at Publishing."),
    (SEGMENTS, "Publishing had revenue of $640.2 million in 2024."),
    (CANADIAN, "The share of loss was C$6.4 million in 2024, after C$3.2 million."),
    (CANADIAN, "In 2024 there was a dilution gain of C$0.7 million."),
    (MEASURE, "Adjusted EBITDA, a non-GAAP measure without standardized meaning under IFRS, was $64.0 million in 2024."),
    (MEASURE, "Adjusted EBITDA, which is not defined by IFRS, fell to $64.0 million."),
    (MEASURE, "Under IFRS net income was $12.3 million in 2024."),
    (ROLL, "In the fourth quarter a loss of $5.1 million brought book value down by $4.9 million, or $0.29 a share, from $18.61."),
    (ROLL, "Book value fell by $0.29 a share, to $18.32, in the fourth quarter."),
    (REGIONS, "It follows from total gross revenue of $595.6 million after oversight charges of $9.1 million."),
    (REGIONS, "Overseas went up 7.4% to $183.1 million in 2024, and its Adjusted EBITDA to $61.3 million."),
    (REGIONS, "Retail added 4.1% to reach $412.5 million in 2024."),
    (REGIONS, "Adjusted EBITDA of Retail went up 6.9% to $130.2 million."),
    (EARNED, "Net income attributable to Acme dropped from $902.6 million in 2023 to $214.3 million in 2024."),
    (EARNED, "Net income attributable to Acme rose from $318.8 million in 2022 to $902.6 million in 2023."),
    (EARNED, "In 2023 $640.2 million came from discontinued operations, against $12.8 million a year later."),
    (TERMS, "Card revenue went up 8.6% to $241.8 million in 2024."),
    (TERMS, "In 2023 card revenue had grown 17.0% to $222.7 million."),
    (TERMS, "Loan revenue rose from $91.2 million in 2022 to $99.5 million in 2023."),
    (YEARS, "Book value per share reached $21.07 in 2024, from $19.44, and the Class A shares closed at $44.18."),
    (YEARS, "Sales were $5,210.3 million in 2024, and net earnings per fully diluted share $3.12."),
    (FUNDS, "The plans were underfunded by $84 million at the end of 2024, against $61 million a year earlier."),
    (FUNDS, "The gross loss on used cars narrowed by $21.6 million to $9.6 million in 2024."),
    (FUNDS, "In 2024 the dividend was $0.44 per share, or $2,117 million in all."),
    (LOSSES, "An impairment of long-term holdings took RMB61.5 million, which brought the loss before tax to RMB118.9 million in 2024."),
    (LOSSES, "The operating loss went from RMB47.9 million to RMB52.3 million."),
    (HEADLESS, "Knees gained 5.8% at home but were down 3.8% abroad."),
    (LEASES, "Before lease rent expense of $2.2 million, underlying EBITDA was $16.2 million in FY24."),
    (LEASES, "Underlying EBITDA grew 17.7% to $18.4 million in FY24."),
    (GROUP, "Group administrative expenses fell to £640,118, and a tax credit of £118,306 helped."),
    (GROUP, "The impairment of loans was £91,050 for the Group and £35,775 for the Company."),
]  # fmt: skip
FALLEN = [
    (BLOCK, "Book value was $17.35 thousand a unit in 2024.", "unit"),
    (BLOCK, "Total assets reached $980.4 in 2024.", "figure"),
    (HEADED, "The closing price was $41.37 million in 2024.", "unit"),
    (BRIDGE, "In 2024 restructuring added back $0.62 million.", "unit"),
    (BRIDGE, "The basic loss per share as reported was $2.45 million in 2024.", "unit"),
    (COSTS, "Advertising hardly moved, climbing 0.8% to $412.6 million.", "direction"),
    (COSTS, "Advertising kept swelling, by 0.8%, to $412.6 million.", "sign"),
    (STANDARDS, "Interest expense fell to $21.4 million, as ASU 2016-13 was adopted.", "figure"),
    (STANDARDS, "Interest expense was $21.4 million in 2019.", "binding-period"),
    (SEGMENTS, "In 2024 Publishing had revenue of $88.4 million.", "binding-column"),
    (CANADIAN, "The share of loss was C$6.4 billion in 2024.", "unit"),
    (MEASURE, "On an IFRS basis, EBITDA was $64.0 million in 2024.", "binding-basis"),
    (ROLL, "In the fourth quarter book value fell by $4.9 thousand.", "figure"),
    (REGIONS, "Adjusted EBITDA of Overseas went up 7.4% in 2024.", "binding-basis"),
    (EARNED, "Net income attributable to Acme rose to $214.3 million in 2024.", "direction"),
    (EARNED, "Net income attributable to Acme rose from $902.6 million in 2023 to $214.3 million in 2024.", "direction"),
    (TERMS, "Card revenue went up 17.0% to $241.8 million in 2024.", "binding-period"),
    (YEARS, "Book value reached $21.07 million in 2024.", "unit"),
    (FUNDS, "The gross loss on used cars was $9.6 million in 2023.", "binding-period"),
    (FUNDS, "In 2024 the dividend was $0.44 million per share.", "unit"),
    (LOSSES, "The operating loss was RMB61.5 million in 2024.", "binding-row"),
    (HEADLESS, "Knees gained 6.8% at home.", "figure"),
    (LEASES, "In FY24 underlying EBITDA was $15.6 million.", "binding-period"),
    (GROUP, "Administrative expenses of the Group were £118,306.", "binding-row"),
    (GROUP, "The impairment of loans was £35,775 for the Group and £91,050 for the Company.", "binding-row"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "answer"), KEPT)
def test_what_says_nothing_against_its_source_is_kept(text: str, answer: str) -> None:
    assert fail(text, answer) == []


@pytest.mark.parametrize(("text", "answer", "reason"), FALLEN)
def test_the_fault_that_looks_like_it_falls(text: str, answer: str, reason: str) -> None:
    assert reason in [finding.reason for finding in fail(text, answer)]


@pytest.mark.parametrize(("said", "calc", "kept"), [
    ("a difference of $4.8 million", "96.0 - 91.2", True),
    ("a difference of $8.3 million", "99.5 - 91.2", False),
    ("an increase of $4.8 million", "96.0 - 91.2", True),
    ("an increase of $151.7 million", "222.7 - 71.0", False),
])  # fmt: skip
def test_a_difference_is_that_of_the_two_figures_before_it(said: str, calc: str, *, kept: bool) -> None:
    assert (
        fail(TERMS, f"Loan revenue went from $91.2 million in 2022 to $96.0 million in 2024, {said}.", calc) == []
    ) is kept
