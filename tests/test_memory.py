"""How much memory a training takes: the estimate beside what autograd keeps, and beside what a process had at its peak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from transformers import LlamaConfig, LlamaForCausalLM

from fingen.cli import main
from fingen.config import MODELS, Tuning
from fingen.sets import read_split
from fingen.training.data import Example
from fingen.training.estimate import largest_batch
from fingen.training.memory import GIB, Batch, Shape, guess_shape, memory_bytes, read_shape
from fingen.training.recipe import add_adapter, loss_sum, trainable
from fingen.training.tiny import tiny_config, train_tokenizer

LLAMA = {"vocab_size": 64, "max_position_embeddings": 256, "tie_word_embeddings": True}
WIDTHS = [
    {"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4},
    {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2},
    {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 1,
     "head_dim": 32},
]  # fmt: skip


def shape_of(config: Any) -> Shape:
    shape = read_shape(json.loads(config.to_json_string()))
    assert shape
    return shape


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("dropout", [0, 0.1])
def test_what_a_layer_keeps_is_what_autograd_keeps(widths: dict[str, Any], dropout: float):
    tuning, config = Tuning(rank=8, dropout=dropout), LlamaConfig(**LLAMA, **widths)
    model = add_adapter(LlamaForCausalLM(config), tuning)
    rows = [Example(str(n), tuple(range(n, n + 48)), 1) for n in range(8)]
    frozen = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in frozen:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss_sum(model, rows, 0)
    shape = shape_of(config)

    assert sum(kept.values()) == pytest.approx(4 * 8 * 48 * shape.layers * shape.kept_floats(tuning), rel=0.1)
    assert shape.adapter_parameters(tuning.rank) == sum(parameter.numel() for parameter in trainable(model).values())


def test_a_batch_is_what_fits_of_the_longest_and_what_all_rows_share_counts_once():
    rows = [Example(str(n), (*range(20), *range(100 * n, 100 * n + 10 * n)), 2) for n in range(1, 6)]

    assert largest_batch(rows, Tuning(batch=2)) == Batch(20 + 2 * 50, 4)
    assert largest_batch(rows, Tuning(batch=2, gradient_checkpointing=True)) == Batch(2 * 70, 4)
    assert largest_batch(rows, Tuning(batch=4, tokens_per_batch=150)) == Batch(20 + 2 * 50, 4)
    assert largest_batch(rows, Tuning(tokens_per_batch=1)) == Batch(70, 2)
    assert largest_batch(rows, Tuning(tokens_per_batch=125)) == Batch(20 + 2 * 40, 4)  # one of 70, or two of 60


def test_depth_and_widths_come_from_the_config_where_it_tells_them():
    deep = {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "vocab_size": 49152,
    }

    assert read_shape({**deep, "num_key_value_heads": 3}) == Shape(30, 576, 1536, 576, 192, 49152)
    assert read_shape({"text_config": deep}) == Shape(30, 576, 1536, 576, 576, 49152)
    assert (
        read_shape({})
        is read_shape({**deep, "hidden_size": None})
        is read_shape({**deep, "num_attention_heads": 0})
        is None
    )


def test_more_of_anything_takes_more_memory():
    tuning = Tuning()
    least = memory_bytes(8, "bf16", tuning)

    assert least < memory_bytes(8, "fp32", tuning)
    assert least < memory_bytes(8, "bf16", Tuning(rank=64))
    assert least < memory_bytes(8, "bf16", Tuning(tokens_per_batch=4096))
    assert least < memory_bytes(8, "bf16", Tuning(dropout=0.1))
    assert least > memory_bytes(8, "bf16", Tuning(gradient_checkpointing=True))
    sizes = sorted((alias.billions, memory_bytes(alias.billions, "bf16", tuning)) for alias in MODELS.values())
    assert [size for _, size in sizes] == sorted(size for _, size in sizes)
    assert guess_shape(8.03).hidden == pytest.approx(4096, rel=0.05)


PEAK = (
    "import resource, sys, torch; torch.set_num_threads(1)\n"
    "from fingen.cli import main\n"
    "try: main()\n"
    "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)\n"
)


STOPPED = (  # by Ctrl-C, once the first checkpoint is there
    "import os, signal\n"
    "from fingen.training import checkpoints\n"
    "whole = checkpoints.mark_whole\n"
    "checkpoints.mark_whole = lambda folder: (whole(folder), os.kill(os.getpid(), signal.SIGINT))\n"
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is another one elsewhere")
def test_the_estimate_is_near_the_peak_of_a_fresh_and_of_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(
        main, ["synth", "intent", "--n", "48", "--validation", "0", "--teacher", "offline", "--quiet"]
    )
    assert made.exit_code == 0, made.stderr
    rows = list(read_split(Path("build/intent"), "train"))
    tokenizer = train_tokenizer([row.instruction for row in rows] * 5)
    model = LlamaForCausalLM(tiny_config(tokenizer, hidden=384, layers=8))
    model.save_pretrained("base")
    tokenizer.save_pretrained("base")
    run = "finetune --model base --set build/intent --epochs 1 --override batch=16 --override save_every=1".split()
    planned = CliRunner().invoke(main, [*run, "--dry-run", "--json"])
    need = json.loads(planned.stdout)["need_bytes"]

    def peak(*arguments: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *run, *arguments], capture_output=True, text=True, check=True
        )
        return int(done.stderr.split()[-1])

    fresh = peak("--out", "fresh")
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED + PEAK, *run, "--out", "resumed"], capture_output=True, check=False
    )
    assert stopped.returncode == 130, stopped.stderr
    resumed = peak("--out", "resumed", "--resume")

    assert need == pytest.approx(fresh, rel=0.15), f"{need / GIB:.2f} GiB estimated, {fresh / GIB:.2f} measured"
    assert resumed < 1.1 * fresh
