"""Whose report it is: what the cover, the running lines, the auditor and the report's own definitions say of it.

A name counts by what kinds of places give it. The auditor, the broker, a subsidiary and a former name stand in reports
too, but not in these places; where two names have nearly the same claim, none is taken.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from fingen.documents.claims import WEIGHTS, Claim, best_claim
from fingen.documents.titles import PARAGRAPH, Line, Pages

# What a name may end with, by letters alone; those of SHORT are written in one way and are words in another (SA, as, co).
_FORMS = frozenset(
    "inc incorporated corp corporation plc ltd limited llc lp nv sa se ag ab asa oyj abp as spa sab kk bhd berhad pte pty kgaa "
    "gmbh aktiengesellschaft bv sas cv tbk pjsc psc jsc nl saog publ "
    " ltée ltee lllp aş kg oy aps ltda sàrl dac scsp sca sgps nyrt ehf hf trust fund reit bancorp bancshares".split()
)
_SHORT = re.compile(
    r"(?:A\.?/?S\.?|S\.?A\.?|S\.?E\.?|A\.?G\.?|AB|N\.?V\.?|B\.?V\.?|K\.?K\.?|L\.?P\.?|NL|A\.?Ş\.?|KG|Oy|SCA|HF|hf\.?|SAS|DAC|S\.p\.A\.?|SpA|S\.P\.A\.?|S\.A\.B\.|C\.?V\.?),?"
)
_SMALL = frozenset("plc kk hf ehf nyrt publ".split())  # forms that are written in small letters too
_CUT_SHORT = re.compile(
    r"(?:\b(?:Inc|Corp|Ltd|Co|Bhd|Sdn|Pty|Pte|Cos|Bros|Intl)|\.\s?\w{1,3})\.$", re.IGNORECASE
)  # with a full stop
_INITIALS = re.compile(r"(?:[A-Z]\.){1,4}")
_PLAIN = frozenset("inc ltd plc llc asa oyj bhd pte pty tbk abp jsc psc spa sab".split())  # no words in any case
_SOFT = frozenset("company co group holdings holding international bank partners industries".split())
_SAME = {"incorporated": "inc", "corporation": "corp", "limited": "ltd", "company": "co"}
_JOINS = frozenset(
    "of and & de la le les du des di del della da do dos e et y und van von der den the for to in".split()
)
_OPENS = re.compile(
    r"^(?:In|At|By|For|On|With|From|To|Of|As|When|If|Since|While|And|Dear|About|Welcome|Both|References?|Copyright|©) (?=.)"
)
_REPORT_WORDS = re.compile(
    r"(?:consolidated|annual|interim|half[- ]year(?:ly)?|quarterly|integrated|financial|report|reports|accounts|statements?|and|&|its|the|"
    r"subsidiary|subsidiaries|controlled|entities|for|year|ended|form|10-?[kq]|20-?f|results?|of|announces|reports|20\d\d|\d+|first|second|third|fourth|"
    r"quarter|full|fiscal|fy\d*|a\.?b\.?n|a\.?c\.?n|page|nyse|nasdaq|asx|[|•·—–:/-]+)",
    re.IGNORECASE,
)
_REGISTRANT = re.compile(
    r"exact\s+name\s+of\s+(?:the\s+)?(?:registrant|issuer|company)|^\(?name of (?:the )?registrant", re.IGNORECASE
)
_LABELLED = re.compile(
    r"(?:(?:listed )?company|issuer|corporate|entity) name\b|name of (?:the )?(?:listed )?(?:company|entity|issuer)\b",
    re.IGNORECASE,
)
_NO_REGISTRANT = re.compile(r"commission|file n|exchange act|ended|^or$|for the|\bfrom\b", re.IGNORECASE)
_OTHER_PARTY = re.compile(
    r"(?:\bformer(?:ly)?\b|\bpreviously\b|\bf/?k/?a\b|\bpredecessor|\bsubsidiar(?:y|ies)\b|\bacqui(?:re|sition)|\bmerge|"
    r"\b(?:holding|parent) company (?:for|of)\b)[^.;]{0,40}$",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[(（]([^()（）]{2,240})[)）]")
_BRACKETS_END = re.compile(r"(?:\s*\([^()]{0,80}\)){1,2}$")
_SELF = r"(?:Company|COMPANY|Group|Corporation|Bank|Trust|Issuer|Registrant|Partnership|Fund|Firm|REIT|[Pp]arent [Cc]ompany|Parent)"
_DEFINITION = re.compile(
    rf"[“\"‘']\s*(?:(?:[Tt]he\s+)?{_SELF}|the (?:company|group|trust|bank))[,.]?[”\"’']|\bthe {_SELF}$|[“\"‘'](?:we|us|our)[,”\"’']|"
    r"[「“\"](?:本公司|公司|貴公司|贵公司|本行|本集團|本集团)[」”\"]"
)
_TICKER = re.compile(
    r"\s*(?:NYSE|NASDAQ|Nasdaq|ASX|AIM|LSE|LON|TSX|SGX|JSE|OTC|HKEX|SEHK|CSE|NZX|BSE|NSE|Euronext|XETRA|SIX|BMV|OMX|Oslo|TSE)\b"
)
_CODE = re.compile(r"\s*[A-Z0-9]{1,6}[ .:](?:US|HK|LN|JP|GR|FP|IN|AU|CN|CH|SS|SZ|TT|SP|N|O|OQ|L|T|DE|PA|AX)\b")
_OF = re.compile(r"\b(?:of|OF|Of)(?:\s+(?:the|THE))?\s+")
_ADDRESSED = frozenset(
    "shareholders stockholders shareowners unitholders holders owners members trustees directors statements statement sheets "
    "sheet accounts".split()
)
_RELEASED = re.compile(r"\btoday\s+(?:announced|reported)\b")
_COPYRIGHT = re.compile(r"(?:©|\bCopyright\b)\s*(?:\(c\)\s*)?(?:20\d\d)?[-–, ]*(?:20\d\d)?,?\s*")
_WRITTEN_BY = re.compile(
    r"\b(?:report|research|publication|document|material)\s[^.]{0,60}?"
    r"(?:prepared|issued|published|produced|written|distributed|approved)(?:\s(?:and|or|,)?\s?\w+){0,2}\s+by\s+(?:the\s+)?"
)
_DISCLOSES = re.compile(
    r"\s(?:and (?:its|their) affiliates\s|\([^)]{1,40}\)\s)?(?:does and seeks to do business|makes a market|may have a conflict|"
    r"(?:has|have) (?:received compensation|acted as)|(?:is|are) (?:authori[sz]ed and )?regulated by|is a member of (?:FINRA|SIPC))"
)
_WITH = re.compile(
    r"[,\s]+(?:and|together with|with|including) (?:(?:all|each) of )?(?:its|their)?\s*"
    r"(?:consolidated |controlled |wholly[- ]owned )?(?:subsidiar(?:y|ies)|entities|affiliates)[\s,]*$",
    re.IGNORECASE,
)
_SUBSIDIARIES = re.compile(
    r"\b(?:and|AND)\s(?:its |ITS )?(?:[Cc]onsolidated |CONSOLIDATED |controlled )?(?:[Ss]ubsidiar|SUBSIDIAR|entities)"
)
_HAN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_LETTERS = re.compile(r"[^\W_]|&")
_BREAKS = re.compile(r"[^\w&]+")
_MOST_WORDS = 10


def name_key(name: str) -> str:
    """A name without case, punctuation and the ways in which its legal form is written."""
    words = _BREAKS.sub(" ", name.replace("/", "").replace(".", "").casefold()).split()
    if words and words[0] == "the":
        del words[0]
    return " ".join(_SAME.get(word, word) for word in words)


def find_latin_name(pages: Pages) -> str | None:
    """The reporting company's name in Latin letters, None where nothing is sure."""
    text = _folded(pages)
    claims = _claims(pages, text)
    best = best_claim(claims, _core, lambda core: text.count(f" {core} "))
    return _spell(best, claims[best], pages) if best else None


def _folded(pages: Pages) -> str:
    """The whole text as `name_key` writes it."""
    text = _BREAKS.sub(" ", "\n".join(pages.joined).replace("/", "").replace(".", "").casefold())
    for word, short in _SAME.items():
        text = text.replace(f" {word} ", f" {short} ")
    return f" {text} "


def find_subject(pages: Pages) -> str | None:
    """The company that a broker's report is about: the one named with its ticker on the first page."""
    found: Counter[str] = Counter()
    for text in pages.joined[:1]:
        for match in _IN_BRACKETS.finditer(text):
            is_code = _TICKER.match(match[1]) or _CODE.match(match[1])
            lines = text[max(0, match.start() - 120) : match.start()].rstrip().splitlines()
            if is_code and lines and (name := _name_before(lines[-1], needs_form=False)):
                found[_bare(name)] += 1
    return max(found, key=lambda name: (found[name], name)) if found else None


def find_writer(pages: Pages, subject: str | None) -> str | None:
    """Who wrote a report about another company: who prepared it, holds its copyright, and discloses its interests."""
    claims: Counter[str] = Counter()
    for text in pages.joined:
        for pattern, points in ((_WRITTEN_BY, 3), (_COPYRIGHT, 2)):
            for match in pattern.finditer(text):
                if name := _take(text[match.end() : match.end() + 120].split())[0]:
                    claims[_bare(name)] += points
        for match in _DISCLOSES.finditer(text):
            if name := _name_before(text[max(0, match.start() - 120) : match.start()]):
                claims[_bare(name)] += 1
    names = [name for name in claims if subject is None or _core(name_key(name)) != _core(name_key(subject))]
    return max(names, key=lambda name: (claims[name], name)) if names else None


def _core(key: str) -> str:
    """What is left of a name without its legal form."""
    words = key.split()
    while len(words) > 1 and (words[-1] in _FORMS or words[-1] in _SOFT):
        words.pop()
    return " ".join(words)


def _claims(pages: Pages, text: str) -> dict[str, Claim]:
    claims: dict[str, Claim] = defaultdict(Claim)
    for kind, found in _places(pages):
        name = _bare(found)
        if _is_usable(key := name_key(name)):
            claims[key].count(kind, name)
    counts = {key: text.count(f" {key} ") for key in claims}
    _fold_parts(claims, counts)
    _count_short_titles(claims, pages)
    most = max((counts[key] for key in claims), default=0) or 1
    running = [f" {name_key(line)} " for line in pages.running]
    metadata = f" {name_key(pages.metadata)} "
    for key, claim in claims.items():
        claim.points["mentions"] = WEIGHTS["mentions"][0] * counts[key] / most
        if any(f" {key} " in line for line in running):
            claim.count("running")
        if f" {key} " in metadata:
            claim.count("metadata")
    return claims


def _count_short_titles(claims: dict[str, Claim], pages: Pages) -> None:
    """Count for a name that the cover, or a large line of a title page, has it without its legal form."""
    cores = {key: core for key in claims if (core := _core(key)) != key}
    for number, lines in enumerate(pages.titles):
        large = {name_key(line.text) for line in lines if number == 0 or line.size > 1.15 * pages.body_size}
        for key, core in cores.items():
            if core in large and not claims[key].points.keys() & {"cover", "title"}:
                claims[key].count("title" if number else "cover")


def _fold_parts(claims: dict[str, Claim], counts: dict[str, int]) -> None:
    """Add the claim of a part of a name to the whole one, and that of a name with other words around it to the name.

    A torn name (Bancshares, Inc.) is spoken of hardly more often than the whole one. One without its legal form goes to
    the one with it.
    """
    for key in sorted(claims, key=len):
        for other in [other for other in claims if other != key and f" {key} " in f" {other} "]:
            if key not in claims or other not in claims:
                continue
            if other.endswith(f" {key}"):
                is_part = 2 * counts[other] >= counts[key]
            elif other.startswith(f"{key} ") and _core(other) == _core(key):
                is_part = key.split()[-1] not in _FORMS
            else:
                continue
            keep, drop = (other, key) if is_part else (key, other)
            claims[keep].add(claims.pop(drop))


def _is_usable(key: str) -> bool:
    words = key.split()
    is_form = [word in _FORMS or word in _SOFT or word in _JOINS for word in words]
    return len(key) > 1 and not all(is_form) and 1 <= len(words) <= _MOST_WORDS


def _bare(name: str) -> str:
    name = " ".join(name.split()).strip(" ,;:*_“”\"'‘’–—-|®™")
    while match := _OPENS.match(name):
        name = name[match.end() :]
    if name.endswith(".") and not _CUT_SHORT.search(name):
        name = name.rstrip(".")  # of the sentence that the name ends
    return name


# --- the places --------------------------------------------------------------------------------------------------------


def _places(pages: Pages) -> Iterator[tuple[str, str]]:
    for number, (lines, text) in enumerate(zip(pages.lines, pages.joined, strict=True)):
        if "name" in text.casefold():
            yield from (("registrant", name) for name in _registrants(lines))
        if number == 0:
            yield from (("registrant", name) for name in _labelled(lines))
        if number < len(pages.titles):
            yield from _title_names(lines, number, pages.body_size)
    for number, text in enumerate(pages.joined):
        for kind, name in _stated_names(text):
            yield kind, name
            if kind in ("definition", "ticker", "release") and number < len(pages.titles):
                yield "title", name
    yield from (("title", named) for line in pages.running if (named := _line_name(line)))


def _registrants(lines: tuple[Line, ...]) -> Iterator[str]:
    for at, line in enumerate(lines):
        found = _REGISTRANT.search(line.text)
        if not found:
            continue
        above = [line.text[: found.start()].rstrip("( "), *(each.text for each in lines[max(0, at - 3) : at][::-1])]
        text = next((text for text in above if re.search(r"[^\W\d_]", text) and not text.startswith("(")), "")
        if text and len(text) < 80 and not _NO_REGISTRANT.search(text):
            yield re.sub(r"\s*\(.*\)$", "", text)


def _labelled(lines: tuple[Line, ...]) -> Iterator[str]:
    """The name behind its label, or below it, on a first page: "Company name: ..." of an exchange's form."""
    for at, line in enumerate(lines):
        if found := _LABELLED.match(line.text):
            for text in (line.text[found.end() :].lstrip(" :："), *(each.text for each in lines[at + 1 : at + 2])):
                name, _ = _take(text.split())
                if name:
                    yield name
                    return


def _title_names(lines: tuple[Line, ...], number: int, body: float) -> Iterator[tuple[str, str]]:
    for at, line in enumerate(lines):
        is_large = line.size > 1.15 * body
        kind = "cover" if number == 0 else "title"
        if number and not is_large and not line.at_edge:
            continue
        texts = [line.text]
        for following in lines[at + 1 : at + 3]:  # a name over two or three lines
            if abs(following.size - line.size) > 0.5 or not is_large:
                break
            texts.append(f"{texts[-1]} {following.text}")
        name = next((name for text in texts if (name := _line_name(text))), None)
        if name:
            yield kind, name


def _line_name(text: str) -> str | None:
    """The name that a line is: with its legal form, and nothing beside it but words of reports."""
    if len(text) > 120:
        return None
    words = text.split()
    start = 0
    while start < len(words) and _REPORT_WORDS.fullmatch(words[start].strip("(),")) and not _form(words[start]):
        start += 1
    for begin in dict.fromkeys((start, 0)):
        name, rest = _take(words[begin:])
        if name and all(_REPORT_WORDS.fullmatch(word.strip("(),.")) for word in rest):
            return name
    return None


def _stated_names(text: str) -> Iterator[tuple[str, str]]:
    for found in _IN_BRACKETS.finditer(text):
        kind = "definition" if _DEFINITION.search(found[1]) else "ticker" if _TICKER.match(found[1]) else None
        if kind and (
            name := _name_before(text[max(0, found.start() - 160) : found.start()], needs_form=kind != "ticker")
        ):
            yield kind, name
    for found in _found(_SUBSIDIARIES, text, "ubsidiar", "UBSIDIAR", "entities"):
        if name := _name_before(text[max(0, found.start() - 120) : found.start()]):
            yield "subsidiaries", name
    for found in _OF.finditer(text):
        before = text[max(0, found.start() - 60) : found.start()].split()
        if before and before[-1].casefold() in _ADDRESSED and (name := _name_after(text, found.end(), before)):
            yield "audited", name
    for found in _found(_RELEASED, text, "today"):
        if name := _name_before(text[max(0, found.start() - 120) : found.start()], needs_form=False):
            yield "release", name
    for found in _found(_COPYRIGHT, text, "©", "Copyright"):
        if name := _name_after(text, found.end(), []):
            yield "copyright", name


def _found(pattern: re.Pattern[str], text: str, *hints: str) -> Iterator[re.Match[str]]:
    """Where a pattern matches; a text without any of the words that each match has is not looked through."""
    return pattern.finditer(text) if any(hint in text for hint in hints) else iter(())


def _name_after(text: str, at: int, before: list[str]) -> str | None:
    name, _ = _take(text[at : at + 120].split())
    return None if name and _OTHER_PARTY.search(" ".join(before)) else name


# --- words -------------------------------------------------------------------------------------------------------------


def _form(word: str) -> bool:
    """Whether a word is a legal form."""
    if _is_torn(word):
        return False
    word = word.strip('(,;:)”"')
    letters = re.sub(r"[^\w]", "", word).casefold()
    if letters not in _FORMS or not (word[0].isupper() or letters in _SMALL):
        return False
    return len(letters) > 3 or letters in _PLAIN or bool(_SHORT.fullmatch(word))


def _is_torn(word: str) -> bool:
    """Whether a bracket opens or closes in a word alone."""
    return word.count("(") != word.count(")")


def _is_name_word(word: str) -> bool:
    bare = word.strip("“”\"'‘’(),.;:*®™!")
    if not bare or bare[-1] == "?" or _is_torn(word) or not _LETTERS.search(bare):
        return False
    return bare[0].isupper() or bare[0].isdigit() or any(char.isupper() for char in bare[1:])


def _is_small_name(word: str, following: str) -> bool:
    """Whether a word in small letters stands right before a legal form as a name (abrdn plc) does."""
    return word.isalpha() and word.islower() and len(word) > 2 and _form(following)


def _ends_sentence(word: str) -> bool:
    """Whether a sentence or a clause ends with a word; initials and abbreviations end none."""
    return word.endswith((";", ":", "?")) or (word.endswith(".") and len(word) > 5 and not _INITIALS.fullmatch(word))


def _take(words: list[str]) -> tuple[str | None, list[str]]:
    """The name with a legal form that words start with, and the words after it."""
    for at, word in enumerate(words[: _MOST_WORDS + 2]):
        if at and _form(word):
            end = _end_of_form(words, at + 1)
            return " ".join(words[:end]).strip(',;:”"'), words[end:]
        is_small = at == 0 and len(words) > 1 and _is_small_name(word, words[1])
        is_named = _is_name_word(word) or is_small or (at > 0 and (word == "-" or word.casefold() in _JOINS))
        if not is_named or (at > 0 and _ends_sentence(words[at - 1])):
            break
    return None, words


def _end_of_form(words: list[str], end: int) -> int:
    """Where a legal form of several words ends: Co., Ltd.; S.A.B. de C.V.; AB (publ)."""
    while end < len(words) and not words[end - 1].endswith((";", ".”")):
        if words[end] == "de" and end + 1 < len(words) and _form(words[end + 1]):
            end += 1
        elif not (_form(words[end]) or words[end].strip(".,").casefold() in ("co", "company")):
            break
        end += 1
    return end


def _name_before(text: str, *, needs_form: bool = True) -> str | None:
    """The name that a text ends with."""
    text = text.rstrip(' ,\n“"').rpartition(PARAGRAPH)[2]
    words = _HAN.split(_WITH.sub("", _BRACKETS_END.sub("", text)))[-1].split()
    start = len(words)
    while start and len(words) - start < _MOST_WORDS and _goes_on(words, start - 1):
        start -= 1
    taken = words[start:]
    while taken and taken[0].casefold() in _JOINS - {"the"}:
        del taken[0]
    if not taken or _OTHER_PARTY.search(" ".join(words[max(0, start - 6) : start])):
        return None
    is_whole = _form(taken[-1]) or (len(taken) > 1 and taken[-1].strip(".,").casefold() in _SOFT)
    return " ".join(taken) if is_whole or not needs_form else None


def _goes_on(words: list[str], at: int) -> bool:
    """Whether the name that the words after `at` are has this word too."""
    word, following = words[at], words[at + 1] if at + 1 < len(words) else ""
    if following and not _form(word) and (_ends_sentence(word) or (word.endswith(",") and not _form(following))):
        return False
    if _is_name_word(word) or _form(word):
        return True
    is_join = following and word.casefold() in _JOINS and at > 0 and _is_name_word(words[at - 1])
    return bool(is_join) or bool(following and _is_small_name(word, following))


# --- how it is written -------------------------------------------------------------------------------------------------


def _spell(key: str, claim: Claim, pages: Pages) -> str:
    """The name as most places have it."""
    spellings = {name: count for name, count in claim.spellings.items() if name_key(name) == key} or claim.spellings
    return write_name(max(spellings, key=lambda name: (not _is_plain(name), spellings[name], name)), pages)


def write_name(name: str, pages: Pages) -> str:
    """A name that is all in capitals, or in none, as running text writes it, where it does."""
    if not _is_plain(name):
        return name
    pattern = re.compile(r"\s+".join(map(re.escape, name.split())), re.IGNORECASE)
    found = Counter(" ".join(match[0].split()) for text in pages.joined for match in pattern.finditer(text))
    written = {spelling: count for spelling, count in found.items() if not _is_plain(spelling)}
    return max(written, key=lambda spelling: (written[spelling], spelling)) if written else _title_case(name)


def _is_plain(name: str) -> bool:
    """Whether all letters of a name are capitals, or all are small."""
    return name.isupper() or name.islower()


def _title_case(company: str) -> str:
    """A name in capitals as it is written in text (ACME TOOL CO.,LTD: Acme Tool Co.,Ltd); short words may be initials."""

    def word(match: re.Match[str]) -> str:
        text = match[0]
        return text if len(text) < 4 and text not in ("CO", "INC", "THE", "LTD", "AND", "OF") else text.capitalize()

    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)?", word, company) if company.isupper() else company
