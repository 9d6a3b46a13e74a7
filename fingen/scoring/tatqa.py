"""TAT-QA's metrics: exact match, F1 over sets of words, and whether the scale is the right one.

The verdicts are those of its published script (Zhu et al., ACL 2021, github.com/NExTplusplus/TAT-QA, tatqa_metric.py and
tatqa_utils.py), whose oddities are kept: an answer of 0 is none, a percentage takes no scale, and the spans of an answer are
sorted as texts and compared as one.
"""

from __future__ import annotations

import json
import math
import re
import string
from dataclasses import dataclass
from typing import Any

from fingen.scoring.rows import ScoringItem

SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "percent": 0.01,
}  # in the order looked for
_DROPPED = str.maketrans("", "", "'\"\\$€£¥%(),[]")  # in a number
_MARKS = str.maketrans("", "", string.punctuation)
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)|[+-]?\.\d+")
_BRACKETED = re.compile(r"\([\d.\s]+\)")
_PERCENTAGE = re.compile(r"[\d.\s]+%")
_WITH_WORD = re.compile(r"[\d.]+\s?[a-zA-Z]+")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True)
class Verdict:
    """What an answer comes to, each 0 or 1; f1 has two decimals."""

    em: float
    f1: float
    scale: float


_NONE = Verdict(0.0, 0.0, 0.0)


def judge(answer_type: str, gold: Any, gold_scale: str, predicted: Any, scale: str | None) -> Verdict:
    """Hold an answer, one or a list, against the right one of a type: span, multi-span, arithmetic or count.

    Raises:
        ValueError, TypeError: the right answer is not of its type, or the answer has a list or a scale that is none.
    """
    if not predicted:
        return _NONE
    wanted = _gold_texts(answer_type, gold)
    if not wanted:
        return _NONE
    given = predicted if isinstance(predicted, list) else [predicted]
    texts = [_joined(given, scale)]
    if len(given) == 1 and (plain := _without_scale(str(given[0]), scale)) is not None:
        texts.append(plain)
    target = _joined(wanted, gold_scale)
    em, f1 = max(_compare(text, target) for text in texts)
    return Verdict(em, em if answer_type in ("arithmetic", "count") else f1, float(scale == gold_scale))


def _gold_texts(answer_type: str, gold: Any) -> list[Any]:
    if answer_type in ("span", "multi-span"):
        if not isinstance(gold, list):
            raise TypeError(f"the right answer of type {answer_type} is no list")
        return gold
    return [str(int(gold)) if answer_type == "count" else str(gold)]


def _joined(answers: list[Any], scale: str | None) -> str:
    """Answers as one text: sorted, numbers with their scale worked in, the scale behind others."""
    return " ".join(_scaled(str(answer), scale) for answer in sorted(answers))


def _scaled(text: str, scale: str | None) -> str:
    number = parse_number(text) if is_number(text) else None
    if number is None:
        return f"{text} {scale}" if scale else text
    return f"{number:.4f}" if "%" in text else f"{round(number, 2) * scale_of(scale):.4f}"


def _without_scale(text: str, scale: str | None) -> str | None:
    """A number that was given no scale as it stands, for 0.2342 may be 23.42 percent."""
    number = parse_number(text) if not scale and "%" not in text and is_number(text) else None
    return None if number is None else f"{number:.4f}"


def scale_of(text: str | None) -> float:
    """What a text with the name of a scale in it multiplies by; 1 where there is none.

    Raises:
        TypeError: it is no text.
    """
    if text is None:
        raise TypeError("a number has no scale: None")
    lower = text.lower()
    return next((times for name, times in SCALES.items() if name in lower), 1)


def is_number(text: str) -> bool:
    """Whether a text is a number, with the name of a scale behind it or nothing."""
    words = " ".join(word.translate(_DROPPED) for word in text.split()).split()
    try:
        return bool(words) and not math.isnan(float(words[0])) and (len(words) < 2 or scale_of(words[1]) != 1)
    except ValueError:
        return False


def parse_number(text: str) -> float | None:
    """The first number of a text with its sign and its own scale, to four decimals; None where there is none."""
    found = _NUMBER.search(text.translate(_DROPPED))
    if not found or not found[1]:
        return None
    number = float(found[1]) if "." in found[1] else int(found[1])
    word = _WITH_WORD.search(text)
    sign, part = -1 if _BRACKETED.search(text.strip()) else 1, 0.01 if _PERCENTAGE.search(text.strip()) else 1
    return round(number * (scale_of(word[0]) if word else 1) * sign * part, 4)


def _compare(predicted: str, gold: str) -> tuple[float, float]:
    given, wanted = _normal(predicted), _normal(gold)
    return float(given == wanted), _f1(set(given.split()), set(wanted.split()))


def _normal(text: str) -> str:
    return " ".join(part for token in text.split(" ") if (part := _normal_token(token.lower())))


def _normal_token(token: str) -> str:
    if not is_number(token):
        token = token.translate(_MARKS)
    if is_number(token):
        token = str(parse_number(token))
    return " ".join(_ARTICLE.sub(" ", token).split())


def _f1(given: set[str], wanted: set[str]) -> float:
    common = len(given & wanted)
    precision = common / len(given) if given else 1.0
    recall = common / len(wanted) if wanted else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision or recall else 0.0
    return round(f1 * 100) / 100  # half to even, as numpy does


def measure(item: ScoringItem, answer: str) -> dict[str, float]:
    """What an answer comes to: JSON of answer and scale, or [answer, scale]; else it's the answer as it stands, without a scale."""
    facts = item.facts
    predicted, scale = read_answer(answer)
    verdict = judge(facts["answer_type"], facts["answer"], facts["scale"], predicted, scale)
    return {"em": verdict.em, "span_f1": verdict.f1, "scale": verdict.scale}


def read_answer(answer: str) -> tuple[Any, str]:
    """The answer and the scale that a text gives."""
    text = answer.strip().removeprefix("```json").strip("` \n")
    try:
        said = json.loads(text) if text[:1] in "[{" and text else None
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and "answer" in said:
        return _plain(said["answer"]), str(said.get("scale") or "")
    if (
        isinstance(said, list)
        and len(said) == 2
        and isinstance(said[1], str)
        and isinstance(said[0], list | str | int | float | None)
    ):
        return _plain(said[0]), said[1]
    return answer.strip(), ""


def _plain(said: Any) -> Any:
    """A list of texts, a text or a number; of a list that mixes them, all as texts."""
    if isinstance(said, list):
        return (
            said
            if len({type(each) for each in said}) < 2 and not isinstance(said[0] if said else "", dict | list)
            else list(map(str, said))
        )
    return said if isinstance(said, str | int | float) or said is None else str(said)
