"""`fingen pull`: a data set on the Hugging Face Hub becomes a set in build/."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingen import config
from fingen.cli.common import Command, command_options, print_json

if TYPE_CHECKING:
    from fingen.hub import Pulled


@click.command("pull", cls=Command)
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the set.  [default: build/NAME]")
@click.option("--revision", default=None, help="A commit, branch or tag.  [default: the newest commit]")
@click.option(
    "--config", "form", default=None, metavar="NAME", help="Which form of a foreign data set that has several."
)
@click.option("--replace", is_flag=True, help="Write over another set in that folder, unless it has a journal.")
@command_options
def command(
    repo: str,
    out: Path | None,
    revision: str | None,
    form: str | None,
    replace: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Bring a data set from the Hugging Face Hub into build/, and prove it.

    A set that fingen has pushed comes back as it was, each file compared with its manifest. Any other data set of Alpaca rows
    (Parquet, JSON, CSV) becomes a set too, with `origin: imported`; no script is run. Exit code 1 where a set of fingen's own
    does not hold. HF_ENDPOINT names a mirror.

    \b
    Examples:
      $ fingen pull you/finance-intent
      $ fingen pull tatsu-lab/alpaca --out build/alpaca
    """
    from fingen.hub import pull

    folder = out or config.BUILD / repo.rpartition("/")[2]
    pulled = pull(repo, folder, revision=revision, config=form, replace=replace, quiet=quiet)
    if as_json:
        print_json(dataclasses.asdict(pulled))
    else:
        click.echo("\n".join(_lines(pulled)))
    sys.exit(pulled.exit_code)


def _lines(pulled: Pulled) -> list[str]:
    rows = ", ".join(f"{count:,} {split}" for split, count in pulled.records.items() if count)
    kind = "as it was pushed" if pulled.own else "taken as it was found"
    lines = [f"{pulled.set}   {pulled.repo} at {pulled.commit[:12]}, {kind}", f"records: {rows}"]
    lines += [f"not so: {law}, {counts['failed']:,} rows" for law, counts in pulled.laws.items() if counts["failed"]]
    lines += [f"note: {note}" for note in pulled.notes]
    if pulled.rejects:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in pulled.rejects.items())
        lines.append(f"rejected: {sum(pulled.rejects.values()):,} rows: {reasons}  ({pulled.set}/rejected.jsonl)")
    return [*lines, f"{'written' if pulled.changed else 'already up to date'}: {pulled.set}", f"next: {pulled.next}"]
