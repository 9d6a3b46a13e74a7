"""Forms that many data sets have: Alpaca rows, conversations (ShareGPT, OpenAI messages), and a CSV of texts and labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from fingen.errors import UsageError
from fingen.imports.alpaca import ANSWERS, OWN, QUESTIONS, parse_alpaca
from fingen.imports.base import ImportSource, Options, Unusable, make_record
from fingen.records import Record
from fingen.rows import FORMS, Raw

MOST_LABELS = 100  # that an instruction lists
SAID_BY = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
TURNS = 'give rows of {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}'


def _build_alpaca(raw: Raw, options: Options) -> Record | Unusable:
    """A row that fingen wrote keeps all that it says; turns before the question would be lost, so it is no record."""
    if raw.values.keys() >= OWN:
        try:
            return Record.model_validate(raw.values)
        except ValidationError as e:
            first = e.errors()[0]
            raw.fail(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if raw.values.get("history"):
        return Unusable("several-turns", "it has a history")
    question, context, answer = parse_alpaca(raw.values)
    if not isinstance(question, str) or not question.strip():
        raw.fail(f"no question in {', '.join(raw.values) or 'an empty row'}", hint=FORMS)
    if not isinstance(answer, str) or not isinstance(context, str):
        raw.fail("input and output must be text", hint=FORMS)
    if not answer.strip():
        if not raw.values.keys() & set(ANSWERS):
            raw.fail(f"no answer in {', '.join(raw.values)}", hint=FORMS)
        return Unusable("no-answer", "its output is empty")
    system = raw.values.get("system")
    if isinstance(system, str) and system.strip():
        question = f"{system}\n{question}"
    return make_record(instruction=question, input=context, output=answer, task="qa")


def _build_sharegpt(raw: Raw, options: Options) -> Record | Unusable:
    """One question and its answer. A system prompt is the instruction, and the question is then the input."""
    turns = raw.values.get("conversations") or raw.values.get("messages")
    if not isinstance(turns, list) or not turns:
        raw.fail(f"no conversations in {', '.join(raw.values) or 'an empty row'}", hint=TURNS)
    said = [_turn(raw, turn) for turn in turns]
    if isinstance(system := raw.values.get("system"), str) and system.strip():
        said = [("system", system), *said]
    if unknown := sorted({who for who, _ in said if who not in SAID_BY}):
        return Unusable("role", f"turns of {', '.join(unknown)}")
    roles = [SAID_BY[who] for who, _ in said]
    texts = [text for _, text in said]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        return Unusable("several-turns", f"its turns are {', '.join(roles)}, not one question and its answer")
    if not texts[-1].strip() or not texts[-2].strip():
        return Unusable("no-answer", "its question or its answer is empty")
    if len(texts) == 2:
        return make_record(instruction=texts[0], output=texts[1], task="qa")
    return make_record(instruction=texts[0], input=texts[1], output=texts[2], task="qa")


def _turn(raw: Raw, turn: Any) -> tuple[str, str]:
    """Who says it, and what."""
    if isinstance(turn, dict):
        who, text = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
        if isinstance(who, str) and isinstance(text, str):
            return who, text
    raw.fail("a turn without who says it, or without its text", hint=TURNS)


def _prepare_csv(rows: list[Raw], options: Options) -> Options:
    """The instruction lists the labels that there are."""
    if not options.text or not options.label:
        raise UsageError(
            "csv: which columns hold text and label?",
            hint="--text COLUMN --label COLUMN; for columns instruction, input, output: fingen import alpaca",
        )
    if options.instruction:
        return options
    labels = sorted({row.text(options.label).strip() for row in rows})
    if len(labels) > MOST_LABELS:
        raise UsageError(
            f"csv: {len(labels):,} different labels in {options.label!r}, too many to list in an instruction",
            hint="name the column of the labels with --label, or say what is asked with --instruction",
        )
    return replace(options, instruction=f"Classify the text. Choose one of {{{'/'.join(labels)}}}.")


def _build_csv(raw: Raw, options: Options) -> Record:
    label = raw.text(options.label or "").strip()
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
        columns=frozenset({*QUESTIONS, "input", *ANSWERS, "system", "history", *Record.model_fields}),
    ),
    "sharegpt": ImportSource(
        title="Conversations",
        where="",
        build=_build_sharegpt,
        columns=frozenset({"conversations", "messages", "system"}),
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
