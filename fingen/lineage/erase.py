"""A report's text taken out of journals and caches, and looked for in every file that is left."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from fingen.disk import CACHED
from fingen.lineage.rows import Rows
from fingen.records import Record
from fingen.scoring.report import REPORT
from fingen.sets import JOURNAL
from fingen.teachers.journal import FORGOTTEN, Journal
from fingen.text import sentences

GRAM, STEP = 12, 4  # characters that are looked up together, and how far apart
LEAST_CHARACTERS = GRAM + STEP  # letters and digits by which text is known: less stands in any report
MOST_BYTES = 512 << 20  # of a file that is searched
WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".gguf", ".onnx", ".ckpt"})
_WORDS = re.compile(r"[\W_]+")


@dataclass
class Erased:
    """What was taken out, and what was not.

    Attributes:
        journals: journal -> answers whose texts were taken out; what they cost stays counted.
        cache: parses of reports that were removed, which are read anew when they are needed.
        teachers: what teachers on this machine had said of rows, of other reports too: they are asked anew when it is needed.
        searched: files that were searched for the report's text afterwards.
        left: file -> what it still holds, or why it was not searched.
    """

    journals: dict[str, int] = field(default_factory=dict)
    cache: list[str] = field(default_factory=list)
    teachers: list[str] = field(default_factory=list)
    searched: int = 0
    left: dict[str, str] = field(default_factory=dict)


def bare(text: str) -> str:
    """A text as it is compared: letters and digits alone. How a file writes line ends, quotes or cells makes no difference."""
    return _WORDS.sub("", text)


def pieces_of(texts: Iterable[str]) -> set[str]:
    """The lines and sentences by which texts are known."""
    found = set()
    for text in texts:
        found |= {bare(line) for line in text.splitlines()}
        found |= {bare(text[start:end]) for start, end in sentences(text)}
    return {piece for piece in found if len(piece) >= LEAST_CHARACTERS}


@dataclass
class Marks:
    """By what a report is known in a file: ids of its passages, and what is said in it and in nothing that stays."""

    passages: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)
    _grams: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # -> the pieces that hold it, and where

    def take(self, rows: Rows, passages: Set[str], gone: Mapping[str, Set[str]]) -> None:
        """Take in what a set has of the report, passages and ids of rows by split, and what it has of others."""
        for chunk in rows.chunks:
            (self._gone if chunk.id in passages else self._kept).update(pieces_of([chunk.text]))
        for split, record in rows.all():
            (self._gone if record.id in gone.get(split, ()) else self._kept).update(pieces_of(_texts(record)))
        self.passages |= passages

    def close(self) -> None:
        """Get ready to search."""
        for piece in self._gone - self._kept:
            for at in range(STEP):
                self._grams.setdefault(piece[at : at + GRAM], []).append((piece, at))

    @property
    def is_known(self) -> bool:
        """Whether there is anything to search for."""
        return bool(self._grams)

    def are_in(self, text: str) -> bool:
        """Whether something of the report stands in a text: of each piece one of its first grams stands on a step of it."""
        plain, grams = bare(text), self._grams
        return any(
            plain.startswith(piece, at - offset)
            for at in range(0, len(plain) - GRAM + 1, STEP)
            for piece, offset in grams.get(plain[at : at + GRAM], ())
        )


def _texts(record: Record) -> tuple[str, ...]:
    return *record.said, *(quote.quote for quote in record.evidence)


def find_journals(build: Path) -> list[Path]:
    """The journals of sets below a folder, finished or not. Those of scores stay with their scores."""
    found = []
    for top, folders, files in os.walk(build):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # what a run has left
        if JOURNAL in files and REPORT not in files:
            found.append(Path(top) / JOURNAL)
    return found


def erase_journal(path: Path, marks: Marks) -> int:
    """Take all requests about the report out of a journal, and what was answered; returns how many answers there were."""
    with Journal.open(path) as journal:
        keys = list(_keys(journal, marks))
        return journal.forget(keys) if keys else 0


def _keys(journal: Journal, marks: Marks) -> Iterator[str]:
    """The requests that show a passage of the report; and of those that name no passage, as a judge's, those that tell of it."""
    answers: dict[str, list[str]] = {}
    for row in journal.rows("SELECT key, text, error FROM completions"):
        answers.setdefault(row["key"], []).extend(filter(None, (row["text"], row["error"])))
    for row in journal.rows("SELECT key, prompt, chunks FROM requests WHERE key <> ?", FORGOTTEN):
        shown = json.loads(row["chunks"])
        told = () if shown else (row["prompt"], *answers.get(row["key"], ()))
        if marks.passages.intersection(shown) or any(map(marks.are_in, told)):
            yield row["key"]


def erase_cache(folder: Path, marks: Marks) -> list[str]:
    """Remove the parses of the report, and what was seen in answers about it; returns their paths."""
    removed = []
    for path in sorted(folder.glob(f"*{CACHED}")):
        text = _read(path)
        if text is None or marks.are_in(text):  # one that cannot be read is none
            path.unlink(missing_ok=True)
            removed.append(str(path))
    return removed


def erase_teachers(folder: Path) -> list[str]:
    """Remove all that teachers have said of rows; returns the paths. It is token ids: whose rows they are of, nothing in it tells."""
    removed = []
    for path in sorted(folder.glob("*.*")):
        path.unlink()
        removed.append(str(path))
    return removed


def find_left(build: Path, marks: Marks, erased: Erased) -> None:
    """Search every file below a folder, hidden ones too, for text of the report; what is found is told in `erased`."""
    if not marks.is_known:
        erased.left[str(build)] = (
            "not searched: no set has its passages or rows any more, by which its text would be known"
        )
        return
    for top, _, files in os.walk(build):
        for name in sorted(files):
            path = Path(top, name)
            if path.suffix in WEIGHTS:
                continue  # of weights nobody can say what they learned; those that rest on it are out of date
            text = _read(path)
            if text is None:
                erased.left[str(path)] = "not searched: it is no file, cannot be read, or is too large"
                continue
            erased.searched += 1
            if marks.are_in(text):
                erased.left[str(path)] = "holds text of it"


def _read(path: Path) -> str | None:
    """The text of a file, unpacked; None where it has none that can be searched."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                data = file.read(MOST_BYTES)
        else:
            data = path.read_bytes()
    except (OSError, EOFError):
        return None
    return data.decode(errors="replace")
