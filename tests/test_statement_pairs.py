"""What the offline rules make of the primary statements: the amounts of two years, with unit and change, or nothing."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_offline_teacher import EN, ZH, complete, heading, paragraph, passage, table

from fingen.quality.checks import check
from fingen.quality.draft import Draft
from fingen.records import Basis, Completion, Evidence, Passage, Period, Request, Stated
from fingen.tasks import qa
from fingen.tasks.documents import TASKS
from fingen.teachers.offline import concept_pairs

Item = dict[str, Any]
INCOME, BALANCE, CASH = (
    heading(f"Consolidated {name}")
    for name in ("Statements of Operations", "Balance Sheets", "Statements of Cash Flows")
)
THOUSANDS = "In thousands, except per share data"
PLAIN = """Year ended December 31, | 2024 | 2023
Net revenues | $13,127,485 | $9,680,140
Cost of sales | (8,100,200) | (7,000,100)
Operating income (loss) | 439,372 | (278,699)
Net loss | (36,731) | (40,012)
Diluted earnings per share | $(0.36) | $(0.40)"""


def given_to(
    *pieces: tuple[Any, str], unit: str | None = THOUSANDS, bases: tuple[Basis, ...] = (), **about: Any
) -> Passage:
    units = () if unit is None else (Stated(text=unit, page=1),)
    return passage(*pieces, **about).model_copy(update={"unit": units, "basis": bases})


def rows(shown: Passage, count: int = 20) -> list[Item]:
    items: list[Item] = json.loads(complete("concept", shown, count=count).text)["items"]
    return items


def answers(shown: Passage) -> list[str]:
    return [item["answer"] for item in rows(shown)]


def test_a_statement_gives_its_rows_with_both_years_and_the_change():
    items = {
        re.search(r"’s ([a-z ,]+?) (?:was|were)", item["answer"])[1]: item
        for item in rows(given_to(INCOME, table(PLAIN)))
    }  # type: ignore[index]  # each has a subject

    assert list(items)[:2] == ["net revenues", "net loss"]  # what is asked about first
    assert items["net revenues"]["answer"] == (
        f"{EN}’s net revenues were $13,127,485 thousand for the fiscal year ended December 31, 2024, "
        "compared with $9,680,140 thousand for the year before, an increase of 35.6%."
    )
    assert items["net revenues"]["evidence"] == ["Net revenues | $13,127,485 | $9,680,140"]
    assert items["net revenues"]["calc"] == "(13127485 - 9680140) / 9680140 * 100"
    assert "was $8,100,200 thousand" in items["cost of sales"]["answer"]  # its brackets only take it off
    assert "compared with a loss of $278,699 thousand" in items["operating income"]["answer"]
    assert items["operating income"]["calc"] is None  # from a loss to a profit there is no rate
    assert "was $36,731 thousand" in items["net loss"]["answer"]
    assert "a loss of $0.36 for" in items["diluted earnings per share"]["answer"]  # no thousands


def test_several_rows_are_given_together_and_whose_they_are_is_said_once():
    (item,) = json.loads(complete("summary", given_to(INCOME, table(PLAIN))).text)["items"]

    assert len(item["evidence"]) == 4
    assert item["answer"].count(EN) == 1
    assert item["answer"].count("Its ") == 3


def test_what_is_counted_on_a_day_is_told_of_the_day():
    text = (
        "December 31, | 2024 | 2023\nTotal assets | $900,100 | $800,100\nTotal stockholders’ equity | 500,300 | 500,300"
    )
    assert answers(given_to(BALANCE, table(text)))[0] == (
        f"{EN}’s total assets were $900,100 thousand at December 31, 2024, compared with $800,100 thousand a year earlier, "
        "an increase of 12.5%."
    )
    assert answers(given_to(BALANCE, table(text)))[1].endswith("a year earlier, unchanged.")


def test_cash_is_provided_or_used():
    text = "Year ended | 2024 | 2023\nNet cash provided by (used in) operating activities | $(900) | $1,200"
    (answer,) = answers(given_to(CASH, table(text)))

    assert answer.startswith(f"{EN}’s operating activities used net cash of $900 thousand for the fiscal year ended ")
    assert answer.endswith(", compared with $1,200 thousand provided for the year before.")


# A head of columns -> the amounts of this year and of the year before that a person would take from the row below it.
ROW = "Net sales | 4 | $5,001 | $4,002 | $1,003 | $1,004"
DAYS = "December 31, 2024 | December 31, 2023"
HEADS = {
    "quarters first": (
        f" |  | Three Months Ended |  | Twelve Months Ended | \n |  | {DAYS} | {DAYS}",
        ("1,003", "1,004"),
    ),
    "the years of a translation": (
        " |  | RMB | RMB | US$ | US$\n | Notes | 2024 | 2023 | 2024 | 2023",
        ("5,001", "4,002"),
    ),
    "older years too": (" | Note | 2024 | 2023 | 2022 | 2021", ("5,001", "4,002")),
    "the older year first": (" | Note | 2021 | 2022 | 2023 | 2024", ("1,004", "1,003")),
}


@pytest.mark.parametrize("head", HEADS)
def test_the_columns_of_the_reports_year_and_of_the_one_before_are_found(head: str):
    above, (now, before) = HEADS[head]
    row = ROW.replace("$", "") if "RMB" in above else ROW
    told = [answer for answer in answers(given_to(INCOME, table(f"{above}\n{row}"))) if "quarter" not in answer]

    assert len(told) == 1
    assert re.search(rf"\D{now} thousand for the fiscal year .* compared with \S*?(?:RMB )?{before} thousand", told[0])


def test_the_quarter_of_a_release_is_told_as_the_quarter():
    above, _ = HEADS["quarters first"]
    quarter = [item for item in rows(given_to(INCOME, table(f"{above}\n{ROW}"))) if "$5,001" in item["answer"]]

    assert len(quarter) == 1
    assert "for the quarter ended December 31, 2024" in quarter[0]["answer"]
    assert "quarter" in quarter[0]["question"]
    assert "quarter" in quarter[0]["rephrased"]


@pytest.mark.parametrize("head", [
    " | Before exceptional items | Exceptional items | Total\n | 2024 | 2024 | 2024",
    " | 2024 Adjusted | 2023 Adjusted | 2024 Budget", " | 2024 | 2022 | 2021", " | 2023 | 2022 | 2021", " | 2024 | Change | %",
    " | Group | Company | Group\n | 2024 | 2024 | 2023", " | 2024 Restated | 2023 Restated | 2022", " | Six months 2024 | Six months 2023 | Notes",
])  # fmt: skip
def test_columns_that_leave_a_doubt_give_nothing(head: str):
    assert rows(given_to(INCOME, table(f"{head}\nNet sales | $5,001 | $4,002 | $1,003"))) == []


@pytest.mark.parametrize("title", [
    "Notes to consolidated financial statements", "Condensed Statements of Operations", "Company statements of operations",
    "Parent company balance sheets", "Income statement", "Segment results", "Reconciliation of net income to the statements of operations",
    "Pro forma statements of operations", "Results of operations",
])  # fmt: skip
def test_only_the_statements_of_the_group_are_read(title: str):
    assert rows(given_to(heading(title), table(PLAIN))) == []


@pytest.mark.parametrize("kind", ["parent", "segment", "discontinued", "restated"])
def test_what_the_passage_says_of_another_basis_is_left_alone(kind: Any):
    assert rows(given_to(INCOME, table(PLAIN), bases=(Basis(text="as it says", page=1, kind=kind),))) == []


@pytest.mark.parametrize("unit", [None, "", "RMB in thousands; US$ in millions"])
def test_without_a_unit_for_sure_nothing_is_told(unit: str | None):
    assert rows(given_to(INCOME, table(PLAIN), unit=unit)) == []


@pytest.mark.parametrize(("unit", "told"), [
    ("In millions", "$5,001 million"), ("£’000", "£5,001 thousand"), ("$'000", "$5,001 thousand"), ("CHFm", "CHF 5,001 million"),
    ("are presented in thousands of Swiss francs", "CHF 5,001 thousand"), ("Millions of yen", "¥5,001 million"),
    ("in millions of Canadian dollars", "C$5,001 million"), ("U.S. dollars in thousands", "US$5,001 thousand"),
    ("RMB in thousands, except for share data", "RMB 5,001 thousand"), ("€ bn", "€5,001 billion"),
])  # fmt: skip
def test_the_unit_is_told_as_the_report_says_it(unit: str, told: str):
    sign = "$" if unit == "In millions" else ""
    text = f"Year ended | 2024 | 2023\nNet sales | {sign}5,001 | {sign}4,002"
    assert f"net sales were {told} for" in answers(given_to(INCOME, table(text), unit=unit))[0]


def test_amounts_of_which_only_the_currency_is_said_are_units_where_they_can_be_nothing_else():
    small, large = (
        f" | 2024 $ | 2023 $\nRevenue | {a} | {b}" for a, b in (("74,568", "173,240"), ("14,761,523", "11,841,712"))
    )

    assert answers(given_to(INCOME, table(small), unit="$")) == []
    assert "was $14,761,523 for" in answers(given_to(INCOME, table(large), unit="$"))[0]


def test_a_row_that_stands_twice_with_other_amounts_is_not_told():
    again = PLAIN + "\nNet revenues | $1 | $2,000"
    assert not any("net revenues" in answer for answer in answers(given_to(INCOME, table(again))))


def test_the_year_is_called_as_the_report_calls_it():
    text = "(Dollars in millions) | 2022 | 2021\nNet sales | $5,001 | $4,002"
    shown = given_to(INCOME, table(text), end="2023-01-01").model_copy(
        update={"period": Period(kind="annual", end="2023-01-01", fiscal_year=2022)}
    )
    assert "for the fiscal year ended January 1, 2023 (fiscal 2022), compared with $4,002 million" in answers(shown)[0]
    assert answers(given_to(INCOME, table(text), end="2023-01-01")) == []  # without that name 2022 is the year before


def test_a_chinese_statement_of_the_group_gives_its_rows_and_the_parents_does_not():
    text = "单位：元币种：人民币\n项目 | 附注 | 2024年度 | 2023年度\n一、营业总收入 | 七、61 | 1,200,000.50 | 1,000,000.00\n减：研发费用 |  | 90,000.00 | 100,000.00"
    for title in ("合并利润表", "1、合并利润表"):
        shown = given_to(heading(title), table(text), unit="单位：元币种：人民币")
        assert answers(shown)[0] == f"{ZH}2024年度营业总收入为1,200,000.50元，上年为1,000,000.00元，同比增长20.0%。"
        assert f"{ZH}2024年度研发费用为90,000.00元，上年为100,000.00元，同比下降10.0%。" in answers(shown)
    assert rows(given_to(heading("母公司利润表"), table(text), unit="单位：元币种：人民币")) == []


AMOUNTS = st.decimals(min_value=1, max_value=999_999, places=1).map(lambda value: f"{value:,}")
LABELS = (
    "Total revenues",
    "Gross profit",
    "Operating income",
    "Net income",
    "Research and development",
    "Income before income taxes",
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=len(LABELS)),
    st.sampled_from(["In millions", "In thousands"]),
)
def test_every_row_says_what_stands_there_and_passes_every_check(cells: list[tuple[str, str]], unit: str):
    lines = [f"{label} | ${now} | ${before}" for label, (now, before) in zip(LABELS, cells, strict=False)]
    shown = given_to(INCOME, table("\n".join(["Year ended December 31, | 2024 | 2023", *lines])), unit=unit)
    request = Request(key="k", task="qa-concept", template="concept", system="", prompt="", answer_schema={}, max_tokens=1,
                      count=20, passages=(shown,))  # fmt: skip
    pairs = concept_pairs(shown)

    assert len(pairs) == len(lines)
    for line, (now, before) in zip(lines, cells, strict=True):
        (pair,) = (pair for pair in pairs if pair.quotes == (line,))
        first, second = (Decimal(cell.replace(",", "")) for cell in (now, before))
        assert f"${now} {unit[3:-1]} for" in pair.answer
        assert f"compared with ${before} {unit[3:-1]} " in pair.answer
        if told := re.search(r"(an increase|a decrease) of ([\d.]+)%", pair.answer):
            assert (told[1] == "an increase") == (first > second)
            assert abs(Decimal(told[2]) - abs(first - second) / second * 100) <= Decimal("0.05")
        item = qa.QaItem(
            question=pair.question,
            rephrased=pair.rephrased,
            answer=pair.answer,
            evidence=[line],
            calc=pair.calc or None,
        )
        record = TASKS["concept"].build(item, request, (Evidence(quote=line, page=1),), "offline")
        assert check(Draft(record, pair.rephrased, (), (shown,))) is None


def test_no_more_rows_than_were_asked_for():
    completion: Completion = complete("concept", given_to(INCOME, table(PLAIN), paragraph("Nothing.")), count=2)
    assert len(json.loads(completion.text)["items"]) == 2


@pytest.mark.parametrize("columns", [
    "December 31, 2023 | January 1, 2024", "31 December 2023 | 1 January 2024", "2023.12.31 | 2024.01.01", "2023-12-31 | 2024-1-1",
    "2023/12/31 | 2024/01/01", "2023年12月31日 | 2024年1月1日", "2023年12月31日 | 2024年01月01日",
])  # fmt: skip
def test_the_first_day_of_a_year_is_no_end_of_one(columns: str):
    """Tables of the first use of a standard set the last day of a year beside the next one: no year lies in between."""
    body = f" | {columns}\nTotal assets | $900,100 | $800,100\nTotal liabilities | 500,000 | 400,000"

    assert answers(given_to(BALANCE, table(body))) == []
    assert answers(given_to(BALANCE, table(body.replace(columns, "December 31, 2024 | December 31, 2023"))))
