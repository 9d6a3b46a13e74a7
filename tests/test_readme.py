"""What README.md and README.zh.md show is what happens: their lines are typed here, and both say the same."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from reviewing import Served
from smollm2 import FOLDER
from stub_llm import StubLLM
from test_cli_help import strangers
from test_kill import reply, write_reports

from fingen.cli import main
from fingen.cli.help import TOPICS
from fingen.reproduce.published import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh.md")
TIMES, OCR = "requests:", "  note:"  # differ between machines: how long it took, whether tesseract is there
SCREENS = slice(1, 6)  # the sections whose lines are typed in the suite, Install among them; Tune and Score take longer
ROAD = slice(6, 8)


def text(name: str = "README.md") -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def sections(name: str = "README.md") -> list[str]:
    """What stands above the first heading of the second level, and each of them with what stands below it."""
    return re.split(r"^## ", text(name), flags=re.MULTILINE)


def blocks(file: str = "README.md") -> list[str]:
    """The texts between fences, in order."""
    return [block.split("\n", 1)[1] for block in text(file).split("```")[1::2]]


def lines(which: slice) -> list[str]:
    """The lines to type of some sections, without their comments."""
    found = re.findall(r"^```sh\n(.*?)^```$", "".join(sections()[which]), re.MULTILINE | re.DOTALL)
    return [shlex.join(shlex.split(line, comments=True)) for block in found for line in block.splitlines()]


def table(name: str, section: int) -> list[list[str]]:
    """The rows of the only table of a section, its head left out."""
    rows = [line for line in sections(name)[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def recipe(target: str) -> str:
    """What `make` would do for a target, were nothing done yet."""
    made = subprocess.run(["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return made.stdout


# --- typed, line by line -------------------------------------------------------------------------------------------------


def type_line(line: str, patch: pytest.MonkeyPatch) -> Result | None:
    """Type a line: `make` stands for the command of fingen in its recipe, if it has one. None: there is nothing to run."""
    match shlex.split(line):
        case ["make", target]:
            ran = [row for row in recipe(target).splitlines() if row.startswith(".venv/bin/fingen ")]
            return type_line(ran[0].removeprefix(".venv/bin/"), patch) if ran else None
        case ["export", setting]:
            patch.setenv(*setting.split("=", 1))
        case [".", script]:
            assert f"{Path(script).parents[1]}/bin/python" in recipe("demo")  # the environment that make sets up
        case ["fingen", *arguments]:
            return CliRunner().invoke(main, arguments, prog_name="fingen")
        case _:
            raise AssertionError(f"who types {line}?")
    return None


def judge(folder: str) -> None:
    """Open the page of `fingen review` and accept a row."""
    with Served(Path(folder), reports=Path("reports")) as page:
        assert page.judge(page.list_keys()[0])[0] == 200


@pytest.fixture(scope="module")
def typed(readers_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Result | None]]:
    """How each line of the first screens ended, typed one after another in a clone with two reports beside it."""
    desk = tmp_path_factory.mktemp("clone")
    (desk / "raw").symlink_to(ROOT / "raw")
    write_reports(desk / "reports", 1, 4)
    shutil.copy(ROOT / "raw/sample_annual_report_2024.pdf", desk / "reports")
    with (
        StubLLM(
            reply=lambda body: reply(body) if "plant number" in json.dumps(body) else '{"items": [], "reason": "none"}'
        ) as stub,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.chdir(desk)
        patch.setenv("ANTHROPIC_BASE_URL", stub.url)
        ended = {}
        for line in lines(SCREENS):
            ended[line] = judge(line.split()[-1]) if line == "fingen review build/reports" else type_line(line, patch)
        yield ended


def test_the_first_screens_work_as_they_are_typed(typed: dict[str, Result | None]):
    ran = {line: result for line, result in typed.items() if result}

    assert {line: result.output for line, result in ran.items() if result.exit_code} == {}
    assert len(ran) >= 14
    assert Path("build/reports-reviewed/manifest.json").is_file()
    assert "requests answered" in ran["fingen journal build/reports"].stdout


@pytest.mark.parametrize("name", READMES)
def test_the_demo_prints_what_is_shown(typed: dict[str, Result | None], name: str):
    said = next(block for block in blocks(name) if block.startswith("build/demo "))
    printed = typed["make demo"]

    def stable(text: str) -> list[str]:
        return [line.rstrip() for line in text.splitlines() if not line.startswith((TIMES, OCR))]

    assert printed is not None
    assert stable(printed.stdout) == stable(said)


def test_the_row_that_is_shown_is_in_the_demo_set(typed: dict[str, Result | None]):
    said = next(block for block in blocks("fingen/help/sets.md") if block.startswith("{"))
    rows = Path("build/demo/train.jsonl").read_text(encoding="utf-8").splitlines()

    assert json.loads(said) in [json.loads(row) for row in rows]


@pytest.mark.parametrize("name", READMES)
def test_the_price_of_the_sample_is_what_a_dry_run_says(
    typed: dict[str, Result | None], name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    said = next(block for block in blocks(name) if "nothing was sent" in block)

    command = ["pdf2qa", "raw", "--teacher", "anthropic", "--dry-run", "--out", "build/sample"]
    *lines, following = CliRunner().invoke(main, command, prog_name="fingen").stdout.splitlines()
    assert [line for line in lines if not line.startswith("note: ")] == said.splitlines()
    assert following == "next: fingen pdf2qa raw --teacher anthropic --out build/sample --budget 1"
    assert tomllib.loads(text("fingen/teachers/prices.toml"))["date"].isoformat() in text(name)


@pytest.mark.slow
def test_the_road_on_the_tiny_model_works_as_it_is_typed(
    typed: dict[str, Result | None], monkeypatch: pytest.MonkeyPatch
):
    ran = [type_line(line, monkeypatch) for line in lines(ROAD) if "tiny" in line]

    assert [result.exit_code for result in ran if result] == [0, 0, 0]


def test_extras_keep_a_clone_editable():
    for target in ("review", "train"):
        assert f'--editable ".[{target}]"' in recipe(target)


# --- two languages -------------------------------------------------------------------------------------------------------


def code(name: str) -> list[str]:
    """All blocks in their order, without comments."""
    return [re.sub(r" +# .*$", "", block, flags=re.MULTILINE) for block in blocks(name)]


def prose(section: str) -> str:
    return re.sub(r"^```.*?^```$", "", section, flags=re.MULTILINE | re.DOTALL)


def test_both_languages_show_the_same_code_in_the_same_order():
    assert code("README.md") == code("README.zh.md")
    assert [block.count(" # ") for block in blocks("README.md")] == [
        block.count(" # ") for block in blocks("README.zh.md")
    ]


def test_both_languages_name_the_same_commands_options_figures_and_pages_in_each_section():
    english, chinese = sections("README.md"), sections("README.zh.md")

    assert len(english) == len(chinese)
    for one, other in zip(map(prose, english), map(prose, chinese), strict=True):
        for what in (r"`[^`]+`", r"\d+(?:[.,]\d+)*", r"\]\((?!README)[^)]+\)", r"^\|.*\|$", r"^- "):
            found = [Counter(re.findall(what, each, re.MULTILINE)) for each in (one, other)]
            if what.startswith("^"):
                assert found[0].total() == found[1].total(), one[:80]
            else:
                assert found[0] == found[1], one[:80]


def test_each_language_is_one_click_from_the_other():
    assert "(README.zh.md)" in sections("README.md")[0]
    assert "(README.md)" in sections("README.zh.md")[0]
    assert len(re.findall(r"[\u4e00-\u9fff]", prose(text("README.zh.md")))) > 1200


# --- what is named is there ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READMES)
def test_commands_pages_and_targets_that_are_named_are_there(name: str):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text(name))
    targets = re.findall(r"^make (\w+)|`make (\w+)`", text(name), re.MULTILINE)

    assert not strangers(text(name))
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert {f"fingen/help/{topic}.md" for topic in TOPICS} <= set(links)
    assert all(recipe("".join(target)) for target in set(targets))
    assert f"--model ~/.cache/fingen-tests/{FOLDER.name} " in text(name)
    assert text(name).count("\n") <= 220


def test_the_figures_of_the_result_are_those_that_were_measured_and_published():
    shown = prose(sections()[8])
    measured = (ROOT / "tests/benchmarks/RESULTS.md").read_text(encoding="utf-8")
    (published,) = [figures for figures in EXPERIMENTS["fingpt-v3.2"].tables if figures.measure == "weighted_f1"]
    columns = dict(zip(published.columns, published.rows["fpb"], strict=True))

    for figure in re.findall(r"0\.\d{3}(?: \(0\.\d{3} to 0\.\d{3}\))?", shown.partition("```")[0]):
        assert figure in measured, figure
    for who, column in (("FinGPT v3.2", "v3.2"), ("FinBERT", "FinBERT"), ("v3.3", "v3.3")):
        row = next(row for row in table("README.md", 8) if who in row[0])
        assert columns[column] in row[1]


# --- each claim has something behind it ----------------------------------------------------------------------------------


def claims() -> dict[str, list[str]]:
    """The table of CONTRIBUTING.md: a claim, and what shows it."""
    rows = re.findall(
        r"^\| (.+) \| (`tests/.+`) \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {claim: re.findall(r"`([^`]+)`", shown) for claim, shown in rows}


def test_what_is_in_no_other_tool_is_shown_by_a_command_and_held_by_a_test():
    unheld = [claim for claim, _ in table("README.md", 9) if claim not in claims()]

    assert not unheld
    assert [row[1] for row in table("README.md", 9)] == [row[1] for row in table("README.zh.md", 9)]
    assert len(table("README.md", 9)) >= 5


@pytest.mark.parametrize("claim", claims())
def test_what_holds_a_claim_is_there(claim: str):
    for shown in claims()[claim]:
        path, _, name = shown.partition("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        if name:
            assert name in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}, shown
        else:
            assert path.startswith("tests/benchmarks/"), shown
            assert Path(path).name in (ROOT / "tests/benchmarks/RESULTS.md").read_text(encoding="utf-8"), shown


def test_figures_that_say_what_to_expect_were_measured():
    measured = (ROOT / "tests/benchmarks/RESULTS.md").read_text(encoding="utf-8")
    shown = re.sub(r"`[^`]*`|20\d\d-\d\d", "", "".join(sections()[9:11]))
    figures = re.findall(r"\d+/\d+|\d+(?:,\d{3})*", shown)

    assert {"149", "42/60", "84/112", "55/60", "111/112", "52", "35", "284"} <= set(figures)
    assert [figure for figure in figures if not re.search(rf"(?<![\d.,]){figure}(?![\d]|[.,]\d)", measured)] == []
