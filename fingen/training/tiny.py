"""The tiny base model: random weights, a tokenizer and a short pre-training from the set's own training rows.

It is there to try the whole road without a download. What it learns, it learns from the rows it is then tuned on.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Tokenizer, LlamaConfig, LlamaForCausalLM

from fingen.records import Record, dump_json, open_atomic
from fingen.training.base import quiet

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
CHAT = (
    "{% for m in messages %}{{ '<|user|>' if m['role'] == 'user' else '<|assistant|>' }}{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
VOCABULARY, FREQUENCY = 2048, 10  # tokens, and how often the rarest must occur
BLOCK_TOKENS, BLOCKS, STEPS, LEARNING_RATE = 128, 8, 100, 2e-3
ORIGIN = "origin.json"  # written last: the folder is whole


def build_tiny(records: Sequence[Record], folder: Path, of: str, seed: int, say: Callable[[str], None]) -> None:
    """Make the base model in `folder`, unless it is there. `of` names what it is made of: a hash of set and rows."""
    origin = {"made_by": "fingen", "set": of, "seed": seed, "steps": STEPS}
    path = folder / ORIGIN
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == origin:
        say(f"base model: {folder}, as it was made before")
        return
    texts = ["\n".join(part for part in (r.instruction, r.input, r.output) if part) for r in records]
    tokenizer = train_tokenizer(texts)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(tiny_config(tokenizer))
    say(
        f"base model: pre-training {model.num_parameters() / 1e6:.1f} million parameters on the training rows, {STEPS} steps"
    )
    _pretrain(model, [id for text in texts for id in [*tokenizer.encode(text), tokenizer.eos_token_id]], seed, say)
    if folder.exists():
        shutil.rmtree(folder)
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with open_atomic(path) as file:
        file.write(dump_json(origin, indent=2) + "\n")


def train_tokenizer(texts: Sequence[str]) -> Any:
    """Byte-level BPE over `texts`: it can write any text, and knows these.

    A longer token has to be frequent: of few rows, BPE would make tokens that are whole sentences, and the model would know
    rows by heart in place of reading them.
    """
    untrained: Any = GPT2Tokenizer()
    tokenizer = untrained.train_new_from_iterator(
        texts, VOCABULARY, new_special_tokens=[PAD, END, USER, ASSISTANT], min_frequency=FREQUENCY, show_progress=False
    )
    tokenizer.pad_token, tokenizer.eos_token, tokenizer.chat_template = PAD, END, CHAT
    return tokenizer


def tiny_config(tokenizer: Any, hidden: int = 256, layers: int = 3) -> LlamaConfig:
    """A small Llama for that tokenizer."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3 // 64 * 64,  # 4-bit kernels want multiples
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 64),
        num_key_value_heads=max(1, hidden // 64),
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """So small a model loses more by dividing its work than it gains, most of all on a machine that has other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _pretrain(model: Any, ids: list[int], seed: int, say: Callable[[str], None]) -> None:
    """Next-token loss over blocks drawn from the text."""
    block = min(BLOCK_TOKENS, len(ids))
    stream = torch.tensor(ids)
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    model.train()
    for step in range(STEPS):
        starts = torch.randint(len(ids) - block + 1, (BLOCKS,), generator=draw)
        batch = torch.stack([stream[start : start + block] for start in starts.tolist()])  # (BLOCKS, block)
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 10) * (1 + math.cos(math.pi * step / STEPS)) / 2
        optimizer.step()
        optimizer.zero_grad()
    say(f"base model: loss {loss.item():.2f} after {STEPS} steps")
