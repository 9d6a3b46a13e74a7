"""A model server for tests: speaks Anthropic's and OpenAI's protocol on this machine, with faults that can be repeated.

    with StubLLM(reply=lambda body: '{"items": []}', faults={"rate_limit": 0.05}) as stub:
        teacher = OpenAI("gpt-6-luna", base_url=stub.openai_url)
        ...
        assert stub.paid_twice == 0

Whether a fault strikes is decided by a hash of the seed, the request without its room for the answer, the number of the
attempt and the fault's name: runs are alike whatever order the requests come in, and a retry rolls new dice. A request is
paid when a model would have run: also when its answer is cut, refused, or nobody waits for it any more. Errors are free.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from patience import PATIENCE

ROOM = ("max_tokens", "max_completion_tokens")  # no part of what a request asks
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
ERRORS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error",
          500: "api_error", 529: "overloaded_error"}  # fmt: skip
STATUS = {"rate_limit": 429, "overloaded": 529, "server_error": 500}
# In the order they are rolled. cut_body: fewer bytes come than were announced; half_body: as many, and half the JSON.
FAULTS = (*STATUS, "reset", "hang", "cut_body", "half_body", "cut_json", "refusal", "max_tokens")
MODELS: dict[str, dict[str, Any]] = {"claude-haiku-5-5": {"lifecycle": "active"}, "gpt-6-luna": {}}


@dataclass
class Call:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    query: str = ""

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw) if self.raw else {}

    @property
    def is_anthropic(self) -> bool:
        return "anthropic-version" in self.headers


@dataclass
class Response:
    """What goes back; bytes go as they are, and an iterator of them until it ends, or nobody listens any more.

    `sent` says how: whole, by drips (a byte at a time), or one of the faults that strike on the way.
    """

    status: int
    payload: Any
    headers: dict[str, str] = field(default_factory=dict)
    sent: str = "whole"


def fingerprint(body: Mapping[str, Any]) -> str:
    """What a request asks, whatever room it gives the answer."""
    asked = {name: value for name, value in body.items() if name not in ROOM}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def roll(*parts: object) -> float:
    """A number in [0, 1) that the parts alone decide."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def tokens(text: str) -> int:
    return len(text) // 4 + 1


def no_items(body: dict[str, Any]) -> str:
    return '{"items": [], "reason": "nothing to ask about"}'


class StubLLM:
    """The server. Enter it with `with`: it then runs in a thread of its own; `requests`, `received`, ... tell what it saw.

    Args:
        reply: The text of the answer to a request's body.
        seed: Of the faults.
        faults: Name (one of FAULTS) -> its share of all attempts.
        faulty_attempts: Attempts of one request that may fail; those after them are served well.
        latency: Seconds until an answer.
        limit: Requests served at once; one more is answered with 429. 0 is no limit.
        retry_after: What the header of that name says in a 429.
        key: The only key it takes; None takes any.
        models: Model -> what else its description holds.
        has_model_pages: Whether it describes single models, or (as vLLM) only lists them.
        lists_models: Whether it does that.
        port: Where it listens; 0 is anywhere.
    """

    def __init__(
        self,
        *,
        reply: Callable[[dict[str, Any]], str] = no_items,
        seed: int = 0,
        faults: Mapping[str, float] | None = None,
        faulty_attempts: int = 1_000_000,
        latency: float = 0.0,
        limit: int = 0,
        retry_after: str = "0.05",
        key: str | None = None,
        models: Mapping[str, Mapping[str, Any]] = MODELS,
        has_model_pages: bool = True,
        lists_models: bool = True,
        port: int = 0,
    ) -> None:
        assert set(faults or {}) <= set(FAULTS), f"faults are {FAULTS}"
        self.reply, self.seed, self.faults, self.faulty_attempts = reply, seed, dict(faults or {}), faulty_attempts
        self.latency, self.limit, self.retry_after, self.key = latency, limit, retry_after, key
        self.models, self.has_model_pages, self.lists_models = models, has_model_pages, lists_models
        self.requests: list[Call] = []  # all of them, oldest first
        self.attempts: Counter[str] = Counter()  # by fingerprint
        self.paid_by_request: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()  # sent
        self.struck: Counter[str] = Counter()  # faults
        self.tokens: Counter[str] = Counter()  # billed: input, cache_read, cache_write, output
        self.in_flight = self.most_in_flight = 0
        self.port = port
        self._cached: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stub-llm", daemon=True)
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        """For Anthropic's client."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """For OpenAI's client."""
        return f"{self.url}/v1"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the requests that a model was to answer."""
        return [call.body for call in self.requests if call.method == "POST"]

    @property
    def received(self) -> int:
        return sum(self.attempts.values())

    @property
    def paid(self) -> int:
        return sum(self.paid_by_request.values())

    @property
    def paid_twice(self) -> int:
        """Answers paid for beyond the first one of each request."""
        return self.paid - len(self.paid_by_request)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))  # connections that were closed a moment ago
        self._loop.close()

    # ---- HTTP

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while call := await _read_call(reader):
                self.requests.append(call)
                response = await self._answer(call)
                self.statuses[response.status] += 1
                if not await _send(writer, response):
                    break
        writer.close()

    async def _answer(self, call: Call) -> Response:
        """Find who answers. A new endpoint (files, batches) is one more line here."""
        key = call.headers.get("x-api-key") or call.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key is not None and key != self.key:
            return error(
                call, 401, f"Incorrect API key provided: {key}", "invalid_api_key"
            )  # OpenAI repeats a part of it
        match call.method, call.path.split("/")[1:]:
            case "POST", ["v1", "messages"] | ["v1", "chat", "completions"]:
                return await self._complete(call)
            case "GET", ["v1", "models"] if self.lists_models:
                return Response(200, {"object": "list", "data": [self._model(name) for name in self.models]})
            case "GET", ["v1", "models", name] if self.has_model_pages:
                return (
                    Response(200, self._model(unquote(name))) if unquote(name) in self.models else unknown(call, name)
                )
        return Response(404, {"detail": "Not Found"})

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "type": "model", "object": "model", **self.models[name]}

    # ---- answers

    async def _complete(self, call: Call) -> Response:
        body = call.body
        if body["model"] not in self.models:
            return unknown(call, body["model"])
        asked = fingerprint(body)
        self.attempts[asked] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.limit and self.in_flight > self.limit:
                return error(call, 429, "too many at once", headers={"retry-after": self.retry_after})
            return await self._pay(call, body, asked, self._fault(asked))
        finally:
            self.in_flight -= 1

    def _fault(self, asked: str) -> str | None:
        attempt = self.attempts[asked]
        if attempt > self.faulty_attempts:
            return None
        struck = (name for name in FAULTS if roll(self.seed, asked, attempt, name) < self.faults.get(name, 0.0))
        fault = next(struck, None)
        self.struck.update([fault] if fault else [])
        return fault

    async def _pay(self, call: Call, body: dict[str, Any], asked: str, fault: str | None) -> Response:
        """Serve one request, or fail as the fault says."""
        if fault in STATUS:
            status = STATUS[fault]
            return error(call, status, fault, headers={"retry-after": self.retry_after} if status == 429 else {})
        if fault in ("reset", "hang"):
            return Response(200, None, sent=fault)
        self.paid_by_request[asked] += 1
        payload = self.answer(body, fault, anthropic=call.is_anthropic)
        await asyncio.sleep(self.latency)
        return Response(200, payload, sent=fault if fault in ("cut_body", "half_body") else "whole")

    def answer(self, body: dict[str, Any], fault: str | None, *, anthropic: bool) -> dict[str, Any]:
        """The answer to a body, in its protocol; also for items of a batch."""
        text = "" if fault == "refusal" else self.reply(body)
        room = next((body[name] for name in ROOM if name in body), 1_000_000)
        if fault == "cut_json":
            text = text[: len(text) // 2]
        elif fault == "max_tokens" or tokens(text) > room:
            text, fault = text[: min(len(text) // 2, room * 4)], "max_tokens"
        usage = self._usage(body, text)
        return _message(body, text, fault, usage) if anthropic else _chat_completion(body, text, fault, usage)

    def _usage(self, body: dict[str, Any], text: str) -> Counter[str]:
        """Tokens billed. The shared part is written to the cache once, where the request marks it, and read from then on."""
        system, own = _split(body)
        shared = json.dumps(system)
        kind = "cache_read" if shared in self._cached else "cache_write"
        if '"cache_control"' in shared or '"prompt_cache_breakpoint"' in shared:
            self._cached.add(shared)
        else:
            kind = "input"
        usage = Counter({"output": tokens(text) if text else 0})
        usage[kind] += tokens(shared) if system else 0
        usage["input"] += tokens(json.dumps(own))
        self.tokens.update(usage)
        return usage


def _split(body: dict[str, Any]) -> tuple[Any, Any]:
    """The system text of a request, and the turns after it."""
    messages = body["messages"]
    system = body.get("system") or [message["content"] for message in messages if message["role"] == "system"]
    return system, [message for message in messages if message["role"] != "system"]


def _message(body: dict[str, Any], text: str, fault: str | None, usage: Counter[str]) -> dict[str, Any]:
    """Anthropic's form: the cached tokens stand beside `input_tokens`."""
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": fault if fault in ("refusal", "max_tokens") else "end_turn",
        "stop_details": {"type": "refusal", "category": "frontier_llm"} if fault == "refusal" else None,
        "usage": {
            "input_tokens": usage["input"],
            "cache_read_input_tokens": usage["cache_read"],
            "cache_creation_input_tokens": usage["cache_write"],
            "output_tokens": usage["output"],
        },
    }


def _chat_completion(body: dict[str, Any], text: str, fault: str | None, usage: Counter[str]) -> dict[str, Any]:
    """OpenAI's form: the cached tokens are part of `prompt_tokens`."""
    refusal = "I cannot help with that." if fault == "refusal" else None
    prompt_tokens = usage["input"] + usage["cache_read"] + usage["cache_write"]
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text or None, "refusal": refusal},
                "finish_reason": "length" if fault == "max_tokens" else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": usage["output"],
            "total_tokens": prompt_tokens + usage["output"],
            "prompt_tokens_details": {
                "cached_tokens": usage["cache_read"],
                "cache_write_tokens": usage["cache_write"],
            },
        },
    }


def error(
    call: Call, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A refusal in the form of the caller's protocol."""
    inner = {"type": ERRORS[status], "message": message}
    outer = {"type": "error", "error": inner} if call.is_anthropic else {"error": {**inner, "code": code}}
    return Response(status, outer, headers or {})


def unknown(call: Call, model: str) -> Response:
    return error(call, 404, f"The model {model} does not exist", "model_not_found")


async def _read_call(reader: asyncio.StreamReader) -> Call | None:
    """The next request of a connection; None when the client has closed it."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Call(method, path, headers, raw, query)


async def _send(writer: asyncio.StreamWriter, response: Response) -> bool:
    """Send a response; returns whether the connection can be used again."""
    if response.sent == "hang":
        await asyncio.sleep(3600)
    if response.sent == "reset":
        linger = struct.pack("ii", 1, 0)  # closing then sends RST and not FIN
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False
    payload = response.payload
    if isinstance(payload, Iterator):
        return await _stream(writer, response, payload)
    content = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    half = content[: len(content) // 2]
    content = half if response.sent == "half_body" else content
    headers = {"content-type": "application/json", "content-length": str(len(content)), **response.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    cut = response.sent == "cut_body"
    reason = REASONS.get(response.status, "Error")
    if response.sent == "drips":
        for byte in f"HTTP/1.1 {response.status} {reason}\r\n{head}\r\n".encode() + content:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)
    writer.write(f"HTTP/1.1 {response.status} {reason}\r\n{head}\r\n".encode())
    writer.write(half if cut else content)
    await writer.drain()
    return not cut


async def _stream(writer: asyncio.StreamWriter, response: Response, pieces: Iterator[bytes]) -> bool:
    headers = {"content-type": "application/json", "connection": "close", **response.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Error')}\r\n{head}\r\n".encode())
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    return False
