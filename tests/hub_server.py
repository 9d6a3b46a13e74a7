"""A Hub on this machine: data sets and models with git's commits and LFS, spoken to over HTTP by the real `huggingface_hub`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_localtoken0000000000000000000000"
READ_TOKEN = "hf_readonly000000000000000000000000"
USERS = {TOKEN: ("you", "write"), READ_TOKEN: ("you", "read")}
ORGANISATIONS = ("your-bank",)
LFS_BYTES = 10_000_000  # from this size on a text is a large file; Parquet always is
SUFFIXES = (".parquet", ".safetensors", ".bin")

KIND, NAME = r"(datasets|models)", r"([^/]+/[^/]+)"
# Endpoint -> method and path; the first two groups are the kind of repository and its name. Models are meant where none is named.
ENDPOINTS = {
    "whoami": ("GET", r"/api/whoami-v2"),
    "create": ("POST", r"/api/repos/create"),
    "validate": ("POST", r"/api/validate-yaml"),
    "preupload": ("POST", rf"/api/{KIND}/{NAME}/preupload/([^/]+)"),
    "commit": ("POST", rf"/api/{KIND}/{NAME}/commit/([^/]+)"),
    "settings": ("PUT", rf"/api/{KIND}/{NAME}/settings"),
    "paths": ("POST", rf"/api/{KIND}/{NAME}/paths-info/([^/]+)"),
    "tree": ("GET", rf"/api/{KIND}/{NAME}/tree/([^/]+)(?:/(.*))?"),
    "info": ("GET", rf"/api/{KIND}/{NAME}(?:/revision/([^/]+))?"),
    "resolve": ("GET", rf"(?:/{KIND})?/{NAME}/resolve/([^/]+)/(.+)"),
    "batch": ("POST", rf"(?:/{KIND})?/{NAME}\.git/info/lfs/objects/batch"),
    "put": ("PUT", r"/lfs/([0-9a-f]{64})"),
    "verify": ("POST", r"/lfs/([0-9a-f]{64})/verify"),
}
WITHOUT_REPO = ("whoami", "create", "validate", "put", "verify")


def key(kind: str | None, name: str) -> str:
    """Under which a repository stands: data sets by their name, models below models/."""
    return name if kind == "datasets" else f"models/{name}"


@dataclass
class Commit:
    oid: str
    message: str
    files: dict[str, bytes]


@dataclass
class Repo:
    private: bool
    commits: list[Commit] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def add(self, message: str, files: dict[str, bytes]) -> Commit:
        parent = self.commits[-1].oid if self.commits else ""
        content = "".join(f"{name} {_sha1(data)}\n" for name, data in sorted(files.items()))
        self.commits.append(Commit(hashlib.sha1(f"{parent} {message} {content}".encode()).hexdigest(), message, files))
        return self.head

    def at(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.head
        return next((commit for commit in self.commits if commit.oid == revision), None)


class HubServer:
    """`refuse` holds statuses to answer an endpoint with, one after the other, instead of what was asked for. With an
    endpoint in `lose` it is done, and the answer is 503. `watch` is called with each endpoint, before and after what it
    does; a ConnectionAbortedError from it ends that."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # LFS, by SHA-256
        self.asked: list[str] = []  # endpoints
        self.paths: list[str] = []
        self.authorizations: set[str] = set()
        self.refuse: dict[str, list[int]] = {}
        self.lose: list[str] = []
        self.on_event: Callable[[str, bool], None] = lambda endpoint, done: None
        self.lock = threading.Lock()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def make(self, repo: str, files: dict[str, bytes], *, private: bool = False) -> Repo:
        """A data set that is there already, or a model: models/OWNER/NAME."""
        made = self.repos[repo] = Repo(private)
        made.add("initial commit", {".gitattributes": b"*.parquet filter=lfs\n"})
        if files:
            made.add("first data", {**made.head.files, **files})
        return made

    def wrote(self) -> list[str]:
        """The endpoints that were asked to change anything, in their order."""
        return [endpoint for endpoint in self.asked if endpoint in ("create", "put", "commit", "settings")]


class _Server(ThreadingHTTPServer):
    def __init__(self, hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # whoever asked was killed
            super().handle_error(request, client_address)


class _Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> HubServer:
        assert isinstance(self.server, _Server)
        return self.server.hub

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self._chunks() if chunked else self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        try:
            endpoint, parts = self._find(path)
            self._user()
            with self.hub.lock:
                self.hub.asked.append(endpoint)
                self.hub.paths.append(path)
            self.hub.on_event(endpoint, False)
            if self.hub.refuse.get(endpoint):
                raise _Refused(self.hub.refuse[endpoint].pop(0), "not now")
            with self.hub.lock:
                status, value, headers = getattr(self, f"_{endpoint}")(body, *parts)
            self.hub.on_event(endpoint, True)
            if endpoint in self.hub.lose:
                self.hub.lose.remove(endpoint)
                raise _Refused(503, "the answer was lost")
            self._reply(status, value, headers)
        except ConnectionAbortedError:  # by `watch`: nothing of what was asked is done
            self.close_connection = True
        except _Refused as e:
            said = {"X-Error-Code": e.code} if e.code else {}
            self._reply(e.status, {"error": e.message}, {**said, "X-Error-Message": e.message})

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        pass

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _find(self, path: str) -> tuple[str, tuple[Any, ...]]:
        method = "GET" if self.command == "HEAD" else self.command
        for endpoint, (wanted, pattern) in ENDPOINTS.items():
            if method == wanted and (match := re.fullmatch(pattern, path)):
                if endpoint in WITHOUT_REPO:
                    return endpoint, match.groups()
                kind, name, *others = match.groups()
                return endpoint, (key(kind, name), *others)
        raise _Refused(404, f"no such page: {method} {path}")

    def _reply(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    # --- who asks, and for what

    def _user(self) -> tuple[str, str] | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not token:
            return None
        self.hub.authorizations.add(token)
        if token not in USERS:
            raise _Refused(401, f"Invalid credentials in Authorization header: {token}")
        return USERS[token]

    def _writer(self, name: str) -> None:
        user, owner = self._user(), name.removeprefix("models/").partition("/")[0]
        if user is None:
            raise _Refused(401, "Invalid username or password.")
        if user[1] == "read" or owner not in (user[0], *ORGANISATIONS):
            raise _Refused(403, f'You don\'t have the rights to create a dataset under the namespace "{owner}"')

    def _repo(self, name: str) -> Repo:
        user = self._user()
        repo = self.hub.repos.get(name)
        owner = name.removeprefix("models/").partition("/")[0]
        if repo is None or (repo.private and (user is None or owner not in (user[0], *ORGANISATIONS))):
            raise _Refused(404 if user else 401, "Repository not found", "RepoNotFound")
        return repo

    def _commit_at(self, name: str, revision: str | None) -> Commit:
        commit = self._repo(name).at(revision or "main")
        if commit is None:
            raise _Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def _whoami(self, body: bytes) -> Any:
        user = self._user()
        if user is None:
            raise _Refused(401, "Invalid username or password.")
        auth = {"type": "access_token", "accessToken": {"displayName": "mine", "role": user[1]}}
        return (
            200,
            {"type": "user", "name": user[0], "orgs": [{"name": n} for n in ORGANISATIONS], "auth": auth},
            {},
        )

    def _create(self, body: bytes) -> Any:
        asked = json.loads(body)
        owner = asked.get("organization") or "you"
        self._writer(owner)
        kind = "datasets" if asked.get("type") == "dataset" else "models"
        name = key(kind, f"{owner}/{asked['name']}")
        url = f"{self.hub.url}/{key(kind, owner)}/{asked['name']}"
        if name in self.hub.repos:
            return 409, {"error": "You already created this repo", "url": url}, {}
        self.hub.make(name, {}, private=asked.get("visibility") == "private" or bool(asked.get("private")))
        return 200, {"url": url, "name": name}, {}

    def _settings(self, body: bytes, name: str) -> Any:
        self._writer(name)
        asked = json.loads(body)
        self._repo(name).private = asked.get("visibility", "private" if asked.get("private") else "public") == "private"
        return 200, {}, {}

    def _validate(self, body: bytes) -> Any:
        content = json.loads(body)["content"]
        if re.search(r"^license: (?!apache-2.0|mit|cc-by-4.0|other$)", content, re.MULTILINE):
            return (
                400,
                {"errors": [{"message": '"license" must be one of apache-2.0, mit, ...'}], "warnings": []},
                {},
            )
        return 200, {"errors": [], "warnings": []}, {}

    # --- reading

    def _info(self, body: bytes, name: str, revision: str | None) -> Any:
        commit = self._commit_at(name, revision)
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": _sha1(data), **({"lfs": _lfs(data)} if _is_lfs(path, len(data)) else {})}
            for path, data in commit.files.items()
        ]  # fmt: skip
        about = {
            "id": name.removeprefix("models/"),
            "sha": commit.oid,
            "private": self._repo(name).private,
            "siblings": siblings,
        }
        return 200, {**about, "tags": [], "downloads": 0, "likes": 0}, {}

    def _tree(self, body: bytes, name: str, revision: str, below: str | None) -> Any:
        files = self._commit_at(name, revision).files
        start = f"{below}/" if below else ""
        found = [_entry(path, data) for path, data in files.items() if path.startswith(start)]
        if not found:
            raise _Refused(404, "no such folder", "EntryNotFound")
        return 200, found, {}

    def _paths(self, body: bytes, name: str, revision: str) -> Any:
        asked = json.loads(body)["paths"]
        files = self._commit_at(name, revision).files
        found = [_entry(path, data) for path, data in files.items() if path in asked]
        folders = {path.partition("/")[0] for path in files if "/" in path}
        return 200, found + [{"type": "directory", "path": f, "oid": "0" * 40} for f in folders if f in asked], {}

    def _resolve(self, body: bytes, name: str, revision: str, path: str) -> Any:
        commit = self._commit_at(name, revision)
        data = commit.files.get(path)
        if data is None:
            raise _Refused(404, f"Entry not found: {path}", "EntryNotFound")
        etag = hashlib.sha256(data).hexdigest() if _is_lfs(path, len(data)) else _sha1(data)
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{etag}"', "Content-Type": "application/octet-stream"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return 200, data, headers
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        return 206, data[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"}

    # --- writing

    def _preupload(self, body: bytes, name: str, revision: str) -> Any:
        self._writer(name)
        there = self._commit_at(name, revision).files
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if _is_lfs(each["path"], each["size"]) else "regular",
                "shouldIgnore": each["path"] in _ignored(there),
                "oid": _oid(each["path"], there[each["path"]]) if each["path"] in there else None,
            }
            for each in json.loads(body)["files"]
        ]
        return 200, {"files": files}, {}

    def _batch(self, body: bytes, name: str) -> Any:
        self._writer(name)
        objects = []
        for each in json.loads(body)["objects"]:
            href = f"{self.hub.url}/lfs/{each['oid']}"
            actions = {"upload": {"href": f"{href}?X-Signature=abc"}, "verify": {"href": f"{href}/verify"}}
            objects.append({**each, **({} if each["oid"] in self.hub.objects else {"actions": actions})})
        return 200, {"transfer": "basic", "objects": objects}, {}

    def _put(self, body: bytes, oid: str) -> Any:
        if hashlib.sha256(body).hexdigest() != oid:
            raise _Refused(400, "not what its hash says")
        self.hub.objects[oid] = body
        return 200, b"", {}

    def _verify(self, body: bytes, oid: str) -> Any:
        if oid not in self.hub.objects or json.loads(body)["size"] != len(self.hub.objects[oid]):
            raise _Refused(422, "not there")
        return 200, {}, {}

    def _commit(self, body: bytes, name: str, revision: str) -> Any:
        self._writer(name)
        repo = self._repo(name)
        header, *operations = (json.loads(line) for line in body.splitlines())
        if header["value"].get("parentCommit", repo.head.oid) != repo.head.oid:
            raise _Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.head.files)
        for each in operations:
            value = each["value"]
            if each["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif each["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise _Refused(400, f"LFS object {value['oid']} is not there")
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif each["key"] == "deletedFile" and files.pop(value["path"], None) is None:
                raise _Refused(404, "A file with this name doesn't exist", "EntryNotFound")
        made = repo.add(header["value"]["summary"], files)
        return (
            200,
            {
                "commitUrl": f"{self.hub.url}/{'' if name.startswith('models/') else 'datasets/'}{name.removeprefix('models/')}/commit/{made.oid}",
                "commitOid": made.oid,
            },
            {},
        )


def _sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _is_lfs(path: str, size: int) -> bool:
    return path.endswith(SUFFIXES) or size >= LFS_BYTES


def _lfs(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}


def _oid(path: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if _is_lfs(path, len(data)) else _sha1(data)


def _entry(path: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _sha1(data)}
    if _is_lfs(path, len(data)):
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry


def _ignored(files: dict[str, bytes]) -> set[str]:
    return set(files.get(".gitignore", b"").decode().split())
