"""`fingen finetune --objective dpo`: what is learned of preferences, and that neither batches nor an interruption change it.

Oracle: DPO's own formula, row by row, on transformers' logits, with a second model that has no adapter.
"""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import run
from torch.nn.functional import logsigmoid
from transformers import LlamaForCausalLM

from fingen.config import Tuning
from fingen.errors import Interrupted
from fingen.records import Record
from fingen.set_folder import make_manifest
from fingen.sets import SetContent, write_set
from fingen.training import recipe
from fingen.training.checkpoints import read_history
from fingen.training.data import Pair, build_examples, build_pairs, cut
from fingen.training.preference import Preference
from fingen.training.template import build_template
from fingen.training.tiny import tiny_config, train_tokenizer

torch.set_num_threads(1)  # the models are too small for two
SMALL = Tuning(rank=4, alpha=8, learning_rate=1e-2, epochs=2, batch=4, tokens_per_batch=400, save_every=3)
BETA = 0.3


def record(n: int, **more: Any) -> Record:
    asked = f"Question {n}: what did item {n % 7} cost?" if n % 2 else f"第 {n} 项花了多少钱？"
    told = f"It cost {n} in {2000 + n}" if n % 2 else f"花了 {n} 元"
    values = {
        "instruction": asked,
        "input": "A passage." * (n % 3),
        "output": f"{told}." + " More than before." * (n % 4),
    }
    values |= {
        "id": f"r-{n:03}",
        "task": "qa",
        "language": "en" if n % 2 else "zh",
        "teacher": "t",
        "origin": "document",
    }
    return Record(
        **{**values, "rejected": f"{told[:-1]}{n + 1}, I guess" + ", perhaps" * (n % 5), "reason": "figure", **more}
    )


RECORDS = [record(n) for n in range(14)]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer([f"{r.instruction} {r.input} {r.output} {r.rejected}" for r in RECORDS] * 5)


@pytest.fixture(scope="module")
def template(tokenizer: Any) -> Any:
    return build_template(tokenizer, "chat")


@pytest.fixture(scope="module")
def pairs(template: Any) -> tuple[Any, ...]:
    return build_pairs(RECORDS, template, 2048).kept


def base_model(tokenizer: Any) -> Any:
    torch.manual_seed(7)
    model = LlamaForCausalLM(tiny_config(tokenizer, hidden=64, layers=2)).double()
    model.model.embed_tokens.weight.data.mul_(10)
    return model


def adapted(tokenizer: Any, *, moved: bool = False, tuning: Tuning = SMALL) -> Any:
    model = recipe.add_adapter(base_model(tokenizer), tuning)
    if moved:
        torch.manual_seed(11)
        for parameter in recipe.trainable(model).values():
            parameter.data = torch.randn_like(parameter) * 0.2
    return model


def fit(
    model: Any, folder: Path, template: Any, train: Any, held: Any = (), tuning: Tuning = SMALL, **more: Any
) -> recipe.Trained:
    objective = Preference(BETA, template.pad)
    return recipe.fit(model, train, held, template.pad, tuning, folder, "a run", objective=objective, **more)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in recipe.trainable(model).items()}


def answer_log(model: Any, ids: tuple[int, ...], answer: int) -> torch.Tensor:
    logs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    start = len(ids) - answer
    return sum(logs[place - 1, ids[place]] for place in range(start, len(ids)))  # type: ignore[return-value]  # of tensors


def reference_loss(model: Any, base: Any, pair: Pair) -> tuple[torch.Tensor, bool]:
    """The loss of one pair, and whether the chosen answer gained more."""
    rejected = pair.rejected
    with torch.no_grad():
        before = [answer_log(base, pair.ids, pair.answer), answer_log(base, rejected.ids, rejected.answer)]
    now = [answer_log(model, pair.ids, pair.answer), answer_log(model, rejected.ids, rejected.answer)]
    margin = BETA * ((now[0] - before[0]) - (now[1] - before[1]))
    return -logsigmoid(margin), bool(margin > 0)


def test_loss_and_gradients_are_those_of_the_formula(tokenizer: Any, template: Any, pairs: Any):
    model, base = adapted(tokenizer, moved=True), base_model(tokenizer).eval()
    sums = Preference(BETA, template.pad)(model.train(), pairs)
    sums["loss"].backward()
    ours = {name: p.grad.clone() for name, p in recipe.trainable(model).items()}
    model.zero_grad()
    found = [reference_loss(model, base, pair) for pair in pairs]
    torch.stack([loss for loss, _ in found]).sum().backward()
    theirs = {name: p.grad for name, p in recipe.trainable(model).items()}

    assert sums["loss"].item() == pytest.approx(math.fsum(loss.item() for loss, _ in found), abs=1e-5)
    assert sums["accuracy"].item() == sum(right for _, right in found)
    assert 0 < sums["accuracy"].item() < len(pairs)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-5, atol=1e-9)
    assert model.training  # as it was
    assert all(parameter.requires_grad for parameter in recipe.trainable(model).values())


def test_before_the_first_step_nothing_is_preferred(tokenizer: Any, template: Any, pairs: Any):
    sums = Preference(BETA, template.pad)(adapted(tokenizer), pairs)

    assert sums["loss"].item() == pytest.approx(len(pairs) * math.log(2), abs=1e-9)
    assert sums["accuracy"].item() == 0


def test_small_batches_give_the_step_of_a_big_one(tokenizer: Any, template: Any, pairs: Any, tmp_path: Path):
    moved = {}
    for tokens in (1, 250, 100_000):  # a pair at a time, some, all at once
        tuning = replace(SMALL, tokens_per_batch=tokens, batch=8, epochs=1, warmup=0, load="fp32")
        model = adapted(tokenizer, moved=True, tuning=tuning)
        before = weights(model)
        fit(model, tmp_path / str(tokens), template, pairs[:8], tuning=tuning)
        moved[tokens] = {name: value - before[name] for name, value in weights(model).items()}

    assert len(list(cut(pairs[:8], 1))) == 8 > len(list(cut(pairs[:8], 250))) > len(list(cut(pairs[:8], 100_000))) == 1
    for name in moved[1]:
        assert moved[1][name].abs().max() > 0
        torch.testing.assert_close(moved[1][name], moved[100_000][name], rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(moved[250][name], moved[100_000][name], rtol=1e-6, atol=1e-9)


def test_a_resumed_run_gives_the_same_bits(tokenizer: Any, template: Any, pairs: Any, tmp_path: Path):
    tuning = replace(SMALL, dropout=0.1)
    whole = adapted(tokenizer)
    fit(whole, tmp_path / "whole", template, pairs[:10], pairs[10:], tuning)

    passes: list[str] = []
    stopped = adapted(tokenizer)
    hook = stopped.register_forward_pre_hook(
        lambda *_: os.kill(os.getpid(), signal.SIGINT) if len(passes) == 7 else passes.append("")
    )
    with pytest.raises(Interrupted):
        fit(stopped, tmp_path / "parts", template, pairs[:10], pairs[10:], tuning)
    hook.remove()
    resumed = adapted(tokenizer, moved=True)  # other first weights: all must come from the checkpoint
    fit(resumed, tmp_path / "parts", template, pairs[:10], pairs[10:], tuning)

    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))
    assert (tmp_path / "whole/training.jsonl").read_text() == (tmp_path / "parts/training.jsonl").read_text()


def test_the_chosen_answers_gain_and_the_history_tells_by_how_much(
    tokenizer: Any, template: Any, pairs: Any, tmp_path: Path
):
    trained = fit(adapted(tokenizer), tmp_path, template, pairs, pairs, replace(SMALL, epochs=6))
    told = read_history(tmp_path / "training.jsonl")

    assert trained.validation_loss is not None
    assert trained.validation_loss < math.log(2) / 2
    assert trained.terms["accuracy"] == 1
    assert trained.terms["margin"] > 0
    assert {"loss_accuracy", "loss_margin"} <= next(row for row in told if "loss" in row).keys()
    assert [row["validation_loss_accuracy"] for row in told if "validation_loss" in row][-1] == 1


def test_a_pair_of_which_an_answer_is_too_long_is_left_out_once(template: Any):
    rows = [record(1), record(3, rejected="long " * 99), record(5, output="long " * 99, rejected="longer " * 99)]
    found = build_pairs(rows, template, 60)

    assert [pair.id for pair in found.kept] == ["r-001"]
    assert found.left_out == {"longer than 60 tokens": ("r-005", "r-003")}
    [pair] = found.kept
    alone = [
        build_examples([record(1, output=text)], template, 60).kept[0]
        for text in (record(1).output, record(1).rejected)
    ]
    assert (pair.ids, pair.rejected.ids) == (alone[0].ids, alone[1].ids)


def make_preferences(folder: Path, command: str = "prefer") -> Path:
    manifest = make_manifest(folder.name, command, {"set": "reports"}, RECORDS, ())
    rows = [row if command == "prefer" else row.model_copy(update={"rejected": "", "reason": ""}) for row in RECORDS]
    write_set(folder, SetContent({"train": rows[:8], "validation": rows[8:10], "test": rows[10:]}, [], [], manifest))
    return folder


def test_the_command_learns_of_preferences_and_of_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    pairs, plain = make_preferences(Path("build/pairs")), make_preferences(Path("build/plain"), "import alpaca")
    fast = ("--model", "tiny", "--epochs", 2, "--json")

    assert "pass --objective dpo" in run("finetune", *fast, "--set", pairs, code=2).stderr
    assert f"fingen prefer {plain}" in run("finetune", *fast, "--set", plain, "--objective", "dpo", code=2).stderr
    assert "takes none" in run("distill", "smollm2", "--drop", 1, "--set", pairs, "--dry-run", "--json", code=2).output
    made = json.loads(run("finetune", *fast, "--set", pairs, "--objective", "dpo", "--beta", 0.2).stdout)
    assert made["objective"] == {"name": "dpo", "beta": 0.2}
    assert made["rows"]["train"] == 8
    preferred = made["metrics"]["preferred"]
    assert (preferred["on"], preferred["pairs"]) == ("test", 4)
    assert 0 <= preferred["low"] <= preferred["value"] <= preferred["high"] <= 1
    again = json.loads(run("finetune", *fast, "--set", pairs, "--objective", "dpo", "--beta", 0.2).stdout)
    assert not again["changed"]
    assert (
        "another set, base model or settings"
        in run("finetune", *fast, "--set", pairs, "--objective", "dpo", code=2).stderr
    )
    assert "dpo" in (Path(made["adapter"]) / "README.md").read_text(encoding="utf-8")
