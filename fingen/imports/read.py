"""The rows of a source as records, in their splits; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingen.config import Taking
from fingen.disk import dump_json, sha256_file, sha256_text
from fingen.errors import HubError, ShortfallError, UsageError
from fingen.imports.base import ImportSource, Options, read_row
from fingen.imports.sources import SOURCES
from fingen.quality.splits import assign_splits
from fingen.records import Record, Rejected
from fingen.rows import Allowance, Raw
from fingen.sets import MANIFEST, SPLITS

Shares = tuple[float, float, float]  # of train, validation and test


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


def read_source(
    name: str,
    paths: Sequence[Path],
    options: Options | None = None,
    split: str | Shares | None = None,
    *,
    download: bool = False,
) -> Rows:
    """The rows of a source as records, in their splits; the arguments and errors are those of `import_set`. Nothing is written."""
    return read_rows(SOURCES[name], name, paths, options, split, download=download)


def read_rows(
    source: ImportSource,
    name: str,
    paths: Sequence[Path],
    options: Options | None = None,
    split: str | Shares | None = None,
    *,
    download: bool = False,
) -> Rows:
    """The same of a source that need not stand in the table; `name` is what messages call it."""
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
        HubError: the Hub refused, or cannot be reached. UsageError: there is more than is taken from the Hub.
    """
    from datasets import load_dataset  # type: ignore[import-untyped]  # it ships no types; slow to import, so only here

    try:
        loaded = load_dataset(source.hub)
    except (OSError, ValueError, RuntimeError) as e:  # errors of the Hub and of HTTP are OSErrors
        why = str(e).strip().partition("\n")[0] or type(e).__name__
        raise HubError(f"{source.hub}: cannot be loaded: {why}", hint=f"get it from {source.where}") from e
    taking = Taking()
    allowance = Allowance(taking.max_rows, taking.max_mib << 20, f"get what you want of it from {source.where}")
    for split, rows in loaded.items():  # they are on the disk, and not in memory yet
        allowance.take(f"{source.hub} ({split})", rows=rows.num_rows, size=rows.data.nbytes)
    return [
        Raw(f"{source.hub} ({split})", number, None, dict(row), split if split in SPLITS else None)
        for split, rows in loaded.items()
        for number, row in enumerate(rows, 1)
    ]


def _build_records(
    source: ImportSource, raws: Sequence[Raw], options: Options
) -> tuple[list[Record], list[Rejected], dict[str, Raw]]:
    """The records, the rows that can be none, and record id -> row."""
    built, kept, rejected = [], [], []
    for raw in raws:
        row = read_row(source, raw, options)
        if isinstance(row, Rejected):
            rejected.append(row)
        else:
            built.append(row)
            kept.append(raw)
    records = number_ids(built)
    return records, rejected, {record.id: raw for record, raw in zip(records, kept, strict=True)}


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


def _hashes(source: ImportSource, files: Sequence[Path], raws: Sequence[Raw]) -> dict[str, str]:
    if not files:
        return {str(source.hub): sha256_text(*(dump_json([raw.split, raw.values]) for raw in raws))}
    names = Counter(file.name for file in files)  # by their names alone: the manifest goes with the set to others
    return {
        file.name if names[file.name] == 1 else f"{file.parent.name}/{file.name}": sha256_file(file) for file in files
    }
