"""Reports that another tool has read: JSON lines, each a line or a table row of a page, as the FinGLM data has them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from fingen.disk import read_jsonl, sha256_file
from fingen.documents.basis import set_basis
from fingen.documents.content import NO_BOX
from fingen.documents.identity import find_identity
from fingen.documents.shapes import PageBlock, TextRow
from fingen.documents.tables import count_header
from fingen.documents.titles import Line, Pages
from fingen.documents.units import set_units
from fingen.records import Block, BlockKind, Chunk, Document, Frozen, content_id
from fingen.text import estimate_tokens, find_language

FORM = 'each line is such as {"page": 1, "allrow": 0, "type": "text", "inside": "..."}'
KINDS: dict[str, BlockKind | None] = {
    "text": "paragraph",
    "excel": "table",
    "页眉": None,
    "页脚": None,
}  # head and foot

Piece = tuple[BlockKind, str]


class _Line(Frozen):
    """One line of the file. `allrow` counts the lines of the report."""

    page: int
    allrow: int = 0
    type: Literal["text", "excel", "页眉", "页脚"]
    inside: str


def is_page_parse(path: Path) -> bool:
    """Whether the first line of a file has the form."""
    try:
        with path.open(encoding="utf-8") as file:
            _Line.model_validate_json(file.readline())
    except (OSError, ValidationError, UnicodeDecodeError):
        return False
    return True


def read_page_parse(path: Path) -> Document:
    """The report, a chunk for each page; page heads and feet are left out.

    Raises:
        SetError: a line that has another form; names file and row.
    """
    sha256 = sha256_file(path)
    pages: list[tuple[int, list[Piece]]] = []
    for page, lines in groupby(read_jsonl(path, _Line, FORM), key=lambda line: line.page):
        pieces = [(kind, text) for line in lines if (kind := KINDS[line.type]) and (text := _text(line))]
        if pieces:
            pages.append((page, pieces))
    said = _said(pages)
    chunks = [_chunk(path.name, sha256, page, pieces, said[page]) for page, pieces in pages]
    texts = [chunk.text for chunk in chunks]
    language = find_language("\n".join(texts))
    about = find_identity(Pages(tuple(tuple(map(Line, text.splitlines())) for text in texts)), language)
    return Document(
        path=path.name,
        sha256=sha256,
        pages=max((chunk.last_page for chunk in chunks), default=0),
        language=language,
        company=about.company,
        names=about.names,
        author=about.author,
        amendment=about.amendment,
        period=about.period,
        chunks=tuple(chunks),
    )


def _text(line: _Line) -> str:
    """A line as it stands in a chunk: the cells of a row, written as a list, are parted by bars."""
    if line.type != "excel":
        return line.inside.strip()
    try:
        cells = ast.literal_eval(line.inside)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return line.inside.strip()
    if not isinstance(cells, list):
        return str(cells)
    return " | ".join(str(cell).strip() for cell in cells) if any(cells) else ""  # empty cells hold the columns


def _said(pages: list[tuple[int, list[Piece]]]) -> dict[int, list[PageBlock]]:
    """The blocks of each page with the unit and the basis of their amounts, as the lines around them say."""
    blocks = [block for page, pieces in pages for block in _blocks(page, pieces)]
    paths: list[tuple[str, ...]] = [()] * len(blocks)  # what heads a line is not known
    set_units(blocks, paths, {})
    set_basis(blocks, paths)
    said: dict[int, list[PageBlock]] = defaultdict(list)
    for block in blocks:
        said[block.page].append(block)
    return said


def _blocks(page: int, pieces: list[Piece]) -> Iterator[PageBlock]:
    for kind, group in groupby(pieces, key=lambda piece: piece[0]):
        texts = [text for _, text in group]
        if kind != "table":
            yield from (PageBlock(kind, page, NO_BOX, text) for text in texts)
            continue
        rows = [TextRow(text.split(" | "), NO_BOX) for text in texts]
        widest = max(len(row.cells) for row in rows)
        for row in rows:
            row.cells += [""] * (widest - len(row.cells))
        yield PageBlock(kind, page, NO_BOX, rows=rows, header=count_header(rows))


def _chunk(document: str, sha256: str, page: int, pieces: list[Piece], said: list[PageBlock]) -> Chunk:
    blocks, text = [], ""
    for kind, group in groupby(pieces, key=lambda piece: piece[0]):
        start = len(text) + (1 if text else 0)
        text = "\n".join([*([text] if text else []), *(piece for _, piece in group)])
        blocks.append(Block(kind=kind, page=page, box=NO_BOX, start=start, end=len(text)))
    return Chunk(
        id=content_id("c", sha256, str(page), text),
        document=document,
        language=find_language(text),
        first_page=page,
        last_page=page,
        section=(),
        text=text,
        tokens=estimate_tokens(text),
        blocks=tuple(blocks),
        unit=tuple(dict.fromkeys(block.stated for block in said if block.stated)),
        basis=tuple(dict.fromkeys(basis for block in said for basis in block.basis)),
    )
