"""`fingen init`: the files that settings and keys may stand in, with what each means, and nothing set."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from fingen.cli.common import SETTINGS, Command, FolderOption, all_commands, command_options, finish
from fingen.errors import UsageError, from_system

ENV_EXAMPLE = Path(".env.example")
COLUMNS = 118
SHARED = {"as_json", "quiet", "debug"}  # what every command has is told once
# What is shown of a setting that has no value where it is not set.
EXAMPLES = {
    "budget": 20.0, "budget_usd": 20.0, "form": "chat", "limit": 100, "max_tokens": 512,
    "recipe": "openfindata-intent", "rpm": 60, "tpm": 100_000,
}  # fmt: skip
HEAD = """\
# Settings of fingen for this folder. One counts when the # right before its name is gone; what stands there is its default,
# or an example where it has none. A flag and a variable (FINGEN_PDF2QA_LIMIT=100) come before them. What sends, spends,
# publishes, overwrites, runs code or writes elsewhere cannot be set here, as a folder may be somebody else's: say that by its
# flag or its variable. Each command also takes quiet, debug and as_json (true or false).
"""
ENV = """\
# Keys for fingen. Copy this file to .env, which no repository should have, and fill in the key that you have:
#   cp .env.example .env
# Keys in the environment come first. They go to the provider that they are of, and to nobody else.

# Claude: make a key at https://console.anthropic.com/
# ANTHROPIC_API_KEY=

# GPT: make a key at https://platform.openai.com/
# OPENAI_API_KEY=

# The Hugging Face Hub reads no .env: log in with `hf auth login`, or export HF_TOKEN.
"""


@click.command("init", cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".", metavar="[FOLDER]")
@command_options
def command(folder: Path, as_json: bool, quiet: bool, debug: bool) -> None:
    """Write a fingen.toml and an .env.example that say what can be set, each setting with its default; nothing is set by them.

    FOLDER is where you work (default: this one). A file that is there already is left as it is.

    \b
    Examples:
      $ fingen init
      $ fingen init reports-2025
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", hint="make it first, or leave it out for this one")
    texts = {SETTINGS: render_settings(), ENV_EXAMPLE: ENV}
    written = {str(folder / name): _write_new(folder / name, text) for name, text in texts.items()}
    said = (f"{'written' if new else 'left as it is, it was there'}: {path}" for path, new in written.items())
    next_step = "fingen doctor"
    finish({"written": written, "next": next_step, "exit_code": 0},
           lambda: (*said, f"next: {next_step}"), as_json=as_json)  # fmt: skip


def _write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet; False where there is one, or a link."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as e:
        raise from_system(e) from e
    return True


def render_settings() -> str:
    """The text of a fingen.toml: a table for each command, each setting that it may hold behind a #."""
    tables = (lines for words, context in all_commands() if (lines := list(_table(words, context.command))))
    return "\n".join((HEAD, *("\n".join(lines) for lines in tables)))


def _table(words: str, command: click.Command) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, FolderOption) and each.name not in SHARED]
    if not options:
        return
    yield f"[{command.name}]  # fingen {words}"
    for option in options:
        yield from textwrap.wrap(_about(option), COLUMNS, initial_indent="# ", subsequent_indent="#   ")
        yield f"#{option.name} = {_value(option)}"
    yield ""


def _value(option: FolderOption) -> str:
    """A value as TOML has it; JSON writes these in the same way."""
    value: Any = option.example
    if option.multiple:
        value = []
    elif value is None and option.name in EXAMPLES:
        value = EXAMPLES[option.name]
    elif value is None:
        value = option.type.choices[0] if isinstance(option.type, click.Choice) else option.to_info_dict()["default"]
    elif isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)


def _about(option: FolderOption) -> str:
    """Its help, with what it takes where that is a choice of few."""
    choices = f"  [one of: {', '.join(map(str, option.type.choices))}]" if isinstance(option.type, click.Choice) else ""
    return f"{option.help}{choices}"
