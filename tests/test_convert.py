"""`fingen models convert`: logits equal to implementations of our own, prompts equal to SentencePiece, nothing run.

The originals' code is not at hand, and must not be: what they compute is written here once more, plainly, from their papers'
and configurations' terms (Baichuan2: arXiv 2309.10305; ChatGLM: arXiv 2406.12793), on small random weights.
"""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from fingen.cli import main
from fingen.config import FAMILIES
from fingen.training import convert

sentencepiece: Any = pytest.importorskip("sentencepiece")

BAICHUAN = {"model_type": "baichuan", "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "z_loss_weight": 0,
            "tie_word_embeddings": False}  # fmt: skip
GLM = {"model_type": "chatglm", "hidden_size": 32, "ffn_hidden_size": 48, "num_layers": 2, "num_attention_heads": 4,
       "kv_channels": 8, "multi_query_group_num": 2, "multi_query_attention": True, "seq_length": 256, "layernorm_epsilon": 1e-5,
       "rmsnorm": True, "post_layer_norm": True, "add_bias_linear": False, "add_qkv_bias": True, "original_rope": True,
       "apply_residual_connection_post_layernorm": False}  # fmt: skip
CORPUS = [
    "The company reported revenue of 1,234.5 million dollars in fiscal 2022, up 8.5 percent.",
    "公司2023年实现营业收入12,345,678.90元，同比增长8.5%，净利润为正。",
    "请从以下选项中选择最合适的意图类型：行业板块问询，个股问询，大盘问询，客服问询，基金问询。",
    "Operating profit fell; the board proposes a dividend of 5.00 per ten shares.",
    "問：公司名稱是什麼？答：股份有限公司。",
]


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SentencePiece models as the families have them: Baichuan2 puts no space before a text, ChatGLM does."""
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "corpus.txt").write_text("\n".join(CORPUS * 40), encoding="utf-8")
    found = {}
    reserved = ",".join(f"<reserved_{number}>" for number in (106, 107))
    for name, options in {
        "baichuan": {
            "add_dummy_prefix": False,
            "user_defined_symbols": reserved,
            "normalization_rule_name": "identity",
        },
        "glm": {"add_dummy_prefix": True, "normalization_rule_name": "identity"},
        "glm-nfkc": {"add_dummy_prefix": True, "normalization_rule_name": "nmt_nfkc"},
    }.items():
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "corpus.txt"), model_prefix=str(folder / name), model_type="bpe", vocab_size=520,
            byte_fallback=True, remove_extra_whitespaces=False, split_digits=True, character_coverage=0.99,
            minloglevel=2, **options,
        )  # fmt: skip
        found[name] = folder / f"{name}.model"
    return found


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(5)
    return {
        name: (torch.randn(shape, generator=chance) * 0.3 + (1.0 if "norm" in name else 0.0))
        for name, shape in shapes.items()
    }


def baichuan_weights(rows: int) -> dict[str, torch.Tensor]:
    hidden, inner = BAICHUAN["hidden_size"], BAICHUAN["intermediate_size"]
    shapes = {
        "model.embed_tokens.weight": (rows, hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (rows, hidden),
    }
    for layer in range(2):
        start = f"model.layers.{layer}."
        shapes |= {f"{start}self_attn.W_pack.weight": (3 * hidden, hidden), f"{start}self_attn.o_proj.weight": (hidden, hidden),
                   f"{start}mlp.gate_proj.weight": (inner, hidden), f"{start}mlp.up_proj.weight": (inner, hidden),
                   f"{start}mlp.down_proj.weight": (hidden, inner), f"{start}input_layernorm.weight": (hidden,),
                   f"{start}post_attention_layernorm.weight": (hidden,)}  # fmt: skip
    return random_weights(shapes)


def glm_weights(rows: int) -> dict[str, torch.Tensor]:
    hidden, inner, wide = GLM["hidden_size"], GLM["ffn_hidden_size"], 4 * 8 + 2 * 2 * 8
    shapes: dict[str, tuple[int, ...]] = {
        "transformer.embedding.word_embeddings.weight": (rows, hidden), "transformer.output_layer.weight": (rows, hidden),
        "transformer.encoder.final_layernorm.weight": (hidden,), "transformer.rotary_pos_emb.inv_freq": (2,),
    }  # fmt: skip
    for layer in range(2):
        start = f"transformer.encoder.layers.{layer}."
        shapes |= {f"{start}self_attention.query_key_value.weight": (wide, hidden),
                   f"{start}self_attention.query_key_value.bias": (wide,),
                   f"{start}self_attention.dense.weight": (hidden, 32), f"{start}mlp.dense_h_to_4h.weight": (2 * inner, hidden),
                   f"{start}mlp.dense_4h_to_h.weight": (hidden, inner), f"{start}input_layernorm.weight": (hidden,),
                   f"{start}post_attention_layernorm.weight": (hidden,)}  # fmt: skip
    return random_weights(shapes)


def write_model(
    folder: Path, family: str, vocabularies: dict[str, Path], *, pickled: bool = True, **settings: Any
) -> Path:
    folder.mkdir()
    pieces = vocabularies["baichuan" if family == "baichuan2" else "glm"]
    (folder / "tokenizer.model").write_bytes(pieces.read_bytes())
    rows = 528  # more than there are pieces and special tokens, as the originals are padded
    config = {**BAICHUAN, "vocab_size": rows} if family == "baichuan2" else {**GLM, "padded_vocab_size": rows}
    (folder / "config.json").write_text(json.dumps(config | settings))
    weights = baichuan_weights(rows) if family == "baichuan2" else glm_weights(rows)
    if pickled:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors")
    return folder


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["models", "convert", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


# --- what the originals compute, once more -----------------------------------------------------------------------------


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return weight * x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Causal attention of (heads, length, width) each, position by position."""
    out = torch.zeros_like(q)
    for place in range(q.shape[1]):
        scores = torch.einsum("hd,hnd->hn", q[:, place], k[:, : place + 1]) / math.sqrt(q.shape[2])
        out[:, place] = torch.einsum("hn,hnd->hd", scores.softmax(-1), v[:, : place + 1])
    return out


def turn_halves(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions where a dimension goes with the one half the width away (Baichuan2)."""
    width = x.shape[-1]
    out = x.clone()
    for place in range(x.shape[1]):
        for i in range(width // 2):
            angle = place / 10000 ** (2 * i / width)
            a, b = x[:, place, i], x[:, place, i + width // 2]
            out[:, place, i] = a * math.cos(angle) - b * math.sin(angle)
            out[:, place, i + width // 2] = b * math.cos(angle) + a * math.sin(angle)
    return out


def turn_pairs(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions on the first half of the width, where neighbours go together (ChatGLM2)."""
    width = x.shape[-1] // 2
    out = x.clone()
    for place in range(x.shape[1]):
        for i in range(width // 2):
            angle = place / 10000 ** (2 * i / width)
            a, b = x[:, place, 2 * i], x[:, place, 2 * i + 1]
            out[:, place, 2 * i] = a * math.cos(angle) - b * math.sin(angle)
            out[:, place, 2 * i + 1] = b * math.cos(angle) + a * math.sin(angle)
    return out


def heads(x: torch.Tensor, count: int) -> torch.Tensor:
    return x.view(x.shape[0], count, -1).transpose(0, 1)


def baichuan_logits(weights: dict[str, torch.Tensor], ids: list[int]) -> torch.Tensor:
    x = weights["model.embed_tokens.weight"][ids]
    for layer in range(2):
        at = f"model.layers.{layer}."
        packed = norm(x, weights[f"{at}input_layernorm.weight"], 1e-6) @ weights[f"{at}self_attn.W_pack.weight"].T
        q, k, v = (heads(part, 4) for part in packed.split(32, dim=-1))
        seen = attend(turn_halves(q), turn_halves(k), v).transpose(0, 1).reshape(len(ids), -1)
        x = x + seen @ weights[f"{at}self_attn.o_proj.weight"].T
        inner = norm(x, weights[f"{at}post_attention_layernorm.weight"], 1e-6)
        gate = functional.silu(inner @ weights[f"{at}mlp.gate_proj.weight"].T) * (
            inner @ weights[f"{at}mlp.up_proj.weight"].T
        )
        x = x + gate @ weights[f"{at}mlp.down_proj.weight"].T
    head = weights["lm_head.weight"]
    return norm(x, weights["model.norm.weight"], 1e-6) @ (head / head.norm(dim=1, keepdim=True)).T


def glm_logits(weights: dict[str, torch.Tensor], ids: list[int]) -> torch.Tensor:
    x = weights["transformer.embedding.word_embeddings.weight"][ids]
    for layer in range(2):
        at = f"transformer.encoder.layers.{layer}."
        inner = norm(x, weights[f"{at}input_layernorm.weight"], 1e-5)
        mixed = (
            inner @ weights[f"{at}self_attention.query_key_value.weight"].T
            + weights[f"{at}self_attention.query_key_value.bias"]
        )
        q, k, v = mixed[:, :32], mixed[:, 32:48], mixed[:, 48:]
        # two groups: heads 0 and 1 look at the first, 2 and 3 at the second
        k, v = (heads(part, 2).repeat_interleave(2, dim=0) for part in (k, v))
        seen = attend(turn_pairs(heads(q, 4)), turn_pairs(k), v).transpose(0, 1).reshape(len(ids), -1)
        x = x + seen @ weights[f"{at}self_attention.dense.weight"].T
        inner = (
            norm(x, weights[f"{at}post_attention_layernorm.weight"], 1e-5) @ weights[f"{at}mlp.dense_h_to_4h.weight"].T
        )
        x = x + (functional.silu(inner[:, :48]) * inner[:, 48:]) @ weights[f"{at}mlp.dense_4h_to_h.weight"].T
    return (
        norm(x, weights["transformer.encoder.final_layernorm.weight"], 1e-5)
        @ weights["transformer.output_layer.weight"].T
    )


# --- equal -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pickled", [True, False], ids=["pickles", "safetensors"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_an_implementation_of_our_own(
    family: str, pickled: bool, vocabularies: dict[str, Path], tmp_path: Path
):
    source = write_model(tmp_path / "old", family, vocabularies, pickled=pickled)
    run(family, source, "--out", tmp_path / "new")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "new", dtype=torch.float32)
    ids = torch.randint(0, 520, (40,), generator=torch.Generator().manual_seed(1)).tolist()

    found = model(torch.tensor([ids])).logits[0]
    expected = (
        baichuan_logits(baichuan_weights(528), ids) if family == "baichuan2" else glm_logits(glm_weights(528), ids)
    )

    assert torch.allclose(found, expected, atol=2e-5)
    assert expected.std() > 0.01  # there is something to be equal to


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_have_the_ids_that_the_original_would_ask_with(
    family: str, vocabularies: dict[str, Path], tmp_path: Path
):
    """The forms are written here once more, from the originals' own descriptions of them."""
    source = write_model(tmp_path / "old", family, vocabularies)
    said = json.loads(run(family, source, "--out", tmp_path / "new", "--json", "--quiet").stdout)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    size, encode = pieces.GetPieceSize(), pieces.EncodeAsIds
    texts = [f"{line[:cut]} {number}" for number in range(4) for line in CORPUS for cut in (9, 17, 30, 45, 80)]

    for text in texts:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
        )
        assert (
            ids["input_ids"]
            == {
                "baichuan2": [pieces.PieceToId("<reserved_106>"), *encode(text), pieces.PieceToId("<reserved_107>")],
                "chatglm2": [size + 1, size + 3, *encode(f"[Round 1]\n\n问：{text}\n\n答：")],
                "chatglm3": [size + 1, size + 3, size + 6, *encode("\n"), *encode(text), size + 7],
            }[family]
        ), text
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert len(texts) == 100
    assert said["prompts"] >= 100


@pytest.mark.parametrize("family", FAMILIES)
def test_a_converted_model_is_tuned_and_asked(family: str, vocabularies: dict[str, Path], tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch, sample_set: Path):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    run(family, write_model(tmp_path / "old", family, vocabularies), "--out", "build/models/new")
    made = CliRunner().invoke(main, ["finetune", "--model", "build/models/new", "--set", str(sample_set), "--override", "steps=2",
                                     "--out", "build/adapters/x", "--quiet", "--override", "cutoff=4096"])  # fmt: skip

    assert made.exit_code in (0, 1), made.output
    assert (tmp_path / "build" / "adapters" / "x" / "fingen.json").is_file()


# --- refused -----------------------------------------------------------------------------------------------------------


class _Runs:
    """What a pickle can do to who reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_pickle_that_would_run_something_is_refused_and_nothing_runs(vocabularies: dict[str, Path], tmp_path: Path):
    source = write_model(tmp_path / "old", "chatglm3", vocabularies)
    (source / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": _Runs(tmp_path / "ran")}))
    torch.save({"weight": _Runs(tmp_path / "ran")}, source / "pytorch_model-2.bin")

    for name in ("pytorch_model-2.bin", "pytorch_model.bin"):  # in their order
        error = run("chatglm3", source, "--out", tmp_path / "new", code=2).stderr
        assert name in error
        (source / name).unlink()
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("family", "settings", "said"),
    [
        ("chatglm2", {"rmsnorm": False}, "rmsnorm is False"),
        ("chatglm3", {"add_bias_linear": True}, "add_bias_linear is True"),
        ("chatglm3", {"pre_seq_len": 128}, "pre_seq_len is 128"),
        ("baichuan2", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ("baichuan2", {"model_type": "chatglm"}, "model_type is 'chatglm', not 'baichuan'"),
        ("chatglm2", {"num_layers": 3}, "its weights do not fit"),
        ("chatglm2", {"kv_channels": 16}, "its weights do not fit"),
    ],
)
def test_what_is_not_known_is_refused(
    family: str, settings: dict[str, Any], said: str, vocabularies: dict[str, Path], tmp_path: Path
):
    source = write_model(tmp_path / "old", family, vocabularies, **settings)

    assert said in run(family, source, "--out", tmp_path / "new", code=2).stderr
    assert not (tmp_path / "new").exists()


def test_a_13b_model_and_an_older_one_are_refused(vocabularies: dict[str, Path], tmp_path: Path):
    for setting, said in (("max_position_embeddings", "ALiBi"), ("z_loss_weight", "not Baichuan2")):
        source = write_model(tmp_path / setting, "baichuan2", vocabularies)
        config = json.loads((source / "config.json").read_text())
        del config[setting]
        (source / "config.json").write_text(json.dumps(config))

        assert said in run("baichuan2", source, "--out", tmp_path / "new", code=2).stderr


def test_a_tokenizer_that_gives_other_tokens_is_refused(
    vocabularies: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The merges are what makes a text's tokens: with half of them the prompts come out otherwise, and that is seen."""
    source = write_model(tmp_path / "old", "chatglm3", vocabularies)
    merges = convert._merges
    monkeypatch.setattr(convert, "_merges", lambda proto: merges(proto)[::2])

    assert "a prompt would have other tokens" in run("chatglm3", source, "--out", tmp_path / "new", code=2).stderr


def test_a_normalised_vocabulary_gives_the_same_tokens_or_is_refused(vocabularies: dict[str, Path], tmp_path: Path):
    source = write_model(tmp_path / "old", "chatglm3", vocabularies)
    (source / "tokenizer.model").write_bytes(vocabularies["glm-nfkc"].read_bytes())
    result = CliRunner().invoke(main, ["models", "convert", "chatglm3", str(source), "--out", str(tmp_path / "new")])

    assert result.exit_code == 0 or "a prompt would have other tokens" in result.stderr


@pytest.mark.parametrize(
    "damage", ["no weights", "cut weights", "no tokenizer", "cut tokenizer", "no config", "a list"]
)
def test_a_folder_that_is_not_whole_is_named(damage: str, vocabularies: dict[str, Path], tmp_path: Path):
    source = write_model(tmp_path / "old", "chatglm2", vocabularies)
    weights, pieces, config = (source / name for name in ("pytorch_model.bin", "tokenizer.model", "config.json"))
    {
        "no weights": weights.unlink,
        "cut weights": lambda: weights.write_bytes(weights.read_bytes()[:5000]),
        "no tokenizer": pieces.unlink,
        "cut tokenizer": lambda: pieces.write_bytes(b"\x0a\x10half of it"),
        "no config": config.unlink,
        "a list": lambda: torch.save([1, 2], weights),
    }[damage]()

    error = run("chatglm2", source, "--out", tmp_path / "new", code=2).stderr

    assert str(source) in error
    assert "  -> " in error
    assert not (tmp_path / "new").exists()


def test_another_folder_is_not_written_over(vocabularies: dict[str, Path], tmp_path: Path):
    source = write_model(tmp_path / "old", "chatglm2", vocabularies)
    run("chatglm2", source, "--out", tmp_path / "new")

    assert "new" in run("chatglm2", source, "--out", tmp_path / "new", code=2).stderr
    assert "no such folder" in run("chatglm2", "nowhere", "--out", tmp_path / "x", code=2).stderr


def test_a_converted_model_is_the_published_base(
    vocabularies: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    run("chatglm2", write_model(tmp_path / "old", "chatglm2", vocabularies), "--out", "build/models/chatglm2")

    for model, is_other in (("build/models/chatglm2", False), ("old", True)):
        said = CliRunner().invoke(main, ["reproduce", "fingpt-v3.1", "--model", model, "--dry-run"]).stdout
        assert ("another base model" in said) == is_other
