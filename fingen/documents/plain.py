"""Plain text: paragraphs by blank lines and margins, tables by columns of characters, as in the filings of the 1990s.

Their marks are known (<PAGE>, <TABLE>, <CAPTION>, <S>, <C>, <FN>), and what runs along the pages is left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

from fingen.config import ReadSettings
from fingen.documents.content import BODY, Asked, Content, pages_of
from fingen.documents.shapes import PageBlock
from fingen.documents.tables import is_unit_line
from fingen.documents.titles import Line as TitleLine
from fingen.documents.titles import Pages
from fingen.documents.typed import FILLER, HELD, is_rule
from fingen.documents.typed_page import SHORT, Line, page_blocks
from fingen.encodings import decode_text
from fingen.errors import Cause, DocumentError
from fingen.text import vocabulary

LARGEST = 32 << 20  # bytes of text: of more no passage would be asked about
TITLE_LINES = 120  # at the top of a page, that may say whose report it is
EDGE, FOOT = 4, 2  # lines at the top and at the foot of a page that may run along
TAB = 8  # columns of characters
_ODD = 0.02  # share of characters that are none, from which on a file is no text
_MARKS = re.compile(r"</?(?:PAGE|TABLE|CAPTION|S|C|FN|F\d{1,2}|BTB|TEXT|DOCUMENT)>", re.IGNORECASE)
_PAGE = re.compile(r"<PAGE>|\f", re.IGNORECASE)
_FIELD = re.compile(r"<([A-Z][A-Z&-]{2,40})>(?=\s|$)")  # a field of a data schedule, before its value
_OWN = dict.fromkeys(map(ord, FILLER + HELD))  # of no text, and used here
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|.\x08")  # of terminals and printers
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{1,5});", re.IGNORECASE)
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&nbsp;": " "}
_NOTE_MARK = re.compile(r"(?<=[^\s{])\{\d{1,2}(?:,\d{1,2})*\}")  # {1}, where the type has no raised figures
_NUMBER = re.compile(
    r"\W*(?:page\s*)?(?:[A-Z]{1,2}\s?-\s?)?(?:\d{1,4}|[ivxlc]{1,6})(?:\s*of\s*\d{1,4})?\W*", re.IGNORECASE
)
_EDGE_NUMBER = re.compile(r"^\d{1,4}\b|\b\d{1,4}$")


def made_by(reading: ReadSettings) -> str:
    """Name what reads: nothing but this module."""
    return ""


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read a text file.

    Raises:
        DocumentError: it is too large, or no text.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise DocumentError(name, Cause.TOO_LARGE, f"more than {LARGEST >> 20} MB of text", hint="split the file")
    asked.started(0, pages_of(size))
    text, guessed = text_of(path.read_bytes(), name, asked)
    content = read_text(text)
    content.details["encoding"] = guessed
    return content


def text_of(data: bytes, name: str, asked: Asked) -> tuple[str, str]:
    """The text of a file, and its encoding where that had to be guessed, which is said, else an empty one.

    Raises:
        DocumentError: it is no text.
    """
    text, guessed = decode_text(data)
    if guessed:
        asked.tell(f"{name}: not UTF-8; read as {guessed}, which it looks like")
    sample = text[:100_000]
    odd = sum(
        unicodedata.category(char) in ("Cc", "Cn", "Co") and char not in "\t\n\r\f\x1b\x08\v\x85" for char in sample
    )
    odd += sample.count("\ufffd")
    if odd > _ODD * len(sample) + 2:
        raise DocumentError(name, Cause.UNREADABLE_TEXT, "its bytes are no text in an encoding that is known",
                            hint="save it as UTF-8, or as PDF")  # fmt: skip
    return text, guessed


def read_text(text: str, *, first_line: int = 1) -> Content:
    """Read a text that is at hand; its places are lines, counted from `first_line`."""
    pages = _pages(text.translate(_OWN), first_line)
    title = Pages(
        tuple(
            tuple(TitleLine(shown, BODY) for line in page[:TITLE_LINES] if (shown := line.shown))
            for page in pages
            if page
        )
    )
    furniture = _take_running(pages)
    words = vocabulary(line.text for page in pages for line in page if line.text)
    count = len(pages) if len(pages) > 1 else 0
    blocks: list[PageBlock] = []
    for number, page in enumerate(pages, 1):
        for block in page_blocks(page, words):
            block.page = number if count else 0
            blocks.append(block)
    return Content(blocks, count, title=title, furniture=furniture, words=words)


# --- lines -------------------------------------------------------------------------------------------------------------


def _pages(text: str, first_line: int) -> list[list[Line]]:
    """The lines of each page; one page alone where none are marked."""
    pages: list[list[Line]] = [[]]
    in_table = opens = False
    caption: list[Line] = []
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), first_line):
        if "<" in raw or "\f" in raw:
            upper = raw.upper()
            if _PAGE.search(raw) and any(map(_has_ink, pages[-1])):
                pages.append([])
                caption = []
            if "<TABLE>" in upper:
                in_table = opens = True
                caption = []
            if "<CAPTION>" in upper:
                for line in caption:
                    line.titles = True
                caption = []
            if "<S>" in upper:
                caption = []
            marked, raw = raw, _MARKS.sub("", raw).replace("\f", "")
            if "</TABLE>" in upper:
                in_table = False
            if raw != marked and not raw.strip():
                continue
        line = Line(number, _columns_of(raw), raw if "\t" in raw else "", in_table, opens)
        opens = False
        if in_table:
            caption.append(line)
        pages[-1].append(line)
    return [page for page in pages if any(map(_has_ink, page))]


def _has_ink(line: Line) -> bool:
    return bool(line.text)


def _columns_of(raw: str) -> str:
    """A line with a character for each column of its grid."""
    text = raw.rstrip()
    if text.startswith("- -"):  # a dash at the start of a line is escaped in signed messages
        text = text[2:]
    if "\x1b" in text or "\x08" in text:
        text = _ESCAPES.sub("", text)
    if text.startswith("<"):
        text = _FIELD.sub(r"\1", text)
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    if "{" in text:
        text = _NOTE_MARK.sub(lambda mark: " " * len(mark[0]), text).rstrip()
    if text.isascii():
        return text.expandtabs(TAB)
    text = text.replace("\u3000", "  ").replace("\u00a0", " ")
    text = "".join(char + FILLER if unicodedata.east_asian_width(char) in "WF" else char for char in text)
    return text.expandtabs(TAB)


def _character(entity: re.Match[str]) -> str:
    code = entity[0][2:-1]
    if entity[0][1] == "#" and code.isdecimal():
        return chr(int(code)) if 31 < int(code) < 0xD800 else " "
    return _ENTITIES[entity[0].lower()]


# --- what runs along ---------------------------------------------------------------------------------------------------


def _take_running(pages: list[list[Line]]) -> dict[int, list[str]]:
    """Take page numbers and lines that come back at the edges of pages out; what was taken, by page.

    A title that runs along stays on the first page of each stretch: it heads what stands there.
    """
    if len(pages) < 2:
        return {}
    edges = [_edges(page) for page in pages]
    counts = Counter(shape for sides in edges for shape in {_shape(line) for side in sides for line in side})
    taken: dict[int, list[str]] = defaultdict(list)
    last: dict[str, int] = {}
    for number, (page, sides) in enumerate(zip(pages, edges, strict=True), 1):
        doomed: set[int] = set()
        flowing = {id(a) for a, b in pairwise(page) if _is_prose(a) and _is_prose(b)}
        for side in sides:
            for at, line in enumerate(side):  # from the edge inwards, as long as they run along
                shape = _shape(line)
                is_number = at == 0 and _NUMBER.fullmatch(line.shown) is not None
                if not is_number and (counts[shape] < 3 or is_unit_line(line.shown) or id(line) in flowing):
                    if at:
                        break  # one title of its own may stand over them
                    continue
                if is_number or is_rule(line.text) or number - last.get(shape, -9) <= 2:
                    doomed.add(id(line))
                    taken[number] += [] if is_rule(line.text) else [line.shown]
                last[shape] = number
        page[:] = [line for line in page if id(line) not in doomed]
    return dict(taken)


def _is_prose(line: Line) -> bool:
    """Whether a line is one of running text, which has no wide gaps."""
    text = line.text.strip()
    return len(text) > SHORT and "    " not in text


def _edges(page: list[Line]) -> tuple[list[Line], list[Line]]:
    """The lines at the top and at the foot of a page, the outermost first."""
    inked = [line for line in page if line.text]
    foot = inked[-FOOT:]
    return inked[: min(EDGE, len(inked) - len(foot))], foot[::-1]


def _shape(line: Line) -> str:
    """A line whatever the number of its page."""
    return _EDGE_NUMBER.sub("#", line.shown.casefold())
