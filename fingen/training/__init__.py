"""Tuning: a set and a base model in, a LoRA adapter with its history out.

`finetune` conducts; `recipe` is the training itself, to be read from top to bottom. Nothing here imports torch until
a model is loaded, so that `fingen models` and the list of obstacles work without the extra.
"""

from __future__ import annotations

import logging

# bitsandbytes says at each start on a CPU that a faster kernel could be fetched; nothing is fetched here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
