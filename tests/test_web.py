"""A page of this machine: who is let in to it, how it is served, and how it ends."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
pytest.importorskip("starlette", reason="the extra [review] is not installed")

from patience import PATIENCE

SERVER = """
import sys
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from fingen.web.server import serve_page, static_files

async def hello(request):
    return PlainTextResponse("hello", headers={"content-security-policy": "default-src *", "x-own": "kept"})

routes = [Mount("/static", static_files())] + [
    Route(path, hello, methods=["GET", "POST"]) for path in ("/", "/open", "/{rest:path}")]
serve_page(Starlette(routes=routes), None, lambda text: print(text, flush=True), open_paths={"/open"})
"""


class Page:
    """A running server, and the address that it gave."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)\n", process.stdout.readline())
        assert found
        self.port, self.token = int(found[1]), found[2]

    def ask(self, path: str = "/", method: str = "GET", *, host: str | None = None, **headers: str):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        given = {"Host": host or f"127.0.0.1:{self.port}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        connection.putrequest(method, path, skip_host=True)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    @property
    def cookie(self) -> str:
        return f"fingen-{self.port}={self.token}"


@contextmanager
def running() -> Iterator[Page]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Page(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with running() as page:
        yield page


def test_the_token_goes_from_the_address_into_a_cookie_and_the_rest_of_the_address_stays(page: Page):
    status, headers, _ = page.ask(f"/set?split=train&token={page.token}&q=%E4%B8%80")

    assert (status, headers["location"]) == (303, "/set?split=train&q=%E4%B8%80")
    assert headers["set-cookie"].startswith(f"{page.cookie};")
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["set-cookie"].split("; "))
    assert page.ask(headers["location"], cookie=f"other=1; {page.cookie}")[0::2] == (200, "hello")


def test_a_program_gives_the_token_as_its_key_and_open_paths_need_none(page: Page):
    assert page.ask(authorization=f"Bearer {page.token}")[0] == 200
    assert page.ask("/open")[0] == 200


@pytest.mark.parametrize(
    ("path", "given"),
    [("/", {}), ("/static/base.css", {}), ("/?token=", {}), ("/?token=wrong", {}), ("/?token=%C3%A9", {}), ("/open/", {}), ("/", {"cookie": "fingen-1=x"}),
     ("/", {"authorization": "Bearer "}), ("/", {"authorization": "Basic eDp4"}), ("/", {"cookie": ";;=;\xe9=\xff"})],
)  # fmt: skip
def test_who_has_no_token_is_refused(page: Page, path: str, given: dict[str, str]):
    status, headers, body = page.ask(path, **given)

    assert status == 403
    assert "hello" not in body
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("host", "origin"),
    [("evil.example", None), ("127.0.0.1", None), ("evil.example:{port}", "http://evil.example:{port}"), (None, "http://evil.example"),
     (None, "null"), (None, "https://127.0.0.1:{port}"), (None, "http://127.0.0.1:1"), ("127.0.0.1.nip.io:{port}", None)],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_right_token_under_another_name_or_from_another_page_is_refused(page: Page, host, origin, method: str):
    given = {"origin": origin.format(port=page.port)} if origin else {}
    status, _, body = page.ask(
        "/", method, host=host and host.format(port=page.port), cookie=page.cookie, content_length="0", **given
    )

    assert status == 403
    assert "hello" not in body


def test_its_own_page_may_send(page: Page):
    for host in (f"127.0.0.1:{page.port}", f"localhost:{page.port}"):
        given = {"cookie": page.cookie, "origin": f"http://{host}", "content_length": "0"}
        assert page.ask("/", "POST", host=host, **given)[0] == 200


def test_every_answer_forbids_what_is_from_outside(page: Page):
    for path, cookie in [("/", page.cookie), ("/", ""), (f"/?token={page.token}", ""), ("/static/none", page.cookie)]:
        _, headers, _ = page.ask(path, cookie=cookie)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
    assert page.ask(cookie=page.cookie)[1]["x-own"] == "kept"


def test_the_way_to_a_page_leads_to_this_server_only(page: Page):
    for path in ("//evil.example/", "/\\evil.example/", "///evil.example"):
        status, headers, _ = page.ask(f"{path}?token={page.token}")
        assert status == 303
        assert re.match(r"/(?![/\\])", headers["location"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_ended_by_a_signal_and_only_this_machine_reaches_it(number: signal.Signals):
    with running() as page:
        assert page.ask(cookie=page.cookie)[0] == 200
        with socket.socket() as other:
            other.settimeout(PATIENCE)
            assert other.connect_ex((_own_address(), page.port)) != 0
        page.process.send_signal(number)
        _, said = page.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in said
        assert page.process.returncode == (0 if number == signal.SIGINT else -signal.SIGTERM)


def _own_address() -> str:
    """Another address of this machine than 127.0.0.1."""
    return "127.0.0.2" if os.name == "posix" else socket.gethostbyname(socket.gethostname())


def test_a_port_that_is_taken_is_said():
    from fingen.errors import UsageError
    from fingen.web.server import take_port

    with take_port(None) as held, pytest.raises(UsageError, match=r"port \d+ is taken") as caught:
        take_port(held.getsockname()[1])
    assert "--port" in caught.value.hint
