"""Names of persons, where the words beside them say that they are names.

A list of given names would take companies, places and months for persons; so a name counts where a form of address, an
office or a signature stands with it, and then everywhere else in the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fingen.records import Language

_WORD = r"[A-Z][a-zà-öø-ÿ'’]{1,20}(?:[-'’]?[A-Z][a-zà-öø-ÿ]{1,20})?"
_NAME = rf"(?:{_WORD}|[A-Z]\.)(?:[ \t](?:[A-Z]\.?[ \t])?{_WORD}){{1,2}}"
_OFFICE = (
    r"(?:(?:Group |Deputy |Vice |Co-|Interim |Acting |Senior |Executive |Independent |Non-[Ee]xecutive |Lead )?"
    r"(?:Chair(?:man|woman|person)?|Chief [A-Z][a-z]+ Officer|CEO|CFO|COO|President|Director|Secretary|Treasurer|Founder|"
    r"General Counsel|Controller|Partner|Trustee))\b"
)
_LATIN = tuple(
    re.compile(form)
    for form in (
        rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Dame|Lord|Lady|Messrs)\.?[ \t]({_NAME}|{_WORD})",
        rf"\b({_NAME})(?:,[ \t](?:aged?[ \t])?\d\d)?,?[ \t](?:\(?(?:our|the|its)[ \t])?{_OFFICE}",
        rf"{_OFFICE}(?:[ \t]and[ \t]{_OFFICE})?[,:]?[ \t]({_NAME})",
        rf"/s/[ \t]*({_NAME})",
        rf"\b(?:Signed|Name|Contact)[ \t]*:[ \t]*({_NAME})",
    )
)
_NO_NAME = re.compile(
    r"\b(?:The|Board|Company|Committee|Group|Bank|Report|Corporation|Officer|Director|President|Chief|Executive|Annual|"
    r"Limited|Inc|Audit|Chairman|Secretary|Independent|Vice|Senior|General|Our|Its|Deloitte|And|Of)\b"
)
# The hundred commonest surnames of China, which 85 % of its people bear, and the compound ones.
_COMMONEST = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
_COMMON = "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文张"
_TRADITIONAL = "劉陳楊趙黃吳許鄧呂蘇盧蔣葉鄭謝韓馮蕭譚龐鍾陸顧錢湯"
_HAN_NAME = rf"(?:(?:欧阳|司马|上官|诸葛|歐陽|司馬|諸葛)|[{_COMMONEST}{_COMMON}{_TRADITIONAL}])[\u4e00-\u9fff]{{1,2}}"
_HAN_OFFICE = "|".join(
    "董事长 副董事长 总经理 副总经理 总裁 行长 董事会秘书 财务总监 监事会主席 "
    "独立董事 法定代表人 会计机构负责人 主管会计工作负责人 公司负责人 签字注册会计师 保荐代表人".split()
)
_HAN = (
    re.compile(rf"({_HAN_NAME}?)(?:先生|女士|博士|教授)"),
    re.compile(rf"(?:姓名|{_HAN_OFFICE})(?:为|是)?[:：|\s]{{1,3}}({_HAN_NAME})(?![\u4e00-\u9fff])"),
    re.compile(rf"(?:{_HAN_OFFICE})({_HAN_NAME})(?=先生|女士|声明|[、，。；：\s]|$)"),
)


def find_person_names(text: str, language: Language) -> Iterator[tuple[int, int]]:
    """Find the names in a text, (start, end) each: those that are told as such, wherever they stand."""
    forms = _HAN if language == "zh" else _LATIN
    told = {match[1] for form in forms for match in form.finditer(text) if match[1] and not _NO_NAME.search(match[1])}
    if not told:
        return
    names = "|".join(re.escape(name) for name in sorted(told, key=lambda name: (-len(name), name)))
    edge = "" if language == "zh" else r"\b"
    for match in re.finditer(f"{edge}(?:{names}){edge}", text):
        yield match.span()
