"""Claude as a teacher, through Anthropic's Messages API."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import anthropic

from fingen import wire
from fingen.disk import dump_json
from fingen.errors import TeacherError
from fingen.records import Completion, Request, Usage
from fingen.teachers import credentials, prices

PROVIDER = "anthropic"
OFFICIAL = "https://api.anthropic.com"
ACCOUNT = credentials.Account("ANTHROPIC_API_KEY", "https://platform.claude.com/settings/keys")
NO_MODELS_ENDPOINT = frozenset({404, 405, 501})


class Anthropic:
    """Asks a Claude model. One client and one pool of connections serve the whole run; nothing is retried here.

    Args:
        model: The provider's name for it.
        base_url: Another server that speaks the protocol; ANTHROPIC_BASE_URL, then Anthropic's own, where it is None.
        concurrency: Requests in flight, at most; the pool has a connection for each.
        timeout_seconds: How long to wait for an answer.
        price: USD per million input and output tokens, in place of the table's.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        concurrency: int = 64,
        timeout_seconds: float = 600.0,
        price: prices.Price | None = None,
    ) -> None:
        credentials.quiet("anthropic")
        self.model = model
        self._base_url = wire.server_url(base_url or os.environ.get("ANTHROPIC_BASE_URL") or OFFICIAL)
        self._is_official = wire.server_name(self._base_url) == wire.server_name(OFFICIAL)
        self.name = f"{PROVIDER}:{model}" + ("" if self._is_official else f"@{wire.server_name(self._base_url)}")
        self._concurrency, self._timeout_seconds, self._price = concurrency, timeout_seconds, price
        self._takes_effort = True  # `check` asks; models before Claude Opus 4.5 do not
        self._secret = wire.Secret("")
        self._client: anthropic.AsyncAnthropic | None = None
        self._schemas: dict[str, dict[str, Any]] = {}

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            TeacherError: there is no answer; its fields say whether to ask again.
        """
        message = await self._ask("POST", "/v1/messages", self.body(request))
        return self.completion(request.key, message)

    async def check(self, *, today: date | None = None) -> str | None:
        """Find what would fail before anything is paid for; returns a warning for a model that ends soon.

        Raises:
            TeacherError: there is no key, it is not accepted, or the model is unknown or has ended.
        """
        found = await self.call("GET", f"/v1/models/{quote(self.model, safe='')}")
        if isinstance(found, wire.Refusal):
            foreign = found.status in NO_MODELS_ENDPOINT and found.code != "not_found_error"
            if foreign and not self._is_official:
                return None  # a gateway that passes on messages alone
            raise self.refused(found)
        effort = wire.mapping(wire.mapping(found.get("capabilities")).get("effort"))
        self._takes_effort = effort.get("supported") is not False
        today = today or datetime.now(tz=UTC).date()
        lifecycle = found.get("lifecycle")
        end = wire.parse_day(found.get("retires_at")) if lifecycle else prices.ends(self.model)
        ended = lifecycle == "retired" if lifecycle else bool(end and end < today)
        return prices.end_notice(PROVIDER, self.model, end, today, ended=ended)

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        client, self._client = self._client, None
        if client:
            await client.close()

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the Messages API takes it, alone or in a batch."""
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_tokens,
            "messages": [
                {"role": "user", "content": request.prompt},
                *(
                    {"role": "user" if place % 2 else "assistant", "content": text or "(no text)"}
                    for place, text in enumerate(request.follow_ups)
                ),
            ],
        }
        if request.system:
            cache = {
                "type": "ephemeral",
                "ttl": "1h",
            }  # an hour: a run outlives five minutes between two of its answers
            body["system"] = [{"type": "text", "text": request.system, "cache_control": cache}]
        config: dict[str, Any] = {"effort": "low"} if self._takes_effort else {}
        if request.answer_schema:
            config["format"] = {"type": "json_schema", "schema": self._schema(request)}
        return {**body, "output_config": config} if config else body

    def completion(self, key: str, message: Mapping[str, Any], *, batch: bool = False) -> Completion:
        """A message of the API, alone or from a batch, as a completion. Nothing that was billed is dropped."""
        text, stop_reason = _read_text(message)
        usage = _read_usage(message)
        return Completion(
            key=key,
            text=text,
            stop_reason=stop_reason,
            teacher=self.name,
            usage=usage or Usage(),
            cost_usd=self.cost_usd(usage, batch=batch) if usage else None,
        )

    def cost_usd(self, usage: Usage, *, batch: bool = False) -> float | None:
        """What an answer with this usage costs; None where the price is not known."""
        return prices.cost_usd(self.model, usage, batch=batch, override=self._price)

    def worst_usd(self, request: Request, *, batch: bool = False) -> float | None:
        """The most that one attempt at a request can cost; None where the price is not known."""
        return prices.worst_case_usd(self.model, request, batch=batch, override=self._price)

    def _schema(self, request: Request) -> dict[str, Any]:
        """The answer's schema in the form that the API takes, worked out once for all requests that share it."""
        source = dump_json(request.answer_schema)
        if source not in self._schemas:
            self._schemas[source] = anthropic.transform_schema(request.answer_schema)
        return self._schemas[source]

    def require_key(self) -> None:
        """Find that there is a key; nothing is asked.

        Raises:
            TeacherError: there is none.
        """
        self._key()

    def _key(self) -> str:
        key = wire.find_key(ACCOUNT.key)
        if key is None:
            raise credentials.no_key(ACCOUNT)
        return key

    def _open(self) -> anthropic.AsyncAnthropic:
        """The client of the run, opened with the first request: a dry run needs no key."""
        if self._client is None:
            key = self._key()
            self._secret = wire.Secret(key, self._base_url)
            limits = type(anthropic.DEFAULT_CONNECTION_LIMITS)(
                max_connections=self._concurrency, max_keepalive_connections=self._concurrency
            )
            timeout = anthropic.Timeout(self._timeout_seconds, connect=10.0, pool=None)
            self._client = anthropic.AsyncAnthropic(
                api_key=key,
                base_url=self._base_url,
                max_retries=0,
                timeout=timeout,
                open_telemetry=False,  # it can be told by a variable to export prompts
                # A redirect to another host would carry the key in its header along.
                http_client=anthropic.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False),
            )
        return self._client

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> Mapping[str, Any]:
        answer = await self.call(method, path, body)
        if isinstance(answer, wire.Refusal):
            raise self.refused(answer)
        return answer

    async def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any] | wire.Refusal:
        """One exchange with the server; `body` may be JSON that is written already.

        What is raised is raised outside of the handlers, with nothing chained to it.
        The client's plain get and post are used, not messages.create: that one parses the answer into a model and loses
        what does not fit, and warns of old models in its own way.
        """
        client = self._open()
        error: TeacherError
        try:
            if method == "GET":
                answer = await client.get(path, cast_to=object, options={"params": query or {}})
            elif isinstance(body, bytes):
                answer = await client.post(path, cast_to=object, content=body)
            else:
                answer = await client.post(path, cast_to=object, body=body)
        except anthropic.APIStatusError as e:
            return wire.read_refusal(e.status_code, e.body, e.response.headers, self._secret)
        except anthropic.APIConnectionError as e:
            error = credentials.broken_off(self.name, e.__cause__, self._secret)
        except (json.JSONDecodeError, UnicodeDecodeError):  # the client raises them raw
            error = credentials.unreadable(self.name)
        else:
            if isinstance(answer, Mapping):
                return answer
            error = credentials.unreadable(self.name)
        raise error

    async def download(self, path: str) -> AsyncGenerator[bytes]:
        """What stands at a path, piece by piece: results may be larger than the memory.

        Raises:
            TeacherError: it is not there, or the connection broke.
        """
        client = self._open()
        error: TeacherError
        try:
            response: Any = await client.get(
                path, cast_to=object, stream=True, options={"headers": credentials.STREAMED}
            )
            try:
                async for piece in response.iter_bytes():
                    yield piece
            finally:
                await response.close()
            return
        except anthropic.APIStatusError as e:
            error = self.refused(wire.read_refusal(e.status_code, e.body, e.response.headers, self._secret))
        except anthropic.APIConnectionError as e:
            error = credentials.broken_off(self.name, e.__cause__, self._secret)
        except Exception as e:  # in the middle of a body the HTTP library's errors come raw
            if not wire.is_from_http(e):
                raise
            error = credentials.broken_off(self.name, e, self._secret)
        raise error

    def refused(self, refusal: wire.Refusal) -> TeacherError:
        """The error for what the server said in place of an answer."""
        known = ", ".join(prices.models_of(PROVIDER, datetime.now(tz=UTC).date()))
        return credentials.refused(self.name, refusal, ACCOUNT, {404: f"name a model that the server has: {known}"})


def _read_text(message: Mapping[str, Any]) -> tuple[str, str]:
    """Text and stop reason. A refusal often has no text: then its category stands there."""
    content = message.get("content")
    if not isinstance(content, list):
        return dump_json(message), "not a message"
    blocks = (block for block in content if isinstance(block, Mapping) and block.get("type") == "text")
    text = "".join(str(block.get("text", "")) for block in blocks)
    stop_reason = str(message.get("stop_reason") or "unknown")
    if stop_reason == "refusal" and not text:
        details = wire.mapping(message.get("stop_details"))
        text = ": ".join(str(details[name]) for name in ("category", "explanation") if details.get(name))
    return text, stop_reason


def _read_usage(message: Mapping[str, Any]) -> Usage | None:
    """The tokens billed; None where the server does not say. `input_tokens` leaves the cache out."""
    usage = message.get("usage")
    if not isinstance(usage, Mapping):
        return None
    return Usage(
        input_tokens=wire.count(usage.get("input_tokens")),
        cache_read_tokens=wire.count(usage.get("cache_read_input_tokens")),
        cache_write_tokens=wire.count(usage.get("cache_creation_input_tokens")),
        output_tokens=wire.count(usage.get("output_tokens")),
    )
