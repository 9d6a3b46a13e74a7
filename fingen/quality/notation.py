"""How a text writes its numbers: the notation of a document is found once, and its numbers are set as 1,234,567.89.

Each character becomes one, so that offsets stay: 1 234 567 and 1'234'567 are 1,234,567, and 1.234.567,89 has its points
and commas exchanged. A triangle before a number is a minus where no other triangle makes arrows of them. Full-width digits and
signs are narrow ones, and the traditional characters of units simplified ones.
"""

from __future__ import annotations

import re
from typing import Literal

Notation = Literal["plain", "spaces", "commas"]

_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in "，：！；？"}
_WIDE |= {0xFFE5: "¥", 0x2212: "-", 0xFE63: "-", 0x2010: "-", 0x2011: "-"}
_WIDE |= dict.fromkeys((0x3000, 0xA0, 0x202F, 0x2009), " ")
_IS_WIDE = re.compile(f"[{''.join(map(re.escape, map(chr, _WIDE)))}]")
_WIDE_GROUP = re.compile(r"(?<=[０-９])，(?=[０-９]{3})")


def narrow(text: str) -> str:
    """The text with full-width digits, signs and letters as ASCII ones, character by character: offsets stay."""
    if text.isascii() or not _IS_WIDE.search(text):
        return text
    return _IS_WIDE.sub(lambda wide: _WIDE[ord(wide[0])], _WIDE_GROUP.sub(",", text))


_UNITS_HAN = str.maketrans("億萬仟佰圓個點幣單貨兩", "亿万千百元个点币单货两")


def plain_units(text: str) -> str:
    """The text with the traditional characters that units are written in as simplified ones: offsets stay."""
    return text if text.isascii() else text.translate(_UNITS_HAN)


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
