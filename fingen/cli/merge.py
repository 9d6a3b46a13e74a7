"""`fingen merge`: base model and adapter as one model."""

from __future__ import annotations

from pathlib import Path

import click

from fingen import config
from fingen.cli import completers
from fingen.cli.common import Command, command_options, tell
from fingen.cli.working import working


@click.command("merge", cls=Command)
@click.argument("adapter", type=click.Path(path_type=Path), shell_complete=completers.adapters_or_models)
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
@click.option("--base", default=None, metavar="MODEL", help=config.BASE_OF)
@click.option("--form", type=click.Choice(config.FORMS), default=None, help=config.FORM_OF)
@click.option("--gguf", "kind", type=click.Choice(list(config.GGUF_KINDS)), default=None,
              help="Write the model as a GGUF file too, for llama.cpp and Ollama, in this number format.")  # fmt: skip
@click.option("--replace", is_flag=True, help="Write over another merged model.")
@click.option(
    "--trust-remote-code", is_flag=True, help="Run Python code that the base model brings along: read it first."
)
@command_options
def command(
    adapter: Path, out: Path | None, tolerance: float | None, base: str | None, form: str | None, replace: bool,
    trust_remote_code: bool, kind: str | None, as_json: bool, quiet: bool, debug: bool,
) -> None:  # fmt: skip
    """Merge an adapter into its base model, and check that both say the same.

    ADAPTER is a folder that `fingen finetune` has made, or any LoRA adapter (LLaMA-Factory's, peft's), with --base and --form;
    with --gguf also the folder of a model, such as `fingen merge` and `fingen distill` write.

    The merged model is read back from the disk and compared with base and adapter on eight prompts. Where a logit is further
    off than the tolerance, nothing is left and the exit code is 1. Beside the model lie a Modelfile for Ollama and a card with
    the commands for vLLM, llama.cpp, Ollama and `fingen serve`; its chat template puts a question as the training did.

    \b
    Examples:
      $ fingen merge build/adapters/intent-tiny
      $ fingen merge build/adapters/intent-llama3 --out build/models/intent-llama3
      $ fingen merge saves/mine --base llama3 --form chat
      $ fingen merge build/models/intent-llama3 --gguf q8_0
    """
    from fingen.training.preflight import is_model, need_adapter, need_extra

    if kind and is_model(adapter):
        need_extra()
        from fingen.training.gguf_file import write_gguf

        packed = write_gguf(adapter, kind)
        tell(packed, [f"{packed.size_bytes / 1e6:,.1f} MB"], packed.file, as_json=as_json)
    need_adapter(adapter, base=base, form=form, trust_remote_code=trust_remote_code)
    need_extra()
    from fingen.training.use import merge

    folder = out or config.BUILD / "models" / adapter.resolve().name
    with working(f"merging {adapter}, and comparing", quiet=quiet):
        made = merge(
            adapter,
            folder,
            tolerance=tolerance,
            replace=replace,
            base=base,
            form=form,
            trust_remote_code=trust_remote_code,
        )
    allowed = f"(allowed: {made.tolerance:.2g}; the adapter's own effect: {made.effect:.2g})"
    lines = [
        f"largest difference of a logit: {made.difference:.2g} {allowed}",
        f"same first token: {made.same_token} of {made.prompts} prompts",
    ]
    beside = ", with a Modelfile and the ways on in its README.md" if made.changed else ""
    if kind:
        from fingen.training.gguf_file import write_gguf

        packed = write_gguf(folder, kind)
        lines.append(f"{packed.file}: {packed.size_bytes / 1e6:,.1f} MB")
    tell(made, lines, f"{made.folder}{beside}", as_json=as_json)
