"""`--judge`: a teacher scores what is kept; scores are stored, and let nothing pass or fall."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rows import read_rows
from stub_llm import StubLLM
from test_kill import PROXIES, reply, write_reports

from fingen import cli
from fingen.teachers import dispatch

pytestmark = pytest.mark.usefixtures("readers_here")

ARGUMENTS = ("pdf2qa", "in", "--out", "build/set", "--workers", "1", "--chunk-tokens", "200", "--teacher", "anthropic")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    monkeypatch.setattr(dispatch, "FIRST_WAIT_SECONDS", 0.01)
    write_reports(tmp_path / "in", 1, 6)
    return tmp_path


def is_judging(body: dict[str, Any]) -> bool:
    return "supported" in json.dumps(body.get("output_config") or body.get("response_format") or {})


def scored(body: dict[str, Any]) -> str:
    """The pairs for the teacher; for the judge 1 to 5 by the number of a pair, and none for the second of each request."""
    if not is_judging(body):
        return reply(body)
    prompt = str(next(turn["content"] for turn in body["messages"] if turn["role"] == "user"))
    numbers = [int(number) for number in re.findall(r"^Pair (\d+)$", prompt.replace("\\n", "\n"), re.MULTILINE)]
    items = [{"number": n, "supported": 5, "answers": 4, "specific": 3, "useful": n} for n in numbers if n != 2]
    return json.dumps({"items": items})


def run(stub: StubLLM, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
    monkeypatch.setenv("OPENAI_BASE_URL", stub.openai_url)
    return CliRunner().invoke(cli.main, [*ARGUMENTS, *arguments], prog_name="fingen")


def rows() -> list[dict[str, Any]]:
    files = [Path("build/set") / f"{split}.jsonl" for split in ("train", "validation", "test")]
    return read_rows(*files)


def test_scores_are_stored_and_what_has_none_stays(desk: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=scored) as stub:
        plain = json.loads(run(stub, monkeypatch, "--json", "--quiet").stdout)
        unscored = rows()
        ran = run(stub, monkeypatch, "--judge", "openai", "--json", "--quiet", "--replace")
        paid = stub.paid
        again = run(stub, monkeypatch, "--judge", "openai", "--quiet")
        judged = [body for body in stub.asked if is_judging(body)]

    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["records"] == plain["records"]
    assert [row["id"] for row in rows()] == [row["id"] for row in unscored]
    with_scores = [row for row in rows() if row["scores"]]
    assert {
        (row["scores"]["supported"], row["scores"]["answers"], row["scores"]["specific"]) for row in with_scores
    } == {(5, 4, 3)}
    assert told["judged"]["judged"] == len(with_scores)
    assert told["judged"]["unjudged"] == len(rows()) - len(with_scores)
    assert told["judged"]["means"]["supported"] == 5.0
    assert told["judged"]["teacher"].startswith("openai:")
    assert stub.paid == paid  # nothing was judged twice
    assert "already up to date" in again.stdout
    assert all("Evidence: " in str(body) and "<passage>" in str(body) for body in judged)


def test_a_judge_that_fails_rejects_nothing(desk: Path, monkeypatch: pytest.MonkeyPatch):
    def refuses(body: dict[str, Any]) -> str:
        return "no JSON" if is_judging(body) else reply(body)

    with StubLLM(reply=refuses) as stub:
        ran = run(stub, monkeypatch, "--judge", "anthropic", "--json", "--quiet")

    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["judged"]["unjudged"] == len(rows()) > 0
    assert not any(row["scores"] for row in rows())


def test_a_judge_without_credit_is_said_and_the_set_is_written(desk: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=reply) as stub, StubLLM(reply=reply, key="another") as closed:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
        monkeypatch.setenv("OPENAI_BASE_URL", closed.openai_url)
        ran = CliRunner().invoke(cli.main, [*ARGUMENTS, "--judge", "openai"], prog_name="fingen")

    assert ran.exit_code == 0, ran.output
    assert re.search(r"\d+ unjudged  openai:gpt-6-luna.*401", ran.stdout)
    assert rows()


def test_reworking_keeps_the_scores_and_asks_nobody(desk: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=scored) as stub:
        run(stub, monkeypatch, "--judge", "openai", "--quiet")
        before, asked = rows(), len(stub.asked)
        same = CliRunner().invoke(cli.main, ["split", "build/set", "--json"])
        unchanged = rows()
        CliRunner().invoke(cli.main, ["split", "build/set", "--split", "0.4,0.3,0.3"])
        moved = rows()

    assert json.loads(same.stdout)["changed"] is False
    assert unchanged == before
    assert {row["id"]: row["scores"] for row in moved}.items() <= {row["id"]: row["scores"] for row in before}.items()
    assert any(row["scores"] for row in moved)
    assert len(stub.asked) == asked


def test_the_rules_cannot_judge(desk: Path):
    ran = CliRunner().invoke(cli.main, [*ARGUMENTS, "--judge", "offline"])

    assert ran.exit_code == 2
    assert "--judge anthropic" in ran.stderr
