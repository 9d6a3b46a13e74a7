"""In what a passage's amounts are counted: each way to say it once for many tables, and what no one says."""

from __future__ import annotations

import json
from pathlib import Path

import pymupdf
import pytest

from fingen.config import ReadSettings
from fingen.documents.parsed import read_page_parse
from fingen.documents.read import read_document
from fingen.prompts import read_template
from fingen.records import Chunk, Document
from fingen.tasks.documents import TASKS
from fingen.tasks.qa import ask_pairs, build_passage
from fingen.teachers.offline.extract import with_unit

CHECKED = Path(__file__).with_name("note_units.jsonl")  # read by a person; "": no unit, or one of its own
WORDS = "The group reviews this balance at each reporting date and measures it at the lower of cost and net realisable value."
LONG = [WORDS, "Management judges the recoverable amount by its plans for the next five years and by market rates.",
        "A change of these plans would change the balance in the year in which the plans are approved."]  # fmt: skip
ROWS = [
    ("", "2023", "2022"),
    ("Raw materials", "1,204", "1,180"),
    ("Finished goods", "8,620", "7,905"),
    ("Total", "9,824", "9,085"),
]
MONEY = [("", "2023", "2022"), ("Raw materials", "$1,204", "$1,180"), ("Finished goods", "8,620", "7,905")]
ZH_ROWS = [("项目", "期末余额", "期初余额"), ("原材料", "1,204.00", "1,180.00"), ("库存商品", "8,620.00", "7,905.00")]
ZH_TEXT = "公司于资产负债表日对存货进行全面清查，按照成本与可变现净值孰低提取或调整存货跌价准备，并计入当期损益。"

Line = str | list[tuple[str, ...]]


def make(path: Path, pages: list[list[Line]]) -> Document:
    """A report: "# " begins a heading, "~ " a line of small print, a list is a table."""
    pdf = pymupdf.open()
    for lines in pages:
        page, y = pdf.new_page(), 60.0
        for line in lines:
            y = _table(page, y, line) if isinstance(line, list) else _text(page, y, line)
    pdf.save(path)
    return read_document(path, path.name, ReadSettings(chunk_tokens=120))


def _text(page: pymupdf.Page, y: float, line: str) -> float:
    bold = line.startswith("# ")
    text = line.removeprefix("# ")
    font = "china-s" if max(text) > "ÿ" else "hebo" if bold else "helv"
    if len(text) < 100 and font != "china-s":
        page.insert_text((60, y), text, fontsize=13 if bold else 10, fontname=font)
        return y + 22
    box = pymupdf.Rect(60, y - 10, 540, y + 50)
    page.insert_textbox(box, text, fontsize=14 if bold else 10, fontname=font)
    return y + (26 if len(text) < 45 else 44)


def _table(page: pymupdf.Page, y: float, rows: list[tuple[str, ...]]) -> float:
    for row in rows:
        for cell, x in zip(row, (60, 360, 460), strict=True):
            font = "china-s" if max(cell, default="") > "ÿ" else "helv"
            left = x if x == 60 else x + 60 - pymupdf.get_text_length(cell, font, 10)
            page.insert_text((left, y), cell, fontsize=10, fontname=font)
        y += 16
    return y + 14


def holding(document: Document, text: str) -> Chunk:
    return next(chunk for chunk in document.chunks if text in chunk.text)


def units(document: Document, text: str) -> list[tuple[str, int]]:
    return [(unit.text, unit.page) for unit in holding(document, text).unit]


STATEMENT = [
    ("", "2023", "2022"),
    ("Revenue", "10,204", "9,180"),
    ("Cost of sales", "6,620", "5,905"),
    ("Profit", "3,584", "3,275"),
]
KINDS: dict[str, tuple[list[list[Line]], str, int]] = {
    "caption of the table": ([["# Inventories", WORDS, "(Dollars in millions, except per share data)", ROWS]],
                             "Dollars in millions, except per share data", 1),
    "sentence before the table": ([["# Inventories", "Inventories consist of the following (in thousands):", ROWS]], "in thousands", 1),
    "column headings": ([["# Inventories", WORDS, [("", "2023 £m", "2022 £m"), *ROWS[1:]]]], "£m", 1),
    "headings with an apostrophe": ([["# Inventories", WORDS, [("", "RMB'000", "RMB'000"), *ROWS[1:]]]], "RMB'000", 1),
    "table that goes on over the page": ([["# Inventories", WORDS, "US$ in thousands", ROWS], [ROWS[1:3], WORDS]], "US$ in thousands", 1),
    "head of the notes": (
        [["# Notes to the consolidated financial statements", "(Dollars in millions, except otherwise stated)",
          "# Note 1 - Summary of significant accounting policies", *LONG], ["# Note 2 - Inventories", WORDS, *LONG, MONEY]],
        "Dollars in millions, except otherwise stated", 1),
    "sentence on the statements": (
        [["# Basis of preparation", *LONG, "The consolidated financial statements are presented in thousands of euros, unless otherwise stated."],
         ["# Inventories", *LONG, ROWS]],
        "The consolidated financial statements are presented in thousands of euros, unless otherwise stated.", 1),
    "sentence on the whole report": (
        [["# Inventories", *LONG, ROWS], ["# Rounding", "Amounts in this report have been rounded to the nearest thousand dollars unless otherwise stated."]],
        "Amounts in this report have been rounded to the nearest thousand dollars unless otherwise stated.", 2),
    "statements, for their notes": (
        [["# Consolidated statements of operations", "(Dollars in millions)", STATEMENT],
         ["# Notes to consolidated financial statements", *LONG, MONEY]], "Dollars in millions", 1),
    "单位 of the table": ([["# 一、存货", ZH_TEXT, "单位：元 币种：人民币", ZH_ROWS]], "单位：元币种：人民币", 1),
    "单位 of the notes": ([["# 七、财务报表附注", "财务附注中报表的单位为：人民币元", ZH_TEXT], ["# 1、存货", ZH_TEXT, ZH_ROWS]],
                      "财务附注中报表的单位为：人民币元", 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_is_found_where_it_is_said_and_kept_with_its_page(tmp_path: Path, kind: str):
    pages, text, page = KINDS[kind]
    document = make(tmp_path / "report.pdf", pages)
    row = "库存商品" if "单位" in kind else "Finished goods"
    found = {
        unit.text.replace(" ", ""): unit.page for chunk in document.chunks if row in chunk.text for unit in chunk.unit
    }

    assert found == {text.replace(" ", ""): page}


def test_the_nearest_word_wins(tmp_path: Path):
    pages: list[list[Line]] = [
        ["# Notes to the consolidated financial statements", "(Dollars in millions, except otherwise stated)",
         "# Note 1 - Summary of significant accounting policies", *LONG],
        ["# Note 2 - Leases", *LONG, "(Dollars in thousands)", [("", "2023", "2022"), ("Lease cost", "$9,301", "$9,120")]],
        ["# Note 3 - Inventories", *LONG, MONEY],
    ]  # fmt: skip
    document = make(tmp_path / "report.pdf", pages)

    assert units(document, "Lease cost") == [("Dollars in thousands", 2)]
    assert units(document, "Finished goods") == [("Dollars in millions, except otherwise stated", 1)]


def test_what_no_one_states_is_said_to_be_unknown_and_what_needs_none_says_nothing(tmp_path: Path):
    pages: list[list[Line]] = [
        ["# Inventories", *LONG, MONEY],
        ["# Meetings", *LONG, [("", "Held", "Attended"), ("Board", "12", "11"), ("Audit committee", "4", "4")]],
        [
            "# Outlook",
            "Revenue grew by $8.6 billion and the dividend was $2.25 per share, which is the highest so far.",
            *LONG,
        ],
        [
            "# Claims",
            "The court awarded the plaintiff an amount of $8,620 which the company has paid in the year.",
            *LONG,
        ],
    ]
    document = make(tmp_path / "report.pdf", pages)

    assert units(document, "Finished goods") == [("", 0)]
    assert units(document, "Audit committee") == []
    assert units(document, "highest so far") == []
    assert units(document, "plaintiff") == [("", 0)]
    assert "unit" not in holding(document, "Audit committee").model_dump(), (
        "what is not there takes no room in chunks.jsonl"
    )
    assert Chunk.model_validate_json(holding(document, "plaintiff").model_dump_json()) == holding(document, "plaintiff")


NOTES: list[list[Line]] = [
    ["# Notes to the consolidated financial statements", "(Dollars in millions, except otherwise stated)",
     "# Note 1 - Summary of significant accounting policies", *LONG],
    ["# Note 2 - Litigation", "Reserves for litigation increased by $8,620 in 2023 because the company expects more claims on product liability in four states.",
     "The reserves cover claims on product liability, which Acme Corporation defends in four states of the country.",
     "Acme Corporation settled the largest of these claims in December 2023 by a payment that it had provided for."],
]  # fmt: skip


def test_prompt_and_offline_answer_say_the_unit_that_was_said_above(tmp_path: Path):
    document = make(tmp_path / "report.pdf", NOTES)
    passage = build_passage(document, holding(document, "$8,620"))
    request = ask_pairs((TASKS["summary"],), read_template("qa.en"), (passage,), most=1, teacher="offline")

    assert "Unit: Dollars in millions, except otherwise stated (page 1)\n" in request.prompt
    assert (
        with_unit("Reserves rose by $8,620.", passage)
        == "Reserves rose by $8,620. (Amounts: Dollars in millions, except otherwise stated.)"
    )
    for whole in ("Reserves rose by $8.6 billion.", "Reserves rose by $91,682,000 from $8,620,000."):
        assert with_unit(whole, passage) == whole


@pytest.mark.slow
def test_units_of_passages_of_real_notes_are_what_a_person_reads(shared: Path, parses: Path):
    expected = [json.loads(line) for line in CHECKED.read_text(encoding="utf-8").splitlines()]
    wrong = []
    documents: dict[str, Document] = {}
    for row in expected:
        path = shared / row["document"]
        document = documents.setdefault(row["document"], read_document(path, path.name, ReadSettings(), cache=parses))
        texts = {unit.text[:60] for chunk in document.chunks if holds(chunk, row) for unit in chunk.unit}
        if row["unit"] not in texts and (row["unit"] or texts):
            wrong.append((row, texts))

    assert len(expected) == 100
    assert len(wrong) <= 5, wrong


def holds(chunk: Chunk, row: dict[str, str]) -> bool:
    squeezed = "".join(chunk.text.replace("|", "").split())
    return row["page"] in chunk.pages and "".join(row["first"].split()) in squeezed


def test_a_report_that_another_tool_read_has_units_and_bases_too(tmp_path: Path):
    lines = [
        (1, "text", "合并资产负债表"), (1, "text", "单位：万元"),
        *((1, "excel", str(list(row))) for row in ZH_ROWS),
        (2, "text", ZH_TEXT),
    ]  # fmt: skip
    path = tmp_path / "parse.txt"
    rows = (json.dumps({"page": page, "type": kind, "inside": text}) for page, kind, text in lines)
    path.write_text("\n".join(rows), encoding="utf-8")
    first, second = read_page_parse(path).chunks

    assert ([(unit.text, unit.page) for unit in first.unit], second.unit) == ([("单位：万元", 1)], ())
    assert [(basis.kind, basis.page) for basis in first.basis] == [("consolidated", 1)]
