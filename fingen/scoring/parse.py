"""What option a free answer names. It must name one, and only one; nothing is guessed.

The letter counts where there is one: "B", "B.", "**B**", "选项B", "答案是 B. 个股问询". Else the option's own text does, whole.
Several letters, a letter with another option's text, and "not B" name no one option.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fingen.thoughts import without_thoughts

_LATIN = "A-Za-z0-9À-ɏ"
# A capital that stands alone: in no word, number, abbreviation (U.S., S&P, T+1, C-level), no A股, K线, C类, B端 or B shares.
_CAPITAL = re.compile(
    rf"(?<![{_LATIN}&+])(?<![{_LATIN}][-.'’])[A-Z]"
    rf"(?![{_LATIN}&+]|[-'’][{_LATIN}]|\.[A-Z](?![{_LATIN}])|\s?(?:[股类级线轮浪端]|日线|shares?\b|class\b))"
)
# A small letter counts at the start and after a cue, with nothing but a mark behind it: "b.", "(b)", "answer is b", "选b".
_SMALL = re.compile(
    r"(?:\A|(?:answer|option|choice|答案|选项|选择?)\s{0,3}(?:is|是|为)?\s{0,3}:?)"
    rf"[\s(\[{{*_\"'“‘`]{{0,8}}([a-z])(?![{_LATIN}'’-])(?=[\s)\]}}*_\"'”’`]*(?:\Z|[.,:)、。](?![{_LATIN}])))",
    re.IGNORECASE,
)
# "A client asks", "I think": a word of a sentence. What follows an option's letter is a verb or a conjunction.
_WORD = re.compile(
    r"\s+(?!(?:is|was|seems|would|fits|best|because|since|as|or|and|nor|but|not|for)\b)[a-z]|\s+(?:am|have|was|would)\b"
)
_CUE = re.compile(
    r"(?:\b(?:answer|option|choice|choose|select|pick|letter|is|be)|答案|选项|选择?|[是为选])[\s:*_(\[\"“'`]*$",
    re.IGNORECASE,
)
_CLASS = re.compile(
    r"\b(?:class|series|plan|tier|grade|schedule)\s+$", re.IGNORECASE
)  # "Class A": a share, not an option
_NOT = re.compile(
    r"(?:不是|不选|不应选|不属于|不为|非|除了?|\bnot|n't|\bneither|\bnor|\bexcept|\brather than|\bexclude)"
    r"\s*(?:选项|答案|the\b|an?\b|option\b|be\b)?[\s:*_(\[\"“'`]*$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(
    r"[\s:*_)\]\"'”’`]{0,6}(?:option\b|选项)?\s{0,3}(?:不[是对选]|不正确|是?错|(?:is|was)(?:n't| not\b| wrong\b| incorrect\b)|cannot\b)",
    re.IGNORECASE,
)
_BEFORE = 40  # characters in which a cue or a negation is looked for
_JOINT = re.compile(r"[\s.,:;、)\]}*_\"'”’`|/=>-]{0,6}")  # between a letter and its text


class ParsedAnswer(NamedTuple):
    """The option that an answer names, by its key, or None, and why."""

    value: str | None
    why: str


def parse_answer(answer: str, options: Mapping[str, str]) -> ParsedAnswer:
    """The one option that an answer names.

    Args:
        answer: as the subject gave it.
        options: key -> text. A key that is one capital is a letter; others are not looked for, only their texts are. A text
            may be empty where it is not known.
    """
    text = _plain(answer)
    if text is None:
        return ParsedAnswer(None, "still thinking when it ended")
    if not text:
        return ParsedAnswer(None, "empty")
    letters = list(_letters(text)) if any(_is_letter(key) for key in options) else []
    texts = _texts(text, options)
    if letters:
        return _by_letter(text, letters, texts, options)
    if len({key for _, _, key in texts}) > 1:
        return ParsedAnswer(None, "names several options: " + ", ".join(dict.fromkeys(key for _, _, key in texts)))
    if not texts:
        return ParsedAnswer(None, "names no option")
    start, end, key = texts[0]
    if _says_not(text, start, end):
        return ParsedAnswer(None, f"says what it is not: {key}")
    return ParsedAnswer(key, "text")


def _by_letter(
    text: str, letters: list[tuple[int, str]], texts: list[tuple[int, int, str]], options: Mapping[str, str]
) -> ParsedAnswer:
    named = list(dict.fromkeys(letter for _, letter in letters))
    if len(named) > 1:
        return ParsedAnswer(None, "names several letters: " + ", ".join(named))
    letter = named[0]
    if letter not in options:
        return ParsedAnswer(None, f"{letter} is no option")
    for start, _ in letters:
        if _says_not(text, start, start + 1):
            return ParsedAnswer(None, f"says what it is not: {letter}")
        joint = _JOINT.match(text, start + 1)
        beside = {key for at, _, key in texts if joint and start < at <= joint.end()}
        if beside and letter not in beside:
            return ParsedAnswer(None, f"letter {letter} with the text of {', '.join(sorted(beside))}")
    return ParsedAnswer(letter, "letter")


def _plain(answer: str) -> str | None:
    """The answer without what was thought before it, full-width forms as ordinary ones; None: it was all thinking."""
    text = without_thoughts(answer)
    return None if text is None else unicodedata.normalize("NFKC", text).strip()


def _is_letter(key: str) -> bool:
    return len(key) == 1 and "A" <= key <= "Z"


def _letters(text: str) -> Iterator[tuple[int, str]]:
    """Where a letter stands as an option's, and which; a small one only at the start, as in "b." or "(b)"."""
    for small in _SMALL.finditer(text):
        if small[1].islower():
            yield small.start(1), small[1].upper()
    for match in _CAPITAL.finditer(text):
        before = text[max(0, match.start() - _BEFORE) : match.start()]
        word = match[0] in "AI" and _WORD.match(text, match.end()) and not _CUE.search(before)
        if not word and not _CLASS.search(before):
            yield match.start(), match[0]


def _texts(text: str, options: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """Where an option's text starts and ends, and whose it is; one inside a longer one does not count."""
    keys: dict[str, list[str]] = {}
    for key, name in options.items():
        if words := unicodedata.normalize("NFKC", name).split():
            keys.setdefault(r"\s+".join(map(re.escape, words)), []).append(key)
    patterns = sorted(keys, key=len, reverse=True)  # where one text is the start of another, the longer one is meant
    if not patterns:
        return []
    one = re.compile("|".join(f"({_edge(pattern)})" for pattern in patterns), re.IGNORECASE)
    return [
        (match.start(), match.end(), key)
        for match in one.finditer(text)
        for key in keys[patterns[(match.lastindex or 1) - 1]]
    ]


def _edge(pattern: str) -> str:
    """A text in Latin letters is no part of a longer word."""
    before = rf"(?<![{_LATIN}])" if pattern[0].isascii() else ""
    return before + pattern + (rf"(?![{_LATIN}])" if pattern[-1].isascii() else "")


def _says_not(text: str, start: int, end: int) -> bool:
    return bool(_NOT.search(text[max(0, start - _BEFORE) : start]) or _NOT_AFTER.match(text, end))
