"""Conversations: written about a passage, imported, checked turn by turn, split, exported, trained on and scored, in both languages."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE
from rows import dump_row, parse_row
from small_models import make_base
from stub_llm import StubLLM

from fingen.cli import main
from fingen.config import Pdf2qa, ReadSettings
from fingen.documents.read import read_document
from fingen.errors import UsageError
from fingen.pipeline import reading
from fingen.pipeline.pdf2qa import pdf2qa
from fingen.pipeline.summary import Summary
from fingen.quality.contamination import benchmark_of, find_contamination
from fingen.quality.duplicates import find_duplicates
from fingen.quality.privacy import protect
from fingen.quality.splits import assign_splits
from fingen.records import Document, Record, Rejected, Request, Turn, content_id
from fingen.review.proof import rescued
from fingen.scoring.rows import item_of
from fingen.scoring.variants import with_shots
from fingen.serving.asks import Ask
from fingen.sets import SPLITS, read_manifest, read_split
from fingen.tasks.review import claims_of
from fingen.teachers.job import build_chat
from fingen.teachers.scripted import Scripted
from fingen.training.base import load_base, load_tokenizer
from fingen.training.data import Example, Pair, build_examples, build_pairs
from fingen.training.recipe import loss_sum, mean_loss
from fingen.training.template import build_template

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "raw" / "sample_annual_report_2024.pdf"


def fingen(*arguments: object, code: int = 0, **environment: str) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments)], env=environment, prog_name="fingen")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def rows_of(folder: Path | str) -> list[Record]:
    folder = Path(folder)
    return [
        record for split in SPLITS if read_manifest(folder).splits.get(split) for record in read_split(folder, split)
    ]


@cache
def read_sample() -> Document:
    return read_document(SAMPLE, SAMPLE.name, ReadSettings())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the sample in it, which is read once: reading has tests of its own."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, tmp_path)
    monkeypatch.setattr(reading, "read_documents", lambda sources, how, **options: iter([read_sample()]))
    return tmp_path


# --- written about a passage ---------------------------------------------------------------------------------------------

CASH = (
    "Net cash from operating activities was 208.4 million, an increase of 31.3 percent over the 158.7 million of 2023."
)
PROFIT = "归属于上市公司股东的净利润 | 138,012,284.91 | 108,976,746.22 | 26.64%"
WRITTEN: dict[str, list[dict[str, Any]]] = {
    "en": [
        {
            "question": "How much net cash from operating activities did Lanhai Precision Instruments Co., Ltd. report for 2024?",
            "answer": "Net cash from operating activities of Lanhai Precision Instruments came to RMB 208.4 million in 2024.",
            "evidence": [CASH],
            "calc": None,
        },
        {
            "question": "And how much was that the year before?",
            "answer": "In 2023, the year before, net cash from operating activities had been RMB 158.7 million.",
            "evidence": [],
            "calc": None,
        },
        {
            "question": "So by how much did it grow?",
            "answer": "Net cash from operating activities grew by RMB 49.7 million in 2024, from RMB 158.7 million in 2023.",
            "evidence": [],
            "calc": "208.4 - 158.7",
        },
    ],
    "zh": [
        {
            "question": "蓝海精密仪器股份有限公司2024年归属于上市公司股东的净利润是多少？",
            "answer": "2024年，蓝海精密仪器股份有限公司归属于上市公司股东的净利润为138,012,284.91元。",
            "evidence": [PROFIT],
            "calc": None,
        },
        {
            "question": "上一年呢？",
            "answer": "上一年即2023年，归属于上市公司股东的净利润为108,976,746.22元，少于2024年。",
            "evidence": [],
            "calc": None,
        },
        {
            "question": "那么增加了多少？",
            "answer": "归属于上市公司股东的净利润2024年比2023年的108,976,746.22元增加29,035,538.69元。",
            "evidence": [],
            "calc": "138012284.91 - 108976746.22",
        },
    ],
}


def writes(written: dict[str, list[dict[str, Any]]]) -> Callable[[Request], str]:
    """What a teacher answers: a conversation about the passage that has its first quote, and none about others."""

    def reply(request: Request) -> str:
        (passage,) = request.passages
        turns = written[passage.language]
        about = passage.text if turns[0]["evidence"][0] in passage.text else ""
        items = [{"turns": turns}] if about else []
        return json.dumps({"items": items, "reason": None if items else "no figures"}, ensure_ascii=False)

    return reply


def made_by(written: dict[str, list[dict[str, Any]]], out: str, **changes: Any) -> Summary:
    """A set that a model wrote: its answers are held to what models are held to."""
    given_ = Pdf2qa(inputs=(Path(SAMPLE.name),), out=Path(out), tasks=("conversation",), **changes)
    made = pdf2qa(given_, teacher=Scripted(writes(written), "openai:writer"))
    assert isinstance(made, Summary)
    return made


def changed(language: str, turn: int, **fields: Any) -> dict[str, list[dict[str, Any]]]:
    turns = [{**each, **(fields if number == turn else {})} for number, each in enumerate(WRITTEN[language], 1)]
    return {**WRITTEN, language: turns}


@pytest.fixture
def written_set(desk: Path) -> Path:
    made_by(WRITTEN, "build/written")
    return desk / "build" / "written"


def test_a_conversation_is_a_row_with_quotes_and_proof_for_each_of_its_answers(written_set: Path):
    rows = {record.language: record for record in rows_of(written_set)}

    assert set(rows) == {"en", "zh"}
    for language, record in rows.items():
        turns = WRITTEN[language]
        assert [(each.instruction, each.output, each.calc or None) for each in record.exchanges] == [
            (turn["question"], turn["answer"], turn["calc"]) for turn in turns
        ]
        assert [turn.role for turn in record.turns] == ["user", "assistant"] * 2
        quoted = [[quote.quote for quote in each.evidence] for each in record.exchanges]
        assert quoted == [turns[0]["evidence"]] * 3  # what was quoted once counts on
        levels = [[figure["level"] for figure in each.figures] for each in record.exchanges]
        assert {*levels[0], *levels[1]} <= {"bound", "quoted"}
        assert "computed" in levels[2]
        assert (record.task, record.origin, record.pages) == ("qa-conversation", "document", record.pages)
    report = json.loads(fingen("verify", written_set, "--json").stdout)
    assert not [
        law
        for law, found in report["laws"].items()
        if found["failed"] or (found["unchecked"] and law != "contamination")
    ]
    assert report["figures"]["all"] == sum(len(each.figures) for record in rows.values() for each in record.exchanges)
    assert not read_manifest(written_set).splits.get("memory")


@pytest.mark.parametrize(
    ("language", "turn", "fields", "reason", "said"),
    [
        ("en", 2, {"answer": WRITTEN["en"][1]["answer"].replace("158.7", "157.8")}, "figure", "157.8"),
        ("en", 3, {"calc": "208.4 - 157.8"}, "calc", "157.8"),
        (
            "en",
            1,
            {"question": "How much net cash from operating activities was there?"},
            "not-self-contained",
            "company",
        ),
        (
            "en",
            2,
            {"evidence": ["Net cash was what it had been in the years before that."]},
            "evidence",
            "not in the passage",
        ),
        (
            "zh",
            2,
            {"answer": WRITTEN["zh"][1]["answer"].replace("108,976,746.22", "138,012,284.91")},
            "binding-period",
            "138,012,284.91元",
        ),
        ("zh", 3, {"answer": WRITTEN["zh"][2]["answer"].replace("增加29", "减少29")}, "direction", "29,035,538.69"),
        ("zh", 2, {"question": "如上表所示，上一年呢？"}, "not-self-contained", "上表"),
    ],
)
def test_a_conversation_falls_with_one_of_its_answers_whose_turn_is_named(
    desk: Path, language: str, turn: int, fields: dict[str, Any], reason: str, said: str
):
    made_by(changed(language, turn, **fields), "build/written")

    (record,) = rows_of("build/written")
    assert record.language != language
    (line,) = Path("build/written/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    fallen = json.loads(line)
    assert fallen["reason"] == reason
    assert fallen["detail"].startswith(f"turn {turn}: ")
    assert said in fallen["detail"]
    assert [each["question"] for each in fallen["item"]["turns"]] == [
        {**each, **(fields if number == turn else {})}["question"] for number, each in enumerate(WRITTEN[language], 1)
    ]


@pytest.mark.parametrize("count", [2, 6])
def test_a_conversation_has_three_to_five_turns(desk: Path, count: int):
    made_by({**WRITTEN, "en": (WRITTEN["en"] * 2)[:count]}, "build/written")

    (line,) = Path("build/written/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["reason"] == "schema"
    assert "turns" in json.loads(line)["detail"]


def test_with_its_passage_a_conversation_is_told_it_before_all_turns(desk: Path):
    made_by(WRITTEN, "build/written", context="both")

    rows = rows_of("build/written")
    opened = [record for record in rows if record.system]
    assert sorted(record.language for record in opened) == sorted({record.language for record in rows})
    texts = {chunk.id: chunk.text for chunk in read_sample().chunks}
    for record in opened:
        assert record.system == texts[record.chunks[0]]
        assert record.input == ""
    assert not json.loads(fingen("verify", "build/written", "--json").stdout)["laws"]["duplicates"]["failed"]


def test_a_rejected_conversation_can_be_rescued(desk: Path):
    made_by(
        changed("en", 2, question="And then?", evidence=["Nothing that stands there, anywhere in it."]), "build/written"
    )
    (line,) = Path("build/written/rejected.jsonl").read_text(encoding="utf-8").splitlines()
    fallen = Rejected.model_validate_json(line)
    chunks = [chunk for chunk in read_sample().chunks if chunk.id in fallen.chunks]
    found = rescued(fallen, read_manifest(Path("build/written")), chunks)
    assert found is not None
    assert (found.task, found.questions[1], len(found.turns)) == ("qa-conversation", "And then?", 4)


def test_the_rules_write_conversations_on_lines_of_tables(desk: Path):
    made = json.loads(
        fingen(
            "pdf2qa", SAMPLE.name, "--task", "conversation", "--teacher", "offline", "--out", "build/ruled", "--json"
        ).stdout
    )

    rows = rows_of("build/ruled")
    assert len(rows) >= 4
    assert {record.language for record in rows} == {"en", "zh"}
    assert not made["rejects"]
    for record in rows:
        assert len(record.exchanges) in (3, 4)
        growth = record.exchanges[2]
        later, earlier = (each.figures[0]["said"] for each in record.exchanges[:2])
        assert later in growth.output or earlier in growth.output
        assert "%" in growth.output
        assert growth.calc
    report = json.loads(fingen("verify", "build/ruled", "--json").stdout)
    assert not [law for law, found in report["laws"].items() if found["failed"]]
    told = fingen("show", "build/ruled", rows[0].id).stdout
    places = [
        told.index(text) for text in (*(turn.content for turn in rows[0].turns), rows[0].instruction, rows[0].output)
    ]
    assert places == sorted(places)


def test_verify_sees_a_figure_that_an_earlier_turn_does_not_have(written_set: Path):
    path = next(written_set / f"{split}.jsonl" for split in SPLITS if (written_set / f"{split}.jsonl").exists())
    first, *others = path.read_text(encoding="utf-8").splitlines()
    row = parse_row(first)
    answer = row["turns"][1]["content"]
    row["turns"][1]["content"] = answer.replace("208.4", "280.4").replace("138,012,284.91", "183,012,284.91")
    path.write_text("\n".join([dump_row(row), *others, ""]), encoding="utf-8")

    report = json.loads(fingen("verify", written_set, "--json", code=1).stdout)
    (problem,) = report["laws"]["figures"]["problems"]
    assert problem["detail"].startswith("turn 1: ")
    assert problem["output"] == row["turns"][1]["content"]


def test_a_second_teacher_sees_the_claims_of_all_turns(written_set: Path):
    for record in rows_of(written_set):
        claims = claims_of(record)
        assert [claim for claim in claims if claim in record.questions] == list(record.questions)
        assert set(claims) >= {each.output for each in record.exchanges}


# --- rows of others -------------------------------------------------------------------------------------------------------

TALKS = [
    ["What was revenue in 2024? ", "It was 52 million yuan.", "And before?", "50 million.\n", "So?", "It grew by 4%."],
    ["营业收入是多少？", "5200万元。", "上一年呢？", "5000万元，低于本年。"],
    ["Only one question", "and one answer"],
]


def messages(talk: Sequence[str], system: str = "") -> list[dict[str, str]]:
    said = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(talk)]
    return [*([{"role": "system", "content": system}] if system else []), *said]


def forms_of(talk: Sequence[str], system: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """A conversation as others write it: what imports it, and the row."""
    who = {"user": "human", "assistant": "gpt", "system": "system"}
    *before, question, answer = talk
    history = [list(pair) for pair in zip(before[::2], before[1::2], strict=True)]
    return {
        "sharegpt": (
            "sharegpt",
            {"conversations": [{"from": who[m["role"]], "value": m["content"]} for m in messages(talk, system)]},
        ),
        "openai": ("sharegpt", {"messages": messages(talk, system)}),
        "alpaca": (
            "alpaca",
            {"instruction": question, "input": "", "output": answer, "history": history, "system": system},
        ),
    }


def said(record: Record) -> tuple[str, tuple[str, ...]]:
    return record.system, (*(turn.content for turn in record.turns), record.instruction, record.output)


@pytest.mark.parametrize("form", ["sharegpt", "openai", "alpaca"])
def test_imported_conversations_keep_all_that_is_said_and_go_out_as_they_came_in(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    systems = ["", "You read reports.", ""]
    talks = [forms_of(talk, system)[form] for talk, system in zip(TALKS, systems, strict=True)]
    Path("rows.json").write_text(json.dumps([row for _, row in talks], ensure_ascii=False), encoding="utf-8")
    source = talks[0][0]
    fingen("import", source, "rows.json", "--out", "build/mine")
    wanted = [(system, tuple(talk)) for talk, system in zip(TALKS, systems, strict=True)]

    assert sorted(map(said, rows_of("build/mine"))) == sorted(wanted)
    for out, again, read in (("trl", "sharegpt", "train.jsonl"), ("sharegpt", "sharegpt", "train.json"), ("chatml", "sharegpt", "train.jsonl"),
                             ("openai", "sharegpt", "train.jsonl"), ("alpaca", "alpaca", "train.json")):  # fmt: skip
        fingen("export", "build/mine", "--format", out, "--out", f"out-{out}")
        loaded = datasets.load_dataset("json", data_files=f"out-{out}/{read}", split="train", cache_dir="cache")
        assert len(loaded) == 3
        if out != "trl":
            columns = json.loads(Path(f"out-{out}/dataset_info.json").read_text(encoding="utf-8"))["mine"]["columns"]
            assert set(columns.values()) <= set(loaded.column_names)
        fingen("import", again, f"out-{out}/{read}", "--out", f"build/{out}")
        assert sorted(map(said, rows_of(f"build/{out}"))) == sorted(wanted)


TEXT = st.text("ab 收入\n", min_size=1, max_size=6).filter(str.strip)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_the_exchanges_of_a_record_are_all_that_is_asked_and_answered_in_it(pairs: list[tuple[str, str]]):
    records = [talk([question, answer]) for question, answer in pairs]
    whole = records[0]
    for each in records[1:]:
        whole = each.after(whole)

    assert [(each.instruction, each.output) for each in whole.exchanges] == pairs
    assert [len(each.turns) for each in whole.exchanges] == list(range(0, 2 * len(pairs), 2))
    assert whole.questions == tuple(question for question, _ in pairs)
    assert Record.model_validate_json(whole.model_dump_json()) == whole
    assert whole.exchanges[-1] is whole


def talk(texts: Sequence[str], language: str = "en", **more: Any) -> Record:
    """A conversation of these texts."""
    *before, question, answer = texts
    return Record(
        instruction=question, input="", output=answer, turns=tuple(Turn(**each) for each in messages(before)),
        id=content_id("im", *texts, *map(str, more.values())), task="qa", language=language, teacher="unknown",
        origin="imported", **more,
    )  # type: ignore[arg-type]  # a language  # fmt: skip


LONG = "Revenue came to 52 million yuan in 2024, most of it from machines that were sold abroad."
LONG_ZH = "营业收入为5200万元，其中大部分来自向境外客户销售的机器，其余来自国内的服务。"


@pytest.mark.parametrize(("shared", "language"), [(LONG, "en"), (LONG_ZH, "zh")])
def test_conversations_that_share_an_answer_are_in_one_split(shared: str, language: str):
    pairs = [
        (
            talk([f"a{n}", shared + str(n), f"b{n}", f"one {n}"], language),
            talk([f"c{n}", f"zero {n}", f"d{n}", shared + str(n)], language),
            talk([f"e{n}", shared + str(n)], language),
        )
        for n in range(40)
    ]
    found = assign_splits(
        [record for pair in pairs for record in pair],
        by="document",
        shares=(0.5, 0.25, 0.25),
        known={},
        units_of={},
    )

    assert {found.split_of[record.id] for pair in pairs for record in pair} == set(SPLITS[:3])
    for pair in pairs:
        assert len({found.split_of[record.id] for record in pair}) == 1


def test_words_of_thanks_tie_no_conversations_together():
    records = [
        talk([f"What is {n}?", f"It is {n} of all things that are counted here.", "Thanks", "You are welcome!"])
        for n in range(60)
    ]
    found = assign_splits(records, by="document", shares=(0.5, 0.25, 0.25), known={}, units_of={})
    assert set(found.split_of.values()) == {"train", "validation", "test"}


def test_what_was_said_before_tells_conversations_apart():
    one, other = (
        talk(["Of cash?", "5 million.", "And before?", "4 million."]),
        talk(["Of debt?", "9.", "And before?", "4 million."]),
    )
    again = talk(["of cash", "5 million", "and before", "It was 4 million."])

    assert not find_duplicates([one, other])
    (duplicate,) = find_duplicates([one, again])
    assert (duplicate.kind, duplicate.of) == ("exact", one.id)


def test_a_benchmark_question_is_found_in_any_turn(tmp_path: Path):
    held = tmp_path / "held.jsonl"
    asked = "How much cash did Northwind Inc. hold at the end of its fiscal year 2024?"
    held.write_text(
        json.dumps({"instruction": asked, "output": "5"})
        + "\n"
        + json.dumps({"instruction": "Of what?", "output": "6"}),
        encoding="utf-8",
    )
    early, clean = talk([asked, "5 million.", "And debt?", "None."]), talk(["Why?", "So.", "And debt?", "None."])

    (found,) = find_contamination([early, clean], benchmark_of(held))
    assert found.record is early


@pytest.mark.parametrize("mode", ["mask", "drop"])
def test_personal_data_is_found_in_earlier_turns(mode: Any):
    record = talk(
        ["请问联系人手机是13812345678吗？", "是的，手机13812345678。", "谢谢", "不客气。"],
        "zh",
        system="手机：13912345678",
    )
    kept, found = protect(record, mode)

    assert found["phone"] == 3
    if mode == "drop":
        assert kept is None
    else:
        assert kept is not None
        assert not any(number in text for text in kept.said for number in ("13812345678", "13912345678"))
        assert kept.turns[0].content == "请问联系人手机是[PHONE]吗？"


# --- training -------------------------------------------------------------------------------------------------------------

# The chat templates of the shared tokenizers, with marks around what the assistant writes: transformers tells it by them.
MARKED = {
    "llama3": "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content | trim + '<|eot_id|>' }}{% endgeneration %}"
    "{% else %}{{ message.content | trim + '<|eot_id|>' }}{% endif %}{% endfor %}",
    "qwen": "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a "
    "helpful assistant.<|im_end|>\\n' }}{% endif %}{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message.content + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}",
}
# As Qwen 3's: what is to be said begins with an empty thought, and what was said has none.
THINKS = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\n\n</think>\n\n' }}{% endif %}"
)


def vocabulary(name: str, shared: Path, tmp_path: Path) -> Any:
    folder, packed = tmp_path / name, shared / "tokenizers" / name
    if not packed.is_dir():
        pytest.skip(f"no vocabulary at {packed}")
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(gzip.decompress((packed / "tokenizer.json.gz").read_bytes()))
    shutil.copy(packed / "tokenizer_config.json", folder)
    return load_tokenizer(str(folder))


def hundred() -> list[Record]:
    """Conversations of two to five turns in both languages, with and without a system message and white space around."""
    found = []
    for n in range(100):
        texts = []
        for turn in range(2 + n % 4):
            texts += ([f"{n}年第{turn}项是多少？", f"第{turn}项为{n * 7},{turn:03}.5万元，同比增长{turn}.3%。"] if n % 2 else
                      [f"What was item {turn} of {n}?", f"Item {turn} came to ${n * 7} million, up {turn}.3%." + "\n " * (n % 3)])  # fmt: skip
        found.append(
            talk(texts, "zh" if n % 2 else "en", system="You read annual reports. 你阅读年报。" if n % 5 == 0 else "")
        )
    return found


@pytest.mark.parametrize("name", MARKED)
def test_what_is_learned_of_conversations_is_what_transformers_marks_as_the_assistants(
    name: str, shared: Path, tmp_path: Path
):
    tokenizer = vocabulary(name, shared, tmp_path)
    records = hundred()
    examples = build_examples(records, build_template(tokenizer, "chat"), 4096)

    assert (len(examples.kept), examples.parted, examples.left_out) == (100, 0, {})
    for record, example in zip(records, examples.kept, strict=True):
        talked = messages([*(turn.content for turn in record.turns), record.instruction, record.output], record.system)
        assert tokenizer.apply_chat_template(
            talked, chat_template=MARKED[name], tokenize=False
        ) == tokenizer.apply_chat_template(talked, tokenize=False)
        marked = tokenizer.apply_chat_template(
            talked, chat_template=MARKED[name], return_dict=True, return_assistant_tokens_mask=True
        )
        length, learned = len(example.ids), {place + 1 for place in example.places}
        assert list(example.ids) == marked["input_ids"][:length]
        assert [int(place in learned) for place in range(length)] == marked["assistant_masks"][:length]
        assert not any(marked["assistant_masks"][length:])  # a line end at most
        assert len(example.earlier) + 1 == len(record.exchanges)


@pytest.mark.slow
@pytest.mark.skipif("FINGEN_TRL" not in os.environ, reason="set FINGEN_TRL to a Python that has trl")
@pytest.mark.parametrize(("name", "template"), [("llama3", ""), ("qwen", "qwen2_5")])
def test_what_is_learned_of_conversations_is_what_trl_learns(name: str, template: str, shared: Path, tmp_path: Path):
    """TRL's own template for Qwen 2.5 has the line ends around an answer learned too: one that the prompt ends with, one behind."""
    tokenizer, records = vocabulary(name, shared, tmp_path), hundred()
    talks = [messages([*(t.content for t in r.turns), r.instruction, r.output], r.system) for r in records]
    (tmp_path / "talks.json").write_text(json.dumps(talks), encoding="utf-8")
    files = [tmp_path / name, tmp_path / "talks.json", tmp_path / "out.json"]
    command = [
        os.environ["FINGEN_TRL"],
        str(ROOT / "tests" / "trl_masks.py"),
        *map(str, files),
        *filter(None, [template]),
    ]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE * 10)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    tokenizer.chat_template = found["template"]
    kept = build_examples(records, build_template(tokenizer, "chat"), 4096).kept

    (line_end,) = tokenizer.encode("\n", add_special_tokens=False)
    for example, (ids, mask) in zip(kept, found["rows"], strict=True):
        theirs = {place for place, is_learned in enumerate(mask) if is_learned}
        if template:
            ends = {place for place in theirs if ids[place] == line_end and not {place - 1, place + 1} <= theirs}
            assert len(ends) == 2 * (len(example.earlier) + 1)
            theirs -= ends
        assert list(example.ids) == ids[: len(example.ids)]
        assert {place + 1 for place in example.places} == theirs


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    texts = [text for record in hundred() for text in record.said]
    folder = tmp_path_factory.mktemp("bases")
    return {name: make_base(folder / name, texts, chat=chat) for name, chat in (("plain", None), ("thinks", THINKS))}


def learned(examples: Sequence[Example]) -> list[int]:
    return [token for example in examples for token in example.learned]


def test_where_later_prompts_do_not_go_on_from_what_is_learned_each_answer_is_a_row(bases: dict[str, Path]):
    template = build_template(load_tokenizer(str(bases["thinks"])), "chat")
    records = hundred()[:10]
    found = build_examples(records, template, 4096)

    assert found.parted == 10
    assert len(found.kept) == sum(len(record.exchanges) for record in records)
    assert [example.id for example in found.kept if ":" not in example.id] == [record.id for record in records]
    prompts = [
        template.encode_prompt(template.render(each.instruction, system=each.system, turns=each.messages))
        for record in records
        for each in record.exchanges
    ]
    assert [list(example.ids[: -example.answer]) for example in found.kept] == prompts  # as it is asked in use


def test_a_conversation_in_one_row_is_learned_as_its_answers_one_by_one(bases: dict[str, Path]):
    loaded = load_base(str(bases["plain"]), "fp32")
    template = build_template(loaded.tokenizer, "chat")
    records = hundred()[:12]
    whole, apart = (build_examples(records, template, 4096, apart=each).kept for each in (False, True))

    assert (len(whole), len(apart)) == (12, sum(len(record.exchanges) for record in records))
    assert learned(whole) == learned(apart)
    with torch.no_grad():
        sums = [loss_sum(loaded.model, each, template.pad).item() for each in (whole, apart)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)
    assert mean_loss(loaded.model, whole, template.pad, 512) == pytest.approx(sums[0] / len(learned(whole)), rel=1e-5)


def test_a_conversation_too_long_or_without_a_place_is_left_out_whole(bases: dict[str, Path]):
    tokenizer = load_tokenizer(str(bases["plain"]))
    record = hundred()[3]
    longest = len(build_examples([record], build_template(tokenizer, "chat"), 4096).kept[0].ids)

    assert list(build_examples([record], build_template(tokenizer, "chat"), longest - 1).left_out.values()) == [
        (record.id,)
    ]
    (why,) = build_examples([record], build_template(tokenizer, "fingpt"), 4096).left_out
    assert "no place for a system message or earlier turns" in why


def test_finetune_and_score_take_conversations(bases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        forms_of([*(turn.content for turn in r.turns), r.instruction, r.output], r.system)["sharegpt"][1]
        for r in hundred()[:24]
    ]
    Path("rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    fingen("import", "sharegpt", "rows.json", "--split", "0.7,0,0.3", "--out", "build/talks")
    train, test = (list(read_split(Path("build/talks"), split)) for split in ("train", "test"))
    fingen("finetune", "--model", bases["thinks"], "--set", "build/talks", "--out", "build/adapters/a", "--override", "steps=2",
           "--override", "batch=2")  # fmt: skip
    manifest = json.loads(Path("build/adapters/a/fingen.json").read_text(encoding="utf-8"))
    assert manifest["rows"]["train"] == sum(len(record.exchanges) for record in train)

    told = json.loads(fingen("score", "build/adapters/a", "--set", "build/talks", "--max-tokens", 4, "--json").stdout)
    assert {score["rows"] for score in told["scores"]} == {len(test)}
    predictions = [
        json.loads(line)
        for line in next(Path("build/scores").rglob("predictions.jsonl")).read_text(encoding="utf-8").splitlines()
    ]
    assert {row["gold"] for row in predictions} == {record.output for record in test}
    asked = {"\n".join([*(turn.content for turn in record.turns), record.instruction])[:200] for record in test}
    assert {row["text"][:200] for row in predictions} == asked


# --- use ------------------------------------------------------------------------------------------------------------------


def test_a_teacher_is_scored_on_the_last_answer_with_the_turns_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-tests")
    rows = [forms_of(each, system)["openai"][1] for each, system in zip(TALKS, ("", "Be brief.", ""), strict=True)]
    Path("rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    fingen("import", "sharegpt", "rows.json", "--split", "test", "--out", "build/talks")
    with StubLLM(reply=lambda body: "It grew by 4%.") as stub:
        fingen(
            "score",
            "--teacher",
            "openai:gpt-6-luna",
            "--base-url",
            stub.openai_url,
            "--set",
            "build/talks",
            "--out",
            "build/scores/s",
        )
        asked = [[(m["role"], m["content"]) for m in body["messages"]] for body in stub.asked]

    wanted = [[(m["role"], m["content"]) for m in messages(each[:-1], system)]
              for each, system in zip(TALKS, ("", "Be brief.", ""), strict=True)]  # fmt: skip
    assert sorted(asked) == sorted(wanted)


def test_examples_stand_before_all_that_is_said():
    item, shot = item_of(talk(TALKS[0]), 1), item_of(talk(TALKS[2]), 2)
    shown = with_shots(item, [shot])

    assert shown.turns[0]["content"] == f"{TALKS[2][0]}\n{TALKS[2][1]}\n\n{TALKS[0][0]}"
    assert (shown.turns[1:], shown.question) == (item.turns[1:], item.question)


def test_turns_in_another_order_are_asked_of_no_teacher():
    with pytest.raises(UsageError, match="no questions and answers in turn"):
        build_chat("openai:x", "score", "", [{"role": "assistant", "content": "Hello"}], "What?", 10)


def test_of_a_preference_the_last_answers_are_compared_and_the_turns_are_given(bases: dict[str, Path]):
    template = build_template(load_tokenizer(str(bases["plain"])), "chat")
    record = talk(TALKS[0], rejected="It fell by 4%.", reason="wrong")
    (pair,) = build_pairs([record], template, 4096).kept

    assert isinstance(pair, Pair)
    prompt = template.encode_prompt(template.render(record.instruction, turns=record.messages))
    assert pair.ids == (*prompt, *template.encode_answer(record.output))
    assert pair.rejected.ids == (*prompt, *template.encode_answer(record.rejected))
    assert (pair.earlier, pair.rejected.earlier) == ((), ())
    assert not any(each.rejected for each in record.exchanges[:-1])


def test_an_example_of_the_demo_that_is_a_conversation_begins_with_its_own_turns():
    item = item_of(talk(TALKS[0], system="Be brief."), 1)
    typed = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes?"}]
    asked, _, _ = Ask("", item=item, turns={"m": typed}).put("m", None)

    assert (asked.system, asked.instruction, list(asked.turns)) == ("Be brief.", TALKS[0][4], messages(TALKS[0][:4]))
    assert Ask("And?", turns={"m": typed}).put("m", None)[0].turns == typed
