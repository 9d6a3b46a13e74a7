"""Base models and tokenizers, loaded safely: weights from safetensors, all of them, and no foreign code unasked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from fingen.adapters import PICKLES
from fingen.config import MODELS
from fingen.errors import FingenError, HubError, LimitError, UsageError
from fingen.training.preflight import modelscope_obstacles, refuse, wants_modelscope

library: Any = transformers  # it is annotated in part only
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MISSING_SHOWN = 3
NO_SAFETENSORS = "cannot be loaded with `safetensors`"  # as transformers says it


@dataclass(frozen=True)
class Loaded:
    """A base model with its tokenizer. `load` is its number format: never auto."""

    model: Any
    tokenizer: Any
    load: str


@contextmanager
def quiet(*, bars: bool = False) -> Iterator[None]:
    """Keep transformers' bars and reports off the terminal: what matters in them is an error or a line here.

    `bars` leaves those of downloads.
    """
    logging = library.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    if not bars:
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft uses names that transformers is about to drop; nobody here can change that
            warnings.filterwarnings("ignore", r"`\w*gradient_checkpointing\w*` is deprecated", FutureWarning)
            warnings.filterwarnings(
                "ignore", r"`broadcast_buffers` is deprecated", FutureWarning
            )  # accelerate, of torch
            yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


def choose_load(load: str) -> str:
    """What `auto` means on this machine."""
    if load != "auto":
        return load
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"


def load_tokenizer(source: str, *, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model or of an adapter; `revision` as for `load_base`.

    Raises:
        HubError: it cannot be fetched.
        UsageError: there is none, or it cannot be read.
    """
    source = fetch(source)
    try:
        return AutoTokenizer.from_pretrained(source, revision=revision or "main", trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as e:
        raise _unavailable(source, "no tokenizer", e) from e


def load_base(source: str, load: str, *, revision: str | None = None, trust_remote_code: bool = False) -> Loaded:
    """A base model on the GPU if there is one, else on the CPU.

    `revision` is a commit on the Hub, None the newest; a folder, and what comes from ModelScope, is taken as it is.

    Raises:
        HubError: it cannot be fetched.
        UsageError: it cannot be read, its weights are no safetensors, or some of them are missing.
        LimitError: out of memory.
    """
    load, source = choose_load(load), fetch(source)
    options: dict[str, Any] = {
        "dtype": DTYPES.get(load, torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    }
    if load == "8bit":
        options["quantization_config"] = library.BitsAndBytesConfig(load_in_8bit=True)
    elif load == "4bit":
        options["quantization_config"] = library.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=options["dtype"]
        )  # fmt: skip
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true" or os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
    if torch.cuda.is_available() and not sharded:  # accelerate places the parts of a sharded model
        options["device_map"] = {"": PartialState().local_process_index}
    tokenizer = load_tokenizer(source, revision=revision, trust_remote_code=trust_remote_code)
    options |= {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    model = _load_whole(AutoModelForCausalLM, source, options)
    model.generation_config = _likeliest(model.generation_config)
    return Loaded(model, tokenizer, load)


def load_classifier(source: str) -> Loaded:
    """A model that gives each of its classes a logit, in fp32, on the GPU if there is one. It runs no code of its own.

    Raises:
        HubError, UsageError, LimitError: as `load_base`.
    """
    source = fetch(source)
    tokenizer = load_tokenizer(source)
    model = _load_whole(AutoModelForSequenceClassification, source, {"dtype": torch.float32})
    return Loaded(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer, "fp32")


def _load_whole(kind: Any, source: str, options: Mapping[str, Any]) -> Any:
    """A model of that kind, of whose weights none is missing."""
    # Else transformers asks a service to convert pickles that others published, and takes what that proposes to them.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "true"
    try:
        with quiet(bars=not Path(source).is_dir()):
            model, report = kind.from_pretrained(source, use_safetensors=True, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as e:
        if isinstance(e, torch.OutOfMemoryError):
            raise LimitError(f"{source}: out of memory while loading it", hint="pass --load 4bit") from e
        folder = Path(source)
        if NO_SAFETENSORS in str(e) or (folder.is_dir() and not any(folder.glob("*.safetensors"))):
            raise UsageError(
                f"{source}: it has no safetensors; other weights are pickles, which can run code when they are read",
                hint="take a model that has them, or convert it to a folder and name that",
            ) from e
        raise _unavailable(source, "cannot be loaded", e) from e
    missing = sorted(report["missing_keys"])
    if missing:
        shown = ", ".join(missing[:MISSING_SHOWN]) + (", ..." if len(missing) > MISSING_SHOWN else "")
        raise UsageError(f"{source}: {len(missing)} weights are missing: {shown}", hint="fetch the model again")
    return model


def _likeliest(published: Any) -> Any:
    """The generation settings of a model without what its makers chose for sampling: a repetition penalty changes answers too."""
    kept = {name: getattr(published, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return library.GenerationConfig(do_sample=False, **kept)


def positions(model: Any) -> int | None:
    """Tokens that a model, or one with that configuration, reads at most, prompt and answer together; None: it does not say."""
    config = getattr(model, "config", model).get_text_config()
    most = getattr(config, "max_position_embeddings", None)
    rope = getattr(config, "rope_parameters", None) or {}
    if not isinstance(most, int) or most < 1:
        return None
    # These two stretch what the model was made with, which is what stands there; the other ways state what they stretch to.
    stretched = rope.get("rope_type") in ("linear", "dynamic")
    return int(most * rope.get("factor", 1.0)) if stretched else most


def fetch(source: str) -> str:
    """Where a model is loaded from: with USE_MODELSCOPE_HUB a folder that the modelscope package has fetched.

    Raises:
        UsageError: that package is not installed. HubError: it cannot fetch the model.
    """
    if Path(source).is_dir() or not wants_modelscope():
        return source
    refuse(list(modelscope_obstacles()))
    alias = next((alias for alias in MODELS.values() if alias.hub_id == source), None)
    name = alias.modelscope_id or source if alias else source
    library: Any = import_module("modelscope")
    try:
        # Pickles are not even fetched: those who need the time for a download are told of them at once by `load_base`.
        folder: str = library.snapshot_download(name, ignore_patterns=[f"*{suffix}" for suffix in sorted(PICKLES)])
    except Exception as e:
        if isinstance(e, MemoryError | TypeError):
            raise
        line = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise HubError(
            f"{name}: ModelScope does not hand it out: {line}",
            hint="compare the name with its page on modelscope.cn, see that the network is up, or unset USE_MODELSCOPE_HUB",
        ) from e
    return folder


def _unavailable(source: str, what: str, error: Exception) -> FingenError:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if "trust_remote_code" in str(error):
        return UsageError(
            f"{source}: the model brings Python code of its own, which would run here with all your rights",
            hint="take another model, or read that code and pass --trust-remote-code (no classifier is given it)",
        )
    if isinstance(error, OSError) and not Path(source).is_dir():
        hint = "check the name, the network, and with a gated model that its licence was accepted with this HF_TOKEN"
        return HubError(f"{source}: {what}: {line}", hint=hint)
    return UsageError(
        f"{source}: {what}: {line}", hint="name a whole model that transformers knows; see `fingen models`"
    )
