"""Conversations about a passage: each question rests on what was asked and answered before it, and each answer is proved alone."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from fingen.tasks.answers import Strict
from fingen.tasks.qa import DocumentTask, QaItem

LEAST_TURNS, MOST_TURNS = 3, 5  # questions with their answers
PAIRS_EACH = 4  # pairs that a conversation is as long as, about


class TurnItem(Strict):
    """One question and its answer as a teacher writes them."""

    question: str = Field(
        min_length=1, description="the first names the company and the period; a later one may rest on it"
    )
    answer: str = Field(min_length=1, description="names the item and the period of each figure")
    evidence: list[str] = Field(description="verbatim quotes from the passage that no earlier turn has")
    calc: str | None = Field(description="arithmetic expression for a computed figure, else null")


class ConversationItem(Strict):
    """One conversation as a teacher writes it."""

    turns: list[TurnItem] = Field(min_length=LEAST_TURNS, max_length=MOST_TURNS)

    @property
    def pairs(self) -> Sequence[QaItem]:
        """Its turns as pairs; they have no second wording, as a question that rests on others is asked in its place alone."""
        return [QaItem.model_construct(**turn.model_dump(), rephrased="") for turn in self.turns]


CONVERSATION = DocumentTask(
    "conversation", task="qa-conversation", item=ConversationItem, pairs_each=PAIRS_EACH, takes_tables=True
)
