"""Rows on tables that are true and look wrong to a check: each kind passes, and the same with a fault in it does not."""

from __future__ import annotations

import re

import pytest
from planted_programs import Made, faults, judge, pairs_of
from test_table_pairs import passage

from fingen.records import Passage, Period
from fingen.tasks.table import TableItem

YEARS = "Consolidated Statements of Income"
PROVISIONS = """€m | 2024 | 2023 | Change in %
Restructuring provisions | 520 | 255 | 103.9
Litigation provisions | 2,997 | 3,497 | – 14.3
Total | 3,517 | 3,752 | – 6.3"""
QUARTER = Period(kind="quarterly", end="2024-06-30")


def of(table: str, title: str = YEARS, text: str = "", **about: object) -> Passage:
    """A passage with one table, and a line of text above it."""
    table = "\n".join(f"{line} " if line.endswith("|") else line for line in table.split("\n"))
    shown = passage(table, title)
    kinds = ((("paragraph", text),) if text else ()) + (("table", table),)
    return shown.model_copy(update={"text": "\n".join(each for _, each in kinds), "kinds": kinds, **about})


TRUE: dict[str, Passage] = {
    "rates of growth beside the years": of(
        """ | Compound |  |  |  |
(In millions) | Growth Rates |  |  | Year Ended December 31, |
 | 5 Years | 10 Years | 2024 | 2023 | 2022
Net operating revenues | 7.6% | 9.4% | $18,868 | $18,673 | $18,127
Cost of goods sold | 3.9% | 5.3% | 6,015 | 6,738 | 6,940
Gross profit | 9.7% | 12.0% | 12,853 | 11,935 | 11,187""",
        "SELECTED FINANCIAL DATA",
    ),
    "a quarter beside the year that ends with it": of(
        """ | 13 Weeks Ended |  | 52 Weeks Ended |
 | December 28, 2024 | December 30, 2023 | December 28, 2024 | December 30, 2023
Net sales | $3,226.8 | $2,729.4 | $10,208.6 | $8,630.9
Cost of sales | 2,010.3 | 1,702.2 | 6,164.1 | 5,262.3
Gross profit | 1,216.5 | 1,027.2 | 4,044.5 | 3,368.6""",
        period=Period(kind="annual", end="2024-12-28"),
    ),
    "a translation beside the accounts": of(
        """ | 2022 RMB | 2023 RMB | 2024 RMB | 2024 US$
Total operating expenses | 299,329 | 154,857 | 93,412 | 13,543
Net revenues | 378,264 | 173,240 | 74,568 | 10,812""",
    ),
    "a total beside its parts": of(
        """ | Salary | Pension | Total | Total
 | £’000 | £’000 | 2024 £’000 | 2023 £’000
Short-term employee benefits | 389 | 16 | 1,405 | 1,325
Termination benefits | 82 | 4 | 886 | 845
Key management compensation | 471 | 20 | 2,291 | 2,170""",
        "Key management compensation",
    ),
    "nine months in a row of its own": of(
        """Nine Months Ended
 | September 30, 2024 | September 30, 2023
Nine months ended |  |
Net cash provided by operating activities | $976 | $827
Net cash used in investing activities | 504 | 478""",
        "Condensed Consolidated Statements of Cash Flows",
        period=Period(kind="quarterly", end="2024-09-30"),
    ),
    "a row of the owners, who have the company’s name": of(
        """ | 2024 | 2023
Net income | 284.7 | 1,402.2
Less: net income attributable to noncontrolling interests | 15.2 | 15.1
Net income attributable to Northwind | 269.5 | 1,387.1""",
    ),
    "a result by the name of both its sides": of(
        """ | 2024 | 2023
Net interest income | 129,698 | 109,509
Provision for loan losses | 7,700 | 5,150
Net interest income after provision for loan losses | 121,998 | 104,359
Operating profit/loss | 1,000 | 574""",
    ),
    "a name that stands in another one": of(
        """ | December 31, 2024 | December 31, 2023
Interest Bearing Deposits | $451,992 | $544,789
Noninterest Bearing Deposits | 884,272 | 875,084
Brokered Deposits | 776,153 | 560,001
Total deposits | 2,112,417 | 1,979,874""",
        "Deposits",
    ),
    "a quarter, where the text speaks of longer times": of(
        """ | Three Months Ended June 30, |
 | 2024 | 2023
Total revenues and other income | 81,506 | 93,060
Income before income taxes | 10,705 | 13,665
Income tax expense | 3,351 | 4,094""",
        "Condensed Consolidated Statements of Income",
        "Income before income taxes and total revenues and other income were lower; wells were capitalized for one year.",
        period=QUARTER,
    ),
    "the number of a note before what its total is of": of(
        PROVISIONS,
        "(55) Provisions",
        kinds=(("heading", "(55) Provisions"), ("table", PROVISIONS)),
    ),
}


@pytest.mark.parametrize("name", TRUE)
def test_a_true_row_passes_and_its_faults_do_not(name: str) -> None:
    made = list(pairs_of(TRUE[name]))
    assert made
    assert [(each.item.answer, told) for each in made if (told := judge(each.item, each.passage))] == []
    wrong = [(kind, item) for each in made for kind, item in faults(each)]
    assert wrong
    assert [(kind, item.answer) for kind, item in wrong if not judge(item, TRUE[name])] == []


def other(name: str, now: tuple[str, str], before: tuple[str, str]) -> tuple[Made, TableItem]:
    """How a line moved, with the cells of another column in place of its own."""
    made = next(
        each
        for each in pairs_of(TRUE[name])
        if each.item.operation in ("growth", "change") and each.item.cells[0].value == now[0]
    )
    swap = {now[0]: now[1], before[0]: before[1]}
    swap |= {one.replace(",", ""): two.replace(",", "") for one, two in swap.items()}
    exchange = re.compile("|".join(map(re.escape, sorted(swap, key=len, reverse=True))))
    told = {
        field: exchange.sub(lambda found: swap[found[0]], getattr(made.item, field) or "")
        for field in ("answer", "calc", "program")
    }
    cells = [cell.model_copy(update={"value": swap.get(cell.value, cell.value)}) for cell in made.item.cells]
    return made, made.item.model_copy(update={**told, "cells": cells})


@pytest.mark.parametrize(
    ("name", "now", "before"),
    [
        ("a quarter beside the year that ends with it", ("4,044.5", "1,216.5"), ("3,368.6", "1,027.2")),
        ("a translation beside the accounts", ("93,412", "13,543"), ("154,857", "154,857")),
    ],
)
def test_the_column_that_a_question_does_not_mean_is_told(
    name: str, now: tuple[str, str], before: tuple[str, str]
) -> None:
    made, wrong = other(name, now, before)
    assert judge(made.item, made.passage) == []
    assert judge(wrong, made.passage)


def test_a_gain_told_as_a_loss_is_found_beside_a_name_that_has_both() -> None:
    made = next(
        each for each in pairs_of(TRUE["a result by the name of both its sides"]) if "profit/loss" in each.item.answer
    )
    wrong = made.item.answer.replace("profit/loss", "loss")
    assert judge(made.item.model_copy(update={"answer": wrong}), made.passage)


UNASKED: dict[str, tuple[Passage, str]] = {  # what is not asked about, and the label by which that would be seen
    "columns of the parent that are not all called so": (
        of(
            """ |  | Group |  | Company |
 | 2024 | 2023 | 2024 | 2023
Total assets | 14,367 | 10,160 | 11,666 | 10,980
Total liabilities | 8,420 | 7,015 | 6,230 | 5,114""",
            "Group and Company Statements of Financial Position",
        ),
        "total",
    ),
    "amounts that are not of the accounts": (
        of(
            INCOME_NOT_GAAP := """ | 2024 | 2023
Total revenues | 66,608 | 62,286
Non-GAAP |  |
Core operating loss | (4,690) | (4,075)"""
        ),
        "core",
    ),
    "a label that says nothing without its bracket": (
        of(
            """ | 2024 $’000 | 2023 $’000
Current tax expense | 6,030 | 1,019
Deferred income tax (benefit)/expense | 1,619 | 2,529
Total income tax expense | 7,649 | 3,548""",
            "Income tax expense",
        ),
        "deferred",
    ),
    "a total by the name of one of its lines": (
        of(
            """ | 2024 £’000 | 2023 £’000
Trade receivables | 5,908 | 8,394
Other receivables | 909 | 889
Prepayments and accrued income | 1,289 | 1,062
Total | 8,106 | 10,345""",
            "Trade and other receivables",
        ),
        "trade and other receivables",
    ),
    "profit before tax as a part of profit after it": (
        of(
            """ | 2024 | 2023
Profit from continuing operations before tax | 1,232 | 1,033
Income tax benefit | 120 | 95
Profit from continuing operations after tax | 1,352 | 1,128""",
            "Results for the year",
        ),
        "within profit",
    ),
    "amounts below a unit of shares alone": (
        of(
            """ | 2024 | 2023
Net income attributable to Northwind | $5,844 | $5,007
Weighted average basic shares | 443,651 | 443,089""",
            "Net Income per Share",
            "The following table shows the amounts used in computing net income per share (shares in 000’s):",
            unit=(),
        ),
        "net income",
    ),
    "a row below a line that may be the start of its label": (
        of(
            """ | December 31, 2024 | December 31, 2023
Commercial loans | 435,344 | 360,169
Total real estate |  |
Mortgage loans | 2,759,125 | 2,145,225
Consumer loans | 8,132 | 6,442""",
            "Loans",
        ),
        "mortgage loans",
    ),
    "figures that their column cuts": (
        passage(
            """项目 | 2024年12月31日 | 2023年12月31日
应收账款 | 4,498,506.3 | 3,612,481
预付款项 | 4,978,91 | 1,366,43
存货 | 5,813,800.1 | 5,021,333""",
            "合并资产负债表",
            "zh",
        ),
        "账",
    ),
    "a label that goes on to leave something out": (
        passage(
            """项目 | 2024年 | 2023年
计入当期损益的政府补助（与企业业务密切相关的政府补助除外） | 25,308,625.27 | 18,254,730.93
委托他人投资或管理资产的损益 | 1,308,625.27 | 2,254,730.93
其他营业外收入 | 3,308,625.27 | 1,254,730.93""",
            "非经常性损益项目及金额",
            "zh",
        ),
        "政府补助",
    ),
    "a label that says no thing": (
        passage(
            """项目 | 期末余额 |  |  | 期初余额 |  | \n | 账面余额 | 减值准备 | 账面价值 | 账面余额 | 减值准备 | 账面价值
可供出售权益工具： | 25,308,625.27 | 1,000,000.00 | 24,308,625.27 | 18,254,730.93 | 900,000.00 | 17,354,730.93
按公允价值计量的 | 24,000,000.00 |  | 24,000,000.00 | 16,000,000.00 |  | 16,000,000.00
按成本计量的 | 1,308,625.27 | 1,000,000.00 | 308,625.27 | 2,254,730.93 | 900,000.00 | 1,354,730.93""",
            "可供出售金融资产",
            "zh",
        ),
        "计量的",
    ),
    "a cost that is a credit in two of three years": (
        of(
            """ | 2024 | 2023 | 2022
Amortization of prior service cost | (184) | (181) | 2
Interest cost | 905 | 785 | 955""",
            "Pensions",
        ),
        "amortization",
    ),
}


@pytest.mark.parametrize("what", UNASKED)
def test_what_says_too_little_is_not_asked_about(what: str) -> None:
    shown, label = UNASKED[what]
    assert [each.item.question for each in pairs_of(shown) if label in each.item.question.lower()] == []


@pytest.mark.parametrize("over", [" | Fair Value at | ", " | Fair Value as of | Fair Value as of"])
def test_what_stands_over_columns_is_asked_for_without_the_words_for_their_day(over: str) -> None:
    days = " | December 31, 2024 | December 31, 2023"
    made = pairs_of(
        of(f"{over}\n{days}\nMoney market funds | 1,278 | 1,203\nCommercial paper | 678 | 603", "Investments")
    )

    assert made
    for each in made:
        assert re.search(r"(?<!fair value )fair value of “", each.item.question), each.item.question
        assert judge(each.item, each.passage) == []
