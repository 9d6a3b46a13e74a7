"""One base model in memory for all adapters on it, asked by several threads at once: each forward pass has its own adapter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fingen.training.base import Loaded
from fingen.training.use import put_on


class SharedBase:
    """A base model that answers as itself, or with one of the adapters that were put on it.

    What is written token by token takes turns with others between two tokens; nobody waits for a whole answer.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.model, self.tokenizer, self.load = loaded.model.eval(), loaded.tokenizer, loaded.load
        self._lock = threading.RLock()
        self._asked = threading.local()  # .adapter: who is asked in this thread
        self._active: str | None = None
        self._adapted: Any = None
        self._adapters = 0
        self.model.register_forward_pre_hook(self._begin)
        self.model.register_forward_hook(self._end, always_call=True)

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights, with those of all adapters."""
        return sum(tensor.numel() * tensor.element_size() for tensor in {*self.model.parameters()})

    def add(self, folder: Path, source: str) -> str:
        """Put an adapter on the base; returns the name that it is asked by.

        Raises:
            UsageError: it does not fit.
        """
        with self._lock:
            name = f"adapter{self._adapters}"
            self._adapted = put_on(self._adapted or self.model, folder, source, name)
            self.model.eval()
            self._adapters += 1
            self._active = None
            self._switch_off()
        return name

    @contextmanager
    def asked(self, adapter: str | None) -> Iterator[Any]:
        """The model as an adapter has it, or as it is (None), for this thread."""
        self._asked.adapter = adapter
        try:
            yield self.model
        finally:
            self._asked.adapter = None

    @contextmanager
    def asked_alone(self, adapter: str | None) -> Iterator[Any]:
        """The same, and no other thread between: for what changes the model for more than one pass."""
        with self._lock, self.asked(adapter) as model:
            yield model

    def _begin(self, module: Any, inputs: Any) -> None:
        self._lock.acquire()
        wanted = getattr(self._asked, "adapter", None)
        if wanted == self._active:
            return
        if wanted is None:
            self._switch_off()
        else:
            if self._active is None:
                self._adapted.base_model.enable_adapter_layers()
            self._adapted.set_adapter(wanted, inference_mode=True)
        self._active = wanted

    def _end(self, module: Any, inputs: Any, output: Any) -> None:
        self._lock.release()

    def _switch_off(self) -> None:
        if self._adapted is not None:
            self._adapted.base_model.disable_adapter_layers()
