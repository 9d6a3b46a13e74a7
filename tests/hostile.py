"""Files that no reader should trust: each function writes one to the given path, so that none has to be stored.

The hidden-text files carry VISIBLE, which a person sees, and HIDDEN, which only a program reads. The two files named
``visible_...`` look like them to a careless check, and their text must be kept.
"""

from pathlib import Path

import pymupdf

VISIBLE = "Revenue rose to 1,234 million in 2024 because orders grew."
HIDDEN = "The secret figure is 987654."
TITLE = "Our strategy for the coming year"
PASSWORD = "lanhai"

WIDTH, HEIGHT = 595, 842  # points
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


# ---- a PDF file, object by object


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries, len(data), data)


def pdf(objects: list[bytes]) -> bytes:
    """A well-formed file of the objects, which are numbered from 1; the first is the catalog."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size, start = len(objects) + 1, len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out) + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


def one_page(content: bytes, resources: bytes = b"") -> bytes:
    """A file of one page; its font is /F."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 5 0 R/Resources<</Font<</F 4 0 R>>%s>>>>"
    return pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page % (WIDTH, HEIGHT, resources),
            FONT,
            stream(content),
        ]
    )


def text(words: str, x: int = 72, y: int = 720, size: int = 12, before: bytes = b"") -> bytes:
    """Page content that shows the words; ``before`` sets color, transparency or render mode for them only."""
    return b"q %s BT /F %d Tf %d %d Td (%s) Tj ET Q\n" % (before, size, x, y, words.encode("ascii"))


def picture_of(words: str) -> bytes:
    """A page with the words, as a scanner returns it (PNG)."""
    with pymupdf.open(stream=one_page(text(words)), filetype="pdf") as document:
        png = document[0].get_pixmap(dpi=100, colorspace=pymupdf.csGRAY).tobytes("png")
    return bytes(png)


# ---- files that cannot be read, or not at a price worth paying


def empty(path: Path) -> None:
    """No bytes at all, as an interrupted download leaves it."""
    path.write_bytes(b"")


def half_a_file(path: Path) -> None:
    """The first half of a good file; its page tree and cross-reference table were in the second half."""
    page = b"<</Type/Page/Parent 3 0 R/MediaBox[0 0 %d %d]/Contents 2 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    whole = pdf(
        [
            b"<</Type/Catalog/Pages 3 0 R>>",
            stream(text(VISIBLE) * 50),  # long enough for the cut to fall into it
            b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
            page % (WIDTH, HEIGHT),
            FONT,
        ]
    )
    path.write_bytes(whole[: len(whole) // 2])


def html_named_pdf(path: Path) -> None:
    """An HTML page under the name of a PDF: what a web server sends when the session has expired."""
    path.write_text(f"<!DOCTYPE html><html><body><h1>Log in</h1><p>{VISIBLE}</p></body></html>", encoding="utf-8")


def password(path: Path) -> None:
    """A good file that opens with PASSWORD only."""
    with pymupdf.open(stream=one_page(text(VISIBLE)), filetype="pdf") as document:
        document.save(
            path, encryption=pymupdf.mupdf.PDF_ENCRYPT_AES_256, user_pw=PASSWORD, owner_pw=PASSWORD + "-owner"
        )


def zero_pages(path: Path) -> None:
    """A well-formed file whose page tree is empty."""
    path.write_bytes(pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"]))


def page_tree_loop(path: Path) -> None:
    """The page tree has a branch whose only kid is its own parent; it claims to hold two pages."""
    root = b"<</Type/Pages/Kids[3 0 R]/Count 2>>"
    branch = b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 2>>"
    path.write_bytes(pdf([b"<</Type/Catalog/Pages 2 0 R>>", root, branch]))


def text_bomb(path: Path, depth: int = 7, fan: int = 12, words: str = "x") -> None:
    """Two kilobytes that take minutes to read: ``depth`` forms, each showing the next one ``fan`` times.

    The innermost form shows the text, with the defaults 12 ** 7 = 36 million times. One letter costs time only, since
    MuPDF drops a letter that repeats the one before it in the same place; a longer text costs gigabytes as well.
    """
    box = b"/Type/XObject/Subtype/Form/BBox[0 0 %d %d]" % (WIDTH, HEIGHT)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 5 0 R/Resources<</XObject<</X 6 0 R>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page % (WIDTH, HEIGHT),
        FONT,
        stream(b"/X Do"),
    ]
    shells = [
        stream(b"/X Do " * fan, box + b"/Resources<</XObject<</X %d 0 R>>>>" % inner) for inner in range(7, 7 + depth)
    ]
    core = stream(text(words), box + b"/Resources<</Font<</F 4 0 R>>>>")
    path.write_bytes(pdf([*objects, *shells, core]))


def blank_pages(path: Path, count: int = 10_000) -> None:
    """Many pages with nothing on them."""
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 3 + count))
    tree = b"<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 %d %d]>>" % (kids, count, WIDTH, HEIGHT)
    page = b"<</Type/Page/Parent 2 0 R>>"
    path.write_bytes(pdf([b"<</Type/Catalog/Pages 2 0 R>>", tree, *[page] * count]))


def image_only(path: Path) -> None:
    """A scanned page: a person reads VISIBLE, a program finds no text."""
    with pymupdf.open() as document:
        page = document.new_page(width=WIDTH, height=HEIGHT)
        page.insert_image(page.rect, stream=picture_of(VISIBLE))
        document.save(path, deflate=True)


# ---- text that a person cannot see


def hidden_transparent(path: Path) -> None:
    """HIDDEN is fully transparent (fill and stroke alpha 0)."""
    states = b"/ExtGState<</Clear<</Type/ExtGState/ca 0/CA 0>>>>"
    path.write_bytes(one_page(text(VISIBLE) + text(HIDDEN, y=690, before=b"/Clear gs"), states))


def hidden_render_mode_3(path: Path) -> None:
    """HIDDEN is neither filled nor stroked, and there is no scanned image whose text layer it could be."""
    path.write_bytes(one_page(text(VISIBLE) + text(HIDDEN, y=690, before=b"3 Tr")))


def hidden_tiny(path: Path) -> None:
    """HIDDEN is one point high, which looks like a thin grey line."""
    path.write_bytes(one_page(text(VISIBLE) + text(HIDDEN, y=690, size=1)))


def hidden_white(path: Path) -> None:
    """HIDDEN is white on the white page."""
    path.write_bytes(one_page(text(VISIBLE) + text(HIDDEN, y=690, before=b"1 g")))


def hidden_off_page(path: Path) -> None:
    """HIDDEN stands below the lower edge of the page."""
    path.write_bytes(one_page(text(VISIBLE) + text(HIDDEN, y=-60)))


# ---- text that a person does see


def visible_white_on_dark(path: Path) -> None:
    """TITLE is white on a dark bar; VISIBLE stands below it."""
    bar = b"q 0.1 0.2 0.4 rg 0 760 %d 50 re f Q\n" % WIDTH
    path.write_bytes(one_page(bar + text(TITLE, y=778, size=20, before=b"1 g") + text(VISIBLE)))


def visible_ocr_layer(path: Path) -> None:
    """A scan whose recognized text lies over the image in render mode 3, as OCR programs write it."""
    with pymupdf.open() as document:
        page = document.new_page(width=WIDTH, height=HEIGHT)
        page.insert_image(page.rect, stream=picture_of(VISIBLE))
        page.insert_text((72, HEIGHT - 720), VISIBLE, fontsize=12, render_mode=3)
        document.save(path, deflate=True)
