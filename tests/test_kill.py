"""`fingen pdf2qa` with a paid teacher, killed, interrupted, out of disk and run three times at once: nothing paid is lost.

The command runs in a process of its own against the stub server in this one, which knows what was paid. The set that comes
out in the end must be, to the byte, the one of a run that nothing disturbed.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from patience import PATIENCE, wait_until
from prose import prose
from stub_batches import StubBatches
from stub_llm import StubLLM

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

AT_ONCE = 8
QUEUE = 16  # answers that may be on their way to the disk while others are asked for
PROXIES = re.compile(r"(?i)(https?|all)_proxy$")  # a client would make a TLS context for each of them
COMPANIES = "Northwind Southgate Eastbrook Westfield Midland Highmoor Lowland Farley".split()
CITIES = "Bergen Oslo Turku Aarhus Malmo Tampere Odense Umea Narvik Vaasa Skive Lund".split()
GOODS = "lenses probes gauges sensors lasers valves pumps scales meters relays drives".split()
CAUSES = ("customers replaced old machines", "two rivals left the market", "a new line began to deliver",
          "hospitals renewed their contracts", "freight became cheaper", "dealers filled their stores")  # fmt: skip


# ---- reports, and what the server says about them


def paragraphs(number: int) -> list[str]:
    """Two paragraphs about a plant; no two plants have a sentence in common."""
    goods, plant = GOODS[number % len(GOODS)], f"{CITIES[number % len(CITIES)]} plant {number}"
    sentences = (
        f"Revenue of the {plant} increased in 2024 because {CAUSES[number % len(CAUSES)]} and ordered more {goods}.",
        f"The {plant} makes {goods} for makers of tools, who test them in the open before they build them in.",
        f"The order book of the {plant} means the {goods} that buyers have promised in writing to take and to pay for.",
        f"A fire at the {plant} would stop the delivery of {goods}, for which no second supplier has been found so far.",
    )
    return [" ".join(sentences[:2]), " ".join(sentences[2:])]


def write_reports(folder: Path, count: int, plants: int) -> None:
    """Annual reports of as many companies, each about as many plants: a title page, and a page for each two plants."""
    folder.mkdir(parents=True)
    for report in range(count):
        with pymupdf.open() as pdf:
            page = pdf.new_page()
            page.insert_text((72, 200), f"{COMPANIES[report]} Instruments Inc.", fontsize=26, fontname="hebo")
            page.insert_text((72, 260), "Annual Report 2024", fontsize=20)
            page.insert_text((72, 300), "for the fiscal year ended December 31, 2024", fontsize=12)
            for place in range(plants):
                number = report * plants + place
                if place % 2 == 0:
                    page, y = pdf.new_page(), 90
                page.insert_text((72, y), f"The plant number {number}", fontsize=16, fontname="hebo")
                y += 28
                for paragraph in paragraphs(number):
                    for line in textwrap.wrap(paragraph, 78):
                        page.insert_text((72, y), line, fontsize=11)
                        y += 14
                    y += 14
                y += 20
            # The same bytes each time: which passage goes to which split follows from them.
            pdf.save(folder / f"report{report}.pdf", deflate=True, no_new_id=True, reproducible=True)


def reply(body: dict[str, Any]) -> str:
    """One valid pair about the first passage: its first sentence, asked for by the plant it is about."""
    prompt = next(turn["content"] for turn in body["messages"] if turn["role"] == "user")
    company = re.search(r"^Company: (.*)$", prompt, re.MULTILINE)[1]
    text = prompt.partition("Pages: ")[2].partition("\n\n")[2].partition("</passage>")[0]
    sentences = re.findall(r"(?:Revenue|The|A) [^.]{60,}\.", " ".join(text.split()))
    if not sentences:
        return '{"items": [], "reason": "no sentence to quote"}'
    kind = "concept" if "concept pair" in str(body.get("system", body["messages"][0])) else "summary"
    quote = sentences[0 if kind == "concept" else -1]
    plant = re.search(r"\w+ plant \d+", quote)[0]
    pair = {
        "question": f"What does {company} say in its report for 2024 on the {plant}, as a {kind}?",
        "rephrased": f"On the {plant}: which {kind} does {company} give in the report for 2024?",
        "answer": f"{quote} {prose(quote)}",
        "evidence": [quote],
        "calc": None,
    }
    return json.dumps({"items": [pair], "reason": None})


class Server(StubLLM):
    """Keeps no cache, so that usage does not depend on who came first; can hold its answers back."""

    def __init__(self, **options: Any) -> None:
        super().__init__(reply=reply, **options)
        self.open = threading.Event()
        self.open.set()

    async def _pay(self, *arguments: Any) -> Any:
        response = await super()._pay(*arguments)
        while not self.open.is_set():
            await asyncio.sleep(0.01)
        return response

    def _usage(self, body: dict[str, Any], text: str) -> Counter[str]:
        self._cached.clear()
        return super()._usage(body, text)


class BatchServer(Server, StubBatches):
    """The same, for batches; says when something was asked of it."""

    def __init__(self, **options: Any) -> None:
        self.asked_something = threading.Event()
        super().__init__(hook=lambda step: self.asked_something.set(), **options)


# ---- running it


@dataclass
class Desk:
    """A folder to work in, with reports, and the server that answers."""

    folder: Path
    server: Server
    aside: Path  # where the journal is looked at
    ways: tuple[str, ...] = ()  # options of all its runs

    @property
    def set(self) -> Path:
        return self.folder / "build" / "set"

    def start(
        self, *arguments: str, limit_bytes: int | None = None, code: str | None = None, terminal: int | None = None
    ) -> subprocess.Popen[str]:
        """The command, or code that ends in it, in a process group of its own: Ctrl-C reaches the reading processes too."""

        def prepare() -> None:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
            if limit_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, resource.RLIM_INFINITY))
            if terminal:
                fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        environment = {name: value for name, value in os.environ.items() if not PROXIES.match(name)}
        environment |= {"ANTHROPIC_BASE_URL": self.server.url, "ANTHROPIC_API_KEY": "sk-for-tests"}
        options = (
            "--out",
            "build/set",
            "--teacher",
            "anthropic",
            "--concurrency",
            str(AT_ONCE),
            "--chunk-tokens",
            "128",
            "--workers",
            "1",
        )
        return subprocess.Popen(
            [
                sys.executable,
                *(("-c", code) if code else ("-m", "fingen")),
                "pdf2qa",
                "in",
                *options,
                *self.ways,
                *arguments,
            ],
            cwd=self.folder,
            env=environment,
            stdin=terminal,
            stdout=terminal or subprocess.PIPE,
            stderr=terminal or subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=prepare,
        )

    def finish(self, *arguments: str) -> str:
        """Run the command to its end; returns what it said."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return out

    def stored(self) -> dict[int, tuple[str, str]]:
        """All answers that are on the disk, by row, read from a copy: looking must not mend what a kill left behind."""
        journal = self.set / "journal.sqlite"
        if not journal.exists():
            return {}
        self.aside.mkdir(exist_ok=True)
        copy = self.aside / journal.name
        for end in ("", "-wal", "-shm"):
            copy.with_name(copy.name + end).unlink(missing_ok=True)
        for path in (journal, journal.with_name("journal.sqlite-wal")):
            if path.exists():
                shutil.copy(path, copy.parent)
        with closing(sqlite3.connect(copy)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'completions'").fetchone():
                return {}
            return {row: (key, text) for row, key, text in db.execute("SELECT id, key, text FROM completions")}

    def content(self) -> dict[str, bytes]:
        """All files of the set but its journal and its locks."""
        return {path.name: path.read_bytes() for path in self.set.iterdir() if not re.match(r"journal|\.", path.name)}


@contextmanager
def undisturbed(folder: Path, server: Server, *ways: str, reports: int, plants: int) -> Iterator[Desk]:
    """A desk where the command ran in peace."""
    with server:
        peace = Desk(folder / "peace", server, folder / "aside", ways)
        write_reports(peace.folder / "in", reports, plants)
        peace.finish()
        assert server.paid == len(peace.stored())
        assert server.paid_twice == 0
        yield peace


@pytest.fixture(scope="module")
def peace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with undisturbed(tmp_path_factory.mktemp("peace"), Server(), reports=2, plants=20) as peace:
        assert peace.server.received == peace.server.paid
        yield peace


def begin(peace: Desk, folder: Path, latency: float = 0.0) -> Desk:
    """A desk with the same reports. One server serves both: a teacher's name, which stands in the set, holds its address."""
    server = peace.server
    server.open.set()
    wait_until_idle(server)  # answers that an earlier test held back
    for counts in (server.attempts, server.paid_by_request, server.statuses, server.struck, server.tokens):
        counts.clear()
    server.requests.clear()
    server.latency = latency
    desk = Desk(folder / "desk", server, folder / "aside", peace.ways)
    shutil.copytree(peace.folder / "in", desk.folder / "in")
    shutil.copytree(peace.folder / "build" / "cache", desk.folder / "build" / "cache")  # what was read, not asked
    return desk


def in_the_end(desk: Desk, peace: Desk) -> None:
    """The set is whole, and the one of a run that nothing disturbed; each request has one answer in the journal."""
    assert desk.content() == peace.content()
    assert sorted(desk.stored().values()) == sorted(peace.stored().values())


# ---- killed


def storm(peace: Desk, folder: Path, kills: int) -> tuple[int, int]:
    """Kill the command again and again, all along its way to the end, and let it end.

    Returns how many kills struck with requests in flight, and how many answers were stored at the last one.
    """
    chance = random.Random(7)
    desk = begin(peace, folder, latency=0.05)
    server, requests = desk.server, len(peace.stored())
    before: dict[int, tuple[str, str]] = {}
    lost: list[int] = []
    struck = 0
    for number in range(kills):
        process = desk.start()
        if number % 5 == 4:
            time.sleep(chance.uniform(0.0, 2.0))  # at any moment: while it starts, reads, asks, or checks
        else:
            share = 2 * (requests - len(before)) // (kills - number)
            wait_until_paid(server, server.paid + AT_ONCE + chance.randint(0, share), process)
            time.sleep(chance.uniform(0.0, 0.06))
        struck += server.in_flight > 0
        process.kill()
        process.communicate()
        wait_until_idle(server)
        after = desk.stored()
        assert before.items() <= after.items()  # what was stored stays
        lost.append(server.paid - len(after) - sum(lost))
        before = after
    desk.finish()

    assert before.items() <= desk.stored().items()
    in_the_end(desk, peace)
    assert server.paid_twice == sum(lost) == server.paid - requests
    assert all(0 <= each <= AT_ONCE + QUEUE for each in lost), lost
    return struck, len(before)


def wait_until_paid(server: Server, goal: int, process: subprocess.Popen[str]) -> None:
    """The server has been paid so many answers, or the run is over."""
    while server.paid < goal and process.poll() is None:
        time.sleep(0.002)


def wait_until_idle(server: Server) -> None:
    """The server's side of a connection ends a moment after its client."""
    wait_until(lambda: not server.in_flight)


def test_three_kills_lose_nothing_that_was_stored(peace: Desk, tmp_path: Path):
    storm(peace, tmp_path, 3)


@pytest.mark.slow
def test_thirty_kills_lose_nothing_that_was_stored(tmp_path: Path):
    with undisturbed(tmp_path / "long", Server(), reports=5, plants=32) as peace:
        requests = len(peace.stored())
        struck, stored = storm(peace, tmp_path, 30)

    assert requests >= 300
    assert struck >= 15
    assert stored > requests / 2  # the kills were all along the way


def expiring(**options: Any) -> BatchServer:
    """Of the requests in batches, some expire: then there is more than one batch on the way to the end."""
    return BatchServer(seconds=0.3, item_faults={"expired": 0.3}, faulty_attempts=2, **options)


@pytest.mark.slow
def test_kills_of_a_run_with_batches_buy_nothing_twice(tmp_path: Path):
    chance = random.Random(7)
    with undisturbed(tmp_path / "long", server := expiring(), "--batch", reports=2, plants=20) as peace:
        desk = begin(peace, tmp_path)
        before: dict[int, tuple[str, str]] = {}
        struck = 0
        for number in range(16):
            server.asked_something.clear()
            process = desk.start("--no-wait")  # sends, or collects and sends again, and ends
            if number % 4 == 3:
                time.sleep(chance.uniform(0.0, 2.0))
            else:
                while process.poll() is None and not server.asked_something.wait(0.002):
                    pass
                time.sleep(chance.uniform(0.0, 0.1))
            struck += process.poll() is None
            process.kill()
            process.communicate()
            after = desk.stored()
            assert before.items() <= after.items()
            before = after
        desk.finish()

        assert struck >= 6
        assert before.items() <= desk.stored().items()
        assert (server.paid, server.paid_twice) == (len(peace.stored()), 0)
        in_the_end(desk, peace)


# ---- interrupted


# The command, which leaves a file when it has been told to stop.
TELLING = """
from pathlib import Path
from fingen.cli import main
from fingen.teachers import dispatch

stop = dispatch._Run.stop

def told(run, error):
    stop(run, error)
    Path("told").touch()

dispatch._Run.stop = told
main()
"""


IN_THE_BACKGROUND = f"""
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
{TELLING}"""


SLOW_TO_TELL = f"""
from fingen.cli import common
common.HANGUP_SECONDS = {PATIENCE}
{TELLING}"""


def interrupt(process: subprocess.Popen[str], desk: Desk, *endings: signal.Signals) -> None:
    """Ctrl-C, or what else ends a run, and wait until the command has heard it."""
    for ending in endings or [signal.SIGINT]:
        os.killpg(process.pid, ending)
        wait_until((desk.folder / "told").exists, process)


def end_in_flight(desk: Desk, code: str, *endings: signal.Signals) -> None:
    """Ctrl-C, or what is like it, while all answers are still held back: they are waited for and stored, and no more is sent."""
    server = desk.server
    server.open.clear()
    process = desk.start(code=code)
    wait_until(lambda: server.in_flight == AT_ONCE, process)
    interrupt(process, desk, *endings)
    server.open.set()
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert out == ""
    assert server.paid == len(desk.stored()) == AT_ONCE
    assert not (desk.set / "manifest.json").exists()


def test_ctrl_c_finishes_what_is_in_flight_and_sends_nothing_more(peace: Desk, tmp_path: Path):
    desk = begin(peace, tmp_path)
    end_in_flight(desk, TELLING, signal.SIGINT)

    assert f"asked now, {AT_ONCE} from the journal" in desk.finish()
    assert desk.server.paid_twice == 0
    in_the_end(desk, peace)


@pytest.mark.parametrize(
    ("endings", "code"),
    [
        ([signal.SIGTERM], TELLING),
        ([signal.SIGTERM], IN_THE_BACKGROUND),
        ([signal.SIGHUP, signal.SIGHUP], SLOW_TO_TELL),
        ([signal.SIGTERM, signal.SIGHUP], SLOW_TO_TELL),
    ],
    ids=["a scheduler", "a scheduler, behind a script", "a terminal, and its shell", "the end of a session"],
)
def test_what_else_ends_a_run_ends_it_as_ctrl_c_does(
    peace: Desk, tmp_path: Path, endings: list[signal.Signals], code: str
):
    end_in_flight(begin(peace, tmp_path), code, *endings)


OTHER_THREAD = f"""
import signal, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGINT}})
{TELLING}"""


@pytest.mark.parametrize(
    ("code", "second"),
    [(TELLING, signal.SIGINT), (OTHER_THREAD, signal.SIGINT), (TELLING, signal.SIGTERM)],
    ids=["the main thread hears it", "another thread hears it", "it is SIGTERM"],
)
def test_a_second_ctrl_c_ends_at_once(peace: Desk, tmp_path: Path, code: str, second: signal.Signals):
    """The answers are held back until after the end: nobody can have waited for them."""
    desk = begin(peace, tmp_path)
    server = desk.server
    process = desk.start(code=code)
    wait_until(lambda: server.paid >= 12, process)
    server.open.clear()
    wait_until(lambda: server.in_flight == AT_ONCE and len(desk.stored()) == server.paid - AT_ONCE, process)
    interrupt(process, desk, second)
    wait_until(
        lambda: sys.platform != "linux" or " S " in Path(f"/proc/{process.pid}/stat").read_text(), process
    )  # it waits for the answers
    os.killpg(process.pid, second)
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130, err
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert len(desk.stored()) == server.paid - AT_ONCE
    server.open.set()


def test_a_hangup_that_is_ignored_ends_nothing(peace: Desk, tmp_path: Path):
    """As under nohup."""
    desk = begin(peace, tmp_path)
    server = desk.server
    server.open.clear()
    ignoring = "import pathlib, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); pathlib.Path('ignoring').touch()"
    process = desk.start(code=f"{ignoring}\n{TELLING}")
    wait_until((desk.folder / "ignoring").exists, process)
    wait_until(lambda: server.in_flight == AT_ONCE, process)
    os.killpg(process.pid, signal.SIGHUP)
    server.open.set()
    _, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, err
    in_the_end(desk, peace)


def test_a_closed_terminal_loses_nothing_that_is_in_flight(peace: Desk, tmp_path: Path):
    """What the command still has to say goes nowhere, and ends nothing."""
    desk = begin(peace, tmp_path)
    server = desk.server
    server.open.clear()
    ours, theirs = pty.openpty()
    process = desk.start(code=TELLING, terminal=theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = bytearray()

    def are_asked() -> bool:
        with suppress(BlockingIOError):
            shown.extend(os.read(ours, 1 << 16))
        return server.in_flight == AT_ONCE and b"asking" in shown

    wait_until(are_asked, process)
    os.close(ours)
    wait_until((desk.folder / "told").exists, process)
    server.open.set()

    assert process.wait(PATIENCE) == 130
    assert server.paid == len(desk.stored()) == AT_ONCE


# ---- out of disk


def lost_for_want_of_disk(desk: Desk, process: subprocess.Popen[str]) -> int:
    """The command ends with a clear message and a journal that is sound; returns how many paid answers are not in it."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4, err
    assert "cannot be written" in err
    assert "free some disk space, then run the same command again" in err
    assert "Traceback" not in err
    assert "never retrieved" not in err
    assert out == ""
    assert not (desk.set / "manifest.json").exists()
    wait_until_idle(desk.server)
    return desk.server.paid - len(desk.stored())


def test_files_that_may_not_grow_end_the_run_and_it_can_be_resumed(peace: Desk, tmp_path: Path):
    desk = begin(peace, tmp_path, latency=0.01)
    # Less than the whole journal takes, however the machine's pace groups the answers into commits.
    lost = lost_for_want_of_disk(desk, desk.start(limit_bytes=200_000))

    assert 0 < len(desk.stored()) < len(peace.stored())
    assert lost <= AT_ONCE + QUEUE
    desk.finish()
    assert desk.server.paid_twice == lost
    in_the_end(desk, peace)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 20 MB; needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as e:
        pytest.skip(f"no disk to fill: {getattr(e, 'stderr', b'').decode().strip() or e}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(desk: Desk, disk: Path) -> list[int]:
    """Let the command run on a disk that is full at one place after another, each time with a little freed, to its end.

    Returns how many paid answers each run did not store.
    """
    shutil.copytree(desk.folder, disk, dirs_exist_ok=True)
    desk.folder = disk
    chance = random.Random(7)
    before: dict[int, tuple[str, str]] = {}
    lost: list[int] = []
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(shutil.disk_usage(disk).free - 250_000))
        while (process := desk.start()).wait(PATIENCE):
            lost.append(lost_for_want_of_disk(desk, process) - sum(lost))
            after = desk.stored()
            assert before.items() <= after.items()  # what was stored stays
            before = after
            ballast.truncate(ballast.tell() - sum(chance.randint(20_000, 200_000) for _ in lost))
        process.communicate()

    assert len(lost) >= 3
    assert before.items() <= desk.stored().items()
    return lost


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_it_can_be_resumed(peace: Desk, tmp_path: Path, disk: Path):
    desk = begin(peace, tmp_path, latency=0.01)
    lost = fill(desk, disk)

    assert all(0 <= each <= AT_ONCE + QUEUE for each in lost), lost
    assert desk.server.paid_twice == sum(lost)
    in_the_end(desk, peace)


@pytest.mark.slow
def test_a_full_disk_loses_no_answer_of_a_batch(tmp_path: Path, disk: Path):
    with undisturbed(tmp_path / "long", expiring(), "--batch", reports=2, plants=20) as peace:
        desk = begin(peace, tmp_path)
        fill(desk, disk)

        assert desk.server.paid_twice == 0
        in_the_end(desk, peace)


# ---- three at once


def test_three_processes_at_once_buy_nothing_twice(peace: Desk, tmp_path: Path):
    """Each ends well, or says that another one works on the set; that one is started again, as its user would."""
    desk = begin(peace, tmp_path, latency=0.05)
    processes = [desk.start() for _ in range(3)]
    ended: list[int] = []
    while processes:
        process = processes.pop(0)
        out, err = process.communicate(timeout=PATIENCE)
        ended.append(process.returncode)
        assert len(ended) < 30
        if process.returncode == 0:
            assert "from the journal" in out
        else:
            assert (process.returncode, "another fingen process works on it" in err) == (2, True), err
            processes.append(desk.start())

    assert ended.count(0) == 3
    assert desk.server.paid == len(peace.stored())
    assert desk.server.paid_twice == 0
    in_the_end(desk, peace)
