"""The conductor of `fingen import`: rows that other people made become a set, counted and with their published splits."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fingen import __version__
from fingen.errors import HubError, ShortfallError, UsageError
from fingen.imports import SOURCES, ImportSource, Options, Unusable
from fingen.imports.rows import Raw
from fingen.quality.splits import assign_splits
from fingen.records import Manifest, Record, Rejected, Usage, content_id, dump_json, sha256_file, sha256_text
from fingen.set_folder import PATIENCE_SECONDS, clear, refuse_folder, refuse_other
from fingen.sets import MANIFEST, SPLITS, SetContent, write_set
from fingen.teachers.journal import lock

NAMED = 5  # rows that a message or the manifest names
Shares = tuple[float, float, float]  # of train, validation and test


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
class Imported:
    """What an import did."""

    set: str
    source: str
    files: dict[str, int]  # file -> rows
    records: dict[str, int]  # split -> rows
    labels: dict[str, dict[str, int]]  # label -> split -> rows; empty where rows have none
    rejects: dict[str, int]  # reason -> rows
    repeats: Repeats
    declared: tuple[str, ...]
    notes: list[str]
    changed: bool
    next: str
    exit_code: int = 0


@dataclass(frozen=True)
class Rows:
    """What the files of a source hold."""

    splits: dict[str, list[Record]]  # in the order of the files; one without rows is not there
    rejected: list[Rejected]
    raws: list[Raw]  # all rows
    places: dict[str, Raw]  # record id -> the row that it was
    options: Options  # with what all rows taught
    hashes: dict[str, str]  # file, or id on the Hub -> SHA-256
    said: list[str]  # of the splits


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
        name: one of SOURCES.
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
    source = SOURCES[name]
    refuse_folder(out)
    if not replace:
        refuse_other(out, {"command": "import", "source": name}, is_whole=False)
    rows = read_source(name, paths, options, split, download=download)
    repeats = _find_repeats(rows.splits, rows.places)
    settings = _settings(name, rows, split)
    declared = (*rows.said, *repeats.lines(), *([f"licence of the source: {source.licence}"] if source.licence else []))
    records = [record for records in rows.splits.values() for record in records]
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
        notes=_notes(source, rows.raws, rows.options),
        changed=changed,
        next=f"fingen export {out} --format alpaca --out DIR",
    )


def read_source(
    name: str,
    paths: Sequence[Path],
    options: Options | None = None,
    split: str | Shares | None = None,
    *,
    download: bool = False,
) -> Rows:
    """The rows of a source as records, in their splits; the arguments and errors are those of `import_set`. Nothing is written."""
    source = SOURCES[name]
    options = options or Options()
    files = _find_files(name, source, paths, download=download)
    raws = _download(source) if download else [raw for file in files for raw in source.read(file)]
    if not raws:
        raise ShortfallError(f"no rows in {', '.join(map(str, files))}", hint=_where(name, source))
    if source.prepare:
        options = source.prepare(raws, options)
    records, rejected, places = _build_records(source, raws, options)
    if not records:
        first = rejected[0]
        raise ShortfallError(f"none of {len(raws):,} rows can be a record", hint=f"the first one: {first.detail}")
    splits, said = _divide(source, records, places, split)
    return Rows(splits, rejected, raws, places, options, _hashes(source, files, raws), said)


def make_manifest(
    name: str, command: str, settings: Mapping[str, Any], records: Sequence[Record], declared: tuple[str, ...]
) -> Manifest:
    """The manifest of a set that nobody was asked for: no requests, tokens or cost of its own."""
    return Manifest(
        name=name,
        command=command,
        teacher=", ".join(sorted({record.teacher for record in records})),
        settings=dict(settings),
        prompts={},
        sources=(),
        unread={},
        files={},
        splits={},
        tasks={},
        rejects={},
        requests=0,
        usage=Usage(),
        cost_usd=0.0,
        split_by="chunk",
        declared=declared,
        versions={"fingen": __version__, "datasets": version("datasets"), "python": platform.python_version()},
    )


def write_anew(out: Path, content: SetContent, *, replace: bool) -> bool:
    """Write a set that is made in one step; True if anything changed.

    Raises:
        SetError: the folder holds a set that was made otherwise, and `replace` is not given.
    """
    with lock(out, patience_seconds=PATIENCE_SECONDS):
        refuse_folder(out)
        if replace:
            clear(out)
        else:
            refuse_other(out, content.manifest.settings)
        return write_set(out, content)


def number_ids(records: Sequence[Record]) -> list[Record]:
    """The records with ids of their own: one whose id stands before it gets -2, -3 and so on."""
    taken = {record.id for record in records}
    seen: Counter[str] = Counter()
    numbered = []
    for record in records:
        seen[record.id] += 1
        if seen[record.id] == 1:
            numbered.append(record)
            continue
        while (fresh := f"{record.id}-{seen[record.id]}") in taken:
            seen[record.id] += 1
        taken.add(fresh)
        numbered.append(record.model_copy(update={"id": fresh}))
    return numbered


# --- rows --------------------------------------------------------------------------------------------------------------


def _find_files(name: str, source: ImportSource, paths: Sequence[Path], *, download: bool) -> list[Path]:
    if download and paths:
        raise UsageError("--download and a PATH do not go together", hint="give one of them")
    if download and not source.hub:
        raise UsageError(f"{name}: there is no copy that is loaded without a script", hint=_where(name, source))
    if not paths and not download:
        raise UsageError(f"{name}: no PATH was given", hint=_where(name, source))
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted({file for pattern in source.files for file in path.glob(pattern)})
            found = [file for file in found if file.name not in ("dataset_info.json", MANIFEST)]
            if not found:
                raise UsageError(f"{path}: no {' or '.join(source.files)} in it", hint=_where(name, source))
            files += found
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _where(name: str, source: ImportSource) -> str:
    """Where to get the data."""
    if not source.where:
        return f"name a file: fingen import {name} FILE"
    licence = f"; licence: {source.licence}" if source.licence else ""
    fetched = f", or let fingen load {source.hub} from the Hub: fingen import {name} --download" if source.hub else ""
    return f"get it from {source.where}{fetched}{licence}"


def _download(source: ImportSource) -> list[Raw]:
    """All rows of the source's copy on the Hub.

    Raises:
        HubError: the Hub refused, or cannot be reached.
    """
    from datasets import load_dataset  # type: ignore[import-untyped]  # it ships no types; slow to import, so only here

    try:
        loaded = load_dataset(source.hub)
    except (OSError, ValueError, RuntimeError) as e:  # errors of the Hub and of HTTP are OSErrors
        why = str(e).strip().partition("\n")[0] or type(e).__name__
        raise HubError(f"{source.hub}: cannot be loaded: {why}", hint=f"get it from {source.where}") from e
    return [
        Raw(f"{source.hub} ({split})", number, None, dict(row), split if split in SPLITS else None)
        for split, rows in loaded.items()
        for number, row in enumerate(rows, 1)
    ]


def _build_records(
    source: ImportSource, raws: Sequence[Raw], options: Options
) -> tuple[list[Record], list[Rejected], dict[str, Raw]]:
    """The records, the rows that can be none, and record id -> row. An id is a hash of the content."""
    built, kept, rejected = [], [], []
    for raw in raws:
        record = source.build(raw, options)
        if isinstance(record, Unusable):
            detail = f"{raw.where}: {record.detail}"
            rejected.append(Rejected(item=raw.values, reason=record.reason, detail=detail, chunks=(), request=None))
            continue
        built.append(record if record.id else record.model_copy(update={"id": _id(record)}))
        kept.append(raw)
    records = number_ids(built)
    return records, rejected, {record.id: raw for record, raw in zip(records, kept, strict=True)}


def _id(record: Record) -> str:
    return content_id("im", record.task, record.instruction, record.input, record.output)


# --- splits ------------------------------------------------------------------------------------------------------------


def _divide(
    source: ImportSource, records: list[Record], places: Mapping[str, Raw], split: str | Shares | None
) -> tuple[dict[str, list[Record]], list[str]]:
    """The records by split, in their order, and what is to be declared of it."""
    said = []
    if isinstance(split, tuple):
        assigned = assign_splits(records, by="chunk", shares=split, known={}, document_ids={})
        names = [assigned.split_of[record.id] for record in records]
    elif split:
        names = [split] * len(records)
    elif source.published:
        names = source.published(len(records))
        said.append(f"{source.rule}: {names.count('train'):,} train, {names.count('test'):,} test")
    else:
        names = [places[record.id].split or source.split for record in records]
        published = Counter((places[record.id].file, places[record.id].split) for record in records)
        said += [
            f"published split: {Path(file).name} is {name} ({count:,} rows)"
            for (file, name), count in published.items()
            if name
        ]
    splits: dict[str, list[Record]] = {name: [] for name in SPLITS}
    for record, name in zip(records, names, strict=True):
        splits[name].append(record)
    return {name: rows for name, rows in splits.items() if rows}, said


def _find_repeats(splits: Mapping[str, Sequence[Record]], places: Mapping[str, Raw]) -> Repeats:
    groups: dict[tuple[str, str], list[tuple[str, Record]]] = {}
    for split, records in splits.items():
        for record in records:
            groups.setdefault((record.instruction, record.input), []).append((split, record))
    repeated = [group for group in groups.values() if len(group) > 1]
    conflicting = [
        _conflict([record for _, record in group], places)
        for group in repeated
        if len({record.output for _, record in group}) > 1
    ]
    return Repeats(len(repeated), sum(len({split for split, _ in group}) > 1 for group in repeated), conflicting)


def _conflict(records: Sequence[Record], places: Mapping[str, Raw]) -> dict[str, Any]:
    ordered = sorted(((places[record.id], record) for record in records), key=lambda row: (row[0].file, row[0].number))
    rows = [{"file": raw.file, "where": raw.where, "answer": row.label or row.output} for raw, row in ordered]
    return {"text": records[0].input or records[0].instruction, "rows": rows}


# --- what is told ------------------------------------------------------------------------------------------------------


def _settings(name: str, rows: Rows, split: str | Shares | None) -> dict[str, Any]:
    given = {key: value for key, value in vars(rows.options).items() if value}
    shares = list(split) if isinstance(split, tuple) else split or "published"
    return {"command": "import", "source": name, "sha256": rows.hashes, "split": shares, **given}


def _hashes(source: ImportSource, files: Sequence[Path], raws: Sequence[Raw]) -> dict[str, str]:
    if not files:
        return {str(source.hub): sha256_text(*(dump_json([raw.split, raw.values]) for raw in raws))}
    names = Counter(file.name for file in files)  # by their names alone: the manifest goes with the set to others
    return {
        file.name if names[file.name] == 1 else f"{file.parent.name}/{file.name}": sha256_file(file) for file in files
    }


def _count_labels(splits: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for split, records in splits.items():
        for record in records:
            if record.label:
                counts.setdefault(record.label, dict.fromkeys(SPLITS, 0))[split] += 1
    return dict(sorted(counts.items()))


def _notes(source: ImportSource, raws: Sequence[Raw], options: Options) -> list[str]:
    columns = Counter(name for raw in raws for name in raw.values)
    left_out = [name for name in columns if name not in source.columns | {options.text, options.label}]
    return [f"columns left out: {', '.join(left_out)}"] if left_out else []
