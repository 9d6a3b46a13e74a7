"""`fingen journal`: what a set has asked, what came back, and what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fingen.cli.common import Command, command_options, print_json
from fingen.errors import SetError


@click.command("journal", cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="SET")
@command_options
def command(folder: Path, as_json: bool, quiet: bool, debug: bool) -> None:
    """Show what a set has asked its teacher: counts, tokens, cost, and what failed.

    \b
    Examples:
      $ fingen journal build/reports
      $ fingen journal build/reports --json
    """
    from fingen.teachers.journal import Journal

    path = folder / "journal.sqlite"
    if not path.is_file():
        raise SetError(f"{folder}: no journal here", hint="name the folder of a set, such as build/reports")
    with Journal.open(path) as journal:
        usage, cost_usd = journal.usage()
        report = {
            "set": str(folder),
            "teacher": (journal.settings() or {}).get("teacher"),
            **journal.counts(),
            "usage": usage.model_dump(),
            "cost_usd": cost_usd,
            "failures": journal.failures(),
        }
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(_lines(report)))


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
    return lines + [f"  {count:>5} {reason}" for reason, count in report["failures"].items()]
