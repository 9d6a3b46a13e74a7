"""How a text writes its numbers: the notation of a document is found once, and its numbers are set as 1,234,567.89.

Each character becomes one, so that offsets stay: 1 234 567 and 1'234'567 are 1,234,567, and 1.234.567,89 has its points
and commas exchanged. A triangle before a number is a minus where no other triangle makes arrows of them. Full-width digits and
signs are narrow ones, and traditional characters simplified ones.
"""

from __future__ import annotations

import re
from typing import Literal

Notation = Literal["plain", "spaces", "commas"]

# Traditional characters of which figures are told, and the simplified ones in their places.
_TRADITIONAL = (
    "仟佰後於億萬圓個點幣單貨兩虧損費潤應賬帳務資產債權業營總額淨凈動經計稅減開關聯屬東紅貿現報據歸終續併並攤銷備撥準價處項負積補貼購"
    "買賣賃證銀貸結餘類較長錄實際預測規劃審評託訂約標達轉換匯遞綜體號從來對內兌倉儲運輸員職勞獎勵監獨擔險優創辦廠機構組織統級"
    "數過還進選連車軟輕農發設訊記許詳該認調論變讓責貢財質贖贈隨難電離雙雜響頁順須頗領顧願顯風養驗國園團執場壓壞學專將導屆層師"
    "帶幾庫廣廢強徑復態慮戶拋採敗斷時暫會條極樓樣橫檢歐歷殘毀決沒況濟滿漲潛滯為無熱爭狀獲環畢異當療盡盤眾礎確種稱穩競筆築簡籌"
    "純紙細給絕維網緊線編緩縮繼與興舊葉藝藥術衛複見親觀訓診試語誠請識議護豐販貫贏趨載輔輪邊郵醫釋鋼錢鏈鐵鑒門閉間閱階雲騰齡龍"
    "參區協啟嚴圖僅償儘刪則剛勢勝華廳惡擇擬擴攝棄槓欄殼溫滙灣獻畫礙範糾紡紹綠綫緒縱績聽肅脫腳臨艱蓋蘇虛製覽訪詢誤謹譯貝賓賦賠"
    "賺軌轄遲遷鄭銅錯鍵鎮闊陳陰隱雖靈頂頒頻題顏飯餅館駁驟鬆鹽"
)
_SIMPLIFIED = (
    "千百后于亿万元个点币单货两亏损费润应账账务资产债权业营总额净净动经计税减开关联属东红贸现报据归终续并并摊销备拨准价处项负积补贴购"
    "买卖赁证银贷结余类较长录实际预测规划审评托订约标达转换汇递综体号从来对内兑仓储运输员职劳奖励监独担险优创办厂机构组织统级"
    "数过还进选连车软轻农发设讯记许详该认调论变让责贡财质赎赠随难电离双杂响页顺须颇领顾愿显风养验国园团执场压坏学专将导届层师"
    "带几库广废强径复态虑户抛采败断时暂会条极楼样横检欧历残毁决没况济满涨潜滞为无热争状获环毕异当疗尽盘众础确种称稳竞笔筑简筹"
    "纯纸细给绝维网紧线编缓缩继与兴旧叶艺药术卫复见亲观训诊试语诚请识议护丰贩贯赢趋载辅轮边邮医释钢钱链铁鉴门闭间阅阶云腾龄龙"
    "参区协启严图仅偿尽删则刚势胜华厅恶择拟扩摄弃杠栏壳温汇湾献画碍范纠纺绍绿线绪纵绩听肃脱脚临艰盖苏虚制览访询误谨译贝宾赋赔"
    "赚轨辖迟迁郑铜错键镇阔陈阴隐虽灵顶颁频题颜饭饼馆驳骤松盐"
)
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in "，：！；？"}
_WIDE |= {0xFFE5: "¥", 0x2212: "-", 0xFE63: "-", 0x2010: "-", 0x2011: "-"}
_WIDE |= dict.fromkeys((0x3000, 0xA0, 0x202F, 0x2009), " ")
_WIDE |= {ord(old): new for old, new in zip(_TRADITIONAL, _SIMPLIFIED, strict=True)}
_IS_WIDE = re.compile(f"[{''.join(map(re.escape, map(chr, _WIDE)))}]")
_WIDE_GROUP = re.compile(r"(?<=[０-９])，(?=[０-９]{3})")


def narrow(text: str) -> str:
    """The text with full-width digits, signs and letters as ASCII ones, and traditional characters as simplified: offsets stay."""
    if text.isascii() or not _IS_WIDE.search(text):
        return text
    return _IS_WIDE.sub(lambda wide: _WIDE[ord(wide[0])], _WIDE_GROUP.sub(",", text))


_THIN = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:[\u00a0\u202f\u2009][0-9]{3})+(?![0-9])")
_SPACED = re.compile(r"(?<![0-9.,'-])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])")
_SPACED_LONG = re.compile(r"(?<![0-9.,'-])[0-9]{1,2}(?: [0-9]{3}){2,}(?![0-9])")
_SPACED_CELL = re.compile(r"(?:^|[|\n])\s*[-–(]?\s?[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?\)?\s*(?:[|\n]|$)")
_APOSTROPHES = re.compile(r"(?<![0-9.,'’])[0-9]{1,3}(?:['’´][0-9]{3})+(?![0-9])")
_POINTS = re.compile(
    r"(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,2}(?![0-9])|(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3}){2,}(?![0-9.])"
)
_COMMA_DECIMAL = re.compile(r"(?<![0-9.,])[0-9]+,[0-9]{1,2}(?![0-9,]| [0-9])")
_PLAIN = re.compile(r"[0-9],[0-9]{3}(?![0-9])|(?<![0-9.])[0-9]+\.[0-9]{1,2}(?![0-9.])")
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[0-9][0-9.,]*[0-9]")
_EXCHANGED = str.maketrans(".,", ",.")
_TRIANGLE = re.compile(r"△(?=\s?[0-9$€£¥])|▲(?=[0-9][0-9.,]*+(?!\s?%))")
_ARROWS = re.compile(r"[▼▽↑↓]")


def find_notation(text: str) -> Notation:
    """The notation of a text, by numbers that can be read in one way alone."""
    if _POINTS.search(text):
        return "commas"
    if _COMMA_DECIMAL.search(text) and not _PLAIN.search(text):
        return "commas"
    if _THIN.search(text) or ((_SPACED_CELL.search(text) or _SPACED_LONG.search(text)) and not _PLAIN.search(text)):
        return "spaces"
    return "plain"


def standard(text: str, notation: Notation | None = None) -> str:
    """The text, narrow, with its numbers in the common notation; `notation` is that of the document where it is known."""
    own = find_notation(text)
    if own == "plain" and notation and not _PLAIN.search(text):
        own = notation
    if own != "plain":
        text = _THIN.sub(lambda match: re.sub(r"\D", "." if own == "commas" else ",", match[0]), text)
        text = _SPACED.sub(lambda match: match[0].replace(" ", "." if own == "commas" else ","), text)
    text = narrow(text)
    if "'" in text or "’" in text or "´" in text:
        text = _APOSTROPHES.sub(lambda match: re.sub(r"\D", ",", match[0]), text)
    if own == "commas":
        text = _NUMBER.sub(lambda match: _exchanged(match[0]), text)
    if ("△" in text or "▲" in text) and not _ARROWS.search(text):
        text = _TRIANGLE.sub("-", text)
    return text


def _exchanged(number: str) -> str:
    """A number with points and commas exchanged; a date (31.12.2024) stays as it is."""
    is_date = re.fullmatch(
        r"[0-3]?[0-9]\.[01]?[0-9]\.(?:[0-9]{2}|(?:19|20)[0-9]{2})|[0-3]?[0-9]\.[01]?[0-9]\.?", number
    )
    return number if is_date and "," not in number else number.translate(_EXCHANGED)
