"""Work in portions, side by side: in processes of this machine, or as tasks of Ray. What comes of it is the same as here.

A portion is worked by a function of what all portions share and the portion, which looks at nothing else and writes nothing. So it can
be worked anywhere, and where its process is lost, or cannot do it, once more in this one, which says what is wrong.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from multiprocessing import Pipe
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, TypeVar

from fingen import __version__
from fingen.disk import sha256_text
from fingen.documents.workers import connect, ignore_endings, start_apart
from fingen.wire import bare_environment, cluster_address

Given = TypeVar("Given")
Portion = TypeVar("Portion")
Result = TypeVar("Result")
Work = Callable[[Given, Portion], Result]  # of a module: it is known by its name elsewhere

OWN_SECONDS = 3.0  # of work that are worth processes of our own: each takes one to start
RAY_SECONDS = 20.0  # that are worth Ray


@dataclass(frozen=True)
class Parallel:
    """Where the portions of a work go: so many processes, or the engine that was named. By default all is done here."""

    workers: int = 1
    engine: str | None = None
    say: Callable[[str], None] = lambda text: None  # what went otherwise

    def run(
        self, work: Work[Given, Portion, Result], given: Given, portions: Sequence[Portion], *, seconds: float
    ) -> Iterator[tuple[int, Result]]:
        """What comes of each portion, with its place among them, as they are done. The first ones are begun first.

        `seconds`: of a processor that all of it may take. What takes few is done here.

        Raises:
            UsageError: the engine cannot be started or reached; ShortfallError: it had nothing left to work with.
        """
        left = dict.fromkeys(range(len(portions)))
        if portions and self._is_worth(seconds):
            count = min(self.workers, len(portions))
            apart = _in_processes if self.engine is None else partial(_on_ray, cluster_address(self.engine))
            with closing(apart(work, given, portions, count)) as done:
                for at, result in done:
                    del left[at]
                    yield at, result
            if left:
                self.say(
                    f"what worked beside this process ended: {len(left)} of {len(portions)} portions are done here"
                )
        for at in left:
            yield at, work(given, portions[at])

    def _is_worth(self, seconds: float) -> bool:
        return seconds >= RAY_SECONDS if self.engine else self.workers > 1 and seconds >= OWN_SECONDS


def _on_ray(
    address: str, work: Work[Given, Portion, Result], given: Given, portions: Sequence[Portion], count: int
) -> Generator[tuple[int, Result]]:
    from fingen.documents.on_ray import run_on_ray  # only who names it has any of it

    shared = (work, given, made_by())
    for at, (kind, value) in run_on_ray(_work_there, shared, portions, address=address, workers=count):
        if kind == "done":
            yield at, value


def _work_there(portion: Any, work: Work[Any, Any, Any], given: Any, made: str) -> Iterator[tuple[str, Any]]:
    """Work a portion in a worker of Ray, and tell it."""
    if made != made_by():
        hint = "install the same fingen on each machine of the cluster, with the same libraries"
        yield "usage", (f"a machine of the cluster checks otherwise: {made_by()} there, {made} here", hint)
        return
    yield "done", work(given, portion)


@cache
def made_by() -> str:
    """Name the code and the libraries that work."""
    package = Path(__file__).parent
    code = sha256_text(*(path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))))
    return f"fingen {__version__} ({code[:12]}), rapidfuzz {version('rapidfuzz')}, pydantic {version('pydantic')}"


# --- processes of this machine -----------------------------------------------------------------------------------------


class _Worker:
    """A process that works one portion after the other."""

    def __init__(self, shared: Any) -> None:
        self.pipe, there = Pipe()
        self.at = 0  # which it has
        with there:
            quiet: dict[str, Any] = {"stderr": subprocess.DEVNULL, "env": bare_environment()}
            self.process = start_apart(there, f"{__name__}:serve", **quiet)
        with suppress(OSError):  # it died at once: `goes_on` will see
            self.pipe.send_bytes(shared)

    def goes_on(self, waiting: Iterator[tuple[int, Any]]) -> bool:
        """Give it the next portion; says whether it has one."""
        try:
            self.at, portion = next(waiting)
            self.pipe.send(portion)
        except (StopIteration, OSError):  # there is none, or it died
            return False
        return True

    def end(self) -> None:
        """End it."""
        self.pipe.close()
        self.process.kill()  # it hears nothing less
        self.process.wait()


def _in_processes(
    work: Work[Given, Portion, Result], given: Given, portions: Sequence[Portion], count: int
) -> Generator[tuple[int, Result]]:
    shared, waiting, workers = ForkingPickler.dumps((work, given)), iter(enumerate(portions)), list[_Worker]()
    try:
        while len(workers) < count:
            workers.append(_Worker(shared))  # each is known as soon as it is there: the next one may be interrupted
        at_work = {worker.pipe: worker for worker in workers if worker.goes_on(waiting)}
        while at_work:
            for pipe in wait([*at_work]):
                worker = at_work.pop(pipe)  # type: ignore[call-overload]  # of those that were given
                try:
                    done = worker.at, worker.pipe.recv()
                except (EOFError, OSError):  # it is gone
                    continue
                if worker.goes_on(waiting):
                    at_work[worker.pipe] = worker
                yield done
    finally:
        for worker in workers:
            worker.end()


def serve(handle: int) -> None:
    """Work portions until the pipe closes. What ends a run is the parent's business."""
    ignore_endings()
    pipe = connect(handle)
    with suppress(EOFError, OSError):  # the parent is gone
        work, given = pipe.recv()
        while True:
            pipe.send(work(given, pipe.recv()))
