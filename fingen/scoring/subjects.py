"""Who answers: what each subject is called, what it is, and what it gives back for a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fingen.scoring.parse import parse_answer
from fingen.scoring.report import SHOWN, Kind, Method, Prediction
from fingen.scoring.rows import Asked, ScoringItem
from fingen.text import LETTER_ONLY
from fingen.thoughts import without_thoughts

Say = Callable[[str], None]
REFUSAL = "refusal"  # the stop reason of a teacher that did not answer; what it says of that names no option


@dataclass(frozen=True)
class Given:
    """What a subject gave for a row: the key of the option that it chose, or the text that it wrote (`key` is None).

    `why` says why there is nothing that could be read, where the subject itself knows.
    """

    id: str
    turn: int
    answer: str
    key: str | None = None
    probabilities: Mapping[str, float] | None = None  # key -> 0..1
    why: str = ""
    cut: bool = False  # whether it ended because it might not be longer


class Subject(Protocol):
    """One that answers rows. `details` say what it is, so that a score can be told from another's of the same name."""

    @property
    def name(self) -> str:
        """What it is called in a report."""

    @property
    def kind(self) -> Kind:
        """What sort of subject it is."""

    @property
    def details(self) -> dict[str, Any]:
        """Hashes, revision, number format; what it has cost."""

    def method(self, asked: Asked) -> Method:
        """How its answers to these rows come about."""

    def answer(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> Iterator[Given]:
        """Its answers to some rows of a source, in any order, after `shots` as examples.

        Raises:
            FingenError: it cannot answer.
        """


def read(item: ScoringItem, given: Given, subject: str, asked: Asked) -> Prediction:
    """What was given for a row, as a prediction."""
    key: str | None = None
    if not item.options:
        written = without_thoughts(given.answer)
        why = given.why or ("still thinking when it ended" if written is None else "text" if written else "empty")
    elif given.key is not None:
        key, why = given.key, "the likeliest option"
    elif given.why == REFUSAL or (given.why and not given.answer):
        why = given.why
    else:
        key, why = parse_answer(given.answer, item.options)
        why = f"{why} ({given.why})" if given.why and key is None else why
    value = None if key is None else item.name(key)
    shares: dict[str, float] = {}
    for key, share in (given.probabilities or {}).items():
        shares[item.name(key)] = shares.get(item.name(key), 0.0) + share
    return Prediction(
        subject=subject,
        on=asked.key,
        context=asked.context,
        id=item.id,
        text=item.text[:SHOWN],
        gold=item.gold,
        value=value,
        correct=value == item.gold if item.options else None,
        why=why,
        answer=given.answer,
        letter=key if key is not None and key != value else "",
        cut=given.cut,
        probabilities=shares or None,
    )


def question_alone(item: ScoringItem) -> str:
    """The question without its lettered options and the wish for a letter: they mislead who does not choose among letters."""
    listed = "\n".join(f"{key}. {name}" for key, name in item.options.items())
    alone = item.text.replace(listed, "")
    for wish in LETTER_ONLY.values():
        alone = alone.replace(wish, "")
    return alone.strip()
