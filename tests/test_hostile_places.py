"""What lies in a folder, or comes from a server, leads nowhere else; and what is taken from there is said."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from patience import PATIENCE

import fingen
from fingen import cli, wire
from fingen.disk import write_text
from fingen.errors import FingenError, UsageError
from fingen.leftovers import beside_of
from fingen.quality.quantities import find_figures
from fingen.rows import read_raw
from fingen.teachers.anthropic import Anthropic
from fingen.teachers.batch_apis import AnthropicBatches, BatchApi, OpenAIBatches
from fingen.teachers.openai import OpenAI
from fingen.text import is_figure
from fingen.training.models import shadow_note


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- files


def test_a_link_where_a_file_is_written_first_is_not_followed(desk: Path):
    (desk / "own").write_text("mine")
    beside = beside_of(desk / "page.html")
    beside.symlink_to("own")
    write_text(desk / "page.html", "written")

    assert ((desk / "own").read_text(), (desk / "page.html").read_text()) == ("mine", "written")
    assert not beside.is_symlink()


@pytest.mark.parametrize("linked", ["prompts", "prompts/qa.en.md", "prompts/extra"])
def test_templates_are_not_copied_through_a_link(desk: Path, linked: str):
    elsewhere = desk.parent / f"{desk.name}-elsewhere"
    elsewhere.mkdir()
    (desk / linked).parent.mkdir(exist_ok=True)
    (desk / linked).symlink_to(elsewhere if linked == "prompts" else elsewhere / "new.md")
    ran = CliRunner().invoke(cli.main, ["prompts", "copy", "--replace"], prog_name="fingen")

    assert (ran.exit_code, list(elsewhere.iterdir())) == (2, [])
    assert f"{linked}: a link" in ran.stderr


def test_settings_of_a_drawing_library_are_not_taken_from_the_folder(desk: Path):
    """A library of that name, which does what matplotlib does: it looks for settings where it is imported."""
    library = desk / "installed" / "matplotlib"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("import pathlib; FOUND = pathlib.Path('matplotlibrc').exists()")
    (library / "figure.py").write_text("import matplotlib; raise SystemExit(7 if matplotlib.FOUND else 5)")
    (desk / "matplotlibrc").write_text("text.usetex: True")
    code = "import sys; sys.path.append('installed'); from pathlib import Path; from fingen.training.adapter import draw_picture; draw_picture([], Path('x.png'))"

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 5, ran.stderr


def test_a_folder_that_has_the_name_of_a_model_is_said(desk: Path):
    (desk / "owner/model").mkdir(parents=True)

    assert "the folder of that name here" in (shadow_note("owner/model") or "")
    assert shadow_note("owner/other") is None
    assert shadow_note("./owner/model") is None  # nobody means the Hub by that


def test_a_key_in_the_folder_is_known_as_such(desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (desk / ".env").write_text("ANTHROPIC_API_KEY=sk-of-a-stranger\nANTHROPIC_BASE_URL=http://evil.example\n")
    teacher = Anthropic("claude-haiku-5-5")

    assert teacher.is_key_from_file()
    assert teacher.name == "anthropic:claude-haiku-5-5"  # and not @evil.example
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-user")
    assert not teacher.is_key_from_file()
    assert wire.find_key("ANTHROPIC_API_KEY") == "sk-of-the-user"


def test_a_budget_of_the_environment_holds_for_the_api_too(desk: Path, monkeypatch: pytest.MonkeyPatch):
    def most(**given: float) -> float | None:
        asked = fingen.synth_intent(n=5, language="en", teacher="anthropic", out="set", dry_run=True, **given)
        assert isinstance(asked, fingen.Estimate)
        return asked.budget_all_usd

    assert most() is None
    monkeypatch.setenv("FINGEN_BUDGET", "5")
    assert (most(), most(budget_all=3)) == (5.0, 3.0)
    monkeypatch.setenv("FINGEN_BUDGET", "much")
    with pytest.raises(UsageError, match="budget_all"):
        most()


# --- messages


def test_a_message_is_not_as_long_as_a_file():
    assert len(str(FingenError("x" * 5_000_000, hint="\x1b" * 5_000_000))) <= 2_000
    assert len(FingenError("x", hint="\x1b" * 5_000_000).hint) <= 2_000
    assert str(FingenError("x" * 2_000)) == "x" * 2_000


def test_a_row_of_many_columns_is_named_in_a_line(desk: Path):
    Path("rows.jsonl").write_text(json.dumps(dict.fromkeys(map(str, range(100_000)), "")) + "\n")
    with pytest.raises(UsageError, match=r"rows.jsonl, line 1") as e:
        next(read_raw(Path("rows.jsonl"))).text("question")

    assert len(str(e.value)) <= 2_000


@pytest.mark.parametrize("word", ["--\x1b[2J", "\x1b]0;x\x07", "a\u202eb", "a\nError: forged"])
@pytest.mark.parametrize("group", [[], ["synth"], ["prompts"]])
def test_what_was_typed_is_shown_and_steers_nothing(group: list[str], word: str):
    said = CliRunner().invoke(cli.main, [*group, word], prog_name="fingen").output

    assert all(char.isprintable() or char == "\n" for char in said)
    assert not any(line.startswith("Error: forged") for line in said.splitlines())


@pytest.mark.parametrize("words", ["亿", "1,1", "1一", "一百亿", "\u3000", "\n", "1 ", "(", "$1"])
def test_a_text_of_one_word_is_read_in_time(words: str):
    text = words * (100_000 // len(words))
    began = time.process_time()
    find_figures(text)
    is_figure(text)

    assert time.process_time() - began < 10


# --- what ends a run


def test_an_interruption_that_a_library_wraps_is_one(desk: Path, monkeypatch: pytest.MonkeyPatch):
    """Pydantic gives an error of its own where its schemas are being built, which names the interruption and no cause."""
    code = (
        "import sys; from pydantic_core import SchemaError; import fingen.training.models as models\n"
        "def ended(*given): raise SchemaError('Error building validator: KeyboardInterrupt: ')\n"
        "import fingen.sets; fingen.sets.read_manifest = ended\n"
        "from fingen.cli import main; sys.argv = ['fingen', 'verify', 'made']; main()"
    )
    Path("made").mkdir()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert ran.returncode == 130, ran.stderr
    assert "run the same command again" in ran.stderr
    assert "Traceback" not in ran.stderr


# --- servers

PATHS = ["../../admin", "..", ".", "a/../../b", "a?x=1", "a#b", "/etc", "http://evil.example/x", "a\x00b", "\u202e"]


@pytest.mark.parametrize("id", PATHS)
@pytest.mark.parametrize("api_type", [AnthropicBatches, OpenAIBatches])
def test_an_id_of_a_server_is_one_part_of_a_path(api_type: type[BatchApi], id: str):
    teacher_type = Anthropic if api_type is AnthropicBatches else OpenAI
    api = api_type(teacher_type("m", base_url="http://127.0.0.1:9"))
    ended = {"processing_status": "ended", "status": "completed", "output_file_id": id}
    (path,) = api.read_look(id, ended).paths
    place = f"{api.path}/ID/results" if api_type is AnthropicBatches else "/files/ID/content"

    assert len(path.split("/")) == len(place.split("/"))
    assert not {".", ".."} & set(path.split("/"))
    assert not set("?#\x00") & set(path)
    assert unquote(path) == place.replace("ID", id)
