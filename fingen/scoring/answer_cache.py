"""What a subject has answered so far, on the disk: a run that is interrupted goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fingen.disk import cut_lines, dump_json, open_atomic, sha256_text
from fingen.scoring.rows import Asked, ScoringItem
from fingen.scoring.subjects import Given

FOLDER = ".answers"  # in the folder of the score, until that is written
_GIVEN = TypeAdapter(Given)


class AnswerCache:
    """The answers of one subject to the rows of one source.

    What the subject is, the rows and the way of asking decide which file that is: nothing of another run is taken for its own.
    """

    def __init__(self, folder: Path, identity: Sequence[Any], asked: Asked, items: Sequence[ScoringItem]) -> None:
        """Look for what is there; a line that was cut is as if it had not been written."""
        rows = (dump_json([item.id, item.turn, item.text, list(item.options.items()), item.right]) for item in items)
        name = sha256_text(dump_json(list(identity)), asked.key, *rows)[:16]
        self._path = folder / FOLDER / f"{name}.jsonl"
        self._there = {(given.id, given.turn): given for given in _read(self._path)}
        if self._there:
            with open_atomic(self._path) as file:
                file.writelines(dump_json(vars(given)) + "\n" for given in self._there.values())

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


def _read(path: Path) -> Iterator[Given]:
    if path.is_file():
        with path.open("rb") as file:
            for line in cut_lines(file):
                with suppress(ValidationError):
                    yield _GIVEN.validate_json(line)


def forget(folder: Path) -> None:
    """Remove what is held for a score that is written."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
