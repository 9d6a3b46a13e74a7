"""FinEval: examination questions of Chinese finance, four options each, one right letter (Zhang et al. 2023, arXiv 2308.09975)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fingen.imports.base import ImportSource, Options, Unusable, make_record
from fingen.records import Record
from fingen.rows import Raw, read_each

LETTERS = "ABCD"
ANSWER = "答案："  # what its own prompts, which ask for nothing but the answer, end with
PARTS = {"dev": "train", "val": "validation", "test": "test"}  # dev: the five of a subject that are shown as examples


def _build(raw: Raw, options: Options) -> Record | Unusable:
    question = raw.text("question")
    choices = {letter: raw.text(letter) for letter in LETTERS}
    answer = raw.values.get("answer")
    if not isinstance(answer, str) or not answer.strip():
        return Unusable("no-answer", "it was published without its answer")
    if answer.strip() not in choices:
        raw.fail(f"answer {answer!r} is none of {', '.join(LETTERS)}")
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in choices.items())
    record = make_record(
        instruction=f"{question}\n{listed}\n{ANSWER}", output=answer.strip(), task="fineval", options=choices
    )
    file, number = Path(raw.file), str(raw.values.get("id") or "").strip()
    known = {"id": f"{file.stem}-{number}"} if number else {}
    return record.model_copy(update={"draws": {"subject": _subject(file)}, **known})


def _read(path: Path) -> Iterator[Raw]:
    """The rows of a subject, in the split that its file is called after: auditing_dev.csv, auditing_val.csv."""
    part = next((part for part in path.stem.lower().split("_") if part in PARTS), path.parent.name.lower())
    for raw in read_each(path):
        yield replace(raw, split=PARTS.get(part))


def _subject(path: Path) -> str:
    words = path.stem.split("_")
    ends = next((at for at, word in enumerate(words) if word.lower() in PARTS), len(words))
    return "_".join(words[:ends])


SOURCES = {
    "fineval": ImportSource(
        title="FinEval, academic knowledge",
        where="https://huggingface.co/datasets/SUFE-AIFLM-Lab/FinEval",
        build=_build,
        columns=frozenset({"id", "question", *LETTERS, "answer", "explanation"}),
        files=("*.csv",),
        licence="CC-BY-NC-SA-4.0",
        split="validation",
        read=_read,
    ),
}
