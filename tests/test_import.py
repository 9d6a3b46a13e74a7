"""`fingen import`: published data and common forms become sets; every row is in the set, in the rejects, or in an error."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from stub_hub import StubHub

from fingen import config
from fingen.cli import main
from fingen.errors import SetError
from fingen.imports.sources import SOURCES
from fingen.pipeline.importing import import_set
from fingen.records import Record
from fingen.rows import read_raw
from fingen.sets import SPLITS, read_manifest, read_split

ASK_NEWS = "What is the sentiment of this news? Please choose an answer from {negative/neutral/positive}."
ASK_TWEET = ASK_NEWS.replace("news", "tweet")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


def imported(*arguments: str | Path) -> dict[str, Any]:
    """The summary of an import that succeeds."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*arguments: str | Path, code: int = 2) -> str:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    return result.stderr


def rows_of(folder: str | Path) -> dict[str, list[Record]]:
    folder = Path(folder)
    there = read_manifest(folder).splits
    return {split: list(read_split(folder, split)) for split in SPLITS if there[split]}


def only(folder: str | Path) -> list[Record]:
    (rows,) = rows_of(folder).values()
    return rows


def write(name: str, text: str, encoding: str = "utf-8") -> Path:
    path = Path(name)
    path.write_bytes(text.encode(encoding))
    return path


def labels(folder: str | Path) -> Counter[str | None]:
    return Counter(record.label for rows in rows_of(folder).values() for record in rows)


# --- the published files, with the counts that are known of them ---------------------------------------------------------


def test_fpb_as_published_with_the_split_of_fingpt(shared: Path):
    file = shared / "sentiment/fpb_Sentences_50Agree.txt"
    made = imported("fpb", file)

    assert labels("build/fpb") == {"neutral": 2879, "positive": 1363, "negative": 604}
    rows = rows_of("build/fpb")
    assert {split: len(records) for split, records in rows.items()} == {"train": 3634, "test": 1212}
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    from datasets import Dataset

    whole = Dataset.from_dict({"sentence": [line.rpartition("@")[0] for line in lines]})
    theirs = whole.train_test_split(test_size=0.25, seed=42)
    assert Counter(record.input for record in rows["test"]) == Counter(theirs["test"]["sentence"])
    assert {record.instruction for record in rows["train"]} == {ASK_NEWS}
    assert all(record.output == record.label and record.teacher == "human" for record in rows["train"])
    assert len({record.id for records in rows.values() for record in records}) == 4846
    declared = " ".join(read_manifest(Path("build/fpb")).declared)
    assert "train_test_split(test_size=0.25, seed=42)" in declared
    assert "1,212 test" in declared
    assert made["repeats"]["texts"] == 8


def test_labels_of_fpb_that_conflict_are_named_not_hidden(shared: Path):
    made = imported("fpb", shared / "sentiment/fpb_Sentences_50Agree.txt")

    named = [[(row["where"].rpartition("line ")[2], row["answer"]) for row in conflict["rows"]]
             for conflict in made["repeats"]["conflicting"]]  # fmt: skip
    assert sorted(named) == [[("789", "positive"), ("790", "neutral")], [("79", "neutral"), ("80", "positive")]]
    declared = " ".join(read_manifest(Path("build/fpb")).declared)
    assert "line 79 'neutral', line 80 'positive'" in declared
    assert "line 789 'positive', line 790 'neutral'" in declared
    card = Path("build/fpb/README.md").read_text(encoding="utf-8")
    assert "2 of them with different answers" in card
    assert str(shared) not in card + Path("build/fpb/manifest.json").read_text(encoding="utf-8"), (
        "a path of this machine"
    )


def test_fiqa_posts_and_headlines(shared: Path):
    made = imported("fiqa", shared / "sentiment/FiQA_post.json", shared / "sentiment/SemEval2017Task5Headlines.json")

    assert sorted(made["files"].values()) == [675, 1142]
    records = only("build/fiqa")
    asked = Counter(record.instruction for record in records)
    assert asked == {ASK_TWEET: 675, ASK_NEWS: 1142}
    for record in records:
        score = (record.scores or {})["sentiment"]
        assert record.label == ("positive" if score >= 0.1 else "neutral" if score >= -0.1 else "negative")
    posts = json.loads((shared / "sentiment/FiQA_post.json").read_text(encoding="utf-8"))
    assert records[0].input == next(iter(posts.values()))["sentence"]
    assert "company, id" in made["notes"][0] or "id, company" in made["notes"][0]


def test_tfns_and_nwgi(shared: Path):
    imported("tfns", shared / "sentiment/tfns_sent_train.csv")
    assert labels("build/tfns") == {"negative": 1442, "positive": 1923, "neutral": 6178}
    assert {record.instruction for record in only("build/tfns")} == {ASK_TWEET}
    assert "published split: tfns_sent_train.csv is train" in " ".join(read_manifest(Path("build/tfns")).declared)

    file = shared / "sentiment/nwgi_sample_300.jsonl"
    imported("nwgi", file)
    seven = Counter(json.loads(line)["target"] for line in file.read_text(encoding="utf-8").splitlines())
    assert len(seven) == 7
    assert labels("build/nwgi") == {
        "positive": seven["strong positive"] + seven["moderately positive"],
        "negative": seven["strong negative"] + seven["moderately negative"],
        "neutral": seven["mildly positive"] + seven["mildly negative"] + seven["neutral"],
    }
    assert not any("Input:" in record.input or "Answer:" in record.input for record in only("build/nwgi"))


def test_intent_items_keep_their_options(shared: Path):
    imported("openfindata", shared / "intent/openfindata_intent_format_sample_5.json")
    theirs = json.loads((shared / "intent/openfindata_intent_format_sample_5.json").read_text(encoding="utf-8"))
    records = rows_of("build/openfindata")["test"]
    assert len(records) == 5
    for record, row in zip(records, theirs, strict=True):
        assert record.options == {letter: row[letter] for letter in "ABCDE"}
        assert (record.output, record.label) == (row["answer"], row[row["answer"]])
        assert record.instruction.startswith(row["question"])
        assert all(f"{letter}. {option}" in record.instruction for letter, option in record.options.items())


def test_items_without_a_published_answer_are_rejects(shared: Path):
    file = shared / "intent/alipay_fineval_intent.csv"
    made = imported("ant-intent", file)

    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 329
    answered = [row for row in rows if row["answer"]]
    records = rows_of("build/ant-intent")["test"]
    assert [(r.output, r.label) for r in records] == [(row["answer"], row[row["answer"]]) for row in answered]
    assert made["rejects"] == {"no-answer": 329 - len(answered)}
    lines = Path("build/ant-intent/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) + len(records) == 329


def test_alpaca_files_of_others(shared: Path):
    imported("alpaca", shared / "qa/datasets_finance_alpaca_977.json")
    theirs = json.loads((shared / "qa/datasets_finance_alpaca_977.json").read_text(encoding="utf-8"))
    records = only("build/alpaca")
    assert [(record.instruction, record.output) for record in records] == [(r["input"], r["output"]) for r in theirs]

    made = imported("alpaca", shared / "qa/disc_finllm_consulting_part.json", "--out", "build/disc")
    theirs = json.loads((shared / "qa/disc_finllm_consulting_part.json").read_text(encoding="utf-8"))
    assert sum(made["records"].values()) == len(theirs) == 100
    said = {(record.instruction, tuple(turn.content for turn in record.turns)) for record in only("build/disc")}
    assert said == {(row["instruction"], tuple(chain.from_iterable(row["history"]))) for row in theirs}
    assert "cornucopia_fin_data.json, line 11: not JSON" in refused("alpaca", shared / "qa/cornucopia_fin_data.json")


def test_a_csv_of_texts_and_labels(shared: Path):
    folder = shared / "intent"
    made = imported("csv", folder / "banking77_train.csv", folder / "banking77_test.csv",
                    "--text", "text", "--label", "category", "--out", "build/banking")  # fmt: skip

    assert (made["records"]["train"], made["records"]["test"], len(made["labels"])) == (10003, 3080, 77)
    record = rows_of("build/banking")["train"][0]
    assert record.output == record.label == "card_arrival"
    assert "/card_arrival/" in record.instruction


# --- small files of our own ----------------------------------------------------------------------------------------------

GOOD = {
    "fpb": ("a.txt", "Sales rose .@positive\r\nSales fell @ home .@negative\r\n"),
    "fiqa": ("post.json", '{"1": {"sentence": "up we go",\n "info": [{"sentiment_score": "0.4"}]}}'),
    "tfns": ("sent.csv", 'text,label\n"rates, up",0\nall calm,2\n'),
    "nwgi": (
        "a.jsonl",
        '{"news": "Plant opens.", "label": "mildly positive", "out": "mildly positive, as it opens"}\n',
    ),
    "openfindata": ("a.json", '[{"question": "q", "A": "x", "B": "y", "answer": "B"}]'),
    "ant-intent": ("a.csv", "question,A,B,answer\nhow much,x,y,A\n"),
    "finqa": (
        "test.json",
        json.dumps(
            [
                {
                    "id": "A/2019/page_1.pdf-1",
                    "pre_text": ["sales rose ."],
                    "post_text": [".", "so did costs ."],
                    "table": [["", "2019", "2018"], ["net sales", "$ 5", "4"]],
                    "qa": {"question": "by how much?", "program": "subtract(5, 4)", "exe_ans": 1.0},
                }
            ]
        ),
    ),
    "tat-qa": (
        "tatqa_dataset_dev.json",
        json.dumps(
            [
                {
                    "table": {"uid": "t", "table": [["", "2019"], ["Sales", "$5"]]},
                    "paragraphs": [{"uid": "p", "order": 2, "text": "two"}, {"uid": "q", "order": 1, "text": "one"}],
                    "questions": [
                        {"uid": "u", "question": "what?", "answer": ["$5"], "answer_type": "span", "scale": ""}
                    ],
                }
            ]
        ),
    ),
    "fineval": ("auditing_val.csv", "id,question,A,B,C,D,answer\n0,which one is right?,w,x,y,z,C\n"),
    "alpaca": ("a.json", '[{"instruction": "q", "input": "i", "output": "o"}]'),
    "sharegpt": ("a.json", '[{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}]'),
    "csv": ("a.csv", "text,label\nq,l\n"),
}
COLUMNS = {"csv": ("--text", "text", "--label", "label")}
BAD = [  # name, file, text, what the message must say
    ("fpb", "a.txt", "no label here\n", "a.txt, line 1: no @"),
    ("fpb", "a.txt", "Sales rose .@positiv\n", "a.txt, line 1: label 'positiv' is none of negative, neutral, positive"),
    ("fiqa", "a.json", '{"1": {"sentence": "x",\n"info": [{"sentiment_score": "high"}]}}', "a.json, line 1: sentiment score 'high'"),
    ("fiqa", "a.json", '[\n{"title": "x", "sentiment": 8},\n{"title": "y", "sentiment": 7}]', "a.json, line 2 (row 1): sentiment score 8"),
    ("tfns", "a.csv", 'text,label\n"two\nlines",6\ncalm,5\n', "a.csv, line 2: label '6'"),
    ("tfns", "a.csv", "text,label\ncalm,0,extra\n", "a.csv, line 2: 3 columns, not 2"),
    ("tfns", "a.csv", 'text,label\n"never closed,0\n', "a.csv, line 2"),
    ("nwgi", "a.jsonl", '\n{"news": "x", "label": "so-so"}\n', "a.jsonl, line 2: label 'so-so'"),
    ("nwgi", "a.jsonl", '{"context": "x", "target": "neutral"}\n', "a.jsonl, line 1: no text between"),
    ("openfindata", "a.json", '[{"question": "q", "A": "x", "B": "y", "answer": "C"}]', "a.json, line 1: answer 'C' is none of A, B"),
    ("openfindata", "a.json", '[{"question": "q", "A": "x", "C": "y", "answer": "A"}]', "options A, C"),
    ("openfindata", "a.json", '[{"question": "q", "A": "x", "B": "y"}]', "no column 'answer'"),
    ("finqa", "a.json", '[\n{"id": "x", "qa": {"question": "q"}}]', "a.json, line 2 (row 1): qa has no question and program"),
    ("finqa", "a.json", '[{"qa": {"question": "q", "program": "add(1, 2)", "exe_ans": 3}}]', "no table of rows"),
    ("tat-qa", "a.json", '[{"question": "q"}]', "no list of questions"),
    ("tat-qa", "a.json", '[{"questions": [{"uid": "u", "question": "q"}]}]', "without answer, answer_type and scale"),
    ("fineval", "a_val.csv", "question,A,B,C,D,answer\nq,w,x,y,z,E\n", "a_val.csv, line 2: answer 'E' is none of A, B, C, D"),
    ("fineval", "a_val.csv", "question,A,B,C,D,answer\nq,w,x,,z,A\n", "a_val.csv, line 2: no text in 'C'"),
    ("alpaca", "a.json", '[\n  {"instruction": "q"}\n]', "a.json, line 2 (row 1): no answer"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": "o"},\n]', "a.json, line 2: not JSON"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": "o"}\n{"instruction": "q"}]', "a.json, line 2: not JSON: expected ','"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": "o"}', "a.json, line 1: not JSON"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": "o"}] more', "a.json, line 1: not JSON: more after the end"),
    ("alpaca", "a.jsonl", '\n"q"\n', "a.jsonl, line 2: str, not an object"),
    ("alpaca", "a.jsonl", '{"instruction": "q", "output": "\\ud800"}\n', "a.jsonl, line 1: half a character"),
    ("alpaca", "a.jsonl", '{"instruction": "q", "output": "o"}\n{"instruction": "q", "outp', "a.jsonl, line 2: not JSON"),
    ("alpaca", "a.jsonl", '{"id": "x", "task": "qa", "origin": "document"}\n', "a.jsonl, line 1: instruction: Field required"),
    ("sharegpt", "a.json", '[{"conversations": [{"from": "human"}]}]', "a.json, line 1: a turn without"),
    ("sharegpt", "a.json", '[{"instruction": "q", "output": "o"}]', "a.json, line 1: no conversations"),
    ("csv", "a.csv", "text,label\n,l\n", "a.csv, line 2: no text in 'text'"),
    ("tfns", "a.csv", "txt,label\ncalm,0\n", "no column 'text'; it has txt, label: is 'txt' meant for it?"),
    ("alpaca", "a.json", '[{"instuction": "q", "output": "o"}]', "is 'instuction' meant for it?"),
    ("alpaca", "a.json", '[{"instruction": "q", "outptu": "o"}]', "is 'outptu' meant for it?"),
    ("sharegpt", "a.json", '[{"conversation": [{"from": "human", "value": "q"}]}]', "is 'conversation' meant for it?"),
    ("csv", "a.csv", "text,Label \nq,l\n", "a.csv has no column 'label': is 'Label ' meant for it?"),
    ("csv", "a.csv", "text,text,label\nq,q,l\n", "a.csv, line 1: the column 'text' stands twice"),
    ("csv", "a.csv", "text,label, label\nq,l,l\n", "a.csv, line 1: the column 'label' stands twice"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": "o", "output": "p"}]', "a.json, line 1: 'output' stands twice"),
    ("sharegpt", "a.jsonl", '{"messages": [{"role": "user", "content": "q", "content": "r"}]}\n', "'content' stands twice"),
]  # fmt: skip


def test_every_source_can_be_asked_for():
    assert set(config.SOURCES) == set(SOURCES) == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_small_file_of_each(name: str):
    file, text = GOOD[name]
    made = imported(name, write(file, text), *COLUMNS.get(name, ()))

    assert sum(made["records"].values()) > 0
    for record in (record for rows in rows_of(made["set"]).values() for record in rows):
        assert record.origin == "imported"
        assert record.instruction
        assert record.output
    manifest = read_manifest(Path(made["set"]))
    assert manifest.command == f"import {name}"
    assert list(manifest.settings["sha256"]) == [file]


@pytest.mark.parametrize(("name", "file", "text", "said"), BAD, ids=[f"{row[0]}-{i}" for i, row in enumerate(BAD)])
def test_a_malformed_row_names_its_file_and_line(name: str, file: str, text: str, said: str):
    message = refused(name, write(file, text), *COLUMNS.get(name, ()))

    assert said in message
    assert "\n  -> " in message, "no next step"
    assert not Path("build").exists(), "something was written"


# A row of no use beside the good one of GOOD's form: name, rows of which the second one is good, the reason of the first.
USELESS = [
    ("fpb", "a.txt", "no label here\nSales rose .@positive\n", "malformed"),
    ("fiqa", "a.json", '[{"title": "x", "sentiment": 7}, {"title": "y", "sentiment": 0}]', "malformed"),
    ("tfns", "a.csv", "text,label\ncalm,5\nup,1\n", "malformed"),
    ("tfns", "a.csv", "text,label\ncalm,1,2\nup,1\n", "malformed"),
    ("nwgi", "a.jsonl", '{"news": "x", "label": "so-so"}\n{"news": "x", "label": "neutral"}\n', "malformed"),
    ("openfindata", "a.json", '[{"question": "q", "A": "x"}, {"question": "q", "A": "x", "B": "y", "answer": "B"}]', "malformed"),
    ("ant-intent", "a.csv", "question,A,B,answer\nq,x,y,C\nq,x,y,A\n", "malformed"),
    ("alpaca", "a.json", '[{"instruction": "q"}, {"instruction": "q", "output": "o"}]', "malformed"),
    ("alpaca", "a.json", '[["q"], {"instruction": "q", "output": "o"}]', "malformed"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": 5}, {"instruction": "q", "output": "o"}]', "malformed"),
    ("alpaca", "a.json", '[{"instruction": "q", "output": null}, {"instruction": "q", "output": "o"}]', "no-answer"),
    ("alpaca", "a.jsonl", '{"instruction": "q", "output": "\\ud800"}\n{"instruction": "q", "output": "o"}\n', "malformed"),
    ("sharegpt", "a.json", '[{"id": 1}, {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]', "malformed"),
    ("sharegpt", "a.json", ('[{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": null}]},'
                           '{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}]'), "no-answer"),
    ("sharegpt", "a.json", ('[{"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}]},'
                           '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]'), "parts"),
    ("sharegpt", "a.json", ('[{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "tool_calls": []},'
                           '{"role": "tool", "content": "r"}, {"role": "assistant", "content": "a"}]},'
                           '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}]'), "role"),
    ("csv", "a.csv", "text,label\n,l\nq,l\n", "malformed"),
    ("csv", "a.csv", "text,label\nq,\nq,l\n", "no-answer"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "text", "reason"), USELESS, ids=[f"{row[0]}-{i}" for i, row in enumerate(USELESS)]
)
def test_a_row_of_no_use_is_named_and_kept_and_the_others_are_taken(name: str, file: str, text: str, reason: str):
    made = imported(name, write(file, text), *COLUMNS.get(name, ()))

    assert sum(made["records"].values()) == 1
    assert made["rejects"] == {reason: 1}
    (kept,) = [
        json.loads(line) for line in Path(made["set"], "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert kept["reason"] == reason
    assert file in kept["detail"]
    assert kept["item"]
    assert (reason != "malformed") or any(kept["detail"] in note for note in made["notes"])


MARKED = [
    ("sharegpt", {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "label": False}),
    ("sharegpt", {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 0}]}),
    (
        "sharegpt",
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 0.0}]},
    ),
    (
        "sharegpt",
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "train": False}]},
    ),
    (
        "sharegpt",
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "loss": False}]},
    ),
    (
        "sharegpt",
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "kto_tag": False},
    ),
    ("alpaca", {"instruction": "q", "output": "a", "kto_tag": False}),
    ("alpaca", {"instruction": "q", "output": "a", "label": False}),
    ("alpaca", {"instruction": "q", "output": "a", "weight": 0}),
]


@pytest.mark.parametrize(("name", "row"), MARKED)
def test_what_is_marked_as_not_to_be_learned_is_no_record(name: str, row: dict[str, Any]):
    text = json.dumps(
        [row, {"conversations": MARKED[0][1]["conversations"], "instruction": "q", "output": "a", "label": True}]
    )
    made = imported(name, write("a.json", text))

    assert made["rejects"] == {"not-to-be-learned": 1}
    assert sum(made["records"].values()) == 1


def test_a_turn_that_is_weighted_is_learned():
    turns = [{"role": "user", "content": "q", "weight": 0}, {"role": "assistant", "content": "a", "weight": 1}]
    assert imported("sharegpt", write("a.jsonl", json.dumps({"messages": turns})))["rejects"] == {}


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_system_turn_is_none(empty: str | None):
    turns = [
        {"role": "system", "content": empty},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
    ]
    imported("sharegpt", write("a.jsonl", json.dumps({"messages": turns})))

    (record,) = only("build/sharegpt")
    assert (record.system, record.instruction, record.input) == ("", "q", "")


def test_a_system_turn_is_kept_and_goes_out_again_as_one():
    rows = [
        {
            "messages": [
                {"role": role, "content": "s"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"},
            ]
        }
        for role in ("system", "developer")
    ]
    imported("sharegpt", write("a.json", json.dumps(rows)))
    assert [record.system for record in only("build/sharegpt")] == ["s", "s"]

    for form, column in (
        ("openai", "messages"),
        ("chatml", "messages"),
        ("sharegpt", "conversations"),
        ("alpaca", "system"),
    ):
        assert CliRunner().invoke(main, ["export", "build/sharegpt", "--format", form, "--out", form]).exit_code == 0
        (file,) = Path(form).glob("train.*")
        text = file.read_text(encoding="utf-8")
        row = json.loads(text)[0] if text.startswith("[") else json.loads(text.splitlines()[0])
        said = row[column]
        assert said == "s" or list(said[0].values()) == ["system", "s"]
        back = imported("sharegpt" if column != "system" else "alpaca", file, "--out", f"build/again-{form}")
        assert [record.system for record in only(back["set"])] == ["s", "s"]


@pytest.mark.parametrize("encoding", ["gbk", "gb18030"])
@pytest.mark.parametrize("file", ["a.csv", "a.jsonl", "a.json"])
def test_a_chinese_encoding_is_guessed_and_said(encoding: str, file: str):
    text = "公司营业收入同比增长，主要原因是销售增加。" + ("\u9fa5\u3400" if encoding == "gb18030" else "")
    row = {"instruction": text, "output": "积极"}
    body = f"instruction,output\n{text},积极\n" if file == "a.csv" else json.dumps(row, ensure_ascii=False) + "\n"
    write(file, f"[{body}]" if file == "a.json" else body, encoding)
    made = imported("alpaca", file)

    (record,) = only("build/alpaca")
    assert (record.instruction, record.output) == (text, "积极")
    said = f"{file}: read as {encoding.upper()}, which was guessed: it is not UTF-8"
    assert said in made["declared"]
    assert said in read_manifest(Path("build/alpaca")).declared


@pytest.mark.parametrize("encoding", ["latin-1", "cp1251", "shift-jis", "big5"])
def test_what_is_in_another_encoding_is_not_taken_for_chinese(encoding: str):
    text = {"latin-1": "Société générale à été très élevée", "cp1251": "Выручка компании выросла за год",
            "shift-jis": "会社の売上は前年比で増加しました", "big5": "營業收入較去年同期增長，這是臺灣證券交易所發布"}[encoding]  # fmt: skip
    assert "a.csv, line 2: not UTF-8" in refused("tfns", write("a.csv", f"text,label\n{text},2\n", encoding))


def test_the_name_that_a_source_had_before_is_still_read():
    made = imported("fineval-intent", write("a.csv", GOOD["ant-intent"][1]))

    assert sum(made["records"].values()) == 1
    assert "fineval-intent is called ant-intent now" in made["notes"]


def test_text_that_is_not_utf8_is_named_save_where_it_was_published_so():
    assert "a.csv, line 3: not UTF-8" in refused("tfns", write("a.csv", "text,label\ncalm,2\ncafé,2\n", "latin-1"))
    imported("fpb", write("b.txt", "Café sales rose .@positive\n", "latin-1"))
    assert only("build/fpb")[0].input == "Café sales rose ."


def test_what_only_some_readers_take_for_a_line_end_is_a_part_of_its_cell():
    text = "up\x0bup\x0cup\x85up\u2028up"
    imported("tfns", write("a.csv", f"text,label\n{text},1\n"))
    assert only("build/tfns")[0].input == text
    imported("fpb", write("a.txt", f"{text} .@positive\n"))
    assert only("build/fpb")[0].input == f"{text} ."


def test_a_cell_as_long_as_a_report():
    imported("tfns", write("a.csv", f"text,label\n{'up ' * 100_000},1\n"))
    assert len(only("build/tfns")[0].input) == 300_000


def test_thresholds_of_scores():
    scores = {
        -1: "negative",
        -0.101: "negative",
        -0.1: "neutral",
        0: "neutral",
        0.099: "neutral",
        0.1: "positive",
        1: "positive",
    }
    rows = [{"title": f"headline {score}", "sentiment": score} for score in scores]
    imported("fiqa", write("headlines.json", json.dumps(rows)))

    assert [record.label for record in only("build/fiqa")] == list(scores.values())


def test_reasons_as_output():
    rows = [
        {"news": "Plant opens.", "label": "moderately positive", "out": "Moderately positive. Output will rise."},
        {"news": "Plant shuts.", "label": "strong negative", "out": "The only plant shuts."},
    ]
    file = write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    imported("nwgi", file, "--with-reasons")

    records = only("build/nwgi")
    assert [r.output for r in records] == [
        "Moderately positive. Output will rise.",
        "strong negative. The only plant shuts.",
    ]
    assert records[0].instruction.endswith(
        "mildly positive/moderately positive/strong positive}, then provide some short reasons."
    )
    write("b.jsonl", json.dumps({"news": "x", "label": "neutral"}))
    assert "b.jsonl, line 1: no reasons" in refused("nwgi", "b.jsonl", "--with-reasons", "--out", "build/other")
    assert "goes with nwgi" in refused("tfns", "a.csv", "--with-reasons")


def test_conversations():
    rows = [
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "a"},
            ]
        },
        {"conversations": [{"from": "human", "value": "q2"}, {"from": "gpt", "value": "a2"}], "system": ""},
        {"conversations": [{"from": who, "value": f"t{n}"} for n, who in enumerate(("human", "gpt", "human", "gpt"))]},
        {"conversations": [{"from": who, "value": "t"} for who in ("gpt", "human", "gpt")]},
        {"conversations": [{"from": who, "value": "t"} for who in ("human", "gpt", "human")]},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": "f"}]},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": " "}]},
    ]
    made = imported("sharegpt", write("a.json", json.dumps(rows)))

    got = [(r.system, r.instruction, r.input, r.output, r.messages) for r in only("build/sharegpt")]
    before = ({"role": "user", "content": "t0"}, {"role": "assistant", "content": "t1"})
    assert got == [("s", "q", "", "a", ()), ("", "q2", "", "a2", ()), ("", "t2", "", "t3", before)]
    assert made["rejects"] == {"no-answer": 2, "role": 1, "turn-order": 1}
    rejected = [
        json.loads(line) for line in Path("build/sharegpt/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["item"] for row in rejected] == rows[3:]
    assert "a.json, line 1 (row 4): its turns are assistant, user, assistant: no questions" in rejected[0]["detail"]
    assert "it ends with a question" in rejected[1]["detail"]


def test_a_history_is_kept_what_cannot_be_a_row_is_rejected_and_what_is_left_out_is_said():
    rows = [
        {"instruction": "q", "input": None, "output": "a", "source": "web"},
        {"instruction": "q", "output": ""},
        {"instruction": "q", "output": "a", "history": [["x", "y"]]},
        {"instruction": "q", "output": "a", "history": [["x", ""]]},
        {"instruction": "q", "output": "a", "history": [["x"]]},
        {"instruction": "q", "output": "a", "system": "s"},
    ]
    made = imported("alpaca", write("a.json", json.dumps(rows)))

    got = [(r.system, r.instruction, r.input, r.output, len(r.turns)) for r in only("build/alpaca")]
    assert got == [("", "q", "", "a", 0), ("", "q", "", "a", 2), ("s", "q", "", "a", 0)]
    assert made["rejects"] == {"malformed": 1, "no-answer": 2}
    assert made["notes"] == [
        "left out: a.json, line 1 (row 5): history is no list of pairs",
        "columns left out: source",
    ]
    write("b.json", json.dumps([rows[1], rows[3]]))
    assert "none of 2 rows" in refused("alpaca", "b.json", "--out", "build/b", code=1)


def test_a_row_that_fingen_wrote_keeps_all_that_it_says():
    file, text = GOOD["openfindata"]
    imported("openfindata", write(file, text))
    imported("alpaca", "build/openfindata/test.jsonl", "--out", "build/again")

    assert rows_of("build/again") == rows_of("build/openfindata")


def test_repeats_are_kept_with_ids_of_their_own():
    text = "Flat .@neutral\nUp .@positive\nFlat .@neutral\nFlat .@negative\n"
    made = imported("fpb", write("a.txt", text), "--split", "train")

    records = only("build/fpb")
    assert [record.label for record in records] == ["neutral", "positive", "neutral", "negative"]
    assert len({record.id for record in records}) == 4
    assert records[2].id == f"{records[0].id}-2"
    assert (made["repeats"]["texts"], len(made["repeats"]["conflicting"])) == (1, 1)


def test_the_id_of_a_row_does_not_depend_on_where_it_stands():
    imported("tfns", write("a.csv", "text,label\ncalm,2\nup,1\n"))
    imported("tfns", write("b.csv", "text,label\nup,1\nnew,0\ncalm,2\n"), "--out", "build/other")

    first, second = ({r.input: r.id for r in only(folder)} for folder in ("build/tfns", "build/other"))
    assert first.items() <= second.items()


# --- splits --------------------------------------------------------------------------------------------------------------


def test_published_splits_are_taken_from_the_names_of_files():
    folder = Path("tfns")
    folder.mkdir()
    for name in ("sent_train.csv", "sent_valid.csv"):
        (folder / name).write_text(f"text,label\n{name},1\n", encoding="utf-8")
    imported("tfns", folder)

    assert {split: [r.input for r in rows] for split, rows in rows_of("build/tfns").items()} == {
        "train": ["sent_train.csv"],
        "validation": ["sent_valid.csv"],
    }
    assert "published split: sent_valid.csv is validation (1 rows)" in read_manifest(Path("build/tfns")).declared


@pytest.mark.parametrize(
    "paths", [("sf/train", "sf/dev", "sf/test"), ("sf",), ("sf/train/a.json", "sf/dev/a.json", "sf/test/a.json")]
)
def test_folders_name_splits(paths: tuple[str, ...]):
    for folder in ("train", "dev", "test"):
        Path("sf", folder).mkdir(parents=True)
        Path("sf", folder, "a.json").write_text(json.dumps([{"instruction": folder, "output": "o"}]), encoding="utf-8")
    made = imported("alpaca", *paths, "--out", "build/sf")

    rows = {split: [r.instruction for r in rows] for split, rows in rows_of("build/sf").items()}
    assert rows == {"train": ["train"], "validation": ["dev"], "test": ["test"]}
    assert len(read_manifest(Path("build/sf")).settings["sha256"]) == 3
    assert "published split: dev/a.json is validation (1 rows)" in made["declared"]


def test_a_folder_far_above_the_data_names_no_split():
    folder = Path("test", "mine")
    folder.mkdir(parents=True)
    (folder / "a.json").write_text('[{"instruction": "q", "output": "o"}]', encoding="utf-8")

    assert imported("alpaca", folder)["records"]["train"] == 1
    assert imported("alpaca", folder / "a.json", "--out", "build/b")["records"]["train"] == 1


def test_shares_keep_the_same_text_together():
    texts = [f"sentence {number % 60}" for number in range(120)]
    file = write("a.csv", "text,label\n" + "".join(f"{text},{number % 3}\n" for number, text in enumerate(texts)))
    imported("tfns", file, "--split", "0.5,0.2,0.3")

    rows = rows_of("build/tfns")
    assert set(rows) == {"train", "validation", "test"}
    assert sum(map(len, rows.values())) == 120
    places = {
        text: {split for split, records in rows.items() if any(r.input == text for r in records)} for text in texts
    }
    assert all(len(splits) == 1 for splits in places.values())


@pytest.mark.parametrize("split", ["dev", "0.5", "0,0,0", "-1,1,1", "nan,1,1"])
def test_a_split_that_is_none_is_refused(split: str):
    assert "--split" in refused("tfns", write("a.csv", GOOD["tfns"][1]), f"--split={split}")


# --- where the set goes --------------------------------------------------------------------------------------------------


def test_the_same_rows_give_the_same_bytes_and_other_rows_are_refused():
    file = write("a.csv", GOOD["tfns"][1])
    imported("tfns", file)
    before = {path.name: path.read_bytes() for path in Path("build/tfns").iterdir()}
    assert imported("tfns", file)["changed"] is False
    assert {path.name: path.read_bytes() for path in Path("build/tfns").iterdir()} == before

    write("a.csv", GOOD["tfns"][1] + "up,1\n")
    assert "was made otherwise: sha256" in refused("tfns", file)
    assert {path.name: path.read_bytes() for path in Path("build/tfns").iterdir()} == before
    assert sum(imported("tfns", file, "--replace")["records"].values()) == 3


def test_nothing_is_written_over_what_is_no_set():
    file = write("a.csv", GOOD["tfns"][1])
    Path("mine").mkdir()
    write("mine/notes.txt", "x")
    assert "holds files that are no set" in refused("tfns", file, "--out", "mine")
    assert "no name for a set" in refused("tfns", file, "--out", "build/scores")
    Path("paid").mkdir()
    write("paid/journal.sqlite", "x")
    assert "holds a journal of answers" in refused("tfns", file, "--out", "paid")
    assert not Path("paid/manifest.json").exists()


# --- without a file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", config.SOURCES)
def test_without_a_path_it_says_where_to_get_the_data(name: str):
    message = refused(name)

    assert f"{name}: no PATH was given" in message
    assert "https://" in message or f"fingen import {name} FILE" in message
    assert ("--download" in message) == bool(SOURCES[name].hub)
    assert not Path("build").exists()


def test_download_is_refused_where_there_is_nothing_to_load():
    assert "without a script" in refused("fpb", "--download")
    assert "do not go together" in refused("tfns", "a.csv", "--download")


def download(url: str, *, offline: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fingen", "import", "tfns", "--download", "--json"]
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(Path("hf").resolve()), "NO_COLOR": "1"}
    if offline:
        environment["HF_HUB_OFFLINE"] = "1"
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_rows_are_loaded_from_the_hub_when_that_is_asked_for():
    files = {"sent_train.csv": b"text,label\nfall,0\nrise,1\ncalm,2\n", "sent_valid.csv": b"text,label\nsink,0\n"}
    with StubHub("zeroshot/twitter-financial-news-sentiment", files) as hub:
        ran = download(hub.url)

    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("loading zeroshot/twitter-financial-news-sentiment from the Hub (licence: MIT)")
    rows = rows_of("build/tfns")
    assert [(r.input, r.label) for r in rows["train"]] == [
        ("fall", "negative"),
        ("rise", "positive"),
        ("calm", "neutral"),
    ]
    assert [(r.input, r.label) for r in rows["validation"]] == [("sink", "negative")]
    assert not any(path.endswith(".py") and "/main/" in path for path in hub.asked)


@pytest.mark.slow
def test_no_more_is_loaded_from_the_hub_than_is_taken_from_it():
    files = {"sent_train.csv": b"text,label\n" + b"fall,0\n" * (config.Taking().max_rows + 1)}
    with StubHub("zeroshot/twitter-financial-news-sentiment", files) as hub:
        ran = download(hub.url)

    assert ran.returncode == 2, ran.stderr
    assert "zeroshot/twitter-financial-news-sentiment (train): 500,001 rows" in ran.stderr
    assert "get what you want of it from https://" in ran.stderr


def test_a_hub_that_cannot_be_reached_is_exit_code_3():
    ran = download("http://127.0.0.1:9", offline=True)

    assert ran.returncode == 3, ran.stderr
    assert "cannot be loaded" in ran.stderr
    assert "https://huggingface.co/datasets/zeroshot" in ran.stderr
    assert "Traceback" not in ran.stderr


# --- properties ----------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    rows=st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=6),
    indent=st.sampled_from([None, 0, 2, "\t"]),
)
def test_a_json_list_is_read_as_the_json_module_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: Any, indent: Any
):
    path = tmp_path_factory.mktemp("list") / "rows.json"
    text = json.dumps(rows, indent=indent, ensure_ascii=False)
    path.write_bytes(text.encode())

    raws = list(read_raw(path))
    assert [raw.values for raw in raws] == rows
    lines = text.split("\n")
    assert all(lines[(raw.line or 0) - 1].lstrip().startswith(("{", "[{")) for raw in raws)


@given(
    cells=st.lists(st.tuples(st.text(), st.text()), max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_csv_cell_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, cells: Any, end: str):
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=end)
        writer.writerows([("a", "b"), *cells])

    assert [tuple(raw.values.values()) for raw in read_raw(path)] == cells


@given(st.binary(max_size=400))
def test_any_bytes_end_in_rows_or_in_an_error_with_a_place(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    for name in ("rows.json", "rows.csv", "rows.jsonl"):
        path = tmp_path_factory.mktemp("any") / name
        path.write_bytes(data)
        said = ""
        try:
            assert all(isinstance(raw.values, dict) for raw in read_raw(path))
        except SetError as e:
            said = str(e)
        assert not said or said.startswith(f"{path}, line ")


def test_an_import_makes_no_row_up(tmp_path: Path):
    rows = [{"instruction": f"q{n}", "output": "" if n % 3 == 0 else f"a{n}"} for n in range(1, 100)]
    path = write("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    made = import_set("alpaca", [path], tmp_path / "build/alpaca")

    assert sum(made.records.values()) + sum(made.rejects.values()) == len(rows)


@pytest.mark.parametrize(
    ("name", "head", "row"), [("a.csv", "text,label\n", "calm,2\n"), ("a.jsonl", "", '{"n": 1}\n')]
)
def test_a_file_is_read_row_by_row(name: str, head: str, row: str):
    file = Path(name)
    file.write_bytes((head + row * 10_000).encode() + b"\xff\n")  # more than is read ahead, then no UTF-8
    rows = read_raw(file)

    assert next(rows).line == 1 + bool(head)
    with pytest.raises(SetError, match=f"line {10_001 + bool(head)}: not UTF-8"):
        list(rows)
