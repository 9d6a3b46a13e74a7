"""`fingen export`: a set in the form that another tool reads."""

from __future__ import annotations

from pathlib import Path

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, set_argument, tell
from fingen.cli.working import working
from fingen.config import Finetune

FORMATS = ("alpaca", "llamafactory", "sharegpt", "chatml", "openai", "trl", "csv", "excel", "parquet")


@click.command("export", cls=Command)
@click.argument(
    "folder", required=False, type=click.Path(path_type=Path), metavar="[SET]", shell_complete=completers.sets
)
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="Form of the rows.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the files, one a split.")
@click.option("--replace", is_flag=True, help="Write over the files of another export.")
@click.option("--model", default=None, metavar="MODEL",
              help=f"With llamafactory: the base model, an alias, a Hub id or a folder.  [default: {Finetune.model}]")  # fmt: skip
@click.option("--recipe", default=None, metavar="NAME",
              help="With llamafactory: the recipe of its settings.  [default: those of `fingen finetune`]")  # fmt: skip
@command_options
def command(
    folder: Path | None, form: str, out: Path, replace: bool, model: str | None, recipe: str | None, as_json: bool,
    quiet: bool, debug: bool,
) -> None:  # fmt: skip
    """Write the rows of a set in the form that another tool reads.

    SET is a folder below build/ (default: the newest). alpaca and sharegpt are JSON lists, chatml and openai JSON lines of
    messages, trl those of a prompt and its completion, csv and parquet tables with the provenance, excel a CSV file that Excel
    opens as it is. llamafactory is alpaca and three files that LLaMA-Factory runs as they are, in that folder: train.yaml,
    merge.yaml, infer.yaml, for --model, by --recipe. With all but trl goes dataset_info.json, by which LLaMA-Factory finds the rows.
    CSV cells that would start a formula get an apostrophe before it. The rows of a set of preferences have a chosen and a rejected
    answer, in the forms that LLaMA-Factory, TRL and OpenAI rank by; sharegpt and chatml have no place for them.

    \b
    Examples:
      $ fingen export build/reports --format alpaca --out build/exports/reports
      $ fingen export build/intent --format openai --out to_openai
      $ fingen export build/intent --format llamafactory --model llama3 --recipe openfindata-intent --out to_llamafactory
    """
    with working("exporting the set", quiet=quiet):
        from fingen.pipeline.export import export

        made = export(set_argument(folder, quiet=quiet), form, out, replace=replace, model=model, recipe=recipe)
    files = (f"  {file}: {rows:,} rows" for file, rows in made.files.items())
    tell(made, [f"{made.set} as {made.format}", "", *files], out, as_json=as_json)
