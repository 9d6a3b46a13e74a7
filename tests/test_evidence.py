"""Quotes are found as they stand in the source: folded in what carries no meaning, exact in every figure."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fingen.quality.evidence import find_quote, locate
from fingen.records import Block, Chunk

SENTENCE = "Management attributes the improvement to long-term contracts signed with automotive customers in Chengdu during 2024."
TABLE = "Year ended December 31, | 2024 | 2023\nRevenue | 1,234.0 | 1,108.0\nYen | (18.0) | 12.5%"
CHINESE = "公司应收账款周转天数为83天，较上年的87天缩短，主要原因是公司成立专门小组清收逾期货款，同时加强客户信用评估和合同管理工作。"


def chunk(*texts: str, document: str = "a.pdf") -> Chunk:
    """A chunk with one block a text, each on a page of its own."""
    blocks, at = [], 0
    for page, text in enumerate(texts, 1):
        blocks.append(Block(kind="paragraph", page=page, box=(0, 0, 1, 1), start=at, end=at + len(text)))
        at += len(text) + 1
    return Chunk(id="c-1", document=document, language="en", first_page=1, last_page=len(texts), section=(), text="\n".join(texts),
                 tokens=1, blocks=tuple(blocks))  # fmt: skip


def quotes(quote: str, *texts: str) -> list[str]:
    return [part.quote for part in locate(quote, [chunk(*texts)])]


# --- what is folded ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quote", "stands"), [
    ("long-term contracts", "long-term contracts"), ("longterm contracts", "long-term contracts"), ("long-\nterm contracts", "long-term contracts"),
    ("automotive customers, in Chengdu", "automotive customers in Chengdu"), ("“customers in Chengdu”", "customers in Chengdu"),
    ("ｃｕｓｔｏｍｅｒｓ in Chengdu", "customers in Chengdu"), ("customers  in\u00a0Chengdu", "customers in Chengdu"),
    ("during 2024.", "during 2024."), ("during 2024", "during 2024"),
])  # fmt: skip
def test_white_space_width_hyphens_and_punctuation_do_not_matter(quote: str, stands: str):
    assert quotes(quote, SENTENCE) == [stands]


def test_a_word_broken_at_a_line_end_is_whole():
    assert quotes("the improvement of margins", "the improve-\nment of margins") == ["the improve-\nment of margins"]


def test_a_row_is_found_with_or_without_its_cell_marks():
    assert quotes("Revenue | 1,234.0 | 1,108.0", TABLE) == ["Revenue | 1,234.0 | 1,108.0"]
    assert quotes("Revenue 1,234.0 1,108.0", TABLE) == ["Revenue | 1,234.0 | 1,108.0"]


def test_chinese_punctuation_is_folded():
    assert quotes("周转天数为83天,较上年的87天缩短", CHINESE) == ["周转天数为83天，较上年的87天缩短"]


# --- what is not ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quote", [
    "Revenue | 1,234.0 | 1,108.1", "Revenue | 1234.0 | 1,108.0", "Revenue | 12,34.0", "Revenue | 1,234", "234.0 | 1,108.0", "Revenue 1,234.01,108.0",
    "Yen | 18.0", "Yen | -18.0", "Yen | (18.0) | 12", "Revenue | $1,234.0", "Revenue | 1,234.0 1 108.0", "Revenue | 11,234.0",
])  # fmt: skip
def test_a_figure_is_the_same_in_digits_separators_sign_and_unit_or_it_is_another(quote: str):
    assert quotes(quote, TABLE) == []


def test_a_gap_between_two_figures_is_not_a_digit():
    assert quotes("sold 12 34 units", "sold 1 234 units") == []
    assert quotes("sold 1 | 234 units", "sold 1 234 units") == ["sold 1 234 units"]


def test_case_and_other_words_matter():
    assert quotes("management attributes", SENTENCE) == []
    assert quotes("Management ascribes", SENTENCE) == []


@pytest.mark.parametrize("quote", ["", " ", "...", "“”", "|", "，。"])
def test_a_quote_without_content_is_nowhere(quote: str):
    assert quotes(quote, SENTENCE, "... ，。") == []


# --- slips in letters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quote", "slips"), [
    (SENTENCE.replace("attributes", "attribules"), (("attribules", "attributes"),)),
    (SENTENCE.replace("automotive", "autornotive"), (("autornotive", "automotive"),)),
    (SENTENCE.replace("customers", "custmers"), (("custmers", "customers"),)),
    (SENTENCE.replace("attributes", "attribules").replace("contracts", "contrects"), (("attribules", "attributes"), ("contrects", "contracts"))),
])  # fmt: skip
def test_a_few_wrong_letters_are_found_and_told(quote: str, slips: tuple[tuple[str, str], ...]):
    found = find_quote(quote, [chunk("Orders grew.", SENTENCE, "Prices fell.")])

    assert [(part.quote, part.page) for part in found.evidence] == [(SENTENCE, 2)]
    assert found.slips == slips


def test_a_wrong_character_in_chinese_is_found_and_told():
    found = find_quote(CHINESE.replace("逾期", "渝期"), [chunk(CHINESE)])

    assert [part.quote for part in found.evidence] == [CHINESE]
    assert found.slips == (("渝", "逾"),)


LOANS = "The repayment of loans in the amount of 30.5 million dollars led to an increase in net liquidity after the profit of the year."


@pytest.mark.parametrize(("old", "new"), [
    ("30.5", "30.6"), ("30.5", "305"), ("30.5", "-30.5"), ("30.5", "3O.5"), ("million", "billion"), ("million", "milion"), ("dollars", "dollar"),
    ("increase", "decrease"), ("profit", "profits"), ("net", "nat"), ("of the year", "to the year"), ("amount", "mount of"),
])  # fmt: skip
def test_no_slip_in_a_figure_a_unit_or_a_word_that_the_sense_hangs_on(old: str, new: str):
    assert quotes(LOANS, LOANS) == [LOANS]
    assert quotes(LOANS.replace(old, new), LOANS) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("缩短", "不短"), ("上年", "下年"), ("83天", "84天"), ("83天", "83年"), ("加强", "减强"), ("天数为", "万数为")],
)
def test_no_slip_in_a_chinese_character_that_the_sense_hangs_on(old: str, new: str):
    assert quotes(CHINESE.replace(old, new), CHINESE) == []


def test_a_short_quote_has_no_slips():
    assert quotes("signed with autornotive", SENTENCE) == []


def test_many_slips_are_another_text():
    worn = SENTENCE
    for word in ("Management", "attributes", "improvement", "contracts", "automotive", "customers", "Chengdu"):
        worn = worn.replace(word, "x" + word[1:])

    assert quotes(worn, SENTENCE) == []


def test_an_exact_quote_goes_before_one_with_slips():
    slipped = SENTENCE.replace("attributes", "attribules")
    found = find_quote(SENTENCE, [chunk(slipped), chunk("Nothing.", SENTENCE, document="b.pdf")])

    assert found.slips == ()
    assert [(part.page, part.document) for part in found.evidence] == [(2, "b.pdf")]


# --- laws ----------------------------------------------------------------------------------------------------------------

WORDS = "revenue margin growth Chengdu sensors customers 营业收入 增长 毛利率 2024 1,234.5 (18.0) 12.5% -3.7 $40 long-term “quality” —".split()
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40)
spaces = st.sampled_from([" ", "\n", "  ", "\u00a0", "\u3000"])


def counts(word: str) -> bool:
    return any(char.isalnum() for char in word)


@given(texts, st.data())
def test_any_run_of_words_is_found_however_it_is_spaced_and_its_quotes_stand_in_their_blocks(
    words: list[str], data: st.DataObject
):
    cut = data.draw(st.integers(0, len(words)))
    blocks = [" ".join(part) for part in (words[:cut], words[cut:]) if part]
    source = chunk(*blocks)
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    part = words[start:end]
    quote = "".join(word + data.draw(spaces) for word in part)
    if data.draw(st.booleans()):
        quote = "".join(chr(ord(char) + 0xFEE0) if "0" <= char <= "9" else char for char in quote)

    found = locate(quote, [source])
    assert bool(found) is any(map(counts, part))
    said = "".join(evidence.quote for evidence in found)
    for word in part:
        assert unicodedata.normalize("NFKC", word).strip("“”—-") in unicodedata.normalize("NFKC", said)
    for evidence in found:
        block = source.blocks[evidence.page - 1]
        assert evidence.quote in source.text[block.start : block.end]


@given(st.lists(st.sampled_from(WORDS), min_size=12, max_size=60), st.randoms(use_true_random=False))
def test_a_changed_digit_is_never_found(words: list[str], chance: random.Random):
    text = " ".join(words)
    digits = [at for at, char in enumerate(text) if char.isdigit()]
    assume(digits)
    at = chance.choice(digits)
    changed = text[:at] + chance.choice([digit for digit in "0123456789" if digit != text[at]]) + text[at + 1 :]

    assert locate(text, [chunk(text)])
    assert locate(changed, [chunk(text)]) == ()


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_quote_in_any_text_is_found_in_it_or_nowhere(quote: str, text: str):
    source = chunk(text)

    for evidence in locate(quote, [source]):
        assert evidence.quote
        assert evidence.quote in source.text
