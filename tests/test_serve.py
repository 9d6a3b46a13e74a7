"""What is let through to a served model: this machine's own programs, asking for answers."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the extra [train] is not installed")

from fingen.training.serve import PATHS
from fingen.web.guard import guard_paths

PORT = 8123
OWN = f"127.0.0.1:{PORT}"
CHAT = "/v1/chat/completions"


def ask(kind: str = "http", path: str = CHAT, **headers: str | list[str]) -> tuple[int | None, bool]:
    """The status of the answer, and whether the app itself was reached."""
    reached: list[str] = []
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing of a request is read before it is let through")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    given = [(n.encode(), v.encode()) for n, vs in headers.items() for v in ([vs] if isinstance(vs, str) else vs)]
    asyncio.run(guard_paths(app, PORT, PATHS)({"type": kind, "path": path, "headers": given}, receive, send))
    return sent[0].get("status") if sent else None, bool(reached)


@pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}", f"[::1]:{PORT}", f"LocalHost:{PORT}"])
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/health"])
def test_programs_of_this_machine_ask(host: str, path: str):
    assert ask(path=path, host=host) == (200, True)
    assert ask(path=path, host=host, origin=f"http://localhost:{PORT}") == (200, True)


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "localhost", "127.0.0.1:80", f"localhost.evil.example:{PORT}",
     f"127.0.0.1.nip.io:{PORT}", f"0.0.0.0:{PORT}", f"2130706433:{PORT}", f"127.0.0.1:{PORT}@evil.example", "",
     [OWN, "evil.example"], []],
)  # fmt: skip
def test_who_calls_this_machine_by_another_name_is_refused(host: str | list[str]):
    assert ask(host=host) == (403, False)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", f"http://evil.example:{PORT}", "null", "", f"https://{OWN}", f"http://{OWN}.evil.example",
     "http://localhost:3000", [f"http://{OWN}", "http://evil.example"]],
)  # fmt: skip
def test_a_page_of_another_place_is_refused(origin: str | list[str]):
    assert ask(host=OWN, origin=origin) == (403, False)


@pytest.mark.parametrize(
    "path",
    [
        "/load_model",
        "/load_model/",
        "//load_model",
        "/reset",
        "/v1/audio/transcriptions",
        "/v1/systemone",
        "/docs",
        "/",
    ],
)
def test_nothing_but_asking_is_there(path: str):
    assert ask(path=path, host=OWN) == (403, False)


def test_a_web_socket_is_closed():
    assert ask("websocket", host=OWN) == (None, False)
