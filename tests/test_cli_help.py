"""Help, README and commands cannot drift: every command has help with an example and stands in the README's reference.

The reference is the README's section "Command reference" (or "Commands"), with one heading for each command that names it
in full (`fingen pdf2qa`); its options stand below that heading. Those of `fingen` itself may stand anywhere in the section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fingen import cli, config

README = Path(__file__).resolve().parent.parent / "README.md"
REFERENCE = re.compile(r"(command reference|commands)", re.IGNORECASE)
TAKEN = {"fingen pdf2qa": config.TASKS, "fingen score": config.BENCHMARKS, "fingen import": config.SOURCES}


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every command below and with `command`, by its full name."""
    yield context.command_path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, name
            yield from walk(child, click.Context(child, parent=context, info_name=name))


def commands() -> dict[str, click.Command]:
    return dict(walk(cli.main, click.Context(cli.main, info_name="fingen")))


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Each heading with all that stands below it, its sub-headings too."""
    lines = text.splitlines()
    headings, fenced = [], False
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and (mark := re.match(r"(#+) ", line)):
            headings.append((number, len(mark[1])))
    for index, (number, depth) in enumerate(headings):
        later = (start for start, other in headings[index + 1 :] if other <= depth)
        yield lines[number].lstrip("# "), "\n".join(lines[number + 1 : next(later, len(lines))])


def reference() -> str:
    text = README.read_text(encoding="utf-8")
    return next(body for title, body in sections(text) if REFERENCE.fullmatch(title.strip()))


def documented() -> dict[str, str]:
    """The reference, command by command."""
    found = {}
    for title, body in sections(reference()):
        if name := re.match(r"`?(fingen(?: [a-z0-9-]+)*)", title):
            found[name[1]] = body
    return found


def has_example(text: str) -> bool:
    _, found, examples = re.sub(r"^\s*examples?:?\s*$", "\0", text, flags=re.IGNORECASE | re.MULTILINE).partition("\0")
    return bool(found) and any(re.match(r"(\$ )?fingen\b", line.strip()) for line in examples.splitlines())


def long_names(command: click.Command) -> dict[str, str | None]:
    """Options by their long names (all of them: --x/--no-x are two), with their help."""
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    return {name: o.help for o in options for name in [*o.opts, *o.secondary_opts] if name.startswith("--")}


def test_every_command_has_help_with_an_example():
    without = [name for name, command in commands().items() if not has_example(command.help or "")]

    assert not without


def test_every_option_has_help():
    without = [
        f"{name} {option}"
        for name, command in commands().items()
        for option, text in long_names(command).items()
        if not text
    ]

    assert not without


def test_every_command_answers_to_help():
    for name in commands():
        run = CliRunner().invoke(cli.main, [*name.split()[1:], "--help"], prog_name="fingen")

        assert run.exit_code == 0, name
        assert f"Usage: {name}" in run.output


def test_the_readme_lists_the_commands_there_are():
    assert set(documented()) - {"fingen"} == set(commands()) - {"fingen"}


def test_the_readme_lists_every_option():
    below = {**documented(), "fingen": reference()}
    missing = [
        f"{name} {option}"
        for name, command in commands().items()
        for option in long_names(command)
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", below.get(name, ""))
    ]

    assert not missing


def unnamed() -> list[str]:
    """What a command takes by name and the README's reference does not name."""
    sections = documented()
    return [
        f"{command} {name}"
        for command, names in TAKEN.items()
        for name in names
        if f"`{name}`" not in sections[command]
    ]


def test_the_readme_names_what_commands_take():
    assert not unnamed()


@pytest.mark.parametrize("command", TAKEN)
def test_help_names_what_commands_take(command: str):
    shown = commands()[command].get_help(
        click.Context(commands()[command], terminal_width=10_000, max_content_width=10_000)
    )

    assert not [name for name in TAKEN[command] if not re.search(rf"(?<![\w-]){name}(?![\w-])", shown)]
