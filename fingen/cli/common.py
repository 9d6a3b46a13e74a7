"""What all commands share: options, settings from fingen.toml, errors with their exit codes, one summary on standard output."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import signal
import sys
import threading
import time
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from fingen.cli.sections import parted
from fingen.errors import FingenError, Interrupted, UsageError, did_you_mean, from_system, redact, visible

if TYPE_CHECKING:
    from fingen.events import Outcome

SETTINGS = Path("fingen.toml")
NEAR = 0.85  # of the names of two variables, 0..1: one is the other misspelt
TYPED = "fingen.typed"  # in a context's meta: the arguments as they were typed
SETTINGS_BYTES = 16_000  # that it may have: what is longer could take the parser minutes
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
HANGUP_SECONDS = 1.0  # in which a closed terminal is told of again
_SOURCES = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "fingen.toml",
}
F = TypeVar("F", bound=Callable[..., Any])


class FolderOption(click.Option):
    """An option that ./fingen.toml may set too. No other may be set there: the folder may be somebody else's.

    `example` is what `fingen init` shows there: what holds where nothing is set.
    """

    def __init__(self, *args: Any, example: Any = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.example = example


def command_options(function: F) -> F:
    """The options of every command."""
    for option in (
        click.option("--debug", cls=FolderOption, is_flag=True, help="Show a stack trace when something goes wrong."),
        click.option("--quiet", cls=FolderOption, is_flag=True, help="No progress and no notes on standard error."),
        click.option("--json", "as_json", cls=FolderOption, is_flag=True,
                     help="Print the summary as one JSON object, and nothing else there."),
    ):  # fmt: skip
        function = option(function)
    return function


def read_settings(name: str) -> dict[str, Any]:
    """The settings of a command from ./fingen.toml: its table, such as [pdf2qa].

    Raises:
        UsageError: the file cannot be read, is too large, or is not TOML.
    """
    if not SETTINGS.is_file():
        return {}
    try:
        with SETTINGS.open("rb") as file:
            content = file.read(SETTINGS_BYTES + 1)
        if len(content) > SETTINGS_BYTES:
            raise ValueError(f"larger than {SETTINGS_BYTES:,} bytes")
        tables = tomllib.loads(content.decode().replace("\r\n", "\n"))
        table = tables.get(name, {})
    except OSError as e:
        raise UsageError(f"{SETTINGS}: cannot be read: {e.strerror}", hint="make it readable, or remove it") from e
    except (ValueError, RecursionError) as e:  # not TOML, not UTF-8; endless digits, endless brackets
        raise UsageError(f"{SETTINGS}: {e}", hint="correct the line, or remove the file") from e
    others = tables.keys() - {name}
    names = {words.rpartition(" ")[2] for words, _ in all_commands()} if others else set()
    if unknown := sorted(others - names):
        hint = f"{did_you_mean(unknown[0], names)} `fingen --help` lists the commands".strip()
        raise UsageError(f"{SETTINGS}: no such command: {', '.join(unknown)}", hint=hint)
    if not isinstance(table, dict):
        raise UsageError(f"{SETTINGS}: {name} is not a table", hint=f"write its settings below a line [{name}]")
    return {key.replace("-", "_"): value for key, value in table.items()}


def all_commands(root: click.Context | None = None, above: str = "") -> Iterator[tuple[str, click.Context]]:
    """Every command, those below others behind them, by the words that call it (`synth intent`), with a context of its own."""
    from fingen.cli import main

    root = root or click.Context(main, auto_envvar_prefix="FINGEN")
    if isinstance(root.command, click.Group):
        for name in root.command.list_commands(root):
            if command := root.command.get_command(root, name):
                below, words = click.Context(command, parent=root, info_name=name), f"{above} {name}".strip()
                yield words, below
                yield from all_commands(below, words)


def unused_variables() -> dict[str, str]:
    """The FINGEN_ variables that no command takes, each with what was most likely meant."""
    from fingen.disk import FOLLOW_LINKS

    options = ((each, context) for _, context in all_commands() for each in context.command.params)
    known = {FOLLOW_LINKS, *(_variable(context, each) for each, context in options)}
    unknown = sorted(name for name in os.environ.keys() - known if name.startswith("FINGEN_"))
    return {name: did_you_mean(name, known, likeness=NEAR) for name in unknown}


def warn_of_variables(ctx: click.Context) -> None:
    """Name the variables that seem to be meant for this command and set nothing."""
    from fingen.cli import COMMANDS

    prefix = f"{ctx.auto_envvar_prefix}_"
    known = {f"{prefix}{(each.name or '').upper()}" for each in ctx.command.params if isinstance(each, click.Option)}
    others = tuple(f"FINGEN_{name.upper()}_" for name in COMMANDS)
    for name in sorted(name for name in os.environ.keys() - known if name.startswith("FINGEN_")):
        near = did_you_mean(name, known, likeness=NEAR)
        if name.startswith(prefix) or (near and not name.startswith(others)):
            echo(f"Warning: {name} sets nothing" + (f"; {near}" if near else ""), err=True)


class Command(click.Command):
    """A command with defaults that ./fingen.toml may set, and errors that end with the exit codes of `fingen.errors`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, of a command that has many of them by what they are for."""
        sections = parted(self.name or "", (each for each in self.get_params(ctx) if isinstance(each, click.Option)))
        if not sections:
            super().format_options(ctx, formatter)
        for title, options in sections.items():
            with formatter.section(title):
                formatter.write_dl([record for each in options if (record := each.get_help_record(ctx))])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the settings before the options are parsed; a shell that asks for completions is told nothing of them."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        ctx.meta[TYPED] = tuple(args)
        try:
            ctx.default_map = self.allowed(ctx, self.table(ctx))
        except UsageError as e:
            fail(e, debug="--debug" in args)
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as e:  # it repeats what was typed
            raise click.UsageError(visible(redact(_with_meant(e))), ctx=e.ctx) from None
        warn_of_variables(ctx)
        return rest

    def table(self, ctx: click.Context) -> dict[str, Any]:
        """The settings that stand in ./fingen.toml for it; errors are those of `read_settings`."""
        return read_settings(ctx.info_name or "")

    def allowed(self, ctx: click.Context, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings of a folder, if all of them are a folder's to set.

        Raises:
            UsageError: there is one that the command does not have, or that the user alone may set.
        """
        known = {parameter.name: parameter for parameter in self.params}
        unknown = sorted(settings.keys() - known.keys())
        if unknown:
            near = did_you_mean(unknown[0], (name for name in known if isinstance(known[name], FolderOption)))
            raise UsageError(
                f"{SETTINGS}: no such setting: {', '.join(unknown)}",
                hint=f"{near} see `fingen {self.name} --help`".strip(),
            )
        refused = [known[name] for name in sorted(settings) if not isinstance(known[name], FolderOption)]
        if refused:
            raise UsageError(
                f"{SETTINGS} may not set: {', '.join(parameter.name or '' for parameter in refused)}",
                hint=f"it may be somebody else's; say it yourself: {', '.join(_way(ctx, one) for one in refused)}",
            )
        return {name: _as_typed(known[name], value) for name, value in settings.items()}

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn what goes wrong into a message and an exit code."""
        with ended_as_by_ctrl_c():
            return self._invoke(ctx, debug=bool(ctx.params.get("debug")))

    def _invoke(self, ctx: click.Context, *, debug: bool) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):  # Abort: at a question
            fail_interrupted()
        except FingenError as e:
            fail(e, debug=debug, more=_ways_on(ctx, e))
        except (MemoryError, OSError) as e:
            fail(from_system(e), debug=debug, cause=e)
        except Exception as e:
            if _is_interruption(e):
                fail_interrupted()
            raise


def _with_meant(error: click.UsageError) -> str:
    """The message of an error of click; for a value that is no choice of its option, with the one that is near."""
    said, kind = error.format_message(), getattr(getattr(error, "param", None), "type", None)
    wrong = re.match(r"'(.*)' is not one of", error.message)
    near = did_you_mean(wrong[1], map(str, kind.choices)) if wrong and isinstance(kind, click.Choice) else ""
    return f"{said} D{near[1:]}" if near else said


def _is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: what is written in Rust, such as pydantic, gives one of its own that only names it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def fail_interrupted() -> NoReturn:
    """End as what ends a run wants it."""
    fail(
        Interrupted("interrupted; what was finished is stored", hint="run the same command again to go on"), debug=False
    )


class CommandGroup(Command, click.Group):
    """A command that has others below it."""


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Hear what a scheduler sends (SIGTERM), and a terminal that is closed (SIGHUP), as Ctrl-C, unless it is ignored (nohup).

    A closed terminal is told of more than once, by the system and by its shell: what comes with that is not a second one.
    """
    heard_at, is_ending = -math.inf, False
    terminals = [handle for handle in range(3) if _is_terminal(handle)]

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard_at, is_ending
        before, heard_at = heard_at, time.monotonic()
        _leave_closed(terminals)
        if number == HANGUP and heard_at - before < HANGUP_SECONDS:
            return
        if signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, signal.SIG_DFL, signal.SIG_IGN):
            signal.raise_signal(signal.SIGINT)  # whoever hears it knows what to finish
            return
        if is_ending:  # its last words are not waited for
            os._exit(Interrupted.exit_code)
        is_ending = True
        raise KeyboardInterrupt

    numbers = [number for number in (signal.SIGTERM, HANGUP) if number and signal.getsignal(number) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # only the main thread may say what is done on a signal
    for number in numbers:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _is_terminal(handle: int) -> bool:
    try:
        return os.isatty(handle)
    except OSError:
        return False


def _leave_closed(terminals: Iterable[int]) -> None:
    """Let what goes to a terminal that was closed go nowhere: an error of its own would end what is to be finished."""
    for handle in terminals:
        if not _is_terminal(handle):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, handle)
            os.close(nowhere)


def _as_typed(parameter: click.Parameter, value: Any) -> str | list[str]:
    """A value of TOML as it would be typed, so that click takes it or names what is wrong; a list where there may be several.

    Raises:
        UsageError: nobody could type it.
    """
    several = parameter.multiple or parameter.type is click.UNPROCESSED  # UNPROCESSED: its parts are parted by commas
    parts = value if several and isinstance(value, list) else [value]
    try:
        texts = [str(part) for part in parts if isinstance(part, str | int | float)]
    except ValueError:  # a number of more digits than Python writes
        texts = []
    if len(texts) != len(parts) or not "".join(texts).isprintable():
        raise UsageError(
            f"{SETTINGS}: {parameter.name} has no such value",
            hint="write a number, a text in quotes, true or false" + ", or a list of them" * several,
        )
    return texts if parameter.multiple or isinstance(value, list) else texts[0]


def _way(ctx: click.Context, parameter: click.Parameter) -> str:
    """How the user sets it: the flag and its variable, or the place on the command line."""
    if isinstance(parameter, click.Option):
        return f"{parameter.opts[-1]} ({_variable(ctx, parameter)})"
    return parameter.make_metavar(ctx)


def _variable(ctx: click.Context, parameter: click.Parameter) -> str:
    """The variable that sets a parameter of a context's command."""
    named = parameter.envvar if isinstance(parameter.envvar, str) else ""
    return named or f"{ctx.auto_envvar_prefix}_{(parameter.name or '').upper()}"


def echo(*lines: str, err: bool = False) -> None:
    """Print lines; what is in one of them cannot end it, nor steer a terminal. All that a command says goes this way."""
    _print("\n".join(map(visible, lines)), err=err)


def _print(text: str, *, err: bool = False) -> None:
    """Print a text; where nobody reads any more, as behind `| head`, end without a word."""
    try:
        click.echo(text, err=err)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())  # what is left over goes there at the end
        os.close(nowhere)
        sys.exit(1)


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
        echo(f"the newest set: {newest}", err=True)
    return newest


def fail(error: FingenError, *, debug: bool, cause: BaseException | None = None, more: Iterable[str] = ()) -> NoReturn:
    """Print an error with its hint, and commands below it (`more`), to standard error, and exit with its code."""
    if debug:
        echo(*redact("".join(traceback.format_exception(cause or error))).splitlines(), err=True)
    echo(*f"Error: {error}".split("\n"), err=True)
    if error.hint:
        echo(f"  -> {error.hint}", *(f"     {command}" for command in more), err=True)
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


def again(ctx: click.Context, *more: str, without: str = "--dry-run") -> str:
    """The command that was typed, ready to be pasted, without one of its flags, and with more words."""
    from fingen.events import command_line

    typed = [word for word in ctx.meta[TYPED] if word != without]
    if "--out" in more and "--out" in typed:
        at = typed.index("--out")
        del typed[at : at + 2]
    options = len(typed) if "--" not in typed else typed.index("--")  # behind it nothing is an option
    return redact(command_line(*ctx.command_path.split(), *typed[:options], *more, *typed[options:]))


def _ways_on(ctx: click.Context, error: FingenError) -> list[str]:
    """The commands that write beside the set that is in the way, and in its place; none where an error is another."""
    taken = getattr(error, "taken", None)
    if taken is None or not taken.name or not {"out", "replace"} <= {each.name for each in ctx.command.params}:
        return []
    free = next(path for number in count(2) if not os.path.lexists(path := taken.with_name(f"{taken.name}-{number}")))
    return [again(ctx, "--out", str(free), without=""), again(ctx, "--replace", without="")]


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    _print(visible(json.dumps(value, ensure_ascii=False, indent=2, default=os.fspath), lines=True))


def finish(
    report: Mapping[str, Any], lines: Callable[[], Iterable[str]], exit_code: int = 0, *, as_json: bool
) -> NoReturn:
    """Print what a command found, as JSON or in lines, and exit."""
    if as_json:
        print_json(report)
    else:
        echo(*lines())
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
