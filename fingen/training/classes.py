"""How well a model in training meets the classes of a set: macro F1, by which its weights are chosen, and whether that is anything.

A model that looks at no question still gets some rows right: `majority` says how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingen import metrics
from fingen.records import Record
from fingen.training.choices import Choice, score_options
from fingen.training.template import Template


@dataclass(frozen=True)
class Majority:
    """The one answer that is right most often, and what giving it to every row comes to: 0..1."""

    answer: str
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Judge:
    """The validation rows of a set with classes. Each row has its options (answer -> class) and the answer that is right."""

    choices: tuple[Choice, ...]
    options: tuple[Mapping[str, str], ...]
    right: tuple[str, ...]
    pad: int

    def __call__(self, model: Any, tokens_per_batch: int) -> dict[str, float]:
        """Macro F1 and accuracy of a model, and whether it has `learned` anything of the rows: 1 or 0.

        It has not where its macro F1 is no higher than that of `majority`, or where it gets no more rows right than its
        answers (its letters, or the classes behind them) would if they were dealt out to other rows.
        """
        found = score_options(model, self.choices, self.pad, tokens_per_batch)
        answers = [list(offered)[each.index(max(each))] for offered, each in zip(self.options, found, strict=True)]
        classes = self._classes(answers)
        macro_f1 = metrics.f1(classes, "macro")
        letters: metrics.Counts = Counter(zip(self.right, answers, strict=True))
        blind = is_blind(letters) or is_blind(classes)
        learned = not blind and (macro_f1 > self.majority.macro_f1 or len(set(self.right)) == 1)
        return {"macro_f1": macro_f1, "accuracy": metrics.accuracy(classes), "learned": float(learned)}

    @property
    def majority(self) -> Majority:
        """What always giving one answer comes to; of several equally good ones the first."""
        answer, rows = min(Counter(self.right).items(), key=lambda item: (-item[1], item[0]))
        counts = self._classes([answer if answer in offered else next(iter(offered)) for offered in self.options])
        return Majority(answer, rows / len(self.right), metrics.f1(counts, "macro"))

    def _classes(self, answers: Sequence[str]) -> metrics.Counts:
        """Right and answered classes, counted."""
        rows = zip(self.options, self.right, answers, strict=True)
        return Counter((offered[right], offered[answer]) for offered, right, answer in rows)


def is_blind(counts: metrics.Counts) -> bool:
    """Whether no more rows are right than would be if the answers were dealt out at random: Cohen's kappa, 0 or less.

    One and the same answer to all rows is always blind. Where only one answer is right anywhere, nothing can be told.
    """
    right, answered = Counter[str](), Counter[str | None]()
    for (truth, answer), rows in counts.items():
        right[truth] += rows
        answered[answer] += rows
    hits = sum(rows for (truth, answer), rows in counts.items() if truth == answer)
    return len(right) > 1 and hits * right.total() <= sum(right[name] * answered[name] for name in right)


def build_judge(validation: Sequence[Record], train: Sequence[Record], template: Template) -> Judge | None:
    """What says how a model meets the classes of the validation rows; None for a set whose answers are no classes.

    The options of a row are its letters, or where it has none all labels that the set's rows have.
    """
    rows = [*validation, *train]
    if not validation or not all(row.options or row.label for row in rows):
        return None
    labels = {row.output: row.output for row in sorted(rows, key=lambda row: row.output) if not row.options}
    options = tuple(dict(row.options or labels) for row in validation)
    choices = tuple(
        Choice(
            template.encode_prompt(template.render(row.instruction, row.input, system=row.system, turns=row.messages)),
            [template.encode_answer(answer) for answer in offered],
        )
        for row, offered in zip(validation, options, strict=True)
    )
    return Judge(choices, options, tuple(row.output for row in validation), template.pad)
