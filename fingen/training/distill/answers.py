"""What a teacher says of each row: asked as the student learns, or from a cache on the disk, with the teacher out of memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fingen.disk import dump_json, refuse_detour, sha256_text, unwritable
from fingen.training.data import Example, cut
from fingen.training.distill.losses import LOW, Told, take_top
from fingen.training.forward import exact, predict_with_states

KINDS = (
    torch.int32,
    torch.float16,
    torch.float32,
    torch.float32,
)  # of ids, log-probabilities, the rest, the right token


@dataclass(frozen=True)
class Online:
    """A teacher in memory. `examples` are its own rows, by the ids of the student's."""

    model: Any
    examples: Mapping[str, Example]
    pad: int
    width: int  # tokens of its vocabulary that are counted
    temperature: float
    top: int
    modules: Sequence[torch.nn.Module] = ()  # whose states the student is to agree with

    def __call__(self, rows: Sequence[Example]) -> Told:
        """What it says at the answer positions of some rows."""
        own = [self.examples[row.id] for row in rows]
        places = [range(len(row.ids) - row.answer - 1, len(row.ids) - 1) for row in own]
        with torch.no_grad():
            logits, states = predict_with_states(
                self.model, [row.ids for row in own], places, self.pad, modules=self.modules
            )
            right = torch.tensor([token for row in own for token in row.ids[-row.answer :]], device=logits.device)
            told = take_top(exact(logits)[:, : self.width] / self.temperature, right, self.top)
        return Told(told.ids, told.logs, told.rest, told.right, tuple(states))


def token_bytes(top: int) -> int:
    """Bytes on the disk that an answer token takes."""
    return sum(kind.itemsize * each for kind, each in zip(KINDS, (top, top, 1, 1), strict=True))


class AnswerStore:
    """The answers of one teacher, in one way of asking, on the disk. Each row is there as soon as it was answered.

    A row's key is what the teacher is given and what it is to say: another template gives another key.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], top: int, device: Any = "cpu") -> None:
        """Open the store of a teacher. `identity` says which weights, in which number format, at which temperature.

        Raises:
            LimitError: the disk is full. UsageError: it cannot be written there.
        """
        self.top, self.device = top, device
        self.path = folder / f"{sha256_text(dump_json({**identity, 'top': top}))[:24]}.sqlite"
        refuse_detour(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise unwritable(folder, e) from e
        with self._open() as db:
            db.execute("CREATE TABLE IF NOT EXISTS answers (row TEXT PRIMARY KEY, places INTEGER, told BLOB)")

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.path, isolation_level=None))

    def missing(self, rows: Sequence[Example]) -> list[Example]:
        """The teacher's rows that have no answer yet."""
        with self._open() as db:
            there = {key for (key,) in db.execute("SELECT row FROM answers")}
        return [row for row in rows if _key(row) not in there]

    def fill(
        self, tell: Callable[[Sequence[Example]], Told], rows: Sequence[Example], tokens_per_batch: int,
        told: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:  # fmt: skip
        """Ask a teacher for what is missing; `told` gets the rows that are there, after each batch.

        Raises:
            LimitError: the disk is full; what was answered is kept.
        """
        missing, done = self.missing(rows), 0
        with self._open() as db:
            for group in cut(missing, tokens_per_batch):
                self._keep(db, group, tell(group))
                done += len(group)
                told(len(rows) - len(missing) + done, len(rows))

    def _keep(self, db: sqlite3.Connection, rows: Sequence[Example], told: Told) -> None:
        assert told.ids is not None
        at, packed = 0, []
        for row in rows:
            part = slice(at, at := at + row.answer)
            each = (told.ids, told.logs, told.rest, told.right)
            values = (one[part].to("cpu", kind).numpy().tobytes() for one, kind in zip(each, KINDS, strict=True))
            packed.append((_key(row), row.answer, b"".join(values)))
        try:
            with db:
                db.execute("BEGIN")
                db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", packed)
        except sqlite3.OperationalError as e:
            raise unwritable(self.path, OSError(28 if "full" in str(e) else 5, str(e))) from e

    def reader(self, examples: Mapping[str, Example]) -> Callable[[Sequence[Example]], Told]:
        """What gives the stored answers to rows of a student. `examples` are the teacher's own rows, by their ids."""
        db = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)

        def tell(rows: Sequence[Example]) -> Told:
            keys = [_key(examples[row.id]) for row in rows]
            found = [db.execute("SELECT places, told FROM answers WHERE row = ?", [key]).fetchone() for key in keys]
            parts = zip(*(self._unpack(*one) for one in found), strict=True)
            ids, logs, rest, right = (torch.cat(each).to(self.device) for each in parts)
            return _normalised(Told(ids.long(), logs.float(), rest, right))

        return tell

    def _unpack(self, places: int, told: bytes) -> Iterator[torch.Tensor]:
        at, buffer = 0, bytearray(told)
        for kind, each in zip(KINDS, (self.top, self.top, 1, 1), strict=True):
            one = torch.frombuffer(buffer, dtype=kind, count=places * each, offset=at)
            yield one.view(places, each) if kind in KINDS[:2] else one
            at += one.nbytes


def _normalised(told: Told) -> Told:
    """Probabilities that sum to 1 again, after they were rounded."""
    whole = torch.cat([told.logs, told.rest[:, None]], -1).clamp(min=LOW).log_softmax(-1)
    return Told(told.ids, whole[:, :-1], whole[:, -1], told.right)


def _key(row: Example) -> str:
    return sha256_text(dump_json([row.ids, row.answer]))
