"""What rows are checked against: the passages that they were written from, or the reports that they are said to be about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from fingen.config import CACHE, LANGUAGES, LEAST_TOKENS, MOST_TOKENS, ReadSettings
from fingen.disk import read_jsonl, short_digest
from fingen.errors import DocumentError, SetError, UsageError
from fingen.quality.evidence import find_hashed, hash_text, is_hash, retell
from fingen.quality.grounding import LEVELS, Finding, Grounding, Standing, ground
from fingen.quality.privacy import Mode, protect_chunk
from fingen.records import Chunk, Document, Passage, Period, Record, SourceEntry
from fingen.sets import CHUNKS, MANIFEST, read_manifest
from fingen.spool import Recent, Shelf
from fingen.tasks.qa import build_passage

MOST_GROUNDED = 1 << 14  # rows whose figures are remembered: those that share them mostly stand near each other
# how figures stand, by a digest of all of a row that says so
Groundings = dict[bytes, Grounding] | Shelf[bytes, Grounding]


@dataclass(frozen=True)
class Origin:
    """Passages by the id of their chunk, in the order of the documents.

    `is_whole` says that they are whole documents: a row that names no chunk can then be checked against all of them.
    """

    chunks: Mapping[str, Chunk] = field(default_factory=dict)
    passages: Mapping[str, Passage] = field(default_factory=dict)
    organisations: frozenset[str] = frozenset()  # whose reports they are
    is_whole: bool = False
    groundings: Groundings = field(default_factory=lambda: Recent(MOST_GROUNDED), compare=False, repr=False)
    _by_document: dict[str, list[str]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, record: Record) -> tuple[Passage, ...] | None:
        """What a row was written from; None where that is not here."""
        if record.chunks:
            found = tuple(self.passages[chunk] for chunk in record.chunks if chunk in self.passages)
            return found if len(found) == len(record.chunks) else None
        return tuple(self.passages.values()) if self.is_whole else None

    def of_document(self, path: str) -> Iterator[Passage]:
        """The passages of one document, in their order."""
        if not self._by_document:
            for chunk, passage in self.passages.items():
                self._by_document.setdefault(passage.document, []).append(chunk)
        return map(self.passages.__getitem__, self._by_document.get(path, ()))

    def with_texts(self, record: Record) -> Record:
        """The row with the quotes and the passage that its hashes stand for; the hash of what is not here stays."""
        texts = [self.chunks[passage.chunk].text for passage in self.of(record) or ()]
        whole = "\n\n".join(texts)

        def find(quote: str) -> str:
            found = (find_hashed(quote, text) for text in texts) if is_hash(quote) else ()
            return next(filter(None, found), quote)

        def show(passage: str) -> str:
            return whole if is_hash(passage) and hash_text(whole) == passage else passage

        return retell(record, find, show) if texts else record

    def ground(self, record: Record) -> Grounding | None:
        """How the figures of a row stand in what it was written from; None where that is not here, or nothing is to check.

        Steps before its answer are what its program gives, or they are wrong.
        """
        passages = None if is_label_alone(record) else self.of(record)
        if passages is None:
            return None
        found = self._ground_answer(answer_alone(record), passages)
        return _with_steps(found, record) if record.program else found

    def _ground_answer(self, record: Record, passages: Sequence[Passage]) -> Grounding:
        shared = record.questions, record.output, record.calc, record.chunks, record.evidence  # by all rows of one pair
        key = short_digest(repr(shared))
        if (found := self.groundings.get(key)) is None:
            found = self.groundings[key] = ground(record, passages, organisations=self.organisations)
        return found

    def count_figures(self, records: Iterable[Record]) -> dict[str, int]:
        """The figures in the answers of rows: `all`, and by the level of their proof; those that failed are in `all` alone.

        Of those that failed `supported` are in rows that a second teacher supports against a rule that reads words.
        """
        counts: Counter[str] = Counter(dict.fromkeys(("all", *LEVELS), 0))
        for each in (each for record in records for each in record.exchanges):
            if grounding := self.ground(each):
                counts["all"] += len(grounding.figures)
                counts.update({level: grounding.count(level) for level in LEVELS})
                if (failed := grounding.count("failed")) and grounding.is_supported(each.draws):
                    counts["supported"] += failed
        return dict(counts)

    def with_figures(self, record: Record) -> Record:
        """The row with each figure of its answers and the level of its proof; as it is where its passages are not here."""
        grounding = self.ground(record)
        if grounding is None and not is_label_alone(record):
            return record
        turns = list(record.turns)
        for each in record.exchanges[:-1]:
            place = len(each.turns) + 1  # of its answer
            turns[place] = turns[place].model_copy(update={"figures": _figures(self.ground(each))})
        return record.model_copy(update={"figures": _figures(grounding), "turns": tuple(turns)})


def answer_alone(record: Record) -> Record:
    """The row without the steps before its answer; the same row where it has none."""
    if not record.program:
        return record
    from fingen.quality.reasons import without_steps  # few sets have programs

    return without_steps(record)


def _with_steps(found: Grounding, record: Record) -> Grounding:
    """How the figures of a row with a program stand, those of the steps before its answer first; `found` is of the answer alone."""
    from fingen.quality.reasons import STEP, figures_of_steps, find_wrong_step, steps_length  # as above

    length, wrong = steps_length(record), find_wrong_step(record)
    steps = tuple(Standing(*each) for each in figures_of_steps(record))
    found = found.behind(length, steps)
    if wrong is None:
        return found
    finding = Finding(STEP, "failed", record.output[:length].strip(), 0, length, wrong)
    return replace(found, findings=(finding, *found.findings))


def _figures(grounding: Grounding | None) -> tuple[dict[str, object], ...]:
    return tuple(asdict(each) for each in grounding.figures) if grounding else ()


def is_label_alone(record: Record) -> bool:
    """Whether an answer has no text to check: a label without a document, or that the passage does not state it."""
    return record.label == "not-stated" or bool(record.label and not record.document)


def origin_of_set(folder: Path, *, on_disk: bool = False) -> Origin:
    """The passages of a set, and whose reports they are from; empty where the set came without them.

    `on_disk`: they stay there, for who asks for those of one row after the other.

    Raises:
        SetError: the set's own files are damaged.
    """
    path = folder / CHUNKS
    chunks = read_jsonl(path, Chunk) if path.is_file() else ()
    sources = read_manifest(folder).sources
    if not on_disk:
        return build_origin(chunks, sources)
    by_path, by_id = _by_path(sources), Shelf(folder, ((chunk.id, chunk) for chunk in chunks))
    passages = Shelf(folder, ((chunk.id, _passage(chunk, by_path.get(chunk.document))) for chunk in by_id.values()))
    return Origin(by_id, passages, _organisations(sources))


def build_origin(chunks: Iterable[Chunk], sources: Sequence[SourceEntry]) -> Origin:
    """The passages of some chunks, with what a manifest knows of their documents and whose reports it lists."""
    by_path, by_id = _by_path(sources), {chunk.id: chunk for chunk in chunks}
    passages = {chunk.id: _passage(chunk, by_path.get(chunk.document)) for chunk in by_id.values()}
    return Origin(by_id, passages, _organisations(sources))


def _by_path(sources: Sequence[SourceEntry]) -> dict[str, SourceEntry]:
    return {source.path: source for source in sources}


def _organisations(sources: Sequence[SourceEntry]) -> frozenset[str]:
    names = (name for source in _by_path(sources).values() for name in (source.company, *source.names.values()))
    return frozenset(name for name in names if name)


def read_origin(paths: Sequence[Path], settings: Mapping[str, Any] | None = None) -> Origin:
    """Reports to check rows against: files that `fingen pdf2qa` reads, chunks.jsonl of a set, or page-by-page parses.

    `settings` are those of the set that the rows are of: its reports are cut, and masked, as they were for it.

    Raises:
        UsageError: a file of no such kind; DocumentError, SetError: one that cannot be read.
    """
    origins = [_read_one(path, settings or {}) for path in paths]
    return Origin(
        {name: chunk for origin in origins for name, chunk in origin.chunks.items()},
        {name: passage for origin in origins for name, passage in origin.passages.items()},
        frozenset().union(*(origin.organisations for origin in origins)),
        is_whole=True,
    )


def _read_one(path: Path, settings: Mapping[str, Any]) -> Origin:
    if not path.is_file():
        raise UsageError(f"--source {path}: no such file", hint="name a report, chunks.jsonl, or a page-by-page parse")
    from fingen.documents.formats import SUFFIXES  # a set is checked against its own passages: nothing is read

    if path.suffix.lower() in SUFFIXES - {".txt"}:
        return _of_document(_read_report(path, settings), settings)
    from fingen.documents.parsed import is_page_parse, read_page_parse  # with all that finds companies: rarely needed

    if is_page_parse(path):
        return _of_document(read_page_parse(path), settings)
    if path.name == CHUNKS and path.with_name(MANIFEST).is_file():
        return replace(origin_of_set(path.parent), is_whole=True)
    if path.suffix.lower() == ".txt" and path.read_bytes()[:1] != b"{":
        return _of_document(_read_report(path, settings), settings)
    try:
        chunks = {chunk.id: chunk for chunk in read_jsonl(path, Chunk)}
    except (SetError, UnicodeDecodeError) as e:
        raise UsageError(
            f"--source {path}: neither a report, nor chunks, nor a page-by-page parse: {e}",
            hint='a parse has lines such as {"page": 1, "allrow": 0, "type": "text", "inside": "..."}',
        ) from e
    return Origin(chunks, {name: _passage(chunk, None) for name, chunk in chunks.items()}, is_whole=True)


def _read_report(path: Path, settings: Mapping[str, Any]) -> Document:
    from fingen.documents import InputFile, read_documents

    for event in read_documents([InputFile(path, path.name)], _as_made(settings), workers=1, cache=CACHE):
        if isinstance(event, DocumentError):
            raise event
        if isinstance(event, Document):
            return event
    raise AssertionError("reading ended without a document or an error")


def _as_made(settings: Mapping[str, Any]) -> ReadSettings:
    """How the reports of a set were cut, as far as that can be: the settings may be of others."""
    tokens, language = settings.get("chunk_tokens"), settings.get("language")
    how = ReadSettings()
    if type(tokens) is int and LEAST_TOKENS <= tokens <= MOST_TOKENS:
        how = replace(how, chunk_tokens=tokens)
    return replace(how, language=language) if language in LANGUAGES else how


def _of_document(document: Document, settings: Mapping[str, Any]) -> Origin:
    names = frozenset(name for name in (document.company, *document.names.values()) if name)
    mode: Mode = settings["privacy"] if settings.get("privacy") in get_args(Mode) else "keep"
    chunks = [protect_chunk(chunk, mode)[0] for chunk in document.chunks]
    passages = {chunk.id: build_passage(document, chunk) for chunk in chunks}
    return Origin({chunk.id: chunk for chunk in chunks}, passages, names, is_whole=True)


def _passage(chunk: Chunk, source: SourceEntry | None) -> Passage:
    """A chunk with what the manifest knows of its document."""
    about = (
        source.model_dump(include={"company", "names", "period"}) if source else {"company": None, "period": Period()}
    )
    document = Document(path=chunk.document, sha256="", pages=0, language=chunk.language, chunks=(), **about)
    return build_passage(document, chunk)
