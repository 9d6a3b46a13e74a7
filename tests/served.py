"""A server of ours in a process of its own, as a user starts it, and a client for what its page asks."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patience import PATIENCE


@dataclass
class Server:
    """A running server; `said` is what it wrote until it could be asked."""

    process: subprocess.Popen[str]
    port: int
    token: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, path: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
        """An answer whose body is still to be read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        given = {
            "Connection": "close",
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): v for name, v in headers.items()},
        }
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, content, given)
        return connection.getresponse()

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        with self.send(path, body, **headers) as answer:
            return answer.status, json.loads(answer.read())

    def events(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What the page hears of a question, as it comes."""
        with self.send("/api/ask", {"id": "a question", **body}) as answer:
            assert answer.status == 200, answer.read()
            for line in answer:
                yield json.loads(line)

    def answers(self, models: list[str], question: str = "", **more: Any) -> dict[str, dict[str, Any]]:
        """What each model says in the end, with its options where it has some."""
        told: dict[str, dict[str, Any]] = {name: {} for name in models}
        for event in self.events({"models": models, "question": question, **more}):
            if event["type"] in ("done", "options", "error", "consent"):
                told[event["model"]] |= event
        return told


@contextmanager
def serving(*arguments: object, cwd: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A command of fingen that serves, up to where it says its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fingen", *map(str, arguments)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/(?:\?token=(\S+)|v1$)", line.rstrip()):
                break
        else:
            raise AssertionError(f"it ended: {said}")
        yield Server(process, int(found[1]), found[2] or "", said)
    finally:
        process.kill()
        process.communicate()
