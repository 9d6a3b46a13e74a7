"""Forms that many data sets have: Alpaca rows, conversations (ShareGPT, OpenAI messages), and a CSV of texts and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

from pydantic import ValidationError

from fingen.errors import UsageError
from fingen.imports.alpaca import ANSWERS, OWN, QUESTIONS, parse_alpaca
from fingen.imports.base import ImportSource, Options, Unusable, make_record
from fingen.records import COLUMNS, PREFERENCE, Record, Turn, parse_nested
from fingen.rows import FORMS, Raw, say_near

MOST_LABELS = 100  # that an instruction lists
SAID_BY = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system", "developer": "system",
}  # fmt: skip
# How others mark what is not to be learned: KTO's label, OpenAI's weight, axolotl's train and training, ms-swift's loss.
MARKS = ("kto_tag", "kto_label", "train", "training", "trainable", "loss")
MOST_ROLES = 8  # of a conversation that a reject lists
HISTORY = 'give pairs of a question and its answer: {"history": [["...", "..."]]}'
TURNS = 'give rows of {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}'


def _build_alpaca(raw: Raw, options: Options) -> Record | Unusable:
    """A row that fingen wrote keeps all that it says; a history is the turns before the question."""
    if raw.values.keys() >= OWN:
        try:
            # Of a preference the chosen answer is a row as any other; of the rejected one nobody learns here.
            return Record.model_validate({name: raw.values[name] for name in raw.values.keys() - {*PREFERENCE}})
        except ValidationError as e:
            first = e.errors()[0]
            raw.fail(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if mark := _not_learned(raw.values):
        return Unusable("not-to-be-learned", mark)
    question, context, answer = parse_alpaca(raw.values)
    if not isinstance(question, str) or not question.strip():
        there = ", ".join(raw.values) or "an empty row"
        raw.fail(f"no question in {there}{say_near((*QUESTIONS, 'input'), raw.values)}", hint=FORMS)
    if not isinstance(answer, str) or not isinstance(context, str):
        raw.fail("input and output must be text", hint=FORMS)
    if not answer.strip():
        if not raw.values.keys() & set(ANSWERS):
            raw.fail(f"no answer in {', '.join(raw.values)}{say_near(ANSWERS, raw.values)}", hint=FORMS)
        return Unusable("no-answer", "its output is empty")
    turns = _history(raw)
    if isinstance(turns, Unusable):
        return turns
    system = _text(raw.values.get("system"))
    return make_record(instruction=question, input=context, output=answer, system=system, turns=turns, task="qa")


def _history(raw: Raw) -> tuple[Turn, ...] | Unusable:
    """The turns of an Alpaca row's history, which is pairs of a question and its answer."""
    try:
        history = parse_nested(raw.values.get("history") or [])
    except ValueError:
        raw.fail("history is no JSON", hint=HISTORY)
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raw.fail("history is no list of pairs", hint=HISTORY)
    texts = [text for pair in history for text in pair]
    if not all(isinstance(text, str | None) for text in texts):
        raw.fail("history holds what is no text", hint=HISTORY)
    if not all(map(_text, texts)):
        return Unusable("no-answer", "a question or an answer of its history is empty")
    return tuple(Turn(role=who, content=text) for who, text in zip(cycle(("user", "assistant")), texts, strict=False))


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def _not_learned(values: Mapping[str, Any]) -> str:
    """The mark, with its value, by which a row or a turn says that it is not to be learned; empty where it has none."""
    if values.get("label") is False:  # only so: a label may be a text, or a number of a class
        return "label is false"
    if mark := next((name for name in MARKS if str(values.get(name)).lower() in ("false", "0")), None):
        return f"{mark} is {str(values[mark]).lower()}"
    weight = values.get("weight")
    return "weight is 0" if isinstance(weight, int | float) and not weight else ""


def _build_sharegpt(raw: Raw, options: Options) -> Record | Unusable:
    """Questions and their answers in turn, after a system prompt or none: the last pair is what the turns lead to."""
    turns = raw.values.get("conversations") or raw.values.get("messages")
    if not isinstance(turns, list) or not turns:
        there = ", ".join(raw.values) or "an empty row"
        raw.fail(f"no conversations in {there}{say_near(('conversations', 'messages'), raw.values)}", hint=TURNS)
    said = [_turn(raw, turn) for turn in turns]
    if unknown := sorted({who for who, _ in said if who not in SAID_BY}):
        return Unusable("role", f"turns of {', '.join(unknown)}")
    if odd := next((who for who, text in said if not isinstance(text, str | None)), None):
        return Unusable("parts", f"what {odd} says is no text but in parts")
    marks = [_not_learned(turn) for turn, (who, _) in zip(turns, said, strict=True) if SAID_BY[who] == "assistant"]
    if mark := next(filter(None, (_not_learned(raw.values), *marks)), ""):
        return Unusable("not-to-be-learned", mark)
    told = [("system", raw.values.get("system")), *((SAID_BY[who], text) for who, text in said)]
    return _conversation([(who, _text(text)) for who, text in told if who != "system" or _text(text)])


def _conversation(said: list[tuple[str, str]]) -> Record | Unusable:
    """What questions and answers in turn come to."""
    system = [text for who, text in said[:1] if who == "system"]
    turns = [Turn(role=who, content=text) for who, text in said[len(system) :]]
    roles = [turn.role for turn in turns]
    if roles and roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2):
        if roles[-1] == "user" or not all(turn.content for turn in turns):
            why = "it ends with a question" if roles[-1] == "user" else "a question or an answer is empty"
            return Unusable("no-answer", why)
        *before, question, answer = turns
        return make_record(
            instruction=question.content, output=answer.content, system="".join(system), turns=tuple(before), task="qa"
        )
    listed = ", ".join(roles[:MOST_ROLES]) + (", ..." if len(roles) > MOST_ROLES else "")
    return Unusable("turn-order", f"its turns are {listed}: no questions and answers in turn")


def _turn(raw: Raw, turn: Any) -> tuple[str, Any]:
    """Who says it, and what."""
    if isinstance(turn, dict):
        who = turn.get("from", turn.get("role"))
        if isinstance(who, str) and turn.keys() & {"value", "content"}:
            return who, turn.get("value", turn.get("content"))
    raw.fail("a turn without who says it, or without its text", hint=TURNS)


def _prepare_csv(rows: Sequence[Raw], options: Options) -> Options:
    """The instruction lists the labels that there are."""
    if not options.text or not options.label:
        raise UsageError(
            "csv: which columns hold text and label?",
            hint="--text COLUMN --label COLUMN; for columns instruction, input, output: fingen import alpaca",
        )
    for column in (options.text, options.label):
        if row := next((row for row in rows if not row.damage and column not in row.values), None):
            raise UsageError(
                f"csv: {row.file} has no column {column!r}{say_near((column,), row.values)}",
                hint=f"it has {', '.join(row.values)}",
            )
    if options.instruction:
        return options
    labels = sorted({label for row in rows if (label := _text(row.values.get(options.label)).strip())})
    if len(labels) > MOST_LABELS:
        raise UsageError(
            f"csv: {len(labels):,} different labels in {options.label!r}, too many to list in an instruction",
            hint="name the column of the labels with --label, or say what is asked with --instruction",
        )
    return replace(options, instruction=f"Classify the text. Choose one of {{{'/'.join(labels)}}}.")


def _build_csv(raw: Raw, options: Options) -> Record | Unusable:
    label = _text(raw.values.get(options.label or "")).strip()
    if not label:
        return Unusable("no-answer", f"its {options.label} is empty")
    return make_record(
        instruction=options.instruction or "",
        input=raw.text(options.text or ""),
        output=label,
        task="classification",
        label=label,
    )


SOURCES = {
    "alpaca": ImportSource(
        title="Alpaca rows",
        where="",
        build=_build_alpaca,
        columns=frozenset({*QUESTIONS, "input", *ANSWERS, "system", "history", "weight", *MARKS, *COLUMNS}),
    ),
    "sharegpt": ImportSource(
        title="Conversations",
        where="",
        build=_build_sharegpt,
        columns=frozenset({"conversations", "messages", "system", "label", "weight", *MARKS}),
        files=("*.json", "*.jsonl"),
    ),
    "csv": ImportSource(
        title="Texts and labels",
        where="",
        build=_build_csv,
        columns=frozenset(),  # those that were named
        files=("*.csv",),
        prepare=_prepare_csv,
    ),
}
