"""Work on Ray, where a run asks for it: a task for each file or other portion, on a Ray of this machine or a cluster that runs.

A task has its file read by the same worker as without Ray, behind the same limits, so a file that ends its reader ends no
worker of Ray. Ray itself is run by a child of this process: its command line, its working directory and its environment are
all that Ray's processes inherit or a cluster is told, and none of them holds a key, a path of the caller's or code of others.
What it started goes with it, however the run ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fingen import __version__
from fingen.config import ReadSettings
from fingen.disk import sha256_file
from fingen.documents.workers import (
    ENDINGS,
    InputFile,
    Pool,
    Progress,
    connect,
    read_documents,
    size_of,
    start_apart,
)
from fingen.errors import Cause, DocumentError, ShortfallError, UsageError
from fingen.install import install_command
from fingen.records import Document
from fingen.wire import bare_environment

TRIES = 4  # of what a worker of Ray had when it was lost, through no fault of it
AHEAD = 2  # tasks that wait or run for each CPU
NEWS_SECONDS = 0.5  # between two pages of a file that are told
NO_CPU_SECONDS = 60.0  # that a cluster may be without a CPU
REACH_SECONDS = 10.0  # in which a cluster answers
LEAVING_SECONDS = 10.0  # that taking leave of a cluster may take
STORE_BYTES = 128 << 20  # memory of a local Ray for what is on its way
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # it would upload the working directory
}
LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # what makes it listen on 127.0.0.1 alone, on any system
    "RAY_AUTH_MODE": "token",
    "RAY_process_group_cleanup_enabled": "0",  # its workers stay in the group of the child that runs it
    "RAY_memory_monitor_refresh_ms": "0",  # readers have limits of their own
    "RAY_enable_metrics_collection": "0",
}
GONE = "the Ray worker that read it is gone: it is read {}"
AGAIN = "run the same command again: what was read is kept; without --engine no Ray is asked"
SHARED = "reports must lie in a folder that all machines of the cluster share, under the same path"
News = tuple[str, Any]  # what is told of a task: page, done, failed, gone, lost; usage and short end the run
ENDS = ("done", "failed", "lost")  # of what is told of a task
_Turn = tuple[
    int, int, tuple[Any, ...]
]  # the place of an item, the how manieth try it is, and the item where it is here


@dataclass(frozen=True)
class _Order:
    """What the child is to do."""

    address: str  # of a cluster; empty: a local Ray
    folder: Path  # of what is written on the way, by a local Ray above all
    workers: int
    count: int  # of tasks
    task: Callable[..., Iterator[News]]  # a function of a module
    given: tuple[Any, ...]  # to each task, behind its own item


def require_ray() -> None:
    """Check that Ray is installed.

    Raises:
        UsageError: it is not.
    """
    try:
        version("ray")
    except PackageNotFoundError as e:
        raise UsageError("not installed: ray", hint=install_command("ray")) from e


def read_on_ray(sources: Sequence[InputFile], reading: ReadSettings, *, address: str, workers: int,
                cache: Path | None = None) -> Iterator[Progress | Document | DocumentError]:  # fmt: skip
    """Read files as `read_documents` does, on the cluster at an address, or without one on a local Ray of so many workers.

    Raises:
        UsageError: Ray is not installed, or cannot be started or reached; or as `read_documents` does.
        ShortfallError: Ray ended, or had nothing left to read with.
    """
    if not sources:
        return
    sources = sorted(sources, key=size_of, reverse=True)
    if cache:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, not data
            cache.mkdir(parents=True, exist_ok=True)
    items = [replace(source, path=source.path.absolute()) for source in sources]
    given = (reading, cache.absolute() if cache else None, made_by())
    lost = []
    for at, (kind, value) in run_on_ray(read_one, given, items, address=address, workers=workers):
        if kind == "lost":
            lost.append(sources[at])
        else:
            yield _told(sources[at], kind, value, on_cluster=bool(address))
    yield from read_documents(lost, reading, workers=workers, cache=cache)


def run_on_ray(task: Callable[..., Iterator[News]], given: tuple[Any, ...], items: Sequence[Any], *, address: str,
               workers: int) -> Iterator[tuple[int, News]]:  # fmt: skip
    """Call `task` of each item and what is `given` to all, on Ray; yields what is told of each, by its place.

    A task tells "done" or "failed" at its end. What is told as "gone" had its worker lost, and is tried again; as "lost": it was lost
    too often, and Ray does not come to do it.

    Raises:
        UsageError: Ray is not installed, or cannot be started or reached, or a task says so; ShortfallError: Ray ended.
    """
    require_ray()
    # A socket's path has room for a hundred characters, and macOS has half of them in front of a temporary folder.
    with tempfile.TemporaryDirectory(
        prefix="fingen-ray-", dir="/tmp" if sys.platform == "darwin" else None, ignore_cleanup_errors=True
    ) as folder:
        order = _Order(address, Path(folder), min(workers, len(items)), len(items), task, given)
        with _child(order) as pipe:
            left = len(items)
            while left:
                at, (kind, value) = _news(pipe, Path(folder))
                if kind == "usage":
                    raise UsageError(value[0], hint=value[1])
                if kind == "short":
                    raise ShortfallError(value, hint=AGAIN)
                if kind == "wanted":
                    with contextlib.suppress(OSError):  # it died: `_news` will see
                        pipe.send(items[at])
                    continue
                left -= kind in ENDS
                yield at, (kind, value)


def _news(pipe: Connection, folder: Path) -> tuple[int, News]:
    try:
        told: tuple[int, News] = pipe.recv()
    except (EOFError, OSError) as e:
        raise ShortfallError(f"Ray ended before all was done{_last_words(folder)}", hint=AGAIN) from e
    return told


def _last_words(folder: Path) -> str:
    with contextlib.suppress(OSError):
        lines = (folder / "said").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")
    return ""


def _told(source: InputFile, kind: str, value: Any, *, on_cluster: bool) -> Progress | Document | DocumentError:
    """News as the caller knows it."""
    if kind == "gone":
        return Progress(source, 0, 0, GONE.format(value))
    if kind == "page":
        return Progress(source, *value)
    if kind == "failed":
        reason, detail, page, hint = value
        if reason in (Cause.NOT_FOUND, Cause.NOT_READABLE) and on_cluster and os.access(source.path, os.R_OK):
            raise UsageError(f"a machine of the cluster does not see {source.name}", hint=SHARED)
        return DocumentError(source.name, reason, detail, page=page, hint=hint)
    document: Document = value
    if on_cluster and document.sha256 != sha256_file(source.path):
        raise UsageError(f"a machine of the cluster sees another file under the path of {source.name}", hint=SHARED)
    return document


@contextlib.contextmanager
def _child(order: _Order) -> Iterator[Connection]:
    """A process that runs Ray, at the other end of a pipe; with the end of it all ends that it started."""
    here, there = Pipe()
    with (order.folder / "said").open("wb") as said:
        more: dict[str, Any] = {"env": _environment(order), "cwd": os.sep, "stderr": said}
        if sys.platform != "win32":
            more["process_group"] = 0  # which all of Ray's processes are in; Ctrl-C does not reach it
        with there:
            process = start_apart(there, f"{__name__}:serve", **more)
    try:
        with contextlib.suppress(OSError):  # it died at once: `_news` will see
            here.send(order)
        yield here
    finally:
        here.close()
        _end(process, patience=LEAVING_SECONDS if order.address else 0)


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    finally:
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


def _environment(order: _Order) -> dict[str, str]:
    """What Ray's processes may know of the environment: no key is among it, by whatever name.

    A cluster is found, and its token given, by variables of Ray's own; a local Ray has a token that no other knows.
    """
    kept = bare_environment()
    kept["PYTHONPATH"] = os.pathsep.join(_import_first())
    if order.address:
        rays = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
        return {**kept, **rays, **QUIET}
    token = order.folder / "token"
    token.touch(0o600)
    token.write_text(os.urandom(32).hex(), encoding="ascii")
    return {**kept, **QUIET, **LOCAL, "RAY_AUTH_TOKEN_PATH": str(token)}


def _import_first() -> list[str]:
    """Folders that Ray's Python has to look in to find this package, where that is not installed; none that is relative."""
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    here = Path(__file__).resolve().parents[2]
    return given if here.name in ("site-packages", "dist-packages") else [*given, str(here)]


# --- in the child ------------------------------------------------------------------------------------------------------


def serve(handle: int) -> None:
    """Have the tasks of an order done on Ray; end when the pipe closes, with all that was started."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)  # Ray ends its own processes by them
    pipe = connect(handle)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        order: _Order = pipe.recv()
        try:
            problem = _start(order)
            if problem:
                pipe.send((0, problem))
            else:
                _work(pipe, order)
            pipe.recv()  # until it closes
        finally:
            _leave(order)


def _start(order: _Order) -> News | None:
    """Start or reach Ray; gives what is wrong where that fails."""
    import ray

    if order.address:
        options: dict[str, Any] = {"address": order.address}
    else:
        options = {"address": "local", "num_cpus": order.workers, "num_gpus": 0, "include_dashboard": False,
                   "object_store_memory": STORE_BYTES, "_temp_dir": str(order.folder)}  # fmt: skip
    try:
        _reach(order.address)
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, _skip_env_hook=True)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
        where = f"no Ray was reached at {order.address}" if order.address else "Ray did not start"
        hint = "name a cluster that runs and that this machine is part of, as ray:HOST:PORT or ray:auto; or ray for a local one"
        return "usage", (f"{where}: {_first_line(e)}", hint)
    if not order.address and ray.util.get_node_ip_address() != "127.0.0.1":
        return "usage", ("Ray listens beyond this machine, and was ended", "leave out --engine")
    return None


def _reach(address: str) -> None:
    """See that something is there: Ray itself looks for minutes."""
    host, _, port = address.rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()


def _leave(order: _Order) -> None:
    shutil.rmtree(order.folder, ignore_errors=True)  # the parent may be gone
    if not order.address and hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)  # this process among them: nothing of a local Ray outlives the run
    import ray

    ray.shutdown()


def _work(pipe: Connection, order: _Order) -> None:
    """Have the tasks done, the first ones first, and tell what comes of them. An item is asked for when its turn comes."""
    import ray

    task = ray.remote(max_retries=0, num_cpus=1, num_returns="streaming")(order.task)
    waiting: deque[_Turn] = deque((at, 1, ()) for at in range(order.count))
    running: dict[Any, _Turn] = {}
    seen = time.monotonic()  # when the cluster had a CPU
    while (waiting or running) and not pipe.poll():
        cpus = int(ray.cluster_resources().get("CPU", 0))
        seen = time.monotonic() if cpus else seen
        if time.monotonic() - seen > NO_CPU_SECONDS:
            pipe.send((0, ("short", f"the Ray cluster has had no CPU for {NO_CPU_SECONDS:g} seconds")))
            return
        while waiting and len(running) < max(1, AHEAD * cpus):
            at, tries, item = waiting.popleft()
            item = item or _wanted(pipe, at)
            running[task.remote(*item, *order.given)] = at, tries, item
        for ended in ray.wait([*running], timeout=1.0)[0]:
            at, tries, item = running[ended]
            news = _next(ended)
            if news is None:  # its worker is gone
                again = tries < TRIES
                pipe.send((at, ("gone", "again" if again else "on this machine")))
                if again:
                    waiting.appendleft((at, tries + 1, item))
                else:
                    pipe.send((at, ("lost", None)))
            else:
                pipe.send((at, news))
            if news is None or news[0] in ENDS:
                del running[ended]


def _wanted(pipe: Connection, at: int) -> tuple[Any]:
    pipe.send((at, ("wanted", None)))
    return (pipe.recv(),)


def _next(task: Any) -> News | None:
    """What a task tells next; None where its worker or what it gave is lost."""
    import ray

    try:
        news: News = ray.get(next(task))
    except ray.exceptions.RayTaskError as e:
        return "usage", (f"a worker of Ray cannot do its task: {_first_line(e.cause)}", _SAME_HINT)
    except (StopIteration, ray.exceptions.RayError):
        return None
    return news


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]


# --- in a worker of Ray ------------------------------------------------------------------------------------------------

_SAME_HINT = "install the same fingen on each machine of the cluster, with the same libraries"


def read_one(source: InputFile, reading: ReadSettings, cache: Path | None, made: str) -> Iterator[News]:
    """Read a file in a child of this process, behind its limits, and tell it. `made` says what reads where the run began."""
    if made != made_by():
        yield "usage", (f"a machine of the cluster reads otherwise: {made_by()} there, {made} here", _SAME_HINT)
        return
    if cache and not cache.is_dir():
        yield "page", (0, 0, "read where the folder build/cache is not seen: another run reads it again")
        cache = None
    told = 0.0
    pool = _pool(reading, cache)
    try:
        for event in pool.run([source], 1):
            if isinstance(event, Document):
                yield "done", event
            elif isinstance(event, DocumentError):
                yield "failed", (event.reason, event.detail, event.page, event.hint)
            elif event.note or time.monotonic() - told > NEWS_SECONDS:
                told = time.monotonic()
                yield "page", (event.page, event.pages, event.note)
    except UsageError as e:
        yield "usage", (str(e), e.hint)


@cache
def _pool(reading: ReadSettings, cache: Path | None) -> Pool:
    return Pool(reading, cache)  # its worker stays for the next file


@cache
def made_by() -> str:
    """Name the code and the libraries that read."""
    from fingen.documents.read import READER

    libraries = " ".join(f"{name} {version(name)}" for name in ("pymupdf", "lxml", "markdown-it-py"))
    return f"fingen {__version__} ({READER[:12]}), {libraries}"
