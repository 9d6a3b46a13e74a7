"""The conductor of `fingen synth rewrite`: rows of a set go to a teacher, and what comes back better stands beside them.

A row that was written anew is in the split of its original, which stays as it is. What is worse in it than in the original by
one of the rules here, or breaks a check of the set, is rejected with its reason.
"""

from __future__ import annotations

import platform
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fingen import __version__
from fingen.config import Rewrite
from fingen.disk import lock, sha256_file, sha256_text
from fingen.errors import SetError, ShortfallError
from fingen.events import Estimate, Note, Outcome, command_line
from fingen.pipeline.filters import OpenFilters, open_filters
from fingen.pipeline.looking import NO_ANSWER
from fingen.pipeline.pdf2qa import require_named
from fingen.prompts import Template
from fingen.quality.checks import CHECKS
from fingen.quality.draft import Draft
from fingen.quality.duplicates import fold, near_clusters
from fingen.quality.privacy import protect, protect_reject
from fingen.records import Language, Manifest, Record, Rejected, Request
from fingen.scoring.texts import TextRow, count_figures
from fingen.set_folder import PATIENCE_SECONDS, as_begun, refuse_folder, refuse_other, start_anew, withdrawn_from
from fingen.sets import JOURNAL, MANIFEST, SPLITS, SetContent, read_manifest, read_split, refuse_preferences, write_set
from fingen.tasks.rewriting import WAYS, ask_rewrites, build_rewrite, refuse_row
from fingen.teachers import choose_teacher, open_teacher
from fingen.teachers.answers import read_answers, repair_notes
from fingen.teachers.asking import OnEvent, Pending, check_ways, gather
from fingen.teachers.base import Teacher
from fingen.teachers.job import Job, estimate, expected_usd, require_keys
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks
from fingen.text import han_share
from fingen.verification.origin import Origin, origin_of_set
from fingen.verification.run import prove_record

FORM = (
    "boilerplate",
    "odd-characters",
    "instructed",
    "copies-question",
    "repeats-itself",
)  # checks that need no passage


@dataclass(frozen=True)
class Rewritten(Outcome):
    """What came of it: `asked` rows went to the teacher, and each is among `rewritten` or `rejects`."""

    set: str
    of: str
    teacher: str
    how: str
    records: dict[str, int]  # split -> rows, originals among them
    asked: int
    rewritten: int
    rejects: dict[str, int]
    not_asked: dict[
        str, int
    ]  # rows of the chosen splits that are no questions and answers in free text, by what they are
    requests: dict[str, int]  # asked now, from the journal
    private: dict[str, int]
    cost_usd: float | None
    expected_usd: float | None


@dataclass
class _Made:
    rewritten: dict[str, Record] = field(default_factory=dict)  # id of the original -> the row made of it
    rejected: list[Rejected] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)
    private: Counter[str] = field(default_factory=Counter)

    def reject(
        self, record: Record, reason: str, detail: str, new: Record | None = None, key: str | None = None
    ) -> None:
        """Put what came of a row among the rejects."""
        item = {"id": record.id, "question": record.instruction, "answer": record.output}
        if new is not None:
            item |= {"rewritten_question": new.instruction, "rewritten_answer": new.output}
        self.rejected.append(Rejected(item=item, reason=reason, detail=detail, chunks=record.chunks, request=key))


def rewrite(
    settings: Rewrite,
    *,
    teacher: Teacher | None = None,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = require_named,
) -> Rewritten | Estimate | Pending:
    """Have rows of a set written anew; with `asking.dry_run` only say what that would cost.

    Raises:
        ShortfallError: no row of the splits can be written anew, or none came back better; all answers are kept.
        UsageError, SetError, TeacherError, LimitError, Interrupted: see `fingen.errors`.
    """
    run = _open(settings, teacher, on_event)
    if settings.asking.dry_run:
        return estimate(run.job, missing=None)
    out = run.job.out
    with lock(out):
        refuse_folder(out)
        if settings.replace:
            consent = start_anew(run.job, consent)
        else:
            refuse_other(out, run.job.identity)
    with Journal.open(out / JOURNAL) as journal, RequestLocks(out / LOCKS_FILE) as locks:
        got = gather(run.job, journal, locks, on_event, consent)
        if isinstance(got, Pending):
            return got
        with lock(out, patience_seconds=PATIENCE_SECONDS):
            made = run.read(journal)
            content = run.content(made, journal)
            changed = write_set(out, content)
        return run.sum_up(made, content, journal, got.asked, changed)


def _open(settings: Rewrite, teacher: Teacher | None, on_event: OnEvent) -> _Run:
    """Read the set and make the requests; what would fail later is found here."""
    before = read_manifest(settings.data)
    refuse_preferences(settings.data, before, "synth rewrite")
    out = settings.out or settings.data.with_name(f"{settings.data.name}-rewritten")
    if out.resolve() == settings.data.resolve():
        raise SetError(f"--out {out} is the set itself", hint="write the new set elsewhere")
    settings = replace(settings, asking=as_begun(settings.asking, out, anew=settings.replace))
    name, found_by = choose_teacher(settings.teacher, settings.asking)
    asked = teacher or open_teacher(name, settings.asking)
    job = WAYS[settings.how].job("--teacher", None, settings.asking, out, asked)
    assert job is not None  # there is a teacher
    job.found_by = found_by
    check_ways(settings.asking, job.teacher)
    require_keys(settings.asking, job)
    if settings.teacher is None and teacher is None:
        on_event(Note(f"teacher: {asked.name}"))
    filters = open_filters(settings.filters, out)
    splits = {split: list(read_split(settings.data, split)) for split in SPLITS if before.splits.get(split)}
    run = _Run(settings, before, splits, origin_of_set(settings.data), filters, job)
    run.add_requests()
    if not run.shown:
        told = ", ".join(f"{count:,} {why}" for why, count in run.not_asked.items()) or "they have no rows"
        raise ShortfallError(
            f"{settings.data}: no row of {', '.join(settings.splits)} can be written anew: {told}",
            hint="rows with a label or options are not; name other splits with --split",
        )
    return run


@dataclass
class _Run:
    settings: Rewrite
    before: Manifest
    splits: dict[str, list[Record]]
    origin: Origin
    filters: OpenFilters
    job: Job
    shown: dict[str, Record] = field(default_factory=dict)  # id -> the row as the teacher sees it
    not_asked: Counter[str] = field(default_factory=Counter)
    templates: dict[str, Template] = field(default_factory=dict)

    def add_requests(self) -> None:
        """Ask for rows in the order of the hashes of their ids: a larger --limit then asks nothing twice but the last request."""
        mode, by_language = self.settings.filters.privacy, dict[Language, list[Record]]()
        rows = [record for split in SPLITS if split in self.settings.splits for record in self.splits.get(split, ())]
        for record in sorted(rows, key=lambda record: sha256_text(record.id)):
            shown, found = protect(record, mode)
            why = refuse_row(record) or ("privacy" if shown is None else "")
            if why or shown is None:
                self.not_asked[why] += 1
            elif self.settings.limit is None or len(self.shown) < self.settings.limit:
                self.job.masked.update({str(kind): count for kind, count in found.items()} if shown != record else {})
                self.shown[record.id] = shown
                by_language.setdefault(record.language, []).append(shown)
        for language, records in sorted(by_language.items()):
            template = WAYS[self.settings.how].template(language)
            self.templates[template.name] = template
            for at in range(0, len(records), self.settings.per_request):
                some = records[at : at + self.settings.per_request]
                self.job.requests.append(ask_rewrites(template, self.settings.how, some, self.job.teacher.name))
        self.job.identity = {
            "command": "synth rewrite",
            "set": self.before.name,
            "manifest": sha256_file(self.settings.data / MANIFEST),
            "teacher": self.job.teacher.name,
            "how": self.settings.how,
            "splits": list(self.settings.splits),
            "per_request": self.settings.per_request,
            "prompts": {name: template.sha256[:16] for name, template in self.templates.items()},
        }

    def read(self, journal: Journal) -> _Made:
        """All answers in the journal as rows beside their originals, or as rejects: the same answers give the same rows."""
        made, way = _Made(), WAYS[self.settings.how]
        for answer in read_answers(journal, self.job.requests, way.parse):
            made.repairs.update(answer.repairs)
            told = dict(answer.items)
            broken = {item.get("number"): detail for item, detail in answer.broken}
            for number, draw in enumerate(answer.request.draws, 1):
                record = self.shown[draw["id"]]
                if answer.unusable:
                    reason = NO_ANSWER if answer.completion is None else "unusable-answer"
                    made.reject(record, reason, answer.unusable, key=answer.request.key)
                elif record.id not in told:
                    reason = "schema" if number in broken else "left-out"
                    detail = broken.get(number, "the teacher gave none, or several")
                    made.reject(record, reason, detail, key=answer.request.key)
                else:
                    self._judge(made, record, told[record.id], answer.request)
        self._gate(made)
        return made

    def _judge(self, made: _Made, record: Record, said: Any, request: Request) -> None:
        new = build_rewrite(record, self.settings.how, said, self.job.teacher.name)
        problem = find_problem(record, new, self.settings.how) or self._broken_law(new)
        kept, private = protect(new, self.settings.filters.privacy)
        made.private.update(map(str, private.elements()))
        if problem is None and kept is None:
            problem = ("privacy", "personal data in it")
        if problem is not None or kept is None:
            made.reject(record, *(problem or ("", "")), new=new, key=request.key)
        else:
            made.rewritten[record.id] = self.origin.with_figures(kept) if self.origin.chunks else kept

    def _broken_law(self, new: Record) -> tuple[str, str] | None:
        """The first check of `fingen verify` that a row about a passage breaks."""
        if not new.document or not self.origin.of(new):
            return None
        problems = (problem for law in prove_record(new, self.origin).values() for problem in law.problems)
        return next(((problem.reason, problem.detail) for problem in problems), None)

    def _gate(self, made: _Made) -> None:
        """Reject what repeats another row of the set or of others, is in a benchmark, or says what another split says."""
        split_of = {record.id: split for split, rows in self.splits.items() for record in rows}
        every = {record.id: record for rows in self.splits.values() for record in rows}
        # An original is there first, and of two new rows the one that was asked for first. That a row says what its own
        # original says is no fault: they stand beside each other.
        originals, order = list(every.values()), list(made.rewritten.values())
        texts = {
            id(each.record): (each.kind, f"of {each.of}")
            for each in self.filters.duplicates([*originals, *order])
            if each.kind != "answer" and each.of != each.record.draws.get("rewrites")
        }
        places = {id(record): ("contaminated", where) for record, where in self.filters.contaminated(order)}
        clusters = near_clusters([*originals, *order])
        where: dict[str, set[str]] = defaultdict(set)
        for record in originals:
            for cluster in clusters[record.id]:
                where[cluster].add(split_of[record.id])
        for id_, new in list(made.rewritten.items()):
            why = texts.get(id(new)) or places.get(id(new))
            now = {cluster for cluster in clusters[new.id] if cluster not in clusters[id_]}
            others = {split for cluster in now for split in where[cluster]} - {split_of[id_], "memory"}
            if why is None and others:
                why = ("joins-splits", f"it says what a row of {sorted(others)[0]} says")
            if why:
                del made.rewritten[id_]
                made.reject(self.shown[id_], *why, new=new)
            else:
                for cluster in now:
                    where[cluster].add(split_of[id_])

    def content(self, made: _Made, journal: Journal) -> SetContent:
        """What the set will hold: each row, and behind it the one that was made of it.

        Raises:
            ShortfallError: none was.
        """
        if not made.rewritten:
            counts = Counter(each.reason for each in made.rejected)
            told = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
            hint = f"the first one: {made.rejected[0].detail}; all answers are kept: fingen journal {self.job.out}"
            raise ShortfallError(f"none of {len(self.shown):,} rows came back better: {told}", hint=hint)
        splits = {split: list(_beside(rows, made.rewritten)) for split, rows in self.splits.items()}
        usage, cost = journal.usage()
        identity = self.job.identity
        how = f"{self.settings.how} by {self.job.teacher.name}"
        said = f"{len(made.rewritten):,} rows of {self.before.name} are written anew, each beside its original: {how}"
        manifest = self.before.model_copy(
            update={
                "name": self.job.out.name,
                "command": "synth rewrite",
                "teacher": self.job.teacher.name,
                "settings": {**identity, **self.filters.settings,
                             "privacy": self.before.settings.get("privacy", "keep")},
                "prompts": {name: template.sha256 for name, template in self.templates.items()},
                "files": {},
                "requests": len({request.key for request in self.job.requests}),
                "usage": usage,
                "cost_usd": cost,
                "figures": self._figures(splits),
                "checked": {},
                "declared": (*self.before.declared, said),
                "withdrawn": withdrawn_from(self.job.out),
                "versions": {"fingen": __version__, "python": platform.python_version()},
            }
        )  # fmt: skip
        rejected = [protect_reject(each, self.filters.filters.privacy) for each in made.rejected]
        return SetContent(splits, rejected, list(self.origin.chunks.values()), manifest)

    def _figures(self, splits: Mapping[str, Sequence[Record]]) -> dict[str, int]:
        return self.origin.count_figures(r for rows in splits.values() for r in rows) if self.origin.chunks else {}

    def sum_up(self, made: _Made, content: SetContent, journal: Journal, asked: int, changed: bool) -> Rewritten:
        """The summary of the run."""
        requests = len({request.key for request in self.job.requests})
        return Rewritten(
            set=str(self.job.out),
            of=str(self.settings.data),
            teacher=self.job.teacher.name,
            how=self.settings.how,
            records={split: len(content.splits.get(split, ())) for split in SPLITS},
            asked=len(self.shown),
            rewritten=len(made.rewritten),
            rejects=dict(Counter(each.reason for each in made.rejected).most_common()),
            not_asked=dict(self.not_asked.most_common()),
            requests={"asked": asked, "from_journal": requests - asked},
            private=dict(sorted(made.private.items())),
            cost_usd=content.manifest.cost_usd,
            expected_usd=expected_usd(self.job, Outstanding(journal).batched()),
            changed=changed,
            notes=repair_notes(made.repairs),
            next=command_line("fingen", "verify", self.job.out),
        )


def _beside(rows: Sequence[Record], rewritten: Mapping[str, Record]) -> Iterator[Record]:
    for record in rows:
        yield record
        if record.id in rewritten:
            yield rewritten[record.id]


def find_problem(record: Record, new: Record, how: str) -> tuple[str, str] | None:
    """What is worse in a row than in the one that it was made of: reason and detail; None where nothing is found.

    `record` is what the teacher was shown.
    """
    texts = {"extend": ("output",), "rephrase": ("instruction",)}.get(how, ("instruction", "output"))
    if all(fold(getattr(record, name)) == fold(getattr(new, name)) for name in texts):
        return "same-text", "nothing is written otherwise"
    for name in texts:
        if (han_share(getattr(new, name)) > 0.3) != (han_share(getattr(record, name)) > 0.3):
            return "wrong-language", f"{name} is in another language than the original"
    for reason in FORM:
        was, now = (CHECKS[reason](Draft(each, "", (), ())) for each in (record, new))
        if now and not was:
            return reason, now
    if how == "extend" and len(new.output) <= len(record.output):
        return "shorter", f"{len(new.output)} characters, the original has {len(record.output)}"
    own = "\n".join(
        (record.system, record.instruction, record.input, record.output, *(e.quote for e in record.evidence))
    )
    whole = TextRow(record.id, record.language, "", f"{new.instruction}\n{new.output}", own)
    found, there = count_figures(whole)
    if found < there:
        return "new-figure", f"{there - found} of {there} figures are neither in the original nor in what it rests on"
    if how != "rephrase":
        found, there = count_figures(
            TextRow(record.id, record.language, "", record.output, f"{new.instruction}\n{new.output}")
        )
        if found < there:
            return "lost-figure", f"{there - found} of {there} figures of the original answer are gone"
    return None
