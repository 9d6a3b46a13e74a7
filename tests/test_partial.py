"""One request without an answer does not hold the rest, where that is wanted; what was answered badly is told as long as it is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from stub_batches import StubBatches
from stub_llm import Call, Response, StubLLM, error
from test_exchange import answered
from test_pdf2qa import reports
from test_repair import reply

from fingen import cli
from fingen.prompts import copy_templates

pytestmark = pytest.mark.usefixtures("readers_here")


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    reports(tmp_path / "in", count=2, topics=6)


class Choosy(StubLLM):
    """Refuses the first text that it is asked about, as long as it does not like it."""

    likes, disliked = False, b""

    async def _complete(self, call: Call) -> Response:
        self.disliked = self.disliked or call.raw
        if self.likes or call.raw != self.disliked:
            return await super()._complete(call)
        return error(call, 400, "this text was flagged")


def make(server: StubLLM, *more: str) -> Result:
    command = ["pdf2qa", "in", "--out", "build/set", "--chunk-tokens", "200", "--workers", "1", "--repair", "0"]
    teacher = ["--teacher", "openai:gpt-6-luna", "--base-url", server.openai_url, "--json"]
    return CliRunner().invoke(cli.main, [*command, *teacher, *more], prog_name="fingen")


def written(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def export(server: StubBatches) -> list[dict[str, Any]]:
    assert make(server, "--export-requests", "requests.jsonl").exit_code == 0
    return list(answered(server, written("requests.jsonl")))


def take(server: StubBatches, rows: list[dict[str, Any]], *more: str) -> Result:
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return make(server, "--import-answers", "answers.jsonl", *more)


def test_the_set_is_written_of_what_is_there_and_completed_later():
    with StubBatches(reply=reply) as server:
        *most, last = export(server)
        held = take(server, most)
        partial = take(server, most, "--partial")
        whole = take(server, [last])

    assert (held.exit_code, "records" in json.loads(held.stdout)) == (0, False)  # answers are still to come
    made = json.loads(partial.stdout)
    assert partial.exit_code == 1
    assert any(f"1 of {len(most) + 1} requests have no answer" in note for note in made["notes"])
    assert made["requests"] == {"asked": 0, "from_journal": len(most), "unanswered": 1, "unusable": 0}
    assert made["rejects"]["no-answer"] == 1
    assert whole.exit_code == 0, whole.output
    assert "no-answer" not in json.loads(whole.stdout)["rejects"]


def test_an_answer_of_no_use_is_named_and_a_second_round_does_not_hide_it():
    with StubBatches(reply=reply) as server:
        spoilt, _, *good = export(server)
        spoilt["response"]["body"]["choices"][0]["message"]["content"] = "no JSON"
        rounds = [take(server, [spoilt]), take(server, good)]

    for ran in rounds:
        (note,) = (note for note in json.loads(ran.stdout)["notes"] if "cannot be used" in note)
        assert note.startswith("1 requests have answers that cannot be used: report")
        assert "invalid: " in note


def test_a_request_that_is_refused_live_holds_nobody_up_and_the_set_can_be_written_without_it():
    with Choosy(reply=reply) as server:
        held = make(server)
        others, written = server.paid, Path("build/set/manifest.json").exists()
        partial = make(server, "--partial")
        assert server.paid == others > 6
        server.likes = True
        whole = make(server)
        assert server.paid == others + 1
        assert server.paid_twice == 0

    assert not written
    assert held.exit_code == 1, held.output
    assert "have no answer, all others have" in held.stderr
    assert "this text was flagged" in held.stderr
    made = json.loads(partial.stdout)
    assert partial.exit_code == 1
    assert sum(made["records"]["qa-concept"].values()) > 0
    assert any("have no answer" in note and "flagged" in note for note in made["notes"])
    assert whole.exit_code == 0, whole.output


def test_a_refused_request_of_a_batch_is_told_and_the_others_make_the_set():
    with StubBatches(reply=reply, item_faults={"refused": 0.3}, seed=3) as server:
        held = make(server, "--batch", "--wait")
        partial = make(server, "--batch", "--wait", "--partial")

    assert (held.exit_code, partial.exit_code) == (1, 1), held.output + partial.output
    assert "have no answer, all others have" in held.stderr
    assert sum(json.loads(partial.stdout)["records"]["qa-concept"].values()) > 0


def test_a_template_that_is_read_no_more_is_named_and_where_its_changes_belong():
    Path("prompts").mkdir()
    Path("prompts/concept.en.md").write_text("an old one", encoding="utf-8")
    with StubLLM(reply=reply) as server:
        without = make(server, "--dry-run")
        copy_templates()
        beside = make(server, "--dry-run")

    told = "prompts/concept.en.md is not read any more: bring what you changed in it into prompts/qa.en.md"
    assert without.exit_code == 2
    assert told in without.stderr
    assert beside.exit_code == 0
    assert beside.stderr.count(told) == 1
