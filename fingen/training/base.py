"""Base models and tokenizers, loaded safely: weights from safetensors, all of them, and no foreign code unasked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from fingen.errors import FingenError, HubError, LimitError, UsageError

library: Any = transformers  # it is annotated in part only
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MISSING_SHOWN = 3


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
            yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()


def choose_load(load: str) -> str:
    """What `auto` means on this machine."""
    if load != "auto":
        return load
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"


def load_tokenizer(source: str, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model or of an adapter.

    Raises:
        HubError: it cannot be fetched.
        UsageError: there is none, or it cannot be read.
    """
    try:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as e:
        raise _unavailable(source, "no tokenizer", e) from e


def load_base(source: str, load: str, *, trust_remote_code: bool = False) -> Loaded:
    """A base model on the GPU if there is one, else on the CPU.

    Raises:
        HubError: it cannot be fetched.
        UsageError: it cannot be read, its weights are no safetensors, or some of them are missing.
        LimitError: out of memory.
    """
    load = choose_load(load)
    options: dict[str, Any] = {
        "dtype": DTYPES.get(load, torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    }
    if load == "8bit":
        options["quantization_config"] = library.BitsAndBytesConfig(load_in_8bit=True)
    elif load == "4bit":
        options["quantization_config"] = library.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=options["dtype"]
        )  # fmt: skip
    if torch.cuda.is_available():
        options["device_map"] = {"": 0}
    tokenizer = load_tokenizer(source, trust_remote_code=trust_remote_code)
    try:
        with quiet(bars=not Path(source).is_dir()):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source, use_safetensors=True, output_loading_info=True, trust_remote_code=trust_remote_code, **options
            )
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        if isinstance(e, torch.OutOfMemoryError):
            raise LimitError(f"{source}: out of memory while loading it", hint="pass --load 4bit") from e
        raise _unavailable(source, "cannot be loaded", e) from e
    model, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:
        shown = ", ".join(missing[:MISSING_SHOWN]) + (", ..." if len(missing) > MISSING_SHOWN else "")
        raise UsageError(f"{source}: {len(missing)} weights are missing: {shown}", hint="fetch the model again")
    return Loaded(model, tokenizer, load)


def _unavailable(source: str, what: str, error: Exception) -> FingenError:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if isinstance(error, OSError) and not Path(source).is_dir():
        hint = "check the name, the network, and with a gated model that its licence was accepted with this HF_TOKEN"
        return HubError(f"{source}: {what}: {line}", hint=hint)
    return UsageError(
        f"{source}: {what}: {line}", hint="name a whole model that transformers knows; see `fingen models`"
    )
