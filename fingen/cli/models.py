"""`fingen models`: the base models that have a short name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from fingen import config
from fingen.cli.common import Command, CommandGroup, command_options, echo, finish, print_json

SHOWN = ("fp32", "bf16", "8bit", "4bit")


@click.group("models", cls=CommandGroup, invoke_without_command=True)
@command_options
@click.pass_context
def command(ctx: click.Context, /, as_json: bool, quiet: bool, debug: bool) -> None:
    """List the base models that have a short name, and what they need.

    Memory is computed for each --load, not measured: weights, an adapter of rank 8, and a batch of 2,048 tokens, a quarter of
    them answers. Any other model works by its hub id or its folder. With USE_MODELSCOPE_HUB=1 models come from ModelScope, through
    its package.

    \b
    Examples:
      $ fingen models
      $ fingen models --json
      $ fingen models convert chatglm3 zai-org/chatglm3-6b
    """
    if ctx.invoked_subcommand:
        return
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
    prompt = "prompt: the chat template in the model's own tokenizer, for all but those with code of their own"
    echo("", prompt, "", "to know:")
    traps: dict[str, list[str]] = {}
    for name, alias in config.MODELS.items():
        if alias.trap:
            code = (
                f"; its own code is for transformers {alias.code}: `fingen models convert {name}`, or take {alias.successor}"
                if alias.code
                else ""
            )
            traps.setdefault(alias.trap + code, []).append(name)
    for trap, names in traps.items():
        echo(f"  {', '.join(names)}: {trap}")


def _size(billions: float) -> str:
    return f"{billions:.1f} B" if billions >= 0.1 else f"{billions * 1000:.0f} M"


@command.command("convert", cls=Command)
@click.argument("family", type=click.Choice(config.FAMILIES))
@click.argument("source", metavar="FOLDER|HUB_ID")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="FOLDER",
              help="Folder of the new model.  [default: build/models/<name>]")  # fmt: skip
@command_options
def convert(family: str, source: str, out: Path | None, as_json: bool, quiet: bool, debug: bool) -> None:
    """Write a model with code of its own as one that transformers knows: Baichuan2 as Llama, ChatGLM2 and 3 as GLM.

    Weights are read as plain tensors, also from pickles, and none of the model's code is fetched or run. Settings and weights
    that are not those that are known are refused, and so is a tokenizer that would give a prompt other tokens than the original.
    The new folder is a base model: `fingen finetune --model FOLDER`.

    \b
    Examples:
      $ fingen models convert chatglm3 zai-org/chatglm3-6b
      $ fingen models convert baichuan2 models/Baichuan2-7B-Chat --out build/models/baichuan2
    """
    from fingen.events import command_line
    from fingen.training.models import is_hub_id

    is_hub_id(source)  # what is wrong with a name is said before torch is loaded
    from fingen.training.convert import convert as write_model

    target = out or config.BUILD / "models" / Path(source).name.lower()
    made = write_model(family, source, target, say=lambda text: None if quiet else echo(text, err=True))
    next_step = command_line("fingen", "finetune", "--model", made.folder)
    report = {**dataclasses.asdict(made), "folder": str(made.folder), "next": next_step, "exit_code": 0}
    finish(report, lambda: [f"{made.family}: {made.tensors:,} weights, {made.prompts} prompts compared",
                            f"written: {made.folder}", f"next: {next_step}"], as_json=as_json)  # fmt: skip
