"""What all commands share: options, settings from fingen.toml, errors with their exit codes, one summary on standard output."""

from __future__ import annotations

import functools
import json
import sys
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from fingen.config import PRIVACY, Filters
from fingen.errors import FingenError, Interrupted, UsageError, from_system, redact

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
        except (MemoryError, OSError) as e:
            fail(from_system(e), debug=debug, cause=e)


def filter_options(function: F) -> F:
    """The options of the gates that every record of a set passes."""
    for option in (
        click.option("--privacy", type=click.Choice(PRIVACY), default=Filters().privacy, show_default=True,
                     help="Personal data and keys (identity and bank cards, phones, API keys): keep them, put marks in their "
                          "place, or drop the record."),
        click.option("--against", multiple=True, type=click.Path(path_type=Path), metavar="SET",
                     help="Another set: what repeats one of its records is rejected. May be repeated."),
        click.option("--keep-out", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
                     help="A benchmark (JSON, JSON lines, CSV): what is in it is rejected. May be repeated."),
    ):  # fmt: skip
        function = option(function)
    return function


def pop_filters(options: dict[str, Any]) -> Filters:
    """Take the values of `filter_options` out of a command's options."""
    return Filters(tuple(options.pop("keep_out")), tuple(options.pop("against")), options.pop("privacy"))


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


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def comma_list(choices: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """A callback for an option that takes some of `choices`, parted by commas."""

    @functools.wraps(comma_list)
    def parse(ctx: click.Context, parameter: click.Parameter, value: Any) -> tuple[str, ...]:
        names = tuple(value) if isinstance(value, list | tuple) else tuple(part.strip() for part in value.split(","))
        wrong = [name for name in names if name not in choices]
        if wrong or not names:
            raise click.BadParameter(f"{', '.join(wrong) or 'nothing'} is not one of {', '.join(choices)}")
        return tuple(dict.fromkeys(names))

    return parse
