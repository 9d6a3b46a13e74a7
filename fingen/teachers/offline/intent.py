"""Questions as clients type them, written by a grammar: prompts/phrases.<language>.yaml says how, a draw says what about.

A draw names who asks, how, what about and on which border (`fingen.tasks.client_specs` makes them). A border case is put in the
words of its facet, so that the rule that decides is in the question; its way of asking then shows in its surface alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fingen import prompts
from fingen.disk import dump_json
from fingen.errors import UsageError

_NAME, _AND = "\ufdd0", "\ufdd1"  # noncharacters that stand for the draw's names while a form is expanded
_HINT = (
    "the offline teacher writes about the subjects of its own lexicon: name a teacher for other labels (--teacher anthropic), "
    "or add forms to prompts/phrases.<language>.yaml"
)
_STOPS = re.compile(r"[，。？！、,.?!;；]+")
_SPARE = re.compile(" (?=[,.?!])")  # left where a choice is empty
_ENDS = ("？", "?", "！", "!", "。", "…")
_OPENED = 0.2  # of the questions that need no opening have one
_DATED = 0.2  # say when
_CLOSED = 0.15
_ASKED = 0.3  # of the plain questions end with a question mark


def write(draw: Mapping[str, Any], language: str) -> str:
    """The question that a client asks; the same draw gives the same question.

    Args:
        draw: `label`, `who`, `how`, `about` (`kind`, `facet`, and `name` and `and` where there are any) and `difficulty`;
            whatever else it holds makes another question of the same kind.
        language: zh or en.

    Raises:
        UsageError: the grammar has no words for the draw, or its file is not of its form; names the file.
    """
    data = f"phrases.{language}"
    if not draw.get("about"):
        raise UsageError(
            f"{prompts.data_file(f'lexicon.{language}')}: no subject under the label {draw.get('label')}: "
            "the offline teacher has no words for it",
            hint="name a model (--teacher anthropic), or add its subjects there and their phrases in your own ./prompts: "
            "`fingen prompts copy`",
        )
    try:
        phrases, lexicon = prompts.read_data(data), prompts.read_data(f"lexicon.{language}")
        voice = _Voice(phrases, lexicon["words"], draw, language)
        forms = _own_forms(phrases, draw)
        text = voice.put(forms or phrases["asked"][draw["about"]["kind"]][draw["about"]["facet"]])
        surface = _plain if forms and draw["how"] == "story" else HOW.get(draw["how"], _plain)
        return surface(text, voice)
    except prompts.WRONG_FORM as e:
        about = dump_json(draw["about"])
        raise UsageError(
            f"{prompts.data_file(data)}: no words for {about}: {prompts.say_wrong_form(e)}", hint=_HINT
        ) from e


def _own_forms(phrases: Mapping[str, Any], draw: Mapping[str, Any]) -> list[str]:
    """The forms of the draw's way of asking, where its subject has some; a border case is always put in those of its facet."""
    if draw["difficulty"] == "border" or (draw["how"] == "comparison" and "and" not in draw["about"]):
        return []
    return list(phrases["ways"].get(draw["how"], {}).get(draw["about"]["kind"], ()))


@dataclass
class _Voice:
    """One client: the dice, the words, and what the language does between words."""

    phrases: Mapping[str, Any]
    lexicon: Mapping[str, Any]
    draw: Mapping[str, Any]
    language: str

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.language}|{dump_json(dict(sorted(self.draw.items())))}")
        # What stands around a question says nothing about its label: the same for the same client of every label.
        self.habit = random.Random(f"{self.language}|{self.draw['who']}|{self.draw['how']}|{self.draw.get('n')}")
        self.words = {**self.lexicon, **self.phrases["words"], "name": [_NAME], "and": [_AND]}
        self.around: Mapping[str, Any] = self.phrases["around"]
        self.slips: Mapping[str, Any] = self.phrases["slips"]

    def put(self, forms: list[str]) -> str:
        """One of the forms in words."""
        text = prompts.expand(self.rng.choice(forms), self.words, self.rng)
        about = self.draw["about"]
        text = text.replace(_NAME, about.get("name", "")).replace(_AND, about.get("and", ""))
        return _SPARE.sub("", " ".join(text.split()))

    def opener(self) -> str:
        return str(self.habit.choice(self.around["openers"].get(self.draw["who"], [""])))

    def closer(self) -> str:
        return str(self.habit.choice(self.around["closers"].get(self.draw["who"], [""])))

    def slip(self, text: str, table: Mapping[str, list[str]], most: int) -> str:
        """The text with up to `most` words of a table said in another way; the draw's names stay."""
        kept = {self.draw["about"].get("name", ""), self.draw["about"].get("and", "")} - {""}
        found = [word for word in table if self._spot(word).search(text) and not any(word in name for name in kept)]
        for word in self.rng.sample(found, min(most, len(found))):
            spot = self._spot(word).search(text)
            if spot is not None:
                text = text[: spot.start()] + self.rng.choice(table[word]) + text[spot.end() :]
        return text

    def _spot(self, word: str) -> re.Pattern[str]:
        edge = r"\b" if self.language == "en" else ""
        return re.compile(edge + re.escape(word) + edge)


def _plain(text: str, voice: _Voice) -> str:
    rng = voice.habit
    if voice.draw["how"] in ("plain", "cost"):
        text = _dated(text, voice)
    if rng.random() < _OPENED:
        text = voice.opener() + text
    if rng.random() < _CLOSED:
        text = text.rstrip("".join(_ENDS)) + voice.closer()
    elif rng.random() < _ASKED and voice.draw["how"] != "statement" and not text.endswith(_ENDS):
        text += "？" if voice.language == "zh" else "?"
    return text


def _dated(text: str, voice: _Voice) -> str:
    """Now and then the client says when: before a question that does not say it, and is more than a name."""
    when = voice.around["when"]
    said = (*when, *voice.words["now"], *voice.words["day"])
    named = len(str(voice.draw["about"].get("name", ""))) + 2 >= len(text)
    if voice.habit.random() >= _DATED or not when or named or "，" in text or any(word in text for word in said):
        return text
    return f"{voice.habit.choice(when)}{text}"


def _terse(text: str, _voice: _Voice) -> str:
    return text


def _colloquial(text: str, voice: _Voice) -> str:
    before, after = (voice.habit.choice(voice.around[f"colloquial_{side}"]) for side in ("before", "after"))
    text = _dated(text, voice).rstrip("".join(_ENDS))
    if len(after) == 1 and text.endswith(tuple(voice.around["mute"])):
        after = ""
    return f"{before}{text}{after}"


def _polite(text: str, voice: _Voice) -> str:
    before = voice.habit.choice(voice.around["polite"])
    text = _dated(text, voice)
    return f"{before}{text}{voice.closer() if voice.habit.random() < _CLOSED else ''}"


def _story(text: str, voice: _Voice) -> str:
    return str(voice.habit.choice(voice.around["story"][voice.draw["label"]])) + text


def _typed(text: str, voice: _Voice) -> str:
    return voice.slip(text, voice.slips["typed"], voice.rng.choice([1, 1, 2]))


def _heard(text: str, voice: _Voice) -> str:
    """A transcript: no stops, words heard wrong, and a filler or two between the parts."""
    text = voice.slip(text, voice.slips["heard"], 2)
    parts = [part.strip() for part in _STOPS.split(text) if part.strip()]
    space = " " if voice.language == "en" else ""
    said = [f"{voice.habit.choice(voice.slips['fillers'])}{space}{part}" for part in parts]
    text = space.join(said)
    return text.lower() if voice.language == "en" else text


def _mixed(text: str, voice: _Voice) -> str:
    mixed = voice.slip(text, voice.slips["mixed"], 2)
    return mixed if mixed != text else voice.habit.choice(voice.slips["mixed_before"]) + text


HOW: dict[str, Callable[[str, _Voice], str]] = {
    "terse": _terse,
    "colloquial": _colloquial,
    "polite": _polite,
    "story": _story,
    "typos": _typed,
    "speech": _heard,
    "mixed": _mixed,
}
