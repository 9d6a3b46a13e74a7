"""`fingen mix`: several sets as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, tell
from fingen.cli.working import working

if TYPE_CHECKING:
    from fingen.pipeline.mixing import Mixed


@click.command("mix", cls=Command)
@click.argument("sets", nargs=-1, required=True, metavar="SET[:N]...", shell_complete=completers.sets)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the mix.")
@click.option("--replace", is_flag=True, help="Start the mix anew, also where it was made otherwise.")
@command_options
def command(sets: tuple[str, ...], out: Path, replace: bool, as_json: bool, quiet: bool, debug: bool) -> None:
    """Make one set of several, the training rows of SET N times.

    Splits are kept, and only training rows are repeated: a score must not weigh some rows more than others. A training row
    whose text or passage another set holds out is rejected, and counted. The manifest declares the repeats.

    \b
    Examples:
      $ fingen mix build/fpb:6 build/fiqa:21 build/tfns:2 build/nwgi:1 --out build/finsent
      $ fingen mix build/reports build/intent --out build/all --json
    """
    with working("mixing the sets", quiet=quiet):
        from fingen.pipeline.mixing import mix, parse_part

        made = mix([parse_part(text) for text in sets], out, replace=replace)
    tell(made, _lines(made), made.set, as_json=as_json)


def _lines(made: Mixed) -> list[str]:
    splits = list(made.records)
    width = max(len(str(part["set"])) for part in made.parts) + 2
    lines = [made.set, "", f"{'set':<{width}}{'times':>7}" + "".join(f"{split:>12}" for split in splits)]
    lines += [
        f"{part['set']:<{width}}{part['repeats']:>7}" + "".join(f"{part.get(split, 0):>12,}" for split in splits)
        for part in made.parts
    ]
    lines.append(f"{'records':<{width}}{'':>7}" + "".join(f"{count:>12,}" for count in made.records.values()))
    lines += ["", *(f"declared: {line}" for line in made.declared)]
    rejects = sum(made.rejects.values())
    lines.append(
        f"rejected: {rejects:,} training rows that another set holds out  ({made.set}/rejected.jsonl)"
        if rejects
        else "rejected: none"
    )
    return lines
