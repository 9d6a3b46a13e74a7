"""The document tasks: what `pdf2qa --task` takes."""

from __future__ import annotations

from collections.abc import Iterable

from fingen.errors import UsageError
from fingen.records import Completion, Parsed, Request
from fingen.tasks import qa
from fingen.tasks.conversation import CONVERSATION
from fingen.tasks.negative import NEGATIVE
from fingen.tasks.qa import DocumentTask, Item
from fingen.tasks.table import TABLE

TASKS = {
    "concept": DocumentTask("concept", task="qa-concept", template="qa"),
    "summary": DocumentTask("summary", task="qa-summary", template="qa", has_companion=True),
    "table": TABLE,
    "conversation": CONVERSATION,
    "negative": NEGATIVE,
}


def named_tasks(names: Iterable[str]) -> tuple[DocumentTask, ...]:
    """The tasks of these names.

    Raises:
        UsageError: there is none of that name.
    """
    names = tuple(names)
    if unknown := [name for name in names if name not in TASKS]:
        raise UsageError(f"no such task: {', '.join(unknown)}", hint=f"there are: {', '.join(TASKS)}")
    return tuple(TASKS[name] for name in names)


def tasks_of(request: Request) -> tuple[DocumentTask, ...]:
    """The tasks that a request about passages asks for."""
    by_record = {task.task: task for task in TASKS.values()}
    return tuple(by_record[name] for name in request.tasks)


def whole_problem(request: Request, completion: Completion) -> str | None:
    """What is wrong with an answer as a whole, for the teacher to mend."""
    return qa.whole_problem(tasks_of(request), completion)


def parse_answer(request: Request, text: str) -> Parsed[tuple[DocumentTask, Item]]:
    """The valid items of an answer, each with its task, and the others.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    return qa.parse_pairs(tasks_of(request), text)
