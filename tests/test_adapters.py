"""What comes after a training: scores on an adapter's card, the Hub and back, a merged model and the ways on from it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shutil
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner, Result
from hub_server import HubServer
from patience import PATIENCE, wait_until
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from test_push import intent, make_set
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from fingen import cli
from fingen.adapters import FILES, MANIFEST, WEIGHTS, read_adapter, write_scores
from fingen.disk import dump_json, sha256_file
from fingen.errors import HubError, ShortfallError, UsageError
from fingen.pushes import find_trace
from fingen.training.adapter import write_adapter
from fingen.training.base import load_base, load_tokenizer, quiet
from fingen.training.serving_files import build_go_template, fix_chat_template
from fingen.training.template import build_template
from fingen.training.tiny import tiny_config, train_tokenizer
from fingen.training.use import load_adapter, merge

torch.set_num_threads(1)  # the models are too small for two
pytest_plugins = "test_push"  # its fixtures
# huggingface_hub sends a large file in a way that httpx2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPO, KEY = "you/intent-base", "models/you/intent-base"
QUESTIONS = ("What was revenue?", "财务费用为什么下降？", "  two\nlines ")
FIGURE = {"value": 0.88, "low": 0.787, "high": 0.936}
SCORE = {
    "on": "intent test",
    "subject": "adapter",
    "rows": 75,
    "accuracy": FIGURE,
    "macro_f1": FIGURE,
    "unparseable": 3,
}


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.main, [*map(str, arguments)], prog_name="fingen")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def summary(*arguments: object, code: int = 0) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json", "--quiet", code=code).stdout)


def manifest_of(base: str, set_sha256: str = "0" * 64, **fields: Any) -> dict[str, Any]:
    return {
        "format": 1, "name": "intent-base", "run": "1" * 64, "folder": "build/adapters/intent-base", "merged": "build/models/x",
        "base": {"source": base, "hub_id": None, "revision": None, "built": False, "licence": "Apache-2.0", "remote_code": False},
        "load": "fp32", "set": {"name": "intent", "sha256": set_sha256}, "recipe": None,
        "rows": {"train": 12, "validation": 3, "left_out": {"longer than 9 tokens": ["in-0001"]}},
        "metrics": {"steps": 2, "kept_step": 2, "loss": 1.25, "validation_loss": None},
        "settings": {"rank": 4, "learning_rate": 0.01}, "sources": {"rank": "--rank"}, "versions": {"fingen": "0"}, **fields,
    }  # fmt: skip


HISTORY = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.25}, {"step": 2, "validation_loss": 1.5}]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model of random weights and an adapter on it that changes it, as a training leaves it."""
    folder = tmp_path_factory.mktemp("workplace")
    tokenizer = train_tokenizer([*QUESTIONS, "What was revenue in 2023? 42 million yuan."] * 9)
    torch.manual_seed(7)
    model = LlamaForCausalLM(tiny_config(tokenizer, hidden=64, layers=2))
    model.model.embed_tokens.weight.data.mul_(10)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    with quiet():
        tuned = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    template = build_template(tokenizer, "chat")
    fields = {"template": {"form": "chat", "sha256": template.sha256}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_adapter(tuned, tokenizer, Path("build/adapters/intent-base"), manifest_of("base", **fields), HISTORY)
    return folder


@pytest.fixture
def desk(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one's own, and the adapter in it by name."""
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("build/adapters/intent-base")


def change(folder: Path, **fields: Any) -> None:
    """Write something else into a manifest; a part of it with a dict."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for name, value in fields.items():
        manifest[name] = {**manifest[name], **value} if isinstance(value, dict) else value
    (folder / MANIFEST).write_text(dump_json(manifest), encoding="utf-8")


def there(hub: HubServer) -> dict[str, bytes]:
    return {name: data for name, data in hub.repos[KEY].head.files.items() if name != ".gitattributes"}


def matter_of(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("\n---\n")[0])


def answers(folder: Path) -> torch.Tensor:
    tuned = load_adapter(folder)
    ids = torch.tensor([tuned.template.encode_prompt(tuned.template.render(QUESTIONS[0]))])
    with torch.no_grad():
        logits: torch.Tensor = tuned.model(input_ids=ids).logits
    return logits


# --- the card and its scores --------------------------------------------------------------------------------------------


def test_scores_stand_on_the_card_with_all_that_belongs_to_them(desk: Path):
    assert "None yet." in (desk / "README.md").read_text(encoding="utf-8")
    base = {**SCORE, "subject": "base", "accuracy": {"value": 0.2, "low": 0.125, "high": 0.304}, "macro_f1": None}
    text = {
        "on": "reports test",
        "subject": "adapter",
        "rows": 9,
        "rouge_l": FIGURE,
        "char_f1": FIGURE,
        "figures_recall": FIGURE,
    }
    write_scores(desk, [SCORE, text])
    write_scores(desk, [base])
    write_scores(desk, [{**SCORE, "rows": 76, "note": "synthetic, same teacher"}])

    card = (desk / "README.md").read_text(encoding="utf-8")
    lines = [line for line in card.splitlines() if line.startswith(("| intent test", "| reports test"))]
    assert lines == [
        "| intent test | base | 75 | 0.200 (0.125 to 0.304) |  | 3 |  |",
        "| intent test | adapter | 76 | 0.880 (0.787 to 0.936) | 0.880 (0.787 to 0.936) | 3 | synthetic, same teacher |",
        "| reports test | adapter | 9 | 0.880 (0.787 to 0.936) | 0.880 (0.787 to 0.936) | 0.880 (0.787 to 0.936) |  |",
    ]
    assert "None yet." not in card
    assert [score["rows"] for score in read_adapter(desk)["scores"]] == [75, 76, 9]


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"subject": "me"}, {"accuracy": {"value": 1}}, {"acuracy": FIGURE}])
def test_what_is_no_score_is_refused_and_changes_nothing(desk: Path, wrong: dict[str, Any]):
    before = (desk / MANIFEST).read_bytes()
    with pytest.raises(UsageError, match=next(iter(wrong))):
        write_scores(desk, [{**SCORE, **wrong}])
    assert (desk / MANIFEST).read_bytes() == before


def test_hostile_names_break_no_card(desk: Path):
    name = "x | <script>alert(1)</script>\n# `y`"
    base = {"source": name.replace("\n", " ")}
    change(desk, base=base, settings={name: name}, sources={name: name}, rows={"left_out": {name: ["a"]}})
    write_scores(desk, [{**SCORE, "on": name, "note": name}])
    card = (desk / "README.md").read_text(encoding="utf-8")

    assert "<script" not in card
    assert [line for line in card.splitlines() if line.startswith("# ")] == ["# intent-base"]
    assert {line.count("|") for line in card.splitlines() if line.startswith("| x")} == {4, 8}


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"format": 2}', "[" * 9999, "\udcff"])
def test_a_manifest_that_is_none_is_told(desk: Path, broken: str):
    (desk / MANIFEST).write_text(broken, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UsageError, match="damaged"):
        read_adapter(desk)


def test_an_adapter_is_read_without_torch(desk: Path):
    code = "import sys; from pathlib import Path; from fingen.adapters import read_adapter; read_adapter(Path(sys.argv[1]))"
    code += "; sys.exit(bool({'torch', 'peft', 'datasets'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code, str(desk)], check=False).returncode == 0


def test_the_curve_is_a_picture_too_where_matplotlib_is(desk: Path):
    pytest.importorskip("matplotlib", reason="the extra [plots] is not installed")
    picture = (desk / "loss.png").read_bytes()

    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (640, 320)


# --- to the Hub -----------------------------------------------------------------------------------------------------------


def test_what_arrives_is_the_adapter_and_nothing_else(desk: Path, hub: HubServer):
    (desk / "checkpoints/step-2").mkdir(parents=True)
    for name in ("checkpoints/step-2/optimizer.pt", "training_args.bin", "adapter_model.bin", "x.py", ".lock"):
        (desk / name).write_bytes(b"\x80\x04\x95 pickled")
    shutil.move("base", "elsewhere")
    change(desk, base={"source": str(Path("elsewhere").resolve())}, sources={"rank": f"{Path.cwd()}/tune.toml"})
    config = json.loads((desk / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = str(Path("elsewhere").resolve())
    (desk / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    change(desk, files={"adapter_config.json": sha256_file(desk / "adapter_config.json")})
    made = summary("push", desk, "--yes", "--license", "mit")

    assert hub.repos[KEY].private
    assert REPO not in hub.repos
    assert made["commit"] == made["head"] == hub.repos[KEY].head.oid
    assert [commit.message for commit in hub.repos[KEY].commits[1:]] == ["intent-base: LoRA adapter for elsewhere"]
    assert set(there(hub)) <= FILES
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "chat_template.jinja"} <= set(
        there(hub)
    )
    assert there(hub)["adapter_model.safetensors"] == (desk / "adapter_model.safetensors").read_bytes()
    assert str(Path.cwd()).encode() not in b"\n".join([*there(hub).values(), *hub.objects.values()])
    assert any("checkpoints, training_args.bin, x.py" in note for note in made["plan"]["notes"])
    assert any("folder of this machine" in note for note in made["plan"]["notes"])
    card = there(hub)["README.md"].decode()
    assert matter_of(card) == {
        "license": "mit", "library_name": "peft", "pipeline_tag": "text-generation", "tags": ["finance", "lora", "fingen"]
    }  # fmt: skip
    for line in (f"fingen pull {REPO}", "| rank | 4 | --rank |", "set | intent, manifest SHA-256 0000", "None yet."):
        assert line.replace("--rank |", "tune.toml |") in card, line


def test_the_card_names_base_model_and_the_commit_of_the_set(desk: Path, hub: HubServer):
    make_set(Path("build/intent"), [intent(n) for n in range(12)])
    of_set = summary("push", "build/intent", "--yes")["commit"]
    change(desk, set={"sha256": sha256_file(Path("build/intent/manifest.json"))},
           base={"hub_id": "Qwen/Qwen2.5-7B-Instruct", "source": "Qwen/Qwen2.5-7B-Instruct", "revision": "a" * 40})  # fmt: skip
    write_scores(desk, [SCORE])
    summary("push", desk, "--yes")
    card = there(hub)["README.md"].decode()

    assert {name: matter_of(card)[name] for name in ("base_model", "base_model_relation", "datasets")} == {
        "base_model": "Qwen/Qwen2.5-7B-Instruct", "base_model_relation": "adapter", "datasets": ["you/intent"]
    }  # fmt: skip
    assert f"data set you/intent, commit {of_set}" in card
    assert f"Qwen/Qwen2.5-7B-Instruct at {'a' * 40}" in card
    assert "| intent test | adapter | 75 | 0.880 (0.787 to 0.936) |" in card
    assert json.loads(there(hub)[MANIFEST])["set"]["commit"] == of_set
    summary("pull", "you/intent", "--out", "build/again")
    own = sha256_file(Path("build/again/manifest.json"))  # another one: its card has no word of the Hub
    assert find_trace(Path("build"), own) == ("you/intent", of_set)
    Path("build/again/manifest.json").write_bytes(b"{}")
    assert find_trace(Path("build"), own) is None


def test_the_same_again_sends_nothing_and_a_score_sends_card_and_manifest(desk: Path, hub: HubServer):
    summary("push", desk, "--yes")
    hub.asked.clear()
    assert summary("push", desk, "--yes")["commit"] is None
    assert hub.wrote() == []

    write_scores(desk, [SCORE])
    made = summary("push", desk, "--yes")
    assert sorted(made["plan"]["sent"]) == ["README.md", MANIFEST]
    assert "scores: 0 -> 1" in made["plan"]["differences"]


def test_what_would_be_lost_needs_overwrite(desk: Path, hub: HubServer):
    hub.make(KEY, {"pytorch_model.bin": b"theirs"}, private=True)
    assert "pytorch_model.bin is of another hand" in run("push", desk, "--yes", code=2).stderr
    write_scores(desk, [SCORE])
    summary("push", desk, "--yes", "--overwrite")
    assert "pytorch_model.bin" not in there(hub)

    change(desk, scores=[], base={"source": "other"})
    refused = run("push", desk, "--yes", code=2).stderr
    assert "an adapter for another base model; the score of the adapter on intent test" in refused
    hub.repos[KEY].add("by hand", {**hub.repos[KEY].head.files, "README.md": b"mine"})
    assert "README.md was edited there" in run("push", desk, "--yes", code=2).stderr


def test_what_is_not_fit_to_go_stays(desk: Path, hub: HubServer):
    before = (desk / MANIFEST).read_bytes()
    change(desk, base={"built": True})
    assert "--allow-offline" in run("push", desk, "--yes", code=2).stderr
    (desk / MANIFEST).write_bytes(before)
    change(desk, settings={"password": "sk-ant-api03-AbCdEf0123456789GhIjKlMn"})
    leak = run("push", desk, "--yes", code=1).stderr
    assert "fingen.json, settings.password: api-key" in leak
    assert "AbCdEf" not in leak
    (desk / MANIFEST).write_bytes(before)
    assert "means nothing" in run("push", desk, "--yes", "--with-chunks", code=2).stderr
    assert "nobody has agreed to publish" in run("push", desk, code=2).stderr
    (desk / "adapter_model.safetensors").write_bytes(b"\x80\x04\x95 pickled")
    assert "changed since it was made" in run("push", desk, "--yes", code=2).stderr
    change(desk, files={"adapter_model.safetensors": sha256_file(desk / "adapter_model.safetensors")})
    assert "no safetensors file" in run("push", desk, "--yes", code=2).stderr
    assert hub.wrote() == []


# --- and back -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pushed(desk: Path, hub: HubServer) -> HubServer:
    write_scores(desk, [SCORE])
    summary("push", desk, "--yes")
    return hub


def hand(hub: HubServer, **files: bytes | None) -> None:
    """Somebody changes files there."""
    kept = {**hub.repos[KEY].head.files, **{name.replace("__", "."): data for name, data in files.items()}}
    hub.repos[KEY].add("by hand", {name: data for name, data in kept.items() if data is not None})


def test_what_was_pushed_comes_back_and_is_used_as_it_is(desk: Path, pushed: HubServer):
    wanted = answers(desk)
    own = {path.name: path.read_bytes() for path in desk.iterdir()}
    shutil.rmtree("build")
    made = summary("pull", REPO)

    assert made["commit"] == pushed.repos[KEY].head.oid
    assert made["scores"] == 1
    assert {name for name in own if own[name] != (desk / name).read_bytes()} == {MANIFEST}
    assert not (desk / ".pull").exists()
    assert torch.equal(answers(desk), wanted)
    assert not summary("pull", REPO)["changed"]
    assert "already up to date" in run("pull", REPO).stdout
    run("merge", desk)


def test_a_data_set_of_the_name_comes_first_and_the_adapter_on_demand(desk: Path, pushed: HubServer):
    make_set(Path("intent-base"), [intent(n) for n in range(12)])
    summary("push", "intent-base", "--yes")

    assert "records" in summary("pull", REPO, "--out", "build/rows")
    assert summary("pull", REPO, "--adapter", "--out", "mine")["adapter"] == "mine"
    assert "no such adapter" in run("pull", "you/nothing", "--adapter", code=3).stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"adapter_model__safetensors": b"other"}, "adapter_model.safetensors was changed there"),
        ({"tokenizer__json": b"{}"}, "tokenizer.json was changed there"),
        ({"chat_template__jinja": None}, "lists chat_template.jinja, and that is not there"),
        ({"training_args__bin": b"\x80\x04"}, "it holds pickles, which can run code when they are read: training_args.bin"),
        ({"optimizer__pt": b"\x80\x04"}, "it holds pickles"),
        ({"modeling_x__py": b"import os"}, "it holds code: modeling_x.py"),
        ({"fingen__json": None}, "no adapter that fingen has pushed"),
        ({"fingen__json": b"{}"}, "damaged"),
    ],
    ids=["weights", "tokenizer", "template gone", "pickle", "optimizer", "code", "no manifest", "damaged manifest"],
)  # fmt: skip
def test_what_was_changed_there_or_could_run_code_is_not_taken(
    pushed: HubServer, changed: dict[str, bytes | None], said: str
):
    hand(pushed, **changed)

    assert said in run("pull", REPO, "--out", "back", code=2).stderr
    assert not Path("back", MANIFEST).exists()


@pytest.mark.parametrize("name", ["../../evil.txt", "/etc/evil", "modeling.py", "sub/adapter_config.json", MANIFEST])
def test_a_manifest_names_only_files_of_an_adapter(pushed: HubServer, name: str):
    listed = json.loads(there(pushed)[MANIFEST])
    listed["files"][name] = listed["files"]["tokenizer.json"]
    hand(pushed, fingen__json=dump_json(listed).encode())
    before = {path for path in Path.cwd().rglob("*") if "back" not in path.parts}

    said = "no path within its folder" if name in ("../../evil.txt", "/etc/evil") else "which is no file of an adapter"
    assert said in run("pull", REPO, "--out", "back/x", code=2).stderr
    assert {path for path in Path.cwd().rglob("*") if "back" not in path.parts} == before
    assert not Path("back/x", MANIFEST).exists()


def test_weights_that_are_no_safetensors_are_not_taken_by_that_name(pushed: HubServer):
    pickled = b"\x80\x04\x95 pickled"
    listed = json.loads(there(pushed)[MANIFEST])
    hand(pushed, adapter_model__safetensors=pickled)
    (Path.cwd() / "x").write_bytes(pickled)
    listed["files"]["adapter_model.safetensors"] = sha256_file(Path("x"))
    hand(pushed, fingen__json=dump_json(listed).encode())

    assert "no safetensors file, whatever its name" in run("pull", REPO, "--out", "back", code=2).stderr


def test_another_adapter_in_the_way_stays_unless_it_is_to_be_replaced(desk: Path, pushed: HubServer):
    write_scores(desk, [{**SCORE, "rows": 5}])
    before = (desk / MANIFEST).read_bytes()
    assert "holds another adapter" in run("pull", REPO, code=2).stderr
    assert (desk / MANIFEST).read_bytes() == before
    assert summary("pull", REPO, "--replace")["changed"]
    assert read_adapter(desk)["scores"][0]["rows"] == 75

    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("x", encoding="utf-8")
    assert "no whole adapter: notes.txt" in run("pull", REPO, "--out", "mine", "--replace", code=2).stderr


def test_a_foreign_adapter_cannot_have_code_run_by_its_manifest(desk: Path, pushed: HubServer):
    listed = json.loads(there(pushed)[MANIFEST])
    listed["base"]["remote_code"] = True
    hand(pushed, fingen__json=dump_json(listed).encode())
    made = summary("pull", REPO, "--out", "back")

    assert any("--trust-remote-code" in note for note in made["notes"])
    for command in (("merge", "back"), ("chat", "back", "--once", "x")):
        assert "Python code of its own" in run(*command, code=2).stderr


def test_an_adapter_whose_base_folder_is_not_here_says_so(desk: Path):
    shutil.rmtree("base")
    assert "its base model is the folder base, and that is not here" in run("merge", desk, code=2).stderr


@pytest.fixture
def models_hub(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The Hub for transformers too, which takes its address from where huggingface_hub has read it once."""
    from huggingface_hub import constants

    monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # made once, for the Hub of an earlier test
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return hub


def test_an_adapter_finds_its_base_model_on_the_hub_as_it_was(desk: Path, models_hub: HubServer):
    wanted = answers(desk)
    repo = models_hub.make(
        "models/you/base", {path.name: path.read_bytes() for path in Path("base").iterdir()}, private=True
    )
    change(desk, base={"source": "you/base", "hub_id": "you/base", "revision": repo.head.oid})
    repo.add("another one by that name", {"config.json": b"{}"})
    summary("push", desk, "--yes")
    shutil.rmtree("build")
    shutil.rmtree("base")
    summary("pull", REPO)

    assert torch.equal(answers(desk), wanted)


def test_pickles_and_code_on_the_hub_are_refused_and_nobody_is_asked_to_convert_them(
    desk: Path, models_hub: HubServer, tmp_path: Path
):
    files = {path.name: path.read_bytes() for path in Path("base").iterdir() if path.suffix != ".safetensors"}
    torch.save({}, "pytorch_model.bin")
    models_hub.make("models/you/pickled", {**files, "pytorch_model.bin": Path("pytorch_model.bin").read_bytes()})
    coded = {"model_type": "odd", "auto_map": {"AutoConfig": "c.C", "AutoModelForCausalLM": "c.M"}}
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()".encode()
    models_hub.make("models/you/coded", {**files, "config.json": json.dumps(coded).encode(), "c.py": code})

    with pytest.raises(UsageError, match="no safetensors; other weights are pickles"):
        load_base("you/pickled", "fp32")
    with pytest.raises(UsageError, match="Python code of its own"):
        load_base("you/coded", "fp32")
    assert not [path for path in models_hub.paths if "discussions" in path or path.endswith((".bin", ".py"))]
    assert not (tmp_path / "ran").exists()


# --- merged, and on ---------------------------------------------------------------------------------------------------------


def test_a_merged_model_has_what_servers_need(desk: Path):
    made = merge(desk, Path("build/models/Intent.1"))
    folder = made.folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    template = load_adapter(desk).template
    card = (folder / "README.md").read_text(encoding="utf-8")

    assert {"config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"} <= {
        path.name for path in folder.iterdir()
    }
    assert not [path for path in folder.iterdir() if path.suffix in (".bin", ".pt")]
    for question in QUESTIONS:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        assert tokenizer.encode(text, add_special_tokens=False) == template.encode_prompt(template.render(question))
    assert template.end in model.generation_config.eos_token_id
    modelfile = (folder / "Modelfile").read_text(encoding="utf-8")
    assert "FROM ./Intent.1-f32.gguf" in modelfile
    assert 'PARAMETER stop "<|end|>"' in modelfile
    assert '{{ else }}<|user|>{{ end }}{{ .Prompt }}<|end|><|assistant|>{{ .Response }}<|end|>"""' in modelfile
    for command in (
        f"convert_hf_to_gguf.py {folder} --outfile {folder}/Intent.1-f32.gguf --outtype f32",
        f"ollama create intent.1 -f {folder}/Modelfile", f"vllm serve {folder} --host 127.0.0.1", f"fingen serve {folder}",
    ):  # fmt: skip
        assert command in card, command


LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start|>' + m.role + '<|stop|>\n\n' + m.content | trim + '<|eot|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|stop|>\n\n' }}{% endif %}"
)
QWEN = (
    "{% if messages[0].role != 'system' %}{{ '<|im|>system\nYou help.<|end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im|>' + m.role + '\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
LLAMA2 = (
    "{% if messages[0].role == 'system' %}{% set s = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}"
    "{% set messages = messages[1:] %}{% else %}{% set s = '' %}{% endif %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + s + m.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content + ' ' + eos_token }}{% endif %}{% endfor %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}"
    "{% for m in messages %}{{ '<' + m.role + '>' + m.content + '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
ODD = "{% for m in messages %}{{ m.content | upper }}{% endfor %}"
BRACES = "{% for m in messages %}{{ '{' + '{' + m.content + '}' + '}' }}{% endfor %}"


def go(text: str, system: str, prompt: str) -> str:
    """Go's text/template, as far as it is used: up to where the answer begins."""
    text = text.partition("{{ .Response }}")[0]
    choice = re.compile(r"\{\{ if \.System \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}", re.DOTALL)
    text = choice.sub(lambda match: match[1] if system else match[2], text)
    return re.sub(r"\{\{ \.(System|Prompt) \}\}", lambda match: system if match[1] == "System" else prompt, text)


@pytest.mark.parametrize(
    ("chat", "adds_first", "system"),
    [(LLAMA3, True, True), (LLAMA3, False, True), (QWEN, False, True), (LLAMA2, True, True), (NO_SYSTEM, False, False),
     (ODD, False, None), (BRACES, False, None)],
    ids=["llama3", "llama3, first token written", "qwen", "llama2", "no system", "changes the text", "braces"],
)  # fmt: skip
def test_the_go_template_puts_a_question_as_the_chat_template_does(
    workplace: Path, tmp_path: Path, chat: str, adds_first: bool, system: bool | None
):
    tokenizer = AutoTokenizer.from_pretrained(workplace / "base")
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    tokenizer.save_pretrained(tmp_path)
    if adds_first:
        stored = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
        first, text = {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
        tokens = {"<s>": {"id": "<s>", "ids": [tokenizer.bos_token_id], "tokens": ["<s>"]}}
        stored["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [first, text],
            "pair": [first, text, text],
            "special_tokens": tokens,
        }
        (tmp_path / "tokenizer.json").write_text(json.dumps(stored), encoding="utf-8")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path, bos_token="<s>", eos_token="<|end|>")
    tokenizer.chat_template = chat
    assert (tokenizer.encode("x")[0] == tokenizer.bos_token_id) == adds_first
    made = build_go_template(tokenizer)

    if system is None:
        assert made is None
        return
    assert made is not None
    assert made.system == system
    for question in ("What was revenue?", "一\n二"):
        for said in ("", *(["Be brief.\n"[:9]] if system else [])):
            messages = [{"role": "system", "content": said}] if said else []
            messages.append({"role": "user", "content": question})
            wanted = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            # llama.cpp puts the first token there by itself, where the tokenizer does
            assert ("<s>" if adds_first else "") + go(made.text, said, question) == wanted


@pytest.mark.parametrize(("form", "chat"), [("chat", QWEN), ("chat", LLAMA3), ("fingpt", QWEN)])
def test_a_server_needs_no_setting_to_put_a_question_as_the_training_did(workplace: Path, form: str, chat: str):
    tokenizer = AutoTokenizer.from_pretrained(workplace / "base")
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    tokenizer.chat_template = chat
    template = build_template(tokenizer, form)
    learned = [template.encode_prompt(template.render(question)) for question in QUESTIONS]
    assert fix_chat_template(template)
    for question, ids in zip(QUESTIONS, learned, strict=True):
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        assert tokenizer.encode(text, add_special_tokens=False) == ids


def test_serve_runs_no_code_of_a_model(desk: Path):
    config = json.loads(Path("base/config.json").read_text(encoding="utf-8"))
    Path("base/config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "x.Y"}}), encoding="utf-8")

    for model in ("base", desk):
        assert "Python code of its own" in run("serve", model, code=2).stderr


@pytest.mark.slow
def test_a_served_model_answers_like_the_adapter(desk: Path):
    merge(desk, Path("merged"))
    tuned = load_adapter(desk)
    ids = tuned.template.encode_prompt(tuned.template.render(QUESTIONS[0]))
    with torch.no_grad():
        out = tuned.model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=6,
                                   eos_token_id=tuned.template.end, pad_token_id=tuned.template.pad)  # fmt: skip
    wanted = tuned.template.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "fingen", "serve", "merged", "--port", str(port)])
    body = {"messages": [{"role": "user", "content": QUESTIONS[0]}], "temperature": 0, "max_tokens": 6}
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        answers: list[Any] = []

        def ask() -> list[Any]:
            with contextlib.suppress(OSError):  # it does not listen yet
                answers.append(json.load(urllib.request.urlopen(asked, timeout=PATIENCE)))
            return answers

        wait_until(ask, server)
        assert answers[0]["choices"][0]["message"]["content"] == wanted

        def status(path: str, asked: dict[str, Any], **headers: str) -> int:
            """What the server says to a page that has a name of its own point to this machine, or to who wants another model."""
            about = {"Content-Type": "application/json", **headers}
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(asked).encode(), about)
            try:
                return int(urllib.request.urlopen(request, timeout=PATIENCE).status)
            except urllib.error.HTTPError as e:
                return e.code

        chat = "/v1/chat/completions"
        assert status(chat, body, Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200
        assert status(chat, {**body, "model": "merged"}) == 200
        assert status(chat, body, Host="evil.example") == 403
        assert status(chat, body, Origin="http://evil.example") == 403
        assert status("/load_model", {"model": "base"}) in (403, 404)
        assert status(chat, {**body, "model": "base"}) == 404
        assert status("/v1/completions", {"prompt": "x", "model": str(Path("base").resolve())}) == 404
    finally:
        server.terminate()
        server.wait()


# --- ModelScope -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def modelscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package of that name, with the body of its `snapshot_download`, as far as the real one is used."""
    monkeypatch.setenv("USE_MODELSCOPE_HUB", "1")
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(body: str) -> None:
        (tmp_path / "site").mkdir()
        code = f"def snapshot_download(model_id=None, revision=None, *, ignore_patterns=None):\n    {body}\n"
        (tmp_path / "site/modelscope.py").write_text(code, encoding="utf-8")
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("modelscope", None)


def test_a_base_model_comes_from_modelscope_where_that_is_wished(
    workplace: Path, tmp_path: Path, modelscope: Callable[[str], None]
):
    asked = str(tmp_path / "asked")
    modelscope(f"""with open({asked!r}, "a") as file:
        file.write(f"{{model_id}} {{'*.bin' in ignore_patterns}}\\n")
    return {str(workplace / "base")!r}""")
    loaded = load_base("meta-llama/Llama-3.2-1B-Instruct", "fp32")
    load_tokenizer("Qwen/Qwen2.5-0.5B-Instruct")
    load_tokenizer(str(workplace / "base"))  # a folder is a folder

    assert loaded.model.config.hidden_size == 64
    assert (tmp_path / "asked").read_text(encoding="utf-8").splitlines() == [
        "LLM-Research/Llama-3.2-1B-Instruct True", "Qwen/Qwen2.5-0.5B-Instruct True"
    ]  # fmt: skip


def test_modelscope_that_is_not_there_or_refuses_is_told(modelscope: Callable[[str], None]):
    if importlib.util.find_spec("modelscope") is None:
        missing = run("finetune", "--model", "qwen2.5", "--dry-run", code=2).stderr
        assert "pip install modelscope, or unset USE_MODELSCOPE_HUB" in missing
        with pytest.raises(UsageError, match="modelscope package is not installed"):
            load_tokenizer("Qwen/Qwen2.5-0.5B-Instruct")
    modelscope("raise ValueError('no such model')")
    with pytest.raises(HubError, match="Qwen/nothing: ModelScope does not hand it out: no such model"):
        load_tokenizer("Qwen/nothing")


def test_a_merge_out_of_tolerance_leaves_nothing(desk: Path):
    with pytest.raises(ShortfallError, match="differ by"):
        merge(desk, Path("strict"), tolerance=-1)
    assert not [path for path in Path.cwd().iterdir() if "strict" in path.name]


# --- adapters of others --------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(desk: Path) -> Path:
    """The same weights as another program leaves them: with peft's configuration, and without a manifest."""
    folder = Path("saves/theirs")
    folder.mkdir(parents=True)
    for name in WEIGHTS:
        shutil.copy(desk / name, folder)
    (folder / "training_args.bin").write_bytes(b"\x80\x04.")  # as LLaMA-Factory leaves it: never read
    (folder / "README.md").write_text("# made elsewhere\n", encoding="utf-8")
    return folder


SAID = ("--base", "base", "--form", "chat")


def test_an_adapter_of_others_is_merged_as_our_own(desk: Path, theirs: Path):
    summary("merge", desk, "--out", "own")
    made = summary("merge", theirs, *SAID, "--out", "foreign")

    own, foreign = (load_file(Path(name) / "model.safetensors") for name in ("own", "foreign"))
    assert own.keys() == foreign.keys()
    assert all(torch.equal(own[name], foreign[name]) for name in own)
    assert made["effect"] > 0.01
    assert not summary("merge", theirs, *SAID, "--out", "foreign")["changed"]
    asked = ("chat", "--once", QUESTIONS[0], "--max-tokens", 5)
    assert (
        json.loads(run(*asked, "foreign", "--json").stdout)["model"]
        == json.loads(run(*asked, theirs, *SAID, "--json").stdout)["adapter"]
    )


def _first_logits(tuned: Any) -> torch.Tensor:
    ids = torch.tensor([tuned.template.encode_prompt(tuned.template.render(QUESTIONS[0]))])
    with torch.no_grad():
        return tuned.model(input_ids=ids, use_cache=False).logits[0, -1]


def test_an_adapter_of_others_is_asked_as_our_own(desk: Path, theirs: Path):
    ours = json.loads(run("chat", desk, "--base", "--once", QUESTIONS[0], "--max-tokens", 5, "--json").stdout)
    said = json.loads(run("chat", theirs, *SAID, "--once", QUESTIONS[0], "--max-tokens", 5, "--json").stdout)
    first = json.loads(run("chat", "--once", QUESTIONS[0], "--max-tokens", 5, "--json", "--base", desk).stdout)

    assert said["adapter"] == ours["adapter"]
    assert torch.equal(
        *(_first_logits(tuned) for tuned in (load_adapter(desk), load_adapter(theirs, base="base", form="chat")))
    )
    assert first == ours  # the flag stood before the adapter


def test_an_adapter_of_others_is_scored_by_its_folder(desk: Path, theirs: Path):
    rows = [
        {"id": str(n), "question": QUESTIONS[0], "options": {"A": "up", "B": "down"}, "gold": "AB"[n % 2]}
        for n in range(8)
    ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = summary("score", theirs, *SAID, "--set", "rows.jsonl", "--no-base")

    (one,) = report["scores"]
    assert (one["subject"], one["kind"], one["rows"]) == ("theirs", "adapter", 8)


def test_an_adapter_of_others_is_published_and_comes_back(theirs: Path, hub: HubServer):
    made = summary("push", theirs, *SAID, "--repo", "you/theirs", "--yes")
    files = hub.repos["models/you/theirs"].head.files

    assert set(files) - {".gitattributes"} == {*WEIGHTS, MANIFEST, "README.md"}
    card = files["README.md"].decode()
    assert "trained with another program: on which rows, and how, was not written down" in card
    assert "## Settings" not in card
    assert any("another program made it" in note for note in made["plan"]["notes"])
    summary("pull", "you/theirs", "--out", "back")
    assert json.loads(run("chat", "back", "--once", QUESTIONS[0], "--max-tokens", 3, "--json").stdout)
    assert not summary("push", theirs, *SAID, "--repo", "you/theirs", "--yes")["changed"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing says how its prompts looked in its training"),
        (("--form", "chat"), "its base model is no id on the Hub: base"),
        (("--base", "tiny", "--form", "chat"), "it is made from a set"),
        (("--base", "nosuch", "--form", "chat"), "no base model 'nosuch'"),
        (("--base", "narrow", "--form", "chat"), "cannot be loaded on its base, narrow"),
    ],
)
@pytest.mark.parametrize("command", ["merge", "chat"])
def test_what_must_be_known_of_an_adapter_of_others_is_said(
    theirs: Path, command: str, arguments: tuple[str, ...], said: str
):
    tokenizer = load_tokenizer("base")
    LlamaForCausalLM(tiny_config(tokenizer, hidden=128, layers=2)).save_pretrained("narrow")
    tokenizer.save_pretrained("narrow")
    more = ("--out", "merged") if command == "merge" else ("--once", "What?")

    assert said in run(command, theirs, *arguments, *more, code=2).stderr
    assert not Path("merged").exists()


def test_an_adapter_of_others_that_could_run_code_is_refused(theirs: Path):
    (theirs / WEIGHTS[0]).rename(theirs / "adapter_model.bin")
    assert "it has no adapter_model.safetensors" in run("merge", theirs, *SAID, code=2).stderr
    (theirs / "adapter_model.bin").rename(theirs / WEIGHTS[0])
    config = json.loads((theirs / WEIGHTS[1]).read_text(encoding="utf-8"))
    (theirs / WEIGHTS[1]).write_text(json.dumps({**config, "megatron_config": {"x": 1}}), encoding="utf-8")
    assert (
        "megatron_config: no setting that is taken from others"
        in run("chat", theirs, *SAID, "--once", "q", code=2).stderr
    )


def test_our_own_adapter_keeps_to_what_it_was_tuned_on(desk: Path):
    assert "it was tuned with the form chat, not fingpt" in run("merge", desk, "--form", "fingpt", code=2).stderr
    assert "it was tuned on base, not on build" in run("merge", desk, "--base", "build", code=2).stderr
