"""Keys, and errors of providers that do not reveal them.

The errors of both SDKs carry the request with its headers, and so the key; their loggers print whole prompts. What
leaves `fingen.teachers` are TeacherErrors made here, with no SDK error behind them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

from fingen.errors import TeacherError
from fingen.wire import LIMITED, RETRYABLE, Refusal, Secret

GAVE_UP_WAITING = frozenset({504, 524})  # from a gateway: the model behind it may have answered, and billed
OF_ONE_REQUEST = frozenset({400, 413, 422})  # what they refuse is this request: its length, or what it says
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})  # httpx2's names
STREAMED = {"X-Stainless-Raw-Response": "stream"}  # what the SDKs' own with_streaming_response asks for


@dataclass(frozen=True)
class Account:
    """An account with a provider, as hints name it: the key's variable, and where keys and credit are managed."""

    key: str
    console: str


def no_key(account: Account) -> TeacherError:
    """Build the error for a missing key."""
    hint = (
        f"make one at {account.console}, then write a line {account.key}=... into ./.env, or: export {account.key}=..."
    )
    return TeacherError(f"no key: {account.key} is not set", hint=hint)


def quiet(library: str) -> None:
    """Keep an SDK from logging: at debug level it prints every prompt, and it switches that on by a variable."""
    os.environ.pop(f"{library.upper()}_LOG", None)
    for name in (library, "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(f"{library}."):
            logging.getLogger(name).disabled = True  # a level set on it by name later does not bring it back


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
        alone=not billing and status in OF_ONE_REQUEST,
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
    what = "no answer in time" if kind.endswith(("Timeout", "TimeoutError")) else "the connection failed"
    detail = f": {secret.mask(str(cause))}" if cause and str(cause) else ""
    return TeacherError(
        f"{teacher}: {what} ({kind}{detail})",
        retryable=True,
        possibly_billed=kind not in NEVER_SENT,
        hint="see that the server runs and the network is up, then run the same command again",
    )


def unreadable(teacher: str, what: str) -> TeacherError:
    """The error for an answer that is none (`what` came in its place): it was cut, or comes from something between."""
    return TeacherError(
        f"{teacher}: the answer is not whole, or not JSON: {what}",
        retryable=True,
        possibly_billed=True,
        unreadable=True,
        hint="see that nothing between here and the server answers in its place, then run the same command again",
    )


def no_answer(teacher: str, said: Refusal, account: Account, *, is_error: bool, is_billed: bool) -> TeacherError:
    """The error for a good status with an error, or nothing at all, in place of an answer: an overload more often than not.

    Args:
        teacher: Its name, for the message.
        said: What is in it.
        account: Whose key it was.
        is_error: Whether it speaks of an error.
        is_billed: Whether it counts tokens.
    """
    words = ": ".join(filter(None, ("no answer in the answer", said.code, said.message)))
    return TeacherError(
        f"{teacher}: {words}",
        retryable=not said.is_billing,
        limited=is_error and not said.is_billing,
        possibly_billed=is_billed or not is_error,
        hint=_hint(said, account, {200: "run the same command again later: what was answered is kept"}),
    )
