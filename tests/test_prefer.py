"""`fingen prefer`: what a set has rejected and people have edited, as pairs; nothing is lost, nothing changes its split."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datasets import load_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted_programs import build_record, pairs_of
from rows import read_rows
from stub_llm import StubLLM
from test_pdf2qa import reports
from test_repair import FALSE, make, mends, reply, turns
from test_table_pairs import SHOWN

import fingen
from fingen import cli
from fingen.quality.checks import CHECKS
from fingen.quality.reasons import with_steps
from fingen.records import Block, Chunk, Evidence, Record, Rejected
from fingen.review.index import row_hash
from fingen.review.prefer import OF_ANSWER
from fingen.review.verdicts import Verdict, Verdicts
from fingen.set_folder import make_manifest
from fingen.sets import SPLITS, SetContent, read_split, write_set

PAGES = {
    "c-1": "2024 年，营业收入为 900 万元。",
    "c-2": "2024 年，净利润为 80 万元。",
    "c-3": "Revenue was USD 5 million.",
}


def run(*words: object, code: int = 0) -> Result:
    """A command, as it is typed; it must end with that code."""
    ran = CliRunner().invoke(cli.main, [*map(str, words)], prog_name="fingen")
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == code, ran.output
    return ran


def chunk(id: str, text: str) -> Chunk:
    block = Block(kind="paragraph", page=1, box=(0, 0, 1, 1), start=0, end=len(text))
    return Chunk(id=id, document="r.pdf", language="en" if text.isascii() else "zh", first_page=1, last_page=1, section=(),
                 text=text, tokens=9, blocks=(block,))  # fmt: skip


def record(number: int, chunk_id: str, question: str, answer: str, **more: Any) -> Record:
    values: dict[str, Any] = {
        "input": "",
        "id": f"qa-{number}",
        "task": "qa-concept",
        "teacher": "t",
        "origin": "document",
    }
    quote = Evidence(quote=PAGES[chunk_id], page=1)
    language = "en" if question.isascii() else "zh"
    values |= {"document": "r.pdf", "pages": (1,), "chunks": (chunk_id,), "evidence": (quote,), "language": language}
    return Record(instruction=question, output=answer, **{**values, **more})


def reject(reason: str, chunk_id: str, question: str, answer: str, detail: str = "", **more: Any) -> Rejected:
    item = {"kind": "concept", "question": question, "answer": answer, "evidence": [], **more}
    return Rejected(item=item, reason=reason, detail=detail, chunks=(chunk_id,), request="k")


ROWS = {
    "train": [
        record(1, "c-1", "公司 2024 年的营业收入是多少？", "公司 2024 年的营业收入为 900 万元。"),
        record(2, "c-3", "What was the revenue of the company?", "The revenue of the company was USD 5 million."),
        record(3, "c-3", "What was the revenue of the company?", "The revenue of the company was USD 5 million.",
               input=PAGES["c-3"], draws={"context": "passage", "distractors": 0, "stated": True}),
    ],
    "test": [record(4, "c-2", "公司 2024 年的净利润是多少？", "公司 2024 年的净利润为 80 万元。")],
    "memory": [record(5, "c-1", "2024 年营业收入多少？", "公司 2024 年的营业收入为 900 万元。", draws={"rewords": "qa-1"})],
}  # fmt: skip


def make_set(folder: Path, rejected: list[Rejected], rows: dict[str, list[Record]] = ROWS) -> Path:
    manifest = make_manifest(folder.name, "pdf2qa", {"privacy": "keep"}, [], ())
    write_set(folder, SetContent(rows, rejected, [chunk(*each) for each in PAGES.items()], manifest))
    return folder


def prefer(folder: Path, *more: object, code: int = 0) -> Any:
    ran = run("prefer", folder, *more, *(["--json"] if code == 0 else []), code=code)
    return json.loads(ran.stdout) if code == 0 else ran.stderr


def judge(folder: Path, split: str, id: str, verdict: str, **more: Any) -> None:
    lines = (folder / f"{split}.jsonl").read_bytes().splitlines()
    [line] = [line for line in lines if json.loads(line)["id"] == id]
    given = Verdict(f"k-{id}", id, row_hash(line, id), verdict, "J. Wu", "2026-11-30T00:00:00+00:00", **more)
    Verdicts(folder).add(given, seen=None)


# --- of a run with repairs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """A set whose teacher was told of its wrong figures; how many pairs it mended, and how many went back."""
    folder = tmp_path_factory.mktemp("repaired")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OPENAI_API_KEY", "sk-for-tests")
        reports(folder / "in", count=2, topics=6)
        with StubLLM(reply=reply) as server:
            ran = make(server)
            assert ran.exit_code == 0, ran.output
            back = [turns(body) for body in server.asked if len(turns(body)) > 1]
    return folder / "build/set", sum(mends(said[0]) for said in back), len(back)


@pytest.mark.usefixtures("readers_here")
def test_a_mended_answer_and_what_it_was_are_a_pair_in_the_split_of_its_row(
    repaired: tuple[Path, int, int], tmp_path: Path
):
    folder, mended, back = repaired
    made = prefer(folder, "--out", tmp_path / "pairs")
    rows = {row["id"]: (split, row) for split in SPLITS for row in read_rows(folder / f"{split}.jsonl")}
    found = [(split, row) for split in SPLITS for row in read_rows(tmp_path / "pairs" / f"{split}.jsonl")]

    assert sum(made["records"].values()) == made["with_pair"] == len(found) == mended
    assert made["reasons"] == {"figure": mended}
    assert made["without"] == {"no-sibling": made["rejects"] - mended}
    assert made["rejects"] == len(read_rows(folder / "rejected.jsonl")) == 2 * back - mended
    for split, row in found:
        where, chosen = rows[row["draws"]["chosen"]]
        assert split == where
        assert (row["chosen"], row["prompt"], row["evidence"]) == (
            chosen["output"],
            chosen["instruction"],
            chosen["evidence"],
        )
        assert FALSE in row["rejected"]
        assert FALSE not in row["chosen"]
        assert row["reason"].startswith("figure: “9.4 percent”")
    verified = json.loads(run("verify", tmp_path / "pairs", "--json").stdout)
    assert verified["rows"] == mended


def test_the_same_command_changes_nothing_and_the_set_goes_where_sets_go(
    repaired: tuple[Path, int, int], tmp_path: Path
):
    folder, mended, _ = repaired
    first = prefer(folder, "--out", tmp_path / "pairs")
    content = {path.name: path.read_bytes() for path in (tmp_path / "pairs").glob("*.json*")}
    again = prefer(folder, "--out", tmp_path / "pairs")

    assert again == first | {"changed": False}
    assert content == {path.name: path.read_bytes() for path in (tmp_path / "pairs").glob("*.json*")}
    frame = fingen.load_set(tmp_path / "pairs").to_pandas()
    assert len(frame) == mended
    assert list(frame.columns[:5]) == ["split", "prompt", "chosen", "rejected", "reason"]
    card = (tmp_path / "pairs/README.md").read_text(encoding="utf-8")
    assert f"{mended} preferences about financial documents" in card
    assert "--objective dpo" in card
    for command in ("dedup", "split"):
        assert "its rows are preferences" in run(command, tmp_path / "pairs", code=2).stderr
    assert (
        "its rows are preferences" in run("mix", tmp_path / "pairs", folder, "--out", tmp_path / "mix", code=2).stderr
    )
    assert "is made of preferences already" in prefer(tmp_path / "pairs", code=2)


def test_a_report_that_is_withdrawn_takes_its_pairs_with_it(repaired: tuple[Path, int, int], tmp_path: Path):
    shutil.copytree(repaired[0].parent, tmp_path / "build", ignore=shutil.ignore_patterns("cache"))
    made = prefer(tmp_path / "build/set", "--out", tmp_path / "build/pairs")
    found = {
        split: list(read_split(tmp_path / "build/pairs", split)) for split, count in made["records"].items() if count
    }
    gone = sum(row.document == "report0.pdf" for rows in found.values() for row in rows)
    report = json.loads(run("withdraw", "report0.pdf", "--build", tmp_path / "build", "--json").stdout)

    [pairs] = [one for one in report["sets"] if one["set"].endswith("pairs")]
    assert sum(pairs["rows"].values()) == gone > 0
    assert sum(pairs["left"].values()) == made["with_pair"] - gone
    lines = [line for path in (tmp_path / "build/pairs").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert not any("report0.pdf" in line for line in lines)
    assert sum('"chosen"' in line for line in lines) == made["with_pair"] - gone


def test_function_and_command_make_the_same_set(repaired: tuple[Path, int, int], tmp_path: Path):
    prefer(repaired[0], "--out", tmp_path / "a/pairs")
    fingen.prefer(repaired[0], out=tmp_path / "b/pairs")

    for path in (tmp_path / "a/pairs").glob("*.json*"):
        assert path.read_bytes() == (tmp_path / "b/pairs" / path.name).read_bytes()


# --- what gives a pair, and what does not -----------------------------------------------------------------------------------


def test_each_reject_gives_pairs_or_says_why_not(tmp_path: Path):
    question, english = ROWS["train"][0].instruction, ROWS["train"][1].instruction
    folder = make_set(tmp_path / "set", [
        reject("figure", "c-1", question, "营业收入为 700 万元。", "没有 700"),
        reject("figure", "c-1", question, "营业收入为 700 万元", "没有 700"),  # the same but for a full stop
        reject("binding-period", "c-2", "公司 2024 年度的净利润是多少？", "净利润为 90 万元。", "2023 年"),  # asks alike
        reject("cause", "c-3", english, "It was USD 5 million thanks to the weather.", "no weather"),  # beside two forms
        reject("evidence", "c-3", english, "Another text.", "not in the passage: x; also unit: thousand"),
        reject("evidence", "c-3", english, "A third text.", "not in the passage: x"),
        reject("near", "c-3", english, "The revenue came to USD 5 million.", "of qa-2"),
        reject("unit", "c-3", "Why did the head count of the plants fall?", "By 5 thousand.", "millions"),
        reject("sign", "c-1", english, "It was USD -5 million.", "of another passage"),
        reject("guess", "c-3", english, "The revenue of the company was USD 5 million!", "a guess"),
        Rejected(item={"answer": "not JSON"}, reason="figure", detail="", chunks=(), request="k"),
        reject("figure", "c-3", english, "It was USD 7 million.", turns='[{"role": "user", "content": "And before?"}]'),
    ])  # fmt: skip
    made = prefer(folder, "--out", tmp_path / "pairs")
    train, test = (read_rows(tmp_path / f"pairs/{split}.jsonl") for split in ("train", "test"))

    assert made["rejects"] == 12
    assert made["with_pair"] == 4
    assert made["without"] == {
        "not-the-answer": 2,
        "no-sibling": 2,
        "same-pair": 1,
        "same-answer": 1,
        "no-text": 1,
        "conversation": 1,
    }
    assert made["records"] == {"train": 5, "validation": 0, "test": 1, "memory": 0}
    assert made["siblings"] == {"question": 5, "alike": 1}
    assert [row["reason"] for row in test] == ["binding-period: 2023 年"]
    assert made["reasons"] == Counter(row["reason"].partition(":")[0] for row in [*train, *test])
    assert made["reasons"] == {"cause": 2, "unit": 2, "figure": 1, "binding-period": 1}
    assert {row["prompt"] for row in train} == {question, english, f"{english}\n{PAGES['c-3']}"}
    left = read_rows(tmp_path / "pairs/rejected.jsonl")
    assert Counter(row["reason"] for row in left) == made["without"]
    wide = prefer(folder, "--siblings", "passage", "--out", tmp_path / "wide")
    assert wide["without"] == {**made["without"], "no-sibling": 1}  # in another language it stays
    assert wide["siblings"]["passage"] == 2


def test_both_answers_of_a_pair_have_steps_or_neither(tmp_path: Path):
    """Beside a row with steps: an answer without any, one behind wrong steps, and steps that no answer follows."""
    passage = SHOWN["income"]
    plain = build_record(next(pairs_of(passage)).item, passage)
    stepped = with_steps(plain)
    steps = stepped.output.removesuffix(plain.output)
    wrong, behind, cut = f"{plain.output} So it fell.", f"{steps}It fell.", steps.partition("\n")[0]
    rejected = [
        Rejected(item={"question": plain.instruction, "answer": text}, reason="figure", detail="", chunks=plain.chunks, request="k")
        for text in (wrong, behind, cut)
    ]  # fmt: skip

    def pairs_beside(row: Record, name: str) -> tuple[Any, list[tuple[str, str]]]:
        manifest = make_manifest(name, "pdf2qa", {"privacy": "keep"}, [], ())
        write_set(tmp_path / name, SetContent({"train": [row]}, rejected, [chunk("c", passage.text)], manifest))
        made = prefer(tmp_path / name, "--out", tmp_path / f"{name}-pairs")
        pairs = read_rows(tmp_path / f"{name}-pairs/train.jsonl")
        return made, [(pair["chosen"], pair["rejected"]) for pair in pairs]

    made, pairs = pairs_beside(stepped, "with")
    assert pairs == [(plain.output, wrong), (stepped.output, behind), (stepped.output, cut)]
    assert any(note.startswith("1 pairs are of answers alone") for note in made["notes"])
    made, pairs = pairs_beside(plain, "without")
    assert pairs == [(plain.output, wrong), (plain.output, "It fell.")]
    assert made["without"] == {"no-answer": 1}


def test_what_a_teacher_made_worse_stands_beside_its_original(tmp_path: Path):
    row = ROWS["train"][1]
    item = {"id": row.id, "question": row.instruction, "answer": row.output, "rewritten_question": row.instruction,
            "rewritten_answer": "The revenue was good."}  # fmt: skip
    lost = Rejected(item=item, reason="lost-figure", detail="1 of 1", chunks=row.chunks, request="k")
    same = Rejected(item=item, reason="same-text", detail="", chunks=row.chunks, request="k")
    made = prefer(make_set(tmp_path / "set", [lost, same], {"train": [row]}), "--out", tmp_path / "pairs")
    (pair,) = read_rows(tmp_path / "pairs/train.jsonl")

    assert (pair["chosen"], pair["rejected"]) == (row.output, "The revenue was good.")
    assert (made["with_pair"], made["without"]) == (1, {"not-the-answer": 1})


def test_what_is_only_of_the_quotes_or_the_question_makes_no_answer_worse():
    assert not OF_ANSWER & {"evidence", "unquoted", "not-self-contained", "same-question", "gives-answer-away"}
    assert not OF_ANSWER & {"exact", "near", "answer", "surplus", "joins-splits", "privacy", "contaminated", "schema"}
    assert {"figure", "guess", "cut-sentence"} <= OF_ANSWER <= CHECKS.keys() | OF_ANSWER


ANSWERS = st.sampled_from(["USD 4 million.", "USD 4 million", "USD 6 million.", ROWS["train"][1].output, " "])
QUESTIONS = st.sampled_from([row.instruction for rows in ROWS.values() for row in rows] + ["Who is the auditor?"])
REJECTS = st.builds(
    reject, st.sampled_from(["figure", "near", "unit", "evidence"]), st.sampled_from([*PAGES]), QUESTIONS, ANSWERS
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rejects=st.lists(REJECTS, min_size=1, max_size=12))
def test_nothing_is_lost_and_no_passage_is_in_two_splits(
    tmp_path_factory: pytest.TempPathFactory, rejects: list[Rejected]
):
    folder = make_set(tmp_path_factory.mktemp("any") / "set", rejects)
    try:
        made = fingen.prefer(folder)
    except fingen.ShortfallError:
        return
    assert made.with_pair + sum(made.without.values()) == made.rejects == len(rejects)
    splits = {split: list(read_split(Path(made.set), split)) for split in SPLITS if made.records[split]}
    own = {row.id: (split, row) for split, rows in ROWS.items() for row in rows}
    for split, rows in splits.items():
        for row in rows:
            assert own[row.draws["chosen"]][0] == split
            assert own[row.draws["chosen"]][1].output == row.output != row.rejected
    pairs = [(row.draws["chosen"], row.rejected.strip(". ")) for rows in splits.values() for row in rows]
    assert len(pairs) == len(set(pairs))


# --- what people said -------------------------------------------------------------------------------------------------------


def test_what_a_reviewer_edited_is_a_pair_and_what_he_rejected_is_chosen_nowhere(tmp_path: Path):
    english, other = ROWS["train"][1].instruction, "What was the whole revenue of the company?"
    rows = {
        **ROWS,
        "train": [*ROWS["train"], record(6, "c-3", other, "It was USD 9 million, and the company said so.")],
    }
    folder = make_set(tmp_path / "set", [reject("figure", "c-1", ROWS["train"][0].instruction, "700 万元。")], rows)
    better = "公司 2024 年实现净利润 80 万元，营业收入另见利润表。"
    judge(folder, "test", "qa-4", "edit", edit={"output": better})
    judge(folder, "train", "qa-1", "reject", reason="wording")
    judge(folder, "train", "qa-6", "reject", reason="wrong-figure", note="J. Wu saw 5")
    judge(folder, "train", "qa-2", "edit", edit={"instruction": f"{english} "})
    made = prefer(folder, "--out", tmp_path / "pairs")
    train, test = (read_rows(tmp_path / f"pairs/{split}.jsonl") for split in ("train", "test"))

    assert [(row["chosen"], row["rejected"], row["reason"]) for row in test] == [
        (better, ROWS["test"][0].output, "edited: by reviewer 1")
    ]
    assert [(row["draws"]["chosen"], row["reason"]) for row in train] == [
        ("qa-2", "review-wrong-figure: reviewer 1 saw 5")
    ]
    assert made["edits"] + made["rejects"] == made["with_pair"] + sum(made["without"].values())
    assert made["without"] == {"same-answer": 2, "no-sibling": 1, "not-the-answer": 2}
    assert "Wu" not in (tmp_path / "pairs/rejected.jsonl").read_text(encoding="utf-8")
    judge(folder, "train", "qa-3", "accept")
    assert "--replace" in prefer(folder, "--out", tmp_path / "pairs", code=2)  # other reviews than it was made of


# --- for others -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = {**ROWS, "train": [row.model_copy(update={"system": "Be brief."}) for row in ROWS["train"]]}
    rejects = [reject("figure", "c-3", ROWS["train"][1].instruction, "It was USD 4 million."),
               reject("figure", "c-2", ROWS["test"][0].instruction, "净利润为 8 万元。")]  # fmt: skip
    prefer(make_set(tmp_path / "set", rejects, rows), "--out", tmp_path / "pairs")
    return tmp_path / "pairs"


def export(folder: Path, form: str, out: Path, *more: object) -> dict[str, list[dict[str, Any]]]:
    run("export", folder, "--format", form, "--out", out, *more)
    suffix = next(path.suffix for path in out.glob("train.*") if path.suffix != ".yaml")
    loader = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}[suffix]
    return {split: load_dataset(loader, data_files=str(out / f"{split}{suffix}"), split="train", cache_dir=str(out / "c")).to_list()
            for split in ("train", "test")}  # fmt: skip


def test_the_set_itself_is_loaded_by_its_columns(pairs: Path, tmp_path: Path):
    rows = load_dataset("json", data_files=str(pairs / "train.jsonl"), split="train", cache_dir=str(tmp_path / "c"))
    info = json.loads((pairs / "dataset_info.json").read_text(encoding="utf-8"))

    assert rows.column_names[:4] == ["prompt", "chosen", "rejected", "reason"]
    assert info["pairs"]["ranking"] is True
    assert info["pairs"]["columns"].items() <= {column: column for column in ("chosen", "rejected", "system")}.items() | {
        "prompt": "instruction", "query": "input"
    }.items()  # fmt: skip


def test_llamafactory_gets_ranked_rows_and_a_file_that_learns_them(pairs: Path, tmp_path: Path):
    rows = export(pairs, "llamafactory", tmp_path / "out", "--model", "qwen2.5")
    info = json.loads((tmp_path / "out/dataset_info.json").read_text(encoding="utf-8"))
    yaml = (tmp_path / "out/train.yaml").read_text(encoding="utf-8")

    first = rows["train"][0]
    assert set(info["pairs"]["columns"].values()) == first.keys()
    assert (first["rejected"], first["chosen"], first["system"]) == (
        "It was USD 4 million.",
        ROWS["train"][1].output,
        "Be brief.",
    )
    assert "stage: dpo\n" in yaml
    assert "pref_beta: 0.1\n" in yaml
    assert "learning_rate: 5.0e-06\n" in yaml


@pytest.mark.parametrize(
    ("more", "learning_rate", "source"),
    [
        ((), 5e-6, "objective dpo"),
        (("--learning-rate", "2e-5"), 2e-5, "--learning-rate"),
        (("--recipe", "openfindata-intent"), 1e-4, "recipe openfindata-intent"),
    ],
)
def test_preferences_are_learned_at_a_rate_of_their_own(
    pairs: Path, more: tuple[str, ...], learning_rate: float, source: str
):
    ran = CliRunner().invoke(
        cli.main, ["finetune", "--objective", "dpo", "--set", str(pairs), *more, "--dry-run", "--json"]
    )
    planned = json.loads(ran.stdout)
    assert (planned["settings"]["learning_rate"], planned["sources"]["learning_rate"]) == (learning_rate, source)


def test_trl_gets_messages_and_openai_its_own_names(pairs: Path, tmp_path: Path):
    trl = export(pairs, "trl", tmp_path / "trl")
    openai = export(pairs, "openai", tmp_path / "openai")

    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ROWS["train"][1].instruction}]
    assert trl["train"][0] == {
        "prompt": asked,
        "chosen": [{"role": "assistant", "content": ROWS["train"][1].output}],
        "rejected": [{"role": "assistant", "content": "It was USD 4 million."}],
    }
    assert openai["train"][0]["input"] == {"messages": asked}
    assert openai["train"][0]["non_preferred_output"] == trl["train"][0]["rejected"]
    assert not (tmp_path / "trl/dataset_info.json").exists()
    assert [len(export(pairs, form, tmp_path / form)["train"]) for form in ("alpaca", "csv", "parquet")] == [2, 2, 2]
    for form in ("sharegpt", "chatml"):
        assert (
            "no place for the rejected answers"
            in run("export", pairs, "--format", form, "--out", tmp_path / form, code=2).stderr
        )
