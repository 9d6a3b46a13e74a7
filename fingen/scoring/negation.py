"""Whether an answer says what it is not: negations before and after a place in it.

As in NegEx (Chapman et al., 2001): a negation reaches some words ahead in its clause, unless a word ends its scope, and some
words only look like negations ("no doubt", 非常). A finite verb ends it too ("sales did not grow, which is negative"), unless
what is negated is that one may say so ("no evidence that it is positive"). Where both can be meant, it is one.
"""

from __future__ import annotations

import re

_REACH = 80  # characters before a place in which a negation is looked for
_ENGLISH_WORDS, _CHINESE_CHARACTERS = 7, 12  # between a negation and what it negates
_MARKS = r"[\s:*_(\[\"'“‘`]*"

# Right before it, also across a mark: "not: B", 不是“B”.
_BESIDE = re.compile(
    r"(?:不是|不选|不应选|不属于|不为|非|除了?|\bnot|n['’]t|\bneither|\bnor|\bexcept|\brather than|\bexclude)"
    rf"\s*(?:选项|答案|the\b|an?\b|option\b|be\b)?{_MARKS}$"
    r"|\b(?:non|un|anti|counter|not)[-‐‑\s]$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;!?。、\n(]|\.(?!\d)|:(?!//)|\s[-–]\s|—|[-=]>|[→⇒]")
_SCOPE_ENDS = re.compile(
    r"(?<!anything )(?<!nothing )\bbut\b|\b(?:so|therefore|thus|hence|because|since|while|although|though|whereas|instead)\b"
    r"|\band\s+(?:the|it|its|it's|this|that|so|thus|hence|therefore|overall|i|we)\b"
    r"|所以|因此|因而|从而|但|却|而[是为]|可见|(?<!事)故(?!障|意)|(?<![不未反响供效])应(?=[为是属选当归该])|则",
    re.IGNORECASE,
)

_SEEMING = re.compile(
    r"\b(?:(?:no|without|beyond)\s+(?:a\s+|any\s+)?(?:doubt|question|wonder|surprise)|not\s+(?:only|just|merely|surprisingly|to mention)"
    r"|a\s+(?:little|few)|cannot\s+be\s+denied|nothing\s+but|nothing\s+less\s+than|not\s+without|no\s+less\s+than)\b"
    r"|非常|无疑|无非|无论|无锡|无形|无不|无人机|无线|不断|不仅|不但|不只|不过|不错|不少|不同|不论|不管|不久|不得不|不动产|不良|不锈钢|不可否认"
    r"|不容忽视|不俗|不菲|不乏|不无|未来|未分配|未尝不|没错|莫不|非经常|非公开|非流动|非银|非农|非凡",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|none|without|hardly|barely|scarcely|rarely|seldom|cannot|nothing|nowhere|nobody"
    r"|unlikely|insufficiently|unable|far\s+from|anything\s+but|less\s+than|rather\s+than|instead\s+of|other\s+than|except|exclud(?:e|es|ed|ing)"
    r"|rul(?:e|es|ed|ing)\s+out|absence\s+of|devoid\s+of|short\s+of|opposite\s+of|doubt(?:s|ed|ful)?|little|few|lack(?:s|ed|ing)?"
    r"|fail(?:s|ed)?\s+to|refus(?:e|es|ed)\s+to|(?:is|are|was|were|do|does|did|would|could|should|ca|wo)nt)\b|n['’]t\b)"
    rf"(?P<between>(?:[^\w\s]*\s+[^\w\s]*[\w'’%-]+){{0,{_ENGLISH_WORDS}}})[^\w\s]*\s*[^\w\s]*$",
    re.IGNORECASE,
)
_FINITE = re.compile(
    r"\s(?:is|are|was|were|means?|makes|making|implies|signals|suggests|indicates|looks|sounds|seems|which|points?\s+to)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"(?:nothing|none|neither|nobody)\b", re.IGNORECASE)  # what is said of it is denied
_OPINION = re.compile(
    r"^\s*(?:\w+ly\s+)?(?:think|believe|say|see|feel|consider|find|agree|assume|conclude|claim|mean|suggest|indicate|imply|know|call"
    r"|necessarily|clear|evident|obvious|true|sure|certain|convinced|the\s+case|how|what|if|whether|that|(?:it|this|they|these|parts?|of)\b"
    r"|(?:\w+\s+)?(?:evidence|indication|signs?|reason|way|proof|basis|part|aspect))\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(
    r"(?:没有?|[不未非莫勿]|无(?!关)|缺乏|难[以言说]|谈不上|称不上|算不上|说不上|排除|否认|否定|远离|除|欠|几乎不)"
    rf"(?P<between>[^{{}}]{{0,{_CHINESE_CHARACTERS}}})$"
)
_CHINESE_FINITE = re.compile(r"(?<=.)(?:属于|归于|是|(?<![转定断视称评归作认成列])为|选)")
_CHINESE_OPINION = re.compile(
    r"^(?:能|会|应该?|该|可能?|可以|像|算|再|太|很|完全|一定|见得|必|认为|觉得|好说|敢说|说|宜|真|足以|倾向|证据|迹象|理由|任何|表明|显示)"
)
_AFTER = re.compile(
    r"[\s:*_)\]\"'”’`]{0,6}(?:option\b|选项)?\s{0,3}"
    r"(?:[×✗❌✘]|(?:is|was|are|were|would be|seems)(?:n['’]t| not\b| hardly\b| unlikely\b| wrong\b| incorrect\b| false\b| excluded\b"
    r"| out\b| ruled out\b)|cannot\b|can['’]t\b|can be (?:ruled out|excluded)|does(?:n['’]t| not)\b"
    r"|\((?:no|false|wrong|incorrect)\)|(?:no|false|wrong|incorrect)\s*(?:[.!]|\Z)|[吗么]?\?\s{0,3}(?:no\b|[不否])"
    r"|的?(?:说法|判断|结论|可能性?|影响|信号|迹象|一?项)?[并很较都也是可应]{0,3}"
    r"(?:不(?:[是对选妥行足够大高]|正确|准确|成立|合适|适[合用]|恰当|明显|可能|存在|显著)|未(?:见|出现|体现)|没有?(?:出现|体现)|错|无关|排除|除外))",
    re.IGNORECASE,
)


def says_not(text: str, start: int, end: int) -> bool:
    """Whether what stands from `start` to `end` is said not to be so."""
    before = text[max(0, start - _REACH) : start]
    return bool(is_denied(before) or _AFTER.match(text, end) or _reaches(before))


def is_denied(before: str) -> bool:
    """Whether the next thing is denied right away: "not B", 除了B."""
    return bool(_BESIDE.search(before))


def _reaches(before: str) -> bool:
    """Whether a negation in the clause that ends here has what comes next in its scope."""
    for mark in (_CLAUSE, _SCOPE_ENDS):
        ends = [found.end() for found in mark.finditer(before)]
        before = before[ends[-1] :] if ends else before
    before = _SEEMING.sub(" ", before)
    return any(
        found and (not finite.search(between := found["between"]) or opinion.match(between) or _SUBJECT.match(found[0]))
        for found, finite, opinion in (
            (_ENGLISH.search(before), _FINITE, _OPINION),
            (_CHINESE.search(before), _CHINESE_FINITE, _CHINESE_OPINION),
        )
    )
