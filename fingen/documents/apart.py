"""`picture` in a process of its own, behind the limits of a reader: no page of a stranger holds up a server or ends it.

The process is started with the first picture and ends with this one; one that was ended is started anew for the next page.
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fingen.config import ReadSettings
from fingen.documents.workers import SLOW, WALL_FACTOR, Limits, answer_of, connect, ignore_endings, start_apart
from fingen.errors import Cause, DocumentError, UsageError
from fingen.records import Box

LIMITS = ReadSettings()


def render_page(path: Path, page: int, marks: Sequence[Sequence[Box]], *, dpi: int, crop: bool = False) -> bytes:
    """Draw a page as `picture.render_page` does.

    Raises:
        DocumentError: the page cannot be read, or takes more time or memory than a reader may.
    """
    drawn: bytes = _PAGES.call(
        "render_page", path, page, [list(map(tuple, boxes)) for boxes in marks], dpi=dpi, crop=crop
    )
    return drawn


def find_lines(path: Path, page: int, text: str, within: Box | None = None) -> list[Box]:
    """Find where `text` stands as `picture.find_lines` does; errors are those of `render_page`."""
    found: list[Box] = _PAGES.call("find_lines", path, page, text, within)
    return found


def page_size(path: Path, page: int) -> tuple[float, float]:
    """Measure a page as `picture.page_size` does; errors are those of `render_page`."""
    size: tuple[float, float] = _PAGES.call("page_size", path, page)
    return size


def render_marked(path: Path, quotes: Sequence[tuple[str, str]]) -> str:
    """Show a document without pages as `marked.render_marked` does; errors are those of `render_page`."""
    shown: str = _PAGES.call("marked.render_marked", path, None, list(quotes))
    return shown


class _Pages:
    """The process, and who may ask it: one at a time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def call(self, name: str, path: Path, page: int | None, *arguments: Any, **options: Any) -> Any:
        """Have a function of `picture`, or of another module that its name begins with, called, and give what it returns."""
        with self._turn:
            pipe = self._open()
            try:
                given = (
                    path.absolute(),
                    *([] if page is None else [page]),
                    *arguments,
                )  # it began in another folder, perhaps
                pipe.send((name, given, options))
                if not pipe.poll(WALL_FACTOR * LIMITS.page_seconds):
                    raise TimeoutError
                kind, value = pipe.recv()
            except (EOFError, OSError) as e:  # it is gone, or hangs
                raise self._ended(path, page) from e
            except BaseException:  # interrupted: the next answer would be another one's
                self.close()
                raise
        if kind == "done":
            return value
        if kind == "usage":
            raise UsageError(value[0], hint=value[1])
        raise DocumentError(str(path), value[0], value[1], page=page, hint=value[3])

    def _open(self) -> Connection:
        if self._pipe is None:
            here, there = Pipe()
            with there:
                self._process = start_apart(there, f"{__name__}:serve")
            self._pipe = here
            with contextlib.suppress(OSError):  # it died at once: `call` will see
                here.send(LIMITS)
            atexit.register(self.close)
        return self._pipe

    def _ended(self, path: Path, page: int | None) -> DocumentError:
        code = self.close()
        if code is not None and -code in {signal.SIGKILL, *SLOW}:
            detail, hint = "drawing it took too long, or the system ended it", "look at it in a PDF viewer"
            return DocumentError(str(path), Cause.TOO_SLOW, detail, page=page, hint=hint)
        return DocumentError(
            str(path), Cause.CRASHED, f"exit code {code}", page=page, hint="print the file to a new PDF"
        )

    def close(self) -> int | None:
        """End the process; gives its exit code."""
        atexit.unregister(self.close)
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if process is None or pipe is None:
            return None
        pipe.close()
        process.kill()  # one that is gone keeps the code that it went with
        return process.wait()


_PAGES = _Pages()


def serve(handle: int) -> None:
    """Draw in the child until the pipe closes. What ends a run is the parent's business."""
    ignore_endings()
    pipe = connect(handle)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        limits = Limits(pipe.recv())
        while True:
            name, arguments, options = pipe.recv()
            module, _, function = name.rpartition(".")
            module = f"fingen.documents.{module or 'picture'}"
            limits.beyond(partial(import_module, module))  # pymupdf is paid for in the child alone, and by no page
            limits.start(0)
            pipe.send(answer_of(partial(getattr(sys.modules[module], function), *arguments, **options)))
