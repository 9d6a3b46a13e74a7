"""One PDF page -> what is visible on it: runs of text and drawn rules. Hidden text is left out and counted."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache
from typing import Any

import pymupdf

from fingen.documents.characters import (
    Span,
    drop_stamps,
    is_bullet,
    is_struck_again,
    join_raised,
    level_line,
    strike_once,
)
from fingen.documents.legibility import is_page_unreadable, unreadable_fonts
from fingen.documents.ocr import Engine, recognized_runs
from fingen.documents.shapes import PageText, Rule, Run
from fingen.documents.visibility import Eye, image_share, luminance
from fingen.records import Box
from fingen.text import UNKNOWN_GLYPH, clean

# Vectors come with the text in one pass and cost next to nothing; images would be copied, and nothing must be clipped to
# the page, because text that lies off it is counted as hidden. What counts is what the glyphs show: not what ActualText says
# they do, and not the number of a glyph that no map names.
FLAGS = (pymupdf.TEXTFLAGS_DICT | pymupdf.TEXT_COLLECT_VECTORS | pymupdf.TEXT_IGNORE_ACTUALTEXT) & ~(
    pymupdf.TEXT_PRESERVE_IMAGES | pymupdf.TEXT_MEDIABOX_CLIP | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
)
BOLD, ITALIC = 16, 2  # span["flags"]
RULE_WIDTH = 3.0  # points; a drawing thinner than this is a rule, not a surface
WORD_GAP = 1.2  # font sizes; a wider gap on a baseline parts two runs
IMAGE_PAGE_CHARS = 30  # a page with images over half of it and less text than this is a scan
MIXED_PAGE_CHARS = 400  # with less than this it is one too where it looks like paper: a scan with a header set above it
PAPER_DPI = 24
PAPER = 200  # gray levels, of 255, that paper has and ink has not
_FIGURES = re.compile(r"\s*[-(]?[\d,]{3,}(?:\.\d+)?[)%]?(?:\s+[-(]?[\d,]{3,}(?:\.\d+)?[)%]?)+\s*$")
_BOLD_NAMES = ("bold", "black", "heavy", "semibold", "黑体", "simhei")


def read_page(page: pymupdf.Page) -> PageText:
    """Read what a page says in characters; `is_image` and `is_unreadable` say where that is not what it shows.

    Raises:
        RuntimeError: MuPDF cannot read the page (also ValueError and pymupdf.mupdf.FzErrorBase).
    """
    rect = page.rect
    result = PageText(page.number + 1, rect.width, rect.height)
    upright = page.rotation_matrix if page.rotation else None  # else a turned page would be read lying on its side
    _collect(page, page.get_textpage(clip=pymupdf.INFINITE_RECT(), flags=FLAGS, matrix=upright), result)
    if not result.is_unreadable:
        chars = sum(len(run.text) for run in result.runs)
        result.is_image = (
            chars < MIXED_PAGE_CHARS
            and image_share(page) >= 0.5
            and (chars < IMAGE_PAGE_CHARS or _is_paper(page, result.runs))
        )
    return result


def _is_paper(page: pymupdf.Page, runs: list[Run]) -> bool:
    """Whether a page is light all over with a little ink beside its characters: a scan, not a photograph or a background."""
    drawn = page.get_pixmap(dpi=PAPER_DPI, colorspace=pymupdf.csGRAY, alpha=False)
    levels, wide, scale = bytearray(drawn.samples_mv), drawn.width, PAPER_DPI / 72
    for run in runs:
        left, right = max(0, int(run.x0 * scale) - 1), min(wide, int(run.x1 * scale) + 2)
        for down in range(max(0, int(run.y0 * scale) - 1), min(drawn.height, int(run.y1 * scale) + 2)):
            levels[down * wide + left : down * wide + right] = b"\xff" * (right - left)
    ink = sum(level < PAPER for level in levels)
    return 0.03 * len(levels) < ink < 0.4 * len(levels)


def read_again(page: pymupdf.Page, result: PageText, engine: Engine) -> None:
    """Read a page by OCR, which keeps the characters that can be read where a page is a picture in part."""
    if result.is_unreadable:
        result.runs.clear()
        result.turned.clear()
    found = engine.recognize(page)
    seen = [run for run in recognized_runs(found) if not any(_covers(known, run) for known in result.runs)]
    result.runs += seen
    result.by_ocr = bool(seen)
    letters = sum(len(piece.text) for piece in found)
    result.confidence = sum(piece.confidence * len(piece.text) for piece in found) / letters if letters else 0.0


def _covers(known: Run, run: Run) -> bool:
    x, y = (run.x0 + run.x1) / 2, (run.y0 + run.y1) / 2
    across, down = (known.x0 + known.x1) / 2, (known.y0 + known.y1) / 2
    return (known.x0 <= x <= known.x1 and known.y0 <= y <= known.y1) or (
        run.x0 <= across <= run.x1 and run.y0 <= down <= run.y1
    )


def _collect(page: pymupdf.Page, textpage: pymupdf.TextPage, result: PageText) -> None:
    blocks = textpage.extractDICT()["blocks"]
    fills: list[tuple[Box, float]] = []
    for block in blocks:
        if block["type"] == 3:
            _add_vector(block, result, fills)
    eye = Eye(page, (result.width, result.height), fills)
    lines = [(line, eye.visible(line)) for block in blocks for line in block.get("lines", ())]
    result.hidden = dict(eye.hidden)
    texts: dict[str, list[str]] = {}
    for _, spans in lines:
        for span in spans:
            texts.setdefault(span["font"], []).append(span["text"])
    cipher = unreadable_fonts(texts)
    result.is_unreadable = is_page_unreadable(texts, cipher)
    if result.is_unreadable:
        return
    if cipher:  # a word or two, in a font of their own
        lines = [
            (line, [_unnamed(span) if span["font"] in cipher else span for span in spans]) for line, spans in lines
        ]
    lines, stamps = drop_stamps(lines)
    if stamps:
        result.hidden["watermark"] = stamps
    splitter = _Splitter(textpage, result.down)
    for line, spans in join_raised(lines):
        result.is_vertical = result.is_vertical or line["wmode"] == 1
        if line["dir"][0] > 0.99:
            _add_line(splitter.split(level_line(spans) if len(spans) > 1 else spans), result.runs)
        else:
            _add_line(spans, result.turned)
    result.runs = strike_once(result.runs)
    result.turned = strike_once(result.turned)


def _unnamed(span: Span) -> Span:
    return {**span, "text": UNKNOWN_GLYPH}


class _Splitter:
    """Parts spans that hold several cells: those that cross a vertical rule, and figures with only a space between them."""

    def __init__(self, textpage: pymupdf.TextPage, down: list[Rule]) -> None:
        self._textpage = textpage
        self._words: list[Any] | None = None
        self._rules = sorted(down)

    def split(self, spans: list[Span]) -> list[Span]:
        """The spans of one line, in pieces where they must be parted; `cut` marks the start of a new cell."""
        if not self._rules:
            if all(span["text"][:1].isalpha() for span in spans):
                return spans  # the common case: running text
            if not any(_FIGURES.match(span["text"]) for span in spans):
                return spans
        parts: list[Span] = []
        for span in spans:
            x0, y0, x1, y1 = span["bbox"]
            text = span["text"].strip()
            if (" " in text or "\xa0" in text) and (_FIGURES.match(text) or self._crossed(x0 + 2, x1 - 2, y0, y1)):
                parts += self._pieces(span)
            else:
                span["cut"] = bool(parts) and self._crossed(parts[-1]["bbox"][2] - 2, x0 + 2, y0, y1)
                parts.append(span)
        return parts

    def _crossed(self, x0: float, x1: float, y0: float, y1: float) -> bool:
        middle = (y0 + y1) / 2
        rules = self._rules
        for index in range(bisect_left(rules, (x0,)), len(rules)):
            if rules[index].at > x1:
                return False
            if rules[index].start <= middle <= rules[index].end:
                return True
        return False

    def _pieces(self, span: Span) -> list[Span]:
        if self._words is None:
            self._words = self._textpage.extractWORDS()
        x0, y0, x1, y1 = span["bbox"]
        inside = [w for w in self._words if w[0] >= x0 - 1 and w[2] <= x1 + 1 and y0 <= (w[1] + w[3]) / 2 <= y1]
        if "".join(w[4] for w in inside) != span["text"].replace(" ", "").replace("\xa0", ""):
            return [span]  # a word reaches over the span's end: positions are not known
        pieces: list[Span] = []
        figures = _FIGURES.match(span["text"]) is not None
        middle = (y0 + y1) / 2
        for word in inside:
            cut = figures or (bool(pieces) and self._crossed(pieces[-1]["bbox"][2] - 1, word[0] + 1, middle, middle))
            pieces.append({**span, "text": word[4] + " ", "bbox": (word[0], y0, word[2], y1), "cut": cut})
        return pieces


def _add_line(spans: list[Span], runs: list[Run]) -> None:
    """Append a text line's spans, joined to one run where no gap and no rule parts them."""
    if len(spans) == 1:
        _add_span(spans[0], runs)
        return
    if spans and is_bullet(*spans[:2]):
        spans = spans[1:]
    run: Run | None = None
    pieces: list[str] = []
    for span in spans:
        text = span["text"]
        if not text or text.isspace():
            pieces.append(" ")
        elif (
            run is not None
            and -0.5 * span["size"] <= span["bbox"][0] - run.x1 < WORD_GAP * span["size"]
            and not span.get("cut")
        ):
            _extend(run, span, pieces)
        elif run is None or not is_struck_again(run, span, "".join(pieces)):
            _close(run, pieces, runs)
            x0, y0, x1, y1 = span["bbox"]
            run = Run(x0, y0, x1, y1, span["origin"][1], span["size"], "", _is_bold(span), bool(span["flags"] & ITALIC))
            pieces = [text]
    _close(run, pieces, runs)


def _add_span(span: Span, runs: list[Run]) -> None:
    text = span["text"]
    if text and not text.isspace() and not is_bullet(span):
        x0, y0, x1, y1 = span["bbox"]
        run = Run(x0, y0, x1, y1, span["origin"][1], span["size"], "", _is_bold(span), bool(span["flags"] & ITALIC))
        _close(run, [text], runs)


def _extend(run: Run, span: Span, pieces: list[str]) -> None:
    _, y0, x1, y1 = span["bbox"]
    size, base = span["size"], span["origin"][1]
    run.x1, run.y0, run.y1 = max(x1, run.x1), min(y0, run.y0), max(y1, run.y1)
    if size > run.size:
        run.size, run.base = size, base
    elif size < 0.8 * run.size and base < run.base - 0.1 * size:
        pieces.append(" ")  # words beside a large figure do not run on from it
    run.bold = run.bold and _is_bold(span)
    run.italic = run.italic and bool(span["flags"] & ITALIC)
    pieces.append(span["text"])


def _close(run: Run | None, pieces: list[str], runs: list[Run]) -> None:
    if run is not None:
        raw = "".join(pieces)
        run.text, run.lead, run.trail = clean(raw), raw[0].isspace(), raw[-1].isspace()
        if run.text:
            runs.append(run)


def _is_bold(span: Span) -> bool:
    return bool(span["flags"] & BOLD) or _is_bold_name(span["font"])


@cache
def _is_bold_name(font: str) -> bool:
    return any(mark in font.lower() for mark in _BOLD_NAMES)


def _add_vector(block: dict[str, Any], result: PageText, fills: list[tuple[Box, float]]) -> None:
    x0, y0, x1, y1 = block["bbox"]
    wide, high = x1 - x0, y1 - y0
    if high <= RULE_WIDTH:
        if wide > RULE_WIDTH:
            result.across.append(Rule((y0 + y1) / 2, x0, x1))
    elif wide <= RULE_WIDTH:
        result.down.append(Rule((x0 + x1) / 2, y0, y1))
    elif block["stroked"]:
        if block["isrect"]:
            result.across += [Rule(y0, x0, x1), Rule(y1, x0, x1)]
            result.down += [Rule(x0, y0, y1), Rule(x1, y0, y1)]
    elif block["alpha"] > 25 and block["isrect"]:  # of other shapes only the bounding box is known
        fills.append((block["bbox"], luminance(block["color"])))
