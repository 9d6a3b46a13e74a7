"""The optional stage after the first look at answers: a rejected pair goes back to its teacher, with what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from fingen import prompts
from fingen.disk import sha256_text
from fingen.errors import TeacherError
from fingen.events import Estimate
from fingen.records import Rejected, Request
from fingen.teachers.asked import Requests, by_key
from fingen.teachers.asking import OnEvent, Pending, gather, judge_stored
from fingen.teachers.job import Job
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import RequestLocks

TEMPLATE = "repair"  # repair.<language>: what is said of the rejected items
NOT_MENDED = frozenset(
    {"no-answer", "surplus", "unusable-answer", "privacy"}
)  # reasons that another wording does not mend
DETAIL_CHARACTERS = 2000  # of what was found: all faults of a pair


def is_repair(template: str) -> bool:
    """Whether a request of this template asks for a rejected pair once more."""
    return template.startswith(f"{TEMPLATE}-")


@dataclass
class Repairs:
    """What has gone back to the teacher, and what it was asked."""

    rounds: int  # times that a pair may go back
    requests: Requests
    sent: int = 0  # items
    asked: int = 0  # requests of this run
    waiting: int = 0  # requests without an answer, where answers come from files
    failed: str = ""  # why the teacher could not go on, if it could not

    def ask(
        self,
        job: Job,
        look: Callable[[Sequence[Request]], Sequence[Rejected]],
        journal: Journal,
        locks: RequestLocks,
        on_event: OnEvent,
        consent: Callable[[Estimate], None],
    ) -> Pending | None:
        """Send back what is rejected; `look` gives the rejects of the answers to requests.

        A teacher that fails on the way takes nothing away: what was kept is there. Where answers come from a file, the set is
        made of those that are there, and what could still go back is counted.
        """
        asked: Sequence[Request] = job.requests
        for number in range(1, self.rounds + 1):
            back = Requests(job.out)
            items: dict[str, int] = {}  # that go back in each
            for request, count in repair_requests(asked, look(asked), journal, number):
                back.append(request)
                items[request.key] = count
            if not items:
                return None
            again = replace(job, requests=back, repairs=0, validate=lambda request, completion: None)
            if job.asking.import_answers:
                judge_stored(again, journal)
                missing = journal.missing(items)
                self.waiting += len(missing)
                for key in missing:
                    del items[key]
            else:
                try:
                    got = gather(again, journal, locks, on_event, consent)
                except TeacherError as e:
                    self.failed = str(e)
                    return None
                if isinstance(got, Pending):
                    return got
                self.asked += got.asked
            asked = back if len(items) == len(back) else [request for request in back if request.key in items]
            for request in asked:
                self.requests.append(request)
            self.sent += sum(items.values())
        return None

    def notes(self) -> list[str]:
        """What a summary says where not all went back that could."""
        failed = [f"not all rejected pairs went back to be mended: {self.failed}"] if self.failed else []
        waiting = f"{self.waiting} requests with rejected pairs may go back to be mended: this command with --export-requests FILE"
        return [*failed, *([f"{waiting} in place of --import-answers"] if self.waiting else [])]


def repair_requests(
    asked: Sequence[Request], rejected: Iterable[Rejected], journal: Journal, number: int
) -> Iterator[tuple[Request, int]]:
    """The same questions with what was answered and what was found in it, and how many items go back in each.

    The same findings give the same requests, and a provider reads from its cache what it was sent before. What is rejected comes
    in the order of the answers.
    """
    there = by_key(asked)
    found = (each for each in rejected if each.request in there and each.reason not in NOT_MENDED)
    for key, items in groupby(found, key=lambda each: each.request):
        if key is not None and (answer := journal.answers([key]).get(key)):
            faults = list(items)
            yield _repair(there[key], answer.text, faults, number), len(faults)


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
    first, *_ = rejected.item.get("turns") or [rejected.item]  # a conversation goes by its first question
    question = first.get("question") if isinstance(first, dict) else None
    return " ".join(question.split()) if isinstance(question, str) else "…"
