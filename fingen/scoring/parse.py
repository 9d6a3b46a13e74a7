"""What option a free answer names. It must name one, and only one; nothing is guessed.

The letter counts where it stands as an answer: "B", "B.", "**B**", "选项B", "答案是 B. 个股问询". Else the option's own text does,
whole, and then a letter of a name ("Company B", 基金A份额) does not. Several letters, a letter with another option's text, and
"not B" name no one option; another number than an option's is none of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from fingen.scoring.negation import is_denied, says_not
from fingen.scoring.numbers import guards, plain_numbers
from fingen.thoughts import without_thoughts

_LATIN = "A-Za-z0-9À-ɏ"
_CJK = re.compile("[㐀-䶿一-鿿]")
# A capital that stands alone: in no word, number, abbreviation (U.S., S&P, T+1, C-level), no A股, K线, C类, B端 or B shares.
_CAPITAL = re.compile(
    rf"(?<![{_LATIN}&+])(?<![{_LATIN}][-.'’])[A-Z]"
    rf"(?![{_LATIN}&+]|[-'’][A-Za-zÀ-ɏ]|['’][0-9]|\.[A-Z](?![{_LATIN}])|\s?(?:[股类级线轮浪端]|日线|shares?\b|class\b))"
)
# A small letter counts at the start and after a cue, with nothing but a mark behind it: "b.", "(b)", "answer is b", "选b".
_SMALL = re.compile(
    r"(?:\A|(?:answer|option|choice|答案|选项|选择?)\s{0,3}(?:is|是|为)?\s{0,3}:?)"
    rf"[\s(\[{{*_\"'“‘`]{{0,8}}([a-z])(?![{_LATIN}'’-])(?=[\s)\]}}*_\"'”’`]*(?:\Z|[.,:)、。](?![{_LATIN}])))",
    re.IGNORECASE,
)
# "A client asks", "I think": a word of a sentence. What follows an option's letter is a verb or a conjunction.
_WORD = re.compile(
    r"\s+(?!(?:is|was|seems|would|fits|best|because|since|as|or|and|nor|but|not|for)\b)[a-z]|\s+(?:am|have|was|would)\b|\s+[A-Z]\s+[a-z]"
)
_SIGNS = r"[\s:=*_(\[{\"'“‘`【「]*$"
# What calls the next thing an answer, whatever follows; and what only may do so ("the answer is B", "it is B rated").
_CALLED = re.compile(
    r"(?:\b(?:answer|option|choice|choose|select|pick|letter|label|category|intent|prediction|verdict)(?:\s+(?:is|would be|should be))?"
    r"|\\boxed|答案|选项)" + _SIGNS,
    re.IGNORECASE,
)
_CUE = re.compile(
    r"(?:\b(?:is|be|with|as|to|under|therefore|thus|hence|so|say|output|result|final)|选择?了?|[是为即故答填偏]|属于|所以|因此|因而|认为|觉得|判断"
    r"|结论|结果|类别|分类|标签|意图|输出|回答|应该?|归[于入]|预测)" + _SIGNS,
    re.IGNORECASE,
)
# A name that a letter ends: Company B, Vitamin C, its A; a word in capitals in mid-sentence begins one too.
_NAMED = re.compile(
    r"\b(?:class|series|plan|tier|grade|schedule|company|firm|fund|bank|vitamin|hepatitis|type|group|team|product|project|stock|share"
    r"|bond|unit|phase|part|section|form|appendix|exhibit|brand|customer|client|vendor|supplier|party|country|region|city|site|store|model"
    r"|portfolio|tranche|round|rating|rated|of|the|this|that|(?-i:an?)|its|their|his|her|our|your)[ \t]+$",
    re.IGNORECASE,
)
_PROPER = re.compile(r"[a-z,]\s+[A-Z][\w'’&]+[ \t]+$|[a-z][A-Z]\w*[ \t]+$")
_RUNS_ON = re.compile(  # with a word that is none of what is said of an answer
    r"\s+(?!(?:is|was|seems|appears|looks|would|will|could|should|can|must|fits|matches|describes|applies|covers|captures|represents|means"
    r"|corresponds|best|because|since|as|or|and|nor|but|not|for|given|due|in|on|with|based|according|from|here|it|this|which|that|overall"
    r"|only|please|option|choice|answer|vs|versus|then|rather|instead|if|after|when|where|so)\b)[a-z]"
)
_RUNS_ON_CJK = re.compile(
    rf"(?![是为对正最更比较因由的吧呢啊哦了选项即属符也才应可谢表代其它他她这那该此用客问和或与及还而]){_CJK.pattern}"
)
_NUMBERED = re.compile(r"-\d")  # B-52
_OPTION = re.compile(r"\s+(?:option|choice)\b|\s?选?项", re.IGNORECASE)  # that is what the letter is
_BETWEEN = re.compile(r"[和或与及]$|还是$")  # two letters that are weighed
_SENTENCE = re.compile(r"(?:\A|[\n.!?。:;,][)\]\"'”’*]*)\s*[\s>#$(\[{*_\"'“‘`【「-]*$")
_BEFORE = 40  # characters in which a cue is looked for
_JOINT = re.compile(r"[\s.,:;、)\]}*_\"'”’`|/=>-]{0,6}")  # between a letter and its text


class _Rank(IntEnum):
    """How much a letter stands as an answer."""

    STRAY = 0  # a part of a name
    MAYBE = 1
    ANSWER = 2


class _Letter(NamedTuple):
    start: int
    key: str
    rank: _Rank


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
    options = {key: plain_numbers(unicodedata.normalize("NFKC", name)) for key, name in options.items()}
    texts = _texts(text, options)
    is_lettered = any(_is_letter(key) for key in options)
    letters = [letter for letter in _letters(text, texts) if letter.rank] if is_lettered else []
    named = {key for _, _, key in texts}
    if letters and (not named or named.issuperset(letter.key for letter in letters)):
        return _by_letter(text, letters, texts, options)
    if any(letter.rank is _Rank.ANSWER for letter in letters):
        return _by_letter(text, letters, texts, options)
    if letters:
        return ParsedAnswer(None, f"letter {letters[0].key} with the text of {', '.join(sorted(named))}")
    return _by_text(text, texts)


def _by_text(text: str, texts: Sequence[tuple[int, int, str]]) -> ParsedAnswer:
    named = list(dict.fromkeys(key for _, _, key in texts))
    if len(named) > 1:
        return ParsedAnswer(None, "names several options: " + ", ".join(named))
    if not named:
        return ParsedAnswer(None, "names no option")
    if any(says_not(text, start, end) for start, end, _ in texts):
        return ParsedAnswer(None, f"says what it is not: {named[0]}")
    return ParsedAnswer(named[0], "text")


def _by_letter(
    text: str, letters: Sequence[_Letter], texts: Sequence[tuple[int, int, str]], options: Mapping[str, str]
) -> ParsedAnswer:
    named = list(dict.fromkeys(letter.key for letter in letters))
    if len(named) > 1:
        return ParsedAnswer(None, "names several letters: " + ", ".join(named))
    letter = named[0]
    if letter not in options:
        return ParsedAnswer(None, f"{letter} is no option")
    for start, _, _ in letters:
        if says_not(text, start, start + 1):
            return ParsedAnswer(None, f"says what it is not: {letter}")
        beside = _beside(text, start, texts)
        if beside and letter not in beside:
            return ParsedAnswer(None, f"letter {letter} with the text of {', '.join(sorted(beside))}")
    return ParsedAnswer(letter, "letter")


def _beside(text: str, start: int, texts: Sequence[tuple[int, int, str]]) -> set[str]:
    """The options whose text stands beside the letter at `start`."""
    joint = _JOINT.match(text, start + 1)
    return {key for at, _, key in texts if joint and start < at <= joint.end()}


def _plain(answer: str) -> str | None:
    """The answer without what was thought beside it, characters and numbers in one form each; None: it was all thinking."""
    text = without_thoughts(unicodedata.normalize("NFKC", answer))
    return None if text is None else plain_numbers(text).strip()


def _is_letter(key: str) -> bool:
    return len(key) == 1 and "A" <= key <= "Z"


def _letters(text: str, texts: Sequence[tuple[int, int, str]]) -> Iterator[_Letter]:
    """Where a letter stands alone, which, and how much as an option's; a small one only at the start, as in "b." or "(b)"."""
    for small in _SMALL.finditer(text):
        if small[1].islower():
            yield _Letter(small.start(1), small[1].upper(), _Rank.ANSWER)
    for match in _CAPITAL.finditer(text):
        yield _Letter(match.start(), match[0], _rank(text, match.start(), texts))


def _rank(text: str, start: int, texts: Sequence[tuple[int, int, str]]) -> _Rank:
    before, end = text[max(0, start - _BEFORE) : start], start + 1
    if (_CALLED.search(before) and not _RUNS_ON_CJK.match(text, end)) or _OPTION.match(text, end):
        return _Rank.ANSWER
    if is_denied(before):
        return _Rank.MAYBE
    is_cued = bool(_CUE.search(before))
    if (not is_cued and (_is_article(text, start) or _PROPER.search(before))) or _NAMED.search(before):
        return _Rank.STRAY
    if _beside(text, start, texts):
        return _Rank.ANSWER
    begins, runs_on = bool(_SENTENCE.search(before)), bool(_RUNS_ON.match(text, end))
    if _RUNS_ON_CJK.match(text, end) or _NUMBERED.match(text, end) or (runs_on and not begins):
        return _Rank.STRAY
    if not is_cued and _is_in_chinese(text, start, before):
        return _Rank.STRAY
    return _Rank.ANSWER if (is_cued or begins) and not runs_on else _Rank.MAYBE


def _is_article(text: str, start: int) -> bool:
    """Whether it is the word A or I of a sentence."""
    return text[start] in "AI" and bool(_WORD.match(text, start + 1))


def _is_in_chinese(text: str, start: int, before: str) -> bool:
    """Whether it stands in a Chinese sentence: right behind a character, or between two with spaces around it."""
    if _CJK.match(before[-1:]):
        return not _BETWEEN.search(before)
    after = text[start + 1 : start + 4].lstrip()
    return bool(_CJK.match(before.rstrip()[-1:]) and _CJK.match(after))


def _texts(text: str, options: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """Where an option's text starts and ends, and whose it is; one inside a longer one does not count."""
    keys: dict[str, list[str]] = {}
    for key, name in options.items():
        if words := " ".join(name.split()):
            keys.setdefault(words, []).append(key)
    named = sorted(keys, key=len, reverse=True)  # where one text is the start of another, the longer one is meant
    if not named:
        return []
    one = re.compile("|".join(f"({_pattern(words)})" for words in named), re.IGNORECASE)
    return [
        (match.start(), match.end(), key)
        for match in one.finditer(text)
        for key in keys[named[(match.lastindex or 1) - 1]]
    ]


def _pattern(text: str) -> str:
    """A text as a pattern. One in Latin letters is no part of a longer word, and a number no part of another one."""
    before = rf"(?<![{_LATIN}])" if text[0].isascii() else ""
    after = rf"(?![{_LATIN}])" if text[-1].isascii() else ""
    number_before, number_after = guards(text)
    return before + number_before + r"\s+".join(map(re.escape, text.split())) + after + number_after
