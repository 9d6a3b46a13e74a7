"""What a person does not see does not count, and what a person sees is read: decided by what is rendered."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hidden_text import ABOVE, BELOW, HIDDEN, SECRET, SEEN, write

from fingen.config import ReadSettings
from fingen.documents.read import read_document


def read(path: Path, content: bytes) -> tuple[str, dict[str, int]]:
    path.write_bytes(content)
    document = read_document(path, path.name, ReadSettings())
    return " ".join(chunk.text for chunk in document.chunks), document.hidden


@pytest.mark.parametrize("trick", HIDDEN)
def test_hidden_text_is_left_out_and_counted(tmp_path: Path, trick: str):
    text, hidden = read(tmp_path / "hidden.pdf", write(HIDDEN[trick]))

    assert ABOVE in text
    assert BELOW in text
    assert not [word for word in SECRET.split() if len(word) > 3 and word in text]
    assert HIDDEN[trick].kind in {*hidden, ""}  # what no program draws is not there, and not counted


@pytest.mark.parametrize("look", SEEN)
def test_text_that_looks_hidden_to_a_careless_check_is_read(tmp_path: Path, look: str):
    text, hidden = read(tmp_path / "seen.pdf", write(SEEN[look]))
    words = Counter(text.split())

    assert not [word for word in f"{ABOVE} {SEEN[look].words} {BELOW}".split() if not words[word]]
    assert hidden == {}
