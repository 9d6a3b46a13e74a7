"""In what encoding a text file of others is, where it is not UTF-8."""

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
