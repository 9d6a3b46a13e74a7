"""Where a file is written before it takes its place, and what processes that were killed have left of such files."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

ABANDONED_SECONDS = (
    86_400.0  # without a byte more, after which nobody is writing: of processes that cannot be looked for
)
_NAME = re.compile(r"\..+\.(?P<place>[0-9a-f]{8})-(?P<process>[0-9]{1,10})\.part")


def beside_of(path: Path) -> Path:
    """The name under which this process writes a file before it takes the place of `path`."""
    return path.with_name(f".{path.name}.{_here()}-{os.getpid()}.part")


def find_leftovers(path: Path) -> list[Path]:
    """What processes that were killed have left of a file that they wrote; also what others are writing now, where nothing locks it."""
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.*.part"))


@cache
def tidy(folder: Path) -> None:
    """Remove what processes that have ended left in a folder of files that they wrote. A process looks once.

    What others are writing stays: those of this machine are looked for, those of others have a day. `folder` is absolute.
    """
    with suppress(OSError):  # nobody waits for it
        for path in _abandoned(folder):
            path.unlink(missing_ok=True)


def _abandoned(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if named := _NAME.fullmatch(entry.name):
                if named["place"] == _here():
                    is_gone = _has_ended(int(named["process"]))
                else:
                    is_gone = time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED_SECONDS
                if is_gone:
                    yield Path(entry.path)


@cache
def _here() -> str:
    """What tells the processes of this machine, or of this container, from those of others that write to the same disk."""
    name = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    with suppress(OSError):
        name += os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # no file: what it is of is its text
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]


def _has_ended(process: int) -> bool:
    """Whether there is no such process on this machine; False where that cannot be seen."""
    if sys.platform == "win32":  # to ask there is to interrupt
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
