"""The same row, asked in other ways: its options rotated, or training examples before it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fingen.errors import SetError, UsageError
from fingen.scoring.rows import ScoringItem

_BRACES = re.compile(r"\{([^{}]*)\}")  # FinGPT's list of labels


def rotations(item: ScoringItem) -> tuple[ScoringItem, ...]:
    """The row with its options moved on by 0, 1, 2 ... places; the first is the row itself.

    Lettered options keep their letters and change their texts; labels change their places in the question's list.

    Raises:
        SetError: the options do not stand in the question.
    """
    listed = "\n".join(f"{key}. {name}" for key, name in item.options.items())
    if all(item.options.values()) and listed in item.text:
        return tuple(_lettered(item, listed, turn) for turn in range(len(item.options)))
    for braces in _BRACES.finditer(item.instruction):
        if sorted(braces[1].split("/")) == sorted(item.options):
            return tuple(_labelled(item, braces, turn) for turn in range(len(item.options)))
    raise SetError(
        f"row {item.id}: its options do not stand in its question, neither as lines (A. ...) nor as {{a/b/c}}",
        hint="leave --rotate out for these rows",
    )


def place(item: ScoringItem, key: str | None) -> int | None:
    """The place of an option in the question, from 0; None where there is none of that key."""
    return list(item.options).index(key) if key is not None and key in item.options else None


def _lettered(item: ScoringItem, listed: str, turn: int) -> ScoringItem:
    names = list(item.options.values())
    moved = dict(zip(item.options, [*names[turn:], *names[:turn]], strict=True))
    lines = "\n".join(f"{key}. {name}" for key, name in moved.items())
    keys = list(item.options)
    return replace(
        item,
        instruction=item.instruction.replace(listed, lines),
        input=item.input.replace(listed, lines),
        options=moved,
        right=keys[(keys.index(item.right) - turn) % len(keys)],
        turn=turn,
    )


def _labelled(item: ScoringItem, braces: re.Match[str], turn: int) -> ScoringItem:
    names = braces[1].split("/")
    moved = [*names[turn:], *names[:turn]]
    text = item.instruction[: braces.start(1)] + "/".join(moved) + item.instruction[braces.end(1) :]
    return replace(item, instruction=text, options={name: item.options[name] for name in moved}, turn=turn)


def choose_shots(examples: Iterable[ScoringItem], count: int, seed: int) -> tuple[ScoringItem, ...]:
    """Training rows to show before each question: chosen and ordered by the seed, of each class equally many.

    Raises:
        UsageError: there are not so many.
    """
    rows = sorted(examples, key=lambda item: item.id)
    if len(rows) < count:
        raise UsageError(
            f"--shots {count}: there are {len(rows)} training rows to take examples from",
            hint="score on a set that has a training split, or leave --shots out",
        )
    generator = random.Random(f"shots-{seed}")
    generator.shuffle(rows)
    classes: dict[str, list[ScoringItem]] = {}
    for row in rows:
        classes.setdefault(row.gold if row.options else "", []).append(row)
    order = sorted(classes)
    generator.shuffle(order)
    chosen: list[ScoringItem] = []
    while len(chosen) < count:
        chosen += [classes[name].pop() for name in order if classes[name]]
    chosen = chosen[:count]
    generator.shuffle(chosen)
    return tuple(chosen)


def with_shots(item: ScoringItem, shots: Sequence[ScoringItem]) -> ScoringItem:
    """The row with examples before all that is said in it, each a question and its answer, parted by empty lines."""
    if not shots:
        return item
    shown = [f"{shot.text}\n{shot.right}" for shot in shots]
    if item.turns:
        first, *others = item.turns
        return replace(item, turns=({**first, "content": "\n\n".join([*shown, first["content"]])}, *others))
    return replace(item, instruction="\n\n".join([*shown, item.instruction]))
