"""`fingen import`: existing data in, a set out."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli.common import Command, command_options, print_json

if TYPE_CHECKING:
    from fingen.pipeline.importing import Imported

NAMES = ("openfindata", "fineval-intent", "fpb", "fiqa", "tfns", "nwgi", "alpaca", "sharegpt", "csv")
SPLITS = ("train", "validation", "test")
SHOWN = 12  # labels that the table names


def _split(ctx: click.Context, parameter: click.Parameter, value: Any) -> str | tuple[float, float, float] | None:
    if value is None or value in SPLITS:
        return value  # type: ignore[no-any-return]  # click gives a string, or what fingen.toml holds
    try:
        train, validation, test = (float(part) for part in (value.split(",") if isinstance(value, str) else value))
    except ValueError as e:
        raise click.BadParameter(f"give one of {', '.join(SPLITS)}, or three shares, such as 0.8,0.1,0.1") from e
    if min(train, validation, test) < 0 or not 0 < train + validation + test < float("inf"):
        raise click.BadParameter("shares are numbers from 0, and one of them is more")
    return train, validation, test


@click.command("import", cls=Command)
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the set.  [default: build/NAME]")
@click.option("--split", callback=_split, default=None, metavar="SPLIT",
              help="Where the rows go: train, validation or test, or shares of them such as 0.8,0.1,0.1.  "
                   "[default: as published]")  # fmt: skip
@click.option("--text", default=None, metavar="COLUMN", help="With csv: the column of the text.")
@click.option("--label", default=None, metavar="COLUMN", help="With csv: the column of its label.")
@click.option("--instruction", default=None, metavar="TEXT",
              help="With csv: what is asked.  [default: to choose one of the labels]")  # fmt: skip
@click.option("--with-reasons", is_flag=True, help="With nwgi: the published reasons as output, not the label alone.")
@click.option("--download", is_flag=True, help="Fetch the data from the Hub with datasets; no script of it is run.")
@click.option("--replace", is_flag=True, help="Start the set anew, also where it was made otherwise.")
@command_options
def command(name: str, paths: tuple[Path, ...], as_json: bool, quiet: bool, debug: bool, **options: Any) -> None:
    """Make a set of data that others published, or of your own rows.

    NAME is openfindata, fineval-intent, fpb, fiqa, tfns or nwgi, or a form: alpaca, sharegpt (OpenAI messages too), csv.
    PATH is a file, or a folder of them; without it the command says where to get the data, and fetches nothing. Published
    splits are kept: sent_valid.csv is validation. Repeated texts are kept and reported, those with two labels by name.

    \b
    Examples:
      $ fingen import fpb Sentences_50Agree.txt
      $ fingen import fiqa FiQA_post.json SemEval2017Task5Headlines.json
      $ fingen import tfns --download
      $ fingen import csv tickets.csv --text question --label intent --split 0.8,0.1,0.1 --out build/tickets
    """
    from fingen.imports import SOURCES, Options
    from fingen.pipeline.importing import import_set

    out, split, replace = options.pop("out"), options.pop("split"), options.pop("replace")
    download, reasons = options.pop("download"), options.pop("with_reasons")
    if download and not quiet and (source := SOURCES[name]).hub:
        click.echo(f"loading {source.hub} from the Hub (licence: {source.licence or 'see there'})", err=True)
    made = import_set(
        name,
        paths,
        out or config.BUILD / name,
        options=Options(**options, with_reasons=reasons),
        split=split,
        download=download,
        replace=replace,
    )
    if as_json:
        print_json(dataclasses.asdict(made))
    else:
        click.echo("\n".join(_lines(made)))
    sys.exit(made.exit_code)


def _lines(made: Imported) -> list[str]:
    """The summary as a person reads it."""
    lines = [f"{made.set}   {made.source}", ""]
    lines += [f"  {file}: {rows:,} rows" for file, rows in made.files.items()]
    lines += ["", *_table(made), ""]
    lines += [f"declared: {line}" for line in made.declared]
    lines += [f"note: {note}" for note in made.notes]
    if made.rejects:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in made.rejects.items())
        lines.append(f"rejected: {sum(made.rejects.values()):,} rows: {reasons}  ({made.set}/rejected.jsonl)")
    else:
        lines.append("rejected: none")
    return [*lines, f"{'written' if made.changed else 'already up to date'}: {made.set}", f"next: {made.next}"]


def _table(made: Imported) -> list[str]:
    splits = list(made.records)
    width = max([8, *(len(label) for label in list(made.labels)[:SHOWN])]) + 2
    rows = list(made.labels.items())[:SHOWN]
    head = f"{'label' if rows else '':<{width}}" + "".join(f"{split:>12}" for split in splits) + f"{'all':>12}"
    lines = [head]
    for label, counts in [*rows, ("records", made.records)]:
        cells = [*counts.values(), sum(counts.values())]
        lines.append(f"{label:<{width}}" + "".join(f"{count:>12,}" for count in cells))
    if (rest := len(made.labels) - SHOWN) > 0:
        lines.append(f"and {rest:,} more labels (--json has all)")
    return lines
