"""`fingen verify`: a set that fingen made is proved anew, whatever was changed in it is found, and so are other people's faults."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rows import dump_row, read_rows

from fingen import cli

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]


def fingen(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], prog_name="fingen")


def verified(*arguments: object) -> dict[str, Any]:
    """The JSON of a verification, whose exit code must fit what it says."""
    ran = fingen("verify", *arguments, "--json", "--quiet")
    assert ran.exit_code in (0, 1), ran.output
    report = json.loads(ran.stdout)
    assert ran.exit_code == report["exit_code"] == int(any(law["failed"] for law in report["laws"].values()))
    return report


def problems(report: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Law -> (reason, id) of what is wrong, for the laws that are broken."""
    found = {name: [(p["reason"], p["id"]) for p in law["problems"]] for name, law in report["laws"].items()}
    return {name: listed for name, listed in found.items() if listed}


@pytest.fixture(scope="module")
def made(sample_set: Path) -> Path:
    return sample_set


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "demo"))


def read(folder: Path, split: str) -> list[Row]:
    return read_rows(folder / f"{split}.jsonl")


def write(folder: Path, split: str, rows: list[Row]) -> None:
    text = "".join(dump_row(row) + "\n" for row in rows)
    (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")


def edit(folder: Path, choose: Callable[[Row], bool], change: Callable[[Row], Any], split: str = "train") -> Row:
    """Change the first row that is chosen; returns it as it was."""
    rows = read(folder, split)
    row = next(row for row in rows if choose(row))
    before = json.loads(json.dumps(row))
    change(row)
    write(folder, split, rows)
    return before


def closed(row: Row) -> bool:
    return not row["input"]


def has_amount(row: Row) -> bool:
    return closed(row) and re.search(r"\d\d\.\d", row["output"]) is not None


def test_a_set_that_fingen_made_passes_every_law(made: Path):
    report = verified(made)

    assert problems(report) == {}
    rows = sum(len(read(made, split)) for split in ("train", "validation", "test", "memory"))
    assert report["rows"] == rows
    assert report["figures"]["all"] > 100 < sum(report["figures"][level] for level in ("bound", "quoted", "computed"))
    for name, law in report["laws"].items():
        counted = law["passed"] + law["failed"] + law["unchecked"]
        of_few = {
            "files": 8,
            "counts": 4,
            "contamination": 1,
            "programs": 0,
            "absence": 7,
        }  # rows whose passage states nothing
        assert counted == of_few.get(name, rows), name
        assert sum(law["why"].values()) == law["unchecked"], name
    assert report["laws"]["figures"]["passed"] > 0.9 * rows


def test_the_newest_set_is_verified_where_none_is_named(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(made, tmp_path / "build" / "demo")
    monkeypatch.chdir(tmp_path)

    ran = fingen("verify")

    assert ran.exit_code == 0, ran.output
    assert "the newest set: build/demo" in ran.stderr
    assert re.search(r"^figures +\d+ +0 +\d+", ran.stdout, re.MULTILINE)


# ---- what was changed is found, and nothing else


def changed_figure(row: Row) -> None:
    row["output"] = re.sub(r"\d\d\.\d", "98765.4", row["output"], count=1)


def overstated(row: Row) -> None:
    row["figures"][0]["end"] = 0


def with_an_organisation(row: Row) -> None:
    row["output"] += " It was sold to Blue Heron Holdings Inc. afterwards." if row["language"] == "en" else ""


@pytest.mark.parametrize(
    ("choose", "change", "expected"),
    [
        (has_amount, changed_figure, {"figures": {"figure"}}),
        (lambda row: closed(row) and row["figures"], overstated, {"figures": {"level"}}),
        (lambda row: closed(row) and row["language"] == "en", with_an_organisation, {"names": {"organisation"}}),
        (closed, lambda row: row["evidence"][0].update(page=18), {"evidence": {"not-on-page"}}),
        (closed, lambda row: row["evidence"][0].update(quote="A sentence from elsewhere."), {"evidence": {"not-found"}}),
        (closed, lambda row: row.update(evidence=[]), {"evidence": {"no-quote"}}),
        (closed, lambda row: row.update(instruction="Why did it rise?"), {"question": {"not-self-contained"}}),
        (closed, lambda row: row.update(output="As an AI model, I think so. " + row["output"]), {"answer": {"boilerplate"}}),
        (closed, lambda row: row.update(task=7), {"rows": {"no-record"}, "counts": None}),
        (closed, lambda row: row.update(instruction=row["instruction"] + " 身份证11010519491231002X"), {"privacy": {"id-card"}}),
    ],
    ids=["figure", "level", "organisation", "page", "quote", "no quote", "question", "boilerplate", "no record", "id card"],
)  # fmt: skip
def test_what_was_changed_is_found(copy: Path, choose: Any, change: Any, expected: dict[str, set[str] | None]):
    row = edit(copy, choose, change)

    found = problems(verified(copy))

    assert found.pop("files") == [("changed", "")]
    for law, reasons in expected.items():
        listed = found.pop(law, [])
        if reasons is not None:
            assert {reason for reason, _ in listed} == reasons
            assert {problem_id for _, problem_id in listed} == {row["id"]}
    assert found == {}


def test_the_wrong_words_and_their_source_are_shown(copy: Path):
    row = edit(copy, has_amount, changed_figure)
    report = verified(copy)

    (problem,) = report["laws"]["figures"]["problems"]
    assert problem["output"][problem["start"] : problem["end"]].startswith("98765.4")
    assert (problem["id"], problem["split"]) == (row["id"], "train")
    assert read(copy, "train")[problem["row"] - 1]["id"] == row["id"]


def test_a_row_in_two_splits_and_a_row_twice_are_found(copy: Path):
    row = next(row for row in read(copy, "train") if closed(row))
    write(copy, "test", [*read(copy, "test"), row])

    found = problems(verified(copy))

    assert ("passage", row["id"]) in found["splits"]
    assert ("near-duplicate", row["id"]) in found["splits"]
    assert found["rows"] == [("id-twice", row["id"])]
    assert found["duplicates"] == [("exact", row["id"])]
    assert found["counts"] == [("rows", "")]


def test_a_memory_row_about_a_passage_that_train_has_not_seen_is_found(copy: Path):
    edit(copy, closed, lambda row: row.update(chunks=read(copy, "test")[0]["chunks"]), split="memory")

    assert "memory" in {reason for reason, _ in problems(verified(copy))["splits"]}


def test_files_that_are_missing_or_longer_are_named(copy: Path):
    (copy / "rejected.jsonl").unlink()
    (copy / "README.md").write_text("other words", encoding="utf-8")

    report = verified(copy)

    assert sorted(p["detail"] for p in report["laws"]["files"]["problems"]) == [
        "README.md was changed since the set was made",
        "rejected.jsonl is missing",
    ]


def test_without_passages_what_needs_them_could_not_be_checked(copy: Path):
    (copy / "chunks.jsonl").unlink()

    report = verified(copy)

    assert report["laws"]["figures"]["unchecked"] > 0
    assert report["laws"]["figures"]["passed"] == report["laws"]["figures"]["failed"] == 0
    assert list(report["laws"]["figures"]["why"]) == ["its passages are not here; name the report with --source",
                                                      "says that the passage does not state it"]  # fmt: skip
    again = verified(copy, "--source", ROOT / "raw" / "sample_annual_report_2024.pdf")
    assert again["laws"]["figures"]["failed"] == 0
    assert again["laws"]["figures"]["passed"] > 0


def test_a_benchmark_that_is_kept_out_is_found_in_the_set(copy: Path, tmp_path: Path):
    row = read(copy, "train")[0]
    benchmark = tmp_path / "benchmark.jsonl"
    benchmark.write_text(json.dumps({"question": "Something else?", "answer": "No."}) + "\n"
                         + json.dumps({"question": row["instruction"].upper(), "answer": "x"}) + "\n", encoding="utf-8")  # fmt: skip

    report = verified(copy, "--keep-out", benchmark)

    assert row["id"] in {problem_id for _, problem_id in problems(report)["contamination"]}
    assert {p["detail"] for p in report["laws"]["contamination"]["problems"]} == {"benchmark.jsonl, row 2"}


# ---- other people's files


def test_an_alpaca_file_is_proved_against_a_report(made: Path, tmp_path: Path):
    good = [{"instruction": row["instruction"], "input": "", "output": row["output"]}
            for row in read(made, "train") if has_amount(row)][:5]  # fmt: skip
    wrong = {
        "instruction": "",
        "input": good[0]["instruction"],
        "output": re.sub(r"\d\d\.\d", "55443.2", good[0]["output"]),
    }
    file = tmp_path / "pairs.json"
    file.write_text(json.dumps([*good, wrong], ensure_ascii=False), encoding="utf-8")

    report = verified(file, "--source", ROOT / "raw" / "sample_annual_report_2024.pdf")

    assert report["laws"]["figures"]["passed"] == 5
    assert {p["row"] for p in report["laws"]["figures"]["problems"]} == {6}
    assert {p["row"] for p in report["laws"]["duplicates"]["problems"]} == {6}
    assert report["laws"]["splits"]["why"] == {"a file alone has no manifest and no splits": 1}
    assert report["laws"]["evidence"]["unchecked"] == 6


@pytest.mark.parametrize("name", ["chunks.jsonl", "copy.jsonl"])
def test_chunks_can_be_the_source(made: Path, tmp_path: Path, name: str):
    row = next(row for row in read(made, "train") if has_amount(row))
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"question": row["instruction"], "answer": row["output"]}) + "\n", encoding="utf-8")
    source = made / name if name == "chunks.jsonl" else Path(shutil.copy(made / "chunks.jsonl", tmp_path / name))

    report = verified(file, "--source", source)

    assert report["laws"]["figures"]["passed"] == 1


def test_a_page_by_page_parse_can_be_the_source(tmp_path: Path):
    lines = [
        {"page": 1, "allrow": 0, "type": "页眉", "inside": "江苏示例股份有限公司2019年年度报告全文"},
        {"page": 1, "allrow": 1, "type": "text", "inside": "江苏示例股份有限公司2019年年度报告"},
        {"page": 2, "allrow": 2, "type": "text", "inside": "单位：元"},
        {"page": 2, "allrow": 3, "type": "excel", "inside": "['项目', '2019年', '2018年']"},
        {"page": 2, "allrow": 4, "type": "excel", "inside": "['营业收入', '319,414,232.39', '327,141,400.16']"},
    ]
    parse = tmp_path / "parse.txt"
    parse.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    file = tmp_path / "pairs.json"
    rows = [("3.19亿元", "是"), ("3.27亿元", "否"), ("5.19亿元", "否")]
    file.write_text(json.dumps([
        {"instruction": "江苏示例股份有限公司2019年的营业收入是多少，反映了什么情况？", "output": f"公司2019年营业收入为{amount}，是全年经营活动的总体规模。"}
        for amount, _ in rows], ensure_ascii=False), encoding="utf-8")  # fmt: skip

    report = verified(file, "--source", parse)

    wrong = {(p["row"], law) for law in ("figures", "binding") for p in report["laws"][law]["problems"]}
    assert wrong == {(2, "binding"), (3, "figures")}
    assert report["laws"]["question"]["problems"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"instruction": "a?", "output": "b"}, 7]', "(row 2): int, not an object"),
        ('{"instruction": "a?", "output": "b"}\n{"instruction": ', "line 2: not JSON"),
        ("[", "not JSON"),
        ('[{"text": "no pair"}]', None),
    ],
)
def test_a_file_that_is_none_is_told_with_its_row(tmp_path: Path, content: str, said: str | None):
    file = tmp_path / "pairs.json"
    file.write_text(content, encoding="utf-8")

    ran = fingen("verify", file)

    if said:
        assert ran.exit_code == 2
        assert said in ran.stderr
    else:  # one row that is none is a broken law, and the others are looked at
        assert ran.exit_code == 1
        assert "no question and answer in text" in ran.stdout


@pytest.mark.parametrize("name", ["nowhere", "nowhere.pdf"])
def test_what_is_not_there_is_said(tmp_path: Path, name: str, made: Path):
    assert fingen("verify", tmp_path / name).exit_code == 2
    ran = fingen("verify", made, "--source", tmp_path / name)
    assert ran.exit_code == 2
    assert "no such file" in ran.stderr


# ---- the page


class Page(HTMLParser):
    """What a browser would fetch, and what stands in the marks."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.marked: list[str] = []
        self._in_mark = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "action", "srcset")]
        self._in_mark = tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._in_mark = False

    def handle_data(self, data: str) -> None:
        if self._in_mark:
            self.marked.append(data)


def test_the_page_shows_each_wrong_figure_beside_its_source(copy: Path, tmp_path: Path):
    edit(copy, has_amount, changed_figure)
    edit(copy, closed, lambda row: row.update(instruction="<script>alert(1)</script>"), split="validation")

    ran = fingen("verify", copy, "--html", tmp_path / "report.html")

    assert ran.exit_code == 1
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert any(said.startswith("98765.4") for said in page.marked)
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form"})
    assert all(link.startswith("#") for link in page.links)  # nothing is fetched
    assert "&lt;script&gt;alert(1)" in text


def test_the_public_set_of_977_pairs(shared: Path):
    """Its known faults are found: repeated questions, answers that lean on a text, figures that stand nowhere."""
    source = next((shared / "qa").glob("finglm_parsed_300617_*.txt"))

    report = verified(shared / "qa" / "datasets_finance_alpaca_977.json", "--source", source)

    laws = report["laws"]
    assert report["rows"] == 977
    assert laws["duplicates"]["failed"] >= 38
    leaning = [p for p in laws["answer"]["problems"] if p["reason"] == "leans-on-text"]
    assert len(leaning) >= 95
    assert 0.7 < laws["figures"]["passed"] / 977 < 0.95
    for name in ("duplicates", "answer", "figures"):
        assert all(p["id"] and 1 <= p["row"] <= 977 for p in laws[name]["problems"])
