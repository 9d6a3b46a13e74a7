"""A merged model behind an interface like OpenAI's: handed to `transformers serve`, on this machine alone."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from fingen.errors import UsageError
from fingen.training.preflight import refuse, serving_obstacles

HOST = "127.0.0.1"  # there is no key: whoever can reach it may ask


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

    say(f"loading {folder}; then: http://{HOST}:{port}/v1  (Ctrl-C ends it)")
    with contextlib.suppress(KeyboardInterrupt):
        Serve(str(folder), host=HOST, port=port)
