"""Questions on a table and the text around it whose answers are worked out: FinQA (programs), TAT-QA (answers with a scale)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fingen.disk import dump_json
from fingen.imports.base import ImportSource, Options, make_record
from fingen.records import Record
from fingen.rows import Raw, read_each

FINQA_ASK = """{question}
Answer with a program over figures of the report: steps parted by a comma and a space, each add, subtract, multiply, divide, \
exp or greater of two figures, or table_sum, table_average, table_max or table_min of the name of a row and none. #0 is the \
result of the first step, #1 that of the second; const_100 is the number 100. For example: subtract(5829, 5735), divide(#0, 5735)
Write the program and nothing else."""
TATQA_ASK = """{question}
Answer with JSON: {{"answer": ..., "scale": ...}}. The answer is a list of the words that answer it as they stand, or a number \
that is worked out; the scale is thousand, million, billion, percent, or empty.
Write the JSON and nothing else."""


def _build_finqa(raw: Raw, options: Options) -> Record:
    asked = raw.values.get("qa")
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name), str) for name in ("question", "program")):
        raw.fail("qa has no question and program")
    answer = asked.get("exe_ans")
    if not isinstance(answer, int | float | str):
        raw.fail("qa has no exe_ans")
    table = _table(raw, raw.values.get("table"))
    text = [_text(raw, raw.values.get(name)) for name in ("pre_text", "post_text")]
    record = make_record(
        instruction=FINQA_ASK.format(question=asked["question"]),
        input="\n\n".join(filter(None, (text[0], _shown(table), text[1]))),
        output=asked["program"],
        task="finqa",
    )
    facts = {"answer": answer, "table": table}
    return record.model_copy(update={"id": raw.text("id"), "program": asked["program"], "draws": facts})


def _build_tatqa(raw: Raw, options: Options) -> Record:
    asked = raw.values["question"]
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name), str) for name in ("question", "uid")):
        raw.fail("a question without uid and question")
    answer, kind, scale = (asked.get(name) for name in ("answer", "answer_type", "scale"))
    if answer is None or not isinstance(kind, str) or not isinstance(scale, str):
        raw.fail("a question without answer, answer_type and scale")
    held = raw.values.get("table")
    table = _table(raw, held.get("table") if isinstance(held, dict) else None)
    paragraphs = raw.values.get("paragraphs")
    if not isinstance(paragraphs, list) or not all(isinstance(each, dict) for each in paragraphs):
        raw.fail("no paragraphs")
    ordered = sorted(paragraphs, key=lambda each: each.get("order") or 0)
    record = make_record(
        instruction=TATQA_ASK.format(question=asked["question"]),
        input="\n\n".join([_shown(table), *(str(each.get("text") or "") for each in ordered)]),
        output=dump_json({"answer": answer, "scale": scale}),
        task="tat-qa",
    )
    facts = {"answer": answer, "answer_type": kind, "scale": scale}
    return record.model_copy(update={"id": asked["uid"], "draws": facts})


def _read_tatqa(path: Path) -> Iterator[Raw]:
    """A row for each question: those of one table stand together in the file."""
    for raw in read_each(path):
        questions = raw.values.get("questions")
        if raw.damage or not isinstance(questions, list):
            yield replace(raw, damage=raw.damage or "no list of questions")
            continue
        about = {name: value for name, value in raw.values.items() if name != "questions"}
        yield from (replace(raw, values={**about, "question": question}) for question in questions)


def _table(raw: Raw, value: Any) -> list[list[str]]:
    if not isinstance(value, list) or not all(isinstance(row, list) and row for row in value):
        raw.fail("no table of rows")
    return [[str(cell) for cell in row] for row in value]


def _shown(table: Sequence[Sequence[str]]) -> str:
    return "\n".join(" | ".join(row) for row in table)


def _text(raw: Raw, value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raw.fail("pre_text and post_text are no lists of sentences")
    return " ".join(line for line in value if line.strip(" ."))


SOURCES = {
    "finqa": ImportSource(
        title="FinQA",
        where="https://github.com/czyssrs/FinQA/tree/main/dataset",
        build=_build_finqa,
        columns=frozenset({"id", "pre_text", "post_text", "table", "qa"}),
        files=("train.json", "dev.json", "test.json"),
        licence="MIT",
        split="test",
    ),
    "tat-qa": ImportSource(
        title="TAT-QA",
        where="https://github.com/NExTplusplus/TAT-QA/tree/master/dataset_raw",
        build=_build_tatqa,
        columns=frozenset({"table", "paragraphs", "question"}),
        files=("tatqa_dataset_train.json", "tatqa_dataset_dev.json", "tatqa_dataset_test_gold.json"),
        licence="CC-BY-4.0",
        split="test",
        read=_read_tatqa,
    ),
}
