"""How well a model in training meets the classes of a set: macro F1, by which its weights are chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from fingen import metrics
from fingen.records import Record
from fingen.training.choices import Choice, score_options
from fingen.training.template import Template


def build_judge(
    validation: Sequence[Record], train: Sequence[Record], template: Template
) -> Callable[[Any, int], float] | None:
    """What says the macro F1 of a model on the validation rows; None for a set whose answers are no classes.

    The options of a row are its letters, or where it has none all labels that the set's rows have.
    """
    rows = [*validation, *train]
    if not validation or not all(row.options or row.label for row in rows):
        return None
    labels = {row.output: row.output for row in sorted(rows, key=lambda row: row.output) if not row.options}
    options = [dict(row.options or labels) for row in validation]
    choices = [
        Choice(
            template.encode_prompt(template.render(row.instruction, row.input)),
            [template.encode_answer(answer) for answer in offered],
        )
        for row, offered in zip(validation, options, strict=True)
    ]
    right = [offered[row.output] for row, offered in zip(validation, options, strict=True)]

    def judge(model: Any, tokens_per_batch: int) -> float:
        found = score_options(model, choices, template.pad, tokens_per_batch)
        answered = [
            list(offered.values())[max(range(len(each)), key=each.__getitem__)]
            for offered, each in zip(options, found, strict=True)
        ]
        return metrics.f1(Counter(zip(right, answered, strict=True)), "macro")

    return judge
