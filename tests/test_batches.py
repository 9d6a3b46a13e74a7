"""Batches of both providers through their real SDKs: split, collected, asked again, picked up after a kill, never paid twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from batch_driver import make_requests, make_teacher, run, start
from patience import FOREVER, PATIENCE
from stub_batches import StubBatches
from stub_llm import Call

from fingen.errors import ShortfallError, TeacherError
from fingen.records import Completion, Request
from fingen.teachers import dispatch as live
from fingen.teachers.batch_apis import AnthropicBatches, OpenAIBatches
from fingen.teachers.batch_files import custom_id
from fingen.teachers.batches import FRUITLESS
from fingen.teachers.budgets import CLAIM
from fingen.teachers.dispatch import TRIES
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding, OutstandingRequest
from fingen.teachers.request_locks import RequestLocks

KINDS = ["anthropic", "openai"]
PRICE = (1.0, 5.0)

Body = dict[str, Any]
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


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# What is the same code for both: their batches differ in how they are sent, looked at, found and read.
ONCE = pytest.mark.parametrize("kind", ["openai"])


class Told:
    """What a run said: `said` by news, `answered` by answers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answered: Counter[str] = Counter()

    def event(self, waiting: Any) -> None:
        if waiting.said:
            self.said.append(waiting.said)

    def answer(self, request: Request, completion: Completion) -> None:
        self.answered[request.key] += 1


def ask(kind: str, stub: StubBatches, requests: Requests, folder: Path = Path(), **terms: Any) -> Told:
    told = Told()
    teacher = make_teacher(kind, stub.url, price=PRICE)
    run(teacher, folder, requests, on_event=told.event, on_answer=told.answer, **terms)
    return told


def fail(kind: str, stub: StubBatches, requests: Requests, **terms: Any) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        ask(kind, stub, requests, **terms)
    return caught.value


def answers(requests: Requests, folder: Path = Path()) -> dict[str, Completion]:
    with Journal.open(folder / "journal.sqlite") as journal:
        return journal.answers(requests)


def open_batches(folder: Path = Path()) -> list[tuple[str, str | None, int]]:
    with Journal.open(folder / "journal.sqlite") as journal:
        return [(batch.state, batch.place, batch.waiting) for batch in Outstanding(journal).open("batch")]


def rows(query: str, folder: Path = Path()) -> list[Any]:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return db.execute(query).fetchall()


def prompt_of(body: Body) -> str:
    return str(body["messages"][-1]["content"])


def paths(stub: StubBatches, method: str) -> list[str]:
    return [call.path for call in stub.requests if call.method == method]


# ---- the whole way


def test_all_are_answered_at_the_price_of_a_batch(kind: str):
    requests = make_requests(12)
    with StubBatches(seconds=0.05) as stub:
        told = ask(kind, stub, requests)
        teacher = make_teacher(kind, stub.url, price=PRICE)

    found = answers(requests)
    assert list(found) == list(requests)
    assert told.answered == Counter(list(requests))
    assert {each.error for each in found.values()} == {None}
    share = {"anthropic": 0.5, "openai": 1.0}[kind]  # a server of one's own gives no discount that is known
    assert all(each.cost_usd == teacher.cost_usd(each.usage) * share > 0 for each in found.values())
    totals = {name: sum(getattr(each.usage, f"{name}_tokens") for each in found.values()) for name in stub.tokens}
    assert totals == dict(stub.tokens)
    assert stub.paid == 12
    assert not any(path.endswith(("/messages", "/completions")) for path in paths(stub, "POST"))
    assert open_batches() == []


def test_each_answer_goes_to_its_request_whatever_their_order(kind: str):
    requests = make_requests(30)

    def reply(body: Body) -> str:
        return json.dumps({"items": [], "reason": prompt_of(body)})

    with StubBatches(reply=reply) as stub:
        ask(kind, stub, requests)
        (batch,) = stub.batches.values()

    names = [item["custom_id"] for item in batch.items]
    assert [row["custom_id"] for row in batch.results] != names
    assert names == [custom_id(key, names[0].rpartition("-")[2]) for key in requests]
    assert {key: json.loads(each.text)["reason"] for key, each in answers(requests).items()} == {
        key: request.prompt for key, request in requests.items()
    }


def test_other_line_ends_in_an_answer_do_not_part_it(kind: str):
    text = json.dumps({"items": [], "reason": "a\u2028b\u0085c\x0bd 年报"}, ensure_ascii=False)
    requests = make_requests(3)
    with StubBatches(reply=lambda body: text) as stub:
        ask(kind, stub, requests)

    assert {each.text for each in answers(requests).values()} == {text}


def test_batches_are_split_by_number(kind: str):
    requests = make_requests(23)
    with StubBatches(most_requests=5) as stub:
        ask(kind, stub, requests, most_requests=5)

    assert [len(batch.items) for batch in stub.batches.values()] == [5, 5, 5, 5, 3]
    assert stub.paid == 23


def test_batches_are_split_by_bytes(kind: str):
    requests = make_requests(20, name="年报" * 200)
    with StubBatches(most_bytes=9_000) as stub:
        ask(kind, stub, requests, most_bytes=9_000)

    sizes = [len(batch.items) for batch in stub.batches.values()]
    assert sum(sizes) == 20
    assert 1 < max(sizes) < 20
    sent = [len(call.raw) for call in stub.requests if call.method == "POST"] if kind == "anthropic" else []
    sent += [len(content) for content in stub.files.values()]
    assert 6_000 < max(sent) <= 9_000


def test_the_limits_are_those_of_the_providers():
    limits = {api: (api.most_requests, api.most_bytes) for api in (AnthropicBatches, OpenAIBatches)}

    assert limits == {AnthropicBatches: (100_000, 256_000_000), OpenAIBatches: (50_000, 200_000_000)}


@ONCE
def test_a_second_run_asks_nothing(kind: str):
    requests = make_requests(8)
    with StubBatches() as stub:
        ask(kind, stub, requests)
        calls = len(stub.requests)
        told = ask(kind, stub, requests)

    assert len(stub.requests) == calls
    assert not told.answered


# ---- what comes back without an answer


def test_half_a_batch_expired_goes_round_again(kind: str):
    requests = make_requests(24)
    with StubBatches(item_faults={"expired": 0.5}, seed=3) as stub:
        told = ask(kind, stub, requests)

    assert len(answers(requests)) == 24
    assert len(stub.batches) > 1
    assert next(iter(stub.batches.values())).kinds["expired"] > 6
    assert any("without one" in said for said in told.said)
    assert (stub.paid, stub.paid_twice) == (24, 0)


def test_failed_items_go_round_again(kind: str):
    requests = make_requests(24)
    with StubBatches(item_faults={"errored": 0.4}, seed=5) as stub:
        ask(kind, stub, requests)

    assert len(answers(requests)) == 24
    assert (stub.paid, stub.paid_twice) == (24, 0)
    with Journal.open(Path("journal.sqlite")) as journal:
        (why,) = Outstanding(journal).failures()
    assert "went wrong" in why


def test_a_refused_request_is_named_and_holds_no_other_up(kind: str):
    requests = make_requests(20)
    with StubBatches(item_faults={"refused": 0.2}, seed=1) as stub:
        e = fail(kind, stub, requests, most_requests=8)
        refused = sum(batch.kinds["errored"] for batch in stub.batches.values())

    assert e.exit_code == 1
    assert f"{refused} requests have no answer, all others have" in str(e)
    assert "went wrong" in str(e)
    assert 0 < refused < 20
    assert (
        len(stub.batches) == 3
    )  # those behind the first refusal are sent all the same, and what is refused is not again
    assert len(answers(requests)) == stub.paid == 20 - refused
    assert open_batches() == []


def test_where_all_are_refused_the_first_refusal_is_the_error(kind: str):
    with StubBatches(item_faults={"refused": 1.0}) as stub:
        e = fail(kind, stub, make_requests(4))

    assert e.exit_code == 3
    assert "went wrong" in str(e)


def test_a_canceled_batch_is_not_sent_again_by_itself(kind: str):
    requests = make_requests(10)
    with StubBatches(item_faults={"canceled": 0.5}, seed=2) as stub:
        e = fail(kind, stub, requests)
        assert len(stub.batches) == 1
        stub.item_faults = {}
        ask(kind, stub, requests)

    assert "canceled" in str(e)
    assert len(stub.batches) == 2
    assert (len(answers(requests)), stub.paid_twice) == (10, 0)


@ONCE
def test_batches_that_give_nothing_end_the_run(kind: str):
    with StubBatches(item_faults={"expired": 1.0}) as stub:
        e = fail(kind, stub, make_requests(4))

    assert len(stub.batches) == FRUITLESS
    assert f"{4 * FRUITLESS} expired" in str(e)
    assert stub.paid == 0


def test_answers_that_break_off_on_their_way_are_fetched_again(kind: str):
    requests = make_requests(600)
    with StubBatches() as stub:
        stub.cut_results = 2
        ask(kind, stub, requests)

    assert len(answers(requests)) == 600
    assert (stub.paid, stub.paid_twice) == (600, 0)
    assert rows("SELECT count(*) FROM completions") == [(600,)]


# ---- answers of no use


def test_invalid_answers_are_mended_in_the_next_batch(kind: str):
    requests = make_requests(6)

    def reply(body: Body) -> str:
        first = body["messages"][-1]["content"].endswith(" 3")
        return "no JSON" if first else '{"items": [], "reason": "nothing"}'

    with StubBatches(reply=reply) as stub:
        told = ask(kind, stub, requests)

    second = list(stub.batches.values())[1].items
    assert len(second) == 1
    body = second[0].get("params") or second[0]["body"]
    assert [turn["role"] for turn in body["messages"]][-2:] == ["assistant", "user"]
    assert "cannot be used" in prompt_of(body)
    assert told.answered == Counter(list(requests))
    assert {each.attempt for each in answers(requests).values()} == {1, 2}
    assert stub.paid == 7


@ONCE
def test_an_answer_that_stays_invalid_counts_after_the_usual_tries(kind: str):
    requests = make_requests(2)
    with StubBatches(reply=lambda body: "no JSON") as stub:
        told = ask(kind, stub, requests)

    assert stub.paid == 2 * TRIES
    assert told.answered == Counter(list(requests))
    assert {(each.text, each.attempt, each.error) for each in answers(requests).values()} == {("no JSON", TRIES, None)}
    assert rows("SELECT DISTINCT substr(error, 1, 7) FROM completions WHERE error IS NOT NULL") == [("invalid",)]


def test_a_cut_answer_is_asked_once_more_with_twice_the_room(kind: str):
    requests = make_requests(3)
    with StubBatches(faults={"max_tokens": 1.0}) as stub:
        ask(kind, stub, requests)

    bodies = [item.get("params") or item["body"] for batch in stub.batches.values() for item in batch.items]
    assert Counter(body["max_tokens"] for body in bodies) == {4096: 3, 8192: 3}
    assert {each.stop_reason for each in answers(requests).values()} == {"max_tokens"}


def test_a_refusal_is_the_last_word(kind: str):
    requests = make_requests(3)
    with StubBatches(faults={"refusal": 1.0}) as stub:
        ask(kind, stub, requests)

    assert {each.stop_reason for each in answers(requests).values()} == {"refusal"}
    assert stub.paid == 3


@ONCE
def test_too_many_invalid_answers_stop_the_run_before_more_is_bought(kind: str):
    requests = make_requests(60)
    with (
        StubBatches(reply=lambda body: "no JSON") as stub,
        pytest.raises(ShortfallError, match="60 of 60 answers are invalid"),
    ):
        ask(kind, stub, requests)

    assert stub.paid == 60


def test_an_answer_is_on_the_disk_before_it_is_looked_at(kind: str):
    seen = []

    def look(request: Request, completion: Completion) -> str | None:
        seen.append(rows(f"SELECT text FROM completions WHERE key = '{request.key}'"))
        raise RuntimeError("a fault in a check")

    requests = make_requests(4)
    with StubBatches() as stub:
        with pytest.raises(RuntimeError, match="a fault in a check"):
            ask(kind, stub, requests, validate=look)
        ask(kind, stub, requests)

    assert seen[0]
    assert (len(answers(requests)), stub.paid) == (4, 4)


# ---- not waiting


def test_without_waiting_the_next_run_collects(kind: str):
    requests = make_requests(10)
    with StubBatches(seconds=FOREVER) as stub:
        first = ask(kind, stub, requests, is_waiting=False)
        assert not first.answered
        assert [batch[2] for batch in open_batches()] == [10]
        ask(kind, stub, requests, is_waiting=False)  # too early: nothing is sent again
        assert len(stub.batches) == 1
        stub.seconds = 0.0
        last = ask(kind, stub, requests, is_waiting=False)

    assert last.answered == Counter(list(requests))
    assert (stub.paid, open_batches()) == (10, [])


def test_what_a_batch_holds_is_not_asked_now(kind: str):
    requests = make_requests(10)
    more = make_requests(12)
    with StubBatches(seconds=FOREVER) as stub:
        ask(kind, stub, requests, is_waiting=False)
        teacher = make_teacher(kind, stub.url)
        with Journal.open(Path("journal.sqlite")) as journal, RequestLocks(Path(".claims")) as locks:
            assert journal.unasked(more) == list(more)[10:]
            assert journal.missing(more) == list(more)

            async def ask_live() -> int:
                try:
                    return await live.dispatch(
                        more.values(), teacher, journal, locks, live.Terms(), on_answer=lambda r, c: None
                    )
                finally:
                    await teacher.close()

            assert asyncio.run(ask_live()) == 2

    assert (stub.paid, stub.paid_twice) == (12, 0)


def test_a_run_that_sends_nothing_still_collects(kind: str):
    requests = make_requests(6)
    with StubBatches(seconds=FOREVER) as stub:
        ask(kind, stub, requests, is_waiting=False)
        stub.seconds = 0.0
        told = ask(kind, stub, {**requests, **make_requests(9)}, is_sending=False)

    assert told.answered == Counter(list(requests))
    assert stub.paid == 6


def test_answers_to_another_runs_requests_are_stored_and_kept_for_it(kind: str):
    requests = make_requests(9)
    few = dict(list(requests.items())[:3])
    with StubBatches() as stub:
        ask(kind, stub, requests, is_waiting=False)
        told = ask(kind, stub, few)
        assert told.answered == Counter(list(few))
        assert rows("SELECT count(*) FROM completions") == [(9,)]
        later = ask(kind, stub, requests)

    assert sum(later.answered.values()) == 6
    assert (len(answers(requests)), stub.paid) == (9, 9)


# ---- creations that break off


def test_a_batch_that_was_made_and_not_confirmed_is_found_again(kind: str):
    requests = make_requests(7)
    with StubBatches(seconds=0.2) as stub:
        stub.lost_replies = 1
        told = ask(kind, stub, requests)

    assert any("taken up again" in said for said in told.said)
    assert (len(answers(requests)), stub.paid, len(stub.batches)) == (7, 7, 1)


def test_it_is_told_from_other_batches_of_that_size(kind: str):
    requests = make_requests(7)
    with StubBatches(seconds=0.2) as stub:
        for number in range(3):  # other sets of the same account, asked at the same time
            ask(kind, stub, make_requests(7, f"other {number}"), Path(f"set{number}"), is_waiting=False)
        stub.lost_replies = 1
        ask(kind, stub, requests)
        for number in range(3):
            ask(kind, stub, make_requests(7, f"other {number}"), Path(f"set{number}"))

    assert (len(answers(requests)), stub.paid, stub.paid_twice, len(stub.batches)) == (7, 28, 0, 4)


def test_the_same_requests_of_two_sets_are_not_mixed_up(kind: str):
    requests = make_requests(5)
    with StubBatches(seconds=0.2) as stub:
        stub.lost_replies = 2
        for folder in (Path("one"), Path("two")):
            with pytest.raises(TeacherError):
                ask(kind, stub, requests, folder, is_waiting=False)
        for folder in (Path("two"), Path("one")):
            ask(kind, stub, requests, folder)
        places = {
            rows("SELECT place FROM batches WHERE place IS NOT NULL", folder)[0]
            for folder in (Path("one"), Path("two"))
        }

    assert len(stub.batches) == len(places) == 2


def test_a_creation_that_failed_for_sure_is_tried_again(kind: str):
    steps: list[str] = []
    requests = make_requests(5)
    with StubBatches(hook=steps.append) as stub:
        stub.statuses_to_send = [429, 429]
        ask(kind, stub, requests)

    assert len(answers(requests)) == 5
    assert stub.paid == 5
    assert "list" not in steps


def test_a_creation_that_may_have_failed_waits_until_that_is_clear(kind: str):
    steps: list[str] = []
    requests = make_requests(5)
    with StubBatches(hook=steps.append) as stub:
        stub.statuses_to_send = [500]
        ask(kind, stub, requests)

    assert [step for step in dict.fromkeys(steps) if step != "look"] == ["create", "list", "created", "results"]
    assert (len(answers(requests)), stub.paid, len(stub.batches)) == (5, 5, 1)


def test_a_server_that_takes_no_batch_ends_the_run(kind: str):
    requests = make_requests(5)
    with StubBatches() as stub:
        stub.statuses_to_send = [500] * 10
        e = fail(kind, stub, requests)
        assert len(stub.statuses_to_send) == 10 - TRIES
        assert [batch[:2] for batch in open_batches()] == [("sending", None)]
        stub.statuses_to_send = []
        ask(kind, stub, requests)

    assert "500" in str(e)
    assert (len(answers(requests)), stub.paid) == (5, 5)


def test_a_batch_that_is_refused_holds_nothing(kind: str):
    requests = make_requests(5)
    with StubBatches() as stub:
        stub.statuses_to_send = [400]
        e = fail(kind, stub, requests)

    assert "400" in str(e)
    assert open_batches() == []
    with Journal.open(Path("journal.sqlite")) as journal:
        assert journal.unasked(requests) == list(requests)


def test_a_batch_that_is_gone_is_said_and_can_be_given_up(kind: str):
    requests = make_requests(5)
    with StubBatches(seconds=FOREVER) as stub:
        ask(kind, stub, requests, is_waiting=False)
        stub.batches.clear()
        e = fail(kind, stub, requests)
        assert "it is not there" in str(e)
        assert "fingen journal release" in e.hint
        with Journal.open(Path("journal.sqlite")) as journal:
            outstanding = Outstanding(journal)
            assert [outstanding.release(batch.token) for batch in outstanding.open("batch")] == [5]
        stub.seconds = 0.0
        ask(kind, stub, requests)

    assert len(answers(requests)) == 5


def test_a_queue_that_is_full_gets_smaller_batches():
    requests = make_requests(20)
    with StubBatches(queue=6, seconds=0.05) as stub:
        told = ask("openai", stub, requests)

    taken = [len(batch.items) for batch in stub.batches.values() if not batch.failure]
    assert sum(taken) == 20
    assert max(taken) <= 6
    assert any("did not fit" in said for said in told.said)
    assert (len(answers(requests)), stub.paid_twice) == (20, 0)


def test_a_batch_that_is_turned_down_as_a_whole_ends_the_run():
    class Choosy(StubBatches):
        def _make(self, call: Call, items: list[Body]) -> Any:
            batch = super()._make(call, items)
            batch.failure = {"code": "invalid_json_line", "message": "line 1 is no JSON", "line": 1}
            return batch

    with Choosy() as stub:
        e = fail("openai", stub, make_requests(5))

    assert "invalid_json_line: line 1 is no JSON" in str(e)
    assert open_batches() == []


# ---- money


def test_the_worst_case_of_a_batch_is_counted_before_it_is_sent(kind: str):
    requests = make_requests(10)
    with StubBatches(seconds=0.05) as stub:
        teacher = make_teacher(kind, stub.url, price=PRICE)
        worst = teacher.worst_usd(next(iter(requests.values())), batch=True)
        told = ask(kind, stub, requests, budget_usd=3.5 * worst)
        ended = list(stub.batches.values())

    assert max(len(batch.items) for batch in ended) == 3
    assert told.answered == Counter(list(requests))  # what was set aside is free again when the answers are here


def test_the_budget_is_a_hard_stop(kind: str):
    requests = make_requests(10)
    with StubBatches() as stub:
        teacher = make_teacher(kind, stub.url, price=PRICE)
        worst = teacher.worst_usd(next(iter(requests.values())), batch=True)
        e = fail(kind, stub, requests, budget_usd=0.9 * worst)
        assert stub.paid == 0
        assert "budget" in str(e)
        fail(kind, stub, requests, budget_usd=1.0001 * worst)
        spent = sum(each.cost_usd or 0 for each in answers(requests).values())
        assert 0 < spent <= 1.0001 * worst
        ask(kind, stub, requests, budget_usd=100.0)

    assert (len(answers(requests)), stub.paid) == (10, 10)


def test_what_batches_may_still_cost_is_not_spent_by_others(kind: str):
    requests = make_requests(4)
    with StubBatches(seconds=FOREVER) as stub:
        ask(kind, stub, requests, is_waiting=False)
        teacher = make_teacher(kind, stub.url, price=PRICE)
        with Journal.open(Path("journal.sqlite")) as journal:
            worst = sum(teacher.worst_usd(request, batch=True) for request in requests.values())
            assert journal.reserved_usd() == pytest.approx(worst)


@ONCE
def test_processes_with_a_budget_take_turns(kind: str):
    options = {"budget_usd": 5.0, "is_waiting": False}
    with StubBatches() as stub, RequestLocks(Path(".claims")) as spender:
        assert spender.take(CLAIM)
        for sent in (0, 1):
            process = start(kind, stub.url, Path.cwd(), 4, "passage", None, {**options, "price": PRICE})
            process.join(PATIENCE)
            assert process.exitcode == 0
            assert len(stub.batches) == sent
            spender.release(CLAIM)


# ---- killed


def finish(kind: str, stub: StubBatches, requests: Requests, folder: Path) -> None:
    """Run to the end after a kill, and see that nothing was lost or bought twice."""
    ask(kind, stub, requests, folder)
    assert len(answers(requests, folder)) == len(requests)
    assert rows("PRAGMA integrity_check", folder) == [("ok",)]
    assert open_batches(folder) == []


def kill_once(kind: str, stub: StubBatches, folder: Path, name: str, place: str, step: int) -> bool:
    """Run in a process that is killed at a step; False where the run had fewer steps."""
    process = start(kind, stub.url, folder, 6, name, (place, step), {"most_requests": 4})
    process.join(PATIENCE)
    assert process.exitcode in (0, -9)
    return bool(process.exitcode)


def kill_at_each(kind: str, place: str, folder: Path, stride: int) -> None:
    """Kill a run at each step of a kind in turn, each time in a new set; what follows finishes it."""
    with StubBatches(item_faults={"expired": 0.3}, faulty_attempts=2, seconds=0.03) as stub:
        for step in range(stride - 1, 1000, stride):
            name, here = f"killed {place} {step}", folder / f"{place}{step}"
            killed = kill_once(kind, stub, here, name, place, step)
            finish(kind, stub, make_requests(6, name), here)
            assert (stub.paid_twice, stub.paid % 6) == (0, 0), (place, step)
            if not killed:
                return


PLACES = ["before commit", "after commit", "before call", "after call"]


@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_on_its_way_buys_nothing_twice(kind: str, place: str, tmp_path: Path):
    kill_at_each(kind, place, tmp_path, stride=9)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_at_any_step_buys_nothing_twice(kind: str, place: str, tmp_path: Path):
    kill_at_each(kind, place, tmp_path, stride=1)


@pytest.mark.parametrize("step", ["create", "created", "look", "results"])
def test_a_run_killed_while_the_server_is_at_work_buys_nothing_twice(kind: str, step: str, tmp_path: Path):
    """The process dies in the middle of an exchange: above all between the creation and the commit of its id."""
    started = threading.Event()
    pids: list[int] = []

    def strike(now: str) -> None:
        if now == step and not pids and started.wait(PATIENCE):
            pids.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    requests = make_requests(8)
    with StubBatches(hook=strike, seconds=0.05) as stub:
        process = start(kind, stub.url, tmp_path, 8, "passage", None, {})
        started.set()
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
        finish(kind, stub, requests, tmp_path)

    assert (stub.paid, stub.paid_twice) == (8, 0)


def kill_at_random(kind: str, folder: Path, kills: int, seed: int) -> None:
    """One set, run again and again, each time killed after a random while."""
    random = Random(seed)
    requests = make_requests(40)
    with StubBatches(item_faults={"expired": 0.2, "errored": 0.1}, faulty_attempts=2, seconds=0.1) as stub:
        struck = 0
        while struck < kills:
            process = start(kind, stub.url, folder, 40, "passage", None, {"most_requests": 9})
            process.join(random.uniform(0.05, 0.8))
            if process.exitcode == 0:
                break
            process.kill()
            process.join(PATIENCE)
            struck += 1
        finish(kind, stub, requests, folder)

    assert (stub.paid, stub.paid_twice) == (40, 0)


@pytest.mark.parametrize("seed", range(2))
def test_kills_at_random_moments_buy_nothing_twice(kind: str, seed: int, tmp_path: Path):
    kill_at_random(kind, tmp_path, kills=4, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 115))
def test_many_kills_at_random_moments_buy_nothing_twice(kind: str, seed: int, tmp_path: Path):
    kill_at_random(kind, tmp_path, kills=8, seed=seed)


@ONCE
def test_three_processes_share_the_batches_of_a_set(kind: str, tmp_path: Path):
    requests = make_requests(30)
    with StubBatches(seconds=0.1, item_faults={"expired": 0.2}, faulty_attempts=2) as stub:
        options = {"most_requests": 4}
        processes = [start(kind, stub.url, tmp_path, 30, "passage", None, options) for _ in range(3)]
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0, 0, 0]
        finish(kind, stub, requests, tmp_path)

    assert (stub.paid, stub.paid_twice) == (30, 0)


# ---- the key


def test_no_error_and_no_file_holds_the_key(kind: str, monkeypatch: pytest.MonkeyPatch):
    canary = "sk-canary-51d2e84b607f3a9c"
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", canary)
    with StubBatches(key="another", seconds=FOREVER) as stub:
        e: BaseException | None = fail(kind, stub, make_requests(3))
        stub.key = canary
        ask(kind, stub, make_requests(3), is_waiting=False)
        stub.seconds, stub.cut_results = 0.0, 10
        fail(kind, stub, make_requests(3), deadline_seconds=0.0)
    said = ""
    while e is not None:
        said += repr(vars(e)) + str(e)
        e = e.__cause__ or e.__context__

    assert "401" in said
    assert canary not in said
    assert not [path for path in Path().rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]


# ---- the journal


@pytest.fixture
def held() -> Iterator[tuple[Journal, Outstanding, str, Requests]]:
    requests = make_requests(4)
    with Journal.open(Path("journal.sqlite")) as journal:
        outstanding = Outstanding(journal)
        token = outstanding.begin("batch")
        items = [OutstandingRequest(custom_id(key, token), request, 0.5) for key, request in requests.items()]
        assert len(outstanding.hold(token, items)) == 4
        yield journal, outstanding, token, requests


def test_a_request_is_held_once(held: tuple[Journal, Outstanding, str, Requests]):
    journal, outstanding, token, requests = held
    other = outstanding.begin("export")
    again = [OutstandingRequest(custom_id(key, other), request) for key, request in requests.items()]

    assert outstanding.hold(other, again) == set()
    assert outstanding.release(token) == 4
    assert len(outstanding.hold(other, again)) == 4
    assert journal.unasked(requests) == []


def test_what_is_set_aside_is_free_when_the_answer_is_here(held: tuple[Journal, Outstanding, str, Requests]):
    journal, outstanding, token, requests = held
    key = next(iter(requests))
    answer = Completion(key=key, text="yes", stop_reason="end_turn", teacher="t", cost_usd=0.1)
    outstanding.move(token, "out", "batch_1")
    assert journal.reserved_usd() == 2.0
    for _ in range(2):  # what is stored once is passed over from then on
        outstanding.store({custom_id(key, token): answer}, {})
    assert journal.reserved_usd() == 1.5
    assert journal.missing([key]) == [key]
    assert journal.unasked([key]) == []
    outstanding.judge({custom_id(key, token): None})

    assert journal.missing([key]) == []
    assert journal.counts()["answers"] == 1


def test_an_older_journal_is_taken_along(tmp_path: Path):
    path = tmp_path / "old" / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.write_settings({"a": 1})
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE items; DROP TABLE batches; PRAGMA user_version = 1;")
    with Journal.open(path) as journal:
        assert journal.settings() == {"a": 1}
        assert Outstanding(journal).open("batch") == []
