"""What people said of the rows of a set: reviews.jsonl, one verdict a line, written once and never changed.

A verdict is acknowledged when its line is on the disk. Several processes may write: each holds a lock for one line, and reads
what others have written before it writes its own. A line that was cut, as its process was killed, was not acknowledged: it is
ended where it is, and counted. A verdict names a row by the hash of what it was (`row_hash`): it holds for no other content.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, KeysView
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fingen.disk import dump_json, lock_file, open_lock, unwritable
from fingen.errors import SetError
from fingen.sets import REVIEWS

WRITING = ".reviews.lock"  # beside it: held while a line is written
PATIENCE_SECONDS = 30.0  # for another process that writes a line
ACCEPT, REJECT, EDIT, UNDO = "accept", "reject", "edit", "undo"
KINDS = frozenset({ACCEPT, REJECT, EDIT, UNDO})


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line. `key` is the verdict's own; an `undo` names in `undoes` that of the one that it takes back."""

    key: str
    id: str
    row: str  # hash of what the row was
    verdict: str
    reviewer: str
    time: str  # ISO 8601, UTC
    reason: str = ""
    note: str = ""
    edit: dict[str, Any] | None = None  # the fields that were changed, as they are now
    failed: tuple[str, ...] = ()  # checks that it breaks, and stands all the same: the note says why
    second: bool = False  # given without seeing the first one
    undoes: str = ""


@dataclass(slots=True)
class Readings:
    """The verdicts on one row that were not taken back, in their order."""

    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def standing(self) -> Verdict | None:
        """The verdict that holds: the last one, second readings aside."""
        return next((each for each in reversed(self.verdicts) if not each.second), None)

    @property
    def pair(self) -> tuple[Verdict, Verdict] | None:
        """The first reading and the blind second one, where there are both."""
        at = next((place for place, each in enumerate(self.verdicts) if each.second), None)
        if at is None:
            return None
        first = next((each for each in reversed(self.verdicts[:at]) if not each.second), None)
        second = next(each for each in reversed(self.verdicts) if each.second)
        return (first, second) if first else None

    @property
    def is_disputed(self) -> bool:
        """Whether two readings differ, and nobody has decided since."""
        pair = self.pair
        return bool(pair and pair[0].verdict != pair[1].verdict and pair[0] is self.standing)


class TakenError(SetError):
    """Another verdict was given on a row since it was shown."""

    def __init__(self, standing: Verdict | None) -> None:
        super().__init__("another verdict was given since this row was shown")
        self.standing = standing


class Verdicts:
    """The verdicts of a set, those of other processes among them as far as `refresh` has read them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / REVIEWS
        self._read_bytes = 0
        self._mutex = threading.RLock()
        self._rows: dict[str, Readings] = {}
        self._keys: dict[str, str] = {}  # of all verdicts and undoings -> the row
        self._given: dict[str, list[Verdict]] = {}  # reviewer -> verdicts that were not taken back
        self.broken = 0  # lines that are no verdict
        self.refresh()

    def of(self, row: str) -> Readings:
        """What was said of a row."""
        return self._rows.get(row) or Readings()

    def rows(self) -> KeysView[str]:
        """The rows that there are verdicts on."""
        return self._rows.keys()

    def __iter__(self) -> Iterator[tuple[str, Readings]]:
        with self._mutex:
            return iter([*self._rows.items()])

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def refresh(self) -> None:
        """Read the whole lines that were written since.

        Raises:
            UsageError: the file cannot be read.
        """
        with self._mutex:
            try:
                with self.path.open("rb") as file:
                    file.seek(self._read_bytes)
                    for line in file:
                        if not line.endswith(b"\n"):
                            break  # it is being written
                        self._read_bytes += len(line)
                        self._take(line)
            except FileNotFoundError:
                return

    def _take(self, line: bytes) -> None:
        verdict = parse_verdict(line)
        if verdict is None:
            self.broken += bool(line.strip())
            return
        if verdict.key in self._keys:
            return
        self._keys[verdict.key] = verdict.row
        readings = self._rows.setdefault(verdict.row, Readings())
        given = self._given.setdefault(verdict.reviewer, [])
        if verdict.verdict == UNDO:
            readings.verdicts = [each for each in readings.verdicts if each.key != verdict.undoes]
            given[:] = [each for each in given if each.key != verdict.undoes]
        else:
            readings.verdicts.append(verdict)
            given.append(verdict)
        if not readings.verdicts:
            del self._rows[verdict.row]

    def add(self, verdict: Verdict, *, seen: str | None) -> None:
        """Write a verdict; one whose key is there already is not written again. It is on the disk when this returns.

        `seen` is the key of the standing verdict that its reviewer knows of ("": none), None where that is no matter.

        Raises:
            TakenError: there is another one; SetError, UsageError, LimitError: it cannot be written.
        """
        with self._mutex, lock_file(self.path.with_name(WRITING), patience_seconds=PATIENCE_SECONDS):
            self.refresh()
            if verdict.key in self._keys:
                return
            standing = self.of(verdict.row).standing
            if seen is not None and (standing.key if standing else "") != seen:
                raise TakenError(standing)
            self._append(dump_json(_as_written(verdict)).encode() + b"\n")
            self.refresh()

    def _append(self, line: bytes) -> None:
        try:
            is_new = not self.path.exists()
            with open_lock(self.path) as file:
                if os.fstat(file.fileno()).st_size > self._read_bytes:
                    line = b"\n" + line  # behind a line whose process was killed while it wrote
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                _sync_folder(self.path.parent)
        except OSError as e:
            raise unwritable(self.path, e) from e

    def last_of(self, reviewer: str) -> Verdict | None:
        """The last verdict of a reviewer that was not taken back."""
        given = self._given.get(reviewer)
        return given[-1] if given else None

    @property
    def reviewers(self) -> dict[str, int]:
        """Who gave verdicts, in the order in which they came, and how many stand."""
        return {reviewer: len(given) for reviewer, given in self._given.items()}


def parse_verdict(line: bytes) -> Verdict | None:
    """The verdict of a line; None where it is none."""
    try:
        value = json.loads(line)
        value = {name: value[name] for name in _NAMES if name in value}
        value["failed"] = tuple(value.get("failed", ()))
        verdict = Verdict(**value)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (verdict.key, verdict.id, verdict.row, verdict.reviewer, verdict.time, verdict.reason, verdict.note)
    is_whole = all(isinstance(text, str) for text in texts) and isinstance(verdict.edit, dict | None)
    return verdict if is_whole and verdict.verdict in KINDS else None


_NAMES = tuple(each.name for each in fields(Verdict))


def _as_written(verdict: Verdict) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in asdict(verdict).items() if value not in ("", None, (), False)}


def _sync_folder(folder: Path) -> None:
    """Have the folder's own entry of a new file on the disk too, where the system can."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
