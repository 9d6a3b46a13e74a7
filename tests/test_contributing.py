"""CONTRIBUTING's four recipes, followed to the letter in a copy of the package: what is added works from one end to the other.

The blocks are taken from CONTRIBUTING.md itself. The first line of one says where it belongs; a block of shell is run.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pymupdf
import pytest
from rows import read_rows

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"# (?P<file>\S+)(?:, (?P<how>at the top|in|above)(?: (?P<name>\w+))?)?\n")
DRIVER = """
import json, sys
from click.testing import CliRunner
from fingen.cli import main
for arguments in json.loads(sys.argv[1]):
    ran = CliRunner().invoke(main, arguments, prog_name="fingen", terminal_width=500, max_content_width=500)
    print(json.dumps([ran.exit_code, ran.stdout, ran.output]))
import test_cli_help
print(json.dumps(test_cli_help.unnamed()))
"""
FIRST = {  # what the first sentence of a passage says -> passages
    "A fire at the {} plant would stop the delivery of {}, for which no second supplier has been found so far.": 5,
    "The order book of the {} plant means the {} that buyers have promised in writing to take and to pay for.": 2,
    "Revenue of the {} plant increased in 2024 because hospitals renewed their contracts and ordered more {}.": 1,
}
CITIES = "Bergen Oslo Turku Aarhus Malmo Tampere Odense Narvik".split()
GOODS = "lenses probes gauges sensors lasers valves pumps scales".split()


class Ran(NamedTuple):
    """How a command ended."""

    exit_code: int
    stdout: str
    output: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.exit_code == 0, self.output
        return dict(json.loads(self.stdout))


def follow(copy: Path) -> None:
    """Do in a copy what CONTRIBUTING.md says below "Adding"."""
    text = (copy / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for language, block in BLOCK.findall(text.partition("\n## Adding\n")[2]):
        if language == "sh":
            subprocess.run(["sh", "-ec", block], cwd=copy, check=True)
            continue
        place = PLACE.match(block)
        assert place, f"a block that names no place: {block[:60]}"
        path, lines = copy / place["file"], block[place.end() :]
        path.write_text(
            put(path.read_text(encoding="utf-8"), place, lines) if place["how"] else lines, encoding="utf-8"
        )


def put(text: str, place: re.Match[str], block: str) -> str:
    """The text of a module with a block at its place: below its imports, or above a table or at the end of one."""
    tree, lines = ast.parse(text), text.splitlines(keepends=True)
    if place["how"] == "at the top":
        at = max(node.end_lineno or 0 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        return "".join([*lines[:at], block, *lines[at:]])
    table = next(
        node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and named(node) == place["name"]
    )
    if place["how"] == "above":
        return "".join([*lines[: table.lineno - 1], block, "\n\n", *lines[table.lineno - 1 :]])
    end, column = (table.value.end_lineno or 0) - 1, (table.value.end_col_offset or 0) - 1  # of the closing bracket
    body, closing = lines[end][:column].rstrip(), lines[end][column:]
    comma = "," if body and not body.endswith(",") else ""
    return "".join([*lines[:end], f"{body}{comma}\n{block}{closing}", *lines[end + 1 :]])


def named(node: ast.Assign | ast.AnnAssign) -> str:
    return ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])


def write_report(path: Path) -> None:
    """An annual report with a heading and a paragraph for each passage."""
    starts = [start for start, times in FIRST.items() for _ in range(times)]
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        page.insert_text((72, 200), "Northwind Instruments Inc.", fontsize=26, fontname="hebo")
        page.insert_text((72, 260), "Annual Report 2024", fontsize=20)
        page.insert_text((72, 300), "for the fiscal year ended December 31, 2024", fontsize=12)
        for start, city, goods in zip(starts, CITIES, GOODS, strict=True):
            page = pdf.new_page()
            page.insert_text((72, 90), f"The plant in {city}", fontsize=16, fontname="hebo")
            rest = (
                f"Wages in {city} follow an agreement with the union, which was renewed without a strike in the spring. "
                f"Heat from the making of {goods} warms the homes around it, which brings in little and pleases many. "
                f"The land of {city} is leased from the town, and a wall of stone keeps the noise of {goods} from it. "
            )
            page.insert_textbox((72, 110, 520, 300), f"{start.format(city, goods)} {rest}", fontsize=11)
        pdf.save(path, deflate=True, no_new_id=True, reproducible=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for name in ("fingen", "prompts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("CONTRIBUTING.md", "tests/test_cli_help.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    follow(folder)
    return folder


COMMANDS = {
    "help": "pdf2qa --help",
    "quoting": "pdf2qa report.pdf --task risk --teacher quoting --chunk-tokens 128 --out build/risk --json",
    "offline": "pdf2qa report.pdf --task concept,risk --teacher offline --chunk-tokens 128 --out build/offline --json",
    "verify": "verify build/risk --json",
    "dedup": "dedup build/risk --json",
    "split": "split build/risk --split 0.5,0.25,0.25 --json",
    "finetune": "finetune --set build/risk --model tiny --dry-run --json",
    "score help": "score --help",
    "score": "score --benchmark headlines --data headlines.csv --predictions answers.jsonl --json",
}


@pytest.fixture(scope="module")
def ran(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How each command ended, and what topics do not name: one process, which has the copy first on its path."""
    here = tmp_path_factory.mktemp("here")
    write_report(here / "report.pdf")
    (here / "headlines.csv").write_text("headline,label\nGold climbs,yes\nGold slips,no\nGold jumps,yes\n")
    (here / "answers.jsonl").write_text("".join(f'{{"row": {n}, "prediction": "yes"}}\n' for n in (1, 2, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{copy}:{copy / 'tests'}")
        command = [sys.executable, "-c", DRIVER, json.dumps([line.split() for line in COMMANDS.values()])]
        process = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    *answers, unnamed = map(json.loads, process.stdout.splitlines())
    rejects = read_rows(here / "build/risk/rejected.jsonl")
    return {
        **{name: Ran(*a) for name, a in zip(COMMANDS, answers, strict=True)},
        "unnamed": unnamed,
        "rejects": rejects,
    }


def test_a_document_task_goes_from_the_report_to_the_training(ran: dict[str, Any]):
    made = ran["quoting"].json

    assert "risk: what may go wrong" in " ".join(ran["help"].output.split())
    assert list(made["records"]) == ["qa-risk"]
    assert sum(made["records"]["qa-risk"].values()) - made["records"]["qa-risk"]["memory"] == 5
    assert made["rejects"]["no-risk"] == 1
    assert list(ran["offline"].json["records"]) == ["qa-concept"]
    assert "the offline teacher has no rules for risk: --teacher names a model" in ran["offline"].json["notes"]
    assert not [law for law, found in ran["verify"].json["laws"].items() if found["failed"]]
    assert ran["dedup"].json["changed"] is False
    assert sum(ran["split"].json["splits"].values()) >= 5
    assert ran["finetune"].exit_code == 0, ran["finetune"].output


def test_a_teacher_answers(ran: dict[str, Any]):
    made = ran["quoting"].json

    assert (made["teacher"], made["requests"]["unusable"], made["cost_usd"]) == ("quoting", 0, 0.0)


def test_a_benchmark_is_offered_and_scored(ran: dict[str, Any]):
    (score,) = [one for one in ran["score"].json["scores"] if one["subject"] == "answers"]

    assert "headlines" in ran["score help"].output
    assert (score["on"], score["rows"], score["choices"]["classes"]["yes"]["support"]) == ("headlines", 3, 2)


def test_a_check_keeps_its_rejects_and_they_are_counted(ran: dict[str, Any]):
    fallen = [row for row in ran["rejects"] if row["reason"] == "promises"]

    assert ran["quoting"].json["rejects"]["promises"] == len(fallen) == 2
    assert all(row["detail"].split("; also ")[0] == "promised" for row in fallen)  # what else is wrong comes after it
    assert all("promised in writing" in row["item"]["answer"] for row in fallen)


def test_topics_are_told_what_they_do_not_name(ran: dict[str, Any]):
    assert ran["unnamed"] == ["fingen pdf2qa risk", "fingen score headlines", "fingen import headlines"]
