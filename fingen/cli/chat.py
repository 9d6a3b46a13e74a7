"""`fingen chat`: ask an adapter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fingen.cli.common import Command, command_options, echo, print_json
from fingen.config import BASE_OF, FORM_OF, FORMS
from fingen.errors import UsageError, visible

SHOWN = "shown"  # what --base alone means


@click.command("chat", cls=Command)
@click.argument("adapter", required=False, metavar="ADAPTER")
@click.option("--once", default=None, metavar="QUESTION", help="Answer this, and end.")
@click.option("--base", is_flag=False, flag_value=SHOWN, default=None, metavar="[MODEL]",
              help=f"Alone: also show what the base says without the adapter. With a name: {BASE_OF}")  # fmt: skip
@click.option("--form", type=click.Choice(FORMS), default=None, help=FORM_OF)
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Length of an answer, at most."
)
@click.option(
    "--trust-remote-code", is_flag=True, help="Run Python code that the base model brings along: read it first."
)
@command_options
def command(
    adapter: str | None, once: str | None, base: str | None, form: str | None, max_tokens: int, trust_remote_code: bool,
    as_json: bool, quiet: bool, debug: bool,
) -> None:  # fmt: skip
    """Ask an adapter, one line at a time; an empty line ends.

    Each line is a question of its own, put as the rows of the training were; nothing is remembered, since the sets hold single
    questions. Answers are the likeliest ones: the same question gives the same answer. ADAPTER is a folder that `fingen finetune` has
    made, or any LoRA adapter (LLaMA-Factory's, peft's), with --base MODEL and --form.

    \b
    Examples:
      $ fingen chat build/adapters/intent-tiny
      $ fingen chat build/adapters/intent-tiny --base --once "Why did finance costs decrease?"
      $ fingen chat saves/mine --base llama3 --form chat
    """
    from fingen.training.preflight import need_adapter, need_extra

    if adapter is None and base not in (None, SHOWN):  # `--base ADAPTER`: it was the flag
        adapter, base = base, SHOWN
    if adapter is None:
        raise UsageError("which adapter?", hint="name its folder, such as one below build/adapters/")
    folder, both = Path(adapter), base == SHOWN
    on: dict[str, Any] = {"base": None if both else base, "form": form, "trust_remote_code": trust_remote_code}
    need_adapter(folder, **on)
    need_extra()
    from fingen.training.use import answer, load_adapter

    tuned = load_adapter(folder, **on)
    sides = {"base": True, "adapter": False} if both else {"adapter": False}

    def reply(question: str) -> None:
        if as_json:
            said = {side: answer(tuned, question, base=alone, max_tokens=max_tokens) for side, alone in sides.items()}
            print_json({"question": question, **said})
            return
        for side, alone in sides.items():
            if both:
                click.echo(f"{side}: ", nl=False)
            answer(tuned, question, base=alone, max_tokens=max_tokens, write=_write)
            click.echo()

    if once is not None:
        reply(once)
        return
    source = sys.stdin
    while True:
        if source.isatty():
            click.echo("> ", nl=False, err=True)
        question = source.readline().strip()
        if not question:
            return
        try:
            reply(question)
        except UsageError as e:
            echo(f"{e}: {e.hint}", err=True)


def _write(piece: str) -> None:
    click.echo(visible(piece, lines=True), nl=False)
