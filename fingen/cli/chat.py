"""`fingen chat`: ask an adapter, or a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, print_json
from fingen.config import BASE_OF, FORM_OF, FORMS, LOADS
from fingen.errors import UsageError, visible

if TYPE_CHECKING:
    from fingen.training.chat import Chat

CLEAR = "/clear"
SHOWN = "shown"  # what --base alone means


@click.command("chat", cls=Command)
@click.argument("model", required=False, metavar="MODEL", shell_complete=completers.models)
@click.option("--once", default=None, metavar="QUESTION", help="Answer this, and end.")
@click.option("--base", is_flag=False, flag_value=SHOWN, default=None, metavar="[MODEL]",
              help=f"Alone: also show what an adapter's base model says without it. With a name: {BASE_OF}")  # fmt: skip
@click.option("--form", type=click.Choice(FORMS), default=None, help=FORM_OF)
@click.option(
    "--system",
    default="",
    metavar="TEXT",
    help="A system message before all questions; refused where the model has no place for one.",
)
@click.option("--passage", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="A text file that the questions are about: it stands where the passages of a set stand.")  # fmt: skip
@click.option("--turns", is_flag=True, help="Remember what was said: each line goes on from those before it.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Length of an answer, at most."
)
@click.option("--load", type=click.Choice(LOADS), default=None,
              help="Number format.  [default: as the adapter was tuned; bf16 on a GPU, else fp32]")  # fmt: skip
@click.option(
    "--trust-remote-code", is_flag=True, help="Run Python code that the base model brings along: read it first."
)
@command_options
def command(
    model: str | None, base: str | None, once: str | None, as_json: bool, quiet: bool, debug: bool, turns: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Ask an adapter, a merged model, or a model as it is, one line at a time; an empty line ends.

    MODEL is a folder that `fingen finetune` or `fingen merge` has made, or any model by alias, Hub id or folder; or
    any LoRA adapter (LLaMA-Factory's, peft's), with --base MODEL and --form. Questions are put
    as the rows of the training were: each by itself, unless --turns has them go on from each other (a line /clear begins anew),
    since most sets hold single questions. Where the set was one of choices, what all its questions have in common is put
    around yours, with the options, and the answer is shown with its label. Answers are the likeliest ones: the same question gives
    the same answer.

    \b
    Examples:
      $ fingen chat build/adapters/intent-tiny
      $ fingen chat build/adapters/intent-tiny --base --once "Why did finance costs decrease?"
      $ fingen chat build/models/reports-qwen2.5 --passage mda.txt
      $ fingen chat saves/mine --base llama3 --form chat
      $ fingen chat smollm2 --system "Answer in one sentence." --turns
    """
    from fingen.training.chat import open_chat

    if model is None and base not in (None, SHOWN):  # `--base MODEL`, and nothing else: it was the flag
        model, base = base, SHOWN
    if model is None:
        raise UsageError("which model?", hint="name a folder, such as one below build/adapters/, an alias, or a Hub id")
    on = None if base == SHOWN else base
    chat = open_chat(model, base=base == SHOWN, on=on, in_turns=turns, **options)
    if not quiet:
        for note in chat.tuned.template.notes:
            echo(note, err=True)
    if once is not None:
        _reply(chat, once, as_json=as_json)
        return
    while question := _read_line():
        try:
            if turns and question == CLEAR:
                chat.forget()
            else:
                _reply(chat, question, as_json=as_json)
        except UsageError as e:
            echo(f"{e}: {e.hint}", err=True)


def _read_line() -> str:
    if sys.stdin.isatty():
        click.echo("> ", nl=False, err=True)
    return sys.stdin.readline().strip()


def _reply(chat: Chat, question: str, *, as_json: bool) -> None:
    if as_json:
        said = {side: chat.ask(question, side) for side in chat.sides}
        framed = any(reply.is_framed for reply in said.values())
        labels = {"labels": {side: reply.label for side, reply in said.items()}} if framed else {}
        print_json({"question": question, **{side: reply.text for side, reply in said.items()}, **labels})
        return
    for side in chat.sides:
        if len(chat.sides) > 1:
            click.echo(f"{side}: ", nl=False)
        reply = chat.ask(question, side, _write)
        echo(f". {reply.label}" if reply.label not in (None, reply.text.strip()) else "")


def _write(piece: str) -> None:
    click.echo(visible(piece, lines=True), nl=False)
