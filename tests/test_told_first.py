"""What a user is told before deciding, and what is typed next: counted, named, and ready to be pasted."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE
from stub_hub import StubHub
from stub_llm import StubLLM
from test_export import make_set, record
from test_kill import reply, write_reports

from fingen.cli import main, working
from fingen.config import TASKS
from fingen.set_folder import make_manifest
from fingen.sets import SetContent, say_terms, write_set
from fingen.teachers.journal import Journal, read_inputs
from fingen.verification.run import LAWS


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readers_here: None) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="fingen", env=environment)


def following(said: str) -> list[str]:
    """The command that is to be typed next, as a shell takes it apart."""
    line = next(line for line in said.splitlines() if line.startswith("next: "))
    return shlex.split(line.removeprefix("next: "))


# --- fingen pdf2qa -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def reports(desk: Path) -> Path:
    """Two reports in a folder with a space in its name, beside files that are none."""
    folder = desk / "my reports"
    write_reports(folder, 2, 6)
    (folder / "rows.json").write_text("[]")
    (folder / "NOTES").write_text("call the bank")
    (folder / "code").mkdir()
    (folder / "code" / "run.py").write_text("1")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / "documents.yaml").write_text("{}")
    return folder


OTHERS = "3 other files of the folders are no report that is read: NOTES, code/run.py, rows.json"


def test_a_dry_run_says_what_is_to_be_known_and_the_command_that_does_it(reports: Path):
    words = ("pdf2qa", "my reports", "--teacher", "anthropic:claude-haiku-5-5", "--out", "build/my set")
    ran = run(*words, "--dry-run", ANTHROPIC_API_KEY="sk-for-tests")
    told = json.loads(run(*words, "--dry-run", "--json", ANTHROPIC_API_KEY="sk-for-tests").stdout)

    assert ran.exit_code == 0, ran.output
    assert f"note: {OTHERS}" in ran.stdout
    assert "note: anthropic:claude-haiku-5-5: its provider limits what may be trained on its answers" in ran.stdout
    assert "note: “at most” is a bound, no guess: each answer as long as it may be, asked for 3 times" in ran.stdout
    assert "ANTHROPIC_API_KEY is not set" not in ran.stdout
    assert following(ran.stdout) == ["fingen", *words, "--budget", "1"]
    assert OTHERS in told["notes"]
    assert shlex.split(told["next"]) == ["fingen", *words, "--json", "--budget", "1"]


@pytest.mark.parametrize(
    ("words", "environment"),
    [(("--budget", "20"), {}), (("--budget-all", "20"), {}), ((), {"FINGEN_BUDGET": "20"})],
)
def test_a_budget_that_was_named_stays_the_one(reports: Path, words: tuple[str, ...], environment: dict[str, str]):
    asked = ("pdf2qa", "my reports", "--teacher", "anthropic", *words)

    assert following(run(*asked, "--dry-run", **environment).stdout) == ["fingen", *asked]


def test_a_dry_run_names_the_key_that_is_missing_and_the_model_that_was_meant(
    reports: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    misspelt = ("pdf2qa", "my reports", "--teacher", "anthropic:claude-hiaku")
    said = run(*misspelt, "--dry-run").stdout

    assert "note: ANTHROPIC_API_KEY is not set: asking needs it" in said
    assert "price: unknown" in said
    assert "did you mean claude-haiku-5-5?" in said
    assert following(said) == ["fingen", *misspelt]

    own = run(
        "pdf2qa", "my reports", "--teacher", "openai:gpt-6-lunar", "--base-url", "http://127.0.0.1:9/v1", "--dry-run"
    )

    assert "did you mean" not in own.stdout
    assert "is not set" not in own.stdout


def test_a_set_that_is_in_the_way_is_told_with_the_commands_that_go_on(reports: Path):
    words = ("pdf2qa", "my reports", "--teacher", "offline")
    assert run(*words).exit_code == 0
    name = "build/reports"
    Path(f"{name}-2").mkdir()

    for typed in ((), ("--out", name)):
        *_, beside, instead = run(*words, "--per-chunk", "5", *typed).stderr.splitlines()

        assert shlex.split(beside) == ["fingen", *words, "--per-chunk", "5", "--out", f"{name}-3"]
        assert shlex.split(instead) == ["fingen", *words, "--per-chunk", "5", *typed, "--replace"]
    assert run(*shlex.split(beside)[1:]).exit_code == 0
    assert run(*shlex.split(instead)[1:]).exit_code == 0


def test_where_nothing_is_asked_about_it_is_told_so(desk: Path):
    Path("note.md").write_text("Sales rose.\n", encoding="utf-8")
    ran = run("pdf2qa", "note.md", "--teacher", "offline", "--context", "passage")

    assert ran.exit_code == 1
    assert "nothing is asked about in 1 passages that were read" in ran.stderr
    assert "no company is named for sure in note.md" in ran.stderr


def test_a_format_that_is_misspelt_is_named(desk: Path):
    assert "Did you mean llamafactory?" in run("export", "x", "--format", "llamafactry", "--out", "y").stderr


@pytest.mark.parametrize("task", TASKS)
def test_the_topic_of_a_task_is_found_by_its_name(task: str):
    assert run("help", task).stdout == run("help", "pairs").stdout


def test_without_what_trains_the_next_step_needs_no_training(
    desk: Path, sample_set: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(sample_set, desk / "build" / "my set")
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    shown = following(run("verify", "build/my set").stdout)

    assert shown == ["fingen", "show", "build/my set"]
    assert run(*shown[1:]).exit_code == 0


def test_a_set_with_faults_is_shown_by_the_command_that_is_told(desk: Path, sample_set: Path):
    shutil.copytree(sample_set, desk / "build" / "my set")
    with (desk / "build" / "my set" / "train.jsonl").open("a") as file:
        file.write("\n")
    shown = following(run("verify", "build/my set").stdout)

    assert shown == ["fingen", "verify", "build/my set", "--html", "report.html"]
    assert run(*shown[1:]).exit_code == 1
    assert Path("report.html").is_file()


def test_a_paid_run_says_how_far_its_rows_go_and_what_was_passed_over(reports: Path):
    with StubLLM(reply=reply) as stub:
        ran = run("pdf2qa", "my reports", "--teacher", "anthropic", "--out", "build/my set",
                  ANTHROPIC_API_KEY="sk-for-tests", ANTHROPIC_BASE_URL=stub.url)  # fmt: skip

    assert ran.exit_code == 0, ran.output
    manifest = json.loads(Path("build/my set/manifest.json").read_text())
    train, held = (manifest["splits"].get(split, 0) for split in ("train", "validation"))
    steps = 3 * -(-train // 8)
    assert (
        f"few rows to tune on: {train} are {steps} steps of `fingen finetune`, and {held} validation rows" in ran.stdout
    )
    assert "the licence of that model says what may be trained on its answers" in ran.stdout  # it is another server's
    assert OTHERS in ran.stdout
    assert following(ran.stdout) == ["fingen", "verify", "build/my set"]


def test_a_run_without_a_bill_is_no_occasion_for_terms(reports: Path):
    ran = run("pdf2qa", "my reports", "--teacher", "offline")

    assert OTHERS in ran.stdout
    assert "few rows" not in ran.stdout
    assert "provider" not in ran.stdout


def test_a_folder_without_reports_says_what_is_in_it(desk: Path):
    (desk / "data").mkdir()
    for number in range(7):
        (desk / "data" / f"{number}.json").write_text("{}")

    ran = run("pdf2qa", "data")

    assert ran.exit_code == 2
    assert "no documents below data; there are 0.json, 1.json, 2.json, 3.json, 4.json and 2 more" in ran.stderr


def test_a_set_that_is_misspelt_is_named(desk: Path):
    make_set(desk / "build" / "reports", {"train": [record("What?")]})

    assert "did you mean reports?" in run("export", "build/report", "--format", "csv", "--out", "x").stderr


# --- what is next --------------------------------------------------------------------------------------------------------------


def test_a_clean_set_is_told_by_how_much_and_what_not(desk: Path, sample_set: Path):
    shutil.copytree(sample_set, desk / "build" / "my set")

    ran = run("verify", "build/my set")
    rows = json.loads(run("verify", "build/my set", "--json").stdout)["rows"]

    assert re.search(
        rf"nothing wrong was found: {rows} rows by \d+ of {len(LAWS)} laws, against [1-9]\d* passages; not checked",
        ran.stdout,
    )
    assert "contamination (no benchmark was named with --keep-out)" in ran.stdout
    assert following(ran.stdout) == ["fingen", "finetune", "--set", "build/my set", "--model", "tiny", "--dry-run"]

    planned = run(*following(ran.stdout)[1:])

    assert planned.exit_code == 0, planned.output
    assert following(planned.stdout) == ["fingen", "finetune", "--set", "build/my set", "--model", "tiny"]


def test_rows_of_others_are_not_said_to_be_proved(desk: Path):
    options = {"A": "up", "B": "down"}
    rows = [
        record(f"Did sales of {name} go up or down?", output="A", label="A", options=options)
        for name in ("lenses", "valves")
    ]
    make_set(desk / "build" / "rows", {"train": rows})

    ran = run("verify", "build/rows")

    assert ran.exit_code == 0, ran.output
    assert "against" not in ran.stdout
    assert "without the passages that they rest on" in ran.stdout


def test_who_tunes_on_rows_of_a_provider_is_told_of_its_terms(desk: Path):
    rows = {"train": [record(f"What is {n}?", output="That.", teacher="openai:gpt-6-luna") for n in range(3)]}
    manifest = make_manifest("paid", "synth qa", {}, [], ()).model_copy(update={"teacher": "openai:gpt-6-luna"})
    write_set(desk / "build" / "paid", SetContent(splits=rows, rejected=[], chunks=[], manifest=manifest))

    ran = run("finetune", "--model", "tiny", "--dry-run")

    assert "mind: openai:gpt-6-luna: its provider limits what may be trained on its answers" in ran.stdout


@pytest.mark.parametrize(
    ("teachers", "told"),
    [
        ("offline", []),
        ("anthropic:claude-haiku-5-5", ["provider"]),
        ("openai:m@localhost:8000", ["licence"]),
        ("anthropic:a, openai:b, offline", ["provider", "provider"]),
        ("", []),
    ],
)
def test_terms_are_those_of_who_wrote(teachers: str, told: list[str]):
    said = say_terms(teachers)

    assert len(said) == len(told)
    assert all(word in line for word, line in zip(told, said, strict=True))


# --- fingen push without a token ------------------------------------------------------------------------------------------------


def test_a_push_is_previewed_without_a_token_and_without_the_network(desk: Path):
    make_set(desk / "build" / "my set", {"train": [record("What rose?"), record("Which fell?", output="costs")]})
    with StubHub("you/other", {}) as hub:
        ran = run("push", "build/my set", "--dry-run", "--repo", "mine", "--allow-failing", HF_ENDPOINT=hub.url)
        real = run("push", "build/my set", "--yes", "--repo", "mine", "--allow-failing", HF_ENDPOINT=hub.url)

    assert ran.exit_code == 0, ran.output
    assert "you/mine" in ran.output
    assert "2 (2 train)" in ran.output
    assert "nobody is logged in: what is there under that name was not looked at" in ran.output
    push = ["fingen", "push", "build/my set", "--repo", "mine", "--allow-failing"]
    assert following(ran.stdout) == ["hf", "auth", "login", "&&", *push]
    assert not hub.asked
    assert real.exit_code == 3
    assert "no token for the Hub" in real.output


def test_a_preview_without_a_token_finds_what_may_not_go(desk: Path):
    make_set(
        desk / "build" / "private",
        {"train": [record("Whose?", output="call 13912345678 or write to li.wei@bank.example.cn")]},
    )

    ran = run("push", "build/private", "--dry-run", "--repo", "mine", "--allow-failing")

    assert ran.exit_code == 1, ran.output


# --- fingen show finds the reports again ----------------------------------------------------------------------------------------


def test_a_picture_needs_no_folder_where_the_set_was_made_here(desk: Path, reports: Path):
    elsewhere = desk / "else where"
    reports.rename(elsewhere)
    assert run("pdf2qa", "else where", "--teacher", "offline").exit_code == 0

    ran = run("show", "--png", "page.png")

    assert ran.exit_code == 0, ran.output
    assert "whole paragraph" not in ran.output
    assert (desk / "page.png").read_bytes().startswith(b"\x89PNG")

    (elsewhere / "report0.pdf").write_bytes(b"%PDF another")
    (elsewhere / "report1.pdf").write_bytes(b"%PDF another")

    assert "its content is another" in run("show", "--png", "other.png").output


def test_two_folders_with_the_same_names_are_found_again(desk: Path):
    for name in ("2023", "2024"):
        write_reports(desk / "far" / name, 1, 6 if name == "2023" else 7)
    assert run("pdf2qa", "far/2023", "far/2024", "--teacher", "offline").exit_code == 0

    rows = [
        json.loads(line) for file in Path("build/reports").glob("t*.jsonl") for line in file.read_text().splitlines()
    ]
    for name in {row["document"]: row["id"] for row in rows}.values():
        assert run("show", "build/reports", name, "--png", "page.png").exit_code == 0


@pytest.mark.parametrize(
    "value", ['["//evil.example/share"]', '["\\\\\\\\evil\\\\share"]', "[1, null, {}]", "{}", "[", '["a\\u0000b"]']
)
def test_a_journal_of_others_leads_nowhere(desk: Path, value: str):
    with Journal.open(desk / "journal.sqlite") as journal:
        journal.write_inputs([])
    with sqlite3.connect(desk / "journal.sqlite") as db:
        db.execute("REPLACE INTO meta VALUES ('inputs', ?)", [value])

    assert read_inputs(desk / "journal.sqlite") == ()
    assert read_inputs(desk / "none.sqlite") == ()


# --- what takes long ------------------------------------------------------------------------------------------------------------


class _Heard:
    """Standard error that tells when something was written to it."""

    def __init__(self, *, terminal: bool) -> None:
        self.text, self.heard, self._terminal = "", threading.Event(), terminal

    def write(self, text: str) -> int:
        self.text += text
        if text.strip():
            self.heard.set()
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "MOMENT_SECONDS", 0.001)
    monkeypatch.setattr(working, "TICK_SECONDS", 0.001)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_takes_long_says_that_it_works_and_leaves_nothing(
    terminal: bool, at_once: None, monkeypatch: pytest.MonkeyPatch
):
    heard = _Heard(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", heard)
    with working.working("checking build/\x1b[2Jx", quiet=False) as pausing:
        assert heard.heard.wait(PATIENCE)
        with pausing():
            asked: Any = heard.text
        assert heard.text == asked

    assert heard.text.count("checking build/") >= 1
    assert "\x1b[2J" not in heard.text
    assert heard.text.endswith("\r\x1b[K") == terminal
    assert terminal or heard.text == "checking build/\\u001b[2Jx ...\n"


def test_what_is_quiet_says_nothing(at_once: None, monkeypatch: pytest.MonkeyPatch):
    heard = _Heard(terminal=True)
    monkeypatch.setattr(sys, "stderr", heard)
    before = threading.active_count()
    with working.working("checking", quiet=True) as pausing, pausing():
        assert threading.active_count() == before

    assert heard.text == ""
