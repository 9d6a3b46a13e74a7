"""`fingen review` as a server of its own process, and a reviewer that asks it over HTTP."""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from click.testing import CliRunner
from patience import PATIENCE
from steering import address_in

from fingen.cli import main

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "raw"


class Served:
    """A running server. `address` is what it printed, with the token; as a context it is ended at the end."""

    def __init__(self, folder: Path, reviewer: str = "Wu", *more: str, reports: Path = SAMPLE) -> None:
        command = [
            sys.executable,
            "-m",
            "fingen",
            "review",
            str(folder),
            "--as",
            reviewer,
            "--input",
            str(reports),
            *more,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.address = address_in(line)
        parts = urlsplit(self.address)
        self.port, self.token = parts.port, parse_qs(parts.query)["token"][0]

    def __enter__(self) -> Served:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code, and what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said

    def ask(self, path: str, body: Any = None, **asked: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        status, _, content = self.fetch(path, body, **asked)
        return status, json.loads(content)

    def fetch(self, path: str, body: Any = None, **asked: Any) -> tuple[int, str, bytes]:
        """Status, content type and content of an answer; with a body it is a POST of JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", f"{path}?{urlencode(asked)}", sent, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers.get_content_type(), content

    def list_keys(self, **filters: str) -> list[str]:
        """The keys of a queue, all its pages, in their order."""
        first = self.ask("/api/list", page=0, **filters)[1]
        pages = [first, *(self.ask("/api/list", page=page, **filters)[1] for page in range(1, first["pages"]))]
        return [item["key"] for page in pages for item in page["items"]]

    def row(self, key: str) -> dict[str, Any]:
        """What is shown of a row."""
        status, row = self.ask("/api/row", key=key)
        assert status == 200, row
        return row

    def judge(self, key: str, verdict: str = "accept", **more: Any) -> tuple[int, Any]:
        """Give a verdict on a row, knowing what was said of it up to now."""
        about = {"key": key, "verdict": verdict, "nonce": secrets.token_hex(8), **more}
        if verdict == "reject":
            about.setdefault("reason", "wrong-figure")
        if "seen" not in about:
            about["seen"] = self.row(key)["seen"]
        return self.ask("/api/verdict", about)


def run(*words: object, code: int = 0) -> str:
    """What a command of fingen prints on standard output; it has to end with this code."""
    ran = CliRunner().invoke(main, [*map(str, words)], prog_name="fingen")
    assert ran.exit_code == code, (words, ran.output, ran.exception)
    return ran.stdout


def make_set(folder: Path) -> Path:
    """The sample as a set, by the built-in rules."""
    run("pdf2qa", SAMPLE, "--teacher", "offline", "--out", folder, "--quiet")
    return folder


def import_rows(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A set of Alpaca rows of others."""
    source = folder.with_suffix(".json")
    source.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    run("import", "alpaca", source, "--out", folder, "--quiet")
    return folder


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """What stands in reviews.jsonl."""
    text = (folder / "reviews.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def rows_of(folder: Path, *splits: str) -> list[dict[str, Any]]:
    """The rows of a set, each with its split."""
    return [
        {**json.loads(line), "split": split}
        for split in splits or ("train", "validation", "test", "memory")
        if (folder / f"{split}.jsonl").exists()
        for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def rejects_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
