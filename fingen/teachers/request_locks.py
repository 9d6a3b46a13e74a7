"""Who asks what: a claim on a request that dies with its process, so that two processes never buy one answer."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import TracebackType

from fingen.disk import open_lock
from fingen.errors import SetError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCKS_FILE = ".claims"  # in the folder of a set
_OFFSETS = 1 << 62  # a claim is a lock on one byte of an empty file, at an offset that the key gives


class RequestLocks:
    """Claims on keys, in a file beside the journal. The operating system lets go of them when the process ends."""

    def __init__(self, path: Path, *, alone: bool = False) -> None:
        """Open the file of claims; `alone` asks that no other process has it open.

        Raises:
            SetError: it cannot be opened, or another process asks for this set.
        """
        try:
            self._file = open_lock(path)
        except OSError as e:
            raise SetError(
                f"{path}: {e.strerror}", hint="make the folder writable, or choose another with --out"
            ) from e
        if not _share(self._file.fileno(), alone=alone):
            self._file.close()
            raise SetError(
                f"{path.parent}: another fingen process works on it",
                hint="wait until it has ended, or write elsewhere with --out",
            )
        self._held: set[str] = set()

    def __enter__(self) -> RequestLocks:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all keys."""
        self._held.clear()
        self._file.close()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: str) -> bool:
        """Claim a key; False where this or another process holds it."""
        if key in self._held or not _lock_byte(self._file.fileno(), _offset(key)):
            return False
        self._held.add(key)
        return True

    def release(self, key: str) -> None:
        """Let go of a key, if it is held here: its answer is on the disk, or nobody asked."""
        if key in self._held:
            self._held.discard(key)
            _unlock_byte(self._file.fileno(), _offset(key))


def _share(descriptor: int, *, alone: bool) -> bool:
    """Say that this process uses the file, or (`alone`) make sure that no other does."""
    if sys.platform == "win32":
        return True  # there a file in use cannot be removed, which is what this is for
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _offset(key: str) -> int:
    # Hashed, because keys are hexadecimal digests: their characters would give half of the offsets no use.
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % _OFFSETS


def _lock_byte(descriptor: int, offset: int) -> bool:
    try:
        if sys.platform == "win32":
            import os

            os.lseek(descriptor, offset, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock_byte(descriptor: int, offset: int) -> None:
    if sys.platform == "win32":
        import os

        os.lseek(descriptor, offset, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset)
