"""What a student keeps of its teacher: SmolLM2-135M and its students of 24 layers, on classes and on free text.

`fpb`: the teacher is tuned on the Financial PhraseBank; weighted F1 on its 1,212 test rows of the teacher, of the student as it is cut,
of one that learns the rows alone (`rows-alone`), and of the distilled one, on the same rows and steps. `text`: the teacher is the
model as it is, on question-answer pairs of the shared English reports; KL a token to it on validation rows. `layers-*`: the KL of 6
of 30 layers out, chosen greedily by KL (`fingen distill`), by Block Influence (Men et al. 2024: 1 - cosine of what goes into a layer and
what comes out), evenly, and the last ones, all on the same training rows and measured on others. `step`, `speed` and `gguf` measure
CPU seconds, and what the numbers of a file change. `other` teaches a small model whose vocabulary is trained anew, beside
`other-rows-alone`. `short*` are what many seeds can be had of: 4 rows a step of at most 128 tokens, KL a token to the teacher and
weighted F1 of 200 test rows. `beside-*`: the same student and rows, taught by KL alone, by fingen and by TRL's GKDTrainer (`pip
install trl`): KL reached, CPU seconds and peak memory of the whole process.

One thread, low priority; it stops at any moment and goes on where it was: what is done is in results.jsonl below --out.

Goals: greedy at most 0.8 of Block Influence; the distilled student at least 0.95 of its teacher's weighted F1; KL on free text at most 0.5
after 200 steps; a cached step at most 1.15 of one on the rows alone; the student answers at least 1.15 times as fast.

    python tests/benchmarks/bench_distill.py [--out DIR] [--only NAME]... [--steps N] [--rows N] [--seed N]
"""

from __future__ import annotations

import argparse
import copy
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "benchmarks"), str(ROOT)]

from bench_fpb import DATA, FILE, fingen  # noqa: E402  # modules of the tests, which are found by that
from smollm2 import FOLDER, HOW  # noqa: E402

OUT = 6
REPORTS = ("MGMRESORTS_2022Q4_EARNINGS.pdf", "ULTABEAUTY_2023Q4_EARNINGS.pdf", "BESTBUY_2023_10K.pdf")
TEACHER, FPB, TEXT = Path("build/adapters/two-passes"), Path("build/fpb"), Path("build/text")
COMMON = ("--learning-rate", "1e-4", "--override", "save_every=100000", "--resume")
CHOOSING_ROWS = {"fpb": 24, "text": 8}
TEXT_TOKENS = 200  # that a row of free text may have
SMALL = Path("build/small")  # a model of a vocabulary of its own
STUDENTS: dict[str, tuple[object, ...]] = {
    "cut": ("--untrained",),
    "rows-alone": ("--kl", "0"),
    "distilled": (),
    "distilled-alone": ("--kl", "1"),
}
TEXTS: dict[str, tuple[object, ...]] = {
    "text": ("--drop", OUT),
    "text-kl-alone": ("--drop", OUT, "--kl", "1"),
    "text-hidden": ("--drop", OUT, "--hidden", "1"),
    "text-states-out": ("--drop", OUT, "--no-cache"),
    "text-on-policy": ("--drop", OUT, "--on-policy", "0.3"),
    "other": ("--student", SMALL),
    "other-rows-alone": ("--student", SMALL, "--kl", 0),
}
SHORTS: dict[str, tuple[object, ...]] = {
    "short-cut": ("--untrained",),
    "short-rows-alone": ("--kl", 0),
    "short": (),
    "short-hidden": ("--hidden", 1),
}
SHORT_TOKENS, SHORT_ROWS, SHORT_CHOOSING_ROWS, SHORT_BATCH, SHORT_MEASURED = 128, 400, 8, 4, 200
SHORT_RATE, SHORT_CUT = 1e-4, Path("build/models/short-cut")


@dataclass(frozen=True)
class Asked:
    """What is measured: where, how many steps, how many rows."""

    out: Path
    steps: int
    rows: int | None
    seed: int = 0
    teacher: Path = TEACHER  # of short* and beside*


def prepare_fpb(asked: Asked) -> None:
    """The set and the teacher, unless they are there."""
    if not (asked.out / FPB / "manifest.json").is_file():
        fingen(asked.out, "import", "fpb", FILE, "--out", FPB)
    limit = ("--limit", asked.rows) if asked.rows else ()
    if not (asked.out / TEACHER / "fingen.json").is_file():
        fingen(asked.out, "finetune", "--model", FOLDER, "--set", FPB, "--recipe", "fpb-small", "--out", TEACHER, "--resume",
               *limit)  # fmt: skip


def prepare_text(asked: Asked) -> None:
    """Pairs without passages, by the offline teacher."""
    if not (asked.out / TEXT / "manifest.json").is_file():
        reports = [DATA / "pdf_en" / name for name in REPORTS]
        fingen(asked.out, "pdf2qa", *reports, "--teacher", "offline", "--context", "none", "--limit", 1000, "--per-chunk", 3,
               "--out", TEXT)  # fmt: skip


# --- layers -----------------------------------------------------------------------------------------------------------


def measure_layers(source: Path, data: Path, cutoff: int) -> Callable[[Asked], dict[str, Any]]:
    """What measures KL a token of four choices of layers, on rows that none of them was chosen on."""

    def measure(asked: Asked) -> dict[str, Any]:
        from fingen.records import take
        from fingen.sets import read_split
        from fingen.training.data import build_examples
        from fingen.training.distill.teacher import open_teacher

        (prepare_fpb if data == FPB else prepare_text)(asked)
        began, count = time.monotonic(), asked.rows or CHOOSING_ROWS[data.name]
        made = fingen(asked.out, "distill", source, "--drop", OUT, "--untrained", "--set", data, "--out", f"build/models/cut-{data.name}",
                      "--cutoff", cutoff, "--override", f"choosing_rows={count}", "--resume")  # fmt: skip
        seconds, chosen = time.monotonic() - began, made["distilled"]["layers"]["dropped"]
        os.chdir(asked.out)
        teacher = open_teacher(str(source), "fp32")
        model, pad = teacher.load_model(), teacher.template.pad
        kept = build_examples(read_split(data, "train"), teacher.template, cutoff).kept
        chosen_on = take(kept, count)
        others = [row for row in take(kept, 4 * count) if row not in chosen_on]
        count = model.config.num_hidden_layers
        choices = {
            "greedy": [each["layer"] for each in chosen],
            "influence": block_influence(model, chosen_on, pad)[:OUT],
            "evenly": [round((number + 0.5) * count / OUT) for number in range(OUT)],
            "last": [*range(count - OUT, count)],
        }
        kl = {name: divergence(model, layers, others, pad) for name, layers in choices.items()}
        return {"layers": {name: sorted(each) for name, each in choices.items()}, "kl": kl, "seconds": seconds,
                "chosen": chosen, "rows": [len(chosen_on), len(others)], "share": kl["greedy"] / kl["influence"]}  # fmt: skip

    return measure


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
            place = [range(len(row.ids) - 1)]
            modules = [model.get_input_embeddings(), *layers]
            states = predict_with_states(model, [row.ids], place, pad, modules=modules)[1]
            for number in range(len(layers)):
                sums[number] += float((1 - functional.cosine_similarity(states[number], states[number + 1])).sum())
    return sorted(range(len(layers)), key=sums.__getitem__)


def divergence(model: Any, out: Sequence[int], rows: Sequence[Any], pad: int) -> float:
    """KL a token from the model to itself without some layers, in nats, over the whole vocabulary."""
    from fingen.training.distill.pruning import answer_logs, cut_layers

    less, total = copy.deepcopy(model), 0.0
    cut_layers(less, out)
    for row in rows:
        whole, logs = answer_logs(model, [row], pad), answer_logs(less, [row], pad)
        total += float((whole.exp() * (whole - logs)).sum())
    return total / sum(row.answer for row in rows)


# --- students ---------------------------------------------------------------------------------------------------------


def fpb_student(name: str) -> Callable[[Asked], dict[str, Any]]:
    """What makes and scores one student, or the teacher."""

    def measure(asked: Asked) -> dict[str, Any]:
        prepare_fpb(asked)
        began, folder = time.monotonic(), Path("build/models") / f"{name}-{asked.steps}"
        rows = (
            "--limit",
            asked.rows or asked.steps * 8,
        )  # no more than it sees in that many steps: the teacher is asked of all
        if name == "teacher":
            subject: tuple[object, ...] = (TEACHER, "--no-base")
        else:
            fingen(asked.out, "distill", TEACHER, "--drop", OUT, "--set", FPB, "--out", folder, *STUDENTS[name], *COMMON, *rows,
                   "--override", f"steps={asked.steps}", "--override", f"choosing_rows={asked.rows or CHOOSING_ROWS['fpb']}")  # fmt: skip
            subject = ("--model", folder, "--no-base")
        trained = time.monotonic() - began
        where, limit = f"build/scores/{name}-{asked.steps}", ("--limit", asked.rows) if asked.rows else ()
        scored = fingen(asked.out, "score", *subject, "--benchmark", "fpb", "--data", FILE, "--out", where, *limit)
        (score,) = scored["scores"]
        figures = {kind: score["choices"][kind] for kind in ("weighted_f1", "macro_f1", "accuracy")}
        return {
            "rows": score["rows"],
            **figures,
            "seconds": trained,
            "score_seconds": time.monotonic() - began - trained,
        }

    return measure


def text_student(name: str) -> Callable[[Asked], dict[str, Any]]:
    """What makes one student on free text: its KL a token to the teacher on the validation rows, before and after."""

    def measure(asked: Asked) -> dict[str, Any]:
        prepare_text(asked)
        if name == "other":
            make_small(asked)
        began = time.monotonic()
        limit = ("--limit", asked.rows) if asked.rows else ()
        made = fingen(asked.out, "distill", FOLDER, *TEXTS[name], "--set", TEXT, "--out", f"build/models/{name}-{asked.steps}",
                      *COMMON, *limit, "--cutoff", TEXT_TOKENS, "--override", "batch=4", "--override", f"steps={asked.steps}",
                      "--override", f"choosing_rows={asked.rows or CHOOSING_ROWS['text']}")  # fmt: skip
        about = made["distilled"]
        return {"terms": about["terms"], "aligned": about["aligned"], "rows": made["rows"], "training_seconds": made["seconds"],
                "seconds": time.monotonic() - began}  # fmt: skip

    return measure


def make_small(asked: Asked) -> None:
    """A model of random weights with a tokenizer that is trained on the rows."""
    from fingen.sets import read_split
    from fingen.training.tiny import tiny_config, train_tokenizer

    if (asked.out / SMALL).is_dir():
        return
    import torch
    from transformers import LlamaForCausalLM

    tokenizer = train_tokenizer([f"{row.instruction} {row.output}" for row in read_split(asked.out / TEXT, "train")])
    torch.manual_seed(1)
    LlamaForCausalLM(tiny_config(tokenizer, hidden=128, layers=4)).save_pretrained(asked.out / SMALL)
    tokenizer.save_pretrained(asked.out / SMALL)


# --- short rows, many seeds -----------------------------------------------------------------------------------------------


def short_student(name: str) -> Callable[[Asked], dict[str, Any]]:
    """What makes one student on short rows, and measures it beside its teacher."""

    def measure(asked: Asked) -> dict[str, Any]:
        prepare_short(asked)
        folder = f"build/models/{name}-{asked.steps}-{asked.seed}"
        began = os.times()
        made = fingen(asked.out, *short_command(asked, folder), "--drop", OUT, *SHORTS[name])
        ended = os.times()
        cpu = ended.children_user + ended.children_system - began.children_user - began.children_system
        return {"cpu_seconds": cpu, "tokens": made["tokens"], **beside_teacher(asked, folder)}

    return measure


def prepare_short(asked: Asked) -> None:
    """The set, and the teacher where none is named."""
    if asked.teacher == TEACHER:
        prepare_fpb(asked)


def short_command(asked: Asked, folder: object) -> tuple[object, ...]:
    """The command that makes a student, but for what it is made of and learns by."""
    return ("distill", asked.teacher, "--set", FPB, "--out", folder, *COMMON, "--cutoff", SHORT_TOKENS, "--seed", asked.seed,
            "--limit", asked.rows or SHORT_ROWS, "--override", f"batch={SHORT_BATCH}", "--override", f"steps={asked.steps}",
            "--override", f"choosing_rows={SHORT_CHOOSING_ROWS}")  # fmt: skip


@functools.cache
def teacher_says(asked: Asked) -> tuple[Any, int, list[Any]]:
    """Log-probabilities of the teacher at the answers of test rows, what pads its rows, and these rows."""
    from fingen.records import take
    from fingen.sets import read_split
    from fingen.training.data import build_examples
    from fingen.training.distill.teacher import open_teacher

    teacher = open_teacher(str(asked.out / asked.teacher), "fp32")
    examples = build_examples(read_split(asked.out / FPB, "test"), teacher.template, SHORT_TOKENS).kept
    rows = take(examples, SHORT_MEASURED)
    return answers_of(teacher.load_model(), rows, teacher.template.pad), teacher.template.pad, rows


def answers_of(model: Any, rows: Sequence[Any], pad: int) -> Any:
    """(N, V) log-probabilities at the answers, row after row."""
    import torch

    from fingen.training.distill.pruning import answer_logs

    return torch.cat([answer_logs(model, rows[at : at + 25], pad) for at in range(0, len(rows), 25)])


def beside_teacher(asked: Asked, folder: object) -> dict[str, Any]:
    """KL a token to the teacher over the whole vocabulary, and weighted F1 by the likeliest first token of a class."""
    from fingen import metrics
    from fingen.training.use import load_model

    whole, pad, rows = teacher_says(asked)
    logs = answers_of(load_model(str(asked.out / str(folder)), load="fp32").model.eval(), rows, pad)
    each = (whole.exp() * (whole - logs)).sum(-1)
    found: dict[str, Any] = {}
    firsts, at = [], 0
    for row in rows:
        firsts.append(at)
        at += row.answer
    classes = sorted({row.ids[-row.answer] for row in rows})
    gold = [classes.index(row.ids[-row.answer]) for row in rows]
    for who, said in (("teacher", whole), ("student", logs)):
        chosen = said[firsts][:, classes].argmax(-1).tolist()
        counts: dict[tuple[str, str | None], int] = {}
        for right, one in zip(gold, chosen, strict=True):
            counts[str(right), str(one)] = counts.get((str(right), str(one)), 0) + 1
        found[who] = metrics.f1(counts, "weighted")
    kept = asked.out / "build/kl" / f"{Path(str(folder)).name}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    by_row = [float(each[at : at + row.answer].mean()) for at, row in zip(firsts, rows, strict=True)]
    kept.write_text(json.dumps(by_row))  # for comparisons row by row
    return {"kl": float(each.mean()), "measured": len(rows), **found}


# --- beside TRL -------------------------------------------------------------------------------------------------------------


def beside(name: str) -> Callable[[Asked], dict[str, Any]]:
    """What teaches the student by KL alone, in a process of its own, and measures it."""

    def measure(asked: Asked) -> dict[str, Any]:
        prepare_short(asked)
        if not (asked.out / SHORT_CUT / "merged.json").is_file():
            fingen(asked.out, *short_command(asked, SHORT_CUT), "--drop", OUT, "--untrained")
        folder = f"build/models/{name}-{asked.steps}-{asked.seed}"
        if name == "beside-trl":
            command = [sys.executable, __file__, "--out", asked.out, "--steps", asked.steps, "--rows", asked.rows or SHORT_ROWS,
                       "--seed", asked.seed, "--teacher", asked.teacher, "--trl", folder]  # fmt: skip
        else:
            kept = () if name == "beside-cached" else ("--no-cache",)
            command = [sys.executable, "-m", "fingen", *short_command(asked, folder), "--student", SHORT_CUT, "--kl", 1,
                       "--replace", *kept]  # fmt: skip
            command.remove("--resume")
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        ran = subprocess.Popen([*map(str, command)], cwd=asked.out, env=environment)
        _, status, used = os.wait4(ran.pid, 0)
        if status:
            sys.exit(f"{name}: ended with {status}")
        return {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * 1024,
                **beside_teacher(asked, folder)}  # fmt: skip

    return measure


def teach_with_trl(asked: Asked, folder: Path) -> None:
    """The same rows and as many steps by TRL's GKDTrainer: forward KL on the rows' own answers, teacher in memory."""
    import torch
    from datasets import Dataset
    from torch.nn.utils.rnn import pad_sequence
    from transformers import AutoModelForCausalLM

    from fingen.records import take
    from fingen.sets import read_split
    from fingen.training.data import build_examples
    from fingen.training.distill.teacher import open_teacher

    gkd: Any = importlib.import_module("trl.experimental.gkd")  # no dependency of ours
    torch.set_num_threads(1)
    teacher = open_teacher(str(asked.out / asked.teacher), "fp32")
    tokenizer, pad = teacher.template.tokenizer, teacher.template.pad
    rows = build_examples(
        take(list(read_split(asked.out / FPB, "train")), asked.rows), teacher.template, SHORT_TOKENS
    ).kept

    def collate(step: Sequence[dict[str, Any]]) -> dict[str, Any]:
        ids = [torch.tensor(row["ids"]) for row in step]
        labels = [
            torch.tensor([-100] * (len(row["ids"]) - row["answer"]) + row["ids"][-row["answer"] :]) for row in step
        ]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
        }

    settings = gkd.GKDConfig(
        output_dir=str(asked.out / "build/trl"), save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
        bf16=False, gradient_checkpointing=False, per_device_train_batch_size=SHORT_BATCH, max_steps=asked.steps,
        learning_rate=SHORT_RATE, lr_scheduler_type="cosine", warmup_steps=0.1, seed=asked.seed, dataloader_pin_memory=False,
        lmbda=0.0, beta=0.0, max_length=SHORT_TOKENS, logging_steps=10,
    )  # fmt: skip
    student = AutoModelForCausalLM.from_pretrained(asked.out / SHORT_CUT, dtype=torch.float32)
    data = Dataset.from_list([{"ids": list(row.ids), "answer": row.answer} for row in rows])
    trainer = gkd.GKDTrainer(student, teacher.load_model(), settings, data_collator=collate, train_dataset=data,
                             processing_class=tokenizer)  # fmt: skip
    trainer.train()
    student.save_pretrained(asked.out / folder)
    tokenizer.save_pretrained(asked.out / folder)


# --- seconds ----------------------------------------------------------------------------------------------------------


def measure_steps(asked: Asked) -> dict[str, Any]:
    """CPU seconds of the same steps on the rows alone and with the teacher's cached answers, in turns."""
    import torch

    from fingen.config import Distilling
    from fingen.sets import read_split
    from fingen.training.data import build_examples
    from fingen.training.distill.answers import AnswerStore, Online
    from fingen.training.distill.losses import Distillation
    from fingen.training.distill.pruning import cut_layers
    from fingen.training.distill.teacher import open_teacher
    from fingen.training.recipe import LOSS, answer_objective

    prepare_text(asked)
    os.chdir(asked.out)
    teacher = open_teacher(str(FOLDER), "fp32")
    model, pad, width = teacher.load_model(), teacher.template.pad, len(teacher.template.tokenizer)
    rows = build_examples(read_split(TEXT, "train"), teacher.template, TEXT_TOKENS).kept[: 4 * (asked.rows or 12)]
    by_id, tuning = {row.id: row for row in rows}, Distilling()
    store = AnswerStore(Path("build/cache/steps"), {}, tuning.top)
    store.fill(Online(model, by_id, pad, width, 1.0, tuning.top), rows, 2048)
    cut_layers(model, [3, 9, 14, 18, 21, 24])
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    ways: dict[str, Any] = {
        "rows alone": answer_objective(pad),
        "cached": Distillation(store.reader(by_id), tuning, pad, width),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for at in range(0, len(rows), 4):
        for name, objective in ways.items():
            began = time.process_time()
            objective(model, rows[at : at + 4], True)[LOSS].backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds[name].append(time.process_time() - began)
    medians = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    return {"seconds": medians, "share": medians["cached"] / medians["rows alone"], "steps": len(rows) // 4}


def measure_speed(asked: Asked) -> dict[str, Any]:
    """CPU seconds in which the model and its student of 24 layers write the same number of tokens, and read prompts."""
    import torch

    from fingen.training.distill.pruning import cut_layers
    from fingen.training.distill.teacher import open_teacher

    os.chdir(asked.out)
    whole = open_teacher(str(FOLDER), "fp32").load_model()
    less = copy.deepcopy(whole)
    cut_layers(less, range(10, 10 + OUT))
    prompt = torch.arange(100, 200)[None]
    found: dict[str, list[float]] = {"write": [], "read": []}
    for _ in range(5):
        seconds = []
        for model in (whole, less):
            with torch.no_grad():
                began = time.process_time()
                model.generate(prompt, max_new_tokens=48, min_new_tokens=48, do_sample=False, pad_token_id=2)
                middle = time.process_time()
                model(prompt.repeat(4, 1))
                seconds.append((middle - began, time.process_time() - middle))
        found["write"].append(seconds[0][0] / seconds[1][0])
        found["read"].append(seconds[0][1] / seconds[1][1])
    return {name: statistics.median(each) for name, each in found.items()}


def measure_gguf(asked: Asked) -> dict[str, Any]:
    """The distilled student as files for llama.cpp, on test rows: weighted F1, beside the model itself, bytes, tokens a second."""
    from llama_server import llama

    from fingen import metrics
    from fingen.scoring.report import read_score
    from fingen.sets import read_split
    from fingen.training.base import load_tokenizer
    from fingen.training.use import template_of

    folder = asked.out / f"build/models/distilled-{asked.steps}"
    template = template_of(str(folder), load_tokenizer(str(folder)))[0]
    whole = {one.id: one for one in read_score(asked.out / f"build/scores/distilled-{asked.steps}")[1]}
    rows = [row for row in read_split(asked.out / FPB, "test") if row.id in whole][: asked.rows or 400]
    found: dict[str, Any] = {"rows": len(rows)}
    sides = {"fp32": {row.id: whole[row.id].value for row in rows}}
    for kind in ("f32", "q8_0", "q4_0"):
        packed = fingen(asked.out, "merge", folder, "--gguf", kind)
        said, tokens, began = {}, 0, time.process_time()
        with llama(asked.out / packed["file"], 512) as server:
            for row in rows:
                ids = template.encode_prompt(template.render(row.instruction, row.input))
                text = server.complete(ids, 4, temperature=0)["content"].strip().lower()
                said[row.id], tokens = (
                    next((c for c in ("negative", "neutral", "positive") if text.startswith(c)), None),
                    tokens + len(ids),
                )
        sides[kind] = said
        found[kind] = {"bytes": packed["size_bytes"], "tokens_a_second": tokens / (time.process_time() - began)}
    gold = {row.id: row.output for row in rows}
    for kind, said in sides.items():
        counts: dict[tuple[str, str | None], int] = {}
        for row, right in gold.items():
            counts[right, said[row]] = counts.get((right, said[row]), 0) + 1
        right = {row: said[row] == gold[row] for row in gold}
        first = sum(whole[row].value == gold[row] and not right[row] for row in gold)
        second = sum(whole[row].value != gold[row] and right[row] for row in gold)
        found.setdefault(kind, {}).update(weighted_f1=metrics.f1(counts, "weighted"), mcnemar=metrics.mcnemar(first, second),
                                          other_answers=sum(said[row] != whole[row].value for row in gold))  # fmt: skip
    return found


PARTS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "layers-fpb": measure_layers(TEACHER, FPB, 512),
    **{name: fpb_student(name) for name in ("teacher", *STUDENTS)},
    "layers-text": measure_layers(FOLDER, TEXT, TEXT_TOKENS),
    **{name: text_student(name) for name in TEXTS},
    **{name: short_student(name) for name in SHORTS},
    **{name: beside(name) for name in ("beside-online", "beside-cached", "beside-trl")},
    "step": measure_steps,
    "speed": measure_speed,
    "gguf": measure_gguf,
}


def main(asked: Asked, only: Sequence[str]) -> None:
    """Measure what is not there yet."""
    asked.out.mkdir(parents=True, exist_ok=True)
    results = asked.out / "results.jsonl"
    lines = results.read_text().splitlines() if results.is_file() else []
    there = {(found["name"], found["steps"], found.get("seed", 0)) for found in map(json.loads, lines)}
    for name in only or PARTS:
        if (name, asked.steps, asked.seed) in there:
            continue
        found = {"name": name, "steps": asked.steps, "seed": asked.seed, **PARTS[name](asked)}
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        sys.stdout.flush()


@pytest.mark.benchmark
def test_what_a_student_keeps(tmp_path: Path):
    """The smallest form: that every part runs."""
    if not FOLDER.is_dir() or not FILE.is_file():
        pytest.skip(HOW)
    main(Asked(tmp_path, 2, 8), ["layers-fpb", "teacher", "cut", "distilled", "step", "speed"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-distill")
    parser.add_argument("--only", action="append", choices=[*PARTS], default=[])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the training, for short* and beside*")
    parser.add_argument(
        "--teacher", type=Path, default=TEACHER, help="of short* and beside*, below --out; without it: tuned"
    )
    parser.add_argument("--trl", type=Path, help=argparse.SUPPRESS)  # the process that beside-trl starts
    given = parser.parse_args()
    wanted = Asked(given.out.resolve(), given.steps, given.rows, given.seed, given.teacher)
    if given.trl:
        teach_with_trl(wanted, given.trl)
    else:
        main(wanted, given.only)
