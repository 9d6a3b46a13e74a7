"""What went to the Hub: each push in one file for all of build/; and beside a set where on the Hub it is.

By the latter an adapter's card can name the commit of its set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from fingen.config import PUSHES
from fingen.disk import cut_lines, dump_json, make_folder, open_file, read_object, sha256_file, unwritable, write_text
from fingen.records import Frozen
from fingen.sets import MANIFEST

TRACE = ".hub.json"


class Push(Frozen):
    """One push. What went is known by its hash, so that it is found wherever its folder is now, and once that is gone."""

    at: str  # UTC, ISO 8601
    kind: Literal["set", "adapter", "model"]
    name: str
    sha256: str  # of the manifest of a set, of the weights of an adapter or model
    of_set: str | None = None  # of the manifest of the set that an adapter or model was tuned on
    reports: tuple[str, ...] = ()  # sha256 of each report that a set rests on
    repo: str
    commit: str
    url: str
    visibility: str  # private or public


def note_push(
    kind: Literal["set", "adapter", "model"], name: str, sha256: str, *, repo: str, commit: str, url: str, visibility: str,
    of_set: str | None = None, reports: Sequence[str] = (),
) -> None:  # fmt: skip
    """Write down what a push has brought to the Hub, unless it is known that it is there.

    Raises:
        LimitError, UsageError: it cannot be written.
    """
    push = Push(at=datetime.now(UTC).isoformat(timespec="seconds"), kind=kind, name=name, sha256=sha256, of_set=of_set,
                reports=tuple(reports), repo=repo, commit=commit, url=url, visibility=visibility)  # fmt: skip
    known, _ = read_pushes(PUSHES)
    if any(one.model_copy(update={"at": push.at}) == push for one in known):
        return
    try:
        make_folder(PUSHES.parent)
        with PUSHES.open("ab+") as file:  # one write: two processes do not mix their lines
            file.seek(max(file.tell() - 1, 0))
            cut = file.read(1) not in (b"", b"\n")  # by a crash
            file.write(b"\n" * cut + dump_json(push.model_dump(mode="json")).encode() + b"\n")
    except OSError as e:
        raise unwritable(PUSHES, e) from e


def read_pushes(path: Path) -> tuple[list[Push], list[int]]:
    """All pushes that are written down, and the lines, from 1, that cannot be read.

    Raises:
        UsageError: it is no file.
    """
    pushes: list[Push] = []
    damaged: list[int] = []
    for number, line in enumerate(_lines(path), 1):
        try:
            pushes.append(Push.model_validate_json(line))
        except ValidationError:  # cut by a crash
            damaged.append(number)
    return pushes, damaged


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with open_file(path) as file:
            yield from cut_lines(file)


def leave_trace(folder: Path, repo: str, commit: str) -> None:
    """Note beside the set that this commit holds it, as long as its manifest stays the same.

    Raises:
        LimitError: the folder cannot be written.
    """
    write_text(
        folder / TRACE, dump_json({"repo": repo, "commit": commit, "manifest": sha256_file(folder / MANIFEST)}) + "\n"
    )


def read_trace(folder: Path, manifest: str) -> tuple[str, str] | None:
    """Repository and commit that hold the set in `folder`, whose manifest has this SHA-256; None if that is not known."""
    trace = read_object(folder / TRACE)
    found = trace.get("repo"), trace.get("commit")
    return (str(found[0]), str(found[1])) if trace.get("manifest") == manifest and all(found) else None


def find_trace(build: Path, manifest: str) -> tuple[str, str] | None:
    """Repository and commit of the set below `build` whose manifest has this SHA-256; None if no trace of it is there."""
    for path in sorted(build.glob(f"*/{TRACE}")):
        try:
            if sha256_file(path.with_name(MANIFEST)) == manifest and (found := read_trace(path.parent, manifest)):
                return found
        except OSError:  # no trace then: nothing rests on it
            continue
    return None
