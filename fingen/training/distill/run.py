"""The conductor: teacher and rows, the student, what the teacher says, the training, and the student's folder."""

from __future__ import annotations

import copy
import gc
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from fingen.adapters import CURVE, TOKENIZER, render_left_out
from fingen.config import Distill, Distilling
from fingen.disk import describe, dump_json, read_object, refuse_others, sha256_file, sha256_text, write_text
from fingen.errors import UsageError
from fingen.events import Outcome, command_line
from fingen.records import take
from fingen.sets import MANIFEST as SET_MANIFEST
from fingen.sets import read_manifest
from fingen.training import checkpoints, recipe
from fingen.training.adapter import draw_curve
from fingen.training.base import DTYPES, choose_load, load_base, load_tokenizer, positions
from fingen.training.classes import Judge, build_judge
from fingen.training.data import Example, count_seen, cut
from fingen.training.distill import on_policy
from fingen.training.distill.alignment import Alignment
from fingen.training.distill.answers import AnswerStore, Online, token_bytes
from fingen.training.distill.losses import Distillation, Tell, drop_projections
from fingen.training.distill.pairs import LayerPair, build_pairs
from fingen.training.distill.plan import ANSWERS, DistillPlan, build_plan, is_cached
from fingen.training.distill.pruning import choose_layers, cut_layers, find_layers
from fingen.training.distill.rows import Rows, align_rows, read_both
from fingen.training.distill.teacher import Teacher, identify, open_teacher
from fingen.training.frame import find_frame
from fingen.training.merged import MERGED, is_whole, write_merged
from fingen.training.plan import few_rows
from fingen.training.preflight import refuse
from fingen.training.run import SPEED_ONLY, build_metrics, installed_versions
from fingen.training.serving_files import CARD, MODELFILE, write_ways
from fingen.training.use import context_tokens, save_model, template_of

MODEL = ("config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json")
OWN = frozenset(
    {*MODEL, *TOKENIZER, checkpoints.HISTORY, checkpoints.CHECKPOINTS, on_policy.FOLDER, on_policy.HISTORY, CURVE, CARD, MODELFILE, MERGED}
)  # fmt: skip
Say = Callable[[str], None]


@dataclass(frozen=True)
class Distilled(Outcome):
    """What `distill` made. `record` is what the model says of itself."""

    model: Path
    record: dict[str, Any]
    seconds: float = 0.0
    tokens: int = 0  # trained on, prompts included


def distill(
    settings: Distill,
    tuning: Distilling | None = None,
    *,
    sources: Mapping[str, str] | None = None,
    say: Say = lambda text: None,
    show: Callable[[str, str], None] = lambda prompt, answer: None,
) -> Distilled:
    """Make a student that answers as its teacher does. `say` and `show` are those of `finetune`.

    Raises:
        UsageError: something is in the way, the folder holds another run, or the two vocabularies have too little in common.
        LimitError: out of memory or disk.
        Interrupted: stopped by the user; `resume` goes on.
    """
    tuning = tuning or Distilling()
    plan = build_plan(settings, tuning)
    refuse(plan.obstacles)
    assert plan.data is not None  # a set that is missing is an obstacle
    state = PartialState()
    if not state.is_main_process:
        say, show = (lambda text: None), (lambda prompt, answer: None)
    teacher = open_teacher(settings.teacher, tuning.load, trust_remote_code=settings.trust_remote_code)
    run = _run_id(plan, settings, teacher, plan.data)
    with state.main_process_first():
        made = _finished(plan.out, run, settings)
    state.wait_for_everyone()
    if made:
        return Distilled(plan.out, made, changed=False, next=_next(plan.out))
    return _Run(settings, plan, plan.data, teacher, run, dict(sources or {}), say, show).make()


def _run_id(plan: DistillPlan, settings: Distill, teacher: Teacher, data: Path) -> str:
    """What makes two runs the same: set, teacher, student, and every setting that changes what is learned."""
    learned = {name: value for name, value in asdict(plan.tuning).items() if name not in SPEED_ONLY}
    student = identify(plan.student.source) if plan.student else {"drop": plan.drop}
    asked = [teacher.identity, teacher.load, student, learned, settings.untrained, plan.cached]
    return sha256_text(sha256_file(data / SET_MANIFEST), dump_json(asked))


def _finished(out: Path, run: str, settings: Distill) -> dict[str, Any] | None:
    """What the model of this very run says of itself, if it is whole; what is to be replaced is removed.

    Raises:
        UsageError: the folder holds something else, another run, or one that is not finished and was not asked to be.
    """
    made = read_object(out / MERGED)
    begun = any(os.path.lexists(out / name) for name in (MERGED, checkpoints.HISTORY, checkpoints.CHECKPOINTS))
    packed = {path.name for path in out.glob("*.gguf")}
    refuse_others(out, OWN | packed if begun or made else (), "distilled model")
    if (
        made.get("run") == run
        and "distilled" in made
        and is_whole(out, made.get("files") or {})
        and not settings.replace
    ):
        return made
    if settings.replace:
        (out / MERGED).unlink(missing_ok=True)
        _clear(out)
        return None
    if made:
        raise UsageError(
            f"{describe(out)}: of another teacher, set or settings, or changed since",
            hint="name another folder with --out, or start anew with --replace",
        )
    checkpoints.refuse_unfinished(out, resume=settings.resume)
    return None


def _clear(out: Path) -> None:
    """Remove what a run needs to go on: it is over, or is begun anew."""
    checkpoints.clear(out)
    shutil.rmtree(out / on_policy.FOLDER, ignore_errors=True)


def _next(model: Path) -> str:
    """The command to type when a student is there."""
    return command_line("fingen", "score", "--model", model)


@dataclass
class _Run:
    """One distillation, from what is asked to the student's folder."""

    settings: Distill
    plan: DistillPlan
    data: Path
    teacher: Teacher
    run: str
    sources: dict[str, str]
    say: Say
    show: Callable[[str, str], None]

    def make(self) -> Distilled:
        """Read the rows, build the student, train it, write it."""
        self.tuning = replace(self.plan.tuning, load=choose_load(self.plan.tuning.load))
        own = self.plan.student
        tokenizer = load_tokenizer(own.source, trust_remote_code=self.settings.trust_remote_code) if own else None
        self.template = template_of(own.source, tokenizer)[0] if own else self.teacher.template
        for note in self.template.notes:
            self.say(note)
        rows = read_both(
            self.data, self.teacher, own, self.template, self.tuning, trust=self.settings.trust_remote_code
        )
        for line in render_left_out(rows.left_out):
            self.say(line)
        first = rows.train.kept[0]
        parts = (first.ids[: -first.answer], first.ids[-first.answer :])
        self.show(*(self.template.tokenizer.decode(part) for part in parts))
        alignment = align_rows(rows, self.teacher.template, self.template, self.say)
        if alignment and self.tuning.on_policy:
            said = "--on-policy: what a student writes in a vocabulary of its own cannot be asked of the teacher token by token"
            raise UsageError(
                said, hint="leave it out, or take a student with the teacher's vocabulary, such as --drop 6"
            )
        model, objective, about = self._build(rows, alignment)
        if self.settings.untrained:
            return self._write(model, rows, {**about, "terms": None}, None, ())
        return self._train(model, objective, rows, about)

    def _build(self, rows: Rows, alignment: Alignment | None) -> tuple[Any, Distillation, dict[str, Any]]:
        """The student before its training, what it is to learn, and what is to be told of both."""
        tuning, own = self.tuning, self.template
        is_asked = bool(tuning.kl or tuning.hidden or tuning.embedding) and not self.settings.untrained
        cached = is_asked and is_cached(self.settings, tuning)
        model: Any = self.teacher.load_model() if self.plan.drop or (is_asked and not cached) else None
        chosen = self._choose(model, rows) if self.plan.drop else []
        tell: Tell | None = self._ask(rows.teachers_of(rows.all), model) if cached else None
        student, kept = self._student(model, [number for number, _ in chosen], is_asked and not cached)
        pairs, embedding = self._pairs(student, model, kept) if is_asked else ([], False)
        if is_asked and not cached:
            layers = list(find_layers(model)) if pairs else []
            embeddings = [model.get_input_embeddings()] if embedding else []
            tell = self._online(rows.teachers, model, (*embeddings, *(layers[pair.teacher] for pair in pairs)))
        width = len(own.tokenizer)  # of a common vocabulary it is that of both
        objective = Distillation(tell, tuning, own.pad, width, embedding, pairs, alignment)
        return student, objective, {
            "layers": {"kept": kept, "dropped": [{"layer": layer, "kl": kl} for layer, kl in chosen]} if chosen else None,
            "pairs": [asdict(pair) for pair in pairs],
            "projections": self._project(student, objective, model) if pairs or embedding else [],
            "aligned": None if alignment is None else alignment.share,
            "answers": {"top": tuning.top, "cached": cached, "bytes_a_token": token_bytes(self._open_store().top) if cached else 0},
        }  # fmt: skip

    def _online(self, examples: Mapping[str, Example], model: Any, modules: Sequence[torch.nn.Module] = ()) -> Online:
        theirs, tuning = self.teacher.template, self.tuning
        width = len(theirs.tokenizer)
        return Online(model, examples, theirs.pad, width, tuning.temperature, tuning.top, modules)

    def _ask(self, examples: Mapping[str, Example], model: Any = None) -> Tell:
        """The teacher's answers to rows from the cache, once it has been asked for those that are missing.

        It is loaded for that, where it is not in memory, and let go of.
        """
        store, every = self._open_store(), list(examples.values())
        with PartialState().main_process_first():
            if store.missing(every):
                asked = self._online(examples, self.teacher.load_model() if model is None else model)
                store.fill(asked, every, self.tuning.tokens_per_batch, self._told())
                del asked
                gc.collect()
        return store.reader(examples)

    def _asked(self) -> dict[str, Any]:
        """Who is asked, and how."""
        template = self.teacher.template
        return {"weights": self.teacher.identity, "load": self.teacher.load, "template": template.sha256}

    def _open_store(self) -> AnswerStore:
        width = len(self.teacher.template.tokenizer)
        asked = {**self._asked(), "temperature": self.tuning.temperature, "width": width}
        device = PartialState().device if torch.cuda.is_available() else "cpu"
        return AnswerStore(ANSWERS, asked, min(self.tuning.top, width), device)

    def _told(self) -> Callable[[int, int], None]:
        said = [-1]

        def told(done: int, of: int) -> None:
            if (tenth := 10 * done // of) > said[0]:
                said[0] = tenth
                self.say(f"the teacher's answers: {done:,} of {of:,} rows")

        return told

    def _choose(self, model: Any, rows: Rows) -> list[tuple[int, float]]:
        """The layers to take out, as they are chosen for this teacher by these rows: students that are compared have the same out."""
        some = [rows.teachers[row.id] for row in take(rows.train.kept, self.tuning.choosing_rows)]
        path = ANSWERS / f"layers-{sha256_text(dump_json([self._asked(), [row.ids for row in some]]))[:24]}.json"

        def told(chosen: list[tuple[int, float]]) -> None:
            layer, kl = chosen[-1]
            self.say(f"layer {layer} is out, the {len(chosen)}. of {self.plan.drop}: {kl:.3f} nats a token")
            write_text(path, dump_json({"chosen": chosen}) + "\n")

        assert self.plan.drop is not None
        with PartialState().main_process_first():
            begun = [(int(layer), float(kl)) for layer, kl in read_object(path).get("chosen", [])]
            pad, tokens = self.teacher.template.pad, self.tuning.tokens_per_batch
            return choose_layers(model, self.plan.drop, some, pad, tokens, begun=begun, told=told)

    def _student(self, model: Any, out: Sequence[int], is_kept: bool) -> tuple[Any, list[int] | None]:
        """The student, in fp32 where all of it is trained. `is_kept`: the teacher is needed beside it."""
        load, kept = self.tuning.load if self.tuning.rank else "fp32", None
        if self.plan.student:
            student = load_base(self.plan.student.source, load, trust_remote_code=self.settings.trust_remote_code).model
        else:
            student = copy.deepcopy(model) if is_kept else model
            kept = cut_layers(student, out)
        if self.tuning.rank and not self.settings.untrained:
            return recipe.add_adapter(student, self.tuning), kept
        return student.float().requires_grad_(True), kept

    def _pairs(self, student: Any, model: Any, kept: list[int] | None) -> tuple[list[LayerPair], bool]:
        """The layers that are to agree, and whether the embeddings are. What cannot change is said, and left out."""
        embedding = bool(self.tuning.embedding)
        if embedding and self.tuning.rank:
            same = "zero" if kept else "what it is"
            self.say(f"the embedding term stays {same}: an adapter leaves the embeddings as they are; it is left out")
            embedding = False
        if not self.tuning.hidden:
            return [], embedding
        counts = (len(find_layers(student)), len(find_layers(model)))
        return build_pairs(self.tuning.layer_map, *counts, kept), embedding

    def _project(self, student: Any, objective: Distillation, model: Any) -> list[str]:
        """What has a linear map to the teacher's width.

        Raises:
            UsageError: an adapter is trained, beside which there is no place for it.
        """
        width = int(model.get_input_embeddings().weight.shape[-1])
        needed = objective.add_projections(student, {"embedding": width, "layers": width})
        if needed and self.tuning.rank:
            raise UsageError(
                "the widths of teacher and student differ, and an adapter has no place for the map between them",
                hint="leave --rank out, or --hidden and --embedding",
            )
        return needed

    def _train(self, model: Any, objective: Distillation, rows: Rows, about: dict[str, Any]) -> Distilled:
        tuning, held = self.tuning, rows.held.kept
        few = few_rows(tuning, len(held))
        for warning in self.plan.warnings:
            self.say(warning)
        if few:
            tuning = replace(tuning, keep="last", patience=None)
        before = self._measure(model, objective, held)
        kept = {row.id for row in held}
        judge = build_judge([row for row in rows.records[1] if row.id in kept], rows.records[0], self.template)
        trained = recipe.fit(
            model, rows.train.kept, held, self.template.pad, tuning, self.plan.out, self.run, say=self.say, judge=judge,
            report_to=self.settings.report_to, objective=objective,
        )  # fmt: skip
        drop_projections(model)
        second = self._on_policy(model, objective, rows, tuning, judge) if tuning.on_policy else None
        history = checkpoints.read_history(self.plan.out / checkpoints.HISTORY)
        after = next((row for row in history if row["step"] == trained.kept_step and "validation_loss" in row), {})
        terms = {
            "before": before,
            "after": {k.removeprefix("validation_"): v for k, v in after.items() if "validation_loss" in k},
        }
        seen = count_seen([len(row.ids) for row in rows.train.kept], tuning.batch, tuning.seed, trained.kept_step)
        metrics = {**build_metrics(trained, judge, self.tuning, len(held)), "seen": asdict(seen), "on_policy": second}
        if tuning.rank:
            model = model.merge_and_unload(safe_merge=True)
        return self._write(model, rows, {**about, "terms": terms}, metrics, history, trained)

    def _on_policy(
        self, model: Any, objective: Distillation, rows: Rows, tuning: Distilling, judge: Judge | None
    ) -> dict[str, Any]:
        """Have the student answer a share of the rows, learn what the teacher says of its answers, once; what that came to."""
        folder, template = self.plan.out / on_policy.FOLDER, self.template
        chosen = take(rows.train.kept, max(1, round(tuning.on_policy * len(rows.train.kept))))
        self.say(f"the student answers {len(chosen):,} rows itself, and learns what the teacher says of that")
        with PartialState().main_process_first():
            own = on_policy.own_answers(
                model,
                chosen,
                template.end,
                template.pad,
                tuning.seed,
                tuning.tokens_per_batch,
                folder / on_policy.ANSWERS,
            )
        theirs = {**rows.teachers_of(rows.held.kept), **on_policy.as_asked(own, rows.teachers)}
        if isinstance(objective.tell, Online):
            tell: Tell = replace(objective.tell, examples=theirs, modules=())
        elif self.settings.cache and tuning.top:
            tell = self._ask(theirs)
        else:
            tell = self._online(theirs, self.teacher.load_model())
        once = replace(tuning, kl=1.0, hidden=0.0, embedding=0.0, epochs=1, steps=None)
        objective = replace(objective, tell=tell, tuning=once, embedding=False, pairs=(), by=tuning.divergence)
        before = self._measure(model, objective, own)
        trained = recipe.fit(
            model, own, rows.held.kept, template.pad, once, folder, self.run, say=self.say, judge=judge,
            report_to=self.settings.report_to, objective=objective,
        )  # fmt: skip
        if PartialState().is_main_process:
            history = (folder / checkpoints.HISTORY).read_text(encoding="utf-8")
            write_text(self.plan.out / on_policy.HISTORY, history)
        after = self._measure(model, objective, own)
        return {
            "rows": len(own),
            "steps": trained.steps,
            "divergence": tuning.divergence,
            "before": before,
            "after": after,
        }

    def _measure(self, model: Any, objective: Distillation, held: Sequence[Example]) -> dict[str, float] | None:
        """What the terms are on some rows, means over their answer tokens; None where there are none."""
        if not held:
            return None
        groups = [(group, 1.0) for group in cut(held, self.tuning.tokens_per_batch)]
        tokens = sum(row.answer for row in held)
        found = recipe.evaluate(model, groups, objective)
        return {name if name == recipe.LOSS else f"loss_{name}": total / tokens for name, total in found.items()}

    def _write(
        self, model: Any, rows: Rows, about: dict[str, Any], metrics: dict[str, Any] | None,
        history: Sequence[dict[str, Any]], trained: recipe.Trained | None = None,
    ) -> Distilled:  # fmt: skip
        """Write the student; what it says of itself last."""
        out, template, state = self.plan.out, self.template, PartialState()
        asked = {"form": template.form, "sha256": template.sha256}
        if state.is_main_process:
            out.mkdir(parents=True, exist_ok=True)
            most = positions(model)
            same, thinks = save_model(model.to(DTYPES.get(self.tuning.load, torch.float32)), template, out)
            if history:
                write_text(out / CURVE, draw_curve(list(history)))
            frame = find_frame(rows.records[0])
            record = {
                "made_of": {"run": self.run}, "adapter": None, "run": self.run, "base": self._base(), "load": self.tuning.load,
                "template": asked, "no_thoughts": thinks, "frame": asdict(frame) if frame else None,
                "context_tokens": context_tokens(self.tuning.cutoff, most),
                "distilled": {"teacher": self._teacher(), "student": self.plan.student.source if self.plan.student else None, **about},
                "set": {"name": read_manifest(self.data).name, "sha256": sha256_file(self.data / SET_MANIFEST)},
                "rows": {"train": len(rows.train.kept), "validation": len(rows.held.kept), "left_out": rows.left_out},
                "metrics": metrics, "recipe": self.settings.recipe, "settings": asdict(self.plan.tuning), "sources": self.sources,
                "processes": state.num_processes,
                "versions": installed_versions(),
            }  # fmt: skip
            write_ways(out, record, template, same=same, name=out.resolve().name, shown=out)
            _clear(out)
            write_merged(out, record)
        state.wait_for_everyone()
        record = read_object(out / MERGED)
        if trained is None:
            return Distilled(out, record, next=_next(out))
        return Distilled(out, record, trained.seconds, trained.tokens, notes=trained.notes, next=_next(out))

    def _teacher(self) -> dict[str, Any]:
        return {
            "name": self.teacher.name,
            "source": self.teacher.source,
            "base": dict(self.teacher.base),
            **self.teacher.identity,
        }

    def _base(self) -> dict[str, Any]:
        """What the student stems from."""
        own = self.plan.student
        if own is None:
            return dict(self.teacher.base)
        return {
            "source": own.source, "hub_id": None if own.local else own.source, "built": False,
            "licence": own.alias.licence if own.alias else None, **identify(own.source),
        }  # fmt: skip
