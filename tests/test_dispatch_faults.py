"""The dispatcher against a server that fails in every way it can: what is paid, what is stored, when it stops.

Both SDKs, over real connections to the stub server. Nothing here asserts how long something took, but for lower bounds.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE, wait_until
from stub_llm import Call, Response, StubLLM, error, fingerprint
from test_kill import reply, write_reports

from fingen import cli, wire
from fingen.errors import FingenError, ShortfallError, TeacherError
from fingen.records import Completion, Request, Usage, request_key
from fingen.tasks.documents import whole_problem
from fingen.tasks.qa import answer_schema
from fingen.teachers import dispatch as module
from fingen.teachers.anthropic import Anthropic
from fingen.teachers.dispatch import MOST_IN_A_ROW, TRIES, Terms, dispatch
from fingen.teachers.journal import Journal
from fingen.teachers.openai import OpenAI
from fingen.teachers.rate_limit import START, PerMinute, RateLimit
from fingen.teachers.request_locks import RequestLocks
from fingen.teachers.scripted import Scripted
from fingen.teachers.servers import Servers, open_servers

pytestmark = pytest.mark.usefixtures("readers_here")

KINDS = ("anthropic", "openai")
MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}
PRICE = (1.0, 5.0)  # USD per million tokens, for both
QUEUE = module._WAITING_FOR_DISK  # answers that may be on their way to the disk while others are asked for
ITEM = {
    "question": "What does Northwind report for 2024?",
    "rephrased": "What has Northwind to say on 2024?",
    "answer": "It reports growth.",
    "evidence": ["Revenue increased."],
    "calc": None,
}
GOOD = json.dumps({"items": [ITEM], "reason": None})
INVALID = '{"items": "none"}'

Teacher = Anthropic | OpenAI
Reply = Callable[[dict[str, Any]], str]


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.01)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name)  # a client makes a TLS context for each of them, which is most of these tests' time
        monkeypatch.delenv(name.lower())


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# What the dispatcher does with an answer or a failure. What a provider's answers and failures mean is in test_teachers.py.
ONCE = pytest.mark.parametrize("kind", ["anthropic"])


def always(text: str) -> Reply:
    return lambda body: text


def make_teacher(kind: str, stub: StubLLM, **options: Any) -> Teacher:
    options = {"price": PRICE, **options}
    if kind == "anthropic":
        return Anthropic(MODELS[kind], base_url=stub.url, **options)
    return OpenAI(MODELS[kind], base_url=stub.openai_url, **options)


def make_request(number: int) -> Request:
    system, prompt, schema = "You write questions. " * 20, f"Passage {number}: revenue rose.", answer_schema()
    return Request(key=request_key("test", system, prompt, schema), task="qa-concept", template="concept.en", system=system,
                   prompt=prompt, answer_schema=schema, max_tokens=400, count=1)  # fmt: skip


def make_requests(count: int) -> list[Request]:
    return [make_request(number) for number in range(count)]


@dataclass
class Ran:
    """What came of a run: who got an answer, and the error that stopped it."""

    answers: list[tuple[str, Completion]] = field(default_factory=list)
    error: FingenError | None = None


def ask(teacher: Teacher, requests: Sequence[Request], journal: Path = Path("journal.sqlite"), **terms: Any) -> Ran:
    """Dispatch the requests, as the pipeline does."""
    ran = Ran()

    async def work() -> None:
        try:
            asking = dispatch(
                requests,
                teacher,
                opened,
                locks,
                Terms(**{"validate": whole_problem, "worst_usd": teacher.worst_usd, **terms}),
                on_answer=lambda request, completion: ran.answers.append((request.key, completion)),
            )
            await asyncio.wait_for(asking, PATIENCE)
        finally:
            await teacher.close()

    with Journal.open(journal) as opened, RequestLocks(journal.with_name(".claims")) as locks:
        try:
            asyncio.run(work())
        except FingenError as e:
            ran.error = e
    return ran


def attempts(journal: Path = Path("journal.sqlite")) -> list[dict[str, Any]]:
    """All that was stored, oldest first, read without fingen's own code."""
    with closing(sqlite3.connect(journal)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM completions ORDER BY id")]


def answered(requests: Sequence[Request]) -> dict[str, Completion]:
    with Journal.open(Path("journal.sqlite")) as journal:
        return journal.answers(request.key for request in requests)


def usage() -> dict[str, int]:
    with Journal.open(Path("journal.sqlite")) as journal:
        return {name.removesuffix("_tokens"): count for name, count in journal.usage()[0].model_dump().items()}


def verdict(request: Request, completion: Completion) -> str:
    """What an answer is in the end: usable, or why not."""
    if completion.stop_reason != "end_turn":
        return completion.stop_reason
    return "invalid" if whole_problem(request, completion) else "usable"


# ---- all faults at once


def test_with_all_faults_at_once_every_request_ends_and_every_token_is_counted(kind: str):
    requests = make_requests(300)
    faults = {"cut_json": 0.02, "rate_limit": 0.05, "refusal": 0.01, "max_tokens": 0.01}
    with StubLLM(reply=always(GOOD), seed=4, faults=faults) as stub:
        ran = ask(make_teacher(kind, stub), requests)

    assert ran.error is None
    assert set(stub.struck) == set(faults), "a fault did not strike: choose another seed"
    assert sorted(key for key, _ in ran.answers) == sorted(request.key for request in requests)
    final = answered(requests)
    verdicts = Counter(verdict(request, final[request.key]) for request in requests)
    assert verdicts.total() == 300
    assert verdicts["refusal"] == stub.struck["refusal"]
    assert verdicts["usable"] >= 290
    assert set(verdicts) <= {"usable", "refusal", "max_tokens", "invalid"}

    rows = attempts()
    reasons = Counter(row["error"].partition(":")[0] for row in rows if row["error"])
    assert reasons == {"invalid": stub.struck["cut_json"], "cut at max_tokens": stub.struck["max_tokens"]}
    assert usage() == {name: stub.tokens[name] for name in usage()}
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(bill(make_teacher(kind, stub), stub))
    # Paid twice is only what was asked again on purpose: a cut answer, with more room.
    assert stub.paid == len(rows)
    assert stub.paid_twice == stub.struck["max_tokens"]
    assert stub.statuses[429] == stub.struck["rate_limit"]
    assert stub.received == stub.paid + stub.statuses[429]


@ONCE
def test_a_whole_run_with_faults_accounts_for_every_request_and_every_token(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """From the command line on: the items of an answer are records or rejects; an answer without any says why."""
    write_reports(tmp_path / "in", 5, 32)
    faults = {"cut_json": 0.04, "rate_limit": 0.05, "refusal": 0.03, "max_tokens": 0.03}
    with StubLLM(reply=reply, seed=3, faults=faults) as stub:
        url = stub.url if kind == "anthropic" else stub.openai_url
        monkeypatch.setenv(f"{kind.upper()}_BASE_URL", url)
        arguments = ("--out", "build/set", "--workers", "1", "--chunk-tokens", "128", "--teacher", kind, "--json")
        ran = CliRunner().invoke(cli.main, ["pdf2qa", "in", *arguments], prog_name="fingen")

    assert ran.exit_code == 0, ran.output
    assert set(stub.struck) == set(faults), "a fault did not strike: choose another seed"
    summary, folder = json.loads(ran.stdout), tmp_path / "build" / "set"
    rejected = read_rows(folder / "rejected.jsonl")
    records = {split: read_rows(folder / f"{split}.jsonl") for split in ("train", "validation", "test", "memory")}
    assert Counter(row["reason"] for row in rejected) == summary["rejects"]
    written = Counter(f"{row['task']} {split}" for split, rows in records.items() for row in rows)
    counts = {f"{task} {split}": n for task, splits in summary["records"].items() for split, n in splits.items()}
    assert written == Counter(counts)

    rows = attempts(folder / "journal.sqlite")
    final = {row["key"]: row for row in rows if row["error"] is None}
    begun = {fingerprint(body) for body in stub.asked if all(turn["role"] != "assistant" for turn in body["messages"])}
    assert len(final) == sum(row["error"] is None for row in rows) == len(begun) >= 150
    unusable = {row["request"]: row["detail"] for row in rejected if row["reason"] == "unusable-answer"}
    assert unusable == {key: row["stop_reason"] for key, row in final.items() if row["stop_reason"] != "end_turn"}
    assert len(unusable) == summary["requests"]["unusable"] >= stub.struck["refusal"]
    answers = [json.loads(row["text"]) for row in final.values() if row["stop_reason"] == "end_turn"]
    kept = sum(len(rows) for split, rows in records.items() if split != "memory")  # which asks again for what is kept
    assert sum(len(answer["items"]) for answer in answers) == kept + len(rejected) - len(unusable)
    assert all(answer["items"] or answer["reason"] for answer in answers)

    billed = {
        name: sum(row[f"{name}_tokens"] for row in rows) for name in ("input", "cache_read", "cache_write", "output")
    }
    assert billed == {name: stub.tokens[name] for name in billed}
    assert stub.paid == len(rows)
    assert stub.received == len(rows) + stub.statuses[429]
    assert sum(row["stop_reason"] == "max_tokens" for row in rows) == stub.struck["max_tokens"]
    assert Counter(row["error"].partition(":")[0] for row in rows if row["error"]) == {
        "invalid": stub.struck["cut_json"],
        "cut at max_tokens": stub.struck["max_tokens"] - sum(why == "max_tokens" for why in unusable.values()),
    }


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def bill(teacher: Teacher, stub: StubLLM) -> float:
    """What the server's own count of tokens costs."""
    cost = teacher.cost_usd(Usage(**{f"{name}_tokens": count for name, count in stub.tokens.items()}))
    assert cost is not None
    return cost


# ---- each fault alone

BROKEN_OFF = ("reset", "cut_body", "half_body")


@ONCE
@pytest.mark.parametrize("fault", ["rate_limit", "overloaded", "server_error", *BROKEN_OFF])
def test_each_fault_alone_is_tried_again_until_it_passes(kind: str, fault: str):
    requests = make_requests(40)
    with StubLLM(
        reply=always(GOOD), seed=1, faults={fault: 0.3}, faulty_attempts=TRIES - 1, retry_after="0.01"
    ) as stub:
        ran = ask(make_teacher(kind, stub), requests)

    assert ran.error is None
    assert stub.struck[fault] > 5
    assert [verdict(request, answered(requests)[request.key]) for request in requests] == ["usable"] * 40
    broken_off = [row for row in attempts() if row["possibly_billed"]]
    assert len(broken_off) == (stub.struck[fault] if fault in BROKEN_OFF else 0)
    assert all(row["error"].startswith("broken off: ") for row in broken_off)
    assert stub.paid_twice == (stub.struck[fault] if fault.endswith("body") else 0)
    assert len(attempts()) == 40 + len(broken_off)


@ONCE
def test_a_server_that_hangs_is_given_up_and_asked_again(kind: str):
    requests = make_requests(20)
    with StubLLM(reply=always(GOOD), seed=1, faults={"hang": 0.3}, faulty_attempts=1) as stub:
        ran = ask(make_teacher(kind, stub, timeout_seconds=1.0), requests)

    assert ran.error is None
    assert stub.struck["hang"] >= 2
    assert len(answered(requests)) == 20
    given_up = [row["error"] for row in attempts() if row["possibly_billed"]]
    assert len(given_up) >= stub.struck["hang"]
    assert all("no answer in time" in error for error in given_up)


@ONCE
def test_a_server_that_never_gets_well_ends_the_run_at_the_deadline(kind: str):
    with StubLLM(faults={"server_error": 1.0}) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(3), deadline_seconds=0.2)

    assert isinstance(ran.error, TeacherError)
    assert ran.error.exit_code == 3
    assert "run the same command again" in ran.error.hint
    assert attempts() == []


@ONCE
def test_what_is_waited_for_is_said_once(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
    said: list[str] = []
    with StubLLM(reply=always(GOOD), faults={"server_error": 1.0}, faulty_attempts=4) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(5), say=said.append)

    assert ran.error is None
    [line] = said
    assert "each request is asked again for up to 15 minutes" in line
    assert re.search(r"\b5\d\d\b", line)


@ONCE
def test_a_deadline_does_not_count_the_time_before_the_first_failure(kind: str):
    """A model may think for longer than a server that fails is borne with."""
    with StubLLM(reply=always(GOOD), faults={"half_body": 1.0}, faulty_attempts=1, latency=0.3) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(1), deadline_seconds=0.2)

    assert ran.error is None
    assert stub.paid == 2


@ONCE
@pytest.mark.parametrize(("count", "rpm", "failures"), [(40, 10, 1), (1, 1, 3)], ids=["first try", "later tries"])
def test_waiting_for_its_turn_brings_no_request_nearer_to_its_deadline(
    count: int, rpm: int, failures: int, kind: str, monkeypatch: pytest.MonkeyPatch
):
    """The minutes pass at once; the dispatcher's clock is the one that they pass on."""
    clock = Clock()
    monkeypatch.setattr(module, "PerMinute", lambda most: PerMinute(most, clock=clock, sleep=clock.sleep))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))  # not time itself: asyncio lives by that
    with StubLLM(reply=always(GOOD), faults={"server_error": 1.0}, faulty_attempts=failures) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(count), rpm=rpm, deadline_seconds=50.0)

    assert ran.error is None
    assert stub.paid == count
    assert clock.now >= 1000 + 60 * (count * (failures + 1) // rpm - 1)


class Timed(StubLLM):
    """Writes down when each request came."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.times: list[float] = []

    async def _answer(self, call: Call) -> Response:
        self.times.append(asyncio.get_running_loop().time())
        return await super()._answer(call)


@ONCE
def test_retry_after_is_honoured(kind: str):
    with Timed(reply=always(GOOD), faults={"rate_limit": 1.0}, faulty_attempts=1, retry_after="0.4") as stub:
        ran = ask(make_teacher(kind, stub), make_requests(1))

    assert ran.error is None
    first, second = stub.times
    assert second - first >= 0.4


@ONCE
def test_retry_after_has_a_cap(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST_RETRY_AFTER_SECONDS", 0.1)
    with StubLLM(reply=always(GOOD), faults={"rate_limit": 1.0}, faulty_attempts=1, retry_after="86400") as stub:
        ran = ask(make_teacher(kind, stub), make_requests(5))

    assert ran.error is None
    assert stub.paid == 5


@pytest.mark.parametrize(("header", "least"), [("0", 0.0), ("-5", 0.0), ("-inf", 0.0), ("nan", 0.0), ("soon", 0.0), ("", 0.0),
                         ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0), ("Mon, 41 Jan 99999999 00:00:00 GMT", 0.0), ("1e400", 0.0),
                         ("3", 3.0), ("119", 119.0), ("1e9", 120.0)])  # fmt: skip
@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms"])
def test_a_wait_is_neither_shorter_than_usual_nor_than_asked_nor_longer_than_the_cap(
    name: str, header: str, least: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.5)
    seconds = wire.parse_retry_after({name: header if name == "retry-after" else header.replace("3", "3000")})
    refused = TeacherError("status 429", retryable=True, limited=True, retry_after=seconds)
    asked = min(seconds or 0.0, 120.0)

    assert asked >= (least if name == "retry-after" else 0.0)
    for failures, usual in [(0, 0.25), (3, 2.0), (100, 30.0)]:
        assert all(max(usual, asked) <= module.wait_seconds(refused, failures) <= 120.0 for _ in range(20))


def test_waits_grow_and_are_jittered_and_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.5)
    failed = TeacherError("status 500", retryable=True)
    waits = [[module.wait_seconds(failed, failures) for _ in range(50)] for failures in (0, 3, 100)]

    for some, longest in zip(waits, (0.5, 4.0, module.LONGEST_WAIT_SECONDS), strict=True):
        assert all(longest / 2 <= wait <= longest for wait in some)
        assert len(set(some)) > 10


@ONCE
def test_a_server_that_allows_few_at_once_is_found_out(kind: str):
    requests = make_requests(300)
    with StubLLM(reply=always(GOOD), limit=24, latency=0.2) as stub:  # far longer than sending takes, as in life
        ran = ask(make_teacher(kind, stub), requests)

    assert ran.error is None
    assert len(answered(requests)) == stub.paid == 300
    assert (
        stub.statuses[429] <= 150
    )  # thousands where nobody holds back; bench_teacher.py says how many on an idle machine
    assert stub.paid_twice == 0


# ---- answers that cannot be used


def test_the_validation_error_goes_back(kind: str):
    """What was wrong is told in a third turn, and the answer to that counts."""
    replies = iter([INVALID, '{"items": [{"question": ""}]}', GOOD])
    with StubLLM(reply=lambda body: next(replies)) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(1))

    turns = [[turn for turn in body["messages"] if turn["role"] != "system"] for body in stub.asked]
    assert [len(each) for each in turns] == [1, 3, 3]
    assert [turn["role"] for turn in turns[1]] == ["user", "assistant", "user"]
    assert turns[1][0] == turns[0][0]
    assert turns[1][1]["content"] == INVALID
    assert "not an object with a list `items`" in turns[1][2]["content"]
    assert "no valid item" in turns[2][2]["content"]
    assert "question" in turns[2][2]["content"]

    assert [(row["attempt"], row["error"] is None) for row in attempts()] == [(1, False), (2, False), (3, True)]
    ((_, completion),) = ran.answers
    assert completion.text == GOOD
    assert usage() == {name: stub.tokens[name] for name in usage()}


@ONCE
def test_after_the_last_try_an_invalid_answer_stays_as_it_is(kind: str):
    requests = make_requests(4)
    with StubLLM(reply=always(INVALID)) as stub:
        ran = ask(make_teacher(kind, stub), requests)
        again = ask(make_teacher(kind, stub), requests)

    assert ran.error is again.error is None
    assert stub.paid == len(attempts()) == TRIES * 4
    assert again.answers == []
    assert {verdict(request, answered(requests)[request.key]) for request in requests} == {"invalid"}


@ONCE
def test_an_item_that_is_wrong_alone_does_not_send_the_answer_back(kind: str):
    text = json.dumps({"items": [ITEM, {**ITEM, "evidence": None}], "reason": None})
    with StubLLM(reply=always(text)) as stub:
        ask(make_teacher(kind, stub), make_requests(3))

    assert stub.paid == 3


def test_a_cut_answer_is_asked_once_more_with_twice_the_room(kind: str):
    requests = make_requests(5)
    with StubLLM(reply=always(GOOD), faults={"max_tokens": 1.0}, faulty_attempts=1) as stub:
        ask(make_teacher(kind, stub), requests)

    assert Counter(body["max_tokens"] for body in stub.asked) == {400: 5, 800: 5}
    assert set(stub.attempts.values()) == {2}  # nothing else differs
    assert {completion.text for completion in answered(requests).values()} == {GOOD}
    assert {row["error"] for row in attempts()} == {"cut at max_tokens", None}


@ONCE
def test_an_answer_that_is_cut_again_stays_cut(kind: str):
    requests = make_requests(5)
    with StubLLM(reply=always(GOOD), faults={"max_tokens": 1.0}) as stub:
        ask(make_teacher(kind, stub), requests)
        ask(make_teacher(kind, stub), requests)

    assert stub.paid == 2 * 5
    assert {completion.stop_reason for completion in answered(requests).values()} == {"max_tokens"}


@ONCE
def test_what_was_found_wrong_before_a_kill_is_known_after_it(kind: str):
    """A run that ends between two tries goes on where it was: more room for a cut answer, the fault of an invalid one."""
    requests = make_requests(2)
    cut, invalid = (
        Completion(key=request.key, text=INVALID, stop_reason=stop, teacher="test", cost_usd=0.0, error=error)
        for request, stop, error in zip(
            requests,
            ("max_tokens", "end_turn"),
            ("cut at max_tokens", "invalid: not an object with a list `items`"),
            strict=True,
        )
    )
    with Journal.open(Path("journal.sqlite")) as journal:
        journal.commit([(requests[0], cut), (requests[1], invalid)])
    with StubLLM(reply=always(GOOD)) as stub:
        ask(make_teacher(kind, stub), requests, concurrency=1)

    more_room, corrected = stub.asked
    assert (more_room["max_tokens"], corrected["max_tokens"]) == (800, 400)
    assert "not an object with a list `items`" in corrected["messages"][-1]["content"]
    assert [row["attempt"] for row in attempts()] == [1, 1, 2, 2]


def test_answers_without_text_are_tries_too(kind: str):
    requests = make_requests(1)
    empty = Completion(key=requests[0].key, text="", stop_reason="end_turn", teacher="test", error="invalid: nothing")
    with Journal.open(Path("journal.sqlite")) as journal:
        journal.commit([(requests[0], empty), (requests[0], empty.model_copy(update={"attempt": 2}))])
    with StubLLM(reply=always("")) as stub:
        ask(make_teacher(kind, stub), requests)

    assert stub.paid == 1
    assert [row["attempt"] for row in attempts()] == [1, 2, 3]


@ONCE
def test_an_answer_that_our_own_check_stumbles_over_is_stored_all_the_same(kind: str):
    def stumble(request: Request, completion: Completion) -> str | None:
        raise RecursionError("deep down")

    requests = make_requests(100)
    with StubLLM(reply=always(GOOD), latency=0.05) as stub:
        with pytest.raises(RecursionError, match="deep down"):
            ask(make_teacher(kind, stub), requests, validate=stumble)

        # What was in flight at the first one is finished and stored, and nothing is asked any more.
        assert START <= stub.received == stub.paid == len(attempts()) == len(answered(requests)) < 100
        assert ask(make_teacher(kind, stub), requests).error is None
        assert stub.paid == 100


def test_a_refusal_is_never_asked_again(kind: str):
    requests = make_requests(5)
    with StubLLM(faults={"refusal": 1.0}) as stub:
        ask(make_teacher(kind, stub), requests)
        ask(make_teacher(kind, stub), requests)

    assert stub.received == stub.paid == 5
    assert {completion.stop_reason for completion in answered(requests).values()} == {"refusal"}


def invalid_when(is_invalid: Callable[[int], bool]) -> Reply:
    """Invalid answers to the passages of some numbers; what is sent back is answered well."""

    def reply(body: dict[str, Any]) -> str:
        first, *follow_up = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
        number = int(first.partition(":")[0].removeprefix("Passage "))
        return INVALID if is_invalid(number) and not follow_up else GOOD

    return reply


@ONCE
def test_many_invalid_answers_among_the_first_stop_the_run_and_three_are_shown(kind: str):
    with StubLLM(reply=invalid_when(lambda number: number % 2 == 0), latency=0.01) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(300))

    assert isinstance(ran.error, ShortfallError)
    assert ran.error.exit_code == 1
    assert "of the first 50 answers are invalid" in str(ran.error)
    assert str(ran.error).count(INVALID) == 3
    assert ran.error.hint
    assert stub.received <= 50 + 64 + QUEUE  # those that were in flight, or on their way to the disk
    assert stub.paid == len(attempts())


@pytest.mark.parametrize(("invalid", "stops"), [(10, False), (11, True)])
def test_a_fifth_of_the_first_answers_may_be_invalid_and_no_more(invalid: int, stops: bool):
    """One at a time, so that it is known which answers are the first fifty: each invalid one makes two of them."""
    with StubLLM(reply=invalid_when(lambda number: number < invalid)) as stub:
        ran = ask(make_teacher("openai", stub), make_requests(60), concurrency=1)

    assert isinstance(ran.error, ShortfallError) == stops
    assert (stub.received <= 50 + 1 + QUEUE) if stops else (stub.received == 60 + invalid)


# ---- errors that no waiting mends


class Emptied(StubLLM):
    """Takes `before` requests, and then says that there is no more credit, until it is `paid_up`."""

    def __init__(self, before: int, **options: Any) -> None:
        super().__init__(**options)
        self.before, self.paid_up = before, False

    async def _complete(self, call: Call) -> Response:
        if self.paid_up or self.received < self.before:
            return await super()._complete(call)
        if call.is_anthropic:
            return error(call, 400, "Your credit balance is too low to access the Anthropic API.")
        return error(call, 429, "You exceeded your current quota.", "insufficient_quota")


def test_an_empty_account_stops_the_run_and_what_was_in_flight_is_stored(kind: str):
    requests = make_requests(200)
    with Emptied(70, reply=always(GOOD), latency=0.1) as stub:
        ran = ask(make_teacher(kind, stub), requests)
        refused = len(stub.requests) - stub.received
        assert stub.paid == 70

        assert isinstance(ran.error, TeacherError)
        assert ran.error.exit_code == 3
        assert "add credit" in ran.error.hint
        assert refused <= 64  # those that were in flight, and none after the first refusal was read
        assert len(attempts()) == len(answered(requests)) == 70

        stub.paid_up = True
        again = ask(make_teacher(kind, stub), requests)
        assert again.error is None
        assert len(again.answers) == 130
        assert stub.paid_twice == 0


def test_a_wrong_key_stops_the_run_at_once(kind: str):
    with StubLLM(key="another") as stub:
        ran = ask(make_teacher(kind, stub), make_requests(200))

    assert isinstance(ran.error, TeacherError)
    assert ran.error.exit_code == 3
    assert "was not accepted" in ran.error.hint or "set the server's key" in ran.error.hint
    assert "sk-for-tests" not in f"{ran.error} {ran.error.hint}"
    assert len(stub.requests) <= START  # those that wait for their turn are not sent any more
    assert attempts() == []


class Choosy(StubLLM):
    """Refuses what is asked about some passages."""

    def __init__(self, refused: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.refused = [f"Passage {number}:".encode() for number in refused]

    async def _complete(self, call: Call) -> Response:
        if any(passage in call.raw for passage in self.refused):
            return error(call, 400, "this text was flagged")
        return await super()._complete(call)


def test_a_request_that_is_refused_alone_holds_no_other_up(kind: str):
    requests = make_requests(60)
    with Choosy([3, 40], reply=always(GOOD), latency=0.01) as stub:
        ran = ask(make_teacher(kind, stub), requests, concurrency=4)

        assert ran.error is not None
        assert ran.error.exit_code == 1
        assert "2 requests have no answer, all others have" in str(ran.error)
        assert "this text was flagged" in str(ran.error)
        assert len(answered(requests)) == stub.paid == 58
        stub.refused = []
        again = ask(make_teacher(kind, stub), requests)
        assert again.error is None
        assert (len(again.answers), stub.paid, stub.paid_twice) == (2, 60, 0)


def test_what_refuses_one_request_after_the_other_ends_the_run(kind: str):
    with Choosy(range(200)) as stub:
        ran = ask(make_teacher(kind, stub), make_requests(200))

    assert isinstance(ran.error, TeacherError)
    assert ran.error.exit_code == 3
    # Where the first answers come all at once, as many requests have taken their places before the third is looked at.
    assert len(stub.requests) <= 2 * START + MOST_IN_A_ROW


class Sulking(StubLLM):
    """Puts all but one request off for an hour, and refuses that one when the others have been told."""

    async def _complete(self, call: Call) -> Response:
        if "Passage 0:" in call.raw.decode():
            while self.statuses[429] < 5:
                await asyncio.sleep(0.01)
            return error(call, 401, "no")
        return error(call, 429, "later", headers={"retry-after": "100"})


@ONCE
def test_a_run_that_stops_does_not_wait_for_those_that_wait(kind: str):
    with Sulking() as stub:
        ran = ask(make_teacher(kind, stub), make_requests(6), rpm=6)

    assert isinstance(ran.error, TeacherError)
    assert "401" in str(ran.error)
    assert len(stub.requests) == 6


@ONCE
def test_a_journal_that_takes_no_more_ends_the_run_also_for_those_that_queue_for_it(kind: str):
    """The first commit fails while the answers of all others wait for theirs: none of them may wait for ever."""

    class Full(Journal):
        def commit(self, attempts: Any) -> None:
            wait_until(lambda: stub.paid == 20)
            raise module_error

    module_error = OSError(28, "No space left on device")
    with StubLLM(reply=always(GOOD)) as stub:
        teacher = make_teacher(kind, stub)

        async def work() -> int:
            with RequestLocks(Path(".claims")) as locks:
                asking = dispatch(make_requests(20), teacher, full, locks, Terms(), on_answer=lambda r, c: None)
                try:
                    return await asyncio.wait_for(asking, PATIENCE)
                finally:
                    await teacher.close()

        with Full.open(Path("journal.sqlite")) as full, pytest.raises(OSError, match="No space left"):
            asyncio.run(work())


# ---- money


@pytest.mark.parametrize(("share", "at_once"), [(0.1, 64), (0.5, 1), (0.9, 64)])
def test_a_budget_is_never_broken_and_a_larger_one_goes_on(kind: str, share: float, at_once: int):
    requests = make_requests(120)
    with StubLLM(reply=always(GOOD), latency=0.005) as stub:
        teacher = make_teacher(kind, stub)
        budget = share * 120 * typical(teacher, stub)
        ran = ask(teacher, requests, budget_usd=budget, concurrency=at_once)

        assert isinstance(ran.error, TeacherError)
        assert ran.error.exit_code == 3
        assert "budget" in str(ran.error)
        assert "--budget" in ran.error.hint
        done = len(answered(requests))
        assert stub.paid == len(attempts()) == done < 120
        assert paid_usd() == pytest.approx(bill(teacher, stub))
        assert budget - (teacher.worst_usd(requests[0]) or 0) <= paid_usd() <= budget

        again = ask(teacher, requests, budget_usd=budget)  # the same budget is for all runs together
        assert isinstance(again.error, TeacherError)
        assert len(answered(requests)) == done

        last = ask(teacher, requests, budget_usd=10.0)
        assert last.error is None
        assert len(answered(requests)) == 120
        assert stub.paid_twice == 0


def typical(teacher: Teacher, stub: StubLLM) -> float:
    """What one answer costs when the shared part is in the cache; asked of the stub outside of any journal."""

    async def twice() -> list[Completion]:
        try:
            return [await teacher.complete(make_request(number)) for number in (-1, -2)]
        finally:
            await teacher.close()

    cost = asyncio.run(twice())[1].cost_usd
    assert cost
    for counts in (stub.tokens, stub.attempts, stub.paid_by_request):
        counts.clear()
    return cost


def paid_usd() -> float:
    return sum(row["cost_usd"] for row in attempts())


def test_attempts_that_may_be_on_the_bill_count_towards_the_budget(kind: str):
    """Half of the answers break off on their way, and are billed: the server's count is what must not break the budget."""
    requests = make_requests(200)
    with StubLLM(reply=always(GOOD), faults={"cut_body": 0.5}, faulty_attempts=TRIES - 1) as stub:
        teacher = make_teacher(kind, stub)
        budget = 100 * (teacher.worst_usd(requests[0]) or 0.0)
        ran = ask(teacher, requests, budget_usd=budget)
        sent = stub.received

        assert isinstance(ran.error, TeacherError)
        assert "budget" in str(ran.error)
        assert stub.struck["cut_body"] > 20
        assert bill(teacher, stub) <= paid_usd() <= budget
        again = ask(teacher, requests, budget_usd=budget)
        assert isinstance(again.error, TeacherError)
        assert stub.received == sent


@ONCE
def test_retries_reserve_their_worst_case_too(kind: str):
    """More room and a longer conversation cost more; both are reserved before they are sent."""
    requests = make_requests(60)
    with StubLLM(reply=always(GOOD), faults={"max_tokens": 0.5, "cut_json": 0.03}) as stub:
        teacher = make_teacher(kind, stub)
        budget = 40 * typical(teacher, stub)
        ran = ask(teacher, requests, budget_usd=budget)

        assert isinstance(ran.error, TeacherError)
        assert stub.struck["max_tokens"]
        assert bill(teacher, stub) <= budget
        assert ask(teacher, requests, budget_usd=10.0).error is None
        assert len(answered(requests)) == 60


ASK = """
    import asyncio, sys
    from pathlib import Path
    from fingen.errors import TeacherError
    from fingen.records import Request, request_key
    from fingen.teachers.anthropic import Anthropic
    from fingen.teachers.request_locks import RequestLocks
    from fingen.teachers.dispatch import Terms, dispatch
    from fingen.teachers.journal import Journal

    def make_request(number):
        key = request_key("test", "", str(number), {{}})
        return Request(key=key, task="t", template="t", system="", prompt=str(number), answer_schema={{}}, max_tokens=400, count=1)

    async def work(journal, claims):
        try:
            await dispatch(map(make_request, range({count})), teacher, journal, claims, terms, on_answer=lambda r, c: None)
        finally:
            await teacher.close()

    teacher = Anthropic("claude-haiku-5-5", base_url={url!r}, price=(1.0, 5.0))
    terms = Terms(budget_usd={budget}, worst_usd=teacher.worst_usd)
    with Journal.open(Path("journal.sqlite")) as journal, RequestLocks(Path(".claims")) as claims:
        sys.stdin.readline()
        try:
            asyncio.run(work(journal, claims))
        except TeacherError as e:
            sys.stdout.write(str(e))
"""


def test_two_processes_share_one_budget():
    with StubLLM(reply=always(GOOD), latency=0.02) as stub:
        budget = 0.02
        said = together([ASK.format(url=stub.url, count=120, budget=budget)] * 2)

        assert all("budget" in each for each in said), said
        assert bill(make_teacher("anthropic", stub), stub) <= budget
        assert stub.paid > 20
        assert stub.paid_twice == 0


def test_two_processes_never_buy_the_same_answer():
    with StubLLM(reply=always(GOOD), latency=0.05) as stub:
        assert together([ASK.format(url=stub.url, count=200, budget=None)] * 2) == ["", ""]
        assert stub.paid == len(attempts()) == 200
        assert stub.paid_twice == 0


def together(codes: Sequence[str]) -> list[str]:
    """What some programs say that begin at the same moment."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for code in codes
    ]
    said = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        out, err = child.communicate(timeout=PATIENCE)
        assert not err, err
        said.append(out)
    return said


# ---- claims

HOLD = """
    import sys
    from pathlib import Path
    from fingen.teachers.request_locks import RequestLocks
    claims = RequestLocks(Path(sys.argv[1]))
    sys.stdout.write(" ".join(str(claims.take(key)) for key in sys.argv[2:]) + "\\n")
    sys.stdout.flush()
    sys.stdin.readline()
"""


def hold(path: Path, *keys: str) -> subprocess.Popen[str]:
    """A process that claims keys and keeps them until it is told to end."""
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(path), *keys]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_claim_holds_against_another_process_and_dies_with_it(tmp_path: Path):
    path = tmp_path / ".claims"
    keys = [make_request(number).key for number in range(3)]
    with RequestLocks(path) as locks, hold(path, *keys[:2]) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True True\n"
        assert [locks.take(key) for key in keys] == [False, False, True]
        with hold(path, *keys) as third:
            assert third.communicate("\n")[0] == "False False False\n"
        other.kill()
        other.wait()
        assert [locks.take(key) for key in keys] == [True, True, False]  # False: held already


def test_a_claim_that_is_let_go_can_be_taken(tmp_path: Path):
    path = tmp_path / ".claims"
    with RequestLocks(path) as locks:
        assert locks.take("a")
        locks.release("a")
        with hold(path, "a", "b") as other:
            assert other.communicate("\n")[0] == "True True\n"
        assert locks.take("b")
        assert len(locks) == 1


def test_a_set_that_someone_asks_for_is_not_cleared(tmp_path: Path):
    path = tmp_path / ".claims"
    with hold(path, "a") as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(FingenError, match="another fingen process works on it"):
            RequestLocks(path, alone=True)
        other.communicate("\n")
    with RequestLocks(path, alone=True) as locks:
        assert locks.take("a")


def test_claims_on_different_keys_do_not_meet():
    """A claim is a lock on a byte. Keys are hexadecimal digests; twice in 100,000 of them would be twice too often."""
    from fingen.teachers.request_locks import _offset

    keys = [request_key("t", "", str(number), {}) for number in range(100_000)]
    assert len({_offset(key) for key in keys}) == len(keys)


# ---- how fast


@given(
    ceiling=st.integers(1, 100),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 1000), st.booleans()), max_size=400),
)
def test_the_pace_never_passes_its_ceiling_and_cuts_once_a_round_trip(
    ceiling: int, steps: list[tuple[bool, int, bool]]
):
    """Steps: send as many as may be sent, or let one that is in flight come back, refused as too much or not."""

    async def play() -> None:
        pace = RateLimit(ceiling)
        flying: list[tuple[int, int]] = []  # round it was sent in, cuts before it was sent
        cuts = 0
        for sends, which, limited in steps:
            while sends and len(flying) < int(pace.limit):
                flying.append((pace.enter(), cuts))
            if not sends and flying:
                sent_in, before = flying.pop(which % len(flying))
                limit = pace.limit
                pace.leave(sent_in, limited=limited)
                if limited:
                    assert (pace.limit < limit) == (before == cuts and limit > 1)
                    assert pace.limit >= limit * 0.75
                    cuts += before == cuts
                else:
                    assert limit <= pace.limit <= (limit + 1 if cuts else 2 * limit)
                    assert pace.limit == limit or before == cuts  # nobody grows on what was sent before a cut
            assert pace.in_flight == len(flying)
            assert 1 <= pace.limit <= ceiling

    asyncio.run(play())


def round_trip(pace: RateLimit, refuse: int = 0) -> Any:
    """Send as many as may be sent; the first ones of them are refused."""

    async def work() -> float:
        sent = [pace.enter() for _ in range(int(pace.limit))]
        for place, sent_in in enumerate(sent):
            pace.leave(sent_in, limited=place < refuse)
        return pace.limit

    return work()


def test_the_pace_starts_slowly_doubles_and_after_a_cut_adds_one():
    async def play() -> list[float]:
        pace = RateLimit(100)
        return [pace.limit] + [await round_trip(pace, refuse) for refuse in (0, 0, 10, 0, 0, 70, 0)]

    assert asyncio.run(play()) == [16, 32, 64, 48, 49, 50, 37.5, 38.5]


def test_a_low_ceiling_is_where_it_starts():
    async def play() -> list[float]:
        pace = RateLimit(5)
        return [pace.limit, await round_trip(pace), await round_trip(pace, refuse=5)]

    assert asyncio.run(play()) == [5, 5, 3.75]


def one_server(ceiling: int) -> Servers:
    return open_servers([Scripted(lambda request: "")], ceiling, lambda error, failures: 0.0)


def test_whoever_waits_for_a_slot_gets_it_and_one_that_gives_up_takes_none():
    async def play() -> int:
        servers = one_server(2)
        pace = servers.all[0].rate_limit
        sent = [await servers.enter() for _ in range(2)]
        waiting = [asyncio.create_task(servers.enter()) for _ in range(10)]
        await asyncio.sleep(0)
        for task in waiting[:5]:
            task.cancel()
        while waiting:
            servers.leave(sent.pop())
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
            assert done
            await asyncio.sleep(0)
            sent += [task.result() for task in waiting if task.done() and not task.cancelled()]
            waiting = [task for task in waiting if not task.done()]
            assert pace.in_flight == len(sent) <= 2
        return pace.in_flight

    assert asyncio.run(play()) == 2


def test_a_slot_given_to_one_that_gives_up_at_that_moment_goes_to_the_next_in_line():
    async def play() -> None:
        servers = one_server(1)
        place = await servers.enter()
        first, second, third = [asyncio.create_task(servers.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        servers.leave(place)
        first.cancel()
        servers.leave(await asyncio.wait_for(second, PATIENCE))
        servers.leave(await asyncio.wait_for(third, PATIENCE))
        assert first.cancelled()
        assert servers.all[0].rate_limit.in_flight == 0

    asyncio.run(play())


class Clock:
    """Time that passes when someone sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(
    most=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(1, 70), st.floats(0, 30)), min_size=1, max_size=60),
)
def test_no_minute_has_more_than_its_share_and_nobody_waits_for_nothing(most: int, steps: list[tuple[int, float]]):
    async def play() -> None:
        clock = Clock()
        limit = PerMinute(most, clock=clock, sleep=clock.sleep)
        taken: deque[tuple[float, int]] = deque()
        for units, pause in steps:
            clock.now += pause
            asked_at, counted = clock.now, min(units, most)
            await limit.take(units)
            taken.append((clock.now, counted))
            assert sum(each for at, each in taken if clock.now - at < 60) <= most
            if clock.now > asked_at:  # a moment earlier it would not have fitted
                earlier = clock.now - 0.01
                assert sum(each for at, each in taken if earlier - at < 60) > most

    asyncio.run(play())


def test_requests_and_tokens_a_minute_are_kept_by_the_dispatcher(monkeypatch: pytest.MonkeyPatch):
    """Time is the clock's, so that the minutes pass at once."""
    clock = Clock()
    monkeypatch.setattr(module, "PerMinute", lambda most: PerMinute(most, clock=clock, sleep=clock.sleep))
    with StubLLM(reply=always(GOOD), faults={"server_error": 0.2}) as stub:
        ran = ask(make_teacher("openai", stub), make_requests(40), rpm=10)
        sent = stub.received

        assert ran.error is None
        assert clock.now >= 1000 + 60 * ((sent - 1) // 10)  # retries count too
        assert clock.now <= 1000 + 61 * (sent // 10)


def test_without_a_limit_nobody_waits():
    async def play() -> None:
        clock = Clock()
        limit = PerMinute(None, clock=clock, sleep=clock.sleep)
        for _ in range(1000):
            await limit.take(1_000_000)
        assert clock.now == 1000

    asyncio.run(play())
