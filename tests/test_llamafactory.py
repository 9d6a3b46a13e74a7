"""`fingen export --format llamafactory`: what LLaMA-Factory makes of it is what `fingen finetune` makes.

Oracles: LLaMA-Factory's documented templates on two real vocabularies; and LLaMA-Factory itself, where FINGEN_LLAMAFACTORY names
a Python that has it (tried with 0.9.5).
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from patience import PATIENCE

from fingen.cli import main
from fingen.sets import read_split
from fingen.training.base import load_tokenizer
from fingen.training.data import build_examples
from fingen.training.template import build_template

# LLaMA-Factory's templates, as its documentation has them: what stands before and behind a question, and behind an answer.
SLOTS = {
    "llama3": (
        "<|begin_of_text|>", "<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>", "",
        "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "{}<|eot_id|>",
    ),
    "qwen": (
        "", "<|im_start|>system\n{}<|im_end|>\n", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n", "{}<|im_end|>\n",
    ),
}  # fmt: skip
REASON = "set FINGEN_LLAMAFACTORY to a Python that has llamafactory"


def fingen(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of 100 rows: with and without a passage, a system message, earlier turns, and white space around."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "instruction": f"{' ' * (n % 5 == 1)}What was revenue of {n}? 营业收入是多少",
            "input": f"In {n} it was {n * 7} million yuan.\n" if n % 3 else "",
            "output": f"{n * 7} million yuan，同比增长{n % 40}.5%",
            **({"system": "You read annual reports."} if n % 4 == 0 else {}),
            **(
                {"history": [["上一年是多少？ ", f"{k * 6} million yuan。"] for k in range(n % 3 + 1)]}
                if n % 6 < 3
                else {}
            ),
        }
        for n in range(100)
    ]
    Path("rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    fingen("import", "alpaca", "rows.json", "--out", "build/mine")
    return tmp_path


def base_of(name: str, shared: Path) -> Path:
    """A folder with a real vocabulary, its chat template, and no weights."""
    folder, packed = Path(f"base-{name}"), shared / "tokenizers" / name
    if not packed.is_dir():
        pytest.skip(f"no vocabulary at {packed}")
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes(gzip.decompress((packed / "tokenizer.json.gz").read_bytes()))
    shutil.copy(packed / "tokenizer_config.json", folder)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 152_000}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def exported(*arguments: object) -> dict[str, Any]:
    fingen("export", "build/mine", "--format", "llamafactory", "--out", "out", *arguments)
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in Path("out").glob("*.yaml")}


def by_slots(name: str, tokenizer: Any) -> list[tuple[list[int], list[int]]]:
    """Token ids and labels of each row of the export, by LLaMA-Factory's template of that name."""
    first, system, default, user, assistant = SLOTS[name]
    columns = json.loads(Path("out/dataset_info.json").read_text(encoding="utf-8"))["mine"]["columns"]
    found = []
    for row in json.loads(Path("out/train.json").read_text(encoding="utf-8")):
        asked = "\n".join(filter(None, (row[columns["prompt"]], row[columns["query"]])))
        told = row[columns["system"]] or default
        head = first + (system.format(told) if told else "")
        ids, labels = list[int](), list[int]()
        for question, answer in [*row[columns["history"]], (asked, row[columns["response"]])]:
            prompt = tokenizer.encode(head + user.format(question), add_special_tokens=False)
            said = tokenizer.encode(assistant.format(answer), add_special_tokens=False)
            ids, labels, head = ids + prompt + said, labels + [-100] * len(prompt) + said, ""
        found.append((ids, labels))
    return found


def by_fingen(base: Path, tail: list[int]) -> list[tuple[list[int], list[int]]]:
    """The same as `fingen finetune` puts the rows; `tail` is what LLaMA-Factory has learned behind each of their answers."""
    records = list(read_split(Path("build/mine"), "train"))
    kept = build_examples(records, build_template(load_tokenizer(str(base)), "chat"), 2048).kept
    assert len(kept) == 100
    found = []
    for row in kept:
        ids, learned = [*row.ids, *tail], {place + 1 for place in row.places}
        learned |= {place + more for place in (*(each.stop - 1 for each in row.earlier), len(row.ids) - 1)
                    for more in range(1, len(tail) + 1)}  # fmt: skip
        found.append((ids, [token if place in learned else -100 for place, token in enumerate(ids)]))
    return found


@pytest.mark.parametrize("name", SLOTS)
def test_token_ids_and_labels_are_those_of_finetune(desk: Path, shared: Path, name: str):
    base = base_of(name, shared)
    files = exported("--model", base)
    tokenizer = load_tokenizer(str(base))
    line_end = tokenizer.encode("\n", add_special_tokens=False) if name == "qwen" else []

    assert files["train"]["template"] == files["infer"]["template"] == files["merge"]["template"] == name
    assert by_slots(name, tokenizer) == by_fingen(base, line_end)


@pytest.mark.slow
@pytest.mark.skipif("FINGEN_LLAMAFACTORY" not in os.environ, reason=REASON)
@pytest.mark.parametrize("name", SLOTS)
def test_llamafactory_itself_takes_the_files_and_makes_the_same(desk: Path, shared: Path, name: str):
    base = base_of(name, shared)
    exported("--model", base)
    script = Path(__file__).with_name("llamafactory_rows.py")
    command = [os.environ["FINGEN_LLAMAFACTORY"], str(script), "out", str(desk / "found.json")]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE * 10)
    assert ran.returncode == 0, ran.stderr[-2000:]

    found = json.loads(Path("found.json").read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(str(base))
    line_end = tokenizer.encode("\n", add_special_tokens=False) if name == "qwen" else []
    assert sorted(found["rows"]) == sorted([list(ids), labels] for ids, labels in by_fingen(base, line_end))
    template = build_template(tokenizer, "chat")
    assert found["prompt"] == template.encode_prompt(template.render("营业收入是多少？"))
    assert (found["rank"], found["alpha"], found["rate"], found["epochs"]) == (8, 16, 1e-4, 3)
    assert (found["rows_a_step"], found["warmup"]) == (8, 4)  # a tenth of 39 steps
    assert len(set(found["adapter"])) == 1


def test_the_files_follow_the_recipe_the_base_and_the_set(desk: Path):
    fingen("import", "alpaca", "rows.json", "--split", "0.8,0.1,0.1", "--out", "build/mine", "--replace")
    rows = len(list(read_split(Path("build/mine"), "train")))
    files = exported("--model", "qwen3-4b", "--recipe", "finance-llama3")

    train = files["train"]
    assert (train["model_name_or_path"], train["template"], train["enable_thinking"]) == (
        "Qwen/Qwen3-4B",
        "qwen3",
        False,
    )
    assert (train["lora_rank"], train["lora_alpha"], train["learning_rate"], train["num_train_epochs"]) == (
        8,
        16,
        1e-4,
        10,
    )
    assert train["per_device_train_batch_size"] * train["gradient_accumulation_steps"] == 8
    assert train["warmup_steps"] == -(-10 * -(-rows // 8) // 10)
    assert (train["dataset"], train["eval_dataset"], train["dataset_dir"]) == ("mine", "mine_validation", ".")
    assert "load_best_model_at_end" not in train  # the recipe keeps the last weights
    assert train["output_dir"] == files["merge"]["adapter_name_or_path"] == files["infer"]["adapter_name_or_path"]
    info = json.loads(Path("out/dataset_info.json").read_text(encoding="utf-8"))
    assert set(info) == {"mine", "mine_validation", "mine_test"}


def test_without_a_model_it_is_the_one_of_finetune(desk: Path):
    assert exported()["train"]["model_name_or_path"] == "meta-llama/Meta-Llama-3-8B-Instruct"
    again = json.loads(fingen("export", "build/mine", "--format", "llamafactory", "--out", "out", "--json").stdout)
    assert not again["changed"]
    assert (
        "out holds an export"
        in fingen(
            "export", "build/mine", "--format", "llamafactory", "--model", "llama2", "--out", "out", code=2
        ).stderr
    )
    assert exported("--model", "llama2", "--replace")["train"]["template"] == "llama2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "alpaca", "--model", "llama3"), "--model goes with --format llamafactory"),
        (("--format", "llamafactory", "--model", "tiny"), "it is made from a set"),
        (("--format", "llamafactory", "--model", "lama3"), "did you mean llama3"),
        (("--format", "llamafactory", "--recipe", "fingpt-v3"), "LLaMA-Factory has no template with its prompt"),
        (("--format", "llamafactory", "--recipe", "finance-llama"), "did you mean finance-llama3"),
    ],
)
def test_what_it_cannot_run_is_refused(desk: Path, arguments: tuple[str, ...], said: str):
    assert said in fingen("export", "build/mine", *arguments, "--out", "out", code=2).stderr
    assert not Path("out").exists()


def test_earlier_turns_are_a_history(desk: Path):
    row = json.loads(Path("build/mine/train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes?"}]
    rows = [{**row, "turns": json.dumps(turns)}, {**row, "id": "b", "turns": "[]"}]
    Path("own.json").write_text(json.dumps(rows), encoding="utf-8")
    fingen("import", "alpaca", "own.json", "--out", "build/mine", "--replace")
    exported()

    first, second = json.loads(Path("out/train.json").read_text(encoding="utf-8"))
    assert (first["history"], second["history"]) == ([["Hello", "Yes?"]], [])
    assert (
        json.loads(Path("out/dataset_info.json").read_text(encoding="utf-8"))["mine"]["columns"]["history"] == "history"
    )


def test_a_set_with_earlier_turns_names_no_files_that_would_be_learned_without_them(desk: Path):
    """Its own rows have their turns as JSON: read by an entry, each last question would stand alone."""
    assert json.loads(Path("build/mine/dataset_info.json").read_text(encoding="utf-8")) == {}
    card = Path("build/mine/README.md").read_text(encoding="utf-8")
    assert "fingen export SET --format llamafactory" in card
    assert "dataset_dir: ." not in card
    table = fingen("export", "build/mine", "--format", "parquet", "--out", "table").output
    assert json.loads(Path("table/dataset_info.json").read_text(encoding="utf-8")) == {}
    assert "take --format llamafactory" in table
    assert "llamafactory-cli" not in table
    exported()
    assert set(json.loads(Path("out/dataset_info.json").read_text(encoding="utf-8"))) == {"mine"}

    alone = [{"instruction": f"What was revenue of {n}?", "output": f"{n * 7} million."} for n in range(9)]
    Path("alone.json").write_text(json.dumps(alone), encoding="utf-8")
    fingen("import", "alpaca", "alone.json", "--out", "build/alone")
    assert set(json.loads(Path("build/alone/dataset_info.json").read_text(encoding="utf-8"))) == {"alone"}
    assert "dataset_dir: ." in Path("build/alone/README.md").read_text(encoding="utf-8")


def test_only_rows_that_may_be_cut_off_are_told(desk: Path):
    rows = [{"instruction": f"What was revenue of {n}?", "output": "word " * (n * 100)} for n in range(1, 8)]
    Path("long.json").write_text(json.dumps(rows), encoding="utf-8")
    fingen("import", "alpaca", "long.json", "--out", "build/long")

    said = [
        fingen("export", f"build/{name}", "--format", "llamafactory", "--out", name).output for name in ("long", "mine")
    ]

    assert "rows that may be longer than 2,048 tokens, by their bytes: 4" in said[0]
    assert "2,048" not in said[1]
