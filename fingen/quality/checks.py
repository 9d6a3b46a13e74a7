"""What an item must pass to become a record. Each check has a reason code; a check that cannot decide rejects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fingen.quality import wording
from fingen.quality.draft import Draft, Drop, joined
from fingen.quality.duplicates import fold
from fingen.quality.notation import narrow
from fingen.quality.quantities import find_figures
from fingen.records import Passage
from fingen.text import han_share

MIN_ANSWER = {"en": 60, "zh": 20}  # characters
MAX_ANSWER = {"en": 4000, "zh": 1500}
MAX_QUESTION = {"en": 400, "zh": 160}
_LEANS_ON_TEXT = re.compile(
    r"\b(?:this|the (?:given|provided|above)) (?:passage|text|excerpt|paragraph|article|document|section)s?\b(?! of the [A-Z])|"
    r"\b(?:the )?(?:above|following|below) tables?\b|\btables? (?:above|below)\b|\bas (?:shown|seen) (?:in the table|above|below)\b|"
    r"(?:从|如|由|据|见)(?:上|下|该|此)?表(?:中|内|格)?(?:可|所|数据)|(?:上|下)表(?:中|所|列|数据|可)|"
    r"\bthe following paragraphs?\b|\bbased on the (?:materials?|text|passage|context|information)\b|"
    r"\b(?:the (?:given|provided)|provided) (?:context|material)s?\b|\bthe (?:following )?(?:passage|text|excerpt)\b(?! of)|"
    r"\b(?:mentioned|described|stated|shown|listed|discussed|noted) (?:above|below)\b|"
    r"\baccording to the (?:text|passage|table|document)\b|"
    r"(?:^|[，。；：、\s“（(在如据从由见]|结合|尽管|虽然?|通过|[按与])(?:文中|本文|原文|上文|下文)(?![化件字案本国明])|"
    r"(?:^|[，。；：、\s“（(在])文中明确|文本(?:中|内容|片段)|"
    r"根据(?:所?提供的?|给出的?|上述|该|以上)?(?:文本|段落|片段)|根据(?:所?提供的?|给出的?|上述|以上)(?:材料|内容|信息)|"
    r"上述(?:文本|段落|片段)|(?:本|该)段(?!时|期|公路|路|工程)",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) sorry\b|\bi cannot\b|作为(?:一个|一名)?(?:AI|人工智能)|抱歉，|无法回答", re.IGNORECASE
)
_FIGURE_ONLY = re.compile(r"[\s\d.,%()$€£¥￥+\-–—/年月日元万亿千百股份]+")
_LETTERS = re.compile(r"[A-Za-z\u4e00-\u9fff]")
# Control characters, half characters, byte-order marks, and what turns the direction of writing.
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]")
_BULLET = re.compile(r"^\s*(?:[•●▪■◆◦○□√\uf0b7]|\d{1,2}[.)、]\s*$)")
# What stands around the name that a Chinese company goes by: 浙江[海翔药业]股份有限公司, 深圳市[迈瑞生物]医疗电子股份有限公司.
_PLACE = re.compile(
    r"^(?:(?:北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|"
    r"陕西|甘肃|青海|内蒙古|广西|西藏|宁夏|新疆)[省市]?)?(?:[\u4e00-\u9fff]{1,2}[^\W超城]市)?"
)
_LEGAL_FORM = re.compile(r"(?:[（(]?集团[）)]?)?(?:(?:股份)?有限(?:责任)?公司)?$")
_USUAL_NAME = 4  # characters of the name that a Chinese share goes by
_SENTENCE_END = tuple('。！？.!?”"’」』）)')


Check = Callable[[Draft], str | None]  # what is wrong with a draft, or None


def _evidence(draft: Draft) -> str | None:
    if draft.not_found:
        return f"not in the passage: {draft.not_found[0][:80]}"
    return None if draft.record.evidence else "no quote"


def _self_contained(draft: Draft) -> str | None:
    """A later question of a conversation may rest on what was asked before it."""
    before = "\n".join(draft.record.questions[:-1])
    for own in filter(None, (draft.record.instruction, draft.rephrased)):
        if leaning := _LEANS_ON_TEXT.search(own):
            return f"the question leans on a text: {leaning[0]}"
        question = f"{before}\n{own}"
        if not any(_names(question, passage) for passage in draft.passages):
            return "the question names neither the company nor its report"
        if not all(_names_period(question, passage) for passage in draft.passages):
            return "the question does not name the period"
    return None


def _names(question: str, passage: Passage) -> bool:
    """Whether a question names the company: in full, by its Chinese short name, or by a word that starts its name.

    Where the report names none for sure, it has to speak of the report.
    """
    company = passage.company
    if company is None:
        return re.search(r"\breport\b|报告", question, re.IGNORECASE) is not None
    names = filter(None, map(fold, (company, *_short_names(company))))
    if any(name in fold(question) for name in names):
        return True
    first = re.split(r"[\s,（(]", company.removeprefix("The "))[0]
    is_latin = len(first) > 2 and not han_share(first)
    return is_latin and re.search(rf"(?<!\w){re.escape(first)}(?!\w)", question, re.IGNORECASE) is not None


def _short_names(company: str) -> set[str]:
    """What a Chinese company goes by: its name without place and legal form, or how its name starts."""
    if not han_share(company):
        return set()
    name = _LEGAL_FORM.sub("", company, count=1)
    brand = _PLACE.sub("", name, count=1)
    if len(brand) <= 2:  # 上海医药, 北京银行: without its place the name is the word for a trade
        brand = name
    names = {name, brand, brand[:_USUAL_NAME]}
    if len(name) - len(brand) <= 2:  # 贵州茅台酒, but not 内蒙古伊利
        names.add(name[:_USUAL_NAME])
    return {each for each in names if len(each) >= 2}


def _names_period(question: str, passage: Passage) -> bool:
    period = passage.period
    if period.end is None or period.end[:4] in question or str(period.fiscal_year) in question:
        return True
    told = {figure.when[0] for figure in find_figures(narrow(question))}  # 民國一一三年度, 二零二一年
    return bool(told & {int(period.end[:4]), period.fiscal_year})


def _leaning(draft: Draft) -> str | None:
    leaning = _LEANS_ON_TEXT.search(draft.record.output)
    return f"the answer leans on a text: {leaning[0]}" if leaning else None


def _boilerplate(draft: Draft) -> str | None:
    found = _BOILERPLATE.search(draft.record.output)
    return found[0] if found else None


def _odd_characters(draft: Draft) -> str | None:
    odd = _ODD.search(draft.record.instruction + draft.rephrased + draft.record.output)
    return f"U+{ord(odd[0]):04X}" if odd else None


def _copies_question(draft: Draft) -> str | None:
    question, answer = fold(draft.record.instruction), fold(draft.record.output)
    return "the answer repeats the question" if answer in question else None


def _language(draft: Draft) -> str | None:
    for name, text in (("question", draft.record.instruction), ("answer", draft.record.output)):
        chinese = han_share(text) > 0.3
        if chinese != (draft.record.language == "zh"):
            return f"the {name} is not in the language of the passage"
    return None


def _length(draft: Draft) -> str | None:
    language, answer = draft.record.language, len(draft.record.output)
    if not MIN_ANSWER[language] <= answer <= MAX_ANSWER[language]:
        return f"{answer} characters"
    if len(draft.record.instruction) > MAX_QUESTION[language]:
        return f"a question of {len(draft.record.instruction)} characters"
    return None


def _bare_figure(draft: Draft) -> str | None:
    words = _LETTERS.findall(_FIGURE_ONLY.sub("", draft.record.output))
    return "the answer is little more than a figure" if len(words) < 12 else None


def _list_debris(draft: Draft) -> str | None:
    lines = draft.record.output.splitlines()
    broken = [line for line in lines if _BULLET.match(line) and not _ends_well(line)]
    if broken:
        return f"a torn list: {broken[0][:60]}"
    return "rows of a table in place of an answer" if draft.record.output.count(" | ") > 3 else None


def _ends_well(line: str) -> bool:
    text = line.strip()
    return len(text) > 4 and text.endswith((*_SENTENCE_END, ";", "；"))


def _cut_sentence(draft: Draft) -> str | None:
    text = draft.record.output.strip()
    if not text.endswith(_SENTENCE_END):
        return f"ends with: {text[-30:]}"
    first = re.split(r"\W", text, maxsplit=1)[0]  # eBay and iPhone start sentences as they are
    return f"starts with: {text[:30]}" if text[0].islower() and first.islower() else None


CHECKS: dict[str, Check] = {
    "evidence": _evidence,
    "not-self-contained": _self_contained,
    "leans-on-text": _leaning,
    "boilerplate": _boilerplate,
    "odd-characters": _odd_characters,
    "copies-question": _copies_question,
    "wrong-language": _language,
    "length": _length,
    "bare-figure": _bare_figure,
    "list-debris": _list_debris,
    "cut-sentence": _cut_sentence,
    "same-question": wording.same_question,
    "gives-answer-away": wording.gives_away,
    "instructed": wording.instructed,
    "markup": wording.markup,
    "says-nothing": wording.says_nothing,
    "repeats-itself": wording.repeats,
    "praise": wording.praise,
    "guess": wording.guess,
    "foreign-script": wording.foreign_script,
    "word-count": wording.length,
    "copied": wording.copied,
    "unanswered": wording.unanswered,
    "cause": wording.unfounded_cause,
}


def find_faults(draft: Draft, checks: Mapping[str, Check] = CHECKS) -> list[Drop]:
    """All reasons to reject a draft, in the order of the checks."""
    found = ((reason, look(draft)) for reason, look in checks.items())
    return [Drop(reason, detail) for reason, detail in found if detail is not None]


def check(draft: Draft, checks: Mapping[str, Check] = CHECKS) -> Drop | None:
    """The reasons to reject a draft as one, or None."""
    return joined(find_faults(draft, checks))
