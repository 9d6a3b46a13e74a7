"""The conductor of `fingen mix`: several sets as one, some repeated, without rows that another one holds out."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

from fingen.config import Filters
from fingen.disk import read_jsonl, sha256_file, sha256_text, short_digest
from fingen.errors import SetError, ShortfallError, UsageError
from fingen.events import Outcome, command_line
from fingen.imports.read import number_each
from fingen.pipeline.filters import OpenFilters, open_filters
from fingen.quality.duplicates import fold, without_options
from fingen.records import Chunk, Manifest, Record, Rejected, SplitUnit
from fingen.set_folder import make_manifest, refuse_folder, refuse_other, write_anew
from fingen.sets import CHUNKS, MAKE_AGAIN, MANIFEST, SPLITS, SetContent, read_manifest, read_split, refuse_preferences
from fingen.spool import Picked, Spool

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
    """A part, and where its rows lie among those of all parts."""

    part: Part
    manifest: Manifest
    splits: dict[str, range]  # the numbers of its rows


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
    rows = Spool[Record](out)
    loaded = [_load(part, manifest, rows) for part, manifest in manifests]
    rejected = Spool[Rejected](out)
    records = _mix(loaded, rows, rejected, out)
    records[REPEATED] = _keep_out(records.get(REPEATED, rows.pick(())), opened, rejected)
    weighed = list[str]()
    if weights:
        records[REPEATED], weighed = _weigh(records[REPEATED], weights, out)
    if not any(records.values()):
        raise ShortfallError(f"the {len(parts)} sets hold no rows", hint="look at their rejects: rejected.jsonl")
    declared = (*(line for one in loaded for line in _declared(one)), *weighed)
    every = chain.from_iterable(records.values())
    manifest = make_manifest(out.name, "mix", settings, every, declared).model_copy(
        update={
            "prompts": {f"{m.name}/{name}": sha256 for m in _manifests(loaded) for name, sha256 in m.prompts.items()},
            "sources": tuple({(s.path, s.sha256): s for m in _manifests(loaded) for s in m.sources}.values()),
            "split_by": max((m.split_by for m in _manifests(loaded)), key=FINER.index),
        }
    )
    chunks = _chunks(loaded, out)
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


def _keep_out(rows: Picked[Record], opened: OpenFilters, rejected: Spool[Rejected]) -> Picked[Record]:
    """The training rows apart from those that are in a benchmark, which are rejected."""
    found = opened.overlaps(rows)
    for place, row in zip(found, rows.read(found), strict=True):
        item, detail = row.model_dump(mode="json"), found[place]
        rejected.append(Rejected(item=item, reason="contaminated", detail=detail, chunks=row.chunks, request=None))
    return rows.pick(place for place in range(len(rows)) if place not in found) if found else rows


def _weigh(rows: Picked[Record], weights: Mapping[str, float], out: Path) -> tuple[Picked[Record], list[str]]:
    """Repeat the training rows of tasks until each has its share, and say of each how often its rows are there."""
    by_task: dict[str, array[int]] = {}
    for place, row in enumerate(rows):
        by_task.setdefault(row.task, array("Q")).append(place)
    if by_task.keys() != weights.keys():
        raise UsageError(
            f"--weights: for {', '.join(weights)}; the training rows are of {', '.join(by_task)}",
            hint="give each task of the sets one weight",
        )
    unit = max(len(places) / weights[task] for task, places in by_task.items())
    wanted = {task: round(unit * weights[task]) for task in by_task}
    if scarce := next((task for task, each in by_task.items() if wanted[task] > MOST_REPEATS * len(each)), None):
        raise UsageError(
            f"--weights: the {len(by_task[scarce])} rows of {scarce} would be there more than {MOST_REPEATS} times",
            hint="give it a lower weight, or more rows",
        )
    chosen = array("Q", (0,)) * len(rows)  # place -> times
    for task, places in by_task.items():
        times, more = divmod(wanted[task], len(places))
        hashes = [sha256_text(row.id) for row in rows.read(places)] if more else []
        for place in places:
            chosen[place] = times
        for lowest in sorted(range(len(hashes)), key=hashes.__getitem__)[:more]:
            chosen[places[lowest]] += 1
    repeated = rows.pick(place for place, times in enumerate(chosen) for _ in range(times))
    said = [f"{task}: {wanted[task]:,} of the training rows, from {len(each):,}" for task, each in by_task.items()]
    return Spool(out, number_each(repeated))[:], said


def _manifests(loaded: Sequence[_Loaded]) -> Iterator[Manifest]:
    return (one.manifest for one in loaded)


def _load(part: Part, manifest: Manifest, rows: Spool[Record]) -> _Loaded:
    splits = {}
    for split in SPLITS:
        if manifest.splits.get(split):
            first = len(rows)
            for record in read_split(part.folder, split):
                rows.append(record)
            splits[split] = range(first, len(rows))
    return _Loaded(part, manifest, splits)


def _chunks(loaded: Sequence[_Loaded], out: Path) -> Spool[Chunk]:
    """The passages of all sets, each once: where the first set has it, as the last one has it."""
    chunks, last = Spool[Chunk](out), dict[str, int]()
    for one in loaded:
        for chunk in _read_chunks(one.part.folder, one.manifest):
            last[chunk.id] = chunks.append(chunk)
    return Spool(out, chunks.read(last.values()))


def _read_chunks(folder: Path, manifest: Manifest) -> Iterator[Chunk]:
    path = folder / CHUNKS
    if CHUNKS not in manifest.files:
        return iter(())
    if not path.is_file() or sha256_file(path) != manifest.files[CHUNKS].sha256:
        raise SetError(f"{path}: missing, or changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return read_jsonl(path, Chunk)


def _mix(
    loaded: Sequence[_Loaded], rows: Spool[Record], rejected: Spool[Rejected], out: Path
) -> dict[str, Picked[Record]]:
    """The rows of all sets by split, with ids of their own; training rows that another set holds out are rejected."""
    held: dict[
        bytes, list[tuple[int, int]]
    ] = {}  # what ties rows together -> set, and number of its first row held out
    for number, one in enumerate(loaded):
        for split in HELD_OUT:
            there = one.splits.get(split, range(0))
            for place, record in zip(there, rows.read(there), strict=True):
                for tie in _ties(record):
                    known = held.setdefault(tie, [])
                    if not known or known[-1][0] != number:
                        known.append((number, place))
    mixed: dict[str, array[int]] = {split: array("Q") for split in SPLITS}
    order = array("Q")
    for number, one in enumerate(loaded):
        for split, there in one.splits.items():
            kept = there if split in HELD_OUT else array("Q", _kept(there, rows, number, held, loaded, rejected))
            for _ in range(one.part.repeats if split == REPEATED else 1):
                mixed[split].extend(range(len(order), len(order) + len(kept)))
                order.extend(kept)
    numbered = Spool(out, number_each(rows.pick(order)))
    return {split: numbered.pick(each) for split, each in mixed.items() if each}


def _kept(
    there: range, rows: Spool[Record], number: int, held: Mapping[bytes, list[tuple[int, int]]], loaded: Sequence[_Loaded],
    rejected: Spool[Rejected],
) -> Iterator[int]:  # fmt: skip
    """The training rows of a set that another one does not hold out; those that leak it are rejected."""
    for place, record in zip(there, rows.read(there), strict=True):
        others = ((other, row) for tie in _ties(record) for other, row in held.get(tie, ()) if other != number)
        found = next(others, None)
        if found is None:
            yield place
            continue
        detail = f"{loaded[found[0]].part.folder} holds out {rows[found[1]].id}, which has the same text or passage"
        item = {"set": str(loaded[number].part.folder), **record.model_dump(mode="json")}
        rejected.append(Rejected(item=item, reason="held-out", detail=detail, chunks=record.chunks, request=None))


def _ties(record: Record) -> Iterator[bytes]:
    """Return digests of what a row must not share with a held-out one: its labelled text, or its whole content; and its passages.

    Of lettered options the order is drawn: another one makes no other text.
    """
    asked = record.input if record.label and record.input else without_options(record) + record.input
    yield short_digest("text", fold(asked))
    yield from (short_digest("passage", chunk) for chunk in record.chunks)


def _declared(one: _Loaded) -> Iterator[str]:
    name, repeats = one.manifest.name, one.part.repeats
    rows = len(one.splits.get(REPEATED, ()))
    yield f"{name}: {rows:,} training rows, {'once' if repeats == 1 else f'{repeats} times'}"
    yield from (f"{name}: {line}" for line in one.manifest.declared)
