"""Whether an annual report says that its financial statements are in another document, and holds none itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingen.documents.contents import is_statement
from fingen.documents.shapes import PageBlock
from fingen.text import is_amount, sentences

REACH = 12  # blocks of the item that are looked at
NEAR = 6  # blocks between the title of a statement and its table
ROWS = 8  # with amounts, that a statement has at the least
SAID = 240  # characters of the sentence that are kept
_ITEM = re.compile(r"item\s*8\b", re.IGNORECASE)
_NEXT = re.compile(r"item\s*9|part\s*iii", re.IGNORECASE)
_REFERRED = re.compile(
    r"\bincorporated\b.{0,200}\breference\b|\breference\b.{0,120}\bincorporated\b", re.IGNORECASE | re.DOTALL
)


def statements_elsewhere(blocks: Sequence[PageBlock]) -> str:
    """The sentence by which Item 8 refers to another document; "" where it does not, or the statements are here all the same."""
    said = ""
    for at, block in enumerate(blocks):
        if _ITEM.match(_text(block)):
            said = _referring(blocks[at : at + REACH]) or said
    return said if said and not _has_statement(blocks) else ""


def _text(block: PageBlock) -> str:
    return block.text or " ".join(cell for row in block.rows[:1] for cell in row.cells if cell)


def _referring(blocks: Sequence[PageBlock]) -> str:
    for number, block in enumerate(blocks):
        text = block.text or " ".join(cell for row in block.rows for cell in row.cells if cell)
        if number and _NEXT.match(text):
            return ""
        for start, end in sentences(text):
            if _REFERRED.search(text[start:end]):
                return text[start:end][:SAID]
    return ""


def _has_statement(blocks: Sequence[PageBlock]) -> bool:
    for at, block in enumerate(blocks):
        if block.kind != "table" and is_statement(block.text) and any(map(_is_long, blocks[at + 1 : at + NEAR])):
            return True
    return False


def _is_long(block: PageBlock) -> bool:
    return sum(any(map(is_amount, filter(None, row.cells[1:]))) for row in block.rows) >= ROWS
