"""Tables of text that was typed or printed on a grid of characters: what stands below what are columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from fingen.documents.content import NO_BOX
from fingen.documents.shapes import TextRow
from fingen.text import clean, is_currency, join_pair

_LEADERS = re.compile(r"(?<=\S)(?:\s?[.·…]){3,}(?=\s|$)|(?:\. ){3,}|\.\.(?=  |$)|[-=_]{4,}(?=\s|$)")
_WORD = re.compile(r"\S+?(?:(?<=[\d)])(?=[$€£]|\([\d,]{3,})|(?=\s|$))")  # figures that touch are two
_FIGURE = re.compile(
    r"[-–—+(\[]{0,2}(?:(?:US|HK|C|A|NT)?[$€£¥￥]|RMB)?[-(]{0,2}(?:\d(?:[\d,]*\d)?(?:\.\d+)?|\.\d+)(?:[\1-]?\d{1,2}/\d{1,2}|-\d[\d.]*(?=%))?"
    r"(?:¢|bp|pts)?[%％x)\]]{0,3}(?::1)?[)*]{0,3}$"
)
_MARK = re.compile(r"(?<=[\d)%])\(([a-z]|\d{1,2})\)$")  # of a footnote, behind a figure
_YEAR = re.compile(r"(?:FY)?(?:19|20)\d\d[AEP]?$")
_NUMBERED = re.compile(r"\(?(?:\d{1,2}|[a-z])\)?$", re.IGNORECASE)
_NONE = frozenset("- – — -- --- —— _ __ -0- N/A n/a NA nil Nil NM nm N/M n/m None".split())
_ENDS = frozenset("0123456789)%]-–—_=*x")  # of figures, of what stands for none, and of rules
_SUFFIX = frozenset({")", "%", ")%", "%)", "]", "x"})
_THOUSANDS = re.compile(r"[-(]?\d{1,3}(?: \d{3})+[)%]?$")  # parted by spaces
INSET = 12  # columns; a figure that begins a line stands behind a label that is not there
LONG_LABEL = 24  # columns; a shorter label has no reason to be broken
ASIDE = 3  # columns; the dash for nothing may stand so far beside the figures of its column
STRAY = 3  # rows; what stands in fewer of them may be no column
FAR = 14  # columns between a currency sign and its figure, at most
FILLER = "\0"  # the second column of a wide character
HELD = "\1"  # a space that parts no cells
_RANGE = re.compile(
    r"(?P<start>^\s*)?(?:[$€£¥]\s*)?\d[\d.,]*%?(?(start)\s{1,2}| )(?:to|-|–|—|through)(?(start)\s{1,2}| )"
    r"(?:[$€£¥](?(start)\s*| ?))?\d[\d.,]*%?[*)]*(?!\S)"
)
_FRACTION = re.compile(r"(?<=\d) (?=\d{1,2}/\d{1,2}(?:\s|$))")  # between 56 and 1/4


class Token(NamedTuple):
    """What stands in a cell: its words, and the columns of characters from `start` to before `end` that it takes."""

    start: int
    end: int
    text: str
    words: tuple[tuple[int, int, str], ...] = ()

    @property
    def is_figure(self) -> bool:
        """Whether it is an amount, or the mark that stands for none; a year is not."""
        return is_figure(self.text)

    @property
    def is_year(self) -> bool:
        """Whether it is a year."""
        return _YEAR.match(self.text) is not None


def is_figure(text: str) -> bool:
    """Whether a text is an amount, or the mark that stands for none; a year is not."""
    if text in _NONE:
        return True
    return _FIGURE.match(_MARK.sub("", text)) is not None and _YEAR.match(text) is None


def is_rule(line: str) -> bool:
    """Whether a line is drawn of dashes, and nothing else."""
    text = line.replace(" ", "").replace(FILLER, "")
    return (
        len(text) > 2
        and not text.strip("-=_–—─━═*~+|│├┼┤┌┬┐└┴┘╔╦╗╠╬╣╚╩╝║╪╫:")
        and not re.fullmatch(r"\s*--?(?:\s+--?)*", line)
    )


def tokens_of(line: str) -> list[Token]:
    """The cells of a line: words parted by two spaces or more are two, figures are always."""
    text = line.strip()
    if "  " not in text and text[-1:] not in _ENDS and ".." not in text and ". ." not in text:
        return [_sentence(line, text)] if text else []  # as most lines are
    line = _LEADERS.sub(lambda dots: " " * len(dots[0]), line)
    line = _FRACTION.sub(HELD, _RANGE.sub(_held, line)) if "/" in line else _RANGE.sub(_held, line)
    words = [(found.start(), found.end(), found[0]) for found in _WORD.finditer(line)]
    tokens: list[Token] = []
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else None
        if tokens and _belongs(tokens[-1], word, following):
            tokens[-1] = _glued(tokens[-1], word)
        else:
            tokens.append(Token(*word, (word,)))
    return tokens


def _sentence(line: str, text: str) -> Token:
    """A line of one cell."""
    start = at = len(line) - len(line.lstrip())
    words = []
    for word in text.split(" "):
        words.append((at, at + len(word), word))
        at += len(word) + 1
    return Token(start, start + len(text), text, tuple(words))


def _held(found: re.Match[str]) -> str:
    """From a figure to another one, as one word; at the start of a line it takes the place that it had."""
    if found["start"] is None:
        return found[0].replace(" ", HELD)
    held = re.sub(r"(?<=[$€£¥])\s+", "", found[0][len(found["start"]) :])
    return found["start"] + (re.sub(r"\s+", HELD, held)).ljust(len(found[0]) - len(found["start"]))


def _belongs(last: Token, word: tuple[int, int, str], following: tuple[int, int, str] | None) -> bool:
    start, _, text = word
    gap = start - last.end
    if _is_sign(last.text):
        return gap <= FAR and (is_figure(text) or text == "(")
    if text in _SUFFIX:
        return gap <= 3 and last.text[-1] in "0123456789)"
    if gap > 1:
        return False
    if _is_sign(text) and following is not None and is_figure(following[2]):
        return last.text.endswith(("(", "-", ","))
    if last.is_figure or last.is_year:
        return not (is_figure(text) or _YEAR.match(text)) or _THOUSANDS.match(f"{last.text} {text}") is not None
    return True


def _is_sign(text: str) -> bool:
    return text in ("(", "($") or is_currency(text)


def _glued(last: Token, word: tuple[int, int, str]) -> Token:
    start, end, text = word
    if _is_sign(last.text):  # the sign stands at the edge of its column, often far away: the figure gives the place
        whole = last.text.replace(" ", "") + text
        return Token(max(last.start, start - len(last.text)), end, whole, ((start, end, whole),))
    if text in _SUFFIX:
        return Token(last.start, end, last.text + text, ((last.start, end, last.text + text),))
    return Token(last.start, end, f"{last.text} {text}", (*last.words, word))


# --- columns -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Column:
    """Columns of characters, from `start` to before `end`, that cells of the rows (by number) stand in."""

    start: int
    end: int
    rows: set[int] = field(default_factory=set)

    def overlap(self, start: int, end: int) -> int:
        """In how many columns of characters something stands in it; 0 or less where it stands beside."""
        return min(self.end, end) - max(self.start, start)


def find_columns(lines: Sequence[Sequence[Token]]) -> tuple[int, list[Column]]:
    """Where the rows begin behind the headings, and the columns right of the labels, from the left.

    Figures make the columns; text of the rows that stands in none of them has its own.
    """
    body = next((at for at, line in enumerate(lines) if has_figures(line) and not _are_numbers(line)), len(lines))
    columns = _columns(lines[body:])
    return (body, columns) if columns else (len(lines), _gutters(lines))


def _are_numbers(line: Sequence[Token]) -> bool:
    """Whether a line numbers the columns: (1), (2), (3)."""
    return all(_NUMBERED.match(token.text) for token in line)


def _columns(rows: Sequence[Sequence[Token]]) -> list[Column]:
    numbered = list(enumerate(rows))
    figures = [(at, token) for at, row in numbered for token in row[1:] if token.is_figure]
    columns: list[Column] = []
    _add(columns, [(at, token) for at, token in figures if any(map(str.isdigit, token.text))])
    if not columns:
        return []
    first = min(column.start for column in columns)
    alone = [(at, row[0]) for at, row in numbered if row and row[0].is_figure and row[0].start >= first - 1]
    _add(columns, alone)
    marks = [(at, token) for at, token in figures if not any(map(str.isdigit, token.text))]
    _add(
        columns,
        [(at, mark) for at, mark in marks if max(column.overlap(mark.start, mark.end) for column in columns) <= -ASIDE],
    )
    _add_texts(columns, [(at, token) for at, row in numbered for token in row[1:] if not token.is_figure])
    labels = [row[0] for row in rows if row and not row[0].is_figure]
    columns = [column for column in columns if not _is_in_labels(column, labels)]
    return sorted(columns, key=lambda column: column.start)


def _is_in_labels(column: Column, labels: list[Token]) -> bool:
    """Whether the few cells of a column stand where labels of other rows do: they are parts of labels."""
    return len(column.rows) < STRAY and sum(column.overlap(label.start, label.end) > 1 for label in labels) > len(
        column.rows
    )


def _add(columns: list[Column], tokens: list[tuple[int, Token]]) -> None:
    """Add cells, the narrow ones first: each joins the one column it overlaps.

    One over several spans them; where no row has cells in two of them these are one, whose cells are not set alike.
    """
    for at, token in sorted(tokens, key=lambda item: item[1].end - item[1].start):
        touched = [column for column in columns if column.overlap(token.start, token.end) > 0]
        if len(touched) > 1 and not any(a.rows & b.rows for a in touched for b in touched if a is not b):
            for column in touched[1:]:
                touched[0].start, touched[0].end = min(touched[0].start, column.start), max(touched[0].end, column.end)
                touched[0].rows |= column.rows
                columns.remove(column)
            touched = touched[:1]
        if not touched:
            columns.append(Column(token.start, token.end, {at}))
        elif len(touched) == 1:
            touched[0].start, touched[0].end = min(touched[0].start, token.start), max(touched[0].end, token.end)
            touched[0].rows.add(at)


def _add_texts(columns: list[Column], tokens: list[tuple[int, Token]]) -> None:
    """Add columns of text that stand beside those of figures. Left of them all, only where several rows have one there."""
    first = min(column.start for column in columns)
    free = [item for item in tokens if not any(column.overlap(item[1].start, item[1].end) > 0 for column in columns)]
    own: list[Column] = []
    _add(own, free)
    columns += [column for column in own if column.start > first or len(column.rows) > 1]


def _gutters(rows: Sequence[Sequence[Token]]) -> list[Column]:
    """The columns of a table of text, but for the first: white space of two characters parts them all the way down."""
    spans = sorted((token.start, token.end) for row in rows if len(row) > 1 for token in row)
    joined: list[Column] = []
    for start, end in spans:
        if joined and start < joined[-1].end + 2:
            joined[-1].end = max(joined[-1].end, end)
        else:
            joined.append(Column(start, end))
    return joined[1:]


# --- rows --------------------------------------------------------------------------------------------------------------


def _cells(row: Sequence[Token], columns: list[Column]) -> list[str]:
    """The cells of a line: the label, and one for each column."""
    cells = [""] * (len(columns) + 1)
    for at, token in enumerate(_cut_label(row, columns)):
        for index, text in _places(token, columns, is_first=at == 0):
            if cells[index] and token.is_figure and is_figure(cells[index]):
                index = next(
                    (free for free in (index + 1, index - 1) if 0 < free < len(cells) and not cells[free]), index
                )
            cells[index] = f"{cells[index]} {text}".strip()
    return [clean(cell.replace(FILLER, "").replace(HELD, " ")) for cell in cells]


def _cut_label(row: Sequence[Token], columns: list[Column]) -> Sequence[Token]:
    """A row whose label runs up to its first figure, with one space between them, cut before that figure."""
    if not row or len(row[0].words) < 2 or not columns:
        return row
    *label, (start, end, text) = row[0].words
    if not is_figure(text) or row[0].start >= columns[0].start or text in _NONE:
        return row
    column = next((column for column in columns if column.overlap(start, end) > 0), None)
    if (
        column is None
        or abs(column.end - end) > 2
        or any(column.overlap(token.start, token.end) > 0 for token in row[1:])
    ):
        return row
    head = Token(label[0][0], label[-1][1], " ".join(word[2] for word in label), tuple(label))
    return [head, Token(start, end, text, ((start, end, text),)), *row[1:]]


def _places(token: Token, columns: list[Column], *, is_first: bool) -> list[tuple[int, str]]:
    """Where a cell goes, 0 being the label: a heading over several columns to the first, words that each head one to theirs."""
    if not columns or (is_first and token.start < columns[0].start and not _heads(token, columns)):
        return [(0, token.text)]
    touched = [index for index, column in enumerate(columns) if column.overlap(token.start, token.end) > 0]
    if not touched:
        if token.end <= columns[0].start - 2 and not token.is_figure:
            return [(0, token.text)]
        nearest = min(range(len(columns)), key=lambda index: -columns[index].overlap(token.start, token.end))
        return [(nearest + 1, token.text)]
    if len(touched) == 1:
        return [(touched[0] + 1, token.text)]
    if token.is_figure:
        return [(max(touched, key=lambda index: columns[index].overlap(token.start, token.end)) + 1, token.text)]
    return _spread(token, columns) or [(touched[0] + 1, token.text)]


def _heads(token: Token, columns: list[Column]) -> bool:
    """Whether the first cell of a row that begins left of all columns stands over the first of them, and is no label."""
    first = columns[0]
    return (
        not token.is_figure
        and token.start > 0.6 * first.start
        and token.end > first.start
        and token.start > first.start - INSET
    )


def _spread(token: Token, columns: list[Column]) -> list[tuple[int, str]]:
    """The words of a cell by the columns that they head: each group ends where its column does."""
    groups: dict[int, list[tuple[int, int, str]]] = {}
    for word in token.words:
        index = max(range(len(columns)), key=lambda index: columns[index].overlap(word[0], word[1]))
        groups.setdefault(index, []).append(word)
    if len(groups) < 2:
        return []
    for index, words in groups.items():
        if abs(words[-1][1] - columns[index].end) > 1 or not words[0][2][0].isupper() or words[-1][2][-1] in ",-":
            return []
    return [(index + 1, " ".join(word[2] for word in words)) for index, words in groups.items()]


# --- from lines to a table ---------------------------------------------------------------------------------------------

_JOINS = re.compile(
    r"(?:[,&–-]|\b(?:of|and|or|the|to|for|in|on|by|from|with|at|a|an|per|before|after|than|as|its|other))$",
    re.IGNORECASE,
)
WRAPPED = 20  # characters; a shorter cell has no reason to be broken


class Typed(NamedTuple):
    """The rows of a table, a cell for each column; the first `header` are headings."""

    rows: list[TextRow]
    header: int


def typed_rows(lines: Sequence[Sequence[Token]], breaks: AbstractSet[int], words: frozenset[str]) -> Typed:
    """Put the cells of lines into columns. `breaks` are lines, by number, that a blank line or a rule stands before."""
    body, columns = find_columns(lines)
    if not columns:
        return Typed([], 0)
    cells = [_cells(line, columns) for line in lines]
    if body == len(lines):
        header, rows = 0, _banded(cells, breaks, words)
    else:
        while body and not any(cells[body - 1][1:]) and lines[body - 1][0].start < columns[0].start - INSET:
            body -= 1  # a label of several lines, or of several rows
        whole = _whole(cells[body:], lines[body:], {at - body for at in breaks}, words)
        header, rows = body, cells[:body] + whole
    kept = [index for index in range(len(columns) + 1) if any(row[index] for row in rows)]
    return Typed([TextRow([row[index] for index in kept], NO_BOX) for row in rows], header)


def has_figures(line: Sequence[Token]) -> bool:
    """Whether a line has a figure behind its label, or none but figures."""
    return any(token.is_figure for token in line[1:]) or (bool(line) and line[0].is_figure and line[0].start > INSET)


def _banded(cells: list[list[str]], breaks: AbstractSet[int], words: frozenset[str]) -> list[list[str]]:
    """The rows of a table of text: a line without a first cell goes on with the row above it."""
    rows: list[list[str]] = []
    for at, row in enumerate(cells):
        if rows and at not in breaks and not row[0]:
            _merge(rows[-1], row, words)
        else:
            rows.append(list(row))
    return rows


def _whole(
    cells: list[list[str]], lines: Sequence[Sequence[Token]], breaks: AbstractSet[int], words: frozenset[str]
) -> list[list[str]]:
    """Rows with labels and cells made whole that go on in the line below."""
    whole: list[list[str]] = []
    width = max((line[0].end for line, row in zip(lines, cells, strict=True) if row[0] and any(row[1:])), default=0)
    last: Token | None = None
    for at, row in enumerate(cells):
        label = lines[at][0]
        above = whole[-1] if whole and at not in breaks else None
        if above is not None and last is not None:
            deeper = label.start > last.start
            full = deeper and max(LONG_LABEL, width - len(label.words[0][2]) - 1) < last.end <= width
            if _goes_on(above, row, deeper=deeper, full=full) or _continues(above, row):
                _merge(above, row, words)
                continue
        whole.append(list(row))
        last = label
    return whole


def _goes_on(above: list[str], row: list[str], *, deeper: bool, full: bool) -> bool:
    """Whether a line goes on with the label of the row above it: one that fills its column, or breaks off inside a phrase."""
    if not row[0] or not above[0] or (any(above[1:]) and any(row[1:])):
        return False
    if above[0].endswith((":", "：", ".")):
        return full and row[0][0].isdigit()
    if above[0].count("(") > above[0].count(")"):
        return True
    if row[0].lstrip("-–— ")[:1].islower() or (_JOINS.search(above[0]) and (deeper or not any(above[1:]))):
        return True
    return (full or (deeper and row[0][0] == "(")) and any(row[1:]) and not any(above[1:]) and not above[0].isupper()


def _continues(above: list[str], row: list[str]) -> bool:
    """Whether a line without a label goes on with text in the cells of the row above, and may bring its figures."""
    if row[0] or not above[0]:
        return False
    both = [(a, b) for a, b in zip(above, row, strict=True) if a and b]
    return bool(both) and all(
        not (is_figure(a) or is_figure(b) or _YEAR.match(b))
        and (b[0].islower() or len(a) >= WRAPPED or _JOINS.search(a))
        for a, b in both
    )


def _merge(above: list[str], row: list[str], words: frozenset[str]) -> None:
    for index, cell in enumerate(row):
        if cell:
            above[index] = join_pair(above[index], cell, words)
