"""What a reader of the page can see: text that only a program would find is told apart by its kind."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pymupdf

from fingen.records import Box

PAINTED = 48  # span["char_flags"]: filled or stroked; neither is render mode 3
MIN_SIZE = 2.0  # points; smaller text cannot be read on paper
LIGHT = 0xC0C0C0  # colors up to this number have a dark red part at least: never near white
NEAR_WHITE = 0.9  # luminance from which text needs something darker behind it
CONTRAST = 0.07  # difference of luminance that an eye can see, if barely
PAGE_IMAGE = 0.8  # share of the page from which images are the page itself


def luminance(color: int) -> float:
    """Relative luminance 0..1 of 0xRRGGBB, with the weights of ITU-R BT.709 (no gamma: a rough eye is enough)."""
    return (0.2126 * (color >> 16 & 255) + 0.7152 * (color >> 8 & 255) + 0.0722 * (color & 255)) / 255


def image_share(page: pymupdf.Page) -> float:
    """Share of the page that images cover, 0..1: scanners store a page in one image or in strips."""
    area: float = abs(page.rect.width * page.rect.height) or 1.0
    boxes: set[tuple[float, ...]] = {tuple(pymupdf.Rect(info["bbox"]) & page.rect) for info in page.get_image_info()}
    return min(1.0, sum(max(0.0, x1 - x0) * max(0.0, y1 - y0) for x0, y0, x1, y1 in boxes) / area)


class Eye:
    """Looks at the spans of one page; `size` is its width and height, `fills` the rectangles painted on it, in order."""

    def __init__(self, page: pymupdf.Page, size: tuple[float, float], fills: list[tuple[Box, float]]) -> None:
        self._page, self._fills = page, fills
        self._width, self._height = size
        self._drawing: pymupdf.DisplayList | None = None
        self.hidden: Counter[str] = Counter()

    def visible(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """The spans of a line that can be seen; the others are counted by kind."""
        x0, y0, x1, y1 = line["bbox"]
        inside = x0 >= 0 and y0 >= 0 and x1 <= self._width and y1 <= self._height
        return [
            span
            for span in line["spans"]
            if (inside and span["color"] <= LIGHT and span["size"] >= MIN_SIZE and span["alpha"] and span["char_flags"] & PAINTED)
            or self._is_visible(span)
        ]  # fmt: skip

    def _is_visible(self, span: dict[str, Any]) -> bool:
        if span["text"].isspace():
            return True  # it parts words, whatever its color
        kind = self._hidden_kind(span)
        if kind:
            self.hidden[kind] += 1
        return kind is None

    def _hidden_kind(self, span: dict[str, Any]) -> str | None:
        x0, y0, x1, y1 = span["bbox"]
        if x1 <= 0 or y1 <= 0 or x0 >= self._width or y0 >= self._height:
            return "off page"
        if not span["char_flags"] & PAINTED:  # invisible text over a page-size image is that page's text layer
            return None if image_share(self._page) >= PAGE_IMAGE else "render mode 3"
        if span["alpha"] == 0:
            return "transparent"
        if span["size"] < MIN_SIZE and y1 - y0 < MIN_SIZE:
            return None if image_share(self._page) >= PAGE_IMAGE else "tiny"
        light = luminance(span["color"])
        if light >= NEAR_WHITE and not self._stands_out(span["bbox"], light):
            return "white"
        return None

    def _stands_out(self, box: Box, light: float) -> bool:
        """Whether near-white text can be seen: on a darker fill, or where the drawn page shows contrast (images, gradients)."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        for (x0, y0, x1, y1), behind in reversed(self._fills):  # the last one painted is on top
            if x0 <= x <= x1 and y0 <= y <= y1:
                if light - behind >= CONTRAST:
                    return True
                break
        if self._drawing is None:
            self._drawing = self._page.get_displaylist()
        gray = self._drawing.get_pixmap(colorspace=pymupdf.csGRAY, alpha=False, clip=pymupdf.Rect(box))
        levels = bytes(gray.samples_mv)
        return bool(levels) and max(levels) - min(levels) >= CONTRAST * 255
