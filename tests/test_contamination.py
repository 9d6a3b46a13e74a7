"""What is in a benchmark is found, with its row; what only looks like it (another company, year, figure) is not."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingen.cli import main
from fingen.errors import SetError, UsageError
from fingen.pipeline.filters import open_benchmarks
from fingen.quality.contamination import Overlap, benchmark_of, find_contamination, read_keep_out
from fingen.records import Record

NUMBERS = itertools.count()
PROMPT = "What is the sentiment of this news? Choose one of negative, neutral, positive."
LONG_EN = (
    "Operating profit of Lanhai Logistics rose to 12.5 million euros in the third quarter of 2019 "
    "from 9.1 million euros a year before, as demand for cold storage grew in the north"
)
LONG_ZH = "2019年第三季度，蓝海物流的营业利润由上年同期的910万元增至1,250万元，主要原因是北方地区的冷库需求增长以及运输成本下降"


def record(instruction: str, passage: str = "", **fields: Any) -> Record:
    defaults = {
        "id": f"r{next(NUMBERS)}",
        "task": "sentiment",
        "language": "en",
        "teacher": "scripted",
        "origin": "imported",
    }
    return Record.model_validate(
        {"instruction": instruction, "input": passage, "output": "positive"} | defaults | fields
    )


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the format that the name's end asks for."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def found(overlaps: list[Overlap]) -> list[tuple[str, int, str]]:
    return [(overlap.record.id, overlap.row, overlap.kind) for overlap in overlaps]


ROWS = [
    {"instruction": PROMPT, "input": "Lanhai's sales rose, by 5%, to $1,200 million.", "output": "positive"},
    {"instruction": PROMPT, "input": "Ziwei cut its dividend in 2020.", "output": "negative"},
    {"instruction": "蓝海集团2019年的营业收入是多少？", "input": "", "output": "12亿元"},
]


@pytest.mark.parametrize(("name", "first"), [("b.json", 1), ("b.jsonl", 1), ("b.csv", 2)])
def test_every_format_names_the_row_that_is_there(tmp_path: Path, name: str, first: int):
    path = write(tmp_path / name, ROWS)
    again = record(PROMPT, "LANHAI'S sales rose by 5% to $1200 million")
    small = record("Classify the news.", "Ziwei cut the dividend in 2020.")
    chinese = record("请问 蓝海集团 2019 年营业收入是多少")
    other = record(PROMPT, "Ziwei cut its dividend in 2021.")

    overlaps = find_contamination([again, other, small, chinese], benchmark_of(path))

    assert found(overlaps) == [
        (again.id, first, "exact"),
        (small.id, first + 1, "near"),
        (chinese.id, first + 2, "near"),
    ]
    assert {overlap.benchmark for overlap in overlaps} == {path.name}


@pytest.mark.parametrize("column", ["question", "query", "text", "sentence", "Headline", "title"])
def test_the_question_may_stand_in_a_column_of_another_name(tmp_path: Path, column: str):
    path = write(tmp_path / "b.csv", [{"no": 1, column: "Ziwei cut its dividend.", "label": 0}])

    assert [row.question for row in read_keep_out(path)] == ["Ziwei cut its dividend."]
    assert len(find_contamination([record(PROMPT, "ziwei cut its dividend")], benchmark_of(path))) == 1


def test_a_prompt_with_its_target_is_taken_apart(tmp_path: Path):
    context = f"Instruction: {PROMPT}\nInput: Ziwei cut its dividend.\nAnswer: "
    path = write(tmp_path / "b.jsonl", [{"context": context, "target": "negative"}])

    assert [(row.question, row.passage) for row in read_keep_out(path)] == [(PROMPT, "Ziwei cut its dividend.")]
    assert len(find_contamination([record("Rise or fall?", "Ziwei cut its dividend")], benchmark_of(path))) == 1


def test_a_question_is_found_with_and_without_its_passage(tmp_path: Path):
    rows = [
        {"question": f"Why did the margin of Lanhai fall in {year}?", "context": f"Passage {year}."}
        for year in (2018, 2019)
    ]
    path = write(tmp_path / "b.jsonl", rows)
    closed, other = (
        record("Why did the margin of Lanhai fall in 2019?"),
        record("Why did the margin of Lanhai fall in 2020?"),
    )
    opened = record("Why did the margin of Lanhai fall in 2018?", "Another passage.")

    assert found(find_contamination([closed, other, opened], benchmark_of(path))) == [
        (closed.id, 2, "exact"),
        (opened.id, 1, "exact"),
    ]


def test_a_prompt_that_all_rows_share_stands_for_none(tmp_path: Path):
    path = write(tmp_path / "b.json", ROWS[:2])
    assert find_contamination([record(PROMPT, "Guangming opened a plant."), record(PROMPT)], benchmark_of(path)) == []


def test_the_prompt_of_the_only_row_stands_for_none(tmp_path: Path):
    path = write(tmp_path / "b.json", [*ROWS[:1], *ROWS[:1]])  # twice the same row is one
    assert find_contamination([record(PROMPT, "Guangming opened a plant.")], benchmark_of(path)) == []
    assert len(find_contamination([record("Classify.", ROWS[0]["input"])], benchmark_of(path))) == 1


@pytest.mark.parametrize("row", [LONG_EN, LONG_ZH])
def test_a_long_row_within_a_passage_is_found(tmp_path: Path, row: str):
    path = write(tmp_path / "b.jsonl", [{"text": "Short."}, {"text": row}])
    within = record("Sum up.", f"Before it, 2018 was weak. “{row}”。 After it, 2020 was good.")
    wrapped = record("Sum up.", f"Note 7. {row[:60]}\n{row[60:]} | 5 | 6")
    cut = record("Sum up.", f"Before it. {row[: len(row) // 2]} and so on.")

    assert found(find_contamination([within, wrapped, cut], benchmark_of(path))) == [
        (within.id, 2, "contained"),
        (wrapped.id, 2, "contained"),
    ]


@pytest.mark.parametrize(
    ("row", "old", "new"),
    [
        (LONG_EN, "Lanhai", "Ziwei"),
        (LONG_EN, "2019", "2018"),
        (LONG_EN, "9.1", "91"),
        (LONG_EN, "12.5", "-12.5"),
        (LONG_EN, "Operating", "Net"),
        (LONG_ZH, "蓝海", "海蓝"),
        (LONG_ZH, "2019", "2018"),
        (LONG_ZH, "1,250万", "1,250亿"),
        (LONG_ZH, "910", "91.0"),
        (LONG_ZH, "营业", "净"),
    ],
)
def test_a_sibling_of_a_long_row_survives(tmp_path: Path, row: str, old: str, new: str):
    """All but one word is the same, and more than a run of it; nothing else in the passage has the word."""
    path = write(tmp_path / "b.jsonl", [{"text": row}])
    sibling = row.replace(old, new)
    assert sibling != row

    assert (
        find_contamination([record("Sum up.", f"Before it. {sibling} After it."), record(sibling)], benchmark_of(path))
        == []
    )
    assert (
        len(find_contamination([record("Sum up.", f"Before it. {row} After it."), record(row)], benchmark_of(path)))
        == 2
    )


COMPANIES, YEARS, METRICS = (
    ["Lanhai", "Ziwei", "蓝海", "海蓝"],
    range(2017, 2021),
    ["net profit", "gross profit", "商誉", "毛利率"],
)
QUESTION = st.tuples(st.sampled_from(COMPANIES), st.sampled_from(YEARS), st.sampled_from(METRICS), st.integers(-20, 20))
TEMPLATE = "In the {1} report of {0}, why did the {2} change by {3}%?"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(QUESTION, min_size=1, max_size=12),
    st.lists(QUESTION, max_size=12),
    st.sampled_from(["{}", "Please: {}", " “{}” "]),
)
def test_a_record_overlaps_a_row_just_where_all_its_aspects_are_the_same(tmp_path: Path, kept_out, asked, noise: str):
    path = write(tmp_path / "b.jsonl", [{"question": TEMPLATE.format(*aspects)} for aspects in kept_out])
    records = [record(noise.format(TEMPLATE.format(*aspects))) for aspects in asked]

    overlaps = {overlap.record.id: overlap.row for overlap in find_contamination(records, benchmark_of(path))}

    first = {aspects: row for row, aspects in reversed(list(enumerate(kept_out, 1)))}
    assert overlaps == {r.id: first[aspects] for r, aspects in zip(records, asked, strict=True) if aspects in first}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("b.json", "[{]", "not JSON"),
        ("b.json", '{"rows": 3}', "row 1: no question: it has rows"),
        ("b.json", "[]", "no rows"),
        ("b.json", "[3]", "line 1: int, not an object"),
        ("b.json", '[{"question": "q"}, {"answer": "a", "id": 7}]', "row 2: no question: it has answer, id"),
        ("b.json", '[{"question": "q"}, {"question": 5}]', "row 2: question is not a text"),
        ("b.json", '[{"question": "q"}, {"question": " "}]', "row 2: question is empty"),
        ("b.jsonl", '{"text": "a"}\n\n{"text": "b"\n', "line 3: not JSON"),
        ("b.jsonl", "", "no rows"),
        ("b.csv", "text,label\na,1\nb,c,2\n", "line 3: 3 columns, not 2 as in the header"),
        ("b.csv", 'text,label\n"a,1\n', "line 2: unexpected end of data"),
        ("b.csv", "answer\na\n", "row 2: no question"),
        ("b.txt", "a", "not a .json, .jsonl or .csv file"),
    ],
)
def test_a_broken_file_is_an_error_that_names_its_row(tmp_path: Path, name: str, text: str, told: str):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SetError) as caught:
        find_contamination([], benchmark_of(path))
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_a_missing_file_and_one_in_another_encoding_are_errors(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none\.json: cannot be read"):
        read_keep_out(tmp_path / "none.json")
    path = tmp_path / "b.csv"
    path.write_bytes("text\n蓝海集团\n".encode("gb18030"))
    with pytest.raises(SetError, match="not UTF-8"):
        read_keep_out(path)


def test_json_lines_under_the_name_of_json_and_cells_of_any_size_are_read(tmp_path: Path):
    path = tmp_path / "b.json"
    path.write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    assert [row.row for row in read_keep_out(path)] == [1, 2]

    long = "Revenue rose, and so did costs.\n" * 10_000
    assert read_keep_out(write(tmp_path / "b.csv", [{"text": long, "label": 1}]))[0].question == long


def test_the_questions_of_a_table_are_kept_out(tmp_path: Path):
    """FinQA's form: a table, text around it, and what is asked."""
    asked = {"question": "what was the growth of net sales in 2019?", "program": "divide(1, 2)"}
    row = {"pre_text": ["sales rose ."], "post_text": [], "table": [["", "2019"], ["net sales", "5"]], "qa": asked}
    path = tmp_path / "test.json"
    path.write_text(json.dumps([row, {**row, "qa": {"question": "what were net sales in 2019?"}}]), encoding="utf-8")
    assert [each.question for each in read_keep_out(path)] == [asked["question"], "what were net sales in 2019?"]
    ours, other = record(asked["question"], ""), record("what was the growth of net sales in 2018?", "")
    assert [each.record for each in find_contamination([ours, other], benchmark_of(path))] == [ours]


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("intent/banking77_test.csv", 3000),
        ("sentiment/nwgi_sample_300.jsonl", 300),
        ("qa/datasets_finance_alpaca_977.json", 977),
        ("benchmarks/tatqa_dataset_dev.json", 1668),
    ],
)
def test_published_files_are_read_and_found_in_themselves(shared: Path, name: str, least: int):
    path = shared / name
    rows = read_keep_out(path)
    assert len(rows) >= least

    records = [record(row.question, row.passage) for row in rows]
    assert len(find_contamination(records, benchmark_of(path))) == len(rows)


def test_a_benchmark_is_kept_out_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.txt").write_text("Ziwei cut its dividend .@negative\nSales rose .@positive\n", encoding="latin-1")
    with pytest.raises(UsageError, match="none of its rows are here") as refused:
        open_benchmarks([Path("fpb")])
    assert "fingen import fpb" in str(refused.value.hint)
    named = open_benchmarks([Path("fpb=rows.txt")])[0]
    assert CliRunner().invoke(main, ["import", "fpb", "rows.txt"]).exit_code == 0
    found = open_benchmarks([Path("fpb")])[0]
    assert named.name == found.name == "fpb"
    assert named.rows == found.rows
    assert (
        len(find_contamination([record("Which mood?", found.rows[0].passage)], found)) == len(found.rows) == 1
    )  # of the test split
    with pytest.raises(SetError):
        open_benchmarks([Path("no-such-benchmark")])
