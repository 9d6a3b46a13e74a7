"""Pages set in columns are read column by column.

The expected orders were written down from looking at the pages (drawn with `page.get_pixmap(dpi=110)`), not from what
the reader gives. Each phrase stands in running text of its page and is copied exactly; the comments name the layout.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.records import Document

OFX = "ERC_OFX_Group_2022_AR_multicol.pdf"
GALILEO = "ERC_Galileo_Resources_AR_multicol.pdf"

ORDER: dict[tuple[str, int], list[str]] = {
    # heading and introduction over the full width, then two columns; the right one begins in mid-sentence and ends in bullets
    (OFX, 4): [
        "From the Chairperson",
        "I am pleased to share that execution and progress against our strategic priorities in fiscal year 2022 has been outstanding, and that the Board and I are very pleased with the progress we are making.",
        "Fellow Shareholders,",
        "we are making in building a more valuable Company.",
        "a good Company that had somewhat lost its way.",
        "and we had been slow to adapt and evolve.",
        "We set out to reconnect with our core values – growing client value, generating a sustainable return, and innovating within the new environment we saw. We significantly upgraded our global executive team;",
        "Skander will share the fiscal year 2022 results,",
        "It took us around 14 years to generate a monthly turnover of $1b in December 2013.",
        "We completed our first investment, in TreasurUp in June 2021, and our second, in acquiring Firma, in May 2022.",
    ],
    # three columns of short lines, with quotations set in bold between the paragraphs
    (OFX, 13): [
        "About us",
        "Before any machinery can get shipped out of Slovakia,",
        "Bruce Romesburg orders machinery from his supplier,",
        "were there any issues with their regular bank account.",
        "OFX takes scams and fraud seriously.",
        "Jason Nader, Head of Fraud and Identity Risk at OFX",
        "OFX processes thousands of transactions and uses various technology suites",
        "to make that payment until I checked with [my account manager] and got his suggestion.",
        "It was a good thing that Bruce took his OFXpert’s advice,",
        "In December 2018, Bruce switched to OFX for a more affordable option than his bank.",
        "the supplier based on the incident that happened.”",
    ],
    # the left column holds a bar chart with figures over the bars and small print, the right one text
    # (the title above them runs over five pages and is kept on the first of these)
    (OFX, 25): [
        "RATE COMPARISON TABLE",
        "Transfer AUD$20k to USD and you could get up to $735 more",
        "The comparison savings are based on a single transfer of AUD$20,000 to USD.",
        "The rate comparison chart is updated monthly.",
        "Community partnerships",
        "We move millions of dollars for customers around the world every day,",
        "Each quarter, our people nominate a charity of their choice,",
        "an additional day of annual leave to participate in charitable programs.",
    ],
    # a table over the full width, below it two columns with bullets of two levels
    (OFX, 45): [
        "As at 31 March 2022",
        "Deposits due from financial institutions",
        "Net available cash",
        "9. Strategy",
        "With $206b annual revenue, the cross-border payments industry is a significant market.",
        "our four target customers switch to non-bank specialists.",
        "Distinctive CVP (customer value proposition): we deliver a competitively priced",
        "Global operating model: we develop a ‘Moat’ to sustain an advantage in the long run.",
        "This is underpinned by a single global platform that powers four superior capabilities versus our competition:",
        "World-class team",
        "We are building a more valuable Company by investing in healthy revenue growth",
        "on improving the Corporate, Online Seller and Enterprise client experience;",
    ],
    # the right column begins with a table, and its headings stand lower than the lines beside them
    (OFX, 51): [
        "The Audit, Risk and Compliance Committee is required to pre-approve all audit and non-audit services provided by the external auditor.",
        "The Audit Risk and Compliance Committee and the Board have considered the non-audit services",
        "All non-audit services were subject to the corporate governance procedures adopted",
        "as they did not involve reviewing or auditing the auditor’s own work,",
        "paid to KPMG is summarised below.",
        "Other advisory services",
        "A copy of the Auditor’s Independence Declaration as required under section 307C",
        "The Chief Executive Officer and the Chief Financial Officer have given the declarations to the Board",
        "Rounding off",
        "are rounded off to the nearest thousand dollars, unless otherwise stated.",
    ],
    # the right column begins with a portrait and its caption, and then goes on with the last sentence of the left one
    (GALILEO, 4): [
        "Dear Shareholder",
        "The year under review has been exceptional from many points of view",
        "Kalahari Copperbelt: Botswana",
        "is well advanced in constructing its’ first mine in the vicinity of licences that Galileo sold to Sandfire.",
        "Galileo will be due another ZAR 102 million (approximately £5.2 million) on completion.",
        "December 2021 was a very acquisitive month for the Company",
        "both of these projects have been subjected to desk re-evaluation, legacy",
        "core examination and reinterpretation. I am pleased to say at the time of writing this report",
        "Lithium & Gold projects: Zimbabwe",
        "An airborne geophysical survey has already been conducted over the area covered by the gold asset,",
        "establishing a solid exploration capability in the country.",
    ],
    # two columns with bullets hanging in the left one, a table over the full width below
    (GALILEO, 9): [
        "Shinganda Copper-Gold",
        "On 7 December 2021 the Company announced that it had entered into an Option and Joint Venture agreement",
        "The option agreement gives Galileo the right to earn an initial 51% interest",
        "of less than 200,000 tonnes of contained copper equivalent.",
        "During Q1 2022 Galileo undertook a full review of past exploration data and prepared a follow-up programme to comprise grid mapping/prospecting traverses and a detailed ground magnetic survey around the Shinganda outcrop area,",
        "Galileo completed the planned reconnaissance mapping and sampling exercise",
        "shallow copper-gold deposits on the property or for a potentially larger target.",
        "Table 1 – Shinganda Prospecting Programme – Selected Grab Sample Assay Results",
        "Pit near centre of licence",
        "As above",
    ],
    # two short columns, a table, then a paragraph over the full width and the caption of a photograph
    (GALILEO, 11): [
        "Six angled diamond drill holes totalling 963.9m were completed",
        "form of malachite, as well as probable chalcocite.",
        "Copper assay results were received for the first four of these holes",
        "Gold assays were awaited.",
        "Table 2 – Shinganda – Provisional DDH Selected Assay Intervals",
        "SHDD003",
        "Gold assay results awaited",
        "Further drilling will be completed at the Shinganda prospect",
        "geochemical/geological/geophysical/drilling and mineral occurrence data.",
        "Copper-bearing massive hematite mineralisation in drill core from hole SHDD002",
    ],
    # between two photographs: nine lines on the left, four on the right, of which the first is indented
    (GALILEO, 15): [
        "Reconnaissance mapping under way near Queen’s Gold Mine on Bulawayo project",
        "Post period under review",
        "At the Bulawayo Gold Project, the Company signed a contract with Xcalibur Airborne Geophysics (Pty) Ltd. to carry out a fixed-wing airborne magnetic and radiometric survey over the full licence area,",
        "completed in June 2022.",
        "reef gold mines and deposits in Zimbabwe.",
        "The aim of the survey was to map critical structures and belts linking the many known small-scale gold mines",
        "development of a medium to large scale mine.",
        "Xcalibur aeromagnetic survey plane",
    ],
    # a sentence and a table over the full width, below them two columns with numbered headings
    (GALILEO, 25): [
        "Major Shareholders",
        "The table below presents a list of all shareholders holding 3% and more",
        "Hargreaves Lansdown Asset Management",
        "Halifax Share Dealing",
        "6. DIVIDENDS",
        "No dividends were declared or paid to shareholders during the year under review.",
        "A resolution proposing the appointment of, PKF Littlejohn LLP, was duly passed",
        "These are listed below together with a short explanation of how the Company applies each of the principles:",
        "11.1 Principle One – Business Model and Strategy",
        "complementary acquisitions that create enhanced value.",
        "11.2 Principle Two – Understanding Shareholder Needs and Expectations",
        "Chairman/CEO who is available to answer investor relations enquiries.",
    ],
    # two columns, below them a table of four columns of text whose cells run over several lines
    (GALILEO, 26): [
        "11.3 Principle Three – Considering wider stakeholder and social responsibilities",
        "The Board recognises that the long-term success of the Company is reliant upon the efforts of the employees",
        "on-going relationships with a broad range of its stakeholders",
        "raise issues and provide feedback to the Company.",
        "11.4 Principle Four – Risk Management",
        "In addition to its other roles and responsibilities, the Audit and Compliance Committee is responsible to the Board",
        "The following principal risks and controls to mitigate them, have been identified:",
        "Recruitment and retention of key staff",
        "Damage to reputation",
        "Liquidity, market and credit risk",
        "Exploration",
    ],
}


@pytest.fixture(scope="module")
def documents(shared: Path, parses: Path) -> dict[str, Document]:
    """The two reports; parses are shared with the other tests of this session."""
    found = {}
    for name in (OFX, GALILEO):
        path = shared / "pdf_en" / name
        if not path.is_file():
            pytest.skip(f"{path} is missing")
        found[name] = read_document(path, name, ReadSettings(), cache=parses)
    return found


def page_text(document: Document, page: int) -> str:
    """The parts of the chunks that stand on a page, in order, white space folded."""
    parts = [c.text[b.start : b.end] for c in document.chunks for b in c.blocks if b.page == page]
    return " ".join(" ".join(parts).split())


@pytest.mark.parametrize(("name", "page"), ORDER, ids=lambda value: str(value)[:11])
def test_columns_are_read_one_after_the_other(documents: dict[str, Document], name: str, page: int):
    text = page_text(documents[name], page)
    at = 0
    for phrase in ORDER[name, page]:
        assert phrase in text, f"not on page {page} as one piece: {phrase!r}"
        found = text.find(phrase, at)
        assert found >= 0, f"page {page}: {phrase!r} stands too early, or what comes before it too late"
        at = found + len(phrase)


def test_items_of_a_table_of_contents_keep_their_titles(shared: Path, parses: Path):
    report = read_document(shared / "pdf_en/BESTBUY_2023_10K.pdf", "report.pdf", ReadSettings(), cache=parses)
    contents = next(chunk.text for chunk in report.chunks if "Item 1B." in chunk.text)
    for title in ("Item 1. Business.", "Item 1A. Risk Factors.", "Item 7. Management"):
        assert title in contents
    assert "Item 1A. |" not in contents
