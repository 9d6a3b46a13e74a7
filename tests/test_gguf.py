"""Models as GGUF files: what llama.cpp makes of a text and answers to it is what transformers does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from llama_server import llama
from small_models import greedy, run
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config

from fingen.config import GGUF_KINDS

ASKED = (
    "What is EBITDA?", "营业收入 2019 年是多少？", "Revenue was $1,234.5m in 2024,\n\nup 12.5 %.", "It's  what they've   said…",
    "净利润为 -3,456.78 万元（2023 年：1,200 万元）", "\tNet_income(loss) = 0.05\r\n", "Où est-il? Ça va — 5€", "ROE 12%",
)  # fmt: skip
TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama3": (LlamaConfig, {}),
    "llama3.1": (LlamaConfig, {"rope_parameters": {"rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
                                                   "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}),
    "qwen": (Qwen2Config, {"tie_word_embeddings": False}),
}  # fmt: skip


def make(kind: str, folder: Path, shared: Path) -> Path:
    """A small model of random weights with a real vocabulary; its layers and its attention matter for what it says."""
    config_of, more = KINDS[kind]
    name = "qwen" if kind == "qwen" else "llama3"
    packed = shared / "tokenizers" / name / "tokenizer.json.gz"
    if not packed.is_file():
        pytest.skip(f"no vocabulary at {packed}")
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(gzip.decompress(packed.read_bytes()))
    first = "<|begin_of_text|>" if name == "llama3" else None
    end = "<|eot_id|>" if name == "llama3" else "<|im_end|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token=first, eos_token=end)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    config = config_of(vocab_size=len(tokenizer), hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4,
                       num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.3,
                       eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id, **more)  # fmt: skip
    torch.manual_seed(3)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def gap(model: Any, ids: list[int], said: list[int]) -> float:
    """How far the likeliest token was above what was said where that first was another one, by the spread of all logits.

    llama.cpp keeps keys and values in half precision: of two that are as likely it may take the other.
    """
    right = greedy(model, ids, len(said))
    place = next((place for place, pair in enumerate(zip(said, right, strict=True)) if pair[0] != pair[1]), None)
    if place is None:
        return 0.0
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*ids, *said[:place]]])).logits[0, -1]
    return float((logits[right[place]] - logits[said[place]]) / logits.std())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_llama_cpp_reads_and_answers_as_transformers(kind: str, shared: Path, tmp_path: Path):
    pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    folder = make(kind, tmp_path / "model", shared)
    run("merge", folder, "--gguf", "f32", "--quiet")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    with llama(folder / "model-f32.gguf", 256) as server:
        for text in ASKED:
            ids = tokenizer.encode(text, add_special_tokens=False)
            assert server.tokenize(text) == ids, text
            said = server.complete(ids, 12, temperature=0, ignore_eos=True, return_tokens=True)["tokens"]
            assert gap(model, ids, said) < 0.02, text


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(GGUF_KINDS))
def test_a_real_model_is_read_and_answers_as_before(kind: str, smollm2: Path, tmp_path: Path):
    pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    folder = tmp_path / "model"
    folder.mkdir()
    for path in smollm2.iterdir():
        if path.suffix != ".gguf":
            (folder / path.name).symlink_to(path)
    told = json.loads(run("merge", folder, "--gguf", kind, "--json").stdout)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    prompts = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in ASKED[:4]]
    encoded = [tokenizer.encode(prompt, add_special_tokens=False) for prompt in prompts]
    with llama(folder / f"model-{kind}.gguf", 512) as server:
        assert [server.tokenize(prompt) for prompt in prompts] == encoded
        said = [
            server.complete(ids, 8, temperature=0, ignore_eos=True, return_tokens=True)["tokens"] for ids in encoded
        ]

    off = max(gap(model, *pair) for pair in zip(encoded, said, strict=True))
    limits = {"f32": (0.02, 1.02), "f16": (0.05, 0.52), "q8_0": (0.3, 0.29), "q4_1": (2.0, 0.21), "q4_0": (2.0, 0.20)}
    assert off < limits[kind][0]  # fewer bits tip a tie that is less near
    assert told["size_bytes"] < limits[kind][1] * (smollm2 / "model.safetensors").stat().st_size


def test_a_tokenizer_or_a_kind_of_model_that_was_not_compared_is_refused(tmp_path: Path):
    for config, tokenizer, said in (
        ({"architectures": ["MixtralForCausalLM"]}, {}, "only LlamaForCausalLM, Qwen2ForCausalLM are written as GGUF"),
        ({"architectures": ["LlamaForCausalLM"]}, {"model": {"type": "Unigram"}}, "no tokenizer that was compared"),
        ({"architectures": ["LlamaForCausalLM"]}, {"model": {"type": "BPE"}, "pre_tokenizer": {"type": "Metaspace"}}, "no tokenizer"),
    ):  # fmt: skip
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        refused = run("merge", tmp_path, "--gguf", "f16", code=2).output
        assert said in refused
        assert "convert_hf_to_gguf.py" in refused
        assert not list(tmp_path.glob("*.gguf*"))
