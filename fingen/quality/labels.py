"""The labels of tables in running text: where a text names a row or column, and of which one it gives a figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fingen.quality.claims import LINK, LINK_ZH, Reading
from fingen.quality.figures import Figure

_WORD = re.compile(r"[a-z0-9&'/-]+")
_LINK_BACK = re.compile(
    r"(?>[\s,:]|\b(?:was|were|is|are|represents|represented|the|as|recorded|reported|shown|for|amount|figure|given|its|company|company's|of|in|s"
    r"|fiscal|year|ended|went|to|booked|under|stands|stood)\b|'s|\b(?:19|20)\d\d\b)*+"
)
_BOUNDARY = frozenset('的，。；：、,年度末期初月日其司团和与及而中但"“（(\n 内是为里，将对:;%元') | frozenset(
    "0123456789"
)
_DETERMINERS = frozenset(
    "the its a an and but while whereas with that their our his this these of reported recorded had was were generated posted booked "
    "showed shows saw year quarter both at where when because as although though since so including consolidated group's "
    "company's in for".split()
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A label of a table where a text has it, in full."""

    start: int
    end: int
    key: str


def find_mentions(text: str, start: int, end: int, index: Mapping[str, Sequence[str]]) -> list[Mention]:
    """The labels in `text[start:end]` (lower case), longest first at each place; `index` goes by first word or two characters."""
    found: list[Mention] = []
    words = list(_WORD.finditer(text, start, end))
    for number, word in enumerate(words):
        if found and word.start() < found[-1].end:
            continue
        for key in index.get(word[0], ()):
            tokens = _WORD.findall(key)
            heard = words[number : number + len(tokens)]
            if [match[0] for match in heard] == tokens:
                found.append(Mention(word.start(), heard[-1].end(), key))
                break
    if not text.isascii():
        at = start
        while at < end - 1:
            label = next((key for key in index.get(text[at : at + 2], ()) if text.startswith(key, at)), "")
            if label:
                found.append(Mention(at, at + len(label), label))
                at += len(label)
            else:
                at += 1
    found.sort(key=lambda mention: mention.start)
    return found


def claimed_label(
    reading: Reading, lower: str, figure: Figure, mentions: Sequence[Mention], names: Sequence[str]
) -> Mention | None:
    """The label that a figure is said to be of: nothing but linking words and the company's `names` stand between them."""
    start, end = reading.sentence(figure.start)
    if reading.is_respective(start, end):
        return None
    before = next((mention for mention in reversed(mentions) if mention.end <= figure.start), None)
    if before is not None and before.start >= start:
        gap = lower[before.end : figure.start]
        for name in names:
            gap = gap.replace(name, " ")
        crossed = any(before.end <= other.start < figure.start for other in reading.quantities if not _is_mark(other))
        if (
            not crossed
            and (LINK.fullmatch(gap) or LINK_ZH.fullmatch(gap))
            and _stands_alone(lower, before, start, names)
        ):
            return before
    after = next((mention for mention in mentions if mention.start >= figure.end), None)
    if after is not None and after.end <= end and figure.kind == "amount" and after.key.isascii():
        crossed = any(figure.end <= other.start < after.start for other in reading.quantities)
        gap = lower[figure.end : after.start]
        if not crossed and _LINK_BACK.fullmatch(gap) and _ends_alone(lower, after):
            return after
    return None


def _is_mark(figure: Figure) -> bool:
    """Whether a number may be the mark of a footnote behind a label."""
    return not figure.unit and figure.scale == figure.step == 1 and figure.value < 100


def _stands_alone(lower: str, mention: Mention, start: int, names: Sequence[str]) -> bool:
    """Whether no word before a label makes another thing of it: revenue, but not deferred revenue or cost of revenue."""
    before = lower[start : mention.start]
    if not before.strip():
        return True
    if not mention.key.isascii() or not before.rstrip()[-1].isascii():
        return before[-1] in _BOUNDARY or before.endswith(tuple(names))
    if before.rstrip()[-1] in ',;:(“"—':
        return True
    if any(before.rstrip().endswith((name, f"{name}'s", f"{name}’s")) for name in names):
        return True
    words = _WORD.findall(before[-40:].replace("’", "'"))
    last = words[-1] if words else ""
    if last == "of":
        return len(words) > 1 and words[-2] in ("amount", "figure", "value", "balance", "total", "reported", "recorded")
    return last in _DETERMINERS or last.endswith("'s") or last[-1:].isdigit()


def _ends_alone(lower: str, mention: Mention) -> bool:
    following = lower[mention.end : mention.end + 14]
    return (
        not following.strip()
        or following[0] in ".,;:)"
        or re.match(r"\s(?:in|for|at|during|as|of)\b", following) is not None
    )
