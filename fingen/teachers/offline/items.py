"""The items of statements that analysts ask about, by the labels that reports give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["income", "balance", "cash", "key"]
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
