"""Every error that fingen raises on purpose, drawn as one tree.

    FingenError                 exit code
    ├── UsageError              2   bad usage, input or settings
    │   ├── DocumentError       2   one input file cannot be read (`reason` says why)
    │   │   └── NoneReadError   2   none of several can
    │   └── SetError            2   a set in build/ does not fit what was asked
    │       └── RowError        2   one row is of no use; others may be
    ├── ShortfallError          1   ran, but short of what was asked
    ├── TeacherError            3   the teacher refused or cannot be reached
    │   └── UnansweredError     1   some requests have no answer; all others have
    ├── HubError                3   the Hub refused or cannot be reached
    ├── LimitError              4   disk full, out of memory
    └── Interrupted             130 stopped by the user; the same command resumes

A message says what and where; `hint` says what to do next.
"""

from __future__ import annotations

import errno
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None})  # None: a library that does not say what it is
MOST_CHARACTERS = 2_000  # of a line of a message: what a file is made of may stand in it
_BEFORE_HOST = re.compile(r"(?<=://)\S*@")  # a password may hold an @ of its own
_BEHIND_PATH = re.compile(r"(?<=://)([^\s?#]*[?#])[^\s'\"]+")


def redact(text: str) -> str:
    """A text whose URLs show neither user and password nor what stands behind the path: a token may be in both."""
    return _BEHIND_PATH.sub(r"\1***", _BEFORE_HOST.sub("***@", text))


def visible(text: str, *, lines: bool = False) -> str:
    """A text with all that steers a terminal or cannot be seen written out, as JSON writes it: it is one line, as it looks.

    Line ends, control characters, marks of direction, zero-width ones, tags, and bytes of a name that are no UTF-8. With
    `lines` it is a text of several lines: line feeds and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or _is_plain(char, lines=lines) else json.dumps(char)[1:-1] for char in text
    )


def _is_plain(char: str, *, lines: bool) -> bool:
    return (lines and char in "\n\t") or unicodedata.category(char) == "Zs"  # spaces of any width


def _shown(line: str) -> str:
    shown = visible(redact(line)[: MOST_CHARACTERS + 1])
    return shown if len(shown) <= MOST_CHARACTERS else shown[: MOST_CHARACTERS - 1] + "…"


def did_you_mean(name: str, known: Iterable[str], *, most: int = 1, likeness: float = 0.6) -> str:
    """Name what a misspelt name comes nearest to, `most` of it, with a likeness of 0..1 at least; empty where none is near."""
    from difflib import get_close_matches  # nobody pays for it who spells well

    folded = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), folded, n=most, cutoff=likeness)
    return f"did you mean {', '.join(folded[each] for each in near)}?" if near else ""


class FingenError(Exception):
    """Base of the tree: a message, a hint for the next step, both as `redact` and `visible` leave them, and the exit code.

    Lines of the message beside its first are given apart: nothing that stands in one of them can begin another.
    """

    exit_code = 1

    def __init__(self, message: str, *more: str, hint: str = "") -> None:
        super().__init__("\n".join(map(_shown, (message, *more))))
        self.hint = _shown(hint)


class UsageError(FingenError):
    """Bad usage, input or settings."""

    exit_code = 2


class Cause(StrEnum):
    """Why a document could not be read."""

    NOT_FOUND = "not found"
    NOT_READABLE = "not readable"
    EMPTY = "empty file"
    NOT_PDF = "not a PDF"
    UNSUPPORTED = "not a format that is read"
    TRUNCATED = "truncated or damaged"
    NO_PAGES = "no pages"
    ENCRYPTED = "encrypted"
    IMAGE_ONLY = "image only"
    UNREADABLE_TEXT = "unreadable text"
    NO_TEXT = "no text"
    TOO_SLOW = "too slow"
    TOO_LARGE = "too much memory"
    CRASHED = "reader crashed"


class DocumentError(UsageError):
    """One input file cannot be read."""

    def __init__(self, path: str, reason: Cause, detail: str = "", *, page: int | None = None, hint: str = "") -> None:
        where = path if page is None else f"{path}, page {page}"
        super().__init__(f"{where}: {reason}{': ' + detail if detail else ''}", hint=hint)
        self.path, self.reason, self.detail, self.page = path, reason, detail, page


class NoneReadError(DocumentError):
    """None of several files can be read: each on a line of its own, with what to do."""

    def __init__(self, errors: Sequence[DocumentError]) -> None:
        lines = (f"{error}" + (f"  -> {error.hint}" if error.hint else "") for error in errors)
        FingenError.__init__(self, f"none of {len(errors)} files can be read", *lines, hint="name files that are read")
        first = errors[0]
        self.path, self.reason, self.detail, self.page = first.path, first.reason, first.detail, first.page


class SetError(UsageError):
    """A set in build/ is missing, broken, or made with other settings. `taken` is its folder, where it is in the way of one."""

    def __init__(self, message: str, *more: str, hint: str = "", taken: Path | None = None) -> None:
        super().__init__(message, *more, hint=hint)
        self.taken = taken


class RowError(SetError):
    """One row is of no use; who reads a file of them may go on with the others."""


class ShortfallError(FingenError):
    """The command ran, but made less than was asked."""


class TeacherError(FingenError):
    """A teacher refused, is unknown or cannot be reached.

    `retryable`: asking again later may help. `limited`: it said that too much was asked at once (429, 529). `retry_after`:
    the seconds that it asked to wait. `possibly_billed`: the attempt broke off after it was sent, so it may be on the bill.
    `unreadable`: something came, and it was no answer. `alone`: it is of one request; others may be answered.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        limited: bool = False,
        retry_after: float | None = None,
        possibly_billed: bool = False,
        unreadable: bool = False,
        alone: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.alone = alone or retryable  # it was tried until its deadline: that need not be so of others
        self.retryable, self.limited, self.retry_after = retryable, limited, retry_after
        self.possibly_billed, self.unreadable = possibly_billed, unreadable


class UnansweredError(TeacherError):
    """Some requests have no answer, each for a reason of its own; all others have theirs."""

    exit_code = 1


class HubError(FingenError):
    """The Hub refused, or cannot be reached. `status` is that of its answer, None where there was none."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.retryable, self.retry_after = status, retryable, retry_after


class LimitError(FingenError):
    """The machine ran out of disk or memory."""

    exit_code = 4


class Interrupted(FingenError):
    """Stopped by the user; everything finished so far is stored."""

    exit_code = 130


def from_system(error: OSError | MemoryError) -> FingenError:
    """The error of the tree for one that the system raised and nobody expected."""
    if isinstance(error, MemoryError):
        return LimitError("out of memory", hint="run with fewer --workers, or on fewer files")
    said = f"{error.filename}: {error.strerror or error}" if error.filename else error.strerror or str(error)
    if error.errno in FULL:
        return LimitError(said, hint="free some disk space")
    return UsageError(said, hint="check path and permissions")
