"""A page on this machine: served at 127.0.0.1, on a port that is free, until Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fingen.errors import UsageError
from fingen.install import install_command
from fingen.web.guard import HOST, App, address, guard_page, guard_paths, new_token

if TYPE_CHECKING:
    from collections.abc import Container

    from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).with_name("static")  # what all pages share
NEEDED = ("starlette", "uvicorn")
ENDING_SECONDS = 2  # that answers on their way are given when the server ends


def need_extra() -> None:
    """Do nothing where the extra [review] is installed.

    Raises:
        UsageError: it is not.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(f"not installed: {', '.join(missing)}", hint=install_command("review"))


def serve_page(
    app: App, port: int | None, say: Callable[[str], None], *, open_paths: Container[str] = frozenset()
) -> None:
    """Serve an app until Ctrl-C, which is its ordinary end. `say` gets the address, with its token, once it answers there.

    Without `port` one is taken that is free. `open_paths` are there without the token.

    Raises:
        UsageError: the port is taken, or the extra is not installed.
    """
    token = new_token()
    _serve(
        lambda number: guard_page(app, number, token, open_paths=open_paths), port,
        lambda number: say(address(number, token)),
    )  # fmt: skip


def serve_programs(app: App, port: int | None, say: Callable[[str], None], paths: Container[str]) -> None:
    """Serve those paths of an app to this machine's programs, without a token, until Ctrl-C. `say` gets the address.

    Raises:
        UsageError: as `serve_page`.
    """
    _serve(lambda number: guard_paths(app, number, paths), port, lambda number: say(address(number)))


def _serve(guarded: Callable[[int], App], port: int | None, say: Callable[[int], None]) -> None:
    need_extra()
    import uvicorn

    with take_port(port) as held:
        number = held.getsockname()[1]
        config = uvicorn.Config(
            guarded(number),
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # what a request says of where it comes from is not believed
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=ENDING_SECONDS,
        )

        class Announced(uvicorn.Server):
            """Says where it is once it answers there, and hears what ends it."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                say(number)

        with contextlib.suppress(KeyboardInterrupt):
            Announced(config).run(sockets=[held])


def take_port(port: int | None) -> socket.socket:
    """A socket that listens on this machine, at a port of its own choice if none is named.

    Raises:
        UsageError: the port is taken.
    """
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, port or 0))
        held.listen(128)
    except OSError as e:
        held.close()
        raise UsageError(f"port {port} is taken: {e.strerror}", hint="name another one with --port") from e
    return held


def static_files(folder: Path = STATIC) -> StaticFiles:
    """The files of a folder, as an app to mount."""
    from starlette.staticfiles import StaticFiles

    return StaticFiles(directory=folder)
