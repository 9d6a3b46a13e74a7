"""`fingen merge`: base model and adapter as one model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from fingen import config
from fingen.cli.common import Command, command_options, print_json


@click.command("merge", cls=Command)
@click.argument("adapter", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the merged model.  [default: build/models/<adapter>]",
)
@click.option(
    "--tolerance",
    type=float,
    default=None,
    help="How far a logit may be off.  [default: 0.001 in fp32, 0.5 in bf16, 0.1 in fp16]",
)
@click.option("--replace", is_flag=True, help="Write over a folder that has something in it.")
@command_options
def command(
    adapter: Path, out: Path | None, tolerance: float | None, replace: bool, as_json: bool, quiet: bool, debug: bool
) -> None:  # fmt: skip
    """Merge an adapter into its base model, and prove that both say the same.

    The merged model is read back from the disk and compared with base and adapter on eight prompts. Where a logit is further
    off than the tolerance, nothing is left and the exit code is 1.

    \b
    Examples:
      $ fingen merge build/adapters/intent-tiny
      $ fingen merge build/adapters/intent-llama3 --out build/models/intent-llama3
    """
    from fingen.training.obstacles import need_extra

    need_extra()
    from fingen.training.use import merge

    made = merge(adapter, out or config.BUILD / "models" / adapter.resolve().name, tolerance=tolerance, replace=replace)
    if as_json:
        print_json({**dataclasses.asdict(made), "folder": str(made.folder)})
        return
    click.echo(
        f"largest difference of a logit: {made.difference:.2g} (allowed: {made.tolerance:.2g}; the adapter's own effect: {made.effect:.2g})"
    )
    click.echo(f"same first token: {made.same_token} of {made.prompts} prompts")
    click.echo(f"written: {made.folder}")
