"""The whole command against an independent model server: the npm package @copilotkit/aimock speaks both protocols.

`.ci/run system` installs it beside this file. Where node or the package is missing, these tests are skipped.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE
from prose import chinese_prose, prose
from readers import read_here
from rows import read_rows
from test_kill import PROXIES

from fingen import cli
from fingen.pipeline import reading
from fingen.teachers import asking, dispatch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(__file__).with_name("node_modules") / "@copilotkit" / "aimock"
KEY = "sk-for-tests-8c1f5e"
LIMIT = 4  # passages asked about; one request each
PRICES = {"anthropic": (0.10, 0.50), "openai": (0.15, 0.60)}  # USD per million tokens in and out; the second is given
COMMAND = (
    "pdf2qa",
    str(ROOT / "raw"),
    "--sections",
    "business overview,risk factors,管理层讨论",
    "--task",
    "concept",
    "--limit",
    str(LIMIT),
    "--workers",
    "1",
    "--out",
    "build/set",
)
Row = dict[str, Any]


# ---- the server, and what it is told to say


@dataclass
class Aimock:
    """The server as the tests see it."""

    url: str

    def received(self) -> list[Row]:
        """The requests that a model was to answer, oldest first, each with its body and the status of its response."""
        request = urllib.request.Request(f"{self.url}/__aimock/journal", headers={"x-api-key": KEY})
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return [row for row in json.load(response) if row["method"] == "POST"]

    def statuses(self) -> Counter[int]:
        return Counter(row["response"]["status"] for row in self.received())


@pytest.fixture(scope="session")
def node() -> str:
    """The command `node`, where it can run the package."""
    node = shutil.which("node")
    if node is None or not PACKAGE.is_dir():
        pytest.skip("no node, or no @copilotkit/aimock: `npm ci --prefix tests` installs it")
    wanted = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))["engines"]["node"].removeprefix(">=")
    found = (
        subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip().removeprefix("v")
    )
    if [*map(int, found.split("."))] < [*map(int, wanted.split("."))]:
        pytest.skip(f"node {found} is too old for @copilotkit/aimock, which needs {wanted}")
    return node


@contextmanager
def serve(node: str, fixtures: list[Row]) -> Iterator[Aimock]:
    """Run the server on a free port of this machine. It takes one key, and answers what no fixture is for with 404."""
    Path("fixtures.json").write_text(json.dumps({"fixtures": fixtures}), encoding="utf-8")
    command = [node, PACKAGE / "dist" / "cli.js", "--port", "0", "--fixtures", "fixtures.json", "--validate-on-load"]
    log = Path("aimock.log")
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"AIMOCK_API_KEYS": KEY})
    try:
        yield Aimock(wait_for_url(log, server))
    finally:
        server.kill()
        server.wait(PATIENCE)


def wait_for_url(log: Path, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (said := re.search(r"listening on (http://127\.0\.0\.1:\d+)", log.read_text(encoding="utf-8"))):
        assert server.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return said[1]


def pair(prompt: str) -> str:
    """A valid answer: one pair about the longest paragraph of the passage, with the company and the year of its report."""
    company, report = re.findall(r"^(?:Company: |公司：|Report: |报告：)(.+)$", prompt, re.MULTILINE)[:2]
    year = re.search(r"20\d\d", report)[0]  # type: ignore[index]
    text = max((line for line in prompt.splitlines() if line.endswith((".", "。")) and " | " not in line), key=len)
    if text.endswith("。"):
        question = f"{company}{year}年年度报告对“{text[:12]}”作了怎样的说明？"
    else:
        question = f"What does {company} say in its report for {year} on “{text[:40]}”?"
    again = (
        f"{text[:12]}：{year}年年度报告里，{company}怎么说？"
        if text.endswith("。")
        else f"On {text[:40]!r} in {year}: {company} says what?"
    )
    answer = text + (chinese_prose(text) if text.endswith("。") else f" {prose(text)}")
    item = {"question": question, "rephrased": again, "answer": answer, "evidence": [text], "calc": None}
    return json.dumps({"items": [item], "reason": None}, ensure_ascii=False)


def fixtures(prompts: Sequence[str], *before: Row) -> list[Row]:
    """A good answer to each prompt, after those `before` (as {"response": ..., "chaos": ...}); tokens differ by prompt."""
    made = []
    for number, prompt in enumerate(prompts):
        usage = {"input_tokens": 1000 + number, "output_tokens": 100 + number}
        for place, other in enumerate(before):
            response = {"content": pair(prompt)[:80], "usage": usage} | other.get("response", {})
            match = {"userMessage": prompt, "sequenceIndex": place}
            made.append({"match": match, **other, "response": response})
        made.append({"match": {"userMessage": prompt}, "response": {"content": pair(prompt), "usage": usage}})
    return made


ONCE = Counter(input_tokens=sum(1000 + n for n in range(LIMIT)), output_tokens=sum(100 + n for n in range(LIMIT)))


# ---- running the command


@dataclass
class Desk:
    """A working directory where one of the two teachers is asked."""

    kind: str
    monkeypatch: pytest.MonkeyPatch

    def run(self, url: str, *arguments: str, key: str = KEY) -> Result:
        given = ["--teacher", "anthropic:claude-haiku-5-5"]
        if self.kind == "openai":
            price = ",".join(map(str, PRICES["openai"]))
            given = ["--teacher", "openai:gpt-6-luna", "--base-url", f"{url}/v1", "--price", price]
        self.monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        for account in ("ANTHROPIC", "OPENAI"):
            self.monkeypatch.setenv(f"{account}_API_KEY", key)
        return CliRunner().invoke(cli.main, [*COMMAND, "--repair", "0", *given, *arguments], prog_name="fingen")

    def journal(self) -> Row:
        ran = CliRunner().invoke(cli.main, ["journal", "build/set", "--json"], prog_name="fingen")
        return dict(json.loads(ran.stdout))

    def usd(self, tokens: Counter[str]) -> float:
        into, out = PRICES[self.kind]
        return (tokens["input_tokens"] * into + tokens["output_tokens"] * out) / 1e6


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What the teachers will be asked, and the folder where the report was read to know it."""
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(reading, "read_documents", read_here)
        ran = Desk("openai", patch).run("http://127.0.0.1:9", "--export-requests", "requests.jsonl")
    assert ran.exit_code == 0, ran.output
    bodies = [json.loads(line)["body"] for line in (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()]
    prompts = [body["messages"][-1]["content"] for body in bodies]
    assert len(set(prompts)) == LIMIT
    assert {"Company" in prompt for prompt in prompts} == {True, False}  # in both languages
    return prompts, folder


@pytest.fixture(params=["anthropic", "openai"])
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[list[str], Path]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(asked[1] / "build" / "cache", tmp_path / "build" / "cache")
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(reading, "read_documents", read_here)
    monkeypatch.setattr(dispatch, "FIRST_WAIT_SECONDS", 0.01)
    return Desk(request.param, monkeypatch)


@pytest.fixture
def prompts(asked: tuple[list[str], Path]) -> list[str]:
    return asked[0]


def made() -> list[Row]:
    """The closed-book rows of the set."""
    rows = read_rows(*(Path(f"build/set/{split}.jsonl") for split in ("train", "validation", "test")))
    return sorted(rows, key=lambda row: str(row["output"]))


def contents() -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in Path("build/set").iterdir() if not re.match(r"journal|\.", path.name)
    }


# ---- what it shows


def test_a_set_is_made_and_nothing_is_asked_for_twice(desk: Desk, node: str, prompts: list[str]):
    with serve(node, fixtures(prompts)) as server:
        ran = desk.run(server.url, "--json")
        assert ran.exit_code == 0, ran.output
        assert server.statuses() == {200: LIMIT}
        before = contents()
        again = desk.run(server.url, "--json")
        assert again.exit_code == 0, again.output
        assert server.statuses() == {200: LIMIT}

    summary = json.loads(ran.stdout)
    answers = sorted(json.loads(pair(prompt))["items"][0]["answer"] for prompt in prompts)
    assert [row["output"] for row in made()] == answers
    assert summary["rejects"] == {}
    assert {row["language"] for row in made()} == {"en", "zh"}
    assert all(row["evidence"] and row["teacher"].startswith(f"{desk.kind}:") for row in made())
    assert summary["cost_usd"] == pytest.approx(desk.usd(ONCE))
    assert {name: desk.journal()["usage"][name] for name in ONCE} == ONCE
    assert json.loads(again.stdout)["requests"]["asked"] == 0
    assert contents() == before


def test_errors_and_a_cut_answer_are_overcome_and_each_answer_is_counted(desk: Desk, node: str, prompts: list[str]):
    trouble = [
        {"response": {"error": {"message": "too fast", "type": "rate_limit_error"}, "status": 429, "retryAfter": 0}},
        {"response": {"error": {"message": "out of order"}, "status": 500}},
        {"response": {"finishReason": "length"}},
    ]
    with serve(node, fixtures(prompts, *trouble)) as server:
        ran = desk.run(server.url, "--json")
        assert ran.exit_code == 0, ran.output
        assert server.statuses() == {429: LIMIT, 500: LIMIT, 200: 2 * LIMIT}
        rooms = Counter(row["body"]["max_tokens"] for row in server.received())

    assert rooms == {4096: 3 * LIMIT, 8192: LIMIT}  # asked once more with twice the room
    assert len(made()) == LIMIT
    assert json.loads(ran.stdout)["cost_usd"] == pytest.approx(2 * desk.usd(ONCE))


def test_broken_connections_and_broken_bodies_are_overcome(desk: Desk, node: str, prompts: list[str]):
    chaos: list[Row] = [{"chaos": {"disconnectRate": 1}}, {"chaos": {"malformedRate": 1}}, {"chaos": {"dropRate": 1}}]
    with serve(node, fixtures(prompts, *chaos)) as server:
        ran = desk.run(server.url, "--json")
        assert ran.exit_code == 0, ran.output
        assert len(server.received()) == 4 * LIMIT

    journal = desk.journal()
    assert len(made()) == LIMIT
    assert journal["possibly_billed"] == 2 * LIMIT  # nobody can tell whether a model ran
    assert {name: journal["usage"][name] for name in ONCE} == ONCE
    assert journal["cost_usd"] > desk.usd(ONCE)  # what may have been billed is in it


def test_a_refusal_is_counted_and_not_asked_for_again(desk: Desk, node: str, prompts: list[str]):
    told = fixtures(prompts)
    told[0]["response"] |= {
        "content": "I would rather not.",
        "finishReason": {"anthropic": "refusal", "openai": "content_filter"}[desk.kind],
    }
    with serve(node, told) as server:
        ran = desk.run(server.url, "--json")
        assert server.statuses() == {200: LIMIT}

    assert ran.exit_code == 1, ran.output  # a quarter of the answers is of no use
    assert json.loads(ran.stdout)["requests"]["unusable"] == 1
    assert len(made()) == LIMIT - 1
    assert json.loads(ran.stdout)["cost_usd"] == pytest.approx(desk.usd(ONCE))


def test_a_wrong_key_ends_the_run_at_once(desk: Desk, node: str, prompts: list[str]):
    wrong = "sk-wrong-51b7e0d3"
    with serve(node, fixtures(prompts)) as server:
        ran = desk.run(server.url, key=wrong)

    assert ran.exit_code == 3, ran.output
    assert "status 401" in ran.output
    assert "was not accepted" in ran.output
    assert wrong not in ran.output
    assert not [path for path in Path("build").rglob("*") if path.is_file() and wrong.encode() in path.read_bytes()]


@pytest.mark.parametrize("desk", ["openai"], indirect=True)
def test_a_batch_is_sent_awaited_and_fetched(
    desk: Desk, node: str, prompts: list[str], monkeypatch: pytest.MonkeyPatch
):
    """This server says the same to each line of a batch, and it is no pair: three times, then it is given up."""
    in_time = functools.partial(asking.BatchTerms, first_poll_seconds=0.01, longest_poll_seconds=0.1)
    monkeypatch.setattr(asking, "BatchTerms", in_time)
    with serve(node, fixtures(prompts)) as server:
        ran = desk.run(server.url, "--batch")
        paths = Counter(row["path"] for row in server.received())

    assert ran.exit_code == 1, ran.output
    assert f"{LIMIT} unusable-answer" in ran.output
    assert paths == {"/v1/files": 3, "/v1/batches": 3}
    journal = desk.journal()
    assert (journal["requests"], journal["answers"], journal["possibly_billed"]) == (LIMIT, 3 * LIMIT, 0)
    assert (journal["usage"]["input_tokens"], journal["usage"]["output_tokens"]) == (3 * LIMIT, 3 * LIMIT)
    assert journal["cost_usd"] == pytest.approx(desk.usd(Counter(input_tokens=3 * LIMIT, output_tokens=3 * LIMIT)))
