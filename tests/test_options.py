"""Options are made from the dataclasses of config, and give them back: what is said there is what a command does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fingen.cli.common import Command
from fingen.cli.options import options_of, settings_of
from fingen.config import Filters, Finetune, Pdf2qa, Push, Resplitting, Scoring, Synth

COMMANDS = (Pdf2qa, Synth, Resplitting, Filters, Finetune, Scoring, Push)


def settings(made: type, *args: str) -> Any:
    """What a command called `trial` with the options of a dataclass makes of what is typed."""
    found = []

    @click.command("trial", cls=Command)
    @options_of(made)
    def trial(**options: Any) -> None:
        found.append(settings_of(made, options))
        assert not options  # each option has its field

    run = CliRunner().invoke(trial, args, prog_name="trial", auto_envvar_prefix="TRIAL")
    if run.exit_code:
        raise click.UsageError(run.output)
    return found[0]


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("made", COMMANDS)
def test_without_options_the_settings_are_the_defaults(made):
    assert settings(made) == made()


@pytest.mark.parametrize("made", COMMANDS)
def test_every_option_changes_its_field(made):
    command = options_of(made)(lambda: None)
    for option in command.__click_params__:
        if option.is_flag:
            typed = [option.secondary_opts[0] if option.default is True else option.opts[0]]
        elif isinstance(option.type, click.Choice):
            typed = [option.opts[0], next(c for c in option.type.choices if c != option.default)]
        else:
            value = {"base_url": "http://localhost:1/v1", "price": "1,2", "shares": "0.5,0.25,0.25", "split": "0.5,0.25,0.25",
                     "task": "concept", "engine": "ray"}.get(option.name, "3")  # fmt: skip
            typed = [option.opts[0], value]
            if isinstance(option.type, click.IntRange) and option.type.min > 3:
                typed[1] = str(option.type.min)

        assert settings(made, *typed) != made(), option.name


def test_parts_are_parted_by_commas_on_the_command_line_and_a_list_in_fingen_toml(monkeypatch):
    typed = settings(Pdf2qa, "--split", "0.7, 0.2, 0.1", "--task", "summary")
    Path("fingen.toml").write_text('[trial]\nsplit = [0.7, 0.2, 0.1]\ntask = ["summary"]\n')

    assert typed.splitting.shares == (0.7, 0.2, 0.1)
    assert typed.tasks == ("summary",)
    assert settings(Pdf2qa) == typed

    Path("fingen.toml").write_text('[trial]\nsplit = "0.7, 0.2, 0.1"\ntask = "summary"\n')

    assert settings(Pdf2qa) == typed

    Path("fingen.toml").unlink()
    for name, value in {"SPLIT": "0.7,0.2,0.1", "TASK": "summary", "PRICE": "1,2"}.items():
        monkeypatch.setenv(f"TRIAL_{name}", value)

    assert settings(Pdf2qa) == settings(Pdf2qa, "--split", "0.7, 0.2, 0.1", "--task", "summary", "--price", "1,2")
    assert settings(Pdf2qa).asking.price == (1.0, 2.0)


@pytest.mark.parametrize(
    ("made", "option", "value"),
    [
        (Pdf2qa, "split", "0,1,1"),
        (Pdf2qa, "split", "1,nan,1"),
        (Pdf2qa, "split", "1,1"),
        (Pdf2qa, "split", "5"),
        (Pdf2qa, "task", "concept,other"),
        (Pdf2qa, "price", "1,inf"),
        (Pdf2qa, "price", "1,-1"),
        (Pdf2qa, "price", "1"),
        (Pdf2qa, "budget", "0"),
        (Pdf2qa, "budget", "nan"),
        (Pdf2qa, "workers", "65"),
        (Pdf2qa, "engine", "ray:host:port"),
        (Scoring, "base-url", "http://user:pass word@"),
        (Synth, "language", "fr"),
    ],
)
@pytest.mark.parametrize("way", ["flag", "environment"])
def test_what_is_no_value_is_refused(made, option, value, way, monkeypatch):
    if way == "environment":
        monkeypatch.setenv(f"TRIAL_{option.upper().replace('-', '_')}", value)

    with pytest.raises(click.UsageError, match=f"Invalid value for '--{option}'"):
        settings(made, *([f"--{option}", value] if way == "flag" else []))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("split", "'0,1,1'"),
        ("split", "['1', nan, 1]"),
        ("split", "5"),
        ("task", "'concept,other'"),
        ("budget", "0"),
        ("workers", "65"),
        ("language", "'fr'"),
    ],
)
def test_what_is_no_value_is_refused_in_fingen_toml(option, value):
    Path("fingen.toml").write_text(f"[trial]\n{option} = {value}\n")

    with pytest.raises(click.UsageError, match=f"Invalid value for '--{option}'"):
        settings(Pdf2qa)


def test_a_flag_that_takes_away_and_a_pair_of_flags():
    assert not settings(Scoring, "--no-base").base_beside
    assert not settings(Pdf2qa, "--no-wait").asking.wait
    assert settings(Pdf2qa, "--wait").asking.wait
