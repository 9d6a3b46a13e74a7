"""What a reader of the page can see: text that only a program would find is told apart by its kind.

What is plain to see by its color, size and place is not looked at. Where something may keep text from being seen, that
part of the page is drawn with its text and without: a word whose letters make no difference is hidden.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pymupdf

from fingen.documents.drawing import ALIKE, CONTRAST, Drawing, Findings, Marks, Part, Picture
from fingen.documents.shapes import meet, union
from fingen.records import Box

Span = dict[str, Any]

FILLED_OR_STROKED, CLIPPED = 48, 64  # span["char_flags"]; none of them is render mode 3
MIN_SIZE = 2.0  # points; smaller text cannot be read on paper
NARROW = 0.1  # font sizes for each character; narrower text is a smear
LIGHT = 0xC0C0C0  # colors up to this number have a dark red part at least: never near white
NEAR_WHITE = 0.9  # luminance from which text needs something darker behind it
NEAR = 3 * CONTRAST  # levels that colors differ by where one may not stand out from the other
GROUND, FAR = (
    0.25,
    96,
)  # pixels for each point, and levels that the ground of a text averages from its color where that is sure to be seen
BUSY = 64  # levels of 255 that differ within a word where more than a surface is drawn
FAINT = 128  # alpha below which text may not stand out
LAYERS = ("render mode 3", "tiny")  # how programs write what they recognized in an image of the page
PAGE_IMAGE = 0.8  # share of the page from which images are the page itself
SHARP = 9  # pixels that the letters of a font are drawn high
PIECE = 8  # characters of a word that are looked at together
CORE = (
    0.3  # share of a line, above and below, where its letters have little ink and those of the next lines may have some
)
SPACE = 0.25  # font sizes that a space has at least
HAIR = 1.0  # points; what is thinner crosses a line of text and does not hide it, but for many together
OUT = 2.0  # points that text reaches over the edge of the page before its letters are looked for
APART = 30.0  # points between lines that are drawn apart
TYPE3 = "Type3 ("  # how MuPDF calls fonts whose letters are drawings
READ, WHOLE, LOST = (
    0.3,
    0.9,
    0.1,
)  # shares of the ink that are seen of words that can be read, of whole ones, and of letters that are not there
BESIDE = 1.5  # points that a letter is moved by at most when it is painted once more as its own shadow
THIN = 0.05  # share of a word's box that its letters cover at least
LARGE = 20.0  # points; outlines of such letters cover half of that
SPECK = 4  # pixels of ink, from which a letter is judged by itself
CELL, FARTHEST = 2.0, 16000.0  # points; no page is wider or higher than the second


NO_DOUBT: tuple[str | None, bool, tuple[float, float]] = (None, False, (0.0, 0.0))


def luminance(color: int) -> float:
    """Relative luminance 0..1 of 0xRRGGBB, with the weights of ITU-R BT.709 (no gamma: a rough eye is enough)."""
    return (0.2126 * (color >> 16 & 255) + 0.7152 * (color >> 8 & 255) + 0.0722 * (color & 255)) / 255


def image_share(page: pymupdf.Page) -> float:
    """Share of the page that images cover, 0..1: scanners store a page in one image or in strips."""
    area: float = abs(page.rect.width * page.rect.height) or 1.0
    boxes: set[tuple[float, ...]] = {tuple(pymupdf.Rect(info["bbox"]) & page.rect) for info in page.get_image_info()}
    return min(1.0, sum(max(0.0, x1 - x0) * max(0.0, y1 - y0) for x0, y0, x1, y1 in boxes) / area)


@dataclass
class _Doubt:
    """A span that may not be seen; `at` is where it stands in the TextPage: block, line, span."""

    span: Span
    at: tuple[int, int, int]
    direction: tuple[float, float]
    kind: str
    on_ground: bool  # whether nothing hides it but the color of what is below it
    tangled: bool  # whether other text stands at the same place
    box: Box  # the part that is doubtful


class Eye:
    """Looks at one page: `blocks` are those of its TextPage, in the order in which they were painted."""

    def __init__(
        self,
        page: pymupdf.Page,
        drawing: Drawing,
        text: pymupdf.TextPage,
        blocks: list[dict[str, Any]],
        size: tuple[float, float],
    ):
        self._page, self._drawing, self._text, self._blocks, self._size = page, drawing, text, blocks, size
        self._doubts: list[_Doubt] = []
        self._vectors = [(at, block) for at, block in enumerate(blocks) if block["type"] == 3]
        self.hidden: Counter[str] = Counter()

    @cached_property
    def _is_scan(self) -> bool:
        return image_share(self._page) >= PAGE_IMAGE

    @cached_property
    def _words(self) -> dict[tuple[int, int], list[Any]]:
        """The words of each line, by block and line."""
        texts = [at for at, block in enumerate(self._blocks) if block["type"] == 0]  # words know these alone
        words: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
        for word in self._text.extractWORDS():
            words[texts[word[5]], word[6]].append(word)
        return words

    @cached_property
    def _characters(self) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = self._text.extractRAWDICT()["blocks"]
        return blocks

    def look(self) -> None:
        """Take what cannot be seen out of the lines of the blocks, and count it by kind."""
        texts = [block["bbox"] for block in self._blocks if block["type"] == 0]
        box = _within(union(texts), self._size) if texts else None
        scene = _Scene(self._blocks)
        watched = self._drawing.watch(box or (0.0, 0.0, *self._size), [line["bbox"] for line, _, _ in scene.lines])
        self._suspect(scene, watched)
        if any(doubt.on_ground for doubt in self._doubts):
            box = union([doubt.box for doubt in self._doubts if doubt.on_ground])
            ground = self._drawing.part(_within(box, self._size) or box, GROUND).shown(None)
            self._doubts = [doubt for doubt in self._doubts if not (doubt.on_ground and _stands_out(doubt, ground))]
        for doubts in _parts(self._doubts):
            self._settle(doubts)

    # --- what may be hidden --------------------------------------------------------------------------------------------

    def _suspect(self, scene: _Scene, watch: Findings) -> None:
        for ground in watch.grounds:
            scene.suspect("same color", ground)
        for surface in watch.surfaces:
            scene.suspect("covered", surface)
        for cause, area in watch.areas:
            scene.suspect(cause, area)
        plain = _Plain(self._vectors, watch.is_plain)
        width, height = self._size
        doubtful = scene.is_doubtful
        for line, at, cells in scene.lines:
            kind, tangled, where = scene.doubts(cells) if doubtful else NO_DOUBT
            x0, y0, x1, y1 = line["bbox"]
            if kind or x0 < 0 or y0 < 0 or x1 > width or y1 > height or not plain(line["spans"], cells):
                self._sort(line, at, kind, tangled, where, plain)

    def _sort(
        self,
        line: dict[str, Any],
        at: tuple[int, int],
        kind: str | None,
        tangled: bool,
        where: tuple[float, float],
        plain: _Plain,
    ) -> None:
        """Leave out the spans that cannot be seen, and remember those that must be looked at."""
        kept = []
        for number, span in enumerate(line["spans"]):
            if span["text"].isspace():
                kept.append(span)
                continue
            hidden, why, whole = self._judge(span, line["dir"], at[0], kind, plain)
            if hidden:
                self.hidden[hidden] += 1
                continue
            if why:
                apart = tangled or bool(span["char_flags"] & CLIPPED)
                on_ground = kind in (None, "same color") and why in ("white", "same color") and not apart
                x0, y0, x1, y1 = span["bbox"]
                if not whole:
                    x0, x1 = max(x0, where[0]), min(x1, where[1])
                if x0 < x1:
                    self._doubts.append(
                        _Doubt(span, (*at, number), line["dir"], why, on_ground, apart, (x0, y0, x1, y1))
                    )
            kept.append(span)
        line["spans"] = kept

    def _judge(
        self, span: Span, direction: tuple[float, float], at: int, kind: str | None, plain: _Plain
    ) -> tuple[str | None, str | None, bool]:
        """As what a span is hidden; or else why it must be looked at, and whether that holds for all of it."""
        x0, y0, x1, y1 = span["bbox"]
        flags, color, (width, height) = span["char_flags"], span["color"], self._size
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            return "off page", None, True
        if not flags & (FILLED_OR_STROKED | CLIPPED):  # over an image of the page it may be what that says
            return (None, "render mode 3", True) if self._is_scan else ("render mode 3", None, True)
        if span["alpha"] <= CONTRAST and not flags & CLIPPED:
            return "transparent", None, True
        if _is_tiny(span, direction):
            return (None, "tiny", True) if self._is_scan else ("tiny", None, True)
        if flags & CLIPPED or span["alpha"] < FAINT:  # what is painted through letters is their color
            return None, "transparent", True
        if color > LIGHT and luminance(color) >= NEAR_WHITE and (kind or not plain.stands_out(span, at)):
            return None, "white", True
        if min(x0, y0, width - x1, height - y1) < -OUT:
            return None, kind or "off page", True
        if plain.meets(color, _solid(*_core(span["bbox"], direction))):
            return None, kind or "same color", True
        if span["font"].startswith(TYPE3):
            return None, kind or "empty glyphs", True
        return None, kind, False

    # --- what is hidden ------------------------------------------------------------------------------------------------

    def _settle(self, doubts: list[_Doubt]) -> None:
        pieces = [[] if doubt.tangled else self._pieces(doubt) for doubt in doubts]
        boxes = [piece.box for some in pieces for piece in some] + [_around(doubt) for doubt in doubts if doubt.tangled]
        box = _within(union(boxes or [(0.0, 0.0, 0.0, 0.0)]), self._size)
        scale = min(4.0, max(1.0, SHARP / min(max(doubt.span["size"], 1.0) for doubt in doubts)))
        look = _Look(self._drawing.part(box or (0.0, 0.0, 1.0, 1.0), scale))  # off the page nothing is seen
        colors = _colors_of([doubt for doubt in doubts if doubt.tangled])
        for doubt, some in zip(doubts, pieces, strict=True):
            if doubt.tangled and not self._shows_its_color(doubt, colors, look) and not self._stands_apart(doubt, look):
                some += self._letters(doubt)
        tangled = look.untangle(
            [piece for doubt, some in zip(doubts, pieces, strict=True) if doubt.tangled for piece in some]
        )
        for doubt, some in zip(doubts, pieces, strict=True):
            inks = [tangled[piece] if doubt.tangled else look.ink(piece.box) for piece in some]
            if not doubt.tangled and any(READ <= ink.share < WHOLE for ink in inks):
                doubt.box = union([piece.box for piece in some])
                some = self._letters(doubt)
                inks = [look.ink(piece.box) for piece in some]
            seen = [
                is_seen or self._is_in_scan(doubt, look, piece)
                for piece, is_seen in zip(some, _seen(doubt.span["text"], some, inks), strict=True)
            ]
            self._leave_out(doubt, some, seen)

    def _shows_its_color(self, doubt: _Doubt, colors: dict[tuple[int, int], Counter[int]], look: _Look) -> bool:
        """Whether text among other text is seen in a color that the other text has not."""
        color = doubt.span["color"]
        if doubt.span["char_flags"] & CLIPPED or doubt.span["alpha"] < 255:
            return False
        for cell in _cells_of(_core(doubt.box, doubt.direction)):
            if sum(count for other, count in colors[cell].items() if _distance(color, other) < 2 * ALIKE) > 1:
                return False
        words = [word for word in self._words[doubt.at[:2]] if meet(word[:4], doubt.box)]
        parts = [part for word in words for part in _parts_of(word[:4], doubt.direction, -(-len(word[4]) // PIECE))]
        return all(look.shows(color, part) for part in parts if meet(part, doubt.box))

    def _stands_apart(self, doubt: _Doubt, look: _Look) -> bool:
        """Whether large text among other text is seen where that leaves it alone, each of its letters."""
        others = [
            span["bbox"]
            for block in self._blocks
            if block["type"] == 0 and meet(block["bbox"], doubt.box)
            for line in block["lines"]
            for span in line["spans"]
            if span is not doubt.span and not span["text"].isspace() and meet(span["bbox"], doubt.box)
        ]
        words = [word for word in self._words[doubt.at[:2]] if meet(word[:4], doubt.box)]
        parts = [
            _within(part, self._size) for word in words for part in _parts_of(word[:4], doubt.direction, len(word[4]))
        ]
        least = THIN if doubt.span["size"] < LARGE else THIN / 2
        return look.is_seen_beside(others, [part for part in parts if part and meet(part, doubt.box)], least)

    def _pieces(self, doubt: _Doubt) -> list[_Piece]:
        """The doubtful words of a span, or their letters where words reach over its end."""
        block, line, _ = doubt.at
        pieces = _pieces(doubt.span, self._words[block, line], doubt.direction)
        if sum(piece.end - piece.start for piece in pieces) < len("".join(doubt.span["text"].split())):
            return self._letters(doubt)
        return [piece for piece in pieces if meet(piece.box, doubt.box)]

    def _letters(self, doubt: _Doubt) -> list[_Piece]:
        block, line, span = doubt.at
        characters = enumerate(self._characters[block]["lines"][line]["spans"][span]["chars"])
        return [
            _Piece(at, at + 1, char["bbox"], (ord(char["c"]), *char["origin"]))
            for at, char in characters
            if not char["c"].isspace() and meet(char["bbox"], doubt.box)
        ]

    @cached_property
    def _shows_something(self) -> bool:
        page = (0.0, 0.0, *self._size)
        return self._drawing.part(page, GROUND).shown(None).spread(page) > BUSY

    def _is_in_scan(self, doubt: _Doubt, look: _Look, piece: _Piece) -> bool:
        """Whether a piece that makes no difference says what an image of the page shows: there, or at any place of it."""
        if not self._is_scan:
            return False
        return self._shows_something if doubt.kind in LAYERS else look.shown.spread(piece.box) > BUSY

    def _leave_out(self, doubt: _Doubt, pieces: list[_Piece], seen: list[bool]) -> None:
        if all(seen):
            return
        self.hidden[doubt.kind] += 1
        span, line = doubt.span, self._blocks[doubt.at[0]]["lines"][doubt.at[1]]
        if not any(seen) and sum(piece.end - piece.start for piece in pieces) == len("".join(span["text"].split())):
            line["spans"] = [other for other in line["spans"] if other is not span]
            return
        text = span["text"]
        for piece, is_seen in reversed(list(zip(pieces, seen, strict=True))):
            if not is_seen:
                text = text[: piece.start] + text[piece.end :]
        if doubt.box == tuple(span["bbox"]):
            span["bbox"] = union([piece.box for piece, is_seen in zip(pieces, seen, strict=True) if is_seen])
        span["text"] = text


class _Look:
    """A part of the page, looked at."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._colors: dict[int, Marks] = {}

    @cached_property
    def _differs(self) -> Marks:
        return self.shown.differs(self._part.shown(None))

    @cached_property
    def shown(self) -> Picture:
        return self._part.shown()

    @cached_property
    def _marks(self) -> tuple[Marks, Marks]:
        """Where letters are, and where these make a difference."""
        ink = self._part.ink()
        return ink, ink.both(self._differs)

    def ink(self, box: Box) -> _Ink:
        """How much ink of letters a box has, and how much of that is seen."""
        return _ink(*self._marks, box)

    def shows(self, color: int, box: Box) -> bool:
        """Whether text makes a difference in a box that has its color: to as many pixels as letters have."""
        marks = self._colors.get(color)
        if marks is None:
            marks = self._colors[color] = self._differs.both(self.shown.shows(color))
        rows = marks.rows(box)
        return bool(rows) and marks.count(box) > THIN * len(rows) * (rows[0].stop - rows[0].start)

    def is_seen_beside(self, others: list[Box], parts: list[Box], least: float) -> bool:
        """Whether text makes a difference in all parts where these are not in others: in a share of it at least."""
        free = self._differs.without(others)
        alone = self._differs.all().without(others)
        for part in parts:
            size = sum(rows.stop - rows.start for rows in free.rows(part))
            room = alone.count(part)
            if room < READ * size or free.count(part) <= least * room:
                return False
        return bool(parts)

    def untangle(self, letters: Iterable[_Piece]) -> dict[_Piece, _Ink]:
        """The same for letters among others at their places: what is painted at one place is taken away in turns.

        A letter that is painted several times over, as a shadow or to be bold, is taken away at once.
        """
        letters = list(dict.fromkeys(letters))  # a bomb paints the same a million times
        if not letters:
            return {}
        calls = self._part.calls
        places: defaultdict[tuple[int, int, int], set[int]] = defaultdict(set)
        boxes = [call.box for call in calls]
        wanted = {cell for letter in letters for cell in _cells_of(letter.box)}
        for number, call in enumerate(calls):
            if wanted.isdisjoint(_cells_of(boxes[number])):
                continue
            for code, x, y in call.letters():
                places[code, int(x / CELL), int(y / CELL)].add(number)
        units: defaultdict[frozenset[int], list[_Piece]] = defaultdict(list)
        for letter in letters:
            code, x, y = letter.letter
            near = (
                (code, column, row)
                for column in _span_of(x - BESIDE, x + BESIDE)
                for row in _span_of(y - BESIDE, y + BESIDE)
            )
            units[frozenset().union(*(places[place] for place in near if place in places))].append(letter)
        found: dict[_Piece, _Ink] = {}
        for layer in _layers({unit: [boxes[number] for number in unit] for unit in units}):
            gone = frozenset().union(*layer)
            ink = self._part.ink(gone)
            seen = ink.both(self.shown.differs(self._part.shown(gone)))
            found |= {letter: _ink(ink, seen, letter.box) for unit in layer for letter in units[unit]}
        return found


class _Ink(NamedTuple):
    """Pixels that letters have, and those of them that make a difference."""

    all: int
    seen: int

    @property
    def share(self) -> float:
        return self.seen / self.all if self.all else 0.0


def _ink(ink: Marks, seen: Marks, box: Box) -> _Ink:
    return _Ink(ink.count(box), seen.count(box))


def _cells_of(box: Box) -> list[tuple[int, int]]:
    """The cells, twice as wide and high as others, that a box touches."""
    rows, columns = _span_of(box[1], box[3], 2 * CELL), _span_of(box[0], box[2], 2 * CELL)
    return [(row, column) for row in rows for column in columns]


def _colors_of(doubts: list[_Doubt]) -> dict[tuple[int, int], Counter[int]]:
    """How many spans of each color stand in a cell."""
    colors: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for doubt in doubts:
        for cell in _cells_of(_core(doubt.box, doubt.direction)):
            colors[cell][doubt.span["color"]] += 1
    return colors


def _around(doubt: _Doubt) -> Box:
    """The doubtful part of a span, with the whole of each letter that reaches into it."""
    (x0, y0, x1, y1), (left, top, right, bottom), wide = doubt.box, doubt.span["bbox"], 2 * doubt.span["size"]
    return max(left, x0 - wide), max(top, y0 - wide), min(right, x1 + wide), min(bottom, y1 + wide)


def _layers(units: dict[frozenset[int], list[Box]]) -> list[list[frozenset[int]]]:
    """Put what overlaps into different layers."""
    layers: list[list[frozenset[int]]] = []
    taken: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for unit, boxes in units.items():
        cells = set()
        for x0, y0, x1, y1 in boxes:
            trim = 0.25 * min(x1 - x0, y1 - y0)
            cells.update(_cells_of((x0 + trim, y0 + trim, x1 - trim, y1 - trim)))
        others = set().union(*(taken[cell] for cell in cells))
        layer = next(number for number in range(len(layers) + 1) if number not in others)
        for cell in cells:
            taken[cell].add(layer)
        if layer == len(layers):
            layers.append([])
        layers[layer].append(unit)
    return layers


def _seen(text: str, pieces: list[_Piece], inks: list[_Ink]) -> list[bool]:
    """Which pieces are seen: a word that can be read keeps all but the letters that are surely not there."""
    seen: list[bool] = []
    start = 0
    for end in range(1, len(pieces) + 1):
        if end < len(pieces) and pieces[end].start == pieces[end - 1].end:
            continue
        parts = inks[start:end]
        word = _Ink(sum(ink.all for ink in parts), sum(ink.seen for ink in parts))
        speck = word.all < SPECK and not any(map(str.isalnum, text[pieces[start].start : pieces[end - 1].end]))
        if word.share >= READ or speck:  # a dot has too little ink to tell
            seen += [ink.all < SPECK or ink.share >= LOST for ink in parts]
        else:
            seen += [False] * len(parts)
        start = end
    return seen


Cells = tuple[range, int]


def _span_of(start: float, end: float, cell: float = CELL) -> range:
    """The cells that a stretch of the page touches."""
    return range(int(max(0.0, min(start, FARTHEST)) / cell), int(max(0.0, min(end, FARTHEST)) / cell) + 1)


def _cells(box: Box) -> Cells:
    columns = _span_of(box[0], box[2])
    return _span_of(box[1], box[3]), (1 << columns.stop) - (1 << columns.start)


def _solid(x0: float, y0: float, x1: float, y1: float) -> Cells:
    """The cells that a box fills for the most part, one at least."""
    if not 0 <= x0 <= x1 <= FARTHEST or not 0 <= y0 <= y1 <= FARTHEST:
        x0, y0, x1, y1 = (max(0.0, min(end, FARTHEST)) for end in (x0, y0, x1, y1))
    left, top, right, bottom = int(x0 / CELL + 0.5), int(y0 / CELL + 0.5), int(x1 / CELL + 0.5), int(y1 / CELL + 0.5)
    return range(top, bottom if bottom > top else top + 1), (1 << (right if right > left else left + 1)) - (1 << left)


class _Scene:
    """Where text stands and what comes over it, in cells of the page: a number of bits for each row."""

    def __init__(self, blocks: list[dict[str, Any]]) -> None:
        self.lines: list[tuple[dict[str, Any], tuple[int, int], Cells]] = []
        self._ink: dict[int, int] = {}
        self._hairs: list[Cells] = []
        self._tangled: dict[int, int] = {}
        self._doubts: dict[str, dict[int, int]] = {
            kind: {} for kind in ("clipped", "transparent", "covered", "same color")
        }
        for at, block in enumerate(blocks):
            if block["type"] == 3:
                if block["alpha"]:
                    self._cover(block)
            else:
                for number, line in enumerate(block.get("lines", ())):
                    self._write(line, (at, number))
        self._cross()

    @property
    def is_doubtful(self) -> bool:
        return bool(self._tangled) or any(self._doubts.values())

    def _write(self, line: dict[str, Any], at: tuple[int, int]) -> None:
        spans = line["spans"]
        if not spans:
            return
        last = spans[-1]
        if len(spans) == 1 and last["text"].isspace() and not last["font"].startswith(TYPE3):
            return
        x0, y0, x1, y1 = line["bbox"]
        if line["dir"][0] > 0.99:  # the common case: upright, and often with a space at the end
            trim = CORE * (y1 - y0)
            cells = rows, mask = _solid(
                x0, y0 + trim, x1 - SPACE * last["size"] * (last["text"].endswith(" ")), y1 - trim
            )
        else:
            cells = rows, mask = _solid(*_core(line["bbox"], line["dir"]))
        self.lines.append((line, at, cells))
        if len(spans) > 1 and sum(span["bbox"][2] - span["bbox"][0] for span in spans) > x1 - x0 + CELL:
            for span in spans:  # some of them overlap
                if not span["text"].isspace():
                    self._mark(*_solid(*_core(span["bbox"], line["dir"])))
        else:
            self._mark(rows, mask)

    def _mark(self, rows: range, mask: int) -> None:
        ink = self._ink
        for row in rows:
            before = ink.get(row)
            if before is None:
                ink[row] = mask
            else:
                ink[row] = before | mask
                if before & mask:
                    self._tangled[row] = self._tangled.get(row, 0) | (before & mask)

    def _cover(self, vector: dict[str, Any]) -> None:
        cells = rows, mask = _solid(*vector["bbox"])
        if _is_hair(vector):
            self._hairs.append(cells)
            return
        ink = self._ink
        for row in rows if len(rows) < len(ink) else [row for row in ink if row in rows]:
            if row in ink and ink[row] & mask:
                self._add("covered", row, ink[row] & mask)

    def _cross(self) -> None:
        """Take text that two thin lines cross at one place to be covered."""
        ink = self._ink
        crossed: dict[int, int] = {}
        for rows, mask in self._hairs:
            for row in rows:
                common = ink.get(row, 0) & mask
                if common:
                    before = crossed.get(row, 0)
                    crossed[row] = before | common
                    if before & common:
                        self._add("covered", row, before & common)

    def suspect(self, kind: str, box: Box) -> None:
        """Take text within a box to be doubtful."""
        rows, mask = _cells(box)
        for row in rows if len(rows) < len(self._ink) else [row for row in self._ink if row in rows]:
            self._add(kind, row, mask)

    def _add(self, kind: str, row: int, mask: int) -> None:
        doubts = self._doubts[kind]
        doubts[row] = doubts.get(row, 0) | mask

    def doubts(self, cells: Cells) -> tuple[str | None, bool, tuple[float, float]]:
        """Why a line is doubtful, whether other text stands in its place, and from where to where across the page."""
        tangled = _common(self._tangled, cells)
        found = tangled
        why = "covered" if tangled else None
        for kind, doubts in reversed(self._doubts.items()):
            if doubts and (common := _common(doubts, cells)):
                why = kind
                found |= common
        return why, bool(tangled), ((found & -found).bit_length() * CELL - 2 * CELL, (found.bit_length() + 1) * CELL)


def _common(taken: dict[int, int], cells: Cells) -> int:
    rows, mask = cells
    found = 0
    for row in rows:
        found |= taken.get(row, 0)
    return found & mask


def _is_hair(vector: dict[str, Any]) -> bool:
    """Whether a vector is a thin line; MuPDF finds lines to be twice as thick as they are."""
    x0, y0, x1, y1 = vector["bbox"]
    most = HAIR * 2 if vector["stroked"] else HAIR
    return bool(x1 - x0 <= most or y1 - y0 <= most)


class _Plain:
    """Says of most spans at once that they are plain to see: dark, of some size, and of another color than any surface."""

    def __init__(self, vectors: list[tuple[int, dict[str, Any]]], is_painted: bool) -> None:
        self._vectors, self._is_painted = vectors, is_painted
        self._surfaces: defaultdict[int | None, list[Box]] = defaultdict(list)
        for _, block in vectors:  # no color is known of what shows through
            if block["alpha"] and not _is_hair(block):
                self._surfaces[block["color"] if block["alpha"] == 255 else None].append(block["bbox"])
        self._near: dict[int, dict[int, int]] = {}
        self._plain: dict[tuple[Any, ...], bool] = {}

    def __call__(self, spans: list[Span], cells: Cells) -> bool:
        known = self._plain
        for span in spans:
            style = span["color"], span["alpha"], span["char_flags"], span["font"], span["size"]
            plain = known.get(style)
            if plain is None:
                plain = known[style] = self._is_plain(*style)
            if not plain or (self._surfaces and self.meets(style[0], cells)):
                return False
            x0, y0, x1, y1 = span["bbox"]
            if x1 - x0 + y1 - y0 <= NARROW * style[4] * len(span["text"]):
                return False
        return True

    def _is_plain(self, color: int, alpha: int, char_flags: int, font: str, size: float) -> bool:
        painted = char_flags & (FILLED_OR_STROKED | CLIPPED) in (16, 32)
        bold = color <= LIGHT and size >= MIN_SIZE and alpha >= FAINT
        return painted and bold and not font.startswith(TYPE3)

    def meets(self, color: int, cells: Cells) -> bool:
        """Whether a surface of nearly the color lies at the place of a text."""
        near = self._near_surfaces(color)
        return bool(near and _common(near, cells))

    def stands_out(self, span: Span, at: int) -> bool:
        """Whether a darker rectangle lies behind the whole of near-white text, and nothing over that."""
        if not self._is_painted:
            return False
        box = span["bbox"]
        for place, block in reversed(self._vectors):
            if place < at and meet(block["bbox"], box):
                x0, y0, x1, y1 = block["bbox"]
                whole = x0 <= box[0] + 1 and x1 >= box[2] - 1 and y0 <= box[1] + 1 and y1 >= box[3] - 1
                plain = block["isrect"] and not block["stroked"] and block["alpha"] == 255
                return bool(whole and plain and luminance(span["color"]) - luminance(block["color"]) >= NEAR / 255)
        return False

    def _near_surfaces(self, color: int) -> dict[int, int]:
        near = self._near.get(color)
        if near is None:
            near = self._near[color] = {}
            for other, boxes in self._surfaces.items():
                if other is None or _distance(color, other) < NEAR:
                    for box in boxes:
                        rows, mask = _solid(*box)
                        for row in rows:
                            near[row] = near.get(row, 0) | mask
        return near


def _stands_out(doubt: _Doubt, ground: Picture) -> bool:
    """Whether what is painted at the place of a text differs much from its color, on average of each small area."""
    color = doubt.span["color"]
    red, green, blue = color >> 16 & 255, color >> 8 & 255, color & 255
    found = False
    for row in ground.rows(doubt.box):
        for r, g, b in zip(row[0::3], row[1::3], row[2::3], strict=True):
            if abs(r - red) < FAR and abs(g - green) < FAR and abs(b - blue) < FAR:
                return False
            found = True
    return found


def _distance(color: int, other: int) -> int:
    return max(abs((color >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16))


def _core(box: Box, direction: tuple[float, float], share: float = CORE) -> Box:
    """The middle of a line, where its letters have ink and those of the next lines have not."""
    x0, y0, x1, y1 = box
    if abs(direction[0]) > abs(direction[1]):
        trim = share * (y1 - y0)
        return x0, y0 + trim, x1, y1 - trim
    trim = share * (x1 - x0)
    return x0 + trim, y0, x1 - trim, y1


def _is_narrow(span: Span) -> bool:
    x0, y0, x1, y1 = span["bbox"]
    return bool(max(x1 - x0, y1 - y0) < NARROW * span["size"] * len(span["text"]))


def _is_tiny(span: Span, direction: tuple[float, float]) -> bool:
    x0, y0, x1, y1 = span["bbox"]
    along, across = (x1 - x0, y1 - y0) if abs(direction[0]) > abs(direction[1]) else (y1 - y0, x1 - x0)
    if span["size"] < MIN_SIZE and (across < MIN_SIZE or along < NARROW * MIN_SIZE * len(span["text"])):
        return True
    return _is_narrow(span)


def _parts(doubts: list[_Doubt]) -> list[list[_Doubt]]:
    """The doubts in groups of lines that stand close to each other."""
    parts: list[list[_Doubt]] = []
    bottom = 0.0
    for doubt in sorted(doubts, key=lambda doubt: doubt.span["bbox"][1]):
        box = doubt.span["bbox"]
        if parts and box[1] < bottom + APART:
            parts[-1].append(doubt)
            bottom = max(bottom, box[3])
        else:
            parts.append([doubt])
            bottom = box[3]
    return parts


def _within(box: Box, size: tuple[float, float]) -> Box | None:
    x0, y0, x1, y1 = max(0.0, box[0]), max(0.0, box[1]), min(size[0], box[2]), min(size[1], box[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


class _Piece(NamedTuple):
    """A word of a span, a part of a long one, or a letter: its place in the text, its box; of a letter also what it is and its origin."""

    start: int
    end: int
    box: Box
    letter: tuple[int, float, float] = (0, 0.0, 0.0)


def _pieces(span: Span, words: list[Any], direction: tuple[float, float]) -> list[_Piece]:
    x0, y0, x1, y1 = span["bbox"]
    inside = [w for w in words if x0 <= (w[0] + w[2]) / 2 <= x1 and y0 <= (w[1] + w[3]) / 2 <= y1]
    pieces = []
    at = 0
    for word in inside:
        start = span["text"].find(word[4], at)
        if start < 0:  # it reaches over the span's end
            continue
        at = start + len(word[4])
        parts = -(-len(word[4]) // PIECE)
        for number, part in enumerate(_parts_of(word[:4], direction, parts)):
            first, last = (start + len(word[4]) * (number + more) // parts for more in (0, 1))
            pieces.append(_Piece(first, last, part))
    return pieces


def _parts_of(box: Box, direction: tuple[float, float], count: int) -> list[Box]:
    """The parts of a word's box, all of one length."""
    return [_part(box, direction, number / count, (number + 1) / count) for number in range(count)]


def _part(box: Box, direction: tuple[float, float], start: float, end: float) -> Box:
    """The part of a word's box from one share of its length to another."""
    x0, y0, x1, y1 = box
    if abs(direction[0]) <= abs(direction[1]):
        start, end = (start, end) if direction[1] > 0 else (1 - end, 1 - start)
        return x0, y0 + start * (y1 - y0), x1, y0 + end * (y1 - y0)
    start, end = (start, end) if direction[0] > 0 else (1 - end, 1 - start)
    return x0 + start * (x1 - x0), y0, x0 + end * (x1 - x0), y1
