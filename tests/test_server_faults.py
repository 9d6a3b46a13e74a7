"""A server with every fault of one table, in both protocols, live and in batches: what it bills, what is kept, that it ends.

The server bills each request that it answers with a good status, whatever it sends, at the most that it can cost: that sum is
never above what the estimate called the most. What was stored is never bought again, and the next run finishes.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from batch_driver import make_requests, make_teacher, run
from patience import FOREVER, PATIENCE
from stub_batches import Batch, StubBatches
from stub_llm import ROOM, Call, Response, StubLLM, fingerprint

from fingen import wire
from fingen.config import Asking
from fingen.errors import TeacherError
from fingen.tasks.documents import whole_problem
from fingen.teachers import dispatch as live
from fingen.teachers.dispatch import TRIES, Terms, dispatch
from fingen.teachers.job import Job, estimate
from fingen.teachers.journal import Journal
from fingen.teachers.openai import OpenAI
from fingen.teachers.request_locks import RequestLocks

PRICE = (1.0, 5.0)  # USD per million tokens
AMOUNT = 4  # requests; the faults strike the first one
STRUCK = "passage 0"
DEEP = 400_000
Body = dict[str, Any]
Payload = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """What comes in place of an answer, made of the right one, and how often a run asks for it."""

    make: Callable[[Payload], Response]
    tries: int | None = TRIES  # attempts of a run; None: as many as there is time for, as nothing is billed
    says: str = ""  # what the error says of it
    is_answer: bool = False  # it is one, all the same


def body(content: bytes, says: str, **headers: str) -> Fault:
    return Fault(
        lambda good: Response(200, content, {name.replace("_", "-"): text for name, text in headers.items()}), says=says
    )


def instead(*parts: Payload, **fault: Any) -> Fault:
    """JSON objects, Anthropic's and OpenAI's; the second is the first one's where there is one only."""
    return Fault(lambda good: Response(200, parts["choices" in good and -1]), **fault)


def counted(number: Any) -> Fault:
    """The right answer, with numbers of tokens that cannot be."""
    names = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")

    def make(good: Payload) -> Response:
        usage = {name: number if name in names else count for name, count in good["usage"].items()}
        return Response(200, {**good, "usage": usage})

    return Fault(make, is_answer=True)


def refused(make: Callable[[], Any], **headers: str) -> Fault:
    return Fault(
        lambda good: Response(500, make(), {name.replace("_", "-"): text for name, text in headers.items()}),
        tries=None,
        says="status 500",
    )


def endless() -> Iterator[bytes]:
    return itertools.repeat(b" " * (1 << 16))


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
USAGE = {"input_tokens": 9, "output_tokens": 1, "prompt_tokens": 9, "completion_tokens": 1}
BOMB = gzip.compress(bytes(1 << 28), 9)
FAULTS = {
    "no JSON": body(b"<html>busy</html>", "<html>busy"),
    "half of it": Fault(lambda good: Response(200, good, sent="half_body"), says="not JSON"),
    "no UTF-8": body(b'{"content": "\xff"}', "not UTF-8"),
    "empty": body(b"", "empty"),
    "null": body(b"null", "not a JSON object: 'null'"),
    "a list": body(b"[1]", "not a JSON object: '[1]'"),
    "a number of many digits": body(b'{"content": ' + b"9" * 5000 + b"}", "not JSON"),
    "deep lists": body(b"[" * DEEP, "levels"),
    "deep objects": body(b'{"a":' * 200 + b"1" + b"}" * 200, "levels"),
    "an escape in the text": body(b"\x1b[2J\r\nError: forged", r"\x1b[2J\r\nError: forged"),
    "without end": Fault(lambda good: Response(200, endless()), says="more than 16 MB"),
    "a bomb": body(BOMB, "more than 16 MB", content_encoding="gzip"),
    "no gzip": body(b"nothing of the kind", "failed", content_encoding="gzip"),
    "a byte now and then": Fault(lambda good: Response(200, good, sent="drips"), says="no answer in time"),
    "silence": Fault(lambda good: Response(200, None, sent="hang"), says="no answer in time"),
    "reset": Fault(lambda good: Response(200, None, sent="reset"), says="connection failed"),
    "an error": instead(ERROR, tries=None, says="Overloaded"),
    "an error in words": instead({"error": "Overloaded"}, tries=None, says="Overloaded"),
    "an error that is billed": instead({**ERROR, "usage": USAGE}, says="Overloaded"),
    "nothing": instead({}, says="no answer"),
    "no choices": instead({"content": None, "stop_reason": None}, {"choices": None}, says="no answer"),
    "empty choices": instead({"content": []}, {"choices": []}, says="no answer"),
    "a choice of nothing": instead({"content": ""}, {"choices": [None]}, says="no answer"),
    "an empty choice": instead(
        {"content": [], "stop_reason": ""},
        {"choices": [{"message": {"content": ""}, "finish_reason": None}]},
        says="no answer",
    ),
    "a choice with an error": instead(
        ERROR, {"choices": [{"message": {"content": ""}, "finish_reason": "error"}], "error": ERROR}, tries=None
    ),
    "2^64 tokens": counted(2**64),
    "fewer than no tokens": counted(-1),
    "tokens in words": counted("many"),
    "parts of tokens": counted(12.5),
    "tokens that are no number": counted(float("nan")),
    "tokens that are true": counted(True),
    "tokens that are null": counted(None),
    "half characters": Fault(
        lambda good: Response(200, json.dumps({**good, "id": "\ud800", "model": "\udfff"}).encode()), is_answer=True
    ),
    "a strange character set": Fault(
        lambda good: Response(200, good, {"content-type": "application/json; charset=zip"}), is_answer=True
    ),
    "a refusal without end": refused(endless),
    "a refusal that is a bomb": refused(lambda: BOMB, content_encoding="gzip"),
    "a refusal of a strange character set": refused(lambda: BOMB, content_type="text/plain; charset=zip"),
    "a refusal that is deep": refused(lambda: b"[" * DEEP),
    "a refusal that is cut": Fault(lambda good: Response(500, good, sent="cut_body"), tries=None, says="status 500"),
}
LINES: dict[str, bytes | Callable[[str], bytes]] = {  # in place of a row of results
    "no JSON": b"<html>busy</html>",
    "half of it": b'{"custom_id": "',
    "no UTF-8": b'{"custom_id": "\xff"}',
    "nothing": b"",
    "null": b"null",
    "no name": b"{}",
    "deep lists": b"[" * DEEP,
    "too long": b" " * (wire.ANSWER_BYTES + 10) + b"1",
    "a name alone": lambda name: json.dumps({"custom_id": name}).encode(),
    "a name that is unknown": lambda name: json.dumps({"custom_id": name[::-1], "response": {}, "result": {"type": "expired"}}).encode(),
}  # fmt: skip


def is_item(fault: Fault) -> bool:
    """Whether it can stand in a row of results."""
    response = fault.make({"choices": [], "usage": {}})
    return isinstance(response.payload, dict) and (response.status, response.sent) == (200, "whole")


class Server(StubBatches):
    """Bills the most for every good status. `fault` strikes what asks for STRUCK; `strike` what else is asked."""

    def __init__(self, fault: Fault | None = None, **options: Any) -> None:
        super().__init__(reply=self.write, **options)
        self.fault = fault
        self.strike: Callable[[Call, Response], Response] = lambda call, response: response
        self.line: Callable[[str, bytes], bytes] = lambda prompt, line: line
        self.usd = 0.0

    @staticmethod
    def write(asked: Body) -> str:
        return '{"items": [], "reason": "nothing to ask about"}'

    def bill(self, asked: Body) -> None:
        system = "".join(part["text"] for part in asked["system"]) if "system" in asked else ""
        said = system + "".join(turn["content"] for turn in asked["messages"])
        room = next(asked[name] for name in ROOM if name in asked)
        self.usd += (len(said.encode()) * PRICE[0] + room * PRICE[1]) / 1e6

    async def _answer(self, call: Call) -> Response:
        return self.strike(call, await super()._answer(call))

    async def _pay(self, call: Call, asked: Body, name: str, fault: str | None) -> Response:
        response = await super()._pay(call, asked, name, fault)
        if self.fault and STRUCK in asked["messages"][-1 if len(asked["messages"]) < 3 else -3]["content"]:
            response = self.fault.make(response.payload)
        if response.status == 200 and not (self.fault and self.fault.tries is None and response.sent != "whole"):
            self.bill(asked)
        return response

    def _run_item(self, batch: Batch, item: dict[str, Any]) -> dict[str, Any]:
        asked = item["params"] if batch.is_anthropic else item["body"]
        self.bill(asked)
        row = super()._run_item(batch, item)
        if self.fault and STRUCK in asked["messages"][-1]["content"]:
            answer = row["result"]["message"] if batch.is_anthropic else row["response"]["body"]
            answer_in_its_place = self.fault.make(answer).payload
            if isinstance(answer_in_its_place, bytes):
                answer_in_its_place = json.loads(answer_in_its_place)
            (row["result"] if batch.is_anthropic else row["response"])["message" if batch.is_anthropic else "body"] = (
                answer_in_its_place
            )
        return row

    def _send_results(self, rows: list[dict[str, Any]]) -> Response:
        prompts = {item["custom_id"]: json.dumps(item) for batch in self.batches.values() for item in batch.items}
        self.hook("results")
        lines = [self.line(prompts[row["custom_id"]], json.dumps(row).encode()) for row in rows]
        return Response(200, b"\n".join(lines) + b"\n", {"content-type": "application/x-jsonl"})


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "FIRST_WAIT_SECONDS", 0.01)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name)
        monkeypatch.delenv(name.lower())


@pytest.fixture(params=["anthropic", "openai"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


REQUESTS = make_requests(AMOUNT)


def ask(kind: str, server: Server, **options: Any) -> TeacherError | None:
    """Ask now, as the pipeline does; returns the error that stopped it."""
    teacher = make_teacher(kind, server.url, price=PRICE, timeout_seconds=options.pop("timeout_seconds", PATIENCE))
    deadline = 0.2 if server.fault and server.fault.tries is None else PATIENCE
    terms = Terms(worst_usd=teacher.worst_usd, validate=whole_problem, deadline_seconds=deadline)

    async def work(journal: Journal, locks: RequestLocks) -> None:
        try:
            asked = dispatch(REQUESTS.values(), teacher, journal, locks, terms, on_answer=lambda request, answer: None)
            await asyncio.wait_for(asked, PATIENCE)
        finally:
            await teacher.close()

    with Journal.open(Path("journal.sqlite")) as journal, RequestLocks(Path(".claims")) as locks:
        try:
            asyncio.run(work(journal, locks))
        except TeacherError as e:
            return e
    return None


def ask_in_batches(kind: str, server: Server, **terms: Any) -> TeacherError | None:
    teacher = make_teacher(kind, server.url, price=PRICE, timeout_seconds=terms.pop("timeout_seconds", PATIENCE))
    try:
        run(teacher, Path(), REQUESTS, deadline_seconds=1.0, **terms)
    except TeacherError as e:
        return e
    return None


def most_usd(kind: str, *, batch: bool = False) -> float:
    """What the estimate calls the most."""
    job = Job(make_teacher(kind, "http://localhost:1", price=PRICE), Asking(), Path(), whole_problem, 100)
    job.requests = list(REQUESTS.values())
    usd = estimate(job, missing=None, batch=batch).usd
    assert usd is not None
    return usd[2]


def answered() -> set[str]:
    with Journal.open(Path("journal.sqlite")) as journal:
        return set(journal.answers(REQUESTS))


def paid_usd() -> float:
    with Journal.open(Path("journal.sqlite")) as journal:
        usd = journal.usage()[1]
        assert usd is not None  # what nobody counted has its worst price
        return usd


def dearest_usd(kind: str, *, batch: bool = False) -> float:
    """What one attempt can cost."""
    teacher = make_teacher(kind, "http://localhost:1", price=PRICE)
    return teacher.worst_usd(next(iter(REQUESTS.values())), batch=batch) or 0.0


def is_uncounted(name: str) -> bool:
    """Whether it says how many tokens it took, in numbers that can be."""
    return name not in ("half characters", "a strange character set")


def asked_for(server: Server, text: str) -> int:
    return sum(text in json.dumps(call["messages"]) for call in server.asked if "messages" in call)


ALL = set(REQUESTS)
GOOD = {key for key, request in REQUESTS.items() if request.prompt != STRUCK}


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_of_a_server_is_paid_without_end(kind: str, name: str):
    fault = FAULTS[name]
    timeout = 1.0 if name in ("a byte now and then", "silence") else PATIENCE
    with Server(fault) as server:
        e = ask(kind, server, timeout_seconds=timeout)
        first = asked_for(server, STRUCK)

        assert server.usd <= most_usd(kind)
        assert answered() == (ALL if fault.is_answer else GOOD)
        if fault.is_answer:
            assert (e, first) == (None, 1)
        else:
            assert e is not None
            # All others have their answers: what is missing is a shortfall, and no refusal of the teacher.
            assert (e.exit_code, fault.says in str(e), "later" in e.hint or "again" in e.hint) == (1, True, True), (
                e,
                e.hint,
            )
            assert str(e).isprintable()
            assert first == fault.tries or (fault.tries is None and first > 1)
        server.fault = None
        assert ask(kind, server) is None
        assert answered() == ALL
        assert asked_for(server, STRUCK) == first + (not fault.is_answer)
        assert server.received == AMOUNT - 1 + asked_for(server, STRUCK)  # the others were bought once
        assert paid_usd() >= dearest_usd(kind) * (
            first if fault.tries or fault.is_answer else 0
        ) - 1e-9 or not is_uncounted(name)


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if is_item(fault)])
def test_an_item_of_a_batch_that_is_no_answer_holds_no_other(kind: str, name: str):
    fault = FAULTS[name]
    with Server(fault) as server:
        e = ask_in_batches(kind, server)

        assert answered() == (ALL if fault.is_answer else GOOD)
        assert len(server.batches) == (1 if fault.is_answer else TRIES)
        assert server.usd / 2 <= most_usd(kind, batch=True)
        assert (e is None) is fault.is_answer
        server.fault = None
        assert ask_in_batches(kind, server) is None
        assert answered() == ALL
        assert sum(len(batch.items) for batch in server.batches.values()) == AMOUNT - 1 + len(server.batches)
        paid_usd()


@pytest.mark.parametrize("name", LINES)
def test_a_row_of_results_that_cannot_be_read_holds_no_other(kind: str, name: str):
    """It is fetched again, as it was paid for; then the request is asked again."""
    bad = LINES[name]

    def spoil(prompt: str, line: bytes) -> bytes:
        if STRUCK not in prompt:
            return line
        return bad if isinstance(bad, bytes) else bad(str(json.loads(line)["custom_id"]))

    with Server() as server:
        server.line = spoil
        e = ask_in_batches(kind, server)

        assert e is not None
        assert "no usable answer in 3 attempts" in str(e)
        assert answered() == GOOD
        assert len(server.batches) == TRIES
        assert server.usd / 2 <= most_usd(kind, batch=True)  # a batch costs half
        assert paid_usd() >= TRIES * dearest_usd(kind, batch=True)
        server.line = lambda prompt, line: line
        assert ask_in_batches(kind, server) is None
        assert answered() == ALL
        assert sum(len(batch.items) for batch in server.batches.values()) == AMOUNT - 1 + len(server.batches)


def test_rows_that_came_broken_once_are_read_the_second_time(kind: str):
    times = itertools.count()
    with Server() as server:
        server.line = lambda prompt, line: line[:20] if next(times) < AMOUNT - 1 else line
        assert ask_in_batches(kind, server) is None
        assert (answered(), len(server.batches)) == (ALL, 1)


def test_ids_twice_and_ids_unknown_change_nothing(kind: str):
    """Also where the first row of an id has an error, and the second the answer."""

    def repeat(prompt: str, line: bytes) -> bytes:
        row = json.loads(line)
        failed = {"custom_id": row["custom_id"], "error": {"code": "batch_expired"}, "response": None}
        if kind == "anthropic":
            failed = {"custom_id": row["custom_id"], "result": {"type": "expired"}}
        unknown = {**row, "custom_id": "nobody-0"}
        return b"\n".join(json.dumps(each).encode() for each in (failed, unknown, row, row, failed))

    with Server() as server:
        server.line = repeat
        assert ask_in_batches(kind, server) is None
        assert (answered(), len(server.batches)) == (ALL, 1)


def test_results_without_end_are_given_up_and_what_came_is_kept(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fingen.wire.ANSWER_BYTES", 1 << 16)
    monkeypatch.setattr("fingen.teachers.batch_apis.RESULT_BYTES", 1 << 16)

    def never_end(call: Call, response: Response) -> Response:
        if not call.path.endswith(("results", "content")):
            return response
        row = b" \n" * 1000
        return replace(response, payload=itertools.chain([response.payload], itertools.repeat(row)))

    with Server() as server:
        server.strike = never_end
        assert ask_in_batches(kind, server) is None  # all were in it
        assert answered() == ALL


def test_results_that_come_too_slowly_are_given_up_and_fetched_by_the_next_run(kind: str):
    def drip(call: Call, response: Response) -> Response:
        return replace(response, sent="drips") if call.path.endswith(("results", "content")) else response

    with Server() as server:
        server.strike = drip
        e = ask_in_batches(kind, server, timeout_seconds=0.5)
        assert e is not None
        assert "no answer in time" in str(e)
        server.strike = lambda call, response: response
        assert ask_in_batches(kind, server) is None
        assert (answered(), len(server.batches)) == (ALL, 1)


POLLS: dict[str, Callable[[Payload], Any]] = {
    "nothing": lambda row: {},
    "a list": lambda row: [],
    "no JSON": lambda row: b"<html>",
    "deep": lambda row: b"[" * DEEP,
    "no word": lambda row: {**row, "status": 7, "processing_status": None},
}


@pytest.mark.parametrize("name", POLLS)
def test_a_look_at_a_batch_that_says_nothing_ends_the_run_and_loses_nothing(kind: str, name: str):
    def spoil(call: Call, response: Response) -> Response:
        is_look = (
            call.method == "GET" and "batch" in call.path.rsplit("/", 1)[-1] and "_" in call.path.rsplit("/", 1)[-1]
        )
        return Response(200, POLLS[name](response.payload)) if is_look else response

    with Server() as server:
        server.strike = spoil
        e = ask_in_batches(kind, server)

        assert e is not None
        assert "not whole, or not JSON" in str(e)
        assert sum(call.method == "GET" for call in server.requests) == TRIES
        server.strike = lambda call, response: response
        assert ask_in_batches(kind, server) is None
        assert (answered(), len(server.batches)) == (ALL, 1)


@pytest.mark.parametrize("number", [2**64, -1, "many", 12.5, None, [], True], ids=repr)
def test_impossible_counts_of_a_batch_change_nothing(kind: str, number: Any):
    seen: list[Any] = []

    def spoil(call: Call, response: Response) -> Response:
        if isinstance(response.payload, dict) and "request_counts" in response.payload:
            counts = dict.fromkeys(response.payload["request_counts"], number)
            return replace(response, payload={**response.payload, "request_counts": counts, "created_at": number})
        return response

    with Server() as server:
        server.strike = spoil
        assert ask_in_batches(kind, server, on_event=lambda waiting: seen.append(waiting)) is None
        assert answered() == ALL
        assert all(0 <= waiting.done <= waiting.requests for waiting in seen)


def test_a_list_of_batches_without_end_is_not_read_for_ever(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fingen.teachers.batch_apis.MOST_PAGES", 5)

    def spoil(call: Call, response: Response) -> Response:
        if call.method == "GET" and call.path.endswith("batches"):
            row = {"id": "batch_x", "created_at": "never", "processing_status": "ended", "status": "completed"}
            return Response(200, {"data": [row], "has_more": True, "last_id": "batch_x"})
        return response

    with Server() as server:
        server.strike, server.lost_replies = spoil, 1
        assert ask_in_batches(kind, server) is None
        assert answered() == ALL


def test_a_batch_that_never_ends_is_overdue(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fingen.teachers.batches.OVERDUE_SECONDS", 0.0)
    with Server(seconds=FOREVER) as server:
        e = ask_in_batches(kind, server)
        assert e is not None
        assert "overdue" in str(e)
        assert "journal release" in e.hint


def test_results_that_are_never_written_end_the_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fingen.teachers.batches.MOST_LOOKS", 3)

    def spoil(call: Call, response: Response) -> Response:
        if call.method == "GET" and isinstance(response.payload, dict):
            return replace(response, payload={**response.payload, "output_file_id": None})
        return response

    with Server() as server:
        server.strike = spoil
        e = ask_in_batches("openai", server)
        assert e is not None
        assert "overdue" in str(e)
        server.strike = lambda call, response: response
        assert ask_in_batches("openai", server) is None
        assert (answered(), len(server.batches)) == (ALL, 1)


@pytest.mark.parametrize("how", ["live", "batch"])
def test_the_dearest_road_of_every_request_costs_no_more_than_the_most(kind: str, how: str):
    """Cut, then asked with twice the room for an answer that fills it and is of no use, then told so at length."""
    cuts: set[str] = set()

    class Dear(Server):
        def answer(self, asked: Body, fault: str | None, *, anthropic: bool) -> Payload:
            begun = fingerprint({**asked, "messages": asked["messages"][:-2] or asked["messages"]})
            room = next(asked[name] for name in ROOM if name in asked)
            payload = super().answer(
                asked, "max_tokens" if begun not in cuts and len(asked["messages"]) < 3 else None, anthropic=anthropic
            )
            cuts.add(begun)
            assert room
            return payload

        @staticmethod
        def write(asked: Body) -> str:
            return json.dumps({"items": "x" * 8192, "reason": None})

    with Dear() as server:
        e = ask(kind, server) if how == "live" else ask_in_batches(kind, server)
        assert e is None
        assert len(server.attempts) >= AMOUNT
        assert sum(server.attempts.values()) == AMOUNT * TRIES
        assert server.usd * (0.5 if how == "batch" else 1.0) <= most_usd(kind, batch=how == "batch")


class Repeating(StubLLM):
    content = b""

    async def _answer(self, call: Call) -> Response:
        return Response(200, self.content)


@pytest.mark.parametrize("room", [0, 20, 40, 56])
@pytest.mark.parametrize("form", ["{}", '["{}"]', "\xff{}"])
def test_no_part_of_a_key_is_shown_where_a_server_repeats_it(monkeypatch: pytest.MonkeyPatch, form: str, room: int):
    key = "sk-" + "aB3x" * 12
    monkeypatch.setenv("OPENAI_API_KEY", key)

    async def check(server: StubLLM) -> None:
        teacher = OpenAI("m", base_url=server.openai_url)
        try:
            await teacher.check()
        finally:
            await teacher.close()

    with Repeating() as stub:
        stub.content = form.format("-" * room + key).encode("latin-1")
        with pytest.raises(TeacherError, match="not whole") as caught:
            asyncio.run(check(stub))
    assert "sk-" not in str(caught.value)
