"""`fingen trace`: what rests on a report, a row, a set, an adapter or a model, and what that rests on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingen import config
from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, finish

if TYPE_CHECKING:
    from fingen.lineage.trace import Found, Traced

SHOWN = 3  # ids of rows, and ways to a thing, that a line names
PLURAL = {"push": "pushes"}


@click.command("trace", cls=Command)
@click.argument(
    "words", nargs=-1, required=True, metavar="REPORT|[SET] ROW|SET|ADAPTER|MODEL", shell_complete=completers.anything
)
@click.option("--build", "--in", "build", type=click.Path(path_type=Path), default=config.BUILD, show_default=True,
              metavar="FOLDER", help="Where sets, adapters, models and scores are looked for.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE",
              help="Write one page, without scripts or links, that shows the same.")  # fmt: skip
@command_options
def command(words: tuple[str, ...], build: Path, html: Path | None, as_json: bool, quiet: bool, debug: bool) -> None:
    """Show what rests on a report, a row, a set, an adapter or a model, and what it rests on itself.

    REPORT is a file, its name in a set, or its SHA-256 (8 digits or more); ROW the id of a record or what it starts with,
    behind its SET or alone; the others are folders, names or hashes. Things are found by the hashes of what they hold, also
    where a folder was moved or renamed; what rests on a name or place alone says so, and of what nothing can be known that is
    said too.

    \b
    Examples:
      $ fingen trace reports/300617_2019.pdf
      $ fingen trace build/reports qa-3f9c
      $ fingen trace build/adapters/reports-llama3 --html lineage.html
    """
    from fingen.disk import check_writable, write_text
    from fingen.lineage.trace import trace

    if len(words) > 2:
        raise click.UsageError(f"expected one thing, or a set and the id of a row, not: {' '.join(words)}")
    if html:
        check_writable(html.parent)
    found = trace(words, build)
    if html:
        from fingen.lineage.page import render_html

        write_text(html, render_html(found))
        if not quiet:
            echo(f"written: {html}", err=True)
    finish(dataclasses.asdict(found), lambda: _lines(found), found.exit_code, as_json=as_json)


def _lines(found: Traced) -> list[str]:
    where = f": {', '.join(found.places)}" if found.places else ""
    known = f"   sha256 {found.sha256}" if found.sha256 else ""
    lines = [f"{found.kind} {found.name}{where}{known}"]
    lines += _part(f"what rests on it, in {found.build}", found.below)
    lines += _part("what it rests on", found.above)
    for title, told in (("cannot be known", found.unknown), ("not read, or not believed", found.damaged)):
        if told:
            lines += ["", title, *(f"  {place}: {why}" for place, why in told.items())]
    return lines


def _part(title: str, found: list[Found]) -> list[str]:
    if not found:
        return ["", f"{title}: nothing"]
    width = max(len(each.kind) for each in found)
    lines = ["", title]
    for each in found:
        lines.append(f"  {each.kind:<{width}}  {each.place}{_state(each)}")
        lines.append(f"  {'':<{width}}    {'; '.join(each.said)}{_rows(each)}")
    return lines


def _state(found: Found) -> str:
    said = {"aside": "kept aside, as it was before", "old": "of rows that are no longer there so"}.get(found.state, "")
    by = "" if found.by == "hash" else f"by {found.by} alone"
    return f"  ({'; '.join(filter(None, (said, by)))})" if said or by else ""


def _rows(found: Found) -> str:
    from fingen.lineage.trace import count_rows

    ids = [id for every in found.rows.values() for id in every]
    if not ids:
        return ""
    named = ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
    return f"; {count_rows(found.rows)}: {named}"
