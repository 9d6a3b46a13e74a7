"""`fingen withdraw`: make sets anew without a report, and say what is out of date then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingen import config
from fingen.cli.common import Command, command_options, tell

if TYPE_CHECKING:
    from fingen.lineage.erase import Erased
    from fingen.lineage.withdraw import Withdrawal

SHOWN = 10  # files that still hold text, which a summary names
NOT_ERASED = (
    "not erased: the report itself where it lies; its hash, in the manifests; weights and tokenizers of adapters and models;",
    "what a training that was not finished has in its folder;",
    "what is on the Hub; what a disk keeps of files that were removed; copies of them: backups, snapshots, clones",
)


@click.command("withdraw", cls=Command)
@click.argument("report", metavar="REPORT")
@click.option("--build", "--in", "build", type=click.Path(path_type=Path), default=config.BUILD, show_default=True,
              metavar="FOLDER", help="Where sets, adapters, models and scores are looked for.")  # fmt: skip
@click.option(
    "--dry-run", is_flag=True, help="Say what would be made anew, and what would be out of date; write nothing."
)
@click.option("--forget", is_flag=True,
              help="Erase its text too, from journals, caches and what was kept aside, and name each file that still holds some. Answers "
                   "that were paid for are lost.")  # fmt: skip
@command_options
def command(report: str, build: Path, dry_run: bool, forget: bool, as_json: bool, quiet: bool, debug: bool) -> None:
    """Make each set that rests on a report anew without it, and say what is out of date then.

    REPORT is a file, its name in a set, or its SHA-256 (8 digits or more). Sets that were mixed, imported or divided from others
    are followed. All other rows stay as they are, each in its split; a set is whole at any moment, and as it was it is kept
    below build/withdrawn/. Nothing is asked and nothing is paid: the journal keeps its answers, also those about the report,
    unless --forget erases them. Then every file is searched, and those that still hold text of the report are named.

    \b
    Examples:
      $ fingen withdraw reports/300617_2019.pdf --dry-run
      $ fingen withdraw 300617_2019.pdf
      $ fingen withdraw reports/300617_2019.pdf --forget
    """
    from fingen.lineage.withdraw import withdraw

    made = withdraw(report, build, forget=forget, dry_run=dry_run)
    tell(made, _lines(made), as_json=as_json)


def _lines(made: Withdrawal) -> Iterator[str]:
    yield f"report {made.report}   sha256 {made.sha256}"
    if not made.sets:
        yield f"nothing rests on it: no set in {made.build} has rows of it"
    for one in made.sets:
        rows = sum(one.rows.values())
        yield ""
        if not (rows or one.passages or one.rejects):
            yield f"{one.set}: nothing of it was left; its manifest no longer names it"
            continue
        yield f"{one.set}: {rows:,} rows {'would go' if made.dry_run else 'went'}, {sum(one.left.values()):,} stay"
        yield f"  of {_counts(one.rows)}; with {one.passages:,} passages and {one.rejects:,} rejects"
        if one.orphans:
            yield f"  {one.orphans:,} rows of memory became rejects: train has not seen their passage any more"
        if one.kept:
            yield f"  {'would be kept' if made.dry_run else 'kept'} as it was: {one.kept}"
    if made.outdated:
        yield ""
        yield "out of date" if made.sets else "made with it before"
        for each in made.outdated:
            yield f"  {each.kind:<12}  {each.place}: {'; '.join(each.said)}"
            if each.next:
                yield f"  {'':<12}    anew: {each.next}"
            if each.kind == "push":
                yield f"  {'':<12}    its history there keeps what went; to end that, delete the repository"
    yield from _told("not touched", made.untouched)
    yield from _told("cannot be known", made.unknown)
    yield from _told("not read, or not believed", made.damaged)
    if made.erased:
        yield from _erased(made.erased)


def _counts(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in rows.items()) or "none"


def _told(title: str, told: Mapping[str, str]) -> Iterator[str]:
    if told:
        yield ""
        yield title
        yield from (f"  {place}: {why}" for place, why in told.items())


def _erased(erased: Erased) -> Iterator[str]:
    yield ""
    yield "erased"
    yield from (f"  {count:,} answers and what was asked: {path}" for path, count in erased.journals.items())
    yield from (f"  what was read of it: {path}" for path in erased.cache)
    yield from (f"  what a teacher here had said of rows, of other reports too: {path}" for path in erased.teachers)
    yield f"searched for its text: {erased.searched:,} files"
    for path, why in list(erased.left.items())[:SHOWN]:
        yield f"  {path}: {why}"
    if (more := len(erased.left) - SHOWN) > 0:
        yield f"  and {more:,} more; --json names all"
    yield from NOT_ERASED
