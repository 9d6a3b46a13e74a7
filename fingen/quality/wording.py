"""What a model writes that its template forbids, whatever its figures are: found in the words alone.

Each function says what is wrong with a draft, or None. What stands in the passages themselves is no fault of the answer;
where they are not here, what they could excuse is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rapidfuzz import fuzz

from fingen.quality.draft import Draft
from fingen.quality.duplicates import fold
from fingen.text import han_share, sentences

LEAST_WORDS, MOST_WORDS = (
    {"en": 48, "zh": 90},
    {"en": 400, "zh": 800},
)  # templates: 80 to 300 words, 150 to 600 characters
BRIEF = frozenset({"qa-table", "qa-conversation"})  # tasks whose templates ask for a sentence or a few
COPIED = 0.8  # of an answer stands in the passages, sentence for sentence: it is a copy
REWORDED = 90  # of 100: a second wording that is more alike is the first one
LEAST_ASKED, ANSWERED = (
    3,
    {"en": 0.2, "zh": 0.12},
)  # words of a question without the names; the share of them that an answer has at least
FOUNDED = 0.25  # of the pairs of characters of a cause stand in the passages
LONG_KEY = 60  # characters of a sentence that is told again with more or less behind it
LEAST_STEM = 5  # letters of a word that tell whether another one is of its family

_MARKUP = re.compile(
    r"\*\*[^*\n]+\*\*|^#{1,6} |^\|.*\|\s*$|`[^`\n]+`|"
    r"</?(?:b|i|u|p|br|div|span|a|em|strong|ul|ol|li|table|tr|td|th|h[1-6]|script|img|sup|sub)\b[^<>]{0,200}>",
    re.MULTILINE | re.IGNORECASE,
)
_LIST = re.compile(r"^\s*[-*•] \S|^\s*\d{1,2}[.)、] ?\S.*\n\s*\d{1,2}[.)、] ?\S", re.MULTILINE)
_MARKS = re.compile(
    r"[\[(<【（]\s*(?:see )?(?:passage|evidence|chunk|source|quote|doc(?:ument)?|材料|片段|证据|原文|来源)[\s#:：]{0,3}\d+\s*[\])>】）]|"
    r"</?passage\b|\bid=\"\d|【\d{1,3}】|(?<!\w)\[\^?\d{1,3}\]",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b(?:https?|ftp)://\S+|\bwww\.[a-z0-9-]{2,}\.\S+", re.IGNORECASE)
_OBEYED = re.compile(
    r"\b(?:ignor|disregard|forget)\w* (?:all |any |the |your )*(?:previous|prior|above|earlier) (?:instructions?|prompts?|rules?)|"
    r"\bas (?:the assistant|i) was (?:told|instructed)|\b(?:system|developer) prompt\b|"
    r"忽略(?:之前|以上|上述|先前|前面)的?(?:所有|全部)?(?:指令|指示|提示|要求)|系统提示词",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(?:not|no) (?:\w+ )?(?:investment|financial|legal|tax) advice\b|\bconsult (?:a|an|your) [\w ]{0,30}(?:advis[eo]r|professional)|"
    r"\b(?:you|investors|readers) should (?:buy|sell|hold)\b|\b(?:buy|sell) [\w&. ]{1,40} shares (?:now|today)\b|"
    r"\bbest stock\b|不构成(?:任何)?投资建议|建议(?:投资者)?(?:买入|卖出|增持|减持|持有)|(?:股市|投资)有风险|请咨询专业"
    r"|投资者(?:应|需|可以?|宜|务)(?!怎|如何|从哪|看什么)|建议(?:投资者|读者|各?方|进一步|谨慎|密切|持续|重点|积极|适当|关注|核实)|(?:应当?|需要?)(?:密切|持续|高度)关注"
    r"|\b(?:investors|readers|shareholders) (?:are advised|may wish|would be wise|need) to\b",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"彰显|雄厚实力|充分体现了公司|再创佳绩|再上(?:新)?台阶|前景(?:十分)?广阔|令人(?:瞩目|振奋)|亮眼|可圈可点|"
    r"\b(?:impressive|remarkable|outstanding|stellar|exemplary|admirable|commendable|bright future|testament to)\b",
    re.IGNORECASE,
)
_GUESS = re.compile(
    r"\b(?:may|might|could|can) (?:well |also |partly )?(?:be|have been) (?:\w+ly )?(?:due to|because|caused|driven|attributable|a result|"
    r"explained|related|owing)\b|\b(?:possibly|perhaps|probably|presumably|likely|supposedly) (?:\w+ )?(?:due|because|caused|driven|"
    r"owing|reflect\w*|as a result)\b|可能(?:主要)?(?:是)?(?:由于|因为|与[^，。；]{1,20}有关|源于|受[^，。；]{1,20}影响)|"
    r"(?:或许|大概|估计|想必|推测)(?:是)?(?:由于|因为|与|受)|或与[^，。；]{1,20}有关",
    re.IGNORECASE,
)
_SILENT = re.compile(
    r"\b(?:report|passages?|company|statement|filing|note|text)\b[^.]{0,60}\b(?:does|do|did)(?: not|n't) (?:state|say|disclose|specify|"
    r"explain|mention|provide|give)\b|\b(?:is|are|was|were) not (?:stated|disclosed|specified|mentioned|provided|given)\b|"
    r"(?:未|没有|并未|未予|未曾)(?:作出|做出|进行)?(?:披露|说明|提及|给出|列示|提供)|无法(?:得知|判断|回答|确定)",
    re.IGNORECASE,
)
_CAUSE = re.compile(
    r"(?:主要)?(?:系|由于|因为|得益于|受益于|归因于|缘于)([^，。；：（）]{6,60})|(?<=为)(?:了)?(?:应对|抓住|把握)([^，。；]{4,40})(?:而|所致)|(?<=受)(?!让|理|托|限|益)([^，。；：（）]{6,40})(?:推动|带动|拉动|提振|拖累)"
)
_LATIN_RUN = re.compile(r"(?<![A-Za-z])[a-z]{2,}(?:[ ’'-]+[a-z]{1,}){2,}(?![A-Za-z])")
_HAN_WORDS = re.compile(r"[\u3400-\u9fff]+[，。；：、][\u3400-\u9fff，。；：、]*")  # a name has no marks of a sentence
_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z][A-Za-z’'-]{3,}")
_STOP = frozenset(
    "about above after again also among amount annual because been before being between both company could does during each "
    "ended fiscal from have having how into last less made make many more most much must only other over report said same should "
    "since some such than that their them then there these they this those through under until upon very were what when where "
    "which while whose will with within would year years quarter half full december january february march april june july "
    "august september october november explain describe "
    "amounts change changed changes cause caused compare compared concern consist consists define defined develop developed differ "
    "difference drive drove driven figure figures follow highlights kept main mean means move moved number numbers part parts "
    "perform performed picture reason reasons result results rise rose show shows shown stand stands stood tell terms".split()
)
_ABOUT_PERSONS = re.compile(
    r"(?:, |\band )(?:who|where)\b([^,;?]{4,80})|[，、；](?:谁|[^，；？]{0,8}是谁)([^，；？]{0,30})", re.IGNORECASE
)


def markup(draft: Draft) -> str | None:
    """Markdown, HTML, a model's lists, marks of passages and quotes, and addresses that the passages do not have."""
    text = draft.record.output
    found = _MARKUP.search(text) or _MARKS.search(text) or (_is_models(draft) and _LIST.search(text)) or None
    address = _ADDRESS.search(text)
    if draft.passages and address and not _stands(address[0].rstrip(".,;)"), draft):
        found = found or address
    return f"marks that are no prose: {found[0][:60]}" if found else None


def instructed(draft: Draft) -> str | None:
    """Instructions that came with a document, repeated or obeyed; advice to buy, sell or ask somebody."""
    for text in (draft.record.instruction, draft.rephrased, draft.record.output):
        if found := _OBEYED.search(text):
            return f"an instruction: {found[0]}"
        if draft.passages and (found := _ADVICE.search(text)) and not _stands(found[0], draft):
            return f"advice: {found[0]}"
    return None


def praise(draft: Draft) -> str | None:
    """Praise in the answer's own words."""
    found = _PRAISE.search(draft.record.output)
    return f"praise: {found[0]}" if draft.passages and found and not _stands(found[0], draft) else None


def guess(draft: Draft) -> str | None:
    """A cause that is guessed: the template forbids it; what the passages themselves call possible may be told."""
    found = _GUESS.search(draft.record.output)
    return f"a guess: {found[0]}" if draft.passages and found and not _GUESS.search(_passages(draft)) else None


def says_nothing(draft: Draft) -> str | None:
    """An answer that begins by saying that the report is silent: it answers nothing. At its end that may be a limit."""
    first = next((draft.record.output[start:end] for start, end in sentences(draft.record.output)), "")
    return f"the answer is that nothing is said: {first[:80]}" if _SILENT.search(first) else None


def repeats(draft: Draft) -> str | None:
    """A sentence that stands twice in the answer, and not in the passages."""
    text = draft.record.output
    told: set[str] = set()
    for start, end in sentences(text):
        key = fold(text[start:end])
        is_whole = len(key) >= (6 if han_share(text) > 0.3 else 18)
        is_again = key in told or (len(key) >= LONG_KEY and any(key.rstrip(".。") in each for each in told))
        if is_whole and is_again and fold(_passages(draft)).count(key) < 2:
            return f"told twice: {text[start:end][:60]}"
        told.add(key)
    return None


def same_question(draft: Draft) -> str | None:
    """A second wording that is the first one; none where a row has no second wording."""
    if not draft.rephrased:
        return None
    alike = fuzz.ratio(fold(draft.record.instruction), fold(draft.rephrased))
    return f"the second wording is the question ({alike:.0f} % alike)" if alike >= REWORDED else None


def length(draft: Draft) -> str | None:
    """An answer of a model far shorter or longer than its template asks for; rules and people write as they like."""
    if not _is_models(draft) or draft.record.task in BRIEF:
        return None
    text, language = draft.record.output, draft.record.language
    count = len(text) if language == "zh" else len(text.split())
    if LEAST_WORDS[language] <= count <= MOST_WORDS[language]:
        return None
    return f"{count} {'characters' if language == 'zh' else 'words'}"


def copied(draft: Draft) -> str | None:
    """An answer of a model that is the passages' own sentences, put in a row."""
    if not _is_models(draft):
        return None
    text, source = draft.record.output, fold(_passages(draft))
    folded = [fold(text[start:end]) for start, end in sentences(text)]
    share = sum(len(each) for each in folded if each in source) / max(1, sum(map(len, folded)))
    return f"{share:.0%} of the answer is copied" if share >= COPIED else None


def foreign_script(draft: Draft) -> str | None:
    """Words of another language in the answer, and traditional characters for simplified ones or the other way round."""
    text, source = draft.record.output, _passages(draft)
    if not draft.passages:
        return None
    if draft.record.language == "en":
        strange = next((each[0] for each in _HAN_WORDS.finditer(text) if not _stands(each[0], draft)), None)
        return f"Chinese in an English answer: {strange[:20]}" if strange else None
    run = next((each[0] for each in _LATIN_RUN.finditer(text) if not _stands(each[0], draft)), None)
    if run:
        return f"English in a Chinese answer: {run[:60]}"
    mine, theirs = _script(text), _script(source)
    if mine and theirs and mine != theirs:
        return f"{mine} characters, and the passage has {theirs} ones"
    strange = _other_script(text, source)
    return f"characters of another script: {strange[:20]}" if len(strange) >= 3 else None


def gives_away(draft: Draft) -> str | None:
    """A question with two of the answer's own figures in it, other than years."""
    figures = set(_figures(draft.record.instruction)) & set(_figures(draft.record.output))
    return f"the question tells its answer: {', '.join(sorted(figures))}" if len(figures) >= 2 else None


def unanswered(draft: Draft) -> str | None:
    """A question of which a model's answer has next to no word, or a part about persons of which it has none.

    An answer has words of its own: why and how are answered in others than they are asked in, who and where are not. A later
    question of a conversation has few, and its answer need not repeat them.
    """
    if not _is_models(draft) or draft.record.turns:
        return None
    question, names = draft.record.instruction, " ".join(p.company or p.document for p in draft.passages)
    told = draft.record.output + " ".join(quote.quote for quote in draft.record.evidence)
    families = _pairs if draft.record.language == "zh" else _families
    asked = families(question) - families(names)
    if len(asked) >= LEAST_ASKED and len(asked & families(told)) < ANSWERED[draft.record.language] * len(asked):
        return f"{len(asked & families(told))} of {len(asked)} words of the question are in the answer"
    for part in _ABOUT_PERSONS.finditer(question):
        asked = families(part[1]) - families(names)
        if asked and not asked & families(told):
            return f"not answered: {part[0].strip()[:80]}"
    return None


def unfounded_cause(draft: Draft) -> str | None:
    """A cause of whose characters the passages have few. In English an honest inference has as few words of theirs."""
    if not draft.passages:
        return None
    there = _pairs(_passages(draft))
    for match in _CAUSE.finditer(draft.record.output):
        pairs = _pairs(next(group for group in match.groups() if group))
        if len(pairs) >= 6 and len(pairs & there) < FOUNDED * len(pairs):
            return f"a cause that the passages do not give: {match[0][:80]}"
    return None


def _is_models(draft: Draft) -> bool:
    return ":" in (draft.record.teacher or "")  # provider:model


def _passages(draft: Draft) -> str:
    return "\n".join(passage.text for passage in draft.passages)


def _stands(words: str, draft: Draft) -> bool:
    return fold(words) in fold(_passages(draft))


def _families(text: str) -> set[str]:
    """The words that tell, by how they begin: measure, measures and measured are one."""
    words = {word.lower().strip("’'-") for word in _WORD.findall(text)}
    return {word[:LEAST_STEM] for word in words if word not in _STOP}


def _pairs(text: str) -> set[str]:
    runs = re.findall(r"[\u3400-\u9fff]+", text)
    return {run[at : at + 2] for run in runs for at in range(len(run) - 1)}


def _figures(text: str) -> Iterator[str]:
    for found in re.finditer(r"(?<![A-Za-z0-9_.])\d[\d,]*(?:\.\d+)?", text):
        plain = found[0].replace(",", "").rstrip(".")
        if not (len(plain) <= 4 and "." not in plain):  # years, days, counts
            yield plain


def _script(text: str) -> str:
    """Which script most of the characters are of that only one of the two has; "" where there are few."""
    traditional, simplified = len(_only(text, "big5", "gb2312")), len(_only(text, "gb2312", "big5"))
    if traditional + simplified < 6:
        return ""
    return "traditional" if traditional > simplified else "simplified"


def _other_script(text: str, source: str) -> str:
    own = _script(source)
    if not own:
        return ""
    codecs = ("big5", "gb2312") if own == "simplified" else ("gb2312", "big5")
    return "".join(char for char in _only(text, *codecs) if char not in source)


def _only(text: str, codec: str, other: str) -> str:
    """The Han characters that one character set has and the other lacks."""
    return "".join(
        char for char in dict.fromkeys(text) if _HAN.match(char) and _has(char, codec) and not _has(char, other)
    )


def _has(char: str, codec: str) -> bool:
    try:
        char.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
