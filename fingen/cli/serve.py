"""`fingen serve`: models of this machine behind OpenAI's protocol."""

from __future__ import annotations

from typing import Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, print_json
from fingen.cli.options import options_of, settings_of
from fingen.config import ServedModels
from fingen.errors import UsageError

PORT = 8000


@click.command("serve", cls=Command)
@click.argument("models", nargs=-1, metavar="MODEL...", shell_complete=completers.models)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Where it listens, on 127.0.0.1."
)
@options_of(ServedModels)
@command_options
def command(port: int, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Serve models on this machine, with the protocol of OpenAI, until Ctrl-C.

    MODEL is a folder that `fingen finetune` or `fingen merge` has made, any model by alias, Hub id or folder, or any LoRA adapter
    with --base MODEL and --form. Each is asked by a short name, the one of its folder: /v1/models lists them. Adapters of one base
    share it in memory. Only this machine can reach it, without a key; it needs the extra [review]. For many users take vLLM:
    the card of a merged model has the command.

    \b
    Examples:
      $ fingen serve build/models/intent-llama3
      $ fingen serve build/adapters/intent-llama3 build/adapters/fpb-llama3 --port 9000
    """
    from fingen.web.server import need_extra

    settings = settings_of(ServedModels, options)
    if not settings.models:
        raise UsageError("which model?", hint="name a folder, such as one below build/adapters/, an alias, or a Hub id")
    need_extra()
    from fingen.serving.serve import serve

    def ready(address: str, names: list[str]) -> None:
        if as_json:
            print_json({"address": address, "models": names})
        else:
            echo(f"{', '.join(names)}: {address}")

    serve(settings, port, lambda text: None if quiet else echo(text, err=True), ready)
