"""The same answer in two vocabularies: which tokens of one spell what tokens of the other do, by bytes and never by id."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from fingen.training.data import Example

LONGEST = 8  # tokens of a group on either side: in a longer one the two say too little of each other
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"  # what tokenizers of sentencepiece write for a space


@dataclass(frozen=True)
class Group:
    """Tokens of both sides that spell the same bytes, by their places: of an answer, or of all answers of a batch."""

    teacher: range
    student: range

    @property
    def is_single(self) -> bool:
        """Whether it is one token on either side."""
        return len(self.teacher) == len(self.student) == 1

    def moved(self, teacher: int, student: int) -> Group:
        """The same, so many places further."""
        ranges = (range(r.start + by, r.stop + by) for r, by in ((self.teacher, teacher), (self.student, student)))
        return Group(*ranges)


def align(teacher: Sequence[bytes], student: Sequence[bytes]) -> list[Group]:
    """The smallest groups of tokens of both sides that spell the same bytes, where both spell one text.

    A token that spells nothing, such as one that begins a text, is part of no group.

    Raises:
        ValueError: they do not spell the same.
    """
    if b"".join(teacher) != b"".join(student):
        raise ValueError("the two sides spell different texts")
    sides = [[(place, token) for place, token in enumerate(side) if token] for side in (teacher, student)]
    groups, at, starts, ends = list[Group](), [0, 0], [0, 0], [0, 0]  # ends: bytes that either side has spelled
    while at[0] < len(sides[0]) or at[1] < len(sides[1]):
        behind = 0 if ends[0] <= ends[1] and at[0] < len(sides[0]) else 1
        ends[behind] += len(sides[behind][at[behind]][1])
        at[behind] += 1
        if ends[0] == ends[1]:
            first, last = [sides[i][starts[i]][0] for i in (0, 1)], [sides[i][at[i] - 1][0] for i in (0, 1)]
            groups.append(Group(range(first[0], last[0] + 1), range(first[1], last[1] + 1)))
            starts = [*at]
    return groups


def token_bytes(tokenizer: Any) -> Callable[[int], bytes]:
    """What says which bytes a token spells; those that speak to the model spell none."""
    special = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    added = {i: str(t) for i, t in tokenizer.added_tokens_decoder.items()}
    is_byte_level = _is_byte_level(tokenizer)

    @cache
    def spell(token: int) -> bytes:
        if token in special:
            return b""
        if token in added:
            return added[token].encode()
        text = tokenizer.convert_ids_to_tokens(token)
        if text is None:
            return b""
        if is_byte_level:
            return b"".join(_BYTE_OF[c].to_bytes() if c in _BYTE_OF else c.encode() for c in text)
        if found := _BYTE.fullmatch(text):
            return int(found[1], 16).to_bytes()
        return str(text).replace(_SPACE, " ").encode()

    return spell


def token_names(tokenizer: Any) -> Callable[[int], str | bytes]:
    """What says which token of another vocabulary is the same: its bytes, or the name of one that speaks to the model."""
    spell = token_bytes(tokenizer)
    return lambda token: spell(token) or str(tokenizer.convert_ids_to_tokens(token) or "")


def _is_byte_level(tokenizer: Any) -> bool:
    """Whether its tokens write bytes as GPT-2's do."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return '"ByteLevel"' in json.dumps(json.loads(backend.to_str()).get("decoder")) if backend else False


def _byte_characters() -> dict[str, int]:
    """Character -> byte, as GPT-2 writes them: printable ones as they are, the others from 256 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + number): byte for number, byte in enumerate(others)}


_BYTE_OF = _byte_characters()


@dataclass
class Vocabularies:
    """Which tokens of a teacher a student has too: the same bytes, and the token that ends an answer."""

    students: torch.Tensor  # (V of the teacher,) the student's id, or -1
    own: torch.Tensor  # (V of the student,) whether the teacher has no such token
    _there: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def to_student(self, device: torch.device) -> torch.Tensor:
        """The student's ids, on a device."""
        return self._on(device)[0]

    def students_own(self, device: torch.device) -> torch.Tensor:
        """The student's own tokens, on a device."""
        return self._on(device)[1]

    def _on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        if str(device) not in self._there:
            self._there[str(device)] = (self.students.to(device), self.own.to(device))
        return self._there[str(device)]


def compare_vocabularies(teacher: Any, student: Any, widths: tuple[int, int], ends: tuple[int, int]) -> Vocabularies:
    """Match the tokens of two tokenizers by what they spell, and those that speak to the model by their names.

    `widths` and `ends` are the teacher's and the student's.
    """
    named, named_own = token_names(teacher), token_names(student)
    own: dict[str | bytes, int] = {}
    for token in range(widths[1]):
        own.setdefault(named_own(token), token)
    students = torch.tensor([own.get(named(token), -1) if named(token) else -1 for token in range(widths[0])])
    students[ends[0]] = ends[1]
    alone = torch.ones(widths[1], dtype=torch.bool)
    alone[students[students >= 0]] = False
    return Vocabularies(students, alone)


@dataclass(frozen=True)
class Alignment:
    """Where the answers of rows say the same in two vocabularies: row -> groups, counted from where its answer begins."""

    vocabularies: Vocabularies
    groups: Mapping[str, tuple[Group, ...]]
    teacher_tokens: Mapping[str, int]  # row -> tokens of its answer in the teacher's vocabulary
    share: float  # of the bytes of all answers, those in groups

    def groups_of(self, rows: Sequence[Example]) -> list[Group]:
        """The groups of some rows, counted as if their answers stood behind each other."""
        found, teacher, student = [], 0, 0
        for row in rows:
            found += [group.moved(teacher, student) for group in self.groups[row.id]]
            teacher, student = teacher + self.teacher_tokens[row.id], student + row.answer
        return found


def build_alignment(
    teacher: Any, student: Any, pairs: Sequence[tuple[Example, Example]], vocabularies: Vocabularies
) -> Alignment:
    """Align the answers of rows, (teacher's, student's) each, with what the tokenizers spell.

    The tokens that end an answer are a group. An answer that a tokenizer does not spell as the other, since it changes the
    text or does not know all of it, has that group alone.
    """
    spell, spell_own = token_bytes(teacher), token_bytes(student)
    groups: dict[str, tuple[Group, ...]] = {}
    total = there = 0
    for theirs, ours in pairs:
        sides = [
            [spell_one(token) for token in row.ids[-row.answer : -1]]
            for spell_one, row in ((spell, theirs), (spell_own, ours))
        ]
        texts = [b"".join(side) for side in sides]
        total += max(map(len, texts))
        found = _spelled(*sides)
        there += sum(len(b"".join(sides[1][place] for place in group.student)) for group in found)
        last = Group(range(theirs.answer - 1, theirs.answer), range(ours.answer - 1, ours.answer))
        groups[ours.id] = (*found, last)
    tokens = {theirs.id: theirs.answer for theirs, _ in pairs}
    return Alignment(vocabularies, groups, tokens, there / total if total else 1.0)


def _spelled(theirs: list[bytes], ours: list[bytes]) -> list[Group]:
    """The groups that are short enough to say something; none where the two do not spell the same."""
    for side, other in ((theirs, ours), (ours, theirs)):
        # Some tokenizers put a space before a text: it is no part of it.
        if side and side[0].startswith(b" ") and b"".join(side)[1:] == b"".join(other):
            side[0] = side[0][1:]
    try:
        found = align(theirs, ours)
    except ValueError:
        return []
    return [group for group in found if max(len(group.teacher), len(group.student)) <= LONGEST]
