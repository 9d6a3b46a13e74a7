"""What several tasks in one run gain and lose beside a run of their own: SmolLM2-135M on intent, sentiment and table questions.

Three runs of one task each and one of all three, at the same settings, one pass, one seed; the runs of one task see the rows that the
run of all sees, as often: 300 table questions of one step once (bench_table_real.py makes them), 300 sentences of the Financial
PhraseBank once, 500 intent items of the offline teacher three times, by `fingen mix --weights`. All four and the base are asked on the test
rows of every task, which no run has seen.

There is no goal: the table shows what one run of all costs or brings. One model of 135 million parameters and one seed: an order of two
figures whose intervals overlap is not one.

It takes an hour and more on one thread, stops at any moment and goes on where it was: what is done is in results.jsonl below --out.

    python tests/benchmarks/bench_multitask_real.py [--out DIR] [--only NAME]...
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bench_fpb import DATA, FILE, FOLDER, HOW, ROOT, each_once, fingen
from bench_intent_real import make_set
from bench_table_real import LONGEST, prepare

from fingen.records import take
from fingen.sets import SetContent, read_manifest, read_split, write_set

ROWS, ASKED = 300, 120
TASKS = {"qa-table": "one-step", "sentiment": "fpb-300", "intent": "fixed"}  # and their sets below build/
WEIGHTS = {"qa-table": 1, "sentiment": 1, "intent": 5}  # of 300, 300 and 500 rows: the intent items thrice
RUNS = ("base", *TASKS, "all")
KINDS = {"qa-table": ("texts", "execution"), "sentiment": ("choices", "accuracy"), "intent": ("choices", "accuracy")}


def make_sets(out: Path) -> None:
    """Make the sets of the tasks and the two that `mix` makes of them, unless they are there."""
    prepare(out, ROWS, ASKED)
    make_set(out, TASKS["intent"])
    if not (out / "build" / TASKS["sentiment"]).is_dir():
        fingen(out, "import", "fpb", FILE, "--out", "build/fpb")
        found = out / "build" / "fpb"
        rows = {name: take(list(read_split(found, name)), ROWS) for name in ("train", "test")}
        about = read_manifest(found).model_copy(
            update={"files": {}, "splits": {}, "tasks": {}, "rejects": {}, "figures": {}}
        )
        write_set(out / "build" / TASKS["sentiment"], SetContent(rows, [], [], about))
    weights = ",".join(f"{task}={weight}" for task, weight in WEIGHTS.items())
    mixed = {
        "all": [*(f"build/{each}" for each in TASKS.values()), "--weights", weights],
        "intent": [f"build/{TASKS['intent']}:3"],
    }
    for name, of in mixed.items():
        if not (out / "build" / name / "manifest.json").is_file():
            fingen(out, "mix", *of, "--out", f"build/{name}")


def measure(out: Path, name: str) -> dict[str, Any]:
    """Tune one run and ask it the test rows of every task; what is there already is not done again."""
    adapter, started = Path("build/adapters") / name, time.monotonic()
    who: tuple[object, ...] = ("--model", FOLDER)
    if name != "base":
        data = {"all": "all", "intent": "intent"}.get(name) or TASKS[name]
        fingen(out, "finetune", "--model", FOLDER, "--set", f"build/{data}", "--out", adapter, "--resume", "--epochs", "1", "--rank", "16",
               "--alpha", "32", "--learning-rate", "5e-4", "--cutoff", "1024", "--seed", "0")  # fmt: skip
        who = (adapter, "--no-base")
    tuned, shares = time.monotonic() - started, {}
    for task, data in TASKS.items():
        scored = fingen(out, "score", *who, "--set", f"build/{data}", "--split", "test", "--max-tokens", LONGEST["one-step"], "--out",
                        f"build/scores/{name}-{task}")  # fmt: skip
        part, figure = KINDS[task]
        (shares[task],) = [
            each[part][figure] | {"rows": each["rows"]}
            for each in scored["scores"]
            if each.get("context") in {None, "", "passage"} and each.get(part)
        ]
    return {"name": name, "tuning_seconds": tuned, "shares": shares}


def told(share: dict[str, float]) -> str:
    """A share with its interval, in per cent, and of how many."""
    return f"{100 * share['value']:5.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f}) of {share['rows']:,}"


def run(out: Path, names: Sequence[str]) -> None:
    """Measure the runs that have no line in results.jsonl yet, and print all of them."""
    out.mkdir(parents=True, exist_ok=True)
    make_sets(out)
    for name, one in each_once(out, names, measure):
        print(f"{name:<10} {one['tuning_seconds']:>6,.0f} s; " + "; ".join(f"{task} {told(share)}" for task, share in one["shares"].items()),
              flush=True)  # fmt: skip


@pytest.mark.benchmark
def test_one_run_of_all_tasks(tmp_path: Path):
    if not os.environ.get("FINGEN_BENCH_MULTITASK"):
        pytest.skip("takes hours: python tests/benchmarks/bench_multitask_real.py, or FINGEN_BENCH_MULTITASK=1")
    run(tmp_path, RUNS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-multitask-real")
    parser.add_argument("--only", action="append", choices=RUNS)
    options = parser.parse_args()
    for needed, how in ((FOLDER, HOW), (DATA, "FINGEN_TEST_DATA names the folder of the data")):
        if not needed.exists():
            sys.exit(f"{needed} is not here: {how}")
    run(options.out.resolve(), options.only or RUNS)
