"""A Hub that lies, never ends, or sends its guests elsewhere: each is a typed error, and the token stays with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hub_server import TOKEN, Handler, HubServer, _Server
from huggingface_hub import constants
from test_push import REPO, pushed

from fingen import cli
from fingen.hub import client

pytest_plugins = "test_push"  # its fixtures
# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
ROW = {"instruction": "What is one?", "input": "", "output": "It is a number of the list."}
STRANGER = "stranger/rows"
MOST = 96 << 20  # bytes that a body without an end is long


class Liar(HubServer):
    """A Hub whose answers are changed on their way: `lies` maps an endpoint to what is made of (value, headers)."""

    def __init__(self) -> None:
        super().__init__()
        self._server.server_close()
        self._server = _Server(self)
        self._server.RequestHandlerClass = _Lying
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.lies: dict[str, Any] = {}
        self.endless: set[str] = set()
        self.elsewhere: dict[str, str] = {}
        self.went_to_its_end = False


class _Lying(Handler):
    def _find(self, path: str) -> Any:
        self.endpoint, parts = super()._find(path)
        return self.endpoint, parts

    def _reply(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        hub = self.hub
        assert isinstance(hub, Liar)
        endpoint = getattr(self, "endpoint", "")
        if endpoint in hub.elsewhere:
            super()._reply(307, {}, {"Location": hub.elsewhere[endpoint] + self.path})
        elif endpoint in hub.endless and self.command != "HEAD":
            self._go_on(status, headers or {})
        elif endpoint in hub.lies:
            super()._reply(status, *hub.lies[endpoint](value, dict(headers or {})))
        else:
            super()._reply(status, value, headers)

    def _go_on(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, text)
        self.end_headers()
        piece = b"%x\r\n" % (1 << 16) + b" " * (1 << 16) + b"\r\n"
        for _ in range(MOST >> 16):
            self.wfile.write(piece)  # which fails where its guest has had enough
        self.wfile.write(b"0\r\n\r\n")
        assert isinstance(self.hub, Liar)
        self.hub.went_to_its_end = True


class Elsewhere:
    """Another host, which keeps the headers of whoever comes."""

    def __init__(self) -> None:
        came: list[dict[str, str]] = []
        self.came = came

        class Listening(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                came.append({name.lower(): text for name, text in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"{}")

            do_POST = do_PUT = do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.2", 0), Listening)
        self.url = f"http://127.0.0.2:{self._server.server_port}"

    def __enter__(self) -> Elsewhere:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def liar(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    monkeypatch.setattr(client, "FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # that variable, for a library that is loaded
    with Liar() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        hub.make(STRANGER, {"train.jsonl": (json.dumps(ROW) + "\n").encode() * 3, "README.md": b"---\n---\nRows.\n"})
        yield hub


def fingen(*arguments: object) -> Result:
    ran = CliRunner().invoke(cli.main, [str(each) for each in arguments], prog_name="fingen")
    assert "Traceback" not in ran.output
    assert isinstance(ran.exception, SystemExit | None), ran.exception
    return ran


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def sizes(number: Any) -> Any:
    def lie(value: Any, headers: dict[str, str]) -> Any:
        return {**value, "siblings": [{**each, "size": number} for each in value["siblings"]]}, headers

    return lie


def named(name: str, text: str) -> Any:
    return lambda value, headers: (value, {**headers, name: text})


LIES: dict[str, tuple[str, Any]] = {
    **{f"a size of {number!r}": ("info", sizes(number)) for number in (-(1 << 62), 1 << 62, "1", None, 0.5, [1])},
    "files without end": ("info", lambda value, headers: ({**value, "siblings": value["siblings"] * 50_000}, headers)),
    "no files": ("info", lambda value, headers: ({**value, "siblings": None}, headers)),
    "files that are none": ("info", lambda value, headers: ({**value, "siblings": [1, None, "a", {}]}, headers)),
    "a commit that is a path": ("info", lambda value, headers: ({**value, "sha": "../../x\x1b[2J"}, headers)),
    "no commit": ("info", lambda value, headers: ({**value, "sha": None}, headers)),
    "a list": ("info", lambda value, headers: ([value], headers)),
    "JSON without end": ("info", lambda value, headers: (b'{"a":' * 100_000, headers)),
    "no JSON": ("info", lambda value, headers: (b"<html>log in</html>", headers)),
    "a tag that leads up": ("resolve", named("ETag", '"x/../../../../../../ran"')),
    "a tag that is a path": ("resolve", named("ETag", '"/tmp/ran"')),
    "a tag of kilobytes": ("resolve", named("ETag", f'"{"x" * 9_000}"')),
    "a commit in a header": ("resolve", named("X-Repo-Commit", "../../../ran")),
    "a size in a header": ("resolve", named("X-Linked-Size", str(1 << 62))),
    "a tag in a header": ("resolve", named("X-Linked-ETag", '"../../../../ran"')),
}


@pytest.mark.parametrize("name", LIES)
def test_what_a_hub_says_of_its_files_is_not_believed(liar: Liar, desk: Path, name: str):
    endpoint, lie = LIES[name]
    liar.lies[endpoint] = lie
    before = files_of(desk.parent)
    ran = fingen("pull", STRANGER, "--out", "back")

    assert ran.exit_code in (0, 2, 3), ran.output
    assert "\x1b" not in ran.output
    assert len(ran.output) < 5_000
    assert not Path("/tmp/ran").exists()
    assert all(path.startswith(f"{desk.name}/back/") for path in files_of(desk.parent) - before)
    if ran.exit_code:
        assert not (desk / "back/manifest.json").exists()


def merges() -> str:
    """Some lines that stand for ten to the twelfth of keys."""
    lines = (f"b{at}: &b{at} {{<<: [*b{at - 1}, *b{at - 1}], k{at}: 1}}" for at in range(1, 40))
    return "\n".join(["b0: &b0 {a: 1}", *lines, "configs: *b39"])


CARDS = {
    "merges": merges(), "a number": "configs: 5", "a mapping": "configs: {a: 1}", "numbers": "configs: [1, null, [a]]",
    "files that are numbers": "configs: [{config_name: default, data_files: 5}]",
    "patterns": f"configs: [{{config_name: default, data_files: [{', '.join(['x*'] * 9_999)}]}}]",
    "a pattern of stars": f"configs: [{{config_name: default, data_files: '{'*a' * 500}'}}]",
    "a path": "configs: [{config_name: default, data_files: ../../../etc/passwd}]",
    "a name that steers": 'configs: [{config_name: "a\\e[2J", data_files: x}, {config_name: b, data_files: y}]',
    "depth": "configs: " + "[" * 5_000, "an object": "configs: !!python/object/apply:os.system [touch ran]",
}  # fmt: skip


@pytest.mark.parametrize("name", CARDS)
def test_a_card_without_sense_is_no_more_than_that(liar: Liar, desk: Path, name: str):
    liar.make(
        STRANGER, {"train.jsonl": (json.dumps(ROW) + "\n").encode(), "README.md": f"---\n{CARDS[name]}\n---\n".encode()}
    )
    ran = fingen("pull", STRANGER, "--out", "back")

    assert ran.exit_code in (0, 2), ran.output
    assert "\x1b" not in ran.output
    assert not (desk / "ran").exists()


@pytest.mark.parametrize("number", [-1, -(1 << 62)])
def test_a_size_below_zero_allows_no_more(liar: Liar, desk: Path, number: int):
    liar.lies["info"] = sizes(number)
    rows = (json.dumps({**ROW, "output": "x" * 400_000}) + "\n").encode() * 3
    liar.make("stranger/many", {"train.jsonl": rows})

    assert "may be taken" in fingen("pull", "stranger/many", "--max-mib", 1).stderr


@pytest.mark.parametrize("endpoint", ["info", "resolve"])
def test_a_body_without_an_end_is_broken_off(liar: Liar, desk: Path, endpoint: str):
    liar.endless.add(endpoint)
    ran = fingen("pull", STRANGER, "--out", "back", "--max-mib", 1)

    assert ran.exit_code in (2, 3), ran.output
    assert not liar.went_to_its_end
    assert "bytes that may be taken" in ran.stderr
    assert not (desk / "back/manifest.json").exists()


TRIED_AGAIN = ("preupload", "batch")  # by the client itself, for half a minute
ENDPOINTS = ("whoami", "info", "resolve", "create", "commit", "validate")


@pytest.mark.parametrize(
    "endpoint", [*ENDPOINTS, *(pytest.param(name, marks=pytest.mark.slow) for name in TRIED_AGAIN)]
)
def test_the_token_does_not_follow_to_another_host(liar: Liar, desk: Path, endpoint: str):
    pushed()
    with Elsewhere() as elsewhere:
        liar.elsewhere[endpoint] = elsewhere.url
        for command in (("pull", REPO, "--out", "back"), ("push", "--repo", "you/other", "--allow-offline", "--yes")):
            assert fingen(*command).exit_code in (0, 2, 3)

    assert all(TOKEN not in text for headers in elsewhere.came for text in headers.values())
