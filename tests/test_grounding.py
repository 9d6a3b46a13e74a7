"""Grounding: what is true of the source passes in every notation, and one wrong figure, unit, sign, year or name fails."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.quality.evidence import locate
from fingen.quality.grounding import Grounding, ground
from fingen.records import Block, BlockKind, Chunk, Document, Language, Passage, Period, Record
from fingen.tasks.qa import build_passage

ROOT = Path(__file__).resolve().parent.parent
INCOME = """\
Consolidated income statement (in millions of RMB, except per share data)

Year ended December 31, | 2024 | 2023
Revenue | 1,234.0 | 1,108.0
Cost of revenue | (678.7) | (623.8)
Operating profit | 162.0 | 130.0
Net loss from discontinued operations | (5.2) | (3.1)
Other operating income (loss) | (2.4) | 7.7
Earnings per share (RMB) | 0.46 | 0.36
Gross margin (%) | 45.0 | 43.7

The average selling price of sensors fell by 6.4 percent in 2024. In 2023 the Company opened three plants and hired 368 engineers.
On March 15, 2024 the board proposed a dividend of RMB 36.0 million. Two suppliers, Globex GmbH and Initech LLC, deliver the lasers."""
UNITED = "现金流量表\n\n单位：元 币种：人民币\n项目 | 本期发生额 | 上期发生额 | 同比增减\n营业收入 | 1,234,010,047.61 | 1,107,992,218.61 | 11.37%\n营业成本 | 678,707,794.20 | 623,811,619.08 | 8.80%\n经营活动产生的现金流量净额 | -12,401,691.94 | 48,702,248.88 | 不适用\n毛利率 | 45.00% | 43.70% | 1.30%\n\n报告期内，公司平均售价由481元降至450元，毛利率提高1.30个百分点。研发人员由368人增至421人。"


def passage(text: str, language: Language = "en", company: str | None = None, name: str = "acme_2024.pdf") -> Passage:
    """A passage whose blocks are parted by empty lines; a block with cells is a table."""
    blocks = text.split("\n\n")
    kinds: list[tuple[BlockKind, str]] = [("table" if " | " in block else "paragraph", block) for block in blocks]
    own = {"en": "Acme Instruments Co., Ltd.", "zh": "蓝海精密仪器股份有限公司"}[language]
    return Passage(
        chunk=f"c-{name}", document=name, company=company or own, period=Period(kind="annual", end="2024-12-31"),
        language=language, section=("Financial review",), pages=(1, 1), text=text, kinds=tuple(kinds),
    )  # fmt: skip


def record(answer: str, calc: str | None = None, language: Language = "en") -> Record:
    return Record(instruction="?", input="", output=answer, id="qa-1", task="qa-concept", language=language, document="acme_2024.pdf",
                  chunks=("c",), calc=calc, teacher="scripted", origin="document")  # fmt: skip


def prove(answer: str, text: str = INCOME, calc: str | None = None, **names: Sequence[str]) -> Grounding:
    language: Language = "zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"
    return ground(record(answer, calc, language), [passage(text, language)], **names)


def reasons(grounding: Grounding) -> list[str]:
    return sorted({finding.reason for finding in grounding.failed})


# --- what is true passes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [
    "Revenue was RMB 1,234.0 million in 2024.", "Revenue was RMB 1.23 billion in 2024.", "In 2024 revenue came to RMB 1,234,000 thousand.",
    "Cost of revenue was RMB 678.7 million.", "The net loss from discontinued operations widened to RMB 5.2 million.",
    "Discontinued operations lost RMB 5.2 million.", "Other operating income turned to minus RMB 2.4 million.",
    "Earnings per share were RMB 0.46, after RMB 0.36.", "The gross margin rose from 43.7 to 45.0 percent.",
    "Revenue rose from RMB 1,108.0 million in 2023 to RMB 1,234.0 million in 2024.", "Revenue was RMB 1,234.0 million, up from RMB 1,108.0 million.",
    "Revenue in 2024 and 2023 was RMB 1,234.0 million and RMB 1,108.0 million, respectively.",
    "Revenue was RMB 1,234.0 million and cost of revenue RMB 678.7 million.", "A price decline of 6.4% hit sensors.",
    "The Company hired 368 engineers in 2023 for its 3 plants.", "The board met on March 15, 2024.", "Globex GmbH is one of two suppliers.",
    "Acme Instruments Co., Ltd. paid more than RMB 35 million.", "At December 31, 2024 nothing was due.", "Revenue was over RMB 1.2 billion.",
    "Revenue grew.", "Other operating income turned negative, at RMB 2.4 million.", "Other operating income was negative at RMB 2.4 million in 2024.",
    "Discontinued operations turned negative, at RMB 5.2 million.", "Revenue was RMB 1,234.0 million despite negative publicity.",
])  # fmt: skip
def test_true_statements_pass(answer: str):
    grounding = prove(answer)

    assert grounding.failed == ()
    assert all(figure.level != "failed" for figure in grounding.figures)


@pytest.mark.parametrize("answer", [
    "营业收入为12.34亿元。", "2024年营业收入为123,401.00万元，增长11.37%。", "2023年营业收入为1,107,992,218.61元。", "本期营业收入1,234,010,047.61元，上期为11.08亿元。",
    "经营活动产生的现金流量净额为-1,240.17万元。", "经营活动现金净流出1,240.17万元。", "经营活动产生的现金流量净额转负，为1,240.17万元。", "毛利率提高1.30个百分点至45.00%。", "平均售价由481元降至450元。",
    "研发人员由368人增至421人。", "营业成本为６７８，７０７，７９４．２０元。", "上年营业收入为11.08亿元。",
])  # fmt: skip
def test_true_statements_in_chinese_pass(answer: str):
    assert prove(answer, UNITED).failed == ()


@pytest.mark.parametrize(("answer", "calc"), [
    ("Revenue grew by 11.4 percent.", "(1234.0 - 1108.0) / 1108.0 * 100"), ("Revenue grew by 11.4 percent.", "(1234.0 - 1108.0) / 1108.0"),
    ("Revenue grew by RMB 126.0 million.", "1234.0 - 1108.0"), ("Revenue grew by RMB 0.13 billion.", "1234.0 - 1108.0"),
    ("The operating margin widened by 1.4 percentage points.", "162.0 / 1234.0 * 100 - 130.0 / 1108.0 * 100"),
    ("Cost rose by 8.8 percent.", "(678.7 - 623.8) / 623.8 * 100"), ("Revenue was 1.82 times its cost.", "1234.0 / 678.7"),
    ("Both years bring RMB 2,342.0 million, RMB 1,171.0 million on average.", "1234.0 + 1108.0; (1234.0 + 1108.0) / 2"),
    ("Profit took 13.1 percent of revenue.", "162.0 / 1234.0 * 100"), ("The two lost RMB 7.6 million.", "-5.2 + -2.4"),
])  # fmt: skip
def test_computed_figures_pass_with_their_calc_and_only_with_it(answer: str, calc: str):
    assert prove(answer, calc=calc).failed == ()
    assert prove(answer).failed != ()


def test_units_of_calc_in_chinese():
    assert prove("收入增加1.26亿元。", UNITED, "1234010047.61 - 1107992218.61").failed == ()
    assert prove("收入增加12,601.78万元。", UNITED, "(1234010047.61 - 1107992218.61) / 10000").failed == ()
    assert reasons(prove("收入增加1.26万元。", UNITED, "1234010047.61 - 1107992218.61")) == ["calc", "figure"]


# --- what is not true fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "reason"), [
    ("Revenue was RMB 1,235.0 million.", "figure"), ("Revenue was RMB 1.24 billion.", "figure"), ("Prices fell by 6.5 percent.", "figure"),
    ("Revenue was RMB 1,234.0 billion.", "unit"), ("Revenue was RMB 1,234.0.", "unit"), ("Revenue was $1,234.0 million.", "unit"),
    ("Prices fell by 6.4 percentage points.", "unit"), ("Earnings per share were RMB 0.46 million.", "unit"), ("It hired RMB 368 million.", "unit"),
    ("Discontinued operations earned a profit of RMB 5.2 million.", "sign"), ("Net income from discontinued operations was RMB 5.2 million.", "sign"),
    ("Other operating income was RMB 2.4 million in 2024.", "sign"), ("Operating profit was minus RMB 162.0 million.", "sign"),
    ("The operating loss was RMB 162.0 million.", "sign"), ("The net loss of 2024 was an operating loss of RMB 162.0 million.", "sign"),
    ("Operating profit turned negative, at RMB 162.0 million.", "sign"), ("Operating profit was a negative RMB 162.0 million.", "sign"),
    ("Prices rose by 6.4 percent.", "direction"), ("The gross margin fell from 43.7 to 45.0 percent.", "direction"),
    ("Revenue fell to RMB 1,234.0 million.", "direction"), ("Revenue was RMB 1,234.0 million, down from RMB 1,108.0 million.", "direction"),
    ("Revenue was RMB 1,108.0 million in 2024.", "binding-period"), ("In 2023 revenue was RMB 1,234.0 million.", "binding-period"),
    ("Revenue in 2024 and 2023 was RMB 1,108.0 million and RMB 1,234.0 million, respectively.", "binding-period"),
    ("Revenue was RMB 678.7 million.", "binding-row"), ("Operating profit was RMB 1,234.0 million in 2024.", "binding-row"),
    ("Revenue grew in 2021.", "year"), ("The board met on March 16, 2024.", "year"), ("It happened in the third quarter.", "year"),
    ("Umbrella Inc. grew.", "organisation"), ("It is listed (NYSE: UMB).", "organisation"), ("It reports under ASC 606.", "figure"),
    ("It hired 369 engineers.", "figure"), ("It paid five percent.", "figure"), ("COVID-19 hit sales.", "figure"),
])  # fmt: skip
def test_what_contradicts_the_source_fails_with_its_reason(answer: str, reason: str):
    assert reason in reasons(prove(answer))


@pytest.mark.parametrize(("answer", "reason"), [
    ("营业收入为12.35亿元。", "figure"), ("营业收入为12.34万元。", "figure"), ("营业收入为1,234,010,047.61万元。", "unit"), ("毛利率为45.00元。", "unit"),
    ("经营活动产生的现金流量净额为1,240.17万元。", "sign"), ("营业收入下降11.37%。", "direction"), ("毛利率下降1.30个百分点。", "direction"), ("平均售价由481元升至450元。", "direction"),
    ("2023年营业收入为12.34亿元。", "binding-period"), ("营业收入为678,707,794.20元。", "binding-row"), ("2018年营业收入增长。", "year"),
    ("四方科技集团股份有限公司的收入增长。", "organisation"), ("研发人员为421万人。", "unit"), ("营业收入增长11.37个百分点。", "unit"),
])  # fmt: skip
def test_what_contradicts_the_source_fails_in_chinese(answer: str, reason: str):
    assert reason in reasons(prove(answer, UNITED))


@pytest.mark.parametrize(("answer", "calc", "reason"), [
    ("Revenue grew by 11.5 percent.", "(1234.0 - 1108.0) / 1108.0 * 100", "figure"),  # right operands, wrong result
    ("Revenue grew by 11.4 percent.", "(1234.5 - 1108.5) / 1108.5 * 100", "calc"),  # operands from nowhere
    ("Revenue fell by 11.4 percent.", "(1234.0 - 1108.0) / 1108.0 * 100", "direction"), ("Revenue grew by 0.114 percent.", "(1234.0 - 1108.0) / 1108.0", "figure"),
    ("Revenue grew by RMB 126.0 billion.", "1234.0 - 1108.0", "figure"), ("Revenue was RMB 1,234.0 million.", "1234.0 / 0", "calc"),
    ("Revenue was RMB 1,234.0 million.", "1234.0 - 1108.0", "calc"),  # computed, and not said
    ("Revenue was RMB 1,234.0 million.", "import os", "calc"),
])  # fmt: skip
def test_a_wrong_calc_fails(answer: str, calc: str, reason: str):
    assert reason in reasons(prove(answer, calc=calc))


# --- where the unit is not known, none is assumed --------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "source", "right"), [
    ("收入为12.34亿元。", "单位：元\n营业收入 | 1,234,010,047.61", True), ("收入为12.35亿元。", "单位：元\n营业收入 | 1,234,010,047.61", False),
    ("收入为12.34万元。", "单位：元\n营业收入 | 1,234,010,047.61", False), ("收入为12.34亿元。", "单位：万元\n营业收入 | 123,401.00", True),
    ("It was RMB 5.4 million.", "in millions of RMB\nTotal | 5.4", True), ("It was RMB 5.4 million.", "Total | 5.4", False),
    ("It was 5.4 percent.", "in millions of RMB\nTotal | 5.4", False), ("It was 5.4 percent.", "Tax rate (%) | 5.4", True),
    ("It was RMB 18.0 million.", "in millions of RMB\nYen | (18.0)", False), ("It was minus RMB 18.0 million.", "in millions of RMB\nYen | (18.0)", True),
])  # fmt: skip
def test_the_unit_of_a_cell_is_its_unit_line(answer: str, source: str, right: bool):
    assert (prove(answer, source).failed == ()) is right


def test_a_unit_line_counts_for_a_table_below_it_that_has_none():
    text = "单位：万元\n项目 | 2024年\n营业收入 | 123,401.00\n\n其中：\n\n项目 | 2024年\n设备收入 | 100,000.00"

    assert prove("设备收入为10.00亿元。", text).failed == ()
    assert reasons(prove("设备收入为10.00万亿元。", text)) == ["figure"]


def test_repeated_headings_start_their_columns_anew():
    text = "(in millions)\n | 2024 | 2023\nRevenue | $9.1 | $8.2\n | 2022 | 2021\nRevenue | $7.3 | $6.4"

    assert prove("Revenue was $7.3 million in 2022 and $6.4 million in 2021.", text).failed == ()
    assert reasons(prove("Revenue was $7.3 million in 2024.", text)) == ["binding-period"]


def test_dates_between_the_rows_count_for_the_rows_below():
    text = "(in thousands)\n | Cost | Fair value\nDecember 31, 2024 | | \nGovernment debt | $292,580 | $287,543\nDecember 31, 2023 | | \nGovernment debt | $291,871 | $290,752"
    text = text.replace("| |", "|  |")

    assert prove("Government debt had a fair value of $290.8 million in 2023.", text).failed == ()
    assert reasons(prove("In 2023 government debt was $287.5 million.", text)) == ["binding-period"]


MOVEMENTS = """\
应付职工薪酬

单位：元
项目 | 期初余额 | 本期增加 | 本期减少 | 期末余额
短期薪酬 | 33,099,431.44 | 149,693,425.79 | 149,040,041.01 | 33,752,816.22
社会保险费 | 2,440,565.13 | 8,976,976.99 | 8,845,418.72 | 2,572,123.40"""


@pytest.mark.parametrize(("answer", "reasons_told"), [
    ("短期薪酬的本期增加为149,693,425.79元。", []), ("2024年初的短期薪酬为3,309.94万元。", []), ("短期薪酬由年初的3,309.94万元增至3,375.28万元。", []),
    ("短期薪酬的本期增加为149,040,041.01元。", ["binding-column"]), ("社会保险费的本期增加为149,693,425.79元。", ["binding-row"]),
    ("2024年初的短期薪酬为3,375.28万元。", ["binding-period"]), ("社会保险费减少8,976,976.99元。", ["direction"]), ("短期薪酬的本期增加为149,693,425.79美元。", ["unit"]),
])  # fmt: skip
def test_columns_are_told_apart_as_rows_are(answer: str, reasons_told: list[str]):
    assert reasons(prove(answer, MOVEMENTS)) == reasons_told


@pytest.mark.parametrize(("answer", "calc", "reasons_told"), [
    ("Revenue grew by RMB 126.0 million.", "1234.0 - 1108.0", []), ("Revenue fell by RMB 126.0 million.", "1234.0 - 1108.0", ["direction"]),
    ("Revenue fell by RMB 126.0 million.", "1108.0 - 1234.0", ["direction"]), ("Revenue grew by $126.0 million.", "1234.0 - 1108.0", ["calc", "figure"]),
    ("The gross margin rose by 1.3 percentage points.", "45.0 - 43.7", []), ("The gross margin rose by 1.3 percent.", "45.0 - 43.7", ["calc", "figure"]),
    ("Revenue grew by 11.4 percentage points.", "(1234.0 - 1108.0) / 1108.0 * 100", ["calc", "figure"]),
])  # fmt: skip
def test_a_calc_has_its_way_its_currency_and_its_kind(answer: str, calc: str, reasons_told: list[str]):
    assert reasons(prove(answer, calc=calc)) == reasons_told


def test_a_bare_cell_is_in_the_currency_of_its_table():
    text = "(in thousands)\n | 2024 | 2023\nFees | $9,811 | $8,262\nRents | 8,614 | 8,287"

    assert prove("Rents were $8,614 thousand in 2024.", text).failed == ()
    assert reasons(prove("Rents were €8,614 thousand in 2024.", text)) == ["unit"]


# --- several sources -------------------------------------------------------------------------------------------------------


def test_a_figure_of_one_company_is_not_another_s():
    acme = passage("Acme has revenue of $12.5 million.", name="acme.pdf")
    globex = passage("Globex has revenue of $34.7 million.", company="Globex Corporation", name="globex.pdf")

    def both(answer: str) -> list[str]:
        return reasons(ground(record(answer), [acme, globex]))

    assert both("Acme Instruments had revenue of $12.5 million, Globex of $34.7 million.") == []
    assert both("Globex had revenue of $34.7 million.") == []
    assert both("Globex had revenue of $12.5 million.") == ["binding-entity"]


def test_organisations_of_the_set_may_not_be_named_without_being_in_the_source():
    names = (
        "Umbrella Holdings plc",
        "Acme Instruments Co., Ltd.",
        "Globex GmbH",
        "江苏安靠智能输电工程科技股份有限公司",
    )

    assert prove("Umbrella grew faster.").failed == ()
    assert reasons(prove("Umbrella grew faster.", organisations=names)) == ["organisation"]
    assert prove("Acme Instruments grew faster with Globex.", organisations=names).failed == ()
    assert reasons(prove("安靠智能输电工程科技的收入增长。", UNITED, organisations=names)) == ["organisation"]


def test_without_a_source_nothing_is_proved():
    grounding = ground(record("Revenue was RMB 1,234.0 million."), [])

    assert reasons(grounding) == ["figure"]
    assert ground(record("Revenue grew because prices rose."), []).failed == ()


# --- what a finding says ---------------------------------------------------------------------------------------------------


def test_a_finding_points_at_both_places():
    answer = "In 2023 revenue was RMB 1,234.0 million."
    (finding,) = prove(answer).failed

    assert answer[finding.start : finding.end] == finding.said == "RMB 1,234.0 million"
    assert finding.chunk == "c-acme_2024.pdf"
    assert INCOME[finding.source_start : finding.source_end] == "1,234.0"
    assert "2024" in finding.detail


def test_offsets_hold_in_full_width_text():
    answer = "２０２３年营业收入为１２．３４亿元。"
    (finding,) = prove(answer, UNITED).failed

    assert answer[finding.start : finding.end] == "１２．３４亿元"


def test_the_same_again_is_the_same():
    answer = "Revenue was RMB 1,235.0 million in 2021 and fell from 43.7 to 45.0 percent."

    assert prove(answer) == prove(answer)


# --- laws ------------------------------------------------------------------------------------------------------------------

values = st.integers(10_000, 10**7).map(lambda digits: Decimal(digits).scaleb(-2))  # 100.00 to 100,000.00
tables = st.lists(values, min_size=8, max_size=80, unique=True)
LABELS = [f"{kind} {name}" for kind in ("Alpha", "Beta", "Gamma", "Delta", "Zeta") for name in ("sales", "orders", "stocks", "loans", "taxes", "rents", "wages", "fees")]  # fmt: skip


def table(cells: Sequence[Decimal]) -> tuple[str, list[tuple[str, int, Decimal]]]:
    """A table of two years in millions, and its cells: label, year, value."""
    rows = [(label, cells[2 * n : 2 * n + 2]) for n, label in enumerate(LABELS[: len(cells) // 2])]
    lines = [f"{label} | {' | '.join(f'{value:,}' for value in pair)}" for label, pair in rows]
    named = [(label, year, value) for label, pair in rows for year, value in zip((2024, 2023), pair, strict=True)]
    return "\n".join(["Figures in detail ($ in millions)\n", "Year | 2024 | 2023", *lines]), named


def in_unit(value: Decimal, unit: str, places: int) -> str:
    scaled = value * {"million": 1, "billion": Decimal("0.001"), "thousand": 1000}[unit]
    return f"${scaled.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,} {unit}"


@given(tables, st.data())
def test_a_true_restatement_never_fails(cells: list[Decimal], data: st.DataObject):
    text, named = table(cells)
    label, year, value = data.draw(st.sampled_from(named))
    unit, places = data.draw(
        st.sampled_from([("million", 0), ("million", 1), ("million", 2), ("billion", 3), ("thousand", 0)])
    )
    form = data.draw(
        st.sampled_from(
            ["{0} were {2} in {1}.", "In {1}, {0} came to {2}.", "For {1} the company reported {0} of {2}."]
        )
    )
    answer = form.format(label.lower(), year, in_unit(value, unit, places))

    grounding = prove(answer, text)
    assert grounding.failed == (), answer
    assert grounding.count("bound") == 1


@given(tables, st.data())
def test_a_changed_digit_always_fails_where_no_such_value_stands(cells: list[Decimal], data: st.DataObject):
    text, named = table(cells)
    label, year, value = data.draw(st.sampled_from(named))
    digits = f"{value:.2f}"
    at = data.draw(st.sampled_from([n for n, char in enumerate(digits) if char.isdigit()]))
    changed = Decimal(
        digits[:at] + data.draw(st.sampled_from([d for d in "123456789" if d != digits[at]])) + digits[at + 1 :]
    )
    assume(changed not in cells)

    assert reasons(prove(f"In {year}, {label.lower()} came to ${changed:,} million.", text))


@given(tables, st.data())
def test_a_swapped_row_or_year_is_told(cells: list[Decimal], data: st.DataObject):
    text, named = table(cells)
    label, year, value = data.draw(st.sampled_from(named))
    other = data.draw(st.sampled_from([cell for cell in named if cell[0] != label]))

    assert reasons(prove(f"In {year}, {other[0].lower()} came to ${value:,} million.", text))
    assert reasons(prove(f"In {4047 - year}, {label.lower()} came to ${value:,} million.", text)) == ["binding-period"]


@given(
    st.text(alphabet="Revenu was $12.34 milon%2024年亿元,()-–\n收入增长由至为净损失", max_size=120),
    st.sampled_from([INCOME, UNITED]),
)
def test_any_answer_is_judged_and_its_findings_are_its_own_words(answer: str, text: str):
    grounding = prove(answer, text)

    failed = sum(finding.reason not in ("year", "organisation", "calc") for finding in grounding.failed)
    assert grounding.count("failed") <= failed
    assert all(answer[figure.start : figure.end] == figure.said for figure in grounding.figures)
    for finding in grounding.findings:
        assert answer[finding.start : finding.end] == finding.said


# --- the model pairs, and a whole report -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Document:
    path = ROOT / "raw" / "sample_annual_report_2024.pdf"
    return read_document(path, path.name, ReadSettings())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_model_pairs_are_grounded_and_fail_with_one_figure_changed(language: Language, sample: Document):
    pairs = yaml.safe_load((ROOT / "prompts" / f"examples.{language}.yaml").read_text(encoding="utf-8"))
    names = tuple(sample.names.values())
    for pair in pairs:
        chunks = [chunk for chunk in sample.chunks if any(locate(quote, [chunk]) for quote in pair["evidence"])]
        passages = [
            build_passage(sample, chunk) for chunk in sorted(chunks, key=lambda chunk: chunk.language != language)
        ]
        written = record(pair["answer"], pair["calc"], language)
        grounding = ground(written, passages, organisations=names)
        assert grounding.failed == (), pair["question"]
        assert all(figure.level != "failed" for figure in grounding.figures)

        wrong = pair["answer"].replace("2024", "2016") if "2024" in pair["answer"] else pair["answer"] + " 2016."
        assert "year" in reasons(ground(record(wrong, pair["calc"], language), passages, organisations=names))


def test_every_sentence_of_the_sample_is_true_of_its_own_chunk(sample: Document):
    """A sentence of the report, word for word, is never called wrong."""
    flagged, sentences = [], 0
    for chunk in sample.chunks:
        source = build_passage(sample, chunk)
        for kind, block in source.kinds:
            if kind == "paragraph":
                sentences += 1
                said = ground(
                    record(block, language=chunk.language), [source], organisations=tuple(sample.names.values())
                )
                flagged.extend((finding.reason, finding.said, block) for finding in said.failed)
    assert sentences > 60
    assert flagged == []


def test_a_chunk_is_prepared_once_for_all_its_records():
    """Blocks of one chunk in other order or kind are another chunk: the text and its id are the key."""
    blocks = (Block(kind="paragraph", page=1, box=(0, 0, 1, 1), start=0, end=27),)
    chunk = Chunk(id="c-1", document="a.pdf", language="en", first_page=1, last_page=1, section=(), text="Revenue was $12.5 million.\n",
                  tokens=7, blocks=blocks)  # fmt: skip
    assert ground(record("It was $12.5 million."), [passage(chunk.text)]).failed == ()
    assert reasons(ground(record("It was $12.5 million."), [passage(chunk.text.replace("12.5", "13.5"))])) == ["figure"]
