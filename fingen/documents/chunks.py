"""Blocks -> chunks: passages within a token budget that cut no sentence and no table row, and know where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from fingen.documents.shapes import PageBlock, TextRow, union
from fingen.records import Block, BlockKind, Box, Chunk, Fact, Language, content_id
from fingen.text import INNER_BAR, chunk_language, ends_sentence, estimate_tokens, is_cjk, join_pair, sentences

# From this share of the budget on, a heading of the level starts a chunk: parts always, items soon, others when it is full.
STARTS_AT = {1: 0.0, 2: 0.25}
FULL = 0.6
CAPTION = 90  # characters; a longer line is no caption
BAR = " | "  # between the cells of a row
MOST_ASIDES = 3  # blocks in a row that a sentence may go on past


@dataclass(slots=True)
class _Piece:
    """A stretch of text from one block of one page. `glue` parts it from the piece before; `facts` count from its start."""

    kind: BlockKind
    page: int
    box: Box
    text: str
    glue: str = "\n"
    source: PageBlock | None = None
    facts: list[Fact] = field(default_factory=list)


@dataclass(slots=True)
class _Unit:
    """What must stay together: a heading, a sentence or paragraph (perhaps over two pages), some rows of a table."""

    pieces: list[_Piece]
    section: tuple[str, ...]
    level: int = 0  # of a heading
    is_caption: bool = False  # a line that belongs to the table after it
    is_stray: bool = False  # a short line that says nothing by itself
    tokens: int = 0

    def __post_init__(self) -> None:
        self.tokens = sum(estimate_tokens(piece.text) for piece in self.pieces)


@dataclass(slots=True)
class Chunked:
    """The chunks of a document and how many of them are larger than the budget."""

    chunks: list[Chunk] = field(default_factory=list)
    oversize: int = 0


def build_chunks(blocks: list[PageBlock], sections: list[tuple[str, ...]], *, document: str, sha256: str, budget: int,
                 words: frozenset[str], language: Language) -> Chunked:  # fmt: skip
    """Cut a document's blocks into chunks of at most `budget` estimated tokens, in `language` unless plainly in the other."""
    result = Chunked()
    seen: dict[str, int] = {}
    for units in _groups(list(_units(blocks, sections, budget, words)), budget):
        chunk = _chunk(units, document, sha256, language, seen)
        result.chunks.append(chunk)
        result.oversize += chunk.tokens > budget
    return result


# --- units -------------------------------------------------------------------------------------------------------------


def _units(
    blocks: list[PageBlock], sections: list[tuple[str, ...]], budget: int, words: frozenset[str]
) -> Iterator[_Unit]:
    index = 0
    while index < len(blocks):
        block, section = blocks[index], sections[index]
        index += 1
        if block.kind == "table":
            yield from _table_units(block, section, budget)
        elif block.kind == "heading":
            yield _Unit([_piece_of(block)], section, block.level)
        else:
            pieces = [_piece_of(block)]
            last = block
            asides: list[tuple[PageBlock, tuple[str, ...]]] = []
            while (past := _past_asides(last, blocks[index : index + MOST_ASIDES + 1])) is not None:
                asides += zip(blocks[index : index + past], sections[index : index + past], strict=True)
                index += past + 1
                last = blocks[index - 1]
                _append(pieces, last, words)
            yield from _of_paragraph(pieces, section, budget)
            for aside, place in asides:  # said once the sentence that they interrupt is whole
                yield from _of_paragraph([_piece_of(aside)], place, budget)


def _piece_of(block: PageBlock) -> _Piece:
    return _Piece(block.kind, block.page, block.box, block.text, source=block, facts=[fact for _, fact in block.facts])


def _of_paragraph(pieces: list[_Piece], section: tuple[str, ...], budget: int) -> Iterator[_Unit]:
    text = pieces[0].text
    for unit in _paragraph_units(pieces, section, budget):
        unit.is_caption = len(text) <= CAPTION and not ends_sentence(text)
        unit.is_stray = unit.is_caption and len(pieces) == 1
        yield unit


def _past_asides(block: PageBlock, following: list[PageBlock]) -> int | None:
    """How many blocks stand between a paragraph and its continuation, None where it has none.

    A quotation set large, or the caption of a picture, may stand inside a sentence; it looks otherwise than the sentence.
    """
    for count, other in enumerate(following):
        if _goes_on(block, other) if count == 0 else _resumes(block, other):
            return count
        if other.kind != "paragraph" or _looks_like(block, other) or _may_go_on(block, other, first=count == 0):
            return None
    return None


def _may_go_on(block: PageBlock, other: PageBlock, *, first: bool) -> bool:
    """Whether a block of another look may yet be a part of the sentence, such as a line set a little smaller."""
    is_near = abs(block.size - other.size) < 0.15 * block.size
    begins = other.text[:2]
    return (first and begins.isalpha() and begins.islower()) or (is_near and other.open_end)


def _resumes(block: PageBlock, other: PageBlock) -> bool:
    """Whether a block goes on with the sentence of a paragraph past something else."""
    if not block.open_end or other.kind != "paragraph" or other.page - block.page > 1 or len(block.text) <= CAPTION:
        return False
    return _looks_like(block, other) and other.text[0].islower() and other.indent <= 2


def _looks_like(block: PageBlock, other: PageBlock) -> bool:
    return abs(block.size - other.size) <= 0.5 and block.bold == other.bold


def _goes_on(block: PageBlock, following: PageBlock) -> bool:
    """Whether a paragraph broken by a page or column goes on in the next block."""
    if following.kind != "paragraph" or following.page - block.page > 1 or not block.open_end:
        return False
    if abs(block.size - following.size) > 0.5 or block.bold != following.bold or following.indent > 2:
        return False
    if following.page == block.page and following.box[1] > block.box[1]:
        return False  # below it in the same column: the layout parted them on purpose
    start = following.text[0]
    return start.islower() or (is_cjk(block.text[-1]) and is_cjk(start)) or start.isdigit() or block.text[-1] in ",-–("


def _append(pieces: list[_Piece], block: PageBlock, words: frozenset[str]) -> None:
    """Join a continuation to its paragraph; each half of a broken word stays on its own page."""
    head = pieces[-1].text
    joined = join_pair(head, block.text, words)
    tail = block.text
    kept = joined[: len(joined) - len(tail)]
    pieces[-1].text = kept.rstrip()
    piece = _piece_of(block)
    piece.glue = kept[len(kept.rstrip()) :]
    pieces.append(piece)


def _paragraph_units(pieces: list[_Piece], section: tuple[str, ...], budget: int) -> Iterator[_Unit]:
    whole = _Unit(pieces, section)
    if whole.tokens <= budget:
        yield whole
        return
    group: list[_Piece] = []
    tokens = 0
    for sentence in _split(pieces):
        size = sum(estimate_tokens(piece.text) for piece in sentence)
        if group and tokens + size > budget:
            yield _Unit(group, section)
            group, tokens = [], 0
        if not group:
            sentence[0].glue = "\n"
        group += sentence
        tokens += size
    yield _Unit(group, section)


def _split(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """The sentences of a paragraph, each as the pieces that it stands in."""
    text = pieces[0].text + "".join(piece.glue + piece.text for piece in pieces[1:])
    starts = [0]
    for piece, following in pairwise(pieces):
        starts.append(starts[-1] + len(piece.text) + len(following.glue))
    for start, end in sentences(text):
        parts: list[_Piece] = []
        for piece, at in zip(pieces, starts, strict=True):
            left, right = max(start, at), min(end, at + len(piece.text))
            if left < right:
                glue = piece.glue if parts else ("" if is_cjk(text[start]) else " ")
                facts = [
                    _moved(fact, at - left)
                    for fact in piece.facts
                    if left <= at + fact.start and at + fact.end <= right
                ]
                parts.append(_Piece(piece.kind, piece.page, piece.box, text[left:right], glue, piece.source, facts))
        yield parts


def _table_units(block: PageBlock, section: tuple[str, ...], budget: int) -> Iterator[_Unit]:
    """A table whole, or in pieces of rows; each piece after the first, or of a continued table, repeats header and unit."""
    header = block.inherited or block.rows[: block.header]
    heading = [line for line in (block.unit, *map(_row_text, header)) if line]
    rows = block.rows if block.inherited else block.rows[block.header :]
    room = budget - estimate_tokens("\n".join(heading))
    group: list[TextRow] = []
    tokens = 0
    groups: list[list[TextRow]] = [group]
    for row in rows:
        size = estimate_tokens(_row_text(row)) + 1
        if group and tokens + size > room:
            group = []
            groups.append(group)
            tokens = 0
        group.append(row)
        tokens += size
    for index, group in enumerate(groups):
        lines = heading if index or block.inherited else [_row_text(row) for row in header]
        box = union([row.box for row in group] or [block.box])
        text = "\n".join([*lines, *map(_row_text, group)])
        shown = group if index or block.inherited else [*header, *group]
        facts = list(_facts_of(shown, len(text) - len("\n".join(map(_row_text, shown)))))
        yield _Unit(
            [_Piece("table", block.page, box if index else block.box, text, source=block, facts=facts)], section
        )


def _facts_of(rows: list[TextRow], start: int) -> Iterator[Fact]:
    """The facts of rows that are written one below the other, counted from where the first stands in a text."""
    for row in rows:
        starts = [start]
        for cell in row.cells:
            starts.append(starts[-1] + len(cell) + len(BAR))
        yield from (_moved(fact, starts[cell]) for cell, fact in row.facts)
        start = starts[-1] - len(BAR) + 1


def _moved(fact: Fact, by: int) -> Fact:
    return fact.model_copy(update={"start": fact.start + by, "end": fact.end + by})


def _row_text(row: TextRow) -> str:
    return BAR.join(cell.replace("|", INNER_BAR) for cell in row.cells)


# --- chunks ------------------------------------------------------------------------------------------------------------


def _groups(units: list[_Unit], budget: int) -> Iterator[list[_Unit]]:
    """Units gathered into chunks; headings stay with what they head."""
    group: list[_Unit] = []
    tokens = 0
    for unit in units:
        has_body = any(not other.level for other in group)
        starts = has_body and unit.level and tokens >= STARTS_AT.get(unit.level, FULL) * budget
        if group and (starts or tokens + unit.tokens > budget):
            carried = _carried(group, unit)
            if len(carried) < len(group):
                yield group[: len(group) - len(carried)]
                group = carried
                tokens = sum(other.tokens for other in group)
            elif tokens + unit.tokens > 2 * budget:  # more headings than a chunk holds: they are a text of their own
                yield group
                group, tokens = [], 0
        group.append(unit)
        tokens += unit.tokens
    if group:
        yield group


def _carried(group: list[_Unit], following: _Unit) -> list[_Unit]:
    """The units at the end of a group that belong to what follows: headings, and the caption of a table."""
    count = 0
    is_table = following.pieces[0].kind == "table"
    while count < len(group) and (group[-1 - count].level or (is_table and group[-1 - count].is_caption)):
        count += 1
    return group[len(group) - count :]


def _chunk(units: list[_Unit], document: str, sha256: str, language: Language, seen: dict[str, int]) -> Chunk:
    text = ""
    blocks: list[Block] = []
    facts: list[Fact] = []
    for unit in units:
        for piece in unit.pieces:
            if text:
                text += piece.glue
            facts += [_moved(fact, len(text)) for fact in piece.facts]
            blocks.append(
                Block.model_construct(
                    kind=piece.kind,
                    page=piece.page,
                    box=_rounded(piece.box),
                    start=len(text),
                    end=len(text) + len(piece.text),
                    place=piece.source.place if piece.source else "",
                )
            )
            text += piece.text
    sources = [piece.source for unit in units for piece in unit.pieces if piece.source]
    repeat = seen.get(text, 0)
    seen[text] = repeat + 1
    return Chunk.model_construct(
        id=content_id("c", sha256, text, *([str(repeat)] if repeat else [])),
        document=document,
        language=chunk_language(text, language),
        first_page=min(block.page for block in blocks),
        last_page=max(block.page for block in blocks),
        section=_section(units),
        text=text,
        tokens=estimate_tokens(text),
        blocks=tuple(blocks),
        facts=tuple(facts),
        unit=tuple(dict.fromkeys(source.stated for source in sources if source.stated)),
        basis=tuple(dict.fromkeys(basis for source in sources for basis in source.basis)),
    )


def _rounded(box: Box) -> Box:
    return (round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1))


def _section(units: list[_Unit]) -> tuple[str, ...]:
    """The section that all of a chunk stands in; a stray line before its first heading does not count."""
    first = next((at for at, unit in enumerate(units) if unit.level), 0)
    if all(unit.is_stray for unit in units[:first]):
        units = units[first:]
    return _common([unit.section for unit in units if not unit.level] or [units[0].section])


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    first, rest = paths[0], paths[1:]
    length = len(first)
    for path in rest:
        while path[:length] != first[:length]:
            length -= 1
    return first[:length]


_EXPLAINS = re.compile(r"主要系|主要是由于|主要由于|主要因|主要原因")


def is_narrative(chunk: Chunk) -> bool:
    """Whether a chunk holds running text to ask about: three sentences, or a table whose rows say why they changed."""
    explained = sum(
        len(_EXPLAINS.findall(chunk.text[block.start : block.end])) for block in chunk.blocks if block.kind == "table"
    )
    text = "\n".join(chunk.text[block.start : block.end] for block in chunk.blocks if block.kind == "paragraph")
    whole = [text[start:end] for start, end in sentences(text)]
    return explained > 0 or sum(ends_sentence(s) and len(s) >= (15 if is_cjk(s[0]) else 40) for s in whole) >= 3
