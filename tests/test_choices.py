"""Reading off what a model would choose: the same as one full forward pass for each option, whatever shares a batch with it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from fingen.errors import LimitError, UsageError
from fingen.training import choices
from fingen.training.choices import Choice, probabilities, score_options

VOCABULARY = 40


@pytest.fixture(scope="module")
def model() -> Any:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    made = LlamaForCausalLM(config).double().eval()
    made.model.embed_tokens.weight.data.mul_(20)  # else all options are nearly alike
    made.lm_head.weight.data.mul_(20)
    return made


def one_by_one(model: Any, row: Choice) -> list[float]:
    """All logits of every option in a pass of its own, without padding or shared prefix; the first tokens decide if they can."""
    first = len({option[0] for option in row.options}) == len(row.options)
    found = []
    for option in row.options:
        ids = torch.tensor([[*row.prompt, *option]])
        with torch.no_grad():
            logs = model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
        places = range(len(row.prompt) - 1, len(row.prompt) - 1 + (1 if first else len(option)))
        found.append(math.fsum(float(logs[place, ids[0, place + 1]]) for place in places))
    return found


TOKEN = st.integers(1, VOCABULARY - 1)
PROMPT = st.lists(TOKEN, min_size=1, max_size=30)
LETTERS = st.lists(TOKEN, min_size=2, max_size=6, unique=True).map(lambda ids: [[id] for id in ids])
LABELS = st.lists(st.lists(TOKEN, min_size=1, max_size=4), min_size=2, max_size=4, unique_by=tuple)
ROW = st.tuples(PROMPT, LETTERS | LABELS)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=6),
    shared=st.lists(TOKEN, max_size=20),
    budget=st.sampled_from([1, 90, 4096]),
)
def test_options_get_what_a_plain_pass_of_their_own_gives(model: Any, rows: Any, shared: list[int], budget: int):
    asked = [Choice([*shared, *prompt], options) for prompt, options in rows]
    found = score_options(model, asked, 0, budget)

    for row, scores in zip(asked, found, strict=True):
        assert list(scores) == pytest.approx(one_by_one(model, row), abs=2e-5)  # they are told in float32


def test_letters_and_probabilities_of_many_prompts(model: Any):
    draw = torch.Generator().manual_seed(5)
    prefix = torch.randint(1, VOCABULARY, (28,), generator=draw).tolist()
    asked = [
        Choice(
            [*prefix, *torch.randint(1, VOCABULARY, (5 + n % 40,), generator=draw).tolist()], [[i] for i in range(1, 6)]
        )
        for n in range(60)
    ]
    found = [probabilities(scores) for scores in score_options(model, asked, 0, 600)]
    plain = [probabilities(one_by_one(model, row)) for row in asked]

    assert [max(range(5), key=row.__getitem__) for row in found] == [
        max(range(5), key=row.__getitem__) for row in plain
    ]
    assert len({max(range(5), key=row.__getitem__) for row in found}) > 2
    for ours, theirs in zip(found, plain, strict=True):
        assert sum(ours) == pytest.approx(1)
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_model_is_asked_in_evaluation_mode_and_left_as_it_was(model: Any):
    row = Choice([1, 2, 3], [[4], [5]])
    model.train()
    try:
        score_options(model, [row], 0)
        assert model.training
    finally:
        model.eval()
    assert score_options(model, [], 0) == []
    assert not model.training


def test_logits_that_are_no_numbers_are_an_error(model: Any):
    weight = model.model.norm.weight.data
    before = weight.clone()
    weight[0] = math.nan
    try:
        for options in ([[4], [5]], [[4, 5], [4, 6]]):
            with pytest.raises(UsageError, match="no numbers") as caught:
                score_options(model, [Choice([1, 2], options)], 0)
            assert "--load fp32" in caught.value.hint
    finally:
        weight.copy_(before)


def test_a_batch_that_does_not_fit_is_halved(model: Any, monkeypatch: pytest.MonkeyPatch):
    asked = [Choice([1, 2, n], [[4], [5]]) for n in range(3, 9)]
    whole = score_options(model, asked, 0)
    predict, sizes = choices.predict, []

    def small(model: Any, rows: Any, *more: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > room:
            raise torch.OutOfMemoryError
        return predict(model, rows, *more)

    monkeypatch.setattr(choices, "predict", small)
    room = 2
    assert [list(row) for row in score_options(model, asked, 0)] == [pytest.approx(list(row)) for row in whole]
    assert sizes == [6, 3, 1, 2, 3, 1, 2]
    room = 0
    with pytest.raises(LimitError, match="one row of 3 tokens"):
        score_options(model, asked, 0)


def test_where_no_option_has_a_chance_none_is_preferred():
    assert probabilities([-math.inf, -math.inf]) == (0.5, 0.5)
    assert probabilities([-1000.0, -math.inf]) == (1.0, 0.0)
