"""The ways on from a distilled model: scored beside its teacher and its like, served, shown, pushed; and `fingen.distill`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import HubServer
from safetensors.torch import load_file, save_file
from small_models import run
from test_distill import distill

import fingen
from fingen.pushes import read_pushes
from fingen.scoring.report import read_score
from fingen.serving.models import find_models

pytest_plugins = ("test_push", "test_distill")  # their fixtures
# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
KEY = "models/you/small"


def scored(*arguments: object) -> list[tuple[str, str]]:
    """Who was scored, as what."""
    run("score", *arguments, "--set", "build/intent", "--split", "validation", "--out", "score", "--replace", "--quiet")
    report, _ = read_score(Path("score"))
    return sorted((score.subject, score.kind) for score in report.scores)


def test_a_student_is_scored_beside_its_teacher_and_its_like(here: Path):
    """The one as it is cut and the one of the rows alone stand beside it; another cut, another teacher, a changed one do not."""
    for name, more in (("cut", ("--untrained",)), ("alone", ("--kl", "0")), ("small", ())):
        distill("--drop", "2", *more, "--out", f"build/models/{name}")
    distill("--drop", "1", "--untrained", "--out", "build/models/less")
    family = [("alone", "model"), ("cut", "model"), ("intent-base", "adapter"), ("small", "model")]

    assert scored("--model", "build/models/small") == family
    assert scored("--model", "build/models/small", "--no-base") == [("small", "model")]
    weights = Path("build/adapters/intent-base/adapter_model.safetensors")
    save_file({name: tensor * 2 for name, tensor in load_file(weights).items()}, weights)
    manifest = Path("build/adapters/intent-base/fingen.json")
    about = json.loads(manifest.read_text(encoding="utf-8"))
    about["files"]["adapter_model.safetensors"] = "0" * 64
    manifest.write_text(json.dumps(about), encoding="utf-8")
    assert scored("--model", "build/models/small") == [each for each in family if each[1] == "model"]


def test_speed_and_size_are_told_while_a_student_is_scored(here: Path):
    distill("--drop", "2", "--untrained", "--out", "build/models/cut")
    told = run(
        "score", "--model", "build/models/cut", "--set", "build/intent", "--split", "validation", "--out", "score"
    ).stderr

    lines = [line for line in told.splitlines() if "rows/s, " in line and "million parameters" in line]
    assert len(lines) == 2  # its teacher stands beside it


def test_a_student_is_served_and_shown_as_any_model(here: Path):
    distill("--drop", "2", "--untrained", "--out", "build/models/cut")
    found = find_models(fingen_demo("build/models/cut"), base_beside=True)

    assert [each.name for each in found] == ["cut"]


def fingen_demo(*models: str) -> Any:
    from fingen.config import Demo

    return Demo(models=models)


def test_a_student_is_pushed_whole_and_no_place_of_this_machine_with_it(here: Path, hub: HubServer):
    distill("--drop", "2", "--out", "build/models/small")
    run("merge", "build/models/small", "--gguf", "q8_0", "--quiet")
    refused = run("push", "build/models/small", code=2).output
    told = json.loads(run("push", "build/models/small", "--yes", "--license", "mit", "--json", "--quiet").stdout)
    there = {name: data for name, data in hub.repos[KEY].head.files.items() if name != ".gitattributes"}
    record = json.loads(there["merged.json"])
    card = there["README.md"].decode()

    assert "nobody has agreed" in refused
    assert told["plan"]["made_by"] == "the teacher intent-base"
    assert any("small-q8_0.gguf" in note for note in told["plan"]["notes"])
    assert there.keys() == {*record["files"], "merged.json"}
    assert there["model.safetensors"] == Path("build/models/small/model.safetensors").read_bytes()
    assert str(here).encode() not in b"\n".join(there.values())
    assert yaml.safe_load(card.split("\n---\n")[0])["license"] == "mit"
    assert not json.loads(run("push", "build/models/small", "--yes", "--license", "mit", "--json", "--quiet").stdout)[
        "changed"
    ]
    assert [push.kind for push in read_pushes(Path("build/pushes.jsonl"))[0]] == ["model"]
    for wrong, said in (
        ("--with-chunks", "means nothing for it"),
        ("--base x", "--base and --form go with an adapter"),
    ):
        assert said in run("push", "build/models/small", *wrong.split(), code=2).output
    Path("build/models/small/config.json").write_text("{}", encoding="utf-8")
    assert "not as it was made" in run("push", "build/models/small", "--yes", code=2).output


def test_a_student_is_traced_to_its_set_and_its_teacher(here: Path, hub: HubServer):
    """So that nothing of a report that is withdrawn is forgotten in it; and from where it went to it."""
    distill("--drop", "2", "--out", "build/models/small")
    run("push", "build/models/small", "--yes", "--quiet")
    told = json.loads(run("trace", "build/models/small", "--json").stdout)
    of_set = run("trace", "build/intent").stdout

    assert not [
        line
        for line in run("trace", "build/models/small").output.splitlines()
        if "not here" in line and "base" not in line
    ]
    text = json.dumps(told)
    assert "taught on" in text
    assert "taught by" in text
    assert "small" in of_set
    assert KEY.removeprefix("models/") in of_set


def test_a_name_that_a_licence_wants_is_asked_for_on_the_hub_too(here: Path, hub: HubServer):
    distill("--drop", "2", "--untrained", "--out", "build/models/small")
    path = Path("build/models/small/merged.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["base"]["licence"] = "Llama 3.1 Community"
    path.write_text(json.dumps(record), encoding="utf-8")

    assert "--repo you/Llama-small" in run("push", "build/models/small", "--yes", code=2).output
    run("push", "build/models/small", "--repo", "you/Llama-small", "--yes", "--quiet")
    assert "models/you/Llama-small" in hub.repos


def test_the_api_distils_plans_and_packs(here: Path):
    events: list[fingen.Event] = []
    asked: Any = {"set": "build/intent", "learning_rate": 0.003, "epochs": 2, "override": {"save_every": 2}}
    plan = fingen.distill("build/adapters/intent-base", drop=2, dry_run=True, **asked)
    made = fingen.distill("build/adapters/intent-base", drop=2, out="one", on_event=events.append, **asked)
    typed = distill("--drop", "2", "--out", "two")
    packed = fingen.merge("one", gguf="q4_0")

    assert plan.rows == 24
    assert not plan.obstacles
    assert made.record["metrics"] == typed["metrics"]
    assert made.record["sources"]["epochs"] == "keyword"
    assert {type(event) for event in events} == {fingen.Note, fingen.Example}
    assert packed.file == Path("one/one-q4_0.gguf")
    with pytest.raises(fingen.UsageError, match="no value for it"):
        fingen.distill("build/adapters/intent-base", drop=2, kl=2.0)
