"""The batch endpoints of the providers: Anthropic's Message Batches, OpenAI's files and batches.

A batch API asks once, as its teacher does. Its errors are TeacherErrors; `batches` decides what to do about them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from fingen import wire
from fingen.disk import dump_json
from fingen.errors import TeacherError, UsageError
from fingen.records import Request
from fingen.teachers import credentials
from fingen.teachers.base import Teacher
from fingen.teachers.batch_files import URL, read_result, request_line
from fingen.teachers.outstanding import Batch
from fingen.teachers.sdk import SdkTeacher

PAGE = "100"  # batches listed at once
MOST_PAGES = 1_000  # of a list: one that is longer has no end
RESULT_BYTES = 1 << 20  # that a result may have, on average over those of a batch
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
    is_writing: bool = False  # it is through with them, and its results are not there yet


@dataclass(frozen=True)
class Found:
    """The result of looking for a batch: its id, or that it may still show up."""

    id: str | None = None
    is_open: bool = False


class BatchApi(ABC):
    """Takes batches of one teacher."""

    most_requests: ClassVar[int]  # in a batch
    most_bytes: ClassVar[int]
    path: ClassVar[str]  # of the batches
    after: ClassVar[str]  # what a page of them begins behind, in a query

    def __init__(self, teacher: SdkTeacher) -> None:
        self.teacher = teacher

    @abstractmethod
    def entry(self, custom_id: str, request: Request) -> bytes:
        """A request as it stands in a batch."""

    @abstractmethod
    async def upload(self, token: str, entries: list[bytes]) -> bytes | str:
        """Bring the requests to where `create` takes them from. Nothing is run yet."""

    @abstractmethod
    async def create(self, token: str, uploaded: Any) -> str:
        """Have them run; returns the provider's id of the batch."""

    @abstractmethod
    async def find(self, batch: Batch, known: set[str]) -> Found:
        """Look for a batch whose creation broke off, among those that are not `known`."""

    @abstractmethod
    def read_look(self, place: str, row: Mapping[str, Any]) -> Look:
        """What the provider's row of a batch says."""

    async def look(self, place: str) -> Look:
        """How far a batch is."""
        answer = await self.teacher.call("GET", f"{self.path}/{as_segment(place)}")
        if not isinstance(answer, wire.Refusal):
            return self.read_look(place, answer)
        raise self.gone(place, "it is not there") if answer.status == 404 else self.teacher.refused(answer)

    def download(self, path: str, requests: int) -> AsyncGenerator[bytes]:
        """The results of so many requests, piece by piece."""
        return self.teacher.download(path, wire.ANSWER_BYTES + requests * RESULT_BYTES)

    def status(self, row: Mapping[str, Any], name: str) -> str:
        """How far a batch is, in the provider's word.

        Raises:
            TeacherError: there is none.
        """
        if not isinstance(row.get(name), str):
            raise credentials.unreadable(self.teacher.name, f"a batch without {name}")
        return str(row[name])

    async def made(self, path: str, body: Any, **options: Any) -> str:
        """Have the provider make something; returns its id."""
        name = (await self.teacher.ask("POST", path, body, **options)).get("id")
        if not isinstance(name, str) or not name:
            raise credentials.unreadable(self.teacher.name, "an answer without an id")
        return name

    async def recent(self, since: float) -> AsyncIterator[Mapping[str, Any]]:
        """The provider's rows of batches, newest first, down to the page that a time falls on."""
        query = {"limit": PAGE}
        for _ in range(MOST_PAGES):
            page = await self.teacher.ask("GET", self.path, query=query)
            rows = _listed(page)
            for row in rows:
                yield row
            if not (rows and page.get("has_more")) or max(map(_made_at, rows)) < since:
                return
            query = {"limit": PAGE, self.after: str(page.get("last_id") or rows[-1].get("id"))}

    def gone(self, place: str, what: str) -> TeacherError:
        """The error for a batch whose results cannot be had."""
        return TeacherError(
            f"{self.teacher.name}: batch {place}: {what}",
            hint="use the key that it was made with; or give it up: fingen journal release SET --batches",
        )


def as_segment(id: object) -> str:
    """An id that a server gave, as one part of a path: it leads to no other place there."""
    return quote(str(id), safe="").replace(".", "%2E")


def open_batch_api(teacher: Teacher) -> BatchApi:
    """The batch API of a teacher.

    Raises:
        UsageError: it takes no batches.
    """
    if not isinstance(teacher, SdkTeacher):
        raise UsageError(f"--batch: {teacher.name} takes no batches", hint="choose --teacher anthropic or openai")
    return BATCH_APIS[teacher.provider](teacher)


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a body, each cut where no answer is as long.

    They end only at line feeds: JSON may hold the other characters that end a line for `splitlines`.
    """
    rest = bytearray()
    async for piece in pieces:
        *lines, last = piece.split(b"\n")
        for line in lines:
            yield bytes(rest + line)[: wire.ANSWER_BYTES + 1]
            rest.clear()
        rest += last[: wire.ANSWER_BYTES + 1 - len(rest)]
    if rest:
        yield bytes(rest)


class AnthropicBatches(BatchApi):
    """Message Batches. They carry no mark but the custom ids, and those are shown only once a batch has ended."""

    most_requests = 100_000
    most_bytes = 256_000_000
    path, after = "/v1/messages/batches", "after_id"

    def entry(self, custom_id: str, request: Request) -> bytes:
        """A request as it stands in a batch."""
        return dump_json({"custom_id": custom_id, "params": self.teacher.body(request)}).encode() + b","

    async def upload(self, token: str, entries: list[bytes]) -> bytes:
        """Nothing is brought beforehand: the requests go along with the creation."""
        return b'{"requests": [' + b"".join(entries).removesuffix(b",") + b"]}"

    async def create(self, token: str, uploaded: bytes) -> str:
        """Have them run; returns the id of the batch."""
        return await self.made(self.path, uploaded)

    def read_look(self, place: str, row: Mapping[str, Any]) -> Look:
        """What a message batch says of itself."""
        if row.get("archived_at"):
            raise self.gone(place, "its results are not kept any more")
        ended = self.status(row, "processing_status") == "ended"
        total, left = _counted(row), wire.count(wire.mapping(row.get("request_counts")).get("processing")) or 0
        return Look(
            ended=ended, paths=(f"{self.path}/{as_segment(place)}/results",) if ended else (), done=total - left
        )

    async def find(self, batch: Batch, known: set[str]) -> Found:
        """Compare the custom ids of the batches made about that time, with as many requests."""
        since, is_open = batch.since - SKEW_SECONDS, False
        async for row in self.recent(since):
            place = str(row.get("id"))
            if place in known or _counted(row) != batch.requests or row.get("archived_at") or _made_at(row) < since:
                continue
            if row.get("processing_status") != "ended":
                is_open = True  # it may be the one: wait until it shows its ids
            elif await self._carries(place, batch):
                return Found(place)
        return Found(is_open=is_open)

    async def _carries(self, place: str, batch: Batch) -> bool:
        """Tell whether the custom ids of a batch carry our token, from its first result."""
        async with aclosing(self.download(f"{self.path}/{as_segment(place)}/results", batch.requests)) as pieces:
            async for line in lines_of(pieces):
                try:
                    return read_result(line).custom_id.endswith(f"-{batch.token}")
                except ValueError:
                    continue
        return False


class OpenAIBatches(BatchApi):
    """Files and batches; a batch carries our token in its metadata."""

    most_requests = 50_000
    most_bytes = 200_000_000
    path, after = "/batches", "after"

    def entry(self, custom_id: str, request: Request) -> bytes:
        """A request as it stands in a batch."""
        return request_line(custom_id, self.teacher.body(request))

    async def upload(self, token: str, entries: list[bytes]) -> str:
        """Put the requests into a file; returns its id."""
        file = (f"{OURS}-{token}.jsonl", b"".join(entries))
        return await self.made("/files", {"purpose": "batch"}, file=file)

    async def create(self, token: str, uploaded: str) -> str:
        """Have the file run; returns the id of the batch."""
        body = {"input_file_id": uploaded, "endpoint": URL, "completion_window": "24h", "metadata": {OURS: token}}
        return await self.made(self.path, body)

    def read_look(self, place: str, row: Mapping[str, Any]) -> Look:
        """What a batch says of itself."""
        status, counts = self.status(row, "status"), wire.mapping(row.get("request_counts"))
        done = (wire.count(counts.get("completed")) or 0) + (wire.count(counts.get("failed")) or 0)
        if status == "failed":
            return _failed(row)
        files = [row[name] for name in ("output_file_id", "error_file_id") if row.get(name)]
        ended = status in ("completed", "expired", "cancelled")
        if ended and not row.get("output_file_id") and counts.get("completed"):
            return Look(done=done, is_writing=True)
        return Look(
            ended=ended, paths=tuple(f"/files/{as_segment(name)}/content" for name in files) if ended else (), done=done
        )

    async def find(self, batch: Batch, known: set[str]) -> Found:
        """Look for our token in the metadata of the batches made since."""
        async for row in self.recent(batch.since - SKEW_SECONDS):
            if wire.mapping(row.get("metadata")).get(OURS) == batch.token and isinstance(row.get("id"), str):
                return Found(row["id"])
        return Found()


BATCH_APIS: dict[str, type[BatchApi]] = {"anthropic": AnthropicBatches, "openai": OpenAIBatches}


def _listed(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = page.get("data")
    return [wire.mapping(row) for row in rows] if isinstance(rows, list) else []


def _counted(row: Mapping[str, Any]) -> int:
    """Count the requests of a message batch, of all kinds."""
    return sum(wire.count(number) or 0 for number in wire.mapping(row.get("request_counts")).values())


def _made_at(row: Mapping[str, Any]) -> float:
    """Read the Unix time at which a batch was made; infinity where it cannot be read, so that the batch counts as recent."""
    moment = row.get("created_at")
    try:
        return float(moment) if isinstance(moment, int) else datetime.fromisoformat(str(moment)).timestamp()
    except (ValueError, OverflowError):
        return float("inf")


def _failed(row: Mapping[str, Any]) -> Look:
    """Read why a batch failed as a whole."""
    errors = _listed(wire.mapping(row.get("errors")))
    said = [f"{error.get('code') or 'failed'}: {error.get('message') or ''}".rstrip(": ") for error in errors[:3]]
    is_full = any(error.get("code") in QUEUE_IS_FULL for error in errors)
    return Look(ended=True, failure="; ".join(said) or "failed", queue_is_full=is_full)
