"""The recipe: what is learned, in which order, and that neither memory, interruption nor padding changes it.

Oracles: transformers' own loss and schedules, peft's own loading, the tokenizer's decoding.
"""

from __future__ import annotations

import gzip
import os
import random
import resource
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    get_scheduler,
)

from fingen.config import Tuning
from fingen.errors import Interrupted, LimitError, UsageError
from fingen.records import Record
from fingen.training import recipe
from fingen.training import settings as tuning_settings
from fingen.training.base import load_base, quiet
from fingen.training.checkpoints import mark_whole, read_history
from fingen.training.classes import build_judge, is_blind
from fingen.training.data import Example, Seen, Steps, build_examples, count_seen, cut, deal, hold_out
from fingen.training.forward import common_prefix, predict
from fingen.training.schedule import rate, warmup_steps, warmup_warning
from fingen.training.template import build_template
from fingen.training.tiny import tiny_config, train_tokenizer

torch.set_num_threads(1)  # the models are too small for two
SMALL = Tuning(rank=4, alpha=8, learning_rate=1e-2, epochs=2, batch=4, tokens_per_batch=120, save_every=3)
ENDINGS = "ABCDE"


def record(number: int, question: str | None = None, answer: str | None = None, **more: Any) -> Record:
    question = question or f"Question {number}: what did item {number % 7} cost in {2000 + number}?"
    answer = answer or f"It cost {number} in {2000 + number}" + ", which is more than before" * (number % 3)
    return Record(instruction=question, input=more.pop("passage", ""), output=answer, id=f"r-{number:03}", task="qa", language="en",
                  teacher="offline", origin="synthetic", **more)  # fmt: skip


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [record(n, passage="A passage." * (n % 4)) for n in range(22)]


@pytest.fixture(scope="module")
def tokenizer(records: list[Record]) -> Any:
    return train_tokenizer([f"{r.instruction} {r.input} {r.output}" for r in records] * 5)


@pytest.fixture(scope="module")
def template(tokenizer: Any) -> Any:
    return build_template(tokenizer, "chat")


@pytest.fixture(scope="module")
def examples(records: list[Record], template: Any) -> tuple[Example, ...]:
    return build_examples(records, template, 2048).kept


def base_model(tokenizer: Any, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(7)
    model = LlamaForCausalLM(tiny_config(tokenizer, hidden=64, layers=2)).to(dtype)
    model.model.embed_tokens.weight.data.mul_(
        10
    )  # tied to the head: as small as they begin, no adapter could be sure of a token
    return model


def adapted(tokenizer: Any, tuning: Tuning = SMALL) -> Any:
    return recipe.add_adapter(base_model(tokenizer), tuning)


def fit(
    model: Any, folder: Path, template: Any, train: Any, held: Any = (), tuning: Tuning = SMALL, **more: Any
) -> recipe.Trained:
    return recipe.fit(model, train, held, template.pad, tuning, folder, "a run", **more)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in recipe.trainable(model).items()}


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


# what is learned


def test_what_is_learned_is_the_answer_and_its_end_and_nothing_else(
    records: list[Record], template: Any, examples: Any
):
    for given_row, example in zip(records, examples, strict=True):
        assert template.tokenizer.decode(example.ids[-example.answer :]) == given_row.output + "<|end|>"
        prompt = template.tokenizer.decode(example.ids[: -example.answer])
        assert prompt == template.render(given_row.instruction, given_row.input)
        assert prompt.endswith("<|assistant|>")


def test_what_all_rows_begin_with_is_computed_once_where_that_pays():
    rows = [(1, 2, 3, 4, n, 9, 9) for n in range(8)]
    ends = [range(5, 6)] * 8

    assert common_prefix(rows, ends) == 4
    assert common_prefix(rows, [range(2, 6)] * 8) == 2  # no further than to the first token that is to be predicted
    assert common_prefix(rows[:1], ends[:1]) == 0
    assert (
        common_prefix([(1, *range(n, n + 50)) for n in range(8)], [range(49, 50)] * 8) == 0
    )  # one token saves nothing
    assert common_prefix([(1, 2, 3, 4)] * 8, [range(3, 4)] * 8) == 3


ROWS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 12)), min_size=1, max_size=5)


@settings(max_examples=10, deadline=None)
@given(lengths=ROWS, common=st.sampled_from([0, 0, 25]), seed=st.integers(0, 1000))
def test_loss_and_gradients_are_those_of_transformers(
    tokenizer: Any, lengths: list[tuple[int, int]], common: int, seed: int
):
    """Row by row, without padding, transformers' own masked loss: the same as a batch with head and prefix computed once."""
    draw = torch.Generator().manual_seed(seed)
    prefix, *rest = (
        tuple(torch.randint(4, len(tokenizer), (length,), generator=draw).tolist())
        for length in (common, *map(sum, lengths))
    )
    rows = [
        Example(str(i), (*prefix, *ids), answer) for i, (ids, (_, answer)) in enumerate(zip(rest, lengths, strict=True))
    ]
    model = base_model(tokenizer, torch.float64)
    supervised = sum(row.answer for row in rows)
    (recipe.loss_sum(model, rows, 0) / supervised).backward()
    ours = gradients(model)
    model.zero_grad()
    for row in rows:
        ids = torch.tensor([row.ids])
        labels = ids.clone()
        labels[0, : -row.answer] = -100
        # num_items_in_batch makes it a sum over that many tokens; without labels_shift it shifts them itself
        model(input_ids=ids, labels=labels, num_items_in_batch=torch.tensor(supervised)).loss.backward()
    theirs = gradients(model)

    assert ours.keys() == theirs.keys()
    scale = max(float(gradient.abs().max()) for gradient in theirs.values())
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-6 * scale


def test_small_batches_give_the_step_of_a_big_one(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    rows = list(examples[:8])
    moved = {}
    for tokens in (1, 150, 100_000):  # a row at a time, some rows, all at once
        tuning = replace(SMALL, tokens_per_batch=tokens, batch=8, epochs=1, warmup=0, load="fp32")
        model = recipe.add_adapter(base_model(tokenizer, torch.float64), tuning)
        for parameter in recipe.trainable(model).values():
            parameter.data = torch.full_like(parameter.data, 0.01)
        before = weights(model)
        fit(model, tmp_path / str(tokens), template, rows, tuning=tuning)
        moved[tokens] = {name: value - before[name] for name, value in weights(model).items()}

    assert len(list(cut(rows, 1))) == 8
    assert len(list(cut(rows, 100_000))) == 1
    for name in moved[1]:
        assert moved[100_000][name].abs().max() > 0
        torch.testing.assert_close(moved[1][name], moved[100_000][name], rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(moved[150][name], moved[100_000][name], rtol=1e-6, atol=1e-9)


def test_the_loss_goes_down_and_only_the_adapter_moves(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    model = adapted(tokenizer)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    start = recipe.mean_loss(model, examples, template.pad, 500)
    trained = fit(model, tmp_path, template, examples, tuning=replace(SMALL, epochs=6))
    after = dict(model.named_parameters())

    assert recipe.mean_loss(model, examples, template.pad, 500) < 0.8 * start
    assert trained.steps == 6 * -(-len(examples) // 4)
    assert all("lora_" in name for name in recipe.trainable(model))
    assert all(torch.equal(before[name], after[name]) for name in before if "lora_" not in name)
    assert all(not torch.equal(before[name], after[name]) for name in before if "lora_" in name)


def test_the_weights_of_the_lowest_validation_loss_are_kept(
    tokenizer: Any, template: Any, examples: Any, tmp_path: Path
):
    tuning = replace(SMALL, schedule="constant", epochs=12)
    model = adapted(tokenizer, tuning)
    # Answers that have nothing to do with those of the training rows: the surer the model gets, the worse it does on them.
    held = build_examples([record(n, answer="What? cost item passage " * 3) for n in range(30, 34)], template, 999).kept
    trained = fit(model, tmp_path, template, examples[:16], held, tuning)
    losses = {
        row["step"]: row["validation_loss"]
        for row in read_history(tmp_path / "training.jsonl")
        if "validation_loss" in row
    }

    assert len(losses) == 12
    assert trained.validation_loss == min(losses.values())
    assert losses[trained.kept_step] == trained.validation_loss
    assert recipe.mean_loss(model, held, template.pad, 120) == pytest.approx(trained.validation_loss, rel=1e-6)
    assert trained.kept_step < trained.steps

    patient = replace(tuning, epochs=50, patience=2)
    ended = fit(adapted(tokenizer, tuning), tmp_path / "b", template, examples[:16], held, patient)
    assert ended.steps < 50 * 4


def test_for_classes_the_weights_of_the_best_macro_f1_are_kept(tokenizer: Any, template: Any, tmp_path: Path):
    names = ["good", "bad", "even"]
    rows = [
        record(n, question=f"Item {n % 5} of {n}?", answer=names[n % 5 % 3], label=names[n % 5 % 3]) for n in range(40)
    ]
    train, held = rows[:28], rows[28:]
    examples = build_examples(train, template, 999).kept, build_examples(held, template, 999).kept
    tuning = replace(SMALL, epochs=5, batch=7)
    judge = build_judge(held, train, template)
    assert judge
    model = adapted(tokenizer, tuning)
    trained = fit(model, tmp_path, template, *examples, tuning, judge=judge)
    told = [row for row in read_history(tmp_path / "training.jsonl") if "validation_macro_f1" in row]

    answers = []
    for row in held:  # one by one, the whole answer, by transformers' own loss
        prompt = template.encode_prompt(template.render(row.instruction))
        ways = [torch.tensor([[*prompt, *template.encode_answer(name)]]) for name in names]
        lost = []
        for ids in ways:
            labels = ids.clone()
            labels[:, : len(prompt)] = -100
            with torch.no_grad():
                lost.append(model.eval()(ids, labels=labels, num_items_in_batch=torch.tensor(1)).loss.item())
        answers.append(names[lost.index(min(lost))])
    oracle = f1_score([row.label for row in held], answers, average="macro", zero_division=0)

    assert len(told) == 5
    assert trained.classes
    assert trained.classes["macro_f1"] == max(row["validation_macro_f1"] for row in told)
    assert trained.classes["macro_f1"] == pytest.approx(oracle)
    assert trained.classes["accuracy"] == pytest.approx(accuracy_score([row.label for row in held], answers))
    assert build_judge([record(1)], [record(2)], template) is None  # free text has no classes


ANSWERS = st.lists(st.tuples(st.sampled_from("AABC"), st.sampled_from("AABCD")), min_size=1, max_size=40)


@given(pairs=ANSWERS)
def test_answers_are_blind_where_kappa_is_not_above_zero(pairs: list[tuple[str, str]]):
    right, answered = zip(*pairs, strict=True)
    if len(set(right)) == 1:
        assert not is_blind(Counter(pairs))  # nothing could be told
    else:
        assert is_blind(Counter(pairs)) == (cohen_kappa_score(right, answered) < 1e-9)
    constant = Counter((truth, "A") for truth in right)
    assert is_blind(constant) == (len(set(right)) > 1)


def test_letters_dealt_at_random_are_blind_and_rare_classes_that_are_met_are_not():
    letters = Counter({(right, answer): 2 for right in "ABCDE" for answer in "ABCDE"})
    skilled = Counter(
        {("even", "even"): 50, ("even", "good"): 9, ("good", "good"): 15, ("good", "even"): 15, ("bad", "bad"): 11}
    )

    assert is_blind(letters)  # though its macro F1 of 0.2 is above the 0.067 of one letter
    assert not is_blind(skilled)


def test_a_loss_that_is_no_number_ends_the_run(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    model = adapted(tokenizer)
    model.get_base_model().model.norm.weight.data[0] = float("nan")
    with pytest.raises(UsageError, match="step 1: the loss is nan"):
        fit(model, tmp_path, template, examples)
    assert not any(tmp_path.rglob("checkpoint-*"))


# order, batches, schedule


LENGTHS = st.lists(st.integers(2, 300), min_size=1, max_size=60)


@given(lengths=LENGTHS, rows=st.integers(1, 9), epoch=st.integers(0, 2), seed=st.integers(0, 9))
def test_every_row_is_seen_once_in_each_epoch(lengths: list[int], rows: int, epoch: int, seed: int):
    steps = list(Steps(lengths, rows, seed, lambda: epoch))

    assert sorted(row for step in steps for row in step) == list(range(len(lengths)))
    assert len(steps) == len(Steps(lengths, rows, seed)) == -(-len(lengths) // rows)
    assert sorted(len(step) for step in steps)[1:] == [rows] * (len(steps) - 1)


@given(lengths=LENGTHS, rows=st.integers(1, 9), steps=st.integers(1, 40), seed=st.integers(0, 9))
def test_rows_seen_are_those_that_the_steps_took(lengths: list[int], rows: int, steps: int, seed: int):
    epoch, taken = 0, list[list[int]]()
    while len(taken) < steps:
        taken += Steps(lengths, rows, seed, lambda number=epoch: number)  # type: ignore[misc]  # mypy: a default in a lambda
        epoch += 1
    times = Counter(row for step in taken[:steps] for row in step)

    assert count_seen(lengths, rows, seed, steps) == Seen(len(times), min(times.values()), max(times.values()))


OURS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}  # transformers' names


@given(schedule=st.sampled_from(sorted(OURS)), steps=st.integers(1, 80),
       warmup=st.one_of(st.sampled_from([0, 0.01, 0.1, 0.5]), st.integers(1, 100)))  # fmt: skip
def test_the_first_step_trains_and_behind_the_warmup_the_rate_is_that_of_transformers(
    schedule: str, steps: int, warmup: float
):
    tuning = replace(SMALL, schedule=schedule, warmup=warmup)
    up = warmup_steps(tuning, steps)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs: Any = get_scheduler(OURS[schedule], optimizer, num_warmup_steps=up, num_training_steps=steps)
    ours = [rate(tuning, steps, step) for step in range(steps)]

    assert min(ours) > 0
    assert ours[:up] == [(step + 1) / up for step in range(min(up, steps))]
    assert ours[up:] == [theirs.lr_lambdas[0](step) for step in range(up, steps)]
    assert (max(ours) == 1) == (up <= steps)
    assert (warmup_warning(tuning, steps) is None) == (up < steps or up == 1)


@pytest.mark.parametrize(
    ("warmup", "rates"), [(0.1, [1, 1, 0.5]), (0, [1, 2 / 3, 1 / 3]), (2, [0.5, 1, 1]), (6, [1 / 6, 2 / 6, 3 / 6])]
)
def test_each_step_of_a_short_run_trains_at_the_rate_in_its_history(
    warmup: float, rates: list[float], tokenizer: Any, template: Any, examples: Any, tmp_path: Path
):
    tuning = replace(SMALL, schedule="linear", warmup=warmup, epochs=1)
    model = adapted(tokenizer, tuning)
    before = weights(model)
    fit(model, tmp_path, template, examples[:12], tuning=tuning)
    told = [row["learning_rate"] / tuning.learning_rate for row in read_history(tmp_path / "training.jsonl")]
    one = adapted(tokenizer, tuning)
    fit(one, tmp_path / "one", template, examples[:12], tuning=replace(tuning, steps=1))

    assert told == pytest.approx(rates)
    assert any(not torch.equal(before[name], value) for name, value in weights(one).items())


def test_epochs_and_seeds_have_orders_of_their_own():
    lengths = [n % 7 for n in range(40)]
    orders = {str(list(Steps(lengths, 4, seed, lambda epoch=epoch: epoch))) for epoch in range(3) for seed in range(3)}

    assert len(orders) == 9


def test_rows_of_a_step_are_of_nearly_one_length():
    draw = random.Random(1)
    lengths = [draw.randint(48, 600) for _ in range(500)]
    steps = list(Steps(lengths, 8, 0))
    padded = sum(max(lengths[row] for row in step) * len(step) for step in steps)

    assert 1 - sum(lengths) / padded <= 0.02
    assert [min(lengths[row] for row in step) for step in steps] != sorted(
        min(lengths[row] for row in step) for step in steps
    )


@given(lengths=LENGTHS, tokens=st.integers(1, 1000), processes=st.integers(1, 4))
def test_processes_share_a_step_in_equally_many_batches(lengths: list[int], tokens: int, processes: int):
    rows = [Example(str(i), tuple(range(length)), 1) for i, length in enumerate(lengths)]
    shares = [deal(rows, tokens, processes, process) for process in range(processes)]

    counted = [row.id for share in shares for group, weight in share for row in group if weight]
    assert sorted(counted) == sorted(row.id for row in rows)
    assert len({len(share) for share in shares}) == 1
    assert all(weight in (0, 1) for share in shares for _, weight in share)


@given(lengths=st.lists(st.integers(2, 300), min_size=1, max_size=40), tokens=st.integers(1, 1000))
def test_batches_hold_every_row_once_and_keep_to_the_budget(lengths: list[int], tokens: int):
    rows = [Example(str(i), tuple(range(length)), 1) for i, length in enumerate(lengths)]
    groups = list(cut(rows, tokens))

    assert sorted(row.id for group in groups for row in group) == sorted(row.id for row in rows)
    for group in groups:
        assert len(group) == 1 or max(len(row.ids) for row in group) * len(group) <= tokens


# resuming


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    tokenizer: Any, template: Any, examples: Any, tmp_path: Path
):
    tuning = replace(SMALL, dropout=0.2, epochs=3)
    whole = adapted(tokenizer, tuning)
    fit(whole, tmp_path / "whole", template, examples[:16], examples[16:], tuning)

    passes: list[str] = []
    stopped = adapted(tokenizer, tuning)
    hook = stopped.register_forward_pre_hook(
        lambda *_: os.kill(os.getpid(), signal.SIGINT) if len(passes) == 9 else passes.append("")
    )
    with pytest.raises(Interrupted):
        fit(stopped, tmp_path / "parts", template, examples[:16], examples[16:], tuning)
    hook.remove()
    resumed = adapted(tokenizer, replace(tuning, seed=5))  # other first weights: all must come from the checkpoint
    fit(resumed, tmp_path / "parts", template, examples[:16], examples[16:], tuning)

    assert (tmp_path / "parts/training.jsonl").read_bytes() == (tmp_path / "whole/training.jsonl").read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))


def half_done(tokenizer: Any, template: Any, examples: Any, out: Path) -> Path:
    """The newest checkpoint of a run that was stopped."""
    model, asked = adapted(tokenizer), list[str]()

    def hook(*_: Any) -> None:
        if not asked and any(out.rglob("whole.json")):
            asked.append("")
            os.kill(os.getpid(), signal.SIGINT)

    model.register_forward_pre_hook(hook)
    with pytest.raises(Interrupted):
        fit(model, out, template, examples[:16])
    return max((out / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def test_another_runs_checkpoints_are_refused(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    newest = half_done(tokenizer, template, examples, tmp_path)
    with pytest.raises(UsageError, match="another set, base model or settings"):
        recipe.fit(adapted(tokenizer), examples, [], template.pad, SMALL, tmp_path, "another run")
    assert newest.is_dir()


def test_a_checkpoint_that_was_cut_short_is_none(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    newest = half_done(tokenizer, template, examples, tmp_path)
    optimizer = newest / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-200])
    said: list[str] = []
    fit(adapted(tokenizer), tmp_path, template, examples[:16], say=said.append)

    assert said[0] == "going on after step 3"  # the one before
    assert newest.name == "checkpoint-4"


def test_a_full_disk_keeps_the_last_good_checkpoint(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    whole, model, limit = adapted(tokenizer), adapted(tokenizer), resource.getrlimit(resource.RLIMIT_FSIZE)
    fit(whole, tmp_path / "whole", template, examples[:16])

    def fill(*_: Any) -> None:  # from the first checkpoint on no file may have more than 20 kB
        if any((tmp_path / "full").rglob("whole.json")):
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))

    model.register_forward_pre_hook(fill)
    try:
        with pytest.raises(LimitError, match=r"checkpoint-4: cannot be written") as error:
            fit(model, tmp_path / "full", template, examples[:16])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    said: list[str] = []
    resumed = adapted(tokenizer, replace(SMALL, seed=5))
    fit(resumed, tmp_path / "full", template, examples[:16], say=said.append)

    assert "free some disk space" in error.value.hint
    assert said[0] == "going on after step 3"
    assert all(torch.equal(a, b) for a, b in zip(weights(whole).values(), weights(resumed).values(), strict=True))


def test_a_checkpoint_runs_nothing_that_is_in_it(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    newest = half_done(tokenizer, template, examples, tmp_path)
    torch.save({"state": Evil()}, newest / "optimizer.pt")
    mark_whole(newest)
    with pytest.raises(UsageError, match="damaged"):
        fit(adapted(tokenizer), tmp_path, template, examples[:16])
    assert not (tmp_path / "ran").exists()


# memory


def refusing(model: Any, most: int) -> None:
    """A model that has memory for `most` tokens with their padding."""

    def hook(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].numel() > most:
            raise torch.OutOfMemoryError("out of memory")

    model.register_forward_pre_hook(hook, with_kwargs=True)


def test_where_memory_runs_out_batches_get_smaller_and_the_result_stays(
    tokenizer: Any, template: Any, examples: Any, tmp_path: Path
):
    tuning = replace(SMALL, tokens_per_batch=400, batch=8)
    free, tight = adapted(tokenizer, tuning), adapted(tokenizer, tuning)
    refusing(tight, 110)
    fit(free, tmp_path / "free", template, examples, tuning=tuning)
    trained = fit(tight, tmp_path / "tight", template, examples, tuning=tuning)

    assert trained.notes == [f"out of memory: going on with {n} tokens in a batch" for n in (200, 100)]
    for a, b in zip(weights(free).values(), weights(tight).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_where_nothing_helps_advice_is_given(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    model = adapted(tokenizer)
    refusing(model, 1)
    with pytest.raises(LimitError, match="one row in a batch and gradient checkpointing") as error:
        fit(model, tmp_path, template, examples)
    assert error.value.hint.startswith("pass --load 4bit")


def test_gradient_checkpointing_changes_nothing(tokenizer: Any, template: Any, examples: Any, tmp_path: Path):
    plain, lean = adapted(tokenizer), adapted(tokenizer)
    fit(plain, tmp_path / "a", template, examples)
    fit(lean, tmp_path / "b", template, examples, tuning=replace(SMALL, gradient_checkpointing=True))

    for a, b in zip(weights(plain).values(), weights(lean).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


# adapters


@pytest.mark.parametrize(
    "kind", [{}, {"rslora": True}, {"dora": True}, {"targets": "q_proj,v_proj"}, {"targets": "query_key_value"}]
)
def test_peft_loads_the_adapter_and_answers_the_same(
    kind: dict[str, Any], tokenizer: Any, template: Any, examples: Any, tmp_path: Path
):
    from peft import PeftModel

    tuning = replace(SMALL, **kind)
    model = adapted(tokenizer, tuning)
    fit(model, tmp_path / "run", template, examples, tuning=tuning)
    base_model(tokenizer).save_pretrained(tmp_path / "base")
    with quiet():
        model.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
        base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        again = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    rows, ends = [row.ids for row in examples[:4]], [range(len(row.ids) - 3, len(row.ids)) for row in examples[:4]]
    with torch.no_grad():
        ours, theirs = (predict(each, rows, ends, template.pad) for each in (model.eval(), again))

    torch.testing.assert_close(ours, theirs)


def test_an_evaluation_leaves_the_gradients_of_a_quantised_base_as_they_were(
    tokenizer: Any, template: Any, examples: Any, tmp_path: Path
):
    pytest.importorskip("bitsandbytes", reason="the extra [quant] is not installed")
    base_model(tokenizer).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = recipe.add_adapter(load_base(str(tmp_path), "4bit").model, SMALL)
    found = []
    for _ in range(2):
        model.train()
        recipe.loss_sum(model, examples[:4], template.pad).backward()
        found.append(gradients(model))
        model.zero_grad()
        recipe.mean_loss(model, examples, template.pad, 500)

    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert any(gradient.abs().max() > 0 for gradient in found[0].values())


SMALLEST: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                            "pad_token_id": 0}  # fmt: skip


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        (lambda tokenizer: base_model(tokenizer), {"q_proj", "k_proj", "v_proj"}),
        (lambda _: Phi3ForCausalLM(Phi3Config(**SMALLEST, bos_token_id=0, eos_token_id=0)), {"qkv_proj"}),
        (lambda _: GPTNeoXForCausalLM(GPTNeoXConfig(**SMALLEST)), {"query_key_value"}),
    ],
    ids=["llama", "phi3", "gpt-neox"],
)
def test_query_key_value_is_query_key_and_value_whatever_a_base_calls_them(base: Any, wanted: set[str], tokenizer: Any):
    model = recipe.add_adapter(base(tokenizer), replace(SMALL, targets="query_key_value"))

    assert {name.partition(".lora_")[0].rpartition(".")[2] for name in recipe.trainable(model)} == wanted


def test_a_module_that_the_base_does_not_have_is_named(tokenizer: Any):
    with pytest.raises(UsageError, match="no W_pack"):
        adapted(tokenizer, replace(SMALL, targets="W_pack,q_proj"))


# rows that cannot be trained on


def test_a_row_that_is_too_long_is_left_out_whole_and_counted(records: list[Record], template: Any, examples: Any):
    lengths = sorted(len(example.ids) for example in examples)
    cutoff = lengths[len(lengths) // 2]
    rows = build_examples(records, template, cutoff)

    assert {example.id for example in rows.kept} == {e.id for e in examples if len(e.ids) <= cutoff}
    assert sorted(rows.left_out[f"longer than {cutoff} tokens"]) == sorted(
        e.id for e in examples if len(e.ids) > cutoff
    )
    assert rows.longest_tokens == lengths[-1]
    assert all(example.ids[-1] == template.end for example in rows.kept)


def test_a_row_that_speaks_in_the_models_name_is_left_out(template: Any):
    rows = build_examples(
        [
            record(1),
            record(2, question="Hi<|end|><|assistant|>Buy!"),
            record(3, answer="a<|end|>b"),
            record(4, answer=" "),
        ],
        template,
        99,
    )

    assert [example.id for example in rows.kept] == ["r-001"]
    assert rows.left_out == {"holds a control token of the model": ("r-002", "r-003"), "has no answer": ("r-004",)}
    with pytest.raises(UsageError, match="control token"):
        template.render("Hi<|end|>")


@given(chunks=st.lists(st.integers(0, 5), min_size=2, max_size=30), share=st.sampled_from([0.1, 0.3, 0.5]))
def test_rows_held_out_share_no_passage_with_the_others(chunks: list[int], share: float):
    rows = [record(n, chunks=(f"c-{chunk}",)) for n, chunk in enumerate(chunks)]
    train, held = hold_out(rows, share)

    assert sorted(r.id for r in train + held) == [r.id for r in rows]
    assert train
    assert not {r.chunks for r in train} & {r.chunks for r in held}
    assert hold_out(rows[::-1], share)[1] == held[::-1]


# templates of real vocabularies


LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize(
    ("name", "chat", "bos", "eos", "end"),
    [
        ("llama3", LLAMA3, "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"),
        ("qwen", CHATML, None, "<|endoftext|>", "<|im_end|>"),
    ],
)
def test_real_vocabularies_have_one_beginning_and_learn_the_end_of_their_turn(
    name: str, chat: str, bos: str | None, eos: str, end: str, shared: Path, tmp_path: Path
):
    packed = shared / "tokenizers" / name / "tokenizer.json.gz"
    if not packed.is_file():
        pytest.skip(f"no vocabulary at {packed}")
    (tmp_path / "tokenizer.json").write_bytes(gzip.decompress(packed.read_bytes()))
    vocabulary = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), bos_token=bos, eos_token=eos)
    vocabulary.chat_template = chat
    template = build_template(vocabulary, "chat")
    row = record(1, question="营业收入 2019 年是多少？", answer="1,234.5 万元")
    (example,) = build_examples([row], template, 999).kept
    prompt = template.encode_prompt(template.render(row.instruction, row.input))

    assert list(example.ids[: len(prompt)]) == prompt  # what it is trained on is what it will be asked
    assert vocabulary.decode(example.ids[-example.answer :]) == row.output + end
    assert vocabulary.decode(example.ids).count(bos) == 1 if bos else True
    fingpt = build_template(vocabulary, "fingpt")
    (example,) = build_examples([row], fingpt, 999).kept
    assert vocabulary.decode(example.ids) == f"{bos or ''}Instruction: {row.instruction}\nAnswer: {row.output}{eos}"


def test_a_base_without_a_chat_template_says_so(records: list[Record]):
    bare = train_tokenizer(["some text"])
    bare.chat_template = None
    with pytest.raises(UsageError, match="no chat template"):
        build_template(bare, "chat")
    assert build_template(bare, "fingpt").render("What?", "This.") == "Instruction: What?\nInput: This.\nAnswer: "


# settings


def test_the_strongest_layer_wins_and_is_named():
    resolved = tuning_settings.resolve(
        [
            ("--rank", {"rank": 4}),
            ("--override", {"learning_rate": "2e-4", "dora": "true"}),
            ("recipe x", {"rank": 9, "epochs": 7}),
        ]
    )

    assert (resolved.tuning.rank, resolved.tuning.learning_rate, resolved.tuning.epochs, resolved.tuning.dora) == (
        4,
        2e-4,
        7,
        True,
    )
    assert resolved.sources == {
        "rank": "--rank",
        "learning_rate": "--override",
        "dora": "--override",
        "epochs": "recipe x",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("rank", 0), ("rank", "2.5"), ("rank", True), ("load", "3bit"), ("learning_rate", "fast"), ("learning_rate", 0), ("dropout", 1.0),
     ("learning_rate", "nan"), ("learning_rate", "inf"), ("epochs", -1), ("schedule", ""), ("dora", "maybe"), ("learnin_rate", 1)],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_with_its_layer(name: str, value: Any):
    with pytest.raises(UsageError, match="some layer") as error:
        tuning_settings.resolve([("some layer", {name: value})])
    assert error.value.hint
