"""What a small real model learns of the Financial PhraseBank: SmolLM2-135M on its 3,634 training rows, asked on the 1,212 of the test.

Each variant is the recipe fpb-small with some settings changed, tuned and scored by the commands that a user types, one after
another, on one thread and at the lowest priority. It takes hours, stops at any moment and goes on where it was: what is done is in
results.jsonl below --out, one variant a line. The base is a copy in 4 bits, dequantised (tests/smollm2.py fetches it).

Goal: weighted F1 of 0.875 (published: FinGPT v3.2, Llama-2 7B, 0.850; FinBERT 0.880; FinGPT v3.3, Llama-2 13B, 0.882; GPT-4 0.833).
Measured before with one pass at the same rate: 0.850 (0.829 to 0.870); the linear baseline on the same rows: 0.749.

`--trainer` measures something else, in minutes: 30 steps of 8 rows by fingen and by the plain transformers.Trainer, in turn in one
process, on the same rows in the same order with the same adapter and learning rates: are the losses equal, and what does a step cost?

    python tests/benchmarks/bench_fpb.py [--out DIR] [--only NAME]...
    python tests/benchmarks/bench_fpb.py [--out DIR] --trainer
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from smollm2 import FOLDER, HOW  # noqa: E402  # a module of the tests, which is found by that

DATA = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
FILE = DATA / "sentiment" / "fpb_Sentences_50Agree.txt"
GOAL = 0.875
VARIANTS: dict[str, tuple[str, ...]] = {
    "two-passes": (),
    "one-pass": ("--epochs", "1"),
    "three-passes": ("--epochs", "3"),
    "rate-3e-4": ("--learning-rate", "3e-4"),
    "rate-1e-3": ("--learning-rate", "1e-3"),
    "rank-32": ("--rank", "32", "--alpha", "64"),
    "attention-alone": ("--override", "targets=query_key_value"),
    "dropout": ("--override", "dropout=0.05"),
    "seed-1": ("--seed", "1"),
    "seed-2": ("--seed", "2"),
}


def fingen(out: Path, *arguments: object) -> dict[str, Any]:
    """Run a command in a folder, on one thread; its summary."""
    ran = subprocess.run([sys.executable, "-m", "fingen", *map(str, arguments), "--json"], cwd=out, text=True,
                         env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE)  # fmt: skip
    if ran.returncode:
        sys.exit(f"{arguments}: ended with {ran.returncode}; the same command goes on")
    summary: dict[str, Any] = json.loads(ran.stdout)
    return summary


def prepare(out: Path) -> None:
    """Make the set, unless it is there."""
    if not (out / "build/fpb/manifest.json").is_file():
        fingen(out, "import", "fpb", FILE, "--out", "build/fpb")


def measure(out: Path, name: str) -> dict[str, Any]:
    """Tune and score one variant; what is there already is not done again."""
    adapter, started = Path("build/adapters") / name, time.monotonic()
    fingen(out, "finetune", "--model", FOLDER, "--set", "build/fpb", "--recipe", "fpb-small", "--out", adapter, "--resume",
           *VARIANTS[name])  # fmt: skip
    scored = fingen(
        out, "score", adapter, "--benchmark", "fpb", "--data", FILE, "--no-base", "--out", f"build/scores/{name}"
    )
    (score,) = scored["scores"]
    figures = {kind: score["choices"][kind] for kind in ("weighted_f1", "macro_f1", "accuracy")}
    return {
        "name": name,
        "settings": VARIANTS[name],
        "rows": score["rows"],
        **figures,
        "seconds": time.monotonic() - started,
    }


def each_once(
    out: Path, names: Sequence[str], measure: Callable[[Path, str], dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was measured of each name; one that has a line in results.jsonl is not measured again."""
    results = out / "results.jsonl"
    done = (
        {each["name"]: each for each in map(json.loads, results.read_text("utf-8").splitlines())}
        if results.is_file()
        else {}
    )
    for name in names:
        if name not in done:
            done[name] = measure(out, name)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[name]) + "\n")
        yield name, done[name]


def run(out: Path, names: list[str]) -> list[dict[str, Any]]:
    """Measure the variants that have no line in results.jsonl yet."""
    out.mkdir(parents=True, exist_ok=True)
    prepare(out)
    done = []
    for name, each in each_once(out, names, measure):
        done.append(each)
        f1 = each["weighted_f1"]
        print(f"{name:<16} weighted F1 {f1['value']:.3f} ({f1['low']:.3f} to {f1['high']:.3f}), n = {each['rows']:,}, "
              f"accuracy {each['accuracy']['value']:.3f}, {each['seconds']:,.0f} s", flush=True)  # fmt: skip
    return done


def beside_trainer(out: Path, steps: int = 30) -> None:
    """Train the same steps in both ways, and print losses and CPU seconds; loading is left out of the time."""
    import torch
    from bench_train import plain

    from fingen.records import take
    from fingen.sets import read_split
    from fingen.training.base import load_base
    from fingen.training.checkpoints import HISTORY, read_history
    from fingen.training.data import Steps, build_examples
    from fingen.training.recipe import add_adapter, fit
    from fingen.training.settings import published, resolve
    from fingen.training.template import build_template

    torch.set_num_threads(1)
    prepare(out)
    tuning = replace(resolve(published("fpb-small")).tuning, epochs=1, warmup=0.0, load="fp32")
    records = take(list(read_split(out / "build/fpb", "train")), steps * tuning.batch)
    losses: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for name in ("fingen", "Trainer"):
        loaded = load_base(str(FOLDER), "fp32")
        template = build_template(loaded.tokenizer, tuning.form)
        rows = build_examples(records, template, tuning.cutoff).kept
        model = add_adapter(loaded.model, tuning)
        if name == "fingen":
            folder = out / "build" / "beside-trainer"
            shutil.rmtree(folder, ignore_errors=True)
            began = time.process_time()
            fit(model, rows, [], template.pad, tuning, folder, name)
            history = read_history(folder / HISTORY)
        else:
            order = [
                rows[at] for step in Steps([len(row.ids) for row in rows], tuning.batch, tuning.seed) for at in step
            ]
            train: Any = plain(
                model, order, pad=template.pad, train_sampling_strategy="sequential", per_device_train_batch_size=tuning.batch,
                learning_rate=tuning.learning_rate, lr_scheduler_type="cosine", logging_steps=1, log_level="error",
            )  # fmt: skip
            began = time.process_time()
            train()
            history = train.__self__.state.log_history
        seconds[name] = time.process_time() - began
        losses[name] = [row["loss"] for row in history if "loss" in row]
    apart = max(abs(one - other) for one, other in zip(losses["fingen"], losses["Trainer"], strict=True))
    print(json.dumps({"losses": losses, "seconds": seconds}))
    print(f"{steps} steps of {tuning.batch} rows: losses at most {apart:.1e} apart; CPU seconds {seconds['fingen']:.1f} and "
          f"{seconds['Trainer']:.1f}, {seconds['Trainer'] / seconds['fingen']:.2f} times as fast")  # fmt: skip


@pytest.mark.benchmark
def test_a_small_model_meets_the_goal(tmp_path: Path):
    if not os.environ.get("FINGEN_BENCH_FPB"):
        pytest.skip("takes hours: python tests/benchmarks/bench_fpb.py, or FINGEN_BENCH_FPB=1")
    done = run(tmp_path, ["two-passes"])
    assert done[0]["weighted_f1"]["value"] >= GOAL


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-fpb")
    parser.add_argument("--only", action="append", choices=VARIANTS)
    parser.add_argument("--trainer", action="store_true", help="a few steps beside the plain Trainer")
    options = parser.parse_args()
    for needed, how in ((FOLDER, HOW), (FILE, "FINGEN_TEST_DATA names the folder of the data")):
        if not needed.exists():
            sys.exit(f"{needed} is not here: {how}")
    if options.trainer:
        beside_trainer(options.out.resolve())
    else:
        os.nice(19)
        run(options.out.resolve(), options.only or [*VARIANTS])
