"""The filters between items and a set that need something from outside: benchmarks to keep out, other sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingen.config import Filters
from fingen.disk import sha256_file
from fingen.errors import UsageError
from fingen.quality.contamination import Benchmark, find_contamination, find_overlaps
from fingen.quality.duplicates import Duplicate, Repeat, find_duplicates, find_repeats
from fingen.records import Record
from fingen.sets import MANIFEST, SPLITS, read_manifest, read_split
from fingen.spool import Spool


@dataclass(frozen=True)
class OpenFilters:
    """The filters of a run, with the other sets read."""

    filters: Filters
    others: Mapping[str, Sequence[Record]]  # name of a set -> its records
    benchmarks: tuple[Benchmark, ...] = ()

    def duplicates(
        self, records: Sequence[Record], *, better: Callable[[Record], Any] | None = None
    ) -> list[Duplicate]:
        """Records that repeat one of these, or of another set."""
        return find_duplicates(records, against=self.others, better=better)

    def repeats(self, records: Sequence[Record], *, order: Sequence[int] | None = None) -> list[Repeat]:
        """The same by numbers: see `find_repeats`."""
        return find_repeats(records, against=self.others, order=order)

    def overlaps(self, records: Sequence[Record]) -> dict[int, str]:
        """Numbers of records that are in a benchmark, each with where."""
        return {
            number: f"{kind}: {benchmark.name}, row {row}"
            for benchmark in self.benchmarks
            for number, row, kind in find_overlaps(records, benchmark)
        }

    def contaminated(self, records: Sequence[Record]) -> Iterator[tuple[Record, str]]:
        """Records that are in a benchmark, each with where."""
        for benchmark in self.benchmarks:
            for overlap in find_contamination(records, benchmark):
                yield overlap.record, f"{overlap.kind}: {benchmark.name}, row {overlap.row}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a set says of its filters: benchmarks and sets by name and content, not by place."""
        return {
            "keep_out": {benchmark.name: benchmark.sha256 for benchmark in self.benchmarks},
            "against": {folder.name: sha256_file(folder / MANIFEST) for folder in self.filters.against},
            "privacy": self.filters.privacy,
        }


def open_filters(
    filters: Filters, own: Path, *, seen_as: Callable[[Record], Record] = lambda record: record
) -> OpenFilters:
    """Read what the filters of the set in `own` name; a broken benchmark is told before anything is paid for.

    `seen_as` is the form in which records of other sets are compared.

    Raises:
        UsageError: no such file or set, or it is `own`; SetError: one that cannot be read.
    """
    if any(path.resolve() == own.resolve() for path in filters.against):
        raise UsageError(f"--against {own} is the set itself", hint="name other sets: what repeats one of theirs falls")
    for option, paths in (("--keep-out", filters.keep_out), ("--against", filters.against)):
        if len({path.name for path in paths}) < len(paths):
            raise UsageError(f"{option}: two of one name", hint="rename one: they are told apart by their names")
    others = {folder.name: Spool(own, map(seen_as, _records(folder))) for folder in filters.against}
    return OpenFilters(filters, others, open_benchmarks(filters.keep_out))


def open_benchmarks(keep_out: Iterable[Path]) -> tuple[Benchmark, ...]:
    """The benchmarks that are kept out, by file or name.

    Raises:
        UsageError, SetError: as `find_kept_out` says.
    """
    from fingen.scoring.benchmarks import find_kept_out  # with the readers of all published data sets: rarely needed

    return tuple(map(find_kept_out, keep_out))


def _records(folder: Path) -> Iterator[Record]:
    there = read_manifest(folder).splits
    for split in SPLITS:
        if there.get(split):
            yield from read_split(folder, split)
