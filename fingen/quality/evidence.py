"""Where a quote stands: in which chunk, on which pages.

White space, the width of characters, hyphens and punctuation are folded; what makes a figure is not: digits, their
separators and signs, brackets around them, currency and percent signs. A quote that differs in a few letters, as text
read by OCR does, is found all the same, and the slips are told.

A text that is not to be told has a hash in its place, of what counts of it: whoever has the document finds it by that.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from fingen.quality.notation import narrow
from fingen.quality.quantities import find_figures
from fingen.records import PLACE_MARK, Block, Chunk, Evidence, Record
from fingen.text import INNER_BAR

LEAST_LETTERS = 30  # a shorter quote must be exact: its slips could make another statement of it
MOST_SLIPS = 5
LETTERS_PER_SLIP = 40
LONG_WORD = 7  # letters from which on a word may have two slips
# One wrong letter in these makes another statement; 万 for 亿 or "billion" for "million" is no slip of the pen.
SENSE_WORDS = frozenset(
    "million billion trillion thousand hundred percent percentage basis point points dollars euro euros pounds yuan renminbi "
    "loss losses less gain gains profit profits income increase increased increases decrease decreased decreases rise rose fall fell "
    "grew higher lower more fewer above below before after never without except only both neither first second third fourth "
    "debit credit asset assets liability liabilities paid received used provided buy sell bought sold over under".split()
)
SENSE_CHARACTERS = frozenset(
    "不未无非否没勿莫增减升降涨跌正负盈亏收支借贷买卖多少高低上下前后入出转万亿千百十零一二三四五六七八九两元角分股吨倍年月日季本"
)
NOTE_MARKS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳")
_SEPARATOR = "\x1f"
_HASHED = re.compile(r"sha256:([0-9a-f]{64}):(\d{1,9})")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A quote found: as it stands in the source, and the words in which it differs (in the quote, in the source)."""

    evidence: tuple[Evidence, ...]
    slips: tuple[tuple[str, str], ...] = ()


def locate(quote: str, chunks: Sequence[Chunk]) -> tuple[Evidence, ...]:
    """The quote as it stands in the first chunk that holds it, parted where a page or column break parts it; () if nowhere.

    The first chunk's document is the record's own; a quote from another one names it.
    """
    return find_quote(quote, chunks).evidence


def find_quote(quote: str, chunks: Sequence[Chunk]) -> Found:
    """The quote as `locate` gives it, with the slips in its letters; no evidence where no chunk holds it.

    An exact quote in a later chunk goes before one with slips in an earlier chunk.
    """
    wanted, origin = _fold(quote)
    if not wanted:
        return Found(())
    for chunk in chunks:
        text, places = _fold_chunk(chunk.text)
        at = text.find(wanted)
        while at >= 0 and _cuts_figure(text, at, at + len(wanted)):
            at = text.find(wanted, at + 1)
        if at >= 0:
            span = _with_marks(quote, origin, chunk.text, places[at], places[at + len(wanted) - 1] + 1)
            return Found(_on_pages(chunk, chunks, *span))
    if sum(map(str.isalpha, wanted)) >= LEAST_LETTERS:
        for chunk in chunks:
            if found := _with_slips(quote, wanted, origin, chunk, chunks):
                return found
    return Found(())


def hash_text(text: str) -> str:
    """The hash that may stand in place of a text: sha256:, 64 hexadecimal digits of what counts of it, and how many characters that is.

    It keeps a text from being copied; it keeps no secret, as a text of a few characters can be guessed.
    """
    folded, _ = _fold(text)
    return f"sha256:{hashlib.sha256(folded.encode()).hexdigest()}:{len(folded)}"


def is_hash(text: str) -> bool:
    """Whether a text is such a hash."""
    return _HASHED.fullmatch(text) is not None


def retell(record: Record, quote: Callable[[str], str], passage: Callable[[str], str]) -> Record:
    """The row with what the functions make of each of its quotes, those of its turns too, and of the passage that it shows."""

    def told(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(each.model_copy(update={"quote": quote(each.quote)}) for each in evidence)

    turns = tuple(turn.model_copy(update={"evidence": told(turn.evidence)}) for turn in record.turns)
    place = "system" if record.turns and record.draws.get("context") == "passage" else "input"
    shown = getattr(record, place)
    texts = {place: passage(shown)} if shown and record.origin == "document" else {}
    return record.model_copy(update={"evidence": told(record.evidence), "turns": turns, **texts})


@lru_cache(maxsize=1 << 12)  # rows of one pair share quotes
def find_hashed(hashed: str, text: str) -> str:
    """The piece of a text whose hash that is, as it stands there; empty where there is none. `hashed` is of `hash_text`."""
    match = _HASHED.fullmatch(hashed)
    if match is None or not (length := int(match[2])):
        return ""
    (folded, places), wanted = _fold_chunk(text), bytes.fromhex(match[1])
    for start in range(len(folded) - length + 1):
        end = start + length
        if hashlib.sha256(folded[start:end].encode()).digest() == wanted and not _cuts_figure(folded, start, end):
            return text[places[start] : places[end - 1] + 1]
    return ""


def _fold(text: str) -> tuple[str, list[int]]:
    """What counts of a text, and for each of its characters the offset in the text.

    Between two digits any gap is one separator: "1 2" is not 12.
    """
    folded: list[str] = []
    origin: list[int] = []
    gap = False
    for offset, char in enumerate(text):
        if char in NOTE_MARKS and text[offset - 1 : offset].isdigit():
            continue  # the mark of a footnote is no digit of a figure
        for plain in char if char.isascii() else unicodedata.normalize("NFKC", char):
            if not _counts(plain, text, offset):
                gap = True
                continue
            if gap and plain.isdigit() and folded and folded[-1].isdigit():
                folded.append(_SEPARATOR)
                origin.append(offset)
            gap = False
            folded.append("-" if plain in "−–‐‑" else plain)
            origin.append(offset)
    return "".join(folded), origin


_fold_chunk = lru_cache(maxsize=256)(_fold)


def _counts(char: str, text: str, offset: int) -> bool:
    """Whether a character tells one statement from another: letters, digits, symbols, and punctuation in a figure."""
    if char.isalnum():
        return True
    if char.isspace() or char in ("|", INNER_BAR):
        return False
    before, after = text[offset - 1 : offset], text[offset + 1 : offset + 2]
    if char in ".,":
        return before.isdigit() and after.isdigit()
    if char in "-−–‐‑":
        return after.isdigit() and (before.isdigit() or not before.isalnum()) if after else False
    if char in "(（":
        return after.isdigit() or after in "$€£¥-"
    if char in ")）":
        return before.isdigit() or before == "%"
    return unicodedata.category(char) in ("Sc", "Sm", "So", "No") or char in "%‰"


def _cuts_figure(text: str, start: int, end: int) -> bool:
    """Whether a match begins or ends inside a figure: "234" is not in 1,234, nor 12 in 12.5."""
    figure = "0123456789.,"
    starts = text[start].isdigit() and start > 0 and (text[start - 1] in figure or text[start - 1] in "-(")
    ends = text[end - 1].isdigit() and text[end : end + 1] in figure and text[end : end + 1] != ""
    return starts or ends


def _with_slips(quote: str, wanted: str, origin: list[int], chunk: Chunk, chunks: Sequence[Chunk]) -> Found | None:
    """The passage of a chunk that has the quote but for a few letters, where the figures are the same."""
    text, places = _fold_chunk(chunk.text)
    most = min(MOST_SLIPS, len(wanted) // LETTERS_PER_SLIP)
    least = 100 * (1 - 2.5 * (most + 1) / len(wanted))
    if most == 0 or len(text) < len(wanted) - most:
        return None
    window = fuzz.partial_ratio_alignment(wanted, text, score_cutoff=max(least, 0))
    if window is None:
        return None
    start, end = _fitted(wanted, text, window.dest_start, window.dest_end)
    if Levenshtein.distance(wanted, text[start:end], score_cutoff=most) > most or _cuts_figure(text, start, end):
        return None
    first, last = places[start], places[end - 1] + 1
    slips = list(_slips(quote, origin, wanted, chunk.text, places[start:end], text[start:end]))
    if any(not _is_slip(*slip) for slip in slips) or _figures(quote) != _figures(chunk.text[first:last]):
        return None
    words = tuple(dict.fromkeys((said, stands) for said, stands, _ in slips))
    return Found(_on_pages(chunk, chunks, *_with_marks(quote, origin, chunk.text, first, last)), words)


def _with_marks(quote: str, origin: list[int], text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the punctuation at its ends, as far as the quote has some there."""
    before, after = quote[: origin[0]].strip(), quote[origin[-1] + 1 :].strip()
    for _ in before:
        start -= start > 0 and _is_mark(text[start - 1])
    for _ in after:
        end += end < len(text) and _is_mark(text[end])
    return start, end


def _is_mark(char: str) -> bool:
    return char != "|" and unicodedata.category(char)[0] == "P"


def _fitted(wanted: str, text: str, start: int, end: int) -> tuple[int, int]:
    """The window moved or stretched by a character or two to where the quote fits best."""
    around = (
        (low, high)
        for low in range(max(0, start - 2), min(start + 3, len(text)))
        for high in range(max(low + 1, end - 2), min(end + 3, len(text) + 1))
    )
    return min(around, key=lambda span: (Levenshtein.distance(wanted, text[span[0] : span[1]]), span))


def _slips(
    quote: str, origin: list[int], wanted: str, text: str, places: list[int], found: str
) -> Iterator[tuple[str, str, int]]:
    """The words of quote and source that differ, and in how many letters; with (",", "", 1) where it is no letter."""
    counts: dict[tuple[int, int], int] = {}
    for edit in Levenshtein.editops(wanted, found):
        at, there = edit.src_pos, edit.dest_pos
        mine = wanted[at : at + 1] if edit.tag != "insert" else ""
        theirs = found[there : there + 1] if edit.tag != "delete" else ""
        if not (mine + theirs).isalpha():
            yield mine, theirs, MOST_SLIPS + 1
            continue
        key = (origin[min(at, len(origin) - 1)], places[min(there, len(places) - 1)])
        counts[key] = counts.get(key, 0) + 1
    words: dict[tuple[str, str], int] = {}
    for (at, there), count in counts.items():
        pair = (_word_at(quote, at), _word_at(text, there))
        words[pair] = words.get(pair, 0) + count
    for (said, stands), count in words.items():
        yield said, stands, count


def _word_at(text: str, at: int) -> str:
    """The Latin word that an offset stands in, or the character with its neighbours where there are no words."""
    if "\u2e80" <= text[at] <= "\uffef":
        return text[at]
    start, end = at, at + 1
    while start > 0 and text[start - 1].isalpha() and text[start - 1] < "\u2e80":
        start -= 1
    while end < len(text) and text[end].isalpha() and text[end] < "\u2e80":
        end += 1
    return text[start:end]


def _is_slip(said: str, stands: str, count: int) -> bool:
    """Whether a difference may be a slip: in letters, few of them, and in no word that a figure or its sense hangs on."""
    if count > (2 if min(len(said), len(stands)) >= LONG_WORD else 1):
        return False
    if any(char in SENSE_CHARACTERS for char in said + stands):
        return False
    latin = [word.lower() for word in (said, stands) if word and word[0] < "\u2e80"]
    return not any(word in SENSE_WORDS for word in latin) and not any(len(word) <= 3 for word in latin)


def _figures(text: str) -> list[tuple[object, ...]]:
    return [
        (figure.kind, figure.value, figure.sign, figure.scale, figure.currency, figure.unit)
        for figure in find_figures(narrow(text))
    ]


def _on_pages(chunk: Chunk, chunks: Sequence[Chunk], start: int, end: int) -> tuple[Evidence, ...]:
    document = chunk.document if chunk.document != chunks[0].document else None
    parts = []
    for block in chunk.blocks:
        left, right = max(start, block.start), min(end, block.end)
        if left < right and chunk.text[left:right].strip():
            text, place = chunk.text[left:right].strip(), place_of(chunk, block)
            parts.append(Evidence(quote=text, page=block.page, place=place, document=document))
    return tuple(parts)


def place_of(chunk: Chunk, block: Block) -> str | None:
    """Where a piece of a chunk stands in a file of a format without boxes: its section, and what finds it again."""
    return " > ".join(chunk.section) + PLACE_MARK + block.place if block.place else None
