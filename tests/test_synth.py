"""`fingen synth intent`: exactly so many valid items, balanced, from any teacher, and again without paying."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rows import read_rows
from stub_llm import StubLLM
from test_kill import PROXIES

from fingen import cli
from fingen.config import Filters, Synth
from fingen.errors import Interrupted, ShortfallError
from fingen.pipeline.synth import SynthSummary, synth
from fingen.quality.duplicates import fold
from fingen.records import Request
from fingen.tasks import sentiment, topics
from fingen.tasks.client_specs import ClientSpecs
from fingen.tasks.intent import form
from fingen.tasks.labels import Label, read_labels
from fingen.tasks.plain_specs import PlainSpecs
from fingen.teachers.scripted import Scripted

LETTERS = "ABCDE"
Row = dict[str, Any]


def fingen(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, ["synth", "intent", *map(str, arguments)], prog_name="fingen")


def rows(folder: Path, *splits: str) -> list[Row]:
    files = [folder / f"{split}.jsonl" for split in splits or ("train", "validation", "test")]
    return read_rows(*files)


def said(row: Row) -> str:
    """What the client says, out of the row's instruction."""
    text = row["instruction"].split("\n", 1)[1].rsplit("\nA. ", 1)[0]
    return text.removeprefix("问句：").removeprefix("Client: ")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith((".", "journal"))}


def write_item(draw: Row, salt: str = "") -> str:
    """A text that no other draw has: of characters, chosen by the draw."""
    rng = random.Random(f"{draw['label']}|{draw['n']}|{salt}")
    return "".join(rng.choices("涨跌买卖看好怎么样今天明天股票市场基金行业请问还能吗为什么", k=14))


def good(request: Request) -> str:
    items = [{"number": n, "text": write_item(draw)} for n, draw in enumerate(request.draws, 1)]
    return json.dumps({"items": items}, ensure_ascii=False)


def bad(request: Request) -> str:
    """Every way an item can fall, and whole answers that are none: about a third of all."""
    rng = random.Random(request.key)
    if rng.random() < 0.05:
        return "no JSON at all"
    items: list[Any] = []
    for n, draw in enumerate(request.draws, 1):
        text = write_item(draw)
        faults = [text, text, text, text, "好", draw["label"], "重复的话大家都这么说", "客户：" + text, "x" * 200, None]
        items.append({"number": n, "text": rng.choice(faults)})
    items.append({"number": 99, "text": "没有这张单子"})
    return json.dumps({"items": items}, ensure_ascii=False)


def make(out: Path, n: int, reply: Callable[[Request], str] = good, **options: Any) -> SynthSummary:
    settings = Synth(n=n, out=out, teacher="offline", **options)
    labels = read_labels(None, settings.language)
    draws = ClientSpecs(labels, settings.language, seed=0)
    made = synth(settings, form(seed=0, fixed_options=False), labels, draws, teacher=Scripted(reply))
    assert isinstance(made, SynthSummary)
    return made


def assert_exact(folder: Path, counts: dict[str, int], labels: Sequence[str]) -> None:
    """So many rows, labels and letters within one of their quota in each split, no two texts alike, all letters right."""
    for split, count in counts.items():
        there = rows(folder, split)
        assert len(there) == count, split
        by_label = Counter(row["label"] for row in there)
        assert all(abs(by_label[label] - count / len(labels)) < 1 for label in labels), (split, by_label)
        letters = Counter(row["output"] for row in there)
        assert all(abs(letters[letter] - count / len(labels)) < 1 for letter in LETTERS[: len(labels)]), (
            split,
            letters,
        )
    everything = rows(folder)
    assert (
        len({fold(said(row)) for row in everything}) == len({row["id"] for row in everything}) == sum(counts.values())
    )
    for row in everything:
        assert row["options"][row["output"]] == row["label"]
        assert sorted(row["options"].values()) == sorted(labels)
        assert row["input"] == ""
        assert row["instruction"].endswith(
            "\n" + "\n".join(f"{letter}. {name}" for letter, name in row["options"].items())
        )
        assert row["draws"]["label"] == row["label"]
        assert row["origin"] == "synthetic"


def items_of(folder: Path) -> int:
    """Items in the last answers to all requests, as the journal's file has them; an answer that is none counts as one."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        texts = [text for (text,) in db.execute("SELECT text FROM completions WHERE error IS NULL")]
    return sum(len(json.loads(text)["items"]) if text.startswith("{") else 1 for text in texts)


NAMES = tuple(label.name for label in read_labels(None, "zh"))


@pytest.mark.parametrize("n", [1, 7, 500, 2000])
@pytest.mark.parametrize("reply", [good, bad], ids=["scripted", "faulty"])
def test_n_is_exact(tmp_path: Path, n: int, reply: Callable[[Request], str]):
    made = make(tmp_path / "set", n, reply, test=3)

    assert_exact(tmp_path / "set", {"train": n, "validation": round(0.32 * n), "test": 3}, NAMES)
    assert made.exit_code == 0
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rejects"] == Counter(row["reason"] for row in rows(tmp_path / "set", "rejected")) == made.rejects
    assert items_of(tmp_path / "set") == len(rows(tmp_path / "set")) + sum(made.rejects.values())
    if reply is bad and n >= 500:
        assert {"exact", "schema", "length", "names-label", "meta", "unusable-answer"} <= set(made.rejects)
        assert made.rounds > 1


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("n", [1, 7, 500])
def test_the_offline_teacher_makes_exactly_n(tmp_path: Path, n: int, language: str):
    ran = fingen("--n", n, "--validation", 5, "--language", language, "--teacher", "offline", "--out", tmp_path / "set")

    assert ran.exit_code == 0, ran.output
    labels = [label.name for label in read_labels(None, language)]
    assert_exact(tmp_path / "set", {"train": n, "validation": 5}, labels)
    verified = CliRunner().invoke(cli.main, ["verify", str(tmp_path / "set")])
    assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize("reply", [good, bad], ids=["scripted", "faulty"])
def test_the_same_answers_give_the_same_bytes_and_nothing_is_asked_again(
    tmp_path: Path, reply: Callable[[Request], str]
):
    make(tmp_path / "one", 60, reply)
    make(tmp_path / "two", 60, reply)
    before = content(tmp_path / "one")
    assert {name: data for name, data in content(tmp_path / "two").items() if name.endswith(".jsonl")} == {
        name: data for name, data in before.items() if name.endswith(".jsonl")
    }

    again = make(tmp_path / "one", 60, lambda request: pytest.fail("asked again"))

    assert again.changed is False
    assert again.requests["asked"] == 0
    assert content(tmp_path / "one") == before


def test_a_set_can_grow_and_keeps_what_it_paid_for(tmp_path: Path):
    make(tmp_path / "set", 50)
    first = {said(row) for row in rows(tmp_path / "set")}

    made = make(tmp_path / "set", 100)

    assert first <= {said(row) for row in rows(tmp_path / "set")}
    assert made.requests["from_journal"] >= 12


def test_a_label_that_cannot_be_filled_ends_with_what_is_missing(tmp_path: Path):
    def reply(request: Request) -> str:
        items = [
            {"number": n, "text": "大盘怎么样了呢" if draw["label"] == "大盘问询" else write_item(draw)}
            for n, draw in enumerate(request.draws, 1)
        ]
        return json.dumps({"items": items}, ensure_ascii=False)

    with pytest.raises(ShortfallError) as caught:
        make(tmp_path / "set", 50, reply)

    assert caught.value.exit_code == 1
    assert "大盘问询: 1 of 13" in str(caught.value)
    assert "个股问询: 13 of 13" in str(caught.value)
    assert re.search(r"\d+ exact", str(caught.value))
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_weights_and_own_labels_and_one_for_all_else(tmp_path: Path):
    (tmp_path / "labels.yaml").write_text(
        "- {name: Card lost, definition: the client has lost a card}\n"
        "- {name: Loan, definition: anything about loans, examples: [what rate do I pay], weight: 3}\n",
        encoding="utf-8",
    )
    labels = read_labels(tmp_path / "labels.yaml", "en", with_other=True)
    settings = Synth(n=50, validation=0, language="en", out=tmp_path / "set", teacher="offline")

    synth(
        settings,
        form(seed=0, fixed_options=False),
        labels,
        ClientSpecs(labels, "en", seed=0),
        teacher=Scripted(latin(good)),
    )

    counts = Counter(row["label"] for row in rows(tmp_path / "set"))
    assert counts["Loan"] == 30
    assert counts["Card lost"] == counts[labels[-1].name] == 10
    refused = fingen(
        "--labels", tmp_path / "labels.yaml", "--weights", "1,2,3", "--teacher", "offline", "--out", tmp_path / "x"
    )
    assert refused.exit_code == 2
    assert "Card lost, Loan" in refused.stderr


def test_fixed_options_make_a_letter_a_label(tmp_path: Path):
    ran = fingen("--n", 20, "--fixed-options", "--teacher", "offline", "--out", tmp_path / "set")

    assert ran.exit_code == 0, ran.output
    order = dict(zip(LETTERS, NAMES, strict=True))
    assert all(row["options"] == order for row in rows(tmp_path / "set"))
    assert Counter(row["output"] for row in rows(tmp_path / "set", "train")) == dict.fromkeys(LETTERS, 4)


def test_an_evaluation_set_is_kept_out(tmp_path: Path):
    fingen("--n", 30, "--teacher", "offline", "--out", tmp_path / "one")
    texts = [said(row) for row in rows(tmp_path / "one")][:8]
    benchmark = tmp_path / "bench.json"
    benchmark.write_text(
        json.dumps([{"question": text, "answer": "A"} for text in texts], ensure_ascii=False), encoding="utf-8"
    )

    ran = fingen("--n", 30, "--teacher", "offline", "--keep-out", benchmark, "--out", tmp_path / "two", "--json")

    assert ran.exit_code == 0, ran.output
    made = json.loads(ran.stdout)
    assert made["rejects"]["contaminated"] == len(texts)
    assert set(texts).isdisjoint(said(row) for row in rows(tmp_path / "two"))
    assert len(rows(tmp_path / "two", "train")) == 30
    assert made["measures"]["distinct_2"] > 0.5


def test_a_benchmark_that_puts_each_question_behind_a_prompt_is_kept_out_too(tmp_path: Path):
    fingen("--n", 10, "--teacher", "offline", "--out", tmp_path / "one")
    texts = [said(row) for row in rows(tmp_path / "one")][:4]
    prompt = "你是一个意图情绪助手。请分析以下问句的意图是哪一个？\n问句:"
    benchmark = tmp_path / "bench.json"
    asked = [{"id": str(n), "question": prompt + text, "A": "甲", "answer": "A"} for n, text in enumerate(texts)]
    benchmark.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")

    fingen("--n", 10, "--teacher", "offline", "--keep-out", benchmark, "--out", tmp_path / "two")
    verified = CliRunner().invoke(cli.main, ["verify", str(tmp_path / "one"), "--keep-out", str(benchmark), "--json"])

    assert set(texts).isdisjoint(said(row) for row in rows(tmp_path / "two"))
    assert len(rows(tmp_path / "two", "train")) == 10
    assert json.loads(verified.stdout)["laws"]["contamination"]["failed"] == 4


def test_what_another_set_has_is_not_repeated(tmp_path: Path):
    fingen("--n", 30, "--teacher", "offline", "--out", tmp_path / "one")

    ran = fingen("--n", 30, "--teacher", "offline", "--against", tmp_path / "one", "--out", tmp_path / "two", "--json")

    assert ran.exit_code == 0, ran.output
    assert {said(row) for row in rows(tmp_path / "one")}.isdisjoint(said(row) for row in rows(tmp_path / "two"))
    assert json.loads(ran.stdout)["rejects"]["exact"] >= 40


def test_personal_data_in_an_item_is_masked(tmp_path: Path):
    def reply(request: Request) -> str:
        items = [
            {"number": n, "text": f"{write_item(draw)[:8]}我的手机13800138000"}
            for n, draw in enumerate(request.draws, 1)
        ]
        return json.dumps({"items": items}, ensure_ascii=False)

    made = make(tmp_path / "set", 5, reply, validation=0)
    assert made.private["phone"] >= 5
    assert all("[PHONE]" in row["instruction"] and "13800138000" not in str(row) for row in rows(tmp_path / "set"))
    with pytest.raises(ShortfallError):
        make(tmp_path / "dropped", 5, reply, validation=0, filters=Filters(privacy="drop"))


# ---- over the network


def slips(body: Row) -> list[tuple[int, str]]:
    """Number and label of each slip in a prompt."""
    prompt = next(turn["content"] for turn in body["messages"] if turn["role"] == "user")
    return [(int(number), label) for number, label in re.findall(r"抽签单 (\d+)\n意图：(.*)", str(prompt))]


def answer(body: Row) -> str:
    """A teacher, or the second one, which takes every item with 吗 in it for a question about the market."""
    prompt = str(next(turn["content"] for turn in body["messages"] if turn["role"] == "user"))
    if "抽签单" in prompt:
        key = json.dumps(body["messages"], ensure_ascii=False)
        items = [
            {"number": n, "text": write_item({"label": label, "n": n}, key) + label[:2]} for n, label in slips(body)
        ]
        return json.dumps({"items": items}, ensure_ascii=False)
    listed = re.findall(r"(\d+)\. (.+)", prompt)
    names = {name[:2]: name for name in NAMES}
    verdicts = [
        {"number": int(n), "label": "大盘问询" if "吗" in text else names[text.strip()[-2:]]} for n, text in listed
    ]
    return json.dumps({"items": verdicts}, ensure_ascii=False)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    return tmp_path


def test_a_teacher_behind_a_network_with_faults_gives_exactly_n(desk: Path, monkeypatch: pytest.MonkeyPatch):
    faults = {"rate_limit": 0.05, "cut_json": 0.02, "refusal": 0.01, "max_tokens": 0.01, "server_error": 0.02}
    with StubLLM(reply=answer, faults=faults) as stub:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
        ran = fingen("--n", 200, "--teacher", "anthropic", "--json", "--quiet")
        manifest = json.loads(Path("build/intent/manifest.json").read_text(encoding="utf-8"))

    assert ran.exit_code == 0, ran.output
    assert_exact(Path("build/intent"), {"train": 200, "validation": 64}, NAMES)
    assert manifest["usage"] == {
        f"{kind}_tokens": stub.tokens[kind] for kind in ("input", "cache_read", "cache_write", "output")
    }
    assert json.loads(ran.stdout)["cost_usd"] > 0


def test_a_second_teacher_that_disagrees_rejects_and_names_the_pairs(desk: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=answer) as stub:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
        monkeypatch.setenv("OPENAI_BASE_URL", stub.openai_url)
        ran = fingen("--n", 40, "--teacher", "anthropic", "--check", "openai", "--json", "--quiet")
        paid = stub.paid
        again = fingen("--n", 40, "--teacher", "anthropic", "--check", "openai", "--json", "--quiet")
        prompts = [str(body) for body in stub.asked if "抽签单" not in str(body)]

    assert ran.exit_code == 0, ran.output
    assert_exact(Path("build/intent"), {"train": 40, "validation": 13}, NAMES)
    assert all("吗" not in said(row) for row in rows(Path("build/intent")) if row["label"] != "大盘问询")
    made = json.loads(ran.stdout)
    assert made["rejects"]["check-disagrees"] == sum(pair["items"] for pair in made["confused"]) > 0
    assert {pair["taken"] for pair in made["confused"]} == {"大盘问询"}
    assert {pair["asked"] for pair in made["confused"]} <= set(NAMES) - {"大盘问询"}
    rejected = [row for row in rows(Path("build/intent"), "rejected") if row["reason"] == "check-disagrees"]
    assert all("taken for 大盘问询" in row["detail"] for row in rejected)
    assert json.loads(again.stdout)["requests"]["asked"] == 0
    assert stub.paid == paid
    assert prompts  # the second teacher was asked, and did not see what the items were asked for
    assert all("意图：" not in prompt for prompt in prompts)


def test_a_dry_run_says_what_the_first_round_would_cost(desk: Path):
    ran = fingen("--n", 500, "--teacher", "anthropic", "--dry-run", "--json")

    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["requests"], told["pairs"]) == (132, 660)
    assert 0 < told["usd"][0] < told["usd"][1] < told["usd"][2]
    assert not Path("build").exists()


def test_interrupted_it_goes_on_where_it_was(tmp_path: Path):
    asked = itertools.count()

    def stops(request: Request) -> str:
        if next(asked) == 20:
            signal.raise_signal(signal.SIGINT)
        return good(request)

    with pytest.raises(Interrupted):
        make(tmp_path / "set", 100, stops)
    made = make(tmp_path / "set", 100)

    assert made.requests["from_journal"] >= 15
    shutil.rmtree(tmp_path / "set")
    whole = make(tmp_path / "set", 100)
    assert whole.records == made.records


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--teacher", "offline", "--check", "offline"], "cannot read"),
        (["--teacher", "offline", "--labels", "nowhere.yaml"], "nowhere.yaml"),
        (["--teacher", "offline", "--n", "0"], "--n"),
        (["--teacher", "nobody"], "nobody"),
    ],
)
def test_what_cannot_be_is_told(desk: Path, options: list[str], text: str):
    ran = fingen(*options)

    assert ran.exit_code in (2, 3)
    assert text in ran.stderr
    assert not Path("build/intent/manifest.json").exists()


def test_other_settings_are_not_mixed_in_silence(desk: Path):
    assert fingen("--n", 10, "--teacher", "offline").exit_code == 0

    refused = fingen("--n", 10, "--teacher", "offline", "--seed", 1)
    replaced = fingen("--n", 10, "--teacher", "offline", "--seed", 1, "--replace")

    assert refused.exit_code == 2
    assert "seed 0 -> 1" in refused.stderr
    assert replaced.exit_code == 0


# ---- sentiment, and pairs on topics


def event(request: Request) -> str:
    items = [{"number": n, "text": f"Harrow Mills said on {write_item(draw, 'news')} {draw['label'][:2]}{draw['n']} plants would run on."}
             for n, draw in enumerate(request.draws, 1)]  # fmt: skip
    return json.dumps({"items": items})


def test_sentiment_has_the_labels_balanced_in_fingpts_form(desk: Path):
    labels = read_labels(None, "en", defaults="sentiment.labels")
    settings = Synth(kind="sentiment", n=30, validation=6, language="en", out=Path("build/se"), teacher="anthropic")

    made = synth(
        settings, sentiment.form(), labels, PlainSpecs("sentiment.draws", "en", seed=0), teacher=Scripted(latin(event))
    )

    assert isinstance(made, SynthSummary)
    train = rows(Path("build/se"), "train")
    assert Counter(row["output"] for row in train) == {"negative": 10, "neutral": 10, "positive": 10}
    assert len(rows(Path("build/se"), "validation")) == 6
    assert made.records == {label.name: {"train": 10, "validation": 2, "test": 0} for label in labels}
    ask = "What is the sentiment of this news? Please choose an answer from {negative/neutral/positive}."
    assert {row["instruction"] for row in train} == {ask}
    assert len({row["input"] for row in train}) == 30
    assert all(row["label"] == row["output"] and row["draws"]["about"] for row in train)


def latin(reply: Callable[[Request], str]) -> Callable[[Request], str]:
    """The same answer in Latin letters: the texts of `write_item` are Chinese."""
    return lambda request: re.sub(
        r"[\u4e00-\u9fff]",
        lambda match: chr(97 + ord(match[0]) % 26),
        json.dumps(json.loads(reply(request)), ensure_ascii=False),
    )


def pairs(request: Request) -> str:
    items = [{"number": n, "text": f"{draw['label']}方面，{write_item(draw)}应该怎么办？", "answer": "".join(f"{write_item(draw, 'abcdef'[k])}。" for k in range(6))}
             for n, draw in enumerate(request.draws, 1)]  # fmt: skip
    items[0]["answer"] = "作为人工智能，我无法回答这个问题。" * 5 if request.draws[0]["n"] == 1 else items[0]["answer"]
    return json.dumps({"items": items}, ensure_ascii=False)


def test_topic_pairs_say_that_nothing_grounds_them(desk: Path):
    labels = read_labels(None, "zh", defaults="topics.labels")
    settings = Synth(kind="qa", n=70, validation=0, out=Path("build/qa"), teacher="anthropic")

    made = synth(settings, topics.form(), labels, PlainSpecs("topics.draws", "zh", seed=0), teacher=Scripted(pairs))

    assert isinstance(made, SynthSummary)
    train = rows(Path("build/qa"), "train")
    assert Counter(row["draws"]["label"] for row in train) == {label.name: 10 for label in labels}
    assert made.records == {label.name: {"train": 10, "validation": 0, "test": 0} for label in labels}
    assert not any(row["label"] or row["document"] or row["evidence"] for row in train)
    forms = Counter(bool(row["input"]) for row in train)
    assert forms[True] > 10 < forms[False]  # several prompt forms
    assert made.rejects["boilerplate"] == 1
    assert "no document grounds" in made.notes[0]
    card = Path("build/qa/README.md").read_text(encoding="utf-8")
    assert "no document grounds these answers" in card
    verified = CliRunner().invoke(cli.main, ["verify", "build/qa"])
    assert verified.exit_code == 0, verified.output
    assert "declared: no document grounds" in verified.stdout


@pytest.mark.parametrize(("kind", "language"), [*itertools.product(["qa", "sentiment"], ["zh", "en"])])
def test_the_other_kinds_need_a_teacher_that_can_write_them(desk: Path, kind: str, language: str):
    refused = CliRunner().invoke(cli.main, ["synth", kind, "--n", "5", "--language", language, "--teacher", "offline"])
    priced = CliRunner().invoke(
        cli.main, ["synth", kind, "--n", "5", "--language", language, "--teacher", "openai", "--dry-run"]
    )

    assert refused.exit_code == 2
    assert "--teacher anthropic" in refused.stderr
    assert priced.exit_code == 0, priced.output
    assert "requests to openai" in priced.stdout


def test_labels_are_what_the_file_says():
    assert all(isinstance(label, Label) and label.definition for label in read_labels(None, "zh"))
