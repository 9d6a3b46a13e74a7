"""Document tasks: what is asked stays the same question, and a task of one's own is one entry."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import Field
from test_contributing import write_report

from fingen import config
from fingen.config import Filters, Pdf2qa, ReadSettings
from fingen.errors import ShortfallError, UsageError
from fingen.pipeline.pdf2qa import pdf2qa
from fingen.pipeline.rework import rework
from fingen.pipeline.summary import Summary
from fingen.prompts import Template, read_template
from fingen.records import Chunk, Completion, Evidence, Language, Passage, Period, Record, Request
from fingen.scoring.benchmarks import BENCHMARKS
from fingen.tasks import qa
from fingen.tasks.documents import TASKS, parse_answer, whole_problem

ROOT = Path(__file__).resolve().parent.parent
TEXT = {
    "en": "Revenue increased by 4.0 percent to 52.0 million. " * 60,
    "zh": "营业收入增长4.0%，达到5200万元。" * 40,
}
SYSTEM = "{% for e in examples %}{{ e.question }}{% endfor %}"
USER = (
    "{{ count }}{% for p in passages %}{{ p.company }}|{{ p.report }}|{{ p.section }}|{{ p.pages }}|{{ p.text }}{% endfor %}"
    "{{ questions | join(';') }}"
)
ITEM = {
    "question": "Why did revenue of Northwind Inc. rise in 2024?",
    "rephrased": "In 2024, why more revenue at Northwind Inc.?",
    "answer": "It sold more.",
    "evidence": ["q"],
    "calc": None,
}


def passage(language: Language, number: int = 0) -> Passage:
    return Passage(
        chunk=f"c-{number}",
        document="a/report.pdf",
        company="Northwind Inc." if language == "en" else "北风股份有限公司",
        period=Period(kind="annual", end="2024-12-31"),
        language=language,
        section=("Business", "Sales"),
        pages=(3, 3 + number),
        text=TEXT[language],
        kinds=(("paragraph", TEXT[language]),),
    )


def ask(task: str, language: Language, passages: int = 1) -> Request:
    template = Template(f"{task}.{language}", "", language, 1, ("passages",), SYSTEM, USER, sha256="")
    shown = tuple(passage(language, number) for number in range(passages))
    more = {"examples": [{"question": "What?"}], "questions": ["cash"]}
    return qa.ask_pairs((TASKS[task],), template, shown, most=2, teacher="anthropic:x", **more)


def build(request: Request) -> Record:
    item = qa.QaItem.model_validate(ITEM)
    task = TASKS[request.template.partition(".")[0]]
    return task.build(item, request, (Evidence(quote="q", page=3),), "anthropic:x")


# What was paid for is found again by its key, and rows are known by their ids: neither may ever change.
@pytest.mark.parametrize(
    ("task", "language", "passages", "key"),
    [
        ("concept", "en", 1, "020fbd89e12283e1f4ef42e54fb08849efb5c1084cf4916e3bd1f2d86d09b689"),
        ("concept", "zh", 1, "a4c41aa4816f1a37b3577d526c46dad84b9544a58aad3e169c5e706194926790"),
        ("summary", "en", 2, "cba446b22ed24f3599d84b6f20e8727d41bf952d7dbe95c3a39e50d6130fd57f"),
        ("summary", "zh", 1, "a4c41aa4816f1a37b3577d526c46dad84b9544a58aad3e169c5e706194926790"),
    ],
)
def test_keys_and_ids_are_those_of_sets_made_before(task: str, language: Language, passages: int, key: str):
    request = ask(task, language, passages)
    record = build(request)
    beside = Chunk.model_construct(id="c-9", text="t", blocks=())

    assert request.key == key
    assert (request.task, request.count, request.max_tokens) == (f"qa-{task}", 2, 4096)
    assert (record.task, record.id) == (f"qa-{task}", "qa-2e3647cd0bd70979")
    assert qa.reworded(record, ITEM["rephrased"]).id == "qa-3c6db5eb3d1a3a2c"
    assert qa.with_passage(record, [beside]).id == "qa-22e114a32bd53458"


def test_what_the_command_line_takes_is_what_there_is():
    assert list(config.TASKS) == list(TASKS)
    assert set(config.BENCHMARKS) == set(BENCHMARKS)
    assert [task.name for task in TASKS.values()] == list(TASKS)
    assert len({task.task for task in TASKS.values()}) == len(TASKS)


class Exposure(qa.QaItem):
    """A pair that says how much is exposed."""

    exposed: str = Field(min_length=1, description="the amount at risk")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A task of one's own: its item has a field more."""
    task = replace(TASKS["summary"], name="risk", task="qa-risk", template="", item=Exposure)
    monkeypatch.setitem(TASKS, "risk", task)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "prompts", "prompts")
    for language in ("en", "zh"):
        shutil.copyfile(f"prompts/qa.{language}.md", f"prompts/risk.{language}.md")
    return "risk"


def test_an_own_item_is_asked_for_and_wanted(own: str):
    request = qa.ask_pairs((TASKS[own],), read_template("risk.en"), (passage("en"),), most=2, teacher="t")
    usual = qa.ask_pairs((TASKS["summary"],), read_template("qa.en"), (passage("en"),), most=2, teacher="t")

    item = request.answer_schema["$defs"]["Exposure"]
    assert list(item["properties"]) == [*usual.answer_schema["$defs"]["QaItem"]["properties"], "exposed"]
    for values, problem in ((ITEM, "exposed"), ({**ITEM, "exposed": "RMB 3.0 million"}, None)):
        text = json.dumps({"items": [values], "reason": None})
        said = whole_problem(request, Completion(key=request.key, text=text, stop_reason="end_turn", teacher="t"))
        assert (problem in said) if problem else said is None


def offline(*tasks: str) -> Summary:
    write_report(Path("report.pdf"))
    made = pdf2qa(
        Pdf2qa(
            (Path("report.pdf"),),
            out=Path("made"),
            tasks=tasks,
            teacher="offline",
            reading=ReadSettings(chunk_tokens=128),
        )
    )
    assert isinstance(made, Summary)
    return made


def test_the_offline_teacher_says_what_it_has_no_rules_for(own: str):
    with pytest.raises(ShortfallError) as alone:
        offline(own)
    shutil.rmtree("made")
    beside = offline("concept", own)

    said = "the offline teacher has no rules for risk: --teacher names a model"
    assert alone.value.hint == said
    assert said in beside.notes
    assert (list(beside.records), beside.exit_code) == (["qa-concept"], 0)


def test_a_set_of_a_task_that_is_not_there_names_it(own: str, monkeypatch: pytest.MonkeyPatch):
    offline("concept", own)
    monkeypatch.delitem(TASKS, own)

    with pytest.raises(UsageError, match="no such task: risk"):
        rework(Path("made"), Filters())


def test_a_set_whose_kinds_were_asked_for_apart_is_made_anew_from_its_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "prompts", "prompts")
    for name in ("concept", "summary"):
        for language in ("en", "zh"):
            shutil.copyfile(f"prompts/qa.{language}.md", f"prompts/{name}.{language}.md")
    with monkeypatch.context() as before:
        for name in ("concept", "summary"):
            before.setitem(TASKS, name, replace(TASKS[name], template=""))
        made = offline("concept", "summary")
    rows = {path.name: path.read_bytes() for path in Path("made").glob("*.jsonl")}
    again = rework(Path("made"), Filters())

    assert made.requests["asked"] == 2 * made.chunks_asked
    assert again.splits == again.splits_before
    assert {path.name: path.read_bytes() for path in Path("made").glob("*.jsonl")} == rows


def test_both_kinds_of_a_passage_are_asked_for_at_once_and_an_item_says_which_it_is():
    tasks = (TASKS["concept"], TASKS["summary"])
    request = qa.ask_pairs(tasks, read_template("qa.en"), (passage("en"),), most=2, teacher="t")
    items = [{**ITEM, "kind": "summary"}, {**ITEM, "kind": "concept"}, ITEM, {**ITEM, "kind": "poem"}]
    parsed = parse_answer(request, json.dumps({"items": items, "reason": None}))

    asked = request.answer_schema["$defs"]["QaItem"]
    assert (request.task, request.tasks, request.count) == ("qa-concept+qa-summary", ("qa-concept", "qa-summary"), 4)
    assert next(iter(asked["properties"])) == asked["required"][0] == "kind"
    assert asked["properties"]["kind"]["enum"] == ["concept", "summary"]
    assert [task.name for task, _ in parsed.items] == [
        "summary",
        "concept",
        "concept",
    ]  # one that does not say: the first
    assert parsed.repairs == ["no `kind`"]
    assert [why.partition(":")[0] for _, why in parsed.broken] == ["kind"]
