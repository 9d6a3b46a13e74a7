"""Filings as EDGAR has them: what is seen is read, in rows and columns, with what its tags say, and nothing else comes through."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from browser import FLAGS, need_chromium
from click.testing import CliRunner
from filings import CIK, COMPANY, SEGMENTS, SHEETS, Figure, make
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from patience import PATIENCE
from steering import Browser

import fingen
from fingen import cli
from fingen.config import ReadSettings
from fingen.documents.identity import is_same_name
from fingen.documents.read import read_document
from fingen.errors import DocumentError
from fingen.pipeline.notes import document_notes
from fingen.records import Chunk, Document


def read(path: Path) -> Document:
    return read_document(path, path.name, ReadSettings())


def written(folder: Path, html: str, name: str = "filing.htm") -> Path:
    path = folder / name
    path.write_text(html, encoding="utf-8")
    return path


def text_of(document: Document) -> str:
    return "\n".join(chunk.text for chunk in document.chunks)


def body(inner: str) -> str:
    return f"<html><body>{inner}</body></html>"


def table_rows(document: Document) -> list[list[str]]:
    lines = [line for chunk in document.chunks for block in chunk.blocks if block.kind == "table"
             for line in chunk.text[block.start : block.end].split("\n")]  # fmt: skip
    return [[cell.strip() for cell in line.split("|")] for line in lines]


# --- what a filing with tags says ----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(SHEETS), st.sampled_from([3, 6]))
def test_rows_columns_and_facts_are_those_of_the_filing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, sheet: str, scale: int
):
    filing = make(seed, sheet=sheet, scale=scale)
    document = read(written(tmp_path_factory.mktemp("f"), filing.html))
    rows = table_rows(document)
    by_label: dict[str, list[Figure]] = {}
    for figure in filing.figures:
        if figure.label:
            by_label.setdefault(figure.label, []).append(figure)
    for label, figures in by_label.items():
        found = [[cell.removeprefix("$") for cell in row[1:]] for row in rows if row[0] == label]
        assert found == [[figure.shown for figure in figures]], label
    facts = {(fact.concept, fact.period, tuple(member for _, member in fact.dimensions)): (chunk.text[fact.start : fact.end], fact)
             for chunk in document.chunks for fact in chunk.facts if fact.unit}  # fmt: skip
    assert len(facts) == len(filing.figures)
    for figure in filing.figures:
        shown, fact = facts[figure.concept, figure.period, tuple(f"hm:{member}" for member in figure.members)]
        assert shown == figure.shown.strip("()")
        assert (Decimal(fact.value), fact.unit, fact.entity) == (figure.value, "USD", CIK)


def test_company_and_period_are_those_of_the_tags(tmp_path: Path):
    document = read(written(tmp_path, make(1).html))
    assert (document.company, document.period.kind, document.period.end) == (COMPANY, "annual", "2023-12-31")
    assert (document.pages, document.amendment) == (5, None)


def test_what_cannot_be_seen_is_left_out_and_counted(tmp_path: Path):
    filing = make(2)
    document = read(written(tmp_path, filing.html))
    assert not [hidden for hidden in filing.hidden if hidden.split()[0] in document.model_dump_json()]
    assert {"display:none", "white", "inline XBRL header"} <= document.hidden.keys()


def test_page_numbers_and_links_back_are_no_text(tmp_path: Path):
    document = read(written(tmp_path, make(3).html))
    lines = text_of(document).split("\n")
    assert not {"16", "17", "18", "19", "Table of Contents"} & set(lines)


def test_a_report_that_refers_to_its_statements_elsewhere_says_so(tmp_path: Path):
    html = make(4).html
    told = "The financial statements are in the annual report to shareholders and are incorporated herein by reference."
    without = re.sub(r"<table.*?</table>", "", html, flags=re.DOTALL)
    item = "Item 8. Financial Statements and Supplementary Data</p>"
    assert read(written(tmp_path, without.replace(item, f"{item}<p>{told}</p>"))).elsewhere == told
    assert read(written(tmp_path, html.replace(item, f"{item}<p>{told}</p>"))).elsewhere == ""
    assert read(written(tmp_path, without)).elsewhere == ""


# --- a figure is bound by its fact ---------------------------------------------------------------------------------------


def said(
    figure: Figure, *, label: str = "", scale: str = "million", minus: str = "", year: str = "", segment: str = ""
) -> str:
    label, day = label or figure.label, figure.period.rpartition("/")[2]
    year = year or day[:4]
    time = f"for the year ended December 31, {year}" if "/" in figure.period else f"at December 31, {year}"
    part = f" of the segment {segment}" if segment else ""
    return f"{COMPANY}'s {label[0].lower()}{label[1:]}{part} was {minus}${abs(figure.value) // 10**6:,} {scale} {time}."


def reasons(folder: Path, html: str, answers: dict[str, str]) -> dict[str, list[str]]:
    """What `fingen verify` says of each answer, of figures and what they are bound to."""
    written(folder, html)
    rows = [
        {"instruction": f"What does {COMPANY} report ({name})?", "input": "", "output": text}
        for name, text in answers.items()
    ]
    (folder / "rows.json").write_text(json.dumps(rows))
    found = CliRunner().invoke(
        cli.main, ["verify", str(folder / "rows.json"), "--source", str(folder / "filing.htm"), "--json", "--quiet"]
    )
    laws = json.loads(found.stdout)["laws"]
    names = list(answers)
    wrong: dict[str, list[str]] = {name: [] for name in names}
    for law in ("figures", "binding", "names"):
        for problem in laws[law]["problems"]:
            wrong[names[problem["row"] - 1]].append(problem["reason"])
    return wrong


@pytest.mark.parametrize("seed", range(6))
def test_a_figure_is_bound_to_its_year_scale_row_sign_and_part(tmp_path: Path, seed: int):
    filing = make(seed, sheet=SHEETS[seed % 3])
    usable = [figure for figure in filing.figures if figure.value > 0 and figure.label and not figure.members]
    values = [abs(figure.value) for figure in filing.figures]
    answers: dict[str, str] = {}
    for number, figure in enumerate(usable):
        others = [other.label for other in usable if other.label != figure.label and other.value != figure.value]
        if values.count(figure.value) > 1:
            continue
        answers[f"true {number}"] = said(figure)
        answers[f"year {number}"] = said(
            figure, year=str(int(figure.period.rpartition("/")[2][:4]) - 1 or 0) if figure.column == 0 else "2023"
        )
        answers[f"scale {number}"] = said(figure, scale="billion")
        answers[f"sign {number}"] = said(figure, minus="-")
        answers[f"row {number}"] = said(figure, label=others[number % len(others)])
    names = list(SEGMENTS)
    for number, figure in enumerate(each for each in filing.figures if each.members and each.value > 0):
        answers[f"true part {number}"] = said(figure, segment=names[figure.column])
        answers[f"part {number}"] = said(figure, segment=names[figure.column - 1])
    wrong = reasons(tmp_path, filing.html, answers)
    assert {name: found for name, found in wrong.items() if name.startswith("true") and found} == {}
    assert [
        f"{name}: {answers[name]}" for name, found in wrong.items() if not name.startswith("true") and not found
    ] == []


COMPARED = (
    "{label} {was} {now} {at} December 31, {year}, compared with {then} a year earlier.",
    "{label} {was} {now} {at} December 31, {year}, up or down from {then} the year before.",
    "{label} {was} {now} {at} December 31, {year}, against {then} in the prior year.",
    "{label} {was} {now} {at} December 31, {year} after {then} at the end of the previous year.",
)


@pytest.mark.parametrize("seed", range(3))
def test_a_year_earlier_is_no_claim_of_the_day_that_was_told(tmp_path: Path, seed: int):
    filing = make(seed, sheet=SHEETS[seed % 3])
    usable = [each for each in filing.figures if each.value > 0 and each.label and not each.members and each.column < 2]
    pairs = [
        (now, then)
        for now in usable
        for then in usable
        if (now.label, now.column, then.column) == (then.label, 0, 1) and now.value != then.value
    ]
    answers: dict[str, str] = {}
    for number, (now, then) in enumerate(pairs):
        year, told = now.period.rpartition("/")[2][:4], [f"${each.value // 10**6:,} million" for each in (now, then)]
        label = f"{COMPANY}'s {now.label[0].lower()}{now.label[1:]}"
        about = {"label": label, "was": "was", "at": "for the year ended" if "/" in now.period else "at", "year": year}
        for way, wording in enumerate(COMPARED):
            answers[f"true {number} {way}"] = wording.format(now=told[0], then=told[1], **about)
            answers[f"exchanged {number} {way}"] = wording.format(now=told[1], then=told[0], **about)
    wrong = reasons(tmp_path, filing.html, answers)
    assert len(pairs) > 1
    assert {answers[name]: found for name, found in wrong.items() if name.startswith("true") and found} == {}
    assert [answers[name] for name, found in wrong.items() if name.startswith("exchanged") and not found] == []


# --- evidence without pages ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set of two filings, one of them without pages, and the folder of the reports."""
    folder = tmp_path_factory.mktemp("set")
    reports = folder / "reports"
    reports.mkdir()
    for name, year in (("a.htm", 2023), ("b.htm", 2021)):
        html = make(year, year=year).html
        written(reports, html if name == "a.htm" else html.replace("page-break-after:always", ""), name)
    (reports / "sheet.xlsx").write_bytes(b"PK\x03\x04 no zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ran = CliRunner().invoke(cli.main, ["pdf2qa", "reports", "--teacher", "offline", "--out", "build/reports"])
        assert ran.exit_code == 1, ran.output  # the sheet
        assert "sheet.xlsx" in ran.output
        return folder / "build/reports", reports


def rows_of(folder: Path) -> list[tuple[Path, int, dict[str, Any]]]:
    return [(path, number, json.loads(line)) for path in sorted(folder.glob("t*.jsonl"))
            for number, line in enumerate(path.read_text().splitlines())]  # fmt: skip


def test_a_record_of_a_document_without_pages_has_places(made: tuple[Path, Path]):
    records = [row for *_, row in rows_of(made[0])]
    without = [row for row in records if row["document"] == "b.htm"]
    assert without
    assert {row["pages"] for row in without} == {"[]"}
    for row in without:
        for quote in json.loads(row["evidence"]):
            assert "page" not in quote
            assert re.fullmatch(r".* @ (?:#\S+|element \d+)", quote["place"])
    assert all(json.loads(row["pages"]) for row in records if row["document"] == "a.htm")
    assert json.loads((made[0] / "manifest.json").read_text())["format"] == 3


def test_verify_finds_each_quote_at_its_place_and_misses_one_that_was_moved(made: tuple[Path, Path]):
    folder, reports = made
    assert all(not law.failed for law in fingen.verify(folder).laws.values())
    assert not fingen.verify(folder, source=[reports / "a.htm", reports / "b.htm"]).laws["evidence"].failed
    path, number, row = next(each for each in rows_of(folder) if each[2]["document"] == "b.htm")
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    quotes = json.loads(row["evidence"])
    quotes[0]["place"] = "Another section @ element 3"
    lines[number] = json.dumps({**row, "evidence": json.dumps(quotes)}) + "\n"
    path.write_text("".join(lines))
    try:
        told = fingen.verify(folder).laws["evidence"]
        assert (told.failed, told.problems[0].reason) == (1, "not-on-page")
        assert "Another section" in told.problems[0].detail
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("document", ["a.htm", "b.htm"])
def test_show_opens_the_filing_at_its_evidence(made: tuple[Path, Path], tmp_path: Path, document: str):
    folder, reports = made
    row = next(row for *_, row in rows_of(folder) if row["document"] == document)
    page = tmp_path / "shown.html"
    ran = CliRunner().invoke(cli.main, ["show", str(folder), row["id"], "--html", str(page), "--input", str(reports)])
    assert ran.exit_code == 0, ran.output
    shown = page.read_text()
    marked = "".join(re.findall(r'<mark data-fingen="1"[^>]*>([^<]*)', shown))
    quote = json.loads(row["evidence"])[0]["quote"]
    assert re.sub(r"[\s|]", "", marked.replace("&amp;", "&")) == re.sub(r"[\s|]", "", quote)
    assert shown.count("autofocus=") == 1
    assert json.loads(row["evidence"])[0]["place"] in ran.output


def test_show_takes_out_of_a_filing_what_would_run_or_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    bad = ("<script>alert(1)</script><img src='http://x.example/a.png' onerror='alert(2)'/><link rel='stylesheet' href='http://x.example/b.css'/>"
           "<a href='http://x.example/'>out</a><iframe src='http://x.example/c'></iframe><p style=\"background:url(http://x.example/d)\">p</p>")  # fmt: skip
    written(tmp_path / "reports", make(5).html.replace("</body>", f"{bad}</body>"), "a.htm")
    fingen.pdf2qa("reports", teacher="offline", out="build/reports")
    fingen.show("build/reports", html="page.html")
    shown = (tmp_path / "page.html").read_text()
    assert not re.search(r"<script|onerror|x\.example|<iframe|<link", shown)
    assert "default-src 'none'" in shown


def test_a_browser_opens_the_page_at_the_evidence_and_fetches_nothing(made: tuple[Path, Path], tmp_path: Path):
    folder, reports = made
    row = next(row for *_, row in rows_of(folder) if row["document"] == "a.htm" and "element" in row["evidence"])
    page = tmp_path / "shown.html"
    fingen.show(folder, row["id"], html=page, input=reports)
    with Browser() as browser:
        browser.open(page.as_uri())
        browser.wait_for("document.activeElement.tagName === 'MARK' && scrollY > 0")
        at = browser.run("(() => { const box = document.activeElement.getBoundingClientRect();"
                         " return [document.activeElement.tagName, box.top >= 0 && box.bottom <= innerHeight, scrollY > 0]; })()")  # fmt: skip
    assert at == ["MARK", True, True]


# --- HTML that nobody should write ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_filing_and_its_print_have_the_same_figures(tmp_path: Path, sheet: str):
    page = written(
        tmp_path, make(11, sheet=sheet).html.removeprefix('<?xml version="1.0" encoding="utf-8"?>'), "a.html"
    )
    printed = tmp_path / "a.pdf"
    subprocess.run([need_chromium(), *FLAGS, "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri()],
                   check=True, capture_output=True, timeout=PATIENCE)  # fmt: skip
    figures = [Counter(re.findall(r"\d{1,3}(?:,\d{3})+", text_of(read(path)))) for path in (page, printed)]
    assert figures[0] == figures[1]
    assert len(figures[0]) > 20


SEEN = "<p>The mill spins and weaves for the trade in the region.</p>"
SECRET = "SECRETWORD 12,345"
HIDING = {
    "display": f"<div style='display:none'>{SECRET}</div>",
    "display, important": f"<div style='display:none !important;display:block'>{SECRET}</div>",
    "display in capitals": f"<DIV STYLE='DISPLAY: NONE'>{SECRET}</DIV>",
    "visibility": f"<span style='visibility:hidden'>{SECRET}</span>",
    "attribute": f"<p hidden>{SECRET}</p>",
    "opacity": f"<p style='opacity:0.0'>{SECRET}</p>",
    "white": f"<font color='#FFFFFF'>{SECRET}</font>",
    "white by name": f"<font color='white'>{SECRET}</font>",
    "white by parts": f"<span style='color:rgb(255, 255, 255)'>{SECRET}</span>",
    "nearly white": f"<span style='color:#fdfdfd'>{SECRET}</span>",
    "own background": f"<div style='background:#003366'><span style='color:#003366'>{SECRET}</span></div>",
    "cell background": f"<table><tr><td bgcolor='#112233'><font color='#112233'>{SECRET}</font></td><td>a</td></tr></table>",
    "tiny": f"<span style='font-size:1px'>{SECRET}</span>",
    "no size": f"<span style='font-size:0'>{SECRET}</span>",
    "small share": f"<div style='font-size:10%'><span style='font-size:10%'>{SECRET}</span></div>",
    "off the page": f"<div style='position:absolute;left:-9999px'>{SECRET}</div>",
    "indented away": f"<div style='text-indent:-9999px'>{SECRET}</div>",
    "no height": f"<div style='height:0;overflow:hidden'>{SECRET}</div>",
    "clipped": f"<div style='position:absolute;clip:rect(0,0,0,0)'>{SECRET}</div>",
    "clip path": f"<div style='clip-path:inset(100%)'>{SECRET}</div>",
    "no scale": f"<div style='transform:scale(0)'>{SECRET}</div>",
    "transparent": f"<div style='color:transparent'>{SECRET}</div>",
    "no alpha": f"<div style='color:rgba(0,0,0,0)'>{SECRET}</div>",
    "struck": f"<p>Sales were <s>{SECRET}</s> fine.</p>",
    "by class": f"<style>.gone {{display:none}}</style><p class='gone'>{SECRET}</p>",
    "by id": f"<style>#gone {{visibility:hidden}}</style><p id='gone'>{SECRET}</p>",
    "within a class": f"<style>.box p.in {{display:none}}</style><div class='box'><p class='in'>{SECRET}</p></div>",
    "in a row": f"<table><tr style='display:none'><td>{SECRET}</td><td>1</td></tr><tr><td>a</td><td>2</td></tr></table>",
    "comment": f"<!-- {SECRET} -->",
    "script": f"<script>var a = '{SECRET}';</script>",
    "template": f"<template>{SECRET}</template>",
    "picture text": f"<img alt='{SECRET}' title='{SECRET}' src='http://x.example/a.png'>",
    "field": f"<textarea>{SECRET}</textarea><input value='{SECRET}'>",
}  # fmt: skip


@pytest.mark.parametrize("way", HIDING)
def test_hidden_text_never_comes_through(tmp_path: Path, way: str):
    document = read(written(tmp_path, body(SEEN + HIDING[way] + SEEN)))
    assert "SECRETWORD" not in document.model_dump_json()
    assert "spins and weaves" in text_of(document)


@pytest.mark.parametrize(("way", "inner"), [
    ("white on dark", "<div style='background-color:#003366'><span style='color:#fff'>KEPT</span></div>"),
    ("white on a dark cell", "<table><tr><td bgcolor='#000080'><font color='white'>KEPT</font></td><td>1</td></tr><tr><td>a</td><td>2</td></tr></table>"),
    ("white that its cell makes dark", "<table><tr style='color:#fff'><td style='background:#000'>KEPT</td><td style='background:#000'>1</td></tr></table>"),
    ("visible within", "<div style='visibility:hidden'><p style='visibility:visible'>KEPT</p></div>"),
    ("large within", "<div style='font-size:0'><p style='font-size:9pt'>KEPT</p></div>"),
    ("another class", "<style>.gone .x {display:none}</style><p class='x'>KEPT</p>"),
    ("for print", "<style>@media print { p {display:none} }</style><p>KEPT</p>"),
    ("small", "<span style='font-size:6pt'>KEPT</span>"),
])  # fmt: skip
def test_text_that_a_reader_sees_is_kept(tmp_path: Path, way: str, inner: str):
    document = read(written(tmp_path, body(SEEN + inner)))
    assert "KEPT" in text_of(document)
    assert document.hidden == {}


LAUGHS = "".join(f'<!ENTITY a{n + 1} "&a{n};&a{n};">' for n in range(30))
BOMBS = {
    "entities": f'<!DOCTYPE html [<!ENTITY a0 "aaaaaaaaaa">{LAUGHS}]><html><body>{SEEN}&a30;</body></html>',
    "entities in XHTML": '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                         f"<html xmlns='http://www.w3.org/1999/xhtml'><body>{SEEN}<p>&x;</p></body></html>",
    "a wide cell": body(SEEN + "<table>" + "<tr><td colspan='99999999'>a</td><td>1</td></tr>" * 50 + "</table>"),
    "high cells": body(SEEN + "<table>" + "<tr>" + "<td rowspan='65534'>a</td>" * 500 + "</tr>" + "<tr><td>1</td></tr>" * 500 + "</table>"),
    "nested tables": body(SEEN + "<table><tr><td>" * 400 + "deep" + "</td></tr></table>" * 400),
    "open tags": body(SEEN + "<b><i><span>" * 600),
    "no ends": "<p>The mill spins and weaves for the trade in the region." * 20_000,
    "rules": body("<style>" + ".a b.c {color:red}" * 30_000 + "</style>" + SEEN * 200),
    "a sheet without rules": body("<style>" + "a " * 1_000_000 + "</style>" + SEEN),
    "a sheet of print": body("<style>@media " + "print " * 300_000 + "</style>" + SEEN),
    "comments of a style": body(SEEN + f"<p style='{'/*' * 500_000}'>x</p>"),
    "comments before a page": "<?xml version='1.0'?>" + "<!-- -->" * 50_000 + body(SEEN),
    "comments before a document": "<DOCUMENT>\n<TYPE>10-K\n<TEXT>" + "<!-- -->" * 50_000 + body(SEEN) + "</TEXT></DOCUMENT>",
    "entities in an attribute": "<?xml version='1.0'?>" + " " * 5000 + f'<!DOCTYPE html [<!ENTITY a0 "aaaaaaaaaa">{LAUGHS}]>'
                                f"<html xmlns='http://www.w3.org/1999/xhtml'><body>{SEEN}<p title='&a30;'>x</p></body></html>",
    "a long style": body(SEEN + f"<p style='{'color:red;' * 100_000}'>x</p>"),
    "external": body(SEEN + "<link rel=stylesheet href='http://192.0.2.1/x.css'><img src='http://192.0.2.1/x'><iframe src='http://192.0.2.1/'></iframe>"
                            "<object data='http://192.0.2.1/'></object><style>@import url(http://192.0.2.1/y.css);</style>"),
    "one word": body(SEEN + "<p>" + "x" * 3_000_000 + "</p>"),
    "many breaks": body(SEEN + "<br>" * 200_000 + "x"),
    "spaces": body(SEEN + "<p>" + " &nbsp;" * 300_000 + "x</p>"),
    "facts without contexts": body(SEEN + "<ix:nonFraction contextRef='none' name='a:b' scale='999999999'>5</ix:nonFraction>" * 2000),
    "a huge scale": make(8).html.replace('scale="6"', 'scale="99999"'),
    "no number": make(8).html.replace('format="ixt:num-dot-decimal"', 'format="ixt-sec:numwordsen"'),
}  # fmt: skip


@pytest.mark.parametrize("way", BOMBS)
def test_a_bomb_is_read_or_refused(tmp_path: Path, way: str):
    document = read(written(tmp_path, BOMBS[way]))
    assert "spins and weaves" in text_of(document)
    assert "root:" not in text_of(document)
    assert len(text_of(document)) < 4_000_000


REFUSED = {
    "nothing to see": (body("<p style='display:none'>x</p>"), "1 pieces of text are hidden"),
    "no text": (body("<img src='a.png'>"), "nothing in it can be seen"),
    "too deep": (body("<div>" * 5000 + "x"), "nested too deeply"),
    "too many open": (body("<b><i><span>" * 3000), "nested too deeply"),
    "too large": ("<html><body>" + " " * (65 << 20), "more than 64 MB of HTML"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_cannot_be_read_says_why(tmp_path: Path, way: str):
    html, why = REFUSED[way]
    with pytest.raises(DocumentError, match=why) as refused:
        read(written(tmp_path, html))
    assert refused.value.hint


# --- tables as they are written ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inner", "rows"), [
    ("<tr><td>Sales</td><td>$</td><td>1,234</td><td></td><td>$</td><td>(5</td><td>)</td></tr><tr><td>Costs</td><td></td><td>7</td><td></td><td></td><td>8</td><td></td></tr>",
     [["Sales", "$1,234", "$(5)"], ["Costs", "7", "8"]]),
    ("<tr><td>Margin</td><td>12.5</td><td>%</td><td>(3.1</td><td>)%</td></tr><tr><td>Rate</td><td>1.0</td><td>%</td><td>2.0</td><td>%</td></tr>",
     [["Margin", "12.5%", "(3.1)%"], ["Rate", "1.0%", "2.0%"]]),
    ("<tr><td></td><td colspan=2>2023</td><td></td><td colspan=2>2022</td></tr><tr><td>Sales</td><td>$</td><td>5</td><td></td><td>$</td><td>—</td></tr>",
     [["", "2023", "2022"], ["Sales", "$5", "$—"]]),
    ("<tr><td rowspan=2>North</td><td>wool</td><td>5</td></tr><tr><td>cloth</td><td>6</td></tr><tr><td>South</td><td>wool</td><td>7</td></tr>",
     [["North", "wool", "5"], ["", "cloth", "6"], ["South", "wool", "7"]]),
    ("<tr><td>Sales<sup>1</sup></td><td>1,234<sup>2</sup></td></tr><tr><td>Costs</td><td>7</td></tr>", [["Sales", "1,234"], ["Costs", "7"]]),
    ("<tr><td>Sales</td><td>5</td><td>(a)</td></tr><tr><td>Costs</td><td>6</td><td>(b)</td></tr>", [["Sales", "5 (a)"], ["Costs", "6 (b)"]]),
    ("<tr><td>Pipe | line</td><td>5</td></tr><tr><td>Other</td><td>6</td></tr>", [["Pipe ¦ line", "5"], ["Other", "6"]]),
])  # fmt: skip
def test_cells_of_a_figure_are_one_and_columns_are_those_of_the_reader(
    tmp_path: Path, inner: str, rows: list[list[str]]
):
    document = read(written(tmp_path, body(f"{SEEN}<table>{inner}</table>{SEEN}")))
    assert table_rows(document) == rows


def test_lines_typed_in_a_page_are_read_by_their_columns(tmp_path: Path):
    typed = ("<pre>\nThe mill spins and weaves for the trade in the region, and its\nlooms were kept in good order.\n\n"
             "                          1997       1996\n                        --------   --------\n"
             "Net sales               $ 1,234    $ 1,111\nCost of sales               999        888\n                        --------   --------\n"
             "Net income              $   235    $   223\n</pre>")  # fmt: skip
    document = read(written(tmp_path, body(typed)))
    assert table_rows(document)[1:] == [
        ["Net sales", "$1,234", "$1,111"],
        ["Cost of sales", "999", "888"],
        ["Net income", "$235", "$223"],
    ]
    assert "SECRETWORD" not in text_of(
        read(written(tmp_path, body(typed.replace("</pre>", "<span style='display:none'>SECRETWORD</span></pre>"))))
    )


def test_tables_that_only_place_text_are_paragraphs(tmp_path: Path):
    inner = ("<table><tr><td>•</td><td>First point of the list that is told here.</td></tr><tr><td>•</td><td>Second point.</td></tr></table>"
             "<table><tr><td>Item 7.</td><td>Discussion of Results</td></tr></table><table><tr><td><p>One.</p><p>Two.</p></td></tr></table>")  # fmt: skip
    chunk: Chunk = read(written(tmp_path, body(inner))).chunks[0]
    assert {block.kind for block in chunk.blocks} <= {"paragraph", "heading"}
    assert chunk.text.split("\n") == [
        "First point of the list that is told here.",
        "Second point.",
        "Item 7. Discussion of Results",
        "One.",
        "Two.",
    ]


# --- formats and submissions ---------------------------------------------------------------------------------------------

SUBMISSION = """<SEC-DOCUMENT>0001.txt : 20240101
<SEC-HEADER>
ACCESSION NUMBER:		0001234567-24-000001
CONFORMED SUBMISSION TYPE:	8-K
CONFORMED PERIOD OF REPORT:	20240201
FILED AS OF DATE:		20240202
		COMPANY CONFORMED NAME:			HARBOR MILLS INC
</SEC-HEADER>
<DOCUMENT>
<TYPE>8-K
<SEQUENCE>1
<FILENAME>form8k.htm
<TEXT>
<html><body><p>Harbor Mills Inc. filed this report on February 1, 2024, and attached a release as an exhibit to it.</p></body></html>
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>EX-99.1
<SEQUENCE>2
<FILENAME>release.htm
<DESCRIPTION>EX-99.1
<TEXT>
<html><body><p id="lead">Net sales for the fourth quarter ended December 31, 2023 were $12.5 million at Harbor Mills Inc.</p></body></html>
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>GRAPHIC
<SEQUENCE>3
<FILENAME>logo.jpg
<TEXT>
begin 644 logo.jpg
M_]C_X
end
</TEXT>
</DOCUMENT>
</SEC-DOCUMENT>
"""


def test_a_submission_is_its_documents_one_after_the_other(tmp_path: Path):
    document = read(written(tmp_path, SUBMISSION, "full.txt"))
    release = next(chunk for chunk in document.chunks if "Net sales" in chunk.text)
    assert release.section == ("Release (EX-99.1)",)
    assert release.blocks[-1].place == "release.htm#lead"
    assert document.left_out == ("GRAPHIC logo.jpg",)
    assert document.company == "Harbor Mills Inc."
    assert (document.filing["accession"], document.filing["filed"]) == ("0001234567-24-000001", "2024-02-02")
    assert "begin 644" not in text_of(document)


@pytest.mark.parametrize(("written_as", "registered", "company"), [
    ("Harbor Mills Inc.", "HARBOR MILLS INC /NEW/", "Harbor Mills Inc."),
    ("The Harbor-Mills Company", "HARBOR MILLS CO", "The Harbor-Mills Company"),
    ("", "HARBOR MILLS INC/DE", "HARBOR MILLS INC"),
])  # fmt: skip
def test_a_name_is_written_as_the_cover_writes_it_else_as_it_is_registered(
    tmp_path: Path, written_as: str, registered: str, company: str
):
    html = make(6).html
    cover = f'<ix:nonNumeric contextRef="cover" name="dei:EntityRegistrantName" id="d3">{COMPANY}</ix:nonNumeric>'
    hidden = f'<ix:hidden><ix:nonNumeric contextRef="cover" name="dei:EntityRegistrantName" id="h3">{registered}</ix:nonNumeric>'
    line = "(Exact name of registrant as specified in its charter)"
    changed = html.replace(cover, written_as).replace("<ix:hidden>", hidden).replace(line, line if written_as else "")
    assert read(written(tmp_path, changed)).company == company


@pytest.mark.parametrize(("name", "content", "why"), [
    ("a.xlsx", b"PK\x03\x04 no zip", "damaged ZIP"), ("a.png", b"\x89PNG\r\n", "PNG picture"), ("a.doc", b"\xd0\xcf\x11\xe0", "old Office"),
    ("a.rtf", b"{\\rtf1 x}", "RTF"), ("a.gz", b"\x1f\x8b\x08", "gzip"), ("a.xml", b"<?xml version='1.0'?><a/>", "XML"),
    ("a.xml", b"<?xml version='1.0'?><xbrl xmlns='http://www.xbrl.org/2003/instance'/>", "XBRL"), ("a.mht", b"MIME-Version: 1.0\n", ".mht"), ("a.html", b"MIME-Version: 1.0\n", "saved with its pictures"),
    ("a.csv", b"a,b\n1,2\n", ".csv"), ("a.bin", b"\x00\x01\x02", "no text"), ("a.txt", b"", "empty"),
])  # fmt: skip
def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path, name: str, content: bytes, why: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=re.escape(why)) as refused:
        read(path)
    assert refused.value.hint


def test_a_folder_of_nothing_that_is_read_names_each_file_on_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"a.xlsx": b"PK\x03\x04", "b.png": b"\x89PNG", "c.rtf": b"{\\rtf"}.items():
        (tmp_path / name).write_bytes(content)
    ran = CliRunner().invoke(cli.main, ["pdf2qa", ".", "--teacher", "offline", "--quiet"])
    assert ran.exit_code == 2
    told = ran.stderr.splitlines()
    assert [
        sum(line.startswith(f"{name}: ") and "->" in line for line in told) for name in ("a.xlsx", "b.png", "c.rtf")
    ] == [1, 1, 1]


def test_a_file_of_data_is_refused_where_it_is_named(
    readers_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("notes.json").write_text('{"note": "Revenue of Northwind Inc. rose to 52 million dollars in 2024."}')
    ran = CliRunner().invoke(cli.main, ["pdf2qa", "notes.json", "--teacher", "offline", "--quiet"])
    assert ran.exit_code == 2
    assert "notes.json: not a format that is read: a .json file, no report format" in ran.stderr
    assert not Path("build").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_read_in_the_encoding_that_it_has(tmp_path: Path, encoding: str):
    path = tmp_path / "a.htm"
    path.write_bytes(body("<p>The company’s “net” sales rose – by £5 – in the région.</p>").encode(encoding))
    assert "company’s “net” sales rose – by £5 – in the région" in text_of(read(path))


@pytest.mark.parametrize("name", ["a.htm", "a.txt", "a.md"])
def test_an_encoding_that_was_guessed_is_said(tmp_path: Path, name: str):
    said = "北风股份有限公司二〇二四年年度报告：公司主要从事风力发电设备的制造和销售，产品销往全国各地。" * 3
    text = f'<html><head><meta charset="utf-8"></head><body><p>{said}</p></body></html>' if name == "a.htm" else said
    path = tmp_path / name
    path.write_bytes(text.encode("gbk"))
    found = read(path)
    assert (found.language, said[:8] in text_of(found)) == ("zh", True)
    assert [note for note in document_notes([found], [], [], []) if found.encoding in note and "not UTF-8" in note]
    path.write_bytes(text.encode())
    assert read(path).encoding == ""


# --- real filings --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_filings_are_of_their_company_and_period(shared: Path):
    folder = shared / "filings"
    wrong = []
    with (folder / "truth.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            document = read(folder / row["file"])
            if not (
                is_same_name(document.company or "", row["company"])
                and (document.period.end or "?") in row["period_end"]
            ):
                wrong.append((row["file"], document.company, document.period.end))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["costco_FY2022-08_10-K_ixbrl.htm", "nvidia_2025-07_10-Q_ixbrl.htm", "exxonmobil_2025-06_10-Q_ixbrl.htm"]
)
def test_facts_of_real_filings_stand_on_the_text_that_shows_them(shared: Path, name: str):
    path = shared / "filings" / name
    root = etree.fromstring(path.read_bytes(), etree.XMLParser(huge_tree=True))
    shown: Counter[tuple[str, str]] = Counter()
    rows: list[Counter[tuple[str, str]]] = []
    for fact in root.iter("{http://www.xbrl.org/2013/inlineXBRL}nonFraction"):
        text = "".join(fact.itertext()).strip()
        if text and not any("display:none" in (each.get("style") or "") for each in fact.iterancestors()):
            shown[fact.get("name"), text] += 1
    for line in root.iter("{http://www.w3.org/1999/xhtml}tr"):
        facts = line.iter("{http://www.xbrl.org/2013/inlineXBRL}nonFraction")
        if row := Counter((fact.get("name"), text) for fact in facts if (text := "".join(fact.itertext()).strip())):
            rows.append(row)
    document = read(path)
    found: Counter[tuple[str, str]] = Counter()
    lines: dict[tuple[str, int], Counter[tuple[str, str]]] = {}
    for chunk in document.chunks:
        for fact in chunk.facts:
            if fact.unit:
                said = (fact.concept, chunk.text[fact.start : fact.end])
                found[said] += 1
                lines.setdefault((chunk.id, chunk.text.count("\n", 0, fact.start)), Counter())[said] += 1
    assert (shown & found).total() >= 0.995 * shown.total()
    whole = Counter(frozenset(line.items()) for line in lines.values())
    assert (Counter(frozenset(row.items()) for row in rows) & whole).total() >= 0.995 * len(rows)
