"""A teacher that answers from a function: no network, no cost. For tests."""

from __future__ import annotations

from collections.abc import Callable

from fingen.records import Completion, Request


class Scripted:
    """Answers each request with `reply(request)`; what `reply` raises goes to the caller. `calls` counts requests."""

    def __init__(self, reply: Callable[[Request], str], name: str = "scripted") -> None:
        self.name = name
        self.calls = 0
        self._reply = reply

    async def complete(self, request: Request) -> Completion:
        """Answer one request, for nothing."""
        self.calls += 1
        text = self._reply(request)
        return Completion(key=request.key, text=text, stop_reason="end_turn", teacher=self.name, cost_usd=0.0)
