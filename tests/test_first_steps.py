"""What one types first: `fingen init`, completion in a shell, help in sections, and what is said of a misspelt name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner, Result
from test_folder_settings import COMMANDS, value_of

from fingen import config, wire
from fingen.cli import main
from fingen.cli.common import SETTINGS_BYTES, FolderOption
from fingen.cli.init import render_settings
from fingen.cli.sections import OTHERS, SECTIONS, parted
from fingen.config import Tuning

SHARED = {"debug", "quiet", "as_json"}
SETTING = re.compile(r"#(\w+ = .*)")


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="fingen", env=environment)


# --- fingen init -----------------------------------------------------------------------------------------------------------


def test_init_writes_two_files_that_set_nothing(desk: Path):
    ran = run("init")

    assert ran.exit_code == 0
    assert ran.output.splitlines() == ["written: fingen.toml", "written: .env.example", "next: fingen doctor"]
    assert not any(tomllib.loads((desk / "fingen.toml").read_text()).values())
    assert not any(wire.parse_env((desk / ".env.example").read_text()).values())


def test_init_leaves_what_is_there(desk: Path):
    (desk / "fingen.toml").write_text("[pdf2qa]\nworkers = 1\n")
    (desk / ".env.example").symlink_to(desk / "elsewhere")

    ran = run("init")

    assert ran.exit_code == 0
    assert "left as it is, it was there: fingen.toml" in ran.output
    assert "left as it is, it was there: .env.example" in ran.output
    assert (desk / "fingen.toml").read_text() == "[pdf2qa]\nworkers = 1\n"
    assert not (desk / "elsewhere").exists()


def test_init_writes_to_a_folder_that_is_there(desk: Path):
    (desk / "a b").mkdir()

    assert run("init", "a b").exit_code == 0
    assert (desk / "a b" / "fingen.toml").is_file()
    assert "no such folder" in run("init", "nowhere").output


def settings_of(text: str) -> dict[tuple[str, str], str]:
    """Of each line that sets something when its # is gone: its table and its name, and the line."""
    table, found = "", {}
    for line in text.splitlines():
        if heading := re.match(r"\[(\w+)\]", line):
            table = heading[1]
        elif setting := SETTING.fullmatch(line):
            found[table, setting[1].partition(" ")[0]] = setting[1]
    return found


def test_every_setting_of_a_folder_is_in_it_with_its_help():
    text = render_settings()
    wanted = {
        (command.name, each.name): each
        for command in COMMANDS.values()
        for each in command.params
        if isinstance(each, FolderOption) and each.name not in SHARED
    }
    unfolded = " ".join(line.lstrip("# ") for line in text.splitlines())

    assert settings_of(text).keys() == wanted.keys()
    assert not [
        each.name for each in wanted.values() if " ".join((each.help or "?").split()) not in " ".join(unfolded.split())
    ]
    assert len(text.encode()) < SETTINGS_BYTES - 1000  # with room for what its user writes


@pytest.mark.parametrize("words", COMMANDS)
def test_every_line_is_valid_and_is_the_default_where_there_is_one(words: str, desk: Path):
    command = COMMANDS[words]
    typed = []
    for needed in command.params:
        if needed.required:
            typed += [*needed.opts[:1], value_of(needed)] if isinstance(needed, click.Option) else [value_of(needed)]
    parent = click.Context(main, auto_envvar_prefix="FINGEN")
    before = command.make_context(words.split()[-1], [*typed], parent=parent).params
    tuning = vars(Tuning()) if "rank" in before else {}
    for (table, name), line in settings_of(render_settings()).items():
        if table != command.name:
            continue
        (desk / "fingen.toml").write_text(f"[{table}]\n{line}\n")
        context = command.make_context(words.split()[-1], [*typed], parent=parent)

        assert context.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
        if before[name] is not None:
            assert context.params[name] == before[name], line
        elif name in tuning and tuning[name] is not None and words == "finetune":
            assert context.params[name] == tuning[name], line


def test_all_lines_together_are_valid(desk: Path):
    text = render_settings()
    (desk / "fingen.toml").write_text(re.sub(r"(?m)^#(?=\w+ = )", "", text))

    assert len(tomllib.loads((desk / "fingen.toml").read_text())["pdf2qa"]) > 10
    assert run("doctor").exit_code == 0


def test_a_key_that_is_filled_in_is_found(desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    run("init")
    text = (desk / ".env.example").read_text()
    (desk / ".env").write_text(text.replace("# ANTHROPIC_API_KEY=", "ANTHROPIC_API_KEY=sk-for-tests"))

    assert wire.find_key("ANTHROPIC_API_KEY") == "sk-for-tests"


# --- completion ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def build(desk: Path) -> Path:
    for file in ("reports/manifest.json", "intent/manifest.json", "cache/x", "adapters/intent-tiny/fingen.json",
                 "models/intent-tiny/config.json", "scores/s/score.json", "a; touch owned/manifest.json"):  # fmt: skip
        (desk / "build" / file).parent.mkdir(parents=True, exist_ok=True)
        (desk / "build" / file).touch()
    return desk / "build"


def offered(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a shell is offered for the last word of a line, by click's protocol; nothing else may be said."""
    words = line.split(" ")
    for name, value in {
        "_FINGEN_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main.main([], prog_name="fingen")
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (0, "")
    return [entry.removeprefix("plain,") for entry in said.out.splitlines()]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("fingen fin", ["finetune"]),
        ("fingen models ", ["convert"]),
        ("fingen verify ", ["build/intent", "build/reports"]),
        ("fingen verify build/r", ["build/reports"]),
        ("fingen verify raw/", ["file,raw/"]),
        ("fingen mix build/intent ", ["build/intent", "build/reports"]),
        ("fingen merge ", ["build/adapters/intent-tiny", "build/models/intent-tiny"]),
        ("fingen score ", ["build/adapters/intent-tiny"]),
        ("fingen compare ", ["build/scores/s"]),
        ("fingen finetune --set ", ["build/intent", "build/reports"]),
        ("fingen finetune --model smo", ["smollm2", "smollm2-360m", "smollm2-1.7b"]),
        ("fingen finetune --recipe openf", ["openfindata-intent"]),
        ("fingen distill build/x --recipe ", ["od-finllm"]),
        ("fingen pdf2qa raw --task ", [*config.TASKS]),
        ("fingen pdf2qa raw --task concept,s", ["concept,summary"]),
        ("fingen pdf2qa raw --teacher a", ["anthropic"]),
        ("fingen pdf2qa raw --privacy m", ["mask", "mask-names"]),
        ("fingen score --benchmark f", ["fpb", "fiqa", "finqa", "fineval"]),
        ("fingen import fi", ["fiqa", "finqa", "fineval"]),
        ("fingen finetune --see", ["--seed", "--seeds"]),
    ],
)  # fmt: skip
def test_a_shell_is_offered_what_fits(
    line: str, wanted: list[str], build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert offered(line, monkeypatch, capsys) == wanted


def test_a_name_that_a_shell_would_run_is_not_offered(build: Path, monkeypatch, capsys):
    assert "touch" not in str(offered("fingen push build/a", monkeypatch, capsys))


def test_settings_of_a_folder_do_not_disturb_what_is_offered(build: Path, desk: Path, monkeypatch, capsys):
    (desk / "fingen.toml").write_text("[nothing")
    monkeypatch.setenv("FINGEN_VERIFY_NOTHING", "1")

    assert offered("fingen verify build/r", monkeypatch, capsys) == ["build/reports"]


def test_bash_completes_with_the_script(build: Path, desk: Path):
    (desk / "fingen").write_text(f"#!{sys.executable}\nfrom fingen.cli import main\nmain()\n")
    (desk / "fingen").chmod(0o755)
    lines = [f'PATH="{desk}:$PATH"', 'eval "$(fingen completion bash)"', "COMP_WORDS=(fingen verify build/r) COMP_CWORD=2",
             "_fingen_completion fingen", 'echo "${COMPREPLY[@]}"', "complete -p fingen"]  # fmt: skip
    ran = subprocess.run(
        [shutil.which("bash") or "bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )

    assert ran.stderr == ""
    assert ran.stdout.splitlines()[0] == "build/reports"
    assert "_fingen_completion fingen" in ran.stdout.splitlines()[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_a_script(shell: str):
    ran = run("completion", shell)

    assert ran.exit_code == 0
    assert (
        f"_FINGEN_COMPLETE={shell}_complete" in ran.output
        or "_FINGEN_COMPLETE = " in ran.output
        or shell == "powershell"
    )


# --- help in sections --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [words for words in COMMANDS if words.rpartition(" ")[2] in SECTIONS])
def test_every_option_of_a_long_help_stands_in_a_section_once(words: str):
    """A new option of these commands gets its place in fingen/cli/sections.py."""
    command = COMMANDS[words]
    options = [each for each in command.params if isinstance(each, click.Option)]
    shown = run(*words.split(), "--help").output
    headings = re.findall(r"(?m)^([A-Z].*):$", shown)

    assert [each.name for each in parted(words.rpartition(" ")[2], options).get(OTHERS, [])] == []
    assert headings == [*dict.fromkeys(headings)]
    assert len(headings) >= 4
    for option in options:
        assert len(re.findall(rf"(?m)^  {re.escape(option.opts[-1])}[ ,/\n]", shown)) == 1, option.name


def test_what_stands_in_no_section_is_shown_all_the_same():
    command = click.Command("pdf2qa", params=[click.Option(["--new"]), click.Option(["--task"])])

    found = parted("pdf2qa", command.params)

    assert {title: [each.name for each in some] for title, some in found.items()} == {
        OTHERS: ["new"],
        "Questions": ["task"],
    }


# --- misspelt names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("findtune", "Did you mean finetune?"),
        ("synth intnt", "Did you mean 'intent'?"),
        ("pdf2qa raw --taks concept", "Did you mean '--task'?"),
        ("pdf2qa raw --task concpt", "Did you mean concept?"),
        ("pdf2qa . --teacher claude", "did you mean anthropic?"),
        ("pdf2qa . --teacher GPT", "did you mean openai?"),
        ("pdf2qa . --teacher claude-haiku-5-5", "did you mean anthropic:claude-haiku-5-5?"),
        ("pdf2qa . --teacher gpt-6-luna", "did you mean openai:gpt-6-luna?"),
        ("pdf2qa . --teacher antropic:x", "did you mean anthropic?"),
        ("finetune --model lama3", "did you mean llama3"),
        ("finetune --recipe fingpt", "did you mean fingpt-v3?"),
        ("finetune --model tiny --override lerning_rate=1", "did you mean learning_rate?"),
        ("score --model smollm2 --benchmark fpd", "did you mean fpb?"),
        ("import fpd", "Did you mean fpb?"),
        ("reproduce fingpt-v33", "did you mean fingpt-v3"),
    ],
)  # fmt: skip
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(line: str, meant: str):
    ran = run(*line.split())

    assert ran.exit_code == 2
    assert meant in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("text", "meant"),
    [("[pdf2qa]\nworker = 1\n", "did you mean workers?"), ("[pdf2aq]\nworkers = 1\n", "did you mean pdf2qa?")],
)
def test_a_misspelt_line_of_fingen_toml_too(desk: Path, text: str, meant: str):
    (desk / "fingen.toml").write_text(text)

    assert meant in run("pdf2qa", ".").output


def test_a_misspelt_variable_too():
    assert "did you mean FINGEN_PDF2QA_WORKERS?" in run("pdf2qa", "nowhere", FINGEN_PDF2QA_WORKER="1").output


def test_a_name_that_is_near_to_nothing_gets_no_guess():
    for line in ("xyzzy", "pdf2qa . --teacher xyzzy", "finetune --recipe xyzzy"):
        assert "did you mean" not in run(*line.split()).output.lower()
