"""`fingen gather`: the parts that several machines made in, one set out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fingen.cli.asking import consent, tell_unfinished
from fingen.cli.common import Command, command_options, tell
from fingen.cli.options import options_of, settings_of
from fingen.config import ANEW, Gather


@click.command("gather", cls=Command)
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PART...")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="SET", help="Folder of the set.")
@options_of(Gather)
@click.option("--replace", is_flag=True, help=ANEW)
@click.option(
    "--yes", is_flag=True, help="Have what the parts did not ask asked from here, also of a teacher that costs."
)
@command_options
@click.pass_context
def command(
    ctx: click.Context, /, parts: tuple[Path, ...], out: Path, replace: bool, yes: bool, as_json: bool, quiet: bool,
    debug: bool, **options: Any,
) -> None:  # fmt: skip
    """Make one set of the parts that several machines made with --shard: the same files as one machine would have made.

    PART are the folders of all parts, in any order. Their answers are joined, nothing is asked or paid for twice, and duplicates, checks
    and splits are those of the whole. The parts stay as they are: gather them again when they have gone on.

    \b
    Examples:
      $ fingen gather build/parts/* --out build/reports
      $ fingen gather build/parts/1 build/parts/2 --out build/intent --yes
      $ fingen gather build/parts/* --out build/reports --workers 16
    """
    from fingen.cli.pdf2qa import summary_lines
    from fingen.cli.progress import Display
    from fingen.cli.synth import synth_lines
    from fingen.pipeline.gathering import gather_parts
    from fingen.pipeline.summary import Summary
    from fingen.teachers.asking import Pending

    with Display(quiet=quiet) as display:
        settings = settings_of(Gather, options)
        agree = consent(display, yes=True, quiet=quiet)  # to more than `yes` says nothing is asked
        outcome = gather_parts(parts, out, settings, replaces=replace, yes=yes, on_event=display, consent=agree)
    if isinstance(outcome, Pending):
        tell_unfinished(ctx, outcome, as_json=as_json)
    if isinstance(outcome, Summary):
        tell(outcome, summary_lines(outcome), outcome.set, as_json=as_json, noted=True)
    tell(outcome, synth_lines(outcome), outcome.set, as_json=as_json)
