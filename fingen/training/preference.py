"""What is learned of preferences: direct preference optimisation (Rafailov et al. 2023), DPO.

    loss = -log sigmoid(beta ((log p(chosen) - log q(chosen)) - (log p(rejected) - log q(rejected))))

p is the model with its adapter, q the same base with the adapter switched off: no second model is loaded. A log-probability is
the sum over all tokens of an answer, with the one that ends it. The loss is the mean over pairs, so cutting a step into batches
changes rounding and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from fingen.training.data import Example, Pair
from fingen.training.forward import unwrap
from fingen.training.recipe import LOSS, answer_logs, to_evaluation


@dataclass(frozen=True)
class Preference:
    """The objective. `beta` is how dear it is to move away from the base model, `pad` the id that fills rows."""

    beta: float
    pad: int

    def __call__(self, model: Any, rows: Sequence[Example], share: bool = True) -> dict[str, torch.Tensor]:
        """The loss over some pairs; for how many of them the chosen answer gained more; and by how much, times beta: each a sum."""
        pairs = [row for row in rows if isinstance(row, Pair)]
        both = [*pairs, *(pair.rejected for pair in pairs)]
        with _base_alone(model):
            base = answer_logs(model, both, self.pad, share=share)
        gained = answer_logs(model, both, self.pad, share=share) - base  # (2N,)
        margins = self.beta * (gained[: len(pairs)] - gained[len(pairs) :])
        right = (margins > 0).to(margins.dtype).sum()
        return {LOSS: -functional.logsigmoid(margins).sum(), "accuracy": right, "margin": margins.sum()}


@contextmanager
def _base_alone(model: Any) -> Iterator[None]:
    """The model without its adapter, and without any dropout, as long as this lasts; nothing is learned meanwhile."""
    own = unwrap(model)
    was = own.training
    to_evaluation(own)
    try:
        with torch.no_grad(), own.disable_adapter():
            yield
    finally:
        own.train(was)
