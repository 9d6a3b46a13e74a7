"""One file -> one Document, in this process. Workers call it behind limits; see `fingen.documents.workers`."""

from __future__ import annotations

import gc
import gzip
import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymupdf

from fingen.config import ReadSettings
from fingen.disk import dump_json, sha256_file, sha256_text, write_beside
from fingen.documents.basis import set_basis
from fingen.documents.characters import count_unnamed
from fingen.documents.chunks import build_chunks
from fingen.documents.contents import Outline
from fingen.documents.fonts import FontMaps
from fingen.documents.furniture import body_size, remove_furniture
from fingen.documents.identity import find_identity
from fingen.documents.layout import page_blocks
from fingen.documents.ocr import Engine, find_engine
from fingen.documents.overrides import Override, read_overrides
from fingen.documents.page import read_again, read_page
from fingen.documents.sections import Opening, find_sections, section_paths
from fingen.documents.shapes import PageBlock, PageText, TextRow
from fingen.documents.tables import continue_tables
from fingen.documents.titles import read_lines
from fingen.documents.units import set_units
from fingen.errors import Cause, DocumentError, FingenError
from fingen.records import Basis, Document, Language, Period, Stated
from fingen.text import find_language, vocabulary

# Names the code that reads: a parse in the cache that other code made is not used.
BESIDE = {"picture.py", "parsed.py"}  # have no part in it
_CODE = (path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name not in BESIDE)
READER = sha256_text(*(path.read_text(encoding="utf-8") for path in _CODE))
MUPDF_ERRORS = (
    RuntimeError,
    ValueError,
    IndexError,
    pymupdf.mupdf.FzErrorBase,
)  # IndexError: a page that is counted and not there
# Called before each page with (page, pages), and with (0, pages) when all are read; says whether there is time for it.
Started = Callable[[int, int], bool]
Tell = Callable[[str], None]  # takes what a person who waits wants to know
READ_PICTURES = "pass --ocr, which takes tesseract or the extra ocr"
MOST_TITLES = 10_000  # entries of an outline; a longer one is no help, and takes minutes

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)


def read_document(path: Path, name: str, reading: ReadSettings, *, cache: Path | None = None, skip: frozenset[int] = frozenset(),
                  started: Started = lambda page, pages: True, tell: Tell = lambda text: None) -> Document:  # fmt: skip
    """Read a PDF into chunks. `name` is how the document is called; pages in `skip` (1-based) are left out and listed.

    Raises:
        DocumentError: the file cannot be read; `reason` says why.
    """
    sha256 = _checked_sha256(path, name)
    key = sha256_text(
        sha256, READER, pymupdf.VersionBind, _reader_of_pictures(reading), reading.language, str(sorted(skip))
    )
    stored = cache / f"{key[:32]}.json.gz" if cache else None
    with _without_gc():
        parse = _load(stored) if stored else None
        if parse is None:
            with _open(path, name) as pdf:
                parse = _parse(pdf, name, reading, skip, started, tell)
            if stored:
                _store(stored, parse)
        return _document(parse, path, name, sha256, reading)


def _reader_of_pictures(reading: ReadSettings) -> str:
    return find_engine(reading).name if reading.ocr else ""


@contextmanager
def _without_gc() -> Iterator[None]:
    """A page makes tens of thousands of objects and no cycles: looking for cycles costs a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _document(parse: dict[str, Any], path: Path, name: str, sha256: str, reading: ReadSettings) -> Document:
    blocks = [_load_block(block) for block in parse["blocks"]]
    override = read_overrides(path.parent).get(path.name, Override())
    language: Language = override.language or parse["language"]
    chunked = build_chunks(
        blocks,
        section_paths(blocks, [Opening(*opening) for opening in parse["sections"]]),
        document=name,
        sha256=sha256,
        budget=reading.chunk_tokens,
        words=frozenset(parse["broken"]),
        language=language,
    )
    return Document(
        path=name,
        sha256=sha256,
        pages=parse["pages"],
        language=language,
        company=override.company or parse["company"],
        names={} if override.company else parse["names"],
        author=parse["author"],
        amendment=parse["amendment"],
        period=override.period or Period.model_validate(parse["period"]),
        chunks=tuple(chunked.chunks),
        filing=override.filing,
        image_pages=tuple(parse["image_pages"]),
        ocr_pages=tuple(parse["ocr_pages"]),
        ocr_engine=parse["ocr_engine"],
        ocr_confidence=tuple(parse["ocr_confidence"]),
        unreadable_pages=tuple(parse["unreadable_pages"]),
        skipped_pages=tuple(parse["skipped_pages"]),
        vertical_pages=tuple(parse["vertical_pages"]),
        shells=tuple(parse["shells"]),
        unnamed_glyphs=parse["unnamed_glyphs"],
        hidden=parse["hidden"],
        oversize=chunked.oversize,
    )


# --- the file ----------------------------------------------------------------------------------------------------------


def _checked_sha256(path: Path, name: str) -> str:
    try:
        if path.stat().st_size == 0:
            raise DocumentError(name, Cause.EMPTY, hint="download the file again")
        with path.open("rb") as file:
            head = file.read(1024)
        if b"%PDF-" not in head:
            detail = f"it starts with {head[:16].decode('latin-1')!r}"
            raise DocumentError(name, Cause.NOT_PDF, detail, hint="convert it to PDF, or remove it from the folder")
        return sha256_file(path)
    except FileNotFoundError as e:
        raise DocumentError(name, Cause.NOT_FOUND, hint="check the path") from e
    except OSError as e:
        raise DocumentError(name, Cause.NOT_READABLE, e.strerror or "", hint="check the permissions of the file") from e


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


def _parse(
    pdf: pymupdf.Document, name: str, reading: ReadSettings, skip: frozenset[int], started: Started, tell: Tell
) -> dict[str, Any]:
    """Everything that depends on the file alone, as JSON values, so that a cached parse and a fresh one are the same."""
    engine = find_engine(reading) if reading.ocr else None
    count = pdf.page_count  # MuPDF takes back what it finds to be wrong while pages are read
    pages, skipped = _read_pages(pdf, skip, started)
    if engine:
        _read_pictures(pdf, pages, engine, started, tell)
    started(0, count)
    images = [page.number for page in pages if page.is_image and not page.by_ocr]
    _check_text(name, count, pages, skip)
    sample = "".join(run.text for page in pages for run in page.runs[:30])[:200_000]
    language: Language = find_language(sample) if reading.language == "auto" else reading.language  # type: ignore[assignment]
    about = find_identity(read_lines(pages, _metadata(pdf)), language)
    outline = _read_outline(pdf)
    body = body_size(pages)
    furniture = remove_furniture(pages, body)
    unnamed = sum(count_unnamed(page.runs) for page in pages)
    words = vocabulary(run.text for page in pages for run in page.runs)
    blocks = [block for page in pages for block in page_blocks(page, words)]
    continue_tables(blocks)
    across = {page.number: page.across for page in pages}
    sections = find_sections(blocks, outline, body=body, across=across, furniture=furniture, pages=count)
    paths = section_paths(blocks, sections)
    set_units(blocks, paths, furniture)
    set_basis(blocks, paths)
    return {
        "pages": count,
        "language": language,
        **about.to_json(),
        "sections": sections,
        "blocks": [_dump_block(block) for block in blocks],
        "broken": sorted(_words_at_breaks(blocks, words)),
        "image_pages": images,
        "ocr_pages": [page.number for page in pages if page.by_ocr],
        "ocr_engine": engine.name if engine and any(page.by_ocr for page in pages) else None,
        "ocr_confidence": [round(page.confidence, 3) for page in pages if page.by_ocr],
        "unreadable_pages": [page.number for page in pages if page.is_unreadable and not page.by_ocr],
        "skipped_pages": skipped,
        "vertical_pages": [page.number for page in pages if page.is_vertical],
        "shells": _shells(pdf),
        "unnamed_glyphs": unnamed,
        "hidden": dict(sorted(sum((Counter(page.hidden) for page in pages), Counter()).items())),
    }


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


def _words_at_breaks(blocks: list[PageBlock], words: frozenset[str]) -> set[str]:
    """The part of the vocabulary that joining paragraphs over a page needs."""
    ends = {block.text.rsplit(" ", 1)[-1].rstrip("-").lower() for block in blocks if block.text.endswith("-")}
    return {word for word in words if any(word.startswith(end) for end in ends)} if ends else set()


# --- the cache ---------------------------------------------------------------------------------------------------------


def _dump_block(block: PageBlock) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": block.kind, "page": block.page, "box": [round(value, 1) for value in block.box]}
    if block.stated:
        data["stated"] = [block.stated.text, block.stated.page]
    if block.basis:
        data["basis"] = [basis.model_dump() for basis in block.basis]
    if block.kind == "table":
        data |= {
            "header": block.header,
            "unit": block.unit,
            "rows": _dump_rows(block.rows),
            "inherited": _dump_rows(block.inherited),
        }
    else:
        data |= {"text": block.text, "size": round(block.size, 2), "bold": block.bold, "indent": round(block.indent, 1),
                 "open_end": block.open_end, "level": block.level}  # fmt: skip
    return data


def _load_block(data: dict[str, Any]) -> PageBlock:
    rows: dict[str, list[TextRow]] = {
        name: [TextRow(cells, box) for cells, box in data[name]] for name in ("rows", "inherited") if name in data
    }
    values: dict[str, Any] = {**data, **rows, "box": tuple(data["box"])}
    if stated := data.get("stated"):
        values["stated"] = Stated.model_construct(text=stated[0], page=stated[1])
    values["basis"] = tuple(Basis.model_construct(**basis) for basis in data.get("basis", ()))
    return PageBlock(**values)


def _dump_rows(rows: list[TextRow]) -> list[Any]:
    return [[row.cells, [round(value, 1) for value in row.box]] for row in rows]


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            parse: dict[str, Any] = json.load(file)
            return parse
    except (OSError, EOFError, ValueError):
        return None  # not there, or cut by a crash: it is read anew


def _store(path: Path, parse: dict[str, Any]) -> None:
    with (
        suppress(FingenError),  # a cache that cannot be written costs time, not data
        write_beside(path) as beside,
        gzip.open(beside, "wt", encoding="utf-8", compresslevel=1) as file,
    ):
        file.write(dump_json(parse))
