"""Portions of work, side by side: the same as here, whatever ends; and the sets that come of it."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import parallel_work
import pytest
from click.testing import CliRunner
from patience import wait_until
from test_kill import write_reports

import fingen
from fingen import parallel, spool
from fingen.cli import main
from fingen.disk import read_cached, write_cached
from fingen.events import Note
from fingen.parallel import Parallel
from fingen.pipeline import looking
from fingen.quality.grounding import Grounding
from fingen.records import Record, Rejected, Request
from fingen.spool import Spool

posix = pytest.mark.skipif(os.name != "posix", reason="ends processes by signals")
with_ray = pytest.mark.skipif(not find_spec("ray"), reason="the extra [ray] is not installed")


def test_portions_are_worked_by_other_processes_which_know_no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-51d3")

    done = dict(Parallel(2).run(parallel_work.where, "of ", range(5), seconds=60))

    assert {at: text for at, (_, text, _) in done.items()} == {at: f"of {at}" for at in range(5)}
    assert os.getpid() not in {process for process, _, _ in done.values()}
    assert not any(knows for _, _, knows in done.values())


def test_what_takes_no_time_is_worked_here():
    assert [who for _, (who, _, _) in Parallel(2).run(parallel_work.where, "", range(3), seconds=0.1)] == [
        os.getpid()
    ] * 3
    assert [who for _, (who, _, _) in Parallel().run(parallel_work.where, "", range(3), seconds=60)] == [
        os.getpid()
    ] * 3
    assert not [*Parallel(2).run(parallel_work.where, "", [], seconds=60)]


@posix
@pytest.mark.parametrize("workers", [2, 3])
def test_what_ends_its_process_is_worked_here_and_that_is_said(workers: int):
    said: list[str] = []

    done = dict(Parallel(workers, say=said.append).run(parallel_work.end_others, os.getpid(), range(3), seconds=60))

    assert done == {0: 0, 1: 2, 2: 4}
    assert said == ["what worked beside this process ended: 1 of 3 portions are done here"]


def test_what_goes_wrong_is_raised_here():
    with pytest.raises(ArithmeticError, match="a cause"):
        list(Parallel(2).run(parallel_work.complain, "a cause", range(2), seconds=60))


@posix
def test_who_stops_half_way_leaves_no_process():
    going = Parallel(2).run(parallel_work.where, "", range(50), seconds=60)
    process = next(going)[1][0]
    going.close()  # type: ignore[attr-defined]  # as an interruption does

    with pytest.raises(ProcessLookupError):
        wait_until(lambda: os.kill(process, 0))


def make(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, **how: object) -> dict[str, bytes]:
    desk = folder / name
    desk.mkdir(exist_ok=True)
    monkeypatch.chdir(desk)
    said: list[object] = []
    fingen.pdf2qa(
        folder / "in", teacher="offline", task="table,concept,summary", context="both", chunk_tokens=200, out="build/set",
        on_event=said.append, **how,
    )  # type: ignore[arg-type]  # fmt: skip
    assert not [event for event in said if isinstance(event, Note) and "beside this process" in str(event)]
    return {path.name: path.read_bytes() for path in (desk / "build" / "set").iterdir()
            if not path.name.startswith((".", "journal"))}  # fmt: skip


def test_a_set_is_the_same_wherever_its_answers_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_reports(tmp_path / "in", 3, 4)
    alone = make(tmp_path, "alone", monkeypatch, workers=1)
    monkeypatch.setattr(parallel, "OWN_SECONDS", 0)

    assert make(tmp_path, "beside", monkeypatch, workers=2) == alone
    assert b'"qa-summary"' in alone["train.jsonl"]


def test_a_set_is_the_same_from_what_was_seen_before_and_only_changed_answers_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_reports(tmp_path / "in", 3, 4)
    looked, look = [], looking._look_at_answers
    monkeypatch.setattr(looking, "_look_at_answers", lambda how, report: looked.append(report) or look(how, report))
    alone = make(tmp_path, "desk", monkeypatch, workers=1)
    assert len(looked) == 3

    shutil.rmtree("build/set")
    assert make(tmp_path, "desk", monkeypatch, workers=1) == alone
    assert len(looked) == 3
    kept = [path for path in Path("build/cache").iterdir() if b"groundings" in (read_cached(path) or b"")]
    assert len(kept) == 3

    for again in ("dedup build/set", "split build/set --split 0.5,0,0.5"):
        assert CliRunner().invoke(main, again.split()).exit_code == 0
    assert len(looked) == 3

    kept[0].write_bytes(b"cut")
    shorter = json.loads(read_cached(kept[1]) or b"")
    shorter["seen"].pop()
    write_cached(kept[1], json.dumps(shorter).encode())
    write_cached(kept[2], b'["of another form"]')
    shutil.rmtree("build/set")
    assert make(tmp_path, "desk", monkeypatch, workers=1) == alone
    assert len(looked) == 6


def test_of_many_reports_no_more_is_in_memory_than_of_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool, "SHELF_ROOM", 8)
    append, most = Spool.append, dict[type, int]()

    def count(self: Spool[object], row: object) -> int:
        if len(self) % 16 == 0:
            there = Counter(map(type, gc.get_objects()))
            for kind in (Request, Record, Rejected, Grounding):
                most[kind] = max(most.get(kind, 0), there[kind])
        return append(self, row)

    monkeypatch.setattr(Spool, "append", count)
    found = []
    for reports in (2, 8):
        write_reports(tmp_path / f"of-{reports}" / "in", reports, 12)
        made = make(tmp_path / f"of-{reports}", "desk", monkeypatch, workers=1)
        found.append((made["train.jsonl"].count(b"\n"), dict(most)))
    (few, before), (many, after) = found

    assert many > 3 * few
    assert all(after[kind] <= before[kind] + spool.SHELF_ROOM for kind in before), (before, after)


@with_ray
@pytest.mark.slow
def test_a_set_is_the_same_where_ray_checks_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_reports(tmp_path / "in", 3, 4)
    alone = make(tmp_path, "alone", monkeypatch, workers=1)
    monkeypatch.setattr(parallel, "RAY_SECONDS", 0)

    assert make(tmp_path, "ray", monkeypatch, workers=2, engine="ray") == alone


@with_ray
@pytest.mark.slow
@posix
def test_portions_that_end_the_workers_of_ray_are_worked_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    said: list[str] = []

    done = dict(Parallel(2, "ray", said.append).run(parallel_work.end_others, os.getpid(), range(3), seconds=60))

    assert done == {0: 0, 1: 2, 2: 4}
    assert said == ["what worked beside this process ended: 1 of 3 portions are done here"]
