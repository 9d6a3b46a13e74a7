"""One training with several seeds: what it comes to on average, and how far that depends on chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fingen.config import Finetune, Tuning
from fingen.events import Outcome, command_line
from fingen.metrics import Spread, spread
from fingen.training.plan import build_plan
from fingen.training.preflight import refuse
from fingen.training.run import Say, Tuned, finetune

FIGURES = ("loss", "validation_loss", "validation_macro_f1", "validation_accuracy")  # of a run's metrics


@dataclass(frozen=True)
class Seeds(Outcome):
    """Adapters that differ by their seed alone, and the figures that all of them have."""

    runs: tuple[Tuned, ...] = ()
    figures: dict[str, Spread] = field(default_factory=dict)


def finetune_seeds(
    settings: Finetune,
    tuning: Tuning,
    *,
    sources: Mapping[str, str] | None = None,
    say: Say = lambda text: None,
    show: Callable[[str, str], None] = lambda prompt, answer: None,
) -> Seeds:
    """Train `settings.seeds` adapters, beside each other in folders whose names end with their seed; the rest as `finetune`.

    Those that are there already are not trained again.

    Raises:
        UsageError, LimitError, Interrupted: as `finetune`.
    """
    count = settings.seeds or 1
    plan = build_plan(settings, tuning)
    refuse(plan.obstacles)
    runs: list[Tuned] = []
    for number, seed in enumerate(range(tuning.seed, tuning.seed + count), 1):
        say(f"seed {seed}: adapter {number} of {count}")
        each = replace(settings, out=Path(f"{plan.out}-seed{seed}"), base_seed=tuning.seed)
        said = {**(sources or {}), "seed": "--seeds"}
        runs.append(finetune(each, replace(tuning, seed=seed), sources=said, say=say, show=show))
    metrics = [run.manifest["metrics"] for run in runs]
    figures = {
        name: spread([each[name] for each in metrics])
        for name in FIGURES
        if all(each.get(name) is not None for each in metrics)
    }
    scored = command_line("fingen", "score", *(run.adapter for run in runs))
    return Seeds(runs=tuple(runs), figures=figures, changed=any(run.changed for run in runs), next=scored)
