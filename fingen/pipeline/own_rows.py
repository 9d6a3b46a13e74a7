"""A set made anew from its own rows: other filters, other splits. For sets without a journal that they could be drawn from.

A row that falls goes to the rejects whole, with the place where it stood, and takes part again the next time: the filters
given then are in place of those given now. Only what was dropped for personal data stays dropped, as it is masked there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingen.config import Splitting
from fingen.disk import Model, read_jsonl, sha256_file
from fingen.errors import SetError
from fingen.pipeline.filters import OpenFilters
from fingen.quality.duplicates import find_repeats
from fingen.quality.privacy import protect, protect_reject
from fingen.quality.splits import assign_splits, document_units
from fingen.records import Chunk, Manifest, Record, Rejected
from fingen.sets import CHUNKS, MAKE_AGAIN, REJECTED, REWORKED, SPLITS, SetContent, read_split
from fingen.spool import Picked, Spool
from fingen.verification.origin import Origin

PLACE = "stood"  # in the item of a reject: the split and the row, from 1, where it stood
ASKED = ("train", "validation", "test")  # `memory` repeats training questions on purpose
NOTE = "reworked since: "


@dataclass(slots=True)
class _Row:
    """A row by its number, the split that it is in, and the place that a reject of it names."""

    number: int  # of its record; that of a masked one is another
    split: str
    stood: str = ""  # the split and the row in which it stood
    row: int = 0
    fell: dict[str, Any] | None = None  # its place, where it fell in an earlier rework

    @property
    def place(self) -> dict[str, Any]:
        """The place that a reject of it names."""
        return self.fell or {"split": self.stood, "row": self.row}


@dataclass
class _Rows:
    """Rows on their way through the filters. Their records lie on disk, and are known by their numbers."""

    records: Spool[Record]
    kept: list[_Row]
    fallen: Spool[Rejected]

    def of(self, *splits: str) -> Picked[Record]:
        """The records of these splits, in their order."""
        return self.records.pick(row.number for row in self.kept if row.split in splits)

    def all(self) -> Iterator[tuple[_Row, Record]]:
        """Each row with its record."""
        return zip(self.kept, self.records.read(row.number for row in self.kept), strict=True)

    def reject(self, reasons: Mapping[int, tuple[str, str]]) -> None:
        """Reject the rows whose records have these numbers, each with its reason and detail."""
        if not reasons:
            return
        for row in self.kept:
            if row.number in reasons:
                reason, detail = reasons[row.number]
                record = self.records[row.number]
                item = {**record.model_dump(mode="json"), PLACE: row.place}
                self.fallen.append(
                    Rejected(item=item, reason=reason, detail=detail, chunks=record.chunks, request=None)
                )
        self.kept = [row for row in self.kept if row.number not in reasons]


def rework_rows(
    folder: Path, before: Manifest, origin: Origin, filters: OpenFilters, splitting: Splitting | None
) -> tuple[SetContent, list[str]]:
    """Put the rows through these filters, and with `splitting` divide them afresh; returns the content and notes.

    Duplicates are taken out where it is not divided, or was rid of them before; of these the first row stays.

    Raises:
        SetError: a file of the set is missing or was changed.
    """
    rejected, rows = _read(folder, before)
    done = dict(before.settings.get(REWORKED, {}))
    done["split" if splitting else "dedup"] = True
    masked = _gate_privacy(rows, filters)
    _gate_duplicates(rows, filters, is_own_too="dedup" in done)
    there = rows.of(*SPLITS)
    rows.reject({there.numbers[place]: ("contaminated", where) for place, where in filters.overlaps(there).items()})
    how = splitting and (splitting.shares, before.split_by if splitting.by == "auto" else splitting.by)
    if how:
        _divide(rows, before, *how)
    _gate_memory(rows)
    settings = {**before.settings, **filters.settings, REWORKED: done}
    if how:
        settings["split"] = list(how[0])
    if before.rejects and REJECTED not in before.files:
        settings["rejects_elsewhere"] = before.rejects
    splits: dict[str, Sequence[Record]] = {split: rows.of(split) for split in SPLITS}
    if counts := bool(before.figures and origin.chunks):
        splits = {split: Spool(folder, map(origin.with_figures, there)) for split, there in splits.items()}
    manifest = before.model_copy(
        update={
            "settings": settings,
            "split_by": how[1] if how else before.split_by,
            "declared": (*(line for line in before.declared if not line.startswith(NOTE)), _note(settings)),
            "figures": origin.count_figures(rows.of(*SPLITS)) if counts else {},
            "files": {},
        }
    )
    keys = [(each.reason != "privacy", str(each.item["id"])) for each in rows.fallen]
    for each in rows.fallen.read(sorted(range(len(keys)), key=keys.__getitem__)):
        rejected.append(protect_reject(each, filters.filters.privacy))
    notes = [f"personal data masked in {masked:,} rows"] if masked else []
    chunks = Spool(folder, _read_file(folder, before, CHUNKS, Chunk))
    return SetContent(splits, rejected, chunks, manifest), notes


def _read(folder: Path, manifest: Manifest) -> tuple[Spool[Rejected], _Rows]:
    """The rejects of the set's maker, and all rows in their order: those of the splits, and those that fell since."""
    own, records = Spool[Rejected](folder), Spool[Record](folder)
    fallen: list[_Row] = []
    for rejected in _read_file(folder, manifest, REJECTED, Rejected):
        place = rejected.item.get(PLACE)
        if rejected.reason == "privacy" or not isinstance(place, dict):
            own.append(rejected)
        else:
            item = {name: value for name, value in rejected.item.items() if name != PLACE}
            fallen.append(_Row(records.append(Record.model_validate(item)), place["split"], fell=place))
    rows: list[_Row] = []
    for split in SPLITS:
        there = read_split(folder, split) if manifest.splits.get(split) else ()
        stood = [_Row(records.append(record), split) for record in there]
        back = [(row.place["row"], row) for row in fallen if row.split == split]
        for number, row in sorted(back, key=lambda each: each[0]):
            stood.insert(number - 1, row)
        for number, row in enumerate(stood, 1):
            row.stood, row.row = split, number
        rows += stood
    return own, _Rows(records, rows, Spool(folder))


def _read_file(folder: Path, manifest: Manifest, name: str, model: type[Model]) -> Iterator[Model]:
    """The rows of a file of the set; none where it came without that file."""
    path = folder / name
    if name not in manifest.files:
        return iter(())
    if not path.is_file() or sha256_file(path) != manifest.files[name].sha256:
        raise SetError(f"{path}: missing, or changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return read_jsonl(path, model)


def _gate_privacy(rows: _Rows, filters: OpenFilters) -> int:
    """Mask or drop personal data, as is wanted; returns how many rows are masked."""
    masked, dropped = 0, {}
    for row, before in rows.all():
        record, _ = protect(before, filters.filters.privacy)
        if record is None:
            dropped[row.number] = "privacy", "personal data in it"
        elif record != before:
            row.number, masked = rows.records.append(record), masked + 1
    rows.reject(dropped)
    return masked


def _gate_duplicates(rows: _Rows, filters: OpenFilters, *, is_own_too: bool) -> None:
    """Rows that repeat another one, or one of another set; of those that stood until now the first stays."""
    asked = [row for row in rows.kept if row.split in ASKED]
    order = sorted(range(len(asked)), key=lambda place: asked[place].fell is not None)
    found = filters.repeats(rows.records.pick(row.number for row in asked), order=order)
    rows.reject({
        asked[each.number].number: (each.kind, f"of {each.of}" + (f" in {each.of_set}" if each.of_set else ""))
        for each in found
        if is_own_too or each.of_set
    })  # fmt: skip


def _divide(rows: _Rows, manifest: Manifest, shares: tuple[float, float, float], by: Any) -> None:
    """Give each row a split afresh, by content. What a mix repeats is repeated in train alone."""
    units = document_units(manifest.sources, by)
    assigned = assign_splits(rows.of(*ASKED), by=by, shares=shares, known={}, units_of=units)
    details, joins = {record.id: detail for record, detail in assigned.rejected}, {}
    for row, record in rows.all():
        if record.id in details and row.split in ASKED:
            joins[row.number] = "split", details[record.id]
        else:
            row.split = assigned.split_of.get(record.id, row.split)
    rows.reject(joins)
    if manifest.command == "mix":
        for split in ("validation", "test"):
            rows.reject(_repeats(rows.of(split)))


def _repeats(records: Picked[Record]) -> dict[int, tuple[str, str]]:
    """The rows that are there twice, whatever their ids: a held-out row counts once."""
    ids = [record.id for record in records]
    found = [
        each
        for each in find_repeats(records, order=sorted(range(len(ids)), key=ids.__getitem__))
        if each.kind == "exact"
    ]
    kept = {each.of for each in found}
    same = {record.id: (record.input, record.output) for record in records if record.id in kept} if kept else {}
    return {
        records.numbers[each.number]: ("repeat", f"of {each.of}, and a held-out row counts once")
        for each, record in zip(found, records.read(each.number for each in found), strict=True)
        if (record.input, record.output) == same[each.of]
    }


def _gate_memory(rows: _Rows) -> None:
    """Rows that recall a passage which no training row is about."""
    if memory := rows.of("memory"):
        train = {chunk for record in rows.of("train") for chunk in record.chunks}
        unseen = (n for n, record in zip(memory.numbers, memory, strict=True) if not set(record.chunks) <= train)
        rows.reject(dict.fromkeys(unseen, ("memory", "train has not seen its passage")))


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
