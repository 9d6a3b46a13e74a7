"""One record of a set with all that it rests on: its passages, its quotes in them, and where they stand on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rapidfuzz import process

from fingen.config import DPI
from fingen.disk import check_writable, read_jsonl, sha256_file, write_beside, write_text
from fingen.documents.formats import is_pdf
from fingen.errors import SetError, UsageError
from fingen.quality.evidence import locate, place_of
from fingen.records import PLACE_MARK, Block, Box, Chunk, Evidence, Manifest, Record, SourceEntry
from fingen.sets import CHUNKS, JOURNAL, MAKE_AGAIN, REJECTED, SPLITS, read_manifest, read_split
from fingen.teachers.journal import read_inputs

FOLDERS = (
    Path(),
    Path("raw"),
    Path("reports"),
)  # where input files are looked for if no folder is named, and where they were
NAMED = 5  # ids that a message names
NEAR = 60  # of 100: how alike an id must be to be suggested


@dataclass(frozen=True)
class Quote:
    """A piece of evidence: where it stands in a passage, and on which part of a page (1-based), or at what place."""

    text: str
    document: str
    page: int
    chunk: str | None  # id of the passage that holds it; None: none of them does
    start: int  # in the passage's text
    end: int
    boxes: tuple[Box, ...]  # in points from the top left of the page
    is_exact: bool  # the boxes are those of its own lines or cells, not of the whole paragraph or table
    place: str = ""  # in a file without boxes: its section, and what finds it again


@dataclass(frozen=True)
class Shown:
    """A record with its passages and quotes."""

    folder: Path
    split: str
    row: int  # in the file of the split, from 1
    record: Record
    quotes: tuple[Quote, ...]
    passages: tuple[Chunk, ...]
    files: Mapping[str, Path]  # document -> the file that it was read from
    missing: Mapping[str, str]  # document -> why that file is not at hand
    pictures: Mapping[Path, tuple[str, int]] = field(default_factory=dict)  # that were drawn: file -> document and page


def show(folder: Path, wanted: str | None = None, *, inputs: Sequence[Path] = ()) -> Shown:
    """The record whose id starts with `wanted`, or the first one of the set.

    Its files are looked for in `inputs` (folders, or the files themselves), or else in FOLDERS and where they were read from.
    One that is not there, or is not what the set was made from, is in `missing`; the boxes are then those of whole paragraphs and tables.

    Raises:
        SetError: no such set or record, more than one record, or a passage is missing; DocumentError: a page cannot be read.
    """
    manifest = read_manifest(folder)
    split, row, record = _find_record(folder, manifest, wanted)
    passages = _passages(folder, manifest, record)
    sources = {source.path: source for source in manifest.sources}
    files: dict[str, Path] = {}
    missing: dict[str, str] = {}
    places = places_of(folder, inputs)
    for name in documents_of(record):
        file = find_file(name, sources, places)
        if isinstance(file, Path):
            files[name] = file
        else:
            missing[name] = file
    return Shown(folder, split, row, record, place_quotes(record, passages, files), passages, files, missing)


def documents_of(record: Record) -> list[str]:
    """The documents that a record quotes."""
    return list(dict.fromkeys(_document(quote, record) for quote in record.evidence))


@dataclass(frozen=True)
class Places:
    """Where the files of a set are looked for: below what was named, by their names alone too, else where they most likely are."""

    named: tuple[Path, ...]
    likely: tuple[Path, ...] = FOLDERS


def places_of(folder: Path, inputs: Sequence[Path]) -> Places:
    """The places that were named, and for where none was those that a set's journal knows beside FOLDERS."""
    return Places(tuple(inputs), FOLDERS if inputs else (*FOLDERS, *read_inputs(folder / JOURNAL)))


def find_file(name: str, sources: Mapping[str, SourceEntry], places: Places) -> Path | str:
    """The file that a document was read from, or why there is none. `sources` are those of the manifest, by path."""
    return _find_file(sources[name], places) if name in sources else f"{name!r} is not listed in the set's manifest"


class SourceFiles:
    """The PDFs of a set where many pages of them are looked at: one that is replaced meanwhile is known by its content again."""

    def __init__(self, sources: Mapping[str, SourceEntry], places: Places) -> None:
        self._sources, self._places = sources, places
        self._found: dict[str, tuple[Path, tuple[int, ...]]] = {}

    def find(self, name: str) -> Path | str:
        """The PDF of a document, or why there is none."""
        kept = self._found.get(name)
        if kept and _stamp(kept[0]) == kept[1]:
            return kept[0]
        found = find_file(name, self._sources, self._places)  # one that was missing may be there by now
        if isinstance(found, Path):
            self._found[name] = found, _stamp(found)
        return found


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to, or another one takes its place; () where there is none."""
    try:
        about = path.stat()
    except OSError:
        return ()
    return about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def place_quotes(record: Record, passages: Sequence[Chunk], files: Mapping[str, Path]) -> tuple[Quote, ...]:
    """The evidence of a record with its places in the passages and on the pages: lines where the PDF is in `files`.

    Raises:
        DocumentError: a page cannot be read.
    """
    drawn = {name: file for name, file in files.items() if is_pdf(file)}
    return tuple(_place(quote, _document(quote, record), passages, drawn) for quote in record.evidence)


def pages_of(quotes: Sequence[Quote]) -> dict[tuple[str, int], list[tuple[Box, ...]]]:
    """Document and page -> the boxes of each quote that stands there, in the order of the quotes."""
    pages: dict[tuple[str, int], list[tuple[Box, ...]]] = {}
    for quote in quotes:
        if quote.boxes:
            pages.setdefault((quote.document, quote.page), []).append(quote.boxes)
    return pages


def write_pictures(shown: Shown, path: Path, *, dpi: int = DPI, crop: bool = False) -> dict[Path, tuple[str, int]]:
    """Draw each page with a quote, its quotes boxed: the first one as `path`, the others as NAME-2.png and so on.

    Returns:
        File -> document and page, in the order of the quotes.

    Raises:
        UsageError: there is no page to draw, or its PDF is not at hand; nothing is written then.
        DocumentError: a page cannot be read; LimitError: the disk is full.
    """
    check_writable(path.parent)
    if shown.missing:
        raise UsageError("; ".join(shown.missing.values()), hint="name the folder of the reports with --input")
    pages = pages_of(shown.quotes)
    if not pages:
        if place := next((quote for quote in shown.quotes if quote.place), None):
            raise UsageError(
                f"{shown.record.id}: {place.document} has no page that can be drawn: its format has none of a fixed layout",
                hint="--html shows it with the evidence marked; leave --png out to see the record",
            )
        raise UsageError(
            f"{shown.record.id}: no page to draw, for its evidence stands on none",
            hint="leave --png out to see the record",
        )
    pictures = {
        path if number == 1 else path.with_stem(f"{path.stem}-{number}"): (place, marks)
        for number, (place, marks) in enumerate(pages.items(), 1)
    }
    from fingen.documents.apart import render_page

    drawn = {
        file: render_page(shown.files[document], page, marks, dpi=dpi, crop=crop)
        for file, ((document, page), marks) in pictures.items()
    }
    for file, picture in drawn.items():
        with write_beside(file) as beside:
            beside.write_bytes(picture)
    return {file: place for file, (place, _) in pictures.items()}


def write_marked(shown: Shown, path: Path) -> Path:
    """Write the document of the first quote that stands in one without boxes, its quotes marked; it opens at the first.

    Raises:
        UsageError: there is no such quote, or its file is not at hand. DocumentError: that cannot be read.
    """
    check_writable(path.parent)
    quotes = [quote for quote in shown.quotes if quote.place]
    if not quotes:
        raise UsageError(f"{shown.record.id}: its evidence stands on pages", hint="--png draws them")
    document = quotes[0].document
    if document in shown.missing:
        raise UsageError(shown.missing[document], hint="name the folder of the reports with --input")
    from fingen.documents.apart import render_marked

    found = [(quote.text, quote.place.rpartition(PLACE_MARK)[2]) for quote in quotes if quote.document == document]
    write_text(path, render_marked(shown.files[document], found))
    return path


# --- the record --------------------------------------------------------------------------------------------------------


def _find_record(folder: Path, manifest: Manifest, wanted: str | None) -> tuple[str, int, Record]:
    rows = _rows(folder, manifest)
    if wanted is None:
        first = next(rows, None)
        if first is None:
            raise SetError(f"{folder}: the set has no records", hint=f"its rejects say why: {folder / REJECTED}")
        return first
    found: list[tuple[str, int, Record]] = []
    ids: list[str] = []
    for place in rows:
        record = place[2]
        ids.append(record.id)
        if record.id == wanted:
            return place
        if record.id.startswith(wanted):
            found.append(place)
    if len(found) > 1:
        names = ", ".join(record.id for _, _, record in found[:NAMED]) + (", ..." if len(found) > NAMED else "")
        raise SetError(f"{folder}: {len(found)} records start with {wanted!r}: {names}", hint="give more of the id")
    if not found:
        near = [name for name, _, _ in process.extract(wanted, ids, limit=3, score_cutoff=NEAR)]
        hint = f"near it: {', '.join(near)}" if near else f"the first one is {ids[0]}" if ids else "the set is empty"
        raise SetError(f"{folder}: no record {wanted!r}", hint=hint)
    return found[0]


def _rows(folder: Path, manifest: Manifest) -> Iterator[tuple[str, int, Record]]:
    """Every record with its split and its row there, from 1."""
    for split in SPLITS:
        if manifest.splits.get(split):
            for row, record in enumerate(read_split(folder, split), 1):
                yield split, row, record


def _passages(folder: Path, manifest: Manifest, record: Record) -> tuple[Chunk, ...]:
    """The chunks that the record was written from, in its order."""
    if not record.chunks:
        return ()
    wanted = set(record.chunks)
    found = {chunk.id: chunk for chunk in _read_chunks(folder, manifest) if chunk.id in wanted}
    if absent := [chunk for chunk in record.chunks if chunk not in found]:
        raise SetError(f"{folder / CHUNKS}: no passage {absent[0]}, which {record.id} rests on", hint=MAKE_AGAIN)
    return tuple(found[chunk] for chunk in record.chunks)


def _read_chunks(folder: Path, manifest: Manifest) -> Iterator[Chunk]:
    path = folder / CHUNKS
    if CHUNKS not in manifest.files or not path.is_file():
        raise SetError(f"{folder}: the set has no passages: {CHUNKS} is missing", hint=MAKE_AGAIN)
    if sha256_file(path) != manifest.files[CHUNKS].sha256:
        raise SetError(f"{path}: changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return read_jsonl(path, Chunk)


# --- its evidence ------------------------------------------------------------------------------------------------------


def _document(quote: Evidence, record: Record) -> str:
    return quote.document or record.document


def _place(quote: Evidence, document: str, passages: Sequence[Chunk], files: Mapping[str, Path]) -> Quote:
    """A quote with its place in the first passage that has it on its page, and its boxes there."""
    own = [chunk for chunk in passages if chunk.document == document]
    found = next(((chunk, *span) for chunk in own if (span := _span(quote, chunk))), None)
    file = files.get(document)
    if not found:
        lines = _lines(file, quote.page, quote.quote)
        return Quote(quote.quote, document, quote.page, None, 0, 0, lines, bool(lines))
    chunk, start, end = found
    places = [place for block in _blocks(chunk, start, end, quote.page) if (place := place_of(chunk, block))]
    if places:
        place = quote.place if quote.place in places else places[0]
        return Quote(quote.quote, document, quote.page, chunk.id, start, end, (), is_exact=True, place=place or "")
    boxes: list[Box] = []
    is_exact = True
    for block in _blocks(chunk, start, end, quote.page):
        text = chunk.text[max(start, block.start) : min(end, block.end)]
        lines = _lines(file, quote.page, text, block.box)
        is_exact = is_exact and bool(lines)
        boxes += lines or (block.box,)
    return Quote(quote.quote, document, quote.page, chunk.id, start, end, tuple(boxes), is_exact)


def _lines(file: Path | None, page: int, text: str, within: Box | None = None) -> tuple[Box, ...]:
    if file is None:
        return ()
    from fingen.documents.apart import find_lines  # pymupdf is paid for where there is a page

    return tuple(find_lines(file, page, text, within))


def _span(quote: Evidence, chunk: Chunk) -> tuple[int, int] | None:
    """Where a chunk has the quote on the quote's page: as it stands, or else as `locate` finds it."""
    for text in _wordings(quote, chunk):
        start = chunk.text.find(text)
        while start >= 0:
            if _blocks(chunk, start, start + len(text), quote.page):
                return start, start + len(text)
            start = chunk.text.find(text, start + 1)
    return None


def _wordings(quote: Evidence, chunk: Chunk) -> Iterator[str]:
    yield quote.quote
    yield from (part.quote for part in locate(quote.quote, [chunk]) if part.page == quote.page)


def _blocks(chunk: Chunk, start: int, end: int, page: int) -> list[Block]:
    return [block for block in chunk.blocks if block.page == page and block.start < end and start < block.end]


def _find_file(source: SourceEntry, places: Places) -> Path | str:
    """The PDF that a document was read from, or why there is none."""
    others: list[Path] = []
    for path in _candidates(source.path, places):
        try:
            if sha256_file(path) == source.sha256:
                return path
        except OSError as e:
            return f"{path}: cannot be read: {e.strerror}"
        others.append(path)
    if others:
        return f"{others[0]}: not the file that the set was made from: its content is another"
    looked = ", ".join(str(folder) for folder in places.named or places.likely)
    return f"{source.path!r} was not found below {looked}"


def _candidates(name: str, places: Places) -> Iterator[Path]:
    """Files that may be the document: by its path, and in folders that were named also by its file name alone."""
    inner = PurePosixPath(name)
    for folder in places.named or places.likely:
        if folder.is_file():
            yield folder
        elif not inner.is_absolute() and ".." not in inner.parts and (folder / inner).is_file():
            yield folder / inner
        elif places.named:
            last = PurePosixPath(name).name
            yield from (path for path in sorted(folder.rglob("*")) if path.name == last and path.is_file())
