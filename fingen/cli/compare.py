"""`fingen compare`: whether two scores differ by more than chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingen.cli import completers
from fingen.cli.common import Command, FolderOption, command_options, finish

if TYPE_CHECKING:
    from fingen.scoring import Comparison


@click.command("compare", cls=Command)
@click.argument(
    "scores",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="SCORE...",
    shell_complete=completers.scores,
)
@click.option("--seed", cls=FolderOption, type=int, default=0, show_default=True, help="Of the bootstrap.")
@command_options
def command(scores: tuple[Path, ...], seed: int, as_json: bool, quiet: bool, debug: bool) -> None:
    """Compare each two subjects of one or several scores, on the rows that both answered.

    SCORE is a folder that `fingen score` has written. Each two subjects on the same rows
    get the difference of their accuracies with a 95 % interval
    (paired bootstrap) and the exact test of McNemar, beside what the majority class comes to. Exit code 1 where a row is in
    one score only.

    \b
    Examples:
      $ fingen compare build/scores/base build/scores/tuned
      $ fingen compare build/scores/base build/scores/tuned --json
    """
    from fingen.scoring import compare
    from fingen.scoring.card import plain

    found = compare(scores, seed=seed)
    short = any(one.only_in_first or one.only_in_second for one in found)

    def lines() -> Iterator[str]:
        for one in found:
            first, *more = map(plain, _lines(one))
            yield from (first, *(f"  {line}" for line in more))
        if len(found) > 1:
            yield f"{len(found)} comparisons: each p stands for itself and is not adjusted for their number"

    report = {"comparisons": [dataclasses.asdict(one) for one in found], "exit_code": int(short)}
    finish(report, lines, int(short), as_json=as_json)


def _lines(one: Comparison) -> list[str]:
    unread = f"unparseable: {one.unparseable[0]:,} and {one.unparseable[1]:,}"
    verdict = "no difference shown"
    if one.shown:
        verdict = f"a difference is shown: {one.second if one.difference > 0 else one.first} is right more often"
    lines = [
        f"{one.first} -> {one.second} on {one.on}: {verdict}",
        f"accuracy {100 * one.first_accuracy:.2f} % -> {100 * one.second_accuracy:.2f} % on {one.rows:,} common rows ({unread})",
        f"majority class ({one.majority}): {100 * one.majority_accuracy:.2f} % of these rows",
        f"difference {100 * one.difference:+.2f} points, 95 % interval {100 * one.low:+.2f} to {100 * one.high:+.2f}",
        f"right alone: {one.first_only:,} and {one.second_only:,} rows; exact McNemar p = {one.p:.3g}",
    ]
    lines += [f"{name} {said}" for name, said in zip((one.first, one.second), one.constant, strict=True) if said]
    for name, ids in ((one.first, one.only_in_first), (one.second, one.only_in_second)):
        if ids:
            more = f" and {len(ids) - 10:,} more" if len(ids) > 10 else ""
            lines.append(f"{len(ids):,} rows are in {name} alone and do not count: {', '.join(ids[:10])}{more}")
    return lines
