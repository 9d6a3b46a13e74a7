"""A set is whole or has no manifest, is the same bytes each time, and is not believed when a file was changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fingen.disk import sha256_file, sha256_text
from fingen.errors import SetError, UsageError, visible
from fingen.records import COLUMNS, Block, Chunk, Evidence, Manifest, Period, Record, Rejected, SourceEntry, Usage
from fingen.sets import SetContent, newest_set, read_manifest, read_split, write_set

LONG_AGO = 1_000_000_000  # seconds
HOSTILE = (
    "Evil | Co `rm` <script>alert(1)</script> [x](http://e.vil)\n---\n# Heading\n| a | b |\u2028```\x1b[31m\u202e\\"
)


def record(number: int, **fields: Any) -> Record:
    defaults: dict[str, Any] = {
        "instruction": f"蓝海集团 2024 年年度报告中，第 {number} 项指的是什么？",
        "input": "",
        "output": f"第 {number} 项是“说明”。\u2028It means {number}.",
        "id": f"qa-{number:04}",
        "task": "qa-summary" if number % 2 else "qa-concept",
        "language": "zh",
        "document": "reports/蓝海.pdf",
        "pages": (number,),
        "chunks": (f"c-{number}",),
        "evidence": (Evidence(quote="第 <b>项</b>", page=number),),
        "teacher": "offline",
        "origin": "document",
    }
    return Record(**defaults | fields)


def manifest(**fields: Any) -> Manifest:
    source = SourceEntry(
        path="reports/蓝海.pdf",
        sha256=sha256_text("蓝海"),
        pages=8,
        language="zh",
        company="蓝海集团",
        period=Period(kind="annual", end="2024-12-31"),
        image_pages=(3, 4),
    )
    defaults: dict[str, Any] = {
        "name": "reports",
        "command": "pdf2qa",
        "teacher": "offline",
        "settings": {"per_chunk": 2},
        "prompts": {"concept_zh": sha256_text("prompt")},
        "sources": (source,),
        "unread": {"reports/broken.pdf": "not a PDF"},
        "files": {},
        "splits": {},
        "tasks": {},
        "rejects": {},
        "requests": 12,
        "usage": Usage(input_tokens=100, cache_read_tokens=20, output_tokens=30),
        "cost_usd": 0.25,
        "split_by": "chunk",
        "versions": {"fingen": "0.1.0"},
    }
    return Manifest(**defaults | fields)


def content(**fields: Any) -> SetContent:
    chunk = Chunk(
        id="c-1",
        document="reports/蓝海.pdf",
        language="zh",
        first_page=1,
        last_page=1,
        section=("第一节",),
        text="第一项",
        tokens=3,
        blocks=(Block(kind="paragraph", page=1, box=(0, 0, 9, 9), start=0, end=3),),
    )
    rejected = [
        Rejected(item={"question": "?"}, reason=reason, detail="", chunks=("c-1",), request=None)
        for reason in ("not self-contained", "duplicate", "duplicate")
    ]
    splits = {"train": [record(n) for n in range(1, 6)], "test": [record(6)], "validation": [], "memory": [record(7)]}
    return replace(SetContent(splits, rejected, [chunk], manifest()), **fields)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def front_matter(folder: Path) -> Any:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("\n---\n")[0])


def test_a_set_has_its_files_and_the_manifest_knows_them(tmp_path: Path):
    assert write_set(tmp_path, content())
    written = read_manifest(tmp_path)

    assert set(bytes_of(tmp_path)) == {
        "train.jsonl",
        "test.jsonl",
        "memory.jsonl",
        "rejected.jsonl",
        "chunks.jsonl",
        "dataset_info.json",
        "README.md",
        "manifest.json",
    }
    assert set(written.files) == set(bytes_of(tmp_path)) - {"manifest.json"}
    assert all(entry.sha256 == sha256_file(tmp_path / name) for name, entry in written.files.items())
    assert {name: entry.rows for name, entry in written.files.items() if entry.rows is not None} == {
        "train.jsonl": 5,
        "test.jsonl": 1,
        "memory.jsonl": 1,
        "rejected.jsonl": 3,
        "chunks.jsonl": 1,
    }
    assert written.splits == {"train": 5, "validation": 0, "test": 1, "memory": 1}
    assert written.tasks == {"qa-concept": 3, "qa-summary": 4}
    assert written.rejects == {"duplicate": 2, "not self-contained": 1}


def test_records_come_back_as_they_were(tmp_path: Path):
    write_set(tmp_path, content())

    assert list(read_split(tmp_path, "train")) == content().splits["train"]
    assert list(read_split(tmp_path, "memory")) == content().splits["memory"]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path):
    write_set(tmp_path / "a", content())
    write_set(tmp_path / "b", content())

    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def age(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))


def touched(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.stat().st_mtime != LONG_AGO}


def test_a_second_write_of_the_same_touches_nothing(tmp_path: Path):
    write_set(tmp_path, content())
    age(tmp_path)

    assert not write_set(tmp_path, content())
    assert touched(tmp_path) == set()


def test_only_what_changed_is_written_again(tmp_path: Path):
    write_set(tmp_path, content())
    age(tmp_path)
    rejected = [Rejected(item={}, reason="duplicate", detail="other", chunks=(), request=None), *content().rejected[:2]]

    assert write_set(tmp_path, content(rejected=rejected))
    assert touched(tmp_path) == {"rejected.jsonl", "manifest.json"}


def test_a_split_that_is_gone_leaves_no_file(tmp_path: Path):
    (tmp_path / "journal.sqlite").write_text("not the set's to remove")
    write_set(tmp_path, content())
    write_set(tmp_path, content(splits={"train": [record(1)]}))

    assert not (tmp_path / "memory.jsonl").exists()
    assert not (tmp_path / "test.jsonl").exists()
    assert (tmp_path / "journal.sqlite").exists()
    assert set(json.loads((tmp_path / "dataset_info.json").read_text())) == {"reports"}


def test_what_a_killed_run_left_half_written_goes_and_files_of_others_stay(tmp_path: Path):
    write_set(tmp_path, content())
    whole = bytes_of(tmp_path)
    for name in (".chunks.jsonl.20811.part", ".memory.jsonl.4.part", ".manifest.json.77.part"):
        (tmp_path / name).write_text("half a")
    (tmp_path / ".reviews.jsonl.20811.part").write_text("a reviewer is writing it")

    assert not write_set(tmp_path, content())
    assert bytes_of(tmp_path) == whole | {".reviews.jsonl.20811.part": b"a reviewer is writing it"}


def test_a_damaged_file_is_written_again_though_the_manifest_is_right(tmp_path: Path):
    write_set(tmp_path, content())
    whole = bytes_of(tmp_path)
    (tmp_path / "chunks.jsonl").write_text("cut")

    assert write_set(tmp_path, content())
    assert bytes_of(tmp_path) == whole


def test_a_write_that_fails_leaves_no_manifest(tmp_path: Path):
    write_set(tmp_path, content())
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").mkdir()  # a file cannot be renamed to it

    with pytest.raises(UsageError, match=r"README\.md"):
        write_set(tmp_path, content(splits={"train": [record(9)]}))
    with pytest.raises(SetError, match="not whole"):
        read_manifest(tmp_path)

    (tmp_path / "README.md").rmdir()
    assert write_set(tmp_path, content(splits={"train": [record(9)]}))
    assert [row.id for row in read_split(tmp_path, "train")] == ["qa-0009"]


def test_a_split_of_another_name_is_a_mistake_and_not_left_out(tmp_path: Path):
    with pytest.raises(ValueError, match="dev"):
        write_set(tmp_path, content(splits={"train": [record(1)], "dev": [record(2)]}))


def test_an_empty_set_is_whole_too(tmp_path: Path):
    write_set(tmp_path, SetContent({}, [], [], manifest(sources=(), unread={}, prompts={}, cost_usd=None)))

    assert read_manifest(tmp_path).splits == {"train": 0, "validation": 0, "test": 0, "memory": 0}
    assert "configs" not in front_matter(tmp_path)
    assert "Cost: not known" in (tmp_path / "README.md").read_text()


# ---- other tools


def test_datasets_loads_a_split_and_the_folder(tmp_path: Path):
    from datasets import load_dataset

    write_set(tmp_path / "set", content())
    cache = str(tmp_path / "cache")
    train = load_dataset("json", data_files=str(tmp_path / "set" / "train.jsonl"), cache_dir=cache, split="train")
    folder = load_dataset(str(tmp_path / "set"), cache_dir=cache)

    assert train.column_names[:3] == ["instruction", "input", "output"]
    assert [row["output"] for row in train] == [row.output for row in content().splits["train"]]
    assert {split: len(rows) for split, rows in folder.items()} == {"train": 5, "test": 1, "memory": 1}


def test_llama_factory_finds_every_split(tmp_path: Path):
    write_set(tmp_path, content())
    info = json.loads((tmp_path / "dataset_info.json").read_text())

    assert list(info) == ["reports", "reports_test", "reports_memory"]
    for entry in info.values():
        row = json.loads((tmp_path / entry["file_name"]).read_text(encoding="utf-8").split("\n")[0])
        assert entry["formatting"] == "alpaca"
        assert entry["columns"] == {"prompt": "instruction", "query": "input", "response": "output"}
        assert set(entry["columns"].values()) <= set(row)


# ---- the card


def cells(card: str, start: str) -> list[str]:
    """The cells of the only table row that starts so."""
    (row,) = [line for line in card.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_the_card_says_what_made_the_set(tmp_path: Path):
    write_set(tmp_path, content())
    card = (tmp_path / "README.md").read_text(encoding="utf-8")

    assert front_matter(tmp_path) == {
        "pretty_name": "reports",
        "language": ["zh"],
        "task_categories": ["question-answering", "text-generation"],
        "size_categories": ["n<1K"],
        "tags": ["finance", "instruction-tuning", "fingen"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": s, "path": f"{s}.jsonl"} for s in ("train", "test", "memory")],
            }
        ],
        "dataset_info": {"features": [{"name": name, "dtype": "string"} for name in COLUMNS]},
    }
    assert "Tokens: 120 in, 30 out" in card
    assert "Cost: 0.2500 USD" in card
    assert "no language model" in card
    assert "copyright" in card
    assert cells(card, "train") == ["train", "2", "3", "5"]
    assert cells(card, "validation") == ["validation", "0", "0", "0"]
    assert cells(card, "duplicate") == ["duplicate", "2"]
    assert cells(card, "reports/broken.pdf") == ["reports/broken.pdf", "not a PDF"]
    assert cells(card, "reports/蓝海.pdf") == [
        *("reports/蓝海.pdf", "蓝海集团", "annual 2024-12-31", "not known", "not known", "8", "2"),
        sha256_text("蓝海"),
    ]
    samples = [json.loads(part.split("\n```")[0]) for part in card.split("```json\n")[1:]]
    assert [sample["task"] for sample in samples] == ["qa-summary", "qa-concept"]


def test_the_card_says_what_was_checked_and_on_what_terms(tmp_path: Path):
    reasons = ["near", "exact", "answer", "figure", "unit", "not-self-contained"]
    rejected = [Rejected(item={}, reason=reason, detail="", chunks=(), request=None) for reason in reasons]
    rows = [record(n, label="yes" if n % 2 else "no") for n in range(1, 6)]
    about = manifest(
        teacher="anthropic:some-model", settings={"keep_out": {"bench.json": "ab12"}, "against": {"2023": "cd"}}
    )
    write_set(tmp_path, content(rejected=rejected, manifest=about, splits={"train": rows, "test": [record(6)]}))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")

    assert cells(card, "yes") == ["yes", "3", "0", "3"]
    assert "Duplicates removed: 3, also of what 2023 has." in card
    assert "2 answers were rejected because a figure" in card
    assert "75.0 % are grounded" in card  # 6 rows, 2 of whose like were rejected
    assert "bench.json (SHA-256 ab12)" in card
    assert "Licence: none was given" in card
    assert "mind its provider's terms of use" in card


def test_where_no_benchmark_was_kept_out_the_card_does_not_say_that_it_is_clean(tmp_path: Path):
    write_set(tmp_path, content())
    card = (tmp_path / "README.md").read_text(encoding="utf-8")

    assert "Contamination: not checked." in card
    assert "terms of use" not in card  # rules have no provider


def test_a_card_needs_no_hub(tmp_path: Path):
    code = "import sys; import fingen.sets; print([n for n in ('huggingface_hub', 'datasets') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_another_teacher_is_not_called_rule_based(tmp_path: Path):
    write_set(tmp_path, content(manifest=manifest(teacher="anthropic:some-model")))

    assert "rules, no language model" not in (tmp_path / "README.md").read_text()


def test_hostile_names_cannot_break_the_card(tmp_path: Path):
    source = manifest().sources[0].model_copy(update={"company": HOSTILE, "path": f"start {HOSTILE}"})
    hostile = manifest(sources=(source,), unread={f"unread {HOSTILE}": HOSTILE}, teacher=HOSTILE, declared=(HOSTILE,))
    hostile = hostile.model_copy(update={"name": HOSTILE})  # which no manifest that is read can have
    rows = [record(n, output=HOSTILE, document=HOSTILE, evidence=(Evidence(quote=HOSTILE, page=1),)) for n in (1, 2)]
    write_set(tmp_path, content(manifest=hostile, splits={"train": rows}))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    outside_code = "".join(card.partition("\n---\n")[2].split("\n```")[::2])

    assert front_matter(tmp_path)["pretty_name"] == visible(HOSTILE)
    assert front_matter(tmp_path)["configs"]
    assert len(cells(card, "start Evil")) == 8
    assert len(cells(card, "unread Evil")) == 2
    assert "<script" not in outside_code
    assert "`rm`" not in outside_code
    assert not [char for char in card if not char.isprintable() and char != "\n"]
    assert [line for line in card.splitlines() if line.startswith("# ")] == [
        line for line in card.splitlines() if line.startswith("# Evil")
    ]
    assert json.loads(card.split("```json\n")[1].split("\n```")[0])["output"] == HOSTILE


# ---- reading


def test_a_changed_file_is_not_believed(tmp_path: Path):
    write_set(tmp_path, content())
    path = tmp_path / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("It means 3", "It means 4"), encoding="utf-8")

    with pytest.raises(SetError, match=r"train\.jsonl: changed since") as raised:
        read_split(tmp_path, "train")
    assert raised.value.hint


def test_a_cut_row_is_named_even_where_the_manifest_was_made_to_fit(tmp_path: Path):
    write_set(tmp_path, content())
    path = tmp_path / "train.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    listed = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    listed["files"]["train.jsonl"]["sha256"] = sha256_file(path)
    (tmp_path / "manifest.json").write_text(json.dumps(listed), encoding="utf-8")

    with pytest.raises(SetError, match=r"train\.jsonl, row 5"):
        list(read_split(tmp_path, "train"))


def test_a_missing_file_or_split_is_said(tmp_path: Path):
    write_set(tmp_path, content())
    (tmp_path / "test.jsonl").unlink()

    with pytest.raises(SetError, match=r"test\.jsonl: missing"):
        read_split(tmp_path, "test")
    with pytest.raises(SetError, match="no split 'validation'; it has train, test, memory"):
        read_split(tmp_path, "validation")


def test_a_set_that_is_none_is_said(tmp_path: Path):
    with pytest.raises(SetError, match="no such set"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(SetError, match=r"manifest\.json: format"):
        read_manifest(tmp_path)


def test_the_newest_set_is_the_one_whose_manifest_is_newest(tmp_path: Path):
    for age_seconds, name in enumerate(["scores", "new", "old", "models"]):
        write_set(tmp_path / name, content())
        os.utime(tmp_path / name / "manifest.json", (LONG_AGO - age_seconds, LONG_AGO - age_seconds))
    (tmp_path / "broken").mkdir()

    assert newest_set(tmp_path) == tmp_path / "new"


def test_no_set_at_all_is_said_with_a_way_on(tmp_path: Path):
    with pytest.raises(SetError, match="no set here") as raised:
        newest_set(tmp_path / "build")
    assert "pdf2qa" in raised.value.hint
