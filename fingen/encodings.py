"""In what encoding a text of others is, where it is not UTF-8."""

from __future__ import annotations

import codecs
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


_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_WIDE_SHARE = 0.3  # of the bytes that are zero at the even or the odd places: text of two bytes a character, most of it Latin


def decode_text(data: bytes) -> tuple[str, str]:
    """The text of a file, and the name of its encoding where it had to be guessed, else an empty one.

    What is neither marked nor UTF-8 is Chinese where it reads as such in GBK, GB 18030 or Big5, and Windows-1252 else.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").removeprefix("\ufeff"), ""
    head = data[:4096]
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head and head[start::2].count(0) > _WIDE_SHARE * len(head):
            return data.decode(encoding, "replace"), encoding.upper()
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        pass
    for encoding, name in (("gbk", "GBK"), ("gb18030", "GB 18030"), ("big5", "Big5")):
        text = _decoded(data, encoding)
        if text is not None and _share(text, encoding) >= _COMMON_SHARE:
            return text, name
    return data.decode("cp1252", "replace"), "Windows-1252"


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _share(text: str, encoding: str) -> float:
    """The share of common characters among those beyond ASCII."""
    beyond = [char for char in text[:200_000] if not char.isascii()]
    is_usual = _is_usual if encoding == "big5" else _is_common
    return sum(map(is_usual, beyond)) / len(beyond) if beyond else 0.0


def _is_usual(char: str) -> bool:
    """Whether a character is a mark, or of the first level, of Big5."""
    try:
        return char.encode("big5")[0] <= 0xC6
    except UnicodeEncodeError:
        return False
