"""`fingen demo`: a page where models answer side by side."""

from __future__ import annotations

from typing import Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, print_json
from fingen.cli.options import options_of, settings_of
from fingen.config import Demo
from fingen.errors import UsageError


@click.command("demo", cls=Command)
@click.argument("models", nargs=-1, metavar="[MODEL]...", shell_complete=completers.models)
@click.option("--port", type=click.IntRange(1, 65535), default=None,
              help="Where it listens, on 127.0.0.1.  [default: a free one]")  # fmt: skip
@options_of(Demo)
@command_options
def command(port: int | None, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Serve a page on this machine where models answer side by side, until Ctrl-C.

    MODEL is a folder that `fingen finetune` or `fingen merge` has made, any model by alias, Hub id or folder, or any LoRA adapter
    with --base MODEL and --form; an adapter's base stands beside it. Answers come word by word, in several turns, with a system
    message, and with a passage of the set whose page is shown; the figures of an answer are checked against it as they come. Where a
    set is one of choices the options are shown with how sure each model is of them. A model is loaded when it is first asked. A
    teacher is asked when you have agreed to it on the page. Programs of this machine ask the same models by OpenAI's protocol at
    /v1. It needs the extra [review].

    \b
    Examples:
      $ fingen demo build/adapters/reports-qwen2.5
      $ fingen demo build/adapters/a build/models/b smollm2 --set build/reports --input reports/
      $ fingen demo build/adapters/a --teacher anthropic --budget 1
      $ fingen demo build/adapters/a --teacher openai:qwen3 --base-url http://127.0.0.1:11434/v1
    """
    from fingen.web.server import need_extra

    settings = settings_of(Demo, options)
    if settings.asking.base_url and not settings.teachers:
        raise UsageError("--base-url needs a teacher", hint="name the model there: --teacher openai:MODEL")
    if not settings.models and not settings.teachers:
        raise UsageError("which model?", hint="name a folder, such as one below build/adapters/, an alias, or a Hub id")
    need_extra()
    from fingen.serving.models import find_models
    from fingen.serving.teachers import open_teachers

    found = find_models(settings, base_beside=settings.base_beside), open_teachers(settings)
    from fingen.serving.page import demo  # once it is known that there is something to ask

    demo(
        settings, *found, port, lambda text: None if quiet else echo(text, err=True),
        lambda address: print_json({"address": address}) if as_json else echo(address),
    )  # fmt: skip
