"""Rows as token ids, put into steps, and a step into batches that fit in memory."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fingen.disk import sha256_text
from fingen.errors import UsageError
from fingen.records import Record
from fingen.training.template import Template

POOL = 512  # rows that are sorted by length together: few enough to mix, enough that a step's rows are of one length


@dataclass(frozen=True)
class Example:
    """A row as the model sees it. The last `answer` ids are learned, and the earlier answers of a conversation; all else is prompt."""

    id: str
    ids: tuple[int, ...]
    answer: int
    earlier: tuple[range, ...] = ()  # where the answers before the last one stand in `ids`

    @property
    def places(self) -> Sequence[int]:
        """The places of `ids`, from 0, whose next id is learned."""
        last = range(len(self.ids) - self.answer - 1, len(self.ids) - 1)
        return [place - 1 for answer in self.earlier for place in answer] + [*last] if self.earlier else last

    @property
    def learned(self) -> tuple[int, ...]:
        """The ids that are learned, in their order."""
        return tuple(self.ids[place + 1] for place in self.places)

    @property
    def tokens(self) -> int:
        """Tokens that the model reads of it."""
        return len(self.ids)

    @property
    def size(self) -> int:
        """Tokens that it takes in a batch beside shorter ones, padding among them."""
        return len(self.ids)

    @property
    def weight(self) -> int:
        """What a loss is the mean over: the tokens that are learned."""
        return len(self.places)


@dataclass(frozen=True, kw_only=True)
class Pair(Example):
    """A preference: the prompt with its chosen answer, and with the rejected one. Each pair counts alike."""

    rejected: Example

    @property
    def tokens(self) -> int:
        """Tokens that the model reads of both."""
        return len(self.ids) + len(self.rejected.ids)

    @property
    def size(self) -> int:
        """Two rows, as long as the longer one."""
        return 2 * max(len(self.ids), len(self.rejected.ids))

    @property
    def weight(self) -> int:
        """One pair."""
        return 1


@dataclass(frozen=True)
class Examples:
    """The rows that are trained on, and why others are not: reason -> ids of rows.

    `parted` counts the conversations that are several rows here: see `build_examples`.
    """

    kept: tuple[Example, ...]
    left_out: dict[str, tuple[str, ...]]
    longest_tokens: int
    parted: int = 0


def build_examples(
    records: Iterable[Record], template: Template, cutoff: int, positions: int | None = None, *, apart: bool = False
) -> Examples:
    """Encode rows. One that is too long is left out whole: half an answer would teach the model to stop anywhere.

    All answers of a conversation are learned. They are learned in one row where its later prompts begin, id by id, with
    what is learned before them. Where the chat template writes what was said otherwise than what is to be said, as those
    that drop thoughts do, or with `apart`, each answer is a row of its own behind the prompt that it is asked with.

    `positions` are the tokens that the model reads, at most; None where it does not say.
    """
    kept: list[Example] = []
    left_out: dict[str, list[str]] = {}
    longest = parted = 0
    for record in records:
        if template.find_control(*record.said):
            left_out.setdefault("holds a control token of the model", []).append(record.id)
            continue
        try:
            found = _encode(record, template, apart=apart)
        except UsageError as e:  # what the row has is more than the model has a place for
            left_out.setdefault(str(e), []).append(record.id)
            continue
        tokens = max(len(example.ids) for example in found)
        longest = max(longest, tokens)
        if not all(each.output.strip() for each in record.exchanges):
            left_out.setdefault("has no answer", []).append(record.id)
        elif positions is not None and tokens > positions:
            left_out.setdefault(f"longer than the {positions:,} tokens that the base model reads", []).append(record.id)
        elif tokens > cutoff:
            left_out.setdefault(f"longer than {cutoff} tokens", []).append(record.id)
        else:
            kept += found
            parted += len(found) > 1
    return Examples(tuple(kept), {reason: tuple(ids) for reason, ids in left_out.items()}, longest, parted)


def _encode(record: Record, template: Template, *, apart: bool) -> list[Example]:
    """A row with all its answers, or as many as are needed; the last goes by the record's id.

    Raises:
        UsageError: the model has no place for what it holds.
    """
    found: list[Example] = []
    for number, each in enumerate(record.exchanges, 1):
        text = template.render(each.instruction, each.input, system=each.system, turns=each.messages)
        prompt, answer = template.encode_prompt(text), template.encode_answer(each.output)
        earlier: tuple[range, ...] = ()
        if found and not apart and found[-1].ids == tuple(prompt[: len(found[-1].ids)]):
            before = found.pop()
            earlier = (*before.earlier, range(len(before.ids) - before.answer, len(before.ids)))
        found.append(Example(f"{record.id}:{number}", (*prompt, *answer), len(answer), earlier))
    return [*found[:-1], replace(found[-1], id=record.id)]


def build_pairs(records: Sequence[Record], template: Template, cutoff: int, positions: int | None = None) -> Examples:
    """Encode preferences: each is a `Pair`. One of which either answer cannot be taken is left out; else as `build_examples`.

    Of a conversation the last answers are compared: what was said before is given.
    """
    turned = [record.model_copy(update={"output": record.rejected}) for record in records]
    chosen, rejected = (build_examples(each, template, cutoff, positions, apart=True) for each in (records, turned))
    last = {record.id for record in records}
    others, gone = {example.id: example for example in rejected.kept}, set[str]()
    left_out: dict[str, tuple[str, ...]] = {}
    for reason, ids in (*chosen.left_out.items(), *rejected.left_out.items()):
        new = [id for id in ids if id not in gone]
        gone.update(new)
        if new:
            left_out[reason] = (*left_out.get(reason, ()), *new)
    kept = tuple(
        Pair(e.id, e.ids, e.answer, rejected=others[e.id]) for e in chosen.kept if e.id in others and e.id in last
    )
    return Examples(kept, left_out, max(chosen.longest_tokens, rejected.longest_tokens))


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


class Steps:
    """Which rows each step of an epoch takes: a batch sampler.

    Rows of a step are of nearly one length, so that little is padded: the rows are shuffled, cut into pools, each sorted by
    length and cut into steps, and the steps are shuffled. The order follows from seed and epoch alone, so a run goes on
    where it was.

    Args:
        lengths: of the rows, in tokens.
        rows: in a step; the last one of an epoch may have fewer.
        epoch: says which epoch it is, when one is begun.
    """

    def __init__(self, lengths: Sequence[int], rows: int, seed: int, epoch: Callable[[], int] = lambda: 0) -> None:
        self.lengths, self.rows, self.seed, self.epoch = lengths, rows, seed, epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.rows)

    def __iter__(self) -> Iterator[list[int]]:
        draw = random.Random(f"{self.seed}-{self.epoch()}")
        order = list(range(len(self.lengths)))
        draw.shuffle(order)
        pools = max(1, round(len(order) / POOL))
        each = math.ceil(len(order) / self.rows / pools) * self.rows
        steps = []
        for start in range(0, len(order), each):
            pool = sorted(order[start : start + each], key=self.lengths.__getitem__)
            full, rest = divmod(len(pool), self.rows)
            short = draw.randint(0, full) if rest else full  # rows of any length may be those of the short step
            at = 0
            for number in range(full + bool(rest)):
                size = rest if number == short else self.rows
                steps.append(pool[at : at + size])
                at += size
        draw.shuffle(steps)
        return iter(steps)


@dataclass(frozen=True)
class Seen:
    """What a run has been shown: so many of the rows, each so many times, at least and at most."""

    rows: int
    least: int
    most: int


def count_seen(lengths: Sequence[int], rows: int, seed: int, steps: int) -> Seen:
    """What the first `steps` steps of a run take; the other arguments as for `Steps`."""
    each = len(Steps(lengths, rows, seed))
    epochs, rest = divmod(steps, each)
    if epochs:
        return Seen(len(lengths), epochs, epochs + bool(rest))
    begun = list(Steps(lengths, rows, seed))[:rest]
    return Seen(sum(map(len, begun)), 1, 1)


def cut(examples: Sequence[Example], tokens: int) -> Iterator[list[Example]]:
    """Rows by length, the longest first, in groups of at most `tokens` with their padding; one row is always a group."""
    group: list[Example] = []
    for example in sorted(examples, key=lambda example: (-example.size, example.id)):
        if group and group[0].size * (len(group) + 1) > tokens:
            yield group
            group = []
        group.append(example)
    if group:
        yield group


def deal(examples: Sequence[Example], tokens: int, processes: int, process: int) -> list[tuple[list[Example], float]]:
    """The groups of one of several processes, and what each counts.

    All get equally many, since sharded models make each pass together. Where there are fewer rows than processes, a group
    is passed that counts nothing.
    """
    groups = [(group, 1.0) for group in cut(examples, tokens)]
    while len(groups) % processes:
        group = max((group for group, _ in groups), key=len)
        if len(group) == 1:
            groups.append((group, 0.0))
        else:
            at = groups.index((group, 1.0))
            groups[at : at + 1] = [(group[: len(group) // 2], 1.0), (group[len(group) // 2 :], 1.0)]
    return groups[process::processes]
