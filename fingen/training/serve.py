"""A merged model behind an interface like OpenAI's: handed to `transformers serve`, on this machine alone, for this machine alone."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from fingen.errors import UsageError
from fingen.training.preflight import refuse, serving_obstacles

HOST = "127.0.0.1"  # there is no key: whoever can reach it may ask
NAMES = (HOST, "localhost", "[::1]")  # by which this machine calls it
PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/models", "/health"})
FORBIDDEN = 403

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def serve(folder: Path, port: int, say: Callable[[str], None] = lambda text: None) -> None:
    """Serve the model in `folder` until Ctrl-C. `say` gets the address once the port is known to be free.

    Raises:
        UsageError: the folder holds no merged model, a library is missing, or the port is taken.
    """
    refuse(list(serving_obstacles(folder)))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as e:
            raise UsageError(f"port {port} is taken: {e.strerror}", hint="name another one with --port") from e
    # Its class and not its command line, which would ask a package index for newer versions first.
    from transformers.cli.serve import Serve

    class Guarded(Serve):
        """Serves through `guard`. It starts nothing by itself: where that changes, nothing is served."""

        def start_server(self) -> None:
            """Serve, in this thread and until Ctrl-C, where `Serve` would do so in another one."""
            self.server.config.app = guard(self.server.config.app, port)
            self.server.run()

    say(f"loading {folder}; then: http://{HOST}:{port}/v1  (Ctrl-C ends it)")
    with contextlib.suppress(KeyboardInterrupt):
        Guarded(str(folder), host=HOST, port=port, non_blocking=True)


def guard(app: App, port: int) -> App:
    """The app for this machine's programs alone, and for asking alone.

    A page in a browser reaches this machine too, by a name of its own that it has point here: what it sends names it, as host
    or as origin. What loads other models, or unloads this one, is not there.
    """

    async def guarded(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and not (why := _refusal(scope, port))):
            await app(scope, receive, send)
        elif scope["type"] == "http":
            body = json.dumps({"error": {"message": why, "type": "forbidden"}}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": FORBIDDEN, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:  # a web socket
            await send({"type": "websocket.close", "code": 1008})

    return guarded


def _refusal(scope: Message, port: int) -> str:
    """Why a request is not let through; empty where it is."""
    hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == 80 else set())
    said = {
        name: [v.decode("latin-1").lower() for n, v in scope["headers"] if n == name] for name in (b"host", b"origin")
    }
    if len(said[b"host"]) != 1 or said[b"host"][0] not in hosts:
        return "only programs of this machine may ask, by its own name"
    if any(origin not in {f"http://{host}" for host in hosts} for origin in said[b"origin"]):
        return "only pages of this machine may ask"
    if scope["path"] not in PATHS:
        return f"there is no {scope['path']} here"
    return ""
