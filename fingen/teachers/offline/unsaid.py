"""Questions that a passage does not answer: one of the items that investors look for in a report, of which it says nothing."""

from __future__ import annotations

import hashlib

from fingen import prompts
from fingen.items import find_stated
from fingen.records import Passage, Period
from fingen.teachers.offline.extract import Pair


def unanswered_pairs(passage: Passage) -> list[Pair]:
    """A question about an item that the passage does not state, another one for each passage."""
    name = f"negative-words.{passage.language}"
    data = prompts.read_data(name)
    if not passage.company or not passage.period.end:
        return []
    with prompts.of_form(name, ""):
        items = sorted(data["items"], key=lambda item: _hash(passage.chunk, item))
        item = next((item for item in items if not any(find_stated(name, passage) for name in item.split(" | "))), None)
        if item is None:
            return []
        company = passage.company
        owner = f"{company}’" if company.endswith("s") else f"{company}’s"
        slots = {
            "company": company,
            "owner": owner,
            "item": item.split(" | ")[0],
            "time": _time(passage.period, passage.language),
        }
        first, second = sorted(data["ask"], key=lambda ask: _hash(passage.chunk, ask))[:2]
        return [Pair(first.format_map(slots), second.format_map(slots), data["answer"], (), 0.0, item=item)]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _time(period: Period, language: str) -> str:
    """The time of a report as a question names it."""
    year = str(period.fiscal_year or (period.end or "")[:4])
    if language == "zh":
        month = int((period.end or "0000-12")[5:7] or 12)
        part = {"annual": "年度", "half-year": "年上半年"}.get(period.kind, f"年1-{month}月")
        return f"{year}{part}"
    if period.kind == "annual" or len(period.end or "") < 10:
        return f"fiscal {year}" if (period.end or "")[5:7] not in ("", "12") else year
    return f"the period ended {period.end}"
