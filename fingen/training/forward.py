"""One forward pass over rows of different lengths that computes no more than is asked for.

Rows are padded on the right, where a causal model never looks back from: it needs no attention mask, and runs its fastest
kernel. The head, a quarter of a small model's work, runs at the wanted positions alone. What all rows begin with is computed
once, and its keys and values are given to each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import DynamicCache

PAYS = 0.1  # share of the tokens that a common prefix has to save: a second pass over the layers costs something too


def predict(
    model: Any, rows: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], pad: int, *, share: bool = True
) -> torch.Tensor:
    """Logits of the token that follows each wanted position.

    Args:
        model: a causal language model, with or without adapter, wrapped or not.
        rows: B rows of token ids.
        wanted: for each row its positions, from 0, ascending; none of them before the common prefix ends.
        pad: a token id to fill rows with; no real token sees it.
        share: compute a common prefix once, where that pays. Gradients flow through it.

    Returns:
        (N, V), N the number of all wanted positions, row by row.
    """
    return predict_with_states(model, rows, wanted, pad, share=share)[0]


def predict_with_states(
    model: Any, rows: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], pad: int, *, share: bool = True,
    modules: Sequence[torch.nn.Module] = (),
) -> tuple[torch.Tensor, list[torch.Tensor]]:  # fmt: skip
    """What `predict` gives, and what each of some modules of the model gave at the wanted positions: (N, H)."""
    device = next(model.parameters()).device
    prefix = common_prefix(rows, wanted) if share else 0
    if prefix and getattr(unwrap(model), "is_activation_checkpointing", False):
        prefix = 0  # layers that are computed anew on the way back keep no keys and values to hand on
    width = max(len(row) for row in rows) - prefix
    tails = torch.tensor([[*row[prefix:], *[pad] * (prefix + width - len(row))] for row in rows], device=device)
    row_index = torch.tensor([i for i, places in enumerate(wanted) for _ in places], device=device)
    column = torch.tensor([place - prefix for places in wanted for place in places], device=device)
    cache = _prefix_cache(model, rows[0][:prefix], len(rows), device) if prefix else None
    with _head_at(model, row_index, column) as direct, _kept(modules) as given:
        logits = model(input_ids=tails, past_key_values=cache, use_cache=cache is not None).logits
    found: torch.Tensor = logits[0] if direct else logits[row_index, column]
    return found, [given[module][row_index, column] for module in modules]


def exact(logits: torch.Tensor) -> torch.Tensor:
    """Logits in float32 or better."""
    return logits if logits.dtype == torch.float64 else logits.float()


def common_prefix(rows: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> int:
    """Length of what all rows begin with, before anything wanted; 0 where computing it once would not pay."""
    if len(rows) < 2:
        return 0
    same = next((at for at, tokens in enumerate(zip(*rows, strict=False)) if len(set(tokens)) > 1), len(rows[0]))
    length = min(same, *(places[0] for places in wanted))
    saved = length * (len(rows) - 1)
    return length if saved > PAYS * sum(map(len, rows)) else 0


def _prefix_cache(model: Any, prefix: Sequence[int], rows: int, device: torch.device) -> DynamicCache:
    """Keys and values of a prefix, as of `rows` rows."""
    cache = DynamicCache(config=unwrap(model).config)
    nothing = torch.zeros(0, dtype=torch.long, device=device)
    with _head_at(model, nothing, nothing):
        model(input_ids=torch.tensor([list(prefix)], device=device), past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(rows)
    return cache


@contextmanager
def _head_at(model: Any, row: torch.Tensor, column: torch.Tensor) -> Iterator[bool]:
    """Let the head see these positions only, as (1, N, H); False where a model's head cannot be told."""
    head = unwrap(model).get_output_embeddings()
    if head is None:
        yield False
        return
    hook = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][row, column][None], *inputs[1:]))
    try:
        yield True
    finally:
        hook.remove()


@contextmanager
def _kept(modules: Sequence[torch.nn.Module]) -> Iterator[dict[torch.nn.Module, torch.Tensor]]:
    """What the modules give, (B, S, H) each, as long as this lasts."""
    given: dict[torch.nn.Module, torch.Tensor] = {}

    def keep(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        given[module] = output[0] if isinstance(output, tuple) else output

    hooks = [module.register_forward_hook(keep) for module in set(modules)]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


def unwrap(model: Any) -> Any:
    """The model itself, out of what distributes it."""
    while isinstance(getattr(model, "module", None), torch.nn.Module):
        model = model.module
    return model
