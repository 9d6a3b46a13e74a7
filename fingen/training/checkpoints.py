"""Checkpoints on disk: which one is whole, whose it is, and what happens at Ctrl-C or on a full disk.

transformers writes and reads what is in them; nothing in them is run when they are read. A file that is written last says
which files a checkpoint has and how long they are: without it, a kill or a full disk came in between.
"""

from __future__ import annotations

import json
import shutil
import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from fingen.disk import dump_json, read_object, write_text
from fingen.errors import UsageError

CHECKPOINTS = "checkpoints"  # folder, in that of the adapter
HISTORY = "training.jsonl"
_RUN, _WHOLE = "run.json", "whole.json"


def begin(out: Path, run: str) -> Path | None:
    """The newest whole checkpoint of this run in the adapter's folder, None for a new run; what is not whole is removed.

    Raises:
        UsageError: the checkpoints there are another run's.
    """
    folder = out / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    stated = read_object(folder / _RUN)
    if not stated:
        write_text(folder / _RUN, dump_json({"run": run}) + "\n")
    elif stated.get("run") != run:
        raise UsageError(
            f"{folder}: of a run with another set, base model or settings",
            hint="give the settings of that run, start anew with --replace, or name another folder with --out",
        )
    newest = None
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step):
        if _is_whole(checkpoint):
            newest = checkpoint
        else:
            shutil.rmtree(checkpoint)
    return newest


def is_unfinished(out: Path) -> bool:
    """Whether a run was begun here that has a checkpoint and did not come to its end."""
    return any((out / CHECKPOINTS).glob("checkpoint-*"))


def refuse_unfinished(out: Path, *, resume: bool) -> None:
    """Refuse a folder with a run that was not finished, unless it is to go on.

    Raises:
        UsageError: it is not.
    """
    if is_unfinished(out) and not resume:
        raise UsageError(
            f"{out}: a run is here that was not finished", hint="go on with --resume, or start anew with --replace"
        )


def mark_whole(checkpoint: Path) -> None:
    """Say that all of a checkpoint is written."""
    sizes = {
        path.name: path.stat().st_size
        for path in sorted(checkpoint.iterdir())
        if path.is_file() and path.name != _WHOLE
    }
    write_text(checkpoint / _WHOLE, dump_json(sizes) + "\n")


def unmark(checkpoint: Path) -> None:
    """Say that a checkpoint is about to be written, maybe over itself."""
    (checkpoint / _WHOLE).unlink(missing_ok=True)


def clear(out: Path) -> None:
    """Remove all checkpoints: the run is over, or is begun anew."""
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _is_whole(checkpoint: Path) -> bool:
    sizes = read_object(checkpoint / _WHOLE)
    return bool(sizes) and all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items()
    )


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a history; one that a kill has cut short is left out, with what is behind it."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError):
                break
    return rows


class Stop:
    """Ctrl-C while a step is under way: the step is finished and stored first. A second Ctrl-C ends it at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
