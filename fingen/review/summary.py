"""What was judged of a set so far, by whom, and how far two readers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fingen.errors import visible
from fingen.metrics import kappa, wilson
from fingen.review.index import SetIndex
from fingen.review.verdicts import Readings, Verdicts
from fingen.sets import REVIEWS

NAMED = 5  # rows that a line names


@dataclass(frozen=True)
class Agreement:
    """Blind second readings beside the first ones: how many say the same (accept, edit or reject), and Cohen's kappa.

    `kappa` is None without second readings, and where both gave one and the same verdict throughout.
    """

    rows: int
    agreed: int
    kappa: float | None
    disputed: int  # that differ, and that nobody has decided since


def agreement(readings: Iterable[Readings]) -> Agreement:
    """How far the second readings agree with the first ones."""
    found = [(each, pair) for each in readings if (pair := each.pair)]
    counts = Counter((first.verdict, second.verdict) for _, (first, second) in found)
    agreed = sum(count for (first, second), count in counts.items() if first == second)
    disputed = sum(each.is_disputed for each, _ in found)
    return Agreement(len(found), agreed, kappa(counts) if found else None, disputed)


@dataclass(frozen=True)
class Summary:
    """The verdicts on the rows that the set has now. `elsewhere` are verdicts on rows that it has no more, or otherwise."""

    set: str
    rows: int
    rejects: int
    verdicts: dict[str, int]  # accept, edit, reject, rescue -> rows; rescue is of the maker's rejects
    undecided: int
    reasons: dict[str, int]
    overruled: dict[str, int]  # checks that edited and rescued rows break, each with a note
    reviewers: dict[str, int]
    second: Agreement
    disputed: list[str]
    elsewhere: int
    broken: int  # lines of the file that are no verdict

    def report(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "exit_code": 0}

    def lines(self) -> list[str]:
        """For a terminal."""
        decided = self.rows - self.undecided
        lines = [f"{self.set}: {decided:,} of {self.rows:,} rows judged", ""]
        lines += [f"{name:<22}{count:>9,}" for name, count in {**self.verdicts, "undecided": self.undecided}.items()]
        lines += _table("rejected for", self.reasons) + _table("kept against a check", self.overruled)
        lines += _table("verdicts of", {visible(name): count for name, count in self.reviewers.items()})
        lines += ["", say_agreement(self.second)]
        if self.disputed:
            more = ", ..." if len(self.disputed) > NAMED else ""
            lines.append(f"disputed, the first reading stands: {', '.join(self.disputed[:NAMED])}{more}")
        if self.elsewhere:
            lines.append(
                f"{self.elsewhere:,} verdicts are on rows that the set has no more, or otherwise: they count for nothing here"
            )
        if self.broken:
            lines.append(
                f"{self.broken:,} lines of {REVIEWS} are no verdict: cut as their process was killed, or written by others"
            )
        return lines


def say_agreement(second: Agreement) -> str:
    """The agreement in words, with its interval."""
    if not second.rows:
        return "no row was read twice (--second 0.1 has another reviewer read a tenth of them blind)"
    interval = wilson(second.agreed, second.rows)
    said = "not defined, for both gave one verdict throughout" if second.kappa is None else f"{second.kappa:.2f}"
    return (
        f"read twice: {second.rows:,} rows, {second.agreed:,} with the same verdict "
        f"({second.agreed / second.rows:.0%}, 95 % interval {interval.low:.0%} to {interval.high:.0%}); Cohen's kappa {said}"
    )


def summarize(folder: Path) -> Summary:
    """Count the verdicts on a set.

    Raises:
        SetError: there is no set, or it is damaged.
    """
    with SetIndex(folder) as index:
        return _count(folder, index, Verdicts(folder))


def _count(folder: Path, index: SetIndex, verdicts: Verdicts) -> Summary:
    judged = {index.by_hash[row]: readings for row, readings in verdicts if row in index.by_hash}
    standing = {number: each for number, readings in judged.items() if (each := readings.standing)}
    kinds = Counter(_kind(each.verdict, index.is_reject(number)) for number, each in standing.items())
    rows = len(index) - index.rejects
    return Summary(
        set=str(folder),
        rows=rows,
        rejects=index.rejects,
        verdicts={kind: kinds[kind] for kind in ("accept", "edit", "reject", "rescue")},
        undecided=rows - sum(not index.is_reject(number) for number in standing),
        reasons=dict(Counter(each.reason for each in standing.values() if each.reason).most_common()),
        overruled=dict(Counter(check for each in standing.values() for check in each.failed).most_common()),
        reviewers=verdicts.reviewers,
        second=agreement(judged.values()),
        disputed=[index.keys[number] for number, readings in judged.items() if readings.is_disputed],
        elsewhere=sum(len(readings.verdicts) for row, readings in verdicts if row not in index.by_hash),
        broken=verdicts.broken,
    )


def _kind(verdict: str, is_reject: bool) -> str:
    return "rescue" if is_reject and verdict != "reject" else verdict


def _table(title: str, counts: dict[str, int]) -> list[str]:
    return ["", title, *(f"  {name:<20}{count:>9,}" for name, count in counts.items())] if counts else []
