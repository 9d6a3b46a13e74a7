"""One file -> one Document, in this process. Workers call it behind limits; see `fingen.documents.workers`.

What a format needs is in its reader (`fingen.documents.content` says what that is); all that comes after is here.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from fingen.config import ReadSettings
from fingen.disk import cached_name, dump_json, read_cached, sha256_file, sha256_text, write_cached
from fingen.documents.basis import set_basis
from fingen.documents.chunks import build_chunks
from fingen.documents.content import Asked, Content, Part, Reader, Started, Tell
from fingen.documents.elsewhere import statements_elsewhere
from fingen.documents.formats import Format, find_format
from fingen.documents.identity import Identity, as_written, find_identity, is_same_name
from fingen.documents.overrides import Override, read_overrides
from fingen.documents.sections import Opening, find_sections, section_paths
from fingen.documents.shapes import CellFact, PageBlock, TextRow
from fingen.documents.units import set_units
from fingen.errors import Cause, DocumentError
from fingen.records import Basis, Document, Fact, Language, Period, Stated
from fingen.text import find_language

# The reader of each format: imported with the first file that takes it, for some are slow to load.
READERS: dict[Format, str] = {
    "pdf": "fingen.documents.pdf",
    "html": "fingen.documents.html",
    "submission": "fingen.documents.submission",
    "docx": "fingen.documents.docx",
    "md": "fingen.documents.markdown",
    "txt": "fingen.documents.plain",
}
# Names the code that reads: a parse in the cache that other code made is not used.
BESIDE = {"on_ray.py", "parsed.py", "picture.py"}  # have no part in it
_CODE = (path for path in sorted(Path(__file__).parent.glob("*.py")) if path.name not in BESIDE)
READER = sha256_text(*(path.read_text(encoding="utf-8") for path in _CODE))
WHOLE = 0  # the level of a document among others in one file: it ends whatever is open
SAMPLE = 200_000  # characters that tell the language


def read_document(path: Path, name: str, reading: ReadSettings, *, cache: Path | None = None, skip: frozenset[int] = frozenset(),
                  started: Started = lambda page, pages: True, tell: Tell = lambda text: None) -> Document:  # fmt: skip
    """Read a file into chunks. `name` is how the document is called; pages in `skip` (1-based) are left out and listed.

    Raises:
        DocumentError: the file cannot be read; `reason` says why.
    """
    kind = find_format(path, name)
    sha256 = _sha256(path, name)
    reader: Reader = import_module(READERS[kind])  # it has both functions
    key = (sha256, READER, kind, reader.made_by(reading), reading.language, str(sorted(skip)))
    stored = cache / cached_name(*key) if cache else None
    with _without_gc():
        if parse := _load(stored) if stored else None:
            with suppress(LookupError, TypeError, ValueError, AttributeError):  # of another form: it is read anew
                return _document(parse, path, name, sha256, reading)
        parse = _parse(reader.read(path, name, Asked(reading, skip, started, tell)), name, reading)
        if stored:
            write_cached(stored, dump_json(parse).encode())
        return _document(parse, path, name, sha256, reading)


def load_reader(path: Path) -> None:
    """Import what reads a file: that takes memory and time which are not the file's. One that cannot be read is no matter here."""
    with suppress(DocumentError):
        import_module(READERS[find_format(path, path.name)])


def _sha256(path: Path, name: str) -> str:
    try:
        return sha256_file(path)
    except OSError as e:
        raise DocumentError(name, Cause.NOT_READABLE, e.strerror or "", hint="check the permissions of the file") from e


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
    details: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in parse["details"].items()
    }
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
        filing={**parse["filing"], **override.filing},
        hidden=parse["hidden"],
        oversize=chunked.oversize,
        elsewhere=parse["elsewhere"],
        **details,
    )


# --- parsing -----------------------------------------------------------------------------------------------------------


def _parse(content: Content, name: str, reading: ReadSettings) -> dict[str, Any]:
    """Everything that depends on the file alone, as JSON values, so that a cached parse and a fresh one are the same."""
    blocks = content.blocks
    if not blocks and not content.pages:  # the reader of PDF says why, page by page
        hidden = sum(content.hidden.values())
        detail = "nothing in it can be seen" + (f": {hidden} pieces of text are hidden" if hidden else "")
        raise DocumentError(name, Cause.NO_TEXT, detail, hint="check that this is the right file")
    sample = content.sample or "".join(map(_text, blocks))
    language: Language = (
        find_language(sample[:SAMPLE]) if reading.language == "auto" else reading.language  # type: ignore[assignment]
    )
    about = _identity(content, language)
    sections = _sections(content)
    paths = section_paths(blocks, sections)
    set_units(blocks, paths, content.furniture)
    set_basis(blocks, paths)
    return {
        "pages": content.pages,
        "language": language,
        **about.to_json(),
        "filing": content.filing,
        "sections": sections,
        "blocks": [_dump_block(block) for block in blocks],
        "broken": sorted(_words_at_breaks(blocks, content.words)),
        "details": content.details,
        "elsewhere": statements_elsewhere(blocks) if about.period.kind == "annual" else "",
        "hidden": dict(sorted(content.hidden.items())),
    }


def _text(block: PageBlock) -> str:
    return block.text or " ".join(cell for row in block.rows for cell in row.cells)


def _identity(content: Content, language: Language) -> Identity:
    """Whose report it is and of what time. Tags know both; the name is written as its lines write it."""
    told = content.about
    metadata = content.metadata or (told.company if told and told.company else "")
    lines = replace(content.lines, metadata=metadata) if metadata else content.lines
    found = find_identity(lines, language)
    if told is None:
        return found
    same = told.company is None or (found.company is not None and is_same_name(found.company, told.company))
    is_told = told.period.kind != "unknown" or (found.period.kind == "unknown" and told.period.end is not None)
    period = told.period if is_told else found.period
    about = found if same else _renamed(told, as_written(told.company or "", "\n".join(lines.joined)))
    return about._replace(period=period, amendment=told.amendment or found.amendment)


def _renamed(about: Identity, name: str) -> Identity:
    return about._replace(company=name or None, names={"en": name} if name else {})


def _sections(content: Content) -> list[Opening]:
    """Where sections begin, in one document of the file after the other."""
    parts = content.parts or [Part(0, "", content.body, content.pages)]
    openings: list[Opening] = []
    for part, end in zip(parts, [*(part.at for part in parts[1:]), len(content.blocks)], strict=True):
        if part.title:
            openings.append(Opening(part.at, WHOLE, part.title))
        start = part.at + bool(part.title)
        openings += (opening._replace(at=opening.at + start) for opening in _sections_of(content, part, start, end))
    return openings


def _sections_of(content: Content, part: Part, start: int, end: int) -> list[Opening]:
    """Where sections begin: at the headings that the format has, and where it has none at what looks like one."""
    blocks = content.blocks[start:end]
    headings = [(at, block) for at, block in enumerate(blocks) if block.kind == "heading"]
    if headings:
        return [Opening(at, block.level, block.text) for at, block in headings]
    return find_sections(blocks, content.outline, body=part.body, across=content.across, furniture=content.furniture,
                         pages=part.pages)  # fmt: skip


def _words_at_breaks(blocks: list[PageBlock], words: frozenset[str]) -> set[str]:
    """The part of the vocabulary that joining paragraphs over a page needs."""
    ends = {block.text.rsplit(" ", 1)[-1].rstrip("-").lower() for block in blocks if block.text.endswith("-")}
    return {word for word in words if any(word.startswith(end) for end in ends)} if ends else set()


# --- the cache ---------------------------------------------------------------------------------------------------------


def _dump_block(block: PageBlock) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": block.kind, "page": block.page, "box": [round(value, 1) for value in block.box]}
    if block.place:
        data["place"] = block.place
    if block.facts:
        data["facts"] = _dump_facts(block.facts)
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
        name: [TextRow(cells, tuple(box), _load_facts(facts)) for cells, box, *facts in data[name]]
        for name in ("rows", "inherited")
        if name in data
    }
    values: dict[str, Any] = {**data, **rows, "box": tuple(data["box"])}
    if stated := data.get("stated"):
        values["stated"] = Stated.model_construct(text=stated[0], page=stated[1])
    values["facts"] = _load_facts([data.get("facts", [])])
    values["basis"] = tuple(Basis.model_construct(**basis) for basis in data.get("basis", ()))
    return PageBlock(**values)


def _dump_rows(rows: list[TextRow]) -> list[Any]:
    return [
        [row.cells, [round(value, 1) for value in row.box], *([_dump_facts(row.facts)] if row.facts else [])]
        for row in rows
    ]


def _dump_facts(facts: list[CellFact]) -> list[Any]:
    return [[cell, fact.model_dump(mode="json")] for cell, fact in facts]


def _load_facts(held: list[list[Any]]) -> list[CellFact]:
    return [CellFact(cell, Fact.model_validate(fact)) for facts in held for cell, fact in facts]


def _load(path: Path) -> dict[str, Any] | None:
    try:
        parse: dict[str, Any] | None = json.loads(read_cached(path) or b"null")
        return parse
    except ValueError:
        return None
