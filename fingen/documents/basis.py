"""On what a table's amounts stand: consolidated or parent, which stretch of time, restated or as first reported. Right or unknown.

It is said by the table's title, by the chapter of the notes that it stands in, or by the heading of a column, which then
counts for that column alone. Where title and chapter disagree, or a title names both, nothing is known of the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from fingen.documents.shapes import PageBlock
from fingen.documents.tables import is_unit_line
from fingen.documents.units import unit_of
from fingen.records import Basis, BasisKind
from fingen.text import ends_sentence, is_amount, is_cjk

CAPTION = 110  # characters; a longer line is a sentence
OFTEN = 3  # times; a line that recurs more often may be the head of its page
NEAR = 4  # lines above a table that may be its title
WIDEST = 6  # rows of headings

_REPORT = r"(?:资产负债|資產負債|利润|損益|综合收益|現金流量|现金流量|财务状况|財務狀況|(?:所有者|股东|股東)?[权權]益[变變]动?動?)表"
_EN = (
    r"(?:(?:condensed|comparative|interim|unaudited) )*"
    r"(?:statements? of|balance sheets?|income statements?|cash flow statements?|profit and loss)"
)
_BOTH = re.compile(
    r"合[并併]及(?:母?公司|本行)|\b(?:group|consolidated) and (?:parent )?company\b|\bcompany and (?:group|consolidated)\b",
    re.IGNORECASE,
)
# What a title says of the whole table.
_WHOSE: tuple[tuple[BasisKind, re.Pattern[str]], ...] = (
    ("parent", re.compile(
        rf"母公司[^，。]{{0,8}}{_REPORT}|個體{_REPORT}|母公司财务报表(?:主要|重要)?(?:项目|的)?.{{0,4}}注释"
        rf"|^(?:the )?(?:parent )?company(?:[’']s)? {_EN}|\bparent company(?: only)? (?:{_EN}|financial)", re.IGNORECASE)),
    ("consolidated", re.compile(
        rf"合[并併][^，。]{{0,8}}{_REPORT}|[综綜]合(?:財務狀況|現金流量|權益變動|損益及其他全面收益)表|合并财务报表(?:主要|重要)?项目.{{0,4}}注释"
        rf"|\bconsolidated {_EN}|^group {_EN}", re.IGNORECASE)),
)  # fmt: skip
_TIMES: tuple[tuple[BasisKind, re.Pattern[str]], ...] = (
    ("quarter", re.compile(
        r"\b(?:three|3) months ended|\b1[34] weeks ended|\bquarters? ended|\b(?:first|second|third|fourth) quarter\b"
        r"|第[一二三四]季度|止三[个個]月|1\s?(?:至|-)\s?3\s?月", re.IGNORECASE)),
    ("half-year", re.compile(r"\b(?:six|6) months ended|\b26 weeks ended|\bhalf[- ]years? ended"
                r"|止六[个個]月|1\s?(?:至|-)\s?6\s?月", re.IGNORECASE)),
    ("nine months", re.compile(r"\b(?:nine|9) months ended|\b39 weeks ended|止九[个個]月|1\s?(?:至|-)\s?9\s?月|前三季度", re.IGNORECASE)),
    ("cumulative", re.compile(r"年初[至到]报告期(?:期?末)?", re.IGNORECASE)),
    ("year", re.compile(r"\b(?:fiscal )?years? ended|\b5[23] weeks ended|\btwelve months ended|止年度", re.IGNORECASE)),
)  # fmt: skip
_OTHER: tuple[tuple[BasisKind, re.Pattern[str]], ...] = (
    ("segment", re.compile(
        r"^(?:note )?[\d.]*\s*(?:operating |reportable |business )?segments?"
                r"(?: (?:information|reporting|results|data))?(?:\W*continued\W*)?$"
        r"|报告分部的财务信息|^主营业务分(?:行业|产品|地区)", re.IGNORECASE)),
    ("discontinued", re.compile(
        r"^[\d.（()）a-z ]*(?:discontinued operations?|已?[终終]止[经經][营營](?:業務|业务)?)(?:\W*continued\W*)?$", re.IGNORECASE)),
    ("continuing", re.compile(r"^[\d.（()） ]*(?:continuing operations|持[续續][经經][营營](?:業務|业务)?)$", re.IGNORECASE)),
)  # fmt: skip
# What a heading says of its column: the cell says nothing else but a date, a year or a unit.
_BESIDE = re.compile(
    r"[\s\d,.()（）/:’'年月日$€£¥–—-]+"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|m|US|A|HK|RMB|unaudited|audited)\b"
    r"|未?经审计",
    re.IGNORECASE,
)
_SAYS: tuple[tuple[BasisKind, str], ...] = (
        ("parent", r"(?:the)?(?:parent)?company|parent|母公司|本行|本公司"),
        ("consolidated", r"(?:the)?group|consolidated|合并|合併|本集团|本集團"),
        ("restated", r"(?:as)?restated|已重述|经重述|經重列|重述|(?:上年同期)?调整后"),
        ("as first reported", r"as(?:previously|originally|first)reported|asoriginallystated|(?:上年同期)?调整前"),
        ("non-GAAP", r"nongaap|underlying|(?:as)?adjusted"),
        ("GAAP", r"gaap|statutory|reported"),
        ("excluding one-offs", r"扣除非经常性损益后.{0,12}"),
        ("discontinued", r"discontinuedoperations?|已?终止经营"),
        ("continuing", r"continuingoperations?|持续经营"),
)  # fmt: skip
_COLUMNS = tuple((kind, re.compile(words, re.IGNORECASE)) for kind, words in _SAYS)
_PAIRED: dict[BasisKind, BasisKind] = {"parent": "consolidated", "non-GAAP": "GAAP", "GAAP": "non-GAAP"}
_VAGUE = re.compile(
    r"^(?!.*parent).*\bcompany\b|本公司|本行|\badjusted\b|\breported\b|\bstatutory\b", re.IGNORECASE
)  # alone it may be anything
_BALANCE = re.compile(
    r"balance sheet|financial position|资产负债表|資產負債表|[财財][务務][状狀][况況]表", re.IGNORECASE
)
_CHAPTER = re.compile(r"注释|\bnotes\b", re.IGNORECASE)
_ENTRY = re.compile(r"\d{1,3} [A-Z]")
_LONGEST_CJK = 40  # characters of a title
_PLAIN = {"", "total", "合计", "上年同期", "本报告期", "note", "notes", "附注", "附註"}  # beside what a heading says
_FOREIGN = re.compile(r"US\s?\$|\bUSD\b|\bU\.?S\.? dollars?\b", re.IGNORECASE)
_HOME = re.compile(r"\bRMB\b|人民币|HK\$|\byen\b|NT\$|\bNIS\b|₩|₹", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")


def set_basis(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]]) -> None:
    """Set on each table what its amounts stand on, as far as that is sure."""
    latest: BasisKind | None = None  # whose statement was named last
    before: int | None = None  # the table before
    times = Counter(block.text for block in blocks if block.kind != "table" and len(block.text) <= CAPTION)
    furniture = {text for text, count in times.items() if count > OFTEN}
    above: dict[BasisKind | None, str] = {}  # titles that the reader took for cells of a table of their own
    for at, block in enumerate(blocks):
        if block.kind != "table":
            above = above if _is_unit(block) else {}
            if len(block.text) <= CAPTION and (whose := _whose(block.text)) is not None:
                latest = whose[0]
            continue
        rows = dict(
            whose for row in block.rows if not any(row.cells[1:]) and (whose := _whose(row.cells[0])) is not None
        )
        if _has_amounts(block):
            rows = rows or above
            block.basis = tuple(_of_table(blocks, paths, at, latest, rows, furniture))
            if before is not None and not rows and _goes_on(blocks, paths, before, at):
                block.basis = _taken_over(blocks[before], block)
            before, above = at, {}
        else:
            above = dict(whose for row in block.rows for cell in row.cells if (whose := _whose(cell)) is not None)
        if rows:
            latest = next(iter(rows)) if len(rows) == 1 else None


def _goes_on(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], before: int, at: int) -> bool:
    """Whether a table goes on with the one before: without headings, or with the same ones again over the page break."""
    one, other = blocks[before], blocks[at]
    if other.inherited:
        return True
    headings = [row.cells for row in other.rows[: other.header]]
    is_again = any(map(any, headings)) and headings == [row.cells for row in one.inherited or one.rows[: one.header]]
    is_next = one.page + 1 == other.page and paths[before] == paths[at]
    return is_again and is_next and all(_is_unit(block) for block in blocks[before + 1 : at])


def _is_unit(block: PageBlock) -> bool:
    return block.kind != "table" and is_unit_line(block.text)


def _taken_over(before: PageBlock, block: PageBlock) -> tuple[Basis, ...]:
    """The basis of a table that goes on: its own, and what a title says of the one before where it says nothing of that."""
    if not block.basis:
        return before.basis
    kinds = {basis.kind for basis in block.basis}
    if kinds & {"parent", "consolidated"}:
        return block.basis
    owners = [basis for basis in before.basis if basis.kind in ("parent", "consolidated") and not basis.column]
    return (*owners, *block.basis)


def _has_amounts(block: PageBlock) -> bool:
    return any(is_amount(cell) for row in block.rows for cell in row.cells[1:])


@lru_cache(maxsize=1 << 12)  # the same titles and headings are asked about again and again
def _whose(title: str) -> tuple[BasisKind | None, str] | None:
    """Whose statement a title names, None where it names none; a title that names both is of no one."""
    if _ENTRY.match(title) or (is_cjk(title[:1] or " ") and len(title) > _LONGEST_CJK):
        return None  # a line of contents, a sentence
    if _BOTH.search(title):
        return None, title
    found = [kind for kind, pattern in _WHOSE if pattern.search(title)]
    return (found[0] if len(found) == 1 else None, title) if found else None


def _of_table(blocks: Sequence[PageBlock], paths: Sequence[tuple[str, ...]], at: int, latest: BasisKind | None,
              rows: dict[BasisKind | None, str], furniture: set[str]) -> Iterator[Basis]:  # fmt: skip
    block = blocks[at]
    columns = list(_of_columns(block))
    kinds = {basis.kind for basis in columns}
    columns = [
        basis
        for basis in columns
        if not (opposite := _PAIRED.get(basis.kind)) or opposite in kinds or not _VAGUE.search(basis.text)
    ]
    titles = _titles(blocks, at)
    if not kinds & {"parent", "consolidated"}:
        yield from _owner(block, titles, paths[at], latest, rows)
    named = any(_whose(line.text) for line in titles)
    lines = [line for line in titles if named or line.text not in furniture]
    said = [(time, line) for line in lines for time in _times(line.text)]
    if any(_BALANCE.search(title) for title in (*(line.text for line in titles), *paths[at][-1:])):
        said = []
    heads = [cell for row in block.rows[: _headings(block)] for cell in row.cells[1:] if cell]
    if (
        not kinds & dict(_TIMES).keys()
        and not any(_times(cell) for cell in heads)
        and len({time for time, _ in said}) == 1
    ):
        yield Basis(kind=said[0][0], text=said[0][1].text, page=said[0][1].page)
    for title in dict.fromkeys((*(line.text for line in titles), *paths[at][-1:])):
        for kind, pattern in _OTHER:
            if kind not in kinds and pattern.search(title.strip()):
                yield Basis(kind=kind, text=title, page=block.page)
    yield from columns


def _titles(blocks: Sequence[PageBlock], at: int) -> list[PageBlock]:
    """The lines above a table that may be its title, the nearest first; those at the foot of the page before too.

    Over the page break only a table on top of its page is looked for, with nothing but its unit above.
    """
    lines: list[PageBlock] = []
    page, on_top = blocks[at].page, True
    for line in reversed(blocks[max(0, at - NEAR) : at]):
        is_sentence = len(line.text) > CAPTION or (ends_sentence(line.text) and line.text[-1] not in ":：")
        if line.kind == "table" or is_sentence:
            break
        if line.page != page and (line.page != page - 1 or _CHAPTER.search(line.text) or not on_top):
            break
        on_top = on_top and (line.page != page or _is_unit(line))
        lines.append(line)
    return lines


def _owner(block: PageBlock, titles: Sequence[PageBlock], path: Sequence[str], latest: BasisKind | None,
           rows: dict[BasisKind | None, str]) -> Iterator[Basis]:  # fmt: skip
    """Whose a table is: by the nearest title; by its chapter only where the statement named last is of the same."""
    if len(rows) > 1:
        return
    named = [(whose, line.page) for line in titles if (whose := _whose(line.text)) is not None]
    named += [(whose, block.page) for whose in rows.items()]
    if not named:
        titles_above = [title for title in path[:-1] if _CHAPTER.search(title)] + list(path[-1:])
        named = [(whose, block.page) for title in reversed(titles_above) if (whose := _whose(title)) is not None][:1]
        if named and named[0][0][0] != latest:
            return
    if named and (kind := named[0][0][0]) and all(other[0][0] == kind for other in named):
        yield Basis(kind=kind, text=named[0][0][1], page=named[0][1])


@lru_cache(maxsize=1 << 12)
def _times(text: str) -> tuple[BasisKind, ...]:
    return tuple(kind for kind, pattern in _TIMES if pattern.search(text))


def _headings(block: PageBlock) -> int:
    """How many rows at the top hold headings."""
    top = next(
        (at for at, row in enumerate(block.rows[:WIDEST]) if any(map(is_amount, filter(None, row.cells[1:])))), 0
    )
    return max(block.header, top)


def _of_columns(block: PageBlock) -> Iterator[Basis]:
    rows = block.inherited or block.rows[: _headings(block)]
    if not rows:
        return
    columns = _spread([row.cells for row in rows])
    headings = {
        at: " ".join(dict.fromkeys(filter(None, cells))) for at, cells in enumerate(columns) if at and any(cells)
    }
    home = {
        year
        for text in headings.values()
        if _HOME.search(text) and not _FOREIGN.search(text)
        for year in _YEAR.findall(text)
    }
    for at, heading in headings.items():
        for kind, cell in _said_of_column([cell for cell in columns[at] if cell]):
            yield Basis(kind=kind, text=cell, page=block.page, column=heading)
        times = [time for cell in columns[at] for time in _times(cell)]
        if len(set(times)) == 1:
            yield Basis(kind=times[0], text=heading, page=block.page, column=heading)
        if _FOREIGN.search(heading) and not _HOME.search(heading) and home.intersection(_YEAR.findall(heading)):
            yield Basis(kind="convenience translation", text=heading, page=block.page, column=heading)


def _said_of_column(cells: Sequence[str]) -> list[tuple[BasisKind, str]]:
    """What the headings of a column say, where each says a basis, a time or a unit and nothing else."""
    said: list[tuple[BasisKind, str]] = []
    for cell in dict.fromkeys(cells):
        word = _BESIDE.sub("", cell) if len(cell) <= CAPTION else cell
        kinds = [kind for kind, pattern in _COLUMNS if pattern.fullmatch(word)]
        if not kinds and word.lower() not in _PLAIN and not _times(cell) and not unit_of(cell):
            return []
        said += [(kind, cell) for kind in kinds]
    return said


def _spread(rows: Sequence[list[str]]) -> list[list[str]]:
    """The headings of each column from the top; one over several columns counts for all only where all span as many."""
    width = len(rows[0])
    columns: list[list[str]] = [[] for _ in range(width)]
    for number, row in enumerate(rows):
        starts = [at for at in range(1, width) if row[at]]
        full = [at for at in range(1, width) if rows[-1][at]]  # the columns that the last row names
        over = number < len(rows) - 1 and starts and len(full) > len(starts) and len(full) % len(starts) == 0
        size = len(full) // len(starts) if over else 0
        if over and all(full[group * size] == start for group, start in enumerate(starts)):
            for place, at in enumerate(full):
                columns[at].append(row[starts[place // size]])
        else:
            for at in starts:
                columns[at].append(row[at])
    return columns
