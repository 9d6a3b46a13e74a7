"""Models with code of their own as models that transformers knows: Baichuan2 as Llama, ChatGLM2 and ChatGLM3 as GLM.

Weights are read without running anything: from safetensors, or from pickles by torch's reader of plain tensors. What the
original code computes is known for some settings; a model with others is refused. The tokenizer is written anew, and taken
only if prompts give the same token ids as the original's SentencePiece model does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch.nn import functional

from fingen.disk import build_folder, check_writable, refuse_others
from fingen.errors import HubError, UsageError
from fingen.install import install_command
from fingen.training.base import quiet
from fingen.training.models import is_hub_id, read_config

library: Any = transformers  # it is annotated in part only
Say = Callable[[str], None]
NEEDED_FILES = ("*.bin", "*.safetensors", "*.index.json", "config.json", "generation_config.json", "tokenizer.model")
SHARD = "4GB"
USER, ASSISTANT = "<reserved_106>", "<reserved_107>"  # Baichuan2's ids 195 and 196
GLM_PREFIX, ROLES = ("[gMASK]", "<sop>"), ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
GLM_SPECIAL = ("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>")  # behind the pieces, in this order
Turn = Mapping[str, str]  # role, content


@dataclass(frozen=True)
class Family:
    """One of the model families that can be converted: which settings it must have, and what becomes of its weights."""

    title: str
    required: Mapping[str, Any]  # settings of config.json by which the original code computes what is written here
    config: Callable[[Mapping[str, Any]], Any]  # settings -> transformers' configuration
    weights: Callable[[str, torch.Tensor, Mapping[str, Any]], dict[str, torch.Tensor]]  # name, tensor -> new ones
    template: str
    special: Callable[[int], dict[str, int]]  # pieces of the SentencePiece model -> tokens beside them, and their ids
    prompt: Callable[
        [Any, Sequence[Turn]], list[int]
    ]  # SentencePiece model, turns -> what the original code would ask with
    has_system: bool = True  # whether a conversation may begin with a system line


@dataclass(frozen=True)
class Converted:
    """What a conversion made."""

    folder: Path
    family: str
    tensors: int
    prompts: int  # whose token ids were compared


# --- Baichuan2 ---------------------------------------------------------------------------------------------------------


def _baichuan_config(old: Mapping[str, Any]) -> Any:
    return library.LlamaConfig(
        vocab_size=old["vocab_size"],
        hidden_size=old["hidden_size"],
        intermediate_size=old["intermediate_size"],
        num_hidden_layers=old["num_hidden_layers"],
        num_attention_heads=old["num_attention_heads"],
        num_key_value_heads=old["num_attention_heads"],
        max_position_embeddings=old["max_position_embeddings"],
        rms_norm_eps=old["rms_norm_eps"],
        hidden_act=old["hidden_act"],
        bos_token_id=old.get("bos_token_id", 1),
        eos_token_id=old.get("eos_token_id", 2),
        pad_token_id=old.get("pad_token_id", 0),
        tie_word_embeddings=False,
    )


def _baichuan_weights(name: str, tensor: torch.Tensor, old: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    if name == "lm_head.weight":  # its head is applied with rows of length 1
        return {name: functional.normalize(tensor.float()).to(tensor.dtype)}
    if name.endswith(".self_attn.W_pack.weight"):
        start = name.removesuffix("W_pack.weight")
        parts = tensor.chunk(3, dim=0)
        return {f"{start}{part}_proj.weight": weight.contiguous() for part, weight in zip("qkv", parts, strict=True)}
    return {} if name.endswith("rotary_emb.inv_freq") else {name: tensor}


def _baichuan_prompt(pieces: Any, turns: Sequence[Turn]) -> list[int]:
    """System text as it is; each other turn behind its role's token; the assistant's token at the end."""
    marks = {"system": [], "user": [pieces.PieceToId(USER)], "assistant": [pieces.PieceToId(ASSISTANT)]}
    ids = [token for turn in turns for token in (*marks[turn["role"]], *pieces.EncodeAsIds(turn["content"]))]
    return [*ids, *marks["assistant"]]


_BAICHUAN_TEMPLATE = (
    "{% for message in messages %}"
    f"{{% if message['role'] == 'user' %}}{USER}{{% elif message['role'] == 'assistant' %}}{ASSISTANT}{{% endif %}}"
    "{{ message['content'] }}"
    "{% if loop.last and message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{ASSISTANT}{{% endif %}}"
)


# --- ChatGLM2 and ChatGLM3 ---------------------------------------------------------------------------------------------


def _glm_config(old: Mapping[str, Any]) -> Any:
    return library.GlmConfig(
        vocab_size=old["padded_vocab_size"],
        hidden_size=old["hidden_size"],
        intermediate_size=old["ffn_hidden_size"],
        num_hidden_layers=old["num_layers"],
        num_attention_heads=old["num_attention_heads"],
        num_key_value_heads=old["multi_query_group_num"],
        head_dim=old["kv_channels"],
        max_position_embeddings=old["seq_length"],
        rms_norm_eps=old["layernorm_epsilon"],
        hidden_act="silu",
        attention_bias=True,
        rope_parameters={
            "rope_type": "default", "rope_theta": 10000.0 * old.get("rope_ratio", 1), "partial_rotary_factor": 0.5
        },
        bos_token_id=1,
        eos_token_id=[2],
        pad_token_id=0,
        tie_word_embeddings=False,
    )  # fmt: skip


def _glm_weights(name: str, tensor: torch.Tensor, old: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    if name in _GLM_NAMES:
        return {_GLM_NAMES[name]: tensor}
    if name.endswith("rotary_pos_emb.inv_freq"):
        return {}
    start, _, rest = name.removeprefix("transformer.encoder.layers.").partition(".")
    layer = f"model.layers.{start}."
    if rest.startswith("self_attention.query_key_value."):
        shared = old["multi_query_group_num"] * old["kv_channels"]
        own = old["num_attention_heads"] * old["kv_channels"]
        kind, parts = rest.rpartition(".")[2], torch.tensor_split(tensor, (own, own + shared))
        return {
            f"{layer}self_attn.{part}_proj.{kind}": one.contiguous() for part, one in zip("qkv", parts, strict=True)
        }
    return {layer + _GLM_LAYER[rest]: tensor}


_GLM_NAMES = {
    "transformer.embedding.word_embeddings.weight": "model.embed_tokens.weight",
    "transformer.encoder.final_layernorm.weight": "model.norm.weight",
    "transformer.output_layer.weight": "lm_head.weight",
}
_GLM_LAYER = {
    "input_layernorm.weight": "input_layernorm.weight",
    "post_attention_layernorm.weight": "post_attention_layernorm.weight",
    "self_attention.dense.weight": "self_attn.o_proj.weight",
    "mlp.dense_h_to_4h.weight": "mlp.gate_up_proj.weight",
    "mlp.dense_4h_to_h.weight": "mlp.down_proj.weight",
}
_GLM_REQUIRED = {
    "rmsnorm": True, "post_layer_norm": True, "add_bias_linear": False, "add_qkv_bias": True, "multi_query_attention": True,
    "apply_residual_connection_post_layernorm": False, "original_rope": True, "pre_seq_len": None, "prefix_projection": False,
}  # fmt: skip


def _glm_special(pieces: int) -> dict[str, int]:
    return {name: pieces + place for place, name in enumerate(GLM_SPECIAL)}


def _glm3_special(pieces: int) -> dict[str, int]:
    return _glm_special(pieces) | {name: pieces + len(GLM_SPECIAL) + place for place, name in enumerate(ROLES)}


def _glm2_prompt(pieces: Any, turns: Sequence[Turn]) -> list[int]:
    """All rounds in one text, numbered from 1; the last answer is still to come. A system turn has no place in it."""
    text, number = "", 0
    for turn in turns:
        if turn["role"] == "assistant":
            text += f"{turn['content']}\n\n"
        else:
            number += 1
            text += f"[Round {number}]\n\n问：{turn['content']}\n\n答："
    special = _glm_special(pieces.GetPieceSize())
    return [*(special[name] for name in GLM_PREFIX), *pieces.EncodeAsIds(text)]


def _glm3_prompt(pieces: Any, turns: Sequence[Turn]) -> list[int]:
    """Each turn behind its role's token and a line end, both encoded by themselves; the assistant's token at the end."""
    special = _glm3_special(pieces.GetPieceSize())
    ids = [special[name] for name in GLM_PREFIX]
    for turn in turns:
        ids += [special[f"<|{turn['role']}|>"], *pieces.EncodeAsIds("\n"), *pieces.EncodeAsIds(turn["content"])]
    return [*ids, special["<|assistant|>"]]


_GLM2_TEMPLATE = (
    "[gMASK]<sop>{% set rounds = namespace(number=0) %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] }}{% if loop.last %}{{ eos_token }}{% else %}{{ '\n\n' }}{% endif %}"
    "{% elif message['role'] == 'user' %}{% set rounds.number = rounds.number + 1 %}"
    "[Round {{ rounds.number }}]\n\n问：{{ message['content'] }}\n\n答："
    "{% else %}{{ raise_exception('this model knows no system line') }}{% endif %}"
    "{% endfor %}"
)
# A role's line end and what follows are encoded apart, each with the space that SentencePiece puts before a text.
_GLM3_TEMPLATE = (
    "[gMASK]<sop>{% for message in messages %}<|{{ message['role'] }}|>\n {{ message['content'] }}"
    "{% if loop.last and message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

FAMILIES = {
    "baichuan2": Family(
        "Baichuan2 as Llama", {"hidden_act": "silu", "tie_word_embeddings": False}, _baichuan_config, _baichuan_weights,
        _BAICHUAN_TEMPLATE, lambda pieces: {}, _baichuan_prompt,
    ),
    "chatglm2": Family(
        "ChatGLM2 as GLM", _GLM_REQUIRED, _glm_config, _glm_weights, _GLM2_TEMPLATE, _glm_special, _glm2_prompt,
        has_system=False,
    ),
    "chatglm3": Family(
        "ChatGLM3 as GLM", _GLM_REQUIRED, _glm_config, _glm_weights, _GLM3_TEMPLATE, _glm3_special, _glm3_prompt,
    ),
}  # fmt: skip


# --- the way -----------------------------------------------------------------------------------------------------------


def convert(name: str, source: str, out: Path, *, say: Say = lambda text: None) -> Converted:
    """Write the model of a folder or of the Hub as one that transformers knows, without running its code.

    Args:
        name: one of FAMILIES.
        source: a folder, or an id on the Hub, of which weights, settings and tokenizer are fetched, and no code.
        out: folder of the new model.
        say: takes lines of progress.

    Raises:
        UsageError: the model is of another family, its settings or weights are not those that are known, a pickle holds more
            than tensors, its prompts would be others, or the extra is not installed. HubError: it cannot be fetched.
        LimitError: the disk is full.
    """
    check_writable(out)
    refuse_others(out, (), "model")
    pieces_of = _need_sentencepiece()
    folder = _fetch(source, say)
    family, old = FAMILIES[name], read_config(folder)
    _refuse_unknown(name, family, old, folder)
    tokenizer = _build_tokenizer(folder / "tokenizer.model", family, pieces_of)
    compared = _prove_prompts(tokenizer, pieces_of(folder / "tokenizer.model"), family, folder)
    say(f"{compared} prompts give the same token ids as the original's SentencePiece model")
    model = _build_model(family, name, old, folder, say)
    with quiet(), build_folder(out) as fresh:
        model.save_pretrained(fresh, max_shard_size=SHARD)
        tokenizer.save_pretrained(fresh)
    return Converted(out, family.title, len(model.state_dict()), compared)


def _need_sentencepiece() -> Callable[[Path], Any]:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as e:
        raise UsageError("sentencepiece is not installed", hint=install_command("convert")) from e

    def read(path: Path) -> Any:
        try:
            return SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as e:
            raise UsageError(f"{path}: no SentencePiece model", hint="fetch the model again") from e

    return read


def _fetch(source: str, say: Say) -> Path:
    if not is_hub_id(source):
        return Path(source)
    from huggingface_hub import snapshot_download

    say(f"{source}: fetching weights, settings and tokenizer from the Hub")
    try:
        return Path(snapshot_download(source, allow_patterns=list(NEEDED_FILES)))
    except (OSError, ValueError) as e:  # errors of the Hub and of HTTP are OSErrors
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise HubError(f"{source}: cannot be fetched: {line}", hint="check the name and the network") from e


def _refuse_unknown(name: str, family: Family, old: Mapping[str, Any], folder: Path) -> None:
    """Refuse settings under which the original code computes something else.

    Raises:
        UsageError: names the first of them.
    """
    wanted = "baichuan" if name == "baichuan2" else "chatglm"
    if old.get("model_type") != wanted:
        raise UsageError(f"{folder / 'config.json'}: model_type is {old.get('model_type')!r}, not {wanted!r}",
                         hint=f"the families: {', '.join(FAMILIES)}")  # fmt: skip
    missing = object()
    for setting, value in family.required.items():
        there = old.get(setting, missing)
        if there is not missing and there != value:
            raise UsageError(f"{folder / 'config.json'}: {setting} is {there!r}; what is known is {value!r}",
                             hint="this model cannot be converted")  # fmt: skip
    if name == "baichuan2" and "max_position_embeddings" not in old:
        raise UsageError(f"{folder / 'config.json'}: positions by ALiBi, as of the 13B model, which Llama has not",
                         hint="take the 7B model")  # fmt: skip
    if name == "baichuan2" and "z_loss_weight" not in old:
        raise UsageError(f"{folder / 'config.json'}: not Baichuan2: an older head is applied as it is",
                         hint="this model cannot be converted")  # fmt: skip


# --- weights -----------------------------------------------------------------------------------------------------------


def read_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor of a model folder by its name; nothing that a file brings is run.

    Raises:
        UsageError: there are none, a file is damaged, or a pickle holds more than tensors; names the file.
    """
    safe, pickles = sorted(folder.glob("*.safetensors")), sorted(folder.glob("*.bin"))
    if not safe and not pickles:
        raise UsageError(f"{folder}: no weights: neither *.safetensors nor *.bin", hint="fetch the model again")
    for path in safe or pickles:
        try:
            if safe:
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118  # it is no mapping
                        yield name, file.get_tensor(name)
            else:
                held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
                yield from _tensors(held, path)
        except UnpicklingError as e:
            raise UsageError(
                f"{path}: it holds more than tensors, which reading would run", hint="do not use it"
            ) from e
        except (OSError, RuntimeError, SafetensorError, EOFError, ValueError) as e:
            raise UsageError(f"{path}: damaged, or no weights", hint="fetch the model again") from e


def _tensors(held: Any, path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    if not isinstance(held, dict) or not all(isinstance(one, torch.Tensor) for one in held.values()):
        raise UsageError(f"{path}: no weights by name", hint="fetch the model again")
    yield from held.items()


def _build_model(family: Family, name_of: str, old: Mapping[str, Any], folder: Path, say: Say) -> Any:
    """The model of the new family with the old weights.

    Raises:
        UsageError: a weight is unknown, missing, or of another shape.
    """
    try:
        config = family.config(old)
    except (KeyError, TypeError, ValueError) as e:
        raise UsageError(f"{folder / 'config.json'}: {e}", hint="fetch the model again") from e
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in read_weights(folder):
        try:
            weights |= family.weights(name, tensor, old)
        except (KeyError, RuntimeError, ValueError) as e:
            raise UsageError(
                f"{folder}: no weight {name} of such a shape is known", hint="this model cannot be converted"
            ) from e
    say(f"{family.title}: {len(weights):,} weights")
    config.converted_from = name_of
    config.dtype = next(iter(weights.values())).dtype
    with torch.device("meta"):
        model = library.AutoModelForCausalLM.from_config(config)
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as e:
        lines = [line.strip() for line in str(e).splitlines()[1:3]]
        raise UsageError(
            f"{folder}: its weights do not fit: {' '.join(lines)[:300]}", hint="fetch the model again"
        ) from e
    return model


# --- the tokenizer -----------------------------------------------------------------------------------------------------


def _build_tokenizer(path: Path, family: Family, pieces_of: Callable[[Path], Any]) -> Any:
    """The SentencePiece model as a tokenizer of the library tokenizers, with the family's chat template.

    Raises:
        UsageError: it is no BPE model.
    """
    from sentencepiece import sentencepiece_model_pb2
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers
    from tokenizers.models import BPE

    pieces_of(path)  # which says what is no model
    form: Any = sentencepiece_model_pb2  # its classes are made when it is loaded
    proto = form.ModelProto.FromString(path.read_bytes())
    if proto.trainer_spec.model_type != proto.trainer_spec.BPE:
        raise UsageError(f"{path}: no BPE model", hint="this model cannot be converted")
    kinds = proto.SentencePiece
    vocab = {piece.piece: number for number, piece in enumerate(proto.pieces)}
    unknown = next(piece.piece for piece in proto.pieces if piece.type == kinds.UNKNOWN)
    tokenizer = Tokenizer(
        BPE(vocab, _merges(proto), unk_token=unknown, fuse_unk=True, byte_fallback=proto.trainer_spec.byte_fallback)
    )
    spec = proto.normalizer_spec
    steps: list[Any] = [normalizers.Precompiled(spec.precompiled_charsmap)] if spec.precompiled_charsmap else []
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(_regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend("▁"))
    steps.append(normalizers.Replace(" ", "▁"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tail = [decoders.Strip(content=" ", left=1)] if spec.add_dummy_prefix else []
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *tail])
    named = [piece.piece for piece in proto.pieces if piece.type in (kinds.CONTROL, kinds.USER_DEFINED)]
    beside = sorted(family.special(len(vocab)), key=family.special(len(vocab)).__getitem__)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (*named, *beside)])
    made = library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unknown, bos_token="<s>", eos_token="</s>", pad_token=unknown,
        clean_up_tokenization_spaces=False, add_bos_token=False,
    )  # fmt: skip
    made.chat_template = family.template
    return made


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)


def _merges(proto: Any) -> list[tuple[str, str]]:
    """Pairs of pieces that make another one, the piece with the highest score first, as SentencePiece joins them."""
    kinds = proto.SentencePiece
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type in (kinds.NORMAL, kinds.USER_DEFINED)}
    found = [
        (-score, len(piece[:cut]), piece[:cut], piece[cut:])
        for piece, score in scores.items()
        for cut in range(1, len(piece))
        if piece[:cut] in scores and piece[cut:] in scores
    ]
    return [(left, right) for _, _, left, right in sorted(found)]


def _prove_prompts(tokenizer: Any, pieces: Any, family: Family, folder: Path) -> int:
    """Compare the ids of prompts with those that the original code would make; returns how many were compared.

    Raises:
        UsageError: one differs.
    """
    talks = [talk for talk in build_talks() if family.has_system or talk[0]["role"] != "system"]
    for talk in talks:
        ids = tokenizer.apply_chat_template(list(talk), add_generation_prompt=True, return_dict=True)["input_ids"]
        if ids != family.prompt(pieces, talk):
            raise UsageError(
                f"{folder / 'tokenizer.model'}: a prompt would have other tokens: {json.dumps(talk[-1], ensure_ascii=False)[:120]}",
                hint="this model cannot be converted",
            )
    return len(talks)


TEXTS = (
    "2023年公司实现营业收入12,345,678.90元，同比增长8.5%。",
    "What was revenue in fiscal 2022?",
    "净利润（归属于上市公司股东的）是多少？",
    "请从以下选项中选择：\nA. 行业板块问询\nB. 个股问询",
    "Revenue rose 12.5 % to $1,234.5 million",
    "负债合计 — 资产总计",
    "ＲＭＢ１００万元",
    "EBITDA (adjusted): £45.1m; 2021: £38.0m",
    "每10股派发现金红利5.00元（含税）",
    "a\tb",
    "line one\n\nline two",
    "😀 🚀",
    "naïve café",
    "Ünïcode ŁÓDŹ",
    "1 234 567",
    "問：公司名稱？",
    "“quoted” ‘single’",
    "x" * 60,
    "。。。！！？",
    "  two spaces  inside  ",
)


def build_talks() -> list[tuple[Turn, ...]]:
    """Conversations whose prompts are compared: every text alone, behind another one, and with a system line."""
    talks: list[tuple[Turn, ...]] = [({"role": "user", "content": text},) for text in TEXTS]
    for place, text in enumerate(TEXTS):
        others = [TEXTS[(place + step) % len(TEXTS)] for step in (3, 7, 11, 13)]
        talks += [
            (
                {"role": "user", "content": other},
                {"role": "assistant", "content": text},
                {"role": "user", "content": text},
            )
            for other in others
        ]
        talks.append(({"role": "system", "content": others[0]}, {"role": "user", "content": text}))
    return talks
