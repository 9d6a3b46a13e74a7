"""A key appears in no file, no log and no output of a run: not at debug level, and not when every request fails."""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from patience import PATIENCE
from readers import read_here
from stub_llm import StubLLM
from test_kill import PROXIES, reply, write_reports

from fingen import cli
from fingen.pipeline import reading
from fingen.teachers import dispatch, job
from fingen.teachers.dispatch import Terms
from fingen.wire import Secret

CANARY = "sk-canary-9d41f7c2ab5e6083-tail"
PIECES = (CANARY, CANARY[:14], CANARY[-14:], CANARY[8:22])  # servers and libraries show parts of keys, too
LOGS = {"ANTHROPIC_LOG": "debug", "OPENAI_LOG": "debug"}
TEACHERS = {"anthropic": "ANTHROPIC", "openai": "OPENAI"}
ARGUMENTS = ("pdf2qa", "in", "--out", "build/set", "--workers", "1", "--chunk-tokens", "200", "--debug")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a small report; requests fail for a moment only, and files are read in this process."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(dispatch, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(job, "Terms", functools.partial(Terms, deadline_seconds=0.2))
    monkeypatch.setattr(reading, "read_documents", read_here)
    write_reports(tmp_path / "in", 1, 6)
    return tmp_path


def environment(kind: str, stub: StubLLM) -> dict[str, str]:
    account = TEACHERS[kind]
    url = stub.url if kind == "anthropic" else stub.openai_url
    return {f"{account}_API_KEY": CANARY, f"{account}_BASE_URL": url, **LOGS}


def assert_nowhere(folder: Path, *texts: str) -> None:
    """Neither the key nor a part of it is in a file below the folder, but for .env, or in a text."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".env"]
    assert any(path.name == "report0.pdf" for path in files)
    for piece in PIECES:
        for path in files:
            assert piece.encode() not in path.read_bytes(), path
        for text in texts:
            assert piece not in text


@pytest.mark.parametrize("kind", TEACHERS)
@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        ({}, 0, "qa-concept"),
        ({"key": "another"}, 3, "was not accepted"),  # this server repeats the key in its message
        ({"faults": {"server_error": 1.0}}, 3, "status 500"),
        ({"faults": {"overloaded": 1.0}}, 3, "status 529"),
        ({"faults": {"cut_body": 1.0}}, 3, "connection failed"),
        ({"faults": {"half_body": 1.0}}, 3, "not whole"),
        ({"faults": {"reset": 1.0}}, 3, "connection failed"),
        ({"faults": {"refusal": 1.0}}, 1, "no record"),
        ({"models": {}}, 3, "404"),
    ],
    ids=["good", "401", "500", "529", "cut body", "half body", "reset", "refused", "no such model"],
)
def test_the_key_is_nowhere(
    desk: Path,
    kind: str,
    options: dict[str, object],
    exit_code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    with StubLLM(reply=reply, **options) as stub:  # type: ignore[arg-type]
        for name, value in environment(kind, stub).items():
            monkeypatch.setenv(name, value)
        ran = CliRunner().invoke(cli.main, [*ARGUMENTS, "--teacher", kind], prog_name="fingen")

    assert ran.exit_code == exit_code, ran.output
    assert said in ran.output
    assert ("Traceback" in ran.output) == (exit_code != 0)  # --debug was heard
    raised = "".join(traceback.TracebackException(*ran.exc_info, capture_locals=True).format()) if ran.exc_info else ""
    assert_nowhere(desk, ran.output, ran.stderr, raised, caplog.text)
    assert stub.requests
    assert all(CANARY in str(call.headers) for call in stub.requests)  # it was used


@pytest.mark.parametrize(("kind", "place"), [("anthropic", "environment"), ("openai", ".env")])
def test_the_key_is_nowhere_in_a_process_of_its_own(tmp_path: Path, kind: str, place: str):
    """Faults of many kinds that pass, and both SDKs told to log all they can."""
    write_reports(tmp_path / "in", 1, 6)
    faults = dict.fromkeys(
        ("rate_limit", "server_error", "reset", "cut_body", "cut_json", "refusal", "max_tokens"), 0.1
    )
    with StubLLM(reply=reply, faults=faults, faulty_attempts=2, key=CANARY) as stub:
        given = environment(kind, stub)
        if place == ".env":
            name = f"{TEACHERS[kind]}_API_KEY"
            (tmp_path / ".env").write_text(f"{name}={given.pop(name)}\n", encoding="utf-8")
        ran = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "ignore", "-m", "fingen", *ARGUMENTS, "--teacher", kind],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not PROXIES.match(name)} | given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert ran.returncode in (0, 1), ran.stderr  # 1: too many were refused
    assert len(list((tmp_path / "build" / "set").iterdir())) > 5
    assert_nowhere(tmp_path, ran.stdout, ran.stderr)


WAYS: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "asked": ("http://user:{secret}@{host}/v1", (), 0, "written: build/set"),
    "dry run": ("http://user:{secret}@{host}/v1?token={secret}", ("--dry-run",), 0, "nothing was sent"),
    "only a token": ("http://{host}/v1?token={secret}", ("--dry-run",), 0, "nothing was sent"),
    "an @ in it": ("http://user:a@b{secret}@{host}/v1", ("--dry-run",), 0, "nothing was sent"),
    "to a file": ("http://user:{secret}@{host}/v1", ("--export-requests", "out.jsonl"), 0, "requests written now"),
    "in batches": ("http://user:{secret}@{host}/v1", ("--batch", "--no-wait"), 3, "404"),
    "refused": ("http://user:{secret}@{host}/v1", ("--teacher", "openai:unknown"), 3, "404"),
    "nobody there": ("http://user:{secret}@127.0.0.1:9/v1?token={secret}", (), 3, "connection failed"),
    "another protocol": ("ftp://user:{secret}@{host}/v1?token={secret}", (), 2, "not the address of a server"),
    "no protocol": ("user:{secret}@{host}/v1?token={secret}", (), 2, "not the address of a server"),
    "a space in it": ("http://user:a {secret}@{host}/v1", (), 2, "not the address of a server"),
}


@pytest.mark.parametrize("place", ["flag", "environment"])
@pytest.mark.parametrize("way", WAYS)
def test_what_an_address_holds_beside_the_server_is_nowhere(
    desk: Path, way: str, place: str, monkeypatch: pytest.MonkeyPatch
):
    url, arguments, exit_code, said = WAYS[way]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    with StubLLM(reply=reply) as stub:
        url, *arguments = (
            text.format(secret=CANARY, host=f"127.0.0.1:{stub.port}")
            for text in (url, "--teacher", "openai:gpt-6-luna", *arguments)
        )
        if place == "flag":
            arguments = ["--base-url", url, *arguments]
        else:
            monkeypatch.setenv("FINGEN_PDF2QA_BASE_URL", url)
        ran = CliRunner().invoke(cli.main, [*ARGUMENTS, *arguments], prog_name="fingen")

    assert ran.exit_code == exit_code, ran.output
    assert said in ran.output
    assert_nowhere(desk, ran.output, ran.stderr)


def test_an_address_that_a_folder_may_not_set_is_not_repeated(desk: Path):
    Path("fingen.toml").write_text(f'[pdf2qa]\nbase-url = "http://user:{CANARY}@host/v1"\n', encoding="utf-8")
    ran = CliRunner().invoke(cli.main, ARGUMENTS, prog_name="fingen")

    assert ran.exit_code == 2
    assert "may not set: base_url" in ran.stderr
    Path("fingen.toml").unlink()
    assert_nowhere(desk, ran.output)


def test_a_server_that_repeats_the_password_is_masked():
    assert Secret("key", f"http://user:{quote(CANARY + '@')}@host/v1").mask(f"no {CANARY}@ here") == "no *** here"


def test_what_click_repeats_of_a_wrong_command_shows_no_password(desk: Path):
    ran = CliRunner().invoke(cli.main, ["verify", "a", f"http://user:{CANARY}@host/b"], prog_name="fingen")

    assert ran.exit_code == 2
    assert "http://***@host/b" in ran.output
    assert_nowhere(desk, ran.output)
