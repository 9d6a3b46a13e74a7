"""The conductor of `fingen pdf2qa`: documents -> tasks -> teachers -> quality -> sets."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fingen import __version__
from fingen.config import CACHE, Pdf2qa
from fingen.disk import lock, sha256_file
from fingen.documents import OVERRIDES, Progress, name_some
from fingen.errors import DocumentError, SetError, ShortfallError, TeacherError, UsageError
from fingen.events import Answered, Estimate, Note, Waiting
from fingen.parallel import Parallel
from fingen.pipeline.checking import Checker, open_checker
from fingen.pipeline.drawing import divide, draw_records
from fingen.pipeline.filters import OpenFilters, open_filters
from fingen.pipeline.judging import Judge, open_judge, with_scores
from fingen.pipeline.looking import Draw, Looks
from fingen.pipeline.notes import amount_note, reading_notes, tuning_note
from fingen.pipeline.parts import (
    Part,
    PartOutcome,
    Parts,
    Shard,
    as_json,
    dump_settings,
    end_part,
    find_share,
    merge_parts,
    parse_shard,
    parts_beside,
    read_share,
    refuse_no_part,
)
from fingen.pipeline.reading import Unread, askable, choose_chunks, protect_document, read_all
from fingen.pipeline.repairing import Repairs
from fingen.pipeline.reports import Reports
from fingen.pipeline.requests import RequestPlan, make_plan
from fingen.pipeline.summary import Clock, Summary, summarize
from fingen.prompts import replaced_templates
from fingen.quality.grounding import Grounding
from fingen.quality.privacy import protect_reject
from fingen.quality.reasons import with_steps
from fingen.quality.splits import document_units
from fingen.records import Chunk, Document, Manifest, Record, Rejected, Request, SourceEntry, SplitUnit
from fingen.set_folder import (
    PATIENCE_SECONDS,
    as_begun,
    clear,
    refuse_folder,
    refuse_other,
    refuse_withdrawn,
    start_anew,
    withdrawn_from,
)
from fingen.sets import JOURNAL, MANIFEST, SetContent, read_manifest, say_terms, write_set
from fingen.spool import Named, Shelf, Spool
from fingen.tasks.documents import whole_problem
from fingen.tasks.qa import PAIR_TOKENS
from fingen.teachers import choose_teacher, open_teacher
from fingen.teachers.asked import Requests, by_key, keys_of
from fingen.teachers.asking import Gathered, Pending, check_ways, gather
from fingen.teachers.base import Provider, Teacher
from fingen.teachers.job import Job, estimate, expected_usd, require_keys
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks
from fingen.verification.origin import Origin

FREE = frozenset({"split", "split_by", "keep_out", "against", "privacy"})  # settings that can be changed without paying
NO_REPORT = "look at the documents: are they reports with running text?"
NO_TABLE = "look at the documents: are they reports with tables of figures?"
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
    checking: Teacher | None = None,
    judging: Teacher | None = None,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = require_named,
    parts: Parts | None = None,
) -> Summary | PartOutcome | Estimate | Pending:
    """Read reports and make a question-answer set of them; with `asking.dry_run` only say what that would cost.

    `consent` sees what would be sent before anything is; it raises to prevent it.
    Where answers are still to come, from batches or from a file, no set is written yet.
    With `shard` only the share of one machine is read and asked about; with `parts` the set is made of all their shares.

    Raises:
        UsageError: no input can be read; SetError: what is in `out` was made by another command, or with other settings.
        ShortfallError: the documents were read, and no record came of them.
        TeacherError, LimitError, Interrupted: see `fingen.errors`.
    """
    run = _open(settings, teacher, checking, judging, on_event)
    run.parts = parts
    if run.shard and (waiting := run.read_share()):
        return waiting
    run.read()
    if settings.asking.dry_run:
        return run.estimate()
    consent = run.agree(consent)
    with Journal.open(settings.out / JOURNAL) as journal, RequestLocks(settings.out / LOCKS_FILE) as locks:
        journal.write_inputs(_folders(settings.inputs))
        if parts and not run.shard:
            run.merge(journal)
        answers = run.ask(journal, locks, consent)
        if isinstance(answers, Pending):
            return answers
        run.expected_usd = expected_usd(run.job, Outstanding(journal).batched())
        run.clock.lap("asking")
        mended = run.repair(journal, locks, consent)
        if mended is not None:
            return mended
        checked = run.check(journal, locks, consent)
        if isinstance(checked, Pending):
            return checked
        if run.shard:
            return run.end_share(journal, answers)
        judged = run.ask_judge(journal, locks, consent)
        if isinstance(judged, Pending):
            return judged
        with lock(settings.out, patience_seconds=PATIENCE_SECONDS, say=lambda text: on_event(Note(text))):
            draw, content = run.draw(journal)
            changed = write_set(settings.out, content)
    return run.sum_up(draw, content, answers, changed=changed)


def _folders(inputs: Sequence[Path]) -> list[Path]:
    """Where the files lie that these inputs mean; of several, one that stands before a document's name is in the next one up."""
    folders = [each.resolve() if each.is_dir() else each.resolve().parent for each in inputs]
    return list(dict.fromkeys([*folders, *(each.parent for each in folders if len(folders) > 1)]))


def _open(
    settings: Pdf2qa, teacher: Teacher | None, checking: Teacher | None, judging: Teacher | None, on_event: OnEvent
) -> _Run:
    """Open all that a run needs; what would fail later is found here, before anything is read."""
    settings = replace(settings, asking=as_begun(settings.asking, settings.out, anew=settings.replace))
    name, found_by = choose_teacher(settings.teacher, settings.asking)
    asked = teacher or open_teacher(name, settings.asking)
    check_ways(settings.asking, asked)
    filters = open_filters(settings.filters, settings.out)
    judge = open_judge(settings.judge, settings.asking, settings.out, judging)
    checker = open_checker(settings.check, settings.asking, settings.out, checking)
    for told in replaced_templates():
        on_event(Note(told, is_warning=True))
    plan = make_plan(settings, judge=judge.job.teacher.name if judge else None)
    rounds = int(isinstance(asked, Provider)) if settings.repair is None else settings.repair
    item_tokens = PAIR_TOKENS * max(task.pairs_each for task in plan.tasks)
    job = Job(asked, settings.asking, settings.out, whole_problem, item_tokens, found_by, repairs=rounds)
    require_keys(settings.asking, job, *(each.job for each in (checker, judge) if each))
    if settings.teacher is None and teacher is None:
        on_event(Note(f"teacher: {asked.name} ({_why(found_by)})"))
    run = _Run(settings, job, plan, filters, checker, judge, on_event, repairs=Repairs(rounds, Requests(settings.out)))
    if not settings.asking.dry_run:
        refuse_folder(settings.out, is_part=bool(run.shard))
    if run.shard:
        refuse_no_part(settings.out, run.begin_share(), replaces=settings.replace)
    if not settings.asking.dry_run and not settings.replace:
        refuse_other(settings.out, run.bound, is_whole=False, free=FREE)
    return run


@dataclass
class _Run:
    """One run, stage after stage."""

    settings: Pdf2qa
    job: Job
    plan: RequestPlan
    filters: OpenFilters
    checker: Checker | None
    judge: Judge | None
    on_event: OnEvent
    repairs: Repairs
    clock: Clock = field(default_factory=Clock)
    unread: Unread = field(default_factory=dict)
    chunks: Sequence[Chunk] = ()  # asked about
    shown: dict[str, int] = field(default_factory=dict)  # those, and companions: the numbers of chunks by their ids
    split_by: SplitUnit = "chunk"
    expected_usd: float | None = None
    part: Part | None = None  # what this machine has read, where several make the set
    parts: Parts | None = None  # what all of them have read

    def __post_init__(self) -> None:
        self.documents = Reports(self.settings.out)
        self.requests = Requests(self.settings.out)
        self.job.requests = self.requests

    @cached_property
    def shard(self) -> Shard | None:
        """Which of several machines this is."""
        return parse_shard(self.settings.shard) if self.settings.shard else None

    @property
    def bound(self) -> dict[str, Any]:
        """What a set is bound to, as far as it is known before its documents are read."""
        prompts = {name: template.sha256[:16] for name, template in self.plan.templates.items()}
        by = {"judge": self.plan.judge, "teacher": self.job.teacher.name, "prompts": prompts}
        return {**_settings(self.settings), **self.filters.settings, **by}

    @property
    def _beside(self) -> dict[str, str | None]:
        """The teachers that look at what is written."""
        return {"judge": self.plan.judge, **({"check": self.checker.name} if self.checker else {})}

    @cached_property
    def origin(self) -> Origin:
        """The passages that are asked about, and whose reports these are, by all their names."""
        documents = self.parts.kept if self.parts else self.documents.heads
        names = frozenset(name for d in documents for name in (d.company, *d.names.values()) if name)
        chunks = Named(self.shown, lambda chunk: self.documents.chunks[self.shown[chunk]])
        proofs = Shelf[bytes, Grounding](self.settings.out)
        return Origin(chunks, self.requests.passages, names, groundings=proofs)

    def read(self) -> None:
        """Read the documents, and make the requests about them."""
        if self.parts:
            documents, self.unread = self.parts.documents(self.on_event, self.shard), self.parts.left_out
        else:
            documents, self.unread = read_all(self.settings, self.on_event)
        masked: dict[int, Counter[str]] = {}  # number of a chunk -> how many of each kind have a mark in their place
        for document in documents:
            safe, found = protect_document(document, self.settings.filters.privacy)
            masked |= {len(self.documents.chunks) + place: kinds for place, kinds in found.items()}
            self.documents.add(safe)
        is_named = self.settings.context == "none"
        asked = [place for place, d in enumerate(self.documents.heads) if d.company or not is_named]
        if not asked and not self.shard:
            raise _all_unnamed(self.documents.heads)
        limit = self.settings.limit
        quotas = self.parts.quotas(limit, is_named=is_named) if self.parts else None
        chosen = choose_chunks(self.documents.read(asked), limit, self.settings.sections, self._worth, quotas)
        firsts = (self.documents.numbers(place).start for place in asked)
        numbers = [first + each for first, places in zip(firsts, chosen, strict=True) for each in places]
        self.chunks = self.documents.chunks.pick(numbers)
        self.shown = self.plan.add_requests(self.job, self.documents, numbers)
        self.job.masked = sum((masked[number] for number in self.shown.values() if number in masked), Counter())
        self.clock.lap("loading" if self.parts else "reading")

    @property
    def _worth(self) -> Callable[[Chunk], object]:
        return partial(self.plan.groups_for, teacher=self.job.teacher.name)

    def begin_share(self) -> Part:
        """The part of this machine, before it has read anything."""
        settings, shard = self.settings, self.shard
        assert shard is not None  # where there is none nothing is shared
        given = choose_teacher(settings.teacher, settings.asking)[0]
        return Part(shard=shard, command="pdf2qa", settings=dump_settings(settings, given), bound=as_json(self.bound))

    def read_share(self) -> PartOutcome | None:
        """Read the share of this machine; what it has done, where others have not read theirs yet."""
        settings = self.settings

        def count_worth(document: Document) -> int:
            safe, _ = protect_document(document, settings.filters.privacy)
            return len(askable(safe, settings.sections, self._worth))

        if settings.asking.dry_run:
            self.part = find_share(settings, self.begin_share())
        else:
            with lock(settings.out):
                refuse_folder(settings.out, is_part=True)
                Journal.open(settings.out / JOURNAL).close()  # from now on the folder is known as a set's
            self.part = read_share(settings, self.begin_share(), count_worth, self.on_event)
        self.clock.lap("reading")
        self.parts, waits, notes = parts_beside(settings.out, self.part)
        told = settings.out, self.part, self.job.teacher.name, self.clock.laps
        servers = settings.asking.base_url
        return end_part(*told, waits=waits, notes=notes, servers=servers) if waits else None

    def merge(self, journal: Journal) -> None:
        """Take what the parts have asked into the journal of the set."""
        assert self.parts is not None
        for note in merge_parts(self.parts, journal, self.job.identity, self.bound):
            self.on_event(Note(note, is_warning=True))
        self.clock.lap("merging")

    def end_share(self, journal: Journal, answers: Gathered) -> PartOutcome:
        """Say that the share of this machine is asked."""
        assert self.part is not None
        checks = self.checker.job.requests if self.checker else []
        requests = {*self.requests.keys, *keys_of(self.repairs.requests), *keys_of(checks)}
        asked = answers.asked + self.repairs.asked + (self.checker.asked if self.checker else 0)
        failed = self.checker.failed if self.checker else ""
        notes = [*answers.notes, *self.repairs.notes(), *([f"not all claims were checked: {failed}"] * bool(failed))]
        is_short = answers.is_short or bool(self.repairs.failed or failed)
        told = self.settings.out, self.part, self.job.teacher.name, self.clock.laps
        servers = self.settings.asking.base_url
        return end_part(*told, notes=notes, journal=journal, asked=asked, requests=len(requests), is_short=is_short,
                        servers=servers)  # fmt: skip

    def agree(self, consent: Callable[[Estimate], None]) -> Callable[[Estimate], None]:
        """Settle what units are split by; refuse to mix a set with another teacher, other prompts, settings or documents."""
        out, splitting = self.settings.out, self.settings.splitting
        with lock(out):
            refuse_folder(out, is_part=bool(self.shard))
            if self.settings.replace and self.parts and not self.shard:
                clear(out)  # what is to be asked is known when the parts are joined
            elif self.settings.replace:
                consent = start_anew(self.job, consent)
            with Journal.open(out / JOURNAL) as journal:
                before = journal.settings() or {}
            many = len(self.documents) >= splitting.document_threshold
            by: Any = (
                before.get("split_by", "document" if many else "chunk") if splitting.by == "auto" else splitting.by
            )
            self.split_by = by
            self.job.identity = (
                {**self.bound, "shard": str(self.shard)} if self.shard else {**self.bound, "split_by": by}
            )
            refuse_other(out, self.job.identity, free=FREE)
            refuse_withdrawn(out, [document.sha256 for document in self.documents.heads])
            _refuse_missing(out, self.documents.heads)
        return consent

    def ask(self, journal: Journal, locks: RequestLocks, consent: Callable[[Estimate], None]) -> Gathered | Pending:
        """Get the answers; with `partial` those that can be had, and what is missing is told.

        Raises:
            TeacherError: the teacher refused, and not even one answer is there or what is there is not wanted alone.
        """
        keys, why = self.requests.keys, "not answered yet"
        before = len(journal.missing(keys))
        try:
            got = gather(self.job, journal, locks, self.on_event, consent)
        except TeacherError as e:
            if not self.settings.partial or len(journal.missing(keys)) == len(keys):
                raise
            got, why = None, str(e)
        if isinstance(got, Gathered) or not self.settings.partial:
            return got or Gathered()
        missing = len(journal.missing(keys))
        if missing == len(keys) and got is not None:
            return got
        notes = [*(got.notes if got else []), f"{missing} of {len(keys)} requests have no answer ({why})"]
        return Gathered(before - missing, notes, is_short=True)

    def repair(self, journal: Journal, locks: RequestLocks, consent: Callable[[Estimate], None]) -> Pending | None:
        """Send rejected pairs back to their teacher, as often as is wanted."""

        def look(requests: Sequence[Request]) -> Sequence[Rejected]:
            return self.looks.at(by_key(requests), journal).rejected

        pending = self.repairs.ask(self.job, look, journal, locks, self.on_event, consent)
        if self.repairs.rounds:
            self.clock.lap("mending")
        return pending

    def estimate(self) -> Estimate:
        """What the run would send and cost, with what checking the pairs may cost."""
        told = estimate(self.job, missing=_missing(self.settings.out, self.job))
        notes = reading_notes(self.settings, self.documents, self.chunks)
        told = replace(told, notes=[*notes, *say_terms(self.job.teacher.name)])
        if self.checker is None:
            return told
        return replace(told, check=self.checker.name, check_usd=self.checker.expected(self.requests, batch=False))

    def check(
        self, journal: Journal, locks: RequestLocks, consent: Callable[[Estimate], None]
    ) -> Gathered | Pending | None:
        """Have the second teacher, if there is one, check what passes the rules, and what only rules that can err reject."""
        if self.checker is None:
            return None
        self.checker.job.identity = self.job.identity
        written = self.looks.at(self._asked, journal).asked_about
        checked = self.checker.ask(written, self.origin.passages, journal, locks, self.on_event, consent)
        self._expect(self.checker.job, journal)
        self.clock.lap("checking claims")
        return checked

    def _expect(self, job: Job, journal: Journal) -> None:
        """Add what the requests of another job were expected to cost."""
        costs = self.expected_usd, expected_usd(job, Outstanding(journal).batched())
        self.expected_usd = None if costs[0] is None or costs[1] is None else costs[0] + costs[1]

    @cached_property
    def looks(self) -> Looks:
        """The looks at answers, before duplicates fall. What the second teacher decides on is not sent back to be mended."""
        settings, contest = self.settings, self.checker is not None
        how = Parallel(settings.workers, settings.engine, lambda text: self.on_event(Note(text, is_warning=True)))
        return Looks(self.origin, self.job.teacher.name, settings.filters.privacy, contest, how, CACHE)

    @property
    def _asked(self) -> Mapping[str, Request]:
        """All that was asked of the teacher, by its keys."""
        return by_key(self.requests, self.repairs.requests)

    def ask_judge(
        self, journal: Journal, locks: RequestLocks, consent: Callable[[Estimate], None]
    ) -> Gathered | Pending | None:
        """Have what is kept scored, if a judge is there."""
        if self.judge is None:
            return None
        self.judge.job.identity = self.job.identity
        kept = self.draw_records(journal).kept
        judged = self.judge.ask(kept, self.origin.chunks, journal, locks, self.on_event, consent)
        self._expect(self.judge.job, journal)
        self.clock.lap("judging")
        return judged

    def draw_records(self, journal: Journal) -> Draw:
        """Records and rejects from all answers of the journal."""
        check = self.checker.name if self.checker else None
        negatives = self.settings.negatives
        return draw_records(self._asked, journal, self.looks, self.filters, check, negatives)

    def draw(self, journal: Journal) -> tuple[Draw, SetContent]:
        """Draw the records, with their scores, and divide them."""
        draw = self.draw_records(journal)
        if self.judge is not None:
            judged, unjudged = with_scores(draw.kept, self.judge.job.requests, journal)
            draw.replace(judged)
            draw.judged = self.judge.report(draw.kept, unjudged)
        settings, units = self.settings, document_units(self.documents.heads, self.split_by)
        how = (settings.splitting, settings.context, self.split_by, settings.filters.privacy)
        unnamed = frozenset(document.path for document in self.documents.heads if document.company is None)
        splits = divide(draw, *how, units, self.origin, journal, unnamed, settings.negatives)
        draw.private += self.job.masked
        figures = Counter(self.origin.count_figures(()))
        whole = {split: Spool(settings.out, self._whole(rows, figures)) for split, rows in splits.items()}
        return draw, self.content(draw, whole, figures, journal)

    def _whole(self, rows: Iterable[Record], figures: Counter[str]) -> Iterator[Record]:
        """Rows with what is known of their figures, which are counted, and of the filing of their document."""
        for record in rows:
            filing = self._filings.get(record.document)
            told = with_steps(record) if self.settings.reasons else record
            whole = self.origin.with_figures(told.model_copy(update={"filing": filing}) if filing else told)
            figures.update(self.origin.count_figures((whole,)))
            yield whole

    @cached_property
    def _filings(self) -> dict[str, dict[str, str]]:
        return {document.path: document.filing for document in self.documents.heads if document.filing}

    def content(
        self, draw: Draw, splits: Mapping[str, Sequence[Record]], figures: Mapping[str, int], journal: Journal
    ) -> SetContent:
        """What the set will hold.

        Raises:
            ShortfallError: no record came of it.
        """
        if not draw.kept:
            raise self.no_record(draw)
        usage, cost = journal.usage()
        manifest = Manifest(
            name=self.settings.out.name,
            command="pdf2qa",
            teacher=self.job.teacher.name,
            settings={
                **_settings(self.settings),
                **self.filters.settings,
                **self._beside,
                "limit": self.settings.limit,
                "sections": list(self.settings.sections),
                **({"reasons": True} if self.settings.reasons else {}),
            },
            prompts={name: template.sha256 for name, template in self.plan.templates.items()},
            sources=tuple(
                SourceEntry(**{name: getattr(d, name) for name in SourceEntry.model_fields})
                for d in self.documents.heads
            ),
            unread={path: str(reason) for path, reason in self.unread.items()},
            files={},
            splits={},
            tasks={},
            rejects={},
            requests=len(self.requests.keys),
            usage=usage,
            cost_usd=cost,
            split_by=self.split_by,
            checked=draw.checked or {},
            withdrawn=withdrawn_from(self.settings.out),
            figures=dict(figures),
            versions={"fingen": __version__, "pymupdf": version("pymupdf"), "python": platform.python_version()},
        )
        out, privacy = self.settings.out, self.settings.filters.privacy
        rejects = Spool(out, (protect_reject(each, privacy) for each in draw.rejected))
        chunks = self.documents.chunks.pick(self.shown.values())
        return SetContent(splits=splits, rejected=rejects, chunks=chunks, manifest=manifest)

    def no_record(self, draw: Draw) -> ShortfallError:
        """The error where everything fell, with why."""
        counts = ", ".join(
            f"{count} {reason}" for reason, count in Counter(r.reason for r in draw.rejected).most_common()
        )
        first = [f"the first one: {each.detail[:200]}; all answers are kept: fingen journal {self.settings.out}"
                 for each in draw.rejected[:1]]  # fmt: skip
        hints = [*first, *self.plan.without_rules(self.job.teacher.name)]
        look_at = NO_TABLE if all(task.per_table for task in self.plan.tasks) else NO_REPORT
        if not self.shown:
            of = f": nothing is asked about in {len(self.documents.chunks):,} passages that were read"
            unnamed = [each.path for each in self.documents.heads if each.company is None]
            hints += [f"no company is named for sure in {name_some(unnamed)}"] * bool(unnamed) + [look_at]
        else:
            of = f" of {len(self.shown):,} passages" + (f"; rejected: {counts}" if counts else "")
        return ShortfallError(
            f"no record came{of}",
            hint="; ".join(hints) or look_at,
        )

    def sum_up(self, draw: Draw, content: SetContent, answers: Gathered, *, changed: bool) -> Summary:
        """The summary of the run."""
        self.clock.lap("checking and writing")
        summary = summarize(
            self.settings,
            content,
            self.documents,
            self.unread,
            self.chunks,
            draw,
            answers.asked + self.repairs.asked,
            self.repairs,
            self.checker.failed if self.checker else "",
            self.expected_usd,
            changed,
            self.clock,
        )
        decisive = []
        if isinstance(self.job.teacher, Provider):  # who pays wants the set to be tuned on
            decisive = [*amount_note(self.chunks), *tuning_note(content.splits), *say_terms(self.job.teacher.name)]
        notes = [
            *summary.notes,
            *decisive,
            *self.plan.without_rules(self.job.teacher.name),
            *answers.notes,
            *self.repairs.notes(),
        ]
        return replace(summary, notes=notes, exit_code=max(summary.exit_code, int(answers.is_short)))


def _all_unnamed(documents: Sequence[Document]) -> UsageError:
    names = ", ".join(document.path for document in documents[:3]) + (" ..." if len(documents) > 3 else "")
    return UsageError(
        f"no company is named for sure in {names}: a question without its passage would be about nobody",
        hint=f"name the company in {OVERRIDES} beside the reports, or ask with the passages: --context passage",
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
        return set(journal.missing(keys_of(job.requests)))


def _refuse_missing(folder: Path, documents: Sequence[Document]) -> None:
    if not (folder / MANIFEST).exists():
        return
    gone = {source.path for source in read_manifest(folder).sources} - {document.path for document in documents}
    if gone:
        names = ", ".join(sorted(gone)[:3]) + (" ..." if len(gone) > 3 else "")
        raise SetError(
            f"{folder} also holds {len(gone)} documents that are not read now: {names}",
            hint="name their folder too, write elsewhere with --out, or start the set anew with --replace",
        )


def _settings(settings: Pdf2qa) -> dict[str, Any]:
    return {
        "command": "pdf2qa",
        "tasks": list(settings.asked_for),
        **({} if settings.negatives is None else {"negatives": settings.negatives}),
        "per_chunk": settings.per_chunk,
        "context": settings.context,
        "questions": sha256_file(settings.questions) if settings.questions else None,
        "chunk_tokens": settings.reading.chunk_tokens,
        "language": settings.reading.language,
        "ocr": settings.reading.ocr,
        "split": list(settings.splitting.shares),
        "memory": settings.splitting.memory_share,
    }
