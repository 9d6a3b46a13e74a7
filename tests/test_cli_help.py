"""Help, topics and commands cannot drift: every command has help with an example, and the reference is made of the options.

What there is to read beyond `--help` are the topics in fingen/help/, which `fingen help` shows.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import fingen
from fingen import cli, config
from fingen.cli.help import TOPICS

HELP = Path(fingen.__file__).with_name("help")
TAKEN = {  # by name, and the topic that names it
    "fingen pdf2qa": ("pairs", config.TASKS),
    "fingen score": ("scoring", config.BENCHMARKS),
    "fingen import": ("exchange", config.SOURCES),
}


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


def topic(name: str) -> str:
    return (HELP / f"{name}.md").read_text(encoding="utf-8")


def ask(*words: str) -> Result:
    return CliRunner().invoke(cli.main, ["help", *words], prog_name="fingen")


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


def test_the_reference_has_every_command_with_every_option():
    parts = re.split(r"^## `(.+)`$", ask("reference").stdout, flags=re.MULTILINE)
    below = dict(zip(parts[1::2], parts[2::2], strict=True))

    assert set(below) == set(commands()) - {"fingen"}
    missing = [
        f"{name} {option}"
        for name, command in commands().items()
        for option in long_names(command)
        if name != "fingen" and not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", below[name])
    ]
    assert not missing
    assert all(re.search(r"^```\n.*\bfingen ", text, re.MULTILINE) for text in below.values())


def unnamed() -> list[str]:
    """What a command takes by name and its topic does not name."""
    return [
        f"{command} {name}"
        for command, (where, names) in TAKEN.items()
        for name in names
        if f"`{name}`" not in topic(where)
    ]


def test_topics_name_what_commands_take():
    assert not unnamed()


@pytest.mark.parametrize("command", TAKEN)
def test_help_names_what_commands_take(command: str):
    shown = commands()[command].get_help(
        click.Context(commands()[command], terminal_width=10_000, max_content_width=10_000)
    )

    assert not [name for name in TAKEN[command][1] if not re.search(rf"(?<![\w-]){name}(?![\w-])", shown)]


# --- fingen help ---------------------------------------------------------------------------------------------------------


def test_every_topic_is_listed_with_its_title():
    listed = json.loads(ask("--json").stdout)["topics"]

    assert {path.stem for path in HELP.iterdir()} == set(TOPICS) == set(listed) - {"reference", "notebook"}
    assert all(re.match(rf"(---\n[^#]*\n---\n\n)?# {re.escape(listed[name])}\n", topic(name)) for name in TOPICS)
    assert all(
        re.search(rf"^  {name} +{re.escape(title)}$", ask().stdout, re.MULTILINE) for name, title in listed.items()
    )


def test_a_topic_has_no_commands_name():
    assert not set(listed := [*TOPICS, "reference", "notebook"]) & {
        name.removeprefix("fingen ") for name in commands()
    }, listed


@pytest.mark.parametrize("name", TOPICS)
def test_where_there_is_no_terminal_a_topic_is_its_text(name: str):
    assert ask(name).stdout == topic(name)
    assert json.loads(ask(name, "--json").stdout) == {"topic": name, "text": topic(name)}


def test_a_command_says_what_it_says_itself():
    for name in ("score", "synth intent", "models convert"):
        own = CliRunner().invoke(cli.main, [*name.split(), "--help"], prog_name="fingen")

        assert ask(*name.split()).stdout == own.stdout


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("trainig", "did you mean training?"),
        ("pdf2q", "did you mean pdf2qa?"),
        ("FINGEN_BUDGET", "see `fingen help teachers`;"),
        ("xyzzy", "  -> `fingen help` lists the topics"),
    ],
)
def test_what_is_no_topic_gets_a_way_on(word: str, hint: str):
    asked = ask(word)

    assert asked.exit_code == 2
    assert asked.stderr.startswith(f"Error: no topic and no command: {word}\n")
    assert hint in asked.stderr


def strangers(text: str) -> list[str]:
    """The commands that a text shows as code and that there are not, or that have no such option."""
    known = commands()
    parts, wrong = text.split("```"), []
    typed = [line for block in parts[1::2] for line in block.splitlines()]
    for line in map(str.strip, [*typed, *re.findall(r"`([^`]+)`", " ".join(parts[::2]))]):
        if not re.match("fingen [a-z]", line):
            continue
        words = re.match(r"fingen(?: [a-z0-9]+)*", line)[0]  # type: ignore[index]  # it starts so
        while words not in known:
            words = words.rpartition(" ")[0]
        options = set(re.findall(r"(?<!\S)--[a-z0-9-]+", line.partition(" #")[0]))
        if words == "fingen" or options - set(long_names(known[words])):
            wrong.append(line)
    return wrong


@pytest.mark.parametrize("name", sorted({*TOPICS} - {"errors"}))  # test_everyday_mistakes.py types what is wrong there
def test_commands_that_a_topic_shows_are_commands_with_such_options(name: str):
    assert not strangers(topic(name))


def test_a_stranger_is_seen():
    assert strangers("`fingen pdf3qa x`, `fingen score a --jugde b`\n```\nfingen mix a --into b  # --out\n```\n") == [
        "fingen mix a --into b  # --out",
        "fingen pdf3qa x",
        "fingen score a --jugde b",
    ]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_who_stops_reading_ends_it_without_a_word(more: list[str]):
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        [sys.executable, "-m", "fingen", "help", "settings", *more], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)

    assert (ran.returncode, ran.stderr) == (1, b"")


def test_on_a_terminal_it_is_laid_out_and_lines_of_code_stay_whole():
    seen, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen([sys.executable, "-m", "fingen", "help", "teachers"], stdout=terminal, env=environment):
        os.close(terminal)
        said = b""
        try:
            while part := os.read(seen, 4096):
                said += part
        except OSError:  # Linux says so where the other end is closed
            pass
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).splitlines()

    code = [line for block in topic("teachers").split("```")[1::2] for line in block.splitlines()[1:]]
    assert [line for line in code if line in lines] == code
    prose = [line for line in lines if line.rstrip() not in code]
    assert max(map(len, prose)) <= 60
    assert "#" not in "".join(prose[:2])
