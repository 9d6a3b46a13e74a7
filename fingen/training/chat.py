"""A conversation with a model: questions put as the rows of its training were, alone or in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fingen.adapters import is_adapter
from fingen.config import MODELS, Tuning
from fingen.errors import UsageError
from fingen.training.frame import Frame, read_frame
from fingen.training.models import HUB_ID, Base, find_base
from fingen.training.preflight import find_obstacles, need_adapter, need_extra, refuse

PASSAGE_BYTES = 4_000_000


@dataclass(frozen=True)
class Reply:
    """What one side says, and the class that its answer stands for, where it is one of the options that were added."""

    text: str
    label: str | None
    is_framed: bool  # whether anything was put around the question


@dataclass(frozen=True)
class Question:
    """A question as a model gets it: `instruction` and `passage` of a row. `frame` is what was put around it, if anything was."""

    instruction: str
    passage: str = ""
    frame: Frame | None = None

    @property
    def text(self) -> str:
        """What stands in a turn."""
        return "\n".join(part for part in (self.instruction, self.passage) if part)


def put_question(question: str, frame: Frame | None, passage: str = "") -> Question:
    """A question put as the rows of a training were."""
    if frame is None or frame.is_whole(question):
        return Question(question, passage)
    instruction, own = frame.put(question)
    return Question(instruction, own or passage, frame)


@dataclass
class Chat:
    """A model that is asked. `sides` are the adapter and the base under it, or the model as it is."""

    tuned: Any
    sides: tuple[str, ...]
    system: str = ""
    passage: str = ""
    in_turns: bool = False
    max_tokens: int = 512
    frame: Frame | None = None
    said: dict[str, list[dict[str, str]]] = field(default_factory=dict)  # by side: the turns until now

    def ask(self, question: str, side: str, write: Callable[[str], None] = lambda piece: None) -> Reply:
        """One side's answer to a question; `write` gets it piece by piece.

        Raises:
            UsageError: the question holds a control token, is too long, or has no place in the prompts of this model.
        """
        from fingen.training.use import answer

        turns = self.said.setdefault(side, [])
        asked = put_question(question, self.frame, passage="" if turns else self.passage)  # it is among the turns then
        text = answer(
            self.tuned, asked.instruction, asked.passage, system=self.system, turns=turns, base=side == "base",
            max_tokens=self.max_tokens, write=write,
        )  # fmt: skip
        if self.in_turns:
            turns += [{"role": "user", "content": asked.text}, {"role": "assistant", "content": text}]
        return Reply(text, asked.frame.label(text) if asked.frame else None, asked.frame is not None)

    def forget(self) -> None:
        """Begin anew."""
        self.said.clear()


def open_chat(
    name: str, *, base: bool = False, on: str | None = None, form: str | None = None, system: str = "",
    passage: Path | None = None, in_turns: bool = False, max_tokens: int = 512, load: str | None = None,
    trust_remote_code: bool = False,
) -> Chat:  # fmt: skip
    """Load an adapter, or a model as it is or as it was merged: by its folder, and of models by alias or Hub id too.

    `base` asks an adapter's base beside it; `on` and `form` are base and form of an adapter that another program made.

    Raises:
        UsageError: there is none, something is in the way, or it has no place for what is wanted. HubError: it cannot be fetched.
    """
    said = read_passage(passage) if passage else ""
    if is_adapter(Path(name)):
        need_adapter(Path(name), base=on, form=form, trust_remote_code=trust_remote_code)
        need_extra()
        from fingen.training.use import load_adapter

        tuned = load_adapter(Path(name), base=on, form=form, load=load, trust_remote_code=trust_remote_code)
        sides = ("base", "adapter") if base else ("adapter",)
    else:
        if meant := [option for option, value in (("--base", base or on), ("--form", form)) if value]:
            raise UsageError(f"{name}: {meant[0]} goes with an adapter", hint=f"leave {meant[0]} out")
        tuned, sides = _open_model(name, load=load, trust_remote_code=trust_remote_code), ("model",)
    frame = read_frame(tuned.manifest)
    if frame and frame.is_input and said:
        raise UsageError(
            f"{name}: its rows have their question where a passage would stand", hint="leave --passage out"
        )
    if system or in_turns:  # what has no place is told before anybody types
        before = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
        tuned.template.render("question", system=system, turns=before if in_turns else ())
    return Chat(tuned, sides, system, said, in_turns, max_tokens, frame)


def find_model(name: str, load: str | None, *, trust_remote_code: bool, memory: bool = True) -> Base:
    """A model as it is, or as it was merged, that can be loaded; whether there is `memory` for it is told with torch alone.

    Raises:
        UsageError: there is none, or something is in the way.
    """
    if not (Path(name).expanduser().is_dir() or name.lower() in MODELS or HUB_ID.fullmatch(name)):
        said = f"{name}: no whole adapter is here, and it is no alias, folder or Hub id of a model"
        raise UsageError(said, hint="make an adapter: fingen finetune --help; `fingen models` lists the aliases")
    model = find_base(name)
    if model.built:
        raise UsageError(f"{name}: it is made from a set, by fingen finetune", hint="name its folder in build/models/")
    tuning = Tuning(load=load) if load else Tuning()
    refuse(find_obstacles(model, tuning, trust_remote_code=trust_remote_code, memory=memory))
    return model


def _open_model(name: str, *, load: str | None, trust_remote_code: bool) -> Any:
    model = find_model(name, load, trust_remote_code=trust_remote_code)
    from fingen.training.use import load_model

    return load_model(model.source, load=load or "auto", trust_remote_code=trust_remote_code)


def read_passage(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read, is no text in UTF-8, empty, or longer than any passage.
    """
    try:
        with path.open("rb") as file:
            content = file.read(PASSAGE_BYTES + 1)
        text = content.decode("utf-8-sig").strip()
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a text file") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{path}: no text in UTF-8", hint="save the passage as text") from e
    if not text or "\0" in text or len(content) > PASSAGE_BYTES:
        raise UsageError(
            f"{path}: empty, no text, or more than {PASSAGE_BYTES:,} bytes", hint="save one passage as text"
        )
    return text
