"""What a passage does not say: which of the items that investors look for in a report it leaves out, and questions about them.

A passage may state an item where a row or a sentence of it has the item's words, or names the same item of a statement by another
label. A doubt counts as stated.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from fingen import prompts
from fingen.records import Passage, Period
from fingen.teachers.offline.extract import Pair
from fingen.teachers.offline.items import find_item, plain_label
from fingen.teachers.offline.sheets import KINDS
from fingen.text import sentences

MOST = 0.75  # of an item's words in one row or sentence: it may be what is asked for
_WORD = re.compile(r"[a-z][a-z&'-]+|[\u3400-\u9fff]")
_EMPTY = frozenset(
    "a an and any are as at be by did do does for from had has have how in is it its many much of on or over per "
    "report reported reports say shown state stated that the their these this to total was were what when which who whom why will with "
    "year years fiscal annual company amount figure net".split()
)
_EMPTY_ZH = frozenset("的了和与及在为是多少年度末元额总合计本期公司")


def find_stated(item: str, passage: Passage) -> str | None:
    """The row or sentence of a passage that may state an item, or None where none does."""
    wanted, statement_item = _words(item, passage), _items(item, passage.language)
    for text, label in _lines(passage):
        if statement_item & _items(label, passage.language):
            return text
        there = _words(text, passage)
        if not wanted or len(wanted & there) >= MOST * len(wanted):
            return text
    return None


def unanswered_pairs(passage: Passage) -> list[Pair]:
    """A question about an item that the passage does not state, another one for each passage."""
    name = f"negative-words.{passage.language}"
    data = prompts.read_data(name)
    if not passage.company or not passage.period.end:
        return []
    with prompts.of_form(name, ""):
        items = sorted(data["items"], key=lambda item: _hash(passage.chunk, item))
        item = next((item for item in items if not find_stated(item, passage)), None)
        if item is None:
            return []
        company = passage.company
        owner = f"{company}’" if company.endswith("s") else f"{company}’s"
        slots = {"company": company, "owner": owner, "item": item, "time": _time(passage.period, passage.language)}
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


def _lines(passage: Passage) -> Iterator[tuple[str, str]]:
    """Each row and each sentence, and of a row its label."""
    for kind, text in passage.kinds:
        if kind == "table":
            yield from ((row, row.split(" | ", 1)[0]) for row in text.split("\n"))
        else:
            yield from ((text[start:end], "") for start, end in sentences(text))


@lru_cache(maxsize=1 << 14)
def _plain_words(text: str) -> frozenset[str]:
    found = set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        if word in _EMPTY or word in _EMPTY_ZH:
            continue
        found.add(word if len(word) == 1 or not word.isascii() else _stem(word))
    return frozenset(found)


def _words(text: str, passage: Passage) -> frozenset[str]:
    """What a text says, without the words that any question has and the company's name."""
    return _plain_words(text) - _plain_words(passage.company or "")


def _stem(word: str) -> str:
    for end in ("ies", "ing", "ed", "es", "s", "e", "y"):
        if word.endswith(end) and len(word) - len(end) > 3:
            return word[: -len(end)]
    return word


@lru_cache(maxsize=1 << 14)
def _items(label: str, language: str) -> frozenset[str]:
    """The names of the items of a statement that a label may be of."""
    plain = plain_label(label, language)
    found = (find_item(text, kind, language)[0] for kind in KINDS for text in {label, plain} if text)
    return frozenset(item.name for item in found if item)
