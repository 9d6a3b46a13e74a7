"""The recipes, field by field, beside the figures that their systems were published with.

Sources, as read in November 2026:

- FinGPT: github.com/AI4Finance-Foundation/FinGPT, fingpt/FinGPT_Sentiment_Analysis_v3. README.md, "Models settings", has rank,
  alpha, dropout, target, learning rate, epochs or steps, warm-up, weight decay, 4 rows x 8 accumulated, and the hardware: v3,
  v3.1 and v3.2 ran on 8 GPUs (256 rows in a step), v3.1.1 and v3.1.2 on one (32). training_parallel/config.json (DeepSpeed) has
  the schedule of the former, WarmupLR: up, then constant; transformers' default for the latter is linear. data/making_data.ipynb
  leaves out rows above 512 tokens and has the form of the prompt; the training scripts hold out a fifth of the rows, and load
  the best weights at the end. Norms of gradients are clipped at transformers' default of 1.
- Finance-Llama-3-LoRA: github.com/NingYiwen-cpu/Finance-Llama-3-LoRA, examples/train_lora/llama3_lora_sft.yaml (its lines that
  would hold rows out are commented out), README.md for alpha. What neither says is LLaMA-Factory's default.
- OpenFinData's intents: github.com/klay-liu/Financial-Intent-Understanding-with-LLMs trained with LLaMA-Factory's
  examples/train_lora/llama3_lora_sft.yaml of 2024 on 500 rows: 1 x 8 rows, 10 % held out.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from fingen.config import Tuning
from fingen.errors import UsageError
from fingen.training.settings import read_recipe, recipe_names, resolve

LLAMA_FACTORY = {
    "rank": 8, "alpha": 16, "dropout": 0, "targets": "all-linear", "form": "chat", "learning_rate": 1e-4, "schedule": "cosine",
    "warmup": 0.1, "steps": None, "batch": 1 * 8, "cutoff": 2048, "weight_decay": 0, "load": "bf16", "keep": "last",
}  # fmt: skip
FINGPT = {
    "rank": 8, "alpha": 32, "dropout": 0.1, "targets": "query_key_value", "form": "fingpt", "cutoff": 512, "weight_decay": 0.01,
    "validation_share": 0.2, "keep": "best",
}  # fmt: skip
EIGHT_GPUS = {**FINGPT, "batch": 4 * 8 * 8, "schedule": "constant"}
ONE_GPU = {**FINGPT, "batch": 4 * 8, "schedule": "linear", "epochs": 2, "steps": None, "learning_rate": 1e-4}
PUBLISHED: dict[str, dict[str, Any]] = {
    "openfindata-intent": {**LLAMA_FACTORY, "epochs": 3, "validation_share": 0.1},
    "finance-llama3": {**LLAMA_FACTORY, "epochs": 10, "validation_share": 0},
    # max_steps=10000 of them, in place of epochs; the warm-up is as long
    "fingpt-v3": {**EIGHT_GPUS, "load": "bf16", "learning_rate": 1e-5, "steps": 10_000, "warmup": 10_000},
    "fingpt-v3.1": {
        **EIGHT_GPUS,
        "load": "fp16",
        "learning_rate": 1e-4,
        "epochs": 2 * 8,
        "steps": None,
        "warmup": 1500,
    },
    "fingpt-v3.1.1": {**ONE_GPU, "load": "8bit", "warmup": 1000},
    "fingpt-v3.1.2": {**ONE_GPU, "load": "4bit", "warmup": 10_000},
    # "Training in bf16", says its section; its arguments say fp16, and the table of models 8 bit
    "fingpt-v3.2": {**EIGHT_GPUS, "load": "bf16", "learning_rate": 1e-4, "epochs": 2 * 4, "steps": None, "warmup": 500},
}
# No published system has these, or they change nothing that is learned; `epochs` means nothing beside `steps`.
OWN = {
    "rslora",
    "dora",
    "max_grad_norm",
    "tokens_per_batch",
    "gradient_checkpointing",
    "keep_rows",
    "patience",
    "save_every",
    "seed",
    "limit",
}
OURS = {"fpb-small"}  # published by nobody: tests/benchmarks/bench_fpb.py measures them


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_field_of_a_recipe_is_as_it_was_published(name: str):
    tuning = asdict(resolve([(name, read_recipe(name))]).tuning)
    default = asdict(Tuning())
    published = {**{field: default[field] for field in OWN}, "epochs": default["epochs"], **PUBLISHED[name]}

    assert tuning == published


def test_no_recipe_is_without_its_source():
    assert recipe_names() == sorted({*PUBLISHED, *OURS})
    with pytest.raises(UsageError) as error:
        read_recipe("fingpt-v3.4")
    assert "fingpt-v3" in error.value.hint
