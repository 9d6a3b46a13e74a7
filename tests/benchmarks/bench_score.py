"""How fast a model's choices are read off: fingen beside lm-evaluation-harness and beside generation.

The tiny random Llama of bench_train.py; 660 prompts of 80 to 98 tokens, of which all share the first 28, each with 4 to 6
letters to choose from; one torch thread, CPU seconds of the process. All ways get the same texts, encode them, and answer
with the place of the likeliest letter. They run in turn; ratios are taken within a round, and their median is reported.

- fingen: the letters' log-probabilities from the last position, batches of 4,096 tokens, the common prefix once a batch
- lm-evaluation-harness: its multiple_choice, batch 32: the log-likelihood of each letter, where it is installed
- generate: two tokens, greedily, batch 32, sorted by length; an untrained model hardly ever writes a letter of the prompt's
- one by one: a plain forward of each prompt with all its logits, which says what is right

Goals: 2.5 times lm-evaluation-harness, 1.3 times generation, and letters equal to those of the plain forward.

    python tests/benchmarks/bench_score.py [--rounds 5]
    pytest -m benchmark -s tests/benchmarks/bench_score.py
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_train import PAD, RESERVED, ROOT, Row, intent_rows, quiet, tiny_model, word_tokenizer

PROMPTS, BATCH, ROUNDS = 660, 32, 5
LETTERS = range(4, 10)  # reserved ids: no prompt holds one
OURS, HARNESS, GENERATE, PLAIN = "fingen", "lm-evaluation-harness", "generate 2 tokens", "one by one"
GOALS = {HARNESS: 2.5, GENERATE: 1.3}

assert max(LETTERS) < RESERVED


class Prompt(NamedTuple):
    """A text, and the letters that it offers, as texts."""

    text: str
    letters: tuple[str, ...]


def make_prompts(count: int) -> list[Prompt]:
    rng = random.Random(4)

    def one(row: Row) -> Prompt:
        offered = LETTERS[: rng.randint(4, 6)]
        return Prompt(" ".join(f"w{id}" for id in row.ids), tuple(f"w{letter}" for letter in offered))

    return [one(row) for row in intent_rows(count)]


# ---- the ways: each takes a model and a tokenizer, and gives what answers prompts with the places of letters

Answer = Callable[[Sequence[Prompt]], list[int | None]]


def with_fingen(model: Any, tokenizer: Any) -> Answer:
    from fingen.training.choices import Choice, score_options

    def answer(prompts: Sequence[Prompt]) -> list[int | None]:
        choices = [
            Choice(tokenizer.encode(p.text), [tokenizer.encode(letter) for letter in p.letters]) for p in prompts
        ]
        return [max(range(len(found)), key=found.__getitem__) for found in score_options(model, choices, PAD)]

    return answer


def with_harness(model: Any, tokenizer: Any) -> Answer:
    """What its tasks of type multiple_choice ask a model: a request for each letter; their own scoring is left out."""
    instance = importlib.import_module("lm_eval.api.instance").Instance  # no dependency of ours
    harness = importlib.import_module("lm_eval.models.huggingface").HFLM(
        pretrained=model, tokenizer=tokenizer, batch_size=BATCH, device="cpu"
    )

    def answer(prompts: Sequence[Prompt]) -> list[int | None]:
        requests = [
            instance(request_type="loglikelihood", doc={}, arguments=(p.text, f" {letter}"), idx=place)
            for p in prompts
            for place, letter in enumerate(p.letters)
        ]
        found = iter(harness.loglikelihood(requests, disable_tqdm=True))
        scores = [[next(found)[0] for _ in p.letters] for p in prompts]
        return [max(range(len(each)), key=each.__getitem__) for each in scores]

    return answer


def with_generation(model: Any, tokenizer: Any) -> Answer:
    tokenizer.padding_side = "left"

    def answer(prompts: Sequence[Prompt]) -> list[int | None]:
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place].text))
        answers: list[int | None] = [None] * len(prompts)
        for at in range(0, len(order), BATCH):
            places = order[at : at + BATCH]
            batch = tokenizer(
                [prompts[p].text for p in places], return_tensors="pt", padding=True, return_token_type_ids=False
            )
            out = model.generate(**batch, max_new_tokens=2, min_new_tokens=2, do_sample=False, pad_token_id=PAD)
            for place, text in zip(places, tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :]), strict=True):
                first, letters = text.split()[0], prompts[place].letters
                answers[place] = letters.index(first) if first in letters else None
        return answers

    return answer


def one_by_one(model: Any, tokenizer: Any) -> Answer:
    import torch

    def answer(prompts: Sequence[Prompt]) -> list[int | None]:
        answers: list[int | None] = []
        for prompt in prompts:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([tokenizer.encode(prompt.text)])).logits[0, -1]
            offered = [logits[tokenizer.encode(letter)[0]].item() for letter in prompt.letters]
            answers.append(max(range(len(offered)), key=offered.__getitem__))
        return answers

    return answer


WAYS = {OURS: with_fingen, HARNESS: with_harness, GENERATE: with_generation, PLAIN: one_by_one}

# ---- the measurement


@dataclass
class Ran:
    """One pass over all prompts: CPU seconds, and the answers."""

    seconds: float
    answers: list[int | None]


def measure(prompts: Sequence[Prompt], rounds: int) -> dict[str, list[Ran]]:
    """Rounds of all ways that can be run, in turn, each round beginning with another one."""
    model = tiny_model().eval()
    ways: dict[str, Answer] = {}
    for name, way in WAYS.items():
        if name == HARNESS and importlib.util.find_spec("lm_eval") is None:
            print("lm_eval is not installed (pip install lm-eval): lm-evaluation-harness is left out")
            continue
        ways[name] = way(model, word_tokenizer())
        ways[name](prompts[:BATCH])  # what is set up once and kept
    runs: dict[str, list[Ran]] = {name: [] for name in ways}
    for number in range(rounds):
        shift = number % len(ways)
        for name in [*list(ways)[shift:], *list(ways)[:shift]]:
            started = time.process_time()
            answers = ways[name](prompts)
            runs[name].append(Ran(time.process_time() - started, answers))
    return runs


def report(count: int, rounds: int) -> list[str]:
    """Measure, print what came out, and return which goals were missed."""
    prompts = make_prompts(count)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{len(prompts)} prompts, {rounds} rounds; {os.cpu_count()} cores, load {load:.1f}, one thread, CPU seconds")
    runs = measure(prompts, rounds)
    right, missed = runs[PLAIN][0].answers, []
    for name, done in runs.items():
        speeds = [len(prompts) / ran.seconds for ran in done]
        times = median(theirs.seconds / ours.seconds for ours, theirs in zip(runs[OURS], done, strict=True))
        same = min(sum(a == b for a, b in zip(ran.answers, right, strict=True)) for ran in done)
        goal = f", goal >= {GOALS[name]}" if name in GOALS else ""
        print(
            f"  {name:22} {median(speeds):6.1f} prompts/s ({min(speeds):.1f} to {max(speeds):.1f}); "
            f"letters as one by one {same:3} of {len(prompts)}; fingen is {times:.2f} times as fast{goal}"
        )
        if times < GOALS.get(name, 0):
            missed.append(f"{times:.2f} of {GOALS[name]} times {name}")
        if name == OURS and same < len(prompts):
            missed.append(f"{len(prompts) - same} letters differ from those of a plain forward")
    print("missed: " + ("; ".join(missed) or "nothing"))
    return missed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    quiet()
    return bool(report(options.prompts, options.rounds))


if __name__ != "__main__":
    import pytest

    @pytest.mark.benchmark
    def test_choices_are_read_off_fast_and_right():
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        assert subprocess.run([sys.executable, __file__], env=environment, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
