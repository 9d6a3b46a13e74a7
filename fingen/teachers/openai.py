"""GPT as a teacher, through OpenAI's Chat Completions API, and any server that speaks it: vLLM, Ollama, llama.cpp."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import openai

from fingen import wire
from fingen.disk import dump_json
from fingen.errors import TeacherError
from fingen.records import Completion, Request, Usage
from fingen.teachers import credentials, prices

PROVIDER = "openai"
OFFICIAL = "https://api.openai.com/v1"
ACCOUNT = credentials.Account("OPENAI_API_KEY", "https://platform.openai.com/api-keys")
REASONING = ("gpt-5", "gpt-6")  # families that take `reasoning_effort`
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
IN_THE_CLEAR = "name the server in OPENAI_BASE_URL beside it"  # shows that the two belong together
NO_MODELS_ENDPOINT = frozenset({400, 404, 405, 501})  # 400: for the slash that many names hold
# What strict schemas may hold (https://developers.openai.com/api/docs/guides/structured-outputs). The rest, lengths of
# strings above all, is refused, and is checked on this side.
KEYWORDS = frozenset(
    "type description enum const format pattern minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems "
    "maxItems".split()
)


class OpenAI:
    """Asks a GPT model, or one behind a compatible server. One client and one pool serve the run; nothing is retried here.

    Args:
        model: The server's name for it.
        base_url: Of a compatible server, /v1 included; OPENAI_BASE_URL, then OpenAI's own, where it is None.
        concurrency: Requests in flight, at most; the pool has a connection for each.
        timeout_seconds: How long to wait for an answer.
        price: USD per million input and output tokens; without it a compatible server's price is not known.
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
        credentials.quiet("openai")
        self.model = model
        self._base_url = wire.server_url(base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL)
        host = urlsplit(self._base_url).hostname or ""
        self._is_official = host == "api.openai.com" or host.endswith(".api.openai.com")  # the others are its regions
        self.name = f"{PROVIDER}:{model}" + ("" if self._is_official else f"@{wire.server_name(self._base_url)}")
        # A key is not sent in the clear to another machine, unless the address stands in the environment beside the key.
        self._may_send_key = bool(self._base_url.startswith("https") or base_url is None or wire.is_local(host))
        self._concurrency, self._timeout_seconds, self._price = concurrency, timeout_seconds, price
        self._priced_model = model if self._is_official else None
        self._secret = wire.Secret("")
        self._client: openai.AsyncOpenAI | None = None
        self._schemas: dict[str, dict[str, Any]] = {}

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            TeacherError: there is no answer; its fields say whether to ask again.
        """
        return self.completion(request.key, await self._ask("POST", "/chat/completions", self.body(request)))

    async def check(self, *, today: date | None = None) -> str | None:
        """Find what would fail before anything is paid for; returns a warning, for a model that ends soon above all.

        Raises:
            TeacherError: there is no key, it is not accepted, or the model is unknown or has ended.
        """
        found = await self.call("GET", f"/models/{quote(self.model, safe='')}")
        if isinstance(found, wire.Refusal):
            foreign = found.status in NO_MODELS_ENDPOINT and found.code != "model_not_found"
            if foreign and not self._is_official:
                return await self._check_list()
            raise self.refused(found)
        today = today or datetime.now(tz=UTC).date()
        end = wire.parse_day(found.get("shutdown_date")) or prices.ends(self.model)
        return prices.end_notice(PROVIDER, self.model, end, today, ended=bool(end and end < today))

    async def _check_list(self) -> str | None:
        """For servers that only list their models, vLLM among them. Some load others on demand: so this only warns."""
        found = await self.call("GET", "/models")
        if isinstance(found, wire.Refusal):
            if found.status in NO_MODELS_ENDPOINT:
                return None
            raise self.refused(found)
        rows = found.get("data")
        names = [str(wire.mapping(row).get("id")) for row in rows] if isinstance(rows, list) else []
        if not names or self.model in names:
            return None
        return f"{wire.server_name(self._base_url)} does not list {self.model}; it lists {', '.join(names[:8])}"

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        client, self._client = self._client, None
        if client:
            await client.close()

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the Chat Completions API takes it, alone or in a batch."""
        system: dict[str, Any] = {"role": "system", "content": request.system}
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [
                *([system] if request.system else []),
                {"role": "user", "content": request.prompt},
                *(
                    {"role": "user" if place % 2 else "assistant", "content": text or "(no text)"}
                    for place, text in enumerate(request.follow_ups)
                ),
            ],
        }
        if request.answer_schema:
            schema = {"name": "answer", "strict": True, "schema": self._schema(request)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if not self._is_official:
            return {**body, "max_tokens": request.max_tokens}  # servers are slow to learn the newer name
        body["max_completion_tokens"] = request.max_tokens
        if self.model.startswith(REASONING):
            body["reasoning_effort"] = "low"
        if prices.takes_cache_breakpoints(self.model):
            # Without it the whole prompt is written to the cache, at 1.25 of its price, and only `system` is ever read.
            body["prompt_cache_options"] = {"mode": "explicit"}
            part = {"type": "text", "text": request.system, "prompt_cache_breakpoint": {"mode": "explicit"}}
            system["content"] = [part]
        return body

    def completion(self, key: str, answer: Mapping[str, Any], *, batch: bool = False) -> Completion:
        """An answer of the API, alone or from a batch, as a completion. Nothing that was billed is dropped."""
        text, stop_reason = _read_text(answer)
        usage = _read_usage(answer)
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
        return prices.cost_usd(self._priced_model, usage, batch=batch, override=self._price)

    def worst_usd(self, request: Request, *, batch: bool = False) -> float | None:
        """The most that one attempt at a request can cost; None where the price is not known."""
        return prices.worst_case_usd(self._priced_model, request, batch=batch, override=self._price)

    def _schema(self, request: Request) -> dict[str, Any]:
        """The answer's schema in its strict form, worked out once for all requests that share it."""
        source = dump_json(request.answer_schema)
        if source not in self._schemas:
            self._schemas[source] = strict_schema(request.answer_schema)
        return self._schemas[source]

    def require_key(self) -> None:
        """Find that there is a key, where one is needed; nothing is asked.

        Raises:
            TeacherError: there is none.
        """
        self._key()

    def _key(self) -> str | None:
        key = wire.find_key(ACCOUNT.key) if self._may_send_key else None
        if key is None and self._is_official:
            raise credentials.no_key(ACCOUNT)
        return key

    def _open(self) -> openai.AsyncOpenAI:
        """The client of the run, opened with the first request: a dry run needs no key."""
        if self._client is None:
            key = self._key()
            self._secret = wire.Secret(key or "", self._base_url)
            limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
                max_connections=self._concurrency, max_keepalive_connections=self._concurrency
            )
            timeout = openai.Timeout(self._timeout_seconds, connect=10.0, pool=None)
            self._client = openai.AsyncOpenAI(
                api_key=key or "none",  # the client insists on one
                base_url=self._base_url,
                max_retries=0,
                timeout=timeout,
                http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False),
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
        body: dict[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        file: tuple[str, bytes] | None = None,
    ) -> Mapping[str, Any] | wire.Refusal:
        """One exchange with the server; `file` goes along by its name.

        What is raised is raised outside of the handlers, with nothing chained to it.
        The client's plain get and post are used, not chat.completions.create: that one parses the answer into a model
        and loses what does not fit, and takes 0.6 ms more of the CPU for each request.
        """
        client = self._open()
        error: TeacherError
        try:
            if method == "GET":
                answer = await client.get(path, cast_to=object, options={"params": query or {}})
            elif file:
                answer = await client.post(
                    path,
                    cast_to=object,
                    body=body,
                    files={"file": file},
                    options={"headers": {"Content-Type": "multipart/form-data"}},
                )
            else:
                answer = await client.post(path, cast_to=object, body=body)
        except openai.APIStatusError as e:
            return wire.read_refusal(e.status_code, e.body, e.response.headers, self._secret)
        except openai.APIConnectionError as e:
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
        except openai.APIStatusError as e:
            error = self.refused(wire.read_refusal(e.status_code, e.body, e.response.headers, self._secret))
        except openai.APIConnectionError as e:
            error = credentials.broken_off(self.name, e.__cause__, self._secret)
        except Exception as e:  # in the middle of a body the HTTP library's errors come raw
            if not wire.is_from_http(e):
                raise
            error = credentials.broken_off(self.name, e, self._secret)
        raise error

    def refused(self, refusal: wire.Refusal) -> TeacherError:
        """The error for what the server said in place of an answer."""
        known = ", ".join(prices.models_of(PROVIDER, datetime.now(tz=UTC).date()))
        hints = {404: f"name a model that the server has: {known}"}
        if not self._is_official:
            hints[404] = "name a model that the server has, and see that the base URL is whole: most end in /v1"
            if self._secret.is_empty:
                hints[401] = (
                    f"set the server's key in {ACCOUNT.key}; where it is to cross a network without https, {IN_THE_CLEAR}"
                )
        return credentials.refused(self.name, refusal, ACCOUNT, hints)


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema as strict mode takes it: every property required, no others allowed, only keywords that it knows."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # nothing may stand beside it
    strict: dict[str, Any] = {name: schema[name] for name in schema if name in KEYWORDS}
    for name in ("$defs", "properties"):
        if name in schema:
            strict[name] = {key: strict_schema(inner) for key, inner in schema[name].items()}
    if "items" in schema:
        strict["items"] = strict_schema(schema["items"])
    variants = schema.get("anyOf") or schema.get("oneOf")
    if variants:
        strict["anyOf"] = [strict_schema(variant) for variant in variants]
    if schema.get("type") == "object":
        strict |= {"required": list(strict.get("properties", {})), "additionalProperties": False}
    return strict


def _read_text(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Text and stop reason. A refusal stands in a field of its own."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        return dump_json(answer), "not a completion"
    message = wire.mapping(wire.mapping(choices[0]).get("message"))
    refusal, content = message.get("refusal"), message.get("content")
    text = content if isinstance(content, str) else dump_json(content) if content else ""
    if refusal:
        return text or str(refusal), "refusal"
    finish = str(wire.mapping(choices[0]).get("finish_reason") or "unknown")
    return text, STOP_REASONS.get(finish, finish)


def _read_usage(answer: Mapping[str, Any]) -> Usage | None:
    """The tokens billed; None where the server does not say. `prompt_tokens` includes what was cached."""
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        return None
    details = wire.mapping(usage.get("prompt_tokens_details"))
    read, written = wire.count(details.get("cached_tokens")), wire.count(details.get("cache_write_tokens"))
    return Usage(
        input_tokens=max(0, wire.count(usage.get("prompt_tokens")) - read - written),
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=wire.count(usage.get("completion_tokens")),
    )
