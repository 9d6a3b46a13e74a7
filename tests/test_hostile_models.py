"""Models and adapters that strangers made: nothing that they say is imported or run, and none of it is without an end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import test_adapters
from test_adapters import KEY, REPO, change, hand, run

from fingen.adapters import WEIGHTS, read_adapter_config
from fingen.disk import sha256_file
from fingen.errors import UsageError
from fingen.training.base import load_tokenizer
from fingen.training.template import build_template

pytest_plugins = "test_push"  # its fixtures
desk, pushed, workplace = test_adapters.desk, test_adapters.pushed, test_adapters.workplace
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
CONFIG = WEIGHTS[1]
ODD: dict[str, Any] = {
    "megatron": {"megatron_config": {"x": 1}, "megatron_core": "evil.tensor_parallel"},
    "type": {"peft_type": "PROMPT_TUNING"},
    "unknown type": {"peft_type": "EVIL"},
    "no type": {"peft_type": None},
    "class": {"auto_mapping": {"base_model_class": "Evil", "parent_library": "evil"}},
    "class elsewhere": {"auto_mapping": {"base_model_class": "Evil", "parent_library": "transformers.models", "x": 1}},
    "task": {"task_type": "SEQ_CLS"},
    "pattern": {"target_modules": "(a+)+$"},
    "patterns": {"target_modules": ["(a|a)*b"]},
    "ranks": {"rank_pattern": {"(x+x+)+y": 4}},
    "huge": {"r": 1_000_000_000},
    "repeats": {"layer_replication": [[0, 2]] * 9},
    "a file": {"corda_config": {"cache_file": "/etc/passwd"}},
    "to come": {"some_new_hook": "evil:main"},
}


@pytest.fixture(autouse=True)
def trap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module beside the user, which leaves a trace where it is imported."""
    request.getfixturevalue("desk")
    Path("evil.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))


def rewrite(path: Path, said: dict[str, Any]) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **said}), encoding="utf-8")


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_a_configuration_says_no_more_than_weights_need(desk: Path, said: dict[str, Any]):
    rewrite(desk / CONFIG, said)
    change(desk, files={CONFIG: sha256_file(desk / CONFIG)})
    refused = run("chat", desk, "--once", "Why?", code=2).stderr

    assert f"{desk / CONFIG}: " in refused
    assert any(name in refused for name in said) or said.get("peft_type") is None
    assert not Path("ran").exists()


def test_a_configuration_of_no_form_is_refused(desk: Path):
    for text in ("", "[]", "{", '{"a": ' * 9_999, '"' + "x" * 2_000_000 + '"', "\x00"):
        (desk / CONFIG).write_text(text)
        with pytest.raises(UsageError, match=CONFIG):
            read_adapter_config(desk / CONFIG)


@pytest.mark.parametrize(
    "base", ["../../elsewhere", "/etc", "base", "https://evil.example/x/y", "hf://a/b", "a/b/c", None]
)
def test_an_adapter_of_others_names_its_base_by_its_id_alone(desk: Path, base: str | None):
    rewrite(desk / CONFIG, {"base_model_name_or_path": base})
    (desk / "fingen.json").unlink()
    Path("rows.jsonl").write_text('{"instruction": "Why?", "output": "So."}\n')
    refused = run("score", desk, "--form", "chat", "--set", "rows.jsonl", code=2).stderr

    assert "its base model is no id on the Hub" in refused
    assert "--base" in refused


@pytest.mark.parametrize(
    "base",
    [{"source": "../../elsewhere"}, {"source": "/etc"}, {"source": "https://evil.example/x"}, {"source": "x\x1b[2J"},
     {"hub_id": "a/b"}, {"source": "a/../../b", "hub_id": "a/../../b"}],
)  # fmt: skip
def test_a_pulled_adapter_names_no_base_elsewhere(desk: Path, pushed: Any, base: dict[str, Any]):
    listed = json.loads(pushed.repos[KEY].head.files["fingen.json"])
    listed["base"] |= base
    hand(pushed, fingen__json=json.dumps(listed).encode())

    assert "fingen.json: " in run("pull", REPO, "--out", "back", code=2).stderr
    assert not Path("back/fingen.json").exists()


TEMPLATES = {
    "no end": "{% for i in range(90000) %}{% for j in range(90000) %}{% for k in range(90000) %}{% endfor %}{% endfor %}{% endfor %}",
    "doubling": "{% set n = namespace(x='0123456789') %}{% for i in range(90) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "long": "{{ 'a' * 20000000 }}",
    "larger than memory": "{{ 'a' * 10 ** 11 }}",
    "itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "refuses": "{{ raise_exception('no\x1b[2J') }}",
    "reaches": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "imports": "{{ cycler.__init__.__globals__.os.system('touch ran') }}",
    "includes": "{% include '/etc/passwd' %}",
    "divides": "{{ 1 / 0 }}",
    "misses": "{{ messages[9].content.x }}",
    "form": "{% for",
}


@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES)
def test_a_chat_template_that_does_not_end_or_fails_is_told(desk: Path, text: str):
    (desk / "chat_template.jinja").write_text(text, encoding="utf-8")
    listed = sha256_file(desk / "chat_template.jinja")
    change(desk, files={"chat_template.jinja": listed})
    refused = run("chat", desk, "--once", "Why?", code=2).stderr

    assert "the chat template fails: " in refused
    assert "\x1b" not in refused
    assert not Path("ran").exists()


def test_the_watch_over_a_template_is_over_with_it():
    before = sys.gettrace()
    template = build_template(load_tokenizer("base"), "chat")

    assert template.render("Why?") == template.render("Why?")
    assert sys.gettrace() is before


def test_equal_adapters_are_equal_files(desk: Path):
    """The names of modules are a set, which each process has in an order of its own."""
    modules = json.loads((desk / CONFIG).read_text(encoding="utf-8"))["target_modules"]

    assert len(modules) >= 7
    assert modules == sorted(modules)
