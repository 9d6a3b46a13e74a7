"""A page of typed text -> blocks: lines whose cells stand below each other are tables, the others make paragraphs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from fingen.documents.content import BODY, NO_BOX, table_block
from fingen.documents.shapes import PageBlock, TextRow
from fingen.documents.typed import (
    FILLER,
    INSET,
    Column,
    Token,
    find_columns,
    has_figures,
    is_rule,
    tokens_of,
    typed_rows,
)
from fingen.text import clean, ends_sentence, has_leaders, is_cjk, join_lines

SHORT = 50  # columns; a longer line that another one follows is running text
LONGEST_MARK = 10  # characters before an entry of a list
LONGEST_TITLE = 100  # characters
BESIDE = 4  # columns between two lines that stand side by side
CENTRED = 6  # columns; lines that begin farther in, and not below each other, stand in the middle
WIDEST = 1000  # columns of a line that may be a row of a table
REACH = 9  # lines from one row of a table to the next, at most
LONG = 132  # columns; where many lines are longer, each is a paragraph
_MARKED = re.compile(
    r"(?:[•●▪■◆○*o]|--?|\((?:[ivx]{1,4}|[a-zA-Z]|\d{1,2})\)|（[一二三四五六七八九十\d]{1,3}）|[①-⑳]|[一二三四五六七八九十]{1,3}、|"
    r"\d{1,2}[.)、]|[a-zA-Z][.)]|Item\s+\d{1,2}[A-C]?\.?|第[一二三四五六七八九十\d]{1,3}[节章節])\s*(?=\S)",
    re.IGNORECASE,
)
_RUNS_ON = re.compile(
    r"(?:[,&-]|\b(?:the|of|and|to|a|an|in|for|with|on|at|by|or|from|as|that|our|its|their|is|are|was|which))$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Line:
    """A line without its marks; `text` has a character for each column, `in_table` says that marks stand around it."""

    number: int
    text: str
    raw: str = ""
    in_table: bool = False
    opens: bool = False  # a marked table begins with it
    titles: bool = False  # it stands between <TABLE> and <CAPTION>

    @property
    def indent(self) -> int:
        """How many columns it begins behind the edge."""
        return len(self.text) - len(self.text.lstrip())

    @property
    def shown(self) -> str:
        """The text as it is read."""
        return clean(self.text.replace(FILLER, ""))


@dataclass(slots=True)
class _Shaped:
    """A line as it may stand in a table: its cells, whether they are a row's, whether it is blank or a rule."""

    line: Line
    tokens: list[Token]
    is_row: bool
    is_rule: bool

    @property
    def is_blank(self) -> bool:
        return not self.line.text

    @property
    def has_figures(self) -> bool:
        return self.is_row and has_figures(self.tokens)


def _shaped(line: Line) -> _Shaped:
    if len(line.text) > WIDEST:
        return _Shaped(line, [Token(line.indent, len(line.text), line.text)], False, False)
    tokens = [] if is_rule(line.text) else tokens_of(line.text)
    return _Shaped(line, tokens, not line.titles and _is_row(tokens), bool(line.text) and not tokens)


def _is_row(tokens: list[Token]) -> bool:
    """Whether the cells of a line stand in columns: figures end it, or white space parts it that no sentence has."""
    if len(tokens) < 2:
        return (
            bool(tokens) and tokens[0].start > INSET and tokens[0].is_figure and any(map(str.isdigit, tokens[0].text))
        )
    last = tokens[-1]
    if (last.is_figure or last.is_year) and last.start - tokens[-2].end > 1:
        return True
    return any(b.start - a.end >= 3 for a, b in pairwise(tokens) if not _MARKED.fullmatch(a.text + " "))


class _Page(NamedTuple):
    """What bears on all paragraphs of a page: the words of the text, how wide it is typed, whether lines are paragraphs."""

    words: frozenset[str]
    width: int
    is_unwrapped: bool


def page_blocks(page: list[Line], words: frozenset[str]) -> Iterator[PageBlock]:
    """The blocks of a page: tables, and the paragraphs between them."""
    lines = list(map(_shaped, page))
    lengths = [len(line.line.text) for line in lines if line.tokens and not (line.is_row or line.line.in_table)]
    is_unwrapped = sum(length > LONG for length in lengths) > 0.15 * len(lengths)
    about = _Page(words, min(LONG, max((len(line.text) for line in page), default=0)), is_unwrapped)
    prose: list[_Shaped] = []
    at = 0
    while at < len(lines):
        end = _region_end(lines, at)
        if end == at or not (blocks := _region(lines[at:end], prose, about)):
            end = max(end, at + 1)
            prose += lines[at:end]
        else:
            yield from _paragraphs(prose, about)
            prose = []
            yield from blocks
        at = end
    yield from _paragraphs(prose, about)


def _region_end(lines: list[_Shaped], at: int) -> int:
    """Where what may be a table, and begins at a line, ends; `at` where none begins."""
    if lines[at].line.in_table:
        end = at + 1
        while end < len(lines) and lines[end].line.in_table and not lines[end].line.opens:
            end += 1
        return end
    if not lines[at].is_row:
        return at
    end = at + 1
    right, figures = len(lines[at].line.text), _first_figure(lines[at])
    while end < len(lines):
        following = next(
            (to for to in range(end, min(end + REACH, len(lines))) if lines[to].is_row or lines[to].line.in_table), None
        )
        if following is None or lines[following].line.in_table:
            break
        figures = min(figures, _first_figure(lines[following]))
        if not _belong(lines[end:following], lines[following], max(0.66 * right, 30), figures):
            break
        right = max(right, len(lines[following].line.text))
        end = following + 1
        while end < len(lines) and _hangs(lines[end], lines[end - 1]):
            lines[end].is_row = True
            end += 1
    while end < len(lines) and lines[end].is_rule:
        end += 1
    return end


def _hangs(line: _Shaped, above: _Shaped) -> bool:
    """Whether a line goes on with the last cell of the row above it, which is text."""
    if len(line.tokens) != 1 or not above.is_row or line.tokens[0].is_figure:
        return False
    last = above.tokens[-1]
    return last.start > 0 and abs(line.tokens[0].start - last.start) <= 1 and not last.is_figure and not last.is_year


def _first_figure(line: _Shaped) -> int:
    """Where the first figure behind the label of a line begins; far away where there is none."""
    return next((token.start for token in line.tokens[1:] if token.is_figure or token.is_year), LONG)


def _belong(between: list[_Shaped], row: _Shaped, widest: float, figures: int) -> bool:
    """Whether a table goes on over some lines with a row: they are blank, rules, or labels, which end before `figures`."""
    blanks = sum(line.is_blank for line in between)
    if blanks > (0 if len(row.tokens) == 1 else 2 if row.has_figures else 1):
        return False
    texts = [line.line for line in between if line.tokens]
    return all(
        (len(line.shown) <= widest or len(line.text) < figures)
        and not (ends_sentence(line.shown) and len(line.shown) > 40)
        for line in texts
    )


def _region(lines: list[_Shaped], prose: list[_Shaped], page: _Page) -> list[PageBlock]:
    """The tables of some lines, with the paragraphs before, between and after them; none where they are no table.

    Headings of columns that end the prose before it are taken from there.
    """
    if barred := _barred(lines):
        return barred
    if tabbed := _tabbed(lines):
        return tabbed
    marked = lines[0].line.in_table
    blocks: list[PageBlock] = []
    for stanza in _stanzas(lines):
        found = _table(stanza, [] if blocks or marked else prose, page)
        if found:
            blocks += found
        elif blocks or marked:
            blocks += _paragraphs(stanza, page)
        else:
            return []
    return blocks if any(block.kind == "table" for block in blocks) or marked else []


def _stanzas(lines: list[_Shaped]) -> Iterator[list[_Shaped]]:
    """Lines cut where headings of columns come again after figures, and around running text."""
    start, first = 0, LONG  # where the stanza begins, and where the figures in it do
    parted = True
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.is_blank or line.is_rule:
            parted = True
        elif _is_prose(lines, at):
            end = _prose_end(lines, at)
            yield lines[start:at]
            yield lines[at:end]
            start, at, first, parted = end, end, LONG, True
            continue
        else:
            if first < LONG and parted and _heads_columns(lines[at : at + 4], first):
                yield lines[start:at]
                start, first = at, LONG
            first, parted = min(first, _first_figure(line) if line.has_figures else LONG), False
        at += 1
    yield lines[start:]


def _prose_end(lines: list[_Shaped], at: int) -> int:
    """Where running text ends that begins at a line."""
    end = at
    while end < len(lines) and not lines[end].is_row and not (lines[end].is_blank and not _is_prose(lines, end + 1)):
        end += 1
    return end


def _is_prose(lines: list[_Shaped], at: int) -> bool:
    """Whether running text begins at a line: two lines of it, as wide as text is."""
    two = lines[at : at + 2]
    return len(two) == 2 and all(
        line.tokens and not line.is_row and len(line.line.shown) > 55 and len(line.tokens) == 1 for line in two
    )  # fmt: skip


def _heads_columns(lines: list[_Shaped], first: int) -> bool:
    """Whether lines begin with headings of columns: no labels, no figures; years or several words above the `first` figures."""
    for line in lines:
        tokens = line.tokens
        if not tokens:
            return False
        years = sum(token.is_year for token in tokens[1:])
        if line.has_figures or (tokens[0].start < first - INSET and not (years > 1 and years == len(tokens) - 1)):
            return False
        if years > 1 or (years and tokens[0].is_year) or (len(tokens) > 1 and tokens[0].start >= first - INSET):
            return True
    return False


def _table(lines: list[_Shaped], prose: list[_Shaped], page: _Page) -> list[PageBlock]:
    """The table of some lines, with the paragraphs above and below that stand among them; none where they are no table."""
    rows = [line for line in lines if line.is_row]
    figures = sum(line.has_figures for line in rows)
    marked = lines[0].line.in_table if lines else False
    if not rows or not (
        figures > 1 or marked or (figures and (len(rows) > 1 or len(rows[0].tokens) > 2)) or len(rows) > 2
    ):
        return []
    columns = find_columns([line.tokens for line in rows])[1]
    if not columns:
        return []
    last = max(at for at, line in enumerate(lines) if line.is_row)
    before = lines[: lines.index(rows[0])]
    first = len(before) - len(_headings_above(before, columns))
    above = [] if first else _headings_above(prose, columns)
    body = above + lines[first : last + 1]
    breaks: set[int] = set()
    kept: list[_Shaped] = []
    for line in body:
        if line.tokens:
            kept.append(line)
        else:
            breaks.add(len(kept))
    made = typed_rows([line.tokens for line in kept], breaks, page.words)
    if not made.rows or len(made.rows[0].cells) < 2 or (not figures and _is_list(made.rows)):
        return []
    table = table_block(made.rows, f"line {kept[0].line.number}")
    table.header = made.header or table.header
    return [
        *_paragraphs(lines[:first], page),
        table,
        *_paragraphs(lines[last + 1 :], page),
    ]


def _is_list(rows: list[TextRow]) -> bool:
    """Whether rows are the entries of a list: a mark or number, and running text beside it."""
    pairs = [row.cells for row in rows]
    return (
        len(pairs[0]) == 2
        and max(len(mark) for mark, _ in pairs) <= LONGEST_MARK
        and max(len(text) for _, text in pairs) > SHORT
    )


def _stands_over(line: _Shaped, columns: list[Column]) -> bool:
    """Whether a line stands over the columns of figures, and not over their labels."""
    start, end = line.tokens[0].start, line.tokens[-1].end
    return (
        start >= columns[0].start - INSET
        and start > 0.5 * columns[0].start
        and end <= columns[-1].end + INSET
        and len(line.line.shown) <= 80
    )


def _headings_above(prose: list[_Shaped], columns: list[Column]) -> list[_Shaped]:
    """Lines at the end of the prose before a table that head its columns: taken out of it."""
    taken: list[_Shaped] = []
    at = len(prose)
    while at and len(taken) < 6:
        line = prose[at - 1]
        if line.tokens and _stands_over(line, columns):
            taken, at = prose[at - 1 :], at - 1
        elif line.is_rule or (line.is_blank and not (at > 1 and prose[at - 2].is_blank)):
            at -= 1
        else:
            break
    if taken:
        del prose[len(prose) - len(taken) :]
    return taken


# --- cells that are marked ---------------------------------------------------------------------------------------------

_BARS = re.compile(r"\s*[|│┃║¦]\s*")


def _barred(lines: list[_Shaped]) -> list[PageBlock]:
    """A table whose cells stand between bars, drawn or typed."""
    texts = [(line.line.number, line.line.text.replace(FILLER, "").strip()) for line in lines if line.tokens]
    cut = [(number, _BARS.split(text.strip("|│┃║¦"))) for number, text in texts]
    wide = Counter(len(cells) for _, cells in cut).most_common(1)
    if len(cut) < 2 or wide[0][0] < 2 or wide[0][1] < 0.8 * len(cut):
        return []
    rows = [TextRow([clean(cell) for cell in (cells + [""] * wide[0][0])[: wide[0][0]]], NO_BOX) for _, cells in cut]
    return [table_block(rows, f"line {cut[0][0]}")]


def _tabbed(lines: list[_Shaped]) -> list[PageBlock]:
    """A table whose cells are parted by one tab each, as programs write them."""
    inked = [line.line for line in lines if line.tokens]
    cut = [line.raw.rstrip("\n").split("\t") for line in inked]
    if len(cut) < 2 or len({len(cells) for cells in cut}) > 1 or len(cut[0]) < 2:
        return []
    rows = [TextRow([clean(cell) for cell in cells], NO_BOX) for cells in cut]
    return [table_block(rows, f"line {inked[0].number}")]


# --- paragraphs --------------------------------------------------------------------------------------------------------


def _paragraphs(lines: Sequence[_Shaped], page: _Page) -> Iterator[PageBlock]:
    """The paragraphs of lines. What stands alone and is short may be a title: bold in capitals, underlined or in the middle."""
    right = _margin(lines)
    start = 0
    for at, shaped in enumerate(lines):
        if at > start and (
            not shaped.tokens or page.is_unwrapped or _starts_paragraph(lines[start:at], shaped.line, right)
        ):
            yield from _group(lines, start, at, page)
            start = at
        if not shaped.tokens:
            start = at + 1
    if start < len(lines):
        yield from _group(lines, start, len(lines), page)


def _group(lines: Sequence[_Shaped], start: int, end: int, page: _Page) -> Iterator[PageBlock]:
    """The paragraph of some lines; two where they stand side by side, as the halves of a title do."""
    group = lines[start:end]
    halves = [line.tokens for line in group]
    if not _are_halves(halves):
        yield _paragraph(lines, start, end, page)
        return
    for side in (0, 1):
        text = join_lines([clean(each[side].text.replace(FILLER, "")) for each in halves], page.words)
        block = PageBlock("paragraph", 0, NO_BOX, text, BODY, place=f"line {group[0].line.number}")
        block.bold = side == 0 and text.isupper()
        yield block


def _are_halves(lines: Sequence[Sequence[Token]]) -> bool:
    """Whether the lines of two texts stand side by side; a mark before a text is none."""
    if not all(len(line) == 2 and line[1].start - line[0].end >= BESIDE for line in lines):
        return False
    starts = [line[1].start for line in lines]
    return max(starts) - min(starts) <= 1 and all(line[0].end - line[0].start > LONGEST_MARK for line in lines)


def _margin(lines: Sequence[_Shaped]) -> int:
    """Where lines of running text end: at those that another line follows."""
    ends = sorted(len(a.line.text) for a, b in pairwise(lines) if a.tokens and b.tokens)
    return ends[int(0.9 * (len(ends) - 1))] if ends else 0


def _starts_paragraph(group: Sequence[_Shaped], line: Line, right: int) -> bool:
    last, text = group[-1].line, line.text.lstrip()
    if has_leaders(last.text):
        return True
    if not ends_sentence(last.text) and (text[0].islower() or _RUNS_ON.search(last.text)):
        return False
    word = 2 if is_cjk(text[0]) else len(text.split(" ", 1)[0])
    if min(line.indent, last.indent) > CENTRED and line.indent != last.indent:
        return True  # each line stands in the middle
    if len(last.text) + 1 + word < right - 4:
        return True  # the next word would have fitted: the line was ended on purpose
    if not ends_sentence(last.text):
        return False
    return _MARKED.match(text) is not None or line.indent > max(
        last.indent + 1, min(each.line.indent for each in group)
    )


def _paragraph(lines: Sequence[_Shaped], start: int, end: int, page: _Page) -> PageBlock:
    group = [shaped.line for shaped in lines[start:end]]
    text = join_lines([line.shown for line in group], page.words)
    block = PageBlock("paragraph", 0, NO_BOX, text, BODY, place=f"line {group[0].number}")
    ends = end >= len(lines)
    alone = (start == 0 or not lines[start - 1].tokens) and (ends or not lines[end].tokens)
    underlined = not ends and lines[end].is_rule and len(lines[end].line.text) <= len(group[-1].text) + 4
    middle = alone and all(_is_centred(line, page.width) for line in group)
    is_title = (
        len(group) <= 3
        and len(text) <= LONGEST_TITLE
        and any(map(str.isalpha, text))
        and text[0] not in "(/*-"
        and not (ends_sentence(text) or _RUNS_ON.search(text))
    )
    block.bold = is_title and (underlined or text.isupper() or middle)
    block.italic = is_title and not block.bold and alone and len(text) <= 60 and not text[0].islower()
    block.open_end = ends and len(group) > 1 and not ends_sentence(text)
    return block


def _is_centred(line: Line, width: int) -> bool:
    """Whether a line stands in the middle of a page."""
    return line.indent > INSET and abs(line.indent - (width - len(line.text))) <= 0.2 * width
