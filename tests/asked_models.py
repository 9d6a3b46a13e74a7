"""A folder with small models to be asked: bases, adapters on sets of letters, labels and free text, and merged ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_models import make_base, run

from fingen.sets import read_split

PLAIN = "{% for m in messages %}{{ '<|user|>' if m.role != 'assistant' else '<|assistant|>' }}{{ m.content }}<|end|>{% endfor %}"
CHAT = PLAIN + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}" + CHAT
LOSES_SYSTEM = CHAT.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")
TEXTS = (
    "What was revenue in 2023? It was 42 million.",
    "Why did finance costs fall? Less debt.",
    "He said so, and then?",
)
TUNE = ("--model", "base", "--epochs", "4", "--learning-rate", "0.01", "--quiet")


def make_workplace(folder: Path) -> Path:
    """Write all of it into a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("synth", "intent", "--n", "24", "--validation", "0", "--teacher", "offline", "--language", "en", "--quiet")
        lines = [
            f"Profit {word} in quarter {n},{label}"
            for n in range(9)
            for word, label in (("rose", "up"), ("fell", "down"))
        ]
        Path("rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
        run("import", "csv", "rows.csv", "--text", "text", "--label", "label", "--out", "build/labels")
        rows = [
            {"instruction": f"What was item {n}?", "input": f"Item {n} was {n * n}.", "output": f"{n * n}"}
            for n in range(12)
        ]
        Path("rows.json").write_text(json.dumps(rows), encoding="utf-8")
        run("import", "alpaca", "rows.json", "--out", "build/texts")
        asked = [row.instruction for row in read_split(Path("build/intent"), "train")]
        make_base(Path("base"), [*asked, *lines, *TEXTS], chat=CHAT, talks=True)
        make_base(Path("silent"), asked, chat=CHAT)
        run("finetune", "--set", "build/intent", *TUNE, "--model", "silent")
        for name in ("labels", "texts"):
            run("finetune", "--set", f"build/{name}", *TUNE)
        run("finetune", "--set", "build/texts", *TUNE, "--override", "form=fingpt", "--out", "build/adapters/fingpt")
        run("merge", "build/adapters/intent-silent")
        run("merge", "build/adapters/fingpt")
    return folder
