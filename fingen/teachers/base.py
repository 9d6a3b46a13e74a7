"""What a teacher is, and when two requests are the same question."""

from __future__ import annotations

from typing import Any, Protocol

from fingen.records import Completion, Request, dump_json, sha256_text


class Teacher(Protocol):
    """Who writes the answers. It asks once and returns the raw answer: it does not retry, store or validate."""

    @property
    def name(self) -> str:
        """What stands in records, journal and manifest: "offline", "anthropic:claude-haiku-5-5"."""

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            TeacherError: the teacher refused as a whole or cannot be reached; the run stops.
        """


def request_key(teacher_name: str, system: str, prompt: str, answer_schema: dict[str, Any]) -> str:
    """The identity of a question: who is asked, what, and in which form; asking with more room is the same question.

    The order of the schema's fields counts: a teacher writes its answer in that order.
    """
    return sha256_text(teacher_name, system, prompt, dump_json(answer_schema))
