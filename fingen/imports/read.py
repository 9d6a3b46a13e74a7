"""The rows of a source as records, in their splits; nothing is written."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fingen.config import Taking
from fingen.disk import dump_json, sha256_file, sha256_texts
from fingen.encodings import guess_encoding
from fingen.errors import HubError, SetError, ShortfallError, UsageError
from fingen.imports.base import MALFORMED, ImportSource, Options, read_row
from fingen.imports.sources import find_source
from fingen.quality.splits import assign_splits
from fingen.records import Record, Rejected
from fingen.rows import Allowance, Raw, find_split, is_split
from fingen.sets import MANIFEST, SPLITS
from fingen.spool import Picked, Spool

Shares = tuple[float, float, float]  # of train, validation and test


@dataclass(frozen=True)
class Rows:
    """What the files of a source hold."""

    records: Spool[Record]  # of all splits, in the order of the files
    splits: dict[str, Picked[Record]]  # in the order of the files; one without rows is not there
    rejected: Spool[Rejected]
    raws: Spool[Raw]  # all rows
    made_of: array[int]  # number of a record -> number of the row that it was
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
    near: Path | None = None,
) -> Rows:
    """The rows of a source as records, in their splits; the arguments and errors are those of `import_set`. No set is written.

    `near` is where they lie meanwhile: see `Spool`.
    """
    return read_rows(find_source(name), name, paths, options, split, download=download, near=near)


def read_rows(
    source: ImportSource,
    name: str,
    paths: Sequence[Path],
    options: Options | None = None,
    split: str | Shares | None = None,
    *,
    download: bool = False,
    near: Path | None = None,
) -> Rows:
    """The same of a source that need not stand in the table; `name` is what messages call it."""
    options = options or Options()
    files = _find_files(name, source, paths, download=download)
    raws = Spool(near, _download(source) if download else (raw for file in files for raw in source.read(file)))
    if not raws:
        raise ShortfallError(f"no rows in {', '.join(map(str, files))}", hint=_where(name, source))
    if source.prepare:
        options = source.prepare(raws, options)
    built, rejected, made_of = _build_records(source, raws, options, near)
    if not built:
        refuse_all(rejected)
    records = Spool(near, number_each(built))
    names, said = _divide(source, records, raws.pick(made_of), files, split)
    numbers: dict[str, array[int]] = {name: array("Q") for name in SPLITS}
    for number, name in enumerate(names):
        numbers[name].append(number)
    splits = {name: records.pick(each) for name, each in numbers.items() if each}
    said = [*(note for file in files if (note := _say_encoding(file))), *said]
    return Rows(records, splits, rejected, raws, made_of, options, _hashes(source, files, raws), said)


def refuse_all(rejected: Sequence[Rejected]) -> NoReturn:
    """Refuse rows none of which can be a record.

    Raises:
        SetError: all are in no good form: the file is of another kind. ShortfallError: some are, and are of no use.
    """
    what = f"none of {len(rejected):,} rows can be a record"
    if all(row.reason == MALFORMED for row in rejected):
        raise SetError(
            rejected[0].detail,
            *([what] if len(rejected) > 1 else []),
            hint="mend the file, or name the form that it has",
        )
    raise ShortfallError(what, hint=f"the first one: {rejected[0].detail}")


def _say_encoding(file: Path) -> str:
    encoding = guess_encoding(file)
    return f"{file.name}: read as {encoding.upper()}, which was guessed: it is not UTF-8" if encoding else ""


def number_ids(records: Sequence[Record]) -> list[Record]:
    """The records with ids of their own: one whose id stands before it gets -2, -3 and so on."""
    return list(number_each(records))


def number_each(records: Sequence[Record]) -> Iterator[Record]:
    """The same, one by one."""
    seen = dict.fromkeys((record.id for record in records), 0)  # all that are taken
    for record in records:
        id = record.id
        seen[id] += 1
        if seen[id] == 1:
            yield record
            continue
        while (fresh := f"{id}-{seen[id]}") in seen:
            seen[id] += 1
        seen[fresh] = 0
        yield record.model_copy(update={"id": fresh})


def _find_files(name: str, source: ImportSource, paths: Sequence[Path], *, download: bool) -> dict[Path, str | None]:
    """The files to read, and the split that each is of by its name or its folder's; none where it is not said."""
    if download and paths:
        raise UsageError("--download and a PATH do not go together", hint="give one of them")
    if download and not source.hub:
        raise UsageError(f"{name}: there is no copy that is loaded without a script", hint=_where(name, source))
    if not paths and not download:
        raise UsageError(f"{name}: no PATH was given", hint=_where(name, source))
    files: dict[Path, str | None] = {}
    for path in paths:
        found = _in_folder(source, path) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path}: no {' or '.join(source.files)} in it", hint=_where(name, source))
        # A folder that was named counts where it is called after a split, and a longer path of this machine never does.
        base = path if path.is_dir() else path.parent
        base = base.parent if is_split(base.name) else base
        files |= {file: find_split(file.relative_to(base)) for file in found}
    return files


def _in_folder(source: ImportSource, folder: Path) -> list[Path]:
    """The files of a source in a folder, and in those below it that are called after a split."""
    found = {
        file
        for pattern in source.files
        for file in folder.rglob(pattern)
        if file.parent == folder or find_split(file.relative_to(folder).parent / "x")
    }
    return sorted(file for file in found if file.name not in ("dataset_info.json", MANIFEST))


def _where(name: str, source: ImportSource) -> str:
    """Where to get the data."""
    if not source.where:
        return f"name a file: fingen import {name} FILE"
    licence = f"; licence: {source.licence}" if source.licence else ""
    fetched = f", or let fingen load {source.hub} from the Hub: fingen import {name} --download" if source.hub else ""
    return f"get it from {source.where}{fetched}{licence}"


def _download(source: ImportSource) -> Iterator[Raw]:
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
    for split, rows in loaded.items():
        for number, row in enumerate(rows, 1):
            yield Raw(f"{source.hub} ({split})", number, None, dict(row), split if split in SPLITS else None)


def _build_records(
    source: ImportSource, raws: Sequence[Raw], options: Options, near: Path | None
) -> tuple[Spool[Record], Spool[Rejected], array[int]]:
    """The records, the rows that can be none, and the number of the row that each record was."""
    built, rejected, made_of = Spool[Record](near), Spool[Rejected](near), array("Q")
    for number, raw in enumerate(raws):
        row = read_row(source, raw, options)
        if isinstance(row, Rejected):
            rejected.append(row)
        else:
            built.append(row)
            made_of.append(number)
    return built, rejected, made_of


def _divide(
    source: ImportSource,
    records: Sequence[Record],
    raws: Sequence[Raw],
    files: Mapping[Path, str | None],
    split: str | Shares | None,
) -> tuple[list[str], list[str]]:
    """The split of each record, and what is to be declared of that. `raws` are the rows that they were."""
    if isinstance(split, tuple):
        split_of = assign_splits(records, by="chunk", shares=split, known={}, units_of={}).split_of
        return [split_of[record.id] for record in records], []
    if split:
        return [split] * len(records), []
    if source.published:
        names = source.published(len(records))
        return names, [f"{source.rule}: {names.count('train'):,} train, {names.count('test'):,} test"]
    of_file = {str(file): name for file, name in files.items()}
    names, published = [], Counter[tuple[str, str | None]]()
    for raw in raws:
        own = raw.split or of_file.get(raw.file)
        published[raw.file, own] += 1
        names.append(sys.intern(own or source.split))
    shown = dict(zip(of_file, _short_names(list(files)), strict=True))
    return names, [
        f"published split: {shown.get(file, file)} is {name} ({count:,} rows)"
        for (file, name), count in published.items()
        if name
    ]


def _hashes(source: ImportSource, files: Iterable[Path], raws: Iterable[Raw]) -> dict[str, str]:
    files = list(files)
    if not files:
        return {str(source.hub): sha256_texts(dump_json([raw.split, raw.values]) for raw in raws)}
    shown = _short_names(files)
    return {name: sha256_file(file) for name, file in zip(shown, files, strict=True)}


def _short_names(files: Sequence[Path]) -> list[str]:
    """Each file by its name, and as much of its folder as tells it from the others: the manifest goes with the set to others."""
    paths = [file.resolve().parts for file in files]
    depths = [1] * len(files)
    while True:
        names = ["/".join(parts[-depth:]) for parts, depth in zip(paths, depths, strict=True)]
        counts = Counter(names)
        if max(counts.values(), default=0) <= 1:
            return names
        depths = [depth + (counts[name] > 1) for depth, name in zip(depths, names, strict=True)]
