"""Labels of rows that stand over several lines, with their figures on the first, the last or one between: told from headings.

A line without figures above a row is the start of its label, or a heading of it; below a row it is the end of its label, or a
heading of the next one. Where nothing tells which, it stays apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from fingen.documents.shapes import Run, TextRow, union
from fingen.text import ends_sentence, is_cjk, join_lines

LEADING = 1.32  # font sizes from one line of a label to the next, at most, where rows are set no wider
LOOSE = 1.75  # the same where rows are set wider
TIGHT = 0.1  # font sizes that lines of one label stand closer than rows, at least
INDENT = 0.3  # font sizes; a smaller one is none
DEEPEST = 2.2  # font sizes that the second line of a label stands to the right of the first, at most
ROOM = 4.0  # font sizes; more of them free beside a line, and it was ended on purpose
BESIDE = 1.5  # font sizes between a full line and the figures, at most
SENTENCE = 60  # characters; what is shorter and ends in a point ends in a name
_WORDS = (  # not "in" or "as": Reported in, over the lines where it is
    "and|or|of|for|from|to|on|the|a|an|by|with|less|than|after|before|per|through|between|into|its|our|upon|within|attributable|"
    "related|due"
)
_OPEN = re.compile(rf"(?:[,&/(（、-]|[^\s\d][–—]|\b(?:{_WORDS})|[的及和与或])$", re.IGNORECASE)
_OPEN_WORD = re.compile(rf"\b(?:{_WORDS})$", re.IGNORECASE)
_ITEM = re.compile(  # what begins a line of its own
    r"[-–—•*]\s?[^\d\s]|\(?\d{1,2}[.)）．、]|（[一二三四五六七八九十\d]{1,3}）|[一二三四五六七八九十]{1,3}、|[①-⑳]|(?:减|加|其中|其中包括)\s?[:：]"
    r"|(?:sub-?)?total\b|(?:合计|总计|小计)"
    , re.IGNORECASE,
)  # fmt: skip
_TOTAL = re.compile(r"(?:sub-?)?total\b|(?:合计|总计|小计)", re.IGNORECASE)  # no heading begins so
_HEADING = re.compile(r"(?:activities|assets|liabilities|expenses|equity|流量|资产|负债|权益)$", re.IGNORECASE)


def ends_open(label: str) -> bool:
    """Whether a label ends in a word that does not end one."""
    return _OPEN_WORD.search(label) is not None


@dataclass(slots=True)
class Labelled:
    """A row, the first and the last line of its label, and where its figures begin; None where it has none.

    `is_level` says that the figures stand on a line of the label, and not between two.
    """

    row: TextRow
    first: Run | None
    last: Run | None
    figures: float | None
    is_level: bool = False

    def join(self, below: Labelled, words: frozenset[str]) -> Labelled:
        """One row of two."""
        cells = [
            join_lines([a, b], words) if a and b else a or b
            for a, b in zip(self.row.cells, below.row.cells, strict=True)
        ]
        starts = [each.figures for each in (self, below) if each.figures is not None]
        return Labelled(
            TextRow(cells, union([self.row.box, below.row.box])), self.first or below.first, below.last or self.last,
            min(starts, default=None), below.is_level or (self.is_level and below.is_bare),
        )  # fmt: skip

    @property
    def is_bare(self) -> bool:
        """Whether it is a label and nothing else."""
        return self.figures is None and self.first is not None and not any(self.row.cells[1:])


def whole_labels(rows: list[Labelled], words: frozenset[str]) -> list[Labelled]:
    """Rows whose labels have all their lines."""
    _close_brackets(rows, words)
    if not any(row.is_bare for row in rows):
        return rows
    measure = _Measure(rows)
    whole: list[Labelled] = []
    for at, row in enumerate(rows):
        below = rows[at + 1] if at + 1 < len(rows) else None
        if whole and row.is_bare and measure.is_end(whole[-1], row, below):
            whole[-1] = whole[-1].join(row, words)
            continue
        while whole and row.figures is not None and whole[-1].is_bare and measure.is_start(whole[-1], row, below):
            if len(whole) > 1 and measure.is_as_near(whole[-2], whole[-1], row):
                break
            row = whole.pop().join(row, words)
        whole.append(row)
    return whole


def row_pitch(rows: list[Labelled]) -> float:
    """How far apart rows of one line are that follow each other; 0 where none do."""
    steps = [
        b.first.base - a.last.base
        for a, b in pairwise(rows)
        if a.figures is not None and b.figures is not None and a.last is not None and b.first is not None
    ]
    return min((step for step in steps if step > 0), default=0.0)


def _close_brackets(rows: list[Labelled], words: frozenset[str]) -> None:
    """Bring a unit beside the headings, "(dollars in" over "thousands)", into the first of its lines."""
    opened: Labelled | None = None
    for row in rows:
        if row.figures is not None:
            return
        label = row.row.cells[0]
        if opened is not None and label:
            opened.row.cells[0] = join_lines([opened.row.cells[0], label], words)
            row.row.cells[0], row.first, row.last = "", None, None
            label = opened.row.cells[0]
        else:
            opened = row
        if label[:1] not in "(（" or _depth(label) <= 0:
            opened = None


class _Measure:
    """How the labels of a table are set: where the widest ends, and how far apart rows of one line are."""

    def __init__(self, rows: list[Labelled]) -> None:
        held = [row.last.x1 for row in rows if row.last is not None and row.figures is not None]
        self.right = max(held, default=0.0)
        self.pitch = row_pitch(rows)

    def is_start(self, above: Labelled, row: Labelled, below: Labelled | None) -> bool:
        """Whether a bare label is the start of that of the row below it."""
        head, tail = above.last, row.first
        if head is None or tail is None or row.figures is None or not _may_go_on(head, tail) or _is_rest(above):
            return False
        hang, step, size = tail.x0 - head.x0, tail.base - head.base, tail.size
        if head.x1 >= row.figures or _heads_several(hang, tail, below):
            return False  # a line over the figures is a title
        room = self.right - head.x1 - _first_word(tail)
        tight, plain = self._is_tight(step, size), step <= LEADING * size
        alone = hang > INDENT * size  # and the row after it stands further left again
        if _OPEN.search(head.text) or _is_open(above.row.cells[0]) or _TOTAL.match(above.row.cells[0]):
            return (tight or plain) and (alone or room < 0 or tight)
        if tight:
            return room < ROOM * size
        beside = row.figures - head.x1 - _first_word(tail) < BESIDE * size or tail.text[0] in "(（"
        is_one = alone and below is not None  # at the end of a table a heading may have one row
        return plain and room < 0 and (is_one or (beside and not _HEADING.search(head.text)))

    def is_as_near(self, before: Labelled, above: Labelled, row: Labelled) -> bool:
        """Whether a line between two rows belongs to either, as far as places tell."""
        head, line, tail = before.last, above.last, row.first
        if head is None or line is None or tail is None or before.figures is None or above.first is not line:
            return False
        is_told = _OPEN.search(line.text) or abs(tail.x0 - line.x0) > INDENT * tail.size
        over, under = line.base - head.base, tail.base - line.base
        return not is_told and self._is_tight(max(over, under), tail.size) and abs(over - under) < 0.05 * tail.size

    def is_end(self, above: Labelled, row: Labelled, below: Labelled | None) -> bool:
        """Whether a bare label is the end of that of the row above it."""
        head, tail = above.last, row.first
        if head is None or tail is None or above.figures is None or not _may_go_on(head, tail):
            return False
        hang, step, size = tail.x0 - head.x0, tail.base - head.base, tail.size
        after = below.first if below is not None else None
        further = after.base - tail.base if after is not None else LOOSE * size + step
        tight, plain = self._is_tight(step, size), step <= LEADING * size
        if _heads_several(hang, tail, below) or not (tight or plain):
            return False
        if _OPEN.search(head.text) or _is_open(above.row.cells[0]) or (tail.text[0] in "(（" and step < further + 1):
            return True
        room = self.right - head.x1 - _first_word(tail)
        if tight and step < further - TIGHT * size:
            return room < ROOM * size
        return plain and room < 0 and hang > INDENT * size and (after is None or after.x0 < tail.x0 - 1)

    def _is_tight(self, step: float, size: float) -> bool:
        return step < self.pitch - TIGHT * size and step <= LOOSE * size


def _may_go_on(head: Run, tail: Run) -> bool:
    """Whether two lines are set as those of one label are, and neither begins or ends what stands alone."""
    if head.text.endswith((":", "：")) or tail.text.endswith((":", "：")) or _ITEM.match(tail.text):
        return False
    if len(head.text) > SENTENCE and ends_sentence(head.text):
        return False
    if head.bold != tail.bold or head.italic != tail.italic or head.color != tail.color:
        return False
    hang = tail.x0 - head.x0
    if abs(head.size - tail.size) > 0.05 * head.size or not -0.25 * head.size <= hang <= DEEPEST * head.size:
        return False
    return not (head.text.isupper() and not tail.text.isupper() and any(map(str.isalpha, tail.text)))


def _heads_several(hang: float, tail: Run, below: Labelled | None) -> bool:
    """Whether rows stand as far to the right as the line below a line: that is their heading."""
    return hang > INDENT * tail.size and below is not None and below.first is not None and below.first.x0 > tail.x0 - 1


def _is_rest(row: Labelled) -> bool:
    """Whether a line is the end of what stands above it: it opens with a bracket, or closes one that it did not open."""
    text = row.row.cells[0]
    return text[0] in "(（" or _depth(text) < 0


def _is_open(text: str) -> bool:
    return _depth(text) > 0


def _depth(text: str) -> int:
    return sum(text.count(sign) for sign in "(（") - sum(text.count(sign) for sign in ")）")


def _first_word(run: Run) -> float:
    """How wide the first word of a line is, with the space before it; characters that need none are words."""
    if is_cjk(run.text[0]):
        return run.size
    word = run.text.partition(" ")[0]
    return (run.x1 - run.x0) / len(run.text) * (len(word) + 1)
