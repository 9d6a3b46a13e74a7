"""The optional stage after the first look at answers: a rejected pair goes back to its teacher, with what was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fingen import prompts
from fingen.disk import sha256_text
from fingen.errors import TeacherError
from fingen.events import Estimate
from fingen.records import Rejected, Request
from fingen.teachers.asking import OnEvent, Pending, gather
from fingen.teachers.job import Job
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks

TEMPLATE = "repair"  # repair.<language>: what is said of the rejected items
NOT_MENDED = frozenset({"surplus", "unusable-answer", "privacy"})  # reasons that another wording does not mend
DETAIL_CHARACTERS = 2000  # of what was found: all faults of a pair


def is_repair(template: str) -> bool:
    """Whether a request of this template asks for a rejected pair once more."""
    return template.startswith(f"{TEMPLATE}-")


@dataclass
class Repairs:
    """What has gone back to the teacher, and what it was asked."""

    rounds: int  # times that a pair may go back
    requests: list[Request] = field(default_factory=list)
    sent: int = 0  # items
    asked: int = 0  # requests of this run
    failed: str = ""  # why the teacher could not go on, if it could not

    def ask(
        self,
        job: Job,
        look: Callable[[list[Request]], list[Rejected]],
        journal: Journal,
        locks: RequestLocks,
        on_event: OnEvent,
        consent: Callable[[Estimate], None],
    ) -> Pending | None:
        """Send back what is rejected; `look` gives the rejects of the answers to requests.

        A teacher that fails on the way takes nothing away: what was kept is there. Through files nothing goes back; what
        the journal has is used.
        """
        asked = job.requests
        for number in range(1, self.rounds + 1):
            rejected = look(asked)
            asked = repair_requests(asked, rejected, journal, number)
            if not asked:
                return None
            through_files = job.asking.export_requests or job.asking.import_answers
            if through_files and journal.missing([request.key for request in asked]):
                return None
            back = replace(job, requests=asked, repairs=0, validate=lambda request, completion: None)
            try:
                got = gather(back, journal, locks, on_event, consent) if not through_files else None
            except TeacherError as e:
                self.failed = str(e)
                return None
            if isinstance(got, Pending):
                return got
            self.asked += got.asked if got else 0
            self.sent += sum(len(found) for found in mendable(rejected).values())
            self.requests += asked
        return None

    def notes(self) -> list[str]:
        """What a summary says where not all went back that could."""
        return [f"not all rejected pairs went back to be mended: {self.failed}"] if self.failed else []


def mendable(rejected: Sequence[Rejected]) -> dict[str, list[Rejected]]:
    """Request -> its rejected items that may be mended, in their order."""
    found: dict[str, list[Rejected]] = defaultdict(list)
    for each in rejected:
        if each.request is not None and each.reason not in NOT_MENDED:
            found[each.request].append(each)
    return found


def repair_requests(
    asked: Sequence[Request], rejected: Sequence[Rejected], journal: Journal, number: int
) -> list[Request]:
    """The same questions with what was answered and what was found in it: the same findings give the same requests.

    A provider reads from its cache what it was sent before.
    """
    found = mendable(rejected)
    distinct = {request.key: request for request in asked if request.key in found}
    answers = journal.answers(distinct)
    return [
        _repair(request, answers[key].text, found[key], number) for key, request in distinct.items() if key in answers
    ]


def _repair(request: Request, answer: str, found: Sequence[Rejected], number: int) -> Request:
    language = request.template.rpartition(".")[2]
    items = [
        {"question": _asked(each), "reason": each.reason, "detail": " ".join(each.detail.split())[:DETAIL_CHARACTERS]}
        for each in found
    ]
    _, message = prompts.fill(prompts.read_template(f"{TEMPLATE}.{language}"), {"found": items})
    return request.model_copy(
        update={
            "key": sha256_text(request.key, message),
            "template": f"{TEMPLATE}-{number}.{language}",
            "follow_ups": (*request.follow_ups, answer, message),
        }
    )


def _asked(rejected: Rejected) -> str:
    question = rejected.item.get("question")
    return " ".join(question.split()) if isinstance(question, str) else "…"
