"""Get the answers of a job: live, in batches at half the price, or from a file."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from fingen.config import Asking
from fingen.disk import check_writable
from fingen.errors import Interrupted, SetError, UsageError
from fingen.events import Answered, Estimate, Note, Waiting, command_line
from fingen.records import Completion, Request
from fingen.teachers.asked import by_key, keys_of
from fingen.teachers.base import Provider, Teacher
from fingen.teachers.batch_apis import open_batch_api
from fingen.teachers.batch_files import FILE_REQUESTS, Imported, export_requests, import_answers, part_of
from fingen.teachers.batches import BatchTerms, Judge, after_faults, run_batches
from fingen.teachers.event_loop import run_async
from fingen.teachers.job import Job, ask_live, check_teacher, estimate
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding
from fingen.teachers.request_locks import RequestLocks
from fingen.teachers.sdk import SdkTeacher
from fingen.wire import ENV_FILE

OTHERS_SECONDS = 0.5  # between two looks at what another process is asking
SPENT_SECONDS = 1.0  # between two looks at what the run has cost
SHOWN_INVALID = 5  # requests with answers that cannot be used, by name
OnAnswer = Callable[[Request, Completion], None]
OnEvent = Callable[[Answered | Waiting | Note], None]
Consent = Callable[[Estimate], None]


@dataclass(frozen=True)
class Pending:
    """A run that ended before its set could be written, because answers are still to come. Nothing of it is lost."""

    set: str
    teacher: str
    requests: int
    answered: int
    unasked: int  # held by nobody
    batches: list[dict[str, Any]]  # on their way: id, requests
    files: list[dict[str, Any]]  # exported, and not imported: file, requests, waiting
    exported: int | None  # requests written to a file now
    imported: dict[str, Any] | None  # what became of the rows of a file of answers
    cost_usd: float | None
    notes: list[str]
    next: str
    exit_code: int = 0


@dataclass(frozen=True)
class Gathered:
    """The answers are all there. `asked`: those that are new; `is_short`: an imported file had rows that are of no use."""

    asked: int = 0
    notes: list[str] = field(default_factory=list)
    is_short: bool = False


def check_ways(asking: Asking, teacher: Teacher) -> None:
    """Refuse ways of asking that do not go together, or not with this teacher, before anything is read.

    Raises:
        UsageError: with what to do.
    """
    out, into = asking.export_requests, asking.import_answers
    ways = {"--batch": asking.batch, "--export-requests": out, "--import-answers": into}
    chosen = [name for name, value in ways.items() if value]
    if not chosen or asking.dry_run:
        return
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} do not go together", hint="give one of them")
    if not isinstance(teacher, Provider):
        hint = "choose --teacher anthropic or openai"
        raise UsageError(f"{chosen[0]}: the {teacher.name} teacher answers here and now", hint=hint)
    open_batch_api(teacher)
    if asking.batch and len(teacher.servers) > 1:
        raise UsageError("--batch: batches go to one server", hint="give one --base-url, or leave out --batch")
    if out and not teacher.name.startswith("openai:"):
        hint = "name the model that will answer: --teacher openai:MODEL"
        raise UsageError(f"--export-requests: the file has OpenAI's form, not that of {teacher.name}", hint=hint)
    if out:
        check_writable(out.parent)
    for path in (out, part_of(out, 1)) if out else ():
        if path.exists():
            hint = "name another file: the requests in this one may still be held"
            raise UsageError(f"--export-requests: {path} is there already", hint=hint)
    for path in into:
        if not path.is_file() and not path.is_dir():
            hint = "name the file that the batch or the cluster wrote"
            raise UsageError(f"--import-answers: {path} is no file", hint=hint)


def refuse_open_batches(path: Path) -> None:
    """Refuse to start a set anew while batches of it are on their way: they are paid for.

    Raises:
        SetError: there are some.
    """
    if not path.exists():
        return
    try:
        with Journal.open(path) as journal:
            batches = Outstanding(journal).open("batch")
    except SetError:  # damaged: there is nothing to save
        return
    if batches:
        names = ", ".join(batch.place or "one that may not have been made" for batch in batches[:3])
        raise SetError(
            f"{path.parent}: {len(batches)} batches are on their way and paid for: {names}",
            hint="collect them with the same command without --replace; or give them up: "
            + command_line("fingen", "journal", "release", path.parent, "--batches"),
        )


def gather(job: Job, journal: Journal, locks: RequestLocks, on_event: OnEvent, consent: Consent) -> Gathered | Pending:
    """Get the answers that the journal lacks, in the way that the settings say.

    Raises:
        FingenError: see `ask`, `export` and `take_answers`.
    """
    asking, keys = job.asking, keys_of(job.requests)
    asked, exported, imported = 0, None, None
    Outstanding(journal).settle(locks)
    judge_stored(job, journal)
    if asking.export_requests:
        exported = export(job, asking.export_requests, journal, locks)
    elif asking.import_answers:
        imported = take_answers(job, asking.import_answers, journal, locks, on_event)
    elif missing := journal.missing(keys):
        unasked = journal.unasked(missing)
        if unasked or Outstanding(journal).open("batch"):
            if isinstance(job.teacher, SdkTeacher) and any(each.is_key_from_file() for each in job.teacher.servers):
                on_event(Note(f"the key is the one in ./{ENV_FILE}: what is asked goes to the account of its owner"))
            consent(estimate(job, missing=set(unasked), batch=asking.batch))
            if warning := check_teacher(job):
                on_event(Note(warning, is_warning=True))
        asked = ask(job, journal, locks, on_event)
    if missing := journal.missing(keys):
        return _pending(job, journal, missing, exported, imported)
    if imported:
        return Gathered(imported.taken, imported.lines(), imported.is_short)
    return Gathered(asked)


def ask(job: Job, journal: Journal, locks: RequestLocks, on_event: OnEvent) -> int:
    """Ask what the journal lacks; returns how many answers are new. What another process asks is waited for.

    What batches hold is waited for too, if that is wanted; what a file holds is not.
    """
    missing = journal.missing(keys_of(job.requests))
    counter = _Counter(job, journal, len(missing), on_event)
    outstanding = Outstanding(journal)
    while missing:
        judge_stored(job, journal, counter.count)
        unasked = journal.unasked(missing)
        if unasked and not job.asking.batch:
            ask_live(
                job, set(unasked), journal, locks, counter.count, lambda text: on_event(Note(text, is_warning=True))
            )
        if job.asking.batch or outstanding.open("batch"):
            collect(job, journal, locks, counter.count, on_event)
        missing = journal.missing(missing)
        if set(missing) <= outstanding.exported() or (not job.asking.wait and outstanding.open("batch")):
            break
        time.sleep(OTHERS_SECONDS)
    return counter.done


class _Counter:
    """Counts answers, and says so. The first one binds the set to its settings."""

    def __init__(self, job: Job, journal: Journal, total: int, on_event: OnEvent) -> None:
        self._job, self._journal, self._total, self._on_event = job, journal, total, on_event
        self._row = journal.last_row()  # attempts up to this one are counted
        self._paid_usd = 0.0  # since the run began
        self._spent: float | None = 0.0
        self._looked = 0.0
        self.done = 0

    def count(self, request: Request, completion: Completion) -> None:
        """Count one more answer."""
        self.done += 1
        _bind(self._job, self._journal)
        now = time.monotonic()
        if completion.cost_usd is None:
            self._spent = None
        elif self._spent is not None and (now - self._looked >= SPENT_SECONDS or self.done == self._total):
            usd, self._row = self._journal.paid_since(self._row)  # failed attempts are in it
            self._paid_usd += usd
            self._spent, self._looked = self._paid_usd, now
        self._on_event(Answered(self.done, self._total, self._spent))


def _bind(job: Job, journal: Journal) -> None:
    """Bind the set to its settings, if it is not bound yet."""
    if journal.settings() is None:
        journal.write_settings(job.identity)


def collect(
    job: Job,
    journal: Journal,
    locks: RequestLocks,
    on_answer: OnAnswer,
    on_event: Callable[[Waiting], None],
) -> None:
    """Collect the batches on their way, send what is missing if batches are asked for, and wait if that is wanted.

    Raises:
        Interrupted: Ctrl-C while waiting; the batches go on.
    """
    requests = by_key(job.requests)
    asking = job.asking
    if asking.batch and journal.unasked(requests):
        _bind(job, journal)
    terms = BatchTerms(
        is_sending=asking.batch,
        is_waiting=asking.wait,
        budget_usd=asking.budget_usd,
        budget_all_usd=asking.budget_all_usd,
        validate=job.validate,
    )

    async def work() -> None:
        batch_api = open_batch_api(job.teacher)
        try:
            await run_batches(requests, batch_api, journal, locks, terms, on_answer=on_answer, on_event=on_event)
        finally:
            await batch_api.teacher.close()

    try:
        run_async(work())
    except KeyboardInterrupt as e:
        count = len(Outstanding(journal).open("batch"))
        raise Interrupted(
            f"interrupted; {count} batches go on at the provider, and what was collected is stored",
            hint="run the same command again to collect them",
        ) from e


def export(job: Job, path: Path, journal: Journal, locks: RequestLocks) -> int:
    """Write what is missing to a file, or to several, and hold it; returns the number of requests. Nothing is sent."""
    outstanding = Outstanding(journal)
    requests = by_key(job.requests)
    missing = journal.unasked(requests)
    if not missing:
        return 0
    _bind(job, journal)
    faults = outstanding.unusable(missing)
    asked = (after_faults(requests[key], faults.get(key, [])) for key in missing)
    paths = [path]
    if len(missing) > FILE_REQUESTS:
        paths = [part_of(path, number) for number in range(1, -(-len(missing) // FILE_REQUESTS) + 1)]
    teacher = open_batch_api(job.teacher).teacher
    return sum(export_requests(each, islice(asked, FILE_REQUESTS), teacher, outstanding, locks) for each in paths)


def take_answers(job: Job, paths: Sequence[Path], journal: Journal, locks: RequestLocks, on_event: OnEvent) -> Imported:
    """Take the answers in files into the journal, then look at them as at any other. Nothing is sent."""
    missing = journal.missing(keys_of(job.requests))
    counter = _Counter(job, journal, len(missing), on_event)
    _bind(job, journal)
    report = import_answers(
        paths, by_key(job.requests), open_batch_api(job.teacher).teacher, Outstanding(journal), locks
    )
    judge_stored(job, journal, counter.count)
    return report


def judge_stored(job: Job, journal: Journal, on_answer: OnAnswer = lambda request, completion: None) -> None:
    """Validate the answers that a killed run stored and did not validate."""
    Judge(by_key(job.requests), Outstanding(journal), job.validate, on_answer).look()


def _pending(
    job: Job, journal: Journal, missing: list[str], exported: int | None, imported: Imported | None
) -> Pending:
    """Build the report of a run that ends with answers still to come."""
    outstanding = Outstanding(journal)
    batches = [{"id": batch.place, "requests": batch.requests} for batch in outstanding.open("batch")]
    files = [
        {"file": file.place, "requests": file.requests, "waiting": file.waiting} for file in outstanding.open("export")
    ]
    total, unasked = len(keys_of(job.requests)), len(journal.unasked(missing))
    is_fine = not imported.is_short if imported else exported is not None or bool(batches)
    return Pending(
        set=str(job.out),
        teacher=job.teacher.name,
        requests=total,
        answered=total - len(missing),
        unasked=unasked,
        batches=batches,
        files=files,
        exported=exported,
        imported=dataclasses.asdict(imported) if imported else None,
        cost_usd=journal.usage()[1],
        notes=[*(imported.lines() if imported else []), *_invalid(job, journal, missing)],
        next=_next(job, batches=bool(batches), exported=bool(exported), unasked=bool(unasked)),
        exit_code=0 if is_fine else 1,
    )


def _invalid(job: Job, journal: Journal, missing: list[str]) -> list[str]:
    """Name the requests that were answered, by whichever run or file, and whose answers cannot be used, with why."""
    asked, faulty = by_key(job.requests), journal.faulty()
    told = [
        f"{asked[key].where}: {faults[-1][1]} ({len(faults)} answers so far)"
        for key in missing
        if key in faulty and (faults := journal.faults(key))
    ]
    more = f"; and {len(told) - SHOWN_INVALID} more" if len(told) > SHOWN_INVALID else ""
    return [f"{len(told)} requests have answers that cannot be used: {'; '.join(told[:SHOWN_INVALID])}{more}"] * bool(
        told
    )


def _next(job: Job, *, batches: bool, exported: bool, unasked: bool) -> str:
    if exported:
        model, file, answers = getattr(job.teacher, "model", "MODEL"), job.asking.export_requests, Path("answers.jsonl")
        assert file is not None
        if (first := part_of(file, 1)).exists():
            file, answers = first, part_of(answers, 1)
        run = command_line("vllm", "run-batch", "-i", file, "-o", answers, "--model", model)
        if file == first:
            return f"{run}, and so for each file; then this command with --import-answers for each, or for their folder"
        return f"{run}; then this command with --import-answers answers.jsonl in place of --export-requests"
    if batches:
        return "run the same command again to collect them"
    if not unasked:
        release = command_line("fingen", "journal", "release", job.out)
        return f"give the answers to --import-answers; or, to ask the requests in another way, first: {release}"
    return "run the command again without --import-answers to ask what is missing, or with --export-requests"
