"""Plain text -> blocks: paragraphs between empty lines."""

from __future__ import annotations

import re
from pathlib import Path

from fingen.config import ReadSettings
from fingen.documents.content import BODY, NO_BOX, Asked, Content, pages_of
from fingen.documents.markup import decode
from fingen.documents.shapes import PageBlock
from fingen.text import clean

_PAGE = re.compile(r"\s*<PAGE>|\f")


def made_by(reading: ReadSettings) -> str:
    """Name what reads: nothing but this module."""
    return ""


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read a text file."""
    asked.started(0, pages_of(path.stat().st_size))
    return read_text(decode(path.read_bytes()))


def read_text(text: str, *, first_line: int = 1) -> Content:
    """Read a text; its places are lines, counted from `first_line`."""
    blocks: list[PageBlock] = []
    lines: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], first_line):
        if line.strip() and not _PAGE.match(line):
            lines.append(line)
        elif lines:
            blocks.append(
                PageBlock("paragraph", 0, NO_BOX, clean(" ".join(lines)), BODY, place=f"line {number - len(lines)}")
            )
            lines = []
    return Content([block for block in blocks if block.text])
