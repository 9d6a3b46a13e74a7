"""Files as fingen writes and reads them: whole or not at all, hashed, one JSON object a line, one process a folder."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, BinaryIO, TextIO, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

from fingen.errors import FULL, FingenError, LimitError, SetError, UsageError, visible
from fingen.leftovers import beside_of, tidy

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
RESTORE = "restore the file, or make the set again from its journal by running the command that made it"
CACHED = ".json.gz"  # ends the names of a cache
WHOLE_BYTES = 64 << 20  # that a file may have which is read at once
LINE_BYTES = 64 << 20  # that a line of rows may have
_JSON = json.JSONEncoder(ensure_ascii=False)  # made once: each row has a dozen columns that are JSON
FOLLOW_LINKS = "FINGEN_FOLLOW_LINKS"  # the user's own word, as no file of a folder can set it
LOCK = ".lock"  # in the folder of a set; it stays there
SET = "manifest.json"
PART = "part.json"  # what a part of a set is, and what it has read
KINDS = {  # what is written last into a folder -> what the folder then holds
    "fingen.json": "an adapter of `fingen finetune`",
    "merged.json": "a model of `fingen merge` or `fingen distill`",
    "origin.json": "a tiny base model of `fingen finetune`",
    "score.json": "a score of `fingen score`",
    ".export": "an export of `fingen export`",
    PART: "a part of a set that several machines make",
}


class NoNameError(ValueError):
    """What stands in a name's place is none: it could lead elsewhere."""


def say_invalid(e: ValidationError) -> str:
    """What is wrong with data from a file, and with which field, by the first error that its model found."""
    first = e.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"


def is_misnamed(e: ValidationError) -> bool:
    """Whether data are what they should be in all but their names."""
    return all(isinstance(each.get("ctx", {}).get("error"), NoNameError) for each in e.errors())


def is_name(text: str) -> bool:
    """Whether a text is the name of one file or folder on any system, and no way to another: no separator, no drive, no `..`."""
    return text == PureWindowsPath(text).name == PurePosixPath(text).name and text != ".." and visible(text) == text


def is_inner_path(text: str) -> bool:
    """Whether a text is the path of a file within a folder: names parted by slashes."""
    return all(part and is_name(part) for part in text.split("/"))


def _checked_name(text: str) -> str:
    if not is_name(text):
        raise NoNameError("a path or control character in place of a name")
    return text


def _checked_path(text: str) -> str:
    if not is_inner_path(text):
        raise NoNameError("no path within its folder")
    return text


Name = Annotated[str, AfterValidator(_checked_name)]  # of a set or adapter, from which folders are named
InnerPath = Annotated[str, AfterValidator(_checked_path)]  # of a file in the folder of a manifest


def refuse_links(folder: Path) -> None:
    """Refuse a folder in which something is no file: a link that leads out of it, or a pipe, which nobody may fill.

    Raises:
        UsageError: there is one; names it.
    """
    if not folder.is_dir():
        return
    home = os.path.realpath(folder)  # unlike `Path.resolve`, it takes links that lead to themselves
    for path in folder.iterdir():
        hint = "put the file itself there, or remove it"
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
            raise UsageError(f"{path}: a link that leads out of its folder", hint=hint)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path}: neither a file nor a folder", hint=hint)


def refuse_detour(folder: Path) -> None:
    """Refuse to write below a link that leads out of the working directory: a cloned folder can bring one, such as `build`.

    A place outside that is named by its own path is written to, and FOLLOW_LINKS in the environment lets links be followed.

    Raises:
        UsageError: there is one on the way; names it and where it leads.
    """
    home = Path.cwd()
    if os.environ.get(FOLLOW_LINKS) or not (below := home / folder).is_relative_to(home):
        return
    for place in (below, *below.parents):
        if place == home:
            return
        if os.path.islink(place) and not (there := Path(os.path.realpath(place))).is_relative_to(home):  # noqa: PTH114  # Path.is_symlink raises for a name that is too long
            raise UsageError(
                f"{place.relative_to(home)}: a link that leads out of the working directory, to {there}",
                hint=f"name that folder itself, or set {FOLLOW_LINKS}=1 where the link is your own",
            )


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
        UsageError: it cannot, as something is in the way, forbids it or leads elsewhere; LimitError: the disk is full.
    """
    refuse_detour(folder)
    if not is_name(folder.name):
        raise UsageError(f"{folder}: no name for a folder", hint="name it without control characters, \\ and `..`")
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryDirectory(prefix=".fingen-", dir=there) as trial:
            (Path(trial) / folder.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise unwritable(folder, e) from e


def describe(folder: Path) -> str:
    """What a folder holds that fingen has made, and which command did, in words; "" where it is nothing whole."""
    try:
        made = read_object(folder / SET)
        return f"{folder} was made by `fingen {made['command']}` and holds {sum(made['splits'].values()):,} rows"
    except (KeyError, TypeError, AttributeError):
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


Model = TypeVar("Model", bound=BaseModel)


def sha256_text(*parts: str) -> str:
    """SHA-256 over the parts, each preceded by its length so that ('ab', 'c') and ('a', 'bc') differ."""
    return sha256_texts(parts)


def sha256_texts(parts: Iterable[str]) -> str:
    """The same over parts that come one by one."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def short_digest(*parts: str) -> bytes:
    """16 bytes that stand for these parts where millions are compared: no two that differ share them but by design."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dump_json(value: Any, *, indent: int | None = None) -> str:
    """JSON as fingen writes it: characters as they are, keys in the order given."""
    return _JSON.encode(value) if indent is None else json.dumps(value, ensure_ascii=False, indent=indent)


def open_file(path: Path) -> BinaryIO:
    """Open a file to read. A pipe or a device is none: it may never have an end, nor even a beginning.

    Raises:
        UsageError: it is none. OSError: it cannot be opened.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder says what is wrong
        raise UsageError(f"{path}: a pipe or a device, no file", hint="write what comes from it to a file first")
    return path.open("rb")


def read_whole(path: Path, most_bytes: int = WHOLE_BYTES) -> bytes:
    """All that is in a file.

    Raises:
        UsageError: it has more than `most_bytes`, or is no file. OSError: it cannot be read.
    """
    with open_file(path) as file:
        content = file.read(most_bytes + 1) if os.fstat(file.fileno()).st_size <= most_bytes else None
    if content is None or len(content) > most_bytes:
        raise UsageError(f"{path}: larger than {most_bytes:,} bytes", hint="see whether it is the right file")
    return content


def cut_lines(file: BinaryIO, most_bytes: int = LINE_BYTES) -> Iterator[bytes]:
    """The lines of a file; one that is longer than `most_bytes` is cut where it has one byte more."""
    while line := file.readline(most_bytes + 1):
        yield line
        while len(line) > most_bytes and not line.endswith(b"\n"):
            line = file.readline(most_bytes + 1)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds; empty where there is none that can be read."""
    try:
        value = json.loads(read_whole(path))
    except (OSError, ValueError, RecursionError, UsageError):
        return {}
    return value if isinstance(value, dict) else {}


@contextmanager
def write_beside(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write a file to; sync it, rename it: a reader sees the old file or the whole new one.

    What killed processes have left there of such files is removed.

    Raises:
        LimitError: the disk is full; UsageError: the file cannot be written there. The old file is intact.
    """
    refuse_detour(path.parent)
    beside = beside_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tidy(path.parent.absolute())
        beside.unlink(missing_ok=True)  # what others have put there may be a link that leads elsewhere
        yield beside
        with beside.open("r+b") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as e:
        raise unwritable(path, e) from e
    finally:
        with suppress(OSError):  # where the folder is none, there is nothing beside
            beside.unlink(missing_ok=True)


@contextmanager
def open_atomic(path: Path) -> Iterator[TextIO]:
    """Open a file to write text to; errors and effect are those of `write_beside`."""
    with write_beside(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def write_text(path: Path, text: str) -> Path:
    """Write a file of text, as `open_atomic` does; returns its path."""
    with open_atomic(path) as file:
        file.write(text)
    return path


@contextmanager
def build_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` to fill, which then takes its place; where that fails nothing of it is left.

    Raises:
        LimitError: the disk is full; UsageError: it cannot be written there.
    """
    refuse_detour(folder)
    beside = folder.with_name(f".{folder.name}.part")
    if beside.is_symlink():
        beside.unlink()
    shutil.rmtree(beside, ignore_errors=True)
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as e:
        raise unwritable(folder, e) from e
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def copy_folder(folder: Path, to: Path, leave: Container[str] = ()) -> None:
    """Give a folder a second one with the same files; no byte is copied where the system can give a file two names.

    What is written here goes through `write_beside`, which leaves a file's other name as it was. `leave`: names left out.
    """

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:
            shutil.copy2(source, target, follow_symlinks=False)

    def left_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name in leave}

    shutil.copytree(folder, to, symlinks=True, copy_function=link, ignore=left_out)


def replace_folder(folder: Path, by: Path) -> None:
    """Put the folder `by` in the place of another one, which is removed.

    Where the system can exchange two folders at once (Linux, macOS), there is a whole one under the name at any moment. Else
    the old one has the name of `spare_of` for a moment.

    Raises:
        LimitError, UsageError: it cannot be written there; the old folder is in its place.
    """
    try:
        if not _exchange(folder, by):
            folder.rename(spare_of(folder))
            by.rename(folder)
            by = spare_of(folder)
    except OSError as e:
        raise unwritable(folder, e) from e
    shutil.rmtree(by, ignore_errors=True)


def spare_of(folder: Path) -> Path:
    """Where a folder is while another one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names at once; False where the system cannot."""
    import ctypes  # rarely needed

    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "linux":
        name, here, swap = "renameat2", -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        given: tuple[object, ...] = (here, names[0], here, names[1], swap)
    elif sys.platform == "darwin":
        name, given = "renamex_np", (*names, 2)  # RENAME_SWAP
    else:
        return False
    call = getattr(ctypes.CDLL(None), name, None)
    return call is not None and call(*given) == 0


def cached_name(*parts: str) -> str:
    """The name of the file of a cache that holds what comes of these parts."""
    return sha256_text(*parts)[:32] + CACHED


def read_cached(path: Path) -> bytes | None:
    """The JSON that a file of a cache holds; None where it is not there, or was cut by a crash."""
    with suppress(OSError, EOFError, zlib.error), gzip.open(path) as file:
        return file.read()
    return None


def write_cached(path: Path, data: bytes) -> None:
    """Write JSON to a file of a cache. One that cannot be written costs time, not data."""
    with suppress(FingenError), write_beside(path) as beside, gzip.open(beside, "wb", compresslevel=1) as file:
        file.write(data)


def write_jsonl(path: Path, rows: Iterable[BaseModel]) -> int:
    """Write one JSON object a line; returns the number of rows."""
    count = 0
    with open_atomic(path) as file:
        for row in rows:
            file.write(dump_json(row.model_dump(mode="json")) + "\n")
            count += 1
    return count


def read_jsonl(path: Path, model: type[Model], hint: str = RESTORE) -> Iterator[Model]:
    """Read rows back, checked.

    Raises:
        SetError: a line that is cut, not JSON, or not a `model`; names file and row.
    """
    with path.open("rb") as file:
        for number, line in enumerate(cut_lines(file), 1):
            try:
                yield model.model_validate_json(line)
            except ValidationError as e:
                raise SetError(f"{path}, row {number}: {say_invalid(e)}", hint=hint) from e


@contextmanager
def lock(
    folder: Path, *, patience_seconds: float = 0.0, say: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Hold `folder` for this process, so that no two runs write one set. The system lets go when the process dies.

    Waits for another process that holds it for `patience_seconds`, and has that said.

    Raises:
        SetError: another process holds it, or the folder cannot be locked.
        UsageError: the folder cannot be written; LimitError: the disk is full.
    """
    make_folder(folder)
    refuse_links(folder)
    with lock_file(folder / LOCK, patience_seconds=patience_seconds, say=say):
        yield


@contextmanager
def lock_file(
    path: Path, *, patience_seconds: float = 0.0, say: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Hold a file that stands for something in its folder; it is made where it is not there. Errors are those of `lock`."""
    try:
        # Kept open and never removed: a lock on a file that is gone would not keep anyone out.
        file = open_lock(path)
    except OSError as e:
        raise unwritable(path.parent, e) from e
    with file:
        until, is_said = time.monotonic() + patience_seconds, False
        try:
            while not _lock_file(file.fileno(), last=time.monotonic() >= until):
                if not is_said:
                    say(f"{path.parent}: another fingen process works on it; waiting until it has ended")
                    is_said = True
                time.sleep(0.05)
        except (BlockingIOError, PermissionError) as e:
            raise SetError(
                f"{path.parent}: another fingen process works on it",
                hint="wait until it has ended, or write elsewhere with --out",
            ) from e
        except OSError as e:
            raise SetError(
                f"{path.parent}: cannot be locked: {e.strerror}", hint="write to a local disk with --out"
            ) from e
        yield


def open_lock(path: Path) -> BinaryIO:
    """Open a file to lock, or make it. Whatever others put in its place is no way to another file, and not waited for.

    Raises:
        OSError: it is none, or cannot be opened.
    """
    odd = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | odd, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return os.fdopen(descriptor, "ab")


def _lock_file(descriptor: int, *, last: bool) -> bool:
    """Try to lock; where another process holds it, False, or its error on the `last` try."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        if last:
            raise
        return False
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        UsageError: something is in the way, forbids it or leads elsewhere; LimitError: the disk is full.
    """
    refuse_detour(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise unwritable(folder, e) from e
