"""The labels of tables in running text: where a text names a row or column, and of which one it gives a figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fingen.quality.claims import LINK, LINK_WORDS, LINK_WORDS_ZH, LINK_ZH, ClaimContext
from fingen.quality.quantities import Quantity

_WORD = re.compile(r"[a-z0-9&'/-]+")
_LINK_BACK = re.compile(
    r"(?>[\s,:]|\b(?:was|were|is|are|represents|represented|the|as|recorded|reported|shown|for|amount|figure|given|its|company|company's|of|in|s"
    r"|from|by|fiscal|year|ended|went|to|booked|under|stands|stood)\b|'s|\b(?:19|20)\d\d\b)*+"
)
_CARRY = re.compile(
    rf"(?>{LINK_WORDS}|{LINK_WORDS_ZH}|\b(?:compared|against|versus|vs|after|later|earlier|prior|previous|preceding|same|period|before|it)\b"
    r"|上年|[变而去])*+"
)
_SET_AGAINST = re.compile(
    r"\b(?:to|from|compared|against|versus|vs|after)\b|\b(?:19|20)\d\d\b|[12]\d{3}年|[至到变较]|上年|上期|去年|期[初末]"
)
_ITS_CHANGE = re.compile(  # 5, up 3 percent: the change is of what the figure before it is of
    r"\s?[,，、(（]?\s?(?:(?:which|that) (?:is|was) )?(?:and )?(?:(?:up|down|an? (?:increase|rise|growth|gain|decrease"
    r"|decline|drop|fall|reduction) of"
    r"|(?:rose|grew|increased|climbed|fell|declined|decreased|dropped)(?: by)?) (?:by |about |approximately )?"
    r"|(?:同比|环比|[较比]上年(?:同期)?)?(?:大幅|小幅|略)?(?:增长|增加|上升|提高|下降|减少|降低|下滑|上涨)(?:了|约|率?为)?)"
)
_CLAUSE = re.compile(r"[,，;；:：]|\b(?:while|but|although|as|when|because)\b")
_LISTED = re.compile(r"(?:\b(?:and|or)\s|[、和及与])$")
_PART_OF = re.compile(r"\b(?:of which|of that|including|thereof)\b|其中")
_OWNED = re.compile(
    r"\s(?:[a-z]+ )?(?:(?:in|from|for|of|on|by|under|to|were|was|are|is|came from) )?(?:the |its |their )?|(?:属于|来自|为)"
)
_AND = re.compile(r"\s?(?:,? and |[、和及与])\s?(?:rmb |us)?[$€£¥]?")
_OWNERS = ("公司", "年", "年度", "期", "企业", "报告", "末", "初", "季度")
_VERBS = ("实现", "录得", "发生", "取得", "确认", "报告", "产生", "列示")
_BOUNDARY = frozenset('，。；：、,年度末期初月日其司团和与及而中但"“（(\n 内是为里，将对:;%元') | frozenset(
    "0123456789"
)
_DETERMINERS = frozenset(
    "the its a an and but while whereas with that their our his this these of reported recorded had was were generated posted booked "
    "reports records posts shows lists has "
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


def claimed_labels(
    reading: ClaimContext, lower: str, figure: Quantity, mentions: Sequence[Mention], names: Sequence[str]
) -> tuple[Mention, ...]:
    """The labels that a figure is said to be of, the nearest first: of a row, or of a row and a column.

    Nothing but linking words and the company's `names` stand between them and the figure. A figure that is set against
    another one is of the same: from 5 in 2022 to 6 in 2023.
    """
    start, end = reading.sentence(figure.start)
    mentions = [mention for mention in mentions if start <= mention.start and mention.end <= end]
    if not mentions:
        return ()
    inside = [other for other in reading.quantities if start <= other.start < end and not _is_mark(other)]
    if reading.is_respective(start, end):
        nearest = _in_order(lower, figure, inside, mentions, names)
        if nearest and len(mentions) > 1:  # of a list: the label before it is that of the figure before
            is_first = nearest is mentions[0]
            return (nearest,) if not is_first or _stands_alone(lower, nearest, start, names) else ()
    else:
        nearest = _from_before(reading, lower, figure, inside, mentions, names)
        nearest = nearest or _from_after(lower, figure, inside, mentions)
    if nearest is None:
        return ()
    other = next((mention for mention in reversed(mentions) if mention.end <= nearest.start), None)
    if other is None or not _is_linked(lower[other.end : nearest.start], names):
        return (nearest,) if _stands_alone(lower, nearest, start, names) else ()
    crossed = any(other.end <= quantity.start < nearest.start for quantity in inside)
    if crossed or not _stands_alone(lower, other, start, names):
        return (nearest,) if _stands_alone(lower, nearest, start, names) else ()
    return nearest, other


def _in_order(
    lower: str, figure: Quantity, inside: Sequence[Quantity], mentions: Sequence[Mention], names: Sequence[str]
) -> Mention | None:
    """Labels and figures in the same order, or one label for all figures."""
    if (
        inside and (at := lower.rfind("分别", inside[0].start, figure.start)) > 0
    ):  # of what stands before it, these alone
        last = max(each.end for each in inside if each.end <= at)
        told = [each for each in mentions if last < each.start < at] or [
            each for each in mentions if each.end <= inside[0].start
        ]
        mentions, inside = told, [each for each in inside if each.start > at]
    before = [mention for mention in mentions if inside and mention.end <= inside[0].start]
    if figure not in inside or len(before) != len(mentions):
        return None
    if len(mentions) == len(inside):
        return mentions[inside.index(figure)]
    return mentions[0] if len(mentions) == 1 and _is_linked(lower[before[0].end : inside[0].start], names) else None


def _is_linked(gap: str, names: Sequence[str]) -> bool:
    for name in names:
        gap = gap.replace(name, " ")
    return bool(LINK.fullmatch(gap) or LINK_ZH.fullmatch(gap))


def is_close(gap: str, names: Sequence[str]) -> bool:
    """Whether the words between a label and a figure are of one clause, or link the two."""
    return not _CLAUSE.search(gap) or _is_linked(gap, names)


def _from_before(
    reading: ClaimContext,
    lower: str,
    figure: Quantity,
    inside: Sequence[Quantity],
    mentions: Sequence[Mention],
    names: Sequence[str],
) -> Mention | None:
    mention = next((mention for mention in reversed(mentions) if mention.end <= figure.start), None)
    if mention is None:
        return None
    if is_of_list(lower, figure, inside, mention) or is_of_figure_before(lower, mention, inside):
        return None
    crossed = [other for other in inside if mention.end <= other.start < figure.start]
    for other, following in pairwise((*crossed, figure)):
        gap = lower[other.end : following.start]
        if _PART_OF.search(gap):
            return None
        carries = _SET_AGAINST.search(gap) and _CARRY.fullmatch(gap)
        if not carries and not (following.kind != "amount" and _ITS_CHANGE.fullmatch(gap)):
            return None
    return mention if _is_linked(lower[mention.end : (*crossed, figure)[0].start], names) else None


def is_of_figure_before(lower: str, mention: Mention, inside: Sequence[Quantity]) -> bool:
    """Whether a label stands right behind a figure and is its own: 5 in the first quarter and 6 in the second."""
    before = next((each for each in reversed(inside) if each.end <= mention.start), None)
    return before is not None and _OWNED.fullmatch(lower, before.end, mention.start) is not None


def is_of_list(lower: str, figure: Quantity, inside: Sequence[Quantity], mention: Mention) -> bool:
    """Whether a label is the last of several for as many figures: of receivables and inventories, at 10 and 5, 10 is not its."""
    if not _LISTED.search(lower, max(0, mention.start - 6), mention.start):
        return False
    following = next((other for other in inside if other.start >= figure.end), None)
    return following is not None and _AND.fullmatch(lower[figure.end : following.start]) is not None


def _from_after(
    lower: str, figure: Quantity, inside: Sequence[Quantity], mentions: Sequence[Mention]
) -> Mention | None:
    mention = next((mention for mention in mentions if mention.start >= figure.end), None)
    if mention is None or figure.kind != "amount" or not mention.key.isascii():
        return None
    if any(figure.end <= other.start < mention.start for other in inside):
        return None
    gap = lower[figure.end : mention.start]
    linked = "," not in gap and _LINK_BACK.fullmatch(gap)
    return mention if linked and _ends_alone(lower, mention) else None


def _is_mark(figure: Quantity) -> bool:
    """Whether a number may be the mark of a footnote behind a label."""
    return not figure.unit and figure.scale == figure.step == 1 and figure.value < 100


def _stands_alone(lower: str, mention: Mention, start: int, names: Sequence[str]) -> bool:
    """Whether no word before a label makes another thing of it: revenue, but not deferred revenue or cost of revenue."""
    before = lower[start : mention.start]
    if not before.strip():
        return True
    if not mention.key.isascii() or not before.rstrip()[-1].isascii():
        if before[-1] == "的":  # of the company or the year; 扣除非经常性损益后的净利润 is another row
            return before[:-1].endswith((*names, *_OWNERS))
        return before[-1] in _BOUNDARY or before.endswith((*names, *_VERBS))
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
        or re.match(r"\s(?:in|for|at|during|as|of|and|while)\b", following) is not None
    )
