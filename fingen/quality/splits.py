"""Splits without leaks: what belongs together stays together, and what was placed once stays where it is."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fingen.disk import sha256_text
from fingen.errors import UsageError
from fingen.quality.duplicates import clusters_of, fold
from fingen.records import Document, Record, SourceEntry, SplitUnit

SPLITS = ("train", "validation", "test")
FILLED_FIRST = ("train", "test", "validation")
LEAST_FOR_MEMORY = 10  # training records from which on at least one is asked for again
COMPANY = "company:"  # before the name of a unit that is one
Source = Document | SourceEntry  # what is known of a document, read or listed
NAMED = 3  # companies that a note names


@dataclass(frozen=True)
class Assignment:
    """Where the records go.

    `units` is for the journal, and is `known` in the next run. It names everything that ties records together: the
    units themselves, and the chunks and near-duplicate clusters seen in them. With these each later row is decided by
    its own ties, and no old record can be the one that has to give way.
    """

    split_of: dict[str, str]  # record id -> split
    units: dict[str, str]  # unit, chunk or cluster id -> split
    rejected: list[tuple[Record, str]]  # records that would join two splits, and what they would join


def document_units(sources: Iterable[Source], by: SplitUnit) -> dict[str, tuple[str, ...]]:
    """Path -> the units of a document: the names of its company where companies are to stay together, else the hash of its file.

    A company has a name in each language, and reports that share one are its; those that name none stand by themselves.
    """
    named = {source.path: _companies(source) if by == "company" else () for source in sources}
    return {source.path: named[source.path] or (source.sha256,) for source in sources}


def _companies(source: Source) -> tuple[str, ...]:
    names = filter(None, (source.company, *source.names.values()))
    return tuple(sorted({f"{COMPANY}{folded}" for name in names if (folded := fold(name))}))


def note_companies(splits: Mapping[str, Sequence[Record]], sources: Sequence[Source], by: SplitUnit) -> list[str]:
    """A line where reports of one company stand in several splits: what it says one year it says again the next."""
    units = document_units(sources, "company")
    known, places = dict[str, Source](), dict[str, set[str]]()
    for source in sources:
        known.update((unit, source) for unit in units[source.path] if source.company and unit not in known)
    several = Counter(unit for source in sources for unit in set(units[source.path]))
    for split in SPLITS:
        for document in {record.document for record in splits.get(split, ())}:
            for unit in units.get(document, ()):
                places.setdefault(unit, set()).add(split)
    apart = {  # by company: one with names in two languages is one
        str(known[unit].company): [split for split in SPLITS if split in there]
        for unit, there in sorted(places.items())
        if by != "company" and unit in known and several[unit] > 1 and len(there) > 1
    }
    if not apart:
        return []
    said = "; ".join(f"{name}: {', '.join(there)}" for name, there in list(apart.items())[:NAMED])
    count = f"{len(apart)} companies have" if len(apart) > 1 else "1 company has"
    said += "; ..." if len(apart) > NAMED else ""
    way_on = "much of one is said again in the next; --split-by company keeps them together"
    return [f"{count} reports in several splits ({said}): {way_on}"]


def assign_splits(
    records: Sequence[Record],
    *,
    by: SplitUnit,
    shares: tuple[float, float, float],
    known: Mapping[str, str],
    units_of: Mapping[str, tuple[str, ...]],
) -> Assignment:
    """Give each record to train, validation or test, by content alone: the order of the records changes nothing.

    A unit is a company, a document or a chunk (a row without any is its own). Units joined by a shared chunk or a cluster of
    near-duplicates are one group, which goes where a unit of it went before, else by its lowest hash. A split left
    empty takes a group that was not placed before.

    Args:
        records: all records of the set, old and new; none of `memory`.
        by: what a unit is.
        shares: of train, validation and test.
        known: `units` of the run before.
        units_of: path -> the units of that document (`document_units`), so that renaming it moves nothing; one that is not in it is
            its own.

    Raises:
        UsageError: the shares are no shares.
    """
    if min(shares) < 0 or sum(shares) <= 0:
        raise UsageError(f"split {shares}: no shares", hint="give three that are not negative, such as 0.8,0.1,0.1")
    rows = _Rows(records, by, units_of)
    groups = _Groups(rows, known)
    rejected = {}
    for record_id in sorted(rows.of):  # which of two rows has to give way must not depend on their order
        conflict = groups.join(rows.ties(rows.of[record_id]))
        if conflict:
            rejected[record_id] = conflict
    kept = {record_id: row for record_id, row in rows.of.items() if record_id not in rejected}
    split_of = groups.place(kept.values(), shares)
    tied = bytearray(len(split_of))
    for row in kept.values():
        for tie in rows.ties(row):
            tied[tie] = True
    return Assignment(
        split_of={record_id: split_of[groups.root(rows.ties(row)[0])] for record_id, row in kept.items()},
        units={name: split_of[groups.root(tie)] for name, tie in rows.numbers.items() if tied[tie]},
        rejected=[(record, rejected[record.id]) for record in records if record.id in rejected] if rejected else [],
    )


def _units(record: Record, by: SplitUnit, units_of: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if by == "chunk" and record.chunks:
        return record.chunks
    if record.document:
        return units_of.get(record.document, (record.document,))
    return (record.id,)


class _Rows:
    """What ties records together, in numbers: a million of them are compared at once, and texts would fill memory."""

    def __init__(self, records: Iterable[Record], by: SplitUnit, units_of: Mapping[str, tuple[str, ...]]) -> None:
        self.of: dict[str, int] = {}  # record id -> row; of two records with one id the last one's
        self.numbers: dict[str, int] = {}  # what ties -> its number
        self.fractions = array("d")  # of units, by their numbers; above 1 for what is none
        self._ends, self._units, self._ties = array("Q", (0,)), array("I"), array("I")
        for row, record in enumerate(records):
            units = dict.fromkeys(_units(record, by, units_of))
            ties = dict.fromkeys((*units, *record.chunks, *clusters_of(record)))  # units first
            self.of[record.id] = row
            self._ties.extend(map(self._number, ties))
            self._ends.append(len(self._ties))
            self._units.append(len(units))
            for unit in units:
                if self.fractions[number := self.numbers[unit]] > 1:
                    self.fractions[number] = _fraction(unit)

    def _number(self, tie: str) -> int:
        number = self.numbers.setdefault(tie, len(self.numbers))
        if number == len(self.fractions):
            self.fractions.append(2.0)
        return number

    def ties(self, row: int) -> array[int]:
        """All that ties a row to others, in numbers: its units first, then its chunks and its clusters."""
        return self._ties[self._ends[row] : self._ends[row + 1]]

    def units(self, row: int) -> array[int]:
        """Those of them that are its units."""
        return self._ties[self._ends[row] : self._ends[row] + self._units[row]]


class _Groups:
    """What is tied together, as a union-find forest. No group ever holds two known splits."""

    def __init__(self, rows: _Rows, known: Mapping[str, str]) -> None:
        self._rows = rows
        self.known = {rows.numbers[tie]: split for tie, split in known.items() if tie in rows.numbers}  # by root
        self.parent = array("I", range(len(rows.numbers)))

    def root(self, tie: int) -> int:
        """What stands for the group of a tie."""
        parent = self.parent
        while (above := parent[tie]) != tie:
            parent[tie] = parent[above]  # halving the path keeps it short
            tie = above
        return tie

    def join(self, ties: Sequence[int]) -> str:
        """Make one group of the ties; or, where that would join two known splits, say so and change nothing."""
        roots = {self.root(tie): tie for tie in ties}
        splits = {self.known[root]: tie for root, tie in roots.items() if root in self.known}
        if len(splits) > 1:
            names = list(self._rows.numbers)
            return "would join " + " and ".join(f"{split} ({names[splits[split]]})" for split in sorted(splits))
        first = min(roots)
        for root in roots:
            self.parent[root] = first
        for split in splits:
            self.known[first] = split
        return ""

    def place(self, kept: Iterable[int], shares: tuple[float, float, float]) -> list[str]:
        """Root -> split, for the groups of the rows that are kept.

        It is the known one, else by the lowest hash of the group's units, which takes large groups to train. An empty split
        takes, from train where it can, the fresh group with the fewest units, then the lowest hash. It never empties another
        split, save that train must have something.
        """
        rows, count = self._rows, len(self.parent)
        roots, units, lowest = array("I"), array("I", (0,)) * count, array("d", (2.0,)) * count
        seen = bytearray(count)
        for row in kept:
            root = self.root(rows.ties(row)[0])
            if not units[root]:
                roots.append(root)
            for unit in rows.units(row):
                if not seen[unit]:
                    seen[unit], units[root] = True, units[root] + 1
                    lowest[root] = min(lowest[root], rows.fractions[unit])
        split_of = [""] * count
        for root in roots:
            split_of[root] = self.known.get(root) or _by_hash(lowest[root], shares)
        for split in FILLED_FIRST:
            counts = Counter(split_of[root] for root in roots)
            if counts[split] or not shares[SPLITS.index(split)]:
                continue
            left = 0 if split == "train" else 1
            spare = (root for root in roots if root not in self.known and counts[split_of[root]] > left)
            taken = min(spare, key=lambda root: (split_of[root] != "train", units[root], lowest[root]), default=None)
            if taken is not None:
                split_of[taken] = split
        return split_of


def _by_hash(fraction: float, shares: tuple[float, float, float]) -> str:
    wanted = [(split, share) for split, share in zip(SPLITS, shares, strict=True) if share]
    upper = 0.0
    for split, share in wanted:
        upper += share / sum(shares)
        if fraction < upper:
            return split
    return wanted[-1][0]  # the shares add up to a little less than 1 in floating point


def _fraction(*parts: str) -> float:
    """A hash as a number from 0 to below 1; 52 bits are exact in a float."""
    return int(sha256_text(*parts)[:13], 16) / (1 << 52)


def pick_memory(train: Iterable[str], share: float, known: Collection[str] = ()) -> set[str]:
    """Those of the ids of the training records whose second question goes to `memory`: by a threshold on the hash of the id.

    Those that are `known` from the run before stay. From ten records on it is at least one (the lowest), unless the share
    is 0.
    """
    fractions = {record_id: _fraction("memory", record_id) for record_id in train}
    picked = {record_id for record_id, fraction in fractions.items() if fraction < share or record_id in known}
    if not picked and share > 0 and len(fractions) >= LEAST_FOR_MEMORY:
        picked = {min(fractions, key=lambda record_id: fractions[record_id])}
    return picked


def assign_counts(records: Sequence[Record], counts: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Record id -> split, so that each split gets exactly `counts[split][label]` records of each label.

    For rows that no passage ties together. Which of a label's records goes where depends on the hash of its id; records
    beyond the counts, in the order given, get no split.
    """
    split_of: dict[str, str] = {}
    labels = {label for wanted in counts.values() for label in wanted}
    for label in sorted(labels):
        total = sum(wanted.get(label, 0) for wanted in counts.values())
        chosen = [record.id for record in records if record.label == label][:total]
        places = [
            split for split in ("test", "validation", "train") for _ in range(counts.get(split, {}).get(label, 0))
        ]
        split_of |= dict(zip(sorted(chosen, key=lambda record_id: _fraction("split", record_id)), places, strict=False))
    return split_of
