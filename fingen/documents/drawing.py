"""A page as it is painted: recorded once, then read, watched and drawn from that record.

MuPDF spends most of its time on a page's instructions, whoever listens to them. From a record a second listener costs
little, so that what may hide text is asked of the painter itself and not guessed from the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any, NamedTuple

import pymupdf
from pymupdf import mupdf

from fingen.documents.shapes import meet
from fingen.records import Box

MOST_PIXELS = 4_000_000  # of one look; a bigger part of the page is drawn smaller
FAINT = 0.5  # alpha below which a group may not stand out
EDGE = 1.5  # points that a clip may take of a text; MuPDF finds it one wider than it is
TRIM = 0.15  # share of the height of letters that a clip may take above and below where it holds their line
MOST_COMPARED = 100_000  # pairs of clipped text and lines of a page, from which each text counts as cut
MOST_IMAGES = 100  # of a page, from which each place of a text is not compared with theirs
NORMAL = 0  # the blend mode that paints
CONTRAST = 13  # levels, of 255, that a color must differ by for an eye to see it, if barely
ALIKE = 90  # levels within which a pixel has the color of a thin letter
INK = 80  # levels of coverage, of 255, from which a pixel belongs to a letter
_FAR = 1e6
_EVERYWHERE = mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE)
_TEXT = ("fill_text", "stroke_text", "clip_text", "clip_stroke_text")
_CLIPS = ("clip_text", "clip_stroke_text", "clip_path", "clip_stroke_path", "clip_image_mask", "begin_mask")
_OTHERS = ("fill_path", "stroke_path", "ignore_text", "fill_shade", "fill_image", "fill_image_mask", "pop_clip", "end_mask",
           "begin_group", "end_group", "begin_tile", "end_tile", "render_flags", "set_default_colorspaces")  # fmt: skip
_PAINTS = ("fill_shade", "fill_image", "fill_image_mask")
_is_rect, _bound, _holds = mupdf.ll_fz_path_is_rect, mupdf.ll_fz_bound_text, mupdf.ll_fz_contains_rect
_scissor, _expand = mupdf.ll_fz_device_current_scissor, mupdf.ll_fz_expand_rect
_HALVES = tuple(bytes((level + shift) // CONTRAST for level in range(256)) for shift in (0, CONTRAST // 2))
_ANY = bytes([0] + [1] * 255)
_COVERED = bytes(level >= INK for level in range(256))


class Marks(NamedTuple):
    """One byte for each pixel of a part of the page, `scale` pixels for each point: 1 where something is so, else 0."""

    left: int
    top: int
    width: int
    height: int
    scale: float
    pixels: bytes

    def rows(self, box: Box) -> list[slice]:
        """Where the pixels that lie wholly in a box (in points) stand, a slice for each row."""
        x0 = max(0, -int(-box[0] * self.scale // 1) - self.left)
        x1 = min(self.width, int(box[2] * self.scale) - self.left)
        y0 = max(0, -int(-box[1] * self.scale // 1) - self.top)
        y1 = min(self.height, int(box[3] * self.scale) - self.top)
        return [slice(y * self.width + x0, y * self.width + x1) for y in range(y0, y1)] if x0 < x1 else []

    def count(self, box: Box) -> int:
        return sum(self.pixels.count(1, rows.start, rows.stop) for rows in self.rows(box))

    def all(self) -> Marks:
        """A mark everywhere."""
        return self._replace(pixels=b"\1" * len(self.pixels))

    def without(self, boxes: list[Box]) -> Marks:
        """The marks that lie in none of the boxes."""
        pixels = bytearray(self.pixels)
        edge = 1 / self.scale  # what a box holds in part is taken to be its own
        for x0, y0, x1, y1 in boxes:
            for rows in self.rows((x0 - edge, y0 - edge, x1 + edge, y1 + edge)):
                pixels[rows] = bytes(rows.stop - rows.start)
        return self._replace(pixels=bytes(pixels))

    def both(self, other: Marks) -> Marks:
        size = len(self.pixels)
        shared = int.from_bytes(self.pixels, "big") & int.from_bytes(other.pixels, "big")
        return self._replace(pixels=shared.to_bytes(size, "big"))


class Picture(NamedTuple):
    """A drawn part of the page: three bytes for each pixel (red, green, blue)."""

    left: int
    top: int
    width: int
    height: int
    scale: float
    pixels: bytes

    def differs(self, other: Picture) -> Marks:
        """Where a color differs by half of CONTRAST at least, and surely where it does by all of it."""
        size = len(self.pixels)
        found = -1
        for halves in _HALVES:  # levels in two ways: what differs little falls together in one of them
            a, b = (int.from_bytes(picture.pixels.translate(halves), "big") for picture in (self, other))
            found &= int.from_bytes((a ^ b).to_bytes(size, "big").translate(_ANY), "big")
        levels = found.to_bytes(size, "big")
        either = 0
        for channel in range(3):
            either |= int.from_bytes(levels[channel::3], "big")
        return Marks(*self[:5], either.to_bytes(size // 3, "big"))

    def rows(self, box: Box) -> list[bytes]:
        """The pixels of a box, a row at a time: those that lie wholly in it, or the one at its middle."""
        marks = Marks(*self[:5], b"")
        x, y, half = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 0.5 / self.scale
        wide = min(box[0], x - half), min(box[1], y - half), max(box[2], x + half), max(box[3], y + half)
        return [self.pixels[at.start * 3 : at.stop * 3] for at in marks.rows(box) or marks.rows(wide)]

    def shows(self, color: int) -> Marks:
        """Where it has nearly a color."""
        found = -1
        for channel in range(3):
            level = color >> 16 - 8 * channel & 255
            near = bytes(abs(level - other) < ALIKE for other in range(256))
            found &= int.from_bytes(self.pixels[channel::3].translate(near), "big")
        return Marks(*self[:5], found.to_bytes(len(self.pixels) // 3, "big"))

    def spread(self, box: Box) -> int:
        """How far the levels within a box lie apart, of 255, in the channel where that is most."""
        levels = b"".join(self.rows(box))
        return (
            max((max(levels[channel::3]) - min(levels[channel::3]) for channel in range(3)), default=0) if levels else 0
        )


class Drawing:
    """One page. Raises what MuPDF raises for a page that it cannot read."""

    def __init__(self, page: pymupdf.Page) -> None:
        self._page = page
        self._record = mupdf.FzDisplayList(mupdf.fz_bound_page(page.this))
        self._culled: Any = None
        self._has_tiles = False
        device = mupdf.fz_new_list_device(self._record)
        # Outside of a tile a replay leaves out what has no extent: blanks, and what stands off the page.
        whole = mupdf.FzRect(-_FAR, -_FAR, _FAR, _FAR)
        mupdf.fz_begin_tile(device, whole, whole, 2 * _FAR, 2 * _FAR, mupdf.FzMatrix())
        mupdf.fz_run_page(page.this, device, mupdf.FzMatrix(), mupdf.FzCookie())
        mupdf.fz_end_tile(device)
        mupdf.fz_close_device(device)

    def text(self, flags: int) -> pymupdf.TextPage:
        """The text of the page, wherever it stands, upright as the page is shown."""
        found = mupdf.FzStextPage(_EVERYWHERE)
        self._replay(mupdf.fz_new_stext_device(found, mupdf.FzStextOptions(flags)))
        return pymupdf.TextPage(found)

    def watch(self, texts: Box, lines: Collection[Box]) -> Findings:
        """Find what may hide text, which stands within a box and there in the boxes of lines."""
        found = self._cuts(texts, lines)
        if found:
            return found
        watch = _Watch(texts)
        self._replay(watch)
        self._has_tiles = watch.has_tiles
        return watch.found

    def _cuts(self, texts: Box, lines: Collection[Box]) -> Findings | None:
        """Find the text that clips to rectangles take away; None where more may hide text."""
        clips = _Clips(texts)
        self._replay(clips, clips.cookie)
        found = Findings()
        if clips.is_simple and not clips.are_wide:
            clips = cuts = _Cuts(texts)
            self._replay(cuts, cuts.cookie)
            few = len(cuts.cuts) * len(lines) < MOST_COMPARED
            found.areas = [("clipped", text) for clip, text in cuts.cuts if not (few and _is_trim(clip, text, lines))]
        found.is_plain = clips.are_wide and not clips.images
        is_simple = clips.is_simple and not any(meet(image, line) for image in clips.images for line in lines)
        return found if is_simple else None

    def _replay(self, device: Any, cookie: Any = None) -> None:
        mupdf.fz_run_display_list(self._record, device, mupdf.FzMatrix(), _EVERYWHERE, cookie or mupdf.FzCookie())
        mupdf.fz_close_device(device)

    def _without_tile(self) -> Any:
        """Copy the record out of its tile, so that a part of it can be replayed."""
        copy = mupdf.FzDisplayList(mupdf.fz_bound_display_list(self._record))
        device = mupdf.fz_new_list_device(copy)
        device.m_internal.begin_tile = device.m_internal.end_tile = None
        self._replay(device)
        return copy

    def part(self, box: Box, scale: float) -> Part:
        """A part of the page to be drawn at a scale (pixels for each point)."""
        if self._culled is None:
            self._culled = self._page.get_displaylist().this if self._has_tiles else self._without_tile()
        return Part(self._culled, box, scale)


class Part:
    """A part of a page that is drawn with all that is painted there, or without some of its text."""

    def __init__(self, record: Any, box: Box, scale: float) -> None:
        self.scale = min(scale, (MOST_PIXELS / max(1.0, (box[2] - box[0]) * (box[3] - box[1]))) ** 0.5)
        self._record = record
        self._area = mupdf.FzIrect(*(pymupdf.Rect(box) * self.scale).irect)
        self._letters: _Letters | None = None

    @property
    def calls(self) -> list[Call]:
        """The pieces of text that are painted here, in order."""
        if self._letters is None:
            self._letters = _Letters(self.scale)
            self._run(self._letters)
        return self._letters.calls

    def shown(self, without: Collection[int] | None = ()) -> Picture:
        """Draw the part without some calls; None is without any text."""
        pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_rgb(), self._area, mupdf.FzSeparations(), 0)
        mupdf.fz_clear_pixmap_with_value(pixmap, 255)
        device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
        if without is None:
            device.m_internal.fill_text = device.m_internal.stroke_text = None
        if without:
            self._run(_Sieve(device, without))
            mupdf.fz_close_device(device)
        else:
            self._run(device)
        return Picture(*self._place(pixmap), bytes(mupdf.fz_pixmap_samples_memoryview(pixmap)))

    def ink(self, calls: Collection[int] | None = None) -> Marks:
        """Where letters would be if nothing hid them: those of some calls, or of all."""
        pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_gray(), self._area, mupdf.FzSeparations(), 1)
        mupdf.fz_clear_pixmap(pixmap)
        device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
        for number, call in enumerate(self.calls):
            if calls is None or number in calls:
                call.paint(device.m_internal)
        mupdf.fz_close_device(device)
        covered = bytes(mupdf.fz_pixmap_samples_memoryview(pixmap))[1::2]
        return Marks(*self._place(pixmap), covered.translate(_COVERED))

    def _place(self, pixmap: Any) -> tuple[int, int, int, int, float]:
        return pixmap.x(), pixmap.y(), pixmap.w(), pixmap.h(), self.scale

    def _run(self, device: Any) -> None:
        zoom, area = mupdf.fz_scale(self.scale, self.scale), mupdf.FzRect(self._area)
        mupdf.fz_run_display_list(self._record, device, zoom, area, mupdf.FzCookie())
        mupdf.fz_close_device(device)


class Findings:
    """What may hide text, in points of the page.

    `areas` holds for each kind where text may be hidden; `grounds` where pictures and the like are painted before any
    text, `surfaces` where they are painted later; `is_plain` says that every surface is seen as it is painted.
    """

    def __init__(self) -> None:
        self.areas: list[tuple[str, Box]] = []
        self.grounds: list[Box] = []
        self.surfaces: list[Box] = []
        self.is_plain = True


class _Clips(mupdf.FzDevice2):  # type: ignore[misc]
    """Looks at the clips of a page, up to one that does not hold all the text, and gives up where more may hide text.

    A page has so many of them that each call from MuPDF counts, and so does each one to it.
    """

    def __init__(self, texts: Box) -> None:
        super().__init__()
        for name in (*_CLIPS, *_PAINTS, "begin_group", "begin_tile"):
            getattr(self, f"use_virtual_{name}")()
        self.is_simple = self.are_wide = True
        self.images: list[Box] = []
        self.cookie = mupdf.FzCookie()
        self._texts = _inner(texts)
        self._tiles = 0

    def give_up(self, *_: Any) -> None:
        self.is_simple = False
        self.cookie.m_internal.abort = 1

    clip_text = clip_stroke_text = clip_stroke_path = clip_image_mask = begin_mask = fill_shade = give_up

    def clip_path(self, _: Any, path: Any, _rule: Any, ctm: Any, scissor: Any) -> None:
        if not _is_upright(path, ctm):
            self.give_up()
        elif not _holds(scissor, self._texts):
            self.are_wide = False
            self.cookie.m_internal.abort = 1

    def begin_group(
        self, _: Any, _area: Any, _space: Any, _alone: Any, knockout: Any, blend: Any, alpha: float
    ) -> None:
        if knockout or blend != NORMAL or alpha < 1:
            self.give_up()

    def begin_tile(self, *_: Any) -> int:
        self._tiles += 1
        if self._tiles > 1:  # the first is the record's own
            self.give_up()
        return 0

    def fill_image(self, _: Any, _image: Any, ctm: Any, *_how: Any) -> None:
        area = mupdf.ll_fz_transform_rect(mupdf.fz_unit_rect, ctm)
        self.images.append((area.x0, area.y0, area.x1, area.y1))
        if len(self.images) > MOST_IMAGES:
            self.give_up()

    fill_image_mask = fill_image


def _inner(texts: Box) -> Any:
    """The box without the point that boxes of text are too wide by."""
    x0, y0, x1, y1 = texts
    edge = min(1.0, (x1 - x0) / 4, (y1 - y0) / 4)  # what has no extent is held by anything
    return mupdf.ll_fz_make_rect(x0 + edge, y0 + edge, x1 - edge, y1 - edge)


class _Cuts(_Clips):
    """Looks for text that reaches over the box of its clip."""

    def __init__(self, texts: Box) -> None:
        super().__init__(texts)
        self.use_virtual_stroke_text()
        self.are_wide = False
        self.cuts: list[tuple[Box, Box]] = []  # clip and text
        self._self = self.m_internal
        self._listens = False  # to fill_text: not before the next clip where the last one holds all the text

    def clip_path(self, _: Any, path: Any, _rule: Any, ctm: Any, _scissor: Any) -> None:
        if not _is_upright(path, ctm):
            self.give_up()
        if not self._listens:
            self._listens = True
            self.use_virtual_fill_text()

    def fill_text(self, _: Any, text: Any, ctm: Any, *_color: Any) -> None:
        clip, box = _scissor(self._self), _bound(text, None, ctm)
        if not _holds(clip, box):
            self._write(clip, box)
        elif _holds(clip, self._texts):
            self._listens = False
            self.use_virtual_fill_text(False)

    def stroke_text(self, _: Any, text: Any, stroke: Any, ctm: Any, *_color: Any) -> None:
        self._write(_scissor(self._self), _bound(text, stroke, ctm))

    def _write(self, clip: Any, text: Any) -> None:
        if not _holds(_expand(clip, EDGE), text) and not _holds(clip, self._texts):
            self.cuts.append(((clip.x0, clip.y0, clip.x1, clip.y1), (text.x0, text.y0, text.x1, text.y1)))


def _is_trim(clip: Box, text: Box, lines: Collection[Box]) -> bool:
    """Whether a clip takes no more than a rim of letters, as bold ones may have, and holds each line that they may be of."""
    rim = TRIM * (text[3] - text[1])
    if text[0] < clip[0] - EDGE or text[2] > clip[2] + EDGE or text[1] < clip[1] - rim or text[3] > clip[3] + rim:
        return False
    own = [line for line in lines if meet(line, text)]
    return bool(own) and all(
        line[0] >= clip[0] - EDGE and line[1] >= clip[1] and line[2] <= clip[2] + EDGE and line[3] <= clip[3]
        for line in own
    )


_Through = tuple[float, float, float, float, str | None]  # a clip, and as what it may hide text that lies within it
_WHOLE = (-_FAR, -_FAR, _FAR, _FAR)


class _Watch(mupdf.FzDevice2):  # type: ignore[misc]
    """Listens for what may hide text that stands within a box."""

    def __init__(self, texts: Box) -> None:
        super().__init__()
        for name in (*_CLIPS, *_PAINTS, *_TEXT[:2], "pop_clip", "begin_group", "end_group", "begin_tile"):
            getattr(self, f"use_virtual_{name}")()
        self.found = Findings()
        self._texts = _inner(texts)
        self._through: _Through | None = None  # None leaves all text whole
        self._clips: list[_Through | None] = []
        self._groups: list[_Through | None] = []
        self._has_text = False
        self._tiles = 0

    @property
    def has_tiles(self) -> bool:
        return self._tiles > 1  # the first is the record's own

    def clip_path(self, _: Any, path: Any, _rule: Any, ctm: Any, scissor: Any) -> None:
        self._narrow(scissor, None if _is_upright(path, ctm) else "clipped")

    def _narrow(self, area: Any, kind: str | None) -> None:
        now = self._through
        self._clips.append(now)
        x0, y0, x1, y1 = area.x0, area.y0, area.x1, area.y1
        if now:
            self._through = max(x0, now[0]), max(y0, now[1]), min(x1, now[2]), min(y1, now[3]), kind or now[4]
        elif kind or not _holds(area, self._texts):
            self._through = x0, y0, x1, y1, kind
            self.found.is_plain = False

    def pop_clip(self, _: Any) -> None:
        if self._clips:
            self._through = self._clips.pop()

    def clip_stroke_path(self, _: Any, _path: Any, _stroke: Any, _ctm: Any, scissor: Any) -> None:
        self._narrow(scissor, "clipped")

    def clip_text(self, _: Any, text: Any, ctm: Any, scissor: Any) -> None:
        self.fill_text(_, text, ctm)
        self._narrow(scissor, "clipped")

    def clip_stroke_text(self, _: Any, text: Any, stroke: Any, ctm: Any, scissor: Any) -> None:
        self.stroke_text(_, text, stroke, ctm)
        self._narrow(scissor, "clipped")

    def clip_image_mask(self, _: Any, _image: Any, _ctm: Any, scissor: Any) -> None:
        self._narrow(scissor, "clipped")

    def begin_mask(self, _: Any, area: Any, *_how: Any) -> None:
        self._narrow(area, "transparent")

    def begin_group(
        self, _: Any, area: Any, _space: Any, _isolated: Any, knockout: Any, blend: Any, alpha: float
    ) -> None:
        now = self._through
        self._groups.append(now)
        if knockout or blend != NORMAL or alpha < 1:
            self._paint(area)
            if knockout or blend != NORMAL or alpha < FAINT:
                self._through = (*(now[:4] if now else _WHOLE), "transparent")

    def end_group(self, _: Any) -> None:
        if self._groups:
            self._through = self._groups.pop()

    def begin_tile(self, _: Any, area: Any, _view: Any, _x: Any, _y: Any, ctm: Any, *_ids: Any) -> int:
        self._tiles += 1
        if self.has_tiles:
            self._paint(mupdf.ll_fz_transform_rect(area, ctm), is_clipped=False)
        return 0

    def fill_shade(self, *_: Any) -> None:
        self._paint(mupdf.fz_infinite_rect)

    def fill_image(self, _: Any, _image: Any, ctm: Any, *_how: Any) -> None:
        self._paint(mupdf.ll_fz_transform_rect(mupdf.fz_unit_rect, ctm))

    fill_image_mask = fill_image

    def _paint(self, area: Any, *, is_clipped: bool = True) -> None:
        box = area.x0, area.y0, area.x1, area.y1
        if self._through and is_clipped:
            clip = self._through
            box = max(box[0], clip[0]), max(box[1], clip[1]), min(box[2], clip[2]), min(box[3], clip[3])
        if box[0] < box[2] and box[1] < box[3]:
            (self.found.surfaces if self._has_text else self.found.grounds).append(box)
            self.found.is_plain = False

    def fill_text(self, _: Any, text: Any, ctm: Any, *_color: Any) -> None:
        self._has_text = True
        if self._through:
            self._write(_bound(text, None, ctm), self._through)

    def stroke_text(self, _: Any, text: Any, stroke: Any, ctm: Any, *_color: Any) -> None:
        self._has_text = True
        if self._through:
            self._write(_bound(text, stroke, ctm), self._through)

    def _write(self, text: Any, through: _Through) -> None:
        x0, y0, x1, y1 = text.x0, text.y0, text.x1, text.y1
        left, top, right, bottom, kind = through
        if kind or x0 < left - EDGE or y0 < top - EDGE or x1 > right + EDGE or y1 > bottom + EDGE:
            self.found.areas.append((kind or "clipped", (x0, y0, x1, y1)))


class _Corners(mupdf.FzPathWalker2):  # type: ignore[misc]
    """The points of a path, as far as it is drawn once with straight lines."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("moveto", "lineto", "curveto", "closepath"):
            getattr(self, f"use_virtual_{name}")()
        self.points: list[tuple[float, float]] = []
        self.is_closed = self.is_strange = False

    def moveto(self, _: Any, x: float, y: float) -> None:
        self.is_strange = self.is_strange or len(self.points) > 1
        self.points = [(x, y)]

    def lineto(self, _: Any, x: float, y: float) -> None:
        self.is_strange = self.is_strange or self.is_closed or len(self.points) > 5
        self.points.append((x, y))

    def curveto(self, *_points: Any) -> None:
        self.is_strange = True

    def closepath(self, _: Any) -> None:
        self.is_closed = True


def _is_upright(path: Any, ctm: Any) -> bool:
    """Whether a path is a rectangle whose sides are upright, even if it is closed by a line and then once more."""
    if _is_rect(path, ctm):  # the common case
        return True
    if ctm.b or ctm.c:
        return False
    walker = _Corners()
    mupdf.ll_fz_walk_path(path, walker.m_internal, walker.m_internal)
    points = list(dict.fromkeys(walker.points))
    if walker.is_strange or len(points) != 4:
        return False
    sides = [*pairwise(walker.points), (walker.points[-1], walker.points[0])]
    return len({x for x, _ in points}) == 2 == len({y for _, y in points}) and all(
        x == u or y == v for (x, y), (u, v) in sides
    )


class Call(NamedTuple):
    """A piece of text as it is painted at once."""

    text: Any
    stroke: Any
    ctm: Any
    scale: float

    def paint(self, device: Any) -> None:
        """Paint the letters alone, as if nothing hid them."""
        params, gray = mupdf.fz_color_params(), mupdf.ll_fz_device_gray()
        if self.stroke is None:
            mupdf.ll_fz_fill_text(device, self.text, self.ctm, gray, (0.0,), 1.0, params)
        else:
            black = mupdf.new_floats(1)
            mupdf.ll_fz_stroke_text(device, self.text, self.stroke, self.ctm, gray, black, 1.0, params)
            mupdf.delete_floats(black)

    @property
    def box(self) -> Box:
        bound = mupdf.ll_fz_bound_text(self.text, self.stroke, self.ctm)
        return bound.x0 / self.scale, bound.y0 / self.scale, bound.x1 / self.scale, bound.y1 / self.scale

    def letters(self) -> list[tuple[int, float, float]]:
        """Code point and origin (points of the page) of each letter."""
        found = []
        m, span = self.ctm, self.text.head
        while span is not None:
            wrapped = mupdf.FzTextSpan(span)
            for number in range(span.len):
                item = wrapped.items(number)
                x, y = item.x, item.y
                found.append((item.ucs, (x * m.a + y * m.c + m.e) / self.scale, (x * m.b + y * m.d + m.f) / self.scale))
            span = span.next
        return found


class _Letters(mupdf.FzDevice2):  # type: ignore[misc]
    """Takes note of the text that is painted."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        for name in _TEXT:
            getattr(self, f"use_virtual_{name}")()
        self.calls: list[Call] = []
        self._scale = scale

    def fill_text(self, _: Any, text: Any, ctm: Any, *_rest: Any) -> None:
        self.calls.append(Call(text, None, ctm, self._scale))

    def stroke_text(self, _: Any, text: Any, stroke: Any, ctm: Any, *_rest: Any) -> None:
        self.calls.append(Call(text, stroke, ctm, self._scale))

    clip_text, clip_stroke_text = fill_text, stroke_text


class _Sieve(mupdf.FzDevice2):  # type: ignore[misc]
    """Hands on to another device all that is painted but for some pieces of text, and what is painted through them."""

    def __init__(self, target: Any, without: Collection[int]) -> None:
        super().__init__()
        for name in (*_TEXT[:2], *_CLIPS, *_OTHERS):
            getattr(self, f"use_virtual_{name}")()
        self._target, self._without = target.m_internal, without
        self._calls = -1
        self._skipped = 0  # clips that are open below one that is left out

    def pass_on(self, name: str, call: Callable[..., Any], values: tuple[Any, ...]) -> Any:
        if name in _TEXT:
            self._calls += 1
        if self._skipped:
            self._skipped += (name in _CLIPS) - (name == "pop_clip")
        elif name in _TEXT and self._calls in self._without:
            self._skipped += name in _CLIPS
        else:
            return call(self._target, *values)
        return 0 if name == "begin_tile" else None


def _handed_on(name: str) -> Callable[..., Any]:
    call = getattr(mupdf, "ll_fz_" + {"begin_tile": "begin_tile_tid", "end_mask": "end_mask_tr"}.get(name, name))

    def hand_on(self: _Sieve, _: Any, *values: Any) -> Any:
        if name == "fill_text":  # the one call for which the binding wants a list of numbers
            text, ctm, space, color, *rest = values
            count = mupdf.ll_fz_colorspace_n(space) if space else 0
            values = (text, ctm, space, [mupdf.floats_getitem(color, number) for number in range(count)], *rest)
        return self.pass_on(name, call, values)

    return hand_on


for _name in (*_TEXT[:2], *_CLIPS, *_OTHERS):
    setattr(_Sieve, _name, _handed_on(_name))
