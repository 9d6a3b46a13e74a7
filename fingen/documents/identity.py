"""Whose report it is and what time it covers, as its pages say. What its file is called is no evidence."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fingen.documents.chinese_name import find_author_name, find_chinese_name, find_short_name, find_stated_latin
from fingen.documents.latin_name import find_latin_name, find_subject, find_writer, write_name
from fingen.documents.period import find_period
from fingen.documents.titles import Pages
from fingen.records import Language, Period

# What a broker's first page has and a company's has not.
_RESEARCH = re.compile(
    r"证券研究报告|證券研究報告|投资评级|投資評級|目标价|目標價|首次覆盖|"
    r"\bequity research\b|\b(?:target price|price target)\b.{0,400}\b(?:rating|buy|hold|sell|overweight|underweight|neutral)\b",
    re.IGNORECASE | re.DOTALL,
)


# What a first page says where its report takes the place of an earlier one, or amends it.
_AMENDMENT = re.compile(
    r"\b(?:10-?[KQ]|20-?F|40-?F|8-?K)/A\b|\bAmendment No\.? ?\d+|[（(](?:更正[后後]|更新[后後]|修订[版稿后]?|修訂[版稿後]?)[）)]|"
    r"(?:更正[后後]|修订[版稿]|修訂[版稿])$|(?:报告|報告|年报|年報)(?:更正|修订|修訂)[版稿后後]",
    re.IGNORECASE | re.MULTILINE,
)


# Short legal forms, and what they may be written out as.
_FORMS = {
    "inc": "(?:Inc|Incorporated)",
    "corp": "(?:Corp|Corporation)",
    "co": "(?:Co|Company)",
    "ltd": "(?:Ltd|Limited)",
}
_NO_NAME = re.compile(r"[^\w\s]|\b(?:the|inc|corp|corporation|co|company|ltd|plc)\b")


class Identity(NamedTuple):
    """What a report says of itself."""

    company: str | None  # None: nothing is sure
    names: dict[str, str]  # language -> the company's name in it
    author: str | None  # who wrote a report about another company
    amendment: str | None  # the words by which it says that it amends another one
    period: Period

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**self._asdict(), "period": self.period.model_dump()}


def find_identity(pages: Pages, language: Language) -> Identity:
    """Whose report it is, and of what time."""
    is_research = bool(pages.joined) and _RESEARCH.search(pages.joined[0]) is not None
    if is_research:
        found = {"zh": find_short_name(pages), "en": find_subject(pages)}
    else:
        found = {"zh": find_chinese_name(pages), "en": _latin(pages, language)}
    names = {name_of: name for name_of, name in found.items() if name}
    company = names.get(language) or next(iter(names.values()), None)
    author = (find_author_name(pages) or find_writer(pages, names.get("en"))) if is_research else None
    amends = _AMENDMENT.search(re.sub(r"[^\S\n]+", " ", pages.joined[0])) if pages.joined else None
    period = find_period(pages, language, is_research=is_research)
    return Identity(company, names, author, amends[0] if amends else None, period)


def is_same_name(name: str, other: str) -> bool:
    """Whether two names are of one company, though one may be in capitals or shortened: `COCA COLA CO`."""
    words, others = (_NO_NAME.sub("", re.sub(r"[-–/.]", " ", text.casefold())).split() for text in (name, other))
    if "".join(words) == "".join(others):
        return True
    return bool(words and others) and (words[0] == others[0] or set(words) <= set(others) or set(others) <= set(words))


def as_written(name: str, text: str) -> str:
    """A registered name as a text writes it, with its small letters and the form in full; as it is where the text has it not."""
    parts = [_FORMS.get(word.lower(), re.escape(word)) for word in re.findall(r"\w+", name)]
    found = (
        re.finditer(r"(?:\bThe )?\b" + r"[\s,.&’'-]{1,3}".join(parts) + r"\b\.?", text, re.IGNORECASE) if parts else ()
    )
    return next((" ".join(match[0].split()) for match in found if not match[0].isupper()), name)


def without_state(name: str) -> str:
    """A name as a registry has it, without the mark of its state or of its order: `WELLS FARGO & COMPANY/MN`, `COSTCO /NEW`."""
    return re.sub(r"\s*/\w{1,6}/?$", "", name.strip()) or name


def _latin(pages: Pages, language: Language) -> str | None:
    """A Chinese report states its company's foreign name; other ones in it are of customers and partners."""
    stated = find_stated_latin(pages) if language == "zh" else None
    return write_name(stated, pages) if stated else find_latin_name(pages)
