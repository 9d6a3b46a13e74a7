"""What a small real model learns of the offline teacher's intent items: SmolLM2-135M on 500 English ones, at 1, 3 and 10 passes.

Twice: with the letters of the options fixed (a letter is a label) and shuffled anew in each row, where the label has to be found
in the question and its letter among the options. Tuned with the settings of the recipe fpb-small but for the passes, asked on 160
test rows of the same teacher, of questions that the training rows do not have: figures say what can be learned of these rows, and
nothing of real clients (bench_intent.py does). The base stands beside, and the majority class.

Its commands are those that a user types, on one thread and at a low priority. A pass takes minutes; it stops at any moment and goes
on where it was: what is done is in results.jsonl below --out, one run a line. There is no goal: it shows a curve.

    python tests/benchmarks/bench_intent_real.py [--out DIR] [--only fixed-1x]...
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from bench_fpb import ROOT, each_once, fingen

from fingen.training.checkpoints import HISTORY, read_history

sys.path.insert(0, str(ROOT / "tests"))

from smollm2 import FOLDER, HOW  # a module of the tests, which is found by that

LETTERS = {"fixed": ("--fixed-options",), "shuffled": ()}
PASSES = (1, 3, 10)
RUNS = {f"{letters}-{passes}x": (letters, passes) for passes in PASSES for letters in LETTERS}
POINTS = 10  # of a curve
ROWS = ("--n", "500", "--validation", "0", "--test", "160", "--language", "en", "--teacher", "offline")


def make_set(out: Path, letters: str) -> Path:
    """The rows with these letters, made once."""
    data = Path("build") / letters
    if not (out / data / "manifest.json").is_file():
        fingen(out, "synth", "intent", *ROWS, *LETTERS[letters], "--out", data)
    return data


def curve(losses: Sequence[float]) -> list[float]:
    """Means over equal parts of a run."""
    edges = [len(losses) * place // POINTS for place in range(POINTS + 1)]
    return [round(fmean(losses[start:end]), 3) for start, end in pairwise(edges) if end > start]


def measure(out: Path, name: str) -> dict[str, Any]:
    """Tune and score one run; what is there already is not done again. The base is asked beside the shortest alone."""
    letters, passes = RUNS[name]
    data, adapter, started = make_set(out, letters), Path("build/adapters") / name, time.monotonic()
    fingen(out, "finetune", "--model", FOLDER, "--set", data, "--recipe", "fpb-small", "--epochs", passes, "--out", adapter,
           "--resume")  # fmt: skip
    seconds = time.monotonic() - started
    beside = ("--model", FOLDER) if passes == PASSES[0] else ()
    scored = fingen(out, "score", adapter, *beside, "--no-base", "--out", f"build/scores/{name}")
    figures = {score["kind"]: score["choices"] for score in scored["scores"]}
    losses = [row["loss"] for row in read_history(out / adapter / HISTORY) if "loss" in row]
    return {
        "name": name,
        "steps": len(losses),
        "losses": curve(losses),
        "accuracy": figures["adapter"]["accuracy"],
        "base": figures.get("model", {}).get("accuracy"),
        "majority": figures["adapter"]["majority"]["accuracy"],
        "rows": scored["scores"][0]["rows"],
        "seconds": seconds,
    }


def told(share: dict[str, float]) -> str:
    """A share with its interval, in per cent."""
    return f"{100 * share['value']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f})"


def run(out: Path, names: Sequence[str]) -> None:
    """Measure the runs that have no line in results.jsonl yet, and print all of them."""
    out.mkdir(parents=True, exist_ok=True)
    for name, one in each_once(out, names, measure):
        print(f"{name:<12} {one['steps']:>4} steps, {one['seconds']:,.0f} s: {told(one['accuracy'])} of {one['rows']} right; "
              f"majority {told(one['majority'])}" + (f", base {told(one['base'])}" if one["base"] else ""))  # fmt: skip
        print(f"{'':<12} loss {' '.join(f'{loss:.2f}' for loss in one['losses'])}", flush=True)


@pytest.mark.benchmark
def test_more_passes_are_no_worse(tmp_path: Path):
    if not os.environ.get("FINGEN_BENCH_INTENT"):
        pytest.skip("takes hours: python tests/benchmarks/bench_intent_real.py, or FINGEN_BENCH_INTENT=1")
    run(tmp_path, [*RUNS])
    done = {each["name"]: each["accuracy"] for each in read_history(tmp_path / "results.jsonl")}
    for letters in LETTERS:
        assert done[f"{letters}-10x"]["high"] >= done[f"{letters}-1x"]["low"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-intent-real")
    parser.add_argument("--only", action="append", choices=RUNS)
    options = parser.parse_args()
    if not FOLDER.exists():
        sys.exit(f"{FOLDER} is not here: {HOW}")
    os.nice(15)
    run(options.out.resolve(), options.only or [*RUNS])
