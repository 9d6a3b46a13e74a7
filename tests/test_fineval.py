"""FinEval: its folder of subjects as rows, scored by name from answers, and kept out of a set with and without its options."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rows import read_rows

from fingen.cli import main
from fingen.pipeline.filters import open_benchmarks
from fingen.quality.contamination import find_contamination
from fingen.records import Record
from fingen.scoring.benchmarks import read_benchmark
from fingen.scoring.report import read_score

# Questions of our own, in the form of the published files.
QUESTIONS = [
    ("企业借入一年期款项时，应当记入的科目是____。", ("短期借款", "长期借款", "应收账款", "实收资本"), "A"),
    (
        "下列各项中，会使流动比率提高的是____。",
        ("用现金偿还长期借款", "用现金购买设备", "发行股票收到现金", "计提折旧"),
        "C",
    ),
    ("某债券面值1000元，票面利率5$\\%$，每年付息____元。", ("5", "50", "500", "1050"), "B"),
]


def write(
    path: Path, rows: list[tuple[str, tuple[str, ...], str]], *, explained: bool = False, answered: bool = True
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    heads = ["id", "question", *"ABCD", *(["answer"] if answered else []), *(["explanation"] if explained else [])]
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(heads)
        for number, (question, options, answer) in enumerate(rows):
            told = [answer] * answered + ["1. 定义如此。\n2. 其余不符。"] * explained
            sheet.writerow([number, question, *options, *told])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    examples = [
        (f"示例{number}：{question}", options, answer) for number, (question, options, answer) in enumerate(QUESTIONS)
    ]
    for subject in ("auditing", "corporate_finance"):
        write(tmp_path / f"FinEval/dev/{subject}_dev.csv", examples, explained=True)
        write(tmp_path / f"FinEval/val/{subject}_val.csv", [(f"{subject}：{q}", o, a) for q, o, a in QUESTIONS])
        write(
            tmp_path / f"FinEval/test/{subject}_test.csv",
            [(f"{subject} 试题：{q}", o, a) for q, o, a in QUESTIONS],
            answered=False,
        )
    return tmp_path / "FinEval"


def run(*words: object) -> Any:
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return result


def test_a_folder_of_subjects_is_rows_in_their_published_splits(folder: Path):
    made = json.loads(run("import", "fineval", folder, "--json").stdout)
    assert made["records"] == {"train": 6, "validation": 6, "test": 0, "memory": 0}
    assert made["rejects"] == {"no-answer": 6}
    row = next(
        row for row in read_rows(Path("build/fineval/validation.jsonl")) if row["id"] == "corporate_finance_val-1"
    )
    question, options, answer = QUESTIONS[1]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
    assert row["instruction"] == f"corporate_finance：{question}\n{listed}\n答案："
    assert (row["output"], row["draws"]) == (answer, {"subject": "corporate_finance"})


def test_it_is_scored_by_name(folder: Path, tmp_path: Path):
    """Letters, an option's text and a sentence are read; what names two options counts as wrong, and nothing is guessed."""
    asked = read_benchmark("fineval", folder)
    assert (len(asked.items), len(asked.examples)) == (6, 6)
    assert {item.id for item in asked.items} == {
        f"{subject}_val-{n}" for subject in ("auditing", "corporate_finance") for n in range(3)
    }
    told = ["A", "C. 发行股票收到现金", "答案是B。", "选项A", "B", "A或B"]
    ids = [f"{subject}_val-{n}" for subject in ("auditing", "corporate_finance") for n in range(3)]
    lines = [json.dumps({"id": id, "prediction": text}, ensure_ascii=False) for id, text in zip(ids, told, strict=True)]
    answers = tmp_path / "answers.jsonl"
    answers.write_text("\n".join(lines), encoding="utf-8")
    run("score", "--benchmark", "fineval", "--data", folder, "--predictions", answers, "--out", "score")
    (score,) = read_score(Path("score"))[0].scores
    assert score.choices is not None
    assert (score.rows, score.choices.accuracy.value, score.choices.unparseable) == (6, pytest.approx(4 / 6), 1)


def test_its_questions_are_kept_out_with_and_without_their_options(folder: Path):
    (found,) = open_benchmarks([Path(f"fineval={folder}")])
    options = "\n".join(f"{letter}、{text}" for letter, text in zip("ABCD", QUESTIONS[0][1], strict=True))
    rows = [
        record("im-1", f"auditing：{QUESTIONS[0][0]}"),
        record("im-2", f"auditing：{QUESTIONS[0][0]}", options),
        record("im-3", "企业借入三年期款项时，应当记入的科目是哪一个？"),
        record("im-4", f"auditing 试题：{QUESTIONS[1][0]}另有说明。"),
    ]
    assert [(each.record.id, each.row) for each in find_contamination(rows, found)] == [("im-1", 1), ("im-2", 1)]
    run("import", "fineval", folder)
    (named,) = open_benchmarks([Path("fineval")])
    assert {row.question for row in named.rows} == {row.question for row in found.rows}


def record(id: str, question: str, input: str = "") -> Record:
    return Record(
        instruction=question,
        input=input,
        output="短期借款",
        id=id,
        task="qa",
        language="zh",
        teacher="unknown",
        origin="imported",
    )
