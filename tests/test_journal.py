"""The journal keeps every answer: through a kill, a full disk, a second process, a damaged file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from fingen.disk import lock
from fingen.errors import SetError, UsageError
from fingen.records import Completion, Passage, Period, Request, Usage, request_key
from fingen.teachers import journal as module
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding, OutstandingRequest

SYSTEM = "You write questions.\n" * 50
SCHEMA = {"type": "object", "properties": {"question": {"type": "string"}, "answer": {"type": "string"}}}


def make_request(number: int) -> Request:
    prompt = f"Passage {number}: 营业收入同比增长 12%。"
    passage = Passage(chunk=f"c-{number}", document="a.pdf", company=None, period=Period(), language="zh", section=(), pages=(1, 1),
                      text="营业收入同比增长 12%。", kinds=())  # fmt: skip
    return Request(key=request_key("scripted", SYSTEM, prompt, SCHEMA), task="qa-concept", template="concept.zh",
                   system=SYSTEM, prompt=prompt, answer_schema=SCHEMA, max_tokens=500, count=2, passages=(passage,))  # fmt: skip


def make_completion(request: Request, text: str = "an answer", **fields: Any) -> Completion:
    return Completion(key=request.key, text=text, **{"stop_reason": "end_turn", "teacher": "scripted", **fields})


def fill(journal: Journal, numbers: range) -> None:
    requests = [make_request(number) for number in numbers]
    journal.commit((request, make_completion(request, cost_usd=0.0)) for request in requests)


def stored(path: Path) -> int:
    """Answers that another process can see, that is: committed."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])


def test_what_is_stored_comes_back_after_reopening(tmp_path: Path):
    path = tmp_path / "set" / "journal.sqlite"
    request, other = make_request(1), make_request(2)
    answer = make_completion(request, '{"text": "营业收入 \\ud800 \x00 end"}', stop_reason="max_tokens", attempt=2,
                             usage=Usage(input_tokens=5, output_tokens=7), cost_usd=0.25, possibly_billed=True)  # fmt: skip
    with Journal.open(path) as journal:
        assert journal.settings() is None
        journal.write_settings({"per_chunk": 2, "name": "年报"})
        journal.commit([(request, answer)])
        journal.assign({"b.pdf": "test", "a.pdf": "train"})

    with Journal.open(path) as journal:
        assert journal.settings() == {"per_chunk": 2, "name": "年报"}
        assert journal.answers([other.key, request.key]) == {request.key: answer}
        assert journal.missing([other.key, request.key, other.key]) == [other.key]
        assert journal.splits() == {"a.pdf": "train", "b.pdf": "test"}


def test_closing_leaves_one_file(tmp_path: Path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        fill(journal, range(3))

    assert [path.name for path in tmp_path.iterdir()] == ["journal.sqlite"]


def test_the_latest_usable_answer_counts(tmp_path: Path):
    first, second = make_request(1), make_request(2)
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.commit([(first, make_completion(first, "old"))])
        journal.commit([(first, make_completion(first, "new", attempt=2))])
        journal.commit([(first, make_completion(first, "", attempt=3, error="cut body"))])
        journal.commit([(second, make_completion(second, "", error="status 500"))])

        assert journal.missing([first.key, second.key]) == [second.key]
        assert {key: answer.text for key, answer in journal.answers([first.key, second.key]).items()} == {
            first.key: "new"
        }


def test_among_many_keys_the_same_are_missing_and_with_nobody_as_among_few(tmp_path: Path):
    answered, held, faulty, new = map(make_request, range(4))
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.commit([(answered, make_completion(answered)), (faulty, make_completion(faulty, error="cut"))])
        outstanding = Outstanding(journal)
        outstanding.hold(outstanding.begin("export"), [OutstandingRequest("r-1", held)])
        few = [new.key, held.key, answered.key, faulty.key, new.key]
        many = [*few, *map(str, range(module.MANY_KEYS))]

        for keys in (few, many):
            others = keys[len(few) :]
            assert journal.missing(keys) == [new.key, held.key, faulty.key, *others]
            assert journal.unasked(keys) == [new.key, faulty.key, *others]
        with journal.transaction():  # which sees what it wrote
            journal.insert_completion(make_completion(faulty))
            assert journal.unasked(many) == [new.key, *others]


def test_a_request_tells_what_was_asked_and_shared_texts_are_kept_once(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        fill(journal, range(20))

    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM texts").fetchone() == (2,)
        row = db.execute(
            """SELECT s.text, prompt, chunks FROM requests JOIN texts s ON s.hash = requests.system WHERE key = ?""",
            [make_request(7).key],
        ).fetchone()
        assert row == (SYSTEM, make_request(7).prompt, '["c-7"]')


def test_a_key_is_who_is_asked_and_what_but_not_how_long(tmp_path: Path):
    key = request_key("offline", "system", "prompt", SCHEMA)

    assert key == request_key("offline", "system", "prompt", dict(SCHEMA))
    others = [("other", "system", "prompt"), ("offline", "systemp", "rompt"), ("offline", "system", "prompt ")]
    assert key not in {request_key(*texts, SCHEMA) for texts in others}
    assert key != request_key("offline", "system", "prompt", {})


def test_usage_counts_every_attempt(tmp_path: Path):
    request = make_request(1)
    usage = Usage(input_tokens=10, cache_read_tokens=20, cache_write_tokens=30, output_tokens=40)
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        assert journal.usage() == (Usage(), 0.0)
        journal.commit([(request, make_completion(request, usage=usage, cost_usd=0.1))])
        journal.commit([(request, make_completion(request, usage=usage, cost_usd=0.2, error="refusal", attempt=2))])
        journal.commit(
            [(request, make_completion(request, error="status 429", attempt=3))]
        )  # not billed: no price needed

        total, cost = journal.usage()
        assert total == Usage(input_tokens=20, cache_read_tokens=40, cache_write_tokens=60, output_tokens=80)
        assert cost == pytest.approx(0.3)


@pytest.mark.parametrize(
    "attempt",
    [{}, {"error": "timed out", "possibly_billed": True}, {"error": "refusal", "usage": Usage(output_tokens=1)}],
    ids=["answered", "possibly billed", "failed with tokens"],
)
def test_a_billed_attempt_without_a_price_makes_the_cost_unknown(tmp_path: Path, attempt: dict[str, Any]):
    request = make_request(1)
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.commit([(request, make_completion(request, cost_usd=0.1))])
        journal.commit([(request, make_completion(request, cost_usd=None, **attempt))])

        assert journal.usage()[1] is None


def test_a_unit_stays_until_it_is_assigned_anew(tmp_path: Path):
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.assign({"a": "train", "b": "test"})
        journal.assign({"b": "validation", "c": "train"})

        assert journal.splits() == {"a": "train", "b": "validation", "c": "train"}


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A second Python that has the helpers of this file; killed in the end."""
    helpers = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_journal import *\n"
    command = [sys.executable, "-c", helpers + textwrap.dedent(code), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parent.parent) as child:
        try:
            yield child
        finally:
            child.kill()


STORE_FOR_EVER = """
    from itertools import count
    journal = Journal.open(Path(sys.argv[1]))
    for number in count(int(sys.argv[2])):
        fill(journal, range(number, number + 1))
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
"""


def test_a_kill_loses_nothing_that_was_committed(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    committed = -1
    for lines in (1, 17, 60):
        with process(STORE_FOR_EVER, path, committed + 1) as child:
            assert child.stdout is not None
            for _ in range(lines):
                committed = int(child.stdout.readline())
            child.kill()  # SIGKILL: in the middle of whatever it does
            committed = int([str(committed), *child.stdout.read().split()][-1])

        with Journal.open(path) as journal:
            assert journal.missing(make_request(number).key for number in range(committed + 1)) == []
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


LIMITED = """
    import resource
    from fingen.errors import LimitError
    path = Path(sys.argv[1])
    journal = Journal.open(path)
    fill(journal, range(10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100_000, resource.RLIM_INFINITY))
    try:
        for number in range(10, 100_000, 64):
            fill(journal, range(number, number + 64))
    except LimitError as e:
        sys.stdout.write(f"{stored(path)} {e} ({e.hint})")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_disk_that_takes_no_more_is_a_limit_and_the_journal_stays_whole(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with process(LIMITED, path) as child:
        said = child.communicate()[0]

    assert "journal.sqlite: cannot be written" in said
    assert "run the same command again" in said
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with Journal.open(path) as journal:
        committed = int(said.split()[0])
        assert committed >= 10
        assert journal.missing(make_request(number).key for number in range(committed)) == []
        fill(journal, range(committed, committed + 10))
    assert stored(path) == committed + 10


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)


@pytest.mark.usefixtures("_impatient")
def test_a_journal_that_another_process_writes_says_so(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SetError, match=r"journal\.sqlite: another fingen process"):
            fill(journal, range(1))
        other.execute("ROLLBACK")
        fill(journal, range(1))
        assert stored(path) == 1


def _open_at_once(path: Path, barrier: Barrier) -> None:
    barrier.wait()
    with Journal.open(path):
        pass


def test_many_may_start_a_journal_at_once(tmp_path: Path):
    """Each new one is begun by six at once: some find it half made."""
    with ThreadPoolExecutor(6) as pool:
        for attempt in range(40):
            barrier = Barrier(6)
            opened = [pool.submit(_open_at_once, tmp_path / f"{attempt}.sqlite", barrier) for _ in range(6)]
            for each in opened:
                each.result()


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"SQLite format 3\0" * 300], ids=["text", "broken"])
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, content: bytes):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(SetError, match=r"journal\.sqlite: damaged") as caught:
        Journal.open(path)

    assert "--replace" in caught.value.hint
    assert path.read_bytes() == content


def test_damage_inside_is_found(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        fill(journal, range(200))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(SetError, match="damaged"), Journal.open(path) as journal:
        journal.answers(make_request(number).key for number in range(200))


def test_a_newer_journal_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {module.VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(SetError, match="newer fingen") as caught:
        Journal.open(path)

    assert "upgrade" in caught.value.hint
    assert path.read_bytes() == before


def test_another_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE photos (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(SetError, match="not a fingen journal"):
        Journal.open(path)

    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    (tmp_path / "journal.sqlite").mkdir()
    with pytest.raises(SetError, match=r"journal\.sqlite: unable to open"):
        Journal.open(tmp_path / "journal.sqlite")
    with pytest.raises(UsageError, match="file: cannot be written"):
        Journal.open(tmp_path / "file" / "journal.sqlite")
    with pytest.raises(UsageError, match="file: cannot be written"), lock(tmp_path / "file"):
        pass


HOLD = """
    with lock(Path(sys.argv[1])):
        sys.stdout.write("held\\n")
        sys.stdout.flush()
        sys.stdin.read()
"""


def test_a_set_is_held_by_one_process_until_that_dies(tmp_path: Path):
    folder = tmp_path / "set"
    with process(HOLD, folder) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(SetError, match="set: another fingen process works on it"), lock(folder):
            pass
        child.kill()
        child.wait()
        with lock(folder), pytest.raises(SetError, match="another fingen process"), lock(folder):
            pass
    with lock(folder):
        pass


FOREIGN = {
    "a trigger": "CREATE TRIGGER gone AFTER INSERT ON completions BEGIN DELETE FROM completions; END",
    "a view": "ALTER TABLE completions RENAME TO kept; CREATE VIEW completions AS SELECT * FROM kept",
    "a constraint": "DROP TABLE units; CREATE TABLE units (unit TEXT PRIMARY KEY ON CONFLICT REPLACE, split TEXT NOT NULL)",
    "an index": "CREATE UNIQUE INDEX one ON completions(id)",
    "a price below zero": "UPDATE completions SET cost_usd = -1000000",
    "a price in words": "UPDATE completions SET cost_usd = 'nothing'",
    "a count in words": "UPDATE completions SET output_tokens = 'many'",
    "a reserve below zero": "INSERT INTO items SELECT 'c', key, NULL, 'held', NULL, NULL, -9.0 FROM requests LIMIT 1",
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_a_journal_of_others_undoes_no_answer_and_widens_no_budget(tmp_path: Path, change: str):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        fill(journal, range(3))
    with closing(sqlite3.connect(path)) as db:
        db.executescript(change)
    with pytest.raises(SetError, match=r"journal\.sqlite: (fingen has not made|damaged)") as caught:
        Journal.open(path)

    assert "--replace" in caught.value.hint


@pytest.mark.parametrize("settings", ["[[[", "[1, 2]", "[" * 100_000, "7"])
def test_settings_that_are_none_are_damage(tmp_path: Path, settings: str):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.write_settings({})
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = ?", [settings])
    with Journal.open(path) as journal, pytest.raises(SetError, match="its settings cannot be read"):
        journal.settings()
