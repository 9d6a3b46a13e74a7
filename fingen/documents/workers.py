"""Reading many files in worker processes, behind limits, so that no file can hang or kill the run.

A worker is a plain child that imports this module alone: not the caller's script, which may be anything, and nothing
from the working directory, where the reports of others may lie.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fingen.config import ReadSettings
from fingen.errors import Cause, DocumentError, FingenError, UsageError
from fingen.records import Document

MOST_LOADED = 2 << 30  # bytes of address space that the library of a reader may take
ORDINARY_PAGE = 0.05  # CPU seconds that a file may take for each page, whatever its others take
ENDINGS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
SLOW = {
    getattr(signal, name, number) for name, number in (("SIGXCPU", 24), ("SIGPROF", 27))
}  # what ends a reader out of time
WALL_FACTOR = 12  # seconds of wall clock a page may take for each CPU second: a busy machine is not a hanging file
_START = "import sys; sys.path += sys.argv[2:]; from {} import {}; {}(int(sys.argv[1]))"
_MEMORY_HINT = "split the file, or read it alone on a machine with more memory"


@dataclass(frozen=True)
class InputFile:
    """A file to read and the name its document gets."""

    path: Path
    name: str


@dataclass(frozen=True)
class Progress:
    """Worker news: `page` of `pages` of a source is being read. `note` is a line to say."""

    source: InputFile
    page: int
    pages: int
    note: str = ""


@dataclass
class _Job:
    source: InputFile
    skip: frozenset[int] = frozenset()
    why: Cause = Cause.TOO_SLOW  # of the pages to skip
    lost: int = 0  # how often a page took its reader along
    was_killed: bool = False  # from outside, once: no page's fault

    def without(self, page: int, pages: int, why: Cause, most: int) -> _Job | None:
        """The same without a page that cannot be read; from the `most`-th on without those after it, which are not tried."""
        if not page or self.lost > most:
            return None
        rest = range(page, pages + 1) if self.lost == most else (page,)
        return replace(self, skip=self.skip.union(rest), why=why, lost=self.lost + 1)


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    job: _Job | None = None
    page: int = 0
    pages: int = 0
    news: float = field(default_factory=time.monotonic)


def read_documents(sources: Sequence[InputFile], reading: ReadSettings, *, workers: int,
                   cache: Path | None = None) -> Iterator[Progress | Document | DocumentError]:  # fmt: skip
    """Read files in `workers` processes; yields news, and one document or error for each source, as they come.

    Raises:
        UsageError: OCR was asked for and is not installed, or documents.yaml is wrong.
    """
    pool = _Pool(reading, cache)
    try:
        yield from pool.run(sources, min(workers, len(sources)))
    finally:
        pool.stop()


class _Pool:
    """Workers, each with one job at a time, biggest file first. A worker that dies takes only its job with it."""

    def __init__(self, reading: ReadSettings, cache: Path | None) -> None:
        self._reading, self._cache = reading, cache
        self._workers: list[_Worker] = []
        seconds = reading.ocr_page_seconds if reading.ocr else reading.page_seconds
        self._patience = WALL_FACTOR * seconds

    def run(self, sources: Sequence[InputFile], count: int) -> Iterator[Progress | Document | DocumentError]:
        jobs = deque(_Job(source) for source in sorted(sources, key=_size, reverse=True))
        left = len(jobs)
        while left:
            while jobs and (idle := self._idle(count)):
                self._give(idle, jobs)
            for worker in self._with_news():
                outcome = self._outcome(worker, jobs)
                if outcome is not None:
                    left -= not isinstance(outcome, Progress)
                    yield outcome

    def _give(self, worker: _Worker, jobs: deque[_Job]) -> None:
        job = jobs[0]
        try:
            worker.pipe.send((job.source, job.skip, job.lost))
        except OSError:  # it died between two files
            self._workers.remove(worker)
            self._end(worker)
            return
        worker.job, worker.page, worker.pages, worker.news = jobs.popleft(), 0, 0, time.monotonic()

    def stop(self) -> None:
        for worker in self._workers:
            self._end(worker)
        self._workers.clear()

    def _idle(self, count: int) -> _Worker | None:
        for worker in self._workers:
            if worker.job is None:
                return worker
        if len(self._workers) == count:
            return None
        here, there = Pipe()
        with there:
            worker = _Worker(start_apart(there, f"{__name__}:serve"), here)
        self._workers.append(worker)
        with contextlib.suppress(OSError):  # it died at once: `_give` will see
            here.send((self._reading, self._cache))
        return worker

    def _with_news(self) -> list[_Worker]:
        busy = [worker for worker in self._workers if worker.job]
        ready = wait([worker.pipe for worker in busy], timeout=1.0)
        late = time.monotonic() - self._patience
        return [worker for worker in busy if worker.pipe in ready or worker.news < late]

    def _outcome(self, worker: _Worker, jobs: deque[_Job]) -> Progress | Document | DocumentError | None:
        job = worker.job
        assert job is not None
        try:
            if not worker.pipe.poll():
                worker.process.kill()
                return self._died(worker, job, jobs, hung=True)
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            return self._died(worker, job, jobs, hung=False)
        worker.news = time.monotonic()
        if kind == "page":
            worker.page, worker.pages = value
            return Progress(job.source, *value) if worker.page else None
        if kind == "note":
            return Progress(job.source, worker.page, worker.pages, value)
        worker.job = None
        if kind == "failed" and value[0] == Cause.TOO_LARGE:
            self._workers.remove(worker)  # what it took it does not give back: the next file gets a fresh one
            self._end(worker)
            again = job.without(value[2] or 0, worker.pages, Cause.TOO_LARGE, self._reading.slow_pages)
            if again:
                jobs.append(again)
                return None
            value = (
                Cause.TOO_LARGE,
                value[1] or "more memory than a reader may take",
                value[2],
                value[3] or _MEMORY_HINT,
            )
        elif kind == "failed" and value[0] == Cause.TOO_SLOW and job.why is Cause.TOO_LARGE:
            value = (Cause.TOO_LARGE, "more memory than a reader may take", value[2], _MEMORY_HINT)
        if kind == "usage":
            raise UsageError(value[0], hint=value[1])
        return value if kind == "done" else _error(job, *value)

    def _died(self, worker: _Worker, job: _Job, jobs: deque[_Job], *, hung: bool) -> DocumentError | None:
        """A dead worker: its page was too slow or crashed the reader. Try the file again without that page, once or so."""
        self._workers.remove(worker)
        code, page = worker.process.wait(), worker.page
        self._end(worker)
        if code == -signal.SIGKILL and not hung and not job.was_killed:
            jobs.append(replace(job, was_killed=True))
            return None
        again = job.without(page, worker.pages, Cause.TOO_SLOW, self._reading.slow_pages)
        if again:
            jobs.append(again)
            return None
        slow = hung or -code in SLOW
        if slow:
            return _error(job, Cause.TOO_SLOW, f"reading took more than {self._reading.page_seconds:g} CPU seconds", page or None,
                          "remove the page, or print the file to a new PDF")  # fmt: skip
        if code == -signal.SIGKILL:
            return _error(job, Cause.TOO_LARGE, "the system ended the reader", page or None, _MEMORY_HINT)
        return _error(job, Cause.CRASHED, f"exit code {code}", page or None, "print the file to a new PDF")

    def _end(self, worker: _Worker) -> None:
        worker.pipe.close()
        worker.process.kill()  # it hears nothing less
        worker.process.wait()


def start_apart(pipe: Connection, entry: str) -> subprocess.Popen[bytes]:
    """Start a process that calls MODULE:FUNCTION with the other end of a pipe; what ends a run does not reach it."""
    handle, (module, _, function) = pipe.fileno(), entry.partition(":")
    start = _START.format(module, function, function)
    options: dict[str, Any] = {"pass_fds": (handle,)}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        options = {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})}
    encoding = ["-X", "utf8"] if sys.flags.utf8_mode else []
    with _interrupts_held():
        return subprocess.Popen(
            [sys.executable, "-I", *encoding, "-c", start, str(handle), *_import_folders()],
            stdin=subprocess.DEVNULL,  # the caller's script may stand there
            stdout=subprocess.DEVNULL,  # and a summary there
            **options,
        )


def _import_folders() -> list[str]:
    """Where this process imports from, for workers to look at last: without the script's folder and the working directory.

    The folder of this package is among them in any case.
    """
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    left_out = {Path.cwd(), *([Path(main).resolve().parent] if main else [])}
    folders = [Path(entry).resolve() for entry in sys.path if entry]
    return [str(Path(__file__).resolve().parents[2]), *(str(folder) for folder in folders if folder not in left_out)]


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start children that never see what ends a run: they inherit the mask, and the parent ends them in good order."""
    if not hasattr(signal, "pthread_sigmask"):
        yield  # Windows: the child ignores it once it has started
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _error(job: _Job, reason: Cause, detail: str, page: int | None, hint: str) -> DocumentError:
    return DocumentError(job.source.name, reason, detail, page=page, hint=hint)


def _size(source: InputFile) -> int:
    try:
        return source.path.stat().st_size
    except OSError:
        return 0  # reading it will say why


# --- in the worker -----------------------------------------------------------------------------------------------------


def serve(handle: int) -> None:
    """Read files until the pipe closes. What ends a run is the parent's business, also where it goes to all its processes."""
    ignore_endings()
    pipe = connect(handle)
    try:
        reading, cache = pipe.recv()
    except (EOFError, OSError):  # the parent is gone
        return
    from fingen.documents.read import load_reader, read_document  # what readers import is paid for in the worker alone

    limits = Limits(reading)

    def started(page: int, pages: int) -> bool:
        pipe.send(("page", (page, pages)))
        return limits.renew() if page else limits.renew(pages * ORDINARY_PAGE)

    def tell(text: str) -> None:
        pipe.send(("note", text))

    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while True:
            source, skip, lost = pipe.recv()
            limits.beyond(partial(load_reader, source.path))
            limits.start(lost)
            read = partial(
                read_document, source.path, source.name, reading, cache=cache, skip=skip, started=started, tell=tell
            )
            pipe.send(answer_of(read))
            gc.collect()


def ignore_endings() -> None:
    """Let what ends a run pass: a child is ended by its parent."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)


def connect(handle: int) -> Connection:
    """Open the end of a pipe that the parent gave."""
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(handle)
    return Connection(handle)


def answer_of(read: Callable[[], Any]) -> tuple[str, Any]:
    """What a child tells of something that may fail: "done" and what came, "failed" or "usage" and why."""
    try:
        return "done", read()
    except DocumentError as e:
        return "failed", (e.reason, e.detail, e.page, e.hint)
    except FingenError as e:
        return "usage", (str(e), e.hint)
    except MemoryError:
        return "failed", (Cause.TOO_LARGE, "more memory than a reader may take", None, _MEMORY_HINT)


class Limits:
    """CPU seconds for each page and memory for the process, kept by the kernel; CPU seconds for a whole file.

    Without the module `resource` (Windows) only the parent's clock guards the run.
    """

    def __init__(self, reading: ReadSettings) -> None:
        self._seconds = reading.ocr_page_seconds if reading.ocr else reading.page_seconds
        self._of_file = math.inf if reading.ocr else reading.file_seconds
        self._end = math.inf
        try:
            import resource
        except ImportError:
            self._resource: Any = None
            return
        self._resource = resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a reader that is ended leaves no core file
        self._memory = _address_space() + (reading.ocr_memory_bytes if reading.ocr else reading.memory_bytes)
        self._keep(self._memory)

    def _keep(self, memory: int) -> None:
        """Let the process have so much address space, or all that it may have."""
        _, hard = self._resource.getrlimit(self._resource.RLIMIT_AS)
        if hard == self._resource.RLIM_INFINITY or memory < hard:
            self._resource.setrlimit(self._resource.RLIMIT_AS, (memory, hard))

    def beyond(self, load: Callable[[], object]) -> None:
        """Have something loaded whose memory does not count: it is of no file."""
        if self._resource is None:
            load()
            return
        before = _address_space()
        self._keep(self._memory + MOST_LOADED)
        load()
        self._memory += max(0, _address_space() - before)
        self._keep(self._memory)

    def start(self, lost: int) -> None:
        """Give a file its CPU seconds, less those of the pages that were `lost` in earlier tries."""
        self._end = time.process_time() + max(self._of_file - lost * self._seconds, self._seconds / 2)
        self.renew()

    def renew(self, more: float = 0.0) -> bool:
        """Give the next page its CPU seconds, and `more`; says whether the file has any left."""
        now = time.process_time()
        self._end += more or ORDINARY_PAGE
        if self._resource is not None:
            limit = math.ceil(now + self._seconds + more)
            _, hard = self._resource.getrlimit(self._resource.RLIMIT_CPU)
            if hard == self._resource.RLIM_INFINITY or limit < hard:  # raising it needs root
                self._resource.setrlimit(self._resource.RLIMIT_CPU, (limit, hard))
            signal.setitimer(signal.ITIMER_PROF, self._seconds + more)  # to the moment: the limit counts whole seconds
        return now < self._end


def _address_space() -> int:
    """Bytes of address space in use, from /proc where there is one."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 1 << 30
    return pages * 4096
