"""`fingen score` asks models, adapters and a baseline itself: what it reads off, what it refuses, what it keeps.

Oracles: one full-logit forward a row and option, the answers of `fingen chat`, counts by hand.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rows import read_rows
from transformers import LlamaForCausalLM

from fingen.adapters import read_adapter
from fingen.cli import main
from fingen.config import Scoring
from fingen.records import Record
from fingen.scoring import local, score
from fingen.scoring.rows import ScoringItem, read_asked
from fingen.scoring.variants import choose_shots, rotations, with_shots
from fingen.sets import read_split
from fingen.training.base import load_base
from fingen.training.template import build_template
from fingen.training.tiny import tiny_config, train_tokenizer
from fingen.training.use import answer, load_adapter

torch.set_num_threads(1)  # the models are too small for two
ADAPTER = Path("build/adapters/intent-base")


def fingen(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def scored(*arguments: object) -> dict[str, Any]:
    """The report of a run that ended well."""
    result = fingen("score", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def predictions(report: dict[str, Any]) -> list[dict[str, Any]]:
    lines = Path(report["folder"], "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of choices, a base model of random weights, and an adapter on both."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fingen("synth", "intent", "--n", 40, "--validation", 6, "--test", 20, "--teacher", "offline", "--quiet")
        rows = list(read_split(Path("build/intent"), "train"))
        tokenizer = train_tokenizer([row.instruction for row in rows] * 5)
        torch.manual_seed(7)
        model = LlamaForCausalLM(tiny_config(tokenizer, hidden=64, layers=2))
        model.model.embed_tokens.weight.data.mul_(20)  # as small as they begin, all letters would be nearly alike
        model.save_pretrained("base")
        tokenizer.save_pretrained("base")
        tuned = fingen("finetune", "--set", "build/intent", "--model", "base", "--epochs", 2, "--learning-rate", 0.03)
        assert tuned.exit_code == 0, tuned.stderr
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one's own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rows() -> list[Record]:
    return list(read_split(Path("build/intent"), "test"))


test_rows.__test__ = False  # type: ignore[attr-defined]  # the rows of the test split, no test


def plainly(row: Record, *, base: bool) -> dict[str, float]:
    """Option -> probability, from a full forward pass over the row alone."""
    tuned = plainly.tuned = getattr(plainly, "tuned", None) or load_adapter(ADAPTER)  # type: ignore[attr-defined]
    template = tuned.template
    ids = template.encode_prompt(template.render(row.instruction, row.input))
    if base:
        with tuned.model.disable_adapter(), torch.no_grad():
            logits = tuned.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    else:
        with torch.no_grad():
            logits = tuned.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double()
    assert row.options is not None
    heads = [template.tokenizer.encode(key, add_special_tokens=False)[0] for key in row.options]
    shares = logits[heads].softmax(-1).tolist()
    return dict(zip(row.options.values(), shares, strict=True))


def test_an_adapter_is_asked_on_its_set_beside_its_base(here: Path):
    result = fingen("score", ADAPTER)
    report = json.loads(Path("build/scores/intent-base/score.json").read_text(encoding="utf-8"))
    rows = predictions({"folder": "build/scores/intent-base"})

    assert result.exit_code == 0, result.stderr
    assert "build/intent: its test split is scored, 20 rows" in result.stderr
    assert [(one["subject"], one["kind"], one["method"]) for one in report["scores"]] == [
        ("base", "base", "letters"), ("base (generated)", "base", "generate"), ("intent-base", "adapter", "letters")
    ]  # fmt: skip
    assert report["sources"]["intent test"]["same_teacher"] == "offline"
    assert "synthetic, same teacher (offline)" in result.stdout
    found = {(row["subject"], row["id"]): row for row in rows}
    for record in test_rows():
        for subject in ("base", "intent-base"):
            row, plain = found[subject, record.id], plainly(record, base=subject == "base")
            assert row["probabilities"] == pytest.approx(plain, abs=1e-5)
            assert row["value"] == max(plain, key=plain.__getitem__)
            assert row["correct"] == (row["value"] == record.label)
            assert row["text"] == record.instruction
    assert found["base", rows[0]["id"]]["probabilities"] != found["intent-base", rows[0]["id"]]["probabilities"]
    assert len({row["answer"] for row in rows}) > 1
    for one in report["scores"]:
        right = sum(row["correct"] for row in rows if row["subject"] == one["subject"])
        assert one["choices"]["accuracy"]["value"] == right / 20
    assert [(pair["first"], pair["second"], pair["rows"]) for pair in report["pairs"]] == [
        ("base", "base (generated)", 20), ("base", "intent-base", 20), ("base (generated)", "intent-base", 20)
    ]  # fmt: skip


def test_scores_go_into_the_card_and_the_adapter_stays_whole(here: Path):
    report = scored(ADAPTER)
    manifest = read_adapter(ADAPTER)  # refuses what was changed
    card = (ADAPTER / "README.md").read_text(encoding="utf-8")

    told = {(score["subject"], score["generated"]): score for score in manifest["scores"]}
    for one in report["scores"]:
        own = told[one["kind"], one["method"] == "generate"]
        assert own["accuracy"] == one["choices"]["accuracy"]
        assert own["macro_f1"] == one["choices"]["macro_f1"]
        assert own["rows"] == 20
        assert own["majority"]["accuracy"] == one["choices"]["majority"]["accuracy"]
    assert told["adapter", False]["on"] == "intent test"
    (line,) = (line for line in card.splitlines() if line.startswith("| intent test | majority class: "))
    assert f"| 20 | {report['scores'][0]['choices']['majority']['accuracy']['value']:.3f} (" in line
    assert "synthetic, same teacher" in card
    before = Path(report["folder"], "score.json").read_bytes()
    scored(ADAPTER)  # the same run: it replaces itself, and the card has one line for it
    assert Path(report["folder"], "score.json").read_bytes() == before
    assert len(read_adapter(ADAPTER)["scores"]) == 3


def test_the_rows_are_the_validation_split_where_there_is_no_test(here: Path):
    asked = fingen(
        "synth", "intent", "--n", 12, "--validation", 6, "--teacher", "offline", "--out", "build/small", "--quiet"
    )
    assert asked.exit_code == 0
    result = fingen("score", "--model", "base", "--set", "build/small")

    assert result.exit_code == 0, result.stderr
    assert "its validation split is scored, 6 rows: the set has no test split" in result.stderr
    assert Path("build/scores/base-on-small-validation/score.json").is_file()
    named = scored("--model", "base", "--set", "build/intent", "--split", "train")
    assert (list(named["sources"]), named["scores"][0]["rows"]) == (["intent train"], 40)


def test_a_model_that_is_the_base_is_asked_once(here: Path):
    report = scored(ADAPTER, "--model", "base")
    alone = scored(ADAPTER, "--no-base", "--out", "build/scores/alone")

    assert [(one["subject"], one["kind"]) for one in report["scores"]] == [
        ("base", "model"),
        ("base (generated)", "base"),
        ("intent-base", "adapter"),
    ]
    assert [one["kind"] for one in alone["scores"]] == ["adapter"]
    assert [row["probabilities"] for row in predictions(report)][40:] == [
        row["probabilities"] for row in predictions(alone)
    ]
    assert {score["subject"] for score in read_adapter(ADAPTER)["scores"]} == {"adapter", "base"}


def test_a_baseline_on_a_benchmark_learns_what_the_adapter_did(here: Path):
    rows = read_rows(Path("build/intent/test.jsonl"))
    file = here / "openfindata.json"
    asked = [{"id": r["id"], "question": r["instruction"], **r["options"], "answer": r["output"]} for r in rows]
    file.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    report = scored(ADAPTER, "--baseline", "--no-base", "--benchmark", "openfindata", "--data", file)
    other = [{"id": "a", "question": "?", "A": "up", "B": "down", "answer": "A"}]
    file.write_text(json.dumps(other), encoding="utf-8")
    apart = fingen("score", ADAPTER, "--baseline", "--benchmark", "openfindata", "--data", file, "--replace")

    assert [one["subject"] for one in report["scores"]] == ["linear baseline", "intent-base"]
    assert report["scores"][0]["details"]["trained_on"]["rows"] == 40
    assert {row["value"] for row in predictions(report)[:20]} > {rows[0]["label"]}
    assert report["folder"] == "build/scores/intent-base-on-openfindata"
    assert apart.exit_code == 2
    assert "none of the classes of the training rows is an option of openfindata" in apart.stderr


def test_two_adapters_share_their_base(here: Path):
    shutil.copytree(ADAPTER, "build/adapters/other")
    report = scored(ADAPTER, "build/adapters/other")

    assert [one["subject"] for one in report["scores"]] == ["base", "base (generated)", "intent-base", "other"]
    assert [(pair["first"], pair["second"]) for pair in report["pairs"] if "base (generated)" not in pair.values()] == [
        ("base", "intent-base"), ("base", "other"), ("intent-base", "other")
    ]  # fmt: skip
    assert report["pairs"][-1]["p"] == 1
    shutil.copytree(ADAPTER, "elsewhere/intent-base")
    clash = fingen("score", ADAPTER, "elsewhere/intent-base", "--no-base")
    assert clash.exit_code == 2
    assert "two subjects are called intent-base" in clash.stderr


# What does not fit is refused


def test_an_adapter_that_does_not_fit_is_refused(here: Path):
    def refusal(*arguments: object) -> str:
        result = fingen("score", ADAPTER, *arguments)
        assert result.exit_code == 2, result.stdout
        assert "->" in result.stderr
        assert not Path("build/scores/intent-base/score.json").exists()
        return result.stderr

    assert "it was tuned with the form chat, not fingpt" in refusal("--form", "fingpt")
    shutil.copytree("base", "another")
    assert "it was tuned on base, not on another" in refusal("--base", "another")
    config = Path("base/chat_template.jinja")
    whole = config.read_text(encoding="utf-8")
    config.write_text(whole.replace("<|end|>", "<|end|> "), encoding="utf-8")
    assert "base is no longer the base that it was tuned on" in refusal()
    config.write_text(whole, encoding="utf-8")
    own = ADAPTER / "chat_template.jinja"
    own.write_text(whole.replace("<|end|>", "<|end|> "), encoding="utf-8")
    assert "its template or tokenizer is not the one that it was trained with" in refusal()
    own.write_text(whole, encoding="utf-8")
    weights = Path("base/model.safetensors")
    stored = weights.read_bytes()
    weights.write_bytes(stored[:-4] + bytes(4))  # the last weight
    assert "its weights are others" in refusal()
    weights.write_bytes(stored)
    assert fingen("score", ADAPTER).exit_code == 0


def test_a_set_that_is_not_the_one_of_the_adapter_is_refused(here: Path):
    again = (
        "synth",
        "intent",
        "--n",
        30,
        "--validation",
        6,
        "--test",
        12,
        "--teacher",
        "offline",
        "--replace",
        "--quiet",
    )
    assert fingen(*again).exit_code == 0
    changed = fingen("score", ADAPTER)
    shutil.move("build/intent", "build/moved")
    gone = fingen("score", ADAPTER)

    assert (changed.exit_code, gone.exit_code) == (2, 2)
    assert "build/intent is not as it was when the adapter was tuned on it" in changed.stderr
    assert "the set that it was tuned on is not in build/intent" in gone.stderr
    insisted = fingen("score", ADAPTER, "--set", "build/moved")
    assert insisted.exit_code == 0
    assert "was tuned on another state of build/moved: its rows may have been trained on" in insisted.stderr


def test_rows_of_another_set_that_the_same_teacher_wrote_are_labelled_too(here: Path):
    other = (
        "synth",
        "intent",
        "--n",
        1,
        "--validation",
        0,
        "--test",
        20,
        "--seed",
        5,
        "--teacher",
        "offline",
        "--quiet",
    )
    assert fingen(*other, "--out", "build/other").exit_code == 0
    rows = read_rows(Path("build/other/test.jsonl"))
    assert (
        fingen("import", "alpaca", write(here / "o.jsonl", rows), "--split", "test", "--out", "build/far").exit_code
        == 0
    )
    theirs = scored("--model", "base", "--set", "build/far")["sources"]["far test"]
    assert (theirs["same_teacher"], theirs["kind"]) == (None, "set")  # nobody here was trained on what it wrote
    assert scored(ADAPTER, "--set", "build/far")["sources"]["far test"]["same_teacher"] == "offline"


def test_weights_that_are_no_numbers_are_refused(here: Path):
    model = LlamaForCausalLM.from_pretrained("base")
    model.model.norm.weight.data[0] = math.nan
    model.save_pretrained("base")
    result = fingen("score", "--model", "base", "--set", "build/intent")

    assert result.exit_code == 2
    assert "logits are no numbers (NaN)" in result.stderr


def test_nobody_and_nothing_to_score_on_are_refused(here: Path):
    for arguments, message in (
        ((), "nobody to score"),
        (("--model", "base"), "nothing says on which rows"),
        (("build/adapters/none",), "no such adapter"),
        (("base", "--form", "chat", "--set", "build/intent"), "no adapter: it has neither"),
        (("--model", "tiny", "--set", "build/intent"), "it is made from a set, by"),
        (("--model", "base", "--gold", "build/intent"), "--gold goes with --predictions"),
        (("--model", "base", "--set", "build/intent", "--shots", "41"), "there are 40 training rows"),
        (
            ("--model", "base", "--set", "build/intent/test.jsonl", "--split", "train"),
            "it is the test split, not train",
        ),
        (("--model", "base", "--set", "base/config.json", "--split", "train"), "a file has no splits"),
        (("--teacher", "offline", "--set", "build/intent"), "answers no questions"),
        (("--model", "base", "--benchmark", "mmlu"), "no such benchmark"),
        (("--model", "base", "--benchmark", "fpb"), "there is no copy that can be fetched"),
        (("--model", "base", "--benchmark", "fpb", "--data", "a", "--data", "b"), "--data is there 2 times"),
    ):
        result = fingen("score", *arguments)
        assert (result.exit_code, message in result.stderr) == (2, True), (arguments, result.stderr)
        assert "->" in result.stderr
    bare = write(here / "bare.jsonl", [{"id": "a", "gold": "A"}, {"id": "b", "gold": "B"}])
    assert "row 1 has no question to ask" in fingen("score", "--model", "base", "--set", bare).stderr
    assert not Path("build/scores").exists()


def test_without_torch_it_says_what_to_install(here: Path):
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom fingen.cli import main\n"
        f"main(['score', {str(ADAPTER)!r}], prog_name='fingen')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert run.returncode == 2
    assert "-m pip install" in run.stderr
    assert "[train]" in run.stderr


# Adapters of others


def test_an_adapter_of_others_needs_its_form_and_is_then_asked_alike(here: Path):
    ours = predictions(scored(ADAPTER))
    for name in ("fingen.json", "README.md", "chat_template.jinja"):
        (ADAPTER / name).unlink()
    unsaid = fingen("score", ADAPTER, "--set", "build/intent", "--out", "build/scores/theirs")
    elsewhere = fingen("score", ADAPTER, "--set", "build/intent", "--form", "chat", "--out", "build/scores/theirs")
    named = ("--set", "build/intent", "--base", "base")
    theirs = scored(ADAPTER, *named, "--form", "chat", "--out", "build/scores/theirs")

    assert elsewhere.exit_code == 2
    assert "its base model is no id on the Hub: base" in elsewhere.stderr
    assert unsaid.exit_code == 2
    assert "pass --form fingpt" in unsaid.stderr
    assert [(one["subject"], one["kind"]) for one in theirs["scores"]] == [
        ("base", "base"), ("base (generated)", "base"), ("intent-base", "adapter")
    ]  # fmt: skip
    assert [row["probabilities"] for row in predictions(theirs)] == [row["probabilities"] for row in ours]
    fingpt = scored(ADAPTER, *named, "--form", "fingpt", "--out", "build/scores/fingpt")
    assert [row["probabilities"] for row in predictions(fingpt)] != [row["probabilities"] for row in ours]
    config = json.loads((ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
    (ADAPTER / "adapter_config.json").write_text(json.dumps({**config, "r": 3}), encoding="utf-8")
    broken = fingen("score", ADAPTER, *named, "--form", "chat", "--out", "build/scores/broken")
    assert broken.exit_code == 2
    assert "cannot be loaded on its base" in broken.stderr


# Ways of asking


def test_generated_answers_are_those_of_chat(here: Path):
    report = scored(ADAPTER, "--generate", "--max-tokens", 6)
    tuned = load_adapter(ADAPTER)

    assert {one["method"] for one in report["scores"]} == {"generate"}
    answers = {(row["subject"], row["id"]): row["answer"] for row in predictions(report)}
    for record in test_rows():
        for subject in ("base", "intent-base"):
            said = answer(tuned, record.instruction, record.input, base=subject == "base", max_tokens=6)
            assert answers[subject, record.id] == said.strip()
    assert all(row["probabilities"] is None for row in predictions(report))


def test_a_base_whose_options_are_read_off_is_asked_to_write_too(here: Path):
    """What it would never write may still be the likeliest of the options: the base of random weights writes no letter."""
    report = scored(ADAPTER, "--max-tokens", 6)
    by_letters, written, _ = report["scores"]
    answers = {row["id"]: row for row in predictions(report) if row["subject"] == "base (generated)"}
    tuned = load_adapter(ADAPTER)

    assert (written["kind"], written["method"], written["details"]) == ("base", "generate", by_letters["details"])
    for record in test_rows():
        said = answer(tuned, record.instruction, record.input, base=True, max_tokens=6)
        assert answers[record.id]["answer"] == said.strip()
    cut = sum(row["cut"] for row in answers.values())
    assert (by_letters["cut"], written["cut"]) == (0, cut)
    assert cut > 0
    card = Path(report["folder"], "README.md").read_text(encoding="utf-8")
    assert f"{cut} answers were cut off at the limit of tokens: give them more with --max-tokens" in card
    assert "| base (generated) | intent test" in card
    assert "its base base (generated)" in Path(report["folder"], "report.html").read_text(encoding="utf-8")
    told = [line for line in (ADAPTER / "README.md").read_text(encoding="utf-8").splitlines() if "| base |" in line]
    assert [", generated |" in line for line in told] == [False, True]


def test_a_base_that_writes_anyway_is_asked_once(here: Path):
    rows = [{"id": f"t{n}", "instruction": f"Why {n}?", "gold": "Because revenue rose. " * 5} for n in range(3)]
    file = write(here / "texts.jsonl", rows)
    for arguments in (("--generate",), ("--set", file, "--no-base"), ("--set", file)):
        names = [one["subject"] for one in scored(ADAPTER, *arguments, "--max-tokens", 3, "--replace")["scores"]]
        assert names == (["intent-base"] if "--no-base" in arguments else ["base", "intent-base"])
    report = scored(ADAPTER, "--set", file, "--max-tokens", 3, "--replace")
    assert [one["cut"] for one in report["scores"]] == [
        sum(row["cut"] for row in predictions(report) if row["subject"] == one["subject"]) for one in report["scores"]
    ]
    assert report["scores"][0]["cut"] == 3


def test_rotations_ask_each_option_at_each_place(here: Path):
    report = scored(ADAPTER, "--rotate", "--no-base")
    (one,), rows = report["scores"], predictions(report)
    plain = predictions(scored(ADAPTER, "--no-base", "--out", "build/scores/plain"))

    for row, other in zip(rows, plain, strict=True):
        assert row.pop("probabilities") == pytest.approx(other.pop("probabilities"), abs=1e-5)
        assert {**row, "rotated": None} == other
    assert all(len(row["rotated"]) == 5 for row in rows)
    letters = Counter(letter for row in rows for letter in row["rotated"])
    assert one["rotation"]["picked"] == pytest.approx({letter: letters[letter] / 100 for letter in "ABCDE"})
    assert one["rotation"]["right"] == pytest.approx(dict.fromkeys("ABCDE", 0.2))  # each option stood at each place
    record = test_rows()[0]
    assert record.options is not None
    names = list(record.options.values())
    for turn, letter in enumerate(rows[0]["rotated"]):
        moved = dict(zip("ABCDE", names[turn:] + names[:turn], strict=True))
        asked = record.instruction.replace(
            "\n".join(f"{key}. {name}" for key, name in record.options.items()),
            "\n".join(f"{key}. {name}" for key, name in moved.items()),
        )
        shares = plainly(record.model_copy(update={"instruction": asked, "options": moved}), base=False)
        assert moved[letter] == max(shares, key=shares.__getitem__)


NAMES = st.lists(st.text("abcdefgh问询", min_size=1, max_size=5), min_size=2, max_size=6, unique=True)


@given(NAMES, st.data(), st.booleans())
def test_a_rotation_keeps_the_question_and_what_is_right(names: list[str], data: st.DataObject, lettered: bool):
    right = data.draw(st.sampled_from(names))
    options = dict(zip("ABCDEF", names, strict=False)) if lettered else {name: name for name in sorted(names)}
    listed = "\n".join(f"{k}. {n}" for k, n in options.items()) if lettered else "{" + "/".join(names) + "}"
    key = next(key for key, name in options.items() if name == right)
    item = ScoringItem("i", 1, options, key, f"Which? \n{listed}\nAnswer.")
    turned = rotations(item)

    assert (turned[0].instruction, turned[0].right, turned[0].turn) == (item.instruction, item.right, 0)
    assert len(turned) == len(names)
    for one in turned:
        assert one.name(one.right) == right
        assert sorted(one.instruction) == sorted(item.instruction)
        assert sorted(one.options.values()) == sorted(names)
    places = [list(one.options).index(one.right) for one in turned]
    assert sorted(places) == list(range(len(names)))


def test_examples_are_of_all_classes_and_stand_before_the_question(here: Path):
    bare = [row["probabilities"] for row in predictions(scored("--model", "base", "--set", "build/intent"))]
    shown = None
    for seed in (0, 0, 1):
        report = scored("--model", "base", "--set", "build/intent", "--shots", 5, "--seed", seed, "--replace")
        assert report["scores"][0]["shots"] == 5
        rows = [row["probabilities"] for row in predictions(report)]
        assert shown is None or (rows == shown) == (seed == 0)  # the seed chooses, and nothing else does
        shown = rows
    assert shown != bare


@pytest.mark.parametrize("form", ["chat", "fingpt"])
def test_examples_are_put_as_the_question_is(form: str, here: Path):
    report = scored("--model", "base", "--set", "build/intent", "--shots", 2, "--form", form)
    loaded = load_base("base", "fp32")
    template = build_template(loaded.tokenizer, form)
    shots = choose_shots(read_asked(Path("build/intent"), examples=True).examples, 2, 0)

    for record, row in zip(test_rows()[:5], predictions(report), strict=False):
        if form == "fingpt":
            shown = "".join(f"Instruction: {shot.instruction}\nAnswer: {shot.right}\n\n" for shot in shots)
            ids = template.encode_prompt(f"{shown}Instruction: {record.instruction}\nAnswer: ")
        else:
            shown = "".join(f"{shot.instruction}\n{shot.right}\n\n" for shot in shots)
            ids = template.encode_prompt(template.render(shown + record.instruction))
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        assert record.options is not None
        heads = [template.tokenizer.encode(key, add_special_tokens=False)[0] for key in record.options]
        shares = dict(zip(record.options.values(), logits[heads].softmax(-1).tolist(), strict=True))
        assert row["probabilities"] == pytest.approx(shares, abs=1e-5)


@given(st.integers(0, 12), st.integers(0, 5), st.lists(st.sampled_from("ABC"), min_size=12, max_size=30))
def test_shots_are_balanced_and_chosen_by_the_seed(count: int, seed: int, classes: list[str]):
    options = {"A": "a", "B": "b", "C": "c"}
    rows = [ScoringItem(f"r{number}", number, options, right, f"q{number}") for number, right in enumerate(classes)]
    shots = choose_shots(rows, count, seed)

    assert len({shot.id for shot in shots}) == count
    assert choose_shots(reversed(rows), count, seed) == shots
    got, there = Counter(shot.right for shot in shots), Counter(classes)
    for one in there:
        for other in there:
            assert got[one] <= got[other] + 1 or got[other] == there[other]
    asked = with_shots(ScoringItem("x", 1, options, "A", "Q?"), shots)
    assert asked.instruction == "\n\n".join([*(f"{shot.instruction}\n{shot.right}" for shot in shots), "Q?"])


def test_labels_that_begin_alike_are_told_apart_by_all_their_tokens(here: Path):
    names = ["mildly positive", "mildly negative", "neutral"]
    ask = "What is the sentiment? Please choose an answer from {" + "/".join(names) + "}."
    rows = [{"id": f"s{n}", "instruction": ask, "input": f"News {n}.", "gold": names[n % 3]} for n in range(6)]
    report = scored("--model", "base", "--set", write(here / "mood.jsonl", rows))
    tuned = load_adapter(ADAPTER)
    template = tuned.template
    options = {name: template.encode_answer(name) for name in sorted(names)}

    assert options["mildly positive"][0] == options["mildly negative"][0]
    for row, got in zip(rows, predictions(report), strict=True):
        prompt, logs = template.encode_prompt(template.render(row["instruction"], row["input"])), {}
        for name, ids in options.items():
            with tuned.model.disable_adapter(), torch.no_grad():
                told = tuned.model(input_ids=torch.tensor([[*prompt, *ids]])).logits[0].double().log_softmax(-1)
            logs[name] = sum(float(told[len(prompt) - 1 + place, id]) for place, id in enumerate(ids))
        total = sum(math.exp(log) for log in logs.values())
        assert got["probabilities"] == pytest.approx(
            {name: math.exp(log) / total for name, log in logs.items()}, abs=1e-5
        )


def test_a_question_that_the_model_cannot_be_given_counts_as_wrong(here: Path):
    rows = [
        {"id": "a", "instruction": "Say A or B <|assistant|>B", "options": {"A": "x", "B": "y"}, "gold": "A"},
        {"id": "b", "instruction": "Say A or B", "options": {"A": "x", "B": "y"}, "gold": "B"},
        {"id": "c", "instruction": "word " * 5000, "options": {"A": "x", "B": "y"}, "gold": "B"},
    ]
    report = scored("--model", "base", "--set", write(here / "odd.jsonl", rows))
    choices = report["scores"][0]["choices"]

    assert choices["unparseable"] == 2
    control, long = choices["unparseable_why"]
    assert control == "the question holds <|assistant|>, a control token of the model"
    assert long.endswith("the model reads 4,096")


def test_what_was_answered_is_kept_when_a_run_is_stopped(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local, "SLAB", {"letters": 6, "generate": 32})
    monkeypatch.setattr(local, "SAY_SECONDS", 0)
    settings = Scoring(adapters=(str(ADAPTER),))
    said: list[str] = []

    def stop(event: Any) -> None:
        said.append(event.text)
        if event.text == "intent-base on intent test: 12 of 20":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(settings, on_event=stop)
    assert not Path("build/scores/intent-base/score.json").exists()
    held = sorted(Path("build/scores/intent-base/.answers").iterdir(), key=lambda path: path.stat().st_size)
    with held[-1].open("a", encoding="utf-8") as file:
        file.write('{"id": "cut')  # as a kill would leave it
    said.clear()
    resumed = score(settings, on_event=lambda event: said.append(event.text))

    assert said[1:] == [f"intent-base on intent test: {done} of 8" for done in (6, 8)]
    assert not Path("build/scores/intent-base/.answers").exists()
    whole = score(Scoring(adapters=(str(ADAPTER),), out=Path("build/scores/whole")))
    assert resumed.report.scores == whole.report.scores
