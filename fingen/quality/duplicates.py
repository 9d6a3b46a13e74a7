"""Duplicates: rows that say the same thing twice. Rows that differ in company, year or figure are never called one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from fingen.records import Record, content_id

LEAST_RATIO = 95  # percent: what near-duplicates must have in common, letter by letter
LONG_WORD = 7  # letters from which on a word that lacks one of them inside is hardly another word
# Words without which a question asks the same: no negation, no direction, no part of a usual term (在产品, 所得税).
FUNCTION_WORDS = frozenset("的了请问吗呢该其是之与和及") | frozenset(
    {"a", "an", "and", "are", "did", "do", "does", "is", "its", "of", "please", "s"}
    | {"that", "the", "these", "this", "those", "was", "were"}
)

# Noncharacters, which no text holds: they mark a decimal point and a minus sign while punctuation goes.
_POINT, _MINUS = "\ufdd0", "\ufdd1"
_CURRENCY = "[$€£¥]?"
_GROUPED = re.compile(r"(?<![\d.])\d{1,3},[\d,]*\d")
# A figure in brackets is negative in accounts; a year in brackets is a year.
_BRACKETED = re.compile(rf"\((?!(?:19|20)\d\d\))({_CURRENCY}\d[\d,.]*%?)\)")
_SIGN = re.compile(rf"(?<![a-z\d])[-−–](?={_CURRENCY}[.\d])")
_DECIMAL = re.compile(r"(?<![a-z.])\.(?=\d)")
_GAP = re.compile(r"(?<!\d) | (?![\d.])")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")  # a Chinese character is a word of its own


class _Characters(dict[int, str]):
    """A table for str.translate that works out each character when it is first met."""

    def __init__(self, rule: Callable[[str], str], known: dict[int, str]) -> None:
        super().__init__(known)
        self.rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = self.rule(chr(code))
        return self[code]


def _apart(char: str) -> str:
    """Superscripts, circled digits and fractions become plain digits: they must not run into their neighbours."""
    return f" {char} " if unicodedata.category(char) == "No" else char


def _kept(char: str) -> str:
    """Letters, digits, marks and symbols stay ($, +, ▲ tell figures apart); punctuation and white space part words."""
    category = unicodedata.category(char)
    if category == "Cf":  # soft hyphens and joiners stand inside words
        return ""
    return " " if category[0] in "PZC" or category == "Sk" else char


_APART = _Characters(_apart, {})
_KEPT = _Characters(_kept, {ord(_POINT): ".", ord(_MINUS): "-", ord("−"): " ", ord("%"): "%", ord("‰"): "‰"})


def _join_groups(number: re.Match[str]) -> str:
    head, *groups = number[0].split(",")
    return head + "".join(groups) if all(len(group) == 3 for group in groups) else number[0]


def _plain(text: str) -> str:
    """The text in lower case without punctuation, its words parted by single spaces, its figures in one notation."""
    text = unicodedata.normalize("NFKC", text.translate(_APART)).casefold()
    text = _GROUPED.sub(_join_groups, text)
    text = _BRACKETED.sub(rf"{_MINUS}\1", text)
    text = _SIGN.sub(_MINUS, text)
    text = _DECIMAL.sub(_POINT, text)
    return " ".join(text.translate(_KEPT).split())


def fold(text: str) -> str:
    """The text without what does not change its meaning: width, case, punctuation and white space.

    Figures keep theirs: 1.23, -1.23 and 123 differ, as do "1, 2" and 12, while 1,234 equals 1234 and (1,234) is -1234.
    """
    return _GAP.sub("", _plain(text))


@dataclass(frozen=True)
class Duplicate:
    """A row to leave out, the id of the row that is kept, and in what they agree."""

    record: Record
    of: str
    kind: Literal["exact", "near", "answer"]


def find_duplicates(records: Sequence[Record]) -> list[Duplicate]:
    """The rows that repeat an earlier one; the first of a group is kept. In the order of the rows.

    - exact: instruction and input fold to the same text, in whatever document.
    - near: the same document, the same figures, and the same words in the same order but for function words, a plural
      or a letter lost inside a long word. A high ratio alone would not do: in a question that names company and period,
      流动资产 and 流动负债 are 95 % the same.
    - answer: the same folded output in one document and task. Labels repeat by nature and are not compared.

    A row with a passage in `input` and one without are different exercises; only their whole text can be the same.
    """
    kept = _Kept()
    duplicates = []
    for record in records:
        found = kept.find_or_add(record)
        if found is not None:
            duplicates.append(found)
    return duplicates


@dataclass
class _Kept:
    """The rows kept so far, by what makes another row their duplicate."""

    texts: dict[str, str] = field(default_factory=dict)  # folded text -> id
    answers: dict[tuple[object, ...], str] = field(default_factory=dict)
    words: dict[tuple[object, ...], dict[str, str]] = field(default_factory=dict)  # bucket -> id -> its words

    def find_or_add(self, record: Record) -> Duplicate | None:
        text = f"{record.instruction}\n{record.input}"
        plain = _plain(text)
        folded = _GAP.sub("", plain) or text
        answer = _answer_key(record)
        words = [word for word in _WORD.findall(plain) if word not in FUNCTION_WORDS]
        bucket = self.words.setdefault(_bucket_key(record, words), {}) if record.document is not None and words else {}
        if folded in self.texts:
            return Duplicate(record, self.texts[folded], "exact")
        if answer is not None and answer in self.answers:
            return Duplicate(record, self.answers[answer], "answer")
        for near in _near(words, bucket):
            return Duplicate(record, near, "near")
        self.texts[folded] = record.id
        if answer is not None:
            self.answers[answer] = record.id
        bucket[record.id] = " ".join(words)
        return None


def _answer_key(record: Record) -> tuple[object, ...] | None:
    if record.document is None or record.label is not None:
        return None
    return record.document, record.task, bool(record.input), fold(record.output) or record.output


def _bucket_key(record: Record, words: list[str]) -> tuple[object, ...]:
    """Near-duplicates always have the same key, others hardly ever: so few pairs are compared, however many rows.

    Figures, Chinese characters and short words stand in it whole, other words by their first letter.
    """
    return record.document, bool(record.input), tuple(word[0] if _may_vary(word) else word for word in words)


def _may_vary(word: str) -> bool:
    return len(word) >= 4 and word.isascii() and word.isalpha()


def _near(words: list[str], bucket: dict[str, str]) -> Iterator[str]:
    """The ids in the bucket whose words are the same but for a plural or a lost letter, most alike first."""
    alike = process.extract(" ".join(words), bucket, scorer=fuzz.ratio, score_cutoff=LEAST_RATIO, limit=None)
    for other, _, near in alike:
        if all(map(_same_word, words, other.split(" "))):
            yield near


def _same_word(a: str, b: str) -> bool:
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    if long == short + "s":
        return True
    inside = len(long) - len(short) == 1 and short[-1] == long[-1]  # the first letters are the same: the bucket's key
    return inside and len(short) >= LONG_WORD and Levenshtein.distance(short, long) == 1


def near_clusters(records: Sequence[Record]) -> dict[str, str]:
    """Record id -> cluster, for splits: records of any document with the same folded output are one cluster.

    Of rows with a label, which repeats by nature, those with the same folded text are. A cluster's id is a hash of what
    its records share, so it does not depend on the other records.
    """
    return {record.id: content_id("n", *_shared_text(record)) for record in records}


def _shared_text(record: Record) -> tuple[str, str]:
    if record.label is None:
        return "output", fold(record.output) or record.output
    text = f"{record.instruction}\n{record.input}"
    return "text", fold(text) or text
