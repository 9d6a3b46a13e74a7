"""What a set gives a conversation: questions with their references, passages, and pictures of their pages."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

from fingen.config import DPI
from fingen.documents.apart import render_page
from fingen.errors import SetError, UsageError
from fingen.pipeline.show import SourceFiles, pages_of, places_of, show
from fingen.records import Box, Chunk, Passage
from fingen.scoring.rows import ScoringItem, read_asked
from fingen.sets import read_manifest
from fingen.verification.origin import Origin, origin_of_set

LISTED = 50  # questions or passages that are shown at once
PICTURES = 64  # pages that are kept as they were drawn
T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """A page (1-based) of a document, and what is to be boxed on it."""

    document: str
    number: int
    marks: tuple[tuple[Box, ...], ...]


class Material:
    """A set that is open for reading. `notes` say what it does not have."""

    def __init__(self, folder: Path, inputs: Sequence[Path] = ()) -> None:
        """Read it.

        Raises:
            SetError: there is no such set, or it is damaged.
        """
        self.folder, self._inputs = folder, inputs
        self._sources = {source.path: source for source in read_manifest(folder).sources}
        self.origin: Origin = origin_of_set(folder)
        self.notes: list[str] = []
        try:
            asked = read_asked(folder)
            self.split, self.items = asked.source.split, {item.id: item for item in asked.items}
        except SetError as e:
            self.split, self.items = "", {}
            self.notes.append(f"no example questions: {e}")
        if not self.origin.passages:
            self.notes.append(f"{folder}: the set has no passages")
        self._turn = threading.Lock()  # MuPDF draws for one at a time
        self._draw = lru_cache(PICTURES)(self._drawn)
        self._find = SourceFiles(self._sources, places_of(folder, inputs)).find

    def find_items(self, words: str) -> Iterator[ScoringItem]:
        """The questions that have all these words, in their order."""
        return _matching(words, ((item.text, item) for item in self.items.values()))

    def find_passages(self, words: str) -> Iterator[Passage]:
        """The passages that have all these words, in their text or in the name of their document or section."""
        texts = ((" ".join((each.document, *each.section, each.text)), each) for each in self.origin.passages.values())
        return _matching(words, texts)

    def passage(self, name: str) -> Passage:
        """The passage of a chunk.

        Raises:
            UsageError: the set has none of that id.
        """
        found = self.origin.passages.get(name)
        if found is None:
            raise UsageError(f"{self.folder}: no passage {name!r}", hint="choose one that is listed")
        return found

    def item(self, name: str) -> ScoringItem:
        """The question of that id.

        Raises:
            UsageError: the set has none.
        """
        if name not in self.items:
            raise UsageError(f"{self.folder}: no question {name!r}", hint="choose one that is listed")
        return self.items[name]

    def pages(self, passage: str, item: str = "") -> list[Page]:
        """The pages of a passage: with the quotes of a question's reference boxed, or else the passage itself.

        Raises:
            UsageError: there is no such passage or question. DocumentError: a page cannot be read.
        """
        self.passage(passage)
        chunk = self.origin.chunks[passage]
        if item:
            with self._turn:
                quoted = pages_of(show(self.folder, self.item(item).id, inputs=self._inputs).quotes)
            own = [
                Page(name, number, tuple(marks)) for (name, number), marks in quoted.items() if name == chunk.document
            ]
            if own:
                return own
        return [
            Page(chunk.document, number, (tuple(_boxes(chunk, number)),))
            for number in dict.fromkeys(block.page for block in chunk.blocks if not block.place)
        ]

    def missing(self, document: str) -> str:
        """Why the pages of a document cannot be drawn; empty where they can."""
        found = self._find(document)
        return found if isinstance(found, str) else ""

    def draw(self, page: Page) -> bytes:
        """A page as PNG.

        Raises:
            UsageError: its PDF is not at hand. DocumentError: the page cannot be read.
        """
        with self._turn:
            return self._draw(page)

    def _drawn(self, page: Page) -> bytes:
        found = self._find(page.document)
        if isinstance(found, str):
            raise UsageError(found, hint="name the folder of the reports with --input")
        return render_page(found, page.number, page.marks, dpi=DPI)


def _matching(words: str, named: Iterable[tuple[str, T]]) -> Iterator[T]:
    wanted = words.casefold().split()
    return islice((each for text, each in named if all(word in text.casefold() for word in wanted)), LISTED)


def _boxes(chunk: Chunk, page: int) -> Iterator[Box]:
    return (block.box for block in chunk.blocks if block.page == page)
