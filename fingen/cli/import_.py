"""`fingen import`: existing data in, a set out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli.common import Command, command_options, echo, tell
from fingen.cli.options import commas, parse_numbers
from fingen.cli.working import working
from fingen.errors import did_you_mean

if TYPE_CHECKING:
    from fingen.pipeline.importing import Imported

SPLITS = ("train", "validation", "test")
SHOWN = 12  # labels that the table names


def _parse_split(parts: list[str]) -> str | tuple[float, ...]:
    if len(parts) == 1 and parts[0] in SPLITS:
        return parts[0]
    shares = parse_numbers(parts, 3, f"give one of {', '.join(SPLITS)}, or three shares from 0, such as 0.8,0.1,0.1")
    if not any(shares):
        raise click.BadParameter("one of the shares must be more than 0")
    return shares


class _Source(click.Choice[str]):
    """A source by its name; one that it had before is taken too, and not offered."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it was typed."""
        if value in config.RENAMED:
            return value
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as e:
            self.fail(f"{e.message} {did_you_mean(value, self.choices).capitalize()}".strip(), param, ctx)


@click.command("import", cls=Command)
@click.argument("name", type=_Source(config.SOURCES))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the set.  [default: build/NAME]")
@click.option("--split", type=click.UNPROCESSED, callback=commas(_parse_split), metavar="SPLIT",
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

    The data is one that was published under its name, or has a form: alpaca, sharegpt (OpenAI messages too), csv.
    PATH is a file, or a folder of them; without it the command says where to get the data, and fetches nothing. Published
    splits are kept: sent_valid.csv is validation. Repeated texts are kept and reported, those with two labels by name.

    \b
    Examples:
      $ fingen import fpb Sentences_50Agree.txt
      $ fingen import fiqa FiQA_post.json SemEval2017Task5Headlines.json
      $ fingen import tfns --download
      $ fingen import csv tickets.csv --text question --label intent --split 0.8,0.1,0.1 --out build/tickets
    """
    from fingen.imports.base import Options
    from fingen.imports.sources import find_source
    from fingen.pipeline.importing import import_set

    out, split, replace = options.pop("out"), options.pop("split"), options.pop("replace")
    download, reasons = options.pop("download"), options.pop("with_reasons")
    if download and not quiet and (source := find_source(name)).hub:
        echo(f"loading {source.hub} from the Hub (licence: {source.licence or 'see there'})", err=True)
    with working(f"importing {name}", quiet=quiet):
        made = import_set(
            name,
            paths,
            out or config.BUILD / name,
            options=Options(**options, with_reasons=reasons),
            split=split,
            download=download,
            replace=replace,
        )
    tell(made, _lines(made), made.set, as_json=as_json)


def _lines(made: Imported) -> list[str]:
    """The summary as a person reads it."""
    lines = [f"{made.set}   {made.source}", ""]
    lines += [f"  {file}: {rows:,} rows" for file, rows in made.files.items()]
    lines += ["", *_table(made), ""]
    lines += [f"declared: {line}" for line in made.declared]
    if made.rejects:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in made.rejects.items())
        lines.append(f"rejected: {sum(made.rejects.values()):,} rows: {reasons}  ({made.set}/rejected.jsonl)")
    else:
        lines.append("rejected: none")
    return lines


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
