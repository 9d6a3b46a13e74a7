"""What keeps an item out: each check finds what it is for and leaves good rows alone; quotes and balance besides."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingen.quality.balance import surplus_reference
from fingen.quality.checks import CHECKS, MAX_ANSWER, MAX_QUESTION, MIN_ANSWER, check
from fingen.quality.draft import Draft
from fingen.quality.evidence import locate
from fingen.records import Block, Chunk, Document, Evidence, Language, Passage, Period, Record, content_id
from fingen.tasks.qa import build_passage

QUESTION = {
    "en": "Why did revenue of Northwind Instruments Inc. rise in 2024, according to its annual report?",
    "zh": "蓝海精密仪器股份有限公司2024年营业收入增长的主要原因是什么？",
}
ANSWER = {
    "en": "Revenue rose by 12% because customers in Bergen replaced their old machines and ordered more sensors.",
    "zh": "报告期内营业收入同比增长11.4%，主要系新能源汽车客户更新检测设备、订单增加所致。",
}
COMPANY = {"en": "Northwind Instruments Inc.", "zh": "蓝海精密仪器股份有限公司"}


def make_passage(language: Language = "en", company: str | None = None, end: str | None = "2024-12-31") -> Passage:
    chunk = make_chunk([ANSWER[language]], language=language)
    document = Document(path="northwind.pdf", sha256="0", pages=1, language=language, company=company or COMPANY[language],
                        period=Period(kind="annual", end=end), chunks=(chunk,))  # fmt: skip
    return build_passage(document, chunk)


def make_chunk(pieces: list[str], *, language: Language = "en", joint: str = "\n", section: tuple[str, ...] = (),
               headings: frozenset[int] = frozenset(), chunk: str = "c-1") -> Chunk:  # fmt: skip
    """A chunk of one block a piece, each on the page after."""
    text, blocks = "", []
    for number, piece in enumerate(pieces):
        text += joint if text else ""
        kind: Any = "heading" if number in headings else "paragraph"
        blocks.append(Block(kind=kind, page=number + 1, box=(0, 0, 1, 1), start=len(text), end=len(text) + len(piece)))
        text += piece
    return Chunk(id=chunk, document="northwind.pdf", language=language, first_page=1, last_page=len(pieces), section=section,
                 text=text, tokens=len(text), blocks=tuple(blocks))  # fmt: skip


def reason(language: Language = "en", *, passages: tuple[Passage, ...] = (), not_found: tuple[str, ...] = (),
           rephrased: str | None = None, **fields: Any) -> str | None:  # fmt: skip
    """Why a good row with these fields is rejected; None where it is kept."""
    defaults: dict[str, Any] = {"instruction": QUESTION[language], "output": ANSWER[language]}
    defaults["teacher"] = "scripted"
    defaults["evidence"] = (Evidence(quote=ANSWER[language], page=1),)
    record = Record(input="", id="qa-1", task="qa-concept", language=language, document="northwind.pdf", pages=(1,),
                    chunks=("c-1",), origin="document", **defaults | fields)  # fmt: skip
    draft = Draft(record, rephrased or "", not_found, passages or (make_passage(language),))
    drop = check(draft)
    assert drop is None or drop.detail
    return drop.reason if drop else None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_good_row_is_kept(language: Language):
    assert reason(language) is None


# --- evidence ------------------------------------------------------------------------------------------------------------


def test_a_row_needs_its_quotes():
    assert reason(evidence=()) == "evidence"
    assert reason(evidence=None) == "evidence"
    assert reason(not_found=("Revenue fell.",)) == "evidence"


# --- questions that stand on their own -----------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [
    "What does this passage say about revenue of Northwind Instruments Inc. in 2024?",
    "According to the text, why did revenue of Northwind Instruments Inc. rise in 2024?",
    "Why did revenue of Northwind Instruments Inc. rise in 2024, as described above?",
    "What do the following paragraphs say about revenue of Northwind Instruments Inc. in 2024?",
    "According to the document, why did revenue of Northwind Instruments Inc. rise in 2024?",
    "Based on the materials, why did revenue of Northwind Instruments Inc. rise in 2024?",
    "In the given context, why did revenue of Northwind Instruments Inc. rise in 2024?",
    "Why did revenue of Northwind Instruments Inc. rise in 2024, according to the passage?",
    "Why did its revenue rise in 2024?",
    "Why did revenue of Southgate Instruments Inc. rise in 2024?",
    "Why did revenue of Northwind Instruments Inc. rise?",
    "Why did revenue of Northwind Instruments Inc. rise in 2023?",
])  # fmt: skip
def test_a_question_that_leans_or_names_no_company_or_period_is_rejected(question: str):
    assert reason(instruction=question) == "not-self-contained"
    assert reason(rephrased=question) == "not-self-contained"


@pytest.mark.parametrize("question", [
    "文中提到蓝海精密仪器股份有限公司2024年营业收入增长的主要原因是什么？",
    "根据文本，蓝海精密仪器股份有限公司2024年营业收入增长的主要原因是什么？",
    "根据上述材料，蓝海精密仪器股份有限公司2024年营业收入增长的主要原因是什么？",
    "本文中，蓝海精密仪器股份有限公司2024年营业收入增长的主要原因是什么？",
    "根据所提供的信息，蓝海精密仪器股份有限公司2024年营业收入为何增长？",
    "公司2024年营业收入增长的主要原因是什么？",
    "蓝海精密仪器股份有限公司营业收入增长的主要原因是什么？",
])  # fmt: skip
def test_a_chinese_question_that_leans_or_names_no_company_or_period_is_rejected(question: str):
    assert reason("zh", instruction=question) == "not-self-contained"


@pytest.mark.parametrize(("company", "named"), [
    ("The Boeing Company", "Boeing"), ("Ulta Beauty, Inc.", "Ulta Beauty"), ("MGM Resorts International", "MGM Resorts"),
    ("OFX Group Limited", "OFX Group Limited"), ("Galileo Resources Plc", "GALILEO RESOURCES PLC"),
])  # fmt: skip
def test_a_company_may_be_named_by_the_word_that_starts_its_name(company: str, named: str):
    passages = (make_passage(company=company),)
    question = f"Why did revenue of {named} rise in 2024?"

    assert reason(instruction=question, passages=passages) is None


@pytest.mark.parametrize(("company", "words"), [
    ("Ulta Beauty, Inc.", "consultation fees"), ("Visa Inc.", "advisable measures"), ("Ball Corporation", "football clubs"),
])  # fmt: skip
def test_a_word_that_only_holds_the_letters_of_a_name_is_no_name(company: str, words: str):
    question = f"Why did revenue from {words} rise in 2024?"

    assert reason(instruction=question, passages=(make_passage(company=company),)) == "not-self-contained"


@pytest.mark.parametrize(("company", "named"), [
    ("浙江海翔药业股份有限公司", "海翔药业"), ("四方科技集团股份有限公司", "四方科技"), ("蓝海精密仪器股份有限公司", "蓝海精密"),
    ("贵州茅台酒股份有限公司", "贵州茅台"), ("中国平安保险（集团）股份有限公司", "中国平安"), ("广东省广新控股集团有限公司", "广新控股"),
    ("深圳市汇川技术股份有限公司", "汇川技术"), ("永辉超市股份有限公司", "永辉超市"), ("上海医药集团股份有限公司", "上海医药"),
    ("TCL科技集团股份有限公司", "TCL科技"), ("内蒙古伊利实业集团股份有限公司", "伊利实业"), ("宁德时代新能源科技股份有限公司", "宁德时代"),
    ("美的集团股份有限公司", "美的"),
])  # fmt: skip
def test_a_chinese_company_may_be_named_by_its_short_name(company: str, named: str):
    passages = (make_passage("zh", company=company),)
    question = f"{named}2024年营业收入增长的主要原因是什么？"

    assert reason("zh", instruction=question, passages=passages) is None


@pytest.mark.parametrize(("company", "words"), [
    ("浙江海翔药业股份有限公司", "浙江某药业公司"), ("上海医药集团股份有限公司", "医药企业"), ("北京银行股份有限公司", "各家银行"),
    ("内蒙古伊利实业集团股份有限公司", "内蒙古伊泰"), ("深圳市汇川技术股份有限公司", "深圳市企业"), ("四方科技集团股份有限公司", "科技集团"),
    ("蓝海精密仪器股份有限公司", "精密仪器公司"), ("浙江海翔药业股份有限公司", "该股份有限公司"),
])  # fmt: skip
def test_place_trade_and_legal_form_are_no_short_name(company: str, words: str):
    passages = (make_passage("zh", company=company),)
    question = f"{words}2024年营业收入增长的主要原因是什么？"

    assert reason("zh", instruction=question, passages=passages) == "not-self-contained"


@given(st.text("海翔药业上海北京省市集团股份有限公司（）Aa1 ", max_size=14))
def test_no_name_of_a_company_is_in_a_question_that_names_none(company: str):
    question = "2024年的营收为何增长？"  # without a character of the names

    assert reason("zh", instruction=question, passages=(make_passage("zh", company=company),)) == "not-self-contained"


def test_a_report_whose_period_is_unknown_needs_none_in_the_question():
    question = "Why did revenue of Northwind Instruments Inc. rise?"

    assert reason(instruction=question, passages=(make_passage(end=None),)) is None


def test_passages_of_two_years_need_both_years():
    passages = (make_passage(end="2024-12-31"), make_passage(end="2023-12-31"))
    both = "Why did revenue of Northwind Instruments Inc. rise in 2024 and not in 2023?"

    assert reason(passages=passages) == "not-self-contained"
    assert reason(instruction=both, passages=passages) is None


# --- answers that stand on their own -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "words"), [
    ("en", "This passage says so."), ("en", "As the text explains, it was so."), ("en", "The excerpt says so."),
    ("en", "That is described above."), ("en", "According to the table, it was so."), ("en", "The given context says so."),
    ("en", "The following paragraph says why."), ("en", "The provided document says why."),
    ("zh", "文中对此作了说明。"), ("zh", "根据文本可知。"), ("zh", "根据上述材料可知。"), ("zh", "根据以上内容可知。"),
    ("zh", "根据所提供的信息可知。"), ("zh", "原文对此作了说明。"), ("zh", "上述段落对此作了说明。"), ("zh", "本文对此作了说明。"),
])  # fmt: skip
def test_an_answer_that_leans_on_a_text_is_rejected(language: Language, words: str):
    assert reason(language, output=f"{ANSWER[language]} {words}") == "leans-on-text"


@pytest.mark.parametrize(("language", "words"), [
    ("en", "The fair value fell with the passage of time."),
    ("en", "The bonus was set in the context of a weak market."),
    ("en", "None of the events resulted in the material impairment of any business."),
    ("en", "The material weakness in internal control was remediated in the spring."),
    ("en", "The following material weaknesses were found by the auditor."),
    ("en", "Two dealers make most of the materials that the plant needs."),
    ("en", "The terms stand in the documents relating to the loan."),
    ("en", "The board acts in accordance with the articles of association."),
    ("zh", "公司发布了日本文化产品。"),
    ("zh", "公司提供英文中文双语的说明书。"),
    ("zh", "公司依照章程等基本文件运作。"),
    ("zh", "公司根据信息披露管理制度履行义务。"),
    ("zh", "公司根据材料价格的变动调整售价。"),
    ("zh", "公司在该段时间内停产检修。"),
])  # fmt: skip
def test_ordinary_words_of_reports_do_not_lean(language: Language, words: str):
    assert reason(language, output=f"{ANSWER[language]}{words if language == 'zh' else ' ' + words}") is None


@pytest.mark.parametrize(("language", "words"), [
    ("en", "As an AI language model, I know."), ("en", "I'm sorry, that is all."), ("en", "I cannot say more."),
    ("zh", "作为一个AI，我认为如此。"), ("zh", "抱歉，没有更多信息。"), ("zh", "其余问题无法回答。"),
])  # fmt: skip
def test_what_a_model_says_about_itself_is_rejected(language: Language, words: str):
    assert reason(language, output=f"{ANSWER[language]} {words}") == "boilerplate"


@pytest.mark.parametrize("question", [ANSWER["en"] + " Northwind 2024?", f"Northwind 2024: {ANSWER['en'].upper()}"])
def test_an_answer_that_is_in_its_question_is_rejected(question: str):
    assert reason(instruction=question) == "copies-question"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_question_and_answer_are_in_the_language_of_the_passage(language: Language):
    other: Language = "zh" if language == "en" else "en"
    question = {"en": f"Why did revenue of {COMPANY['zh']} and all of its many subsidiaries in Europe and Asia rise in 2024?",
                "zh": f"{COMPANY['en']}在2024年的营业收入为什么比上一年有了明显的增长，主要的原因有哪些，今后的趋势会如何？"}  # fmt: skip

    assert reason(language, output=ANSWER[other]) == "wrong-language"
    assert reason(language, instruction=question[other]) == "wrong-language"


def test_names_and_units_in_latin_letters_make_no_chinese_answer_english():
    assert reason("zh", output=f"{ANSWER['zh']}其中CMM与LanMetric软件的收入增长较快，GIL业务有所下降。") is None
    assert reason(output=f"{ANSWER['en']} Its name in China is 蓝海精密仪器股份有限公司.") is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_length_has_both_ends(language: Language):
    stop, letter = {"en": (".", "a"), "zh": ("。", "增")}[language]
    start = {"en": "A", "zh": "增"}[language]

    def kept(size: int) -> str | None:
        return reason(language, output=start + letter * (size - 2) + stop)

    assert kept(MIN_ANSWER[language] - 1) == kept(MAX_ANSWER[language] + 1) == "length"
    assert kept(MIN_ANSWER[language]) is kept(MAX_ANSWER[language]) is None
    long = QUESTION[language] + letter * MAX_QUESTION[language]
    assert reason(language, instruction=long) == "length"


@pytest.mark.parametrize(("language", "answer"), [
    ("en", "$1,234.5 - 987.6 (12.3%) / 2024-12-31 = 1,234,567.89 + 45.6 / 78.9 - 12,345 USD."),
    ("zh", "1,234,567,890.12元/987,654,321.00元＝12.5%（2024年12月31日）。"),
])  # fmt: skip
def test_a_bare_figure_is_no_answer(language: Language, answer: str):
    assert reason(language, output=answer) == "bare-figure"


@pytest.mark.parametrize("answer", [
    f"{ANSWER['en']}\n• orders from\n• prices of",
    f"{ANSWER['en']}\n1.\n2.\n{ANSWER['en']}",
    f"Revenue | 2024 | 2023 | 2022 | change. {ANSWER['en']}",
    f"{ANSWER['en']}\n● 订单\n{ANSWER['en']}",
])  # fmt: skip
def test_torn_lists_and_rows_of_tables_are_rejected(answer: str):
    assert reason(output=answer) == "list-debris"


def test_a_list_of_whole_points_is_kept():
    assert reason(output=f"{ANSWER['en']}\n• Orders from abroad grew;\n• Prices at home did not.") is None


@pytest.mark.parametrize(("language", "answer"), [
    ("en", ANSWER["en"][:-1]), ("en", ANSWER["en"][:-9]), ("en", f"{ANSWER['en']} The reasons are:"),
    ("en", ANSWER["en"].replace("Revenue", "revenue")), ("en", f"{ANSWER['en']} Moreover,"),
    ("zh", ANSWER["zh"][:-1]), ("zh", f"{ANSWER['zh']}其中，"),
])  # fmt: skip
def test_a_cut_sentence_is_rejected(language: Language, answer: str):
    assert reason(language, output=answer) == "cut-sentence"


@pytest.mark.parametrize("word", ["eBay", "iPhone", "mRNA", "iPad's"])
def test_an_answer_may_start_with_a_brand_as_it_is_written(word: str):
    assert reason(output=f"{word} sales rose by 12% because customers in Bergen replaced their old machines.") is None


@pytest.mark.parametrize("word", ["non-GAAP", "ebay", "e", "higher/Lower"])
def test_a_capital_later_on_makes_no_brand_of_the_first_word(word: str):
    answer = f"{word} earnings rose by 12% because customers in Bergen replaced their old machines."

    assert reason(output=answer) == "cut-sentence"


@pytest.mark.parametrize("odd", ["\x00", "\x1b", "\u2028", "\u202e", "\ufeff", "\ufffd", "\x85"])
def test_characters_that_nobody_writes_are_rejected(odd: str):
    assert reason(output=f"{ANSWER['en']} So{odd} it is.") == "odd-characters"
    assert reason(instruction=f"{QUESTION['en']}{odd}") == "odd-characters"


TEXT = st.text(max_size=400) | st.sampled_from([*ANSWER.values(), *QUESTION.values()])
PIECES = st.lists(st.sampled_from([" | ", "•", "\n", "1.", "文中", "the text", ".", "。", "2024", "Northwind", "增长", "a", " "]),
                  max_size=60).map("".join)  # fmt: skip


@given(TEXT | PIECES, TEXT | PIECES, TEXT | PIECES, st.sampled_from(["en", "zh"]))
def test_any_text_is_kept_or_rejected_for_a_reason_that_has_a_name(
    question: str, rephrased: str, answer: str, language: Language
):
    found = reason(language, instruction=question, rephrased=rephrased, output=answer)

    assert found is None or found in CHECKS
    assert found == reason(language, instruction=question, rephrased=rephrased, output=answer)


@given(st.text(alphabet="RevnuosbyacdmCit 12%.,;:|•\n()”", min_size=MIN_ANSWER["en"], max_size=300))
def test_what_is_kept_is_a_whole_answer_of_words(answer: str):
    if reason(output=answer) is None:
        assert answer.strip().endswith((".", "”", ")"))
        assert len(re.findall("[A-Za-z]", answer)) >= 12
        assert answer.count(" | ") <= 3


# --- quotes --------------------------------------------------------------------------------------------------------------


def test_a_quote_is_found_as_it_stands_with_its_page():
    chunk = make_chunk(["Orders grew.", ANSWER["en"], "Prices fell."])

    assert locate(ANSWER["en"], [chunk]) == (Evidence(quote=ANSWER["en"], page=2),)


@pytest.mark.parametrize("quote", [
    "Revenue rose\nby 12%  because", "Ｒｅｖｅｎｕｅ ｒｏｓｅ ｂｙ １２％ because", "  Revenue rose by 12% because ", "Revenue rose by 12 % because",
    "Revenue\u00a0rose by\u200912% because",
])  # fmt: skip
def test_white_space_and_width_do_not_matter(quote: str):
    assert locate(quote, [make_chunk([ANSWER["en"]])]) == (Evidence(quote="Revenue rose by 12% because", page=1),)


@pytest.mark.parametrize("quote", [
    "Revenue rose by 13%", "revenue rose by 12%", "Revenue fell by 12%", "Revenue rose by 12% since", "Revenue rose by -12%",
    "...", "Revenue ... sensors",
])  # fmt: skip
def test_other_letters_figures_and_signs_are_another_quote(quote: str):
    assert locate(quote, [make_chunk([ANSWER["en"]])]) == ()


@pytest.mark.parametrize("quote", ["", " ", "\n\t", "\u3000"])
def test_an_empty_quote_is_nowhere(quote: str):
    assert locate(quote, [make_chunk([ANSWER["en"]])]) == ()


def test_a_quote_over_two_pages_is_two():
    chunk = make_chunk(["Revenue rose because customers", "ordered more sensors."], joint=" ")

    assert locate("rose because customers ordered more", [chunk]) == (
        Evidence(quote="rose because customers", page=1), Evidence(quote="ordered more", page=2),
    )  # fmt: skip


def test_a_broken_word_over_two_pages_stands_on_both():
    chunk = make_chunk(["公司营业收入同", "比增长11.4%。"], joint="")

    assert [(part.quote, part.page) for part in locate("收入同比增长", [chunk])] == [("收入同", 1), ("比增长", 2)]


def test_the_first_passage_that_holds_it_counts():
    chunks = [make_chunk(["Orders grew."]), make_chunk(["Nothing.", ANSWER["en"]]), make_chunk([ANSWER["en"]])]

    assert [part.page for part in locate(ANSWER["en"], chunks)] == [2]
    assert locate(ANSWER["en"], []) == ()


ALPHABET = "ab12.%（）()收入ＡＢ①½ﬁ \u3000-"


# --- balance -------------------------------------------------------------------------------------------------------------

GLOSSARIES = ("Glossary", "Definitions", "Note 1 Significant accounting policies", "三、重要会计政策及会计估计", "释义")
OTHERS = ("Item 1. Business", "Item 7. Discussion", "第三节 经营情况讨论", "Glossy paper", "")


def row(number: int, section: str, document: str = "a.pdf", task: str = "qa-concept") -> tuple[Record, Chunk]:
    chunk = make_chunk([f"Sentence {number}."], section=(section,), chunk=f"c-{document}-{number}")
    record = Record(instruction=f"Q{number}", input="", output=f"A{number}", id=content_id("qa", document, task, str(number)), task=task,
                    language="en", document=document, pages=(1,), chunks=(chunk.id,), teacher="offline", origin="document",
                    evidence=(Evidence(quote=chunk.text, page=1),))  # fmt: skip
    return record, chunk


ROWS = st.lists(
    st.builds(row, st.integers(0, 200), st.sampled_from([*GLOSSARIES, *OTHERS]), st.sampled_from(["a.pdf", "b.pdf"]),
              st.sampled_from(["qa-concept", "qa-summary"])),
    max_size=40, unique_by=lambda made: made[0].id,
)  # fmt: skip


def surplus(made: list[tuple[Record, Chunk]], share: float = 1 / 3) -> list[Record]:
    found = surplus_reference([record for record, _ in made], {chunk.id: chunk for _, chunk in made}, share)
    return [made[place][0] for place in found]


def is_reference(made: tuple[Record, Chunk]) -> bool:
    return made[1].section[0] in GLOSSARIES


@given(ROWS, st.randoms(use_true_random=False))
def test_reference_parts_keep_to_their_share_whatever_the_order(
    made: list[tuple[Record, Chunk]], chance: random.Random
):
    chunks: dict[str, tuple[Record, Chunk]] = {}
    for record, chunk in made:
        chunks.setdefault(chunk.id, (record, chunk))
    made = list(chunks.values())
    dropped = {record.id for record in surplus(made)}
    kept = [pair for pair in made if pair[0].id not in dropped]

    assert dropped == {record.id for record in surplus(chance.sample(made, len(made)))}
    assert all(is_reference(pair) for pair in made if pair[0].id in dropped)
    groups = {(record.document, record.task) for record, _ in made}
    for group in groups:
        mine = [pair for pair in kept if (pair[0].document, pair[0].task) == group]
        reference = sum(map(is_reference, mine))
        assert reference * 3 <= len(mine)
        if any((record.document, record.task) == group and record.id in dropped for record, _ in made):
            assert (reference + 1) * 3 > len(mine) + 1  # no more is dropped than must be


@given(ROWS)
def test_another_report_changes_nothing_for_the_first(made: list[tuple[Record, Chunk]]):
    first = [pair for pair in made if pair[0].document == "a.pdf"]

    assert [record for record in surplus(made) if record.document == "a.pdf"] == surplus(first)


def test_a_heading_inside_the_passage_counts_from_where_it_stands():
    pieces = ["Orders grew by a tenth.", "Glossary", "Backlog means orders."]
    chunk = make_chunk(pieces, headings=frozenset({1}), section=("Item 7. Discussion",))
    record, _ = row(1, "")
    before, after = (record.model_copy(update={"id": quote, "chunks": (chunk.id,), "evidence": (Evidence(quote=quote, page=1),)})
                     for quote in (pieces[0], pieces[2]))  # fmt: skip

    assert surplus_reference([before, after], {chunk.id: chunk}, 1 / 3) == [1]
    assert surplus_reference([before, after], {chunk.id: chunk}, 1 / 2) == []


def test_nothing_is_surplus_where_there_is_nothing():
    assert surplus([]) == []
    assert surplus([row(number, "Item 1. Business") for number in range(5)]) == []
