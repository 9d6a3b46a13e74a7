"""What LLaMA-Factory runs on an export as it is: YAML files to train, merge and ask, from a recipe and a base model.

Checked against LLaMA-Factory 0.9.5: its parser takes the files, and its token ids and labels of a row are those of
`fingen finetune`, but that its ChatML templates have the line end after <|im_end|> learned too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fingen.config import Finetune, Tuning
from fingen.errors import UsageError, visible
from fingen.records import Record
from fingen.training.models import Base, find_base, read_config
from fingen.training.schedule import total_steps, warmup_steps
from fingen.training.settings import published, resolve

TRAIN, MERGE, INFER = FILES = ("train.yaml", "merge.yaml", "infer.yaml")
# What a base's own chat template has in it, or else its name, and what LLaMA-Factory calls such a template.
_BY_TEXT = (
    (r"<\|start_header_id\|>", "llama3"), (r"<\|im_start\|>[^\0]*(?:enable_thinking|<think>)", "qwen3"), ("You are Qwen", "qwen"),
    ("named SmolLM", "smollm2"), (r"<\|im_start\|>", "chatml"), (r"\[gMASK\]", "glm4"), (r"\[INST\][^\0]*<<SYS>>", "llama2"),
)  # fmt: skip
_BY_NAME = (
    (r"llama-?3", "llama3"), (r"qwen-?3", "qwen3"), (r"qwen-?2", "qwen"), ("smollm2", "smollm2"), (r"glm-?4", "glm4"),
    (r"llama-?2", "llama2"),
)  # fmt: skip
_TRIMMED = ("llama3", "llama2")  # whose own chat templates trim what is said; LLaMA-Factory does not
_LINE_END = ("qwen", "qwen3", "smollm2", "chatml")
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
TRAINED = ("train", "validation")  # the splits that it reads
_FRAME = 64  # tokens at most that a template puts around a text, or before all of them
_BITS = {"4bit": 4, "8bit": 8}


@dataclass(frozen=True)
class Runs:
    """How LLaMA-Factory is to train on a set: the base, its template there (None: the tokenizer's own), and the recipe."""

    base: Base
    template: str | None
    tuning: Tuning
    said: str  # what the settings come from
    is_ranking: bool = False  # the rows are preferences

    @property
    def trims(self) -> bool:
        """Whether the base's own template leaves out white space around what is said."""
        return self.template in _TRIMMED

    def texts(self, name: str, splits: Mapping[str, int]) -> dict[str, str]:
        """The files, by name, for a set of that name with so many rows in its splits."""
        adapter = f"saves/{name}-{self.base.name}"
        source = (
            str(Path(self.base.source).resolve()) if self.base.local else self.base.source
        )  # they are run elsewhere
        model = {"model_name_or_path": source, **({"template": self.template} if self.template else {})}
        thinking = {"enable_thinking": False} if self.template == "qwen3" else {}
        tuned = {**model, "adapter_name_or_path": adapter, "finetuning_type": "lora"}
        merge = {**tuned, "export_dir": f"models/{name}-{self.base.name}", "export_size": 5, "export_device": "cpu",
                 "export_legacy_format": False}  # fmt: skip
        infer = {**tuned, **thinking, "infer_backend": "huggingface", "do_sample": False, "max_new_tokens": 512}
        train = {**model, **thinking, **self._training(name, splits), "output_dir": adapter}
        about = f"set {name}, {self.said}"
        return {
            TRAIN: _dump(train, f"{about}. Type in this folder: llamafactory-cli train {TRAIN}"),
            MERGE: _dump(merge, f"{about}. Type in this folder: llamafactory-cli export {MERGE}"),
            INFER: _dump(infer, f"{about}. Type in this folder: llamafactory-cli chat {INFER}"),
        }

    def _training(self, name: str, splits: Mapping[str, int]) -> dict[str, Any]:
        tuning = self.tuning
        held = 0 if splits.get("validation") else tuning.validation_share
        rows = splits.get("train", 0) - round(held * splits.get("train", 0))
        steps = total_steps(tuning, rows)
        validates = bool(splits.get("validation") or held)
        return {
            **({"stage": "dpo", "pref_loss": "sigmoid", "pref_beta": Finetune.beta} if self.is_ranking else {"stage": "sft"}),
            "do_train": True, "finetuning_type": "lora",
            "lora_rank": tuning.rank, "lora_alpha": _whole(tuning.alpha), "lora_dropout": tuning.dropout,
            "lora_target": "all" if tuning.targets == "all-linear" else tuning.targets,
            "use_rslora": tuning.rslora, "use_dora": tuning.dora,
            "dataset_dir": ".", "dataset": name, "cutoff_len": tuning.cutoff,
            **({"eval_dataset": f"{name}_validation"} if splits.get("validation") else {}),
            **({"val_size": held} if held else {}),
            # A step has one row after the other: its loss is the mean over all their answers' tokens, as in fingen.
            "per_device_train_batch_size": 1, "gradient_accumulation_steps": tuning.batch,
            **({"max_steps": tuning.steps} if tuning.steps else {"num_train_epochs": float(tuning.epochs)}),
            "learning_rate": tuning.learning_rate, "lr_scheduler_type": _SCHEDULES[tuning.schedule],
            "warmup_steps": warmup_steps(tuning, steps), "weight_decay": tuning.weight_decay, "max_grad_norm": tuning.max_grad_norm,
            "optim": "adamw_torch", "seed": tuning.seed,
            **({"quantization_bit": _BITS[tuning.load], "quantization_method": "bnb"} if tuning.load in _BITS else {}),
            # Without bf16 it takes the format that base and device have, bf16 first; with it, it starts on no machine without a GPU.
            **({"fp16": True} if tuning.load == "fp16" else {}),
            "disable_gradient_checkpointing": not tuning.gradient_checkpointing,
            **({"eval_strategy": "epoch", "per_device_eval_batch_size": 1} if validates else {}),
            "save_strategy": "epoch", "logging_steps": 10, "report_to": "none",
            **({"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "save_total_limit": 2}
               if validates and tuning.keep == "best" else {}),
        }  # fmt: skip

    def may_cut(self, record: Record) -> bool:
        """Whether a row may be longer than the cutoff: a token has one byte of UTF-8 at least."""
        texts = [*record.said, record.rejected]  # of two answers each stands alone: both is what it may be at most
        return sum(len(text.encode()) + _FRAME for text in texts if text) + _FRAME > self.tuning.cutoff

    def notes(self, splits: Mapping[str, int], long: int) -> list[str]:
        """What is not there as it is in fingen; `long` rows may be longer than the cutoff."""
        cut = f"rows that may be longer than {self.tuning.cutoff:,} tokens, by their bytes: {long:,}"
        said = [f"{cut}; a longer one is cut off there, and left out by `fingen finetune`"] if long else []
        if self.template is None:
            said.append(
                f"{self.base.source}: which of LLaMA-Factory's templates it needs is not known; its own chat template is taken"
            )
        if self.template in _LINE_END:
            said.append(
                f"its template {self.template} has the line end after an answer learned too, one token more than here"
            )
        if self.tuning.load == "fp32":
            said.append("load=fp32: LLaMA-Factory takes the format that base and device have, bf16 first")
        if self.tuning.validation_share and not splits.get("validation"):
            said.append("val_size: LLaMA-Factory draws those rows in its own way")
        return said


def find_runs(model: str | None, recipe: str | None, *, is_ranking: bool = False) -> Runs:
    """The base model, its template and the settings of a recipe; without a name those that `fingen finetune` has.

    `is_ranking`: the rows are preferences, to be learned by DPO.

    Raises:
        UsageError: no such model or recipe, or one that LLaMA-Factory has no template for.
    """
    base = find_base(model or Finetune.model)
    if base.built:
        hint = "name its folder in build/models/, or another model: fingen models"
        raise UsageError(
            f"--model {base.name}: it is made from a set, by `fingen finetune --model {base.name}`", hint=hint
        )
    tuning = resolve(published(recipe, base.name, objective="dpo" if is_ranking else "sft")).tuning
    if tuning.form != "chat":
        raise UsageError(
            f"recipe {recipe}: LLaMA-Factory has no template with its prompt ({tuning.form})",
            hint="take a recipe of the chat form, such as openfindata-intent, or tune it with fingen finetune",
        )
    said = f"base {base.source}, " + (f"recipe {recipe}" if recipe else "the defaults of `fingen finetune`")
    return Runs(base, _find_template(base), tuning, said, is_ranking)


def _find_template(base: Base) -> str | None:
    table, text = (_BY_TEXT, _chat_template(Path(base.source))) if base.local else (_BY_NAME, base.source.lower())
    return next((name for pattern, name in table if re.search(pattern, text)), None)


def _chat_template(folder: Path) -> str:
    """The chat template of a model's folder; empty where it has none."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8", errors="replace")
    said = read_config(folder, "tokenizer_config.json").get("chat_template")
    return said if isinstance(said, str) else json.dumps(said or "", ensure_ascii=False)


def _whole(number: float) -> float | int:
    return int(number) if math.isfinite(number) and number == int(number) else number


def _dump(values: Mapping[str, Any], about: str) -> str:
    return f"# {visible(about)}\n" + yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False)
