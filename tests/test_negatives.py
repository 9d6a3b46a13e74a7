"""Rows that say that their passage does not state what is asked: it does not, another one does, and they are as many as wanted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fingen import prompts, verify
from fingen.cli import main
from fingen.disk import read_jsonl
from fingen.items import StatedItems, find_stated
from fingen.records import Chunk, Passage, Period, Record
from fingen.sets import read_split
from fingen.tasks.qa import NEGATIVE, NOT_STATED
from fingen.verification.origin import origin_of_set
from fingen.verification.run import prove_record

REPORT = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
ITEMS = {language: prompts.read_data(f"negative-words.{language}")["items"] for language in ("en", "zh")}


def make(folder: Path, *options: str) -> Path:
    command = ["pdf2qa", str(REPORT), "--teacher", "offline", "--out", str(folder / "set"), "--quiet", *options]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return folder / "set"


def rows(folder: Path) -> list[Record]:
    return [record for split in ("train", "validation", "test") for record in read_split(folder, split)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("negatives"), "--task", "concept,summary", "--negatives", "0.2")


def passage(text: str, kind: str, language: str) -> Passage:
    return Passage(
        chunk="c", document="a.pdf", company="Northwind Inc.", period=Period(kind="annual", end="2024-12-31"),
        language=language, section=(), pages=(1, 1), text=text, kinds=((kind, text),),
    )  # type: ignore[arg-type]  # a language and a kind  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["table", "paragraph"])
@given(st.data())
def test_what_stands_there_by_its_name_is_stated(language: str, kind: str, data: st.DataObject):
    name = data.draw(st.sampled_from([name for item in ITEMS[language] for name in item.split(" | ")]))
    forms = {
        "table": f" | 2024 | 2023\nHeading\n{name.capitalize()} (note 3) | 55 | 44",
        "en": f"Markets were calm. In 2024 the {name} came to $55 million. Prices rose.",
        "zh": f"市场平稳。2024年{name}为5,500万元。价格上涨。",
    }
    text = forms["table" if kind == "table" else language]
    assert find_stated(name, passage(text, kind, language))
    assert find_stated(name, passage(text.replace(name, "\0").replace(name.capitalize(), "\0"), kind, language)) is None


WORDS = "revenue cost of goods sold net income loss cash flows Northwind lease interest the total 营业收入 净利润 存货 现金".split()
TEXTS = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)


@given(
    st.lists(
        st.tuples(st.lists(TEXTS, max_size=4), st.booleans(), st.sampled_from(["en", "zh"]), st.booleans()), max_size=6
    ),
    st.lists(TEXTS, min_size=1, max_size=3),
    st.sets(st.integers(0, 5)),
)
def test_what_is_stated_anywhere_is_found_as_by_going_through_all(
    made: list[tuple[list[str], bool, str, bool]], items: list[str], apart: set[int]
):
    passages = []
    for number, (lines, is_table, language, is_named) in enumerate(made):
        text = "\n".join(f"{line} | 5 | 4" for line in lines) if is_table else ". ".join(lines)
        told = passage(text, "table" if is_table else "paragraph", language)
        passages.append(told.model_copy(update={"chunk": str(number)} | ({} if is_named else {"company": None})))
    index, left_out = StatedItems(passages), set(map(str, apart))

    for some in (items, items[:1]):
        found = any(find_stated(item, each) for item in some for each in passages if each.chunk not in left_out)
        assert index.states(some, left_out) == found


def test_a_share_of_the_rows_ask_for_what_is_elsewhere_in_the_report(sample: Path):
    kept = rows(sample)
    negative = [record for record in kept if record.task == NEGATIVE]
    assert {record.language for record in negative} == {"en", "zh"}
    assert 0 < len(negative) <= 0.2 * len(kept) + 1
    chunks = {chunk.id: chunk for chunk in read_jsonl(sample / "chunks.jsonl", Chunk)}
    for record in negative:
        asked = record.draws["asked"][0]
        assert asked in record.instruction
        assert record.output == NOT_STATED[record.language]
        assert record.label == "not-stated"
        assert record.input == chunks[record.chunks[0]].text
        assert asked.casefold() not in record.input.casefold()
        words = re.findall(r"[a-z]{5,}", asked) if record.language == "en" else [asked[:2]]
        assert any(word[:5] in chunk.text.lower() for chunk in chunks.values() for word in words)


def test_verify_looks_for_what_is_said_not_to_be_stated(sample: Path):
    record = next(record for record in rows(sample) if record.task == NEGATIVE and record.language == "en")
    origin = origin_of_set(sample)
    stated = re.search(r"[A-Za-z]{7,} [a-z]{7,}", record.input)
    assert verify(sample).laws["absence"].failed == 0
    assert prove_record(record, origin)["absence"].passed == 1
    assert stated is not None
    wrong = record.model_copy(update={"draws": {**record.draws, "asked": [stated[0]]}})
    assert prove_record(wrong, origin)["absence"].failed == 1


def test_questions_shown_with_another_passage_are_negative_rows_too(tmp_path: Path):
    folder = make(tmp_path, "--task", "concept,summary", "--context", "passage")
    negative = [record for record in rows(folder) if record.label == "not-stated"]
    assert negative
    assert {record.task for record in negative} == {NEGATIVE}
    law = verify(folder).laws["absence"]
    assert (law.passed, law.failed, law.unchecked) == (len(negative), 0, 0)


@pytest.mark.slow
def test_no_negatives_are_none(tmp_path: Path):
    folder = make(tmp_path, "--task", "concept", "--context", "passage", "--negatives", "0")
    assert not [record for record in rows(folder) if record.label]


@pytest.mark.parametrize("share", ["0.6", "-0.1"])
def test_a_share_that_cannot_be_is_refused(tmp_path: Path, share: str):
    command = ["pdf2qa", str(REPORT), "--teacher", "offline", "--out", str(tmp_path / "set"), f"--negatives={share}"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "give a share from 0 to 0.5" in result.stderr


@pytest.mark.parametrize("language", ["en", "zh"])
def test_wordings_name_company_item_and_time(language: str):
    data = prompts.read_data(f"negative-words.{language}")
    assert len(data["ask"]) >= 10
    assert len(data["items"]) >= 20
    for ask in data["ask"]:
        assert re.search(r"\{(?:company|owner)\}", ask)
        assert "{item}" in ask
        assert "{time}" in ask
