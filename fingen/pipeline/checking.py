"""The optional stage before duplicates fall: a second teacher, blind to the writer, holds each claim against the quotes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fingen.config import Asking
from fingen.errors import TeacherError
from fingen.events import Estimate
from fingen.prompts import report_name
from fingen.records import CONTESTED, Passage, Record, Request, Usage
from fingen.tasks.documents import tasks_of
from fingen.tasks.qa import UNNAMED, basis_line, unit_line
from fingen.tasks.review import CLAIMS, ClaimVerdict, ask_claims, by_passages, claim_id, claims_of
from fingen.teachers.asked import Requests
from fingen.teachers.asking import Gathered, OnEvent, Pending, gather
from fingen.teachers.base import Provider, Teacher
from fingen.teachers.dispatch import TRIES
from fingen.teachers.job import Job
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks
from fingen.text import estimate_tokens

HEAD_LINES = {"unit": unit_line, "basis": basis_line}  # of a passage: what its quotes need not say again
DISAGREES = "check-disagrees"  # the reason of what falls
PAIR_TOKENS = 700  # of a pair's quotes and claims, about
PAIR_CLAIMS = 7  # of a pair, about


@dataclass
class Checker:
    """The second teacher, and what it has asked."""

    job: Job
    asked: int = 0  # requests of this run
    failed: str = ""  # why it could not go on, if it could not

    @property
    def name(self) -> str:
        """The teacher's name."""
        return self.job.teacher.name

    def ask(
        self,
        records: Sequence[Record],
        passages: Mapping[str, Passage],
        journal: Journal,
        locks: RequestLocks,
        on_event: OnEvent,
        consent: Callable[[Estimate], None],
    ) -> Gathered | Pending:
        """Have the claims of the records checked. A teacher that fails on the way rejects nothing."""
        self.job.requests = Requests(self.job.out, claim_requests(records, passages, self.name))
        try:
            got = gather(self.job, journal, locks, on_event, consent)
        except TeacherError as e:
            self.failed = str(e)
            return Gathered()
        self.asked = got.asked if isinstance(got, Gathered) else 0
        return got

    def expected(self, requests: Sequence[Request], *, batch: bool) -> tuple[float, float, float] | None:
        """What checking the pairs of these requests may cost, in USD: low, expected, most; None if the price is unknown.

        Low: half as many pairs, and the shared prompt from the cache.
        """
        teacher = self.job.teacher
        if not isinstance(teacher, Provider):
            return (0.0, 0.0, 0.0)
        shared = estimate_tokens(CLAIMS.template("en").system)
        low = expected = most = 0.0
        for request in requests:
            pairs = request.count * tasks_of(request)[0].pairs_each
            read = sum(estimate_tokens(passage.text) for passage in request.passages)
            own, answer = pairs * PAIR_TOKENS + read, pairs * PAIR_CLAIMS * CLAIMS.item_tokens
            costs = [
                teacher.cost_usd(usage, batch=batch)
                for usage in (
                    Usage(input_tokens=own // 2, cache_read_tokens=shared, output_tokens=answer // 2),
                    Usage(input_tokens=own + shared, output_tokens=answer),
                    Usage(input_tokens=4 * own + shared, output_tokens=8 * answer),
                )
            ]
            if None in costs:
                return None
            low, expected, most = low + (costs[0] or 0), expected + (costs[1] or 0), most + TRIES * (costs[2] or 0)
        return low, expected, most


def open_checker(name: str | None, asking: Asking, out: Path, teacher: Teacher | None = None) -> Checker | None:
    """The second teacher of that name, if one is wanted. It answers here and now or in batches, not through files.

    Raises:
        UsageError: the offline teacher cannot check; TeacherError: there is none of that name.
    """
    job = CLAIMS.job("--check", name, replace(asking, export_requests=None, import_answers=()), out, teacher)
    return Checker(job) if job else None


def claim_requests(records: Sequence[Record], passages: Mapping[str, Passage], teacher: str) -> Iterator[Request]:
    """A request for the pairs of each passage, in the order of their ids: the same records give the same requests."""
    template = cache(CLAIMS.template)
    # of two with one id the last one; of “not stated” nothing is claimed
    distinct = {record.id: place for place, record in enumerate(records) if not record.label}
    for ids, language, pairs in by_passages(records, distinct.values()):
        shown = [passages[chunk] for chunk in ids if chunk in passages]
        about = {
            "company": next((p.company for p in shown if p.company), UNNAMED[language]),
            "report": "; ".join(dict.fromkeys(report_name(passage.period, language) for passage in shown)),
            **{name: "; ".join(dict.fromkeys(filter(None, map(line, shown)))) for name, line in HEAD_LINES.items()},
        }
        texts = [passage.text for passage in shown]
        yield ask_claims(template(language), texts, about, pairs, teacher)


@dataclass(frozen=True)
class Checked:
    """What the second teacher said of records: why those fall that it does not agree with, and how often it agreed.

    Of contested records `supported` are the ids of those of which it supports each claim, `against` what it says of others.
    """

    fallen: list[tuple[int, str]]  # by their places
    supported: frozenset[str]
    against: dict[str, str]
    report: dict[str, Any]


def read_verdicts(
    records: Sequence[Record], passages: Mapping[str, Passage], teacher: str, journal: Journal
) -> Checked:
    """What the journal has of the second teacher on these records. One without a verdict on each claim stays, and is counted.

    A contested record is supported only by a verdict on each claim.
    """
    verdicts = CLAIMS.verdicts(journal, claim_requests(records, passages, teacher))
    fallen, unchecked, claims = [], 0, Counter[str]()
    supported, told_against = set[str](), dict[str, str]()
    contested = uncontested = 0
    for at, record in enumerate(records):
        if record.label and CONTESTED not in record.draws:
            continue
        said = [(claim, verdicts.get(claim_id(record, place))) for place, claim in enumerate(claims_of(record))]
        against, is_whole = _against(said, teacher), all(verdict for _, verdict in said)
        if CONTESTED in record.draws:
            contested += 1
            if is_whole and not against:
                supported.add(record.id)
            elif against:
                told_against[record.id] = against
            continue
        uncontested += 1
        claims.update(verdict.verdict for _, verdict in said if verdict)
        if against:
            fallen.append((at, against))
        unchecked += not against and not is_whole
    checked = uncontested - unchecked
    report = {
        "teacher": teacher,
        "pairs": checked,
        "agreed": checked - len(fallen),
        "agreement": round((checked - len(fallen)) / checked, 4) if checked else None,
        "unchecked": unchecked,
        "claims": dict(sorted(claims.items())),
        "contested": contested,
        "supported": len(supported),
    }
    return Checked(fallen, frozenset(supported), told_against, report)


def _against(said: Sequence[tuple[str, ClaimVerdict | None]], teacher: str) -> str:
    """What a teacher has against claims, "" where nothing."""
    return "; ".join(
        f"“{claim}”: {_say(verdict)} by {teacher}" for claim, verdict in said if verdict and _is_against(verdict)
    )


def _is_against(verdict: ClaimVerdict) -> bool:
    return verdict.verdict != "supported"


def _say(verdict: ClaimVerdict) -> str:
    return verdict.verdict + (f" (quote {verdict.quote} of its request)" if verdict.quote else "")
