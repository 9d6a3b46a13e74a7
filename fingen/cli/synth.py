"""`fingen synth`: items that no document gives, exactly as many as are asked for."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli.asking import asking_options, consent, cost_line, estimate_lines, pending_lines, pop_asking
from fingen.cli.common import Command, command_options, gate_options, pop_gates, print_json, say_settings

if TYPE_CHECKING:
    from fingen.pipeline.synth import SynthSummary

DEFAULT = config.Synth()


@click.group("synth")
def command() -> None:
    """Make items that no document gives: exactly as many as are asked for, balanced, drawn before they are written.

    \b
    Examples:
      $ fingen synth intent --n 500
    """


@command.command("intent", cls=Command)
@click.option("--n", type=click.IntRange(1), default=DEFAULT.n, show_default=True, help="Training records, exactly.")
@click.option("--validation", type=click.IntRange(0), default=None,
              help="Validation records on top, exactly.  [default: 0.32 of --n]")  # fmt: skip
@click.option("--test", type=click.IntRange(0), default=DEFAULT.test, show_default=True,
              help="Test records on top, exactly.")  # fmt: skip
@click.option("--language", type=click.Choice(["zh", "en"]), default=DEFAULT.language, show_default=True,
              help="Language of the items.")  # fmt: skip
@click.option("--labels", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="Your own labels (YAML: name, definition, examples, weight).")  # fmt: skip
@click.option("--weights", default=None, metavar="W,W,...",
              help="Shares of the labels, in their order.  [default: the labels' own; all alike]")  # fmt: skip
@click.option("--with-other", is_flag=True, help="Add a label for what none of the others means.")
@click.option("--fixed-options", is_flag=True, help="Keep the options in the order of the labels: a letter is a label.")
@click.option("--check", default=None, metavar="TEACHER",
              help="A second teacher answers each item blind; where it disagrees the item is rejected.")  # fmt: skip
@click.option(
    "--seed", type=int, default=DEFAULT.seed, show_default=True, help="Of the draws and the order of options."
)
@click.option("--per-request", type=click.IntRange(1, 50), default=DEFAULT.per_request, show_default=True,
              help="Items that a request asks for.")  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), default=DEFAULT.out, show_default=True, help="Folder of the set."
)
@asking_options
@gate_options
@click.option("--replace", is_flag=True, help="Start the set anew, also where it was made with other settings.")
@command_options
@click.pass_context
def intent(ctx: click.Context, /, yes: bool, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Make intent items: what a client says, lettered options, and the letter that is right.

    Who asks, about what, how and how clearly is drawn before an item is written, and kept with it. Labels are balanced, and so
    are the letters of the right answers. Run the same command again after an interruption: it goes on.

    \b
    Examples:
      $ fingen synth intent --n 500
      $ fingen synth intent --n 500 --validation 160 --teacher anthropic --check openai
      $ fingen synth intent --n 200 --language en --labels our_labels.yaml --out build/ours
    """
    from fingen.cli.progress import Display
    from fingen.pipeline import synth
    from fingen.pipeline.asking import Estimate
    from fingen.pipeline.gathering import Pending
    from fingen.tasks.intent import form
    from fingen.tasks.labels import read_labels, reweighed

    said = say_settings(ctx)
    if said and not quiet:
        click.echo(said, err=True)
    if not quiet:
        click.echo(f"language: {options['language']}", err=True)
    labels = read_labels(options.pop("labels"), options["language"], with_other=options.pop("with_other"))
    labels = reweighed(labels, options.pop("weights"))
    fixed = options.pop("fixed_options")
    settings = config.Synth(kind="intent", gates=pop_gates(options), asking=pop_asking(options), **options)
    with Display(quiet=quiet) as display:
        outcome = synth.synth(
            settings,
            form(seed=settings.seed, fixed_options=fixed),
            labels,
            watch=display,
            consent=consent(display, yes=yes, quiet=quiet),
        )
    if as_json:
        print_json(dataclasses.asdict(outcome))
    elif isinstance(outcome, Estimate):
        click.echo("\n".join(estimate_lines(outcome)))
    elif isinstance(outcome, Pending):
        click.echo("\n".join(pending_lines(outcome)))
    else:
        click.echo("\n".join(_lines(outcome)))
    sys.exit(outcome.exit_code)


def _lines(summary: SynthSummary) -> list[str]:
    splits = list(next(iter(summary.records.values()), {}))
    width = max(len(label) * 2 for label in summary.records) + 2
    lines = [f"{summary.set}   teacher: {summary.teacher}", ""]
    lines.append(_wide("label", width) + "".join(f"{split:>12}" for split in splits) + f"{'all':>12}")
    for label, counts in summary.records.items():
        row = "".join(f"{count:>12,}" for count in counts.values())
        lines.append(_wide(label, width) + row + f"{sum(counts.values()):>12,}")
    if summary.letters:
        lines += ["", "right letters: " + "  ".join(f"{letter} {count:,}" for letter, count in summary.letters.items())]
    measures = summary.measures
    if measures:
        lengths = "/".join(f"{measures[f'length_p{p}']:.0f}" for p in (10, 50, 90))
        lines.append(f"distinct units {measures['distinct_1']:.3f}, pairs {measures['distinct_2']:.3f} | "
                     f"likeness to the nearest {measures['self_similarity']:.2f} | characters (10/50/90 %) {lengths}")  # fmt: skip
    rejects = ", ".join(f"{count:,} {reason}" for reason, count in summary.rejects.items())
    lines.append(f"rejected: {rejects or 'none'}" + (f"  ({summary.set}/rejected.jsonl)" if rejects else ""))
    for pair in summary.confused[:5]:
        lines.append(
            f"  {pair['items']} asked as {pair['asked']}, taken for {pair['taken']}: sharpen what parts the two"
        )
    if summary.private:
        lines.append("personal data found: " + ", ".join(f"{count} {kind}" for kind, count in summary.private.items()))
    asked = f"{summary.requests['asked']} asked now, {summary.requests['from_journal']} from the journal, {summary.rounds} rounds"
    if summary.cost_usd != 0.0:
        asked += f" | cost of all runs: {cost_line(summary.cost_usd, summary.expected_usd)}"
    lines += [f"requests: {asked}", *(f"  note: {note}" for note in summary.notes)]
    state = "written" if summary.changed else "already up to date"
    return [*lines, f"{state}: {summary.set}", f"next: {summary.next}"]


def _wide(text: str, width: int) -> str:
    """Padded to columns: a Chinese character takes two."""
    taken = sum(2 if "\u2e80" <= char <= "\uffdc" else 1 for char in text)
    return text + " " * max(1, width - taken)
