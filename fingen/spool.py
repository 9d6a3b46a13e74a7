"""Rows on disk that can be gone through again: what a command works on between reading and writing, out of memory."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Generic, SupportsIndex, TypeVar, overload

from fingen.disk import unwritable
from fingen.errors import FingenError

T = TypeVar("T")
Name = TypeVar("Name")
BLOCK_BYTES = 1 << 16  # that are read at once: rows are mostly taken one after the other
SHELF_ROOM = 256  # things of a shelf that are in memory


def open_unnamed(near: Path | None) -> BinaryIO:
    """A file without a name, to write and read: nobody else can open it, and nothing of it is left when the process ends.

    It lies in the folder `near`, or the next one above that is there: on the disk that has room for what is made there. Where
    none is named, or nothing can be written there, as beside a set that is only read, it lies where the system keeps such files.

    Raises:
        LimitError: the disk is full; UsageError: it cannot be made anywhere.
    """
    if near is not None:
        there = next(path for path in (near.absolute(), *near.absolute().parents) if path.is_dir())
        with suppress(OSError):
            return tempfile.TemporaryFile(dir=there, prefix=".fingen-")
    try:
        return tempfile.TemporaryFile(prefix=".fingen-")
    except OSError as e:
        raise unwritable(Path(tempfile.gettempdir()), e) from e


class Spool(Sequence[T]):
    """Rows in the order in which they came, on disk; in memory are 8 bytes for each.

    It is read as a list is, save that a row is made anew each time: rows are known by their numbers, not as objects.
    `near` is where the file lies: see `open_unnamed`.
    """

    def __init__(self, near: Path | None = None, rows: Iterable[T] = ()) -> None:
        self._near = near
        self._file: BinaryIO | None = None  # until there is a row
        self._ends = array("Q", (0,))  # where the row before ends, and each one begins
        self._is_at_end = True
        for row in rows:
            self.append(row)

    def append(self, row: T) -> int:
        """Take in a row; returns its number.

        Raises:
            LimitError, UsageError: it cannot be written.
        """
        data = pickle.dumps(row, pickle.HIGHEST_PROTOCOL)
        if self._file is None:
            self._file = open_unnamed(self._near)
            weakref.finalize(self, _close, self._file)
        try:
            if not self._is_at_end:  # to seek takes what was written to the disk at once
                self._file.seek(self._ends[-1])
                self._is_at_end = True
            self._file.write(data)
        except OSError as e:
            raise self._error(e) from e
        self._ends.append(self._ends[-1] + len(data))
        return len(self) - 1

    def pick(self, numbers: Iterable[int]) -> Picked[T]:
        """Some of the rows, in the order of these numbers."""
        return Picked(self, array("Q", numbers))

    def read(self, numbers: Iterable[int]) -> Iterator[T]:
        """The rows of these numbers, one by one."""
        block, start = memoryview(b""), 0
        for number in numbers:
            begin, end = self._ends[number], self._ends[number + 1]
            if begin < start or end > start + len(block):
                block, start = memoryview(self._block(begin, max(BLOCK_BYTES, end - begin))), begin
            yield pickle.loads(block[begin - start : end - start])  # of this process alone: the file has no name

    def _block(self, begin: int, size: int) -> bytes:
        assert self._file is not None  # there is a row
        try:
            self._is_at_end = False
            self._file.seek(begin)
            return self._file.read(size)
        except OSError as e:  # what was written before goes to the disk now
            raise self._error(e) from e

    def _error(self, e: OSError) -> FingenError:
        return unwritable(self._near or Path(tempfile.gettempdir()), e)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[T]:
        return self.read(range(len(self)))

    @overload
    def __getitem__(self, place: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Picked[T]: ...
    def __getitem__(self, place: Any) -> Any:
        numbers = range(len(self))[place]
        if isinstance(numbers, range):
            return self.pick(numbers)
        begin, end = self._ends[numbers], self._ends[numbers + 1]
        return pickle.loads(self._block(begin, end - begin))


class Picked(Sequence[T], Generic[T]):
    """Rows of a spool by their numbers, each as often as its number is there."""

    def __init__(self, spool: Spool[T], numbers: array[int]) -> None:
        self._spool, self.numbers = spool, numbers

    def pick(self, places: Iterable[int]) -> Picked[T]:
        """The rows in these places."""
        return Picked(self._spool, array("Q", (self.numbers[place] for place in places)))

    def read(self, places: Iterable[int]) -> Iterator[T]:
        """The rows in these places, one by one."""
        return self._spool.read(self.numbers[place] for place in places)

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[T]:
        return self._spool.read(self.numbers)

    @overload
    def __getitem__(self, place: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Picked[T]: ...
    def __getitem__(self, place: Any) -> Any:
        number = self.numbers[place]
        return Picked(self._spool, number) if isinstance(number, array) else self._spool[number]


class Recent(dict[Name, T]):
    """Things by their names, in memory; where there are too many of them, those from before are forgotten."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def __setitem__(self, name: Name, thing: T) -> None:
        if len(self) >= self._room and name not in self:
            self.clear()
        super().__setitem__(name, thing)


class Named(Mapping[Name, T]):
    """Things by their names, in the order of these, each made when it is asked for; those that were asked for last are in memory.

    `numbers` are by the names, `make` gives the thing of a name.
    """

    def __init__(self, numbers: Mapping[Name, int], make: Callable[[Name], T]) -> None:
        self._numbers, self._make = numbers, make
        self._last = Recent[Name, T](SHELF_ROOM)

    def __getitem__(self, name: Name) -> T:
        if name not in self._last:
            if name not in self._numbers:
                raise KeyError(name)
            self._last[name] = self._make(name)
        return self._last[name]

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def __iter__(self) -> Iterator[Name]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


class Shelf(Named[Name, T]):
    """Things by their names, on disk, in the order in which they came."""

    def __init__(self, near: Path | None, items: Iterable[tuple[Name, T]] = ()) -> None:
        self._things, self._at = Spool[T](near), dict[Name, int]()
        super().__init__(self._at, lambda name: self._things[self._at[name]])
        for name, thing in items:
            self[name] = thing

    def __setitem__(self, name: Name, thing: T) -> None:
        self._at[name] = self._things.append(thing)  # of two of one name the last one's
        self._last.pop(name, None)


def read_in(rows: Sequence[T], order: Iterable[int]) -> Iterator[T]:
    """The rows in these places, one by one; also of rows that are in memory."""
    return rows.read(order) if isinstance(rows, Spool | Picked) else (rows[place] for place in order)


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # of a full disk, which was told
        file.close()
