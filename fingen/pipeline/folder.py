"""The folder of a set before anything is written to it: whose it is, and what it was begun with."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from fingen.config import RESERVED_SET_NAMES
from fingen.errors import SetError, UsageError
from fingen.pipeline.gathering import refuse_open_batches
from fingen.records import dump_json
from fingen.sets import JOURNAL, MANIFEST
from fingen.teachers.claims import Claims

CLAIMS = ".claims"
PATIENCE_SECONDS = 600.0  # for another process that writes the same set
_WAYS_ON = "give the settings that it was made with, write elsewhere with --out, or start it anew with --replace"


def refuse_folder(folder: Path) -> None:
    """Refuse to write a set over something else.

    Raises:
        UsageError: the name is none for a set; SetError: the folder holds other files.
    """
    if folder.name in RESERVED_SET_NAMES:
        raise UsageError(f"--out {folder}: {folder.name} is no name for a set", hint="choose another: --out build/NAME")
    if not folder.is_dir() or any((folder / name).exists() for name in (MANIFEST, JOURNAL)):
        return
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if foreign:
        names = ", ".join(foreign[:3]) + (" ..." if len(foreign) > 3 else "")
        raise SetError(f"{folder} holds files that are no set: {names}", hint="write to a folder of its own with --out")


def clear(folder: Path) -> None:
    """Remove what a set is made of, if no other process asks for it; the locks and foreign files stay."""
    refuse_open_batches(folder / JOURNAL)
    with Claims(folder / CLAIMS, alone=True):
        pass
    for name in (MANIFEST, JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
        (folder / name).unlink(missing_ok=True)


def refuse_other_settings(
    folder: Path, before: Mapping[str, Any] | None, now: Mapping[str, Any], free: Set[str] = frozenset()
) -> None:
    """Refuse to mix a set with other settings. Those in `free` can be changed without paying, by another command.

    Raises:
        SetError: with the difference, and the ways on.
    """
    if before is None or before == now:
        return
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if not changed:  # a setting that fingen did not have then, and that is off
        return
    said = "; ".join(f"{key} {dump_json(before.get(key))} -> {dump_json(now.get(key))}" for key in changed)
    rework = (
        f"; or change it without paying: fingen dedup {folder}, fingen split {folder}" if set(changed) <= free else ""
    )
    raise SetError(f"{folder} was made otherwise: {said}", hint=_WAYS_ON + rework)
