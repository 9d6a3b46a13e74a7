"""An adapter in use: asked a question, or merged into its base model after a check that both say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from fingen.disk import build_folder, read_object
from fingen.errors import ShortfallError, UsageError
from fingen.events import Outcome, command_line
from fingen.training.base import DTYPES, load_base, load_tokenizer, positions, quiet
from fingen.training.foreign import read_any_adapter
from fingen.training.generate import Write, generate
from fingen.training.merged import MERGED, find_merged, made_of, write_merged
from fingen.training.preflight import need_adapter
from fingen.training.serving_files import NO_THOUGHTS, fix_chat_template, write_ways
from fingen.training.template import Message, Template, build_template

TOLERANCE = {"fp32": 1e-3, "bf16": 0.5, "fp16": 0.1}  # logits; by the digits of the format
PROMPTS = (
    "What was revenue in the last fiscal year?", "Why did finance costs decrease?", "Summarise the risk factors.",
    "Is this headline positive, negative or neutral? Profit doubled.", "营业收入是多少？", "财务费用为什么下降？",
    "公司的主要业务是什么？", "大盘今天怎么样",
)  # fmt: skip
CONTEXT_TOKENS = 4096  # of a server, at least: less is cut without a word
FIGURES = ("difference", "tolerance", "effect", "same_token", "prompts")  # of a merge, as they are stored


@dataclass(frozen=True)
class Tuned:
    """An adapter on its base model, with the template that it was trained with; or a model as it is, with its own."""

    model: Any
    template: Template
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Merged(Outcome):
    """A merged model, and how far it is from base and adapter: the largest difference of two logits."""

    folder: Path
    difference: float
    tolerance: float
    effect: float  # the largest difference that the adapter makes to its base
    same_token: int  # of the prompts, those after which both put the same token first
    prompts: int


def load_adapter(
    folder: Path,
    *,
    base: str | None = None,
    form: str | None = None,
    load: str | None = None,
    trust_remote_code: bool = False,
) -> Tuned:
    """An adapter on its base model, which is loaded as for training unless `load` says otherwise.

    `base` and `form` are those of `read_any_adapter`: an adapter of others is asked with the tokenizer of its base.

    Raises:
        UsageError: the adapter is not whole, its base cannot be had, or its template is not the one of its training.
    """
    manifest = need_adapter(folder, base=base, form=form, trust_remote_code=trust_remote_code)
    about = manifest["base"]
    template = read_template(folder, manifest, trust_remote_code=trust_remote_code)
    load = load or manifest["load"]
    loaded = load_base(about["source"], load, revision=about["revision"], trust_remote_code=trust_remote_code)
    model = put_on(loaded.model, folder, about["source"])
    now = {"form": template.form, "sha256": template.sha256}
    return Tuned(model.eval(), template, {**manifest, "load": loaded.load, "template": now})


def read_template(folder: Path, manifest: Mapping[str, Any], *, trust_remote_code: bool = False) -> Template:
    """The template of an adapter, which is the one of its training; of an adapter of others that of its base.

    Raises:
        UsageError: it is not.
    """
    stored = manifest["template"]
    source = str(folder) if stored["sha256"] else manifest["base"]["source"]
    template = build_template(load_tokenizer(source, trust_remote_code=trust_remote_code), stored["form"])
    if stored["sha256"] not in (None, template.sha256):
        raise UsageError(
            f"{folder}: its template or tokenizer is not the one that it was trained with",
            hint="restore the folder, or tune again",
        )
    return template


def put_on(model: Any, folder: Path, source: str, name: str = "default") -> Any:
    """An adapter put on its base model, or beside the adapters that are on it; it is then known by `name`.

    Raises:
        UsageError: it does not fit.
    """
    try:
        with quiet():
            if not isinstance(model, PeftModel):
                return PeftModel.from_pretrained(model, folder, adapter_name=name)
            model.load_adapter(folder, name)
            return model
    except (ValueError, KeyError, TypeError, RuntimeError) as e:
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        hint = "name the base it was tuned on with --base"
        raise UsageError(f"{folder}: cannot be loaded on its base, {source}: {line}", hint=hint) from e


def load_model(source: str, *, load: str = "auto", trust_remote_code: bool = False) -> Tuned:
    """A model as it is, or one that was merged, whose prompts are then those of the training.

    Raises:
        UsageError: it cannot be loaded, has no chat template, or its template is not the one that it was merged with.
        HubError: it cannot be fetched. LimitError: out of memory.
    """
    loaded = load_base(source, load, trust_remote_code=trust_remote_code)
    template, made = template_of(source, loaded.tokenizer)
    return Tuned(loaded.model.eval(), template, {**made, "load": loaded.load})


def template_of(source: str, tokenizer: Any) -> tuple[Template, dict[str, Any]]:
    """The template of a model as it is, or of the training that it was merged of, and what that says of itself.

    Raises:
        UsageError: it has no chat template, or another one than it was merged with.
    """
    made = read_object(Path(source) / MERGED)
    template = build_template(tokenizer, made["template"]["form"] if made else "chat")
    if made and template.sha256 != made["template"]["sha256"]:
        said = f"{source}: its template or tokenizer is not the one that it was merged with"
        raise UsageError(said, hint="restore the folder, or merge again")
    return template, made


def answer(
    tuned: Tuned, question: str, passage: str = "", *, system: str = "", turns: Sequence[Message] = (), base: bool = False,
    max_tokens: int = 512, write: Write = lambda piece: None,
) -> str:  # fmt: skip
    """The likeliest answer, token by token, of the adapter or of its base alone; `write` gets it piece by piece.

    Raises:
        UsageError: a text holds a control token of the model, has no place in its prompts, or all are too long for it.
        LimitError: out of memory.
    """
    prompt = tuned.template.encode_prompt(tuned.template.render(question, passage, system=system, turns=turns))
    with tuned.model.disable_adapter() if base else nullcontext():
        return generate(tuned.model, tuned.template, prompt, max_tokens=max_tokens, write=write).text


def merge(
    folder: Path, out: Path, *, tolerance: float | None = None, replace: bool = False, base: str | None = None,
    form: str | None = None, trust_remote_code: bool = False,
) -> Merged:  # fmt: skip
    """Write base and adapter as one model into `out`, after a check on eight prompts that it answers like both together.

    What is checked is the model as it was read back from the disk. The base is loaded unquantised, since merged weights
    cannot be quantised as the base's were. Beside it lie a Modelfile for Ollama and a card with the ways on.

    Raises:
        ShortfallError: it differs by more than `tolerance`; nothing is left in `out`.
        UsageError: `out` holds something else, or the adapter cannot be loaded.
        LimitError: the disk is full.
    """
    manifest = read_any_adapter(folder, base, form)
    if (made := find_merged(out, manifest, tolerance, replace=replace)) is not None:
        return Merged(out, **{name: made[name] for name in FIGURES}, changed=False)
    load = manifest["load"] if manifest["load"] in DTYPES else "auto"
    tuned = load_adapter(folder, base=base, form=form, load=load, trust_remote_code=trust_remote_code)
    load = tuned.manifest["load"]
    with tuned.model.disable_adapter():
        before = _logits(tuned.model, tuned.template)
    wanted = _logits(tuned.model, tuned.template)
    with build_folder(out) as beside:
        model = tuned.model.merge_and_unload(safe_merge=True)
        same, thinks = save_model(model, tuned.template, beside)
        served = build_template(tuned.template.tokenizer, tuned.template.form)  # as it will be asked
        got = _logits(load_base(str(beside), load).model.eval(), served)
        merged = Merged(
            out,
            float((wanted - got).abs().max()),
            TOLERANCE[load] if tolerance is None else tolerance,
            float((wanted - before).abs().max()),
            int((wanted.argmax(-1) == got.argmax(-1)).sum()),
            len(PROMPTS),
            next=command_line("fingen", "serve", out),
        )
        if not merged.difference <= merged.tolerance:
            raise ShortfallError(
                f"merged and adapter differ by {merged.difference:.2g} in a logit, and {merged.tolerance:.2g} is allowed",
                hint="use the adapter as it is, or allow more with --tolerance",
            )
        record = {
            **{name: getattr(merged, name) for name in FIGURES},
            "made_of": made_of(manifest), "adapter": manifest["name"], "run": manifest["run"], "base": manifest["base"], "load": load,
            "template": tuned.manifest["template"], "no_thoughts": thinks, "frame": manifest.get("frame"),
            "context_tokens": context_tokens(int(manifest["settings"].get("cutoff", 0)), positions(model)),
        }  # fmt: skip
        write_ways(beside, record, tuned.template, same=same, name=out.resolve().name, shown=out)
        write_merged(beside, record)
    return merged


def save_model(model: Any, template: Template, folder: Path) -> tuple[bool, bool]:
    """Write a model with its tokenizer, whose chat template then puts a question as the training did.

    Returns whether it does so without settings of the server, and whether it keeps the model from thinking aloud.
    """
    _end_with(model, template)
    with quiet():
        model.save_pretrained(folder)
    same = fix_chat_template(template)
    thinks = bool(template.closing) or template.tokenizer.chat_template.startswith(NO_THOUGHTS)
    template.tokenizer.save_pretrained(folder)
    return same, thinks


def context_tokens(cutoff: int, most: int | None) -> int:
    """Tokens of question and answer that a server should have room for: the longest row, and an answer as long again."""
    wanted = max(CONTEXT_TOKENS, 2 * cutoff)
    return wanted if most is None else min(wanted, most)


def _end_with(model: Any, template: Template) -> None:
    """Have programs that generate stop where an answer of the training ended."""
    settings = model.generation_config
    ends = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
    settings._from_model_config = False  # else it may be made anew from the model's own, without that end
    settings.eos_token_id = list(dict.fromkeys([template.end, *(end for end in ends if end is not None)]))


def _logits(model: Any, template: Template) -> torch.Tensor:
    """What comes after each prompt: (prompts, V), in float32."""
    rows = []
    with torch.no_grad():
        for prompt in PROMPTS:
            ids = torch.tensor([template.encode_prompt(template.render(prompt))], device=model.device)
            rows.append(model(input_ids=ids, use_cache=False).logits[0, -1].float().cpu())
    return torch.stack(rows)
