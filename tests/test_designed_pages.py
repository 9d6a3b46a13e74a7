"""Twenty pages of designed reports, all of them different, are read in the order in which a person reads them.

The first words of each block were typed from pictures of the pages, in reading order, before the reader was asked. Where
two orders are as good as each other (tiles, pictures with captions) only what has one order is listed.
"""

from __future__ import annotations

import unicodedata
from itertools import combinations
from pathlib import Path

import pytest

from fingen.config import ReadSettings
from fingen.documents.read import read_document

GOAL = 0.99  # of all pairs of blocks of a page, over all pages

ORDER: dict[tuple[str, int], str] = {
    # a photograph over the first of three columns
    ("Mercia_Asset_Management_PLC", 11): """I have no doubt that | Investing in local communities | We are exclusively
        focused | Ambitious for our investors | Coupled with the increasing | Ambitious for our investees | With an active
        network | each management team to | Ambitious for our employees | Culture eats strategy""",
    # two columns and a quotation in a side bar
    (
        "Mercia_Asset_Management_PLC",
        29,
    ): """11 years of our investment | The Faradion exit brought | Warwick Acoustics and
        nDreams are | Warwick Acoustics (40.0% | The accelerated growth | During the year, nDreams | Other portfolio
        companies | This investment model | The Faradion exit delivered on our""",
    # tables of running text above and below paragraphs over the full width
    ("Downer_EDI_Limited", 34): """Board discretion | The Board may exercise | Reduce partly or fully | Settle deferred
        components | New recruits | New executives (either | Terminating executives | There is no STI entitlement | STI
        overview | The STI plan provides | The basis of the plan | As noted in section | Deferral is a key | The first
        payment | The deferred components represent | The value of deferred | No dividend entitlements | Where an executive
        ceases | How STI payments are assessed | Target STI plan percentage of pay | An individual’s target | Organisational
        or divisional scorecard result | As a principle | Individual Performance Modifier (IPM) | At the end of the plan year""",
    # a table over two columns
    ("Downer_EDI_Limited", 10): """Directors’ shareholdings | The following table sets | M P Chellew | P L Watson |
        Performance rights granted | The Company Secretarial function | Mr Robert Regan | Mr Peter Lyons | Principal
        Activities | Downer EDI Limited (Downer) | Downer operates in sectors | These sectors are served | These Urban
        Services | Demonstrated strength | A capital light | In the 12 months ended""",
    # labels beside what they name
    (
        "Seiko_Epson_Corporation",
        5,
    ): """Company name | Seiko Epson Corporation | Founded | May 1942 | Head office | 3-5, Owa |
        Tokyo office | JR Shinjuku | Investor information | Closing of accounts | Transfer agent | 4-5, Marunouchi | business
        address | Stock Transfer Agency | Intermediary offices | Head Office and Branches | Posting of public | Public
        notices will be""",
    # tiles in rows: each row before the next one
    (
        "Empire_Company_Limited",
        9,
    ): """At Empire, our purpose | CLIMATE ACTION | emissions reduction | SUPPLIER PARTNERSHIPS |
        women entrepreneurs | DIVERSITY, EQUITY | representation of women""",
    # two columns below a quotation
    (
        "Brave_Bison_Group_plc",
        8,
    ): """REVIEW | growth at Brave Bison” | Revenue increased by | Organic growth of | Principal
        Activities | Firstly, the provision | The digital advertising | Secondly, Brave Bison | The advertising business |
        Margins & Operations | Brave Bison tracks | The adjusted profit margin | Despite the decrease | Exceptional Costs |
        During the year Brave | Brave Bison carried | Equity settled | Adjusted EBITDA is""",
    (
        "Brave_Bison_Group_plc",
        14,
    ): """ESG REPORT | Governance is central | As a digital media | Our sustainability strategy |
        Carbon emissions: | As a service business | The most important | Carbon Emissions are classified | Our Scope 1 and 2
        carbon | Our offsetting programme | As our measurement | Other measures include | Waste & Recycling | The Group
        operates | We have long been | Consumables | We have an ongoing | Livestock farming | We have removed | Lastly, we only""",
    ("Brave_Bison_Group_plc", 34): """Opinions on other matters | In our opinion, the part | the information given | the
        Strategic Report and the Directors’ Report have | Matters on which | In the light of | adequate accounting records |
        we have not received | Responsibilities of directors | As explained more fully | In preparing the financial |
        responsibilities for the audit of the | Our objectives are to | A further description | This description forms |
        Explanation as to what | Irregularities, including fraud | The objectives of our audit | Our approach was as | We
        obtained an understanding""",
    # lines set to full width, word by word
    (
        "Kruger_Products_Inc",
        6,
    ): """Production capacity at TAD Sherbrooke exceeded | NETWORK MODERNIZATION | In terms of our |
        Turning to our Memphis | The impact on US | BRAND SUPPORT | Aligned with industry-wide | To support prices |
        Purpose-driven | Of particular note""",
    # two pages on a sheet, each in two columns, with a table across the first
    (
        "Billington_Holdings_Plc",
        12,
    ): """STRATEGIC REPORT | The Directors present | The business model of | On a Group basis |
        Production efficiency | Staff turnover | Contract risk | The principal risk for | Health and safety | Economic
        environment | Current economic conditions | The Directors of the Company | Applications for employment | It is Group
        policy""",
    ("Billington_Holdings_Plc", 24): """PRINCIPAL ACCOUNTING POLICIES | These consolidated financial | The consolidated
        financial statements have been prepared on | The financial position | The Group has a gross | The Russia | Changes in
        accounting policies | Basis of consolidation | The Group financial statements | Income, expenditure | Revenue arises
        mainly | The Group often enters | Construction of structural | To depict the progress | The transaction price is |
        Safety solutions | Other sales""",
    # two columns, the second with a box
    (
        "Compagnie_Financière_Tradition_SA",
        53,
    ): """VALUATION OF RECEIVABLES | KEY AUDIT MATTER | Trade and other receivables |
        When a trade cannot | NOTRE APPROCHE | Our audit procedures | ensuring subsequent | assessing the counterparty |
        performing back-testing | Moreover, we evaluated | For further information | Section “Significant | Note 1 on pages""",
    # a small table within a column and a large one across both
    (
        "Commerzbank_Aktiengesellschaft",
        23,
    ): """from another successful | The Bank will propose | Securities codes | Bearer
        shares | Commerzbank shares were | The Commerzbank share price | After Commerzbank published | Commerzbank share – key
        figures | With the number of | Highlights of the Commerzbank | Xetra intraday | Book value per share | Total for
        German | In addition to being""",
    ("Commerzbank_Aktiengesellschaft", 41): """The aim of the internal | The objective of proper | Legal basis and | The
        Bank’s internal control | that business processes | that financial reporting be | As regards the risk | The
        written rules | schedule of business | approval authorities for | The organisational control | In accordance with
        MaRisk""",
    # a biography with a note beside it, text and a table over the full width, a stamp along the edge
    (
        "BetMakers_Technology_Group_Ltd",
        15,
    ): """Matt Davey | Experience and Expertise | Matt Davey has a deep | 'Other current
        directorships' | 'Former directorships | Board Composition | As at 30 June 2022 | Members of the Board | Bookmaking |
        Organisational development | The Board regularly | Meetings of Directors | Member attendance | Nicholas Chan | Anna
        Massion | Held: represents | Rebekah Giles was appointed""",
    # three columns
    (
        "FNCB_Bancorp_Inc",
        5,
    ): """31, 2012. Tax-free | In addition, during 2022 | With the continuous | technology provided by |
        A key component of the digital first | The end goal is | Revitalizing and | In 2022, we continued | We also made |
        Management continually | temporary training | In September 2022 | Meaningful community | In the fourth quarter""",
    # a column that starts below a photograph
    ("Bridgewater_Bancshares_Inc", 5): """received top workplace | STRATEGIC OBJECTIVES | As we look ahead | Manage High
        Quality | We expect robust | Maintain High Efficiency | We believe we can | as further expansion | Proactively Assess |
        Following another year""",
    # a table of two cells of running text, then paragraphs
    (
        "Empire_Company_Limited",
        46,
    ): """Key audit matter | Valuation of retail inventories | Refer to note 2 | As at May 7 | The
        Company has more | Significant estimation | We considered this | Our approach to addressing | Tested the operating
        effectiveness of controls related to the inventory | Observed the physical | Recalculated the adjustment | OTHER
        INFORMATION | Management is responsible for the other | Our opinion on | In connection with our | If, based on |
        Management is responsible for the preparation""",
    # a word set upright, text in two columns beside it
    (
        "Mercia_Asset_Management_PLC",
        6,
    ): """Section 172 | Engaging with our | Our vision is to be | How we succeed | In this
        s172 statement | Impact of Company | Our commitment to""",
}


def fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def pairs_in_order(text: str, phrases: list[str]) -> tuple[int, int]:
    """How many pairs of phrases stand in their order in a text, and how many pairs there are; a phrase that is torn counts."""
    places = [text.find(phrase) for phrase in phrases]
    pairs = list(combinations(places, 2))
    return sum(0 <= a < b for a, b in pairs), len(pairs)


def test_designed_pages_are_read_in_order(shared: Path, parses: Path):
    right = total = 0
    found: list[str] = []
    for (name, page), listed in ORDER.items():
        path = shared / "reports_more" / f"{name}.pdf"
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        document = read_document(path, path.name, ReadSettings(), cache=parses)
        text = fold(" ".join(c.text[b.start : b.end] for c in document.chunks for b in c.blocks if b.page == page))
        phrases = [fold(phrase) for phrase in listed.split("|")]
        good, pairs = pairs_in_order(text, phrases)
        right, total = right + good, total + pairs
        torn = [phrase for phrase in phrases if phrase not in text]
        found.append(f"{name} {page}: {good} of {pairs} pairs" + (f", torn: {torn}" if torn else ""))
    assert len(ORDER) == 20
    assert right / total >= GOAL, "\n".join(found)
