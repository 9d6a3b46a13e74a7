"""The conductor: what is asked, what is in the way, then base model, rows, training, and the adapter's folder."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fingen import __version__
from fingen.config import BUILD, Finetune, Tuning
from fingen.errors import SetError, UsageError
from fingen.records import Record, dump_json, sha256_file, sha256_text
from fingen.sets import MANIFEST as SET_MANIFEST
from fingen.sets import newest_set, read_manifest, read_split
from fingen.training.models import Base, find_base, memory_bytes
from fingen.training.obstacles import Obstacle, find_obstacles, free_memory_bytes, planned_load, refuse

ADAPTERS, MODELS_FOLDER = BUILD / "adapters", BUILD / "models"
LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors")
SPEED_ONLY = ("tokens_per_batch", "gradient_checkpointing", "save_every")  # they change rounding, not what is learned
CHARACTERS_PER_TOKEN = {"en": 4.0, "zh": 1.5}  # about, for estimates before there is a tokenizer
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a run will do, before anything heavy is touched. `need_bytes` and `tokens` are estimates."""

    base: Base
    data: Path | None  # the set
    out: Path | None
    tuning: Tuning
    obstacles: list[Obstacle]
    need_bytes: int | None
    free_bytes: int | None
    rows: int
    tokens: int  # in the training rows, once

    def estimate_seconds(self) -> tuple[float, float] | None:
        """How long training may take on this machine, at least and at most; measures it for a moment. None: not known."""
        if not self.base.billions or not self.rows or find_spec("torch") is None:
            return None
        from fingen.training.estimate import training_seconds

        epochs = self.tuning.steps * self.tuning.batch / self.rows if self.tuning.steps else self.tuning.epochs
        return training_seconds(self.base.billions, self.tokens * epochs, self.tuning)


@dataclass(frozen=True)
class Tuned:
    """What `finetune` made. Losses are means over answer tokens, in nats."""

    adapter: Path
    manifest: dict[str, Any]
    changed: bool  # whether anything was trained
    seconds: float = 0.0
    tokens: int = 0  # trained on, prompts included
    notes: list[str] = field(default_factory=list)

    @property
    def next(self) -> str:
        """The command to type next."""
        return f"fingen chat {self.adapter}"


def build_plan(settings: Finetune, tuning: Tuning) -> Plan:
    """Find the base model, the set, and all that is in the way.

    Raises:
        UsageError: there is no base model of that name.
    """
    base = find_base(settings.model)
    try:
        data = settings.data or newest_set(BUILD)
        records = list(read_split(data, "train"))
        rows, tokens = len(records), sum(map(_estimated_tokens, records))
    except SetError as e:  # torch is not loaded for a name that is wrong
        obstacles = find_obstacles(base, tuning, trust_remote_code=settings.trust_remote_code, memory=False)
        return Plan(base, None, settings.out, tuning, [Obstacle(str(e), e.hint), *obstacles], None, None, 0, 0)
    obstacles = find_obstacles(base, tuning, trust_remote_code=settings.trust_remote_code)
    obstacles += _trackers(settings.report_to)
    out = settings.out or (ADAPTERS / f"{read_manifest(data).name}-{base.name}" if data and rows else None)
    need = memory_bytes(base.billions, planned_load(tuning.load), tuning) if base.billions else None
    return Plan(base, data, out, tuning, obstacles, need, free_memory_bytes()[0], rows, tokens)


def _trackers(names: Sequence[str]) -> Iterator[Obstacle]:
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


def _estimated_tokens(record: Record) -> int:
    characters = len(record.instruction) + len(record.input) + len(record.output)
    return round(characters / CHARACTERS_PER_TOKEN[record.language])


def finetune(
    settings: Finetune,
    tuning: Tuning | None = None,
    *,
    sources: Mapping[str, str] | None = None,
    say: Say = lambda text: None,
    show: Callable[[str, str], None] = lambda prompt, answer: None,
) -> Tuned:
    """Train an adapter. `say` gets lines of progress, `show` one row as the model sees it: what is given, what is learned.

    Raises:
        UsageError: something is in the way, or the folder holds another run.
        LimitError: out of memory or disk.
        Interrupted: stopped by the user; `resume` goes on.
    """
    tuning = tuning or Tuning()
    plan = build_plan(settings, tuning)
    refuse(plan.obstacles)
    assert plan.data is not None  # a set that is missing is an obstacle
    assert plan.out is not None
    from accelerate import PartialState

    state = PartialState()  # of the processes, where `accelerate launch` has started several
    if not state.is_main_process:
        say, show = (lambda text: None), (lambda prompt, answer: None)
    run = _run_id(plan, settings)
    with state.main_process_first():
        made = _finished(plan.out, run, settings)
    state.wait_for_everyone()
    if made:
        return Tuned(plan.out, made, changed=False)
    with _threads(plan.base):
        return _train(settings, plan, plan.data, plan.out, run, dict(sources or {}), say, show)


def _threads(base: Base) -> AbstractContextManager[None]:
    if not base.built:
        return nullcontext()
    from fingen.training.tiny import one_thread

    return one_thread()


def _run_id(plan: Plan, settings: Finetune) -> str:
    """What makes two runs the same: set, base model, and every setting that changes what is learned."""
    assert plan.data is not None
    learned = {name: value for name, value in asdict(plan.tuning).items() if name not in SPEED_ONLY}
    return sha256_text(sha256_file(plan.data / SET_MANIFEST), plan.base.source, dump_json(learned))


def _finished(out: Path, run: str, settings: Finetune) -> dict[str, Any] | None:
    """The manifest of this very run, if it is done; what is to be replaced is removed.

    Raises:
        UsageError: the folder holds another run, or one that is not finished and was not asked to be.
    """
    from fingen.training import adapter, checkpoints

    whole, unfinished = (out / adapter.MANIFEST).is_file(), checkpoints.is_unfinished(out)
    if settings.replace:
        (out / adapter.MANIFEST).unlink(missing_ok=True)
        checkpoints.clear(out)
        return None
    if whole:
        manifest = adapter.read_adapter(out)
        if manifest.get("run") == run:
            return manifest
        raise UsageError(
            f"{out}: an adapter of another set, base model or settings is here",
            hint="name another folder with --out, or start anew with --replace",
        )
    if unfinished and not settings.resume:
        raise UsageError(
            f"{out}: a run is here that was not finished", hint="go on with --resume, or start anew with --replace"
        )
    return None


def _train(
    settings: Finetune, plan: Plan, data: Path, out: Path, run: str, sources: dict[str, str], say: Say,
    show: Callable[[str, str], None],
) -> Tuned:  # fmt: skip
    from accelerate import PartialState

    from fingen.training import adapter, checkpoints, recipe
    from fingen.training.base import load_base
    from fingen.training.classes import build_judge
    from fingen.training.data import build_examples, hold_out
    from fingen.training.template import build_template

    train, validation = list(read_split(data, "train")), []
    if read_manifest(data).splits.get("validation"):
        validation = list(read_split(data, "validation"))
    elif plan.tuning.validation_share:
        train, validation = hold_out(train, plan.tuning.validation_share)
    state = PartialState()
    with state.main_process_first():
        source = _source(plan, data, train, say)
    loaded = load_base(source, plan.tuning.load, trust_remote_code=settings.trust_remote_code)
    tuning = replace(plan.tuning, load=loaded.load)
    template = build_template(loaded.tokenizer, tuning.form)
    rows = build_examples(train, template, tuning.cutoff)
    held = build_examples(validation, template, tuning.cutoff)
    left_out = {reason: [*rows.left_out.get(reason, ()), *held.left_out.get(reason, ())]
                for reason in (*rows.left_out, *held.left_out)}  # fmt: skip
    for reason, ids in left_out.items():
        say(f"left out: {len(ids)} rows: {reason}")
    if not rows.kept:
        raise UsageError(
            f"{data}: no training row is left: {'; '.join(left_out) or 'there are none'}; the longest has {rows.longest_tokens} tokens",
            hint=f"pass --override cutoff={rows.longest_tokens}, or make the set anew with smaller passages",
        )
    kept, first = {example.id for example in held.kept}, rows.kept[0]
    show(*(loaded.tokenizer.decode(part) for part in (first.ids[: -first.answer], first.ids[-first.answer :])))
    model = recipe.add_adapter(loaded.model, tuning)
    judge = build_judge([record for record in validation if record.id in kept], train, template)
    trained = recipe.fit(
        model, rows.kept, held.kept, template.pad, tuning, out, run, say=say, judge=judge, report_to=settings.report_to
    )
    base = plan.base
    manifest = {
        "format": 1,
        "name": out.name,
        "run": run,
        "folder": out.as_posix(),
        "merged": (MODELS_FOLDER / out.name).as_posix(),
        "base": {
            "source": source,
            "hub_id": None if base.built or base.local else base.source,
            "revision": getattr(loaded.model.config, "_commit_hash", None),
            "weights": {path.name: sha256_file(path) for path in sorted(Path(source).glob("*.safetensors"))},
            "built": base.built,
            "licence": base.alias.licence if base.alias else None,
            "remote_code": settings.trust_remote_code,
        },
        "load": loaded.load,
        "set": {"name": read_manifest(data).name, "sha256": sha256_file(data / SET_MANIFEST)},
        "recipe": settings.recipe,
        "template": {"form": tuning.form, "sha256": template.sha256},
        "rows": {"train": len(rows.kept), "validation": len(held.kept), "left_out": left_out},
        "metrics": {
            "steps": trained.steps,
            "kept_step": trained.kept_step,
            "loss": trained.loss,
            "validation_loss": trained.validation_loss,
            "validation_macro_f1": trained.macro_f1,
        },
        "processes": state.num_processes,
        "settings": asdict(plan.tuning),
        "sources": sources,
        "versions": {"fingen": __version__, "python": platform.python_version(), **{n: version(n) for n in LIBRARIES}},
    }
    if state.is_main_process:
        history = checkpoints.read_history(out / checkpoints.HISTORY)
        adapter.write_adapter(model, loaded.tokenizer, out, manifest, history, trained.weights)
        checkpoints.clear(out)
    state.wait_for_everyone()
    return Tuned(out, adapter.read_adapter(out), True, trained.seconds, trained.tokens, trained.notes)


def _source(plan: Plan, data: Path, train: list[Record], say: Say) -> str:
    """Where the base model is loaded from; the tiny one is made first."""
    if not plan.base.built:
        return plan.base.source
    from fingen.training.tiny import build_tiny

    folder = MODELS_FOLDER / f"{plan.base.name}-{read_manifest(data).name}"
    of = sha256_text(sha256_file(data / SET_MANIFEST), *(record.id for record in train))
    build_tiny(train, folder, of, plan.tuning.seed, say)
    return folder.as_posix()
