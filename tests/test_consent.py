"""Nothing leaves the machine without consent: who is asked where nobody named a teacher, and who agrees to it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE
from stub_llm import StubLLM
from test_kill import PROXIES, reply, write_reports

from fingen import cli

pytestmark = pytest.mark.usefixtures("readers_here")
KEY = "sk-consent-5c1e77d0"
ARGUMENTS = ("pdf2qa", "in", "--out", "build/set", "--workers", "1", "--chunk-tokens", "200")


@pytest.fixture
def stub() -> Iterator[StubLLM]:
    with StubLLM(reply=reply) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    write_reports(tmp_path / "in", 1, 6)
    return tmp_path


def environment(stub: StubLLM, *keys: str) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": stub.url, "OPENAI_BASE_URL": stub.openai_url} | dict.fromkeys(keys, KEY)


def run(stub: StubLLM, *arguments: str, keys: tuple[str, ...] = ()) -> Result:
    """The command, with a standard input that is no terminal: nobody can be asked."""
    return CliRunner().invoke(cli.main, [*ARGUMENTS, *arguments], env=environment(stub, *keys), prog_name="fingen")


def host(stub: StubLLM) -> str:
    """It stands in the name of a teacher that is not the provider's own."""
    return stub.url.removeprefix("http://")


def teacher_of(desk: Path) -> str:
    return str(json.loads((desk / "build/set/manifest.json").read_text(encoding="utf-8"))["teacher"]).partition("@")[0]


def test_a_key_alone_sends_nothing_where_nobody_can_be_asked(desk: Path, stub: StubLLM):
    ran = run(stub, keys=("ANTHROPIC_API_KEY",))

    assert ran.exit_code == 2
    name = f"anthropic:claude-haiku-5-5@{host(stub)}"
    assert f"{name} was found by ANTHROPIC_API_KEY and not named; nothing was sent" in ran.stderr
    assert "--yes" in ran.stderr
    assert KEY not in ran.stderr + ran.stdout
    assert not stub.requests
    assert not (desk / "build/set/manifest.json").exists()


@pytest.mark.parametrize(
    ("keys", "teacher"),
    [
        (("ANTHROPIC_API_KEY",), "anthropic:claude-haiku-5-5"),
        (("OPENAI_API_KEY",), "openai:gpt-6-luna"),
        (("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "anthropic:claude-haiku-5-5"),
    ],
)
def test_yes_agrees_to_the_teacher_whose_key_is_set(desk: Path, stub: StubLLM, keys: tuple[str, ...], teacher: str):
    ran = run(stub, "--yes", keys=keys)

    assert ran.exit_code == 0, ran.stderr
    assert f"teacher: {teacher}@{host(stub)} ({keys[-1]} is set" in ran.stderr
    assert f"asking {teacher}@{host(stub)}: " in ran.stderr  # with its price
    assert teacher_of(desk) == teacher
    assert stub.asked


def test_a_key_in_the_env_file_counts_as_one(desk: Path, stub: StubLLM):
    (desk / ".env").write_text(f"OPENAI_API_KEY={KEY}\n", encoding="utf-8")

    ran = run(stub, "--yes")

    assert ran.exit_code == 0, ran.stderr
    assert teacher_of(desk) == "openai:gpt-6-luna"


def test_without_a_key_the_built_in_rules_write(desk: Path, stub: StubLLM):
    ran = run(stub)

    assert ran.exit_code == 0, ran.stderr
    assert "teacher: offline (the built-in rules, as no key is set and --teacher names nobody)" in ran.stderr
    assert teacher_of(desk) == "offline"
    assert not stub.requests


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_a_teacher_that_is_named_needs_no_other_consent(
    desk: Path, stub: StubLLM, way: str, monkeypatch: pytest.MonkeyPatch
):
    if way == "environment":
        monkeypatch.setenv("FINGEN_PDF2QA_TEACHER", "anthropic")

    ran = run(stub, *(("--teacher", "anthropic") if way == "flag" else ()), keys=("ANTHROPIC_API_KEY",))

    assert ran.exit_code == 0, ran.stderr
    assert f"teacher=anthropic ({way})" in ran.stderr
    assert teacher_of(desk) == "anthropic:claude-haiku-5-5"


def test_offline_by_name_asks_nobody_whatever_keys_are_set(desk: Path, stub: StubLLM):
    ran = run(stub, "--teacher", "offline", keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY"))

    assert ran.exit_code == 0, ran.stderr
    assert teacher_of(desk) == "offline"
    assert not stub.requests


def test_a_dry_run_says_what_the_found_teacher_would_cost_and_sends_nothing(desk: Path, stub: StubLLM):
    ran = run(stub, "--dry-run", keys=("ANTHROPIC_API_KEY",))

    assert ran.exit_code == 0, ran.stderr
    assert "requests to anthropic:claude-haiku-5-5@" in ran.stdout
    assert "at most" in ran.stdout
    assert not stub.requests


def test_a_server_needs_a_teacher_that_is_named(desk: Path, stub: StubLLM):
    ran = run(stub, "--base-url", stub.openai_url, "--yes", keys=("OPENAI_API_KEY",))

    assert ran.exit_code == 2
    assert "--teacher openai:MODEL" in ran.stderr
    assert not stub.requests


def test_where_all_answers_are_stored_nobody_has_to_agree(desk: Path, stub: StubLLM):
    run(stub, "--yes", keys=("ANTHROPIC_API_KEY",))
    paid = len(stub.asked)

    again = run(stub, keys=("ANTHROPIC_API_KEY",))

    assert again.exit_code == 0, again.stderr
    assert "already up to date" in again.stdout
    assert len(stub.asked) == paid


@pytest.mark.parametrize(("reply_typed", "exit_code"), [("y", 0), ("n", 2), ("", 2), ("\x03", 130)])
def test_on_a_terminal_the_user_is_asked_with_the_price(desk: Path, stub: StubLLM, reply_typed: str, exit_code: int):
    said, status = on_terminal(desk, stub, reply_typed)

    assert status == exit_code, said
    assert "Send anthropic:claude-haiku-5-5@" in said
    assert " USD (" in said.replace("\r\n", " ")
    assert bool(stub.requests) == (exit_code == 0)
    assert (desk / "build/set/manifest.json").exists() == (exit_code == 0)
    assert KEY not in said


def on_terminal(desk: Path, stub: StubLLM, typed: str) -> tuple[str, int]:
    """Run on a pseudo terminal, type an answer to the question; what was shown, and the exit status."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fingen", *ARGUMENTS],
        cwd=desk,
        env=os.environ | environment(stub, "ANTHROPIC_API_KEY") | {"TERM": "dumb", "COLUMNS": "200"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # so that a typed Ctrl-C is a signal
    )
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
    return said.decode(errors="replace"), process.wait(timeout=PATIENCE)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
