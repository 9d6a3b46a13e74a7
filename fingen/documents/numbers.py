"""The numbers and bullets that Word writes before paragraphs: they stand in no text, but follow from how lists are set up."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
LEVELS = 9
_DIGITS = "〇一二三四五六七八九"
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_SLOT = re.compile(r"%([1-9])")
BULLET = "•"


@dataclass(slots=True)
class _Level:
    form: str = "decimal"
    text: str = ""
    start: int = 1
    is_legal: bool = False  # all levels in it are shown as plain figures


@dataclass(slots=True)
class _List:
    """A list as it runs: its levels, and how far each has counted."""

    levels: dict[int, _Level]
    counts: list[int | None] = field(default_factory=lambda: [None] * LEVELS)


class Numbers:
    """What stands before the next paragraph of a list."""

    def __init__(self, root: Any) -> None:
        self._lists: dict[str, _List] = {}
        self._of: dict[str, str] = {}  # number of a list's use -> of the list
        self._starts: dict[tuple[str, int], int] = {}  # where a use begins to count anew
        for abstract in root.iterfind(f"{W}abstractNum") if root is not None else ():
            levels = {number: level for number, level in map(_level, abstract.iterfind(f"{W}lvl")) if number < LEVELS}
            self._lists[_value(abstract, "abstractNumId")] = _List(levels)
        for use in root.iterfind(f"{W}num") if root is not None else ():
            number = _value(use, "numId")
            self._of[number] = _value(use.find(f"{W}abstractNumId"), "val")
            for override in use.iterfind(f"{W}lvlOverride"):
                start = override.find(f"{W}startOverride")
                if start is not None:
                    self._starts[number, _whole(_value(override, "ilvl"))] = _whole(_value(start, "val"))

    def next(self, number: str, at: int) -> str:
        """The mark of the next paragraph of a list at a level from 0 on; "" where it has none."""
        running = self._lists.get(self._of.get(number, ""))
        if running is None or at not in running.levels:
            return ""
        level = running.levels[at]
        if (start := self._starts.pop((number, at), None)) is not None:
            running.counts[at] = start - 1
        count = running.counts[at]
        running.counts[at] = level.start if count is None else count + 1
        running.counts[at + 1 :] = [None] * (LEVELS - at - 1)
        if level.form == "bullet":
            return BULLET
        return (
            _SLOT.sub(lambda slot: self._shown(running, int(slot[1]) - 1, level), level.text)
            if level.form != "none"
            else ""
        )

    @staticmethod
    def _shown(running: _List, at: int, level: _Level) -> str:
        own = running.levels.get(at, _Level())
        count = running.counts[at]
        return written(own.start if count is None else count, "decimal" if level.is_legal else own.form)


def _level(element: Any) -> tuple[int, _Level]:
    found = {child.tag: _value(child, "val") for child in element}
    legal = found.get(f"{W}isLgl")
    return _whole(_value(element, "ilvl")), _Level(
        found.get(f"{W}numFmt", "decimal"), found.get(f"{W}lvlText", ""), _whole(found.get(f"{W}start", "1")),
        legal is not None and legal not in ("0", "false", "off"),
    )  # fmt: skip


def _value(element: Any, name: str) -> str:
    return str(element.get(f"{W}{name}", "")) if element is not None else ""


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0


def written(count: int, form: str) -> str:
    """A number as a list writes it; `form` is Word's name for the way."""
    if form in ("upperRoman", "lowerRoman"):
        return _roman(count).upper() if form == "upperRoman" else _roman(count)
    if form in ("upperLetter", "lowerLetter"):
        letter = chr(ord("a") + (count - 1) % 26) * min((count - 1) // 26 + 1, 10) if count > 0 else ""
        return letter.upper() if form == "upperLetter" else letter
    if form == "decimalZero":
        return f"{count:02}"
    if form.startswith("decimalEnclosedCircle") and 0 < count <= 20:
        return chr(ord("①") + count - 1)
    if form.startswith(("chinese", "ideograph", "taiwanese", "japanese", "korean")) and "Zodiac" not in form:
        return _chinese(count)
    return str(count)


def _roman(count: int) -> str:
    text = ""
    for value, letters in _ROMAN if 0 < count < 4000 else ():
        text += letters * (count // value)
        count %= value
    return text or str(count)


def _chinese(count: int) -> str:
    if not 0 < count < 100:
        return "".join(_DIGITS[int(digit)] for digit in str(count))
    tens, ones = divmod(count, 10)
    head = ("" if tens == 1 else _DIGITS[tens]) + "十" if tens else ""
    return head + (_DIGITS[ones] if ones else "")
