"""What may be spent: on one set, and on all that stand beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from math import fsum
from pathlib import Path

from fingen.config import BUILD
from fingen.errors import SetError, TeacherError
from fingen.sets import JOURNAL
from fingen.teachers.journal import Journal, refuse_impossible
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

CLAIM = "budget"  # what a process claims that spends from one; those beside it wait
PAID = "SELECT cost_usd FROM completions WHERE cost_usd IS NOT NULL"
HELD = "SELECT worst_usd FROM items WHERE state = 'held' AND worst_usd IS NOT NULL"


class Budget:
    """What is left for a set. Processes that spend from one budget take turns, as it depends on what each of them spends.

    Args:
        journal: Of the set; what it has paid counts, and the most that its batches may still cost.
        locks: Those beside it.
        set_usd: What the set may cost.
        all_usd: What all may cost that stand in its folder (in build/, for what is in there), the set among them.
    """

    def __init__(self, journal: Journal, locks: RequestLocks, set_usd: float | None, all_usd: float | None) -> None:
        self._journal, self._locks, self._set_usd, self._all_usd = journal, locks, set_usd, all_usd
        self._shared: RequestLocks | None = None
        self._others_usd = 0.0

    @property
    def is_limited(self) -> bool:
        """Whether there is one."""
        return self._set_usd is not None or self._all_usd is not None

    @property
    def usd(self) -> float:
        """What the set may cost in the end; see that it is this process's turn before."""
        limits = [self._set_usd, None if self._all_usd is None else self._all_usd - self._others_usd]
        return min((limit for limit in limits if limit is not None), default=float("inf"))

    def take(self) -> bool:
        """Take the turn to spend; False where another process has it.

        Raises:
            SetError: what stands beside the set cannot be read, and so not what it cost.
        """
        if not self.is_limited:
            return True
        if not self._locks.take(CLAIM):
            return False
        if self._all_usd is not None:
            folder = folder_of(self._journal.path.parent)
            self._shared = RequestLocks(folder / LOCKS_FILE)
            if not self._shared.take(CLAIM):
                self.release()
                return False
            self._others_usd = paid_beside(self._journal.path.parent)
        return True

    def release(self) -> None:
        """Let others have their turn."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        self._locks.release(CLAIM)

    def reached(self, spent_usd: float, worst_usd: float) -> TeacherError:
        """The error for an answer that there is no money for."""
        next_one = f"and the next answer may cost {worst_usd:.4f}"
        if self._all_usd is None or (self._set_usd is not None and self._set_usd <= self._all_usd - self._others_usd):
            return TeacherError(
                f"the budget of {self._set_usd:g} USD is reached: {spent_usd:.4f} USD spent, {next_one}",
                hint="give a larger --budget to go on; nothing is asked twice",
            )
        folder = folder_of(self._journal.path.parent)
        return TeacherError(
            f"the budget of {self._all_usd:g} USD for all of {folder} is reached: {spent_usd:.4f} USD spent here, "
            f"{self._others_usd:.4f} USD beside it, {next_one}",
            hint="give a larger --budget-all (FINGEN_BUDGET) to go on; nothing is asked twice",
        )


def folder_of(out: Path) -> Path:
    """The folder whose sets and scores share a budget with the one at `out`: build/, or the one that it stands in."""
    build = BUILD.resolve()
    return BUILD if build in out.resolve().parents else out.parent


def paid_beside(out: Path) -> float:
    """USD that all sets and scores beside the one at `out` have paid, as far as prices are known, and may still have to pay.

    Raises:
        SetError: a journal cannot be read.
    """
    folder, own = folder_of(out), (out / JOURNAL).resolve()
    journals = sorted(path for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{JOURNAL}"))
    return fsum(_read_paid(path) for path in journals if path.resolve() != own)


def _read_paid(path: Path) -> float:
    """Read what a journal has paid and holds, and change nothing: it may be of another version, and is to stay one file."""
    way = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{way}", uri=True)) as db:
            refuse_impossible(db, path)
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            queries = [query for table, query in (("completions", PAID), ("items", HELD)) if table in tables]
            return fsum(usd for query in queries for (usd,) in db.execute(query))
    except sqlite3.Error as e:
        raise SetError(
            f"{path}: what it cost cannot be read: {e}",
            hint="move its folder out of this one if it is to count for nothing, or leave out --budget-all (FINGEN_BUDGET)",
        ) from e
