"""What a subject has answered so far, on the disk: a run that is interrupted goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fingen.disk import dump_json, open_atomic, sha256_text
from fingen.scoring.rows import Asked, ScoringItem
from fingen.scoring.subjects import Given

FOLDER = ".answers"  # in the folder of the score, until that is written


class AnswerCache:
    """The answers of one subject to the rows of one source.

    What the subject is, the rows and the way of asking decide which file that is: nothing of another run is taken for its own.
    """

    def __init__(self, folder: Path, identity: Sequence[Any], asked: Asked, items: Sequence[ScoringItem]) -> None:
        """Look for what is there; a line that was cut is as if it had not been written."""
        rows = (dump_json([item.id, item.turn, item.text, list(item.options.items()), item.right]) for item in items)
        name = sha256_text(dump_json(list(identity)), asked.key, *rows)[:16]
        self._path = folder / FOLDER / f"{name}.jsonl"
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1] if self._path.is_file() else []
        self._there = {(given.id, given.turn): given for given in map(_parse, lines)}
        if lines:
            with open_atomic(self._path) as file:
                file.writelines(line + "\n" for line in lines)

    def missing(self, items: Iterable[ScoringItem]) -> list[ScoringItem]:
        """The rows that have no answer yet."""
        return [item for item in items if (item.id, item.turn) not in self._there]

    def take(self, given: Iterable[Given]) -> None:
        """Keep answers as they come."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            for one in given:
                self._there[one.id, one.turn] = one
                file.write(dump_json(vars(one)) + "\n")
                file.flush()

    def of(self, item: ScoringItem) -> Given | None:
        """The answer to a row."""
        return self._there.get((item.id, item.turn))


def _parse(line: str) -> Given:
    return Given(**json.loads(line))


def forget(folder: Path) -> None:
    """Remove what is held for a score that is written."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
