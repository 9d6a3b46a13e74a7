"""The ways on from a merged model: its Modelfile, and the commands of its card as they are typed."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_models import make_base, run
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)  # the models are too small for two
TEXTS = ("What was item 3? It was 9.", "Why did finance costs fall?")
STUB = f"""#!{sys.executable}
import json, sys
with open("typed.jsonl", "a") as file:
    print(json.dumps(sys.argv), file=file)
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter that was trained on rows of at most 3,000 tokens."""
    folder = tmp_path_factory.mktemp("ways")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rows = [{"instruction": f"What was item {n}?", "output": f"{n * n}"} for n in range(12)]
        Path("rows.json").write_text(json.dumps(rows), encoding="utf-8")
        run("import", "alpaca", "rows.json", "--out", "build/texts")
        make_base(Path("base"), TEXTS)
        tune = ("--model", "base", "--epochs", "2", "--learning-rate", "0.01", "--quiet", "--cutoff", "3000")
        run("finetune", "--set", "build/texts", *tune, "--out", "build/adapters/texts")
    return folder


@pytest.fixture
def there(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(folder: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a card: language and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (folder / "README.md").read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize(("positions", "room"), [(1024, 1024), (32_768, 6000)])
def test_a_modelfile_gives_the_likeliest_answer_and_room_for_the_rows(positions: int, room: int, there: Path):
    config = json.loads(Path("base/config.json").read_text(encoding="utf-8"))
    Path("base/config.json").write_text(json.dumps(config | {"max_position_embeddings": positions}), encoding="utf-8")
    run("merge", "build/adapters/texts")
    lines = Path("build/models/texts/Modelfile").read_text(encoding="utf-8").splitlines()

    assert {"PARAMETER temperature 0", "PARAMETER repeat_penalty 1", f"PARAMETER num_ctx {room}"} <= set(lines)


def test_a_merged_model_has_no_settings_that_change_the_likeliest_answer(there: Path):
    path = Path("base/generation_config.json")
    sampling = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "repetition_penalty": 1.05}
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | sampling), encoding="utf-8")
    run("merge", "build/adapters/texts")
    stored = json.loads(Path("build/models/texts/generation_config.json").read_text(encoding="utf-8"))

    assert not [name for name in sampling if stored.get(name)]
    assert AutoTokenizer.from_pretrained("base").eos_token_id in stored["eos_token_id"]


@pytest.mark.parametrize("name", ["texts", "Über 'my' $HOME model (1)", "-rf", "a" * 90])
def test_the_commands_of_a_card_name_what_they_should(name: str, there: Path):
    folder = Path("build/models") / name
    run("merge", "build/adapters/texts", "--out", folder)
    programs = there / "bin"
    programs.mkdir()
    for program in ("git", "pip", "python", "vllm", "ollama", "llama-quantize", "fingen"):
        (programs / program).write_text(STUB, encoding="utf-8")
        (programs / program).chmod(stat.S_IRWXU)
    for language, text in blocks(folder):
        if not language:
            subprocess.run(["sh", "-eu", "-c", text], check=True, env={"PATH": f"{programs}:{os.environ['PATH']}"})
    typed = [json.loads(line) for line in Path("typed.jsonl").read_text(encoding="utf-8").splitlines()]
    by_program: dict[str, list[list[str]]] = {}
    for program, *arguments in typed:
        by_program.setdefault(Path(program).name, []).append(arguments)

    assert by_program["fingen"] == [["chat", str(folder)], ["serve", str(folder)]]
    assert by_program["vllm"] == [["serve", str(folder), "--host", "127.0.0.1"]]
    ((script, source, _, gguf, *_),) = by_program["python"]
    assert (Path(script).name, Path(source), Path(gguf).parent) == ("convert_hf_to_gguf.py", folder, folder)
    (model,) = re.findall(r"^FROM \./(\S+)$", (folder / "Modelfile").read_text(encoding="utf-8"), re.M)
    assert model == Path(gguf).name
    (create, asked) = by_program["ollama"]
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,79}", create[1])
    assert asked == ["run", create[1]]
    assert Path(create[3]) == folder / "Modelfile"
    ((whole, less, kind),) = by_program["llama-quantize"]
    assert (Path(whole), Path(less).parent, kind) == (Path(gguf), folder, "Q4_K_M")


@pytest.mark.slow
def test_the_snippet_of_a_card_answers_as_chat_does(there: Path):
    run("merge", "build/adapters/texts")
    ((_, snippet),) = [block for block in blocks(Path("build/models/texts")) if block[0] == "python"]
    asked = "What was item 3?"
    ran = subprocess.run([sys.executable, "-c", snippet.replace('"..."', json.dumps(asked))], capture_output=True,
                         text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip

    assert ran.stdout.strip() == run("chat", "build/models/texts", "--once", asked).stdout.strip()
