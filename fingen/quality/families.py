"""Words of which one excludes the other: on which basis a figure can stand, and things that go by nearly the same name.

Each family has a pattern with a named group for each of its kinds: whose accounts, what stretch of time, restated or not,
adjusted or by the rules, gross or net, realised or not. What a text says by them is compared in `basis`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Dimension:
    """One way in which figures of one name differ. `special` are the kinds that must be said; others are taken as read.

    What is said to be of one of the `stated` kinds has a word of it around it in the source.

    Where a table has a thing on one of the `exclusive` kinds as well, it does not have it so elsewhere.

    A text without any of the `hints` names none of them: most texts are done with that.
    """

    name: str
    pattern: re.Pattern[str]  # a named group for each kind
    latin_pattern: re.Pattern[str]  # the same without what only a Chinese text can have
    special: frozenset[str]
    stated: frozenset[str]
    exclusive: frozenset[str]
    hints: tuple[str, ...]

    def may_be_in(self, lower: str, *, latin_only: bool) -> bool:
        """Whether a text in lower case has one of the hints; one without Chinese has none of those."""
        if any(hint in lower for hint in self.latin):
            return True
        return not latin_only and any(hint in lower for hint in self.han)

    @cached_property
    def latin(self) -> tuple[str, ...]:
        """The hints in ASCII."""
        return tuple(filter(str.isascii, self.hints))

    @cached_property
    def han(self) -> tuple[str, ...]:
        """The hints in Chinese."""
        return tuple(hint for hint in self.hints if not hint.isascii())


_NOTHING = r"(?!)"
HAN = re.compile(r"[\u4e00-\u9fff]")


def _latin(pattern: str) -> Iterator[str]:
    """The alternatives of a pattern that have no Chinese in them."""
    return (each for each in _alternatives(pattern) if not HAN.search(each))


def _alternatives(pattern: str) -> list[str]:
    """The alternatives of a pattern that stand outside all brackets."""
    found, depth, is_set = [""], 0, False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        is_set = part == "[" or (is_set and part != "]")
        depth += 0 if is_set else (part == "(") - (part == ")")
        if part == "|" and not depth and not is_set:
            found.append("")
        else:
            found[-1] += part
    return found


def _dimension(name: str, special: str, hints: str, also: str = "", stated: str = "", **kinds: str) -> Dimension:
    latin = {kind: "|".join(_latin(words)) or _NOTHING for kind, words in kinds.items()}
    groups, latin_groups = ("|".join(f"(?P<{kind}>{words})" for kind, words in each.items()) for each in (kinds, latin))
    return Dimension(
        name,
        re.compile(groups, re.IGNORECASE),
        re.compile(latin_groups, re.IGNORECASE),
        frozenset(special.split()),
        frozenset(f"{special} {stated}".split()),
        frozenset(f"{special} {also}".split()),
        tuple(hints.split()),
    )


# 归属于母公司 and "owners of the parent" say who shares in a profit of the group; they make no parent's accounts of it.
SCOPE = _dimension(
    "scope", "parent", "bank 本行 本公司 母行 parent company-only company unconsolidated separate stand consolidated group 母公司 "
    "单体 个体 個體 个别 個別 合并 合併 集团 集團 segment",
    parent=r"(?<!归属于)(?<!归属)(?<!归于)母公司(?!所有者|股东|股東|普通股|[拥擁]有人|情况|情況|[和及与與])|单体(?:口径|报表)|(?:^|(?<=\s))本(?:行|公司)(?=\s|$)|本行(?:口径|报表)|母行"
    r"|(?<!owners of )(?<!holders of )(?<!owners of the )(?<!holders of the )(?<!equity of )"
    r"(?<!attributable to the )(?<!attributable to )(?<!equity of the )"
    r"\b(?:(?:parent|holding)[- ]company\b(?! shareholders)|parent[- ]only\b|company[- ]only\b"
    r"|unconsolidated\b(?! (?:structured|entit|subsid|affil|joint|fund))"
    r"|separate (?:financial )?statements\b"
    r"|^company (?:balance sheet|statement of|profit and loss|income statement|cash flow)|company balance sheet\b|stand-?alone\b"
    r"|the parent(?:['’]s)?\b|parent (?:entity|level)\b|bank(?: only)?:)",
    group=r"(?<!企业)(?<!业务)(?<!非)合[并併](?!及公司|及母公司|及银行|范围|报表编制|日|方|对价|成本|财务报表项目)(?:口径|报表)?|\bconsolidated\b"
    r"|\bthe (?:whole |entire )?group(?:['’]s)?\b|本集[团團]|集团口径|group[- ]wide",
    alone=r"个体财务|個體財務|个别财务报表|個別財務|个体报表|個體報表",
    part=r"\bthe [A-Z][\w&,-]*(?: (?:and |& )?[A-Z][\w&,-]*){0,4} (?:operating |reportable |reporting )?segment\b(?!s)",
)  # fmt: skip
SPAN = _dimension(
    "span", "quarter half nine since", "month week quarter half interim cumulative date inception q1 q2 q3 q4 year annual 季 半年 1 "
    "年初 累计 全年 年度 中期 个月 本年 当年 whole",
    nine=r"\bnine[- ]months?\b|\b(?:39|40|thirty-nine)[- ]weeks?\b|\bfirst three quarters\b|前三季度?|1\s?[-—至~]\s?9\s?月|九个月",
    half=r"\bsix[- ]months?\b(?! or (?:less|more|longer))"
    r"|\b(?:26|27|twenty-six)[- ]weeks?\b|\bhalf[- ]year(?:ly)?\b|\b(?:first|second) half\b"
    r"|\binterim period\b|上半年|下半年|半年度?(?!报告)|1\s?[-—至~]\s?6\s?月|六个月|中期(?!票据)",
    quarter=r"\bthree months\b(?! or (?:less|more|longer))"
    r"|\b(?:13|14|thirteen|fourteen)[- ]weeks?\b|\b(?:first|second|third|fourth|1st|2nd|3rd|4th"
    r"|single|last)[- ](?:fiscal )?quarter\b|\bquarter(?:ly)? (?:ended|results?)\b"
    r"|\bQ[1-4]\b|\b(?:the|current|prior[- ]year|previous|same|year[- ]ago) quarter\b"
    r"|第?[一二三四1-4]季度?(?!报告)|[本单当該该]季度?|1\s?[-—至~]\s?3\s?月|4\s?[-—至~]\s?6\s?月"
    r"|7\s?[-—至~]\s?9\s?月|10\s?[-—至~]\s?12\s?月|三个月(?![内以或])",
    since=r"\byear[- ]to[- ]date\b|截[至止](?:第?[一二三四]季度|[本该]季度)末?(?=累计|[，,共已])|年初[到至](?:本?报|本季)",
    cumulative=r"\bcumulative(?:ly)?\b|\b(?:plan|life|inception)[- ]to[- ]date\b|\bto date\b|\bsince inception\b"
    r"|(?<!季度)(?<!半年)累计(?!折旧|摊销|减值|提取|综合|计提|公允)",
    year=r"\bfull[- ]year\b|\b(?:52|53|fifty-(?:two|three))[- ]weeks?\b|\btwelve[- ]months?\b|\b(?:for|over|in) the (?:whole |full "
    r"|entire )?(?:fiscal |financial )?year\b(?! (?:before|earlier|ago|20))"
    r"|\b(?:whole|all) of (?:the )?(?:fiscal )?(?:year|(?:19|20)[0-9]{2})\b"
    r"|(?<=[0-9]) as a whole\b|\bcurrent year\b(?! quarter)|\byears? ended\b|\bannual\b(?! (?:reports?|general|meetings?"
    r"|accounts|financial|results|bonus|incentive))"
    r"|全年度?|[本当]年度?(?![初末])|(?<=[0-9])年度(?!报)|1\s?[-—至~]\s?12\s?月|十二个月",
)  # fmt: skip
RESTATED = _dimension(
    "restated", "before", "reported restat stated published 调整 調整 重述 重列 原报告 原披露 披露",
    before=r"\b(?:as )?(?:previously|originally|initially|first) (?:reported|stated|published|presented)\b|\bbefore (?:the )?restatement\b"
    r"|调整之?前(?!后)|調整前(?!後)|重述前|重列前|原报告|原披露|最初披露|首次披露|未经?(?:追溯|重[述列])",
    after=r"(?<!not )(?<!been )(?<!non-)\brestated\b|\bafter (?:the )?restatement\b|(?<!前)调整之?后|調整後|重述后|重列后"
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
    r"|\b(?:not|without|no|nor)\b[^.;]{0,24}\b(?:meaning|defin\w+|recogni\w+|measures?|calculated|prepared|presented|prescribed"
    r"|standardi[sz]ed|in accordance|substitutes?|alternatives?)\b[^.;]{0,40}\b(?:GAAP|IFRS)\b"
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
    both=r"\bcontinuing and discontinued\b|持[续續](?:经营|經營)?(?:业务|業務)?[及和与與]已?[终終]止",
    discontinued=r"\bdiscontinu(?:ed|ing) (?:operation|business|activit|segment)\w*|终止经营|非持续经营|終止經營",
    continuing=r"(?<!dis)\bcontinuing operations?\b|(?<!非)持[续續](?:经营|經營|[及和与與])",
)  # fmt: skip
RATES = _dimension(
    "rates", "constant", "constant neutral organic like-for-like same comparable reported 汇率 内生 可比口径 同店 报告口径",
    constant=r"\bconstant[- ](?:currency|currencies|exchange|rates?)\b|\bcurrency[- ]neutral\b|\borganically\b"
    r"|\borganic (?:(?:[\w-]+ ){0,3}growth|revenues?|sales|net sales|basis|increase|decrease|decline)\b|\blike-for-like\b"
    r"|\b(?:same|comparable)[- ]store\b"
    r"|\bcomparable (?:sales|basis|growth|revenues?)\b"
    r"|固定汇率|不变汇率|内生(?:性|增长)|可比口径|同店",
    reported=r"\bas reported\b|\breported (?:growth|basis|rates?|currency|revenues?|sales|net sales|volume|increase|decrease)\b|(?:\bat "
    r"|\()(?:current|actual) (?:exchange |currency )?(?:rates?|ones)\b|\bcurrent (?:exchange|currency) rates?\b"
    r"|报告口径|(?:当前|实际|现行)汇率",
)  # fmt: skip
SHARES = _dimension(
    "shares", "", "diluted basic 稀释 攤薄 摊薄 基本每股", diluted=r"\bdiluted\b|稀释|攤薄|摊薄", basic=r"\bbasic\b|基本每股",
)  # fmt: skip
TAXES = _dimension(
    "taxes", "", "tax 税前 税后 稅前 稅後 含税 含稅",
    before=r"\b(?:before|pre-?)[- ]?(?:income )?tax(?:es|ation)?\b|[税稅]前|含[税稅](?!前)", after=r"\b(?:after|post"
    r"|net of)[- ](?:income )?tax(?:es|ation)?\b|[税稅][后後]",
)  # fmt: skip
PROVISION = _dimension(
    "provision", "", "allowance provision impairment credit loss 拨备 准备 减值",
    before=r"\b(?:before|gross of)(?: any| the| deducting)? (?:\w+ )?(?:allowances?|provisions?|impairments?)\b"
    r"|(?:拨备|准备|减值)[^，。|\n]{0,2}前",
    after=r"\b(?:after|net of)(?: any| the| deducting)? (?:\w+ )?(?:allowances?|provisions?|impairments?)\b"
    r"|(?:拨备|准备|减值)[^，。|\n]{0,2}后",
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
               flows=r"(?<!净)流[入出](?!净|量|[^，。|]{0,4}净额)(?=[额达合小共总的为]|[0-9]|$)|(?:收到|支付|收回)的(?:其他[^，。|]{0,16})?现金(?!净额)"),
    _dimension("extent", "", "营业总 营业收入 营业成本 主营业务", total=r"营业总(?=收入|成本)", plain=r"(?<!主)营业(?=收入|成本)",
               main=r"主营业务(?=收入|成本)"),
    _dimension("result", "", "profit income loss earnings ebitda 利润 毛利",
               net=r"\bnet (?:income|profit|earnings|loss)(?:es)?\b(?! before)|\bprofit after (?:income )?tax\b|净利润(?!率)",
               operating=r"(?!(?<=net )operating loss)\boperating (?:income|profit|earnings|loss)(?:es)?\b(?! carry)"
               r"|\b(?:profit|income|loss|earnings) from operat\w+"
               r"|营业利润(?!率)",
               pretax=r"\b(?:income|profit|earnings|loss)(?:es)?(?: \(loss(?:es)?\))? before (?:the )?(?:provision|benefit|income tax|tax)"
               r"|利润总额|税前利润",
               gross=r"\bgross (?:profit|margin)\b|毛利(?!率)"),
    _dimension("realised", "", "realis realiz 变现 实现", without=r"\bunreali[sz]ed\b|[未][变实]现",
               done=r"(?<!un)(?<!un-)\breali[sz]ed\b|已[变实]现"),
    _dimension("capital", "", "authori issued paid 额定 法定股本 实收",
               authorised=r"\bauthori[sz]ed (?:shares?|capital|common|ordinary)|额定|法定股本",
               issued=r"\bissued (?:shares?|capital)|\bpaid[- ](?:up|in) (?:share[ ])?capital|实收(?:资本|股本)|已发行"),
    _dimension("sum", "", "净额 总额 资金", net=r"净额", total=r"(?<!利润)总额(?!的)|资金(?:共计|合计|总计)|(?:共计|合计|总计)募集资金"),
    _dimension("stock", "", "余额 加额 少额", change=r"净?(?:增加|减少)额", balance=r"余额(?=[为是达约:：]|[0-9])"),
    _dimension("outlay", "", "研发", spent=r"研发投入|研发支出", expensed=r"研发费用(?!化)"),
    _dimension("charge", "", "charge credit 借 贷", charge=r"\bcharge[ds]?\b|借记",
               credit=r"\bcredit(?:ed|s)?\b(?! (?:risk|loss|quality|facilit"
               r"|rating|card|agree|exposure|impair|line|default|spread|union))|贷记"),
    _dimension("owed", "", "ow due", by=r"\bow(?:ed|ing) by\b|\b(?:they|which|that|it) owes?\b",
               to=r"\bowed to\b|\bowing to (?=them|group|related|subsid|parent)"),
    _dimension("sheet", "", "balance 表外 表内", on=r"\bon[- ]balance[- ]sheet\b|资产负债表内", off=r"\boff[- ]balance[- ]sheet\b|表外"),
    _dimension("line", "", "营业收入 营业总收入 营收 净利润", revenue=r"营业总?收入(?![率比的])|营收(?![率比的])",
               profit=r"净利润(?![率比的])"),
    _dimension("outlook", "", "预测 预计 实际 0e 1e 2e 3e 4e 5e 6e 7e 8e 9e",
               forecast=r"20[0-9]{2}E(?![A-Za-z])|预测(?!值)|预计(?!负债|信用|净残|使用|的|总)",
               actual=r"实际(?=实现|完成|达到|录得|取得)"),
    _dimension("purpose", "", "selling marketing administrative research 销售费用 管理费用 研发费用 财务费用",
               selling=r"\bselling\b(?!,)|销售费用", administrative=r"\badministrative\b|管理费用", research=r"\bresearch\b"
               r"|研发费用", financial="财务费用"),
)  # fmt: skip
BASES = (SCOPE, SPAN, RESTATED, RULES, OPERATIONS, RATES, SHARES, TAXES, PROVISION, CARRIED, OWNERS)
DIMENSIONS = (*BASES, *OPPOSITES)
