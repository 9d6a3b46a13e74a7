"""Whose report it is, and of what time: title pages of many kinds, made here, and the real reports of the shared folder."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_documents import HEIGHT, Paper, read, wrapped

from fingen.documents.parsed import read_page_parse
from fingen.records import Period

PAGES = 6  # of each report made here
SIZES = {"#": 24.0, "+": 14.0, "-": 7.0}


@dataclass(frozen=True)
class Kind:
    """A kind of report: its first pages, what stands on the others, and what is right."""

    company: str | None
    kind: str
    end: str | None
    titles: tuple[str, ...]  # a page each; a line starting with #, + or - is set large, larger or small
    body: str
    running: str = ""
    fiscal_year: int | None = None
    author: str | None = None


def paper_of(kind: Kind) -> Paper:
    paper = Paper()
    for page in (*kind.titles, *[kind.body] * PAGES):
        paper.new_page()
        if kind.running and page is not kind.titles[0]:
            paper.at(56, 30, kind.running, 8)
            paper.at(500, HEIGHT - 20, f"Page {paper.pdf.page_count}", 8)
        for line in page.splitlines():
            size = SIZES.get(line[:1], 10.0)
            text = line[1:] if line[:1] in SIZES else line
            for part in wrapped(text, 480, size):
                paper.line(part.strip(), size)
    return paper


KINDS = {
    "a name that begins with a digit": Kind(
        "4imago Group plc", "annual", "2023-03-31",
        ("#4imago Group plc\n+Annual report and accounts 2023", "Contents\nOverview\nStrategy\nGovernance"),
        "Independent auditor’s report to the members of 4imago Group plc\nWe have audited the financial statements of 4imago Group plc "
        "(the “Company”) and its subsidiaries for the year ended 31 March 2023. Turner Audit LLP is our auditor. Revenue of 4imago rose.",
    ),
    "a name in small letters": Kind(
        "ardvn plc", "annual", "2022-12-31",
        ("#ardvn plc\n+Annual report and accounts\n31 December 2022",),
        "ardvn plc (the ‘Company’) is listed in London. The funds of Hill Street Managers Limited are managed elsewhere. ardvn plc "
        "paid a dividend for the year ended 31 December 2022.",
        running="ardvn plc Annual report and accounts",
    ),
    "a former name beside it": Kind(
        "eMinerals Limited", "annual", "2022-06-30",
        ("+eMinerals Limited\n-Formerly known as Superior Lakes Limited\n-ABN 12 345 678 901\n#2022 Annual report",
         "Directory\nAuditor\nBDO Audit (WA) Pty Ltd\nShare registry\nAutomic Pty Ltd\nSolicitors\nSteinepreis Paganin"),
        "The consolidated entity consists of eMinerals Limited (the “Company”) and its controlled entities at the end of, or during, "
        "the year ended 30 June 2022. In 2021 Superior Lakes Limited changed its name.",
    ),
    "advisers in large letters": Kind(
        "Corran Capital Plc", "annual", "2021-09-30",
        ("#Annual Report\nfor the year ended 30 September 2021", ("+Nominated adviser and broker\nfinnHat Ltd\n+Registrars\nShare Keepers Limited\n"
         "+Bankers\nRoyal Bank of Galloway plc")),
        "Report of the auditor to the shareholders of Corran Capital Plc\nIn our opinion the accounts of Corran Capital Plc for the year "
        "ended 30 September 2021 give a true and fair view. Corran Capital Plc is the parent of the Group.",
        running="Corran Capital Plc",
    ),
    "a Dutch company and a range of days": Kind(
        "Koninklijke Molen N.V.", "annual", "2023-12-31",
        ("#Annual Report 2023\n1 January - 31 December 2023",),
        "Koninklijke Molen N.V. (the “Company”) is a public company under Dutch law. To the shareholders of Koninklijke Molen N.V.: we "
        "audited the statements. Molen Services B.V. is a subsidiary.",
    ),
    "an Italian company and a day": Kind(
        "Officine Lario S.p.A.", "annual", "2022-12-31",
        ("#Officine Lario S.p.A.\n+Annual Financial Report at 31 December 2022",),
        "To the shareholders of Officine Lario S.p.A.\nOpinion: the consolidated financial statements of Officine Lario S.p.A. present "
        "fairly the year ended 31 December 2022, and the year ended 31 December 2021 for comparison.",
    ),
    "a European company, the year before first": Kind(
        "Tannwald SE", "annual", "2022-09-30",
        ("#Annual Report 2021/22", "Key figures: year ended 30 September 2021 and year ended 30 September 2022"),
        "Tannwald SE, Stuttgart (hereinafter “Tannwald SE” or the “Company”) and its subsidiaries. In the year ended 30 September 2022 revenue "
        "was stable. © 2022 Tannwald SE",
        running="Tannwald SE Annual Report 2021/22",
    ),
    "an interim report of nine months": Kind(
        "Nordhavn A/S", "quarterly", "2023-09-30",
        ("#Interim report\n+First nine months of 2023\n1 January - 30 September 2023\nNordhavn A/S",),
        "Nordhavn A/S (the “Company”) and its subsidiaries sold more in the nine months ended 30 September 2023 than in the nine months ended "
        "30 September 2022.",
        running="Nordhavn A/S Interim report",
    ),
    "a half-year report": Kind(
        "Fjellvik ASA", "half-year", "2023-06-30",
        ("#Half-year report 2023\n+Fjellvik ASA",),
        "Fjellvik ASA (the “Company”). In the six months ended 30 June 2023 the margin rose against the six months ended 30 June 2022, as in "
        "the year ended 31 December 2022.",
    ),
    "a Japanese company and two days": Kind(
        "Sakuragi Precision Co., Ltd.", "annual", "2023-03-31",
        ("+Annual Securities Report\n(The 61st Fiscal Year)\nFrom April 1, 2022\nto March 31, 2023\n+SAKURAGI PRECISION CO., LTD.",),
        "Sakuragi Precision Co., Ltd. (the “Company”) and its consolidated subsidiaries make gears. Sakuragi Precision Co., Ltd. owns "
        "Sakuragi Trading Corp. and Kanto Metal Co., Ltd.",
    ),
    "a Malaysian company": Kind(
        "Tanjung Emas Berhad", "annual", "2022-12-31",
        ("#ANNUAL REPORT 2022\n+TANJUNG EMAS BERHAD\n-Registration No. 199001001234",),
        "Independent auditors’ report to the members of Tanjung Emas Berhad (Incorporated in Malaysia). We audited the financial statements of "
        "Tanjung Emas Berhad for the financial year ended 31 December 2022. Emas Logistics Sdn Bhd is a subsidiary.",
    ),
    "a trust and its manager": Kind(
        "Harbour Logistics Trust", "annual", "2022-03-31",
        ("#Annual Report 2021/2022\n+Harbour Logistics Trust", "+Manager\nHarbour Logistics Management Pte. Ltd.\n+Trustee\nDBX Trustee Limited"),
        "Independent auditor’s report to the unitholders of Harbour Logistics Trust. The financial statements of Harbour Logistics Trust "
        "(the “Trust”) for the financial year ended 31 March 2022. The Manager is Harbour Logistics Management Pte. Ltd.",
        running="Harbour Logistics Trust",
    ),
    "a filing of a partnership": Kind(
        "Prairie Pipe Partners, L.P.", "annual", "2022-12-31",
        (("SECURITIES AND EXCHANGE COMMISSION\nFORM 10-K\nFor the fiscal year ended December 31, 2022\nCommission file number 1-1234\n"
         "+PRAIRIE PIPE PARTNERS, L.P.\n(Exact name of registrant as specified in its charter)\nDelaware"),),
        "Prairie Pipe Partners, L.P. is managed by Prairie Pipe GP, LLC. In March 2021 Great Plains Energy Corporation sold its share. "
        "Great Plains Energy Corporation is our largest customer.",
    ),
    "a quarterly filing without a legal form": Kind(
        "TransLumen", "quarterly", "2023-07-01",
        (("FORM 10-Q\nQUARTERLY REPORT PURSUANT TO SECTION 13 OR 15(d)\nFor the quarterly period ended July 1, 2023\n+TRANSLUMEN\n"
         "(Exact name of registrant as specified in its charter)\nIndicate by check mark"),),
        "TransLumen sold more in the three months ended July 1, 2023 than in the three months ended July 2, 2022. Its annual report on Form "
        "10-K for the fiscal year ended December 31, 2022 has more.",
    ),
    "a report of an event": Kind(
        "Amberton plc", "unknown", "2022-07-01",
        (("FORM 8-K\nCURRENT REPORT\nDate of Report (Date of earliest event reported): July 1, 2022\n+AMBERTON PLC\n"
         "(Exact name of registrant as specified in its charter)"),),
        "On July 1, 2022 Amberton plc entered into an agreement with Citywide Bank, N.A., as trustee.",
    ),
    "a release of a quarter": Kind(
        "3Mark", "quarterly", "2023-06-30",
        ("#3Mark Reports Second-Quarter 2023 Results\nST. PAUL, July 25, 2023 - 3Mark (NYSE: MMK) today reported second-quarter results.",),
        "Sales of 3Mark (NYSE: MMK) for the quarter ended June 30, 2023 were $8.3 billion, against the three months ended June 30, 2022. "
        "Shares of 3Mark rose.",
    ),
    "a release of the last quarter and the year": Kind(
        "Bright Stores, Inc.", "annual", "2023-01-28",
        (("#Bright Stores Reports Fourth Quarter and Fiscal 2022 Results\nMINNEAPOLIS, March 2, 2023 - Bright Stores, Inc. (NYSE: BRS) (the “Company”) "
         "reported results for the 13 weeks ended January 28, 2023 and the 52 weeks ended January 28, 2023 (“fiscal 2022”)."),),
        "Bright Stores, Inc. expects more in fiscal 2023. Fiscal 2022 ended January 28, 2023. In fiscal 2022 sales fell.",
        fiscal_year=2022,
    ),
    "a letter that speaks of another company": Kind(
        "Lakeside Bancorp, Inc.", "annual", "2022-12-31",
        ("#2022 Annual Report", ("Dear shareholders, in 2022 we acquired Pinegrove Financial Corporation. Pinegrove Financial Corporation brings ten "
         "branches. The staff of Pinegrove Financial Corporation is welcome."),
         ("FORM 10-K\nCommission File No. 0-1234\nFor the fiscal year ended December 31, 2022\nLAKESIDE BANCORP, INC.\n(Exact Name of Registrant as "
         "Specified in Its Charter)")),
        "Lakeside Bancorp, Inc. and subsidiaries. The merger with Pinegrove Financial Corporation closed.",
    ),
    "weeks that end in another year": Kind(
        "Harrow Stores Limited", "annual", "2023-04-01",
        ("#Annual Report\n+Harrow Stores Limited\n53 weeks ended 1 April 2023",),
        "The 53 weeks ended 1 April 2023 were good for Harrow Stores Limited (the “Company”) and its subsidiaries, the 52 weeks ended 26 March 2022 "
        "were not.",
    ),
    "an announcement in Hong Kong whose title is a picture": Kind(
        "港灣實業控股有限公司", "annual", "2023-03-31",
        (("香港交易及結算所有限公司及香港聯合交易所有限公司對本公告的內容概不負責，對其準確性或完整性亦不發表任何聲明。\n"
         "（於開曼群島註冊成立之有限公司）\n（股份代號：9999）\n+截至二零二三年三月三十一日止年度全年業績公告\n"
         "港灣實業控股有限公司（「本公司」）董事會宣佈截至二零二三年三月三十一日止年度之業績。"),),
        "港灣實業控股有限公司（「本公司」）及其附屬公司。香港交易及結算所有限公司。截至二零二三年三月三十一日止年度，收入下降。",
    ),
    "a Taiwanese quarter in years of the Republic": Kind(
        "永豐航運股份有限公司", "quarterly", "2022-09-30",
        ("股票代碼：2699\n+永豐航運股份有限公司\n+合併財務報告暨會計師核閱報告\n民國111年及110年第三季\n民國111年1月1日至9月30日",),
        "永豐航運股份有限公司董事會公鑒：永豐航運股份有限公司民國111年9月30日之資產負債表，民國111年1月1日至9月30日之綜合損益表。",
    ),
    "a Chinese bank whose title is a picture": Kind(
        "江海银行股份有限公司", "half-year", "2022-06-30",
        ("+半年度报告\n股票代码：600999\n一家股份制商业银行",
         "释义\n本行、本公司、江海银行\n指\n江海银行股份有限公司\n江海金融租赁\n指\n江海金融租赁有限公司\n报告期\n指\n2022年1月1日至2022年6月30日"),
        "江海银行股份有限公司\n2022年上半年，本行净利润增长。2021年1月1日至2021年12月31日的数据供比较。公司法定中文名称：江海银行股份有限公司",
        running="江海银行股份有限公司",
    ),
    "a quarter of a Chinese company in numerals": Kind(
        "北山机械股份有限公司", "quarterly", "2023-03-31",
        ("证券代码：600998 证券简称：北山机械\n+北山机械股份有限公司\n+二〇二三年第一季度报告",),
        "北山机械股份有限公司董事会及全体董事保证本公告内容不存在虚假记载。北山机械股份有限公司（以下简称“公司”）",
    ),
    "a broker on another company": Kind(
        "南星汽车", "unknown", "2024-05-20",
        ("证券研究报告\n+南星汽车(600997)深度报告\n2024年05月20日\n投资评级：买入",),
        "南星汽车销量增长。南星汽车产能扩张。南星汽车股价上涨。国金证券股份有限公司（以下简称“本公司”）具有投资咨询业务资格。\n国金证券研究所",
        author="国金证券",
    ),
    "a broker in English on another company": Kind(
        "Acme Motors Inc.", "unknown", "2023-05-09",
        ("May 9, 2023\nEQUITY RESEARCH\n#Acme Motors Inc. (ACM US)\nOverweight\nPrice target $45.00\nGlobal Markets Research",),
        "Acme Motors sells cars. Bolt Inc. (BLT US) is a peer. This report has been prepared by Hollis & Grey Capital Markets, Inc. © 2023 Hollis & "
        "Grey Capital Markets, Inc. makes a market in the shares.",
        author="Hollis & Grey Capital Markets, Inc.",
    ),
    "a form of an exchange": Kind(
        "Kitano Denki Co., Ltd.", "quarterly", "2022-12-31",
        (("+Consolidated Financial Results for the Nine Months Ended December 31, 2022 [Japanese GAAP]\nJanuary 31, 2023\n"
          "Company name: Kitano Denki Co., Ltd.\nStock exchange listing: Tokyo\nCode number: 6999"),),
        "Kitano Denki Co., Ltd. Forecast for the Fiscal Year Ending March 31, 2023 (April 1, 2022 – March 31, 2023). Fiscal year ended March 31, 2022.",
    ),
    "a bank's release on its holding company": Kind(
        "Norwood Bancorp, Inc.", "quarterly", "2023-06-30",
        (("#Norwood Bancorp, Inc. Reports Second Quarter 2023 Earnings\nNORWOOD, MA, July 20, 2023: Norwood Bancorp, Inc. (Nasdaq: NRWD), the "
          "holding company for Norwood Bank, today reported net income of $3 million for the quarter ended June 30, 2023."),),
        "Norwood Bank is a savings bank. Six months ended June 30, 2023. At December 31, 2022. Norwood Bank.",
    ),
    "a current report with the year's release": Kind(
        "Nova Wells, Inc.", "annual", "2022-12-31",
        (("FORM 8-K\nCURRENT REPORT\nDate of Report (Date of earliest event reported): February 10, 2023\nNOVA WELLS, INC.\n(Exact name of "
          "registrant as specified in its charter)"), "Item 2.02 Results of Operations and Financial Condition",
         ("+Nova Wells Reports Fourth Quarter and Full Year 2022 Results\nHOUSTON, February 10, 2023 - Nova Wells, Inc. (NYSE: NW) today announced "
          "results for the year ended December 31, 2022.")),
        "Nova Wells, Inc. Year ended December 31, 2022. Three months ended December 31, 2022.",
    ),
    "a Swedish company whose title lacks its form": Kind(
        "Nordgren Industrier AB (publ)", "annual", "2022-12-31",
        ("#Annual Report 2022\n+Nordgren Industrier", "Nordgren in brief"),
        "To the general meeting of the shareholders of Nordgren Industrier AB (publ), corporate identity number 556000-0000. Nordgren Fastigheter AB. "
        "January 1 – December 31, 2022. The year to 31 December 2022. The year to 31 December 2021.",
    ),
    "a statement at a day": Kind(
        "Siam Plastics Public Company Limited", "annual", "2022-12-31",
        ("#Annual Report 2022\n+Siam Plastics Public Company Limited",),
        "To the Shareholders of Siam Plastics Public Company Limited. The statement of financial position as at 31 December 2022 of Siam Plastics "
        "Public Company Limited and its subsidiaries.",
    ),
    "a Norwegian name at the end of sentences": Kind(
        "Hexagon Maritime ASA", "annual", "2022-12-31", ("#Annual Report 2022",),
        "To the General Meeting of Hexagon Maritime ASA. We have audited the financial statements of Hexagon Maritime ASA. Hexagon Shipping AS is a "
        "subsidiary. For the year ended 31 December 2022.",
        running="Hexagon Maritime ASA – Annual Report 2022",
    ),
    "a Taiwanese annual report": Kind(
        "聯合電子股份有限公司", "annual", "2022-12-31",
        ("股票代碼：2399\n#聯合電子股份有限公司\n+民國一一一年度年報\n刊印日期：中華民國一一二年四月三十日",),
        "聯合電子股份有限公司。本公司111年度營業收入。110年度。民國111年12月31日。",
    ),
    "a bond issuer's half-year": Kind(
        "新都水务集团有限公司", "half-year", "2023-06-30",
        ("#新都水务集团有限公司\n+公司债券中期报告\n（2023年）\n二〇二三年八月",),
        "新都水务集团有限公司（以下简称“公司”）。报告期：2023年1-6月。2023年6月30日。国泰海通证券股份有限公司为受托管理人。",
    ),
    "a joint report of two companies": Kind(
        None, "annual", "2022-12-31",
        ("#2022 Annual Report\nof two partners",),
        "Westerly Foods Inc. (the “Company”) and its subsidiaries. Easterly Foods Inc. (the “Corporation”) and its subsidiaries. Auditor’s report "
        "to the shareholders of Westerly Foods Inc. and to the shareholders of Easterly Foods Inc. for the year ended December 31, 2022.",
    ),
    "nobody is named": Kind(
        None, "annual", "2021",
        ("#Annual Report 2021\nInvesting in people",),
        "Our margin rose because prices did. We thank Oakdale Catering Ltd, which fed us, and our auditor.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_whose_report_it_is(tmp_path: Path, name: str):
    kind = KINDS[name]
    document = read(paper_of(kind).save(tmp_path / "Wrong_Name_Inc_1999.pdf"))
    found = (document.company, document.author, document.period)
    period = Period.model_validate({"kind": kind.kind, "end": kind.end, "fiscal_year": kind.fiscal_year})
    assert found == (kind.company, kind.author, period)


# ---- how companies are called


NAMES = """
Telefónica, S.A.|Grupo Bimbo, S.A.B. de C.V.|Koninklijke Ahold Delhaize N.V.|Bank of Ireland Group plc|J D Wetherspoon plc|
Marks and Spencer Group p.l.c.|H & M Hennes & Mauritz AB|A.P. Møller - Mærsk A/S|St. James's Place plc|Dr. Martens plc|Yum! Brands, Inc.|
T. Rowe Price Group, Inc.|U.S. Bancorp|L'Oréal S.A.|888 Holdings plc|1-800-FLOWERS.COM, Inc.|The Walt Disney Company|
CK Hutchison Holdings Limited|Bayerische Motoren Werke Aktiengesellschaft|Merck KGaA|Toyota Motor Corporation|Maybank Berhad|
CapitaLand Integrated Commercial Trust|Enel S.p.A.|Nokia Oyj|adidas AG|thyssenkrupp AG|easyJet plc|eBay Inc.|HP Inc.|De La Rue plc|
Société Générale S.A.|AT&T Inc.|Aena S.M.E., S.A.|Zhejiang Expressway Co., Ltd.|Wilh. Wilhelmsen Holding ASA
"""


@pytest.mark.parametrize("cover", [True, False], ids=["named on the cover", "named by the auditor"])
@pytest.mark.parametrize("name", [name.strip() for name in NAMES.split("|")])
def test_names_are_taken_whole(tmp_path: Path, name: str, cover: bool):
    """A parse of pages stands for a report here: it is read by the same rules."""
    pages = [
        [name if cover else "Annual Report", "2022"],
        [
            f"Independent auditor’s report to the shareholders of {name}",
            f"We have audited the financial statements of {name} (the “Company”) and its",
            "subsidiaries for the year ended 31 December 2022. KPMG LLP is the auditor.",
            "Acme Services Ltd is a subsidiary of ours. Acme Services Ltd sells.",
        ],
    ]
    lines = [{"page": number, "type": "text", "inside": line} for number, page in enumerate(pages, 1) for line in page]
    path = tmp_path / "parse.txt"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    assert read_page_parse(path).company == name


# ---- the reports of the shared folder


def same_company(found: str, right: str) -> bool:
    """Whether two names differ in the length of the legal form alone, or one of several names is given."""
    first, second = (re.sub(r"[^\w&]", "", name.casefold()) for name in (found, right))
    return first in second or second in first or found[:4] in right


@pytest.mark.slow
def test_companies_and_periods_of_real_reports(shared: Path, parses: Path):
    """No company is named wrongly; those not named at all have no readable layer, or are two companies' report."""
    counts: Counter[str] = Counter()
    wrong, missing, late = [], [], []
    for folder in ("reports_more", "reports_zh"):
        if not (shared / folder / "truth.csv").is_file():
            pytest.skip(f"{shared / folder / 'truth.csv'} is missing")
        with (shared / folder / "truth.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                document = read(shared / folder / row["file"], parses)
                right = document.company and same_company(document.company, row["company"])
                counts["company right" if right else "company wrong" if document.company else "company missing"] += 1
                if not right:
                    (wrong if document.company else missing).append(row["file"])
                if document.period.end != row["period_end"].removeprefix("dated "):
                    late.append(row["file"])
    assert wrong == []
    assert [name[:5] for name in missing] == ["Kruge", "Mongo", "01810"]
    assert [name[:5] for name in late] == ["Mongo"]
    assert counts == {"company right": 39, "company missing": 3}
