"""A page in headless Chromium: what it holds, how it looks, and how wide it is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root, and the page is our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
)
SECONDS = 60  # for one page


def need_chromium() -> str:
    """The program; the test is skipped without it."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium; .ci/run system installs it")
    return found


def dump_dom(page: Path) -> str:
    """The document as the browser understood it."""
    return _run(page, "--dump-dom")


def take_picture(page: Path, target: Path, *, width: int, height: int, dark: bool = False) -> None:
    """Write a PNG of the top of the page."""
    target.unlink(missing_ok=True)
    more = ["--blink-settings=preferredColorScheme=0"] if dark else []
    _run(page, f"--window-size={width},{height}", f"--screenshot={target}", *more)
    assert target.is_file(), "the browser took no picture"


def measure_widths(page: Path, screens: Sequence[int]) -> list[int]:
    """How wide the page is on screens of so many pixels, with everything on it unfolded.

    A window of the browser is at least 500 pixels wide, a frame in it is as narrow as wanted.
    """
    html = escape(page.read_text(encoding="utf-8").replace("<details", "<details open"))
    frames = "".join(
        f'<iframe width="{screen}" height="800" style="border: 0" srcdoc="{html}"></iframe>' for screen in screens
    )
    each = "frame => frame.contentDocument.documentElement.scrollWidth"
    script = f"onload = () => document.title = [...document.querySelectorAll('iframe')].map({each})"
    with tempfile.TemporaryDirectory() as folder:
        outer = Path(folder, "frames.html")
        outer.write_text(f"<!doctype html><script>{script}</script><title></title>{frames}", encoding="utf-8")
        found = re.search(r"<title>([\d,]+)</title>", _run(outer, "--dump-dom"))
    assert found, "the page did not say how wide it is"
    return [int(width) for width in found[1].split(",")]


def _run(page: Path, *arguments: str) -> str:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [need_chromium(), *FLAGS, f"--user-data-dir={profile}", *arguments, page.resolve().as_uri()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            if process.poll() is None:  # it has children of its own, which go with it
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    assert process.returncode == 0, err[-2000:]
    return out
