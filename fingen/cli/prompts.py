"""`fingen prompts`: the templates that teachers are asked with."""

from __future__ import annotations

from pathlib import Path

import click

from fingen.cli.common import Command, command_options, echo, print_json


@click.group("prompts")
def command() -> None:
    """Show and copy the templates that teachers are asked with.

    \b
    Examples:
      $ fingen prompts copy
    """


@command.command("copy", cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="prompts")
@click.option("--replace", is_flag=True, help="Write over files that are there.")
@command_options
def copy(folder: Path, replace: bool, as_json: bool, quiet: bool, debug: bool) -> None:
    """Write the packaged templates to ./prompts, to be edited: templates there are used instead.

    \b
    Examples:
      $ fingen prompts copy
      $ fingen prompts copy --replace
    """
    from fingen import prompts

    written = prompts.copy_templates(folder, replace=replace)
    if as_json:
        print_json({"folder": str(folder), "written": [path.name for path in written]})
    else:
        echo(f"{len(written)} templates written to {folder}")
    if not quiet and not written:
        echo(f"{folder} has them already; --replace writes over them", err=True)
