"""What a file is, by its content: a format that is read, or one that is not, with what to do about it."""

from __future__ import annotations

import re
import zipfile
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from fingen.encodings import wide_encoding
from fingen.errors import Cause, DocumentError, did_you_mean

Format = Literal["pdf", "html", "submission", "docx", "md", "txt"]

HEAD = 4096  # bytes that are looked at
SUFFIXES = {".pdf", ".htm", ".html", ".xhtml", ".txt", ".docx", ".md", ".markdown"}  # of files that are read
PAGES = {".htm", ".html", ".xhtml"}
MARKDOWN = {".md", ".markdown"}
XML = {".xml", ".xbrl", ".xsd", ".svg"}
AS_PDF = "save it as PDF or .docx"
# What stands in folders of reports and is not read, by its suffix. Other files of a folder are no documents.
OTHERS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".csv", ".tsv"), "print the sheets to PDF"),
    **dict.fromkeys((".pptx", ".ppt", ".pps", ".odp", ".key"), "export the slides as PDF"),
    **dict.fromkeys((".doc", ".docm", ".dot", ".rtf", ".odt", ".pages", ".wps", ".epub", ".xps"), AS_PDF),
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp", ".heic", ".svg"),
        "put the pictures into a PDF, and read it with --ocr",
    ),
    **dict.fromkeys((".zip", ".7z", ".rar", ".gz", ".tgz", ".tar", ".bz2", ".xz"), "unpack it, and name what is in it"),
    **dict.fromkeys((".xml", ".xbrl", ".xsd"), "take the filing's .htm, which has the same facts"),
    **dict.fromkeys((".mht", ".mhtml", ".eml", ".msg"), "save the page or message as .html or PDF"),
}


# What holds data, settings or code: in a folder passed over, named outright refused.
DATA = {".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".py", ".ipynb", ".js", ".css", ".sql"}


MOST_NEIGHBOURS = 1_000  # names that a wrong one is compared with


class Refused(NamedTuple):
    """A format that is not read."""

    what: str
    hint: str


_MAGIC: tuple[tuple[bytes, Refused], ...] = (
    (b"\x89PNG", Refused("a PNG picture", OTHERS[".png"])),
    (b"\xff\xd8\xff", Refused("a JPEG picture", OTHERS[".png"])),
    (b"GIF8", Refused("a GIF picture", OTHERS[".png"])),
    (b"II*\0", Refused("a TIFF picture", OTHERS[".png"])),
    (b"MM\0*", Refused("a TIFF picture", OTHERS[".png"])),
    (b"BM", Refused("a BMP picture", OTHERS[".png"])),
    (b"RIFF", Refused("a picture or a recording", OTHERS[".png"])),
    (b"{\\rtf", Refused("rich text (RTF)", AS_PDF)),
    (b"%!PS", Refused("PostScript", "turn it into PDF")),
    (b"\x1f\x8b", Refused("a packed file (gzip)", OTHERS[".zip"])),
    (b"7z\xbc\xaf", Refused("a packed file (7z)", OTHERS[".zip"])),
    (b"Rar!", Refused("a packed file (rar)", OTHERS[".zip"])),
    (b"BZh", Refused("a packed file (bzip2)", OTHERS[".zip"])),
    (b"\xfd7zXZ", Refused("a packed file (xz)", OTHERS[".zip"])),
    (b"SQLite format", Refused("a database", "export what it holds as .html or PDF")),
    (b"PAR1", Refused("a table in Parquet", "print it to PDF")),
)
_COMPOUND = b"\xd0\xcf\x11\xe0"  # of the files of old Office programs, and of new ones with a password
_COMPOUND_BYTES = 32 << 20  # that are searched for the names of what is in one
_COMPOUNDS = (
    ("EncryptedPackage", Refused("a file with a password", "open it with its password, and save it without one")),
    ("WordDocument", Refused("a file of an old Word (.doc)", "save it as .docx or PDF")),
    ("Workbook", Refused("a workbook of an old Excel (.xls)", OTHERS[".xls"])),
    ("PowerPoint Document", Refused("slides of an old PowerPoint (.ppt)", OTHERS[".ppt"])),
)
_ZIPPED = (
    ("xl/", Refused("a workbook of Excel", OTHERS[".xlsx"])),
    ("ppt/", Refused("slides of PowerPoint", OTHERS[".pptx"])),
    ("content.xml", Refused("an OpenDocument file", AS_PDF)),
    ("META-INF/container.xml", Refused("an EPUB book", AS_PDF)),
)
_SUBMISSION = re.compile(
    rb"\s*(?:-----BEGIN PRIVACY-ENHANCED MESSAGE-----|<(?:SEC|IMS)-(?:DOCUMENT|HEADER)>|<SUBMISSION>|<DOCUMENT>\s*<TYPE>)"
)
_PROLOG = re.compile(rb"(?:\s|<\?[^>]*\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[[^\]]*\]\s*)?>)*", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(rb"<([A-Za-z][\w.-]*:)?([A-Za-z][\w-]*)")
_HTML = frozenset(
    b"html head body title meta style center div p span font table tr td tbody h1 h2 h3 h4 h5 h6 b i u br hr a pre "
    b"ul ol li basefont page".split()
)
_PAGED = re.compile(rb"<(?:html|body|head|p|div|font|tr|td|br|center|hr|b|pre)\b", re.IGNORECASE)
_MAIL = re.compile(rb"(?:MIME-Version|From|Return-Path|Received|Content-Type):\s", re.IGNORECASE)


def find_format(path: Path, name: str) -> Format:
    """Find which reader a file takes. Its content says so; its name only tells Markdown from plain text.

    Raises:
        DocumentError: it is empty, not there, or of a format that is not read; says which, and what to do.
    """
    head = _head(path, name)
    found = _format(path, head)
    if path.suffix.lower() == ".pdf" and found != "pdf":  # a page that says why the download failed, as a rule
        detail = f"it starts with {head[:16].decode('latin-1')!r}"
        raise DocumentError(
            name, Cause.NOT_PDF, detail, hint="download it again, or name it by what it is, or remove it"
        )
    if isinstance(found, Refused):
        raise DocumentError(name, Cause.UNSUPPORTED, found.what, hint=f"{found.hint}, or remove it from the folder")
    return found


def is_pdf(path: Path) -> bool:
    """Whether a file is a PDF, whose pages can be drawn."""
    try:
        return b"%PDF-" in _head(path, path.name)[:1024]
    except DocumentError:
        return False


def may_be_document(path: Path) -> bool:
    """Whether a file of a folder is one that is read, or one that people keep among reports and has to be named.

    What has another suffix, or none, is one where its content alone says so: code, settings and rows of data are none.
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES or suffix in OTHERS:
        return not path.name.startswith("~$")  # which Word keeps while a file is open
    try:
        return _format(path, _head(path, path.name)) in ("pdf", "html", "submission", "docx")
    except DocumentError:
        return False


def _near(path: Path) -> str:
    """What a path that leads to nothing was most likely meant to be."""
    beside = (each.name for each in islice(path.parent.glob("*"), MOST_NEIGHBOURS))
    return did_you_mean(path.name, beside)


def _head(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size == 0:  # nor is a pipe waited for
            raise DocumentError(name, Cause.EMPTY, hint="download the file again")
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as e:
        raise DocumentError(name, Cause.NOT_FOUND, hint=_near(path) or "check the path") from e
    except OSError as e:
        raise DocumentError(name, Cause.NOT_READABLE, e.strerror or "", hint="check the permissions of the file") from e
    return head


def _format(path: Path, head: bytes) -> Format | Refused:
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path)
    if head.startswith(_COMPOUND):
        return _compound(path)
    refused = next((refused for magic, refused in _MAGIC if head.startswith(magic)), None)
    if refused:
        return refused
    encoding = wide_encoding(head)
    text = head.decode(encoding, "replace").encode() if encoding else head.removeprefix(b"\xef\xbb\xbf")
    if not encoding and b"\0" in text:
        return Refused("no text, and no format that is known", AS_PDF)
    return _of_text(path, text)


def _of_text(path: Path, text: bytes) -> Format | Refused:
    if _SUBMISSION.match(text):
        return "submission"
    suffix = path.suffix.lower()
    prolog = _PROLOG.match(text)
    start = text[prolog.end() if prolog else 0 :]
    tag = _TAG.match(start)
    if tag and tag[2].lower() in (b"page", b"table", b"caption") and not _PAGED.search(text):
        return "txt"  # the marks of typed filings
    if tag and suffix not in MARKDOWN | XML and not tag[1] and tag[2].lower() in _HTML:
        return "html"
    if b"<html" in text[:1024].lower() and suffix not in MARKDOWN:
        return "html"
    is_page = suffix in PAGES and not tag  # what it begins with is beyond what is looked at
    if (text.lstrip().startswith(b"<?xml") and not is_page) or (tag and suffix in XML):
        what = "XBRL" if b"xbrl" in text.lower() else "XML"
        return Refused(f"{what} without a page to read", OTHERS[".xml"])
    if suffix in MARKDOWN:
        return "md"
    if suffix in OTHERS:
        return Refused(f"a {suffix} file", OTHERS[suffix])
    if suffix in DATA:
        return Refused(f"a {suffix} file, no report format", "save its text as .txt or .md if it is a report")
    if _MAIL.match(text):
        return Refused("a message, or a page saved with its pictures", OTHERS[".eml"])
    return "html" if suffix in PAGES else "txt"


def _compound(path: Path) -> Refused:
    """What a file of old Office programs is, by the names in it."""
    try:
        with path.open("rb") as file:
            data = file.read(_COMPOUND_BYTES)
    except OSError:
        data = b""
    found = (refused for name, refused in _COMPOUNDS if name.encode("utf-16-le") in data)
    return next(found, Refused("a file of old Office programs", AS_PDF))


def _zipped(path: Path) -> Format | Refused:
    """What a ZIP file is, by the names in it."""
    try:
        with zipfile.ZipFile(path) as file:
            names = {entry.filename for entry in file.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return Refused("a damaged ZIP file", "download the file again")
    if "word/document.xml" in names or "word/document2.xml" in names:
        return "docx"
    known = (refused for start, refused in _ZIPPED if any(name.startswith(start) for name in names))
    return next(known, Refused("a packed file (zip)", OTHERS[".zip"]))
