"""What is asked elsewhere: requests that a batch or an exported file holds, so that nobody asks them meanwhile.

A batch goes from `filling` (its requests are being held; nothing was sent) over `sending` (it may have reached the
provider; or the file may stand in its place) and `out` (that is known, and so is its id) to `done`. An item goes from `held` over
`answered` (stored, and not looked at yet) to `done`, or to `failed` or `released`, which let go of its request. Each step
is one transaction: whatever moment a run is killed at, the next one reads here how far it came.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fingen.disk import dump_json
from fingen.records import Completion, Request
from fingen.teachers.dispatch import CUT, INVALID
from fingen.teachers.journal import COLUMNS, HELD, Journal, read_completion
from fingen.teachers.request_locks import RequestLocks

UNJUDGED = "not looked at yet"
LOOK = 1_000  # answers looked at in one step: not all of them are to be in memory
BATCHES = """SELECT batches.*, count(items.key) AS requests, coalesce(sum(items.state = 'held'), 0) AS waiting,
    coalesce(sum(items.state = 'failed'), 0) AS failed
    FROM batches LEFT JOIN items ON items.batch = token WHERE {} GROUP BY token ORDER BY since, token"""
HOLD = """INSERT INTO items SELECT :custom_id, :key, :batch, 'held', NULL, NULL, :worst_usd
    WHERE NOT EXISTS (SELECT 1 FROM completions WHERE key = :key AND error IS NULL)
    ON CONFLICT DO NOTHING"""
WORST = """SELECT max(worst_usd) FROM items JOIN batches ON batch = token WHERE custom_id = ? AND kind = 'batch'"""
IMPORTED = """UPDATE batches SET state = 'done' WHERE kind = 'export' AND state = 'out'
    AND NOT EXISTS (SELECT 1 FROM items WHERE items.batch = token AND items.state = 'held')"""
ORPHANS = """UPDATE items SET state = 'released' WHERE state = 'held'
    AND (batch IS NULL OR batch IN (SELECT token FROM batches WHERE state = 'done'))"""
# An item that was let go of is taken up again, if its request got no answer and no other hold meanwhile.
REVIVE = f"""UPDATE OR IGNORE items SET state = 'held', why = NULL
    WHERE custom_id = ? AND state NOT IN {HELD} AND completion IS NULL
    AND NOT EXISTS (SELECT 1 FROM completions WHERE completions.key = items.key AND error IS NULL)"""


@dataclass(frozen=True)
class Batch:
    """A batch at the provider, or a file of requests."""

    token: str  # ours
    kind: str  # batch, export
    state: str
    place: str | None  # the provider's id, or the file
    since: float  # Unix time of the last step
    requests: int
    waiting: int  # those still held, without an answer
    failed: int


@dataclass(frozen=True)
class OutstandingRequest:
    """A request on its way elsewhere. `worst_usd` is set aside until its answer is here."""

    custom_id: str
    request: Request
    worst_usd: float | None = None


class Outstanding:
    """The part of a journal that says what is asked elsewhere. May raise what `Journal` raises."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # ---- batches

    def begin(self, kind: str) -> str:
        """Start a batch, or a file; returns the token that it is known by."""
        token = secrets.token_hex(6)
        with self._journal.transaction() as db:
            db.execute("INSERT INTO batches VALUES (?, ?, 'filling', NULL, ?)", [token, kind, time.time()])
        return token

    def hold(self, token: str, items: Iterable[OutstandingRequest]) -> set[str]:
        """Hold requests for a batch; returns the custom ids of those that have no answer and no other hold."""
        with self._journal.transaction() as db:
            return {item.custom_id for item in items if self._hold(db, token, item)}

    def move(self, token: str, state: str, place: str | None = None) -> None:
        """Write down how far a batch has come, and where it is."""
        query = "UPDATE batches SET state = ?, place = coalesce(?, place), since = ? WHERE token = ?"
        with self._journal.transaction() as db:
            db.execute(query, [state, place, time.time(), token])

    def finish(self, token: str, why: str) -> int:
        """End a batch. What it still holds is let go of, for the reason given; returns how many requests that were."""
        query = "UPDATE items SET state = 'failed', why = ? WHERE batch = ? AND state = 'held'"
        with self._journal.transaction() as db:
            left = db.execute(query, [why, token]).rowcount
            db.execute("UPDATE batches SET state = 'done' WHERE token = ?", [token])
        return left

    def lose(self, token: str, said: Mapping[str, str], otherwise: str, teacher: str) -> list[str]:
        """Let go of what an ended batch still holds, and write it down as possibly billed; returns the keys.

        Args:
            token: Of the batch.
            said: Custom id -> why there is no answer that can be read.
            otherwise: Why, where that says nothing.
            teacher: The name of who was asked.
        """
        query = "SELECT custom_id, key, worst_usd FROM items WHERE batch = ? AND state = 'held' ORDER BY rowid"
        with self._journal.transaction() as db:
            left = db.execute(query, [token]).fetchall()
            for row in left:
                why = said.get(row["custom_id"], otherwise)
                attempt = Completion(
                    key=row["key"],
                    text="",
                    stop_reason="error",
                    teacher=teacher,
                    cost_usd=row["worst_usd"],
                    possibly_billed=True,
                    error=f"broken off: {why}",
                )
                self._journal.insert_completion(attempt)
                db.execute("UPDATE items SET state = 'failed', why = ? WHERE custom_id = ?", [why, row["custom_id"]])
        return [row["key"] for row in left]

    def release(self, token: str) -> int:
        """Let go of what a batch holds; returns how many requests that were. One that was never sent is forgotten."""
        query = "UPDATE items SET state = 'released' WHERE batch = ? AND state = 'held'"
        with self._journal.transaction() as db:
            if db.execute("SELECT state FROM batches WHERE token = ?", [token]).fetchone()["state"] == "filling":
                freed = db.execute("DELETE FROM items WHERE batch = ?", [token]).rowcount
                db.execute("DELETE FROM batches WHERE token = ?", [token])
                return freed
            freed = db.execute(query, [token]).rowcount
            db.execute("UPDATE batches SET state = 'done' WHERE token = ?", [token])
        return freed

    def settle(self, locks: RequestLocks) -> None:
        """Finish what killed runs began: let go of what was neither sent nor written, and of what nothing will answer."""
        for batch in [*self.open("batch"), *self.open("export")]:
            is_begun = batch.state == "filling" or (batch.kind == "export" and batch.state == "sending")
            if is_begun and locks.take(batch.token):
                if batch.state == "sending" and Path(batch.place or "").is_file():
                    self.move(batch.token, "out")
                else:
                    self.release(batch.token)
                locks.release(batch.token)
        with self._journal.transaction() as db:
            db.execute(ORPHANS)

    def open(self, kind: str) -> list[Batch]:
        """The batches (or files) that are not done, oldest first."""
        rows = self._journal.rows(BATCHES.format("kind = ? AND batches.state != 'done'"), kind)
        return [Batch(**dict(row)) for row in rows]

    def find(self, token: str) -> Batch | None:
        """One batch as it stands now; None once it is done."""
        rows = self._journal.rows(BATCHES.format("token = ? AND batches.state != 'done'"), token)
        return Batch(**dict(rows[0])) if rows else None

    def places(self) -> set[str]:
        """Where all batches are that this journal knows of."""
        return self._journal.names("SELECT place FROM batches WHERE place IS NOT NULL")

    def exported(self) -> set[str]:
        """The keys that files hold."""
        query = "SELECT key FROM items JOIN batches ON batch = token WHERE kind = 'export' AND items.state = 'held'"
        return self._journal.names(query)

    # ---- answers

    def batched(self) -> set[str]:
        """Keys of the requests whose answer came from a batch."""
        query = "SELECT key FROM items JOIN batches ON batch = token WHERE kind = 'batch' AND items.state = 'done'"
        return self._journal.names(query)

    def state(self, custom_id: str) -> str | None:
        """How far an item has come; None where it is not known."""
        rows = self._journal.rows("SELECT state FROM items WHERE custom_id = ?", custom_id)
        return rows[0]["state"] if rows else None

    def adopt(self, item: OutstandingRequest, answer: Completion) -> bool:
        """Keep the answer to an item that no batch of this journal holds: let go of, or from another journal's file.

        False where its request has an answer, or another hold.
        """
        with self._journal.transaction() as db:
            if not (db.execute(REVIVE, [item.custom_id]).rowcount or self._hold(db, None, item)):
                return False
            self._store(db, {item.custom_id: answer}, {})
        return True

    def keys(self, custom_ids: Iterable[str]) -> dict[str, str]:
        """Custom id -> request key, of those items that are still held."""
        query = (
            "SELECT custom_id, key FROM items WHERE state = 'held' AND custom_id IN (SELECT value FROM json_each(?))"
        )
        return {row["custom_id"]: row["key"] for row in self._journal.rows(query, dump_json(list(custom_ids)))}

    def store(self, answers: dict[str, Completion], failures: dict[str, str]) -> None:
        """Keep what came back, by custom id: raw answers, not looked at yet, and why there is none. Held items only."""
        with self._journal.transaction() as db:
            self._store(db, answers, failures)

    def unjudged(self, after: int = 0) -> list[tuple[int, str, Completion]]:
        """The next answers that were stored and not looked at yet: row (those `after` one), custom id, answer; as they were stored."""
        query = f"""SELECT id, custom_id, {", ".join(f"completions.{name}" for name in COLUMNS)} FROM items
            JOIN completions ON id = completion
            WHERE state = 'answered' AND completion > ? ORDER BY completion LIMIT {LOOK}"""
        rows = [dict(row) for row in self._journal.rows(query, after)]
        return [(row.pop("id"), row.pop("custom_id"), read_completion({**row, "error": None})) for row in rows]

    def judge(self, verdicts: dict[str, str | None]) -> None:
        """Write down what is wrong with stored answers, by custom id: None makes them the answer to their request."""
        answer = "SELECT completion FROM items WHERE custom_id = ?"
        with self._journal.transaction() as db:
            for custom_id, error in verdicts.items():
                db.execute(f"UPDATE completions SET error = ? WHERE id = ({answer})", [error, custom_id])
                db.execute("UPDATE items SET state = 'done' WHERE custom_id = ?", [custom_id])

    def unusable(self, keys: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
        """Key -> its answers that were asked for again, each with what was wrong with it, oldest first."""
        query = f"""SELECT key, text, error FROM completions WHERE key IN (SELECT value FROM json_each(?))
            AND (error = '{CUT}' OR error LIKE '{INVALID}%') ORDER BY id"""
        found: dict[str, list[tuple[str, str]]] = {}
        for row in self._journal.rows(query, dump_json(list(keys))):
            found.setdefault(row["key"], []).append((row["text"], row["error"]))
        return found

    def failures(self) -> dict[str, int]:
        """Items that came back without an answer, by what went wrong."""
        rows = self._journal.rows(
            "SELECT why, count(*) AS n FROM items WHERE state = 'failed' GROUP BY why ORDER BY why"
        )
        return {row["why"]: row["n"] for row in rows}

    def _store(self, db: sqlite3.Connection, answers: dict[str, Completion], failures: dict[str, str]) -> None:
        held = self.keys([*answers, *failures])
        for custom_id, completion in answers.items():
            if custom_id in held:
                update = {"attempt": self._journal.tries(completion.key) + 1, "error": UNJUDGED}
                if completion.cost_usd is None:  # nobody counted it: it may have cost the most that it can
                    update["cost_usd"] = db.execute(WORST, [custom_id]).fetchone()[0]
                row = self._journal.insert_completion(completion.model_copy(update=update))
                query = "UPDATE items SET state = 'answered', completion = ? WHERE custom_id = ?"
                db.execute(query, [row, custom_id])
        query = "UPDATE items SET state = 'failed', why = ? WHERE custom_id = ? AND state = 'held'"
        db.executemany(query, [(why, custom_id) for custom_id, why in failures.items()])
        db.execute(IMPORTED)

    def _hold(self, db: sqlite3.Connection, token: str | None, item: OutstandingRequest) -> bool:
        self._journal.insert_request(item.request)
        values = {"custom_id": item.custom_id, "key": item.request.key, "batch": token, "worst_usd": item.worst_usd}
        return db.execute(HOLD, values).rowcount == 1
