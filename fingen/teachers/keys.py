"""Keys, and the seam to the providers that must not give them away.

The errors of both SDKs carry the request with its headers, and so the key; their loggers print whole prompts. What
leaves `fingen.teachers` are TeacherErrors made here, with no SDK error behind them.
"""

from __future__ import annotations

import logging
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

from fingen.errors import TeacherError, UsageError, redact

ENV_FILE = Path(".env")  # in the working directory
MESSAGE_CHARACTERS = 300  # of a provider's message that are shown
RETRYABLE = frozenset({408, 409, 429})  # and all from 500 on
LIMITED = frozenset({429, 529})
GAVE_UP_WAITING = frozenset({504, 524})  # from a gateway: the model behind it may have answered, and billed
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})  # httpx2's names
STREAMED = {"X-Stainless-Raw-Response": "stream"}  # what the SDKs' own with_streaming_response asks for
BILLING_CODES = frozenset({"billing_error", "insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
BILLING_ENDINGS = ("spend_limit_reached", "billing_unavailable", "billing_not_authorized")
BILLING_WORDS = ("credit balance is too low", "specified api usage limits")  # Anthropic says these with a plain 400
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
class Account:
    """What hints name: the key's variable, and where keys and credit are managed."""

    key: str
    console: str


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
        return parse_env(ENV_FILE.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError:  # there is none, or it is not ours to read: the error for the missing key says what to do
        return {}


def no_key(account: Account) -> TeacherError:
    """What to say where there is no key."""
    hint = f"make one at {account.console}, then: export {account.key}=...   (or a line {account.key}=... in ./.env)"
    return TeacherError(f"no key: {account.key} is not set", hint=hint)


def quiet(library: str) -> None:
    """Keep an SDK from logging: at debug level it prints every prompt, and it switches that on by a variable."""
    os.environ.pop(f"{library.upper()}_LOG", None)
    for name in (library, "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(f"{library}."):
            logging.getLogger(name).disabled = True  # a level set on it by name later does not bring it back


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
    message = " ".join(str(error.get("message") or error.get("detail") or "").split())
    return Refusal(
        status=status,
        code=secret.mask(next((code for code in codes if code and isinstance(code, str)), "")),
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
    when = parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, mktime_tz(when) - time.time()) if when else None


def refused(teacher: str, refusal: Refusal, account: Account, hints: Mapping[int, str]) -> TeacherError:
    """The error for a refusal.

    Args:
        teacher: Its name, for the message.
        refusal: What the server said.
        account: Whose key it was.
        hints: Status -> what to do, where the teacher knows better.
    """
    status, billing = refusal.status, refusal.is_billing
    what = f"status {status}" + (f" ({refusal.code})" if refusal.code else "")
    # The message about a wrong key may quote a part of it, which no mask finds.
    message = f": {refusal.message}" if refusal.message and status != 401 else ""
    return TeacherError(
        f"{teacher}: {what}{message}",
        retryable=not billing and (status in RETRYABLE or status >= 500),
        limited=not billing and status in LIMITED,
        retry_after=refusal.retry_after,
        possibly_billed=status in GAVE_UP_WAITING,
        hint=_hint(refusal, account, hints),
    )


def _hint(refusal: Refusal, account: Account, hints: Mapping[int, str]) -> str:
    if refusal.is_billing:
        return f"add credit or raise the limit at {account.console}, then run the same command again"
    if refusal.status in hints:
        return hints[refusal.status]
    if refusal.status == 401:
        return f"the key in {account.key} was not accepted: compare it with {account.console}"
    if refusal.status == 403:
        return f"the key in {account.key} may not do this: see its permissions at {account.console}"
    if refusal.status == 413:
        return "the passage is too large for this model: ask with smaller chunks"
    if refusal.status in RETRYABLE or refusal.status >= 500:
        return "run the same command again later: what was answered is kept"
    return "the server does not take this request: name another model, or a server with JSON schema output"


def broken_off(teacher: str, cause: BaseException | None, secret: Secret) -> TeacherError:
    """The error for a connection that failed or timed out; `cause` is the HTTP library's."""
    kind = type(cause).__name__
    what = "no answer in time" if kind.endswith("Timeout") else "the connection failed"
    detail = f": {secret.mask(str(cause))}" if cause and str(cause) else ""
    return TeacherError(
        f"{teacher}: {what} ({kind}{detail})",
        retryable=True,
        possibly_billed=kind not in NEVER_SENT,
        hint="see that the server runs and the network is up, then run the same command again",
    )


def is_from_http(e: BaseException) -> bool:
    """Whether the HTTP library below the SDKs raised it; fingen does not depend on that by name."""
    return type(e).__module__.partition(".")[0] in ("httpx2", "httpcore2", "httpx", "httpcore")


def unreadable(teacher: str) -> TeacherError:
    """The error for an answer that is no JSON: it was cut on its way, or comes from something between."""
    return TeacherError(
        f"{teacher}: the answer is not whole, or not JSON",
        retryable=True,
        possibly_billed=True,
        hint="see that nothing between here and the server answers in its place, then run the same command again",
    )


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one in place of anything else: servers leave fields out, and give null for them."""
    return value if isinstance(value, Mapping) else {}


def count(value: object) -> int:
    """A number of tokens; 0 for anything that is none."""
    return value if isinstance(value, int) and value > 0 else 0


def parse_day(value: object) -> date | None:
    """The day of an ISO date or time; None for anything else."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
