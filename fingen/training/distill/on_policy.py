"""The second stage: the student answers rows itself, and learns what its teacher says of each token that it wrote.

What a student sees in the rows it does not see in use: there its own tokens are what it goes on from (Agarwal et al. 2024, GKD).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from fingen.disk import dump_json, open_atomic, sha256_text
from fingen.training.base import positions, quiet
from fingen.training.data import Example, cut

FOLDER = "on-policy"  # of the stage, in that of the student, while it lasts
HISTORY = "on-policy.jsonl"  # what is left of it there
ANSWERS = "answers.jsonl"


def own_answers(
    model: Any, rows: Sequence[Example], end: int, pad: int, seed: int, tokens_per_batch: int, path: Path
) -> list[Example]:
    """The rows with what the student answers to them, drawn at temperature 1; kept in `path`, where they may be already."""
    if path.is_file():
        stored = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        return [Example(row["id"], tuple(row["ids"]), row["answer"]) for row in stored]
    found = [row for group in cut(rows, tokens_per_batch) for row in _answer(model, group, end, pad, seed)]
    with open_atomic(path) as file:
        file.writelines(dump_json({"id": row.id, "ids": row.ids, "answer": row.answer}) + "\n" for row in found)
    return found


def _answer(model: Any, rows: Sequence[Example], end: int, pad: int, seed: int) -> Iterator[Example]:
    """Answers no longer than the longest right one of these rows; what they are follows from the rows and the seed."""
    prompts = [row.ids[: -row.answer] for row in rows]
    width, most = max(map(len, prompts)), positions(model)
    room = max(row.answer for row in rows)
    ids = torch.tensor([[*[pad] * (width - len(prompt)), *prompt] for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    torch.manual_seed(int(sha256_text(str(seed), *(row.id for row in rows))[:15], 16))
    model.eval()
    with torch.no_grad(), quiet():
        out = model.generate(
            ids, attention_mask=mask, max_new_tokens=room if most is None else max(1, min(room, most - width)), do_sample=True,
            temperature=1.0, top_k=0, top_p=1.0, pad_token_id=pad, eos_token_id=end,
        )  # fmt: skip
    for row, prompt, tokens in zip(rows, prompts, out[:, width:].tolist(), strict=True):
        said = tokens[: tokens.index(end) + 1] if end in tokens else tokens
        yield Example(row.id, (*prompt, *said), len(said))


def as_asked(own: Sequence[Example], teachers: Mapping[str, Example]) -> dict[str, Example]:
    """The same answers behind the teacher's own prompts, by row."""
    return {
        row.id: Example(
            row.id, (*teachers[row.id].ids[: -teachers[row.id].answer], *row.ids[-row.answer :]), row.answer
        )
        for row in own
    }
