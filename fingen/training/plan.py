"""What a run will do, what it will take, and all that is in the way: before anything heavy is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fingen.config import BUILD, Finetune, Tuning
from fingen.errors import FingenError, SetError
from fingen.events import command_line
from fingen.records import Record, take
from fingen.sets import newest_set, read_manifest, read_split, say_terms
from fingen.training.data import hold_out
from fingen.training.memory import Batch, memory_bytes
from fingen.training.models import Base, find_base
from fingen.training.preflight import (
    MACHINE,
    Obstacle,
    find_obstacles,
    find_shape,
    free_memory_bytes,
    missing_libraries,
    planned_load,
)
from fingen.training.schedule import total_steps, warmup_steps, warmup_warning

ADAPTERS = BUILD / "adapters"
CHARACTERS_PER_TOKEN = {"en": 4.0, "zh": 1.5}  # about, for estimates before there is a tokenizer
TEMPLATE_TOKENS = 25  # about, that a chat template puts around a row


@dataclass(frozen=True)
class TrainingPlan:
    """What a run will do. `tokens` is an estimate."""

    base: Base
    data: Path | None  # the set
    out: Path | None
    tuning: Tuning
    obstacles: list[Obstacle]
    rows: int  # to train on; validation rows that are held out are none of them
    validation: int  # rows
    tokens: int  # in the training rows, once

    @property
    def steps(self) -> int:
        """Steps of the run, if no row is left out."""
        return total_steps(self.tuning, self.rows)

    @property
    def warmup_steps(self) -> int:
        """Steps of its warm-up."""
        return warmup_steps(self.tuning, self.steps)

    @property
    def warnings(self) -> list[str]:
        """What is not in the way, and may not be what was wanted."""
        if not self.rows:
            return []
        found = (warmup_warning(self.tuning, self.steps), few_rows(self.tuning, self.validation))
        return [*filter(None, found), *(say_terms(read_manifest(self.data).teacher) if self.data else ())]

    @property
    def free_bytes(self) -> int | None:
        """Free memory of what would train."""
        return free_memory_bytes()[0]

    @property
    def trains_on(self) -> str:
        """What would train, in words."""
        kind = free_memory_bytes()[1]
        return f"{kind}: no GPU is seen" if kind == MACHINE else kind

    def estimate_seconds(self) -> tuple[float, float] | None:
        """How long training may take on this machine, at least and at most; measures it for a moment. None: not known."""
        if not self.base.billions or not self.rows or find_spec("torch") is None:
            return None
        from fingen.training.estimate import training_seconds

        epochs = self.tuning.steps * self.tuning.batch / self.rows if self.tuning.steps else self.tuning.epochs
        return training_seconds(self.base.billions, self.tokens * epochs, self.tuning)

    def estimate_bytes(self) -> int | None:
        """Memory that training will take about; None: not known."""
        if not self.base.billions:
            return None
        load, cpu = planned_load(self.tuning.load), free_memory_bytes()[1] == MACHINE
        shape, batch = find_shape(self.base), self._largest_batch()
        return memory_bytes(self.base.billions, load, self.tuning, shape=shape, batch=batch, cpu=cpu)

    def _largest_batch(self) -> Batch | None:
        """What goes through the model at once, at most: by the tokenizer where it is here, else by the characters."""
        if self.data is None or not self.rows:
            return None
        rows, tuning = read_rows(self.data, self.tuning)[0], self.tuning
        if read_manifest(self.data).is_preferences:  # both answers of a pair are in memory together
            rows = [each for row in rows for each in (row, row.model_copy(update={"output": row.rejected}))]
            rows = [row.model_copy(update={"rejected": ""}) for row in rows]
            tuning = replace(tuning, batch=2 * tuning.batch)
        if self.base.local and not missing_libraries():
            from fingen.training.base import load_tokenizer
            from fingen.training.data import build_examples
            from fingen.training.estimate import largest_batch
            from fingen.training.template import build_template

            try:
                template = build_template(load_tokenizer(self.base.source), self.tuning.form)
            except FingenError:  # the run will say so
                return None
            kept = build_examples(rows, template, self.tuning.cutoff).kept
            return largest_batch(kept, tuning) if kept else None
        longest = max(map(estimated_tokens, rows))
        answers = sum(len(each.output) / CHARACTERS_PER_TOKEN[row.language] for row in rows for each in row.exchanges)
        tokens = max(longest, min(tuning.tokens_per_batch, tuning.batch * longest))
        return Batch(tokens, round(tokens * answers / self.tokens))


def build_plan(settings: Finetune, tuning: Tuning) -> TrainingPlan:
    """Find the base model, the set, and all that is in the way.

    Raises:
        UsageError: there is no base model of that name.
    """
    base = find_base(settings.model)
    obstacles: list[Obstacle] = []
    data, records, held = None, list[Record](), list[Record]()
    try:
        data = settings.data or newest_set(BUILD)
        records, held = read_rows(data, tuning)
        obstacles += _objective_obstacles(data, settings.objective)
    except SetError as e:
        obstacles.append(Obstacle(str(e), e.hint))
    # torch is not loaded for a name that is wrong
    obstacles += find_obstacles(base, tuning, trust_remote_code=settings.trust_remote_code, memory=not obstacles)
    obstacles += find_trackers(settings.report_to)
    out = settings.out or (ADAPTERS / f"{read_manifest(data).name}-{base.name}" if data and records else None)
    return TrainingPlan(base, data, out, tuning, obstacles, len(records), len(held),
                sum(map(estimated_tokens, records)))  # fmt: skip


def _objective_obstacles(data: Path, objective: str) -> Iterator[Obstacle]:
    """What keeps the rows of a set from being learned by an objective."""
    is_ranked = read_manifest(data).is_preferences
    if is_ranked and objective != "dpo":
        yield Obstacle(f"{data}: its rows are preferences, of which one answer is wrong", "pass --objective dpo")
    elif objective == "dpo" and not is_ranked:
        remedy = f"make preferences of it: {command_line('fingen', 'prefer', data)}; or name a set of them with --set"
        yield Obstacle(f"{data}: --objective dpo learns of preferences, and its rows are none", remedy)


def read_rows(data: Path, tuning: Tuning) -> tuple[list[Record], list[Record]]:
    """Training and validation rows of a set; without a validation split a share of the former is held out, if that was asked.

    Raises:
        SetError: the set is missing or broken.
    """
    train, validation = list(read_split(data, "train")), list[Record]()
    if read_manifest(data).splits.get("validation"):
        validation = list(read_split(data, "validation"))
    elif tuning.validation_share:
        train, validation = hold_out(train, tuning.validation_share)
    return take(train, tuning.limit), take(validation, tuning.limit)


def few_rows(tuning: Tuning, validation: int) -> str | None:
    """What to tell where weights or an end were to be chosen by so few validation rows that chance would choose them."""
    chooses = tuning.keep == "best" or tuning.patience is not None
    if not chooses or not 0 < validation < tuning.keep_rows:
        return None
    return f"{validation} validation rows are too few to choose weights by, {tuning.keep_rows} are needed (keep_rows)"


def find_trackers(names: Sequence[str]) -> Iterator[Obstacle]:
    """What keeps the history from being sent to trackers."""
    if not names or find_spec("transformers") is None:
        return
    from transformers.integrations import integration_utils

    library: Any = integration_utils  # it is annotated in part only
    known, there = library.INTEGRATION_TO_CALLBACK, library.get_available_reporting_integrations()
    for name in names:
        if name not in known:
            yield Obstacle(f"--report-to {name}: no such tracker", f"there are {', '.join(sorted(known))}")
        elif name not in there:
            yield Obstacle(f"--report-to {name}: it is not installed", f"pip install {name}, or leave it out")


def estimated_tokens(record: Record) -> int:
    """Tokens of a row, about."""
    texts = 2 if record.rejected else 1
    characters = texts * (sum(map(len, record.said)) - len(record.output)) + len(record.output) + len(record.rejected)
    return texts * TEMPLATE_TOKENS + round(characters / CHARACTERS_PER_TOKEN[record.language])
