"""Click options, made from the dataclasses of `fingen.config`, and their values taken back into these."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from fingen.cli import completers
from fingen.cli.common import FolderOption
from fingen.config import Option
from fingen.errors import UsageError, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S")
Callback = Callable[[click.Context, click.Parameter, Any], Any]


def options_of(settings: type, *names: str, fallback: str = "", **defaults: Any) -> Callable[[F], F]:
    """Give a command the options of a dataclass in `fingen.config`: of all its fields and their own, or of those named.

    `defaults` stand in place of the dataclass's. With `fallback`, what is not given is None, and comes from there.
    """
    hints = get_type_hints(settings)
    fields = {field.name: field for field in dataclasses.fields(settings)}

    def add(function: F) -> F:
        for name in reversed(names or [*fields]):
            if dataclasses.is_dataclass(hints[name]):
                function = options_of(hints[name])(function)
            elif "option" in fields[name].metadata:
                default = defaults.get(name, fields[name].default)
                function = _option(fields[name], hints[name], default, fallback)(function)
        return function

    return add


def settings_of(settings: type[S], options: dict[str, Any], **given: Any) -> S:
    """Take the values of `options_of` out of a command's options, into the dataclass; `given` are fields that are known."""
    hints = get_type_hints(settings)
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # mypy knows no bound for dataclasses
        about = field.metadata.get("option") or Option("")
        key = about.key or field.name
        if dataclasses.is_dataclass(hints[field.name]):
            given[field.name] = settings_of(hints[field.name], options)
        elif key in options:
            value = options.pop(key)
            given[field.name] = not value if about.flag.startswith("--no-") else value
    return settings(**given)


def _option(field: dataclasses.Field[Any], hint: Any, default: Any, fallback: str) -> Callable[[F], F]:
    """The click option of one setting."""
    about: Option = field.metadata["option"]
    flag = about.flag or "--" + field.name.replace("_", "-")
    shown = about.unset
    more: dict[str, Any] = {}
    if hint is bool:
        more = {"is_flag": True}
        if default and not flag.startswith("--no-"):
            flag, more = f"{flag}/--no-{flag[2:]}", {"default": True, "show_default": True}
    else:
        more = {**_kind(field.name, hint, about), "metavar": about.metavar}
        if fallback:
            shown = f"{fallback} {about.unset or (f'{default:g}' if isinstance(default, float) else default)}"
        elif default not in (None, ()):
            typed = ",".join(map(str, default)) if isinstance(default, tuple) else default
            more |= {"default": typed, "show_default": True}
    text = f"{about.help}  [default: {shown}]" if shown else about.help
    kind = FolderOption if about.from_folder else click.Option
    if about.from_folder:
        more["example"] = not default if flag.startswith("--no-") else default
    if completer := completers.OF_SETTINGS.get(field.name):
        more["shell_complete"] = completer
    return click.option(flag, about.key or field.name, cls=kind, help=text, envvar=about.variable or None, **more)


def _kind(name: str, hint: Any, about: Option) -> dict[str, Any]:
    """What values click is to take for a setting: type, whether it may be repeated, callback."""
    if get_origin(hint) is UnionType:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    is_list = get_origin(hint) is tuple
    kind = get_args(hint)[0] if is_list else hint
    if name in REPEATED:
        return {"type": REPEATED[name], "multiple": True}
    if name in PARSERS:
        return {"type": click.UNPROCESSED if is_list else kind, "callback": PARSERS[name]}
    if is_list and about.choices:
        offered = completers.comma_completer(about.choices)
        return {"type": click.UNPROCESSED, "callback": commas(_some_of(about.choices)), "shell_complete": offered}
    if get_origin(kind) is Literal or about.choices:
        return {"type": click.Choice(about.choices or get_args(kind))}
    if kind is Path:
        kind = click.Path(dir_okay=not about.is_file, path_type=Path)
    elif about.least is not None:
        kind = click.IntRange(about.least, about.most)
    elif about.above is not None:
        kind = _Above(about.above, min_open=True)
    return {"type": kind, "multiple": is_list}


class _Above(click.FloatRange):
    """A number above another one. What is not a number is above none, which click does not see."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, if it is one."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


def commas(parse: Callable[[list[str]], Any]) -> Callback:
    """A callback for a value of parts: parted by commas, or a list in fingen.toml."""

    def callback(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        parts = value if isinstance(value, list | tuple) else str(value).split(",")
        return parse([str(part).strip() for part in parts])

    return callback


def parse_numbers(parts: list[str], count: int, wanted: str) -> tuple[float, ...]:
    """So many numbers from 0.

    Raises:
        BadParameter: the parts are not them; says what is wanted.
    """
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(0 <= number < math.inf for number in numbers):
        raise click.BadParameter(wanted)
    return numbers


def _parse_shares(parts: list[str]) -> tuple[float, ...]:
    shares = parse_numbers(parts, 3, "give three shares from 0, such as 0.8,0.1,0.1")
    if not shares[0]:
        raise click.BadParameter("train must have a share")
    return shares


class _Address(click.types.StringParamType):
    """The address of a server. What is none is refused before it is shown, as a password may be in it."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address, if it is one."""
        from fingen.wire import server_url

        try:
            return server_url(value)
        except UsageError as e:
            self.fail(f"{e}: {e.hint}", param, ctx)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """The addresses in a variable; a space in one of them, as in a password, makes no two of it."""
        return re.split(r"[\s,]+(?=https?://)", rv.strip())


def _check_engine(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from fingen.wire import cluster_address

        try:
            cluster_address(value)
        except UsageError as e:
            raise click.BadParameter(f"{e}: {e.hint}") from e
    return value


def _some_of(choices: tuple[str, ...]) -> Callable[[list[str]], tuple[str, ...]]:
    def parse(parts: list[str]) -> tuple[str, ...]:
        wrong = [part for part in parts if part not in choices]
        if wrong or not parts:
            meant = "".join(f" {did_you_mean(part, choices).capitalize()}" for part in wrong)
            raise click.BadParameter(f"{', '.join(wrong) or 'nothing'} is not one of {', '.join(choices)}.{meant}")
        return tuple(dict.fromkeys(parts))

    return parse


def _parse_sections(parts: list[str]) -> tuple[str, ...]:
    return tuple(part for part in parts if part)


REPEATED = {"base_url": _Address()}
PARSERS: dict[str, Callback] = {
    "engine": _check_engine,
    "price": commas(lambda parts: parse_numbers(parts, 2, "give two numbers from 0, such as 0.15,0.60")),
    "shares": commas(_parse_shares),
    "sections": lambda ctx, parameter, value: commas(_parse_sections)(ctx, parameter, value or ()),
}  # of settings of which more is asked than their annotation says
