"""A question of the page, put to one model: its answer piece by piece, the figures in it, and how sure it is of each option."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fingen.errors import FingenError, UsageError, redact, visible
from fingen.records import Passage
from fingen.scoring.rows import ScoringItem
from fingen.serving.figures import Checked, Piece
from fingen.serving.material import Material
from fingen.serving.models import Asked, LocalModel
from fingen.serving.teachers import TeacherModel
from fingen.training.chat import put_question
from fingen.training.frame import Frame

Model = LocalModel | TeacherModel
Emit = Callable[[dict[str, Any]], None]
Turns = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Ask:
    """What was typed or chosen. `turns` are each model's own; the passage is checked against also where it is not given."""

    question: str
    system: str = ""
    passage: Passage | None = None
    is_given: bool = True  # whether the models see the passage
    item: ScoringItem | None = None  # the example that was chosen
    turns: Mapping[str, Turns] = field(default_factory=dict)  # by model

    def put(self, model: str, frame: Frame | None) -> tuple[Asked, Frame | None, Mapping[str, str]]:
        """The question as a model gets it, what was put around it, and the options that it can choose from: answer -> name."""
        turns = self.turns.get(model, ())
        if self.item is not None and self.item.turns:  # it is a conversation of its own
            turns = self.item.turns
        shown = self.passage.text if self.passage and self.is_given else ""
        if shown and any(shown in turn["content"] for turn in turns):
            shown = ""  # it is among what was said
        if self.item is not None:
            system = self.system or self.item.system
            asked = Asked(self.item.instruction, self.item.input or shown, system, turns)
            return asked, None, {key: self.item.name(key) for key in self.item.options}
        put = put_question(self.question, frame, shown)
        options = put.frame.options if put.frame else {}
        return Asked(put.instruction, put.passage, self.system, turns), put.frame, options


def parse_ask(body: Any, models: Mapping[str, Model], material: Material | None) -> tuple[Ask, list[Model]]:
    """The question of a request, and whom it is for.

    Raises:
        UsageError: it is no such request, or names what is not there.
    """
    wrong = UsageError("no question: the page and the server differ", hint="load the page again")
    if not isinstance(body, dict) or not isinstance(names := body.get("models"), list):
        raise wrong
    texts = {name: body.get(name, "") for name in ("question", "system", "passage", "item")}
    if not names or not all(isinstance(text, str) for text in (*texts.values(), *names)):
        raise wrong
    if unknown := [name for name in names if name not in models]:
        raise UsageError(f"there is no model {unknown[0]!r}", hint="load the page again")
    item = material.item(texts["item"]) if material and texts["item"] else None
    if not texts["question"].strip() and item is None:
        raise UsageError("no question", hint="type one, or choose an example")
    passage = material.passage(texts["passage"]) if material and texts["passage"] else None
    said = body.get("turns") or {}
    if not isinstance(said, dict):
        raise wrong
    turns = {name: _parse_turns(each, wrong) for name, each in said.items()}
    ask = Ask(texts["question"], texts["system"], passage, bool(body.get("give", True)), item, turns)
    return ask, [models[name] for name in dict.fromkeys(names)]


def _parse_turns(turns: Any, wrong: UsageError) -> Turns:
    """Question and answer, one after the other."""
    if not isinstance(turns, list) or len(turns) % 2 or not all(isinstance(text, str) for text in turns):
        raise wrong
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)]


class Asking:
    """One question, put to one model. Everything that is told of it goes through `emit`."""

    def __init__(self, model: Model, ask: Ask, material: Material | None, max_tokens: int, emit: Emit) -> None:
        self._model, self._ask, self._max_tokens = model, ask, max_tokens
        self._emit = emit
        passages = [ask.passage] if ask.passage else []
        organisations = material.origin.organisations if material else ()
        question = ask.item.text if ask.item else ask.question
        self._checked = Checked(question, passages, organisations)

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Ask, and tell what comes of it: also of an error, which is this model's alone."""
        try:
            if isinstance(self._model, LocalModel):
                self._ask_local(self._model, is_stopped)
            else:
                self._ask_teacher(self._model)
        except FingenError as e:
            self._tell("error", text=visible(str(e), lines=True), hint=visible(e.hint))

    def _tell(self, kind: str, **values: Any) -> None:
        self._emit({"model": self._model.name, "type": kind, **values})

    def _ask_local(self, model: LocalModel, is_stopped: Callable[[], bool]) -> None:
        opened = model.open(lambda news: self._tell("loading", step=news.step, of=visible(news.of)))
        asked, frame, options = self._ask.put(model.name, opened.frame)
        if frame and frame.is_input and self._ask.passage and self._ask.is_given:
            self._tell(
                "note", text="its rows have their question where a passage would stand: it was not given the passage"
            )
        from fingen.training.generate import Sampling

        begun, first = time.monotonic(), 0.0

        def write(piece: str) -> None:
            nonlocal first
            first = first or time.monotonic() - begun
            self._piece(piece)

        written = model.write(asked, self._max_tokens, Sampling(), write, is_stopped)
        seconds = time.monotonic() - begun
        if options and not is_stopped():
            shares = model.choose(asked, list(options))
            told = [
                {"key": visible(key), "name": visible(name), "share": share}
                for (key, name), share in zip(options.items(), shares, strict=True)
            ]
            self._tell("options", options=told, from_frame=frame is not None)
        self._end(
            asked, written.text, ending=written.ending, tokens=written.tokens, first=first, seconds=seconds,
            label=visible(frame.label(written.text) or "") if frame else "",
        )  # fmt: skip

    def _ask_teacher(self, model: TeacherModel) -> None:
        asked, _, _ = self._ask.put(model.name, None)
        if not model.is_agreed:
            estimate = model.estimate(asked)
            most = estimate.usd[2] if estimate.usd else None
            self._tell("consent", usd=most, tokens=estimate.input_tokens, passage=bool(asked.passage))
            return
        self._tell("note", note="sent")
        begun = time.monotonic()
        completion, is_new = model.write(asked)
        self._piece(completion.text)
        self._end(
            asked, completion.text, ending="length" if completion.stop_reason == "max_tokens" else "stop",
            tokens=completion.usage.output_tokens, first=0.0, seconds=time.monotonic() - begun,
            usd=completion.cost_usd if is_new else 0.0, is_new=is_new, spent_usd=model.spent_usd(),
        )  # fmt: skip

    def _piece(self, piece: str) -> None:
        self._tell("piece", text=visible(piece, lines=True))
        if pieces := self._checked.add(piece):
            self._tell("checked", pieces=_shown(pieces))

    def _end(self, asked: Asked, text: str, **values: Any) -> None:
        self._tell("checked", pieces=_shown(self._checked.end(text)))
        put = "\n".join(part for part in (asked.instruction, asked.passage) if part)
        self._tell("done", before=[turn["content"] for turn in asked.turns], put=put, text=text, **values)


def _shown(pieces: Sequence[Piece]) -> list[dict[str, str]]:
    return [
        {**asdict(piece), "text": visible(piece.text, lines=True), "why": visible(redact(piece.why))}
        for piece in pieces
    ]
