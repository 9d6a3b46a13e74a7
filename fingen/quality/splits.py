"""Splits without leaks: what belongs together stays together, and what was placed once stays where it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fingen.disk import sha256_text
from fingen.errors import UsageError
from fingen.quality.duplicates import fold, near_clusters
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
    units = {record.id: _units(record, by, units_of) for record in records}
    ties = _ties(records, units)
    groups = _Groups(dict(known))
    rejected = {}
    for record_id in sorted(ties):  # which of two rows has to give way must not depend on their order
        conflict = groups.join(ties[record_id])
        if conflict:
            rejected[record_id] = conflict
    kept = [record_id for record_id in ties if record_id not in rejected]
    members: dict[str, set[str]] = {}
    for record_id in kept:
        members.setdefault(groups.root(ties[record_id][0]), set()).update(units[record_id])
    split_of = _place(members, groups.known, shares)
    return Assignment(
        split_of={record_id: split_of[groups.root(ties[record_id][0])] for record_id in kept},
        units={tie: split_of[groups.root(tie)] for record_id in kept for tie in ties[record_id]},
        rejected=[(record, rejected[record.id]) for record in records if record.id in rejected],
    )


def _units(record: Record, by: SplitUnit, units_of: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    if by == "chunk" and record.chunks:
        return record.chunks
    if record.document:
        return units_of.get(record.document, (record.document,))
    return (record.id,)


def _ties(records: Sequence[Record], units: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Record id -> all that ties it to other records: its units first, then its chunks and its cluster."""
    cluster = near_clusters(records)
    return {
        record.id: tuple(dict.fromkeys((*units[record.id], *record.chunks, *cluster[record.id]))) for record in records
    }


@dataclass
class _Groups:
    """What is tied together, as a union-find forest. No group ever holds two known splits."""

    known: dict[str, str]  # root -> the split that its group was placed in before
    parent: dict[str, str] = field(default_factory=dict)

    def root(self, tie: str) -> str:
        above = self.parent.setdefault(tie, tie)
        while above != tie:
            self.parent[tie] = self.parent[above]  # halving the path keeps it short
            tie, above = above, self.parent[above]
        return tie

    def join(self, ties: Sequence[str]) -> str:
        """Make one group of the ties; or, where that would join two known splits, say so and change nothing."""
        roots = {self.root(tie): tie for tie in ties}
        splits = {self.known[root]: tie for root, tie in roots.items() if root in self.known}
        if len(splits) > 1:
            return "would join " + " and ".join(f"{split} ({splits[split]})" for split in sorted(splits))
        first = min(roots)
        for root in roots:
            self.parent[root] = first
        for split in splits:
            self.known[first] = split
        return ""


def _place(
    members: Mapping[str, set[str]], known: Mapping[str, str], shares: tuple[float, float, float]
) -> dict[str, str]:
    """Group -> split: the known one, else by the lowest hash of its units, which takes large groups to train.

    An empty split takes, from train where it can, the fresh group with the fewest units, then the lowest hash. It never
    empties another split, save that train must have something.
    """
    lowest = {group: min(map(_fraction, units)) for group, units in members.items()}
    split_of = {group: known.get(group) or _by_hash(lowest[group], shares) for group in members}
    for split in FILLED_FIRST:
        counts = Counter(split_of.values())
        if counts[split] or not shares[SPLITS.index(split)]:
            continue
        left = 0 if split == "train" else 1
        spare = [group for group in members if group not in known and counts[split_of[group]] > left]
        if spare:
            taken = min(spare, key=lambda group: (split_of[group] != "train", len(members[group]), lowest[group]))
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


def pick_memory(train: Sequence[Record], share: float, known: Collection[str] = ()) -> set[str]:
    """Ids of the training records whose second question goes to `memory`: by a threshold on the hash of the id.

    Those that are `known` from the run before stay. From ten records on it is at least one (the lowest), unless the share
    is 0.
    """
    fractions = {record.id: _fraction("memory", record.id) for record in train}
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
