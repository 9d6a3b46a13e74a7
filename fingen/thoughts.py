"""What a model thought aloud before it answered: the marks of many models, also where they are cut off."""

from __future__ import annotations

import re

_NAME = r"(?:[a-z]{1,12}[:_])?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)"
_CLOSED_BY = {  # what opens a thought, and what closes it
    rf"<({_NAME})>": r"</\1>",
    r"\[(THINK)\]": r"[/\1]",
    r"◁(think)▷": r"◁/\1▷",
    r"<\|begin_of_thought\|>": "<|end_of_thought|>",
    r"<\|START_THINKING\|>": "<|END_THINKING|>",
    r"<unused94>thought": "<unused95>",
}
_OPEN = re.compile("|".join(_CLOSED_BY), re.IGNORECASE)
_CLOSE = re.compile(
    rf"</{_NAME}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>|<unused95>", re.IGNORECASE
)
# Harmony: each message names its channel; the answer is the one that is final. Some servers leave the words and drop the marks.
_CHANNEL = re.compile(r"<\|channel\|>\s{0,3}(\w{1,20})[^<]{0,80}<\|message\|>", re.IGNORECASE)
_BARE_FINAL = re.compile(r"\A\s*analysis(?=[A-Z\s]).*?assistantfinal", re.DOTALL)
_SPECIAL = re.compile(
    r"<\|(?:end|return|start|im_end|eot_id|endoftext|call)\|>(?:assistant)?|</?answer>", re.IGNORECASE
)


def without_thoughts(text: str) -> str | None:
    """Return the answer without what was thought before it; None where it was still thinking when it ended."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        if channels[-1][1].lower() != "final":
            return None
        text = text[channels[-1].end() :]
    elif bare := _BARE_FINAL.match(text):
        text = text[bare.end() :]
    closes = list(_CLOSE.finditer(text))
    after = closes[-1].end() if closes else 0
    if _OPEN.search(text, after):
        return None
    return _SPECIAL.sub("", text[after:]).strip()


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
