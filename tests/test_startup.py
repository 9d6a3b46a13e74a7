"""A command imports what it needs and little beyond. Counted in modules, not in time: that is in benchmarks/."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fingen.cli import COMMANDS

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
OWN = 64  # modules of ours, at most, for what needs no model
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


# Command -> what is wrong with it, each with what is said. All in an empty folder, with no key anywhere.
WRONG: dict[str, list[tuple[str, str]]] = {
    "doctor": [("doctor nowhere", "unexpected extra argument")],
    "init": [("init nowhere", "nowhere: no such folder")],
    "completion": [("completion tcsh", "'tcsh' is not one of")],
    "help": [("help nowhere-else", "no topic and no command")],
    "pdf2qa": [
        ("pdf2qa nowhere --teacher offline", "nowhere: not found"),
        ("pdf2qa . --teacher nobody", "unknown teacher"),
        ("pdf2qa . --teacher anthropic", "ANTHROPIC_API_KEY is not set"),
        ("pdf2qa . --teacher openai --batch", "OPENAI_API_KEY is not set"),
        ("pdf2qa . --teacher offline --judge anthropic", "ANTHROPIC_API_KEY is not set"),
        ("pdf2qa . --teacher openai --import-answers nowhere", "nowhere is no file"),
        ("pdf2qa . --teacher offline --keep-out nowhere.json", "nowhere.json: cannot be read"),
        ("pdf2qa . --teacher offline --against nowhere", "nowhere: no such set"),
        ("pdf2qa . --teacher offline --questions nowhere", "nowhere: cannot be read"),
    ],
    "synth": [
        ("synth intent --teacher nobody", "unknown teacher"),
        ("synth intent --teacher openai", "OPENAI_API_KEY is not set"),
        ("synth intent --teacher offline --check anthropic", "ANTHROPIC_API_KEY is not set"),
        ("synth intent --labels nowhere", "nowhere: cannot be read"),
        ("synth sentiment --teacher anthropic", "ANTHROPIC_API_KEY is not set"),
        ("synth qa --topics nowhere --teacher anthropic", "nowhere: cannot be read"),
        ("synth rewrite nowhere --teacher anthropic", "nowhere: no such set"),
    ],
    "import": [("import fpb nowhere --out build/x", "nowhere")],
    "prefer": [("prefer nowhere", "nowhere: no such set"), ("prefer", "no set here")],
    "mix": [("mix nowhere=2 --out build/x", "no such set")],
    "gather": [("gather nowhere --out build/x", "nowhere: no part of a set")],
    "prompts": [("prompts copy file", "file")],
    "verify": [
        ("verify nowhere", "no such set or file"),
        ("verify", "no set here"),
        ("verify rows.json --source nowhere", "--source nowhere: no such file"),
    ],
    "show": [
        ("show ./nowhere qa-1", "no such set"),
        ("show", "no set here"),
        ("show ./file --input nowhere", "nowhere"),
    ],
    "review": [
        ("review nowhere", "nowhere: no such set"),
        ("review", "no set here"),
        ("review nowhere --summary", "nowhere: no such set"),
        ("review nowhere --apply", "nowhere: no such set"),
        ("review --summary --apply", "do not go together"),
    ],
    "dedup": [("dedup nowhere", "nowhere")],
    "split": [("split nowhere", "nowhere")],
    "trace": [
        ("trace nowhere --build .", "nowhere: no report, row, set"),
        ("trace file --build nowhere", "nowhere: no such folder"),
    ],
    "withdraw": [
        ("withdraw nowhere --build . --dry-run", "nowhere: no report, row, set"),
        ("withdraw file --build nowhere", "nowhere: no such folder"),
    ],
    "journal": [("journal nowhere", "no journal here")],
    "export": [("export nowhere --format csv --out x", "nowhere"), ("export --format csv --out x", "no set here")],
    "push": [("push nowhere", "nowhere"), ("push", "no set here")],
    "pull": [("pull no/such/name", "no id of a repository")],
    "models": [("models nowhere", "No such command"), ("models convert chatglm2 nowhere", "nowhere: no such folder")],
    "finetune": [
        ("finetune --set nowhere --model tiny", "nowhere: no such set"),
        ("finetune --set nowhere", "nowhere: no such set"),
        ("finetune --model nowhere --set nowhere", "no base model"),
        ("finetune --config nowhere", "nowhere: cannot be read"),
        ("finetune --recipe nothing", "no recipe"),
    ],
    "distill": [
        ("distill nowhere --drop 2", "no base model"),
        ("distill nowhere --student nobody", "no base model"),
        ("distill qwen2.5 --drop 2 --set nowhere", "nowhere: no such set"),
        ("distill qwen2.5", "name one of them"),
        ("distill qwen2.5 --drop 2 --hidden 1 --layer-map x", "no pairs of layers"),
        ("distill qwen2.5 --drop 2 --recipe nothing", "no recipe"),
    ],
    "merge": [("merge nowhere", "no whole adapter")],
    "chat": [("chat nowhere", "no whole adapter")],
    "serve": [("serve nowhere", "no whole adapter")],
    "demo": [("demo nowhere", "no whole adapter"), ("demo --teacher openai", "OPENAI_API_KEY is not set")],
    "score": [
        ("score nowhere", "no such adapter"),
        ("score --model nowhere --set nowhere", "no base model"),
        ("score --classifier nowhere --set rows.json", "no such folder, and no hub id"),
        ("score --baseline --set nowhere", "nowhere: cannot be read"),
        ("score --predictions nowhere", "nowhere: cannot be read"),
        ("score --teacher openai --set rows.json", "OPENAI_API_KEY is not set"),
    ],
    "compare": [("compare nowhere build", "no score")],
    "reproduce": [
        ("reproduce nothing", "no experiment"),
        ("reproduce fingpt-v3.2 --data nwgi=nowhere", "there is no nowhere"),
        ("reproduce fingpt-v3.2 --model tiny", "files are missing"),
        ("reproduce fingpt-v3.2 --classifier nowhere", "no such folder, and no hub id"),
    ],
}
HEAVY_WORK = ("torch", "transformers", "datasets", "pymupdf")
TRY = f"""
import json, sys
from click.testing import CliRunner
from fingen.cli import main
for line in sys.stdin.read().splitlines():
    ran = CliRunner().invoke(main, line.split(), prog_name="fingen")
    print(json.dumps([line, ran.exit_code, ran.output, [name for name in {HEAVY_WORK} if name in sys.modules]]))
"""


def test_a_wrong_path_or_a_missing_key_is_said_before_anything_heavy_is_loaded(tmp_path: Path):
    """One process tries them all: what one of them had loaded, all after it would show."""
    assert list(WRONG) == list(COMMANDS)
    (tmp_path / "file").write_text("text")
    (tmp_path / "report.pdf").write_bytes((ROOT / "raw" / "sample_annual_report_2024.pdf").read_bytes())
    row = {"instruction": "Up or down?", "input": "", "output": "up", "options": {"A": "up", "B": "down"}}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    tried = [wrong for command in WRONG.values() for wrong in command]

    ran = subprocess.run([sys.executable, "-c", TRY], cwd=tmp_path, input="\n".join(line for line, _ in tried),
                         capture_output=True, text=True, check=True)  # fmt: skip

    for (line, said), answer in zip(tried, map(json.loads, ran.stdout.splitlines()), strict=True):
        assert answer[0] == line
        assert answer[1] in (2, 3, 4), answer
        assert said in answer[2], answer
        assert answer[3] == [], answer
    assert not (tmp_path / "nowhere").exists()
    assert not list(tmp_path.glob("build/*/manifest.json"))


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
