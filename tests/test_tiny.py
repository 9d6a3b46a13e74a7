"""The tiny base model knows no answers, and an adapter on it learns them: from the command line, on rows never trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from fingen.cli import main
from fingen.metrics import Interval, wilson
from fingen.records import Record
from fingen.sets import read_split
from fingen.training.base import load_tokenizer
from fingen.training.choices import Choice, score_options
from fingen.training.template import build_template
from fingen.training.tiny import PIECE_TOKENS, build_tiny
from fingen.training.use import Tuned, load_adapter

SET, ADAPTER = Path("build/intent"), Path("build/adapters/intent-tiny")
ASIDE = 240  # test rows: enough that an interval is narrower than what is to be shown


class Hits(NamedTuple):
    """Rows that were answered rightly, of how many."""

    right: int
    rows: int

    @property
    def interval(self) -> Interval:
        return wilson(self.right, self.rows)


def fingen(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.stderr
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def make_set(rows: int, test: int, *more: str) -> None:
    fingen("synth", "intent", "--n", rows, "--test", test, "--teacher", "offline", "--fixed-options", *more)


def ask(tuned: Tuned, rows: Sequence[Record], *, base: bool) -> Hits:
    """The likeliest letter of each row, by adapter or base."""
    template = tuned.template
    asked = [
        Choice(
            template.encode_prompt(template.render(row.instruction, row.input)),
            [template.encode_answer(letter) for letter in row.options or {}],
        )
        for row in rows
    ]
    with tuned.model.disable_adapter() if base else nullcontext():
        found = score_options(tuned.model, asked, template.pad)
    letters = [list(row.options or {})[logs.index(max(logs))] for row, logs in zip(rows, found, strict=True)]
    return Hits(sum(letter == row.output for letter, row in zip(letters, rows, strict=True)), len(rows))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_adapter_on_the_tiny_model_learns_what_its_base_does_not_know(language: str):
    make_set(500, ASIDE, "--language", language)
    tuned = fingen("finetune", "--model", "tiny")
    loaded, rows = load_adapter(ADAPTER), list(read_split(SET, "test"))
    base, adapter = ask(loaded, rows, base=True), ask(loaded, rows, base=False)
    majority = max(Counter(row.output for row in rows).values()) / len(rows)

    assert not {row.instruction for row in rows} & {row.instruction for row in read_split(SET, "train")}
    assert adapter.interval.low > majority + 0.1
    assert adapter.interval.low > base.interval.high
    assert base.interval.low < majority + 0.05  # before it is tuned it guesses
    history = [json.loads(line) for line in (ADAPTER / "training.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [row["loss"] for row in history if "loss" in row]
    assert sum(losses[-20:]) < sum(losses[:20]) / 2
    assert tuned["rows"]["train"] == 500


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("rows"))
        make_set(40, 0)
        return list(read_split(SET, "train"))


def weights(rows: Sequence[Record], folder: Path, seed: int = 0) -> dict[str, torch.Tensor]:
    build_tiny(rows, folder, "x", seed, lambda text: None, steps=2)
    return load_file(folder / "model.safetensors")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_which_answer_belongs_to_which_question_changes_nothing_in_the_base(
    rows: list[Record], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
):
    answers = data.draw(st.permutations([row.output for row in rows]))
    others = [row.model_copy(update={"output": answer}) for row, answer in zip(rows, answers, strict=True)]
    folder = tmp_path_factory.mktemp("base")
    first, second = weights(rows, folder / "a"), weights(others, folder / "b")

    assert (folder / "a/tokenizer.json").read_bytes() == (folder / "b/tokenizer.json").read_bytes()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_base_is_made_of_its_rows_and_its_seed(rows: list[Record], tmp_path: Path):
    made = weights(rows, tmp_path / "a")
    other_seed = weights(rows, tmp_path / "b", seed=1)
    fewer = weights(rows[:30], tmp_path / "c")
    name = "model.layers.0.self_attn.q_proj.weight"

    assert not torch.equal(made[name], other_seed[name])
    assert not torch.equal(made[name], fewer[name])


def test_texts_of_any_length_are_read(rows: list[Record], tmp_path: Path):
    long = rows[0].model_copy(
        update={"instruction": "负债" + "一二三四五六七八九十" * PIECE_TOKENS, "output": "长" * 500}
    )
    said: list[str] = []
    build_tiny([long], tmp_path / "one", "x", 0, said.append, steps=2)
    build_tiny([long], tmp_path / "one", "x", 0, said.append, steps=2)

    assert "nan" not in said[1]
    assert said[2].endswith("as it was made before")
    assert load_file(tmp_path / "one/model.safetensors")


def test_its_tokenizer_writes_any_text_and_speaks_in_nobodys_name(rows: list[Record], tmp_path: Path):
    weights(rows, tmp_path / "a")
    tokenizer = load_tokenizer(str(tmp_path / "a"))
    template = build_template(tokenizer, "chat")
    text = "Ünïcode 😀 营业收入\t1,234.5"

    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert {"<|assistant|>", "<|user|>", "<|end|>", "<|pad|>"} <= set(template.controls)
    assert template.end == tokenizer.convert_tokens_to_ids("<|end|>")
