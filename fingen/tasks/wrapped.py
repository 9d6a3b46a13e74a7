"""The JSON of an answer, out of what models put around it and with the slips that they make in it.

What is repaired changes no word of an item, and is told by name, to be counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fingen.thoughts import without_thoughts

MOST_DEPTH = 40  # of brackets in brackets; an answer has three
MOST_STARTS = 40  # brackets of the prose before it at which an answer may begin
_BRACKETS = {"{": "}", "[": "]"}
_TORN = re.compile(r'"items"\s*:\s*\[')
_TRAILING_COMMA = re.compile(r",\s*\Z")


def read_json(text: str) -> tuple[Any, list[str]]:
    """The value that an answer holds, and what had to be repaired to read it.

    Raises:
        ValueError: it holds none.
    """
    try:
        value, repairs = _loads(text)
    except ValueError as whole:
        value, repairs = _find(text, whole)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("not an object with a list `items`") from None
        repairs.append("encoded twice")
    return value, repairs


def _find(text: str, whole: ValueError) -> tuple[Any, list[str]]:
    """The last value with items in what surrounds it, or else the last one that is not empty."""
    answer = without_thoughts(text)
    if answer is None:
        raise ValueError("still thinking when it ended") from whole
    repairs = ["thoughts before it"] if answer != text.strip() else []
    found = []
    for span in _spans(answer):
        try:
            found.append((span, *_loads(span)))
        except ValueError:
            continue
    with_items = [each for each in found if isinstance(each[1], dict) and "items" in each[1]]
    if not (with_items or found) or (not with_items and _TORN.search(answer)):
        raise whole  # one item out of a torn list would pass for all of it
    span, value, more = (with_items or found)[-1]
    if answer.strip() != span:
        repairs.append("a code fence around it" if answer.strip().startswith("```") else "text around it")
    return value, repairs + more


def _spans(text: str) -> Iterator[str]:
    """The stretches between a bracket and its partner; brackets in strings, and inside a stretch, begin none."""
    at = 0
    for _ in range(MOST_STARTS):
        start = min((found for bracket in _BRACKETS if (found := text.find(bracket, at)) >= 0), default=-1)
        if start < 0:
            return
        end = _partner(text, start)
        if end:
            yield text[start:end]
        at = end or start + 1


# A string that never ends goes to the end of the text, so that nothing is looked at twice.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)|[][{}]', re.DOTALL)


def _partner(text: str, start: int) -> int:
    """Where the stretch ends that a bracket begins; 0 where it never does."""
    open_brackets: list[str] = []
    for token in _TOKEN.finditer(text, start):
        mark = token[0]
        if mark in _BRACKETS:
            open_brackets.append(_BRACKETS[mark])
        elif mark in "}]":
            if open_brackets.pop() != mark:
                return 0
            if not open_brackets:
                return token.end()
        if len(open_brackets) > MOST_DEPTH:
            return 0
    return 0


def _loads(text: str) -> tuple[Any, list[str]]:
    """Parse one value, with line ends in its strings and commas before a closing bracket forgiven."""
    if _depth(text) > MOST_DEPTH:
        raise ValueError("nested too deeply")
    repairs = []
    if text.startswith("\ufeff"):
        text, repairs = text.removeprefix("\ufeff"), ["a byte order mark"]
    try:
        return json.loads(text), repairs
    except ValueError as e:
        first = e
    for repaired, what in ((text, []), (_without_trailing_commas(text), ["trailing commas"])):
        try:
            value = json.loads(repaired, strict=False)
        except ValueError:
            continue
        raw = ["line ends in strings"] if _has_raw_ends(repaired) else []
        return value, [*repairs, *what, *raw]
    raise first


def _depth(text: str) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in _BRACKETS) - (token[0] in ("}", "]"))
        deepest = max(deepest, depth)
    return deepest


def _has_raw_ends(text: str) -> bool:
    return any(any(char < " " for char in token[0]) for token in _TOKEN.finditer(text) if token[0][0] == '"')


def _without_trailing_commas(text: str) -> str:
    kept, at = [], 0
    for token in _TOKEN.finditer(text):
        between = text[at : token.start()]
        kept += [_TRAILING_COMMA.sub("", between) if token[0] in ("}", "]") else between, token[0]]
        at = token.end()
    return "".join(kept) + text[at:]
