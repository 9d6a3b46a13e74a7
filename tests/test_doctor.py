"""`fingen doctor`: what is there and what is not is told as it is, with what to type; nothing is written, and no key shown."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from test_startup import modules_of_command, named

from fingen.cli import main
from fingen.disk import lock
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

KEY = "sk-ant-Zq7-unmistakable-Wv9"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doctor(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *words], prog_name="fingen", env=environment)


def findings(*words: str, **environment: str) -> dict[str, dict[str, Any]]:
    """All findings by their names."""
    ran = doctor("--json", *words, **environment)
    report = json.loads(ran.stdout)
    assert report["exit_code"] == ran.exit_code
    return {each["name"]: each for some in report["findings"].values() for each in some}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_where_the_base_is_there_nothing_is_wrong_and_nothing_is_written(desk: Path):
    ran = doctor()

    assert ran.exit_code == 0, ran.output
    assert "all that reports and the offline teacher need is here" in ran.output
    assert ran.output.splitlines()[-1] == "next: fingen pdf2qa reports/ --teacher offline --out build/rules"
    assert not any(desk.iterdir())


def test_who_has_a_key_is_led_to_what_its_teacher_would_cost(desk: Path):
    said = doctor(OPENAI_API_KEY="sk-for-tests").output

    assert said.splitlines()[-1] == "next: fingen pdf2qa reports/ --teacher openai --dry-run"


def test_it_loads_no_torch_and_no_teacher_of_a_provider(desk: Path):
    assert not named(modules_of_command("doctor", cwd=desk), "torch", "transformers", "anthropic", "openai", "datasets")


def test_every_remedy_is_a_command_that_a_shell_reads(desk: Path):
    (desk / "build").write_text("in the way")
    found = findings("--online", ANTHROPIC_API_KEY="sk with spaces", OPENAI_BASE_URL="http://127.0.0.1:9/v1?a=b&c=d",
                     ANTHROPIC_BASE_URL="http://127.0.0.1:9", HF_ENDPOINT="http://127.0.0.1:9")  # fmt: skip
    remedies = [each["remedy"] for each in found.values() if each["remedy"]]

    assert all(each["remedy"] for each in found.values() if each["state"] == "wrong")
    assert len(remedies) >= 6
    checked = subprocess.run(["bash", "-n"], input="\n".join(remedies), text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_keys_are_told_as_set_and_never_shown(desk: Path):
    (desk / ".env").write_text(f"OPENAI_API_KEY={KEY}-of-the-file\n")
    told = [doctor(ANTHROPIC_API_KEY=KEY, HF_TOKEN=KEY), doctor("--json", ANTHROPIC_API_KEY=KEY, HF_TOKEN=KEY)]
    found = findings(ANTHROPIC_API_KEY=KEY, HF_TOKEN=KEY)

    assert found["ANTHROPIC_API_KEY"]["said"] == "set, in the environment"
    assert found["OPENAI_API_KEY"]["said"] == "set, in .env here"
    assert found["Hub"]["said"] == "logged in, by HF_TOKEN"
    for part in KEY.split("-")[2:]:
        assert not [each for each in told if part in each.output]


def test_what_cannot_be_a_key_is_wrong_and_not_shown():
    ran = doctor(ANTHROPIC_API_KEY=f"{KEY} and more")

    assert ran.exit_code == 1
    assert "holds a space" in ran.output
    assert "unmistakable" not in ran.output


def test_what_is_missing_of_the_base_is_wrong_and_of_an_extra_is_told(desk: Path, monkeypatch: pytest.MonkeyPatch):
    about = desk / "site" / "fingen_finetune-9.dist-info"
    about.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", "Name: fingen-finetune", "Version: 9", "Requires-Dist: click>=8",
             "Requires-Dist: no-such-package-here>=2", "Requires-Dist: pydantic>=999", "Requires-Dist: nor-this>=1; extra == 'gguf'"]  # fmt: skip
    (about / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(about.parent)

    found = findings()

    assert found["packages"]["state"] == "wrong"
    assert found["packages"]["said"] == "missing or too old: no-such-package-here, pydantic"
    assert "pip install" in found["packages"]["remedy"]
    assert found["gguf"]["state"] == "absent"
    assert "nor-this" in found["gguf"]["said"]
    assert "sets" not in found  # what needs those packages is not looked at


def test_a_build_that_cannot_be_written_is_wrong(desk: Path):
    (desk / "build").write_text("in the way")

    assert findings()["build/"]["state"] == "wrong"


@pytest.fixture
def journal(desk: Path) -> Path:
    path = desk / "build" / "reports" / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.write_settings({"command": "pdf2qa"})
    return path


def test_a_set_that_was_begun_is_told_and_its_journal_left_as_it_is(desk: Path, journal: Path):
    before = content(desk)

    ran = doctor()

    assert ran.exit_code == 0, ran.output
    assert "0 in build, 1 begun and not whole" in ran.output
    assert content(desk) == before


@pytest.mark.parametrize("fault", ["cut", "trigger", "newer", "other"])
def test_a_journal_that_is_out_of_order_is_wrong_and_left_as_it_is(desk: Path, journal: Path, fault: str):
    if fault == "cut":
        journal.write_bytes(journal.read_bytes()[:5000])
    elif fault == "other":
        journal.write_bytes(b"nothing of SQLite, but long enough to be a file " * 20)
    else:
        statement = {"trigger": "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM meta; END", "newer": "PRAGMA user_version = 999"}  # fmt: skip
        with sqlite3.connect(journal) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute(statement[fault])
    before = content(desk)

    found = findings()

    assert found["build/reports/journal.sqlite"]["state"] == "wrong"
    assert found["build/reports/journal.sqlite"]["remedy"] == "mv build/reports build/reports.damaged"
    assert content(desk) == before


@pytest.mark.parametrize("kind", ["writing", "asking"])
def test_a_set_that_another_run_holds_is_told(journal: Path, kind: str):
    holding = lock(journal.parent) if kind == "writing" else RequestLocks(journal.parent / LOCKS_FILE)
    with holding:
        assert "in use: another fingen process works on it" in doctor().output


def test_a_whole_set_is_counted(desk: Path, sample_set: Path):
    shutil.copytree(sample_set, desk / "build" / "sample")

    assert findings()["sets"]["said"] == "1 in build"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pdf2qa]\nworker = 2\n", "no such setting: worker; did you mean workers?"),
        ("[pdf2qq]\nworkers = 2\n", "no such command: pdf2qq; did you mean pdf2qa?"),
        ("[pdf2qa]\nteacher = 'openai'\n", "fingen.toml may not set: teacher"),
        ("[pdf2qa]\nworkers = 0\n", "0 is not in the range"),
        ("[pdf2qa\n", "Expected ']'"),
    ],
)
def test_a_fingen_toml_that_no_command_would_take_is_wrong(desk: Path, text: str, said: str):
    (desk / "fingen.toml").write_text(text)

    ran = doctor()

    assert ran.exit_code == 1
    assert said in ran.output


def test_variables_that_set_nothing_are_named_with_what_was_meant():
    ran = doctor(FINGEN_PDF2QA_WORKER="3", FINGEN_BUDGET="5", FINGEN_SYNTH_INTENT_SEED="1", FINGEN_NOTHING_LIKE_IT="x")

    assert "FINGEN_PDF2QA_WORKER sets nothing; did you mean FINGEN_PDF2QA_WORKERS?" in " ".join(ran.output.split())
    assert "FINGEN_NOTHING_LIKE_IT" in ran.output
    assert "FINGEN_BUDGET" not in ran.output
    assert "FINGEN_SYNTH" not in ran.output


def test_what_a_system_lacks_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")

    assert "memory that a page reader may take" in findings()["darwin"]["said"]


class _Server(BaseHTTPRequestHandler):
    asked: list[tuple[str, dict[str, str]]]

    def do_HEAD(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    handler = type("Handler", (_Server,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}", handler.asked
        served.shutdown()


def test_the_network_is_asked_only_where_that_is_wanted_and_told_no_key(server):
    url, asked = server
    places = {"ANTHROPIC_BASE_URL": url, "OPENAI_BASE_URL": f"{url}/v1", "HF_ENDPOINT": url,
              "ANTHROPIC_API_KEY": KEY, "HF_TOKEN": KEY}  # fmt: skip

    assert "network" not in doctor(**places).output
    assert not asked

    ran = doctor("--online", **places)

    assert ran.exit_code == 0, ran.output
    assert ran.output.count(" answers") == 3
    assert sorted(path for path, _ in asked) == ["/", "/", "/v1"]
    assert KEY not in str(asked)


def test_a_server_that_cannot_be_reached_is_wrong_where_its_key_is_set(server):
    url, _ = server
    gone = "http://user:password@127.0.0.1:9"
    found = findings("--online", ANTHROPIC_BASE_URL=gone, OPENAI_BASE_URL=gone, HF_ENDPOINT=url, ANTHROPIC_API_KEY=KEY)

    assert {name: found[name]["state"] for name in ("anthropic", "openai")} == {
        "anthropic": "wrong",
        "openai": "absent",
    }
    assert "password" not in json.dumps(found)
