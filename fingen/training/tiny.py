"""The tiny base model: random weights, a tokenizer and a short pre-training, all from the set's own training rows.

It is there to try the whole road without a download. It reads questions and answers apart and never learns which belong
together: that is left to the adapter, so that base and tuned can be compared like those of any other model.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import GPT2Tokenizer, LlamaConfig, LlamaForCausalLM

from fingen.disk import build_folder, dump_json, refuse_others, write_text
from fingen.errors import UsageError
from fingen.records import Record
from fingen.training.base import quiet

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
CHAT = (
    "{% for m in messages %}{{ '<|user|>' if m['role'] == 'user' else '<|assistant|>' }}{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
VOCABULARY, FREQUENCY = 2048, 3  # tokens at most, and how often the rarest must occur
HIDDEN, LAYERS, SPREAD = 128, 2, 0.05  # width, depth, and the standard deviation that weights are drawn with
PIECE_TOKENS, STEP_TOKENS = 128, 1280  # of a piece of text at most, and of a step about
STEPS, WARMUP_STEPS, LEARNING_RATE = 300, 10, 4e-3
PASSES = 20  # over the text, at most: of a small set, more would be learned by heart
ORIGIN = "origin.json"  # written last: the folder is whole


def build_tiny(
    records: Sequence[Record], folder: Path, of: str, seed: int, say: Callable[[str], None], *, steps: int = STEPS,
    replace: bool = False,
) -> None:  # fmt: skip
    """Make the base model in `folder`, unless it is there. `of` names what it is made of: a hash of set and rows.

    Raises:
        UsageError: the folder holds something else, or one made of other rows that is not to be replaced.
    """
    origin = {"made_by": "fingen", "set": of, "seed": seed, "steps": steps, "hidden": HIDDEN, "layers": LAYERS}
    path = folder / ORIGIN
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) == origin:
        say(f"base model: {folder}, as it was made before")
        return
    if path.is_file() and not replace:
        said = f"{folder} is the base model of adapters on other rows of this set, or of another seed"
        raise UsageError(said, hint="make it anew with --replace; those adapters are then of no use")
    refuse_others(folder, () if not path.is_file() else {entry.name for entry in folder.iterdir()}, "tiny base model")
    # Questions and answers apart, and in an order that does not tell which answer belongs to which question.
    exchanges = [each for record in records for each in record.exchanges]
    asked = ["\n".join(part for part in (each.instruction, each.input) if part) for each in exchanges]
    texts = sorted([*asked, *(each.output for each in exchanges)])
    tokenizer = train_tokenizer(texts)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(tiny_config(tokenizer))
    pieces = _pieces(texts, tokenizer)
    steps = min(steps, PASSES * -(-len(pieces) // _pieces_per_step(pieces)))
    millions = model.num_parameters() / 1e6
    say(f"base model: pre-training {millions:.1f} million parameters on the training rows, {steps} steps")
    _pretrain(model, pieces, steps, seed, say)
    with build_folder(folder) as beside:
        with quiet():
            model.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        write_text(beside / ORIGIN, dump_json(origin, indent=2) + "\n")


def train_tokenizer(texts: Sequence[str]) -> Any:
    """Byte-level BPE over `texts`: it can write any text, and knows these.

    A token has to occur several times: of what occurs once, BPE would make tokens that are whole sentences, and the model
    would know rows by heart in place of reading them.
    """
    untrained: Any = GPT2Tokenizer()
    tokenizer = untrained.train_new_from_iterator(
        texts, VOCABULARY, new_special_tokens=[PAD, END, USER, ASSISTANT], min_frequency=FREQUENCY, show_progress=False
    )
    tokenizer.pad_token, tokenizer.eos_token, tokenizer.chat_template = PAD, END, CHAT
    return tokenizer


def tiny_config(tokenizer: Any, hidden: int = HIDDEN, layers: int = LAYERS) -> LlamaConfig:
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
        initializer_range=SPREAD,  # with the usual 0.02 so narrow a model pre-trains at half the speed
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


def _pretrain(model: Any, pieces: Sequence[list[int]], steps: int, seed: int, say: Callable[[str], None]) -> None:
    """Two losses over pieces of text: each next token; and where an answer would begin, which tokens the piece holds.

    The second makes the model look back at what it was asked, the rare tokens above all, which is where an adapter has to
    find whatever it is taught. On intent sets of 500 rows the adapter is then right more often than without (0.47 to 0.63
    of the test rows in place of 0.25 to 0.40; two sets in each of two languages, one seed).
    """
    rarity = _rarity(pieces, model.config.vocab_size)
    pad = model.config.pad_token_id
    batches = _batches(pieces, seed, pad)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    model.train()
    for step in range(steps):
        ids, ends = next(batches)  # (B, S), (B,)
        logits = model(input_ids=ids, use_cache=False).logits  # (B, S, V)
        reading = functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=pad)
        held = torch.zeros(len(ids), len(rarity)).scatter(1, ids, rarity[ids])  # (B, V)
        held /= held.sum(1, keepdim=True).clamp(min=1e-9)
        looking = functional.cross_entropy(logits[torch.arange(len(ids)), ends], held)
        loss: Any = reading + looking
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / WARMUP_STEPS) * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.step()
        optimizer.zero_grad()
    say(f"base model: loss {reading.item():.2f} a token, {looking.item():.2f} for what was asked, after {steps} steps")


def _pieces(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """The texts in pieces, each put as a question is: up to where its answer would begin. Equal ones are there once."""
    user, end, assistant = tokenizer.convert_tokens_to_ids([USER, END, ASSISTANT])
    room = PIECE_TOKENS - 3
    encoded = map(tokenizer.encode, dict.fromkeys(texts))
    return [[user, *ids[at : at + room], end, assistant] for ids in encoded for at in range(0, len(ids), room)]


def _pieces_per_step(pieces: Sequence[list[int]]) -> int:
    return min(len(pieces), max(1, STEP_TOKENS * len(pieces) // sum(map(len, pieces))))


def _batches(pieces: Sequence[list[int]], seed: int, pad: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Pieces padded on the right, (B, S), with the place of each one's last token, (B,): all of them, again and again."""
    count = _pieces_per_step(pieces)
    shuffle = random.Random(seed)
    waiting: list[list[int]] = []
    while True:
        if len(waiting) < count:
            waiting += shuffle.sample(pieces, len(pieces))
        drawn, waiting = waiting[:count], waiting[count:]
        length = max(map(len, drawn))
        ids = torch.tensor([piece + [pad] * (length - len(piece)) for piece in drawn])
        yield ids, torch.tensor([len(piece) - 1 for piece in drawn])


def _rarity(pieces: Sequence[list[int]], vocabulary: int) -> torch.Tensor:
    """How much it says of a piece that it holds a token: (V,), 0 for one that all of them hold, or none."""
    holding = torch.zeros(vocabulary)
    for piece in pieces:
        holding[list(set(piece))] += 1
    return torch.where(holding > 0, (len(pieces) / holding.clamp(min=1)).log(), 0.0)
