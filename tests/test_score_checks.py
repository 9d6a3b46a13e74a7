"""Answers about documents: do they pass the checks of rows, and do they give what the row's program comes to?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fingen.cli import main
from fingen.quality.steps import result_of
from fingen.records import Record
from fingen.scoring.proof import gives_result
from fingen.sets import CHUNKS, read_split
from fingen.thoughts import STEPS, after_steps

REPORT = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"


@pytest.fixture(scope="module", params=[(), ("--reasons",)], ids=["answers", "steps"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows on the tables of the sample report, without and with steps."""
    made = tmp_path_factory.mktemp("scored") / "set"
    run = [
        "pdf2qa",
        str(REPORT),
        "--task",
        "table",
        "--teacher",
        "offline",
        "--out",
        str(made),
        "--quiet",
        *request.param,
    ]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    return made


def rows_of(folder: Path) -> list[Record]:
    """Those that are scored."""
    return list(read_split(folder, "test"))


def score(folder: Path, tmp_path: Path, answer: Callable[[Record], str]) -> dict[str, dict[str, float] | int | None]:
    """What the command finds of such answers, the row's own question in hand."""
    answers = tmp_path / "answers.jsonl"
    lines = [json.dumps({"id": row.id, "prediction": answer(row)}) for row in rows_of(folder)]
    answers.write_text("\n".join(lines), encoding="utf-8")
    run = ["score", "--predictions", str(answers), "--gold", str(folder), "--out", str(tmp_path / "score"), "--json"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    texts = json.loads(result.stdout)["scores"][0]["texts"]
    assert "passes the checks %" in (tmp_path / "score" / "README.md").read_text(encoding="utf-8")
    return texts


def spoiled(row: Record) -> str:
    """An answer whose result has another last digit, behind the row's right steps."""
    result = result_of(row)
    assert result is not None
    begins, answers = STEPS[row.language]
    steps = row.output.partition(answers)[0] + answers if row.output.startswith(begins) else ""
    own = row.output.removeprefix(steps)
    told = max(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", own), key=lambda text: -abs(float(text.replace(",", "")) - abs(float(result.value))))  # fmt: skip
    wrong = told[:-1] + str((int(told[-1]) + 4) % 10)
    return steps + own.replace(told, wrong)


def test_the_rows_own_answers_are_right_and_pass(folder: Path, tmp_path: Path):
    texts = score(folder, tmp_path, lambda row: row.output)
    rows = rows_of(folder)

    assert texts["checked"] == len(rows)
    assert texts["checks"]["value"] == texts["execution"]["value"] == texts["figures_recall"]["value"] == 1
    assert texts["executed"] == sum(result_of(row) is not None for row in rows) > 5
    assert texts["checks"]["low"] < 1


def test_a_wrong_result_is_wrong_whatever_the_steps_say(folder: Path, tmp_path: Path):
    texts = score(folder, tmp_path, lambda row: spoiled(row) if result_of(row) else row.output)

    assert texts["execution"]["value"] == 0
    assert texts["checks"]["value"] <= (texts["checked"] - texts["executed"]) / texts["checked"]


def test_steps_alone_are_no_answer(folder: Path, tmp_path: Path):
    texts = score(folder, tmp_path, lambda row: row.output.partition(STEPS[row.language][1])[0][:-1] if "reasons" in row.draws else "")  # fmt: skip

    assert texts["execution"]["value"] == texts["checks"]["value"] == 0


def test_the_other_way_is_wrong(folder: Path):
    moved = [row for row in rows_of(folder) if row.draws["operation"] in ("growth", "change")]
    assert moved
    for row in moved:
        answer = after_steps(row.output) or ""
        turned = re.sub(
            "rose|增加|增长|increase",
            lambda found: {"rose": "fell", "increase": "decrease"}.get(found[0], "减少"),
            answer,
        )
        bare = row.model_copy(update={"output": answer})
        assert gives_result(bare, answer) is True
        assert turned == answer or gives_result(bare, turned) is False


def test_a_file_alone_has_no_passages_to_hold_answers_against(folder: Path, tmp_path: Path):
    answers = tmp_path / "answers.jsonl"
    gold = tmp_path / "gold.jsonl"
    gold.write_text((folder / "test.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    lines = [json.dumps({"id": row.id, "prediction": row.output}) for row in rows_of(folder)]
    answers.write_text("\n".join(lines), encoding="utf-8")
    run = ["score", "--predictions", str(answers), "--gold", str(gold), "--out", str(tmp_path / "score"), "--json"]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 0, result.output
    texts = json.loads(result.stdout)["scores"][0]["texts"]
    assert "checks" not in texts
    assert texts["execution"] is None
    assert (folder / CHUNKS).is_file()
