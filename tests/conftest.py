"""What every test gets: no network beyond this machine, no keys, and the shared real documents where they are there."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Read by torch when it is loaded, here and in children: the models are too small for two threads, and tests share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
SECRETS = re.compile(r"(API_KEY|_TOKEN|_SECRET|_BASE_URL)$")  # keys, and where they would be sent
DEAD_PROXY = "http://127.0.0.1:9"  # the discard port: a child process that asks for a page elsewhere is refused at once
LOOPBACK_NAMES = {"", "localhost"}

settings.register_profile("fingen", deadline=None)  # how long an example takes says nothing of what it proves
settings.load_profile("fingen")


class NetworkForbiddenError(RuntimeError):
    """A test reached for the network. No OSError, so that code which retries those cannot swallow it."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real documents; the test is skipped without it."""
    folder = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real documents at {folder}; FINGEN_TEST_DATA can name another folder")
    return folder


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The folder of a real base model, SmolLM2-135M-Instruct in fp32; the test is skipped without it."""
    from smollm2 import FOLDER, HOW

    if not FOLDER.is_dir():
        pytest.skip(f"no SmolLM2 at {FOLDER}; `make smollm2` fetches it: {HOW}")
    return FOLDER


@pytest.fixture(scope="session")
def parses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what was read of the real documents is kept: each is read once, for all tests and all their processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "parses"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def readers_here() -> Iterator[None]:
    """Commands that run in this process read reports in it too."""
    from readers import read_here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fingen.pipeline.reading.read_documents", read_here)
        yield


@pytest.fixture(scope="session")
def sample_set(_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set that the offline teacher makes of the sample, with closed-book and open-book rows. To be copied, not changed."""
    from click.testing import CliRunner
    from readers import read_here

    from fingen.cli import main

    desk = tmp_path_factory.mktemp("sample")
    command = [
        "pdf2qa",
        str(ROOT / "raw"),
        "--teacher",
        "offline",
        "--context",
        "both",
        "--out",
        "build/demo",
        "--quiet",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        patch.setattr("fingen.pipeline.reading.read_documents", read_here)
        ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 0, ran.output
    return desk / "build" / "demo"


@pytest.fixture(scope="session", autouse=True)
def _offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The one switch: sockets reach only this machine, here and (through a dead proxy) in child processes; no keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if SECRETS.search(name)]:
            patch.delenv(name)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.setenv(name, DEAD_PROXY)
            patch.setenv(name.lower(), DEAD_PROXY)
        patch.setenv("NO_PROXY", "localhost,127.0.0.1,::1")
        patch.setenv("no_proxy", "localhost,127.0.0.1,::1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))  # a stored token is a key too
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
        patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
        yield


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_unless_loopback(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(getaddrinfo: Any) -> Any:
    def guarded(host: str | bytes | None, *args: Any, **kwargs: Any) -> Any:
        if host is not None:
            _refuse_unless_loopback(host)
        return getaddrinfo(host, *args, **kwargs)

    return guarded


def _refuse_unless_loopback(host: str | bytes) -> None:
    name = os.fsdecode(host).lower()
    if name in LOOPBACK_NAMES:
        return
    try:
        loopback = ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NetworkForbiddenError(f"a test tried to reach {name}; run a server on this machine instead")
