"""The batch endpoints of both protocols, beside those of the stub server: Message Batches, and files with batches.

The items of a batch are answered, and paid, the moment it is made: an answer that nobody collects is still on the bill.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from stub_llm import Call, Response, StubLLM, error, fingerprint, roll

ITEM_FAULTS = ("expired", "canceled", "errored", "refused")  # in the order they are rolled; refused: a bad request
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass
class Batch:
    """One batch. `results` stand in no useful order."""

    id: str
    made: float
    items: list[dict[str, Any]]
    is_anthropic: bool
    failure: dict[str, Any] | None = None
    file: str | None = None
    metadata: dict[str, Any] | None = None
    results: list[dict[str, Any]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


class StubBatches(StubLLM):
    """A stub that takes batches too.

    Args:
        seconds: From making a batch to its end.
        item_faults: Name (one of ITEM_FAULTS) -> its share of the items.
        most_requests: A larger batch is refused.
        most_bytes: The same.
        queue: Requests on their way at once; a batch that exceeds them fails (OpenAI's way).
        page: Batches listed at once, at most.
        hook: Called with the name of each step: create, created, look, list, results.
        options: Those of the stub.
    """

    def __init__(
        self,
        *,
        seconds: float = 0.0,
        item_faults: Mapping[str, float] | None = None,
        most_requests: int = 100_000,
        most_bytes: int = 256_000_000,
        queue: int = 1_000_000,
        page: int = 2,
        hook: Callable[[str], None] = lambda step: None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.seconds, self.item_faults, self.hook, self.page = seconds, dict(item_faults or {}), hook, page
        self.most_requests, self.most_bytes, self.queue = most_requests, most_bytes, queue
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, bytes] = {}
        self.statuses_to_send: list[int] = []  # errors for the next creations, before anything is made
        self.lost_replies = 0  # creations that are made, and not confirmed
        self.cut_results = 0  # downloads that break off in the middle

    async def _answer(self, call: Call) -> Response:
        key = call.headers.get("x-api-key") or call.headers.get("authorization", "").removeprefix("Bearer ")
        refused = self.key is not None and key != self.key
        match call.method, call.path.split("/")[2:]:
            case _ if refused:
                return error(call, 401, f"Incorrect API key provided: {key}", "invalid_api_key")
            case "POST", ["messages", "batches"] | ["batches"]:
                return self._create(call)
            case "GET", ["messages", "batches"] | ["batches"]:
                self.hook("list")
                return self._list(call)
            case "GET", ["messages", "batches", name, "results"]:
                return self._send_results(self.batches[name].results)
            case "GET", ["messages", "batches", name] | ["batches", name]:
                self.hook("look")
                known = name in self.batches
                return Response(200, self._view(self.batches[name])) if known else error(call, 404, f"no batch {name}")
            case "POST", ["files"]:
                return self._keep(call)
            case "GET", ["files", name, "content"]:
                kind, _, batch = name.partition("-of-")
                rows = self.batches[batch].results
                return self._send_results([row for row in rows if _is_answer(row) == (kind == "output")])
        return await super()._answer(call)

    # ---- making a batch

    def _keep(self, call: Call) -> Response:
        boundary = call.headers["content-type"].partition("boundary=")[2].encode()
        parts = [part.split(b"\r\n\r\n", 1) for part in call.raw.split(b"--" + boundary)[1:-1]]
        fields = {re.search(rb'name="(\w+)"', head)[1]: body.removesuffix(b"\r\n") for head, body in parts}
        assert fields[b"purpose"] == b"batch"
        if len(fields[b"file"]) > self.most_bytes:
            return error(call, 400, "File is too large.")
        name = f"file-{len(self.files)}"
        self.files[name] = fields[b"file"]
        return Response(200, {"id": name, "object": "file", "purpose": "batch"})

    def _create(self, call: Call) -> Response:
        self.hook("create")
        if self.statuses_to_send:
            status = self.statuses_to_send.pop(0)
            return error(call, status, "not now", headers={"retry-after": "0.05"} if status == 429 else {})
        if call.is_anthropic and len(call.raw) > self.most_bytes:
            return error(call, 400, "too large")
        items = call.body["requests"] if call.is_anthropic else self._items(call.body)
        names = [item["custom_id"] for item in items]
        assert len(set(names)) == len(names) > 0
        assert all(CUSTOM_ID.fullmatch(name) for name in names)
        if len(items) > self.most_requests:
            return error(call, 400, f"more than {self.most_requests} requests")
        batch = self._make(call, items)
        self.hook("created")
        if self.lost_replies:
            self.lost_replies -= 1
            return Response(200, None, sent="reset")
        return Response(200, self._view(batch))

    def _items(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        assert body["endpoint"] == "/v1/chat/completions"
        assert body["completion_window"] == "24h"
        items = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        assert all((item["method"], item["url"]) == ("POST", "/v1/chat/completions") for item in items)
        return items

    def _make(self, call: Call, items: list[dict[str, Any]]) -> Batch:
        prefix = "msgbatch" if call.is_anthropic else "batch"
        batch = Batch(f"{prefix}_{len(self.batches)}", time.time(), items, call.is_anthropic)
        if not call.is_anthropic:
            batch.file, batch.metadata = call.body["input_file_id"], call.body.get("metadata")
            waiting = sum(len(b.items) for b in self.batches.values() if not self._has_ended(b) and not b.failure)
            if waiting + len(items) > self.queue:
                batch.failure = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
        self.batches[batch.id] = batch
        if not batch.failure:
            batch.results = [self._run_item(batch, item) for item in items]
            batch.results.sort(key=lambda row: hashlib.sha256(row["custom_id"].encode()).digest())
        return batch

    def _run_item(self, batch: Batch, item: dict[str, Any]) -> dict[str, Any]:
        body = item["params"] if batch.is_anthropic else item["body"]
        asked = fingerprint(body)
        self.attempts[asked] += 1
        shares = self.item_faults if self.attempts[asked] <= self.faulty_attempts else {}
        rolls = (f for f in ITEM_FAULTS if roll(self.seed, asked, self.attempts[asked], f) < shares.get(f, 0.0))
        kind = next(rolls, "succeeded")
        batch.kinds["errored" if kind == "refused" else kind] += 1
        if kind != "succeeded":
            return _no_answer(item["custom_id"], kind, anthropic=batch.is_anthropic)
        self.paid_by_request[asked] += 1
        payload = self.answer(body, self._fault(asked), anthropic=batch.is_anthropic)
        return answer_line(item["custom_id"], payload, anthropic=batch.is_anthropic)

    # ---- looking at it

    def _has_ended(self, batch: Batch) -> bool:
        return time.time() - batch.made >= self.seconds

    def _view(self, batch: Batch) -> dict[str, Any]:
        ended, kinds = self._has_ended(batch), batch.kinds
        if batch.is_anthropic:
            counts = {kind: kinds[kind] if ended else 0 for kind in ("succeeded", "errored", "canceled", "expired")}
            return {
                "id": batch.id,
                "type": "message_batch",
                "created_at": datetime.fromtimestamp(batch.made, UTC).isoformat(),
                "processing_status": "ended" if ended else "in_progress",
                "request_counts": {"processing": 0 if ended else len(batch.items), **counts},
                "results_url": "https://elsewhere.invalid/results" if ended else None,
            }
        done, failed = kinds["succeeded"], sum(kinds.values()) - kinds["succeeded"]
        status = "failed" if batch.failure else "expired" if kinds["expired"] else "completed"
        return {
            "id": batch.id,
            "object": "batch",
            "created_at": int(batch.made),
            "status": status if ended or batch.failure else "in_progress",
            "input_file_id": batch.file,
            "metadata": batch.metadata,
            "errors": {"object": "list", "data": [batch.failure]} if batch.failure else None,
            "output_file_id": f"output-of-{batch.id}" if ended and done else None,
            "error_file_id": f"error-of-{batch.id}" if ended and failed else None,
            "request_counts": {"total": len(batch.items), "completed": done if ended else 0, "failed": failed},
        }

    def _list(self, call: Call) -> Response:
        """Newest first, page by page."""
        query = {name: values[0] for name, values in parse_qs(call.query).items()}
        rows = [self._view(b) for b in reversed(self.batches.values()) if b.is_anthropic == call.is_anthropic]
        after = query.get("after_id") or query.get("after")
        start = next((place + 1 for place, row in enumerate(rows) if row["id"] == after), 0)
        size = min(self.page, int(query["limit"]))
        page = rows[start : start + size]
        last = page[-1]["id"] if page else None
        return Response(200, {"data": page, "has_more": start + size < len(rows), "last_id": last})

    def _send_results(self, rows: list[dict[str, Any]]) -> Response:
        self.hook("results")
        content = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        sent = "cut_body" if self.cut_results else "whole"
        self.cut_results = max(0, self.cut_results - 1)
        return Response(200, content, {"content-type": "application/x-jsonl"}, sent=sent)


def answer_line(name: str, payload: Mapping[str, Any], *, anthropic: bool) -> dict[str, Any]:
    """A line of results with an answer."""
    if anthropic:
        return {"custom_id": name, "result": {"type": "succeeded", "message": payload}}
    response = {"status_code": 200, "request_id": "req", "body": payload}
    return {"id": "batch_req", "custom_id": name, "response": response, "error": None}


def _no_answer(name: str, kind: str, *, anthropic: bool) -> dict[str, Any]:
    """A line of results without one, each in the form that the providers give it."""
    if anthropic:
        inner = {"type": "invalid_request_error" if kind == "refused" else "api_error", "message": "went wrong"}
        problem = {} if kind in ("expired", "canceled") else {"error": {"type": "error", "error": inner}}
        return {"custom_id": name, "result": {"type": kind if not problem else "errored", **problem}}
    if kind in ("expired", "canceled"):
        code = {"expired": "batch_expired", "canceled": "batch_cancelled"}[kind]
        return {"custom_id": name, "response": None, "error": {"code": code, "message": "not executed in time"}}
    body = {"error": {"message": "went wrong", "type": "server_error"}}
    response = {"status_code": 400 if kind == "refused" else 500, "request_id": "req", "body": body}
    return {"id": "batch_req", "custom_id": name, "response": response, "error": None}


def _is_answer(row: dict[str, Any]) -> bool:
    return bool(row["response"]) and row["response"]["status_code"] == 200
