"""`fingen score` asks teachers over their API, a linear baseline, and benchmarks by name; no torch is needed for any of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rows import read_rows
from stub_hub import StubHub
from stub_llm import StubLLM
from test_kill import PROXIES

from fingen.cli import main
from fingen.scoring.benchmarks import read_benchmark
from fingen.scoring.card import render_table
from fingen.scoring.report import Choices, Interval, Report, Score, ScoredRows, read_score
from fingen.teachers import dispatch

ROOT = Path(__file__).resolve().parent.parent
ZH = dict(zip("ABCDE", ("行业板块问询", "个股问询", "大盘问询", "客服问询", "基金问询"), strict=True))


def fingen(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def scored(*arguments: object, code: int = 0) -> dict[str, Any]:
    result = fingen("score", *arguments, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def predictions(report: dict[str, Any]) -> list[dict[str, Any]]:
    lines = Path(report["folder"], "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if PROXIES.match(name)]:
        monkeypatch.delenv(name)
    for account in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{account}_API_KEY", "sk-for-tests")
    monkeypatch.setattr(dispatch, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Twelve questions whose right letter is in them."""
    asked = [
        {"id": f"q{n}", "instruction": f"Question {n} wants {'ABC'[n % 3]}.", "options": {"A": "x", "B": "y", "C": "z"},
         "gold": "ABC"[n % 3]}
        for n in range(12)
    ]  # fmt: skip
    return write(tmp_path / "rows.jsonl", asked)


def question(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def obliging(body: dict[str, Any]) -> str:
    """The right letter; to question 4 two letters, to question 5 another one."""
    number, letter = re.findall(r"Question (\d+) wants (\w)", question(body))[-1]
    return {"4": "A or B", "5": "答案是 A"}.get(number, f"{letter}.")


def ask(stub: StubLLM, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Result:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
    monkeypatch.setenv("OPENAI_BASE_URL", stub.openai_url)
    return fingen("score", *arguments)


# Teachers


def test_a_teacher_gets_the_bare_question_and_is_read_like_any_answer(rows: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=obliging) as stub:
        result = ask(stub, monkeypatch, "--teacher", "anthropic", "--teacher", "openai", "--set", rows, "--json",
                     "--price", "1,2")  # fmt: skip
    report = json.loads(result.stdout)

    assert result.exit_code == 0, result.stderr
    assert [one["subject"].partition("@")[0] for one in report["scores"]] == [
        "anthropic:claude-haiku-5-5",
        "openai:gpt-6-luna",
    ]
    assert {(one["kind"], one["method"]) for one in report["scores"]} == {("teacher", "generate")}
    for one in report["scores"]:
        assert one["choices"]["accuracy"]["value"] == 10 / 12
        assert one["choices"]["unparseable_why"] == {"names several letters: A, B": 1}
        assert one["details"]["requests"] == 12
        assert one["details"]["usage"]["output_tokens"] > 0
        usage = one["details"]["usage"]
        into = usage["input_tokens"] + usage["cache_read_tokens"] + usage["cache_write_tokens"]
        assert one["details"]["cost_usd"] == pytest.approx((into + 2 * usage["output_tokens"]) / 1e6)
    assert sum(one["details"]["usage"]["output_tokens"] for one in report["scores"]) == stub.tokens["output"]
    asked = json.dumps(stub.asked, ensure_ascii=False)
    assert "wants A" in asked
    assert '"system"' not in asked
    assert "gold" not in asked
    assert {question(body) for body in stub.asked} == {
        f"Question {n} wants {'ABC'[n % 3]}.\nA. x\nB. y\nC. z\nAnswer with the letter only." for n in range(12)
    }
    assert "12 requests for about" in result.stderr


@pytest.mark.parametrize("teacher", ["anthropic", "openai"])
def test_answers_of_a_teacher_that_were_cut_off_are_counted(teacher: str, rows: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=obliging, faults={"max_tokens": 1.0}) as stub:
        result = ask(stub, monkeypatch, "--teacher", teacher, "--set", rows)
    (score,) = read_score(next(Path("build/scores").iterdir()))[0].scores

    assert result.exit_code == 0, result.stderr
    assert score.cut == 12
    assert "12 answers were cut off at the limit of tokens: give them more with --max-tokens" in result.stdout


def test_nothing_is_paid_twice(rows: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=obliging) as stub:
        first = ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--json")
        again = ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--json")
        with_shots = ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--shots", "1")
        assert (stub.paid, stub.paid_twice) == (12, 0)
        other = write(Path("other.jsonl"), [json.loads(line) for line in rows.read_text("utf-8").splitlines()][:5])
        ask(
            stub,
            monkeypatch,
            "--teacher",
            "openai",
            "--set",
            other,
            "--out",
            json.loads(first.stdout)["folder"],
            "--replace",
        )
        assert stub.paid == 12

    assert again.stdout == first.stdout
    assert with_shots.exit_code == 2
    assert "there are 0 training rows" in with_shots.stderr


def test_a_question_that_stands_in_two_rows_is_paid_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ask_twice = [
        {
            "id": f"q{n}",
            "instruction": f"Question {n % 3} wants A.",
            "options": {"A": "x", "B": "y"},
            "gold": "AB"[n % 2],
        }
        for n in range(6)
    ]
    rows = write(tmp_path / "rows.jsonl", ask_twice)
    with StubLLM(reply=obliging) as stub:
        plan = json.loads(ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--dry-run", "--json").stdout)
        report = json.loads(ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--json").stdout)

        assert (stub.paid, plan["estimates"][0]["requests"], report["scores"][0]["details"]["requests"]) == (3, 3, 3)
    assert (report["scores"][0]["rows"], report["scores"][0]["choices"]["accuracy"]["value"]) == (6, 0.5)


def test_a_run_that_breaks_off_goes_on_where_it_was(rows: Path, monkeypatch: pytest.MonkeyPatch):
    def half(body: dict[str, Any]) -> str:
        if stub.paid >= 5:
            stub.key = "another"  # from here on the key is refused
        return obliging(body)

    with StubLLM(reply=half) as stub:
        broken = ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--concurrency", "1")
        paid = stub.paid
        assert broken.exit_code == 3, broken.stdout
        assert 5 <= paid < 12
        assert not Path("build/scores/openai-on-rows.jsonl/score.json").exists()
        stub.key, stub.reply = None, obliging
        whole = ask(stub, monkeypatch, "--teacher", "openai", "--set", rows, "--json")

        assert whole.exit_code == 0, whole.stderr
        assert (stub.paid, stub.paid_twice) == (12, 0)
    assert json.loads(whole.stdout)["scores"][0]["rows"] == 12


def test_the_budget_is_a_hard_stop_and_a_dry_run_sends_nothing(rows: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=obliging) as stub:
        dry = ask(stub, monkeypatch, "--teacher", "anthropic", "--set", rows, "--dry-run", "--price", "1,2")
        plan = json.loads(ask(stub, monkeypatch, "--teacher", "anthropic", "--set", rows, "--dry-run", "--json").stdout)
        assert (dry.exit_code, stub.received, Path("build").exists()) == (0, 0, False)
        poor = ask(stub, monkeypatch, "--teacher", "anthropic", "--set", rows, "--budget", "0.000001")
        assert (poor.exit_code, stub.paid) == (3, 0)
        ask(stub, monkeypatch, "--teacher", "anthropic", "--set", rows)
        done = json.loads(ask(stub, monkeypatch, "--teacher", "anthropic", "--set", rows, "--dry-run", "--json").stdout)

    assert "12 requests to anthropic:claude-haiku-5-5@127.0.0.1" in dry.stdout
    (estimate,) = plan["estimates"]
    assert (plan["rows"], estimate["requests"]) == ({"rows.jsonl": 12}, 12)
    assert 0 < estimate["usd"][0] <= estimate["usd"][1] <= estimate["usd"][2]
    assert "budget" in poor.stderr
    assert (done["estimates"][0]["requests"], done["estimates"][0]["from_journal"]) == (0, 12)


def test_what_a_teacher_refuses_counts_as_wrong(rows: Path, monkeypatch: pytest.MonkeyPatch):
    with StubLLM(reply=obliging, faults={"refusal": 0.5}, faulty_attempts=9) as stub:
        result = ask(stub, monkeypatch, "--teacher", "anthropic", "--set", rows, "--json")
        refused = stub.struck["refusal"]
    choices = json.loads(result.stdout)["scores"][0]["choices"]

    assert result.exit_code == 0, result.stderr
    assert refused
    assert choices["unparseable_why"]["refusal"] == refused
    assert choices["accuracy"]["value"] <= (12 - refused) / 12


def test_teachers_that_are_none_are_refused(rows: Path):
    for name, code, message in (("oracle", 2, "unknown teacher"), ("offline", 2, "answers no questions")):
        result = fingen("score", "--teacher", name, "--set", rows)
        assert (result.exit_code, message in result.stderr) == (code, True), result.stderr


# Baseline


def intent(*more: object) -> None:
    made = fingen(
        "synth", "intent", "--n", 200, "--validation", 6, "--test", 60, "--teacher", "offline", "--quiet", *more
    )
    assert made.exit_code == 0, made.stderr


def test_a_baseline_shows_what_the_training_rows_teach():
    intent()
    report = scored("--baseline", "--set", "build/intent")
    (one,) = report["scores"]
    rows = predictions(report)

    assert (one["subject"], one["kind"]) == ("linear baseline", "baseline")
    assert one["details"]["trained_on"]["rows"] == 200
    gold = Counter(row["gold"] for row in rows)
    assert one["choices"]["accuracy"]["low"] > max(gold.values()) / len(rows) + 0.1  # well above the largest class
    assert report["folder"] == "build/scores/baseline-on-intent-test"
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["value"] == max(row["probabilities"], key=row["probabilities"].get)
    (beside,) = scored("--baseline", "--set", "build/intent", "--shots", 1, "--out", "build/scores/shots")["scores"]
    assert (beside["shots"], beside["choices"]) == (0, one["choices"])  # it sees no prompt
    again = scored("--baseline", "--set", "build/intent")
    assert again == report


def test_a_baseline_beside_a_file_of_answers_is_paired_with_it(tmp_path: Path):
    intent()
    rows = read_rows(Path("build/intent/test.jsonl"))
    file = write(tmp_path / "mine.jsonl", [{"id": row["id"], "prediction": row["output"]} for row in rows])
    report = scored("--baseline", "--predictions", file, "--gold", "build/intent")

    assert [one["subject"] for one in report["scores"]] == ["mine", "linear baseline"]
    (pair,) = report["pairs"]
    assert (pair["first"], pair["second_only"]) == ("mine", 0)


def test_a_baseline_needs_training_rows_of_two_classes_and_its_extra(rows: Path, tmp_path: Path):
    alone = fingen("score", "--baseline", "--set", rows)
    assert alone.exit_code == 2
    assert "training rows of 0 classes" in alone.stderr
    one = tmp_path / "one.csv"
    one.write_text("text,label\n" + "".join(f"Sales rose {n} times.,positive\n" for n in range(40)), encoding="utf-8")
    split = ("--text", "text", "--label", "label", "--split", "0.5,0,0.5", "--out", "build/one")
    assert fingen("import", "csv", one, *split).exit_code == 0
    single = fingen("score", "--baseline", "--set", "build/one")
    assert single.exit_code == 2
    assert "training rows of 1 classes, and two are needed" in single.stderr
    code = (
        "import sys\nsys.modules['sklearn'] = None\nfrom fingen.cli import main\n"
        f"main(['score', '--baseline', '--set', {str(rows)!r}], prog_name='fingen')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert "-m pip install" in run.stderr
    assert "[baseline]" in run.stderr


# Benchmarks


def letters(path: Path, count: int) -> Path:
    rows = [{"id": str(n), "question": f"问题 {n}", **ZH, "answer": "ABCDE"[n % 5]} for n in range(count)]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def test_several_benchmarks_in_one_run_have_a_mean_and_a_deviation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = letters(tmp_path / "a.json", 10), letters(tmp_path / "b.json", 20)
    arguments = ("--benchmark", "openfindata", "--data", first, "--benchmark", "fineval-intent", "--data", second)
    with StubLLM(reply=lambda body: "A" if "你负责" in question(body) else "B. 个股问询") as stub:
        result = ask(stub, monkeypatch, "--teacher", "openai:gpt-6-luna", *arguments)
        again = ask(stub, monkeypatch, "--teacher", "openai:gpt-6-luna", *arguments, "--json")
    report = json.loads(again.stdout)

    assert result.exit_code == 0, result.stderr
    assert {key: source["kind"] for key, source in report["sources"].items()} == dict.fromkeys(
        ("openfindata", "fineval-intent"), "benchmark"
    )
    assert [(one["on"], one["rows"]) for one in report["scores"]] == [("openfindata", 10), ("fineval-intent", 20)]
    for name, statistic in (("Mean", fmean), ("Std", pstdev)):
        values = [
            statistic([100 * one["choices"][figure]["value"] for one in report["scores"]])
            for figure in ("accuracy", "macro_f1", "micro_f1", "weighted_f1")
        ]
        shown = " | ".join(f"{value:.2f}" for value in values)
        assert f" | {name} of 2 benchmarks |  | {shown} |" in result.stdout


def test_the_mean_and_deviation_are_those_of_a_published_table():
    """The weighted F1 of FinGPT v3.1 and v3.3 as its authors list them, with their Mean and Std rows."""
    table = {"v3.1": (0.855, 0.850, 0.875, 0.642), "v3.3": (0.882, 0.874, 0.903, 0.643)}
    keys = ("fpb", "fiqa", "tfns", "nwgi")

    def choices(value: float) -> Choices:
        figure = Interval(value=value, low=0, high=1)
        return Choices(accuracy=figure, macro_f1=figure, micro_f1=figure, weighted_f1=figure, unparseable=0,
                       unparseable_why={}, classes={}, confusion={})  # fmt: skip

    scores = [
        Score(subject=name, kind="adapter", on=key, method="letters", rows=10, asked=10, choices=choices(value))
        for name, values in table.items()
        for key, value in zip(keys, values, strict=True)
    ]
    sources = {key: ScoredRows(name=key, sha256=None, split="", kind="benchmark") for key in keys}
    shown = render_table(Report(name="r", sources=sources, scores=tuple(scores), resamples=1, seed=0, version="0"))

    for name, mean, deviation in (("v3.1", "80.5", "9.5"), ("v3.3", "82.5", "10.6")):
        rows = [line for line in shown.splitlines() if line.startswith(f"| {name} |") and "benchmarks" in line]
        assert [float(row.split("|")[-3]) for row in rows] == pytest.approx([float(mean), float(deviation)], abs=0.06)


def test_what_the_teacher_wrote_itself_never_comes_before_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    intent()
    rows = letters(tmp_path / "a.json", 10)
    with StubLLM(reply=replies("A")) as stub:
        arguments = ("--teacher", "openai", "--set", "build/intent", "--benchmark", "openfindata", "--data", rows)
        result = ask(stub, monkeypatch, *arguments, "--out", "build/scores/both")
    report, _ = read_score(Path("build/scores/both"))

    assert result.exit_code == 0, result.stderr
    shown = ["openfindata", "intent test [synthetic, same teacher (offline)]"]
    lines = [line.split(" | ") for line in result.stdout.splitlines()[2:6]]
    assert [line[1] for line in lines] == [on for on in shown for _ in ("the teacher", "the majority class")]
    assert [line[0].startswith("| majority class: ") for line in lines] == [False, True] * 2
    turned = report.model_copy(update={"sources": dict(reversed(report.sources.items()))})
    assert list(report.sources) != list(turned.sources)
    assert (report.headline, turned.headline) == ("openfindata", "openfindata")
    assert report.order == turned.order == ["openfindata", "intent test"]


def test_a_benchmark_is_fetched_only_where_no_file_is_given(tmp_path: Path):
    """In a process of its own, since huggingface_hub reads its address once."""
    files = {"sent_train.csv": b"text,label\nfall,0\nrise,1\ncalm,2\n", "sent_valid.csv": b"text,label\nsink,0\n"}
    with StubHub("zeroshot/twitter-financial-news-sentiment", files) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
        command = (sys.executable, "-m", "fingen", "score", "--baseline", "--benchmark", "tfns", "--json")
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        asked = len(hub.asked)
        (tmp_path / "sent_valid.csv").write_bytes(files["sent_valid.csv"])
        subprocess.run((*command, "--data", tmp_path / "sent_valid.csv"), env=environment, capture_output=True)
        assert len(hub.asked) == asked > 0

    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith("tfns: fetching zeroshot/twitter-financial-news-sentiment from the Hub (licence: MIT)")
    (one,) = json.loads(run.stdout)["scores"]
    assert (one["rows"], one["details"]["trained_on"]["rows"]) == (1, 3)


def test_rows_that_cannot_be_fetched_are_an_error_of_the_network():
    result = fingen("score", "--baseline", "--benchmark", "tfns")

    assert result.exit_code == 3
    assert "zeroshot/twitter-financial-news-sentiment: cannot be loaded" in result.stderr


def test_a_benchmark_file_without_the_published_split_is_scored_whole_and_that_is_said(tmp_path: Path):
    lines = ["text,label", *(f"Share {n} moves,{n % 3}" for n in range(9))]
    train, valid = tmp_path / "sent_train.csv", tmp_path / "sent_valid.csv"
    train.write_text("\n".join(lines) + "\n", encoding="utf-8")
    valid.write_text("\n".join(lines[:4]) + "\n", encoding="utf-8")

    (note,) = (asked := read_benchmark("tfns", train)).notes
    assert (len(asked.items), asked.examples) == (9, ())
    assert "all 9 rows are scored: figures of others do not compare" in note
    (note,) = (asked := read_benchmark("tfns", valid)).notes
    assert len(asked.items) == 3
    assert "the published validation rows, 3 of 3" in note
    both = read_benchmark("tfns", tmp_path)
    assert (len(both.items), len(both.examples)) == (3, 9)
    assert [item.right for item in both.items] == ["negative", "positive", "neutral"]
    assert all(list(item.options) == ["negative", "neutral", "positive"] for item in both.items)


def test_the_published_splits_of_real_benchmarks(shared: Path):
    fpb = read_benchmark("fpb", shared / "sentiment/fpb_Sentences_50Agree.txt")
    assert (len(fpb.items), len(fpb.examples)) == (1212, 3634)  # as FinGPT's table says
    assert not {item.id for item in fpb.items} & {item.id for item in fpb.examples}
    assert fpb.items[0].instruction.startswith(
        "What is the sentiment of this news? Please choose an answer from {negative/"
    )
    nwgi = read_benchmark("nwgi", shared / "sentiment/nwgi_sample_300.jsonl")
    assert len(nwgi.items) == 300
    assert "figures of others do not compare" in nwgi.notes[0]
    openfindata = read_benchmark("openfindata", shared / "intent/openfindata_intent_format_sample_5.json")
    assert len(openfindata.items) == 5
    assert all(item.options[item.right] == item.gold for item in openfindata.items)


def test_fiqa_is_cut_as_its_published_figures_were(tmp_path: Path):
    """FinGPT strings the three parts together and keeps 22.6 % of them: 275 of 1,213."""
    parts = {"train": 961, "validation": 102, "test": 150}
    for name, count in parts.items():
        rows = [{"sentence": f"{name} {n}", "sentiment_score": 0.5, "format": "post"} for n in range(count)]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    asked = read_benchmark("fiqa", tmp_path)

    from datasets import Dataset, concatenate_datasets

    whole = concatenate_datasets([Dataset.from_dict({"s": [f"{p} {n}" for n in range(c)]}) for p, c in parts.items()])
    wanted = whole.train_test_split(0.226, seed=42)["test"]["s"]
    assert len(asked.items) == 275
    assert {item.input for item in asked.items} == set(wanted)
    assert len(asked.examples) == 938


def replies(text: str) -> Callable[[dict[str, Any]], str]:
    return lambda body: text


def test_fingpt_s_labels_are_read_from_free_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    valid = tmp_path / "sent_valid.csv"
    valid.write_text("text,label\nUp,1\nDown,0\nSame,2\n", encoding="utf-8")
    for said, right, unread in (("Positive.", 1, 0), ("It is positive or neutral", 0, 3), ("negative", 1, 0)):
        with StubLLM(reply=replies(said)) as stub:
            out = f"build/scores/{len(said)}"
            result = ask(
                stub, monkeypatch, "--teacher", "openai", "--benchmark", "tfns", "--data", valid, "--out", out, "--json"
            )
        choices = json.loads(result.stdout)["scores"][0]["choices"]
        assert choices["accuracy"]["value"] == pytest.approx(right / 3)
        assert choices["unparseable"] == unread
