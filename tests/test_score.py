"""`fingen score` and `fingen compare`: answers are read and never guessed, rows are counted and never dropped."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import read_rows

from fingen.cli import main
from fingen.metrics import wilson
from fingen.scoring.parse import parse_answer

LABELS = ("行业板块问询", "个股问询", "大盘问询", "客服问询", "基金问询")
ZH = dict(zip("ABCDE", LABELS, strict=True))
EN = {"A": "market outlook", "B": "single stock", "C": "fund", "I": "something else"}
SENTIMENT = {name: name for name in ("positive", "mildly positive", "neutral", "negative")}
FIXTURE = "intent/scorer_fixture_predictions_3x75.jsonl"


def fingen(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Reading


@pytest.mark.parametrize(
    ("answer", "options", "value"),
    [
        ("B", ZH, "B"),
        (" B.\n", ZH, "B"),
        ("b.", ZH, "B"),
        ("选b", ZH, "B"),
        ("The answer is (b).", EN, "B"),
        ("(b)", ZH, "B"),
        ("Ｂ．", ZH, "B"),
        ("**B**", ZH, "B"),
        ("$\\boxed{B}$", ZH, "B"),
        ("B. 个股问询", ZH, "B"),
        ("B.个股问询", ZH, "B"),
        ("B-个股问询", ZH, "B"),
        ("选项B", ZH, "B"),
        ("答案是 B", ZH, "B"),
        ("答案：B。", ZH, "B"),
        ("根据“A股今天怎么走”，这是关于大盘问询的。所以答案是 C. 大盘问询。", ZH, "C"),
        ("个股问询", ZH, "B"),
        ("这是一个个股问询。", ZH, "B"),
        ("选B，因为不是大盘问询", ZH, "B"),
        *[
            (f"{begin}A 还是 C？{end}B", ZH, "B")
            for begin, end in (
                ("<think>", "</think>"),
                ("<thinking>", "</thinking>\n"),
                ("<reasoning>", "</reasoning><answer>"),
                ("[THINK]", "[/THINK]"),
                ("<seed:think>", "</seed:think>"),
                ("◁think▷", "◁/think▷"),
                ("<|begin_of_thought|>", "<|end_of_thought|>"),
                ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
                ("analysis\n", "assistantfinal"),
            )
        ],
        ("The answer is A", EN, "A"),
        ("A is correct.", EN, "A"),
        ("A client asks about one company: B", EN, "B"),
        ("I think it is C.", EN, "C"),
        ("Option I", EN, "I"),
        ("Single  Stock", EN, "B"),
        ("A client asks about a fund", EN, "C"),
        ("Positive", SENTIMENT, "positive"),
        ("mildly positive", SENTIMENT, "mildly positive"),
    ],
)
def test_an_answer_that_names_one_option_is_read(answer: str, options: dict[str, str], value: str):
    assert parse_answer(answer, options).value == value


@pytest.mark.parametrize(
    ("answer", "options", "why"),
    [
        ("", ZH, "empty"),
        ("不知道", ZH, "names no option"),
        ("G", ZH, "G is no option"),
        ("B是错的", ZH, "says what it is not: B"),
        ("B is wrong", EN, "says what it is not: B"),
        ("除了B", ZH, "says what it is not: B"),
        ("非个股问询", ZH, "says what it is not: B"),
        ("Answer: a stock question", EN, "names no option"),
        ("A or B", ZH, "names several letters: A, B"),
        ("A/B", ZH, "names several letters: A, B"),
        ("A. 行业板块问询\nB. 个股问询\n答案：B", ZH, "names several letters: A, B"),
        ("答案是B，而不是A", ZH, "names several letters: B, A"),
        ("AB", ZH, "names no option"),
        ("不是A", ZH, "says what it is not: A"),
        ("B. 大盘问询", ZH, "letter B with the text of C"),
        ("个股问询或大盘问询", ZH, "names several options: B, C"),
        ("这不是个股问询", ZH, "says what it is not: B"),
        ("K线走弱", ZH, "names no option"),
        ("C类份额", ZH, "names no option"),
        *[
            (f"{begin}A", ZH, "still thinking when it ended")
            for begin in (
                "<think>",
                "<thinking>",
                "<thought>\n",
                "[THINK]",
                "<|channel|>analysis<|message|>",
                "<seed:think>",
            )
        ],
        ("A client wants something.", EN, "names no option"),
        ("I do not know.", EN, "names no option"),
        ("Class A shares", EN, "names no option"),
        ("The answer is not B", EN, "says what it is not: B"),
        ("funding", EN, "names no option"),
        ("not positive", SENTIMENT, "says what it is not: positive"),
        ("neutral or negative", SENTIMENT, "names several options: neutral, negative"),
        ("N", SENTIMENT, "names no option"),
    ],
)
def test_an_answer_that_names_none_or_several_is_not_guessed(answer: str, options: dict[str, str], why: str):
    reading = parse_answer(answer, options)

    assert (reading.value, reading.why) == (None, why)


FORMS = Path(__file__).with_name("answer_forms.jsonl")  # {answer, options, value: the key that it names, null: none}


def test_every_form_of_an_answer_is_read_as_what_it_names_or_not_at_all(tmp_path: Path):
    """Negations, other numbers, letters of names, thinking, and beside each kind the forms that look like it and do name one."""
    forms = [json.loads(line) for line in FORMS.read_text(encoding="utf-8").splitlines()]
    named = [{"id": f"r{n}", "question": "?", "options": form["options"], "gold": "A"} for n, form in enumerate(forms)]
    given = [{"id": f"r{n}", "prediction": form["answer"]} for n, form in enumerate(forms)]
    gold, pred = write(tmp_path / "gold.jsonl", named), write(tmp_path / "pred.jsonl", given)

    result = fingen("score", "--predictions", pred, "--gold", gold, "--out", tmp_path / "score")

    assert result.exit_code == 0, result.stderr
    got = {row["id"]: row["value"] for row in read_rows(tmp_path / "score" / "predictions.jsonl")}
    wanted = {f"r{n}": form["value"] and form["options"][form["value"]] for n, form in enumerate(forms)}
    wrong = {forms[int(id[1:])]["answer"]: (got[id], wanted[id]) for id in wanted if got[id] != wanted[id]}
    assert not wrong


def test_a_free_text_is_measured_without_what_was_thought_before_it(tmp_path: Path):
    texts = [
        f"In {year} the revenue rose to $5 million, as more lines were sold abroad and prices held through all of the four quarters of the year."
        for year in range(2000, 2012)
    ]
    gold = write(
        tmp_path / "gold.jsonl", [{"id": str(n), "question": "?", "gold": text} for n, text in enumerate(texts)]
    )
    said = [*texts[:-2], f"<think>It fell to $4 million.</think>{texts[-2]}", f"<thinking>{texts[-1]}"]
    pred = write(tmp_path / "pred.jsonl", [{"id": str(n), "prediction": one} for n, one in enumerate(said)])

    result = fingen("score", "--predictions", pred, "--gold", gold, "--out", tmp_path / "score")

    assert result.exit_code == 0, result.stderr
    *_, plain, thought, cut = read_rows(tmp_path / "score" / "predictions.jsonl")
    assert plain["measures"] == thought["measures"]
    assert (cut["why"], cut["measures"]["rouge_l"]) == ("still thinking when it ended", 0)


FRAMES = st.sampled_from(
    ["{}", "{}.", "({})", "**{}**", "选项{}", "答案是 {}", "答案：{}。", "The answer is {}.", "Option {}", "{}\n", " {} ", "【{}】", "我选{}，谢谢"]
)  # fmt: skip
LETTERS = st.sampled_from("ABCDE")


def widened(text: str) -> str:
    """The same in full-width forms."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@given(FRAMES, LETTERS, st.sampled_from(["", ". ", "、", "：", " "]), st.booleans(), st.booleans())
def test_a_letter_is_read_in_any_frame(frame: str, letter: str, joint: str, with_text: bool, wide: bool):
    answer = frame.format(letter + (joint + ZH[letter] if with_text else ""))

    assert parse_answer(widened(answer) if wide else answer, ZH).value == letter


@given(FRAMES, FRAMES, LETTERS, LETTERS, st.sampled_from(["\n", "，", " 或 ", " or "]))
def test_two_letters_are_one_only_if_they_are_the_same(one: str, other: str, first: str, second: str, joint: str):
    value = parse_answer(one.format(first) + joint + other.format(second), ZH).value

    assert value == (first if first == second else None)


@settings(max_examples=300)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("ABCDE不是 .选项"), max_size=60))
def test_any_text_is_read_as_an_option_that_it_names_or_as_none(answer: str):
    reading = parse_answer(answer, ZH)

    assert reading.why
    assert reading.value is None or reading.value in ZH
    plain = parse_answer("".join(c for c in answer if c.isascii() and not c.isalpha()), ZH)
    assert plain.value is None


def test_a_long_answer_is_read_in_time():
    parts = [
        "A ",
        "(",
        " A",
        "answer ",
        "个股问询",
        "single ",
        "<think>",
        "不是",
        "not ",
        "b",
        "no ",
        "没有",
        "5.",
        "<think>A</think>",
    ]
    """Twenty seconds of the CPU, however busy the machine is: it takes far less, and for ever where a pattern backtracks."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "from fingen.scoring.parse import parse_answer\n"
        f"for text in {parts!r}:\n"
        f"    for options in {(ZH, EN)!r}:\n"
        "        parse_answer(text * 20_000, options)\n"
        "        parse_answer('x ' + text + ' ' * 50_000 + text, options)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# The published case


def test_the_published_accuracies_of_three_models(shared: Path):
    result = fingen("score", "--predictions", shared / FIXTURE, "--json")
    scores = {score["subject"]: score for score in json.loads(result.stdout)["scores"]}

    assert result.exit_code == 0, result.stderr
    accuracies = {name: f"{score['choices']['accuracy']['value']:.2%}" for name, score in scores.items()}
    assert accuracies == {"baichuan2-7b": "70.67%", "chatglm3_6b": "49.33%", "llama3-8b-instruct": "74.67%"}
    assert {score["rows"] for score in scores.values()} == {75}
    assert [score["choices"]["unparseable"] for score in scores.values()] == [0, 2, 0]
    assert scores["chatglm3_6b"]["choices"]["unparseable_why"] == {"G is no option": 2}


def test_strict_equality_would_have_missed_them(shared: Path):
    rows = [json.loads(line) for line in (shared / FIXTURE).read_text(encoding="utf-8").splitlines()]
    strict = [row["pred_answer"] == row["gold"] for row in rows if row["model"] == "baichuan2-7b"]

    assert f"{sum(strict) / len(strict):.2%}" == "1.33%"


def test_the_three_models_compared(shared: Path):
    fingen("score", "--predictions", shared / FIXTURE, "--out", "build/scores/m")
    result = fingen("compare", "build/scores/m")

    assert result.exit_code == 0, result.stderr
    assert f"baichuan2-7b -> llama3-8b-instruct on {Path(FIXTURE).name}: no difference shown" in result.stdout
    assert (
        f"chatglm3_6b -> llama3-8b-instruct on {Path(FIXTURE).name}: a difference is shown: llama3-8b-instruct"
        in result.stdout
    )
    found = json.loads(fingen("compare", "build/scores/m", "--json").stdout)["comparisons"]
    alone = [(22, 6), (7, 10), (7, 26)]  # counted in the file
    assert [(one["first_only"], one["second_only"]) for one in found] == alone
    tails = [2 * sum(math.comb(sum(pair), k) for k in range(min(pair) + 1)) / 2 ** sum(pair) for pair in alone]
    assert [one["p"] for one in found] == pytest.approx(tails, rel=1e-12)
    pairs = json.loads(Path("build/scores/m/score.json").read_text(encoding="utf-8"))["pairs"]
    assert [(one["first"], one["second"], one["p"]) for one in pairs] == [
        (o["first"], o["second"], o["p"]) for o in found
    ]


# Scores


GOLD = [
    {"id": f"q{number}", "question": "?", "options": ZH, "answer": "ABCDE"[number % 5]} for number in range(10)
]  # as in OpenFinData, but with the options in one column


def answers(*texts: str) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "prediction": text} for number, text in enumerate(texts)]


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write(tmp_path / "gold.jsonl", GOLD)


RIGHT = [f"{row['answer']}. {ZH[row['answer']]}" for row in GOLD]


def test_a_score_says_every_figure_with_its_uncertainty(tmp_path: Path, gold: Path):
    file = write(tmp_path / "mine.jsonl", answers(*RIGHT[:7], "A", "A or B", ""))
    result = fingen("score", "--predictions", file, "--gold", gold)
    report = json.loads(Path("build/scores/mine/score.json").read_text(encoding="utf-8"))["scores"][0]["choices"]

    assert result.exit_code == 0, result.stderr
    assert "| mine | gold.jsonl | 10 | 70.00 (39.7–89.2) |" in result.stdout  # Wilson, by hand
    assert "2 (20.00 %)" in result.stdout
    shares = report["classes"]["行业板块问询"]
    assert {**shares, "precision": shares["precision"]["value"], "recall": shares["recall"]["value"]} == {
        "precision": 2 / 3, "recall": 1.0, "f1": pytest.approx(0.8), "support": 2, "answered": 3,
    }  # fmt: skip
    assert report["confusion"]["客服问询"] == {"": 1, "客服问询": 1}
    assert report["unparseable_why"] == {"names several letters: A, B": 1, "empty": 1}
    for figure in ("macro_f1", "micro_f1", "weighted_f1"):
        assert report[figure]["low"] <= report[figure]["value"] <= report[figure]["high"]
    rows = [json.loads(line) for line in Path("build/scores/mine/predictions.jsonl").read_text("utf-8").splitlines()]
    assert rows[7] == {
        "subject": "mine", "on": "gold.jsonl", "context": "", "id": "q7", "gold": "大盘问询",
        "text": "?\nA. 行业板块问询\nB. 个股问询\nC. 大盘问询\nD. 客服问询\nE. 基金问询\nAnswer with the letter only.",
        "value": "行业板块问询", "correct": False, "why": "letter", "answer": "A", "letter": "A", "cut": False,
        "probabilities": None, "measures": {}, "rotated": None,
    }  # fmt: skip
    card = Path("build/scores/mine/README.md").read_text(encoding="utf-8")
    assert "| mine | gold.jsonl | 10 | 70.00 (39.7–89.2) |" in card
    assert "names several letters: A, B (1)" in card


def test_the_same_answers_give_the_same_bytes(tmp_path: Path, gold: Path):
    file = write(tmp_path / "mine.jsonl", answers(*RIGHT[:9], "A"))
    written = []
    for _ in range(2):
        assert fingen("score", "--predictions", file, "--gold", gold).exit_code == 0
        files = [path for path in Path("build/scores/mine").rglob("*") if path.is_file()]
        written.append({path.name: path.read_bytes() for path in files})

    assert written[0] == written[1]
    assert set(written[0]) > {"README.md", "predictions.jsonl", "score.json", "report.html", "accuracy.svg"}
    assert str(tmp_path).encode() not in b"".join(written[0].values())


def test_missing_and_unknown_rows_are_named_and_counted(tmp_path: Path, gold: Path):
    file = write(tmp_path / "mine.jsonl", [*answers(*RIGHT[:8]), {"id": "q77", "prediction": "A"}])
    result = fingen("score", "--predictions", file, "--gold", gold)

    assert result.exit_code == 1
    assert "2 of 10 rows have no answer: q8, q9" in result.stdout
    assert "with the others as wrong: 80.00 %" in result.stdout
    assert "1 answers have no row and do not count: q77" in result.stdout
    assert "| mine | gold.jsonl | 8 | 100.00 (67.6–100.0) |" in result.stdout
    report = json.loads(fingen("score", "--predictions", file, "--gold", gold, "--json").stdout)
    assert report["exit_code"] == 1
    assert (report["scores"][0]["missing"], report["scores"][0]["unknown"]) == (["q8", "q9"], ["q77"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["A", "B", "A or B", "", "个股问询", None]), min_size=12, max_size=12))
def test_every_row_and_every_answer_is_accounted_for(texts: list[str | None]):
    rows = [{"id": f"q{number}", "output": text} for number, text in enumerate(texts) if text is not None]
    rows.append({"id": "q0x", "output": "A"})
    with tempfile.TemporaryDirectory() as folder:
        gold, file = write(Path(folder, "gold.jsonl"), GOLD), write(Path(folder, "mine.jsonl"), rows)
        result = fingen("score", "--predictions", file, "--gold", gold, "--out", Path(folder, "score"), "--json")
    if result.exit_code == 2:
        assert not {row["id"] for row in rows} & {row["id"] for row in GOLD}
        return
    score = json.loads(result.stdout)["scores"][0]

    assert score["rows"] + len(score["missing"]) == score["asked"] == len(GOLD)
    assert score["rows"] + len(score["unknown"]) == len(rows)
    assert sum(rows for row in score["choices"]["confusion"].values() for rows in row.values()) == score["rows"]
    assert sum(row.get("", 0) for row in score["choices"]["confusion"].values()) == score["choices"]["unparseable"]
    assert sum(score["choices"]["unparseable_why"].values()) == score["choices"]["unparseable"]


def test_rows_by_number_and_gold_in_columns(tmp_path: Path):
    columns = [{"question": "?", **ZH, "answer": letter} for letter in "ABC"]
    gold = tmp_path / "gold.json"
    gold.write_text(json.dumps(columns), encoding="utf-8")
    csv = tmp_path / "mine.csv"
    csv.write_text("row,answer\n3,C\n1,A\n2,A\n", encoding="utf-8")
    result = fingen("score", "--predictions", csv, "--gold", gold, "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["scores"][0]["choices"]["accuracy"]["value"] == pytest.approx(2 / 3)


def test_a_set_is_scored_on_its_test_split(tmp_path: Path):
    asked = fingen(
        "synth", "intent", "--n", 10, "--validation", 5, "--test", 10, "--teacher", "offline", "--out", "build/i"
    )
    assert asked.exit_code == 0, asked.stderr
    rows = read_rows(Path("build/i/test.jsonl"))
    # the text alone: letters stand for other labels in other rows
    file = write(tmp_path / "mine.jsonl", [{"id": row["id"], "prediction": row["label"]} for row in rows])

    for gold in ("build/i", "build/i/test.jsonl"):
        report = json.loads(fingen("score", "--predictions", file, "--gold", gold, "--json").stdout)
        score, source = report["scores"][0], report["sources"]["i test"]
        assert (source["name"], source["split"], source["kind"]) == ("i", "test", "set")
        assert source["same_teacher"] == "offline"
        assert (score["rows"], score["choices"]["accuracy"]["value"]) == (10, 1)
        assert set(score["choices"]["classes"]) == {row["label"] for row in rows}
    with Path("build/i/test.jsonl").open("a", encoding="utf-8") as test:
        test.write("\n")
    changed = fingen("score", "--predictions", file, "--gold", "build/i/test.jsonl", "--replace")
    assert changed.exit_code == 2
    assert "changed since the set was made" in changed.stderr


def test_a_score_of_other_answers_is_not_written_over(tmp_path: Path, gold: Path):
    file = write(tmp_path / "mine.jsonl", answers(*RIGHT))
    assert fingen("score", "--predictions", file, "--gold", gold).exit_code == 0
    before = Path("build/scores/mine/score.json").read_bytes()
    write(file, answers(*reversed(RIGHT)))
    refused = fingen("score", "--predictions", file, "--gold", gold)

    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    assert Path("build/scores/mine/score.json").read_bytes() == before
    assert fingen("score", "--predictions", file, "--gold", gold, "--replace").exit_code == 0
    assert fingen("score", "--predictions", file, "--gold", gold, "--out", ".").exit_code == 2  # not a score's folder


BAD = {
    "no rows": ("", "mine.jsonl: no rows"),
    "not JSON": ("{\n", "mine.jsonl, line 1: not JSON"),
    "no answer": ('{"id": "q0"}\n', "line 1: no answer in id"),
    "no id": ('{"id": "q0", "prediction": "A"}\n{"prediction": "A"}\n', "line 2: no id, and no row number"),
    "row 0": ('{"row": 0, "prediction": "A"}\n', "line 1: no id, and no row number"),
    "a number": ('{"id": "q0", "prediction": 3}\n', "line 1: prediction is int, not text"),
    "twice": ('{"id": "q0", "prediction": "A"}\n' * 2, "line 2: answer of one subject to id q0 is there twice"),
    "by both": (
        '{"id": "q0", "prediction": "A"}\n{"row": 1, "prediction": "B"}\n',
        "line 2: row q0 is answered twice",
    ),
    "two columns": ('{"id": "q0", "answer": "A", "output": "B"}\n', "line 1: answer and output"),
    "other ids": ('{"id": "x", "prediction": "A"}\n', "none of 1 answers of mine has a row"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_answers_are_refused_by_file_and_row(name: str, tmp_path: Path, gold: Path):
    text, message = BAD[name]
    (tmp_path / "mine.jsonl").write_text(text, encoding="utf-8")
    result = fingen("score", "--predictions", tmp_path / "mine.jsonl", "--gold", gold)

    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert "->" in result.stderr
    assert not Path("build").exists()


BAD_GOLD = {
    "empty": ([], "no rows"),
    "outside": ([{"id": "q0", "options": ZH, "answer": "F"}], "line 1: 'F' is none of the options A, B, C, D, E"),
    "twice": ([GOLD[0], GOLD[0]], "line 2: id q0 is there twice, first in"),
    "no gold": ([{"id": "q0", "options": ZH}], "line 1: no gold answer"),
    "both": ([GOLD[0], {"id": "q1", "answer": "It rose. " * 20}], "line 1 is a choice and"),
    "options": ([{"id": "q0", "options": {"A": 3}, "answer": "A"}], "line 1: options are no texts"),
}


@pytest.mark.parametrize("name", BAD_GOLD)
def test_bad_gold_is_refused_by_file_and_row(name: str, tmp_path: Path):
    rows, message = BAD_GOLD[name]
    gold = write(tmp_path / "gold.jsonl", rows)
    result = fingen("score", "--predictions", write(tmp_path / "mine.jsonl", answers("A")), "--gold", gold)

    assert result.exit_code == 2, result.stderr
    assert message in result.stderr


def test_without_gold_and_without_files_the_next_step_is_said(tmp_path: Path, gold: Path):
    file = write(tmp_path / "mine.jsonl", answers("A"))
    for arguments in (
        ["--predictions", file],
        ["--predictions", file, "--gold", "none.jsonl"],
        ["--predictions", "no"],
    ):
        result = fingen("score", *arguments)
        assert result.exit_code == 2
        assert "->" in result.stderr


@pytest.mark.parametrize(("said", "value"), [("A", 1.0), ("B", 0.0), ("?", 0.0)])
def test_rows_of_one_class_have_figures_too(said: str, value: float, tmp_path: Path):
    gold = write(tmp_path / "gold.jsonl", [{**row, "answer": "A"} for row in GOLD])
    file = write(tmp_path / "mine.jsonl", answers(*[said] * 10))
    choices = json.loads(fingen("score", "--predictions", file, "--gold", gold, "--json").stdout)["scores"][0][
        "choices"
    ]

    for name in ("accuracy", "macro_f1", "micro_f1", "weighted_f1"):
        assert choices[name]["value"] == value
        assert 0 <= choices[name]["low"] <= value <= choices[name]["high"] <= 1
        assert choices[name]["high"] - choices[name]["low"] > 0.2  # ten rows alike are no certainty


# What figures must be seen beside


def everywhere(name: str) -> dict[str, str]:
    """A score as its card and its page tell it, the page as plain text."""
    folder = Path("build/scores", name)
    page = html.unescape(re.sub(r"<[^>]+>", "", (folder / "report.html").read_text(encoding="utf-8")))
    return {"card": (folder / "README.md").read_text(encoding="utf-8"), "page": page}


UNEVEN = [
    {**row, "id": f"q{number}", "answer": "AABAC"[number % 5]} for number, row in enumerate(GOLD * 2)
]  # A: 12 of 20, B: 4, C: 4


def test_the_majority_class_of_the_scored_rows_stands_in_every_table(tmp_path: Path):
    gold = write(tmp_path / "gold.jsonl", UNEVEN)
    file = write(tmp_path / "mine.jsonl", answers(*("AB"[number % 2] for number in range(19))))  # the last row has none
    result = fingen("score", "--predictions", file, "--gold", gold)
    majority = json.loads(Path("build/scores/mine/score.json").read_text("utf-8"))["scores"][0]["choices"]["majority"]
    low, high = wilson(12, 19)

    line = (
        f"| majority class: 行业板块问询 | gold.jsonl | 19 | {100 * 12 / 19:.2f} ({100 * low:.1f}–{100 * high:.1f}) |"
    )
    assert line in result.stdout
    assert line in everywhere("mine")["card"]
    assert re.search(
        r"majority class: 行业板块问询\s*one answer to every row\s*19\s*63\.16", everywhere("mine")["page"]
    )
    assert majority["answer"] == "行业板块问询"
    f1 = 2 * 12 / (12 + 19)  # of the class; the other two have none
    found = [majority[name]["value"] for name in ("accuracy", "macro_f1", "micro_f1", "weighted_f1")]
    assert found == pytest.approx([12 / 19, f1 / 3, 12 / 19, f1 * 12 / 19])


SHIFTED = [
    {"id": f"q{n}", "question": "?", "options": dict(zip("ABCDE", LABELS[n % 5 :] + LABELS[: n % 5], strict=True)), "answer": "A"}
    for n in range(20)
]  # fmt: skip  # each label stands at each letter, and A is right
SAME: dict[str, tuple[list[dict[str, Any]], list[str], str | None]] = {
    "another than the majority": (UNEVEN, ["B"] * 20, "answers 个股问询 in 100.0 % of the rows, which is right in 4 of them"),
    "the majority": (UNEVEN, ["A"] * 19 + ["B"], "answers 行业板块问询 in 95.0 % of the rows, which is right in 12 of them"),
    "with some unread": (UNEVEN, ["个股问询"] * 18 + ["", "?"], "answers 个股问询 in 90.0 % of the rows, which is right in 4 of them"),
    "a letter": (SHIFTED, ["B"] * 19 + ["A"], "answers the letter B in 95.0 % of the rows, which is right in 0 of them"),
    "not quite": (UNEVEN, ["B"] * 17 + ["A"] * 3, None),
    "a text at each letter": (SHIFTED, list(LABELS) * 4, "answers the letter A in 100.0 % of the rows, which is right in 20 of them"),
    "texts at other letters": (SHIFTED, list(LABELS[::-1]) * 4, None),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_a_subject_that_answers_nearly_always_the_same_is_named(name: str, tmp_path: Path):
    rows, texts, said = SAME[name]
    gold = write(tmp_path / "gold.jsonl", rows)
    result = fingen("score", "--predictions", write(tmp_path / "mine.jsonl", answers(*texts)), "--gold", gold)
    apart = write(tmp_path / "apart.jsonl", answers(*("ABCD"[number % 4] for number in range(20))))
    assert fingen("score", "--predictions", apart, "--gold", gold).exit_code == 0
    beside = fingen("compare", "build/scores/mine", "build/scores/apart")
    (one,) = json.loads(fingen("compare", "build/scores/mine", "build/scores/apart", "--json").stdout)["comparisons"]

    assert result.exit_code == 0, result.stderr
    for told in (result.stdout, *everywhere("mine").values(), beside.stdout):
        assert said in told if said else " % of the rows, which is right in " not in told
    assert one["constant"] == [said, None]
    assert f"majority class ({one['majority']}): {100 * one['majority_accuracy']:.2f} % of these rows" in beside.stdout


@pytest.mark.parametrize(("column", "value"), [("finish_reason", "length"), ("stop_reason", "MAX_TOKENS")])
def test_answers_of_a_file_that_were_cut_off_are_counted(column: str, value: str, tmp_path: Path, gold: Path):
    rows = [{**row, column: value if number < 3 else "stop"} for number, row in enumerate(answers(*RIGHT))]
    result = fingen("score", "--predictions", write(tmp_path / "mine.jsonl", rows), "--gold", gold)
    (score,) = json.loads(Path("build/scores/mine/score.json").read_text(encoding="utf-8"))["scores"]

    assert score["cut"] == 3
    for told in (result.stdout, *everywhere("mine").values()):
        assert "3 answers were cut off at the limit of tokens" in told


NAME = "chatglm3_6b*[x]\x1b[31m\u202e\r\n# `z`"


def test_the_terminal_has_plain_text_and_the_card_markdown(tmp_path: Path, gold: Path):
    rows = [{**row, "model": model} for model in (NAME, "other") for row in answers(*RIGHT)]
    result = fingen("score", "--predictions", write(tmp_path / "m.jsonl", rows), "--gold", gold)
    compared = fingen("compare", "build/scores/m")

    for told in (result.stdout, compared.stdout):
        assert r"chatglm3_6b*[x]\u001b[31m\u202e\r\n# `z`" in told
        assert not {"\x1b", "\u202e", "\r"} & set(told)
        assert "&#" not in told
    written_out = r"| chatglm3\_6b\*\[x\]&#92;u001b\[31m&#92;u202e&#92;r&#92;n\# &#96;z&#96; |"
    assert written_out in everywhere("m")["card"]
    for told in everywhere("m").values():
        assert not {"\x1b", "\u202e", "\r"} & set(told)


def test_a_score_of_an_older_version_is_still_compared(tmp_path: Path, gold: Path):
    old, new = scored(tmp_path, gold, "old", RIGHT), scored(tmp_path, gold, "new", ["B"] * 10)
    rows = [json.loads(line) for line in (old / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    write(old / "predictions.jsonl", [{k: v for k, v in row.items() if k not in ("letter", "cut")} for row in rows])
    report = json.loads((old / "score.json").read_text(encoding="utf-8"))
    report["predictions"] = hashlib.sha256((old / "predictions.jsonl").read_bytes()).hexdigest()
    for one in report["scores"]:
        del one["cut"], one["choices"]["majority"], one["choices"]["constant"]
    (old / "score.json").write_text(json.dumps(report), encoding="utf-8")
    (one,) = json.loads(fingen("compare", old, new, "--json").stdout)["comparisons"]

    assert (one["majority"], one["majority_accuracy"]) == (
        "个股问询",
        0.2,
    )  # of equally common classes the first by name
    assert one["constant"] == [None, "answers 个股问询 in 100.0 % of the rows, which is right in 2 of them"]
    again = fingen("score", "--predictions", tmp_path / "old.jsonl", "--gold", gold)
    assert (again.exit_code, "majority class" in again.stdout) == (0, True)


# Comparisons


def scored(tmp_path: Path, gold: Path, name: str, texts: Iterable[str]) -> Path:
    fingen("score", "--predictions", write(tmp_path / f"{name}.jsonl", answers(*texts)), "--gold", gold)
    return Path("build/scores") / name


def test_a_comparison_is_on_the_rows_that_both_answered(tmp_path: Path, gold: Path):
    first = scored(tmp_path, gold, "first", RIGHT)
    second = scored(tmp_path, gold, "second", ["E", "E", "E", "", *RIGHT[4:8]])
    result = fingen("compare", first, second)
    (one,) = json.loads(fingen("compare", first, second, "--json").stdout)["comparisons"]

    assert result.exit_code == 1
    assert "no difference shown" in result.stdout
    assert "2 rows are in first alone and do not count: q8, q9" in result.stdout
    assert (one["rows"], one["first_only"], one["second_only"], one["p"]) == (8, 4, 0, 2 / 16)
    assert one["difference"] == -0.5
    assert one["low"] <= -0.5 <= one["high"] <= 0
    assert one["unparseable"] == [0, 1]
    (turned,) = json.loads(fingen("compare", second, first, "--json").stdout)["comparisons"]
    assert (turned["difference"], turned["p"]) == (0.5, one["p"])


def test_subjects_of_several_scores_are_compared_source_by_source(tmp_path: Path, gold: Path):
    right, wrong = answers(*RIGHT), answers(*["A or B"] * 10)
    both = [{**row, "model": "x"} for row in right] + [{**row, "model": "y"} for row in wrong]
    other = write(tmp_path / "other.jsonl", [{**row, "id": f"o{n}"} for n, row in enumerate(GOLD)])
    for name, rows, file in (
        ("one", both, gold),
        ("two", right, gold),
        ("far", [{**row, "id": f"o{n}"} for n, row in enumerate(right)], other),
    ):
        fingen("score", "--predictions", write(tmp_path / f"{name}.jsonl", rows), "--gold", file)
    result = fingen("compare", *(f"build/scores/{name}" for name in ("one", "two")), "--json")
    found = [(one["first"], one["second"], one["difference"]) for one in json.loads(result.stdout)["comparisons"]]

    assert found == [("x", "y", -1.0), ("x", "two", 0.0), ("y", "two", 1.0)]
    intervals = [(one["low"], one["high"]) for one in json.loads(result.stdout)["comparisons"]]
    most = 1.96**2 / (10 + 1.96**2)  # Wilson's of none in ten
    for interval, wanted in zip(intervals, [(-1, -1 + 2 * most), (-most, most), (1 - 2 * most, 1)], strict=True):
        assert interval == pytest.approx(wanted, abs=1e-4)
    fingen("score", "--predictions", tmp_path / "two.jsonl", "--gold", gold, "--out", "build/scores/again")
    names = [
        (one["first"], one["second"])
        for one in json.loads(fingen("compare", "build/scores/two", "build/scores/again", "--json").stdout)[
            "comparisons"
        ]
    ]
    assert names == [("two: two", "again: two")]
    apart = fingen("compare", "build/scores/one", "build/scores/two", "build/scores/far")
    assert apart.exit_code == 2
    assert "no row in common" in apart.stderr


def test_what_cannot_be_compared_is_refused(tmp_path: Path, gold: Path):
    first = scored(tmp_path, gold, "first", RIGHT)
    other = write(tmp_path / "other.jsonl", [{**row, "answer": "A"} for row in GOLD])
    moved = scored(tmp_path, other, "moved", RIGHT)
    apart = write(tmp_path / "apart.jsonl", [{"id": "z", "gold": "A", "prediction": "A"}])
    fingen("score", "--predictions", apart)
    (first / "copy").mkdir()

    for folders, message in (
        ((first,), "two different scores"),
        ((first, first), "two different scores"),
        ((first, tmp_path), "no score"),
        ((first, moved), "row q1: '个股问询' is right in first, '行业板块问询' in moved"),
        ((first, "build/scores/apart"), "no row in common"),
    ):
        result = fingen("compare", *folders)
        assert result.exit_code == 2, message
        assert message in result.stderr
    (first / "predictions.jsonl").write_text("", encoding="utf-8")
    assert "changed since" in fingen("compare", first, moved).stderr
    (moved / "score.json").write_text("{}", encoding="utf-8")
    assert fingen("compare", moved, first).exit_code == 2


def test_neither_command_reaches_torch(tmp_path: Path, gold: Path):
    file = write(tmp_path / "mine.jsonl", answers(*RIGHT))
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom fingen.cli import main\n"
        f"run = CliRunner().invoke(main, ['score', '--predictions', {str(file)!r}, '--gold', {str(gold)!r}])\n"
        "assert run.exit_code == 0, run.output\n"
        "assert not {'torch', 'transformers', 'datasets', 'sklearn', 'numpy'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
