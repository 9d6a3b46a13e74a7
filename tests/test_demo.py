"""`fingen demo`'s server: answers of several models at once, their figures, options, turns and ends, and who may ask."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="the extra [train] is not installed")
pytest.importorskip("uvicorn", reason="the extra [review] is not installed")

from asked_models import TEXTS, make_workplace
from hypothesis import given
from hypothesis import strategies as st
from served import Server, serving
from small_models import make_base, run
from stub_llm import StubLLM
from test_chat import replies

from fingen.quality.grounding import ground
from fingen.records import Passage, Period, Record
from fingen.serving.figures import Checked
from fingen.sets import read_split

ASKED = "He said so, and then?"
ADAPTER, CHOICE = "texts-base", "intent-silent"
PASSAGE = Passage(
    chunk="c", document="a.pdf", company="Lanhai", period=Period(kind="annual", end="2024-12-31", fiscal_year=2024),
    language="en", section=(), pages=(1, 1), text="Revenue for 2024 was 1,234.0 million. Net profit for 2024 was 141.8 million.",
    kinds=(("paragraph", "Revenue for 2024 was 1,234.0 million. Net profit for 2024 was 141.8 million."),),
)  # fmt: skip


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_workplace(tmp_path_factory.mktemp("demo"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_base(Path("talker"), TEXTS, talks=True)
    return folder


@pytest.fixture(scope="module")
def server(workplace: Path, sample_set: Path) -> Iterator[Server]:
    models = (
        "base",
        "talker",
        "build/adapters/texts-base",
        "build/adapters/intent-silent",
        "build/adapters/labels-base",
    )
    ways = ("--set", sample_set, "--input", Path(__file__).parent.parent / "raw", "--max-tokens", 6)
    with serving("demo", *models, *ways, cwd=workplace) as server:
        yield server


@pytest.fixture
def there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


def test_models_are_known_before_they_are_loaded_and_a_base_is_loaded_once(server: Server):
    before = {model["name"]: model for model in server.ask("/api/state")[1]["models"]}
    told = list(server.events({"models": ["base", ADAPTER, "base@labels-base"], "question": ASKED}))
    after = {model["name"]: model for model in server.ask("/api/state")[1]["models"]}
    loaded = [event for event in told if event["type"] == "loading" and event["step"] == "base"]

    assert list(before) == ["base", "talker", ADAPTER, "silent", CHOICE, "base@labels-base", "labels-base"]
    assert len(loaded) <= 1
    assert after["talker"]["bytes"] is None
    assert after["base"]["bytes"] == after[ADAPTER]["bytes"] > 0
    assert {"base", ADAPTER} <= set(after[ADAPTER]["shared"])


def test_an_answer_comes_in_pieces_then_checked_then_done(server: Server):
    told = [event for event in server.events({"models": ["base"], "question": ASKED}) if event["type"] != "loading"]
    pieces = [event["text"] for event in told if event["type"] == "piece"]

    assert [event["type"] for event in told] == ["piece"] * len(pieces) + ["checked", "done"]
    assert len(pieces) > 2
    assert "".join(pieces) == told[-1]["text"] == "".join(piece["text"] for piece in told[-2]["pieces"])
    assert told[-1]["ending"] == "length"


def test_several_turns_are_those_of_chat(server: Server, there: Path):
    lines = ["What was revenue?", "And then?", ASKED]
    by_chat = replies(
        "build/adapters/texts-base", "--turns", "--base", "--max-tokens", 6, input="\n".join([*lines, "", ""])
    )
    turns: dict[str, list[str]] = {"base": [], ADAPTER: []}
    for line, reply in zip(lines, by_chat, strict=True):
        for name, said in server.answers(["base", ADAPTER], line, turns=turns).items():
            assert said["text"] == reply["base" if name == "base" else "adapter"]
            turns[name] += [said["put"], said["text"]]


def test_a_question_of_choices_is_framed_as_in_chat_and_its_options_are_those_of_score(server: Server, there: Path):
    (by_chat,) = replies("build/adapters/intent-silent", "--once", "my card is blocked", "--max-tokens", 6)
    said = server.answers([CHOICE], "my card is blocked")[CHOICE]
    shares = {option["key"]: option["share"] for option in said["options"]}
    row = next(read_split(Path("build/intent"), "train"))
    Path("one.json").write_text(
        json.dumps([{"instruction": said["put"], "options": row.options, "gold": "A", "id": "x"}])
    )
    run("score", "build/adapters/intent-silent", "--set", "one.json", "--out", "build/scores/one", "--quiet")
    rows = [
        json.loads(line) for line in Path("build/scores/one/predictions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    (scored,) = [row["probabilities"] for row in rows if row["subject"] == CHOICE]

    assert said["text"] == by_chat["adapter"]
    assert said["label"] == by_chat["labels"]["adapter"]
    assert {option["key"]: option["name"] for option in said["options"]} == row.options
    assert sum(shares.values()) == pytest.approx(1)
    assert {row.options[key]: share for key, share in shares.items()} == pytest.approx(scored, abs=1e-5)


def test_two_models_write_at_once_until_a_stop_that_is_theirs(workplace: Path):
    with serving("demo", "talker", "base", "--max-tokens", 4000, cwd=workplace) as server:
        writing, endings, is_stopped = set(), {}, False
        for event in server.events({"models": ["base", "talker"], "question": ASKED, "id": "mine"}):
            if event["type"] == "piece":
                writing.add(event["model"])
            if len(writing) == 2 and not is_stopped:
                assert not endings, "one had ended before the other began"
                server.ask("/api/stop", {"id": "another"})
                is_stopped = server.ask("/api/stop", {"id": "mine"})[0] == 200
            if event["type"] == "done":
                endings[event["model"]] = (event["ending"], event["tokens"] < 4000)

    assert endings == {"base": ("interrupted", True), "talker": ("interrupted", True)}


def test_one_model_that_cannot_answer_keeps_no_other_from_it(server: Server):
    told = server.answers(["base", "talker"], "a<|end|>b")

    assert told["base"]["type"] == "error"
    assert "control token" in told["base"]["text"]
    assert told["talker"]["type"] in ("done", "error")


def test_an_example_has_its_reference_passage_and_boxed_page(server: Server):
    listed = server.ask("/api/items?q=revenue")[1]
    items = [server.ask(f"/api/items/{each['id']}")[1] for each in listed]
    assert items
    assert all("revenue" in f"{each['text']} {each['input']}".casefold() for each in items)
    item = server.ask(f"/api/items/{listed[0]['id']}")[1]
    passage = server.ask(f"/api/passages/{item['passages'][0]}?item={item['id']}")[1]
    paths = [
        f"/api/picture?passage={passage['id']}&item={each}&page={passage['pages'][0]}" for each in (item["id"], "")
    ]
    pictures = []
    for path in paths:
        with server.send(path) as answer:
            pictures.append(answer.read())
    said = server.answers(["talker"], item=item["id"], passage=passage["id"])["talker"]

    assert item["right"]
    assert pictures[0] != pictures[1]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert said["put"] in (item["text"], f"{item['text']}\n{passage['text']}", f"{item['text']}\n{item['input']}")


def test_a_passage_is_given_or_only_checked_against(server: Server):
    passage = server.ask("/api/passages?q=revenue")[1][0]["id"]
    text = server.ask(f"/api/passages/{passage}")[1]["text"]
    given = server.answers(["talker"], ASKED, passage=passage)["talker"]
    again = server.answers(["talker"], ASKED, passage=passage, turns={"talker": [given["put"], "yes"]})["talker"]
    alone = server.answers(["talker"], ASKED, passage=passage, give=False)["talker"]

    assert given["put"] == f"{ASKED}\n{text}"
    assert again["put"] == alone["put"] == ASKED


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/ask", {}), ("/api/ask", {"models": ["base"]}), ("/api/ask", {"models": ["nobody"], "question": "a"}), ("/api/ask", {"models": [], "question": "a"}),
     ("/api/ask", {"models": ["base"], "question": 1}), ("/api/ask", {"models": ["base"], "question": "a", "turns": {"base": ["a"]}}), ("/api/ask", {"models": ["base"], "question": "a", "turns": 1}),
     ("/api/ask", {"models": ["base"], "question": "a", "passage": "../../etc/passwd"}), ("/api/ask", [1]), ("/api/ask", b"{"), ("/api/agree", {"model": "base"}),
     ("/api/agree", []), ("/api/items/nothing", None), ("/api/passages/nothing", None), ("/api/picture?passage=nothing&page=1", None)],
)  # fmt: skip
def test_what_is_no_question_of_the_page_is_refused(path: str, body: Any, server: Server):
    status, told = server.ask(path, body)

    assert status == 400
    assert told["error"]


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/ask", "/demo/demo.js", "/api/passages"])
def test_the_page_is_there_for_whoever_has_the_token_alone(path: str, server: Server):
    body = {"models": ["base"], "question": "a"} if path == "/api/ask" else None
    refused = [
        {"Authorization": ""},
        {"Authorization": "Bearer x"},
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ]
    for headers in refused:
        with server.send(path, body, **headers) as answer:
            assert answer.status == 403, headers
    with server.send(path, body) as answer:
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_programs_ask_the_same_models_and_no_teacher(workplace: Path):
    with StubLLM(reply=lambda body: "It was 42 million.") as stub:
        ways = ("--teacher", "openai:gpt-6-luna", "--base-url", stub.openai_url, "--price", "1,2")
        with serving("demo", "base", *ways, cwd=workplace) as server:
            server.token = ""  # programs have none
            body = {"model": "base", "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
            listed, answered = server.ask("/v1/models"), server.ask("/v1/chat/completions", body)
            refused = server.ask("/v1/chat/completions", {**body, "model": f"openai:gpt-6-luna@127.0.0.1:{stub.port}"})
        assert not stub.requests

    assert [model["id"] for model in listed[1]["data"]] == ["base"]
    assert (answered[0], refused[0]) == (200, 404)


@pytest.mark.slow
def test_a_real_model_answers_in_turns_as_in_chat_beside_an_adapter_that_writes_at_once(smollm2: Path, workplace: Path):
    lines = ["What is revenue?", "And how is it recognised?"]
    ways = ("--turns", "--max-tokens", 24)
    by_chat = [reply["model"] for reply in replies(smollm2, *ways, input="\n".join([*lines, "", ""]))]
    with serving("demo", smollm2, "talker", "--max-tokens", 24, cwd=workplace) as server:
        names, turns, answers = [model["name"] for model in server.ask("/api/state")[1]["models"]], [], []
        for line in lines:
            said = server.answers(names, line, turns={names[0]: turns})[names[0]]
            turns += [said["put"], said["text"]]
            answers.append(said["text"])

    assert answers == by_chat


# --- teachers ------------------------------------------------------------------------------------------------------------


def test_a_teacher_is_asked_after_consent_and_paid_once(workplace: Path, tmp_path: Path):
    with StubLLM(reply=lambda body: "It was 42 million.") as stub:
        ways = (
            "--teacher",
            "openai:gpt-6-luna",
            "--base-url",
            stub.openai_url,
            "--price",
            "100,200",
            "--budget",
            "5",
        )
        environ = {"OPENAI_API_KEY": "sk-test-1234567890"}
        with serving("demo", *ways, cwd=tmp_path, environ=environ) as server:
            (name,) = [model["name"] for model in server.ask("/api/state")[1]["models"]]
            before = server.answers([name], "What was revenue?", system="Be brief.")[name]
            assert not stub.requests
            assert server.ask("/api/agree", {"model": name})[1]["agreed"]
            first, again = (server.answers([name], "What was revenue?", system="Be brief.")[name] for _ in range(2))
            later = server.answers(
                [name], "And then?", system="Be brief.", turns={name: [first["put"], first["text"]]}
            )[name]
        assert (before["type"], before["usd"] > 0) == ("consent", True)
        assert "sk-test" not in json.dumps([before, first, later, server.said])
        assert any(name in line and "nothing is sent" in line for line in server.said)
        assert (first["text"], first["is_new"], again["is_new"]) == ("It was 42 million.", True, False)
        assert first["usd"] > 0 == again["usd"]
        assert (stub.paid, stub.paid_twice) == (2, 0)
        roles = [message["role"] for message in stub.asked[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "user"]
        assert stub.asked[-1]["messages"][2]["content"] == later["text"] == "It was 42 million."
    assert (tmp_path / "build" / "chats" / "journal.sqlite").is_file()


def test_a_budget_is_a_hard_stop(tmp_path: Path):
    with StubLLM(reply=lambda body: "It was 42 million.") as stub:
        ways = (
            "--teacher",
            "openai:gpt-6-luna",
            "--base-url",
            stub.openai_url,
            "--price",
            "100,200",
            "--budget",
            "0.1",
        )
        with serving("demo", *ways, cwd=tmp_path) as server:
            (name,) = [model["name"] for model in server.ask("/api/state")[1]["models"]]
            server.ask("/api/agree", {"model": name})
            told = server.answers([name], "What was revenue?")[name]
        assert told["type"] == "error"
        assert "budget" in told["text"]
        assert stub.paid == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(("demo",), 2, "which model?"), (("demo", "--base-url", "http://127.0.0.1:9/v1"), 2, "--base-url needs a teacher"),
     (("demo", "--teacher", "offline"), 2, "answers no questions"), (("demo", "--teacher", "anthropic"), 3, "ANTHROPIC_API_KEY is not set"),
     (("demo", "base", "--set", "nowhere"), 2, "no such set"), (("demo", "base", "nowhere"), 2, "no whole adapter")],
)  # fmt: skip
def test_what_cannot_be_served_is_said_at_once(arguments: tuple[str, ...], code: int, said: str, there: Path):
    refused = run(*arguments, code=code)

    assert said in refused.stderr
    assert "-> " in refused.stderr


# --- figures -------------------------------------------------------------------------------------------------------------


def standings(answer: str) -> list[tuple[str, str]]:
    return [
        (piece.text, piece.standing) for piece in Checked("How much was it?", [PASSAGE]).end(answer) if piece.standing
    ]


def test_a_figure_is_bound_or_there_or_wrong():
    assert standings("Revenue for 2024 was 1,234.0 million.") == [("1,234.0 million", "bound")]
    assert standings("It was 141.8 million.") == [("141.8 million", "there")]
    assert standings("Revenue for 2024 was 1,235.0 million.") == [("1,235.0 million", "wrong")]
    assert ("1,234.0 billion", "wrong") in standings("Revenue for 2024 was 1,234.0 billion.")
    assert standings("It rose.") == []


def test_steps_before_an_answer_are_not_marked():
    steps = "Steps: Revenue (2024): 1,234.0; 1,234.0 - 1,100.0 = 134.0."
    answer = "Revenue for 2024 was 1,234.0 million."
    assert standings(steps) == []
    assert standings(f"{steps}\nAnswer: {answer}") == standings(answer) == [("1,234.0 million", "bound")]
    checked, whole = Checked("How much was it?", [PASSAGE]), f"{steps}\nAnswer: {answer} It rose."
    told = [pieces for char in whole if (pieces := checked.add(char))]
    assert [[piece.text for piece in pieces if piece.standing] for pieces in told][-1:] == [["1,234.0 million"]]
    assert "".join(piece.text for piece in checked.end(whole)) == whole


def test_without_a_passage_nothing_is_claimed():
    assert [(piece.text, piece.standing) for piece in Checked("How much?", []).end("It was 5 million.")] == [
        ("It was 5 million.", "")
    ]


ANSWERS = st.lists(
    st.sampled_from(["Revenue for 2024 was 1,234.0 million. ", "Net profit was 99 million!\n", "2021 was worse. ", "营业收入为5亿元。", "It rose by 3%, ", "e.g. 7 ", "<b>1</b> "]),
    max_size=6,
).map("".join)  # fmt: skip


@given(ANSWERS, st.integers())
def test_what_is_told_on_the_way_is_the_text_and_ends_as_the_whole_is_judged(answer: str, seed: int):
    draw, checked, shown = random.Random(seed), Checked("How much?", [PASSAGE]), ""
    while shown != answer:
        piece = answer[len(shown) : len(shown) + draw.randint(1, 9)]
        shown += piece
        if told := checked.add(piece):
            assert "".join(each.text for each in told) == shown
    ended = checked.end(answer)
    record = Record(
        instruction="How much?", input="", output=answer, id="", task="", language="en", teacher="", origin="imported"
    )
    failed = {(each.start, each.end) for each in ground(record, [PASSAGE]).figures if each.level == "failed"}

    assert "".join(each.text for each in ended) == answer
    at = 0
    for each in ended:
        assert (at, at + len(each.text)) not in failed or each.standing == "wrong"
        at += len(each.text)
