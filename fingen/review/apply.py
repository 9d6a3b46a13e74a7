"""The set that comes of a review: rows that were accepted, edited, rescued or not yet judged; splits as they were.

A verdict holds for its pair: rows that say the same of the same quotes (the second wording in `memory`, the row with its
passage) follow one that was rejected or edited, unless they were judged themselves. Reviewers are told apart by numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fingen.disk import Model, lock, say_invalid, sha256_file
from fingen.errors import SetError, UsageError
from fingen.events import Outcome, command_line
from fingen.imports.read import number_ids
from fingen.quality.duplicates import find_duplicates, near_clusters
from fingen.quality.privacy import protect, protect_reject
from fingen.quality.splits import assign_splits, document_units
from fingen.records import Chunk, Manifest, Record, Rejected
from fingen.review.index import checked_lines, open_listed, row_hash
from fingen.review.proof import apply_edit, rescued
from fingen.review.summary import agreement
from fingen.review.verdicts import EDIT, REJECT, Verdict, Verdicts
from fingen.set_folder import PATIENCE_SECONDS, clear, refuse_folder
from fingen.sets import (
    MAKE_AGAIN,
    MANIFEST,
    REJECTED,
    REVIEWED,
    REVIEWS,
    REWORKED,
    SPLITS,
    SetContent,
    read_manifest,
    write_set,
)
from fingen.tasks.qa import with_passage
from fingen.verification.origin import Origin, origin_of_set

ASKED = ("train", "validation", "test")  # `memory` repeats training questions on purpose
UNDECIDED = "review-undecided"
SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Applied(Outcome):
    """What became of the rows of a set. `followed` were not judged, and went with a row of their pair."""

    set: str
    of: str
    records: dict[str, int]  # split -> rows
    accepted: int
    edited: int
    rescued: int
    rejected: int
    followed: int
    undecided: int
    undecided_rows: str  # "keep" or "drop"
    rejects: dict[str, int]  # of this review, by reason

    def lines(self) -> list[str]:
        """For a terminal."""
        counts = {name: getattr(self, name) for name in ("accepted", "edited", "rescued", "rejected", "followed")}
        lines = [f"{self.of} -> {self.set}", "", *(f"{name:<22}{count:>9,}" for name, count in counts.items())]
        what = "kept: what made the set had proved them" if self.undecided_rows == "keep" else "left out"
        lines.append(f"{'undecided':<22}{self.undecided:>9,}   {what}")
        lines += ["", *(f"{split:<22}{count:>9,}" for split, count in self.records.items() if count)]
        return lines + [f"rejected, {reason:<12}{count:>9,}" for reason, count in self.rejects.items()]


@dataclass
class JudgedRow:
    """A row on its way. `split` is empty for one that was a reject, until it is given one."""

    record: Record
    was: Record  # before its verdict
    split: str
    verdict: Verdict | None
    pair: Hashable
    changed: bool = False


@dataclass
class Judged:
    """The rows of a set that was judged: those that stay, those that fall, and the rejects that nobody rescued."""

    kept: list[JudgedRow] = field(default_factory=list)
    stay: list[Rejected] = field(default_factory=list)
    fallen: list[Rejected] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def reject(self, found: Callable[[JudgedRow], tuple[str, str] | None]) -> None:
        """Reject rows, with the reason and detail that `found` gives."""
        kept = []
        for row in self.kept:
            if why := found(row):
                self.fallen.append(_rejected(row.record, *why))
            else:
                kept.append(row)
        self.kept = kept


def apply_reviews(folder: Path, out: Path | None = None, *, undecided: str = "keep", replace: bool = False) -> Applied:
    """Make a new set of one that was reviewed.

    Raises:
        SetError: no such set, it is damaged, or `out` holds something else; UsageError: nobody has judged a row of it.
    """
    before = read_manifest(folder)
    out = out or folder.with_name(f"{folder.name}-reviewed")
    if out.resolve() == folder.resolve():
        raise SetError(f"--out {out} is the set itself", hint="write the new set elsewhere")
    verdicts, origin = Verdicts(folder), origin_of_set(folder)
    who = name_reviewers(verdicts)
    rows = read_judged(folder, before, verdicts, origin)
    if all(row.verdict is None for row in rows.kept):
        raise UsageError(f"{folder}: no row was judged", hint=f"judge some: {command_line('fingen', 'review', folder)}")
    settle(rows, before, origin, who, undecided)
    readings = [readings for _, readings in verdicts]
    about = {
        "set": before.name,
        "manifest": sha256_file(folder / MANIFEST),
        "undecided_rows": undecided,
        "reviewers": {who[name]: count for name, count in verdicts.reviewers.items()},
        **{name: rows.counts[name] for name in ("accepted", "edited", "rescued", "rejected", "followed", "undecided")},
        "second": asdict(agreement(readings)),
    }
    content = _content(out.name, before, rows, origin, about)
    changed = _write(out, content, about, replace=replace)
    return _outcome(folder, out, rows, about, changed)


# --- reading -------------------------------------------------------------------------------------------------------------


def _lines(folder: Path, manifest: Manifest, name: str, model: type[Model]) -> Iterator[tuple[Model, bytes]]:
    with open_listed(folder, name) as file:
        for number, line in enumerate(checked_lines(file, manifest.files[name].sha256), 1):
            try:
                yield model.model_validate_json(line), line
            except ValidationError as e:
                raise SetError(f"{folder / name}, row {number}: {say_invalid(e)}", hint=MAKE_AGAIN) from e


def name_reviewers(verdicts: Verdicts) -> dict[str, str]:
    """What reviewers are called where their names do not go: reviewer 1, reviewer 2, as they came."""
    return {name: f"reviewer {number}" for number, name in enumerate(verdicts.reviewers, 1)}


def read_judged(folder: Path, manifest: Manifest, verdicts: Verdicts, origin: Origin) -> Judged:
    """Read the rows of a set, each with the verdict that stands on it, and the rejects; what was rescued is a row.

    Raises:
        SetError: a file is missing, damaged, or was changed.
    """
    rows = Judged()
    for split in SPLITS:
        if manifest.splits.get(split):
            for record, line in _lines(folder, manifest, f"{split}.jsonl", Record):
                standing = verdicts.of(row_hash(line, record.id)).standing
                rows.kept.append(JudgedRow(record, record, split, standing, _pair(record)))
    if REJECTED not in manifest.files:
        return rows
    for rejected, line in _lines(folder, manifest, REJECTED, Rejected):
        standing = verdicts.of(row_hash(line)).standing
        chunks = [origin.chunks[chunk] for chunk in rejected.chunks if chunk in origin.chunks]
        saved = rescued(rejected, manifest, chunks) if standing and standing.verdict != REJECT else None
        if saved is None:
            rows.stay.append(rejected)
        else:
            rows.kept.append(JudgedRow(saved, saved, "", standing, None))
    return rows


def _pair(record: Record) -> Hashable:
    """What rows of one pair share; None where a row has no pair."""
    return (record.document, record.output, record.evidence) if record.document and record.evidence else None


# --- verdicts ------------------------------------------------------------------------------------------------------------


def settle(rows: Judged, before: Manifest, origin: Origin, who: Mapping[str, str], undecided: str = "keep") -> None:
    """Edit, rescue and reject the rows as they were judged, and hold what was changed to the laws of sets."""
    _judge_rows(rows, origin, who, undecided)
    _hold_to_laws(rows, before, origin)


def _judge_rows(rows: Judged, origin: Origin, who: Mapping[str, str], undecided: str) -> None:
    """Put each row where its verdict, or that of its pair, has it."""
    leaders: dict[Hashable, JudgedRow] = {}
    for row in rows.kept:
        if row.pair and row.verdict and row.verdict.verdict in (REJECT, EDIT):
            led = leaders.setdefault(row.pair, row)
            if row.verdict.verdict == REJECT and led.verdict and led.verdict.verdict != REJECT:
                leaders[row.pair] = row  # of two verdicts on a pair the stricter one leads
    originals = {id(row): row.record for row in leaders.values()}
    kept = []
    for row in rows.kept:
        why = _fate(row, leaders.get(row.pair) if row.pair else None, originals, origin, who, rows.counts, undecided)
        if why:
            rows.fallen.append(_rejected(row.record, *why))
        else:
            kept.append(row)
    rows.kept = kept


def _fate(
    row: JudgedRow, leader: JudgedRow | None, originals: Mapping[int, Record], origin: Origin, who: Mapping[str, str],
    counts: Counter[str], undecided: str,
) -> tuple[str, str] | None:  # fmt: skip
    """Change a row as it was judged; returns the reason and detail of a rejection."""
    verdict = row.verdict
    if verdict is None and leader is not None and leader.verdict is not None:
        counts["followed"] += 1
        return _follow(row, leader, originals[id(leader)], origin, who)
    if verdict is None:
        counts["undecided"] += 1
        return (UNDECIDED, "nobody judged it") if undecided == "drop" else None
    if verdict.verdict == REJECT:
        counts["rejected"] += 1
        return f"review-{verdict.reason}", _anonymous(verdict.note, who)
    done = "edited" if verdict.edit else "accepted"
    counts["rescued" if not row.split else done] += 1
    review: dict[str, Any] = {"verdict": "rescued" if not row.split else done, "by": who[verdict.reviewer]}
    if verdict.edit:
        review["changed"] = sorted(verdict.edit)
        row.record, row.changed = apply_edit(row.record, verdict.edit, _chunks(row.record, origin)), True
    if verdict.failed:
        review["fails"] = list(verdict.failed)
    row.changed = row.changed or not row.split
    row.record = row.record.model_copy(update={"review": review})
    return None


def _follow(
    row: JudgedRow, leader: JudgedRow, original: Record, origin: Origin, who: Mapping[str, str]
) -> tuple[str, str] | None:
    verdict = leader.verdict
    assert verdict is not None
    if verdict.verdict == REJECT:
        return f"review-{verdict.reason}", f"with {original.id}, of the same pair"
    edit = {name: value for name, value in (verdict.edit or {}).items() if name in ("output", "calc", "evidence")}
    if verdict.edit and "instruction" in verdict.edit and row.record.instruction == original.instruction:
        edit["instruction"] = verdict.edit["instruction"]
    review = {"verdict": "edited", "by": who[verdict.reviewer], "changed": sorted(edit), "with": original.id}
    edited = apply_edit(row.record, edit, _chunks(row.record, origin))
    row.record, row.changed = edited.model_copy(update={"review": review}), True
    return None


def _anonymous(note: str, who: Mapping[str, str]) -> str:
    for name, number in sorted(who.items(), key=lambda each: -len(each[0])):
        note = note.replace(name, number)
    return note


def _chunks(record: Record, origin: Origin) -> list[Chunk]:
    return [origin.chunks[chunk] for chunk in record.chunks if chunk in origin.chunks]


def _rejected(record: Record, reason: str, detail: str) -> Rejected:
    return Rejected(
        item=record.model_dump(mode="json"), reason=reason, detail=detail, chunks=record.chunks, request=None
    )


# --- laws ----------------------------------------------------------------------------------------------------------------


def _hold_to_laws(rows: Judged, before: Manifest, origin: Origin) -> None:
    """Place what was rescued, and reject what was changed so that it breaks a law of sets."""
    rescued_rows = [row for row in rows.kept if not row.split]
    if rescued_rows:
        _place_rescued(rows, rescued_rows, before, origin)
    _protect(rows, before.settings.get("privacy", "keep"))
    for row in rows.kept:
        if row.changed:
            row.record = origin.with_figures(row.record)
    changed = {row.record.id for row in rows.kept if row.changed}
    asked = [row.record for row in rows.kept if row.split in ASKED]
    found = find_duplicates(asked, better=lambda record: record.id in changed) if changed else []
    twice = {each.record.id: (each.kind, f"of {each.of}") for each in found if each.record.id in changed}
    rows.reject(lambda row: twice.get(row.record.id) if row.split in ASKED else None)
    joined = _joins_splits(rows, changed)
    rows.reject(lambda row: joined.get(row.record.id))
    train = {chunk for row in rows.kept if row.split == "train" for chunk in row.record.chunks}
    unseen = ("memory", "train has not seen its passage")
    rows.reject(lambda row: unseen if row.split == "memory" and not set(row.record.chunks) <= train else None)


def _place_rescued(rows: Judged, found: Sequence[JudgedRow], before: Manifest, origin: Origin) -> None:
    """Give rescued rows the form of the set and an id and a split of their own; what ties them to a split decides which."""
    context = before.settings.get("context", "none")
    formed: list[JudgedRow] = []
    for row in found:
        chunks = _chunks(row.record, origin)
        if context != "passage" or not chunks or row.record.input:
            formed.append(row)
        if context in ("passage", "both") and chunks and not row.record.input:
            shown = with_passage(row.record, chunks)
            formed.append(JudgedRow(shown, row.was, "", row.verdict, None, changed=True))
    there = [row for row in rows.kept if row.split]
    numbered = number_ids([row.record for row in (*there, *formed)])[len(there) :]
    for row, record in zip(formed, numbered, strict=True):
        row.record = record
    records = [row.record for row in there if row.split in ASKED]
    units = document_units(before.sources, before.split_by)
    known = _known_ties(there, before, units)
    wanted = before.settings.get("split")
    shares = (wanted[0], wanted[1], wanted[2]) if isinstance(wanted, list | tuple) and len(wanted) == 3 else SHARES
    assigned = assign_splits([*records, *numbered], by=before.split_by, shares=shares, known=known, units_of=units)
    fallen = {record.id: detail for record, detail in assigned.rejected}
    for row in formed:
        row.split = assigned.split_of.get(row.record.id, "")
        if not row.split:
            rows.fallen.append(_rejected(row.record, "joins-splits", fallen.get(row.record.id, "")))
    rows.kept = [*there, *(row for row in formed if row.split)]


def _known_ties(there: Sequence[JudgedRow], before: Manifest, units: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """What ties the rows of the set together, and the split that it is in."""
    asked = [row for row in there if row.split in ASKED]
    cluster = near_clusters([row.record for row in asked])
    known: dict[str, str] = {}
    for row in asked:
        ties = [*row.record.chunks, *cluster[row.record.id]]
        if before.split_by != "chunk" and row.record.document:
            ties += units.get(row.record.document, (row.record.document,))
        known |= {tie: row.split for tie in ties if tie not in known}
    return known


def _protect(rows: Judged, mode: Any) -> None:
    """Changed rows as the set has personal data: masked, or left out."""
    kept = []
    for row in rows.kept:
        record = protect(row.record, mode)[0] if row.changed else row.record
        if record is None:
            rows.fallen.append(protect_reject(_rejected(row.record, "privacy", "personal data in it"), mode))
        else:
            row.record = record
            kept.append(row)
    rows.kept = kept


def _joins_splits(rows: Judged, changed: set[str]) -> dict[str, tuple[str, str]]:
    """Changed rows that say now what a row of another split says."""
    if not changed:
        return {}
    asked = [row for row in rows.kept if row.split in ASKED]
    cluster = near_clusters([row.record for row in asked])
    splits: dict[str, set[str]] = {}
    for row in asked:
        if row.record.id not in changed:
            for each in cluster[row.record.id]:
                splits.setdefault(each, set()).add(row.split)
    found = {}
    for row in asked:
        others = sorted({split for each in cluster[row.record.id] for split in splits.get(each, ())} - {row.split})
        if row.record.id in changed and others:
            found[row.record.id] = ("joins-splits", f"it says what a row of {others[0]} says")
    return found


# --- writing -------------------------------------------------------------------------------------------------------------


def _content(name: str, before: Manifest, rows: Judged, origin: Origin, about: dict[str, Any]) -> SetContent:
    splits = {split: [row.record for row in rows.kept if row.split == split] for split in SPLITS}
    mode = before.settings.get("privacy", "keep")
    fallen = sorted(rows.fallen, key=lambda each: (each.reason, str(each.item["id"])))
    settings = {**before.settings, REWORKED: {**before.settings.get(REWORKED, {}), REVIEWED: True}, REVIEWED: about}
    figures = origin.count_figures(chain.from_iterable(splits.values())) if before.figures and origin.chunks else {}
    manifest = before.model_copy(update={"name": name, "settings": settings, "figures": figures, "files": {}})
    return SetContent(
        splits, [*rows.stay, *(protect_reject(each, mode) for each in fallen)], list(origin.chunks.values()), manifest
    )


def _write(out: Path, content: SetContent, about: Mapping[str, Any], *, replace: bool) -> bool:
    """Write the set. One that an earlier review of the same set has made is written over, unless it was changed since.

    Raises:
        SetError: the folder holds something else.
    """
    with lock(out, patience_seconds=PATIENCE_SECONDS):
        refuse_folder(out)
        if replace:
            clear(out)
        elif (out / MANIFEST).exists():
            there = read_manifest(out).settings
            is_own = isinstance(there.get(REVIEWED), dict) and there[REVIEWED].get("set") == about["set"]
            since = there.get(REWORKED) != content.manifest.settings[REWORKED] or (out / REVIEWS).exists()
            if not is_own or since:
                said = "was changed or reviewed since" if is_own else "holds another set"
                raise SetError(f"{out} {said}", hint="write elsewhere with --out, or start it anew with --replace")
        return write_set(out, content)


def _outcome(folder: Path, out: Path, rows: Judged, about: Mapping[str, Any], changed: bool) -> Applied:
    counts = {name: about[name] for name in ("accepted", "edited", "rescued", "rejected", "followed", "undecided")}
    fails = sum(bool(row.record.review.get("fails")) for row in rows.kept)
    notes = [f"{fails:,} rows stand against a check, as their notes say: `fingen verify` names them"] if fails else []
    return Applied(
        set=str(out),
        of=str(folder),
        records={split: sum(row.split == split for row in rows.kept) for split in SPLITS},
        undecided_rows=about["undecided_rows"],
        rejects=dict(sorted(Counter(each.reason for each in rows.fallen).items())),
        notes=notes,
        changed=changed,
        next=command_line("fingen", "verify", out),
        **counts,
    )
