"""Claude and GPT through their real SDKs, against a server on this machine: what is sent, what comes back, what never leaks."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anthropic
import pytest
from patience import PATIENCE
from stub_llm import Call, Response, StubLLM

from fingen import wire
from fingen.errors import TeacherError, UsageError
from fingen.records import Completion, Request, Usage
from fingen.tasks.qa import answer_schema
from fingen.teachers.anthropic import Anthropic
from fingen.teachers.openai import OpenAI, strict_schema

CANARY = "sk-canary-7f3a9c51d2e84b60"
GOOD = '{"items": [], "reason": "nothing to ask about"}'
SHORT = {"timeout_seconds": 1.0}  # for a server that hangs; one that answers may take its time
TODAY = date(2026, 11, 20)
KINDS = ["anthropic", "openai"]
MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}

Teacher = Anthropic | OpenAI


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", CANARY)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name)  # a client makes a TLS context for each of them, which is most of these tests' time
        monkeypatch.delenv(name.lower())


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_teacher(kind: str, stub: StubLLM, model: str | None = None, **options: Any) -> Teacher:
    if kind == "anthropic":
        return Anthropic(model or MODELS[kind], base_url=stub.url, **options)
    return OpenAI(model or MODELS[kind], base_url=stub.openai_url, **options)


def make_request(prompt: str = "Ask about this passage.", **changes: Any) -> Request:
    request = Request(key="k1", task="qa-concept", template="concept.en", system="You write questions. " * 20,
                      prompt=prompt, answer_schema=answer_schema(), max_tokens=4096, count=2)  # fmt: skip
    return request.model_copy(update=changes)


def run(teacher: Teacher, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def and_close() -> Any:
        try:
            return await work()
        finally:
            await teacher.close()

    return asyncio.run(and_close())


def complete(teacher: Teacher, request: Request | None = None) -> Completion:
    completion: Completion = run(teacher, lambda: teacher.complete(request or make_request()))
    return completion


def fail(teacher: Teacher) -> TeacherError:
    with pytest.raises(TeacherError) as caught:
        complete(teacher)
    return caught.value


def check(teacher: Teacher, today: date = TODAY) -> str | None:
    warning: str | None = run(teacher, lambda: teacher.check(today=today))
    return warning


class Saying(StubLLM):
    """Answers everything with one response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response

    async def _answer(self, call: Call) -> Response:
        return self.response


# ---- what is sent, and what comes back


def test_a_good_answer(kind: str):
    with StubLLM(reply=lambda body: GOOD, key=CANARY) as stub:
        teacher = make_teacher(kind, stub, price=(1.0, 2.0))
        completion = complete(teacher)

    assert (completion.key, completion.text, completion.stop_reason) == ("k1", GOOD, "end_turn")
    assert completion.teacher == teacher.name == f"{kind}:{MODELS[kind]}@127.0.0.1:{stub.port}"
    assert completion.usage.input_tokens == stub.tokens["input"] > 0
    assert completion.usage.output_tokens == stub.tokens["output"] > 0
    assert completion.cost_usd == teacher.cost_usd(completion.usage)
    assert completion.cost_usd
    assert not completion.error
    assert stub.paid == 1


def test_usage_in_four_kinds_equals_the_servers_count():
    with StubLLM() as stub:
        teacher = make_teacher("anthropic", stub)

        async def ask() -> list[Completion]:
            return [await teacher.complete(make_request(f"passage {number}")) for number in range(3)]

        first, *later = run(teacher, ask)
    total = {name: sum(getattr(each.usage, f"{name}_tokens") for each in (first, *later)) for name in stub.tokens}

    assert total == dict(stub.tokens)
    assert first.usage.cache_write_tokens > 0 == first.usage.cache_read_tokens
    assert all(each.usage.cache_read_tokens > 0 == each.usage.cache_write_tokens for each in later)
    assert later[0].cost_usd < first.cost_usd


def test_cached_tokens_of_openai_are_split_from_the_prompt():
    usage = {"prompt_tokens": 1000, "completion_tokens": 7,
             "prompt_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300}}  # fmt: skip
    completion = OpenAI("gpt-6-luna").completion("k", {"choices": [{"message": {}}], "usage": usage})

    assert completion.usage == Usage(input_tokens=100, cache_read_tokens=600, cache_write_tokens=300, output_tokens=7)
    assert completion.cost_usd == pytest.approx((100 * 0.1 + 600 * 0.01 + 300 * 0.125 + 7 * 0.5) / 1e6)


def test_what_anthropic_is_sent():
    with StubLLM() as stub:
        complete(make_teacher("anthropic", stub))
    (body,) = stub.asked
    request = make_request()

    assert set(body) == {"model", "max_tokens", "system", "messages", "output_config"}  # no temperature, no top_p
    assert body["model"] == "claude-haiku-5-5"
    assert body["max_tokens"] == 4096
    cache = {"type": "ephemeral", "ttl": "1h"}
    assert body["system"] == [{"type": "text", "text": request.system, "cache_control": cache}]
    assert body["messages"] == [{"role": "user", "content": request.prompt}]
    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["output_config"]["format"]["schema"] == anthropic.transform_schema(answer_schema())
    assert stub.requests[0].headers["authorization"] == f"Bearer {CANARY}"  # so does this version of the SDK


def test_what_openai_is_sent():
    with StubLLM() as stub:
        complete(make_teacher("openai", stub))
    (body,) = stub.asked
    request = make_request()

    assert set(body) == {"model", "messages", "response_format", "max_tokens"}
    assert body["max_tokens"] == 4096
    assert body["messages"] == [
        {"role": "system", "content": request.system},
        {"role": "user", "content": request.prompt},
    ]
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"] == strict_schema(answer_schema())
    assert stub.requests[0].headers["authorization"] == f"Bearer {CANARY}"


def test_what_openai_itself_is_sent_beside():
    body = OpenAI("gpt-6-luna").body(make_request())

    assert body["max_completion_tokens"] == 4096
    assert "max_tokens" not in body
    assert body["reasoning_effort"] == "low"
    assert body["prompt_cache_options"] == {"mode": "explicit"}
    assert body["messages"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert body["messages"][0]["content"][0]["text"] == make_request().system


def test_older_gpt_models_are_not_sent_what_they_do_not_know():
    body = OpenAI("gpt-4o").body(make_request())

    assert set(body) == {"model", "messages", "response_format", "max_completion_tokens"}
    assert body["messages"][0]["content"] == make_request().system


def test_follow_ups_alternate(kind: str):
    request = make_request(follow_ups=('{"items": 1}', "items: not a list", "", "no JSON at all"))
    with StubLLM() as stub:
        complete(make_teacher(kind, stub), request)
    turns = [message for message in stub.asked[0]["messages"] if message["role"] != "system"]

    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert [turn["content"] for turn in turns][1:3] == ['{"items": 1}', "items: not a list"]
    assert turns[3]["content"]  # providers refuse an empty turn


def test_without_schema_and_system_none_is_sent(kind: str):
    with StubLLM() as stub:
        complete(make_teacher(kind, stub), make_request(system="", answer_schema={}))
    (body,) = stub.asked

    assert "system" not in json.dumps(body)
    assert "schema" not in json.dumps(body)


def test_the_strict_schema_has_all_fields_required_and_only_known_keywords():
    schema = strict_schema(answer_schema())
    item = schema["$defs"]["QaItem"]

    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    assert schema["properties"]["items"]["items"] == {"$ref": "#/$defs/QaItem"}
    assert item["required"] == list(item["properties"]) == list(answer_schema()["$defs"]["QaItem"]["properties"])
    assert item["additionalProperties"] is False
    assert "minLength" not in json.dumps(schema)
    assert "title" not in schema


def test_a_strict_schema_keeps_the_names_of_fields_that_look_like_keywords():
    schema = strict_schema({
        "type": "object",
        "properties": {"title": {"type": "string", "default": ""}, "minLength": {"type": "integer", "minimum": 0}},
        "required": ["title"],
    })  # fmt: skip

    assert schema["properties"] == {"title": {"type": "string"}, "minLength": {"type": "integer", "minimum": 0}}
    assert schema["required"] == ["title", "minLength"]


def test_refusals_and_cut_answers_are_answers(kind: str):
    for fault, stop_reason in (("refusal", "refusal"), ("max_tokens", "max_tokens"), ("cut_json", "end_turn")):
        with StubLLM(reply=lambda body: GOOD, faults={fault: 1.0}) as stub:
            completion = complete(make_teacher(kind, stub))

        assert completion.stop_reason == stop_reason
        assert completion.usage.input_tokens == stub.tokens["input"] > 0
        assert completion.text != GOOD
        if fault == "refusal":
            assert completion.text == ("frontier_llm" if kind == "anthropic" else "I cannot help with that.")
        else:
            assert GOOD.startswith(completion.text)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("anthropic", {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]}),
        ("anthropic", {"content": [], "stop_reason": "pause_turn"}),
        ("anthropic", {"content": None, "stop_reason": "end_turn", "error": None}),
        ("openai", {"choices": [{"message": {"content": [{"type": "text", "text": "x"}]}, "finish_reason": "length"}]}),
        ("openai", {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}),
        ("openai", {"choices": [{"message": None, "finish_reason": "stop"}]}),
        ("openai", {"choices": [{"message": {"content": "x"}, "finish_reason": None}], "error": None}),
    ],
)
def test_odd_answers_are_kept_as_they_are(kind: str, message: dict[str, Any]):
    with Saying(Response(200, message)) as stub:
        completion = complete(make_teacher(kind, stub, price=(1.0, 1.0)))

    assert completion.stop_reason
    assert completion.cost_usd is None  # what nobody counted is not free


@pytest.mark.parametrize("number", [2**64, 10**400, -1, "many", 12.5, float("nan"), True, None, [], {}], ids=repr)
@pytest.mark.parametrize(
    "name",
    ["input_tokens", "output_tokens", "cache_read_input_tokens", "prompt_tokens", "completion_tokens", "cached_tokens"],
)
def test_a_count_that_cannot_be_makes_the_usage_unknown(name: str, number: Any):
    """All of it: what is counted beside it cannot be trusted either. A cache that is not spoken of has no tokens."""
    usage = {
        "input_tokens": 9,
        "output_tokens": 3,
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "prompt_tokens_details": {},
    }
    (usage["prompt_tokens_details"] if name == "cached_tokens" else usage)[name] = number  # type: ignore[index]
    kind = "anthropic" if "put_tokens" in name or "input" in name else "openai"
    is_known = "cache" in name and not number
    message = {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn", "usage": usage,
               "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}  # fmt: skip
    with Saying(Response(200, message)) as stub:
        completion = complete(make_teacher(kind, stub, price=(1.0, 1.0)))

    assert completion.text == "a"
    assert completion.usage == (Usage(input_tokens=9, output_tokens=3) if is_known else Usage())
    assert (completion.cost_usd is None) is not is_known


def test_only_the_text_of_a_message_counts():
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    completion = Anthropic("claude-haiku-5-5").completion("k", {"content": content, "stop_reason": "pause_turn"})

    assert (completion.text, completion.stop_reason) == ("ab", "pause_turn")


# ---- what goes wrong

LATER = {"retryable": True, "limited": False, "possibly_billed": False}
LIMITED = {"retryable": True, "limited": True, "possibly_billed": False}
BROKEN = {"retryable": True, "limited": False, "possibly_billed": True}
NEVER = {"retryable": False, "limited": False, "possibly_billed": False}


def traits(e: TeacherError) -> dict[str, bool]:
    return {name: getattr(e, name) for name in NEVER}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("rate_limit", LIMITED),
        ("overloaded", LIMITED),
        ("server_error", LATER),
        ("reset", BROKEN),
        ("hang", BROKEN),
        ("cut_body", BROKEN),
        ("half_body", BROKEN),
    ],
)
def test_each_fault_has_its_meaning(kind: str, fault: str, expected: dict[str, bool]):
    with StubLLM(faults={fault: 1.0}, retry_after="7") as stub:
        e = fail(make_teacher(kind, stub, **(SHORT if fault == "hang" else {})))

    assert traits(e) == expected
    assert e.retry_after == (7.0 if fault == "rate_limit" else None)
    assert stub.received == 1  # the SDK does not try again by itself
    assert e.hint
    assert e.exit_code == 3


def test_a_server_that_is_not_there_bills_nothing(kind: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    e = fail(Anthropic("m", base_url=url) if kind == "anthropic" else OpenAI("m", base_url=f"{url}/v1"))

    assert traits(e) == LATER


@pytest.mark.parametrize(
    ("status", "error", "expected", "hint"),
    [
        (400, {"type": "invalid_request_error", "message": "no such field"}, NEVER, "does not take this request"),
        (422, {"message": "unprocessable"}, NEVER, "does not take this request"),
        (401, {"type": "authentication_error", "message": f"wrong: {CANARY}"}, NEVER, "was not accepted"),
        (403, {"type": "permission_error", "message": "no"}, NEVER, "may not do this"),
        (404, {"type": "not_found_error", "message": "model: x"}, NEVER, "name a model"),
        (408, {"message": "too slow"}, LATER, "later"),
        (409, {"type": "conflict_error", "message": "at once"}, LATER, "later"),
        (413, {"type": "request_too_large", "message": "too long"}, NEVER, "smaller chunks"),
        (502, {"message": "gateway"}, LATER, "later"),
        (504, {"message": "gateway"}, BROKEN, "later"),
        (402, {"type": "billing_error", "message": "pay"}, NEVER, "add credit"),
        (429, {"type": "rate_limit_error", "message": "slow", "details": {"error_code": "ramp_limit_exceeded"}}, LIMITED, ""),
        (429, {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}, NEVER, "add credit"),
        (429, {"type": "insufficient_quota", "code": "insufficient_quota", "message": "quota"}, NEVER, "add credit"),
        (400, {"type": "invalid_request_error", "message": "Your credit balance is too low"}, NEVER, "add credit"),
        (400, {"message": "You have reached your specified API usage limits."}, NEVER, "add credit"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_meaning(
    kind: str, status: int, error: dict[str, Any], expected: dict[str, bool], hint: str
):
    with Saying(Response(status, {"type": "error", "error": error})) as stub:
        e = fail(make_teacher(kind, stub))

    assert traits(e) == expected
    assert hint in e.hint
    assert str(status) in str(e)
    assert CANARY not in str(e)


@pytest.mark.parametrize("payload", ["just text", ["a list"], {"detail": "Not Found"}, {"error": "text"}, None])
def test_refusals_in_other_forms_are_read(kind: str, payload: Any):
    with Saying(Response(500, payload)) as stub:
        assert traits(fail(make_teacher(kind, stub))) == LATER


def test_a_page_in_place_of_an_answer_is_no_answer(kind: str):
    with Saying(Response(200, "<html>please log in</html>", {"content-type": "text/html"})) as stub:
        assert traits(fail(make_teacher(kind, stub))) == BROKEN


def test_a_redirect_is_not_followed_with_the_key(kind: str):
    with StubLLM() as elsewhere, Saying(Response(307, {}, {"location": f"{elsewhere.url}/v1/messages"})) as stub:
        e = fail(make_teacher(kind, stub))

    assert traits(e) == NEVER
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "86400"}, 86400.0),  # capped by who waits, not here
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "?", "retry-after": "1"}, 1.0),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_each_form(headers: dict[str, str], seconds: float | None):
    assert wire.parse_retry_after(headers) == seconds


def test_retry_after_may_be_a_date():
    when = datetime.now(tz=UTC) + timedelta(days=1)
    seconds = wire.parse_retry_after({"retry-after": format_datetime(when, usegmt=True)})

    assert seconds == pytest.approx(86_400, abs=PATIENCE)


def test_one_pool_serves_as_many_as_are_allowed(kind: str):
    class Gathering(StubLLM):
        """Answers nobody before all have asked."""

        async def _pay(self, *arguments: Any) -> Response:
            while self.most_in_flight < 150:
                await asyncio.sleep(0.01)
            return await super()._pay(*arguments)

    with Gathering() as stub:
        teacher = make_teacher(kind, stub, concurrency=150)

        async def ask() -> None:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(teacher.complete(make_request(f"passage {n}")) for n in range(150)))

        run(teacher, ask)

    assert stub.most_in_flight == 150


def test_a_closed_teacher_can_be_asked_again(kind: str):
    with StubLLM() as stub:
        teacher = make_teacher(kind, stub)

        assert complete(teacher).text == complete(teacher).text == GOOD


# ---- the check before the first paid request


def test_the_check_finds_nothing_wrong(kind: str):
    with StubLLM(key=CANARY) as stub:
        assert check(make_teacher(kind, stub)) is None

    assert stub.received == stub.paid == 0


@pytest.mark.parametrize("teacher", [Anthropic("claude-haiku-5-5"), OpenAI("gpt-6-luna")])
def test_no_key_is_found_before_anything_is_sent(teacher: Teacher, monkeypatch: pytest.MonkeyPatch):
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    for work in (check, complete):
        with pytest.raises(TeacherError, match="_API_KEY is not set") as caught:
            work(teacher)

        assert caught.value.exit_code == 3
        assert "export" in caught.value.hint
        assert ".env" in caught.value.hint


def test_a_wrong_key_is_found(kind: str):
    with StubLLM(key="another") as stub, pytest.raises(TeacherError, match="401") as caught:
        check(make_teacher(kind, stub))

    assert f"{kind.upper()}_API_KEY" in caught.value.hint
    assert not caught.value.retryable


def test_an_unknown_model_is_found(kind: str):
    with StubLLM() as stub, pytest.raises(TeacherError, match="404") as caught:
        check(make_teacher(kind, stub, "gpt-5-ultra"))

    assert "model" in caught.value.hint
    assert stub.received == 0


def test_an_ended_claude_model_is_found():
    old = {"lifecycle": "retired", "retires_at": "2026-01-05T00:00:00Z"}
    with StubLLM(models={"claude-opus-4": old}) as stub, pytest.raises(TeacherError, match="ended on 2026-01-05"):
        check(make_teacher("anthropic", stub, "claude-opus-4"))


def test_an_ended_gpt_model_is_found():
    with StubLLM(models={"gpt-5": {}, "gpt-9": {"shutdown_date": "2026-11-19"}}) as stub:
        with pytest.raises(TeacherError, match="gpt-9 ended on 2026-11-19"):
            check(make_teacher("openai", stub, "gpt-9"))
        with pytest.raises(TeacherError, match="gpt-5 ended on 2026-12-11"):
            check(make_teacher("openai", stub, "gpt-5"), date(2026, 12, 12))


def test_a_model_that_ends_soon_is_warned_of():
    models = {
        "claude-sonnet-4-5": {"lifecycle": "deprecated", "retires_at": "2026-11-30T00:00:00Z"},
        "claude-old": {"lifecycle": "deprecated", "retires_at": "2026-11-01T00:00:00Z"},
        "gpt-5": {},
        "gpt-9": {"shutdown_date": "2027-05-01"},
    }
    with StubLLM(models=models) as stub:
        teachers = {name: make_teacher("anthropic" if "claude" in name else "openai", stub, name) for name in models}
        warnings = {name: check(teacher) for name, teacher in teachers.items()}

    assert warnings["claude-sonnet-4-5"] == "claude-sonnet-4-5 ends on 2026-11-30"
    assert "may stop at any time" in (warnings["claude-old"] or "")  # overdue, and still answering
    assert warnings["gpt-5"] == "gpt-5 ends on 2026-12-11"
    assert warnings["gpt-9"] is None


def test_the_word_of_the_provider_wins_over_the_table():
    with StubLLM(models={"claude-sonnet-4-5": {"lifecycle": "active"}}) as stub:
        assert check(make_teacher("anthropic", stub, "claude-sonnet-4-5"), date(2027, 6, 1)) is None


def test_an_old_model_is_asked_without_a_warning_of_the_sdk():
    with StubLLM(models={"claude-sonnet-4-5": {}}) as stub:  # a warning would be an error here
        assert complete(make_teacher("anthropic", stub, "claude-sonnet-4-5")).text == GOOD


def test_a_model_without_effort_is_not_sent_one():
    with StubLLM(models={"claude-haiku-4-5": {"capabilities": {"effort": {"supported": False}}}}) as stub:
        teacher = make_teacher("anthropic", stub, "claude-haiku-4-5")
        check(teacher)
        complete(teacher)

    assert set(stub.asked[0]["output_config"]) == {"format"}


# ---- compatible servers


def test_a_server_that_only_lists_its_models_is_taken():
    with StubLLM(models={"Qwen/Qwen3-8B": {}}, has_model_pages=False) as stub:
        assert check(make_teacher("openai", stub, "Qwen/Qwen3-8B")) is None
        warning = check(make_teacher("openai", stub, "qwen"))

    assert warning == f"127.0.0.1:{stub.port} does not list qwen; it lists Qwen/Qwen3-8B"


def test_a_server_that_lists_nothing_is_taken(kind: str):
    with StubLLM(has_model_pages=False, lists_models=False) as stub:
        assert check(make_teacher(kind, stub)) is None


def test_a_models_name_may_hold_a_slash():
    with StubLLM(models={"Qwen/Qwen3-8B": {}}) as stub:
        teacher = make_teacher("openai", stub, "Qwen/Qwen3-8B")

        assert check(teacher) is None
        assert complete(teacher).teacher == f"openai:Qwen/Qwen3-8B@127.0.0.1:{stub.port}"


def test_the_price_of_a_compatible_server_is_not_known():
    with StubLLM() as stub:
        completion = complete(make_teacher("openai", stub))
        teacher = make_teacher("openai", stub)

    assert completion.cost_usd is None
    assert teacher.worst_usd(make_request()) is None
    assert make_teacher("openai", stub, price=(1.0, 2.0)).worst_usd(make_request())


def test_a_local_server_needs_no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with StubLLM() as stub:
        assert check(make_teacher("openai", stub)) is None
        assert complete(make_teacher("openai", stub)).text == GOOD
    with StubLLM(key="secret") as stub, pytest.raises(TeacherError, match="401") as caught:
        check(make_teacher("openai", stub))

    assert "set the server's key in OPENAI_API_KEY" in caught.value.hint


@pytest.mark.parametrize(
    ("base_url", "variable", "sent"),
    [
        (None, None, True),
        ("https://models.example/v1", None, True),
        ("http://127.0.0.1:8000/v1", None, True),
        ("http://[::1]:8000/v1", None, True),
        ("http://gpu-box:8000/v1", None, False),
        (None, "http://gpu-box:8000/v1", True),
    ],
)
def test_a_key_crosses_no_network_in_the_clear(
    base_url: str | None, variable: str | None, sent: bool, monkeypatch: pytest.MonkeyPatch
):
    if variable:
        monkeypatch.setenv("OPENAI_BASE_URL", variable)
    client = OpenAI("gpt-6-luna", base_url=base_url)._open()

    assert (client.api_key == CANARY) == sent


def test_the_address_is_part_of_the_name_where_it_is_not_the_providers_own(monkeypatch: pytest.MonkeyPatch):
    assert OpenAI("gpt-6-luna").name == "openai:gpt-6-luna"
    assert OpenAI("gpt-6-luna", base_url="https://eu.api.openai.com/v1").name == "openai:gpt-6-luna"
    assert OpenAI("m", base_url="http://u:pw@gpu-box:8000/v1/").name == "openai:m@gpu-box:8000"
    assert OpenAI("m", base_url="https://api.openai.com.example/v1").name == "openai:m@api.openai.com.example"
    assert Anthropic("claude-haiku-5-5").name == "anthropic:claude-haiku-5-5"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://[::1]:9000")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9000/v1")
    assert Anthropic("claude-haiku-5-5").name == "anthropic:claude-haiku-5-5@[::1]:9000"
    assert OpenAI("m").name == "openai:m@localhost:9000"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "host"])
def test_what_is_no_address_is_said_at_once(url: str):
    with pytest.raises(UsageError, match="not the address of a server"):
        OpenAI("m", base_url=url)


# ---- keys


def test_a_key_is_found_in_the_environment_first(monkeypatch: pytest.MonkeyPatch):
    Path(".env").write_text("OPENAI_API_KEY=from-file\n")

    assert wire.find_key("OPENAI_API_KEY") == CANARY
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert wire.find_key("OPENAI_API_KEY") == "from-file"
    Path(".env").unlink()
    assert wire.find_key("OPENAI_API_KEY") is None
    Path(".env").mkdir()
    assert wire.find_key("OPENAI_API_KEY") is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=abc", "abc"),
        ("export KEY=abc", "abc"),
        ("  KEY = abc  ", "abc"),
        ("KEY='a b # c'  # d", "a b # c"),
        ('KEY="abc"', "abc"),
        ("KEY=abc # the old one", "abc"),
        ("KEY=abc#def", "abc#def"),
        ("KEY=a=b", "a=b"),
        ("KEY=# nothing", ""),
        ("KEY=", ""),
        ("KEY=one\r\nKEY=two", "two"),
        ('KEY="abc', '"abc'),
        ("# KEY=abc", None),
        ("KEYS=abc", None),
        ("KEY", None),
    ],
)
def test_env_files_are_read(line: str, value: str | None):
    assert wire.parse_env(f"OTHER=x\n{line}\n\n").get("KEY") == value


def test_an_env_file_may_begin_with_a_byte_order_mark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    Path(".env").write_bytes(b"\xef\xbb\xbfOPENAI_API_KEY=abc\r\n")

    assert wire.find_key("OPENAI_API_KEY") == "abc"


def test_a_key_that_cannot_be_one_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    for key in (f"{CANARY} {CANARY}", f"{CANARY}\u2026", f"{CANARY}\nx"):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(TeacherError, match="OPENAI_API_KEY holds") as caught:
            check(OpenAI("gpt-6-luna"))

        assert CANARY not in repr(caught.value) + caught.value.hint


def test_a_secret_shows_nothing():
    secret = wire.Secret(CANARY)

    assert f"{secret} {secret!r}" == "*** ***"
    assert secret.mask(f"key {CANARY}!") == "key ***!"
    assert wire.Secret("").mask("text") == "text"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def everything(e: BaseException) -> str:
    """All that an error can show: itself, what stands behind it, and its pickle."""
    behind = [each for each in (e.__cause__, e.__context__) if each]
    return repr(vars(e)) + repr(e) + str(e) + repr(pickle.dumps(e)) + "".join(map(everything, behind))


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "reset", "hang", "cut_body", "half_body", None])
def test_no_error_holds_the_key(kind: str, fault: str | None):
    faults = {fault: 1.0} if fault else {}
    with StubLLM(faults=faults, key=None if fault else "another") as stub:
        teacher = make_teacher(kind, stub, **(SHORT if fault == "hang" else {}))
        e = fail(teacher)

    assert CANARY not in everything(e)
    assert e.__cause__ is e.__context__ is None  # an SDK's error has the headers
    assert CANARY not in repr(vars(teacher))
    assert pickle.loads(pickle.dumps(e)).retryable == e.retryable


@pytest.mark.parametrize("level", ["debug", "info"])
def test_logs_hold_neither_key_nor_prompt(
    kind: str, level: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name in ("ANTHROPIC_LOG", "OPENAI_LOG"):
        monkeypatch.setenv(name, level)
    caplog.set_level(logging.DEBUG)
    for name in ("anthropic", "openai", "anthropic._base_client", "openai._base_client"):
        caplog.set_level(logging.DEBUG, logger=name)
    with StubLLM(key=CANARY) as stub:
        teacher = make_teacher(kind, stub)
        caplog.set_level(logging.DEBUG, logger=f"{kind}._base_client")
        check(teacher)
        complete(teacher, make_request("a prompt nobody may read"))
        with pytest.raises(TeacherError):
            check(make_teacher(kind, stub, "unknown"))

    assert stub.paid == 1
    assert CANARY not in caplog.text
    assert "nobody may read" not in caplog.text


def test_a_batch_is_read_with_the_same_eyes(kind: str):
    with StubLLM() as stub:
        teacher = make_teacher(kind, stub, price=(1.0, 1.0))
        payload = stub.answer(teacher.body(make_request()), None, anthropic=kind == "anthropic")
    alone, batched = teacher.completion("k", payload), teacher.completion("k", payload, batch=True)

    assert batched.text == alone.text
    assert alone.cost_usd
    share = {"anthropic": 0.5, "openai": 1.0}[kind]  # a server of one's own gives no discount that is known
    assert batched.cost_usd == pytest.approx(alone.cost_usd * share)
