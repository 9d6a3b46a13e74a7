"""`fingen pull`: what was pushed comes back as it was and is proved; data sets of others become sets, and none of their code runs."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result
from hub_server import TOKEN, HubServer
from patience import PATIENCE
from test_prefer import ROWS as PREFERRED
from test_prefer import make_set as preferences
from test_prefer import reject as worse
from test_push import REPO, files, intent, make_set, pushed

import fingen
from fingen import cli
from fingen.records import Manifest, Record
from fingen.sets import SPLITS, read_manifest, read_split

pytest_plugins = "test_push"  # its fixtures
# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
CHOSEN = PREFERRED["train"][1]
ROWS = [{"instruction": f"What is {n}?", "input": "", "output": f"It is number {n} of the list."} for n in range(6)]


def pull(*arguments: object, code: int = 0) -> Result:
    ran = CliRunner().invoke(cli.main, ["pull", *map(str, arguments)], prog_name="fingen")
    assert ran.exit_code == code, ran.output
    assert "Traceback" not in ran.output
    return ran


def pulled(*arguments: object, code: int = 0) -> dict[str, Any]:
    return json.loads(pull(*arguments, "--json", "--quiet", code=code).stdout)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def rows_of(folder: Path | str) -> dict[str, list[Record]]:
    folder = Path(folder)
    return {split: list(read_split(folder, split)) for split in SPLITS if read_manifest(folder).splits[split]}


# --- what fingen has pushed ---------------------------------------------------------------------------------------------


def test_what_was_pushed_comes_back_as_it_was(desk: Path, hub: HubServer):
    pushed()
    own = bytes_of(desk / "build/intent")
    shutil.rmtree(desk / "build")
    made = pulled(REPO)

    back = bytes_of(desk / "build/intent")
    assert {name for name in own if own[name] != back.get(name)} == {"manifest.json", "rejected.jsonl", "chunks.jsonl"}
    assert set(own) - set(back) == {"rejected.jsonl", "chunks.jsonl"}
    before, after = (Manifest.model_validate_json(each["manifest.json"]) for each in (own, back))
    assert after.model_copy(update={"files": {}}) == before.model_copy(update={"files": {}})
    assert made["own"]
    assert made["commit"] == hub.repos[REPO].head.oid
    assert made["records"] == {"train": 12, "validation": 0, "test": 3, "memory": 0}
    assert not any(law["failed"] for law in made["laws"].values())
    assert CliRunner().invoke(cli.main, ["verify", "build/intent"]).exit_code == 0


def test_a_set_with_its_passages_is_proved_as_before(sample: Path, desk: Path, hub: HubServer):
    pushed(sample, "--allow-offline", "--with-chunks", "--with-rejects")
    made = pulled("you/demo", "--out", "back")

    assert bytes_of(desk / "back").keys() == bytes_of(sample).keys() - {"journal.sqlite"}
    for name in ("train.jsonl", "memory.jsonl", "chunks.jsonl", "rejected.jsonl", "README.md"):
        assert (desk / "back" / name).read_bytes() == (sample / name).read_bytes(), name
    assert made["laws"]["evidence"]["passed"] > 40
    assert made["laws"]["figures"]["passed"] > 40


def test_preferences_come_back_with_both_answers(desk: Path, hub: HubServer):
    folder = preferences(desk / "build/set", [worse("figure", "c-3", CHOSEN.instruction, "It was USD 4 million.")])
    pairs = fingen.prefer(folder).set
    parcel = pushed(pairs, "--repo", "you/pairs", "--with-chunks", "--allow-failing")
    made = pulled("you/pairs", "--out", "back", code=1)  # the answers of these few rows are short

    assert parcel["commit"]
    assert (desk / "back/train.jsonl").read_bytes() == (Path(pairs) / "train.jsonl").read_bytes()
    assert made["records"]["train"] == 2
    plain = pq.read_table(io.BytesIO(hub.repos["you/pairs"].head.files["alpaca/train.parquet"]))
    assert plain.column_names == ["instruction", "input", "chosen", "rejected"]


def test_without_its_passages_that_is_said_and_not_passed(sample: Path, desk: Path, hub: HubServer):
    pushed(sample, "--allow-offline")
    made = pulled("you/demo", "--out", "back")

    assert made["exit_code"] == 0
    assert made["laws"]["evidence"] == {"passed": 0, "failed": 0, "unchecked": sum(made["records"].values())}
    assert any(note.startswith("could not be checked: its passages are not here") for note in made["notes"])


def test_what_came_back_can_go_again_and_is_the_same(desk: Path, hub: HubServer):
    pushed()
    pulled(REPO, "--out", "build/again")
    assert pushed("build/again", "--repo", REPO)["commit"] is None


def test_the_same_again_changes_nothing(desk: Path, hub: HubServer):
    pushed()
    assert pulled(REPO, "--out", "back")["changed"]
    before = bytes_of(desk / "back")
    assert not pulled(REPO, "--out", "back")["changed"]
    assert bytes_of(desk / "back") == before
    assert not (desk / "back/.pull").exists()
    assert "already up to date" in pull(REPO, "--out", "back").stdout


def test_an_older_commit_can_be_pulled(desk: Path, hub: HubServer):
    first = pushed()["commit"]
    make_set(desk / "build/intent", [intent(n) for n in range(20)])
    pushed()
    assert pulled(REPO, "--out", "old", "--revision", first)["records"]["train"] == 12
    assert pulled(REPO, "--out", "new")["records"]["train"] == 20
    assert "no such data set" in pull(REPO, "--out", "x", "--revision", "f" * 40, code=3).stderr


def test_another_set_in_the_way_stays_unless_it_is_to_be_replaced(desk: Path, hub: HubServer):
    pushed()
    rows = [intent(n) for n in range(20)]
    make_set(desk / "other", rows, held_out=[])
    (desk / "other/notes.txt").write_text("mine")
    before = bytes_of(desk / "other")
    assert "was made by `fingen synth intent` and holds 20 rows" in pull(REPO, "--out", "other", code=2).stderr
    assert bytes_of(desk / "other") == before

    assert pulled(REPO, "--out", "other", "--replace")["changed"]
    assert {split: len(rows) for split, rows in rows_of("other").items()} == {"train": 12, "test": 3}
    assert (desk / "other/notes.txt").read_text() == "mine"
    assert not (desk / "other/chunks.jsonl").exists()


def test_answers_that_were_paid_for_are_never_replaced(desk: Path, hub: HubServer):
    pushed()
    make_set(desk / "paid", [intent(n) for n in range(20)])
    (desk / "paid/journal.sqlite").write_bytes(b"paid")
    before = bytes_of(desk / "paid")
    assert "holds a journal" in pull(REPO, "--out", "paid", "--replace", code=2).stderr
    assert bytes_of(desk / "paid") == before


def test_what_is_no_set_is_never_written_over(desk: Path, hub: HubServer):
    pushed()
    (desk / "mine").mkdir()
    (desk / "mine/notes.txt").write_text("x")
    assert "holds files that are no set" in pull(REPO, "--out", "mine", code=2).stderr
    assert "no name for a set" in pull(REPO, "--out", "build/scores", code=2).stderr
    assert sorted(path.name for path in (desk / "mine").iterdir()) == ["notes.txt"]


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl", "dataset_info.json"])
def test_a_file_that_was_changed_on_the_hub_is_not_taken(desk: Path, hub: HubServer, name: str):
    pushed()
    repo = hub.repos[REPO]
    repo.add("by hand", {**repo.head.files, name: files(hub)[name] + b"\n"})
    message = pull(REPO, "--out", "back", code=2).stderr
    assert f"{name} was changed there" in message
    assert "--revision" in message
    assert not (desk / "back/manifest.json").exists()


def test_a_file_that_is_gone_is_told(desk: Path, hub: HubServer):
    pushed()
    repo = hub.repos[REPO]
    repo.add("by hand", {name: data for name, data in repo.head.files.items() if name != "test.jsonl"})
    assert "lists test.jsonl" in pull(REPO, "--out", "back", code=2).stderr


@pytest.mark.parametrize(
    ("where", "path"),
    [
        *(("name", path) for path in ("../../escaped", "C:\\escaped", "..", "train\x1b[2J")),
        *(("files", path) for path in ("/etc/escaped", "a/../../escaped")),
        ("splits", "../escaped"),
    ],
)
def test_a_manifest_names_no_place_outside_the_set(desk: Path, hub: HubServer, where: str, path: str):
    pushed()
    repo = hub.repos[REPO]
    listed = json.loads(files(hub)["manifest.json"])
    named = {"name": path, "files": {**listed["files"], path: listed["files"]["train.jsonl"]}, "splits": {path: 12}}
    listed[where] = named[where]
    repo.add("evil", {**repo.head.files, "manifest.json": json.dumps(listed).encode(), path: b"{}"})
    before = {path for path in desk.rglob("*") if "back" not in path.parts}
    hub.paths.clear()
    message = pull(REPO, "--out", "back/deep/er", code=2).stderr

    assert f"{REPO}/manifest.json: {where}" in message
    assert "\x1b" not in message
    assert {path for path in desk.rglob("*") if "back" not in path.parts} == before
    assert {path for path in (desk / "back").rglob("*") if path.is_file() and path.name != ".lock"} == set()
    assert not any("train.jsonl" in path for path in hub.paths)


def test_a_file_of_others_is_not_written_outside_the_set(desk: Path, hub: HubServer):
    hub.make("stranger/alpaca", {f"{desk.as_posix()}/escaped.json": json.dumps(ROWS).encode()})
    assert "escaped.json: no path within its folder" in pull("stranger/alpaca", "--out", "a/b", code=2).stderr
    assert not list(desk.rglob("escaped*"))


def test_rows_that_do_not_hold_are_exit_code_1(desk: Path, hub: HubServer):
    make_set(desk / "build/intent", [*(intent(n) for n in range(12)), intent(3, id="in-again")])
    pushed("--allow-failing")
    made = pulled(REPO, "--out", "back", code=1)
    assert made["laws"]["duplicates"]["failed"] == 1
    assert made["next"] == "fingen verify back"


# --- what breaks --------------------------------------------------------------------------------------------------------


def test_a_name_that_is_none_or_nobodys(desk: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    assert "no id of a repository" in pull("a b", code=2).stderr
    assert "no such data set" in pull("you/nothing", code=3).stderr
    pushed()
    monkeypatch.delenv("HF_TOKEN")
    message = pull(REPO, "--out", "back", code=3).stderr
    assert "HF_TOKEN" in message
    assert not (desk / "back").exists()


def test_a_public_one_needs_no_token(desk: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    pushed("--public")
    hub.authorizations.clear()
    monkeypatch.delenv("HF_TOKEN")
    assert pulled(REPO, "--out", "back")["records"]["train"] == 12
    assert hub.authorizations == set()


@pytest.mark.parametrize("endpoint", ["info", "resolve"])
def test_what_fails_for_a_moment_is_tried_again(desk: Path, hub: HubServer, endpoint: str):
    pushed()
    hub.refuse[endpoint] = [503]
    assert pulled(REPO, "--out", "back")["changed"]
    assert hub.refuse[endpoint] == []


@pytest.mark.parametrize(("endpoint", "statuses"), [("info", [503] * 9), ("resolve", [403] * 9), ("info", [401] * 9)])
def test_what_stays_broken_is_exit_code_3(desk: Path, hub: HubServer, endpoint: str, statuses: list[int]):
    pushed()
    hub.refuse[endpoint] = statuses
    message = pull(REPO, "--out", "back", code=3).stderr
    assert TOKEN[:12] not in message
    assert not (desk / "back/manifest.json").exists()
    hub.refuse.clear()
    assert pulled(REPO, "--out", "back")["changed"]


def test_no_network_is_exit_code_3(desk: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot reach" in pull(REPO, "--out", "back", code=3).stderr


def test_killed_in_the_middle_the_same_command_completes_it(desk: Path, hub: HubServer):
    pushed()
    process: subprocess.Popen[str]
    seen = 0

    def kill(endpoint: str, done: bool) -> None:
        nonlocal seen
        seen += endpoint == "resolve" and done
        if seen == 7:  # a HEAD and a GET for each file: in the middle
            hub.on_event = lambda *_: None
            process.send_signal(signal.SIGKILL)
            process.wait()

    hub.on_event = kill
    process = subprocess.Popen([sys.executable, "-m", "fingen", "pull", REPO, "--out", "back"])
    assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
    assert not (desk / "back/manifest.json").exists()

    assert pulled(REPO, "--out", "back")["changed"]
    assert CliRunner().invoke(cli.main, ["verify", "back"]).exit_code == 0


# --- data sets of others ------------------------------------------------------------------------------------------------


def parquet(rows: list[dict[str, Any]]) -> bytes:
    from datasets import Dataset

    file = io.BytesIO()
    Dataset.from_list(rows).to_parquet(file)
    return file.getvalue()


def csv(rows: list[dict[str, Any]]) -> bytes:
    return ("instruction,input,output\n" + "".join(f"{r['instruction']},,{r['output']}\n" for r in rows)).encode()


@pytest.mark.parametrize(
    "theirs",
    [
        {"data/train-00000-of-00001.parquet": parquet(ROWS[:4]), "data/test-00000-of-00001.parquet": parquet(ROWS[4:])},
        {"train.json": json.dumps(ROWS[:4]).encode(), "test.json": json.dumps(ROWS[4:]).encode()},
        {"train.csv": csv(ROWS[:4]), "test.csv": csv(ROWS[4:])},
    ],
    ids=["parquet", "json", "csv"],
)
def test_a_data_set_of_others_becomes_a_set(desk: Path, hub: HubServer, theirs: dict[str, bytes]):
    repo = hub.make("stranger/alpaca", {**theirs, "README.md": b"---\nconfigs: [\n---\n# Rows\n"})
    made = pulled("stranger/alpaca")

    rows = rows_of("build/alpaca")
    assert {split: [row.instruction for row in own] for split, own in rows.items()} == {
        "train": [row["instruction"] for row in ROWS[:4]],
        "test": [row["instruction"] for row in ROWS[4:]],
    }
    assert {row.origin for own in rows.values() for row in own} == {"imported"}
    assert not made["own"]
    manifest = read_manifest(Path("build/alpaca"))
    assert f"pulled from stranger/alpaca, commit {repo.head.oid}" in manifest.declared[0]
    assert manifest.settings["revision"] == repo.head.oid
    assert not pulled("stranger/alpaca")["changed"]


@pytest.mark.parametrize("folder", ["train", "data/train", "my_set/train-split"])
def test_folders_of_others_name_splits(desk: Path, hub: HubServer, folder: str):
    theirs = {
        f"{folder}/part-0.parquet": parquet(ROWS[:4]),
        f"{folder.replace('train', 'test')}/part-0.parquet": parquet(ROWS[4:]),
    }
    hub.make("stranger/folders", theirs)

    assert pulled("stranger/folders")["records"] == {"train": 4, "validation": 0, "test": 2, "memory": 0}


def test_a_column_that_stands_twice_is_refused(desk: Path, hub: HubServer):
    text = pa.array(["a"])
    table = pa.Table.from_arrays([text, text, text], names=["instruction", "output", "output"])
    pq.write_table(table, desk / "twice.parquet")
    hub.make("stranger/twice", {"train.parquet": (desk / "twice.parquet").read_bytes()})

    assert "the column 'output' stands twice" in pull("stranger/twice", code=2).stderr


def test_code_of_others_is_not_run(desk: Path, hub: HubServer):
    script = f"open({str(desk / 'ran')!r}, 'w').close()\n".encode()
    hub.make("stranger/alpaca", {"train.json": json.dumps(ROWS).encode(), "alpaca.py": script, "setup.py": script})
    pulled("stranger/alpaca")
    assert len(rows_of("build/alpaca")["train"]) == 6
    assert not any(path.endswith(".py") for path in hub.paths)

    hub.make(
        "stranger/script", {"script.py": script, "train.pkl": b"\x80\x04\x95", "a.arrow": b"ARROW1", "b.txt": b"x"}
    )
    assert "no Parquet, JSON or CSV" in pull("stranger/script", code=2).stderr
    assert not (desk / "ran").exists()


def test_a_table_that_is_none_is_told(desk: Path, hub: HubServer):
    hub.make("stranger/alpaca", {"train.parquet": b"PAR1 and no more"})
    assert "stranger/alpaca/train.parquet: cannot be read as Parquet" in pull("stranger/alpaca", code=2).stderr
    hub.make("stranger/half", {"train.jsonl": b'{"instruction": "Why?", "output": "Because."}\n{"instru'})
    assert "train.jsonl, line 2: not JSON" in pull("stranger/half", code=2).stderr
    assert not list(desk.glob("build/alpaca/manifest.json")) + list(desk.glob("build/half/manifest.json"))


def folded(rows: int, text: str) -> bytes:
    """A table of one text in every row, in as many bytes as the text and a count take."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    table = pa.table({"instruction": column, "output": column})
    pq.write_table(table, file := io.BytesIO())
    return file.getvalue()


def nested(values: int) -> bytes:
    column = pa.ListArray.from_arrays(pa.array([0, values], pa.int32()), pa.array([0] * values, pa.int8()))
    pq.write_table(pa.table({"instruction": ["Why?"], "output": ["So."], "more": column}), file := io.BytesIO())
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("train.parquet", folded(1_500, "x"), "1,500 rows"),
        ("train.parquet", folded(99, "x" * 9_000), "bytes"),
        ("train.parquet", nested(1_000_000), "bytes"),
        ("train.jsonl", (json.dumps(ROWS[0]) + "\n").encode() * 1_001, "1 rows, and 0 more"),
        ("train.json", json.dumps([{**ROWS[0], "input": "y" * 2_000_000}]).encode(), "bytes"),
        ("train.csv", csv(ROWS * 200), "1 rows, and 0 more"),
    ],
    ids=["rows", "texts", "values", "lines", "long", "csv"],
)
def test_no_more_is_taken_than_is_allowed(desk: Path, hub: HubServer, name: str, data: bytes, said: str):
    hub.make("stranger/many", {name: data})
    message = pull("stranger/many", "--max-rows", 1_000, "--max-mib", 1, code=2).stderr

    assert f"stranger/many/{name}: " in message
    assert said in message
    assert "--max-rows" in message
    assert not (desk / "build/many/manifest.json").exists()
    assert not list(desk.rglob(".pull"))
    assert pulled("stranger/many", "--max-rows", 10_000, "--max-mib", 100)["changed"]


def test_a_set_of_our_own_has_no_more_rows_than_are_allowed_either(desk: Path, hub: HubServer):
    pushed()
    assert f"{REPO}/manifest.json: 15 rows" in pull(REPO, "--out", "back", "--max-rows", 14, code=2).stderr
    assert pulled(REPO, "--out", "back", "--max-rows", 15)["changed"]


def test_rows_that_can_be_no_record_are_counted_and_kept(desk: Path, hub: HubServer):
    rows = [*ROWS, {**ROWS[0], "instruction": "Why?", "output": ""}]
    extra = [{**row, "source": "x"} for row in rows]
    hub.make("stranger/alpaca", {"train.json": json.dumps(extra).encode()})
    made = pulled("stranger/alpaca")

    assert made["rejects"] == {"no-answer": 1}
    assert "columns left out: source" in made["notes"]
    rejected = [json.loads(line) for line in Path("build/alpaca/rejected.jsonl").read_text().splitlines()]
    assert rejected[0]["item"]["instruction"] == "Why?"
    assert "stranger/alpaca/train.json, line 1 (row 7)" in rejected[0]["detail"]


def test_columns_of_another_kind_are_told(desk: Path, hub: HubServer):
    hub.make("stranger/news", {"train.json": b'[{"headline": "up", "label": 1}]'})
    message = pull("stranger/news", code=2).stderr
    assert "no question in headline, label" in message


def test_one_of_several_forms_is_to_be_named(desk: Path, hub: HubServer):
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.json\n" for name in ("small", "large"))
    theirs = {"README.md": f"---\nconfigs:\n{configs}---\n".encode()}
    hub.make(
        "stranger/two",
        {**theirs, "small.json": json.dumps(ROWS[:1]).encode(), "large.json": json.dumps(ROWS).encode()},
    )
    assert "it has small, large" in pull("stranger/two", code=2).stderr
    assert "no form 'none'" in pull("stranger/two", "--config", "none", code=2).stderr
    assert pulled("stranger/two", "--config", "small")["records"]["train"] == 1


SPLITS_SAID = """configs:
- config_name: default
  data_files:
  - split: train
    path: data/a-*.parquet
  - split: dev
    path: [data/b.parquet]
"""
TABLES = {"data/a-1.parquet": None, "data/b.parquet": None}
CARDS: dict[str, tuple[str, dict[str, str | None]]] = {
    "splits": (SPLITS_SAID, {"data/a-1.parquet": "train", "data/b.parquet": "dev"}),
    "a folder": ("configs:\n- config_name: x\n  data_dir: data\n", {**TABLES, "data/rows.json": None}),
    "any depth": ('configs:\n- config_name: x\n  data_files: "**/b.parquet"\n', {"data/b.parquet": None}),
    "nothing": ("license: mit\n", TABLES),
}


@pytest.mark.parametrize("card", CARDS)
def test_the_card_says_which_files_hold_the_rows(card: str):
    from fingen.hub.pull import choose_files

    matter, expected = CARDS[card]
    names = [
        "README.md",
        "manifest.json",
        ".hidden/x.json",
        "data/a-1.parquet",
        "data/b.parquet",
        "data/rows.json",
        "x.py",
    ]
    assert choose_files(names, yaml.safe_load(matter), None, "a/b") == expected


def test_a_set_of_ours_has_one_form(desk: Path, hub: HubServer):
    pushed()
    assert "a set of fingen's own" in pull(REPO, "--out", "back", "--config", "alpaca", code=2).stderr


def test_a_mirror_is_asked_and_nobody_else(desk: Path, hub: HubServer):
    hub.make("stranger/alpaca", {"train.json": json.dumps(ROWS).encode()})
    pull("stranger/alpaca")
    assert os.environ["HF_ENDPOINT"] == hub.url  # any other address is refused in tests
    assert set(hub.asked) == {"info", "resolve"}
