"""Encoders with a head of classes, of random weights, small enough to learn a few words in a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

WORDS = {"positive": ["rose", "record"], "negative": ["fell", "loss"], "neutral": ["is", "based"]}
FILLERS = ["profit", "sales", "the", "company", "plant", "in", "espoo"]
CONTROLS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
CLASSES = ("positive", "negative", "neutral")


def sentences(count: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """Sentences of different lengths with their class, which their last but one word tells."""
    drawn = torch.Generator().manual_seed(seed)

    def draw(among: Sequence[str]) -> str:
        return among[int(torch.randint(len(among), (1,), generator=drawn))]

    for _ in range(count):
        label = draw(CLASSES)
        fillers = [draw(FILLERS) for _ in range(int(torch.randint(2, 9, (1,), generator=drawn)))]
        yield " ".join([*fillers, draw(WORDS[label]), draw(FILLERS)]), label


def make_classifier(
    folder: Path, names: Sequence[str] = CLASSES, *, steps: int = 0, roberta: bool = False, safe: bool = True
) -> Path:
    """Write an encoder of random weights, or one that has learnt a little, whose classes have these names."""
    words = [*CONTROLS, *FILLERS, *(word for words in WORDS.values() for word in words)]
    own = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(3)
    wanted: dict[str, Any] = {
        "vocab_size": len(words), "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "pad_token_id": 0,
        "intermediate_size": 64, "max_position_embeddings": 17 if roberta else 16, "id2label": dict(enumerate(names)),
        "label2id": {name: place for place, name in enumerate(names)},
    }  # fmt: skip
    model: Any = (
        RobertaForSequenceClassification(RobertaConfig(**wanted))
        if roberta
        else BertForSequenceClassification(BertConfig(**wanted))
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    rows = list(sentences(64, seed=1))
    given = tokenizer([text for text, _ in rows], padding=True, return_tensors="pt")
    for _ in range(steps):
        labels = torch.tensor([CLASSES.index(label) for _, label in rows])
        model(input_ids=given["input_ids"], attention_mask=given["attention_mask"], labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder
