"""What goes over the wire: keys that show as ***, the addresses of servers, and what their answers say."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from email.utils import mktime_tz, parsedate_tz
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from fingen.disk import dump_json
from fingen.errors import TeacherError, UsageError, redact

ENV_FILE = Path(".env")  # in the working directory
ENV_CHARACTERS = 1 << 20  # of it that are read
MESSAGE_CHARACTERS = 300  # of a provider's message that are shown
ANSWER_BYTES = 16 << 20  # that an answer may have, unpacked: several times what a model can write
REFUSAL_BYTES = 64 << 10  # of a refusal that are read
MOST_LEVELS = 64  # of an answer's JSON, one in another
MOST_TOKENS = 100_000_000  # in one answer or its prompt; a server that counts more cannot count
SHOWN_CHARACTERS = 60  # of a body that is none of JSON
RETRYABLE = frozenset({408, 409, 429})  # and all from 500 on
LIMITED = frozenset({429, 529})
BILLING_CODES = frozenset({"billing_error", "insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
BILLING_ENDINGS = ("spend_limit_reached", "billing_unavailable", "billing_not_authorized")
BILLING_WORDS = ("credit balance is too low", "specified api usage limits")  # Anthropic says these with a plain 400
KEPT = ("HOME", "LANG", "LANGUAGE", "PATH", "SHELL", "SYSTEMROOT", "TEMP", "TESSDATA_PREFIX", "TMP", "TMPDIR", "TZ", "USER",
        "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV")  # fmt: skip  # of the environment
KEPT_BEGINNINGS = ("LC_", "OMP_", "PYTHON")
_ENGINE = re.compile(r"ray(?::(?P<address>auto|(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}))?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # of an address; a single letter is a drive
_SPACE = re.compile(r"\s")


class Secret:
    """A key that shows as ***, so that no repr and no traceback with local variables gives it away.

    The password in the address that it is sent to (`url`) goes with it.
    """

    __slots__ = ("_passwords", "_value")

    def __init__(self, value: str, url: str = "") -> None:
        self._value = value
        password = urlsplit(url).password or ""
        self._passwords = tuple(filter(None, {password, unquote(password)}))

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")

    @property
    def is_empty(self) -> bool:
        """Whether there is no key."""
        return not self._value

    def mask(self, text: str) -> str:
        """A text without the key: servers repeat it in their messages."""
        for secret in filter(None, (self._value, *self._passwords)):
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True)
class Refusal:
    """What a server said in place of an answer. It holds no key and no header."""

    status: int
    code: str  # the server's word for it, "" where it has none
    message: str  # masked
    retry_after: float | None  # seconds

    @property
    def is_billing(self) -> bool:
        """Whether money is missing: waiting does not help."""
        by_code = self.code in BILLING_CODES or self.code.endswith(BILLING_ENDINGS)
        by_message = self.status == 400 and any(words in self.message.lower() for words in BILLING_WORDS)
        return self.status == 402 or by_code or by_message


def find_key(name: str) -> str | None:
    """A key of that name: from the environment, else from .env in the working directory; None where neither has it.

    Raises:
        TeacherError: what stands there cannot be a key.
    """
    value = os.environ.get(name, "").strip() or _read_env_file().get(name, "").strip()
    if not all("!" <= char <= "~" for char in value):
        # The value itself must not be in the message, and would be in that of the HTTP library.
        raise TeacherError(
            f"{name} holds a space or a character that no key has", hint=f"copy the key into {name} again"
        )
    return value or None


def is_key_from_file(name: str) -> bool:
    """Whether the key of that name is the one in .env, which a folder of others may bring along."""
    return not os.environ.get(name, "").strip() and find_key(name) is not None


def parse_env(text: str) -> dict[str, str]:
    """The values of a .env file: KEY=value lines, with or without `export` and quotes; the last one of a name counts."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            values[name.strip()] = _unquote(value)
    return values


def _unquote(value: str) -> str:
    quoted = value.strip()
    if quoted[:1] in ("'", '"') and quoted.count(quoted[0]) > 1:
        return quoted[1 : quoted.index(quoted[0], 1)]
    return "" if quoted.startswith("#") else quoted.partition(" #")[0].strip()


def _read_env_file() -> dict[str, str]:
    try:
        if not ENV_FILE.is_file():  # there is none; or a pipe or device, which may have no end
            return {}
        with ENV_FILE.open(encoding="utf-8-sig", errors="replace") as file:
            return parse_env(file.read(ENV_CHARACTERS))
    except OSError:  # it is not ours to read: the error for the missing key says what to do
        return {}


def server_url(url: str) -> str:
    """A base URL that can be one.

    Raises:
        UsageError: it cannot.
    """
    try:
        parts = urlsplit(url)
        valid = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not _SPACE.search(url)
        )
    except ValueError:  # the port is no number
        valid = False
    if not valid:
        shown = redact(f"://{url.rpartition('@')[2]}").removeprefix("://")  # a password may stand before it
        raise UsageError(f"not the address of a server: {shown}", hint="write it like http://localhost:8000/v1")
    return url


def bare_environment() -> dict[str, str]:
    """What processes that work for this one may know of its environment: no key is among it, by whatever name."""
    return {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_BEGINNINGS)}


def cluster_address(engine: str) -> str:
    """The address in `ray:ADDRESS`, which is auto or HOST:PORT; empty for a Ray of this machine alone, `ray`.

    Raises:
        UsageError: it is neither.
    """
    named = _ENGINE.fullmatch(engine)
    if named is None:
        raise UsageError(
            f"no engine: {engine.rpartition('@')[2]}", hint="write it as ray, ray:auto or ray:10.0.0.1:6379"
        )
    return named["address"] or ""


def refuse_address(given: Path) -> None:
    """Refuse an address where a file or folder is meant, as of a store of objects: nothing is fetched. What is told has no key of it.

    Raises:
        UsageError: it is one, and no file or folder of that name is there.
    """
    if (named := _SCHEME.match(str(given))) and not given.exists():
        raise UsageError(
            f"an address ({named[1]}://...), where a file or folder is meant; nothing was fetched",
            hint="fetch what is there into a folder, and name that: see fingen help cluster",
        )


def server_name(url: str) -> str:
    """Host and port of a URL, as they stand in a teacher's name: without user, password and path."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    return f"{host}:{parts.port}" if parts.port else host


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_refusal(status: int, body: object, headers: Mapping[str, str], secret: Secret) -> Refusal:
    """Read a response that is an error, in any of the forms that servers give it."""
    inner = mapping(body).get("error", body)
    error = mapping(inner) or {"message": inner}
    codes = (mapping(error.get("details")).get("error_code"), error.get("code"), error.get("type"))
    said = " ".join(str(error.get("message") or error.get("detail") or "").split())
    message = "".join(char if char.isprintable() else "\ufffd" for char in said)
    return Refusal(
        status=status,
        code=secret.mask(next((code for code in codes if code and isinstance(code, str) and code.isprintable()), "")),
        message=secret.mask(message)[:MESSAGE_CHARACTERS],
        retry_after=parse_retry_after(headers),
    )


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        when = parsedate_tz(headers.get("retry-after", ""))
        return max(0.0, mktime_tz(when) - time.time()) if when else None
    except (ValueError, OverflowError, IndexError, TypeError):  # a date that no calendar has
        return None


def is_from_http(e: BaseException) -> bool:
    """Whether the HTTP library below the SDKs raised it; fingen does not depend on that by name."""
    return type(e).__module__.partition(".")[0] in ("httpx2", "httpcore2", "httpx", "httpcore")


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one in place of anything else: servers leave fields out, and give null for them."""
    return value if isinstance(value, Mapping) else {}


def count(value: object) -> int | None:
    """A number of tokens or requests; None for anything that cannot be one."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def parse_json(content: bytes, secret: Secret | None = None) -> Any:
    """What stands in a body, or in a line of one. Half characters, which JSON can name and no file can hold, are replaced.

    A `secret` in it is not shown, nor a part of it: it is masked before what is shown is cut.

    Raises:
        ValueError: says what came in place of JSON.
    """
    if len(content) > ANSWER_BYTES:
        raise ValueError(f"more than {ANSWER_BYTES >> 20} MB")
    if not content.strip():
        raise ValueError("empty")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text)
        if _is_deep(value):
            raise RecursionError
        return json.loads(dump_json(value).encode(errors="replace")) if "\\ud" in text.lower() else value
    except UnicodeDecodeError as e:
        raise ValueError(f"not UTF-8: {_begin(content.decode(errors='backslashreplace'), secret)}") from e
    except RecursionError as e:
        raise ValueError(f"JSON of more than {MOST_LEVELS} levels") from e
    except ValueError as e:
        raise ValueError(f"not JSON: {_begin(text, secret)}") from e


def _begin(text: str, secret: Secret | None) -> str:
    return repr((secret.mask(text) if secret else text)[:SHOWN_CHARACTERS])


def parse_object(content: bytes, secret: Secret | None = None) -> Mapping[str, Any]:
    """The JSON object in a body, or in a line of one.

    Raises:
        ValueError: says what came in place of it.
    """
    value = parse_json(content, secret)
    if not isinstance(value, Mapping):
        raise ValueError(f"not a JSON object: {_begin(dump_json(value), secret)}")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def parse_day(value: object) -> date | None:
    """The day of an ISO date or time; None for anything else."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
