"""A merged model behind an interface like OpenAI's: handed to `transformers serve`, on this machine alone, for this machine alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fingen.training.preflight import refuse, serving_obstacles
from fingen.web.guard import HOST, guard_paths
from fingen.web.server import take_port

# There is no key: whatever on this machine can reach it may ask. What loads other models, or unloads this one, is not there.
PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/models", "/health"})


def serve(folder: Path, port: int, say: Callable[[str], None] = lambda text: None) -> None:
    """Serve the model in `folder` until Ctrl-C. `say` gets the address once the port is known to be free.

    Raises:
        UsageError: the folder holds no merged model, a library is missing, or the port is taken.
    """
    refuse(list(serving_obstacles(folder)))
    take_port(port).close()
    # Its class and not its command line, which would ask a package index for newer versions first.
    from transformers.cli.serve import Serve

    class Guarded(Serve):
        """Serves through `guard_paths`. It starts nothing by itself: where that changes, nothing is served."""

        def start_server(self) -> None:
            """Serve, in this thread and until Ctrl-C, where `Serve` would do so in another one."""
            app: Any = self.server.config.app  # an app in one of several forms, of which `Serve` has one
            self.server.config.app = guard_paths(app, port, PATHS)
            self.server.run()

    say(f"loading {folder}; then: http://{HOST}:{port}/v1  (Ctrl-C ends it)")
    with contextlib.suppress(KeyboardInterrupt):
        Guarded(str(folder), host=HOST, port=port, non_blocking=True)
