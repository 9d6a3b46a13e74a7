"""How many steps a run has, and the learning rate of each. Nothing here needs torch."""

from __future__ import annotations

import math

from fingen.config import Tuning


def total_steps(tuning: Tuning, rows: int) -> int:
    """Steps of a whole run on that many rows."""
    return tuning.steps or tuning.epochs * math.ceil(rows / tuning.batch)


def warmup_steps(tuning: Tuning, steps: int) -> int:
    """Steps of the warm-up in a run of `steps`."""
    return int(tuning.warmup) if tuning.warmup >= 1 else math.ceil(tuning.warmup * steps)


def rate(tuning: Tuning, steps: int, step: int) -> float:
    """The share of the learning rate that step `step` of `steps` has, counted from 0: 0..1.

    transformers' schedules begin their warm-up with a rate of 0, a step that learns nothing; this one goes up in the same
    number of steps and begins one stair higher, so that its last step has the whole rate. Behind it they are the same.
    """
    warmup = warmup_steps(tuning, steps)
    if step < warmup:
        return (step + 1) / warmup
    behind = max(1, steps - warmup)
    if tuning.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * ((step - warmup) / behind)))
    return max(0, steps - step) / behind if tuning.schedule == "linear" else 1.0


def warmup_warning(tuning: Tuning, steps: int) -> str | None:
    """What to tell of a warm-up that leaves no step behind it; None where there is one."""
    warmup = warmup_steps(tuning, steps)
    if warmup < steps or warmup <= 1:
        return None
    return (
        f"the warm-up of {warmup:,} steps is as long as the run of {steps:,} or longer: the learning rate only goes up, to "
        f"{rate(tuning, steps, steps - 1) * tuning.learning_rate:.2g} of {tuning.learning_rate:.2g}"
    )
