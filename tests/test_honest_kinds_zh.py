"""Chinese answers that word a report in their own way are kept; the same with a contradiction in it falls.

Years in brackets, changes right of their column, columns of units, lists that go on, points by other names, slashes
between figures, gains in notes of expenses: each has answers that are right, and answers that are not.
"""

from __future__ import annotations

import pytest
from test_grounding import passage, record

from fingen.quality.grounding import Finding, ground
from fingen.records import Evidence, Period, Stated

BRACKETS = "本期林木资产公允价值变动收益为人民币4,812.6万元(2023年：1,907.2万元)，租金收入为6,120.8万元(2023年：5,033.1万元)，汇兑收益为811.5万元(2023年：汇兑损失402.9万元)。"
BRACKETS_ZHT = (
    "本年度投資物業之公允價值變動收益為48.1億元（2023年：19.1億元），租金收入為61.2億元（2023年：50.3億元）。"
)
UNITS = (
    "单位：元 币种：人民币\n主要产品 | 单位 | 生产量 | 销售量 | 库存量 | 销售量比上年增减（%） | 库存量比上年增减（%）\n"
    "轮胎 | 万条 | 1,284.60 | 1,251.37 | 96.20 | 8.42 | -12.75\n炭黑 | 吨 | 43,871.20 | 41,906.55 | 3,204.10 | -6.18 | 21.33\n"
    "发电量 | 亿千瓦时 | 27.46 | 26.91 | 0.00 | 3.07 | \n胶管 | 万元 | 5,618.30 | 5,402.77 | 812.40 | 11.26 | 4.85"
)
UNITS_LAST = (
    "项目 | 2024年 | 2023年 | 计量单位\n客运量 | 3,816.4 | 3,402.9 | 万人次\n货运周转量 | 148.27 | 139.05 | 亿吨公里\n"
    "平均票价 | 86.3 | 84.9 | 元/人\n客座率 | 81.6 | 77.2 | %"
)
UNITS_ZHT = (
    "主要產品 | 單位 | 2024年度產量 | 2023年度產量\n鋼胚 | 萬噸 | 412.8 | 397.5\n條鋼 | 噸 | 68,204.3 | 71,940.8"
)
CHANGES = (
    "（1）主营业务构成情况\n单位：元\n\n项目 | 营业收入 | 同比（%） | 营业成本 | 同比（%） | 毛利率（%） | 同比（%）\n按渠道 |  |  |  |  |  | \n"
    "门店 | 3,184,206,511.42 | 27.15 | 1,802,440,913.77 | 22.36 | 43.39 | 2.22\n"
    "网络 | 1,407,933,280.05 | 6.48 | 955,204,118.60 | 9.71 | 32.16 | -2.00\n小计 | 4,592,139,791.47 | 20.02 | 2,757,645,032.37 | 17.66 | 39.95 | 1.20"
)
CHANGES_QUANTITY = "产品 | 产量（吨） | 同比增减(%) | 销量（吨） | 同比增减(%)\n精铜 | 61,204.5 | 7.36 | 59,877.1 | 5.14\n精锌 | 24,915.8 | -3.82 | 25,306.4 | -1.97"
POINTS = "2024年公司光伏组件毛利率同比下降6.42pcts达12.85%，销售费用率同比提升0.37ppt至4.16%，研发费用率为5.03%，同比+0.28pct，净息差收窄14bps。"
SLASHES = "我们预计公司2025-2027年归母净利润分别为41.26/53.07/66.90亿元，同比增长18.4%/28.6%/26.1%。\n\n指标 | 2025E | 2026E | 2027E\n归母净利润(百万元) | 4126.38 | 5307.14 | 6689.52"
SLASH_QUOTE = "我们预计公司2025-2027年归母净利润分别为41.26/53.07/66.90亿元，同比增长18.4%/28.6%/26.1%。"
EXPENSES = (
    "单位：元 币种：人民币\n58、财务费用√适用 □不适用\n单位：元\n\n项目 | 本期发生额 | 上期发生额\n利息支出 | 4,120,338.15 | 2,964,570.02\n"
    "减：利息收入 | -9,380,214.66 | -8,117,403.28\n汇兑损益 | -6,725,119.40 | -15,038,762.91\n手续费 | 318,440.07 | 290,116.38\n合计 | -11,666,555.84 | -19,901,479.79"
)
LOSSES = EXPENSES.replace("汇兑损益", "汇兑损失")
LISTED_ZHT = "單位：千港元\n | 2024年 | 2023年\n零售客戶 | 31,846 | 52,917\n批發客戶 | 40,228 | 47,065"
DISPOSAL_ZHT = "單位：千港元\n項目 | 金額\n存貨 | 1,284\n應付貿易賬款 | (9,637)\n於取消併表之日的淨資產 | (8,353)\n非控股權益 | 5,120\n取消併表的收益 | 3,233"
ALONE_ZHT = "出售附屬公司產生的現金流入：\n千港元\n\n現金代價 | 6,150\n出售的銀行結餘及現金 | (48)\n\n6,102"
CEASED_ZHT = (
    "截至2024年3月31日止年度的溢利418,000,000港元主要歸因於取消併表來自終止經營業務的出售組別的收益437,000,000港元。"
)
IMPAIRED = "单位：元\n项目 | 本期发生额 | 上期发生额 | 变动比例\n信用减值损失 | -31,208,455.17 | -24,633,910.02 | -26.69%\n资产减值损失 | 9,417,302.88 | -1,380,226.45 | 782.30%"
OUTFLOW = "单位：元\n项目 | 2024年 | 2023年\n经营活动产生的现金流量净额 | -48,203,117.52 | -69,514,880.36\n现金及现金等价物净增加额 | 812,406,335.20 | 377,190,442.18"
SIGHTS = "索道业务接待游客184.20万人，实现营业收入13,806.42万元，较上年同期增长3.17%；全年实现净利润(归属于母公司所有者)2,914.55万元。"
SHARE = "截至报告期末，公司类不良贷款主要集中在批发业和建筑业，两大行业不良贷款合计186.40亿元，在公司类不良贷款中占比43.20%。"
GOODWILL = "项目 | 2024年末金额 | 占总资产比例 | 2023年末金额 | 占总资产比例\n商誉 | 1,906,337,204.18 | 27.46% | 1,120,584,930.77 | 21.05%"
SECTORS = "批发业、建筑业、交通运输和仓储业的不良贷款总额分别比上年末增加31.60亿元、14.25亿元和8.90亿元。"
RAISED = (
    "公司非公开发行股票，发行价每股8.15元，共计募集资金734,218,560.00元，扣除发行费用后募集资金净额721,605,312.44元。"
)
MARGIN = "公司2024年客车业务毛利率同比提升1.84个百分点达16.52%。"
STEPS = "业绩考核以2023年营业收入为基数，营业收入增长率2024年不低于25%；2025年不低于40%；2026年不低于55%。"
STEPS_TABLE = "项目 | 2024年 | 2023年\n资产负债率 | 61.4% | 57.9%\n流动资产占比 | 44.2% | 46.0%"

KEPT = [
    (BRACKETS, "林木资产公允价值变动收益4,812.6万元（2023年1,907.2万元），租金收入6,120.8万元。"),
    (BRACKETS, "2024年林木资产公允价值变动收益4,812.6万元（2023年为1,907.2万元）。"),
    (BRACKETS, "2024年租金收入6,120.8万元（上年5,033.1万元），汇兑收益811.5万元。"),
    (BRACKETS_ZHT, "投資物業之公允價值變動收益48.1億元（2023年19.1億元），租金收入61.2億元（2023年為50.3億元）。"),
    (UNITS, "轮胎生产1,284.60万条、销售1,251.37万条，销量增长8.42%。"),
    (UNITS, "炭黑产量43,871.20吨，合4.39万吨，库存量3,204.10吨。"),
    (UNITS, "发电量27.46亿千瓦时；胶管销售量5,402.77万元。"),
    (UNITS, "轮胎和胶管的销量分别增长8.42%和11.26%，库存量则下降12.75%和增长4.85%。"),
    (UNITS, "轮胎和炭黑的生产量为1,284.60万条和43,871.20吨。"),
    (UNITS_LAST, "2024年客运量3,816.4万人次，货运周转量148.27亿吨公里，平均票价86.3元，客座率81.6%。"),
    (UNITS_ZHT, "2024年度鋼胚產量412.8萬噸，條鋼產量68,204.3噸。"),
    (CHANGES, "门店渠道毛利率43.39%，提高2.22个百分点；收入31.84亿元，增长27.15%。"),
    (CHANGES, "网络渠道毛利率降低2.00个百分点，为32.16%，营业成本增长9.71%。"),
    (CHANGES, "门店和网络的收入分别增长27.15%和6.48%。"),
    (CHANGES, "门店占到主营业务收入45.92亿元的大部分。"),
    (CHANGES_QUANTITY, "精铜产量61,204.5吨，精锌产量24,915.8吨，分别增长7.36%和下降3.82%。"),
    (CHANGES_QUANTITY, "精铜销量为59,877.1吨，增长5.14%。"),
    (POINTS, "2024年光伏组件毛利率下降6.42个百分点至12.85%，销售费用率提升0.37个百分点至4.16%。"),
    (POINTS, "研发费用率为5.03%，提高0.28个百分点，净息差收窄14个基点。"),
    (SLASHES, "预计2025至2027年归母净利润分别为41.26亿元、53.07亿元和66.90亿元，增长18.4%、28.6%和26.1%。"),
    (SLASHES, "预计2026年归母净利润为53.07亿元。"),
    (EXPENSES, "财务费用为负数，即净收益1,166.66万元，上年为1,990.15万元。"),
    (EXPENSES, "汇兑收益由1,503.88万元降到672.51万元，利息收入为938.02万元。"),
    (EXPENSES, "财务费用为-1,166.66万元，其中利息支出412.03万元。"),
    (EXPENSES, "财务费用仍为负数，为1,166.66万元。"),
    (LOSSES, "本期汇兑收益672.51万元，上期为1,503.88万元。"),
    (LISTED_ZHT, "零售客戶和批發客戶的營業額分別為3,184.6萬港元和4,022.8萬港元，2023年則為5,291.7萬港元和4,706.5萬港元。"),
    (DISPOSAL_ZHT, "取消併表之日的負債淨額為835.3萬港元，扣除非控股權益512.0萬港元後確認收益323.3萬港元。"),
    (ALONE_ZHT, "出售的現金流入為610.2萬港元。"),
    (CEASED_ZHT, "溢利418百萬港元主要是取消併表出售組別的收益437百萬港元。"),
    (IMPAIRED, "信用减值损失为3,120.85万元，上期为2,463.39万元。"),
    (IMPAIRED, "资产减值转为收益941.73万元，上期为损失138.02万元。"),
    (OUTFLOW, "2024年经营活动为现金净流出4,820.31万元，上年为6,951.49万元。"),
    (OUTFLOW, "经营活动仍为净流出，但从6,951.49万元收窄至4,820.31万元；现金及现金等价物净增加8.12亿元。"),
    (SIGHTS, "索道业务营业收入13,806.42万元，增长3.17%，公司净利润2,914.55万元。"),
    (SHARE, "两大行业不良贷款186.40亿元，占公司类不良贷款的43.20%。"),
    (GOODWILL, "2024年末商誉19.06亿元，占总资产27.46%。"),
    (SECTORS, "批发业、建筑业、交通运输和仓储业的不良贷款分别增加31.60亿元、14.25亿元和8.90亿元。"),
    (RAISED, "发行共募集7.34亿元，募集资金净额7.22亿元。"),
    (MARGIN, "公司客车业务毛利率提升1.84个百分点至16.52%。"),
    (SLASHES, "报告预测2026年归母净利润53.07亿元。"),
    (STEPS, "增长率2024年不低于25%，此后每年提高十五个百分点，到2026年不低于55%。"),
    (STEPS, "营业收入增长率2025年不低于40%，比前一年高15个百分点。"),
    (STEPS_TABLE, "2024年资产负债率为61.4%，上升3.5个百分点。"),
]  # fmt: skip
FALLEN = [
    (BRACKETS, "林木资产公允价值变动收益1,907.2万元（2023年4,812.6万元）。", "binding-period"),
    (BRACKETS, "租金收入5,033.1万元（2023年6,120.8万元）。", "binding-period"),
    (BRACKETS_ZHT, "投資物業之公允價值變動收益19.1億元（2023年48.1億元）。", "binding-period"),
    (UNITS, "轮胎生产1,284.60条。", "unit"),
    (UNITS, "轮胎生产1,284.60亿条。", "unit"),
    (UNITS, "炭黑产量43,871.20万吨。", "unit"),
    (UNITS, "炭黑产量43,871.20元。", "unit"),
    (UNITS, "轮胎和胶管的销量分别增长8.42%和11.26%，库存量则增长4.85%和下降12.75%。", "binding-row"),
    (UNITS, "轮胎和胶管的销量分别增长9.42%和11.26%，库存量则下降12.75%和增长4.85%。", "figure"),
    (UNITS_LAST, "2024年客运量3,816.4亿人次。", "unit"),
    (UNITS_ZHT, "2024年度鋼胚產量412.8億噸。", "unit"),
    (CHANGES, "门店渠道毛利率43.39%，提高27.15个百分点。", "unit"),
    (CHANGES, "网络渠道毛利率提高2.00个百分点，为32.16%。", "sign"),
    (CHANGES, "门店方面，营业成本增长27.15%。", "binding-column"),
    (CHANGES_QUANTITY, "精铜产量61,204.5吨，增长5.14%。", "binding-column"),
    (POINTS, "2024年光伏组件毛利率下降6.42个基点。", "unit"),
    (POINTS, "2024年光伏组件毛利率下降6.42%。", "unit"),
    (POINTS, "净息差收窄14个百分点。", "unit"),
    (SLASHES, "预计2025至2027年归母净利润分别为41.26万元、53.07万元和66.90万元。", "unit"),
    (EXPENSES, "财务费用为净支出1,166.66万元。", "sign"),
    (EXPENSES, "汇兑损失由1,503.88万元降到672.51万元。", "sign"),
    (LOSSES, "本期汇兑损失672.51万元。", "sign"),
    (LISTED_ZHT, "零售客戶和批發客戶的營業額分別為4,022.8萬港元和3,184.6萬港元。", "binding-row"),
    (DISPOSAL_ZHT, "存貨於取消併表之日為963.7萬港元。", "binding-column"),
    (ALONE_ZHT, "出售的現金流入為610.2億港元。", "figure"),
    (IMPAIRED, "信用减值损失为2,463.39万元，上期为3,120.85万元。", "binding-period"),
    (OUTFLOW, "经营活动仍为净流入，但从6,951.49万元收窄至4,820.31万元。", "sign"),
    (OUTFLOW, "期末现金及现金等价物余额为8.12亿元。", "binding-basis"),
    (SIGHTS, "索道业务净利润13,806.42万元，增长3.17%。", "binding-basis"),
    (SHARE, "两大行业不良贷款186.40亿元，占全部不良贷款的43.20%。", "binding-column"),
    (GOODWILL, "2024年末商誉19.06亿元，占净资产27.46%。", "binding-column"),
    (SECTORS, "交通运输和仓储业、建筑业、批发业的不良贷款分别增加31.60亿元、14.25亿元和8.90亿元。", "binding-row"),
    (RAISED, "扣除发行费用后，募集资金净额7.34亿元。", "binding-basis"),
    (MARGIN, "公司整体毛利率提升1.84个百分点至16.52%。", "binding-column"),
    (SLASHES, "2026年实际实现归母净利润53.07亿元。", "binding-basis"),
    (STEPS, "增长率2024年不低于25%，此后每年提高二十个百分点，到2026年不低于55%。", "figure"),
    (STEPS_TABLE, "2024年资产负债率为61.4%，上升4.5个百分点。", "figure"),
]  # fmt: skip


INTERBANK = (
    "（除特别注明外，金额单位为人民币百万元）\n3拆出资金准备变动\n截至2024年6月30日止六个月期间\n\n | 本集团 | 本行\n2024年1月1日 | (417) | (405)\n"
    "本年净回拨 | 66 | 61\n2024年6月30日 | (351) | (344)"
)


def test_a_report_of_half_a_year_may_call_it_this_year_and_the_bank_alone_no_group() -> None:
    half = passage(INTERBANK, "zh").model_copy(update={"period": Period(kind="half-year", end="2024-06-30")})

    def told(answer: str) -> list[str]:
        return [each.reason for each in ground(record(answer, language="zh"), [half]).failed]

    assert told("本集团本年净回拨0.66亿元，准备由4.17亿元减至3.51亿元。") == []
    assert told("本行（非集团）本年净回拨0.61亿元，准备由4.05亿元减至3.44亿元。") == []
    assert told("本集团本年净回拨0.61亿元。") == ["binding-column"]


def test_a_unit_that_each_page_states_alike_is_that_of_a_table_without_one() -> None:
    pages = tuple(Stated(text="除特别注明外，金额单位为人民币百万元", page=page) for page in (3, 4))
    text = "项目 | 2024年 | 2023年\n拆出资金 | 183,406 | 161,255"
    source = passage(text, "zh")

    def told(answer: str, unit: tuple[Stated, ...]) -> list[str]:
        return [
            each.reason
            for each in ground(record(answer, language="zh"), [source.model_copy(update={"unit": unit})]).failed
        ]

    assert told("2024年拆出资金1,834.06亿元。", pages) == []
    assert told("2024年拆出资金1,834.06万元。", pages) == ["figure"]
    assert told("2024年拆出资金1,834.06亿元。", (pages[0], Stated(text="单位：万元", page=4))) == ["figure"]


def test_a_name_in_traditional_characters_is_that_of_the_source() -> None:
    text = "公司名稱 | 未變現收益\n滙隆控股有限公司 | 1,234"

    assert [each.reason for each in fail(text, "滙隆控股錄得收益。")] == []


def fail(text: str, answer: str, quotes: tuple[str, ...] = ()) -> list[Finding]:
    """What an answer fails for on a passage, with or without quotes."""
    draft = record(answer, language="zh")
    draft = draft.model_copy(update={"evidence": tuple(Evidence(quote=quote) for quote in quotes)})
    return list(ground(draft, [passage(text, "zh")]).failed)


@pytest.mark.parametrize(("text", "answer"), KEPT)
def test_honest_answers_are_kept(text: str, answer: str) -> None:
    assert fail(text, answer) == []


@pytest.mark.parametrize(("text", "answer", "reason"), FALLEN)
def test_what_contradicts_falls(text: str, answer: str, reason: str) -> None:
    assert reason in [finding.reason for finding in fail(text, answer)]


def test_figures_between_slashes_share_the_unit_of_the_last_so_that_their_sentence_proves_each() -> None:
    answer = "预计2025至2027年归母净利润分别为41.26亿元、53.07亿元和66.90亿元。"

    assert fail(SLASHES, answer, (SLASH_QUOTE,)) == []
    assert [each.reason for each in fail(SLASHES, answer, ("指标 | 2025E | 2026E | 2027E",))] == ["unquoted"] * 3
