"""`fingen score --classifier`: encoders with a head of classes, from a folder with safetensors, beside everybody else.

Oracle: transformers' own pipeline, one text after the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from classifiers import CLASSES, make_classifier, sentences
from hypothesis import given
from hypothesis import strategies as st
from small_models import make_base, run
from transformers import BertForSequenceClassification, pipeline

from fingen.errors import UsageError
from fingen.scoring.classifier import find_columns
from fingen.training.base import quiet

torch.set_num_threads(1)  # the models are too small for two
QUESTION = "What is the sentiment of this news? Please choose an answer from {negative/neutral/positive}"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_rows(path: Path, rows: Sequence[tuple[str, str]], **columns: object) -> Path:
    lines = [
        {"id": f"s{number}", "instruction": QUESTION, "input": text, "gold": label,
         "options": {name: name for name in sorted(CLASSES)}, **columns} for number, (text, label) in enumerate(rows)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def scored(*arguments: object, code: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A score's report and its predictions."""
    report = json.loads(run("score", *arguments, "--json", code=code).stdout)
    lines = Path(report["folder"], "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return report, [json.loads(line) for line in lines]


def test_a_classifier_gives_what_transformers_pipeline_gives(tmp_path: Path):
    rows = list(sentences(40, seed=2))
    folder = make_classifier(tmp_path / "FinBERT", steps=60)
    report, found = scored("--classifier", folder, "--set", write_rows(tmp_path / "rows.jsonl", rows))

    with quiet():
        plain = pipeline("text-classification", str(folder), top_k=None)
    right = 0
    for row, (text, label) in zip(found, rows, strict=True):
        shares = {one["label"]: one["score"] for one in plain(text)[0]}  # type: ignore[index,union-attr]  # of all its tasks it is annotated for
        assert row["probabilities"] == pytest.approx(shares, abs=1e-5)
        assert row["value"] == max(shares, key=shares.__getitem__)
        assert row["correct"] == (row["value"] == label)
        right += row["value"] == label
    (score,) = report["scores"]
    assert (score["subject"], score["kind"], score["method"]) == ("FinBERT", "classifier", "letters")
    assert score["choices"]["accuracy"]["value"] == right / 40 > 0.9
    assert score["details"]["classes"] == [*CLASSES]
    assert score["details"]["weights"].keys() == {"model.safetensors"}
    assert "FinBERT: a classifier; its classes are positive, negative, neutral" in Path(
        report["folder"], "README.md"
    ).read_text(encoding="utf-8")
    assert '<span class="note">classifier</span>' in Path(report["folder"], "report.html").read_text(encoding="utf-8")


def test_names_cut_short_and_lettered_options_are_the_same_classes(tmp_path: Path):
    rows = list(sentences(12, seed=4))
    whole, short = (
        make_classifier(tmp_path / "whole", steps=5),
        make_classifier(tmp_path / "short", ("POS", "NEG", "NEU"), steps=5),
    )
    named = write_rows(tmp_path / "named.jsonl", rows)
    lettered = [
        {"id": f"s{number}", "question": "", "options": {"A": "Positive", "B": "Neutral", "C": "Negative"},
         "gold": label.title(), "instruction": text} for number, (text, label) in enumerate(rows)
    ]  # fmt: skip
    letters = tmp_path / "letters.jsonl"
    letters.write_text("".join(json.dumps(line) + "\n" for line in lettered))

    report, found = scored("--classifier", whole, "--classifier", short, "--set", named)
    _, of_letters = scored("--classifier", short, "--set", letters, "--rotate")

    assert [one["subject"] for one in report["scores"]] == ["whole", "short"]
    by_subject = [[row["value"] for row in found if row["subject"] == name] for name in ("whole", "short")]
    assert by_subject[0] == by_subject[1] == [row["value"].lower() for row in of_letters]
    assert all(row["rotated"] is None for row in of_letters)  # it does not see where an option stands


@pytest.mark.parametrize("roberta", [False, True])
def test_a_text_that_is_too_long_is_named_and_never_cut(tmp_path: Path, roberta: bool):
    """14 words and two controls are 16 tokens; RoBERTa's positions begin behind that of padding."""
    folder = make_classifier(tmp_path / "model", roberta=roberta)
    rows = [("the " * 14, "neutral"), ("the " * 15, "neutral")]
    _, found = scored("--classifier", folder, "--set", write_rows(tmp_path / "rows.jsonl", rows))

    assert found[0]["value"] in CLASSES
    assert found[1]["value"] is None
    assert found[1]["why"] == "the text has 17 tokens, the model reads 16"


def test_what_cannot_be_a_subject_is_refused_with_the_reason(tmp_path: Path):
    rows = write_rows(tmp_path / "rows.jsonl", list(sentences(6, seed=5)))

    def said(classifier: object, on: Path = rows) -> str:
        return " ".join(run("score", "--classifier", classifier, "--set", on, code=2).stderr.split())

    unnamed = said(make_classifier(tmp_path / "unnamed", ("LABEL_0", "LABEL_1", "LABEL_2")))
    assert "unnamed on rows.jsonl: nothing says what its classes are" in unnamed
    assert "LABEL_0, LABEL_1, LABEL_2; the options negative, neutral, positive" in unnamed
    assert "id2label" in unnamed
    others = said(make_classifier(tmp_path / "others", ("joy", "anger", "neutral")))
    assert "the option negative is none of its classes: its classes are joy, anger, neutral" in others
    assert "no safetensors" in said(make_classifier(tmp_path / "pickled", safe=False))
    assert "weights are missing: score.weight" in said(make_base(tmp_path / "decoder", ["profit rose"]))
    assert "no such folder, and no hub id" in said("nowhere")
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({"id": "t", "instruction": "Why?", "gold": "Because of " + "costs " * 20}) + "\n")
    assert "--classifier: texts.jsonl is free text" in said(tmp_path / "others", texts)
    damaged = make_classifier(tmp_path / "damaged")
    model = BertForSequenceClassification.from_pretrained(damaged)
    model.classifier.weight.data.fill_(float("nan"))
    model.save_pretrained(damaged)
    assert "no numbers (NaN)" in said(damaged)


def test_code_of_a_classifier_is_never_run(tmp_path: Path):
    folder = make_classifier(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"auto_map": {"AutoModelForSequenceClassification": "own.Own", "AutoConfig": "own.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own"}))
    (folder / "own.py").write_text("open('ran', 'w')\n")
    rows = write_rows(tmp_path / "rows.jsonl", list(sentences(3, seed=6)))

    result = run("score", "--classifier", folder, "--set", rows, code=2)

    assert "Python code of its own" in result.stderr
    assert not Path("ran").exists()
    run("score", "--classifier", folder, "--set", rows, "--trust-remote-code", code=2)
    assert not Path("ran").exists()


def test_a_run_that_broke_off_asks_only_what_is_missing(tmp_path: Path):
    """The second classifier is refused; what the first has answered is kept, and the score is as if nothing had happened."""
    rows = write_rows(tmp_path / "rows.jsonl", list(sentences(9, seed=7)))
    first, second = make_classifier(tmp_path / "first"), make_classifier(tmp_path / "second", ("a", "b", "c"))
    arguments = ("--classifier", first, "--classifier", second, "--set", rows, "--out", "score")
    run("score", *arguments, code=2)
    assert sum(len(kept.read_text().splitlines()) for kept in Path("score").rglob("*.jsonl")) == 9

    make_classifier(second)
    _, found = scored(*arguments)

    assert len(found) == 18


@given(st.permutations(CLASSES), st.data())
def test_classes_are_found_in_any_order_case_and_length(order: list[str], data: st.DataObject):
    def written(name: str) -> str:
        cut = name[: data.draw(st.integers(3, len(name)))]
        return "".join(data.draw(st.sampled_from((char.upper(), char.lower()))) for char in cut)

    labels = [written(name) for name in order]
    found = find_columns(labels, CLASSES, "here")

    assert [order[found[name]] for name in CLASSES] == [*CLASSES]


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (("positive", "negative"), CLASSES),
        (("positive", "positive", "neutral"), ("positive", "neutral")),
        (("ne", "positive"), ("negative", "positive")),
        (("neg", "positive"), ("negative", "negated", "positive")),
        (("Label_0", "LABEL_1"), ("no", "yes")),
    ],
)
def test_classes_that_could_be_mistaken_are_refused(labels: Sequence[str], options: Sequence[str]):
    with pytest.raises(UsageError) as refused:
        find_columns(labels, options, "here")
    assert ", ".join(labels) in str(refused.value)
    assert ", ".join(options) in str(refused.value)
