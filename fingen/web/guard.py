"""Who may ask a server on this machine: programs of this machine, and of a browser's pages those that it serves itself.

A page of any site can reach 127.0.0.1 too, by a name of its own that it has point here: what it sends names it, as host or as
origin. Other users of this machine can reach it as well: a page with data is shown to whoever has the token alone.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Container, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

HOST = "127.0.0.1"
NAMES = (HOST, "localhost", "[::1]")  # by which this machine calls itself
FORBIDDEN, SEE_OTHER = 403, 303
TOKEN = "token"  # the name of it in an address
HEADERS = {
    # Nothing from outside, no script and no style within a page, and no text that is taken for markup by a script.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def new_token() -> str:
    """A secret for one run of a server."""
    return secrets.token_urlsafe(24)


def address(port: int, token: str = "", path: str = "/") -> str:
    """Where a page is opened: with the token, which the first answer moves into a cookie."""
    return f"http://{HOST}:{port}{path}" + (f"?{urlencode({TOKEN: token})}" if token else "")


def guard_paths(app: App, port: int, paths: Container[str]) -> App:
    """The app for this machine's programs alone, and nothing of it but these paths."""

    def refuse(scope: Message) -> str:
        return refusal(scope, port) or ("" if scope["path"] in paths else f"there is no {scope['path']} here")

    return _guarded(app, refuse)


def guard_page(app: App, port: int, token: str, *, open_paths: Container[str] = frozenset()) -> App:
    """The app for whoever has the token: in the address at first, then in a cookie, or as a program's bearer.

    Only `open_paths` are there without it, for this machine's programs. All answers have HEADERS.
    """
    cookie = f"fingen-{port}"  # a browser keeps one jar for all ports of a host

    def refuse(scope: Message) -> str:
        if why := refusal(scope, port):
            return why
        if scope["path"] in open_paths or any(
            hmac.compare_digest(given, token.encode()) for given in _tokens(scope, cookie)
        ):
            return ""
        return "open the address that the terminal shows: it has the token that this page asks for"

    async def entered(scope: Message, receive: Receive, send: Send) -> None:
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if scope["type"] == "http" and any(name == TOKEN for name, _ in asked):
            rest = urlencode([(name, value) for name, value in asked if name != TOKEN])
            # From the root on: a path of two slashes would name another host.
            location = "/" + quote(scope["path"].lstrip("/\\")) + (f"?{rest}" if rest else "")
            kept = f"{cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
            await _answer(send, SEE_OTHER, b"", {"location": location, "set-cookie": kept})
        else:
            await app(scope, receive, send)

    return _with_headers(_guarded(entered, refuse))


def refusal(scope: Message, port: int) -> str:
    """Why a request is not let through, by the host and origin that it names; empty where it is."""
    hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == 80 else set())
    said = {name: [value.lower() for value in _header(scope, name)] for name in ("host", "origin")}
    if len(said["host"]) != 1 or said["host"][0] not in hosts:
        return "only programs of this machine may ask, by its own name"
    if any(origin not in {f"http://{host}" for host in hosts} for origin in said["origin"]):
        return "only pages of this machine may ask"
    return ""


def _header(scope: Message, name: str) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name.encode()]


def _tokens(scope: Message, cookie: str) -> list[bytes]:
    """What a request gives as the token, in any of its places."""
    found = [value for name, value in parse_qsl(scope.get("query_string", b"").decode("latin-1")) if name == TOKEN]
    kept = (part.strip().partition("=") for header in _header(scope, "cookie") for part in header.split(";"))
    found += [value for name, _, value in kept if name == cookie]
    found += [value.removeprefix("Bearer ") for value in _header(scope, "authorization")]
    return [value.encode() for value in found]


def _guarded(app: App, refuse: Callable[[Message], str]) -> App:
    async def guarded(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and not (why := refuse(scope))):
            await app(scope, receive, send)
        elif scope["type"] == "http":
            body = json.dumps({"error": {"message": why, "type": "forbidden"}}).encode()
            await _answer(send, FORBIDDEN, body, {"content-type": "application/json"})
        else:  # a web socket
            await send({"type": "websocket.close", "code": 1008})

    return guarded


async def _answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    told = [(name.encode(), value.encode()) for name, value in {**headers, "content-length": str(len(body))}.items()]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


def _with_headers(app: App) -> App:
    """Every answer with HEADERS, whatever the app says of them."""
    own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [pair for pair in message.get("headers", ()) if pair[0].decode("latin-1") not in HEADERS]
                message = {**message, "headers": [*others, *own]}
            await send(message)

        await app(scope, receive, add)

    return wrapped
