"""`fingen help`: what is to be read beyond `--help`, by topic; and the reference, made of the options themselves."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from fingen.cli.common import Command, all_commands, command_options, finish
from fingen.config import TASKS
from fingen.errors import UsageError, did_you_mean

FOLDER = Path(__file__).resolve().parent.parent / "help"
TOPICS = (
    "install", "reading", "pairs", "teachers", "batches", "cluster", "archive", "synthetic", "sets", "checks", "judging", "lineage",
    "exchange", "hub", "training", "preferences", "distillation", "serving", "scoring", "reproducing", "python", "settings", "errors",
    "safety", "container", "agents",
)  # in the order in which they may be needed; each is a file of FOLDER, whose first heading is its title  # fmt: skip
OF_TASKS = "pairs"  # the topic that the tasks of pdf2qa are told in; each is found by its name
NOTEBOOK = "notebook"
NOTEBOOK_TITLE = "The road from a report to a score as a notebook: writes fingen.ipynb here"
NOTEBOOK_FILE = Path("fingen.ipynb")
REFERENCE = "reference"
REFERENCE_TITLE = "Every command with all its options, their defaults and examples"


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[TOPIC|COMMAND]")
@command_options
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], as_json: bool, quiet: bool, debug: bool) -> None:
    """Read about a topic, or about a command; without either, list the topics.

    `reference` is all commands with their options, `notebook` writes fingen.ipynb into this folder, `agents` is a skill file for a coding
    agent. On a terminal a topic is laid out, elsewhere it is Markdown as it is written.

    \b
    Examples:
      $ fingen help
      $ fingen help teachers
      $ fingen help synth intent
      $ fingen help reference | less
    """
    asked = " ".join(words)
    if not asked:
        titles = topic_titles()
        finish({"topics": titles}, lambda: _listed(titles), as_json=as_json)
    if asked == NOTEBOOK:
        finish(
            {"topic": asked, "written": str(_write_notebook())}, lambda: [f"written: {NOTEBOOK_FILE}"], as_json=as_json
        )
    asked = OF_TASKS if asked in TASKS else asked
    text = _read(asked) if asked in TOPICS else _made(asked, ctx.find_root())
    if as_json or not (asked in (*TOPICS, REFERENCE) and sys.stdout.isatty()):
        finish({"topic": asked, "text": text}, text.splitlines, as_json=as_json)
    _lay_out(text)


def topic_titles() -> dict[str, str]:
    """Return the topics in their order, each with its title."""
    titles = {name: _read(name).partition("# ")[2].partition("\n")[0] for name in TOPICS}
    return {**titles, NOTEBOOK: NOTEBOOK_TITLE, REFERENCE: REFERENCE_TITLE}


def _write_notebook() -> Path:
    """Write the notebook into the working directory; returns its path.

    Raises:
        UsageError: another file is there.
    """
    from fingen.disk import write_text

    text = FOLDER.with_name(NOTEBOOK_FILE.name).read_text(encoding="utf-8")
    if NOTEBOOK_FILE.exists() and NOTEBOOK_FILE.read_bytes() != text.encode():
        raise UsageError(
            f"{NOTEBOOK_FILE} is there already, and is another one", hint="move it, or go to another folder"
        )
    return write_text(NOTEBOOK_FILE, text)


def _made(name: str, root: click.Context) -> str:
    """The reference, as Markdown, or the help of a command; `root` is the context of `fingen`.

    Raises:
        UsageError: there is none of that name; the hint says what is near, else where the word stands.
    """
    commands = dict(all_commands(root))
    if name in commands:
        return commands[name].get_help()
    if name == REFERENCE:
        return f"# {REFERENCE_TITLE}\n\n" + "\n".join(map(_described, commands.values()))
    hint = did_you_mean(name, [*TOPICS, REFERENCE, *commands]) + " "
    if hint == " ":
        told = [topic for topic in TOPICS if name.casefold() in _read(topic).casefold()]
        hint = "".join(f"see `fingen help {topic}`; " for topic in told[:1])
    raise UsageError(f"no topic and no command: {name}", hint=f"{hint}`fingen help` lists the topics")


def _read(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def _listed(titles: dict[str, str]) -> Iterator[str]:
    width = max(map(len, titles))
    yield "fingen help TOPIC    read about one of:"
    yield ""
    yield from (f"  {name:<{width}}  {title}" for name, title in titles.items())
    yield ""
    yield "fingen help COMMAND  what a command does, with its options; `fingen --help` lists the commands"


def _lay_out(text: str) -> None:
    """Print Markdown to a terminal; lines of code stay whole, so that they can be taken from it and typed."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.text import Text

    console = Console()
    for number, part in enumerate(re.split(r"^ *```.*\n", text, flags=re.MULTILINE)):
        if number % 2:
            console.print(Text(textwrap.dedent(part), style="cyan"), soft_wrap=True)
        elif part.strip():
            console.print(Markdown(part), "")


def _described(context: click.Context) -> str:
    """A command's usage, help, options and examples, as Markdown."""
    about, _, examples = inspect.cleandoc(context.command.help or "").replace("\b\n", "").partition("Examples:\n")
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    records = (parameter.get_help_record(context) for parameter in context.command.get_params(context))
    options = [f"- `{names}`: {_escaped(said)}\n" for names, said in filter(None, records) if names.startswith("-")]
    shown = "".join(f"{line.strip().removeprefix('$ ')}\n" for line in examples.splitlines() if line.strip())
    return f"## `{context.command_path}`\n\n`{usage}`\n\n{about.strip()}\n\n{''.join(options)}\n```\n{shown}```\n"


def _escaped(text: str) -> str:
    """What angle brackets hold is not to be read as HTML."""
    return re.sub(r"<(\w)", r"\\<\1", text)
