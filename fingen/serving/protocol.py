"""OpenAI's protocol for the models of this machine: /v1/models and /v1/chat/completions, whole or as a stream.

What changes an answer and is not known here is refused, never left out in silence. What does not is named in a header.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fingen.disk import dump_json
from fingen.errors import FingenError, LimitError, UsageError
from fingen.serving.models import Asked, LocalModel, need_model
from fingen.serving.work import Work, run_beside

if TYPE_CHECKING:
    from fingen.training.generate import Sampling, Written

BODY_BYTES = 8 << 20  # of a request
MOST_STOPS = 4
IGNORED_HEADER = "x-fingen-ignored"
# What is known, and what may be said besides as it changes no answer; each other name is refused.
KNOWN = frozenset(
    "model messages stream stream_options temperature top_p max_tokens max_completion_tokens stop seed n".split()
)
HARMLESS = frozenset(
    "user store metadata service_tier safety_identifier prompt_cache_key prompt_cache_retention parallel_tool_calls".split()
)
# These are taken as long as they ask for nothing.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,), "presence_penalty": (0,), "logit_bias": ({},), "logprobs": (False,), "top_logprobs": (0,),
    "tools": ([],), "tool_choice": ("none", "auto"), "response_format": ({"type": "text"},), "modalities": (["text"],),
}  # fmt: skip
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
FINISH = {"stop": "stop", "length": "length", "interrupted": "stop"}


class ApiError(Exception):
    """A request that gets no answer, as OpenAI's server says it."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def response(self) -> JSONResponse:
        """The answer in its place."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status)


@dataclass(frozen=True)
class ChatRequest:
    """A request that can be answered. `ignored`: what was said and changes no answer."""

    model: LocalModel
    asked: Asked
    max_tokens: int
    choice: Mapping[str, Any]  # temperature, top_p, seed and stop: a Sampling
    is_streamed: bool
    with_usage: bool
    ignored: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {IGNORED_HEADER: ", ".join(self.ignored)} if self.ignored else {}

    def sampling(self) -> Sampling:
        """How the answer is chosen."""
        from fingen.training.generate import Sampling

        return Sampling(**self.choice)


def parse_request(body: Any, models: Sequence[LocalModel], max_tokens: int) -> ChatRequest:
    """What a request asks for. Without a temperature the answer is the likeliest one, as in `fingen chat`.

    Raises:
        ApiError: it is none, or asks for what is not done here.
    """
    if not isinstance(body, dict):
        raise ApiError("the request is no JSON object")
    body = {name: value for name, value in body.items() if value is not None}
    ignored = _refuse_unknown(body)
    system, turns, question = _parse_messages(body.get("messages"))
    stream = _typed(body, "stream", bool, default=False)
    options = _typed(body, "stream_options", dict, default={})
    limit = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return ChatRequest(
        _find_model(body, models),
        Asked(question, "", system, turns),
        int(_number(body, limit, max_tokens, least=1, most=1 << 20, whole=True)),
        {
            "temperature": _number(body, "temperature", 0.0, least=0, most=2),
            "top_p": _number(body, "top_p", 1.0, least=0, most=1),
            "seed": int(_number(body, "seed", 0, least=-(1 << 63), most=(1 << 63) - 1, whole=True))
            if "seed" in body
            else None,
            "stop": _parse_stops(body.get("stop")),
        },
        stream,
        bool(options.get("include_usage")),
        ignored,
    )


def _refuse_unknown(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that are said and ignored."""
    if body.get("n", 1) != 1:
        raise ApiError("n: one answer is written at a time", param="n", code="unsupported_value")
    for name in sorted(body.keys() - KNOWN - HARMLESS):
        if name not in NEUTRAL:
            raise ApiError(f"{name}: not known here", param=name, code="unknown_parameter")
        if body[name] not in NEUTRAL[name]:
            raise ApiError(f"{name}: not done here; leave it out", param=name, code="unsupported_parameter")
    return tuple(sorted(body.keys() - KNOWN))


def _find_model(body: Mapping[str, Any], models: Sequence[LocalModel]) -> LocalModel:
    name = _typed(body, "model", str, default=None)
    try:
        return need_model(models, name)
    except UsageError as e:
        status = 404 if name else 400
        raise ApiError(f"{e}; {e.hint}", param="model", code="model_not_found" if name else None, status=status) from e


def _parse_messages(messages: Any) -> tuple[str, tuple[Mapping[str, str], ...], str]:
    """What the model is told, the turns before, and the question."""
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise ApiError("messages: a list of objects with role and content is wanted", param="messages")
    said = [_parse_message(message, number) for number, message in enumerate(messages)]
    system = [content for role, content in said if role == "system"]
    talk = [{"role": role, "content": content} for role, content in said if role != "system"]
    if not talk or talk[-1]["role"] != "user":
        raise ApiError("messages: the last one must be the user's", param="messages")
    return "\n\n".join(system), tuple(talk[:-1]), talk[-1]["content"]


def _parse_message(message: Mapping[str, Any], number: int) -> tuple[str, str]:
    where, role, content = f"messages[{number}]", message.get("role"), message.get("content")
    if role not in ROLES:
        raise ApiError(f"{where}.role: one of {', '.join(ROLES)} is wanted", param=f"{where}.role")
    if message.get("tool_calls") or message.get("function_call"):
        raise ApiError(f"{where}: tools are not known here", param=where, code="unsupported_parameter")
    if isinstance(content, list):
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
            raise ApiError(f"{where}.content: text alone is read here", param=f"{where}.content")
        content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise ApiError(f"{where}.content: a text is wanted", param=f"{where}.content")
    return ROLES[role], content


def _parse_stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise ApiError("stop: a text or a list of texts is wanted", param="stop")
    if len(stops) > MOST_STOPS:
        raise ApiError(f"stop: {MOST_STOPS} texts at most", param="stop")
    return tuple(stops)


def _typed(body: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = body.get(name, default)
    if name in body and not isinstance(value, kind):
        raise ApiError(f"{name}: {kind.__name__} is wanted", param=name)
    return value


def _number(
    body: Mapping[str, Any], name: str, default: float, *, least: float, most: float, whole: bool = False
) -> float:
    value = body.get(name, default)
    is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise ApiError(f"{name}: {kind} from {least} to {most} is wanted", param=name)
    return value  # type: ignore[no-any-return]  # it is a number


# --- the answers ---------------------------------------------------------------------------------------------------------


class Protocol:
    """The routes of OpenAI's protocol for some models."""

    def __init__(self, models: Sequence[LocalModel], max_tokens: int) -> None:
        self._models, self._max_tokens, self._since = models, max_tokens, int(time.time())

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/health", self._health),
            Route("/v1/models", self._list),
            Route("/v1/models/{name:path}", self._one),
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
        ]

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _list(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._about(model) for model in self._models]})

    async def _one(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            return JSONResponse(self._about(_find_model({"model": name}, self._models)))
        except ApiError as e:
            return e.response()

    def _about(self, model: LocalModel) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": self._since, "owned_by": "fingen"}

    async def _complete(self, request: Request) -> Response:
        try:
            asked = parse_request(await read_json(request), self._models, self._max_tokens)
            work: Work[str, Written] = run_beside(lambda work: _write(asked, work))
            if asked.is_streamed:
                first = await anext(work, None)  # what is refused is refused with its status, before a stream begins
                return StreamingResponse(
                    _stream(asked, work, first), media_type="text/event-stream", headers=asked.headers
                )
            async with work:
                async for _ in work:
                    if await request.is_disconnected():
                        work.stop()
            return JSONResponse(_whole(asked, work.result), headers=asked.headers)
        except ApiError as e:
            return e.response()
        except FingenError as e:
            return _of_model(e).response()


def _write(asked: ChatRequest, work: Work[str, Written]) -> Written:
    return asked.model.write(asked.asked, asked.max_tokens, asked.sampling(), work.hand_on, lambda: work.is_stopped)


def _of_model(e: FingenError) -> ApiError:
    said = f"{e}; {e.hint}" if e.hint else str(e)
    return ApiError(said, status=503 if isinstance(e, LimitError) else 400 if isinstance(e, UsageError) else 500)


async def read_json(request: Request) -> Any:
    """The body of a request, which must be JSON whatever it is said to be.

    Raises:
        ApiError: it is too large, or none.
    """
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_BYTES:
            raise ApiError(f"the request has more than {BODY_BYTES:,} bytes", status=413)
    try:
        body = json.loads(content)
        json.dumps(
            body, ensure_ascii=False
        ).encode()  # half a character, as in "\\ud800", is none that a model could be put
    except (ValueError, RecursionError) as e:
        raise ApiError(f"the request is no JSON: {e}") from e
    return body


def _whole(asked: ChatRequest, written: Written) -> dict[str, Any]:
    message = {"role": "assistant", "content": written.text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": FINISH[written.ending], "logprobs": None}
    return {**_head(asked, "chat.completion"), "choices": [choice], "usage": _usage(written)}


def _head(asked: ChatRequest, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{secrets.token_hex(12)}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": asked.model.name}


def _usage(written: Written) -> dict[str, int]:
    total = written.prompt_tokens + written.tokens
    return {"prompt_tokens": written.prompt_tokens, "completion_tokens": written.tokens, "total_tokens": total}


async def _stream(asked: ChatRequest, work: Work[str, Written], first: str | None) -> AsyncIterator[str]:
    """Server-sent events; who goes away ends the work."""
    head = _head(asked, "chat.completion.chunk")

    def event(delta: Mapping[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _event({**head, "choices": [choice], **({"usage": None} if asked.with_usage else {})})

    async with work:
        yield event({"role": "assistant", "content": first or ""})
        try:
            async for piece in work:
                yield event({"content": piece})
            yield event({}, FINISH[work.result.ending])
            if asked.with_usage:
                yield _event({**head, "choices": [], "usage": _usage(work.result)})
        except FingenError as e:
            yield _event(json.loads(bytes(_of_model(e).response().body)))
        yield "data: [DONE]\n\n"


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {dump_json(value)}\n\n"
