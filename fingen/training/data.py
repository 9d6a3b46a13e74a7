"""Rows as token ids, cut into steps and into batches that fit in memory."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from fingen.records import Record, sha256_text
from fingen.training.template import Template

IGNORED = -100  # a label that the loss leaves out


@dataclass(frozen=True)
class Example:
    """A row as the model sees it. The last `answer` ids are learned; all before them is its prompt."""

    id: str
    ids: tuple[int, ...]
    answer: int


@dataclass(frozen=True)
class Examples:
    """The rows that are trained on, and why others are not: reason -> ids of rows."""

    kept: tuple[Example, ...]
    left_out: dict[str, tuple[str, ...]]
    longest_tokens: int


@dataclass(frozen=True)
class Batch:
    """Rows of one forward pass, padded on the left: answers end together, so their logits are a block at the end."""

    ids: torch.Tensor  # (B, S) int64
    mask: torch.Tensor  # (B, S) int64, 0 at padding
    positions: torch.Tensor  # (B, S) int64, from 0 at the row's first token
    labels: torch.Tensor  # (B, A) int64: the last A ids; IGNORED where a row's answer is shorter

    @property
    def supervised(self) -> int:
        """Tokens that the loss is taken over."""
        return int((self.labels != IGNORED).sum())


def build_examples(records: Iterable[Record], template: Template, cutoff: int) -> Examples:
    """Encode rows. One that is too long is left out whole: half an answer would teach the model to stop anywhere."""
    kept: list[Example] = []
    left_out: dict[str, list[str]] = {}
    longest = 0
    for record in records:
        if template.find_control(record.instruction, record.input, record.output):
            left_out.setdefault("holds a control token of the model", []).append(record.id)
            continue
        prompt = template.encode_prompt(template.render(record.instruction, record.input))
        answer = template.encode_answer(record.output)
        longest = max(longest, len(prompt) + len(answer))
        if not record.output.strip():
            left_out.setdefault("has no answer", []).append(record.id)
        elif len(prompt) + len(answer) > cutoff:
            left_out.setdefault(f"longer than {cutoff} tokens", []).append(record.id)
        else:
            kept.append(Example(record.id, (*prompt, *answer), len(answer)))
    return Examples(tuple(kept), {reason: tuple(ids) for reason, ids in left_out.items()}, longest)


def hold_out(records: Sequence[Record], share: float) -> tuple[list[Record], list[Record]]:
    """Training and validation rows: that share of the rows, passages kept together, chosen by hash."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault("\0".join(record.chunks or (record.id,)), []).append(record)
    wanted, held = round(share * len(records)), set[str]()
    for key in sorted(groups, key=sha256_text):
        if sum(len(groups[name]) for name in held) >= wanted or len(held) == len(groups) - 1:
            break
        held.add(key)
    validation = {record.id for key in held for record in groups[key]}
    return [r for r in records if r.id not in validation], [r for r in records if r.id in validation]


@functools.lru_cache(maxsize=2)
def order(count: int, epoch: int, seed: int) -> tuple[int, ...]:
    """The order of `count` rows in an epoch. It depends on nothing else, so a run goes on where it was."""
    places = list(range(count))
    random.Random(f"{seed}-{epoch}").shuffle(places)
    return tuple(places)


def rows_of_step(examples: Sequence[Example], step: int, batch: int, seed: int) -> list[Example]:
    """The rows of a step (from 0). The last step of an epoch may have fewer than `batch`."""
    epoch, place = divmod(step, steps_per_epoch(len(examples), batch))
    return [examples[i] for i in order(len(examples), epoch, seed)[place * batch : (place + 1) * batch]]


def steps_per_epoch(count: int, batch: int) -> int:
    """Steps in which every row is seen once."""
    return -(-count // batch)


def cut(examples: Sequence[Example], tokens: int) -> Iterator[list[Example]]:
    """Rows by length, the longest first, in groups of at most `tokens` with their padding; one row is always a group."""
    group: list[Example] = []
    for example in sorted(examples, key=lambda example: (-len(example.ids), example.id)):
        if group and len(group[0].ids) * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(example)
    if group:
        yield group


def collate(examples: Sequence[Example], pad: int, device: torch.device | str = "cpu") -> Batch:
    """Rows as one batch."""
    length = max(len(example.ids) for example in examples)
    answer = max(example.answer for example in examples)
    ids = torch.full((len(examples), length), pad)
    mask = torch.zeros_like(ids)
    labels = torch.full((len(examples), answer), IGNORED)
    for row, example in enumerate(examples):
        ids[row, length - len(example.ids) :] = torch.tensor(example.ids)
        mask[row, length - len(example.ids) :] = 1
        labels[row, answer - example.answer :] = torch.tensor(example.ids[-example.answer :])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return Batch(*(tensor.to(device) for tensor in (ids, mask, positions, labels)))
