"""The conductor of `fingen synth`: draws -> requests -> filters, round after round, until every label has what was asked for."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import ceil
from typing import Any, Protocol

from fingen import __version__, prompts
from fingen.config import Synth
from fingen.disk import lock, sha256_text
from fingen.errors import ShortfallError, UsageError
from fingen.events import Answered, Estimate, Note, Outcome, command_line
from fingen.pipeline.filters import OpenFilters, open_filters
from fingen.pipeline.looking import rejected, rejects
from fingen.pipeline.parts import (
    Part,
    PartOutcome,
    Parts,
    as_json,
    begin_part,
    dump_settings,
    end_part,
    merge_parts,
    parse_shard,
    refuse_no_part,
)
from fingen.pipeline.pdf2qa import require_named
from fingen.quality.diversity import measure
from fingen.quality.duplicates import duplicate_texts
from fingen.quality.privacy import protect, protect_reject
from fingen.quality.splits import assign_counts
from fingen.records import Manifest, Record, Rejected, Request
from fingen.set_folder import PATIENCE_SECONDS, as_begun, clear, refuse_folder, refuse_other, start_anew
from fingen.sets import JOURNAL, SetContent, write_set
from fingen.tasks import review
from fingen.tasks.drawn import Form
from fingen.tasks.labels import Label
from fingen.teachers import choose_teacher, open_teacher
from fingen.teachers.answers import read_answers, repair_notes
from fingen.teachers.asking import Gathered, Pending, check_ways, gather
from fingen.teachers.base import Teacher
from fingen.teachers.job import Job, estimate, expected_usd, require_keys
from fingen.teachers.journal import Journal
from fingen.teachers.outstanding import Outstanding
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

MOST_ROUNDS = 12
FRUITLESS = 3  # rounds in a row in which a label that lacks items got none end a run
TEXTS = 10  # in a request to the second teacher
BRIEF = ("who", "how", "about", "rule")  # what a template may say of a draw
SPARE = 1.1  # of what the rate of the last rounds says, asked for to fill what is missing

OnEvent = Callable[[Answered | Note | Any], None]


class Specs(Protocol):
    """Where draws come from: each label has an endless stream of them. `data` names the files that they are made of."""

    data: tuple[str, ...]

    def of(self, label: str, start: int = 0) -> Iterator[dict[str, Any]]:
        """The draws of a label, from number `start` on."""

    def brief(self, draw: Mapping[str, Any]) -> dict[str, str]:
        """What a teacher is told about a draw, by the names that templates use."""


@dataclass(frozen=True)
class SynthSummary(Outcome):
    """What a run did. `exit_code` is 0: where a label falls short, there is no set and no summary."""

    set: str
    teacher: str
    records: dict[str, dict[str, int]]  # label -> split -> rows
    letters: dict[str, int]  # right letter -> rows
    rejects: dict[str, int]
    confused: list[dict[str, Any]]  # pairs of labels that the second teacher took for each other: asked, taken, items
    rounds: int
    requests: dict[str, int]  # asked now, from the journal
    measures: dict[str, float]
    private: dict[str, int]
    cost_usd: float | None
    expected_usd: float | None


def synth(
    settings: Synth,
    form: Form,
    labels: Sequence[Label],
    draws: Specs,
    *,
    teacher: Teacher | None = None,
    checker: Teacher | None = None,
    on_event: OnEvent = lambda event: None,
    consent: Callable[[Estimate], None] = require_named,
    parts: Parts | None = None,
) -> SynthSummary | PartOutcome | Estimate | Pending:
    """Make a set of exactly so many items of each label; with `asking.dry_run` only say what the first round would cost.

    With `shard` only the share of one machine in the first round is asked; with `parts` what all of them asked comes first.

    Raises:
        ShortfallError: a label got too few items in the end; what is missing is named, and all answers are kept.
        UsageError, SetError, TeacherError, LimitError, Interrupted: see `fingen.errors`.
    """
    settings = replace(settings, asking=as_begun(settings.asking, settings.out, anew=settings.replace))
    name, found_by = choose_teacher(settings.teacher, settings.asking)
    asked = teacher or open_teacher(name, settings.asking)
    check_ways(settings.asking, asked)
    if asked.name == "offline" and form.task != "intent":
        raise UsageError(f"the offline teacher writes no {form.task}", hint="name a model: --teacher anthropic")
    filters = open_filters(settings.filters, settings.out, seen_as=form.bare)
    counts = _counts(settings, labels)
    template = prompts.read_template(f"{form.template}.{settings.language}")
    job = Job(asked, settings.asking, settings.out, form.whole_problem, form.item_tokens, found_by)
    maker = _Maker(settings, form, labels, draws, template, counts, filters, job)
    maker.check = _open_check(settings, checker, labels)
    require_keys(settings.asking, job, *([maker.check.job] if maker.check else []))
    if settings.teacher is None and teacher is None:
        on_event(Note(f"teacher: {asked.name}"))
    job.identity = _identity(settings, asked, maker.files(), labels)
    if maker.check is not None:
        maker.check.job.identity = job.identity
    maker.add_round(Counter())
    bound = as_json(job.identity)
    part = None
    if settings.shard:
        shard = parse_shard(settings.shard)
        job.requests = job.requests[shard.number - 1 :: shard.total]
        job.identity = {**job.identity, "shard": str(shard)}
        part = Part(shard=shard, command=f"synth {settings.kind}", settings=dump_settings(settings, name), bound=bound,
                    labels=tuple(labels), fixed_options=form.fixed_options)  # fmt: skip
    if settings.asking.dry_run:
        return estimate(job, missing=None)
    consent = _begin(job, part, settings.replace, parts, consent)
    with Journal.open(settings.out / JOURNAL) as journal, RequestLocks(settings.out / LOCKS_FILE) as locks:
        if part:
            return _ask_share(job, begin_part(settings.out, part), journal, locks, on_event, consent)
        if parts:
            for note in merge_parts(parts, journal, job.identity, bound):
                on_event(Note(note, is_warning=True))
        made = maker.make(journal, locks, on_event, consent)
        if isinstance(made, Pending):
            return made
        with lock(settings.out, patience_seconds=PATIENCE_SECONDS, say=lambda text: on_event(Note(text))):
            content = _content(settings, maker, made, journal, job)
            changed = write_set(settings.out, content)
        return _summary(settings, maker, made, content, journal, changed)


def _begin(
    job: Job, part: Part | None, replaces: bool, parts: Parts | None, consent: Callable[[Estimate], None]
) -> Callable[[Estimate], None]:
    """Refuse a folder that holds something else, or clear it where that is wanted; returns the consent for what is asked then."""
    refuse_folder(job.out, is_part=bool(part))
    with lock(job.out):
        refuse_folder(job.out, is_part=bool(part))
        if part:
            refuse_no_part(job.out, part, replaces=replaces)
        if not replaces:
            refuse_other(job.out, job.identity)
        elif parts:
            clear(job.out)  # what is to be asked is known when the parts are joined
        else:
            return start_anew(job, consent)
    return consent


def _ask_share(
    job: Job, part: Part, journal: Journal, locks: RequestLocks, on_event: OnEvent, consent: Callable[[Estimate], None]
) -> PartOutcome | Pending:
    """Ask what is one machine's share of the first round: what more is needed is known when all of them have asked."""
    got = gather(job, journal, locks, on_event, consent)
    if isinstance(got, Pending):
        return got
    requests = len({request.key for request in job.requests})
    return end_part(job.out, part, job.teacher.name, {}, notes=got.notes, journal=journal, asked=got.asked, requests=requests,
                    is_short=got.is_short, servers=job.asking.base_url)  # fmt: skip


@dataclass
class Made:
    """The items of a run after a round."""

    kept: list[Record] = field(default_factory=list)  # in the order in which they were drawn
    rejected: list[Rejected] = field(default_factory=list)
    private: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)  # what had to be forgiven to read answers -> how often
    confused: Counter[tuple[str, str]] = field(default_factory=Counter)
    unchecked: int = 0  # kept without a verdict of the second teacher
    asked: int = 0
    rounds: int = 0

    @property
    def per_label(self) -> Counter[str]:
        """Label -> items kept."""
        return Counter(record.label for record in self.kept)


@dataclass
class _Maker:
    """Draws, asks and filters, round after round."""

    settings: Synth
    form: Form
    labels: Sequence[Label]
    draws: Specs
    template: prompts.Template
    counts: dict[str, dict[str, int]]  # split -> label -> records
    filters: OpenFilters
    job: Job
    check: _Check | None = None
    drawn: Counter[str] = field(default_factory=Counter)  # label -> draws asked for

    @property
    def wanted(self) -> Counter[str]:
        return Counter(
            {label.name: sum(counts[label.name] for counts in self.counts.values()) for label in self.labels}
        )

    def files(self) -> dict[str, str]:
        """Name -> SHA-256 of the template and of the data files that items are made with."""
        names = [
            *self.draws.data,
            *([f"phrases.{self.settings.language}"] if self.job.teacher.name == "offline" else []),
        ]
        return {self.template.name: self.template.sha256, **{name: prompts.data_sha256(name) for name in names}}

    def make(
        self, journal: Journal, locks: RequestLocks, on_event: OnEvent, consent: Callable[[Estimate], None]
    ) -> Made | Pending:
        """Ask until every label has what is wanted of it, the first round before all.

        Raises:
            ShortfallError: rounds without fruit.
        """
        asked, fruitless, made = 0, 0, Made()
        for number in range(1, MOST_ROUNDS + 1):
            if number > 1:
                self.add_round(made.per_label)
            got = gather(self.job, journal, locks, on_event, consent)
            if isinstance(got, Pending):
                return got
            asked += got.asked
            before, made = made.per_label, self.judge(journal)
            while self.check is not None and (new := self.check.unasked(made.kept)):
                got = self.check.ask(new, journal, locks, on_event, consent)
                if isinstance(got, Pending):
                    return got
                asked += got.asked
                made = self.judge(journal)  # where an item falls, one that was surplus may take its place
            made.asked, made.rounds = asked, number
            lacking = self.wanted - made.per_label
            if not lacking:
                return made
            fruitless = fruitless + 1 if all(made.per_label[label] <= before[label] for label in lacking) else 0
            if fruitless == FRUITLESS:
                break
        raise self.shortfall(made)

    def add_round(self, kept: Counter[str]) -> None:
        """Requests for what is missing: at first as many draws as items, later more, by the rate at which draws became items."""
        take: dict[str, list[Mapping[str, Any]]] = {}
        for label in self.labels:
            missing = self.wanted[label.name] - kept[label.name]
            start = self.drawn[label.name]
            if missing > 0:
                rate = max(kept[label.name] / start, 0.1) if start else 1.0
                more = ceil(missing / rate * SPARE) if start else missing
                take[label.name] = list(islice(self.draws.of(label.name, start), more))
                self.drawn[label.name] += more
        mixed = _interleave(list(take.values()))
        for at in range(0, len(mixed), self.settings.per_request):
            draws = mixed[at : at + self.settings.per_request]
            self.job.requests.append(
                self.form.request(self.template, self.labels, draws, self._briefs(draws), self.job.teacher.name)
            )

    def _briefs(self, draws: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**dict.fromkeys(BRIEF, ""), "label": draw["label"], **self.draws.brief(draw)} for draw in draws]

    def judge(self, journal: Journal) -> Made:
        """All answers of all rounds through the filters, from the first one on: the same answers give the same items."""
        made = Made()
        for answer in read_answers(journal, self.job.requests, self.form.parse):
            made.rejected += rejects(answer)
            made.repairs.update(answer.repairs)
            for item, draw in answer.items:
                self._item(made, item, draw, answer.request)
        self._gate(made, journal)
        return made

    def _item(self, made: Made, item: Any, draw: Mapping[str, Any], request: Request) -> None:
        language = self.settings.language
        problem = self.form.problem(item, draw, self.labels, language)
        record = self.form.build(item, draw, self.labels, language, self.job.teacher.name)
        kept, private = protect(record, self.filters.filters.privacy)
        if problem is None and kept is None:
            problem = "privacy: personal data in it"
        if problem is not None or kept is None:
            reason, _, detail = (problem or "").partition(": ")
            made.rejected.append(rejected({**item.model_dump(), "label": draw["label"]}, reason, detail, request))
            return
        made.private.update(private.elements())
        made.kept.append(kept)

    def _gate(self, made: Made, journal: Journal) -> None:
        """Reject duplicates, rows of benchmarks and surplus ones."""
        twice = {index: (of, kind) for index, of, kind in duplicate_texts([_text(record) for record in made.kept])}
        self._drop(made, {i: (kind, f"of {made.kept[of].id}") for i, (of, kind) in twice.items()})
        place = {id(record): i for i, record in enumerate(made.kept)}
        others = self.filters.duplicates(made.kept)
        self._drop(made, {place[id(d.record)]: (d.kind, f"of {d.of} in {d.of_set}") for d in others})
        place = {id(record): i for i, record in enumerate(made.kept)}
        self._drop(
            made, {place[id(record)]: ("contaminated", where) for record, where in self.filters.contaminated(made.kept)}
        )
        if self.check is not None:
            self._drop(made, self.check.disagreements(made, journal))
        room, surplus = self.wanted, {}
        for i, record in enumerate(made.kept):
            room[record.label] -= 1
            if room[record.label] < 0:
                surplus[i] = ("surplus", f"{self.wanted[record.label or '']} were asked for")
        self._drop(made, surplus)

    @staticmethod
    def _drop(made: Made, reasons: Mapping[int, tuple[str, str]]) -> None:
        for i, (reason, detail) in sorted(reasons.items()):
            record = made.kept[i]
            item = {"text": _text(record), "output": record.output, "label": record.label}
            made.rejected.append(Rejected(item=item, reason=reason, detail=detail, chunks=(), request=None))
        made.kept = [record for i, record in enumerate(made.kept) if i not in reasons]

    def shortfall(self, made: Made) -> ShortfallError:
        """Build the error that names what is missing and why items were rejected."""
        lines = [f"  {name}: {made.per_label[name]} of {wanted}" for name, wanted in self.wanted.items()]
        reasons = Counter(rejected.reason for rejected in made.rejected)
        why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        short = sum(self.wanted.values()) - len(made.kept)
        said = f"{short} items short after {made.rounds} rounds; rejected: {why or 'none'}"
        return ShortfallError(
            "\n".join([said, *lines]),
            hint=f"no set was written; all answers are kept (fingen journal {self.settings.out}): ask for fewer with --n",
        )


@dataclass
class _Check:
    """The second teacher, which is asked about each record once."""

    job: Job
    template: prompts.Template
    labels: Sequence[Label]
    asked: set[str] = field(default_factory=set)  # record ids

    def unasked(self, kept: Sequence[Record]) -> list[Record]:
        """The records that it was not asked about."""
        return [record for record in kept if record.id not in self.asked]

    def ask(
        self,
        new: Sequence[Record],
        journal: Journal,
        locks: RequestLocks,
        on_event: OnEvent,
        consent: Callable[[Estimate], None],
    ) -> Gathered | Pending:
        """Get a verdict on each record."""
        self.asked.update(record.id for record in new)
        for at in range(0, len(new), TEXTS):
            texts = new[at : at + TEXTS]
            self.job.requests.append(review.ask_labels(self.template, self.labels, texts, self.job.teacher.name))
        return gather(self.job, journal, locks, on_event, consent)

    def disagreements(self, made: Made, journal: Journal) -> dict[int, tuple[str, str]]:
        """Place of a record -> why it falls. A record without a verdict stays, and is counted as unchecked."""
        verdicts = {id: said.label for id, said in review.LABELS.verdicts(journal, self.job.requests).items()}
        made.unchecked = sum(record.id not in verdicts for record in made.kept)
        fall: dict[int, tuple[str, str]] = {}
        for place, record in enumerate(made.kept):
            asked, taken = record.label, verdicts.get(record.id)
            if taken is not None and taken != asked:
                made.confused[asked, taken] += 1
                fall[place] = ("check-disagrees", f"asked as {asked}, taken for {taken} by {self.job.teacher.name}")
        return fall


def _text(record: Record) -> str:
    """What a teacher wrote that no other record may have: the input where the instruction is the same for all."""
    return record.input or record.instruction


def _interleave(lists: Sequence[Sequence[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    """Merge lists so that the elements of each are evenly spread: a request then holds draws of many labels."""
    spread = [
        ((place + 0.5) / len(items), which, item)
        for which, items in enumerate(lists)
        for place, item in enumerate(items)
    ]
    return [item for _, _, item in sorted(spread, key=lambda entry: entry[:2])]


def _counts(settings: Synth, labels: Sequence[Label]) -> dict[str, dict[str, int]]:
    """Split -> label -> records: by the labels' weights, each within one of its share."""
    wanted = {"train": settings.n, "validation": settings.validation_count, "test": settings.test}
    return {split: _shared_out(number, labels) for split, number in wanted.items()}


def _shared_out(number: int, labels: Sequence[Label]) -> dict[str, int]:
    """Share a number out by weight: largest remainders, ties in the order of the labels."""
    total = sum(label.weight for label in labels)
    exact = [number * label.weight / total for label in labels]
    shares = [int(share + 1e-9) for share in exact]
    largest = sorted(range(len(labels)), key=lambda i: (-(exact[i] - shares[i]), i))
    for i in largest[: number - sum(shares)]:
        shares[i] += 1
    return {label.name: share for label, share in zip(labels, shares, strict=True)}


def _open_check(settings: Synth, teacher: Teacher | None, labels: Sequence[Label]) -> _Check | None:
    """The second teacher, if one is wanted."""
    job = review.LABELS.job("--check", settings.check, settings.asking, settings.out, teacher)
    return _Check(job, review.LABELS.template(settings.language), labels) if job else None


def _identity(settings: Synth, teacher: Teacher, files: Mapping[str, str], labels: Sequence[Label]) -> dict[str, Any]:
    """What a set is bound to by its first answer. How many items are wanted is no part of it: a set can grow."""
    return {
        "command": f"synth {settings.kind}",
        "teacher": teacher.name,
        "language": settings.language,
        "seed": settings.seed,
        "per_request": settings.per_request,
        "labels": sha256_text(*(label.model_dump_json() for label in labels)),
        "check": settings.check,
        "prompts": {name: sha256[:16] for name, sha256 in files.items()},
    }


def _content(settings: Synth, maker: _Maker, made: Made, journal: Journal, job: Job) -> SetContent:
    split_of = assign_counts(made.kept, maker.counts)
    splits = {
        split: maker.form.finish([record for record in made.kept if split_of[record.id] == split], maker.labels)
        for split in maker.counts
    }
    usage, cost = journal.usage()
    settings_said = {**job.identity, "n": settings.n, "validation": settings.validation_count, "test": settings.test}
    manifest = Manifest(
        name=settings.out.name,
        command=f"synth {settings.kind}",
        teacher=job.teacher.name,
        settings={**settings_said, **maker.filters.settings},
        prompts=maker.files(),
        sources=(),
        unread={},
        files={},
        splits={},
        tasks={},
        rejects={},
        requests=len({request.key for request in job.requests}),
        usage=usage,
        cost_usd=cost,
        split_by="chunk",
        declared=maker.form.declared,
        versions={"fingen": __version__, "python": platform.python_version()},
    )
    return SetContent(
        splits=splits,
        rejected=[protect_reject(each, settings.filters.privacy) for each in made.rejected],
        chunks=[],
        manifest=manifest,
    )


def _summary(
    settings: Synth, maker: _Maker, made: Made, content: SetContent, journal: Journal, changed: bool
) -> SynthSummary:
    rows = [record for records in content.splits.values() for record in records]
    # By the draw: a finished row need not name what it was asked for.
    drawn = {split: Counter((r.draws or {}).get("label") for r in records) for split, records in content.splits.items()}
    asked = len({request.key for request in maker.job.requests})
    return SynthSummary(
        set=str(settings.out),
        teacher=maker.job.teacher.name,
        records={label.name: {split: counts[label.name] for split, counts in drawn.items()} for label in maker.labels},
        letters=dict(sorted(Counter(record.output for record in rows if record.options).items())),
        rejects=dict(sorted(Counter(rejected.reason for rejected in made.rejected).items())),
        confused=[
            {"asked": asked, "taken": taken, "items": items} for (asked, taken), items in made.confused.most_common()
        ],
        rounds=made.rounds,
        requests={"asked": made.asked, "from_journal": asked - made.asked},
        measures=measure([_text(record) for record in made.kept]),
        private=dict(sorted(made.private.items())),
        cost_usd=content.manifest.cost_usd,
        expected_usd=expected_usd(maker.job, Outstanding(journal).batched()),
        changed=changed,
        notes=[
            *maker.form.declared,
            *repair_notes(made.repairs),
            *([f"{made.unchecked} items got no verdict of the second teacher, and stay"] if made.unchecked else []),
        ],
        next=command_line("fingen", "verify", settings.out),
    )
