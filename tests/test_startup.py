"""A command imports what it needs and little beyond. Counted in modules, not in time: that is in benchmarks/."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "accelerate",
    "anthropic",
    "bitsandbytes",
    "datasets",
    "httpx2",
    "huggingface_hub",
    "jinja2",
    "numpy",
    "openai",
    "pandas",
    "peft",
    "pyarrow",
    "pydantic",
    "pymupdf",
    "rapidfuzz",
    "rich",
    "sklearn",
    "torch",
    "transformers",
    "yaml",
}
MOST = 40  # modules beyond those of click; the standard library's are counted too
LIST = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
OWN = 45  # modules of fingen that a light command may load
COMMAND = """
import sys
sys.argv = ["fingen", *{args!r}]
from fingen.cli import main
try:
    main()
except SystemExit as e:
    assert e.code in {codes!r}, e.code
"""


def modules_of(code: str, cwd: Path = ROOT) -> set[str]:
    run = subprocess.run([sys.executable, "-c", code + "\n" + LIST], cwd=cwd, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stderr.splitlines()[-1]))


def modules_of_command(*args: str, cwd: Path = ROOT, codes: tuple[int | None, ...] = (0, None)) -> set[str]:
    return modules_of(COMMAND.format(args=args, codes=codes), cwd)


def write_rows(path: Path, *rows: dict[str, object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def named(modules: set[str], *rooms: str) -> list[str]:
    return sorted(name for name in modules if any(f"{name}.".startswith(f"{room}.") for room in rooms))


def test_help_imports_little_beyond_click():
    beyond = modules_of_command("--help") - modules_of("import click")

    assert "fingen.cli" in beyond
    assert not {name.partition(".")[0] for name in beyond} & HEAVY
    assert len(beyond) < MOST, sorted(beyond)


def test_scoring_answers_loads_no_teacher_and_no_model(tmp_path):
    options = {"A": "buy", "B": "sell"}
    write_rows(tmp_path / "gold.jsonl", *({"id": id, "gold": id, "options": options} for id in "AB"))
    write_rows(tmp_path / "answers.jsonl", *({"id": id, "prediction": "A"} for id in "AB"))

    loaded = modules_of_command("score", "--predictions", "answers.jsonl", "--gold", "gold.jsonl", cwd=tmp_path)

    assert (tmp_path / "build" / "scores" / "answers" / "score.json").is_file()
    assert not named(loaded, "torch", "fingen.teachers", "fingen.training", "fingen.pipeline", "fingen.documents")
    assert len(named(loaded, "fingen")) <= OWN, named(loaded, "fingen")


def test_verifying_loads_no_teacher_and_no_model(tmp_path):
    write_rows(
        tmp_path / "pairs.jsonl", {"instruction": "What was revenue?", "input": "", "output": "It was 5 million."}
    )

    loaded = modules_of_command(
        "verify", "pairs.jsonl", cwd=tmp_path, codes=(1,)
    )  # nothing says what it is proved against

    assert not named(loaded, "torch", "pymupdf", "fingen.teachers", "fingen.training", "fingen.pipeline")
    assert len(named(loaded, "fingen")) <= OWN, named(loaded, "fingen")


def test_scoring_a_model_loads_no_teacher_and_nothing_that_trains():
    loaded = named(modules_of("import fingen.cli.score, fingen.scoring.local, fingen.scoring.run"), "fingen")

    assert not named(set(loaded), "fingen.teachers", "fingen.pipeline", "fingen.documents", "fingen.training.run")
    assert "fingen.training.use" in loaded
