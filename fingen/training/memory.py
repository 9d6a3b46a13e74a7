"""How much memory a training takes, from the widths of a model and the tokens that go through it at once. An estimate.

Three parts: the weights; the adapter with its gradient and two moments; and what a forward pass keeps for the way back, which
is most of it in a small model. On SmolLM2-135M in fp32 on a CPU it is within 15 % of what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fingen.config import WEIGHT_BYTES, Tuning

GIB = 1 << 30
RUNTIME_BYTES = 600 << 20  # Python with torch, transformers and peft, before any weight: measured on Linux
TRAINED_BYTES = 16.0  # weight, gradient and two moments in 32 bits
LOGIT_BYTES = 12.0  # a logit, its log-probability and its gradient in 32 bits
# glibc hands out the aligned blocks that torch asks for with holes of nearly their size behind them; blocks from 32 MiB on
# are pages of their own. Measured: 1.9 times what autograd keeps, and with layers computed anew half of that.
HOLES, HOLES_CHECKPOINTED, WHOLE_PAGES_BYTES = 1.9, 0.5, 32 << 20
GUESSED_LAYERS, GUESSED_VOCABULARY = 32, 150_000
GUESSED_ANSWER_SHARE = 0.25  # of the tokens, where no rows are at hand


@dataclass(frozen=True)
class Shape:
    """The depth and the widths of a decoder."""

    layers: int
    hidden: int
    inner: int  # of the MLP
    queries: int  # of all heads together
    keys: int
    vocabulary: int

    def kept_floats(self, tuning: Tuning) -> int:
        """What a layer keeps of a token for the way back: in and out of its norms, attention, MLP and adapters.

        Counted with torch's saved_tensors_hooks on a Llama; dropout keeps its noise and its result in place of an adapter's input.
        """
        kept = 4 * self.inner + 4 * self.hidden + 2 * self.queries + 2 * self.keys + 7 * tuning.rank
        return kept + (8 * self.hidden + 2 * self.queries + self.inner if tuning.dropout else 0)

    def adapter_parameters(self, rank: int) -> int:
        """Of an adapter on all linear layers: rank times in and out of q, k, v, o, gate, up and down."""
        attention = 4 * self.hidden + 2 * self.queries + 2 * self.keys
        return self.layers * rank * (attention + 3 * (self.hidden + self.inner))


@dataclass(frozen=True)
class Batch:
    """Tokens that are in memory at once, padding included, and how many of them are learned."""

    tokens: int
    answers: int


def read_shape(config: Mapping[str, Any]) -> Shape | None:
    """The shape that a config.json tells; None where it names the widths otherwise than Llama and its kin do."""
    config = config.get("text_config") or config
    try:
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        head = int(config.get("head_dim") or hidden // heads)
        keys = head * int(config.get("num_key_value_heads") or heads)
        layers, inner = int(config["num_hidden_layers"]), int(config["intermediate_size"])
        return Shape(layers, hidden, inner, head * heads, keys, int(config["vocab_size"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def guess_shape(billions: float) -> Shape:
    """The shape of a usual model of that size: hidden units by layers are fitted to those of the table, 0.5 to 15 billion."""
    hidden = round(3.3e4 * billions**0.66 / GUESSED_LAYERS)
    return Shape(GUESSED_LAYERS, hidden, round(3.5 * hidden), hidden, hidden // 4, GUESSED_VOCABULARY)


def least_bytes(billions: float, load: str) -> int:
    """What no setting makes smaller: the weights, and an adapter of rank 1."""
    adapter = guess_shape(billions).adapter_parameters(1) * TRAINED_BYTES
    return int(billions * 1e9 * WEIGHT_BYTES["bf16" if load == "auto" else load] + adapter)


def memory_bytes(
    billions: float, load: str, tuning: Tuning, *, shape: Shape | None = None, batch: Batch | None = None, cpu: bool = False
) -> int:  # fmt: skip
    """Memory of a training with batches of at most `batch`; without one, of `tokens_per_batch` tokens, a quarter answers."""
    shape = shape or guess_shape(billions)
    batch = batch or Batch(tuning.tokens_per_batch, round(tuning.tokens_per_batch * GUESSED_ANSWER_SHARE))
    weights = billions * 1e9 * WEIGHT_BYTES["bf16" if load == "auto" else load]
    adapter = shape.adapter_parameters(tuning.rank) * TRAINED_BYTES
    width = 4 if load == "fp32" else 2
    layer = batch.tokens * shape.kept_floats(tuning) * width
    holes = HOLES if cpu and batch.tokens * shape.inner * width < WHOLE_PAGES_BYTES else 1.0
    kept = shape.layers * layer * holes
    if tuning.gradient_checkpointing:
        kept = kept * HOLES_CHECKPOINTED if holes > 1 else shape.layers * batch.tokens * shape.hidden * width + layer
    return int(RUNTIME_BYTES + weights + adapter + kept + batch.answers * shape.vocabulary * LOGIT_BYTES)
