"""The state of a training on disk: whole or not there. One file, read without running anything that is in it."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass, field, fields
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType, TracebackType
from typing import Any

import torch

from fingen.errors import Interrupted, LimitError, UsageError
from fingen.records import dump_json, open_atomic

CHECKPOINT = "checkpoint.pt"
HISTORY = "training.jsonl"


@dataclass
class State:
    """Where a training is, besides weights and optimizer."""

    step: int = 0  # steps done
    loss: float = float("nan")  # of the last of them
    last_loss: float | None = None  # on the validation rows, at the last evaluation
    best_loss: float | None = None  # the lowest of them
    best_step: int | None = None
    worse: int = 0  # evaluations since
    ended: bool = False  # early
    best: dict[str, torch.Tensor] = field(default_factory=dict)  # weights after `best_step`


@dataclass(frozen=True)
class Loaded:
    """What a checkpoint holds."""

    state: State
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]


class Checkpoint:
    """The checkpoint and the history of one run, in its folder. `run` says which run it is: another's is refused."""

    def __init__(self, folder: Path, run: str) -> None:
        self.path, self.history, self.run = folder / CHECKPOINT, folder / HISTORY, run

    def log(self, row: dict[str, Any]) -> None:
        """Add a row to the history; what is logged reaches the disk now, and outlives a kill."""
        self.history.parent.mkdir(parents=True, exist_ok=True)
        with self.history.open("a", encoding="utf-8", newline="\n") as file:
            file.write(dump_json(row) + "\n")

    def save(self, state: State, weights: dict[str, Any], optimizer: dict[str, Any], scaler: dict[str, Any]) -> None:
        """Write beside, sync, rename: a kill at any moment leaves the old checkpoint or the new one.

        Raises:
            LimitError: it cannot be written; the old one is as it was.
        """
        beside = self.path.with_name(f".{self.path.name}.part")
        plain = {name: parameter.detach() for name, parameter in weights.items()}
        shallow = {each.name: getattr(state, each.name) for each in fields(state)}
        content = {"run": self.run, "state": shallow, "weights": plain, "optimizer": optimizer, "scaler": scaler}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except (OSError, RuntimeError) as e:  # torch's zip writer turns a full disk into a RuntimeError
            beside.unlink(missing_ok=True)
            raise LimitError(
                f"{self.path}: cannot be written: {getattr(e, 'strerror', None) or e}",
                hint="free some disk space, then run the same command with --resume",
            ) from e

    def load(self, device: torch.device) -> Loaded | None:
        """The stored state, and the history cut back to it; None if there is none.

        Raises:
            UsageError: it is damaged, or another run's.
        """
        if not self.path.is_file():
            return None
        try:
            content = torch.load(self.path, map_location=device, weights_only=True)
            run, state = content["run"], State(**content["state"])
            loaded = Loaded(state, content["weights"], content["optimizer"], content["scaler"])
        except (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError, ValueError) as e:
            raise UsageError(f"{self.path}: damaged", hint="start anew with --replace") from e
        if run != self.run:
            raise UsageError(
                f"{self.path}: of a run with another set, base model or settings",
                hint="give the settings of that run, start anew with --replace, or name another folder with --out",
            )
        self._cut_history(state.step)
        return loaded

    def _cut_history(self, step: int) -> None:
        kept = [row for row in read_history(self.history) if row["step"] <= step]
        with open_atomic(self.history) as file:
            file.writelines(dump_json(row) + "\n" for row in kept)

    def clear(self) -> None:
        """Remove the checkpoint: the run is over."""
        self.path.unlink(missing_ok=True)


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a history; one that a kill has cut short is left out, with what is behind it."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


class Stop:
    """Ctrl-C while a step is under way: the step is finished and stored first. A second Ctrl-C ends it at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def end(self, message: str) -> None:
        """Stop here if that was asked for.

        Raises:
            Interrupted: it was.
        """
        if self.asked:
            raise Interrupted(message, hint="run the same command with --resume to go on")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
