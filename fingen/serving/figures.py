"""The figures of an answer against a passage, as the answer comes: what stands there, and what is seen to be meant by it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fingen.quality.grounding import Grounding, ground
from fingen.records import Passage, Record
from fingen.text import find_language, sentences
from fingen.thoughts import answer_start

# bound: row or subject, time and unit are seen to be those that the answer says; there: it stands in the passage, and no more is
# seen; wrong: it does not stand there, or the passage says otherwise; "": no figure.
Standing = Literal["bound", "there", "wrong", ""]
STANDINGS: dict[str, Standing] = {"bound": "bound", "quoted": "there", "computed": "there", "failed": "wrong"}


@dataclass(frozen=True)
class Piece:
    """A piece of an answer, with the standing of the figure that it is, and why."""

    text: str
    standing: Standing = ""
    why: str = ""


class Checked:
    """An answer that comes piece by piece. Its whole sentences are checked: one that goes on may still say something else.

    Steps before it are no answer, as in a score: what is worked out there is not marked.
    """

    def __init__(self, question: str, passages: Sequence[Passage], organisations: Collection[str] = ()) -> None:
        self._question, self._passages, self._organisations = question, passages, organisations
        self._text, self._sure = "", 0

    def add(self, piece: str) -> list[Piece]:
        """Take a piece; gives the answer until now, in pieces, where a sentence with a figure has just ended."""
        self._text += piece
        if not self._passages or piece.isalnum():
            return []
        ends = [end for _, end in sentences(self._text)][:-1]
        if not ends or not any(char.isdigit() for char in self._text[self._sure : ends[-1]]):
            return []
        self._sure = ends[-1]
        return self._until(self._sure)

    def end(self, text: str) -> list[Piece]:
        """The whole answer, in pieces."""
        self._text = text
        return self._until(len(text)) if self._passages else [Piece(text)]

    def _until(self, end: int) -> list[Piece]:
        start = answer_start(self._text[:end])
        if start is None:
            return [Piece(self._text)]
        checked = self._text[start:end]
        record = Record(
            instruction=self._question, input="", output=checked, id="", task="", language=find_language(checked),
            teacher="", origin="imported",
        )  # fmt: skip
        grounding = ground(record, self._passages, organisations=self._organisations)
        pieces, at = [], 0
        for first, last, standing, why in sorted(_marks(grounding)):
            if start + first >= at:
                pieces += [
                    Piece(self._text[at : start + first]),
                    Piece(self._text[start + first : start + last], standing, why),
                ]
                at = start + last
        return [piece for piece in (*pieces, Piece(self._text[at:])) if piece.text]


def _marks(grounding: Grounding) -> Iterator[tuple[int, int, Standing, str]]:
    """The figures of an answer, in the order of the text, and times of which the passage knows nothing."""
    failed = grounding.failed
    for figure in grounding.figures:
        wrong = [each for each in failed if each.start < figure.end and figure.start < each.end]
        why = "; ".join(dict.fromkeys(f"{each.reason}: {each.detail}".rstrip(": ") for each in wrong))
        yield figure.start, figure.end, "wrong" if wrong else STANDINGS[figure.level], why
    for each in failed:
        if each.reason == "year":
            yield each.start, each.end, "wrong", f"{each.reason}: {each.detail}".rstrip(": ")
