"""The optional stage between drawing and dividing: a teacher scores what is kept. Without a score a record stays as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fingen.config import Asking
from fingen.errors import TeacherError
from fingen.events import Estimate
from fingen.records import Chunk, Record, Request
from fingen.tasks.review import PAIRS, ask_scores, by_passages
from fingen.teachers.asked import Requests
from fingen.teachers.asking import Gathered, OnEvent, Pending, gather
from fingen.teachers.base import Teacher
from fingen.teachers.job import Job
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks


@dataclass
class Judge:
    """The teacher that scores, and what it has asked."""

    job: Job
    failed: str = ""  # why it could not go on, if it could not

    def ask(
        self,
        records: Sequence[Record],
        chunks: Mapping[str, Chunk],
        journal: Journal,
        locks: RequestLocks,
        on_event: OnEvent,
        consent: Callable[[Estimate], None],
    ) -> Gathered | Pending:
        """Have the records scored. A teacher that fails on the way rejects nothing: what it did not score is unjudged."""
        asked = judge_requests(records, chunks, self.job.teacher.name)
        self.job.requests = Requests(self.job.out, asked)
        try:
            return gather(self.job, journal, locks, on_event, consent)
        except TeacherError as e:
            self.failed = str(e)
            return Gathered()

    def report(self, records: Sequence[Record], unjudged: int) -> dict[str, Any]:
        """What a summary says of the scores: how many pairs have some, and the mean of each point."""
        scored, sums = 0, Counter[str]()
        for scores in (record.scores for record in records if record.scores):
            scored += 1
            sums.update(scores)
        means = {point: round(total / scored, 2) for point, total in sums.items()}
        return {
            "teacher": self.job.teacher.name,
            "judged": scored,
            "unjudged": unjudged,
            "means": means,
            "failed": self.failed,
        }


def open_judge(name: str | None, asking: Asking, out: Path, teacher: Teacher | None = None) -> Judge | None:
    """The judge of that name, if one is wanted. It answers here and now or in batches, not through files.

    Raises:
        UsageError: the offline teacher cannot judge; TeacherError: there is none of that name.
    """
    job = PAIRS.job("--judge", name, replace(asking, export_requests=None, import_answers=()), out, teacher)
    return Judge(job) if job else None


def judge_requests(records: Sequence[Record], chunks: Mapping[str, Chunk], teacher: str) -> Iterator[Request]:
    """A request for the pairs of each passage, in the order of their ids: the same records give the same requests."""
    template = cache(PAIRS.template)
    answered = (place for place, record in enumerate(records) if not record.label)
    for ids, language, pairs in by_passages(records, answered):
        texts = [chunks[chunk].text for chunk in ids if chunk in chunks]
        yield ask_scores(template(language), texts, pairs, teacher)


def with_scores(
    records: Sequence[Record], requests: Iterable[Request], journal: Journal
) -> tuple[Iterator[Record], int]:
    """The records with the scores that the journal has for them, one by one, and how many have none."""
    verdicts = PAIRS.verdicts(journal, requests)
    scores = {id: said.points() for id, said in verdicts.items()}
    judged = (
        record.model_copy(update={"scores": scores[record.id]}) if record.id in scores else record for record in records
    )
    return judged, sum(record.id not in scores for record in records if not record.label)
