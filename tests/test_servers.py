"""Several servers of one model: who is asked, what happens when one dies, and that they are one teacher."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from llama_server import llama
from patience import PATIENCE
from stub_llm import StubLLM
from test_dispatch_faults import GOOD, PRICE, always, ask, attempts, make_requests
from test_kill import reply, write_reports

from fingen import cli
from fingen.config import Asking
from fingen.errors import TeacherError, UsageError
from fingen.teachers import dispatch as module
from fingen.teachers import open_teacher
from fingen.teachers.sdk import SdkTeacher

pytestmark = pytest.mark.usefixtures("readers_here")

GONE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name)
        monkeypatch.delenv(name.lower())


def open_at(*urls: str, concurrency: int = 8) -> SdkTeacher:
    asking = Asking(base_url=urls, price=PRICE, concurrency=concurrency)
    teacher = open_teacher("openai:gpt-6-luna", asking)
    assert isinstance(teacher, SdkTeacher)
    return teacher


def test_one_of_two_servers_dies_and_comes_back_and_nothing_is_asked_twice_but_what_broke_off():
    requests, told = make_requests(120), list[str]()
    served = threading.Event()
    with ExitStack() as stack, ExitStack() as life:
        first = life.enter_context(StubLLM(reply=always(GOOD), latency=0.02))
        again = StubLLM(reply=lambda body: served.set() or GOOD, port=first.port)
        answers = Counter[str]()

        def of_second(body: dict[str, Any]) -> str:
            answers["second"] += 1
            if answers["second"] == 10:
                life.close()  # with what it has in flight
            elif answers["second"] == 40:
                stack.enter_context(again)
            elif answers["second"] == 80:
                assert served.wait(PATIENCE)  # it is asked again, and this one has left something for it
            return GOOD

        second = stack.enter_context(StubLLM(reply=of_second))
        ran = ask(open_at(first.openai_url, second.openai_url), requests, concurrency=8, say=told.append)

    rows = attempts()
    broken_off = [row for row in rows if row["possibly_billed"]]
    assert ran.error is None
    assert len(ran.answers) == len(requests) == sum(row["error"] is None for row in rows)
    assert first.received
    assert again.received
    assert first.received + second.received + again.received == len(requests) + len(broken_off)
    times = first.attempts + second.attempts + again.attempts
    assert sum(count - 1 for count in times.values()) == len(broken_off) <= 8
    assert {row["teacher"] for row in rows} == {f"openai:gpt-6-luna@127.0.0.1:{first.port}"}
    assert len(told) == 1
    assert f"127.0.0.1:{first.port}" in told[0]


def test_a_server_with_errors_of_its_own_is_left_out_and_the_other_one_answers_all():
    requests = make_requests(60)
    with StubLLM(faults={"server_error": 1.0}) as bad, StubLLM(reply=always(GOOD)) as good:
        ran = ask(open_at(bad.openai_url, good.openai_url), requests, concurrency=8)

    assert ran.error is None
    assert len(ran.answers) == good.received == len(requests)
    assert len(bad.attempts) < len(requests)


def test_where_all_servers_fail_it_is_as_with_one():
    requests = make_requests(20)
    with StubLLM(faults={"server_error": 1.0}) as one, StubLLM(faults={"server_error": 1.0}) as other:
        ran = ask(open_at(one.openai_url, other.openai_url), requests, concurrency=4, deadline_seconds=0.2)

    assert isinstance(ran.error, TeacherError)
    assert ran.error.exit_code == 3
    assert "status 500" in str(ran.error)
    assert one.received
    assert other.received


def test_each_server_gets_what_it_takes():
    requests = make_requests(100)
    serving = (
        StubLLM(reply=always(GOOD), limit=2, latency=0.02, retry_after="0.01"),
        StubLLM(reply=always(GOOD), latency=0.02),
    )
    with serving[0] as small, serving[1] as large:
        ran = ask(open_at(small.openai_url, large.openai_url, concurrency=16), requests, concurrency=16)

    assert ran.error is None
    assert len(ran.answers) == small.paid + large.paid == len(requests)
    assert small.paid
    assert small.paid < large.paid
    assert large.statuses[429] == 0
    assert large.most_in_flight > 8


# ---- one teacher


@pytest.fixture
def pair() -> Iterator[tuple[StubLLM, StubLLM]]:
    with StubLLM(reply=reply) as one, StubLLM(reply=reply) as other:
        yield one, other


def make(*urls: str, out: str = "build/set", **environment: str) -> Any:
    given = [part for url in urls for part in ("--base-url", url)]
    arguments = ["pdf2qa", "in", "--out", out, "--workers", "1", "--teacher", "openai:gpt-6-luna", "--json", *given]
    return CliRunner().invoke(cli.main, arguments, prog_name="fingen", env=environment)


def test_the_order_and_the_number_of_servers_change_nothing(tmp_path: Path, pair: tuple[StubLLM, StubLLM]):
    one, other = pair
    write_reports(tmp_path / "in", 1, 4)
    begun = make(one.openai_url)
    asked, manifest = one.received, Path("build/set/manifest.json").read_bytes()

    assert begun.exit_code == 0, begun.output
    for urls in (
        (one.openai_url, other.openai_url),
        (other.openai_url, one.openai_url),
        (other.openai_url, GONE, one.openai_url),
        (one.openai_url, one.openai_url),
    ):
        ran = make(*urls)
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.stdout)["changed"] is False
    for between in ("  ", ",", ", "):
        ran = make(FINGEN_PDF2QA_BASE_URL=f"{other.openai_url}{between}{one.openai_url}")
        assert json.loads(ran.stdout)["changed"] is False, ran.output
    assert (one.received, other.received) == (asked, 0)
    assert Path("build/set/manifest.json").read_bytes() == manifest
    ran = make(other.openai_url)  # as it always was: another server alone is another teacher
    assert ran.exit_code == 2
    assert "was made otherwise" in ran.stderr


def test_a_server_that_is_not_there_yet_is_told_of_and_the_others_are_asked(
    tmp_path: Path, pair: tuple[StubLLM, StubLLM]
):
    one, _ = pair
    write_reports(tmp_path / "in", 1, 4)
    ran = make(GONE, one.openai_url)

    assert ran.exit_code == 0, ran.output
    assert "127.0.0.1:9: the connection failed" in ran.stderr
    assert "the others are asked" in ran.stderr
    assert one.paid
    nobody = make(GONE, "http://127.0.0.1:10/v1", out="build/other")
    assert nobody.exit_code == 3
    for port in (9, 10):  # each is named, not the first one alone
        assert nobody.stderr.count(f"127.0.0.1:{port}: the connection failed") == 1


def test_a_server_without_the_model_is_found_before_anything_is_asked(tmp_path: Path, pair: tuple[StubLLM, StubLLM]):
    one, _ = pair
    write_reports(tmp_path / "in", 1, 4)
    with StubLLM(models={"another": {}}) as wrong:
        ran = make(one.openai_url, wrong.openai_url)

    assert ran.exit_code == 3
    assert f"127.0.0.1:{wrong.port}: status 404" in ran.stderr
    assert one.received == wrong.received == 0


@pytest.mark.parametrize(
    ("urls", "more", "said"),
    [
        ((GONE, "https://api.openai.com/v1"), (), "are not one teacher"),
        ((GONE, "http://127.0.0.1:10/v1"), ("--batch",), "batches go to one server"),
        ((GONE, "http://user:pass word@"), (), "not the address of a server"),
    ],
)
def test_what_several_servers_cannot_be_is_refused(
    urls: tuple[str, ...], more: tuple[str, ...], said: str, tmp_path: Path
):
    write_reports(tmp_path / "in", 1, 1)
    given = [part for url in urls for part in ("--base-url", url)]
    command = ["pdf2qa", "in", "--teacher", "openai:gpt-6-luna", *given, *more]
    ran = CliRunner().invoke(cli.main, command, prog_name="fingen")

    assert ran.exit_code == 2
    assert said in " ".join(ran.stderr.split())
    assert "word" not in ran.stderr


def test_each_server_is_told_the_key_by_the_rule_for_it_alone():
    teacher = open_at("http://127.0.0.1:8000/v1", "http://gpu-box:8000/v1", "https://gpu-box/v1")
    keys = [each._open().api_key for each in teacher.servers]

    assert keys == ["sk-for-tests", "none", "sk-for-tests"]
    with pytest.raises(UsageError):
        open_at("http://127.0.0.1:8000/v1", "http://")


# ---- a real model


def test_an_answer_gets_no_more_room_than_is_given_and_what_is_cut_there_is_asked_once(tmp_path: Path):
    write_reports(tmp_path / "in", 1, 1)
    with StubLLM(reply=lambda body: "x" * 4000) as stub:
        command = [
            "pdf2qa",
            "in",
            "--out",
            "build/set",
            "--teacher",
            "openai:gpt-6-luna",
            "--base-url",
            stub.openai_url,
        ]
        ran = CliRunner().invoke(cli.main, [*command, "--max-answer-tokens", "300"], prog_name="fingen")

    assert ran.exit_code == 1
    assert {body["max_tokens"] for body in stub.asked} == {300}
    assert stub.paid == len(stub.paid_by_request)
    assert {row["stop_reason"] for row in attempts(Path("build/set/journal.sqlite"))} == {"max_tokens"}


@pytest.mark.slow
def test_a_llama_server_is_a_teacher_from_end_to_end(smollm2: Path, tmp_path: Path):
    """SmolLM2 is asked about one passage. Whatever it writes is kept, or rejected with a reason; its tokens are counted."""
    pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    write_reports(tmp_path / "in", 1, 2)
    with llama(smollm2 / "model.gguf", 8192) as server:
        ran = CliRunner().invoke(
            cli.main,
            ["pdf2qa", "in", "--workers", "1", "--task", "concept", "--per-chunk", "1", "--context", "passage", "--limit", "1", "--repair", "0", "--teacher",
             "openai:smollm2", "--base-url", f"{server.address}/v1", "--max-answer-tokens", "512", "--price", "1,1",
             "--out", "build/set", "--json"],
            prog_name="fingen",
        )  # fmt: skip
    rows = attempts(Path("build/set/journal.sqlite"))
    asked = json.loads(CliRunner().invoke(cli.main, ["journal", "build/set", "--json"], prog_name="fingen").stdout)

    assert ran.exit_code in (0, 1), ran.output
    assert 1 <= len(rows) <= 3
    assert rows[-1]["error"] is None
    assert all(row["input_tokens"] > 500 and 0 < row["output_tokens"] <= 512 for row in rows)
    assert asked["cost_usd"] > 0
    assert asked["requests"] == 1
    if ran.exit_code == 0:
        made = json.loads(ran.stdout)
        assert sum(sum(splits.values()) for splits in made["records"].values()) + sum(made["rejects"].values()) >= 1
    else:
        assert "no record" in ran.stderr or "rejected" in ran.stderr, ran.stderr
