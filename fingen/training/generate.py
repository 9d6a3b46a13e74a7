"""An answer written token by token: the likeliest one, or one that is drawn; handed on piece by piece, and ended when it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from fingen.errors import LimitError, UsageError
from fingen.training.base import positions, quiet
from fingen.training.template import Template

UNFINISHED = "\ufffd"  # what a tokenizer shows for a character of which some bytes are still to come
Write = Callable[[str], None]


@dataclass(frozen=True)
class Sampling:
    """How an answer is chosen. At temperature 0 each token is the likeliest one, and nothing is left to chance."""

    temperature: float = 0.0
    top_p: float = 1.0  # share of the likelihood that tokens are drawn from
    seed: int | None = None  # None: another answer each time
    stop: tuple[str, ...] = ()  # texts before which it ends


@dataclass(frozen=True)
class Written:
    """An answer. `ending`: it ended by itself or before a stop, had no more room, or was interrupted."""

    text: str
    ending: Literal["stop", "length", "interrupted"]
    prompt_tokens: int
    tokens: int  # written, the one that ends it included


def generate(
    model: Any, template: Template, prompt: Sequence[int], *, max_tokens: int, sampling: Sampling = Sampling(),
    write: Write = lambda piece: None, is_stopped: Callable[[], bool] = lambda: False,
) -> Written:  # fmt: skip
    """Go on from a prompt. `write` gets the answer piece by piece; `is_stopped` is asked after each token.

    Raises:
        UsageError: the prompt leaves the model no room. LimitError: out of memory.
    """
    most = positions(model)
    if most is not None and len(prompt) >= most:
        said = f"the question has {len(prompt):,} tokens with all that comes before it, and the model reads {most:,}"
        raise UsageError(said, hint="ask something shorter, or begin anew")
    ids = torch.tensor([prompt], device=model.device)
    printer = _Printer(template.tokenizer, write, sampling.stop)
    options = {
        "attention_mask": torch.ones_like(ids), "pad_token_id": template.pad, "eos_token_id": template.end,
        "max_new_tokens": max_tokens if most is None else min(max_tokens, most - len(prompt)), "streamer": printer,
        "stopping_criteria": StoppingCriteriaList([_Ended(lambda: printer.is_over or is_stopped())]),
        "logits_processor": LogitsProcessorList([_Draw(sampling, ids.device)] if sampling.temperature else []),
    }  # fmt: skip
    try:
        with torch.no_grad(), quiet():
            out = model.generate(ids, **options)
    except torch.OutOfMemoryError as e:
        raise LimitError("out of memory while answering", hint="ask something shorter, or pass --load 4bit") from e
    tokens = out[0, len(prompt) :].tolist()
    ended = printer.is_over or template.end in tokens
    return Written(
        printer.written if printer.is_over else template.tokenizer.decode(tokens, skip_special_tokens=True),
        "stop" if ended else "interrupted" if is_stopped() else "length",
        len(prompt),
        len(tokens),
    )


class _Printer(BaseStreamer):
    """Hands each piece of an answer on as soon as it is whole, and holds back what may be the beginning of a stop."""

    def __init__(self, tokenizer: Any, write: Write, stops: Sequence[str]) -> None:
        self.written, self.is_over = "", False
        self._tokenizer, self._write, self._stops = tokenizer, write, stops
        self._ids: list[int] = []
        self._shown = self._before = 0  # tokens that are shown; those before which none is looked at
        self._held, self._is_prompt = "", True

    def put(self, value: torch.Tensor) -> None:
        """Take tokens: the prompt first, then those that are written."""
        if self._is_prompt:
            self._is_prompt = False
            return
        self._ids += value.flatten().tolist()
        before = self._decode(
            self._ids[self._before : self._shown]
        )  # a word may begin with a space only behind another
        now = self._decode(self._ids[self._before :])
        if len(now) > len(before) and not now.endswith(UNFINISHED):
            self._before, self._shown = self._shown, len(self._ids)
            self._take(now[len(before) :])

    def end(self) -> None:
        """Hand on what was held back."""
        if not self.is_over:
            rest = self._decode(self._ids[self._before :])[len(self._decode(self._ids[self._before : self._shown])) :]
            self._hand_on(self._held + rest)

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _take(self, piece: str) -> None:
        if self.is_over:
            return
        text = self._held + piece
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        self.is_over = bool(places)
        free = min(places) if places else len(text) - _begun(text, self._stops)
        self._held = text[free:]
        self._hand_on(text[:free])

    def _hand_on(self, text: str) -> None:
        if text:
            self.written += text
            self._write(text)


def _begun(text: str, stops: Sequence[str]) -> int:
    """How many of a text's last characters may be the beginning of a stop."""
    longest = max(map(len, stops), default=1) - 1
    sizes = range(min(longest, len(text)), 0, -1)
    return next((size for size in sizes if any(stop.startswith(text[-size:]) for stop in stops)), 0)


class _Ended(StoppingCriteria):
    def __init__(self, is_ended: Callable[[], bool]) -> None:
        self._is_ended = is_ended

    def __call__(self, input_ids: torch.Tensor, scores: Any, **options: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._is_ended(), device=input_ids.device)


class _Draw(LogitsProcessor):
    """Draws a token with random numbers of its own, so that a seed gives one answer whatever else is written meanwhile."""

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._sampling, self._generator = sampling, torch.Generator(device)
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The logits (1, V) with one token left in them."""
        shares, order = (scores.float() / self._sampling.temperature).softmax(-1).sort(descending=True)
        shares[shares.cumsum(-1) - shares >= self._sampling.top_p] = 0  # the likeliest one stays
        if not self._sampling.top_p:
            shares[:, 0] = 1
        drawn = order.gather(-1, torch.multinomial(shares, 1, generator=self._generator))
        return torch.full_like(scores, -torch.inf).scatter(-1, drawn, 0.0)
