"""One request without an answer does not hold the rest, where that is wanted; what was answered badly is told as long as it is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from stub_batches import StubBatches
from stub_llm import StubLLM
from test_exchange import answered
from test_pdf2qa import reports
from test_repair import reply

from fingen import cli

pytestmark = pytest.mark.usefixtures("readers_here")


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    reports(tmp_path / "in", count=2, topics=6)


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
    assert made["requests"]["unusable"] == 1
    assert made["rejects"]["unusable-answer"] == 1
    assert whole.exit_code == 0, whole.output
    assert "unusable-answer" not in json.loads(whole.stdout)["rejects"]


def test_an_answer_of_no_use_is_named_and_a_second_round_does_not_hide_it():
    with StubBatches(reply=reply) as server:
        spoilt, _, *good = export(server)
        spoilt["response"]["body"]["choices"][0]["message"]["content"] = "no JSON"
        rounds = [take(server, [spoilt]), take(server, good)]

    for ran in rounds:
        (note,) = (note for note in json.loads(ran.stdout)["notes"] if "cannot be used" in note)
        assert note.startswith("1 requests have answers that cannot be used: report")
        assert "invalid: " in note
