"""Folders, files and names that strangers made: nothing in them is a way to another place, and nothing steers a terminal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from test_push import intent, make_set

from fingen import cli
from fingen.sets import read_manifest

SECRET = "not for anybody"


def run(*arguments: object, code: int | None = None) -> Result:
    ran = CliRunner().invoke(cli.main, [*map(str, arguments)], prog_name="fingen")
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    assert code in (None, ran.exit_code), ran.output
    return ran


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one set, and a file beside it that is none of anybody's business."""
    (tmp_path / "desk").mkdir()
    (tmp_path / "secret.jsonl").write_text(SECRET)
    monkeypatch.chdir(tmp_path / "desk")
    make_set(Path("build/intent"), [intent(n) for n in range(12)])
    return tmp_path / "desk"


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


PLACES = (
    "/etc/passwd",
    "../../../secret.jsonl",
    "a/../../secret.jsonl",
    "C:secret",
    "a\\b",
    "",
    ".",
    "line\nend",
    "\u202etxt",
)


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    "command", ["verify", "export --format alpaca --out out", "finetune --model tiny --dry-run --set"]
)
def test_a_manifest_lists_no_file_outside_its_folder(desk: Path, command: str, path: str):
    change(Path("build/intent"), lambda manifest: manifest["files"].update({path: {"sha256": "0" * 64, "rows": 1}}))
    said = run(*command.split(), "build/intent", code=2).output

    assert "build/intent/manifest.json: files." in said
    assert "changed since" not in said
    assert not Path("out").exists()


@pytest.mark.parametrize("name", [name for name in PLACES if name])
def test_a_set_is_named_by_a_name(desk: Path, name: str):
    change(Path("build/intent"), lambda manifest: manifest.update(name=name))
    said = run("finetune", "--model", "tiny", "--dry-run", code=2).output

    assert "manifest.json: name: a path or control character in place of a name" in said
    assert {path.name for path in desk.iterdir()} == {"build"}


@pytest.mark.parametrize("name", ["train.jsonl", "chunks.jsonl", "journal.sqlite", ".lock", "extra"])
def test_a_link_that_leads_out_of_a_set_is_not_followed(desk: Path, name: str):
    (Path("build/intent") / name).unlink(missing_ok=True)
    (Path("build/intent") / name).symlink_to("../../../secret.jsonl")
    for command in ("verify", "show", "export --format alpaca --out out", "dedup"):
        said = run(*command.split(), "build/intent", code=2).output
        assert f"build/intent/{name}: a link that leads out of its folder" in said
        assert SECRET not in said
    assert Path("../secret.jsonl").read_text() == SECRET


def test_links_within_a_set_and_to_a_set_are_followed(desk: Path):
    shutil.move("build/intent", "elsewhere")
    Path("build/intent").symlink_to("../elsewhere")
    Path("elsewhere/blob").write_bytes(Path("elsewhere/train.jsonl").read_bytes())
    Path("elsewhere/train.jsonl").unlink()
    Path("elsewhere/train.jsonl").symlink_to("blob")

    assert run("verify", "build/intent", code=0)


@pytest.mark.parametrize("out", ["build/x\x1b[2J", "build/a\nb", "build/..", "build/\u202egpj", "build/a\\b"])
@pytest.mark.parametrize(
    "command",
    ["synth intent --n 5 --teacher offline --out", "export build/intent --format csv --out", "mix build/intent --out"],
)
def test_nothing_is_written_under_a_name_that_could_not_be_read_again(desk: Path, command: str, out: str):
    said = run(*command.split(), out, code=2).output

    assert "no name for a folder" in said
    assert {path.name for path in Path("build").iterdir()} == {"intent"}


def test_what_was_made_before_is_still_read(desk: Path):
    for name in ("报告 2024", "über-uns.v2", "a b(c)", "é", "x" * 120):
        make_set(Path("build") / name, [intent(1)])
        assert read_manifest(Path("build") / name).name == name
