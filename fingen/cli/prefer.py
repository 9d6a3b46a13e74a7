"""`fingen prefer`: a set of preferences, of what another one has rejected and its reviewers have edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fingen.cli.common import Command, command_options, set_argument, tell
from fingen.cli.options import options_of, settings_of
from fingen.config import Prefer


@click.command("prefer", cls=Command)
@click.argument("target", required=False, type=click.Path(path_type=Path), metavar="[SET]")
@options_of(Prefer)
@command_options
def command(target: Path | None, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Make pairs of a better and a worse answer of what a set has rejected. Nothing is asked, nothing is paid.

    SET is a set in build/ (default: the newest). The better answer is a row of it; the worse one answers the same question and
    was rejected for what it says, by a check, a second teacher or a reviewer, or it is what a row said before a reviewer edited
    it. Each row says what is wrong with the worse one. Splits are those of SET; every reject and edit that gives no pair is counted
    with the reason. Such a set is learned by `fingen finetune --objective dpo`, and written for others by `fingen export`.

    \b
    Examples:
      $ fingen prefer build/reports
      $ fingen prefer build/reports --siblings passage --out build/wide
    """
    from fingen.review.prefer import prefer

    settings = settings_of(Prefer, options)
    made = prefer(set_argument(target, quiet=quiet), settings)
    tell(made, made.lines(), made.set, as_json=as_json)
