"""Steps before an answer: what pdf2qa --reasons writes, that every figure in them is proved, and that scoring reads past them."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_programs import build_record, pairs_of
from programs import evaluate
from test_table_pairs import SHOWN, passage

from fingen import verify
from fingen.cli import main
from fingen.quality.programs import ProgramError
from fingen.quality.reasons import find_wrong_step, with_steps, without_steps
from fingen.quality.steps import OPERATIONS
from fingen.records import Record
from fingen.review.proof import prove
from fingen.scoring.parse import parse_answer
from fingen.sets import read_manifest, read_split
from fingen.thoughts import STEPS, after_steps, without_thoughts
from fingen.verification.origin import origin_of_set

REPORT = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
LINE = re.compile(rf"({NUMBER}) ([-+×/>]) ({NUMBER})(?: = ({NUMBER}))?(?: = ({NUMBER}))?")
SIGNS = {"-": lambda a, b: a - b, "+": lambda a, b: a + b, "/": lambda a, b: a / b, ">": lambda a, b: a > b}


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def make(folder: Path, *options: str) -> Path:
    run = ["pdf2qa", str(REPORT), "--task", "table", "--teacher", "offline", "--out", str(folder / "set"), "--quiet"]
    result = CliRunner().invoke(main, [*run, *options])
    assert result.exit_code == 0, result.output
    return folder / "set"


def rows_of(folder: Path) -> list[Record]:
    return [row for split, rows in read_manifest(folder).splits.items() if rows for row in read_split(folder, split)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample report's rows without steps."""
    return make(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def reasoned(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same set made again in its folder, with steps: from its journal."""
    folder = tmp_path_factory.mktemp("reasoned")
    shutil.copytree(plain, folder / "set")
    return make(folder, "--reasons")


def test_the_steps_stand_before_the_same_answers_and_nothing_is_asked_again(plain: Path, reasoned: Path):
    before, after = {row.id: row for row in rows_of(plain)}, {row.id: row for row in rows_of(reasoned)}

    assert before.keys() == after.keys()
    for id, row in after.items():
        begins, answers = STEPS[row.language]
        assert row.output.startswith(begins)
        assert row.output.partition(answers)[2] == before[id].output
        assert without_steps(row) == before[id]
    assert {row.language for row in after.values()} == {"en", "zh"}
    assert read_manifest(reasoned).requests == read_manifest(plain).requests
    assert read_manifest(reasoned).settings["reasons"] is True
    assert "reasons" not in read_manifest(plain).settings


def test_each_figure_of_a_step_is_a_cell_or_what_another_reading_works_out(reasoned: Path):
    for row in rows_of(reasoned):
        steps, _, _ = row.output.partition(STEPS[row.language][1])
        cells = {cell["value"] for cell in row.draws["cells"]}
        known = set(cells)
        for one, sign, other, result, told in LINE.findall(steps):
            assert {one, other} - {"2", "3"} <= known, steps
            value = SIGNS[sign](number(one), number(other))
            assert value is True or abs(value - number(result)) <= Decimal("0.000005"), steps
            assert not told or number(told) == number(result) * 100, steps
            known |= {result}
        program = evaluate(row.program, [quote.quote.split(" | ") for quote in row.evidence])
        assert program == "yes" or abs(program - number(re.findall(NUMBER, steps)[-1])) < Decimal("0.00002") or (  # type: ignore[operator]
            abs(program * 100 - number(re.findall(NUMBER, steps)[-1])) < Decimal("0.002")  # type: ignore[operator]
        )  # fmt: skip


def test_the_set_verifies_and_its_figures_count_as_proved(reasoned: Path):
    found = verify(reasoned)
    levels = Counter(each["level"] for row in rows_of(reasoned) for each in row.figures)

    assert found.exit_code == 0, {name: law.problems for name, law in found.laws.items() if law.failed}
    assert found.figures == {"all": levels.total(), **levels}
    assert found.figures == read_manifest(reasoned).figures
    for row in rows_of(reasoned):
        assert [row.output[each["start"] : each["end"]] for each in row.figures] == [
            each["said"] for each in row.figures
        ]


def planted(record: Record) -> dict[str, Record]:
    """The row with one fault each in its steps; every one of them changes a figure or the order of two."""
    steps, answers, answer = record.output.partition(STEPS[record.language][1])
    body = steps.removeprefix(STEPS[record.language][0])
    cells = [cell["value"] for cell in record.draws["cells"]]
    texts: dict[str, str] = {}
    worked = list(LINE.finditer(body))
    if worked:
        last = worked[-1]
        one, sign, other = last[1], last[2], last[3]
        texts["order"] = f"{body[: last.start()]}{other} {sign} {one}{body[last.end(3) :]}"
        others = [value for value in cells if value not in (one, other)]
        texts["operand of another cell"] = f"{body[: last.start()]}{(others or ['1,999'])[0]}{body[last.end(1) :]}"
        texts["operation"] = f"{body[: last.start(2)]}{'+' if sign == '-' else '-'}{body[last.end(2) :]}"
        if last[4]:
            wrong = number(last[4])
            step = Decimal(1).scaleb(wrong.as_tuple().exponent)  # type: ignore[arg-type]  # finite
            faults = {"intermediate result": wrong + 7, "rounding": wrong + step, "sign": -wrong, "scale": wrong * 1000}
            for name, value in faults.items():
                texts[name] = f"{body[: last.start(4)]}{value:,f}{body[last.end(4) :]}"
    year = record.draws["cells"][0]["period"]
    texts["year"] = body.replace(year, str(int(year) - 1), 1)
    texts["cell"] = body.replace(cells[0], f"1{cells[0]}", 1)
    texts["a step is missing"] = body.rpartition("; " if record.language == "en" else "；")[0]
    begins = STEPS[record.language][0]
    return {
        name: record.model_copy(update={"output": f"{begins}{text}{answers}{answer}"}) for name, text in texts.items()
    }


@pytest.mark.parametrize("name", SHOWN)
def test_planted_faults_in_steps_are_found(name: str):
    found: Counter[str] = Counter()
    for made in pairs_of(SHOWN[name]):
        record = with_steps(build_record(made.item, made.passage))
        assert find_wrong_step(record) is None
        for fault, wrong in planted(record).items():
            if wrong.output != record.output:
                assert find_wrong_step(wrong), (fault, wrong.output)
                found[fault] += 1
    assert {"order", "operand of another cell", "rounding", "sign", "scale", "year", "intermediate result"} <= set(
        found
    )


def test_verify_and_a_review_tell_the_step_that_is_wrong(reasoned: Path, tmp_path: Path):
    folder = tmp_path / "set"
    shutil.copytree(reasoned, folder)
    split = next(split for split, rows in read_manifest(folder).splits.items() if rows)
    path = folder / f"{split}.jsonl"
    first, *others = path.read_text(encoding="utf-8").splitlines()
    record = next(read_split(reasoned, split))
    faults = planted(record)
    origin, bare = origin_of_set(reasoned), without_steps(record)
    assert prove(record, origin).faults == ()
    assert prove(faults["rounding"], origin).failed == ("step",)
    assert prove(bare.model_copy(update={"draws": record.draws}), origin).failed == ("step",)

    path.write_text("\n".join([faults["year"].model_dump_json(), *others]) + "\n", encoding="utf-8")
    assert first != faults["year"].model_dump_json()
    problems = [each for law in verify(folder).laws.values() for each in law.problems if each.id == record.id]
    assert [each.reason for each in problems if each.reason == "step"] == ["step"]
    assert "follows from its program" in next(each.detail for each in problems if each.reason == "step")


@settings(max_examples=25)
@given(st.lists(st.integers(20, 10**9), min_size=6, max_size=6, unique=True))
def test_of_any_figures_the_steps_are_right_as_they_are_shown(figures: list[int]):
    a, b, c, d, e, f = (f"{figure:,}" for figure in figures)
    table = f" | 2024 | 2023\nRevenue | ${a} | ${b}\nCost of sales | {c} | {d}\nResearch and development expenses | {e} | {f}"
    for made in pairs_of(passage(table, "Consolidated Statements of Income")):
        record = with_steps(build_record(made.item, made.passage))
        steps = record.output.partition("\nAnswer: ")[0]
        for one, sign, other, result, _ in LINE.findall(steps):
            value = SIGNS[sign](number(one), number(other))
            assert value is True or abs(value - number(result)) <= Decimal("0.000005"), steps
        if found := re.search(rf"({NUMBER})%\.$", steps):
            rate = number(found[1])
            assert f"{abs(rate.quantize(Decimal('0.1'), rounding='ROUND_HALF_UP'))}%" in record.output, record.output
        assert find_wrong_step(record) is None


def test_all_kinds_of_programs_have_steps(reasoned: Path):
    kinds = {row.draws["operation"] for row in rows_of(reasoned)}
    kinds |= {made.item.operation for name in ("income", "inventories") for made in pairs_of(SHOWN[name])}
    assert len(kinds) >= len(OPERATIONS) - 3
    record = build_record(next(pairs_of(SHOWN["income"])).item, SHOWN["income"])
    with pytest.raises(ProgramError):
        with_steps(record.model_copy(update={"draws": {**record.draws, "cells": []}}))


def test_reasons_go_with_tables(tmp_path: Path):
    run = ["pdf2qa", str(REPORT), "--reasons", "--teacher", "offline", "--out", str(tmp_path / "set")]
    result = CliRunner().invoke(main, run)
    assert result.exit_code == 2
    assert "--task table" in result.output


@pytest.mark.parametrize(("text", "answer"), [
    ("Steps: Revenue (2024): 5,829; 5,829 - 5,735 = 94.\nAnswer: It rose by $94 million.", "It rose by $94 million."),
    ("步骤：营业收入（2024年）：5,829；5,829 - 5,735 = 94。\n答案：增加94元。", "增加94元。"),
    ("<think>hm</think>Steps: a (2024): 1; 1 - 2 = -1. Answer: B", "B"),
    ("Steps: Revenue (2024): 5,829; Revenue (20", None),  # no figure of it is the answer
    ("Steps: 1. Open an account. 2. Pay.", "Steps: 1. Open an account. 2. Pay."),
    ("Steps: file the form, then wait.", "Steps: file the form, then wait."),
    ("It takes Steps: 3 - 2 = 1", "It takes Steps: 3 - 2 = 1"),
])  # fmt: skip
def test_what_stands_behind_steps_is_the_answer(text: str, answer: str | None):
    assert without_thoughts(text) == answer
    assert after_steps(text.removeprefix("<think>hm</think>")) == answer


def test_the_letter_behind_steps_counts():
    options = {"A": "12%", "B": "8%"}
    assert parse_answer("Steps: a (2024): 12; 12 / 150 = 0.08 = 8%.\nAnswer: B", options).value == "B"
    assert parse_answer("Steps: a (2024): 12%; 12 / 150 = 0.08 = 8", options).value is None


def test_json_lines_hold_the_flag(reasoned: Path):
    with (reasoned / "train.jsonl").open(encoding="utf-8") as lines:
        assert all(json.loads(json.loads(line)["draws"])["reasons"] for line in lines)
