"""Personal data and keys: found, masked, never shown.

Financial reports are full of long numbers, and of the telephones and mailboxes that a company publishes for everybody.
None of these is personal. So a number counts only where its own form (check digits, issuer) or the words on its line say
what it is, and what is found is told by kind and place alone: no message and no log holds the text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from fingen.quality.person_names import find_person_names
from fingen.records import Block, Chunk, Evidence, Language, Record, Rejected
from fingen.text import find_language

Kind = Literal["api-key", "id-card", "bank-card", "phone", "email", "person"]
Mode = Literal["keep", "mask", "mask-names", "drop"]

TOKENS: dict[Kind, str] = {
    "api-key": "[KEY]",
    "id-card": "[ID]",
    "bank-card": "[CARD]",
    "phone": "[PHONE]",
    "email": "[EMAIL]",
    "person": "[NAME]",
}
PRIVATE: frozenset[Kind] = frozenset(
    {"api-key", "id-card", "bank-card", "phone"}
)  # what is masked unless told otherwise


@dataclass(frozen=True)
class Personal:
    """Where personal data stand: `text[start:end]`. The data themselves are not kept."""

    kind: Kind
    start: int
    end: int


_MASKING = ("mask", "mask-names")
_FILLER = "\ufdd0"  # a noncharacter, which no text holds
_WIDE = {wide: wide - 0xFEE0 for wide in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF5B), 0xFF0B, 0xFF0D, 0xFF20)}
_SENTENCE_ENDS = "\n。！？；"
_END = r"(?![A-Za-z0-9_]|-\d|\.\d|,\d{3}(?!\d))"  # a number goes no further, neither as a word nor as a figure

_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:.{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----|.{0,20000})|"
    r"(?<![A-Za-z0-9])(?:sk-[\w-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])|hf_[A-Za-z0-9]{30,}|"
    r"gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_\w{30,}|glpat-[\w-]{20,}|AIza[\w-]{35}|xox[abeprs]-[\w-]{20,}|"
    r"[rs]k_live_[A-Za-z0-9]{20,}|eyJ[\w-]{15,}\.[\w-]{15,}\.[\w-]{15,})",
    re.DOTALL | re.ASCII,
)
_NAMED_KEY = re.compile(
    r"(?:key|token|secret|password|passwd|密钥|密码|口令)[\"']?\s{0,3}[=:：]\s{0,3}[\"']?([\w+/=.-]{20,200})",
    re.IGNORECASE | re.ASCII,
)
_RANDOM_RUN = re.compile(r"[A-Za-z0-9+/]{16,}")
_LEAST_ENTROPY = 3.5  # bits a character: below it a long value is a word or a path, no key

_ID_CARD = re.compile(r"(?<![A-Za-z0-9])\d{6}[ -]?\d{8}[ -]?\d{3}[\dXx](?![A-Za-z0-9])", re.ASCII)
_PROVINCES = frozenset(
    [*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82]
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_ID_CHECKS = "10X98765432"  # by the weighted sum modulo 11

_CARD = re.compile(
    r"(?<![A-Za-z0-9_.,-])(?:\d{13,19}|\d{4}(?: \d{4}){2,3} \d{1,7}|\d{4}(?:-\d{4}){2,3}-\d{1,7})" + _END, re.ASCII
)
# Issuers and lengths: UnionPay, older Chinese cards, Visa, Mastercard, American Express, JCB, Discover.
_ISSUED = re.compile(
    r"62\d{14,17}|9558\d{15}|4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|35\d{14}|6(?:011|5\d\d)\d{12}"
)

_MOBILE = re.compile(
    r"(?<![A-Za-z0-9_.+-])(\+?86[ -]?|\(\+?86\) ?)?1[3-9]\d(?:\d{8}|( )\d{4} \d{4}|(-)\d{4}-\d{4})" + _END, re.ASCII
)
_ABROAD = re.compile(
    r"(?<![A-Za-z0-9_.+])\+(?!86)[1-9]\d{0,2}[ -]?(?:\(0?\d{1,4}\)[ -]?)?\d{1,5}(?:[ .-]\d{2,7}){0,4}" + _END, re.ASCII
)
_AMERICAN = re.compile(r"(?<![A-Za-z0-9_.+(-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[.-]\d{4}" + _END, re.ASCII)
_TOLL_FREE = re.compile(r"(?:\+?1[ .-]?)?\(?8(?:00|33|44|55|66|77|88)\b")
_GROUPED_BY_THREE = re.compile(r"\+\d{1,3}(?: \d{3})+")
_OWN_LINE = re.compile(
    r"手机|移动电话|电话|微信|号码|联系|\bmobile\b|\bcell\b|\bcall\b|(?<!\[)\bphone\b|\btel\b|\bwhatsapp\b",
    re.IGNORECASE,
)
# Words in the sentence of a number that everybody may call.
_PUBLIC_LINE = re.compile(
    r"总机|热线|传真|客服|投资者|董事会秘书|证券|公司|"
    r"\binvestors?\b|\bregistrant|\bfax\b|\bhotline\b|\bswitchboard\b|\btoll.free\b|\bhelpline\b|\bcustomers?\b|\bmedia\b|"
    r"\bheadquarters\b|\boffices?\b|\barea code\b|\btransfer agent\b|\bregistrars?\b|\btelephone number\b|"
    r"\bLLP\b|\bInc\b|\bLtd\b|\bLimited\b|\bplc\b|\bCorporation\b|\bcompany\b|\bwebsite\b|\bwww\.",
    re.IGNORECASE,
)
_FIGURE_UNIT = re.compile(r"\s{0,2}(?:元|万|亿|股|%|千|份|人民币|RMB|yuan|shares?\b|USD)", re.IGNORECASE)
_MONEY_BEFORE = re.compile(r"(?:[¥￥$€£]|RMB|USD|CNY|人民币|金额|余额|合计)\s{0,2}[:：]?$", re.IGNORECASE)

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9_.+-])([A-Za-z0-9][A-Za-z0-9_.+-]{0,63})@((?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24})(?![A-Za-z0-9_-])"
)
# Mailboxes of a function, also in the short pinyin of Chinese companies (董事会, 证券部, 董秘, 投资者, 股东).
_SHORT_FUNCTION = re.compile(
    r"(?:ir|irm|pr|hr|cs|it|dsh|dmb?|db|dshms|zqb|zqsw|zqswb|zqtz|tzb|tzz|tzzgx|gdzx|bgs|bod|ipo)\d*"
)
_LONG_FUNCTION = re.compile(
    r"invest|info|secur|stock|share|board|secret|contact|service|support|sales|office|admin|master|media|press|news|public|"
    r"relation|enquir|inquir|help|customer|complian|legal|privacy|career|recruit|market|hello|mail|company|corp|report|"
    r"finance|zhengquan|dongmi|dongban|gufen|jubao|audit|ethic|team|group|general|reply|account|ombuds|whistle|registrar"
)


def scan(text: str, language: Language, mode: Mode = "mask") -> list[Personal]:
    """The personal data and keys in a text, in its order; no two overlap.

    - api-key: the forms of known providers, private keys, and long random values behind `key=` and the like.
    - id-card: a Chinese one of 18 digits, with its region, birthday and check digit.
    - bank-card: 13 to 19 digits of a known issuer whose check digit is right (Luhn), and no figure.
    - email: of a person; mailboxes of a function (ir@, service@, a stock code) are not.
    - phone: a Chinese mobile one, or an international or American one whose line and the lines beside it name no company
      and no function. 11 digits alone, without +86 or a word such as 手机, are one only in Chinese running text, not in a
      table. Chinese fixed lines, 400 and 800 numbers are a company's.
    - person: only where the mode masks names: one beside a form of address, an office or a signature.
    """
    finders = _FINDERS if mode == "mask-names" else {kind: find for kind, find in _FINDERS.items() if kind != "person"}
    text = text if text.isascii() else text.translate(_WIDE)
    found: list[Personal] = []
    known = -1
    while known < len(found):  # what is found and taken out may part what ran into it: so until nothing more is
        known = len(found)
        for kind, find in finders.items():
            for start, end in list(find(text, language)):
                found.append(Personal(kind, start, end))
                text = text[:start] + _FILLER * (end - start) + text[end:]
    return sorted(found, key=lambda personal: personal.start)


def mask(text: str, found: Iterable[Personal]) -> str:
    """The text with a fixed token of its kind, such as [PHONE], in place of each."""
    for personal in sorted(found, key=lambda personal: -personal.start):
        text = text[: personal.start] + TOKENS[personal.kind] + text[personal.end :]
    return text


def protect(record: Record, mode: Mode) -> tuple[Record | None, Counter[Kind]]:
    """The record as it may be written, and how many of each kind were found in it.

    Of what is found, only the kinds in PRIVATE are masked, or have the record dropped (None); e-mail is counted. A mark
    that the teacher was shown in place of some is some.
    """
    found: Counter[Kind] = Counter()

    def cleaned(text: str) -> str:
        personal = scan(text, record.language, mode)
        found.update(each.kind for each in personal)
        if mode == "drop":
            found.update(kind for kind in PRIVATE if TOKENS[kind] in text)
        return mask(text, _private(personal)) if mode in _MASKING else text

    def unmarked(quotes: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return quotes and tuple(quote.model_copy(update={"quote": cleaned(quote.quote)}) for quote in quotes)

    evidence = unmarked(record.evidence)
    turns = record.turns and tuple(
        turn.model_copy(update={"content": cleaned(turn.content), "evidence": unmarked(turn.evidence)})
        for turn in record.turns
    )
    options = record.options and {name: cleaned(text) for name, text in record.options.items()}
    texts = {name: cleaned(getattr(record, name)) for name in ("system", "instruction", "input", "output")}
    if mode == "drop" and found.keys() & PRIVATE:
        return None, found
    return record.model_copy(update={**texts, "evidence": evidence, "turns": turns, "options": options}), found


def _private(personal: Iterable[Personal]) -> list[Personal]:
    return [each for each in personal if each.kind in PRIVATE or each.kind == "person"]


def protect_chunk(chunk: Chunk, mode: Mode) -> tuple[Chunk, Counter[str]]:
    """The chunk as it may be sent and written, and how many of each kind have a mark in their place.

    Its id stays: it says which passage of the document this is.
    """
    found = [] if mode == "keep" else _private(scan(chunk.text, chunk.language, mode))
    if not found:
        return chunk, Counter()

    def moved(offset: int) -> int:
        before = [each for each in found if each.start < offset]
        gone = sum(min(each.end, offset) - each.start for each in before)
        return offset - gone + sum(len(TOKENS[each.kind]) for each in before)

    blocks = tuple(_moved(block, moved) for block in chunk.blocks)
    facts = tuple(
        fact.model_copy(update={"start": moved(fact.start), "end": moved(fact.end)})
        for fact in chunk.facts
        if not any(each.start < fact.end and fact.start < each.end for each in found)
    )
    masked = chunk.model_copy(update={"text": mask(chunk.text, found), "blocks": blocks, "facts": facts})
    return masked, Counter(str(each.kind) for each in found)


def _moved(block: Block, moved: Callable[[int], int]) -> Block:
    return block.model_copy(update={"start": moved(block.start), "end": moved(block.end)})


def protect_reject(rejected: Rejected, mode: Mode) -> Rejected:
    """A reject as it may be written: with marks in place of personal data, unless those are kept."""
    return rejected if mode == "keep" else rejected.model_copy(
        update={"item": _masked_values(rejected.item, mode), "detail": _masked_values(rejected.detail, mode)}
    )  # fmt: skip


def _masked_values(value: Any, mode: Mode) -> Any:
    if isinstance(value, str):
        return mask(value, _private(scan(value, find_language(value), mode)))
    if isinstance(value, list):
        return [_masked_values(each, mode) for each in value]
    return {key: _masked_values(each, mode) for key, each in value.items()} if isinstance(value, dict) else value


def matches_masked(quote: str, text: str) -> bool:
    """Whether a masked quote stands in a text, masked or not: a token matches itself and what has the form of its kind.

    White space and the width of characters are folded, as where evidence is located.
    """
    parts = re.split("(" + "|".join(map(re.escape, TOKENS.values())) + ")", _folded(quote))
    shapes = {token: f"(?:{re.escape(token)}|{_SHAPES[kind]})" for kind, token in TOKENS.items()}
    pattern = "".join(shapes.get(part) or re.escape(part) for part in parts)
    return bool(pattern) and re.search(pattern, _folded(text), re.DOTALL) is not None


_SHAPES: dict[Kind, str] = {  # after folding, so without spaces
    "api-key": r".{16,40000}?",
    "id-card": r"\d{6}-?\d{8}-?\d{3}[\dXx]",
    "bank-card": r"\d[\d-]{11,22}\d",
    "phone": r"[+(\d][\d()+.-]{7,22}\d",
    "email": r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9.-]{4,255}",
    "person": r"[^\W\d_][^\d_]{1,60}?",
}


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


Spans = Iterator[tuple[int, int]]


def _api_keys(text: str, language: Language) -> Spans:
    spans = [match.span() for match in _KEY.finditer(text)]
    yield from spans
    for match in _NAMED_KEY.finditer(text):
        start, end = match.span(1)
        if _is_random(match[1]) and not any(start < right and left < end for left, right in spans):
            yield start, end


def _is_random(value: str) -> bool:
    run = max(_RANDOM_RUN.findall(value), key=len, default="")
    shares = [count / len(run) for count in Counter(run).values()]
    mixed = not run.isalpha() and not run.isdigit()
    return mixed and -sum(share * math.log2(share) for share in shares) >= _LEAST_ENTROPY


def _id_cards(text: str, language: Language) -> Spans:
    for match in _ID_CARD.finditer(text):
        if _is_id(re.sub("[ -]", "", match[0]).upper()):
            yield match.span()


def _is_id(digits: str) -> bool:
    if int(digits[:2]) not in _PROVINCES or not "1900" <= digits[6:10] <= "2099":
        return False
    try:
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:  # no such day
        return False
    return _ID_CHECKS[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, digits, strict=False)) % 11] == digits[17]


def _bank_cards(text: str, language: Language) -> Spans:
    for match in _CARD.finditer(text):
        digits = re.sub("[ -]", "", match[0])
        if _ISSUED.fullmatch(digits) and _luhn(digits) and not _is_amount(text, *match.span()):
            yield match.span()


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(value - 9 * (value > 9) for value in doubled)) % 10 == 0


def _emails(text: str, language: Language) -> Spans:
    for match in _EMAIL.finditer(text) if "@" in text else ():
        if not _is_function(match[1].lower(), match[2].lower()):
            yield match.span()


def _is_function(mailbox: str, domain: str) -> bool:
    """Whether a mailbox is a company's: of a function, its stock code, or its own name."""
    if _LONG_FUNCTION.search(mailbox) or any(map(_SHORT_FUNCTION.fullmatch, re.split("[._+-]", mailbox))):
        return True
    code = mailbox.isdigit() and len(mailbox) == 6
    return code or mailbox.rstrip("0123456789") in domain.split(".")


def _phones(text: str, language: Language) -> Spans:
    for match in _MOBILE.finditer(text):
        sentence = _sentence(text, *match.span())
        told = bool(match[1] or match[3]) or _OWN_LINE.search(sentence) is not None
        usual = language == "zh" and (bool(match[2]) or "|" not in sentence)
        if (told or usual) and not _is_amount(text, *match.span()):
            yield match.span()
    for match in _foreign_phones(text):
        # What a number is often stands on the line below it, as on the cover of a form.
        if not _TOLL_FREE.match(match[0]) and not _PUBLIC_LINE.search(_sentence(text, *match.span(), lines=1)):
            yield match.span()


def _foreign_phones(text: str) -> Iterator[re.Match[str]]:
    for match in _ABROAD.finditer(text) if "+" in text else ():  # which is looked for faster, and seldom there
        like_a_figure = _GROUPED_BY_THREE.fullmatch(match[0]) or match[0][1:].isdigit()
        told = not like_a_figure or _OWN_LINE.search(_sentence(text, *match.span()))
        if told and 9 <= sum(map(str.isdigit, match[0])) <= 15:
            yield match
    yield from _AMERICAN.finditer(text)


def _sentence(text: str, start: int, end: int, *, lines: int = 0) -> str:
    """The sentence or line around a place, with so many more on each side."""
    for _ in range(lines + 1):
        start = max(text.rfind(mark, 0, start) for mark in _SENTENCE_ENDS)
        end = min((at + 1 for mark in _SENTENCE_ENDS if (at := text.find(mark, end)) >= 0), default=len(text))
        start = max(start, 0)
    return text[start:end]


def _is_amount(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 12) : start]
    return _MONEY_BEFORE.search(before) is not None or _FIGURE_UNIT.match(text, end) is not None


_FINDERS: dict[Kind, Callable[[str, Language], Spans]] = {
    "api-key": _api_keys,
    "id-card": _id_cards,
    "bank-card": _bank_cards,
    "email": _emails,
    "phone": _phones,
    "person": find_person_names,
}
