"""Ask in batches, at half the price, and buy no answer twice whatever moment a run is killed at.

The order of steps is what keeps that promise. Requests are held in the journal under a token of ours; then the batch is
marked as on its way; then it is created; then its id is written down. A run that finds a batch on its way without an id
asks the provider for the token before it sends anything again. Answers are stored as they came, and looked at after that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from fingen.errors import ShortfallError, TeacherError
from fingen.events import Waiting
from fingen.records import Completion, Request
from fingen.teachers.answers import ENDED
from fingen.teachers.batch_apis import BatchApi, Look, lines_of
from fingen.teachers.batch_files import CANCELED, GROUP, Result, build_completion, custom_id, hold_claimed, read_result
from fingen.teachers.budgets import Budget
from fingen.teachers.dispatch import (
    CUT,
    EARLY,
    EARLY_INVALID,
    INVALID,
    TRIES,
    OnAnswer,
    Validate,
    asked_again,
    unanswered,
    wait_seconds,
)
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Batch, Outstanding, OutstandingRequest
from fingen.teachers.request_locks import RequestLocks

T = TypeVar("T")
BACKOFF = 1.5  # from one look to the next, while nothing happens
FRUITLESS = 5  # batches in a row without an answer end a run
NO_RESULT = "no result"
OVERDUE_SECONDS = 26 * 3600.0  # since a batch was sent: providers give themselves a day
MOST_LOOKS = 100  # at results that are still being written


@dataclass(frozen=True)
class BatchTerms:
    """How batches are made and waited for. Money is in USD, time in seconds."""

    is_sending: bool = True  # otherwise what is on its way is collected, and nothing new is sent
    is_waiting: bool = True  # otherwise each batch is looked at once
    budget_usd: float | None = None  # hard stop for all that the journal has paid and may still have to pay
    budget_all_usd: float | None = None  # the same for it and all journals beside it
    validate: Validate = lambda request, completion: None  # what is wrong with an answer as a whole, or None
    most_requests: int | None = None  # in a batch; None: as many as the provider takes
    most_bytes: int | None = None
    first_poll_seconds: float = 5.0  # until the first look at a batch, then longer each time
    longest_poll_seconds: float = 120.0
    settle_seconds: float = 60.0  # after which a batch that the provider does not list was not made
    deadline_seconds: float = 900.0  # for one call with all its retries


async def run_batches(
    requests: Mapping[str, Request],
    batch_api: BatchApi,
    journal: Journal,
    locks: RequestLocks,
    terms: BatchTerms,
    *,
    on_answer: OnAnswer = lambda request, completion: None,
    on_event: Callable[[Waiting], None] = lambda event: None,
) -> None:
    """Collect the batches on their way, send what nobody asks, and wait, until nothing is on its way any more.

    `requests` are all of the run, by key. Without waiting it ends after one round. It may be cancelled at any time: the
    batches go on at the provider, and the next run finds them.

    Raises:
        UnansweredError: some requests have no answer, all others have.
        TeacherError: the provider refused, cannot be reached, cancelled a batch, or the budget is reached.
        ShortfallError: too many of the first answers are invalid.
        LimitError: the journal cannot be written.
    """
    outstanding = Outstanding(journal)
    judge = Judge(requests, outstanding, terms.validate, on_answer)
    await _Run(requests, batch_api, journal, outstanding, locks, terms, judge, on_event).work()


class Judge:
    """Looks at stored answers: those that can be used answer their request, the others are asked for again."""

    def __init__(
        self,
        requests: Mapping[str, Request],
        outstanding: Outstanding,
        validate: Validate,
        on_answer: OnAnswer = lambda request, completion: None,
    ) -> None:
        self._requests, self._outstanding, self._validate, self._on_answer = requests, outstanding, validate, on_answer
        self._seen = 0  # row of the last answer looked at
        self._answers = 0
        self._invalid: list[str] = []

    def look(self) -> None:
        """Look at what was stored since. An answer to a request of another run, with more passages, is left to that."""
        while stored := self._outstanding.unjudged(self._seen):
            self._look_at(stored)

    def _look_at(self, stored: list[tuple[int, str, Completion]]) -> None:
        final: list[tuple[Request, Completion]] = []
        verdicts: dict[str, str | None] = {}
        for row, name, completion in stored:
            self._seen = row
            request = self._requests.get(completion.key)
            if request is not None:
                verdicts[name] = self._verdict(request, completion)
                if verdicts[name] is None:
                    final.append((request, completion))
        self._outstanding.judge(verdicts)
        for request, completion in final:
            self._on_answer(request, completion)

    def trouble(self) -> ShortfallError | None:
        """Return the error for too many invalid answers, or None."""
        if self._answers < EARLY or len(self._invalid) <= EARLY_INVALID * self._answers:
            return None
        shown = "\n".join(f"  {sample}" for sample in self._invalid[:3])
        return ShortfallError(
            f"{len(self._invalid)} of {self._answers} answers are invalid, such as:\n{shown}",
            hint="try another model, or look at the template in prompts/; the answers are in the journal",
        )

    def _verdict(self, request: Request, completion: Completion) -> str | None:
        """Return why an answer has to be asked for again; None where it is final."""
        problem = self._validate(request, completion) if completion.stop_reason in ENDED else None
        self._answers += 1
        if problem is not None:
            self._invalid.append(f"{problem}: {completion.text[:200]}")
        if completion.attempt >= TRIES:
            return None
        if completion.stop_reason == "max_tokens":
            before = self._outstanding.unusable([request.key]).get(request.key, [])
            return None if any(error == CUT for _, error in before) else CUT  # it had twice the room already
        return None if problem is None else f"{INVALID}{problem}"


def after_faults(request: Request, faults: list[tuple[str, str]]) -> Request:
    """A request as it is asked after answers that could not be used."""
    for answer, fault in faults:
        request = asked_again(request, answer, fault)
    return request


@dataclass
class _Run:
    requests: Mapping[str, Request]
    batch_api: BatchApi
    journal: Journal
    outstanding: Outstanding
    locks: RequestLocks
    terms: BatchTerms
    judge: Judge
    on_event: Callable[[Waiting], None]
    done: dict[str, int] = field(default_factory=dict)  # token -> requests that the provider is through with
    writing: Counter[str] = field(default_factory=Counter)  # token -> looks at results that were not there yet
    billed: Counter[str] = field(
        default_factory=Counter
    )  # key -> attempts of this run that are, or may be, on the bill
    failed: dict[str, str] = field(default_factory=dict)  # custom id -> why it has no answer, in the batch being read
    lost: dict[str, str] = field(default_factory=dict)  # the same, of those that may be billed
    collected: int = 0
    fruitless: int = 0  # batches in a row that gave no answer
    unsure: int = 0  # creations in a row that broke off
    most_open: float = math.inf  # batches that the provider takes at once
    error: TeacherError | None = None  # raised when all that is there was collected
    left: dict[str, TeacherError] = field(default_factory=dict)  # key -> why it has no answer and is not sent again

    def __post_init__(self) -> None:
        self.teacher = self.batch_api.teacher
        self.budget = Budget(self.journal, self.locks, self.terms.budget_usd, self.terms.budget_all_usd)
        self.most_requests = self.terms.most_requests or self.batch_api.most_requests
        self.most_bytes = (
            self.terms.most_bytes or self.batch_api.most_bytes
        ) - 64  # for what stands around the requests

    async def work(self) -> None:
        """Send and collect until nothing is on its way."""
        pause = self.terms.first_poll_seconds
        while True:
            self.judge.look()  # what a killed run has stored
            moved = await self.collect()
            if self.error:
                raise self.error
            if self.terms.is_sending:
                moved = await self.send() or moved
            if not self.tell() or not self.terms.is_waiting:
                self.end()
                return
            pause = self.terms.first_poll_seconds if moved else min(pause * BACKOFF, self.terms.longest_poll_seconds)
            await asyncio.sleep(pause)

    def end(self) -> None:
        """Say what has no answer, now that nothing is on its way.

        Raises:
            TeacherError: there is some.
        """
        left = [(self.requests[key], e) for key, e in self.left.items() if key in self.requests]
        if error := unanswered(left, len(self.requests) - len(self.journal.missing(self.requests))):
            raise error

    def tell(self, said: str = "") -> int:
        """Say what is on its way; returns how many batches."""
        batches = self.outstanding.open("batch")
        done = sum(self.done.get(batch.token, 0) for batch in batches)
        self.on_event(Waiting(len(batches), sum(batch.requests for batch in batches), done, said))
        return len(batches)

    async def patiently(
        self, call: Callable[[], Awaitable[T]], again: Callable[[TeacherError], bool] = lambda e: e.retryable
    ) -> T:
        """Retry a call until it works or its error is final, as one is that is no answer a few times."""
        started, failures, unreadable = time.monotonic(), 0, 0
        while True:
            try:
                return await call()
            except TeacherError as e:
                wait, unreadable = wait_seconds(e, failures), unreadable + e.unreadable
                late = time.monotonic() - started + wait > self.terms.deadline_seconds
                if late or unreadable >= TRIES or not again(e):
                    raise
            failures += 1
            await asyncio.sleep(wait)

    # ---- collecting

    async def collect(self) -> bool:
        """Look once at each batch that no other process looks after; returns whether anything happened."""
        moved = False
        for batch in self.outstanding.open("batch"):
            if self.locks.take(batch.token):
                try:
                    now = self.outstanding.find(batch.token)  # another process may have finished it meanwhile
                    moved = (await self.step(now) if now else True) or moved
                finally:
                    self.locks.release(batch.token)
        return moved

    async def step(self, batch: Batch) -> bool:
        """Take a batch one step further, if that can be done now."""
        if batch.state == "filling":  # its run was killed before it sent anything
            self.outstanding.release(batch.token)
            return True
        if batch.place is None:
            return await self.recover(batch)
        place = batch.place
        look = await self.patiently(lambda: self.batch_api.look(place))
        self.done[batch.token] = min(max(0, look.done), batch.requests)
        self.writing[batch.token] += look.is_writing
        if look.ended and look.failure:
            self.turn_down(batch, look)
        elif look.ended:
            before = self.collected
            said = await self.fetch(batch, look.paths)
            self.finish(batch, self.collected - before, said)
        elif time.time() - batch.since > OVERDUE_SECONDS or self.writing[batch.token] > MOST_LOOKS:
            self.error = self.error or TeacherError(
                f"{self.teacher.name}: batch {place} is overdue",
                hint="run the same command again later; or give it up: fingen journal release SET --batches",
            )
        return look.ended

    async def recover(self, batch: Batch) -> bool:
        """Find a batch whose creation broke off, or that it was never made."""
        found = await self.patiently(lambda: self.batch_api.find(batch, self.outstanding.places()))
        if found.id:
            self.outstanding.move(batch.token, "out", found.id)
            self.tell(f"batch {found.id} was sent by a run that broke off; it is taken up again")
            return True
        if found.is_open or time.time() - batch.since <= self.terms.settle_seconds:
            return False
        self.outstanding.release(batch.token)
        return True

    async def fetch(self, batch: Batch, paths: Iterable[str]) -> str:
        """Store what can be read of a batch's results; returns what is wrong with the others, if they stay as they are.

        They are fetched a few times where requests are left without one: it was paid for.
        """
        for failures in range(TRIES):
            self.failed, self.lost, said = {}, {}, ""
            for path in paths:
                said = await self.patiently(lambda path=path: self.read(batch, path)) or said  # type: ignore[misc]  # bound now
            now = self.outstanding.find(batch.token)
            if not said or now is None or now.waiting <= len(self.failed) + len(self.lost):
                return ""
            if failures < TRIES - 1:
                await asyncio.sleep(wait_seconds(TeacherError(said), failures))
        return said

    async def read(self, batch: Batch, path: str) -> str:
        """Store the results that stand at a path, but for those stored before; returns what is wrong with a row, or with all."""
        group: list[Result] = []
        said, number = "", 0
        try:
            async with aclosing(self.batch_api.download(path, batch.requests)) as pieces:
                async for line in lines_of(pieces):
                    number += 1
                    try:
                        group += [read_result(line)] if line.strip() else []
                    except ValueError as e:
                        said = said or self.teacher.mask(f"row {number} of its results: {e}")
                    if len(group) >= GROUP:
                        self.store(group)
                        group = []
        except TeacherError as e:
            if not e.unreadable:
                raise
            said = str(e)
        self.store(group)
        return said

    def store(self, results: list[Result]) -> None:
        """Keep answers on the disk, then look at them. Why there is none is kept until all is read: an answer may follow."""
        held = self.outstanding.keys(result.custom_id for result in results)
        answers: dict[str, Completion] = {}
        for result in results:
            if result.custom_id not in held:
                continue
            if result.payload is None:
                (self.lost if result.is_lost else self.failed)[result.custom_id] = self.teacher.mask(result.error)
                self.stop_for(result, held[result.custom_id])
            else:
                answers[result.custom_id] = build_completion(self.teacher, held[result.custom_id], result)
        self.outstanding.store(answers, {})
        self.billed.update(held[name] for name in answers)
        self.collected += len(answers)
        self.judge.look()

    def stop_for(self, result: Result, key: str) -> None:
        """Leave out what is refused, and stop the run for other failures that are not to be retried."""
        if result.is_final:
            self.left[key] = TeacherError(
                f"{self.teacher.name}: the request was refused: {self.teacher.mask(result.error)}",
                hint="correct what is refused, then run the same command again",
            )
        elif result.error == CANCELED:
            self.error = self.error or TeacherError(
                f"{self.teacher.name}: a batch was canceled at the provider",
                hint="its answers so far are stored; run the same command again to ask the others anew",
            )

    def finish(self, batch: Batch, answers: int, said: str) -> None:
        """End a batch; what has no result that can be read (`said`: why) may be billed, and goes round again."""
        self.outstanding.store({}, self.failed)
        lost = self.outstanding.lose(batch.token, self.lost, said or NO_RESULT, self.teacher.name)
        self.billed.update(lost)
        left = self.outstanding.finish(batch.token, NO_RESULT)
        if said:
            self.tell(f"batch {batch.place}: {len(lost)} results cannot be read: {said}")
        failed = batch.waiting - answers
        self.tell(f"batch {batch.place} ended: {answers} answers" + (f", {failed} without one" if failed else ""))
        self.fruitless = self.fruitless + 1 if batch.waiting and not answers else 0
        if self.fruitless >= FRUITLESS:
            why = ", ".join(f"{count} {why}" for why, count in self.outstanding.failures().items())
            self.error = self.error or TeacherError(
                f"{self.teacher.name}: {self.fruitless} batches in a row gave no answer: {why or left}",
                hint="run the same command again later, or without --batch",
            )

    def turn_down(self, batch: Batch, look: Look) -> None:
        """Handle a batch that failed as a whole. Where the provider's queue is full, fewer requests are sent next time."""
        self.outstanding.finish(batch.token, look.failure)
        others = sum(other.place is not None for other in self.outstanding.open("batch"))
        if not look.queue_is_full or (batch.requests == 1 and not others):
            self.error = self.error or TeacherError(
                f"{self.teacher.name}: batch {batch.place} was turned down: {look.failure}",
                hint="correct what it says, then run the same command again; nothing was billed for it",
            )
            return
        self.most_open = max(1, others)
        if not others:
            self.most_requests = max(1, batch.requests // 2)
        self.tell(f"batch {batch.place} did not fit into the provider's queue: {look.failure}")

    # ---- sending

    async def send(self) -> bool:
        """Send what nobody asks, as far as the budget and the provider allow; returns whether anything was sent."""
        missing = [key for key in self.journal.unasked(self.requests) if key not in self.left]
        why = ", ".join(f"{count} {why}" for why, count in self.outstanding.failures().items())
        for key in missing:
            if self.billed[key] >= TRIES:
                self.left[key] = TeacherError(
                    f"{self.teacher.name}: no usable answer in {TRIES} attempts that may all be billed: {why}",
                    hint="run the same command again to go on; what was answered is kept",
                )
        missing = [key for key in missing if key not in self.left]
        unusable = self.outstanding.unusable(missing)
        queue = deque(after_faults(self.requests[key], unusable.get(key, [])) for key in missing)
        trouble = self.judge.trouble()
        if queue and trouble:
            raise trouble
        if not self.budget.take():
            return False  # another process spends: what is left of the budget is not known yet
        try:
            return await self.send_all(queue)
        finally:
            self.budget.release()

    async def send_all(self, queue: deque[Request]) -> bool:
        """Send what is in the queue, batch by batch."""
        sent = False
        while queue and (on_way := len(self.outstanding.open("batch"))) < self.most_open:
            if self.worst_usd(queue[0]) > self.free_usd():
                if not on_way:
                    raise self.budget.reached(self.journal.paid_usd(), self.worst_usd(queue[0]))
                break  # what is on its way may turn out to cost less
            sent = await self.send_one(queue) or sent
        return sent

    async def send_one(self, queue: deque[Request]) -> bool:
        """Fill one batch from the queue and send it; False where others ask all of it."""
        token = self.outstanding.begin("batch")
        self.locks.take(token)
        try:
            entries = self.fill(token, queue)
            if not entries:
                self.outstanding.release(token)
                return False
            await self.create(token, entries)
            return True
        finally:
            self.locks.release(token)

    def fill(self, token: str, queue: deque[Request]) -> list[bytes]:
        """Hold what goes into a batch, and put it into the provider's form."""
        entries: list[bytes] = []
        group: dict[str, tuple[OutstandingRequest, bytes]] = {}

        def hold() -> None:
            held = hold_claimed([item for item, _ in group.values()], token, self.outstanding, self.locks)
            entries.extend(group[item.custom_id][1] for item in held)
            group.clear()

        for item, entry in self.fitting(token, queue):
            group[item.custom_id] = item, entry
            if len(group) >= GROUP:
                hold()
        hold()
        return entries

    def fitting(self, token: str, queue: deque[Request]) -> Iterator[tuple[OutstandingRequest, bytes]]:
        """Take from the queue what fits into one batch by number, bytes and money."""
        count, room, money = 0, self.most_bytes, self.free_usd()
        while queue and count < self.most_requests:
            item = OutstandingRequest(
                custom_id(queue[0].key, token), queue[0], self.teacher.worst_usd(queue[0], batch=True)
            )
            entry = self.batch_api.entry(item.custom_id, item.request)
            if (count and len(entry) > room) or (item.worst_usd or 0.0) > money:
                return
            count, room, money = count + 1, room - len(entry), money - (item.worst_usd or 0.0)
            queue.popleft()
            yield item, entry

    async def create(self, token: str, entries: list[bytes]) -> None:
        """Send a batch. Where it is not clear whether that worked, nothing is sent again before it is."""
        count = len(entries)
        uploaded = await self.patiently(lambda: self.batch_api.upload(token, entries))
        entries.clear()
        self.outstanding.move(token, "sending")
        try:
            # Only a plain "too much" says for certain that nothing was made, and may be tried again at once.
            place = await self.patiently(lambda: self.batch_api.create(token, uploaded), lambda e: e.limited)
        except TeacherError as e:
            if e.limited or not e.retryable:
                self.outstanding.release(token)
                raise
            self.outstanding.move(token, "sending")  # its time to settle starts now
            self.unsure += 1
            if self.unsure >= TRIES or not self.terms.is_waiting:
                raise
            return
        self.unsure = 0
        self.outstanding.move(token, "out", place)
        self.tell(f"batch {place} sent: {count} requests")

    # ---- money

    def worst_usd(self, request: Request) -> float:
        """The most that a request can cost in a batch; 0 where the price is not known."""
        return self.teacher.worst_usd(request, batch=True) or 0.0

    def free_usd(self) -> float:
        """What is left of the budget when all that is on its way costs its worst."""
        if not self.budget.is_limited:
            return math.inf
        return self.budget.usd - self.journal.paid_usd() - self.journal.reserved_usd()
