"""How a text writes its numbers: the notation of a document is found once, and its numbers are set as 1,234,567.89.

Each character becomes one, so that offsets stay: 1 234 567 and 1'234'567 are 1,234,567, and 1.234.567,89 has its points
and commas exchanged. A triangle before a number is a minus where no other triangle makes arrows of them. Full-width digits and
signs are narrow ones, and traditional characters simplified ones.
"""

from __future__ import annotations

import re
from typing import Literal

Notation = Literal["plain", "spaces", "commas"]

# Traditional characters of which figures are told, each with the simplified one.
_TRADITIONAL = (
    "仟千 佰百 後后 於于 億亿 萬万 圓元 個个 點点 幣币 單单 貨货 兩两 虧亏 損损 費费 潤润 應应 賬账 帳账 務务 資资 產产 債债 權权 業业 "
    "營营 總总 額额 淨净 凈净 動动 經经 計计 稅税 減减 開开 關关 聯联 屬属 東东 紅红 貿贸 現现 報报 據据 歸归 終终 續续 併并 並并 攤摊 "
    "銷销 備备 撥拨 準准 價价 處处 項项 負负 積积 補补 貼贴 購购 買买 賣卖 賃赁 證证 銀银 貸贷 結结 餘余 類类 較较 長长 錄录 實实 際际 "
    "預预 測测 規规 劃划 審审 評评 託托 訂订 約约 標标 達达 轉转 換换 匯汇 遞递 綜综 體体 號号 從从 來来 對对 內内 兌兑 倉仓 儲储 運运 "
    "輸输 員员 職职 勞劳 獎奖 勵励 監监 獨独 擔担 險险 優优 創创 辦办 廠厂 機机 構构 組组 織织 統统 級级 數数 過过 還还 進进 選选 連连 "
    "車车 軟软 輕轻 農农 發发 設设 訊讯 記记 許许 詳详 該该 認认 調调 論论 變变 讓让 責责 貢贡 財财 質质 贖赎 贈赠 隨随 難难 電电 離离 "
    "雙双 雜杂 響响 頁页 順顺 須须 頗颇 領领 顧顾 願愿 顯显 風风 養养 驗验 國国 園园 團团 執执 場场 壓压 壞坏 學学 專专 將将 導导 屆届 "
    "層层 師师 帶带 幾几 庫库 廣广 廢废 強强 徑径 復复 態态 慮虑 戶户 拋抛 採采 敗败 斷断 時时 暫暂 會会 條条 極极 樓楼 樣样 橫横 檢检 "
    "歐欧 歷历 殘残 毀毁 決决 沒没 況况 濟济 滿满 漲涨 潛潜 滯滞 為为 無无 熱热 爭争 狀状 獲获 環环 畢毕 異异 當当 療疗 盡尽 盤盘 眾众 "
    "礎础 確确 種种 稱称 穩稳 競竞 筆笔 築筑 簡简 籌筹 純纯 紙纸 細细 給给 絕绝 維维 網网 緊紧 線线 編编 緩缓 縮缩 繼继 與与 興兴 舊旧 "
    "葉叶 藝艺 藥药 術术 衛卫 複复 見见 親亲 觀观 訓训 診诊 試试 語语 誠诚 請请 識识 議议 護护 豐丰 販贩 貫贯 贏赢 趨趋 載载 輔辅 輪轮 "
    "邊边 郵邮 醫医 釋释 鋼钢 錢钱 鏈链 鐵铁 鑒鉴 門门 閉闭 間间 閱阅 階阶 雲云 騰腾 齡龄 龍龙 參参 區区 協协 啟启 嚴严 圖图 僅仅 償偿 "
    "儘尽 刪删 則则 剛刚 勢势 勝胜 華华 廳厅 惡恶 擇择 擬拟 擴扩 攝摄 棄弃 槓杠 欄栏 殼壳 溫温 滙汇 灣湾 獻献 畫画 礙碍 範范 糾纠 紡纺 "
    "紹绍 綠绿 綫线 緒绪 縱纵 績绩 聽听 肅肃 脫脱 腳脚 臨临 艱艰 蓋盖 蘇苏 虛虚 製制 覽览 訪访 詢询 誤误 謹谨 譯译 貝贝 賓宾 賦赋 賠赔 "
    "賺赚 軌轨 轄辖 遲迟 遷迁 鄭郑 銅铜 錯错 鍵键 鎮镇 闊阔 陳陈 陰阴 隱隐 雖虽 靈灵 頂顶 頒颁 頻频 題题 顏颜 飯饭 餅饼 館馆 駁驳 驟骤 "
    "鬆松 鹽盐 別别 "
)
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in "，：！；？"}
_WIDE |= {0xFFE5: "¥", 0x2212: "-", 0xFE63: "-", 0x2010: "-", 0x2011: "-"}
_WIDE |= dict.fromkeys((0x3000, 0xA0, 0x202F, 0x2009), " ")
_WIDE |= {ord(pair[0]): pair[1] for pair in _TRADITIONAL.split()}
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
