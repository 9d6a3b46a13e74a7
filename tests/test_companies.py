"""`--split-by company`: what a company says one year and again the next stands in one split, and verify holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from test_kill import Server, write_reports

from fingen import cli
from fingen.quality.splits import assign_splits, document_units, note_companies
from fingen.records import Period, Record, SourceEntry
from fingen.sets import SPLITS, read_split

pytestmark = pytest.mark.usefixtures("readers_here")
ASKED = ("--teacher", "anthropic", "--chunk-tokens", "128")


def run(*arguments: object, code: int = 0) -> dict[str, Any]:
    ran = CliRunner().invoke(cli.main, [*map(str, arguments), "--json", "--quiet"], prog_name="fingen")
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout)


def company_of(record: Record) -> int:
    """By the number of its report."""
    return int(record.document.removeprefix("report").removesuffix(".pdf")) % 4


def splits_of(folder: Path) -> dict[int, set[str]]:
    """Company -> the splits of its rows."""
    there: dict[int, set[str]] = {}
    for split in SPLITS:
        if (folder / f"{split}.jsonl").is_file() and split != "memory":
            for record in read_split(folder, split):
                there.setdefault(company_of(record), set()).add(split)
    return there


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two reports each of four companies, and a teacher on this machine."""
    folder = tmp_path_factory.mktemp("desk")
    write_reports(folder / "in", 8, 4)
    stated = []
    for number in range(8):
        company = {0: "Gearbox Inc.", 4: "GEARBOX, INC"}.get(number, f"Firm {'ABCD'[number % 4]} plc")
        stated.append(f"report{number}.pdf: {{company: {json.dumps(company)}}}\n")
    (folder / "in/documents.yaml").write_text("".join(stated), encoding="utf-8")
    with Server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTHROPIC_BASE_URL", server.url)
        patch.setenv("ANTHROPIC_API_KEY", "sk-for-tests")
        patch.chdir(folder)
        yield folder


def test_a_company_is_in_one_split_and_else_that_is_told(desk: Path):
    make = ("pdf2qa", "in", *ASKED, "--split", "0.4,0.3,0.3")
    apart = run(*make, "--split-by", "document", "--out", "build/apart")
    several = [name for name, there in splits_of(Path("build/apart")).items() if len(there) > 1]
    assert several
    [note] = [note for note in apart["notes"] if "--split-by company" in note]
    assert note.startswith(f"{len(several)} compan")

    together = run(*make, "--split-by", "company", "--out", "build/together")
    assert {len(there) for there in splits_of(Path("build/together")).values()} == {1}
    assert len(set.union(*splits_of(Path("build/together")).values())) > 1
    assert not [note for note in together["notes"] if "--split-by company" in note]
    assert run("verify", "build/together")["laws"]["splits"]["failed"] == 0

    moved = run("split", "build/apart", "--split", "0.4,0.3,0.3", "--split-by", "company")
    assert splits_of(Path("build/apart")) == splits_of(Path("build/together"))
    assert not [note for note in moved["notes"] if "--split-by company" in note]
    assert [
        note for note in run("split", "build/apart", "--split-by", "document")["notes"] if "--split-by company" in note
    ]


def test_verify_finds_a_company_on_both_sides(desk: Path):
    run(
        "pdf2qa",
        "in",
        *ASKED,
        "--split",
        "0.4,0.3,0.3",
        "--split-by",
        "document",
        "--out",
        "build/claimed",
    )
    path = Path("build/claimed/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "split_by": "company"}), encoding="utf-8")

    law = run("verify", "build/claimed", code=1)["laws"]["splits"]
    apart = {name for name, there in splits_of(Path("build/claimed")).items() if len(there) > 1}
    assert {problem["reason"] for problem in law["problems"]} == {"company"}
    rows = [record for split in ("train", "validation", "test") for record in read_split(Path("build/claimed"), split)]
    assert law["failed"] == sum(company_of(record) in apart for record in rows)


# --- units --------------------------------------------------------------------------------------------------------------


def source(path: str, company: str | None, **names: str) -> SourceEntry:
    return SourceEntry(
        path=path, sha256=f"hash of {path}", pages=1, language="en", company=company, names=names, period=Period()
    )


def test_a_company_has_a_name_in_each_language_and_unnamed_reports_stand_alone():
    sources = [source("a", "蓝海精密", en="Lanhai Precision Co., Ltd."), source("b", "LANHAI PRECISION CO LTD"),
               source("c", None), source("d", None), source("e", "Other plc")]  # fmt: skip
    units = document_units(sources, "company")

    assert set(units["a"]) > set(units["b"])
    assert [units[name] for name in "cd"] == [("hash of c",), ("hash of d",)]
    assert not set(units["e"]) & set(units["a"])
    assert document_units(sources, "document")["a"] == ("hash of a",)


@st.composite
def _reports(draw: st.DrawFn) -> tuple[list[SourceEntry], list[Record]]:
    companies = draw(st.lists(st.sampled_from(["A plc", "B plc", "C plc", None]), min_size=2, max_size=8))
    sources = [source(f"r{number}.pdf", company) for number, company in enumerate(companies)]
    rows = [
        Record(instruction=f"{each.path} {n}?", input="", output=f"{each.path} says {n}", id=f"{each.path}-{n}", task="t",
               language="en", document=each.path, chunks=(f"c-{each.path}-{n}",), teacher="x", origin="document")
        for each in sources
        for n in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    return sources, draw(st.permutations(rows))


@given(_reports())
def test_no_company_is_in_two_splits_and_a_note_says_where_one_is(made: tuple[list[SourceEntry], list[Record]]):
    sources, rows = made
    company = {each.path: each.company or each.path for each in sources}
    for by in ("company", "document"):
        units = document_units(sources, by)
        split_of = assign_splits(rows, by=by, shares=(0.4, 0.3, 0.3), known={}, units_of=units).split_of
        there: dict[str, set[str]] = {}
        for row in rows:
            there.setdefault(company[row.document], set()).add(split_of[row.id])
        apart = [name for name, splits in there.items() if len(splits) > 1]
        splits = {split: [row for row in rows if split_of[row.id] == split] for split in SPLITS}
        notes = note_companies(splits, sources, by)
        assert by == "document" or not apart
        assert bool(notes) == bool(apart)
        assert not notes or all(name in notes[0] for name in apart)
