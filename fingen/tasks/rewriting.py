"""Pairs of others, written better, asked otherwise, or answered in more detail: what a teacher is asked, and the rows that come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from fingen.prompts import Template, quoted
from fingen.records import Record, Request, content_id
from fingen.tasks.answers import items_schema
from fingen.tasks.review import Numbered, Review

MARK = "text"  # what stands around the data in the template


class Improved(Numbered):
    """A pair as it is now."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Rephrased(Numbered):
    """A question as it is now."""

    question: str = Field(min_length=1)


class Extended(Numbered):
    """An answer as it is now."""

    answer: str = Field(min_length=1)


WAYS: Mapping[str, Review[Any]] = {
    "improve": Review("rewrite", Improved, item_tokens=400),
    "rephrase": Review("rewrite", Rephrased, item_tokens=60),
    "extend": Review("rewrite", Extended, item_tokens=500),
}


def refuse_row(record: Record) -> str:
    """Why a row is not rewritten; "" for a question and an answer in free text."""
    if record.label or record.options:
        return "label"
    if record.turns:
        return "turns"
    return "" if record.instruction.strip() and record.output.strip() else "empty"


def ask_rewrites(template: Template, how: str, records: Sequence[Record], teacher: str) -> Request:
    """Ask for the rows, written anew, by their ids."""
    way = WAYS[how]
    pairs = [
        {
            "number": number,
            "context": quoted(record.input, MARK),
            "question": quoted(record.instruction, MARK),
            "answer": quoted(record.output, MARK),
        }
        for number, record in enumerate(records, 1)
    ]
    schema = items_schema(way.verdict.model_json_schema())
    return way.request(template, {"how": how, "pairs": pairs}, schema, [record.id for record in records], teacher)


def build_rewrite(record: Record, how: str, said: Any, teacher: str) -> Record:
    """The row that a teacher has made of another one. What it rests on is what the original rests on."""
    question, answer = getattr(said, "question", record.instruction), getattr(said, "answer", record.output)
    return record.model_copy(
        update={
            "instruction": question,
            "output": answer,
            "id": content_id("rw", record.id, how, question, answer),
            "draws": {**record.draws, "rewrites": record.id, "how": how},
            "figures": (),
            "scores": {},
            "review": {},
            "teacher": teacher,
            "origin": "document" if record.document else "synthetic",
        }
    )
