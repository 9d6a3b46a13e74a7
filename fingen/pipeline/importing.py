"""The conductor of `fingen import`: rows that other people made become a set, counted and with their published splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from fingen.config import RENAMED
from fingen.disk import short_digest
from fingen.errors import UsageError
from fingen.events import Outcome, command_line
from fingen.imports.base import MALFORMED, ImportSource, Options
from fingen.imports.read import Rows, Shares, read_source
from fingen.imports.sources import SOURCES, find_source
from fingen.records import Record
from fingen.rows import Raw
from fingen.set_folder import make_manifest, refuse_folder, refuse_other, write_anew
from fingen.sets import SPLITS, SetContent

NAMED = 5  # rows that a message or the manifest names


@dataclass(frozen=True)
class Repeats:
    """Texts that stand more than once in a set, and those of them whose labels (or answers) differ."""

    texts: int
    across: int  # stand in more than one split
    conflicting: list[dict[str, Any]]  # text, file, rows: each with its line and its label or answer

    def lines(self) -> list[str]:
        """What a reader of the set must know of them."""
        if not self.texts:
            return []
        said = f"{self.texts:,} texts stand more than once, {len(self.conflicting):,} of them with different answers"
        across = f"; {self.across:,} stand in more than one split" if self.across else ""
        named = [_name_conflict(conflict) for conflict in self.conflicting[:NAMED]]
        rest = len(self.conflicting) - len(named)
        shown = f": {'; '.join(named)}" + (f"; and {rest:,} more" if rest else "") if named else ""
        return [f"{said}{across}; kept as they were published{shown}"]


def _name_conflict(conflict: dict[str, Any]) -> str:
    """Files by their names alone: the manifest goes with the set to others."""
    rows = (f"{row['where'].removeprefix(row['file'] + ', ')} {row['answer'][:30]!r}" for row in conflict["rows"])
    return f"{Path(conflict['rows'][0]['file']).name}, {', '.join(rows)}"


@dataclass(frozen=True)
class Imported(Outcome):
    """What an import did."""

    set: str
    source: str
    files: dict[str, int]  # file -> rows
    records: dict[str, int]  # split -> rows
    labels: dict[str, dict[str, int]]  # label -> split -> rows; empty where rows have none
    rejects: dict[str, int]  # reason -> rows
    repeats: Repeats
    declared: tuple[str, ...]


def import_set(
    name: str,
    paths: Sequence[Path],
    out: Path,
    *,
    options: Options | None = None,
    split: str | Shares | None = None,
    download: bool = False,
    replace: bool = False,
) -> Imported:
    """Make a set of the rows in `paths` (files, or folders of them), or of the source's copy on the Hub.

    Args:
        name: one of SOURCES, or a name that one had before.
        paths: files that hold its rows; none with `download`.
        out: folder of the set.
        options: how rows are read.
        split: the split that all rows go to, or shares; None: the published one.
        download: fetch the rows through `datasets`.
        replace: start the set anew, also where it was made otherwise.

    Raises:
        UsageError: no such file, or options that do not go with the source. SetError: a malformed row, named by file and
        line; or the set in `out` was made otherwise. ShortfallError: no row can be a record. HubError: see there.
    """
    _refuse_clashes(name, options or Options())
    source = find_source(name)
    refuse_folder(out)
    if not replace:
        refuse_other(out, {"command": "import", "source": name}, is_whole=False)
    rows = read_source(name, paths, options, split, download=download, near=out)
    repeats = _find_repeats(rows)
    settings = _settings(name, rows, split)
    declared = (*rows.said, *repeats.lines(), *([f"licence of the source: {source.licence}"] if source.licence else []))
    records = chain.from_iterable(rows.splits.values())
    manifest = make_manifest(out.name, f"import {name}", settings, records, declared)
    content = SetContent(splits=rows.splits, rejected=rows.rejected, chunks=[], manifest=manifest)
    changed = write_anew(out, content, replace=replace)
    return Imported(
        set=str(out),
        source=f"{name}: {source.title}",
        files=dict(Counter(raw.file for raw in rows.raws)),
        records={split: len(rows.splits.get(split, ())) for split in SPLITS},
        labels=_count_labels(rows.splits),
        rejects=dict(sorted(Counter(row.reason for row in rows.rejected).items())),
        repeats=repeats,
        declared=declared,
        notes=_notes(name, source, rows),
        changed=changed,
        next=command_line("fingen", "verify", out),
    )


def _refuse_clashes(name: str, options: Options) -> None:
    if name not in {*SOURCES, *RENAMED}:
        raise UsageError(f"no such source: {name}", hint=f"choose one of {', '.join(SOURCES)}")
    goes_with = {"text": "csv", "label": "csv", "instruction": "csv", "with_reasons": "nwgi"}
    for option, value in vars(options).items():
        if value and name != goes_with[option]:
            raise UsageError(
                f"--{option.replace('_', '-')} goes with {goes_with[option]}", hint=f"leave it out for {name}"
            )


def _find_repeats(rows: Rows) -> Repeats:
    """The texts that stand more than once: known by their digests, and read again where they do."""
    first: dict[bytes, int] = {}  # text -> number of its first record
    again: dict[int, list[int]] = {}  # that -> the numbers of all its records
    split_of = bytearray(len(rows.records))
    for split, there in enumerate(rows.splits.values()):
        for number, record in zip(there.numbers, there, strict=True):
            split_of[number] = split
            before = first.setdefault(short_digest(record.system, record.instruction, record.input), number)
            if before != number:
                again.setdefault(before, [before]).append(number)
    repeated = sorted(again.values(), key=lambda numbers: (split_of[numbers[0]], numbers[0]))
    conflicting = []
    for numbers in repeated:
        records = list(rows.records.pick(numbers))
        if len({record.output for record in records}) > 1:
            conflicting.append(_conflict(records, rows.raws.pick(rows.made_of[number] for number in numbers)))
    across = sum(len({split_of[number] for number in numbers}) > 1 for numbers in repeated)
    return Repeats(len(repeated), across, conflicting)


def _conflict(records: Sequence[Record], raws: Sequence[Raw]) -> dict[str, Any]:
    ordered = sorted(zip(raws, records, strict=True), key=lambda row: (row[0].file, row[0].number))
    rows = [{"file": raw.file, "where": raw.where, "answer": row.label or row.output} for raw, row in ordered]
    return {"text": records[0].input or records[0].instruction, "rows": rows}


# --- what is told ------------------------------------------------------------------------------------------------------


def _settings(name: str, rows: Rows, split: str | Shares | None) -> dict[str, Any]:
    given = {key: value for key, value in vars(rows.options).items() if value}
    shares = list(split) if isinstance(split, tuple) else split or "published"
    return {"command": "import", "source": name, "sha256": rows.hashes, "split": shares, **given}


def _count_labels(splits: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for split, records in splits.items():
        for record in records:
            if record.label:
                counts.setdefault(record.label, dict.fromkeys(SPLITS, 0))[split] += 1
    return dict(sorted(counts.items()))


def _notes(name: str, source: ImportSource, rows: Rows) -> list[str]:
    notes = [f"{name} is called {RENAMED[name]} now"] if name in RENAMED else []
    malformed = (row.detail for row in rows.rejected if row.reason == MALFORMED)
    notes += [f"left out: {detail}" for detail in islice(malformed, NAMED)]
    rest = sum(1 for _ in malformed)
    notes += [f"left out: {rest:,} more of that kind"] if rest > 0 else []
    columns = dict.fromkeys(column for raw in rows.raws if not raw.damage for column in raw.values)
    left_out = [column for column in columns if column not in source.columns | {rows.options.text, rows.options.label}]
    return [*notes, f"columns left out: {', '.join(left_out)}"] if left_out else notes
