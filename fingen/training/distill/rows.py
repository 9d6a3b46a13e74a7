"""The rows of a set as student and teacher see them, and where their answers say the same in two vocabularies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from fingen.config import Distilling
from fingen.errors import UsageError
from fingen.records import Record
from fingen.training.base import positions
from fingen.training.data import Example, Examples, build_examples
from fingen.training.distill.alignment import Alignment, build_alignment, compare_vocabularies
from fingen.training.distill.teacher import Teacher
from fingen.training.models import Base
from fingen.training.plan import read_rows
from fingen.training.run import encode_rows, no_rows
from fingen.training.template import Template

LEAST_ALIGNED = 0.9  # of the bytes of all answers
LONG_TOKENS = 1 << 30  # the teacher reads rows as long as it can


@dataclass(frozen=True)
class Rows:
    """The rows as the student sees them, and by their ids as the teacher does."""

    train: Examples
    held: Examples
    left_out: dict[str, list[str]]
    teachers: Mapping[str, Example]
    records: tuple[list[Record], list[Record]]

    @property
    def all(self) -> list[Example]:
        """All of the student's rows."""
        return [*self.train.kept, *self.held.kept]

    def teachers_of(self, rows: Sequence[Example]) -> dict[str, Example]:
        """Rows as the teacher sees them, by their ids."""
        return {row.id: self.teachers[row.id] for row in rows}


def read_both(
    data: Path, teacher: Teacher, student: Base | None, template: Template, tuning: Distilling, *, trust: bool
) -> Rows:
    """The rows for both; `template` is the student's, who is the teacher itself with layers out where it is None.

    Raises:
        UsageError: none is left.
    """

    def most_of(source: str) -> int | None:
        config: Any = AutoConfig.from_pretrained(source, trust_remote_code=trust)
        return positions(config)

    parted = partial(build_examples, apart=True)  # each answer of a conversation is a row
    train, validation = read_rows(data, tuning)
    theirs = most_of(str(teacher.base["source"] if teacher.is_adapter else teacher.source))
    most = most_of(student.source) if student else theirs
    rows, held, left_out = encode_rows(train, validation, template, tuning, most, parted)
    teachers = {row.id: row for row in (*rows.kept, *held.kept)}
    if student:
        long = replace(tuning, cutoff=LONG_TOKENS)
        found, others, out = encode_rows(train, validation, teacher.template, long, theirs, parted)
        teachers = {row.id: row for row in (*found.kept, *others.kept)}
        for reason, ids in out.items():
            left_out.setdefault(f"by the teacher: {reason}", []).extend(ids)
        rows, held = (
            replace(each, kept=tuple(row for row in each.kept if row.id in teachers)) for each in (rows, held)
        )
    if not rows.kept:
        raise no_rows(data, rows, tuning, most)
    return Rows(rows, held, left_out, teachers, (train, validation))


def align_rows(rows: Rows, theirs: Template, own: Template, say: Callable[[str], None]) -> Alignment | None:
    """Where the two vocabularies say the same; None where they are one.

    Raises:
        UsageError: too little.
    """
    pairs = [(rows.teachers[row.id], row) for row in rows.all]
    if theirs.tokenizer.get_vocab() == own.tokenizer.get_vocab() and all(
        one.ids[-one.answer :] == other.ids[-other.answer :] for one, other in pairs
    ):
        return None
    widths = len(theirs.tokenizer), len(own.tokenizer)
    both = compare_vocabularies(theirs.tokenizer, own.tokenizer, widths, (theirs.end, own.end))
    found = build_alignment(theirs.tokenizer, own.tokenizer, pairs, both)
    shared = int((both.students >= 0).sum())
    say(
        f"the student has a vocabulary of its own: {found.share:.1%} of the answers' bytes are aligned, {shared:,} of the "
        f"teacher's {widths[0]:,} tokens are its too"
    )
    if found.share < LEAST_ALIGNED:
        raise UsageError(
            f"{found.share:.1%} of the answers' bytes can be aligned in the two vocabularies, and {LEAST_ALIGNED:.0%} are needed",
            hint="take a student whose tokenizer keeps the text as it is, or let the teacher write rows: fingen pdf2qa "
            "--teacher openai --base-url",
        )
    return found
