"""What a run says of its cost: before, meanwhile and afterwards."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from stub_llm import StubLLM
from test_kill import PROXIES, reply, write_reports

from fingen import cli
from fingen.cli import progress

pytestmark = pytest.mark.usefixtures("readers_here")

ARGUMENTS = ("pdf2qa", "in", "--out", "build/set", "--workers", "1", "--chunk-tokens", "200", "--teacher", "anthropic")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-for-tests")
    write_reports(tmp_path / "in", 1, 6)
    return tmp_path


def run(stub: StubLLM, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
    return CliRunner().invoke(cli.main, [*ARGUMENTS, *arguments], prog_name="fingen")


def paid_usd(stub: StubLLM) -> float:
    """The server's own count at the prices of claude-haiku-5-5: 0.10 USD a million tokens in, 0.50 out, cached for an hour."""
    prices = {"input": 0.10, "cache_read": 0.01, "cache_write": 0.20, "output": 0.50}
    return sum(stub.tokens[kind] * price for kind, price in prices.items()) / 1e6


def test_the_summary_says_how_far_off_the_estimate_was(desk: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=reply) as stub:
        before = json.loads(run(stub, monkeypatch, "--dry-run", "--json").stdout)
        ran = run(stub, monkeypatch, "--json")
        again = run(stub, monkeypatch)
        left = json.loads(run(stub, monkeypatch, "--dry-run", "--json").stdout)

    assert (left["requests"], left["from_journal"], left["usd"]) == (0, before["requests"], [0, 0, 0])
    after = json.loads(ran.stdout)
    assert after["expected_usd"] == pytest.approx(before["usd"][1])
    assert after["cost_usd"] == pytest.approx(paid_usd(stub))
    paid, share, estimate = re.search(  # type: ignore[union-attr]
        r"cost of all runs: ([\d.]+) USD, (\d+)% under the estimate of ([\d.]+)", again.stdout
    ).groups()
    assert float(paid) == pytest.approx(after["cost_usd"], abs=1e-4)
    assert float(estimate) == pytest.approx(after["expected_usd"], abs=1e-4)
    assert int(share) == round(100 * (1 - after["cost_usd"] / after["expected_usd"]))


def test_the_progress_says_rate_spent_and_projected(desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr("fingen.teachers.asking.SPENT_SECONDS", 0.0)
    looks = itertools.count()  # the clock is looked at twice for each answer, and a second has gone by
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(looks) / 2))
    with StubLLM(reply=reply) as stub:
        ran = run(stub, monkeypatch)

    lines = re.findall(r"asked (\d+) of (\d+) \|(?: ([\d.]+)/s \|)? ([\d.]+) USD spent, ([\d.]+) projected", ran.stderr)
    assert len(lines) == len(stub.asked), ran.stderr
    assert lines[-1][0] == lines[-1][1] == str(len(stub.asked))
    assert float(lines[-1][3]) == pytest.approx(paid_usd(stub), abs=1e-4)
    assert float(lines[-1][4]) == pytest.approx(paid_usd(stub), abs=1e-4)
    assert {rate for *_, rate, _, _ in lines[2:]} == {"1.0"}
    spent = [float(line[3]) for line in lines]
    assert spent == sorted(spent)


def test_an_unknown_price_is_said_and_never_nought(desk: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=reply, models={"own-model": {}}) as stub:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
        ran = run(stub, monkeypatch, "--teacher", "openai:own-model", "--base-url", stub.openai_url)

    assert ran.exit_code == 0, ran.output
    assert "at an unknown price" in ran.stderr
    assert "cost of all runs: unknown" in ran.stdout


@pytest.mark.parametrize(
    ("teacher", "share"), [("anthropic", 0.5), ("openai:gpt-6-luna", 0.5), ("openai:own-model", 1.0)]
)
def test_a_batch_costs_half_at_a_provider_and_the_given_price_elsewhere(
    desk: Path, monkeypatch: pytest.MonkeyPatch, teacher: str, share: float
):
    arguments = [*ARGUMENTS, "--teacher", teacher, "--price", "1,2", "--dry-run"]
    arguments += ["--base-url", "http://127.0.0.1:9/v1"] if teacher == "openai:own-model" else []
    said = CliRunner().invoke(cli.main, arguments).stdout
    usd = json.loads(CliRunner().invoke(cli.main, [*arguments, "--json"]).stdout)

    assert usd["batch_usd"] == pytest.approx([cost * share for cost in usd["usd"]])
    now, batch = (
        list(map(float, re.search(rf"^{name} +([\d.]+) +([\d.]+) +([\d.]+)$", said, re.MULTILINE).groups()))  # type: ignore[union-attr]
        for name in ("now", "as a batch")
    )
    assert now == pytest.approx(usd["usd"], abs=1e-4)
    assert batch == pytest.approx(usd["batch_usd"], abs=1e-4)
