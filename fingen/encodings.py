"""In what encoding a text of others is, where it is not UTF-8."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from pathlib import Path

from fingen.disk import open_file
from fingen.errors import UsageError

_CHINESE = ("gbk", "gb18030")  # the second one has all of the first
_COMMON_SHARE = 0.7  # of what is not ASCII: a text that is read so by mistake has next to none
_BLOCK_BYTES = 1 << 20


def guess_encoding(path: Path) -> str | None:
    """GBK or GB18030 where a file is not UTF-8 and reads as Chinese in it; else None. The file is read through, and not kept.

    Raises:
        UsageError: it cannot be read.
    """
    if _decodes(path, "utf-8") is not None:
        return None
    for encoding in _CHINESE:
        if (common := _decodes(path, encoding)) is not None:
            return encoding if common >= _COMMON_SHARE else None
    return None


def _decodes(path: Path, encoding: str) -> float | None:
    """The share of common characters among those beyond ASCII in a file; None where it is not in that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    beyond = common = 0
    try:
        with open_file(path) as file:
            while True:
                block = file.read(_BLOCK_BYTES)
                text = decoder.decode(block, final=not block)
                if not text.isascii() and encoding != "utf-8":
                    counts = Counter(char for char in text if not char.isascii())
                    beyond += counts.total()
                    common += sum(count for char, count in counts.items() if _is_common(char))
                if not block:
                    return common / beyond if beyond else 1.0
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a file of rows") from e
    except UnicodeDecodeError:
        return None


def _is_common(char: str) -> bool:
    """Whether a character is a mark, or of the first level, of GB 2312: those of daily use."""
    try:
        lead = char.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return lead <= 0xD7


_WIDE = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_GUESSES = {"GBK": "gbk", "GB 18030": "gb18030", "Big5": "big5"}
_RUN, _HIGH = (
    re.compile(rb"[\x80-\xff]+"),
    re.compile(rb"[\x80-\xff]{4,}"),
)  # no Western text has four beyond ASCII in a row
_ZEROS = 0.3  # share of zeros at every other byte, from which on a text has two bytes for each character


def wide_encoding(head: bytes) -> str:
    """The encoding of a text with two or four bytes for each character, by its mark or its zeros; "" for all others."""
    marked = next((encoding for mark, encoding in _WIDE if head.startswith(mark)), "")
    if marked or len(head) < 4:
        return marked
    even, odd = (head[start::2].count(0) / len(head[start::2]) for start in (0, 1))
    if max(even, odd) < _ZEROS or min(even, odd) > 0.01:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def decode_text(data: bytes) -> tuple[str, str]:
    """The text of a file, and the name of its encoding where it had to be guessed, else an empty one.

    What is neither marked nor UTF-8 is Chinese where it reads as such in GBK, GB 18030 or Big5, and Windows-1252 else.
    """
    if wide := wide_encoding(data[:4096]):
        return data.decode(wide, "replace").removeprefix("\ufeff"), wide.upper() if wide.endswith("e") else ""
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        pass
    read = {name: text for name, encoding in _GUESSES.items() if (text := _decoded(data, encoding)) is not None}
    usual = {name: _usual_share(text, _GUESSES[name]) for name, text in read.items()}
    for name, share in usual.items():
        if share >= _COMMON_SHARE:
            return read[name], name
    if usual and len(_HIGH.findall(data)) > 0.5 * len(_RUN.findall(data)):
        name = max(usual, key=usual.__getitem__)
        return read[name], name
    return data.decode("cp1252", "replace"), "Windows-1252"


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _usual_share(text: str, encoding: str) -> float:
    """The share of characters of daily use among those beyond ASCII in the beginning of a text."""
    beyond = [char for char in text[:_BLOCK_BYTES] if not char.isascii()]
    is_usual = _is_usual if encoding == "big5" else _is_common
    return sum(map(is_usual, beyond)) / len(beyond) if beyond else 0.0


def _is_usual(char: str) -> bool:
    """Whether a character is a mark, or of the first level, of Big5."""
    try:
        return char.encode("big5")[0] <= 0xC6
    except UnicodeEncodeError:
        return False
