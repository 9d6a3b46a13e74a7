"""On which basis a figure stands: whose accounts, what stretch of time, restated or not, adjusted or by the rules.

A figure of the source has the basis that its row, its column, the headings above it, the caption of its table or the
section name; in a sentence, the words before it. What an answer says of its basis, close to the figure, must be that.
A basis that is not the usual one (a parent's accounts, a quarter of an annual report, an adjusted profit) must be said.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from fingen.quality.claims import ClaimContext
from fingen.quality.families import (
    BASES,
    DIMENSIONS,
    HAN,
    OPERATIONS,
    OPPOSITES,
    OWNERS,
    PROVISION,
    RATES,
    RESTATED,
    RULES,
    SCOPE,
    SHARES,
    SPAN,
    Dimension,
)
from fingen.quality.notation import narrow
from fingen.quality.quantities import Quantity
from fingen.quality.source import PREPARED, Source, row_key
from fingen.quality.tables import GENERIC, Column, Periods, Place, TableRow, is_numbered, label_key

Marks = Mapping[str, frozenset[str]]  # kinds by dimension; one that is not there is not known


@dataclass(frozen=True, slots=True)
class Mark:
    """Words of a basis in a text: where they start and end, and what they say."""

    start: int
    end: int
    dimension: str
    kind: str


_WHOSE = re.compile(
    r"(?P<parent>(?<!于)(?<!归属)本(?:行|公司)(?!股东|所有者|普通股|拥有|控制|控股|管理层|董事|设立|及)|(?<!于)(?<!归属)母公司(?!股东|股東|所有者|普通股|[拥擁]有人)"
    r"|\b(?:the|at) bank(?: alone|['’]s)?\b)"
    r"|(?P<group>(?:(?<![\u4e00-\u9fff])|(?<=[在由为与和及的较比使是按从令而但其整个本该全]))集[团團](?!股份|有限|公司|控股)|\bconsolidated\b)",
    re.IGNORECASE,
)
_NONE: frozenset[str] = frozenset()
_BOTH = frozenset(("parent", "group"))
_ALONE = frozenset(("parent", "alone"))  # a report of the parent's accounts alone has no other basis to be told from
_PARENTS = (SCOPE, RULES, OPERATIONS, SHARES, RATES, SPAN)  # what a heading row says of the rows below it
_TITLE = (SCOPE, SPAN, RESTATED, OPERATIONS)  # what the line above a table says of all its cells
_SECTION = (SCOPE, SPAN)
_TITLE_LENGTH = {"en": 90, "zh": 40}  # a longer line above a table is a sentence
_RELEASE = re.compile(r"\b(?:announces|reports)\b", re.IGNORECASE)  # the title of a release that has year and quarter
_RECONCILES = re.compile(r"reconcil|调节表|調節表", re.IGNORECASE)  # from one basis to another: its rows are on neither
_OF_GROUP = re.compile(r"\bgroup(?:['’]s)?\b|集[团團]", re.IGNORECASE)
_EBITDA = re.compile(  # a measure of its own, of which an adjusted one is told apart
    r"^(?!.*\b(?:adjusted|underlying|normali[sz]ed|recurring|core)\b).*\bEBIT(?:DA)?\b", re.IGNORECASE
)
_BY_ITSELF = tuple(each for each in DIMENSIONS if each is not RULES)
_LATEST = tuple(each for each in DIMENSIONS if each is not RESTATED)
_FURNITURE = re.compile(  # lines between a title and its table
    r"(?i)单位|币种|适用|^[（(]|^\D{0,14}(?:19|20)[0-9]{2}年?[^\u4e00-\u9fff]{0,12}(?:[月日至度—-].{0,16})?$|^(?:for the"
    r"|as (?:of|at)|at|in|year ended|amounts|expressed)\b|^[$€£¥0-9 ’',|]+$"
)
EXTENT, _OF_MAIN = "extent", frozenset({"plain", "main"})
_GIVEN_UP = re.compile(
    r"出售|处置|持有待售|终止经营|\bdispos(?:al|ed|ing)\b|\bheld for sale\b|\bsold\b|\bsale of\b|\bdivest",
    re.IGNORECASE,
)
_SINCE = frozenset({"since", "cumulative"})  # 年初至报告期末 and 累计 are either of these
_OPENED = frozenset({"nine", "half"}) | _SINCE
_OF_REPORT = {"quarterly": frozenset({"quarter", "since"}), "half-year": frozenset({"half"})}
_LOOSE = frozenset("flow costing side cash balance purpose".split())  # both of these are spoken of in one clause
_OF_YEAR = re.compile(r"\s(?:of|in)\s(?:the |its )?(?:(?:fiscal|financial) )?", re.IGNORECASE)
_BESIDE = 30  # characters before a figure in which an opposite is what the figure is
_ALLOWANCE = re.compile(r"(?i)^(?:减|less\b).*(?:准备|拨备|减值|allowance|provision|impairment)")
_SUM_ROW = re.compile(r"(?i)^total\b|合计|总计")
_TILE = 60  # characters: a figure on its own, with what it is on the line above or below
_BROKEN = 3  # lines over which the label of a row may be broken
_PAIR = 10  # characters more, in which both of two opposites are named: financial assets and liabilities
_OPPOSITE = frozenset(dimension.name for dimension in OPPOSITES)
_REACH = 34  # characters after a figure in which its basis may follow: (合并口径), on a GAAP basis
_CHAIN = re.compile(
    r"(?>[比较](?:追溯)?(?:调整|重述)[前后]的?|[\s,，、(（)）$€£¥]|\b(?:to|from|after|up|down|compared|with|against|versus|vs|in|the|prior|previous|year|earlier|a|an|and|or|by|of|increase"
    r"|decrease|rose|fell|was|were|RMB|US|(?:19|20)[0-9]{2})\b|(?:19|20)[0-9]{2}年|[增减升降提下]?[至到为]|[较比]?上年(?:同期)?的?|同比|增长|下降|增加|减少|提高|[由从自和与及])*+"
)
_AFTER = re.compile(
    r"\s?[(（]|\s?,?\s?(?:(?:on|in|for|at|under|per|by|of|attributable|was|were|is|are|has been|had been)\b"
    r"|(?:includ|exclud)ing\b|as (?:previously|originally|initially|first|reported|restated|adjusted)\b|(?:from|after|before"
    r"|net of) (?:(?:dis)?continu|(?:income )?tax))",
    re.IGNORECASE,
)
_THIS_PERIOD = re.compile(r"本报告期(?![末内])")
_ITSELF = re.compile(
    r"\bitself\b|\b(?:on|of) its own\b|\bas a company\b|\bcompany alone\b|本(?:公司|行)|自身|单独|單獨", re.IGNORECASE
)
_LEFT_OUT = re.compile(
    r"\b(?:exclud\w+|before (?:exceptional|non-?\w+|one-?off|special|significant|specific)|stripp\w+|(?:taking|leaving) out"
    r"|without)\b|剔除|扣除|扣非|不计|除去",
    re.IGNORECASE,
)
_LATIN = re.compile(r"[a-z]{3,}")
_STATEMENT = re.compile(  # the title of a statement, on a line of its own
    r"^[^|\n。；]{0,24}(?:资产负债表|利润表|损益表|现金流量表|权益变动表)[^|\n。；]{0,12}$"
    r"|^[^|\n.;]{0,30}\b(?:balance sheets?|statements? of (?:financial position|income|operations|cash flows|comprehensive income"
    r"|changes in equity|profit or loss)|income statements?)\b[^|\n.;]{0,30}$",
    re.MULTILINE | re.IGNORECASE,
)
_TOGETHER = re.compile(r"(?:合计|共计|总计)为?$|\b(?:together|in all|altogether) ", re.IGNORECASE)
_FULL = re.compile(r"全年|\bfull[- ]year\b|\bfor the (?:whole|full|entire) year\b", re.IGNORECASE)
_FRAME = re.compile(  # what a sentence sets for those after it: in the consolidated accounts, 合并口径下
    r"\b(?:(?P<group>consolidated|group)|(?P<parent>parent(?: company| entity)?(?:['’]s)?(?: own)?|company(?:['’]s)? own|separate"
    r"|stand-?alone)) "
    r"(?:accounts|(?:financial )?statements|balance sheet|level)\b|(?:(?P<merged>合并|集团)|(?P<single>母公司|单体|个别))(?:口径"
    r"|报表|层面)",
    re.IGNORECASE,
)
_WEEKS = re.compile(r"\b([0-9]{1,2})[- ]weeks?\b", re.IGNORECASE)
_WEEKS_AFTER = re.compile(r"\s(?:in|for|over|of) (?:the )?([0-9]{1,2})[- ]weeks?\b", re.IGNORECASE)
_WEEKS_BEFORE = re.compile(r".*\b([0-9]{1,2})[- ]weeks?\b", re.IGNORECASE | re.DOTALL)
_NOTES = re.compile(r"(?i)^notes? (?:to|on|forming part of) the consolidated\b.*")  # has those of the parent as well
_SUMMED = re.compile(r"(?i)\b(?:table|as follows|set out below)\b|如下|下表")  # a sentence that leads into a table
_UNSAID = "which is not said"
_ENDS = re.compile(r"\s?(?:[,.;)]|and\b|or\b|against\b|after\b|$)")
_CLAUSE_END = re.compile(
    r"[,，。;；)）]| (?:and|while|but|or|after|compared|versus|against|than|from)\b(?![ -]tax| (?:dis)?continu)"
)


def find_marks(text: str) -> tuple[Mark, ...]:
    """The words of a basis in a text, in order."""
    lower, latin_only = text.lower(), HAN.search(text) is None
    marks = [
        Mark(*match.span(), dimension.name, match.lastgroup or "")
        for dimension in DIMENSIONS
        if dimension.may_be_in(lower, latin_only=latin_only)
        for match in (dimension.latin_pattern if latin_only else dimension.pattern).finditer(text)
    ]
    marks.sort(key=lambda mark: mark.start)
    return tuple(
        mark for before, mark in zip((None, *marks), marks, strict=False) if not _is_year_of(before, mark, text)
    )


def _is_year_of(before: Mark | None, mark: Mark, text: str) -> bool:
    """Whether a year only tells of which year a shorter time is: the fourth quarter of the fiscal year ended May 7."""
    if before is None or (before.dimension, mark.dimension, mark.kind) != (SPAN.name, SPAN.name, "year"):
        return False
    return _OF_YEAR.fullmatch(text, before.end, mark.start) is not None


def _find_whose(text: str) -> tuple[Mark, ...]:
    """The group and the company itself, each by a word of its own."""
    return tuple(Mark(*match.span(), SCOPE.name, match.lastgroup or "") for match in _WHOSE.finditer(text))


@lru_cache(maxsize=8192)
def _kinds(text: str) -> Marks:
    """The kinds that a label, a heading or a title names."""
    found: dict[str, frozenset[str]] = {}
    for mark in find_marks(text):
        found[mark.dimension] = found.get(mark.dimension, frozenset()) | {mark.kind}
    return found


class Marked:
    """A text with the words of its bases."""

    def __init__(self, reading: ClaimContext, marks: tuple[Mark, ...] | None = None) -> None:
        self.reading = reading
        self.marks = find_marks(reading.text) if marks is None else marks
        self._starts = [mark.start for mark in self.marks]

    def within(self, start: int, end: int) -> Sequence[Mark]:
        """The marks that start in [start, end)."""
        return self.marks[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def about(self, figure: Quantity) -> dict[str, set[str]]:
        """The kinds that the clause of a figure names, from the figure before it to the end of the clause."""
        if not self.marks:
            return {}
        before, after = self.reading.around(figure)
        end = _CLAUSE_END.search(after)
        return _by_dimension(self.within(figure.start - len(before), figure.end + (end.start() if end else len(after))))

    def near(self, figure: Quantity) -> dict[str, str]:
        """The kinds that the words close to a figure give it, by dimension: those right after it, else the last before."""
        if not self.marks:
            return {}
        if self.reading.is_respective(*self.reading.sentence(figure.start)):
            return self._in_order(figure)
        before, after = self.reading.around(figure)
        start, end = figure.start - len(before), figure.start
        while _CHAIN.fullmatch(self.reading.text, start, end):
            earlier = next((other for other in reversed(self.reading.quantities) if other.end <= start), None)
            if earlier is None or earlier.end < self.reading.sentence(figure.start)[0]:
                break
            start, end = earlier.start - len(self.reading.around(earlier)[0]), earlier.start
        marks = [*self.within(self._end_of_earlier(start, end), end), *self.within(end, figure.start)]
        found = {
            each.dimension: each.kind for each in marks if each.end >= end - _BESIDE or each.dimension not in _OPPOSITE
        }
        kinds = {(each.dimension, each.kind) for each in marks if each.end >= end - _BESIDE - _PAIR}
        for name in _OPPOSITE & found.keys():
            if sum(dimension == name for dimension, _ in kinds) > 1:
                del found[name]  # of receivables and payables, at 10 and 5, neither is plain
        clause = 0 if figure.kind != "amount" and after.startswith(" of ") else self.reach(figure.end, after[:_REACH])
        return found | {mark.dimension: mark.kind for mark in self.within(figure.end, figure.end + clause)}

    def _in_order(self, figure: Quantity) -> dict[str, str]:
        """The kinds of a figure of a list, where as many are named before it, in the same order."""
        group = self.reading.listed(figure)
        if not group:
            return {}
        before, found = self.within(self.reading.sentence(figure.start)[0], group[0].start), {}
        for dimension in {mark.dimension for mark in before}:
            kinds = [mark.kind for mark in before if mark.dimension == dimension][-len(group) :]
            if len(set(kinds)) == len(group):
                found[dimension] = kinds[group.index(figure)]
        return found

    def _end_of_earlier(self, start: int, end: int) -> int:
        """Where the words end that follow a figure and give its own basis: 34.0% at constant rates and 30.5% at ..."""
        is_figure = any(each.end == start for each in self.reading.quantities)
        return start + self.reach(start, self.reading.text[start:end]) if is_figure else start

    def reach(self, start: int, after: str) -> int:
        """How far the words after a figure can give its basis: as `_clause` says, or from a word of it right behind."""
        beside = self.within(start, start + 2)
        if beside and (not beside[0].start - start or _ENDS.match(self.reading.text, beside[0].end)):
            return beside[0].end - start
        return _clause(after)


def _clause(after: str) -> int:
    """How far the words after a figure can give its basis: in brackets, or from a preposition to the end of the clause."""
    if not _AFTER.match(after):
        return 0
    end = _CLAUSE_END.search(after, 2)
    return end.start() if end else len(after)


def _by_dimension(marks: Iterable[Mark]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for mark in marks:
        found.setdefault(mark.dimension, set()).add(mark.kind)
    return found


class SourceBasis:
    """The bases of a passage's figures, each worked out when it is asked for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.running = Marked(source.reading)
        self.told_apart = Marked(source.reading, _find_whose(source.reading.text))
        stated = [
            each.text for each in source.passage.basis if not each.column
        ]  # in the header that a teacher is shown
        self.section = _kinds(
            " | ".join(_NOTES.sub("", narrow(each)) for each in (*source.passage.section[-1:], *stated))
        )
        self.named = _kinds(source.text)
        titles = " | ".join((*source.passage.section, *(each.text for each in source.passage.basis)))
        heads = {column.heading for table in source.tables for _, columns in table.rows for column in columns}
        self.anywhere = (self.named, *map(_kinds, (narrow(titles), _first_cells(source.text), *sorted(heads))))
        self.default = _OF_REPORT.get(source.passage.period.kind)
        self.is_plain = not (self.named or self.section or self.default)
        self._places: dict[int, Marks] = {}
        self._around: dict[int, Marks] = {}

    def of(self, place: Place) -> Marks:
        """The basis of a figure: by its row, then its column, then what stands above them; in a sentence, by its words."""
        if id(place) not in self._places:
            self._places[id(place)] = dict(self._find(place))
        return self._places[id(place)]

    def _find(self, place: Place) -> Iterator[tuple[str, frozenset[str]]]:
        section = () if _RELEASE.search(" ".join(self.source.passage.section[-1:])) else _SECTION
        if place.table is None or place.row is None or place.column is None:
            line = self.source.text[slice(*self.source.reading.sentence(place.figure.start))]
            yield from self._sure(self.section, (SPAN,) if _OF_GROUP.search(line) else section)
            yield from self._sure(self._time_of(place), (SPAN,))
            for name, kind in self.running.near(place.figure).items():
                if name != SCOPE.name:  # the parent may be spoken of in a sentence about the group
                    yield name, frozenset((kind,))
            return
        yield from self._sure(self.section, section)
        if self.default and SPAN.name not in self.section:
            yield SPAN.name, self.default
        yield from self._sure(self._statement_of(place), (SCOPE,))
        for line in _titles(place.table.caption, _TITLE_LENGTH[self.source.passage.language]):
            yield from self._sure(_kinds(line), _TITLE)
        yield from self._sure(_kinds(_above(place.row, self.source.passage.language)), _PARENTS)
        is_latest = self.source.report_year in place.periods  # what is restated is of a year before
        yield from self._sure(_kinds(place.column.heading), _LATEST if is_latest else DIMENSIONS)
        label = place.row.lead + place.row.label
        yield from self._sure(_kinds(label), _BY_ITSELF if _EBITDA.search(label) else DIMENSIONS)
        if "主营业务" in " ".join((place.table.caption, *place.row.parents, place.table.rows[0][0].label)):
            yield EXTENT, _OF_MAIN  # the 营业收入 of such a table is that of the main business
        if provision := _provision(place):
            yield PROVISION.name, frozenset((provision,))
        if self.default == _OF_REPORT["quarterly"] and _THIS_PERIOD.search(place.column.heading):
            yield SPAN.name, frozenset(("quarter",))  # beside a column since the year began

    def _has_beside(self, dimension: Dimension, kind: str, place: Place) -> bool:
        """Whether a sentence has a thing of some kind, and the figure is another one than that."""
        reading = self.source.reading
        start, end = reading.sentence(place.figure.start)
        if not any(mark.dimension == dimension.name and mark.kind == kind for mark in self.running.within(start, end)):
            return False
        others = [each for each in reading.quantities if start <= each.start < end and each.kind == place.figure.kind]
        return any(
            each.value != place.figure.value and self.running.near(each).get(dimension.name) == kind for each in others
        ) and any(mark.start > place.figure.end for mark in self.running.within(start, end) if mark.kind == kind)

    def _statement_of(self, place: Place) -> Marks:
        """Whose the statement is that a table is part of, by the last title above it, pages and headings ago."""
        above = [kinds for at, kinds in self._statements if at <= place.figure.start]
        return above[-1] if above else {}

    @cached_property
    def _statements(self) -> list[tuple[int, Marks]]:
        return [(match.start(), _kinds(match[0])) for match in _STATEMENT.finditer(self.source.text)]

    def around(self, place: Place) -> Marks:
        """The kinds that anything around a figure names: its labels and titles; its paragraph up to the end of the sentence."""
        if id(place) not in self._around:
            self._around[id(place)] = _kinds(self._words_around(place))
        return self._around[id(place)]

    def _words_around(self, place: Place) -> str:
        section = " | ".join((*self.source.passage.section, *(each.text for each in self.source.passage.basis)))
        if place.table is None or place.row is None or place.column is None:
            text = self.source.text
            start, end = self.source.reading.sentence(place.figure.start)
            line = text.rfind("\n", 0, start) + 1
            beside = _lines_around(text, place.figure.start, 2) if end - line < _TILE else ""
            return f"{narrow(section)} | {' | '.join(self._headings_of(line))} | {text[line:end]} | {beside}"
        row, heads = place.row, place.table.rows[0][1]
        may_be_broken = (row.lead or row.parents) and not is_numbered(row.label)
        lines = _lines_around(self.source.text, place.figure.start, _BROKEN) if may_be_broken else ""
        broken = _first_cells(lines)
        totals = (
            other.label for other, _ in place.table.rows if _SUM_ROW.search(other.label)
        )  # what its rows add up to
        words = (_labels(place), heads[0].heading, place.table.caption, broken, *totals)
        return f"{narrow(section)} | {' | '.join(words)}"

    def _time_of(self, place: Place) -> Marks:
        """What stretch of time the sentence of a figure names, or else the nearest heading above it that names one."""
        start, end = self.source.reading.sentence(place.figure.start)
        if own := _by_dimension(self.running.within(start, end)).get(SPAN.name):
            return {SPAN.name: frozenset(own)}
        above = map(_kinds, reversed(self._headings_of(self.source.text.rfind("\n", 0, start) + 1)))
        return next((kinds for kinds in above if SPAN.name in kinds), {})

    def _headings_of(self, line: int) -> list[str]:
        """The short lines above a paragraph that are no sentences, the last three of them."""
        above = self.source.text[:line].rstrip("\n").split("\n")
        longest = _TITLE_LENGTH[self.source.passage.language]
        titles = (each for each in above if each and len(each) <= longest and " | " not in each)
        return [each for each in titles if each[-1] not in ".;。；"][-3:]

    @staticmethod
    def _sure(kinds: Marks, dimensions: Sequence[Dimension]) -> Iterator[tuple[str, frozenset[str]]]:
        for dimension in dimensions:
            if len(found := kinds.get(dimension.name, frozenset())) == 1:
                yield dimension.name, found

    def is_without(self, dimension: Dimension, kind: str, place: Place) -> bool:
        """Whether it is plain that a figure is not of a kind: its table has the same thing of that kind as well."""
        if dimension is SCOPE:
            return self._stands_elsewhere(kind, place)
        if dimension is SPAN:
            return False
        if place.table is None or place.row is None:
            return self._has_beside(dimension, kind, place)
        if kind in _kinds(place.table.rows[0][1][0].heading).get(dimension.name, ()):
            return False  # what stands over the labels is said of all rows
        own = place.row.lead + place.row.label
        is_total = dimension is OWNERS and label_key(own) in GENERIC
        return any(
            any(kind in _kinds(part).get(dimension.name, _NONE) for part in parts)
            and (is_total or _has_words(" ".join(parts), own))
            for parts in _others(place)
        )

    def _stands_elsewhere(self, kind: str, place: Place) -> bool:
        """Whether another table, which is known to be of the kind, has the row of a figure with other figures alone."""
        if place.row is None:
            return False
        twins = [each for each in self.source.rows_named(row_key(place.row)) if each.table is not place.table]
        twins = [each for each in twins if self.of(each).get(SCOPE.name) == frozenset((kind,))]
        return bool(twins) and all(abs(each.figure.value) != abs(place.figure.value) for each in twins)


def _first_cells(text: str) -> str:
    """What stands in the first column of lines, as one: labels that are broken over lines are whole in it."""
    cells = [line.split(" | ")[0] for line in text.split("\n")]
    return ("" if text and not text.isascii() else " ").join(cells)


def _provision(place: Place) -> str:
    """Whether a row stands before an allowance that is taken off in the next row, or after one; "" where neither."""
    rows = [row for row, _ in place.table.rows] if place.table else []
    at = next((number for number, row in enumerate(rows) if row is place.row), 0)
    if _ALLOWANCE.search("".join(row.label for row in rows[at + 1 : at + 2])):
        return "before"
    return "after" if at and _ALLOWANCE.search(rows[at - 1].label) else ""


def _is_labelled(place: Place, dimension: Dimension, kind: str) -> bool:
    """Whether the labels of a cell name a thing and its opposite: right-of-use assets among deferred tax liabilities."""
    return dimension in OPPOSITES and kind in _kinds(_labels(place)).get(dimension.name, _NONE)


def _labels(place: Place) -> str:
    """All that the table says of a cell: its row, what the row stands under, its column."""
    if place.row is None or place.column is None:
        return ""
    return " | ".join((place.row.lead + place.row.label, *place.row.parents, place.column.heading))


def _lines_around(text: str, at: int, count: int) -> str:
    """The line that holds an offset with as many before and behind it."""
    start = end = at
    for _ in range(count + 1):
        start = text.rfind("\n", 0, start)
        end = text.find("\n", end + 1) if end >= 0 else end
        if start < 0:
            break
    return text[max(start, 0) : end if end >= 0 else len(text)]


def _others(place: Place) -> Iterator[tuple[str, ...]]:
    """The labels of the other rows of a figure's table, with what they stand under, and its row's label by other columns."""
    for row, columns in place.table.rows if place.table else ():
        if row is not place.row:
            yield (row.lead + row.label,) if row.lead else (" ".join((*row.parents[-1:], row.label)),)
        else:
            yield from (
                (columns[index].heading, row.lead + row.label)
                for index, _, _ in row.cells
                if columns[index] is not place.column and _may_be_of(columns[index].periods, place.column)
            )


def _may_be_of(periods: Periods, column: Column | None) -> bool:
    """Whether two columns may be of one time."""
    return not (column and column.periods and periods) or bool(periods & column.periods)


def _has_words(label: str, of: str) -> bool:
    """Whether a label has all the words of another, in Chinese most pairs of its characters."""
    if of.isascii():
        return set(_LATIN.findall(of.lower())) <= set(_LATIN.findall(label.lower()))
    pairs = {of[at : at + 2] for at in range(len(of) - 1)}
    return bool(pairs) and 4 * len(pairs & {label[at : at + 2] for at in range(len(label) - 1)}) >= 3 * len(pairs)


def _above(row: TableRow, language: str) -> str:
    """The heading row that says the basis of a row; in Chinese one with a colon: others are parts of broken labels."""
    above = " ".join(row.parents[-1:])
    is_heading = language != "zh" or above.rstrip().endswith((":", "："))
    return above if is_heading and not _RECONCILES.search(above) else ""


def _titles(caption: str, longest: int) -> Iterator[str]:
    """The title of a table and the lines of units, dates and the like between the two, the title first."""
    lines = [line for line in caption.split("\n") if line.strip()]
    for number, line in enumerate(reversed(lines), 1):
        if not _FURNITURE.search(line) or number == len(lines):
            yield from (
                each
                for each in lines[-number:]
                if (len(each) <= longest and not each.rstrip().endswith((".", "。", ";", "；", ",")))
                or _SUMMED.search(each)
            )
            return


def _table_kinds(place: Place) -> Marks:
    """The kinds that the rows and columns of a figure's table name."""
    rows = place.table.rows if place.table else []
    labels = [" ".join((row.label, *row.parents)) for row, _ in rows]
    heads = [column.heading for _, columns in rows[:1] for column in columns]
    return _kinds(" | ".join((*labels, *heads)))


@lru_cache(maxsize=PREPARED)
def basis_of(source: Source) -> SourceBasis:
    """The bases of a passage, from the store of those that were asked for last."""
    return SourceBasis(source)


class Basis:
    """What an answer says of the bases of its figures, against those of its sources."""

    def __init__(self, reading: ClaimContext, question: str) -> None:
        self.reading = reading
        self.question = question

    @cached_property
    def _marked(self) -> Marked:
        return Marked(self.reading)

    @cached_property
    def _told_apart(self) -> Marked:
        """The answer where a table has the group and the company itself: each is then named by a word of its own."""
        return Marked(self.reading, _find_whose(self.reading.text))

    @cached_property
    def _asked(self) -> Marks:
        return _kinds(narrow(self.question))

    def conflict(self, figure: Quantity, source: Source, place: Place) -> str | None:
        """What speaks against a figure of the source being on the basis that the answer gives or leaves out."""
        detail = self._conflict(figure, source, place)
        if detail and place.table is None and not detail.endswith(_UNSAID) and source.says(self.reading, figure.start):
            return None  # in the source's own words
        return detail

    def _conflict(self, figure: Quantity, source: Source, place: Place) -> str | None:
        origin = basis_of(source)
        if origin.is_plain and not (self._marked.marks or self._told_apart.marks):
            return None
        known, close = origin.of(place), self._close(figure, place)
        if place.table is None and (detail := self._other_in_prose(figure, source, place)):
            return detail
        is_share = figure.kind != "amount" and place.table is None  # of two things: liabilities at 60 percent of assets
        if place.column is not None and (detail := _other_weeks(self.reading, figure, place.column)):
            return detail
        for dimension in BASES if is_share or figure.unit in ("people", "time") else DIMENSIONS:
            mine, theirs = close.get(dimension.name), known.get(dimension.name)
            if dimension is SPAN and place.fact and "/" not in place.fact.period:
                continue  # what is of one day is of no span, whatever the heading of its column says
            if self._is_open(dimension, mine, source, place):
                continue
            if mine and theirs:
                if not _agree({mine}, theirs) and not _is_labelled(place, dimension, mine):
                    return f"it is {_said(theirs)}, not {mine}"
            elif mine and (detail := self._said_alone(figure, origin, place, dimension, mine)):
                return detail
            elif place.table is None and dimension in (SPAN, OWNERS):
                continue  # what a sentence has of a quarter is of its year as well
            elif theirs and theirs <= dimension.special and not self._is_stated(dimension, theirs, figure, origin):
                return f"it is {_said(theirs)}, {_UNSAID}"
        return None

    def _is_open(self, dimension: Dimension, kind: str | None, source: Source, place: Place) -> bool:
        """Whether a kind that is said may be any other by the source."""
        if dimension is SPAN and kind == "year":  # a report of half a year calls it 本年 itself
            return "本年" in source.text and not _FULL.search(self.reading.text)
        is_net_liability = dimension.name == "balance" and place.figure.sign < 0
        return kind == "part" or is_net_liability  # of a segment a table of the whole may tell

    def _close(self, figure: Quantity, place: Place) -> dict[str, str]:
        """The kinds that the words close to a figure give it; whose accounts it is of also by a word that frames them."""
        close = self._marked.near(figure)
        if place.table is not None and _table_kinds(place).get(SCOPE.name, _NONE) >= _BOTH:
            close |= self._told_apart.near(figure)
        if SCOPE.name not in close and (framed := self._framed(figure)):
            close[SCOPE.name] = framed
        return close

    def _said_alone(
        self, figure: Quantity, origin: SourceBasis, place: Place, dimension: Dimension, kind: str
    ) -> str | None:
        """What is wrong with a basis that the answer gives a figure of which the source does not say one."""
        if kind in dimension.stated and self._is_unknown(figure, origin, place, dimension, kind):
            return f"nothing around it in the source says {kind}"
        if kind in dimension.exclusive and not self._is_sum(figure) and origin.is_without(dimension, kind, place):
            return f"the source does not have it as {kind}"
        return None

    def _is_unknown(self, figure: Quantity, origin: SourceBasis, place: Place, dimension: Dimension, kind: str) -> bool:
        """Whether a figure is plainly given a basis of which the source has no word around it; a time is named far from it."""
        if dimension is SPAN or not self._is_plain(figure, dimension, kind):
            return False
        return kind not in origin.around(place).get(dimension.name, _NONE)

    def _is_plain(self, figure: Quantity, dimension: Dimension, kind: str) -> bool:
        """Whether a word of a basis stands in the very clause of a figure, before it or right after."""
        before, after = self.reading.around(figure)
        clause = re.split(r"[,;，；：]", before)[-1]
        start, end = figure.start - len(clause), figure.end + self._marked.reach(figure.end, after)
        return any((mark.dimension, mark.kind) == (dimension.name, kind) for mark in self._marked.within(start, end))

    def _is_sum(self, figure: Quantity) -> bool:
        """Whether a figure is given as the sum of those before it: 8.98 of the owners, together 9.02."""
        return _TOGETHER.search(self.reading.text, max(0, figure.start - 12), figure.start) is not None

    def _framed(self, figure: Quantity) -> str | None:
        """Whose accounts an earlier sentence says that it speaks of, where no word has named others since."""
        start, _ = self.reading.sentence(figure.start)
        frame = None
        for match in _FRAME.finditer(self.reading.text, 0, start):
            frame = match
        if frame is None:
            return None
        kind = "group" if frame["group"] or frame["merged"] else "parent"
        others = self._marked.within(frame.end(), figure.start)
        return None if any(mark.dimension == SCOPE.name and mark.kind != kind for mark in others) else kind

    def _other_in_prose(self, figure: Quantity, source: Source, place: Place) -> str | None:
        """What the sentence of the source has, where the clause of the answer names another kind of it and none of these."""
        where = basis_of(source)
        for mine, theirs in ((self._marked, where.running), (self._told_apart, where.told_apart)):
            if detail := _differs(mine.about(figure), theirs, place.figure):
                return detail
        return None

    def conflict_of_operands(self, figure: Quantity, operands: Sequence[Sequence[tuple[Source, Place]]]) -> str | None:
        """What speaks against a computed figure being on the basis that is said: all that it is computed from is on another."""
        for name, mine in self._marked.near(figure).items():
            if name not in _OPPOSITE and name != SPAN.name and operands:
                found = [[at for at in each if at[1].table] or each for each in operands]
                theirs = [basis_of(source).of(place).get(name, _NONE) for each in found for source, place in each]
                if all(theirs) and not any(_agree({mine}, each) for each in theirs):
                    return f"it is computed from what is {_said(theirs[0])}, not {mine}"
        return None

    def unfounded(self, sources: Sequence[Source]) -> Iterator[Mark]:
        """The words of a basis that must be said where it is so, and of which no source has any."""
        bases = [basis_of(source) for source in sources]
        for mark in self._marked.marks:
            dimension = next(each for each in DIMENSIONS if each.name == mark.dimension)
            named = (kinds.get(mark.dimension, _NONE) for each in bases for kinds in each.anywhere)
            if (
                mark.kind in dimension.special
                and dimension not in (SPAN, SCOPE)
                and not any(mark.kind in each for each in named)
            ):
                yield mark

    def wrong_years(self, sources: Sequence[Source]) -> Iterator[Mark]:
        """The words that speak of a full year, where the report is of a shorter time and no source has such words."""
        if all(basis_of(source).default for source in sources) and not any(
            "year" in basis_of(each).named.get(SPAN.name, ()) or _FULL.search(each.text) for each in sources
        ):
            yield from (Mark(*match.span(), SPAN.name, "year") for match in _FULL.finditer(self.reading.text))

    def tells_apart(self, figure: Quantity, source: Source, place: Place, label: str) -> bool:
        """Whether the words close to a figure give it the special basis of its row, which the label said does not have."""
        known, named = basis_of(source).of(place), _kinds(label)
        return any(
            known.get(each.name) == frozenset((kind,)) and kind not in named.get(each.name, frozenset())
            for each in DIMENSIONS
            if (kind := self._marked.near(figure).get(each.name)) in each.special
        )

    def _is_stated(self, dimension: Dimension, kinds: frozenset[str], figure: Quantity, origin: SourceBasis) -> bool:
        said = {mark.kind for mark in self._marked.marks if mark.dimension == dimension.name}
        hint = {SCOPE.name: _ITSELF, RULES.name: _LEFT_OUT, OPERATIONS.name: _GIVEN_UP}.get(dimension.name)
        if hint is not None and hint.search(self.reading.text):
            return True
        said |= self._asked.get(dimension.name, frozenset())
        if dimension is SPAN and origin.default and kinds & origin.default:
            return True
        return _agree(kinds, said)


def _other_weeks(reading: ClaimContext, figure: Quantity, column: Column) -> str | None:
    """The length that a column heads, where the words beside a figure give it another one: 52 weeks, not 53."""
    known = set(_WEEKS.findall(column.heading))
    if len(known) != 1:
        return None
    before, after = reading.around(figure)
    is_first = figure.start - len(before) == reading.sentence(figure.start)[0]
    said = _WEEKS_AFTER.match(after) or (_WEEKS_BEFORE.match(before) if is_first else None)
    return f"it is of {min(known)} weeks, not {said[1]}" if said and said[1] not in known else None


def _differs(mine: Mapping[str, set[str]], source: Marked, figure: Quantity) -> str | None:
    """What the clause of a figure of the source, or else its sentence, says in place of kinds that an answer gives it."""
    if not mine or not source.marks:
        return None
    where = source.reading.sentence(figure.start)
    close, sentence = source.about(figure), _by_dimension(source.within(*where))
    is_list = source.reading.is_respective(*where)  # 1.1% and 5.9% in the quarter and the half-year
    for dimension, kinds in mine.items():
        if dimension in _LOOSE:
            continue
        there = (sentence if is_list else close).get(dimension) or sentence.get(dimension)
        if there and not _agree(kinds, there):
            return f"its sentence is about {_said(frozenset(there))}, not {_said(frozenset(kinds))}"
    return None


def _agree(mine: Iterable[str], theirs: Iterable[str]) -> bool:
    """Whether two sets of kinds may be one: they share a kind, or both are times since the year began."""
    mine, theirs = frozenset(mine), frozenset(theirs)
    if mine | theirs == _ALONE:
        return True
    return bool(mine & theirs or (mine & _OPENED and theirs & _OPENED and (mine | theirs) & _SINCE))


def _said(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))
