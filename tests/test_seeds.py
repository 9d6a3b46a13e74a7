"""`finetune --seeds` and `--limit`, `score --limit`: several runs and parts of rows, told as what they are."""

from __future__ import annotations

import json
import random
import shutil
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small_models import make_base, run

from fingen.cli import main
from fingen.disk import sha256_text
from fingen.metrics import mcnemar, sign_flips, spread
from fingen.scoring.report import SeedGroup, read_score
from fingen.sets import read_split

torch.set_num_threads(1)  # the models are too small for two
TUNE = ("finetune", "--model", "base", "--set", "build/labels", "--epochs", "2", "--learning-rate", "0.003")
ADAPTERS, BASELINE = Path("build/adapters"), "linear baseline"


def summary(*arguments: object, code: int = 0) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(run(*arguments, "--json", "--quiet", code=code).stdout)
    return result


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of two labels, a base model, and three adapters that differ by their seed."""
    folder = tmp_path_factory.mktemp("seeds")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        draw = random.Random(3)
        lines = [
            f"Item {n} {draw.choice(('went', 'was'))} {word},{label}"
            for n in range(60)
            for word, label in (("up", "good"), ("down", "bad"))
        ]
        Path("rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
        split = ("--split", "0.4,0.2,0.4")
        run("import", "csv", "rows.csv", "--text", "text", "--label", "label", "--out", "build/labels", *split)
        make_base(Path("base"), lines)
        seeds = CliRunner().invoke(main, [*TUNE, "--seeds", "3", "--seed", "5", "--json"])
        Path("seeds.json").write_text(seeds.stdout, encoding="utf-8")
        Path("told.txt").write_text(seeds.stderr, encoding="utf-8")
    return folder


@pytest.fixture
def there(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seeded() -> list[Path]:
    return [ADAPTERS / f"labels-base-seed{seed}" for seed in (5, 6, 7)]


def test_adapters_of_several_seeds_are_those_of_runs_of_their_own(there: Path):
    made = json.loads(Path("seeds.json").read_text(encoding="utf-8"))
    alone = run(*TUNE, "--seed", 6, "--out", "build/adapters/alone", "--json", "--quiet").stdout
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in (*seeded(), ADAPTERS / "alone")]
    told = Path("told.txt").read_text(encoding="utf-8")

    assert [Path(each["adapter"]) for each in made["adapters"]] == seeded()
    assert [each["settings"]["seed"] for each in made["adapters"]] == [5, 6, 7]
    assert weights[1] == weights[3]
    assert len({*weights}) == 3
    assert json.loads(alone)["run"] == made["adapters"][1]["run"]
    for name, figure in made["figures"].items():
        values = [each["metrics"][name] for each in made["adapters"]]
        assert figure["mean"] == pytest.approx(statistics.fmean(values))
        assert figure["sd"] == pytest.approx(statistics.stdev(values))
        assert (figure["least"], figure["most"], figure["runs"]) == (min(values), max(values), 3)
    assert {"loss", "validation_loss"} <= set(made["figures"])
    assert [f"seed {seed}: adapter {n} of 3" in told for n, seed in enumerate((5, 6, 7), 1)] == [True] * 3
    assert made["next"] == f"fingen score {' '.join(map(str, seeded()))}"


def test_the_same_seeds_again_train_nothing_and_more_train_the_rest(there: Path):
    before = [(folder / "fingen.json").stat().st_mtime_ns for folder in seeded()]
    again = json.loads(CliRunner().invoke(main, [*TUNE, "--seeds", "3", "--seed", "5", "--json"]).stdout)
    more = run(*TUNE, "--seeds", 4, "--seed", 5)

    assert again["changed"] is False
    assert [(folder / "fingen.json").stat().st_mtime_ns for folder in seeded()] == before
    assert (ADAPTERS / "labels-base-seed8" / "fingen.json").is_file()
    assert "loss over 4 seeds: " in more.stdout
    assert "for each of 4 seeds" in run(*TUNE, "--seeds", 4, "--dry-run").stdout


def hits(folder: Path) -> tuple[dict[str, dict[str, bool]], tuple[SeedGroup, ...]]:
    report, rows = read_score(folder)
    found: dict[str, dict[str, bool]] = {}
    for row in rows:
        found.setdefault(row.subject, {})[row.id] = bool(row.correct)
    return found, report.seeds


def test_a_score_tells_mean_and_spread_of_seeds_and_tests_them_beside_others(there: Path):
    told = run("score", *seeded(), "--baseline", "--out", "build/scores/seeds")
    found, (group,) = hits(Path("build/scores/seeds"))
    names = tuple(folder.name for folder in seeded())
    each = [statistics.fmean(found[name].values()) for name in names]
    page = Path("build/scores/seeds/report.html").read_text(encoding="utf-8")

    assert (group.subjects, group.rows) == (names, len(found[BASELINE]))
    assert group.accuracy.mean == pytest.approx(statistics.fmean(each))
    assert group.accuracy.sd == pytest.approx(statistics.stdev(each))
    assert {pair.other for pair in group.pairs} == set(found) - set(names)
    for pair in group.pairs:
        gain = statistics.fmean(each) - statistics.fmean(found[pair.other].values())
        assert pair.difference.value == pytest.approx(gain)
        assert pair.difference.low <= gain <= pair.difference.high
    line = f"labels test: labels-base (3 seeds), n = {group.rows}: accuracy {100 * group.accuracy.mean:.2f} % mean"
    card = Path("build/scores/seeds/README.md").read_text(encoding="utf-8")
    assert line in told.stdout
    assert line in page
    assert "labels-base (3 seeds)" in card


def test_an_interval_of_seeds_is_that_of_an_independent_bootstrap(there: Path):
    run("score", *seeded(), "--baseline", "--no-base", "--out", "build/scores/seeds")
    found, (group,) = hits(Path("build/scores/seeds"))
    (pair,) = (pair for pair in group.pairs if pair.other == BASELINE)
    right = np.array([[found[name][id] for id in found[BASELINE]] for name in group.subjects], dtype=float)
    other = np.array([*found[BASELINE].values()], dtype=float)
    draw = np.random.default_rng(0)
    gains = []
    for _ in range(4000):
        rows, seeds = draw.integers(0, len(other), len(other)), draw.integers(0, len(right), len(right))
        gains.append(right[seeds][:, rows].mean() - other[rows].mean())

    assert np.quantile(gains, [0.025, 0.975]) == pytest.approx([pair.difference.low, pair.difference.high], abs=0.03)


def test_adapters_that_differ_by_more_than_their_seed_are_no_group(there: Path):
    run(*TUNE, "--seed", 9, "--rank", 4, "--out", "build/adapters/other", "--quiet")
    run("score", seeded()[0], "build/adapters/other", "--no-base", "--out", "build/scores/two")

    assert hits(Path("build/scores/two"))[1] == ()


def test_a_limit_takes_rows_by_their_ids_and_is_part_of_the_run(there: Path):
    rows = [row.id for row in read_split(Path("build/labels"), "train")]
    chosen = sorted(rows, key=sha256_text)[:9]
    whole = summary(*TUNE, "--out", "build/adapters/whole")
    part = summary(*TUNE, "--limit", 9, "--out", "build/adapters/part")
    more = summary(*TUNE, "--limit", len(rows), "--out", "build/adapters/more")
    other = run(*TUNE, "--limit", 8, "--out", "build/adapters/part", code=2)
    dry = summary(*TUNE, "--limit", 9, "--dry-run")
    shown = run(*TUNE, "--limit", 9, "--dry-run").stdout

    assert (part["rows"]["train"], part["rows"]["validation"]) == (9, 9)
    assert (dry["rows"], dry["validation"]) == (9, 9)
    assert part["settings"]["limit"] == 9
    assert "limit                   9               --limit" in shown
    assert whole["rows"]["train"] == more["rows"]["train"] == len(rows)
    assert len({whole["run"], part["run"], more["run"]}) == 3
    assert "adapter of another set, base model or settings" in other.stderr
    assert len(chosen) == 9


def test_a_limited_score_says_that_it_is_one(there: Path):
    items = [row.id for row in read_split(Path("build/labels"), "test")]
    told = run("score", seeded()[0], "--limit", 7, "--no-base")
    report, rows = read_score(Path(f"build/scores/{seeded()[0].name}"))
    card = (seeded()[0] / "README.md").read_text(encoding="utf-8")

    assert {row.id for row in rows} == set(sorted(items, key=sha256_text)[:7])
    assert [*report.sources] == [f"labels test (7 of {len(items)} rows)"]
    assert f"7 of {len(items)} rows are scored (--limit): these are no figures of the whole" in told.stderr
    assert f"labels test (7 of {len(items)} rows)" in card
    planned = summary("score", seeded()[0], "--limit", 7, "--dry-run")
    assert planned["rows"] == {f"labels test (7 of {len(items)} rows)": 7}
    Path("answers.jsonl").write_text(json.dumps({"id": items[0], "prediction": "good"}) + "\n", encoding="utf-8")
    refused = run("score", "--predictions", "answers.jsonl", "--gold", "build/labels", "--limit", 7, code=2)
    assert "--limit: answers that are there are read whole" in refused.stderr


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 30))
def test_with_one_seed_the_signs_flip_as_mcnemar_has_it(first: int, second: int, same: int):
    if first + second + same:
        p = sign_flips(Counter({-1.0: first, 1.0: second, 0.0: same}))
        exact = mcnemar(first, second)
        assert p == pytest.approx(exact, abs=5 * (exact * (1 - exact) / 9999) ** 0.5 + 2e-4)


def test_a_spread_of_nothing_is_none():
    with pytest.raises(ValueError, match="no values"):
        spread([])
    assert spread([0.5]).sd == 0.0
