"""`fingen pdf2qa`: reports in, a question-answer set out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli.asking import asking_options, consent, cost_line, pop_asking, tell_unfinished
from fingen.cli.common import Command, comma_list, command_options, filter_options, pop_filters, say_settings, tell

if TYPE_CHECKING:
    from fingen.pipeline.summary import Summary

DEFAULT = config.Pdf2qa()


def parse_shares(ctx: click.Context, parameter: click.Parameter, value: Any) -> tuple[float, float, float]:
    """Three shares from `0.8,0.1,0.1`."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        train, validation, test = (float(part) for part in parts)
    except ValueError as e:
        raise click.BadParameter("give three shares, such as 0.8,0.1,0.1") from e
    if not all(0 <= share < math.inf for share in (train, validation, test)) or not train:
        raise click.BadParameter("shares are numbers from 0, and train must have one")
    return train, validation, test


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
@click.option("--questions", type=click.Path(path_type=Path), default=None,
              help="File with your own topics, one a line, that the teacher is steered towards.")  # fmt: skip
@asking_options
@click.option("--limit", type=click.IntRange(1), default=DEFAULT.limit,
              help="Passages asked about, spread over all documents.  [default: all]")  # fmt: skip
@click.option("--chunk-tokens", type=click.IntRange(128, 16384), default=DEFAULT.reading.chunk_tokens, show_default=True,
              help="Estimated tokens a passage may have.")  # fmt: skip
@click.option("--ocr", is_flag=True, help="Read scanned pages with tesseract.")
@click.option("--split", default=",".join(map(str, DEFAULT.splitting.shares)), show_default=True, callback=parse_shares,
              help="Shares of train, validation and test.")  # fmt: skip
@click.option("--split-by", type=click.Choice(config.SPLIT_UNITS), default=DEFAULT.splitting.by, show_default=True,
              help="What stays together; auto is document from 20 documents on, chunk below.")  # fmt: skip
@click.option("--judge", default=None, metavar="TEACHER",
              help="A teacher that scores what is kept, 1 to 5 on four points; scores are stored and reject nothing.")  # fmt: skip
@filter_options
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
    from fingen import prompts
    from fingen.cli.progress import Display
    from fingen.events import Outcome
    from fingen.pipeline.pdf2qa import pdf2qa

    said = say_settings(ctx)
    if said and not quiet:
        click.echo(said, err=True)
    if prompts.is_local() and not quiet:
        click.echo(f"templates from {prompts.folder().resolve()}", err=True)

    with Display(quiet=quiet) as display:
        outcome = pdf2qa(_settings(options), on_event=display, consent=consent(display, yes=yes, quiet=quiet))
    if not isinstance(outcome, Outcome):
        tell_unfinished(outcome, as_json=as_json)
    tell(outcome, _lines(outcome), outcome.set, as_json=as_json, noted=True)


def _settings(options: dict[str, Any]) -> config.Pdf2qa:
    reading = config.ReadSettings(
        chunk_tokens=options.pop("chunk_tokens"), ocr=options.pop("ocr"), language=options.pop("language")
    )
    splitting = config.Splitting(shares=options.pop("split"), by=options.pop("split_by"))
    asking = pop_asking(options)
    filters, tasks = pop_filters(options), options.pop("task")
    return config.Pdf2qa(reading=reading, splitting=splitting, filters=filters, asking=asking, tasks=tasks, **options)


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
    figures = summary.figures["all"]
    bound = figures - summary.figures["unbound"]
    lines.append(f"figures: {figures:,} in the answers, all of them proved; {bound:,} bound to their row or period")
    if summary.judged:
        means = ", ".join(f"{point} {mean:.2f}" for point, mean in summary.judged["means"].items())
        lines.append(f"judged by {summary.judged['teacher']}: {summary.judged['judged']:,} records ({means})")
        if summary.judged["unjudged"]:
            lines.append(f"  {summary.judged['unjudged']:,} unjudged  {summary.judged['failed']}".rstrip())
    if summary.private:
        kinds = ", ".join(f"{count} {kind}" for kind, count in summary.private.items())
        lines.append(f"personal data found: {kinds}")
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in summary.seconds.items())
    asked = f"{summary.requests['asked']} asked now, {summary.requests['from_journal']} from the journal"
    if summary.cost_usd != 0.0:
        asked += f" | cost of all runs: {cost_line(summary.cost_usd, summary.expected_usd)}"
    return [*lines, f"requests: {asked} | {seconds}"]


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
