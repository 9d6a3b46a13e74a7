"""What a distillation will do, what it will take, and all that is in the way: before anything heavy is touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fingen.adapters import is_adapter
from fingen.config import BUILD, CACHE, WEIGHT_BYTES, Distill, Distilling
from fingen.disk import read_object, sha256_file
from fingen.errors import SetError, UsageError
from fingen.records import Record
from fingen.sets import MANIFEST as SET_MANIFEST
from fingen.sets import newest_set, read_manifest, refuse_preferences
from fingen.training.distill.licences import Terms, begins_rightly, find_terms, refusal, rightly_named
from fingen.training.distill.pairs import build_pairs, check_drop, read_layer_map
from fingen.training.memory import GIB, RUNTIME_BYTES, TRAINED_BYTES
from fingen.training.merged import MERGED, weights_of
from fingen.training.models import Base, find_base
from fingen.training.plan import CHARACTERS_PER_TOKEN, estimated_tokens, few_rows, find_trackers, read_rows
from fingen.training.preflight import (
    QUANTISED,
    Obstacle,
    find_obstacles,
    find_shape,
    free_memory_bytes,
    need_adapter,
    planned_load,
)
from fingen.training.schedule import total_steps, warmup_warning

MODELS_FOLDER = BUILD / "models"
ANSWERS = CACHE / "teachers"  # what teachers have said of rows
ANSWER_BYTES = 6  # of a token of the teacher's that counts by itself
# Published: 1.6 million tokens mended a pruned Qwen3 8B a little (MMLU .704 to .717), and a small set made a pruned Llama 3.1 8B
# worse than it was (.663 to .650).
ENOUGH_TOKENS = 1_000_000


@dataclass(frozen=True)
class DistillPlan:
    """What a run will do. Tokens are estimates."""

    teacher: str
    teacher_base: Base  # what it is, or stands on
    student: Base | None  # None: the teacher with layers out
    drop: int | None
    data: Path | None
    out: Path
    tuning: Distilling
    cached: bool  # whether the teacher is asked before, and let go of
    rows: int
    validation: int
    tokens: int  # in the training rows, once
    answer_tokens: int
    obstacles: list[Obstacle] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Steps of the run, if no row is left out."""
        return total_steps(self.tuning, self.rows)

    @property
    def cache_bytes(self) -> int:
        """Size of the teacher's answers on the disk, about."""
        return self.answer_tokens * (self.tuning.top * ANSWER_BYTES + 8) if self.cached else 0

    @property
    def need_bytes(self) -> int | None:
        """Memory that it takes at least, about; None: not known."""
        base = self.student or self.teacher_base
        if not base.billions or not self.teacher_base.billions:
            return None
        weight = WEIGHT_BYTES[planned_load(self.tuning.load)]
        trained = base.billions * 1e9 * (weight if self.tuning.rank else TRAINED_BYTES)
        teacher = self.teacher_base.billions * 1e9 * weight
        needed = max(trained, teacher) if self.cached else trained + teacher
        if self.tuning.on_policy:  # the teacher is asked once more, of what the student then says
            needed = max(needed, base.billions * 1e9 * WEIGHT_BYTES["fp32"] + teacher)
        return int(RUNTIME_BYTES + needed)

    @property
    def warnings(self) -> list[str]:
        """What is not in the way, and may not be what was wanted."""
        if not self.rows:
            return []
        found = [warmup_warning(self.tuning, self.steps), few_rows(self.tuning, self.validation)]
        if self.drop and self.tokens < ENOUGH_TOKENS:
            found.append(
                f"a pruned model needs data to mend: these rows have about {self.tokens:,} tokens, and published ones took "
                f"{ENOUGH_TOKENS:,} and more; a small set can make it worse: score it beside the student as it is cut (--untrained)"
            )
        return [text for text in found if text]


def build_plan(settings: Distill, tuning: Distilling) -> DistillPlan:
    """Find teacher, student, set, and all that is in the way.

    Raises:
        UsageError: there is no such teacher or student, or the options contradict each other.
    """
    if (settings.drop is None) == (settings.student is None):
        said = "a student is the teacher with layers out, or another model"
        raise UsageError(said, hint="name one of them: --drop 6, or --student MODEL")
    if read_layer_map(tuning.layer_map) and not tuning.hidden:
        raise UsageError("--layer-map has no weight in what is learned", hint="pass --hidden 1 too, or leave it out")
    manifest, base = _teacher(settings)
    student = find_base(settings.student) if settings.student else None
    for one in (base, student):
        if one and one.built:
            raise UsageError(
                f"{one.name}: it is made from a set, by fingen finetune", hint="name its folder in build/models/"
            )
    stem = manifest.get("base") or _describe(base)
    own = stem if student is None else _describe(student)
    terms = find_terms(stem)
    name = str(manifest.get("name") or base.name)
    named = f"{name}-{student.name if student else f'drop{settings.drop}'}"
    out = settings.out or MODELS_FOLDER / rightly_named(named, terms)
    obstacles = [
        *_pair_obstacles(settings, tuning, stem, own, out, terms),
        *_layer_obstacles(settings, tuning, base, student),
    ]
    if student and not is_adapter(Path(settings.teacher)) and _is_same(base, student):
        said = f"{settings.student} is {settings.teacher}: what the teacher says is what such a student says already"
        obstacles.append(Obstacle(said, "take layers out of it, --drop 6, or name another --student"))
    data, records, held = None, list[Record](), list[Record]()
    try:
        data = settings.data or _own_set(manifest) or newest_set(BUILD)
        refuse_preferences(data, read_manifest(data), "distill")
        records, held = read_rows(data, tuning)
    except SetError as e:
        obstacles.append(Obstacle(str(e), e.hint))
    for one in (base, student):
        if one:
            obstacles += find_obstacles(one, tuning, trust_remote_code=settings.trust_remote_code, memory=not obstacles)
    obstacles += find_trackers(settings.report_to)
    plan = DistillPlan(
        settings.teacher, base, student, settings.drop, data, out, tuning, is_cached(settings, tuning), len(records), len(held),
        sum(map(estimated_tokens, records)),
        round(sum(len(row.output) / CHARACTERS_PER_TOKEN[row.language] + 1 for row in (*records, *held))), obstacles,
    )  # fmt: skip
    if not plan.obstacles:  # torch is not loaded for a name that is wrong
        plan.obstacles.extend(_memory(plan))
    return plan


def count_layers(teacher: Path, *, trust_remote_code: bool = False) -> int:
    """The layers of what an adapter stands on.

    Raises:
        UsageError: it cannot be read.
    """
    from transformers import AutoConfig

    source = need_adapter(teacher, trust_remote_code=trust_remote_code)["base"]["source"]
    config: Any = AutoConfig.from_pretrained(source, trust_remote_code=trust_remote_code)
    return int(config.get_text_config().num_hidden_layers)


def is_cached(settings: Distill, tuning: Distilling) -> bool:
    """Whether the teacher's answers are kept: states of its layers would be far too large, and so would all its logits."""
    return bool(settings.cache and tuning.top and tuning.kl and not (tuning.hidden or tuning.embedding))


def _teacher(settings: Distill) -> tuple[dict[str, Any], Base]:
    """What an adapter, or a merged model, says of itself, and the model that it is or stands on."""
    folder = Path(settings.teacher)
    if is_adapter(folder):
        manifest = need_adapter(folder, trust_remote_code=settings.trust_remote_code)
        return manifest, find_base(manifest["base"]["source"])
    found = find_base(settings.teacher)
    return read_object(Path(found.source) / MERGED), found


def _describe(base: Base) -> dict[str, Any]:
    return {
        "source": base.source, "hub_id": None if base.local else base.source,
        "licence": base.alias.licence if base.alias else None,
    }  # fmt: skip


def _own_set(manifest: dict[str, Any]) -> Path | None:
    """The set that a teacher's adapter was tuned on, where it still is what it was."""
    stored = manifest.get("set")
    if not stored:
        return None
    there = BUILD / str(stored["name"]) / SET_MANIFEST
    if not there.is_file() or sha256_file(there) != stored["sha256"]:
        raise SetError(
            f"{there.parent}: not here as it was when the teacher was tuned on it", hint="name the rows with --set"
        )
    return there.parent


def _pair_obstacles(
    settings: Distill,
    tuning: Distilling,
    teacher: dict[str, Any],
    student: dict[str, Any],
    out: Path,
    terms: Terms | None,
) -> Iterator[Obstacle]:
    if not settings.licence_agreed and (why := refusal(teacher, student)):
        yield Obstacle(why, "take a student of its own family (--drop), or pass --license-agreed if you may")
    if not begins_rightly(out.name, terms) and terms:
        yield Obstacle(
            f"{out}: a model that was made with {terms.family} has to be named so: {terms.name} in front",
            f"--out {out.with_name(rightly_named(out.name, terms))}",
        )
    if tuning.load in QUANTISED and settings.drop:
        yield Obstacle(f"--load {tuning.load}: a student is not cut from quantised weights", "pass --load bf16")


def _layer_obstacles(settings: Distill, tuning: Distilling, teacher: Base, student: Base | None) -> Iterator[Obstacle]:
    """Layers that are asked for and are not there, where config.json is on this machine; else the run will say so."""
    shape, own = find_shape(teacher), find_shape(student) if student else None
    if shape is None:
        return
    try:
        if settings.drop:
            check_drop(settings.drop, shape.layers)
            build_pairs(tuning.layer_map, shape.layers - settings.drop, shape.layers)
        elif own:
            build_pairs(tuning.layer_map, own.layers, shape.layers)
    except UsageError as e:
        yield Obstacle(str(e), e.hint)


def _is_same(teacher: Base, student: Base) -> bool:
    """Whether two models are one: by their name on the Hub, or by their weights on this machine, wherever these lie."""
    if not (teacher.local and student.local):
        return teacher.source == student.source
    one, other = Path(teacher.source), Path(student.source)
    sizes = [{path.name: path.stat().st_size for path in folder.glob("*.safetensors")} for folder in (one, other)]
    return sizes[0] == sizes[1] and bool(sizes[0]) and weights_of(one) == weights_of(other)


def _memory(plan: DistillPlan) -> Iterator[Obstacle]:
    (free, kind), need = free_memory_bytes(), plan.need_bytes
    if free is not None and need is not None and need > free:
        yield Obstacle(
            f"it takes at least {need / GIB:.1f} GiB, and {kind} has {free / GIB:.1f} GiB free",
            "pass --rank 16, which trains an adapter in place of all weights"
            if not plan.tuning.rank
            else "take a smaller student",
        )
