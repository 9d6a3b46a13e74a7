"""The command that adds an extra, for each way in which fingen may have been installed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ASK = "from fingen.install import install_command; print(install_command('train', 'quant'))"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def name() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])


def asked(site: Path, origin: dict[str, object] | None) -> list[str]:
    """The words of the command, from a package that is installed in a folder of its own, as pip leaves it there."""
    (site / "fingen").mkdir(parents=True)
    for file in ("__init__.py", "install.py"):
        shutil.copy(ROOT / "fingen" / file, site / "fingen" / file)
    about = site / f"{name().replace('-', '_')}-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name()}\nVersion: 1\n")
    if origin:
        (about / "direct_url.json").write_text(json.dumps(origin))
    ran = subprocess.run([sys.executable, "-S", "-c", ASK], env={**os.environ, "PYTHONPATH": str(site)}, cwd=site,
                         capture_output=True, text=True, check=True)  # fmt: skip
    return shlex.split(ran.stdout)


@pytest.mark.parametrize("folder", ["clone", "a clone's"])
def test_in_a_clone_it_is_the_clone(tmp_path: Path, folder: str):
    (tmp_path / folder).mkdir()
    words = asked(tmp_path / "site", {"url": (tmp_path / folder).as_uri(), "dir_info": {"editable": True}})

    assert words == [sys.executable, "-m", "pip", "install", "-e", f"{tmp_path / folder}[train,quant]"]


def test_from_a_folder_or_a_wheel_it_is_that(tmp_path: Path):
    wheel = tmp_path / "x y-1-py3-none-any.whl"
    wheel.touch()

    assert asked(tmp_path / "one", {"url": tmp_path.as_uri(), "dir_info": {}})[3:] == [
        "install",
        f"{tmp_path}[train,quant]",
    ]
    assert asked(tmp_path / "two", {"url": wheel.as_uri(), "archive_info": {}})[3:] == [
        "install",
        f"{wheel}[train,quant]",
    ]


@pytest.mark.parametrize(
    ("origin", "what"),
    [
        (None, "{name}[train,quant]"),
        ({"url": "file:///gone/x-1-py3-none-any.whl", "archive_info": {}}, "{name}[train,quant]"),
        ({"url": "file:///gone", "dir_info": {"editable": True}}, "{name}[train,quant]"),
        ({"url": "https://host/x-1.whl", "archive_info": {}}, "{name}[train,quant] @ https://host/x-1.whl"),
        (
            {"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"{{name}}[train,quant] @ git+https://host/x.git@{COMMIT}",
        ),
    ],
)
def test_from_elsewhere_it_is_by_name(tmp_path: Path, origin: dict[str, object] | None, what: str):
    assert asked(tmp_path / "site", origin)[3:] == ["install", what.format(name=name())]


def test_not_installed_at_all_it_is_the_clone(tmp_path: Path):
    ran = subprocess.run([sys.executable, "-S", "-c", ASK], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
                         capture_output=True, text=True, check=True)  # fmt: skip

    assert shlex.split(ran.stdout)[4:] == ["-e", f"{ROOT}[train,quant]"]


def test_the_name_is_not_that_of_another_project_and_no_hint_installs_it():
    assert name() != "fingen"
    told = [path for path in (ROOT / "fingen").rglob("*.py") if "fingen[" in path.read_text(encoding="utf-8")]
    assert told == []
