"""What another journal of the same set has, taken into this one: answers, costs, and what is asked elsewhere."""

from __future__ import annotations

from pathlib import Path

from fingen.errors import SetError
from fingen.teachers.journal import COLUMNS, Journal
from fingen.teachers.outstanding import UNJUDGED

TWICE = (
    "answered in another part too"  # the fault of a usable answer whose request had one: it is paid for, and not used
)
_SAME = " AND ".join(f"old.{name} IS new.{name}" for name in COLUMNS if name != "error")
_OTHER = "EXISTS (SELECT 1 FROM main.completions AS old WHERE old.key = new.key AND old.error IS NULL)"
_NUMBERED = (
    f"""SELECT *, row_number() OVER (PARTITION BY {", ".join(COLUMNS)} ORDER BY id) AS number FROM part.completions"""
)
# Of attempts that are the same in all, as two failed ones may be, as many are taken as are not here yet.
COMPLETIONS = f"""INSERT INTO main.completions ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS[:-1])}, CASE WHEN new.error IS NULL AND {_OTHER} THEN '{TWICE}' ELSE new.error END
    FROM ({_NUMBERED}) AS new WHERE number > (
        SELECT count(*) FROM main.completions AS old
        WHERE {_SAME} AND (old.error IS new.error OR (new.error IS NULL AND old.error = '{TWICE}')))
    ORDER BY id"""
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


def merge_journal(path: Path, into: Journal) -> int:
    """Take in what the journal at `path` has and this one lacks; returns how many requests have an answer in both.

    What is here stays as it is, each attempt that was paid for counts once, and a second time nothing is left to take.

    Raises:
        SetError: a run was killed while it took answers in, and has not looked at them; else as `Journal`.
    """
    with Journal.open(path) as part:  # made sure that it is one, and whole
        if part.rows("SELECT 1 FROM completions WHERE error = ? LIMIT 1", UNJUDGED):
            raise SetError(f"{path}: answers in it have not been looked at yet",
                           hint="run the command of that part again")  # fmt: skip
    with into.beside(path) as db:
        for table in ("texts", "requests"):
            db.execute(f"INSERT INTO main.{table} SELECT * FROM part.{table} WHERE true ON CONFLICT DO NOTHING")
        db.execute(COMPLETIONS)
        db.execute(BATCHES)
        db.execute(KNOWN_ITEMS)
        db.execute(ITEMS)
    return int(into.rows("SELECT count(DISTINCT key) FROM completions WHERE error = ?", TWICE)[0][0])
