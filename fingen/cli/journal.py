"""`fingen journal`: what a set has asked, what came back, what it cost, and what is asked elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, print_json
from fingen.errors import SetError

if TYPE_CHECKING:
    from fingen.teachers.journal import Journal


@click.command("journal", cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="[release] SET", shell_complete=completers.sets)
@click.option("--batches", is_flag=True,
              help="With release: give up the batches too. They are paid for, and will not be collected.")  # fmt: skip
@command_options
def command(words: tuple[str, ...], batches: bool, as_json: bool, quiet: bool, debug: bool) -> None:
    """Show what a set has asked its teacher: counts, tokens, cost, what failed, and what is asked elsewhere.

    `release` lets go of the requests that were exported to a file, so that they can be asked in another way. Answers to
    them can be imported all the same, as long as nobody else has answered.

    \b
    Examples:
      $ fingen journal build/reports
      $ fingen journal build/reports --json
      $ fingen journal release build/reports
    """
    from fingen.teachers.journal import Journal

    *action, folder = words
    if action not in ([], ["release"]):
        raise click.UsageError(f"expected the folder of a set, or release and a folder, not: {' '.join(words)}")
    if batches and not action:
        raise click.UsageError("--batches goes with release")
    path = Path(folder) / "journal.sqlite"
    if not path.is_file():
        raise SetError(f"{folder}: no journal here", hint="name the folder of a set, such as build/reports")
    with Journal.open(path) as journal:
        report = _release(folder, journal, batches=batches) if action else _report(folder, journal)
    if as_json:
        print_json(report)
    else:
        echo(*(_released_lines(report) if action else _lines(report)))


def _report(folder: str, journal: Journal) -> dict[str, Any]:
    from fingen.teachers.outstanding import Outstanding

    usage, cost_usd = journal.usage()
    outstanding = Outstanding(journal)
    return {
        "set": folder,
        "teacher": (journal.settings() or {}).get("teacher"),
        **journal.counts(),
        "usage": usage.model_dump(),
        "cost_usd": cost_usd,
        "failures": {**journal.failures(), **outstanding.failures()},
        "batches": [_about(batch) for batch in outstanding.open("batch")],
        "files": [_about(file) for file in outstanding.open("export")],
    }


def _about(batch: Any) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in ("place", "state", "requests", "waiting")}


def _release(folder: str, journal: Journal, *, batches: bool) -> dict[str, Any]:
    """Let go of what files hold, and of what batches do if that is wanted; not while a process works on it."""
    from fingen.teachers.outstanding import Outstanding
    from fingen.teachers.request_locks import RequestLocks

    outstanding = Outstanding(journal)
    released = []
    with RequestLocks(Path(folder) / ".claims") as locks:
        for batch in outstanding.open("export") + (outstanding.open("batch") if batches else []):
            if not locks.take(batch.token):
                raise SetError(f"{folder}: another fingen process works on it", hint="wait until it has ended")
            released.append({"place": batch.place, "kind": batch.kind, "requests": outstanding.release(batch.token)})
            locks.release(batch.token)
    return {"set": folder, "released": released, "batches_kept": len(outstanding.open("batch"))}


def _released_lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{row['requests']:,} requests released: {row['kind']} {row['place']}" for row in report["released"]]
    if report["batches_kept"]:
        lines.append(f"{report['batches_kept']} batches stay held: they are paid for; collect them, or give --batches")
    return lines or ["nothing is held"]


def _lines(report: dict[str, Any]) -> list[str]:
    usage = report["usage"]
    cost = "unknown" if report["cost_usd"] is None else f"{report['cost_usd']:.4f} USD"
    cached = f"{usage['cache_read_tokens']:,} read from the cache, {usage['cache_write_tokens']:,} written to it"
    lines = [
        f"{report['set']}   teacher: {report['teacher']}",
        f"{report['requests']:,} requests answered, {report['answers']:,} answers, {report['possibly_billed']:,} broken off",
        f"tokens: {usage['input_tokens']:,} in, {cached}, {usage['output_tokens']:,} out",
        f"cost: {cost}",
    ]
    lines += [
        f"batch {row['place'] or '(not sent yet)'}: {row['waiting']:,} requests held" for row in report["batches"]
    ]
    lines += [f"exported to {row['place']}: {row['waiting']:,} requests held" for row in report["files"]]
    return lines + [f"  {count:>5} {reason}" for reason, count in report["failures"].items()]
