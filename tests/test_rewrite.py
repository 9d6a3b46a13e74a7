"""`fingen synth rewrite`: what a teacher makes of the pairs of others, beside them; what is worse is not taken, nothing is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_server import llama
from rows import read_rows
from stub_llm import StubLLM
from test_exchange import answer_line
from test_prefer import run

from fingen.disk import dump_json
from fingen.records import Record
from fingen.set_folder import make_manifest
from fingen.sets import SPLITS, SetContent, write_set

ROOT = Path(__file__).resolve().parent.parent
PAIR = re.compile(r"^(?:Pair|第) (\d+)(?: 对)?\n(?:(?:Context|上下文)[:：]\s*<text>(.*?)</text>\n)?"
                  r"(?:Question|问题)[:：]\s*<text>(.*?)</text>\n(?:Answer|答案)[:：]\s*<text>(.*?)</text>", re.M | re.S)  # fmt: skip
# What a scripted teacher makes of a row whose question has that word: question and answer, from those that it was shown.
SCRIPT: dict[str, Any] = {
    "clear": lambda q, a: (
        f"{q} Please explain the reasons too.",
        f"{a} That is so because a lender takes a risk over time.",
    ),
    "same": lambda q, a: (q, a),
    "invents": lambda q, a: (f"{q} And why?", f"{a} In 2021 it was 37.5 percent of sales."),
    "drops": lambda q, a: (f"{q} And why?", "It is a price that is paid for lending money to somebody."),
    "refuses": lambda q, a: (f"{q} Why so?", f"I'm sorry, I cannot say more. {a}"),
    "foreign": lambda q, a: (f"{q} Why?", "利率是借出资金的价格，期限越长，风险越大。"),
    "blank": None,
    "清楚": lambda q, a: (f"{q}请说明理由。", f"{a}原因在于资金出借存在时间和风险成本。"),
    "英文": lambda q, a: (f"{q}请说明。", "Interest is the price of money, and it is paid for a time and for a risk."),
}


def record(number: int, question: str, answer: str, **more: Any) -> Record:
    values: dict[str, Any] = {"input": "", "task": "qa", "teacher": "unknown", "origin": "imported"}
    values |= {"id": f"im-{number}", "language": "en" if question.isascii() else "zh"}
    return Record(instruction=question, output=answer, **{**values, **more})


def asked(word: str, number: int) -> str:
    return f"{number}: what is interest, {word}?" if word.isascii() else f"{number}：什么是利息（{word}）？"


def answer(word: str, number: int) -> str:
    return (
        f"Interest is the price of money, {number + 3}.5 percent here."
        if word.isascii()
        else f"利息是资金的价格，这里是 {number + 3}.5%。"
    )


ROWS = {
    "train": [record(n, asked(word, n), answer(word, n)) for n, word in enumerate([*SCRIPT, "clear", "清楚"])]
    + [record(50, "Is it good?", "B", label="B", options={"A": "no", "B": "yes"}),
       record(51, "And then?", "It fell.", turns=({"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}))],
    "test": [record(60, asked("clear", 60), answer("clear", 60), input="A context with 63.5 percent in it.")],
}  # fmt: skip
ORDER = {"clear": 2, "清楚": 2}  # rows of these words that come back better


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    manifest = make_manifest("bank", "import alpaca", {"sha256": {}}, ROWS["train"], ("published split: all is train",))
    write_set(Path("build/bank"), SetContent(ROWS, [], [], manifest))
    return Path("build/bank")


def reply(body: dict[str, Any]) -> str:
    """What the script says of each pair; a pair that it leaves blank is left out."""
    items = []
    for number, _, question, told in PAIR.findall(body["messages"][-1]["content"]):
        word = next(word for word in SCRIPT if word in question)
        if SCRIPT[word]:
            said = dict(zip(("question", "answer"), SCRIPT[word](question, told), strict=True))
            fields = body["response_format"]["json_schema"]["schema"]["$defs"]["Item"]["properties"]
            items.append({"number": int(number), **{name: said[name] for name in fields if name != "number"}})
    return json.dumps({"items": items})


@pytest.fixture
def server() -> Iterator[StubLLM]:
    with StubLLM(reply=reply) as server:
        yield server


def rewrite(server: StubLLM, source: Path, *more: object, code: int = 0) -> Any:
    ran = run("synth", "rewrite", source, "--teacher", "openai:gpt-6-luna", "--base-url", server.openai_url, "--price", "1,5",
              "--json", *more, code=code)  # fmt: skip
    return json.loads(ran.stdout) if code == 0 else ran.stderr


def rows_of(folder: str) -> dict[str, list[dict[str, Any]]]:
    return {split: read_rows(Path(folder) / f"{split}.jsonl") for split in SPLITS}


def test_what_is_better_stands_beside_its_original_and_what_is_worse_is_counted(source: Path, server: StubLLM):
    made = rewrite(server, source)
    found = rows_of(made["set"])
    originals = read_rows(source / "train.jsonl")

    assert made["asked"] == len(SCRIPT) + 2
    assert made["rewritten"] == sum(ORDER.values())
    assert made["rejects"] == {
        "same-text": 1,
        "new-figure": 1,
        "lost-figure": 1,
        "boilerplate": 1,
        "wrong-language": 2,
        "left-out": 1,
    }
    assert made["rewritten"] + sum(made["rejects"].values()) == made["asked"]
    assert made["not_asked"] == {"label": 1, "turns": 1}
    assert made["records"] == {"train": len(originals) + made["rewritten"], "validation": 0, "test": 1, "memory": 0}
    assert [row for row in found["train"] if "rewrites" not in row["draws"]] == originals
    assert found["test"] == read_rows(source / "test.jsonl")
    for at, row in enumerate(found["train"]):
        if of := row["draws"].get("rewrites"):
            assert found["train"][at - 1]["id"] == of
            assert row["teacher"].startswith("openai:gpt-6-luna@")
            assert (row["origin"], row["draws"]["how"]) == ("synthetic", "improve")
            assert row["output"].startswith(found["train"][at - 1]["output"])
    rejected = read_rows(Path(made["set"]) / "rejected.jsonl")
    assert Counter(row["reason"] for row in rejected) == made["rejects"]
    assert all(row["item"]["question"] and row["item"]["answer"] for row in rejected)
    manifest = json.loads((Path(made["set"]) / "manifest.json").read_text(encoding="utf-8"))
    assert "published split: all is train" in manifest["declared"]
    laws = json.loads(run("verify", made["set"], "--json", code=1).stdout)["laws"]  # 1: the new answers are short
    assert not any(laws[law]["failed"] for law in ("files", "rows", "counts", "duplicates", "splits", "privacy"))


def test_nothing_is_paid_twice_and_a_larger_limit_asks_for_the_rest(source: Path, server: StubLLM):
    few = rewrite(server, source, "--limit", 4, "--per-request", 2)
    paid = server.paid
    assert (few["asked"], paid) == (4, len({body["messages"][-1]["content"] for body in server.asked}))
    again = rewrite(server, source, "--limit", 4, "--per-request", 2)
    assert again == few | {"changed": False, "requests": {"asked": 0, "from_journal": paid}}
    more = rewrite(server, source, "--per-request", 2)
    assert more["asked"] == len(SCRIPT) + 2
    assert server.paid_twice == 0
    shown = [number for body in server.asked for number, *_ in PAIR.findall(body["messages"][-1]["content"])]
    assert len(shown) <= more["asked"] + 2  # a request of each language was not full before


@pytest.mark.parametrize(("how", "kept"), [("rephrase", "output"), ("extend", "instruction")])
def test_what_is_not_to_change_is_not_asked_for(source: Path, server: StubLLM, how: str, kept: str):
    made = rewrite(server, source, "--how", how, "--split", "train,test")
    found = rows_of(made["set"])

    every = {row["id"]: (split, row) for split, rows in found.items() for row in rows}
    new = [(split, row) for split, rows in found.items() for row in rows if "rewrites" in row["draws"]]
    assert len(new) == made["rewritten"] > 0
    assert {split for split, _ in new} == {"train", "test"}
    for split, row in new:
        where, original = every[row["draws"]["rewrites"]]
        assert where == split
        assert row[kept] == original[kept]
        assert row["input"] == original["input"]
        assert row["instruction"] + row["output"] != original["instruction"] + original["output"]
    if how == "extend":
        assert all(len(row["output"]) > len(every[row["draws"]["rewrites"]][1]["output"]) for _, row in new)
        # The script's answer to "drops" is longer without its figure; what refuses or is in another language is as before.
        assert {"new-figure", "lost-figure", "boilerplate", "wrong-language", "left-out"} <= made["rejects"].keys()


def test_a_shorter_extension_is_none(source: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(
        SCRIPT, "drops", lambda q, a: (q, a.replace("Interest is the price of money, ", "The price is "))
    )
    with StubLLM(reply=reply) as server:
        assert rewrite(server, source, "--how", "extend")["rejects"]["shorter"] == 1


def test_a_dry_run_sends_nothing_and_requests_go_through_a_file(source: Path, server: StubLLM, tmp_path: Path):
    told = rewrite(server, source, "--dry-run")
    assert told["usd"][0] > 0
    assert not server.asked
    pending = rewrite(server, source, "--export-requests", "requests.jsonl")
    lines = [json.loads(line) for line in Path("requests.jsonl").read_text(encoding="utf-8").splitlines()]
    assert pending["exported"] == len(lines) == told["requests"]
    assert not server.asked
    answers = [
        answer_line(row["custom_id"], server.answer(row["body"], None, anthropic=False), anthropic=False)
        for row in lines
    ]
    Path("answers.jsonl").write_text("".join(dump_json(line) + "\n" for line in answers), encoding="utf-8")
    made = rewrite(server, source, "--import-answers", "answers.jsonl")
    assert made["rewritten"] == sum(ORDER.values())


def test_what_cannot_be_written_anew_is_said(source: Path, server: StubLLM):
    assert "the offline teacher cannot read" in run("synth", "rewrite", source, "--teacher", "offline", code=2).stderr
    assert "is the set itself" in rewrite(server, source, "--out", source, code=2)
    made = rewrite(server, source)
    assert "how improve -> extend" in rewrite(server, source, "--how", "extend", code=2)
    assert "no such set" in rewrite(server, Path("build/none"), code=2)
    assert made["changed"]


@pytest.mark.slow
def test_a_small_model_on_a_server_writes_pairs_anew(smollm2: Path, tmp_path: Path):
    """SmolLM2 behind a llama.cpp server: whatever it writes, each row is written anew or rejected with a reason.

    What comes of it goes through `prefer`, which says of each reject what it gave.
    """
    pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    manifest = make_manifest("bank", "import alpaca", {"sha256": {}}, ROWS["train"], ())
    rows = {"train": [row for row in ROWS["train"] if row.language == "en" and not row.options and not row.turns][:3]}
    write_set(tmp_path / "build/bank", SetContent(rows, [], [], manifest))
    env = os.environ | {"PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"}

    def fingen(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fingen", *map(str, words), "--json"]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=1800, check=False)

    packed = fingen("merge", smollm2, "--gguf", "q8_0")
    rewritten = Path("build/bank-rewritten")
    with llama(Path(json.loads(packed.stdout)["file"]), 4096) as server:
        ran = fingen("synth", "rewrite", "build/bank", "--how", "improve", "--teacher", "openai:smollm2", "--base-url",
                     f"{server.address}/v1", "--price", "0,0", "--per-request", 1, "--out", rewritten)  # fmt: skip
    if ran.returncode == 1:
        assert re.search(rf"none of {len(rows['train'])} rows came back better", ran.stderr), ran.stderr
        return
    made = json.loads(ran.stdout)
    assert made["asked"] == len(rows["train"]) == made["rewritten"] + sum(made["rejects"].values())
    written = read_rows(tmp_path / made["set"] / "train.jsonl")
    originals = [row for row in written if "rewrites" not in row["draws"]]
    assert [(row["id"], row["output"]) for row in originals] == [(row.id, row.output) for row in rows["train"]]
    assert len(written) - len(originals) == made["rewritten"]
    rejected = tmp_path / made["set"] / "rejected.jsonl"
    assert Counter(row["reason"] for row in (read_rows(rejected) if made["rejects"] else ())) == made["rejects"]
    preferred = fingen("prefer", rewritten)
    if preferred.returncode == 1:  # no pair came of it
        assert "no pair came of" in preferred.stderr, preferred.stderr
        return
    told = json.loads(preferred.stdout)
    assert told["rejects"] == sum(made["rejects"].values()) == told["with_pair"] + sum(told["without"].values())
