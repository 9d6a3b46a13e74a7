"""Requests out to a file, answers back in: the same set as asking would give, and every odd row counted and named."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from batch_driver import make_requests, make_teacher
from click.testing import CliRunner, Result
from patience import FOREVER, PATIENCE, wait_until
from prose import prose
from step_driver import run_until
from stub_batches import StubBatches, answer_line

from fingen import cli
from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.errors import LimitError, UsageError
from fingen.pipeline import reading
from fingen.records import Completion, Document, Request
from fingen.tasks.documents import whole_problem
from fingen.teachers import asking, batches
from fingen.teachers import dispatch as live
from fingen.teachers.batch_apis import open_batch_api
from fingen.teachers.batch_files import Imported, custom_id, export_requests, import_answers, read_result, short_hash
from fingen.teachers.batches import Judge
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding
from fingen.teachers.request_locks import RequestLocks
from fingen.wire import ANSWER_BYTES

pytestmark = pytest.mark.usefixtures("readers_here")

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "raw" / "sample_annual_report_2024.pdf"
NOTHING = '{"items": [], "reason": "nothing to ask about"}'
PRICE = (1.0, 5.0)

Row = dict[str, Any]
Requests = dict[str, Request]


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "FIRST_WAIT_SECONDS", 0.01)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name)  # a client makes a TLS context for each of them, which is most of these tests' time
        monkeypatch.delenv(name.lower())


class Desk:
    """A journal with its claims, and a teacher whose server is never there: nothing may be sent."""

    def __init__(self, journal: Journal, locks: RequestLocks, kind: str) -> None:
        self.journal, self.locks, self.outstanding = journal, locks, Outstanding(journal)
        self.teacher = make_teacher(kind, "http://127.0.0.1:9", price=PRICE)

    def export(self, path: str, requests: Requests) -> list[Row]:
        count = export_requests(Path(path), requests.values(), self.teacher, self.outstanding, self.locks)
        rows = [json.loads(line) for line in Path(path).read_text().splitlines()] if count else []
        assert len(rows) == count
        return rows

    def take(self, path: str, requests: Requests) -> Imported:
        report = import_answers([Path(path)], requests, self.teacher, self.outstanding, self.locks)
        Judge(requests, self.outstanding, whole_problem).look()
        return report


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Any:
    kind = getattr(request, "param", "openai")
    with Journal.open(Path("set/journal.sqlite")) as journal, RequestLocks(Path("set/.claims")) as locks:
        yield Desk(journal, locks, kind)


def write(path: str, *rows: Row | str | bytes) -> str:
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    Path(path).write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def openai_answer(name: str, text: str = NOTHING, **changes: Any) -> Row:
    body = {
        "model": "gpt-6-luna",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        **changes,
    }
    return answer_line(name, body, anthropic=False)


def anthropic_answer(name: str, text: str = NOTHING) -> Row:
    message = {
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }
    return answer_line(name, message, anthropic=True)


def names_of(rows: list[Row]) -> list[str]:
    return [row["custom_id"] for row in rows]


# ---- out


def test_requests_are_written_as_batches_of_openai_and_vllm_read_them(desk: Desk):
    requests = make_requests(300)
    rows = desk.export("out/requests.jsonl", requests)

    assert [set(row) for row in rows] == [{"custom_id", "method", "url", "body"}] * 300
    assert {(row["method"], row["url"]) for row in rows} == {("POST", "/v1/chat/completions")}
    assert [row["body"] for row in rows] == [desk.teacher.body(request) for request in requests.values()]
    assert [name.partition("-")[0] for name in names_of(rows)] == [short_hash(key) for key in requests]
    assert all(len(name) <= 64 for name in names_of(rows))


def test_what_is_exported_is_held(desk: Desk):
    requests, more = make_requests(4), make_requests(6)
    desk.export("one.jsonl", requests)

    assert desk.journal.missing(more) == list(more)
    assert desk.journal.unasked(more) == list(more)[4:]
    assert [row["body"]["messages"][-1]["content"] for row in desk.export("two.jsonl", more)] == [
        "passage 4",
        "passage 5",
    ]
    assert desk.export("three.jsonl", more) == []
    assert not Path("three.jsonl").exists()
    assert [(file.place, file.waiting) for file in desk.outstanding.open("export")] == [
        ("one.jsonl", 4),
        ("two.jsonl", 2),
    ]


def test_a_file_that_is_there_is_not_written_over(desk: Desk):
    requests = make_requests(2)
    desk.export("one.jsonl", requests)
    before = Path("one.jsonl").read_bytes()
    with pytest.raises(UsageError, match=r"one\.jsonl is there already"):
        desk.export("one.jsonl", make_requests(3))

    assert Path("one.jsonl").read_bytes() == before


def test_an_export_that_cannot_be_written_holds_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    requests = make_requests(3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LimitError, match="No space"):
            desk.export("one.jsonl", requests)

    assert desk.journal.unasked(requests) == list(requests)
    assert [path.name for path in Path().iterdir() if path.is_file()] == []


def test_requests_that_another_process_is_asking_are_left_out(desk: Desk):
    requests = make_requests(3)
    code = (
        "import sys; from pathlib import Path; from fingen.teachers.request_locks import RequestLocks\n"
        "with RequestLocks(Path('set/.claims')) as claims: print(claims.take(sys.argv[1]), flush=True); sys.stdin.read()"
    )
    first = next(iter(requests))
    other = subprocess.Popen(
        [sys.executable, "-c", code, first], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "True\n"
    rows = desk.export("one.jsonl", requests)
    other.communicate()

    assert len(rows) == 2
    assert desk.journal.unasked(requests) == [first]


# ---- in


FORMS = pytest.mark.parametrize("answer", [openai_answer, anthropic_answer], ids=["openai", "anthropic"])
BOTH = pytest.mark.parametrize("desk", ["openai", "anthropic"], indirect=True)


@BOTH
@FORMS
def test_answers_are_taken_from_either_form(desk: Desk, answer: Callable[..., Row]):
    requests = make_requests(3)
    rows = desk.export("requests.jsonl", requests)
    report = desk.take(write("answers.jsonl", *(answer(name) for name in reversed(names_of(rows)))), requests)

    found = desk.journal.answers(requests)
    assert (report.taken, report.is_short, len(found)) == (3, False, 3)
    assert {(each.text, each.teacher, each.stop_reason) for each in found.values()} == {
        (NOTHING, desk.teacher.name, "end_turn")
    }
    assert {(each.usage.input_tokens, each.usage.output_tokens) for each in found.values()} == {(100, 10)}
    share = 0.5 if desk.teacher.name.startswith("anthropic") else 1.0  # a server of one's own gives no known discount
    assert {each.cost_usd for each in found.values()} == {(100 * 1.0 + 10 * 5.0) * share / 1e6}
    writer = {openai_answer: "gpt-6-luna", anthropic_answer: "claude-haiku-5-5"}[answer]
    assert report.models == [writer] * (writer != desk.teacher.model)  # said where it is not the teacher
    assert desk.outstanding.open("export") == []


@FORMS
def test_importing_twice_buys_and_changes_nothing(desk: Desk, answer: Callable[..., Row]):
    requests = make_requests(3)
    names = names_of(desk.export("requests.jsonl", requests))
    invalid, failed = answer(names[0], "no JSON"), {"custom_id": names[1], "response": None, "error": {"code": "x"}}
    path = write("answers.jsonl", invalid, failed, answer(names[2]))
    first = desk.take(path, requests)
    left = desk.journal.missing(requests)
    again = names_of(desk.export("more.jsonl", requests))  # the two go round again
    before = (desk.journal.counts(), desk.journal.usage(), desk.journal.failures())
    second = desk.take(path, requests)

    assert (first.taken, first.known, first.failed) == (2, 0, {"x": 1})
    assert (second.taken, second.known, second.failed) == (0, 2, {"x": 1})
    assert before == (desk.journal.counts(), desk.journal.usage(), desk.journal.failures())
    assert desk.journal.missing(requests) == left == list(requests)[:2]
    assert desk.journal.unasked(requests) == []
    assert not set(again) & set(names)


def test_every_odd_row_is_counted_and_named(desk: Desk):
    requests = make_requests(4)
    names = names_of(desk.export("requests.jsonl", requests))
    path = write(
        "answers.jsonl",
        b"\xef\xbb\xbf" + json.dumps(openai_answer(names[0])).encode(),
        json.dumps(openai_answer(names[1]))[:-20],
        "",
        openai_answer("0" * 24 + "-abc"),
        openai_answer(names[0], "another"),
        b'{"custom_id": "\xff"}',
        "[1, 2]",
        {"custom_id": names[1], "something": "else"},
        {"response": {"body": {}}},
        "[" * 100_000,
        openai_answer(names[2]),
        {"custom_id": names[3], "response": None, "error": {"code": "batch_expired", "message": "late"}},
    )
    report = desk.take(path, requests)

    assert (report.taken, report.known, report.failed) == (2, 0, {"expired": 1})
    assert report.unknown == [f"row 4: {'0' * 24}-abc"]
    assert report.duplicates == ["row 5: as row 1"]
    assert [row.partition(":")[0] for row in report.broken] == [f"row {number}" for number in (2, 6, 7, 8, 9, 10)]
    assert report.is_short
    said = "\n".join(report.lines())
    assert all(
        word in said for word in ("answers.jsonl", "row 2: not JSON", "row 9: no custom_id", "and 1 more", "as row 1")
    )
    assert desk.journal.missing(requests) == [list(requests)[1], list(requests)[3]]
    assert desk.journal.answers(requests)[next(iter(requests))].text == NOTHING  # the first answer stays


@pytest.mark.parametrize(
    ("row", "error", "is_final"),
    [
        ({"result": {"type": "expired"}}, "expired", False),
        ({"result": {"type": "canceled"}}, "canceled", False),
        ({"result": {"type": "errored", "error": {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}}},
         "overloaded_error: busy", False),
        ({"result": {"type": "errored", "error": {"type": "invalid_request_error", "message": "too long"}}},
         "invalid_request_error: too long", True),
        ({"response": {"status_code": 400, "body": {"error": {"message": "too\nlong"}}}, "error": None}, "status 400: too long", True),
        ({"response": {"status_code": 429, "body": {}}, "error": None}, "status 429", False),
        ({"response": {"status_code": 500, "body": {"error": {"message": "oops"}}}}, "status 500: oops", False),
        ({"response": None, "error": {"code": "batch_cancelled"}}, "canceled", False),
        # As vllm run-batch writes failures.
        ({"response": {"status_code": 400, "body": None}, "error": "context length"}, "status 400: context length", True),
        ({"response": {"status_code": 200, "body": None}, "error": {"error": {"message": "out of memory", "code": 500}}},
         "no answer: out of memory", False),
    ],
)  # fmt: skip
def test_why_there_is_no_answer_is_read_in_each_form(row: Row, error: str, is_final: bool):
    result = read_result(json.dumps({"custom_id": "a-b", **row}).encode())

    assert (result.payload, result.error, result.is_final) == (None, error, is_final)


def test_half_characters_do_not_end_an_import(desk: Desk):
    requests = make_requests(1)
    (name,) = names_of(desk.export("requests.jsonl", requests))
    line = json.dumps(openai_answer(name, "PLACE")).replace("PLACE", '\\"\\ud83d\\" 年报')
    report = desk.take(write("answers.jsonl", line, openai_answer("\ud800")), requests)

    assert (report.taken, len(report.unknown)) == (1, 1)


def test_a_row_without_an_end_is_broken_and_holds_no_other(desk: Desk):
    requests = make_requests(2)
    first, last = names_of(desk.export("requests.jsonl", requests))
    endless = b'{"custom_id": "' + b"x" * (3 * ANSWER_BYTES)
    report = desk.take(write("answers.jsonl", openai_answer(first), endless, openai_answer(last)), requests)

    assert report.taken == 2
    assert report.broken == ["row 2: more than 16 MB"]


def test_a_later_answer_makes_up_for_a_failed_row(desk: Desk):
    requests = make_requests(2)
    names = names_of(desk.export("requests.jsonl", requests))
    failed = {"custom_id": names[0], "response": {"status_code": 500, "body": None}, "error": "crashed"}
    report = desk.take(
        write("answers.jsonl", failed, openai_answer(names[0]), openai_answer(names[1]), failed), requests
    )

    assert (report.taken, report.failed, report.duplicates) == (2, {"status 500: crashed": 1}, ["row 4: as row 2"])
    assert desk.journal.missing(requests) == []


def test_answers_to_released_requests_are_taken_if_nobody_else_answered(desk: Desk):
    requests = make_requests(3)
    names = names_of(desk.export("requests.jsonl", requests))
    (file,) = desk.outstanding.open("export")
    assert desk.outstanding.release(file.token) == 3
    assert desk.journal.unasked(requests) == list(requests)
    answered, held, _ = requests.values()
    desk.journal.commit([(answered, Completion(key=answered.key, text="live", stop_reason="end_turn", teacher="t"))])
    desk.export("other.jsonl", {held.key: held})
    report = desk.take(write("answers.jsonl", *map(openai_answer, names)), requests)

    assert (report.taken, report.known) == (1, 2)
    assert desk.journal.answers(requests)[answered.key].text == "live"


def test_answers_to_another_journals_export_are_known_by_their_request(desk: Desk):
    requests = make_requests(3)
    path = write("answers.jsonl", *(openai_answer(custom_id(key, "f00")) for key in requests))
    first, second = desk.take(path, requests), desk.take(path, requests)

    assert (first.taken, second.taken, second.known) == (3, 0, 3)


def test_answers_outside_of_this_runs_passages_are_kept(desk: Desk):
    requests = make_requests(3)
    names = names_of(desk.export("requests.jsonl", requests))
    few = dict(list(requests.items())[:1])
    report = desk.take(write("answers.jsonl", *map(openai_answer, names)), few)
    Judge(requests, desk.outstanding, whole_problem).look()

    assert (report.taken, desk.journal.missing(requests)) == (3, [])


@BOTH
def test_results_of_a_batch_may_be_brought_by_hand(desk: Desk):
    kind = desk.teacher.name.partition(":")[0]
    requests = make_requests(4)
    with StubBatches(seconds=FOREVER) as stub:
        desk.teacher = make_teacher(kind, stub.url, price=PRICE)
        terms = batches.BatchTerms(is_waiting=False, first_poll_seconds=0.01)

        async def run() -> None:
            await batches.run_batches(requests, open_batch_api(desk.teacher), desk.journal, desk.locks, terms)
            await desk.teacher.close()

        asyncio.run(run())
        (batch,) = stub.batches.values()
        report = desk.take(write("results.jsonl", *batch.results), requests)
        stub.seconds = 0.0
        asyncio.run(run())

    assert (report.taken, stub.paid, desk.journal.counts()["answers"]) == (4, 4, 4)
    assert desk.outstanding.open("batch") == []


def test_a_file_without_results_is_refused(desk: Desk):
    requests = make_requests(1)
    for path, match in [
        (write("text.txt", "hello", "world"), r"text\.txt, row 1: not JSON: 'hello.*'; no row of it is a result"),
        (write("requests.jsonl", {"custom_id": "a", "body": {}}), "row 1: neither"),
        ("nowhere.jsonl", "No such file"),
    ]:
        with pytest.raises(UsageError, match=match):
            desk.take(path, requests)


# ---- the whole road


def pairs(body: Row) -> str:
    """A pair that the checks let pass, with a sentence of the passage; the same for the same prompt."""
    prompt = next(turn["content"] for turn in body["messages"] if turn["role"] == "user")
    prompt = prompt if isinstance(prompt, str) else prompt[0]["text"]
    found = re.search(r"^Company: (.*)$", prompt, re.MULTILINE)
    if not found:
        return NOTHING  # a Chinese passage
    company = found[1]
    years = " and ".join(
        dict.fromkeys(re.findall(r"\b20\d\d\b", " ".join(re.findall(r"^Report: .*$", prompt, re.MULTILINE))))
    )
    passage = prompt.partition("Pages: ")[2].partition("</passage>")[0].partition("\n\n")[2]
    quote = max(re.findall(r"[A-Z][^.|\n]{60,}\.", passage), key=len, default="nothing")
    words = " ".join(quote.split()[:8])
    item = {
        "kind": "concept",
        "question": f"What does {company} report for {years} on the following: {words}?",
        "rephrased": f"In its report for {years}, what does {company} have to say about this: {words}?",
        "answer": f"{company} has this to report for {years}, in plain words: {quote} {prose(quote)}",
        "evidence": [quote],
        "calc": None,
    }
    return json.dumps({"items": [item], "reason": None}, ensure_ascii=False)


def fingen(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def pdf2qa(out: str, teacher: list[str], *options: str) -> Result:
    return fingen("pdf2qa", "sample.pdf", "--out", out, "--limit", "12", "--workers", "1", *teacher, *options)


def last(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    return result.output


def files(folder: str) -> dict[str, bytes]:
    """What a set is, but for its journal."""
    paths = [path for path in Path(folder).iterdir() if path.is_file() and path.name[0] != "."]
    return {path.name: path.read_bytes() for path in paths if path.name != "journal.sqlite"}


def differing(one: str, other: str) -> set[str]:
    """The files in which two sets differ."""
    first, second = files(one), files(other)
    return first.keys() ^ second.keys() | {name for name in first if first[name] != second.get(name)}


def written(path: str) -> list[Row]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def answered(stub: StubBatches, rows: list[Row]) -> list[Row]:
    """What a cluster would write: an answer for each exported request, in another order."""
    answers = [stub.answer(row["body"], None, anthropic=False) for row in rows]
    return [answer_line(row["custom_id"], answer, anthropic=False) for row, answer in zip(rows, answers, strict=True)][
        ::-1
    ]


@cache
def read_sample(how: ReadSettings) -> Document:
    return read_document(SAMPLE, "sample.pdf", how)


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that is read once for all tests: reading has tests of its own."""
    shutil.copy(SAMPLE, "sample.pdf")
    monkeypatch.setattr(reading, "read_documents", lambda sources, how, **options: iter([read_sample(how)]))


@pytest.fixture
def stub() -> Iterator[StubBatches]:
    with StubBatches(reply=pairs, seconds=0.1) as stub:
        yield stub


def gpt(stub: StubBatches) -> list[str]:
    return ["--teacher", "openai:gpt-6-luna", "--base-url", stub.openai_url]


@pytest.mark.usefixtures("sample")
def test_export_and_import_give_the_set_that_asking_gives(stub: StubBatches):
    last(pdf2qa("live/set", gpt(stub)))
    asked = stub.paid
    out = last(pdf2qa("file/set", gpt(stub), "--export-requests", "requests.jsonl"))
    path = write("answers.jsonl", *answered(stub, written("requests.jsonl")))
    last(pdf2qa("file/set", gpt(stub), "--import-answers", path))

    assert f"{asked} requests written now; nothing was sent" in out
    assert "vllm run-batch -i requests.jsonl" in out
    assert stub.paid == asked >= 12
    assert "train.jsonl" in files("live/set")
    assert differing("live/set", "file/set") == set()


@pytest.mark.usefixtures("sample")
def test_an_answer_of_no_use_goes_out_a_second_time(stub: StubBatches):
    last(pdf2qa("live/set", gpt(stub)))
    asked = stub.paid
    last(pdf2qa("file/set", gpt(stub), "--export-requests", "requests.jsonl"))
    rows = written("requests.jsonl")
    *answers, spoiled = answered(stub, rows)
    spoiled["response"]["body"]["choices"][0]["message"]["content"] = "no JSON"
    taken = last(pdf2qa("file/set", gpt(stub), "--import-answers", write("answers.jsonl", spoiled, *answers)))
    assert f"{asked - 1} of {asked} requests answered" in taken
    assert not Path("file/set/manifest.json").exists()
    last(pdf2qa("file/set", gpt(stub), "--export-requests", "second.jsonl"))
    (row,) = written("second.jsonl")
    assert "cannot be used" in row["body"]["messages"][-1]["content"]
    last(pdf2qa("file/set", gpt(stub), "--import-answers", write("more.jsonl", *answered(stub, [row]))))
    last(pdf2qa("file/set", gpt(stub), "--import-answers", "answers.jsonl"))

    assert stub.paid == asked
    assert differing("live/set", "file/set") <= {"manifest.json", "README.md"}  # they count the tokens of that answer


@pytest.mark.usefixtures("sample")
def test_what_is_exported_is_asked_by_nobody_until_it_is_released(stub: StubBatches):
    last(pdf2qa("build/set", gpt(stub), "--export-requests", "requests.jsonl"))
    count = len(written("requests.jsonl"))
    again = last(pdf2qa("build/set", gpt(stub), "--export-requests", "again.jsonl"))
    assert f"requests.jsonl: {count} of {count} requests held until imported" in again
    assert f"exported to requests.jsonl: {count} requests held" in last(fingen("journal", "build/set"))
    for way in ([], ["--batch"]):
        assert "fingen journal release build/set" in last(pdf2qa("build/set", gpt(stub), *way), code=1)
    assert stub.paid == 0
    assert f"{count} requests released: export requests.jsonl" in last(fingen("journal", "release", "build/set"))
    assert "nothing is held" in last(fingen("journal", "release", "build/set"))
    last(pdf2qa("build/set", gpt(stub)))

    assert stub.paid == count


@pytest.mark.usefixtures("sample")
def test_a_file_that_holds_nothing_is_told_of(stub: StubBatches):
    last(pdf2qa("build/set", gpt(stub), "--export-requests", "requests.jsonl"))
    Path("answers.jsonl").write_text("\n")

    taken = pdf2qa("build/set", gpt(stub), "--import-answers", "answers.jsonl")
    assert taken.exit_code == 0
    assert "empty, so that it held no answers: answers.jsonl" in taken.output


@pytest.mark.usefixtures("sample")
def test_a_set_made_of_a_file_with_odd_rows_says_so(stub: StubBatches):
    last(pdf2qa("build/set", gpt(stub), "--export-requests", "requests.jsonl"))
    rows = written("requests.jsonl")
    path = write("answers.jsonl", "half a ro", *answered(stub, rows), openai_answer("who-knows"))
    result = pdf2qa("build/set", gpt(stub), "--import-answers", path)

    assert result.exit_code == 1
    assert Path("build/set/manifest.json").exists()
    assert "row 1: not JSON" in result.output
    assert f"row {len(rows) + 2}: who-knows" in result.output


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("kind", ["anthropic", "openai"])
def test_batches_give_the_set_that_asking_gives(kind: str, stub: StubBatches, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "BatchTerms", lambda **terms: batches.BatchTerms(first_poll_seconds=0.05, **terms))
    teacher = gpt(stub) if kind == "openai" else ["--teacher", "anthropic", "--base-url", stub.url]
    last(pdf2qa("live/set", teacher))
    asked = stub.paid
    stub.seconds = FOREVER
    sent = last(pdf2qa("batch/set", teacher, "--batch", "--no-wait"))
    assert "next: run the same command again to collect them" in sent
    assert f"{asked} requests in batches" in sent
    assert f"{asked} requests held" in last(fingen("journal", "batch/set"))
    assert "on their way and paid for" in last(pdf2qa("batch/set", teacher, "--batch", "--replace"), code=2)
    stub.seconds = 0.0
    last(pdf2qa("batch/set", teacher, "--batch"))
    last(pdf2qa("batch/set", teacher))

    assert stub.paid == 2 * asked
    # The price differs where it is known, and what was read from the cache.
    assert differing("live/set", "batch/set") == ({"manifest.json", "README.md"} if kind == "anthropic" else set())


@pytest.mark.usefixtures("sample")
def test_asking_now_waits_for_what_a_batch_holds(stub: StubBatches, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(asking, "BatchTerms", lambda **terms: batches.BatchTerms(first_poll_seconds=0.05, **terms))
    few = ["--task", "concept"]
    last(pdf2qa("build/set", gpt(stub), *few, "--batch", "--no-wait"))
    sent = stub.paid
    last(pdf2qa("build/set", gpt(stub), *few))

    assert (stub.paid, stub.paid_twice, len(stub.batches)) == (sent, 0, 1)


@pytest.mark.usefixtures("sample")
def test_what_ends_the_waiting_leaves_the_batch_to_go_on():
    """A scheduler here, which is heard as Ctrl-C."""
    looked = threading.Event()  # at the batch: its id has been written down
    with StubBatches(reply=pairs, seconds=FOREVER, hook=lambda step: looked.set() if step == "look" else None) as stub:
        command = [sys.executable, "-m", "fingen", "pdf2qa", "sample.pdf", "--limit", "4", "--workers", "1", "--batch"]
        command += ["--teacher", "openai:gpt-6-luna", "--base-url", stub.openai_url]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        wait_until(looked.is_set, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, said
        assert "1 batches go on at the provider" in said
        assert "run the same command again" in said
        paid = stub.paid
        stub.seconds = 0.0
        process = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)

    assert (stub.paid, stub.paid_twice) == (paid, 0)
    assert Path("build/reports/manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--teacher", "offline", "--batch"], "offline teacher answers here and now"),
        (
            ["--teacher", "openai", "--batch", "--export-requests", "x"],
            "--batch and --export-requests do not go together",
        ),
        (["--teacher", "anthropic", "--export-requests", "x"], "OpenAI's form"),
        (["--teacher", "openai", "--import-answers", "nowhere"], "nowhere is no file"),
        (["--teacher", "openai", "--export-requests", "sample.pdf"], "sample.pdf is there already"),
    ],
)
@pytest.mark.usefixtures("sample")
def test_ways_that_cannot_be_gone_are_refused_before_anything_is_read(options: list[str], said: str):
    result = fingen("pdf2qa", "sample.pdf", *options)

    assert result.exit_code == 2
    assert said in result.output
    assert "read sample.pdf" not in result.output


def test_the_journal_command_keeps_its_plain_form():
    with Journal.open(Path("build/x/journal.sqlite")):
        pass

    assert last(fingen("journal", "build/x")).startswith("build/x   teacher: None")
    report = json.loads(last(fingen("journal", "build/x", "--json")))
    assert report["batches"] == report["files"] == []
    assert fingen("journal", "build/x", "more").exit_code == 2
    assert fingen("journal", "build/x", "--batches").exit_code == 2
    assert fingen("journal").exit_code == 2


# ---- killed at every step


class Killed:
    """A set that is asked by file, and the ways to it: out, in, and the plain command. There is no server anywhere."""

    COMMAND = ("pdf2qa", "sample.pdf", "--out", "build/set", "--limit", "1", "--sections", "risk factors", "--workers", "1",
               "--teacher", "openai:gpt-6-luna", "--base-url", "http://127.0.0.1:9/v1")  # fmt: skip
    OUT, IN = ("--export-requests", "requests.jsonl"), ("--import-answers", "answers.jsonl")

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.desks, self.patch = folder, patch
        # Nobody else works on these sets: whoever waits waits for ever.
        patch.setattr(asking.time, "sleep", lambda seconds: pytest.fail("waits for nobody"))
        self.start = self.desk("start")
        shutil.copy(SAMPLE, "sample.pdf")
        last(self.run(*self.OUT))
        self.answer()
        shutil.copytree(self.start, self.desk("exported"), dirs_exist_ok=True)
        os.chdir(self.start)
        last(self.run(*self.IN))
        self.requests = len(written("requests.jsonl"))

    def desk(self, name: str) -> Path:
        """A folder of that name, where work goes on."""
        folder = self.desks / name
        folder.mkdir(exist_ok=True)
        os.chdir(folder)
        return folder

    def run(self, *options: str) -> Result:
        return fingen(*self.COMMAND, *options)

    def answer(self) -> None:
        """Write an answer to each request that is in the file."""
        with StubBatches(reply=pairs) as stub:
            write("answers.jsonl", *answered(stub, written("requests.jsonl")))

    def each_kill(self, like: str, *options: str, every: int) -> Iterator[int]:
        """For each step of the command, or some of them: a desk like another one, where it was killed there."""
        for number in itertools.count(step=every):
            desk = self.desks / f"{like}-{number}"
            shutil.copytree(self.desks / like, desk)
            os.chdir(desk)
            if not run_until(desk, [*self.COMMAND, *options], number):
                assert number > 10
                return
            yield number

    def assert_whole(self) -> None:
        """The set is that of a run that nothing disturbed, and each request was answered once."""
        assert differing("build/set", str(self.start / "build/set")) == set()
        with Journal.open(Path("build/set/journal.sqlite")) as journal:
            assert journal.counts() == {"requests": self.requests, "answers": self.requests, "possibly_billed": 0}


STEPS = pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Killed:
    return Killed(tmp_path, monkeypatch)


@STEPS
def test_an_import_killed_at_any_step_is_gone_on_with(killed: Killed, every: int):
    ended = Counter[int]()
    for _ in killed.each_kill("exported", *Killed.IN, every=every):
        plain = killed.run()  # ends, whatever is stored
        ended[plain.exit_code] += 1
        if plain.exit_code:
            assert "give the answers to --import-answers" in last(plain, code=1)
            last(killed.run(*Killed.IN))
        killed.assert_whole()
    assert ended.keys() == {0, 1}  # some were killed when all answers were stored


@STEPS
def test_an_import_of_another_journals_answers_killed_at_any_step_holds_nothing(killed: Killed, every: int):
    killed.desk("other")
    for name in ("sample.pdf", "answers.jsonl"):
        shutil.copy(killed.start / name, name)
    for _ in killed.each_kill("other", *Killed.IN, every=every):
        with Journal.open(Path("build/set/journal.sqlite")) as journal:
            stored = journal.counts()["answers"]
        left = killed.run("--export-requests", "left.jsonl").output
        assert stored == killed.requests or f"{killed.requests - stored} requests written now" in left
        last(fingen("journal", "release", "build/set"))
        last(killed.run(*Killed.IN))
        killed.assert_whole()


@STEPS
def test_an_export_killed_at_any_step_is_gone_on_with(killed: Killed, every: int):
    killed.desk("new")
    shutil.copy(SAMPLE, "sample.pdf")
    ended = Counter[bool]()
    for _ in killed.each_kill("new", *Killed.OUT, every=every):
        there = Path("requests.jsonl").exists()
        ended[there] += 1
        again = killed.run(*Killed.OUT)
        assert again.exit_code == (2 if there else 0), again.output
        assert len(written("requests.jsonl")) == killed.requests
        killed.answer()
        last(killed.run(*Killed.IN))
        killed.assert_whole()
    assert every > 1 or ended.keys() == {True, False}
