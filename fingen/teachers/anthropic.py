"""Claude as a teacher, through Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import ModuleType
from typing import Any, ClassVar

import anthropic

from fingen import wire
from fingen.disk import dump_json
from fingen.records import Request, Usage
from fingen.teachers import credentials, prices
from fingen.teachers.sdk import SdkTeacher, read_usage

# An hour: a run outlives five minutes between two of its answers.
CACHE = {"type": "ephemeral", "ttl": "1h"}


class Anthropic(SdkTeacher):
    """Asks a Claude model, or one behind a gateway that speaks the protocol."""

    provider = "anthropic"
    account = credentials.Account("ANTHROPIC_API_KEY", "https://platform.claude.com/settings/keys")
    official_url = "https://api.anthropic.com"
    answers_path, models_path = "/v1/messages", "/v1/models"
    no_models_endpoint = frozenset({404, 405, 501})
    unknown_model = "not_found_error"
    sdk: ClassVar[ModuleType] = anthropic
    client_type = anthropic.AsyncAnthropic
    client_options: ClassVar[Mapping[str, Any]] = {
        "open_telemetry": False
    }  # it can be told by a variable to export prompts
    _takes_effort = True  # `check` asks; models before Claude Opus 4.5 do not

    @staticmethod
    def is_official(base_url: str) -> bool:
        """Whether a server is Anthropic's own."""
        return wire.server_name(base_url) == wire.server_name(Anthropic.official_url)

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the Messages API takes it, alone or in a batch."""
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.room(request),
            "messages": self.turns(request),
        }
        if request.system:
            body["system"] = [{"type": "text", "text": request.system, "cache_control": CACHE}]
        config: dict[str, Any] = {"effort": "low"} if self._takes_effort else {}
        if request.answer_schema:
            config["format"] = {"type": "json_schema", "schema": self.schema(request)}
        return {**body, "output_config": config} if config else body

    @staticmethod
    def build_schema(schema: dict[str, Any]) -> dict[str, Any]:
        """The schema as the SDK sends it."""
        return anthropic.transform_schema(schema)

    @staticmethod
    def has_answer(answer: Mapping[str, Any]) -> bool:
        """Whether a model wrote it: it says why it stopped, or holds some of what was written."""
        return bool(answer.get("stop_reason")) or bool(isinstance(answer.get("content"), list) and answer["content"])

    @staticmethod
    def read_text(answer: Mapping[str, Any]) -> tuple[str, str]:
        """Text and stop reason. A refusal often has no text: then its category stands there."""
        content = answer.get("content")
        if not isinstance(content, list):
            return dump_json(answer), "not a message"
        blocks = (block for block in content if isinstance(block, Mapping) and block.get("type") == "text")
        text = "".join(str(block.get("text", "")) for block in blocks)
        stop_reason = str(answer.get("stop_reason") or "unknown")
        if stop_reason == "refusal" and not text:
            details = wire.mapping(answer.get("stop_details"))
            text = ": ".join(str(details[name]) for name in ("category", "explanation") if details.get(name))
        return text, stop_reason

    @staticmethod
    def read_usage(answer: Mapping[str, Any]) -> Usage | None:
        """The tokens billed; None where the server does not say, or what cannot be. `input_tokens` leaves the cache out."""
        usage = wire.mapping(answer.get("usage"))
        counts = (
            wire.count(usage.get("input_tokens")),
            wire.count(usage.get("cache_read_input_tokens") or 0),
            wire.count(usage.get("cache_creation_input_tokens") or 0),
            wire.count(usage.get("output_tokens")),
        )
        return read_usage(*counts)

    def read_model(self, found: Mapping[str, Any], today: date) -> str | None:
        """Take note of what the model can do; returns a warning if it ends soon. Raises TeacherError if it has ended."""
        effort = wire.mapping(wire.mapping(found.get("capabilities")).get("effort"))
        self._takes_effort = effort.get("supported") is not False
        lifecycle = found.get("lifecycle")
        end = wire.parse_day(found.get("retires_at")) if lifecycle else prices.ends(self.model)
        ended = lifecycle == "retired" if lifecycle else bool(end and end < today)
        return prices.end_notice(self.provider, self.model, end, today, ended=ended)
