"""A second teacher holds each claim against the quotes, blind to the writer: where it disagrees the pair falls, with both sides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rows import read_rows
from stub_llm import StubLLM
from test_pdf2qa import reports
from test_repair import pair, turns

from fingen import cli

pytestmark = pytest.mark.usefixtures("readers_here")
FALSE = "Managers were told to hurry."  # no rule sees that no quote states it
STORMS = "due to storms over northern seas and floods elsewhere"  # a reason that no quote has: a rule that reads words sees it


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for account in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    reports(tmp_path / "in", count=2, topics=6)


def writes(body: dict[str, Any]) -> str:
    """Two honest pairs, and one with a sentence that no quote states."""
    (prompt,) = turns(body)
    company = re.search("Company: (.*)", prompt)
    quotes = re.findall(r"(?:Revenue|The order book|Wages|A fire) [^.]*\.", prompt)[:3]
    if len(quotes) < 3 or company is None:
        return '{"items": [], "reason": "nothing to ask about"}'
    items = [pair("concept", quotes[0], "as a whole"), pair("summary", quotes[1], "in detail", FALSE)]
    return json.dumps({"items": items, "reason": None}).replace("Northwind Instruments Inc.", company[1])


def is_check(body: dict[str, Any]) -> bool:
    return "Statements:" in str(body["messages"])


def checks(body: dict[str, Any], planted: str = FALSE, verdict: str = "not stated") -> str:
    """A teacher that reads: what was planted is in no quote."""
    asked = body["messages"][-1]["content"]
    asked = asked if isinstance(asked, str) else asked[0]["text"]
    claims = re.findall(r"^(\d+)\. <text>(.*)</text>$", asked, re.MULTILINE)
    items = [
        {
            "number": int(number),
            "quote": None if planted in claim else 1,
            "verdict": verdict if planted in claim else "supported",
        }
        for number, claim in claims
    ]
    return json.dumps({"items": items})


def reply(body: dict[str, Any]) -> str:
    return checks(body) if is_check(body) else writes(body)


def make(server: StubLLM, monkeypatch: pytest.MonkeyPatch, *more: str, out: str = "build/set") -> Result:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
    command = ["pdf2qa", "in", "--out", out, "--chunk-tokens", "200", "--workers", "1", "--teacher", "openai", "--json"]
    return CliRunner().invoke(cli.main, [*command, *more], prog_name="fingen")


def rows(folder: str = "build/set") -> list[dict[str, Any]]:
    return read_rows(*(Path(folder) / f"{split}.jsonl" for split in ("train", "validation", "test")))


def test_what_no_quote_states_falls_with_both_sides_and_nothing_is_paid_twice(monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=reply) as server:
        ran = make(server, monkeypatch, "--check", "anthropic")
        assert ran.exit_code == 0, ran.output
        made, paid = json.loads(ran.stdout), server.paid
        again = json.loads(make(server, monkeypatch, "--check", "anthropic").stdout)
        assert server.paid == paid
        checked = [body for body in server.asked if is_check(body)]
        before = {path.name: path.read_bytes() for path in Path("build/set").glob("*.jsonl")}
        reworked = CliRunner().invoke(cli.main, ["dedup", "build/set", "--json"], prog_name="fingen")
        assert (reworked.exit_code, server.paid) == (0, paid), reworked.output
    fallen = [row for row in read_rows(Path("build/set/rejected.jsonl")) if row["reason"] == "check-disagrees"]

    assert fallen
    assert not any(FALSE in row["output"] for row in rows())
    assert made["rejects"]["check-disagrees"] == len(fallen)
    for row in fallen:  # the writer's side, and the reader's
        assert FALSE in row["item"]["answer"]
        assert re.search(rf"{FALSE}.*: not stated by anthropic:", row["detail"]), row["detail"]
    told = made["checked"]
    assert (told["pairs"], told["agreed"], told["unchecked"]) == (2 * len(fallen), len(fallen), 0)
    assert told["agreement"] == 0.5
    assert told["claims"]["not stated"] == len(fallen)
    assert "agreed with" in Path("build/set/README.md").read_text(encoding="utf-8")
    assert (again["changed"], again["checked"]) == (False, told)
    assert {path.name: path.read_bytes() for path in Path("build/set").glob("*.jsonl")} == before
    assert len(checked) == len(fallen)  # the pairs of a passage in one request
    assert len({str(body["system"]) for body in checked}) == 1  # a prefix that is cached
    assert not any("rephrased" in str(body["messages"]) or "openai" in str(body) for body in checked)


def test_a_second_teacher_that_fails_rejects_nothing_and_is_told(monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=lambda body: "no JSON" if is_check(body) else writes(body)) as server:
        made = json.loads(make(server, monkeypatch, "--check", "anthropic").stdout)

    assert made["checked"]["unchecked"] == len(rows()) > 0
    assert made["checked"]["agreement"] is None
    assert any(FALSE in row["output"] for row in rows())


def gives_another_cause(body: dict[str, Any]) -> str:
    """An honest pair, and one whose reason is of the writer's own: a rule that reads words is against it, and no other."""
    (prompt,) = turns(body)
    company = re.search("Company: (.*)", prompt)
    quotes = re.findall(r"(?:Revenue|The order book|Wages) [^.]*\.", prompt)
    if len(quotes) < 2 or company is None or " because " not in quotes[0]:
        return '{"items": [], "reason": "nothing to ask about"}'
    wrong = pair("summary", quotes[0], "in detail")
    wrong["answer"] = re.sub("because [^.]*", STORMS, wrong["answer"], count=1)
    text = json.dumps({"items": [pair("concept", quotes[1], "as a whole"), wrong], "reason": None})
    return text.replace("Northwind Instruments Inc.", company[1])


@pytest.mark.parametrize("verdict", ["supported", "contradicted", None])
def test_what_only_a_rule_that_reads_words_rejects_is_decided_by_the_second_teacher(
    monkeypatch: pytest.MonkeyPatch, verdict: str | None
):
    asked: list[str] = []

    def says(body: dict[str, Any]) -> str:
        if not is_check(body):
            asked.append("back" if len(turns(body)) > 1 else "first")
            return gives_another_cause(body)
        items = json.loads(checks(body, STORMS, verdict or ""))["items"]
        return json.dumps({"items": [each for each in items if each["verdict"]]})

    with StubLLM(reply=says) as server:
        ran = make(server, monkeypatch, "--check", "anthropic")
        assert ran.exit_code == 0, ran.output
        made = json.loads(ran.stdout)
        alone = json.loads(make(server, monkeypatch, "--repair", "0", out="build/alone").stdout)
        reworked = CliRunner().invoke(cli.main, ["dedup", "build/set", "--json"], prog_name="fingen")
    wrong = [row for row in read_rows(Path("build/alone/rejected.jsonl")) if row["reason"] == "cause"]
    kept = [row for row in rows() if "contested" in row["draws"]]
    verified = CliRunner().invoke(cli.main, ["verify", "build/set", "--json"], prog_name="fingen")
    laws = json.loads(verified.stdout)["laws"]

    assert ran.exit_code == reworked.exit_code == 0, ran.output
    assert wrong
    assert alone["checked"] is None
    assert "back" not in asked  # the second teacher decides: it is not paid for once more
    assert made["checked"]["contested"] == len(wrong)
    if verdict == "supported":
        assert made["checked"]["supported"] == len(kept) == len(wrong)
        for row in kept:
            draws = row["draws"]
            assert draws["contested"] == ["cause"]
            assert draws["supported_by"].startswith("anthropic:")
        assert verified.exit_code == 0, verified.output
        assert laws["binding"]["declared"] == len(kept)
        assert "Kept against a rule" in Path("build/set/README.md").read_text(encoding="utf-8")
    else:
        fallen = [row for row in read_rows(Path("build/set/rejected.jsonl")) if row["reason"] == "cause"]
        assert (made["checked"]["supported"], kept, len(fallen)) == (0, [], len(wrong))
        assert all("check-disagrees: " in row["detail"] for row in fallen)


def test_a_row_that_calls_itself_supported_passes_no_rule_that_is_sure(monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=reply) as server:
        assert make(server, monkeypatch, "--check", "anthropic").exit_code == 0
    path = Path("build/set/train.jsonl")
    whole = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    said = json.dumps({"contested": ["year"], "supported_by": "somebody"})
    changed = [{**row, "output": f"{row['output']} So it was in 1987.", "draws": said} for row in whole]
    path.write_text("".join(json.dumps(row) + "\n" for row in changed), encoding="utf-8")

    laws = json.loads(CliRunner().invoke(cli.main, ["verify", "build/set", "--json"], prog_name="fingen").stdout)[
        "laws"
    ]

    assert (laws["names"]["failed"], laws["names"]["declared"]) == (len(whole), 0)


def test_the_price_of_the_check_stands_in_the_estimate(monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=reply) as server:
        told = json.loads(make(server, monkeypatch, "--check", "anthropic", "--dry-run").stdout)
        rules = make(server, monkeypatch, "--check", "offline")

    low, expected, most = told["check_usd"]
    assert told["check"].startswith("anthropic:")
    assert 0 < low < expected < most
    assert rules.exit_code == 2
    assert "--check: the offline teacher cannot read" in rules.stderr
