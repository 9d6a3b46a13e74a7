"""The part of the Hub's protocol by which `datasets` loads a public data set, on this machine: files of one repository."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


class StubHub:
    """Serves `files` (name -> bytes) as the data set `repository`; `asked` are the paths of all requests."""

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(repository, files, self.asked))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> StubHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(repository: str, files: dict[str, bytes], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    tree = [{"type": "file", "path": name, "size": len(data), "oid": _sha1(data)} for name, data in files.items()]
    about = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files], "tags": [],
             "private": False, "downloads": 0, "likes": 0}  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked.append(path)
            if path.startswith(f"/datasets/{repository}/resolve/"):
                data = files.get(path.rpartition("/")[2])
                if data is None:
                    self._reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
                else:
                    self._reply(200, data, {"ETag": f'"{_sha1(data)}"', "X-Repo-Commit": COMMIT})
            elif path.startswith(f"/api/datasets/{repository}"):
                self._reply(200, json.dumps(tree if "/tree/" in path else about).encode(), {})
            else:
                self._reply(404, b"", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

        def _reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
