"""`fingen reproduce`: a published experiment, from its rows to a table beside its own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from fingen.cli.asking import consent
from fingen.cli.common import Command, command_options, finish, tell
from fingen.cli.options import options_of, settings_of
from fingen.config import Reproduce

if TYPE_CHECKING:
    from fingen.reproduce.run import Planned, Reproduced


@click.command("reproduce", cls=Command)
@click.argument("name")
@options_of(Reproduce)
@command_options
def command(as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Repeat a published experiment: its rows and ours, its recipe, its benchmarks, and one page with both tables.

    NAME is openfindata-intent, finance-llama3, od-finllm, or FinGPT's fingpt-v3, -v3.1, -v3.1.1, -v3.1.2, -v3.2 or -v3.3. Of
    od-finllm an adapter is tuned on rows of our own and taught to a smaller model (fingen distill), which is scored beside it and
    written for llama.cpp. Of the others two adapters are
    tuned on the same base with the same recipe and seed, one on the published training rows and one on rows of our own, and
    scored beside their base. Another base than the published one makes another table, never the published row. What is done is
    not done again: after an interruption the same command goes on. Exit code 1 where a part of it could not be made.

    \b
    Examples:
      $ fingen reproduce openfindata-intent --data openfindata=openfindata.json --dry-run
      $ fingen reproduce fingpt-v3.2 --data fpb=Sentences_50Agree.txt --only fpb --model llama2
      $ fingen reproduce finance-llama3 --data rows=datasets_finance.json --data gold=finglm.json --reports reports/
      $ fingen reproduce od-finllm --writer anthropic --model llama3.2-1b
      $ fingen reproduce fingpt-v3.1 --model tiny --scale 0.01 --data fpb=Sentences_50Agree.txt --only fpb
    """
    from fingen.cli.progress import Display
    from fingen.reproduce.run import Planned, reproduce

    settings = settings_of(Reproduce, options)
    with Display(quiet=quiet) as display:
        made = reproduce(settings, on_event=display, consent=consent(display, yes=True, quiet=quiet))
    if isinstance(made, Planned):
        finish(
            {**dataclasses.asdict(made), "folder": str(made.folder)},
            lambda: _plan_lines(made),
            made.exit_code,
            as_json=as_json,
        )
    tell(made, _lines(made), made.page, as_json=as_json)


def _plan_lines(planned: Planned) -> list[str]:
    return [
        f"{planned.experiment} on {planned.model} -> {planned.folder}",
        *(f"  {step}" for step in planned.steps),
        *(f"  {name:<24}{value}" for name, value in planned.settings.items()),
        *(f"note: {note}" for note in planned.notes),
        *(f"in the way: {obstacle}" for obstacle in planned.obstacles),
    ]


def _lines(made: Reproduced) -> list[str]:
    from fingen.scoring.card import plain, render_answers, render_table
    from fingen.scoring.report import read_score

    lines = [f"{made.experiment} -> {made.folder}"]
    for folder in made.scores.values():
        report, _ = read_score(made.folder / folder.rpartition("/")[2])
        for table in (render_table(report, plain), render_answers(report, plain)):
            lines += table.split("\n") if table else []
    lines += [f"differs: {line}" for line in made.differs]
    lines += [f"missing: {line}" for line in made.missing]
    spent = ", ".join(f"{step} {seconds / 60:.1f}" for step, seconds in made.seconds.items())
    return [*lines, f"minutes: {spent}"]
