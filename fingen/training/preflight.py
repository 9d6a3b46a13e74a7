"""All that stands in the way of a run, found before anything is downloaded, each with its remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fingen.adapters import is_adapter, is_pickle
from fingen.config import Tuning
from fingen.errors import UsageError
from fingen.install import install_command
from fingen.training.foreign import read_any_adapter
from fingen.training.memory import GIB, Shape, least_bytes, read_shape
from fingen.training.models import Base, read_config

NEEDED = ("torch", "transformers", "peft")
QUANTISED = ("8bit", "4bit")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
GPU, MACHINE = "the GPU", "this machine"
DOWNLOAD_BYTES = 2.0  # a parameter, as the Hub holds the weights of the table
YES = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Obstacle:
    """Something that keeps a run from starting, and what to do about it."""

    what: str
    remedy: str


def find_obstacles(base: Base, tuning: Tuning, *, trust_remote_code: bool, memory: bool = True) -> list[Obstacle]:
    """Everything that is in the way of tuning `base`, besides the set; too little `memory` is told with torch alone."""
    found = [*_extras(tuning), *_remote_code(base, trust_remote_code)]
    if base.local:
        found += folder_obstacles(Path(base.source))
    elif not base.built and not is_cached(base.source):  # ModelScope's own cache is not looked into
        found += modelscope_obstacles() if wants_modelscope() else _gate(base)
        found += _disk(base)
    return found + (list(_memory(base, tuning)) if memory else [])


def refuse(obstacles: list[Obstacle]) -> None:
    """Do nothing if the list is empty.

    Raises:
        UsageError: it is not; the message has all of it.
    """
    if obstacles:
        lines = [line for each in obstacles for line in (f"  - {each.what}", f"      -> {each.remedy}")]
        raise UsageError(f"{len(obstacles)} in the way of this run:", *lines)


def need_extra() -> None:
    """Do nothing where the extra is installed.

    Raises:
        UsageError: it is not.
    """
    refuse(list(_extras(Tuning())))


def missing_libraries() -> list[str]:
    """What training needs and is not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def need_adapter(
    folder: Path, *, base: str | None = None, form: str | None = None, trust_remote_code: bool = False
) -> dict[str, Any]:
    """The manifest of an adapter that can be loaded, as far as can be told without torch.

    `base` and `form` are those of `read_any_adapter`.

    Raises:
        UsageError: it is not whole, its base is not here, or brings code that nobody trusts.
    """
    manifest = read_any_adapter(folder, base, form)
    about = manifest["base"]
    if about["remote_code"] and not trust_remote_code:
        raise UsageError(
            f"{about['source']}: the model brings Python code of its own, which would run here with all your rights",
            hint="read that code, then pass --trust-remote-code",
        )
    if about["hub_id"] is None and not Path(about["source"]).is_dir():
        raise UsageError(
            f"{folder}: its base model is the folder {about['source']}, and that is not here",
            hint="put the base model there, or run this where it is",
        )
    return manifest


def _extras(tuning: Tuning) -> Iterator[Obstacle]:
    if missing := missing_libraries():
        yield Obstacle(f"not installed: {', '.join(missing)}", install_command("train"))
    if tuning.load in QUANTISED and find_spec("bitsandbytes") is None:
        yield Obstacle(f"--load {tuning.load} needs bitsandbytes", f"{install_command('quant')}   or --load bf16")


def _remote_code(base: Base, trusted: bool) -> Iterator[Obstacle]:
    alias = base.alias
    if alias and alias.code:
        there = _installed("transformers")
        if there is not None and there != alias.code:
            yield Obstacle(
                f"{base.name}: its own code was written for transformers {alias.code}, and {there} is installed",
                f"convert it: fingen models convert {base.name} {base.source}; or take its successor: --model {alias.successor}",
            )
    own_code = bool(alias and alias.code) or (base.local and "auto_map" in read_config(Path(base.source)))
    if own_code and not trusted:
        yield Obstacle(
            f"{base.source}: the model brings Python code of its own, which would run here with all your rights",
            "read that code, then pass --trust-remote-code, or take another model",
        )


def wants_modelscope() -> bool:
    """Whether base models are to come from ModelScope."""
    return os.environ.get("USE_MODELSCOPE_HUB", "").lower() in YES


def modelscope_obstacles() -> Iterator[Obstacle]:
    """What keeps models from being fetched from ModelScope."""
    if find_spec("modelscope") is None:
        yield Obstacle(
            "USE_MODELSCOPE_HUB is set, and the modelscope package is not installed",
            "pip install modelscope, or unset USE_MODELSCOPE_HUB",
        )


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def is_model(folder: Path) -> bool:
    """Whether a folder is a model's, and no adapter's."""
    return (folder / "config.json").is_file() and not is_adapter(folder)


def folder_obstacles(folder: Path) -> Iterator[Obstacle]:
    """What keeps a folder from being loaded as a model."""
    if not folder.is_dir():
        yield Obstacle(f"{folder}: no such folder", "name one that `fingen merge` or save_pretrained has written")
        return
    if not (folder / "config.json").is_file():
        remedy = "name a folder that save_pretrained has written"
        if (folder / "adapter_config.json").is_file():
            remedy = f"this is an adapter: name its base model, or merge it first: fingen merge {folder}"
        yield Obstacle(f"{folder}: no model here: it has no config.json", remedy)
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.iterdir() if is_pickle(path.name))
        yield Obstacle(
            f"{folder}: its weights are pickles ({pickled[0]}), which can run code when they are read"
            if pickled
            else f"{folder}: no weights here: it has no *.safetensors",
            "convert them to safetensors, or take a model that has them" if pickled else "fetch the model again",
        )


def _gate(base: Base) -> Iterator[Obstacle]:
    from huggingface_hub import get_token

    if base.alias and base.alias.gated and not get_token():
        yield Obstacle(
            f"{base.source} is handed out only to who has accepted its licence ({base.alias.licence}), and no token is here",
            f"accept it at https://huggingface.co/{base.source}, then set HF_TOKEN or run `hf auth login`",
        )


def _disk(base: Base) -> Iterator[Obstacle]:
    from huggingface_hub import constants

    if base.billions is None:
        return
    cache = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (cache, *cache.parents) if path.exists())
    need, free = base.billions * 1e9 * DOWNLOAD_BYTES, shutil.disk_usage(there).free
    if need > free:
        yield Obstacle(
            f"the download takes about {need / GIB:.1f} GiB, and {there} has {free / GIB:.1f} GiB free",
            "free some disk space, set HF_HOME to a larger disk, or take a smaller model",
        )


def find_shape(base: Base) -> Shape | None:
    """Depth and widths of a base model whose config.json is on this machine."""
    if base.local:
        return read_shape(read_config(Path(base.source)))
    if base.built or find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(base.source, "config.json")
    return read_shape(read_config(Path(cached).parent)) if isinstance(cached, str) else None


def is_cached(hub_id: str) -> bool:
    """Whether the weights of a model are on this machine."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(hub_id, name), str) for name in WEIGHTS)


def _memory(base: Base, tuning: Tuning) -> Iterator[Obstacle]:
    free, kind = free_memory_bytes()
    if base.billions is None or free is None:
        return
    need = least_bytes(base.billions, planned_load(tuning.load))
    if need > free:
        yield Obstacle(
            f"{base.name} needs at least {need / GIB:.1f} GiB with --load {tuning.load}; {kind} has {free / GIB:.1f} GiB free",
            "take a smaller model" if tuning.load == "4bit" else "pass --load 4bit, or take a smaller model",
        )


def planned_load(load: str) -> str:
    """What `auto` will most likely mean here."""
    return load if load != "auto" else "bf16" if free_memory_bytes()[1] == GPU else "fp32"


def free_memory_bytes() -> tuple[int | None, str]:
    """Free memory of the first GPU, else of the machine, and which of them; None where it cannot be told."""
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return torch.cuda.mem_get_info()[0], GPU
    return free_machine_bytes(), MACHINE


def free_machine_bytes() -> int | None:
    """Free memory of the machine, or all of it where the system tells no more; None where it tells nothing."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None
