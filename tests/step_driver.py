"""Runs a command in a process of its own, and kills it, as SIGKILL would, before a chosen step.

A step is a transaction of the journal, a claim, or a file that takes its place.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from click.testing import CliRunner
from readers import read_here

from fingen import cli
from fingen.pipeline import reading
from fingen.teachers import batch_files
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks

PRELOAD = [
    "step_driver",
    "fingen.cli.pdf2qa",
    "fingen.cli.progress",
    "fingen.pipeline.pdf2qa",
    "fingen.teachers.openai",
]


def drive(folder: str, arguments: list[str], chosen: int) -> None:
    """What a child process does."""
    os.chdir(folder)
    os.environ["OPENAI_API_KEY"] = "sk-for-tests"
    reading.read_documents = read_here
    batch_files.GROUP = 1  # requests or answers in a transaction
    steps = count()

    def step() -> None:
        if next(steps) == chosen:
            os.kill(os.getpid(), signal.SIGKILL)

    transaction = Journal.transaction

    @contextmanager
    def stepping(self: Journal) -> Iterator[Connection]:
        step()
        with transaction(self) as db:
            yield db

    Journal.transaction = stepping  # type: ignore[method-assign]
    RequestLocks.take = _behind(step, RequestLocks.take)  # type: ignore[method-assign]
    Path.replace = _behind(step, Path.replace)  # type: ignore[method-assign]
    os._exit(CliRunner().invoke(cli.main, arguments, prog_name="fingen").exit_code)


def _behind(step: Callable[[], None], method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def stepping(*arguments: Any) -> Any:
        step()
        return method(*arguments)

    return stepping


def run_until(folder: Path, arguments: list[str], chosen: int) -> bool:
    """Run the command in a folder; whether it was killed at its step number `chosen`, from 0, before it ended well."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=drive, args=(str(folder), arguments, chosen))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0
