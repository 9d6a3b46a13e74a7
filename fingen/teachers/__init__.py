"""Who answers: a teacher turns a Request into a Completion; the journal keeps every answer, the dispatcher asks."""

from __future__ import annotations

from collections.abc import Callable

from fingen.config import Asking
from fingen.errors import TeacherError
from fingen.teachers.base import Teacher
from fingen.teachers.offline import Offline

TEACHERS: dict[str, Callable[[Asking], Teacher]] = {"offline": lambda asking: Offline()}


def open_teacher(name: str, asking: Asking) -> Teacher:
    """The teacher of a name.

    Raises:
        TeacherError: there is none of that name.
    """
    if name not in TEACHERS:
        raise TeacherError(f"unknown teacher: {name}", hint=f"choose one of: {', '.join(TEACHERS)}")
    return TEACHERS[name](asking)
