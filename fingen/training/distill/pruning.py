"""Layers taken out of a model: which ones, by what that changes in its answers; and how, as an ordinary model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import PeftModel

from fingen.errors import UsageError
from fingen.training.data import Example, cut
from fingen.training.distill.pairs import check_drop
from fingen.training.forward import exact, predict, unwrap


def plain(model: Any) -> Any:
    """The model itself, out of what distributes it and of the adapter on it."""
    model = unwrap(model)
    return model.get_base_model() if isinstance(model, PeftModel) else model


def find_layers(model: Any) -> torch.nn.ModuleList:
    """The decoder layers of a model, in their order.

    Raises:
        UsageError: it has none that can be told from its other modules.
    """
    count = model.config.get_text_config().num_hidden_layers
    lists = [each for each in model.modules() if isinstance(each, torch.nn.ModuleList) and len(each) == count]
    if not lists or not count:
        raise UsageError("the model's layers cannot be told from its other modules", hint="take another model")
    return lists[0]


@contextmanager
def _computing(forwards: Mapping[torch.nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Have modules compute something else."""
    own = {module: vars(module).get("forward") for module in forwards}
    for module, forward in forwards.items():
        vars(module)["forward"] = forward
    try:
        yield
    finally:
        for module, before in own.items():
            del vars(module)["forward"]
            if before is not None:
                vars(module)["forward"] = before


@dataclass(frozen=True)
class _Instead:
    """What a layer gives in place of what it would compute: `given`; None: what it is given, in the form of `like`.

    What all rows begin with goes through the model before them, as a row alone: that is computed, for the keys and values in the
    cache.
    """

    own: Callable[..., Any]
    rows: int
    like: Any
    given: Any = None

    def __call__(self, hidden_states: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        is_alone = len(hidden_states) < self.rows
        output = self.own(hidden_states, *arguments, **named) if is_alone else self.given
        if self.given is not None:
            return output
        return (hidden_states, *self.like[1:]) if isinstance(self.like, tuple) else hidden_states


@contextmanager
def _recorded(layers: Iterable[torch.nn.Module]) -> Iterator[dict[torch.nn.Module, Any]]:
    """What each layer gives, as long as this lasts."""
    given: dict[torch.nn.Module, Any] = {}

    def keep(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        given[module] = output

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


def choose_layer(
    model: Any, out: Sequence[int], rows: Sequence[Example], pad: int, tokens_per_batch: int
) -> tuple[int, float]:
    """The layer whose absence, beside those that are `out`, changes the answers least, and that change.

    It is the mean KL to the whole model over the answer tokens of the rows, in nats. Below the layer that is tried nothing changes,
    so what the layers there give is computed once for all that are tried.
    """
    layers = list(find_layers(model))
    sums = {number: 0.0 for number in range(len(layers)) if number not in out}
    model.eval()
    for group in cut(rows, tokens_per_batch):
        with _recorded(layers) as given:
            whole = answer_logs(model, group, pad)
        skips = {layer: _Instead(layer.forward, len(group), given[layer]) for layer in layers}
        gone = {layers[number]: skips[layers[number]] for number in out}
        with _computing(gone), _recorded(layers) as given:
            answer_logs(model, group, pad)
        kept = {layer: replace(skips[layer], given=given[layer]) for layer in layers}
        for number in sums:
            below = {layer: kept[layer] for layer in layers[:number]}
            with _computing(below | gone | {layers[number]: skips[layers[number]]}):
                logs = answer_logs(model, group, pad)
            sums[number] += (whole.exp() * (whole - logs)).sum().item()
    tokens = sum(row.answer for row in rows)
    best = min(sums, key=lambda number: (sums[number], number))
    return best, sums[best] / tokens


def answer_logs(model: Any, rows: Sequence[Example], pad: int) -> torch.Tensor:
    """Log-probabilities at the answer positions: (N, V)."""
    places = [range(len(row.ids) - row.answer - 1, len(row.ids) - 1) for row in rows]
    with torch.no_grad():
        return exact(predict(model, [row.ids for row in rows], places, pad)).log_softmax(-1)


def choose_layers(
    model: Any, count: int, rows: Sequence[Example], pad: int, tokens_per_batch: int, *,
    begun: Sequence[tuple[int, float]] = (), told: Callable[[list[tuple[int, float]]], None] = lambda chosen: None,
) -> list[tuple[int, float]]:  # fmt: skip
    """The layers to take out, one after the other and measured anew after each, with the KL that the model has then.

    `begun` are those that were chosen before; `told` gets all of them after each choice.

    Raises:
        UsageError: so many would leave none.
    """
    check_drop(count, len(find_layers(model)))
    chosen = list(begun)[:count]
    while len(chosen) < count:
        chosen.append(choose_layer(model, [number for number, _ in chosen], rows, pad, tokens_per_batch))
        told(chosen)
    return chosen


def cut_layers(model: Any, out: Sequence[int]) -> list[int]:
    """Take layers out of a model, in place; the layers of before that are left, in their order.

    Whatever its configuration lists by layer is cut too, so that it is an ordinary model of its kind.
    """
    layers, config = find_layers(model), model.config.get_text_config()
    there = len(layers)
    kept = [number for number in range(there) if number not in out]
    for number in sorted(out, reverse=True):
        del layers[number]
    for number, layer in enumerate(layers):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                setattr(module, "layer_idx", number)  # noqa: B010  # torch annotates what a module may be given
    for name, value in list(vars(config).items()):
        if "layer" in name and isinstance(value, list) and len(value) == there:
            setattr(config, name, [value[number] for number in kept])
    config.num_hidden_layers = len(kept)
    return kept
