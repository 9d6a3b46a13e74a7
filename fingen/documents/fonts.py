"""Fonts that say other letters than they show: their maps are dropped, so that text is read as it looks or not at all.

A ToUnicode map may say anything. What a glyph shows is told by its name in the font's encoding and, where the font is in
the file, by the font's own table of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pymupdf

from fingen.documents.legibility import word_share

LONGEST = 8  # characters that one glyph may stand for: a ligature has three, a squared abbreviation six
LEAST_LIES = 2  # codes of a font; one may be a slip of its maker
LEAST_WORDS = 0.8  # of the words that a page has by the map; by names that mean nothing it has next to none
LARGEST_FONT = 400_000  # bytes; larger ones hold Chinese, and no encoding by letters
_REFERENCE = re.compile(r"(\d+) 0 R")
_SECTION = re.compile(rb"begin(bfchar|bfrange)(.*?)end\1", re.DOTALL)
_CHAR = re.compile(rb"<([0-9A-Fa-f]{2,8})>\s*<([0-9A-Fa-f]+)>")
_RANGE = re.compile(rb"<([0-9A-Fa-f]{2,8})>\s*<([0-9A-Fa-f]{2,8})>\s*<([0-9A-Fa-f]+)>")
_LONG = re.compile(rb"<[0-9A-Fa-f]{%d,}>" % (4 * LONGEST + 1))
_DIFFERENCE = re.compile(r"(\d+)|/([^\s/\[\]<>()]+)")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NAMES = {letter: letter for letter in _LETTERS[:52]} | dict(
    zip("zero one two three four five six seven eight nine".split(), "0123456789", strict=True)
)


class FontMaps:
    """The maps of a document's fonts, each looked at once. A map that is found to lie is taken out of the document in memory."""

    def __init__(self, pdf: pymupdf.Document) -> None:
        self._pdf = pdf
        self._seen: set[int] = set()
        self.dropped = 0

    def check(self, page: pymupdf.Page) -> None:
        """Look at the fonts of a page and of the forms drawn on it, before the page is read."""
        holder = page.xref
        for _ in range(16):  # resources may be those of the page's parents
            if self._pdf.xref_get_key(holder, "Resources")[0] != "null":
                break
            kind, value = self._pdf.xref_get_key(holder, "Parent")
            if kind != "xref":
                return
            holder = int(value.split()[0])
        self._look(holder, page)

    def _look(self, holder: int, page: pymupdf.Page) -> None:
        for number in self._listed(holder, "Font"):
            if number not in self._seen:
                self._seen.add(number)
                self._judge(number, page)
        for number in self._listed(holder, "XObject"):
            if number not in self._seen:
                self._seen.add(number)
                self._look(number, page)

    def _judge(self, font: int, page: pymupdf.Page) -> None:
        kind, value = self._pdf.xref_get_key(font, "ToUnicode")
        if kind != "xref":
            return
        table = self._pdf.xref_stream(int(value.split()[0])) or b""
        named: dict[int, str] = {}
        if not _LONG.search(table):
            said = dict(_entries(table))
            named = self._named(font) if said else {}
            shown = named or (self._drawn(font) if said else {})
            if sum(shown.get(code, letter).lower() != letter.lower() for code, letter in said.items()) < LEAST_LIES:
                return
        before = self._words(page) if named else 0.0
        self._pdf.xref_set_key(font, "ToUnicode", "null")
        if named and self._words(page) < LEAST_WORDS * before:
            self._pdf.xref_set_key(
                font, "ToUnicode", value
            )  # the names mean nothing, as some makers of subsets give them
        else:
            self.dropped += 1
        pymupdf.TOOLS.store_shrink(100)

    def _words(self, page: pymupdf.Page) -> float:
        pymupdf.TOOLS.store_shrink(100)  # fonts are kept as they were first seen
        return word_share(page.get_text())

    def _listed(self, holder: int, key: str) -> list[int]:
        kind, value = self._pdf.xref_get_key(holder, f"Resources/{key}")
        if kind == "xref":
            number = int(value.split()[0])
            if number in self._seen:
                return []
            value = self._pdf.xref_object(number, compressed=True)
        return [int(number) for number in _REFERENCE.findall(value)] if kind != "null" else []

    def _named(self, font: int) -> dict[int, str]:
        """Code -> letter or digit, as the encoding of a simple font names them; nothing where the names are the font's own."""
        kind, value = self._pdf.xref_get_key(font, "Encoding")
        if kind == "xref":
            value = self._pdf.xref_object(int(value.split()[0]), compressed=True)
        if kind == "null" or self._pdf.xref_get_key(font, "Subtype")[1] not in ("/Type1", "/TrueType", "/MMType1"):
            return {}
        latin = "WinAnsi" in value or "MacRoman" in value or "Standard" in value or "BaseEncoding" not in value
        shown = {ord(letter): letter for letter in _LETTERS} if latin else {}
        code = 0
        for number, name in _DIFFERENCE.findall(value.partition("Differences")[2]):
            if number:
                code = int(number)
            else:
                shown.pop(code, None)
                if name in _NAMES:
                    shown[code] = _NAMES[name]
                code += 1
        return shown

    def _drawn(self, font: int) -> dict[int, str]:
        """Code -> letter or digit, as the table of an embedded font has them; codes are numbers of glyphs."""
        kind, value = self._pdf.xref_get_key(font, "DescendantFonts")
        if kind == "xref":
            value = self._pdf.xref_object(int(value.split()[0]), compressed=True)
        descendants = _REFERENCE.findall(value) if kind != "null" else []
        if not descendants:
            return {}
        descendant = int(descendants[0])
        if self._pdf.xref_get_key(descendant, "CIDToGIDMap")[0] == "xref":
            return {}
        for key in ("FontFile2", "FontFile3"):
            kind, value = self._pdf.xref_get_key(descendant, f"FontDescriptor/{key}")
            if kind == "xref":
                program = self._pdf.xref_stream(int(value.split()[0])) or b""
                return _letters_of(program) if len(program) < LARGEST_FONT else {}
        return {}


def _letters_of(program: bytes) -> dict[int, str]:
    try:
        face = pymupdf.Font(fontbuffer=program)
    except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
        return {}
    shown: dict[int, str] = {}
    for letter in _LETTERS:
        glyph = face.has_glyph(ord(letter))
        if glyph:
            shown.setdefault(glyph, letter)
    return shown


def _entries(table: bytes) -> Iterator[tuple[int, str]]:
    """The codes of a ToUnicode map that stand for one letter or digit."""
    for kind, body in _SECTION.findall(table):
        if kind == b"bfchar":
            pairs = ((int(code, 16), int(to, 16)) for code, to in _CHAR.findall(body) if len(to) <= 4)
        else:
            pairs = (
                (code, int(to, 16) + code - int(first, 16))
                for first, last, to in _RANGE.findall(body)
                if len(to) <= 4
                for code in range(int(first, 16), min(int(last, 16), int(first, 16) + 255) + 1)
            )
        for code, to in pairs:
            if 48 <= to < 123 and chr(to).isalnum():
                yield code, chr(to)
