"""Chinese rules of the offline teacher."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fingen.prompts import report_name
from fingen.records import Passage
from fingen.teachers.offline.extract import Concept, Pair, Rules, Topic, pick

_POINTS = re.compile(
    r"如下|下表|上表|下述|以下|见下|详见|参见|参阅|请见|附注|本节|本章|本报告[“之第]|[□√☑]|单位[:：]|查阅"
)
_LEANS = re.compile(
    r"(?:该|其|此|这|除?上述|除?前述|以上|同时|此外|另外|但|然而|因此|因而|所以|故|并|且|从而|而|其中|对此|为此|届时|否则|后者|前者|"
    r"再|还|又|也|另|相应|由此|综上|总之|例如|如果|若|二是|三是|四是|其次|再次|最后|第二|第三|报告期内?该)"
)
_STARTS_LIST = re.compile(r"[（(]?[\d一二三四五六七八九十①-⑳]{1,3}[)）、.．]|[①-⑳]|注")
_SKIPPED = re.compile(
    r"重要提示|目录|备查文件|审计报告|审计意见|注册会计师|管理层.*责任|治理层|声明|联系人|信息披露|股东大会|公司信息|基本情况简介|"
    r"释义|董事.*简历|任职情况|主要工作经历|承诺事项|承诺|财务报表的批准|内部控制评价|关键审计事项|法定代表人"
)
_POLICY = re.compile(r"会计政策|会计估计|会计处理")
_STANDARD = re.compile(r"会计政策|会计估计|会计处理|金融工具")  # sections whose definitions are those of the standards
_STANDARD_TEXT = re.compile(r"是指，?金融工具的|原实际利率折现")  # theirs in other sections too
_SLOGANS = re.compile(
    r"坚持|打造|赋能|引领|全面提升|核心竞争力|第一|至上|守住|底线|持续优化|高质量发展|新征程|使命|愿景|凝聚|深入贯彻"
)
_AMOUNTS = re.compile(r"\d(?:%|[亿万元家个吨项台])")
_OWN_FIGURE = re.compile(r"\d|[二三四五六七八九十百]+(?:个|年|月|小时|天|家|成|种)")
_BIOGRAPHY = re.compile(r"历任|毕业于|现任|兼任|先后(?:服务|任职|担任)|年\d{1,2}月(?:出生|生)|生于\d{4}")
_RISK = re.compile(r"风险")
_NUMBERING = re.compile(
    r"^(?:第[一二三四五六七八九十\d]{1,3}[节章]|[一二三四五六七八九十]{1,3}、|[（(][一二三四五六七八九十\d]{1,3}[)）]\.?|\d{1,2}(?:\.\d{1,2})*(?![\d年月])[、.．)）]?)\s*"
)
_REPORT_TITLE = re.compile(r"(?:20\d\d年)?(?:年度|半年度|季度)报告(?:全文|正文|摘要)?$")
_GENERIC = frozenset(
    "概述 其他说明 其他 说明 情况说明 适用 总体情况 基本情况 简要说明 其它 其他事项 具体情况 相关说明 其他情况 方法 原则 内容".split()
)
_WORD = r"[\u4e00-\u9fffA-Za-z0-9（）()\-]"
_DEFINED = re.compile(rf"^(?:本报告所称|所称|所谓)?“?({_WORD}{{2,22}}?)”?，?(?:是指|系指|指的是)")
_IS_A = re.compile(
    rf"^“?({_WORD}{{2,14}}?)”?是(?:一种|一类|一项|一个|由[^，。]{{2,20}}(?:组成|构成)|用于|用来|以[^，。]{{2,20}}为)"
)
_NOT_TERMS = re.compile(
    r"^(?:公司|本公司|本集团|我公司|其|该|此|这|上述|前述|如果|若|当|对于|对|在|根据|按照|报告期|本期|主要|通过|以|由|从|为|和|或|并|即|是|不)"
)
_MOVES = "增长|增加|上升|提高|减少|下降|降低|下滑|扩大|收窄"
_WHY = re.compile(
    rf"(?:^|[，；])((?:{_WORD}|、){{2,24}}?)(?:为|达到?|约)?(?:[\d,.]+(?:亿|万)?(?:元|%|吨|台)，?)?(?:较|比|与)?(?:上年同期|上年末|上年度|上年|去年同期|去年|上期|期初|年初|同期|本期)?(?:同比|相比)?(?:大幅|明显|显著|有所)?({_MOVES})"
    r"(?=[^。；]{0,60}?(?:主要系|主要原因(?:是|系|为)|主要(?:是)?由于|主要(?:是)?因为|系因|原因(?:是|系|为)|所致|主要受[^，。；]{2,40}影响))"
)
_REASON = re.compile(
    rf"^((?:{_WORD}|、){{2,20}}?)(?:的)?(?:变动|变化|增减|{_MOVES})(?:的)?(?:主要)?原因(?:说明)?(?:[:：]|是|系|为)"
)
_OUTLOOK = re.compile(r"将(?:会|继续|持续|进一步|有|在)?|预计|计划|力争|预期(?!信用)")
_TAIL = re.compile(r"(?:较|比|与|同比|本期|相比|上年|去年|期末余额|金额|大幅|合计)+$")
_REASON_HEAD = re.compile(r"(?:变[动化]|增减|重大)[^|]*原因|情况说明|变[动化]说明")
_BARE_REASON = re.compile(r"(?:主要)?原因(?:说明)?")  # of a change only where a column beside it has one
_CHANGED = re.compile(r"变[动化]|增减|增长|同比|上期|上年|期初")
_OF_PEOPLE = re.compile(r"姓名|职务|人员")
_REASON_CELL = re.compile(r"系|因|由于|所致|导致|影响")
_UNIT = re.compile(r"单位[:：]\s*[^\s|币]+")
_AMOUNT = re.compile(r"-?[\d,]+(?:\.\d+)?%?$")
_TERM_ROW = re.compile(r"^([^|]{2,30}) \| 指 \| ([^|]{12,200})$", re.MULTILINE)
_ENTITY = re.compile(
    r"(?:公司|中心|委员会|交易所|证监会|事务所|集团|章程|法》|条例》|准则》|有限合伙）?)$|^\d|^人民币|年\d"
)
_WE = re.compile(r"我们|我公司|笔者")


def _usable(text: str) -> bool:
    if not (14 <= len(text) <= 320 and text[-1] in "。！？”" and not _STARTS_LIST.match(text)):
        return False
    if " | " in text or _POINTS.search(text) or _BIOGRAPHY.search(text):
        return False
    if text.count("（") + text.count("(") != text.count("）") + text.count(")"):
        return False
    digits = sum(map(str.isdigit, text))
    return text.count("“") == text.count("”") and digits < 0.35 * len(text)


def _is_told(topic: Topic, text: str, passage: Passage) -> bool:
    """Whether a policy has something of the company's own in it, a rate, a time, a sum, and whether a text is more than slogans."""
    if len(set(_SLOGANS.findall(text))) > 2 and not _AMOUNTS.search(text):
        return False
    return not _STANDARD.search(" ".join(topic.path)) or _OWN_FIGURE.search(text) is not None


def _company(passage: Passage) -> str:
    return passage.company or "该公司"


def _report(passage: Passage) -> str:
    return report_name(passage.period, "zh")


def _year(passage: Passage) -> str:
    return f"{passage.period.end[:4]}年" if passage.period.end else "报告期内"


def _attribute(text: str, passage: Passage) -> str:
    """Text that says 我们 is quoted as the company's own words."""
    if not _WE.search(text):
        return text
    return f"{_company(passage)}在{_report(passage)}中表示：“{text.replace('“', '‘').replace('”', '’')}”"


def _title(topic: Topic) -> str | None:
    """What the topic is about; a short title comes with the section that it is in."""
    titles = [title for raw in topic.path[-3:] if (title := _plain_title(raw))]
    if not titles:
        return None
    if len(titles[-1]) <= 8 and len(titles) > 1 and len(titles[-2]) <= 24:
        return f"{titles[-2]}——{titles[-1]}"
    return titles[-1]


def _plain_title(raw: str) -> str | None:
    title = raw
    while (shorter := _NUMBERING.sub("", title)) != title:
        title = shorter
    title = re.sub(r"^(?:公司)?关于", "", title.strip(" ：:。.、"))
    if title in _GENERIC or _REPORT_TITLE.match(title) or re.search(r"[□√]", title):
        return None
    return title if 2 <= len(title) <= 36 else None


def _summary_question(topic: Topic, passage: Passage) -> tuple[str, str] | None:
    title = _title(topic)
    if title is None:
        return None
    company, report = _company(passage), _report(passage)
    path = " ".join(topic.path)
    if _POLICY.search(path):
        title = title.split("——")[-1]
        return pick([
            (f"{company}{report}披露的“{title}”会计政策是怎样的？", f"按照{report}，{company}对“{title}”采用怎样的会计处理方法？"),
        ], title)  # fmt: skip
    if _RISK.search(title):
        return pick([
            (f"{company}在{report}中如何说明“{title}”？", f"根据{report}，{company}面临的“{title}”体现在哪些方面？"),
        ], title)  # fmt: skip
    return pick([
        (f"请概述{company}{report}中“{title}”的主要内容。", f"{company}{report}在“{title}”方面披露了哪些要点？"),
        (f"{company}在{report}中对“{title}”作了哪些说明？", f"请总结{company}{report}关于“{title}”的要点。"),
        (f"从{report}看，{company}在“{title}”方面的情况如何？", f"请归纳{company}{report}对“{title}”的披露。"),
    ], title)  # fmt: skip


def _concepts(topic: Topic, passage: Passage) -> Iterator[Concept]:
    company, report = _company(passage), _report(passage)
    policy = 1.0 if _STANDARD.search(" ".join(topic.path)) else 0.0
    for at, sentence in enumerate(topic.sentences):
        text = sentence.text
        if asked := _why(text, passage):
            yield Concept(at, *asked, 0.0)
        elif (
            (found := _DEFINED.match(text) or _IS_A.match(text))
            and _is_term(found[1])
            and not _STANDARD_TEXT.search(text)
        ):
            yield Concept(
                at,
                f"{company}{report}中，“{found[1]}”指的是什么？",
                f"应如何理解{company}{report}提到的“{found[1]}”？",
                0.5 + policy,
            )


def _is_term(term: str) -> bool:
    return len(term) >= 4 and not _NOT_TERMS.match(term) and not re.search(r"[是的中]", term)


def _why(text: str, passage: Passage) -> tuple[str, str] | None:
    """Ask for the cause of a change in the report's own period: plans and other years are left out."""
    company, year = _company(passage), _year(passage)
    if _OUTLOOK.search(text) or any(f"{other}年" not in year for other in re.findall(r"(20\d\d)年(?![末初])", text)):
        return None
    if found := _REASON.match(text):
        item = _TAIL.sub("", found[1])
        if len(item) >= 2 and not _NOT_TERMS.match(item):
            return f"{company}{year}{item}变动的原因是什么？", f"哪些因素使{company}的{item}在{year}发生变动？"
    if found := _WHY.search(text):
        item = re.sub(
            r"^(?:报告期内?|本报告期|本期|公司|本年度?|本年|20\d\d年度?|实现|其中|由于|年末|期末)+[，、]?",
            "",
            _TAIL.sub("", found[1]),
        )
        item += "比" if item.endswith("占") else ""  # of 占比, whose second half reads as a comparison
        if len(item) >= 2 and not _NOT_TERMS.match(item) and not re.search(r"\d|因|致使|导致", item):
            return (
                f"{company}{year}{item}{found[2]}的主要原因是什么？",
                f"是什么因素使{company}的{item}在{year}{found[2]}？",
            )
    return None


def _from_tables(topic: Topic, passage: Passage) -> Iterator[Pair]:
    """Rows that explain an item's change in words, and rows of a table of terms (term | 指 | meaning)."""
    for table in topic.tables:
        yield from _explained_rows(table, passage)
        yield from _terms_of(table, passage)


def _explained_rows(table: str, passage: Passage) -> Iterator[Pair]:
    company, year, report = _company(passage), _year(passage), _report(passage)
    rows = [line.split(" | ") for line in table.splitlines()]
    head = next((row for row in rows if _tells_reasons(row)), None)
    unit = next((found[0] for line in table.splitlines()[:3] if (found := _UNIT.search(line))), "")
    if not unit and len(passage.unit) == 1:
        unit = passage.unit[0].text  # said above the table
    for row in rows if head else ():
        item = re.sub(r"^[一二三四五六七八九十\d]+[、.]|^其中：", "", row[0])
        reason = row[-1].strip("。 ")
        if len(row) != len(head or row) or not 2 <= len(item) <= 20 or not _REASON_CELL.search(reason):
            continue
        columns = zip((head or row)[1:-1], row[1:-1], strict=True)
        figures = [(name, cell) for name, cell in columns if name and _AMOUNT.match(cell)]
        if len(reason) < (8 if len(figures) > 1 else 16) or not re.search(r"[\u4e00-\u9fff]{2}", item):
            continue
        stated = "，".join(_stated(name, cell) for name, cell in figures)
        if stated:
            told = f"根据{company}{report}，{item}的{stated}{f'（{unit}）' if unit else ''}。变动原因：{reason}。"
        else:
            told = f"根据{company}{report}，{item}的变动情况：{reason}。"
        question = f"{company}{year}{item}发生变动的原因是什么？"
        rephrased = f"哪些因素使{company}的{item}在{year}发生变动？"
        yield Pair(question, rephrased, told, (row[-1].strip(), *(cell for _, cell in figures)), 0.1)


def _tells_reasons(row: Sequence[str]) -> bool:
    """Whether the headings of a table say that its last column tells why items changed."""
    *others, last = row
    is_said = _REASON_HEAD.search(last) or (_BARE_REASON.fullmatch(last) and _CHANGED.search(" ".join(others)))
    return bool(is_said) and not _OF_PEOPLE.search(" ".join(row))


def _stated(name: str, cell: str) -> str:
    """What a column says of a row; the unit of a heading stands behind its figure: 变动比例（%） and 12 are 变动比例为12%."""
    plain = re.sub(r"[（(][%％][)）]", "", name)
    return f"{plain}为{cell}{'%' if plain != name and cell[-1] not in '%％' else ''}"


def _terms_of(table: str, passage: Passage) -> Iterator[Pair]:
    """Rows that only give a name its full form are no concepts."""
    company, report = _company(passage), _report(passage)
    for term, meaning in _TERM_ROW.findall(table):
        if not _ENTITY.search(meaning.strip("。；")) and not _NOT_TERMS.match(term):
            ending = "" if meaning.endswith("。") else "。"
            yield Pair(f"{company}{report}中，“{term}”指的是什么？", f"{company}在{report}中如何界定“{term}”？",
                           f"在{company}{report}中，{term}是指{meaning}{ending}", (meaning,), 2.0)  # fmt: skip


RULES = Rules(
    joint="",
    stop="。",
    concept_length=(24, 320),
    summary_length=(90, 420),
    usable=_usable,
    points=_POINTS,
    leans=_LEANS,
    skipped=_SKIPPED,
    size=len,
    attribute=_attribute,
    concepts=_concepts,
    from_tables=_from_tables,
    summary_question=_summary_question,
    is_told=_is_told,
    own=re.compile(r"公司|本集团|本行"),
)
