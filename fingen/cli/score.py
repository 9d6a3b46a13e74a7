"""`fingen score`: what a subject's answers are worth, with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.asking import consent, estimate_lines
from fingen.cli.common import Command, again, command_options, echo, finish
from fingen.cli.options import options_of, settings_of
from fingen.config import Scoring

if TYPE_CHECKING:
    from fingen.scoring import Planned, Scored


@click.command("score", cls=Command)
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...", shell_complete=completers.adapters)
@options_of(Scoring)
@command_options
@click.pass_context
def command(ctx: click.Context, /, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Score adapters, models, teachers, classifiers, a baseline or raw answers: accuracy and F1, each with its 95 % interval.

    ADAPTER is a folder that `fingen finetune` has made, asked on the test split of its set (else validation) beside its base;
    or any LoRA adapter, by folder or Hub id, with --form. Options are read off as probabilities in one pass; text that a
    teacher, a file or --generate gives must name one option ("B", "B. 个股问询", "选项B", "答案是 B"): one that names none or
    several is counted apart and never guessed. An adapter's base is read off and asked to write as well, and the majority class
    of the rows stands below all subjects. Exit code 1 where a row has no answer, or an answer no row.

    \b
    Examples:
      $ fingen score build/adapters/intent-llama3
      $ fingen score build/adapters/a build/adapters/b --teacher anthropic --benchmark openfindata --data openfindata.json
      $ fingen score FinGPT/fingpt-sentiment_llama2-13b_lora --form fingpt --benchmark tfns --benchmark fiqa
      $ fingen score build/adapters/fpb --classifier models/finbert --benchmark fpb --data Sentences_50Agree.txt
      $ fingen score --predictions answers.jsonl --gold build/intent/test.jsonl --json
    """
    from fingen import scoring
    from fingen.cli.progress import Display

    settings = settings_of(Scoring, options)
    if settings.asking.dry_run:
        planned = scoring.build_plan(settings)
        report = {**dataclasses.asdict(planned), "folder": str(planned.folder), "next": again(ctx), "exit_code": 0}
        finish(report, lambda: [*_plan_lines(planned), f"next: {again(ctx)}"], as_json=as_json)
    with Display(quiet=quiet) as display:
        scored = scoring.score(settings, on_event=display, consent=consent(display, yes=True, quiet=quiet))
    short = scored.report.short
    if not quiet:
        echo(f"written: {scored.folder}", err=True)
    report = {"folder": str(scored.folder), **scored.report.model_dump(mode="json"), "exit_code": int(short)}
    finish(report, lambda: _score_lines(scored), int(short), as_json=as_json)


def _score_lines(scored: Scored) -> Iterator[str]:
    from fingen.scoring.card import plain, render_answers, render_notes, render_pairs, render_table
    from fingen.scoring.columns import qa_sentences
    from fingen.scoring.seeds import render_seeds

    for table in (render_table(scored.report, plain), render_answers(scored.report, plain)):
        yield from table.split("\n") if table else ()
    report = scored.report
    for note in (*render_seeds(report), *render_pairs(report), *qa_sentences(report), *render_notes(report)):
        yield plain(note)


def _plan_lines(planned: Planned) -> Iterator[str]:
    from fingen.scoring.card import plain

    rows = ", ".join(f"{rows:,} rows of {key}" for key, rows in planned.rows.items())
    for line in (*planned.notes, f"{planned.folder}: {rows}"):
        yield plain(line)
    for estimate in planned.estimates:
        yield from estimate_lines(estimate)
