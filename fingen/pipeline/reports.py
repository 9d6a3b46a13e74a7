"""The documents of a run: in memory is what each of them is, on disk are its passages."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

from fingen.records import Chunk, Document
from fingen.spool import Picked, Spool


class Reports(Sequence[Document]):
    """Documents in the order in which they came. One is made anew, with its chunks, each time that it is taken.

    Chunks are numbered through all documents. `near` is where the file with them lies: see `fingen.spool.open_unnamed`.
    """

    def __init__(self, near: Path | None, documents: Iterable[Document] = ()) -> None:
        self.heads: list[Document] = []  # each without its chunks
        self.chunks = Spool[Chunk](near)
        self._ends = array("Q", (0,))  # the number that the first chunk of the next one has
        for document in documents:
            self.add(document)

    def add(self, document: Document) -> None:
        """Take in a document.

        Raises:
            LimitError, UsageError: its chunks cannot be written.
        """
        for chunk in document.chunks:
            self.chunks.append(chunk)
        self.heads.append(document.model_copy(update={"chunks": ()}))
        self._ends.append(len(self.chunks))

    def numbers(self, place: int) -> range:
        """The numbers of the chunks of one document."""
        return range(self._ends[place], self._ends[place + 1])

    def chunks_of(self, place: int) -> Picked[Chunk]:
        """The chunks of one document."""
        return self.chunks.pick(self.numbers(place))

    def sizes(self) -> list[int]:
        """How many chunks each document has."""
        return [len(self.numbers(place)) for place in range(len(self))]

    def read(self, places: Iterable[int]) -> Iterator[Document]:
        """The documents in these places, one by one."""
        return (self._read(place) for place in places)

    def _read(self, place: int) -> Document:
        return self.heads[place].model_copy(update={"chunks": tuple(self.chunks_of(place))})

    def __len__(self) -> int:
        return len(self.heads)

    def __iter__(self) -> Iterator[Document]:
        return self.read(range(len(self)))

    @overload
    def __getitem__(self, place: SupportsIndex) -> Document: ...
    @overload
    def __getitem__(self, place: slice) -> list[Document]: ...
    def __getitem__(self, place: Any) -> Any:
        numbers = range(len(self))[place]
        return list(self.read(numbers)) if isinstance(numbers, range) else self._read(numbers)


def heads_of(documents: Sequence[Document]) -> Sequence[Document]:
    """What documents are, for who asks for nothing in their chunks: nothing is read for it."""
    return documents.heads if isinstance(documents, Reports) else documents
