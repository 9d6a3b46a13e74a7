"""Shares in words are what the figures beside them, or the rows that are named, give."""

from __future__ import annotations

import pytest

from fingen.quality.grounding import ground
from fingen.records import Passage, Period, Record

TABLE = "$ million | 2024 | 2023\nServices revenue | 57.0 | 31.0\nProduct revenue | 43.0 | 69.0\nTotal revenue | 100.0 | 100.0"
ZH = "单位：万元\n项目 | 2024年 | 2023年\n服务收入 | 5,700.00 | 4,000.00\n产品收入 | 4,300.00 | 6,900.00\n营业收入 | 10,000.00 | 10,900.00"


def faults(text: str, output: str) -> list[str]:
    language = "en" if text.isascii() else "zh"
    passage = Passage(chunk="c", document="d", company="Acme Inc.", period=Period(kind="annual", end="2024-12-31"), language=language,
                      section=(), pages=(1, 1), text=text, kinds=(("table", text),))  # fmt: skip
    row = Record(instruction="?", input="", output=output, id="qa-1", task="qa-concept", language=language, document="d", chunks=("c",),
                 teacher="t", origin="document")  # fmt: skip
    return [finding.reason for finding in ground(row, [passage]).failed]


@pytest.mark.parametrize(("true", "false"), [
    ("Services revenue was $57.0 million in 2024, {} total revenue of $100.0 million.",
     ("more than half of|nearly three fifths of|well over half of", "less than half of|about a third of|more than two thirds of")),
    ("Services revenue made up {} total revenue in 2024.", ("more than half of|nearly three-fifths of", "less than half of|about a quarter of")),
    ("In 2024, {} total revenue came from services revenue.", ("more than half of", "about one third of|three quarters of")),
    ("Total revenue came to $100.0 million in 2024, {}it from services revenue.", ("more than half of |nearly three fifths of ", "less than a tenth of |about one third of ")),
    ("Product revenue of $43.0 million was {} total revenue.", ("more than two fifths of|less than half of", "more than half of|a tenth of")),
])  # fmt: skip
def test_shares_in_english(true: str, false: tuple[str, str]) -> None:
    for words in false[0].split("|"):
        assert faults(TABLE, true.format(words)) == [], words
    for words in false[1].split("|"):
        assert faults(TABLE, true.format(words)) == ["figure"], words


@pytest.mark.parametrize(("form", "true", "false"), [
    ("2024年服务收入为5,700.00万元，占营业收入10,000.00万元的{}。", "一半以上|近六成|五成以上|约五分之三", "四成|不到一半|约三分之一|八成以上"),
    ("2024年服务收入占营业收入的{}。", "近六成|过半数", "三成|不足一半"),
    ("2024年服务收入增长{}，至5,700.00万元。", "四成以上|逾四成", "近两成|一半以上"),
    ("2024年服务收入由4,000.00万元增至5,700.00万元，增长{}。", "四成以上", "七成"),
])  # fmt: skip
def test_shares_in_chinese(form: str, true: str, false: str) -> None:
    for words in true.split("|"):
        assert faults(ZH, form.format(words)) == [], words
    for words in false.split("|"):
        assert faults(ZH, form.format(words)) == ["figure"], words


@pytest.mark.parametrize("said", [
    "In the second half of 2024 services revenue was $57.0 million.", "Three quarters of 2024 had passed.",
    "About half of the staff of services revenue work abroad.", "The first half of the year brought services revenue of $57.0 million.",
])  # fmt: skip
def test_what_is_no_share_of_a_figure_is_left_alone(said: str) -> None:
    assert "figure" not in faults(TABLE, said)
