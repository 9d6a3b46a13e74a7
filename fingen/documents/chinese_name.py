"""The Chinese name of the company that reports, in simplified or traditional characters."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from fingen.documents.claims import WEIGHTS, Claim, best_claim
from fingen.documents.titles import Pages

_LEGAL = r"(?:股份有限公司|有限[责責]任公司|有限公司|股份公司)"
_CHARS = r"\u4e00-\u9fffA-Za-z0-9（）()·&"
_NAME = rf"[{_CHARS}]{{2,40}}?{_LEGAL}(?![\u4e00-\u9fff]{{0,8}}{_LEGAL})"
_LABELLED = re.compile(rf"(?:公司的?|法定|发行人|發行人)中文(?:全称|名称|名稱)(?:（如有）|\(如有\))?[\s|:：]*({_NAME})")
_REPORT_CHARS = r"[\d〇零○一二三四五六七八九十年第度半季中期全业業绩績报報告书書摘要文公財财务務个個體体合并併暨会會计計师師查核审審阅閱]"
_LINE = re.compile(
    rf"({_NAME})(?:[（(][\u4e00-\u9fffA-Za-z 0-9]*[）)])?(?:及其?(?:子公司|附属公司|附屬公司))?(?:{_REPORT_CHARS}|[（(][^）)]*[）)])*"
)
_DEFINED = re.compile(
    rf"({_NAME})\s*[（(][^（）()]{{0,40}}[“「\"‘『](?:本公司|公司|贵公司|貴公司|本行|贵行|本集团|本集團|发行人)[”」\"’』]"
)
_MEANS = re.compile(
    rf"^(?:本?公司|本行|我行|发行人|上市公司|本集团)[^\n。]{{0,60}}\n?[\s|]*指[\s|:：]*({_NAME})", re.MULTILINE
)
_AUDITED = re.compile(
    rf"({_NAME})(?:全体|全體)?(?:股东|股東|董事会|董事會)(?:公鉴|公鑒)?[:：]|[审審查][计計核]了?(?:後附的|后附的)?({_NAME})[（(]|"
    rf"致({_NAME})(?:列位|全体|全體)?股[东東]"
)
_OPENS = re.compile(
    r"^.*(?:[：:，。；、]|名称|简称|关于|成为|编制|随附的|载于|我们?审计了|我們獲委聘審核|审计了|審計了|[致由系即])"
)
_LATIN_IN_CHINESE = re.compile(
    r"(?:外文|英文)(?:名称|名稱)(?:（如有）|\(如有\))?[\s|:：]*([A-Z][A-Za-z .,，&'’()-]{5,80})"
)
_SUBJECT = re.compile(r"([\u4e00-\u9fffA-Za-z·\-]{2,12})\s*[（(]\s*(\d{6}|\d{4,5})(?:[.·]?(?:S[HZ]|HK|BJ|US))?\s*[）)]")
_BROKER = re.compile(r"(?<![\u4e00-\u9fff])[\u4e00-\u9fff]{2,4}证券(?=股份有限公司|有限责任公司|研究|$)", re.MULTILINE)
_ISSUER = re.compile(r"代码|代碼|代號|评级|公告|报告")
_LEAST_SPOKEN = 5  # times that a short name stands in a report that goes by it


def find_chinese_name(pages: Pages) -> str | None:
    """The reporting company's Chinese name, None where nothing is sure."""
    texts = [text.replace(" ", "") if "公司" in text else "" for text in pages.joined]
    if not any(texts):
        return None
    claims: dict[str, Claim] = defaultdict(Claim)
    for kind, found in _places(pages, texts):
        name = _bare(found)
        if _is_usable(name):
            claims[name].count(kind, name)
    whole = "\n".join(texts)
    counts = {name: whole.count(name) for name in claims}
    _fold_parts(claims, counts)
    most = max((counts[name] for name in claims), default=0) or 1
    for name, claim in claims.items():
        claim.points["mentions"] = WEIGHTS["mentions"][0] * counts[name] / most
        if any(name in line.replace(" ", "") for line in pages.running):
            claim.count("running")
    return best_claim(claims, _core, whole.count)


def find_short_name(pages: Pages) -> str | None:
    """The name by which a broker's report speaks of the company that it is about: the one with its code on the first pages."""
    found = Counter(
        match[1]
        for text in pages.joined[:2]
        for match in _SUBJECT.finditer(text.replace(" ", ""))
        if not _ISSUER.search(match[1])
    )
    whole = "".join(pages.joined)
    names = [name for name in found if whole.count(name) >= _LEAST_SPOKEN]
    return max(names, key=lambda name: (found[name], whole.count(name))) if names else None


def find_author_name(pages: Pages) -> str | None:
    """The broker that wrote a report about another company."""
    found = Counter(match[0] for text in pages.joined for match in _BROKER.finditer(text.replace(" ", "")))
    return found.most_common(1)[0][0] if found else None


def find_stated_latin(pages: Pages) -> str | None:
    """The foreign name that a Chinese report states of its company; other Latin names in it are of customers and partners."""
    stated = next((found for text in pages.joined if (found := _LATIN_IN_CHINESE.search(text))), None)
    return stated[1].replace("，", ",").strip(" ,") if stated else None


def _places(pages: Pages, texts: list[str]) -> Iterator[tuple[str, str]]:
    for number, lines in enumerate(pages.titles):
        for line in lines:
            if found := _LINE.fullmatch(line.text.replace(" ", "")):
                yield "title" if number else "cover", found[1]
    for number, text in enumerate(texts):
        yield from (("registrant", found[1]) for found in _LABELLED.finditer(text))
        for found in (*_DEFINED.finditer(text), *_MEANS.finditer(text)):
            yield "definition", found[1]
            if number < len(pages.titles):
                yield "title", found[1]
        for found in _AUDITED.finditer(text):
            yield "audited", next(filter(None, found.groups()))
    for running in pages.running:
        if found := _LINE.fullmatch(running.replace(" ", "")):
            yield "title", found[1]


def _bare(name: str) -> str:
    return _OPENS.sub("", name).strip("（()·")


def _is_usable(name: str) -> bool:
    core = _core(name)
    return len(core) >= 2 and not re.match(r"国?注册|註冊|之|的", core)


def _core(name: str) -> str:
    return re.sub(rf"(?:集团|集團|控股)?{_LEGAL}$", "", name)


def _fold_parts(claims: dict[str, Claim], counts: dict[str, int]) -> None:
    """Add the claim of a name with words before it to the name, and that of a torn name to the whole one."""
    for name in sorted(claims, key=len):
        for longer in [other for other in claims if other != name and other.endswith(name)]:
            if name in claims:
                keep, drop = (longer, name) if 2 * counts[longer] >= counts[name] else (name, longer)
                claims[keep].add(claims.pop(drop))
