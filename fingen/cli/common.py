"""What all commands share: options, settings from fingen.toml, errors with their exit codes, one summary on standard output."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from fingen.errors import FingenError, Interrupted, LimitError, UsageError, redact

if TYPE_CHECKING:
    from fingen.events import Outcome

SETTINGS = Path("fingen.toml")
_SOURCES = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "fingen.toml",
}
F = TypeVar("F", bound=Callable[..., Any])


def command_options(function: F) -> F:
    """The options of every command."""
    for option in (
        click.option("--debug", is_flag=True, help="Show a stack trace when something goes wrong."),
        click.option("--quiet", is_flag=True, help="No progress and no notes on standard error."),
        click.option(
            "--json", "as_json", is_flag=True, help="Print the summary as one JSON object, and nothing else there."
        ),
    ):
        function = option(function)
    return function


def read_settings(name: str) -> dict[str, Any]:
    """The settings of a command from ./fingen.toml: its table, such as [pdf2qa].

    Raises:
        UsageError: the file is not TOML.
    """
    if not SETTINGS.is_file():
        return {}
    try:
        table = tomllib.loads(SETTINGS.read_text(encoding="utf-8")).get(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"{SETTINGS}: {name} is not a table", hint=f"write its settings below a line [{name}]")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageError(f"{SETTINGS}: {e}", hint="correct the line, or remove the file") from e
    return {key.replace("-", "_"): value for key, value in table.items()}


class Command(click.Command):
    """A command whose defaults ./fingen.toml may set, and whose errors end with the exit codes of `fingen.errors`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the settings before the options are parsed."""
        try:
            extra.setdefault("default_map", self._known(read_settings(info_name or "")))
        except UsageError as e:
            fail(e, debug="--debug" in args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as e:  # it repeats what was typed
            raise click.UsageError(redact(e.format_message()), ctx=e.ctx) from None

    def _known(self, settings: dict[str, Any]) -> dict[str, Any]:
        names = {parameter.name for parameter in self.params}
        unknown = sorted(set(settings) - names)
        if unknown:
            raise UsageError(
                f"{SETTINGS}: no such setting: {', '.join(unknown)}", hint=f"see `fingen {self.name} --help`"
            )
        return settings

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn what goes wrong into a message and an exit code."""
        debug = bool(ctx.params.get("debug"))
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):  # Abort: at a question
            fail(
                Interrupted("interrupted; what was finished is stored", hint="run the same command again to go on"),
                debug=False,
            )
        except FingenError as e:
            fail(e, debug=debug)
        except MemoryError as e:
            fail(LimitError("out of memory", hint="run with fewer --workers, or on fewer files"), debug=debug, cause=e)
        except OSError as e:
            from fingen.disk import FULL

            said = f"{e.filename}: {e.strerror or e}" if e.filename else e.strerror or str(e)
            full, other = (
                LimitError(said, hint="free some disk space"),
                UsageError(said, hint="check path and permissions"),
            )
            fail(full if e.errno in FULL else other, debug=debug, cause=e)


def set_argument(target: Path | None, *, quiet: bool) -> Path:
    """The set that a command was given, or the newest one in build/, which is said.

    Raises:
        SetError: there is none.
    """
    from fingen.config import BUILD
    from fingen.sets import newest_set

    if target is not None:
        return target
    newest = newest_set(BUILD)
    if not quiet:
        click.echo(f"the newest set: {newest}", err=True)
    return newest


def fail(error: FingenError, *, debug: bool, cause: BaseException | None = None) -> NoReturn:
    """Print an error with its hint to standard error, and exit with its code."""
    if debug:
        click.echo(redact("".join(traceback.format_exception(cause or error))), err=True, nl=False)
    click.echo(f"Error: {error}", err=True)
    if error.hint:
        click.echo(f"  -> {error.hint}", err=True)
    sys.exit(error.exit_code)


def say_settings(ctx: click.Context) -> str:
    """The settings that are not the defaults, and where each came from; empty if there are none."""
    said = []
    for parameter in ctx.command.params:
        name = parameter.name or ""
        source = _SOURCES.get(ctx.get_parameter_source(name))  # type: ignore[arg-type]  # None is no key: not said
        if source and name not in ("debug", "quiet", "as_json"):
            said.append(f"{name}={_plain(ctx.params[name])} ({source})")
    return "   ".join(said)


def _plain(value: Any) -> str:
    return redact(",".join(map(str, value)) if isinstance(value, tuple | list) else str(value))


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=os.fspath))


def finish(
    report: Mapping[str, Any], lines: Callable[[], Iterable[str]], exit_code: int = 0, *, as_json: bool
) -> NoReturn:
    """Print what a command found, as JSON or in lines, and exit."""
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(lines()))
    sys.exit(exit_code)


def tell(outcome: Outcome, lines: Iterable[str], at: object = None, *, as_json: bool, noted: bool = False) -> NoReturn:
    """Print what a command did, and exit: its own lines, notes, what was written (`at`), and what to type next.

    `noted`: its own lines have the notes. In JSON what all outcomes share comes last.
    """
    own = dataclasses.asdict(outcome)
    shared = {name: own.pop(name) for name in ("changed", "notes", "next", "exit_code")}

    def told() -> Iterator[str]:
        yield from lines
        yield from (f"note: {note}" for note in outcome.notes if not noted)
        if at is not None:
            yield f"{'written' if outcome.changed else 'already up to date'}: {at}"
        if outcome.next:
            yield f"next: {outcome.next}"

    finish({**own, **shared}, told, outcome.exit_code, as_json=as_json)
