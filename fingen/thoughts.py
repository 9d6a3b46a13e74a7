"""What a model thought aloud before it answered: the marks of many models, also where they are cut off."""

from __future__ import annotations

import re

_WORD = (
    r"(?:inner[_ -]?)?(?:think(?:ing)?|thoughts?|thought[_ -]?process|reason(?:ing)?|reflect(?:ion)?|analysis|rationale|"
    r"scratch[_ -]?pad|cot|chain[_ -]of[_ -]thoughts?|deliberat(?:e|ion)|monologue)"
)
_NAME = rf"(?!end_)(?:[a-z]{{1,12}}[:_])?(?:ant)?{_WORD}"  # <seed:think>, <longcat_think>
# In <> a mark may have attributes, in [] it is in capitals: [analysis] is a word of a text.
_OPEN = re.compile(
    rf"<\s?{_NAME}(?:\s[^<>]{{0,80}})?>|<\|?(?:(?:begin|start)_(?:of_)?)?{_NAME}(?:_(?:begin|start))?\|>|<\|?channel>thought"
    rf"|(?-i:\[(?:THINK|THINKING|THOUGHTS?|REASONING)\])|◁{_NAME}▷|<unused94>thought|<\|inner_prefix\|>",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"<\s?/\s?{_NAME}\s?>|<\|(?:/|end_(?:of_)?){_NAME}\|>|<\|{_NAME}_end\|>|<channel\|>"
    rf"|(?-i:\[/(?:THINK|THINKING|THOUGHTS?|REASONING)\])|◁/{_NAME}▷|<unused95>|<\|inner_suffix\|>",
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


def without_thoughts(text: str) -> str | None:
    """Return the answer without what was thought beside it; None where it was still thinking when it ended."""
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
    return _SPECIAL.sub("", answers[-1] if answers else said).strip()


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
