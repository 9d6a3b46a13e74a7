"""What the commands that train have in common: where their settings come from, and how they are told."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from fingen.cli.common import echo
from fingen.cli.options import options_of
from fingen.config import Tuning
from fingen.errors import UsageError, visible

if TYPE_CHECKING:
    from fingen.training.settings import Resolved

EXAMPLE_CHARACTERS = 1200  # of a prompt that is shown
F = TypeVar("F", bound=Callable[..., Any])


def resolve(
    ctx: click.Context, flags: dict[str, Any], table: Path | None, overrides: tuple[str, ...], *, recipe: str | None,
    model: str = "", kind: type[Tuning] = Tuning, objective: str | None = None,
) -> Resolved:  # fmt: skip
    """The settings by the strength of where they come from: command line, environment, file, fingen.toml, recipe, preset, objective."""
    from fingen.training import settings

    by_source: dict[ParameterSource | None, dict[str, Any]] = {}
    for name, value in flags.items():
        if value is not None:
            by_source.setdefault(ctx.get_parameter_source(name), {})[name] = value
    given = by_source.get(ParameterSource.COMMANDLINE, {})
    overridden = settings.parse_overrides(overrides)
    if twice := sorted(set(given) & set(overridden)):
        raise UsageError(f"{twice[0]} is given twice, as an option and with --override", hint="leave one of them out")
    layers: list[tuple[str, Mapping[str, Any]]] = [
        (f"--{name.replace('_', '-')}", {name: value}) for name, value in given.items()
    ]
    layers.append(("--override", overridden))
    layers.append(("environment", by_source.get(ParameterSource.ENVIRONMENT, {})))
    if table:
        layers.append((str(table), settings.read_table(table)))
    layers.append(("fingen.toml", by_source.get(ParameterSource.DEFAULT_MAP, {})))
    layers += settings.published(recipe, model, kind, objective=objective)
    return settings.resolve(layers, kind)


def training_options(kind: type[Tuning]) -> Callable[[F], F]:
    """Give a command the options of a training's settings, and those that take any of them."""

    def add(function: F) -> F:
        override = click.option("--override", "overrides", multiple=True, metavar="KEY=VALUE",
                                help="Any setting, also those without an option of their own. May be repeated.")  # fmt: skip
        table = click.option("--config", "table", type=click.Path(path_type=Path), metavar="FILE",
                             help="A TOML file with settings, one a line.")  # fmt: skip
        return options_of(kind, fallback="the recipe's, else")(table(override(function)))

    return add


def take_settings(kind: type[Tuning], options: dict[str, Any]) -> dict[str, Any]:
    """Take the settings of a training out of a command's options."""
    return {field.name: options.pop(field.name) for field in dataclasses.fields(kind) if field.name in options}


class Voice:
    """How a training is told, on a terminal: nothing where that is not wanted, or by a process that is not the first."""

    def __init__(self, *, quiet: bool) -> None:
        # `accelerate launch` starts a command several times: one of them speaks
        self.is_first = os.environ.get("RANK", "0") == "0"
        self._quiet = quiet or not self.is_first

    def say(self, text: str) -> None:
        """Tell a line of progress."""
        if not self._quiet:
            echo(text, err=True)

    def show(self, prompt: str, answer: str) -> None:
        """Show one row as the model sees it."""
        if not self._quiet:
            show_example(prompt, answer)


def settings_lines(resolved: Resolved, warnings: Sequence[str], obstacles: int) -> list[str]:
    """All settings of a training with where each is from, what to mind, and how much is in the way: the end of a plan."""
    values = dataclasses.asdict(resolved.tuning)
    return [
        "",
        *(f"  {name:<24}{value!s:<16}{resolved.sources.get(name, 'default')}" for name, value in values.items()),
        "",
        *(f"mind: {warning}" for warning in warnings),
        f"in the way: {obstacles or 'nothing'}",
    ]


def said(resolved: Resolved) -> str:
    """The settings that are no defaults, each with where it is from."""
    values = dataclasses.asdict(resolved.tuning)
    return "   ".join(f"{name}={values[name]} ({source})" for name, source in sorted(resolved.sources.items()))


def show_example(prompt: str, answer: str) -> None:
    """Show one row as the model sees it."""
    shown = prompt if len(prompt) <= EXAMPLE_CHARACTERS else f"{prompt[:EXAMPLE_CHARACTERS]} [...] "
    parts = visible(shown, lines=True), visible(answer, lines=True)
    click.echo(click.style(parts[0], dim=True) + click.style(parts[1], fg="green", bold=True), err=True)
    echo(f"(the first row; only this is learned: {answer!r})", err=True)


def gib(count: float | None) -> str:
    """Bytes as people read them."""
    return "not known" if count is None else f"{count / (1 << 30):.1f} GiB"
