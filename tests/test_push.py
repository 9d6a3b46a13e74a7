"""`fingen push`: a set goes to a Hub on this machine whole and in one commit, whatever breaks; nothing private or half-done goes."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hub_server import ORGANISATIONS, READ_TOKEN, TOKEN, HubServer
from patience import PATIENCE
from test_consent import _take_terminal
from test_sets import HOSTILE

from fingen import cli
from fingen.disk import sha256_file
from fingen.records import COLUMNS, Evidence, Manifest, Record, Rejected
from fingen.set_folder import make_manifest
from fingen.sets import SetContent, read_manifest, write_set

ROOT = Path(__file__).resolve().parent.parent
REPO = "you/intent"
# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
LABELS = ("查询", "购买", "赎回")
# What may be asked once and fail: every call of a first push to the Hub.
CALLS = ("whoami", "info", "validate", "create", "preupload", "batch", "put", "verify", "commit")
ID_NUMBER = "11010519491231002X"  # of the standard's own example
BANK_KEY = "sk-ant-api03-AbCdEf0123456789GhIjKlMn"


def intent(number: int, **fields: Any) -> Record:
    label = LABELS[number % 3]
    values: dict[str, Any] = {
        "instruction": f"请问第{number}号基金怎么{label}？A. 查询 B. 购买 C. 赎回 只回答选项字母。",
        "input": "",
        "output": "ABC"[number % 3],
        "id": f"in-{number:04}",
        "task": "intent",
        "language": "zh",
        "label": label,
        "options": dict(zip("ABC", LABELS, strict=True)),
        "draws": {"label": label, "register": "口语", "turn": number % 4},
        "scores": {"sure": 0.5 + number % 5 / 10} if number % 2 else None,
        "teacher": "anthropic:claude-haiku-5-5",
        "origin": "synthetic",
    }
    return Record(**values | fields)


def make_set(
    folder: Path,
    records: list[Record],
    *,
    held_out: list[Record] | None = None,
    rejected: list[Rejected] | None = None,
    **fields: Any,
) -> Path:
    manifest = make_manifest(folder.name, "synth intent", {"seed": 0}, records, ())
    manifest = manifest.model_copy(update={"requests": 9, "cost_usd": 0.02, **fields})
    splits = {"train": records, "test": [intent(900 + n) for n in range(3)] if held_out is None else held_out}
    write_set(folder, SetContent(splits, rejected or [], [], manifest))
    return folder


@pytest.fixture(scope="module")
def sample(sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's set; what was pushed is written down in it."""
    return Path(shutil.copytree(sample_set, tmp_path_factory.mktemp("made") / "build" / "demo"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub, and a user who is logged in; what fails for a moment is tried again at once. Files go by plain LFS."""
    from huggingface_hub import constants

    from fingen.hub import client

    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # that variable, for a library that is loaded
        monkeypatch.setattr(client, "FIRST_WAIT_SECONDS", 0.01)
        yield server


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one set."""
    monkeypatch.chdir(tmp_path)
    make_set(tmp_path / "build" / "intent", [intent(n) for n in range(12)])
    return tmp_path


def push(*arguments: object, code: int = 0) -> Result:
    given = [str(argument) for argument in arguments] or ["--yes"]
    ran = CliRunner().invoke(cli.main, ["push", *given], prog_name="fingen")
    assert ran.exit_code == code, ran.output
    assert "Traceback" not in ran.output
    return ran


def pushed(*arguments: object) -> dict[str, Any]:
    return json.loads(push(*arguments, "--yes", "--json", "--quiet").stdout)


def refused(hub: HubServer, *arguments: object, code: int) -> str:
    """The message of a push that must not have changed anything on the Hub."""
    before = {name: [commit.oid for commit in repo.commits] for name, repo in hub.repos.items()}
    ran = push(*arguments, "--yes", code=code)
    assert hub.wrote() == []
    assert {name: [commit.oid for commit in repo.commits] for name, repo in hub.repos.items()} == before
    assert "\n  -> " in ran.stderr  # what to do next
    return ran.stderr


def commits(hub: HubServer, repo: str = REPO) -> list[str]:
    """Messages of the commits that hold data."""
    return [commit.message for commit in hub.repos[repo].commits[1:]]


def files(hub: HubServer, repo: str = REPO) -> dict[str, bytes]:
    return {name: data for name, data in hub.repos[repo].head.files.items() if name != ".gitattributes"}


def in_process(code: str, *arguments: str) -> Any:
    """Run code in a fresh process, which sees HF_ENDPOINT from the start; the JSON that it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


LOAD = """
import json, sys
from datasets import load_dataset
loaded = load_dataset(*sys.argv[1:])
print(json.dumps({split: [list(rows), {name: kind.dtype for name, kind in rows.features.items()}] for split, rows in loaded.items()}))
"""


def load(repo: str, *config: str) -> dict[str, list[dict[str, Any]]]:
    return {split: rows for split, (rows, _) in in_process(LOAD, repo, *config).items()}


# --- what arrives -------------------------------------------------------------------------------------------------------


def test_rows_and_types_arrive_and_are_loaded_in_one_line(desk: Path, hub: HubServer):
    made = pushed()

    assert made["plan"]["repo"] == REPO
    assert made["commit"] == hub.repos[REPO].head.oid
    assert hub.repos[REPO].private
    for split, (rows, types) in in_process(LOAD, REPO).items():
        lines = (desk / f"build/intent/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert rows == [json.loads(line) for line in lines]
        assert types == dict.fromkeys(rows[0], "string")


def test_a_set_with_evidence_arrives_too(sample: Path, hub: HubServer):
    pushed(sample, "--allow-offline")

    for split, rows in load("you/demo").items():
        lines = (sample / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert rows == [json.loads(line) for line in lines]
        assert all(json.loads(row["evidence"]) or row["label"] for row in rows)


def test_the_plain_form_is_what_llama_factory_reads(desk: Path, hub: HubServer):
    pushed()

    card = files(hub)["README.md"].decode()
    entry = json.loads(re.search(r"```json\n(\{ \"intent\": .*)\n```", card)[1])["intent"]  # type: ignore[index]
    assert entry["hf_hub_url"] == REPO
    rows = load(REPO, entry["subset"])["train"]
    lines = (desk / "build/intent/train.jsonl").read_text(encoding="utf-8").splitlines()
    for row, line in zip(rows, lines, strict=True):
        own = json.loads(line)
        assert row == {name: own[name] for name in ("instruction", "input", "output")}
        assert set(entry["columns"].values()) == set(row)


def test_the_json_lines_are_unchanged_and_the_manifest_names_all_that_is_there(desk: Path, hub: HubServer):
    pushed()

    there = files(hub)
    for split in ("train", "test"):
        assert there[f"{split}.jsonl"] == (desk / f"build/intent/{split}.jsonl").read_bytes()
    for name, data in there.items():
        (desk / "there" / name).parent.mkdir(parents=True, exist_ok=True)
        (desk / "there" / name).write_bytes(data)
    listed = Manifest.model_validate_json(there["manifest.json"])
    assert {name: entry.sha256 for name, entry in listed.files.items()} == {
        name: sha256_file(desk / "there" / name) for name in there if name != "manifest.json"
    }
    verified = CliRunner().invoke(cli.main, ["verify", str(desk / "there")])
    assert verified.exit_code == 0, verified.output


def test_only_what_was_asked_for_arrives(desk: Path, hub: HubServer):
    folder = desk / "build/intent"
    rejected = [
        Rejected(item={"text": "x"}, reason="near", detail=f"{desk}/in/a.csv, line 4: y", chunks=(), request=None)
    ]
    settings = {
        "sha256": {f"{desk}/in/a.csv": "0" * 64, "C:\\Users\\me\\b.csv": "1" * 64},
        "url": "https://example.org/a/b",
    }
    make_set(
        folder,
        [intent(n) for n in range(12)],
        rejected=rejected,
        settings=settings,
        declared=(f"of {Path.home()}/x.txt",),
    )
    for name in ("journal.sqlite", "journal.sqlite-wal", "model.pkl", "checkpoint.pt", ".lock"):
        (folder / name).write_bytes(b"\x80\x04\x95 pickled" + b"SQLite format 3\0")
    pushed()

    names = {"README.md", "dataset_info.json", "manifest.json", "train.jsonl", "test.jsonl"}
    tables = {f"{place}/{split}.parquet" for place in ("data", "alpaca") for split in ("train", "test")}
    assert set(files(hub)) == names | tables
    pushed("--with-rejects")
    assert set(files(hub)) == names | tables | {"rejected.jsonl"}
    assert json.loads(files(hub)["rejected.jsonl"])["detail"] == "a.csv, line 4: y"
    everything = b"\n".join([*files(hub).values(), *hub.objects.values()])
    for piece in (str(desk), str(Path.home()), "Users", "SQLite format", "\x80\x04\x95"):
        assert piece.encode("latin-1") not in everything, piece
    assert set(json.loads(files(hub)["manifest.json"])["settings"]["sha256"]) == {"a.csv", "b.csv"}
    assert b"https://example.org/a/b" in files(hub)["manifest.json"]


def test_passages_go_only_where_that_is_said(sample: Path, hub: HubServer):
    plan = pushed(sample, "--allow-offline")["plan"]
    assert "chunks.jsonl" not in files(hub, "you/demo")
    assert any("--with-chunks" in note for note in plan["notes"])

    plan = pushed(sample, "--allow-offline", "--with-chunks")["plan"]
    assert files(hub, "you/demo")["chunks.jsonl"] == (sample / "chunks.jsonl").read_bytes()
    assert any("copyright" in note for note in plan["notes"])
    again = push(sample, "--allow-offline", "--yes", "--json", "--quiet")
    assert json.loads(again.stdout)["plan"]["removed"] == ["chunks.jsonl"]
    assert "chunks.jsonl" not in files(hub, "you/demo")


# --- the card -----------------------------------------------------------------------------------------------------------


def test_the_card_says_what_a_stranger_must_know(desk: Path, hub: HubServer):
    rejected = [Rejected(item={}, reason=r, detail="", chunks=(), request=None) for r in ("near", "exact", "schema")]
    make_set(desk / "build/intent", [intent(n) for n in range(12)], rejected=rejected)
    pushed("--license", "cc-by-4.0")
    card = files(hub)["README.md"].decode()
    matter = yaml.safe_load(card.split("\n---\n")[0])

    assert matter["license"] == "cc-by-4.0"
    assert [config["config_name"] for config in matter["configs"]] == ["default", "alpaca"]
    assert {each["name"] for each in matter["dataset_info"]["features"]} == set(COLUMNS)
    for line in (
        "| 查询 | 4 | 1 | 5 |",  # label: train, test, all
        "- Duplicates removed: 2.",
        "- Contamination: not checked.",
        "- Licence: cc-by-4.0",
        "mind its provider's terms of use",
        f'load_dataset("{REPO}")',
        f"fingen pull {REPO}",
        "fingen finetune",
        "| duplicates | no row says the same as another | 15 | 0 | 0 |",
        "Cost: 0.0200 USD",
    ):
        assert line in card, line
    pushed("--overwrite")
    assert "Licence: none was given" in files(hub)["README.md"].decode()
    assert b"license:" not in files(hub)["README.md"]


def test_hostile_text_breaks_neither_the_card_nor_its_front_matter(desk: Path, hub: HubServer):
    from huggingface_hub import DatasetCard

    rows = [intent(n, label=HOSTILE if n % 2 else "b: [") for n in range(12)]
    make_set(desk / "build/intent", rows, declared=(HOSTILE,), settings={"keep_out": {HOSTILE: "x"}})
    pushed()
    card = files(hub)["README.md"].decode()

    matter = DatasetCard(card).data.to_dict()
    assert [config["config_name"] for config in matter["configs"]] == ["default", "alpaca"]
    outside_code = "".join(card.partition("\n---\n")[2].split("\n```")[::2])
    assert "<script" not in outside_code
    assert "`rm`" not in outside_code
    assert len([line for line in card.splitlines() if line.startswith("# ")]) == 1
    assert {row["label"] for row in load(REPO)["train"]} == {HOSTILE, "b: ["}


def test_a_licence_that_the_hub_does_not_know_is_told_before_anything_is_made(desk: Path, hub: HubServer):
    message = refused(hub, "--license", "do-what-you-like", code=2)

    assert "must be one of apache-2.0" in message
    assert "--license" in message
    assert not hub.repos


# --- consent ------------------------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_goes_without_yes(desk: Path, hub: HubServer):
    ran = push("build/intent", code=2)

    assert hub.wrote() == []
    assert f"build/intent -> {hub.url}/datasets/{REPO}  (private)" in ran.stderr
    assert "rows:    15 (12 train, 3 test)" in ran.stderr
    assert "teacher: anthropic:claude-haiku-5-5" in ran.stderr
    assert "--yes" in ran.stderr


@pytest.mark.parametrize(("typed", "status"), [("y", 0), ("n", 2), ("", 2), ("\x03", 130)])
def test_on_a_terminal_the_user_sees_what_goes_where_and_is_asked(desk: Path, hub: HubServer, typed: str, status: int):
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fingen", "push"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200"}, preexec_fn=_take_terminal,
    )  # fmt: skip
    os.close(theirs)
    said, answered = b"", False
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
            if b"[y/N]" in said and not answered:
                os.write(ours, typed.encode() + b"\n")
                answered = True
    except OSError:  # the other end is closed: the process has ended
        pass
    finally:
        os.close(ours)

    assert process.wait(timeout=PATIENCE) == status, said
    assert f"Publish it as {REPO} (private)?".encode() in said
    assert b"the newest set: build/intent" in said
    assert bool(hub.wrote()) == (status == 0)
    assert TOKEN.encode() not in said


def test_a_dry_run_tells_and_changes_nothing(desk: Path, hub: HubServer):
    ran = push("--dry-run")

    assert "nothing was sent (--dry-run)" in ran.stdout
    assert hub.wrote() == []
    plan = json.loads(push("--dry-run", "--json").stdout)["plan"]
    assert (
        set(plan["sent"]) == set(plan["files"]) >= {"train.jsonl", "data/train.parquet", "README.md", "manifest.json"}
    )
    assert plan["rows"] == {"train": 12, "test": 3}
    assert hub.wrote() == []


# --- where it goes ------------------------------------------------------------------------------------------------------


def test_it_goes_where_it_is_told(desk: Path, hub: HubServer):
    assert pushed("build/intent", "--repo", "other-name")["plan"]["repo"] == "you/other-name"
    assert pushed("build/intent", "--repo", f"{ORGANISATIONS[0]}/x", "--message", "for all of us")["commit"]
    assert commits(hub, f"{ORGANISATIONS[0]}/x") == ["for all of us"]
    assert commits(hub, "you/other-name") == ["intent: 15 records"]


@pytest.mark.parametrize(
    "repo", ["you/a/b", "you/finanz set", "财经/意图", "you/" + "x" * 97, "-you/x", "you/a..b", "you/x.git"]
)
def test_a_name_that_can_be_none_is_told_before_the_hub_is_asked(desk: Path, hub: HubServer, repo: str):
    assert "no id of a repository" in refused(hub, "--repo", repo, code=2)
    assert hub.asked == []


def test_a_set_whose_name_can_be_none_needs_another(desk: Path, hub: HubServer):
    make_set(desk / "build/年报", [intent(n) for n in range(12)])
    assert "no id of a repository" in refused(hub, "build/年报", code=2)
    assert pushed("build/年报", "--repo", "reports")["plan"]["repo"] == "you/reports"


def test_the_name_of_somebody_else_is_no_place(desk: Path, hub: HubServer):
    hub.make("stranger/intent", {}, private=True)
    message = refused(hub, "--repo", "stranger/intent", code=2)
    assert "stranger is not yours" in message
    assert f"you, {ORGANISATIONS[0]}" in message or f"{ORGANISATIONS[0]}, you" in message


def test_private_unless_public_is_said(desk: Path, hub: HubServer):
    pushed("--repo", "open", "--public")
    assert not hub.repos["you/open"].private
    assert "you/open is public" in push("--repo", "open", "--yes", code=2).stderr

    pushed("--repo", "later")
    plan = pushed("--repo", "later", "--public")["plan"]
    assert plan["publishes"]
    assert not hub.repos["you/later"].private
    assert commits(hub, "you/later") == ["intent: 15 records"]
    assert not pushed("--repo", "later", "--public")["plan"]["publishes"]


# --- what is there already ----------------------------------------------------------------------------------------------


def test_the_same_again_sends_nothing_and_commits_nothing(desk: Path, hub: HubServer):
    first = pushed()
    hub.asked.clear()
    again = pushed()

    assert again["commit"] is None
    assert again["plan"]["sent"] == []
    assert hub.wrote() == []
    assert hub.repos[REPO].head.oid == first["commit"]
    assert "already up to date" in push("--yes").stdout


def test_more_rows_are_one_more_commit_and_only_what_changed_is_sent(desk: Path, hub: HubServer):
    pushed()
    make_set(desk / "build/intent", [intent(n) for n in range(20)])
    made = pushed()

    assert commits(hub) == ["intent: 15 records", "intent: 23 records"]
    assert "train rows: 12 -> 20" in made["plan"]["differences"]
    assert "data/test.parquet" not in made["plan"]["sent"]
    assert len(load(REPO)["train"]) == 20


def test_what_would_be_lost_is_shown_and_needs_overwrite(desk: Path, hub: HubServer):
    pushed()
    make_set(desk / "build/intent", [intent(n) for n in range(9)], held_out=[])
    hub.asked.clear()
    message = refused(hub, "build/intent", code=2)
    assert "rows of train: 12 -> 9" in message
    assert "rows of test: 3 -> 0" in message
    assert "--overwrite" in message

    made = pushed("--overwrite")
    assert made["plan"]["removed"] == ["alpaca/test.parquet", "data/test.parquet", "test.jsonl"]
    assert {split: len(rows) for split, rows in load(REPO).items()} == {"train": 9}


def test_other_columns_need_overwrite(desk: Path, hub: HubServer):
    pushed()
    repo = hub.repos[REPO]
    card = files(hub)["README.md"]
    assert b"- name: label\n    dtype: string" in card
    numbers = card.replace(b"- name: label\n    dtype: string", b"- name: label\n    dtype: int64")
    repo.add("as an older version wrote it", {**repo.head.files, "README.md": numbers})
    hub.asked.clear()
    assert "column label: changes its type" in refused(hub, "build/intent", code=2)
    pushed("--overwrite")
    assert {row["label"] for row in load(REPO)["train"]} == set(LABELS)


def test_a_data_set_of_another_hand_is_not_replaced_in_silence(desk: Path, hub: HubServer):
    hub.make(REPO, {"train.csv": b"text\nx\n", "manifest.json": b'{"of": "others"}'}, private=True)
    assert "train.csv is of another hand" in refused(hub, "build/intent", code=2)

    made = pushed("--overwrite")
    assert made["plan"]["removed"] == ["train.csv"]
    assert len(load(REPO)["train"]) == 12


def test_an_edited_card_is_not_replaced_in_silence(desk: Path, hub: HubServer):
    pushed()
    repo = hub.repos[REPO]
    broken = b"---\nconfigs: [\n---\n" + files(hub)["README.md"] + b"\nThanks to all.\n"
    repo.add("by hand", {**repo.head.files, "README.md": broken})
    hub.asked.clear()
    assert "README.md was edited there" in refused(hub, "build/intent", code=2)
    pushed("--overwrite")
    assert b"Thanks" not in files(hub)["README.md"]


def test_files_that_others_add_stay(desk: Path, hub: HubServer):
    pushed()
    repo = hub.repos[REPO]
    repo.add("a picture", {**repo.head.files, "figures/plot.svg": b"<svg/>"})
    make_set(desk / "build/intent", [intent(n) for n in range(20)])
    pushed()
    assert files(hub)["figures/plot.svg"] == b"<svg/>"


# --- what breaks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", CALLS)
def test_what_fails_for_a_moment_is_tried_again(desk: Path, hub: HubServer, endpoint: str):
    hub.refuse[endpoint] = [503]
    made = pushed()

    assert hub.refuse[endpoint] == []
    assert made["commit"] == hub.repos[REPO].head.oid
    assert commits(hub) == ["intent: 15 records"]


@pytest.mark.parametrize("endpoint", CALLS)
def test_what_stays_broken_is_exit_code_3_and_the_same_command_completes_it(desk: Path, hub: HubServer, endpoint: str):
    from fingen.hub import client

    by_the_client = endpoint in ("preupload", "batch", "put", "verify")  # which tries 503 for a long time
    hub.refuse[endpoint] = [501] if by_the_client else [503] * client.ATTEMPTS
    ran = push("--yes", code=3)

    assert f"status {501 if by_the_client else 503}" in ran.stderr
    assert REPO not in hub.repos or commits(hub) == []
    sent = hub.asked.count("put")
    hub.refuse.clear()
    pushed()
    assert commits(hub) == ["intent: 15 records"]
    tables = [name for name in files(hub) if name.endswith(".parquet")]
    refusals = endpoint == "put"
    assert hub.asked.count("put") == len(tables) + refusals, f"{sent} sent at first"


@pytest.mark.parametrize("endpoint", ["create", "put", "verify", "commit"])
def test_an_answer_that_is_lost_does_not_make_a_second_commit(desk: Path, hub: HubServer, endpoint: str):
    hub.lose.append(endpoint)
    made = pushed()

    assert hub.lose == []
    assert commits(hub) == ["intent: 15 records"]
    assert made["commit"] == hub.repos[REPO].head.oid


@pytest.mark.parametrize(
    ("endpoint", "done"),
    [("create", True), ("preupload", True), ("put", False), ("put", True), ("commit", False), ("commit", True)],
)
def test_killed_at_any_moment_the_same_command_makes_it_one_commit(
    desk: Path, hub: HubServer, endpoint: str, done: bool
):
    process: subprocess.Popen[str]

    def kill(asked: str, is_done: bool) -> None:
        if (asked, is_done) == (endpoint, done):
            hub.on_event = lambda *_: None
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not done:
                raise ConnectionAbortedError

    hub.on_event = kill
    process = subprocess.Popen(
        [sys.executable, "-m", "fingen", "push", "--yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, said

    made = pushed()
    assert commits(hub) == ["intent: 15 records"]
    assert (made["commit"] is None) == ((endpoint, done) == ("commit", True))
    assert len(load(REPO)["train"]) == 12


def between(hub: HubServer, action: Callable[[], None], times: int = 1) -> None:
    """Do something just before a commit arrives, as somebody else."""
    left = [action] * times

    def on_event(endpoint: str, done: bool) -> None:
        if endpoint == "commit" and not done and left:
            left.pop()()

    hub.on_event = on_event


def test_where_somebody_else_commits_meanwhile_it_goes_on_top(desk: Path, hub: HubServer):
    hub.make(REPO, {}, private=True)
    repo = hub.repos[REPO]
    between(hub, lambda: repo.add("notes", {**repo.head.files, "LICENSE": b"mine"}))
    message = push("--yes", code=2).stderr
    assert "LICENSE is of another hand" in message  # what came meanwhile is looked at like what was there

    pushed("--overwrite")
    between(hub, lambda: repo.add("a picture", {**repo.head.files, "plot.svg": b"<svg/>"}))
    make_set(desk / "build/intent", [intent(n) for n in range(20)])
    pushed()
    assert files(hub)["plot.svg"] == b"<svg/>"
    assert commits(hub)[-2:] == ["a picture", "intent: 23 records"]


def test_where_somebody_else_commits_again_and_again_it_gives_up(desk: Path, hub: HubServer):
    pushed()
    repo = hub.repos[REPO]
    between(hub, lambda: repo.add("busy", {**repo.head.files, f"{len(repo.commits)}.txt": b""}), times=9)
    make_set(desk / "build/intent", [intent(n) for n in range(20)])
    assert "others write to it" in push("--yes", code=3).stderr
    assert "intent: 23 records" not in commits(hub)


def test_files_that_the_data_set_ignores_are_not_lost_in_silence(desk: Path, hub: HubServer):
    pushed()
    repo = hub.repos[REPO]
    repo.add("ignore", {**repo.head.files, ".gitignore": b"data/train.parquet"})
    make_set(desk / "build/intent", [intent(n) for n in range(20)])
    assert "it ignores files of this kind" in push("--yes", code=3).stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HF_TOKEN": "hf_wrong00000000000000000000000000"}, "the token was not accepted"),
        ({"HF_TOKEN": READ_TOKEN}, "may only read"),
        ({"HF_TOKEN": "hf_two words"}, "a character that no token has"),
        ({"HF_TOKEN": None}, "hf auth login"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot reach http://127.0.0.1:9"),
        ({"HF_ENDPOINT": "http://user:secret@127.0.0.1:9"}, "cannot reach http://***@127.0.0.1:9"),
        ({"HF_ENDPOINT": "no address"}, "cannot reach"),
    ],
)
def test_who_may_not_write_is_told_before_anything_is_sent(
    desk: Path, hub: HubServer, variables: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    message = refused(hub, "build/intent", code=3)

    assert said in message
    assert "secret" not in message
    for value in (TOKEN, READ_TOKEN, "hf_wrong", "two words"):
        assert value not in message
    assert hub.asked in ([], ["whoami"])


def test_offline_is_exit_code_3(desk: Path, hub: HubServer):
    ran = subprocess.run(
        [sys.executable, "-m", "fingen", "push", "--yes"], capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert ran.returncode == 3
    assert "HF_HUB_OFFLINE is set" in ran.stderr
    assert hub.asked == []


def test_a_token_that_is_stored_is_used(desk: Path, hub: HubServer):
    (desk / "hf").mkdir()
    (desk / "hf/token").write_text(TOKEN + "\n")
    environment = {**os.environ, "HF_HOME": str(desk / "hf")}
    del environment["HF_TOKEN"]
    ran = subprocess.run(
        [sys.executable, "-m", "fingen", "push", "--yes"], capture_output=True, text=True, timeout=PATIENCE, check=False,
        env=environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert commits(hub) == ["intent: 15 records"]


# --- the token is nowhere -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "code"),
    [({}, 0), ({"whoami": [401]}, 3), ({"commit": [403]}, 3), ({"create": [403]}, 3), ({"commit": [500] * 9}, 3), ({"info": [502] * 9}, 3)],
    ids=["good", "401", "403", "no name", "500", "502"],
)  # fmt: skip
def test_the_token_is_nowhere(
    desk: Path,
    hub: HubServer,
    faults: dict[str, list[int]],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setenv("HF_HUB_VERBOSITY", "debug")
    caplog.set_level(logging.DEBUG)
    hub.refuse = faults
    ran = CliRunner().invoke(cli.main, ["push", "--yes", "--debug"], prog_name="fingen")

    assert ran.exit_code == code, ran.output
    assert ("Traceback" in ran.output) == (code != 0)  # --debug was heard
    raised = "".join(traceback.TracebackException(*ran.exc_info, capture_locals=True).format()) if ran.exc_info else ""
    for text in (ran.output, ran.stderr, raised, caplog.text):
        assert TOKEN not in text
        assert TOKEN[:12] not in text
    assert hub.authorizations == {TOKEN}  # it was used
    assert_nowhere(desk, hub)


def assert_nowhere(desk: Path, hub: HubServer) -> None:
    for path in desk.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    for repo in hub.repos.values():
        assert TOKEN.encode() not in b"".join(repo.head.files.values())


def test_the_token_is_nowhere_in_a_process_that_logs_all_it_can(desk: Path, hub: HubServer):
    hub.refuse = {"whoami": [500], "commit": [401]}
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-m", "fingen", "push", "--yes", "--debug"],
        env={**os.environ, "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert "Traceback" in ran.stderr
    assert TOKEN[:12] not in ran.stdout + ran.stderr
    assert_nowhere(desk, hub)


# --- what must not go ---------------------------------------------------------------------------------------------------


def planted(place: str, secret: str) -> dict[str, Any]:
    """What `make_set` takes to have something private in that place."""
    rows = [intent(n) for n in range(12)]
    if place == "output":
        return {"records": [*rows[:-1], intent(11, output=f"A，{secret}")]}
    if place == "options":
        return {"records": [*rows[:-1], intent(11, options={"A": secret, "B": "购买", "C": "赎回"})]}
    if place == "draws":
        return {"records": [*rows[:-1], intent(11, draws={"label": "赎回", "note": {"deep": [secret]}})]}
    if place == "document":
        return {"records": [*rows[:-1], intent(11, document=f"{secret}.pdf")]}
    if place == "settings":
        return {"records": rows, "settings": {"questions": secret}}
    return {
        "records": rows,
        "rejected": [Rejected(item={"t": secret}, reason="near", detail="", chunks=(), request=None)],
    }


@pytest.mark.parametrize("place", ["output", "options", "draws", "document", "settings", "rejected"])
@pytest.mark.parametrize(("secret", "kind"), [(ID_NUMBER, "id-card"), (BANK_KEY, "api-key")])
def test_personal_data_and_keys_stop_the_push(desk: Path, hub: HubServer, place: str, secret: str, kind: str):
    make_set(desk / "build/intent", **planted(place, secret))
    message = refused(hub, "build/intent", "--allow-failing", "--with-rejects", code=1)

    assert "nothing was uploaded" in message
    assert "privacy" in message if place == "output" else kind in message
    assert secret not in message
    assert "create" not in hub.asked
    if place == "rejected":  # they do not go unless that is asked for
        pushed("build/intent")


def test_the_place_of_what_is_private_is_named(desk: Path, hub: HubServer):
    make_set(desk / "build/intent", **planted("options", ID_NUMBER))
    assert "train.jsonl, row 12, options.A: id-card" in refused(hub, "build/intent", code=1)


def test_an_escape_in_a_nested_column_hides_nothing(desk: Path, hub: HubServer):
    make_set(desk / "build/intent", **planted("draws", f"a\n{ID_NUMBER}"))  # on disk: a backslash and an n before it
    assert "train.jsonl, row 12, draws.note.deep: id-card" in refused(hub, "build/intent", code=1)


def test_the_keys_of_this_machine_stop_the_push_whatever_their_form(
    desk: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "plain-words-as-a-key")
    for secret in ("plain-words-as-a-key", TOKEN):
        make_set(desk / "build/intent", **planted("draws", f"it is {secret} indeed"))
        message = refused(hub, "build/intent", code=1)
        assert "draws.note.deep" in message
        assert secret not in message


def test_a_path_of_this_machine_in_a_row_stops_the_push(desk: Path, hub: HubServer):
    make_set(desk / "build/intent", **planted("draws", f"{desk}/reports/a.pdf"))
    message = refused(hub, "build/intent", code=1)
    assert "a path of this machine" in message


def test_private_data_in_the_passages_stop_them_and_not_the_set(sample: Path, desk: Path, hub: HubServer):
    folder = Path(shutil.copytree(sample, desk / "build/demo"))
    chunk = (folder / "chunks.jsonl").read_text(encoding="utf-8")
    (folder / "chunks.jsonl").write_text(chunk.replace('"text": "', f'"text": "{ID_NUMBER} ', 1), encoding="utf-8")
    listed = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    listed["files"]["chunks.jsonl"]["sha256"] = sha256_file(folder / "chunks.jsonl")
    (folder / "manifest.json").write_text(json.dumps(listed), encoding="utf-8")
    message = refused(hub, folder, "--allow-offline", "--allow-failing", "--with-chunks", code=1)
    assert "chunks.jsonl, row 1, text: id-card" in message
    pushed(folder, "--allow-offline", "--allow-failing")


def test_a_set_of_the_offline_teacher_or_the_sample_needs_a_word(sample: Path, desk: Path, hub: HubServer):
    assert "--allow-offline" in refused(hub, sample, code=2)
    assert hub.asked == []
    source = read_manifest(sample).sources[0]
    make_set(desk / "build/paid", [intent(n) for n in range(12)], sources=(source,), teacher="anthropic:x")
    assert "sample report" in refused(hub, "build/paid", code=2)
    mixed = [intent(n, teacher="offline" if n == 1 else "human") for n in range(12)]
    make_set(desk / "build/mixed", mixed)
    assert "offline" in refused(hub, "build/mixed", code=2)
    assert pushed("build/mixed", "--allow-offline")["commit"]


def test_the_sample_is_known_by_its_name():
    from fingen.hub.push import SAMPLE

    assert (ROOT / "raw" / SAMPLE).is_file()


def test_a_set_that_does_not_hold_goes_only_with_a_word_on_its_card(desk: Path, hub: HubServer):
    rows = [intent(n) for n in range(12)]
    make_set(desk / "build/intent", [*rows, intent(3, id="in-again")])
    message = refused(hub, "build/intent", code=1)
    assert "duplicates (1)" in message
    assert "--allow-failing" in message

    plan = pushed("--allow-failing")["plan"]
    assert plan["failing"] == {"duplicates": 1}
    assert "**Failed: duplicates**, 1 rows. Published all the same." in files(hub)["README.md"].decode()


def test_a_set_whose_files_were_changed_goes_in_no_case(desk: Path, hub: HubServer):
    path = desk / "build/intent/train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("口语", "书面"), encoding="utf-8")
    message = refused(hub, "build/intent", "--allow-failing", code=1)
    assert "files (1)" in message
    assert "--allow-failing" not in message.partition("->")[2]


def test_a_set_that_is_none_or_empty_is_told(desk: Path, hub: HubServer):
    assert "no such set" in refused(hub, "build/nowhere", code=2)
    (desk / "build/intent/manifest.json").unlink()
    assert "no set here" in push("--yes", code=2).stderr
    make_set(desk / "build/empty", [], held_out=[])
    assert "has no records" in refused(hub, "build/empty", code=2)
    assert hub.asked == []


def test_evidence_of_a_companion_document_keeps_its_name(desk: Path, hub: HubServer):
    quotes = (Evidence(quote="a", page=1), Evidence(quote="b", page=2, document="other.pdf"))
    rows = [intent(n, evidence=quotes if n == 2 else None, pages=(1,) if n == 2 else None) for n in range(12)]
    make_set(desk / "build/intent", rows)
    pushed("--allow-failing")
    assert json.loads(load(REPO)["train"][2]["evidence"]) == [
        {"quote": "a", "page": 1},
        {"quote": "b", "page": 2, "document": "other.pdf"},
    ]


def test_options_of_other_names_and_labels_of_other_rows_come_back(desk: Path, hub: HubServer):
    rows = [intent(n, options={f"{n}": "x"} if n % 2 else None, label=f"l{n}", scores={f"s{n}": 1.0}) for n in range(12)]  # fmt: skip
    make_set(desk / "build/intent", rows, held_out=[intent(900, label="only here")])
    pushed()
    assert load(REPO)["train"] == [row.model_dump(mode="json") for row in rows]
