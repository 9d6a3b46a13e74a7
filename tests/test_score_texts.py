"""Free answers: what they are measured by, and the four columns of questions and answers.

Oracles: subsequences counted out, Google's rouge-score, and all resamples of a small bootstrap.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen import metrics
from fingen.cli import main
from fingen.errors import SetError, UsageError
from fingen.records import Chunk, Language, Manifest, Record, Usage
from fingen.scoring import columns, texts
from fingen.scoring.aggregate import Drawing
from fingen.scoring.language import language_of
from fingen.scoring.report import Contrast, Prediction, Report, Score, ScoredRows
from fingen.scoring.rows import Asked, ScoringItem, read_asked
from fingen.scoring.texts import TextRow
from fingen.sets import SetContent, write_set

DRAWING = Drawing(0, 400)


def row(reference: str, answer: str, question: str = "", language: Language = "en", id: str = "r") -> TextRow:
    return TextRow(id, language, question, reference, answer)


ZH = "报告期内，公司实现营业收入12.5亿元，同比增长8.3%，主要原因是输电产品的销售收入增加，以及海外订单的交付。"
ZH_ANSWER = "公司营业收入为12.5亿元，同比增长8.3%，主要是由于输电产品销售收入增加和海外订单交付。"
EN = "Revenue rose by 8.3 % to $1.2 billion, mainly because more transmission products were sold and orders from abroad were delivered."
EN_ANSWER = "Revenue was $1.2 billion, up 8.3 %, because the company sold more transmission products and delivered orders from abroad."


def fingen(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file of rows, in the form that its name asks for."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


# ROUGE-L, word F1 and character F1


@pytest.mark.parametrize(
    ("reference", "answer", "f"),  # as rouge-score 0.1.2 gives it, not stemmed
    [
        (
            "Revenue rose 12.5% to $3.4 billion in fiscal 2024.",
            "In fiscal 2024 revenue was $3.4 billion, up 12.5 percent.",
            0.34782608695652173,
        ),
        ("The company's net-income margin fell.", "Net income margins fell", 0.5454545454545454),
        ("a b c d e f g", "g f e d c b a", 0.14285714285714285),
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("one", "", 0.0),
    ],
)
def test_rouge_l_in_english_is_that_of_rouge_score(reference: str, answer: str, f: float):
    assert texts.rouge_l(reference, answer, "en") == pytest.approx(f, abs=1e-12)


def longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """By the definition, from the end: each pair of tokens is taken, or one of the two is left out."""

    @cache
    def longest(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if first[i - 1] == second[j - 1]:
            return longest(i - 1, j - 1) + 1
        return max(longest(i - 1, j), longest(i, j - 1))

    return longest(len(first), len(second))


SOME = st.lists(st.sampled_from("ab甲乙１2"), max_size=14)


@settings(deadline=None)
@given(first=SOME, second=SOME, language=st.sampled_from(("en", "zh")))
def test_rouge_l_is_f_of_the_longest_common_subsequence(first: list[str], second: list[str], language: Language):
    """Of words parted by spaces in English; of characters, wherever spaces and marks stand, in Chinese."""
    apart, marked = " ".join(first), "。".join(second) + " "
    common = longest_common([char.replace("１", "1") for char in first], [char.replace("１", "1") for char in second])
    expected = 1.0 if not first and not second else 2 * common / (len(first) + len(second))

    assert texts.rouge_l(apart, marked, language) == pytest.approx(expected, abs=1e-12)
    assert texts.rouge_l(marked, apart, language) == pytest.approx(expected, abs=1e-12)


@given(first=st.text("ab甲乙， 1", max_size=14), second=st.text("ab甲乙， 1", max_size=14))
def test_character_f1_is_the_overlap_of_two_bags(first: str, second: str):
    left = [char for char in first if char not in "， "]
    bag, common = [char for char in second if char not in "， "], 0
    sizes = len(left) + len(bag)
    for char in left:
        if char in bag:
            bag.remove(char)
            common += 1

    assert texts.char_f1(first, second) == pytest.approx(2 * common / sizes if sizes else 1.0, abs=1e-12)


def squad_f1(prediction: str, ground_truth: str) -> float:
    """As SQuAD's evaluate-v1.1.py has it."""

    def normalize(text: str) -> list[str]:
        text = "".join(char for char in text.lower() if char not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    given, wanted = normalize(prediction), normalize(ground_truth)
    same = sum((Counter(given) & Counter(wanted)).values())
    if not given or not wanted:
        return float(given == wanted)
    if not same:
        return 0.0
    precision, recall = same / len(given), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


PIECES = st.sampled_from(
    ["The", "a", "an", "margin", "Margin", "net-income", "U.S.", "$1,200", "12%", "(up)", "_", "fell."]
)


@given(first=st.lists(PIECES, max_size=9), second=st.lists(PIECES, max_size=9))
def test_word_f1_is_that_of_squad(first: list[str], second: list[str]):
    wanted, given = " ".join(first), "  ".join(second)

    assert texts.word_f1(wanted, given) == pytest.approx(squad_f1(given, wanted), abs=1e-12)
    assert texts.word_f1(given, wanted) == texts.word_f1(wanted, given)


@pytest.mark.parametrize(
    ("reference", "answer", "f"),
    [
        ("$3.4 billion", "$34 billion", 0.5),  # beyond SQuAD: a decimal point is no mark
        ("It rose by 3.4.", "3.4", 0.4),
        ("“Revenue” – it’s up", "revenue its up", 1.0),  # marks beyond ASCII are marks
        ("ＢＹＤ　１２％", "BYD 12%", 1.0),  # full-width forms are ordinary ones
        ("the", "A", 1.0),
        ("the margin", "", 0.0),
    ],
)
def test_word_f1_takes_marks_out_and_leaves_figures_whole(reference: str, answer: str, f: float):
    assert texts.word_f1(reference, answer) == pytest.approx(f, abs=1e-12)


def test_nonsense_in_english_has_next_to_nothing_of_its_reference():
    nonsense = "A stack of sunny marbles lent our uncle some trombones while diesel poodles danced across Rome."

    assert texts.char_f1(EN, nonsense) > 0.6
    assert texts.measure(row(EN, nonsense))["word_f1"] < 0.05
    assert texts.measure(row(ZH, ZH_ANSWER, language="zh")).keys() == {"rouge_l", "char_f1", "figures_recall"}


@pytest.mark.parametrize(
    ("pairs", "shown", "hidden"),
    [
        ([("EN", "en")] * 2, ["word F1 %"], ["character F1 %"]),
        ([("ZH", "zh")] * 2, ["character F1 %"], ["word F1 %"]),
        ([("EN", "en"), ("ZH", "zh"), ("ZH", "zh")], ["word F1 %", "character F1 %"], []),
    ],
    ids=["English", "Chinese", "mixed"],
)
def test_a_measure_has_a_column_where_rows_have_it_and_mixed_rows_say_which(
    pairs: list[tuple[str, str]], shown: list[str], hidden: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    both = {"EN": (EN, EN_ANSWER), "ZH": (ZH, ZH_ANSWER)}
    rows = [{"id": str(n), "gold": both[name][0], "prediction": both[name][1]} for n, (name, _) in enumerate(pairs)]
    result = fingen("score", "--predictions", write_rows(tmp_path / "m.jsonl", rows), "--out", "score")
    assert result.exit_code == 0, result.output
    card, page = Path("score/README.md").read_text("utf-8"), Path("score/report.html").read_text("utf-8")
    found = json.loads(Path("score/score.json").read_text(encoding="utf-8"))["scores"][0]["texts"]

    for told in (result.stdout, card):
        head = next(line for line in told.splitlines() if line.startswith("| subject"))
        assert all(name in head for name in shown)
        assert not any(name in head for name in hidden)
    assert all(f">{name.removesuffix(' %')}</th>" in page for name in shown)
    assert not any(f">{name.removesuffix(' %')}</th>" in page for name in hidden)
    words, chars = (sum(language == one for _, language in pairs) for one in ("en", "zh"))
    assert (found["words"], found["chars"]) == (words, chars)
    for measure, rows_with, (reference, answer) in (
        ("word_f1", words, both["EN"]),
        ("char_f1", chars, both["ZH"]),
    ):
        one = getattr(texts, measure)(reference, answer)
        assert (found[measure] or {}).get("value") == (pytest.approx(one) if rows_with else None)
    told = "1 rows are in English and measured by words, 2 in Chinese by characters"
    assert all((told in text) == (len(pairs) == 3) for text in (result.stdout, card, page))
    assert (", n = 2 |" in result.stdout) == (len(pairs) == 3)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([ZH_ANSWER] * 9 + [EN_ANSWER], "answers one and the same text in 90.0 % of the rows"),
        ([ZH_ANSWER] * 8 + [EN_ANSWER] * 2, None),
        (["", "\n"] * 5, "answers nothing in 100.0 % of the rows"),
    ],
    ids=["same", "not quite", "nothing"],
)
def test_a_subject_that_writes_nearly_always_the_same_is_named(
    answers: list[str], said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    rows = [{"id": str(n), "gold": f"{n} {ZH}", "prediction": answer} for n, answer in enumerate(answers)]
    result = fingen("score", "--predictions", write_rows(tmp_path / "m.jsonl", rows), "--out", "score")

    assert result.exit_code == 0, result.output
    for told in (result.stdout, *(Path("score", name).read_text("utf-8") for name in ("README.md", "report.html"))):
        assert said in told if said else "% of the rows" not in told


# Figures


@pytest.mark.parametrize(
    ("reference", "answer", "language", "found"),
    [
        ("Revenue was 1.2 billion dollars.", "It was $1,200 million.", "en", True),
        ("Revenue was US$1.2 billion.", "1,200,000,000 dollars", "en", True),
        ("Revenue was $1.2 billion.", "€1.2 billion", "en", False),
        ("Revenue was $1.2 billion.", "1.2 billion", "en", False),
        ("Revenue was $1.2 billion.", "$1.2 million", "en", False),
        ("Revenue was $1.2 billion.", "$1.20 billion", "en", True),
        ("Revenue was $1.2 billion.", "$1.21 billion", "en", False),
        ("The margin was 3.5%.", "3.5 percent", "en", True),
        ("The margin was 3.5%.", "3.5", "en", False),
        ("The margin was 3.5%.", "3.5 percentage points", "en", False),
        ("It rose by 50 basis points.", "It rose by 0.5 percentage points.", "en", True),
        ("营业收入为12.5亿元。", "125,000万元", "zh", True),
        ("营业收入为12.5亿元。", "人民币1,250,000,000元", "zh", True),
        ("营业收入为12.5亿元。", "12.5万元", "zh", False),
        ("营业收入为12.5亿元。", "12.5亿美元", "zh", False),
        ("占比为3.5%。", "百分之三点五", "zh", True),
        ("占比为３．５％。", "3.5%", "zh", True),
        ("提高0.5个百分点。", "提高0.5%。", "zh", False),
        ("The change was -5.2%.", "It fell by 5.2%.", "en", True),
        ("The change was -5.2%.", "It rose by 5.2%.", "en", False),
        ("净利润为-5.2亿元。", "亏损5.2亿元", "zh", True),
        ("The term is 3 years.", "36 months", "en", False),
        ("The term is 3 years.", "3 months", "en", False),
        ("The term is 3 years.", "A 3-year term", "en", True),
        ("It has 12 plants.", "It runs twelve plants.", "en", True),
        ("It was signed on 31 December 2019.", "2019-12-31", "en", True),
        ("It was signed on 31 December 2019.", "in 2019", "en", False),
        ("It began in 2019.", "on 31 December 2019", "en", True),
        ("于2019年12月31日签订。", "2019年12月31日", "zh", True),
    ],
)
def test_a_figure_is_found_exactly_and_with_its_unit(reference: str, answer: str, language: Language, found: bool):
    assert texts.count_figures(row(reference, answer, language=language)) == (int(found), 1)


def test_only_figures_that_the_question_leaves_open_count_and_each_once():
    question = "What was revenue in 2019?"
    reference = (
        "In 2019 revenue was $5 million, of which $3 million came from 2 plants. Revenue of $5 million is a record."
    )

    assert texts.count_figures(row(reference, "$5 million, $3 million in one plant", question)) == (2, 3)
    assert texts.measure(row("Revenue rose.", "By 5 %.")).keys() == {"rouge_l", "word_f1"}
    assert texts.measure(row(reference, "", question))["figures_recall"] == 0
    assert "figures_recall" not in texts.measure(row("In 2019 it rose.", "It did.", question))


SCALES = {"en": {"": 0, " thousand": 3, " million": 6, " billion": 9}, "zh": {"": 0, "万": 4, "亿": 8}}


@settings(deadline=None)
@given(
    value=st.integers(1, 10**13), language=st.sampled_from(("en", "zh")), data=st.data(), wrong=st.integers(1, 9)
)  # fmt: skip
def test_an_amount_is_the_same_in_every_scale_and_no_other_amount_is(
    value: int, language: Language, data: st.DataObject, wrong: int
):
    def say(amount: int) -> str:
        scale = data.draw(st.sampled_from(list(SCALES[language])))
        digits = f"{amount:0{SCALES[language][scale] + 1}}"
        whole = digits[: len(digits) - SCALES[language][scale]]
        rest = digits[len(whole) :].rstrip("0")
        shown = f"{int(whole):,}" + (f".{rest}" if rest else "")
        return f"{shown}{scale} dollars" if language == "en" else f"{shown}{scale}元"

    told = say(value)

    assert texts.count_figures(row(f"It was {told}.", f"So: {say(value)}.", language=language)) == (1, 1)
    assert texts.count_figures(row(f"It was {told}.", f"So: {say(value + wrong)}.", language=language)) == (0, 1)


def test_real_references_are_whole_beside_themselves(shared: Path):
    rows = json.loads((shared / "qa" / "datasets_finance_alpaca_977.json").read_text(encoding="utf-8"))
    measured = [texts.measure(row(each["output"], each["output"], each["input"], "zh")) for each in rows[::2]]

    assert {value for measures in measured for value in measures.values()} == {1.0}
    assert sum("figures_recall" in measures for measures in measured) > 250


# Means


@settings(deadline=None, max_examples=10)
@given(st.lists(st.lists(st.sampled_from((0.0, 0.25, 0.5, 1.0)), min_size=1, max_size=3), min_size=2, max_size=4))
def test_an_interval_is_that_of_all_resamples_of_clusters(groups: list[list[float]]):
    """Few clusters: all resamples can be listed, so that nothing is drawn."""
    values = [value for group in groups for value in group]
    clusters = [f"c{number}" for number, group in enumerate(groups) for _ in group]
    figure = texts.mean(values, clusters, Drawing(1, 2000))
    if len({fmean(group) for group in groups}) == 1:
        hits = fmean(values) * len(groups)
        low, high = metrics.wilson(int(hits), len(groups)).low, metrics.wilson(-int(-hits // 1), len(groups)).high
        assert (figure.low, figure.high) == (low, high)
        return
    chosen = itertools.product(groups, repeat=len(groups))
    means = sorted(fmean(value for group in some for value in group) for some in chosen)
    every = [mean for mean in means for _ in range(100)]  # so often that no quantile lies between two of them

    assert figure.value == pytest.approx(fmean(values), abs=1e-12)
    for found, share in ((figure.low, 0.025), (figure.high, 0.975)):
        around = (metrics.quantile(every, max(0.0, share - 0.015)), metrics.quantile(every, min(1.0, share + 0.015)))
        assert min(around[0], figure.value) - 1e-12 <= found <= max(around[1], figure.value) + 1e-12


def test_rows_of_one_chunk_are_not_worth_as_much_as_rows_apart():
    values = [float(number % 7 < 3) for number in range(70)]
    twice = [value for value in values for _ in range(2)]
    apart = texts.mean(twice, [str(number) for number in range(140)], DRAWING)
    tied = texts.mean(twice, [str(number // 2) for number in range(140)], DRAWING)
    alone = texts.mean(values, [str(number) for number in range(70)], DRAWING)

    assert (tied.low, tied.high) == (alone.low, alone.high)
    assert apart.high - apart.low < tied.high - tied.low
    one = texts.mean([1.0] * 40, ["c"] * 40, DRAWING)
    assert (one.low, one.high) == pytest.approx(metrics.wilson(1, 1))  # one passage, however many rows, proves little


# The four columns


def chunk(id: str, text: str) -> Chunk:
    return Chunk(
        id=id, document="r.pdf", language="en", first_page=1, last_page=1, section=(), text=text, tokens=1, blocks=()
    )


def item(id: str, *, input: str = "", chunks: tuple[str, ...] = ("c1",)) -> ScoringItem:
    return ScoringItem(id=id, number=int(id[1:]), options={}, right="5 million", instruction=f"Why {id}?", input=input, chunks=chunks)  # fmt: skip


PASSAGES = {"c1": chunk("c1", "Revenue was 5 million."), "c2": chunk("c2", "Costs fell.")}


def make_manifest() -> Manifest:
    return Manifest(
        name="set", command="pdf2qa", teacher="offline", settings={}, prompts={}, sources=(), unread={}, files={}, splits={},
        tasks={}, rejects={}, requests=0, usage=Usage(), cost_usd=0, split_by="chunk", versions={},
    )  # fmt: skip


def make_set(folder: Path, items: tuple[ScoringItem, ...]) -> Asked:
    """Rows of a set on the disk that has the passages and nothing else."""
    write_set(folder, SetContent(splits={}, rejected=[], chunks=list(PASSAGES.values()), manifest=make_manifest()))
    return Asked("set test", SOURCES["set test"], items, folder / "test.jsonl", folder)


def test_the_passage_of_a_row_comes_from_its_set():
    shown = columns.with_passage(item("r1", chunks=("c2", "c1")), PASSAGES, "test")

    assert shown.input == "Costs fell.\n\nRevenue was 5 million."
    assert columns.with_passage(shown, {}, "test") is shown  # it has it already
    with pytest.raises(SetError, match=r"build/x test, row 3 \(r3\): it was made of no passage"):
        columns.with_passage(item("r3", chunks=()), PASSAGES, "build/x test")
    with pytest.raises(SetError, match=r"no passage c9 in chunks\.jsonl"):
        columns.with_passage(item("r3", chunks=("c9",)), PASSAGES, "build/x test")
    with pytest.raises(UsageError, match="is no set"):
        columns.read_passages(None, "rows.jsonl")


@pytest.mark.parametrize(
    ("wanted", "contexts"),
    [
        ("none", {"": ["r1", "r3"], "passage": ["r2"]}),
        ("passage", {"passage": ["r1", "r2", "r3"]}),
        ("both", {"": ["r1", "r3"], "passage": ["r1", "r2", "r3"]}),
    ],
)
def test_every_row_is_asked_and_one_made_with_its_passage_is_asked_with_it(
    tmp_path: Path, wanted: Any, contexts: Mapping[str, list[str]]
):
    rows = (item("r1"), item("r2", input="its own passage"), item("r3"))
    found = {one.context: one.items for one in columns.in_contexts(make_set(tmp_path, rows), wanted)}

    assert {context: [one.id for one in items] for context, items in found.items()} == contexts
    assert all(one.input for one in found.get("passage", ()))
    assert all(not one.input for one in found.get("", ()))


def test_rows_that_lack_a_passage_are_never_asked_both_ways_unless_told(tmp_path: Path):
    imported = item("r4", input="the question itself stands here", chunks=())
    whole = make_set(tmp_path, (item("r1"), item("r2", input="its own passage")))

    assert columns.find_context(whole, tuned=True) == "both"
    assert columns.find_context(whole, tuned=False) == "none"
    assert columns.find_context(replace(whole, items=(imported, *whole.items)), tuned=True) == "none"
    assert columns.find_context(replace(whole, folder=None), tuned=True) == "none"
    (same,) = columns.in_contexts(replace(whole, items=(imported,)), "none")
    assert (same.context, same.items) == ("", (imported,))
    with pytest.raises(SetError, match="made of no passage"):
        list(columns.in_contexts(replace(whole, items=(imported,)), "both"))
    (tmp_path / "chunks.jsonl").write_text("")
    with pytest.raises(SetError, match="changed since the set was made"):
        list(columns.in_contexts(whole, "both"))


def test_where_the_passage_does_not_say_it_the_answer_that_says_so_is_right(tmp_path: Path):
    def record(id: str, output: str, label: str | None) -> Record:
        return Record(instruction="Why?", input="A passage.", output=output, id=id, task="qa-concept", language="en", label=label,
                      chunks=("c1",), teacher="offline", origin="document")  # fmt: skip

    rows = [record("r1", "Because.", None), record("r2", "The passage does not state this.", "not-stated")]
    manifest = make_manifest()
    write_set(tmp_path, SetContent(splits={"test": rows}, rejected=[], chunks=[], manifest=manifest))
    (asked,) = columns.in_contexts(read_asked(tmp_path), "none")

    assert (asked.is_text, asked.context) == (True, "passage")
    assert [one.right for one in asked.items] == ["Because.", "The passage does not state this."]


SOURCES = {
    "set test": ScoredRows(name="set", sha256=None, split="test", kind="set", means="transfer", same_teacher="offline"),
    "set memory": ScoredRows(name="set", sha256=None, split="memory", kind="set", means="recall"),
}


def make_report(answers: Mapping[tuple[str, str, str], Sequence[float]], more: str = "") -> Report:
    """A report of (subject, source, context) -> ROUGE-L of each row; `more` is a measure that goes the other way."""
    rows, scores = [], []
    for (subject, on, context), values in answers.items():
        own = [
            Prediction(
                subject=subject, on=on, context=context, id=f"r{number}", gold="x", value=None, correct=None, why="", answer="x",
                measures={"rouge_l": value, "char_f1": value} | ({more: 1 - value} if more else {}),
            )
            for number, value in enumerate(values)
        ]  # fmt: skip
        found = texts.score_texts(own, {one.id: one.id for one in own}, DRAWING)
        kind: Any = "base" if subject == "llama" else "adapter"
        scores.append(Score(subject=subject, kind=kind, on=on, context=context, method="generate", rows=len(own),
                            asked=len(own), texts=found))  # fmt: skip
        rows += own
    clusters = {(one.on, one.id): one.id for one in rows}
    return Report(name="s", sources=SOURCES, scores=tuple(scores), resamples=400, seed=0, version="0",
                  contrasts=columns.build_contrasts(scores, rows, clusters, DRAWING))  # fmt: skip


def spread(middle: float) -> list[float]:
    """44 values around it, in another order for each."""
    step = round(10 * middle)
    return [middle + 0.1 * ((number * step) % 11 - 5) / 5 for number in range(44)]


def test_four_columns_say_whether_tuning_is_worth_it():
    report = make_report({
        ("llama", "set test", ""): spread(0.2), ("llama", "set test", "passage"): spread(0.7),
        ("tuned", "set test", ""): spread(0.2), ("tuned", "set test", "passage"): spread(0.8),
        ("llama", "set memory", ""): spread(0.2), ("tuned", "set memory", ""): spread(0.6),
    })  # fmt: skip
    table = {(one.on, one.measure): one for one in columns.qa_table(report)}
    transfer, recall = columns.qa_sentences(report)[:3], columns.qa_sentences(report)[3:]

    assert list(table) == [(on, shown) for on in SOURCES for shown in ("ROUGE-L", "character F1")]
    assert [round(figure.value, 1) for figure in table["set test", "ROUGE-L"].cells.values() if figure] == [0.2, 0.7, 0.2, 0.8]  # fmt: skip
    assert list(table["set memory", "ROUGE-L"].cells) == list(columns.COLUMNS)
    assert table["set memory", "ROUGE-L"].cells["tuned + passage"] is None
    assert (table["set memory", "ROUGE-L"].means, table["set memory", "ROUGE-L"].rows) == ("recall", 44)
    assert transfer[0].startswith(
        "set test (transfer) synthetic, same teacher (offline): tuned closed-book beside llama"
    )
    assert "no difference shown" in transfer[0]
    assert "worse (-50.0 points" in transfer[1]
    assert transfer[1].endswith("retrieval serves you better than tuning here, where it finds the passage")
    assert transfer[2].endswith("tuning serves you beside retrieval too")
    assert len(recall) == 1
    assert recall[0].endswith("tuning serves you here")


def test_where_the_interval_holds_0_or_the_measures_disagree_nothing_is_claimed():
    noisy = [float(number % 2) for number in range(30)]
    beside = [float(number % 3 == 0) for number in range(30)]
    report = make_report({("llama", "set test", ""): noisy, ("tuned", "set test", ""): beside})
    (contrast,) = [one for one in report.contrasts if one.measure == "rouge_l"]

    assert contrast.difference.value == pytest.approx(-1 / 6)
    assert contrast.difference.low < 0 < contrast.difference.high
    assert "no difference shown (-16.7 points" in columns.qa_sentences(report)[0]

    torn = make_report({("llama", "set test", ""): spread(0.2), ("tuned", "set test", ""): spread(0.7)}, "figures_recall")  # fmt: skip
    assert "the measures disagree" in columns.qa_sentences(torn)[0]
    judged = make_report({("llama", "set test", ""): spread(0.2), ("tuned", "set test", ""): spread(0.7)}, "judged")
    assert "of judged the same" in columns.qa_sentences(judged)[0]


def test_a_contrast_is_over_the_rows_that_both_answered():
    report = make_report({("llama", "set test", ""): spread(0.2), ("tuned", "set test", ""): spread(0.5)[:10]})

    assert {one.rows for one in report.contrasts} == {10}
    assert all(isinstance(one, Contrast) for one in report.contrasts)


# Languages


def measured(*arguments: object, code: int = 0) -> list[dict[str, float]]:
    """The measures of each row of a score."""
    result = fingen("score", *arguments, "--out", "score", "--replace")
    assert result.exit_code == code, result.output
    lines = Path("score/predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["measures"] for line in lines]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
@pytest.mark.parametrize("apart", [True, False])
def test_rows_that_do_not_say_their_language_are_measured_in_that_of_their_texts(
    form: str, apart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    pairs = {"1": (ZH, ZH_ANSWER), "2": (EN, EN_ANSWER)}
    given = [{"id": id, "prediction": answer} | ({} if apart else {"gold": gold}) for id, (gold, answer) in pairs.items()]  # fmt: skip
    file = write_rows(tmp_path / f"mine.{form}", given)
    gold = write_rows(tmp_path / f"gold.{form}", [{"id": id, "gold": gold} for id, (gold, _) in pairs.items()])
    chinese, english = measured("--predictions", file, *(["--gold", gold] if apart else []))

    assert chinese == texts.measure(row(ZH, ZH_ANSWER, language="zh"))
    assert english == texts.measure(row(EN, EN_ANSWER, language="en"))
    assert chinese["rouge_l"] > 0.7 > texts.rouge_l(ZH, ZH_ANSWER, "en")


SAID: list[tuple[Any, Language]] = [
    *((said, "zh") for said in ("zh", "ZH", "zh-CN", "zh_Hans", "cn", "CN", "chinese", "Chinese (Simplified)", "中文")),
    *((said, "en") for said in ("en", "EN", "en-US", "en_GB", "English", "American English")),
    *((said, "zh") for said in ("", " ", None, "null", "None", math.nan)),  # nothing is said: it is found in the texts
]


@pytest.mark.parametrize(("said", "language"), SAID, ids=repr)
def test_a_column_says_the_language_in_many_ways(
    said: Any, language: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    file = write_rows(tmp_path / "m.jsonl", [{"id": "1", "gold": ZH, "prediction": ZH_ANSWER, "language": said}])

    assert measured("--predictions", file) == [texts.measure(row(ZH, ZH_ANSWER, language=language))]


@pytest.mark.parametrize("said", ["fr", "klingon", 5, ["zh"], "--"], ids=repr)
def test_a_language_that_is_not_known_is_named_with_its_row(said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"id": str(n), "gold": ZH, "prediction": ZH, "language": one} for n, one in enumerate(["zh", said])]
    result = fingen("score", "--predictions", write_rows(tmp_path / "m.jsonl", rows))

    assert result.exit_code == 2
    assert f"m.jsonl, line 2: language is {said!r}, neither English nor Chinese" in result.stderr
    assert "-> write" in result.stderr


@pytest.mark.parametrize(
    ("reference", "question", "language"),
    [
        (ZH, "What does the company say about its revenue, and what is the reason that it gives for the change?", "zh"),
        (EN, "公司的营业收入是多少？", "en"),
        ("EBITDA 为 12%，ROE 为 8%，GIL 业务占比 30%。", "", "zh"),
        ("12.5 %", "增长了多少？", "zh"),
        ("12.5 %", "By how much did it rise?", "en"),
        ("BYD Company", "谁是最大的客户？", "zh"),
        ("BYD Company", "Who is the largest client?", "en"),
        ("12.5亿元", "What was its revenue?", "zh"),
        ("12.5 %", "", "en"),
    ],
)
def test_a_reference_decides_unless_it_is_a_name_or_a_number(reference: str, question: str, language: Language):
    assert language_of(reference, question) == language


def test_an_imported_row_is_measured_in_the_language_of_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"instruction": "Translate into Chinese what follows, and keep every figure.", "input": EN, "output": ZH}]
    made = fingen("import", "alpaca", write_rows(tmp_path / "rows.jsonl", rows), "--split", "test", "--out", "build/t")
    assert made.exit_code == 0, made.output
    (record,) = read_asked(Path("build/t"), "test").items
    file = write_rows(tmp_path / "m.jsonl", [{"id": record.id, "prediction": ZH_ANSWER}])

    assert measured("--predictions", file, "--gold", "build/t") == [texts.measure(row(ZH, ZH_ANSWER, EN, "zh"))]


def test_a_chinese_answer_of_a_sentence_is_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A sentence has a third of the characters in Chinese."""
    monkeypatch.chdir(tmp_path)
    reference = "公司主营业务为输电设备的研发、生产和销售，主要客户为国家电网及其下属公司。"
    file = write_rows(tmp_path / "m.jsonl", [{"id": "1", "gold": reference, "prediction": reference}])

    assert measured("--predictions", file)[0]["rouge_l"] == 1
