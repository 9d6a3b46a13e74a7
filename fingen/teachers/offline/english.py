"""English rules of the offline teacher."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fingen.prompts import report_name
from fingen.records import Passage
from fingen.teachers.offline.extract import Concept, Pair, Rules, Topic, pick

_POINTS = re.compile(
    r"\b(?:as follows|the following|(?:table|chart|graph|list|discussion|section)s? (?:below|above)|"
    r"(?:presented|described|discussed|set forth|listed|shown|noted|summarized|outlined|included) "
    r"(?:below|above|elsewhere|in (?:the|this|our|Note|Item|Part))|"
    r"see (?:Note|Item|Part|page|“|\"|our|the)|refer to|this (?:table|section|report|discussion|item|note)|herein(?:after)?|"
    r"(?:Note|Item|page) \d+|incorporated by reference|Exhibit \d|page \d)",
    re.IGNORECASE,
)  # fmt: skip
_LEANS = re.compile(
    r"(?:It|Its|This|That|These|Those|They|Their|Such|He|She|His|Her|However|In addition|Additionally|Furthermore|Moreover|"
    r"Also|Therefore|Thus|Accordingly|As a result|As such|Consequently|Instead|Otherwise|Similarly|Likewise|Conversely|"
    r"For example|For instance|Finally|Second|Third|First|Lastly|Further|Nevertheless|Nonetheless|In contrast|"
    r"In (?:this|that|these|such)|At (?:this|that)|If (?:so|not)|The (?:latter|former|same|remaining|other|increase|decrease|"
    r"decline|change|improvement)|Both|Each of (?:these|them)|Other|Another|And|But|Or|So|On the other hand|To (?:this|that) end|"
    r"Under (?:this|these)|Subsequently|Thereafter|Then|Any such|All of (?:these|this)|Some of these|Many of these)\b"
)
_SKIPPED = re.compile(
    r"table of contents|^contents$|glossary of exhibits|exhibits?\b|signatures?$|forward[- ]looking|cautionary|safe harbor|"
    r"certification|incorporated by reference|securities and exchange commission|independent (?:registered|auditor)|auditor.s|"
    r"consent of|power of attorney|index to|available information|website|mine safety|unresolved staff|reserved|"
    r"conference call|about (?:us|ulta|mgm)|contact|shareholder information|corporate (?:information|directory)|"
    r"directors$|notice of annual|schedule ii|opinion on|basis for opinion|critical audit|transition services|"
    r"form 10-k summary|^article [ivx\d]|^section \d|^appendix|award agreement|^risk factors$",
    re.IGNORECASE,
)
_POLICY = re.compile(
    r"accounting polic|critical accounting|critical estimate|significant accounting|new accounting|pronouncement",
    re.IGNORECASE,
)
_RISK = re.compile(r"\brisks?\b", re.IGNORECASE)
_NUMBERING = re.compile(
    r"^(?:PART [IVX]+[.,]?|Item\s?\d{1,2}[A-C]?\.?|Note\s?\d{1,2}|\d{1,2}(?:\.\d{1,2})*|\(?[a-z]\))[\s.:)–—-]+",
    re.IGNORECASE,
)
_GENERIC_TITLE = re.compile(
    r"(?:annual report|(?:condensed )?(?:notes to|consolidated (?:financial )?statement)|financial statements|form 10|"
    r"united states|report of|directors[’'] report|part [ivx]+)\b",
    re.IGNORECASE,
)
_GENERIC = frozenset(
    "overview general introduction background description other summary discussion results notes continued highlights "
    "judgments details definition definitions business operations financial information assets liabilities".split()
)
_STOPWORDS = frozenset(
    "the and for with that this from are was were has have had not may our its their which other such been will would "
    "could also than more these those any all can into over under year years ended during between through upon each "
    "including".split()
)
_NOT_SUBJECTS = re.compile(
    r"(?:It|Its|This|That|These|Those|There|Here|We|Our|They|He|She|In|On|At|As|For|If|When|While|Because|During|Under|With|"
    r"To|By|Since|Although|However|Such|Each|Any|All|Some|Many|Most|No|None|Other|Both|Neither|What|Who|Where|Also|Included|"
    r"Excluding|Including|Based|Among|Through|Until|After|Before|Another|Once|Whether|Upon|Unless|Additionally|Currently|"
    r"Effective|Approximately|Substantially|Certain|Management|One|Two|Three|Not|From|Given|Due|A number|A portion|A change|"
    r"A strong|Amounts|"
    r"The (?:Company|Group|following|above|increase|decrease|amounts?|table|results|majority|fact|result|number|timing|impact))\b"
)
_NOUN = r"[A-Za-z][\w’'&/-]*"
_DEFINED = re.compile(
    r"^(?:The terms? )?[“\"]([^”\"]{2,60})[”\"](?: or [“\"][^”\"]{1,40}[”\"])? "
    r"(?:means?|refers? to|is defined as|shall mean|has the meaning)\b"
)
_WE_DEFINE = re.compile(
    rf"\b[Ww]e (?:generally |currently )?define ({_NOUN}(?: [\w’'&/()-]+){{0,6}}?) (?:as|to (?:be|mean|include))\b"
)
_IS_A = re.compile(
    rf"^((?:An? |The )?{_NOUN}(?: [\w’'&/()-]+){{0,5}}?) (?:is|are) "
    r"(?:an? |the |one of the |those |defined as |measured as |calculated as |designed to |intended to )"
)
_SUBJECT = rf"^((?:The |Our )?{_NOUN}(?: [\w’'&/()-]+){{0,5}}?)"
_CONSISTS = re.compile(rf"{_SUBJECT} (?:consists? (?:primarily |principally |mainly |largely )?of|comprises?) ")
_MEANS = re.compile(rf"{_SUBJECT} (?:represents?|refers? to|means?) ")
_CAUSE = (
    r"due to|driven by|because|as a result of|reflecting|attributable to|attributed to|resulting from|the result of"
)
_WHY = re.compile(
    r"^((?:Our |The )?[A-Z][\w’'&/() –-]{2,80}?) "
    r"(increased|decreased|declined|rose|fell|grew|improved|dropped|widened|narrowed)\b"
    rf"(?=.{{0,260}}?\b(?:{_CAUSE})\b)(.*)"
)
_BASE = {"increased": "increase", "decreased": "decrease", "declined": "decline", "rose": "rise", "fell": "fall", "grew": "grow",
         "improved": "improve", "dropped": "drop", "widened": "widen", "narrowed": "narrow"}  # fmt: skip
_WHEN = re.compile(
    r"\b(?:in|during|for) (?:the )?(?:(?:first|second|third|fourth) quarter of )?"
    r"(?:fiscal(?: year)? |year ended [A-Z][a-z]+ \d{1,2}, )?(?:FY)?(?:20)\d\d\b"
)
_VERBS = re.compile(r"\b(?:is|are|was|were|has|have|had|that|which|who|will|may|can|does|do)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\b(?:we|our|us|ours)\b", re.IGNORECASE)
_BIOGRAPHY = re.compile(
    r"\b(?:joined|was appointed|has served|holds an? (?:Bachelor|Master|degree)|years[’'] experience)\b"
)


def _usable(text: str) -> bool:
    if not (40 <= len(text) <= 700 and text[-1] in '.!?”"' and (text[0].isupper() or text[0] in '“"')):
        return False
    if (
        " | " in text
        or _POINTS.search(text)
        or text.count("(") != text.count(")")
        or text.count("“") != text.count("”")
    ):
        return False
    digits = sum(map(str.isdigit, text))
    return digits < 0.25 * len(text) and not text.endswith(("etc.", "No.")) and len(text.split()) >= 7


def _terms(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in _STOPWORDS]


def _company(passage: Passage) -> str:
    return passage.company or "the company"


def _possessive(name: str) -> str:
    return f"{name}’" if name.endswith("s") else f"{name}’s"


def _report(passage: Passage) -> str:
    return report_name(passage.period, "en")


def _attribute(text: str, passage: Passage) -> str:
    """Text that says "we" is quoted as the company's own words."""
    if not _FIRST_PERSON.search(text):
        return text
    inner = text.replace("“", "‘").replace("”", "’")
    return f"{_company(passage)} states in its {_report(passage)}: “{inner}”"


def _title(topic: Topic) -> str | None:
    """What the topic is about, in words that fit into a question; None where no heading says it.

    A short title comes with the section that it is in: reports have many headings such as "Goodwill".
    """
    titles = [title for raw in topic.path[-3:] if (title := _plain_title(raw))]
    if not titles:
        return None
    name = titles[-1]
    if len(name.split()) <= 4 and len(titles) > 1 and not _is_sentence(titles[-2]) and len(titles[-2].split()) <= 9:
        return f"{name}” in the section “{titles[-2]}"
    return name


def _plain_title(raw: str) -> str | None:
    title = _NUMBERING.sub("", raw).strip(" .:–—-•*¨")
    title = re.sub(r"\s*\(?(?:continued|cont[’']?d)\)?$", "", title, flags=re.IGNORECASE)
    words = title.split()
    if not len(title) >= 4 or len(words) > 30 or not title[0].isalpha() or _GENERIC_TITLE.match(title):
        return None
    if len(words) == 1 and words[0].casefold() in _GENERIC:
        return None
    return title.capitalize() if title.isupper() else title


def _is_sentence(title: str) -> bool:
    """Whether a heading states something, as those of risk factors do, and names no subject."""
    words = title.split()
    return len(words) > 5 and sum(word[0].islower() for word in words) >= 0.6 * len(words)


def _summary_question(topic: Topic, passage: Passage) -> tuple[str, str] | None:
    title = _title(topic)
    if title is None or any(_BIOGRAPHY.search(sentence.text) for sentence in topic.sentences[:3]):
        return None
    company, report, name = _company(passage), _report(passage), title.strip('"')
    path = " ".join(topic.path)
    plain = name.split("” in the section “")[0]
    if _is_sentence(plain):
        return pick([
            (f"What does {company} say in its {report} about the statement “{name}”?",
             f"How does {company} explain “{name}” in its {report}?"),
        ], name) if not _RISK.search(path) or name.lower().startswith("risk") else pick([
            (f"How does {company} explain the risk “{name}” in its {report}?",
             f"What does {_possessive(company)} {report} say about the following risk: “{name}”?"),
            (f"Why does {company} name the risk “{name}” in its {report}?",
             f"How does the {report} of {company} describe the risk “{name}”?"),
        ], name)  # fmt: skip
    if _POLICY.search(path):
        return (f"How does {company} treat “{plain}” in the accounting policies and estimates of its {report}?",
                f"What accounting policy or estimate does {company} describe for “{plain}” in its {report}?")  # fmt: skip
    if _RISK.search(name):
        return (f"What does {company} report about “{name}” in its {report}?",
                f"Summarize what {_possessive(company)} {report} says about “{name}”.")  # fmt: skip
    return pick([
        (f"What does {company} report on “{name}” in its {report}?",
         f"Summarize what {_possessive(company)} {report} says about “{name}”."),
        (f"Summarize the section “{name}” of {_possessive(company)} {report}.",
         f"What are the main points on “{name}” in the {report} of {company}?"),
        (f"What are the main points that {company} makes on “{name}” in its {report}?",
         f"Give a summary of “{name}” as {company} describes it in its {report}."),
    ], name)  # fmt: skip


def _concepts(topic: Topic, passage: Passage) -> Iterator[Concept]:
    company, report = _company(passage), _report(passage)
    policy = 1.0 if _POLICY.search(" ".join(topic.path)) else 0.0
    for at, sentence in enumerate(topic.sentences):
        text = sentence.text
        if (found := _DEFINED.match(text)) or (found := _WE_DEFINE.search(text)):
            term = found[1].strip()
            yield Concept(at, f"What does “{term}” mean in {_possessive(company)} {report}?",
                          f"How does {company} define “{term}” in its {report}?", 1.0 + policy)  # fmt: skip
        elif why := _why(text, passage):
            yield Concept(at, *why, 0.0)
        elif (found := _CONSISTS.match(text)) and (term := _term(found[1], passage)):
            yield Concept(at, f"What makes up {term} at {company}, according to its {report}?",
                          f"How does {company} describe the make-up of {term} in its {report}?", 0.5 + policy)  # fmt: skip
        elif (found := _MEANS.match(text)) and (term := _term(found[1], passage)):
            yield Concept(at, f"What does {company} mean by {term} in its {report}?",
                          f"What does {term} stand for in {_possessive(company)} {report}?", 0.5 + policy)  # fmt: skip
        elif (found := _IS_A.match(text)) and (term := _term(found[1], passage)):
            yield Concept(at, f"How does {company} explain {term} in its {report}?",
                          f"What is said about the nature of {term} in {_possessive(company)} {report}?", 0.6 + policy)  # fmt: skip


def _why(text: str, passage: Passage) -> tuple[str, str] | None:
    found = _WHY.match(text)
    if not found:
        return None
    subject = re.sub(r"^(?:Our|The) ", "", found[1]).strip()
    if (
        _NOT_SUBJECTS.match(found[1].replace("Our ", "", 1))
        or _VERBS.search(subject)
        or not 1 <= len(subject.split()) <= 9
    ):
        return None
    if re.search(r"\d|,$", subject):
        return None
    when = _WHEN.search(re.split(rf"\b(?:compared|than|from|over|versus|against|{_CAUSE})\b", found[3])[0])
    time = f" {when[0]}" if when else ""
    subject = _lowered(subject, passage)
    company, report, verb = _company(passage), _report(passage), _BASE[found[2]]
    return (f"Why did {_possessive(company)} {subject} {verb}{time}, according to its {report}?",
            f"What caused the {subject} of {company} to {verb}{time}, as its {report} explains?")  # fmt: skip


def _term(raw: str, passage: Passage) -> str | None:
    """A subject fit to be asked for: a noun phrase, not a pronoun and not a clause."""
    if _NOT_SUBJECTS.match(raw) or _VERBS.search(raw) or len(raw) < 4 or re.search(r"\d|[()]", raw):
        return None
    bare = re.sub(r"^(?:The|An?|Our) | (?:generally|primarily|typically|also|usually|mainly)$", "", raw)
    if re.search(r"\b(?:below|above|following|remaining|foregoing|same)\b", bare):
        return None
    if len(bare) < 4 or _company(passage).casefold().startswith(bare.casefold()):
        return None
    if len(bare.split()) == 1 and bare.casefold() in _GENERIC | {
        "revenue",
        "income",
        "employees",
        "customers",
        "products",
    }:
        return None
    return f"“{bare if raw == bare and not bare[0].islower() and _is_name(bare, passage) else _lowered(bare, passage)}”"


def _lowered(phrase: str, passage: Passage) -> str:
    """A phrase from the start of a sentence as it reads inside one."""
    first, *others = phrase.split()
    if _is_name(first, passage) or any(word[0].isupper() for word in others):
        return phrase
    return phrase[0].lower() + phrase[1:]


def _is_name(phrase: str, passage: Passage) -> bool:
    """Whether a word is capitalized inside sentences too."""
    word = phrase.split()[0]
    if word[1:] != word[1:].lower():
        return True
    return (
        re.search(rf"[a-z,] {re.escape(word)}\b", passage.text) is not None and f" {word.lower()}" not in passage.text
    )


def _from_tables(topic: Topic, passage: Passage) -> Iterator[Pair]:
    return iter(())  # English reports explain their figures in sentences, and so do their glossaries


RULES = Rules(
    joint=" ",
    concept_length=(70, 700),
    summary_length=(260, 1100),
    usable=_usable,
    leans=_LEANS,
    skipped=_SKIPPED,
    terms=_terms,
    size=len,
    attribute=_attribute,
    concepts=_concepts,
    from_tables=_from_tables,
    summary_question=_summary_question,
    in_order=_POLICY,
    own=re.compile(r"\b(?:[Ww]e|[Oo]ur|us|[Tt]he (?:Company|Group|Bank))\b"),
)
