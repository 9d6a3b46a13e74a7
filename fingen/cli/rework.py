"""`fingen dedup` and `fingen split`: make a set anew from what it has, without asking or paying."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, set_argument, tell
from fingen.cli.options import options_of, settings_of
from fingen.cli.working import working
from fingen.config import Filters, Resplitting

if TYPE_CHECKING:
    from fingen.pipeline.rework import Reworked


@click.command("dedup", cls=Command)
@click.argument(
    "target", required=False, type=click.Path(path_type=Path), metavar="[SET]", shell_complete=completers.sets
)
@options_of(Filters)
@command_options
def dedup(target: Path | None, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Filter a set anew: duplicates, other sets, benchmarks to keep out, and personal data. Nothing is asked, nothing is paid.

    SET is any set in build/ (default: the newest). What `fingen pdf2qa` has made is drawn from its journal again, any other set
    is filtered row by row: of rows that say the same the first stays. The filters are the ones given now, in place of those that it
    had; what falls goes to rejected.jsonl with its reason. Every record keeps its split.

    \b
    Examples:
      $ fingen dedup build/fpb
      $ fingen dedup build/2024 --against build/2023
      $ fingen dedup build/reports --keep-out benchmark.jsonl --privacy drop
    """
    from fingen.pipeline.rework import rework

    folder = set_argument(target, quiet=quiet)
    with working(f"filtering {folder}", quiet=quiet):
        made = rework(folder, settings_of(Filters, options), say=partial(_say, quiet=quiet))
    tell(made, _lines(made), made.set, as_json=as_json)


@click.command("split", cls=Command)
@click.argument(
    "target", required=False, type=click.Path(path_type=Path), metavar="[SET]", shell_complete=completers.sets
)
@options_of(Resplitting)
@options_of(Filters)
@command_options
@click.pass_context
def split(ctx: click.Context, /, target: Path | None, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Divide a set afresh into train, validation and test. Nothing is asked, nothing is paid.

    SET is any set in build/ (default: the newest). Rows that share a passage or say the same go to one split; those of an
    import are then no longer the published ones. Filters that the set has are given again.

    \b
    Examples:
      $ fingen split build/reports --split 0.7,0.1,0.2
      $ fingen split build/fpb
      $ fingen split build/reports --split-by document
    """
    from fingen.pipeline.rework import refuse_other_filters, rework
    from fingen.sets import read_manifest

    folder = set_argument(target, quiet=quiet)
    if ctx.get_parameter_source("privacy") is ParameterSource.DEFAULT:  # dividing changes no row
        options["privacy"] = read_manifest(folder).settings.get("privacy", "keep")
    filters = settings_of(Filters, options)
    refuse_other_filters(folder, filters)
    with working(f"dividing {folder}", quiet=quiet):
        made = rework(folder, filters, splitting=settings_of(Resplitting, options), say=partial(_say, quiet=quiet))
    tell(made, _lines(made), made.set, as_json=as_json)


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        echo(text, err=True)


def _lines(made: Reworked) -> list[str]:
    lines = [made.set, "", *_table("split", made.splits_before, made.splits)]
    lines += ["", *_table("rejected", made.rejects_before, made.rejects)]
    return [*lines, "", f"rows that are in another split now: {made.moved:,}"]


def _table(title: str, before: dict[str, int], after: dict[str, int]) -> list[str]:
    names = list(dict.fromkeys([*before, *after]))
    rows = [f"{name:<22}{before.get(name, 0):>9,}{after.get(name, 0):>9,}" for name in names]
    return [f"{title:<22}{'before':>9}{'after':>9}", *rows]
