"""What a model thought aloud before it answered: the marks of many models, also where they are cut off."""

from __future__ import annotations

import re

_NAME = r"(?:[a-z]{1,12}[:_])?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)"
_OPEN = re.compile(
    rf"<{_NAME}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>|<unused94>thought", re.IGNORECASE
)
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
