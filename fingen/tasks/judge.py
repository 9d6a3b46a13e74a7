"""A teacher scores pairs by one rubric, with their passages before it. PairScores are kept; they let nothing pass or fall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from fingen.prompts import Template
from fingen.records import Completion, Record, Request
from fingen.tasks.answers import Strict, build_check, parse_items, unusable

TASK = "judge"
ITEM_TOKENS = 40  # of an answer, for one pair


class PairScore(Strict):
    """What one pair is worth, 1 to 5 on each point."""

    number: int = Field(ge=1)
    supported: int = Field(ge=1, le=5)
    answers: int = Field(ge=1, le=5)
    specific: int = Field(ge=1, le=5)
    useful: int = Field(ge=1, le=5)


class PairScores(Strict):
    """A teacher's whole answer."""

    items: list[PairScore]


def build_request(template: Template, passages: Sequence[str], records: Sequence[Record], teacher: str) -> Request:
    """Have pairs on the same passages scored."""
    pairs = [
        {"question": r.instruction, "answer": r.output, "evidence": [quote.quote for quote in r.evidence]}
        for r in records
    ]
    quoted = [passage.replace("</passage>", "< /passage>") for passage in passages]
    draws = [{"id": record.id} for record in records]
    values = {"passages": quoted, "pairs": pairs}
    return build_check(TASK, template, values, PairScores.model_json_schema(), ITEM_TOKENS, draws, teacher)


def whole_problem(request: Request, completion: Completion) -> str | None:
    """What is wrong with an answer as a whole, for the teacher to mend."""
    return unusable(completion.text, PairScore)


def read_scores(request: Request, text: str) -> dict[str, dict[str, float]]:
    """Record id -> its scores, for the pairs that got exactly one.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    items, _ = parse_items(text, PairScore)
    ids = [draw["id"] for draw in request.draws]
    numbers = [item.number for item in items]
    scores: dict[str, dict[str, float]] = {}
    for item in items:
        values: dict[str, Any] = item.model_dump(exclude={"number"})
        if numbers.count(item.number) == 1 and item.number <= len(ids):
            scores[ids[item.number - 1]] = {name: float(value) for name, value in values.items()}
    return scores
