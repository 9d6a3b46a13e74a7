"""A model as one GGUF file, for llama.cpp and what is built on it: for the architectures and tokenizers that were compared with it.

The names of tensors and keys, and the turning of queries and keys, are those of llama.cpp's convert_hf_to_gguf.py.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from fingen.config import GGUF_KINDS
from fingen.disk import read_object, read_whole, write_beside, write_text
from fingen.errors import UsageError
from fingen.events import Outcome
from fingen.install import install_command
from fingen.training.merged import MERGED, write_merged
from fingen.training.models import read_config
from fingen.training.serving_files import MODELFILE, plain_name

ARCHITECTURES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2"}  # as transformers and as llama.cpp call them
TURNED = ("attn_q", "attn_k")  # of Llama: their rows in pairs for the rotary embedding
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # kinds of tokens
BLOCK = 32  # weights that are quantised together
ENDS = ("token_embd.", "output.")  # the embedding and the head
TOKENIZER_BYTES = 64 << 20
FROM = re.compile(r"^FROM .*$", re.MULTILINE)
_LETTERS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {
    _LETTERS % "{1,3}": "llama-bpe",
    _LETTERS % "": "qwen2",
}  # what texts are split by before BPE -> llama.cpp's name
OTHERWISE = "convert it with llama.cpp: python convert_hf_to_gguf.py %s; the README.md in a merged model's folder has the commands"


@dataclass(frozen=True)
class Packed(Outcome):
    """A GGUF file that was written."""

    file: Path
    kind: str
    size_bytes: int = 0


def write_gguf(folder: Path, kind: str) -> Packed:
    """Write the model in `folder` as one GGUF file into it, and name that in its Modelfile.

    Args:
        folder: a model as transformers writes it.
        kind: of matrices, one of GGUF_KINDS; other weights are f32, and in four bits embedding and head are q8_0.

    Raises:
        UsageError: the extra is missing, or the architecture, its positions or the tokenizer are none that were compared.
        LimitError: the disk is full.
    """
    if find_spec("gguf") is None:
        raise UsageError("not installed: gguf", hint=install_command("gguf"))
    config = read_config(folder)
    architecture = next(
        (ARCHITECTURES[name] for name in config.get("architectures") or [] if name in ARCHITECTURES), None
    )
    if architecture is None:
        said = f"{folder}: only {', '.join(ARCHITECTURES)} are written as GGUF, not {config.get('architectures')}"
        raise UsageError(said, hint=OTHERWISE % folder)
    tokenizer = _read_tokenizer(folder)
    path = folder / f"{plain_name(folder.resolve().name)}-{kind}.gguf"
    import gguf

    with write_beside(path) as beside:
        writer = gguf.GGUFWriter(beside, architecture, use_temp_file=True)
        writer.add_name(folder.resolve().name)
        _add_shape(writer, config, folder)
        writer.add_file_type(getattr(gguf.LlamaFileType, GGUF_KINDS[kind]))
        _add_tokenizer(writer, folder, tokenizer, config)
        names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, architecture.upper()), config["num_hidden_layers"])
        for name, tensor in _weights(folder):
            there = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if there is None:
                raise UsageError(f"{folder}: GGUF has no place for {name}", hint=OTHERWISE % folder)
            turned = _turned(tensor, there, config) if architecture == "llama" else tensor
            _add_tensor(writer, there, turned, kind)
        if (factors := _rope_factors(config)) is not None:
            writer.add_tensor("rope_freqs.weight", factors.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    _name_it(folder, path)
    return Packed(path, kind, path.stat().st_size)


def _add_shape(writer: Any, config: Mapping[str, Any], folder: Path) -> None:
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    head = config.get("head_dim") or hidden // heads
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type", "default") not in ("default", "llama3"):
        raise UsageError(f"{folder}: its positions are {rope['rope_type']}", hint=OTHERWISE % folder)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10_000.0)))
    writer.add_rope_dimension_count(head)


def _rope_factors(config: Mapping[str, Any]) -> torch.Tensor | None:
    """What Llama 3.1's longer context divides its frequencies by; None where they are as they are."""
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type") != "llama3":
        return None
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    waves = 2 * math.pi * float(rope["rope_theta"]) ** (torch.arange(0, head, 2).double() / head)
    low, high, before = (
        rope[key] for key in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    )
    smooth = ((before / waves - low) / (high - low)).clamp(0, 1)
    factors: torch.Tensor = 1 / ((1 - smooth) / rope["factor"] + smooth)
    return factors.float()


def _read_tokenizer(folder: Path) -> dict[str, Any]:
    """The tokenizer of a model with the name that llama.cpp has for it, as `pre`.

    Raises:
        UsageError: it is none that was compared.
    """
    path = folder / "tokenizer.json"
    refused = UsageError(f"{path}: no tokenizer that was compared with llama.cpp's", hint=OTHERWISE % folder)
    if not path.is_file():
        raise refused
    tokenizer: dict[str, Any] = json.loads(read_whole(path, TOKENIZER_BYTES))
    model = tokenizer["model"]
    pre = _pre_tokenizer(tokenizer.get("pre_tokenizer") or {})
    normal = (tokenizer.get("normalizer") or {"type": "NFC"})[
        "type"
    ] == "NFC"  # llama.cpp does not: texts are nearly always so
    if pre is None or not normal or model["type"] != "BPE" or model.get("byte_fallback"):
        raise refused
    return {**tokenizer, "pre": pre}


def _pre_tokenizer(told: Mapping[str, Any]) -> str | None:
    parts = told.get("pretokenizers", [told])
    if not parts or parts[-1].get("type") != "ByteLevel" or parts[-1].get("add_prefix_space"):
        return None
    if not parts[-1].get("use_regex", True):
        pattern = parts[0].get("pattern", {}).get("Regex") if len(parts) == 2 else None
        return SPLITS.get(str(pattern))
    if len(parts) == 2 and parts[0].get("type") == "Digits" and parts[0].get("individual_digits"):
        return "smollm"
    return "gpt-2" if len(parts) == 1 else None


def _add_tokenizer(writer: Any, folder: Path, tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    from fingen.training.base import load_tokenizer

    loaded, merges = load_tokenizer(str(folder)), tokenizer["model"]["merges"]
    tokens = {number: text for text, number in tokenizer["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, NORMAL)
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], kinds[added["id"]] = added["content"], CONTROL if added["special"] else USER_DEFINED
    every = range(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokenizer["pre"])
    writer.add_token_list([tokens.get(number, f"[PAD{number}]") for number in every])
    writer.add_token_types([kinds.get(number, UNUSED) for number in every])
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in merges])
    ends = read_object(folder / "generation_config.json").get("eos_token_id", loaded.eos_token_id)
    first = loaded.encode("x")[:1] == [loaded.bos_token_id] and loaded.bos_token_id is not None
    for add, number in (
        (writer.add_bos_token_id, loaded.bos_token_id), (writer.add_eos_token_id, ends[0] if isinstance(ends, list) else ends),
        (writer.add_pad_token_id, loaded.pad_token_id),
    ):  # fmt: skip
        if number is not None:
            add(number)
    writer.add_add_bos_token(first)
    if loaded.chat_template:
        writer.add_chat_template(loaded.chat_template)


def _weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name)


def _turned(tensor: torch.Tensor, name: str, config: Mapping[str, Any]) -> torch.Tensor:
    """Queries and keys with the rows of each head as llama.cpp has them; others as they are."""
    if name.split(".")[-2] not in TURNED:
        return tensor
    heads = config["num_attention_heads"]
    count = heads if ".attn_q." in name else config.get("num_key_value_heads") or heads
    return tensor.reshape(count, 2, len(tensor) // count // 2, -1).swapaxes(1, 2).reshape(tensor.shape)


def _add_tensor(writer: Any, name: str, tensor: torch.Tensor, kind: str) -> None:
    """Add a tensor: matrices in the kind asked for, all else in f32."""
    import gguf

    if tensor.ndim < 2 or kind == "f32":
        writer.add_tensor(name, tensor.float().contiguous().numpy())
    elif kind == "f16" or tensor.shape[-1] % BLOCK:
        writer.add_tensor(name, tensor.half().contiguous().numpy())
    else:  # what every token goes through keeps eight bits, as llama.cpp keeps it finer than its layers
        as_kind = gguf.GGMLQuantizationType[("Q8_0" if name.startswith(ENDS) else kind).upper()]
        packed = gguf.quants.quantize(tensor.float().contiguous().numpy(), as_kind)
        writer.add_tensor(name, packed, raw_dtype=as_kind)


def _name_it(folder: Path, path: Path) -> None:
    """Have the Modelfile of a merged model name the file that is there."""
    record, modelfile = read_object(folder / MERGED), folder / MODELFILE
    if record and modelfile.is_file():
        text = modelfile.read_text(encoding="utf-8")
        write_text(modelfile, FROM.sub(f"FROM ./{path.name}", text, count=1))
        write_merged(folder, record)
