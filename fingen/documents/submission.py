"""Full submissions of EDGAR, several documents in one text -> their blocks, one document after the other.

Each document but the first is a section of its own, named by its type; pictures, packed files and the files of XBRL are
left out and named. A single document that EDGAR has put between its marks is read as that document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fingen.config import ReadSettings
from fingen.documents import html, plain
from fingen.documents.content import NO_BOX, Asked, Content, Part, pages_of
from fingen.documents.identity import Identity, without_state
from fingen.documents.ixbrl import kind_of_form
from fingen.documents.markup import LARGEST, decode
from fingen.documents.shapes import PageBlock
from fingen.errors import Cause, DocumentError
from fingen.records import Period

MOST_BYTES = 256 << 20  # of a submission with its pictures
_DOCUMENT = re.compile(rb"<DOCUMENT>(.*?)(?:</DOCUMENT>|(?=<DOCUMENT>)|\Z)", re.DOTALL | re.IGNORECASE)
_TEXT = re.compile(rb"<TEXT>(.*?)(?:</TEXT>|\Z)", re.DOTALL | re.IGNORECASE)
_WRAPPED = re.compile(rb"\s*<(?:XBRL|XML|PDF)>\s*", re.IGNORECASE)
_CLOSING = re.compile(rb"</(?:XBRL|XML|PDF)>\s*$", re.IGNORECASE)
_TAGS = re.compile(rb"<(?:html|body|div|p|font|table\s[^>]|tr|center|b|hr)\b", re.IGNORECASE)
_PACKED = re.compile(rb"\s*(?:begin \d{3,4} |%PDF-|\x89PNG|PK\x03\x04)")
_MARKUP = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?><!--.*?-->\s*)*+<(?:\w+:)?(?:schema|linkbase|xbrl|ownershipDocument)\b", re.DOTALL
)
_DATA = re.compile(r"(?:GRAPHIC|ZIP|EXCEL|JSON|XML|COVER)\b|EX-10[014]\b|EX-101\.")
# Exhibits that say what the filing itself says by reference; the others are sections of the sort "exhibits".
_MAIN_EXHIBITS = (("EX-13", "Annual report to shareholders"), ("EX-99", "Release"))


@dataclass(slots=True)
class Filed:
    """One document of a submission."""

    type: str
    file: str
    about: str
    body: bytes
    line: int  # of the submission, that its text begins on

    @property
    def is_html(self) -> bool:
        """Whether it is HTML, and not plain text."""
        return _TAGS.search(self.body[:4096]) is not None

    @property
    def is_read(self) -> bool:
        """Whether it is text to read: no picture, nothing packed, no file of XBRL."""
        return not (_DATA.match(self.type) or _PACKED.match(self.body) or _MARKUP.match(self.body))

    @property
    def title(self) -> str:
        """The section that it is."""
        for start, name in _MAIN_EXHIBITS:
            if self.type.startswith(start):
                return f"{name} ({self.type})"
        is_told = re.sub(r"\W", "", self.about.upper()) not in ("", re.sub(r"\W", "", self.type))
        return f"{self.type} {self.about}" if is_told else self.type


def made_by(reading: ReadSettings) -> str:
    """Name what reads: a parse that another one made is not used."""
    return html.made_by(reading) + plain.made_by(reading)


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read the documents of a submission that are text.

    Raises:
        DocumentError: it is too large, or none of its documents can be read.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DocumentError(name, Cause.TOO_LARGE, f"more than {MOST_BYTES >> 20} MB", hint="name its documents alone")
    data = path.read_bytes()
    all_filed = list(documents_of(data))
    read_now = [filed for filed in all_filed if filed.is_read]
    left = [" ".join(filter(None, (filed.type, filed.file))) for filed in all_filed if not filed.is_read]
    asked.started(0, pages_of(sum(len(filed.body) for filed in read_now)))
    header = _header(data)
    contents = [(filed, _content(filed, name, alone=len(read_now) == 1)) for filed in read_now]
    whole = _joined([(filed, content) for filed, content in contents if content.blocks], header)
    whole.details["left_out"] = left
    if not whole.blocks and left:
        raise DocumentError(name, Cause.NO_TEXT, f"it holds no text to read, but {', '.join(left[:5])}",
                            hint="download the filing's main document")  # fmt: skip
    return whole


def documents_of(data: bytes) -> Iterator[Filed]:
    """The documents of a submission, in its order."""
    line, at = 1, 0
    for found in _DOCUMENT.finditer(data):
        text = _TEXT.search(found[1])
        head = found[1][: text.start()] if text else found[1][:2000]
        start = found.start(1) + (text.start(1) if text else 0)
        body = text[1] if text else found[1]
        if wrapped := _WRAPPED.match(body):
            start += wrapped.end()
            body = _CLOSING.sub(b"", body[wrapped.end() :])
        line, at = line + data.count(b"\n", at, start), start
        yield Filed(_tag(head, b"TYPE").upper(), _tag(head, b"FILENAME"), _tag(head, b"DESCRIPTION"), body, line)


def _tag(head: bytes, name: bytes) -> str:
    found = re.search(rb"<" + name + rb">([^\r\n<]*)", head, re.IGNORECASE)
    return " ".join(decode(found[1]).split()) if found else ""


def _header(data: bytes) -> dict[str, str]:
    """What the submission's header says: its fields by their names; those of the first filer."""
    head = data[: data.find(b"<DOCUMENT>") if b"<DOCUMENT>" in data[: 1 << 20] else 0]
    fields: dict[str, str] = {}
    for name, value in re.findall(r"^[ \t]*([A-Z][A-Z ]+):[ \t]*(\S.*?)\s*$", decode(head), re.MULTILINE):
        fields.setdefault(name, value)
    return fields


def _content(filed: Filed, name: str, *, alone: bool) -> Content:
    text = decode(filed.body)
    if len(text) > LARGEST:
        raise DocumentError(
            name, Cause.TOO_LARGE, f"{filed.type} has more than {LARGEST >> 20} MB of text", hint="split the file"
        )
    if not text.strip():
        return Content([])
    if not filed.is_html:
        return plain.read_text(text, first_line=filed.line)
    content = html.read_markup(text, name)
    if not alone:
        for block in content.blocks:
            block.place = (
                filed.file + block.place if block.place[:1] == "#" else f"{filed.file or filed.type} {block.place}"
            )
    return content


def _joined(contents: list[tuple[Filed, Content]], header: dict[str, str]) -> Content:
    """One document after the other: their pages are counted on, and one without pages counts as one."""
    blocks: list[PageBlock] = []
    parts: list[Part] = []
    furniture: dict[int, list[str]] = {}
    hidden: Counter[str] = Counter()
    have_pages, pages = any(content.pages for _, content in contents), 0
    for number, (filed, content) in enumerate(contents):
        for block in content.blocks if have_pages else ():
            block.page = max(block.page, 1) + pages
        furniture |= {page + pages: lines for page, lines in content.furniture.items()}
        parts.append(Part(len(blocks), filed.title if number else "", content.body, content.pages))
        if number:
            first = content.blocks[0].page
            blocks.append(PageBlock("heading", first, NO_BOX, filed.title, level=1, place=f"line {filed.line}"))
        blocks += content.blocks
        pages += max(content.pages, 1) if have_pages else 0
        hidden.update(content.hidden)
    whole = Content(
        blocks,
        pages,
        parts=parts,
        furniture=furniture,
        hidden=dict(hidden),
        metadata=header.get("COMPANY CONFORMED NAME", ""),
    )
    whole.about = _about(contents, header)
    if filing := {
        to: header[name]
        for to, name in (("accession", "ACCESSION NUMBER"), ("filed", "FILED AS OF DATE"))
        if name in header
    }:
        whole.filing = {**filing, **({"filed": _iso(filing["filed"])} if "filed" in filing else {})}
    return whole


def _about(contents: list[tuple[Filed, Content]], header: dict[str, str]) -> Identity | None:
    """What tags say of the filing, or else what its header does: the form, and the end of its period."""
    tagged = next((content.about for _, content in contents if content.about), None)
    if tagged:
        return tagged
    end = _iso(header.get("CONFORMED PERIOD OF REPORT", ""))
    kind = kind_of_form(header.get("CONFORMED SUBMISSION TYPE", contents[0][0].type if contents else ""))
    name = without_state(header.get("COMPANY CONFORMED NAME", ""))
    period = Period(kind=kind, end=end) if end and kind != "unknown" else Period()
    return Identity(name, {"en": name}, None, None, period) if name else None


def _iso(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 and day.isdecimal() else ""
