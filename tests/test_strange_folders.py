"""Folders, files and names that strangers made: nothing in them is a way to another place, and nothing steers a terminal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
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


WRITING = {
    "synth intent --n 5 --teacher offline --out build/five": "build/five",
    "export build/intent --format csv --out build/out": "build/out",
    "mix build/intent --out build/mixed": "build/mixed",
    "finetune --model tiny --set build/intent --override steps=1 --override load=fp32": "build/adapters",
    "verify build/intent --html build/pages/page.html": "build/pages",
}


@pytest.mark.parametrize("command", WRITING)
def test_nothing_is_written_through_a_link_that_leads_out_of_the_working_directory(
    desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
):
    """A cloned folder can bring one. What is read through it is read, and a user may say that links are his own."""
    link, outside = Path(WRITING[command]), tmp_path / "outside"
    outside.mkdir()
    link.symlink_to(outside)
    said = run(*command.split(), code=2).output
    assert f"{link}: a link that leads out of the working directory, to {outside}" in said
    assert not [*outside.iterdir()]

    link.unlink()
    shutil.move("build", outside / "build")
    Path("build").symlink_to(outside / "build")
    before = sorted(outside.rglob("*"))
    said = run(*command.split(), code=2).output
    assert f"build: a link that leads out of the working directory, to {outside}/build" in said
    assert sorted(outside.rglob("*")) == before

    monkeypatch.setenv("FINGEN_FOLLOW_LINKS", "1")
    assert "a link that leads" not in run(*command.split()).output
    assert sorted(outside.rglob("*")) != before


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


# --- what is shown ------------------------------------------------------------------------------------------------------

# What ends a line, steers a terminal, turns the direction of text, or cannot be seen: of each kind one.
STEERING = "\x1b]0;PWNED\x07\x1b[2J\r\n\t\x7f\x9b\u2028\u2029\u202e\u2066\u200b\ufeff\xad\U000e0041"
FORGED = "Error: forged"
ODD = f"a{STEERING}{FORGED}"


def is_shown(text: str) -> bool:
    """Whether nothing of it steers, and no line of it was forged."""
    raw = {char for char in text if not char.isprintable() and char not in "\n\t"}
    return not raw and not any(line.startswith(FORGED) for line in text.splitlines())


@pytest.fixture
def odd(desk: Path, tmp_path: Path) -> Path:
    """A folder in which everything has such a name: reports, sets of rows with such columns, labels and texts, answers."""
    reports = tmp_path / "desk" / "reports"
    reports.mkdir()
    sample = Path(__file__).resolve().parent.parent / "raw" / "sample_annual_report_2024.pdf"
    shutil.copyfile(sample, reports / f"{ODD}.pdf")
    (reports / f"{ODD}broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (reports / f"{ODD}gone.pdf").symlink_to("nowhere")
    own = {"instruction": "Why?", "output": "So it is.", ODD: ODD}
    Path(f"{ODD}.jsonl").write_text(json.dumps(own) + "\n", encoding="utf-8")
    Path("broken").mkdir()
    Path(f"broken/{ODD}.jsonl").write_text(json.dumps(own) + "\n{", encoding="utf-8")
    fields = {"label": f"c{ODD}", "options": {"A": f"c{ODD}", "B": "other", "C": ODD}, "teacher": ODD, "document": ODD}
    make_set(Path("build/odd"), [intent(n, **fields) for n in range(9)], declared=(ODD,), teacher=ODD)
    answers = [{"id": f"in-{900 + n:04}", "prediction": "A", "model": ODD} for n in range(3)]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers), encoding="utf-8")
    return tmp_path / "desk"


def test_nothing_that_is_shown_steers_a_terminal_or_forges_a_line(odd: Path):
    commands: list[list[str]] = [
        ["pdf2qa", "reports", "--teacher", "offline", "--limit", "4", "--workers", "1"],
        ["show", "build/reports"],
        ["show", "build/odd"],
        ["verify", "build/odd", "--html", "page.html"],
        ["verify", "build/reports", "--html", "page2.html"],
        ["import", "alpaca", f"{ODD}.jsonl"],
        ["import", "alpaca", f"broken/{ODD}.jsonl", "--out", "build/x"],
        ["import", "csv", f"{ODD}.jsonl", "--text", ODD, "--label", ODD, "--out", "build/x"],
        ["export", "build/odd", "--format", "alpaca", "--out", "out"],
        ["export", f"build/{ODD}", "--format", "alpaca", "--out", "out"],
        ["mix", "build/odd", "--out", "build/mixed"],
        ["score", "--predictions", "answers.jsonl", "--gold", "build/odd"],
        ["compare", "build/scores/answers", f"build/{ODD}"],
        ["finetune", "--model", ODD, "--dry-run"],
        ["finetune", "--set", f"build/{ODD}", "--model", "tiny", "--dry-run"],
        ["synth", "intent", "--teacher", f"openai:{ODD}", "--base-url", "http://127.0.0.1:9/v1", "--n", "5"],
        ["pull", ODD],
        ["push", f"build/{ODD}"],
        ["chat", ODD],
        ["journal", f"build/{ODD}"],
        ["prompts", "copy", ODD],
    ]
    shown: dict[str, str] = {}
    for command in commands:
        for more in ([], ["--json"], ["--debug"]):
            ran = run(*command, *more)
            shown[f"{command[0]} {more}: out"], shown[f"{command[0]} {more}: err"] = ran.stdout, ran.stderr
            assert is_shown(ran.stdout), (command, ran.stdout)
            assert is_shown(ran.stderr), (command, ran.stderr)
    assert sum("\\u001b" in text for text in shown.values()) > 30  # and it is shown, not dropped

    texts = [path for path in (Path("build").rglob("*"), Path().glob("page*.html")) for path in path if path.is_file()]
    pages = [path for path in texts if path.suffix in (".md", ".html", ".svg")]
    assert len(pages) >= 6
    for path in pages:
        assert is_shown(path.read_text(encoding="utf-8")), path


def test_names_of_bytes_that_are_no_text_are_shown(desk: Path):
    name = b"out\xff\xfe".decode(errors="surrogateescape")
    ran = run("import", "alpaca", f"{name}.jsonl")

    assert "\\udcff\\udcfe.jsonl: cannot be read" in ran.stderr


# --- what was meant -----------------------------------------------------------------------------------------------------


def test_a_table_of_no_command_and_a_misspelt_variable_are_named(desk: Path, monkeypatch: pytest.MonkeyPatch):
    Path("fingen.toml").write_text("[intent]\nseed = 1\n[verify]\nquiet = true\n")
    assert run("verify", "build/intent", code=0).stderr == ""
    Path("fingen.toml").write_text("[verfy]\nquiet = true\n")
    assert "fingen.toml: no such command: verfy" in run("verify", "build/intent", code=2).stderr
    Path("fingen.toml").unlink()

    monkeypatch.setenv("FINGEN_VERIFY_KEEP_OUTT", "x")
    monkeypatch.setenv("FINGEN_VERIFI_HTML", "page.html")
    monkeypatch.setenv("FINGEN_EXPORT_FORMAT", "csv")
    monkeypatch.setenv("FINGEN_TEST_DATA", "/nowhere")
    said = run("verify", "build/intent", code=0).stderr
    assert "FINGEN_VERIFY_KEEP_OUTT sets nothing; did you mean FINGEN_VERIFY_KEEP_OUT?" in said
    assert "FINGEN_VERIFI_HTML sets nothing; did you mean FINGEN_VERIFY_HTML?" in said
    assert said.count("sets nothing") == 2


def test_the_command_to_type_next_can_be_typed(desk: Path):
    said = run("mix", "build/intent", "--out", "build/two words; rm x", code=0).stdout

    assert shlex.split(said.partition("next: ")[2].splitlines()[0])[2] == "build/two words; rm x"


@pytest.mark.parametrize("command", ["synth intent --teacher ofline --n 5", "pdf2qa . --teacher ofline"])
def test_a_teacher_that_is_none_is_bad_usage(desk: Path, command: str):
    assert "unknown teacher: ofline" in run(*command.split(), code=2).stderr


def test_a_link_to_nothing_is_named_among_what_was_not_read(desk: Path):
    Path("reports").mkdir()
    for name in ("2023.pdf", "older"):
        Path("reports", name).symlink_to(f"nowhere/{name}")
    said = run("pdf2qa", "reports", "--teacher", "offline", code=2).output

    assert "2023.pdf: not found" in said
    assert "older: not found" in said


@pytest.mark.parametrize("text", ["[" * 99_000, "{a: " * 99_000, "- " * 9_000, "a:\n" + " [" * 60 + "]" * 60])
def test_a_data_file_that_is_nested_without_an_end_is_told(desk: Path, text: str):
    Path("labels.yaml").write_text(text)
    said = run("synth", "intent", "--teacher", "offline", "--n", 5, "--labels", "labels.yaml", code=2).output

    assert "labels.yaml" in said
    assert "nested" in said


# --- what is no file ----------------------------------------------------------------------------------------------------

OWN = (".lock", ".claims", "journal.sqlite", "manifest.json", "train.jsonl", "chunks.jsonl")
KINDS = {"a pipe": os.mkfifo, "a link to itself": lambda path: path.symlink_to(path.name), "a folder": Path.mkdir}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_in_the_folder_of_a_set_is_not_waited_for(desk: Path, kind: str, name: str):
    path = Path("build/intent", name)
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    for command in ("synth intent --n 5 --teacher offline --replace", "verify build/intent"):
        run(*command.split())  # ends, and not in a traceback


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_a_pipe_between_the_sets_and_one_for_keys_are_not_waited_for(desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asking = "--teacher openai:m --base-url http://127.0.0.1:9/v1 --price 1,1 --budget-all 5 --yes".split()
    os.mkfifo(".env")
    os.mkfifo("build/.claims")

    assert "cannot reach" not in run("synth", "intent", "--n", 5, *asking, "--out", "build/x").output
    Path("build/.claims").unlink()
    Path("build/.claims").symlink_to("../../new.txt")
    run("synth", "intent", "--n", 5, *asking, "--out", "build/y")
    assert not Path("../new.txt").exists()


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 9999999999 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        f"{{{{ {'(' * 3000}1{')' * 3000} }}}}",
    ],
    ids=["loop", "text", "macro", "nested"],
)
def test_a_template_that_does_not_come_to_an_end_is_told(desk: Path, text: str):
    run("prompts", "copy", code=0)
    with Path("prompts/intent.en.md").open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
    said = run("synth", "intent", "--teacher", "offline", "--n", 5, "--language", "en", "--dry-run", code=2).output

    assert "Error: prompts/intent.en.md: " in said


@pytest.mark.parametrize("form", ["{}", "[{}]"], ids=["lines", "list"])
def test_a_number_of_too_many_digits_is_told(desk: Path, form: str):
    row = '{"instruction": "a", "input": "", "output": "b", "n": ' + "9" * 5000 + "}"
    Path("rows.json").write_text(form.format(row))

    assert "rows.json, line 1: " in run("import", "alpaca", "rows.json", "--out", "build/x", code=2).output
