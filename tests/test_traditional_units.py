"""Units in traditional characters, in tables and in sentences, are those of the simplified ones; Taiwan's dollar is one of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fingen.quality.grounding import ground
from fingen.quality.quantities import find_figures
from fingen.quality.tables import parse_unit
from fingen.records import Passage, Period, Record


@pytest.mark.parametrize(("line", "scale", "currency"), [
    ("單位：新台幣仟元", 1000, "TWD"), ("單位：新臺幣千元", 1000, "TWD"), ("（以新臺幣千元為單位）", 1000, "TWD"), ("港幣千元", 1000, "HKD"),
    ("千港元", 1000, "HKD"), ("百萬港元", 10**6, "HKD"), ("人民幣百萬元", 10**6, "CNY"), ("單位：人民幣百萬元", 10**6, "CNY"),
    ("金額單位：新台幣仟元", 1000, "TWD"), ("單位：萬元", 10**4, "CNY"), ("（除特別註明外，金額以人民幣百萬元列示）", 10**6, "CNY"),
    ("(In thousands of New Taiwan Dollars)", 1000, "TWD"), ("单位：千元", 1000, "CNY"),
])  # fmt: skip
def test_the_unit_of_a_table(line: str, scale: int, currency: str) -> None:
    unit = parse_unit(line)

    assert unit is not None
    assert (unit.scale, unit.currency) == (Decimal(scale), currency)


@pytest.mark.parametrize(("text", "value", "currency", "kind"), [
    ("8,430萬元", 84_300_000, "CNY", "amount"), ("新台幣8,430仟元", 8_430_000, "TWD", "amount"), ("3.2億港元", 320_000_000, "HKD", "amount"),
    ("增加2.5個百分點", Decimal("2.5"), None, "points"), ("新臺幣39.2億元", 3_920_000_000, "TWD", "amount"), ("5千萬元", 50_000_000, "CNY", "amount"),
    ("12個月", 12, None, "amount"), ("二億三千萬元", 230_000_000, "CNY", "amount"),
])  # fmt: skip
def test_a_figure_in_a_sentence(text: str, value: Decimal | int, currency: str | None, kind: str) -> None:
    (figure,) = find_figures(text)

    assert (figure.value, figure.currency, figure.kind) == (Decimal(value), currency, kind)


@pytest.mark.parametrize(("said", "reasons"), [
    ("2024年度營業收入為新台幣84.30億元。", []), ("2024年度營業收入為84.30億元。", []), ("2024年度營業收入為8,430,120仟元。", []),
    ("2024年度營業收入為84.30萬元。", ["figure"]), ("2024年度營業收入為人民幣84.30億元。", ["unit"]), ("2024年度營業收入為84.30億港元。", ["unit"]),
])  # fmt: skip
def test_an_answer_in_another_unit_of_the_same_size(said: str, reasons: list[str]) -> None:
    text = "單位：新台幣仟元\n項目 | 2024年度 | 2023年度\n營業收入 | 8,430,120 | 7,210,455"
    passage = Passage(chunk="c", document="d", company="某公司", period=Period(kind="annual", end="2024-12-31"), language="zh", section=(),
                      pages=(1, 1), text=text, kinds=(("table", text),))  # fmt: skip
    row = Record(instruction="？", input="", output=said, id="qa-1", task="qa-concept", language="zh", document="d", chunks=("c",),
                 teacher="t", origin="document")  # fmt: skip

    assert [finding.reason for finding in ground(row, [passage]).failed] == reasons
