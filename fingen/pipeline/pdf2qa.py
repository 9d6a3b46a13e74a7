"""The conductor of `fingen pdf2qa`: documents -> tasks -> teachers -> quality -> sets."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from fingen import __version__
from fingen.config import Pdf2qa
from fingen.disk import lock, sha256_file
from fingen.documents import Progress
from fingen.errors import DocumentError, SetError, ShortfallError, UsageError
from fingen.events import Answered, Estimate, Note, Waiting
from fingen.pipeline.drawing import Draw, divide, draw_records
from fingen.pipeline.filters import filter_settings, open_filters
from fingen.pipeline.judging import open_judge, with_scores
from fingen.pipeline.reading import Unread, choose_chunks, read_all
from fingen.pipeline.requests import RequestPlan, make_plan
from fingen.pipeline.summary import Clock, Summary, summarize
from fingen.quality.privacy import protect_reject
from fingen.records import Chunk, Document, Manifest, Record, SourceEntry
from fingen.set_folder import PATIENCE_SECONDS, refuse_folder, refuse_other, start_anew
from fingen.sets import JOURNAL, MANIFEST, SetContent, read_manifest, write_set
from fingen.tasks.documents import whole_problem
from fingen.tasks.qa import PAIR_TOKENS
from fingen.teachers import choose_teacher, open_teacher
from fingen.teachers.asking import Pending, check_ways, gather
from fingen.teachers.base import Teacher
from fingen.teachers.job import Job, estimate, expected_usd, require_keys
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks
from fingen.verify.origin import Origin

FREE = frozenset({"split", "split_by", "keep_out", "against", "privacy"})  # settings that can be changed without paying
OnEvent = Callable[[Progress | Document | DocumentError | Answered | Waiting | Note], None]


def require_named(estimate: Estimate) -> None:
    """Refuse a teacher that nobody named.

    Raises:
        UsageError: it was only found, by a key in the environment.
    """
    if estimate.found_by and estimate.requests:
        raise UsageError(
            f"{estimate.teacher} was found by {estimate.found_by} and not named; nothing was sent",
            hint=f"agree with --yes, or name one: --teacher {estimate.teacher.partition(':')[0]}, --teacher offline",
        )


def pdf2qa(
    settings: Pdf2qa,
    *,
    teacher: Teacher | None = None,
    judging: Teacher | None = None,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = require_named,
) -> Summary | Estimate | Pending:
    """Read reports and make a question-answer set of them; with `asking.dry_run` only say what that would cost.

    `consent` sees what would be sent before anything is; it raises to prevent it.
    Where answers are still to come, from batches or from a file, no set is written yet.

    Raises:
        UsageError: no input can be read; SetError: what is in `out` was made by another command, or with other settings.
        ShortfallError: the documents were read, and no record came of them.
        TeacherError, LimitError, Interrupted: see `fingen.errors`.
    """
    clock = Clock()
    name, found_by = choose_teacher(settings.teacher, settings.asking)
    asked_teacher = teacher or open_teacher(name, settings.asking)
    check_ways(settings.asking, asked_teacher)
    filters = open_filters(settings.filters)
    judge = open_judge(settings.judge, settings.asking, settings.out, judging)
    plan = make_plan(settings, judge=judge.job.teacher.name if judge else None)
    job = Job(asked_teacher, settings.asking, settings.out, whole_problem, PAIR_TOKENS, found_by)
    require_keys(settings.asking, job, *([judge.job] if judge else []))
    if settings.teacher is None and teacher is None:
        on_event(Note(f"teacher: {asked_teacher.name} ({_why(found_by)})"))
    if not settings.asking.dry_run:
        refuse_folder(settings.out)
        if not settings.replace:
            refuse_other(settings.out, _asked(settings, job, plan), is_whole=False, free=FREE)
    documents, unread = read_all(settings, on_event)
    chunks = choose_chunks(documents, settings.limit)
    shown = plan.add_requests(job, documents, chunks)
    clock.lap("reading")
    if settings.asking.dry_run:
        return estimate(job, missing=_missing(settings.out, job))
    with lock(settings.out):
        refuse_folder(settings.out)
        if settings.replace:
            consent = start_anew(job, consent)
        with Journal.open(settings.out / JOURNAL) as journal:
            split_by = _agree_on_settings(settings, job, plan, documents, journal)
    with Journal.open(settings.out / JOURNAL) as journal, RequestLocks(settings.out / LOCKS_FILE) as locks:
        answers = gather(job, journal, locks, on_event, consent)
        if isinstance(answers, Pending):
            return answers
        expected = expected_usd(job, Outstanding(journal).batched())
        clock.lap("asking")
        origin = _origin(job, shown, documents)

        def draw_all() -> Draw:
            return draw_records(job.requests, journal, origin, asked_teacher.name, filters)

        if judge is not None:
            judge.job.identity = job.identity
            judged = judge.ask(draw_all().kept, origin.chunks, journal, locks, on_event, consent)
            if isinstance(judged, Pending):
                return judged
            judging_usd = expected_usd(judge.job, Outstanding(journal).batched())
            expected = None if expected is None or judging_usd is None else expected + judging_usd
            clock.lap("judging")
        with lock(settings.out, patience_seconds=PATIENCE_SECONDS):
            draw = draw_all()
            if judge is not None:
                draw.kept, unjudged = with_scores(draw.kept, judge.job.requests, journal)
                draw.judged = judge.report(draw.kept, unjudged)
            splits = divide(
                draw,
                settings.splitting,
                settings.context,
                split_by,
                settings.filters.privacy,
                {d.path: d.sha256 for d in documents},
                shown,
                journal,
            )
            content = _content(settings, job, plan, documents, unread, shown, draw, splits, journal, split_by, origin)
            changed = write_set(settings.out, content)
    clock.lap("checking and writing")
    summary = summarize(settings, content, documents, unread, chunks, draw, answers.asked, expected, changed, clock)
    exit_code = max(summary.exit_code, int(answers.is_short))
    return replace(
        summary, notes=[*summary.notes, *plan.without_rules(asked_teacher.name), *answers.notes], exit_code=exit_code
    )


def _why(found_by: str | None) -> str:
    """Say why this teacher was chosen, where nobody named one."""
    if found_by:
        return f"{found_by} is set; --teacher names another"
    return "the built-in rules, as no key is set and --teacher names nobody"


def _missing(folder: Path, job: Job) -> set[str] | None:
    """Return the keys that the journal lacks; None without a journal."""
    if not (folder / JOURNAL).is_file():
        return None
    with Journal.open(folder / JOURNAL) as journal:
        return set(journal.missing([request.key for request in job.requests]))


def _agree_on_settings(
    settings: Pdf2qa,
    job: Job,
    plan: RequestPlan,
    documents: list[Document],
    journal: Journal,
) -> Literal["document", "chunk"]:
    """What units are split by; refuse to mix a set with another teacher, other prompts, settings or documents."""
    before = journal.settings() or {}
    many = len(documents) >= settings.splitting.document_threshold
    split_by: Any = settings.splitting.by if settings.splitting.by != "auto" else "document" if many else "chunk"
    if settings.splitting.by == "auto":
        split_by = before.get("split_by", split_by)
    job.identity = {**_asked(settings, job, plan), "split_by": split_by}
    refuse_other(settings.out, job.identity, free=FREE)
    _refuse_missing(settings.out, documents)
    return split_by  # type: ignore[no-any-return]


def _origin(job: Job, shown: list[Chunk], documents: list[Document]) -> Origin:
    """The passages that are asked about, and whose reports these are, by all their names."""
    passages = {passage.chunk: passage for request in job.requests for passage in request.passages}
    names = frozenset(name for d in documents for name in (d.company, *d.names.values()) if name)
    return Origin({chunk.id: chunk for chunk in shown}, passages, names)


def _refuse_missing(folder: Path, documents: list[Document]) -> None:
    if not (folder / MANIFEST).exists():
        return
    gone = {source.path for source in read_manifest(folder).sources} - {document.path for document in documents}
    if gone:
        names = ", ".join(sorted(gone)[:3]) + (" ..." if len(gone) > 3 else "")
        raise SetError(
            f"{folder} also holds {len(gone)} documents that are not read now: {names}",
            hint="name their folder too, write elsewhere with --out, or start the set anew with --replace",
        )


def _asked(settings: Pdf2qa, job: Job, plan: RequestPlan) -> dict[str, Any]:
    """What a set is bound to, as far as it is known before its documents are read."""
    prompts = {name: template.sha256[:16] for name, template in plan.templates.items()}
    return {**_settings(settings), "judge": plan.judge, "teacher": job.teacher.name, "prompts": prompts}


def _settings(settings: Pdf2qa) -> dict[str, Any]:
    return {
        "command": "pdf2qa",
        "tasks": list(settings.tasks),
        "per_chunk": settings.per_chunk,
        "context": settings.context,
        "questions": sha256_file(settings.questions) if settings.questions else None,
        "chunk_tokens": settings.reading.chunk_tokens,
        "language": settings.reading.language,
        "ocr": settings.reading.ocr,
        **filter_settings(settings.filters),
        "split": list(settings.splitting.shares),
        "memory": settings.splitting.memory_share,
    }


def _content(
    settings: Pdf2qa,
    job: Job,
    plan: RequestPlan,
    documents: list[Document],
    unread: Unread,
    chunks: list[Chunk],
    draw: Draw,
    splits: dict[str, list[Record]],
    journal: Journal,
    split_by: Literal["document", "chunk"],
    origin: Origin,
) -> SetContent:
    if not draw.kept:
        counts = ", ".join(
            f"{count} {reason}" for reason, count in Counter(r.reason for r in draw.rejected).most_common()
        )
        first = [f"the first one: {each.detail[:200]}; all answers are kept: fingen journal {settings.out}"
                 for each in draw.rejected[:1]]  # fmt: skip
        hints = [*first, *plan.without_rules(job.teacher.name)]
        raise ShortfallError(
            f"no record came of {len(chunks)} passages" + (f"; rejected: {counts}" if counts else ""),
            hint="; ".join(hints) or "look at the documents: are they reports with running text?",
        )
    usage, cost = journal.usage()
    manifest = Manifest(
        name=settings.out.name,
        command="pdf2qa",
        teacher=job.teacher.name,
        settings={**_settings(settings), "judge": plan.judge, "limit": settings.limit},
        prompts={name: template.sha256 for name, template in plan.templates.items()},
        sources=tuple(SourceEntry(**{name: getattr(d, name) for name in SourceEntry.model_fields}) for d in documents),
        unread={path: str(reason) for path, reason in unread.items()},
        files={},
        splits={},
        tasks={},
        rejects={},
        requests=len({request.key for request in job.requests}),
        usage=usage,
        cost_usd=cost,
        split_by=split_by,
        figures=origin.count_figures(chain.from_iterable(splits.values())),
        versions={"fingen": __version__, "pymupdf": version("pymupdf"), "python": platform.python_version()},
    )
    return SetContent(
        splits=splits,
        rejected=[protect_reject(each, settings.filters.privacy) for each in draw.rejected],
        chunks=chunks,
        manifest=manifest,
    )
