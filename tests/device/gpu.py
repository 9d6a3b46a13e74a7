"""Training on a GPU: does the estimate of memory hold, and how fast is it beside transformers' Trainer?

Models of random weights in the shapes of Llama 3 8B and Llama 2 13B, their memory capped at 22 GiB, as on a card of 24:

| case | what |
|---|---|
| 8B, bf16 | layers computed anew on the way back (`gradient_checkpointing`), which such a card needs |
| 8B, 4bit | activations kept |
| 13B, 8bit | layers computed anew |

Each is tuned by `fingen finetune` on 500 intent questions of the offline teacher, batch 8, one epoch; then by the Trainer on the
same rows with the same adapter, from the same loader. Every training is a process of its own. The peak is what torch had
allocated at most, and what the device holds beside that before any weight; the estimate is that of `finetune --dry-run`.

Goals: the peak within 10 % of the estimate, and all of it in 8 minutes. `--dry` runs all steps on a CPU with small shapes and
judges no figure: the estimate there is that of a process, most of which is Python.

    tests/device/gpu.sh [--dry] [--only 8B,4bit]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
GIB = 1 << 30
CAP_BYTES = 22 * GIB
NEAR = 0.10  # of the estimate
BATCH, RANK, RATE = 8, 8, 1e-4
SHARD_BYTES = 2 * GIB
SECONDS = 240  # that one training may take
MARK = "measured: "  # before what a process says of itself


class Case(NamedTuple):
    """A shape, the number format it is loaded in, and whether layers are computed anew on the way back."""

    shape: str
    load: str
    anew: bool

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return f"{self.shape},{self.load}"


CASES = (Case("8B", "bf16", anew=True), Case("8B", "4bit", anew=False), Case("13B", "8bit", anew=True))
SHAPES = {
    "8B": {"vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8},
    "13B": {"vocab_size": 32_000, "hidden_size": 5120, "intermediate_size": 13_824, "num_hidden_layers": 40,
            "num_attention_heads": 40, "num_key_value_heads": 40},
}  # fmt: skip
SMALL = {"vocab_size": 2048, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2}  # fmt: skip

# ---- what is trained, and on what


def write_set(folder: Path, count: int) -> Path:
    """Write a set of intent questions with the options' letters fixed."""
    out = folder / "intent"
    fingen("synth", "intent", "--language", "en", "--n", count, "--validation", 0, "--teacher", "offline", "--fixed-options",
           "--out", out, "--quiet", cwd=folder)  # fmt: skip
    return out


def write_model(folder: Path, shape: dict[str, int], data: Path, device: str) -> Path:
    """Write a model of random weights in bf16, tensor by tensor, so that it need not fit anywhere; with a tokenizer of the set."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    from fingen.sets import read_split
    from fingen.training.tiny import train_tokenizer

    tokenizer = train_tokenizer([record.instruction for record in read_split(data, "train")])
    tokenizer.save_pretrained(folder)
    tokens = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = LlamaConfig(
        **shape, **tokens, max_position_embeddings=4096, dtype="bfloat16", architectures=["LlamaForCausalLM"]
    )
    config.save_pretrained(folder)
    with torch.device("meta"):
        wanted = {name: tensor.shape for name, tensor in LlamaForCausalLM(config).state_dict().items()}
    torch.manual_seed(0)
    held: dict[str, Any] = {}
    places: dict[str, str] = {}
    for number, (name, size) in enumerate(wanted.items(), 1):
        made = (
            torch.ones(size)
            if len(size) == 1
            else torch.empty(size, dtype=torch.bfloat16, device=device).normal_(0, 0.02)
        )
        held[name] = made.to(torch.bfloat16).cpu()
        if sum(tensor.nbytes for tensor in held.values()) >= SHARD_BYTES or number == len(wanted):
            file = f"model-{number:05}.safetensors"
            save_file(held, folder / file, metadata={"format": "pt"})
            places |= dict.fromkeys(held, file)
            held = {}
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


# ---- in a process of its own


def cap() -> int:
    """Keep torch below the cap, and return the bytes that the device holds before any weight; 0 on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return 0
    torch.zeros(1, device="cuda")
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, CAP_BYTES / total))
    return int(total - free - torch.cuda.memory_reserved())


def peak_bytes(before: int) -> int:
    """The most memory until now: on the GPU, or of the process on a CPU."""
    import torch

    if torch.cuda.is_available():
        return before + torch.cuda.max_memory_allocated()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def ours(arguments: Sequence[str]) -> None:
    """`fingen` with those arguments, and what it took at most."""
    from fingen.cli import main

    before = cap()
    try:
        main(list(arguments))
    finally:
        print(MARK + json.dumps({"peak": peak_bytes(before)}), file=sys.stderr)


def trainers(folder: str, data: str, load: str, *, anew: bool) -> None:
    """The Trainer on the same rows, with the same adapter on the same model."""
    before = cap()
    import torch
    from bench_train import plain, quiet

    from fingen.config import Tuning
    from fingen.sets import read_split
    from fingen.training.base import load_base
    from fingen.training.data import build_examples
    from fingen.training.recipe import add_adapter
    from fingen.training.template import build_template

    quiet()
    loaded = load_base(folder, load)
    template = build_template(loaded.tokenizer, "chat")
    rows = build_examples(list(read_split(Path(data), "train")), template, Tuning().cutoff).kept
    model = add_adapter(loaded.model, Tuning(rank=RANK))
    if anew:
        model.enable_input_require_grads()
    settings = {"gradient_checkpointing": anew, "per_device_train_batch_size": BATCH, "learning_rate": RATE}
    train = plain(model, rows, pad=template.pad, **settings)
    started = time.perf_counter()
    train()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds, tokens = time.perf_counter() - started, sum(len(row.ids) for row in rows)
    print(MARK + json.dumps({"seconds": seconds, "tokens": tokens, "peak": peak_bytes(before)}), file=sys.stderr)


# ---- the measurement


def fingen(*arguments: object, cwd: Path) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "fingen", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True, timeout=SECONDS).stdout


def measured(*arguments: object, cwd: Path) -> tuple[str, dict[str, Any]]:
    """What a process of this script prints, and what it says of itself.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=SECONDS)
    said = [line.removeprefix(MARK) for line in done.stderr.splitlines() if line.startswith(MARK)]
    if done.returncode or not said:
        raise RuntimeError("\n".join(done.stderr.splitlines()[-5:]))
    return done.stdout, json.loads(said[-1])


def measure(case: Case, model: Path, data: Path, *, dry: bool) -> Iterator[str]:
    """Tune a model in both ways, print a line for each, and yield what was missed."""
    folder, load = data.parent, "fp32" if dry else case.load
    run = ["finetune", "--set", data, "--model", model, "--load", load, "--rank", RANK, "--epochs", 1, "--quiet", "--json",
           "--out", folder / f"adapter-{case.name}", "--override", f"batch={BATCH}", "--override", f"learning_rate={RATE}",
           "--override", f"gradient_checkpointing={str(case.anew).lower()}"]  # fmt: skip
    need = json.loads(fingen(*run, "--dry-run", cwd=folder))["need_bytes"]
    started = time.perf_counter()
    printed, own = measured("--ours", *run, cwd=folder)
    whole, told = time.perf_counter() - started, json.loads(printed)
    _, plainly = measured("--trainer", model, data, load, int(case.anew), cwd=folder)
    speed, beside = told["tokens"] / told["seconds"], plainly["tokens"] / plainly["seconds"]
    off = own["peak"] / need - 1
    print(
        f"{case.name:9} fingen   {speed:8,.0f} tokens/s, {speed / beside:.2f} of the Trainer; training {told['seconds']:.1f} s,"
        f" command {whole:.1f} s; peak {own['peak'] / GIB:.2f} GiB, estimated {need / GIB:.2f} ({off:+.1%})"
    )
    print(
        f"{'':9} Trainer  {beside:8,.0f} tokens/s; training {plainly['seconds']:.1f} s; peak {plainly['peak'] / GIB:.2f} GiB"
    )
    if plainly["tokens"] != told["tokens"]:
        yield f"{case.name}: {told['tokens']:,} tokens beside the Trainer's {plainly['tokens']:,}"
    if abs(off) > NEAR and not dry:
        yield f"{case.name}: the peak is {off:+.1%} of the estimate"


def measure_all(names: Sequence[str], *, dry: bool) -> list[str]:
    """Make each shape once, measure its cases, and return what was missed."""
    device, missed = "cpu" if dry else "cuda", []
    with tempfile.TemporaryDirectory() as temporary:
        data = write_set(Path(temporary), 24 if dry else 500)
        for shape, wanted in SHAPES.items():
            cases = [case for case in CASES if case.shape == shape and case.name in names]
            if not cases:
                continue
            with tempfile.TemporaryDirectory(dir=temporary) as folder:
                model = write_model(Path(folder), SMALL if dry else wanted, data, device)
                for case in cases:
                    try:
                        missed += measure(case, model, data, dry=dry)
                    except (RuntimeError, subprocess.SubprocessError) as e:
                        missed.append(f"{case.name}: {e}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dry", action="store_true", help="on a CPU, with small shapes")
    parser.add_argument("--only", help="cases parted by semicolons: " + ";".join(case.name for case in CASES))
    parser.add_argument("--ours", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--trainer", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        ours(options.ours)
        return 0
    if options.trainer:
        trainers(*options.trainer[:3], anew=options.trainer[3] == "1")
        return 0
    import torch

    if not options.dry and not torch.cuda.is_available():
        print("no GPU is at hand: nothing was measured (--dry runs the steps on a CPU)")
        return 2
    names = options.only.split(";") if options.only else [case.name for case in CASES]
    if not options.dry and importlib.util.find_spec("bitsandbytes") is None:
        print("bitsandbytes is not installed: 4bit and 8bit are left out")
        names = [name for name in names if not name.endswith("bit")]
    print(
        "a dry run on a CPU, small shapes in fp32: its figures say nothing"
        if options.dry
        else torch.cuda.get_device_name()
    )
    started = time.perf_counter()
    missed = measure_all(names, dry=options.dry)
    print(f"{time.perf_counter() - started:.0f} s; missed: " + ("; ".join(missed) or "nothing"))
    return bool(missed)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
