"""PDF -> its blocks: pages read one by one, what runs in their margins taken out."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pymupdf

from fingen.config import ReadSettings
from fingen.documents.characters import count_unnamed
from fingen.documents.content import Asked, Content, Started, Tell
from fingen.documents.contents import Outline
from fingen.documents.fonts import FontMaps
from fingen.documents.furniture import body_size, remove_furniture
from fingen.documents.layout import page_blocks
from fingen.documents.ocr import Engine, find_engine
from fingen.documents.page import read_again, read_page
from fingen.documents.shapes import PageText
from fingen.documents.tables import continue_tables
from fingen.documents.titles import read_lines
from fingen.errors import Cause, DocumentError
from fingen.text import vocabulary

MUPDF_ERRORS = (
    RuntimeError,
    ValueError,
    IndexError,
    pymupdf.mupdf.FzErrorBase,
)  # IndexError: a page that is counted and not there
READ_PICTURES = "pass --ocr, which takes tesseract or the extra ocr"
MOST_TITLES = 10_000  # entries of an outline; a longer one is no help, and takes minutes

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)


def made_by(reading: ReadSettings) -> str:
    """Name what reads: a parse that another one made is not used."""
    return pymupdf.VersionBind + (find_engine(reading).name if reading.ocr else "")


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read what the pages of a PDF show.

    Raises:
        DocumentError: the file cannot be read; `reason` says why.
    """
    with _open(path, name) as pdf:
        return _content(pdf, name, asked)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _open(path: Path, name: str) -> pymupdf.Document:
    try:
        # MuPDF takes paths as UTF-8: a file with another name is read into memory.
        by_name = not any("\ud800" <= char <= "\udfff" for char in str(path))
        pdf = pymupdf.open(path, filetype="pdf") if by_name else pymupdf.open(stream=path.read_bytes(), filetype="pdf")
    except MUPDF_ERRORS as e:
        raise DocumentError(
            name, Cause.TRUNCATED, _first_line(e), hint="download the file again, or repair it with a PDF tool"
        ) from e
    if pdf.needs_pass:
        raise DocumentError(name, Cause.ENCRYPTED, "it needs a password", hint="save a copy without the password")
    try:
        count = pdf.page_count
    except MUPDF_ERRORS as e:
        raise DocumentError(name, Cause.TRUNCATED, _first_line(e), hint="download the file again") from e
    if count >= pdf.xref_length():
        detail = f"it claims to have {count} pages and has no room for them"
        raise DocumentError(name, Cause.TRUNCATED, detail, hint="download the file again")
    if count == 0:
        whole = path.read_bytes()[-2048:].rstrip().endswith(b"%%EOF")
        cause = Cause.NO_PAGES if whole else Cause.TRUNCATED
        raise DocumentError(name, cause, hint="download the file again")
    return pdf


# --- parsing -----------------------------------------------------------------------------------------------------------


def _content(pdf: pymupdf.Document, name: str, asked: Asked) -> Content:
    engine = find_engine(asked.reading) if asked.reading.ocr else None
    count = pdf.page_count  # MuPDF takes back what it finds to be wrong while pages are read
    pages, skipped = _read_pages(pdf, asked.skip, asked.started)
    if engine:
        _read_pictures(pdf, pages, engine, asked.started, asked.tell)
    asked.started(0, count)
    images = [page.number for page in pages if page.is_image and not page.by_ocr]
    _check_text(name, count, pages, asked.skip)
    sample = "".join(run.text for page in pages for run in page.runs[:30])
    title, outline, body = read_lines(pages, _metadata(pdf)), _read_outline(pdf), body_size(pages)
    furniture = remove_furniture(pages, body)
    unnamed = sum(count_unnamed(page.runs) for page in pages)
    words = vocabulary(run.text for page in pages for run in page.runs)
    blocks = [block for page in pages for block in page_blocks(page, words)]
    continue_tables(blocks)
    by_ocr = [page for page in pages if page.by_ocr]
    details = {
        "image_pages": images,
        "ocr_pages": [page.number for page in by_ocr],
        "ocr_engine": engine.name if engine and by_ocr else None,
        "ocr_confidence": [round(page.confidence, 3) for page in by_ocr],
        "unreadable_pages": [page.number for page in pages if page.is_unreadable and not page.by_ocr],
        "skipped_pages": skipped,
        "vertical_pages": [page.number for page in pages if page.is_vertical],
        "shells": _shells(pdf),
        "unnamed_glyphs": unnamed,
    }
    hidden = dict(sum((Counter(page.hidden) for page in pages), Counter()))
    across = {page.number: page.across for page in pages}
    return Content(
        blocks, count, title, sample, outline=outline, body=body, across=across, furniture=furniture, words=words, hidden=hidden,
        details=details,
    )  # fmt: skip


def _metadata(pdf: pymupdf.Document) -> str:
    """What the file says of itself beside its pages: a page has to say the same."""
    metadata = pdf.metadata or {}
    return f"{metadata.get('author') or ''} {metadata.get('title') or ''}"


def _read_pages(pdf: pymupdf.Document, skip: frozenset[int], started: Started) -> tuple[list[PageText], list[int]]:
    pages: list[PageText] = []
    skipped = sorted(skip)
    count = pdf.page_count
    maps = FontMaps(pdf)
    for index in range(count):
        if index + 1 in skip:
            continue
        if not started(index + 1, count):
            skipped += set(range(index + 1, count + 1)) - skip  # what was read is kept
            break
        try:
            maps.check(page := pdf[index])
            pages.append(read_page(page))
        except (*MUPDF_ERRORS, MemoryError) as e:
            if isinstance(e, MemoryError) or "alloc (" in str(e):  # MuPDF: malloc (N bytes) failed
                raise DocumentError("", Cause.TOO_LARGE, page=index + 1) from e
            skipped.append(index + 1)  # the page is damaged, the others may not be
    return pages, sorted(skipped)


def _shells(pdf: pymupdf.Document) -> list[str]:
    """What the file is besides pages: in a form of XFA or a portfolio, the pages may say no more than how to open it."""
    catalog = pdf.pdf_catalog()
    shells = ["XFA form"] if pdf.xref_get_key(catalog, "AcroForm/XFA")[0] != "null" else []
    shown = pdf.xref_get_key(catalog, "PageMode")[1] == "/UseAttachments" and pdf.embfile_count() > 0
    if shown or pdf.xref_get_key(catalog, "Collection")[0] != "null":
        shells.append("portfolio")
    return shells


def _read_outline(pdf: pymupdf.Document) -> Outline:
    """The titles of the file's own table of contents; none where it is damaged or endless."""
    entry, waiting, count = pdf.xref_get_key(pdf.pdf_catalog(), "Outlines"), [], 0
    if entry[0] == "xref":
        waiting.append(int(entry[1].split()[0]))
    while waiting and count <= MOST_TITLES:
        number = waiting.pop()
        count += 1
        for key in ("Next", "First"):
            kind, value = pdf.xref_get_key(number, key)
            if kind == "xref":
                waiting.append(int(value.split()[0]))
    if count > MOST_TITLES:
        return []
    return [(level, title, page) for level, title, page, *_ in pdf.get_toc(simple=True)]


def _check_text(name: str, count: int, pages: list[PageText], skip: frozenset[int]) -> None:
    """Raise the reason why a document of `count` pages has no text to read, if it has none."""
    if any(page.runs or page.turned for page in pages):
        return
    if skip:
        detail = "its text takes longer to read than a page may"
        raise DocumentError(
            name, Cause.TOO_SLOW, detail, page=min(skip), hint="remove the page, or print the file anew"
        )
    if len(pages) < count:
        detail = f"{count - len(pages)} of {count} pages cannot be read"
        raise DocumentError(name, Cause.TRUNCATED, detail, hint="download the file again")
    unreadable = sum(page.is_unreadable for page in pages)
    if unreadable:
        detail = (
            f"the text of {unreadable} of {count} pages is not what they show: their fonts have no map, or a wrong one"
        )
        raise DocumentError(name, Cause.UNREADABLE_TEXT, detail, hint=READ_PICTURES)
    images = sum(page.is_image for page in pages)
    if images:
        detail = f"{images} of {count} pages are images"
        raise DocumentError(name, Cause.IMAGE_ONLY, detail, hint=READ_PICTURES)
    hidden = sum(sum(page.hidden.values()) for page in pages)
    detail = f"{count} pages without visible text" + (f", {hidden} pieces of hidden text" if hidden else "")
    raise DocumentError(name, Cause.NO_TEXT, detail, hint="check that this is the right file")


def _read_pictures(pdf: pymupdf.Document, pages: list[PageText], engine: Engine, started: Started, tell: Tell) -> None:
    """Read by OCR what cannot be read in characters; what an engine cannot read stays what it was."""
    todo = [page for page in pages if page.is_image or page.is_unreadable]
    if not todo:
        return
    tell(
        f"{len(todo)} of {len(pages)} pages to read by OCR ({engine.name}), about {_in_words(len(todo) * engine.seconds)}"
    )
    since = time.monotonic()
    for page in todo:
        started(page.number, pdf.page_count)
        with suppress(*MUPDF_ERRORS, subprocess.CalledProcessError):  # then the page stays named as not read
            read_again(pdf[page.number - 1], page, engine)
    done = [page for page in todo if page.by_ocr]
    sure = sum(page.confidence for page in done) / (len(done) or 1)
    tell(
        f"{len(done)} pages read by OCR ({engine.name}) in {_in_words(time.monotonic() - since)}, confidence {sure:.2f}"
    )


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
