"""Chat templates that write the day, or open a thought before the answer: prompts stay as they were learned, and that is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from small_models import make_base, run
from transformers import AutoTokenizer

from fingen.sets import read_split
from fingen.thoughts import closing

torch.set_num_threads(1)  # the models are too small for two
PLAIN = (
    "{% for m in messages %}{{ '<|user|>' if m.role == 'user' else '<|assistant|>' }}{{ m.content }}<|end|>{% endfor %}"
)
ASKS = "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
DATED = {
    "llama": "{% if not date_string is defined %}{% if strftime_now is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
    "{% else %}{% set date_string = '26 Jul 2024' %}{% endif %}{% endif %}{{ '<|user|>Today Date: ' + date_string + '<|end|>' }}",
    "granite": "{{ '<|user|>Today is ' + strftime_now('%B %d, %Y') + '.<|end|>' }}",
    "to the minute": "{% set now = strftime_now('%Y-%m-%d %H:%M') %}{{ now }}",
}
OPENED = {
    "line": ("<think>\n", "<think>\n\n</think>\n\n"),
    "bare": ("<think>", "<think>\n\n</think>\n\n"),
    "brackets": ("[THINK]", "[THINK]\n\n[/THINK]\n\n"),
    "named": ("<seed:think>\n", "<seed:think>\n\n</seed:think>\n\n"),
    "thought": ("<thought>\n", "<thought>\n\n</thought>\n\n"),
    "marks": ("<|begin_of_thought|>\n\n", "<|begin_of_thought|>\n\n<|end_of_thought|>\n\n"),
    "begun": ("<think>\nOkay,", "<think>\nOkay,\n\n</think>\n\n"),
    "closed": ("<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
    "plain": ("", ""),
}
TUNE = ("finetune", "--set", "build/intent", "--model", "base", "--epochs", "1", "--learning-rate", "0.01")
ADAPTER, MERGED = Path("build/adapters/intent-base"), Path("build/models/intent-base")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a set of 16 rows."""
    monkeypatch.chdir(tmp_path)
    run("synth", "intent", "--n", "16", "--validation", "0", "--teacher", "offline", "--language", "en", "--quiet")
    return tmp_path


def make(chat: str) -> None:
    make_base(Path("base"), [row.instruction for row in read_split(Path("build/intent"), "train")], chat=chat)


def on(day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have transformers take this for the present."""
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return now

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)


@pytest.mark.parametrize("head", DATED.values(), ids=DATED)
def test_an_adapter_is_good_on_another_day(head: str, here: Path, monkeypatch: pytest.MonkeyPatch):
    make(head + PLAIN + ASKS)
    on("2026-11-30 23:59", monkeypatch)
    tuned = run(*TUNE)
    on("2027-02-01 08:30", monkeypatch)
    asked = run("chat", ADAPTER, "--once", "Why?", "--max-tokens", "2")
    run("merge", ADAPTER)
    run("score", ADAPTER, "--set", "build/intent", "--split", "train", "--no-base", "--limit", "4")

    for said in (tuned, asked):
        assert "the chat template writes the day: it is told 2024-07-26 on any" in said.stderr
    learned = tuned.stderr[: tuned.stderr.index("(the first row")]
    assert "2024" in learned
    assert "2026" not in learned
    tokenizer, prompts = AutoTokenizer.from_pretrained(MERGED), set()
    for day in ("2027-02-01", "2031-07-07 01:02"):  # a server renders it, on its own day
        on(day, monkeypatch)
        message = [{"role": "user", "content": "Why?"}]
        prompts.add(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
    (prompt,) = prompts
    assert "2024" in prompt


@pytest.mark.parametrize(("opens", "closed"), OPENED.values(), ids=OPENED)
def test_a_thought_that_a_template_opens_is_closed_and_that_is_said(opens: str, closed: str, here: Path):
    make(PLAIN + "{% if add_generation_prompt %}{{ '<|assistant|>" + opens.replace("\n", "\\n") + "' }}{% endif %}")
    tuned = run(*TUNE)
    asked = run("chat", ADAPTER, "--once", "Why?", "--max-tokens", "2")
    run("merge", ADAPTER)
    tokenizer = AutoTokenizer.from_pretrained(MERGED)
    message = [{"role": "user", "content": "What of <think>?"}]
    served = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)

    for said in (tuned, asked):
        assert ("opens a thought before the answer: it is closed" in said.stderr) == (opens != closed)
    assert f"<|assistant|>{closed}" in tuned.stderr
    assert served.endswith(f"What of <think>?<|end|><|assistant|>{closed}")
    card = (MERGED / "README.md").read_text(encoding="utf-8")
    assert ("with thinking off" in card) == (opens != closed)
    modelfile = (MERGED / "Modelfile").read_text(encoding="utf-8")
    assert f"<|assistant|>{closed}{{{{ .Response }}}}" in modelfile


def test_a_thought_that_nothing_is_known_to_close_is_in_the_way(here: Path):
    make(PLAIN + "{% if add_generation_prompt %}{{ '<|assistant|><|channel|>analysis<|message|>' }}{% endif %}")
    refused = run(*TUNE, code=2)

    assert "opens a thought before the answer, and nothing is known to close it" in refused.stderr
    assert not (ADAPTER / "fingen.json").exists()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("<think>a</think><think>", "\n\n</think>\n\n"),
        ("<think>a</think>\n", ""),
        ("</think>", ""),
        ("<|channel|>final<|message|>", ""),
        ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant", ""),
        ("<|channel|>analysis<|message|>", None),
    ],
)
def test_what_is_open_at_the_end_is_closed_and_nothing_else(text: str, wanted: str | None):
    assert closing(text) == wanted


def test_rows_that_are_longer_than_the_model_reads_are_left_out_and_named(here: Path):
    rows = list(read_split(Path("build/intent"), "train"))
    base = make_base(Path("base"), [row.instruction for row in rows], chat=PLAIN + ASKS)
    tokenizer = AutoTokenizer.from_pretrained(base)
    template = [tokenizer.apply_chat_template([{"role": "user", "content": row.instruction},
                                               {"role": "assistant", "content": row.output}], tokenize=False) for row in rows]  # fmt: skip
    tokens = {row.id: len(tokenizer.encode(text)) for row, text in zip(rows, template, strict=True)}
    room = sorted(tokens.values())[8]
    long = [row.id for row in rows if tokens[row.id] > room]
    make_base(base, [row.instruction for row in rows], chat=PLAIN + ASKS, positions=room)
    tuned = run(*TUNE)
    manifest = json.loads((ADAPTER / "fingen.json").read_text(encoding="utf-8"))

    assert 0 < len(long) < len(rows)
    reason = f"longer than the {room} tokens that the base model reads"
    assert manifest["rows"]["left_out"] == {reason: long}
    assert manifest["rows"]["train"] == len(rows) - len(long)
    for said in (tuned.stderr, tuned.stdout):
        assert f"left out: {len(long)} rows: {reason} ({', '.join(long[:3])}" in said

    make_base(base, [row.instruction for row in rows], chat=PLAIN + ASKS, positions=8)
    refused = run(*TUNE, "--replace", code=2)
    asked = run("chat", "base", "--once", "Why was it that revenue fell in the last fiscal year?", code=2)
    assert "no training row is left: longer than the 8 tokens that the base model reads" in refused.stderr
    assert "take a base model that reads more" in refused.stderr
    assert "cutoff" not in refused.stderr
    assert "tokens with all that comes before it, and the model reads 8" in asked.stderr
