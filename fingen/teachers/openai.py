"""GPT as a teacher, through OpenAI's Chat Completions API, and any server that speaks it: vLLM, Ollama, llama.cpp."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import urlsplit

import openai

from fingen import wire
from fingen.disk import dump_json
from fingen.records import Request, Usage
from fingen.teachers import credentials, prices
from fingen.teachers.sdk import SdkTeacher, read_usage

REASONING = ("gpt-5", "gpt-6")  # families that take `reasoning_effort`
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
IN_THE_CLEAR = "name the server in OPENAI_BASE_URL beside it"  # shows that the two belong together
# What strict schemas may hold (https://developers.openai.com/api/docs/guides/structured-outputs). The rest, lengths of
# strings above all, is refused, and is checked on this side.
KEYWORDS = frozenset(
    "type description enum const format pattern minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems "
    "maxItems".split()
)


class OpenAI(SdkTeacher):
    """Asks a GPT model, or one behind a compatible server: its base URL ends in /v1, and its price is known only if given."""

    provider = "openai"
    account = credentials.Account("OPENAI_API_KEY", "https://platform.openai.com/api-keys")
    official_url = "https://api.openai.com/v1"
    answers_path, models_path = "/chat/completions", "/models"
    no_models_endpoint = frozenset({400, 404, 405, 501})  # 400: for the slash that many names hold
    unknown_model = "model_not_found"
    sdk: ClassVar[ModuleType] = openai
    client_type = openai.AsyncOpenAI

    def __init__(self, model: str, *, base_url: str | None = None, **options: Any) -> None:
        super().__init__(model, base_url=base_url, **options)
        # A key is not sent in the clear to another machine, unless the address stands in the environment beside the key.
        is_local = wire.is_local(urlsplit(self._base_url).hostname or "")
        self._may_send_key = self._base_url.startswith("https") or base_url is None or is_local
        self._priced_model = model if self._is_official else None

    @staticmethod
    def is_official(base_url: str) -> bool:
        """Whether a server is OpenAI's own, in any region."""
        host = urlsplit(base_url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")

    def find_key(self) -> str | None:
        """The key to send; a compatible server may do without one."""
        key = wire.find_key(self.account.key) if self._may_send_key else None
        if key is None and self._is_official:
            raise credentials.no_key(self.account)
        return key

    async def check_compatible(self) -> str | None:
        """For servers that only list their models, vLLM among them. Some load others on demand: so this only warns."""
        found = await self.call("GET", self.models_path)
        if isinstance(found, wire.Refusal):
            if found.status in self.no_models_endpoint:
                return None
            raise self.refused(found)
        rows = found.get("data")
        names = [str(wire.mapping(row).get("id")) for row in rows] if isinstance(rows, list) else []
        if not names or self.model in names:
            return None
        return f"{wire.server_name(self._base_url)} does not list {self.model}; it lists {', '.join(names[:8])}"

    def read_model(self, found: Mapping[str, Any], today: date) -> str | None:
        """A warning if the model ends soon. Raises TeacherError if it has ended."""
        end = wire.parse_day(found.get("shutdown_date")) or prices.ends(self.model)
        return prices.end_notice(self.provider, self.model, end, today, ended=bool(end and end < today))

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the Chat Completions API takes it, alone or in a batch."""
        system: dict[str, Any] = {"role": "system", "content": request.system}
        messages = [*([system] if request.system else []), *self.turns(request)]
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        if request.answer_schema:
            schema = {"name": "answer", "strict": True, "schema": self.schema(request)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if not self._is_official:
            return {**body, "max_tokens": self.room(request)}  # servers are slow to learn the newer name
        body["max_completion_tokens"] = self.room(request)
        if self.model.startswith(REASONING):
            body["reasoning_effort"] = "low"
        if prices.takes_cache_breakpoints(self.model):
            # Without it the whole prompt is written to the cache, at 1.25 of its price, and only `system` is ever read.
            body["prompt_cache_options"] = {"mode": "explicit"}
            part = {"type": "text", "text": request.system, "prompt_cache_breakpoint": {"mode": "explicit"}}
            system["content"] = [part]
        return body

    @staticmethod
    def build_schema(schema: dict[str, Any]) -> dict[str, Any]:
        """The schema as strict mode takes it."""
        return strict_schema(schema)

    @staticmethod
    def has_answer(answer: Mapping[str, Any]) -> bool:
        """Whether a model wrote it: it says why it stopped (for an error is no reason), or holds some of what was written."""
        choices = answer.get("choices")
        choice = wire.mapping(choices[0]) if isinstance(choices, list) and choices else {}
        message = wire.mapping(choice.get("message"))
        finish = choice.get("finish_reason")
        return finish != "error" and bool(finish or message.get("content") or message.get("refusal"))

    @staticmethod
    def read_text(answer: Mapping[str, Any]) -> tuple[str, str]:
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

    @staticmethod
    def read_usage(answer: Mapping[str, Any]) -> Usage | None:
        """The tokens billed; None where the server does not say, or what cannot be. `prompt_tokens` includes what was cached."""
        usage = wire.mapping(answer.get("usage"))
        details = wire.mapping(usage.get("prompt_tokens_details"))
        prompt, read, written = (
            wire.count(usage.get("prompt_tokens")),
            wire.count(details.get("cached_tokens") or 0),
            wire.count(details.get("cache_write_tokens") or 0),
        )
        if prompt is None or read is None or written is None:
            return None
        return read_usage(
            wire.count(prompt - read - written), read, written, wire.count(usage.get("completion_tokens"))
        )

    def hints(self) -> dict[int, str]:
        """Status of a refusal -> what to do."""
        hints = super().hints()
        if not self._is_official:
            hints[404] = "name a model that the server has, and see that the base URL is whole: most end in /v1"
            if self._secret.is_empty:
                hints[401] = (
                    f"set the server's key in {self.account.key}; where it is to cross a network without https, {IN_THE_CLEAR}"
                )
        return hints


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
