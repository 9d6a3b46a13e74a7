"""Sentiment data in FinGPT's form: the prompt, the labels, and how scores and other names are turned into them.

The wording of the prompt, the thresholds and the folding are those of FinGPT's benchmark code (github.com/
AI4Finance-Foundation/FinGPT, fingpt/FinGPT_Benchmark/benchmarks: fpb.py, fiqa.py, tfns.py, nwgi.py), so that scores compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fingen.imports.base import UNKNOWN, ImportSource, Options, make_record
from fingen.records import Record
from fingen.rows import Raw, read_each, read_text

LABELS = ("negative", "neutral", "positive")
NEWS, TWEET = "news", "tweet"  # what FinGPT's prompt calls the text
POSITIVE_FROM, NEGATIVE_BELOW = 0.1, -0.1  # scores from -1 to 1: in between is neutral
TFNS_LABELS = {"0": "negative", "1": "positive", "2": "neutral"}  # bearish, bullish, neutral
NWGI_LABELS = {
    "strong negative": "negative",
    "moderately negative": "negative",
    "mildly negative": "neutral",
    "neutral": "neutral",
    "mildly positive": "neutral",
    "moderately positive": "positive",
    "strong positive": "positive",
}
REASONS = ("out", "reasons", "reason")  # what the column is called


def ask(kind: str, labels: Sequence[str] = LABELS, *, reasons: bool = False) -> str:
    """FinGPT's instruction."""
    then = ", then provide some short reasons" if reasons else ""
    return f"What is the sentiment of this {kind}? Please choose an answer from {{{'/'.join(labels)}}}{then}."


def label_of(score: float) -> str:
    """The label of a score from -1 to 1."""
    return "negative" if score < NEGATIVE_BELOW else "positive" if score >= POSITIVE_FROM else "neutral"


def _labelled(kind: str, text: str, label: str, *, teacher: str, **more: Any) -> Record:
    return make_record(
        instruction=ask(kind), input=text, output=label, task="sentiment", label=label, teacher=teacher, **more
    )


def _read_fpb(path: Path) -> Iterator[Raw]:
    """Lines of `sentence@label`; the files are Latin-1 as they were published, copies of them are UTF-8."""
    for number, line in enumerate(read_text(path, fallback="latin-1").split("\n"), 1):
        if line := line.rstrip("\r"):
            sentence, mark, label = line.rpartition("@")
            damage = "" if mark else "no @ between a sentence and its label"
            yield Raw(str(path), number, number, {"sentence": sentence, "label": label.strip()}, damage=damage)


def _build_fpb(raw: Raw, options: Options) -> Record:
    label = raw.text("label")
    if label not in LABELS:
        raw.fail(f"label {label!r} is none of {', '.join(LABELS)}")
    return _labelled(NEWS, raw.text("sentence"), label, teacher="human")


def _split_fpb(rows: int) -> list[str]:
    """FinGPT's split; the generator is that of `datasets`, so its own function is asked."""
    if rows < 2:
        return ["train"] * rows
    from datasets import Dataset  # type: ignore[import-untyped]  # it ships no types; slow to import, so only here

    test = set(Dataset.from_dict({"row": range(rows)}).train_test_split(test_size=0.25, seed=42)["test"]["row"])
    return ["test" if row in test else "train" for row in range(rows)]


def _read_fiqa(path: Path) -> Iterator[Raw]:
    """Posts are an object of rows by their ids, headlines of SemEval are a list, both published as .json."""
    keyed = path.suffix.lower() == ".json" and read_text(path).lstrip().startswith("{")
    return read_each(path, keyed=keyed)


def _build_fiqa(raw: Raw, options: Options) -> Record:
    values = raw.values
    if "info" in values:  # one score for each company that is spoken of
        infos = values["info"]
        if not isinstance(infos, list) or not infos or not all(isinstance(info, dict) for info in infos):
            raw.fail("'info' is no list of scores")
        text, scores = raw.text("sentence"), [_score(raw, info.get("sentiment_score")) for info in infos]
        kind = NEWS if "headline" in Path(raw.file).name.lower() else TWEET
    elif "title" in values:
        text, scores, kind = raw.text("title"), [_score(raw, values.get("sentiment"))], NEWS
    else:
        text, scores = raw.text("sentence"), [_score(raw, values.get("sentiment_score"))]
        kind = TWEET if values.get("format") == "post" else NEWS
    score = math.fsum(scores) / len(scores)
    return _labelled(kind, text, label_of(score), teacher="human", scores={"sentiment": score})


def _score(raw: Raw, value: Any) -> float:
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not -1 <= score <= 1:
        raw.fail(f"sentiment score {value!r} is no number from -1 to 1")
    return score


def _build_tfns(raw: Raw, options: Options) -> Record:
    value = str(raw.values.get("label", "")).strip()
    if value not in TFNS_LABELS:
        raw.fail(f"label {value!r} is none of 0 (bearish), 1 (bullish), 2 (neutral)")
    return _labelled(TWEET, raw.text("text"), TFNS_LABELS[value], teacher=UNKNOWN)


def _build_nwgi(raw: Raw, options: Options) -> Record:
    """`news`, `label` and `out` as published, or `context` and `target` as FinGPT writes them for training."""
    text = raw.text("news") if "news" in raw.values else _between(raw, raw.text("context"), "Input: ", "\nAnswer:")
    answer = raw.text("label") if "label" in raw.values else raw.text("target")
    label = next((name for name in NWGI_LABELS if answer.strip().lower().startswith(name)), None)
    if label is None:
        raw.fail(f"label {answer!r} is none of {', '.join(NWGI_LABELS)}")
    if not options.with_reasons:
        return _labelled(NEWS, text, NWGI_LABELS[label], teacher="chatgpt")
    reasons = next((str(raw.values[name]).strip() for name in REASONS if raw.values.get(name)), answer.strip())
    if reasons.lower() == label:
        hint = "leave --with-reasons out, or take the data as it was published: it has a column 'out'"
        raw.fail(f"no reasons in {', '.join(raw.values)}", hint=hint)
    output = reasons if reasons.lower().startswith(label) else f"{label}. {reasons}"
    instruction = ask(NEWS, tuple(NWGI_LABELS), reasons=True)
    return make_record(
        instruction=instruction, input=text, output=output, task="sentiment", label=label, teacher="chatgpt"
    )


def _between(raw: Raw, text: str, start: str, end: str) -> str:
    _, found, rest = text.partition(start)
    inner, closed, _ = rest.rpartition(end)
    if not found or not closed or not inner.strip():
        raw.fail(f"no text between {start!r} and {end!r}")
    return inner


SOURCES = {
    "fpb": ImportSource(
        title="Financial PhraseBank",
        where="https://huggingface.co/datasets/takala/financial_phrasebank (FinancialPhraseBank-v1.0.zip; "
        "unpack it and give Sentences_50Agree.txt)",
        build=_build_fpb,
        columns=frozenset({"sentence", "label"}),
        files=("*50Agree.txt",),
        licence="CC-BY-NC-SA-3.0 (no commercial use)",
        read=_read_fpb,
        published=_split_fpb,
        rule="FinGPT's split: train_test_split(test_size=0.25, seed=42) of datasets",
    ),
    "fiqa": ImportSource(
        title="FiQA sentiment: posts and headlines",
        where="https://sites.google.com/view/fiqa (FiQA), https://alt.qcri.org/semeval2017/task5/ (headlines of SemEval)",
        build=_build_fiqa,
        columns=frozenset({"sentence", "info", "title", "sentiment", "sentiment_score", "format"}),
        hub="pauri32/fiqa-2018",
        files=("*.json",),
        read=_read_fiqa,
    ),
    "tfns": ImportSource(
        title="Twitter Financial News Sentiment",
        where="https://huggingface.co/datasets/zeroshot/twitter-financial-news-sentiment",
        build=_build_tfns,
        columns=frozenset({"text", "label"}),
        hub="zeroshot/twitter-financial-news-sentiment",
        files=("*.csv",),
        licence="MIT",
    ),
    "nwgi": ImportSource(
        title="News with GPT instructions",
        where="https://huggingface.co/datasets/oliverwang15/news_with_gpt_instructions",
        build=_build_nwgi,
        columns=frozenset({"news", "label", "context", "target", *REASONS}),
        hub="oliverwang15/news_with_gpt_instructions",
        files=("*.jsonl", "*.json", "*.csv"),
    ),
}
