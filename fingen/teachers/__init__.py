"""Who answers: a teacher turns a Request into a Completion; the journal keeps every answer, the dispatcher asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fingen import wire
from fingen.config import Asking
from fingen.errors import UsageError, did_you_mean
from fingen.teachers.base import Teacher
from fingen.teachers.offline import Offline

if TYPE_CHECKING:
    from fingen.teachers.sdk import SdkTeacher

DEFAULT_MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}
MAKERS = {"claude": "anthropic", "gpt": "openai", "chatgpt": "openai"}  # what a model's name begins with -> its teacher
KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}  # in the order in which they are looked for


def choose_teacher(name: str | None, asking: Asking) -> tuple[str, str | None]:
    """The teacher to open, and the variable of the key that it was found by: None where it was named, or is offline.

    Raises:
        UsageError: a server, and nobody said what to ask of it.
        TeacherError: what stands in a key's place cannot be one.
    """
    if name is not None:
        return name, None
    if asking.base_url:
        raise UsageError("--base-url needs a teacher", hint="name the model there: --teacher openai:MODEL")
    for kind, key in KEYS.items():
        if wire.find_key(key):
            return kind, key
    return "offline", None


def open_teacher(name: str, asking: Asking) -> Teacher:
    """The teacher of a name: `offline`, `anthropic[:MODEL]`, `openai[:MODEL]`.

    Raises:
        UsageError: there is none of that name, or a setting that this teacher does not know.
    """
    kind, _, model = name.partition(":")
    if kind not in TEACHERS:
        hint = f"{_meant(name)} choose one of: {', '.join(TEACHERS)}".strip()
        raise UsageError(f"unknown teacher: {name}", hint=hint)
    return TEACHERS[kind](model, asking)


def _meant(name: str) -> str:
    """What a name that is no teacher's most likely means: the teacher of a model, or one that is spelt nearly so."""
    family = name.lower().partition("-")[0]
    if maker := MAKERS.get(family):
        return f"did you mean {maker}?" if family == name.lower() else f"did you mean {maker}:{name}?"
    return did_you_mean(name.partition(":")[0], TEACHERS)


def _offline(model: str, asking: Asking) -> Teacher:
    if model or asking.base_url:
        raise UsageError("the offline teacher has no models and no server", hint="leave out the model and --base-url")
    return Offline()


def _anthropic(model: str, asking: Asking) -> Teacher:
    from fingen.teachers.anthropic import Anthropic  # the SDK is paid for by those who use it

    return _at_servers(Anthropic, model or DEFAULT_MODELS["anthropic"], asking)


def _openai(model: str, asking: Asking) -> Teacher:
    from fingen.teachers.openai import OpenAI

    if asking.base_url and not model:
        raise UsageError("--base-url needs a model", hint="name it: --teacher openai:MODEL")
    return _at_servers(OpenAI, model or DEFAULT_MODELS["openai"], asking)


def _at_servers(kind: type[SdkTeacher], model: str, asking: Asking) -> Teacher:
    """One teacher, however many servers answer as it: the first one that is named gives it its name."""
    options: dict[str, Any] = {
        "concurrency": asking.concurrency,
        "price": asking.price,
        "answer_tokens": asking.answer_tokens,
    }
    first, *others = [kind(model, base_url=url, **options) for url in dict.fromkeys(asking.base_url) or (None,)]
    first.join(others)
    return first


TEACHERS: dict[str, Callable[[str, Asking], Teacher]] = {
    "offline": _offline,
    "anthropic": _anthropic,
    "openai": _openai,
}
