"""Duplicates: rows that say the same thing twice. Those that differ in company, year, metric or figure are never called one."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rapidfuzz.distance import OSA

from fingen.disk import short_digest
from fingen.records import Record, content_id
from fingen.spool import Spool, read_in
from fingen.text import is_cjk

Kind = Literal["exact", "near", "answer"]

# Words without which a question asks the same: no negation, no direction, no part of a usual term (在产品, 所得税).
FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "are", "did", "do", "does", "hello", "is", "its", "kindly", "of", "please", "s"}
    | {"thank", "thanks", "that", "the", "these", "this", "those", "was", "were", "you"}
)
_IDLE = re.compile("[的了请问吗呢该其是之]|[您你]好|麻烦|劳驾|谢谢|告诉我|一下(?![降跌滑调属游])")
_ASKING = re.compile("(?:can|could|will|would) you (?:please |kindly )?(?:tell me )?", re.IGNORECASE)
# Plurals that mean something else than the word without its s.
_OWN_PLURALS = frozenset({"arms", "customs", "damages", "economics", "futures", "goods", "means", "news", "securities"})
# Words that one letter more makes another word: contract, coasting, dividend, founding, hoisting, spending, starting.
OWN_LETTERS, OWN_HAN = 40, 15  # characters of an answer that is one conversation's own: “You are welcome” is anybody's
_MOST_EDITS = 3  # letters: company, companies
_OTHER_WORDS = frozenset({"contact", "costing", "divided", "funding", "hosting", "sending", "staring", "through"})

# Noncharacters, which no text holds: they mark a decimal point and a minus sign while punctuation goes.
_POINT, _MINUS = "\ufdd0", "\ufdd1"
_MARKS = {_POINT: ".", _MINUS: "-", "−": " ", "%": "%", "‰": "‰"}
_CURRENCY = "[$€£¥]?"
_GROUPED = re.compile(r"(?<![\d.])\d{1,3},[\d,]*\d")
# A figure in brackets is negative in accounts; a year in brackets is a year.
_BRACKETED = re.compile(rf"\((?!(?:19|20)\d\d\))({_CURRENCY}\d[\d,.]*%?)\)")
_SIGN = re.compile(rf"(?<![A-Za-z\d])[-−–](?={_CURRENCY}[.\d])")
# These start with the character that they look for, which is much the fastest.
_GROUPING = re.compile(r",(?<=\d,)\d")
_DECIMAL = re.compile(r"\.(?<![A-Za-z.]\.)(?=\d)")
_PARTED = re.compile(r" (?<=\d )[\d.]")
_GAP = re.compile(r"(?<!\d) | (?![\d.])")

_HAN = "\u3400-\u9fff"
_WIDE = re.compile("[\u3000\uff01-\uff5e]")  # of ordinary Chinese text: the rest of it NFKC leaves as it is
_FOREIGN = re.compile(f"[^\\x00-\\x7f{_HAN}、。〈-】“”‘’–—]")
_RAISED = re.compile("[²³¹¼-¾⁰-₉⅐-⅟↉①-⒛⓪-⓿㆒-㆕㈠-㈩㉈-㉟㊀-㊉㊱-㊿\U0001f100-\U0001f10c]")
_ODD = re.compile(f"[^0-9A-Za-z {_HAN}]")
_EITHER_AND = re.compile(f"(?<=[{_HAN}])[与及](?=[{_HAN}])")  # 和 is dropped nowhere: 和达 and 达和 are two companies
_BESIDE_HAN = re.compile(f"(?<=[{_HAN}]) | (?=[{_HAN}])")
_RUN = re.compile(f"[{_HAN}]+|[^ {_HAN}]+")


class _Memo(dict[str, str]):
    """A rule from text to text that is worked out once for each character or word, as far as there is room."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self.rule = rule

    def __missing__(self, text: str) -> str:
        if len(self) >= 1 << 17:  # names and figures have no end
            self.clear()
        self[text] = result = self.rule(text)
        return result


def _kept(char: str) -> str:
    """Letters, digits, marks and symbols stay ($, +, ▲ tell figures apart); punctuation and white space part words."""
    if char in _MARKS:
        return _MARKS[char]
    category = unicodedata.category(char)
    if category == "Cf":  # soft hyphens and joiners stand inside words
        return ""
    return " " if category[0] in "PZC" or category == "Sk" else char


def _token(word: str) -> str:
    """What a word counts as: nothing for a function word, else itself in lower case."""
    folded = word.casefold()
    return "" if folded in FUNCTION_WORDS else folded


def _outline(token: str) -> str:
    """What a slip of the keys and a plural leave of a word: its ends. A short word, a figure or Chinese stays whole."""
    if len(token) < 4 or not token.isascii() or not token.isalpha():
        return token
    singular = _singular(token)
    return f"{singular[0]}~{singular[-1]}"


def _singular(word: str) -> str:
    if word[-1] != "s" or word in _OWN_PLURALS:
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is")) else word[:-1]


_KEPT, _TOKEN, _OUTLINE = _Memo(_kept), _Memo(_token), _Memo(_outline)
_NARROW = _Memo(lambda wide: unicodedata.normalize("NFKC", wide))


def _narrow(match: re.Match[str]) -> str:
    return _NARROW[match[0]]


def _keep(match: re.Match[str]) -> str:
    return _KEPT[match[0]]


def _apart(match: re.Match[str]) -> str:
    return f" {match[0]} "


def _join_groups(number: re.Match[str]) -> str:
    head, *groups = number[0].split(",")
    return head + "".join(groups) if all(len(group) == 3 for group in groups) else number[0]


def _plain(text: str) -> str:
    """The text without punctuation, its words parted by single spaces, its figures in one notation.

    Each step is taken only where the text has something for it: most have not, and this runs on every row.
    """
    if not text.isascii():
        text = _WIDE.sub(_narrow, text)
        if _FOREIGN.search(text):
            text = _RAISED.sub(_apart, text)  # superscripts, fractions: digits, but not of the figure beside them
            text = unicodedata.normalize("NFKC", text)
    if _GROUPING.search(text):
        text = _GROUPED.sub(_join_groups, text)
    if "(" in text:
        text = _BRACKETED.sub(rf"{_MINUS}\1", text)
    if "-" in text or "−" in text or "–" in text:
        text = _SIGN.sub(_MINUS, text)
    if "." in text:
        text = _DECIMAL.sub(_POINT, text)
    return " ".join(_ODD.sub(_keep, text).split())


def _joined(plain: str) -> str:
    """Plain text in lower case without its spaces; those between two figures stay."""
    plain = plain.casefold()
    return _GAP.sub("", plain) if _PARTED.search(plain) else plain.replace(" ", "")


def fold(text: str) -> str:
    """The text without what does not change its meaning: width, case, punctuation and white space.

    Figures keep theirs: 1.23, -1.23 and 123 differ, as do "1, 2" and 12, while 1,234 equals 1234 and (1,234) is -1234.
    """
    return _joined(_plain(text))


class Wording:
    """A text in the forms that are compared: plain, folded, and as the words that count, which only some rows need."""

    __slots__ = ("_tokens", "folded", "plain")

    def __init__(self, text: str) -> None:
        self.plain = _plain(text)
        self.folded = _joined(self.plain) or text  # of punctuation alone, the text itself
        self._tokens: list[str] | None = None

    @property
    def tokens(self) -> list[str]:
        """The words in lower case without function words and polite ones; Chinese in unbroken runs."""
        if self._tokens is None:
            self._tokens = [token for token in map(_TOKEN.__getitem__, _words(self.plain)) if token]
        return self._tokens


def _words(plain: str) -> list[str]:
    """The words of plain text as they are written, from the first one on that counts."""
    asking = _ASKING.match(plain)
    if asking:
        plain = plain[asking.end() :]
    if plain.isascii():
        words = plain.split()
    else:
        plain = _EITHER_AND.sub("和", _IDLE.sub(" ", plain)).replace("年年度", "年度")
        words = _RUN.findall(_BESIDE_HAN.sub("", plain))
    first = next((i for i, word in enumerate(words) if word.casefold() not in FUNCTION_WORDS), len(words))
    return words[first:]


def _may_vary(plain: str, token: str) -> bool | None:
    """Whether a word of a text is no name, as far as its capitals tell: not the first one's, nor where all are alike."""
    if plain.islower() or plain.isupper():
        return None
    first, *others = _words(plain)
    if token in others:
        return True
    return None if first.casefold() == token else False


class Seen:
    """Texts seen so far, each with a number, and what a further text repeats of them.

    A text is compared with others of its own group only, save that the same text is the same in every group. The texts lie on
    disk; in memory are about 200 bytes for each, and 300 more where it may be nearly the same as another one.
    """

    def __init__(self) -> None:
        self._exact: dict[bytes, int] = {}
        self._near: dict[Hashable, _Near] = {}
        self._texts = Spool[_Text]()

    def find(self, wording: Wording, group: Hashable = None) -> tuple[int, Literal["exact", "near"]] | None:
        """The number of the text that this one repeats, and how: the same when folded, or nearly the same."""
        number = self._exact.get(short_digest(wording.folded))
        if number is not None:
            return number, "exact"
        near = self._near.get(group)
        number = near.find(wording) if near else None
        return None if number is None else (number, "near")

    def add(self, wording: Wording, number: int, group: Hashable = None, *, near: bool = True) -> None:
        """Take a text in; of two with the same number or wording the first stands. Without `near`, as exact text only."""
        self._exact.setdefault(short_digest(wording.folded), number)
        if near:
            if group not in self._near:
                self._near[group] = _Near(self._texts)
            self._near[group].add(wording, number)


_Text = tuple[str, str, int]  # tokens, plain text, number


class _Near:
    """Texts of one group by their tokens.

    One word may vary, so one half of the words is the same to the letter. Each half is a key, together with the outlines
    of the other: few texts share one, and only those are compared letter by letter.
    """

    def __init__(self, texts: Spool[_Text]) -> None:
        self._places: dict[bytes, int] = {}  # tokens -> place among the texts
        self._texts = texts
        self._halves: dict[int, int | list[int]] = {}  # hash of a key -> place, or places

    def find(self, wording: Wording) -> int | None:
        text = " ".join(wording.tokens)
        if not text:
            return None
        place = self._places.get(short_digest(text))
        if place is not None:
            _, plain, number = self._texts[place]
            return None if {_has_letter_a(plain), _has_letter_a(wording.plain)} == {True, False} else number
        for key in _half_keys(wording.tokens):
            places = self._halves.get(key, ())
            for place in [places] if isinstance(places, int) else places:
                other, plain, number = self._texts[place]
                close = OSA.distance(text, other, score_cutoff=_MOST_EDITS) <= _MOST_EDITS
                if close and _same_but_for_a_slip(wording.tokens, other.split(" "), wording.plain, plain):
                    return number
        return None

    def add(self, wording: Wording, number: int) -> None:
        text, place = " ".join(wording.tokens), len(self._texts)
        if not text or self._places.setdefault(short_digest(text), place) != place:
            return
        keys = _half_keys(wording.tokens)
        self._texts.append((text, wording.plain, number))
        for key in keys:
            places = self._halves.setdefault(key, place)
            if isinstance(places, list):
                places.append(place)
            elif places != place:
                self._halves[key] = [places, place]


def _has_letter_a(plain: str) -> bool | None:
    """Whether an A stands in the text that is no article (A shares are of one class); None where all letters are alike."""
    if plain.islower() or plain.isupper():
        return None
    return "A" in plain and "A" in _words(plain)[1:]


def _half_keys(tokens: list[str]) -> tuple[int, ...]:
    """Hashes of the two keys, the first half whole and the second; none where no word may vary."""
    outlines = list(map(_OUTLINE.__getitem__, tokens))
    if outlines == tokens:
        return ()
    half = len(tokens) // 2
    first = hash(" ".join(tokens[:half] + outlines[half:]))
    second = hash(" ".join(outlines[:half] + tokens[half:]))
    return (first, second) if first != second else (first,)


def _same_but_for_a_slip(a: list[str], b: list[str], plain_a: str, plain_b: str) -> bool:
    """Whether the texts differ in one word only, which is the same one and no name as far as either text tells."""
    differing = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
    if len(a) != len(b) or len(differing) != 1:
        return False
    ((x, y),) = differing
    told = {_may_vary(plain_a, x), _may_vary(plain_b, y)}
    return True in told and False not in told and _same_word(x, y)


def _same_word(a: str, b: str) -> bool:
    """Whether one of two words is the other's plural, or has a slip inside: letters swapped, lost, doubled, a wrong vowel.

    The longer the word, the less another word is that near: hence the least lengths. Other letters are never taken for
    one another (generic, genetic), nor the ends of words (employer, employee).
    """
    short, long = sorted((a, b), key=len)
    if not (short + long).isalpha() or not (short + long).isascii():
        return False
    if _singular(a) == _singular(b):
        return True
    if len(short) == len(long):
        at = [i for i, (x, y) in enumerate(zip(short, long, strict=True)) if x != y]
        if 0 in at or len(short) - 1 in at:
            return False
        if len(at) == 2:
            return len(short) >= 5 and at[1] == at[0] + 1
        letters = {short[at[0]], long[at[0]]}
        return len(at) == 1 and len(short) >= 8 and (letters <= set("aeiou") or letters == {"s", "z"})
    at_loss = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if at_loss == 0 or short[at_loss:] != long[at_loss + 1 :]:
        return False
    if long[at_loss] == long[at_loss - 1]:
        return len(long) >= 7
    return at_loss < len(short) and len(short) >= 7 and short not in _OTHER_WORDS


def duplicate_texts(texts: Sequence[str]) -> Iterator[tuple[int, int, Literal["exact", "near"]]]:
    """(index, index of the text that it repeats, how) for each text that repeats an earlier one, in their order.

    For texts that name their company and period themselves, as questions and headlines do; the rules are those of
    `find_duplicates` for one document.
    """
    seen = Seen()
    for index, text in enumerate(texts):
        wording = Wording(text)
        found = seen.find(wording)
        if found is None:
            seen.add(wording, index)
        else:
            yield index, *found


@dataclass(frozen=True)
class Duplicate:
    """A row to leave out, the id of the row that is kept, in what they agree, and the set of the kept one if another."""

    record: Record
    of: str
    kind: Kind
    of_set: str | None = None


def worth(record: Record) -> tuple[int, int]:
    """A sort key that puts the better of two rows first: the one with more evidence, then with more figures."""
    return -len(record.evidence), -len(re.findall(r"\d[\d,.]*", record.output))


def find_duplicates(
    records: Sequence[Record],
    *,
    against: Mapping[str, Sequence[Record]] | None = None,
    better: Callable[[Record], Any] | None = None,
) -> list[Duplicate]:
    """The rows that repeat another one, in the order of the rows.

    - exact: instruction and input, and of a conversation all turns before them, fold to the same text, in whatever document.
    - near: the same document, the same figures, and the same words in the same order but for function words, polite
      words, a plural, or one slip of the keys in one longer word that is no name. A high ratio alone would not do: in a
      question that names company and period, 流动资产 and 流动负债 are 95 % the same. A Chinese character is a word.
    - answer: the same folded output in one document and task. Labels repeat by nature and are not compared.

    A row with its passage (in `input`, of a conversation in `system`) and one without are different exercises; only their
    whole text can be the same.

    Args:
        records: the rows of one set.
        against: name -> rows of other sets. They stay, whatever they are, and what repeats them is found.
        better: a sort key; of rows that say the same the one that it puts first is kept (`worth` is one). Without it, and
            where it is equal, the first row is.
    """
    order = None
    if better is not None:
        keys = [better(record) for record in records]
        order = sorted(range(len(records)), key=keys.__getitem__)
    found = find_repeats(records, against=against, order=order)
    return [Duplicate(records[each.number], each.of, each.kind, each.of_set) for each in found]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row to leave out by its number among the rows, the id of the row that is kept, in what they agree, and whose it is."""

    number: int
    of: str
    kind: Kind
    of_set: str | None = None


def find_repeats(
    records: Sequence[Record],
    *,
    against: Mapping[str, Sequence[Record]] | None = None,
    order: Sequence[int] | None = None,
) -> list[Repeat]:
    """What `find_duplicates` finds, by numbers: the rows may lie on disk. `order` is that in which the better come first."""
    kept, found = _Kept(), list[Repeat]()
    sets: dict[str | None, Sequence[Record]] = {None: records}
    for name, others in (against or {}).items():
        sets[name] = others
        for place, other in enumerate(others):
            kept.add(other, Wording(_text(other)), place, name)
    for number, record in enumerate(records) if order is None else zip(order, read_in(records, order), strict=True):
        wording = Wording(_text(record))
        repeated = kept.find(record, wording)
        if repeated is None:
            kept.add(record, wording, number)
        else:
            place, kind, of_set = repeated
            found.append(Repeat(number, sets[of_set][place].id, kind, of_set))
    return sorted(found, key=lambda each: each.number)


def _text(record: Record) -> str:
    before = [record.system, *(turn.content for turn in record.turns)] if record.turns else []
    return "\n".join((*before, without_options(record), record.input, *([record.rejected] if record.rejected else [])))


def _has_passage(record: Record) -> bool:
    return bool(record.system if record.turns else record.input)


def without_options(record: Record) -> str:
    """The instruction without the lines of its lettered options, whose order is drawn."""
    if not record.options:
        return record.instruction
    names = set(record.options.values())
    lines = record.instruction.split("\n")
    return "\n".join(
        line for line in lines if not (line[:1] in record.options and line[1:].lstrip(" .:、．：)") in names)
    )


@dataclass
class _Kept:
    """The rows kept so far, by what makes another row their duplicate."""

    places: array[int] = field(default_factory=lambda: array("Q"))  # number -> place among the rows of its set
    sets: dict[int, str] = field(default_factory=dict)  # number -> set, of those of another one
    texts: Seen = field(default_factory=Seen)
    answers: dict[bytes, int] = field(default_factory=dict)

    def find(self, record: Record, wording: Wording) -> tuple[int, Kind, str | None] | None:
        """The row that this one repeats: its place, in what they agree, and the set where that is another one."""
        found: tuple[int, Kind] | None = self.texts.find(wording, _group(record))
        if found is None or found[1] == "near":
            answer = self._answer(record)
            found = found if answer is None else (answer, "answer")
        if found is None:
            return None
        number, kind = found
        return self.places[number], kind, self.sets.get(number)

    def _answer(self, record: Record) -> int | None:
        key = _answer_key(record)
        return None if key is None else self.answers.get(key)

    def add(self, record: Record, wording: Wording, place: int, of_set: str | None = None) -> None:
        """Take in a row that is kept."""
        number = len(self.places)
        self.places.append(place)
        if of_set is not None:
            self.sets[number] = of_set
        self.texts.add(wording, number, _group(record), near=bool(record.document))
        key = _answer_key(record)
        if key is not None:
            self.answers.setdefault(key, number)


def _group(record: Record) -> Hashable:
    return record.document, _has_passage(record)


def _answer_key(record: Record) -> bytes | None:
    """A digest of what two rows with one answer share; None where answers repeat by nature: labels, chosen answers."""
    if not record.document or record.label or record.rejected:
        return None
    answers = (fold(each.output) or each.output for each in record.exchanges)
    return short_digest(record.document, record.task, "passage" if _has_passage(record) else "", *answers)


def near_clusters(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Record id -> clusters, for splits: records of any document with the same folded output are one cluster.

    Of rows with a label, which repeats by nature, those with the same folded text are. A conversation is in a cluster for
    each of its answers that is long enough to be its own, and in one for all that is said in it. A cluster's id is a hash
    of what its records share, so it does not depend on the other records.
    """
    return {record.id: clusters_of(record) for record in records}


def clusters_of(record: Record) -> tuple[str, ...]:
    """The clusters of one record: see `near_clusters`."""
    return tuple(content_id("n", *shared) for shared in _shared_texts(record))


def _shared_texts(record: Record) -> list[tuple[str, str]]:
    if record.label:
        text = _text(record)
        return [("text", fold(text) or text)]
    if not record.turns:
        return [("output", fold(record.output) or record.output)]
    answers = dict.fromkeys(fold(each.output) for each in record.exchanges)
    own = [("output", answer) for answer in answers if len(answer) >= (OWN_HAN if is_cjk(answer[:1]) else OWN_LETTERS)]
    whole = f"{_text(record)}\n{record.output}"
    return [*own, ("conversation", fold(whole) or whole)]
