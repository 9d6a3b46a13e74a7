"""Characters as they are printed: marks and powers, text struck twice, stamps, glyphs without a name, cipher, maps that lie."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pymupdf
import pytest
from click.testing import CliRunner

from fingen.cli import main
from fingen.config import ReadSettings
from fingen.documents import InputFile, read_documents
from fingen.documents.read import read_document
from fingen.errors import Cause, DocumentError, UsageError
from fingen.quality.evidence import find_quote
from fingen.records import Document
from fingen.tasks.qa import build_passage
from fingen.text import UNKNOWN_GLYPH, clean
from tests.cells import is_statement, rows_of
from tests.raw_pdf import HELVETICA, SENTENCES, body, line, slanted, to_unicode, write_pdf

PRINTED = " ".join(SENTENCES)


def read(path: Path, *, ocr: bool = False) -> Document:
    return read_document(path, path.name, ReadSettings(ocr=ocr))


def text_of(path: Path) -> str:
    return " ".join(" ".join(chunk.text.split()) for chunk in read(path).chunks)


# ---- marks, powers, fractions


def marked(before: str, mark: str, after: str, *, way: str, size: float = 6) -> str:
    """A line with a raised mark in it, set in the ways that programs use."""
    wide = pymupdf.get_text_length(before, "helv", 11)
    high = pymupdf.get_text_length(mark, "helv", size)
    if way == "rise":
        return (
            f"BT 0 g /F 11 Tf 1 0 0 1 72 740 Tm ({before}) Tj /F {size} Tf 5 Ts ({mark.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}) Tj "
            f"/F 11 Tf 0 Ts ({after}) Tj ET"
        )
    parts = [line(before, 72, 740), line(mark, 72 + wide, 744, size=size), line(after, 72 + wide + high, 740)]
    return "\n".join(parts if way == "moved" else [parts[0], parts[2], parts[1]])


@pytest.mark.parametrize("way", ["rise", "moved", "afterwards"])
@pytest.mark.parametrize("mark", ["1", "12", "(3)", "a", "(b)", "1,2", "*"])
def test_the_mark_of_a_footnote_joins_no_figure(tmp_path: Path, way: str, mark: str):
    content = marked(
        "Net sales were $320", mark, " million in the year, and the loss was smaller than before.", way=way
    )
    text = text_of(write_pdf(tmp_path / "marks.pdf", [content + "\n" + body(*SENTENCES, top=700)]))
    assert "Net sales were $320 million in the year" in text


@pytest.mark.parametrize(("before", "raised", "read_as"), [
    ("The plant cost 10", "6", "10\u2076 dollars"), ("The area is 45 m", "2", "45 m\u00b2 dollars"),
    ("It opened on the 31", "st", "31st dollars"), ("It sells Example", "TM", "ExampleTM dollars"),
])  # fmt: skip
def test_what_is_raised_and_no_mark_stays(tmp_path: Path, before: str, raised: str, read_as: str):
    content = marked(before, raised, " dollars and no more.", way="moved")
    assert read_as in text_of(write_pdf(tmp_path / "raised.pdf", [content + "\n" + body(*SENTENCES, top=700)]))


def test_a_set_fraction_is_one_number(tmp_path: Path):
    pieces, at = [], 72.0
    for text, size, up in (
        ("The rate rose by 3", 11, 0),
        ("1", 6, 4),
        ("/", 9, 0),
        ("2", 6, 0),
        (" points in the year.", 11, 0),
    ):
        pieces.append(line(text, at, 740 + up, size=size))
        at += pymupdf.get_text_length(text, "helv", size)
    content = "\n".join(pieces)
    text = text_of(write_pdf(tmp_path / "fraction.pdf", [content + "\n" + body(*SENTENCES, top=700)]))
    assert "by 3½ points in the year." in text.replace(" ½", "½")


@pytest.mark.parametrize(("printed", "plain"), [
    ("The conﬁrmed oﬃces", "The confirmed offices"), ("公司⽉度⻓期⺠⽣", "公司月度长期民生"), ("instru\u00adments", "instruments"),
    ("end-\u00ad", "end-\u00ad"), ("31.12.2021¹", "31.12.2021"), ("loss² (€m)", "loss (€m)"), ("1.2亿m³", "1.2亿m³"),
    ("1,250⁽³⁾ people", "1,250 people"), ("$320* million", "$320 million"), ("320①万元", "320万元"), ("①收取", "①收取"),
    ("12\ue0255", f"12{UNKNOWN_GLYPH}5"), ("１，２３４．５万元", "１，２３４．５万元"), ("70½ years", "70½ years"), ("5 * 3", "5 * 3"),
])  # fmt: skip
def test_forms_of_letters_are_read_as_letters(printed: str, plain: str):
    assert clean(printed) == plain


def test_a_quote_in_other_forms_is_found_and_stays_as_printed(tmp_path: Path):
    pdf = pymupdf.open()
    pdf.new_page().insert_text((72, 100), "2019年营业收入为１，２３４．５万元，比上年增长。", fontname="china-s")
    pdf.save(tmp_path / "wide.pdf")
    (found,) = find_quote("营业收入为1,234.5万元", read(tmp_path / "wide.pdf").chunks).evidence
    assert found.quote == "营业收入为１，２３４．５万元"


# ---- struck twice, stamps


def struck(*, dx: float, dy: float, color: float = 0, last: bool = False) -> str:
    first = [line(text, 72, 740 - 18 * n) for n, text in enumerate(SENTENCES)]
    again = [line(text, 72 + dx, 740 - 18 * n + dy, color=color) for n, text in enumerate(SENTENCES)]
    pairs = [*again, *first] if last else [piece for pair in zip(again, first, strict=True) for piece in pair]
    return "\n".join(pairs)


@pytest.mark.parametrize("content", [
    struck(dx=0.3, dy=0), struck(dx=1, dy=-1, color=0.7), struck(dx=0.3, dy=0.2, last=True), struck(dx=0, dy=0),
    body(SENTENCES[0]) + "\n" + line("countries.", 72 + pymupdf.get_text_length(SENTENCES[0][:-10], "helv", 11) + 0.3, 740)
    + "\n" + body(*SENTENCES[1:], top=722),
])  # fmt: skip
def test_text_struck_twice_is_read_once(tmp_path: Path, content: str):
    assert text_of(write_pdf(tmp_path / "twice.pdf", [content])) == PRINTED


def test_the_same_figures_in_a_table_are_no_second_strike(tmp_path: Path):
    rows = [line("Item", 72, 640), line("2024", 300, 640), line("2023", 400, 640)]
    for n in range(4):
        rows += [
            line(f"Row {'abcd'[n]}", 72, 622 - 18 * n),
            line("120", 300, 622 - 18 * n),
            line("120", 400, 622 - 18 * n),
        ]
    assert text_of(write_pdf(tmp_path / "table.pdf", [body(*SENTENCES) + "\n" + "\n".join(rows)])).count("120") == 8


@pytest.mark.parametrize("stamp", [
    slanted("CONFIDENTIAL", 110, 200, size=79, color=0.85), line("DRAFT COPY", 60, 700, size=60, color=0.85),
    "\n".join(slanted("For internal use only", 40 + 150 * x, 60 + 90 * y, size=11, color=0.8) for x in range(4) for y in range(9)),
    slanted("SAMPLE", 150, 250, size=60, color=0), slanted("For personal use only", 300, 250, size=57, color=0.75, cos=0, sin=1),
])  # fmt: skip
def test_a_stamp_across_the_page_is_counted_and_left_out(tmp_path: Path, stamp: str):
    document = read(write_pdf(tmp_path / "stamp.pdf", [stamp + "\n" + body(*SENTENCES)]))
    assert " ".join(document.chunks[0].text.split()) == PRINTED
    assert document.hidden == {"watermark": stamp.count("BT")}


def test_large_and_light_text_that_nothing_crosses_is_no_stamp(tmp_path: Path):
    content = line("55%", 72, 600, size=60, color=0.75) + "\n" + line("of our staff own shares", 72, 580) + "\n"
    content += slanted("17% growth a year", 400, 300, size=11, color=0)
    text = text_of(write_pdf(tmp_path / "tile.pdf", [content + body(*SENTENCES)]))
    assert "55%" in text
    assert "17% growth a year" in text


# ---- glyphs without a name


def test_a_glyph_without_a_name_is_a_mark_and_its_sentence_is_not_asked_about(tmp_path: Path):
    names = {code: chr(code) for code in range(32, 127)} | {ord("8"): "\uf038", ord("-"): "\uf02d"}
    fonts = {"U": HELVETICA.replace(">>", "/ToUnicode 10 0 R>>")}
    content = "\n".join(
        line(text, 72, 740 - 18 * n, font="U")
        for n, text in enumerate([*SENTENCES, "The net loss was -45.1 million dollars."])
    )
    document = read(write_pdf(tmp_path / "unnamed.pdf", [content], fonts=fonts, streams=[to_unicode(names)]))
    text = " ".join(document.chunks[0].text.split())
    assert f"to {UNKNOWN_GLYPH}45.2 million" in text
    assert f"with 39.{UNKNOWN_GLYPH} percent" in text
    assert f"was {UNKNOWN_GLYPH}45.1 million" in text
    assert document.unnamed_glyphs == 3
    passage = build_passage(document, document.chunks[0])
    assert " ".join(passage.text.split()) == " ".join((SENTENCES[0], SENTENCES[3], SENTENCES[4]))
    assert all(block in passage.text for _, block in passage.kinds)


def test_a_bullet_without_a_name_vanishes_and_a_box_to_tick_does_not(tmp_path: Path):
    fonts = {"U": HELVETICA.replace("Helvetica", "Courier").replace(">>", "/ToUnicode 10 0 R>>")}
    content = "\n".join([
        body(*SENTENCES), line("B", 72, 600, font="U"), line("Recognized as a top workplace in the region.", 84, 600),
        line("B", 72, 560, font="U"), line("Applicable to the company in this year.", 79.5, 560),
    ])  # fmt: skip
    text = text_of(write_pdf(tmp_path / "bullet.pdf", [content], fonts=fonts, streams=[to_unicode({66: "\uf0b7"})]))
    assert " Recognized as a top" in text
    assert f"{UNKNOWN_GLYPH}Recognized" not in text.replace(" ", "")
    assert f"{UNKNOWN_GLYPH}Applicable" in text


# ---- cipher


def shift(by: int) -> dict[int, str]:
    return {code: chr(33 + (code - 33 + by) % 94) for code in range(33, 127)} | {32: " "}


def substitution(seed: int) -> dict[int, str]:
    letters = list("abcdefghijklmnopqrstuvwxyz")
    random.Random(seed).shuffle(letters)
    lower = dict(zip("abcdefghijklmnopqrstuvwxyz", letters, strict=True))
    return {code: lower.get(chr(code), lower.get(chr(code).lower(), chr(code)).upper()) for code in range(32, 127)}


CIPHERS = {
    "caesar": shift(-3), "far": shift(40), "substituted": substitution(7),
    "accents": {code: chr(code + 128) for code in range(33, 127)} | {32: " "},
    "private": {code: chr(0xE000 + code) for code in range(33, 127)},
    "han": {code: chr(0x5F00 + 37 * code) for code in range(33, 127)}, "scripts": {code: chr(0x0400 + 31 * code) for code in range(33, 127)},
}  # fmt: skip


def ciphered(path: Path, kind: str, pages: int = 1) -> Path:
    fonts = {"U": "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 10 0 R>>"}
    content = "\n".join(line(text, 72, 740 - 18 * n, font="U") for n, text in enumerate(SENTENCES))
    readable = [body(*(SENTENCES * 6))] * (pages - 1)
    return write_pdf(path, [content, *readable], fonts=fonts, streams=[to_unicode(CIPHERS[kind])])


@pytest.mark.parametrize("kind", list(CIPHERS))
def test_a_page_of_cipher_is_named_and_left_out(tmp_path: Path, kind: str):
    document = read(ciphered(tmp_path / "cipher.pdf", kind, pages=3))
    assert document.unreadable_pages == (1,)
    assert {block.page for chunk in document.chunks for block in chunk.blocks} == {2, 3}
    with pytest.raises(DocumentError) as error:
        read(ciphered(tmp_path / "whole.pdf", kind))
    assert error.value.reason == Cause.UNREADABLE_TEXT
    assert "--ocr" in error.value.hint


def test_glyphs_that_no_map_names_are_no_text(tmp_path: Path):
    """A font of two-byte codes without a map: the number of a glyph says nothing."""
    pdf = pymupdf.open()
    page = pdf.new_page()
    page.insert_font("u", fontbuffer=pymupdf.Font("helv").buffer)
    for n, text in enumerate(SENTENCES):
        page.insert_text((72, 100 + 18 * n), text, fontname="u")
    for number, *_ in page.get_fonts():
        pdf.xref_set_key(number, "ToUnicode", "null")
    pdf.save(tmp_path / "nomap.pdf")
    with pytest.raises(DocumentError, match="unreadable text"):
        read(tmp_path / "nomap.pdf")


FOREIGN = [
    "Die Gesellschaft hat im Geschäftsjahr einen Umsatz erzielt, der über dem des Vorjahres lag. Der Vorstand schlägt vor, eine Dividende zu zahlen.",
    "Le chiffre d'affaires consolidé du groupe a augmenté grâce à la progression des ventes. Le conseil d'administration propose un dividende.",
    "Przychody spółki wzrosły w porównaniu z rokiem poprzednim. Zarząd proponuje wypłatę dywidendy akcjonariuszom, zobowiązania spadły.",
    "Yhtiön liikevaihto kasvoi edellisestä vuodesta. Hallitus ehdottaa yhtiökokoukselle osingon maksamista osakkeenomistajille, kannattavuus parani.",
    "Выручка группы выросла по сравнению с предыдущим годом. Совет директоров предлагает выплатить дивиденды акционерам общества за год.",
    "当社グループの売上高は前年度に比べて増加しました。取締役会は株主総会に配当金の支払いを提案しています。営業利益は過去最高となりました。",
    "NC AL CA CO FL GA MD MI NV OH OK SC TN TX VA AL AZ CA CO FL GA IL IN KS KY LA MO MT NJ NM NY OR PA RI UT WA WI",
    "AAPL MSFT NVDA GOOGL AMZN META TSLA BRKB JPM XOM UNH JNJ WMT PG MA HD CVX LLY MRK ABBV PEP KO AVGO COST PFE",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_other_languages_and_lists_of_names_are_no_cipher(tmp_path: Path, text: str):
    pdf = pymupdf.open()
    page = pdf.new_page()
    page.insert_htmlbox((50, 50, 550, 700), text)
    pdf.save(tmp_path / "foreign.pdf")
    assert read(tmp_path / "foreign.pdf").unreadable_pages == ()


def test_pages_of_real_reports_are_named_where_their_text_is_cipher_and_nowhere_else(shared: Path):
    mongo = read(shared / "reports_more/MongoDB_Inc.pdf")
    assert len(mongo.unreadable_pages) == 173
    assert read(shared / "reports_more/TransUnion.pdf").unreadable_pages == (2, 3)
    assert read(next((shared / "reports_zh").glob("TW2618*"))).unreadable_pages == tuple(range(73, 84))
    for name in ("pdf_en/ERC_Galileo_Resources_AR_multicol.pdf", "reports_more/Kruger_Products_Inc.pdf"):
        assert read(shared / name).unreadable_pages == ()


# ---- text that reads otherwise than it looks

SEEN, SAID = "Net profit fell by three percent in the year.", "Net profit rose by ninety percent in this age"


def named_glyphs(text: str) -> str:
    names = {" ": "space", ".": "period"}
    return "[1 " + " ".join("/" + names.get(char, char) for char in text) + "]"


def lying(path: Path) -> Path:
    """Each glyph has a code of its own: its name says what is drawn, the map something else."""
    font = f"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</Type/Encoding/Differences{named_glyphs(SEEN)}>>/ToUnicode 10 0 R>>"
    codes = bytes(range(1, len(SEEN) + 1)).hex()
    content = body(*SENTENCES) + f"\nBT 0 g /L 11 Tf 1 0 0 1 72 600 Tm <{codes}> Tj ET"
    return write_pdf(path, [content], fonts={"L": font}, streams=[to_unicode(dict(enumerate(SAID, 1)))])


def swapped_digits(path: Path) -> Path:
    fonts = {"L": HELVETICA.replace(">>", "/ToUnicode 10 0 R>>")}
    names = {code: chr(code) for code in range(32, 127)} | {
        ord(a): b for a, b in zip("123456789", "912345678", strict=True)
    }
    content = body(*SENTENCES) + "\n" + line(SEEN.replace("three", "3"), 72, 600, font="L")
    return write_pdf(path, [content], fonts=fonts, streams=[to_unicode(names)])


def told_otherwise(path: Path) -> Path:
    return write_pdf(path, [body(*SENTENCES) + f"\n/Span <</ActualText({SAID})>> BDC {line(SEEN, 72, 600)} EMC"])


def sentence_in_a_glyph(path: Path) -> Path:
    fonts = {"L": "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 10 0 R>>"}
    return write_pdf(
        path, [body(*SENTENCES) + "\n" + line("A", 72, 600, font="L")], fonts=fonts, streams=[to_unicode({65: SAID})]
    )


@pytest.mark.parametrize(("make", "printed"), [
    (lying, SEEN), (told_otherwise, SEEN), (swapped_digits, SEEN.replace("three", "3")), (sentence_in_a_glyph, "A"),
])  # fmt: skip
def test_what_a_glyph_shows_is_read_and_not_what_a_map_says(tmp_path: Path, make, printed: str):
    text = text_of(make(tmp_path / "lie.pdf"))
    assert text == f"{PRINTED} {printed}"


def test_the_table_of_an_embedded_font_tells_a_map_that_lies(tmp_path: Path):
    pdf = pymupdf.open()
    page = pdf.new_page()
    page.insert_font("u", fontbuffer=pymupdf.Font("helv").buffer)
    page.insert_text((72, 100), "Net profit fell by 12 percent in the year 2024.", fontname="u")
    for n, text in enumerate(SENTENCES):
        page.insert_text((72, 200 + 18 * n), text)
    for number, _, kind, *_ in page.get_fonts():
        if kind == "Type0":
            table = int(pdf.xref_get_key(number, "ToUnicode")[1].split()[0])
            pdf.update_stream(table, pdf.xref_stream(table).replace(b"<0066>", b"<0072>").replace(b"<0031>", b"<0039>"))
    pdf.save(tmp_path / "embedded.pdf")
    text = text_of(tmp_path / "embedded.pdf")
    assert "92 percent" not in text
    assert "proft" not in text
    assert PRINTED in text


# ---- furniture


def with_lines(path: Path, pages: int, top: str, bottom: str) -> Path:
    places = ["north", "south", "east", "west", "coast", "hill", "river", "lake"]
    contents = []
    for n in range(pages):
        text = [
            f"The plant in the {places[(n + k) % 8]} sold {['pumps', 'valves', 'gauges'][k % 3]} to {places[(n + 2 * k) % 8]} towns."
            for k in range(9)
        ]
        values = {"n": n + 1, "x": f"{3.5 + n}", "y": f"{100.2 + 37 * n}", "m": pages}
        contents.append(
            f"{line(top.format(**values), 72, 800)}\n{body(*text)}\n{line(bottom.format(**values), 72, 40)}"
        )
    return write_pdf(path, contents)


@pytest.mark.parametrize(("top", "bottom", "kept"), [
    ("Revenue of unit {n} rose by {x} percent to {y} million dollars in 2024.", "Page {n} of {m}", "rose by"),
    ("Lanhai Annual Report 2024 {n}", "The loss of the region was {y} million dollars in the year.", "The loss of"),
])  # fmt: skip
def test_a_sentence_that_recurs_with_other_figures_is_no_header(tmp_path: Path, top: str, bottom: str, kept: str):
    text = text_of(with_lines(tmp_path / "recurs.pdf", 8, top, bottom))
    assert text.count(kept) == 8
    assert "Page 3" not in text
    assert "Annual Report" not in text


# ---- what a file is, and what little came of it


def test_a_form_and_a_portfolio_are_named(tmp_path: Path):
    form = write_pdf(tmp_path / "form.pdf", [body("Please wait...")], catalog="/AcroForm<</Fields[]/XFA[]>>")
    assert read(form).shells == ("XFA form",)
    pdf = pymupdf.open(form)
    pdf.embfile_add("report.pdf", form.read_bytes())
    pdf.xref_set_key(pdf.pdf_catalog(), "Collection", "<</View/D>>")
    pdf.save(tmp_path / "both.pdf")
    assert read(tmp_path / "both.pdf").shells == ("XFA form", "portfolio")


def test_the_summary_names_what_was_not_read_and_why_little_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    ciphered(tmp_path / "in" / "cipher.pdf", "caesar", pages=2)
    fonts = {"U": "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 10 0 R>>"}
    cipher = "\n".join(line(text, 72, 740 - 18 * n, font="U") for n, text in enumerate(SENTENCES))
    pages = [body(*SENTENCES), *[cipher] * 12]
    write_pdf(
        tmp_path / "in" / "few.pdf",
        pages,
        fonts=fonts,
        streams=[to_unicode(CIPHERS["caesar"])],
        catalog="/AcroForm<</XFA[]>>",
    )
    result = CliRunner().invoke(main, ["pdf2qa", "in", "--teacher", "offline", "--context", "passage", "--json"])
    notes = json.loads(result.stdout)["notes"]
    assert any(note.startswith("cipher.pdf: the text of 1 of 2 pages is not what they show (1)") for note in notes)
    assert any(note.startswith("few.pdf: it is an XFA form") for note in notes)
    assert "few.pdf: 1 passages to ask about on 13 pages are few: 12 pages were not read" in notes


# ---- OCR


def test_ocr_without_an_engine_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if find_spec("rapidocr"):
        pytest.skip("rapidocr is installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as error:
        read(ciphered(tmp_path / "cipher.pdf", "caesar"), ocr=True)
    assert "[ocr]" in (error.value.hint or "")
    assert "tesseract-ocr" in (error.value.hint or "")


@pytest.mark.parametrize("engine", ["tesseract", "rapidocr"])
def test_unreadable_and_half_scanned_pages_are_read_by_ocr(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
):
    if not (shutil.which("tesseract") if engine == "tesseract" else find_spec("rapidocr")):
        pytest.skip(f"{engine} is not installed")
    if engine == "rapidocr":
        monkeypatch.setenv("PATH", str(tmp_path))
    path = ciphered(tmp_path / "cipher.pdf", "caesar", pages=2)
    with pymupdf.open(path) as pdf:
        picture = pdf[1].get_pixmap(dpi=200).tobytes("png")
        half = pdf.new_page(width=595, height=842)
        half.insert_image((0, 40, 595, 842), stream=picture)
        half.insert_text((72, 30), "Lanhai Example Corp, Annual Report 2024, scanned in part")
        pdf.save(tmp_path / "scans.pdf")
    reading = ReadSettings(ocr=True, language="en")
    events = list(read_documents([InputFile(tmp_path / "scans.pdf", "scans.pdf")], reading, workers=1))
    document = events[-1]
    assert isinstance(document, Document)
    assert (document.ocr_pages, document.ocr_engine) == ((1, 3), engine)
    assert len(document.ocr_confidence) == 2
    assert min(document.ocr_confidence) > 0.7
    for page in (1, 3):
        text = " ".join(c.text[b.start : b.end] for c in document.chunks for b in c.blocks if b.page == page)
        assert all(sentence.replace(" ", "") in "".join(text.split()) for sentence in SENTENCES)
    said = [event.note for event in events if getattr(event, "note", "")]
    assert f"2 of 3 pages to read by OCR ({engine}), about" in said[0]
    assert f"2 pages read by OCR ({engine}) in" in said[1]


OCR_SAMPLE = (  # a statement's page of each
    "pdf_en/BOEING_2022_10K.pdf", "reports_more/Microsoft_Corporation.pdf", "reports_more/Commerzbank_Aktiengesellschaft.pdf",
    "pdf_zh/603339_四方科技_2019年报.pdf", "reports_zh/600519_贵州茅台_2021_年报.pdf", "reports_zh/600016_民生银行_2022_半年报.pdf",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("rapidocr"), reason="rapidocr is not installed")
def test_figures_of_statements_are_read_from_their_pictures(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Pages drawn at 150 dpi are read by rapidocr; what stands in their characters is the truth."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no tesseract
    found, missed, extra = 0, [], []
    for name in OCR_SAMPLE:
        with pymupdf.open(shared / name) as pdf, pymupdf.open() as scan:
            page = next(page for page in pdf if len(rows := rows_of(page)) > 15 and is_statement(page, rows))
            scan.new_page(width=page.rect.width, height=page.rect.height).insert_image(
                page.rect, stream=page.get_pixmap(dpi=150).tobytes("png")
            )
            scan.save(tmp_path / "scan.pdf")
            true = Counter(re.findall(r"\d[\d,]*\.?\d+", page.get_text()))
        document = read(tmp_path / "scan.pdf", ocr=True)
        seen = Counter(re.findall(r"\d[\d,]*\.?\d+", "\n".join(chunk.text for chunk in document.chunks)))
        assert document.ocr_pages == (1,)
        found += (true & seen).total()
        missed += (true - seen).elements()
        extra += (seen - true).elements()
    assert found / (found + len(missed)) >= 0.98, missed
    assert len(extra) <= 0.02 * found, extra
