"""`fingen pdf2qa`: reports in, a question-answer set out."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli.common import Command, comma_list, command_options, print_json, say_settings
from fingen.errors import UsageError

if TYPE_CHECKING:
    from fingen.pipeline import Estimate, Pending, Summary

DEFAULT = config.Pdf2qa()


def _shares(ctx: click.Context, parameter: click.Parameter, value: Any) -> tuple[float, float, float]:
    parts = value.split(",") if isinstance(value, str) else value
    try:
        train, validation, test = (float(part) for part in parts)
    except ValueError as e:
        raise click.BadParameter("give three shares, such as 0.8,0.1,0.1") from e
    if not all(0 <= share < math.inf for share in (train, validation, test)) or not train:
        raise click.BadParameter("shares are numbers from 0, and train must have one")
    return train, validation, test


def _price(ctx: click.Context, parameter: click.Parameter, value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        into, out = (float(part) for part in (value.split(",") if isinstance(value, str) else value))
    except ValueError as e:
        raise click.BadParameter("give two numbers, such as 0.15,0.60") from e
    if min(into, out) < 0:
        raise click.BadParameter("a price is not negative")
    return into, out


@click.command("pdf2qa", cls=Command)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORTS...")
@click.option("--task", default=",".join(DEFAULT.tasks), show_default=True, callback=comma_list(config.TASKS),
              help="Kinds of pairs, parted by commas: concept, summary.")  # fmt: skip
@click.option("--per-chunk", type=click.IntRange(1, 20), default=DEFAULT.per_chunk, show_default=True,
              help="Pairs of a kind asked for from a passage, at most.")  # fmt: skip
@click.option("--context", type=click.Choice(config.CONTEXTS), default=DEFAULT.context, show_default=True,
              help="What stands in `input`: nothing (closed-book), the source passage, or a row of each.")  # fmt: skip
@click.option("--language", type=click.Choice(config.LANGUAGES), default=DEFAULT.reading.language, show_default=True,
              help="Language of the reports; auto finds it for each.")  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), default=DEFAULT.out, show_default=True, help="Folder of the set."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=DEFAULT.workers,
    show_default=True,
    help="Processes that read files.",
)
@click.option("--teacher", default=None,
              help="Who writes the pairs: anthropic[:MODEL], openai[:MODEL], offline.  "
                   "[default: the one whose key is set, after asking; else offline]")  # fmt: skip
@click.option("--yes", is_flag=True, help="Agree to the teacher that was found by its key, without being asked.")
@click.option("--base-url", default=None, help="A server that speaks OpenAI's protocol: http://host/v1.")
@click.option("--questions", type=click.Path(path_type=Path), default=None,
              help="File with your own topics, one a line, that the teacher is steered towards.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 1024), default=DEFAULT.asking.concurrency, show_default=True,
              help="Requests in flight, at most.")  # fmt: skip
@click.option("--rpm", type=click.IntRange(1), default=None, help="Requests a minute, at most.")
@click.option("--tpm", type=click.IntRange(1), default=None, help="Tokens a minute, at most.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), default=None,
              help="USD that the set may cost, all runs together; a hard stop.")  # fmt: skip
@click.option("--price", callback=_price, default=None, metavar="IN,OUT",
              help="USD per million input and output tokens, for a model whose price is not known.")  # fmt: skip
@click.option("--batch", is_flag=True, help="Ask in batches: half the price, within 24 hours.")
@click.option("--wait/--no-wait", default=DEFAULT.asking.wait, show_default=True,
              help="Wait for the batches; without it the same command collects them later.")  # fmt: skip
@click.option("--export-requests", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE",
              help="Send nothing: write the missing requests to FILE, in the form of OpenAI's batches.")  # fmt: skip
@click.option("--import-answers", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE",
              help="Send nothing: take the answers from FILE, results of either provider's batches.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be sent and what it would cost, and send nothing.")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT.limit,
              help="Passages asked about, spread over all documents.  [default: all]")  # fmt: skip
@click.option("--chunk-tokens", type=click.IntRange(128, 16384), default=DEFAULT.reading.chunk_tokens, show_default=True,
              help="Estimated tokens a passage may have.")  # fmt: skip
@click.option("--ocr", is_flag=True, help="Read scanned pages with tesseract.")
@click.option("--split", default=",".join(map(str, DEFAULT.splitting.shares)), show_default=True, callback=_shares,
              help="Shares of train, validation and test.")  # fmt: skip
@click.option("--split-by", type=click.Choice(config.SPLIT_UNITS), default=DEFAULT.splitting.by, show_default=True,
              help="What stays together; auto is document from 20 documents on, chunk below.")  # fmt: skip
@click.option("--replace", is_flag=True, help="Start the set anew, also where it was made with other settings.")
@command_options
@click.pass_context
def command(ctx: click.Context, /, yes: bool, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Read PDF reports and make a question-answer set of them.

    REPORTS are PDF files, or folders whose PDF files are read, in subfolders too. Files that cannot be read are named with
    the reason, and do not stop the others (exit code 1). Run the same command again after an interruption: it goes on.

    \b
    Examples:
      $ fingen pdf2qa reports/
      $ fingen pdf2qa reports/ --task summary --context both --limit 100
      $ fingen pdf2qa 10k.pdf annual_report.pdf --out build/two --json
      $ fingen pdf2qa reports/ --teacher anthropic --batch --no-wait
    """
    from fingen import pipeline, prompts
    from fingen.cli.progress import Display

    said = say_settings(ctx)
    if said and not quiet:
        click.echo(said, err=True)
    if prompts.is_local() and not quiet:
        click.echo(f"templates from {prompts.folder().resolve()}", err=True)

    def consent(estimate: Estimate) -> None:
        if not estimate.requests:
            return
        if estimate.found_by and not yes:
            if not _is_terminal():
                pipeline.require_named(estimate)
            with display.paused():
                _ask_for_consent(estimate)
        elif not quiet and estimate.usd != (0.0, 0.0, 0.0):
            click.echo(f"asking {_estimate_line(estimate)}", err=True)

    with Display(quiet=quiet) as display:
        outcome = pipeline.pdf2qa(_settings(options), watch=display, consent=consent)
    if as_json:
        print_json(dataclasses.asdict(outcome))
    elif isinstance(outcome, pipeline.Estimate):
        click.echo("\n".join(_estimate_lines(outcome)))
    elif isinstance(outcome, pipeline.Pending):
        click.echo("\n".join(_pending_lines(outcome)))
    else:
        click.echo("\n".join(_lines(outcome)))
    sys.exit(outcome.exit_code)


def _settings(options: dict[str, Any]) -> config.Pdf2qa:
    reading = config.Reading(
        chunk_tokens=options.pop("chunk_tokens"), ocr=options.pop("ocr"), language=options.pop("language")
    )
    splitting = config.Splitting(shares=options.pop("split"), by=options.pop("split_by"))
    names = (
        *("concurrency", "rpm", "tpm", "price", "base_url", "dry_run"),
        *("batch", "wait", "export_requests", "import_answers"),
    )
    asking = config.Asking(budget_usd=options.pop("budget"), **{name: options.pop(name) for name in names})
    tasks = options.pop("task")
    return config.Pdf2qa(reading=reading, splitting=splitting, asking=asking, tasks=tasks, **options)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_for_consent(estimate: Estimate) -> None:
    """A teacher that nobody named is asked only if the user agrees to it and to its price."""
    click.echo(f"{estimate.found_by} is set, and no --teacher was named.", err=True)
    if not click.confirm(f"Send {_estimate_line(estimate)}?", err=True):
        raise UsageError("nothing was sent", hint="name another teacher, such as --teacher offline")


def _estimate_line(estimate: Estimate) -> str:
    cost = "at an unknown price"
    if estimate.usd:
        low, expected, most = estimate.usd
        cost = f"for about {expected:.2f} USD ({low:.2f} with caching, {most:.2f} at the very most)"
    batch = " in batches" if estimate.batch else ""
    return f"{estimate.teacher}: {estimate.requests:,} requests{batch} {cost}"


def _estimate_lines(estimate: Estimate) -> list[str]:
    """What a dry run says."""
    lines = [
        f"{estimate.requests:,} requests to {estimate.teacher}, up to {estimate.pairs:,} pairs; nothing was sent",
        f"about {estimate.input_tokens:,} tokens in, {estimate.output_tokens:,} tokens out",
    ]
    if estimate.usd is None or estimate.batch_usd is None:
        return [*lines, "price: unknown; give it with --price IN,OUT (USD per million tokens)"]
    lines.append(f"{'USD':<12}{'low (cached)':>14}{'expected':>12}{'at most':>12}")
    for name, (low, expected, most) in (("now", estimate.usd), ("as a batch", estimate.batch_usd)):
        lines.append(f"{name:<12}{low:>14.4f}{expected:>12.4f}{most:>12.4f}")
    return lines


def _pending_lines(pending: Pending) -> list[str]:
    """What a run says that has sent, written or taken something, and whose set is still to come."""
    cost = "unknown" if pending.cost_usd is None else f"{pending.cost_usd:.4f} USD"
    lines = [
        f"{pending.set}   teacher: {pending.teacher}   so far: {cost}",
        f"{pending.answered:,} of {pending.requests:,} requests answered; the set is written when all of them are",
    ]
    lines += [f"  note: {note}" for note in pending.notes]
    if pending.exported is not None:
        lines.append(f"{pending.exported:,} requests written now; nothing was sent")
    for batch in pending.batches:
        lines.append(f"  batch {batch['id'] or '(not yet known to the provider)'}: {batch['requests']:,} requests")
    for file in pending.files:
        lines.append(f"  {file['file']}: {file['waiting']:,} of {file['requests']:,} requests held until imported")
    if pending.unasked:
        lines.append(f"  {pending.unasked:,} requests are with nobody")
    return [*lines, f"next: {pending.next}"]


def _lines(summary: Summary) -> list[str]:
    """The summary as a person reads it."""
    lines = [f"{summary.set}   teacher: {summary.teacher}", ""]
    lines += [_document_line(document) for document in summary.documents]
    lines += [_unread_line(entry) for entry in summary.unread]
    lines += [f"  note: {note}" for note in summary.notes]
    counts = (
        f"{len(summary.documents)} documents",
        f"{summary.pages:,} pages",
        f"{summary.chunks:,} chunks",
        f"{summary.chunks_asked:,} asked about",
        f"{summary.chunks_with_records:,} gave a record",
    )
    lines += ["", " | ".join(counts)]
    lines += ["", *_record_table(summary), "", *_coverage_lines(summary), *_reject_lines(summary)]
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in summary.seconds.items())
    asked = f"{summary.requests['asked']} asked now, {summary.requests['from_journal']} from the journal"
    if summary.cost_usd != 0.0:
        asked += f" | cost of all runs: {_cost(summary)}"
    state = "written" if summary.changed else "already up to date"
    return [*lines, f"requests: {asked} | {seconds}", f"{state}: {summary.set}", f"next: {summary.next}"]


def _cost(summary: Summary) -> str:
    """What was paid, and how far off the estimate was."""
    if summary.cost_usd is None:
        return "unknown"
    paid = f"{summary.cost_usd:.4f} USD"
    if not summary.expected_usd:
        return paid
    share = summary.cost_usd / summary.expected_usd - 1
    return f"{paid}, {abs(share):.0%} {'over' if share > 0 else 'under'} the estimate of {summary.expected_usd:.4f}"


def _document_line(document: dict[str, Any]) -> str:
    period = document["period"]
    covers = f"{period['kind']} {period['end'] or ''}".strip()
    return (f"  {document['path']}: {document['company'] or 'company unknown'} | {covers} | {document['language']} | "
            f"{document['pages']} pages | {document['chunks']} chunks")  # fmt: skip


def _unread_line(entry: dict[str, Any]) -> str:
    detail = f": {entry['detail']}" if entry.get("detail") else ""
    page = f", page {entry['page']}" if entry.get("page") else ""
    hint = f"  -> {entry['hint']}" if entry["hint"] else ""
    return f"  not read: {entry['path']}{page}: {entry['reason']}{detail}{hint}"


def _record_table(summary: Summary) -> list[str]:
    splits = list(next(iter(summary.records.values()), {}))
    head = f"{'records':<14}" + "".join(f"{split:>12}" for split in splits) + f"{'all':>12}"
    rows = [
        f"{task:<14}" + "".join(f"{count:>12,}" for count in counts.values()) + f"{sum(counts.values()):>12,}"
        for task, counts in summary.records.items()
    ]
    return [head, *rows]


def _coverage_lines(summary: Summary, most: int = 8) -> list[str]:
    sections = sorted(summary.coverage.items(), key=lambda entry: -entry[1]["asked"])
    lines = [
        f"  {count['with_records']:>4} of {count['asked']:<4} {section[:90]}" for section, count in sections[:most]
    ]
    rest = len(sections) - most
    return (
        ["passages that gave a record, by section:", *lines]
        + ([f"  and {rest} more sections (--json has all)"] if rest > 0 else [])
        + [""]
    )


def _reject_lines(summary: Summary) -> list[str]:
    if not summary.rejects:
        return ["rejected: none"]
    total = sum(summary.rejects.values())
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in sorted(summary.rejects.items(), key=lambda entry: -entry[1])
    )
    return [f"rejected: {total} items: {reasons}  ({summary.set}/rejected.jsonl)"]
