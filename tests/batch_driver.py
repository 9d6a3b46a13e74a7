"""Runs batches in a process of its own, and kills it, as SIGKILL would, before or after a chosen step."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from fingen.records import Request, request_key
from fingen.tasks.documents import whole_problem
from fingen.tasks.qa import answer_schema
from fingen.teachers.anthropic import Anthropic
from fingen.teachers.batch_apis import open_batch_api
from fingen.teachers.batches import BatchTerms, run_batches
from fingen.teachers.journal import Journal
from fingen.teachers.openai import OpenAI
from fingen.teachers.request_locks import RequestLocks

MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}
FAST = {"first_poll_seconds": 0.02, "longest_poll_seconds": 0.05, "settle_seconds": 0.15}
PRELOAD = ["fingen.teachers.anthropic", "fingen.teachers.openai", "fingen.teachers.batches", "fingen.tasks.qa"]

Teacher = Anthropic | OpenAI
Kill = tuple[str, int]  # commit or call, before or after, and the how manieth: ("before commit", 3)


def make_teacher(kind: str, url: str, **options: Any) -> Teacher:
    if kind == "anthropic":
        return Anthropic(MODELS[kind], base_url=url, **options)
    return OpenAI(MODELS[kind], base_url=f"{url}/v1", **options)


def make_requests(amount: int, name: str = "passage", system: str = "You write questions.") -> dict[str, Request]:
    found = {}
    for number in range(amount):
        prompt, schema = f"{name} {number}", answer_schema()
        key = request_key("teacher", system, prompt, schema)
        found[key] = Request(key=key, task="qa-concept", template="concept.en", system=system, prompt=prompt,
                             answer_schema=schema, max_tokens=4096, count=2)  # fmt: skip
    return found


def run(teacher: Teacher, folder: Path, requests: dict[str, Request], **terms: Any) -> None:
    """One run, to its end."""
    event = terms.pop("on_event", lambda waiting: None)
    on_answer = terms.pop("on_answer", lambda request, completion: None)

    async def work(journal: Journal, locks: RequestLocks) -> None:
        chosen = BatchTerms(**{**FAST, "validate": whole_problem, **terms})
        try:
            await run_batches(
                requests, open_batch_api(teacher), journal, locks, chosen, on_answer=on_answer, on_event=event
            )
        finally:
            await teacher.close()

    with Journal.open(folder / "journal.sqlite") as journal, RequestLocks(folder / ".claims") as locks:
        asyncio.run(work(journal, locks))


def drive(kind: str, url: str, folder: Path, amount: int, name: str, kill: Kill | None, terms: dict[str, Any]) -> None:
    """What a child process does."""
    os.environ.update(dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY"), "sk-for-tests"))
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(proxy, None)
        os.environ.pop(proxy.lower(), None)
    teacher = make_teacher(kind, url, price=terms.pop("price", None))
    if kill:
        _kill_at(teacher, kill)
    run(teacher, folder, make_requests(amount, name), **terms)


def start(*args: Any) -> Any:
    """`drive` in a child of a server that has everything imported: it runs within a few hundredths of a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=drive, args=args)
    process.start()
    return process


def _kill_at(teacher: Any, kill: Kill) -> None:
    place, chosen = kill
    when, what = place.split()
    steps = count()

    def step(now: str) -> None:
        if now == when and next(steps) == chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    if what == "call":
        teacher.call = _stepping(teacher.call, step)
        return
    transaction = Journal.transaction

    @contextmanager
    def stepping(self: Journal) -> Iterator[Connection]:
        step("before")
        with transaction(self) as db:
            yield db
        step("after")

    Journal.transaction = stepping


def _stepping(call: Callable[..., Any], step: Callable[[str], None]) -> Callable[..., Any]:
    async def stepping(*args: Any, **options: Any) -> Any:
        step("before")
        answer = await call(*args, **options)
        step("after")
        return answer

    return stepping
