"""`fingen pdf2qa`: reports in, a question-answer set out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli.asking import consent, cost_line, tell_part, tell_unfinished, yes_option
from fingen.cli.common import Command, command_options, echo, say_settings, tell
from fingen.cli.options import options_of, settings_of
from fingen.config import Pdf2qa
from fingen.errors import UsageError

if TYPE_CHECKING:
    from fingen.pipeline.summary import Summary


def _local(ctx: click.Context, parameter: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    """What is no address; before anything is shown, for a key may stand in one."""
    from fingen.wire import refuse_address

    try:
        for given in value:
            refuse_address(given)
    except UsageError as e:
        raise click.BadParameter(f"{e}: {e.hint}") from e
    return value


@click.command("pdf2qa", cls=Command)
@click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORTS...", callback=_local
)
@options_of(Pdf2qa)
@yes_option
@command_options
@click.pass_context
def command(ctx: click.Context, /, yes: bool, as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Read reports and make a question-answer set of them.

    REPORTS are files (PDF, HTML with or without inline XBRL, full submissions of EDGAR, Word, Markdown, text), or folders of
    such files, in subfolders too; what a file is, is found by its content. Files that cannot be read are named with
    the reason, and do not stop the others (exit code 1). Run the same command again after an interruption: it goes on.

    \b
    Examples:
      $ fingen pdf2qa reports/
      $ fingen pdf2qa reports/ --task summary --context both --limit 100
      $ fingen pdf2qa 10k.pdf annual_report.pdf --out build/two --json
      $ fingen pdf2qa reports/ --teacher anthropic --batch --no-wait
      $ fingen pdf2qa reports/ --shard 3/10 --out build/parts/3
    """
    from fingen import prompts
    from fingen.cli.progress import Display
    from fingen.events import Outcome
    from fingen.pipeline.parts import PartOutcome
    from fingen.pipeline.pdf2qa import pdf2qa

    said = say_settings(ctx)
    if said and not quiet:
        echo(said, err=True)
    if prompts.is_local() and not quiet:
        echo(f"templates from {prompts.folder().resolve()}", err=True)

    with Display(quiet=quiet) as display:
        settings = settings_of(Pdf2qa, options)
        outcome = pdf2qa(settings, on_event=display, consent=consent(display, yes=yes, quiet=quiet))
    if isinstance(outcome, PartOutcome):
        tell_part(outcome, as_json=as_json)
    if not isinstance(outcome, Outcome):
        tell_unfinished(ctx, outcome, as_json=as_json)
    tell(outcome, summary_lines(outcome), outcome.set, as_json=as_json, noted=True)


def summary_lines(summary: Summary) -> list[str]:
    """The summary as a person reads it."""
    from fingen.sets import say_figures

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
    lines += ["", " | ".join(counts), *_left_out_line(summary)]
    lines += ["", *_record_table(summary), "", *_coverage_lines(summary), *_reject_lines(summary)]
    lines.append(say_figures(summary.figures))
    if summary.repaired:
        sent, requests, kept = summary.repaired["sent"], summary.repaired["requests"], summary.repaired["kept"]
        lines.append(
            f"repaired: {sent:,} rejected pairs went back in {requests:,} requests, {kept:,} of what came was kept"
        )
    if summary.checked:
        lines += _checked_lines(summary.checked)
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
    if summary.requests["unanswered"]:
        asked += f", {summary.requests['unanswered']} without an answer"
    if summary.cost_usd != 0.0:
        asked += f" | cost of all runs: {cost_line(summary.cost_usd, summary.expected_usd)}"
    return [*lines, f"requests: {asked} | {seconds}"]


def _checked_lines(checked: dict[str, Any]) -> list[str]:
    share = f"{checked['agreement']:.1%}" if checked["agreement"] is not None else "none"
    said = ", ".join(f"{count:,} {verdict}" for verdict, count in checked["claims"].items())
    agreed = f"agreed with {checked['agreed']:,} of {checked['pairs']:,} pairs ({share})"
    lines = [f"checked by {checked['teacher']}: {agreed}; claims: {said or 'none'}"]
    if checked.get("contested"):
        kept = (
            f"{checked['supported']:,} of {checked['contested']:,} pairs that only rules that read words speak against"
        )
        lines.append(f"  {kept}: it supports each claim, and they stay")
    if checked["unchecked"]:
        lines.append(
            f"  {checked['unchecked']:,} pairs without a verdict on each claim stay  {checked['failed']}".rstrip()
        )
    return lines


def _document_line(document: dict[str, Any]) -> str:
    period = document["period"]
    covers = f"{period['kind']} {period['end'] or ''}".strip()
    return (f"  {document['path']}: {document['company'] or 'company unknown'} | {covers} | {document['language']} | "
            f"{document['pages'] or 'no'} pages | {document['chunks']} chunks")  # fmt: skip


def _unread_line(entry: dict[str, Any]) -> str:
    detail = f": {entry['detail']}" if entry.get("detail") else ""
    page = f", page {entry['page']}" if entry.get("page") else ""
    hint = f"  -> {entry['hint']}" if entry["hint"] else ""
    return f"  not read: {entry['path']}{page}: {entry['reason']}{detail}{hint}"


def _left_out_line(summary: Summary) -> list[str]:
    if not summary.left_out:
        return []
    sorts = ", ".join(f"{count:,} {sort}" for sort, count in summary.left_out.items())
    return [f"not asked about, by section: {sorts}  (--sections chooses, --sections all takes every one)"]


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
