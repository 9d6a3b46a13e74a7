"""Whether the passage of a row leaves out what the row asks for: only then is “not stated” its right answer.

What is asked for is an item: the label of a row, or a name such as “research and development expense”.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingen.items import find_stated
from fingen.quality.draft import Draft
from fingen.records import Passage, Record


def states_absent(draft: Draft) -> str | None:
    """What is wrong with a row that says that its passage does not state what is asked: a row or sentence that may."""
    return find_absent_fault(draft.record, draft.passages)


def find_absent_fault(record: Record, passages: Sequence[Passage]) -> str | None:
    """The same of a row and the passages that stand in its input."""
    items = record.draws.get("asked")
    if not isinstance(items, list | tuple) or not items:
        return "it does not say what is asked for"
    found = ((item, find_stated(str(item), passage)) for item in items for passage in passages)
    return next((f"the passage may state “{item}”: {text[:120]}" for item, text in found if text), None)


def items_asked(record: Record, passage: Passage | None) -> list[str]:
    """What a row asks for: the labels of its program's rows, else the words of its question."""
    cells = record.draws.get("cells")
    if cells:
        return list(dict.fromkeys(cell["row"] for cell in cells))
    company = re.escape(passage.company) if passage and passage.company else "\0"
    return [re.sub(company, " ", record.instruction, flags=re.IGNORECASE)]
