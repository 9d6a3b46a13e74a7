"""`fingen doctor`: what is installed, set and in order here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from fingen.cli.common import SETTINGS, Command, all_commands, command_options, finish, read_settings, unused_variables
from fingen.errors import UsageError

if TYPE_CHECKING:
    from fingen.doctor import Diagnosis, Finding

MARKS = {"ok": "ok", "absent": "-", "wrong": "WRONG"}
INDENT = 27  # columns before a remedy


class _Doctor(Command):
    """A command that a broken fingen.toml does not stop: it says what is wrong with it."""

    def table(self, ctx: click.Context) -> dict[str, Any]:
        """Its own table; none where the file cannot be read."""
        try:
            return super().table(ctx)
        except UsageError:
            return {}


@click.command("doctor", cls=_Doctor)
@click.option("--devices", is_flag=True, help="Also start torch and say what it sees; takes seconds.")
@click.option("--online", is_flag=True,
              help="Also ask whether the servers of the teachers and the Hub answer. No key is sent.")  # fmt: skip
@command_options
def command(devices: bool, online: bool, as_json: bool, quiet: bool, debug: bool) -> None:
    """Say what is installed, set and in order here, and what to type where it is not.

    It writes nothing, asks nobody without --online, and shows no key. Exit code 0 where all is there that fingen needs for
    reports and the offline teacher, 1 where some of that is missing, or what is here is out of order: a damaged journal, a
    fingen.toml that no command would take. What is needed for a part alone (an extra, a key, a GPU) is told, and no fault.

    \b
    Examples:
      $ fingen doctor
      $ fingen doctor --devices --online
      $ fingen doctor --json
    """
    from fingen.doctor import examine

    found = examine(devices=devices, online=online)
    found.findings["settings"] = list(_settings())
    report = {**dataclasses.asdict(found), "exit_code": found.exit_code}
    finish(report, lambda: _lines(found), found.exit_code, as_json=as_json)


def _settings() -> Iterator[Finding]:
    """What fingen.toml and the variables set, and what of them sets nothing."""
    from fingen.doctor import Finding, State

    if not SETTINGS.is_file():
        yield Finding(str(SETTINGS), "none here; `fingen init` writes one")
    elif fault := _fault():
        yield Finding(str(SETTINGS), fault, State.WRONG, f"{os.environ.get('EDITOR', 'vi')} {SETTINGS}")
    else:
        yield Finding(str(SETTINGS), "its commands take every line of it")
    for name, near in unused_variables().items():
        yield Finding(name, f"sets nothing{'; ' if near else ''}{near}", State.ABSENT, f"unset {name}")


def _fault() -> str:
    """Why a command would not take its part of fingen.toml; empty where all do."""
    for _, context in all_commands():
        each = context.command
        if not isinstance(each, Command):
            continue
        try:
            given = each.allowed(context, read_settings(each.name or ""))
            for parameter in each.params:
                if parameter.name in given:
                    parameter.process_value(context, given[parameter.name])
        except UsageError as e:
            return f"{e}; {e.hint}".removeprefix(f"{SETTINGS}: ")
        except click.UsageError as e:
            return f"[{each.name}] {e.format_message()}"
    return ""


def _lines(found: Diagnosis) -> Iterator[str]:
    for title, some in found.findings.items():
        yield f"{title}:"
        for each in some:
            yield f"  {MARKS[each.state]:<6}{each.name:<18} {each.said}"
            if each.remedy:
                yield f"{'':<{INDENT}}-> {each.remedy}"
    yield ""
    if wrong := [each for some in found.findings.values() for each in some if each.state == "wrong"]:
        yield f"{len(wrong)} to mend: {', '.join(each.name for each in wrong)}"
        yield f"next: {wrong[0].remedy}"
    else:
        yield "all that reports and the offline teacher need is here"
        yield f"next: fingen pdf2qa reports/ {_teacher(found)}"


def _teacher(found: Diagnosis) -> str:
    """The options of a first run: what the teacher of a key would cost, else the rules, in a set that is in nobody's way."""
    from fingen.doctor import State
    from fingen.teachers import KEYS

    here = {each.name for each in found.findings["accounts"] if each.state is State.OK}
    keyed = next((teacher for teacher, key in KEYS.items() if key in here), None)
    return f"--teacher {keyed} --dry-run" if keyed else "--teacher offline --out build/rules"
