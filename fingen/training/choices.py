"""Which of some options a model would answer with: the log-probability of each, read off instead of generated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from fingen.errors import LimitError, UsageError
from fingen.training.forward import predict

TOKENS_PER_BATCH = 4096  # padded tokens of a forward pass
NO_NUMBERS = "the model's logits are no numbers (NaN): its weights are damaged, or too large for their number format"


@dataclass(frozen=True)
class Choice:
    """A prompt and its options, as token ids. An option ends with the token that ends an answer, if it is to be whole."""

    prompt: Sequence[int]
    options: Sequence[Sequence[int]]

    @property
    def is_decided_at_once(self) -> bool:
        """Whether the first token tells the options apart."""
        return len({option[0] for option in self.options}) == len(self.options)


class _Row(NamedTuple):
    """One row of a forward pass: `ids`, of which the model's guesses at `wanted` are looked at."""

    choice: int
    option: int | None  # None: all options, by their first token
    ids: tuple[int, ...]
    wanted: range


def score_options(
    model: Any, rows: Sequence[Choice], pad: int, tokens_per_batch: int = TOKENS_PER_BATCH
) -> list[tuple[float, ...]]:
    """Natural log-probabilities of each row's options, in their order.

    Where the first tokens of a row's options differ, theirs are taken, all from the one last position of the prompt. Where
    some begin alike, the log-probabilities of all their tokens are added up, option by option.

    Args:
        model: a causal language model, with or without adapter; it is asked in evaluation mode.
        rows: none of them with an empty prompt or option.
        pad: a token id to fill batches with; no real token sees it.
        tokens_per_batch: padded tokens of a forward pass, at most; changes speed, not what is found.

    Raises:
        UsageError: the model's logits are no numbers.
        LimitError: out of memory with a single row.
    """
    found: list[list[float]] = [[0.0] * len(row.options) for row in rows]
    training = bool(model.training)
    model.eval()
    try:
        with torch.no_grad():
            for batch in _batches(_expanded(rows), tokens_per_batch):
                for row, logs in _predicted(model, batch, pad):
                    _read_off(rows[row.choice], row, logs, found[row.choice])
    finally:
        model.train(training)
    return [tuple(row) for row in found]


def probabilities(log_probabilities: Sequence[float]) -> tuple[float, ...]:
    """How sure the model is among its options alone: 0..1, adding up to 1; all alike where it gives none any chance."""
    most = max(log_probabilities)
    if most == -math.inf:
        return (1 / len(log_probabilities),) * len(log_probabilities)
    weights = [math.exp(value - most) for value in log_probabilities]
    return tuple(weight / math.fsum(weights) for weight in weights)


def _expanded(rows: Sequence[Choice]) -> Iterator[_Row]:
    for number, row in enumerate(rows):
        prompt, last = tuple(row.prompt), len(row.prompt) - 1
        if row.is_decided_at_once:
            yield _Row(number, None, prompt, range(last, last + 1))
            continue
        for place, option in enumerate(row.options):
            yield _Row(number, place, (*prompt, *option[:-1]), range(last, last + len(option)))


def _batches(rows: Iterator[_Row], tokens: int) -> Iterator[list[_Row]]:
    """The longest rows first, alike ones together: what they begin with is computed once."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: (-len(row.ids), row.ids)):
        if batch and len(batch[0].ids) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _predicted(model: Any, batch: list[_Row], pad: int) -> Iterator[tuple[_Row, torch.Tensor]]:
    """Each row with its log-probabilities, (positions, V); a batch that does not fit in memory is halved."""
    try:
        logits = predict(model, [row.ids for row in batch], [row.wanted for row in batch], pad)  # (N, V)
    except torch.OutOfMemoryError as e:
        if len(batch) == 1:
            raise LimitError(
                f"out of memory with one row of {len(batch[0].ids):,} tokens", hint="pass --load 4bit, or shorter rows"
            ) from e
        halves = batch[: len(batch) // 2], batch[len(batch) // 2 :]
    else:
        logs = logits.float().log_softmax(-1)
        yield from zip(batch, torch.split(logs, [len(row.wanted) for row in batch]), strict=True)
        return
    for half in halves:
        yield from _predicted(model, half, pad)


def _read_off(choice: Choice, row: _Row, logs: torch.Tensor, found: list[float]) -> None:
    """Put what a row says of its options into `found`."""
    if row.option is None:
        values = logs[0, [option[0] for option in choice.options]].tolist()
    else:
        answer = torch.tensor(choice.options[row.option], device=logs.device)
        values = [float(logs.gather(-1, answer[:, None]).sum())]
    if any(math.isnan(value) for value in values):
        raise UsageError(
            NO_NUMBERS,
            hint="load it in another format, such as --load fp32, or tune again with a lower learning rate",
        )
    if row.option is None:
        found[:] = values
    else:
        found[row.option] = values[0]
