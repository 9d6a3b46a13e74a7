"""What a text says beside a figure: of which time it is, whether it rose or fell, was a gain or a loss, and of what.

The same reading is done of an answer and of the running text of its source, so that the two can be compared. It is
cautious: where the words leave a doubt, nothing is claimed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from fingen.quality.notation import narrow
from fingen.quality.quantities import Quantity, find_figures, read_chinese
from fingen.quality.tables import UNKNOWN, Periods, is_turn_of_year

QUANTITIES = ("amount", "percent", "points")
_SENTENCE_END = re.compile(
    r"[.;!?](?=\s+[\"“‘(]?[A-Z0-9$€£])(?<!\bInc\.)(?<!\bCo\.)(?<!\bLtd\.)(?<!\bCorp\.)(?<!\bNo\.)(?<!\bU\.S\.)(?<!\bvs\.)(?<!\bapprox\.)"
    r"|[。；！？\n]|;(?=\s)"
)
_RESPECTIVE = re.compile(r"[Rr]espectively\b|分别|依次")
_LISTED_BY = re.compile(r"\s?[,，、/]?\s?(?:and|or|&|[和与及])?\s?(?:by|to|at|of|from)?\s?(?:a |an )?[$€£¥A-Z]{0,4}\s?")
_LINK_AFTER = re.compile(
    r"\s?[(,]?\s?(?:(?:in|for|at|as of|as at|during|by|of)\s)?(?:the\s)?(?:end of\s|start of\s|close of\s)?"
    r"(?:(?:fiscal|financial|full|calendar)\s)?(?:years?\s)?(?:ended\s|ending\s)?(?:(?:fiscal|financial)\s)?(?:years?\s)?(?:of\s)?$",
    re.IGNORECASE,
)
_OF_NEXT = re.compile(  # 65 (2024: 88), 65（2024年88）: the year is that of the 88
    r"[年度]*\s?[:：]|\s[-–—]\s(?=[A-Z]{0,3}[$€£¥]?[0-9])|(?<=[年度末底期])(?:度|末|底|同期)?[为是]?(?:人民币|[美港]?[$€£¥])?[0-9]"
)
_TOGETHER = re.compile(
    r"\s?(?:of|in|,|'s|’s|年?的?)?\s?第?(?:fiscal(?: year)? )?|\s?(?:to|and|or|[-–—~/、和与及至到])\s?(?:fiscal )?$"
)
_BASELINE = re.compile(
    r"(?:\b(?:from|over|than|since|versus|vs\.?|after|against|(?:compared|relative) (?:with|to))\s"
    r"(?:in\s|the\s|that of\s|fiscal\s|year\s|end of\s)*+"
    r"|[较比与同自对]|相比|相较)$",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:from|after|than|over|against|versus|vs\.?|between|until|through|instead of|rather than)\s+"
    r"(?:(?:about|around|approximately|some|an?|the|RMB|US)\s)*+"
    r"[$€£¥(-]*+$|\b(?:compared|earlier|(?:prior|previous|preceding|last|following|subsequent|next) (?:fiscal )?(?:year|quarter|period)"
    r"|matur(?:es|ed|ing))\b"
    r"|[较由从]|比(?![例重率])|上一?[财年]|前一?年|去年|同期|上期|期初|年初|以后|以前|未来|到期|此前|此后",
    re.IGNORECASE,
)
_AGO = re.compile(r"\byear (?:earlier|ago|before)$")  # stands after its figure
_JOINED = re.compile(r"[^\s(（,，]上")  # 5亿元上年没有: what follows is no time of the 5
_BRACKETED_YEAR = re.compile(
    r"\s?[(（](?:(?:as )?(?:at|of) )?(?:FY ?|fiscal |[0-9]{1,2} [A-Z][a-z]+ |[A-Z][a-z]+ [0-9]{1,2},? )?"
    r"((?:19|20)[0-9]{2}|[一二][零〇九][〇零一二三四五六七八九]{2})"
    r"年?(?:度|末|底|[0-9一二三四五六七八九十]{1,2}月(?:[0-9一二三四五六七八九十]{1,3}日)?)?"
    r"(?:\s?[:：]\s?(?:人民币|为)?|(?<=[年度末底月日])[为是]?(?=人民币|[美港]?[$€£¥]|[0-9]))"
)
_BRACKETED_LAST = re.compile(r"\s?[(（](?:上一?年|去年|上期)(?:同期|度|末)?\s?[:：]?[为是]?(?:人民币)?(?=[$€£¥0-9])")
_COUNTER = re.compile(r"[\u4e00-\u9fff]{1,3}(?=\s?[(（])")  # 3万台（2023年2万台）
_OWNS = re.compile(r"\s?[末底初]?(?:的|'s|’s)?\s?")
_NAME_TAIL = re.compile(  # the year is part of a name: our 2019 Mortgage Facility, the 2029 notes, 2021年第一期中期票据
    r"\s(?:[A-Z][\w&-]*\s){0,4}(?:Facilit(?:y|ies)|Plans?|[Nn]otes|Agreements?|[Bb]onds|Act|Loans?|Program(?:me)?|Indentures?|[Dd]ebentures"
    r"|Warrants|Offering|Acquisitions?|[Cc]onvertibles?)\b|年度?(?:第.{1,2}期)?(?:[\u4e00-\u9fff]{0,6}(?:票据|债券?|转债|激励计划|持股计划))"
)
_GOES_ON = "(?![^的为末初数余金发增达是，,、。（(\\s])"  # 期末余额, but not 本期归属于母公司的净利润, which is a label
_LAST = re.compile(
    rf"上一?年同期|(?:上一?|前一)(?:财|会计)?年度?末?(?![没无])|去年同期|去年|上期[期末]*|(?:期初|年初)(?![至到]){_GOES_ON}"
    r"|[Pp](?:rior|revious|receding) (?:fiscal |financial )?(?:year|period)\b|[Ll]ast (?:fiscal |financial )?year\b"
    r"|\byear (?:earlier|ago|before)\b"
)
_MAY_BE_RELATIVE = re.compile(r"[r-t] (?:fiscal |financial )?(?:year|period)|year [eab]|[上去本]|[期年][初末]")
_THIS = re.compile(
    rf"本年度?|本报告期|报告期[内末]|本期期末|(?:本期|期末|年末){_GOES_ON}|(?:[Cc]urrent|[Tt]his) (?:fiscal |financial )?year\b"
)

_UP = (
    r"\b(?:rose|ris(?:e[sn]?|ing)|increas(?:e[sd]?|ing)|grew|grow(?:s|n|th|ing)?|climb(?:s|ed|ing)?|jump(?:s|ed|ing)?|surg(?:e[sd]?|ing)"
    r"|gain(?:ed|ing)|higher|expand(?:s|ed|ing)"
    r"|(?<!\bmade )(?<!\bmake )(?<!\bmakes )(?<!\bmaking )(?<!\btied )(?<!\btie )(?<!\btying )(?<!\bset )(?<!\bdrawn )up"
    r"|widen(?:s|ed|ing)|advanc(?:ed|ing)|soar(?:s|ed|ing)?|strengthen(?:s|ed|ing)|swell(?:s|ed|ing)?|swollen|add(?:s|ed|ing)"
    r"|lift(?:s|ed|ing)|doubl(?:ed|ing)|tripl(?:ed|ing))\b"
    r"|上升|增长|增加|提高|提升|上涨|增至|升至|增到|升到|扩大|上调|攀升|增幅|涨幅|走高|大增|激增|猛增|同比增|[略微小][升增]|增(?=[0-9]|$)|(?<!最)[高多](?=(?:[了约近逾]|大约|超过?)?(?:[0-9]|$))"
)
_DOWN = (
    r"\b(?:fell|fall(?:s|en|ing)?|decreas(?:e[sd]?|ing)|declin(?:e[sd]?|ing)|drop(?:s|p?ed|ping)?|shr[au]nk|shrink(?:s|ing|age)?"
    r"|reduc(?:e[sd]?|ing|tions?)|down|lower(?:s|ed|ing)?|narrow(?:s|ed|ing)|contract(?:ed|ing|ion)|slid(?:es?|ing)?|slip(?:s|p?ed|ping)?"
    r"|eas(?:e[sd]|ing)|weaken(?:s|ed|ing)?|soften(?:s|ed|ing)?|dip(?:s|ped|ping)?|s[au]nk|sinking(?! fund)|slump(?:s|ed|ing)?"
    r"|plung(?:e[sd]?|ing)|plummet(?:s|t?ed|t?ing)?|tumbl(?:e[sd]?|ing)|retreat(?:s|ed|ing)?|shed(?:s|ding)?|trimm(?:ed|ing)"
    r"|halv(?:e[sd]|ing)|ero(?:d(?:e[sd]|ing)|sion)|diminish(?:es|ed|ing)|dwindl(?:e[sd]|ing)|reced(?:e[sd]|ing)"
    r"|par(?:ed|ing)|cut(?:ting)?(?=(?: back)? (?:by|to|from)\b))\b"
    r"|下降|减少|降低|下滑|下跌|降至|减至|降到|减到|缩小|缩减|下调|回落|跌至|收窄|降幅|跌幅|走低|走弱|缩水|萎缩|锐减|骤降|大跌|大降|同比降|腰斩|[略微小][降跌]|降(?=[0-9]|$)|(?<!最)[低少](?=(?:[了约近逾]|大约|超过?)?(?:[0-9]|$))"
)
_DRAG = re.compile(  # what a part that counts against the whole is said to do
    r"\b(?:t(?:ook|akes?|aking)|cost|drag(?:ged|s)?|headwinds?|weigh(?:ed|s|ing)?|hurt|subtract(?:ed|s)?|h(?:eld|olds) back"
    r"|detract(?:ed|s|ion)?"
    r"|shav(?:ed|es)|burden(?:ed|s)?|against|adverse(?:ly)?|unfavou?rabl[ey]|minus|negative)\b|拖累|负面|不利|抵消|侵蚀|负[向贡]",
    re.IGNORECASE,
)
_TAKEN_OFF = re.compile(  # what an amount is said to do to another one
    r"\b(?:shav\w+|drain\w*|absorb\w*|swallow\w*|wip(?:ed|es|ing)|erod\w*|knock\w* (?:off|out)|eat\w* (?:up|into)|ate (?:up|into)"
    r"|drag\w*|weigh\w*|consum(?:ed|es|ing))\b|吞噬|蚕食|侵蚀|拖累|吃掉|耗[用去费]",
    re.IGNORECASE,
)
_NO_COST = re.compile(
    r"\b(?:incomes?|gains?|credits?|benefits?|negative|minus|reversals?|released?|reversed|reduc(?:ed|es|ing|tions?))\b|收益|净?收入|负|转回|冲回|贷方|有?帮助|贡献|冲减",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[,;.，；。]")
_MOVE = re.compile(f"(?P<up>{_UP})|(?P<down>{_DOWN})", re.IGNORECASE)
_BREAK = re.compile(r"[,，、]|\b(?:while|and|with|because|due)\b")
_FALL = re.compile(_DOWN, re.IGNORECASE)
_LEVEL = re.compile(r"\b(?:to|at|from|of)\b|[至到为由从达]")
_RISE = "increase|rise|growth|gain|jump|surge|climb"
_FALLEN = "decrease|decline|drop|fall|reduction|slip|slide|dip|slump|plunge|contraction"
_BY = re.compile(  # an increase of 5: by 5, not to 5
    rf"(?:{_RISE}|{_FALLEN}) of\s(?:about |around |approximately |some |nearly |over "
    r"|more than |only |just )?"
    r"(?:RMB|US|[$€£¥(])?\s?",
    re.IGNORECASE,
)
_EITHER_WAY = re.compile(  # an increase or decrease of 100 basis points
    r"\b(?:increas\w+|rise|higher|up)(?: or |\/)(?:an? )?(?:decreas\w+|fall|lower|down)\b"
    r"|(?:上升|增加|上涨|提高)[或/、](?:者)?(?:下降|减少|下跌|降低)"
    r"|\bdecreas\w+ or (?:an? )?increas\w+",
    re.IGNORECASE,
)
_MOVE_AFTER = re.compile(
    rf"\s?(?:(?:percentage )?points?\s)?(?:的)?(?:(?P<up>{_RISE}|higher|more(?= than)|above|增长|增幅|涨幅|上升|增加)"
    rf"|(?P<down>{_FALLEN}|lower|less(?= than)|below|under(?= )|下降|降幅|跌幅|减少))(?![a-z])",
    re.IGNORECASE,
)
_FROM = re.compile(r"\bfrom\s+(?:about |approximately |some |a |an |the )?$|[由从](?:[^，,。；]{0,12})$", re.IGNORECASE)
_TO = re.compile(r"^[^.;,]{0,30}?\bto\b[^.;,]{0,18}$|^[^，。；]{0,16}(?:[至到])[^，。；]{0,6}$", re.IGNORECASE)
_WHEN = r"(?:\s?(?:in|for|at|during) (?:the )?(?:fiscal )?(?:year )?(?:19|20)[0-9]{2})?,?\s?"
_MOVED_FROM = re.compile(
    rf"{_WHEN}(?:which (?:is|was) )?(?:(?P<up>up|an? (?:increase|rise))|(?:down|an? (?:decrease|decline|drop|fall)))\s+from\b"
)
_THEN_FROM = re.compile(
    rf"{_WHEN}(?:from|compared (?:with|to)|versus|against|after) (?:(?:RMB|US)\s?|[$€£¥])?", re.IGNORECASE
)
_GAIN = re.compile(
    r"\b(?:profits?|incomes?|earnings|gains?|surplus|benefit|inflows?|provided by|profitable|generated)\b|盈利|溢利|利润|收益|流入|盈余",
    re.IGNORECASE,
)
_LOSS = re.compile(
    r"\b(?:loss(?:es)?|lost|loses|deficit|outflows?|used (?:in|for)|losing|shortfalls?|underfunded|overdrawn|negative"
    r"|unprofitable|write-?(?:down|off)s?)\b"
    r"|\bcost(?:ing)?(?= (?:about |around |some |nearly )?[A-Z]{0,3}[$€£¥]?[0-9])|亏损|损失|流出|负数|[为转]负|亏|借记",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[(（][^()（）]*[)）]")
_ONE_WAY = re.compile(
    r"\b(?:gains?|benefits?|grants?|credits?|proceeds|subsid(?:y|ies))\b|补助|补贴", re.IGNORECASE
)  # a minus takes them off
_POLAR = re.compile(rf"(?P<gain>{_GAIN.pattern}|\bearned\b)|(?P<loss>{_LOSS.pattern})", re.IGNORECASE)
_SIDE = re.compile(
    rf"(?P<gain>{_GAIN.pattern}|\bearned\b|\bcredits?\b|抵免)"
    rf"|(?P<loss>{_LOSS.pattern}|\b(?:expenses?|costs?|charges?|provisions?)\b|费用|开支|支出|成本)",
    re.IGNORECASE,
)
_POLAR_BEHIND = re.compile(
    r"\s(?:(?P<gain>profit|gain|surplus)|(?P<loss>loss|deficit))"
    r"(?=[.,;)]| (?:booked|recorded|made|reported|earned|posted|in|of|for|a|the)\b)",
    re.IGNORECASE,
)
_REMOVED = re.compile(
    r"\b(?:deduct\w*|subtract\w*|minus|eliminat\w+|exclud\w+|remov\w+|offset\w*"
    r"|(?:tak(?:es?|en|ing)|took|le(?:ft|aves?|aving)|carv\w+|stripp?\w*) (?:out|off|aside|away))\b|扣除|抵减|减去|剔除|抵消|抵销"
    r"|冲减|減去|扣減",
    re.IGNORECASE,
)
_WHEREAS = re.compile(r"[;；。]|,? (?:whereas|while|but)\b|，(?:而|但)")
_LISTED = re.compile(r"^\s?(?:,|、)?\s?(?:and|和|及)?\s?(?:RMB|US|C|A)?[$€£¥]?$")
_SET_BESIDE = re.compile(  # nothing but the comparison stands between the two
    r"(?:[,，]\s?|\s(?=(?:which|that) (?:is|was) )|(?=[^ ]))"
    r"(?:(?:which|that) (?:is|was) |均|仍|也|略|稍|远|明显|slightly |well |far |just |clearly |still )*"
    r"(?:(?P<more>higher than|more than|above|高于|多于|大于)|lower than|less than|below|低于|少于|小于|不及)"
    r"\s?(?:the |that of |its |in |年初的?|期初的?|(?:上年|去年|上期)(?:同期|末)?的?|prior |previous |last |year |year's |year’s "
    r"|figure of )*(?:[$€£¥]|RMB|US|C|A)*",
    re.IGNORECASE,
)
_EXPENSE = re.compile(r"\b(?:expenses?|costs?)\b|费用|成本|費用", re.IGNORECASE)
_BALANCE = re.compile(
    r"\b(?:profits?|incomes?|earnings|results?|margins?|EBIT\w*|NPATA?|EPS|net cash|cash flows?|total equity|surplus|net assets"
    r"|working capital|adjustments?|translation|differences?|remeasurements?|movements?|changes? in (?:fair|value|equity))\b"
    r"|差额|差異|差异|变动|利润|损益|净额|收益|净资产|权益合计|增加额|每股|毛利|业绩",
    re.IGNORECASE,
)
_COST = re.compile(
    r"\b(?:costs?|expenses?|expenditures?|charges?|tax(?:es)?|paid|payments?|pay|spent|spend(?:ing)?|repurchases?d?|dividends?|depreciation|"
    r"amorti[sz]ation|allowances?|provisions?|impairments?|used|purchases?d?|acquisitions?|repay(?:ment|ments|ing)?|repaid|deduct\w*|less|minus|"
    r"eliminat\w+|offset|withheld|reductions?|negative|short|treasury|write\w*|t(?:ook|akes?|aken|aking) away|subtract\w*|exclud\w*"
    r"|lowers?|outgo|charged|reversals?|reversed|utili[sz]\w+|forfeit\w*|cancel\w*|creditors?|payables?|liabilit\w+|borrowings?|debts?"
    r"|obligations?|overdrafts?|loans?|consideration|exercised|lapse[ds]?|expired?|vested|released?|disposals?|disposed|sold|redeem\w*"
    r"|redemptions?|retired?|derecogni[sz]\w+|transferred|remov\w+|(?:tak(?:es?|en|ing)|took|le(?:ft|aves?|aving)|carv\w+) (?:out"
    r"|off|aside)"
    r"|strip\w* out|net of|net off|appropriat\w+|settled?|settlements?|drawdowns?)\b"
    r"|费用|成本|支出|支付|购买|减[：:]|税|折旧|摊销|损失|准备|偿还|分配|股利|抵减|抵销|库存股|减值|跌价|冲减|应付|负债|借款|债务|贷款|冲销|核销|转销|注销"
    r"|扣除|抵消|转出|处置|减去|剔除|回购|失效|到期|行权|結轉|结转|費用|開支|开支|財務",
    re.IGNORECASE,
)  # what may be written in brackets in a table and without a minus in a sentence


# Words between what is spoken of and its figure that change nothing about it.
LINK_WORDS = (
    r"[\s,:'’()$€£¥~-]|\b(?:was|were|is|are|of|in|for|fiscal|year|years|ended|ending|the|at|to|by|from|a|an|about|approximately|around|nearly|rmb"
    r"|usd|hk|us|rose|fell|increased|decreased|grew|declined|dropped|climbed|came|stood|totaled|totalled|totaling|totalling|amounted|amounting|went|reached|reported|recorded|as|on"
    r"|end|had|equal|equalled|equaled|during|over|and|then|its|company|group|showed|shows|up|down|out|been|has|have|that|which|with|full|value"
    r"|amount|figure|annual|report|balance|january|february|march|april|may|june|july|august|september|october|november|december|s|registered"
    r"|carried|listed|given|put|be|it|minus|negative|standing|worked|turned|just|only|roughly|some|december|quarter|first|second|third|fourth"
    r"|three|six|nine|twelve|months)\b|\b(?:19|20)\d\d\b|\b\d{1,2}\b(?=[ ,])"
)
LINK_WORDS_ZH = (
    r"[\s，：:（）()“”、]|[12][0-9]{3}年|[0-9]{1,2}[月日]|合计|共计|人民币|发生额|报告期|该公司|相当于|第[一二三四]季度|但(?=[由从自])|年[末度初]?|期[末初]?|[本上]期|[本上当]年|同期"
    r"|全年|增长|下降|增加|减少|上升|降低|提高|金额|余额|分别|公司|录得|实现|方面|净额|折合|账面|等于|大约|超过|项目|一项|列示|披露"
    r"|[为是达到计约末初度内较比由从至升降增减的数值则有在于负其报近]"
)
LINK = re.compile(rf"(?>{LINK_WORDS})*+")
LINK_ZH = re.compile(rf"(?>{LINK_WORDS_ZH})*+")


@dataclass(frozen=True, slots=True)
class Move:
    """A word that says up (1) or down (-1) of a figure; `level` where the figure is what was reached, not the change."""

    sign: int
    level: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A time named in a text: one date, or several that stand together (2022 and 2021)."""

    start: int
    end: int
    periods: Periods


class ClaimContext:
    """A text with its figures, in order. `quantities` are those that part what is said of one from what is of another."""

    def __init__(self, text: str, report_year: int | None, *, words: bool = False) -> None:
        self.text = narrow(text)
        self.report_year = report_year
        self.figures = find_figures(self.text, words=words)
        self._marks: dict[int, list[Mark]] = {}
        self._respective: dict[int, bool] = {}
        self._around: dict[int, tuple[str, str]] = {}
        self._periods: dict[int, tuple[Periods, bool]] = {}
        self._moves: dict[int, Move | None] = {}
        self.quantities = [figure for figure in self.figures if _parts_words(figure)]

    @cached_property
    def _ends(self) -> list[int]:
        return [match.end() for match in _SENTENCE_END.finditer(self.text)]

    def sentence(self, at: int) -> tuple[int, int]:
        """Where the sentence that holds an offset starts and ends."""
        index = bisect_right(self._ends, at)
        return self._ends[index - 1] if index else 0, self._ends[index] if index < len(self._ends) else len(self.text)

    @cached_property
    def _starts(self) -> list[int]:
        return [figure.start for figure in self.quantities]

    def around(self, figure: Quantity) -> tuple[str, str]:
        """The words between a figure and the quantity before it and after it, within its sentence."""
        found = self._around.get(figure.start)
        if found is None:
            found = self._around[figure.start] = self._find_around(figure)
        return found

    def _find_around(self, figure: Quantity) -> tuple[str, str]:
        left, right = self.sentence(figure.start)
        index = bisect_right(self._starts, figure.start)
        before = index - 1
        while before >= 0 and self.quantities[before].end > figure.start:  # the figure itself
            before -= 1
        if before >= 0:
            left = max(left, self.quantities[before].end)
        while index < len(self.quantities) and self.quantities[index].start < figure.end:
            index += 1
        if index < len(self.quantities):
            right = min(right, self.quantities[index].start)
        return self.text[left : figure.start], self.text[figure.end : right]

    # --- time ------------------------------------------------------------------------------------------------------------

    def marks(self, start: int, end: int) -> list[Mark]:
        """The times named in the sentence at [start, end), in order; those that stand together are one."""
        if start not in self._marks:
            self._marks[start] = self._find_marks(start, end)
        return self._marks[start]

    def _find_marks(self, start: int, end: int) -> list[Mark]:
        single = [
            Mark(figure.start, figure.end, self._periods_of(figure))
            for figure in self.figures
            if start <= figure.start < end
            and (figure.kind == "quarter" or figure.when[0])
            and not self._is_in_name(figure)
        ]
        if self.report_year is not None and _MAY_BE_RELATIVE.search(self.text, start, end):
            for pattern, year in ((_LAST, self.report_year - 1), (_THIS, self.report_year)):
                found = pattern.finditer(self.text, start, end)
                single.extend(Mark(*match.span(), frozenset((year,))) for match in found)
        single.sort(key=lambda mark: mark.start)
        joined: list[Mark] = []
        for mark in single:
            if joined and mark.start < joined[-1].end:
                continue
            if joined and _TOGETHER.fullmatch(self.text[joined[-1].end : mark.start]):
                joined[-1] = Mark(joined[-1].start, mark.end, joined[-1].periods | mark.periods)
            else:
                joined.append(mark)
        return joined

    def _is_in_name(self, figure: Quantity) -> bool:
        """Whether a year is part of the name of a plan, a facility or a paper, and says no time of a figure."""
        if figure.kind != "year":
            return False
        at = figure.end - (self.text[figure.end - 1] == "年")
        return _NAME_TAIL.match(self.text, at) is not None

    def _periods_of(self, figure: Quantity) -> Periods:
        if figure.kind == "quarter":
            return frozenset((f"Q{int(figure.value)}",))
        year = figure.when[0]
        if self.text.startswith(("初", "年初"), figure.end):
            return frozenset((year - 1,))  # the balance at the start of a year is that of the year before
        if is_turn_of_year(*figure.when[1:]):
            return frozenset((year, year - 1))
        return frozenset((year,))

    def periods(self, figure: Quantity) -> tuple[Periods, bool]:
        """The time that a figure is said to be of, and whether the words tie the two closely."""
        found = self._periods.get(figure.start)
        if found is None:
            found = self._periods[figure.start] = self._find_periods(figure)
        return found

    def _find_periods(self, figure: Quantity) -> tuple[Periods, bool]:
        start, end = self.sentence(figure.start)
        if year := self._beside(figure):
            return frozenset((year,)), True
        marks = self.marks(start, end)
        if not marks:
            return UNKNOWN, False
        if self.is_respective(start, end):
            return self._in_order(figure, marks, start, end), True
        _, after = self.around(figure)
        following = next((mark for mark in marks if mark.start >= figure.end), None)
        if (
            following
            and not _JOINED.match(self.text, following.start - 1)
            and following.start - figure.end < len(after)
            and _LINK_AFTER.fullmatch(self.text[figure.end : following.start])
            and not _OF_NEXT.match(self.text, following.end)
        ):
            return following.periods, True
        before = [mark for mark in marks if mark.end <= figure.start]
        if not before:
            return UNKNOWN, False
        return self._from_before(figure, before, marks, start)

    def _beside(self, figure: Quantity) -> int:
        """The year of a figure in the form 5 (2023: 4) or 5（上年4）: of the 4 it is 2023, of the 5 the year after; 0 in any other form."""
        if before := _BRACKETED_YEAR.search(self.text, max(0, figure.start - 32), figure.start):
            return _year_of(before[1]) if before.end() == figure.start else 0
        counter = _COUNTER.match(self.text, figure.end)
        end = counter.end() if counter else figure.end
        if self.report_year and _BRACKETED_LAST.match(self.text, end):
            left, right = self.sentence(figure.start)
            is_dated = any(other.when[0] for other in self.figures if left <= other.start < right)
            return 0 if is_dated else self.report_year
        after = _BRACKETED_YEAR.match(self.text, end)
        return _year_of(after[1]) + 1 if after and _year_of(after[1]) == (self.report_year or 0) - 1 else 0

    def _from_before(self, figure: Quantity, before: list[Mark], marks: list[Mark], start: int) -> tuple[Periods, bool]:
        mark = before[-1]
        between = self.text[mark.end : figure.start]
        if _OWNS.fullmatch(between):
            return mark.periods, True
        if _BASELINE.search(self.text, max(start, mark.start - 28), mark.start) or _COMPARED.search(between):
            return UNKNOWN, False
        tied = any(
            other.end <= mark.start and _LINK_AFTER.fullmatch(self.text, other.end, mark.start)
            for other in self.quantities
            if mark.start - 40 < other.end
        )
        if _AGO.search(self.text, mark.start, mark.end):
            return UNKNOWN, False  # after A a year earlier, B: B is of another time
        if tied:
            return UNKNOWN, False  # 5 in the first quarter and 6 in the second: a time right behind a figure is its own
        crossed = next((other for other in self.quantities if mark.end <= other.start < figure.start), None)
        if crossed and _LAST.fullmatch(self.text, mark.start, mark.end):
            return UNKNOWN, False  # 由上年A降至B: B is of no year before
        if crossed and (len(marks) > 1 or _OWNS.fullmatch(self.text[mark.end : crossed.start])):
            return UNKNOWN, False
        return mark.periods, False

    def is_respective(self, start: int, end: int) -> bool:
        """Whether a sentence lists things and figures apart, in the same order."""
        if start not in self._respective:
            self._respective[start] = _RESPECTIVE.search(self.text, start, end) is not None
        return self._respective[start]

    def listed(self, figure: Quantity) -> list[Quantity]:
        """The figures of the list that one is of, where a sentence lists names and figures apart in the same order, else none."""
        start, end = self.sentence(figure.start)
        for told in _RESPECTIVE.finditer(self.text, start, end):
            inside = [other for other in self.quantities if start <= other.start < end]
            after = [other for other in inside if other.start >= told.end()]
            groups = (after, [other for other in inside if other.end <= told.start()][::-1])
            for group in groups if told[0][0] in "分依" else groups[::-1]:
                listed = group[:1]
                for other in group[1:]:
                    first, second = sorted((listed[-1], other), key=lambda each: each.start)
                    if not _LISTED_BY.fullmatch(self.text, first.end, second.start) or first.kind != second.kind:
                        break
                    listed.append(other)
                if len(listed) > 1 and any(other is figure for other in listed):
                    return sorted(listed, key=lambda each: each.start)
        return []

    def series(self, figure: Quantity) -> list[Quantity]:
        """The figures that stand in one list with a figure, itself among them, in order: 1.09%, 0.74% and 1.72%."""
        start, end = self.sentence(figure.start)
        found = [figure]
        inside = [other for other in self.quantities if start <= other.start < end and other.kind == figure.kind]
        for other in inside:
            if other.start > figure.start and _LISTED_BY.fullmatch(self.text, found[-1].end, other.start):
                found.append(other)
        for other in reversed(inside):
            if other.start < figure.start and _LISTED_BY.fullmatch(self.text, other.end, found[0].start):
                found.insert(0, other)
        return found

    def _in_order(self, figure: Quantity, marks: list[Mark], start: int, end: int) -> Periods:
        """Times and figures in the same order: 5, 6 and 7 in 2022, 2021 and 2020, respectively."""
        inside = [other for other in self.figures if start <= other.start < end]
        times = [self._periods_of(other) for other in inside if other.kind == "quarter" or other.when[0]]
        figures = [other for other in inside if other.kind in QUANTITIES and not other.spelled]
        if len(times) == len(figures) > 1 and figure in figures:
            return times[figures.index(figure)]
        group = self.listed(figure)
        if len(group) == len(times) > 1:
            return times[group.index(figure)]
        if len(times) == 1 and marks[0].end <= figure.start:
            return times[0]
        return UNKNOWN

    # --- up or down, gain or loss -----------------------------------------------------------------------------------------

    def move(self, figure: Quantity) -> Move | None:
        """What is said of the way a figure went: the nearest word before it, or right after it."""
        if figure.start not in self._moves:
            self._moves[figure.start] = self._find_move(figure)
        return self._moves[figure.start]

    def _find_move(self, figure: Quantity) -> Move | None:
        before, after = self.around(figure)
        if _EITHER_WAY.search(before[-40:]):
            return None
        following = _MOVE_AFTER.match(after)
        if following:
            return Move(1 if following["up"] else -1, False, figure.end, figure.end + following.end())
        offset = figure.start - len(before)
        last = None
        for match in _MOVE.finditer(before[-60:]):
            last = match
        if last is None:
            return None
        shift = offset + max(0, len(before) - 60)
        between = before[-60:][last.end() :]
        if _BREAK.search(between):
            return None
        level = (_LEVEL.search(between) is not None and not _BY.fullmatch(last[0] + between)) or last[0][-1] in "至到"
        return Move(1 if last["up"] else -1, level, shift + last.start(), shift + last.end())

    def _leading(self, figure: Quantity) -> str:
        """The words around a figure, and those before the figures that it is set against."""
        before, after = self.around(figure)
        words, at = f"{before}0 {after}", figure.start - len(before)  # what costs a figure stands right before it
        while len(before) <= _NEAR_PAIR:
            earlier = next((other for other in reversed(self.quantities) if other.end == at), None)
            if earlier is None or ("，" in before and not (_COMPARED.search(before) or LINK_ZH.fullmatch(before))):
                break
            before, _ = self.around(earlier)
            words, at = f"{before} {words}", earlier.start - len(before)
        return words

    def polarity(self, figure: Quantity) -> int:
        """1 where the words up to a figure speak of a gain alone, -1 of a loss alone, 0 where of both, a cost or neither."""
        before, _ = self.around(figure)
        words = _INCOME_TAX.sub("tax", _BEFORE_TAX.sub("", before[-70:]))
        gain, loss = _GAIN.search(words) is not None, _LOSS.search(words) is not None
        if gain == loss or _BREAK.search(words[-30:]):
            return 0
        return -1 if loss else 0 if self.excuses_minus(figure) else 1

    def says_gain(self, figure: Quantity, label: str) -> bool:
        """Whether the words around a figure of costs say that it is none: an income, a negative amount."""
        before, after = self.around(figure)
        words = f"{before} {_PARTS.split(after)[0]}".lower().replace(label.lower(), "")
        return attached_polarity(self, figure) > 0 or _NO_COST.search(words) is not None

    def excuses_minus(self, figure: Quantity, *, costs: bool = True, near: bool = False) -> bool:
        """Whether the words around a figure say that it counts as negative: a loss, a fall, and with `costs` a cost.

        With `near`, words that another figure parts from it do not count, but where the two are set against each other.
        """
        start, end = self.sentence(figure.start)
        around = (
            self._leading(figure) if near else self.text[max(start, figure.start - 110) : min(end, figure.end + 40)]
        )
        words = _BEFORE_TAX.sub("", around)
        if _REMOVED.search(_WHEREAS.split(self.text[figure.end : end])[0]) or _REMOVED.search(words):
            return True
        drags = (_DRAG if figure.kind != "amount" else _TAKEN_OFF).search(words)
        return bool(_LOSS.search(words) or _FALL.search(words) or drags or (costs and _COST.search(words)))


_NEAR_PAIR = 32  # characters at most between two figures that one word is said of: outflows went from 5 to 6
_EITHER = re.compile(
    r"\s\((?:loss(?:es)?|income|gains?|profits?|expenses?)\)|[(（]亏损[^()（）]*[)）]", re.IGNORECASE
)  # income (loss)
_THROUGH = re.compile(r"\bthrough (?:the )?(?:profit (?:or|of|and) loss|income statement)\b", re.IGNORECASE)
_INCOME_TAX = re.compile(r"\bincome tax(?:es)?\b|所得税", re.IGNORECASE)
_BEFORE_TAX = re.compile(
    r"\bbefore (?:(?:provision|benefit)(?: \(benefit\))? (?:for|from) )?(?:income )?tax(?:es|ation)?\b|税前",
    re.IGNORECASE,
)


def attached_polarity(reading: ClaimContext, figure: Quantity, *, costs: bool = False) -> int:
    """1 or -1 where a gain or a loss is what the figure is said to be: only linking words part the two.

    With `costs` an expense counts as a loss and what is credited as a gain: of a row that has both.
    """
    before, _ = reading.around(figure)
    before = _EITHER.sub("", _BEFORE_TAX.sub("", before[-110:])).lower()
    if behind := _POLAR_BEHIND.match(reading.text, figure.end):
        return 1 if behind["gain"] else -1
    last = None
    for match in (_SIDE if costs else _POLAR).finditer(before):
        last = match
    if last is None:
        return 0
    gap = before[last.end() :]
    if _MOVE.search(gap) or not (LINK.fullmatch(gap) or LINK_ZH.fullmatch(gap)):
        return 0
    return 1 if last["gain"] else -1


def polarity(words: str) -> int:
    """1 where words speak of gains alone, -1 of losses alone, else 0."""
    words = _BEFORE_TAX.sub("", words)
    return (_GAIN.search(words) is not None) - (_LOSS.search(words) is not None)


def side_of(label: str) -> int:
    """What a row with a gain and an expense by its label has without a minus: 1 a gain, as "benefit (expense)", -1 an expense, else 0."""
    if (bracketed := _IN_BRACKETS.search(label)) is None:
        return 0
    inside = {match.lastgroup for match in _SIDE.finditer(bracketed[0])}
    outside = {match.lastgroup for match in _SIDE.finditer(_INCOME_TAX.sub("tax", _IN_BRACKETS.sub(" ", label)))}
    if inside == {"loss"} and "gain" in outside:
        return 1
    return -1 if inside == {"gain"} and "loss" in outside else 0


def row_polarity(label: str, sign: int) -> int:
    """1 for a gain and -1 for a loss by the label of a row; the sign decides for "income (loss)" and 利润（亏损以“-”号填列）."""
    if side := side_of(label):
        return side * sign
    label = _THROUGH.sub("", _INCOME_TAX.sub("tax", _BEFORE_TAX.sub("", label)))
    gain, loss = _GAIN.search(label) is not None, _LOSS.search(label) is not None
    if gain and loss:
        plain = _IN_BRACKETS.sub("", label)  # a loss (gain) is a loss where it has no minus
        return -sign if _LOSS.search(plain) and not _GAIN.search(plain) else sign
    if gain and _ONE_WAY.search(label) and not _BALANCE.search(label):
        return 1
    return sign if gain else -1 if loss else 0


def is_balance(label: str) -> bool:
    """Whether what a label names is a gain or a loss by its sign alone: a result, a margin, net cash, 损益, 净额."""
    return _BALANCE.search(_BEFORE_TAX.sub("", label)) is not None


def moves_in(words: str) -> tuple[bool, bool]:
    """Whether words speak of a rise, and of a fall."""
    found = {match.lastgroup for match in _MOVE.finditer(words)}
    return "up" in found, "down" in found


def _year_of(digits: str) -> int:
    return int(digits) if digits.isascii() else int(read_chinese(digits))


def _parts_words(figure: Quantity) -> bool:
    """Whether a figure is one that a sentence is about: no number word, no length of time as in "due within 1 year"."""
    return figure.kind in QUANTITIES and figure.unit != "time" and not (figure.spelled and figure.kind == "amount")


def is_cost(label: str) -> bool:
    """Whether a row is one of costs or deductions, whose brackets a sentence leaves out; "cash (used) provided" is not."""
    label = _INCOME_TAX.sub("tax", _BEFORE_TAX.sub("", label))
    return _COST.search(label) is not None and not _GAIN.search(label)


def belies(reading: ClaimContext, first: Quantity, second: Quantity) -> str | None:
    """The word that sets two neighbouring figures against each other and that they belie: 5, more than the 6 of 2021."""
    told = _SET_BESIDE.fullmatch(reading.text, first.end, second.start)
    if told is None or first.kind != second.kind or first.unit != second.unit or min(first.sign, second.sign) < 0:
        return None
    if _LISTED.search(reading.around(first)[0]) or _LISTED.match(reading.around(second)[1]):
        return None  # 5 and 6, more than the 7 and 8: sums are compared
    is_more = first.value > second.value
    return told[0].strip(" ,，") if is_more != bool(told["more"]) and first.value != second.value else None


def is_expense(label: str) -> bool:
    """Whether a row is one of running expenses, as an income statement lists them."""
    return _EXPENSE.search(label) is not None


def contradicts_itself(reading: ClaimContext, first: Quantity, second: Quantity) -> Move | None:
    """The word of movement that two neighbouring figures belie: "fell from 5 to 6"."""
    gap = reading.text[first.end : second.start]
    if len(gap) > 60 or first.kind != second.kind or first.sign * second.sign < 0 or first.value == second.value:
        return None
    before, _ = reading.around(first)
    if first.sign < 0 or second.sign < 0:
        return None  # what narrows from -5 to -3 rises and falls
    grew = abs(second.value) > abs(first.value) if first.sign > 0 else second.value > first.value
    offset = first.start - len(before)
    inside = list(_MOVE.finditer(gap))
    if _FROM.search(before) and _TO.search(gap):
        moves = inside or [match for match in _MOVE.finditer(before) if len(before) - match.end() < 30]
        if not moves:
            return None
        word = moves[-1]
        shift = first.end if inside else offset
        sign = 1 if word["up"] else -1
        return Move(sign, True, shift + word.start(), shift + word.end()) if (sign > 0) != grew else None
    if down_from := _MOVED_FROM.match(gap):
        sign = 1 if down_from["up"] else -1
        return Move(sign, True, first.end, first.end) if (sign > 0) == grew else None
    if _THEN_FROM.fullmatch(gap):
        known = reading.move(first)
        if known and known.level and re.search(r"\bto\b|[至到]", reading.text[known.start : first.start]):
            return known if (known.sign > 0) == grew else None
    return None
