"""The journal of a set: every request and every raw answer, in one SQLite file that survives being killed.

A commit waits for the disk: many answers are committed at once, and what was committed survives a kill and a power cut.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from math import fsum
from pathlib import Path
from types import TracebackType
from typing import Any

from fingen.disk import dump_json, make_folder, sha256_text
from fingen.errors import FingenError, LimitError, SetError
from fingen.records import Completion, Request, Usage

VERSION = 3  # raise it when a table changes; 2 added what is asked elsewhere, 3 what keeps a million requests fast
BEGIN_ANEW = "restore it from a copy, or begin anew with --replace"
FORGOTTEN = "forgotten"  # the key and the fault of answers whose texts were taken out
CACHE_KB = (
    32 << 10
)  # of each connection, where so much is used: keys are hashes, each commit touches pages all over the file
WAL_PAGES = 8_192  # written before they go to the file itself, each page once: 32 MB
MANY_KEYS = 10_000  # that are looked for one by one
BUSY_SECONDS = 10.0  # to wait for another process to finish its write

TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    # What many requests share (system text, answer schema) is kept once, under its hash.
    "CREATE TABLE IF NOT EXISTS texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS requests (
        key TEXT PRIMARY KEY,
        task TEXT NOT NULL,
        template TEXT NOT NULL,
        system TEXT NOT NULL REFERENCES texts(hash),
        prompt TEXT NOT NULL,
        answer_schema TEXT NOT NULL REFERENCES texts(hash),
        max_tokens INTEGER NOT NULL,
        chunks TEXT NOT NULL -- JSON: the chunk ids
    )""",
    """CREATE TABLE IF NOT EXISTS completions (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL REFERENCES requests(key),
        attempt INTEGER NOT NULL,
        text TEXT NOT NULL,
        stop_reason TEXT NOT NULL,
        teacher TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cost_usd REAL, -- NULL: the price is not known; where it is only possibly billed, the most that it can be
        possibly_billed INTEGER NOT NULL,
        error TEXT -- NULL: a usable answer
    )""",
    "CREATE INDEX IF NOT EXISTS completions_key ON completions(key)",
    # What is asked about all answers stands in an index each: their texts are not read for it.
    "CREATE INDEX IF NOT EXISTS completions_answered ON completions(key) WHERE error IS NULL",
    "CREATE INDEX IF NOT EXISTS completions_faulty ON completions(key) WHERE error IS NOT NULL",
    """CREATE INDEX IF NOT EXISTS completions_paid ON completions(
        cost_usd, possibly_billed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens
    )""",
    "CREATE TABLE IF NOT EXISTS units (unit TEXT PRIMARY KEY, split TEXT NOT NULL)",
    # What is asked elsewhere, see fingen.teachers.outstanding.
    """CREATE TABLE IF NOT EXISTS batches (
        token TEXT PRIMARY KEY, -- ours; the provider is told it, so that a batch whose id was lost is known again
        kind TEXT NOT NULL, -- batch: at the provider; export: in a file
        state TEXT NOT NULL, -- filling, sending, out, done
        place TEXT, -- the provider's id, or the file; NULL: not known
        since REAL NOT NULL -- Unix time of the last step
    )""",
    """CREATE TABLE IF NOT EXISTS items (
        custom_id TEXT PRIMARY KEY,
        key TEXT NOT NULL REFERENCES requests(key),
        batch TEXT REFERENCES batches(token), -- NULL: taken from a file that another journal exported
        state TEXT NOT NULL, -- held, answered (stored, and not looked at yet), done, failed, released
        why TEXT, -- it failed
        completion INTEGER REFERENCES completions(id),
        worst_usd REAL -- set aside until the answer is here; NULL: the price is not known
    )""",
    "CREATE UNIQUE INDEX IF NOT EXISTS items_held ON items(key) WHERE state IN ('held', 'answered')",
    "CREATE INDEX IF NOT EXISTS items_batch ON items(batch)",
    "CREATE INDEX IF NOT EXISTS items_answered ON items(completion) WHERE state = 'answered'",
    f"PRAGMA user_version = {VERSION}",
)
TOKENS = tuple(Usage.model_fields)
# What no answer costs, nor counts: in a journal that came with a folder of others it would make a budget larger.
IMPOSSIBLE = {
    "completions": "cost_usd IS NOT NULL AND (typeof(cost_usd) <> 'real' OR cost_usd < 0)"
    + "".join(f" OR typeof({name}) <> 'integer' OR {name} < 0" for name in TOKENS),
    "items": "worst_usd IS NOT NULL AND (typeof(worst_usd) <> 'real' OR worst_usd < 0)",
}
COLUMNS = ("key", "attempt", "text", "stop_reason", "teacher", *TOKENS, "cost_usd", "possibly_billed", "error")
INSERT = f"INSERT INTO completions ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + name for name in COLUMNS)})"
LATEST = f"""SELECT {", ".join(COLUMNS)} FROM completions WHERE id IN (
    SELECT max(id) FROM completions WHERE error IS NULL AND key IN (SELECT value FROM json_each(?)) GROUP BY key)"""
ANSWERED = "SELECT key FROM completions WHERE error IS NULL"
HELD = "('held', 'answered')"  # states of an item that keep others from asking
# An attempt that failed before anything was written costs nothing; any other one without a price has an unknown one.
UNPRICED = f"""SELECT count(*) FROM completions
    WHERE cost_usd IS NULL AND (error IS NULL OR possibly_billed OR {" + ".join(TOKENS)} > 0)"""


class Journal:
    """Requests, raw answers, usage, and which unit went to which split. Open it in a `with`.

    Any method raises LimitError when the disk is full or fails, and SetError when another process holds the file or it
    is damaged; what was committed before is intact.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._db, self._reader = db, reader
        self._turn, self._reading = threading.RLock(), threading.Lock()
        self._writer: int | None = None  # the thread that is in a transaction

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open the journal, or start one.

        Raises:
            SetError: not a journal, damaged, made by a newer fingen, held by another process, or not to be written.
            LimitError: the disk is full or fails.
        """
        make_folder(path.parent)
        with _explained(path), ExitStack() as stack:
            # Commits wait for the disk in a thread of their own; `_turn` keeps the threads apart. What is read meanwhile
            # is read on a second connection: with one for both, the dispatcher would wait for the disk too.
            db, reader = (
                stack.enter_context(
                    closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False))
                )
                for _ in range(2)
            )
            _prepare(db, path)
            reader.execute("PRAGMA query_only = ON")
            reader.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            stack.pop_all()
        return cls(path, db, reader)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close. The set is one file again: no -wal and -shm beside it."""
        with ExitStack() as stack:
            stack.callback(self._db.close)
            stack.callback(self._reader.close)
            with self._turn, _explained(self.path):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def settings(self) -> dict[str, Any] | None:
        """What the set was begun with, as JSON gives it back (lists for tuples); None in a new journal."""
        rows = self.rows("SELECT value FROM meta WHERE key = 'settings'")
        try:
            settings = json.loads(rows[0][0]) if rows else None
        except (ValueError, RecursionError):
            settings = False
        if settings is None or isinstance(settings, dict):
            return settings
        raise SetError(f"{self.path}: damaged: its settings cannot be read", hint=BEGIN_ANEW)

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Write down what the set is made with, in place of what stood there."""
        with self.transaction():
            self._db.execute("REPLACE INTO meta VALUES ('settings', ?)", [dump_json(settings)])

    def write_inputs(self, inputs: Iterable[Path]) -> None:
        """Write down where the documents of the last run lie, on this machine, where they lie elsewhere than before."""
        told = dump_json([str(path) for path in inputs])
        with self.transaction():
            if self._db.execute("SELECT 1 FROM meta WHERE key = 'inputs' AND value = ?", [told]).fetchone() is None:
                self._db.execute("REPLACE INTO meta VALUES ('inputs', ?)", [told])

    def commit(self, attempts: Iterable[tuple[Request, Completion]]) -> None:
        """Write attempts and wait until they are on the disk. May be called from another thread."""
        with self.transaction():
            for request, completion in attempts:
                self.insert_request(request)
                self.insert_completion(completion)

    def tries(self, key: str) -> int:
        """How often a request was answered, usable or not."""
        query = "SELECT count(*) FROM completions WHERE key = ? AND NOT possibly_billed"
        count: int = self.rows(query, key)[0][0]
        return count

    def faults(self, key: str) -> list[tuple[str, str]]:
        """The answers to a request that were not usable, each with what is wrong with it, oldest first."""
        query = "SELECT text, error FROM completions WHERE key = ? AND error IS NOT NULL AND NOT possibly_billed ORDER BY id"
        return [(row["text"], row["error"]) for row in self.rows(query, key)]

    def faulty(self) -> set[str]:
        """The keys of requests with attempts that gave no usable answer."""
        return self.names("SELECT key FROM completions WHERE error IS NOT NULL")

    def counts(self) -> dict[str, int]:
        """Requests with a usable answer, answers in all, and attempts that broke off and may be on the bill."""
        queries = {
            "requests": "SELECT count(DISTINCT key) FROM completions WHERE error IS NULL",
            "answers": "SELECT count(*) FROM completions WHERE NOT possibly_billed",
            "possibly_billed": "SELECT count(*) FROM completions WHERE possibly_billed",
        }
        return {name: self.rows(query)[0][0] for name, query in queries.items()}

    def failures(self) -> dict[str, int]:
        """Attempts without a usable answer, by what went wrong."""
        rows = self.rows("SELECT error, count(*) FROM completions WHERE error IS NOT NULL GROUP BY error ORDER BY 1")
        return {row[0]: row[1] for row in rows}

    def answers(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The latest usable answer of each key that has one, in the order of `keys`."""
        asked = list(keys)
        found = {row["key"]: read_completion(dict(row)) for row in self.rows(LATEST, dump_json(asked))}
        return {key: found[key] for key in asked if key in found}

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys without a usable answer, each once, in their order."""
        return self._without(keys, ANSWERED)

    def unasked(self, keys: Iterable[str]) -> list[str]:
        """Those of the missing keys that no batch and no exported file holds."""
        return self._without(keys, ANSWERED, f"SELECT key FROM items WHERE state IN {HELD}")

    def _without(self, keys: Iterable[str], *queries: str) -> list[str]:
        """The keys that no query finds, each once, in their order.

        Of many, all that a query finds are gone through in the order of its index, which is faster than to look for each.
        They are struck out as they are read: a million of them are never in memory beside those that are asked for.
        """
        left = dict.fromkeys(keys)
        values = []
        if len(left) <= MANY_KEYS:
            queries = tuple(f"{query} AND key IN (SELECT value FROM json_each(?))" for query in queries)
            values = [dump_json(list(left))] * len(queries)
        with self._cursor(" UNION ALL ".join(queries), values) as found:  # of one moment
            for key in chain.from_iterable(found):
                left.pop(key, None)
        return list(left)

    def usage(self) -> tuple[Usage, float | None]:
        """Tokens and USD of all attempts; None when one was, or may have been, billed at an unknown price."""
        totals = self.rows(
            f"SELECT {', '.join(f'coalesce(sum({name}), 0) AS {name}' for name in TOKENS)} FROM completions"
        )
        usage = Usage.model_validate(dict(totals[0]))
        return usage, None if self.rows(UNPRICED)[0][0] else self.paid_usd()

    def paid_usd(self) -> float:
        """USD of all attempts whose price is known; one that broke off counts with the most that it can have cost."""
        # fsum: answers come in any order, and the total must not depend on it.
        return fsum(row[0] for row in self.rows("SELECT cost_usd FROM completions WHERE cost_usd IS NOT NULL"))

    def last_row(self) -> int:
        """The row of the attempt that was written last; 0 where there is none."""
        row: int = self.rows("SELECT coalesce(max(id), 0) FROM completions")[0][0]
        return row

    def paid_since(self, row: int) -> tuple[float, int]:
        """USD of the attempts that were written after one, as far as prices are known, and the last one's row."""
        query = "SELECT coalesce(sum(cost_usd), 0.0), coalesce(max(id), ?) FROM completions WHERE id > ?"
        usd, last = self.rows(query, row, row)[0]
        return usd, last

    def reserved_usd(self) -> float:
        """The most that the answers to come from batches and files can cost, as far as prices are known."""
        return fsum(row[0] for row in self.rows("SELECT coalesce(worst_usd, 0.0) FROM items WHERE state = 'held'"))

    def splits(self) -> dict[str, str]:
        """Unit -> split, as assigned so far, ordered by unit."""
        return {row["unit"]: row["split"] for row in self.rows("SELECT unit, split FROM units ORDER BY unit")}

    def forget_splits(self) -> None:
        """Let every unit be assigned afresh."""
        with self.transaction():
            self._db.execute("DELETE FROM units")

    def assign(self, units: dict[str, str]) -> None:
        """Write down which unit goes to which split; a unit assigned before is assigned anew."""
        with self.transaction():
            self._db.executemany("REPLACE INTO units VALUES (?, ?)", units.items())

    def forget(self, keys: Iterable[str]) -> int:
        """Take requests and all that was answered to them out of the file: no byte of their texts is left in it.

        What they cost stays counted, and they can be asked anew. Returns how many answers there were.
        """
        gone = dump_json(list(keys))
        those = "WHERE key IN (SELECT value FROM json_each(?))"
        with self._turn, _explained(self.path):
            self._db.execute("PRAGMA secure_delete = ON")
        with self.transaction() as db:
            empty = self._text("")
            row = [FORGOTTEN, "", "", empty, "", empty, 0, "[]"]
            db.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
            db.execute(f"DELETE FROM items {those}", [gone])
            answers = db.execute(
                f"UPDATE completions SET key = '{FORGOTTEN}', text = '', error = '{FORGOTTEN}' {those}", [gone]
            ).rowcount
            db.execute(f"DELETE FROM requests {those}", [gone])
            db.execute(
                "DELETE FROM texts WHERE hash NOT IN (SELECT system FROM requests UNION SELECT answer_schema FROM requests)"
            )
        with self._turn, _explained(self.path):
            self._db.execute("VACUUM")  # pages that were free before may hold what was deleted then
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return answers

    def rows(self, query: str, *values: str | float | None) -> list[sqlite3.Row]:
        """The rows of a query; modules that keep tables of their own in here ask too."""
        with self._cursor(query, values, sqlite3.Row) as found:
            return found.fetchall()

    def names(self, query: str, *values: str | float | None) -> set[str]:
        """What a query finds in its only column: of a million names no row is made."""
        with self._cursor(query, values) as found:
            return set(chain.from_iterable(found))

    @contextmanager
    def _cursor(
        self, query: str, values: Sequence[str | float | None], form: type[sqlite3.Row] | None = None
    ) -> Iterator[sqlite3.Cursor]:
        with ExitStack() as stack:
            db = self._db  # a transaction sees what it wrote
            if self._writer != threading.get_ident():
                stack.enter_context(self._reading)
                stack.enter_context(_explained(self.path))
                db = self._reader
            cursor = stack.enter_context(closing(db.cursor()))
            cursor.row_factory = form
            yield cursor.execute(query, values)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Make one change: all of it is on the disk afterwards, or nothing."""
        with self._turn, _explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            self._writer = threading.get_ident()
            try:
                with self._db:  # commits, or rolls back on an error
                    yield self._db
            finally:
                self._writer = None

    @contextmanager
    def beside(self, path: Path) -> Iterator[sqlite3.Connection]:
        """Make one change with another journal at hand, whose tables are those of `part`."""
        with self._turn, _explained(path):
            self._db.execute("ATTACH DATABASE ? AS part", [str(path)])
            try:
                with self.transaction() as db:
                    yield db
            finally:
                self._db.execute("DETACH DATABASE part")

    def insert_request(self, request: Request) -> None:
        """Inside of a transaction: write down what is asked, if that was not done before."""
        system, schema = self._text(request.system), self._text(dump_json(request.answer_schema))
        chunks = dump_json([passage.chunk for passage in request.passages])
        prompt = join_turns(request.prompt, *request.follow_ups)
        self._db.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [request.key, request.task, request.template, system, prompt, schema, request.max_tokens, chunks],
        )

    def insert_completion(self, completion: Completion) -> int:
        """Inside of a transaction: write down an attempt at a request that is known; returns its row."""
        row = {**completion.model_dump(exclude={"usage"}), **completion.usage.model_dump()}
        return self._db.execute(INSERT, row).lastrowid or 0

    def _text(self, text: str) -> str:
        name = sha256_text(text)
        self._db.execute("INSERT INTO texts VALUES (?, ?) ON CONFLICT DO NOTHING", [name, text])
        return name


def join_turns(*turns: str) -> str:
    """What is said by turns in a request, as the journal holds it."""
    return "\n\n".join(turns)


def check_journal(path: Path) -> None:
    """Look whether a journal that no process has open is whole, and write nothing to it or beside it.

    Raises:
        SetError: not a journal, damaged, made by a newer fingen, or held by another process; LimitError: the disk fails.
    """
    with _explained(path), closing(_open_to_look(path)) as db:
        _version(db, path)
        if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise SetError(f"{path}: damaged: {said}", hint=BEGIN_ANEW)


def read_inputs(path: Path) -> tuple[Path, ...]:
    """Where the documents of a set were read from last; nothing where no journal says so, or where it names other machines."""
    try:
        with closing(_open_to_look(path)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'inputs'").fetchone()
            inputs = json.loads(row[0]) if row else []
    except (sqlite3.Error, ValueError, RecursionError):
        return ()
    texts = [each for each in inputs if isinstance(each, str)] if isinstance(inputs, list) else []
    return tuple(Path(each) for each in texts if not each.startswith(("//", "\\\\")) and "\0" not in each)


def _open_to_look(path: Path) -> sqlite3.Connection:
    # Where a process was killed, what it wrote last is in a file beside it, which SQLite then opens with another one.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The version of a journal that can be worked on; 0 of a new one.

    Raises:
        SetError: it cannot.
    """
    db.execute("BEGIN")  # one look: another process may make the tables between two
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    db.execute("COMMIT")
    if version > VERSION:  # looked at before the first write: a newer journal stays as it is
        raise SetError(
            f"{path}: made by a newer fingen (journal version {version}; this one reads {VERSION})",
            hint="upgrade fingen, or write to another folder with --out",
        )
    if version == 0 and tables:
        raise SetError(f"{path}: a database, but not a fingen journal", hint="write to another folder with --out")
    _refuse_foreign(db, path)
    refuse_impossible(db, path)
    return int(version)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.row_factory = sqlite3.Row
    version = _version(db, path)
    _use_wal(db)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    if version < VERSION:  # all of them are left alone where they are there
        db.execute("BEGIN IMMEDIATE")
        with db:
            for statement in TABLES:
                db.execute(statement)


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a journal that does more than keep what is written: a trigger can remove each answer, to be paid again.

    Raises:
        SetError: something in it is not as fingen makes it; names it.
    """
    own = {_plain(statement) for statement in TABLES}
    for name, sql in db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
        if _plain(sql) not in own:
            raise SetError(f"{path}: fingen has not made the {name} in it as it is", hint=BEGIN_ANEW)


def _plain(sql: str) -> str:
    """A statement as SQLite keeps it, without comments: these are others in older journals."""
    lines = (line.partition("--")[0] for line in sql.replace("IF NOT EXISTS ", "", 1).splitlines())
    return " ".join(" ".join(lines).split())


def refuse_impossible(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a journal with prices or counts that cannot be.

    Raises:
        SetError: there are some.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, condition in IMPOSSIBLE.items():
        if table in tables and db.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1").fetchone():
            raise SetError(f"{path}: damaged: a price or count in it cannot be", hint=BEGIN_ANEW)


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait for others with this one, whatever the connection's timeout is."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def read_completion(row: dict[str, Any]) -> Completion:
    """A row of the completions as the model."""
    return Completion.model_validate({"usage": {name: row.pop(name) for name in TOKENS}, **row})


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the file into what the user can do; anything else is a bug and passes through."""
    try:
        yield
    except sqlite3.Error as e:
        explained = _explain(path, e)
        if explained is None:
            raise
        raise explained from e


def _explain(path: Path, e: sqlite3.Error) -> FingenError | None:
    match getattr(e, "sqlite_errorcode", 0) & 0xFF:  # the low byte; the rest is detail
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return LimitError(
                f"{path}: cannot be written: {e}; all answers committed before are intact",
                hint="free some disk space, then run the same command again",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return SetError(
                f"{path}: another fingen process works on it",
                hint="wait until it has ended, or write elsewhere with --out",
            )
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return SetError(f"{path}: damaged, or not a journal: {e}", hint=BEGIN_ANEW)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return SetError(
                f"{path}: {e}", hint="make the folder writable; what makes a set can write to another one with --out"
            )
        case _:
            return None
