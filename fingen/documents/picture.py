"""Words found again on their page, and pictures of pages with boxes on them. Lengths are points from the top left."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pymupdf

from fingen.documents.pdf import MUPDF_ERRORS
from fingen.documents.shapes import union
from fingen.errors import Cause, DocumentError
from fingen.records import Box
from fingen.text import INNER_BAR

MARKER, FRAME = 0xFFEE99, 0xD9480F  # what white paper becomes below a marker and a frame: red, green, blue
FRAME_GAP = 2.5  # points between a frame and what it is drawn around
MARGIN = 60.0  # points above and below what is shown of a page that is cropped
MOST_PIXELS = 5000  # of the longer side: a poster is drawn smaller than was asked
LEVELS = 16  # shades of each colour: text stays as sharp, and the file is half as large
SLACK = 2.0  # points by which a character may stand outside the box that it belongs to
SAME_BOX = 2.0  # heights; a wider gap on a line parts two boxes
_UNPRINTED = frozenset(
    f"-\u2010\u2011\u00ad|{INNER_BAR}\ufffd"
)  # line-end hyphens, and what parts the cells of a table in a chunk


class Glyph(NamedTuple):
    """A visible character of a page, in one width, and its box."""

    text: str
    box: Box


def find_lines(path: Path, page: int, text: str, within: Box | None = None) -> list[Box]:
    """Where `text` stands on a page (1-based), a box for each line or cell; [] where it is not found whole.

    White space, hyphens, the width of characters and the bars between cells make no difference. `within` is the block that
    the text is known to stand in. Scanned pages have no characters to find.

    Raises:
        DocumentError: the page cannot be read.
    """
    with _open_page(path, page) as sheet:
        glyphs = [glyph for glyph in _glyphs(sheet) if within is None or _is_inside(glyph.box, within)]
    orders = (glyphs, _by_position(glyphs))  # as they were set, which keeps cells whole; as they are seen, row by row
    for pieces in ([text], text.splitlines(), text.replace("|", "\n").splitlines()):
        found = [_find(piece, orders) for piece in pieces if _fold(piece)]
        if all(found):
            return [box for glyphs in found for box in _lines(glyphs)]
    return []


def render_page(path: Path, page: int, marks: Sequence[Sequence[Box]], *, dpi: int, crop: bool = False) -> bytes:
    """A page (1-based) as PNG. The boxes of each mark are tinted, and a frame is drawn around them all.

    `crop` leaves out what stands above and below the marks.

    Raises:
        DocumentError: the page cannot be read.
    """
    frames = [_around(boxes) for boxes in marks]
    with _open_page(path, page) as sheet:
        scale = min(dpi / 72, MOST_PIXELS / max(sheet.rect.width, sheet.rect.height))
        clip = pymupdf.Rect(sheet.rect)
        if crop and frames:
            clip.y0 = max(clip.y0, min(top for _, top, _, _ in frames) - MARGIN)
            clip.y1 = min(clip.y1, max(bottom for _, _, _, bottom in frames) + MARGIN)
        drawn = sheet.get_pixmap(matrix=pymupdf.Matrix(scale, scale), clip=clip, alpha=False)
    plain = _posterized(drawn)
    picture = pymupdf.Pixmap(plain, 0)
    for box in (box for boxes in marks for box in boxes):
        _tint(picture, plain, (pymupdf.Rect(box) * scale).irect, MARKER)
    for frame in frames:
        for side in _sides((pymupdf.Rect(frame) * scale).irect, max(1, round(scale))):
            _tint(picture, plain, side, FRAME)
    return bytes(picture.tobytes("png"))


def page_size(path: Path, page: int) -> tuple[float, float]:
    """Width and height of a page (1-based), as it is drawn.

    Raises:
        DocumentError: the page cannot be read.
    """
    with _open_page(path, page) as sheet:
        return sheet.rect.width, sheet.rect.height


@contextmanager
def _open_page(path: Path, number: int) -> Iterator[pymupdf.Page]:
    try:
        with pymupdf.open(stream=path.read_bytes(), filetype="pdf") as pdf:
            if not 1 <= number <= pdf.page_count:
                detail = f"it has {pdf.page_count} pages"
                raise DocumentError(str(path), Cause.NOT_FOUND, detail, page=number, hint="make the set again")
            yield pdf[number - 1]
    except MUPDF_ERRORS as e:
        detail = str(e).splitlines()[0] if str(e) else type(e).__name__
        hint = "open the file in a PDF viewer to see whether the page is damaged"
        raise DocumentError(str(path), Cause.NOT_READABLE, detail, page=number, hint=hint) from e


# --- finding -----------------------------------------------------------------------------------------------------------


def _glyphs(page: pymupdf.Page) -> list[Glyph]:
    """The characters of the lines that run left to right, in the order in which they were set."""
    upright = page.rotation_matrix if page.rotation else None
    flags = pymupdf.TEXTFLAGS_RAWDICT & ~pymupdf.TEXT_PRESERVE_IMAGES
    blocks = page.get_textpage(flags=flags, matrix=upright).extractRAWDICT()["blocks"]
    return [
        Glyph(folded, char["bbox"])
        for block in blocks
        for line in block.get("lines", ())
        if line["dir"][0] > 0.99
        for span in line["spans"]
        for char in span["chars"]
        if (folded := _fold(char["c"]))
    ]


def _fold(text: str) -> str:
    wide = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return "".join(char for char in wide if char.isprintable() and not char.isspace() and char not in _UNPRINTED)


def _is_inside(box: Box, outer: Box) -> bool:
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return outer[0] - SLACK <= across <= outer[2] + SLACK and outer[1] - SLACK <= down <= outer[3] + SLACK


def _by_position(glyphs: list[Glyph]) -> list[Glyph]:
    """From top to bottom, and in each line from left to right."""
    lines: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda glyph: glyph.box[1] + glyph.box[3]):
        if lines and _on_one_line(lines[-1][0].box, glyph.box):
            lines[-1].append(glyph)
        else:
            lines.append([glyph])
    return [glyph for line in lines for glyph in sorted(line, key=lambda glyph: glyph.box[0])]


def _on_one_line(box: Box, other: Box) -> bool:
    return abs((box[1] + box[3]) - (other[1] + other[3])) < min(box[3] - box[1], other[3] - other[1])


def _find(text: str, orders: Sequence[list[Glyph]]) -> list[Glyph]:
    """The characters that spell `text`, in the first order that has them one after the other."""
    wanted = _fold(text)
    for glyphs in orders:
        at = "".join(glyph.text for glyph in glyphs).find(wanted)
        if at >= 0:
            starts = _offsets(glyphs)
            return [g for g, start in zip(glyphs, starts, strict=True) if at - len(g.text) < start < at + len(wanted)]
    return []


def _offsets(glyphs: list[Glyph]) -> Iterator[int]:
    """Where each character starts in the joined text: a ligature is one box and several letters."""
    at = 0
    for glyph in glyphs:
        yield at
        at += len(glyph.text)


def _lines(glyphs: list[Glyph]) -> list[Box]:
    """One box for the characters that follow each other on a line."""
    boxes: list[Box] = []
    for _, box in glyphs:
        gap = SAME_BOX * (box[3] - box[1])
        if boxes and _on_one_line(boxes[-1], box) and boxes[-1][0] - gap <= box[0] <= boxes[-1][2] + gap:
            boxes[-1] = union([boxes[-1], box])
        else:
            boxes.append(box)
    return boxes


# --- drawing -----------------------------------------------------------------------------------------------------------


def _posterized(drawn: pymupdf.Pixmap) -> pymupdf.Pixmap:
    step = 255 / (LEVELS - 1)
    table = bytes(round(round(value / step) * step) for value in range(256))
    picture = pymupdf.Pixmap(drawn.colorspace, drawn.width, drawn.height, drawn.samples.translate(table), False)
    picture.set_origin(drawn.x, drawn.y)
    return picture


def _around(boxes: Sequence[Box]) -> Box:
    left, top, right, bottom = union(list(boxes))
    return left - FRAME_GAP, top - FRAME_GAP, right + FRAME_GAP, bottom + FRAME_GAP


def _sides(area: pymupdf.IRect, width: int) -> list[pymupdf.IRect]:
    left, top, right, bottom = area.x0, area.y0, area.x1, area.y1
    sides = (
        (left, top, right, top + width),
        (left, bottom - width, right, bottom),
        (left, top, left + width, bottom),
        (right - width, top, right, bottom),
    )
    return [pymupdf.IRect(side) for side in sides]


def _tint(picture: pymupdf.Pixmap, plain: pymupdf.Pixmap, area: pymupdf.IRect, color: int) -> None:
    """Give an area of the bare page a color as ink does: the paper takes it, what is printed there stays as it is.

    It starts from the bare page, so that nothing is darker where two areas meet.
    """
    visible = area & picture.irect
    if not visible.is_empty:
        stroke = pymupdf.Pixmap(plain.colorspace, visible, False)
        stroke.copy(plain, visible)
        stroke.tint_with(0, color)
        picture.copy(stroke, visible)
