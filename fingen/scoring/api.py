"""Teachers as subjects: asked the bare question over the network, once; every answer is kept in the score's journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fingen.config import Scoring
from fingen.disk import dump_json
from fingen.errors import UsageError
from fingen.events import Estimate
from fingen.records import Completion, Parsed, Request, Usage
from fingen.scoring.report import Kind, Method
from fingen.scoring.rows import CUT, Asked, ScoringItem
from fingen.scoring.subjects import Given
from fingen.scoring.variants import with_shots
from fingen.sets import JOURNAL
from fingen.teachers import open_teacher
from fingen.teachers.answers import read_answers
from fingen.teachers.asking import Consent, OnEvent, Pending, gather
from fingen.teachers.job import Job, build_chat, estimate
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

CHOICE_TOKENS, TEXT_TOKENS = 1024, 2048  # of an answer; teachers that think first need room for it
EXPECTED_TOKENS = {True: 300, False: 10}  # of an answer, about: free text or not
TASK = "score"
ATTEMPTS = """SELECT input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, cost_usd, error, possibly_billed
    FROM completions WHERE key IN (SELECT value FROM json_each(?))"""


@dataclass
class Asker:
    """A teacher that answers rows as any model does: the question is all that it gets."""

    teacher: Any
    settings: Scoring
    folder: Path  # of the score
    on_event: OnEvent
    consent: Consent
    kind: Kind = "teacher"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Provider and model."""
        name: str = self.teacher.name
        return name

    def method(self, asked: Asked) -> Method:
        """Its text is read."""
        return "generate"

    def estimate(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> Estimate:
        """What asking would cost, and what is answered already."""
        job = self._job(asked, self._requests(asked, items, shots))
        path = self.folder / JOURNAL
        if not path.is_file():
            return estimate(job, missing=None)
        with Journal.open(path) as journal:
            return estimate(job, missing=set(journal.missing([request.key for request in job.requests])))

    def answer(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> Iterator[Given]:
        """Its answers, in order; those that the journal has are not asked for again.

        Raises:
            TeacherError: it refused, or the budget is reached.
        """
        requests = self._requests(asked, items, shots)
        job = self._job(asked, requests)
        with Journal.open(self.folder / JOURNAL) as journal, RequestLocks(self.folder / LOCKS_FILE) as locks:
            if isinstance(gather(job, journal, locks, self.on_event, self.consent), Pending):
                raise UsageError(f"{self.name}: another way of asking holds its answers", hint="fingen journal release")
            keys = [request.key for request in job.requests]
            answers = list(read_answers(journal, requests, _as_it_is))
            self.details = {**self.details, **find_paid(journal, keys)}
        for item, answer in zip(items, answers, strict=True):
            yield Given(item.id, item.turn, answer.text, why=answer.unusable, cut=answer.unusable in CUT)

    def _requests(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> list[Request]:
        room = self.settings.max_tokens or (TEXT_TOKENS if asked.is_text else CHOICE_TOKENS)
        return [_request(with_shots(item, shots), self.name, room) for item in items]

    def _job(self, asked: Asked, requests: Sequence[Request]) -> Job:
        job = Job(self.teacher, self.settings.asking, self.folder, _any_will_do, EXPECTED_TOKENS[asked.is_text])
        job.requests = list({request.key: request for request in requests}.values())  # a question is asked once
        return job


def open_asker(name: str, settings: Scoring, folder: Path, on_event: OnEvent, consent: Consent) -> Asker:
    """The teacher of that name.

    Raises:
        UsageError: the offline teacher, which answers no questions; TeacherError: there is none of that name.
    """
    teacher = open_teacher(name, settings.asking)
    if teacher.name == "offline":
        raise UsageError("--teacher offline: it writes by rules, and answers no questions", hint="name a model")
    return Asker(teacher, settings, folder, on_event, consent)


def _any_will_do(request: Request, completion: Completion) -> str | None:
    return None  # what cannot be read is a result


def _as_it_is(request: Request, text: str) -> Parsed[str]:
    return Parsed([text])


def _request(item: ScoringItem, teacher: str, room: int) -> Request:
    return build_chat(teacher, TASK, item.system, item.turns, item.question, room)


def find_paid(journal: Journal, keys: Sequence[str]) -> dict[str, Any]:
    """Tokens and USD of all attempts at some requests; USD is None where a price is not known."""
    rows = [dict(row) for row in journal.rows(ATTEMPTS, dump_json(list(dict.fromkeys(keys))))]
    usage = {name: sum(row[name] for row in rows) for name in Usage.model_fields}
    unknown = any(
        row["cost_usd"] is None and (row["error"] is None or row["possibly_billed"] or row["output_tokens"])
        for row in rows
    )
    cost = None if unknown else sum(row["cost_usd"] or 0.0 for row in rows)
    return {"requests": len(set(keys)), "usage": usage, "cost_usd": cost}
