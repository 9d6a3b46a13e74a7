"""Alpaca rows that other people made, and what they are as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fingen.errors import SetError
from fingen.records import Record, content_id
from fingen.rows import FORMS, read_raw
from fingen.text import find_language

QUESTIONS = ("instruction", "question", "prompt", "query")  # what the column is called, in different places
ANSWERS = ("output", "answer", "response")
OWN = frozenset({"id", "task", "origin"})  # the columns by which a row that fingen wrote is known
TEACHER = "unknown"


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file and their numbers, counted from 1 (in JSON lines and CSV: the line they start in).

    Raises:
        UsageError: no such file. SetError: a row that is no object; names file and line.
    """
    return ((raw.number, raw.values) for raw in read_raw(path))


def build_record(row: dict[str, Any], number: int, path: Path) -> Record:
    """A row as a record. One that fingen wrote is taken with all that it says; of another one the text is.

    The question may stand in `input` alone: it is then the instruction.

    Raises:
        SetError: it has no question or no answer, or they are no text.
    """
    if row.keys() >= OWN:
        return Record.model_validate(row)
    question, context, answer = parse_alpaca(row)
    if not (isinstance(question, str) and question and isinstance(answer, str) and answer and isinstance(context, str)):
        raise SetError(
            f"{path}, row {number}: no question and answer in {', '.join(row) or 'an empty row'}", hint=FORMS
        )
    system = row.get("system")
    return Record(
        instruction=question,
        input=context,
        output=answer,
        system=system if isinstance(system, str) else "",
        id=content_id("in", str(number), question, context, answer),
        task="qa",
        language=find_language(question + answer),
        teacher=TEACHER,
        origin="imported",
    )


def parse_alpaca(row: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Question, context and answer of a row, whatever its columns are called; what is not there is an empty text."""
    question, answer = _first(row, QUESTIONS), _first(row, ANSWERS)
    context = row.get("input") or ""
    return (question, context, answer) if question else (context, "", answer)


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name)), "")
