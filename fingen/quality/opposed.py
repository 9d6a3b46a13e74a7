"""Words that have an opposite: what an answer says of a thing, where the source says the other of the same thing.

A word such as "excluding", "first half" or 不含 is looked for in the source beside the words that it stands beside in the
answer. Where the places that share most of these words have the opposite alone, the answer contradicts the source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fingen.quality.source import PREPARED, Source

_CONTRARIES: dict[str, dict[str, str]] = {
    "rules": {
        "non": r"\bnon-?(?:GAAP|IFRS) (?=(?:\w+ ){0,2}measures?\b)"
        r"|\b(?:not?|n’t)\b[^.;|\n]{0,60}\b(?:GAAP|IFRS)\b",
        "by": r"(?<!non-)(?<!non)\b(?:GAAP|IFRS) (?=(?:\w+ ){0,2}measures?\b)"
        r"|\bmeasures? (?:\w+ )?(?:under|by|in accordance with|according to) (?:\w+ )?(?:GAAP|IFRS)\b",
    },
    "adjusting": {
        "off": r"\b(?<!un)(?:adjusted|underlying|normali[sz]ed)\b|(?<!未)经调整",
        "by": r"\b(?:statutory|unadjusted)\b|未经调整",
    },
    "within": {
        "out": r"\bexclud(?:es?|ed|ing)\b|\b(?:leav|left|tak)\w* out\b|\bexclusive of\b|\bnot (?:part of|included?)\b"
        r"|\binclud(?:es?|ed|ing) (?:no|none)\b"
        r"|[不未]含|不包[括含]|未包[括含]|[不未]计入?|剔除",
        "into": r"\binclud(?:es?|ed|ing)\b(?! (?:no|none)\b)|\binclusive of\b|(?<!not )\bpart of\b"
        r"|(?<![不未])(?:含(?![有量义])|包[括含]|计入)",
    },
    "half": {"first": r"\bfirst half\b|上半年", "second": r"\bsecond half\b|下半年"},
    "quarter": {
        "one": r"\bfirst (?:and \w+ |or \w+ )?quarters?\b|第?一季度",
        "two": r"\bsecond (?:and \w+ |or \w+ )?quarters?\b|第?二季度",
        "three": r"\bthird (?:and \w+ |or \w+ )?quarters?\b|(?<!前)第?三季度",
        "four": r"\bfourth (?:and \w+ |or \w+ )?quarters?\b|第?四季度",
    },
    "size": {"more": r"\b(?:higher|larger|greater)\b", "less": r"\b(?:lower|smaller)\b"},
    "rate": {
        "average": r"\baverage (?:\w+ )?rates?\b|平均汇率",
        "end": r"\brates?\b(?=[^|\n]{0,40}\b(?:at|on) the (?:end|close)\b)"
        r"|\brates? (?:\w+ )?(?:as )?(?:at|of|on) (?:the )?(?:end|close|january|march|june|september|december)\b"
        r"|\b(?:closing|(?:period|year)[- ]end) (?:\w+ )?rates?\b|期末汇率|即期汇率",
    },
    "sheet": {"on": r"\bon[- ]balance[- ]sheet\b|(?<!资产负债)表内", "off": r"\boff[- ]balance[- ]sheet\b|(?<!资产负债)表外"},
    "step": {
        "before": r"\b(?:before|prior to) (?=[a-z][a-z-]+ [a-z])|[税扣抵]\w?前",
        "after": r"\b(?:after|net of) (?=[a-z][a-z-]+ [a-z])|[税扣抵]\w?后",
    },
    "audit": {"not": r"\bunaudited\b|未经审[计阅]", "yes": r"\baudited\b|(?<!未)经审[计阅]"},
    "secured": {"not": r"\bunsecured\b", "yes": r"\bsecured\b"},
    "interest": {"fixed": r"\bfixed[- ](?:interest )?rates?\b|固定利率",
    "floating": r"\b(?:floating|variable)[- ](?:interest )?rates?\b|浮动利率"},
    "place": {"home": r"\bdomestic(?:ally)?\b|境内", "abroad": r"\b(?:overseas|abroad)\b|境外"},
    "owed": {
        "by": r"\bow(?:ed|ing) by\b|\bdue from\b|\b(?:they|which|that|it) owes?\b",
        "to": r"\bowed to\b|\b(?:amounts?|sums?|balances?) owing to\b|\bdue to (?=group|related|parent|subsid|associate|fellow|affiliate)"
        r"|\bowed (?:it|them)\b",
    },
    "trade": {
        "in": r"\b(?:acqui(?:r|s)\w*|purchas\w*|bought)\b|收购|购买|购入",
        "out": r"\b(?:dispos\w*|sold|divest\w*|sales? of)\b|处置|出售|剥离",
    },
    "taking": {"added": r"\badd(?:s|ed|ing)? back\b|加回", "taken": r"\bdeduct(?:s|ed|ing)?\b|扣减"},
}  # fmt: skip
_NUMBERS = [*"one two three four five six seven eight nine ten eleven twelve".split(), "eighteen"]
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS[:12], 1)} | {"eighteen": "18"}
_NUMBER = rf"(?:{'|'.join(_NUMBERS)}|[0-9]{{1,2}})"
_LASTING = rf"{_NUMBER}(?:(?:,|,? (?:and|or|to)) {_NUMBER})*[- ](?:month|year|week|day)s?\b"
_NO_NOUN = (
    "of for through into within among in at on from by with to and or as above below over under per which that was were is are "
    "has have had directly each"
)
_NOUN = rf"(?!(?:{_NO_NOUN.replace(' ', '|')})\b)[a-z]+"
_OWNED = r"(?:(?:the|its|our|their|all|these|those|such|this|that|total|[a-z]+['’]s?) )*"
_OPEN = {  # words whose own text is the kind
    "length": rf"\b{_LASTING}(?! end(?:ed|ing)\b)",
    "span": rf"\b{_LASTING}(?= end(?:ed|ing)\b)",  # that an amount is of
    "base": rf"\bpercentage of {_OWNED}{_NOUN}(?: {_NOUN}){{0,3}}",
}
_BASE = re.compile(f"percentage of {_OWNED}", re.IGNORECASE)
_HINTS = {  # a text without any of them has none of the words
    "rules": "gaap ifrs", "adjusting": "adjusted underlying normali statutory 经调整", "within": "clud out part 含 包 计入 剔除",
    "half": "half 半年", "quarter": "quarter 季度", "size": "higher larger greater lower smaller",
    "rate": "rate 汇率", "sheet": "sheet 表内 表外",
    "step": "before after prior of 前 后", "audit": "audited 审", "secured": "secured",
    "interest": "rate 利率", "place": "domestic overseas abroad 境",
    "owed": "ow due", "trade": "acqui purchas bought dispos sold divest sale 收购 购 处置 出售 剥离", "taking": "add deduct 加回 扣减",
    "length": "month year week day", "span": "ended ending", "base": "percentage",
}  # fmt: skip
_PATTERNS = {
    **{name: "|".join(f"(?P<{kind}>{words})" for kind, words in kinds.items()) for name, kinds in _CONTRARIES.items()},
    **{name: f"(?P<open>{words})" for name, words in _OPEN.items()},
}
_ALL = tuple((name, tuple(_HINTS[name].split()), re.compile(words, re.IGNORECASE)) for name, words in _PATTERNS.items())
_BREAK = re.compile(r"[。；;\n|]|[.!?] (?=[A-Z•(])|\.$")
_TOKEN = re.compile(r"[0-9][0-9,.]+[0-9]{2}|[A-Za-z][A-Za-z'’&-]{2,}|[\u4e00-\u9fff]+")
_COMMON = frozenset(
    "the and for with from that this which was were are has have had its their his her they them than then when while into over under "
    "about also not been being such other only both each more most year years fiscal ended million thousand billion compared against "
    "company companies group including excluding primarily mainly due".split()
)
_REACH, _REACH_ZH = 70, 18  # characters on either side
_LEAST = 3  # words, or pairs of Chinese characters, that two places have in common
_COVERED = 0.4  # of the words of the answer's place
_CLEARLY = 2  # times as many of them as beside the same word of the source
_BESIDE = 40  # characters
_TITLED = ("adjusting",)


@dataclass(frozen=True, slots=True)
class Said:
    """A word that has an opposite, at [start, end), and the words around it."""

    start: int
    end: int
    name: str
    kind: str
    words: str
    around: frozenset[str]


def find_said(text: str) -> Iterator[Said]:
    """The words of a text that have an opposite."""
    lower = text.lower()
    for name, hints, pattern in _ALL:
        if any(hint in lower for hint in hints):
            for match in pattern.finditer(text):
                kinds = _kinds(match[0]) if match.lastgroup == "open" else (match.lastgroup or "",)
                around = _around(text, *match.span())
                yield from (Said(*match.span(), name, kind, match[0], around) for kind in kinds)


def _kinds(said: str) -> tuple[str, ...]:
    """Lengths as digits and their unit (of "26 and 42 days" both), what a percentage is of by the words that say it."""
    lower = said.lower()
    if base := _BASE.match(lower):
        return (" ".join(word[:5].rstrip("s") for word in lower[base.end() :].split()),)
    *numbers, unit = re.findall(r"[a-z]+|[0-9]+", re.sub(r"\b(?:and|or|to)\b", " ", lower))
    return tuple(f"{_DIGITS.get(number, number)} {unit.rstrip('s')}" for number in numbers)


def _is_same(said: Said, other: Said) -> bool:
    """Whether two are of one kind; what a percentage is of may be named in full or cut short: net sales of the outlet, sales."""
    if said.name != "base":
        return said.kind == other.kind
    mine, theirs = set(said.kind.split()), set(other.kind.split())
    return mine <= theirs or theirs <= mine or said.kind.split()[:2] == other.kind.split()[:2]


def _around(text: str, start: int, end: int) -> frozenset[str]:
    reach = _REACH if text[max(0, start - 1) : end + 1].isascii() else _REACH_ZH
    left = max(
        (each.end() for each in _BREAK.finditer(text, max(0, start - reach), start)), default=max(0, start - reach)
    )
    right = _BREAK.search(text, end, end + reach)
    stop = right.start() if right else end + reach
    return frozenset((*_words(text[left:start]), *_words(text[end:stop])))


def _words(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        if token[0].isdigit():
            yield from (token, f"{token}!")  # tells more than a word
        elif token.isascii():
            if (word := token.lower()) not in _COMMON:
                yield word[:5]
        else:
            yield from (token[at : at + 2] for at in range(len(token) - 1))


@lru_cache(maxsize=PREPARED)
def _of_source(source: Source) -> tuple[Said, ...]:
    return tuple(find_said(source.text))


def find_opposed(text: str, sources: Sequence[Source]) -> Iterator[tuple[int, int, str]]:
    """The words of an answer of whose surroundings the sources have the opposite, and hardly the same."""
    found = tuple(find_said(text))
    for said in found:
        others = [(each, source) for source in sources for each in _of_source(source) if each.name == said.name]
        mine = max((len(said.around & each.around) for each, _ in others if _is_same(said, each)), default=0)
        best, where = max(
            (each for each in others if not _is_same(said, each[0])),
            key=lambda each: len(said.around & each[0].around),
            default=(None, None),
        )
        if best is None or where is None or _names_both(said, best, found):
            continue
        theirs = len(said.around & best.around)
        if theirs >= max(_LEAST, _CLEARLY * mine, _COVERED * len(said.around)):
            told = where.clause(best.start, best.end)
            yield said.start, said.end, f"where the source speaks of it, it says {best.words}: “{told}”"


def _names_both(said: Said, other: Said, found: Sequence[Said]) -> bool:
    """Whether the answer has the word of the source as well, close by: acquisitions and disposals.

    Of a statutory and an underlying result a source speaks in the titles of two tables: there anywhere is close enough.
    """
    reach = math.inf if said.name in _TITLED else _BESIDE
    return any(
        (each.name, each.kind) == (other.name, other.kind) and abs(each.start - said.start) < reach for each in found
    )
