"""A second teacher answers items blind: it sees the labels and the texts, not which label a text was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from fingen.prompts import Template
from fingen.records import Completion, Record, Request
from fingen.tasks.answers import Strict, build_check, parse_items, unusable
from fingen.tasks.labels import Label

TEXTS = 10  # in a request
ITEM_TOKENS = 20  # of an answer, for one text


class Verdict(Strict):
    """Which label a text has."""

    number: int = Field(ge=1)
    label: str


def build_request(template: Template, labels: Sequence[Label], records: Sequence[Record], teacher: str) -> Request:
    """Ask which label each text has."""
    values = {"labels": labels, "texts": [record.instruction for record in records]}
    draws = [{"id": record.id} for record in records]
    return build_check("intent-check", template, values, _schema(labels), ITEM_TOKENS, draws, teacher)


def _schema(labels: Sequence[Label]) -> dict[str, Any]:
    item = Verdict.model_json_schema()
    item["properties"]["label"]["enum"] = [label.name for label in labels]
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/Item"}}},
        "required": ["items"],
        "additionalProperties": False,
        "$defs": {"Item": item},
    }


def whole_problem(request: Request, completion: Completion) -> str | None:
    """What is wrong with an answer as a whole, for the teacher to mend."""
    return unusable(completion.text, Verdict)


def read_verdicts(request: Request, text: str) -> dict[str, str]:
    """Record id -> label, for the texts that got exactly one.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    items, _ = parse_items(text, Verdict)
    given: dict[int, set[str]] = {}
    for item in items:
        given.setdefault(item.number, set()).add(item.label)
    ids = [draw["id"] for draw in request.draws]
    return {
        ids[number - 1]: next(iter(said)) for number, said in given.items() if number <= len(ids) and len(said) == 1
    }
