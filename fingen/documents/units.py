"""In what the amounts of tables and paragraphs are counted, and where the report says so: what is said nearest counts.

A table's unit is looked for in its own headings and caption, in the table that it continues, in the line that its page
carries, in the section that it stands in, in what a sentence says of the statements or of the whole report, and last in
the statements themselves, which count for their notes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from fingen.documents.contents import EXHIBIT, is_statement
from fingen.documents.shapes import PageBlock
from fingen.records import Stated
from fingen.text import BLANKS, CURRENCIES, bare_amounts, ends_sentence, is_amount, sentences

NOT_STATED = Stated(text="", page=0)  # of amounts whose unit is said nowhere
CAPTION = 110  # characters; a longer line is a sentence
NEAR = 3  # blocks above a table that may be its caption
RUNNING = 3  # pages that carry a line at their head, at the least
MOST_WORDED = 2  # paragraphs with "$8.6 billion" for each with "$8,620"
SHORT = 12  # characters; a shorter unit at the head of a page is of the table below it
SAID = 200  # characters of a sentence that are kept

_MONEY = r"(?:(?:US|HK|A|C|NZ|S|CA|AU|NT|R)?\s?[$€£¥￥]|RMB|CNY|CHF|USD|EUR|GBP|AUD|CAD|HKD|JPY|SEK|NOK|DKK|SGD|NZD|INR|ZAR|Rs\.?)"
_SCALE = r"(?:hundred thousand|thousand|million|billion|lakh|crore|hundred)s?"
_WORDS = (
    r"(?:(?:expressed|stated|presented|amounts?|figures|dollars?|shares?|units?|feet|tabular|euros?|pounds|yen|all|and|are|U\.?S\.?"
    r"|Canadian|Australian)\s)*"
)
_COINS = (
    r"(?:dollars?|francs|yen|euros?|pounds?|sterling|RMB|Renminbi|rand|krone|kronor|kroner|rupees|shekels|NIS|[$€£¥])"
)
_UNIT = re.compile(
    rf"(?:{_MONEY}\s?(?:and\s{_MONEY}\s?)?)?{_WORDS}\bin\s(?:{_MONEY}\s?)?(?:[A-Z][A-Za-z.]*\s(?:dollars?\s)?(?:in\s)?)?{_SCALE}\b"
    rf"(?:\sof\s(?:[A-Z][A-Za-z.]*\s)*{_COINS})?"
    rf"|(?:{_MONEY}|in|[(,])?\s?[’'‘´`]\s?000['’]?s?\b|(?:{_MONEY}|in|[(])\s?000['’]?s\b|[$€£¥]\s?000\b"
    rf"|{_MONEY}[’']?\s?{_SCALE}\b(?=\s*(?:$|[|)%,;/]|百|千))|{_MONEY}\s?[’'‘]?\s?(?:mn?|bn|k)\b(?=\s*(?:$|[|)%,;/\d]))"
    rf"|\b(?:figures|amounts|expressed|presented|stated|are) in (?:[A-Z][A-Za-z.]*\s)*{_COINS}"
    rf"|(?<!\d )\b{_SCALE} of (?:[A-Z][A-Za-z.]*\s)*{_COINS}"
    rf"|nearest (?:{_SCALE}|£|\$|€|dollar|pound|yen|euro)(?:\s(?:dollars?|yen|pounds?|euros?))?"
    r"|less than one (?:million|thousand) yen"
    r"|(?<!编制)(?<!編製)[单單]位\s?(?:[:：]|均?[为為][:：]?)\s?[^。；;|]{0,24}?(?:元|股(?!份)|[%％]|吨|噸)(?:\s?[，,]?\s?币种\s?[:：]\s?[^\s|]{2,6})?"
    r"|以[^，。]{0,8}元[为為][单單]位"
    r"|[(（](?:人民[币幣]|港[币幣]|新[台臺][币幣])?[千百十]?[万萬亿億千]?(?:美|港|欧|歐|日)?元[)）]"
    r"|(?:人民[币幣]|港[币幣]|新[台臺][币幣])(?:千|百?[万萬]|[亿億])?元(?=[)）|\s]|$)|(?<![\d,.])(?:千|百[万萬]|[亿億])(?:美|港)?元$",
    re.IGNORECASE,
)
_EXCEPT = re.compile(
    r"\s?[,，]?\s?(?:except|unless|but|other than|百分比除外|除)[^()（）|.。;；:：]{0,90}", re.IGNORECASE
)
_HINTS = ("000", "thousand", "million", "billion", "lakh", "crore", "nearest", "dollar", "pound", "sterling", "euro", "yen",
          "franc", "单位", "單位", "元")  # fmt: skip
_GENERAL_HINTS = ("otherwise", "except", "unless", "tabular", "rounded", "presented", "expressed", "stated", "nearest",
                  "than one", "除", "单位")  # fmt: skip
_SHORT = re.compile(rf"{_MONEY} ?[’'‘]? ?(?:mn?|bn|k)\b", re.IGNORECASE)  # such as £m, in headings
_SIGN = rf"(?:{_MONEY}|港元|人民[币幣]元|美元|元|Renminbi)"
_SIGNS = re.compile(rf"(?:.*(?:\d{{4}}|\s))?{_SIGN}(?:\s?{_SIGN})*")
_GENERAL = re.compile(
    r"unless\s(?:otherwise|expressly)|except\s(?:where|as)\s|otherwise\s(?:stated|noted|indicated|specified)|\btabular\b|\bnearest\b"
    r"|\brounded\b|\b(?:presented|expressed|stated)\sin\s|除.{0,6}特[别別]|除另有|[币幣]?单位[为為]|less than one",
    re.IGNORECASE,
)
_ALL = re.compile(r"\ball (?:amounts|figures)\b|所有金[额額]", re.IGNORECASE)
_TABLES_ONLY = re.compile(r"\btabular\b|\btables?\b|表格", re.IGNORECASE)
_OF_STATEMENTS = re.compile(
    r"\ball (?:amounts|figures)\b|\b(?:financial|consolidated) (?:statements?|reports?|information)\b"
    r"|财务(?:报[表告]|附注)|財務(?:報[表告]|資訊)|所有金[额額]",
    re.IGNORECASE,
)
_OF_REPORT = re.compile(
    r"\bthis (?:annual |interim )?(?:report|document)\b|\bannual report\b|directors[’'] report|本报告|本年度报告|本報告",
    re.IGNORECASE,
)
_STATEMENT = re.compile(r"(?:资产负债|資產負債|利润|損益|现金流量|現金流量|财务状况|財務狀況|权益变动|權益變動)表$")
_NOTES = re.compile(r"\bnotes? (?:to|on|forming)\b|^notes?\b|附注|附註", re.IGNORECASE)
_EACH = {"单位", "單位", "计量单位", "Unit"}  # a column of units
_COUNTED = re.compile(
    r"\bnumber\b|\bshares?\b|\bNo\.|\bpersons?\b|\bemployees\b|\bsquare\b|\boptions?\b|\bunits\b|股|人数|人數|数量|吨|噸",
    re.IGNORECASE,
)  # what a table may count in place of money
_PER_SHARE = re.compile(
    r"^(?!.*except).*\bper (?:common |ordinary )?share\b|每股", re.IGNORECASE
)  # a column of its own unit
_WORDED = re.compile(
    r"[$€£¥￥]\s?\d[\d,.]*\s?(?:thousand|million|billion)|\bRMB\s?\d[\d,.]*\s?(?:million|billion)", re.IGNORECASE
)
_NO_MONEY = re.compile(r"[%％x]\)?$")


class _Scope(NamedTuple):
    """What is said for the blocks from `start` up to `end`."""

    start: int
    end: int
    stated: Stated
    tables_only: bool
    is_wide: bool  # said for the statements or the report, not for a section

    @property
    def has_scale(self) -> bool:
        """Whether it says in what the amounts are counted, or names a currency alone."""
        return bool(scale_of(self.stated.text)) or "元" in self.stated.text or "nearest" in self.stated.text


@lru_cache(maxsize=1 << 14)
def unit_of(text: str) -> str:
    """What a line, heading or cell says of the unit, in its own words, or ""."""
    if not (_hints(text) or (len(text) <= CAPTION and _SHORT.search(text))):
        return ""
    found = _UNIT.search(text)
    if found is None:
        return ""
    start, end = _bracket(text, found.start(), found.end())
    if (more := _EXCEPT.match(text, end)) is not None:
        end = more.end()
    return text[start:end].strip(" ()（）,:：，;")


def _hints(text: str) -> bool:
    """Whether a text may name a unit."""
    low = text.lower()
    return any(hint in low for hint in _HINTS)


def _is_general(text: str) -> bool:
    """Whether a text may say something of all amounts."""
    low = text.lower()
    return any(hint in low for hint in _GENERAL_HINTS) and _GENERAL.search(text) is not None


def _bracket(text: str, start: int, end: int) -> tuple[int, int]:
    """The inside of the bracket that a stretch stands in, or the stretch."""
    left = max(text.rfind("(", 0, start + 1), text.rfind("（", 0, start + 1))
    closes = [at for mark in ")）" if (at := text.find(mark, max(start, end - 1))) >= 0]
    if left < 0 or any(mark in text[left:start] for mark in ")）"):
        return start, end
    right = min(closes, default=len(text))
    return (left + 1, right) if right - left < CAPTION else (start, end)


def scale_of(text: str) -> str:
    """The scale that a unit names, "" where it counts in ones."""
    low = text.lower()
    for name, marks in (("thousand", ("000", "thousand", "千")), ("million", ("million", "百万", "百萬")),
                        ("billion", ("billion",)), ("wan", ("万", "萬")), ("yi", ("亿", "億"))):  # fmt: skip
        if any(mark in low for mark in marks):
            return name
    return "million" if re.search(r"[$€£¥a-z]\s?(?:mn?)\b", low) else ""


def find_units(
    blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], furniture: Mapping[int, Sequence[str]]
) -> list[Stated | None]:
    """The unit of each block with amounts that need one; None for the others, NOT_STATED where it is said nowhere."""
    running = _running(blocks, furniture)
    told = _scopes(blocks, paths)
    scopes = [scope for scope in told if scope.has_scale]
    found: list[Stated | None] = [None] * len(blocks)
    for at, block in enumerate(blocks):
        if block.kind == "table":
            if amounts := _amounts(block):
                found[at] = _of_table(blocks, paths, at, found, running, scopes, amounts)
        elif block.kind == "paragraph" and (amounts := bare_amounts(block.text)):
            found[at] = running.get(block.page) or _covering(scopes, at, for_table=False) or _alone(amounts)
    _without_worded(blocks, found)
    _from_statements(blocks, paths, found)
    if not any(
        unit and scale_of(unit.text) for block, unit in zip(blocks, found, strict=True) if block.kind == "table"
    ):
        ones = [scope for scope in told if not scope.has_scale]  # a report that names its currency, and counts in ones
        for at, unit in enumerate(found):
            if unit is NOT_STATED:
                found[at] = _covering(ones, at, for_table=blocks[at].kind == "table") or unit
    return found


def set_units(
    blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], furniture: Mapping[int, Sequence[str]]
) -> None:
    """Set the unit of each block (see `find_units`)."""
    for block, stated in zip(blocks, find_units(blocks, paths, furniture), strict=True):
        block.stated = stated


# --- tables ------------------------------------------------------------------------------------------------------------


def _amounts(block: PageBlock) -> list[str]:
    """The cells of a table that are amounts, and not shares of a hundred."""
    cells = (cell for row in block.rows[block.header :] for cell in row.cells[1:])
    return [cell for cell in cells if is_amount(cell) and cell not in BLANKS and not _NO_MONEY.search(cell)]


def _is_money(block: PageBlock, amounts: Sequence[str]) -> bool:
    """Whether a table that states no unit has amounts of money: by a sign, or by thousands that nothing else counts."""
    if any(sign in cell for cell in amounts for sign in CURRENCIES):
        return True
    headings = [cell for row in block.rows[: block.header + 1] for cell in row.cells]
    words = " ".join(headings)
    return not _EACH.intersection(headings) and any("," in cell for cell in amounts) and not _COUNTED.search(words)


def _of_table(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], at: int, found: Sequence[Stated | None],
              running: Mapping[int, Stated], scopes: Sequence[_Scope], amounts: Sequence[str]) -> Stated | None:  # fmt: skip
    block = blocks[at]
    own, signs = _own(block)
    if said := own or _above(blocks, at):
        return Stated(text=said, page=block.page)
    before = _before(blocks, paths, at, found)
    if before is not None and (block.inherited or not signs):
        return before
    if said := "; ".join(dict.fromkeys(unit for row in block.rows if (unit := unit_of(row.cells[0])))):
        return Stated(text=said[:CAPTION], page=block.page)
    if not signs and not _is_money(block, amounts):
        return None  # contents, counts, or a column that names the unit of each row
    nearer = running.get(block.page) or _covering(scopes, at, for_table=True, near=bool(signs))
    return nearer or (Stated(text=signs, page=block.page) if signs else NOT_STATED)


def _own(block: PageBlock) -> tuple[str, str]:
    """What a table's headings say: units with a scale, and the currencies that stand alone."""
    top = max(block.header, 1)
    lines = [
        *block.rows[:top],
        *(row for row in block.rows[top : top + NEAR] if not any(map(is_amount, row.cells[1:]))),
    ]
    cells = [cell for row in lines for cell in row.cells if cell and not (is_amount(cell) or _PER_SHARE.search(cell))]
    units = dict.fromkeys(unit for cell in cells if len(cell) <= 2 * CAPTION and (unit := unit_of(cell)))
    signs = dict.fromkeys(
        sign for cell in cells if len(cell) < 60 and _SIGNS.fullmatch(cell) for sign in [cell.split()[-1]]
    )
    return "; ".join(units), "; ".join(signs)


def _above(blocks: Sequence[PageBlock], at: int) -> str:
    """What the lines just above a table say: its caption, or the sentence that leads to it."""
    for number in range(at - 1, max(at - 1 - NEAR, -1), -1):
        line = blocks[number]
        if line.kind == "table" or blocks[at].page - line.page > 1:
            return _own(line)[0] if line.kind == "table" and not _amounts(line) else ""
        if len(line.text) < 60 and _SIGNS.fullmatch(line.text):
            return line.text.split()[-1]
        is_title = len(line.text) <= CAPTION or line.kind == "heading"
        said = unit_of(line.text) if is_title else unit_of(line.text[-CAPTION:])
        if said and (is_title or line.text.rstrip(" :：.)）").endswith(said[-12:])):
            return said
        if len(line.text) > CAPTION or line.text.endswith((".", "。")):
            return ""
    return ""


def _before(
    blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], at: int, found: Sequence[Stated | None]
) -> Stated | None:
    """The unit of the table that this one goes on with: by its columns, or below it with nothing but titles between."""
    for number in range(at - 1, max(at - 5, -1), -1):
        other = blocks[number]
        if other.kind == "table":
            stated = found[number]
            next_to = number == at - 1 and other.page == blocks[at].page - 1  # over the page
            near = blocks[at].inherited or ((other.page == blocks[at].page or next_to) and paths[number] == paths[at])
            return stated if near and stated and stated.text else None
        if not blocks[at].inherited and (ends_sentence(other.text) or len(other.text) > CAPTION):
            return None
    return None


# --- what counts for more than one table -------------------------------------------------------------------------------


def _running(blocks: Sequence[PageBlock], furniture: Mapping[int, Sequence[str]]) -> dict[int, Stated]:
    """The unit that pages carry at their head, by page: the same words on several pages."""
    heads: dict[int, str] = {
        page: said for page, lines in furniture.items() for line in lines if (said := unit_of(line))
    }
    first: Counter[int] = Counter()
    for block in blocks:
        first[block.page] += 1
        is_line = first[block.page] <= NEAR + 1 and block.kind != "table" and len(block.text) <= CAPTION
        if is_line and block.page not in heads and len(said := unit_of(block.text)) > SHORT:
            heads[block.page] = said
    times = Counter(heads.values())
    return {page: Stated(text=said, page=page) for page, said in heads.items() if times[said] >= RUNNING}


def _scopes(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]]) -> list[_Scope]:
    """What is said for a section, for the statements or for the report, the nearest last."""
    scopes: list[_Scope] = []
    for at, block in enumerate(blocks):
        if block.kind == "table":
            continue
        if _is_general(block.text) and (told := list(_said(blocks, paths, at))):
            scopes += told
        elif len(block.text) <= CAPTION and paths[at] and (said := unit_of(block.text)) and _heads(blocks, at):
            end = _section_end(paths, at, _depth(paths, at))
            tables = _TABLES_ONLY.search(said) is not None
            scopes.append(_Scope(at, end, Stated(text=said, page=block.page), tables, False))
    return sorted(scopes, key=lambda scope: scope.start - scope.end)


def _heads(blocks: Sequence[PageBlock], at: int) -> bool:
    """Whether a line stands at the head of a section and not of a table."""
    above = blocks[max(0, at - NEAR) : at]
    titled = blocks[at].kind == "heading" or any(
        block.kind == "heading"
        and all(not ends_sentence(line.text) and len(line.text) < CAPTION for line in above[number:])
        for number, block in enumerate(above)
    )
    below = next((block for block in blocks[at + 1 :][:2] if len(block.text) > CAPTION or block.kind == "table"), None)
    following = blocks[at + 1].kind if at + 1 < len(blocks) else ""
    return titled and (following == "heading" or (below is not None and below.kind != "table"))


def _depth(paths: Sequence[tuple[str, ...]], at: int) -> int:
    """How deep the section is that a line at its head speaks of: the one that also holds the next title."""
    own, following = paths[at], paths[min(at + 1, len(paths) - 1)]
    shared = sum(a == b for a, b in zip(own, following, strict=False))
    return max(1, min(len(own), shared))


def _said(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], at: int) -> Iterable[_Scope]:
    """What a sentence says for more than its own place."""
    block = blocks[at]
    for start, end in sentences(block.text):
        sentence = block.text[start:end]
        if not (_hints(sentence) and _GENERAL.search(sentence) and _UNIT.search(sentence)):
            continue
        stated = Stated(text=sentence.strip(" ()（）") if len(sentence) <= SAID else unit_of(sentence), page=block.page)
        is_line = len(block.text) <= CAPTION and not ends_sentence(block.text)
        written_out = bool(scale_of(stated.text)) and not (is_line or _ALL.search(sentence))  # as running text may be
        tables = written_out or _TABLES_ONLY.search(sentence) is not None
        end = _exhibits(paths, at)
        if _OF_REPORT.search(sentence):
            yield _Scope(0, end, stated, tables, True)
        elif _OF_STATEMENTS.search(sentence) or any(map(_NOTES.search, paths[at])):
            yield _Scope(_first_statement(blocks, paths, at), end, stated, tables, True)
        elif paths[at]:
            yield _Scope(at, _section_end(paths, at, max(1, len(paths[at]) - 1)), stated, tables, False)
        return


def _exhibits(paths: Sequence[tuple[str, ...]], at: int) -> int:
    """Where the exhibits begin, which are documents of their own, else the end."""
    return next((n for n in range(at, len(paths)) if any(map(EXHIBIT.fullmatch, paths[n]))), len(paths))


def _section_end(paths: Sequence[tuple[str, ...]], at: int, depth: int) -> int:
    section = paths[at][:depth]
    return next((number for number in range(at, len(paths)) if paths[number][:depth] != section), len(paths))


def _first_statement(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], at: int) -> int:
    """Where the statements begin that a sentence in their notes speaks of."""
    return next((number for number, block in enumerate(blocks[:at]) if _is_statement(block, paths[number])), at)


def _is_statement(block: PageBlock, path: tuple[str, ...]) -> bool:
    return block.kind == "table" and bool(path) and (is_statement(path[-1]) or _STATEMENT.search(path[-1]) is not None)


def _covering(scopes: Sequence[_Scope], at: int, *, for_table: bool, near: bool = False) -> Stated | None:
    """What is said for a block: the narrowest that holds it; `near`: a section's own word only."""
    for scope in reversed(scopes):
        if scope.start <= at < scope.end and (for_table or not scope.tables_only) and not (near and scope.is_wide):
            return scope.stated
    return None


def _from_statements(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], found: list[Stated | None]) -> None:
    """Give tables of the notes the unit of the statements, where these all have one scale."""
    at = [number for number, block in enumerate(blocks) if _is_statement(block, paths[number])]
    units = [unit for number in at if (unit := found[number]) and unit.text]
    if not units or len({scale_of(unit.text) for unit in units}) > 1 or not scale_of(units[0].text):
        return
    for number in range(at[0], _exhibits(paths, at[-1])):
        if blocks[number].kind == "table" and found[number] is NOT_STATED and _in_notes(paths[number]):
            found[number] = units[0]


def _in_notes(path: tuple[str, ...]) -> bool:
    return any(map(_NOTES.search, path)) or (
        bool(path) and (is_statement(path[-1]) or _STATEMENT.search(path[-1]) is not None)
    )


# --- running text ------------------------------------------------------------------------------------------------------


def _without_worded(blocks: Sequence[PageBlock], found: list[Stated | None]) -> None:
    """Take the unit from running text that names millions and billions itself: what it writes bare there is written out."""
    bare = [at for at, unit in enumerate(found) if unit and unit.text and blocks[at].kind == "paragraph"]
    if not bare:
        return
    notes = blocks[bare[0] : bare[-1] + 1]
    worded = sum(
        block.kind == "paragraph" and "illion" in block.text and _WORDED.search(block.text) is not None
        for block in notes
    )
    if worded > MOST_WORDED * len(bare):
        for at in bare:
            if scale_of(found[at].text):  # type: ignore[union-attr]  # those that are there
                found[at] = _alone(bare_amounts(blocks[at].text))


def _alone(amounts: Sequence[str]) -> Stated | None:
    """What a paragraph says that nothing covers: "$1,250,000" is in dollars, "$8,620" may be in thousands or millions."""
    return NOT_STATED if any(amount.count(",") < 2 for amount in amounts) else None
