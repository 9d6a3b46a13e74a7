"""`fingen score`: what a subject's answers are worth, with intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fingen.cli.asking import consent, estimate_lines, parse_address, parse_price
from fingen.cli.common import Command, command_options, finish
from fingen.config import CONTEXTS, FORMS, LOADS, Asking, Scoring

if TYPE_CHECKING:
    from fingen.scoring import Planned, Scored

DEFAULT = Scoring()
PATH = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])


def _subject_options(function: F) -> F:
    """Who answers."""
    for option in (
        click.option("--trust-remote-code", is_flag=True, help="Run the Python code that a model brings; read it before."),
        click.option("--load", type=click.Choice(LOADS), default=DEFAULT.load, show_default=True,
                     help="Number format of a model; auto: as the adapter was tuned, else bf16 on a GPU that has it, else fp32."),
        click.option("--form", type=click.Choice(FORMS), default=None,
                     help="How rows are put to a model, or to an adapter that others made: its chat template, or FinGPT's prompt."
                          "  [default: chat]"),
        click.option("--base", default=None, metavar="MODEL",
                     help="The base of an adapter that others made.  [default: the one that it names]"),
        click.option("--no-base", is_flag=True, help="Leave out the base model beside an adapter, read off and generated."),
        click.option("--gold", type=PATH, default=None, metavar="FILE|SET",
                     help="What is right for --predictions: a set, a file of one, or rows of id and gold."),
        click.option("--predictions", type=PATH, default=None, metavar="FILE",
                     help="Raw answers: rows of id (or row, from 1) and prediction; may have model, and gold in place of --gold."),
        click.option("--baseline", is_flag=True,
                     help="A linear baseline: character n-grams and logistic regression on the training rows."),
        click.option("--teacher", "teachers", multiple=True, metavar="NAME",
                     help="A teacher over its API: anthropic[:MODEL], openai[:MODEL]. May be repeated."),
        click.option("--model", "models", multiple=True, metavar="MODEL",
                     help="A model as it is: an alias, a Hub id or a folder. May be repeated."),
    ):  # fmt: skip
        function = option(function)
    return function


def _row_options(function: F) -> F:
    """What is asked, and how."""
    for option in (
        click.option("--max-tokens", type=click.IntRange(1), default=None,
                     help="Tokens that a generated answer may have.  [default: 64 for a choice, 512 for free text]"),
        click.option("--shots", type=click.IntRange(0), default=DEFAULT.shots, show_default=True,
                     help="Training examples before each question, of each class equally many."),
        click.option("--rotate", is_flag=True,
                     help="Ask each choice with its options in every rotation: does their place decide?"),
        click.option("--generate", is_flag=True,
                     help="Read free text where the likeliest option could be read off, as published figures often were made."),
        click.option("--data", "files", multiple=True, type=PATH, metavar="FILE",
                     help="File or folder of a --benchmark, one for each in their order.  [default: fetched from the Hub]"),
        click.option("--benchmark", "benchmarks", multiple=True, metavar="NAME",
                     help="openfindata, fineval-intent, fpb, fiqa, tfns or nwgi. May be repeated."),
        click.option("--judge", default=None, metavar="NAME",
                     help="A teacher that says of free text whether answer and reference say the same: anthropic[:MODEL], openai[:MODEL]."),
        click.option("--context", type=click.Choice(CONTEXTS), default=None,
                     help="Ask questions closed-book (none), with the passage of the set in the prompt, or both ways.  "
                          "[default: both for an adapter whose set has the passages, else none]"),
        click.option("--split", "splits", multiple=True, metavar="NAME",
                     help="Split of the set. May be repeated.  [default: test, else validation; of questions and answers memory too]"),
        click.option("--set", "data", type=PATH, default=None, metavar="SET|FILE",
                     help="Rows to score on.  [default: the set that the adapter was tuned on]"),
    ):  # fmt: skip
        function = option(function)
    return function


def _cost_options(function: F) -> F:
    """How teachers are asked."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would be asked and what it would cost; load no model, and send nothing."),
        click.option("--price", callback=parse_price, default=None, metavar="IN,OUT",
                     help="USD per million input and output tokens, for a teacher whose price is not known."),
        click.option("--budget", "budget_usd", type=click.FloatRange(0, min_open=True), default=None,
                     help="USD that the score may cost, all runs together; a hard stop."),
        click.option("--tpm", type=click.IntRange(1), default=None, help="Tokens a minute, at most."),
        click.option("--rpm", type=click.IntRange(1), default=None, help="Requests a minute, at most."),
        click.option("--concurrency", type=click.IntRange(1, 1024), default=Asking().concurrency, show_default=True,
                     help="Requests in flight, at most."),
        click.option("--base-url", callback=parse_address, default=None, metavar="URL",
                     help="A server that speaks OpenAI's protocol: http://host/v1."),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command("score", cls=Command)
@click.argument("adapters", nargs=-1, metavar="[ADAPTER]...")
@_subject_options
@_row_options
@_cost_options
@click.option("--out", type=PATH, default=None, metavar="FOLDER",
              help="Folder of the score.  [default: build/scores/<name>]")  # fmt: skip
@click.option("--seed", type=int, default=DEFAULT.seed, show_default=True, help="Of the bootstrap and of the shots.")
@click.option("--replace", is_flag=True, help="Write over a score of other answers or rows.")
@command_options
def command(as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Score adapters, models, teachers, a baseline or raw answers: accuracy and F1, each with its 95 % interval.

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
      $ fingen score --predictions answers.jsonl --gold build/intent/test.jsonl --json
    """
    from fingen import scoring
    from fingen.cli.progress import Display

    names = {field.name for field in dataclasses.fields(Asking)} & options.keys()
    asking = Asking(**{name: options.pop(name) for name in names})
    settings = Scoring(base_beside=not options.pop("no_base"), asking=asking, **options)
    if asking.dry_run:
        planned = scoring.build_plan(settings)
        report = {**dataclasses.asdict(planned), "folder": str(planned.folder), "exit_code": 0}
        finish(report, lambda: _plan_lines(planned), as_json=as_json)
    with Display(quiet=quiet) as display:
        scored = scoring.score(settings, on_event=display, consent=consent(display, yes=True, quiet=quiet))
    short = scored.report.short
    if not quiet:
        click.echo(f"written: {scored.folder}", err=True)
    report = {"folder": str(scored.folder), **scored.report.model_dump(mode="json"), "exit_code": int(short)}
    finish(report, lambda: _score_lines(scored), int(short), as_json=as_json)


def _score_lines(scored: Scored) -> Iterator[str]:
    from fingen.scoring.card import plain, render_answers, render_notes, render_pairs, render_table
    from fingen.scoring.columns import qa_sentences

    yield from filter(None, (render_table(scored.report, plain), render_answers(scored.report, plain)))
    for note in (*render_pairs(scored.report), *qa_sentences(scored.report), *render_notes(scored.report)):
        yield plain(note)


def _plan_lines(planned: Planned) -> Iterator[str]:
    from fingen.scoring.card import plain

    rows = ", ".join(f"{rows:,} rows of {key}" for key, rows in planned.rows.items())
    for line in (*planned.notes, f"{planned.folder}: {rows}"):
        yield plain(line)
    for estimate in planned.estimates:
        yield from estimate_lines(estimate)
