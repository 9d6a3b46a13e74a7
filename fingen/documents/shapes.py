"""The small shapes that reading passes from step to step. Lengths are points, y grows downwards, pages count from 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fingen.records import Basis, BlockKind, Box, Fact, Stated

Part = tuple[float, float, str]  # a piece of a run: where it starts and ends, its text


class Run:
    """Text set in one go on one baseline: a word, a cell, or a whole line of a paragraph.

    `color` is that of its letters, red, green and blue in 24 bits. `lead` and `trail` say whether white space stood before
    and after it, inside its box. `parts` are the pieces of a run that was joined from several, in order.
    """

    __slots__ = ("base", "bold", "color", "italic", "lead", "parts", "size", "text", "trail", "x0", "x1", "y0", "y1")

    def __init__(self, x0: float, y0: float, x1: float, y1: float, base: float, size: float, text: str,
                 bold: bool = False, italic: bool = False, color: int = 0) -> None:  # fmt: skip
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1
        self.base, self.size, self.text, self.bold, self.italic = base, size, text, bold, italic
        self.color = color
        self.lead = self.trail = False
        self.parts: tuple[Part, ...] = ()

    def __repr__(self) -> str:
        return f"Run({self.x0:.0f},{self.y0:.0f},{self.x1:.0f},{self.y1:.0f} {self.size:.1f} {self.text!r})"


class Rule(NamedTuple):
    """A thin line drawn on the page: `at` is its constant coordinate, `start`..`end` its extent."""

    at: float
    start: float
    end: float


@dataclass(slots=True)
class PageText:
    """What is visible on one page, before its layout is known."""

    number: int
    width: float
    height: float
    runs: list[Run] = field(default_factory=list)
    turned: list[Run] = field(default_factory=list)  # text that does not run left to right
    across: list[Rule] = field(default_factory=list)  # horizontal rules
    down: list[Rule] = field(default_factory=list)  # vertical rules
    hidden: dict[str, int] = field(default_factory=dict)
    is_image: bool = False
    is_unreadable: bool = False  # its text is not what it shows
    is_vertical: bool = False  # some of its lines run from top to bottom
    by_ocr: bool = False
    confidence: float = 0.0  # of OCR, 0..1


class CellFact(NamedTuple):
    """A fact, and the cell of a row that shows it; `cell` is 0 in a paragraph. Its `start` and `end` are in that text."""

    cell: int
    fact: Fact


@dataclass(slots=True)
class TextRow:
    """One row of a table: a cell for each column, empty where the row has none."""

    cells: list[str]
    box: Box
    facts: list[CellFact] = field(default_factory=list)


@dataclass(slots=True)
class PageBlock:
    """A heading, paragraph or table on one page (0: there are no pages). Tables have rows, the others text."""

    kind: BlockKind
    page: int
    box: Box
    text: str = ""
    size: float = 0.0
    bold: bool = False
    italic: bool = False
    color: int = 0  # of its first letters
    indent: float = 0.0  # x of the first line against the block's left edge
    open_end: bool = False  # the last line runs to the right margin: the next block may go on with the sentence
    level: int = 0  # of a heading: 1 is the highest
    rows: list[TextRow] = field(default_factory=list)
    header: int = 0  # the first `header` rows are column headings
    unit: str = ""  # the table's unit line, such as "in millions" or 单位：元
    stated: Stated | None = None  # the unit of its amounts; None where it needs none
    basis: tuple[Basis, ...] = ()
    edges: tuple[float, ...] = ()  # of the columns: where the first begins and the others end; of a grid its rules
    inherited: list[TextRow] = field(default_factory=list)  # header rows of the table that this one continues
    place: str = ""  # what finds it again in a file without pages
    facts: list[CellFact] = field(default_factory=list)  # of its text; those of a table are at its rows


def union(boxes: list[Box]) -> Box:
    """The smallest box around all of them."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def meet(box: Box, other: Box) -> bool:
    """Whether two boxes share some area."""
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
