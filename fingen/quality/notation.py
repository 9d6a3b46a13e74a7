"""How a text writes its numbers: the notation of a document is found once, and its numbers are set as 1,234,567.89.

Each character becomes one, so that offsets stay: 1 234 567 and 1'234'567 are 1,234,567, and 1.234.567,89 has its points
and commas exchanged. A triangle before a number is a minus where no other triangle makes arrows of them.
"""

from __future__ import annotations

import re
from typing import Literal

from fingen.quality.characters import narrow

Notation = Literal["plain", "spaces", "commas"]

_THIN = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:[\u00a0\u202f\u2009][0-9]{3})+(?![0-9])")
_SPACED = re.compile(r"(?<![0-9.,'-])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
_SPACED_LONG = re.compile(r"(?<![0-9.,'-])[0-9]{1,2}(?: [0-9]{3}){2,}(?![0-9])")
_SPACED_CELL = re.compile(r"(?:^|[|\n])\s*[-–(]?\s?[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?\)?\s*(?:[|\n]|$)")
_APOSTROPHES = re.compile(r"(?<![0-9.,'’])[0-9]{1,3}(?:['’´][0-9]{3})+(?![0-9])")
_POINTS = re.compile(
    r"(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,2}(?![0-9])|(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9.])"
)
_COMMA_DECIMAL = re.compile(r"(?<![0-9.,])[0-9]+,[0-9]{1,2}(?![0-9,]| [0-9])")
_PLAIN = re.compile(r"[0-9],[0-9]{3}(?![0-9])|(?<![0-9.])[0-9]+\.[0-9]{1,2}(?![0-9.])")
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[0-9][0-9.,]*[0-9]")
_EXCHANGED = str.maketrans(".,", ",.")
_TRIANGLE = re.compile(r"△(?=\s?[0-9$€£¥])|▲(?=[0-9][0-9.,]*+(?!\s?%))")
_ARROWS = re.compile(r"[▼▽↑↓]")


def find_notation(text: str) -> Notation:
    """The notation of a text, by numbers that can be read in one way alone."""
    if _POINTS.search(text):
        return "commas"
    if _COMMA_DECIMAL.search(text) and not _PLAIN.search(text):
        return "commas"
    if _THIN.search(text) or ((_SPACED_CELL.search(text) or _SPACED_LONG.search(text)) and not _PLAIN.search(text)):
        return "spaces"
    return "plain"


def standard(text: str, notation: Notation | None = None) -> str:
    """The text, narrow, with its numbers in the common notation; `notation` is that of the document where it is known."""
    own = find_notation(text)
    if own == "plain" and notation and not _PLAIN.search(text):
        own = notation
    if own != "plain":
        text = _THIN.sub(lambda match: re.sub(r"\D", "." if own == "commas" else ",", match[0]), text)
        text = _SPACED.sub(lambda match: match[0].replace(" ", "." if own == "commas" else ","), text)
    text = narrow(text)
    if "'" in text or "’" in text or "´" in text:
        text = _APOSTROPHES.sub(lambda match: re.sub(r"\D", ",", match[0]), text)
    if own == "commas":
        text = _NUMBER.sub(lambda match: _exchanged(match[0]), text)
    if ("△" in text or "▲" in text) and not _ARROWS.search(text):
        text = _TRIANGLE.sub("-", text)
    return text


def _exchanged(number: str) -> str:
    """A number with points and commas exchanged; a date (31.12.2024) stays as it is."""
    is_date = re.fullmatch(
        r"[0-3]?[0-9]\.[01]?[0-9]\.(?:[0-9]{2}|(?:19|20)[0-9]{2})|[0-3]?[0-9]\.[01]?[0-9]\.?", number
    )
    return number if is_date and "," not in number else number.translate(_EXCHANGED)
