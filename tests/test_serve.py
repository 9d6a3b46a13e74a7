"""`fingen serve`: OpenAI's protocol for models of this machine, asked by OpenAI's own client; and who is let through to it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("transformers", reason="the extra [train] is not installed")
pytest.importorskip("uvicorn", reason="the extra [review] is not installed")

import uvicorn
from asked_models import make_workplace
from patience import PATIENCE, wait_until
from served import Server, serving
from small_models import run
from starlette.applications import Starlette
from test_chat import replies, said, user

from fingen.serving.protocol import Protocol
from fingen.serving.serve import OpenPaths
from fingen.web.guard import guard_paths
from fingen.web.server import take_port

TOPIC = Path(__file__).resolve().parent.parent / "fingen/help/serving.md"
PORT = 8123
OWN = f"127.0.0.1:{PORT}"
CHAT = "/v1/chat/completions"
ASKED = "He said so, and then?"
MODELS = ["base", "texts-base", "adapters/intent-silent", "models/intent-silent", "adapters/fingpt", "models/fingpt"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workplace(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def server(workplace: Path) -> Iterator[Server]:
    folders = [
        f"build/{each}"
        for each in (
            "adapters/texts-base",
            "adapters/intent-silent",
            "models/intent-silent",
            "adapters/fingpt",
            "models/fingpt",
        )
    ]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving("serve", "base", *folders, "--port", port, "--max-tokens", 9, cwd=workplace) as server:
        yield server


@pytest.fixture
def client(server: Server, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> openai.OpenAI:
    monkeypatch.chdir(workplace)
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)


def told(client: openai.OpenAI, *messages: dict[str, str], model: str = "base", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=list(messages), **more)


def text(client: openai.OpenAI, asked: str = ASKED, **more: Any) -> str:
    return str(told(client, user(asked), **more).choices[0].message.content)


def test_models_are_listed_by_short_names_and_nothing_else_is_a_model(client: openai.OpenAI):
    assert [model.id for model in client.models.list()] == MODELS
    assert client.models.retrieve("models/fingpt").id == "models/fingpt"
    for name in ("build/adapters/texts-base", "./base", "HuggingFaceTB/SmolLM2-135M-Instruct", ""):
        with pytest.raises(openai.NotFoundError if name else openai.BadRequestError) as refused:
            told(client, user("a"), model=name)
        assert "texts-base" in str(refused.value)


def test_the_likeliest_answer_is_that_of_chat_in_several_turns_and_with_a_system_message(client: openai.OpenAI):
    system, opened = {"role": "system", "content": "Be brief."}, user("What was revenue?")
    first = told(client, system, opened, max_tokens=4).choices[0].message.content
    then = told(client, system, opened, {"role": "assistant", "content": first}, user("And then?"), max_tokens=4)
    lines = "What was revenue?\nAnd then?\n\n"
    by_chat = replies("base", "--turns", "--system", "Be brief.", "--max-tokens", 4, input=lines)

    assert [first, then.choices[0].message.content] == [reply["model"] for reply in by_chat]
    assert first == said("base", [system, opened], 4)


@pytest.mark.parametrize("name", MODELS)
def test_each_model_answers_as_in_chat(name: str, client: openai.OpenAI):
    folder = {"base": "base", "texts-base": "build/adapters/texts-base"}.get(name, f"build/{name}")
    question = next(iter(Path("build/intent").glob("train.jsonl"))).read_text(encoding="utf-8").splitlines()[0]
    asked = json.loads(question)["instruction"]  # with its options: nothing is put around it
    (by_chat,) = replies(folder, "--once", asked, "--max-tokens", 6)

    assert text(client, asked, model=name, max_tokens=6) == by_chat.get("adapter", by_chat.get("model"))


def test_an_answer_says_why_it_ended_and_what_it_took(client: openai.OpenAI):
    cut = told(client, user(ASKED), max_tokens=5)
    default = told(client, user(ASKED))

    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 5
    assert cut.usage.total_tokens == cut.usage.prompt_tokens + 5
    assert default.usage.completion_tokens <= 9  # --max-tokens
    assert told(client, user(ASKED), max_completion_tokens=3).usage.completion_tokens == 3


def test_a_stream_comes_in_order_and_is_the_same_answer(client: openai.OpenAI):
    chunks = list(told(client, user(ASKED), max_tokens=8, stream=True, stream_options={"include_usage": True}))
    whole = told(client, user(ASKED), max_tokens=8)
    *pieces, last, usage = chunks

    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole.choices[0].message.content
    assert sum(bool(piece.choices[0].delta.content) for piece in pieces) > 3
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason
    assert (usage.choices, usage.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in chunks}) == 1


def test_an_answer_ends_before_a_stop(client: openai.OpenAI):
    whole = text(client, max_tokens=8)
    stop = whole[3:5]
    expected = whole[: whole.index(stop)]
    cut = told(client, user(ASKED), max_tokens=8, stop=stop)
    chunks = told(client, user(ASKED), max_tokens=8, stop=["never", stop], stream=True)

    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == (expected, "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected


def test_a_seed_gives_one_answer_whatever_else_is_written_meanwhile(client: openai.OpenAI):
    ways = {"temperature": 1.5, "max_tokens": 8}
    alone = [text(client, seed=seed, **ways) for seed in (1, 1, 2)]
    with ThreadPoolExecutor(6) as pool:
        beside = list(pool.map(lambda seed: text(client, seed=seed, **ways), (1, 2) * 3))

    assert alone[0] == alone[1] != alone[2]
    assert beside == alone[1:] * 3
    assert text(client, temperature=1.5, top_p=0, max_tokens=8) == text(client, max_tokens=8)


def test_adapters_and_their_base_answer_at_once_as_they_do_alone(client: openai.OpenAI):
    asked = [(name, f"{question} {ASKED}") for question in ("Why?", "What was item 3?") for name in MODELS]
    alone = [text(client, question, model=name, max_tokens=9) for name, question in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        at_once = list(pool.map(lambda each: text(client, each[1], model=each[0], max_tokens=9), asked))

    assert at_once == alone
    assert len({said for (_, question), said in zip(asked, alone, strict=True) if question.startswith("What")}) > 2


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"), ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"), ({"top_p": -1}, "top_p"), ({"stop": ["a"] * 5}, "stop"), ({"stop": [""]}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"), ({"extra_body": {"top_k": 5}}, "top_k"),
        ({"extra_body": {"seed": "x"}}, "seed"), ({"extra_body": {"stream": 1}}, "stream"),
    ],
)  # fmt: skip
def test_what_would_change_an_answer_and_is_not_done_is_refused_by_name(
    more: dict[str, Any], param: str, client: openai.OpenAI
):
    with pytest.raises(openai.BadRequestError) as refused:
        told(client, user(ASKED), **more)

    assert refused.value.param == param
    assert param in str(refused.value)


def test_what_changes_no_answer_is_ignored_and_named(client: openai.OpenAI):
    raw = client.chat.completions.with_raw_response.create(
        model="base", messages=[user(ASKED)], max_tokens=2, user="me", store=False, presence_penalty=0, tools=[]
    )

    assert raw.headers["x-fingen-ignored"] == "presence_penalty, store, tools, user"
    assert raw.parse().choices[0].message.content == text(client, max_tokens=2)


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "tool", "content": "a"}], [{"role": "assistant", "content": "a"}], [{"role": "user"}], "hello", [1],
     [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/"}}]}],
     [{"role": "user", "content": "a<|end|>b"}], [{"role": "user", "content": "word " * 9000}]],
)  # fmt: skip
def test_messages_that_are_none_are_refused(messages: Any, server: Server):
    status, answer = server.ask(CHAT, {"model": "base", "messages": messages})

    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"


def test_a_text_in_parts_is_one_text(client: openai.OpenAI):
    parts = [{"type": "text", "text": ASKED[:5]}, {"type": "text", "text": ASKED[5:]}]
    found = told(client, {"role": "user", "content": parts}, max_tokens=4)  # type: ignore[dict-item]  # parts are a list

    assert found.choices[0].message.content == text(client, max_tokens=4)


def test_a_request_that_is_no_json_or_has_no_end_is_refused(server: Server):
    assert server.ask(CHAT, b"{")[0] == 400
    assert server.ask(CHAT, b"[1]")[0] == 400
    assert server.ask(CHAT, rb'{"model": "base", "messages": [{"role": "user", "content": "half a \ud83d"}]}')[0] == 400
    assert server.ask(CHAT, b" " * (9 << 20))[0] == 413


def test_there_is_nothing_beside_the_protocol(server: Server):
    for path in ("/load_model", "/docs", "/", "/api/state", "/static/base.css"):
        assert server.ask(path)[0] == 403
    assert server.ask("/health") == (200, {"status": "ok"})
    with server.send("/v1/completions", {}) as answer:
        assert answer.status == 404


class Endless:
    """A model that writes until it is stopped."""

    name = "endless"

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def write(self, asked: Any, max_tokens: int, sampling: Any, write: Any, is_stopped: Any) -> None:
        while not is_stopped():
            write("word ")
            time.sleep(0.001)
        self.stopped.set()


@pytest.mark.parametrize("stream", [True, False])
def test_who_goes_away_has_no_more_written_for_him(stream: bool):
    model: Any = Endless()
    held = take_port(None)
    port = held.getsockname()[1]
    app = guard_paths(Starlette(routes=[*Protocol([model], 9).routes()]), port, OpenPaths())
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=lambda: running.run(sockets=[held]))
    thread.start()
    body = json.dumps({"messages": [user("a")], "stream": stream}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as asking:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        asking.sendall(head.encode() + body)
        if stream:
            assert b"word" in b"".join(asking.recv(9) for _ in range(99))
    try:
        assert model.stopped.wait(PATIENCE)
    finally:
        running.should_exit = True
        thread.join(PATIENCE)


def commands() -> list[str]:
    """The commands and the snippet that `fingen help serving` shows for a server, each a block."""
    section = TOPIC.read_text(encoding="utf-8").partition("\n## Serve\n")[2].partition("\n## ")[0]
    return re.findall(r"^```(?:sh|python)\n(.*?)^```$", section, re.M | re.S)


def test_what_the_topic_shows_works_as_it_is_typed(server: Server, workplace: Path):
    blocks = [
        block.replace("http://127.0.0.1:8000", server.url).replace("intent-llama3", "base") for block in commands()
    ]
    ran = [
        subprocess.run(
            ["bash", "-euc", block] if block.startswith("curl") else [sys.executable, "-c", block],
            capture_output=True, text=True, check=True, cwd=workplace, env={**os.environ, "OPENAI_API_KEY": ""},
        )
        for block in blocks
    ]  # fmt: skip

    assert len(ran) >= 2
    assert all(each.stdout.strip() for each in ran)
    assert '"error"' not in "".join(each.stdout for each in ran)
    assert sum("curl" in block for block in blocks) >= 1


def test_a_model_that_is_not_there_or_a_port_that_is_taken_is_said(workplace: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(workplace)
    assert "which model?" in run("serve", code=2).stderr
    assert "nowhere" in run("serve", "base", "nowhere", code=2).stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "is taken" in run("serve", "base", "--port", taken.getsockname()[1], code=2).stderr


def test_ctrl_c_ends_it(workplace: Path):
    with serving("serve", "base", "--port", free_port(), cwd=workplace) as server:
        server.process.send_signal(2)
        wait_until(lambda: server.process.poll() is not None)

        assert server.process.returncode == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- who is let through --------------------------------------------------------------------------------------------------


def ask(kind: str = "http", path: str = CHAT, **headers: str | list[str]) -> tuple[int | None, bool]:
    """The status of the answer, and whether the app itself was reached."""
    reached: list[str] = []
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing of a request is read before it is let through")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    given = [(n.encode(), v.encode()) for n, vs in headers.items() for v in ([vs] if isinstance(vs, str) else vs)]
    asyncio.run(guard_paths(app, PORT, OpenPaths())({"type": kind, "path": path, "headers": given}, receive, send))
    return sent[0].get("status") if sent else None, bool(reached)


@pytest.mark.parametrize("host", [OWN, f"localhost:{PORT}", f"[::1]:{PORT}", f"LocalHost:{PORT}"])
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/health"])
def test_programs_of_this_machine_ask(host: str, path: str):
    assert ask(path=path, host=host) == (200, True)
    assert ask(path=path, host=host, origin=f"http://localhost:{PORT}") == (200, True)


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "localhost", "127.0.0.1:80", f"localhost.evil.example:{PORT}",
     f"127.0.0.1.nip.io:{PORT}", f"0.0.0.0:{PORT}", f"2130706433:{PORT}", f"127.0.0.1:{PORT}@evil.example", "",
     [OWN, "evil.example"], []],
)  # fmt: skip
def test_who_calls_this_machine_by_another_name_is_refused(host: str | list[str]):
    assert ask(host=host) == (403, False)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", f"http://evil.example:{PORT}", "null", "", f"https://{OWN}", f"http://{OWN}.evil.example",
     "http://localhost:3000", [f"http://{OWN}", "http://evil.example"]],
)  # fmt: skip
def test_a_page_of_another_place_is_refused(origin: str | list[str]):
    assert ask(host=OWN, origin=origin) == (403, False)


@pytest.mark.parametrize("path", ["/load_model", "/load_model/", "//load_model", "/reset", "/docs", "/", "//v1/models"])
def test_nothing_but_asking_is_there(path: str):
    assert ask(path=path, host=OWN) == (403, False)


def test_a_web_socket_is_closed():
    assert ask("websocket", host=OWN) == (None, False)
