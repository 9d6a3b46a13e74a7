"""`fingen chat`: ask an adapter."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fingen.cli.common import Command, command_options, echo, print_json
from fingen.errors import visible


@click.command("chat", cls=Command)
@click.argument("adapter", type=click.Path(path_type=Path))
@click.option("--once", default=None, metavar="QUESTION", help="Answer this, and end.")
@click.option("--base", is_flag=True, help="Also show what the base model says without the adapter.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Length of an answer, at most."
)
@click.option(
    "--trust-remote-code", is_flag=True, help="Run Python code that the base model brings along: read it first."
)
@command_options
def command(
    adapter: Path, once: str | None, base: bool, max_tokens: int, trust_remote_code: bool, as_json: bool, quiet: bool,
    debug: bool,
) -> None:  # fmt: skip
    """Ask an adapter, one line at a time; an empty line ends.

    Each line is a question of its own, put as the rows of the training were; nothing is remembered, since the sets hold single
    questions. Answers are the likeliest ones: the same question gives the same answer.

    \b
    Examples:
      $ fingen chat build/adapters/intent-tiny
      $ fingen chat build/adapters/intent-tiny --base --once "Why did finance costs decrease?"
    """
    from fingen.training.preflight import need_adapter, need_extra

    need_adapter(adapter, trust_remote_code=trust_remote_code)
    need_extra()
    from fingen.errors import UsageError
    from fingen.training.use import answer, load_adapter

    tuned = load_adapter(adapter, trust_remote_code=trust_remote_code)
    sides = {"base": True, "adapter": False} if base else {"adapter": False}

    def reply(question: str) -> None:
        if as_json:
            said = {side: answer(tuned, question, base=alone, max_tokens=max_tokens) for side, alone in sides.items()}
            print_json({"question": question, **said})
            return
        for side, alone in sides.items():
            if base:
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
