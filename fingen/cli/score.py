"""`fingen score`: what a subject's answers are worth, with intervals."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fingen.cli.common import Command, command_options, print_json


@click.command("score", cls=Command)
@click.option("--predictions", required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Raw answers: rows of id (or row, from 1) and prediction; may have model, and gold in place of --gold.")  # fmt: skip
@click.option("--gold", type=click.Path(path_type=Path), default=None, metavar="FILE|SET",
              help="What is right: a set (its test split, else validation), a file of one, or rows of id and gold.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="FOLDER",
              help="Folder of the score; -MODEL is added where there are several.  [default: build/scores/<name of FILE>]")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--replace", is_flag=True, help="Write over a folder that holds something else.")
@command_options
def command(
    predictions: Path,
    gold: Path | None,
    out: Path | None,
    seed: int,
    replace: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Score raw answers: accuracy, F1 and what could not be read, each with its 95 % interval.

    An answer must name one option, by its letter or its text ("B", "B. 个股问询", "选项B", "答案是 B"); one that names none or
    several is counted apart and never guessed. Exit code 1 where a row has no answer, or an answer no row.

    \b
    Examples:
      $ fingen score --predictions answers.jsonl --gold build/intent
      $ fingen score --predictions answers.jsonl --gold build/intent/test.jsonl --json
    """
    from fingen import scoring
    from fingen.scoring.card import render_notes, render_table

    scored = scoring.score(predictions, gold, out=out, replace=replace, seed=seed)
    short = any(one.report.short for one in scored)
    if as_json:
        scores = [{"folder": str(one.folder), **one.report.model_dump(mode="json")} for one in scored]
        print_json({"scores": scores, "exit_code": int(short)})
    else:
        click.echo(render_table(one.report for one in scored))
        for one in scored:
            for note in render_notes(one.report):
                click.echo(f"{one.report.subject}: {note}")
    if not quiet:
        click.echo("written: " + ", ".join(str(one.folder) for one in scored), err=True)
        if len(scored) > 1:
            click.echo("next: fingen compare " + " ".join(str(one.folder) for one in scored), err=True)
    sys.exit(int(short))
