"""Models that run here: adapters with their base beside them, and models as they are. Letters are read off in one forward."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download

from fingen.adapters import FOREIGN, read_adapter_config
from fingen.config import Scoring
from fingen.disk import dump_json, read_object
from fingen.errors import HubError, LimitError, UsageError
from fingen.scoring.report import Kind, Method
from fingen.scoring.rows import Asked, ScoringItem
from fingen.scoring.subjects import Given, Say
from fingen.scoring.tuned import beside
from fingen.scoring.variants import with_shots
from fingen.training.base import Loaded, load_base, load_tokenizer, positions, quiet
from fingen.training.choices import TOKENS_PER_BATCH, Choice, probabilities, score_options
from fingen.training.foreign import find_adapted, need_form
from fingen.training.merged import MERGED, weights_of
from fingen.training.models import Base, find_base, shadow_note
from fingen.training.template import Template, build_template
from fingen.training.tiny import one_thread
from fingen.training.use import load_adapter

CHOICE_TOKENS = 64  # that a generated answer to a choice may have
TEXT_TOKENS = 512  # that any other generated answer may have
SLAB = {"letters": 512, "generate": 32}  # rows whose answers are handed on, and so kept, together
GPU_TOKENS = 16_384  # padded tokens of a batch on a GPU, which is idle with less
SAY_SECONDS = 5.0  # between two lines of progress


@dataclass(frozen=True)
class Prompted:
    """A row as token ids."""

    item: ScoringItem
    ids: tuple[int, ...]


@dataclass
class Model:
    """One side of a loaded model: the whole of it, or what an adapter stands on."""

    name: str
    kind: Kind
    model: Any
    template: Template
    details: dict[str, Any]
    bare: bool = False  # with the adapter switched off
    generate: bool = False  # read free text also where options could be read off
    max_tokens: int | None = None  # that a generated answer may have
    built: bool = False  # so small that one thread is faster
    timed: bool = False  # tell how fast and how large it is
    say: Say = field(default=lambda text: None)

    def method(self, asked: Asked) -> Method:
        """Options are read off, unless they are to be generated; free text is generated."""
        return "generate" if self.generate or asked.is_text else "letters"

    def answer(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> Iterator[Given]:
        """Answers, the longest prompts first.

        Raises:
            LimitError: out of memory. UsageError: the model's logits are no numbers.
        """
        ready = []
        for item in items:
            prompted = self._prompt(item, shots)
            if isinstance(prompted, Given):
                yield prompted
            else:
                ready.append(prompted)
        ready.sort(key=lambda one: (-len(one.ids), one.ids))
        method = self.method(asked)
        answers, slab = self._letters if method == "letters" else self._texts, SLAB[method]
        began = said = time.monotonic()
        for at in range(0, len(ready), slab):
            with self._side(), one_thread() if self.built else nullcontext():
                found = list(answers(ready[at : at + slab]))
            yield from found
            if (done := at + len(found)) == len(ready) or time.monotonic() - said >= SAY_SECONDS:
                said = time.monotonic()
                self.say(f"{self.name} on {asked.key}: {done:,} of {len(ready):,}")
        if self.timed and ready:
            speed = len(ready) / max(time.monotonic() - began, 1e-9)
            size = self.model.num_parameters() / 1e6
            self.say(f"{self.name} on {asked.key}: {speed:,.1f} rows/s, {size:,.0f} million parameters")

    @property
    def _budget(self) -> int:
        """Padded tokens of a batch; one that does not fit in memory is halved."""
        return GPU_TOKENS if self.model.device.type == "cuda" else TOKENS_PER_BATCH

    def _side(self) -> AbstractContextManager[Any]:
        return self.model.disable_adapter() if self.bare else nullcontext()

    def _render(self, item: ScoringItem, shots: Sequence[ScoringItem]) -> str:
        if self.template.form == "fingpt":
            shown = [f"{self.template.render(shot.instruction, shot.input)}{shot.right}\n\n" for shot in shots]
            return "".join(shown) + self.template.render(
                item.instruction, item.input, system=item.system, turns=item.turns
            )
        whole = with_shots(item, shots)
        return self.template.render(whole.instruction, whole.input, system=whole.system, turns=whole.turns)

    def _prompt(self, item: ScoringItem, shots: Sequence[ScoringItem]) -> Prompted | Given:
        """The row as the model gets it, or why it cannot."""
        if control := self.template.find_control(item.system, item.text):
            return Given(item.id, item.turn, "", why=f"the question holds {control}, a control token of the model")
        try:
            text = self._render(item, shots)
        except UsageError as e:  # it has more than the model has a place for
            return Given(item.id, item.turn, "", why=str(e))
        ids = tuple(self.template.encode_prompt(text))
        room = positions(self.model)
        if room and len(ids) >= room:
            return Given(item.id, item.turn, "", why=f"the question has {len(ids):,} tokens, the model reads {room:,}")
        return Prompted(item, ids)

    def _letters(self, rows: Sequence[Prompted]) -> Iterator[Given]:
        choices = [Choice(row.ids, [self.template.encode_answer(key) for key in row.item.options]) for row in rows]
        found = score_options(self.model, choices, self.template.pad, self._budget)
        for row, logs in zip(rows, found, strict=True):
            shares = dict(zip(row.item.options, probabilities(logs), strict=True))
            key = max(shares, key=shares.__getitem__)
            yield Given(row.item.id, row.item.turn, key, key=key, probabilities=shares)

    def _texts(self, rows: Sequence[Prompted]) -> Iterator[Given]:
        batch: list[Prompted] = []
        for row in rows:
            room = self._room(row.item)
            if batch and (len(batch[0].ids) + room) * (len(batch) + 1) > self._budget:
                yield from self._generate(batch)
                batch = []
            batch.append(row)
        if batch:
            yield from self._generate(batch)

    def _room(self, item: ScoringItem) -> int:
        return self.max_tokens or (CHOICE_TOKENS if item.options else TEXT_TOKENS)

    def _generate(self, rows: Sequence[Prompted]) -> Iterator[Given]:
        """Greedy answers to some rows, padded on the left so that all go on from the same place."""
        template, width = self.template, max(len(row.ids) for row in rows)
        ids = torch.tensor([[template.pad] * (width - len(row.ids)) + list(row.ids) for row in rows])
        mask = torch.tensor([[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows])
        room, most = max(self._room(row.item) for row in rows), positions(self.model)
        room = room if most is None else min(room, most - width)
        options = {
            "attention_mask": mask.to(self.model.device), "max_new_tokens": room, "pad_token_id": template.pad,
            "eos_token_id": template.end,
        }  # fmt: skip
        try:
            with torch.no_grad(), quiet():
                out = self.model.generate(ids.to(self.model.device), **options)
        except torch.OutOfMemoryError as e:
            if len(rows) == 1:
                raise LimitError("out of memory with one row", hint="pass --load 4bit, or fewer --max-tokens") from e
            out = None
        if out is None:
            yield from self._generate(rows[: len(rows) // 2])
            yield from self._generate(rows[len(rows) // 2 :])
            return
        for row, tokens in zip(rows, out[:, width:].tolist(), strict=True):
            ended = template.end in tokens
            text: str = template.tokenizer.decode(tokens, skip_special_tokens=True)
            why = "" if ended else f"cut off at {room} tokens"
            yield Given(row.item.id, row.item.turn, text.strip(), why=why, cut=not ended)


def open_models(
    settings: Scoring, sources: Sequence[Asked], say: Say
) -> Generator[tuple[Model, Sequence[Asked]], None, None]:
    """The models that the settings name, each with what it is asked, and as long as it is in use.

    Memory is let go of before the next is loaded. A base that several adapters share is asked once, beside the first. Where
    options are read off it is asked to write too: what it would never write may still be the likeliest of the options.

    Raises:
        UsageError: an adapter, its template or its base does not fit what would be used. HubError: a model cannot be fetched.
        LimitError: out of memory.
    """
    asked: set[str] = set()
    others, teachers = beside(settings)
    models = [*settings.models, *others]
    for place, name in enumerate((*models, *teachers, *settings.adapters)):
        if place:
            free_memory()
        if note := shadow_note(name):
            say(note)
        if place < len(models):
            sides = [_plain(find_base(name), settings, say)]
        else:
            tuned = _here(Path(name), settings, say) if Path(name).is_dir() else _foreign(name, settings, say)
            base = _base_of(tuned)
            bare = [base, replace(base, name=f"{base.name} (generated)", generate=True)]
            sides = [tuned] if name in teachers else [*bare, tuned]
        for note in sides[-1].template.notes:
            say(f"{sides[-1].name}: {note}")
        with _held(sides):
            for side in sides:
                side.timed = bool(others or teachers)
                is_known = side.kind == "base" and (not settings.base_beside or _identity(side) in asked)
                asked.add(_identity(side))
                own = sources if side.generate == settings.generate else [one for one in sources if not one.is_text]
                if own and not is_known:
                    yield side, own


def free_memory() -> None:
    """Make room before a model is loaded: those before it are in use no more, but know each other in circles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _identity(side: Model) -> str:
    return dump_json([side.kind == "adapter", side.generate, side.details])


@contextmanager
def _held(sides: Sequence[Model]) -> Iterator[None]:
    """Let go of a model afterwards, whoever still knows of its sides."""
    try:
        yield
    finally:
        for side in sides:
            side.model = None


def _plain(base: Base, settings: Scoring, say: Say) -> Model:
    loaded = load_base(base.source, settings.load, trust_remote_code=settings.trust_remote_code)
    form = settings.form or (read_object(Path(base.source) / MERGED).get("template") or {}).get("form", "chat")
    template = _template(loaded.tokenizer, form, base.source)
    details = _about(base.source, loaded.model, loaded.load, template)
    name = base.name if base.local or base.alias else base.source
    return Model(name, "model", loaded.model.eval(), template, details, **_ways(settings, say))


def _ways(settings: Scoring, say: Say) -> dict[str, Any]:
    return {"generate": settings.generate, "max_tokens": settings.max_tokens, "say": say}


def _template(tokenizer: Any, form: str, source: str) -> Template:
    try:
        return build_template(tokenizer, form)
    except UsageError as e:
        raise UsageError(f"{source}: {e}", hint="take its instruct or chat version, or pass --form fingpt") from e


def describe(source: str, model: Any, load: str) -> dict[str, Any]:
    """What a model is. Of a folder its name and weights are told, not where it lies."""
    folder = Path(source)
    about: dict[str, Any] = {"base": folder.resolve().name if folder.is_dir() else source, "load": load}
    if folder.is_dir():
        about["weights"] = weights_of(folder)
    else:
        about["revision"] = getattr(model.config, "_commit_hash", None)
    return about


def _about(source: str, model: Any, load: str, template: Template) -> dict[str, Any]:
    return {**describe(source, model, load), "template": {"form": template.form, "sha256": template.sha256}}


def _base_of(tuned: Model) -> Model:
    about = {name: value for name, value in tuned.details.items() if name not in ("adapter", "set")}
    return Model(
        about["base"], "base", tuned.model, tuned.template, about, bare=True,
        generate=tuned.generate, max_tokens=tuned.max_tokens, built=tuned.built, say=tuned.say,
    )  # fmt: skip


def _here(folder: Path, settings: Scoring, say: Say) -> Model:
    """An adapter in a folder, as it was tuned."""
    tuned = load_adapter(
        folder,
        base=settings.base,
        form=settings.form,
        load=settings.load if settings.load != "auto" else None,
        trust_remote_code=settings.trust_remote_code,
    )
    manifest = tuned.manifest
    stored, base = manifest["template"], manifest["base"]
    if note := shadow_note(base["source"]):
        say(note)
    of_base = load_tokenizer(base["source"], trust_remote_code=settings.trust_remote_code)
    revision = getattr(tuned.model.config, "_commit_hash", None)
    if build_template(of_base, stored["form"]).sha256 != stored["sha256"]:
        raise UsageError(
            f"{folder}: {base['source']} is no longer the base that it was tuned on: its template or tokenizer is another",
            hint="restore the base model, or tune again",
        )
    if base["revision"] and revision and base["revision"] != revision:
        raise UsageError(
            f"{folder}: it was tuned on {base['source']} at revision {base['revision']}, and {revision} is here",
            hint="fetch that revision, or tune again",
        )
    about = _about(base["source"], tuned.model, tuned.manifest["load"], tuned.template)
    if base.get("weights") and about.get("weights") != base["weights"]:
        raise UsageError(
            f"{folder}: {base['source']} is no longer the base that it was tuned on: its weights are others",
            hint="restore the base model, or tune again",
        )
    details = {**about, "adapter": manifest["files"], "set": manifest["set"]}
    side = Model(folder.resolve().name, "adapter", tuned.model, tuned.template, details, **_ways(settings, say))
    side.built = bool(base["built"])
    return side


def _foreign(name: str, settings: Scoring, say: Say) -> Model:
    """A peft adapter of others on the Hub: what its base and its prompts are must be said, or stands in its configuration."""
    from peft import PeftModel  # after fingen.training, which quietens what it imports

    need_form(name, settings.form)
    try:
        config = Path(hf_hub_download(name, FOREIGN))
        source = find_adapted(name, settings.base, read_adapter_config(config, f"{name}/{FOREIGN}")).source
        if note := shadow_note(source):
            say(note)
        loaded: Loaded = load_base(source, settings.load, trust_remote_code=settings.trust_remote_code)
        with quiet(bars=True):
            model = PeftModel.from_pretrained(loaded.model, name, revision=config.parent.name)
    except RuntimeError as e:
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        said = f"{name}: cannot be loaded on its base: {line}"
        raise UsageError(said, hint="name the base it was tuned on with --base") from e
    except (OSError, ValueError, KeyError, TypeError) as e:
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise HubError(f"{name}: cannot be fetched: {line}", hint="check the name, and the network") from e
    template = _template(loaded.tokenizer, str(settings.form), source)
    weights = {"hub": name, "rank": getattr(model.active_peft_config, "r", None)}
    details = {**_about(source, loaded.model, loaded.load, template), "adapter": weights}
    return Model(name, "adapter", model.eval(), template, details, **_ways(settings, say))
