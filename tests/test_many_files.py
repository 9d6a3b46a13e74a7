"""Requests in several files, and answers from several: in any order, any part of them, again and again."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from stub_batches import StubBatches
from test_exchange import _desk, answered, differing, fingen, gpt, last, pdf2qa, sample, stub, write, written

from fingen import cli
from fingen.teachers import asking

__all__ = ["_desk", "sample", "stub"]  # fixtures
pytestmark = pytest.mark.usefixtures("readers_here", "sample")

PART = 5  # requests in a file


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FILE_REQUESTS", PART)


def parts() -> list[Path]:
    return sorted(Path().glob("requests*.jsonl"))


def test_many_requests_go_to_several_files_and_their_answers_come_back_in_any_order(stub: StubBatches):
    last(pdf2qa("live/set", gpt(stub)))
    asked = stub.paid
    out = last(pdf2qa("file/set", gpt(stub), "--export-requests", "requests.jsonl"))
    names = [path.name for path in parts()]

    assert names == [f"requests-{number:05d}.jsonl" for number in range(1, -(-asked // PART) + 1)]
    assert [len(written(str(path))) for path in parts()] == [PART] * (asked // PART) + [asked % PART] * bool(
        asked % PART
    )
    assert f"{asked} requests written now; nothing was sent" in out
    assert "vllm run-batch -i requests-00001.jsonl -o answers-00001.jsonl" in out
    assert "is there already" in last(pdf2qa("file/set", gpt(stub), "--export-requests", "requests.jsonl"), code=2)

    Path("back").mkdir()
    rows = [answered(stub, written(str(path))) for path in parts()]
    write("back/part.jsonl", *rows[2][:1])  # the cluster has not answered all of it
    write("one.jsonl", *rows[1])
    taken = last(pdf2qa("file/set", gpt(stub), "--import-answers", "back", "--import-answers", "one.jsonl"))
    assert f"{PART + 1} of {asked} requests answered" in taken
    assert f"requests-00001.jsonl: {PART} of {PART} requests held until imported" in taken
    assert f"requests-00003.jsonl: {len(rows[2]) - 1} of {len(rows[2])} requests held until imported" in taken
    assert "requests-00002.jsonl" not in taken

    for number, each in enumerate(rows):
        write(f"back/{number}.jsonl", *each)
    Path("back/requests.jsonl").write_bytes(parts()[0].read_bytes())
    done = last(pdf2qa("file/set", gpt(stub), "--import-answers", "back"))
    assert stub.paid == asked
    assert "left out, as they hold no results: requests.jsonl" in done
    assert differing("live/set", "file/set") == set()
    last(pdf2qa("file/set", gpt(stub), "--import-answers", "back"))
    assert differing("live/set", "file/set") == set()
    assert "nothing is held" in last(fingen("journal", "release", "file/set"))


def test_few_requests_are_one_file(stub: StubBatches, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "FILE_REQUESTS", 5000)
    last(pdf2qa("file/set", gpt(stub), "--export-requests", "requests.jsonl"))

    assert [path.name for path in parts()] == ["requests.jsonl"]


def test_rows_of_several_files_are_named_with_their_file(stub: StubBatches):
    last(pdf2qa("file/set", gpt(stub), "--export-requests", "requests.jsonl"))
    first, second, *_ = [answered(stub, written(str(path))) for path in parts()]
    write("a.jsonl", first[0], "no row")
    write("b.jsonl", first[0], second[0])
    told = last(pdf2qa("file/set", gpt(stub), "--import-answers", "a.jsonl", "--import-answers", "b.jsonl"), code=1)

    assert "2 answers taken" in told
    assert "broken: a.jsonl, row 2: not JSON" in told
    assert "duplicate: b.jsonl, row 1: as a.jsonl, row 1" in told


@pytest.mark.parametrize(("given", "said"), [("empty", "empty holds no file"), ("nowhere", "nowhere is no file")])
def test_what_holds_no_answers_is_refused(given: str, said: str):
    Path("empty").mkdir()
    command = ["pdf2qa", ".", "--teacher", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--import-answers", given]
    ran = CliRunner().invoke(cli.main, command, prog_name="fingen")

    assert ran.exit_code == 2
    assert said in ran.stderr
