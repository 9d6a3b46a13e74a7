"""One form for characters that figures and their units are written in: narrow digits and signs, simplified unit words.

Each character becomes one character, so that offsets stay.
"""

from __future__ import annotations

import re

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
