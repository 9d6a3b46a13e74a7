"""What a model thought aloud before it answered: the marks of many models, also where they are cut off; and steps before an answer."""

from __future__ import annotations

import re

_WORD = (
    r"(?:inner[_ -]?)?(?:think(?:ing)?|thoughts?|thought[_ -]?process|reason(?:ing)?|reflect(?:ion)?|analysis|rationale|"
    r"scratch[_ -]?pad|cot|chain[_ -]of[_ -]thoughts?|deliberat(?:e|ion)|monologue)"
)
_NAME = rf"(?!end_)(?:[a-z]{{1,12}}[:_])?(?:ant)?{_WORD}"  # <seed:think>, <longcat_think>
_CAPITALS = r"(?-i:THINK(?:ING)?|THOUGHTS?|REASONING)"  # in []: [analysis] is a word of a text
_CLOSED_BY = {  # what opens a thought, in <> also with attributes, and what closes it
    rf"<\s?({_NAME})(?:\s[^<>]{{0,80}})?>": r"</\1>",
    rf"<\|(?:begin|start)_of_({_NAME})\|>": r"<|end_of_\1|>",
    rf"<\|(?!start_|begin_)({_NAME})_(?:begin|start)\|>": r"<|\1_end|>",
    rf"<\|(?!start_|begin_)({_NAME})\|>": r"<|/\1|>",
    rf"<\|START_({_WORD})\|>": r"<|END_\1|>",
    r"<\|?channel>thought": "<channel|>",
    rf"\[({_CAPITALS})\]": r"[/\1]",
    rf"◁({_NAME})▷": r"◁/\1▷",
    r"<unused94>thought": "<unused95>",
    r"<\|inner_prefix\|>": "<|inner_suffix|>",
}
_OPEN = re.compile("|".join(_CLOSED_BY), re.IGNORECASE)
_CLOSE = re.compile(
    rf"<\s?/\s?{_NAME}\s?>|<\|(?:/|end_(?:of_)?){_NAME}\|>|<\|{_NAME}_end\|>|<channel\|>"
    rf"|\[/{_CAPITALS}\]|◁/{_NAME}▷|<unused95>|<\|inner_suffix\|>",
    re.IGNORECASE,
)
# Harmony: each message names its channel; the answer is the one that is final. Some servers leave the words and drop the marks.
_CHANNEL = re.compile(r"<\|channel\|>\s{0,3}(\w{1,20})[^<]{0,80}<\|message\|>", re.IGNORECASE)
_BARE_FINAL = re.compile(r"\A\s*analysis(?=[A-Z\s]).*?assistantfinal", re.DOTALL)
_PREFACE = re.compile(r"\A\s*Here is my thought process:", re.IGNORECASE)  # of Granite, in words
_RESPONSE = re.compile(r"\bHere is my response:", re.IGNORECASE)
_ANSWER = re.compile(r"<answer>((?:(?!<answer>).)*)</answer>", re.IGNORECASE | re.DOTALL)
_SPECIAL = re.compile(
    r"<\|(?:end|return|start|im_end|eot_id|endoftext|call|start_response|end_response)\|>(?:assistant)?|</?answer>",
    re.IGNORECASE,
)

# What steps begin with, and what leads from them to the answer, in rows that have steps and in answers of who learned of them.
STEPS = {"en": ("Steps: ", "\nAnswer: "), "zh": ("步骤：", "\n答案：")}
_STEPS = re.compile(r"\s*(?:Steps|步骤)\s?[:：]")
_WORKED_OUT = re.compile(
    r"\s*(?:Steps|步骤)\s?[:：]\s*\D[^\n]*?[=>:：]\s?[-$€£¥]{0,2}\d"
)  # and no list of things to do
_ANSWERS = re.compile(r"(?:^|(?<=\s)|(?<=[.;。；]))(?:Answer|答案)\s?[:：]\s*")


def answer_start(text: str) -> int | None:
    """Return where the answer starts behind the steps before it, 0 where there are none; None where no answer follows them."""
    if not _STEPS.match(text):
        return 0
    marks = list(_ANSWERS.finditer(text))
    if marks:
        return marks[-1].end()
    return None if _WORKED_OUT.match(text) else 0


def after_steps(text: str) -> str | None:
    """Return the answer without the steps before it; None where these are there and no answer follows."""
    start = answer_start(text)
    return text[start:].strip() if start else None if start is None else text


def without_thoughts(text: str) -> str | None:
    """Return the answer without what was thought or worked out before it; None where it had not come when the text ended."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        if channels[-1][1].lower() != "final":
            return None
        text = text[channels[-1].end() :]
    elif bare := _BARE_FINAL.match(text):
        text = text[bare.end() :]
    elif _PREFACE.match(text):
        if not (response := _RESPONSE.search(text)):
            return None
        text = text[response.end() :]
    said = _said(text)
    if said is None:
        return None
    answers = _ANSWER.findall(said)
    return after_steps(_SPECIAL.sub("", answers[-1] if answers else said).strip())


def _said(text: str) -> str | None:
    """What stands outside of all marks; None where the last one that opens is never closed. What ends unopened began before it."""
    marks = [(mark.start(), mark.end(), True) for mark in _OPEN.finditer(text)]
    marks += [(mark.start(), mark.end(), False) for mark in _CLOSE.finditer(text)]
    parts: list[str] = []
    at, is_open = 0, False
    for start, end, opens in sorted(marks):
        if opens and not is_open:
            parts.append(text[at:start])
        elif not opens and not is_open:
            parts = []
        is_open, at = opens, end
    return None if is_open else "".join([*parts, text[at:]])


def closing(text: str) -> str | None:
    """What closes the thought that is open where a text ends: "" where none is, None where nothing is known to close it."""
    channels = list(_CHANNEL.finditer(text))
    if channels and channels[-1][1].lower() != "final" and not _SPECIAL.search(text, channels[-1].end()):
        return None
    opened = [(found.end(), found.expand(mark)) for opens, mark in _CLOSED_BY.items()
              for found in re.finditer(opens, text, re.IGNORECASE)]  # fmt: skip
    if not opened or _CLOSE.search(text, max(opened)[0]):
        return ""
    at, mark = max(opened)
    lines = len(text[at:]) - len(text[at:].rstrip("\n"))
    return "\n" * (2 - lines) + mark + "\n\n"  # an empty thought as Qwen3's own template writes it
