"""A real llama.cpp server with a GGUF file: pip install xllamacpp."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 900  # of an answer: many times what it takes


class Llama:
    """What such a server is asked."""

    def __init__(self, address: str) -> None:
        self.address = address

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def complete(self, prompt: str | list[int], tokens: int, **options: Any) -> dict[str, Any]:
        """What follows a prompt: its text is `content`."""
        return self._post("completion", {"prompt": prompt, "n_predict": tokens, "cache_prompt": False, **options})

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text, control tokens read as such, none added."""
        return list(self._post("tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"])


@contextmanager
def llama(gguf_file: Path, context: int) -> Iterator[Llama]:
    """The server, as long as it is in use."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(gguf_file)
    settings.n_ctx = context
    settings.n_parallel = 1
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = (
        1  # several wait for each other on a busy machine
    )
    server = xllamacpp.Server(settings)
    yield Llama(server.listening_address)
