"""Draws: who asks, what about, how, and how hard, chosen before a question is written, so that a set covers what clients ask.

A draw is a plain dict that is recorded with its row: `label`, `who`, `how` (names in clients.<language>.yaml), `about`
(`kind` and `facet` of lexicon.<language>.yaml, `name` where the kind has names, `and` for a second one; empty for a label
that the lexicon does not know), `difficulty` ("clear" or "border"), `against` (the label that a border case sounds like, or
None) and `n` (its number among its label's draws, from 0).

Everything is dealt from shuffled decks: whatever stretch of draws is taken, each choice comes up by its weight. A draw
depends on seed, label and `n` alone, so that topping up goes on where it stopped, whatever the other labels took.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, TypeVar

from fingen import prompts
from fingen.errors import UsageError
from fingen.tasks.labels import Label

Draw = dict[str, Any]
Item = TypeVar("Item")
MANNERS = ("who", "how")  # of clients.<language>.yaml
_ATTEMPTS = 20  # to find a second name that is not the first
_HINT = "compare it with the packaged one: run `fingen prompts copy` in an empty folder"


@dataclass(frozen=True)
class Subject:
    """What can be asked about under one label: a kind and a facet of it."""

    kind: str
    facet: str
    against: str | None
    names: tuple[str, ...]  # lists of the lexicon, each as often as it weighs


@dataclass(frozen=True)
class Manner:
    """One who asks, or one way of asking."""

    name: str
    say: str
    weight: int
    labels: tuple[str, ...]  # that it fits; none: all
    kinds: tuple[str, ...]
    pair: bool  # the subject needs a name, and gets a second one

    def fits(self, label: str, subject: Subject) -> bool:
        """Whether a question about this subject can be asked so."""
        return (
            (not self.labels or label in self.labels)
            and (not self.kinds or subject.kind in self.kinds)
            and (not self.pair or bool(subject.names))
        )


class ClientSpecs:
    """The streams of draws of some labels.

    Raises:
        UsageError: clients.<language>.yaml or lexicon.<language>.yaml is not of its form; names the file.
    """

    def __init__(self, labels: Sequence[Label], language: str, *, seed: int) -> None:
        self.labels = {label.name: label for label in labels}
        self.language, self.seed = language, seed
        self.data: tuple[str, ...] = (f"clients.{language}", f"lexicon.{language}")
        clients, lexicon = self.data
        with prompts.of_form(lexicon):
            words, subjects = prompts.read_data(lexicon)["words"], prompts.read_data(lexicon)["subjects"]
            self.words: Mapping[str, Sequence[str]] = words
            self.subjects = {name: _read_subjects(name, subjects, set(self.labels), lexicon) for name in self.labels}
        with prompts.of_form(clients):
            self.who, self.how = (_read_manners(prompts.read_data(clients)[field], field, clients) for field in MANNERS)

    def of(self, label: str, start: int = 0) -> Iterator[Draw]:
        """The endless stream of a label's draws, from number `start` on.

        Raises:
            KeyError: there is no such label.
            UsageError: a form of the lexicon names a list that is not there, or holds itself.
        """
        deck = self.subjects[label]
        for n in count(start):
            subject = self._dealt(deck, n, label, "subject")
            yield {
                "label": label,
                "who": self._manner(self.who, "who", label, subject, n).name,
                **self._asked(label, subject, n),
                "difficulty": "border" if subject.against else "clear",
                "against": subject.against,
                "n": n,
            }

    def brief(self, draw: Mapping[str, Any]) -> dict[str, str]:
        """What a teacher is told about a draw, in words: `who`, `how`, `about` and, of a border case, the `rule`."""
        say = {manner.name: manner.say for manner in (*self.who, *self.how)}
        texts = {"who": say[draw["who"]], "how": say[draw["how"]], "about": " / ".join(draw["about"].values())}
        if draw["against"] is not None:
            texts["rule"] = self.labels[draw["label"]].rules.get(draw["against"], "")
        return {name: text for name, text in texts.items() if text}

    def _asked(self, label: str, subject: Subject, n: int) -> dict[str, Any]:
        how = self._manner(self.how, "how", label, subject, n)
        about = {"kind": subject.kind, "facet": subject.facet} if subject.kind else {}
        if subject.names:
            about["name"] = self._name(label, subject, n)
            other = (self._name(label, subject, n, attempt) for attempt in range(1, _ATTEMPTS))
            beside = next((name for name in other if name != about["name"]), None) if how.pair else None
            about |= {"and": beside} if beside else {}
        return {"how": how.name, "about": about}

    def _manner(self, manners: Sequence[Manner], field: str, label: str, subject: Subject, n: int) -> Manner:
        deck = [manner for manner in manners if manner.fits(label, subject) for _ in range(manner.weight)]
        if not deck:
            raise UsageError(f"clients: no `{field}` fits {label}", hint=_HINT)
        return self._dealt(deck, n, field)  # the same clients for every label: a label shows in no habit of theirs

    def _name(self, label: str, subject: Subject, n: int, attempt: int = 0) -> str:
        with prompts.of_form(f"lexicon.{self.language}"):
            source = self._dealt(subject.names, n, label, subject.kind, attempt)
            form = self._dealt(self.words[source], n, label, source, attempt)
            return prompts.expand(form, self.words, random.Random(f"{self.seed}|{label}|{n}|{attempt}"))

    def _dealt(self, deck: Sequence[Item], n: int, *key: object) -> Item:
        """The card at place `n` of a deck that is shuffled anew each time it has been dealt."""
        cycle, at = divmod(n, len(deck))
        return deck[_order(len(deck), f"{self.seed}|{key}|{cycle}")[at]]


@lru_cache(maxsize=4096)
def _order(size: int, seed: str) -> tuple[int, ...]:
    return tuple(random.Random(seed).sample(range(size), size))


def _read_subjects(label: str, entries: Sequence[Mapping[str, Any]], labels: set[str], data: str) -> list[Subject]:
    """The deck of a label's subjects; that of a label that the lexicon does not know is one blank card.

    A border on a label that is not asked for is none.
    """
    deck: list[Subject] = []
    for number, entry in enumerate(entries, 1):
        with prompts.of_form(data, f"subject {number}: "):
            if entry["label"] == label:
                deck += _read_facets(entry, labels)
    return deck or [Subject("", "", None, ())]


def _read_facets(entry: Mapping[str, Any], labels: set[str]) -> Iterator[Subject]:
    names = tuple(_weighed(entry.get("names") or {}))
    for facet, said in entry["facets"].items():
        said = said if isinstance(said, Mapping) else {"weight": said}
        against = said.get("against")
        yield from [Subject(entry["kind"], facet, against if against in labels else None, names)] * int(said["weight"])


def _weighed(weights: Mapping[str, int]) -> Iterator[str]:
    for name, weight in weights.items():
        yield from [name] * int(weight)


def _read_manners(entries: Mapping[str, Any], field: str, data: str) -> list[Manner]:
    manners = []
    for name, entry in entries.items():
        with prompts.of_form(data, f"{field}, {name}: "):
            manners.append(_read_manner(name, entry))
    return manners


def _read_manner(name: str, entry: Mapping[str, Any]) -> Manner:
    return Manner(
        name=name,
        say=str(entry["say"]),
        weight=int(entry["weight"]),
        labels=tuple(entry.get("labels", ())),
        kinds=tuple(entry.get("kinds", ())),
        pair=bool(entry.get("pair", False)),
    )
