"""What another journal of the same set has, taken into this one: answers, costs, and what is asked elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from fingen.disk import dump_json, sha256_text
from fingen.errors import SetError
from fingen.teachers.journal import COLUMNS, Journal
from fingen.teachers.outstanding import UNJUDGED

TWICE = (
    "answered in another part too"  # the fault of a usable answer whose request had one: it is paid for, and not used
)
_SAME = " AND ".join(f"old.{name} IS new.{name}" for name in COLUMNS if name != "error")
_ANSWERED = "EXISTS (SELECT 1 FROM main.completions AS old WHERE old.key = new.key AND old.error IS NULL)"
_COLLECTED = """EXISTS (SELECT 1 FROM part.items AS theirs JOIN main.items AS mine USING (custom_id)
    WHERE theirs.completion = new.id AND mine.completion IS NOT NULL)"""
# What was not taken before, save what both have collected from one batch.
COMPLETIONS = f"""INSERT INTO main.completions ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS[:-1])}, CASE WHEN new.error IS NULL AND {_ANSWERED} THEN '{TWICE}' ELSE new.error END
    FROM part.completions AS new WHERE id > ? AND NOT {_COLLECTED} ORDER BY id"""
BATCHES = """INSERT INTO main.batches SELECT * FROM part.batches WHERE true
    ON CONFLICT (token) DO UPDATE SET state = excluded.state, place = excluded.place, since = excluded.since
    WHERE batches.state <> 'done'"""
# Where an answer of theirs stands here.
_PLACE = f"""(SELECT max(old.id) FROM main.completions AS old JOIN part.completions AS new ON new.id = theirs.completion
    WHERE {_SAME})"""
KNOWN_ITEMS = f"""UPDATE main.items SET (state, why, completion) =
    (SELECT theirs.state, theirs.why, {_PLACE} FROM part.items AS theirs WHERE theirs.custom_id = items.custom_id)
    WHERE state = 'held' AND custom_id IN (SELECT custom_id FROM part.items WHERE state <> 'held')"""
ITEMS = f"""INSERT INTO main.items
    SELECT custom_id, key, batch, CASE WHEN state = 'held' AND EXISTS
        (SELECT 1 FROM main.completions AS old WHERE old.key = theirs.key AND old.error IS NULL) THEN 'released' ELSE state END,
    why, {_PLACE}, worst_usd FROM part.items AS theirs WHERE true ON CONFLICT DO NOTHING"""


def merge_journal(path: Path, into: Journal, name: str) -> int:
    """Take in what the journal at `path` has and this one lacks; returns how many requests were answered in two of them.

    What is here stays as it is, and each attempt that was paid for counts once. How far a journal was taken in is kept under its
    `name`: a second time what came since is taken.

    Raises:
        SetError: a run was killed while it took answers in, and has not looked at them; else as `Journal`.
    """
    with Journal.open(path) as part:  # made sure that it is one, and whole
        if part.rows("SELECT 1 FROM completions WHERE error = ? LIMIT 1", UNJUDGED):
            raise SetError(f"{path}: answers in it have not been looked at yet",
                           hint="run the command of that part again")  # fmt: skip
        before = into.rows("SELECT value FROM meta WHERE key = ?", f"merged {name}")
        taken, mark = json.loads(before[0]["value"]) if before else (0, "")
        if _mark(part, taken) != mark:  # another journal, that was begun anew
            taken = 0
        last = int(part.rows("SELECT coalesce(max(id), 0) FROM completions")[0][0])
        now = dump_json([last, _mark(part, last)])
    with into.beside(path) as db:
        for table in ("texts", "requests"):
            db.execute(f"INSERT INTO main.{table} SELECT * FROM part.{table} WHERE true ON CONFLICT DO NOTHING")
        db.execute(COMPLETIONS, [taken])
        db.execute(BATCHES)
        db.execute(KNOWN_ITEMS)
        db.execute(ITEMS)
        db.execute("REPLACE INTO main.meta VALUES (?, ?)", [f"merged {name}", now])
    return int(into.rows("SELECT count(DISTINCT key) FROM completions WHERE error = ?", TWICE)[0][0])


def _mark(journal: Journal, row: int) -> str:
    """A hash of an attempt, by which a journal is known again; empty where it has none of that row."""
    rows = journal.rows(f"SELECT {', '.join(COLUMNS)} FROM completions WHERE id = ?", row)
    return sha256_text(dump_json([*rows[0]])) if rows else ""
