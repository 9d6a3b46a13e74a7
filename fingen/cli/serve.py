"""`fingen serve`: a merged model behind an interface like OpenAI's."""

from __future__ import annotations

from pathlib import Path

import click

from fingen.cli.common import Command, command_options, echo


@click.command("serve", cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Where it listens, on 127.0.0.1."
)
@command_options
def command(model: Path, port: int, as_json: bool, quiet: bool, debug: bool) -> None:
    """Serve a merged model on this machine, with the interface of OpenAI, until Ctrl-C.

    MODEL is a folder that `fingen merge` has written; it is handed to `transformers serve`, which needs
    pip install "transformers[serving]". Only this machine can reach it. What asks must name the model by the same folder, or
    not at all. For many users take vLLM: the card in the folder has the command.

    \b
    Examples:
      $ fingen serve build/models/intent-llama3
      $ fingen serve build/models/intent-llama3 --port 9000
    """
    from fingen.training.preflight import need_extra

    need_extra()
    from fingen.training.serve import serve

    serve(model, port, say=lambda text: None if quiet or as_json else echo(text, err=True))
