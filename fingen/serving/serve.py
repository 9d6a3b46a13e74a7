"""The page-less form: OpenAI's protocol for models of this machine, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette

from fingen.config import ServedModels
from fingen.serving.models import find_models
from fingen.serving.protocol import Protocol
from fingen.web.server import serve_programs, take_port


class OpenPaths:
    """What is there without a token. Whatever on this machine can reach it may ask the models: that costs and tells nothing."""

    def __contains__(self, path: object) -> bool:
        """Whether a path is one of the protocol's."""
        return path == "/health" or str(path).startswith("/v1/")


def serve(
    settings: ServedModels, port: int | None, say: Callable[[str], None], ready: Callable[[str, list[str]], None]
) -> None:
    """Load the models and serve them until Ctrl-C. `say` hears of the loading, `ready` the address and the models' names.

    Raises:
        UsageError: a model cannot be had, a library is missing, or the port is taken.
        HubError: a model cannot be fetched. LimitError: out of memory.
    """
    models = find_models(settings)
    take_port(port).close()  # one that is taken is said before anything is loaded
    for model in models:
        model.open(lambda news, name=model.name: say(f"{name}: {news}"))  # type: ignore[misc]  # mypy knows no default
    say("Ctrl-C ends it")
    names = [model.name for model in models]
    app = Starlette(routes=[*Protocol(models, settings.max_tokens).routes()])
    serve_programs(app, port, lambda address: ready(f"{address}v1", names), OpenPaths())
