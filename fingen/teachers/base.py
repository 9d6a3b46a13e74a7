"""The interfaces of teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from fingen.records import Completion, Request, Usage


class Teacher(Protocol):
    """Writes the answers. It asks once and returns the raw answer: it does not retry, store or validate."""

    @property
    def name(self) -> str:
        """What stands in records, journal and manifest: "offline", "anthropic:claude-haiku-5-5"."""

    async def complete(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            TeacherError: there is no answer; its fields say whether to ask again.
        """


@runtime_checkable
class Provider(Teacher, Protocol):
    """A teacher behind a network: it has an account, a price, and connections."""

    @property
    def servers(self) -> Sequence[Provider]:
        """All that answer under its name: itself, and others with the same model."""

    def require_key(self) -> None:
        """Find that there is a key; nothing is asked.

        Raises:
            TeacherError: there is none.
        """

    async def check(self) -> str | None:
        """Find what would fail before anything is paid for; returns a warning, such as that the model ends soon.

        Raises:
            TeacherError: no key, a wrong one, an unknown or ended model.
        """

    async def close(self) -> None:
        """Let go of connections; a later request opens new ones."""

    def room(self, request: Request) -> int:
        """Tokens that the answer to a request may have: as many as it gives, or fewer."""

    def cost_usd(self, usage: Usage, *, batch: bool = False) -> float | None:
        """What one answer with this usage costs; None where the price is not known."""

    def worst_usd(self, request: Request, *, batch: bool = False) -> float | None:
        """The most that one attempt at a request can cost; None where the price is not known."""
