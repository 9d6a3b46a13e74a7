"""English rules of the offline teacher."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fingen.prompts import report_name
from fingen.records import Passage
from fingen.teachers.offline.extract import Concept, Pair, Rules, Sentence, Topic, pick

_POINTS = re.compile(
    r"\b(?:as follows|the following|(?:table|chart|graph|list|discussion|section)s? (?:below|above)|"
    r"(?:presented|described|discussed|set forth|listed|shown|noted|summarized|outlined|included|provided|given|detailed|set out) "
    r"(?:below|above|elsewhere|in (?:the|this|our|Note|Item|Part))|"
    r"see (?:Note|Item|Part|page|“|\"|our|the)|(?-i:See [A-Z])|"
    r"refer to|this (?:table|section|report|discussion|item|note)|herein(?:after)?|"
    r"(?:Note|Item|page) \d+|incorporated by reference|Exhibit \d|page \d)|"
    r"\bthe (?:above|below|foregoing|preceding)\b|\b(?:above|below|overleaf)[.,;:)]|\b(?:shown|disclosed) (?:with)?in the\b|"
    r"\b(?:in|of) the (?:table|chart)s?\b|https?:|\bwww\.|\bweb ?(?:site|page)|\bwebcast|\bconference call",
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
    r"contact|(?:share|stock)holder|investors?$|corporate (?:information|directory)|governance|committee|going concern|"
    r"responsibilit|key audit|biograph|indemni|disabled|remuneration|employment agreement|"
    r"basis of (?:preparation|consolidation|presentation)|"
    r"principles of consolidation|pronouncement|(?:new|recent(?:ly)?)\b.{0,30}\bstandards|^ordinary shares|"
    r"use of estimates|^(?:[A-Za-z]\.? )?accounting policies$|rounding|non-audit|country of incorporation|rate reform|IFRIC|"
    r"human (?:capital|rights)|diversity|inclusion|\bD?E&I\b|employee (?:engagement|compensation)|\bculture\b|communit(?:y|ies)\b|"
    r"^our (?:people|values|purpose|vision|mission)|philanthrop|volunteer|sustainab|\bESG\b|environmental and social|modern slavery|"
    r"^about \w|tax consolidation|withholding|\bholders$|mortality|hedge accounting|^(?:trade )?compliance$|\bchief \w+ officer|"
    r"well-?being|responsible sourcing|energy footprint|privacy|stakeholder|section 172|"
    r"directors$|notice of annual|schedule ii|opinion on|basis for opinion|critical audit|transition services|"
    r"controls and procedures|internal control|^letter (?:from|to)|"
    r"form 10-k summary|^article [ivx\d]|^section \d|^appendix|award agreement|^risk factors$",
    re.IGNORECASE,
)
_AUDITS = re.compile(
    r"\b(?:our audit|we identified .{3,80} as a (?:key|significant) |audit (?:procedures|evidence|opinion)|engagement team)\b"
)
_POLICY = re.compile(
    r"accounting polic|critical accounting|critical estimate|significant accounting|new accounting|pronouncement",
    re.IGNORECASE,
)
_RISK = re.compile(r"\brisks?\b", re.IGNORECASE)
_NUMBERING = re.compile(
    r"^(?:PART [IVX]+[.,]?|Item\s?\d{1,2}[A-C]?\.?|Note\s?\d{1,2}|\d{1,2}(?:\.\d{1,2})*|\(?(?:[a-z]|[ivx]{1,4}|\d{1,2})\))[\s.:)–—-]+",
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
_TORN = frozenset("a an and as at by for from in into of on or our the their to with".split())
_DISCLAIMS = re.compile(
    r"supplemental (?:disclosure|measure)|non-GAAP (?:financial )?measures?\b|no assurance|forward-looking", re.I
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
    r"(?:means?|refers? to|is defined as|shall mean|is|are)\b"
)
_WE_DEFINE = re.compile(
    rf"\b[Ww]e (?:generally |currently )?define ({_NOUN}(?: [\w’'&/()-]+){{0,6}}?) (?:as|to (?:be|mean|include))\b"
)
_IS_A = re.compile(
    rf"^((?:The )?{_NOUN}(?: [\w’'&/()-]+){{0,5}}?) (?:is|are) "
    r"(?:an? |(?<=is )the |one of the |defined as |measured as |calculated as |designed to )"
)
_SUBJECT = rf"^((?:The |Our )?{_NOUN}(?: [\w’'&/()-]+){{0,5}}?)"
_CONSISTS = re.compile(rf"{_SUBJECT} (?:consists? (?:primarily |principally |mainly |largely )?of|comprises?) ")
_MEANS = re.compile(
    rf"{_SUBJECT} (?:represents? (?!just|only|one|two|about|approximately|\d)|refers? to |means? (?!that))"
)
_CAUSE = (
    r"due to|driven by|because|as a result of|reflecting|attributable to|attributed to|resulting from|the result of"
)
_WHY = re.compile(
    r"^((?:Our |The )?[A-Z][\w’'&/() –-]{2,80}?) "
    r"(increased|decreased|declined|rose|fell|grew|improved|dropped|widened|narrowed)\b"
    rf"(?=(?:(?!\bincluding\b).){{0,260}}?\b(?:{_CAUSE})\b)(.*)"
)
_BASE = {"increased": "increase", "decreased": "decrease", "declined": "decline", "rose": "rise", "fell": "fall", "grew": "grow",
         "improved": "improve", "dropped": "drop", "widened": "widen", "narrowed": "narrow"}  # fmt: skip
_WHEN = re.compile(
    r"\b(?:in|during|for) (?:the )?(?:(?:first|second|third|fourth) quarter of )?"
    r"(?:fiscal(?: year)? |year ended [A-Z][a-z]+ \d{1,2}, )?(?:FY)?(?:20)\d\d\b"
)
_MOVED = re.compile(
    r"^((?:Our |The )?[A-Z][\w’'&/() –-]{2,80}?) (increased|decreased|declined|rose|fell|grew|improved|dropped)\b"
    r"([^.]{0,80}\d.{0,160}\b(?:compared (?:to|with) .{0,80}\d|(?:from|versus) [$£€\d]).*)"
)
_QUARTER = re.compile(
    r"\b(?:(?:first|second|third|fourth) quarter|quarter|three months|thirteen weeks)\b", re.IGNORECASE
)
_THIS_QUARTER = re.compile(r"\b(?:current|this|prior year) quarter\b", re.IGNORECASE)
_TITLES_QUARTER = re.compile(r"\b(?:(first|second|third|fourth) quarter|three months ended)\b", re.IGNORECASE)
_TITLES_YEAR = re.compile(
    r"\b(?:(?:full|fiscal|whole)[- ]year|(?:twelve months|years?) ended|annual|year-to-date)\b", re.IGNORECASE
)
_COMMONPLACE = re.compile(
    r"\b(?:recogni[sz]ed|measured|carried at|stated at|classified|amorti[sz]ed|fair value|intrinsic value|carrying amount|present value|"
    r"(?:credit|liquidity|market|currency|interest rate) risk|credit loss(?:es)?|effective interest|going concern|IFRS|IAS|ASC|ASU|GAAP|"
    r"deferred tax|impairment|useful li(?:fe|ves)|equity|capital (?:management|risk)|remuneration|"
    r"financial (?:statements|instruments|risks?)|risk of (?:financial )?loss|judge?ments?|reporting date|"
    r"operating segments?|organi[sz]ations|commit(?:ted|ment) to|strives?|believes? that|look forward|confidence|"
    r"importan(?:t|ce)|responsible|terms and conditions|seamless|harness)\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"\b(?:consists? (?:primarily|principally|mainly) of|(?:is|are) (?:calculated|computed) (?:by dividing|using)|weighted[- ]average|"
    r"cash on hand|bank deposits)\b",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"\b(?:leading|world[- ]class|trusted|pride[sd]?|passion(?:ate)?|empower(?:s|ing|ed)?|thriv(?:e|es|ing)|excellence|best[- ]in[- ]class|"
    r"innovative|cutting[- ]edge|our (?:mission|purpose|values|culture)|dedicated to|high(?:est)? quality|optimi[sz]es?|uniquely|"
    r"award[- ]winning|well[- ]positioned|delighted|exceptional|outstanding (?:service|team|people))\b",
    re.IGNORECASE,
)
_SPANS = re.compile(r"(?:years? ended (?:\d+ )?[A-Z]\w+(?: \d+,)?|\bfiscal(?: years?)?|\bFY) ?(20\d\d)")
_STATES = re.compile(r"^(?:We|Our|If|Failure)\b|\b(?:could|would|might|must|depends?)\b")
_SLOGAN = re.compile(r"(?:\w+ing|\w+ed) (?:our|on|in|to|for|the|a|an|up|with|through|by)\b", re.IGNORECASE)
_TEXTBOOK_TITLES = re.compile(
    r"(?:restricted )?cash\b|(?:basic |net )?(?:earnings|income|loss)\b.{0,12} per share|(?:concentrations? of )?credit risk|fair value|"
    r"leases?$|income taxes|advertising|foreign currenc|contingencies|comprehensive income|property and equipment|segment",
    re.IGNORECASE,
)
_COMPARED = re.compile(r"\b(?:compared (?:to|with)|from|than|versus|over|against)\b(?:[^.;,]|[.,](?=\d)){0,80}")
_CHANGES = re.compile(r"\b(?:compared|increased?|decreased?|rose|fell|grew|declined?)\b", re.IGNORECASE)
_WEAK = frozenset(  # words of headings that say nothing of their subject: half of all risks have them
    "able adverse adversely affect affected business certain changes company condition continue could financial future have impact "
    "including material materially operations other result results risks significant subject that their there these this which will "
    "with would your from more such".split()
)
_TOPICS = frozenset(  # single words that say in any report what a section is about
    "acquisitions backlog borrowings cash commitments competition contingencies customers debt deposits disposals dispositions "
    "distribution distributions divestitures dividends employees equity goodwill impairment insurance inventories inventory investments "
    "leases legal liquidity litigation loans manufacturing marketing markets outlook patents pensions products properties property "
    "provisions receivables regulation restructuring revenue revenues sales seasonality strategy subsidiaries suppliers tax taxation taxes "
    "trademarks warrants".split()
)
_MEASURE = re.compile(
    r"\b(?:revenues?|sales|income|profit|margin|costs?|expenses?|segment|ratio|EBITDA\w*|EPS|debt|cash flows?|backlog|bookings|portfolio|"
    r"working capital|projects?|licen[cs]e|provisions?|verticals?|return)\b",
    re.IGNORECASE,
)
_OFFERED = re.compile(
    rf"{_MEASURE.pattern}|\b(?:services|software|products|business(?:es)?|solutions|division)\b", re.IGNORECASE
)
_LAWS = re.compile(
    r"\b(?:Circulars?|Regulations?|Act|Laws?|SEC|SAFE|IRS|Commission|Ministry|authorit(?:y|ies)|pursuant to|Bank of [A-Z]\w+|Directive|"
    r"regulations|rules)\b"
)
_KIND = re.compile(
    r"\b(?:compan(?:y|ies)|subsidiary|business|developer|provider|producer|manufacturer|retailer|operator|supplier|landlords?|explorer|"
    r"project|mine|deposit|platform|product|brand|drug|treatment|therapy|inhibitor|vaccine|software|marketplace|joint venture|bank)\b"
)
_NO_KIND = re.compile(r"\b(?:committee|board|auditors?|firms|member|fellow|part of|element|example)\b", re.IGNORECASE)
_ROLES = frozenset(
    "Investment Manager Adviser Advisor Administrator Custodian Registrar Depositary Plan Agreement Fund Scheme".split()
)
_FIGURE = re.compile(r"[$£€¥]\s?\d|\d%|\d,\d{3}|\d\.\d|\d (?:percent|per cent|years|million|billion)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")
_COMMON = frozenset(
    "Group Company Companies Board Director Directors Management Bank Corporation Parent Trust Level Note Notes Financial International "
    "Accounting Standard Standards Reporting Consolidated Statement Statements Annual Report Income Comprehensive Codification Policy "
    "Topic Executive Chief Operating Decision Maker Securities Other January February March April May June July August September "
    "October November December General Meeting Act Black Scholes Monte Carlo".split()
)
_BARE = re.compile(
    r"(?:[$£€¥]|\b(?:CHF|EUR|USD|GBP|AUD|CAD|JPY|RMB|HKD|NIS))\s?(\d{1,3}(?:,\d{3}){0,2}(?:\.\d)?)(?![\d,]|\.\d)"
    r"(?! ?(?:m|bn|k)\b)(?!.{0,30}?\b(?:million|billion|thousand|per|each)\b)"
)
_VERBS = re.compile(r"\b(?:is|are|was|were|has|have|had|that|which|who|will|may|can|does|do)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\b(?:we|our|us|ours)\b", re.IGNORECASE)
_OWN = re.compile(r"\b(?:[Ww]e|[Oo]ur|us|[Tt]he (?:Company|Group|Bank))\b")
_BIOGRAPHY = re.compile(
    r"\b(?:joined|was appointed|has served|holds an? (?:Bachelor|Master|degree)|years(?:[’']| of) .{0,30}experience|"
    r"[Nn]on-[Ee]xecutive [Dd]irector of|He|She|his|her|[Pp]rior to joining|has an? (?:degree|MBA)|degree from|worked (?:at|for))\b"
)


def _usable(text: str) -> bool:
    if not (40 <= len(text) <= 1000 and text[-1] in '.!?”"' and (text[0].isupper() or text[0] in '“"')):
        return False
    if (
        " | " in text
        or _POINTS.search(text)
        or text.count("(") != text.count(")")
        or text.count("“") != text.count("”")
    ):
        return False
    if _AUDITS.search(text) or any(_is_unscaled(found[1]) for found in _BARE.finditer(text)):
        return False
    digits = sum(map(str.isdigit, text))
    return digits < 0.25 * len(text) and not text.endswith(("etc.", "No.")) and len(text.split()) >= 7


def _is_unscaled(amount: str) -> bool:
    """Whether nobody can tell from the sentence if an amount is in units, thousands or millions."""
    return amount.count(",") < 2 and not amount.endswith(",000")


def _is_told(topic: Topic, text: str, passage: Passage) -> bool:
    """Whether the text is about its heading, and says what not every company's report says.

    A heading of which no word comes back is that of another text. Sentences on recognition and measurement are those of the
    standards, unless figures or names of the company's own stand in them.
    """
    title = _plain_title(topic.path[-1]) if topic.path else None
    if title and not topic.sentences[0].is_item and not _shares_words(title, text):
        return False
    path = " ".join(topic.path)
    is_companys = _OWN.search(text) is not None or _company(passage).split()[0] in text
    if _RISK.search(path) and title and _states(title):
        return is_companys
    if _is_of_year_before(text, passage):
        return False
    if len(set(map(str.casefold, _PRAISE.findall(text)))) > 1 and not _FIGURE.search(text):
        return False
    if _POLICY.search(path) and _TEXTBOOK_TITLES.match(title or ""):
        return False
    is_common = _POLICY.search(path) or _COMMONPLACE.search(f"{title}. {text}") or _DEFINES.search(text)
    return _is_own(text, passage) if is_common else True


def _is_of_year_before(text: str, passage: Passage) -> bool:
    """Whether a text compares years of which none is the report's: nobody would take the question for those."""
    years = {(passage.period.end or "")[:4], str(passage.period.fiscal_year)}
    told = _SPANS.findall(_COMPARED.sub("", text))
    return bool(told and _CHANGES.search(text)) and not years & set(re.findall(r"20\d\d", _COMPARED.sub("", text)))


def _is_own(text: str, passage: Passage, names: int = 3) -> bool:
    """Whether figures stand in a text, or names that are neither the company's nor those of any company's accounts."""
    own = set(_company(passage).split())
    return _FIGURE.search(text) is not None or len(set(_NAME.findall(text)) - _COMMON - own) >= names


def _shares_words(title: str, text: str) -> bool:
    stems, told = (
        {word[:5] for word in re.findall(r"[a-z]{4,}", words.lower()) if word not in _WEAK} for words in (title, text)
    )
    return not stems or 3 * len(stems & told) >= len(stems)


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


def _title(topic: Topic, passage: Passage) -> str | None:
    """What the topic is about, in words that fit into a question; None where no heading says it.

    A short title comes with the section that it is in: reports have many headings such as "Goodwill".
    """
    titles = [title for raw in topic.path[-3:] if (title := _plain_title(raw))]
    if not titles or (topic.is_opened and _plain_title(topic.path[-1]) is None and len(topic.path[-1].split()) > 1):
        return None  # what stands here has a heading of its own, and it is none to ask by
    name = titles[-1]
    is_placed = (
        topic.path == passage.section
    )  # a heading inside a passage may stand beside the one above as well as below
    if (
        is_placed
        and len(name.split()) <= 4
        and len(titles) > 1
        and not _is_sentence(titles[-2])
        and len(titles[-2].split()) <= 9
    ):
        return f"{name}” in the section “{titles[-2]}"
    return name


def _plain_title(raw: str) -> str | None:
    title = _NUMBERING.sub("", raw).strip(" .:–—-•*¨")
    title = re.sub(r"\s*\(?(?:continued|cont[’']?d)\)?$", "", title, flags=re.IGNORECASE)
    words = title.split()
    if not len(title) >= 4 or len(words) > 30 or not title[0].isalpha() or _GENERIC_TITLE.match(title):
        return None
    if re.search(r"[%$£€…]|\.{3}|\bannual report\b", title, re.IGNORECASE) or words[-1].lower() in _TORN:
        return None  # a figure on display, a line of contents, half a heading
    if _RISK.match(title) and not re.search(r"\b(?:may|might|could|can|will)\b", title):
        return title if len(words) == 2 and words[-1].lower() == "risk" else None  # over many risks
    if len(words) == 1 and words[0].casefold() in _GENERIC:
        return None
    is_code = re.search(r"\d", title) or (len(words) == 1 and len(title) <= 5)  # an abbreviation stays as it is
    return title.capitalize() if title.isupper() and not is_code else title


def _is_sentence(title: str) -> bool:
    """Whether a heading states something, as those of risk factors do, and names no subject."""
    words = title.split()
    return len(words) > 5 and sum(word[0].islower() for word in words) >= 0.6 * len(words)


def _states(title: str) -> bool:
    """Whether a heading is a whole statement, with a verb."""
    return _is_sentence(title) and (_VERBS.search(title) or _STATES.search(title)) is not None


def _summary_question(topic: Topic, passage: Passage) -> tuple[str, str] | None:
    title = _title(topic, passage)
    if title is None or any(_BIOGRAPHY.search(sentence.text) for sentence in topic.sentences[:3]):
        return None
    company, report, name = _company(passage), _report(passage), title.strip('"')
    path = " ".join(topic.path)
    plain = name.split("” in the section “")[0]
    if not _is_subject(plain, topic, passage):
        return None
    quarter = _quarter(topic, passage)
    if any(_THIS_QUARTER.search(sentence.text) for sentence in topic.sentences):
        report = f"{report}, for the quarter"
    elif quarter is None:
        return None
    elif quarter:
        report = f"{report}, for {quarter}"
    if _states(plain) and _RISK.search(path):
        return pick([
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


def _is_subject(title: str, topic: Topic, passage: Passage) -> bool:
    """Whether a reader who has only the question knows what a heading is about, and the text below is about the company."""
    words, company = title.split(), _company(passage)
    if {word.casefold() for word in words} <= {word.casefold() for word in re.findall(r"\w+", company)}:
        return False
    text = " ".join(sentence.text for sentence in topic.sentences)
    if len(_LAWS.findall(text)) > 1 and not _OWN.search(text) and company.split()[0] not in text:
        return False  # the law of a country
    if _SLOGAN.match(title) and not _FIGURE.search(text):
        return False
    if _is_sentence(title) and not _RISK.search(" ".join(topic.path)):
        return not _states(title) and len(words) <= 12
    return len(words) > 1 or title.endswith("s") or title.casefold() in _TOPICS or _is_name(title, passage)


def _concepts(topic: Topic, passage: Passage) -> Iterator[Concept]:
    company, report = _company(passage), _report(passage)
    policy = 1.0 if _POLICY.search(" ".join(topic.path)) else 0.0
    for at, sentence in enumerate(topic.sentences):
        text = sentence.text
        if (found := _DEFINED.match(text)) or (found := _WE_DEFINE.search(text)):
            term = found[1].strip()
            yield Concept(at, f"What does “{term}” mean in {_possessive(company)} {report}?",
                          f"How does {company} define “{term}” in its {report}?", 1.0 + policy)  # fmt: skip
        elif why := _why(text, topic, passage):
            yield Concept(at, *why, 0.0)
        elif how := _how(text, topic, passage):
            yield Concept(at, *how, 0.7)
        elif (
            _DISCLAIMS.search(text)
            or _BIOGRAPHY.search(topic.paragraphs[sentence.paragraph])
            or _is_textbook(topic, sentence, passage, is_policy=policy > 0)
        ):
            continue
        elif (found := _CONSISTS.match(text)) and _OFFERED.search(found[1]) and (term := _term(found[1], passage)):
            yield Concept(at, f"What makes up {term} at {company}, according to its {report}?",
                          f"How does {company} describe the make-up of {term} in its {report}?", 0.5 + policy)  # fmt: skip
        elif (found := _MEANS.match(text)) and _MEASURE.search(found[1]) and (term := _term(found[1], passage)):
            yield Concept(at, f"What does {company} mean by {term} in its {report}?",
                          f"What does {term} stand for in {_possessive(company)} {report}?", 0.5 + policy)  # fmt: skip
        elif (found := _IS_A.match(text)) and _is_explained(found, passage) and (term := _term(found[1], passage)):
            yield Concept(at, f"What is {term}, according to {_possessive(company)} {report}?",
                          f"How does {company} describe {term} in its {report}?", 0.6 + policy)  # fmt: skip


def _is_explained(found: re.Match[str], passage: Passage) -> bool:
    """Whether a sentence says what a business, a project or a product with a name of its own is, or what a measure is."""
    term, said = found[1].removeprefix("The "), found.string[found.end() : found.end() + 120]
    if _MEASURE.search(term):
        return "ratio" in said or "measure" in said
    named = [word for word in term.split() if word not in _COMMON | _ROLES and re.search(r"[A-Z]", word[0])]
    return bool(named) and _is_name(term, passage) and bool(_KIND.search(said)) and not _NO_KIND.search(said[:60])


def _is_textbook(topic: Topic, sentence: Sentence, passage: Passage, *, is_policy: bool) -> bool:
    """Whether a sentence could stand in any report: it has neither figures nor names, and speaks of accounts or of no one."""
    if _is_own(sentence.text, passage, names=1):
        return False
    paragraph = topic.paragraphs[sentence.paragraph]
    return is_policy or _COMMONPLACE.search(paragraph) is not None or not _OWN.search(sentence.text)


def _change(found: re.Match[str], topic: Topic, passage: Passage) -> tuple[str, str, str, str] | None:
    """What moved, how, when, and in which section: a segment's revenue is not the company's."""
    subject = re.sub(r"^(?:Our|The) ", "", found[1]).strip()
    if (
        _NOT_SUBJECTS.match(found[1].replace("Our ", "", 1))
        or _VERBS.search(subject)
        or not 1 <= len(subject.split()) <= 9
    ):
        return None
    first = subject.split()[0]
    if first[-2:] in ("’s", "'s") and first[:-2] in _company(passage):
        subject = subject.removeprefix(first).strip()  # the company is named in the question
    if (
        re.search(r"\d|,$|\b(?:this|that|these|those)\b|\b(?:the|an?|of|with|by|and|to|in|for|its|their)$", subject)
        or not subject
    ):
        return None
    time = _time(found[3], passage)
    if not time and not _WHEN.search(found[3]):
        quarter = _quarter(topic, passage)
        if quarter is None:
            return None
        time = quarter and f" in {quarter}"
    subject = _lowered(subject, passage)
    title = next((title for raw in topic.path[:-3:-1] if (title := _plain_title(raw))), None)
    place = f"the section “{title.replace('“', '‘').replace('”', '’')}” of its" if title else "its"
    return subject, _BASE[found[2]], time, f"{place} {_report(passage)}"


_NO_SUBJECT = re.compile(
    r"(?i)(?:the|an?|this|these|such|results?(?: also)?|improv\w*|increas\w*|decreas\w*)$|.* [–—-] |(?:the|an?) (?:increase|decrease)"
)


def _why(text: str, topic: Topic, passage: Passage) -> tuple[str, str] | None:
    found = _WHY.match(text)
    change = _change(found, topic, passage) if found else None
    if change is None:
        return None
    subject, verb, time, place = change
    if _NO_SUBJECT.match(subject):
        return None
    company = _company(passage)
    return (f"Why did {_possessive(company)} {subject} {verb}{time}, according to {place}?",
            f"What caused the {subject} of {company} to {verb}{time}, as {place} explains?")  # fmt: skip


def _how(text: str, topic: Topic, passage: Passage) -> tuple[str, str] | None:
    found = _MOVED.match(text)
    change = _change(found, topic, passage) if found else None
    if change is None:
        return None
    subject, _, time, place = change
    company = _company(passage)
    return (f"How did {_possessive(company)} {subject} change{time}, according to {place}?",
            f"By how much did the {subject} of {company} move{time}, as stated in {place}?")  # fmt: skip


def _time(told: str, passage: Passage) -> str:
    """The time that a change is told of, where it is another one than that of the report."""
    if quarter := _QUARTER.search(told):
        return f" in the {quarter[0].lower()}"
    when = _WHEN.search(re.split(rf"\b(?:compared|than|from|over|versus|against|{_CAUSE})\b", told)[0])
    told_already = when and "ended" in when[0] and when[0].endswith((passage.period.end or "")[:4])
    return f" {when[0]}" if when and not told_already else ""


def _quarter(topic: Topic, passage: Passage) -> str | None:
    """Which quarter alone a text of an annual report tells of by its nearest heading; "" for none, None where it is in doubt.

    A press release on a year's last quarter is read as annual: there headings further up, and other texts, speak of the quarter.
    """
    if passage.period.kind != "annual":
        return ""
    for title in reversed(topic.path):
        quarter, year = _TITLES_QUARTER.search(title), _TITLES_YEAR.search(title)
        if quarter and year:
            return None
        if quarter or year:
            return f"the {quarter[1].lower()} quarter" if quarter and quarter[1] else "the quarter" if quarter else ""
    headings = [text for kind, text in passage.kinds if kind == "heading"]
    own = topic.path[-1] if topic.path else ""
    above = headings[: headings.index(own)] if own in headings else []
    is_said = any(map(_TITLES_QUARTER.search, above)) or any(
        _THIS_QUARTER.search(text) for kind, text in passage.kinds if kind != "table"
    )
    return None if is_said else ""


def _term(raw: str, passage: Passage) -> str | None:
    """A subject fit to be asked for: a noun phrase, not a pronoun and not a clause."""
    if _NOT_SUBJECTS.match(raw) or _VERBS.search(raw) or len(raw) < 4 or re.search(r"\d|[()]|-$|\bth(?:is|ese)\b", raw):
        return None
    bare = re.sub(r"^(?:The|An?|Our) | (?:generally|primarily|principally|typically|also|usually|mainly)$", "", raw)
    if re.search(r"\b(?:below|above|following|remaining|foregoing|same)\b", bare):
        return None
    if len(bare) < 4 or _company(passage).casefold().startswith(bare.casefold()):
        return None
    if len(bare.split()) == 1 and bare.casefold() in _GENERIC | {
        "revenue",
        "income",
        "costs",
        "expenses",
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
    stop=".",
    concept_length=(70, 700),
    summary_length=(260, 1600),
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
    own=_OWN,
)
