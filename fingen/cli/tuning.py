"""What the commands that train have in common: where their settings come from, and how they are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fingen.cli.common import echo
from fingen.config import Tuning
from fingen.errors import UsageError, visible

if TYPE_CHECKING:
    from fingen.training.settings import Resolved

EXAMPLE_CHARACTERS = 1200  # of a prompt that is shown


def resolve(
    ctx: click.Context, flags: dict[str, Any], table: Path | None, overrides: tuple[str, ...], *, recipe: str | None,
    model: str = "", kind: type[Tuning] = Tuning,
) -> Resolved:  # fmt: skip
    """The settings by the strength of where they come from: command line, environment, file, fingen.toml, recipe, preset."""
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
    layers += settings.published(recipe, model, kind)
    return settings.resolve(layers, kind)


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
