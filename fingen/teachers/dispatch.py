"""Ask a teacher everything that the journal does not know yet: fast, within the budget, and never the same thing twice."""

from __future__ import annotations

import asyncio
import math
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from fingen.errors import Interrupted, ShortfallError, TeacherError, UnansweredError
from fingen.records import Completion, Request
from fingen.teachers.answers import ENDED
from fingen.teachers.base import Provider, Teacher
from fingen.teachers.budgets import Budget
from fingen.teachers.journal import Journal
from fingen.teachers.rate_limit import PerMinute
from fingen.teachers.request_locks import RequestLocks
from fingen.teachers.servers import NOBODY, Place, Server, Servers, is_failing, open_servers
from fingen.text import estimate_tokens

OnAnswer = Callable[[Request, Completion], None]
Validate = Callable[[Request, Completion], str | None]

TRIES = 3  # answers a request may get before it counts as unusable; attempts in one run that may be billed
PROBLEM_CHARACTERS = 400  # of what is wrong with an answer that a teacher is told
FIRST_WAIT_SECONDS = 0.5  # before asking again after a failure; doubled each time, with jitter
LONGEST_WAIT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 120.0  # a server that asks for more is asked earlier
EARLY = 50  # of this many first answers ...
EARLY_INVALID = 0.2  # ... a larger share of invalid ones stops the run
CUT, INVALID = "cut at max_tokens", "invalid: "  # what the journal says of an answer that is asked for again
MOST_IN_A_ROW = 3  # requests without an answer, and none with one between them, stop the run
SHOWN_UNANSWERED = 5  # requests that a message names
TURN_SECONDS = 0.2  # between two looks at whether it is free
TOLD_AFTER = 3  # failures of one request, after which it is said what is waited for
_WAITING_FOR_DISK = 16  # workers beyond the ceiling: their answers are being stored while others ask


@dataclass(frozen=True)
class Terms:
    """How a teacher is asked. Money is in USD, time in seconds."""

    concurrency: int = 64  # requests in flight at each server, at most
    rpm: int | None = None  # requests a minute, at most
    tpm: int | None = None  # tokens a minute, at most
    budget_usd: float | None = None  # hard stop for all that the journal has paid
    budget_all_usd: float | None = None  # the same for it and all journals beside it
    deadline_seconds: float = 900.0  # for one request, from its first failure on; waiting for its turn does not count
    worst_usd: Callable[[Request], float | None] = lambda request: None  # the most that an answer can cost, if known
    validate: Validate = lambda request, completion: None  # what is wrong with an answer as a whole, or None
    say: Callable[[str], None] = lambda text: None  # told of servers that are left out, and what is waited for


async def dispatch(
    requests: Iterable[Request],
    teacher: Teacher,
    journal: Journal,
    locks: RequestLocks,
    terms: Terms,
    *,
    on_answer: OnAnswer,
) -> int:
    """Ask what is missing and journal each answer; returns the number of requests that got one.

    `requests` is pulled lazily, one for each free worker. A request that has a usable answer, was asked before in this run,
    is claimed by another process or held by a batch is passed over. An answer is on the disk before anyone looks at it. A
    request that is refused, or tried in vain, alone holds nobody up. Any other error, and the first Ctrl-C, stop the run:
    what is in flight is finished and stored, then the error is raised. A second Ctrl-C, like cancelling, drops what is in
    flight and keeps what was stored. Processes with a budget take turns.

    Raises:
        UnansweredError: some requests have no answer, all others have.
        TeacherError: the teacher refused, cannot be reached, or the budget is reached.
        ShortfallError: too many of the first answers are invalid.
        Interrupted: Ctrl-C.
        LimitError: the journal cannot be written.
    """
    each = teacher.servers if isinstance(teacher, Provider) else (teacher,)
    servers = open_servers(each, terms.concurrency, wait_seconds, terms.say)
    run = _Run(iter(requests), teacher, journal, locks, terms, on_answer, servers)
    with _stopped_by_ctrl_c(run):
        workers: list[asyncio.Task[None]] = []
        try:
            await run.take_turn()
            workers += [
                asyncio.create_task(run.work()) for _ in range(terms.concurrency * len(each) + _WAITING_FOR_DISK)
            ]
            await asyncio.wait(workers)
        finally:
            for worker in workers:
                worker.cancel()  # those that have ended do not notice
            await asyncio.gather(*workers, return_exceptions=True)
            await run.writer.close()
            run.budget.release()
    if error := run.error or unanswered(run.left, run.answered):
        raise error
    return run.answered


class _Writer:
    """Commits answers in groups, in a thread: while one group waits for the disk, the next one gathers."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[tuple[Request, Completion, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def store(self, request: Request, completion: Completion) -> None:
        """Return when the answer is on the disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((request, completion, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            attempts = [(request, answer) for request, answer, _ in group]
            # An error goes to those whose answers these are; those that wait behind them have their turn all the same.
            (error,) = await asyncio.gather(asyncio.to_thread(self._journal.commit, attempts), return_exceptions=True)
            for _, _, done in group:
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)


@dataclass
class _Run:
    """What the workers of one run share. They take turns on one thread, so nothing here needs a lock."""

    requests: Iterator[Request]
    teacher: Teacher
    journal: Journal
    locks: RequestLocks
    terms: Terms
    on_answer: OnAnswer
    servers: Servers
    asked: set[str] = field(default_factory=set)
    billed: Counter[str] = field(default_factory=Counter)  # attempts at a request that are, or may be, on the bill
    answered: int = 0
    is_told: bool = False  # the user knows that requests wait for a teacher that does not answer
    answers: int = 0
    invalid: list[str] = field(default_factory=list)  # samples of invalid answers among the first ones
    reserved_usd: float = 0.0
    spent_usd: float = 0.0
    stopped: bool = False
    error: BaseException | None = None  # the first one
    left: list[tuple[Request, TeacherError]] = field(default_factory=list)  # without an answer, and why
    in_a_row: int = 0  # of these, since the last answer
    idle: set[asyncio.Task[None]] = field(default_factory=set)  # workers that wait, with nothing in flight

    def __post_init__(self) -> None:
        self.writer = _Writer(self.journal)
        self.budget = Budget(self.journal, self.locks, self.terms.budget_usd, self.terms.budget_all_usd)
        self.settled = asyncio.Event()  # some answer's cost is known
        self.rpm, self.tpm = PerMinute(self.terms.rpm), PerMinute(self.terms.tpm)

    async def take_turn(self) -> None:
        """Wait until no other process spends from the budget: what is left of it depends on what each of them spends."""
        while not self.stopped and not self.budget.take():
            await asyncio.sleep(TURN_SECONDS)
        self.spent_usd = self.journal.paid_usd() + self.journal.reserved_usd()  # what batches may still cost

    def stop(self, error: BaseException) -> None:
        """Stop the workers; the first error is reported."""
        self.error = self.error or error
        self.stopped = True
        for worker in self.idle:
            worker.cancel()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark the current worker as idle, so that a stop cancels its wait."""
        worker = asyncio.current_task()
        assert worker is not None
        self.idle.add(worker)
        try:
            yield
        finally:
            self.idle.discard(worker)

    async def work(self) -> None:
        """Pull and ask until the requests are used up or the run is stopped."""
        try:
            while not self.stopped and (request := next(self.requests, None)) is not None:
                if request.key not in self.asked and self.locks.take(request.key):
                    self.asked.add(request.key)
                    try:
                        if self.journal.unasked([request.key]):
                            await self.ask(request)
                    except TeacherError as e:
                        self.leave(request, e)
                    finally:
                        self.locks.release(request.key)
                await asyncio.sleep(0)  # a teacher that computes on the CPU never gives the others a turn
        except Exception as e:
            self.stop(e)
            raise

    def leave(self, request: Request, e: TeacherError) -> None:
        """Leave a request without an answer, and go on with the others.

        Raises:
            TeacherError: it is no fault of this request alone, or so many in a row have none that it does not seem so.
        """
        self.in_a_row += 1
        if self.stopped or not e.alone or self.in_a_row >= MOST_IN_A_ROW:
            raise e
        self.left.append((request, e))

    async def ask(self, request: Request) -> None:
        """Ask until there is a usable answer or the tries are used up; every answer is stored before it is looked at.

        Raises:
            TeacherError: there is no answer, or the tries of this run are used up by attempts that broke off.
        """
        asking, before = request, self.journal.faults(request.key)
        for answer, known in before:
            asking = asked_again(asking, answer, known)
        attempt = len(before) + 1
        while True:
            completion = (await self.send(asking)).model_copy(update={"attempt": attempt})
            try:
                problem = self.terms.validate(request, completion) if completion.stop_reason in ENDED else None
            except Exception:
                await self.writer.store(request, completion)  # a fault of ours must not lose what was paid for
                raise
            was_cut = completion.stop_reason == "max_tokens"
            cut = was_cut and asking.max_tokens == request.max_tokens and self.has_room(asked_again(request, "", CUT))
            fault = CUT if cut else None if problem is None else f"{INVALID}{problem}"
            if attempt >= TRIES:
                fault = None  # it stays as it is
            self.billed[request.key] += 1
            completion = completion.model_copy(update={"error": fault})
            await self.writer.store(request, completion)
            self.count(completion, problem)
            if fault is None or self.stopped:
                self.answered += 1
                self.on_answer(request, completion)
                return
            attempt += 1
            asking = asked_again(asking, completion.text, fault)

    def has_room(self, request: Request) -> bool:
        """Whether the teacher gives a request all the room that it asks for."""
        return not isinstance(self.teacher, Provider) or self.teacher.room(request) == request.max_tokens

    def count(self, completion: Completion, problem: str | None) -> None:
        """Count an answer, and stop a run whose first answers are mostly invalid."""
        self.answers += 1
        self.in_a_row = 0
        if problem is not None and self.answers <= EARLY:
            self.invalid.append(f"{problem}: {completion.text[:200]}")
        if self.answers == EARLY and len(self.invalid) > EARLY_INVALID * EARLY:
            shown = "\n".join(f"  {sample}" for sample in self.invalid[:3])
            self.stop(
                ShortfallError(
                    f"{len(self.invalid)} of the first {EARLY} answers are invalid, such as:\n{shown}",
                    hint="try another model, or look at the template in prompts/; the answers are in the journal",
                )
            )

    async def send(self, request: Request) -> Completion:
        """Send a request; retryable failures are tried again until the deadline, those that may be billed only a few times.

        What failed at one server goes to another one at once, if one answers: to each of them, before it waits.
        """
        failing_since = math.inf
        failures = 0
        failed_at: set[Server] = set()  # since it waited last
        if self.billed[request.key] >= TRIES:
            raise TeacherError(
                f"{self.teacher.name}: no usable answer in {TRIES} attempts that may all be billed",
                alone=True,
                hint="run the same command again to go on; what was answered is kept",
            )
        while True:
            came = time.monotonic()
            worst, place = await self.take_place(request, failed_at)
            failing_since += time.monotonic() - came
            try:
                return await self.send_once(request, worst, place)
            except TeacherError as e:
                if e.possibly_billed:
                    await self.writer.store(request, self.broken_off(request, e))
                    self.billed[request.key] += 1
                failing_since = min(failing_since, time.monotonic())
                wait = self.wait_seconds(e, place.server, failed_at, failures)
                late = wait > 0 and time.monotonic() - failing_since + wait > self.terms.deadline_seconds
                if self.stopped or late or not e.retryable or self.billed[request.key] >= TRIES:
                    raise
                if wait:
                    failures += 1
                    self.tell_waiting(e, failures)
                    failed_at.clear()
                    with self.waiting():
                        await asyncio.sleep(wait)

    def tell_waiting(self, e: TeacherError, failures: int) -> None:
        """Say once, when a request has failed a few times, what is waited for and how long."""
        if failures >= TOLD_AFTER and not self.is_told:
            self.is_told = True
            self.terms.say(f"{e}; each request is asked again for up to {self.terms.deadline_seconds / 60:.0f} minutes")

    def wait_seconds(self, e: TeacherError, server: Server, failed_at: set[Server], failures: int) -> float:
        """How long to wait before asking again; not at all where another server answers, at which it did not fail yet."""
        if is_failing(e):
            failed_at.add(server)
            if self.servers.has_other(failed_at):
                return 0.0
        return wait_seconds(e, failures)

    async def take_place(self, request: Request, avoid: Set[Server] = NOBODY) -> tuple[float, Place]:
        """Wait until a request may be sent; returns the money set aside for it, and its place at a server."""
        with self.waiting():
            worst = await self.reserve(request)
            try:
                await self.rpm.take(1)
                await self.tpm.take(estimate_tokens(request.system + request.prompt) + request.max_tokens)
                return worst, await self.servers.enter(avoid)
            except asyncio.CancelledError:
                self.free(worst)
                raise

    async def send_once(self, request: Request, worst_usd: float, place: Place) -> Completion:
        """Send a request once, and release its place and its reserve."""
        error: TeacherError | None = None
        try:
            completion = await place.server.teacher.complete(request)
            if completion.cost_usd is None:  # nobody counted it: it may have cost the most that it can
                completion = completion.model_copy(update={"cost_usd": self.terms.worst_usd(request)})
            self.spent_usd += completion.cost_usd or 0.0  # before the reserve is freed: the budget has no gap
            return completion
        except TeacherError as e:
            error = e
            self.spent_usd += worst_usd if e.possibly_billed else 0.0
            raise
        finally:
            self.servers.leave(place, error)
            self.free(worst_usd)

    def free(self, worst_usd: float) -> None:
        """Give back what was set aside."""
        self.reserved_usd -= worst_usd
        self.settled.set()

    def broken_off(self, request: Request, e: TeacherError) -> Completion:
        """Build the record of an attempt that may be billed, at its worst-case cost."""
        return Completion(
            key=request.key,
            text="",
            stop_reason="error",
            teacher=self.teacher.name,
            cost_usd=self.terms.worst_usd(request),
            possibly_billed=True,
            error=f"broken off: {e}",
        )

    async def reserve(self, request: Request) -> float:
        """Set the worst case of a request aside, so that what is in flight cannot break the budget.

        Raises:
            TeacherError: it does not fit any more, whatever the answers in flight turn out to cost.
        """
        if not self.budget.is_limited:
            return 0.0
        worst = self.terms.worst_usd(request) or 0.0
        while self.spent_usd + self.reserved_usd + worst > self.budget.usd:
            if self.reserved_usd < 1e-9:
                raise self.budget.reached(self.spent_usd, worst)
            self.settled.clear()
            await self.settled.wait()
        self.reserved_usd += worst
        return worst


def unanswered(left: Sequence[tuple[Request, TeacherError]], answered: int) -> TeacherError | None:
    """The error for requests without an answer: what is wrong with the first, where not even one has got one."""
    if not left or not answered:
        return left[0][1] if left else None
    told = "; ".join(f"{request.where}: {e}" for request, e in left[:SHOWN_UNANSWERED])
    more = f"; and {len(left) - SHOWN_UNANSWERED} more" if len(left) > SHOWN_UNANSWERED else ""
    return UnansweredError(
        f"{len(left)} requests have no answer, all others have: {told}{more}",
        hint="the same command asks for them again; pdf2qa --partial writes the set of what is there",
    )


def asked_again(request: Request, answer: str, fault: str) -> Request:
    """A request after an answer with a fault: with twice the room where it was cut, else told what is wrong with it."""
    if fault == CUT:
        return request.model_copy(update={"max_tokens": 2 * request.max_tokens})
    return corrected(request, answer, fault.removeprefix(INVALID))


def corrected(request: Request, answer: str, problem: str | None) -> Request:
    """A request with an answer that cannot be used, and what is wrong with it."""
    correction = f"That answer cannot be used: {str(problem)[:PROBLEM_CHARACTERS]}. Answer again, in the form that was asked for."
    return request.model_copy(update={"follow_ups": (answer, correction)})


def dearest(request: Request) -> Request:
    """The form of a request that costs the most: with twice the room, after an answer that filled it and was of no use."""
    wide = asked_again(request, "", CUT)
    return corrected(
        wide, "x" * wide.max_tokens, "\U0001d54f" * PROBLEM_CHARACTERS
    )  # four bytes each, as no others have


def wait_seconds(e: TeacherError, failures: int) -> float:
    """How long to wait before asking again: longer each time, with jitter; more where the server asks for it."""
    usual = min(FIRST_WAIT_SECONDS * 2.0**failures, LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)
    asked = (e.retry_after or 0.0) * random.uniform(1.0, 1.1)
    return max(usual, min(asked, LONGEST_RETRY_AFTER_SECONDS))


@contextmanager
def _stopped_by_ctrl_c(run: _Run) -> Iterator[None]:
    """The first Ctrl-C lets what is in flight finish; the second one is a KeyboardInterrupt.

    The loop is told of both: a signal that comes just before the loop waits, or to another thread, ends no waiting.
    """
    loop = asyncio.get_running_loop()

    def on_second() -> None:
        raise KeyboardInterrupt

    def on_interrupt() -> None:
        loop.add_signal_handler(signal.SIGINT, on_second)
        run.stop(Interrupted("interrupted; what was in flight is stored", hint="run the same command again to go on"))

    try:
        loop.add_signal_handler(signal.SIGINT, on_interrupt)
    except (NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread: Ctrl-C cancels at once
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
