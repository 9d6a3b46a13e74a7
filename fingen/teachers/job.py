"""A job: what is asked of a teacher, what that may cost, and asking it live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fingen.config import Asking
from fingen.disk import dump_json
from fingen.errors import TeacherError, UsageError
from fingen.events import Estimate
from fingen.records import Request, Usage, request_key
from fingen.sets import JOURNAL
from fingen.teachers import prices
from fingen.teachers.asked import Requests, keys_of
from fingen.teachers.base import Provider, Teacher
from fingen.teachers.budgets import paid_beside
from fingen.teachers.dispatch import TRIES, OnAnswer, Terms, Validate, dearest, dispatch
from fingen.teachers.event_loop import run_async
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks
from fingen.teachers.servers import is_failing
from fingen.text import estimate_tokens

SENT_BACK = 0.25  # of the answers have an item that goes back, about


@dataclass
class Job:
    """What is asked of a teacher for a set, and how."""

    teacher: Teacher
    asking: Asking
    out: Path  # the folder of the set
    validate: Validate  # what is wrong with an answer as a whole, or None
    item_tokens: int  # of an answer, for one item, about
    found_by: str | None = None  # the variable of the key that the teacher was found by, where nobody named it
    repairs: int = 0  # times that an answer may go back to be mended
    requests: list[Request] | Requests = field(default_factory=list)
    masked: Counter[str] = field(default_factory=Counter)  # kind of personal data -> marks in its place in the requests
    identity: dict[str, Any] = field(default_factory=dict)  # the settings that the first answer binds the set to


def build_chat(
    teacher: str, task: str, system: str, turns: Sequence[Mapping[str, str]], question: str, max_tokens: int
) -> Request:
    """A question in free words, after what was said before it.

    Raises:
        UsageError: the turns are no questions and answers in turn, which providers do not take.
    """
    if [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise UsageError(
            "what was said before a question is no questions and answers in turn", hint="leave such rows out"
        )
    said = (*(turn["content"] for turn in turns), question)
    return Request(
        key=request_key(teacher, system, said[0] if len(said) == 1 else dump_json(said), {}), task=task, template="",
        system=system, prompt=said[0], follow_ups=said[1:], answer_schema={}, max_tokens=max_tokens, count=1,
    )  # fmt: skip


def require_keys(asking: Asking, *jobs: Job) -> None:
    """Find a key that is missing before anything is read, where something will be asked for certain.

    A set that has a journal may have all its answers: then no key is needed.

    Raises:
        TeacherError: there is none.
    """
    if asking.dry_run or asking.export_requests or asking.import_answers:
        return
    for job in jobs:
        if isinstance(job.teacher, Provider) and not (job.out / JOURNAL).is_file():
            job.teacher.require_key()


def check_teacher(job: Job) -> str | None:
    """Find what would fail before anything is paid for; returns a warning.

    Raises:
        TeacherError: no key, a wrong one, an unknown or ended model.
        UsageError: a budget for a model whose price is not known.
    """
    teacher = job.teacher
    if not isinstance(teacher, Provider):
        return None
    limits = {"--budget": job.asking.budget_usd, "--budget-all (FINGEN_BUDGET)": job.asking.budget_all_usd}
    given = [name for name, limit in limits.items() if limit is not None]
    if given and job.requests and teacher.worst_usd(job.requests[0]) is None:
        raise UsageError(
            f"{given[0]}: the price of {teacher.name} is not known",
            hint=f"{prices.meant(teacher.name)} give it: --price IN,OUT (USD per million tokens)".strip(),
        )
    return run_async(_checked(teacher))


async def _checked(teacher: Provider) -> str | None:
    """Check all servers of a teacher; those that do not answer now are asked later, if another one answers."""
    try:
        found = await asyncio.gather(*(server.check() for server in teacher.servers), return_exceptions=True)
    finally:
        await teacher.close()
    errors = [each for each in found if isinstance(each, BaseException)]
    final = [each for each in errors if not isinstance(each, TeacherError) or not is_failing(each)]
    if errors and (final or len(errors) == len(found)):
        raise _all_of(final or errors)
    told = [f"{each}; the others are asked" if isinstance(each, TeacherError) else each for each in found if each]
    return "; ".join(map(str, told)) or None


def _all_of(errors: list[BaseException]) -> BaseException:
    """One error that says what several servers did, each by its name; the first one, where it is of another kind."""
    said = [each for each in errors if isinstance(each, TeacherError)]
    if len(said) < 2 or said[0] is not errors[0]:
        return errors[0]
    hints = dict.fromkeys(each.hint for each in said if each.hint)
    return TeacherError("; ".join(dict.fromkeys(map(str, said))), retryable=said[0].retryable, hint="; ".join(hints))


def ask_live(
    job: Job,
    wanted: set[str],
    journal: Journal,
    locks: RequestLocks,
    on_answer: OnAnswer,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Ask, now, those of the requests that are wanted and that no other process is asking; `say` is told of servers that fail."""
    run_async(_ask_once(job, wanted, journal, locks, on_answer, say))


async def _ask_once(
    job: Job,
    wanted: set[str],
    journal: Journal,
    locks: RequestLocks,
    on_answer: OnAnswer,
    say: Callable[[str], None],
) -> None:
    requests = (request for request in job.requests if request.key in wanted)
    try:
        await dispatch(requests, job.teacher, journal, locks, _terms(job, say), on_answer=on_answer)
    finally:
        if isinstance(job.teacher, Provider):
            await job.teacher.close()


def _terms(job: Job, say: Callable[[str], None]) -> Terms:
    asking, teacher = job.asking, job.teacher
    return Terms(
        concurrency=1 if teacher.name == "offline" else asking.concurrency,
        rpm=asking.rpm,
        tpm=asking.tpm,
        budget_usd=asking.budget_usd,
        budget_all_usd=asking.budget_all_usd,
        worst_usd=teacher.worst_usd if isinstance(teacher, Provider) else lambda request: None,
        validate=job.validate,
        say=say,
    )


def estimate(job: Job, *, missing: set[str] | None, batch: bool = False) -> Estimate:
    """What the requests that are `missing` (None: all) would send and cost, now or in a batch."""
    requests = _Some(job.requests, missing)
    count = items = tokens = 0
    for request in requests:
        count, items = count + 1, items + request.count
        tokens += _shared_tokens(request) + estimate_tokens(request.prompt)
    return Estimate(
        teacher=job.teacher.name,
        requests=count,
        from_journal=len(job.requests) - count,
        pairs=items,
        input_tokens=tokens,
        output_tokens=items * job.item_tokens,
        usd=_estimate_usd(job, requests, batch=batch),
        batch_usd=_estimate_usd(job, requests, batch=True),
        batch=batch,
        masked=dict(sorted(job.masked.items())),
        found_by=job.found_by,
        budget_all_usd=job.asking.budget_all_usd,
        beside_usd=None if job.asking.budget_all_usd is None else paid_beside(job.out),
    )


def expected_usd(job: Job, batched: set[str]) -> float | None:
    """What all requests were expected to cost, those in `batched` at the price of a batch; None if unknown."""
    alone = set(keys_of(job.requests)) - batched
    parts = {True: _Some(job.requests, batched), False: _Some(job.requests, alone)}
    costs = [_estimate_usd(job, requests, batch=batch) for batch, requests in parts.items()]
    return None if None in costs else sum(cost[1] for cost in costs if cost)


@dataclass(frozen=True)
class _Some:
    """Those of the requests whose keys are wanted (None: all), as often as they are gone through."""

    requests: Iterable[Request]
    keys: Set[str] | None

    def __iter__(self) -> Iterator[Request]:
        return (request for request in self.requests if self.keys is None or request.key in self.keys)


def _estimate_usd(job: Job, requests: Iterable[Request], *, batch: bool) -> tuple[float, float, float] | None:
    """Low: every shared prompt read from the cache and short answers. Expected: no cache.

    Most: the worst case of every attempt that a run makes, each in its dearest form. What goes back to be mended is in
    both of them.
    """
    teacher = job.teacher
    if not isinstance(teacher, Provider):
        return (0.0, 0.0, 0.0)
    low = expected = most = 0.0
    for request in requests:
        shared, own, answer = _shared_tokens(request), estimate_tokens(request.prompt), request.count * job.item_tokens
        cached = Usage(input_tokens=own, cache_read_tokens=shared, output_tokens=answer // 2)
        costs = (
            teacher.cost_usd(cached, batch=batch),
            teacher.cost_usd(Usage(input_tokens=own + shared, output_tokens=answer), batch=batch),
            teacher.worst_usd(dearest(request), batch=batch),
        )
        back = teacher.cost_usd(
            Usage(input_tokens=own + shared + answer + job.item_tokens, output_tokens=job.item_tokens), batch=batch
        )
        if None in costs:
            return None
        low += costs[0] or 0.0
        expected += (costs[1] or 0.0) + job.repairs * SENT_BACK * (back or 0.0)
        most += (1 + job.repairs) * TRIES * (costs[2] or 0.0)
    return low, expected, most


def _shared_tokens(request: Request) -> int:
    return estimate_tokens(request.system) + estimate_tokens(dump_json(request.answer_schema))
