"""What a student keeps of its teacher: SmolLM2-135M tuned on the Financial PhraseBank, and its students of 24 layers and others.

Two parts. `layers`: the KL to the teacher, a token, of the student with 6 of 30 layers out, chosen greedily by KL (`fingen distill`)
and by Block Influence (Men et al. 2024: 1 - cosine of what goes into a layer and what comes out), both chosen on the same training
rows and measured on others. `fpb`: weighted F1 on the 1,212 test rows of the teacher, of the student as it is cut, of one
that learns the rows alone, and of the distilled one, on the same rows and steps. One thread, lowest priority; it takes hours, stops at any
moment and goes on where it was: what is done is in results.jsonl below --out, one figure a line.

Goals: greedy at most 0.8 of Block Influence; the distilled student of 24 layers at least 0.95 of the teacher's weighted F1.

    python tests/benchmarks/bench_distill.py [--out DIR] [--only NAME]... [--rows N] [--steps N]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks"), str(ROOT)]

from bench_fpb import FILE, fingen  # noqa: E402  # modules of the tests, which are found by that
from smollm2 import FOLDER, HOW  # noqa: E402

OUT = 6
SHARE_OF_INFLUENCE, KEPT = 0.8, 0.95  # the goals
TEACHER, SET = Path("build/adapters/teacher"), Path("build/fpb")
DISTILL = ("distill", TEACHER, "--learning-rate", "1e-4", "--epochs", "2", "--resume")
STUDENTS: dict[str, tuple[str, ...]] = {
    "cut": ("--drop", str(OUT), "--untrained"),
    "rows-alone": ("--drop", str(OUT), "--kl", "0"),
    "distilled": (
        "--drop",
        str(OUT),
    ),
    "distilled-27": ("--drop", "3"),
    "distilled-20": ("--drop", "10"),
    "hidden": ("--drop", str(OUT), "--hidden", "1"),
}


def prepare(out: Path, rows: int | None) -> None:
    """The set and the teacher, unless they are there."""
    fingen(out, "import", "fpb", FILE, "--out", SET)
    limit = ("--limit", rows) if rows else ()
    fingen(
        out, "finetune", "--model", FOLDER, "--set", SET, "--recipe", "fpb-small", "--out", TEACHER, "--resume", *limit
    )


def measure_layers(out: Path, rows: int | None, steps: int | None) -> dict[str, Any]:
    """KL a token of both choices, on rows that neither was chosen on."""
    from fingen.config import Distilling
    from fingen.sets import read_split
    from fingen.training.data import build_examples
    from fingen.training.distill.pruning import choose_layers
    from fingen.training.distill.teacher import open_teacher

    count = min(rows or 32, Distilling().choosing_rows)
    os.chdir(out)
    teacher = open_teacher(str(TEACHER), "fp32")
    model = teacher.load_model()
    kept = build_examples(read_split(SET, "train"), teacher.template, 2048).kept
    chosen_on, others = kept[:count], kept[count : 3 * count]
    pad = teacher.template.pad
    greedy = [number for number, _ in choose_layers(model, OUT, chosen_on, pad, 2048)]
    by_influence = block_influence(model, chosen_on, pad)[:OUT]
    figures = {
        name: divergence(model, layers, others, pad)
        for name, layers in (("greedy", greedy), ("influence", by_influence))
    }
    return {"greedy": sorted(greedy), "influence": sorted(by_influence), "kl": figures, "rows": [len(chosen_on), len(others)],
            "share": figures["greedy"] / figures["influence"], "goal": SHARE_OF_INFLUENCE}  # fmt: skip


def block_influence(model: Any, rows: Sequence[Any], pad: int) -> list[int]:
    """The layers, the one that turns what it is given the least first."""
    import torch
    from torch.nn import functional

    from fingen.training.distill.pruning import find_layers
    from fingen.training.forward import predict_with_states

    layers = list(find_layers(model))
    sums = [0.0] * len(layers)
    with torch.no_grad():
        for row in rows:
            place = [range(len(row.ids) - row.answer - 1, len(row.ids) - 1)]
            modules = [model.get_input_embeddings(), *layers]
            states = predict_with_states(model, [row.ids], place, pad, modules=modules)[1]
            for number in range(len(layers)):
                sums[number] += float((1 - functional.cosine_similarity(states[number], states[number + 1])).sum())
    return sorted(range(len(layers)), key=sums.__getitem__)


def divergence(model: Any, out: Sequence[int], rows: Sequence[Any], pad: int) -> float:
    """KL a token from the model to itself without some layers, in nats."""
    from fingen.training.distill.pruning import answer_logs, find_layers, without

    total = 0.0
    for row in rows:
        whole = answer_logs(model, [row], pad)
        with without([find_layers(model)[number] for number in out]):
            logs = answer_logs(model, [row], pad)
        total += float((whole.exp() * (whole - logs)).sum())
    return total / sum(row.answer for row in rows)


def measure_student(name: str) -> Callable[[Path, int | None, int | None], dict[str, Any]]:
    """What makes and scores one student, or the teacher."""

    def measure(out: Path, rows: int | None, steps: int | None) -> dict[str, Any]:
        started, folder = time.monotonic(), Path("build/models") / name
        some = [*(("--limit", rows) if rows else ()), *(("--override", f"steps={steps}") if steps else ())]
        if name != "teacher":
            fingen(out, *DISTILL, "--set", SET, "--out", folder, *STUDENTS[name], *some)
        subject = (TEACHER, "--no-base") if name == "teacher" else ("--model", folder)
        limit = ("--limit", rows) if rows else ()
        scored = fingen(
            out, "score", *subject, "--benchmark", "fpb", "--data", FILE, "--out", f"build/scores/{name}", *limit
        )
        (score,) = scored["scores"]
        figures = {kind: score["choices"][kind] for kind in ("weighted_f1", "macro_f1", "accuracy")}
        return {"rows": score["rows"], **figures, "seconds": time.monotonic() - started}

    return measure


PARTS: dict[str, Callable[[Path, int | None, int | None], dict[str, Any]]] = {
    "layers": measure_layers,
    **{name: measure_student(name) for name in ("teacher", *STUDENTS)},
}


def main(out: Path, only: Sequence[str], rows: int | None, steps: int | None) -> None:
    """Measure what is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    results = out / "results.jsonl"
    there = {json.loads(line)["name"] for line in results.read_text().splitlines()} if results.is_file() else set()
    if hasattr(os, "nice"):
        os.nice(19)
    prepare(out, rows)
    for name in only or PARTS:
        if name in there:
            continue
        found = {"name": name, **PARTS[name](out.resolve(), rows, steps)}
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        sys.stdout.write(json.dumps(found, indent=2) + "\n")


@pytest.mark.benchmark
def test_what_a_student_keeps(tmp_path: Path):
    """The smallest form: that every part runs."""
    if not FOLDER.is_dir() or not FILE.is_file():
        pytest.skip(HOW)
    main(tmp_path, ["layers", "teacher", "cut", "distilled"], 8, 2)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--out", type=Path, default=ROOT / "build" / "bench-distill")
    asked.add_argument("--only", action="append", choices=[*PARTS], default=[])
    asked.add_argument("--rows", type=int)
    asked.add_argument("--steps", type=int)
    given = asked.parse_args()
    main(given.out, given.only, given.rows, given.steps)
