"""The conductor: documents -> tasks -> teachers -> quality -> sets."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from fingen import __version__, prompts
from fingen.config import CACHE, Pdf2qa
from fingen.documents import Progress, find_sources, is_narrative, read_documents
from fingen.errors import DocumentError, SetError, ShortfallError
from fingen.quality.balance import surplus_reference
from fingen.quality.checks import Draft, check
from fingen.quality.duplicates import find_duplicates, fold
from fingen.quality.evidence import locate
from fingen.quality.splits import assign_splits, pick_memory
from fingen.records import Chunk, Completion, Document, Manifest, Record, Rejected, Request, SourceEntry, dump_json
from fingen.sets import SetContent, read_manifest, write_set
from fingen.tasks import qa
from fingen.teachers import open_teacher
from fingen.teachers.base import Teacher
from fingen.teachers.dispatch import dispatch
from fingen.teachers.journal import Journal, lock

CONCURRENCY = 16  # requests in flight
REFERENCE_SHARE = 1 / 3  # of the offline teacher's pairs of a document and task, from glossaries and policies
INVALID_ANSWERS = 0.2  # from this share of unusable answers on, a run falls short
DISTRACTED = 0.3  # of the rows with their passage: other passages stand beside it
UNSTATED = 0.1  # of the rows with their passage: it is taken away, and saying so is right
JOURNAL = "journal.sqlite"


@dataclass(frozen=True)
class Answered:
    """News: a request was answered; `done` of `total`."""

    done: int
    total: int


Watch = Callable[[Progress | Document | DocumentError | Answered], None]


@dataclass(frozen=True)
class Summary:
    """What a run did. `exit_code` is 0, or 1 where it fell short."""

    set: str
    teacher: str
    documents: list[dict[str, Any]]
    unread: list[dict[str, Any]]
    pages: int
    chunks: int
    chunks_asked: int
    chunks_with_records: int
    records: dict[str, dict[str, int]]  # task -> split -> rows
    rejects: dict[str, int]
    coverage: dict[str, dict[str, int]]  # section -> chunks asked, with records
    requests: dict[str, int]  # asked now, from the journal, unusable answers
    cost_usd: float | None
    changed: bool
    seconds: dict[str, float]
    notes: list[str]
    next: str
    exit_code: int = 0


@dataclass
class _Draw:
    """Items on their way to becoming records."""

    kept: list[Record] = field(default_factory=list)
    rephrased: dict[str, str] = field(default_factory=dict)  # record id -> the second wording of its question
    rejected: list[Rejected] = field(default_factory=list)
    unusable: int = 0

    def reject(self, records: Iterable[tuple[Record, str]], reason: str) -> None:
        """Move records to the rejects, each with its detail."""
        details = {record.id: detail for record, detail in records}
        for record in self.kept:
            if record.id in details:
                item = {"question": record.instruction, "answer": record.output, "document": record.document}
                self.rejected.append(
                    Rejected(
                        item=item, reason=reason, detail=details[record.id], chunks=record.chunks or (), request=None
                    )
                )
        self.kept = [record for record in self.kept if record.id not in details]


def pdf2qa(settings: Pdf2qa, *, teacher: Teacher | None = None, watch: Watch = lambda news: None) -> Summary:
    """Read reports and make a question-answer set of them.

    Raises:
        UsageError: no input can be read; SetError: the set in `out` was made with other settings.
        ShortfallError: the documents were read, and no record came of them.
        TeacherError, LimitError: see `fingen.errors`.
    """
    clock = _Clock()
    asked_teacher = teacher or open_teacher(settings.teacher)
    templates = _templates(settings)
    documents, unread = _read(settings, watch)
    clock.lap("reading")
    with lock(settings.out):
        if settings.replace:
            _clear(settings.out)
        with Journal.open(settings.out / JOURNAL) as journal:
            split_by = _agree_on_settings(settings, asked_teacher, templates, documents, journal)
            chunks = _choose(documents, settings.limit)
            requests = list(_requests(documents, chunks, templates, settings, asked_teacher))
            asked = _ask(requests, asked_teacher, journal, watch)
            clock.lap("asking")
            draw = _draw(requests, journal, {chunk.id: chunk for chunk in chunks}, asked_teacher)
            splits = _divide(draw, settings, split_by, documents, chunks, journal)
            content = _content(
                settings, asked_teacher, templates, documents, unread, chunks, draw, splits, journal, split_by
            )
            changed = write_set(settings.out, content)
    clock.lap("checking and writing")
    return _summary(settings, content, documents, unread, chunks, draw, asked, changed, clock)


# --- reading -----------------------------------------------------------------------------------------------------------


def _read(settings: Pdf2qa, watch: Watch) -> tuple[list[Document], dict[str, DocumentError | str]]:
    """The documents that can be read, by name, and for each other file the reason."""
    documents: list[Document] = []
    unread: dict[str, DocumentError | str] = {}
    sources = find_sources(settings.inputs)
    for news in read_documents(sources, settings.reading, workers=settings.workers, cache=CACHE):
        watch(news)
        if isinstance(news, Document):
            documents.append(news)
        elif isinstance(news, DocumentError):
            unread[news.path] = news
    if not documents:
        raise _all_unread(unread)
    documents.sort(key=lambda document: document.path)
    first: dict[str, str] = {}
    for document in documents:
        if document.sha256 in first:
            unread[document.path] = f"same content as {first[document.sha256]}"
        first.setdefault(document.sha256, document.path)
    return [document for document in documents if document.path not in unread], dict(sorted(unread.items()))


def _all_unread(unread: dict[str, DocumentError | str]) -> DocumentError:
    errors = [error for error in unread.values() if isinstance(error, DocumentError)]
    first = errors[0]
    if len(errors) == 1:
        return first
    others = "; ".join(str(error) for error in errors[1:6]) + ("; ..." if len(errors) > 6 else "")
    detail = f"{first.detail + '; ' if first.detail else ''}none of {len(errors)} files can be read: {others}"
    return DocumentError(first.path, first.reason, detail, page=first.page, hint=first.hint)


def _choose(documents: list[Document], limit: int | None) -> list[Chunk]:
    """The chunks to ask about: all narrative ones, or `limit` of them, spread evenly over documents and their length."""
    pools = [[chunk for chunk in document.chunks if is_narrative(chunk)] for document in documents]
    if limit is None or limit >= sum(map(len, pools)):
        return [chunk for pool in pools for chunk in pool]
    quotas = [0] * len(pools)
    while sum(quotas) < limit:  # one each, round after round, so that short documents give what they can
        for index, pool in enumerate(pools):
            if quotas[index] < len(pool) and sum(quotas) < limit:
                quotas[index] += 1
    return [pool[step * len(pool) // quota] for pool, quota in zip(pools, quotas, strict=True) for step in range(quota)]


# --- asking ------------------------------------------------------------------------------------------------------------


def _templates(settings: Pdf2qa) -> dict[str, prompts.Template]:
    names = [f"{task}.{language}" for task in settings.tasks for language in ("en", "zh")]
    return {name: prompts.read_template(name) for name in names}


def _requests(
    documents: list[Document],
    chunks: list[Chunk],
    templates: dict[str, prompts.Template],
    settings: Pdf2qa,
    teacher: Teacher,
) -> Iterator[Request]:
    by_path = {document.path: document for document in documents}
    for chunk in chunks:
        passage = qa.build_passage(by_path[chunk.document], chunk)
        for task in settings.tasks:
            template = templates[f"{task}.{chunk.language}"]
            yield qa.build_request(template, (passage,), count=settings.per_chunk, teacher=teacher.name)


def _ask(requests: list[Request], teacher: Teacher, journal: Journal, watch: Watch) -> int:
    """Ask what the journal lacks; returns how many answers are new."""
    missing = set(journal.missing([request.key for request in requests]))
    done = 0

    def on_answer(request: Request, completion: Completion) -> None:
        nonlocal done
        done += 1
        watch(Answered(done, len(missing)))

    wanted = (request for request in requests if request.key in missing)
    return asyncio.run(dispatch(wanted, teacher, journal, concurrency=CONCURRENCY, on_answer=on_answer))


# --- validating --------------------------------------------------------------------------------------------------------


def _draw(requests: list[Request], journal: Journal, chunks: dict[str, Chunk], teacher: Teacher) -> _Draw:
    """Records and rejects from the answers in the journal. Every item ends as one or the other."""
    draw = _Draw()
    answers = journal.answers([request.key for request in requests])
    for request in {request.key: request for request in requests}.values():
        completion = answers.get(request.key)
        if completion is None or completion.stop_reason != "end_turn":
            reason = completion.stop_reason if completion else "not answered"
            _unusable(draw, request, reason, completion.text if completion else "")
            continue
        try:
            items, wrong = qa.parse_answer(completion.text)
        except ValueError as e:
            _unusable(draw, request, f"schema: {e}", completion.text)
            continue
        for broken, detail in wrong:
            draw.rejected.append(_rejected(broken, "schema", detail, request))
        for extra in items[request.count :]:
            draw.rejected.append(
                _rejected(extra.model_dump(), "surplus", f"more than {request.count} asked for", request)
            )
        for item in items[: request.count]:
            _judge(draw, item, request, chunks, teacher)
    known = journal.splits()
    first = sorted(draw.kept, key=lambda record: not any(chunk in known for chunk in record.chunks or ()))
    duplicates = find_duplicates(first)  # rows that the set has already stay, whatever is added
    for kind in sorted({duplicate.kind for duplicate in duplicates}):
        draw.reject(((d.record, f"of {d.of}") for d in duplicates if d.kind == kind), kind)
    if teacher.name == "offline":
        surplus_records = surplus_reference(draw.kept, chunks, REFERENCE_SHARE)
        detail = "more than a third of this report's pairs came from glossaries and accounting policies"
        draw.reject(((record, detail) for record in surplus_records), "reference-share")
    return draw


def _judge(draw: _Draw, item: qa.QaItem, request: Request, chunks: dict[str, Chunk], teacher: Teacher) -> None:
    shown = [chunks[passage.chunk] for passage in request.passages]
    found = {quote: locate(quote, shown) for quote in item.evidence}
    evidence = tuple(dict.fromkeys(part for parts in found.values() for part in parts))
    record = qa.build_record(item, request, evidence, teacher.name)
    not_found = tuple(quote for quote, parts in found.items() if not parts)
    drop = check(Draft(record, item.rephrased, not_found, request.passages))
    if drop:
        draw.rejected.append(_rejected(item.model_dump(), drop.reason, drop.detail, request))
    else:
        draw.kept.append(record)
        draw.rephrased[record.id] = item.rephrased


def _unusable(draw: _Draw, request: Request, reason: str, text: str) -> None:
    draw.unusable += 1
    draw.rejected.append(_rejected({"answer": text}, "unusable-answer", reason, request))


def _rejected(item: dict[str, Any], reason: str, detail: str, request: Request) -> Rejected:
    chunks = tuple(passage.chunk for passage in request.passages)
    return Rejected(item=item, reason=reason, detail=detail, chunks=chunks, request=request.key)


# --- dividing ----------------------------------------------------------------------------------------------------------


def _divide(
    draw: _Draw,
    settings: Pdf2qa,
    split_by: Literal["document", "chunk"],
    documents: list[Document],
    chunks: list[Chunk],
    journal: Journal,
) -> dict[str, list[Record]]:
    """The rows of each split, with or without their passages; choices are written to the journal."""
    known = journal.splits()
    ids = {document.path: document.sha256 for document in documents}
    assignment = assign_splits(draw.kept, by=split_by, shares=settings.splitting.shares, known=known, document_ids=ids)
    draw.reject(assignment.rejected, "joins-splits")
    journal.assign({unit: split for unit, split in assignment.units.items() if unit not in known})
    split_of = assignment.split_of
    splits: dict[str, list[Record]] = {"train": [], "validation": [], "test": [], "memory": []}
    open_book = _OpenBook(draw.kept, split_of, chunks)
    for record in draw.kept:
        if settings.context in ("none", "both"):
            splits[split_of[record.id]].append(record)
        if settings.context in ("passage", "both"):
            splits[split_of[record.id]].append(open_book.row(record))
    if settings.context in ("none", "both"):
        splits["memory"] = _memory(splits["train"], draw, settings.splitting.memory_share)
    return splits


def _memory(train: list[Record], draw: _Draw, share: float) -> list[Record]:
    """Second wordings of training questions; one that another question has already is left out."""
    closed = [record for record in train if not record.input]
    taken = {fold(record.instruction) for record in draw.kept}
    rows: list[Record] = []
    picked = pick_memory(closed, share)
    for record in closed:
        wording = fold(draw.rephrased[record.id])
        if record.id in picked and wording not in taken:
            taken.add(wording)
            rows.append(qa.reworded(record, draw.rephrased[record.id]))
    return rows


class _OpenBook:
    """Rows with their passage; other passages beside it come from the same document and the same split."""

    def __init__(self, records: list[Record], split_of: dict[str, str], chunks: list[Chunk]) -> None:
        self._chunks = {chunk.id: chunk for chunk in chunks}
        self._beside: dict[tuple[str | None, str], list[str]] = {}
        self._split_of = split_of
        for record in records:
            for chunk in record.chunks or ():
                place = self._beside.setdefault((record.document, split_of[record.id]), [])
                if chunk not in place:
                    place.append(chunk)

    def row(self, record: Record) -> Record:
        own = [self._chunks[chunk] for chunk in record.chunks or ()]
        others = self._others(record)
        draw = int(record.id[-8:], 16) / 16**8
        if others and draw < UNSTATED:
            return qa.with_passage(record, others[:1], stated=False)
        if others and draw < UNSTATED + DISTRACTED:
            at = int(record.id[-10:-8], 16) % (len(others[:2]) + 1)
            return qa.with_passage(record, [*others[:at], *own, *others[at:2]], stated=True)
        return qa.with_passage(record, own, stated=True)

    def _others(self, record: Record) -> list[Chunk]:
        """The passages that follow the record's own one in its document and split, and do not hold its answer."""
        place = self._beside[record.document, self._split_of[record.id]]
        at = place.index((record.chunks or ())[0])
        turned = [chunk for chunk in place[at + 1 :] + place[:at] if chunk not in (record.chunks or ())]
        quotes = [quote.quote for quote in record.evidence or ()]
        return [c for c in map(self._chunks.__getitem__, turned) if not any(locate(quote, [c]) for quote in quotes)][:2]


# --- the set -----------------------------------------------------------------------------------------------------------


def _agree_on_settings(
    settings: Pdf2qa,
    teacher: Teacher,
    templates: dict[str, prompts.Template],
    documents: list[Document],
    journal: Journal,
) -> Literal["document", "chunk"]:
    """What units are split by; refuse to mix a set with another teacher, other prompts, settings or documents."""
    before = journal.settings()
    many = len(documents) >= settings.splitting.document_threshold
    split_by: Any = settings.splitting.by if settings.splitting.by != "auto" else "document" if many else "chunk"
    if before and settings.splitting.by == "auto":
        split_by = before["split_by"]
    now = {**_settings(settings), "teacher": teacher.name, "split_by": split_by,
           "prompts": {name: template.sha256[:16] for name, template in templates.items()}}  # fmt: skip
    if before is None:
        journal.write_settings(now)
    elif before != now:
        changed = [
            f"{key} {dump_json(before.get(key))} -> {dump_json(now.get(key))}"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        raise SetError(f"{settings.out} was made otherwise: {'; '.join(changed)}", hint=_WAYS_ON)
    _refuse_missing(settings.out, documents)
    return split_by  # type: ignore[no-any-return]


_WAYS_ON = "give the settings that it was made with, write elsewhere with --out, or start it anew with --replace"


def _refuse_missing(folder: Path, documents: list[Document]) -> None:
    if not (folder / "manifest.json").exists():
        return
    gone = {source.path for source in read_manifest(folder).sources} - {document.path for document in documents}
    if gone:
        names = ", ".join(sorted(gone)[:3]) + (" ..." if len(gone) > 3 else "")
        raise SetError(
            f"{folder} also holds {len(gone)} documents that are not read now: {names}",
            hint="name their folder too, write elsewhere with --out, or start the set anew with --replace",
        )


def _clear(folder: Path) -> None:
    """Remove what a set is made of; the lock and foreign files stay."""
    for name in ("manifest.json", JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
        (folder / name).unlink(missing_ok=True)


def _settings(settings: Pdf2qa) -> dict[str, Any]:
    return {
        "command": "pdf2qa",
        "tasks": list(settings.tasks),
        "per_chunk": settings.per_chunk,
        "context": settings.context,
        "chunk_tokens": settings.reading.chunk_tokens,
        "language": settings.reading.language,
        "ocr": settings.reading.ocr,
        "split": list(settings.splitting.shares),
        "memory": settings.splitting.memory_share,
    }


def _content(
    settings: Pdf2qa,
    teacher: Teacher,
    templates: dict[str, prompts.Template],
    documents: list[Document],
    unread: dict[str, DocumentError | str],
    chunks: list[Chunk],
    draw: _Draw,
    splits: dict[str, list[Record]],
    journal: Journal,
    split_by: Literal["document", "chunk"],
) -> SetContent:
    if not draw.kept:
        counts = ", ".join(
            f"{count} {reason}" for reason, count in Counter(r.reason for r in draw.rejected).most_common()
        )
        raise ShortfallError(
            f"no record came of {len(chunks)} passages" + (f"; rejected: {counts}" if counts else ""),
            hint="look at the documents: are they reports with running text?",
        )
    usage, cost = journal.usage()
    manifest = Manifest(
        name=settings.out.name,
        command="pdf2qa",
        teacher=teacher.name,
        settings={**_settings(settings), "limit": settings.limit},
        prompts={name: template.sha256 for name, template in templates.items()},
        sources=tuple(SourceEntry(**{name: getattr(d, name) for name in SourceEntry.model_fields}) for d in documents),
        unread={path: str(reason) for path, reason in unread.items()},
        files={},
        splits={},
        tasks={},
        rejects={},
        requests=len(chunks) * len(settings.tasks),
        usage=usage,
        cost_usd=cost,
        split_by=split_by,
        versions={"fingen": __version__, "pymupdf": version("pymupdf"), "python": platform.python_version()},
    )
    return SetContent(splits=splits, rejected=draw.rejected, chunks=chunks, manifest=manifest)


# --- the summary -------------------------------------------------------------------------------------------------------


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 2)
        self._last = now


def _summary(
    settings: Pdf2qa,
    content: SetContent,
    documents: list[Document],
    unread: dict[str, DocumentError | str],
    chunks: list[Chunk],
    draw: _Draw,
    asked: int,
    changed: bool,
    clock: _Clock,
) -> Summary:
    answered = {chunk for record in draw.kept for chunk in record.chunks or ()}
    requests = len(chunks) * len(settings.tasks)
    errors = [error for error in unread.values() if isinstance(error, DocumentError)]
    short = bool(errors) or draw.unusable >= INVALID_ANSWERS * requests
    return Summary(
        set=str(settings.out),
        teacher=content.manifest.teacher,
        documents=[_about(document) for document in documents],
        unread=[_why_unread(path, reason) for path, reason in unread.items()],
        pages=sum(document.pages for document in documents),
        chunks=sum(len(document.chunks) for document in documents),
        chunks_asked=len(chunks),
        chunks_with_records=sum(chunk.id in answered for chunk in chunks),
        records=_count(content.splits),
        rejects=dict(sorted(Counter(rejected.reason for rejected in draw.rejected).items())),
        coverage=_coverage(chunks, answered),
        requests={"asked": asked, "from_journal": requests - asked, "unusable": draw.unusable},
        cost_usd=content.manifest.cost_usd,
        changed=changed,
        seconds=clock.laps,
        notes=_notes(documents),
        next=f"less {settings.out}/README.md",
        exit_code=1 if short else 0,
    )


def _about(document: Document) -> dict[str, Any]:
    about = document.model_dump(mode="json", exclude={"chunks", "sha256", "names"})
    return {**about, "chunks": len(document.chunks)}


def _why_unread(path: str, reason: DocumentError | str) -> dict[str, Any]:
    if isinstance(reason, str):
        return {"path": path, "reason": reason, "hint": ""}
    return {"path": path, "reason": reason.reason, "detail": reason.detail, "page": reason.page, "hint": reason.hint}


def _count(splits: Any) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for split, rows in splits.items():
        for record in rows:
            task = counts.setdefault(record.task, dict.fromkeys(splits, 0))
            task[split] += 1
    return dict(sorted(counts.items()))


def _coverage(chunks: list[Chunk], answered: set[str]) -> dict[str, dict[str, int]]:
    sections: dict[str, dict[str, int]] = {}
    for chunk in chunks:
        name = " > ".join(chunk.section[:2]) or "(no section)"
        section = sections.setdefault(name, {"asked": 0, "with_records": 0})
        section["asked"] += 1
        section["with_records"] += chunk.id in answered
    return sections


def _notes(documents: list[Document]) -> list[str]:
    """What a reader of the summary should know and do."""
    notes = []
    for document in documents:
        if document.image_pages:
            pages = ", ".join(map(str, document.image_pages[:8])) + (" ..." if len(document.image_pages) > 8 else "")
            notes.append(f"{document.path}: {len(document.image_pages)} of {document.pages} pages are images ({pages}); "
                         "install tesseract and pass --ocr")  # fmt: skip
        if document.skipped_pages:
            pages = ", ".join(map(str, document.skipped_pages[:8]))
            notes.append(f"{document.path}: pages {pages} could not be read and were left out")
        if document.hidden:
            kinds = ", ".join(f"{count} {kind}" for kind, count in document.hidden.items())
            notes.append(f"{document.path}: hidden text was left out: {kinds}")
        if document.oversize:
            notes.append(
                f"{document.path}: {document.oversize} chunks are larger than the budget, because one sentence or table row is"
            )
    return notes
