"""Rows on disk: read as a list is, seen by nobody else, gone with the process; what a row takes of memory is bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import read_rows
from test_duplicates import record as question
from test_evidence import chunk
from test_grounding import passage
from test_sets import manifest, record

from fingen.errors import LimitError
from fingen.pipeline.reports import Reports
from fingen.quality.duplicates import find_duplicates, find_repeats, worth
from fingen.records import Document, Period, Rejected, Request
from fingen.sets import SetContent, write_set
from fingen.spool import Recent, Shelf, Spool, read_in
from fingen.teachers.asked import Requests, by_key, keys_of

ROW_BYTES = 1_350  # with what a command takes for no row, a million are 1.5 GB
SPARE_BYTES = 4 << 20  # by which peaks of the same command differ
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=40), lambda inner: st.lists(inner, max_size=4), max_leaves=6
)


@given(st.lists(values, max_size=12), st.data())
def test_a_spool_is_read_as_a_list_is(rows: list[Any], data: st.DataObject):
    spool, there = Spool[Any](), list[Any]()
    for row in rows:
        assert spool.append(row) == len(there)
        there.append(row)
        if data.draw(st.booleans()):  # reading between writing
            assert list(spool) == there
    picked = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20)) if rows else []
    some = spool.pick(picked)

    assert list(spool) == there
    assert (len(spool), bool(spool)) == (len(there), bool(there))
    assert list(some) == [there[place] for place in picked] == [some[place] for place in range(len(some))]
    assert list(read_in(some, range(len(some))[::-1])) == list(some)[::-1]
    assert list(some[1:]) == list(some)[1:]
    assert list(spool[1:-1]) == there[1:-1]
    if rows:
        at = data.draw(st.integers(-len(rows), len(rows) - 1))
        assert spool[at] == there[at]


def test_two_read_at_once_while_one_writes():
    spool = Spool(None, range(50_000))
    for first, second in zip(spool, spool, strict=False):
        assert first == second
        if first % 5_000 == 0 and len(spool) < 60_000:
            spool.append(len(spool))

    assert list(spool) == list(range(len(spool)))


KILLED = """
import os, signal, sys
from pathlib import Path
from fingen.spool import Spool
spool = Spool(Path(sys.argv[1]) / "set", (f"secret {n}" for n in range(100_000)))
assert spool[99_999] == "secret 99999"
assert not [*Path(sys.argv[1]).rglob("*")], "it has a name while it is written"
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open has a name there, until its process ends")
def test_nothing_is_left_of_a_process_that_is_killed(tmp_path: Path):
    ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False)

    assert ran.returncode == -9, ran.stderr
    assert [*tmp_path.rglob("*")] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch):
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr("fingen.spool.open_unnamed", lambda near: full)
        with pytest.raises(LimitError, match="cannot be written"):
            Spool(None, ["row"])


@pytest.mark.parametrize("near", ["build", "set"])
def test_a_set_of_rows_on_disk_has_the_bytes_of_one_in_memory(near: str, tmp_path: Path):
    rows = [record(number, system="Be brief." * (number % 3 == 0)) for number in range(40)]
    rejects = [Rejected(item={"n": number}, reason="near", detail="", chunks=(), request=None) for number in range(3)]
    in_memory = SetContent({"train": rows[:30], "test": rows[30:]}, rejects, [], manifest())
    spool = Spool(tmp_path / near, rows)
    on_disk = SetContent(
        {"train": spool.pick(range(30)), "test": spool[30:]}, Spool(None, rejects), Spool(None), manifest()
    )

    assert write_set(tmp_path / "one", in_memory)
    assert write_set(tmp_path / "set", on_disk)
    assert not write_set(tmp_path / "set", in_memory)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()} == files
    assert len(read_rows(tmp_path / "set/train.jsonl")) == 30


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from("ab")), max_size=14))
def test_repeats_on_disk_are_those_in_memory(drawn: list[tuple[int, int, str]]):
    rows = [
        question(f"What were the revenues of unit {asked}?", f"They were {answer} million.", document=name).model_copy(
            update={"id": f"r-{number}"}
        )
        for number, (asked, answer, name) in enumerate(drawn)
    ]
    order = sorted(range(len(rows)), key=lambda number: worth(rows[number]))
    found = [(each.record.id, each.of, each.kind) for each in find_duplicates(rows, better=worth)]

    on_disk = find_repeats(Spool(None, rows), order=order)

    assert [(rows[each.number].id, each.of, each.kind) for each in on_disk] == found


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12))
def test_requests_on_disk_are_those_in_memory(drawn: list[tuple[int, int]]):
    schemas = [{"type": "object"}, {"type": "array"}]
    there = [
        Request(key=f"k{key}", task="qa", template="qa.en", system=f"S{chunk % 2}", prompt=str(chunk), max_tokens=9, count=1,
                answer_schema=schemas[chunk % 2], passages=(passage(f"Text {chunk}.").model_copy(update={"chunk": f"c{chunk}"}),))
        for key, chunk in drawn
    ]  # fmt: skip
    requests = Requests(None)
    for request in there:
        requests.append(request)

    assert list(requests) == there == requests[:]
    assert requests.keys == keys_of(there)
    assert dict(requests.by_key) == by_key(there)
    assert list(by_key(requests).values()) == list(by_key(there).values())
    both = by_key(requests[: len(there) // 2], requests)  # on disk and in memory
    assert (list(both), dict(both)) == (list(by_key(there)), by_key(there))
    assert dict(requests.passages) == {shown.chunk: shown for each in there for shown in each.passages}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers()), max_size=20), st.integers(1, 4))
def test_what_is_put_on_a_shelf_is_found_and_recent_things_are_the_last(put: list[tuple[int, int]], room: int):
    shelf, recent, there = Shelf[int, int](None, put[:3]), Recent[int, int](room), dict(put[:3])
    for name, thing in put[3:]:
        assert shelf.get(name) == there.get(name)
        shelf[name] = recent[name] = there[name] = thing
        assert shelf[name] == recent[name] == thing
        assert len(recent) <= room
        assert recent.items() <= there.items()

    assert (list(shelf), dict(shelf)) == (list(there), there)


@given(st.lists(st.integers(0, 3), max_size=5))
def test_reports_on_disk_are_documents_in_memory(drawn: list[int]):
    there = [
        Document(path=f"{place}.pdf", sha256=str(place), pages=size, language="en", company=None, period=Period(),
                 chunks=tuple(chunk(f"Text {each} of {place}.") for each in range(size)))
        for place, size in enumerate(drawn)
    ]  # fmt: skip
    reports = Reports(None, there)

    assert list(reports) == there == reports[:] == list(reports.read(range(len(there))))
    assert [head.chunks for head in reports.heads] == [()] * len(there)
    assert reports.sizes() == drawn
    assert list(reports.chunks) == [each for document in there for each in document.chunks]


sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))


def peaks(tmp_path: Path, rows: int, commands: list[str]) -> dict[str, int]:
    from bench_memory import COMMANDS, run, write_rows

    home = tmp_path / str(rows)
    home.mkdir()
    write_rows(home / "rows.jsonl", rows)
    write_rows(home / "few.jsonl", 20, first=10 * rows)
    if "mix" in commands:
        run(home, "import alpaca few.jsonl --out few")
    return {command: run(home, COMMANDS[command]).peak_bytes for command in commands}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read where Linux says it")
@pytest.mark.parametrize(
    ("commands", "few", "many"),
    [
        (["import", "dedup"], 500, 5_500),
        pytest.param(
            ["import", "mix", "verify", "export", "dedup", "split"], 2_000, 22_000, marks=pytest.mark.slow
        ),
    ],
)  # fmt: skip
def test_what_a_row_takes_of_memory_is_bounded(commands: list[str], few: int, many: int, tmp_path: Path):
    small, large = (peaks(tmp_path, rows, commands) for rows in (few, many))

    over = {each: large[each] - small[each] for each in commands}
    assert {each: more for each, more in over.items() if more > ROW_BYTES * (many - few) + SPARE_BYTES} == {}
