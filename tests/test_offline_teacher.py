"""The offline rules: what they ask about, what they leave alone, and that they invent nothing."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingen.quality.checks import check
from fingen.quality.draft import Draft
from fingen.records import Block, BlockKind, Chunk, Completion, Document, Evidence, Passage, Period, Request
from fingen.tasks import qa
from fingen.tasks.documents import TASKS
from fingen.tasks.qa import parse_pairs
from fingen.teachers.offline import Offline

EN, ZH = "Northwind Instruments Inc.", "蓝海精密仪器股份有限公司"
Task = Literal["concept", "summary"]
Item = dict[str, Any]
Piece = tuple[BlockKind, str]


def paragraph(text: str) -> Piece:
    return "paragraph", text


def heading(text: str) -> Piece:
    return "heading", text


def table(text: str) -> Piece:
    return "table", text


def passage(
    *pieces: Piece, section: tuple[str, ...] = (), company: str | None = None, end: str | None = "2024-12-31"
) -> Passage:
    """What the teacher sees of a chunk made of the pieces; Chinese where they are."""
    text, blocks = "", []
    for kind, words in pieces:
        text += "\n" if text else ""
        blocks.append(Block(kind=kind, page=1, box=(0, 0, 1, 1), start=len(text), end=len(text) + len(words)))
        text += words
    language: Literal["en", "zh"] = "zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"
    period = Period(kind="annual", end=end) if end else Period()
    chunk = Chunk(id="c-1", document="in/report.pdf", language=language, first_page=1, last_page=1, section=section,
                  text=text, tokens=len(text), blocks=tuple(blocks))  # fmt: skip
    owner = company if company is not None else (ZH if language == "zh" else EN)
    document = Document(path=chunk.document, sha256="0" * 64, pages=1, language=language, company=owner or None,
                        period=period, chunks=(chunk,))  # fmt: skip
    return qa.build_passage(document, chunk)


def complete(task: Task, *passages: Passage, count: int = 20) -> Completion:
    request = Request(key="k", task=TASKS[task].task, template=task, system="", prompt="", answer_schema={}, max_tokens=1,
                      count=count, passages=passages)  # fmt: skip
    return asyncio.run(Offline().complete(request))


def ask(task: Task, *pieces: Piece, count: int = 20, **about: Any) -> list[Item]:
    items: list[Item] = json.loads(complete(task, passage(*pieces, **about), count=count).text)["items"]
    return items


def only(items: list[Item]) -> Item:
    (item,) = items
    return item


# --- English: concepts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "term"), [
    ("“Installed base” refers to the machines delivered by the Group that are known to be in use at the end of the year.", "Installed base"),
    ("“Backlog” means the value of signed contracts for which the Company has not yet recognized revenue at year-end.", "Backlog"),
    ("The term “comparable store” means a store of the Group that has been open for at least fourteen full months.", "comparable store"),
    ("We define comparable sales as the change in revenue of stores that have been open for at least fourteen months.", "comparable sales"),
    ("Net working capital consists primarily of inventories, trade receivables and payables of the Group.", "net working capital"),
    ("Adjusted operating margin represents operating profit before the cost of closing plants as a share of the revenue of the Group.", "adjusted operating margin"),
])  # fmt: skip
def test_a_definition_is_asked_for_by_its_term(text: str, term: str):
    item = only(ask("concept", paragraph(text), section=("Business",)))

    assert f"“{term}”" in item["question"]
    assert term in item["rephrased"]
    assert item["question"] != item["rephrased"]
    assert text in item["answer"]
    assert item["evidence"] == [text]


# The sentence -> what the question must say, and the years that it must not name (the report's own end aside).
WHY = {
    "Revenue rose by 12% compared with 2023, because customers replaced old machines and ordered more sensors.":
        ("Inc.’s revenue rise", ["2023"]),
    "Revenue decreased in fiscal 2023 compared with fiscal 2022, primarily due to lower demand from hospitals.":
        ("revenue decrease in fiscal 2023", ["2022"]),
    "Gross profit grew 5% over 2023, driven by cheaper freight and by a richer mix of products sold to dealers.":
        ("gross profit grow", ["2023"]),
    "Gross margin improved to 41.2% in 2024 from 39.0% in 2023, driven by cheaper freight and a richer mix of products.":
        ("gross margin improve in 2024", ["2023"]),
    "Selling costs fell to 12 million, against 15 million in 2023, as a result of the closing of two offices abroad.":
        ("selling costs fall", ["2023"]),
    "Revenue declined due to the sale of the Bergen plant in 2021, which had been the largest one of the whole group.":
        ("revenue decline", ["2021"]),
    "Revenue increased because prices for sensors were raised in 2023 and again in the spring, after years of waiting.":
        ("revenue increase", ["2023"]),
}  # fmt: skip


@pytest.mark.parametrize("text", WHY)
def test_a_cause_is_asked_for_with_the_period_of_the_change(text: str):
    said, not_said = WHY[text]
    item = only(ask("concept", paragraph(text)))
    for question in (item["question"], item["rephrased"]):
        assert not any(year in question for year in not_said)

    assert said in item["question"]
    assert "Why did" in item["question"]
    assert item["evidence"] == [text]


def test_the_companys_we_is_quoted_as_its_words():
    text = "Our gross margin improved in 2024 because we bought “green” power ahead of time and at a lower price."
    item = only(ask("concept", paragraph(text)))

    assert item["answer"].startswith(f"{EN} states in its annual report for the fiscal year ended December 31, 2024: “")
    assert item["answer"].endswith("”")
    assert item["answer"].count("“") == item["answer"].count("”") == 1
    assert "‘green’" in item["answer"]
    assert item["evidence"] == [text]


def test_text_about_the_company_in_the_third_person_stays_as_it_is():
    text = "The order book of the Group means the contracts that customers have signed and that are not yet delivered."
    assert all(item["answer"] == text for item in ask("concept", paragraph(text)))


def test_a_definition_that_is_the_same_in_every_report_is_not_asked_for():
    text = "“Credit loss” means the difference between all cash flows due under a contract and those that are expected."
    assert ask("concept", paragraph(text), section=("Notes", "Significant accounting policies")) == []


# --- English: summaries --------------------------------------------------------------------------------------------------

SENSORS = (
    "The sensors business makes displacement and pressure sensors for machine builders in forty countries. Demand for sensors "
    "follows the investment cycle of the machine builders with a delay of two quarters. Sensors are sold through dealers, who "
    "keep stocks of their own near to the customers."
)
RISK = (
    "Customers choose a supplier by the accuracy of the machines, which rivals improve from year to year. Customers may turn "
    "to other suppliers where the Group fails to follow, and revenue may fall. Machines that are less accurate would also "
    "bring lower prices and more warranty claims."
)


def test_a_section_is_summed_up_under_its_heading():
    item = only(ask("summary", heading("Our sensors business"), paragraph(SENSORS)))

    assert "“Our sensors business”" in item["question"]
    assert item["answer"] == SENSORS
    assert item["evidence"] == [SENSORS]


def test_a_risk_that_a_heading_states_is_asked_for_as_a_risk():
    title = "We may lose customers if our machines are less accurate than those of rivals"
    item = only(ask("summary", heading(title), paragraph(RISK), section=("Item 1A. Risk Factors", "Our business")))

    assert f"“{title}”" in item["question"]
    assert "risk" in item["question"].lower()


def test_a_policy_is_asked_for_as_a_policy():
    policy = SENSORS.replace("sensors business makes", "Group recognizes revenue at a margin of 12% from")
    item = only(ask("summary", heading("Revenue recognition"), paragraph(policy),
                    section=("Notes", "Significant accounting policies")))  # fmt: skip

    assert "“Revenue recognition”" in item["question"]
    assert "accounting polic" in item["question"]
    assert "statement" not in item["question"]


@pytest.mark.parametrize("title", [
    "Table of contents", "Exhibits", "Signatures", "Forward-looking statements", "Available information",
    "Report of independent registered public accounting firm", "Certification of the chief executive",
])  # fmt: skip
def test_sections_that_nobody_asks_about_are_left_alone(title: str):
    assert ask("summary", heading(title), paragraph(SENSORS)) == []
    assert ask("concept", heading(title), paragraph(next(iter(WHY)))) == []


def test_without_a_heading_there_is_nothing_to_sum_up():
    assert ask("summary", paragraph(SENSORS)) == []


# --- English: what an answer must be -------------------------------------------------------------------------------------

BRANCHES = (
    "The sensors business opened branches in Oslo and Turin during the year, with ninety engineers between them.",
    "The branch in Oslo serves the makers of turbines, who had been served from Bergen until then.",
    "The branch in Turin serves the makers of presses, and it keeps a stock of spare sensors of its own.",
    "Both are to be followed by a branch in Lyon, for which the lease has been signed already.",
)
TORN = "The costs of the two branches, of which (as the board has decided the larger part is borne by the dealers."


def test_a_summary_is_what_the_section_begins_with_and_skips_nothing():
    item = only(
        ask("summary", heading("Branches of the sensors business"), paragraph(" ".join([*BRANCHES, TORN, WIDE])))
    )

    assert item["answer"] == " ".join(BRANCHES)
    assert item["evidence"] == [" ".join(BRANCHES)]


WIDE = "Demand from the makers of presses is wide."


@pytest.mark.parametrize("sentences", [
    (BRANCHES[0], TORN, *BRANCHES[1:3]),  # what follows the gap may speak of what stood in it
    (TORN, *BRANCHES[:3]),
    (*BRANCHES[:3], TORN, *[f"The {name} branch (which is let." for name in ("first", "second", "third", "fourth", "fifth", "sixth")] * 3),
])  # fmt: skip
def test_a_summary_with_a_hole_or_of_a_small_part_is_none(sentences: tuple[str, ...]):
    assert ask("summary", heading("Branches of the sensors business"), paragraph(" ".join(sentences))) == []


def test_a_sentence_that_only_points_elsewhere_may_be_left_out():
    text = [*BRANCHES[:2], "Please see Note 12 for the leases.", BRANCHES[2]]
    item = only(ask("summary", heading("Branches of the sensors business"), paragraph(" ".join(text))))

    assert item["answer"] == " ".join(BRANCHES[:3])


def test_what_leans_on_a_sentence_that_was_left_out_goes_with_it():
    text = [*BRANCHES[:3], "Please see Note 12 for the leases.", "These leases run for six years and can be renewed."]
    item = only(ask("summary", heading("Branches of the sensors business"), paragraph(" ".join(text))))

    assert item["answer"] == " ".join(BRANCHES[:3])


def test_the_middle_of_a_section_is_not_told_as_the_section():
    assert ask("summary", paragraph(" ".join(BRANCHES)), section=("Business", "Branches of the sensors business")) == []


def test_a_list_is_told_whole_and_with_its_introduction():
    first = "• Net revenues of $2.3 billion in the current quarter compared to $1.8 billion in the prior year quarter;"
    others = (
        "• Adjusted EBITDAR of $877 million in the current quarter compared to $699 million in the prior year quarter; and "
        "• Adjusted EBITDAR margin of 38.2% in the current quarter compared to 38.7% in the prior year quarter"
    )
    pieces = [
        heading("Northern resorts"),
        paragraph("The resorts in the north had these results:"),
        paragraph(first),
        paragraph(others),
    ]
    item = only(ask("summary", *pieces))

    assert item["answer"].startswith("The resorts in the north had these results: Net revenues of $2.3 billion")
    assert item["answer"].endswith("in the prior year quarter; Adjusted EBITDAR margin of 38.2% in the current quarter "
                                   "compared to 38.7% in the prior year quarter.")  # fmt: skip
    assert "•" not in item["answer"]
    assert "for the quarter" in item["question"]
    assert all(quote in " ".join(text for _, text in pieces) for quote in item["evidence"])


TEXTBOOK = (
    "Financial assets are recognised when the Group becomes party to the contract of the instrument. They are measured at "
    "amortised cost using the effective interest method, less any impairment. Assets whose contractual cash flows are not "
    "solely payments of principal and interest are measured at fair value through profit or loss."
)
OWN = "The mill in Bergen is depreciated over 35 years. The ships of the Nordlys class are carried at £41.5 million."


@pytest.mark.parametrize("section", [("Notes", "Significant accounting policies"), ("Notes",)])
def test_a_policy_is_asked_about_where_it_says_what_not_every_report_says(section: tuple[str, ...]):
    title = heading("Financial assets")

    assert ask("summary", title, paragraph(TEXTBOOK), section=section) == []
    assert only(ask("summary", title, paragraph(f"{TEXTBOOK} {OWN}"), section=section))["answer"].endswith(OWN)


@pytest.mark.parametrize("text", [
    "Liquidity risk is the risk that an entity cannot meet its financial obligations as and when they fall due.",
    "Fair value is the price that would be received to sell an asset in an orderly transaction between participants.",
])  # fmt: skip
def test_a_term_of_the_textbook_is_no_concept(text: str):
    assert ask("concept", heading("Financial risks"), paragraph(text)) == []


def test_a_heading_of_which_the_text_has_nothing_is_not_asked_for():
    assert ask("summary", heading("Oracle Power plc"), paragraph(" ".join(BRANCHES))) == []


@pytest.mark.parametrize("title", [
    "Net Income of $340.8 Million", "Sensors sales up 15.6%", "Sensors business results for the quarter and",
    "Sensors business annual report and accounts", "Sensors business .......... 12", "Risks relating to our sensors",
    "Forward\u2011looking statements on sensors", "Governance of the sensors business", "Key audit matters of sensors",
])  # fmt: skip
def test_display_type_and_the_headings_of_forms_are_no_subjects(title: str):
    assert ask("summary", heading(title), paragraph(SENSORS)) == []


@pytest.mark.parametrize("text", [
    "Gordon is an Independent Non-Executive Director of the Company, and holds a Diploma of the University of Dundee.",
    "Matt Harris is a founding partner of Move78 in London. He has worked with the makers of sensors for many years.",
    "Total consideration for this acquisition comprises $24.0 million in cash and $1.3 million of deferred payments.",
    "Japan and India represent just two of the many countries that order the sensors of the Company at present.",
])  # fmt: skip
def test_persons_and_what_is_no_term_are_no_concepts(text: str):
    assert ask("concept", heading("Sensors business"), paragraph(text)) == []


def test_a_company_is_not_named_twice_in_a_question():
    text = "Northwind’s tax rate decreased to 16.85% in 2024, compared to 17.89% in 2023, as more income was exempt."
    assert only(ask("concept", paragraph(text)))["question"].startswith(f"How did {EN}’s tax rate change")


@pytest.mark.parametrize("amount", ["$8,620", "£45", "CHF 12,345", "RMB31,765", "$3.4"])
def test_an_amount_without_its_unit_is_not_told(amount: str):
    text = (
        f"Revenue increased to {amount} in 2024 because customers ordered more sensors and paid higher prices for them."
    )

    assert ask("concept", paragraph(text)) == []
    for whole in (f"{amount} million", "$4,542,384", "$7.25 a share", "CHF 75,000"):
        assert len(ask("concept", paragraph(text.replace(amount, whole)))) == 1


def test_the_auditors_words_are_not_told_as_the_companys():
    text = (
        "We identified the impairment of intangible assets as a significant risk. Our audit procedures on the impairment of "
        "intangible assets included a test of the model. The discount rate of the model was compared with those of rivals."
    )
    assert ask("summary", heading("Impairment of intangible assets"), paragraph(text)) == []


def test_a_segments_revenue_is_not_asked_for_as_the_companys():
    text = next(iter(WHY))
    item = only(ask("concept", heading("Cloud services"), paragraph(text), section=("Segment results",)))

    assert "section “Cloud services” of its annual report" in item["question"]
    assert "section “Cloud services” of its annual report" in item["rephrased"]


CAUSED = "Net sales increased 18.2% to $3.2 billion due to higher prices and more orders of the machine builders."


@pytest.mark.parametrize(("above", "said"), [
    (["Fourth Quarter Financial Highlights"], " in the fourth quarter"),
    (["Three Months Ended December 31, 2024"], " in the quarter"),
    (["Fourth Quarter Results", "Fiscal Year 2024 Results"], ""),
])  # fmt: skip
def test_prose_under_a_heading_of_a_quarter_is_of_the_quarter(above: list[str], said: str):
    section, title = tuple(above[:-1]), above[-1]
    question = only(ask("concept", heading(title), paragraph(CAUSED), section=section))["question"]

    assert f"net sales increase{said}, according" in question


def test_prose_that_may_be_of_the_quarter_or_of_the_year_is_not_asked_about():
    quarter, both = heading("Fourth Quarter Financial Highlights"), heading("Fourth Quarter and Full Year Results")

    assert ask("concept", both, paragraph(CAUSED), section=()) == []
    assert (
        ask("concept", quarter, paragraph("All growth is organic."), heading("Summary"), paragraph(CAUSED), section=())
        == []
    )
    assert (
        ask(
            "concept", heading("Summary"), paragraph(CAUSED), paragraph("The current quarter rate was 19%."), section=()
        )
        == []
    )
    assert len(ask("concept", heading("Summary"), paragraph(CAUSED), section=())) == 1


def test_a_change_of_the_quarter_is_asked_for_as_one_of_the_quarter():
    text = "Net sales increased 18.2% to $3.2 billion compared to $2.7 billion in the fourth quarter of fiscal 2023 due to prices."
    assert "net sales increase in the fourth quarter" in only(ask("concept", paragraph(text)))["question"]


def test_a_change_without_a_cause_is_asked_for_by_its_figures():
    text = "Operating income increased 26.3% to $1.6 billion, or 16.1% of net sales, compared to $1.3 billion in fiscal 2023."
    item = only(ask("concept", paragraph(text)))

    assert item["question"].startswith(f"How did {EN}’s operating income change")
    assert (item["answer"], item["evidence"]) == (text, [text])


def test_a_definition_in_a_note_stands_without_the_notes_number():
    text = '"Adjusted EPS" is diluted earnings per share adjusted to exclude the gain of the Company on the sale of its Bergen plant.'
    item = only(ask("concept", paragraph(f"1.{text}")))

    assert "“Adjusted EPS”" in item["question"]
    assert item["evidence"] == [text]


def test_two_headings_of_a_passage_are_not_taken_for_section_and_subsection():
    pieces = [heading("Ian Lawson"), paragraph("Chairman"), heading("Branches"), paragraph(" ".join(BRANCHES))]
    item = only(ask("summary", *pieces))

    assert "Lawson" not in item["question"] + item["rephrased"]


# Headings and texts that nobody asks about, and what is wrong with them.
NOT_ASKED = {
    "a year before": ("Provision for warranty claims", ("The provision for warranty claims increased by $4.1 million for the year ended "
        "December 31, 2023, compared with the year ended December 31, 2022. Claims on sensors made up most of the increase of the "
        "provision. Customers in Italy raised the larger part of those claims on the older sensors.")),
    "slogans": ("Working on a better tomorrow", ("We are dedicated to excellence and empower our customers to thrive on a better tomorrow. "
        "Our innovative people work with passion, and our trusted solutions make tomorrow better. We are uniquely placed to do so.")),
    "a heading of values": ("Diversity and inclusion", ("We employ 4,100 people in forty countries, of whom 38% are women, as diversity asks. "
        "Inclusion is part of the pay of each manager of ours, and 12% of that pay hangs on it. Surveys show how inclusion is lived.")),
    "the law of a country": ("Share option rules", ("Pursuant to Circular 37, residents who take part in share option plans must register with the "
        "Ministry. The Regulations of 2012 ask for an agent who files the share option reports with the authorities each year. "
        "Options that are not registered under these rules may be void, and those who hold the options may be fined.")),
    "the company's own name": ("Northwind Instruments", ("Northwind Instruments was founded in 1961 in Oslo by two engineers of the university. "
        "Northwind Instruments moved to Bergen in 1975, when the first plant was built there. The name was changed in 1990.")),
    "a word without its section": ("Direct", ("We sell directly to the makers of machines by direct sales agreements of three years. Direct sales "
        "staff visit the makers four times a year, and take the orders for spare sensors. The staff is trained in Bergen.")),
    "a career": ("Growth and acquisitions", ("Theo leads growth and acquisitions of the Group and knows sensors and advertising well. Prior to joining "
        "Northwind, Theo worked at Tangent on acquisitions of agencies. Theo has a degree in growth and in acquisitions.")),
}  # fmt: skip


@pytest.mark.parametrize("reason", NOT_ASKED)
def test_what_no_analyst_asks_about_is_left_alone(reason: str):
    title, text = NOT_ASKED[reason]
    assert ask("summary", heading(title), paragraph(text)) == []


@pytest.mark.parametrize("text", [
    "Modern slavery is a growing concern in the country, which is why the Group looks at its suppliers each year.",
    "The Group’s chief operating decision maker is a group of three persons who meet in Bergen in every single month.",
    "The revisions are designed to enable us to adapt to changes of the market and to work stably in years to come.",
    "The currency translation reserve comprises the differences that arise from the accounts of companies abroad.",
])  # fmt: skip
def test_words_that_nobody_asks_for_are_no_terms(text: str):
    assert ask("concept", heading("Sensors business"), paragraph(text)) == []


def test_a_business_with_a_name_is_asked_for_by_it():
    text = "Kanga Potash is a private company in which the Group holds a third, and which owns a mine in the Congo."
    again = paragraph("In 2019 the Group bought its third of Kanga Potash from the founders.")
    question = only(ask("concept", paragraph(text), again))["question"]

    assert question.startswith(f"What is “Kanga Potash”, according to {EN}’s annual report")


def test_an_answer_ends_where_its_subject_does():
    first = "Comparable sales increased 15.6% in 2024, driven by a 10.8% increase in transactions and by higher prices."
    second = "This increase was the largest of the last five years."
    third = "Gross profit was $4.0 billion at the end of it."
    item = only(ask("concept", paragraph(f"{first} {second} {third}")))

    assert item["answer"] == f"{first} {second}"


def test_a_chinese_share_is_asked_for_whole_and_slogans_are_not_asked_about():
    share = "报告期内，公司人工费用占比降低，主要系智能制造疫苗生产线替代人工成本所致。"
    assert "人工费用占比降低" in only(ask("concept", paragraph(share), section=DISCUSSION))["question"]

    slogans = "公司坚持客户第一、品质至上，守住生物安全的底线，持续优化生产工艺，提高产品核心竞争力。" * 3
    assert ask("summary", heading("（一）智能制造支撑升级"), paragraph(slogans), section=DISCUSSION) == []


# --- English: what is no sentence to quote -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "Revenue rose in 2024 because of the following reasons, which are set out in the table below for each segment.",
    "The changes are as follows: revenue rose in 2024 because customers ordered more sensors and paid higher prices.",
    "Revenue rose in 2024 because customers ordered more sensors and paid higher prices for them, see Note 5.",
    "Revenue rose in 2024 because customers ordered more sensors, paid higher prices for them and",
    "revenue rose in 2024 because customers ordered more sensors and paid higher prices for them than before.",
    "Revenue rose in 2024 because customers (those abroad above all ordered more sensors and paid higher prices.",
    "Revenue | 2024 | 2023 | rose because customers ordered more sensors and paid higher prices for them.",
    "Revenue rose 1,234.5 987.6 12.3 45.6 because 78.9 1,234.5 987.6 45.6 78.9 12.3 1,234.5 987.6 45.6 78.9.",
    "Item 7. Discussion ............................ 34 because Item 8. Statements .......................... 56",
    "• Revenue rose in 2024 because customers ordered more sensors and paid higher prices for them than before;",
    "It increased in 2024 because customers ordered more sensors and paid higher prices for them than before.",
    "This means that the Group must pay the amount in full before the end of the year that follows the claim.",
    "Such revenue increased in 2024 because customers ordered more sensors and paid higher prices for them.",
    "Joan Smith, who joined the Group in 2019 from a rival, has served on the board of the Company since 2021.",
])  # fmt: skip
def test_torn_listed_pointing_and_leaning_sentences_give_no_concept(text: str):
    assert ask("concept", heading("Results of operations"), paragraph(text)) == []


def test_a_sentence_over_two_paragraphs_is_not_asked_for():
    head, tail = "Revenue rose in 2024 because", "customers ordered more sensors and paid higher prices for them."
    assert ask("concept", paragraph(head), paragraph(tail)) == []


def test_a_leaning_sentence_comes_with_the_one_that_it_leans_on():
    first = "Bergen Works is a subsidiary of the Group that makes the housings of all sensors that are sold in Europe."
    second = "This means that a fire in Bergen would stop the delivery of sensors to all of Europe for half a year."
    item = only(ask("concept", paragraph(f"{first} {second}")))

    assert item["answer"] == f"{first} {second}"
    assert item["evidence"] == [f"{first} {second}"]


# --- Chinese -------------------------------------------------------------------------------------------------------------

DISCUSSION = ("第三节 经营情况讨论与分析",)
SERVICE = (
    "公司在重点城市设有三十八个服务网点，为客户提供校准、维护和培训服务。服务网点的工程师在接到报修后二十四小时内到达现场。"
    "客户对服务的满意程度在报告期内有所提高，续签的服务合同占到期合同的九成。"
)


@pytest.mark.parametrize(("text", "term"), [
    ("应收账款周转天数是指公司平均应收账款余额除以日均营业收入所得的天数，用来衡量收款的快慢。", "应收账款周转天数"),
    ("所谓“订单出货比”，是指公司当期新签订单与当期营业收入之间的比率，反映业务的景气程度。", "订单出货比"),
    ("检测云平台是用于公司客户生产线的一套软件，在不停线的情况下汇总零件的尺寸数据。", "检测云平台"),
])  # fmt: skip
def test_a_chinese_definition_is_asked_for_by_its_term(text: str, term: str):
    item = only(ask("concept", paragraph(text), section=DISCUSSION))

    assert f"“{term}”" in item["question"]
    assert f"{ZH}2024年年度报告" in item["question"]
    assert (item["answer"], item["evidence"]) == (text, [text])


def test_a_chinese_cause_is_asked_for_in_the_reports_year():
    text = "报告期内，公司营业收入同比增长11.4%，主要系新能源汽车客户更新检测设备、订单增加所致。"
    item = only(ask("concept", paragraph(text), section=DISCUSSION))

    assert item["question"] == f"{ZH}2024年营业收入增长的主要原因是什么？"
    assert item["answer"] == text


@pytest.mark.parametrize("text", [
    "2023年公司营业收入同比增长8.4%，主要系新能源汽车客户更新检测设备、订单增加所致。",
    "预计下一年度公司营业收入同比增长8.4%，主要系新能源汽车客户更新检测设备、订单增加所致。",
    "变动的原因如下：公司营业收入同比增长11.4%，主要系新能源汽车客户订单增加所致。",
    "其是指公司在约定期间内对设备故障免费维修或者更换的一项义务，通常为验收后十八个月。",
    "该指标是指公司在一年以内可以变现的全部资产与流动负债之间的一个比率。",
    "（1）营业收入同比增长11.4%，主要系新能源汽车客户更新检测设备、订单增加所致。",
    "公司营业收入同比增长11.4%，主要系新能源汽车客户更新检测设备、",
    "营业收入 | 同比增长11.4%，主要系新能源汽车客户更新检测设备、订单增加所致。",
    "公司是一家由自然人股东共同出资组成的企业，总部位于宁波，在三地设有生产基地。",
    "张三先生历任公司销售经理、副总经理，是由董事会组成的战略委员会的一名委员。",
])  # fmt: skip
def test_chinese_sentences_that_lean_point_plan_or_are_torn_give_no_concept(text: str):
    assert ask("concept", heading("一、经营情况"), paragraph(text), section=DISCUSSION) == []


def test_a_table_that_explains_its_changes_is_asked_about_row_by_row():
    rows = [
        "单位：元",
        "项目 | 本期金额 | 上期金额 | 变动比例 | 变动原因",
        "销售费用 | 1,200,000.00 | 1,000,000.00 | 20.00% | 主要系本期展会增加、销售人员增加所致",
        "其中：差旅费 | 80,000.00 | 100,000.00 | -20.00% | 主要系部分会议改为线上举行所致。",
        "管理费用 | 300,000.00 | 500,000.00 | -40.00% | 不适用",
        "合计 | 1,500,000.00 | 1,500,000.00 | 0.00% |",
    ]
    items = ask("concept", table("\n".join(rows)), section=DISCUSSION)
    first, second = items

    assert [item["question"] for item in items] == [
        f"{ZH}2024年销售费用发生变动的原因是什么？",
        f"{ZH}2024年差旅费发生变动的原因是什么？",
    ]
    assert "本期金额为1,200,000.00" in first["answer"]
    assert "变动比例为20.00%" in first["answer"]
    assert "单位：元" in first["answer"]
    assert "主要系本期展会增加、销售人员增加所致。" in first["answer"]
    assert set(first["evidence"]) <= set(re.split(r" \| |\n", "\n".join(rows)))
    assert second["answer"].count("。。") == 0


def test_why_an_item_recurs_is_no_reason_for_its_change():
    rows = "项目 | 涉及金额 | 原因\n增值税即征即退 | 1,200,000.00 | 因与正常经营业务密切相关、按照一定标准持续发生"
    moved = rows.replace("涉及金额 |", "本期金额 | 变动比例 |").replace("00.00 |", "00.00 | 20.00% |")

    assert ask("concept", table(rows), section=DISCUSSION) == []
    assert len(ask("concept", table(moved), section=DISCUSSION)) == 1


def test_a_table_without_reasons_is_not_asked_about():
    rows = "项目 | 本期金额 | 上期金额\n销售费用 | 1,200,000.00 | 1,000,000.00\n管理费用 | 300,000.00 | 500,000.00"
    assert ask("concept", table(rows), section=DISCUSSION) == []
    assert ask("summary", heading("费用"), table(rows), section=DISCUSSION) == []


def test_a_table_of_terms_gives_definitions_and_no_names():
    rows = [
        "坐标测量机 | 指 | 以探头记录零件表面各点位置并与设计数据比较的测量设备",
        "蓝海精密 | 指 | 蓝海精密仪器股份有限公司",
        "报告期 | 指 | 2024年1月1日至2024年12月31日",
        "公司章程 | 指 | 《蓝海精密仪器股份有限公司章程》",
    ]
    item = only(ask("concept", heading("常用词语"), table("\n".join(rows)), section=DISCUSSION))

    assert "“坐标测量机”" in item["question"]
    assert item["answer"].endswith("坐标测量机是指以探头记录零件表面各点位置并与设计数据比较的测量设备。")
    assert item["evidence"] == ["以探头记录零件表面各点位置并与设计数据比较的测量设备"]


def test_a_chinese_section_is_summed_up_under_its_heading():
    item = only(ask("summary", heading("（二）售后服务体系建设"), paragraph(SERVICE), section=DISCUSSION))

    assert "售后服务体系建设" in item["question"]
    assert "（二）" not in item["question"]
    assert (item["answer"], item["evidence"]) == (SERVICE, [SERVICE])


@pytest.mark.parametrize("title", ["1、收入", "存货", "商誉", "租赁"])
def test_a_short_heading_of_a_policy_is_what_is_asked_for(title: str):
    item = only(ask("summary", heading(title), paragraph(SERVICE), section=("三、重要会计政策及会计估计",)))

    assert f"“{title.removeprefix('1、')}”" in item["question"]
    assert re.search("会计政策|会计处理", item["question"])


def test_a_chinese_risk_is_asked_for_as_a_risk():
    item = only(ask("summary", heading("（一）市场竞争风险"), paragraph(SERVICE), section=DISCUSSION))

    assert "市场竞争风险”" in item["question"]
    assert "面临" in item["question"] + item["rephrased"]


def test_the_chinese_we_is_quoted_as_the_companys_words():
    text = SERVICE.replace("公司在重点城市", "我们在“重点”城市")
    item = only(ask("summary", heading("售后服务体系建设"), paragraph(text), section=DISCUSSION))

    assert item["answer"] == f"{ZH}在2024年年度报告中表示：“{text.replace('“', '‘').replace('”', '’')}”"
    assert item["evidence"] == [text]


@pytest.mark.parametrize(
    "opening", ["其", "该", "此", "这", "上述", "同时，", "但", "因此，", "另外，", "其中，", "对此，", "此外，"]
)
def test_a_chinese_answer_does_not_open_with_a_leaning_sentence(opening: str):
    text = f"{opening}网点的建设在报告期内按照计划完成，投入资金三千万元。{SERVICE}"
    item = only(ask("summary", heading("售后服务体系建设"), paragraph(text), section=DISCUSSION))

    assert item["answer"] == SERVICE


@pytest.mark.parametrize("title", ["重要提示", "目录", "第十节 备查文件目录", "审计报告", "释义"])
def test_chinese_sections_that_nobody_asks_about_are_left_alone(title: str):
    assert ask("summary", heading(title), paragraph(SERVICE)) == []


# --- both ----------------------------------------------------------------------------------------------------------------


def test_the_company_and_the_period_may_be_unknown():
    text = next(iter(WHY))
    item = only(ask("concept", paragraph(text), company="", end=None))

    assert "report" in item["question"]
    assert "None" not in json.dumps(item)
    assert "20" not in item["question"]


def test_no_more_than_was_asked_for_and_the_plainest_first():
    pieces = [paragraph(text) for text in WHY]
    every = ask("concept", *pieces)

    assert len(every) > 3
    assert ask("concept", *pieces, count=2) == every[:2]


def test_two_passages_are_both_looked_at():
    both = [passage(paragraph(text)) for text in list(WHY)[:2]]
    items = json.loads(complete("concept", *both).text)["items"]

    assert [item["evidence"] for item in items] == [[text] for text in list(WHY)[:2]]


def test_nothing_to_say_is_said_with_its_reason():
    answer = json.loads(complete("concept", passage(paragraph("Nothing."))).text)

    assert answer["items"] == []
    assert answer["reason"]


def test_it_costs_nothing_and_has_the_form_of_any_answer():
    completion = complete("summary", passage(heading("Our sensors business"), paragraph(SENSORS)))
    parsed = parse_pairs((TASKS["summary"],), completion.text)
    items, wrong = [item for _, item in parsed.items], parsed.broken

    assert (completion.teacher, completion.stop_reason, completion.cost_usd) == ("offline", "end_turn", 0.0)
    assert completion.usage.input_tokens == completion.usage.output_tokens == 0
    assert len(items) == 1
    assert wrong == []


LEANING = (
    "It",
    "This",
    "These",
    "Such sales",
    "However, they",
    "As a result, it",
    "In addition, it",
    "The latter",
    "He",
    "Therefore, it",
)
SENTENCES = st.sampled_from([
    *WHY, *re.split(r"(?<=\.) ", SENSORS), *re.split(r"(?<=\.) ", RISK),
    *(f"{start} followed from the plan that the board had made for the markets abroad in the spring." for start in LEANING),
    "• lenses;", "as follows:", "See Note 12.", "34", "Revenue ........... 12", "The plan (see above", "Total 1,234 1,100 12.2%",
    "We expect that our dealers will order more lenses once the new line delivers them on time.",
])  # fmt: skip
PARAGRAPHS = st.lists(SENTENCES, min_size=1, max_size=6, unique=True).map(lambda chosen: paragraph(" ".join(chosen)))
HEADINGS = st.sampled_from(
    ["Our sensors business", "Results of operations", "Market risks", "Exhibits", "34", "A"]
).map(heading)
NUMBERED_ITEM = [  # of a list, with the number of the page behind it
    heading("Our sensors business"),
    paragraph(f"{' '.join([*WHY][:3])} • lenses; {[*WHY][3]} 34"),
    paragraph(next(iter(WHY))),
]
PIECES = st.lists(PARAGRAPHS | HEADINGS, min_size=1, max_size=8)
SECTIONS = st.sampled_from(
    [(), ("Item 7. Discussion",), ("Notes", "Significant accounting policies"), ("Item 1A. Risk Factors",)]
)


@settings(max_examples=150, deadline=None)
@given(PIECES, SECTIONS, st.sampled_from(["concept", "summary"]))
@example(NUMBERED_ITEM, (), "summary")
def test_whatever_the_text_nothing_is_invented_and_every_answer_stands_on_its_own(
    pieces: list[Piece], section: tuple[str, ...], task: Task
):
    given_passage = passage(*pieces, section=section)
    completion = complete(task, given_passage)
    items = json.loads(completion.text)["items"]

    assert complete(task, given_passage) == completion
    assert len({item["question"] for item in items}) == len(items)
    for item in items:
        assert all(quote in given_passage.text for quote in item["evidence"])
        assert not item["evidence"][0].startswith(LEANING)
        assert "".join("".join(item["evidence"]).split()) in "".join(item["answer"].split())
        assert EN in item["question"]
        assert EN in item["rephrased"]
        assert "2024" in item["question"]


@settings(max_examples=100, deadline=None)
@given(PIECES, SECTIONS, st.sampled_from(["concept", "summary"]))
def test_what_it_writes_passes_every_check(pieces: list[Piece], section: tuple[str, ...], task: Task):
    given_passage = passage(*pieces, section=section)
    request = Request(key="k", task=TASKS[task].task, template=task, system="", prompt="", answer_schema={}, max_tokens=1,
                      count=20, passages=(given_passage,))  # fmt: skip
    parsed = parse_pairs((TASKS[task],), complete(task, given_passage).text)
    items, wrong = [item for _, item in parsed.items], parsed.broken

    assert wrong == []
    for item in items:
        evidence = tuple(Evidence(quote=quote, page=1) for quote in item.evidence)
        assert (
            check(Draft(qa.build_record(item, request, evidence, "offline"), item.rephrased, (), (given_passage,)))
            is None
        )
