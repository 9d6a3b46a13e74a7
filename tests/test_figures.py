"""Figures in text: each notation is read as what it says, and what is no amount is not taken for one."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingen.quality.calc import CalcError, parse_calcs
from fingen.quality.notation import narrow
from fingen.quality.quantities import Quantity, find_figures, read_chinese, same_currency
from fingen.quality.tables import Unit, label_key, parse_periods, parse_unit


def read(text: str, *, cell: bool = False, words: bool = False) -> list[Quantity]:
    return find_figures(narrow(text), cell=cell, words=words)


def one(text: str, *, cell: bool = False, words: bool = False) -> Quantity:
    (figure,) = read(text, cell=cell, words=words)
    return figure


# --- amounts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value", "currency"), [
    ("1,234.5", "1234.5", None), ("１２３４", "1234", None), ("１，２３４．５", "1234.5", None),
    ("$5 million", "5000000", "$"), ("$5.0bn", "5000000000", "$"), ("£2m", "2000000", "GBP"), ("US$ 3.1 billion", "3100000000", "USD"),
    ("HK$1.2 trillion", "1200000000000", "HKD"), ("RMB 18.0 million", "18000000", "CNY"), ("5.0 billion dollars", "5000000000", "$"),
    ("250 thousand", "250000", None), ("€40", "40", "EUR"), ("12.34亿元", "1234000000", "CNY"), ("1,548.83万元", "15488300", "CNY"),
    ("3千元", "3000", "CNY"), ("2百万美元", "2000000", "USD"), ("人民币5,000万元", "50000000", "CNY"), ("8,000万", "80000000", None),
    ("一百二十三万元", "1230000", "CNY"), ("三千万元", "30000000", "CNY"), ("一亿二千三百万元", "123000000", "CNY"),
    ("five million", "5000000", None), ("¥1,000", "1000", "¥"),
])  # fmt: skip
def test_amounts_are_read_in_base_units(text: str, value: str, currency: str | None):
    figure = one(text)

    assert (figure.kind, figure.value, figure.currency) == ("amount", Decimal(value), currency)
    assert text[figure.start : figure.end] == text


@pytest.mark.parametrize(("text", "value"), [
    ("-5.2", "-5.2"), ("−5.2", "-5.2"), ("$(5.2) million", "-5200000"), ("-$5.2 million", "-5200000"), ("minus RMB 18.0 million", "-18000000"),
    ("为-1,240.17万元", "-12401700"), ("(5.2)%", "-5.2"), ("负5.2%", "-5.2"), ("–3.7%", "-3.7"),
])  # fmt: skip
def test_a_minus_is_read_however_it_is_written(text: str, value: str):
    assert one(text).value == Decimal(value)
    assert one(text).sign == -1


def test_brackets_are_a_minus_in_a_cell_and_a_doubt_in_a_sentence():
    assert (one("(1,234)", cell=True).value, one("(1,234)", cell=True).sign) == (Decimal(-1234), -1)
    assert [figure.sign for figure in read("a rise (12.3%) and a loss (1,234)")] == [0, 0]


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("12.3%", "percent", "12.3"), ("12.3 percent", "percent", "12.3"), ("12.3 per cent", "percent", "12.3"), ("１２％", "percent", "12"),
    ("百分之十五", "percent", "15"), ("five percent", "percent", "5"), ("3‰", "percent", "0.3"),
    ("1.4 percentage points", "points", "1.4"), ("2.00个百分点", "points", "2.00"), ("by 1.0 point", "points", "1.0"),
    ("50 basis points", "points", "0.5"), ("25bps", "points", "0.25"), ("50个基点", "points", "0.5"), ("三个百分点", "points", "3"),
])  # fmt: skip
def test_percentages_points_and_basis_points_are_told_apart(text: str, kind: str, value: str):
    figure = one(text)

    assert (figure.kind, figure.value) == (kind, Decimal(value))


@pytest.mark.parametrize(("text", "kind", "values"), [
    ("from 43.7 to 45.0 percent", "percent", ["43.7", "45.0"]), ("10-15%", "percent", ["10", "15"]), ("10–15%", "percent", ["10", "15"]),
    ("$2.3, $2.4 and $2.5 million", "amount", ["2300000", "2400000", "2500000"]), ("100 to 200 million", "amount", ["100000000", "200000000"]),
    ("8%至12%", "percent", ["8", "12"]), ("2.3和2.4亿元", "amount", ["230000000", "240000000"]), ("5元-10元", "amount", ["5", "10"]),
])  # fmt: skip
def test_a_list_shares_its_unit(text: str, kind: str, values: list[str]):
    assert [(figure.kind, figure.value, figure.sign) for figure in read(text)] == [
        (kind, Decimal(value), 1) for value in values
    ]


def test_a_unit_is_not_shared_over_words():
    assert [figure.value for figure in read("from 1,357 to 1,462, and the price by 1.6 percent")] == [
        1357,
        1462,
        Decimal("1.6"),
    ]


@pytest.mark.parametrize(("text", "unit"), [
    ("652人", "people"), ("55,398.2587万股", "shares"), ("2,236 employees", "people"), ("3 years", "time"), ("12-month", "time"),
    ("1.47倍", "times"), ("1.5x", "times"), ("30吨", "weight"), ("$5", "money"), ("5", ""),
])  # fmt: skip
def test_what_is_counted(text: str, unit: str):
    assert one(text).unit == unit


NOTATIONS = {
    "{:,}": 1, "${:,}": 1, "${:,} million": 10**6, "RMB {:,} billion": 10**9, "{:,}万元": 10**4, "{:,}亿元": 10**8, "{:,}千元": 1000,
    "{:,} thousand": 1000, "£{:,}bn": 10**9, "{:,}元": 1, "US${:,}m": 10**6,
}  # fmt: skip
numbers = st.integers(1, 10**9).flatmap(
    lambda digits: st.integers(0, 4).map(lambda places: Decimal(digits).scaleb(-places))
)


@given(numbers, st.sampled_from(sorted(NOTATIONS)), st.booleans(), st.sampled_from(["", "It was ", "其中："]))
def test_what_is_written_is_read_back(value: Decimal, notation: str, wide: bool, before: str):
    digits = notation.format(value)
    if wide:
        digits = digits.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789."})
    figure = one(before + digits + "。")
    if figure.kind == "year":
        assert value == value.to_integral_value()
        assert 1900 <= value < 2100
        return
    assert figure.kind == "amount"
    assert figure.value == value * NOTATIONS[notation]
    assert figure.shown == value
    # a step is one of the last digit shown
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    assert figure.step == Decimal(1).scaleb(min(exponent, 0)) * NOTATIONS[notation]


@given(numbers, st.sampled_from(["{:,}%", "({:,}%)", "{:,} percent", "{:,}个百分点", "{:,} percentage points"]))
def test_percentages_are_read_back(value: Decimal, notation: str):
    assert abs(one(notation.format(value)).value) == value


DIGITS, PLACES = "〇一二三四五六七八九", "个十百千"


def in_chinese(number: int) -> str:
    """A numeral by the rule of the schoolbook: groups of four, 零 for a gap."""

    def group(value: int) -> str:
        text, gap = "", False
        for place in (3, 2, 1, 0):
            digit = value // 10**place % 10
            if digit:
                text += ("零" if gap and text else "") + DIGITS[digit] + (PLACES[place] if place else "")
                gap = False
            else:
                gap = True
        return text

    parts = [(number // 10**8, "亿"), (number // 10**4 % 10**4, "万"), (number % 10**4, "")]
    text = ""
    for value, name in parts:
        if value:
            text += ("零" if text and value < 1000 else "") + group(value) + name
    return text


@given(st.integers(1, 10**12 - 1))
def test_chinese_numerals_are_read_back(number: int):
    assert read_chinese(in_chinese(number)) == number


def test_short_chinese_numerals():
    assert [read_chinese(text) for text in ("十二", "两万", "二〇一九", "三点五")] == [12, 20000, 2019, Decimal("3.5")]


# --- times ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "when"), [
    ("December 31, 2022", (2022, 12, 31)), ("31 March 2021", (2021, 3, 31)), ("March 2020", (2020, 3, 0)), ("Dec. 31, 2022", (2022, 12, 31)),
    ("2019年12月31日", (2019, 12, 31)), ("２０１９年", (2019, 0, 0)), ("2019-12-31", (2019, 12, 31)), ("2022/3/5", (2022, 3, 5)),
    ("FY2022", (2022, 0, 0)), ("FY22", (2022, 0, 0)), ("fiscal 2022", (2022, 0, 0)), ("二〇一九年", (2019, 0, 0)), ("3月15日", (0, 3, 15)),
    ("March 15", (0, 3, 15)), ("2018-19", (2018, 0, 0)), ("mid-2023", (2023, 0, 0)),
])  # fmt: skip
def test_years_and_dates(text: str, when: tuple[int, int, int]):
    figure = one(text)

    assert figure.kind in ("year", "date")
    assert figure.when == when


def test_a_range_of_years_is_two():
    assert [figure.when[0] for figure in read("2018-2019")] == [2018, 2019]


@pytest.mark.parametrize("text", ["Q4", "第四季度", "fourth quarter", "4th quarter", "四季度", "4季度"])
def test_quarters(text: str):
    figure = one(text)

    assert (figure.kind, figure.value) == ("quarter", 4)


@pytest.mark.parametrize("text", ["2019 employees", "2,019", "$2019", "2019万元", "2019.5", "2019家"])
def test_what_looks_like_a_year_and_counts_something(text: str):
    assert one(text).kind == "amount"


# --- what is no amount -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["COVID-19", "10-K", "F-15", "T1620", "5G", "777X", "B2B", "1.2.3"])
def test_figures_inside_names_are_names(text: str):
    figure = one(text)

    assert figure.kind == "name"
    assert text[figure.start : figure.end] == text


@pytest.mark.parametrize(
    "text", ["Note 13", "Item 7", "ASC 606", "ISO 9001", "Article 5", "page 12", "Level 3", "第3号", "附注12"]
)
def test_references_are_no_amounts(text: str):
    assert one(text).kind == "name"


@pytest.mark.parametrize("text", ["(1) first", "1. First", "2、其次", "the 19th", "1st", "（3）第三"])
def test_ordinals_and_enumerations_are_no_amounts(text: str):
    assert [figure.kind for figure in read(text)] == ["ordinal"]


def test_a_number_word_counts_only_where_words_are_asked_for_or_a_unit_follows():
    assert read("three plants, one of them new") == []
    assert [figure.value for figure in read("three plants, twenty-two stores", words=True)] == [3, 22]
    assert [figure.kind for figure in read("five percent of two million")] == ["percent", "amount"]


@given(st.text(alphabet="0123456789.,%()-–$¥RMB万亿元年月日一二三十百 abcQ|\n第（）", max_size=60), st.booleans())
def test_any_text_is_read_in_order_and_inside_itself(text: str, cell: bool):
    text = narrow(text)
    figures = find_figures(text, cell=cell, words=True)

    assert [figure.start for figure in figures] == sorted(figure.start for figure in figures)
    for figure in figures:
        assert 0 <= figure.start < figure.end <= len(text)
        assert figure.value.is_finite()
        assert (figure.value < 0) <= (figure.sign == -1)


@given(st.text(max_size=80))
def test_narrow_keeps_every_offset(text: str):
    assert len(narrow(text)) == len(text)
    assert narrow(narrow(text)) == narrow(text)


def test_currencies():
    assert same_currency(None, "USD")
    assert same_currency("$", "AUD")
    assert same_currency("¥", "CNY")
    assert not same_currency("USD", "HKD")
    assert not same_currency("$", "CNY")


# --- units, periods and labels of tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "unit"), [
    ("(in thousands, except per share amounts)", Unit(Decimal(1000), None, True)), ("(Dollars in millions)", Unit(Decimal(10**6), "$")),
    ("2022 $’000", Unit(Decimal(1000), "$")), ("HK$'000", Unit(Decimal(1000), "HKD")), ("US$m", Unit(Decimal(10**6), "USD")),
    ("in millions of RMB", Unit(Decimal(10**6), "CNY")), ("单位：万元", Unit(Decimal(10**4), "CNY")), ("单位:元币种:人民币", Unit(Decimal(1), "CNY")),
    ("金额单位：人民币千元", Unit(Decimal(1000), "CNY")), ("金额（亿元）", Unit(Decimal(10**8), "CNY")), ("人民币百万元", Unit(Decimal(10**6), "CNY")),
    ("worth 5,000 units", None), ("Revenue", None), ("in 2022", None),
])  # fmt: skip
def test_unit_lines(text: str, unit: Unit | None):
    assert parse_unit(text) == unit


@pytest.mark.parametrize(("text", "periods"), [
    ("December 31, 2022", {2022}), ("2019年度", {2019}), ("本期发生额", {2024}), ("上年同期", {2023}), ("期初余额", {2023}), ("2019年1月1日", {2019, 2018}),
    ("第一季度", {"Q1"}), ("Q4 2022", {"Q4", 2022}), ("Change", set()), ("本年比上年增减", set()),
])  # fmt: skip
def test_periods_of_headings(text: str, periods: set[int | str]):
    assert parse_periods(text, 2024) == periods


@pytest.mark.parametrize(("text", "key"), [
    ("Revenues . . . . . . .", "revenues"), ("一、营业收入", "营业收入"), ("其中：营业成本", "营业成本"), ("（一）收入", "收入"),
    ("五、净利润（净亏损以“-”号填列）", "净利润"), ("Net cash (used)/provided by", "net cash /provided by"), ("Other liabilities 1", "other liabilities"),
    ("减：所得税", "所得税"), ("Less: Total", "total"), ("Gross margin (%)", "gross margin"),
])  # fmt: skip
def test_labels_as_they_are_looked_for(text: str, key: str):
    assert label_key(text) == key


# --- calc ----------------------------------------------------------------------------------------------------------------


@given(numbers, numbers, numbers)
def test_expressions_are_worked_out_exactly(a: Decimal, b: Decimal, c: Decimal):
    (calc,) = parse_calcs(f"({a} - {b}) * {c} + {a}")

    assert calc.value == (a - b) * c + a
    assert calc.operands == (a, b, c, a)


def test_several_expressions():
    assert [calc.value for calc in parse_calcs("1 + 1; 10 / 4；")] == [2, Decimal("2.5")]
    assert parse_calcs("1,234.5 × 2")[0].value == 2469


@pytest.mark.parametrize("text", ["1 / 0", "2 ** 9", "9 // 2", "abs(1)", "x + 1", "1 +", "()", "1e5", "((((", "1.2.3", "__import__('os')", "1 if 1 else 2",
                                  "1" * 400, "0 / 0", "1 / (2 - 2)"])  # fmt: skip
def test_what_is_no_arithmetic_is_refused(text: str):
    with pytest.raises(CalcError):
        parse_calcs(text)


@given(numbers, numbers)
def test_growth_goes_from_the_base_to_the_other_figure(a: Decimal, b: Decimal):
    way = (a > b) - (a < b)
    for text in (f"({a} - {b}) / {b} * 100", f"({b} - {a}) / {b}", f"{a} / {b} - 1"):
        assert parse_calcs(text)[0].growth_sign() == way
    assert parse_calcs(f"{a} - {b}")[0].growth_sign() is None


@given(numbers, st.integers(0, 3))
def test_rounding_to_the_digits_shown_is_half_up(value: Decimal, places: int):
    """What is shown stands for the interval that rounds to it: the law that the check of answers rests on."""
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    figure = one(f"{rounded:,f} percent")

    assert abs(figure.value - value) <= figure.step / 2
