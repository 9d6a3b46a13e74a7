"""`fingen synth`: items that no document gives, exactly as many as are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli.asking import consent, cost_line, tell_part, tell_unfinished, yes_option
from fingen.cli.common import Command, command_options, echo, say_settings, tell
from fingen.cli.options import options_of, settings_of
from fingen.config import BUILD, Rewrite, Synth

if TYPE_CHECKING:
    from fingen.pipeline.rewriting import Rewritten
    from fingen.pipeline.synth import Specs, SynthSummary
    from fingen.tasks.drawn import Form
    from fingen.tasks.labels import Label

COUNTS = ("n", "validation", "test", "language", "seed", "per_request")
ASKING = ("out", "shard", "teacher", "asking", "filters", "replace")


@click.group("synth")
def command() -> None:
    """Make items that no document gives: exactly as many as are asked for, balanced, drawn before they are written.

    `rewrite` has the pairs of a set written anew.

    \b
    Examples:
      $ fingen synth intent --n 500
      $ fingen synth sentiment --n 500 --language en --teacher anthropic
    """


@command.command("intent", cls=Command)
@options_of(Synth, *COUNTS)
@click.option("--labels", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="Your own labels (YAML: name, definition, and if you like rules, examples, weight).")  # fmt: skip
@click.option("--weights", default=None, metavar="W,W,...",
              help="Shares of the labels in their order, such as 2,1,1,1,1.  [default: the labels' own; all alike]")  # fmt: skip
@click.option("--with-other", is_flag=True, help="Add a label for what none of the others means.")
@click.option("--fixed-options", is_flag=True, help="Keep the options in the order of the labels: a letter is a label.")
@options_of(Synth, "check", *ASKING)
@yes_option
@command_options
@click.pass_context
def intent(ctx: click.Context, /, **options: Any) -> None:
    """Make intent items: what a client says, lettered options, and the letter that is right.

    Who asks, about what, how and how clearly is drawn before an item is written, and kept with it. Labels are balanced, and so
    are the letters of the right answers. Run the same command again after an interruption: it goes on.

    \b
    Examples:
      $ fingen synth intent --n 500
      $ fingen synth intent --n 500 --validation 160 --teacher anthropic --check openai
      $ fingen synth intent --n 200 --language en --labels our_labels.yaml --out build/ours
    """
    from fingen.tasks.client_specs import ClientSpecs
    from fingen.tasks.intent import form
    from fingen.tasks.labels import read_labels, reweighed

    language, seed = options["language"], options["seed"]
    labels = read_labels(options.pop("labels"), language, with_other=options.pop("with_other"))
    labels = reweighed(labels, options.pop("weights"))
    chosen = form(seed=seed, fixed_options=options.pop("fixed_options"))
    _run(ctx, "intent", chosen, labels, ClientSpecs(labels, language, seed=seed), options)


@command.command("sentiment", cls=Command)
@options_of(Synth, *COUNTS, *ASKING, out=BUILD / "sentiment")
@yes_option
@command_options
@click.pass_context
def sentiment(ctx: click.Context, /, **options: Any) -> None:
    """Make sentences of financial news with their sentiment, in FinGPT's prompt form.

    Source, manner and subject of each sentence are drawn before it is written. The offline teacher writes none.

    \b
    Examples:
      $ fingen synth sentiment --n 500 --language en --teacher anthropic
    """
    from fingen.tasks.labels import read_labels
    from fingen.tasks.plain_specs import PlainSpecs
    from fingen.tasks.sentiment import form

    language = options["language"]
    labels = read_labels(None, language, defaults="sentiment.labels")
    draws = PlainSpecs("sentiment.draws", language, seed=options["seed"])
    _run(ctx, "sentiment", form(), labels, draws, options)


@command.command("qa", cls=Command)
@options_of(Synth, *COUNTS)
@click.option("--topics", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="Your own topics (YAML: name, definition, weight).")  # fmt: skip
@options_of(Synth, *ASKING, out=BUILD / "qa")
@yes_option
@command_options
@click.pass_context
def qa(ctx: click.Context, /, **options: Any) -> None:
    """Make question-answer pairs on financial topics, without a document: nothing grounds them, and the set says so.

    Who asks, how and about what is drawn before a pair is written; rows have several prompt forms. The offline teacher writes
    none.

    \b
    Examples:
      $ fingen synth qa --n 500 --teacher anthropic
      $ fingen synth qa --n 200 --topics our_topics.yaml --teacher openai --out build/ours
    """
    from fingen.tasks.labels import read_labels
    from fingen.tasks.plain_specs import PlainSpecs
    from fingen.tasks.topics import form

    language = options["language"]
    labels = read_labels(options.pop("topics"), language, defaults="topics.labels")
    draws = PlainSpecs("topics.draws", language, seed=options["seed"])
    _run(ctx, "qa", form(), labels, draws, options)


@command.command("rewrite", cls=Command)
@click.argument("target", type=click.Path(path_type=Path), metavar="SET")
@options_of(Rewrite)
@yes_option
@command_options
@click.pass_context
def rewrite(ctx: click.Context, /, target: Path, **options: Any) -> None:
    """Have the pairs of a set written anew: better, asked otherwise, or answered in more detail. The originals stay beside them.

    SET is any set in build/, such as an import. Rows with a label, options or earlier turns are kept as they are. What is worse
    than its original by a stated rule is not taken and counted: a figure that neither the original nor its passage has, a figure that is
    gone, an extension that is no longer, the same text, another language, a refusal. The offline teacher writes none.

    \b
    Examples:
      $ fingen synth rewrite build/alpaca --how improve --teacher anthropic --dry-run
      $ fingen synth rewrite build/alpaca --how extend --teacher openai --budget 5
      $ fingen synth rewrite build/reports --how rephrase --limit 200 --out build/asked-otherwise
    """
    from fingen.cli.progress import Display
    from fingen.events import Outcome
    from fingen.pipeline.rewriting import rewrite

    yes, as_json, quiet, _ = (options.pop(name) for name in ("yes", "as_json", "quiet", "debug"))
    if (said := say_settings(ctx)) and not quiet:
        echo(said, err=True)
    with Display(quiet=quiet) as display:
        outcome = rewrite(
            settings_of(Rewrite, options, data=target), on_event=display, consent=consent(display, yes=yes, quiet=quiet)
        )
    if not isinstance(outcome, Outcome):
        tell_unfinished(ctx, outcome, as_json=as_json)
    tell(outcome, _rewrite_lines(outcome), outcome.set, as_json=as_json)


def _rewrite_lines(summary: Rewritten) -> list[str]:
    lines = [f"{summary.of} -> {summary.set}   {summary.how} by {summary.teacher}", ""]
    lines += [f"{split:<24}{count:>9,}" for split, count in summary.records.items() if count]
    lines += ["", f"{summary.asked:,} rows asked for, {summary.rewritten:,} written anew beside their originals"]
    lines += [f"rejected, {reason:<14}{count:>9,}" for reason, count in summary.rejects.items()]
    lines += [f"not asked, {why:<13}{count:>9,}" for why, count in summary.not_asked.items()]
    if summary.private:
        lines.append("personal data found: " + ", ".join(f"{count} {kind}" for kind, count in summary.private.items()))
    asked = f"{summary.requests['asked']} asked now, {summary.requests['from_journal']} from the journal"
    return [*lines, f"requests: {asked} | cost of all runs: {cost_line(summary.cost_usd, summary.expected_usd)}"]


def _run(
    ctx: click.Context, kind: str, form: Form, labels: Sequence[Label], draws: Specs, options: dict[str, Any]
) -> None:
    """Make the set and say what came of it."""
    from fingen.cli.progress import Display
    from fingen.events import Outcome
    from fingen.pipeline.parts import PartOutcome
    from fingen.pipeline.synth import synth

    yes, as_json, quiet, _ = (options.pop(name) for name in ("yes", "as_json", "quiet", "debug"))
    said = say_settings(ctx)
    if not quiet:
        echo("   ".join(part for part in (f"language: {options['language']}", said) if part), err=True)
    settings = settings_of(Synth, options, kind=kind)
    with Display(quiet=quiet) as display:
        outcome = synth(settings, form, labels, draws, on_event=display, consent=consent(display, yes=yes, quiet=quiet))
    if isinstance(outcome, PartOutcome):
        tell_part(outcome, as_json=as_json)
    if not isinstance(outcome, Outcome):
        tell_unfinished(ctx, outcome, as_json=as_json)
    tell(outcome, synth_lines(outcome), outcome.set, as_json=as_json)


def synth_lines(summary: SynthSummary) -> list[str]:
    """The summary as a person reads it."""
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
    return [*lines, f"requests: {asked}"]


def _wide(text: str, width: int) -> str:
    """Padded to columns: a Chinese character takes two."""
    taken = sum(2 if "\u2e80" <= char <= "\uffdc" else 1 for char in text)
    return text + " " * max(1, width - taken)
