"""Encoders with a head of classes, such as FinBERT: a row's text in, a probability for each of its options out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fingen.config import Scoring
from fingen.errors import LimitError, UsageError
from fingen.scoring.local import describe, free_memory
from fingen.scoring.report import Kind, Method
from fingen.scoring.rows import Asked, ScoringItem
from fingen.scoring.subjects import Given, Say, question_alone
from fingen.training.base import load_classifier, positions, quiet
from fingen.training.choices import NO_NUMBERS, TOKENS_PER_BATCH, probabilities
from fingen.training.models import shadow_note

SHORTEST = 3  # letters of a label that is an option's name cut short: POS, NEG, NEU
_UNNAMED = re.compile(r"label_\d+")  # what transformers calls a class that nobody named


@dataclass
class Classifier:
    """A loaded classifier. It sees a row's input, or its question where all is in that, and none of the options."""

    name: str
    model: Any
    tokenizer: Any
    details: dict[str, Any]
    kind: Kind = field(default="classifier", init=False)
    say: Say = field(default=lambda text: None)

    def method(self, asked: Asked) -> Method:
        """It gives a probability for each option."""
        return "letters"

    def answer(self, asked: Asked, items: Sequence[ScoringItem], shots: Sequence[ScoringItem]) -> Iterator[Given]:
        """Answers, the longest texts first.

        Raises:
            UsageError: an option is none of its classes, or its logits are no numbers. LimitError: out of memory.
        """
        names = {item.name(key): None for item in items for key in item.options}
        columns = find_columns(self.labels, names, f"{self.name} on {asked.key}")
        with quiet():
            ready = [(item, self.tokenizer(item.input or question_alone(item))["input_ids"]) for item in items]
        room = self._room()
        for item, ids in ready:
            if room and len(ids) > room:
                why = f"the text has {len(ids):,} tokens, the model reads {room:,}"
                yield Given(item.id, item.turn, "", why=why)
        whole = [(item, ids) for item, ids in ready if not room or len(ids) <= room]
        for batch in self._batches(sorted(whole, key=lambda row: (-len(row[1]), row[1]))):
            for (item, _), logits in zip(batch, self._logits([ids for _, ids in batch]), strict=True):
                yield _given(item, [logits[columns[item.name(key)]] for key in item.options])
        self.say(f"{self.name} on {asked.key}: {len(items):,} rows")

    @property
    def labels(self) -> list[str]:
        """What its classes are called, in the order of its logits."""
        named: Mapping[int, str] = self.model.config.id2label
        return [str(named[number]) for number in range(len(named))]

    def _room(self) -> int | None:
        """Tokens of a text, at most; RoBERTa's kin count positions from behind that of padding."""
        most = positions(self.model)
        embeddings = getattr(getattr(self.model.base_model, "embeddings", None), "position_embeddings", None)
        before = getattr(embeddings, "padding_idx", None)
        return most if most is None or before is None else most - before - 1

    def _batches(self, rows: Sequence[tuple[ScoringItem, list[int]]]) -> Iterator[list[tuple[ScoringItem, list[int]]]]:
        """Rows of one length need no padding, whatever the model makes of that; small models are fast enough so."""
        batch: list[tuple[ScoringItem, list[int]]] = []
        for row in rows:
            same = batch and len(row[1]) == len(batch[0][1])
            if batch and not (same and len(row[1]) * (len(batch) + 1) <= TOKENS_PER_BATCH):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _logits(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Logits of rows of one length; a batch that does not fit in memory is halved."""
        ids = torch.tensor(rows, device=self.model.device)  # (B, S)
        try:
            with torch.no_grad():
                logits = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.double()  # (B, classes)
        except torch.OutOfMemoryError as e:
            if len(rows) == 1:
                said = f"{self.name}: out of memory with one row of {len(rows[0]):,} tokens"
                raise LimitError(said, hint="end what else runs there, or give shorter rows") from e
            return [*self._logits(rows[: len(rows) // 2]), *self._logits(rows[len(rows) // 2 :])]
        if logits.isnan().any():
            raise UsageError(f"{self.name}: {NO_NUMBERS}", hint="fetch the model again")
        found: list[list[float]] = logits.tolist()
        return found


def _given(item: ScoringItem, logits: Sequence[float]) -> Given:
    shares = dict(zip(item.options, probabilities(logits), strict=True))
    key = max(shares, key=shares.__getitem__)
    return Given(item.id, item.turn, item.name(key), key=key, probabilities=shares)


def find_columns(labels: Sequence[str], options: Iterable[str], where: str) -> dict[str, int]:
    """Option -> the place of its class: of the same name, but for case, or of a name that is the option's cut short.

    Raises:
        UsageError: classes have no names, or an option is none of them or more than one.
    """
    names = [_plain(label) for label in labels]
    shown = f"its classes are {', '.join(labels)}; the options {', '.join(options)}"
    if any(_UNNAMED.fullmatch(name) for name in names):
        hint = "write the options' names into id2label of a copy's config.json, in the order that its makers tell"
        raise UsageError(f"{where}: nothing says what its classes are: {shown}", hint=hint)
    found = {}
    for option in options:
        plain = _plain(option)
        fits = [place for place, name in enumerate(names) if name == plain]
        fits = fits or [place for place, name in enumerate(names) if len(name) >= SHORTEST and plain.startswith(name)]
        if len(fits) != 1:
            said = "more than one" if fits else "none"
            hint = (
                "score it on rows whose options are its classes, or name them alike in id2label of a copy's config.json"
            )
            raise UsageError(f"{where}: the option {option} is {said} of its classes: {shown}", hint=hint)
        found[option] = fits[0]
    if len(set(found.values())) < len(found):
        raise UsageError(f"{where}: two options are one of its classes: {shown}", hint="name its classes apart")
    return found


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def open_classifiers(
    settings: Scoring, sources: Sequence[Asked], say: Say
) -> Generator[tuple[Classifier, Sequence[Asked]], None, None]:
    """The classifiers that the settings name, one loaded at a time.

    Raises:
        UsageError: one is no classifier, or has no safetensors. HubError: it cannot be fetched. LimitError: out of memory.
    """
    for name in settings.classifiers:
        free_memory()
        if note := shadow_note(name):
            say(note)
        loaded = load_classifier(name)
        about = describe(name, loaded.model, loaded.load)
        subject = Classifier(about["base"], loaded.model, loaded.tokenizer, about, say=say)
        subject.details["classes"] = subject.labels
        try:
            yield subject, sources
        finally:
            subject.model = None
