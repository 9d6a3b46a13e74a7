"""`fingen models`: the base models that have a short name."""

from __future__ import annotations

import dataclasses

import click

from fingen import config
from fingen.cli.common import Command, command_options, echo, print_json

SHOWN = ("fp32", "bf16", "8bit", "4bit")


@click.command("models", cls=Command)
@command_options
def command(as_json: bool, quiet: bool, debug: bool) -> None:
    """List the base models that have a short name, and what they need.

    Memory is computed for each --load, not measured: weights, an adapter of rank 8, and a batch of 2,048 tokens, a quarter of
    them answers. Any other model works by its hub id or its folder. With USE_MODELSCOPE_HUB=1 models come from ModelScope, through
    its package.

    \b
    Examples:
      $ fingen models
      $ fingen models --json
    """
    from fingen.training.memory import GIB, memory_bytes

    need = {
        name: {load: round(memory_bytes(alias.billions, load, config.Tuning()) / GIB, 1) for load in SHOWN}
        for name, alias in config.MODELS.items()
    }
    if as_json:
        print_json(
            {
                name: {**dataclasses.asdict(alias), "memory_gib": need[name], "memory_is": "computed"}
                for name, alias in config.MODELS.items()
            }
        )
        return
    echo(
        f"{'alias':<14}{'base model':<40}{'parameters':>10}  {'computed GiB: ' + ' / '.join(SHOWN):<42}{'licence':<28}"
    )
    for name, alias in config.MODELS.items():
        memory = " / ".join(f"{value:.1f}" for value in need[name].values())
        licence = alias.licence + (", gated" if alias.gated else "")
        tried = "tried here" if alias.tried else "not tried here"
        echo(
            f"{name:<14}{alias.hub_id or 'made from the set':<40}{_size(alias.billions):>10}  {memory:<42}{licence:<28}{tried}"
        )
    echo(
        "\nprompt: the chat template in the model's own tokenizer, for all but those with code of their own\n\nto know:"
    )
    traps: dict[str, list[str]] = {}
    for name, alias in config.MODELS.items():
        if alias.trap:
            code = f"; its own code is for transformers {alias.code}: take {alias.successor}" if alias.code else ""
            traps.setdefault(alias.trap + code, []).append(name)
    for trap, names in traps.items():
        echo(f"  {', '.join(names)}: {trap}")


def _size(billions: float) -> str:
    return f"{billions:.1f} B" if billions >= 0.1 else f"{billions * 1000:.0f} M"
