"""Where the providers take batches and give them back: Anthropic's Message Batches, OpenAI's files and batches.

A batch API asks once, as its teacher does. Its errors are TeacherErrors; `batches` decides what to do about them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from fingen import wire
from fingen.disk import dump_json
from fingen.errors import TeacherError, UsageError
from fingen.records import Request
from fingen.teachers import credentials
from fingen.teachers.base import Teacher
from fingen.teachers.batch_files import URL, Batcher, read_result, request_line
from fingen.teachers.outstanding import Batch

if TYPE_CHECKING:
    from fingen.teachers.anthropic import Anthropic
    from fingen.teachers.openai import OpenAI

PAGE = "100"  # batches listed at once
SKEW_SECONDS = 3600.0  # that this machine's clock may be off
OURS = "fingen"  # name of the token among the metadata of a batch
QUEUE_IS_FULL = frozenset({"token_limit_exceeded", "request_limit_exceeded"})


@dataclass(frozen=True)
class Look:
    """What the provider says of a batch."""

    ended: bool = False
    paths: tuple[str, ...] = ()  # where its results stand
    failure: str = ""  # why nothing in it was run
    queue_is_full: bool = False  # that was the reason: smaller ones, later, may be taken
    done: int = 0  # requests, as far as the provider counts them


@dataclass(frozen=True)
class Found:
    """Whether a batch that may have been made was: its id, or that this cannot be told yet."""

    id: str | None = None
    is_open: bool = False


class BatchApi(Protocol):
    """Takes batches of one teacher."""

    most_requests: int  # in a batch
    most_bytes: int

    @property
    def teacher(self) -> Batcher:
        """Whose batches they are."""

    def entry(self, custom_id: str, request: Request) -> bytes:
        """A request as it stands in a batch."""

    async def upload(self, token: str, entries: list[bytes]) -> bytes | str:
        """Bring the requests to where `create` takes them from. Nothing is run yet."""

    async def create(self, token: str, uploaded: Any) -> str:
        """Have them run; returns the provider's id of the batch."""

    async def find(self, batch: Batch, known: set[str]) -> Found:
        """Look for a batch whose creation broke off, among those that are not `known`."""

    async def look(self, place: str) -> Look:
        """How far a batch is."""

    def download(self, path: str) -> AsyncGenerator[bytes]:
        """Results, piece by piece."""


def open_batch_api(teacher: Teacher) -> BatchApi:
    """The batch API of a teacher.

    Raises:
        UsageError: it takes no batches.
    """
    kind = teacher.name.partition(":")[0]
    if kind == "anthropic":
        from fingen.teachers.anthropic import Anthropic

        if isinstance(teacher, Anthropic):
            return AnthropicBatches(teacher)
    if kind == "openai":
        from fingen.teachers.openai import OpenAI

        if isinstance(teacher, OpenAI):
            return OpenAIBatches(teacher)
    raise UsageError(f"--batch: {teacher.name} takes no batches", hint="choose --teacher anthropic or openai")


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a body. Only at line feeds: JSON may hold the other characters that end a line for `splitlines`."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


class AnthropicBatches:
    """Message Batches. They carry no mark but the custom ids, and those are shown only once a batch has ended."""

    most_requests = 100_000
    most_bytes = 256_000_000

    def __init__(self, teacher: Anthropic) -> None:
        self.teacher = teacher

    def entry(self, custom_id: str, request: Request) -> bytes:
        """A request as it stands in a batch."""
        return dump_json({"custom_id": custom_id, "params": self.teacher.body(request)}).encode() + b","

    async def upload(self, token: str, entries: list[bytes]) -> bytes:
        """Nothing is brought beforehand: the requests go along with the creation."""
        return b'{"requests": [' + b"".join(entries).removesuffix(b",") + b"]}"

    async def create(self, token: str, uploaded: bytes) -> str:
        """Have them run; returns the id of the batch."""
        return _id(self.teacher, await self.teacher.call("POST", "/v1/messages/batches", uploaded))

    async def look(self, place: str) -> Look:
        """How far a batch is."""
        path = f"/v1/messages/batches/{place}"
        row = _row(self.teacher, place, await self.teacher.call("GET", path))
        if row.get("archived_at"):
            raise _gone(self.teacher.name, place, "its results are not kept any more")
        ended = row.get("processing_status") == "ended"
        total, left = _counted(row), wire.count(wire.mapping(row.get("request_counts")).get("processing"))
        return Look(ended=ended, paths=(f"{path}/results",) if ended else (), done=total - left)

    async def find(self, batch: Batch, known: set[str]) -> Found:
        """Compare the custom ids of the batches made about that time, with as many requests."""
        is_open = False
        async for row in self._recent(batch.since - SKEW_SECONDS):
            place = str(row.get("id"))
            if place in known or _counted(row) != batch.requests or row.get("archived_at"):
                continue
            if row.get("processing_status") != "ended":
                is_open = True  # it may be the one: wait until it shows its ids
            elif await self._carries(place, batch.token):
                return Found(place)
        return Found(is_open=is_open)

    async def _recent(self, since: float) -> AsyncIterator[Mapping[str, Any]]:
        """Batches, newest first, down to a time."""
        query = {"limit": PAGE}
        while True:
            page = _answered(self.teacher, await self.teacher.call("GET", "/v1/messages/batches", query=query))
            rows = _listed(page)
            for row in rows:
                if _seconds(row.get("created_at")) >= since:
                    yield row
            if not (rows and page.get("has_more")) or _seconds(rows[-1].get("created_at")) < since:
                return
            query = {"limit": PAGE, "after_id": str(page.get("last_id") or rows[-1].get("id"))}

    async def _carries(self, place: str, token: str) -> bool:
        """Whether the custom ids of a batch are ours; one line tells."""
        async with aclosing(self.teacher.download(f"/v1/messages/batches/{place}/results")) as pieces:
            async for line in lines_of(pieces):
                try:
                    return read_result(line).custom_id.endswith(f"-{token}")
                except ValueError:
                    continue
        return False

    def download(self, path: str) -> AsyncGenerator[bytes]:
        """Results, piece by piece."""
        return self.teacher.download(path)


class OpenAIBatches:
    """Files and batches; a batch carries our token in its metadata."""

    most_requests = 50_000
    most_bytes = 200_000_000

    def __init__(self, teacher: OpenAI) -> None:
        self.teacher = teacher

    def entry(self, custom_id: str, request: Request) -> bytes:
        """A request as it stands in a batch."""
        return request_line(custom_id, self.teacher.body(request))

    async def upload(self, token: str, entries: list[bytes]) -> str:
        """Put the requests into a file; returns its id."""
        file = (f"{OURS}-{token}.jsonl", b"".join(entries))
        return _id(self.teacher, await self.teacher.call("POST", "/files", {"purpose": "batch"}, file=file))

    async def create(self, token: str, uploaded: str) -> str:
        """Have the file run; returns the id of the batch."""
        body = {"input_file_id": uploaded, "endpoint": URL, "completion_window": "24h", "metadata": {OURS: token}}
        return _id(self.teacher, await self.teacher.call("POST", "/batches", body))

    async def look(self, place: str) -> Look:
        """How far a batch is."""
        row = _row(self.teacher, place, await self.teacher.call("GET", f"/batches/{place}"))
        status, counts = row.get("status"), wire.mapping(row.get("request_counts"))
        done = wire.count(counts.get("completed")) + wire.count(counts.get("failed"))
        if status == "failed":
            return _failed(row)
        files = [row[name] for name in ("output_file_id", "error_file_id") if row.get(name)]
        ended = status in ("completed", "expired", "cancelled")
        if ended and not row.get("output_file_id") and counts.get("completed"):
            return Look(done=done)  # its file is still being written
        return Look(ended=ended, paths=tuple(f"/files/{name}/content" for name in files) if ended else (), done=done)

    async def find(self, batch: Batch, known: set[str]) -> Found:
        """Look for our token in the metadata of the batches made since."""
        query = {"limit": PAGE}
        while True:
            page = _answered(self.teacher, await self.teacher.call("GET", "/batches", query=query))
            rows = _listed(page)
            for row in rows:
                if wire.mapping(row.get("metadata")).get(OURS) == batch.token:
                    return Found(str(row.get("id")))
            newest = max((wire.count(row.get("created_at")) for row in rows), default=0)
            if not page.get("has_more") or newest < batch.since - SKEW_SECONDS:
                return Found()
            query = {"limit": PAGE, "after": str(page.get("last_id") or rows[-1].get("id"))}

    def download(self, path: str) -> AsyncGenerator[bytes]:
        """Results, piece by piece."""
        return self.teacher.download(path)


Answer = Mapping[str, Any] | wire.Refusal


def _answered(teacher: Anthropic | OpenAI, answer: Answer) -> Mapping[str, Any]:
    if isinstance(answer, wire.Refusal):
        raise teacher.refused(answer)
    return answer


def _row(teacher: Anthropic | OpenAI, place: str, answer: Answer) -> Mapping[str, Any]:
    """What is said of one batch, which has to be there."""
    if isinstance(answer, wire.Refusal) and answer.status == 404:
        raise _gone(teacher.name, place, "it is not there")
    return _answered(teacher, answer)


def _gone(teacher: str, place: str, what: str) -> TeacherError:
    return TeacherError(
        f"{teacher}: batch {place}: {what}",
        hint="use the key that it was made with; or give it up: fingen journal release SET --batches",
    )


def _id(teacher: Anthropic | OpenAI, answer: Answer) -> str:
    name = _answered(teacher, answer).get("id")
    if not isinstance(name, str) or not name:
        raise credentials.unreadable(teacher.name)
    return name


def _listed(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = page.get("data")
    return [wire.mapping(row) for row in rows] if isinstance(rows, list) else []


def _counted(row: Mapping[str, Any]) -> int:
    """Requests in a message batch: the kinds add up to all of them at any time."""
    return sum(map(wire.count, wire.mapping(row.get("request_counts")).values()))


def _seconds(moment: object) -> float:
    """An ISO time as Unix time; of one that cannot be read it is not known that it is long ago."""
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return float("inf")


def _failed(row: Mapping[str, Any]) -> Look:
    """A batch that was turned down as a whole, after it was made."""
    errors = _listed(wire.mapping(row.get("errors")))
    said = [f"{error.get('code') or 'failed'}: {error.get('message') or ''}".rstrip(": ") for error in errors[:3]]
    is_full = any(error.get("code") in QUEUE_IS_FULL for error in errors)
    return Look(ended=True, failure="; ".join(said) or "failed", queue_is_full=is_full)
