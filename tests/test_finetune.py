"""`fingen finetune`, `models`, `chat` and `merge` from the command line, with a real model small enough for a CPU."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from patience import PATIENCE
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from fingen.cli import main
from fingen.config import MODELS
from fingen.sets import read_split
from fingen.training.base import quiet
from fingen.training.checkpoints import read_history
from fingen.training.tiny import tiny_config, train_tokenizer
from fingen.training.use import load_adapter

torch.set_num_threads(1)  # the models are too small for two
FAST = (
    "--set",
    "build/intent",
    "--model",
    "base",
    "--epochs",
    "2",
    "--learning-rate",
    "0.01",
    "--override",
    "save_every=2",
)
ADAPTER = Path("build/adapters/intent-base")


def run(*arguments: str, **options: Any) -> Result:
    result = CliRunner().invoke(main, arguments, **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of 24 rows and a base model of random weights."""
    folder = tmp_path_factory.mktemp("workplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = run("synth", "intent", "--n", "24", "--validation", "6", "--teacher", "offline", "--quiet")
        assert made.exit_code == 0, made.stderr
        rows = list(read_split(Path("build/intent"), "train"))
        tokenizer = train_tokenizer([row.instruction for row in rows] * 5)
        torch.manual_seed(7)
        model = LlamaForCausalLM(tiny_config(tokenizer, hidden=64, layers=2))
        model.model.embed_tokens.weight.data.mul_(10)
        model.save_pretrained("base")
        tokenizer.save_pretrained("base")
    return folder


@pytest.fixture(scope="module")
def tuned(workplace: Path) -> tuple[Path, str]:
    """The workplace with an adapter in it, and what was printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        made = run("finetune", *FAST)
    assert made.exit_code == 0, made.stderr
    return workplace, made.stdout + made.stderr


@pytest.fixture
def here(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of set and base model of one's own."""
    shutil.copytree(workplace / "build/intent", tmp_path / "build/intent")
    shutil.copytree(workplace / "base", tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def there(tuned: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tuned[0])
    return tuned[0]


def test_an_adapter_says_what_made_it(there: Path, tuned: tuple[Path, str]):
    manifest = json.loads((ADAPTER / "fingen.json").read_text(encoding="utf-8"))
    card = (ADAPTER / "README.md").read_text(encoding="utf-8")
    history = read_history(ADAPTER / "training.jsonl")

    assert manifest["set"]["name"] == "intent"
    assert manifest["base"]["source"] == "base"
    seen = {"rows": 24, "least": 2, "most": 2}
    assert manifest["rows"] == {"train": 24, "seen": seen, "validation": 6, "left_out": {}}
    assert manifest["metrics"]["learned"] is None  # six rows cannot say so
    assert manifest["sources"] == {"epochs": "--epochs", "learning_rate": "--learning-rate", "save_every": "--override"}
    assert manifest["settings"]["learning_rate"] == 0.01
    assert [row["step"] for row in history if "loss" in row] == list(range(1, 7))
    losses = {row["step"]: row["validation_loss"] for row in history if "validation_loss" in row}
    assert manifest["metrics"]["validation_loss"] == losses[6]
    assert [row["learning_rate"] for row in history if row["step"] == 1 and "loss" in row] == [0.01]
    assert not (ADAPTER / "checkpoints").exists()
    assert "| set | intent, manifest SHA-256 " in card
    assert "| learning_rate | 0.01 | --learning-rate |" in card
    assert (ADAPTER / "loss.svg").read_text(encoding="utf-8").count("<circle") == len(losses)
    assert not list(ADAPTER.glob("*.bin"))
    assert "only this is learned: '" in tuned[1]
    assert "next: fingen chat build/adapters/intent-base" in tuned[1]


def test_few_validation_rows_choose_nothing_and_that_is_said(here: Path, tuned: tuple[Path, str]):
    told = "6 validation rows are too few to choose weights by, 30 are needed (keep_rows)"
    few = json.loads((tuned[0] / ADAPTER / "fingen.json").read_text(encoding="utf-8"))["metrics"]
    dry = run("finetune", *FAST, "--dry-run")
    enough = run("finetune", *FAST, "--override", "keep_rows=6", "--json", "--quiet")
    metrics = json.loads(enough.stdout)["metrics"]
    scores = [
        (row["validation_macro_f1"], -row["validation_loss"], row["step"])
        for row in read_history(ADAPTER / "training.jsonl")
        if "validation_loss" in row
    ]

    assert (few["kept_step"], few["kept"]) == (6, f"last: {told}")
    assert f"weights of step 6 (last: {told})" in tuned[1]
    assert f"mind: {told}" in dry.stdout
    assert metrics["kept"] == "best by validation macro F1"
    assert metrics["kept_step"] == max(scores)[2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("--override", "steps=2"), "rows: 16 of 24 trained on, each once |"),
        (("--override", "steps=3"), "rows: 24 trained on, each once |"),
        (("--override", "steps=7"), "rows: 24 trained on, each 2 or 3 times |"),
        (("--epochs", "3"), "rows: 24 trained on, each 3 times |"),
    ],
)
def test_a_run_says_which_rows_it_has_seen_and_how_often(settings: tuple[str, str], said: str, here: Path):
    flags = [flag for flag in FAST if flag not in ("--epochs", "2")]
    made = run("finetune", *flags, *settings, "--quiet")

    assert made.exit_code == 0, made.stderr
    assert said in made.stdout
    assert said.removeprefix("rows: ").removesuffix(" |") in (ADAPTER / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def deaf(here: Path) -> Path:
    """A base model that says the same whatever it is asked, with thirty validation rows to see that by."""
    made = run("synth", "intent", "--n", "24", "--validation", "30", "--teacher", "offline", "--quiet", "--replace")
    assert made.exit_code == 0, made.stderr
    model = LlamaForCausalLM.from_pretrained("base")
    model.model.norm.weight.data.zero_()
    model.save_pretrained("base")
    return here


def test_a_run_that_learned_nothing_is_no_success(deaf: Path):
    ended = run("finetune", *FAST, "--epochs", "9", "--override", "patience=2")
    again = run("finetune", *FAST, "--epochs", "9", "--override", "patience=2", "--json")
    metrics = json.loads(again.stdout)["metrics"]

    assert (ended.exit_code, again.exit_code) == (1, 1)
    for result in (ended, again):
        assert f"{ADAPTER}: learned nothing: at or below the majority class on 30 validation rows" in result.stderr
        assert "another learning rate (it was 0.01), more --epochs" in result.stderr
    assert metrics["learned"] is False
    assert metrics["validation_macro_f1"] <= metrics["majority"]["macro_f1"]
    assert "steps: 9 of 27, ended early, weights of step 3 (best by validation macro F1)" in ended.stdout
    assert "rows: 24 trained on, each once until step 3 | 30 validation" in ended.stdout
    assert "next:" not in ended.stdout
    assert "It has learned nothing" in (ADAPTER / "README.md").read_text(encoding="utf-8")


def test_a_run_that_learned_something_is_one(here: Path):
    lines = [f"{n} {(word + chr(32)) * 12},{word}" for n in range(60) for word in ("账户", "基金")]
    Path("rows.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    csv = ("import", "csv", "rows.csv", "--text", "text", "--label", "label", "--split", "0.5,0.5,0")
    made = run(*csv, "--out", "build/words")
    assert made.exit_code == 0, made.stderr
    words = ("finetune", "--set", "build/words", "--model", "base", "--epochs", "6", "--learning-rate", "0.01")
    ended = run(*words, "--json")

    assert ended.exit_code == 0, ended.stderr
    assert json.loads(ended.stdout)["metrics"]["learned"] is True


@pytest.mark.parametrize(
    ("warmup", "steps", "said"), [("9", "6", True), ("6", "6", True), ("5", "6", False), ("0.1", "1", False)]
)
def test_a_warmup_that_is_as_long_as_the_run_is_said_before_it_trains(warmup: str, steps: str, said: bool, here: Path):
    settings = ("--override", f"warmup={warmup}", "--override", f"steps={steps}")
    dry, made = run("finetune", *FAST, *settings, "--dry-run"), run("finetune", *FAST, *settings)
    warning = (
        f"the warm-up of {warmup} steps is as long as the run of {steps} or longer: the learning rate only goes up"
    )

    assert (f"mind: {warning}" in dry.stdout) == said
    assert (warning in made.stderr) == said
    assert not said or made.stderr.index(warning) < made.stderr.index("step 1 of")


def test_rows_that_are_held_out_are_not_counted_as_trained_on(here: Path):
    made = run("synth", "intent", "--n", "40", "--validation", "0", "--teacher", "offline", "--quiet", "--replace")
    assert made.exit_code == 0, made.stderr
    share = ("finetune", "--model", "base", "--override", "validation_share=0.25")
    dry = json.loads(run(*share, "--dry-run", "--json").stdout)
    rows = json.loads(run(*share, "--epochs", "1", "--json", "--quiet").stdout)["rows"]

    assert (dry["rows"], dry["validation"], dry["steps"]) == (rows["train"], rows["validation"], 3 * 4) == (30, 10, 12)


def test_the_same_run_again_trains_nothing_and_another_is_refused(there: Path):
    again = run("finetune", *FAST, "--json")
    other = run("finetune", *FAST, "--rank", "4")

    assert again.exit_code == 0
    assert json.loads(again.stdout)["changed"] is False
    assert other.exit_code == 2
    assert "adapter of another set, base model or settings" in other.stderr
    assert "--replace" in other.stderr


def test_chat_asks_as_the_training_did(there: Path):
    row = next(read_split(Path("build/intent"), "train"))
    once = run("chat", str(ADAPTER), "--once", row.instruction, "--max-tokens", "4", "--base", "--json")
    lines = run("chat", str(ADAPTER), "--max-tokens", "4", input="一句话\n<|end|>\n另一句\n\n")
    loaded = load_adapter(ADAPTER)
    ids = loaded.template.encode_prompt(loaded.template.render(row.instruction))
    with torch.no_grad():  # an oracle: the likeliest token, each from a forward of its own
        for _ in range(4):
            ids.append(int(loaded.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    said = ids[-4:]
    said = said[: said.index(loaded.template.end)] if loaded.template.end in said else said

    assert once.exit_code == 0, once.stderr
    assert json.loads(once.stdout)["adapter"] == loaded.template.tokenizer.decode(said, skip_special_tokens=True)
    assert set(json.loads(once.stdout)) == {"question", "base", "adapter"}
    assert lines.exit_code == 0
    assert "control token" in lines.stderr


def test_a_merged_model_answers_like_the_adapter(there: Path):
    merged = run("merge", str(ADAPTER), "--json")
    before = {path.name: path.stat().st_mtime_ns for path in Path("build/models/intent-base").iterdir()}
    again = run("merge", str(ADAPTER))
    other = run("merge", str(ADAPTER), "--tolerance", "0.5")
    strict = run("merge", str(ADAPTER), "--out", "build/models/strict", "--tolerance", "0")
    proof = json.loads(merged.stdout)
    folder = Path("build/models/intent-base")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    loaded = load_adapter(ADAPTER)
    text = loaded.template.render("销户怎么弄")
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    with torch.no_grad():
        difference = (model(input_ids=ids).logits - loaded.model(input_ids=ids).logits).abs().max()

    assert merged.exit_code == 0, merged.stderr
    assert proof["difference"] <= 1e-3 < proof["effect"]
    assert proof["same_token"] == proof["prompts"] == 8
    assert difference < 1e-3
    assert again.exit_code == 0
    assert "already up to date: build/models/intent-base" in again.stdout
    assert other.exit_code == 2
    assert "holds another model" in other.stderr
    assert {path.name: path.stat().st_mtime_ns for path in Path("build/models/intent-base").iterdir()} == before
    assert strict.exit_code == 1
    assert "differ by" in strict.stderr
    assert not Path("build/models/strict").exists()
    assert not list(Path("build/models").glob(".*"))


def test_a_run_that_was_killed_goes_on_to_the_same_adapter(here: Path, tuned: tuple[Path, str]):
    """Killed at any moment after the first checkpoint: in a step, an evaluation, or the next checkpoint."""
    code = (
        "import os, random, signal, sys, threading\n"
        "from fingen.cli import main\n"
        "from fingen.training import checkpoints\n"
        "whole = checkpoints.mark_whole\n"
        "def marked(folder):\n"
        "    whole(folder)\n"
        "    threading.Timer(random.random() / 20, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "checkpoints.mark_whole = marked\n"
        "main()\n"
    )
    child = subprocess.run([sys.executable, "-c", code, "finetune", *FAST], capture_output=True, check=False)
    assert child.returncode == -signal.SIGKILL

    plain = run("finetune", *FAST)
    resumed = run("finetune", *FAST, "--resume")

    assert plain.exit_code == 2
    assert "--resume" in plain.stderr
    assert resumed.exit_code == 0, resumed.stderr
    assert "going on after step" in resumed.stderr
    for name in ("training.jsonl", "adapter_model.safetensors"):
        assert (ADAPTER / name).read_bytes() == (tuned[0] / ADAPTER / name).read_bytes(), name


def test_two_processes_train_what_one_does(here: Path, tuned: tuple[Path, str]):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "fingen"]
    done = subprocess.run([*launch, "finetune", *FAST], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written: ") == 1  # one of them speaks

    def figures(folder: Path) -> list[float]:
        return [row[name] for row in read_history(folder / "training.jsonl") for name in row if name.endswith("loss")]

    assert json.loads((ADAPTER / "fingen.json").read_text(encoding="utf-8"))["processes"] == 2
    assert figures(ADAPTER) == pytest.approx(figures(tuned[0] / ADAPTER), rel=1e-3)
    together, alone = (load_file(folder / "adapter_model.safetensors") for folder in (ADAPTER, tuned[0] / ADAPTER))
    for name, weights in alone.items():
        torch.testing.assert_close(together[name], weights, rtol=1e-2, atol=1e-3)


def test_a_tracker_that_is_not_there_is_in_the_way(here: Path):
    unknown, missing = (run("finetune", *FAST, "--report-to", name, "--dry-run") for name in ("nosuch", "comet_ml"))

    assert unknown.exit_code == missing.exit_code == 2
    assert "--report-to nosuch: no such tracker" in unknown.stderr
    assert "comet_ml: it is not installed" in missing.stderr


def test_a_dry_run_says_how_long_it_may_take(here: Path):
    dry = run("finetune", *FAST, "--dry-run")
    low, high = json.loads(run("finetune", *FAST, "--dry-run", "--json").stdout)["estimated_seconds"]

    assert "time: about" in dry.stdout
    assert 0 < low < high
    assert not ADAPTER.exists()


def test_a_changed_adapter_is_not_used(here: Path, tuned: tuple[Path, str]):
    shutil.copytree(tuned[0] / ADAPTER, "adapter")
    (Path("adapter") / "adapter_config.json").write_text("{}", encoding="utf-8")
    changed = run("chat", "adapter", "--once", "Hi")
    shutil.copytree(tuned[0] / ADAPTER, "other")
    config = Path("other/chat_template.jinja")
    config.write_text(config.read_text(encoding="utf-8").replace("<|user|>", "<|assistant|>"), encoding="utf-8")
    template = run("chat", "other", "--once", "Hi")
    missing = run("merge", "nowhere")

    assert (changed.exit_code, template.exit_code, missing.exit_code) == (2, 2, 2)
    assert "changed since it was made" in changed.stderr
    assert "not the one that it was trained with" in template.stderr
    assert "no whole adapter" in missing.stderr


def test_settings_say_where_they_come_from(here: Path, monkeypatch: pytest.MonkeyPatch):
    Path("fingen.toml").write_text("[finetune]\nrank = 2\nalpha = 3\nseed = 4\n", encoding="utf-8")
    Path("tune.toml").write_text("rank = 5\nweight_decay = 0.5\n", encoding="utf-8")
    monkeypatch.setenv("FINGEN_FINETUNE_ALPHA", "6")
    dry = run(
        "finetune",
        "--model",
        "base",
        "--config",
        "tune.toml",
        "--recipe",
        "fingpt-v3.2",
        "--epochs",
        "1",
        "--dry-run",
        "--json",
    )
    plan = json.loads(dry.stdout)

    assert dry.exit_code == 0, dry.stderr
    wanted = {"epochs": (1, "--epochs"), "alpha": (6.0, "environment"), "rank": (5, "tune.toml"), "weight_decay": (0.5, "tune.toml"),
              "seed": (4, "fingen.toml"), "form": ("fingpt", "recipe fingpt-v3.2")}  # fmt: skip
    assert {name: (plan["settings"][name], plan["sources"][name]) for name in wanted} == wanted
    assert plan["rows"] == 24
    assert "the newest set: build/intent" in dry.stderr
    assert not Path("build/adapters").exists()

    twice = run("finetune", "--model", "base", "--rank", "4", "--override", "rank=8", "--dry-run")
    wrong = run("finetune", "--model", "base", "--override", "learnin_rate=1", "--dry-run")
    assert (twice.exit_code, wrong.exit_code) == (2, 2)
    assert "given twice" in twice.stderr
    assert "did you mean learning_rate?" in wrong.stderr


def test_all_that_is_in_the_way_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    huge = run("finetune", "--model", "llama2-13b", "--load", "fp32")
    old = run("finetune", "--model", "chatglm3", "--dry-run")

    assert huge.exit_code == 2
    assert "no set here" in huge.stderr
    assert "set HF_TOKEN" in huge.stderr
    assert "meta-llama/Llama-2-13b-chat-hf is handed out only to who has accepted its licence" in huge.stderr
    assert old.exit_code == 2
    assert f"was written for transformers {MODELS['chatglm3'].code}" in old.stderr
    assert "--model glm4" in old.stderr
    assert "--trust-remote-code" in old.stderr


def test_a_wrong_name_is_answered_with_the_nearest():
    wrong = run("finetune", "--model", "lama3", "--dry-run")

    assert wrong.exit_code == 2
    assert "did you mean llama3" in wrong.stderr


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda base: torch.save({}, base / "pytorch_model.bin") or (base / "model.safetensors").unlink(), "are pickles (pytorch_model.bin)"),
        (lambda base: (base / "model.safetensors").unlink(), "no weights here"),
        (lambda base: (base / "config.json").unlink(), "it has no config.json"),
        (lambda base: (base / "config.json").write_text("{", encoding="utf-8"), "config.json"),
        (
            lambda base: (base / "config.json").write_text(
                json.dumps({**json.loads((base / "config.json").read_text()), "auto_map": {"AutoConfig": "x.Y"}}), encoding="utf-8"
            ),
            "Python code of its own",
        ),
    ],
    ids=["pickles", "no weights", "no config", "damaged config", "own code"],
)  # fmt: skip
def test_a_base_model_that_is_not_whole_is_refused(break_it: Any, said: str, here: Path):
    break_it(here / "base")
    refused = run("finetune", *FAST)

    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not ADAPTER.exists()


def test_weights_that_are_missing_are_an_error_not_noise(here: Path):
    model = LlamaForCausalLM.from_pretrained("base")
    held = model.state_dict()
    held.pop("model.layers.1.self_attn.q_proj.weight")
    model.save_pretrained("base", state_dict=held)
    refused = run("finetune", *FAST)

    assert refused.exit_code == 2
    assert "1 weights are missing: model.layers.1.self_attn.q_proj.weight" in refused.stderr


def test_a_model_that_cannot_be_fetched_is_the_hubs_refusal(here: Path, monkeypatch: pytest.MonkeyPatch):
    # What HF_HUB_OFFLINE=1 sets; without it the client tries again for most of a minute.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused = run("finetune", "--set", "build/intent", "--model", "nobody/nothing")

    assert refused.exit_code == 3
    assert "nobody/nothing: no tokenizer" in refused.stderr
    assert "check the name, the network" in refused.stderr


def test_rows_that_are_all_too_long_end_the_run_with_their_length(here: Path):
    refused = run("finetune", *FAST, "--cutoff", "9")

    assert refused.exit_code == 2
    assert "no training row is left: longer than 9 tokens; the longest has" in refused.stderr
    assert "--override cutoff=" in refused.stderr


def test_a_set_without_training_rows_is_in_the_way(here: Path):
    Path("build/intent/train.jsonl").unlink()
    refused = run("finetune", *FAST)

    assert refused.exit_code == 2
    assert "train.jsonl: missing" in refused.stderr


def test_a_quantised_base_is_trained(here: Path):
    pytest.importorskip("bitsandbytes", reason="the extra [quant] is not installed")
    made = run("finetune", *FAST, "--load", "4bit", "--json", "--quiet")
    manifest = json.loads(made.stdout)
    losses = [row["loss"] for row in read_history(ADAPTER / "training.jsonl") if "loss" in row]
    with quiet():
        merged = run("merge", str(ADAPTER))

    assert made.exit_code == 0, made.stderr
    assert manifest["load"] == "4bit"
    assert losses[-1] < losses[0]
    assert merged.exit_code == 0, merged.stderr


def test_models_tells_what_is_there_and_what_it_needs():
    table, listed = run("models"), json.loads(run("models", "--json").stdout)

    assert list(listed) == list(MODELS)
    for name, alias in MODELS.items():
        line = next(line for line in table.stdout.splitlines() if line.startswith(f"{name} "))
        assert ("not tried here" in line) != alias.tried
        assert (", gated" in line) == alias.gated
        need = listed[name]["memory_gib"]
        assert need["4bit"] <= need["8bit"] <= need["bf16"]
        assert alias.code is None or alias.successor in MODELS


@pytest.mark.slow
def test_the_whole_road_without_a_download(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(workplace / "build/intent", tmp_path / "build/intent")
    monkeypatch.chdir(tmp_path)
    made = run("finetune", "--model", "tiny", "--json")
    manifest = json.loads(made.stdout)
    again = run("finetune", "--model", "tiny", "--replace")

    assert made.exit_code == 0, made.stderr
    assert manifest["base"] | {"source": "build/models/tiny-intent", "built": True} == manifest["base"]
    assert "random weights" in Path("build/adapters/intent-tiny/README.md").read_text(encoding="utf-8")
    assert "as it was made before" in again.stderr
    history = read_history(Path("build/adapters/intent-tiny/training.jsonl"))
    assert history[-2]["loss"] < history[0]["loss"]
