"""The items of statements that analysts ask about, by the labels that reports give them, and whether a passage states one."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from itertools import chain, groupby
from math import ceil
from typing import Literal

from fingen.records import Language, Passage
from fingen.text import sentences

Kind = Literal["income", "balance", "cash", "key"]
KINDS: tuple[Kind, ...] = ("income", "balance", "cash", "key")
Way = Literal["gain", "cost", "cash", "plain"]


@dataclass(frozen=True)
class Item:
    """An item: the statements it stands in, and what its sign says. A lower rank is asked for first.

    `way`: a gain may be a loss; a cost is one with brackets or without; cash is provided or used; what is plain is positive.
    """

    name: str
    rank: int
    way: Way
    kinds: tuple[Kind, ...]
    is_per_share: bool = False

    @property
    def is_stock(self) -> bool:
        """Whether it is counted on a day, and not over a time."""
        return self.kinds[0] == "balance"


TITLES: dict[Kind, re.Pattern[str]] = {
    "cash": re.compile(
        r"statements? of cash ?flows?|cash ?flows? statements?|现金流量表(?=\s|$|20\d\d年|编制)", re.IGNORECASE
    ),
    "balance": re.compile(
        r"balance sheets?$|balance sheets?\b.{0,30}\b(?:at|as)\b|statements? of financial (?:position|condition)|"
        r"资产负债表(?=\s|$|20\d\d年|编制)",
        re.IGNORECASE,
    ),
    "income": re.compile(
        r"statements? of (?:(?:consolidated|other|and|comprehensive|profit|or) )*(?:operations|income|earnings|loss(?:es)?)\b|"
        r"income statements?|profit and loss account|利润表(?=\s|$|20\d\d年|编制)",
        re.IGNORECASE,
    ),
    "key": re.compile(
        r"(?:selected|summary) (?:consolidated )?financial|financial highlights$|^key figures$|five[- ]year (?:summary|record)|"
        r"主要会计数据$|主要财务指标$|相关科目变动分析表$",
        re.IGNORECASE,
    ),
}
MOST = 0.6  # of an item's words in one row or sentence: it may be what is asked for
_WORD = re.compile(r"[a-z][a-z&'-]+|[\u3400-\u9fff]")
_EMPTY = frozenset(
    "a an and any are as at be by did do does for from had has have how in is it its many much of on or over per "
    "report reported reports say shown state stated that the their these this to total was were what when which who whom why will with "
    "year years fiscal annual company amount figure net".split()
)
_EMPTY_ZH = frozenset("的了和与及在为是多少年度末元额总合计本期公司")


_Entry = tuple[str, Way, tuple[Kind, ...], str]
_FLOW: tuple[Kind, ...] = ("income", "key")
_STOCK: tuple[Kind, ...] = ("balance", "key")
_CASH: tuple[Kind, ...] = ("cash", "key")
_TAXES = r"(?:provision for )?(?:income )?tax(?:es|ation)?"
_EXPENSES = r"(?: expenses?| costs?)?"
_OF_YEAR = r"for the (?:financial )?(?:year|period)"
_BUYING = r"(?:purchases?|acquisitions?|additions?|payments?)"
_SHARE = r"per (?:common |ordinary )?share"
_NET_CASH = r"(?:total )?net cash (?:flows? |inflows? |outflows? |generated )?(?:provided by|from|used in|used by|generated (?:by|from))"
_HOLDERS = r"(?:stockholders|shareholders|owners|equity holders|members|[A-Z][\w.,&’' -]{3,50})"
_ENGLISH: list[_Entry] = [
    ("revenue", "plain", _FLOW,
     r"(?:total )?(?:net )?(?:operating )?(?:revenues?|sales|turnover)(?:, net)?(?: to customers| from contracts with customers)?"),
    ("net income", "gain", _FLOW,
     rf"(?:consolidated )?net (?:income|earnings|profit)|net loss|(?:net )?(?:profit|loss) {_OF_YEAR}|profit after (?:income )?tax"),
    ("operating income", "gain", _FLOW,
     r"(?:total )?operating (?:income|profit|loss)|(?:income|profit|earnings|loss) from operations|results? from operating activities"),
    ("gross profit", "gain", _FLOW, r"gross (?:profit|margin)"),
    ("operating cash", "cash", _CASH, rf"{_NET_CASH} (?:operating activities|operations)|cash flows from operating activities"),
    ("total assets", "plain", _STOCK, r"total assets"),
    ("net interest income", "plain", _FLOW, r"net interest income"),
    ("eps", "gain", _FLOW,
     rf"net (?:income|earnings) {_SHARE}[ ,:–-]+diluted|diluted (?:net )?(?:earnings|income|loss) {_SHARE}"),
    ("total liabilities", "plain", _STOCK, r"total liabilities"),
    ("equity", "plain", _STOCK, r"total (?:stockholders|shareholders|owners)?[’']? ?equity|net assets"),
    ("pretax", "gain", _FLOW, rf"(?:income|profit|earnings|loss) before {_TAXES}(?: expense| on income)?"),
    ("attributable", "gain", _FLOW,
     rf"(?:net (?:income|earnings|profit|loss)|profit|loss) attributable to (?:the )?(?:common |ordinary )?{_HOLDERS}"),
    ("research", "cost", _FLOW, rf"research and development{_EXPENSES}(?:, net)?"),
    ("cost of sales", "cost", _FLOW, r"(?:total )?costs? of (?:sales|revenues?|goods sold|products sold)"),
    ("selling", "cost", _FLOW,
     rf"selling,? (?:marketing,? )?(?:general,? )?and administrative{_EXPENSES}|(?:sales|selling) and marketing{_EXPENSES}"),
    ("administrative", "cost", _FLOW, rf"general and administrative{_EXPENSES}|administrative expenses"),
    ("operating expenses", "cost", _FLOW, r"total (?:operating )?expenses|total (?:operating )?costs(?: and expenses)?"),
    ("staff", "cost", _FLOW, r"employee benefits? expenses?|personnel (?:costs|expenses)|staff costs"),
    ("non-interest income", "plain", _FLOW, r"(?:total )?non-?interest income"),
    ("non-interest expense", "cost", _FLOW, r"(?:total )?non-?interest expenses?"),
    ("interest income", "plain", _FLOW, r"total interest income"),
    ("interest expense", "cost", _FLOW, r"(?:total )?interest expense(?:, net)?|finance costs"),
    ("credit losses", "cost", _FLOW, r"(?:total )?provision for (?:loan|credit)(?: and lease)? losses"),
    ("tax", "cost", _FLOW, r"provision for (?:income )?taxes(?: on income)?|income tax expense"),
    ("investing cash", "cash", _CASH, rf"{_NET_CASH} investing activities"),
    ("financing cash", "cash", _CASH, rf"{_NET_CASH} financing activities"),
    ("capital expenditure", "cost", _CASH,
     rf"capital expenditures?|{_BUYING} (?:of|to|for) (?:land, )?property(?:,? plant)?,? and equipment"),
    ("dividends", "cost", _CASH, r"dividends paid(?: to shareholders| on common stock)?|payments? of dividends"),
    ("free cash flow", "cash", ("key",), r"free cash flow"),
    ("cash", "plain", _STOCK, r"(?:total )?cash and cash equivalents"),
    ("inventories", "plain", _STOCK, r"(?:total )?inventor(?:y|ies)(?:, net)?"),
    ("current assets", "plain", _STOCK, r"total current assets"),
    ("current liabilities", "plain", _STOCK, r"total current liabilities"),
    ("deposits", "plain", _STOCK, r"total deposits"),
    ("loans", "plain", _STOCK, r"loans(?: and leases)?, net|net loans(?: and leases)?"),
    ("goodwill", "plain", _STOCK, r"goodwill"),
    ("property", "plain", _STOCK, r"(?:total )?property(?:,? plant)?,? and equipment(?:, net)?|investment properties, net"),
    ("retained earnings", "plain", _STOCK, r"retained (?:earnings|profits)"),
]  # fmt: skip
_OWNED = r"归属于(?:上市公司|母公司|本公司)(?:所有者|股东|普通股股东)的"
_CHINESE: list[_Entry] = [
    ("revenue", "plain", _FLOW, r"营业(?:总)?收入"),
    ("attributable", "gain", _FLOW, rf"{_OWNED}净利润"),
    ("recurring", "gain", _FLOW, rf"{_OWNED}扣除非经常性损益(?:后)?的净利润"),
    ("net income", "gain", _FLOW, r"净利润"),
    ("operating cash", "cash", _CASH, r"经营活动(?:产生|使用)的现金流量净额"),
    ("total assets", "plain", _STOCK, r"总资产|资产总计|资产总额"),
    ("equity", "plain", _STOCK, rf"{_OWNED}(?:净资产|所有者权益)|(?:所有者|股东)权益合计"),
    ("operating income", "gain", _FLOW, r"营业利润"),
    ("pretax", "gain", _FLOW, r"利润总额"),
    ("research", "cost", _FLOW, r"研发费用"),
    ("total liabilities", "plain", _STOCK, r"负债合计|负债总计"),
    ("cost of sales", "cost", _FLOW, r"营业成本"),
    ("selling", "cost", _FLOW, r"销售费用"),
    ("administrative", "cost", _FLOW, r"管理费用"),
    ("eps", "gain", _FLOW, r"(?:基本|稀释)每股收益"),
    ("investing cash", "cash", _CASH, r"投资活动产生的现金流量净额"),
    ("financing cash", "cash", _CASH, r"筹资活动产生的现金流量净额"),
    ("cash", "plain", _STOCK, r"货币资金"),
    ("receivables", "plain", _STOCK, r"应收账款"),
    ("inventories", "plain", _STOCK, r"存货"),
    ("property", "plain", _STOCK, r"固定资产"),
]  # fmt: skip


def _compiled(entries: list[_Entry]) -> list[tuple[Item, re.Pattern[str]]]:
    return [
        (Item(name, rank, way, kinds, name == "eps"), re.compile(pattern, re.IGNORECASE))
        for rank, (name, way, kinds, pattern) in enumerate(entries)
    ]


_ITEMS = {"en": _compiled(_ENGLISH), "zh": _compiled(_CHINESE)}
_MARKS = re.compile(
    r"\s*\((?:notes? [^)]*|[\d,a-z]{1,3}|loss(?:es)?|income|deficit|benefit|credit|used in|outflow|净?亏损[^)]*)\)|"
    r"\.{3,}|[:：*†]+|（[^）]*）"
)
_INITIALS = re.compile(r"\b[A-Z]\.[A-Z]$")  # U.S. keeps its last point
_CHINESE_NUMBER = re.compile(
    r"^(?:[一二三四五六七八九十]+、|[（(]?[一二三四五六七八九十\d]+[)）.、]|其中[:：]?|[加减][:：])\s*"
)


def plain_label(label: str, language: str) -> str:
    """A label without its number, its notes and what its sign means."""
    unnumbered = _CHINESE_NUMBER.sub("", label) if language == "zh" else label
    plain = re.sub(r"\s+", " ", _MARKS.sub("", unnumbered)).strip(" ,.-–—")
    return f"{plain}." if _INITIALS.search(plain) and f"{plain}." in label else plain


@lru_cache(maxsize=1 << 12)
def find_item(label: str, kind: Kind, language: str) -> tuple[Item | None, str]:
    """The item that a label names, and the label without its marks; None where it is not one that is asked about."""
    plain = re.sub(r", net of .*", ", net", plain_label(label, language))
    for item, pattern in _ITEMS[language]:
        if kind in item.kinds and pattern.fullmatch(plain):
            return item, plain
    return None, plain


def is_statement(title: str) -> bool:
    """Whether a heading is the title of a primary statement or of its key figures."""
    return len(title) < 160 and any(pattern.search(title) for pattern in TITLES.values())


def find_stated(item: str, passage: Passage) -> str | None:
    """The row or sentence of a passage that may state an item, or None where none does."""
    wanted, statement_item = _words(item, passage), _items(item, passage.language)
    for text, label in _lines(passage):
        if statement_item & _items(label, passage.language):
            return text
        there = _words(text, passage)
        if not wanted or len(wanted & there) >= MOST * len(wanted):
            return text
    return None


class StatedItems:
    """Passages by their words: whether one of them states an item is found without going through all of them."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._groups: dict[tuple[str, Language], _Group] = {}  # those whose company and language are the same
        for passage in passages:
            self._groups.setdefault((passage.company or "", passage.language), _Group()).add(passage)

    def states(self, items: Sequence[str], apart_from: Collection[str] = ()) -> bool:
        """Whether `find_stated` finds one of these items in a passage; not in those `apart_from`, named by their chunks."""
        return any(
            passage.chunk not in apart_from and any(find_stated(item, passage) for item in items)
            for group in self._groups.values()
            for passage in group.candidates(items)
        )


class _Group:
    def __init__(self) -> None:
        self._passages: list[tuple[Passage, frozenset[str]]] = []  # each with its words
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        self._by_item: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, passage: Passage) -> None:
        lines = list(_lines(passage))
        words = frozenset(chain.from_iterable(_plain_words(text) for text, _ in lines))
        for word in words:
            self._by_word[word].append(len(self._passages))
        for name in frozenset(chain.from_iterable(_items(label, passage.language) for _, label in lines)):
            self._by_item[name].append(len(self._passages))
        self._passages.append((passage, words))

    def candidates(self, items: Iterable[str]) -> Iterator[Passage]:
        """The passages that can state one of these items, in their order."""
        return (self._passages[number][0] for number, _ in groupby(merge(*map(self._numbers, items))))

    def _numbers(self, item: str) -> Iterator[int]:
        """The passages with as many of an item's words as one line of them would need, or with the item of its label."""
        first, _ = self._passages[0]
        wanted, least = _words(item, first), MOST * len(_words(item, first))
        # Of its words so many may be missing: each passage has one of those that are left with the rarest one among them.
        rarest = sorted(wanted, key=lambda word: (len(self._by_word.get(word, ())), word))
        of_words = [self._by_word.get(word, []) for word in rarest[: len(wanted) - ceil(least) + 1]]
        of_items = [self._by_item.get(name, []) for name in _items(item, first.language)]
        named = set(chain.from_iterable(of_items))
        for number in merge(*of_words, *of_items) if wanted else range(len(self._passages)):
            if number in named or len(wanted & self._passages[number][1]) >= least:
                yield number


def _lines(passage: Passage) -> Iterator[tuple[str, str]]:
    """Each row, with the label alone that it stands below, and each sentence; and of a row its label."""
    for kind, text in passage.kinds:
        if kind == "table":
            group = ""
            for row in text.split("\n"):
                label, *cells = row.split(" | ")
                if not any(cell.strip() for cell in cells):
                    group = label
                yield f"{group} {row}", label
        else:
            yield from ((text[start:end], "") for start, end in sentences(text))


@lru_cache(maxsize=1 << 14)
def _plain_words(text: str) -> frozenset[str]:
    found = set()
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        if word in _EMPTY or word in _EMPTY_ZH:
            continue
        found.add(word if len(word) == 1 or not word.isascii() else _stem(word))
    return frozenset(found)


def _words(text: str, passage: Passage) -> frozenset[str]:
    """What a text says, without the words that any question has and the company's name."""
    return _plain_words(text) - _plain_words(passage.company or "")


def _stem(word: str) -> str:
    for end in ("ies", "ing", "ed", "es", "s", "e", "y"):
        if word.endswith(end) and len(word) - len(end) > 3:
            return word[: -len(end)]
    return word


@lru_cache(maxsize=1 << 14)
def _items(label: str, language: str) -> frozenset[str]:
    """The names of the items of a statement that a label may be of."""
    plain = plain_label(label, language)
    found = (find_item(text, kind, language)[0] for kind in KINDS for text in {label, plain} if text)
    return frozenset(item.name for item in found if item)
