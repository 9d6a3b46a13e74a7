"""Which sort of section a passage stands in: those that say nothing of a company's business are not asked about unless chosen."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingen.records import Chunk

# In the order in which a passage that fits several is counted. The titles are those that every report of the trade uses.
_SORTS: dict[str, re.Pattern[str]] = {
    "exhibits": re.compile(
        r"(?:exhibit|ex)[\s-]\s?\d{1,3}(?:\.\w+)?\b.*|(?:item \d+\w?\W+)?(?:index (?:to|of) )?exhibits?\b.*|certifications?\b.*|"
        r"备查文件目录|備查文件目錄|第\w+[节章節]\s*备查文件目录",
        re.IGNORECASE,
    ),
    "signatures": re.compile(r"signatures?|power of attorney|签字页?|签署页", re.IGNORECASE),
    "cover": re.compile(
        r"united states(?: securities and exchange commission)?|securities and exchange commission|form \w{1,2}-\w(?:/a)?|cover(?: page)?|"
        r"(?:table of )?contents|目录|目錄|(?:第\w+[节章節]\s*)?(?:重要提示|释义|釋義)\S{0,8}",
        re.IGNORECASE,
    ),
    "governance": re.compile(
        r"(?:item 1[0-4]\W.*(?:directors|compensation|ownership|relationships|accountant|accounting fees).*|item 16[a-k]\W.*)|"
        r"(?:\w+ )?corporate governance (?:statement|report).*|(?:statement of )?directors[’']? responsibilit.*|"
        r"notice of (?:the )?(?:\w+ )?general meeting.*|directors[’']? declaration.*|"
        r"(?:第\w+[节章節]\s*)?公司治理.{0,4}|企業管治報告.{0,4}",
        re.IGNORECASE,
    ),
}
ALL = "all"
LEFT_OUT = tuple(_SORTS)  # as the help names them


def sort_of(chunk: Chunk) -> str | None:
    """The sort of section that a passage stands in, where that is one that is left out by default."""
    for sort, pattern in _SORTS.items():
        if any(pattern.fullmatch(title.strip(" .")) for title in chunk.section):
            return sort
    return "cover" if chunk.last_page == 1 and not chunk.section else None


def is_asked(chunk: Chunk, sections: Sequence[str]) -> bool:
    """Whether a passage is asked about: `sections` are parts of titles, sorts such as exhibits, or `all`; empty is the default."""
    sort = sort_of(chunk)
    if not sections:
        return sort is None
    titles = [title.casefold() for title in chunk.section]
    wanted = [section.casefold() for section in sections]
    return ALL in wanted or sort in wanted or any(part in title for part in wanted for title in titles)
