"""Base models of random weights, small enough to be tuned in a second, with any chat template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner, Result
from transformers import LlamaForCausalLM

from fingen.cli import main
from fingen.training.tiny import tiny_config, train_tokenizer

BARE = 4 + 256  # control tokens and single bytes: the first ones of such a vocabulary


def run(*arguments: object, code: int = 0, **options: Any) -> Result:
    """A command, as it is typed; it must end with that code."""
    result = CliRunner().invoke(main, [*map(str, arguments)], prog_name="fingen", **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def make_base(
    folder: Path, texts: Sequence[str], *, chat: str | None = None, positions: int | None = None, talks: bool = False
) -> Path:
    """Write a base model whose tokenizer was trained on some texts. One that `talks` answers in pieces of words, and learns less."""
    tokenizer = train_tokenizer([*texts] * 5)
    if chat:
        tokenizer.chat_template = chat
    config = tiny_config(tokenizer, hidden=64, layers=2)
    config.tie_word_embeddings = (
        not talks
    )  # tied, the likeliest token of a model of random weights is the last one again
    if positions:
        config.max_position_embeddings = positions
    torch.manual_seed(7)
    model = LlamaForCausalLM(config)
    model.model.embed_tokens.weight.data.mul_(10)
    if talks:
        model.lm_head.weight.data[:BARE].zero_()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def greedy(model: Any, ids: Sequence[int], tokens: int) -> list[int]:
    """The likeliest tokens, each from a forward of its own, up to an end."""
    said: list[int] = []
    with torch.no_grad():
        for _ in range(tokens):
            said.append(int(model(input_ids=torch.tensor([[*ids, *said]])).logits[0, -1].argmax()))
    return said
