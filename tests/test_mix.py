"""`fingen mix`: rows keep their splits, training rows come as often as is said, and no set gives another away."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from fingen.cli import main
from fingen.imports.read import number_ids
from fingen.pipeline import mixing
from fingen.pipeline.mixing import Part, mix, parse_part
from fingen.records import Chunk, Record
from fingen.scoring.rows import read_tasks
from fingen.set_folder import make_manifest
from fingen.sets import SetContent, read_manifest, read_split, write_set
from fingen.spool import Spool


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(text: str, label: str | None = "neutral", chunk: str | None = None, **more: Any) -> Record:
    return Record(
        instruction="What?",
        input=text,
        output=label or "answer",
        id=f"id-{text}",
        task="sentiment",
        language="en",
        label=label,
        chunks=(chunk,) if chunk else None,
        teacher="human",
        origin="imported",
        **more,
    )


def make_set(name: str, chunks: tuple[Chunk, ...] = (), **splits: list[Record]) -> str:
    rows = [row for split in splits.values() for row in split]
    manifest = make_manifest(name, f"import {name}", {"command": "import"}, rows, (f"what {name} declares",))
    write_set(Path("build", name), SetContent(splits=splits, rejected=[], chunks=list(chunks), manifest=manifest))
    return f"build/{name}"


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(main, ["mix", *arguments, "--out", "build/mix", *(["--json"] if code == 0 else [])])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code == 0 else result.stderr


def rows(split: str) -> list[Record]:
    return list(read_split(Path("build/mix"), split))


def choice(text: str, *options: str) -> Record:
    lettered = dict(zip("AB", options, strict=True))
    lines = "\n".join(f"{letter}. {name}" for letter, name in lettered.items())
    asked = {"instruction": f"{text}\n{lines}", "input": "", "id": f"id-{text}-{options[0]}"}
    return record(text, label="buy", options=lettered).model_copy(update=asked)


def test_another_order_of_options_makes_no_other_question():
    a = make_set("a", train=[choice("I want that fund", "buy", "sell"), choice("Sell it all", "buy", "sell")])
    b = make_set("b", train=[choice("What is a bond", "buy", "sell")], test=[choice("I want that fund", "sell", "buy")])
    made = run(a, b)

    assert (made["records"]["train"], made["rejects"]) == (2, {"held-out": 1})
    assert CliRunner().invoke(main, ["verify", "build/mix", "--json"]).exit_code == 0


def test_training_rows_are_repeated_and_held_out_rows_are_not():
    a = make_set("a", train=[record("x"), record("y")], test=[record("t")])
    b = make_set("b", train=[record("z")], validation=[record("v")])
    made = run(f"{a}:3", b)

    assert Counter(row.input for row in rows("train")) == {"x": 3, "y": 3, "z": 1}
    assert [row.input for row in rows("test")] == ["t"]
    assert [row.input for row in rows("validation")] == ["v"]
    assert made["records"] == {"train": 7, "validation": 1, "test": 1, "memory": 0}
    ids = [row.id for split in ("train", "validation", "test") for row in rows(split)]
    assert len(set(ids)) == len(ids)
    assert {"id-x", "id-x-2", "id-x-3"} <= set(ids)
    declared = read_manifest(Path("build/mix")).declared
    assert declared == (
        "a: 2 training rows, 3 times",
        "a: what a declares",
        "b: 1 training rows, once",
        "b: what b declares",
    )


def test_rows_are_the_same_but_for_their_ids():
    original = record("x", scores={"sentiment": 0.5}, draws={"who": "novice"})
    run(f"{make_set('a', train=[original])}:2")

    assert [row.model_copy(update={"id": original.id}) for row in rows("train")] == [original, original]


def test_what_another_set_holds_out_is_not_trained_on():
    a = make_set("a", train=[record("Shares ROSE."), record("calm")])
    b = make_set("b", train=[record("own"), record("w", label=None)], test=[record("shares rose"), record("own")])
    made = run(f"{a}:2", b)

    assert Counter(row.input for row in rows("train")) == {"calm": 2, "own": 1, "w": 1}, "b's own split is as published"
    assert made["rejects"] == {"held-out": 1}
    (rejected,) = (
        json.loads(line) for line in Path("build/mix/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    )
    assert rejected["item"]["input"] == "Shares ROSE."
    assert "build/b holds out id-shares rose" in rejected["detail"]


def test_a_passage_that_another_set_holds_out_is_not_trained_on():
    chunk = Chunk(
        id="c-1", document="d.pdf", language="en", first_page=1, last_page=1, section=(), text="t", tokens=1, blocks=()
    )
    a = make_set(
        "a", (chunk,), train=[record("one", None, "c-1"), record("two", None, "c-2")], memory=[record("m", None, "c-1")]
    )
    b = make_set("b", (chunk,), test=[record("three", None, "c-1")])
    made = run(a, b)

    assert [row.input for row in rows("train")] == ["two"]
    assert made["rejects"] == {"held-out": 2}
    assert len(Path("build/mix/chunks.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_a_mix_is_refused_over_another_one():
    a, b = make_set("a", train=[record("x")]), make_set("b", train=[record("y")])
    assert run(a, b)["changed"] is True
    assert run(a, b)["changed"] is False
    assert "was made otherwise" in run(f"{a}:2", b, code=2)
    assert "is given twice" in run(a, b, a, code=2)
    assert "is one of the sets" in run(a, "build/mix", code=2)
    assert "no such set" in run(a, "build/none", code=2)
    assert "0 times" in run(f"{a}:0", code=2)


def test_a_set_that_was_changed_by_hand_is_not_mixed():
    a = make_set("a", train=[record("x")])
    Path(a, "train.jsonl").write_text("{}\n", encoding="utf-8")

    assert "changed since the set was made" in run(a, code=2)
    assert not Path("build/mix/manifest.json").exists()


def test_what_a_part_is():
    assert parse_part("build/a") == Part(Path("build/a"))
    assert parse_part("build/a:12") == Part(Path("build/a"), 12)
    assert parse_part("C:/sets/a") == Part(Path("C:/sets/a"))
    assert parse_part("C:/sets/a:2") == Part(Path("C:/sets/a"), 2)


@given(st.lists(st.sampled_from(["a", "b", "a-2", "a-2-2", "b-3"]), max_size=12))
def test_ids_are_made_distinct_and_first_ones_stay(names: list[str]):
    records = [record("x").model_copy(update={"id": name}) for name in names]
    numbered = [row.id for row in number_ids(records)]

    assert len(set(numbered)) == len(names)
    assert all(numbered[names.index(name)] == name for name in names)


def test_the_mix_of_fingpt(shared: Path):
    folder = shared / "sentiment"
    files = {
        "fpb": ["fpb_Sentences_50Agree.txt"],
        "fiqa": ["FiQA_post.json", "SemEval2017Task5Headlines.json"],
        "tfns": ["tfns_sent_train.csv"],
        "nwgi": ["nwgi_sample_300.jsonl"],
    }
    for name, paths in files.items():
        done = CliRunner().invoke(main, ["import", name, *(str(folder / path) for path in paths)])
        assert done.exit_code == 0, done.output
    made = mix(
        [parse_part(f"build/{name}:{n}") for name, n in zip(files, (6, 21, 2, 1), strict=True)], Path("build/finsent")
    )

    assert made.records["train"] == 6 * 3634 + 21 * 1817 + 2 * 9543 + 300 - made.rejects.get("held-out", 0)
    assert made.records["test"] == 1212
    trained = Counter(row.input for row in read_split(Path("build/finsent"), "train"))
    assert trained[next(read_split(Path("build/tfns"), "train")).input] == 2


def _of_task(task: str, count: int, **more: Any) -> list[Record]:
    return [
        record(f"{task} {number}", **more).model_copy(update={"task": task, "id": f"{task}-{number}"})
        for number in range(count)
    ]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))
@example(30, 1, 4, 3)
def test_weights_are_the_shares_of_the_tasks_and_no_row_is_lost(few: int, many: int, one: int, other: int):
    records = [*_of_task("intent", few), *_of_task("qa-table", many, label="")]
    before = {row.id for row in records}
    if max(few / one, many / other) * one > 100 * few or max(few / one, many / other) * other > 100 * many:
        return
    rows, _ = mixing._weigh(Spool(None, records)[:], {"intent": one, "qa-table": other}, Path("build/mix"))
    there = Counter(row.task for row in rows)
    # by whole numbers: half a row is half a row
    assert 2 * abs(there["intent"] * other - there["qa-table"] * one) <= max(one, other)
    assert before <= {row.id for row in rows}
    assert len({row.id for row in rows}) == len(rows)


def test_a_mix_has_tasks_by_weight_and_leaves_benchmark_rows_out():
    table = make_set("tables", train=_of_task("qa-table", 4, label=""), test=_of_task("qa-table", 2, label=""))
    tone = make_set("tone", train=_of_task("sentiment", 8), test=_of_task("sentiment", 3))
    Path("fpb.txt").write_text("sentiment 0@neutral\n", encoding="latin-1")

    made = run(table, tone, "--weights", "qa-table=2,sentiment=1", "--keep-out", "fpb=fpb.txt")

    assert Counter(row.task for row in rows("train")) == {"qa-table": 14, "sentiment": 7}
    assert made["rejects"] == {"contaminated": 1}
    assert list(read_manifest(Path("build/mix")).settings["keep_out"]) == ["fpb"]
    assert "qa-table: 14 of the training rows, from 4" in made["declared"]


@pytest.mark.parametrize(("weights", "said"), [
    ("qa-table", "could not convert"), ("qa-table=0,sentiment=1", "above 0"), ("qa-table=1", "sentiment"),
    ("qa-table=1,sentiment=900", "more than 100 times"),
])  # fmt: skip
def test_weights_that_cannot_be_are_refused(weights: str, said: str):
    parts = [
        make_set("tables", train=_of_task("qa-table", 4, label="")),
        make_set("tone", train=_of_task("sentiment", 8)),
    ]
    assert said in run(*parts, "--weights", weights, code=2)


def test_rows_of_a_mix_are_scored_task_by_task():
    parts = [make_set(name, train=_of_task(task, 2, **more), test=_of_task(task, count, **more))
             for name, task, count, more in (("t", "qa-table", 3, {"label": ""}), ("s", "sentiment", 2, {}), ("i", "intent", 4, {"label": "loan"}))]  # fmt: skip
    run(*parts)
    asked = list(read_tasks(Path("build/mix")))
    assert {one.key: len(one.items) for one in asked} == {
        "mix test qa-table": 3, "mix test sentiment": 2, "mix test intent": 4,
    }  # fmt: skip
    assert [one.is_text for one in asked] == [True, False, False]
    assert [set(one.items[0].options) for one in asked] == [set(), {"neutral"}, {"loan"}]


def test_short_answers_and_repeats_that_were_asked_for_are_no_faults_to_verify(tmp_path: Path):
    """Those of others are short, and in what language they like; what is wrong with a figure or a file still is."""
    short = [{"instruction": f"Is {n} more than {n + 1}?", "output": "No."} for n in range(9)]
    short += [{"instruction": f"营业收入第 {n} 季度增长吗？", "output": "I cannot say"} for n in range(9)]
    Path("short.json").write_text(json.dumps(short), encoding="utf-8")
    assert CliRunner().invoke(main, ["import", "alpaca", "short.json", "--out", "build/short"]).exit_code == 0
    run("build/short:2")

    said = CliRunner().invoke(main, ["verify", "build/mix"])
    laws = json.loads(CliRunner().invoke(main, ["verify", "build/mix", "--json"]).stdout)["laws"]
    alone = CliRunner().invoke(main, ["verify", "short.json"])

    assert said.exit_code == 0, said.output
    assert "duplicates: declared by the set, and no fault (18 exact)" in said.stdout
    assert "not so" not in said.stdout
    assert (laws["answer"]["failed"], laws["answer"]["unchecked"]) == (0, 36)
    assert list(laws["answer"]["why"]) == ["imported rows keep the form that they came with"]
    assert alone.exit_code == 1  # a file that is named to be held against that form
    with Path("build/short/train.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\n")
    assert CliRunner().invoke(main, ["verify", "build/short"]).exit_code == 1
