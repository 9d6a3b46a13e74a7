"""Where a quote stands: in which chunk, on which pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from fingen.records import Chunk, Evidence


def locate(quote: str, chunks: Sequence[Chunk]) -> tuple[Evidence, ...]:
    """The quote as it stands in the first chunk that holds it, parted where a page or column break parts it; () if nowhere.

    The first chunk's document is the record's own; a quote from another one names it. White space and the width of
    characters are folded; letters, digits, signs and punctuation must be the same.
    """
    wanted, _ = _folded(quote)
    if not wanted:
        return ()
    for chunk in chunks:
        text, origin = _folded(chunk.text)
        at = text.find(wanted)
        if at >= 0:
            other = chunk.document if chunk.document != chunks[0].document else None
            return _on_pages(chunk, origin[at], origin[at + len(wanted) - 1] + 1, other)
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


def _on_pages(chunk: Chunk, start: int, end: int, document: str | None) -> tuple[Evidence, ...]:
    parts = []
    for block in chunk.blocks:
        left, right = max(start, block.start), min(end, block.end)
        if left < right and chunk.text[left:right].strip():
            parts.append(Evidence(quote=chunk.text[left:right].strip(), page=block.page, document=document))
    return tuple(parts)
