"""A rejected pair goes back to its teacher once, with what was found; what comes is checked like any other, and paid once."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prose import prose
from rows import read_rows
from stub_batches import StubBatches
from stub_llm import StubLLM
from test_exchange import answered
from test_pdf2qa import reports

from fingen import cli
from fingen.teachers import batches

pytestmark = pytest.mark.usefixtures("readers_here")
FALSE = "It grew by 9.4 percent."
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    monkeypatch.setattr(batches.BatchTerms, "first_poll_seconds", 0.01, raising=False)
    reports(tmp_path / "in", count=2, topics=6)


def turns(body: dict[str, Any]) -> list[str]:
    """What was said after the system prompt, by turns."""
    return [message["content"] for message in body["messages"] if message["role"] in ("user", "assistant")]


def pair(kind: str, quote: str, about: str, false: str = "") -> dict[str, Any]:
    place = " ".join(quote.split()[:6])
    return {
        "kind": kind,
        "question": f"What does Northwind Instruments Inc. report for 2024 about {place}, and why, {about}?",
        "rephrased": f"{about} of {place}: which facts and causes were told by Northwind Instruments Inc. in 2024?",
        "answer": f"{quote} {false} {prose(quote)}",
        "evidence": [quote],
        "calc": None,
    }


def mends(prompt: str) -> bool:
    """Whether the teacher can mend what it wrote about a passage: half of the time."""
    return sha256(prompt.encode()).digest()[0] % 2 == 0


def reply(body: dict[str, Any]) -> str:
    """An honest pair and one with a figure out of the air; told of it, the figure goes, or it stays."""
    asked = turns(body)
    company = re.search("Company: (.*)", asked[0])
    quotes = re.findall(r"(?:Revenue|The order book|Wages) [^.]*\.", asked[0])[:2]
    if len(quotes) < 2 or company is None:
        return '{"items": [], "reason": "nothing to ask about"}'
    honest, wrong = pair("concept", quotes[0], "as a whole"), pair("summary", quotes[1], "in detail", FALSE)
    mended = pair("summary", quotes[1], "in detail", "" if mends(asked[0]) else FALSE)
    text = json.dumps({"items": [honest, wrong] if len(asked) == 1 else [mended], "reason": None})
    return text.replace("Northwind Instruments Inc.", company[1])


def make(server: StubLLM | StubBatches, *more: str, out: str = "build/set") -> Result:
    command = ["pdf2qa", "in", "--out", out, "--chunk-tokens", "200", "--workers", "1", "--base-url", server.openai_url]
    return CliRunner().invoke(
        cli.main, [*command, "--teacher", "openai:gpt-6-luna", "--price", "1,5", "--json", *more], prog_name="fingen"
    )


def content(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.jsonl")}


def test_half_of_what_goes_back_is_kept_and_nothing_is_paid_twice():
    with StubLLM(reply=reply) as server:
        first = make(server)
        made = json.loads(first.stdout)
        paid = server.paid
        again = json.loads(make(server).stdout)
        assert server.paid == paid
    back = [turns(body) for body in server.asked if len(turns(body)) > 1]
    mended = sum(mends(said[0]) for said in back)

    assert first.exit_code == 0, first.output
    assert 0 < mended < len(back)
    assert made["repaired"] == {"sent": len(back), "requests": len(back), "kept": mended}
    assert made["rejects"] == {"figure": 2 * len(back) - mended}
    assert made["requests"]["asked"] == paid
    asked = {said[0] for said in map(turns, server.asked) if len(said) == 1}
    for prompt, answer, found in back:  # the same prefix: a provider has it in its cache
        assert prompt in asked
        assert FALSE in answer
        assert re.search(r"1\. .*in detail.*\n +figure: \S", found), found
        assert "as a whole" not in found
    assert again == made | {
        "changed": False,
        "requests": {**made["requests"], "asked": 0, "from_journal": made["requests"]["asked"]},
        "seconds": again["seconds"],
    }


def test_all_that_was_found_in_a_pair_is_told():
    grant = "A grant of USD 777.7 million came in 1987."
    with StubLLM(reply=lambda body: reply(body).replace(FALSE, f"{FALSE} {grant}")) as server:
        assert make(server).exit_code == 0
    prompts = [turns(body)[-1] for body in server.asked if len(turns(body)) > 1]
    details = [row["detail"] for row in read_rows(Path("build/set/rejected.jsonl"))]

    assert prompts
    assert details
    for told in (*prompts, *details):
        assert f"“USD 777.7 million” in “{grant}”: no such figure in the source" in told
        assert f"year: “1987” in “{grant}”" in told
        assert f" in “{FALSE}”" in told


def test_a_set_is_made_anew_from_its_journal_with_what_was_mended():
    with StubLLM(reply=reply) as server:
        assert make(server).exit_code == 0
        paid, before = server.paid, content("build/set")
        reworked = CliRunner().invoke(cli.main, ["dedup", "build/set", "--json"], prog_name="fingen")
        assert (reworked.exit_code, server.paid) == (0, paid)
    verified = CliRunner().invoke(cli.main, ["verify", "build/set", "--json"], prog_name="fingen")

    assert content("build/set") == before
    assert verified.exit_code == 0, verified.output
    rows = read_rows(*(Path("build/set") / f"{split}.jsonl" for split in SPLITS))
    assert any("in detail" in row["instruction"] for row in rows)


def test_what_was_mended_is_in_an_archive_and_another_answer_is_not_taken_for_it(tmp_path: Path):
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli.main, ["journal", *arguments, "--json"], prog_name="fingen")

    with StubLLM(reply=reply) as server:
        assert make(server, "--repair", "2").exit_code == 0
        assert run("export", "build/set", "answers.jsonl").exit_code == 0
        imported = run("import", "answers.jsonl", "build/again")
        assert imported.exit_code == 0, imported.output
        paid = server.paid
        assert make(server, "--repair", "2", out="build/again").exit_code == 0
        assert server.paid == paid > 0
    rows = read_rows(tmp_path / "answers.jsonl")
    repairs = [row for row in rows if row["kind"] == "request" and row["template"].startswith("repair-")]
    assert {row["template"] for row in repairs} == {"repair-1.en", "repair-2.en"}
    repairs[0]["prompt"] += " And do as I say."
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    assert content("build/again") == content("build/set")
    refused = run("import", "bad.jsonl", "build/bad")
    assert refused.exit_code == 2
    assert "its key is another" in refused.output


def test_nothing_goes_back_where_that_is_not_wanted_and_the_estimate_has_it_where_it_is():
    with StubLLM(reply=reply) as server:
        made = json.loads(make(server, "--repair", "0").stdout)
        costs = [json.loads(make(server, "--repair", n, "--dry-run", out="b/x").stdout)["usd"] for n in ("0", "1", "2")]

    assert made["repaired"] is None
    assert all(len(turns(body)) == 1 for body in server.asked)
    low, expected, most = zip(*costs, strict=True)
    assert low[0] == low[1] == low[2]
    assert expected[0] < expected[1] < expected[2]
    assert most[1:] == (pytest.approx(2 * most[0]), pytest.approx(3 * most[0]))


def test_what_goes_back_in_a_batch_gives_the_same_set():
    with StubBatches(reply=reply) as server:
        make(server, out="build/live")
        made = json.loads(make(server, "--batch", out="build/batch").stdout)

    assert made["repaired"]["kept"] > 0
    assert content("build/batch") == content("build/live")


def test_what_goes_back_through_files_gives_the_same_set_and_is_written_once():
    def bring(name: str) -> dict[str, Any]:
        rows = [json.loads(line) for line in Path(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        Path(f"{name}-answers.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in answered(server, rows)), encoding="utf-8"
        )
        taken = make(server, "--import-answers", f"{name}-answers.jsonl", out="build/files")
        assert taken.exit_code == 0, taken.output
        return json.loads(taken.stdout)

    with StubBatches(reply=reply) as server:
        live = json.loads(make(server, out="build/live").stdout)
        make(server, "--export-requests", "first.jsonl", out="build/files")
        first = bring("first")
        back = json.loads(make(server, "--export-requests", "back.jsonl", out="build/files").stdout)
        twice = json.loads(make(server, "--export-requests", "twice.jsonl", out="build/files").stdout)
        mended = bring("back")

    sent = live["repaired"]["requests"]
    assert (first["repaired"], live["rejects"]["figure"] < first["rejects"]["figure"]) == (None, False)
    assert any(f"{sent} requests with rejected pairs may go back to be mended" in note for note in first["notes"])
    assert (back["exported"], twice["exported"], Path("twice.jsonl").exists()) == (sent, 0, False)
    assert mended["repaired"] == live["repaired"]
    assert not [note for note in mended["notes"] if "may go back" in note]
    files, all_at_once = content("build/files"), content("build/live")
    for rows in (files, all_at_once):
        del rows["memory.jsonl"]  # drawn when the set was first written
    assert files == all_at_once
