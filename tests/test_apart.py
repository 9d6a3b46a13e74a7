"""Pages are drawn in a process of its own: no page of a stranger holds up what asks for it, and the next one is drawn."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_pdfs import PDFS, SLOW
from test_hostile import in_time, workers

from fingen.documents import apart, picture
from fingen.errors import DocumentError

SAMPLE = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
BOX = (60.0, 60.0, 300.0, 120.0)


@pytest.fixture(autouse=True)
def _little_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(apart, "LIMITS", replace(apart.LIMITS, page_seconds=1.0))
    apart._PAGES.close()
    yield
    apart._PAGES.close()


def draw_sample() -> bytes:
    return apart.render_page(SAMPLE, 2, [[BOX]], dpi=60)


@pytest.mark.parametrize("name", [name for name, made in PDFS.items() if made not in SLOW])
def test_a_hostile_page_is_drawn_or_named_and_the_next_one_is_drawn(tmp_path: Path, name: str):
    path = tmp_path / f"{name}.pdf"
    path.write_bytes(PDFS[name]())

    def look() -> bytes | DocumentError:
        try:
            return apart.render_page(path, 1, [], dpi=60)
        except DocumentError as e:
            return e

    drawn = in_time(look)
    if isinstance(drawn, DocumentError):
        assert f"{name}.pdf" in str(drawn)
        assert drawn.hint
    else:
        assert drawn.startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.pdf"}
    assert draw_sample().startswith(b"\x89PNG")


def test_a_page_drawn_apart_is_the_page():
    assert draw_sample() == picture.render_page(SAMPLE, 2, [[BOX]], dpi=60)
    assert apart.page_size(SAMPLE, 2) == picture.page_size(SAMPLE, 2)
    words = "Lanhai Precision Instruments"
    assert apart.find_lines(SAMPLE, 2, words) == picture.find_lines(SAMPLE, 2, words)
    with pytest.raises(DocumentError, match="it has 18 pages"):
        apart.render_page(SAMPLE, 99, [], dpi=60)


def test_a_process_that_is_ended_is_named_and_started_anew():
    draw_sample()
    (drawer,) = workers("apart")
    os.kill(drawer, signal.SIGKILL)
    with pytest.raises(DocumentError, match=SAMPLE.name):
        draw_sample()
    assert draw_sample().startswith(b"\x89PNG")
