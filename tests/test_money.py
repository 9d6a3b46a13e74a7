"""What a run says of its cost: before, meanwhile and afterwards."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE
from stub_llm import StubLLM
from test_kill import PROXIES, reply, write_reports

from fingen import cli
from fingen.cli import progress
from fingen.teachers.budgets import Budget
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks

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


def test_a_budget_over_all_sets_counts_what_stands_beside(desk: Path, monkeypatch: pytest.MonkeyPatch):
    """What the first set has cost is not there for the second; a score beside them counts too. A flag wins over the variable."""
    with StubLLM(reply=reply) as stub:
        first = json.loads(run(stub, monkeypatch, "--json").stdout)["cost_usd"]
        (desk / "build" / "scores").mkdir()
        shutil.copytree(desk / "build" / "set", desk / "build" / "scores" / "one")
        before = stub.paid
        dry = run(stub, monkeypatch, "--out", "build/other", "--dry-run", "--budget-all", "5")
        monkeypatch.setenv("FINGEN_BUDGET", f"{2 * first:.6f}")
        ran = run(stub, monkeypatch, "--out", "build/other", "--budget", "5")
        asked = stub.paid - before
        again = run(stub, monkeypatch)  # the first one needs nothing
        more = run(stub, monkeypatch, "--out", "build/other", "--budget-all", "5", "--json")

    assert f"of the 5 USD for all sets and scores, those beside this one took {2 * first:.4f}" in dry.stdout
    assert (ran.exit_code, asked) == (3, 0)
    assert "USD for all of build is reached: 0.0000 USD spent here" in ran.stderr
    assert f"{2 * first:.4f} USD beside it" in ran.stderr
    assert "--budget-all (FINGEN_BUDGET)" in ran.stderr
    assert (again.exit_code, more.exit_code) == (0, 0)
    assert not (desk / "build" / "set" / "journal.sqlite-wal").exists()


def test_a_budget_over_all_sets_is_not_passed_where_a_journal_cannot_be_read(
    desk: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = desk / "build" / "broken" / "journal.sqlite"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no database" * 100)
    monkeypatch.setenv("FINGEN_BUDGET", "5")
    with StubLLM(reply=reply) as stub:
        ran = run(stub, monkeypatch)
        assert stub.paid == 0

    assert ran.exit_code == 2
    assert f"{Path('build', 'broken', 'journal.sqlite')}: what it cost cannot be read" in ran.stderr
    assert "leave out --budget-all" in ran.stderr


@pytest.mark.parametrize("cost", [-1_000_000.0, "nothing"])
def test_a_journal_beside_a_set_does_not_widen_the_budget(desk: Path, monkeypatch: pytest.MonkeyPatch, cost: object):
    with StubLLM(reply=reply) as stub:
        run(stub, monkeypatch)
        with closing(sqlite3.connect(desk / "build" / "set" / "journal.sqlite")) as db, db:
            db.execute("UPDATE completions SET cost_usd = ?", [cost])
        before = stub.paid
        ran = run(stub, monkeypatch, "--out", "build/other", "--budget-all", "5")

    assert (ran.exit_code, stub.paid) == (2, before)
    assert "journal.sqlite: damaged" in ran.stderr


HOLDER = """
import sys
from pathlib import Path
from fingen.teachers.budgets import CLAIM
from fingen.teachers.request_locks import RequestLocks
locks = RequestLocks(Path("build/.claims"))
assert locks.take(CLAIM)
print("held", flush=True)
sys.stdin.readline()
"""


def test_sets_with_one_budget_take_turns(desk: Path):
    """What is left depends on what the others spend."""
    (desk / "build" / "set").mkdir(parents=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    folder = Path("build", "set")
    with Journal.open(folder / "journal.sqlite") as journal, RequestLocks(folder / ".claims") as locks:
        budget, own = Budget(journal, locks, None, 5.0), Budget(journal, locks, 5.0, None)
        assert not budget.take()
        assert own.take()
        own.release()
        holder.communicate("\n", timeout=PATIENCE)
        assert budget.take()
        assert not own.take()
        budget.release()
