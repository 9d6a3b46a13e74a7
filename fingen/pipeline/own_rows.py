"""A set made anew from its own rows: other filters, other splits. For sets without a journal that they could be drawn from.

A row that falls goes to the rejects whole, with the place where it stood, and takes part again the next time: the filters
given then are in place of those given now. Only what was dropped for personal data stays dropped, as it is masked there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fingen.config import Splitting
from fingen.disk import Model, read_jsonl, sha256_file
from fingen.errors import SetError
from fingen.pipeline.filters import OpenFilters
from fingen.quality.duplicates import find_duplicates
from fingen.quality.privacy import protect, protect_reject
from fingen.quality.splits import assign_splits, document_units
from fingen.records import Chunk, Manifest, Record, Rejected
from fingen.sets import CHUNKS, MAKE_AGAIN, REJECTED, REWORKED, SPLITS, SetContent, read_split
from fingen.verification.origin import Origin

PLACE = "stood"  # in the item of a reject: the split and the row, from 1, where it stood
ASKED = ("train", "validation", "test")  # `memory` repeats training questions on purpose
NOTE = "reworked since: "


@dataclass
class _Row:
    """A row, the split that it is in, and the place that a reject of it names."""

    record: Record
    split: str
    place: dict[str, Any]
    fell: bool = False  # in an earlier rework


@dataclass
class _Rows:
    """Rows on their way through the filters."""

    kept: list[_Row]
    fallen: list[Rejected] = field(default_factory=list)

    def of(self, *splits: str) -> list[Record]:
        """The records of these splits, in their order."""
        return [row.record for row in self.kept if row.split in splits]

    def reject(self, found: Iterable[tuple[Record, str, str]]) -> None:
        """Reject rows, each with its reason and detail. They are compared as objects."""
        reasons = {id(record): (reason, detail) for record, reason, detail in found}
        for row in self.kept:
            if id(row.record) in reasons:
                reason, detail = reasons[id(row.record)]
                item = {**row.record.model_dump(mode="json"), PLACE: row.place}
                chunks = row.record.chunks
                self.fallen.append(Rejected(item=item, reason=reason, detail=detail, chunks=chunks, request=None))
        self.kept = [row for row in self.kept if id(row.record) not in reasons]


def rework_rows(
    folder: Path, before: Manifest, origin: Origin, filters: OpenFilters, splitting: Splitting | None
) -> tuple[SetContent, list[str]]:
    """Put the rows through these filters, and with `splitting` divide them afresh; returns the content and notes.

    Duplicates are taken out where it is not divided, or was rid of them before; of these the first row stays.

    Raises:
        SetError: a file of the set is missing or was changed.
    """
    own, rows = _read(folder, before)
    done = dict(before.settings.get(REWORKED, {}))
    done["split" if splitting else "dedup"] = True
    masked = _gate_privacy(rows, filters)
    _gate_duplicates(rows, filters, is_own_too="dedup" in done)
    rows.reject((record, "contaminated", where) for record, where in list(filters.contaminated(rows.of(*SPLITS))))
    how = splitting and (splitting.shares, before.split_by if splitting.by == "auto" else splitting.by)
    if how:
        _divide(rows, before, *how)
    _gate_memory(rows)
    settings = {**before.settings, **filters.settings, REWORKED: done}
    if how:
        settings["split"] = list(how[0])
    if before.rejects and REJECTED not in before.files:
        settings["rejects_elsewhere"] = before.rejects
    splits = {split: rows.of(split) for split in SPLITS}
    if counts := bool(before.figures and origin.chunks):
        splits = {split: list(map(origin.with_figures, there)) for split, there in splits.items()}
    manifest = before.model_copy(
        update={
            "settings": settings,
            "split_by": how[1] if how else before.split_by,
            "declared": (*(line for line in before.declared if not line.startswith(NOTE)), _note(settings)),
            "figures": origin.count_figures(rows.of(*SPLITS)) if counts else {},
            "files": {},
        }
    )
    fallen = sorted(rows.fallen, key=lambda each: (each.reason != "privacy", str(each.item["id"])))
    rejected = [*own, *(protect_reject(each, filters.filters.privacy) for each in fallen)]
    notes = [f"personal data masked in {masked:,} rows"] if masked else []
    return SetContent(splits, rejected, _read_file(folder, before, CHUNKS, Chunk), manifest), notes


def _read(folder: Path, manifest: Manifest) -> tuple[list[Rejected], _Rows]:
    """The rejects of the set's maker, and all rows in their order: those of the splits, and those that fell since."""
    own: list[Rejected] = []
    fallen: list[_Row] = []
    for rejected in _read_file(folder, manifest, REJECTED, Rejected):
        place = rejected.item.get(PLACE)
        if rejected.reason == "privacy" or not isinstance(place, dict):
            own.append(rejected)
        else:
            item = {name: value for name, value in rejected.item.items() if name != PLACE}
            fallen.append(_Row(Record.model_validate(item), place["split"], place, fell=True))
    rows: list[_Row] = []
    for split in SPLITS:
        there = read_split(folder, split) if manifest.splits.get(split) else ()
        stood = [_Row(record, split, {}) for record in there]
        for row in sorted((row for row in fallen if row.split == split), key=lambda row: row.place["row"]):
            stood.insert(row.place["row"] - 1, row)
        for number, row in enumerate(stood, 1):
            row.place = row.place or {"split": split, "row": number}
        rows += stood
    return own, _Rows(rows)


def _read_file(folder: Path, manifest: Manifest, name: str, model: type[Model]) -> list[Model]:
    """The rows of a file of the set; none where it came without that file."""
    path = folder / name
    if name not in manifest.files:
        return []
    if not path.is_file() or sha256_file(path) != manifest.files[name].sha256:
        raise SetError(f"{path}: missing, or changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return list(read_jsonl(path, model))


def _gate_privacy(rows: _Rows, filters: OpenFilters) -> int:
    """Mask or drop personal data, as is wanted; returns how many rows are masked."""
    masked, dropped = 0, []
    for row in rows.kept:
        record, _ = protect(row.record, filters.filters.privacy)
        if record is None:
            dropped.append((row.record, "privacy", "personal data in it"))
        elif record != row.record:
            row.record, masked = record, masked + 1
    rows.reject(dropped)
    return masked


def _gate_duplicates(rows: _Rows, filters: OpenFilters, *, is_own_too: bool) -> None:
    """Rows that repeat another one, or one of another set."""
    fell = {id(row.record) for row in rows.kept if row.fell}
    found = filters.duplicates(rows.of(*ASKED), better=lambda record: id(record) in fell)
    rows.reject(
        (each.record, each.kind, f"of {each.of}" + (f" in {each.of_set}" if each.of_set else ""))
        for each in found
        if is_own_too or each.of_set
    )


def _divide(rows: _Rows, manifest: Manifest, shares: tuple[float, float, float], by: Any) -> None:
    """Give each row a split afresh, by content. What a mix repeats is repeated in train alone."""
    units = document_units(manifest.sources, by)
    assigned = assign_splits(rows.of(*ASKED), by=by, shares=shares, known={}, units_of=units)
    rows.reject((record, "split", detail) for record, detail in assigned.rejected)
    for row in rows.kept:
        row.split = assigned.split_of.get(row.record.id, row.split)
    if manifest.command == "mix":
        for split in ("validation", "test"):
            rows.reject(_repeats(rows.of(split)))


def _repeats(records: Sequence[Record]) -> list[tuple[Record, str, str]]:
    same = {record.id: (record.input, record.output) for record in records}
    return [
        (each.record, "repeat", f"of {each.of}, and a held-out row counts once")
        for each in find_duplicates(sorted(records, key=lambda record: record.id))
        if each.kind == "exact" and same[each.record.id] == same[each.of]
    ]


def _gate_memory(rows: _Rows) -> None:
    """Rows that recall a passage which no training row is about."""
    train = {chunk for record in rows.of("train") for chunk in record.chunks}
    unseen = [record for record in rows.of("memory") if not set(record.chunks) <= train]
    rows.reject((record, "memory", "train has not seen its passage") for record in unseen)


def is_reworked(manifest: Manifest) -> bool:
    """Whether the set was made anew from its own rows before."""
    return REWORKED in manifest.settings


def _note(settings: dict[str, Any]) -> str:
    done = settings[REWORKED]
    said = ["duplicates taken out (fingen dedup)"] if "dedup" in done else []
    said += ["divided afresh (fingen split)"] if "split" in done else []
    said.append("the splits are no longer those published, and what is said above of rows was so before")
    if elsewhere := settings.get("rejects_elsewhere"):
        said.append(f"{sum(elsewhere.values()):,} rejects did not come with the set")
    return NOTE + "; ".join(said)
