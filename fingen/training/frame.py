"""How the rows of a set with classes put their questions: what stands around each, so that a bare one can be put alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from fingen.records import Record

LEAST_ROWS = 8  # from fewer it cannot be told what belongs to all questions
MOSTLY = 0.9  # of the rows have one instruction, where their question is their input


@dataclass(frozen=True)
class Frame:
    """What stands before and behind a question, and what its answers mean: answer -> class."""

    before: str
    behind: str  # with the options
    options: Mapping[str, str]
    is_input: bool = False  # the question is a row's input, below an instruction that is `before`

    def is_whole(self, question: str) -> bool:
        """Whether a question has the options in it: it is put as it is, and its letters mean what it says."""
        return all(name in question for name in self.options.values())

    def put(self, question: str) -> tuple[str, str]:
        """Instruction and input of a row that asks this."""
        return (self.before, question) if self.is_input else (f"{self.before}{question}{self.behind}", "")

    def label(self, answer: str) -> str | None:
        """The class that an answer names; None where it is none of the options, to the letter."""
        return self.options.get(answer.strip())


def find_frame(rows: Sequence[Record]) -> Frame | None:
    """What is common to the questions of some rows; None where their answers are no classes, or nothing is common.

    Options that change their places from row to row are put in the order of the first row.
    """
    if len(rows) < LEAST_ROWS or not all(row.options or row.label == row.output for row in rows):
        return None
    lettered = [row for row in rows if row.options]
    if not lettered:
        return _labelled(rows)
    options = lettered[0].options
    if len(lettered) < len(rows) or any(sorted(row.options.values()) != sorted(options.values()) for row in rows):
        return None
    around = [_around(row) for row in rows]
    if None in around or any(row.input for row in rows):
        return None
    before, behind = _common(found[0] for found in around if found), {found[1] for found in around if found}
    if len(behind) > 1:
        return None
    return Frame(before, f"\n{_listed(options)}{behind.pop()}", options)


def _labelled(rows: Sequence[Record]) -> Frame | None:
    """The frame of rows that have one instruction, and their question as input."""
    (instruction, times), *_ = Counter(row.instruction for row in rows).most_common(1)
    if times < MOSTLY * len(rows) or not all(row.input for row in rows):
        return None
    return Frame(instruction, "", {row.output: row.label for row in sorted(rows, key=lambda row: row.output)}, True)


def _listed(options: Mapping[str, str]) -> str:
    return "\n".join(f"{letter}. {name}" for letter, name in options.items())


def _around(row: Record) -> tuple[str, str] | None:
    """What stands before the options of a row, question included, and behind them."""
    before, found, behind = row.instruction.partition(f"\n{_listed(row.options)}")
    return (before, behind) if found else None


def _common(texts: Iterable[str]) -> str:
    """What all texts begin with, up to the end of a line or a colon in it: they may have a first word in common by chance."""
    every = list(texts)
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(min(every), max(every), strict=False))
    common = "".join(character for character, _ in pairs)
    return common[: max(common.rfind(end) + len(end) if end in common else 0 for end in ("\n", ": ", "："))]


def read_frame(manifest: Mapping[str, Any]) -> Frame | None:
    """The frame that the manifest of an adapter, or of what was merged of it, has stored; None where it has none."""
    stored = manifest.get("frame")
    return Frame(**stored) if stored else None
