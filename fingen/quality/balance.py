"""What a set must not have too much of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

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


def _titles(record: Record, chunks: Mapping[str, Chunk]) -> list[str]:
    """The sections that a record's first quote stands in: those of its chunk, and the headings before it in the chunk."""
    chunk = chunks[record.chunks[0]]
    quote = record.evidence[0].quote if record.evidence else ""
    at = chunk.text.find(quote)
    inside = [
        chunk.text[block.start : block.end] for block in chunk.blocks if block.kind == "heading" and block.start < at
    ]
    return [*chunk.section, *inside]
