"""Folders that commands write to: whether they can be written, what lies in them, and what to say where that is in the way."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fingen.errors import FingenError, LimitError, UsageError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None})  # None: a library that does not say what it is
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
SET = "manifest.json"
KINDS = {  # what is written last into a folder -> what the folder then holds
    "fingen.json": "an adapter of `fingen finetune`",
    "merged.json": "a model of `fingen merge`",
    "origin.json": "a tiny base model of `fingen finetune`",
    "score.json": "a score of `fingen score`",
    ".export": "an export of `fingen export`",
}


def unwritable(path: Path, e: OSError) -> FingenError:
    """The error for a file or folder that cannot be written, with the way on that its cause has."""
    message = f"{path}: cannot be written: {e.strerror or e}"
    if e.errno in FULL:
        return LimitError(message, hint="free some disk space, then run the same command again")
    if e.errno in FORBIDDEN:
        return UsageError(message, hint="get the permission to write there, or write to another place")
    return UsageError(message, hint="write to another place, below a folder that is there or can be made")


def check_writable(folder: Path) -> None:
    """Make sure that a folder can be made and written, before anything is read or asked. Nothing of the trial is left.

    Raises:
        UsageError: it cannot, as something is in the way or forbids it; LimitError: the disk is full.
    """
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryDirectory(prefix=".fingen-", dir=there) as trial:
            (Path(trial) / folder.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise unwritable(folder, e) from e


def describe(folder: Path) -> str:
    """What a folder holds that fingen has made, and which command did, in words; "" where it is nothing whole."""
    try:
        made = json.loads((folder / SET).read_text(encoding="utf-8"))
        return f"{folder} was made by `fingen {made['command']}` and holds {sum(made['splits'].values()):,} rows"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        kind = next((kind for name, kind in KINDS.items() if (folder / name).is_file()), "")
        return f"{folder} holds {kind}" if kind else ""


def refuse_others(folder: Path, own: Iterable[str], what: str) -> None:
    """Refuse a folder with anything in it that is not `what` is made of. Hidden files, such as locks, are nobody's.

    Raises:
        UsageError: it holds something else, or is no folder.
    """
    check_writable(folder)
    if not folder.is_dir():
        return
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and path.name not in own)
    if others:
        names = ", ".join(others[:3]) + (" ..." if len(others) > 3 else "")
        said = describe(folder) or f"{folder} holds files that are no {what}: {names}"
        raise UsageError(said, hint="write to a folder of its own with --out")
