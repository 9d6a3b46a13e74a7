"""Numbers in the notations of other countries are read as what they are, in a source and in an answer alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_basis import find_faults

from fingen.quality.notation import standard
from fingen.quality.quantities import find_figures


@pytest.mark.parametrize(("text", "true", "false"), [
    ("Revenue was EUR 1 234 567 thousand and profit EUR 134 568 thousand.", "Revenue was EUR 1,234,567 thousand.", "Revenue was EUR 567 thousand."),
    ("Revenue was EUR 1\u202f234\u202f567 and profit EUR 134\u202f568.", "Profit was EUR 134,568.", "Profit was EUR 568."),
    ("Revenue was CHF 1'234'567 in 2024.", "Revenue was CHF 1,234,567.", "Revenue was CHF 567."),
    ("Revenue was CHF 1’234’567 in 2024.", "Revenue was CHF 1’234’567.", "Revenue was CHF 234."),
    ("Revenue was Rs 12,34,567 thousand in 2024.", "Revenue was Rs 1,234,567 thousand.", "Revenue was Rs 34,567 thousand."),
    ("Revenue was EUR 1.234.567,89 and the margin 12,5 %.", "The margin was 12.5 percent of EUR 1,234,567.89.", "The margin was 5 percent."),
    ("Der Umsatz betrug 1.234.567,89 EUR, die Marge 12,5 %.", "Revenue was 1.234.567,89 EUR, a margin of 12,5 %.", "The margin was 125 percent."),
    (" | 2024 | 2023\nNet result | △45.1 | 12.3", "The net result of 2024 was a loss of 45.1.", "The net result of 2024 was 45.1."),
    (" | 2024 | 2023\nNet result | – 45.1 | 12.3", "The net result of 2024 was minus 45.1.", "The net result of 2024 was 45.1."),
    (" | 2024 | 2023\nNet result | (45.1) | 12.3", "The net result of 2024 was minus 45.1.", "The net result of 2024 was 45.1."),
    ("公司实现收入八亿四千五百万元，回购四十九万一千九百股。", "收入为8.45亿元，回购491,900股。", "收入为八亿五千四百万元。"),
    ("公司实现收入845,000,000元，回购491,900股。", "收入八亿四千五百万元，回购四十九万一千九百股。", "回购四十七万一千九百股。"),
    ("公司实现收入８４５，０００，０００元。", "收入为8.45亿元。", "收入为8.54亿元。"),
    ("各公司收入分别增加61万元和58万元，合计119万元。", "各公司收入各只增加数十万元，合计119万元。", "合计增加129万元。"),
    ("The total dividend is 0.8 pence per share.", "It pays zero point eight pence.", "It pays zero point nine pence."),
    ("The total dividend is 0.8 pence per share.", "It pays 0.8 pence per share.", "It pays £0.8 per share."),
])  # fmt: skip
def test_a_number_is_what_it_says_in_every_notation(text: str, true: str, false: str) -> None:
    assert find_faults(text, true) == set()
    assert find_faults(text, false) != set()


@given(st.integers(1_000_000, 99_999_999), st.sampled_from([" ", "\u00a0", "\u202f", "'", "’"]))
def test_groups_are_one_number_whatever_parts_them(number: int, mark: str) -> None:
    text = standard(f"It was {number:,} in all.".replace(",", mark))

    assert [figure.value for figure in find_figures(text)] == [number]


@given(st.integers(1, 99), st.integers(100, 999), st.integers(0, 99))
def test_points_and_commas_are_exchanged_and_offsets_stay(millions: int, thousands: int, cents: int) -> None:
    text = f"Er betrug {millions}.{thousands}.000,{cents:02d} EUR am 31.12.2024."
    (figure, *_) = find_figures(standard(text))

    assert figure.value * 100 == (millions * 1_000_000 + thousands * 1000) * 100 + cents
    assert text[figure.start : figure.end].startswith(f"{millions}.{thousands}")


@pytest.mark.parametrize(
    "text", ["2022 2021 2020", "It is 100 to 1,000 of 12.5.", "10 163 and 1,234", "Q1 ▲ 12% ▼ 3%", "on 31.12.2024"]
)
def test_common_notation_is_left_alone(text: str) -> None:
    assert standard(text) == text
