"""One PDF page -> what is visible on it: runs of text and drawn rules. Hidden text is left out and counted."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cache
from operator import itemgetter
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
from fingen.documents.drawing import Drawing
from fingen.documents.legibility import is_page_unreadable, unreadable_fonts
from fingen.documents.ocr import Engine, recognized_runs
from fingen.documents.shapes import PageText, Rule, Run
from fingen.documents.visibility import Eye, image_share
from fingen.text import UNKNOWN_GLYPH, clean, is_currency, is_figure, is_leader

# Vectors come with the text in one pass and cost next to nothing; images would be copied, and nothing must be clipped to
# the page, because text that lies off it is counted as hidden. What counts is what the glyphs show: not what ActualText says
# they do, and not the number of a glyph that no map names.
FLAGS = (pymupdf.TEXTFLAGS_DICT | pymupdf.TEXT_COLLECT_VECTORS | pymupdf.TEXT_IGNORE_ACTUALTEXT) & ~(
    pymupdf.TEXT_PRESERVE_IMAGES | pymupdf.TEXT_MEDIABOX_CLIP | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
)
BOLD, ITALIC = 16, 2  # span["flags"]
RULE_WIDTH = 3.0  # points; a drawing thinner than this is a rule, not a surface
SPACE = 0.25  # font sizes; a space is at least as wide
WORD_GAP = 1.2  # font sizes; a wider gap on a baseline parts two runs
IMAGE_PAGE_CHARS = 30  # a page with images over half of it and less text than this is a scan
SUFFIXES = frozenset({")", "%", ")%", "%)"})
_BLANK = frozenset(" \t\xa0\u2002\u2003\u3000")
DASHES = frozenset("-–—−")
_SPREAD = re.compile(r"[^\s.!?:;,)”’\"][ \xa0]{2}")  # more than the space after a sentence
_FIGURE_ENDS = frozenset("0123456789)%-–—$€£¥￥")
MIXED_PAGE_CHARS = 400  # with less than this it is one too where it looks like paper: a scan with a header set above it
PAPER_DPI = 24
PAPER = 200  # gray levels, of 255, that paper has and ink has not
_LIGHT = bytes(range(PAPER, 256))
_BOLD_NAMES = ("bold", "black", "heavy", "semibold", "黑体", "simhei")


def read_page(page: pymupdf.Page) -> PageText:
    """Read what a page says in characters; `is_image` and `is_unreadable` say where that is not what it shows.

    Raises:
        RuntimeError: MuPDF cannot read the page (also ValueError and pymupdf.mupdf.FzErrorBase).
    """
    rect = page.rect
    result = PageText(page.number + 1, rect.width, rect.height)
    _collect(page, result)
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
    ink = len(levels.translate(None, _LIGHT))
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


def _collect(page: pymupdf.Page, result: PageText) -> None:
    drawing = Drawing(page)
    textpage = drawing.text(FLAGS)
    blocks = textpage.extractDICT()["blocks"]
    for block in blocks:
        if block["type"] == 3:
            _add_vector(block, result)
    eye = Eye(page, drawing, textpage, blocks, (result.width, result.height))
    eye.look()
    lines = [(line, line["spans"]) for block in blocks for line in block.get("lines", ())]
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
    """Parts spans of several cells: those that cross a rule, figures beside each other, words that spaces hold apart."""

    def __init__(self, textpage: pymupdf.TextPage, down: list[Rule]) -> None:
        self._textpage = textpage
        self._words: list[tuple[Any, ...]] | None = None  # by height: (its middle, number, word)
        self._rules = sorted(down)

    def split(self, spans: list[Span]) -> list[Span]:
        """The spans of one line, in pieces where they must be parted; `cut` marks the start of a new cell."""
        if not self._rules and not any(
            span["text"].rstrip()[-1:] in _FIGURE_ENDS or "  " in span["text"] for span in spans
        ):
            return spans  # the common case: running text
        parts: list[Span] = []
        for span in spans:
            x0, y0, x1, y1 = span["bbox"]
            text = span["text"].strip()
            figures = count_figures(text) if text[-1:] in _FIGURE_ENDS else 0
            several = figures or ("  " in text and _SPREAD.search(text)) or self._crossed(x0 + 2, x1 - 2, y0, y1)
            if several and (" " in text or "\xa0" in text):
                parts += self._pieces(span, figures)
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

    def _pieces(self, span: Span, figures: int) -> list[Span]:
        if self._words is None:
            words = enumerate(self._textpage.extractWORDS())
            self._words = sorted(((word[1] + word[3]) / 2, at, word) for at, word in words)
        x0, y0, x1, y1 = span["bbox"]
        level = self._words[bisect_left(self._words, (y0,)) : bisect_right(self._words, (y1,))]
        within = [entry for entry in level if entry[2][0] >= x0 - 1 and entry[2][2] <= x1 + 1]
        inside = [word for _, _, word in sorted(within, key=itemgetter(1))]
        if "".join(w[4] for w in inside) != span["text"].replace(" ", "").replace("\xa0", ""):
            return [span]  # a word reaches over the span's end: positions are not known
        pieces: list[Span] = []
        middle = (y0 + y1) / 2
        space = SPACE * span["size"]
        for index, word in enumerate(inside):
            before = inside[index - 1] if index else word
            cut = index >= len(inside) - figures and not _is_minus(
                before[4], word[4], word[0] - before[2], span["size"]
            )
            cut = cut or (index > 0 and self._crossed(before[2] + space - 1, word[0] + 1, middle, middle))
            pieces.append({**span, "text": word[4] + " ", "bbox": (word[0], y0, word[2] + space, y1), "cut": cut})
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
            and not (
                (pieces[-1][-1].isspace() or text[0].isspace())
                and _starts_cell("".join(pieces), text, span["bbox"][0] - run.x1, run.size)
            )
        ):
            _extend(run, span, pieces)
        elif run is None or not is_struck_again(run, span, "".join(pieces)):
            _close(run, pieces, runs)
            run = _begin(span)
            pieces = [text]
    _close(run, pieces, runs)


def _is_minus(before: str, after: str, gap: float, size: float) -> bool:
    """Whether a dash is the sign of the figure after it, and not none in a column of its own."""
    return before in DASHES and after[:1].isdigit() and gap < 0.5 * size


def _starts_cell(before: str, after: str, gap: float, size: float) -> bool:
    """Whether a piece after a space stands in the next cell: a figure after a figure or leaders, a currency sign after any."""
    before, after = before.strip(), after.strip()
    if is_currency(after):
        return not is_currency(before)
    if _is_minus(before, after, gap, size):
        return False
    return is_figure(after) and (is_figure(before) or is_leader(before[-2:]))


def _is_cell(word: str) -> bool:
    return is_figure(word) or is_currency(word) or word in SUFFIXES


def count_figures(text: str) -> int:
    """How many words at the end of a text stand in cells of their own; 0 where there is one and it may be prose."""
    words = text.split()
    count = 0
    while count < len(words) and _is_cell(words[-1 - count]):
        count += 1
    return count if count > 1 or (0 < count < len(words) and is_leader(words[-1 - count])) else 0


def _add_span(span: Span, runs: list[Run]) -> None:
    text = span["text"]
    if text and not text.isspace() and not is_bullet(span):
        _close(_begin(span), [text], runs)


def _begin(span: Span) -> Run:
    """A run that a span begins; its text comes when it is closed."""
    x0, x1 = _inked(span)
    (_, y0, _, y1), size, italic = span["bbox"], span["size"], bool(span["flags"] & ITALIC)
    return Run(x0, y0, x1, y1, span["origin"][1], size, "", _is_bold(span), italic, span["color"])


def _inked(span: Span) -> tuple[float, float]:
    """Where the ink of a span starts and ends: spaces before and after it widen no cell."""
    text: str = span["text"]
    x0, _, x1, _ = span["bbox"]
    if text[0] not in _BLANK and text[-1] not in _BLANK:
        return x0, x1
    space = min(SPACE * span["size"], (x1 - x0) / len(text))
    return x0 + space * (len(text) - len(text.lstrip())), x1 - space * (len(text) - len(text.rstrip()))


def _extend(run: Run, span: Span, pieces: list[str]) -> None:
    _, y0, _, y1 = span["bbox"]
    x0, x1 = _inked(span)
    run.parts = (*(run.parts or ((run.x0, run.x1, "".join(pieces)),)), (x0, x1, span["text"]))
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


def _add_vector(block: dict[str, Any], result: PageText) -> None:
    x0, y0, x1, y1 = block["bbox"]
    wide, high = x1 - x0, y1 - y0
    if high <= RULE_WIDTH:
        if wide > RULE_WIDTH:
            result.across.append(Rule((y0 + y1) / 2, x0, x1))
    elif wide <= RULE_WIDTH:
        result.down.append(Rule((x0 + x1) / 2, y0, y1))
    elif block["stroked"] and block["isrect"]:
        result.across += [Rule(y0, x0, x1), Rule(y1, x0, x1)]
        result.down += [Rule(x0, y0, y1), Rule(x1, y0, y1)]
