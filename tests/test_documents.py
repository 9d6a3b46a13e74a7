"""What a reader of the page reads is what stands in the chunks: whole sentences and rows, in order, with their place.

Small PDFs are drawn here, line by line, so that the test knows what they say; the sample in raw/ is checked against the
Markdown that it was made from.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.errors import UsageError
from fingen.records import Block, Chunk, Document, Period

RAW = Path(__file__).resolve().parent.parent / "raw"
SAMPLE = RAW / "sample_annual_report_2024.pdf"
WRITTEN = Path(__file__).resolve().parent / "sample"  # what it was made from
SCANNED = 15  # the page of the sample that is a picture
LEFT, RIGHT, TOP, BOTTOM = 72, 523, 90, 760
WIDTH, HEIGHT = 595, 842


# ---- reading


@pytest.fixture(scope="module")
def sample(parses: Path) -> Document:
    return read(SAMPLE, parses)


def read(path: Path, cache: Path | None = None, **reading: object) -> Document:
    return read_document(path, path.name, ReadSettings(**reading), cache=cache)  # type: ignore[arg-type]  # by name


def text_of(document: Document) -> str:
    return "\n".join(chunk.text for chunk in document.chunks)


def parts(document: Document, page: int | None = None, kind: str | None = None) -> list[str]:
    """The chunks' text block by block, in order."""
    return [
        chunk.text[block.start : block.end]
        for chunk, block in placed(document)
        if page in (None, block.page) and kind in (None, block.kind)
    ]


def placed(document: Document) -> Iterator[tuple[Chunk, Block]]:
    for chunk in document.chunks:
        for block in chunk.blocks:
            yield chunk, block


def table_lines(document: Document, page: int | None = None) -> list[str]:
    return [line for part in parts(document, page, "table") for line in part.splitlines()]


def fold(text: str) -> str:
    """Letters and digits: what is left when spaces, hyphens and the width of characters do not matter."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def flat(text: str) -> str:
    return " ".join(text.split())


def assert_in_order(pieces: Iterable[str], text: str) -> None:
    """Each piece stands in the text, whole, after the piece before it."""
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        assert found >= 0, f"{'out of order' if piece in text else 'not there as one piece'}: {piece!r}"
        at = found + len(piece)


# ---- drawing


class Paper:
    """A PDF in the making: text is set where the test says, one line at a time."""

    def __init__(self) -> None:
        self.pdf = pymupdf.open()
        self.page: pymupdf.Page = None  # type: ignore[assignment]  # there is none before the first new_page
        self.y = 0.0

    def new_page(self) -> None:
        self.page = self.pdf.new_page(width=WIDTH, height=HEIGHT)
        self.y = TOP

    def at(self, x: float, y: float, text: str, size: float = 10, *, bold: bool = False) -> None:
        self.page.insert_text((x, y), text, fontsize=size, fontname=font_of(text, bold=bold))

    def line(self, text: str, size: float = 10, *, bold: bool = False, x: float = LEFT) -> None:
        """One line in the text flow, on a new page where this one is full."""
        if not self.page or self.y > BOTTOM:
            self.new_page()
        self.at(x, self.y, text, size, bold=bold)
        self.y += 1.25 * size

    def lines(self, lines: Iterable[str], gap: float = 8) -> None:
        for line in lines:
            self.line(line)
        self.y += gap

    def paragraph(self, text: str, *, width: float = RIGHT - LEFT) -> None:
        self.lines(wrapped(text, width))

    def rows(self, rows: Sequence[Sequence[str]], columns: Sequence[float], *, ruled: bool) -> None:
        """A table: the first column starts at its edge, the others end at theirs; `columns` has one edge more than cells."""
        for row in rows:
            if self.y > BOTTOM:
                self.new_page()
            for index, cell in enumerate(row):
                right = columns[index + 1] - 4 - pymupdf.get_text_length(cell, font_of(cell), 9)
                self.at(right if index else columns[0] + 4, self.y, cell, 9)
                if ruled:
                    box = pymupdf.Rect(columns[index], self.y - 10, columns[index + 1], self.y + 5)
                    self.page.draw_rect(box, width=0.5)
            self.y += 15
        self.y += 8

    def save(self, path: Path, outline: list[list[object]] | None = None) -> Path:
        if outline:
            self.pdf.set_toc(outline)
        self.pdf.save(path)
        self.pdf.close()
        return path


def font_of(text: str, *, bold: bool = False) -> str:
    return "hebo" if bold else "helv" if text.isascii() else "china-s"


def wrapped(text: str, width: float, size: float = 10) -> list[str]:
    """Lines filled from the left: at spaces, or between any two characters of Chinese."""
    font = font_of(text)
    lines = [""]
    for atom in re.findall(r"\S+ ?" if text.isascii() else r"[!-~]+ ?|.", text):
        if lines[-1] and pymupdf.get_text_length((lines[-1] + atom).rstrip(), font, size) > width:
            lines.append("")
        lines[-1] += atom
    return [line.rstrip() for line in lines]


# ---- nothing is lost, nothing is cut


def markdown_sentences(name: str) -> tuple[list[str], list[str]]:
    """The sentences and the table rows of a source of the sample, in order; without the scanned page and the contents."""
    source = re.sub(r"<!-- scan -->.*?<!-- end -->", "", (WRITTEN / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    texts: list[str] = []
    rows: list[str] = []
    lines = source.replace("**", "").splitlines()
    for line, below in pairwise([*lines, ""]):
        if line.startswith("|"):
            if not re.fullmatch(r"[|-]+", line) and not re.fullmatch(r"\|[|-]+", below):
                rows.append(line)  # no column headings: they may stand in two rows
        elif line and not line.startswith("<!--"):
            texts += re.split(r"(?<=[.!?])\s+(?=[A-Z“])|(?<=[。！？；])", line.lstrip("# "))
    return [text for text in texts if fold(text)], rows


@pytest.mark.parametrize("name", ["sample_en.md", "sample_zh.md"])
def test_the_sample_reads_as_it_was_written(sample: Document, name: str):
    sentences, rows = markdown_sentences(name)
    assert len(sentences) > 100
    assert len(rows) > 50
    # Spaces around Chinese and at line ends are the layout's; hyphens and everything else must be as written.
    assert_in_order((squeezed(text) for text in sentences), squeezed(text_of(sample)))
    lines = {squeezed(line) for line in table_lines(sample)}
    assert [row for row in rows if squeezed(row.strip("|")) not in lines] == []


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u3000]+", "", text)


def test_every_word_of_the_sample_is_in_a_chunk_of_its_page(sample: Document):
    with pymupdf.open(SAMPLE) as pdf:
        for page in pdf:
            words = [w[4] for w in page.get_text("words") if page.number == 0 or (w[1] > 58 and w[3] < 795)]
            assert bool(words) == (page.number + 1 != SCANNED)
            there = fold(" ".join(parts(sample, page.number + 1)))
            assert [word for word in words if fold(word) not in there] == []
            assert Counter(fold("".join(words))) - Counter(there) == Counter()


def test_running_lines_of_the_sample_are_left_out(sample: Document):
    for page in range(2, sample.pages + 1):
        lines = [line for part in parts(sample, page) for line in part.splitlines()]
        assert not [
            line for line in lines if re.fullmatch(r"Page \d+|\d+ ?/ ?\d+|.*Co\., Ltd\. +Annual Report 2024", line)
        ]


def test_every_word_of_real_reports_is_in_a_chunk_of_its_page(shared: Path, parses: Path):
    """All but the margins, where running headers and page numbers stand, and the marks of footnotes."""
    words = lost = marks = 0
    for path in real_reports(shared):
        document = read(path, parses)
        unread = {*document.image_pages, *document.skipped_pages, *document.unreadable_pages}
        with pymupdf.open(path) as pdf:
            for page in pdf:
                height, width = page.rect.height, page.rect.width
                there = fold(" ".join(parts(document, page.number + 1)))
                for x0, y0, x1, y1, word, *_ in page.get_text("words"):
                    if (
                        y0 > 0.09 * height
                        and y1 < 0.91 * height
                        and x0 >= 0
                        and x1 <= width
                        and page.number + 1 not in unread
                    ):
                        words += 1
                        if fold(word) not in there:
                            bare = re.sub(r"\(?(?:\d{1,2}|[a-z])\)?$", "", word)
                            marks += fold(bare) in there
                            lost += fold(bare) not in there
    assert words > 300_000
    assert lost / words < 0.0005
    assert marks / words < 0.001


def real_reports(shared: Path) -> list[Path]:
    return [
        path
        for path in sorted(shared.glob("pdf_*/*.pdf"))
        if path.name != "scanned_image_only_mineru_small_ocr.pdf"  # no text: a typed error, see test_hostile
    ]


WORDS = st.sampled_from(
    "revenue cash margin growth demand order market plant customer supplier contract lease tax interest rate share debt"
    " 1,234.5 12% 2024 (loss) long-term".split()
)


@st.composite
def sentence(draw: st.DrawFn) -> str:
    words = draw(st.lists(WORDS, min_size=4, max_size=60))
    return f"{draw(st.sampled_from(['Our', 'The', 'This', 'Each']))} {' '.join(words)} rose."


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.lists(st.lists(sentence(), min_size=1, max_size=6), min_size=3, max_size=12), st.sampled_from([64, 128, 1024])
)
def test_sentences_of_one_column_come_out_whole_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, paragraphs: list[list[str]], budget: int
):
    paper = Paper()
    for paragraph in paragraphs:
        paper.paragraph(" ".join(paragraph))
    path = paper.save(tmp_path_factory.mktemp("column") / "column.pdf")
    document = read(path, chunk_tokens=budget)
    chunks = [flat(chunk.text) for chunk in document.chunks]
    at = 0
    for text in (text for paragraph in paragraphs for text in paragraph):
        while text not in chunks[at]:
            at += 1  # runs over the end where a sentence is cut, lost or too early
            assert at < len(chunks), text
    over = [chunk for chunk in document.chunks if chunk.tokens > budget]
    assert len(over) == document.oversize
    assert all(len(re.findall(r"rose\.", chunk.text)) == 1 for chunk in over)


def small_and_large(path: Path, parses: Path) -> tuple[Document, Document]:
    return read(path, parses, chunk_tokens=128), read(path, parses, chunk_tokens=4096)


def rows_of(document: Document) -> set[str]:
    """Rows of tables; lines of one cell are left out, since each piece of a table repeats its unit line."""
    return {line for line in table_lines(document) if " | " in line}


SMALL = ["sample", "pdf_en/BESTBUY_2023_10K.pdf", "pdf_zh/603339_四方科技_2019年报.pdf"]


@pytest.mark.parametrize("name", SMALL)
def test_small_chunks_cut_no_sentence_and_no_row(request: pytest.FixtureRequest, parses: Path, name: str):
    path = SAMPLE if name == "sample" else request.getfixturevalue("shared") / name
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    small, large = small_and_large(path, parses)
    assert sum(chunk.tokens > 128 for chunk in small.chunks) == small.oversize
    assert rows_of(small) == rows_of(large)
    whole = "\n".join(flat(part) for part in parts(large, kind="paragraph"))
    at = 0
    cut = []
    for part in map(flat, parts(small, kind="paragraph")):
        at = whole.index(part, at) + len(part)  # the same text in the same order
        if cuts_a_sentence(part, whole[at:]):
            cut.append(part)
    assert cut == []


def cuts_a_sentence(part: str, following: str) -> bool:
    """Whether what follows a part in the uncut text goes on with its last sentence."""
    if not following or following.startswith("\n"):
        return False  # the end of the paragraph
    ends = re.search(r"[.!?][\"”’)]*$|[。！？][”’」）]*$", part)
    numbered = re.fullmatch(r"\(?[\dA-Za-z]{1,2}[.)]", part.rsplit("\n", 1)[-1])  # "1." belongs to what it numbers
    return not ends or numbered is not None or following.lstrip()[0].islower()


def test_chunks_of_one_sentence_over_the_budget_are_counted(tmp_path: Path):
    paper = Paper()
    paper.paragraph("Our revenue " + "grew and grew " * 60 + "again.")
    paper.paragraph("The margin was stable. The order book was full.")
    document = read(paper.save(tmp_path / "long.pdf"), chunk_tokens=64)
    assert document.oversize == 1
    assert [chunk.tokens > 64 for chunk in document.chunks] == [True, False]


# ---- tables


TABLES = {
    "en": ("(in millions)", ["Item", "2024", "2023"], "Segment"),
    "zh": ("单位：元 币种：人民币", ["项目", "2024年", "2023年"], "分部"),
}


@pytest.mark.parametrize("ruled", [True, False], ids=["ruled", "unruled"])
@pytest.mark.parametrize("language", TABLES)
def test_a_table_continued_over_a_page_repeats_header_and_unit(tmp_path: Path, language: str, ruled: bool):
    unit, header, label = TABLES[language]
    rows = [
        [f"{label} {chr(65 + n // 26)}{chr(65 + n % 26)}", f"{1000 + 7 * n:,}.5", f"({900 + n}.0)"] for n in range(70)
    ]
    paper = Paper()
    paper.paragraph(
        "The table gives the revenue of each segment." if language == "en" else "下表列示各分部的营业收入情况。"
    )
    paper.line(unit)
    paper.y += 8
    paper.rows([header, *rows], [72, 260, 390, 523], ruled=ruled)
    document = read(paper.save(tmp_path / "table.pdf"))
    assert document.pages == 2
    lines = table_lines(document)
    for row in rows:
        assert [squeezed(line) for line in lines].count(squeezed(" | ".join(row))) == 1
    second = parts(document, 2, "table")
    assert len(second) == 1
    top = [squeezed(line) for line in second[0].splitlines()[:2]]
    assert top == [squeezed(unit), squeezed(" | ".join(header))]


def test_pieces_of_a_long_table_repeat_header_and_unit(tmp_path: Path):
    unit, header, label = TABLES["en"]
    paper = Paper()
    paper.line(unit)
    paper.y += 8
    rows = [[f"{label} {chr(65 + n)}", f"{1000 + n:,}", f"{900 + n}"] for n in range(25)]
    paper.rows([header, *rows], [72, 260, 390, 523], ruled=True)
    document = read(paper.save(tmp_path / "table.pdf"), chunk_tokens=64)
    pieces = parts(document, kind="table")
    assert len(pieces) > 2
    assert all(piece.splitlines()[:2] == [unit, "Item | 2024 | 2023"] for piece in pieces[1:])


@pytest.mark.parametrize(("page", "unit", "header"), [
    (9, "(in millions of RMB, except per share data)", "At December 31, | 2024 | 2023"),
    (17, "单位：元 币种：人民币", "项目 | 附注 | 期末余额 | 期初余额"),
])  # fmt: skip
def test_tables_of_the_sample_go_on_with_header_and_unit(sample: Document, page: int, unit: str, header: str):
    first, second = parts(sample, page, "table")[0].splitlines()[:2]
    assert squeezed(first).endswith(squeezed(unit))
    assert second == header


@pytest.mark.parametrize("ruled", [True, False], ids=["ruled", "unruled"])
def test_labels_over_two_lines_stay_with_their_figures(tmp_path: Path, ruled: bool):
    paper = Paper()
    paper.new_page()
    paper.at(76, 100, "Item", 9)
    for x, year in ((360, "2024"), (490, "2023")):
        paper.at(x, 100, year, 9)
    figures = [("1,234", "1,108"), ("(96)", "88"), ("1,138", "1,196")]
    labels = [
        ("Total remuneration", "for non-audit services"),
        ("Loss from equity-accounted", "investees, net of tax"),
        ("Total", ""),
    ]
    for n, ((upper, lower), (a, b)) in enumerate(zip(labels, figures, strict=True)):
        y = 120 + 30 * n
        paper.at(76, y, upper, 9)
        paper.at(76, y + 10, lower, 9)
        paper.at(360, y + 5 if lower else y, a, 9)
        paper.at(490, y + 5 if lower else y, b, 9)
    if ruled:
        for y in (88, 108, 138, 168, 198):
            paper.page.draw_line((72, y), (523, y))
        for x in (72, 300, 420, 523):
            paper.page.draw_line((x, 88), (x, 198))
    lines = table_lines(read(paper.save(tmp_path / "labels.pdf")))
    assert "Total remuneration for non-audit services | 1,234 | 1,108" in lines
    assert "Loss from equity-accounted investees, net of tax | (96) | 88" in lines
    assert "Total | 1,138 | 1,196" in lines


def test_narrow_column_headings_stay_apart(sample: Document):
    """Seven columns on one page: "Change", "Gross profit" and "Gross profit" stand close together, over three columns."""
    (table,) = (part for part in parts(sample, 5, "table") if "Industrial sensors" in part)
    rows = [row.split(" | ") for row in table.splitlines()]
    first = next(n for n, row in enumerate(rows) if row[0] == "Coordinate measuring systems")
    columns = range(len(rows[first]))
    heading = [" ".join(row[column] for row in rows[:first] if row[column]) for column in columns]
    assert heading == [
        "Segment",
        "Revenue 2024",
        "Revenue 2023",
        "Change",
        "Gross profit 2024",
        "Gross profit 2023",
        "Margin 2024",
    ]


def test_a_table_without_outer_borders_keeps_its_outer_columns(tmp_path: Path):
    """Chinese reports draw the lines between columns, but not at the left and right edge of the table."""
    paper = Paper()
    paper.new_page()
    edges = [72, 200, 310, 420, 523]
    rows = [["项目", "账面价值", "1年以内", "3年以上"], ["短期借款", "200,222.59", "200,706.34", "17,876.37"],
            ["应付账款", "65,042.78", "65,042.78", "6,949.52"], ["小计", "265,265.37", "265,749.12", "24,825.89"]]  # fmt: skip
    for n, row in enumerate(rows):
        y = 120 + 18 * n
        for x, cell in zip(edges, row, strict=False):
            paper.at(x + 8, y, cell, 9)
    for y in range(107, 107 + 18 * 5, 18):
        paper.page.draw_line((72, y), (523, y))
    for x in edges[1:-1]:
        paper.page.draw_line((x, 107), (x, 107 + 18 * 4))
    lines = table_lines(read(paper.save(tmp_path / "open.pdf")))
    assert lines == [" | ".join(row) for row in rows]


def test_shaded_columns_do_not_part_a_table(tmp_path: Path):
    """American reports shade or frame the figures of a year; the labels stand outside of that frame."""
    paper = Paper()
    paper.new_page()
    rows = [("Sales of products", "$55,893", "$51,386", "$47,142"), ("Sales of services", "10,715", "10,900", "11,016"),
            ("Total revenues", "66,608", "62,286", "58,158"), ("Cost of products", "(53,969)", "(49,954)", "(54,568)")]  # fmt: skip
    for n, row in enumerate(rows):
        y = 120 + 14 * n
        paper.at(72, y, row[0], 9)
        for right, cell in zip((380, 450, 520), row[1:], strict=True):
            paper.at(right - pymupdf.get_text_length(cell, "helv", 9), y, cell, 9)
        if n < 3:  # frames around the later years' cells only
            for x in (384, 454, 524):
                paper.page.draw_line((x, y - 10), (x, y + 4))
            paper.page.draw_line((72, y + 4), (524, y + 4))
    assert table_lines(read(paper.save(tmp_path / "shaded.pdf"))) == [" | ".join(row) for row in rows]


def test_what_stands_between_two_tables_is_no_row(tmp_path: Path):
    """A sentence that leads over to the next table, however it ends, and the heading of the next note."""
    lead = "At December 31, 2024, future principal and interest payments for debt are as follows (in thousands):"
    header = ["Item", "2024", "2023"]
    columns = [72, 260, 390, 523]
    paper = Paper()
    paper.new_page()
    paper.rows(
        [header, ["Senior notes", "460,038", "641,276"], ["Total debt", "999,053", "1,090,627"]], columns, ruled=False
    )
    paper.line(lead, 9)
    paper.y += 3
    paper.rows(
        [["Year", "Principal", "Interest"], ["2025", "550,000", "30,902"], ["2026", "460,038", "63,830"]],
        columns,
        ruled=False,
    )
    paper.line("15. TRADE AND OTHER PAYABLES", 12, bold=True)
    paper.rows(
        [header, ["Trade payables", "31,649", "56,083"], ["Accrued expense", "74,583", "270,833"]], columns, ruled=False
    )
    document = read(paper.save(tmp_path / "between.pdf"))
    assert lead in parts(document, kind="paragraph")
    assert "15. TRADE AND OTHER PAYABLES" in parts(document, kind="heading")
    assert {"Total debt | 999,053 | 1,090,627", "2026 | 460,038 | 63,830", "Accrued expense | 74,583 | 270,833"} <= set(
        table_lines(document)
    )


# ---- running lines, broken words, columns


def filler(n: int) -> list[str]:
    """Paragraphs that no two pages share, not even with their digits masked."""
    names = ["Ningbo", "Suzhou", "Chengdu", "Wuhan", "Hefei", "Tianjin", "Xiamen", "Dalian", "Qingdao", "Harbin"]
    return [
        f"The plant in {names[n % 10]} delivered {137 * (n + 1) + 11 * k} machines in its {n + k + 21}th year of operation, and"
        f" the largest share of {19 + n + k} percent of all of them went to customers in {names[(n + k + 1) % 10]}."
        for k in range(5)
    ]


def test_headers_footers_and_page_numbers_are_removed(tmp_path: Path):
    paper = Paper()
    for n in range(8):
        paper.new_page()
        paper.at(LEFT, 40, "Lanhai Holdings plc", 8)
        paper.at(400, 40, "Annual Report 2024" if n % 2 else "Strategic report", 8)
        paper.at(290, 815, f"Page {n + 1} of 8", 8)
        for text in filler(n):
            paper.paragraph(text)
    text = text_of(read(paper.save(tmp_path / "running.pdf")))
    assert "Lanhai Holdings" not in text
    assert "Annual Report 2024" not in text
    assert "Page " not in text
    assert_in_order([part for n in range(8) for part in filler(n)], flat(text))


def test_bare_page_numbers_are_removed_and_figures_are_not(tmp_path: Path):
    paper = Paper()
    for n in range(6):
        paper.new_page()
        paper.at(295, 815, str(41 + n), 9)
        for text in filler(n)[: 2 + n % 3]:
            paper.paragraph(text)
        paper.line(str(7003 + n * 31))  # a last line that is a number, but not the page's
    lines = text_of(read(paper.save(tmp_path / "numbers.pdf"))).splitlines()
    assert not set(lines) & {str(41 + n) for n in range(6)}
    assert {str(7003 + n * 31) for n in range(6)} <= set(lines)


def test_unit_lines_at_the_top_of_pages_are_kept(tmp_path: Path):
    """单位：元 comes back at the same place of many pages, but it belongs to the table below it."""
    paper = Paper()
    for n in range(12):
        paper.new_page()
        paper.at(300, 40, "蓝海精密2024年年度报告全文", 8)
        paper.at(480, 82, "单位：元", 9)
        paper.y = 104
        paper.rows([["项目", f"{2024 - n}年", f"{2023 - n}年"], ["营业收入", f"{n + 1},234.50", f"{n + 2},108.20"],
                    ["营业成本", f"{n + 3},678.70", f"{n + 4},623.80"]], [72, 260, 390, 523], ruled=True)  # fmt: skip
        paper.paragraph(
            f"第{n + 1}期的营业收入与营业成本均按照企业会计准则的规定确认，与上一年度相比没有发生重大变化。"
        )
    document = read(paper.save(tmp_path / "units.pdf"))
    text = text_of(document)
    assert "年度报告全文" not in text
    assert [page for page in range(1, 13) if "单位：元" not in "\n".join(parts(document, page))] == []


def test_broken_words_are_joined_and_compounds_kept(tmp_path: Path):
    paper = Paper()
    paper.paragraph("Our long-term debt is small. The manufacturing plant is new. We report year-to-date figures.")
    paper.lines(["The Group spent more on the manufac-", "turing of sensors, and it repaid all of its long-",
                 "term debt before the end of the year, so that year-to-", "date interest was lower than in the compar-",
                 "ative period."])  # fmt: skip
    text = flat(text_of(read(paper.save(tmp_path / "broken.pdf"))))
    assert "spent more on the manufacturing of sensors, and it repaid all of its long-term debt before" in text
    assert "year-to-date interest was lower than in the comparative period." in text


def test_a_sentence_broken_by_a_page_is_joined_where_lines_are_ragged(tmp_path: Path):
    """The last line of a page ends well before the margin, because the next word is a long one."""
    paper = Paper()
    paper.new_page()
    for text in filler(0):
        paper.paragraph(text)
    paper.lines(
        [
            "The increase was caused by higher prices of raw materials, of energy and of transport. If these costs",
            "rise at any of our",
        ]
    )
    paper.new_page()
    paper.lines(["telecommunication-equipment plants again, the margin will be lower than it was in the year before."])
    for text in filler(3):
        paper.paragraph(text)
    assert "If these costs rise at any of our telecommunication-equipment plants again, the margin" in flat(
        text_of(read(paper.save(tmp_path / "ragged.pdf")))
    )


BROKEN_BY_PAGES = {
    "pdf_en/BOEING_2022_10K.pdf": [
        "If production rate changes at any of our commercial aircraft assembly facilities are delayed",
        "We also could suffer reputational harm if allegations of impropriety",
        "In addition, we are subject to extensive regulation under the laws of the Un",
        "When actual contract costs and the estimate to complete exceed total estimated contract rev",
    ],
    "pdf_en/ERC_Ziff_Davis_2022_10K_mixed_image_pages.pdf": [
        "These may in turn subject us to claims, judgments, monetary liabilities",
        "compete with traditional print and broadcast media companies",
    ],
    "pdf_zh/002099_海翔药业_2019年报.pdf": ["《关于回购注销已离职激励对象所持已获授但尚未解锁的限制性股票的议案》"],
}


@pytest.mark.parametrize("name", BROKEN_BY_PAGES)
def test_sentences_broken_by_pages_of_real_reports_are_joined(shared: Path, parses: Path, name: str):
    path = shared / name
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    chunks = [flat(chunk.text) for chunk in read(path, parses).chunks]
    assert [text for text in BROKEN_BY_PAGES[name] if not any(text in chunk for chunk in chunks)] == []


def test_a_word_broken_by_a_page_is_joined(tmp_path: Path):
    paper = Paper()
    paper.new_page()
    for n in range(3):
        paper.paragraph(filler(n)[0])
    paper.lines(["Measured against the plan, the cash that was generated by the divisions in Europe and Asia was con-"])
    paper.new_page()
    paper.lines(["siderable, and the Board therefore proposes a dividend that is higher than in the year before."])
    for n in range(3, 6):
        paper.paragraph(filler(n)[0])
    text = flat(text_of(read(paper.save(tmp_path / "pages.pdf"))))
    assert "in Europe and Asia was considerable, and the Board therefore" in text


@pytest.mark.parametrize("split", [False, True], ids=["a page", "two pages"])
@pytest.mark.parametrize(
    "aside",
    [
        [("“Our people carried us", 18), ("through a hard year.”", 18)],
        [("A new plant in Lhasa", 8)],
        [("$400m", 20), ("of assets under management", 8), ("14 offices", 20)],
    ],
    ids=["a quotation", "a caption", "figures"],
)
def test_a_sentence_goes_on_past_what_is_set_into_it(tmp_path: Path, aside: list[tuple[str, float]], split: bool):
    paper = Paper()
    paper.new_page()
    paper.paragraph(filler(0)[0])
    paper.lines(
        ["Measured against the plan, the cash that was generated by the divisions in Europe and in Asia was much"]
    )
    if split:
        paper.new_page()
    for text, size in aside:
        paper.y += size
        paper.line(text, size)
        paper.y += 12
    paper.lines(["higher than in the year before, and the Board therefore proposes a dividend of four pence."])
    paper.y += 8
    paper.paragraph(filler(3)[0])
    text = flat(text_of(read(paper.save(tmp_path / "aside.pdf"))))
    whole = "in Europe and in Asia was much higher than in the year before, and the Board"
    assert_in_order([whole, *(words for words, _ in aside), flat(filler(3)[0])], text)


def test_a_sentence_that_goes_on_in_another_size_keeps_its_order(tmp_path: Path):
    paper = Paper()
    paper.new_page()
    paper.paragraph(filler(0)[0])
    paper.lines(
        ["Measured against the plan, the cash that was generated by the divisions in Europe and in Asia was much"], 2
    )
    paper.line("higher than it was planned to be and stood", 12)
    paper.lines(["above that of the year before, and the Board therefore proposes a dividend of four pence a share."])
    paper.paragraph(filler(3)[0])
    text = flat(text_of(read(paper.save(tmp_path / "sizes.pdf"))))
    assert "in Asia was much higher than it was planned to be and stood above that of the year before" in text


def test_a_line_of_another_size_between_whole_sentences_stays_where_it_is(tmp_path: Path):
    paper = Paper()
    paper.new_page()
    paper.paragraph(filler(0)[0])
    paper.line("“It was a hard year.”", 18)
    paper.y += 8
    paper.paragraph(filler(3)[0])
    text = flat(text_of(read(paper.save(tmp_path / "whole.pdf"))))
    assert_in_order([flat(filler(0)[0]), "“It was a hard year.”", flat(filler(3)[0])], text)


def test_chinese_lines_are_joined_without_a_space(tmp_path: Path):
    text = (
        "公司主要从事精密测量仪器的研发、生产和销售，产品包括三坐标测量机、光学检测设备以及工业传感器，广泛应用于汽车、航空航天和电子等行业。"
        "报告期内，公司实现营业收入1,234.00百万元，同比增长11.4%，其中LanMetric软件平台的收入占比持续提高。"
    )
    paper = Paper()
    paper.paragraph(text)
    paper.paragraph(
        "本公司董事会认为，上述事项不会对公司的持续经营能力产生重大不利影响，敬请广大投资者注意投资风险并谨慎决策。"
    )
    assert text in text_of(read(paper.save(tmp_path / "zh.pdf")))


def test_two_columns_are_read_one_after_the_other(tmp_path: Path):
    left, right = filler(1), filler(4)
    paper = Paper()
    paper.new_page()
    paper.line("Report of the directors on the business of the Group in the year 2024", 16, bold=True)
    paper.y += 10
    top = paper.y
    for x, texts in ((LEFT, left), (305, right)):
        paper.y = top
        for text in texts:
            for line in wrapped(text, 215):
                paper.line(line, x=x)
            paper.y += 8
    assert_in_order([*left, *right], flat(text_of(read(paper.save(tmp_path / "columns.pdf")))))


def test_a_table_below_two_columns_is_read_across(tmp_path: Path):
    left, right = filler(1)[:3], filler(4)[:3]
    rows = [
        ["Region", "2024", "2023"],
        ["Mainland China", "938.0", "867.0"],
        ["Other countries", "296.0", "241.0"],
        ["Total", "1,234.0", "1,108.0"],
    ]
    paper = Paper()
    paper.new_page()
    for x, texts in ((LEFT, left), (305, right)):
        paper.y = TOP
        for text in texts:
            for line in wrapped(text, 215):
                paper.line(line, x=x)
            paper.y += 8
    paper.y += 14
    paper.line("Revenue by region (in millions)")
    paper.y += 6
    paper.rows(rows, [72, 330, 430, 523], ruled=False)
    document = read(paper.save(tmp_path / "below.pdf"))
    assert_in_order([*left, *right, "Revenue by region"], flat(text_of(document)))
    assert set(table_lines(document)) >= {" | ".join(row) for row in rows}


# ---- sections


def sectioned(headings: Sequence[tuple[str, float, bool]]) -> Paper:
    """Each heading (text, size, bold) over two paragraphs of its own."""
    paper = Paper()
    paper.new_page()
    for n, (text, size, bold) in enumerate(headings):
        paper.y += 6
        paper.line(text, size, bold=bold)
        paper.y += 4
        if text.isascii():
            paper.paragraph(filler(n)[0])
            paper.paragraph(f"Section body {n} ends here.")
        else:
            paper.paragraph(
                f"本节第{n}部分说明报告期内公司的经营情况、主要风险以及公司为应对这些风险所采取的各项措施和取得的成效。"
            )
            paper.paragraph(f"本节正文{n}到此结束。")
    return paper


def section_with(document: Document, text: str) -> tuple[str, ...]:
    return next(chunk.section for chunk in document.chunks if text in chunk.text)


def test_section_paths_come_from_the_outline(tmp_path: Path):
    titles = ["Strategic report", "Our markets", "Europe and Asia", "Governance"]
    outline: list[list[object]] = [[1, titles[0], 1], [2, titles[1], 1], [3, titles[2], 1], [1, titles[3], 1]]
    paper = sectioned([(title, 10, False) for title in titles])  # they look like text: only the outline knows
    document = read(paper.save(tmp_path / "outline.pdf", outline), chunk_tokens=64)
    assert section_with(document, "Section body 0") == ("Strategic report",)
    assert section_with(document, "Section body 1") == ("Strategic report", "Our markets")
    assert section_with(document, "Section body 2") == ("Strategic report", "Our markets", "Europe and Asia")
    assert section_with(document, "Section body 3") == ("Governance",)


def test_section_paths_come_from_numbering_and_weight(tmp_path: Path):
    document = read(
        sectioned([
            ("PART II", 12, True),
            ("Item 7. Management's Discussion and Analysis", 12, True),
            ("Liquidity", 10, True),
            ("Item 8. Financial Statements", 12, True),
            ("Note 1 - Basis of presentation", 10, True),
        ]).save(tmp_path / "items.pdf"),
        chunk_tokens=64,
    )  # fmt: skip
    item = "Item 7. Management's Discussion and Analysis"
    assert section_with(document, "Section body 1") == ("PART II", item)
    assert section_with(document, "Section body 2") == ("PART II", item, "Liquidity")
    assert section_with(document, "Section body 3") == ("PART II", "Item 8. Financial Statements")
    assert section_with(document, "Section body 4")[-1] == "Note 1 - Basis of presentation"


def test_chinese_section_paths_come_from_numbering(tmp_path: Path):
    headings = ["第三节 公司业务概要", "一、主要业务", "（一）经营模式", "第四节 经营情况讨论与分析", "一、概述"]
    document = read(sectioned([(text, 12, False) for text in headings]).save(tmp_path / "zh.pdf"), chunk_tokens=64)
    folded = [squeezed(text) for text in headings]
    assert [squeezed(title) for title in section_with(document, "本节正文2")] == folded[:3]
    assert [squeezed(title) for title in section_with(document, "本节正文4")] == folded[3:]


def test_no_section_lies_in_itself(shared: Path, parses: Path):
    """A title that the outline names and the page repeats is one section."""
    twice = {
        (path.name, chunk.section)
        for path in real_reports(shared)
        for chunk in read(path, parses).chunks
        if len({fold(title) for title in chunk.section}) < len(chunk.section)
    }
    assert not twice


def test_headings_over_two_lines_are_one(tmp_path: Path):
    """A title is set with more space between its lines than the text below it."""
    title = "Declarations of the Chief Executive Officer and of the Chief Financial Officer on the financial statements"
    paper = Paper()
    paper.new_page()
    for line in wrapped(title, RIGHT - LEFT - 20, 16):
        paper.line(line, 16, bold=True)
        paper.y += 3
    paper.y += 6
    for n, text in enumerate(filler(0)):
        paper.paragraph(text)
        if n == 2:
            paper.line("Rounding off", 16, bold=True)
            paper.y += 6
    headings = parts(read(paper.save(tmp_path / "headings.pdf")), kind="heading")
    assert headings == [title, "Rounding off"]


def test_the_first_line_of_a_paragraph_at_the_foot_of_a_page_is_no_heading(tmp_path: Path):
    """Larger than most of the text, because most of the text is in tables."""
    sentence = "公司第四届董事会第二十六次会议审议通过了《关于回购注销已离职激励对象所持已获授但尚未解锁的限制性股票的议案》，独立董事发表了同意的意见。"
    lines = wrapped(sentence, RIGHT - LEFT, 12)
    paper = Paper()
    for n in range(2):
        paper.new_page()
        rows = [
            [f"{label}{n}{k}", f"{k + 11},234.50", f"{k + 12},108.20"]
            for k, label in enumerate("甲乙丙丁戊己庚辛壬癸" * 2)
        ]
        if n == 0:
            paper.rows([["项目", "2024年", "2023年"], *rows], [72, 260, 390, 523], ruled=True)
            paper.at(LEFT, 700, lines[0], 12)
        else:
            for k, line in enumerate(lines[1:]):
                paper.at(LEFT, 90 + 15 * k, line, 12)
            paper.y = 160
            paper.rows([["项目", "2024年", "2023年"], *rows], [72, 260, 390, 523], ruled=True)
    document = read(paper.save(tmp_path / "foot.pdf"))
    assert sentence in text_of(document)


def test_footnotes_are_no_headings(tmp_path: Path):
    paper = Paper()
    paper.new_page()
    for text in filler(0):
        paper.paragraph(text)
    for note in (
        "(1) Includes Foreign Military Sales through the U.S. Government",
        "(2) Excludes U.S. Government contracts",
    ):
        paper.line(note, 8)
        paper.y += 6
    assert parts(read(paper.save(tmp_path / "notes.pdf")), kind="heading") == []


# ---- where a block stands


def wrong_boxes(path: Path, document: Document) -> tuple[list[tuple[int, str]], int]:
    """Blocks whose text is not inside their box on their page, and how many blocks there are."""
    wrong = []
    count = 0
    with pymupdf.open(path) as pdf:
        for chunk, block in placed(document):
            count += 1
            x0, y0, x1, y1 = block.box
            page = pdf[block.page - 1]
            text = chunk.text[block.start : block.end]
            if block.kind == "table":  # header and unit may be repeated from another page; the last row is its own
                text = text.splitlines()[-1]
            inside = page.get_text("text", clip=pymupdf.Rect(x0 - 2, y0 - 2, x1 + 2, y1 + 2))
            if Counter(fold(text)) - Counter(fold(inside)):
                wrong.append((block.page, text[:60]))
    return wrong, count


def test_boxes_of_the_sample_hold_their_text(sample: Document):
    assert wrong_boxes(SAMPLE, sample)[0] == []


@pytest.mark.parametrize(
    "name",
    ["pdf_en/BOEING_2022_10K.pdf", "pdf_en/ERC_OFX_Group_2022_AR_multicol.pdf", "pdf_zh/603339_四方科技_2019年报.pdf"],
)
def test_boxes_of_real_reports_hold_their_text(shared: Path, parses: Path, name: str):
    wrong, count = wrong_boxes(shared / name, read(shared / name, parses))
    assert count > 500
    assert len(wrong) < 0.005 * count, wrong


def test_blocks_tell_where_their_text_is(sample: Document):
    for chunk, block in placed(sample):
        assert 0 <= block.start < block.end <= len(chunk.text)
        assert chunk.first_page <= block.page <= chunk.last_page
        assert 0 <= block.box[0] < block.box[2] <= WIDTH
        assert 0 <= block.box[1] < block.box[3] <= HEIGHT
    for chunk in sample.chunks:
        assert [block.start for block in chunk.blocks] == sorted(block.start for block in chunk.blocks)
        assert all(a.end <= b.start for a, b in zip(chunk.blocks, chunk.blocks[1:], strict=False))


# ---- whose report it is


# Written down from the title pages: company, kind of period and its end, language.
IDENTITY = {
    "BESTBUY_2023_10K.pdf": ("Best Buy Co., Inc.", "annual", "2023-01-28", "en"),
    "BOEING_2022_10K.pdf": ("The Boeing Company", "annual", "2022-12-31", "en"),
    "ERC_Galileo_Resources_AR_multicol.pdf": ("Galileo Resources Plc", "annual", "2022-03-31", "en"),
    "ERC_Incyte_AR.pdf": ("Incyte Corporation", "annual", "2022-12-31", "en"),
    "ERC_OFX_Group_2022_AR_multicol.pdf": ("OFX Group Limited", "annual", "2022-03-31", "en"),
    "ERC_Ziff_Davis_2022_10K_mixed_image_pages.pdf": ("Ziff Davis, Inc.", "annual", "2022-12-31", "en"),
    "MGMRESORTS_2022Q4_EARNINGS.pdf": ("MGM Resorts International", "annual", "2022-12-31", "en"),
    "ULTABEAUTY_2023Q4_EARNINGS.pdf": ("Ulta Beauty, Inc.", "annual", "2023-01-28", "en"),
    "002099_海翔药业_2019年报.pdf": ("浙江海翔药业股份有限公司", "annual", "2019-12-31", "zh"),
    "603339_四方科技_2019年报.pdf": ("四方科技集团股份有限公司", "annual", "2019-12-31", "zh"),
    "derived_scan_mixed_海翔药业_p6-11.pdf": ("浙江海翔药业股份有限公司", "annual", "2019-12-31", "zh"),
}


@pytest.mark.parametrize("name", IDENTITY)
def test_company_period_and_language_are_found(shared: Path, parses: Path, name: str):
    path = next(shared.glob(f"pdf_*/{name}"), None)
    if path is None:
        pytest.skip(f"{name} is not in {shared}")
    document = read(path, parses)
    company, kind, end, language = IDENTITY[name]
    assert (document.company, document.language) == (company, language)
    assert (document.period.kind, document.period.end) == (kind, end)


@pytest.mark.parametrize(
    ("name", "english"),
    [
        ("002099_海翔药业_2019年报.pdf", "Zhejiang Hisoar Pharmaceutical"),
        ("603339_四方科技_2019年报.pdf", "Square Technology Group"),
    ],
)
def test_english_name_of_a_chinese_company_is_its_own(shared: Path, parses: Path, name: str, english: str):
    """公司的外文名称 stands in the company profile; a customer that the report mentions is somebody else."""
    path = shared / "pdf_zh" / name
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    found = read(path, parses).names.get("en", "")
    assert found.casefold().startswith(english.casefold())


def test_the_sample_is_known_by_both_names(sample: Document):
    assert sample.language == "zh"
    assert sample.names == {"en": "Lanhai Precision Instruments Co., Ltd.", "zh": "蓝海精密仪器股份有限公司"}
    assert sample.period == Period(kind="annual", end="2024-12-31")
    assert {chunk.language for chunk in sample.chunks if chunk.first_page > 1 and chunk.last_page < 10} == {"en"}
    assert {chunk.language for chunk in sample.chunks if chunk.first_page > 9} == {"zh"}


def report(path: Path) -> Path:
    paper = Paper()
    paper.line("Example Widgets Inc.", 20, bold=True)
    paper.line("Annual report for the fiscal year ended June 30, 2021")
    paper.paragraph(filler(0)[0])
    return paper.save(path)


def test_documents_yaml_overrides_what_was_found(tmp_path: Path):
    path = report(tmp_path / "report.pdf")
    found = read(path)
    assert (found.company, found.period.end) == ("Example Widgets Inc.", "2021-06-30")
    (tmp_path / "documents.yaml").write_text(
        'report.pdf: {company: "示例股份有限公司", period: {kind: half-year, end: "2022-06-30"}, language: zh}\n'
        "another.pdf: {company: Another Ltd}\n",
        encoding="utf-8",
    )
    stated = read(path)
    assert (stated.company, stated.language) == ("示例股份有限公司", "zh")
    assert stated.period == Period(kind="half-year", end="2022-06-30")


@pytest.mark.parametrize(
    "yaml",
    [
        "report.pdf: [",
        "report.pdf: {compny: X}",
        "report.pdf: {period: {kind: weekly}}",
        "- report.pdf",
        "report.pdf: X",
    ],
)
def test_a_broken_documents_yaml_is_named(tmp_path: Path, yaml: str):
    path = report(tmp_path / "report.pdf")
    (tmp_path / "documents.yaml").write_text(yaml, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "documents.yaml"))) as caught:
        read(path)
    assert caught.value.hint


# ---- the cache


class Counted:
    """Counts the pages that are parsed."""

    def __init__(self) -> None:
        self.pages = 0

    def __call__(self, page: int, pages: int) -> bool:
        self.pages += page > 0  # 0: all are read
        return True


def pages_parsed(path: Path, cache: Path, reading: ReadSettings = ReadSettings()) -> tuple[int, Document]:  # noqa: B008  # frozen
    counted = Counted()
    document = read_document(path, path.name, reading, cache=cache, started=counted)
    return counted.pages, document


def test_a_second_reading_comes_from_the_cache(tmp_path: Path):
    path = report(tmp_path / "report.pdf")
    first, document = pages_parsed(path, tmp_path / "cache")
    again, same = pages_parsed(path, tmp_path / "cache")
    assert (first, again) == (1, 0)
    assert same == document
    assert read(path) == document  # and a reading without a cache says the same


def test_another_budget_uses_the_same_parse(tmp_path: Path):
    path = report(tmp_path / "report.pdf")
    pages_parsed(path, tmp_path / "cache")
    assert pages_parsed(path, tmp_path / "cache", ReadSettings(chunk_tokens=128))[0] == 0


def test_another_file_of_the_same_name_is_read_anew(tmp_path: Path):
    path = report(tmp_path / "report.pdf")
    pages_parsed(path, tmp_path / "cache")
    shutil.copy(SAMPLE, path)
    assert pages_parsed(path, tmp_path / "cache")[0] == 18


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "a list", "an object", "a block"])
def test_a_broken_cache_file_is_read_anew(tmp_path: Path, damage: str):
    path = report(tmp_path / "report.pdf")
    _, document = pages_parsed(path, tmp_path / "cache")
    (stored,) = (file for file in (tmp_path / "cache").rglob("*") if file.is_file())
    whole = stored.read_bytes()
    stored.write_bytes({
        "cut": whole[: len(whole) // 2], "noise": b"\0" * 100, "empty": b"",
        "a list": gzip.compress(b'[1, {"a": 2}]'), "an object": gzip.compress(b'{"pages": "many"}'),
        "a block": gzip.compress(json.dumps({**json.loads(gzip.decompress(whole)), "blocks": [{"x": 1}]}).encode()),
    }[damage])  # fmt: skip
    again, same = pages_parsed(path, tmp_path / "cache")
    assert (again, same) == (1, document)
    assert pages_parsed(path, tmp_path / "cache")[0] == 0  # and the cache is whole again


# ---- scanned pages


def tesseract_languages() -> set[str]:
    if not shutil.which("tesseract"):
        return set()
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=False)
    return set(listed.stdout.split())


def test_a_scanned_page_is_named_and_not_read(sample: Document):
    assert sample.image_pages == (SCANNED,)
    assert sample.ocr_pages == ()
    assert parts(sample, SCANNED) == []


@pytest.mark.skipif(not {"chi_sim", "eng"} <= tesseract_languages(), reason="tesseract with chi_sim is not installed")
def test_a_scanned_page_is_read_with_ocr(sample: Document):
    document = read(SAMPLE, ocr=True)
    assert (document.image_pages, document.ocr_pages) == ((), (SCANNED,))
    found = fold(" ".join(parts(document, SCANNED)))
    source = (WRITTEN / "sample_zh.md").read_text(encoding="utf-8")
    scan = re.search(r"<!-- scan -->(.*?)<!-- end -->", source, re.DOTALL)
    assert scan
    written = Counter(fold(scan[1]))
    assert (written & Counter(found)).total() >= 0.95 * written.total()
    anchors = [
        "审计报告",
        "全体股东",
        "审计意见",
        "形成审计意见的基础",
        "我们按照审计准则的规定",
        "关键审计事项",
        "管理层的责任",
    ]
    assert_in_order(anchors, found)
    others = [(c.text, b) for c, b in placed(document) if b.page != SCANNED]
    assert {b.page for _, b in others} == {b.page for _, b in placed(sample)}
