"""Which layers of a student are to agree with which of its teacher."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fingen.errors import UsageError

_PAIRS = re.compile(r"\d+:\d+(,\d+:\d+)*")


@dataclass(frozen=True)
class LayerPair:
    """A layer of the student and the layer of the teacher that it is to agree with, counted from 0."""

    student: int
    teacher: int


def read_layer_map(text: str) -> list[LayerPair]:
    """The pairs of a text such as `0:0,1:2`, student first; none of an empty one.

    Raises:
        UsageError: it is no such text.
    """
    if text and not _PAIRS.fullmatch(text):
        said = f"--layer-map {text}: no pairs of layers"
        raise UsageError(said, hint="write student:teacher, counted from 0, such as 0:0,1:2")
    return [LayerPair(*map(int, pair.split(":"))) for pair in text.split(",") if pair]


def check_drop(drop: int, layers: int) -> None:
    """Do nothing where so many layers can be taken out of a teacher that has `layers`.

    Raises:
        UsageError: none would be left.
    """
    if not 0 < drop < layers:
        raise UsageError(f"--drop {drop}: the teacher has {layers} layers", hint=f"take out 1 to {layers - 1}")


def build_pairs(layer_map: str, students: int, teachers: int, kept: Sequence[int] | None = None) -> list[LayerPair]:
    """The pairs of a layer map; without one each layer of the student with what it was in the teacher, or evenly spread.

    `kept` are the layers of the teacher that a pruned student has.

    Raises:
        UsageError: the map is none, or names a layer that is not there.
    """
    if not layer_map:
        spread = kept or [round((number + 1) * teachers / students) - 1 for number in range(students)]
        return [LayerPair(number, of) for number, of in enumerate(spread)]
    pairs = read_layer_map(layer_map)
    for pair in pairs:
        if pair.student >= students or pair.teacher >= teachers:
            raise UsageError(
                f"--layer-map {layer_map}: there is no {pair.student}:{pair.teacher}",
                hint=f"the student has {students} layers, the teacher {teachers}, counted from 0",
            )
    return pairs
