"""Which rows, rejects and passages of a set rest on a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fingen.disk import read_jsonl, sha256_file
from fingen.errors import SetError
from fingen.records import Chunk, Manifest, Record, Rejected, content_id
from fingen.sets import CHUNKS, MAKE_AGAIN, REJECTED, SPLITS, read_split

REPEATS = 50  # of one text in one report: how many ids are tried
Test = Callable[[Record], bool]


def text_of(record: Record) -> tuple[str, ...]:
    """What makes two rows the same row, whatever their ids are."""
    before = (turn.content for turn in record.turns)
    return record.system, *before, "\n".join(filter(None, (record.instruction, record.input))), record.output


@dataclass
class Rows:
    """The files of a set, read when they are asked for and compared with its manifest.

    Any of them raises SetError where a file is missing, damaged, or was changed.
    """

    folder: Path
    manifest: Manifest

    @cached_property
    def splits(self) -> dict[str, list[Record]]:
        """The records of each split that has some."""
        return {split: list(read_split(self.folder, split)) for split in SPLITS if self.manifest.splits.get(split)}

    @cached_property
    def chunks(self) -> list[Chunk]:
        """The passages."""
        return list(read_jsonl(self.folder / CHUNKS, Chunk)) if self._is_there(CHUNKS) else []

    @cached_property
    def rejected(self) -> list[Rejected]:
        """The rejects."""
        return list(read_jsonl(self.folder / REJECTED, Rejected)) if self._is_there(REJECTED) else []

    def _is_there(self, name: str) -> bool:
        if name not in self.manifest.files:
            return False
        path = self.folder / name
        if not path.is_file() or sha256_file(path) != self.manifest.files[name].sha256:
            raise SetError(
                f"{path}: missing, or changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}"
            )
        return True

    def all(self) -> Iterator[tuple[str, Record]]:
        """Every record with its split."""
        return ((split, record) for split, records in self.splits.items() for record in records)


@dataclass(frozen=True)
class Held:
    """What of a set rests on something: ids of rows by split, ids of passages. `unsure` says why more may than is sure."""

    rows: dict[str, list[str]] = field(default_factory=dict)
    passages: frozenset[str] = frozenset()
    unsure: str = ""

    @property
    def count(self) -> int:
        """How many rows."""
        return sum(map(len, self.rows.values()))

    @property
    def splits(self) -> frozenset[str]:
        """In which splits."""
        return frozenset(split for split, ids in self.rows.items() if ids)


def hold(rows: Rows, test: Test, passages: frozenset[str] = frozenset(), unsure: str = "") -> Held:
    """The rows that pass a test."""
    found: dict[str, list[str]] = {}
    for split, record in rows.all():
        if test(record):
            found.setdefault(split, []).append(record.id)
    return Held(found, passages, unsure)


@dataclass(frozen=True)
class OnReport:
    """What in a set rests on a report: the report itself, its passages, what was asked or quoted of them."""

    documents: frozenset[str]  # its names in the set that no other report has
    passages: frozenset[str]
    unsure: str = ""

    def has_record(self, record: Record) -> bool:
        """Whether a row rests on it: its document, a passage that it was shown, or a quote is of it."""
        quoted = (quote.document for quote in record.evidence if quote.document)
        return bool({record.document, *quoted} & self.documents or self.passages.intersection(record.chunks))

    def has_rejected(self, rejected: Rejected) -> bool:
        """The same of a reject."""
        return rejected.item.get("document") in self.documents or bool(self.passages.intersection(rejected.chunks))


def on_report(rows: Rows, sha256: str) -> OnReport:
    """What in a set rests on the report with that hash, which its manifest names.

    Two reports may have one name, as in a mix: their passages are told apart by their ids, which are hashes of report and
    text. What cannot be told apart is taken for the report's, and that is said.
    """
    of_name: dict[str, set[str]] = {}
    for source in rows.manifest.sources:
        of_name.setdefault(source.path, set()).add(source.sha256)
    names = {name for name, hashes in of_name.items() if sha256 in hashes}
    shared = {name for name in names if len(of_name[name]) > 1}
    passages, guessed = set(), 0
    for chunk in rows.chunks:
        if chunk.document not in names:
            continue
        owners = of_name[chunk.document]
        proved = {each for each in owners if _is_of(chunk, each)} if len(owners) > 1 else owners
        if sha256 in proved or not proved:
            passages.add(chunk.id)
            guessed += not proved
    unsure = f"{guessed:,} passages may be of another report of the same name" if guessed else ""
    if shared and not rows.chunks:
        unsure = f"{', '.join(sorted(shared))} is the name of two reports, and the set came without its passages"
        return OnReport(frozenset(names), frozenset(), unsure)
    return OnReport(frozenset(names - shared), frozenset(passages), unsure)


def _is_of(chunk: Chunk, sha256: str) -> bool:
    """Whether the id of a passage is the one that it has in the report with that hash. A masked one has another text."""
    parts = [(chunk.text,), *((chunk.text, str(repeat)) for repeat in range(1, REPEATS))]
    parts.append((str(chunk.first_page), chunk.text))  # of a page-by-page parse
    return any(content_id("c", sha256, *each) == chunk.id for each in parts)
