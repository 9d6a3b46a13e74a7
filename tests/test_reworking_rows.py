"""`fingen dedup` and `fingen split` on sets that no journal can give again: imports, mixes, synthetic and pulled sets."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fingen import cli
from fingen.records import Record, Rejected
from fingen.set_folder import make_manifest
from fingen.sets import SPLITS, SetContent, read_manifest, write_set

PHONE = "13800138000"
NAMES = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fingen(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], prog_name="fingen")


def done(*arguments: object, code: int = 0) -> dict[str, Any]:
    ran = fingen(*arguments, "--json", "--quiet")
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout)


def laws(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fingen("verify", folder, "--json", "--quiet").stdout)["laws"]
    return found


def rows(folder: str, name: str) -> list[dict[str, Any]]:
    path = Path(folder, f"{name}.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def content(folder: str) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.startswith((".", "journal"))
    }


def ids(folder: str) -> Counter[str]:
    """The rows of a set, kept and rejected."""
    fallen = [row["item"]["id"] for row in rows(folder, "rejected") if "id" in row["item"]]
    return Counter([row["id"] for split in SPLITS for row in rows(folder, split)] + fallen)


def imported(name: str = "news") -> str:
    """A labelled set with repeats in a split and across both, as some are published."""
    words = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa".split()
    texts = [f"Shares of {word} rose after the report" for word in words]
    folder = Path("published", name)
    folder.mkdir(parents=True)
    for split, own in {"train": [*texts[:14], texts[0], texts[1]], "test": [*texts[14:], texts[2].upper()]}.items():
        lines = [
            {"instruction": f"What is the mood? {text}", "input": "", "output": f"It is {n % 3}, {text}."}
            for n, text in enumerate(own)
        ]
        (folder / f"{split}.json").write_text(json.dumps(lines), encoding="utf-8")
    done("import", "alpaca", folder, "--out", f"build/{name}")
    return f"build/{name}"


def mixed() -> str:
    one, two = imported("one"), synthetic()
    done("mix", f"{one}:2", two, "--out", "build/mix")
    return "build/mix"


def synthetic() -> str:
    done("synth", "intent", "--n", 10, "--teacher", "offline", "--language", "en", "--out", "build/asked")
    return "build/asked"


def record(n: int, split: str, **more: Any) -> Record:
    passage = f"c-{n % 4}"
    fields: dict[str, Any] = {
        "instruction": f"What does paragraph {n} of the {split} part say about subject {n}?",
        "input": "", "output": f"It says that subject {n} of {split} grew.", "id": f"qa-{split}-{n}", "task": "qa-concept",
        "language": "en", "document": "r.pdf", "pages": (1,), "chunks": (passage,), "teacher": "offline", "origin": "document",
    }  # fmt: skip
    return Record(**{**fields, **more})


def without_journal() -> str:
    """As a set of `pdf2qa` comes from the Hub, its passages in two splits, with a row that recalls one."""
    splits = {split: [record(n, split) for n in range(6)] for split in NAMES}
    splits["memory"] = [record(1, "memory", output="It says that subject 1 of train grew.")]
    every = [row for own in splits.values() for row in own]
    settings = {
        "command": "pdf2qa",
        "split": [0.8, 0.1, 0.1],
        "memory": 0.1,
        "privacy": "mask",
        "keep_out": {},
        "against": {},
    }
    manifest = make_manifest("came", "pdf2qa", settings, every, ())
    own = [Rejected(item={"question": "?"}, reason="schema", detail="no answer", chunks=(), request=None)]
    write_set(Path("build/came"), SetContent(splits=splits, rejected=own, chunks=[], manifest=manifest))
    return "build/came"


MADE = {"import": imported, "mix": mixed, "synth": synthetic, "pulled": without_journal}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("commands", [("dedup",), ("split",), ("dedup", "split"), ("split", "dedup")], ids="-".join)
def test_a_set_of_any_maker_is_reworked_and_loses_no_row(kind: str, commands: tuple[str, ...]):
    folder = MADE[kind]()
    before, own = ids(folder), [row for row in rows(folder, "rejected") if "id" not in row["item"]]
    for command in commands:
        told = done(command, folder)
        assert ids(folder) == before
        assert [row for row in rows(folder, "rejected") if "id" not in row["item"]] == own
        assert told["splits"] == {split: len(rows(folder, split)) for split in SPLITS}
        assert told["rejects"] == Counter(row["reason"] for row in rows(folder, "rejected"))
        once = content(folder)
        assert done(command, folder)["changed"] is False
        assert content(folder) == once
    proved = laws(folder)
    for law in [{"dedup": "duplicates", "split": "splits"}[command] for command in commands]:
        assert (proved[law]["failed"], proved[law]["declared"]) == (0, 0), law
    assert all(proved[law]["failed"] == 0 for law in ("files", "rows", "counts"))


def test_what_verify_finds_in_an_import_is_mended_and_said():
    folder = imported()
    assert laws(folder)["duplicates"]["declared"] == 3
    first = [row["id"] for row in rows(folder, "train")]
    stood = {row["id"]: split for split in NAMES for row in rows(folder, split)}

    told = done("dedup", folder)

    assert told["rejects"] == {"exact": 3}
    assert [row["id"] for row in rows(folder, "train")] == first[:14]  # of rows that say the same the first stays
    fallen = rows(folder, "rejected")
    assert {(row["item"]["stood"]["split"], row["item"]["stood"]["row"]) for row in fallen} == {
        ("train", 15), ("train", 16), ("test", 3),
    }  # fmt: skip
    assert all(row["detail"].startswith("of im-") for row in fallen)
    declared = read_manifest(Path(folder)).declared
    assert declared[-1].startswith("reworked since: duplicates taken out (fingen dedup)")
    assert sum(line.startswith("reworked since") for line in declared) == 1

    moved = done("split", folder, "--split", "0.4,0.3,0.3")["moved"]

    assert moved == sum(stood[row["id"]] != split for split in NAMES for row in rows(folder, split))
    assert moved
    (line,) = [line for line in read_manifest(Path(folder)).declared if line.startswith("reworked since")]
    assert "no longer those published" in line
    assert [laws(folder)[law][verdict] for law in ("duplicates", "splits") for verdict in ("failed", "declared")] == [
        0
    ] * 4


def test_what_gates_take_out_comes_back_in_its_place_without_them():
    folder = imported()
    done("dedup", folder)
    once = content(folder)
    row = rows(folder, "train")[5]
    Path("bench.csv").write_text(f'question,answer\n"{row["instruction"]}",x\n', encoding="utf-8")

    told = done("dedup", folder, "--keep-out", "bench.csv")

    assert told["rejects"] == {"exact": 3, "contaminated": 1}
    assert row["id"] not in [kept["id"] for kept in rows(folder, "train")]
    refused = fingen("split", folder)
    assert refused.exit_code == 2  # a gate would be lost on the way
    assert "bench.csv" in refused.stderr
    done("dedup", folder)
    assert content(folder) == once


def test_a_mix_repeats_rows_in_train_alone():
    folder = mixed()
    done("split", folder, "--split", "0.4,0.3,0.3")

    trained = Counter(row["instruction"] for row in rows(folder, "train"))
    assert max(trained.values()) > 1
    for split in ("validation", "test"):
        asked = [row["instruction"] + row["output"] for row in rows(folder, split)]
        assert len(asked) == len(set(asked))
    assert laws(folder)["splits"]["failed"] == 0


def test_a_memory_row_goes_with_its_passage():
    folder = without_journal()
    assert laws(folder)["splits"]["failed"] > 0

    told = done("split", folder, "--split-by", "chunk", "--split", "0.5,0.25,0.25")

    trained = {chunk for row in rows(folder, "train") for chunk in row["chunks"]}
    kept = "c-1" in trained
    assert [row["id"] for row in rows(folder, "memory")] == (["qa-memory-1"] if kept else [])
    assert told["rejects"].get("memory", 0) == (not kept)
    assert laws(folder)["splits"]["failed"] == 0


def test_personal_data_is_masked_by_dedup_and_left_by_split():
    folder = imported()
    path = Path("published/news/train.json")
    lines = json.loads(path.read_text(encoding="utf-8"))
    lines[3]["output"] = f"Call {PHONE} now, they say."
    path.write_text(json.dumps(lines), encoding="utf-8")
    done("import", "alpaca", "published/news", "--out", folder, "--replace")

    assert done("split", folder)["notes"] == []
    assert any(PHONE in row["output"] for split in NAMES for row in rows(folder, split))
    assert done("dedup", folder)["notes"] == ["personal data masked in 1 rows"]
    assert PHONE not in "".join(map(bytes.decode, content(folder).values()))
    assert done("dedup", folder)["changed"] is False
    assert done("dedup", folder, "--privacy", "drop")["changed"] is True  # what is masked is no personal data any more
    assert laws(folder)["privacy"]["failed"] == 0


@pytest.mark.parametrize("kind", ["import", "mix", "synth"])
def test_the_maker_does_not_undo_it_in_silence(kind: str):
    folder = MADE[kind]()
    done("split", folder, "--split", "0.5,0.2,0.3")
    before = content(folder)
    again = {
        "import": ("import", "alpaca", "published/news", "--out", folder),
        "mix": ("mix", "build/one:2", "build/asked", "--out", folder),
        "synth": ("synth", "intent", "--n", 10, "--teacher", "offline", "--language", "en", "--out", folder),
    }[kind]

    refused = fingen(*again)

    assert refused.exit_code == 2
    assert "`fingen split` has reworked it since, which this would undo" in refused.stderr
    assert content(folder) == before
    assert fingen(*again, "--replace").exit_code == 0


def test_rejects_that_did_not_come_with_the_set_are_still_counted():
    folder = without_journal()
    path = Path(folder, "manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["files"]["rejected.jsonl"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    Path(folder, "rejected.jsonl").unlink()

    done("dedup", folder)

    after = read_manifest(Path(folder))
    assert after.settings["rejects_elsewhere"] == {"schema": 1}
    assert "1 rejects did not come with the set" in after.declared[-1]
    assert done("dedup", folder)["changed"] is False


def test_a_damaged_set_is_not_reworked_and_none_is_made():
    folder = imported()
    shutil.copytree(folder, "build/other")
    Path("build/other/train.jsonl").write_text("{}\n", encoding="utf-8")

    assert "changed since the set was made" in fingen("dedup", "build/other").stderr
    assert "no such set" in fingen("split", "build/none").stderr
    assert not Path("build/none").exists()


def test_a_set_is_not_filtered_against_itself():
    imported()
    before = content("build/news")
    for command in ("dedup", "split"):
        ran = fingen(command, "build/news", "--against", "build/../build/news")
        assert (ran.exit_code, "is the set itself" in ran.stderr) == (2, True), ran.output
    assert content("build/news") == before
