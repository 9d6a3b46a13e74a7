"""`fingen trace` and `fingen withdraw`: what rests on a report is found by what it holds, and sets lose exactly that."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import dump_dom, measure_widths, need_chromium, take_picture
from click.testing import CliRunner, Result
from hub_server import TOKEN, HubServer
from patience import PATIENCE
from readers import read_here
from rows import read_rows
from small_models import make_base
from test_kill import Server, write_reports

import fingen
from fingen import cli
from fingen.disk import lock, sha256_file
from fingen.lineage.items import ASIDE
from fingen.pushes import read_pushes
from fingen.sets import SPLITS, read_manifest
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks
from fingen.training.distill.answers import AnswerStore

# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.skipif(sys.platform == "win32", reason="asks a server with signals in its tests"),
]
TUNED = ("--override", "epochs=1", "--override", "load=fp32", "--quiet")
REPORT = "report0.pdf"
NAME = "Northwind Instruments"  # whose report that is


def run(*arguments: object, code: int = 0) -> Result:
    ran = CliRunner().invoke(cli.main, [*map(str, arguments)], prog_name="fingen")
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == code, ran.output
    assert "Traceback" not in ran.output
    return ran


def told(*arguments: object, code: int = 0) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json", "--quiet", code=code).stdout)


def fill(desk: Path) -> None:
    """Two reports in a set, a third one in another; both mixed, tuned on, merged, scored, exported, imported, pushed."""
    write_reports(desk / "in", 3, 6)
    (desk / "apart").mkdir()
    (desk / "in/report2.pdf").rename(desk / "apart/report2.pdf")
    asked = ("--teacher", "anthropic", "--chunk-tokens", "128", "--quiet")
    run("pdf2qa", "in", *asked, "--out", "build/reports")
    run("pdf2qa", "apart", *asked, "--out", "build/apart")
    run("mix", "build/reports", "build/apart:2", "--out", "build/mix")
    texts = [
        row["output"] for name in ("reports", "apart") for row in read_rows(*Path("build", name).glob("train.jsonl"))
    ]
    make_base(desk / "base", texts, talks=True)
    run("finetune", "--model", "tiny", "--set", "build/mix", "--out", "build/adapters/mixed", *TUNED)
    run("finetune", "--model", "base", "--set", "build/apart", "--out", "build/adapters/apart", *TUNED)
    run("merge", "build/adapters/mixed", "--out", "build/models/mixed")
    run("score", "build/adapters/mixed", "--quiet")
    run("score", "build/adapters/apart", "--quiet")
    run("export", "build/reports", "--format", "alpaca", "--out", "build/exported")
    run("import", "alpaca", "build/exported/train.json", "--out", "build/back")
    run("push", "build/mix", "--yes")
    run("push", "build/adapters/mixed", "--yes", "--allow-offline")
    run("push", "build/apart", "--yes")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with all that fingen makes. To be copied, not changed."""
    from huggingface_hub import constants

    desk = tmp_path_factory.mktemp("lineage")
    with Server() as server, HubServer() as hub, pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        patch.setattr("fingen.pipeline.reading.read_documents", read_here)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name, value in {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "sk-for-tests", "HF_ENDPOINT": hub.url,
                            "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}.items():  # fmt: skip
            patch.setenv(name, value)
        fill(desk)
        patch.setenv("FINGEN_TEST_SERVER", server.url)
        yield desk


@pytest.fixture
def desk(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "desk", symlinks=True)
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


@pytest.fixture(scope="module")
def readable(made: Path) -> Iterator[Path]:
    """The same, for what changes nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        yield made


def places(found: list[dict[str, Any]]) -> dict[str, str]:
    """Folder -> kind; of a push its repository."""
    return {each["place"].partition(" at ")[0]: each["kind"] for each in found}


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", LOCKS_FILE)
    }  # fmt: skip


BELOW_FIRST = {
    "build/reports": "set", "build/mix": "set", "build/back": "set", "build/adapters/mixed": "adapter",
    "build/models/tiny-mix": "model", "build/models/mixed": "model", "build/scores/mixed": "score",
    "build/exported": "export", "you/mix": "push", "you/mixed": "push",
}  # fmt: skip
BELOW_THIRD = {
    "build/apart": "set", "build/mix": "set", "build/adapters/mixed": "adapter", "build/adapters/apart": "adapter",
    "build/models/tiny-mix": "model", "build/models/mixed": "model", "build/scores/mixed": "score",
    "build/scores/apart": "score", "you/mix": "push", "you/mixed": "push", "you/apart": "push",
}  # fmt: skip


# --- what rests on what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["in/report0.pdf", REPORT, "hash", "start"])
def test_all_that_rests_on_a_report_is_named_and_nothing_else(readable: Path, word: str):
    sha256 = sha256_file(Path("in/report0.pdf"))
    found = told("trace", {"hash": sha256, "start": sha256[:8]}.get(word, word))

    assert places(found["below"]) == BELOW_FIRST
    assert (found["kind"], found["sha256"], found["above"], found["damaged"]) == ("report", sha256, [], {})
    assert all(each["by"] == "hash" for each in found["below"])


def test_another_report_has_other_things_below_it(readable: Path):
    assert places(told("trace", "apart/report2.pdf")["below"]) == BELOW_THIRD


def test_the_rows_of_a_report_are_those_that_name_it(readable: Path):
    found = told("trace", REPORT)
    (of_set,) = (each for each in found["below"] if each["place"] == "build/reports")
    for split in SPLITS:
        path = Path("build/reports", f"{split}.jsonl")
        rows = read_rows(path) if path.exists() else []
        assert of_set["rows"].get(split, []) == [row["id"] for row in rows if row["document"] == REPORT]


def test_what_an_adapter_rests_on_and_what_rests_on_it(readable: Path):
    found = told("trace", "build/adapters/mixed")

    assert places(found["below"]) == {"build/models/mixed": "model", "build/scores/mixed": "score", "you/mixed": "push"}
    assert places(found["above"]) == {
        **{f"report{number}.pdf": "report" for number in range(3)}, "build/mix": "set", "build/reports": "set",
        "build/apart": "set", "build/models/tiny-mix": "model",
    }  # fmt: skip
    assert places(told("trace", "build/scores/apart")["above"]) == {
        "report2.pdf": "report", "build/apart": "set", "build/adapters/apart": "adapter", "base": "model",
    }  # fmt: skip


def test_an_adapter_rests_on_a_row_that_it_was_tuned_on_and_not_on_one_that_it_was_asked(readable: Path):
    (test,) = read_rows(Path("build/apart/test.jsonl"))[:1]
    trained = next(row for row in read_rows(Path("build/reports/train.jsonl")) if row["document"] == REPORT)

    asked = places(told("trace", "build/apart", test["id"])["below"])
    assert {"build/apart": "set", "build/scores/apart": "score", "you/apart": "push"}.items() <= asked.items()
    assert "adapter" not in asked.values()
    learned = told("trace", trained["id"])
    assert places(learned["below"]).items() >= {"build/adapters/mixed": "adapter", "build/back": "set"}.items()
    assert "build/adapters/apart" not in places(learned["below"])
    assert places(learned["above"]) == {REPORT: "report"}


def test_what_was_moved_or_renamed_is_found_by_what_it_holds(desk: Path):
    for old, new in {"build/mix": "build/old/one", "build/adapters/mixed": "build/a", "build/scores/mixed": "build/old/s",
                     "build/models/tiny-mix": "build/m", "build/exported": "build/e", "build/back": "build/b"}.items():  # fmt: skip
        (desk / new).parent.mkdir(exist_ok=True)
        (desk / old).rename(desk / new)
    shutil.rmtree(desk / "build/reports")
    found = told("trace", "in/report0.pdf")

    assert places(found["below"]) == {
        "build/old/one": "set", "build/a": "adapter", "build/m": "model", "build/models/mixed": "model",
        "build/old/s": "score", "you/mix": "push", "you/mixed": "push",
    }  # fmt: skip
    assert "build/e" in found["unknown"]
    assert all(each["by"] == "hash" for each in found["below"])
    shutil.rmtree(desk / "build/a")
    shutil.rmtree(desk / "build/old")
    gone = told("trace", "in/report0.pdf")
    assert places(gone["below"]) == {"you/mix": "push"}  # what went says what it was read from
    assert "you/mixed" in {place.partition(" at ")[0] for place in gone["unknown"]}


def test_a_link_by_a_name_alone_says_so(desk: Path):
    run("split", "build/reports", "--split", "0.4,0.3,0.3")
    (export,) = (each for each in told("trace", REPORT)["below"] if each["kind"] == "export")

    assert export["by"] == "name"
    assert "by its name alone" in export["said"][0]
    assert "by name alone" in run("trace", REPORT).stdout


def test_what_cannot_be_known_is_said(desk: Path):
    rows = [{"instruction": f"What of {n}?", "input": "", "output": f"It is {n}."} for n in range(3)]
    Path("rows.json").write_text(json.dumps(rows))
    run("import", "alpaca", "rows.json", "--out", "build/foreign")

    assert "does not name its sources" in told("trace", REPORT)["unknown"]["build/foreign"]
    assert "build/foreign" in run("trace", REPORT).stdout


@pytest.mark.parametrize("word", ["nothing.pdf", "qa-", "0123456789abcdef"])
def test_what_is_no_thing_or_several_is_refused(readable: Path, word: str):
    assert "\n  -> " in run("trace", word, code=2).stderr


def test_a_file_that_nothing_rests_on_is_no_error(readable: Path):
    Path("new.pdf").write_bytes(b"%PDF-1.7 of nobody")
    assert told("trace", "new.pdf")["below"] == []
    assert "nothing rests on it" in run("withdraw", "new.pdf").stdout


# --- what went to the Hub -----------------------------------------------------------------------------------------------------


def test_a_push_leaves_what_went_where_and_when(readable: Path):
    pushes, damaged = read_pushes(Path("build/pushes.jsonl"))

    assert [(push.kind, push.repo) for push in pushes] == [
        ("set", "you/mix"),
        ("adapter", "you/mixed"),
        ("set", "you/apart"),
    ]
    assert pushes[0].sha256 == sha256_file(Path("build/mix/manifest.json"))
    assert pushes[1].of_set == pushes[0].sha256
    assert pushes[1].sha256 == sha256_file(Path("build/adapters/mixed/adapter_model.safetensors"))
    assert all(
        push.visibility == "private" and push.at.endswith("+00:00") and len(push.commit) == 40 for push in pushes
    )
    assert sorted(pushes[0].reports) == sorted(
        sha256_file(path) for path in [*Path("in").iterdir(), *Path("apart").iterdir()]
    )
    assert not damaged


def test_the_same_push_is_written_down_once_and_a_line_that_was_cut_harms_no_other(desk: Path):
    log = desk / "build/pushes.jsonl"
    whole = log.read_text()
    run("push", "build/mix", "--yes")
    assert log.read_text() == whole

    log.write_text(whole[: -len(whole.splitlines()[-1]) // 2])
    run("push", "build/apart", "--yes")
    pushes, damaged = read_pushes(log)
    assert [push.repo for push in pushes] == ["you/mix", "you/mixed", "you/apart"]
    assert damaged == [3]
    assert "cannot be read" in told("trace", REPORT)["damaged"]["build/pushes.jsonl"]


# --- folders of others -----------------------------------------------------------------------------------------------------------


def loops(build: Path) -> None:
    (build / "round").symlink_to(build)
    (build / "reports/.hub.json").symlink_to(".hub.json")
    (build / "itself").mkdir()
    (build / "itself/score.json").symlink_to("score.json")


def leads_out(build: Path) -> None:
    (build / "out").mkdir()
    (build / "out/manifest.json").symlink_to(build.parent / "elsewhere.json")
    shutil.copy(build / "reports/manifest.json", build.parent / "elsewhere.json")


def huge(build: Path) -> None:
    for place in ("big/manifest.json", "bigger/fingen.json", "biggest/score.json"):
        (build / place).parent.mkdir()
        with (build / place).open("wb") as file:
            file.truncate(1 << 40)


def deep(build: Path) -> None:
    for name in (
        "manifest.json",
        "fingen.json",
        "merged.json",
        "origin.json",
        "score.json",
        "reproduction.json",
        ".export",
    ):
        (build / f"deep-{name}").mkdir()
        (build / f"deep-{name}" / name).write_text("[" * 100_000)


def odd(build: Path) -> None:
    """Values of other kinds wherever one is read."""
    for source in ("mix/manifest.json", "adapters/mixed/fingen.json", "models/mixed/merged.json", "models/tiny-mix/origin.json",
                   "scores/mixed/score.json", "exported/.export"):  # fmt: skip
        whole = json.loads((build / source).read_text())
        for number, field in enumerate(whole):
            for value in (None, 7, [[]], {"a": {"b": ["c", None, 1e999]}}, "\u202e\x1b[31m</script>"):
                folder = build / f"odd-{source.replace('/', '-')}-{number}-{type(value).__name__}"
                folder.mkdir()
                (folder / Path(source).name).write_text(json.dumps({**whole, field: value}))
    with (build / "pushes.jsonl").open("a") as file:
        file.write('{"repo": 7}\n[]\nnull\n\n')


HOSTILE: dict[str, Callable[[Path], None]] = {each.__name__: each for each in (loops, leads_out, huge, deep, odd)}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_changes_nothing_of_what_is_found_and_is_told(desk: Path, kind: str):
    HOSTILE[kind](desk / "build")
    found = told("trace", REPORT)

    hostile = {place for place, each in places(found["below"]).items() if "odd-" in place or each == "push"}
    assert places(found["below"]).keys() - hostile == BELOW_FIRST.keys() - {"you/mix", "you/mixed"}
    assert found["damaged"]
    text = run("trace", REPORT, "--html", "page.html").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "</script>" not in Path("page.html").read_text()


def test_files_that_are_not_what_they_say_are_not_believed(desk: Path):
    with (desk / "build/adapters/mixed/adapter_model.safetensors").open("ab") as file:
        file.write(b"x")
    with (desk / "build/mix/train.jsonl").open("a") as file:
        file.write("{}\n")
    found = told("trace", REPORT)

    assert "build/adapters/mixed/adapter_model.safetensors" in found["damaged"]
    assert "changed since the set was made" in found["damaged"]["build/mix"]
    assert places(found["below"]).keys() >= {"build/mix", "build/adapters/mixed"}
    before = content(desk / "build")
    assert "build/mix rests on it, and cannot be made anew" in run("withdraw", REPORT, code=2).stderr
    assert content(desk / "build") == before


# --- the page ---------------------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_same_on_any_screen(readable: Path, tmp_path: Path):
    need_chromium()
    page = tmp_path / "lineage.html"
    run("trace", REPORT, "--html", page)
    shown = dump_dom(page)

    for place in BELOW_FIRST:
        assert place in shown
    assert "<script" not in shown
    assert "://" not in page.read_text(encoding="utf-8")
    screens = (320, 768, 1280)
    assert all(width <= screen for width, screen in zip(measure_widths(page, screens), screens, strict=True))
    take_picture(page, tmp_path / "lineage.png", width=1280, height=900)


def test_functions_do_what_the_commands_do(readable: Path, tmp_path: Path):
    found = fingen.trace("in/report0.pdf", html=tmp_path / "page.html")

    assert places([vars(each) for each in found.below]) == BELOW_FIRST
    assert (tmp_path / "page.html").is_file()
    planned = fingen.withdraw("in/report0.pdf", dry_run=True)
    assert [one.set for one in planned.sets] == ["build/reports", "build/back", "build/mix"]


# --- sets without a report -----------------------------------------------------------------------------------------------------------


def lines(folder: Path) -> dict[str, list[str]]:
    """The rows of a set as they stand in its files."""
    paths = {split: folder / f"{split}.jsonl" for split in SPLITS}
    return {split: path.read_text().splitlines() for split, path in paths.items() if path.exists()}


def rows_of(report: str, folder: Path) -> set[str]:
    return {row["id"] for row in read_rows(*folder.glob("*.jsonl")) if row.get("document") == report}


def test_sets_lose_exactly_the_rows_of_a_report_and_all_else_stays(desk: Path):
    before = {name: lines(desk / "build" / name) for name in ("reports", "mix", "back", "apart")}
    gone = {json.loads(line)["output"] for own in before["reports"].values() for line in own if REPORT in line}
    journal = sha256_file(desk / "build/reports/journal.sqlite")
    made = told("withdraw", REPORT)

    assert {one["set"] for one in made["sets"]} == {"build/reports", "build/mix", "build/back"}
    for name, old in before.items():

        def is_of_it(line: str, name: str = name) -> bool:
            row = json.loads(line)
            return row["document"] == REPORT if name != "back" else row["output"] in gone

        wanted = {split: [line for line in own if not is_of_it(line)] for split, own in old.items()}
        assert lines(desk / "build" / name) == {split: own for split, own in wanted.items() if own}
        assert told("verify", f"build/{name}")["exit_code"] == 0
        manifest = read_manifest(desk / "build" / name)
        assert REPORT not in {source.path for source in manifest.sources}
        assert [each.path for each in manifest.withdrawn] == {"apart": [], "back": [""]}.get(name, [REPORT])
    assert not any(REPORT in line for line in (desk / "build/mix/chunks.jsonl").read_text().splitlines())
    assert sha256_file(desk / "build/reports/journal.sqlite") == journal
    parts = json.loads((desk / "build/mix/manifest.json").read_text())["settings"]["sets"]
    assert [part["manifest"] for part in parts] == [
        sha256_file(desk / f"build/{name}/manifest.json") for name in ("reports", "apart")
    ]
    old = next(one for one in made["sets"] if one["set"] == "build/reports")["kept"]
    assert lines(desk / old) == before["reports"]
    assert told("verify", old)["exit_code"] == 0


def test_what_is_out_of_date_is_named_with_the_command_that_makes_it_anew(desk: Path):
    made = told("withdraw", REPORT)

    assert places(made["outdated"]) == {p: kind for p, kind in BELOW_FIRST.items() if kind != "set"}
    anew = {each["place"].partition(" at ")[0]: each["next"] for each in made["outdated"]}
    assert anew["build/exported"] == "fingen export build/reports --format alpaca --out build/exported --replace"
    assert anew["build/adapters/mixed"].startswith(
        "fingen finetune --model tiny --set build/mix --out build/adapters/mixed"
    )
    assert anew["you/mix"] == "fingen push build/mix --repo you/mix --overwrite"
    run(*anew["build/exported"].split()[1:])
    again = told("withdraw", REPORT)
    assert "build/exported" not in places(again["outdated"])  # it is made anew
    assert "build/adapters/mixed" in places(again["outdated"])


def test_a_second_time_nothing_rests_on_it(desk: Path):
    run("withdraw", REPORT)
    before = content(desk / "build")
    again = run("withdraw", REPORT)

    assert "nothing rests on it" in again.stdout
    assert content(desk / "build") == before
    assert told("withdraw", REPORT)["changed"] is False
    shutil.rmtree(desk / "build" / ASIDE)
    later = told("trace", REPORT)  # what was made of it before is known without what was kept
    assert {"build/adapters/mixed", "you/mix"} <= places(later["below"]).keys()
    assert all(each["state"] == "old" for each in later["below"] if each["place"] in ("build/reports", "build/mix"))


def test_a_dry_run_writes_nothing_and_says_the_same(desk: Path):
    before = content(desk / "build")
    planned = told("withdraw", REPORT, "--dry-run")
    assert content(desk / "build") == before
    made = told("withdraw", REPORT)

    for name in ("sets", "outdated"):
        assert planned[name] == made[name]
    assert (planned["changed"], made["changed"]) == (False, True)


def test_it_does_not_come_back_and_nothing_is_paid_twice(desk: Path):
    run("withdraw", REPORT)
    asked = ("--teacher", "anthropic", "--chunk-tokens", "128", "--quiet", "--out", "build/reports")

    assert "was withdrawn from it, and would come back" in run("pdf2qa", "in", *asked, code=2).stderr
    refused = run("import", "alpaca", "build/exported/train.json", "--out", "build/back", code=2)
    assert "would come back" in refused.stderr
    with Journal.open(desk / "build/reports/journal.sqlite") as journal:
        answers = journal.counts()["answers"]
    (desk / "in/report0.pdf").unlink()
    run("pdf2qa", "in", *asked)
    with Journal.open(desk / "build/reports/journal.sqlite") as journal:
        assert journal.counts()["answers"] == answers
    assert not rows_of(REPORT, desk / "build/reports")
    assert read_manifest(desk / "build/reports").withdrawn
    run("dedup", "build/reports")
    assert not rows_of(REPORT, desk / "build/reports")
    assert told("verify", "build/reports")["exit_code"] == 0


@pytest.mark.parametrize("held", ["reports", "mix"])
def test_while_a_run_holds_a_set_nothing_is_changed(desk: Path, held: str):
    run("withdraw", "new", code=2)
    before = content(desk / "build")
    with lock(desk / "build" / held):
        refused = run("withdraw", REPORT, code=2)
    with RequestLocks(desk / "build/reports" / LOCKS_FILE):
        asking = run("withdraw", REPORT, code=2)

    for each in (refused, asking):
        assert "another fingen process works on it" in each.stderr
        assert "nothing was changed" in each.stderr
    assert content(desk / "build") == before


# --- killed ------------------------------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
def hear(event, arguments):
    global left
    writes = event in ("os.rename", "os.remove", "os.link", "os.rmdir", "os.mkdir", "ctypes.dlsym", "sqlite3.connect")
    if writes or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.argv[0] = "fingen"
from fingen.cli import main
import fingen.lineage.withdraw
sys.addaudithook(hear)
main()
"""


def withdraw_and_die(at: int, *arguments: str) -> bool:
    """Run it in a process that ends itself before its so-manieth change on the disk; False if it came to its end."""
    command = [sys.executable, "-c", KILLED, str(at), "withdraw", REPORT, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def is_whole(folder: Path) -> str:
    """The hash of the manifest of a set whose files are as it says."""
    for name, entry in read_manifest(folder).files.items():
        assert sha256_file(folder / name) == entry.sha256, name
    return sha256_file(folder / "manifest.json")


def storm(desk: Path, step: int, *arguments: str) -> None:
    """Kill it before every so-manieth of its changes, and let another one end it."""
    build, sets = desk / "build", ("reports", "mix", "back")
    shutil.copytree(build, desk / "untouched", symlinks=True)
    old = {name: is_whole(build / name) for name in sets}
    run("withdraw", REPORT, *arguments)
    new, end = {name: is_whole(build / name) for name in sets}, content(build)
    at, kills, mixed = 1, 0, 0
    while True:
        shutil.rmtree(build)
        shutil.copytree(desk / "untouched", build, symlinks=True)
        if not withdraw_and_die(at, *arguments):
            break
        kills += 1
        there = {name: is_whole(build / name) for name in sets}
        assert all(there[name] in (old[name], new[name]) for name in sets), (at, there)
        mixed += there not in (old, new)
        run("withdraw", "in/report0.pdf", *arguments)
        after = content(build)
        journal = "reports/journal.sqlite"  # its pages lie as its changes came
        assert {k: v for k, v in after.items() if k != journal} == {k: v for k, v in end.items() if k != journal}, at
        at += step
    assert kills > 3
    assert content(build).keys() == end.keys()


def test_killed_at_any_moment_each_set_is_the_old_or_the_new_one(desk: Path):
    storm(desk, 37)


def test_killed_while_it_forgets_it_goes_on(desk: Path):
    storm(desk, 61, "--forget")


@pytest.mark.slow
def test_killed_before_each_of_its_changes(desk: Path):
    storm(desk, 1)


# --- forgotten -----------------------------------------------------------------------------------------------------------------------------


def holding(build: Path, texts: set[str]) -> set[str]:
    """The files in which one of some texts stands, however it is packed or escaped."""
    found = set()
    for path in build.rglob("*"):
        if path.is_file():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            if any(form in data for text in texts for form in (text.encode(), json.dumps(text)[1:-1].encode())):
                found.add(str(path.relative_to(build.parent)))
    return found


@pytest.mark.parametrize("before", [(), ("withdraw", REPORT)], ids=["at once", "withdrawn before"])
def test_what_is_forgotten_stands_in_no_file_but_those_that_are_named(desk: Path, before: tuple[str, ...]):
    chunks = [row for row in read_rows(desk / "build/reports/chunks.jsonl") if row["document"] == REPORT]
    said = (piece for chunk in chunks for piece in re.split(r"(?<=[.])\s|\n", chunk["text"]))
    texts = {piece for piece in said if len(piece) > 30}
    assert {"build/reports/journal.sqlite", "build/reports/train.jsonl", "build/mix/chunks.jsonl"} <= holding(
        desk / "build", texts
    )
    with Journal.open(desk / "build/reports/journal.sqlite") as journal:
        usage, answers = journal.usage(), journal.counts()
    cached = Path("build/cache/teachers")  # as it is when `distill` has asked a teacher
    AnswerStore(cached, {"weights": "any"}, 1)
    (cached / "layers-0.json").write_text("{}", encoding="utf-8")
    if before:
        run(*before)
    assert len(list(cached.iterdir())) == 2
    made = told("withdraw", REPORT, "--forget")

    assert not list(cached.iterdir())
    assert len(made["erased"]["teachers"]) == 2
    left = {path for path, why in made["erased"]["left"].items() if "holds text" in why}
    assert holding(desk / "build", texts) == left
    assert left
    assert all(path.startswith(("build/scores/mixed/", "build/exported/")) for path in left)
    assert (desk / "in/report0.pdf").is_file()
    with Journal.open(desk / "build/reports/journal.sqlite") as journal:
        assert journal.usage() == usage  # what was paid is counted still
        now = journal.counts()
    assert now["answers"] == answers["answers"]
    assert 0 < now["requests"] < answers["requests"]
    assert made["erased"]["journals"] == {"build/reports/journal.sqlite": answers["requests"] - now["requests"]}
    assert NAME.encode() not in (desk / "build/reports/journal.sqlite").read_bytes()
    assert REPORT.encode() not in (desk / "build/reports/manifest.json").read_bytes()
    for name in ("reports", "mix", "back"):
        assert told("verify", f"build/{name}")["exit_code"] == 0
    again = told("withdraw", "in/report0.pdf", "--forget")
    assert (again["sets"], again["erased"]["searched"]) == ([], 0)
    assert "not searched" in again["erased"]["left"]["build"]  # nothing is claimed of what it no longer knows
    (desk / "in/report0.pdf").unlink()
    run("pdf2qa", "in", "--teacher", "anthropic", "--chunk-tokens", "128", "--quiet", "--out", "build/reports")
    with Journal.open(desk / "build/reports/journal.sqlite") as journal:
        assert journal.counts() == now  # the answers about other reports were not lost


def test_the_summary_says_what_is_not_erased(desk: Path):
    text = run("withdraw", REPORT, "--forget").stdout

    for said in ("the report itself", "weights", "on the Hub", "backups", "build/scores/mixed/predictions.jsonl"):
        assert said in text
