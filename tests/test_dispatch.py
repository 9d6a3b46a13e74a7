"""Asked once, stored before anyone looks, never more in flight than allowed, nothing lost when the run is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from fingen.errors import TeacherError
from fingen.records import Completion, Request
from fingen.teachers.base import Teacher
from fingen.teachers.dispatch import OnAnswer, Terms
from fingen.teachers.dispatch import dispatch as dispatch_on
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks
from fingen.teachers.scripted import Scripted


def make_request(number: int) -> Request:
    return Request(key=f"k{number}", task="qa-concept", template="concept.en", system="system", prompt=f"prompt {number}",
                   answer_schema={}, max_tokens=100, count=1)  # fmt: skip


def make_requests(count: int) -> list[Request]:
    return [make_request(number) for number in range(count)]


async def dispatch(
    requests: Iterable[Request], teacher: Teacher, journal: Journal, *, concurrency: int, on_answer: OnAnswer
) -> int:
    with RequestLocks(journal.path.with_name(".claims")) as locks:
        terms = Terms(concurrency=concurrency)
        return await dispatch_on(requests, teacher, journal, locks, terms, on_answer=on_answer)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        yield journal


def ignore(request: Request, completion: Completion) -> None:
    pass


class Slow:
    """Takes its time over each answer, and counts how many wait at once."""

    name = "slow"

    def __init__(self, seconds: float = 0.001) -> None:
        self.seconds = seconds
        self.in_flight = self.most = self.calls = 0

    async def complete(self, request: Request) -> Completion:
        self.calls += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        return Completion(key=request.key, text="slowly", stop_reason="end_turn", teacher=self.name, cost_usd=0.0)


def answered(journal: Journal, count: int) -> int:
    return len(journal.answers(request.key for request in make_requests(count)))


def test_each_request_is_asked_once(journal: Journal):
    teacher = Scripted(lambda request: f"answer to {request.prompt}")
    requests = make_requests(100)
    seen: list[tuple[str, str]] = []
    run = dispatch(
        [*requests, *requests], teacher, journal, concurrency=8, on_answer=lambda r, c: seen.append((r.key, c.text))
    )

    assert asyncio.run(run) == 100
    assert teacher.calls == 100
    assert sorted(seen) == sorted((f"k{number}", f"answer to prompt {number}") for number in range(100))
    assert {key: answer.text for key, answer in journal.answers(dict(seen)).items()} == dict(seen)


def test_a_request_in_flight_is_not_asked_again(journal: Journal):
    teacher = Slow()
    twice = [request for request in make_requests(20) for _ in range(2)]

    assert asyncio.run(dispatch(twice, teacher, journal, concurrency=8, on_answer=ignore)) == 20
    assert teacher.calls == 20


def test_a_second_run_asks_only_what_is_missing(tmp_path: Path):
    teacher = Scripted(lambda request: "yes")
    for count, new in [(10, 10), (10, 0), (25, 15)]:
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            teacher.calls = 0
            run = dispatch(make_requests(count), teacher, journal, concurrency=4, on_answer=ignore)
            assert asyncio.run(run) == new
            assert teacher.calls == new


def test_an_answer_is_stored_before_it_is_shown(journal: Journal):
    def look(request: Request, completion: Completion) -> None:
        assert journal.answers([request.key]) == {request.key: completion}

    run = dispatch(make_requests(10), Scripted(lambda request: "yes"), journal, concurrency=3, on_answer=look)
    assert asyncio.run(run) == 10


def test_concurrency_is_used_and_never_exceeded(journal: Journal):
    teacher = Slow()
    assert asyncio.run(dispatch(make_requests(60), teacher, journal, concurrency=7, on_answer=ignore)) == 60
    assert teacher.most == 7


def test_requests_are_pulled_only_when_a_worker_is_free(journal: Journal):
    pulled = 0
    ahead: list[int] = []

    def requests() -> Iterator[Request]:
        nonlocal pulled
        for request in make_requests(40):
            pulled += 1
            yield request

    def look(request: Request, completion: Completion) -> None:
        ahead.append(pulled - len(ahead))

    asyncio.run(dispatch(requests(), Slow(), journal, concurrency=5, on_answer=look))
    assert 5 <= max(ahead) <= 5 + 16  # those beyond wait for the disk while others ask


def test_one_slow_answer_holds_up_nobody(journal: Journal):
    finished: list[str] = []
    released = asyncio.Event()

    class Uneven(Slow):
        async def complete(self, request: Request) -> Completion:
            if request.key == "k0":
                await released.wait()
            return await super().complete(request)

    def look(request: Request, completion: Completion) -> None:
        finished.append(request.key)
        if len(finished) == 29:
            released.set()

    run = asyncio.wait_for(
        dispatch(make_requests(30), Uneven(), journal, concurrency=3, on_answer=look), timeout=PATIENCE
    )
    assert asyncio.run(run) == 30
    assert finished[-1] == "k0"


def test_a_teacher_that_never_waits_lets_the_loop_run(journal: Journal):
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        ticking = asyncio.create_task(tick())
        await dispatch(make_requests(50), Scripted(lambda request: "yes"), journal, concurrency=1, on_answer=ignore)
        ticking.cancel()

    asyncio.run(both())
    assert turns >= 50


def test_a_long_pause_does_not_keep_answers_from_the_disk(tmp_path: Path, journal: Journal):
    first, hanging = make_requests(2)

    class Hanging(Slow):
        async def complete(self, request: Request) -> Completion:
            if request == hanging:
                while not self.seen_from_outside():
                    await asyncio.sleep(0.01)
            return await super().complete(request)

        def seen_from_outside(self) -> bool:
            with Journal.open(tmp_path / "journal.sqlite") as other:
                return not other.missing([first.key])

    run = asyncio.wait_for(
        dispatch([first, hanging], Hanging(), journal, concurrency=2, on_answer=ignore), timeout=PATIENCE
    )
    assert asyncio.run(run) == 2


def test_cancelling_keeps_what_was_answered(tmp_path: Path, journal: Journal):
    class Stuck(Slow):
        async def complete(self, request: Request) -> Completion:
            if self.calls >= 10:
                try:
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(0.01)  # a connection is closed properly
            return await super().complete(request)

    async def cancel_when_stuck() -> None:
        enough = asyncio.Event()
        seen: list[str] = []

        def look(request: Request, completion: Completion) -> None:
            seen.append(request.key)
            if len(seen) == 10:
                enough.set()

        running = asyncio.create_task(dispatch(make_requests(30), Stuck(), journal, concurrency=2, on_answer=look))
        await enough.wait()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert len(asyncio.all_tasks()) == 1  # no worker is left behind

    asyncio.run(cancel_when_stuck())
    with Journal.open(tmp_path / "journal.sqlite") as other:
        assert answered(other, 30) == 10


class Refusing(Slow):
    """Refuses the fourth request at once, while the first three are still being answered."""

    async def complete(self, request: Request) -> Completion:
        if request.key == "k3":
            raise TeacherError("quota reached", hint="tomorrow")
        return await super().complete(request)


def test_a_teacher_error_stops_the_run_after_what_is_in_flight(tmp_path: Path, journal: Journal):
    teacher: Teacher = Refusing(seconds=0.05)
    with pytest.raises(TeacherError, match="quota reached"):
        asyncio.run(dispatch(make_requests(30), teacher, journal, concurrency=4, on_answer=ignore))

    with Journal.open(tmp_path / "journal.sqlite") as other:
        assert other.missing(f"k{number}" for number in range(5)) == ["k3", "k4"]


def test_an_error_in_the_source_of_requests_loses_no_answer(journal: Journal):
    def requests() -> Iterator[Request]:
        yield from make_requests(3)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(dispatch(requests(), Slow(), journal, concurrency=4, on_answer=ignore))
    assert answered(journal, 3) == 3


def test_nothing_to_ask_is_no_error(journal: Journal):
    assert asyncio.run(dispatch([], Slow(), journal, concurrency=4, on_answer=ignore)) == 0
