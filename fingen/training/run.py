"""The conductor: what is asked, what is in the way, then base model, rows, training, and the adapter's folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fingen import __version__
from fingen.adapters import FILES as ADAPTER_FILES
from fingen.adapters import render_left_out
from fingen.config import BUILD, Finetune, Tuning
from fingen.disk import dump_json, refuse_others, sha256_file, sha256_text
from fingen.errors import UsageError
from fingen.events import Outcome, command_line
from fingen.metrics import wilson
from fingen.records import Record
from fingen.sets import MANIFEST as SET_MANIFEST
from fingen.sets import read_manifest, read_split, say_terms
from fingen.training.merged import weights_of
from fingen.training.models import Base, shadow_note
from fingen.training.plan import TrainingPlan, build_plan, few_rows, read_rows
from fingen.training.preflight import refuse
from fingen.training.schedule import total_steps, warmup_warning

if TYPE_CHECKING:
    from fingen.training.classes import Judge
    from fingen.training.data import Examples
    from fingen.training.recipe import Objective, Trained
    from fingen.training.template import Template

MODELS_FOLDER = BUILD / "models"
LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors")
SPEED_ONLY = ("tokens_per_batch", "gradient_checkpointing", "save_every")  # they change rounding, not what is learned
Say = Callable[[str], None]


@dataclass(frozen=True)
class Tuned(Outcome):
    """What `finetune` made. Losses are means over answer tokens, in nats."""

    adapter: Path
    manifest: dict[str, Any]
    seconds: float = 0.0
    tokens: int = 0  # trained on, prompts included


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
    if note := shadow_note(plan.base.source):
        say(note)
    run = _run_id(plan, settings)
    with state.main_process_first():
        made = _finished(plan.out, run, settings)
    state.wait_for_everyone()
    if made:
        return Tuned(plan.out, made, changed=False, next=_next(plan.out))
    with _threads(plan.base):
        return _train(settings, plan, plan.data, plan.out, run, dict(sources or {}), say, show)


def _threads(base: Base) -> AbstractContextManager[None]:
    if not base.built:
        return nullcontext()
    from fingen.training.tiny import one_thread

    return one_thread()


def _run_id(plan: TrainingPlan, settings: Finetune) -> str:
    """What makes two runs the same: set, base model, and every setting that changes what is learned."""
    assert plan.data is not None
    learned = {name: value for name, value in asdict(plan.tuning).items() if name not in SPEED_ONLY}
    if plan.tuning.limit is None:  # as runs were told apart before there was one
        del learned["limit"]
    ranked = (
        [settings.objective, str(settings.beta)] if settings.objective != "sft" else []
    )  # as runs were told apart before
    return sha256_text(sha256_file(plan.data / SET_MANIFEST), plan.base.source, dump_json(learned), *ranked)


def _finished(out: Path, run: str, settings: Finetune) -> dict[str, Any] | None:
    """The manifest of this very run, if it is done; what is to be replaced is removed.

    Raises:
        UsageError: the folder holds something else, another run, or one that is not finished and was not asked to be.
    """
    from fingen.training import adapter, checkpoints

    traces = (adapter.MANIFEST, checkpoints.HISTORY, checkpoints.CHECKPOINTS)
    begun = any(os.path.lexists(out / name) for name in traces)  # which takes any name, unlike Path.exists
    refuse_others(out, {*ADAPTER_FILES, checkpoints.CHECKPOINTS} if begun else (), "adapter")
    whole = (out / adapter.MANIFEST).is_file()
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
    checkpoints.refuse_unfinished(out, resume=settings.resume)
    return None


def _train(
    settings: Finetune, plan: TrainingPlan, data: Path, out: Path, run: str, sources: dict[str, str], say: Say,
    show: Callable[[str, str], None],
) -> Tuned:  # fmt: skip
    from accelerate import PartialState

    from fingen.training import adapter, checkpoints, recipe
    from fingen.training.base import load_base, positions
    from fingen.training.classes import build_judge
    from fingen.training.data import build_pairs, count_seen
    from fingen.training.frame import find_frame
    from fingen.training.preference import Preference
    from fingen.training.template import build_template

    train, validation = read_rows(data, plan.tuning)
    state = PartialState()
    with state.main_process_first():
        source = _source(plan, data, settings, say)
    loaded = load_base(source, plan.tuning.load, trust_remote_code=settings.trust_remote_code)
    tuning = replace(plan.tuning, load=loaded.load)
    template = build_template(loaded.tokenizer, tuning.form)
    for note in template.notes:
        say(note)
    by_preference = settings.objective == "dpo"
    build = build_pairs if by_preference else None
    rows, held, left_out = encode_rows(train, validation, template, tuning, positions(loaded.model), build)
    for line in render_left_out(left_out):
        say(line)
    if not rows.kept:
        raise no_rows(data, rows, tuning, positions(loaded.model))
    if rows.parted:
        say(f"{rows.parted} conversations are rows for each answer: the chat template writes earlier answers otherwise")
    kept, first = {example.id for example in held.kept}, rows.kept[0]
    show(*(loaded.tokenizer.decode(part) for part in (first.ids[: -first.answer], first.ids[-first.answer :])))
    model = recipe.add_adapter(loaded.model, tuning)
    targets = sorted(model.peft_config["default"].target_modules)
    if recipe.FUSED in tuning.targets and recipe.FUSED not in targets:
        say(f"targets: {', '.join(targets)} are this base model's {recipe.FUSED}")
    few = few_rows(tuning, len(held.kept))
    warnings = (
        warmup_warning(tuning, total_steps(tuning, len(rows.kept))),
        few,
        *say_terms(read_manifest(data).teacher),
    )
    for warning in filter(None, warnings):
        say(warning)
    if few:
        tuning = replace(tuning, keep="last", patience=None)
    objective = judge = None
    if by_preference:
        objective = Preference(settings.beta, template.pad)
    else:
        judge = build_judge([record for record in validation if record.id in kept], train, template)
    trained = recipe.fit(
        model, rows.kept, held.kept, template.pad, tuning, out, run, say=say, judge=judge, objective=objective,
        report_to=settings.report_to,
    )  # fmt: skip
    preferred = (
        _preferred(model, objective, data, template, tuning, trained, len(held.kept)) if objective is not None else None
    )
    seen = count_seen([row.tokens for row in rows.kept], tuning.batch, tuning.seed, trained.kept_step)
    manifest = {
        "format": 1,
        "name": out.name,
        "run": run,
        "folder": out.as_posix(),
        "merged": (MODELS_FOLDER / out.name).as_posix(),
        "base": {**_describe_base(plan.base, source, loaded.model), "remote_code": settings.trust_remote_code},
        "load": loaded.load,
        "set": {"name": read_manifest(data).name, "sha256": sha256_file(data / SET_MANIFEST)},
        "recipe": settings.recipe,
        **({"objective": {"name": settings.objective, "beta": settings.beta}} if by_preference else {}),
        "template": {"form": tuning.form, "sha256": template.sha256},
        "frame": asdict(frame) if (frame := find_frame(train)) else None,
        "targets": targets,
        "rows": {"train": len(rows.kept), "seen": asdict(seen), "validation": len(held.kept), "left_out": left_out},
        "metrics": {
            **build_metrics(trained, judge, plan.tuning, len(held.kept)),
            **({"preferred": preferred} if objective else {}),
        },
        "processes": state.num_processes,
        "settings": asdict(plan.tuning),
        "sources": sources,
        "versions": installed_versions(),
    }
    if state.is_main_process:
        history = checkpoints.read_history(out / checkpoints.HISTORY)
        adapter.write_adapter(model, loaded.tokenizer, out, manifest, history, trained.weights)
        checkpoints.clear(out)
    state.wait_for_everyone()
    return Tuned(out, adapter.read_adapter(out), trained.seconds, trained.tokens, notes=trained.notes, next=_next(out))


def encode_rows(
    train: list[Record], validation: list[Record], template: Template, tuning: Tuning, most: int | None,
    build: Callable[[list[Record], Template, int, int | None], Examples] | None = None,
) -> tuple[Examples, Examples, dict[str, list[str]]]:  # fmt: skip
    """The rows of both splits as the model sees them, by `build`, and ids of those that are left out, by reason."""
    from fingen.training.data import build_examples

    build = build or build_examples
    rows, held = (build(each, template, tuning.cutoff, most) for each in (train, validation))
    left_out: dict[str, list[str]] = {}
    for reason, ids in (*rows.left_out.items(), *held.left_out.items()):
        left_out.setdefault(reason, []).extend(ids)
    return rows, held, left_out


def no_rows(data: Path, rows: Examples, tuning: Tuning, most: int | None) -> UsageError:
    """What to say where no training row is left. `most` are the tokens that the base model reads."""
    longest = rows.longest_tokens
    useful = longest if most is None else min(longest, most)
    way = f"pass --override cutoff={useful}" if useful > tuning.cutoff else "take a base model that reads more"
    return UsageError(
        f"{data}: no training row is left: {'; '.join(rows.left_out) or 'there are none'}; the longest has {longest} tokens",
        hint=f"{way}, or make the set anew with smaller passages",
    )


def _next(adapter: Path) -> str:
    """The command to type when an adapter is there."""
    return command_line("fingen", "chat", adapter)


def installed_versions() -> dict[str, str]:
    """What something was made with: fingen, Python, and the libraries that train."""
    return {"fingen": __version__, "python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def build_metrics(trained: Trained, judge: Judge | None, tuning: Tuning, validation: int) -> dict[str, Any]:
    """How far it went, which weights were kept and why, and what these come to on that many validation rows.

    `tuning` is what was asked for. One answer to all rows stands beside theirs. `learned` is None where there are no classes, or
    too few rows to say so.
    """
    few, is_best = few_rows(tuning, validation), tuning.keep == "best" and bool(validation)
    best = f"best by validation {'macro F1' if judge else 'loss'}"
    found = {
        **{name: getattr(trained, name) for name in ("steps", "planned_steps", "kept_step", "loss", "validation_loss")},
        "kept": f"last: {few}" if few else best if is_best else "last",
    }
    enough = validation >= tuning.keep_rows
    if trained.classes is None or judge is None:
        return {**found, "validation_macro_f1": None, "learned": None}
    return {
        **found,
        "validation_macro_f1": trained.classes["macro_f1"],
        "validation_accuracy": trained.classes["accuracy"],
        "majority": asdict(judge.majority),
        "learned": bool(trained.classes["learned"]) if enough else None,
    }


def _preferred(
    model: Any, objective: Objective, data: Path, template: Template, tuning: Tuning, trained: Trained, held: int
) -> dict[str, Any] | None:
    """Of how many pairs that were not learned the chosen answer gained more than the rejected one, with the 95 % interval (Wilson).

    They are those of the test split; of the validation split, by which weights are chosen, where there is no other, or the
    model is spread over processes.
    """
    from fingen.training.base import positions
    from fingen.training.data import build_pairs, cut
    from fingen.training.recipe import evaluate

    on, pairs, terms = "validation", held, trained.terms
    if read_manifest(data).splits.get("test") and trained.weights is None:
        rows = build_pairs(list(read_split(data, "test")), template, tuning.cutoff, positions(model)).kept
        found = evaluate(model, [(group, 1.0) for group in cut(rows, tuning.tokens_per_batch)], objective)
        on, pairs, terms = "test", len(rows), {name: total / len(rows) for name, total in found.items()}
    if not pairs:
        return None
    right = round(terms["accuracy"] * pairs)
    share = wilson(right, pairs)
    return {"on": on, "pairs": pairs, "right": right, "value": right / pairs, "low": share.low, "high": share.high,
            "margin": terms["margin"]}  # fmt: skip


def _describe_base(base: Base, source: str, model: Any) -> dict[str, Any]:
    return {
        "source": source,
        "hub_id": None if base.built or base.local else base.source,
        "revision": getattr(model.config, "_commit_hash", None),
        "weights": weights_of(Path(source)),
        "built": base.built,
        "licence": base.alias.licence if base.alias else None,
    }


def _source(plan: TrainingPlan, data: Path, settings: Finetune, say: Say) -> str:
    """Where the base model is loaded from; the tiny one is made first."""
    if not plan.base.built:
        return plan.base.source
    from fingen.training.tiny import build_tiny

    folder = MODELS_FOLDER / f"{plan.base.name}-{read_manifest(data).name}"
    train, _ = read_rows(data, replace(plan.tuning, limit=None))
    seed = plan.tuning.seed if settings.base_seed is None else settings.base_seed
    of = sha256_text(sha256_file(data / SET_MANIFEST), *(record.id for record in train))
    anew = settings.replace and plan.tuning.seed == seed  # not under the adapters of other seeds
    build_tiny(train, folder, of, seed, say, replace=anew)
    return folder.as_posix()
