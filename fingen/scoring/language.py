"""Which language a row is in: what its column says, else what its texts are. It decides what answers are measured by."""

from __future__ import annotations

import re
from typing import Any

from fingen.records import Language
from fingen.text import find_language

RUNNING = 4  # Latin words from which on a reference is running text; fewer may be a name or a unit in a Chinese text
_SAID: dict[str, Language] = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "cn", "chinese", "mandarin", "中文", "汉语", "简体中文", "繁体中文"), "zh"),
    **dict.fromkeys(("en", "eng", "english", "英文", "英语"), "en"),
}  # fmt: skip
_NOT_SAID = ("", "null", "none", "nan")  # how files without a null write that there is nothing
_WORD = re.compile(r"[^\W\d_]+")


def parse_language(said: Any) -> Language | None:
    """The language that a column names, as in "zh", "zh-CN", "EN_us" or "Simplified Chinese"; None where it names none.

    Raises:
        ValueError: it is neither English nor Chinese.
    """
    if said is None or said != said or (isinstance(said, str) and said.strip().casefold() in _NOT_SAID):  # NaN != NaN
        return None
    words = _WORD.findall(said.casefold()) if isinstance(said, str) else []
    for word in (*words[:1], *words[-1:]):
        if word in _SAID:
            return _SAID[word]
    raise ValueError(f"language is {said!r}, neither English nor Chinese")


def language_of(reference: str, question: str) -> Language:
    """The language of a row that does not say it: the reference's, unless that is no more than a name, a unit or a number."""
    if find_language(reference) == "zh":
        return "zh"
    return "en" if len(_WORD.findall(reference)) >= RUNNING else find_language(question)
