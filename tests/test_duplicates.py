"""Duplicates are found where a row says nothing new, and nowhere else: one company, year or figure apart is another row."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen.quality.duplicates import find_duplicates, fold, near_clusters
from fingen.records import Record

NUMBERS = itertools.count()
ZH = "{company} {year} 年年度报告中，{term}指的是什么？"
EN = "According to the {year} annual report of {company}, what does {term} mean for its cash flow?"


def record(instruction: str, output: str | None = None, **fields: Any) -> Record:
    """A row whose id and answer no other row has, unless they are given."""
    number = next(NUMBERS)
    defaults: dict[str, Any] = {
        "id": f"r{number}",
        "input": "",
        "output": f"An answer of its own, number {number}." if output is None else output,
        "task": "qa-concept",
        "language": "en",
        "document": "a.pdf",
        "teacher": "scripted",
        "origin": "document",
    }
    return Record(instruction=instruction, **defaults | fields)


def kinds(*records: Record) -> list[str]:
    return [duplicate.kind for duplicate in find_duplicates(records)]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What is 'EBITDA'?", "what is EBITDA"),
        ("ＧＩＬ　业务，指的是什么？", "GIL业务指的是什么"),
        ("1,234,567.80 yuan", "1234567.80 yuan"),
        ("１，２３４", "1234"),
        ("revenue (2024)", "Revenue 2024"),
        ("−5%", "-5 %"),
        ("COVID-19", "covid 19"),
        ("No.5", "no 5"),
        ("good\u00adwill", "goodwill"),
    ],
)
def test_fold_forgets_width_case_punctuation_and_space(a: str, b: str):
    assert fold(a) == fold(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1.23", "123"),
        ("-5", "5"),
        ("($5)", "$5"),
        ("(1,234)", "1,234"),
        ("5%", "5"),
        ("$5", "€5"),
        ("1, 2", "12"),
        ("附注1、2", "附注12"),
        ("2023，120家", "2023120家"),
        ("12345,678", "12345678"),
        ("2024-12", "202412"),
        ("10²", "102"),
        ("③④", "34"),
        ("2024 .5", "2024.5"),
        ("▲12%", "▼12%"),
    ],
)
def test_fold_keeps_figures_apart(a: str, b: str):
    assert fold(a) != fold(b)


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_fold_tells_any_two_figures_apart_and_knows_the_grouped_one(a: int, b: int):
    assert fold(f"sales of {a:,} yuan") == fold(f"Sales of {a} yuan.")
    assert (fold(f"sales of {a:,} yuan") == fold(f"sales of {b} yuan")) == (a == b)


def test_the_first_of_a_group_is_kept_and_named():
    first = record("What is goodwill at Lanhai?")
    again = record("what is goodwill, at LANHAI")
    other = record("What is hedging at Lanhai?")

    (found,) = find_duplicates([first, again, other])

    assert (found.record, found.of, found.kind) == (again, first.id, "exact")


def test_the_same_question_from_two_documents_is_one_question():
    assert kinds(record("What is GIL?", document="a.pdf"), record("What is GIL", document="copy/a.pdf")) == ["exact"]


@pytest.mark.parametrize(
    ("template", "a", "b"),
    [
        (EN, "the goodwill", "goodwill"),
        (EN, "a contract asset", "contract assets"),
        (EN, "operating expenses", "operatng expenses"),
        (EN, "hedges and swaps", "hedges, swaps"),
        (ZH, "商誉", "该商誉"),
        (ZH, "合同资产和负债", "合同资产与负债"),
        ("{term}", "请问蓝海集团 2024 年年度报告中，商誉指的是什么？", "蓝海集团2024年年度报告中，商誉指的是什么"),
    ],
)
def test_small_edits_are_near_duplicates(template: str, a: str, b: str):
    rows = [record(template.format(company="蓝海集团 Lanhai Group", year=2024, term=term)) for term in (a, b)]

    assert kinds(*rows) == ["near"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("蓝海集团", "蓝海股份"),
        ("流动资产", "流动负债"),
        ("一季度收入", "二季度收入"),
        ("收入增长12.3%", "收入增长123%"),
        ("收入变动-5%", "收入变动5%"),
        ("在产品", "产品"),
        ("current assets", "non-current assets"),
        ("basic earnings", "diluted earnings"),
        ("the first quarter", "the third quarter"),
        ("eight percent", "eighty percent"),
        ("a rise of $5 million", "a rise of $5 billion"),
        ("direct costs", "indirect costs"),
        ("an employer", "an employee"),
        ("county tax", "country tax"),
        ("June sales", "July sales"),
        ("Class A shares", "Class B shares"),
        ("sales from A to B", "sales from B to A"),
        ("1.5 tonnes", "15 tonnes"),
    ],
)
def test_hard_negatives_survive(a: str, b: str):
    for template in (ZH, EN):
        rows = [record(template.format(company="蓝海集团 Lanhai Group", year=2024, term=term)) for term in (a, b)]

        assert kinds(*rows) == []


def test_rows_that_differ_only_in_company_or_year_survive():
    for template in (ZH, EN):
        rows = [
            record(template.format(company=company, year=year, term="goodwill"), document=f"{company}-{year}.pdf")
            for company in ("Lanhai A Group", "Lanhai B Group")
            for year in range(2015, 2025)
        ]

        assert kinds(*rows) == []
        assert kinds(*(row.model_copy(update={"document": "all.pdf"}) for row in rows)) == []


def test_near_duplicates_of_other_documents_survive():
    a, b = EN.format(company="Lanhai", year=2024, term="asset"), EN.format(company="Lanhai", year=2024, term="assets")

    assert kinds(record(a, document="a.pdf"), record(b, document="b.pdf")) == []
    assert kinds(record(a, document=None), record(b, document=None)) == []


def test_one_answer_to_two_questions_is_one_row_within_a_document_and_task():
    text = "Goodwill is what is paid above the fair value of net assets."
    first = record("What is goodwill?", text)

    assert kinds(first, record("How does Lanhai define the premium it pays?", text.upper())) == ["answer"]
    assert kinds(first, record("How does Ziwei define it?", text, document="b.pdf")) == []
    assert kinds(first, record("Sum up the note on goodwill.", text, task="qa-summary")) == []


def test_a_label_repeats_and_is_no_duplicate():
    rows = [record(f"Sales {verb}.", "positive", label="positive", document=None) for verb in ("rose", "doubled")]

    assert kinds(*rows) == []
    assert len(set(near_clusters(rows).values())) == 2


def test_a_row_with_its_passage_and_the_closed_book_row_are_both_kept():
    question, answer = EN.format(company="Lanhai", year=2024, term="goodwill"), "It is a premium."
    passages = [record(question, answer), record(question, answer, input="Goodwill is a premium paid for net assets.")]

    assert kinds(*passages) == []


def test_a_long_passage_does_not_make_two_questions_one():
    passage = "Revenue is recognised when control passes to the customer. " * 40
    rows = [
        record(f"What does Lanhai say about {term}?", input=passage) for term in ("revenue", "control", "customers")
    ]

    assert kinds(*rows) == []


def test_punctuation_alone_is_compared_as_it_is():
    assert kinds(record("？"), record("！")) == []


def test_near_clusters_join_one_answer_across_documents_and_depend_on_nothing_else():
    a, b = record("What is X at A?", "It is x."), record("What is X at B?", "it is X", document="b.pdf")
    other = record("What is Y?", "It is y.")
    clusters = near_clusters([a, b, other])

    assert clusters[a.id] == clusters[b.id] != clusters[other.id]
    assert near_clusters([b]) == {b.id: clusters[b.id]}


ASPECTS = st.tuples(
    st.sampled_from(["Lanhai", "Ziwei", "Galileo", "蓝海", "蓝天"]),
    st.integers(2015, 2024),
    st.sampled_from(["goodwill", "net assets", "net losses", "商誉", "存货", "流动资产", "流动负债"]),
    st.integers(-50, 50),
)
NOISE = st.sampled_from(["{}", "{}?", "  {} ", "“{}”", "Please, {}", "{}\n"])


@settings(deadline=None)
@given(st.lists(st.tuples(ASPECTS, NOISE), max_size=30))
def test_no_unique_row_is_lost_and_no_repeated_one_kept(drawn: list[tuple[tuple[str, int, str, int], str]]):
    rows = [
        (aspects, record(noise.format("{} {}: {} changed by {}%, what does it mean".format(*aspects))))
        for aspects, noise in drawn
    ]
    duplicates = {duplicate.record.id: duplicate.of for duplicate in find_duplicates([row for _, row in rows])}
    kept = [aspects for aspects, row in rows if row.id not in duplicates]
    aspects_of = {row.id: aspects for aspects, row in rows}

    assert kept == list(dict.fromkeys(aspects for aspects, _ in rows))
    assert all(aspects_of[row] == aspects_of[of] and of not in duplicates for row, of in duplicates.items())
