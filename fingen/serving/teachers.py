"""Teachers and servers in a conversation: nothing goes to one before the user agreed, and each answer is paid once."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from fingen.config import CHATS, Asking, Demo
from fingen.errors import UsageError
from fingen.events import Estimate
from fingen.records import Completion, Request
from fingen.serving.models import Asked
from fingen.sets import JOURNAL
from fingen.teachers import open_teacher
from fingen.teachers.base import Provider
from fingen.teachers.job import Job, ask_live, build_chat, check_teacher, estimate
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

ANSWER_TOKENS = 2048  # of an answer, at most; teachers that think first need room for it
EXPECTED_TOKENS = 300  # of an answer, about
TASK = "chat"
_TURN = threading.Lock()  # they spend from one budget, and so take turns


class TeacherModel:
    """A teacher, or a server that was named. Its answers come whole; they are kept in the journal of all conversations."""

    kind = "teacher"
    memory = None

    def __init__(self, name: str, asking: Asking, folder: Path = CHATS) -> None:
        """Find it, and its key; nothing is sent.

        Raises:
            UsageError: there is none of that name, or the offline teacher. TeacherError: there is no key.
        """
        teacher = open_teacher(name, asking)
        if not isinstance(teacher, Provider):
            raise UsageError(f"--teacher {name}: it writes by rules, and answers no questions", hint="name a model")
        teacher.require_key()
        self._teacher, self._asking, self._folder = teacher, asking, folder
        self.name = teacher.name
        self.is_agreed, self._is_checked = False, False

    @property
    def about(self) -> str:
        """Where questions go, and what is known of their price."""
        prices = "" if self.estimate(Asked("")).usd else "; its price is not known"
        budget = f"; {self._asking.budget_usd:g} USD at most" if self._asking.budget_usd is not None else ""
        return f"over the network{prices}{budget}"

    def estimate(self, asked: Asked) -> Estimate:
        """What an answer would cost; nothing where the journal has it."""
        job, path = self._job(asked), self._folder / JOURNAL
        if not path.is_file():
            return estimate(job, missing=None)
        with Journal.open(path) as journal:
            return estimate(job, missing=set(journal.missing([request.key for request in job.requests])))

    def write(self, asked: Asked) -> tuple[Completion, bool]:
        """Its answer, and whether it was paid for now.

        Raises:
            UsageError: nobody agreed to it. TeacherError: it refused, cannot be reached, or the budget is reached.
        """
        if not self.is_agreed:
            raise UsageError(f"{self.name}: nobody agreed to it; nothing was sent", hint="agree to it on the page")
        job = self._job(asked)
        key, new = job.requests[0].key, []
        with _TURN, Journal.open(self._folder / JOURNAL) as journal, RequestLocks(self._folder / LOCKS_FILE) as locks:
            if journal.missing([key]):
                if not self._is_checked:
                    check_teacher(job)
                    self._is_checked = True
                ask_live(job, {key}, journal, locks, lambda request, completion: new.append(completion))
            return journal.answers([key])[key], bool(new)

    def spent_usd(self) -> float:
        """What all conversations have cost so far, as far as prices are known."""
        path = self._folder / JOURNAL
        if not path.is_file():
            return 0.0
        with Journal.open(path) as journal:
            return journal.paid_usd()

    def _job(self, asked: Asked) -> Job:
        job = Job(self._teacher, self._asking, self._folder, lambda request, completion: None, EXPECTED_TOKENS)
        job.requests = [_request(self.name, asked)]
        return job


def open_teachers(settings: Demo) -> list[TeacherModel]:
    """The teachers that were named. Where others are asked at --base-url by OpenAI's protocol, Claude is asked where it always is.

    Raises:
        UsageError, TeacherError: as `TeacherModel`.
    """
    kinds = {name.partition(":")[0] for name in settings.teachers}
    own = replace(settings.asking, base_url=())
    return [
        TeacherModel(name, own if len(kinds) > 1 and not name.startswith("openai") else settings.asking)
        for name in settings.teachers
    ]


def _request(name: str, asked: Asked) -> Request:
    question = "\n".join(part for part in (asked.instruction, asked.passage) if part)
    return build_chat(name, TASK, asked.system, asked.turns, question, ANSWER_TOKENS)
