"""A teacher behind a network, asked through its provider's SDK: all that does not depend on the provider's protocol.

The SDKs come from one generator and share their names: that is what makes one module enough.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any, ClassVar, Self
from urllib.parse import quote

from fingen import wire
from fingen.disk import dump_json
from fingen.errors import TeacherError, UsageError
from fingen.records import Completion, Request, Usage
from fingen.teachers import credentials, prices

CONNECT_SECONDS = 10.0
LEAST_BYTES_PER_SECOND = 10_000  # of a download: what comes slower is given up
MULTIPART = {"Content-Type": "multipart/form-data"}
UNPACKED = ("content-", "transfer-encoding")  # headers that say how a body was packed


class SdkTeacher(ABC):
    """Asks a model. One client and one pool of connections serve the whole run; nothing is retried here.

    A provider's class says where it is reached, how a request is written and how an answer is read.

    Args:
        model: The server's name for it.
        base_url: Another server that speaks the protocol; the variable <PROVIDER>_BASE_URL, then the provider's own, where it is None.
        concurrency: Requests in flight, at most; the pool has a connection for each.
        timeout_seconds: How long to wait for an answer, from the connection to its last byte.
        price: USD per million input and output tokens, in place of the table's.
        answer_tokens: Tokens that an answer may have, however many a request gives it.
    """

    provider: ClassVar[str]
    account: ClassVar[credentials.Account]
    official_url: ClassVar[str]
    answers_path: ClassVar[str]
    models_path: ClassVar[str]
    no_models_endpoint: ClassVar[frozenset[int]]  # statuses of a compatible server that describes no models
    unknown_model: ClassVar[str]  # code of a server that does, and does not know this one
    sdk: ClassVar[ModuleType]
    client_type: ClassVar[type[Any]]
    client_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        concurrency: int = 64,
        timeout_seconds: float = 600.0,
        price: prices.Price | None = None,
        answer_tokens: int | None = None,
    ) -> None:
        credentials.quiet(self.provider)
        self.model = model
        self._base_url = wire.server_url(
            base_url or os.environ.get(f"{self.provider.upper()}_BASE_URL") or self.official_url
        )
        self._is_official = self.is_official(self._base_url)
        self.name = f"{self.provider}:{model}" + ("" if self._is_official else f"@{wire.server_name(self._base_url)}")
        self.server = self.name  # what messages call it: several may share the name
        self._beside: tuple[Self, ...] = ()
        self._concurrency, self._timeout_seconds, self._price = concurrency, timeout_seconds, price
        self._priced_model: str | None = model
        self._answer_tokens = math.inf if answer_tokens is None else answer_tokens
        self._secret = wire.Secret("")
        self._client: Any = None
        self._schemas: dict[str, dict[str, Any]] = {}

    @property
    def servers(self) -> tuple[Self, ...]:
        """All that answer under its name: itself, and those that it was joined by."""
        return (self, *self._beside)

    def join(self, others: Sequence[Self]) -> None:
        """Have other servers answer beside this one, under its name.

        Raises:
            UsageError: the provider's own server is one of several: it has prices and limits that others have not.
        """
        if others and any(each._is_official for each in (self, *others)):
            raise UsageError(
                f"{wire.server_name(self.official_url)} and other servers are not one teacher",
                hint="give the servers of one model to --base-url",
            )
        for other in others:
            other.name = self.name
        self._beside = tuple(others)

    # ---- what a protocol says

    @staticmethod
    @abstractmethod
    def is_official(base_url: str) -> bool:
        """Whether a server is the provider's own."""

    @abstractmethod
    def body(self, request: Request) -> dict[str, Any]:
        """The request as the API takes it, alone or in a batch."""

    @staticmethod
    @abstractmethod
    def build_schema(schema: dict[str, Any]) -> dict[str, Any]:
        """An answer's schema in the form that the API takes."""

    @staticmethod
    @abstractmethod
    def has_answer(answer: Mapping[str, Any]) -> bool:
        """Whether there is an answer in it; servers send errors, and empty shells, with a good status too."""

    @staticmethod
    @abstractmethod
    def read_text(answer: Mapping[str, Any]) -> tuple[str, str]:
        """Text and stop reason of an answer."""

    @staticmethod
    @abstractmethod
    def read_usage(answer: Mapping[str, Any]) -> Usage | None:
        """The tokens billed; None where the server does not say, or says what cannot be."""

    @abstractmethod
    def read_model(self, found: Mapping[str, Any], today: date) -> str | None:
        """Take note of what the server says of the model; returns a warning for one that ends soon.

        Raises:
            TeacherError: it has ended.
        """

    async def check_compatible(self) -> str | None:
        """Check a model on a server that describes none; returns a warning. By default there is nothing to ask."""
        return None

    def find_key(self) -> str | None:
        """The key to send; None where a server may do without one.

        Raises:
            TeacherError: there is none.
        """
        key = wire.find_key(self.account.key)
        if key is None:
            raise credentials.no_key(self.account)
        return key

    def is_key_from_file(self) -> bool:
        """Whether the key to send is the one in .env."""
        return wire.is_key_from_file(self.account.key) and bool(self.find_key())

    def require_key(self) -> None:
        """Find that there is a key, where one is needed; nothing is asked.

        Raises:
            TeacherError: there is none.
        """
        self.find_key()

    def hints(self) -> dict[int, str]:
        """Status of a refusal -> what to do, where more is known than that status says."""
        known = ", ".join(prices.models_of(self.provider, datetime.now(tz=UTC).date()))
        return {404: f"name a model that the server has: {known}"}

    # ---- what a teacher does

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            TeacherError: there is no answer; its fields say whether to ask again.
        """
        answer = await self.ask("POST", self.answers_path, self.body(request))
        if self.has_answer(answer):
            return self.completion(request.key, answer)
        usage = self.read_usage(answer)
        said = wire.read_refusal(200, {"error": answer.get("error") or ""}, {}, self._secret)
        raise credentials.no_answer(
            self.server,
            said,
            self.account,
            is_error=bool(answer.get("error")),
            is_billed=bool(usage and usage != Usage()),
        )

    async def check(self, *, today: date | None = None) -> str | None:
        """Find what would fail before anything is paid for; returns a warning, for a model that ends soon above all.

        Raises:
            TeacherError: there is no key, it is not accepted, or the model is unknown or has ended.
        """
        found = await self.call("GET", f"{self.models_path}/{quote(self.model, safe='')}")
        if not isinstance(found, wire.Refusal):
            return self.read_model(found, today or datetime.now(tz=UTC).date())
        if not self._is_official and found.status in self.no_models_endpoint and found.code != self.unknown_model:
            return await self.check_compatible()
        raise self.refused(found)

    async def close(self) -> None:
        """Close the connections, those of servers beside it too. A later request opens new ones."""
        for server in self.servers:
            client, server._client = server._client, None
            if client:
                await client.close()

    def completion(self, key: str, answer: Mapping[str, Any], *, batch: bool = False) -> Completion:
        """An answer of the API, alone or from a batch, as a completion. Nothing that was billed is dropped."""
        text, stop_reason = self.read_text(answer)
        usage = self.read_usage(answer)
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
        narrow = request.model_copy(update={"max_tokens": self.room(request)})
        return prices.worst_case_usd(self._priced_model, narrow, batch=batch, override=self._price)

    def room(self, request: Request) -> int:
        """Tokens that its answer may have."""
        return int(min(request.max_tokens, self._answer_tokens))

    def turns(self, request: Request) -> list[dict[str, Any]]:
        """What was said so far. No turn is empty: providers refuse that."""
        said = (request.prompt, *(text or "(no text)" for text in request.follow_ups))
        return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]

    def schema(self, request: Request) -> dict[str, Any]:
        """The answer's schema as the API takes it, worked out once for all requests that share it."""
        source = dump_json(request.answer_schema)
        if source not in self._schemas:
            self._schemas[source] = self.build_schema(request.answer_schema)
        return self._schemas[source]

    def mask(self, text: str) -> str:
        """A text of the server without the key that it was sent."""
        return self._secret.mask(text)

    # ---- the network

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Mapping[str, Any]:
        """One exchange with the server, as `call`; a refusal is raised.

        Raises:
            TeacherError: there is no answer.
        """
        answer = await self.call(method, path, body, **options)
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
        file: tuple[str, bytes] | None = None,
    ) -> Mapping[str, Any] | wire.Refusal:
        """One exchange with the server; `body` may be JSON that is written already, `file` goes along by its name.

        The client's plain get and post are used, not what it has for messages: that parses the answer into a model and
        loses what does not fit, warns of old models in its own way, and takes 0.6 ms more of the CPU for each request.
        """
        error: TeacherError
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._send(method, path, body, query or {}, file)
                if isinstance(response, wire.Refusal):
                    return response
                content = bytearray()
                async with aclosing(self._pieces(response)) as pieces:
                    async for piece in pieces:
                        content += piece
                        if len(content) > wire.ANSWER_BYTES:
                            break
                return wire.parse_object(bytes(content), self._secret)
        except TimeoutError as e:
            error = credentials.broken_off(self.server, e, self._secret)
        except ValueError as e:
            error = credentials.unreadable(self.server, str(e))
        raise error

    async def download(self, path: str, most_bytes: int) -> AsyncGenerator[bytes]:
        """What stands at a path, piece by piece: results may be larger than the memory.

        Raises:
            TeacherError: it is not there, the connection broke, it comes too slowly, or has more than `most_bytes`.
        """
        waited, received, is_late = 0.0, 0, False
        response = await self._open_download(path)
        async with aclosing(self._pieces(response)) as pieces:
            while True:
                began = time.monotonic()
                try:
                    async with asyncio.timeout(self._timeout_seconds + received / LEAST_BYTES_PER_SECOND - waited):
                        piece = await anext(pieces, None)
                except TimeoutError:
                    is_late = True
                    break
                if piece is None:
                    break
                waited, received = waited + time.monotonic() - began, received + len(piece)
                if received > most_bytes:
                    raise credentials.unreadable(self.server, f"more than {most_bytes >> 20} MB of results")
                yield piece
        if is_late:
            raise credentials.broken_off(self.server, TimeoutError(f"after {received} bytes"), self._secret)

    async def _open_download(self, path: str) -> Any:
        error: TeacherError
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._send("GET", path, None, {}, None)
        except TimeoutError as e:
            error = credentials.broken_off(self.server, e, self._secret)
        else:
            if not isinstance(response, wire.Refusal):
                return response
            error = self.refused(response)
        raise error

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | bytes | None,
        query: Mapping[str, str],
        file: tuple[str, bytes] | None,
    ) -> Any:
        """Send a request; returns the response, its body unread, or the refusal.

        What is raised, here and in what reads the body, is raised outside of the handlers, with nothing chained to it.
        """
        client = self._open()
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"body": body}
        headers, files = dict(credentials.STREAMED), {}
        if file:
            headers, files = {**headers, **MULTIPART}, {"files": {"file": file}}
        try:
            if method == "GET":
                options = {"params": query, "headers": headers}
                return await client.get(path, cast_to=object, stream=True, options=options)
            return await client.post(path, cast_to=object, stream=True, options={"headers": headers}, **sent, **files)
        except self.sdk.APIStatusError as e:
            return wire.read_refusal(e.status_code, e.body, e.response.headers, self._secret)
        except self.sdk.APIConnectionError as e:
            error = credentials.broken_off(self.server, e.__cause__, self._secret)
        raise error

    async def _pieces(self, response: Any) -> AsyncGenerator[bytes]:
        """The body of a response, unpacked, piece by piece."""
        try:
            async for piece in response.iter_bytes():
                yield piece
            return
        except Exception as e:  # in the middle of a body the HTTP library's errors come raw
            if not wire.is_from_http(e):
                raise
            error = credentials.broken_off(self.server, e, self._secret)
        finally:
            await response.close()
        raise error

    def refused(self, refusal: wire.Refusal) -> TeacherError:
        """The error for what the server said in place of an answer."""
        return credentials.refused(self.server, refusal, self.account, self.hints())

    def _open(self) -> Any:
        """The client of the run, opened with the first request: a dry run needs no key."""
        if self._client is None:
            key = self.find_key()
            self._secret = wire.Secret(key or "", self._base_url)
            limits = type(self.sdk.DEFAULT_CONNECTION_LIMITS)(
                max_connections=self._concurrency, max_keepalive_connections=self._concurrency
            )
            timeout = self.sdk.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS, pool=None)
            # A redirect to another host would carry the key in its header along.
            http = self.sdk.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False)
            http.send = _cutting(http.send)
            self._client = self.client_type(
                api_key=key or "none",  # the client insists on one
                base_url=self._base_url,
                max_retries=0,
                timeout=timeout,
                http_client=http,
                **self.client_options,
            )
        return self._client


def read_usage(own: int | None, read: int | None, written: int | None, output: int | None) -> Usage | None:
    """The tokens of a prompt (new ones, and those read from a cache and written to it) and an answer; None if one is not known."""
    if own is None or read is None or written is None or output is None:
        return None
    return Usage(input_tokens=own, cache_read_tokens=read, cache_write_tokens=written, output_tokens=output)


def _cutting(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Send as an HTTP client does, and read no more of a refusal than is used: an SDK reads it to its end, if it has one."""

    async def cutting(request: Any, **options: Any) -> Any:
        response = await send(request, **options)
        if response.is_success:
            return response
        content = bytearray()
        try:
            async with aclosing(response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    content += piece
                    if len(content) > wire.REFUSAL_BYTES:
                        break
        except Exception as e:
            if not wire.is_from_http(e):
                raise
        finally:
            await response.aclose()
        headers = {name: value for name, value in response.headers.items() if not name.startswith(UNPACKED)}
        return type(response)(
            response.status_code, headers=headers, content=bytes(content[: wire.REFUSAL_BYTES]), request=request
        )

    return cutting
