"""Progress on standard error: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fingen.cli.common import echo
from fingen.errors import DocumentError

if TYPE_CHECKING:
    from fingen.documents import Progress as PageProgress
    from fingen.events import Answered, Note, Waiting
    from fingen.records import Document

LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal


class Display:
    """Watches a run. `quiet` shows nothing."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(file=sys.stderr)
        self._bars = Progress(TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                              TextColumn("{task.fields[note]}"), console=self._console, transient=True,
                              disable=quiet or not self._console.is_terminal)  # fmt: skip
        self._tasks: dict[str, TaskID] = {}
        self._pages: dict[str, tuple[int, int]] = {}
        self._said = time.monotonic()
        self._documents = self._chunks = 0
        self._waiting = ""
        self._asking_since: tuple[float, int] | None = None  # time and count at the first answer

    def __enter__(self) -> Display:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def __call__(self, event: PageProgress | Document | DocumentError | Answered | Waiting | Note) -> None:
        """Show one piece of news."""
        from fingen.events import Answered, Note, Waiting
        from fingen.records import Document

        if isinstance(event, Waiting):
            self._wait(event)
            return
        if isinstance(event, Note):
            self._note(event)
            return
        if isinstance(event, Document):
            self._documents += 1
            self._chunks += len(event.chunks)
            self._pages[event.path] = (event.pages, event.pages)
            self._line(f"read {event.path}: {event.pages or 'no'} pages, {len(event.chunks)} chunks", always=True)
        elif isinstance(event, DocumentError):
            self._pages.pop(event.path, None)
            self._line(f"not read: {event}", always=True)
        elif not isinstance(event, Answered):
            self._pages[event.source.name] = (event.page, event.pages)
            if event.note:
                self._line(f"{event.source.name}: {event.note}", always=True)
        if isinstance(event, Answered):
            note = self._rate(event)
            self._bar("asking", event.done, event.total, note)
            self._line(
                f"asked {event.done} of {event.total}{' | ' if note else ''}{note}", always=event.done == event.total
            )
        else:
            done, total = (sum(counts) for counts in zip(*self._pages.values(), strict=True)) if self._pages else (0, 0)
            self._bar("reading", done, total, f"pages | {self._documents} documents, {self._chunks} chunks")
            self._line(f"reading: {done} of {total} pages")

    def _note(self, event: Note) -> None:
        if event.is_warning or not self._quiet:
            echo(f"{'Warning: ' if event.is_warning else ''}{event.text}", err=True)

    def _rate(self, event: Answered) -> str:
        """How fast, at what cost so far, and at what cost in the end if it goes on like this."""
        now = time.monotonic()
        if self._asking_since is None:
            self._asking_since = now, event.done
        since, first = self._asking_since
        rate = f"{(event.done - first) / (now - since):.1f}/s" if now > since + 1 else ""
        if event.spent_usd is None:
            return f"{rate} | at an unknown price".strip(" |")
        if not event.spent_usd:
            return rate
        projected = event.spent_usd / event.done * event.total
        return f"{rate} | {event.spent_usd:.4f} USD spent, {projected:.4f} projected".strip(" |")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around a question to the user: nothing is drawn meanwhile."""
        self._bars.stop()
        yield
        self._bars.start()

    def _wait(self, event: Waiting) -> None:
        """Batches on their way, which may take hours."""
        if event.said:
            self._line(event.said, always=True)
        if event.batches:
            note = f"{event.batches} batches; Ctrl-C stops the waiting, and they go on"
            self._bar("in batches", event.done, event.requests, note)
            line = f"waiting for {event.batches} batches: {event.done} of {event.requests} requests done"
            if line != self._waiting:  # a day has many looks at a batch, and few changes
                self._line(line, always=True)
                self._waiting = line

    def _bar(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, note=note)
        self._bars.update(self._tasks[name], completed=done, total=total, note=note)

    def _line(self, text: str, *, always: bool = False) -> None:
        if self._quiet or self._console.is_terminal:
            return
        now = time.monotonic()
        if always or now - self._said >= LINE_SECONDS:
            echo(text, err=True)
            self._said = now
