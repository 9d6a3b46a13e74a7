"""Duplicates are found where a row says nothing new, and nowhere else: one company, year or figure apart is another row."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen.quality.duplicates import duplicate_texts, find_duplicates, fold, near_clusters, worth
from fingen.records import Evidence, Record

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
        ("{term}", "您好，麻烦告诉我蓝海集团2024年商誉是多少，谢谢！", "蓝海集团2024年的商誉是多少？"),
        ("{term}", "蓝海集团2024年度报告是否披露商誉？", "请问蓝海集团2024年年度报告是否披露了商誉？"),
        ("{term}", "Could you tell me what Lanhai paid for Ziwei in 2019?", "What Lanhai paid for Ziwei in 2019"),
        (EN, "contract liability", "contract liabilities"),
        (EN, "recognised losses", "recognized losses"),
        (EN, "administrative cost", "adminsitrative cost"),
        (EN, "administrative cost", "administratiive cost"),
        (EN, "independent experts", "independant experts"),
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
        ("generic drugs", "genetic drugs"),
        ("patent income", "patient income"),
        ("contract costs", "contact costs"),
        ("futures contracts", "future contracts"),
        ("the A shares", "the shares"),
        ("the Hartwell unit", "the Hartwill unit"),
        ("the Williams unit", "the William unit"),
        ("the Ashdown unit", "the Ashdwon unit"),
        ("和达公司", "达和公司"),
        ("和达公司", "达公司"),
        ("一下降原因", "降原因"),
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


def test_names_in_lower_case_are_told_by_no_capital_and_never_vary():
    """Where a row has no capitals, any word of it may be a name: only what another row shows to be none may vary."""
    lower, other = "what did hartwell pay for leases in 2019?", "what did hartwill pay for leases in 2019?"
    assert list(duplicate_texts([lower, other])) == []
    assert list(duplicate_texts([lower, lower.replace("leases", "lease")])) == []
    assert list(duplicate_texts(["What did Hartwell pay for lease in 2019?", lower])) == [(1, 0, "near")]
    assert list(duplicate_texts(["What did Hartwell pay for leases in 2019?", other])) == []


def test_texts_name_the_first_of_their_kind_by_its_index():
    texts = ["A rise.", "What is goodwill?", "a RISE", "What was goodwill?", "？", "what is the GOODWILL", "！", "？"]

    assert list(duplicate_texts(texts)) == [(2, 0, "exact"), (3, 1, "near"), (5, 1, "near"), (7, 4, "exact")]


def test_rows_of_other_sets_stay_and_are_named_with_their_set():
    first, second = record("What is goodwill at Lanhai?"), record("what is goodwill at LANHAI?")
    again = record("What is the goodwill at Lanhai?")
    answered = record("How does Lanhai define it?", first.output)
    own = record("What is hedging at Lanhai?")

    found = find_duplicates([again, answered, own, own], against={"build/other": [first, second]})

    assert [(d.record.id, d.of, d.kind, d.of_set) for d in found] == [
        (again.id, first.id, "near", "build/other"),
        (answered.id, first.id, "answer", "build/other"),
        (own.id, own.id, "exact", None),
    ]


def test_the_better_row_is_kept_where_it_is_asked_for():
    quotes = tuple(Evidence(quote=quote, page=1) for quote in ("a", "b"))
    poor = record("What is goodwill?", "A premium, in short.", evidence=quotes[:1])
    figures = record("what is goodwill", "A premium: 5 million of 12 million.", evidence=quotes[:1])
    best = record("What is the goodwill?", "A premium, at length.", evidence=quotes)
    equal = record("WHAT IS GOODWILL", "A premium, again.", evidence=quotes)
    rows = [poor, figures, best, equal]

    assert [(d.record.id, d.of) for d in find_duplicates(rows)] == [(row.id, poor.id) for row in rows[1:]]
    found = find_duplicates(rows, better=worth)
    assert [(d.record.id, d.of) for d in found] == [(row.id, best.id) for row in (poor, figures, equal)]
    known = {poor.id}  # the key may put first what must stay, whatever it is worth
    found = find_duplicates(rows, better=lambda row: (row.id not in known, *worth(row)))
    assert [d.of for d in found] == [poor.id] * 3


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


WORDS = st.lists(
    st.sampled_from(
        "revenue revenues profit the of and a rose fell Lanhai Ziwei 2019 2018 5% -5% 1,234 1234 in not contract contact 和 蓝海 海蓝 的 收入".split()
    ),
    max_size=9,
)


@settings(deadline=None)
@given(st.lists(WORDS.map(" ".join), max_size=12))
def test_what_is_found_agrees_in_its_figures_and_names_and_what_is_kept_has_no_twin(texts: list[str]):
    found = {index: (of, kind) for index, of, kind in duplicate_texts(texts)}

    def marks(text: str) -> list[str]:
        return [
            word.replace(",", "")
            for word in text.split()
            if word[-1] in "0123456789%" or word[0] in "LZ蓝海收" or word == "not"
        ]

    for index, (of, kind) in found.items():
        assert of < index
        assert of not in found
        assert marks(texts[index]) == marks(texts[of])
        assert (kind == "exact") == (fold(texts[index]) == fold(texts[of]))
    kept = [fold(text) or text for index, text in enumerate(texts) if index not in found]
    assert len(set(kept)) == len(kept)


@given(st.text(max_size=40))
def test_white_space_of_any_width_changes_no_fold(text: str):
    assert fold(f" {text}\n") == fold(text)
    assert fold(text.replace(" ", "\u3000")) == fold(text)
