"""What a set must not have too much of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fingen.disk import sha256_text
from fingen.records import Chunk, Record

REFERENCE = re.compile(
    r"glossary|defined terms|definitions?$|accounting polic|critical accounting|critical estimate|significant accounting|"
    r"new accounting|accounting pronouncement|释义|会计政策|会计估计|名词解释|与金融工具相关的风险|金融工具.*风险",
    re.IGNORECASE,
)


def surplus_reference(records: Sequence[Record], chunks: Mapping[str, Chunk], share: float) -> list[int]:
    """The places of records beyond `share` of a document's and task's that come from glossaries and accounting policies.

    These are the parts in which reports are most alike. Which records are surplus depends on their ids, not their order.
    """
    sizes, reference = Counter[tuple[str, str]](), dict[tuple[str, str], list[str]]()
    for record in records:
        group = record.document, record.task
        sizes[group] += 1
        if any(map(REFERENCE.search, _titles(record, chunks))):
            reference.setdefault(group, []).append(record.id)
    surplus: set[str] = set()
    for group, ids in reference.items():
        room = int((sizes[group] - len(ids)) * share / (1 - share) + 1e-9)
        surplus.update(sorted(ids, key=sha256_text)[room:])
    return [place for place, record in enumerate(records) if record.id in surplus] if surplus else []


def surplus_on_tables(
    records: Sequence[Record], chunks: Mapping[str, Chunk], most: Mapping[str, int]
) -> Iterator[tuple[int, str]]:
    """The places of records beyond those that a table gives: the first ones stay. `most` is what a table of each chunk gives."""
    taken: Counter[tuple[str, int]] = Counter()
    for place, record in enumerate(records):
        if (chunk := record.chunks[0]) not in most:
            continue
        table = _table_of(record, chunks[chunk])
        taken[chunk, table] += 1
        if taken[chunk, table] > most[chunk]:
            yield place, f"more than {most[chunk]} on one table"


def _table_of(record: Record, chunk: Chunk) -> int:
    """The place of the table among the blocks of a chunk that has all quotes of a record, or else of its first one."""
    tables = [(n, chunk.text[block.start : block.end]) for n, block in enumerate(chunk.blocks) if block.kind == "table"]
    quotes = [quote.quote for quote in record.evidence]
    whole = (n for n, text in tables if all(quote in text for quote in quotes))
    return next(whole, next((n for n, text in tables if quotes and quotes[0] in text), -1))


def _titles(record: Record, chunks: Mapping[str, Chunk]) -> list[str]:
    """The sections that a record's first quote stands in: those of its chunk, and the headings before it in the chunk."""
    chunk = chunks[record.chunks[0]]
    quote = record.evidence[0].quote if record.evidence else ""
    at = chunk.text.find(quote)
    inside = [
        chunk.text[block.start : block.end] for block in chunk.blocks if block.kind == "heading" and block.start < at
    ]
    return [*chunk.section, *inside]
