"""`fingen dedup` and `fingen split`: make a set anew from its journal, without asking or paying."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli.common import Command, command_options, gate_options, pop_gates, print_json, set_argument
from fingen.cli.pdf2qa import parse_shares
from fingen.config import SPLIT_UNITS, Splitting

if TYPE_CHECKING:
    from fingen.pipeline.rework import Reworked


@click.command("dedup", cls=Command)
@click.argument("target", required=False, type=click.Path(path_type=Path), metavar="[SET]")
@gate_options
@command_options
def dedup(target: Path | None, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Gate a set anew: against other sets, benchmarks to keep out, and personal data. Nothing is asked, nothing is paid.

    SET is a set that `fingen pdf2qa` made here (default: the newest in build/). The gates are the ones given now, in place of
    those that it had. Every record keeps its split.

    \b
    Examples:
      $ fingen dedup build/2024 --against build/2023
      $ fingen dedup build/reports --keep-out benchmark.jsonl --privacy drop
    """
    from fingen.pipeline.rework import rework

    gates = pop_gates(options)
    _say(rework(set_argument(target, quiet=quiet), gates), as_json=as_json)


@click.command("split", cls=Command)
@click.argument("target", required=False, type=click.Path(path_type=Path), metavar="[SET]")
@click.option("--split", "shares", default=",".join(map(str, Splitting().shares)), show_default=True, callback=parse_shares,
              help="Shares of train, validation and test.")  # fmt: skip
@click.option("--split-by", type=click.Choice(SPLIT_UNITS), default=Splitting().by, show_default=True,
              help="What stays together; auto is what the set has.")  # fmt: skip
@gate_options
@command_options
def split(
    target: Path | None,
    shares: tuple[float, float, float],
    split_by: str,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Divide a set afresh into train, validation and test. Nothing is asked, nothing is paid.

    SET is a set that `fingen pdf2qa` made here (default: the newest in build/). Gates that it has are given again.

    \b
    Examples:
      $ fingen split build/reports --split 0.7,0.1,0.2
      $ fingen split build/reports --split-by document
    """
    from fingen.pipeline.rework import refuse_other_gates, rework

    folder, gates = set_argument(target, quiet=quiet), pop_gates(options)
    refuse_other_gates(folder, gates)
    _say(rework(folder, gates, splitting=Splitting(shares=shares, by=split_by)), as_json=as_json)


def _say(outcome: Reworked, *, as_json: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(outcome))
        return
    lines = [outcome.set, "", *_table("split", outcome.splits_before, outcome.splits)]
    lines += ["", *_table("rejected", outcome.rejects_before, outcome.rejects)]
    lines.append(f"{'written' if outcome.changed else 'already so'}: {outcome.set}")
    click.echo("\n".join(lines))


def _table(title: str, before: dict[str, int], after: dict[str, int]) -> list[str]:
    names = list(dict.fromkeys([*before, *after]))
    rows = [f"{name:<22}{before.get(name, 0):>9,}{after.get(name, 0):>9,}" for name in names]
    return [f"{title:<22}{'before':>9}{'after':>9}", *rows]
