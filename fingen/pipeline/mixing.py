"""The conductor of `fingen mix`: several sets as one, some repeated, without rows that another one holds out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fingen.config import Filters
from fingen.disk import read_jsonl, sha256_file
from fingen.errors import SetError, ShortfallError, UsageError
from fingen.events import Outcome, command_line
from fingen.imports.read import number_ids
from fingen.pipeline.filters import OpenFilters, open_filters
from fingen.quality.duplicates import fold, without_options
from fingen.records import Chunk, Manifest, Record, Rejected, SplitUnit, take
from fingen.set_folder import make_manifest, refuse_folder, refuse_other, write_anew
from fingen.sets import CHUNKS, MAKE_AGAIN, MANIFEST, SPLITS, SetContent, read_manifest, read_split, refuse_preferences

MOST_REPEATS = 100  # of a training row, for its task to have its share
REPEATED = "train"  # the split whose rows are repeated: a score must not weigh some of its rows more than others
HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Part:
    """A set that goes into a mix, and how often its training rows do."""

    folder: Path
    repeats: int = 1


@dataclass(frozen=True)
class Mixed(Outcome):
    """What a mix is made of. `rejects` are training rows of one set whose text another set holds out."""

    set: str
    parts: list[dict[str, int | str]]  # set, repeats, and rows by split
    records: dict[str, int]  # split -> rows
    rejects: dict[str, int]
    declared: tuple[str, ...]


@dataclass(frozen=True)
class _Loaded:
    part: Part
    manifest: Manifest
    splits: dict[str, list[Record]]
    chunks: list[Chunk]


def parse_part(text: str) -> Part:
    """FOLDER or FOLDER:N, the set N times.

    Raises:
        UsageError: N is 0.
    """
    folder, _, times = text.rpartition(":")
    if not folder or not times.isdecimal():
        return Part(Path(text))
    if not int(times):
        raise UsageError(f"{text}: 0 times", hint="leave the set out, or give a number from 1")
    return Part(Path(folder), int(times))


FINER: tuple[SplitUnit, ...] = get_args(SplitUnit)  # each is part of the one before it


def parse_weights(text: str) -> dict[str, float]:
    """TASK=W,TASK=W as task -> weight.

    Raises:
        UsageError: it has not that form, a weight is not above 0, or a task is there twice.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        weights = {task.strip(): float(weight) for task, _, weight in pairs}
    except ValueError as e:
        raise UsageError(f"--weights {text}: {e}", hint="give TASK=W,TASK=W such as intent=1,qa-table=2") from e
    if len(weights) < len(pairs) or not all(0 < weight < math.inf for weight in weights.values()):
        raise UsageError(f"--weights {text}: each task once, with a number above 0", hint="such as intent=1,qa-table=2")
    return weights


def mix(
    parts: Sequence[Part],
    out: Path,
    *,
    weights: Mapping[str, float] | None = None,
    filters: Filters = Filters(),  # noqa: B008  # frozen
    replace: bool = False,
) -> Mixed:
    """Write one set that holds the rows of all parts, each in its split, training rows as often as is said.

    `weights`, task -> weight, are the shares that the tasks have of the training rows: none loses a row, and those that are
    short of their share are repeated. Training rows that are in a benchmark of `filters.keep_out` are rejected.

    Raises:
        UsageError: the weights are not those of the tasks that there are.
        SetError: a set is missing, damaged, given twice, or is `out` itself; or `out` was made otherwise.
        ShortfallError: there are no rows.
    """
    refuse_folder(out)
    folders = [part.folder.resolve() for part in parts]
    if out.resolve() in folders:
        raise SetError(f"{out} is one of the sets to mix", hint="write the mix elsewhere with --out")
    if twice := [str(part.folder) for part, folder in zip(parts, folders, strict=True) if folders.count(folder) > 1]:
        raise SetError(f"{twice[0]} is given twice", hint="say how often with FOLDER:N")
    manifests = [(part, read_manifest(part.folder)) for part in parts]
    for part, manifest in manifests:
        refuse_preferences(part.folder, manifest, "mix")
    opened = open_filters(filters, out)
    settings = {
        "command": "mix",
        **({"weights": dict(weights)} if weights else {}),
        **({"keep_out": opened.settings["keep_out"]} if filters.keep_out else {}),
        "sets": [
            {"set": manifest.name, "manifest": sha256_file(part.folder / MANIFEST), "repeats": part.repeats}
            for part, manifest in manifests
        ],
    }
    if not replace:
        refuse_other(out, settings)
    loaded = [_load(part, manifest) for part, manifest in manifests]
    records, rejected = _mix(loaded)
    records[REPEATED], kept_out = _keep_out(records.get(REPEATED, []), opened)
    rejected += kept_out
    weighed = _weigh(records, weights) if weights else ()
    if not any(records.values()):
        raise ShortfallError(f"the {len(parts)} sets hold no rows", hint="look at their rejects: rejected.jsonl")
    declared = (*(line for one in loaded for line in _declared(one)), *weighed)
    rows = [record for split in records.values() for record in split]
    manifest = make_manifest(out.name, "mix", settings, rows, declared).model_copy(
        update={
            "prompts": {f"{m.name}/{name}": sha256 for m in _manifests(loaded) for name, sha256 in m.prompts.items()},
            "sources": tuple({(s.path, s.sha256): s for m in _manifests(loaded) for s in m.sources}.values()),
            "split_by": max((m.split_by for m in _manifests(loaded)), key=FINER.index),
        }
    )
    chunks = list({chunk.id: chunk for one in loaded for chunk in one.chunks}.values())
    content = SetContent(splits=records, rejected=rejected, chunks=chunks, manifest=manifest)
    changed = write_anew(out, content, replace=replace)
    return Mixed(
        set=str(out),
        parts=[{"set": str(one.part.folder), "repeats": one.part.repeats, **one.manifest.splits} for one in loaded],
        records={split: len(records.get(split, ())) for split in SPLITS},
        rejects=dict(Counter(row.reason for row in rejected)),
        declared=declared,
        changed=changed,
        next=command_line("fingen", "verify", out),
    )


def _keep_out(rows: list[Record], opened: OpenFilters) -> tuple[list[Record], list[Rejected]]:
    """The training rows apart from those that are in a benchmark."""
    found = {id(record): where for record, where in opened.contaminated(rows)}
    rejected = [
        Rejected(item=row.model_dump(mode="json"), reason="contaminated", detail=found[id(row)], chunks=row.chunks, request=None)
        for row in rows if id(row) in found
    ]  # fmt: skip
    return [row for row in rows if id(row) not in found], rejected


def _weigh(records: dict[str, list[Record]], weights: Mapping[str, float]) -> list[str]:
    """Repeat the training rows of tasks until each has its share, and say of each how often its rows are there."""
    by_task: dict[str, list[Record]] = {}
    for row in records[REPEATED]:
        by_task.setdefault(row.task, []).append(row)
    if by_task.keys() != weights.keys():
        raise UsageError(
            f"--weights: for {', '.join(weights)}; the training rows are of {', '.join(by_task)}",
            hint="give each task of the sets one weight",
        )
    unit = max(len(rows) / weights[task] for task, rows in by_task.items())
    wanted = {task: round(unit * weights[task]) for task in by_task}
    if scarce := next((task for task, rows in by_task.items() if wanted[task] > MOST_REPEATS * len(rows)), None):
        raise UsageError(
            f"--weights: the {len(by_task[scarce])} rows of {scarce} would be there more than {MOST_REPEATS} times",
            hint="give it a lower weight, or more rows",
        )
    chosen = Counter({
        row.id: wanted[task] // len(rows) for task, rows in by_task.items() for row in rows
    })  # fmt: skip
    chosen.update(row.id for task, rows in by_task.items() for row in take(rows, wanted[task] % len(rows)))
    records[REPEATED] = number_ids([row for row in records[REPEATED] for _ in range(chosen[row.id])])
    return [f"{task}: {wanted[task]:,} of the training rows, from {len(rows):,}" for task, rows in by_task.items()]


def _manifests(loaded: Sequence[_Loaded]) -> Iterator[Manifest]:
    return (one.manifest for one in loaded)


def _load(part: Part, manifest: Manifest) -> _Loaded:
    splits = {split: list(read_split(part.folder, split)) for split in SPLITS if manifest.splits.get(split)}
    return _Loaded(part, manifest, splits, list(_read_chunks(part.folder, manifest)))


def _read_chunks(folder: Path, manifest: Manifest) -> Iterator[Chunk]:
    path = folder / CHUNKS
    if CHUNKS not in manifest.files:
        return iter(())
    if not path.is_file() or sha256_file(path) != manifest.files[CHUNKS].sha256:
        raise SetError(f"{path}: missing, or changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return read_jsonl(path, Chunk)


def _mix(loaded: Sequence[_Loaded]) -> tuple[dict[str, list[Record]], list[Rejected]]:
    """The rows of all sets by split, with ids of their own, and training rows that another set holds out."""
    held: dict[str, dict[int, str]] = {}  # what ties rows together -> set -> id of the row held out
    for number, one in enumerate(loaded):
        for split in HELD_OUT:
            for record in one.splits.get(split, ()):
                for tie in _ties(record):
                    held.setdefault(tie, {}).setdefault(number, record.id)
    rejected: list[Rejected] = []
    mixed: list[tuple[str, Record]] = []
    for number, one in enumerate(loaded):
        for split, records in one.splits.items():
            if split not in HELD_OUT:
                records, given_away = _part(records, number, held, loaded)
                rejected += given_away
            mixed += [
                (split, record) for _ in range(one.part.repeats if split == REPEATED else 1) for record in records
            ]
    numbered = number_ids([record for _, record in mixed])
    splits: dict[str, list[Record]] = {split: [] for split in SPLITS}
    for (split, _), record in zip(mixed, numbered, strict=True):
        splits[split].append(record)
    return {split: records for split, records in splits.items() if records}, rejected


def _part(
    records: Sequence[Record], number: int, held: dict[str, dict[int, str]], loaded: Sequence[_Loaded]
) -> tuple[list[Record], list[Rejected]]:
    """Split the training rows of a set into those to keep and those that leak what another set holds out."""
    kept, rejected = [], []
    for record in records:
        others = ((other, row) for tie in _ties(record) for other, row in held.get(tie, {}).items() if other != number)
        found = next(others, None)
        if found is None:
            kept.append(record)
            continue
        detail = f"{loaded[found[0]].part.folder} holds out {found[1]}, which has the same text or passage"
        item = {"set": str(loaded[number].part.folder), **record.model_dump(mode="json")}
        rejected.append(Rejected(item=item, reason="held-out", detail=detail, chunks=record.chunks, request=None))
    return kept, rejected


def _ties(record: Record) -> Iterator[str]:
    """Return what a row must not share with a held-out one: its labelled text, or its whole content; and its passages.

    Of lettered options the order is drawn: another one makes no other text.
    """
    asked = record.input if record.label and record.input else without_options(record) + record.input
    yield f"text:{fold(asked)}"
    yield from record.chunks


def _declared(one: _Loaded) -> Iterator[str]:
    name, repeats = one.manifest.name, one.part.repeats
    rows = len(one.splits.get(REPEATED, ()))
    yield f"{name}: {rows:,} training rows, {'once' if repeats == 1 else f'{repeats} times'}"
    yield from (f"{name}: {line}" for line in one.manifest.declared)
