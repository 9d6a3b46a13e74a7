"""`fingen export`: each form is loaded by its consumer as it is, and says what the set says."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen.cli import main
from fingen.cli.export import FORMATS
from fingen.pipeline.export import FORMS, export
from fingen.pipeline.importing import import_set
from fingen.records import Evidence, Record
from fingen.set_folder import make_manifest
from fingen.sets import SetContent, read_split, write_set

SUFFIX = {
    "alpaca": ".json",
    "sharegpt": ".json",
    "chatml": ".jsonl",
    "openai": ".jsonl",
    "csv": ".csv",
    "excel": ".csv",
    "parquet": ".parquet",
    "llamafactory": ".json",
    "trl": ".jsonl",
}
LOADER = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
# Line ends, quotes, separators and what only some readers take for a line end; a lone surrogate is no text.
TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from('\n\r"\\,;\t \u0085\u2028\x0b\x00银行'), max_size=30)
WORDS = TEXT.filter(lambda text: bool(text.strip()))


def record(instruction: str, input: str = "", output: str = "answer", **more: Any) -> Record:
    values = {
        "id": f"id-{instruction}",
        "task": "qa",
        "language": "en",
        "teacher": "t",
        "origin": "imported",
    }
    return Record(instruction=instruction, input=input, output=output, **{**values, **more})


ROWS = {
    "train": [
        record("What rose?", "Sales rose\nby 3 %.", "Sales", label="A", options={"A": "Sales", "B": "Costs"}),
        record("毛利率是多少？", "", '毛利率为 32.1%，"同比"上升\r\n0.4 个百分点', language="zh"),
        record("Page?", "", "12", document="r.pdf", pages=(11, 12), evidence=(Evidence(quote="Page 12", page=12),)),
    ],
    "test": [record("=1+1", "-3%", "+4", id="@id"), record("\tcmd", "\rcmd", "plain")],
}


def make_set(folder: Path, splits: dict[str, list[Record]]) -> Path:
    manifest = make_manifest(folder.name, "import alpaca", {}, [], ())
    write_set(folder, SetContent(splits=splits, rejected=[], chunks=[], manifest=manifest))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_set(tmp_path / "build/mine", ROWS)


def run(*arguments: str | Path, code: int = 0) -> Any:
    result = CliRunner().invoke(main, ["export", *map(str, arguments), *(["--json"] if code == 0 else [])])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code == 0 else result.stderr


def load(out: Path, cache: Path) -> dict[str, Any]:
    """The files as `datasets` loads them, found as LLaMA-Factory finds them: by dataset_info.json."""
    from datasets import load_dataset

    info = json.loads((out / "dataset_info.json").read_text(encoding="utf-8"))
    loaded = {}
    for name, entry in info.items():
        path = out / entry["file_name"]
        loaded[name] = load_dataset(LOADER[path.suffix], data_files=str(path), split="train", cache_dir=str(cache))
    return loaded


def question(row: Record) -> str:
    return f"{row.instruction}\n{row.input}" if row.input else row.instruction


def test_the_command_offers_every_form():
    assert set(FORMATS) == set(FORMS) == set(SUFFIX)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "trl"])
def test_each_form_is_loaded_by_datasets(folder: Path, tmp_path: Path, form: str):
    made = run(folder, "--format", form, "--out", tmp_path / "out")
    assert made["files"] == {str(tmp_path / f"out/{split}{SUFFIX[form]}"): len(rows) for split, rows in ROWS.items()}
    loaded = load(tmp_path / "out", tmp_path / "cache")

    assert set(loaded) == {"mine", "mine_test"}
    entry = json.loads((tmp_path / "out/dataset_info.json").read_text(encoding="utf-8"))["mine"]
    for row, own in zip(loaded["mine"], ROWS["train"], strict=True):
        assert {entry["columns"][name] for name in entry["columns"]} <= row.keys()
        if entry["formatting"] == "alpaca":
            columns = entry["columns"]
            assert row[columns["prompt"]] == own.instruction
            assert (row[columns["query"]] or "") == own.input
            assert str(row[columns["response"]]) == own.output
        else:
            tags, turns = entry["tags"], row[entry["columns"]["messages"]]
            assert [turn[tags["role_tag"]] for turn in turns] == [tags["user_tag"], tags["assistant_tag"]]
            assert [turn[tags["content_tag"]] for turn in turns] == [question(own), own.output]


def test_excel_is_told_the_encoding_and_runs_no_formula(tmp_path: Path):
    own = [record("营业收入是多少？", output="=1+1", language="zh")]
    made = export(make_set(tmp_path / "a", {"train": own}), "excel", tmp_path / "out")
    text = (tmp_path / "out/train.csv").read_bytes()

    assert text.startswith("\ufeff".encode())
    row = next(csv.DictReader(text.decode("utf-8-sig").splitlines()))
    assert (row["instruction"], row["output"]) == ("营业收入是多少？", "'=1+1")
    assert made.neutralised == 1


def test_openai_rows_hold_messages_and_nothing_else(folder: Path, tmp_path: Path):
    made = run(folder, "--format", "openai", "--out", tmp_path / "out")

    rows = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 3
    for row in rows:
        assert list(row) == ["messages"]
        assert [(list(turn), turn["role"]) for turn in row["messages"]] == [
            (["role", "content"], role) for role in ("user", "assistant")
        ]
    assert made["notes"] == ["3 rows: OpenAI's fine-tuning asks for 10 at least"]


def test_trl_rows_are_a_prompt_and_its_completion(folder: Path, tmp_path: Path):
    made = run(folder, "--format", "trl", "--out", tmp_path / "out")

    rows = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {
        "prompt": [{"role": "user", "content": question(ROWS["train"][0])}],
        "completion": [{"role": "assistant", "content": "Sales"}],
    }
    assert made["next"] == f"trl sft ... --dataset_name {tmp_path / 'out'}"
    assert not (tmp_path / "out/dataset_info.json").exists()


def test_tables_carry_the_provenance(folder: Path, tmp_path: Path):
    for form in ("csv", "parquet"):
        run(folder, "--format", form, "--out", tmp_path / form)
        rows = list(load(tmp_path / form, tmp_path / "cache")["mine"])
        assert json.loads(rows[0]["options"]) == {"A": "Sales", "B": "Costs"}
        assert (rows[0]["label"], rows[2]["document"], str(rows[2]["pages"])) == ("A", "r.pdf", "[11, 12]")
        assert json.loads(rows[2]["evidence"]) == [{"quote": "Page 12", "page": 12}]


def test_cells_that_start_a_formula_are_neutralised_and_counted(folder: Path, tmp_path: Path):
    made = run(folder, "--format", "csv", "--out", tmp_path / "out")

    with (tmp_path / "out/test.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["instruction"], first["input"], first["output"], first["id"]) == ("'=1+1", "'-3%", "'+4", "'@id")
    assert (second["instruction"], second["input"], second["output"]) == ("'\tcmd", "'\rcmd", "plain")
    assert made["neutralised"] == 6
    assert made["notes"] == ["6 cells began a formula; they have an apostrophe before it now"]


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(WORDS, TEXT, WORDS), min_size=1, max_size=8))
def test_alpaca_out_and_in_again_gives_equal_rows(tmp_path_factory: pytest.TempPathFactory, rows: Any):
    folder = tmp_path_factory.mktemp("trip")
    own = [record(*texts, id=str(number)) for number, texts in enumerate(rows)]
    export(make_set(folder / "a", {"train": own}), "alpaca", folder / "out")
    import_set("alpaca", [folder / "out"], folder / "b")

    again = list(read_split(folder / "b", "train"))
    assert [(row.instruction, row.input, row.output) for row in again] == rows


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(WORDS, TEXT, WORDS), min_size=1, max_size=8))
def test_no_cell_starts_a_formula_and_each_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: Any):
    folder = tmp_path_factory.mktemp("cells")
    own = [record(*texts, id=str(number)) for number, texts in enumerate(rows)]
    export(make_set(folder / "a", {"train": own}), "csv", folder / "out")

    with (folder / "out/train.csv").open(encoding="utf-8", newline="") as file:
        cells = [(row["instruction"], row["input"], row["output"]) for row in csv.DictReader(file)]
    restored = [tuple(cell[1:] if cell[:1] == "'" and begins(cell[1:]) else cell for cell in row) for row in cells]
    assert not any(begins(cell) and cell[0] != "'" for row in cells for cell in row)
    assert restored == rows


BEFORE = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff'\"＇＂]*[=+\-@＝＋－＠﹢﹣﹦﹫]|[\t\r]"
)


def begins(cell: str) -> bool:
    """Whether a formula may begin in a cell, as a spreadsheet reads it."""
    return bool(BEFORE.match(cell))


@pytest.mark.parametrize(
    "before", ["", " ", "\t", "\r", "\n", "\ufeff", "\u200b", "\u3000", "'", '"', " \"'\ufeff", "\x00", "＂"]
)
def test_no_formula_hides_behind_what_is_dropped(tmp_path: Path, before: str):
    cells = [f"{before}{sign}cmd|' /C calc'!A0" for sign in "=+-@＝＋－＠﹦"]
    own = [record(cell, "x=1", f"a {cell.strip()}", id=f"in-{number}") for number, cell in enumerate(cells)]
    made = export(make_set(tmp_path / "a", {"train": own}), "csv", tmp_path / "out")

    with (tmp_path / "out/train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["instruction"] for row in rows] == [f"'{cell}" for cell in cells]
    assert {row["input"] for row in rows} == {"x=1"}
    assert made.neutralised == len(cells)


def test_splits_come_back(folder: Path, tmp_path: Path):
    for form in ("alpaca", "sharegpt", "openai", "chatml"):
        out = tmp_path / form
        run(folder, "--format", form, "--out", out)
        source = "alpaca" if form == "alpaca" else "sharegpt"
        import_set(source, [out], tmp_path / f"again/{form}")
        for split, rows in ROWS.items():
            again = list(read_split(tmp_path / f"again/{form}", split))
            assert [(question(row), row.output) for row in again] == [(question(row), row.output) for row in rows]


def test_the_same_set_gives_the_same_bytes(folder: Path, tmp_path: Path):
    for form in FORMATS:
        run(folder, "--format", form, "--out", tmp_path / form)
        run(folder, "--format", form, "--out", tmp_path / f"{form}2")
        first, second = (
            {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in (form, f"{form}2")
        )
        assert first == second


def test_nothing_is_written_over_without_leave(folder: Path, tmp_path: Path):
    out = tmp_path / "out"
    run(folder, "--format", "alpaca", "--out", out)
    smaller = make_set(tmp_path / "build/smaller", {"train": ROWS["train"]})
    run(smaller, "--format", "alpaca", "--out", out, "--replace")
    assert sorted(path.name for path in out.iterdir()) == [".export", "dataset_info.json", "train.json"]
    assert "was made by `fingen" in run(folder, "--format", "alpaca", "--out", folder, code=2)
    (tmp_path / "file").touch()
    assert "cannot be written: Not a directory" in run(folder, "--format", "alpaca", "--out", tmp_path / "file", code=2)


def test_a_set_that_is_not_whole_is_not_exported(folder: Path, tmp_path: Path):
    (folder / "test.jsonl").write_text("{}\n", encoding="utf-8")
    assert "test.jsonl: changed since the set was made" in run(
        folder, "--format", "csv", "--out", tmp_path / "out", code=2
    )
    assert not (tmp_path / "out/dataset_info.json").exists()
    empty = make_set(tmp_path / "build/empty", {})
    assert "has no records" in run(empty, "--format", "csv", "--out", tmp_path / "other", code=2)
    assert "no such set" in run(tmp_path / "none", "--format", "csv", "--out", tmp_path / "other", code=2)


def test_the_newest_set_is_taken_and_said(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["export", "--format", "alpaca", "--out", "out"])

    assert result.exit_code == 0
    assert "the newest set: build/mine" in result.stderr
    assert "out/train.json: 3 rows" in result.stdout


@pytest.mark.parametrize("form", ["alpaca", "parquet"])
def test_a_full_disk_is_exit_code_4_and_leaves_no_half_file(folder: Path, tmp_path: Path, form: str):
    resource = pytest.importorskip("resource")
    out = tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # bytes that a file may have: less than a row
    try:
        message = run(folder, "--format", form, "--out", out, code=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "cannot be written" in message
    assert not {path.name for path in out.iterdir()} - {".export"}
