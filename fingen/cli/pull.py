"""`fingen pull`: a data set or an adapter on the Hugging Face Hub comes to build/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli.common import Command, command_options, tell
from fingen.cli.options import options_of, settings_of

if TYPE_CHECKING:
    from fingen.hub import Pulled, PulledAdapter


@click.command("pull", cls=Command)
@click.argument("repo", metavar="OWNER/NAME")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the set or adapter.  [default: build/NAME, build/adapters/NAME]",
)
@click.option("--adapter", is_flag=True, help="The adapter of that name, also where there is a data set of it.")
@click.option("--revision", default=None, help="A commit, branch or tag.  [default: the newest commit]")
@click.option(
    "--config", "form", default=None, metavar="NAME", help="Which form of a foreign data set that has several."
)
@click.option(
    "--replace",
    is_flag=True,
    help="Write over another set in that folder, unless it has a journal, or over another adapter.",
)
@options_of(config.Taking)
@command_options
def command(
    repo: str, out: Path | None, adapter: bool, revision: str | None, form: str | None, replace: bool, as_json: bool,
    quiet: bool, debug: bool, **options: Any,
) -> None:  # fmt: skip
    """Bring a data set or an adapter from the Hugging Face Hub into build/, and check it.

    A set that fingen has pushed comes back as it was, each file compared with its manifest. Any other data set of Alpaca rows
    (Parquet, JSON, CSV) becomes a set too, with `origin: imported`; no script is run. Exit code 1 where a set of fingen's own
    does not hold. An adapter comes back if fingen has pushed it: each file is compared with its manifest, and one that holds
    pickles or code is refused. HF_ENDPOINT names a mirror.

    \b
    Examples:
      $ fingen pull you/finance-intent
      $ fingen pull tatsu-lab/alpaca --out build/alpaca
      $ fingen pull you/intent-llama3
    """
    from fingen.hub import PulledAdapter, pull

    taking = settings_of(config.Taking, options)
    pulled = pull(
        repo, out, adapter=adapter, revision=revision, config=form, taking=taking, replace=replace, quiet=quiet
    )
    if isinstance(pulled, PulledAdapter):
        tell(pulled, _adapter_lines(pulled), pulled.adapter, as_json=as_json)
    tell(pulled, _set_lines(pulled), pulled.set, as_json=as_json)


def _adapter_lines(pulled: PulledAdapter) -> list[str]:
    return [
        f"{pulled.adapter}   {pulled.repo} at {pulled.commit[:12]}, as it was pushed",
        f"base:   {pulled.base}",
        f"set:    {pulled.set}",
        f"scores: {pulled.scores or 'none'} on the card",
    ]


def _set_lines(pulled: Pulled) -> list[str]:
    rows = ", ".join(f"{count:,} {split}" for split, count in pulled.records.items() if count)
    kind = "as it was pushed" if pulled.own else "taken as it was found"
    lines = [f"{pulled.set}   {pulled.repo} at {pulled.commit[:12]}, {kind}", f"records: {rows}"]
    lines += [f"not so: {law}, {counts['failed']:,} rows" for law, counts in pulled.laws.items() if counts["failed"]]
    if pulled.rejects:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in pulled.rejects.items())
        lines.append(f"rejected: {sum(pulled.rejects.values()):,} rows: {reasons}  ({pulled.set}/rejected.jsonl)")
    return lines
