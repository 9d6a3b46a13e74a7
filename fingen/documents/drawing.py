"""A page drawn with its text and without, part by part, to see which words leave a mark."""

from __future__ import annotations

from typing import NamedTuple

import pymupdf
from pymupdf import mupdf

from fingen.records import Box

MOST_PIXELS = 4_000_000  # of one look; a bigger part of the page is drawn smaller


class Picture(NamedTuple):
    """A drawn part of the page: three bytes for each pixel (red, green, blue), `scale` pixels for each point."""

    left: int
    top: int
    width: int
    height: int
    scale: float
    pixels: bytes

    def rows(self, box: Box) -> list[slice]:
        """Where the pixels that lie wholly in a box (in points) stand, a slice for each row, from the middle outwards."""
        x0 = max(0, -int(-box[0] * self.scale // 1) - self.left)
        x1 = min(self.width, int(box[2] * self.scale) - self.left)
        y0 = max(0, -int(-box[1] * self.scale // 1) - self.top)
        y1 = min(self.height, int(box[3] * self.scale) - self.top)
        if x0 >= x1:
            return []
        middle = (y0 + y1) / 2
        starts = ((y * self.width + x0) * 3 for y in sorted(range(y0, y1), key=lambda y: abs(y - middle)))
        return [slice(start, start + (x1 - x0) * 3) for start in starts]


class Drawing:
    """One page, recorded when it is first looked at."""

    def __init__(self, page: pymupdf.Page) -> None:
        self._page = page
        self._marks: mupdf.FzDisplayList | None = None

    def look(self, box: Box, scale: float, *, text: bool) -> Picture:
        """Draw a part of the page, with its text or without."""
        scale = min(scale, (MOST_PIXELS / max(1.0, (box[2] - box[0]) * (box[3] - box[1]))) ** 0.5)
        area = mupdf.FzIrect(*(pymupdf.Rect(box) * scale).irect)
        pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_rgb(), area, mupdf.FzSeparations(), 0)
        mupdf.fz_clear_pixmap_with_value(pixmap, 255)
        device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
        if not text:
            device.m_internal.fill_text = device.m_internal.stroke_text = None
        if self._marks is None:
            self._marks = self._page.get_displaylist().this
        zoom, within = mupdf.fz_scale(scale, scale), mupdf.FzRect(area)
        mupdf.fz_run_display_list(self._marks, device, zoom, within, mupdf.FzCookie())
        mupdf.fz_close_device(device)
        pixels = bytes(mupdf.fz_pixmap_samples_memoryview(pixmap))
        return Picture(pixmap.x(), pixmap.y(), pixmap.w(), pixmap.h(), scale, pixels)
