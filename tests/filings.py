"""Filings made up here, of which the test knows every figure: inline XBRL as three makers of filings write it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from html import escape

COMPANY, CIK = "Harbor Mills Inc.", "0001234567"
LABELS = (
    "Net sales", "Merchandise costs", "Selling and administrative expenses", "Operating income", "Interest expense",
    "Income before income taxes", "Provision for income taxes", "Net income", "Research and development",
    "Cash and cash equivalents", "Trade receivables", "Inventories", "Property and equipment, net", "Total assets",
    "Accounts payable", "Long-term debt", "Retained earnings", "Dividends declared", "Depreciation", "Capital expenditures",
)  # fmt: skip
SEGMENTS = {"North": "NorthMember", "Southern Isles": "SouthernIslesMember", "Overseas": "OverseasMember"}
SHEETS = (
    "split",
    "plain",
    "nested",
)  # as currency and brackets stand: in cells of their own, in the figure's, in a table within


@dataclass(frozen=True)
class Figure:
    """A figure of the filing: as it is shown, and what its tag says."""

    label: str
    column: int
    shown: str  # with its brackets, without its currency
    value: int
    concept: str
    period: str
    members: tuple[str, ...] = ()


@dataclass
class Filing:
    """A 10-K and all that it says."""

    html: str
    figures: list[Figure] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def make(seed: int, *, sheet: str = "split", year: int = 2023, scale: int = 6) -> Filing:
    """A filing with a statement over three years, a balance sheet over two, and one by segment."""
    rng = random.Random(seed)
    filing = Filing("")
    years = [f"{year - back}-01-01/{year - back}-12-31" for back in range(3)]
    moments = [f"{year - back}-12-31" for back in range(2)]
    labels = rng.sample(LABELS, 14)
    statement = _table(rng, filing, labels[:8], years, [f"{year - back}" for back in range(3)], scale, sheet)
    balance = _table(rng, filing, labels[8:], moments, [f"December 31, {each[:4]}" for each in moments], scale, sheet)
    segments = _table(
        rng,
        filing,
        ["Segment revenue", "Segment profit"],
        [years[0]] * 3,
        list(SEGMENTS),
        scale,
        sheet,
        by_segment=True,
    )
    note = rng.randint(11, 99)
    filing.figures.append(Figure("", -1, f"{note}", note * 10**8, "hm:PledgedAssets", moments[0]))
    filing.hidden = ["HIDDENHEADER 99,999", "HIDDENWHITE 88,888", "HIDDENNONE 77,777"]
    contexts = {figure.period + "".join(figure.members): figure for figure in filing.figures}
    header = "".join(_context(key, figure.period, figure.members) for key, figure in contexts.items())
    header += _context("cover", years[0], ())
    header += '<xbrli:unit id="usd"><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unit>'
    hidden = (
        f'<ix:nonNumeric contextRef="cover" name="dei:AmendmentFlag" id="h1">false {filing.hidden[0]}</ix:nonNumeric>'
    )
    fact = _fact(f"{note}", Figure("", -1, f"{note}", 0, "hm:PledgedAssets", moments[0]), 8, negated=False)
    filing.html = f"""<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL" xmlns:xbrli="http://www.xbrl.org/2003/instance"
 xmlns:xbrldi="http://xbrl.org/2006/xbrldi" xmlns:dei="http://xbrl.sec.gov/dei/2023" xmlns:hm="http://harbormills.example/2023"
 xmlns:ixt="http://www.xbrl.org/inlineXBRL/transformation/2020-02-12" xmlns:iso4217="http://www.xbrl.org/2003/iso4217"><head><title>hm</title></head>
<body style="font-family:Times;font-size:10pt"><div style="display:none"><ix:header><ix:hidden>{hidden}</ix:hidden><ix:resources>{header}</ix:resources></ix:header></div>
<p style="text-align:center;font-weight:bold">UNITED STATES<br/>SECURITIES AND EXCHANGE COMMISSION</p>
<p style="text-align:center;font-weight:700">FORM <ix:nonNumeric contextRef="cover" name="dei:DocumentType" id="d1">10-K</ix:nonNumeric></p>
<p>For the fiscal year ended <ix:nonNumeric contextRef="cover" name="dei:DocumentPeriodEndDate" format="ixt:date-monthname-day-year-en" id="d2">December 31, {year}</ix:nonNumeric></p>
<p style="text-align:center;font-weight:700"><ix:nonNumeric contextRef="cover" name="dei:EntityRegistrantName" id="d3">{COMPANY}</ix:nonNumeric></p>
<p style="text-align:center">(Exact name of registrant as specified in its charter)</p>
<div style="color:#ffffff">{filing.hidden[1]}</div><div style="display:none">{filing.hidden[2]}</div>
<hr style="page-break-after:always"/><p><a href="#toc">Table of Contents</a></p>
<p style="font-weight:700">PART I</p>{_item(rng, "Item 1. Business")}{_item(rng, "Item 1A. Risk Factors")}{_item(rng, "Item 2. Properties")}
<p style="font-weight:700">PART II</p>{_item(rng, "Item 7. Discussion and Analysis")}
<p style="text-align:center">16</p><hr style="page-break-after:always"/><p><a href="#toc">Table of Contents</a></p>
<p style="font-weight:700">Item 8. Financial Statements and Supplementary Data</p>
<p>{_prose(rng)}</p>
<p style="font-weight:700;text-align:center">CONSOLIDATED STATEMENTS OF INCOME</p><p>(in {_word(scale)}; years ended December 31)</p>{statement}
<p style="text-align:center">17</p><hr style="page-break-after:always"/><p><a href="#toc">Table of Contents</a></p>
<p style="font-weight:700;text-align:center">CONSOLIDATED BALANCE SHEETS</p><p>(in {_word(scale)})</p>{balance}
<p>Assets of <span>${fact} hundred million</span> are pledged as security, as they were when the loan was drawn some years ago.</p>
<p style="text-align:center">18</p><hr style="page-break-after:always"/><p><a href="#toc">Table of Contents</a></p>
<p style="font-weight:700">Note 3. Segments</p><p>(in {_word(scale)}; year ended December 31, {year})</p>{segments}<p>{_prose(rng)}</p>
<p style="text-align:center">19</p></body></html>"""
    return filing


def _word(scale: int) -> str:
    return {3: "thousands", 6: "millions"}[scale]


def _item(rng: random.Random, title: str) -> str:
    return f'<p style="font-weight:700">{title}</p>' + "".join(f"<p>{_prose(rng)}</p>" for _ in range(9))


def _prose(rng: random.Random) -> str:
    town, other = rng.sample(("Lowell", "Bath", "Derby", "Leith", "Troy"), 2)
    return (f"The mill at {town} spins and weaves for the trade in the region, and its looms were kept in good order through the year. "
            f"Demand for woven cloth in {other} rose because a large rival closed its works there. "
            f"We expect the new dye house at {town} to lower the cost of finishing from the spring on. "
            "Orders came in steadily and the yard was rebuilt after the storm. The workforce stayed as it was.")  # fmt: skip


def _context(key: str, period: str, members: tuple[str, ...]) -> str:
    first, slash, last = period.partition("/")
    time = (
        f"<xbrli:startDate>{first}</xbrli:startDate><xbrli:endDate>{last}</xbrli:endDate>"
        if slash
        else f"<xbrli:instant>{first}</xbrli:instant>"
    )
    parts = "".join(
        f'<xbrldi:explicitMember dimension="hm:SegmentsAxis">hm:{member}</xbrldi:explicitMember>' for member in members
    )
    segment = f"<xbrli:segment>{parts}</xbrli:segment>" if parts else ""
    return (f'<xbrli:context id="{_key(key)}"><xbrli:entity><xbrli:identifier scheme="http://www.sec.gov/CIK">{CIK}</xbrli:identifier>'
            f"{segment}</xbrli:entity><xbrli:period>{time}</xbrli:period></xbrli:context>")  # fmt: skip


def _key(key: str) -> str:
    return "c" + key.replace("/", "_").replace("-", "") if key != "cover" else "cover"


def _fact(shown: str, figure: Figure, scale: int, *, negated: bool) -> str:
    context = _key(figure.period + "".join(figure.members))
    sign, form = (' sign="-"' if negated else ""), "ixt:fixed-zero" if shown == "—" else "ixt:num-dot-decimal"
    return (f'<ix:nonFraction unitRef="usd" contextRef="{context}" decimals="-{scale}" name="{figure.concept}" format="{form}" '
            f'scale="{scale}"{sign} id="f{abs(hash((figure.concept, context))) % 10**9}">{shown}</ix:nonFraction>')  # fmt: skip


def _table(
    rng: random.Random,
    filing: Filing,
    labels: list[str],
    periods: list[str],
    heads: list[str],
    scale: int,
    sheet: str,
    *,
    by_segment: bool = False,
) -> str:
    rows = [_header(heads)]
    for at, label in enumerate(labels):
        cells, concept = [], f"hm:{''.join(word.title() for word in label.replace(',', '').replace('-', ' ').split())}"
        negated_label = rng.random() < 0.2 and not by_segment  # a cost that is tagged as positive and shown in brackets
        for column, period in enumerate(periods):
            number = rng.randint(100, 99_999)
            is_negative = negated_label or (rng.random() < 0.15 and label in ("Operating income", "Net income"))
            value = 0 if rng.random() < 0.04 else (number if negated_label or not is_negative else -number) * 10**scale
            shown = "—" if value == 0 else f"({number:,})" if is_negative else f"{number:,}"
            members = (list(SEGMENTS.values())[column],) if by_segment else ()
            figure = Figure(label, column, shown, value, concept, period, members)
            filing.figures.append(figure)
            cells.append(_cell(shown, figure, scale, sheet, with_currency=at == 0, negated=value < 0))
        rows.append(f"<tr><td colspan='3' style='padding-left:10pt'>{escape(label)}</td>{''.join(cells)}</tr>")
    width = "".join("<td style='width:1%'></td>" for _ in range(3 + 6 * len(heads)))
    table = f"<table style='border-collapse:collapse'><tr>{width}</tr>{''.join(rows)}</table>"
    return f"<table><tr><td><div>{table}</div></td></tr></table>" if sheet == "nested" else table


def _header(heads: list[str]) -> str:
    named = "".join(
        f"<td colspan='3'></td><td colspan='3' style='font-weight:700'>{escape(head)}</td>" for head in heads
    )
    return f"<tr><td colspan='3'></td>{named}</tr>"


def _cell(shown: str, figure: Figure, scale: int, sheet: str, *, with_currency: bool, negated: bool) -> str:
    digits, bracket = shown.strip("()"), shown.startswith("(")
    fact, spacer = _fact(digits, figure, scale, negated=negated), "<td colspan='3'></td>"
    left, right = ("(" if bracket else ""), (")" if bracket else "")
    if sheet == "plain":
        return f"{spacer}<td colspan='3' align='right'>{'$' if with_currency else ''}{left}{fact}{right}</td>"
    lead = f"<td>$</td><td>{left}{fact}</td>" if with_currency else f"<td colspan='2'>{left}{fact}</td>"
    return f"{spacer}{lead}<td>{right}</td>"
