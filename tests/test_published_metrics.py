"""FinQA's and TAT-QA's metrics against what their published scripts said of 40,410 answers, right, wrong and hostile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from click.testing import CliRunner

from fingen.cli import main
from fingen.quality.programs import NOTHING, execute, tokenize
from fingen.scoring import finqa, tatqa
from fingen.scoring.report import read_score
from fingen.scoring.texts import PUBLISHED

# The one row of 13,468 in which sympy does not see that two programs are the same algebra, (a/1 - b + c) / d in two orders.
UNSEEN = "divide(216.84, 1), subtract(#0, 7921), table_max(interest expense, none), add(#1, #2), divide(#3, 105.39)"


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_finqa_is_what_its_script_says_of_every_row(shared: Path) -> None:
    wrong: Counter[str] = Counter()
    for row in _rows(shared / "benchmarks" / "finqa_oracle.jsonl"):
        verdict = finqa.judge(row["gold_program"], row["gold_answer"], row["pred_program"], row["table"])
        said = (not verdict.is_valid, verdict.is_right, verdict.same_program)
        if row["gold_program"] == UNSEEN and row["kind"] == "own_rewritten" and verdict.same_program:
            continue
        if said != (bool(row["invalid"]), row["exec_correct"], row["program_correct"]):
            wrong[row["kind"]] += 1
        if not row["invalid"] and row["executed"] is not None and verdict.executed != row["executed"]:
            wrong[f"value, {row['kind']}"] += 1
    assert not wrong


def test_tatqa_is_what_its_script_says_of_every_row(shared: Path) -> None:
    wrong: Counter[str] = Counter()
    for row in _rows(shared / "benchmarks" / "tatqa_oracle.jsonl"):
        asked = (row["answer_type"], row["gold_answer"], row["gold_scale"], row["pred_answer"], row["pred_scale"])
        try:
            verdict = tatqa.judge(*asked)
            said: tuple[Any, ...] = (verdict.em, verdict.f1, verdict.scale, False)
        except (TypeError, ValueError, AttributeError):
            said = (None, None, None, True)
        if said != (row["em"], row["f1"], row["scale"], bool(row["error"])):
            wrong[row["kind"]] += 1
    assert not wrong


@pytest.mark.parametrize(("predictions", "gold", "named"), [
    ("tatqa_sample_prediction.json", "tatqa_dataset_dev.json", "sample_prediction.json on the dev set"),
    ("tatqa_pred_made_test.json", "tatqa_dataset_test_gold.json", "tatqa_pred_made_test.json on the test set"),
    ("tatqa_pred_half_test.json", "tatqa_dataset_test_gold.json", "tatqa_pred_half_test.json on the test set"),
])  # fmt: skip
def test_tatqa_totals_are_those_of_the_script(shared: Path, predictions: str, gold: str, named: str) -> None:
    folder = shared / "benchmarks"
    given = json.loads((folder / predictions).read_text(encoding="utf-8"))
    totals = json.loads((folder / "tatqa_totals.json").read_text(encoding="utf-8"))
    printed = next(found["printed"] for name, found in totals.items() if name.startswith(named.split(" on ")[0]))
    verdicts = [
        tatqa.judge(asked["answer_type"], asked["answer"], asked["scale"], *given.get(asked["uid"], (None, "")))
        for about in json.loads((folder / gold).read_text(encoding="utf-8"))
        for asked in about["questions"]
    ]
    em, f1, scale = (100 * fmean(getattr(each, name) for each in verdicts) for name in ("em", "f1", "scale"))
    assert [f"Exact-match accuracy {em:.2f}", f"F1 score {f1:.2f}", f"Scale score {scale:.2f}"] == printed[1:4]


@pytest.mark.parametrize(("program", "value"), [
    ("subtract(5829, 5735), divide(#0, 5735)", 0.01639),
    ("table_average(net sales, none), multiply(#0, const_2)", 500.0),
    ("greater(12%, 0.1)", "yes"),
    ("exp(2, 3)", 8.0),
])  # fmt: skip
def test_a_program_runs(program: str, value: float | str) -> None:
    run = execute(tokenize(program), [["net sales", "$ 200", "300 ( 300 )"]])
    assert (run.value, run.is_valid) == (value, True)


@pytest.mark.parametrize("tokens", [
    ["divide(", "1", "0", ")", "EOF"],
    ["add(", "1", "#3", ")", "EOF"],
    ["table_sum(", "no such row", "none", ")", "EOF"],
    ["greater(", "2", "1", ")", "add(", "#0", "1", ")", "EOF"],
    None,
])  # fmt: skip
def test_what_cannot_be_run_is_not_valid(tokens: Any) -> None:
    assert not execute(tokens, [["a", "1"]]).is_valid


def test_nothing_comes_of_no_step() -> None:
    assert execute(["EOF"], []).value == NOTHING


def score(benchmark: str, data: Path, answers: Path, given: Mapping[str, Any]) -> dict[str, float]:
    """The means that `fingen score` gives for a file of answers, 0..1."""
    lines = [json.dumps({"id": id, "prediction": json.dumps(answer)}) for id, answer in given.items()]
    answers.write_text("\n".join(lines), encoding="utf-8")
    out = answers.parent / "score"
    run = f"score --benchmark {benchmark} --data {data} --predictions {answers} --out {out}".split()
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    texts = read_score(out)[0].scores[0].texts
    assert texts is not None
    return {name: found.value for name in PUBLISHED if (found := getattr(texts, name))}


def test_tatqa_is_scored_by_name(shared: Path, tmp_path: Path) -> None:
    """The published sample predictions, as a file of answers: the figures are those that the script printed."""
    folder = shared / "benchmarks"
    given = json.loads((folder / "tatqa_sample_prediction.json").read_text(encoding="utf-8"))
    found = score("tat-qa", folder / "tatqa_dataset_dev.json", tmp_path / "answers.jsonl", given)
    assert {name: round(100 * value, 2) for name, value in found.items()} == {
        "em": 45.92,
        "span_f1": 58.88,
        "scale": 90.95,
    }


def test_finqa_is_scored_by_name(shared: Path, tmp_path: Path) -> None:
    """Rows of the oracle in FinQA's form: the shares are those of the script's verdicts."""
    rows = [
        row
        for row in _rows(shared / "benchmarks" / "finqa_oracle.jsonl")
        if row["script_stops"] is None and row["gold_answer"] is not None
    ][::40]
    about = [
        {"id": str(n), "pre_text": [], "post_text": [], "table": row["table"],
         "qa": {"question": f"question {n}?", "program": row["gold_program"], "exe_ans": row["gold_answer"]}}
        for n, row in enumerate(rows)
    ]  # fmt: skip
    data = tmp_path / "test.json"
    data.write_text(json.dumps(about), encoding="utf-8")
    given = {str(n): row["pred_program"] for n, row in enumerate(rows)}
    found = score("finqa", data, tmp_path / "answers.jsonl", given)
    right = {name: fmean(bool(row[name]) for row in rows) for name in ("exec_correct", "program_correct")}
    assert found == pytest.approx({"execution": right["exec_correct"], "program": right["program_correct"]}, abs=1e-9)


@pytest.mark.parametrize(("answer", "program"), [
    ("subtract(5829, 5735), divide(#0, 5735)", "subtract(5829, 5735), divide(#0, 5735)"),
    ("The growth is worked out so:\n```\nsubtract(5829, 5735), divide(#0, 5735)\n```", "subtract(5829, 5735), divide(#0, 5735)"),
    ("About 1.6 %.", None),
])  # fmt: skip
def test_a_program_is_read_of_what_a_model_writes(answer: str, program: str | None) -> None:
    assert finqa.read_program(answer) == (tokenize(program) if program else None)


@pytest.mark.parametrize(("answer", "read"), [
    ('{"answer": ["$5"], "scale": "million"}', (["$5"], "million")),
    ('```json\n{"answer": 5.2, "scale": ""}\n```', (5.2, "")),
    ('[["a", "b"], "thousand"]', (["a", "b"], "thousand")),
    ("net sales", ("net sales", "")),
    ('{"answer": ["a", 1], "scale": null}', (["a", "1"], "")),
])  # fmt: skip
def test_an_answer_with_its_scale_is_read_of_what_a_model_writes(answer: str, read: tuple[Any, str]) -> None:
    assert tatqa.read_answer(answer) == read
