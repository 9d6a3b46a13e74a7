"""Where a passage stands: 200 passages of real reports beside what a person reads from their pages, and each kind of fault made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pymupdf
import pytest
from click.testing import CliRunner

from fingen.cli import main
from fingen.config import ReadSettings
from fingen.documents.read import read_document
from fingen.pipeline.reading import choose_chunks, left_out
from fingen.records import Chunk, Document

EXPECTED = Path(__file__).with_name("section_paths.jsonl")
CONTINUED = re.compile(r"[(（]?\s*\b(?:continued|cont)\b\.?\s*[)）]?|[(（]续[)）]", re.IGNORECASE)
NUMBER = re.compile(
    r"(?:(?:note|item|part|article|section)\s*[\divxlc]+[a-c]?\b|第[一二三四五六七八九十]+[节章]|"
    r"[（(]?[一二三四五六七八九十\d]{1,3}[)）]?[.、．)]*(?:\d+\.?)*|[a-z]\.|[a-z]\d{1,2}\.)[\s.:：—–-]*",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"(?:item|part|article)\s*\w+", re.IGNORECASE)


def read(path: Path, cache: Path | None = None, **reading: Any) -> Document:
    return read_document(path, path.name, ReadSettings(**reading), cache=cache)


def folded(text: str) -> str:
    return re.sub(r"[\W_]+", "", CONTINUED.sub("", text)).casefold()


def is_same(found: str, expected: str) -> bool:
    """Whether two titles are one: their letters, their letters without number, a long beginning, or the item's number."""
    numbers = [folded(match[0]) if (match := NUMBERED.match(text)) else "" for text in (found, expected)]
    if numbers[1] and numbers[0] == numbers[1]:
        return True
    long = 4 if re.search("[\u4e00-\u9fff]", expected) else 10
    for one, other in (
        (folded(found), folded(expected)),
        (folded(NUMBER.sub("", found, count=1)), folded(NUMBER.sub("", expected, count=1))),
    ):
        begins = one.startswith(other) or other.startswith(one)
        if one and (one == other or (min(len(one), len(other)) >= long and begins)):
            return True
    return False


def is_right(found: tuple[str, ...], path: list[str]) -> bool:
    return any(is_same(title, path[-1]) for title in found[-2:]) if path else not found


def is_whole(found: tuple[str, ...], path: list[str]) -> bool:
    levels = iter(found)
    return is_right(found, path) and all(any(is_same(title, expected) for title in levels) for expected in path)


def expected_rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EXPECTED.read_text(encoding="utf-8").splitlines()[1:]]


def passage_of(document: Document, row: dict[str, Any]) -> Chunk | None:
    """The chunk that has a row's first words nearest to its beginning; lines that are no headings may be gone from it."""

    def text(value: str) -> str:
        value = folded(value)
        for line in row.get("not", ()):
            value = value.replace(folded(line), "")
        return value

    words = text(row["starts"])
    for start in (words, words[: max(len(words) // 2, 6)]):
        near = [
            c for c in document.chunks if c.first_page - 1 <= row["page"] <= c.last_page + 1 and start in text(c.text)
        ]
        if near:
            return min(near, key=lambda chunk: text(chunk.text).index(start))
    return None


def accepted(row: dict[str, Any], chunk: Chunk) -> list[list[str]]:
    """The paths that hold for a chunk: as typed, unless it is cut elsewhere than the passage that they were typed for."""
    text = folded(chunk.text)
    shorter = folded(row["ends"]) not in text or chunk.last_page < row["last"]
    earlier = folded(row["starts"])[:12] not in text[:80]
    paths: list[list[str]] = row["part"] if shorter and "part" in row else row["paths"]
    if earlier or not (shorter or text.endswith(folded(row["ends"]))):
        return [*paths, *(path[:depth] for path in row["paths"] for depth in range(1, len(path)))]
    return paths


@pytest.mark.slow  # thirty reports are read
def test_sections_are_those_that_a_person_reads(shared: Path, parses: Path):
    documents = {path.name: path for path in sorted(shared.glob("*/*.pdf"))}
    known: dict[str, Document] = {}
    right = whole = 0
    junk = []
    for row in expected_rows():
        name = row["document"]
        document = known.get(name) or known.setdefault(name, read(documents[name], parses))
        chunk = passage_of(document, row)
        assert chunk, row
        paths = accepted(row, chunk)
        right += any(is_right(chunk.section, path) for path in paths)
        whole += any(is_whole(chunk.section, path) for path in paths)
        junk += [t for t in chunk.section for line in row.get("not", ()) if folded(t).startswith(folded(line))]
    assert not junk
    assert right >= 180, f"{right} of 200"
    assert whole >= 176, f"{whole} of 200"


# ---- one report for each kind

WIDTH, LEFT, TOP = 595, 72, 80
PLACES = (
    "Ningbo",
    "Suzhou",
    "Chengdu",
    "Wuhan",
    "Hefei",
    "Tianjin",
    "Xiamen",
    "Dalian",
    "Qingdao",
    "Harbin",
    "Lhasa",
    "Kunming",
)


Color = tuple[float, float, float]


class Title(NamedTuple):
    """A line of a made page."""

    text: str
    size: float
    bold: bool = False
    color: Color = (0, 0, 0)


class Report:
    """A PDF of short pages, of titles and of paragraphs, which are text alone."""

    def __init__(self) -> None:
        self.pdf = pymupdf.open()
        self.count = 0

    def page(self, *lines: str | Title, header: str = "", body: bool = True) -> None:
        """A page: its header in the margin, its lines from the top, and last a paragraph of its own, `Body <n>`."""
        page = self.pdf.new_page(width=WIDTH, height=842)
        page.insert_text((LEFT, 40), header, fontsize=9)
        y = TOP
        for line in lines:
            text, size, bold, color = Title(line, 10) if isinstance(line, str) else line
            font = (
                "china-s" if not text.isascii() and re.search("[\u4e00-\u9fff]", text) else "hebo" if bold else "helv"
            )
            page.insert_text((LEFT, y), text, fontsize=size, fontname=font, color=color)
            y += 1.3 * size + 10
        if body:
            self.count += 1
            place = PLACES[self.count % len(PLACES)]
            for n in range(6):
                other = PLACES[(5 * self.count + n) % len(PLACES)]
                text = f"Body {self.count} tells of {place}, whose machines went in year {n} to customers in {other} and beyond."
                page.insert_text((LEFT, y), text, fontsize=10)
                y += 13
            page.insert_text(
                (LEFT, y), f"as they had from {place} in the year before, and in all the years before it.", fontsize=10
            )

    def read(self, path: Path, outline: list[list[Any]] | None = None) -> Document:
        if outline:
            self.pdf.set_toc(outline)
        self.pdf.save(path)
        self.pdf.close()
        return read(path, chunk_tokens=128)


def section_of(document: Document, body: int) -> tuple[str, ...]:
    return next(chunk.section for chunk in document.chunks if f"Body {body} tells" in chunk.text)


def bold(text: str, size: float = 10, color: Color = (0, 0, 0)) -> Title:
    return Title(text, size, True, color)


def test_notes_auditors_report_and_exhibits_close_the_last_part(tmp_path: Path):
    report = Report()
    report.page(bold("PART I"), bold("ITEM 1 - BUSINESS"))
    report.page(bold("PART II"), bold("Item 7. Discussion and Analysis"))
    report.page(bold("PART IV"), bold("Item 16. Form 10-K Summary"))
    report.page(bold("SIGNATURES"))
    report.page(bold("INDEX TO CONSOLIDATED FINANCIAL STATEMENTS"))
    report.page(bold("REPORT OF INDEPENDENT REGISTERED PUBLIC ACCOUNTING FIRM"), bold("Basis for Opinion"))
    report.page(bold("CONSOLIDATED BALANCE SHEETS"))
    report.page(bold("NOTES TO CONSOLIDATED FINANCIAL STATEMENTS"), bold("Note 1. Basis of Presentation"))
    report.page("Exhibit 10.14")
    document = report.read(tmp_path / "10-k.pdf")
    assert section_of(document, 1) == ("PART I", "ITEM 1 - BUSINESS")
    assert section_of(document, 3) == ("PART IV", "Item 16. Form 10-K Summary")
    assert section_of(document, 4) == ("PART IV", "SIGNATURES")
    assert section_of(document, 5) == ("INDEX TO CONSOLIDATED FINANCIAL STATEMENTS",)
    assert section_of(document, 6)[0] == "REPORT OF INDEPENDENT REGISTERED PUBLIC ACCOUNTING FIRM"
    assert section_of(document, 7) == ("CONSOLIDATED BALANCE SHEETS",)
    assert section_of(document, 8) == ("NOTES TO CONSOLIDATED FINANCIAL STATEMENTS", "Note 1. Basis of Presentation")
    assert section_of(document, 9) == ("Exhibit 10.14",)


def test_a_section_that_is_continued_is_the_same(tmp_path: Path):
    report = Report()
    report.page(bold("Notes to the financial statements", 14), bold("2. Accounting policies", 12), bold("Leases"))
    report.page(
        bold("Notes to the financial statements (continued)", 14), bold("2. Accounting policies (continued)", 12)
    )
    report.page(
        bold("Notes to the financial statements (continued)", 14),
        bold("For the year ended 31 December 2022", 12),
        bold("3. Taxation", 12),
    )
    for n in range(3):
        report.page(bold(f"{n + 4}. Matter of number {n}", 12), bold("Leases"))
    document = report.read(tmp_path / "continued.pdf")
    notes = "Notes to the financial statements"
    assert section_of(document, 2) == (notes, "2. Accounting policies", "Leases")
    assert section_of(document, 3) == (notes, "3. Taxation")


JUNK = ("ACME_10K_2023_V2.pdf", "Blank Page", "OLE_LINK3", "Table of contents", "Page 4")


@pytest.mark.parametrize("flat", [True, False])
def test_an_outline_of_files_and_links_is_no_section(flat: bool, tmp_path: Path):
    report = Report()
    for n in range(12):
        report.page(bold(f"Chapter of matter {PLACES[n]}", 14))
    level = 1 if flat else 2
    outline = [
        [1, JUNK[0], 1],
        *([level, title, n + 2] for n, title in enumerate(JUNK[1:])),
        [level, "Chapter of matter Xiamen", 7],
    ]
    document = report.read(tmp_path / "outline.pdf", outline)
    titles = {title for chunk in document.chunks for title in chunk.section}
    assert not titles & set(JUNK)
    assert section_of(document, 3)[-1] == "Chapter of matter Chengdu"


def test_display_type_figures_stamps_and_dates_head_nothing(tmp_path: Path):
    report = Report()
    for n in range(12):
        display = [bold("exciting", 60)] if n == 3 else []
        tiles = [bold("£19.4m", 20), bold("488Jobs created by", 20)] if n == 4 else []
        report.page(
            bold(f"Chapter of matter {PLACES[n]}", 14),
            *display,
            *tiles,
            bold("30 June 2022"),
            bold("For personal use only", 16),
        )
    document = report.read(tmp_path / "display.pdf")
    assert [section_of(document, n + 1) for n in range(12)] == [(f"Chapter of matter {name}",) for name in PLACES]


def test_chapters_come_from_contents_and_margin(tmp_path: Path):
    """What the pages repeat in their margin and the table of contents lists is a chapter, however plain it is set."""
    report = Report()
    chapters = ["Directors' report", "Corporate governance", "Five year summary", "Shareholder information"]
    lines = [f"{title} ........ {4 * n + 2}" for n, title in enumerate(chapters)]
    report.page(bold("Contents"), *lines, "Glossary of all terms ........ 18", body=False)
    for title in chapters:
        for n in range(4):
            report.page(*([title] if n == 0 else []), header=title if n else "")
    document = report.read(tmp_path / "contents.pdf")
    assert [section_of(document, n + 1) for n in range(16)] == [(chapters[n // 4],) for n in range(16)]


def test_a_line_that_would_head_most_of_the_report_heads_nothing(tmp_path: Path):
    report = Report()
    report.page(bold("Our purpose", 18))
    for n in range(12):
        report.page(bold(f"Matter {PLACES[n]} of the year"))
    document = report.read(tmp_path / "wide.pdf")
    assert section_of(document, 9) == ("Matter Dalian of the year",)


def test_parts_and_items_keep_their_levels_under_any_outline(tmp_path: Path):
    report = Report()
    report.page(Title("第三节 管理层讨论与分析", 14), Title("一、经营情况", 12))
    report.page(Title("二、主要业务", 12))
    report.page(Title("第四节 公司治理", 14), Title("一、基本状况", 12))
    document = report.read(
        tmp_path / "parts.pdf", [[1, "一、经营情况", 1], [1, "二、主要业务", 2], [1, "一、基本状况", 3]]
    )
    found = [tuple(title.replace(" ", "") for title in section_of(document, n)) for n in (1, 2, 3)]
    assert found == [
        ("第三节管理层讨论与分析", "一、经营情况"),
        ("第三节管理层讨论与分析", "二、主要业务"),
        ("第四节公司治理", "一、基本状况"),
    ]


@pytest.mark.parametrize(
    ("sections", "asked"),
    [
        ([], {"Item 1. Business", "REPORT OF INDEPENDENT REGISTERED PUBLIC ACCOUNTING FIRM"}),
        (["--sections", "business, exhibits"], {"Item 1. Business", "Exhibit 10.14"}),
        (["--sections", "all"], {"Item 1. Business", "SIGNATURES", "Exhibit 10.14", "Notice of Annual General Meeting",
                                 "REPORT OF INDEPENDENT REGISTERED PUBLIC ACCOUNTING FIRM"}),
    ],
)  # fmt: skip
def test_sections_choose_what_is_asked_about_and_the_auditors_words_are_the_auditors(
    sections: list[str], asked: set[str], readers_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    report = Report()
    report.page(bold("PART I"), bold("Item 1. Business"))
    report.page(bold("PART IV"), bold("SIGNATURES"))
    report.page(bold("REPORT OF INDEPENDENT REGISTERED PUBLIC ACCOUNTING FIRM"))
    report.page(bold("Notice of Annual General Meeting", 14))
    report.page("Exhibit 10.14")
    report.pdf.save("report.pdf")
    command = ["pdf2qa", "report.pdf", "--out", "build/x", "--context", "passage", "--chunk-tokens", "128", *sections]
    done = CliRunner().invoke(main, [*command, "--teacher", "openai", "--export-requests", "asked.jsonl"])
    prompts = Path("asked.jsonl").read_text(encoding="utf-8")
    found = {title for title in re.findall(r"Section: ([^\\]+)", prompts) if done.output or title}
    last = {title.split(" > ")[-1].split(" (the auditor")[0] for title in found}
    assert asked <= last
    assert not last & ({"SIGNATURES", "Exhibit 10.14", "Notice of Annual General Meeting"} - asked)
    audited = [title for title in found if "the auditor of the company states" in title]
    assert audited == [title for title in found if title.startswith("REPORT OF INDEPENDENT")]


def test_what_is_left_out_is_counted_by_its_section(tmp_path: Path):
    report = Report()
    for n, place in enumerate(PLACES[:4]):
        report.page(bold(f"Item {n + 1}. Business in {place}"))
    report.page(bold("Corporate governance report", 14))
    document = report.read(tmp_path / "report.pdf")
    assert left_out([document], ()) == {"governance": 1}
    assert left_out([document], ("business in ningbo",)) == {"governance": 1, "other sections": 3}
    assert left_out([document], ("all",)) == {}
    assert [len(places) for places in choose_chunks([document], None)] == [4]


@pytest.mark.parametrize(("ink", "own"), [((0, 0, 0), (0.34, 0.76, 0.91)), ((0.1, 0.19, 0.32), (0.8, 0.1, 0.1))])
def test_a_title_in_a_color_of_its_own_stands_above_one_like_it_in_the_color_of_the_text(
    tmp_path: Path, ink: Color, own: Color
):
    report = Report()
    for n in range(0, 12, 2):
        report.page(bold(f"Segment of {PLACES[n]}", 10, own), bold(f"Roads of {PLACES[n]}", 10, ink))
        report.page(bold(f"Rails of {PLACES[n]}", 10, ink))
    document = report.read(tmp_path / "segments.pdf")
    assert section_of(document, 3) == ("Segment of Chengdu", "Roads of Chengdu")
    assert section_of(document, 4) == ("Segment of Chengdu", "Rails of Chengdu")


def test_titles_in_a_gray_stand_where_black_ones_do(tmp_path: Path):
    report = Report()
    for n, place in enumerate(PLACES):
        report.page(bold(f"Segment of {place}", 10, (0.4, 0.4, 0.4) if n % 2 else (0, 0, 0)))
    document = report.read(tmp_path / "grays.pdf")
    assert [section_of(document, n + 1) for n in range(12)] == [(f"Segment of {place}",) for place in PLACES]
