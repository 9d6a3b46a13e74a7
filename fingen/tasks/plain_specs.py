"""Draws from plain decks: for each label, who writes or asks, how, and about what, dealt so that each comes up equally often.

A draw depends on seed, label and number alone, as in `fingen.tasks.client_specs`, which knows what clients ask.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from fingen import prompts
from fingen.errors import UsageError

FIELDS = ("who", "how", "about")


class PlainSpecs:
    """The streams of draws of some labels, from <name>.<language>.yaml: a list of texts for each field.

    Raises:
        UsageError: the file is not of that form; names the file.
    """

    def __init__(self, name: str, language: str, *, seed: int) -> None:
        data = prompts.read_data(f"{name}.{language}")
        lists = data if isinstance(data, Mapping) else {}
        if wrong := [field for field in FIELDS if not isinstance(lists.get(field), list) or not lists[field]]:
            raise UsageError(
                f"{prompts.data_file(f'{name}.{language}')}: no list of texts under {', '.join(wrong)}",
                hint="compare it with the packaged one: run `fingen prompts copy` in an empty folder",
            )
        self.seed = seed
        self.data: tuple[str, ...] = (f"{name}.{language}",)
        self.decks: dict[str, list[str]] = {field: [str(card) for card in data[field]] for field in FIELDS}

    def of(self, label: str, start: int = 0) -> Iterator[dict[str, Any]]:
        """The endless stream of a label's draws, from number `start` on."""
        for n in count(start):
            yield {"label": label, **{field: self._dealt(field, label, n) for field in FIELDS}, "n": n}

    def brief(self, draw: Mapping[str, Any]) -> dict[str, str]:
        """What a teacher is told about a draw."""
        return {field: draw[field] for field in FIELDS}

    def _dealt(self, field: str, label: str, n: int) -> str:
        """The card at place `n` of a deck that is shuffled anew each time it has been dealt."""
        deck = self.decks[field]
        cycle, at = divmod(n, len(deck))
        return random.Random(f"{self.seed}|{field}|{label}|{cycle}").sample(deck, len(deck))[at]
