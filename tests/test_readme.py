"""What README.md shows is what the commands print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fingen.cli import main

ROOT = Path(__file__).resolve().parents[1]
TIMES, OCR = "requests:", "  note:"  # differ between machines: how long it took, whether tesseract is there


def blocks(file: str = "README.md") -> list[str]:
    """The texts between fences, in order."""
    return [block.split("\n", 1)[1] for block in (ROOT / file).read_text(encoding="utf-8").split("```")[1::2]]


@pytest.fixture(scope="module")
def printed(readers_here: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(main, ["pdf2qa", str(ROOT / "raw"), "--teacher", "offline", "--out", "build/demo"])
    assert result.exit_code == 0, result.stderr
    return result.stdout, folder / "build/demo"


def test_the_demo_prints_what_the_readme_says(printed: tuple[str, Path]):
    said = next(block for block in blocks() if block.startswith("build/demo "))

    def stable(text: str) -> list[str]:
        return [line.rstrip() for line in text.splitlines() if not line.startswith((TIMES, OCR))]

    assert stable(printed[0]) == stable(said)


def test_the_row_that_is_shown_is_in_the_demo_set(printed: tuple[str, Path]):
    said = next(block for block in blocks("fingen/help/sets.md") if block.startswith("{"))
    rows = (printed[1] / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(said) in [json.loads(row) for row in rows]
