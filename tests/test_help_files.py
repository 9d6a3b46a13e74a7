"""The notebook and the skill file that `fingen help` has: each cell runs, and each command is one that does as it says."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from fingen import cli

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.usefixtures("readers_here")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sample report."""
    (tmp_path / "raw").mkdir()
    for report in (ROOT / "raw").iterdir():
        os.link(report, tmp_path / "raw" / report.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(*words: str, code: int = 0) -> str:
    ran = CliRunner().invoke(cli.main, list(words), prog_name="fingen")
    assert ran.exit_code == code, ran.output
    return ran.stdout


def test_each_cell_of_the_notebook_runs(desk: Path, capsys: pytest.CaptureFixture[str]):
    assert "written: fingen.ipynb" in ask("help", "notebook")
    notebook = json.loads((desk / "fingen.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], len({cell["id"] for cell in notebook["cells"]})) == (4, len(notebook["cells"]))
    space: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec("".join(cell["source"]), space)  # the last line of a cell may be what a notebook shows

    assert (desk / "build/notebook-evidence.png").read_bytes().startswith(b"\x89PNG")
    assert space["Picture"]("build/notebook-evidence.png")._repr_png_().startswith(b"\x89PNG")
    assert "notebook-answers.jsonl" in capsys.readouterr().out
    assert (desk / "build/scores/notebook/score.json").is_file()


def test_a_notebook_that_was_worked_on_is_not_written_over(desk: Path):
    ask("help", "notebook")
    assert json.loads(ask("help", "notebook", "--json")) == {"topic": "notebook", "written": "fingen.ipynb"}
    (desk / "fingen.ipynb").write_text("mine", encoding="utf-8")

    ask("help", "notebook", code=2)
    assert (desk / "fingen.ipynb").read_text(encoding="utf-8") == "mine"


def test_the_skill_has_the_form_of_one():
    _, matter, body = ask("help", "agents").split("---\n", 2)
    told = yaml.safe_load(matter)

    assert set(told) == {"name", "description"}
    assert re.fullmatch(r"[a-z0-9-]{1,64}", told["name"])
    assert 0 < len(told["description"]) <= 1024
    assert body.lstrip().startswith("# ")


def test_each_command_of_the_skill_does_as_it_says(desk: Path):
    text = ask("help", "agents")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]

    assert len(commands) > 5
    for line in commands:
        name, *words = shlex.split(line)
        assert name == "fingen"
        assert isinstance(json.loads(ask(*words)), dict), line
        assert "--dry-run" not in words or not (desk / "build/agents/manifest.json").exists()
        assert not {"--yes", "--replace", "--public"} & set(words)
    assert (desk / "build/agents/manifest.json").is_file()
    assert (desk / "build/agents-alpaca").is_dir()


def test_what_the_skill_says_of_consent_and_codes_is_so(desk: Path, monkeypatch: pytest.MonkeyPatch):
    """A teacher found by its key alone is not asked: exit code 2, and nothing was sent."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-for-tests")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    ask("pdf2qa", "raw", "--out", "build/asked", "--limit", "1", code=2)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    ask("pdf2qa", "raw", "--out", "build/asked", "--limit", "1", "--teacher", "anthropic", code=3)
    ask("verify", "build/nothing", code=2)

    settings = (ROOT / "fingen/help/settings.md").read_text(encoding="utf-8")
    for code in ("0 done", "1 ran", "2 bad usage", "3 a teacher or the Hub refused", "130 interrupted"):
        assert code in settings
        assert f"| {code.partition(' ')[0]} | " in ask("help", "agents")


def test_accelerate_takes_the_files_of_the_topic_on_training(tmp_path: Path):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    options = {action.dest for action in launch_command_parser()._actions}
    kinds = []
    for text in re.findall(r"^```yaml\n(.*?)^```", ask("help", "training"), re.MULTILINE | re.DOTALL):
        (path := tmp_path / "given.yaml").write_text(text, encoding="utf-8")
        config = load_config_from_file(str(path))  # an entry that it does not know is an error
        kinds.append(config.distributed_type.value)
        assert {*config.fsdp_config, *config.deepspeed_config} <= options
        assert config.num_processes == 8

    assert kinds == ["FSDP", "DEEPSPEED"]
