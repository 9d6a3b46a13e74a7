"""A teacher as judge of free answers: do an answer and its reference say the same? Asked twice of a share, to know the judge.

It is asked through the dispatcher and the journal like any teacher. It is not told which text is the reference; a share of
the rows it judges once more, with the two texts in the other order. How often it then says the same is its agreement with
itself: what it finds cannot be surer than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fingen import metrics
from fingen.config import Asking
from fingen.disk import sha256_text
from fingen.errors import TeacherError
from fingen.events import Estimate, Note
from fingen.prompts import Template, read_template
from fingen.records import Language, Request
from fingen.scoring.aggregate import share
from fingen.scoring.api import find_paid
from fingen.scoring.report import Interval
from fingen.scoring.texts import Judged, TextRow
from fingen.sets import JOURNAL
from fingen.tasks.review import ANSWERS, Verdict, ask_same
from fingen.teachers.asking import OnEvent, gather
from fingen.teachers.job import Job, check_teacher, estimate
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

LANGUAGES: tuple[Language, ...] = ("en", "zh")
PAIRS = 10  # in a request
TWICE_SHARE = 0.2  # of the rows that are judged
TWICE_LEAST = 30  # rows: fewer say little about the judge


@dataclass
class TextJudge:
    """The teacher that judges, and why it could not go on, if it could not."""

    job: Job
    seed: int = 0  # of the share that is judged twice
    failed: str = ""

    def check(self) -> str | None:
        """Find what would fail, before anything else is done; returns a warning. Raises as `check_teacher` does."""
        return check_teacher(self.job)

    def estimate(self, scores: Sequence[Sequence[TextRow]]) -> Estimate:
        """What judging such rows would cost where the answers are as long as their references: they are not known yet."""
        rows = [replace(row, answer=f"? {row.reference}") for own in scores for row in own]
        first, again = self._asked(rows, scores, {})
        self.job.requests = [*first, *again]
        return estimate(self.job, missing=None)

    def judge(
        self, scores: Sequence[Sequence[TextRow]], on_event: OnEvent, consent: Callable[[Estimate], None]
    ) -> list[Judged]:
        """The rows of each score, judged. What the journal of the folder has is not asked again.

        A judge that fails on the way leaves the rest unjudged. An empty answer, and one in the words of the reference, need no
        judge. The share that is judged twice is drawn from all scores together.
        """
        rows = [row for own in scores for row in own]
        settled = {place: verdict for place, row in enumerate(rows) if (verdict := _settle(row)) is not None}
        first, again = self._asked(rows, scores, settled)
        self.job.requests = [*first, *again]
        keys = [request.key for request in self.job.requests]
        with Journal.open(self.job.out / JOURNAL) as journal, RequestLocks(self.job.out / LOCKS_FILE) as locks:
            try:
                gather(self.job, journal, locks, on_event, consent)
            except TeacherError as e:
                self.failed = str(e)
                on_event(Note(f"--judge: {e}; the same command goes on where it was", is_warning=True))
            verdicts, others = ANSWERS.verdicts(journal, first), ANSWERS.verdicts(journal, again)
            paid = find_paid(journal, keys)
        same = settled | {place: verdict.same for place, verdict in verdicts.items()}
        agreement, about = self._agreement(verdicts, others)
        judged = []
        for places in _places(scores):
            counts = {
                "judged": sum(place in same for place in places),
                "without_asking": sum(place in settled for place in places),
                "unjudged": sum(place not in same for place in places),
            }
            judged.append(
                Judged(
                    teacher=self.job.teacher.name,
                    same=tuple(same.get(place) for place in places),
                    why=tuple(verdicts[place].why if place in verdicts else "" for place in places),
                    agreement=agreement,
                    details={**about, **paid, **counts},
                )
            )
        return judged

    def _asked(
        self, rows: Sequence[TextRow], scores: Sequence[Sequence[TextRow]], settled: Mapping[int, bool]
    ) -> tuple[list[Request], list[Request]]:
        """What is asked of all rows, and once more of a share of them.

        No request is about two scores, so that those about one stay the same whatever else is scored.
        """
        first: list[Request] = []
        for places in _places(scores):
            first += self._batches(rows, [place for place in places if place not in settled], swap=False)
        open_ones = (place for place in range(len(rows)) if place not in settled)
        drawn = sorted(open_ones, key=lambda place: sha256_text(str(self.seed), str(place), rows[place].id))
        twice = drawn[: max(round(TWICE_SHARE * len(drawn)), TWICE_LEAST)]
        return first, list(self._batches(rows, sorted(twice), swap=True))

    def _batches(self, rows: Sequence[TextRow], places: Sequence[int], *, swap: bool) -> Iterator[Request]:
        for language in LANGUAGES:
            own = [place for place in places if rows[place].language == language]
            for start in range(0, len(own), PAIRS):
                template = ANSWERS.template(language)
                yield _build_request(template, rows, own[start : start + PAIRS], self.job.teacher.name, swap=swap)

    def _agreement(
        self, verdicts: Mapping[int, Verdict], others: Mapping[int, Verdict]
    ) -> tuple[Interval | None, dict[str, Any]]:
        """How often it said the same of a row both times, and what else is to be known of it."""
        pairs = Counter(
            (_word(verdicts[place].same), _word(second.same)) for place, second in others.items() if place in verdicts
        )
        agreed, twice = sum(count for (one, two), count in pairs.items() if one == two), pairs.total()
        used = {request.template for request in self.job.requests}
        templates = [read_template(name) for name in sorted(used)]
        about = {
            "teacher": self.job.teacher.name,
            "templates": {one.name: {"version": one.version, "sha256": one.sha256} for one in templates},
            "twice": twice,
            "agreed": agreed,
            "kappa": metrics.kappa(pairs) if twice else None,
            "seed": self.seed,
            "failed": self.failed,
        }
        return share(agreed, twice) if twice else None, about


def open_judge(name: str, asking: Asking, folder: Path, *, seed: int = 0) -> TextJudge | None:
    """The judge of that name; `folder` is where the journal is.

    Raises:
        UsageError: the offline teacher cannot judge, or a template is missing; TeacherError: there is none of that name.
    """
    live = replace(asking, batch=False, export_requests=None, import_answers=())
    job = ANSWERS.job("--judge", name, live, folder, None)
    if job is None:
        return None
    for language in LANGUAGES:
        ANSWERS.template(language)  # a folder of templates may be older than this one: said before a model answers
    return TextJudge(job, seed)


def _places(scores: Sequence[Sequence[TextRow]]) -> Iterator[range]:
    """Where the rows of each score stand among all."""
    start = 0
    for own in scores:
        yield range(start, start + len(own))
        start += len(own)


def _settle(row: TextRow) -> bool | None:
    if not row.answer.strip():
        return False
    return True if row.answer.split() == row.reference.split() else None


def _build_request(
    template: Template, rows: Sequence[TextRow], places: Sequence[int], teacher: str, *, swap: bool
) -> Request:
    texts = {}
    for place in places:
        first, second = rows[place].reference, rows[place].answer
        texts[place] = (rows[place].question, *((second, first) if swap else (first, second)))
    return ask_same(template, texts, teacher)


def _word(same: bool) -> str:
    return "same" if same else "not the same"
