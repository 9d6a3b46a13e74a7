"""What LLaMA-Factory makes of an export: its own parser reads the files, its own code the rows. Run by its Python, not by ours.

python llamafactory_rows.py FOLDER OUT
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml


def read(name: str) -> Any:
    return yaml.safe_load(Path(name).read_text(encoding="utf-8"))


def main(folder: str, out: str) -> None:
    os.environ.update(HF_HUB_OFFLINE="1", DISABLE_VERSION_CHECK="1")
    os.chdir(folder)
    # By their names: it is a package of that Python alone, and none that the tests of this project need.
    of_data, args, of_model = (import_module(f"llamafactory.{name}") for name in ("data", "hparams", "model"))

    model, data, training, tuning, _ = args.get_train_args(read("train.yaml"))
    loaded = of_model.load_tokenizer(model)
    template = of_data.get_template_and_fix_tokenizer(loaded["tokenizer"], data)
    rows = of_data.get_dataset(template, model, data, training, stage="sft", **loaded)["train_dataset"]
    merging, asking = (args.get_infer_args(read(name)) for name in ("merge.yaml", "infer.yaml"))
    template = of_data.get_template_and_fix_tokenizer(loaded["tokenizer"], asking[1])
    asked = [{"role": "user", "content": "营业收入是多少？"}, {"role": "assistant", "content": ""}]
    found = {
        "rows": [[list(row["input_ids"]), list(row["labels"])] for row in rows],
        "prompt": template.encode_oneturn(loaded["tokenizer"], asked)[0],
        "rank": tuning.lora_rank, "alpha": tuning.lora_alpha, "rate": training.learning_rate,
        "epochs": training.num_train_epochs, "rows_a_step": training.gradient_accumulation_steps,
        "warmup": training.get_warmup_steps(999), "adapter": [training.output_dir, *merging[0].adapter_name_or_path],
    }  # fmt: skip
    Path(out).write_text(json.dumps(found), encoding="utf-8")


main(*sys.argv[1:])
