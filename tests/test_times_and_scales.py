"""Quarters, lengths of time and sums from the beginning are told apart; a calculation may mix amounts of several scales."""

from __future__ import annotations

import pytest

from fingen.quality.grounding import ground
from fingen.records import Language, Passage, Period, Record


def faults(text: str, said: str, calc: str = "") -> list[str]:
    language: Language = "en" if text.isascii() else "zh"
    kinds = tuple(("table" if " | " in part else "paragraph", part) for part in text.split("\n\n"))
    passage = Passage(chunk="c", document="d", company="Acme Inc.", period=Period(kind="annual", end="2024-12-31"), language=language,
                      section=(), pages=(1, 1), text=text, kinds=kinds)  # fmt: skip
    row = Record(instruction="?", input="", output=said, id="qa-1", task="qa-concept", language=language, document="d", chunks=("c",),
                 calc=calc, teacher="t", origin="document")  # fmt: skip
    return [finding.reason for finding in ground(row, [passage]).failed]


QUARTERS = "单位：万元\n项目 | 第一季度（1-3月份） | 第二季度（4-6月份） | 第三季度（7-9月份） | 第四季度（10-12月份）\n营业收入 | 36,617.50 | 25,818.04 | 48,338.76 | 45,552.10"


@pytest.mark.parametrize(("said", "true"), [
    ("2024年第二季度营业收入为25,818.04万元。", True), ("公司2024年第三季度的营业收入达到48,338.76万元。", True), ("2024年第一季度营业收入为25,818.04万元。", False),
    ("2024年第二季度营业收入为48,338.76万元。", False), ("2024年全年营业收入为45,552.10万元。", False), ("2024年营业收入为45,552.10万元。", False),
])  # fmt: skip
def test_a_quarter_is_neither_another_one_nor_the_year(said: str, true: bool) -> None:
    assert (faults(QUARTERS, said) == []) is true


@pytest.mark.parametrize(("text", "true", "false"), [
    ("The notice period is 12 months.", "Directors are on a notice of 12 months.", "Directors are on a notice of 12 days."),
    ("Leases of 12 months or less are expensed; note 12 has more.", "Leases of up to 12 months are expensed.", "Leases of up to 12 years are expensed."),
    ("应收账款账期为90天，另有90项专利。", "账期为90天。", "账期为90个月。"),
    ("Inventory turned over in 87 days.", "It took 87 days to turn inventory over.", "It took 87 months to turn inventory over."),
])  # fmt: skip
def test_days_are_no_months(text: str, true: str, false: str) -> None:
    assert faults(text, true) == []
    assert faults(text, false) == ["unit"]


@pytest.mark.parametrize(("text", "true", "false"), [
    ("截至2024年末，公司累计投入研发资金5.2亿元。", "截至2024年末公司累计投入研发资金5.2亿元。", "2024年公司当年投入研发资金5.2亿元。"),
    ("We had facilitated a cumulative total of $49.3 billion in loans by 2024.", "The cumulative total of loans reached $49.3 billion in 2024.",
     "The annual total of loans reached $49.3 billion in 2024."),
    ("Net income in the first half was $3.3 million.", "The first half brought net income of $3.3 million.", "The full year brought net income of $3.3 million."),
])  # fmt: skip
def test_a_sum_from_the_beginning_is_not_that_of_the_year(text: str, true: str, false: str) -> None:
    assert faults(text, true) == []
    assert faults(text, false) == ["binding-basis"]


MIXED = "Revenue was $12.5 million in 2024, and the grant for the plant $2,500 thousand.\n\n$'000 | 2024\nWages | 3,750"


@pytest.mark.parametrize(("said", "calc", "reasons"), [
    ("Wages were 30.0 percent of revenue in 2024.", "3750 / 12500 * 100", []), ("Wages were 30.0 percent of revenue in 2024.", "3750 * 1000 / (12.5 * 1000000) * 100", []),
    ("The grant was 20.0 percent of revenue.", "2500 * 1000 / (12.5 * 1000000) * 100", []), ("Wages and grant came to $6.25 million together.", "(3750 + 2500) / 1000", []),
    ("Wages were 30.0 percent of revenue in 2024.", "3760 / 12500 * 100", ["calc", "figure"]), ("Wages were 35.0 percent of revenue in 2024.", "3750 / 12500 * 100", ["calc", "figure"]),
])  # fmt: skip
def test_a_calculation_may_bring_its_operands_to_one_scale(said: str, calc: str, reasons: list[str]) -> None:
    assert sorted(faults(MIXED, said, calc)) == reasons


def test_the_rows_of_a_reconciliation_are_on_no_basis_of_their_own() -> None:
    text = "$ million | 2024\nReconciliation of net income to Adjusted EBITDA: | \nNet interest expense | 26.2\nIncome taxes | 19.9\nAdjusted EBITDA | 301.5"

    assert faults(text, "Net interest expense was $26.2 million in 2024.") == []
    assert faults(text, "Adjusted EBITDA was $301.5 million in 2024.") == []
    assert faults(text, "EBITDA was $301.5 million in 2024.") == ["binding-basis"]
