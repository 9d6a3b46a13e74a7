"""What stands beside or on top of other text: raised marks and powers, fractions, text struck twice, stamps across a page.

Lengths are points; a span is a piece of a line in one font and size, as MuPDF gives it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Any

from fingen.documents.shapes import Run
from fingen.documents.visibility import NEAR_WHITE, luminance
from fingen.text import RAISED, UNKNOWN_GLYPH, clean

Span = dict[str, Any]
Line = tuple[dict[str, Any], list[Span]]
SMALL = 0.85  # of the size beside it: text smaller than this may be raised
RAISE = 0.1  # sizes that a small letter stands above the line to be raised; one of the same size, twice that and more
TOUCH = 0.35  # sizes between a mark and what it belongs to
STRUCK = 0.35  # sizes between text and the same text struck again: a shadow, or bold by a second strike
STAMP_SIZE = 2.0  # of the usual size of a page: slanted text this large is a stamp
STAMP_LIGHT = 0.65  # luminance from which text is paler than any that is to be read on white
TILES = 4  # places of a page where the same words slanted are a pattern
_FOOTNOTE = re.compile(
    r"[\s,]*[(\[（]?(?:注?\d{1,2}(?:[,，、–-]\s?\d{1,2})*|[a-df-np-z]|[①-⑳]|[*∗†‡§¶#^]{1,3})[)\]）]?[\s,]*"
)
_ORDINAL = re.compile(r"st|nd|rd|th", re.IGNORECASE)
_TRADE = frozenset(("®", "™", "℠", "TM", "SM", "©"))
_TO_RAISED = str.maketrans("0123456789", RAISED)
_BULLETS = frozenset((UNKNOWN_GLYPH, "·"))
_SLASH = frozenset("/⁄∕")
_VULGAR = {
    tuple(unicodedata.normalize("NFKC", char).split("⁄")): char for char in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
}  # (numerator, denominator)


def level_line(spans: list[Span]) -> list[Span]:
    """The spans of a line with no small text raised in it: footnote marks are left out, powers and fractions are one character.

    What is raised touches what it belongs to; it is smaller, or stands a good part of a letter above it.
    """
    size, base = max((span["size"], span["origin"][1]) for span in spans)
    if all(base - span["origin"][1] <= RAISE * size for span in spans):
        return spans
    levelled: list[Span] = []
    index = 0
    while index < len(spans):
        span, before = spans[index], levelled[-1] if levelled else None
        index += 1
        if not _is_raised(span, size, base):
            levelled.append(span)
            continue
        if denominator := _denominator(spans, index, span):
            levelled.append(_fraction(span, denominator, before))
            index += 1 + (spans[index]["text"].strip() in _SLASH)
            continue
        while index < len(spans) and _is_raised(spans[index], size, base) and _touches(span, spans[index]):
            span = _joined(span, spans[index]["text"], spans[index])
            index += 1
        if before is None or not _touches(before, span):
            head = _FOOTNOTE.fullmatch(span["text"]) is not None  # the mark at the head of the footnote itself
            levelled.append({**span, "text": span["text"] + " "} if head else span)
        elif (text := _raised_text(span["text"], before["text"])) is None:
            levelled.append(span)
        else:
            levelled[-1] = _joined(before, text, span)
    return levelled


def _joined(before: Span, text: str, span: Span) -> Span:
    x0, y0, x1, y1 = before["bbox"]
    return {**before, "text": before["text"] + text, "bbox": (x0, y0, max(x1, span["bbox"][2]), y1)}


def join_raised(lines: list[Line]) -> list[Line]:
    """The lines of a page, those joined that MuPDF parts where a small mark hangs on the end of the first."""
    joined: list[Line] = []
    for line, spans in lines:
        if joined and spans and (last := joined[-1][1]) and _hangs(spans[0], last[-1]):
            joined[-1] = (joined[-1][0], last + spans)
        else:
            joined.append((line, spans))
    return joined


def _hangs(mark: Span, span: Span) -> bool:
    return bool(
        mark["size"] < SMALL * span["size"]
        and RAISE < (span["origin"][1] - mark["origin"][1]) / span["size"] < 0.7
        and _touches(span, mark)
    )


def _is_raised(span: Span, size: float, base: float) -> bool:
    up = base - span["origin"][1]
    return bool(
        up > RAISE * size and (span["size"] < SMALL * size or up > 2 * RAISE * size) and not span["text"].isspace()
    )


def _touches(before: Span, span: Span) -> bool:
    gap = span["bbox"][0] - before["bbox"][2]
    return bool(abs(gap) < TOUCH * before["size"])


def _raised_text(text: str, before: str) -> str | None:
    """How raised text is read after the text before it: nothing for the mark of a footnote; None where it is no such thing."""
    stem = before.rstrip()
    if _FOOTNOTE.fullmatch(text):
        if text.isdecimal() and stem == before:
            return text.translate(_TO_RAISED)  # `clean` tells powers from marks
        return " " if text[-1].isspace() or stem != before else ""
    if (stem[-1:].isdigit() and _ORDINAL.fullmatch(text.strip())) or text.strip() in _TRADE:
        return text
    return None


def _denominator(spans: list[Span], index: int, numerator: Span) -> str:
    """The digits below a fraction's bar, where the spans from `index` on are a bar and small digits."""
    if not numerator["text"].strip().isdecimal():
        return ""
    text = "".join(span["text"] for span in spans[index : index + 2]).strip()
    return text[1:] if text[:1] in _SLASH and text[1:].isdecimal() and len(text) < 4 else ""


def _fraction(span: Span, denominator: str, before: Span | None) -> Span:
    numerator = span["text"].strip()
    whole = before is not None and before["text"][-1:].isdigit()
    text = _VULGAR.get((numerator, denominator)) or f"{' ' if whole else ''}{numerator}/{denominator}"
    return {**span, "text": text}


# --- runs --------------------------------------------------------------------------------------------------------------


def strike_once(runs: list[Run]) -> list[Run]:
    """The runs without those, whole or a word of another one, that are struck a second time on top of themselves."""
    doomed: set[int] = set()
    ordered = sorted(runs, key=lambda run: (run.base, run.x0))
    for index, run in enumerate(ordered):
        near = STRUCK * run.size
        for other in ordered[index + 1 :]:
            if other.base - run.base > near:
                break
            if other.x0 < run.x1 - near and run.x0 < other.x1 - near:  # one lies on the other
                small, large = sorted((run, other), key=lambda one: len(one.text))
                if _is_second_strike(small, large, near):
                    doomed.add(id(small if small is not large else other))
    return [run for run in runs if id(run) not in doomed] if doomed else runs


def _is_second_strike(small: Run, large: Run, near: float) -> bool:
    """Whether a run says again what another one says where it stands."""
    if abs(small.size - large.size) > 0.1 * large.size or small.text not in large.text:
        return False
    if len(small.text) == len(large.text):
        return abs(small.x0 - large.x0) < near
    wide = (large.x1 - large.x0) / len(large.text)
    at = large.x0 + wide * large.text.rfind(small.text)
    return (
        large.x0 - near < small.x0
        and small.x1 < large.x1 + near
        and abs(small.x0 - at) < 0.3 * (large.x1 - large.x0) + near
    )


def is_struck_again(run: Run, span: Span, text: str) -> bool:
    """Whether a span is the end of a run once more: single words are made bold so. `text` is the run's."""
    x0, _, x1, _ = span["bbox"]
    near = STRUCK * span["size"]
    said = span["text"].strip()
    return x0 < run.x1 - near and abs(x1 - run.x1) < near and text.rstrip().endswith(said)


def is_bullet(span: Span, following: Span | None = None) -> bool:
    """Whether the first span of a line is a dot, or one glyph without a name, that stands apart: it heads an item of a list."""
    text = span["text"]
    if len(text) > 3 or text.isascii() or clean(text) not in _BULLETS:
        return False
    if following is None or text[-1].isspace() or following["text"][:1].isspace():
        return True
    return bool(following["bbox"][0] - span["bbox"][2] > 0.25 * span["size"])


def count_unnamed(runs: list[Run]) -> int:
    """How many glyphs of the runs no map names."""
    return sum(run.text.count(UNKNOWN_GLYPH) for run in runs)


# --- stamps ------------------------------------------------------------------------------------------------------------


def drop_stamps(lines: list[Line]) -> tuple[list[Line], int]:
    """The lines of a page without watermarks, and how many there were.

    A stamp is slanted and large, light or repeated; or it is level, large and light, and other text is printed across it.
    """
    suspects = [index for index, (line, spans) in enumerate(lines) if spans and _may_be_stamp(line, spans[0])]
    if not suspects:
        return lines, 0
    usual = _usual_size(lines)
    said = Counter(_words(lines[index][1]) for index in suspects)
    stamps = {index for index in suspects if _is_stamp(lines, index, usual, said)}
    return [line for index, line in enumerate(lines) if index not in stamps], len(stamps)


def _may_be_stamp(line: dict[str, Any], span: Span) -> bool:
    across, down = line["dir"]
    slanted = abs(across) > 0.05 and abs(down) > 0.05
    return bool(slanted or ((span["size"] > 18 or abs(down) > 0.05) and _is_light(span)))


def _is_light(span: Span) -> bool:
    return bool(span["alpha"] < 160 or STAMP_LIGHT < luminance(span["color"]) < NEAR_WHITE)


def _is_stamp(lines: list[Line], index: int, usual: float, said: Counter[str]) -> bool:
    line, spans = lines[index]
    across, down = line["dir"]
    large = spans[0]["size"] > STAMP_SIZE * usual
    if abs(across) > 0.05 and abs(down) > 0.05:
        return large or said[_words(spans)] >= TILES or (_is_light(spans[0]) and _is_crossed(lines, index, usual))
    return large and _is_light(spans[0]) and _is_crossed(lines, index, usual)


def _is_crossed(lines: list[Line], index: int, usual: float) -> bool:
    """Whether text of the usual size is printed across the middle of a line."""
    x0, y0, x1, y1 = lines[index][0]["bbox"]
    edge = 0.25 * (y1 - y0) if lines[index][0]["dir"][0] > 0.05 else 0.0  # above and below letters that stand upright
    for other, (line, spans) in enumerate(lines):
        left, top, right, bottom = line["bbox"]
        across = min(right, x1) - max(left, x0)
        inside = y0 + edge < (top + bottom) / 2 < y1 - edge and across > 0.3 * min(right - left, x1 - x0)
        is_text = line["dir"][0] > 0.99 and _words(spans) and spans[0]["size"] < 1.5 * usual
        if other != index and inside and is_text:
            return True
    return False


def _words(spans: list[Span]) -> str:
    return " ".join("".join(span["text"] for span in spans).split())


def _usual_size(lines: list[Line]) -> float:
    sizes: Counter[float] = Counter()
    for line, spans in lines:
        if line["dir"][0] > 0.99 or abs(line["dir"][1]) > 0.99:
            for span in spans:
                sizes[round(span["size"])] += len(span["text"])
    return sizes.most_common(1)[0][0] if sizes else 10.0
