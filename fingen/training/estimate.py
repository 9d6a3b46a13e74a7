"""How long a training will take, by a short measurement of this machine, and how much goes through the model at once."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from fingen.config import Tuning
from fingen.training.base import DTYPES, choose_load
from fingen.training.data import Example
from fingen.training.forward import common_prefix
from fingen.training.memory import Batch

# Operations that a token costs for each parameter: two forwards, two for the gradients of what the layers were given; the
# frozen weights need none. Layers that are computed anew go forwards twice.
OPERATIONS, CHECKPOINTED = 4.0, 6.0
REACHED = (0.7, 0.2)  # share of a large matrix product's speed that a training has reached, at most and at least
SIZE, MEASURED_SECONDS = {"cpu": 1024, "cuda": 8192}, 0.3


def training_seconds(billions: float, tokens: float, tuning: Tuning) -> tuple[float, float]:
    """Seconds that training on `tokens` tokens takes about, at least and at most."""
    each = CHECKPOINTED if tuning.gradient_checkpointing else OPERATIONS
    whole = each * billions * 1e9 * tokens / matrix_speed(choose_load(tuning.load))
    return whole / REACHED[0], whole / REACHED[1]


def largest_batch(examples: Sequence[Example], tuning: Tuning) -> Batch:
    """The most that goes through the model at once, and the answers of as many rows; what all rows begin with counts once."""
    places = [row.places for row in examples]
    shared = 0 if tuning.gradient_checkpointing else common_prefix([row.ids for row in examples], places)
    lengths = sorted((len(row.ids) for row in examples), reverse=True)
    # Not always the longest rows: where only one of them fits, two that are a little shorter are more.
    groups = [
        (max(1, min(tuning.batch, tuning.tokens_per_batch // length, len(lengths) - at)), length)
        for at, length in enumerate(lengths)
    ]
    rows, length = max(groups, key=lambda group: group[0] * (group[1] - shared))
    learned = sorted(map(len, places), reverse=True)
    return Batch(shared + rows * (length - shared), sum(learned[:rows]))


def matrix_speed(load: str) -> float:
    """Operations a second of a large matrix product in a number format, on the device that would train."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = DTYPES.get(load, torch.bfloat16 if device == "cuda" else torch.float32)
    size = SIZE[device]
    left, right = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    _finish(left @ right)
    start, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < MEASURED_SECONDS:
        _finish(left @ right)
        count += 1
    return 2 * size**3 * count / spent


def _finish(product: torch.Tensor) -> None:
    if product.is_cuda:
        torch.cuda.synchronize()
