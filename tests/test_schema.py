"""One schema for the rows of every set: whoever made it, its files load alone, by folder and together, in any order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datasets import Value, concatenate_datasets, load_dataset
from rows import NESTED, read_rows
from test_pdf2qa import reports

from fingen.cli import main
from fingen.records import COLUMNS, Manifest, Record
from fingen.sets import SPLITS, read_manifest, read_split

SHAPES = {  # of rows as sets had them before: null, and lists and objects as they are
    "closed": {
        "document": "r.pdf", "pages": [2], "chunks": ["c-1"], "evidence": [{"quote": "Sales rose.", "page": 2}],
        "calc": "1 + 1", "label": None, "options": None, "draws": None, "scores": {"supported": 4.0}, "origin": "document",
    },
    "drawn": {
        "document": None, "pages": None, "chunks": None, "evidence": None, "calc": None, "label": "buy",
        "options": {"A": "buy", "B": "sell"}, "draws": {"label": "buy", "number": 3}, "scores": None, "origin": "synthetic",
    },
}  # fmt: skip


def fingen(*arguments: Any) -> None:
    ran = CliRunner().invoke(main, [*map(str, arguments), "--quiet"])
    assert ran.exit_code == 0, ran.output


def _alpaca(folder: Path) -> Path:
    ends = ((n, f"20{n}-12-31" if n % 2 else f"At the end of 20{n}.") for n in range(10, 40))
    rows = [{"instruction": f"When did year {n} end?", "input": "", "output": end} for n, end in ends]
    path = folder / "dates.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def _sentiment(folder: Path) -> Path:
    path = folder / "labels.csv"
    words = ("rose", "fell", "stood")
    lines = [f'"Sales {words[n % 3]} by {n} percent.",{"positive negative neutral".split()[n % 3]}' for n in range(30)]
    path.write_text("\n".join(["sentence,label", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def build(readers_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of each kind in one folder, and a mix of each two of them."""
    desk = tmp_path_factory.mktemp("schema")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        reports(desk / "in", count=2)
        pdf2qa = ("pdf2qa", "in", "--teacher", "offline", "--workers", 1, "--chunk-tokens", 200)
        fingen(*pdf2qa, "--out", "build/closed")
        fingen(*pdf2qa, "--context", "both", "--out", "build/open")
        fingen("synth", "intent", "--n", 12, "--test", 6, "--teacher", "offline", "--out", "build/intent")
        fingen("import", "alpaca", _alpaca(desk), "--split", "0.6,0.2,0.2", "--out", "build/dates")
        fingen("import", "csv", _sentiment(desk), "--text", "sentence", "--label", "label", "--out", "build/labels")
        for a, b in itertools.combinations(KINDS, 2):
            fingen("mix", f"build/{a}", f"build/{b}:2", "--out", f"build/{a}-{b}")
    return desk / "build"


KINDS = ("closed", "open", "intent", "dates", "labels")
MADE = (*KINDS, *("-".join(pair) for pair in itertools.combinations(KINDS, 2)))


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    def load(*arguments: Any, **named: Any) -> Any:
        return load_dataset(*arguments, cache_dir=str(tmp_path / "cache"), **named)

    return load


def files_of(folder: Path) -> dict[str, str]:
    return {split: str(path) for split in SPLITS if (path := folder / f"{split}.jsonl").exists()}


def rows_of(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n")[:-1]]


@pytest.mark.parametrize("name", MADE)
def test_a_set_loads_by_its_folder(build: Path, load: Callable[..., Any], name: str):
    loaded = load(str(build / name))

    assert {split: list(rows) for split, rows in loaded.items()} == {
        split: rows_of(path) for split, path in files_of(build / name).items()
    }
    for rows in loaded.values():
        assert rows.features == {column: Value("string") for column in COLUMNS}


@pytest.mark.parametrize("name", MADE)
def test_a_set_loads_by_its_files_in_any_order(build: Path, load: Callable[..., Any], name: str):
    files = files_of(build / name)
    for order in itertools.permutations(files, min(len(files), 2)):
        loaded = load("json", data_files={split: files[split] for split in order})
        for split in order:
            assert list(loaded[split]) == rows_of(files[split])
            assert loaded[split].features == {column: Value("string") for column in COLUMNS}


def test_files_of_all_sets_load_as_one(build: Path, load: Callable[..., Any]):
    paths = [path for name in KINDS for path in files_of(build / name).values()]
    rotations = (paths[n:] + paths[:n] for n in range(len(paths)))
    for files in rotations:
        loaded = load("json", data_files=files, split="train")
        assert list(loaded) == [row for path in files for row in rows_of(path)]


def test_what_llama_factory_calls_loads_and_joins(build: Path, load: Callable[..., Any]):
    """Each entry by the call that its loader makes for a file, then joined as its `concat` does."""
    loaded = []
    for name in MADE:
        for entry in json.loads((build / name / "dataset_info.json").read_text(encoding="utf-8")).values():
            path = str(build / name / entry["file_name"])
            rows = load("json", name=None, data_dir=None, data_files=[path], split="train", num_proc=None)
            assert set(entry["columns"].values()) <= set(rows.column_names)
            loaded.append(rows.select_columns(list(entry["columns"].values())))
    assert len(concatenate_datasets(loaded)) == sum(map(len, loaded))


def test_a_large_file_whose_first_block_is_all_of_one_kind_loads(build: Path, load: Callable[..., Any], tmp_path: Path):
    """Readers look at ten megabytes first: what comes after must be of the same types."""
    drawn, closed = (Path(files_of(build / name)["train"]).read_text(encoding="utf-8") for name in ("intent", "open"))
    path = tmp_path / "large.jsonl"
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < 11 << 20:
            file.write(drawn)
        file.write(closed)
    loaded = load("json", data_files=str(path), split="train")
    assert loaded[-1] == json.loads(closed.split("\n")[-2])


def test_what_is_nested_comes_back(build: Path):
    for name in MADE:
        for split, path in files_of(build / name).items():
            texts, typed = read_rows(Path(path)), list(read_split(build / name, split))
            for row, record in zip(texts, typed, strict=True):
                assert {n: row[n] for n in NESTED} == json.loads(
                    json.dumps({n: record.model_dump()[n] for n in NESTED})
                )


# --- sets that were written before -----------------------------------------------------------------------------------


def old_set(folder: Path, names: tuple[str, ...]) -> Path:
    """A set as it was written when what was empty was null."""
    from fingen.disk import sha256_file

    folder.mkdir(parents=True)
    rows = [
        {"instruction": f"{name}?", "input": "", "output": f"{name}.", "id": f"id-{name}", "task": "qa", "language": "en",
         **SHAPES[name], "teacher": "t"} for name in names
    ]  # fmt: skip
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    files = {"train.jsonl": {"sha256": sha256_file(folder / "train.jsonl"), "rows": len(rows)}}
    manifest = {
        "format": 1, "name": folder.name, "command": "import alpaca", "teacher": "t", "settings": {}, "prompts": {},
        "sources": [], "unread": {}, "files": files, "splits": {"train": len(rows)}, "tasks": {"qa": len(rows)},
        "rejects": {}, "requests": 0, "usage": {}, "cost_usd": None, "split_by": "chunk", "versions": {},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_answers_that_are_all_dates_load_as_texts(desk: Path, load: Callable[..., Any]):
    """Arrow takes a column of nothing but dates for times, and writes the time of day behind them; the card says texts."""
    rows = [{"instruction": f"When did year {n} end?", "output": f"20{n}-12-31"} for n in range(10, 30)]
    Path("dates.json").write_text(json.dumps(rows), encoding="utf-8")
    fingen("import", "alpaca", "dates.json", "--split", "0.6,0.2,0.2", "--out", "build/dates")
    for split, loaded in load("build/dates").items():
        ends = [row["output"] for row in read_rows(Path(f"build/dates/{split}.jsonl"))]
        assert [row["output"].removesuffix(" 00:00:00") for row in loaded] == ends


def test_old_sets_stay_readable_and_mix_into_the_schema(desk: Path, load: Callable[..., Any]):
    a, b = old_set(Path("build/a"), ("closed", "drawn")), old_set(Path("build/b"), ("drawn",))
    closed, drawn = read_split(a, "train")
    assert (closed.pages, closed.evidence[0].page, closed.scores, closed.label) == ((2,), 2, {"supported": 4.0}, "")
    assert (drawn.options, drawn.document, drawn.evidence) == ({"A": "buy", "B": "sell"}, "", ())

    fingen("mix", a, b, "--out", "build/mix")
    assert [row["pages"] for row in load("build/mix", split="train")] == ["[2]", "[]", "[]"]
    assert read_manifest(Path("build/mix")).format == Manifest.model_fields["format"].default


@pytest.mark.parametrize("cut", ['"[1, 2"', '"{}"', '"' + "[" * 100_000 + '"', "7", '"1"'])
def test_a_column_that_is_damaged_names_row_and_column(desk: Path, cut: str):
    old_set(Path("build/a"), ("drawn",))
    path = Path("build/a/train.jsonl")
    path.write_text(path.read_text(encoding="utf-8").replace('"pages": null', f'"pages": {cut}'), encoding="utf-8")
    from fingen.disk import read_jsonl
    from fingen.errors import SetError

    with pytest.raises(SetError, match=r"train\.jsonl, row 1: pages"):
        list(read_jsonl(path, Record))


def test_a_row_of_a_set_is_gold_to_score_against(desk: Path):
    fingen("synth", "intent", "--n", 6, "--test", 6, "--teacher", "offline", "--out", "build/intent")
    rows = read_rows(Path("build/intent/test.jsonl"))
    answers = Path("answers.jsonl")
    answers.write_text("".join(json.dumps({"id": row["id"], "prediction": row["output"]}) + "\n" for row in rows))
    ran = CliRunner().invoke(
        main, ["score", "--predictions", str(answers), "--gold", "build/intent/test.jsonl", "--json"]
    )
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["scores"][0]["choices"]["accuracy"]["value"] == 1.0
