"""The whole road on this machine alone: a report and a synthetic set, a tuned model, its score, and the page in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from browser import dump_dom, need_chromium, take_picture
from PIL import Image

from fingen.scoring.page import headlines
from fingen.scoring.report import Report, read_score
from fingen.training.checkpoints import read_history

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "build" / "test-artefacts"  # pictures to look at; git ignores build/
SECONDS = 600  # of one command: many times what it takes

pytestmark = pytest.mark.slow  # a step of its own in .ci/run


def fingen(folder: Path, *arguments: object, threads: int = 2) -> dict[str, Any]:
    """Run a command in a folder; its summary."""
    run = subprocess.run(
        [sys.executable, "-m", "fingen", *map(str, arguments), "--json"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert run.returncode == 0, f"{arguments}: {run.stderr[-3000:]}"
    summary: dict[str, Any] = json.loads(run.stdout)
    return summary


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all of it was made, each command as a user types it."""
    folder = tmp_path_factory.mktemp("road")
    fingen(folder, "pdf2qa", ROOT / "raw", "--teacher", "offline", "--out", "build/reports")
    fingen(folder, "synth", "intent", "--n", 500, "--test", 100, "--teacher", "offline", "--fixed-options")
    fingen(folder, "finetune", "--model", "tiny", "--set", "build/intent")
    fingen(folder, "score", "build/adapters/intent-tiny")
    return folder


@pytest.fixture(scope="module")
def report(road: Path) -> Report:
    return read_score(road / "build" / "scores" / "intent-tiny")[0]


def test_the_sample_report_becomes_a_set_that_holds(road: Path):
    assert fingen(road, "verify", "build/reports")["exit_code"] == 0


def test_the_tuned_model_is_scored_beside_its_base(report: Report):
    base, tuned = (next(s for s in report.scores if s.kind == kind) for kind in ("base", "adapter"))

    assert base.rows == tuned.rows == base.asked == tuned.asked == 100
    assert [source.same_teacher for source in report.sources.values()] == ["offline"]
    written = f"{base.subject} (generated)"
    pairs = {(pair.first, pair.second) for pair in report.pairs}
    assert pairs == {(base.subject, written), (base.subject, tuned.subject), (written, tuned.subject)}


def test_the_score_shows_that_tuning_helped(report: Report):
    base, adapter = (next(s for s in report.scores if s.kind == kind) for kind in ("base", "adapter"))
    pair = next(pair for pair in report.pairs if (pair.first, pair.second) == (base.subject, adapter.subject))
    tuned = adapter.choices

    assert tuned
    majority = max(one.support for one in tuned.classes.values()) / pair.rows
    assert tuned.accuracy.low > majority + 0.1
    assert pair.difference.low > 0
    assert pair.p < 0.001


def test_the_page_opens_in_a_browser(road: Path, report: Report):
    need_chromium()
    page = road / "build" / "scores" / "intent-tiny" / "report.html"
    dom = dump_dom(page)
    tuned = next(score for score in report.scores if score.kind == "adapter")

    assert tuned.choices
    assert headlines(report)[0].verdict in dom
    assert "synthetic, same teacher" in dom
    assert f"{100 * tuned.choices.accuracy.value:.2f}" in dom
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for width, height in ((1200, 2400), (360, 4000)):
        picture = ARTEFACTS / f"report-{width}.png"
        take_picture(page, picture, width=width, height=height)
        with Image.open(picture) as image:
            assert image.size == (width, height)
            colours = image.convert("RGB").getcolors(maxcolors=width * height)
        assert colours
        assert len(colours) > 20  # letters, lines and marks; a blank page has one
        assert max(count for count, _ in colours) < 0.99 * width * height


def test_a_real_model_takes_the_road_too(smollm2: Path, tmp_path: Path):
    """Three steps, which is what there is time for here: tests/test_smollm2.py goes on."""
    fingen(tmp_path, "synth", "intent", "--n", 24, "--test", 12, "--validation", 0, "--teacher", "offline", "--language",
           "en", "--fixed-options")  # fmt: skip
    steps = ("--override", "steps=3", "--learning-rate", "5e-4", "--override", "warmup=1")
    fingen(
        tmp_path,
        "finetune",
        "--model",
        smollm2,
        "--set",
        "build/intent",
        "--out",
        "build/adapters/real",
        *steps,
        threads=1,
    )
    fingen(tmp_path, "score", "build/adapters/real", "--max-tokens", 4, threads=1)
    losses = [row["loss"] for row in read_history(tmp_path / "build/adapters/real/training.jsonl") if "loss" in row]
    scores = read_score(tmp_path / "build/scores/real")[0].scores

    assert losses[-1] < losses[0]
    assert [(score.kind, score.rows) for score in scores] == [("base", 12), ("base", 12), ("adapter", 12)]
