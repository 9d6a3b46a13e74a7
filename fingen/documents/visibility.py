"""What a reader of the page can see: text that only a program would find is told apart by its kind.

What is plain to see by its color, size and place is not looked at. Where something may keep text from being seen, that
part of the page is drawn with its text and without: a word that makes no difference is hidden.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import pymupdf

from fingen.documents.content import Contents
from fingen.documents.drawing import Drawing, Picture
from fingen.documents.shapes import union
from fingen.records import Box

Span = dict[str, Any]

FILLED_OR_STROKED, CLIPPED = 48, 64  # span["char_flags"]; none of them is render mode 3
MIN_SIZE = 2.0  # points; smaller text cannot be read on paper
NARROW = 0.1  # font sizes for each character; narrower text is a smear
LIGHT = 0xC0C0C0  # colors up to this number have a dark red part at least: never near white
NEAR_WHITE = 0.9  # luminance from which text needs something darker behind it
BUSY = 64  # levels of 255 that differ within a word where more than a surface is drawn
CONTRAST = 0.05  # difference of a color that an eye can see, if barely
FAINT = 128  # alpha below which text may not stand out
PAGE_IMAGE = 0.8  # share of the page from which images are the page itself
SHARP = 9  # pixels that the letters of a font are drawn high
KEPT = "doubtful, kept"  # more pages than may be looked at
PIECE = 8  # characters of a word that are looked at together
RULE = 1.5  # points; what is thinner crosses a line of text and does not hide it
BAND, MOST_BANDS = 16, 1000  # points, and as many as a page may be high
APART = 30.0  # points between lines that are drawn apart
TYPE3 = "Type3 ("  # how MuPDF calls fonts whose letters are drawings


def luminance(color: int) -> float:
    """Relative luminance 0..1 of 0xRRGGBB, with the weights of ITU-R BT.709 (no gamma: a rough eye is enough)."""
    return (0.2126 * (color >> 16 & 255) + 0.7152 * (color >> 8 & 255) + 0.0722 * (color & 255)) / 255


def image_share(page: pymupdf.Page) -> float:
    """Share of the page that images cover, 0..1: scanners store a page in one image or in strips."""
    area: float = abs(page.rect.width * page.rect.height) or 1.0
    boxes: set[tuple[float, ...]] = {tuple(pymupdf.Rect(info["bbox"]) & page.rect) for info in page.get_image_info()}
    return min(1.0, sum(max(0.0, x1 - x0) * max(0.0, y1 - y0) for x0, y0, x1, y1 in boxes) / area)


@lru_cache(maxsize=1)
def _contents(_document: pymupdf.Document) -> Contents:
    """What is known of the document that is being read."""
    return Contents()


@dataclass
class _Doubt:
    """A span that may not be seen; `at` is where it stands in the TextPage: block, line, span."""

    span: Span
    at: tuple[int, int, int]
    kind: str


class Eye:
    """Looks at one page: `blocks` are those of its TextPage, in the order in which they were painted."""

    def __init__(
        self, page: pymupdf.Page, text: pymupdf.TextPage, blocks: list[dict[str, Any]], size: tuple[float, float]
    ):
        self._page, self._text, self._blocks, self._size = page, text, blocks, size
        self._drawing = Drawing(page)
        self._contents = _contents(page.parent)
        self._signs = self._contents.signs(page)
        self._doubts: list[_Doubt] = []
        self._raw: list[dict[str, Any]] | None = None
        self._vectors = [(at, block) for at, block in enumerate(blocks) if block["type"] == 3]
        self.hidden: Counter[str] = Counter()

    @cached_property
    def _scan(self) -> bool:
        return image_share(self._page) >= PAGE_IMAGE

    def look(self) -> None:
        """Take what cannot be seen out of the lines of the blocks, and count it by kind."""
        self._suspect()
        doubts = [doubt for doubt in self._doubts if doubt.kind != "white"]
        if doubts and not self._contents.may_look():
            self.hidden[KEPT] += len(doubts)
            self._doubts = [doubt for doubt in self._doubts if doubt.kind == "white"]
        if self._doubts:
            self._settle()

    # --- what may be hidden --------------------------------------------------------------------------------------------

    def _suspect(self) -> None:
        covers = _later_vectors(self._blocks)
        surfaces = [surface.box for surface in self._signs.surfaces]
        looks_plain = _Plain(self._vectors)
        for at, block in enumerate(self._blocks):
            lines = block.get("lines")
            if not lines:
                continue
            box = block["bbox"]
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= self._size[0] and box[3] <= self._size[1]
            over = covers.get(at, ())
            near = [area for area in surfaces if _meet(box, area)] if surfaces else ()
            for number, line in enumerate(lines):
                kind = None
                if self._signs.fades:
                    kind = "transparent"
                elif over or near:
                    core = _core(line["bbox"], line["dir"])
                    if (over and _may_cover(over, core)) or (
                        any(_meet(core, area) for area in near) and not self._scan
                    ):
                        kind = "covered"  # but a scan and its text say the same
                if kind or not inside or not all(map(looks_plain, line["spans"])):
                    self._sort(line, (at, number), kind, looks_plain)

    def _sort(self, line: dict[str, Any], at: tuple[int, int], kind: str | None, plain: _Plain) -> None:
        """Leave out the spans that cannot be seen, and remember those that must be looked at."""
        kept = []
        for number, span in enumerate(line["spans"]):
            hidden, why = (None, kind) if span["text"].isspace() else self._judge(span, line["dir"], at[0], kind)
            if hidden:
                self.hidden[hidden] += 1
                continue
            if span["text"].isspace():
                why = None
            elif why is None and plain.meets(span["color"], span["bbox"]):
                why = "same color"
            if why:
                self._doubts.append(_Doubt(span, (*at, number), why))
            kept.append(span)
        line["spans"] = kept

    def _judge(
        self, span: Span, direction: tuple[float, float], at: int, kind: str | None
    ) -> tuple[str | None, str | None]:
        """As what a span is hidden, and otherwise why it must be looked at."""
        x0, y0, x1, y1 = span["bbox"]
        if x1 <= 0 or y1 <= 0 or x0 >= self._size[0] or y0 >= self._size[1]:
            return "off page", None
        if not span["char_flags"] & (FILLED_OR_STROKED | CLIPPED):
            return (
                None if self._scan else "render mode 3"
            ), None  # over a page-size image it is that page's text layer
        if span["char_flags"] & CLIPPED:
            return None, "transparent"  # what is painted through its letters is its color
        if span["alpha"] <= CONTRAST * 255:
            return "transparent", None
        if _is_tiny(span, direction):
            return (None if self._scan else "tiny"), kind
        if span["color"] > LIGHT and luminance(span["color"]) >= NEAR_WHITE:
            return None, kind or (None if self._stands_out(span, at) else "white")
        if span["alpha"] < FAINT:
            return None, "transparent"
        return None, "empty glyphs" if span["font"].startswith(TYPE3) else kind

    def _stands_out(self, span: Span, at: int) -> bool:
        """Whether a darker rectangle lies behind the whole of near-white text, and nothing over that."""
        box = span["bbox"]
        for place, block in reversed(self._vectors):
            if place < at and _meet(block["bbox"], box):
                x0, y0, x1, y1 = block["bbox"]
                whole = x0 <= box[0] + 1 and x1 >= box[2] - 1 and y0 <= box[1] + 1 and y1 >= box[3] - 1
                plain = block["isrect"] and not block["stroked"] and block["alpha"] == 255
                return bool(whole and plain and luminance(span["color"]) - luminance(block["color"]) >= 2 * CONTRAST)
        return False

    # --- what is hidden ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        words: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
        for word in self._text.extractWORDS():
            words[word[5:7]].append(word)
        texts = [at for at, block in enumerate(self._blocks) if block["type"] == 0]
        numbers = {at: number for number, at in enumerate(texts)}  # words know the blocks of text alone
        for doubts in _parts(self._doubts):
            box = _within(union([doubt.span["bbox"] for doubt in doubts]), self._size)
            if box is None:
                continue
            scale = min(4.0, max(1.0, SHARP / min(doubt.span["size"] for doubt in doubts)))
            shown, bare = (self._drawing.look(box, scale, text=text) for text in (True, False))
            for doubt in doubts:
                block, line, _ = doubt.at
                direction = self._blocks[block]["lines"][line]["dir"]
                pieces = _pieces(doubt.span, words[numbers[block], line], direction)
                if sum(piece.end - piece.start for piece in pieces) < len("".join(doubt.span["text"].split())):
                    pieces = _pieces(doubt.span, self._letters(doubt.at), direction)
                self._leave_out(doubt, pieces, [_is_seen(doubt, piece, shown, bare) for piece in pieces])

    def _letters(self, at: tuple[int, int, int]) -> list[Any]:
        """The characters of a span as words of their own: those of its line reach over its ends."""
        if self._raw is None:
            self._raw = self._text.extractRAWDICT()["blocks"]
        block, line, span = at
        return [
            (*char["bbox"], char["c"])
            for char in self._raw[block]["lines"][line]["spans"][span]["chars"]
            if not char["c"].isspace()
        ]

    def _leave_out(self, doubt: _Doubt, pieces: list[_Piece], seen: list[bool | None]) -> None:
        if False not in seen or (doubt.kind == "white" and True in seen):
            return
        self.hidden[doubt.kind] += 1
        span, line = doubt.span, self._blocks[doubt.at[0]]["lines"][doubt.at[1]]
        if True not in seen:  # a dash or a dot goes with the words beside it
            line["spans"] = [other for other in line["spans"] if other is not span]
            return
        text = span["text"]
        for piece, is_seen in reversed(list(zip(pieces, seen, strict=True))):
            if is_seen is False:
                text = text[: piece.start] + text[piece.end :]
        span |= {
            "text": text,
            "bbox": union([piece.box for piece, is_seen in zip(pieces, seen, strict=True) if is_seen]),
        }


class _Plain:
    """Says of most spans at once that they are plain to see: dark, of some size, and of another color than any surface."""

    def __init__(self, vectors: list[tuple[int, dict[str, Any]]]) -> None:
        self._surfaces: defaultdict[int, list[Box]] = defaultdict(list)
        for _, block in vectors:
            self._surfaces[block["color"]].append(block["bbox"])
        self._near: dict[int, list[Box]] = {}
        self._plain: dict[tuple[Any, ...], bool] = {}

    def __call__(self, span: Span) -> bool:
        style = span["color"], span["alpha"], span["char_flags"], span["font"], span["size"]
        plain = self._plain.get(style)
        if plain is None:
            plain = self._plain[style] = self._is_plain(*style)
        if not plain:
            return False
        x0, y0, x1, y1 = span["bbox"]
        return bool(x1 - x0 + y1 - y0 > NARROW * span["size"] * len(span["text"]))

    def _is_plain(self, color: int, alpha: int, char_flags: int, font: str, size: float) -> bool:
        painted = char_flags & (FILLED_OR_STROKED | CLIPPED) in (16, 32)
        bold = color <= LIGHT and size >= MIN_SIZE and alpha >= FAINT
        return painted and bold and not font.startswith(TYPE3) and not self._near_surfaces(color)

    def meets(self, color: int, box: Box) -> bool:
        """Whether a surface of nearly the color lies at the place of a text."""
        return any(_meet(box, other) and _covers_middle(other, box) for other in self._near_surfaces(color))

    def _near_surfaces(self, color: int) -> list[Box]:
        near = self._near.get(color)
        if near is None:
            near = [box for other, boxes in self._surfaces.items() if _distance(color, other) < 3 * CONTRAST for box in boxes
                    if min(box[2] - box[0], box[3] - box[1]) > RULE]  # fmt: skip
            self._near[color] = near
        return near


def _distance(color: int, other: int) -> float:
    return max(abs((color >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16)) / 255


def _meet(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _covers_middle(surface: Box, box: Box) -> bool:
    """Whether a surface is more than a rule beside or under text: it reaches over half of the height or width of a letter."""
    high, wide = box[3] - box[1], box[2] - box[0]
    reach = 0.3 * min(high, wide)
    return (
        min(surface[3], box[3]) - max(surface[1], box[1]) > reach
        and min(surface[2], box[2]) - max(surface[0], box[0]) > reach
    )


def _core(box: Box, direction: tuple[float, float], share: float = 0.3) -> Box:
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


def _may_cover(vectors: list[Box], core: Box) -> bool:
    """Whether a surface hides a part of a line that is worth a look."""
    return any(
        min(x1, core[2]) - max(x0, core[0]) > RULE and min(y1, core[3]) - max(y0, core[1]) > RULE
        for x0, y0, x1, y1 in vectors
    )


def _later_vectors(blocks: list[dict[str, Any]]) -> dict[int, list[Box]]:
    """For each block of text what is painted over it later, by the block's place."""
    bands: defaultdict[int, list[Box]] = defaultdict(list)  # by height on the page: a map has ten thousand vectors
    found = {}
    for at in range(len(blocks) - 1, -1, -1):
        block = blocks[at]
        box = block["bbox"]
        if block["type"] == 3 and (box[2] - box[0] <= RULE or box[3] - box[1] <= RULE):
            continue  # a rule crosses text and does not hide it
        if block["type"] != 3 and not bands:
            continue
        reach = range(max(0, int(box[1]) // BAND), min(int(box[3]) // BAND, MOST_BANDS) + 1)
        if block["type"] == 3:
            if block["alpha"]:
                for band in reach:
                    bands[band].append(box)
        else:
            over = {cover for band in reach if band in bands for cover in bands[band] if _meet(box, cover)}
            if over:
                found[at] = list(over)
    return found


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
    """A word of a span, or a part of a long one: its place in the text, its box, and the middle of that."""

    start: int
    end: int
    box: Box
    core: Box


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
        for number in range(parts):
            first, last = (start + len(word[4]) * (number + more) // parts for more in (0, 1))
            box = _part(word[:4], direction, number / parts, (number + 1) / parts)
            pieces.append(_Piece(first, last, box, _core(box, direction, 0.2)))
    return pieces


def _part(box: Box, direction: tuple[float, float], start: float, end: float) -> Box:
    """The part of a word's box from one share of its length to another."""
    x0, y0, x1, y1 = box
    if abs(direction[0]) <= abs(direction[1]):
        start, end = (start, end) if direction[1] > 0 else (1 - end, 1 - start)
        return x0, y0 + start * (y1 - y0), x1, y0 + end * (y1 - y0)
    start, end = (start, end) if direction[0] > 0 else (1 - end, 1 - start)
    return x0 + start * (x1 - x0), y0, x0 + end * (x1 - x0), y1


def _is_seen(doubt: _Doubt, piece: _Piece, shown: Picture, bare: Picture) -> bool | None:
    """Whether a piece of a word makes a difference to the page; None where that cannot be told."""
    if not any(map(str.isalnum, doubt.span["text"][piece.start : piece.end])):
        return None
    rows = shown.rows(piece.box)
    if not rows:
        return None
    width = (rows[0].stop - rows[0].start) // 3
    if doubt.span["char_flags"] & CLIPPED:
        ground = shown.pixels[rows[0].start : rows[0].start + 3] * width
        return _is_marked([(shown.pixels[row], ground) for row in rows])
    if _is_marked([(shown.pixels[row], bare.pixels[row]) for row in rows]):
        return True
    return _is_busy([shown.pixels[row] for row in rows])


def _is_busy(rows: list[bytes]) -> bool:
    """Whether something else is drawn there: it may show the same words, as pictures of signatures do, and the text is kept."""
    return any(
        max(max(row[channel::3]) for row in rows) - min(min(row[channel::3]) for row in rows) > BUSY
        for channel in range(3)
    )


def _is_marked(rows: list[tuple[bytes, bytes]]) -> bool:
    """Whether any pixel is marked: in doubt a word is seen."""
    least = CONTRAST * 255
    return any(
        not -least < a - b < least for row, other in rows if row != other for a, b in zip(row, other, strict=True)
    )
