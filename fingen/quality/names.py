"""Organisations named in an answer: each must be in the source or be the document's own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from fingen.quality.notation import narrow
from fingen.quality.source import Source, fold_accents, fold_name

_LEGAL = re.compile(
    r"(?<=[\w.,]) (?:Inc|Incorporated|Corp|Corporation|Ltd|Limited|LLC|LLP|plc|PLC|Plc|GmbH|N\.V|S\.A|AG|SE)(?![\w-])\.?"
)
_WORDS_BEFORE = re.compile(r"(?:(?:[0-9]*[A-Z][\w&'’.-]*|of|and|&|de|van|der),? ){0,6}[0-9]*[A-Z][\w&'’.-]*,?$")
_LEADING = frozenset(
    "In The At For While Unlike And As According By From To With On Both Although When Since But Under Its Of of and Fiscal "
    "However Also Thus Because Meanwhile Against Compared Like".split()
)
_LEGAL_ZH = re.compile(r"(?:股份|集团|责任)?有限公司|集团公司")  # 集团 alone is a common noun
_HAN_RUN = re.compile(r"[\u4e00-\u9fffA-Za-z0-9（）()·]+$")
_NO_NAME = re.compile(r"(?:[本该各其贵我由与及和或在对的是为]|公司|企业|大型|所属|控股|上市)$")
_TICKER = re.compile(r"\b(?:NYSE|NASDAQ|Nasdaq|ASX|LSE|AIM|HKEX|SSE|SZSE)\s?[:：]\s?([A-Z]{1,5})\b")
_GENERIC = re.compile(
    r"[,.]?\s*\b(?:Inc|Incorporated|Corp|Corporation|Company|Co|Ltd|Limited|LLC|LLP|plc|PLC|Plc|GmbH|N\.V|S\.A|AG|SE|Group|Holdings?|International)\b\.?",
)
_GENERIC_ZH = re.compile(r"(?:科技|控股)?(?:股份|集团|责任)*有限公司$|集团$|股份公司$")
_PLACE = re.compile(
    r"^(?:浙江|江苏|北京|上海|广东|深圳|山东|四川|湖北|湖南|福建|安徽|河南|河北|重庆|天津|广州|杭州|南京|苏州|中国|江西|陕西|辽宁|吉林|云南|贵州|广西|海南)省?市?"
)


_SENTENCE = re.compile(r"[^\s.;:!?。；：！？“\"(（][^.;:!?。；：！？]*(?:[.](?=[\w,])[^.;:!?。；：！？]*)*")
_CAPITAL = re.compile(r"(?<![\w’'.-])[A-Z][A-Za-z&'’-]*[A-Za-z](?![\w.]*\w)")
_POSSESSIVE = re.compile(r"['’]s?$")
_LEFT_OUT = 3  # characters between two of a short name
_STEM = 5  # letters that the name of a place and what is of it have in common: Europe, European
# Words that are written with a capital and name nobody: times, parts of a report, and what every company has.
_COMMON = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday thursday friday "
    "saturday sunday company group board directors committee chairman chief executive officer report annual statement statements note "
    "item part section segment division united states kingdom america american british chinese china fiscal quarter year management "
    "class tier level covid pandemic internet web street wall parent subsidiary corporation form "
    "swiss french dutch danish polish turkish greek european asian african latin western eastern northern southern north south east west "
    "central pacific atlantic global saas emea apac".split()
)


_REGIONS = frozenset("asia europe africa americas oceania australasia scandinavia iberia benelux caribbean".split())
# The short name of a company at the start of a clause: 中牧股份, but not 回购股份.
_SHORT_ZH = re.compile(
    r"(?:(?:^|[。；])(?=..(?:股份|集团))|(?:^|[，。；、：“（和与及较比而但])(?!..(?:股份|集团)))"
    r"([\u4e00-\u9fff]{2}(?:股份|集团|科技|药业|医药|银行|证券|重工|能源|控股|电气|光电|水泥|钢铁|航空))(?![公有权数比总额金子板在期投账率业])"
)
_NO_SHORT = re.compile(
    r"以及|.?[的是了在被把对等无见少多此其因由随通表说]|回购|持有|发行|增发|普通|优先|限售|流通|所持|授予|转让|质押|注销|新增|库存|商业|中央|国有|大型|境内|境外|外资|合作|托管|借款|贷款|对外|其他|上述|相关|主要"
    r"|企业|公司|本|该|各|多|两|三|有|高新|绿色|先进|可再|再生|新|传统|清洁|汽车|消费|半导|动物|农业|现代|微|人工|信息"
)


@dataclass(frozen=True, slots=True)
class Named:
    """An organisation in an answer that the source does not have."""

    start: int
    end: int
    name: str


def find_foreign(text: str, sources: Collection[Source], organisations: Collection[str]) -> Iterator[Named]:
    """The organisations in a text that are neither in the sources nor their documents' own."""
    if "公司" in text or "集团" in text:
        yield from _foreign_chinese(text, sources)
    for match in () if text.isascii() else _SHORT_ZH.finditer(text):
        folded = fold_name(narrow(match[1]))
        known = any(folded in source.folded or _is_short_for(folded, source) for source in sources)
        if not known and not _NO_SHORT.match(match[1]):
            yield Named(match.start(1), match.end(1), match[1])
    yield from _foreign_latin(text, sources)
    yield from _foreign_words(text, sources)
    for match in _TICKER.finditer(text) if ":" in text or "：" in text else ():
        if not any(match[1] in source.text or match[1] in source.passage.document for source in sources):
            yield Named(*match.span(), match[0])
    pattern, names = _forms(frozenset(organisations))
    for match in pattern.finditer(text) if pattern else ():
        folded = fold_name(narrow(match[0]))
        if _is_word(text, *match.span()) and not any(folded in source.folded for source in sources):
            yield Named(*match.span(), names[match[0]])


def _is_short_for(short: str, source: Source) -> bool:
    """Whether a source has a longer name with these characters in this order, not far from each other: 张旅集团."""
    return re.search(f".{{0,{_LEFT_OUT}}}".join(map(re.escape, short)), source.folded) is not None


def _foreign_latin(text: str, sources: Collection[Source]) -> Iterator[Named]:
    for legal in _LEGAL.finditer(text):
        before = _WORDS_BEFORE.search(text, max(0, legal.start() - 90), legal.start())
        if before is None:
            continue
        words = before[0].split(" ")
        start = before.start()
        while len(words) > 1 and words[0].rstrip(",") in _LEADING:
            start += len(words.pop(0)) + 1
        if words[0].rstrip(",") in _LEADING:
            continue
        while not _is_known(words, sources) and ("of" in words or "and" in words):
            cut = next(number for number, word in enumerate(words) if word in ("of", "and")) + 1
            start += len(" ".join(words[:cut])) + 1
            words = words[cut:]
        if words and not _is_known(words, sources):
            yield Named(start, legal.end(), text[start : legal.end()])


def _foreign_words(text: str, sources: Collection[Source]) -> Iterator[Named]:
    """Words with a capital inside a sentence, as names have it, that the source does not have in any case or form."""
    if not any(map(str.isascii, text)) or not sources:
        return
    for sentence in _SENTENCE.finditer(text):
        words = list(_CAPITAL.finditer(text, *sentence.span()))
        for match in words:
            is_owner = text.startswith(("'s ", "’s "), match.end()) or _POSSESSIVE.search(match[0]) is not None
            if text[match.start() - 1 : match.start()] in tuple("“\"'‘(") or (
                match.start() == sentence.start() and not is_owner
            ):
                continue
            word = _POSSESSIVE.sub("", match[0])
            if word.isupper() or word.lower() in _COMMON or any(_has_word(word, source) for source in sources):
                continue
            if word.lower() in _REGIONS and not any(_REGIONS & source.words for source in sources):
                continue  # a part of the world is no organisation, and no other one is told
            yield Named(match.start(), match.start() + len(word), word)


def _has_word(word: str, source: Source) -> bool:
    """Whether a source has a word, another form of it (Europe, European), or all the parts of a compound."""
    parts = [part.lower() for part in re.split(r"[-&/]", word) if len(part) > 1]
    return all(
        part in source.words
        or part in _COMMON
        or part[:_STEM] in source.stems
        or (len(part) == 4 and part[:3] in source.stems)
        for part in map(fold_accents, parts)
    )


def _is_known(words: list[str], sources: Collection[Source]) -> bool:
    name = fold_name(" ".join(words))
    return any(name in source.folded for source in sources)


def _foreign_chinese(text: str, sources: Collection[Source]) -> Iterator[Named]:
    """Chinese has no spaces: the four characters before the legal form must stand before it in the source as well."""
    end_before = 0
    for legal in _LEGAL_ZH.finditer(text):
        run = _HAN_RUN.search(text, max(end_before, legal.start() - 24), legal.start())
        end_before = legal.end()
        if run is None or _NO_NAME.search(run[0]):
            continue
        tail = fold_name(narrow(run[0][-4:]))
        if len(tail) >= 2 and not any(tail + legal[0] in source.folded for source in sources):
            start = max(run.start(), legal.start() - 12)
            yield Named(start, legal.end(), text[start : legal.end()])


def forms_of(name: str) -> tuple[str, ...]:
    """The ways an organisation's name is written: in full, without its legal form, without its place."""
    brief = _GENERIC_ZH.sub("", _GENERIC.sub("", name.removeprefix("The "))).strip(" ,")
    return tuple(dict.fromkeys(form for form in (name, brief, _PLACE.sub("", brief)) if len(form) > 2))


@lru_cache(maxsize=16)
def _forms(organisations: frozenset[str]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    """What finds the organisations however they are written, and whose each form is."""
    names: dict[str, str] = {}
    for name in sorted(organisations):
        for form in forms_of(name):
            names.setdefault(form, name)
    forms = sorted(names, key=len, reverse=True)
    return (re.compile("|".join(map(re.escape, forms))) if forms else None), names


def _is_word(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isascii() and before.isalpha()) and not (after.isascii() and after.isalpha())
