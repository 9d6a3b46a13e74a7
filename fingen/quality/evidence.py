"""Where a quote stands: in which chunk, on which pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from fingen.records import Chunk, Evidence


def locate(quote: str, chunks: Iterable[Chunk]) -> tuple[Evidence, ...]:
    """The quote as it stands in the first chunk that holds it, parted where a page or column break parts it; () if nowhere.

    White space and the width of characters are folded; letters, digits, signs and punctuation must be the same.
    """
    wanted, _ = _folded(quote)
    if not wanted:
        return ()
    for chunk in chunks:
        text, origin = _folded(chunk.text)
        at = text.find(wanted)
        if at >= 0:
            return _on_pages(chunk, origin[at], origin[at + len(wanted) - 1] + 1)
    return ()


def _folded(text: str) -> tuple[str, list[int]]:
    """Text without white space and in one width, and for each of its characters the offset in the original."""
    folded: list[str] = []
    origin: list[int] = []
    for offset, char in enumerate(text):
        for plain in char if char.isascii() else unicodedata.normalize("NFKC", char):
            if not plain.isspace():
                folded.append(plain)
                origin.append(offset)
    return "".join(folded), origin


def _on_pages(chunk: Chunk, start: int, end: int) -> tuple[Evidence, ...]:
    parts = []
    for block in chunk.blocks:
        left, right = max(start, block.start), min(end, block.end)
        if left < right and chunk.text[left:right].strip():
            parts.append(Evidence(quote=chunk.text[left:right].strip(), page=block.page))
    return tuple(parts)
