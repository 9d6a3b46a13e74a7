"""./fingen.toml may be somebody else's: every setting that exists is put there, and what is taken and what refused is written down."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner, Result
from stub_llm import StubLLM
from test_kill import write_reports

from fingen import cli, config
from fingen.cli.common import SETTINGS_BYTES, Command
from fingen.cli.options import options_of

SHARED = {"debug", "quiet", "as_json"}
LIMITS = {"concurrency", "rpm", "tpm", "budget"}
FILTERS = {"keep_out", "against"}
DRAWN = {"language", "seed", "wait", *LIMITS, *FILTERS}
ALLOWED: dict[str, set[str]] = {  # what a command takes from ./fingen.toml. A new setting is refused until it stands here
    "pdf2qa": {"task", "context", "language", "ocr", "split", "split_by", "limit", "workers", "wait", *LIMITS, *FILTERS},
    "synth intent": DRAWN,
    "synth sentiment": DRAWN,
    "synth qa": DRAWN,
    "synth rewrite": {"wait", *LIMITS, *FILTERS},
    "gather": {"workers", "wait", *LIMITS},
    "prefer": {"siblings"},
    "mix": {"keep_out"},
    "dedup": FILTERS,
    "split": {"shares", "split_by", *FILTERS},
    "verify": {"keep_out"},
    "finetune": {"recipe", "objective", "beta", "resume", "rank", "alpha", "learning_rate", "epochs", "tokens_per_batch", "cutoff", "load", "seed"},
    "serve": {"load", "max_tokens"},
    "demo": {"load", "max_tokens", "no_base", "budget"},
    "distill": {"recipe", "resume", "rank", "alpha", "learning_rate", "epochs", "tokens_per_batch", "cutoff", "load", "seed", "kl", "temperature",
                "top", "hidden", "embedding", "on_policy", "cache"},
    "score": {"baseline", "no_base", "form", "load", "generate", "seed", "budget_usd", *(LIMITS - {"budget"})},
    "compare": {"seed"},
    "reproduce": {"budget_usd", *(LIMITS - {"budget"})},
}  # fmt: skip
MADE = [
    made for made in vars(config).values()
    if dataclasses.is_dataclass(made) and any("option" in field.metadata for field in dataclasses.fields(made))
]  # fmt: skip
KEY = "sk-folder-77d0c1"


def commands(group: click.Group = cli.main, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands, by the words that call them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        elif command is not None:
            yield f"{above}{name}", command


COMMANDS = dict(commands())


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def value_of(parameter: click.Parameter) -> str:
    """A value that a parameter takes, as it is typed."""
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return "true"
    if isinstance(parameter.type, click.Choice):
        return str(parameter.type.choices[0])
    if isinstance(parameter.type, click.IntRange):
        return str(parameter.type.min)
    special = {"base_url": "http://localhost:1/v1", "price": "1,2", "task": "concept", "tasks": "concept"}
    return special.get(parameter.name or "", "0.8,0.1,0.1" if parameter.type is click.UNPROCESSED else "1")


def is_taken(
    words: str, command: click.Command, parameter: click.Parameter, capsys: pytest.CaptureFixture[str]
) -> bool:
    """Whether a setting is taken from ./fingen.toml; where not, it is refused by name, with what to use in its place."""
    *above, name = words.split()
    parent = click.Context(cli.main, info_name="fingen", auto_envvar_prefix="FINGEN")
    for group in above:
        parent = click.Context(cli.main, info_name=group, parent=parent)
    typed = []
    for needed in command.params:
        if needed.required:
            typed += [*needed.opts[:1], value_of(needed)] if isinstance(needed, click.Option) else [value_of(needed)]
    Path("fingen.toml").write_text(f'[{name}]\n{parameter.name} = "{value_of(parameter)}"\n', encoding="utf-8")
    try:
        context = command.make_context(name, typed, parent=parent)
    except SystemExit as e:
        code = e.code
    else:
        assert context.get_parameter_source(parameter.name or "") is ParameterSource.DEFAULT_MAP
        return True
    error, hint = capsys.readouterr().err.splitlines()
    variable = parameter.envvar or f"FINGEN_{words}_{parameter.name}".replace(" ", "_").upper()
    is_option = isinstance(parameter, click.Option)
    assert (code, error) == (2, f"Error: fingen.toml may not set: {parameter.name}")
    assert hint.endswith(f": {parameter.opts[-1]} ({variable})" if is_option else parameter.make_metavar(parent))
    return False


@pytest.mark.parametrize("words", COMMANDS)
def test_a_folder_sets_what_is_written_down_here_and_no_more(words: str, capsys: pytest.CaptureFixture[str]):
    command = COMMANDS[words]

    taken = {parameter.name for parameter in command.params if is_taken(words, command, parameter, capsys)}

    assert taken == ALLOWED.get(words, set()) | SHARED


@pytest.mark.parametrize("made", MADE)
def test_a_setting_is_refused_until_it_is_marked(made: type, capsys: pytest.CaptureFixture[str]):
    for field in dataclasses.fields(made):
        if "option" in field.metadata:
            command = click.command("trial", cls=Command)(options_of(made, field.name)(lambda: None))
            marked = field.metadata["option"].from_folder

            assert is_taken("trial", command, command.params[0], capsys) == marked, field.name


def test_no_mark_is_left_out():
    """Each setting that is marked is one that some command takes."""
    marked = {
        field.metadata["option"].key or field.name
        for made in MADE
        for field in dataclasses.fields(made)
        if "option" in field.metadata and field.metadata["option"].from_folder
    }

    assert marked == set().union(*ALLOWED.values())


def test_the_topic_lists_what_a_folder_may_set():
    text = (Path(cli.__file__).parents[1] / "help/settings.md").read_text(encoding="utf-8")
    told: dict[str, set[str]] = {}
    for commands, settings in re.findall(r"^\| (`\[.+|all) \| (.+) \|$", text, re.MULTILINE):
        names = set(re.findall(r"`(\w+)`", settings))
        for other in re.findall(r"`\[(\w+)\]`", settings):  # those of another command
            names |= told[other]
        told |= dict.fromkeys(re.findall(r"`\[(\w+)\]`", commands) or ["all"], names)

    assert told == {words.split()[-1]: names for words, names in ALLOWED.items()} | {"all": SHARED}


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli.main, words, prog_name="fingen", env=environment)


@pytest.mark.parametrize(
    ("words", "settings", "refused"),
    [
        ("pdf2qa in --teacher openai:gpt-6-luna", {"base_url": "{url}/v1"}, "base_url"),
        ("pdf2qa in", {"teacher": "openai:gpt-6-luna", "base-url": "{url}/v1", "yes": True}, "base_url, teacher, yes"),
        ("synth intent --teacher offline", {"check": "openai:gpt-6-luna", "base_url": "{url}/v1"}, "base_url, check"),
        ("score --teacher openai:gpt-6-luna --benchmark fpb --data x.csv", {"base_url": "{url}/v1"}, "base_url"),
        ("finetune --set build/x", {"model": "./m", "trust_remote_code": True}, "model, trust_remote_code"),
        ("push build/x", {"repo": "loot", "public": True, "yes": True, "with_chunks": True, "allow_failing": True, "overwrite": True},
         "allow_failing, overwrite, public, repo, with_chunks, yes"),
        ("pdf2qa in --teacher openai:gpt-6-luna", {"out": "../../x", "replace": True, "workers": 1}, "out, replace"),
        ("chat x --once hi", {"trust_remote_code": True}, "trust_remote_code"),
        ("prompts copy", {"replace": True, "folder": "../x"}, "folder, replace"),
    ],
)  # fmt: skip
def test_a_strangers_folder_sends_nothing_and_begins_nothing(
    desk: Path, words: str, settings: dict[str, Any], refused: str
):
    write_reports(desk / "in", 1, 6)
    with StubLLM() as stub:
        table = words.split()[1] if words.startswith(("synth", "prompts")) else words.split()[0]
        lines = (f"{name} = {json.dumps(value)}".replace("{url}", stub.url) for name, value in settings.items())
        (desk / "fingen.toml").write_text("\n".join((f"[{table}]", *lines)), encoding="utf-8")
        before = sorted(desk.rglob("*"))
        ran = run(
            *words.split(), OPENAI_API_KEY=KEY, HF_TOKEN=KEY, HF_ENDPOINT=stub.url, OPENAI_BASE_URL=stub.openai_url
        )

    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"Error: fingen.toml may not set: {refused}\n")
    assert not stub.requests
    assert sorted(desk.rglob("*")) == before
    assert KEY not in ran.output


def test_what_is_refused_there_a_variable_still_sets(desk: Path):
    (desk / "fingen.toml").write_text("[pdf2qa]\nworkers = 1\n", encoding="utf-8")
    write_reports(desk / "in", 1, 6)
    with StubLLM() as stub:
        run("pdf2qa", "in", OPENAI_API_KEY=KEY, FINGEN_PDF2QA_TEACHER="openai:gpt-6-luna",
            FINGEN_PDF2QA_BASE_URL=stub.openai_url)  # fmt: skip

    assert stub.requests


@pytest.mark.parametrize(
    "text",
    [
        "workers = [1]", "workers = true", "workers = 1.5", "limit = {a = 1}", "limit = 2020-01-01", "limit = inf", "budget = [[1]]",
        "budget = nan", "keep_out = [[1]]", 'keep_out = "\\u0000"', "ocr = [1]", "split = [[1], 2, 3]", "task = {a = 1}",
        "language = []", f"limit = 0x{'f' * 8000}", f"limit = {'1' * 8000}", f"a = {'[' * 8000}", f"a = {'{a = ' * 3000}",
        '"\\u001b[2Jnothing wrong" = 1', 'keep_out = "a\\u001b[2J.json"', 'keep_out = "a\\u202egpj.json"',
    ],
)  # fmt: skip
def test_what_is_no_value_of_a_setting_is_bad_usage(text: str):
    Path("fingen.toml").write_text(f"[pdf2qa]\n{text}\n", encoding="utf-8")

    ran = run("pdf2qa", "in")

    assert isinstance(ran.exception, SystemExit)
    assert ran.exit_code == 2
    assert "not found" not in ran.output  # the folder of reports: nobody looked for it
    assert "\x1b" not in ran.output


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path):
    large = tmp_path / "elsewhere"
    with large.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk, and more than all memory
    Path("fingen.toml").symlink_to(large)

    ran = run("pdf2qa", "in")

    assert ran.exit_code == 2
    assert f"fingen.toml: larger than {SETTINGS_BYTES:,} bytes" in ran.stderr
