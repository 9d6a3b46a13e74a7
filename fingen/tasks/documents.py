"""The document tasks: what `pdf2qa --task` takes."""

from __future__ import annotations

from collections.abc import Iterable

from fingen.errors import UsageError
from fingen.records import Completion, Parsed, Request
from fingen.tasks.qa import DocumentTask, QaItem

TASKS = {
    "concept": DocumentTask("concept", task="qa-concept"),
    "summary": DocumentTask("summary", task="qa-summary", has_companion=True),
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


def task_of(request: Request) -> DocumentTask:
    """The task that a request about passages was made by."""
    return next(task for task in TASKS.values() if task.task == request.task)


def whole_problem(request: Request, completion: Completion) -> str | None:
    """What is wrong with an answer as a whole, for the teacher to mend."""
    return task_of(request).whole_problem(request, completion)


def parse_answer(request: Request, text: str) -> Parsed[QaItem]:
    """The valid items of an answer, and the others.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    return task_of(request).parse(text)
