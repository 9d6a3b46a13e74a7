"""Where each row of a set stands, and the little that a queue sorts and filters by. Rows are read from their file when asked for.

Rows of one content are one item, as often as a mix repeats them; an item is known by the hash of that content.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import re
import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pydantic import ValidationError

from fingen.disk import dump_json, say_invalid
from fingen.errors import SetError
from fingen.pipeline.checking import DISAGREES
from fingen.quality.duplicates import fold
from fingen.quality.grounding import LEVELS
from fingen.records import Chunk, Record, Rejected, parse_nested
from fingen.sets import CHUNKS, MAKE_AGAIN, REJECTED, SPLITS, read_manifest, refuse_preferences

REJECTS = "rejects"  # in place of a split
FAILED, NO_FIGURES, NO_SCORE = "failed", "none", "none"
WORST_FIRST = (FAILED, "quoted", "computed", "bound", NO_FIGURES)  # levels of proof
EXCERPT = 96  # characters of a question that a list shows
LOW_SCORE, FAIR_SCORE = 2, 3  # of 5
NOWHERE = 1 << 30  # the number of a text that no item has
NEVER = -1.0  # the score of what was not judged
LONG = 20_000  # characters of a question and what is given with it, which are then compared as they are
BLOCK_BYTES = 8 << 20  # of a file that are searched at once
CACHED = 16  # filters whose items are kept
assert set(WORST_FIRST) == {FAILED, NO_FIGURES, *LEVELS}


@dataclass(frozen=True)
class Filters:
    """Which items a queue has; empty: whatever it is. Without a split it has no rejects."""

    split: str = ""
    task: str = ""
    document: str = ""
    reason: str = ""
    level: str = ""
    score: str = ""  # the lowest of its scores, at the most
    find: str = ""


@dataclass
class Names:
    """Texts that repeat, each by a number."""

    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """The number of a text."""
        if name not in self.numbers:
            self.numbers[name] = len(self.names)
            self.names.append(name)
        return self.numbers[name]


@dataclass(frozen=True)
class Place:
    """Where an item stands: its number in the index, the split (or `REJECTS`) and the row there, from 1."""

    number: int
    key: str
    split: str
    row: int
    copies: int
    hash: str


class SetIndex:
    """A set as it was when it was opened: its files stay open, so that what is written in their place changes nothing here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        refuse_preferences(folder, self.manifest, "review")
        self.keys: list[str] = []
        self.hashes: list[str] = []
        self.excerpts: list[str] = []
        self.documents, self.tasks, self.reasons = Names(), Names(), Names()
        self.labels: set[str] = set()
        self.score_names: set[str] = set()
        self._file, self._start, self._bytes = array("B"), array("Q"), array("L")
        self._row, self._document, self._task, self._reason = array("L"), array("L"), array("L"), array("L")
        self._level, self._score, self._doubt, self._copies = array("B"), array("f"), array("f"), array("L")
        self._asked: dict[int, int] = {}  # hash of a question as `fold` leaves it -> the first item that asks it
        self.by_key: dict[str, int] = {}
        self.by_hash: dict[str, int] = {}
        self._files: list[BinaryIO] = []
        self._mutex = threading.Lock()
        self._found: dict[Filters, array[int]] = {}
        self.splits = [split for split in SPLITS if self.manifest.splits.get(split)]
        for split in self.splits:
            self._add_file(f"{split}.jsonl", self._add_record)
        if REJECTED in self.manifest.files:
            self._add_file(REJECTED, self._add_reject)
        self.splits.append(REJECTS)
        self.rejects = sum(self.is_reject(number) for number in range(len(self.keys)))
        self._chunks = self._index_chunks()
        self._rank = array("L", sorted(range(len(self.keys)), key=lambda n: (-self._doubt[n], n)))
        self._place_of = array("L", bytes(self._rank.itemsize * len(self._rank)))
        for place, number in enumerate(self._rank):
            self._place_of[number] = place

    def __len__(self) -> int:
        return len(self.keys)

    def __enter__(self) -> SetIndex:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()

    # --- reading the set ---------------------------------------------------------------------------------------------

    def _add_file(self, name: str, add: Callable[[bytes, int, int, int], None]) -> None:
        for row, (start, line) in enumerate(self._lines(name), 1):
            add(line, len(self._files) - 1, start, row)

    def _lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """The lines of a file, which stays open, and where they start."""
        file = open_listed(self.folder, name)
        self._files.append(file)
        start = 0
        for line in checked_lines(file, self.manifest.files[name].sha256):
            yield start, line
            start += len(line)

    def _add_record(self, line: bytes, file: int, start: int, row: int) -> None:
        values = self._parse(line, file, row)
        id = str(values.get("id", ""))
        if not self._is_new(row_hash(line, id), id):
            return
        question = str(values.get("instruction") or "")
        self._asked.setdefault(_asked(question, str(values.get("input") or "")), len(self.keys) - 1)
        level = worst_level(values.get("figures"))
        scores = _nested(values.get("scores"), dict)
        lowest = min((score for score in scores.values() if isinstance(score, int | float)), default=NEVER)
        self.score_names.update(scores)
        if values.get("label"):
            self.labels.add(str(values["label"]))
        doubt = 10.0 * (len(WORST_FIRST) - WORST_FIRST.index(level)) if level in (FAILED, "quoted") else 0.0
        doubt += 45.0 if NEVER < lowest <= LOW_SCORE else 15.0 if LOW_SCORE < lowest <= FAIR_SCORE else 0.0
        self._put(file, start, line, row, str(values.get("document") or ""), str(values.get("task") or ""), "", level, lowest,
                  doubt, question)  # fmt: skip

    def _add_reject(self, line: bytes, file: int, start: int, row: int) -> None:
        values = self._parse(line, file, row)
        digest = row_hash(line)
        if not self._is_new(digest, f"reject-{digest[:16]}"):
            return
        item: dict[str, Any] = values["item"] if isinstance(values.get("item"), dict) else {}
        reason = str(values.get("reason", ""))
        text = str(item.get("question") or item.get("instruction") or item.get("answer") or "")
        document = str(item.get("document") or "")
        self._put(file, start, line, row, document, str(item.get("task") or ""), reason, worst_level(item.get("figures")),
                  NEVER, 30.0 if reason == DISAGREES else 0.0, text)  # fmt: skip

    def _parse(self, line: bytes, file: int, row: int) -> dict[str, Any]:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as e:
            raise SetError(f"{self._files[file].name}, row {row}: no JSON", hint=MAKE_AGAIN) from e
        if not isinstance(values, dict):
            raise SetError(f"{self._files[file].name}, row {row}: no record", hint=MAKE_AGAIN)
        return values

    def _is_new(self, digest: str, id: str) -> bool:
        """Whether no row before has the same content; that one counts the copy."""
        if digest in self.by_hash:
            self._copies[self.by_hash[digest]] += 1
            return False
        key = id if id and id not in self.by_key else f"{id}~{digest[:8]}"
        self.by_hash[digest] = self.by_key[key] = len(self.keys)
        self.keys.append(key)
        self.hashes.append(digest)
        return True

    def _put(self, file: int, start: int, line: bytes, row: int, document: str, task: str, reason: str, level: str,
             score: float, doubt: float, text: str) -> None:  # fmt: skip
        self._file.append(file)
        self._start.append(start)
        self._bytes.append(len(line))
        self._row.append(row)
        self._document.append(self.documents.number(document))
        self._task.append(self.tasks.number(task))
        self._reason.append(self.reasons.number(reason))
        self._level.append(WORST_FIRST.index(level))
        self._score.append(score)
        self._doubt.append(doubt)
        self._copies.append(1)
        self.excerpts.append(" ".join(text[: 2 * EXCERPT].split())[:EXCERPT])

    def _index_chunks(self) -> dict[str, tuple[int, int]]:
        """Passage -> where it stands in its file, which is the last one."""
        if CHUNKS not in self.manifest.files:
            return {}
        found = {}
        for start, line in self._lines(CHUNKS):
            id = _ID.search(line)
            name = json.loads(line)["id"] if id is None else id[1].decode()
            found[str(name)] = (start, len(line))
        return found

    # --- what stands there -------------------------------------------------------------------------------------------

    def place(self, number: int) -> Place:
        """Where an item stands."""
        return Place(
            number,
            self.keys[number],
            self.splits[self._file[number]],
            self._row[number],
            self._copies[number],
            self.hashes[number],
        )

    def read(self, number: int) -> Record | Rejected:
        """The row itself.

        Raises:
            SetError: it is none.
        """
        line = self._read(self._file[number], self._start[number], self._bytes[number])
        model: type[Record] | type[Rejected] = Rejected if self.is_reject(number) else Record
        try:
            return model.model_validate_json(line)
        except ValidationError as e:
            place = self.place(number)
            raise SetError(f"{self.folder}, {place.split} row {place.row}: {say_invalid(e)}", hint=MAKE_AGAIN) from e

    def chunks(self, ids: Sequence[str]) -> list[Chunk]:
        """Passages by their ids; one that the set does not have is left out."""
        places = [self._chunks[id] for id in ids if id in self._chunks]
        return [Chunk.model_validate_json(self._read(len(self._files) - 1, *place)) for place in places]

    def _read(self, file: int, start: int, size: int) -> bytes:
        with self._mutex:
            self._files[file].seek(start)
            return self._files[file].read(size)

    def asks_the_same(self, record: Record, number: int) -> str | None:
        """The key of another item of the set that asks what a record asks; None if there is none."""
        found = self._asked.get(_asked(record.instruction, record.input), number)
        return None if found == number else self.keys[found]

    def is_reject(self, number: int) -> bool:
        """Whether an item is a reject of the set's maker."""
        return self.splits[self._file[number]] == REJECTS

    def about(self, number: int) -> dict[str, Any]:
        """What a list shows of an item."""
        place = self.place(number)
        return {
            "key": place.key,
            "split": place.split,
            "text": self.excerpts[number],
            "reason": self.reasons.names[self._reason[number]],
            "level": WORST_FIRST[self._level[number]],
            "score": None if self._score[number] == NEVER else self._score[number],
        }

    def counts(self) -> dict[str, dict[str, int]]:
        """Filter -> its values -> items."""
        numbers = range(len(self))
        splits = Counter(self.splits[self._file[number]] for number in numbers)
        levels = Counter(WORST_FIRST[level] for level in self._level)
        return {
            "split": {split: splits[split] for split in self.splits if splits[split]},
            "task": _counted(self.tasks, self._task),
            "document": _counted(self.documents, self._document),
            "reason": _counted(self.reasons, self._reason),
            "level": {level: levels[level] for level in WORST_FIRST if levels[level]},
            "score": {str(most): sum(NEVER < score <= most for score in self._score) for most in range(1, 6)}
            if any(score > NEVER for score in self._score)
            else {},
        }

    # --- queues ------------------------------------------------------------------------------------------------------

    def queue(self, filters: Filters) -> Sequence[int]:
        """The places in the order of doubt of the items that pass, ascending; `at` gives the item of a place."""
        with self._mutex:
            if filters in self._found:
                return self._found[filters]
        found = array("L", self._filtered(filters))
        if filters.find:
            hits = self._find(filters.find)
            found = array("L", (place for place in found if self._rank[place] in hits))
        with self._mutex:
            if len(self._found) >= CACHED:
                del self._found[next(iter(self._found))]
            self._found[filters] = found
        return found

    def at(self, place: int) -> int:
        """The item at a place of the order of doubt."""
        return self._rank[place]

    def place_of(self, number: int) -> int:
        """Where an item is in the order of doubt."""
        return self._place_of[number]

    def _blocks(self, file: int) -> Iterator[tuple[int, bytes]]:
        """A file in pieces of whole lines, and where they start."""
        start = 0
        while True:
            with self._mutex:
                self._files[file].seek(start)
                block = self._files[file].read(BLOCK_BYTES) + self._files[file].readline()
            if not block:
                return
            yield start, block
            start += len(block)

    def without(self, places: Sequence[int], rows: Set[str]) -> list[int]:
        """The places of items that are none of these rows, which are known by their hashes."""
        rank, hashes = self._rank, self.hashes
        return [place for place in places if hashes[rank[place]] not in rows]

    def _filtered(self, filters: Filters) -> Sequence[int]:
        rank, places = self._rank, range(len(self._rank))
        wanted = [
            (self._task, self.tasks.numbers.get(filters.task, NOWHERE) if filters.task else None),
            (self._document, self.documents.numbers.get(filters.document, NOWHERE) if filters.document else None),
            (self._reason, self.reasons.numbers.get(filters.reason, NOWHERE) if filters.reason else None),
            (self._level, WORST_FIRST.index(filters.level) if filters.level in WORST_FIRST else None),
            (self._file, self.splits.index(filters.split) if filters.split in self.splits else None),
        ]
        left: Sequence[int] = places
        for values, number in wanted:
            if number is not None:
                left = [place for place in left if values[rank[place]] == number]
        if not filters.split and not filters.reason:
            rejects = len(self.splits) - 1
            left = [place for place in left if self._file[rank[place]] != rejects]
        if filters.score:
            most = float(filters.score)
            left = [place for place in left if NEVER < self._score[rank[place]] <= most]
        return left

    def _find(self, text: str) -> set[int]:
        """The items in whose row a text stands, in any case of its Latin letters."""
        wanted = re.escape(dump_json(text)[1:-1].encode())
        pattern = re.compile(wanted + rb'(?![a-z]*": )', re.IGNORECASE)  # no name of a field
        found: set[int] = set()
        numbers = range(len(self))
        for file, group in groupby(numbers, key=self._file.__getitem__):  # items stand in the order of the files
            items = list(group)
            starts = [self._start[number] for number in items]
            for start, block in self._blocks(file):
                at = 0
                while match := pattern.search(block, at):
                    place = bisect.bisect_right(starts, start + match.start()) - 1
                    if place >= 0 and start + match.start() < starts[place] + self._bytes[items[place]]:
                        found.add(items[place])  # else it is in a copy of another item
                    at = starts[place + 1] - start if place + 1 < len(starts) else len(block)
        return found


_ID = re.compile(rb'^\{"id": "([\w-]+)"')


def open_listed(folder: Path, name: str) -> BinaryIO:
    """Open a file that the manifest of a set lists.

    Raises:
        SetError: it is missing.
    """
    try:
        return (folder / name).open("rb")
    except OSError as e:
        raise SetError(f"{folder / name}: {e.strerror}, though the manifest lists it", hint=MAKE_AGAIN) from e


def checked_lines(file: BinaryIO, sha256: str) -> Iterator[bytes]:
    """The lines of a file from its start.

    Raises:
        SetError: behind the last of them, where they were not those that the manifest tells of.
    """
    digest = hashlib.sha256()
    for line in file:
        digest.update(line)
        yield line
    if digest.hexdigest() != sha256:
        raise SetError(f"{file.name}: changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")


def row_hash(line: bytes, id: str = "") -> str:
    """SHA-256 of a row as it stands in its file, without its id: rows that a mix repeats differ in that alone."""
    if id:
        line = line.replace(f'"id": {dump_json(id)}'.encode(), b'"id": ""', 1)
    return hashlib.sha256(line.rstrip(b"\r\n")).hexdigest()


def _asked(question: str, given: str) -> int:
    text = f"{question}\n{given}"
    return hash(fold(text) if len(text) <= LONG else text)


def worst_level(figures: Any) -> str:
    """The level of proof of the figure of an answer that has the least."""
    told = {figure.get("level") for figure in _nested(figures, list) if isinstance(figure, dict)}
    return next((level for level in WORST_FIRST if level in told), NO_FIGURES)


def _nested(value: Any, kind: type) -> Any:
    try:
        found = parse_nested(value)
    except ValueError:
        found = None
    return found if isinstance(found, kind) else kind()


def _counted(names: Names, numbers: Sequence[int]) -> dict[str, int]:
    counts = Counter(numbers)
    return {name: counts[number] for number, name in enumerate(names.names) if name}


def filters_of(asked: Mapping[str, str]) -> Filters:
    """The filters that an address names; what is none is left out."""
    score = asked.get("score", "")
    return Filters(
        **{name: asked.get(name, "") for name in ("split", "task", "document", "reason", "level", "find")},
        score=score if score in {"1", "2", "3", "4", "5"} else "",
    )
