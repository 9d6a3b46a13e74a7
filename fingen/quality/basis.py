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
from fingen.quality.notation import narrow
from fingen.quality.quantities import Quantity
from fingen.quality.source import PREPARED, Source, row_key
from fingen.quality.tables import GENERIC, Column, Periods, Place, TableRow, label_key

Marks = Mapping[str, frozenset[str]]  # kinds by dimension; one that is not there is not known


@dataclass(frozen=True)
class Dimension:
    """One way in which figures of one name differ. `special` are the kinds that must be said; others are taken as read.

    Where a table has a thing on one of the `exclusive` kinds as well, it does not have it so elsewhere.

    A text without any of the `hints` names none of them: most texts are done with that.
    """

    name: str
    pattern: re.Pattern[str]  # a named group for each kind
    special: frozenset[str]
    exclusive: frozenset[str]
    hints: tuple[str, ...]

    def may_be_in(self, lower: str, *, ascii_only: bool) -> bool:
        """Whether a text in lower case has one of the hints; one in ASCII has none in Chinese."""
        if any(hint in lower for hint in self.latin):
            return True
        return not ascii_only and any(hint in lower for hint in self.han)

    @cached_property
    def latin(self) -> tuple[str, ...]:
        """The hints in ASCII."""
        return tuple(filter(str.isascii, self.hints))

    @cached_property
    def han(self) -> tuple[str, ...]:
        """The hints in Chinese."""
        return tuple(hint for hint in self.hints if not hint.isascii())


@dataclass(frozen=True, slots=True)
class Mark:
    """Words of a basis in a text: where they start and end, and what they say."""

    start: int
    end: int
    dimension: str
    kind: str


def _dimension(name: str, special: str, hints: str, also: str = "", **kinds: str) -> Dimension:
    groups = "|".join(f"(?P<{kind}>{words})" for kind, words in kinds.items())
    return Dimension(
        name,
        re.compile(groups, re.IGNORECASE),
        frozenset(special.split()),
        frozenset(f"{special} {also}".split()),
        tuple(hints.split()),
    )


# 归属于母公司 and "owners of the parent" say who shares in a profit of the group; they make no parent's accounts of it.
SCOPE = _dimension(
    "scope", "parent", "本行 本公司 母行 parent company-only company unconsolidated separate stand consolidated group 母公司 "
    "单体 个体 個體 个别 個別 合并 合併 集团 集團",
    parent=r"(?<!归属于)(?<!归属)(?<!归于)母公司(?!所有者|股东|股東|普通股|[拥擁]有人|情况|情況|[和及与與])|单体(?:口径|报表)|(?:^|(?<=\s))本(?:行|公司)(?=\s|$)|本行(?:口径|报表)|母行"
    r"|个体财务|個體財務|个别财务报表|個別財務"
    r"|(?<!owners of )(?<!holders of )(?<!owners of the )(?<!holders of the )(?<!equity of )"
    r"(?<!attributable to the )(?<!attributable to )(?<!equity of the )"
    r"\b(?:(?:parent|holding)[- ]company\b(?! shareholders)|parent[- ]only\b|company[- ]only\b"
    r"|unconsolidated\b(?! (?:structured|entit|subsid|affil|joint|fund))"
    r"|separate (?:financial )?statements\b"
    r"|^company (?:balance sheet|statement of|profit and loss|income statement|cash flow)|company balance sheet\b|stand-?alone\b"
    r"|the parent(?:['’]s)?\b|parent (?:entity|level)\b)",
    group=r"(?<!企业)(?<!业务)合[并併](?!及公司|及母公司|及银行|范围|报表编制|日|方|对价|成本|财务报表项目)(?:口径|报表)?|\bconsolidated\b"
    r"|\bthe (?:whole |entire )?group(?:['’]s)?\b|本集[团團]|集团口径|group[- ]wide",
)  # fmt: skip
_WHOSE = re.compile(
    r"(?P<parent>(?<!于)(?<!归属)本(?:行|公司)(?!股东|所有者|普通股|拥有|控制|控股|管理层|董事|设立|及)|(?<!于)(?<!归属)母公司(?!股东|股東|所有者|普通股|[拥擁]有人))"
    r"|(?P<group>[本该]?集[团團](?!股份|有限|公司|控股))"
)
_NONE: frozenset[str] = frozenset()
_BOTH = frozenset(("parent", "group"))
SPAN = _dimension(
    "span", "quarter half nine since", "month week quarter half interim cumulative date inception q1 q2 q3 q4 year annual 季 半年 1 "
    "年初 累计 全年 年度 中期 个月 本年 当年",
    nine=r"\bnine[- ]months?\b|\b(?:39|40|thirty-nine)[- ]weeks?\b|\bfirst three quarters\b|前三季度?|1\s?[-—至~]\s?9\s?月|九个月",
    half=r"\bsix[- ]months?\b|\b(?:26|27|twenty-six)[- ]weeks?\b|\bhalf[- ]year(?:ly)?\b|\b(?:first|second) half\b"
    r"|\binterim period\b|上半年|下半年|半年度?(?!报告)|1\s?[-—至~]\s?6\s?月|六个月|中期(?!票据)",
    quarter=r"\bthree months\b(?! or (?:less|more|longer))"
    r"|\b(?:13|14|thirteen|fourteen)[- ]weeks?\b|\b(?:first|second|third|fourth|1st|2nd|3rd|4th"
    r"|single|last)[- ](?:fiscal )?quarter\b|\bquarter(?:ly)? (?:ended|results?)\b"
    r"|\bQ[1-4]\b|\bthe quarter\b|第?[一二三四1-4]季度?(?!报告)|[本单当該该]季度?|1\s?[-—至~]\s?3\s?月|4\s?[-—至~]\s?6\s?月"
    r"|7\s?[-—至~]\s?9\s?月|10\s?[-—至~]\s?12\s?月|三个月(?![内以或])",
    since=r"\byear[- ]to[- ]date\b|截[至止](?:第?[一二三四]季度|[本该]季度)末?(?=累计|[，,共已])|年初[到至](?:本?报|本季)",
    cumulative=r"\bcumulative(?:ly)?\b|\b(?:plan|life|inception)[- ]to[- ]date\b|\bto date\b|\bsince inception\b"
    r"|(?<!季度)(?<!半年)累计(?!折旧|摊销|减值|提取|综合|计提|公允)",
    year=r"\bfull[- ]year\b|\b(?:52|53|fifty-(?:two|three))[- ]weeks?\b|\btwelve[- ]months?\b|\bfor the (?:whole "
    r"|entire )?(?:fiscal |financial )?year\b(?! (?:before|earlier))|\byears? ended\b|\bannual\b(?! (?:reports?|general|meetings?"
    r"|accounts|financial|results|bonus|incentive))"
    r"|全年度?|[本当]年度?(?![初末])|(?<=[0-9])年度(?!报)|1\s?[-—至~]\s?12\s?月",
)  # fmt: skip
RESTATED = _dimension(
    "restated", "before", "reported restat stated published 调整 調整 重述 重列 原报告 原披露 披露",
    before=r"\b(?:as )?(?:previously|originally|initially|first) (?:reported|stated|published|presented)\b|\bbefore (?:the )?restatement\b"
    r"|调整之?前|調整前|重述前|重列前|原报告|原披露|最初披露|首次披露|未经?(?:追溯|重[述列])",
    after=r"(?<!not )(?<!been )(?<!non-)\brestated\b|\bafter (?:the )?restatement\b|调整之?后|調整後|重述后|重列后"
    r"|(?<!未)经重[述列]|已重[述列]|經重列|(?<!未)(?<!未经)追溯调整",
)  # fmt: skip
_MEASURE = (
    r"(?:(?:operating|net|diluted|basic|pre-?tax|gross|free|group) )?(?:EBIT\w*|profits?|earnings|income|loss(?:es)?|EPS"
    r"|NPATA?|results?|margins?|revenues?"
    r"|sales|cash|performance|returns?|ROE|growth|basis|figures?|costs?|expenses?|SG&A|tax rate|funds)"
)
RULES = _dimension(
    "rules", "adjusted", "gaap ifrs adjusted underlying normali forma affo core statutory reported 扣非 非经常 非經常 "
    "会计准则 财务报告 財務報告 调整 調整 法定",
    adjusted=rf"\bnon-?\s?(?:GAAP|IFRS)\b|(?<!risk-)(?<!seasonally )\badjusted (?!cost basis)(?:{_MEASURE})\b"
    rf"|^\s*(?:\S+ )?adjusted\s*$|(?<=[0-9%mnpes] )(?:adjusted|underlying)(?=[,.;)]| and\b| or\b| against\b| after\b|$)"
    rf"|(?<!non-)\b(?:underlying|normali[sz]ed) (?:[0-9] )?(?:{_MEASURE})\b"
    r"|(?<!non-)\bunderlying (?!(?:19|20)[0-9]{2}\b)(?=(?:[A-Z]{2,3} ?)?[£$€¥]?\(?[0-9])"
    r"|(?<!non-)\bunderlying(?=: ?[£$€¥]?[0-9(])|^[£$€¥0-9’' ]*underlying[£$€¥0-9’' ]*$"
    r"|\bpro[- ]forma\b|\bAFFO\b|\bcore (?:earnings|profit|eps|results)"
    r"|扣非|(?<!未)扣除(?:了)?非[经經]常|非经常性损益后|非公认会计|非[国國][际際](?:财务|財務)(?:报告|報告)[准準][则則]|(?<!未)[经經][调調]整",
    statutory=r"(?<!non-)(?<!non )(?<!with )\b(?:U\.?S\.? )?(?:GAAP|IFRS)\b|\bstatutory\b(?! (?:tax )?rate)|\bas reported\b"
    r"|(?<=[0-9%mnpes] )reported(?=[,.;)]| and\b| or\b|$)|\bunadjusted\b"
    r"|\bbefore (?:these|those|any|such|the|all) adjustments?\b|\bincluding (?:all |the |any )?(?:non-underlying|exceptional|one-off)\b"
    r"|\b(?:non-underlying|exceptional|one-off) items included\b|未扣除(?:非[经經]常|时)?"
    r"|(?<!非)公认会计|会计准则口径|(?<!非)[国國][际際](?:财务|財務)(?:报告|報告)[准準][则則]|法定口径|未经?调整",
)  # fmt: skip
OPERATIONS = _dimension(
    "operations", "discontinued", "discontinu continuing 终止 終止 持续经营 持續經營",
    discontinued=r"\bdiscontinu(?:ed|ing) operations?\b|终止经营|非持续经营|終止經營",
    continuing=r"(?<!dis)\bcontinuing operations?\b|(?<!非)持[续續](?:经营|經營|[及和与與])",
)  # fmt: skip
RATES = _dimension(
    "rates", "constant", "constant neutral organic like-for-like same comparable reported 汇率 内生 可比口径 同店 报告口径",
    constant=r"\bconstant[- ](?:currency|currencies|exchange|rates?)\b|\bcurrency[- ]neutral\b|\borganically\b|\borganic (?:growth"
    r"|revenues?|sales|net sales|basis|increase|decrease|decline)\b|\blike-for-like\b|\b(?:same|comparable)[- ]store\b"
    r"|固定汇率|不变汇率|内生(?:性|增长)|可比口径|同店",
    reported=r"\breported (?:growth|basis|rates?|currency|revenues?|sales|net sales|volume|increase|decrease)\b|(?:\bat "
    r"|\()(?:current|actual) (?:exchange |currency )?(?:rates?|ones)\b|\bcurrent (?:exchange|currency) rates?\b"
    r"|报告口径|(?:当前|实际|现行)汇率",
)  # fmt: skip
SHARES = _dimension(
    "shares", "", "diluted basic 稀释 攤薄 摊薄 基本每股", diluted=r"\bdiluted\b|稀释|攤薄|摊薄", basic=r"\bbasic\b|基本每股",
)  # fmt: skip
TAXES = _dimension(
    "taxes", "", "tax 税前 税后 稅前 稅後",
    before=r"\b(?:before|pre-?)[- ]?(?:income )?tax(?:es|ation)?\b|[税稅]前", after=r"\b(?:after|post"
    r"|net of)[- ](?:income )?tax(?:es|ation)?\b|[税稅][后後]",
)  # fmt: skip
CARRIED = _dimension(
    "carried", "", "账面 賬面 carrying book",
    gross=r"账面余额|賬面餘額|\bgross (?:carrying|book)\b", net=r"账面[价净]值|賬面[淨值]|\bnet (?:carrying|book)\b",
)  # fmt: skip
OWNERS = _dimension(
    "owners", "minority", "attributable parent minority controlling 少数股东 非控 归属 归母 歸屬", "owners",
    minority=r"(?<!包括)(?<!包含)(?<![含与和及连])少数股东|非控[股制]性?权益|非控股權益"
    r"|(?<!including )(?<!and )(?<!before )(?<!with )\b(?:non-?controlling|minority) interests?\b",
    all=r"[包含][括含]?(?:了)?少数股东|少数股东(?:损益|权益)?在内"
    r"|\b(?:including|before(?: deducting)?|with) (?:the )?(?:non-?controlling|minority) interests?\b"
    r"|\b(?:non-?controlling|minority) interests? included\b",
    owners=r"归属于?(?:上市公司|母公司|本公司|本行|本银行|本集团)|归母|歸屬於"
    r"|\battributable to (?:the )?(?:owners|shareholders|equity|ordinary"
    r"|common|stockholders|parent)|\b(?:owners|shareholders) of the parent\b",
)  # fmt: skip
# What a thing is, where its opposite goes by nearly the same name.
OPPOSITES = (
    _dimension("flow", "", "income expense 收入 收益 费用 支出", income=r"(?<!\btax on )(?<!\btaxes on )\bincome\b(?! tax)|收入|收益",
               expense=r"\bexpenses?\b|费用(?!化)|支出"),
    _dimension("costing", "", "expensed capitali 费用化 资本化", expensed=r"\bexpensed\b|费用化", capitalised=r"\bcapitali[sz]ed\b|资本化"),
    _dimension("side", "", "receivable payable 应收 应付", receivable=r"\breceivables?\b|应收", payable=r"\bpayables?\b|应付"),
    _dimension("cash", "", "inflow outflow provided used positive 流入 流出", inflow=r"\binflows?\b|\bprovided by\b"
    r"|\bpositive (?:net )?cash\b|流入", outflow=r"\boutflows?\b|\bused in\b|流出"),
    _dimension("balance", "", "asset liabilit 资产 负债", assets=r"\bassets?\b|资产(?!负债)", liabilities=r"\bliabilit(?:y"
    r"|ies)\b|(?<!资产)负债"),
    _dimension("place", "", "domestic foreign oversea 境内 国内 境外 国外 海外",
               home=r"\bdomestic\b|境内|国内", abroad=r"\bforeign\b(?! (?:exchange|currency))|\boverseas\b|境外|国外|海外"),
    _dimension("term", "", "current term 流动 短期 长期", short=r"(?<!non-)(?<!non)\bcurrent (?=assets|liabilities|portion|part\b|amounts|"
               r"borrowings|deferred|loans|leases?|prepay|provisions|receivables|payables)"
    r"|\bshort-term\b|(?<!非)流动(?=资产|负债)|短期",
               long=r"\bnon-?current\b|\blong-term\b|非流动|长期"),
    _dimension("netting", "", "gross net", gross=r"\bgross\b(?! domestic)", net=r"\bnet\b(?! of)"),
    _dimension("cash total", "", "净额 流入 流出 现金", net=r"净额|净流[入出]|净增加额",
               part=r"(?<!净)流[入出](?:小计|合计)|(?:收到|支付|收回)的(?:其他[^，。|]{0,16})?现金(?!净额)"),
    _dimension("extent", "", "营业总 营业收入 营业成本", total=r"营业总(?=收入|成本)", plain=r"(?<!主)营业(?=收入|成本)"),
    _dimension("owed", "", "ow due", by=r"\bow(?:ed|ing) by\b|\b(?:they|which|that|it) owes?\b",
               to=r"\bowed to\b|\bowing to (?=them|group|related|subsid|parent)"),
    _dimension("sheet", "", "balance 表外 表内", on=r"\bon[- ]balance[- ]sheet\b|资产负债表内", off=r"\boff[- ]balance[- ]sheet\b|表外"),
    _dimension("purpose", "", "selling marketing administrative research 销售费用 管理费用 研发费用 财务费用",
               selling=r"\bselling\b(?!,)|销售费用", administrative=r"\badministrative\b|管理费用", research=r"\bresearch\b"
               r"|研发费用", financial="财务费用"),
)  # fmt: skip
BASES = (SCOPE, SPAN, RESTATED, RULES, OPERATIONS, RATES, SHARES, TAXES, CARRIED, OWNERS)
DIMENSIONS = (*BASES, *OPPOSITES)
_PARENTS = (RULES, OPERATIONS, SHARES, RATES, SPAN)  # what a heading row says of the rows below it
_TITLE = (SCOPE, SPAN, RESTATED, OPERATIONS)  # what the line above a table says of all its cells
_SECTION = (SCOPE, SPAN)
_TITLE_LENGTH = {"en": 90, "zh": 40}  # a longer line above a table is a sentence
_RELEASE = re.compile(r"\b(?:announces|reports)\b", re.IGNORECASE)  # the title of a release that has year and quarter
_RECONCILES = re.compile(r"reconcil|调节表|調節表", re.IGNORECASE)  # from one basis to another: its rows are on neither
_LATEST = tuple(each for each in DIMENSIONS if each is not RESTATED)
_FURNITURE = re.compile(  # lines between a title and its table
    r"(?i)单位|币种|适用|^[（(]|^\D{0,14}(?:19|20)[0-9]{2}年?[^\u4e00-\u9fff]{0,12}(?:[月日至度—-].{0,16})?$|^(?:for the"
    r"|as (?:of|at)|at|in|year ended|amounts|expressed)\b|^[$€£¥0-9 ’',|]+$"
)
_SINCE = frozenset({"since", "cumulative"})  # 年初至报告期末 and 累计 are either of these
_OPENED = frozenset({"nine", "half"}) | _SINCE
_OF_REPORT = {"quarterly": frozenset({"quarter", "since"}), "half-year": frozenset({"half"})}
_LOOSE = frozenset("flow costing side cash balance purpose".split())  # both of these are spoken of in one clause
_OF_YEAR = re.compile(r"\s(?:of|in)\s(?:the |its )?(?:(?:fiscal|financial) )?", re.IGNORECASE)
_BESIDE = 30  # characters before a figure in which an opposite is what the figure is
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
_ENDS = re.compile(r"\s?(?:[,.;)]|and\b|or\b|against\b|after\b|$)")
_CLAUSE_END = re.compile(
    r"[,，。;；)）]| (?:and|while|but|or|after|compared|versus|against|than|from)\b(?![ -]tax| (?:dis)?continu)"
)


def find_marks(text: str) -> tuple[Mark, ...]:
    """The words of a basis in a text, in order."""
    lower, ascii_only = text.lower(), text.isascii()
    marks = [
        Mark(*match.span(), dimension.name, match.lastgroup or "")
        for dimension in DIMENSIONS
        if dimension.may_be_in(lower, ascii_only=ascii_only)
        for match in dimension.pattern.finditer(text)
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
        if not self.marks or self.reading.is_respective(*self.reading.sentence(figure.start)):
            return {}
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
        clause = 0 if figure.kind != "amount" and after.startswith(" of ") else self._clause(figure.end, after[:_REACH])
        return found | {mark.dimension: mark.kind for mark in self.within(figure.end, figure.end + clause)}

    def _end_of_earlier(self, start: int, end: int) -> int:
        """Where the words end that follow a figure and give its own basis: 34.0% at constant rates and 30.5% at ..."""
        is_figure = any(each.end == start for each in self.reading.quantities)
        return start + self._clause(start, self.reading.text[start:end]) if is_figure else start

    def _clause(self, start: int, after: str) -> int:
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
        self.section = _kinds(_NOTES.sub("", narrow(" ".join(source.passage.section[-1:]))))
        self.named = _kinds(source.text)
        self.default = _OF_REPORT.get(source.passage.period.kind)
        self.is_plain = not (self.named or self.section or self.default)
        self._places: dict[int, Marks] = {}

    def of(self, place: Place) -> Marks:
        """The basis of a figure: by its row, then its column, then what stands above them; in a sentence, by its words."""
        if id(place) not in self._places:
            self._places[id(place)] = dict(self._find(place))
        return self._places[id(place)]

    def _find(self, place: Place) -> Iterator[tuple[str, frozenset[str]]]:
        section = () if _RELEASE.search(" ".join(self.source.passage.section[-1:])) else _SECTION
        yield from self._sure(self.section, section)
        if place.table is None or place.row is None or place.column is None:
            for name, kind in self.running.near(place.figure).items():
                if name != SCOPE.name:  # the parent may be spoken of in a sentence about the group
                    yield name, frozenset((kind,))
            return
        if self.default and SPAN.name not in self.section:
            yield SPAN.name, self.default
        yield from self._sure(self._statement_of(place), (SCOPE,))
        for line in _titles(place.table.caption, _TITLE_LENGTH[self.source.passage.language]):
            yield from self._sure(_kinds(line), _TITLE)
        yield from self._sure(_kinds(_above(place.row, self.source.passage.language)), _PARENTS)
        is_latest = self.source.report_year in place.periods  # what is restated is of a year before
        yield from self._sure(_kinds(place.column.heading), _LATEST if is_latest else DIMENSIONS)
        yield from self._sure(_kinds(place.row.lead + place.row.label), DIMENSIONS)
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
        origin = basis_of(source)
        if origin.is_plain and not (self._marked.marks or self._told_apart.marks):
            return None
        known, close = origin.of(place), self._marked.near(figure)
        if place.table is not None and _table_kinds(place).get(SCOPE.name, _NONE) >= _BOTH:
            close |= self._told_apart.near(figure)
        if place.table is None and (detail := self._other_in_prose(figure, source, place)):
            return detail
        if SCOPE.name not in close and (framed := self._framed(figure)):
            close[SCOPE.name] = framed
        is_share = figure.kind != "amount" and place.table is None  # of two things: liabilities at 60 percent of assets
        if place.column is not None and (detail := _other_weeks(self.reading, figure, place.column)):
            return detail
        for dimension in BASES if is_share else DIMENSIONS:
            mine, theirs = close.get(dimension.name), known.get(dimension.name)
            if mine and theirs:
                if not _agree({mine}, theirs):
                    return f"it is {_said(theirs)}, not {mine}"
            elif (
                mine in dimension.exclusive
                and not self._is_sum(figure)
                and origin.is_without(dimension, mine or "", place)
            ):
                return f"the source does not have it as {mine}"
            elif place.table is None and dimension in (SPAN, OWNERS):
                continue  # what a sentence has of a quarter is of its year as well
            elif theirs and theirs <= dimension.special and not self._is_stated(dimension, theirs, figure, origin):
                return f"it is {_said(theirs)}, which is not said"
        return None

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
        hint = {SCOPE.name: _ITSELF, RULES.name: _LEFT_OUT}.get(dimension.name)
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
    close, sentence = source.about(figure), _by_dimension(source.within(*source.reading.sentence(figure.start)))
    for dimension, kinds in mine.items():
        if dimension in _LOOSE:
            continue
        there = close.get(dimension) or sentence.get(dimension)
        if there and not _agree(kinds, there):
            return f"its sentence is about {_said(frozenset(there))}, not {_said(frozenset(kinds))}"
    return None


def _agree(mine: Iterable[str], theirs: Iterable[str]) -> bool:
    """Whether two sets of kinds may be one: they share a kind, or both are times since the year began."""
    mine, theirs = frozenset(mine), frozenset(theirs)
    return bool(mine & theirs or (mine & _OPENED and theirs & _OPENED and (mine | theirs) & _SINCE))


def _said(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))
