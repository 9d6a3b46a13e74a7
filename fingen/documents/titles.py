"""The lines of a report as they bear on whose it is: their text, how large they are set, whether they stand at an edge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from fingen.documents.shapes import PageText, Run

TITLE_PAGES = 4
PARAGRAPH = "\n\n"  # between two paragraphs, where lines are these
_EDGE = 0.1  # share of the height, at top and foot, where running lines stand
_RUNNING_SHARE = 0.15  # of the pages, that a running line stands on
_PAGE_NUMBER = re.compile(r"[\d\W_]+")


class Line(NamedTuple):
    """One line, or one cell of one."""

    text: str
    size: float = 0.0  # points; 0: not known
    at_edge: bool = False


@dataclass(frozen=True)
class Pages:
    """The lines of a report, page after page; pages without any are left out."""

    lines: tuple[tuple[Line, ...], ...]
    metadata: str = ""  # author and title of the file: hints that a page has to confirm
    are_paragraphs: bool = False  # each line is one, and no name goes on from one to the next
    joined: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        glue = PARAGRAPH if self.are_paragraphs else "\n"
        object.__setattr__(self, "joined", tuple(glue.join(line.text for line in page) for page in self.lines))

    @cached_property
    def titles(self) -> tuple[tuple[Line, ...], ...]:
        """The first pages."""
        return self.lines[:TITLE_PAGES]

    @cached_property
    def body_size(self) -> float:
        """The size that most of the text is set in."""
        sizes: Counter[float] = Counter()
        for page in self.lines:
            for line in page:
                sizes[round(line.size)] += len(line.text)
        return sizes.most_common(1)[0][0] if sizes else 0.0

    @cached_property
    def running(self) -> tuple[str, ...]:
        """What stands at the edge of many pages, whatever the page number."""
        counts: Counter[str] = Counter()
        for page in self.lines:
            counts.update({line.text for line in page if line.at_edge and _PAGE_NUMBER.sub("", line.text)})
        least = max(3, _RUNNING_SHARE * len(self.lines))
        return tuple(text for text, count in counts.items() if count >= least)


def read_lines(pages: Sequence[PageText], metadata: str = "") -> Pages:
    """The lines of the pages of a PDF file, before what runs on each page is taken out."""
    lines = (tuple(_lines(page)) for page in pages)
    return Pages(tuple(page for page in lines if page), metadata)


def _lines(page: PageText) -> list[Line]:
    top, foot = _EDGE * page.height, (1 - _EDGE) * page.height
    lines: list[Line] = []
    before: Run | None = None
    for run in page.runs:
        at_edge = run.y1 < top or run.y0 > foot
        if (
            before and abs(before.base - run.base) < 1 and -1 < run.x0 - before.x1 < run.size
        ):  # one line, set in two goes
            lines[-1] = Line(f"{lines[-1].text} {run.text}", max(lines[-1].size, run.size), at_edge)
        else:
            lines.append(Line(run.text, run.size, at_edge))
        before = run
    return lines + [Line(run.text, run.size) for run in page.turned]
