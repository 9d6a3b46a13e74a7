"""The models that a server was given: named at once, loaded when the first question comes, one base for all adapters on it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fingen.adapters import is_adapter
from fingen.config import ServedModels, Tuning
from fingen.errors import UsageError
from fingen.training.chat import find_model
from fingen.training.frame import Frame, read_frame
from fingen.training.models import find_base
from fingen.training.preflight import find_obstacles, need_adapter, need_extra, refuse

if TYPE_CHECKING:
    from fingen.training.generate import Sampling, Written
    from fingen.training.shared import SharedBase
    from fingen.training.template import Message, Template

Kind = Literal["adapter", "base", "model", "teacher"]
Write = Callable[[str], None]
AUTO = "auto"
SIMPLE_BIAS = "none"  # adapters with biases of their own change the base, and are not put on one that others use


@dataclass(frozen=True)
class Loading:
    """News of a model that is being loaded: the step that begins, and of what. `ready` is the last one."""

    step: Literal["waiting", "libraries", "base", "adapter", "ready"]
    of: str = ""

    def __str__(self) -> str:
        said = {
            "waiting": "another question has it loaded already", "libraries": "reading torch and transformers",
            "base": f"loading {self.of}", "adapter": f"putting the adapter on it: {self.of}", "ready": f"ready after {self.of}",
        }  # fmt: skip
        return said[self.step]


OnLoading = Callable[[Loading], None]


@dataclass(frozen=True)
class Asked:
    """What a model is asked: a question with what it is about, after what was said before."""

    instruction: str
    passage: str = ""
    system: str = ""
    turns: Sequence[Message] = ()


@dataclass(frozen=True)
class Opened:
    """A model in memory. `adapter` is the one of its base's that it is; None: the base itself."""

    base: SharedBase
    adapter: str | None
    template: Template
    frame: Frame | None


@dataclass(frozen=True)
class Spec:
    """What a model is made of, as far as is known before it is loaded."""

    source: str  # of the base: folder or Hub id
    revision: str | None
    load: str
    adapter: Path | None = None
    manifest: Mapping[str, Any] | None = None  # of the adapter, also for its base beside it
    is_alone: bool = False  # on a base of its own

    def __post_init__(self) -> None:
        if Path(self.source).is_dir():  # one folder has one name
            object.__setattr__(self, "source", str(Path(self.source).resolve()))

    @property
    def base_key(self) -> tuple[object, ...]:
        """What tells one base in memory from another."""
        return (self.source, self.revision, self.load, self.adapter if self.is_alone else None)


class LocalModel:
    """A model of this machine. Threads may ask it at once."""

    def __init__(self, name: str, kind: Kind, spec: Spec, bases: Bases) -> None:
        self.name, self.kind, self.spec = name, kind, spec
        self._bases, self._lock = bases, threading.Lock()
        self._opened: Opened | None = None

    @property
    def about(self) -> str:
        """What it is made of, in a line."""
        of = self.spec.adapter or self.spec.source
        return f"{of} on {self.spec.source}" if self.spec.adapter else str(of)

    @property
    def memory(self) -> tuple[int, list[str]] | None:
        """Bytes of its weights, and the models that share them; None before it is loaded."""
        return self._bases.memory(self.spec.base_key) if self._opened else None

    def open(self, on_loading: OnLoading = lambda news: None) -> Opened:
        """The model, loaded if it is not. A second thread waits for the first.

        Raises:
            UsageError: it cannot be loaded. HubError: it cannot be fetched. LimitError: out of memory.
        """
        if self._opened is None and not self._lock.acquire(blocking=False):
            on_loading(Loading("waiting"))
            self._lock.acquire()
        elif self._opened is not None:
            return self._opened
        try:
            if self._opened is None:
                self._opened = self._bases.open(self.name, self.spec, on_loading)
            return self._opened
        finally:
            self._lock.release()

    @property
    def frame(self) -> Frame | None:
        """What is put around a question that is typed."""
        return self._opened.frame if self._opened else read_frame(self.spec.manifest or {})

    def write(
        self, asked: Asked, max_tokens: int, sampling: Sampling, write: Write = lambda piece: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Written:  # fmt: skip
        """Its answer, piece by piece.

        Raises:
            UsageError: the question holds a control token, is too long, or has no place in its prompts. LimitError: out of memory.
        """
        from fingen.training.generate import generate

        opened, prompt = self._prompt(asked)
        with opened.base.asked(opened.adapter) as model:
            return generate(
                model, opened.template, prompt, max_tokens=max_tokens, sampling=sampling, write=write,
                is_stopped=is_stopped,
            )  # fmt: skip

    def choose(self, asked: Asked, answers: Sequence[str]) -> tuple[float, ...]:
        """How sure it is of each of some answers among them alone: 0..1, adding up to 1.

        Raises:
            UsageError: as `write`. LimitError: out of memory.
        """
        from fingen.training.choices import Choice, probabilities, score_options

        opened, prompt = self._prompt(asked)
        choice = Choice(prompt, [opened.template.encode_answer(answer) for answer in answers])
        with opened.base.asked_alone(opened.adapter) as model:
            return probabilities(score_options(model, [choice], opened.template.pad)[0])

    def _prompt(self, asked: Asked) -> tuple[Opened, list[int]]:
        opened = self.open()
        text = opened.template.render(asked.instruction, asked.passage, system=asked.system, turns=asked.turns)
        return opened, opened.template.encode_prompt(text)


class Bases:
    """The base models in memory, each once. One is loaded at a time."""

    def __init__(self, *, trust_remote_code: bool = False) -> None:
        self._trust = trust_remote_code
        self._lock = threading.Lock()
        self._held: dict[tuple[object, ...], SharedBase] = {}
        self._users: dict[tuple[object, ...], list[str]] = {}

    def memory(self, key: tuple[object, ...]) -> tuple[int, list[str]]:
        """Bytes of a base that is loaded, and who uses it."""
        return self._held[key].weight_bytes, self._users[key]

    def open(self, name: str, spec: Spec, on_loading: OnLoading) -> Opened:
        """Load what is not there yet.

        Raises:
            UsageError, HubError, LimitError: as `load_base`.
        """
        begun = time.monotonic()
        on_loading(Loading("libraries"))
        from fingen.training.use import read_template, template_of

        with self._lock:
            base = self._base(spec, on_loading)
            if spec.adapter and spec.manifest:
                on_loading(Loading("adapter", str(spec.adapter)))
                adapter = base.add(spec.adapter, spec.source)
            else:
                adapter = None
            if spec.manifest:
                folder = spec.adapter or Path(spec.manifest["folder"])
                template, made = read_template(folder, spec.manifest, trust_remote_code=self._trust), spec.manifest
            else:
                template, made = template_of(spec.source, base.tokenizer)
            self._users.setdefault(spec.base_key, []).append(name)
        on_loading(Loading("ready", f"{time.monotonic() - begun:.1f} s"))
        return Opened(base, adapter, template, read_frame(made))

    def _base(self, spec: Spec, on_loading: OnLoading) -> SharedBase:
        from fingen.training.base import load_base
        from fingen.training.shared import SharedBase

        if spec.base_key not in self._held:
            base = find_base(spec.source)
            refuse(find_obstacles(base, Tuning(load=spec.load), trust_remote_code=self._trust))
            about = f", about {base.billions:.2g} billion weights" if base.billions else ""
            on_loading(Loading("base", f"{spec.source}{about}"))
            loaded = load_base(spec.source, spec.load, revision=spec.revision, trust_remote_code=self._trust)
            self._held[spec.base_key] = SharedBase(loaded)
        return self._held[spec.base_key]


def find_models(settings: ServedModels, *, base_beside: bool = False) -> list[LocalModel]:
    """The models that the settings name, each under a short name. None is loaded.

    `base_beside`: each adapter's base stands before it, once.

    Raises:
        UsageError: there is no such model, or something is in the way of it.
    """
    need_extra()
    bases = Bases(trust_remote_code=settings.trust_remote_code)
    named = [each for name in settings.models for each in _find(name, settings) if each[1] != "base" or base_beside]
    found: list[tuple[str, Kind, Spec]] = []
    for name, kind, spec in named:
        loads = [
            other.load
            for _, _, other in named
            if other.adapter and (other.source, other.revision) == (spec.source, spec.revision)
        ]
        alike = (
            replace(spec, load=loads[0]) if loads and spec.load == AUTO else spec
        )  # in memory once, as it was tuned on
        if not any(_is_same(alike, other) for _, _, other in found):
            found.append((name, kind, alike))
    return [
        LocalModel(short, kind, spec, bases) for short, (_, kind, spec) in zip(_short_names(found), found, strict=True)
    ]


def _is_same(one: Spec, other: Spec) -> bool:
    """Whether two models say the same: one base under two adapters of one set is asked once."""
    return replace(one, manifest=None) == replace(other, manifest=None) and _put(one) == _put(other)


def _put(spec: Spec) -> tuple[object, object]:
    """How questions are put to it."""
    about = spec.manifest or {}
    return about.get("template", {}).get("form", "chat"), about.get("frame")


def _find(name: str, settings: ServedModels) -> Iterator[tuple[str, Kind, Spec]]:
    """The adapter of a name with its base, or the model of that name."""
    trusted = settings.trust_remote_code
    if not is_adapter(Path(name)):
        model = find_model(name, settings.load, trust_remote_code=trusted, memory=False)
        yield model.name, "model", Spec(model.source, None, settings.load or AUTO)
        return
    folder = Path(name)
    manifest = need_adapter(folder, base=settings.base, form=settings.form, trust_remote_code=trusted)
    about, load = manifest["base"], settings.load or manifest["load"]
    manifest = {**manifest, "folder": name}
    adapter = Spec(about["source"], about["revision"], load, folder, manifest, _changes_base(folder))
    yield find_base(about["source"]).name, "base", replace(adapter, adapter=None, is_alone=False)
    yield folder.resolve().name, "adapter", adapter


def _changes_base(folder: Path) -> bool:
    from fingen.adapters import FOREIGN
    from fingen.training.models import read_config

    return bool(read_config(folder, FOREIGN).get("bias", SIMPLE_BIAS) != SIMPLE_BIAS)


def _short_names(named: Sequence[tuple[str, Kind, Spec]]) -> list[str]:
    """A name of its own for each, that of its folder: where several have it, with the folder above; a base with its adapter's."""
    all_names, others = Counter(name for name, *_ in named), Counter(name for name, kind, _ in named if kind != "base")
    seen: Counter[str] = Counter()
    names = []
    for name, kind, spec in named:
        often = all_names if kind == "base" else others
        chosen = _longer(name, kind, spec) if often[name] > 1 else name
        seen[chosen] += 1
        names.append(chosen if seen[chosen] == 1 else f"{chosen}-{seen[chosen]}")
    return names


def _longer(name: str, kind: Kind, spec: Spec) -> str:
    if kind == "base" and spec.manifest:
        return f"{name}@{Path(spec.manifest['folder']).resolve().name}"
    folder = spec.adapter or Path(spec.source)
    above = folder.resolve().parent.name if folder.is_dir() else spec.source.rpartition("/")[0]
    return f"{above}/{name}" if above else name


def need_model(models: Sequence[LocalModel], name: str | None) -> LocalModel:
    """The model of that name; without one the only one that there is.

    Raises:
        UsageError: there is none.
    """
    known = {model.name: model for model in models}
    if name is None and len(models) == 1:
        return models[0]
    if name is None or name not in known:
        what = "no model is named" if name is None else f"there is no model {name!r}"
        raise UsageError(what, hint=f"name one of: {', '.join(known)}")
    return known[name]
