"""The seam between the readers of formats and all that comes after them.

A reader is a module of its own with two functions, and one line in `fingen.documents.read.READERS`:

    def read(path: Path, name: str, asked: Asked) -> Content
    def made_by(reading: ReadSettings) -> str      # the version of its library; "" where it has none

It gives what a file shows, in reading order, as the blocks that the PDF reader gives: paragraphs, headings and tables, each
with the `place` that finds it again in the file. What comes after is the same for all: language, company and period, sections,
units, basis, chunks, the cache. What a reader must do:

- read the file at `path`; raise `DocumentError(name, Cause...., detail, hint=...)` where it cannot be read. It runs in a worker
  behind limits of memory (`ReadSettings.memory_bytes`; a MemoryError may pass) and of time: call `asked.started(0, n)` once,
  where n is the size of the file in pages (`pages_of(bytes)`): it grants their CPU seconds, and a file may take no more.
- leave out and count what is not to be seen (`hidden`: kind -> pieces), fetch nothing, and refuse bombs (`TOO_LARGE`).
- give each block `page` (1-based, ascending) where the format marks pages, and else 0 for all; `box` is NO_BOX.
- give each block `place`: the shortest thing that finds it again in the file, in one of these forms:
  "#id" (HTML: an element), "element N" (HTML: the Nth element), "paragraph N", "table N" (Word), "line N" (text, Markdown).
- give paragraphs `text` (`clean`ed, one line), `size` (points; BODY for running text), `bold`, `italic`: titles are found by
  them. Where a format has structure (Word's styles, Markdown's #), give `kind="heading"` and `level` (1 is the highest)
  instead; where a reader gives any such heading, these are the sections and no others are looked for.
- give tables by `table_block`: rows of cells, figures with their currency and brackets in one cell, empty columns dropped.
- give `facts` where tags say what a piece of text is: of a paragraph by (start, end) in `text`, of a table by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fingen.config import ReadSettings
from fingen.documents.contents import Outline
from fingen.documents.identity import Identity
from fingen.documents.shapes import PageBlock, Rule, TextRow
from fingen.documents.tables import count_header
from fingen.documents.titles import Line, Pages
from fingen.records import Box

NO_BOX: Box = (0.0, 0.0, 0.0, 0.0)  # the file does not say where on a page a block stands
BODY = 10.0  # points of running text, where a format does not say
BYTES_OF_A_PAGE = 40_000  # of a document without pages, markup included
TITLE_BLOCKS = 60  # blocks at the top that may say whose report it is

# Called before each page with (page, pages), and with (0, pages) when all are read; says whether there is time for it.
Started = Callable[[int, int], bool]
Tell = Callable[[str], None]  # takes what a person who waits wants to know


@dataclass(frozen=True)
class Asked:
    """How a file is to be read. Pages in `skip` (1-based) are left out and listed."""

    reading: ReadSettings = field(default_factory=ReadSettings)
    skip: frozenset[int] = frozenset()
    started: Started = lambda page, pages: True
    tell: Tell = lambda text: None


class Reader(Protocol):
    """A module that reads a format."""

    def read(self, path: Path, name: str, asked: Asked) -> Content:
        """Read what a file shows; raises DocumentError where that cannot be."""

    def made_by(self, reading: ReadSettings) -> str:
        """Name what reads: a parse that another one made is not used."""


@dataclass(frozen=True)
class Part:
    """A document within a file that holds several: the blocks from `at` on. With a `title` the first block is its heading."""

    at: int
    title: str
    body: float  # points of its running text
    pages: int


@dataclass(slots=True)
class Content:
    """What a reader found in a file; see the module for what it has to fill in."""

    blocks: list[PageBlock]
    pages: int = 0  # 0: the format has none
    title: Pages | None = None  # lines of the first pages; None: those of the first blocks
    sample: str = ""  # text that tells the language; empty: that of the blocks
    about: Identity | None = None  # what tags say of company and period; what they leave open the first lines are asked
    metadata: str = ""  # whose file it is, as its own header says: a hint that its lines have to confirm
    filing: dict[str, str] = field(default_factory=dict)  # accession, filed: as a header says
    parts: list[Part] = field(default_factory=list)  # where the file holds several documents
    outline: Outline = field(default_factory=list)
    body: float = BODY  # points of running text
    across: Mapping[int, list[Rule]] = field(default_factory=dict)
    furniture: Mapping[int, list[str]] = field(default_factory=dict)  # page -> lines taken out of its margins
    words: frozenset[str] = frozenset()  # that tell whether a word is broken over a page
    hidden: dict[str, int] = field(default_factory=dict)  # what is not to be seen and was left out: kind -> pieces
    details: dict[str, Any] = field(default_factory=dict)  # fields of `Document` that one format alone has

    @property
    def lines(self) -> Pages:
        """The lines that may say whose report it is."""
        if self.title is not None:
            return self.title
        pages: dict[int, list[Line]] = {}
        for block in self.blocks if self.pages else self.blocks[:TITLE_BLOCKS]:
            pages.setdefault(block.page, []).extend(_lines(block))
        return Pages(tuple(map(tuple, pages.values())), self.metadata, are_paragraphs=True)


def _lines(block: PageBlock) -> list[Line]:
    if block.kind != "table":
        return [Line(block.text, block.size)]
    return [Line(" ".join(filter(None, row.cells)), BODY) for row in block.rows if any(row.cells)]


def pages_of(size: int) -> int:
    """As how many pages a document of so many bytes counts where time is granted."""
    return 1 + size // BYTES_OF_A_PAGE


def table_block(rows: list[TextRow], place: str, page: int = 0) -> PageBlock:
    """Make a table of rows with a cell for each column; `TextRow(cells, NO_BOX)`, all of one length."""
    return PageBlock("table", page, NO_BOX, rows=rows, header=count_header(rows), place=place)
