"""Write sample_annual_report_2024.pdf, the bilingual annual report of an invented company.

The text and the tables are in sample_en.md and sample_zh.md; sample_layout.py makes pages of them, and this file draws
the pages. Run it after a change of any of these: ``python tests/sample/make_sample.py``. The same input gives the same bytes
with the same library versions.
"""

import io
from itertools import groupby
from pathlib import Path

import pymupdf
from PIL import Image
from sample_layout import (
    BLACK,
    FONTS,
    GREY,
    LEFT,
    NAVY,
    PAGE,
    RIGHT,
    Box,
    Color,
    Piece,
    Sheet,
    atoms_of,
    lay_out,
    pieces_of,
    runs_of,
    total_width,
)

OUTPUT = Path(__file__).parents[2] / "raw" / "sample_annual_report_2024.pdf"
SCAN_DPI, SCAN_TILT, SCAN_INK = 130, 0.35, 175  # dots per inch, degrees, grey above which a dot stays white

TITLE_PAGE = [
    ("en", 150, 24, "Lanhai Precision Instruments Co., Ltd."),
    ("zh", 190, 24, "蓝海精密仪器股份有限公司"),
    ("en", 250, 10, "Stock name: LHPI"),
    ("en", 360, 30, "Annual Report 2024"),
    ("zh", 405, 30, "2024年年度报告"),
    ("en", 455, 12, "For the fiscal year ended December 31, 2024"),
    ("zh", 476, 12, "截至2024年12月31日止会计年度"),
    ("en", 640, 11, "Ningbo, March 28, 2025"),
    ("zh", 658, 11, "二〇二五年三月二十八日"),
    ("en", 760, 8, "Lanhai is an invented company. Names and figures in this report describe no real company."),
]
RUNNING = {
    "en": ("Lanhai Precision Instruments Co., Ltd.", "Annual Report 2024", "Page {0}"),
    "zh": ("蓝海精密仪器股份有限公司", "2024年年度报告", "{0} / {1}"),
}


def set_line(text: str, language: str, y: float, size: float, share: float, color: Color) -> list[Piece]:
    """One line outside the text flow, with the given share of the free width to its left."""
    runs = runs_of(atoms_of(text, language, heading=size > 20), language)
    return pieces_of(runs, LEFT + (RIGHT - LEFT - total_width(runs, size)) * share, y, size, color)


def title_sheet() -> Sheet:
    """The first page."""
    sheet = Sheet("en")
    for language, y, size, text in TITLE_PAGE:
        sheet.pieces += set_line(text, language, y, size, 0.5, NAVY if size > 20 else BLACK)
    return sheet


def running_pieces(language: str, number: int, total: int) -> list[Piece]:
    """Header and footer."""
    left, right, foot = RUNNING[language]
    header = set_line(left, language, 52, 8.5, 0.0, GREY) + set_line(right, language, 52, 8.5, 1.0, GREY)
    return header + set_line(foot.format(number, total), language, 806, 8.5, 0.5, GREY)


def draw_rules(page: pymupdf.Page, boxes: list[Box], header: bool) -> None:
    """The cells of ruled tables, and the line under the header."""
    shape = page.new_shape()
    for box, shaded in boxes:
        shape.draw_rect(box)
        shape.finish(color=BLACK, fill=(0.88, 0.9, 0.94) if shaded else None, width=0.5)
    if header:
        shape.draw_line((LEFT, 58), (RIGHT, 58))
        shape.finish(color=GREY, width=0.6)
    shape.commit()


def draw_pieces(page: pymupdf.Page, pieces: list[Piece]) -> None:
    """The text in its reading order, with a new writer where the color or the weight changes."""
    for (color, stroked), same in groupby(pieces, key=lambda piece: (piece.color, piece.face == "cjk-bold")):
        writer = pymupdf.TextWriter(PAGE, color=color)
        for piece in same:
            writer.append((piece.x, piece.y), piece.text, font=FONTS[piece.face], fontsize=piece.size)
        writer.write_text(page, render_mode=2 if stroked else 0)


def draw(document: pymupdf.Document, sheet: Sheet, number: int, total: int) -> None:
    """Append the sheet to the document as a page."""
    page = document.new_page(width=PAGE.width, height=PAGE.height)
    draw_rules(page, sheet.boxes, header=number > 1)
    draw_pieces(page, sheet.pieces + (running_pieces(sheet.language, number, total) if number > 1 else []))


def scan(sheet: Sheet, number: int, total: int) -> bytes:
    """The sheet as a scanner would return it: slightly tilted, black and white, without text (PNG)."""
    document = pymupdf.open()
    draw(document, sheet, number, total)
    pixmap = document[0].get_pixmap(dpi=SCAN_DPI, colorspace=pymupdf.csGRAY)
    grey = Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)
    tilted = grey.rotate(SCAN_TILT, Image.Resampling.BICUBIC, fillcolor=255)
    file = io.BytesIO()
    tilted.point(lambda value: 255 if value > SCAN_INK else 0).convert("1").save(file, "PNG")
    return file.getvalue()


def sheets_of_report() -> tuple[list[Sheet], list[int]]:
    """All sheets, and the page numbers on which the two parts begin."""
    pages: dict[str, int] = {}
    for _ in range(2):  # the second pass knows the page numbers that the contents print
        sheets = [title_sheet()]
        pages = lay_out("en", sheets, pages)
        second = len(sheets) + 1
        lay_out("zh", sheets, {})
    return sheets, [2, second]


def main() -> None:
    """Lay out both parts and write the file."""
    sheets, (english, chinese) = sheets_of_report()
    document = pymupdf.open()
    for number, sheet in enumerate(sheets, start=1):
        if sheet.scanned:
            page = document.new_page(width=PAGE.width, height=PAGE.height)
            page.insert_image(PAGE, stream=scan(sheet, number, len(sheets)))
        else:
            draw(document, sheet, number, len(sheets))
    document.set_toc([[1, "Annual Report 2024", english], [1, "2024年年度报告", chinese]])
    stamp = "D:20250328090000+08'00'"
    title = "Lanhai Precision Instruments Co., Ltd. - Annual Report 2024"
    document.set_metadata({"title": title, "author": "Lanhai", "creationDate": stamp, "modDate": stamp})
    document.subset_fonts()
    # Without a new file identifier, which is random, the bytes depend on the content only.
    document.save(OUTPUT, garbage=4, deflate=True, no_new_id=True, reproducible=True, use_objstms=1)


if __name__ == "__main__":
    main()
