"""What TRL has learned of conversations with assistant_only_loss: its own template for training. Run by its Python, not by ours.

python trl_masks.py TOKENIZER CONVERSATIONS OUT [TEMPLATE of TRL's own, in place of the tokenizer's]
"""

from __future__ import annotations

import json
import sys
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer


def main(folder: str, talks: str, out: str, template: str = "") -> None:
    trl: Any = import_module("trl.chat_template_utils")  # a package of that Python alone
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    if template:
        files = resources.files("trl") / "chat_templates"
        tokenizer.chat_template = (files / f"{template}.jinja").read_text(encoding="utf-8")
    marked = trl.get_training_chat_template(tokenizer)
    ways = {"chat_template": marked, "return_dict": True, "return_assistant_tokens_mask": True}
    found = [
        tokenizer.apply_chat_template(talk, **ways) for talk in json.loads(Path(talks).read_text(encoding="utf-8"))
    ]
    told = [[list(each["input_ids"]), list(each["assistant_masks"])] for each in found]
    Path(out).write_text(json.dumps({"template": tokenizer.chat_template, "rows": told}), encoding="utf-8")


main(*sys.argv[1:])
