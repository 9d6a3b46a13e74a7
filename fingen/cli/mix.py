"""`fingen mix`: several sets as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, tell
from fingen.cli.options import options_of, settings_of
from fingen.cli.working import working
from fingen.config import Filters

if TYPE_CHECKING:
    from fingen.pipeline.mixing import Mixed


@click.command("mix", cls=Command)
@click.argument("sets", nargs=-1, required=True, metavar="SET[:N]...", shell_complete=completers.sets)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the mix.")
@click.option("--weights", default=None, metavar="TASK=W,...",
              help="Shares of the training rows that the tasks have: rows of those that are short are repeated.")  # fmt: skip
@options_of(Filters, "keep_out")
@click.option("--replace", is_flag=True, help="Start the mix anew, also where it was made otherwise.")
@command_options
def command(
    sets: tuple[str, ...],
    out: Path,
    weights: str | None,
    replace: bool,
    as_json: bool,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Make one set of several, the training rows of SET N times.

    Splits are kept, and only training rows are repeated: a score must not weigh some rows more than others. A training row
    whose text or passage another set holds out is rejected, and counted. The manifest declares the repeats.

    \b
    Examples:
      $ fingen mix build/fpb:6 build/fiqa:21 build/tfns:2 build/nwgi:1 --out build/finsent
      $ fingen mix build/reports build/intent --out build/all --json
      $ fingen mix build/tables build/intent build/fpb --weights qa-table=2,intent=1,sentiment=1 --keep-out finqa --out build/all
    """
    with working("mixing the sets", quiet=quiet):
        from fingen.pipeline.mixing import mix, parse_part, parse_weights

        shares, filters = parse_weights(weights) if weights else None, settings_of(Filters, options)
        made = mix([parse_part(text) for text in sets], out, weights=shares, filters=filters, replace=replace)
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
        f"rejected: {rejects:,} training rows that another set holds out, or a benchmark that is kept out  ({made.set}/rejected.jsonl)"
        if rejects
        else "rejected: none"
    )
    return lines
